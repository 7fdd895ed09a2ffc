"""Interpolators side by side: the same triplets, scored and timed alike.

Each in turn goes first, so that whatever slows the machine down for a while slows all of them.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats would add a second to every start

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.triplets import Triplet
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.score import Interpolating, Silence, TripletScore, examine, score

LATENCY_LIMIT = 1.2
"""A challenger may take so many times as long as the champion."""

NEGLIGIBLE_S = 0.001
"""A difference of less than a millisecond a triplet is the runtime's own, and no burden."""

MIN_PAIRS = 20
"""Timed triplets from which a ratio of latencies is told."""

Progress = Callable[[int], None]
"""Is told how far the work is."""

_CERTAIN = 0.001


class ModelFailed(Exception):  # noqa: N818  (a finding about a model, not a failure of the program)
    """One of the interpolators gave what cannot be used.

    Attributes:
        which: Its position among those compared.
        reason: One line for a person.
    """

    def __init__(self, which: int, reason: str) -> None:
        super().__init__(reason)
        self.which = which
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Compared:
    """What each interpolator made of one triplet.

    Attributes:
        clip: The clip's name.
        seconds: When the middle frame is shown.
        silence: Why it says nothing; then nobody was asked.
        scores: Of each interpolator, in their order.
        latencies: Seconds each took.
    """

    clip: str
    seconds: float
    silence: Silence | None
    scores: tuple[TripletScore, ...] = ()
    latencies: tuple[float, ...] = ()

    def difference(self, one: int, other: int) -> float:
        """PSNR where it moves of one less that of another, dB; NaN where the triplet says nothing."""
        return self.scores[one].psnr - self.scores[other].psnr if self.scores else float("nan")


class SideBySide:
    """Several interpolators that answer the same triplets; which goes first is remembered from call to call."""

    def __init__(self, interpolators: Sequence[Interpolating]) -> None:
        self._interpolators = tuple(interpolators)
        self._warm: set[tuple[int, ...]] = set()
        self._asked = 0

    def compare(self, triplets: Iterable[Triplet]) -> Iterator[Compared]:
        """Ask all of them for every triplet that says something; memory does not grow with the stream.

        Raises:
            ModelFailed: One of them raised, or gave another shape or what is not a number.
        """
        for triplet in triplets:
            region = examine(triplet)
            if isinstance(region, Silence):
                yield Compared(triplet.clip, triplet.seconds, region)
            else:
                yield self._ask(triplet, region)

    def _ask(self, triplet: Triplet, region: NDArray[np.bool_]) -> Compared:
        count = len(self._interpolators)
        if triplet.middle.shape not in self._warm:  # the first call at a size allocates what the others reuse
            for which in range(count):
                _timed(which, self._interpolators[which], triplet)
            self._warm.add(triplet.middle.shape)
        order = [(self._asked + turn) % count for turn in range(count)]
        self._asked += 1
        answers = {which: _timed(which, self._interpolators[which], triplet) for which in order}
        scores, latencies = [], []
        for which in range(count):
            middle, seconds = answers[which]
            try:
                scores.append(score(triplet, region, middle))
            except SentinelError as error:
                raise ModelFailed(which, str(error)) from error
            latencies.append(seconds)
        return Compared(triplet.clip, triplet.seconds, None, tuple(scores), tuple(latencies))


def opened(models: Iterable[Path]) -> list[Interpolator]:
    """The interpolators of files that were held against their cards before.

    Raises:
        ModelFailed: One of them cannot be opened: that model's failure, not the program's.
    """
    found = []
    for which, model in enumerate(models):
        try:
            found.append(Interpolator(model))
        except SentinelError as error:
            raise ModelFailed(which, str(error)) from error
    return found


def _timed(which: int, interpolator: Interpolating, triplet: Triplet) -> tuple[NDArray[np.float32], float]:
    first, last = triplet.first[None], triplet.last[None]
    begun = time.perf_counter()
    try:
        middle = interpolator.interpolate(first, last)
    except Exception as error:  # whatever a foreign graph makes its runtime raise is that graph's failure
        raise ModelFailed(which, str(error) or type(error).__name__) from error
    seconds = time.perf_counter() - begun
    if len(middle) != 1:
        raise ModelFailed(which, f"gave {len(middle)} frames for one pair; expected one")
    return middle[0], seconds


def is_slower(champion_s: float, challenger_s: float) -> bool:
    """Whether a challenger takes too long beside a champion, seconds each."""
    return challenger_s > LATENCY_LIMIT * champion_s and challenger_s - champion_s > NEGLIGIBLE_S


def surely_slower(pairs: int, slower: int) -> bool:
    """Whether a challenger is slower at most triplets beyond doubt: the sign test.

    Args:
        pairs: Timed triplets.
        slower: Those at which it was (`is_slower`).

    Returns:
        True where so many would be at most one chance in a thousand, if it were slower at half of them.
    """
    return pairs >= MIN_PAIRS and slower > 0 and float(special.bdtrc(slower - 1, pairs, 0.5)) < _CERTAIN
