"""Camera health: how far a window's picture is from every condition the baseline knows, and how far is too far.

The same idea as in `calibration`: what is normal is measured on the baseline itself. Every piece of every episode is
compared with the condition it resembles most among those of other episodes (its neighbours left out). The largest
deviation found so, half as much again or more and a just visible step, is what is tolerated. A window is cut into
pieces of the same length; the median of their deviations is held against what the median of as many neighbouring pieces
came to.

Where few stretches speak for a length the tolerance is wider: of m normal values the next one exceeds the largest once
in m + 1 times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.embedding.calibration import NEAREST
from sentinel_edge.gates.quality.condition import (
    BLOCKS,
    CONDITION,
    FLOOR,
    MEASURES,
    WHOLE,
    Conditions,
    Measures,
    Views,
    compare,
    deviation,
    places,
    resemblance,
    still_run,
    sum_up,
)
from sentinel_edge.gates.quality.signals import DIRECTIONS, FrameSignals
from sentinel_edge.gates.quality.travel import travel

MAX_CONDITIONS = 48
"""Conditions kept of a baseline: about 5 kB each."""
MAX_PIECES = 8
"""Pieces an episode, or a window, is cut into."""
PIECE_FRAMES = 8
"""Frames a piece should have at least, so that what moves drops out of its median."""
RUNS = (1, 2, 3, 4, 6, 8)
"""Numbers of pieces for which tolerances are measured."""
FACTOR, FACTOR_FEW = 1.25, 3.0
"""A tolerance is the largest normal deviation times (1.25 + 3 / m), where m stretches did not overlap."""
TRUSTED = 4.0
"""Below so many stretches that do not overlap, the tolerance of one piece counts as well."""
OUTLIER = 6.0
"""An episode that deviates by this many tolerances of all the others has no like among them. No fewer: of a busy
street's episodes some are three times as far from the rest as the rest is from itself, and just as normal."""
ADDED_OUTLIER = 3.0
"""One that is added later is measured by tolerances already known, and fewer are enough."""
SUMMARIES = {"covered": 0.06, "detail": 0.15}
"""Measures made of all places together, and how much of each a person would just see.

covered: by how many of its own tolerances a block's light or edges differ beyond half of one, at most 3, mean over the
blocks: one that is hidden counts for more than several that are a little unusual.
detail: fine detail gained or lost, in doublings; blocks weigh by how much detail they have and how steady it is.
"""
_FLOORS: Measures = np.concatenate([FLOOR, list(SUMMARIES.values())])
FROZEN = "frozen"
FROZEN_SHARE = 0.06
"""Share of a window's frames that, repeated in a row beyond what is normal, are a frozen camera. Normal is twice the
longest run of an episode, or the largest share of one: a camera that never changes does not freeze."""
FROZEN_FRAMES = 3
SOME_DETAIL = 0.5
"""Grey levels of fine detail with which a block shows half of what befalls all detail."""
_ORDINARY = 0.5
HIDDEN = 3.0
"""A block that differs by this many of its tolerances, and half a one more, counts no more for differing further."""


@dataclass(frozen=True)
class Health:
    """What the baseline knows of the camera's picture.

    Attributes:
        conditions: Records of `CONDITION`, (s,), in order of time.
        owners: int64 (s,): the episode each is of.
        runs: int64 (k,), ascending from 1: numbers of pieces.
        tolerances: float32 (k, `MEASURES`): what deviation of each measure is normal for the median of so many pieces.
        summary_tolerances: float32 (k, 2): likewise of `SUMMARIES`.
        piece_samples: Length of a piece, in samples.
        travel: How far the camera itself is under way in the episode in which it is most (see `travel`).
    """

    conditions: Conditions
    owners: NDArray[np.int64]
    runs: NDArray[np.int64]
    tolerances: NDArray[np.float32]
    summary_tolerances: NDArray[np.float32]
    piece_samples: float
    travel: float = 0.0

    @cached_property
    def views(self) -> Views:
        """The conditions, made ready for comparison."""
        return Views.of(self.conditions)

    @cached_property
    def detail(self) -> NDArray[np.float64]:
        """How much fine detail each block has, (`BLOCKS`,): median over the conditions."""
        return _typical_detail(self.conditions)

    def only(self, episodes: Sequence[int]) -> "Health":
        """What it knows of some of the episodes, given by ascending position; owners are numbered anew."""
        kept = np.isin(self.owners, episodes)
        return replace(
            self, conditions=self.conditions[kept], owners=np.searchsorted(episodes, self.owners[kept]).astype(np.int64)
        )

    def pieces(self, samples: float, frames: int | None = None) -> int:
        """How many pieces a stretch is cut into.

        Args:
            samples: Its length.
            frames: How many of them are at hand; None for enough.
        """
        pieces = min(MAX_PIECES, max(1, round(samples / self.piece_samples)))
        return pieces if frames is None else min(pieces, max(1, frames // PIECE_FRAMES))

    def level(self, pieces: int) -> int:
        """The row of the tolerances for the median of so many pieces."""
        return int(np.searchsorted(self.runs, pieces, side="right")) - 1


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a window's picture is like.

    Attributes:
        deviations: Of each measure of the whole picture and each summary, by name: in tolerances, signed; beyond 1 is
            outside all that is normal.
        changes: The same in the units of `condition.VISIBLE`; of `covered` the share of blocks beyond their own
            tolerance, of `detail` doublings, of `frozen` the share of frames that repeated in a row.
        places: The window's deviations of all measures, (`MEASURES`,).
        conditions: The window's pieces.
        nearest: The baseline's condition each piece resembles most.
        travel: How far the camera itself is under way (see `travel`): for the causes alone, 0 until it is measured.
    """

    deviations: dict[str, float]
    changes: dict[str, float]
    places: Measures
    conditions: Conditions
    nearest: tuple[int, ...]
    travel: float = 0.0

    @property
    def score(self) -> float:
        """The largest deviation, in tolerances."""
        return max(abs(value) for value in self.deviations.values())


def assess(signals: FrameSignals, samples: int, health: Health) -> Assessment:
    """Compare a window with what the baseline knows.

    Args:
        signals: Of the window's frames, (n,), in order of time.
        samples: The samples they stand for.
        health: What is normal.
    """
    pieces = health.pieces(samples, len(signals))
    conditions = _cut(signals, pieces, samples)
    compared = [deviation(Views.of(conditions[piece : piece + 1]), health.views) for piece in range(pieces)]
    measures = np.median([found for found, _ in compared], axis=0)
    level = health.level(pieces)
    tolerances = health.tolerances[level].astype(np.float64)
    summaries = _summaries(measures, tolerances, health.detail)
    still, normal = still_run(signals) / max(1, len(signals)), health.conditions
    unusual = still - max(2.0 * float(normal["still_run"].max()) / max(1, samples), float(normal["still_share"].max()))
    frozen_share = unusual if unusual * len(signals) >= FROZEN_FRAMES else 0.0
    names = (*WHOLE, *SUMMARIES, FROZEN)
    found = np.concatenate([measures[: len(WHOLE)], summaries, [frozen_share]])
    tolerated = np.concatenate([tolerances[: len(WHOLE)], health.summary_tolerances[level], [FROZEN_SHARE]])
    changes = dict(zip(names, found.tolist(), strict=True))
    changes["covered"] = float((_local(measures, tolerances) > 1.0).mean())
    changes[FROZEN] = still
    return Assessment(
        deviations=dict(zip(names, (found / tolerated).tolist(), strict=True)),
        changes=changes,
        places=measures,
        conditions=conditions,
        nearest=tuple(nearest for _, nearest in compared),
    )


@dataclass(frozen=True, slots=True)
class Learned:
    """Health as learned.

    Attributes:
        health: What the baseline knows.
        outliers: Positions of the episodes that have no like among the others: known as normal from now on, but what
            sets them apart is not taken for how much normal footage varies.
    """

    health: Health
    outliers: tuple[int, ...]


def learn_health(episodes: Sequence[FrameSignals], samples: Sequence[int]) -> Learned:
    """Learn conditions and tolerances from a baseline's episodes.

    Args:
        episodes: The signals of each, (n,), in order of time.
        samples: The samples each stands for.
    """
    count = max(1, min(MAX_PIECES, int(np.median([len(signals) for signals in episodes])) // PIECE_FRAMES))
    cuts = [
        _cut(signals, min(count, max(1, len(signals) // PIECE_FRAMES)), length)
        for signals, length in zip(episodes, samples, strict=True)
    ]
    every = np.concatenate(cuts)
    owners = np.repeat(np.arange(len(cuts)), [len(cut) for cut in cuts])
    kept = _most_diverse(every, MAX_CONDITIONS)
    found = _leave_one_out(every, owners, every[kept], owners[kept])
    detail = _typical_detail(every[kept])
    still = np.array([float(cut["still_share"].max()) for cut in cuts])
    outliers = _outliers(found, owners, detail, still)
    fit = ~np.isin(owners, outliers)
    runs, tolerances, summaries = _tolerances(found[fit], owners[fit], detail)
    return Learned(
        Health(
            conditions=_moving(every[kept], owners[kept], outliers),
            owners=owners[kept],
            runs=runs,
            tolerances=tolerances,
            summary_tolerances=summaries,
            piece_samples=float(np.median(samples)) / count,
            travel=_furthest_travel(episodes, outliers),
        ),
        outliers,
    )


def extend_health(
    known: Learned, known_samples: Sequence[int], episodes: Sequence[FrameSignals], samples: Sequence[int]
) -> Learned:
    """Learn from further episodes, of those known before only the conditions and the tolerances being left.

    Tolerances are never lowered: they become the larger of what they were and of what the new episodes' pieces speak
    for. An episode that is `ADDED_OUTLIER` known tolerances away from all others adds its conditions and nothing else.

    Args:
        known: As learned before.
        known_samples: The samples each known episode stands for.
        episodes: The signals of each new one, (n,) each, in order of time; they come after the known ones.
        samples: The samples each new one stands for.
    """
    health, before = known.health, len(known_samples)
    cuts = [
        _cut(signals, health.pieces(length, len(signals)), length)
        for signals, length in zip(episodes, samples, strict=True)
    ]
    added = np.concatenate(cuts)
    numbers = np.repeat(np.arange(before, before + len(cuts)), [len(cut) for cut in cuts])
    every, owners = np.concatenate([health.conditions, added]), np.concatenate([health.owners, numbers])
    found = _leave_one_out(added, numbers, every, owners)
    outliers = list(known.outliers)
    fit = np.ones(len(numbers), bool)
    for position in np.unique(numbers):
        own = numbers == position
        level = health.level(int(own.sum()))
        if not _beyond(found[own], health, level):
            continue
        # A new normal of a few neighbours has no like elsewhere.
        found[own] = _leave_one_out(added[own], numbers[own], every, owners, neighbours=True)
        if _beyond(found[own], health, level):
            outliers.append(int(position))
            fit[own] = False
    kept = _most_diverse(every, MAX_CONDITIONS)
    extended = replace(
        health,
        conditions=_moving(every[kept], owners[kept], outliers),
        owners=owners[kept],
        travel=max(health.travel, _furthest_travel(episodes, [position - before for position in outliers])),
    )
    if fit.any():
        pieces = sum(map(health.pieces, known_samples))
        extended = _raised(extended, found[fit], before + len(cuts), pieces + len(added))
    return Learned(extended, tuple(outliers))


def _beyond(found: Measures, health: Health, level: int) -> bool:
    """Whether an episode's pieces, (n, `MEASURES`), have no like: any measure beyond `ADDED_OUTLIER` tolerances."""
    typical, tolerances = np.median(found, axis=0), health.tolerances[level].astype(np.float64)
    summaries = _summaries(typical, tolerances, health.detail) / health.summary_tolerances[level]
    return max(_worst(typical, tolerances), float(np.abs(summaries).max())) > ADDED_OUTLIER


def _worst(typical: Measures, tolerances: Measures) -> float:
    """The largest deviation of a measure of the whole picture, in tolerances."""
    return float(np.abs(typical / tolerances)[: len(WHOLE)].max())


def _moving(conditions: Conditions, owners: NDArray[np.int64], outliers: Sequence[int]) -> Conditions:
    """The conditions, without the stillness of episodes that have no like: a frozen one must not excuse the next."""
    conditions = conditions.copy()
    for name in ("still_run", "still_share"):
        conditions[name][np.isin(owners, outliers)] = 0
    return conditions


def _furthest_travel(episodes: Sequence[FrameSignals], outliers: Sequence[int]) -> float:
    """The furthest that the camera is under way in any episode but those that have no like."""
    return max((travel(one) for position, one in enumerate(episodes) if position not in outliers), default=0.0)


def _raised(health: Health, found: Measures, episodes: int, pieces: int) -> Health:
    """Tolerances raised to what further pieces speak for.

    Args:
        health: As known so far.
        found: The pieces' deviations, (n, `MEASURES`), in order of time.
        episodes: All episodes that speak for the tolerances.
        pieces: All their pieces.
    """
    levels: list[Measures] = []
    for run, known in zip(health.runs.tolist(), health.tolerances.astype(np.float64), strict=True):
        # Where there are too few for a run of that length, their median is the best guess.
        starts = range(max(1, len(found) - run + 1))
        medians = np.array([np.median(found[start : start + run], axis=0) for start in starts])
        summaries = [_summaries(median, known, health.detail) for median in medians]
        normal = np.concatenate([medians, summaries], axis=1)
        levels.append(_tolerated(normal, min(episodes, pieces / run), levels[0] if levels else None))
    tolerances, summary_tolerances = np.split(np.array(levels, np.float32), [MEASURES], axis=1)
    return replace(
        health,
        tolerances=np.maximum(health.tolerances, tolerances),
        summary_tolerances=np.maximum(health.summary_tolerances, summary_tolerances),
    )


def _typical_detail(conditions: Conditions) -> NDArray[np.float64]:
    """How much fine detail each block has, (`BLOCKS`,): median over the conditions."""
    return np.asarray(np.median(conditions["fine"].astype(np.float64), axis=0).ravel())


def _cut(signals: FrameSignals, pieces: int, samples: float) -> Conditions:
    conditions = np.array([sum_up(part) for part in np.array_split(signals, pieces)], CONDITION)
    # How long a picture may stand still shows in the whole stretch, a piece cuts the longest repeats short; in samples,
    # because stretches of different lengths are thinned differently.
    share = still_run(signals) / max(1, len(signals))
    conditions["still_run"], conditions["still_share"] = round(share * samples), share
    return conditions


def _most_diverse(conditions: Conditions, limit: int) -> NDArray[np.intp]:
    """Which of the conditions to keep: each time the one least like those already chosen (farthest-point sampling)."""
    if len(conditions) <= limit:
        return np.arange(len(conditions))
    views = Views.of(conditions)
    chosen = [0]
    distance = np.full(len(conditions), np.inf)
    while len(chosen) < limit:
        last = views.take(np.array(chosen[-1:]))
        distance = np.minimum(distance, resemblance(compare(last, views)))
        distance[chosen] = -1.0  # where all are alike, none is kept twice
        chosen.append(int(distance.argmax()))
    return np.sort(chosen)


def _leave_one_out(
    conditions: Conditions,
    owners: NDArray[np.int64],
    references: Conditions,
    reference_owners: NDArray[np.int64],
    *,
    neighbours: bool = False,
) -> Measures:
    """Each condition's deviation from the references of other episodes.

    Neighbours are left out where enough remain, unless they are asked for.
    """
    views, others = Views.of(conditions), Views.of(references)
    rows = []
    for row, owner in enumerate(owners):
        apart = np.flatnonzero(np.abs(reference_owners - owner) > 1)
        if neighbours or len(np.unique(reference_owners[apart])) < NEAREST:
            apart = np.flatnonzero(reference_owners != owner)
        rows.append(deviation(views.take(np.array([row])), others.take(apart))[0])
    return np.array(rows)


def _outliers(
    found: Measures, owners: NDArray[np.int64], detail: NDArray[np.float64], still: NDArray[np.float64]
) -> tuple[int, ...]:
    """Episodes with no like among the others, the worst first; at most one in four.

    Args:
        found: Deviations of all pieces, (n, `MEASURES`).
        owners: The episode each is of, (n,), from 0.
        detail: How much fine detail each block has, (`BLOCKS`,).
        still: The largest share of each episode that stood still, (e,).
    """
    episodes = np.unique(owners)
    typical = np.stack([np.median(found[owners == episode], axis=0) for episode in episodes])
    floors = np.array(list(SUMMARIES.values()))
    outliers: list[int] = []
    for _ in range(len(episodes) // 4):
        left = np.array([episode for episode in episodes if episode not in outliers])
        deviations = []
        for episode in left:
            # Its neighbours left out: what goes wrong often goes wrong for two days.
            apart = left[np.abs(left - episode) > 1]
            others = np.isin(episodes, apart if len(apart) > 1 else left[left != episode])
            factor = _factor(int(others.sum()))
            tolerance = FLOOR + factor * np.abs(typical[others]).max(axis=0)
            usual = np.abs([_summaries(other, tolerance, detail) for other in typical[others]]).max(axis=0)
            one = typical[episodes == episode][0]
            summaries = _summaries(one, tolerance, detail) / (floors + factor * usual)
            frozen = (still[episodes == episode][0] - still[others].max()) / FROZEN_SHARE
            deviations.append(max(_worst(one, tolerance), float(np.abs(summaries).max()), float(frozen)))
        if max(deviations) <= OUTLIER:
            break
        outliers.append(int(left[int(np.argmax(deviations))]))
    return tuple(outliers)


def _factor(stretches: float) -> float:
    return FACTOR + FACTOR_FEW / stretches


def _tolerated(normal: Measures, stretches: float, of_one: Measures | None) -> Measures:
    """What is tolerated of each measure and each summary, (`MEASURES` + 2,), for one number of pieces.

    Args:
        normal: What the medians of so many pieces came to when nothing was wrong, their summaries behind them,
            (n, `MEASURES` + 2).
        stretches: How many of them did not overlap.
        of_one: What is tolerated of one piece, which counts as well where stretches are few; None to find just that.
    """
    tolerated: Measures = _FLOORS + _factor(stretches) * np.abs(normal).max(axis=0)
    if of_one is None:
        return tolerated
    trust = min(1.0, stretches / TRUSTED)
    return np.asarray(of_one ** (1.0 - trust) * tolerated**trust)


def _tolerances(
    found: Measures, owners: NDArray[np.int64], detail: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Tolerances for the median of several neighbouring pieces: their numbers, of each measure, of each summary."""
    episodes = len(np.unique(owners))
    runs = [run for run in RUNS if run == 1 or run <= len(found) // 2]
    levels: list[Measures] = []
    for run in runs:
        starts = np.arange(len(found) - run + 1)
        medians = np.array([np.median(found[start : start + run], axis=0) for start in starts])
        first, last = owners[starts], owners[starts + run - 1]
        # Pieces of one episode are not independent of each other: they count as one.
        stretches = min(episodes, len(found) / run)
        factor = _factor(stretches)
        nested = []
        for row, median in enumerate(medians):
            apart = (last < first[row] - 1) | (first > last[row] + 1)
            apart = apart if apart.any() else (last < first[row]) | (first > last[row])
            others = medians[apart] if apart.any() else medians
            nested.append(_summaries(median, FLOOR + factor * np.abs(others).max(axis=0), detail))
        normal = np.concatenate([medians, nested], axis=1)
        levels.append(_tolerated(normal, stretches, levels[0] if levels else None))
    tolerances, summaries = np.split(np.array(levels, np.float32), [MEASURES], axis=1)
    return np.array(runs, np.int64), tolerances, summaries


def _summaries(measures: Measures, tolerances: Measures, detail: NDArray[np.float64]) -> NDArray[np.float64]:
    """`SUMMARIES` of one row of measures, (2,)."""
    covered = np.clip(_local(measures, tolerances) - _ORDINARY, 0.0, HIDDEN)
    fine = places("fine")
    change = detail_change(measures[fine], shown_by(detail), 1.0 / np.square(tolerances[fine]))
    return np.array([covered.mean(), change])


def shown_by(detail: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of what befalls all detail each block shows, 0 to 1, (`BLOCKS`,): one without detail nothing."""
    return detail / (detail + SOME_DETAIL)


def detail_change(change: NDArray[np.float64], shows: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Fine detail gained or lost all over, in doublings: least squares for one factor on all detail.

    Args:
        change: Of each block's detail, in doublings, (`BLOCKS`,).
        shows: How much of the factor each block shows, (`BLOCKS`,); see `shown_by`.
        weights: How steady each is, as 1 / variance, (`BLOCKS`,).
    """
    weights = weights * shows
    return float((weights * change).sum() / max(float((weights * shows).sum()), 1e-9))


def _local(measures: Measures, tolerances: Measures) -> NDArray[np.float64]:
    """How much each block's light or edges differ, the larger of the two, in their own tolerances: (`BLOCKS`,).

    Of the edges what differs from the change that most blocks share: a blurred lens covers nothing.
    """
    light, edges = places("light"), places("edges")
    change = measures[edges].reshape(DIRECTIONS, BLOCKS).mean(axis=0)
    tolerated = tolerances[edges].reshape(DIRECTIONS, BLOCKS).mean(axis=0)
    lit = np.abs(measures[light]) / tolerances[light]
    return np.asarray(np.maximum(lit, np.abs(change - np.median(change)) / tolerated))
