"""When a video's frames are shown, and where some are missing: time stamps as files have them, made to go forward."""

import math
from collections import deque
from dataclasses import dataclass

UNKNOWN_RATE = 25.0
"""Frames a second where a file tells none that a camera could have."""
MAX_RATE = 240.0
"""Frames a second above which a file's own rate is not that of its frames but of the clock it counts by."""
MIN_STEP_S = 0.9e-3
"""Time stamps nearer to one another stand still: no camera is that fast, and a file's clock may tick 90 000 a second."""
HOLE_S = 2.0
"""Least length of a hole. Cameras drop frames for shorter than that, and show one a second at night."""
HOLE_TIMES = 4.0
"""A hole is so many times as long as the gaps around it: a camera that shows a frame every ten seconds has none."""
_AROUND = 4
"""Gaps on either side that a gap is held against; holes in a row are told from a slow camera up to that number."""


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
    what the frames before took where that is less.

    Attributes:
        seconds: When the latest frame is shown.
        first: The first frame's own time stamp, 0 where it has none.
        frames: How many there were.
        counted: Frames whose time stamp was of no use.
    """

    def __init__(self, rate: float) -> None:
        self.seconds = self.first = 0.0
        self.frames = self.counted = 0
        self._nominal = 1.0 / rate
        self._steps: deque[float] = deque(maxlen=2 * _AROUND + 1)

    def tick(self, stamp: float) -> float:
        """The time of the next frame, whose time stamp in seconds is given."""
        self.frames += 1
        if self.frames == 1:
            self.first = stamp if math.isfinite(stamp) else 0.0
            return self.seconds
        step = stamp - self.first - self.seconds
        if math.isfinite(step) and step >= MIN_STEP_S:
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
        return 2 * self.counted >= self.frames > 1
