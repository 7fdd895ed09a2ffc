"""Footage that a program hands over: frames in memory, with their times where there are any."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sentinel_edge import MAX_PIXELS
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip

EXPECTED_FRAME = "expected uint8 (height, width, 3), blue-green-red, as OpenCV reads it"
MAX_SECONDS = 1e12
STEP_S = 0.04
"""Seconds from one frame to the next where the times of the first two do not rise."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenFrames(Clip):
    """A clip that was never a file. Read once, in order; whether twice is up to what was given.

    Attributes:
        frames: Pictures, uint8 (h, w, 3), blue-green-red; of a timed clip pairs of seconds and such a picture, in the
            order of time, sampled as a video is.
        timed: Whether they come with their times.
    """

    frames: Iterable[Any] = ()
    timed: bool = False

    @classmethod
    def of(cls, name: str, frames: Iterable[Any], *, timed: bool) -> "GivenFrames":
        """Frames as a clip of that name."""
        return cls(Path(name), name, frames=frames, timed=timed)

    @property
    def is_video(self) -> bool:
        """Whether the frames come with their times."""
        return self.timed

    def pictures(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Names and frames of a clip without times.

        Raises:
            SentinelError: One is no frame.
        """
        for number, frame in enumerate(self.frames):
            name = f"{self.name} {number}"
            yield name, require_frame(frame, name)


class TimedFrames:
    """Timed frames, stepped through as `decoding.VideoReader` steps through a file.

    Attributes:
        seconds: When the frame of now is shown, from the first one on.
        missing_share: Nothing promised how many there would be, so none is missing.
        shortfall: Likewise.
        change: Its frames may change as they like.
        damaged: None is: they never were a stream.
        remarks: Whoever gives them knows how they are timed.
        undecodable: What none at all is listed with.
    """

    missing_share, shortfall, change, undecodable = 0.0, "", "", "no frame came"
    damaged = False
    remarks: tuple[str, ...] = ()

    def __init__(self, clip: GivenFrames) -> None:
        self._name = clip.name
        self._pairs = iter(clip.frames)
        self._origin: float | None = None
        self._step = STEP_S
        self._frame: NDArray[np.uint8] | None = None
        self.seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._frame = None

    def advance(self) -> bool:
        """Step to the next frame; False at the end. Times that stand still or run backwards go on by the last step.

        Raises:
            SentinelError: It is no pair of a time and a frame.
        """
        pair = next(self._pairs, None)
        if pair is None:
            return False
        time, frame = pair if isinstance(pair, tuple) and len(pair) == 2 else (None, None)
        name = f"{self._name} after {self.seconds:.2f} s"
        if isinstance(time, bool) or not isinstance(time, int | float | np.integer | np.floating):
            raise SentinelError(f"{name}: found {type(pair).__name__}; expected pairs of seconds and a frame")
        if not -MAX_SECONDS <= time <= MAX_SECONDS:  # NaN is on neither side
            raise SentinelError(f"{name}: the time is {str(time)[:40]}; expected seconds")
        if self._origin is None:
            self._origin, self.seconds = float(time), 0.0
        else:
            seconds = float(time) - self._origin
            if seconds > self.seconds:
                self._step, self.seconds = seconds - self.seconds, seconds
            else:
                self.seconds += self._step
        self._frame = require_frame(frame, name)
        return True

    def retrieve(self) -> NDArray[np.uint8] | None:
        """The frame `advance` stepped to."""
        return self._frame

    def lost_samples(self, _fps: float) -> float:
        """None: what was left out was left out on purpose."""
        return 0.0


def require_frame(frame: Any, name: str) -> NDArray[np.uint8]:
    """A frame of our own: whoever gives it may write the next one into the same memory.

    Raises:
        SentinelError: It is none.
    """
    found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
    sound = isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
    if not sound or not 0 < frame.shape[0] * frame.shape[1] <= MAX_PIXELS:
        raise SentinelError(f"{name} is {found}; {EXPECTED_FRAME}, and at most {MAX_PIXELS} pixels")
    return np.array(frame, np.uint8)
