"""What must never come of a run, whatever it was given."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.cases import Case
from tests.fuzz.forks import MEMORY, Ending

COUNTS = ("signal", "traceback", "defect", "hang", "memory", "wrong PASS", "no verdict", "exit code", "litter")
"""The kinds of fault. `defect` is a complaint that calls itself one; `no verdict` is a status that is not what the exit
code says; `exit code` one that means nothing, or nothing said of why; `litter` is a temporary file left behind."""
EXIT_OF = {"PASS": 0, "FAIL": 3, "ERROR": 1}


def faults(case: Case, ending: Ending, folder: Path) -> Iterator[str]:
    """The kinds of fault of one run; none of a sound one."""
    if ending.hung:
        yield "hang"
    elif ending.signal:
        yield "signal"
    if ending.peak > MEMORY or "out of memory" in ending.stderr:
        yield "memory"
    if "this is a defect" in ending.stderr:
        yield "defect"
    if "Traceback (most recent call last)" in ending.stderr:
        yield "traceback"
    if not ending.signal and not ending.hung:
        if case.must_not_pass and _passed(case, ending, folder):
            yield "wrong PASS"
        yield from _mismatches(case, ending, folder)


def _passed(case: Case, ending: Ending, folder: Path) -> bool:
    if case.arguments[0] == "check":
        return ending.code == 0 or _status(folder) == "PASS"
    return "status=PASS" in _text(folder / "out" / "outputs").split("\n")


def _mismatches(case: Case, ending: Ending, folder: Path) -> Iterator[str]:
    if ending.code not in (0, 1, 2, 3) or (ending.code in (1, 2) and not (ending.stderr + ending.stdout).strip()):
        yield "exit code"
    told = (EXIT_OF.get(_status(folder)), _verdict(folder).get("status"))
    if case.arguments[0] == "check" and ending.code != 2 and told != (ending.code, _status(folder)):
        yield "no verdict"
    if any(path.name.endswith(".tmp") or re.match(r"\.(adding|out)-", path.name) for path in folder.rglob(".*")):
        yield "litter"


def _status(folder: Path) -> str:
    return _text(folder / "out" / "status").strip()


def _verdict(folder: Path) -> dict[str, object]:
    try:
        document = json.loads(_text(folder / "out" / "verdict.json"))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def table(runs: Counter[str], found: Counter[tuple[str, str]]) -> str:
    """One row a kind of file, one column a kind of fault."""
    width = max(map(len, (*runs, "all")))
    lines = [f"{'':{width}}  {'runs':>6}  " + "  ".join(f"{name:>10}" for name in COUNTS)]
    for kind in (*sorted(runs), "all"):
        count = sum(runs.values()) if kind == "all" else runs[kind]
        cells = [sum(n for (k, f), n in found.items() if f == name and kind in (k, "all")) for name in COUNTS]
        lines.append(f"{kind:{width}}  {count:6}  " + "  ".join(f"{cell:10}" for cell in cells))
    return "\n".join(lines)
