"""ERROR in place of yesterday's verdict before any library is loaded: loading takes a moment, and can fail.

Nothing but what Python brings along is imported here, and what was typed is only looked at, not understood: that takes
the libraries. The check then puts ERROR there once more, with all it knows.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from sentinel_edge.storage.claim import TakenError, claim, keep

UNFINISHED = "the check did not finish"
DEFAULT_OUTPUT = "temp_status"


def put_error(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Of the arguments of a `check`: say ERROR in its output folder where there is one, and lock that.

    What cannot be written or locked is left to the check itself, which says why.
    """
    if not arguments or arguments[0] != "check" or {"--help", "-h"} & set(arguments):
        return
    output = _output(arguments[1:], environment)
    folder = Path(output)
    if not output.strip() or not folder.is_dir():  # where none is yet, nothing is out of date
        return
    with suppress(TakenError):
        descriptor = claim(folder)
        if descriptor is not None:
            keep(descriptor)
        for name, text in (("status", "ERROR\n"), ("verdict.json", _unfinished())):
            with suppress(OSError):
                _put(folder / name, text)


def _output(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The folder that was named last."""
    found = environment.get("SENTINEL_OUTPUT") or DEFAULT_OUTPUT
    for word, following in pairwise([*arguments, "--"]):
        if word == "--output" and not following.startswith("--"):
            found = following
        elif word.startswith("--output="):
            found = word.partition("=")[2]
    return found


def _unfinished() -> str:
    """What `verdict.error_verdict` says of a check of which nothing is known."""
    frames = {"judged": 0, "sampled": 0, "stride": 1, "unreadable": 0}
    lists: dict[str, object] = {"skipped": [], "skipped_count": 0, "most_drifted": []}
    verdict = {
        "schema_version": 1,
        "status": "ERROR",
        "message": UNFINISHED,
        "drift_score": None,
        "threshold": 0.0,
        "alpha": 0.0,
        "incoming": "",
        "frames": {**frames, **lists},
        "gates": {},
        "causes": [],
        "baseline": {"path": ""},
        "model": {"path": ""},
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "duration_s": 0.0,
    }
    return json.dumps(verdict) + "\n"


def overwrite(path: Path, text: str) -> None:
    """Write into a file that is there, in place; a pipe nobody reads is not waited for, and no link is followed.

    Raises:
        OSError: It cannot be written.
    """
    _write(path, text, os.O_TRUNC | os.O_NONBLOCK | os.O_NOFOLLOW)


def _put(path: Path, text: str) -> None:
    """Replace a file; where that cannot be, have no older one stand."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a process of the same number that was killed
        _write(temporary, text, os.O_CREAT | os.O_EXCL)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        try:
            path.unlink(missing_ok=True)
        except OSError:
            overwrite(path, text)  # a folder that is locked, with files that are ours


def _write(path: Path, text: str, how: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CLOEXEC | how, 0o666), "w", encoding="ascii") as stream:
        stream.write(text)
