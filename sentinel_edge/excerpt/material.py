"""What stretches can be taken of footage, and which of them to take: evenly over the whole time."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.clips import Clip
from sentinel_edge.footage.clock import Pace

TRIPLET = 3
"""Successive frames that make a training example; a stretch holds at least as many."""


class Way(Enum):
    """How a clip's stretches are taken."""

    PICTURES = auto()
    PACKETS = auto()
    REWRITTEN = auto()


@dataclass(frozen=True, slots=True)
class Material:
    """A clip, or what of a video goes on at one pace, and the stretches that can be taken of it.

    Attributes:
        clip: The clip.
        way: How they are taken.
        pace: Which frames of the clip, and how fast.
        starts: int64 (n,) first frame of each stretch, counted in the clip; each ends before the next begins.
        wanted: Frames of a stretch.
        cost: Bytes of a stretch, estimated.
        lead: Packets of the clip before its first frame.
    """

    clip: Clip
    way: Way
    pace: Pace
    starts: NDArray[np.int64]
    wanted: int
    cost: float
    lead: int = 0

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.pace.frames

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.pace.rate

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.frames / self.rate

    @property
    def least(self) -> int:
        """Frames without which a stretch is of no use."""
        return min(TRIPLET, self.frames)

    def nearest(self, frame: float) -> int:
        """The start of the stretch whose middle is nearest to a frame."""
        middles = self.starts + min(self.wanted, self.frames) / 2.0
        following = int(np.searchsorted(middles, frame))
        around = range(max(0, following - 1), min(len(middles), following + 1))
        return int(self.starts[min(around, key=lambda index: abs(float(middles[index]) - frame))])

    def room(self, start: int) -> int:
        """Frames from a start to the next one, or to the end."""
        following = int(np.searchsorted(self.starts, start, side="right"))
        return (int(self.starts[following]) if following < len(self.starts) else self.pace.first + self.frames) - start


def spread(materials: Sequence[Material], limit: int) -> list[list[int]]:
    """Which stretches to take, as many as fit by estimate: those nearest to the middles of equal parts of the time.

    Returns:
        Starts of each material's stretches, in order.
    """
    ends = np.cumsum([material.seconds for material in materials])
    chosen: list[list[int]] = [[] for _ in materials]
    if not materials or not ends[-1] > 0:
        return chosen
    cost = sum(material.seconds * material.cost for material in materials) / ends[-1]
    count = int(min(max(1.0, limit // cost), sum(len(material.starts) for material in materials)))
    for part in range(count):
        moment = (part + 0.5) * ends[-1] / count
        place = min(int(np.searchsorted(ends, moment, side="right")), len(materials) - 1)
        material = materials[place]
        frame = material.pace.first + (moment - (ends[place] - material.seconds)) * material.rate
        start = material.nearest(frame)
        if start not in chosen[place][-1:]:
            chosen[place].append(start)
    return chosen


def even_starts(pace: Pace, wanted: int) -> NDArray[np.int64]:
    """Starts of stretches one after the other; a remainder too short to be used belongs to the last one."""
    end = pace.first + max(1, pace.frames)
    starts = np.arange(pace.first, end, wanted)
    return starts[:-1] if len(starts) > 1 and end - starts[-1] < TRIPLET else starts
