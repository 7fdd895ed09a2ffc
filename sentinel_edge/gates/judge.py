"""The judge: a window against a baseline. Pure: records in, each gate's result and the causes out. It names no gate.

A baseline that has grown is judged by twice: what it would pass, but what differs by a fault from the episodes it was
founded on, fails, however small the steps were that led there. What differs from them otherwise is told.

The status is FAIL when any gate fails. Where the window or the baseline cannot support a judgement the answer is ERROR
with the reason, never a guess. A gate that has nothing to judge by on sound footage leaves it to the others and says
so; alone, that is ERROR.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from sentinel_edge.causes import REMEDIES, Cause, Remedy
from sentinel_edge.footage.window import Window
from sentinel_edge.gates.protocol import TOLERATED, Explanation, Known, Normal, Settings
from sentinel_edge.verdict.verdict import CauseFound, GateResult, Status

DRIFTED_FRAMES = 5
"""Frames listed in a verdict, so that a person can look."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found.

    Attributes:
        status: FAIL when any gate fails, else ERROR when any cannot judge or none judges, else PASS.
        gates: Each enabled gate's result, by name.
        causes: What happened, most likely first; of a FAIL alone.
        furthest: Names or times of the frames furthest from the baseline, the furthest first; of a FAIL alone.
    """

    status: Status
    gates: Mapping[str, GateResult]
    causes: tuple[CauseFound, ...] = ()
    furthest: tuple[str, ...] = ()

    @property
    def most_drifted(self) -> tuple[str, ...]:
        """Those of the furthest frames that a verdict lists."""
        return self.furthest[:DRIFTED_FRAMES]


def judge(
    window: Window, baseline: Known, *, gates: Collection[str] | None = None, settings: Settings | None = None
) -> Judgement:
    """Judge a window by the enabled gates.

    Args:
        window: What was seen.
        baseline: What is normal.
        gates: Names of those that decide; None for all the baseline knows.
        settings: See `protocol.Settings`.
    """
    asked = tuple(baseline.normal if gates is None else gates)
    results = {name: _result(name, window, baseline, settings or {}) for name in asked}
    normal = dict(baseline.normal)
    if baseline.anchors:
        for name, anchor in baseline.anchors.normal.items():
            if name in results and results[name].status is Status.PASS:
                results[name] = _anchored(name, anchor, window, results[name], baseline)
                if results[name].status is Status.FAIL:
                    normal[name] = anchor
    if [result.status for result in results.values()] == [Status.NOT_JUDGED]:
        results = {name: replace(result, status=Status.ERROR) for name, result in results.items()}
    found = {result.status for result in results.values()}
    status = next((one for one in (Status.FAIL, Status.ERROR, Status.PASS) if one in found), Status.ERROR)
    if status is not Status.FAIL:
        return Judgement(status, results)
    told = [one.explain(window, results) for one in normal.values()]
    causes = _named(told)
    parts = [one.part for one in told if one.part is not None]
    if not causes and parts:
        causes = _causes_of_part(window.take(parts[0]), baseline, normal, settings or {})
    if not causes:
        failed = next(result for result in results.values() if result.status is Status.FAIL)
        causes = (CauseFound(Cause.UNKNOWN, failed.reason),)
    return Judgement(status, results, causes, next((one.furthest for one in told if one.furthest), ()))


def _anchored(name: str, anchor: Normal, window: Window, passed: GateResult, baseline: Known) -> GateResult:
    """What becomes of a gate's PASS when the window is held against what the baseline was founded on.

    A change that nobody can name is no fault here: over the years a scene becomes unlike what it was.
    """
    found = anchor.judge(window, baseline.episodes, {})
    if found.status is not Status.FAIL or baseline.anchors is None:
        return passed
    causes = [cause.kind for cause in anchor.explain(window, {name: found}).causes]
    told = f"{anchor.changes(found)} since {baseline.anchors.month}"
    if all(REMEDIES[cause] is Remedy.LEARN or cause is Cause.UNKNOWN for cause in causes):
        return replace(passed, reason=f"{passed.reason}; {told}")
    return replace(found, reason=f"{told}, in steps of which each was learned ({found.reason})", reference=())


def _causes_of_part(
    part: Window, baseline: Known, normal: Mapping[str, Normal], settings: Settings
) -> tuple[CauseFound, ...]:
    """What befell a part of a window that is sound as a whole: what all gates say of it as a window of its own."""
    results = {name: _result(name, part, baseline, settings) for name in normal}
    return _named([one.explain(part, results) for one in normal.values()])


def _named(told: Iterable[Explanation]) -> tuple[CauseFound, ...]:
    """The causes that gates name, each once: by the gate that names it first."""
    causes: dict[Cause, CauseFound] = {}
    for cause in (cause for one in told for cause in one.causes):
        causes.setdefault(cause.kind, cause)
    return tuple(causes.values())


def _result(name: str, window: Window, baseline: Known, settings: Settings) -> GateResult:
    normal = baseline.normal.get(name)
    if normal is None:
        reason = "the baseline was made without it; build it again"
    elif normal.needs_records and name not in window.records:
        reason = "nothing was recorded for it; expected frames, not embeddings alone"
    else:
        return normal.judge(window, baseline.episodes, settings)
    return GateResult(Status.NOT_JUDGED, None, TOLERATED, reason)
