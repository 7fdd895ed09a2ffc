"""The README tells the truth: its commands exist, and its outputs are what the commands print."""

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sentinel_edge.causes import Cause
from sentinel_edge.cli.command import options
from sentinel_edge.cli.commands import COMMANDS
from sentinel_edge.cli.option import dashed
from sentinel_edge.sabotage.corruptions import KINDS
from sentinel_edge.verdict.verdict import EXIT_CODES
from tests.command import do_without
from tests.conftest import INCOMING

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCORE_TOLERANCE = 0.02
"""ONNX Runtime's kernels differ between processors, and with them the last digits of a score."""


def block(name: str) -> str:
    found = re.search(rf"<!-- {name}:begin -->\n```\n(.*?)```\n<!-- {name}:end -->", README, re.DOTALL)
    assert found, f"the README has no block {name}"
    return found[1]


def assert_same_text(shown: str, printed: str) -> None:
    """Equal but for the last digits of scores and the duration."""
    number = re.compile(r"\d+\.\d+|\d+(?=%)")
    seconds = re.compile(r"\(\d+\.\d s\)")
    shown, printed = (seconds.sub("(s)", text) for text in (shown, printed))
    assert number.sub("#", printed) == number.sub("#", shown)
    for ours, theirs in zip(number.findall(shown), number.findall(printed), strict=True):
        scale = 1 if "." in ours else 100
        # `approx` takes the larger of both: a deviation of 9.5 tolerances may be 9.6 elsewhere.
        assert float(ours) == pytest.approx(float(theirs), rel=0.03, abs=SCORE_TOLERANCE * scale), (ours, theirs)


@pytest.mark.slow
def test_the_demo_prints_the_table_of_the_readme() -> None:
    if not shutil.which("make"):
        do_without("there is no make")
    command = ["make", "--no-print-directory", "--assume-old=.venv/installed", f"PYTHON={sys.executable}", "demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert_same_text(block("demo"), done.stdout.split("\n\n")[0] + "\n")


def test_check_prints_the_summary_of_the_readme_on_a_terminal(tmp_path: Path) -> None:
    command = ["check", "--incoming", str(INCOMING), "--output", "temp_status"]
    master, slave = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "sentinel_edge", *command],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=slave, check=True, timeout=60,
    )  # fmt: skip
    os.close(slave)
    printed = os.read(master, 10_000).decode().replace("\r\n", "\n")
    os.close(master)
    assert_same_text(block("summary"), printed)


def test_every_command_and_option_in_the_readme_exists() -> None:
    text = README.replace("\\\n", " ")
    used = re.findall(
        r"(?:sentinel-edge|vfi-monitor) "
        r"(check|baseline|describe|decide|sabotage|excerpt|evaluate|canary|version)\b([^\n`]*)",
        text,
    )
    assert len(used) >= 6
    for command, rest in used:
        found = COMMANDS[command]
        assert isinstance(found, type)
        for option in re.findall(r"--([a-z-]+)", rest):
            assert option in {*map(dashed, options(found)), "help"}, f"sentinel-edge {command} has no option --{option}"


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for name in ("README.md", "baseline/README.md", "models/README.md"):
        used = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        assert used <= targets, used - targets


PAGES = ("docs/library.md", "docs/footage.md")


def test_every_link_to_a_file_leads_somewhere() -> None:
    for name in ("README.md", "baseline/README.md", "models/README.md", "tests/data/README.md", *PAGES):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text):
            assert ((ROOT / name).parent / target).exists(), f"{name} links to {target}"


def test_the_readme_knows_every_kind_of_failure_and_exit_code() -> None:
    for kind in KINDS:
        assert f"`{Cause(kind)}`" in README
    for status, code in EXIT_CODES.items():
        assert f"| {code} | {status} |" in README
