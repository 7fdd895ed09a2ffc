"""The core idea: Kolmogorov-Smirnov distances whose p-values are honest about this camera.

The textbook test takes every frame for an independent draw. Frames of a camera are not: neighbours are nearly
equal, and one hour's traffic is not another's, so the textbook rule calls every normal window drifted. What a
distance looks like when *nothing* is wrong can be measured instead, on the baseline's own episodes:

1.  Take one stretch of the baseline as if it were a window, and compare it with its most similar episodes among
    the others (its neighbours left out: they overlap with it in all but name). Per dimension j this gives a
    distance D_j under the null hypothesis. Do it for every stretch.
2.  If D were Kolmogorov-distributed in units of s_j, its upper quartile would be 1.0192 s_j. So the scale is
    s_j = (upper quartile of D_j) / 1.0192, drawn halfway (geometric mean) to the median over the dimensions, and
    never below the scale of independent samples. The upper quartile, not the median: where episodes differ, D
    has a heavier tail than Kolmogorov's, and the quartile sees more of it.
3.  A window's p-value is p_j = P(Kolmogorov > D_j / s_j): an empirical null in place of sqrt(nm / (n + m)).

A longer window averages over more, so its distances are smaller, but by how much is a property of the scene; no
square-root law holds once episodes differ. So step 1 is done at several lengths: parts of an episode, one episode,
and runs of neighbouring episodes up to half the baseline. Between them the logarithm of the scale is interpolated
over the logarithm of the length. Beyond the longest the scale is held, which errs on the side of silence: a mixture
is never further from the mixture of its references than its parts are on average (the distance is convex).

Reference: empirical null distributions, B. Efron, "Large-Scale Simultaneous Hypothesis Testing", JASA 2004.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.embedding import ks
from sentinel_edge.gates.protocol import MIN_FRAMES, NEAREST

_ROUNDING = 1e-9
ALPHA = 0.05
THRESHOLD = 0.30
SKETCH_POINTS = 32
MAX_PIECES = 8
"""A window is matched to the baseline in at most this many pieces."""
PARTS = (8, 4, 2)
"""An episode is cut into this many parts to calibrate shorter windows."""
RUNS = (2, 3, 4, 6, 8)
"""This many neighbouring episodes are joined to calibrate longer windows."""
RATIO_DIMENSIONS = 320
"""Dimensions, about, from which the change of the scale with the length is measured."""
GUARD = 1.0
"""Standard deviations of the nested scores that must fit under the threshold."""
FACTOR_STEP = 1.02
MAX_FACTOR = 4.0
SHORTER = 0.75
"""A window may be this much shorter than the shortest length that was measured: an archive misses a picture now and
then. Its distances are tolerated as if its frames were independent, which they are at most."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What distances look like at several window lengths when nothing is wrong.

    Attributes:
        lengths: (k,) ascending window lengths, in samples.
        scales: float32 (k, d): the scale of each dimension's distance at that length.
        null_scores: For each length, the drift scores of the baseline's own stretches at `ALPHA`, each by a scale made
            from the others where others lie apart (the longest runs cover too much: there from all), and all by the one
            scalar that was fitted on them: a little flattering.
    """

    lengths: NDArray[np.float64]
    scales: NDArray[np.float32]
    null_scores: tuple[NDArray[np.float64], ...]

    @property
    def shortest(self) -> float:
        """The shortest window that may be judged, in samples."""
        return max(float(MIN_FRAMES), SHORTER * float(self.lengths[0]))

    def scale_at(self, length: float) -> NDArray[np.float64]:
        """Scale of each dimension, float64 (d,), for a window of this length.

        Between the lengths that were measured it is interpolated; below them it grows as for independent frames.
        """
        log_lengths, log_scales = np.log(self.lengths), np.log(self.scales.astype(np.float64))
        position = float(np.interp(np.log(length), log_lengths, np.arange(len(self.lengths))))
        below = int(position)
        above = min(below + 1, len(self.lengths) - 1)
        part = position - below
        shorter = max(1.0, float(self.lengths[0]) / length)
        return np.asarray(np.exp((1.0 - part) * log_scales[below] + part * log_scales[above]) * np.sqrt(shorter))

    def null_scores_at(self, length: float) -> NDArray[np.float64]:
        """The baseline's own scores at the calibrated length nearest to this one."""
        return self.null_scores[int(np.abs(np.log(self.lengths / length)).argmin())]


def sketch(episode: NDArray[np.float16]) -> NDArray[np.float16]:
    """What is kept of an episode: `SKETCH_POINTS` quantiles of each dimension, float16 (points, d)."""
    return np.asarray(ks.quantile_sketch(episode, SKETCH_POINTS), np.float16)


def centre(points: NDArray[np.float16]) -> NDArray[np.float64]:
    """Mean embedding, float64 (d,), of frames or of a sketch."""
    return np.asarray(points.mean(axis=0, dtype=np.float64))


def nearest_episodes(
    pieces: Sequence[NDArray[np.float64]], centres: NDArray[np.float64], allowed: Sequence[int]
) -> list[int]:
    """For each piece of a window the `NEAREST` allowed episodes, by distance of mean embeddings.

    Like is compared with like: an hour of night with the baseline's nights. Repeats stay, as weights.
    """
    chosen: list[int] = []
    candidates = np.asarray(allowed)
    for piece in pieces:
        distance = np.square(centres[candidates] - piece).sum(axis=1)
        chosen.extend(int(index) for index in candidates[np.argsort(distance, kind="stable")[:NEAREST]])
    return chosen


def distances(window: NDArray[np.float16], sketches: NDArray[np.float16], chosen: Sequence[int]) -> NDArray[np.float64]:
    """Distance of each dimension between a window and the mixture of the chosen episodes, float64 (d,)."""
    return ks.statistic(window, np.concatenate([sketches[index] for index in chosen]))


def drift_score(distance: NDArray[np.float64], scale: NDArray[np.float64], alpha: float = ALPHA) -> float:
    """Share of dimensions whose p-value is below alpha."""
    return float((ks.pvalues(distance, scale) < alpha).mean())


def split_window(window: NDArray[np.float16], pieces: float) -> list[NDArray[np.float64]]:
    """Centres of a window's consecutive pieces; about `pieces` of them, from 1 to `MAX_PIECES`."""
    count = min(max(1, round(pieces)), MAX_PIECES, len(window))
    return [centre(part) for part in np.array_split(window, count)]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch of the baseline taken as a window: the episodes it covers, and its distances, float64 (d,)."""

    first: int
    last: int
    distance: NDArray[np.float64]

    def apart(self, other: "_Stretch", margin: int) -> bool:
        """Whether more than `margin` episodes lie between the two."""
        return other.first > self.last + margin or other.last < self.first - margin


@dataclass(frozen=True, slots=True)
class _Episodes:
    """The baseline's episodes in their order in time: frames, sketches (e, points, d) and centres (e, d)."""

    frames: Sequence[NDArray[np.float16]]
    sketches: NDArray[np.float16]
    centres: NDArray[np.float64]

    def every(self, step: int) -> "_Episodes":
        """The same episodes, every `step`-th dimension; the centres stay whole, so the references stay the same."""
        return _Episodes([frames[:, ::step] for frames in self.frames], self.sketches[:, :, ::step], self.centres)

    def wholes(self) -> list[_Stretch]:
        """Each episode as a window."""
        return [self.compare(e, e, [self.centres[e]], frames) for e, frames in enumerate(self.frames)]

    def parts(self, count: float) -> list[_Stretch]:
        """Each episode cut into `count` windows."""
        return [
            self.compare(e, e, [self.centres[e]], part)
            for e, frames in enumerate(self.frames)
            for part in _parts(frames, count)
        ]

    def runs(self, count: int) -> list[_Stretch]:
        """Every run of `count` neighbouring episodes as a window."""
        stretches = []
        for first in range(len(self.frames) - count + 1):
            run = slice(first, first + count)
            window = self.sketches[run].reshape(-1, self.sketches.shape[2])
            stretches.append(self.compare(first, first + count - 1, list(self.centres[run]), window))
        return stretches

    def compare(
        self, first: int, last: int, pieces: Sequence[NDArray[np.float64]], window: NDArray[np.float16]
    ) -> _Stretch:
        """Compare a stretch with the episodes outside it, its neighbours left out where enough others remain."""
        outside = [e for e in range(len(self.frames)) if e < first or e > last]
        apart = [e for e in outside if e < first - 1 or e > last + 1]
        chosen = nearest_episodes(pieces, self.centres, apart if len(apart) >= NEAREST else outside)
        return _Stretch(first, last, distances(window, self.sketches, chosen))


def _parts(frames: NDArray[np.float16], count: float) -> list[NDArray[np.float16]]:
    """An episode's frames, (n, d), cut into `count` windows; two that overlap where it is too short; none of fewer."""
    if len(frames) < count:
        return []
    if count in PARTS or len(frames) >= 2 * MIN_FRAMES:
        return np.array_split(frames, max(2, round(count)))
    size = min(len(frames), MIN_FRAMES)
    return [frames[:size], frames[-size:]]


def calibrate(
    episodes: Sequence[NDArray[np.float16]],
    sketches: NDArray[np.float16],
    lengths: Sequence[int],
    stretch: float = 0.0,
) -> Calibration:
    """Calibrate on the baseline's own episodes, in their order in time.

    Args:
        episodes: The embeddings of each episode, float16 (n, d).
        sketches: float16 (episodes, points, d), one a row of `episodes`.
        lengths: Samples each episode stands for (more than its frames where they were thinned).
        stretch: The typical length of what was joined into episodes, in samples: a window of that length is to be
            judged; 0 where nothing was.
    """
    frames = [len(episode) for episode in episodes]
    found = _Levels(_Episodes(episodes, sketches, np.stack([centre(points) for points in sketches])), frames)
    levels = found.whole_and_longer()
    for count in found.parts(float(np.median(lengths)) / stretch if stretch else 0.0):
        levels[1.0 / count] = found.level(1.0 / count, found.some.parts(count))
    return _calibration(levels, lengths)


def recalibrate(
    known: Calibration,
    sketches: NDArray[np.float16],
    *,
    typical: float,
    lengths: Sequence[int],
    frames: Sequence[int],
    added: Sequence[NDArray[np.float16]],
) -> Calibration:
    """Calibrate on episodes of which most have left nothing but their sketches.

    -   Whole episodes and runs: as in `calibrate`, where the points of a sketch stand for its frames, which moves a
        distance by at most 1 / (2 `SKETCH_POINTS`).
    -   Parts of episodes, of which sketches know nothing: the known ratio of the scale to that of whole episodes, and
        the known scores. Where the added episodes' own parts speak for a larger ratio, it is raised by the share
        (of a logarithm) that they have in all episodes; a small ratio of a few is no reason to lower it. A length is
        given up where episodes have become too short for it.

    Args:
        known: The calibration before.
        sketches: float16 (episodes, points, d), in order of time, the added ones last.
        typical: The typical length of an episode before, in samples.
        lengths: Samples each episode stands for.
        frames: Frames each was made from.
        added: Embeddings of the last ones, float16 (n, d) each.
    """
    every = _Episodes(list(sketches), sketches, np.stack([centre(points) for points in sketches]))
    found = _Levels(every, frames)
    levels = found.whole_and_longer()
    # Parts come in the order of their lengths, whole episodes after the last of them.
    whole = min(int(np.searchsorted(known.lengths, int(typical))), len(known.lengths) - 1)
    for level in range(whole):
        count = found.still_fit(_count(typical, known.lengths[level]), last=level == whole - 1)
        if not count:
            continue
        ratio = float(np.median(known.scales[level] / known.scales[whole]))
        if added:
            ratio *= max(1.0, found.ratio_of_last(added, count) / ratio) ** (len(added) / len(sketches))
        levels[1.0 / count] = (found.shape * ratio, known.null_scores[level])
    return _calibration(levels, lengths)


_Level = tuple[NDArray[np.float64], NDArray[np.float64]]
"""The scale of each dimension at one length, (d,), and the scores of the stretches of that length."""


class _Levels:
    """Scales and scores at several lengths, in episodes.

    How the scale is shaped over the dimensions comes from whole episodes. How it shrinks with the length is one
    number a length, for which every few dimensions tell as much as all, at a fraction of the work.
    """

    def __init__(self, every: _Episodes, frames: Sequence[int]) -> None:
        self.some = every.every(max(1, every.sketches.shape[2] // RATIO_DIMENSIONS))
        self.frames = float(np.median(frames))
        self.count = len(frames)
        self.shape, self.scores = _scale_and_scores(every.wholes(), self.floor(1))
        self.unit = float(np.median(_scale(self.some.wholes(), self.floor(1))))

    def parts(self, stretches: float) -> list[float]:
        """Into how many parts an episode is cut, the most first; `stretches` were typically joined into it."""
        counts: list[float] = [count for count in PARTS if int(self.frames / count) >= MIN_FRAMES]
        most = min(stretches, self.frames / MIN_FRAMES)
        if SHORTER * most > max(counts, default=2):
            counts.insert(0, most)
        return counts or self.shortest_parts

    @property
    def shortest_parts(self) -> list[float]:
        """Parts of `MIN_FRAMES` of episodes too short for two of them, where they are much shorter than the whole."""
        return [self.frames / MIN_FRAMES] if SHORTER * self.frames > MIN_FRAMES else []

    def still_fit(self, count: float, *, last: bool) -> float:
        """That many parts where episodes are long enough; else, for the last, as many as there may be; or 0."""
        if int(self.frames / count + _ROUNDING) >= MIN_FRAMES:
            return count
        return next(iter(self.shortest_parts), 0.0) if last and self.frames < 2 * MIN_FRAMES else 0.0

    def floor(self, window_episodes: float) -> float:
        """Scale of independent samples for a window of so many episodes' length and its references."""
        references = min(NEAREST * max(1.0, window_episodes), self.count - max(1.0, window_episodes))
        window = max(1, round(window_episodes * self.frames))
        return ks.independent_scale(window, max(1, round(references * self.frames)))

    def whole_and_longer(self) -> dict[float, _Level]:
        """By length in episodes: one, and runs of them."""
        runs = [count for count in RUNS if count <= self.count // 2]
        return {1.0: (self.shape, self.scores)} | {
            float(count): self.level(float(count), self.some.runs(count)) for count in runs
        }

    def level(self, ratio: float, stretches: Sequence[_Stretch]) -> _Level:
        """From stretches of `ratio` episodes."""
        scale, scores = _scale_and_scores(stretches, self.floor(ratio))
        return self.shape * float(np.median(scale)) / self.unit, scores

    def ratio_of_last(self, frames: Sequence[NDArray[np.float16]], parts: float) -> float:
        """How much larger the scale of parts of the last episodes, of which the frames are given, is than of them."""
        step = max(1, self.some.centres.shape[1] // RATIO_DIMENSIONS)
        own = [episode[:, ::step] for episode in frames]
        whole, cut = [], []
        for position, episode in enumerate(own, start=self.count - len(own)):
            whole.append(self.some.compare(position, position, [self.some.centres[position]], episode))
            cut += [
                self.some.compare(position, position, [self.some.centres[position]], part)
                for part in _parts(episode, parts)
            ]
        if not cut:  # too short to be cut
            return 0.0
        return float(np.median(_scale(cut, self.floor(1 / parts))) / np.median(_scale(whole, self.floor(1))))


def _count(typical: float, length: float) -> float:
    """Into how many parts of this length an episode of a typical length was cut."""
    return next((float(count) for count in PARTS if int(typical / count) == length), typical / length)


def _calibration(levels: dict[float, _Level], lengths: Sequence[int]) -> Calibration:
    """From levels by their length in episodes."""
    ratios, typical = sorted(levels), float(np.median(lengths))
    return Calibration(
        lengths=np.array([max(1, int(typical * ratio + _ROUNDING)) for ratio in ratios], np.float64),
        scales=np.stack([levels[ratio][0] for ratio in ratios]).astype(np.float32),
        null_scores=tuple(levels[ratio][1] for ratio in ratios),
    )


def _scale_and_scores(stretches: Sequence[_Stretch], floor: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scale of each dimension at one length, and the stretches' own scores, each nested: judged by the others.

    Dimensions move together, so that each is calibrated does not make their share so. A last scalar on all scales,
    at least 1, brings mean + one standard deviation of the nested scores to the threshold where it is not already.
    """
    nested = []
    for stretch in stretches:
        others = [other for other in stretches if stretch.apart(other, 1)]
        others = others or [other for other in stretches if stretch.apart(other, 0)] or list(stretches)
        nested.append((stretch.distance, _scale(others, floor)))
    factor = 1.0
    while True:
        scores = np.array([drift_score(distance, factor * scale) for distance, scale in nested])
        if scores.mean() + GUARD * scores.std() <= THRESHOLD or factor >= MAX_FACTOR:
            return factor * _scale(stretches, floor), scores
        factor *= FACTOR_STEP


def _scale(stretches: Sequence[_Stretch], floor: float) -> NDArray[np.float64]:
    # np.quantile(..., 0.75) by a plain sort, which for so few stretches takes a third of the time.
    ordered = np.sort(np.stack([stretch.distance for stretch in stretches], axis=1), axis=1)
    position = 0.75 * (len(stretches) - 1)
    below, above = ordered[:, math.floor(position)], ordered[:, math.ceil(position)]
    quartile = below + (position % 1.0) * (above - below)
    upper = np.maximum(quartile / ks.KOLMOGOROV_UPPER_QUARTILE, floor)
    return np.asarray(np.sqrt(upper * np.median(upper)))
