"""What footage shows by the baseline that is to learn it: no fault is learned unless somebody says that it is none."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.episodes import Piece
from sentinel_edge.causes import REMEDIES, Cause, Remedy
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.window import Window, join
from sentinel_edge.gates.judge import Judgement, judge
from sentinel_edge.verdict.verdict import CauseFound, Status

TOGETHER = "all of it together"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one stretch of new footage shows.

    Attributes:
        name: The episode's; `TOGETHER` for all of them as one window.
        window: What was recorded of it.
        judgement: By the baseline as it is.
    """

    name: str
    window: Window
    judgement: Judgement

    @property
    def faults(self) -> tuple[CauseFound, ...]:
        """The causes that are not to be learned: a fault of the camera, or what may be one."""
        return tuple(cause for cause in self.judgement.causes if REMEDIES[cause.kind] is not Remedy.LEARN)

    @property
    def facts(self) -> dict[str, object]:
        """For programs."""
        return {"status": self.judgement.status, "causes": [cause.kind for cause in self.judgement.causes]}

    def __str__(self) -> str:
        """One line for a person."""
        judged = self.judgement
        causes = "; ".join(f"{cause.kind}: {cause.evidence}" for cause in judged.causes)
        unable = "; ".join(gate.reason for gate in judged.gates.values() if gate.status is Status.ERROR)
        return f"{self.name}: {judged.status}{f' ({causes or unable})' if causes or unable else ''}"


def vet(baseline: Baseline, added: Sequence[Piece]) -> list[Finding]:
    """Judge new episodes by what is known, each, and where there are several all of them as one window."""
    windows = [(piece.name, piece.window) for piece in added]
    if len(added) > 1:
        windows.append((TOGETHER, join([piece.window for piece in added])))
    known = replace(baseline, normal={name: normal.for_learning() for name, normal in baseline.normal.items()})
    return [Finding(name, window, judge(window, known)) for name, window in windows]


def require_sound(findings: Sequence[Finding], accepted: Collection[Cause]) -> None:
    """Refuse to learn a fault that nobody accepted.

    Raises:
        SentinelError: What was found, where, and what to do.
    """
    kinds: dict[Cause, list[str]] = {}
    evidence: dict[Cause, str] = {}
    for finding in findings:
        for cause in finding.faults:
            if cause.kind not in accepted:
                kinds.setdefault(cause.kind, []).append(finding.name)
                evidence.setdefault(cause.kind, cause.evidence)
    if not kinds:
        return
    told = "; ".join(f"{kind} in {_some(names)} ({evidence[kind]})" for kind, names in kinds.items())
    raise SentinelError(
        f"refused, nothing was learned: the new footage shows {told}; a fault that is learned becomes normal: repair "
        f"the camera, leave that footage out, or if it is sound and meant to be normal, say --accept {','.join(kinds)}"
    )


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
