"""The judges, behind one type: a window and what is normal in, an opinion out.

This is the one place that knows how the runtime learns and judges.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.baseline import learning
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import MAX_UNREADABLE, Clip, Footage
from sentinel_edge.footage.window import Window
from sentinel_edge.gates.embedding import ks
from sentinel_edge.gates.embedding.calibration import ALPHA, THRESHOLD
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.protocol import MIN_FRAMES, Models
from sentinel_edge.verdict.verdict import Status

from .cache import WindowCache
from .corruptions import CLEAN
from .footage import Camera

OURS = "sentinel edge"
PLAIN = "plain rule"


@dataclass(frozen=True, slots=True)
class Normal:
    """What is known of a camera's past.

    Attributes:
        baseline: As the runtime builds it; None where it refuses to.
        refusal: Why it refused.
        past: The same frames without episodes, float16 (n, d), for judges that do not know any.
    """

    baseline: Baseline | None
    refusal: str
    past: NDArray[np.float16]

    @property
    def episodes(self) -> int:
        """Episodes of the baseline."""
        return len(self.baseline.episodes) if self.baseline else 0


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge says of a window.

    Attributes:
        status: PASS, FAIL, or ERROR where it cannot judge.
        evidence: How strongly it speaks for FAIL, for the area under the curve; None on ERROR. Over several gates it
            is the largest score in units of its threshold, so 1 is where PASS becomes FAIL.
        gates: Score of each gate.
        causes: What happened, most likely first.
    """

    status: Status
    evidence: float | None
    gates: Mapping[str, float | None] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()


def learn(camera: Camera, windows: WindowCache) -> Normal:
    """Build the baseline of a camera's past with the runtime's own function, from windows read once."""
    stretches = {stretch.clip: stretch for stretch in camera.past}
    read: list[Window] = []

    def read_window(clips: list[Clip], _recorders: Any, _fps: float, *, limit: int, **_: Any) -> Window:
        (clip,) = clips
        read.append(windows.window(stretches[clip], CLEAN, camera.fps, limit))
        return read[-1]

    footage = Footage(Path(camera.name), tuple(stretches))
    baseline, refusal = None, ""
    try:
        with mock.patch.object(learning, "read_window", read_window):
            baseline, _ = build_baseline(footage, Models(windows.embedder), fps=camera.fps)
    except SentinelError as error:
        refusal = str(error)
    return Normal(baseline, refusal, np.concatenate([window.records[gates.DRIFT] for window in read]))


def sentinel_edge(window: Window, normal: Normal) -> Opinion:
    """Our judge, as `monitor.check` asks it."""
    if normal.baseline is None or window.unreadable > MAX_UNREADABLE * window.expected:
        return Opinion(Status.ERROR, None)
    judgement = judge(window, normal.baseline)
    scores = {name: gate.score for name, gate in judgement.gates.items()}
    shares = [gate.score / gate.threshold for gate in judgement.gates.values() if gate.score is not None]
    return Opinion(
        judgement.status,
        max(shares) if shares and judgement.status is not Status.ERROR else None,
        scores,
        tuple(cause.kind for cause in judgement.causes),
    )


def plain_rule(window: Window, normal: Normal) -> Opinion:
    """The rule without calibration: every frame taken for an independent draw, the whole past as one sample."""
    if min(len(window), len(normal.past)) < MIN_FRAMES:
        return Opinion(Status.ERROR, None)
    distance = ks.statistic(window.records[gates.DRIFT], normal.past)
    pvalue = ks.pvalues(distance, ks.independent_scale(len(window), len(normal.past)))
    score = float((pvalue < ALPHA).mean())
    return Opinion(Status.FAIL if score > THRESHOLD else Status.PASS, score / THRESHOLD, {"share": score})


Judge = Callable[[Window, Normal], Opinion]

JUDGES: Mapping[str, Judge] = {OURS: sentinel_edge, PLAIN: plain_rule}
