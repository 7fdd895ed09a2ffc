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
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from sentinel_edge import assets, gates
from sentinel_edge.baseline import learning
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.decision.decision import REMEDIES, Guards, Remedy, Surroundings, decide
from sentinel_edge.decision.history import Action
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, Footage
from sentinel_edge.footage.window import Window, join
from sentinel_edge.gates.protocol import Models
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.promotion.watched import Watched
from sentinel_edge.verdict.verdict import Status, Verdict

from .cases import Case, Question, Truth, questions
from .footage import Stretch
from .lens import Damaging
from .records import Records

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
    start = time.monotonic()
    with ProcessPoolExecutor(processes, get_context("fork"), _begin, (cache,)) as pool:
        work = _reading(asked)
        for done, _ in enumerate(pool.map(_fill, work), start=1):
            _say(f"read {done} of {len(work)} stretches, {time.monotonic() - start:.0f} s")
        _say(f"read in {time.monotonic() - start:.0f} s", end="\n")
        asked.sort(key=lambda question: -len(question.cases))
        answers: list[Answer] = []
        for question, found in zip(asked, pool.map(_ask, asked), strict=True):
            answers += found
            _say(f"judged {question.camera}, {time.monotonic() - start:.0f} s")
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


@cache
def _records(folder: Path) -> Records:
    return Records.at(folder, assets.default_model())


_folder = Path()


def _begin(folder: Path) -> None:
    global _folder  # noqa: PLW0603  (one a process)
    _folder = folder
    cv2.setNumThreads(1)


def _fill(work: tuple[Stretch, float, list[Damaging]]) -> None:
    stretch, fps, damages = work
    _records(_folder).fill(stretch, damages, fps)


def _ask(question: Question) -> list[Answer]:
    """Learn a camera's past, judge its windows."""
    records = _records(_folder)
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


HARMFUL: Mapping[str, tuple[str, ...]] = {
    Truth.ORDINARY: ("look", "repair", "retrain", "ERROR"),
    Truth.NATURAL: ("repair",),
    Truth.FAULT: ("nothing", "retrain"),
    Truth.STRANGER: ("nothing", "retrain"),
}
"""What must not be called for, by truth."""


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


def harm(answers: Sequence[Answer]) -> str:
    """One line a target: how many answers were wrong, in the order of harm."""
    def share(found: Sequence[Answer], wrong: Callable[[Answer], bool]) -> str:
        count = sum(wrong(one) for one in found)
        return f"{count} of {len(found)}" + (f" ({count / len(found):.1%})" if found else "")

    def of(truth: Truth, sort: str = "") -> list[Answer]:
        return [one for one in answers if one.truth == truth and one.sort.startswith(sort)]

    faults, natural, ordinary = of(Truth.FAULT), of(Truth.NATURAL), of(Truth.ORDINARY)
    real = [one for one in faults if not one.sort.startswith("saboteur")]
    helped = ("repair", "look")
    named = [one for one in faults if one.right is not None and not one.sort.endswith("severity 1")]
    return "\n".join(
        [
            f"faults answered by retrain:                 {share(faults, lambda one: one.called_for == 'retrain')}",
            f"strangers answered by retrain or nothing:   "
            f"{share(of(Truth.STRANGER), lambda one: one.called_for in ('retrain', 'nothing'))}",
            f"others' and real faults: repair or look:    {share(real, lambda one: one.called_for in helped)}",
            *(
                f"saboteur severity {level}: repair or look:       "
                f"{share(of(Truth.FAULT, f'saboteur severity {level}'), lambda one: one.called_for in helped)}"
                for level in (2, 3)
            ),
            f"natural change answered by repair:          {share(natural, lambda one: one.called_for == 'repair')}",
            f"ordinary windows: ERROR:                    {share(ordinary, lambda one: one.status == 'ERROR')}",
            f"ordinary windows: FAIL:                     {share(ordinary, lambda one: one.status == 'FAIL')}",
            f"first cause right:                          {share(named, lambda one: bool(one.right))}",
        ]
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple | np.ndarray) else str(value)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.detection.remedies", description=__doc__)
    parser.add_argument("--footage", type=Path, default=Path("../shared/data"), help="the folder of footage")
    parser.add_argument("--cache", type=Path, default=Path(".cache/remedies"), help="folder for what was computed")
    parser.add_argument("--output", type=Path, default=Path("bench_output"), help="folder for remedies.md and .jsonl")
    parser.add_argument("--only", default="", help="cameras whose name matches this alone")
    parser.add_argument("--processes", type=int, default=2, help="at once")
    options = parser.parse_args()
    answers = measured(options.footage, options.cache, processes=options.processes, only=options.only)
    by_kind = table(answers, lambda answer: f"{answer.sort}: {answer.kind}" if answer.kind else answer.sort)
    by_camera = table(answers, lambda answer: answer.camera)
    text = f"{table(answers)}\n\n{harm(answers)}\n"
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "remedies.md").write_text(f"{text}\n## By camera\n\n{by_camera}\n\n## By kind\n\n{by_kind}\n")
    lines = "".join(json.dumps(asdict(answer), default=_plain) + "\n" for answer in answers)
    (options.output / "remedies.jsonl").write_text(lines)
    print(text)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
