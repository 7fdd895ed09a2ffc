"""The gate `performance`: does the watched model do worse than it ever did when nothing was wrong?

Its score is the largest shortfall, in units of what is tolerated. On sound footage it may have nothing to judge by
(nothing moves, or pictures far apart): then it leaves it to the others, and says so.
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import numpy as np
from msgspec import Meta

from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.samples import Sample
from sentinel_edge.footage.triplets import make_triplet
from sentinel_edge.footage.window import Recorder, Window, at_once
from sentinel_edge.gates.performance.normal import (
    KEPT,
    LARGEST,
    MIN_SCORED,
    SCORES,
    SILENT,
    TRIPLET,
    KnownPerformance,
    Triplets,
    assess_performance,
    expected_count,
    learn_performance,
    normal_scores,
    passed_over,
    record,
    scored_count,
    unfit,
    why_not,
)
from sentinel_edge.gates.protocol import (
    TOLERATED,
    Episodes,
    Explanation,
    Gate,
    Models,
    Normal,
    Packed,
    Settings,
    Told,
)
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.score import score_all
from sentinel_edge.storage.arrays import DamagedError, require
from sentinel_edge.storage.documents import Number
from sentinel_edge.verdict.verdict import CauseFound, Count, GateResult, Status

NAME = "performance"
_MADE_BY = re.compile("([0-9a-f]{64})?")
EVERY, EVERY_LEARNING = 10, 2
"""At every so many-th kept frame of a video a triplet is interpolated: as costly as four embeddings. More while a
baseline is learned, once, so that short episodes tell."""
NO_RATE = "pictures carry no frame rate"
AT_A_TIME = 2
"""Triplets interpolated at a time, at most: each takes tens of megabytes."""


@dataclass(frozen=True, slots=True)
class MeasureSummary:
    """How well frames are interpolated by one measure, and how well is normal.

    Attributes:
        now: The window's typical score.
        tolerated: A lower one is FAIL.
        lowest: The lowest typical score of an episode of the baseline.
        highest: The highest.
    """

    now: Number
    tolerated: Number
    lowest: Number
    highest: Number


@dataclass(frozen=True, slots=True)
class TripletSummary:
    """How well triplets of neighbouring frames were interpolated.

    Attributes:
        interpolator: SHA-256 of the model; empty for none.
        scored: How many triplets were scored.
        passed_over: How many say nothing, by reason.
        measures: By the names of `performance.SCORES`, where something moves; empty where the gate did not judge.
    """

    interpolator: str
    scored: Count
    passed_over: Mapping[str, Annotated[int, Meta(ge=1)]]
    measures: Mapping[Literal["psnr_gain", "ssim_gain", "ssim"], MeasureSummary]


class TripletRecorder(Recorder):
    """Interpolates triplets in the background; a record is one of `normal.TRIPLET`."""

    name = NAME
    blank = np.zeros((), TRIPLET)
    successors = 2

    def __init__(self, interpolator: Interpolator, every: int, threads: int) -> None:
        self._interpolator = interpolator
        self._pool = ThreadPoolExecutor(min(AT_A_TIME, threads), thread_name_prefix="interpolate")
        self.every = every
        self.made_by = interpolator.card.sha256

    def take(self, sample: Sample) -> Future[Any]:
        """See `Recorder.take`: the triplet that begins at a sample, where two frames of its size come behind it."""
        if sample.successor is None or sample.second is None:
            return at_once(self.blank)
        first, middle, last = sample.seconds
        frames = (sample.frame, sample.successor, sample.second)
        triplet = make_triplet(frames, sample.origin.rpartition("@")[0], (first, middle, last))
        if triplet is None:
            return at_once(self.blank)

        def scored() -> np.void:
            ((_, found),) = score_all([triplet], self._interpolator)
            return record(found)

        return self._pool.submit(scored)

    def close(self) -> None:
        """See `Recorder.close`."""
        self._pool.shutdown(wait=True)


@dataclass(frozen=True, slots=True)
class PerformanceNormal(Normal):
    """How well interpolators did when nothing was wrong.

    Attributes:
        known: See `KnownPerformance`; of a baseline made without an interpolator it holds nothing.
    """

    known: KnownPerformance
    needs_records = False

    def judge(self, window: Window, episodes: Episodes, settings: Settings) -> GateResult:  # noqa: ARG002
        """Judge a window by how well its triplets were interpolated; NOT_JUDGED where that cannot be told."""
        triplets, made_by = _triplets(window), window.made_by.get(NAME, "")
        summary = TripletSummary(made_by, scored_count(triplets), passed_over(triplets), {})
        problem = NO_RATE if window.pictures and not made_by else why_not(triplets, self.known, made_by)
        if problem:
            silent = self._fallen_silent(triplets, made_by, episodes)
            if silent:
                problem += "; this gate has fallen silent: the baseline's footage lets it judge"
            numbers = {"triplets": summary, "silent": silent}
            return GateResult(Status.NOT_JUDGED, None, TOLERATED, problem, numbers=numbers)
        found = assess_performance(triplets, window.samples, self.known)
        measures: dict[Any, MeasureSummary] = {
            name: MeasureSummary(found.now[name], found.tolerated[name], *found.normal[name]) for name in SCORES
        }
        worst = max(found.shortfalls, key=lambda name: found.shortfalls[name])
        told = [_told(name, measures[name]) for name in dict.fromkeys((worst, SCORES[0]))]
        return GateResult(
            Status.FAIL if found.score > TOLERATED else Status.PASS,
            found.score,
            TOLERATED,
            f"where something moves, {'; '.join(told)} ({summary.scored} triplets)",
            numbers={"deviations": found.shortfalls, "triplets": replace(summary, measures=measures)},
        )

    def _fallen_silent(self, triplets: Triplets, made_by: str, episodes: Episodes) -> bool:
        """Whether a window that cannot be judged is of a kind that always could be."""
        if unfit(self.known) or made_by not in self.known.interpolators:
            return False
        return expected_count(triplets, self.known, episodes.samples) >= SILENT * MIN_SCORED

    def explain(self, window: Window, results: Mapping[str, GateResult]) -> Explanation:  # noqa: ARG002
        """See `Normal.explain`; told last, for where the picture changed as well this is a consequence."""
        own = results.get(NAME)
        if own is None or own.status is not Status.FAIL:
            return Explanation()
        return Explanation((CauseFound(Cause.PERFORMANCE, own.reason),))

    def only(self, positions: Sequence[int]) -> Self:
        """See `Normal.only`."""
        return type(self)(self.known.only(positions))

    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:  # noqa: ARG002
        """See `Normal.grown` and `KnownPerformance.then`."""
        return type(self)(self.known.only(kept).then(_learned(added)))

    def weaknesses(self, episodes: Episodes) -> list[str]:  # noqa: ARG002
        """See `Normal.weaknesses`."""
        problem = unfit(self.known) if self.known.watched else None
        return [f"the model's performance cannot be judged by it: {problem}"] if problem else []

    def describe(self, episodes: Episodes) -> Told:  # noqa: ARG002
        """See `Normal.describe`."""
        told = self._in_words() if self.known.watched else None
        return Told(
            facts={"performance": told},
            rows={"interpolated": told or "nothing; the performance of no model can be judged"},
        )

    def pack(self) -> Packed:
        """See `Normal.pack`."""
        known = self.known
        arrays = (known.scores, known.owners, known.strides)
        return Packed(
            arrays=dict(zip(PerformanceGate.arrays, arrays, strict=True)),
            per_episode={"interpolator": known.interpolators},
        )

    def _in_words(self) -> str:
        known, normal = self.known, normal_scores(self.known)
        makers = ", ".join(dict.fromkeys(maker[:12] for maker in known.interpolators if maker))
        if not normal:
            return f"too few triplets, by {makers}"
        gain, alike = normal["psnr_gain"], normal["ssim"]
        return (
            f"{len(known.scores)} triplets by {makers}, {gain[0]:.1f} to {gain[1]:.1f} dB better than averaging, "
            f"similarity {alike[0]:.2f} to {alike[1]:.2f}"
        )


class PerformanceGate(Gate):
    """See the module."""

    name = NAME
    about = "how well the interpolator does"
    since = 3
    arrays = ("triplet_scores", "triplet_owners", "triplet_strides")
    watches_model = True
    needs_records = False
    numbers: Mapping[str, Any] = {
        "deviations": Mapping[str, Number],
        "triplets": TripletSummary,
        "silent": bool,
    }

    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder | None:
        """See `Gate.recorder`. Nothing is loaded where there is nothing to compare with."""
        known = normal.known if isinstance(normal, PerformanceNormal) else None
        if known is not None and not known.watched:
            return None
        interpolator = models.interpolator()
        if interpolator is None:
            return None
        # One that the baseline does not know cannot be judged by it: then it is named, and does no work.
        useless = known is not None and interpolator.card.sha256 not in known.interpolators
        every = 0 if useless else EVERY_LEARNING if learning else EVERY
        return TripletRecorder(interpolator, every, models.embedder.threads)

    def learn(self, windows: Sequence[Window], episodes: Episodes) -> PerformanceNormal:  # noqa: ARG002
        """See `Gate.learn`; without an interpolator there is nothing to know."""
        return PerformanceNormal(_learned(windows))

    def unpack(self, packed: Packed, episodes: Episodes) -> PerformanceNormal:
        """See `Gate.unpack`."""
        if not packed.arrays:
            return PerformanceNormal(KnownPerformance.nothing(len(episodes)))
        scores, owners, strides = (packed.arrays[name] for name in self.arrays)
        interpolators = tuple(packed.per_episode["interpolator"])
        if not all(isinstance(made_by, str) and _MADE_BY.fullmatch(made_by) for made_by in interpolators):
            raise DamagedError("holds interpolators that are no checksums; expected 64 hexadecimal digits, or none")
        count, known = len(episodes), len(owners) if owners.ndim == 1 else -1
        require("triplet_strides", strides, np.float64, (count,))
        if known:  # a camera before which nothing ever moved leaves none
            require("triplet_scores", scores, np.float16, (known, len(SCORES)))
            require("triplet_owners", owners, np.int64, (known,))
        sound = (
            known <= count * KEPT
            and ((owners >= 0) & (owners < count)).all()
            and (np.diff(owners) >= 0).all()
            and all((stride > 0) == bool(made) for stride, made in zip(strides.tolist(), interpolators, strict=True))
            and (strides[owners] > 0).all()
            and (strides <= episodes.longest).all()
            and (not known or (np.abs(scores) <= LARGEST).all())
        )
        if not sound:
            raise DamagedError(
                "contradicts itself (scores of triplets, their owners or interpolators are out of order)"
            )
        if not any(interpolators):
            return PerformanceNormal(KnownPerformance.nothing(count))
        return PerformanceNormal(KnownPerformance(scores, owners, strides, interpolators))


def _triplets(window: Window) -> Triplets:
    return window.records.get(NAME, np.zeros(len(window), TRIPLET))


def _learned(windows: Sequence[Window]) -> KnownPerformance:
    made_by = {window.made_by.get(NAME, "") for window in windows}
    if len(made_by) > 1:
        raise SentinelError("the footage was interpolated by more than one model; expected one: learn it again")
    return learn_performance(
        [_triplets(window) for window in windows], [window.samples for window in windows], next(iter(made_by), "")
    )


_PLAIN_SCORES = {
    "psnr_gain": ("the model gains {} dB over averaging", "{:.1f}"),
    "ssim_gain": ("the model gains {} in similarity over averaging", "{:.2f}"),
    "ssim": ("the model's frames have a similarity of {} to the true ones", "{:.2f}"),
}


def _told(name: str, measure: MeasureSummary) -> str:
    """A score of the model in words."""
    sentence, number = _PLAIN_SCORES[name]
    now, lowest, highest, tolerated = (
        number.format(value) for value in (measure.now, measure.lowest, measure.highest, measure.tolerated)
    )
    return f"{sentence.format(now)} (normal: {lowest} to {highest}; below {tolerated} is FAIL)"
