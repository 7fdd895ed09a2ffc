"""How good a judge was: rates, areas under the curve, and intervals that know that windows share cameras.

Windows of one camera stand and fall together, so their number says little; the cameras are what was drawn. Intervals
(95 %) are percentiles of a bootstrap that draws whole cameras. Where every camera gives the same rate, 0 or 1, there is
nothing to draw from, and the interval is Wilson's for that many cameras (E. B. Wilson, JASA 1927).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.causes import Cause
from sentinel_edge.verdict.verdict import Status

from .judges import Opinion

DRAWS = 4000
SEED = 0
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Trial:
    """A window that was judged, and what is known of it.

    Attributes:
        camera: Whose baseline it was judged against; what intervals are clustered by.
        source: "clean", a source of damage, "real failure" or "other camera".
        kind: Of the damage, or of the failure.
        severity: 0 to 5.
        window: Which part of which stretch.
        causes: What may rightly be named; empty when nothing is wrong.
    """

    camera: str
    source: str
    kind: str
    severity: int
    window: str
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a judge said in a trial."""

    trial: Trial
    judge: str
    opinion: Opinion


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of windows: `hits` of `judged`; `errors` could not be judged and are in neither."""

    hits: int
    judged: int
    errors: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share; NaN when nothing was judged."""
        return self.hits / self.judged if self.judged else math.nan

    def __str__(self) -> str:
        if not self.judged:
            return f"none judged, {self.errors} ERROR" if self.errors else "none"
        interval = f"{self.value:.0%} ({100 * self.low:.0f}-{100 * self.high:.0f}), {self.hits} of {self.judged}"
        return f"{interval}, {self.errors} ERROR" if self.errors else interval


@dataclass(frozen=True, slots=True)
class Area:
    """An area under the ROC curve with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return "none" if math.isnan(self.value) else f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def failed(outcomes: Sequence[Outcome]) -> Rate:
    """How many windows were called FAIL."""
    judged = [outcome for outcome in outcomes if outcome.opinion.status is not Status.ERROR]
    hits = [outcome.opinion.status is Status.FAIL for outcome in judged]
    return rate([outcome.trial.camera for outcome in judged], hits, errors=len(outcomes) - len(judged))


def named(outcomes: Sequence[Outcome]) -> Rate:
    """Of the damaged windows called FAIL, how many name a right cause first."""
    told = [outcome for outcome in outcomes if outcome.opinion.status is Status.FAIL]
    hits = [outcome.opinion.causes[:1] != () and outcome.opinion.causes[0] in outcome.trial.causes for outcome in told]
    return rate([outcome.trial.camera for outcome in told], hits)


def rate(cameras: Sequence[str], hits: Sequence[bool], errors: int = 0) -> Rate:
    """The share of hits, with an interval clustered by camera."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for camera, hit in zip(cameras, hits, strict=True):
        counts[camera][0] += hit
        counts[camera][1] += 1
    found, judged = sum(hits), len(hits)
    if not judged:
        return Rate(0, 0, errors, math.nan, math.nan)
    if found in (0, judged):
        low, high = wilson(len(counts) if found else 0, len(counts))
    else:
        table = np.array(list(counts.values()), np.float64)
        drawn = _draws(len(table)) @ table
        low, high = _percentiles(drawn[:, 0] / drawn[:, 1])
    return Rate(found, judged, errors, low, high)


def area(clean: Sequence[Outcome], damaged: Sequence[Outcome]) -> Area:
    """The chance that a damaged window shows more evidence than a clean one, over all cameras; ties count half."""
    cameras = sorted({outcome.trial.camera for outcome in (*clean, *damaged)})
    clean_of, damaged_of = _by_camera(clean, cameras), _by_camera(damaged, cameras)
    # Entry (i, j): damaged windows of camera i against clean ones of camera j; a draw weighs rows and columns.
    wins = np.array([[area_under_curve(b, a) * len(a) * len(b) for a in clean_of] for b in damaged_of])
    pairs = np.array([[float(len(a) * len(b)) for a in clean_of] for b in damaged_of])
    if not pairs.sum():
        return Area(math.nan, math.nan, math.nan)
    weights = _draws(len(cameras))
    with np.errstate(invalid="ignore"):
        drawn = np.einsum("ki,ij,kj->k", weights, wins, weights) / np.einsum("ki,ij,kj->k", weights, pairs, weights)
    return Area(float(wins.sum() / pairs.sum()), *_percentiles(drawn[np.isfinite(drawn)]))


def area_under_curve(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    """Mann-Whitney: the share of pairs in which the positive is larger, ties counting half; 0 without pairs."""
    if not len(positives) or not len(negatives):
        return 0.0
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left").sum()
    at_or_below = np.searchsorted(ordered, positives, side="right").sum()
    return float(below + at_or_below) / (2 * len(positives) * len(negatives))


def detected_at(clean: Sequence[Outcome], damaged: Sequence[Outcome], false_alarms: float) -> Rate:
    """Detection if this judge's threshold were moved until (at most) that share of clean windows is called FAIL."""
    evidence = np.sort(_evidence(clean))[::-1]
    judged = [outcome for outcome in damaged if outcome.opinion.evidence is not None]
    allowed = int(false_alarms * len(evidence) + 1e-9)
    bound = evidence[allowed] if allowed < len(evidence) else -np.inf
    hits = [bool(value > bound) for value in _evidence(judged)]
    return rate([outcome.trial.camera for outcome in judged], hits, errors=len(damaged) - len(judged))


def curve(clean: Sequence[Outcome], damaged: Sequence[Outcome]) -> list[tuple[float, float, float]]:
    """The trade-off: (evidence above which a window fails, false-alarm rate, detection rate) at each clean window."""
    calm, upset = _evidence(clean), _evidence(damaged)
    return [
        (float(bound), float((calm > bound).mean()), float((upset > bound).mean()))
        for bound in np.unique(calm)
        if len(upset)
    ]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, square = hits / count, Z95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z95 * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _draws(cameras: int) -> NDArray[np.float64]:
    """How often each camera is drawn, (draws, cameras)."""
    random = np.random.default_rng(SEED)
    return random.multinomial(cameras, np.full(cameras, 1 / cameras), DRAWS).astype(np.float64)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.nanquantile(values, (0.025, 0.975))
    return float(low), float(high)


def _evidence(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    return np.array([found.opinion.evidence for found in outcomes if found.opinion.evidence is not None], np.float64)


def _by_camera(outcomes: Sequence[Outcome], cameras: Sequence[str]) -> list[NDArray[np.float64]]:
    return [_evidence([outcome for outcome in outcomes if outcome.trial.camera == camera]) for camera in cameras]
