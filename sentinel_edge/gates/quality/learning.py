"""How the gate `quality` learns what is normal: conditions, and how far apart normal footage lies.

Every piece of every episode is compared with the condition it resembles most among those of other episodes (its
neighbours left out). The largest deviation found so, half as much again or more and a just visible step, is what is
tolerated. Where few stretches speak for a length the tolerance is wider: of m normal values the next one exceeds the
largest once in m + 1 times.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.protocol import NEAREST
from sentinel_edge.gates.quality.condition import (
    FLOOR,
    MEASURES,
    WHOLE,
    Conditions,
    Measures,
    Views,
    compare,
    deviation,
    resemblance,
)
from sentinel_edge.gates.quality.lens import KnownLens, extend_lens, learn_lens
from sentinel_edge.gates.quality.normal import (
    FACTOR,
    FACTOR_FEW,
    FROZEN_SHARE,
    MAX_CONDITIONS,
    MAX_PIECES,
    PIECE_FRAMES,
    SUMMARIES,
    KnownQuality,
    cut,
    summaries_of,
    typical_detail,
)
from sentinel_edge.gates.quality.travel import travel
from sentinel_edge.gates.signals import FrameSignals

RUNS = (1, 2, 3, 4, 6, 8)
"""Numbers of pieces for which tolerances are measured."""
TRUSTED = 4.0
"""Below so many stretches that do not overlap, the tolerance of one piece counts as well."""
OUTLIER = 6.0
"""An episode that deviates by this many tolerances of all the others has no like among them. No fewer: of a busy
street's episodes some are three times as far from the rest as the rest is from itself, and just as normal."""
ADDED_OUTLIER = 3.0
"""One that is added later is measured by tolerances already known, and fewer are enough."""
_FLOORS: Measures = np.concatenate([FLOOR, list(SUMMARIES.values())])


def learn_quality(episodes: Sequence[FrameSignals], samples: Sequence[int]) -> KnownQuality:
    """Learn conditions and tolerances from a baseline's episodes.

    Args:
        episodes: The signals of each, (n,), in order of time.
        samples: The samples each stands for.
    """
    count = max(1, min(MAX_PIECES, int(np.median([len(signals) for signals in episodes])) // PIECE_FRAMES))
    cuts = [
        cut(signals, min(count, max(1, len(signals) // PIECE_FRAMES)), length)
        for signals, length in zip(episodes, samples, strict=True)
    ]
    every = np.concatenate(cuts)
    owners = np.repeat(np.arange(len(cuts)), [len(cut) for cut in cuts])
    kept = most_diverse(every, MAX_CONDITIONS)
    found = _leave_one_out(every, owners, every[kept], owners[kept])
    detail = typical_detail(every[kept])
    still = np.array([float(cut["still_share"].max()) for cut in cuts])
    outliers = _outliers(found, owners, detail, still)
    fit = ~np.isin(owners, outliers)
    runs, tolerances, summaries = _tolerances(found[fit], owners[fit], detail)
    return KnownQuality(
        conditions=_moving(every[kept], owners[kept], outliers),
        owners=owners[kept],
        runs=runs,
        tolerances=tolerances,
        summary_tolerances=summaries,
        piece_samples=float(np.median(samples)) / count,
        travel=_furthest_travel(episodes, outliers),
        outliers=outliers,
        lens=_lens(episodes, every[kept], owners[kept], outliers),
    )


def _lens(
    episodes: Sequence[FrameSignals], conditions: Conditions, owners: NDArray[np.int64], outliers: Sequence[int]
) -> KnownLens:
    fit = [position for position in range(len(episodes)) if position not in outliers]
    chosen = np.isin(owners, fit)
    return learn_lens(
        [episodes[position] for position in fit],
        conditions[chosen],
        np.searchsorted(fit, owners[chosen]),
        _factor(len(fit)),
    )


def extend_quality(
    known: KnownQuality, known_samples: Sequence[int], episodes: Sequence[FrameSignals], samples: Sequence[int]
) -> KnownQuality:
    """Learn from further episodes, of those known before only the conditions and the tolerances being left.

    Tolerances are never lowered: they become the larger of what they were and of what the new episodes' pieces speak
    for. An episode that is `ADDED_OUTLIER` known tolerances away from all others adds its conditions and nothing else.

    Args:
        known: As learned before.
        known_samples: The samples each known episode stands for.
        episodes: The signals of each new one, (n,) each, in order of time; they come after the known ones.
        samples: The samples each new one stands for.
    """
    before = len(known_samples)
    cuts = [
        cut(signals, known.pieces(length, len(signals)), length)
        for signals, length in zip(episodes, samples, strict=True)
    ]
    added = np.concatenate(cuts)
    numbers = np.repeat(np.arange(before, before + len(cuts)), [len(cut) for cut in cuts])
    every, owners = np.concatenate([known.conditions, added]), np.concatenate([known.owners, numbers])
    found = _leave_one_out(added, numbers, every, owners)
    outliers = list(known.outliers)
    fit = np.ones(len(numbers), bool)
    for position in np.unique(numbers):
        own = numbers == position
        level = known.level(int(own.sum()))
        if not _beyond(found[own], known, level):
            continue
        # A new normal of a few neighbours has no like elsewhere.
        found[own] = _leave_one_out(added[own], numbers[own], every, owners, neighbours=True)
        if _beyond(found[own], known, level):
            outliers.append(int(position))
            fit[own] = False
    kept = most_diverse(every, MAX_CONDITIONS)
    alike = [signals for position, signals in enumerate(episodes, start=before) if position not in outliers]
    extended = replace(
        known,
        lens=extend_lens(known.lens, alike) if known.lens else None,
        conditions=_moving(every[kept], owners[kept], outliers),
        owners=owners[kept],
        travel=max(known.travel, _furthest_travel(episodes, [position - before for position in outliers])),
        outliers=tuple(outliers),
    )
    if fit.any():
        pieces = sum(map(known.pieces, known_samples))
        extended = _raised(extended, found[fit], before + len(cuts), pieces + len(added))
    return extended


def _beyond(found: Measures, known: KnownQuality, level: int) -> bool:
    """Whether an episode's pieces, (n, `MEASURES`), have no like: any measure beyond `ADDED_OUTLIER` tolerances."""
    typical, tolerances = np.median(found, axis=0), known.tolerances[level].astype(np.float64)
    summaries = summaries_of(typical, tolerances, known.detail) / known.summary_tolerances[level]
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


def _raised(known: KnownQuality, found: Measures, episodes: int, pieces: int) -> KnownQuality:
    """Tolerances raised to what further pieces speak for.

    Args:
        known: As known so far.
        found: The pieces' deviations, (n, `MEASURES`), in order of time.
        episodes: All episodes that speak for the tolerances.
        pieces: All their pieces.
    """
    levels: list[Measures] = []
    for run, before in zip(known.runs.tolist(), known.tolerances.astype(np.float64), strict=True):
        # Where there are too few for a run of that length, their median is the best guess.
        starts = range(max(1, len(found) - run + 1))
        medians = np.array([np.median(found[start : start + run], axis=0) for start in starts])
        summaries = [summaries_of(median, before, known.detail) for median in medians]
        normal = np.concatenate([medians, summaries], axis=1)
        levels.append(_tolerated(normal, min(episodes, pieces / run), levels[0] if levels else None))
    tolerances, summary_tolerances = np.split(np.array(levels, np.float32), [MEASURES], axis=1)
    return replace(
        known,
        tolerances=np.maximum(known.tolerances, tolerances),
        summary_tolerances=np.maximum(known.summary_tolerances, summary_tolerances),
    )


def most_diverse(conditions: Conditions, limit: int, first: int = 1) -> NDArray[np.intp]:
    """Which of the conditions to keep: each time the one least like those already chosen (farthest-point sampling).

    The first few, at least one, are kept in any case.
    """
    if len(conditions) <= limit:
        return np.arange(len(conditions))
    views = Views.of(conditions)
    chosen = list(range(first))
    distance = np.full(len(conditions), np.inf)
    for one in chosen[:-1]:
        distance = np.minimum(distance, resemblance(compare(views.take(np.array([one])), views)))
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
            usual = np.abs([summaries_of(other, tolerance, detail) for other in typical[others]]).max(axis=0)
            one = typical[episodes == episode][0]
            summaries = summaries_of(one, tolerance, detail) / (floors + factor * usual)
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
            nested.append(summaries_of(median, FLOOR + factor * np.abs(others).max(axis=0), detail))
        normal = np.concatenate([medians, nested], axis=1)
        levels.append(_tolerated(normal, stretches, levels[0] if levels else None))
    tolerances, summaries = np.split(np.array(levels, np.float32), [MEASURES], axis=1)
    return np.array(runs, np.int64), tolerances, summaries
