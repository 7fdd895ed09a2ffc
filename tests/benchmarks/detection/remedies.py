"""The remedy table: of windows whose truth is known, what does a FAIL call for?

Run alone with `python -m tests.benchmarks.detection.remedies --footage ../shared/data`.
"""

import argparse
import json
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from sentinel_edge import assets
from sentinel_edge.baseline import learning
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.causes import REMEDIES, Remedy
from sentinel_edge.decision.decision import Guards, Surroundings, decide
from sentinel_edge.decision.history import Action
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, Footage
from sentinel_edge.footage.window import Window, join
from sentinel_edge.gates.protocol import Models
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.promotion.watched import Watched
from sentinel_edge.verdict.verdict import Status, Verdict

from .cases import Case, Question, Truth, questions
from .corruptions import CORRUPT_TTA, SABOTEUR
from .footage import Stretch
from .lens import Damaging
from .records import Records

METHOD = (
    "What `decide` calls for after one FAIL, its guards at their defaults, and in how many of the windows that failed "
    "the first cause named is right. Ordinary windows are of a kind that the baseline has seen, natural change is not."
)
ANSWERS = ("nothing", "look", "repair", "retrain", "ERROR")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one window, and what was called for.

    Attributes:
        camera: Whose baseline it was judged by.
        window: Its name.
        truth: What is true of it.
        sort: Its row.
        kind: What befell the camera.
        status: PASS, FAIL or ERROR.
        called_for: One of `ANSWERS`.
        right: Whether the first cause names it; None where no name is asked for, or nothing failed.
        frames: Recorded.
        causes: Found, with the evidence.
        gates: Each gate's status, score over threshold, and numbers.
        message: The verdict's.
    """

    camera: str
    window: str
    truth: str
    sort: str
    kind: str
    status: str
    called_for: str
    right: bool | None
    frames: int
    causes: list[list[str]]
    gates: dict[str, Any]
    message: str


def measured(data: Path, cache: Path, *, processes: int = 2, quick: bool = False, only: str = "") -> list[Answer]:
    """Ask every question that the footage allows.

    Args:
        data: The folder of footage.
        cache: Folder for what was computed.
        processes: At once.
        quick: Two cameras alone.
        only: Cameras whose name matches this expression alone.
    """
    asked = [question for question in questions(data, quick=quick) if re.search(only, question.camera)]
    if processes == 1:
        return _answers(asked, cache, map)
    with ProcessPoolExecutor(processes, get_context("fork"), cv2.setNumThreads, (1,)) as pool:
        return _answers(asked, cache, pool.map)


def _answers(asked: list[Question], cache: Path, each: Callable[..., Iterable[Any]]) -> list[Answer]:
    """Read all that is needed, then judge; `each` is `map`, or one of several processes."""
    start = time.monotonic()
    work = _reading(asked)
    for done, _ in enumerate(each(partial(_fill, cache), work), start=1):
        _say(f"read {done} of {len(work)} stretches, {time.monotonic() - start:.0f} s")
    _say(f"read in {time.monotonic() - start:.0f} s", end="\n")
    asked.sort(key=lambda question: -len(question.cases))
    answers = [answer for found in each(partial(_ask, cache), asked) for answer in found]
    _say(f"{len(answers)} windows judged, {time.monotonic() - start:.0f} s in all", end="\n")
    return answers


def _say(text: str, end: str = "") -> None:
    if sys.stderr.isatty() or end:
        print(f"\r\x1b[K{text}" if sys.stderr.isatty() else text, file=sys.stderr, end=end, flush=True)


def _reading(asked: Iterable[Question]) -> list[tuple[Stretch, float, list[Damaging]]]:
    """What must be read: each stretch once, with all its damages, the longest work first."""
    wanted: dict[tuple[Stretch, float], list[Damaging]] = defaultdict(list)
    for question in asked:
        pairs = [(stretch, question.seen_through) for stretch in question.past]
        pairs += [(stretch, case.damage) for case in question.cases for stretch in case.stretches]
        for stretch, damage in pairs:
            damages = wanted[stretch, question.fps]
            if damage not in damages:
                damages.append(damage)
    work = [(stretch, fps, damages) for (stretch, fps), damages in wanted.items()]
    return sorted(work, key=lambda one: (one[0].clip.is_video, -one[0].length * len(one[2])))


@lru_cache
def _records(folder: Path) -> Records:
    return Records.at(folder, assets.default_model())


def _fill(folder: Path, work: tuple[Stretch, float, list[Damaging]]) -> None:
    stretch, fps, damages = work
    _records(folder).fill(stretch, damages, fps)


def _ask(folder: Path, question: Question) -> list[Answer]:
    """Learn a camera's past, judge its windows."""
    records = _records(folder)
    try:
        baseline = _learn(question, records)
    except SentinelError as error:
        return [_refused(question, case, str(error)) for case in question.cases]
    return [_answer(question, case, baseline, records) for case in question.cases]


def _learn(question: Question, records: Records) -> Baseline:
    by_clip = {stretch.clip: stretch for stretch in question.past}

    def read(clips: Sequence[Clip], *_: Any, **__: Any) -> Window:
        return records.window(by_clip[clips[0]], question.seen_through, question.fps)

    footage = Footage(Path(question.camera), tuple(by_clip))
    with mock.patch.object(learning, "read_window", read):
        return build_baseline(footage, Models(records.embedder), fps=question.fps)[0]


def _answer(question: Question, case: Case, baseline: Baseline, records: Records) -> Answer:
    window = join([records.window(stretch, case.damage, question.fps) for stretch in case.stretches])
    verdict = check(CheckOptions(lambda: window, baseline, interpolator=Watched.NONE))
    return _told(question, case, verdict, len(window))


def _refused(question: Question, case: Case, why: str) -> Answer:
    return Answer(
        question.camera, case.name, case.truth, case.sort, str(case.damage), "ERROR", "ERROR", None, 0, [], {}, why
    )


def called_for(verdict: Verdict) -> str:
    """What a verdict calls for after one FAIL, in the words of the table."""
    decision = decide(verdict, (), Guards(), Surroundings(), NOW)
    if decision.action is Action.REPAIR:
        fault = any(REMEDIES[found.kind] is Remedy.REPAIR for found in verdict.causes)
        return "repair" if fault else "look"
    return {"none": "nothing", "error": "ERROR"}.get(str(decision.action), str(decision.action))


def _told(question: Question, case: Case, verdict: Verdict, frames: int) -> Answer:
    right = None
    if case.causes and verdict.status is Status.FAIL:
        right = str(verdict.causes[0].kind) in case.causes
    return Answer(
        camera=question.camera,
        window=case.name,
        truth=str(case.truth),
        sort=case.sort,
        kind=str(case.damage) if case.damage.severity else "",
        status=str(verdict.status),
        called_for=called_for(verdict),
        right=right,
        frames=frames,
        causes=[[str(found.kind), found.evidence] for found in verdict.causes],
        gates={
            name: {
                "status": str(gate.status),
                "score": None if gate.score is None else round(gate.score / gate.threshold, 3),
                **gate.numbers,
            }
            for name, gate in verdict.gates.items()
        },
        message=verdict.message,
    )


def table(answers: Sequence[Answer], by: Callable[[Answer], str] = lambda answer: answer.sort) -> str:
    """The remedy table as Markdown: rows of truths and sorts, then the shares that matter."""
    rows: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        rows[answer.truth, by(answer)].append(answer)
    lines = [
        f"| truth | | windows | {' | '.join(ANSWERS)} | first cause right |",
        f"|---|---|---:|{'---:|' * len(ANSWERS)}---:|",
    ]
    for truth in Truth:
        of_truth = {sort: found for (what, sort), found in rows.items() if what == truth}
        for sort, found in sorted(of_truth.items()):
            lines.append(_row(str(truth), sort, found))
        if len(of_truth) > 1:
            lines.append(_row(f"**{truth}**", "**all**", [one for found in of_truth.values() for one in found]))
    return "\n".join(lines)


def _row(truth: str, sort: str, found: Sequence[Answer]) -> str:
    counts = [sum(one.called_for == answer for one in found) for answer in ANSWERS]
    asked = [one.right for one in found if one.right is not None]
    right = f"{sum(asked)} of {len(asked)}" if asked else ""
    told = " | ".join(str(count or "") for count in counts)
    return f"| {truth} | {sort} | {len(found)} | {told} | {right} |"


HELPS = ("repair", "look")
TARGETS: Mapping[str, tuple[float, bool]] = {
    "a fault of the camera called for retraining": (0.0, False),
    "real and others' faults answered by repair or look": (0.95, True),
    "saboteur severity 2 answered by repair or look": (0.95, True),
    "saboteur severity 3 answered by repair or look": (1.0, True),
    "natural change called for repair": (0.05, False),
    "ordinary windows: ERROR": (0.01, False),
    "ordinary windows: FAIL": (0.02, False),
    "first cause right, severity 2 and up": (0.95, True),
    "another camera passed or called for retraining": (0.0, False),
}
"""What is counted, in the order of harm: the share aimed at, and whether it is a lower bound."""


def harm(answers: Sequence[Answer]) -> dict[str, tuple[int, int]]:
    """How many windows each of `TARGETS` is true of, and of how many."""

    def count(found: Iterable[bool]) -> tuple[int, int]:
        told = list(found)
        return sum(told), len(told)

    truth = {name: [one for one in answers if one.truth == name] for name in Truth}
    faults = truth[Truth.FAULT]
    severe = {level: [one for one in faults if one.sort == f"{SABOTEUR} severity {level}"] for level in (2, 3)}
    real = [one for one in faults if not one.sort.startswith(SABOTEUR)]
    graded = [one for one in faults if one.sort.startswith((SABOTEUR, CORRUPT_TTA)) and not one.sort.endswith(" 1")]
    counts = (
        count(one.called_for == "retrain" for one in faults),
        count(one.called_for in HELPS for one in real),
        count(one.called_for in HELPS for one in severe[2]),
        count(one.called_for in HELPS for one in severe[3]),
        count(one.called_for == "repair" for one in truth[Truth.NATURAL]),
        count(one.called_for == "ERROR" for one in truth[Truth.ORDINARY]),
        count(one.status == "FAIL" for one in truth[Truth.ORDINARY]),
        count(one.right for one in graded if one.right is not None),
        count(one.called_for in ("nothing", "retrain") for one in truth[Truth.STRANGER]),
    )
    return dict(zip(TARGETS, counts, strict=True))


def targets(answers: Sequence[Answer]) -> str:
    """What was counted against what is aimed at, as Markdown."""
    lines = ["| | windows | share | target | met? |", "|---|---:|---:|---|---|"]
    for name, (hits, asked) in harm(answers).items():
        aim, least = TARGETS[name]
        share = hits / asked if asked else float("nan")
        met = "" if not asked else "yes" if (share >= aim if least else share <= aim) else "NO"
        bound = "at least" if least else "at most"
        lines.append(f"| {name} | {hits} of {asked} | {share:.1%} | {bound} {aim:.0%} | {met} |")
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple | np.ndarray) else str(value)


def report(answers: Sequence[Answer]) -> str:
    """The table, what it comes to, and the same by camera and by kind, as Markdown."""
    kinds = table(answers, lambda answer: f"{answer.sort}: {answer.kind}" if answer.kind else answer.sort)
    cameras = table(answers, lambda answer: answer.camera)
    return (
        f"## What a FAIL calls for\n\n{table(answers)}\n\n{METHOD}\n\n{targets(answers)}\n\n"
        f"### By camera\n\n{cameras}\n\n### By kind\n\n{kinds}\n"
    )


def write(folder: Path, answers: Sequence[Answer]) -> None:
    """Write `remedies.md`, and `remedies.jsonl` with a line a window."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "remedies.md").write_text(report(answers))
    lines = (json.dumps(asdict(answer), default=_plain) for answer in answers)
    (folder / "remedies.jsonl").write_text("".join(f"{line}\n" for line in lines))


def short_table(answers: Sequence[Answer]) -> str:
    """The table of a README: a row a truth, and the sorts that matter apart."""
    return f"{table(answers, _group)}\n"


def _group(answer: Answer) -> str:
    if answer.truth != Truth.FAULT:
        return "all"
    if answer.sort.startswith((SABOTEUR, CORRUPT_TTA)):
        return answer.sort
    return "others' dirt, drops, broken glass; turned, frozen, another black level"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.detection.remedies", description=__doc__)
    parser.add_argument("--footage", type=Path, default=Path("../shared/data"), help="the folder of footage")
    parser.add_argument("--cache", type=Path, default=Path(".cache/detection"), help="folder for what was computed")
    parser.add_argument("--output", type=Path, default=Path("bench_output"), help="folder for remedies.md and .jsonl")
    parser.add_argument("--only", default="", help="cameras whose name matches this expression alone")
    parser.add_argument("--quick", action="store_true", help="a few kinds of damage alone")
    parser.add_argument("--processes", type=int, default=2, help="at once")
    given = parser.parse_args()
    answers = measured(given.footage, given.cache, processes=given.processes, quick=given.quick, only=given.only)
    write(given.output, answers)
    print(f"{table(answers)}\n\n{targets(answers)}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
