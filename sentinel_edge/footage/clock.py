"""When a video's frames are shown, and where some are missing: time stamps as files have them, made to go forward."""

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

UNKNOWN_RATE = 25.0
"""Frames a second where a file tells none that a camera could have."""
MAX_RATE = 240.0
"""Frames a second above which a file's own rate is not that of its frames but of the clock it counts by."""
MIN_STEP_S = 0.9e-3
"""Time stamps nearer to one another stand still: no camera is so fast, and a file's clock may tick 90 000 a second."""
HOLE_S = 2.0
"""Least length of a hole. Cameras drop frames for shorter than that, and show one a second at night."""
HOLE_TIMES = 4.0
"""A hole is so many times as long as the gaps around it: a camera that shows a frame every ten seconds has none."""
_AROUND = 4
"""Gaps on either side that a gap is held against; holes in a row are told from a slow camera up to that number."""
SAME_PACE = 2.5
"""A video turns to another pace where the spacing after a frame, over a few, is more than so many times that before."""
STEADY = 0.25
"""Share of the spacing by which a frame may be off where it belongs in a steady video: files round time stamps."""
SAME_RATE = 0.01
"""Share by which a file's own rate may be off that of its time stamps and still be taken for it."""


def plausible_rate(rate: float) -> float:
    """A file's rate where a camera could have it, else `UNKNOWN_RATE`."""
    return rate if math.isfinite(rate) and 0.0 < rate <= MAX_RATE else UNKNOWN_RATE


@dataclass(frozen=True, slots=True)
class Hole:
    """Where a video has no frames for longer than its camera drops them.

    Attributes:
        start: Seconds at which the last frame before it is shown.
        length: Seconds to the first one after it.
        usual: Seconds from one frame to the next around it.
    """

    start: float
    length: float
    usual: float

    def samples(self, fps: float) -> float:
        """How many samples at `fps` a second it took."""
        return (self.length - self.usual) / max(self.usual, 1.0 / fps)


class HoleFinder:
    """Tells holes from the gaps of a camera that is slow, or drops frames steadily. Times in, in their order."""

    def __init__(self) -> None:
        self.holes: list[Hole] = []
        self._last: float | None = None
        self._gaps: deque[tuple[float, float]] = deque(maxlen=2 * _AROUND + 1)

    def add(self, seconds: float) -> None:
        """Take the time of the next frame; a gap is judged when the gaps after it are known."""
        if self._last is not None:
            self._gaps.append((self._last, seconds - self._last))
            if len(self._gaps) > _AROUND:
                self._judge(len(self._gaps) - 1 - _AROUND)
        self._last = seconds

    def finish(self) -> None:
        """Judge the last gaps; to be called once, at the end."""
        for place in range(max(0, len(self._gaps) - _AROUND), len(self._gaps)):
            self._judge(place)

    def _judge(self, place: int) -> None:
        start, gap = self._gaps[place]
        if gap <= HOLE_S:
            return
        usual = sorted(one for _, one in self._gaps)[(len(self._gaps) - 1) // 2]
        if gap > HOLE_TIMES * usual:
            self.holes.append(Hole(start, gap, usual))


class FrameClock:
    """Seconds from the first frame on, which always increase.

    Where time stamps stand still, crawl or run backwards, the step of a frame is added instead: the nominal one, or
    what the frames before took where that is less. Of a file that says a rate no camera has, steps of about that are
    taken for such.

    Args:
        rate: Frames a second, as the file says.

    Attributes:
        seconds: When the latest frame is shown.
        first: The first frame's own time stamp, 0 where it has none.
        frames: How many there were.
        counted: Frames whose time stamp was of no use.
    """

    def __init__(self, rate: float) -> None:
        self.seconds = self.first = 0.0
        self.frames = self.counted = 0
        self._nominal = 1.0 / plausible_rate(rate)
        self._least = MIN_STEP_S if plausible_rate(rate) == rate else 1.0 / MAX_RATE
        self._steps: deque[float] = deque(maxlen=2 * _AROUND + 1)

    def tick(self, stamp: float) -> float:
        """The time of the next frame, whose time stamp in seconds is given."""
        self.frames += 1
        if self.frames == 1:
            self.first = stamp if math.isfinite(stamp) else 0.0
            return self.seconds
        step = stamp - self.first - self.seconds
        if math.isfinite(step) and step >= self._least:
            self._steps.append(step)
            self.seconds = stamp - self.first
        else:
            self.counted += 1
            usual = sorted(self._steps)[len(self._steps) // 2] if self._steps else self._nominal
            self.seconds += min(self._nominal, usual)
        return self.seconds

    @property
    def stands_still(self) -> bool:
        """Whether most frames had to be counted."""
        return 2 * self.counted > self.frames


@dataclass(frozen=True, slots=True)
class Pace:
    """Successive frames without a hole, and about as far apart all along.

    Attributes:
        first: Index of the first one.
        frames: How many.
        rate: Frames a second.
        ticks: The same, had none been dropped: what such frames are timed by where they are written again.
        steady: Whether none was.
    """

    first: int
    frames: int
    rate: float
    ticks: float
    steady: bool = True


def paces(times: NDArray[np.float64], nominal: float) -> list[Pace]:
    """The stretches of a video that go on at one pace, in order; every frame is in one.

    Args:
        times: (n,) seconds at which its frames are shown, increasing.
        nominal: Frames a second as the file says; taken where it is that of the time stamps.
    """
    finder = HoleFinder()
    for seconds in times:
        finder.add(float(seconds))
    finder.finish()
    edges = [0, *np.searchsorted(times, [hole.start for hole in finder.holes], side="right"), len(times)]
    found = []
    for first, last in pairwise(edges):
        starts = [0, *_turns(times[first:last]), last - first]
        found += [_pace(times[first + one : first + other], first + one, nominal) for one, other in pairwise(starts)]
    return [pace for pace in found if pace.frames]


def _turns(times: NDArray[np.float64]) -> list[int]:
    """The frames from which on a video without holes goes at another pace."""
    place = np.arange(_AROUND, len(times) - _AROUND)
    if not len(place):
        return []
    start, stop = np.maximum(place - 2 * _AROUND, 0), np.minimum(place + 2 * _AROUND, len(times) - 1)
    before = (times[place] - times[start]) / (place - start)
    after = (times[stop] - times[place]) / (stop - place)
    change = np.abs(np.log(after / before))
    turning = np.flatnonzero(change > math.log(SAME_PACE))
    # Of neighbours that all see one turn, the one that sees it best.
    groups = np.split(turning, np.flatnonzero(np.diff(turning) > 1) + 1)
    return [int(place[group[change[group].argmax()]]) for group in groups if len(group)]


def _pace(times: NDArray[np.float64], first: int, nominal: float) -> Pace:
    if len(times) < 2:
        return Pace(first, len(times), nominal, nominal)
    gaps = np.diff(times)
    mean, middle = float(gaps.mean()), float(np.median(gaps))
    # Frames that come in bursts are as good as even: of those the middle gap says nothing.
    rate, ticks = 1.0 / mean, 1.0 / (middle if middle >= mean / 2.0 else mean)
    rate, ticks = (nominal if abs(one / nominal - 1.0) <= SAME_RATE else one for one in (rate, ticks))
    ticker = Ticker(ticks)
    return Pace(first, len(times), rate, ticks, [ticker.number(one) for one in times] == list(range(len(times))))


class Ticker:
    """Numbers the ticks of a clock at which frames are shown, from the first one on; every frame has one of its own.

    Args:
        ticks: Ticks a second.
    """

    def __init__(self, ticks: float) -> None:
        self._ticks = ticks
        self._first: float | None = None
        self._number = -1

    def number(self, seconds: float) -> int:
        """The tick of the next frame, in the order of time."""
        self._first = seconds if self._first is None else self._first
        self._number = max(self._number + 1, round((seconds - self._first) * self._ticks))
        return self._number


def steady_rate(times: NDArray[np.float64], nominal: float) -> float | None:
    """Frames a second of a video whose frames are evenly spaced throughout; None where they are not."""
    if len(times) < 2:
        return nominal
    spacing = float(times[-1] - times[0]) / (len(times) - 1)
    off = np.abs(times - times[0] - spacing * np.arange(len(times))).max()
    if off > STEADY * spacing:
        return None
    return nominal if abs(1.0 / spacing / nominal - 1.0) <= SAME_RATE else 1.0 / spacing
