"""The real command, run as a person or a script would, and what every answer of it must look like."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parents[1]
SECONDS = 60
COMMAND = (sys.executable, "-m", "sentinel_edge")


def clean_environment(**extra: str) -> dict[str, str]:
    """This environment without the settings a developer may have made; the checkout's package comes first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SENTINEL_", "OPENCV_"))}
    return kept | {"PYTHONPATH": str(ROOT)} | extra


def run_cli(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    before: Callable[[], None] | None = None,
    seconds: float = SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run `sentinel-edge` to its end; `before` runs in the new process first (limits, lost privileges)."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=clean_environment(**(environment or {})),
        cwd=folder,
        preexec_fn=before,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=seconds,
        check=False,
    )


def start_cli(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start `sentinel-edge` and leave it running."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def complaint(stderr: str) -> str:
    """The one line on standard error, without the program's name; anything beside it is a failure."""
    assert stderr.endswith("\n"), stderr
    assert stderr.count("\n") == 1, stderr
    program, _, message = stderr.rstrip("\n").partition(": ")
    assert program == "sentinel-edge", stderr
    assert_one_line(message)
    return message


def assert_one_line(message: str) -> None:
    """A message for a person: one line, nothing a terminal would obey, and not a bare exception."""
    assert message.isprintable(), message
    assert message.strip() == message != "", message


def strict_json(text: str | bytes) -> dict[str, Any]:
    """Parse one JSON object, refusing what only Python takes for JSON (NaN, Infinity) and repeated keys."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    if isinstance(text, bytes):
        text = text.decode("utf-8")
    document: dict[str, Any] = json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    return document


def leave_yesterdays_pass(folder: Path) -> Path:
    """What an output folder holds when the check of the day before went well."""
    folder.mkdir(parents=True)
    (folder / "status").write_text("PASS\n")
    (folder / "verdict.json").write_text('{"schema_version": 1, "status": "PASS"}\n')
    return folder


def assert_error_stands(folder: Path) -> dict[str, Any]:
    """Both files say ERROR, and nothing else was left in the folder; gives back the verdict."""
    assert sorted(path.name for path in folder.iterdir()) == ["status", "verdict.json"]
    assert (folder / "status").read_bytes() == b"ERROR\n"
    verdict = strict_json((folder / "verdict.json").read_bytes())
    assert verdict["status"] == "ERROR"
    assert_one_line(verdict["message"])
    return verdict


def do_without(reason: str) -> NoReturn:
    """Skip a test that lacks its tool: on a laptop; where everything must be there it is a failure."""
    if os.environ.get("SENTINEL_REQUIRE_TOOLS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
