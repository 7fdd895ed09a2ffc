"""The judge: a window against a baseline. Pure: records in, each gate's result and the causes out. It names no gate.

The status is FAIL when any gate fails. Where the window or the baseline cannot support a judgement the answer is ERROR
with the reason, never a guess. A gate that has nothing to judge by on sound footage leaves it to the others and says
so; alone, that is ERROR.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sentinel_edge.causes import Cause
from sentinel_edge.footage.window import Window
from sentinel_edge.gates.protocol import TOLERATED, Known, Settings
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
    if [result.status for result in results.values()] == [Status.NOT_JUDGED]:
        results = {name: replace(result, status=Status.ERROR) for name, result in results.items()}
    found = {result.status for result in results.values()}
    status = next((one for one in (Status.FAIL, Status.ERROR, Status.PASS) if one in found), Status.ERROR)
    if status is not Status.FAIL:
        return Judgement(status, results)
    told = [normal.explain(window, results) for normal in baseline.normal.values()]
    causes = tuple(cause for one in told for cause in one.causes)
    if not causes:
        failed = next(result for result in results.values() if result.status is Status.FAIL)
        causes = (CauseFound(Cause.UNKNOWN, failed.reason),)
    return Judgement(status, results, causes, next((one.furthest for one in told if one.furthest), ()))


def _result(name: str, window: Window, baseline: Known, settings: Settings) -> GateResult:
    normal = baseline.normal.get(name)
    if normal is None:
        reason = "the baseline was made without it; build it again"
    elif normal.needs_records and name not in window.records:
        reason = "nothing was recorded for it; expected frames, not embeddings alone"
    else:
        return normal.judge(window, baseline.episodes, settings)
    return GateResult(Status.NOT_JUDGED, None, TOLERATED, reason)
