"""What an interpolator is trained, stopped and measured on: triplets of footage that move, split in time.

A clip is split by time and not at random, because neighbouring frames show the same people: what is measured on must
lie later than what was trained on, with a few frames between them. What says nothing about an interpolator (frozen
frames, cuts, nothing that moves; see `sentinel_edge.networks.score.examine`) is not trained on either.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, Skipped, find_clips
from sentinel_edge.footage.decoding import last_frame_s
from sentinel_edge.footage.sampling import EvenSample
from sentinel_edge.footage.triplets import Triplet, read_triplets
from sentinel_edge.networks.score import Silence, examine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CROP = 112
"""Side of a stored crop; training cuts its own, a little smaller, at random places in it."""
CROPS_PER_TRIPLET = 2
GAP_FRAMES = 5
"""Native frames between two parts of a clip that belong to neither."""
MAX_TRIPLETS = 2000
"""Read from one pile of footage at most, evenly spread: about 0.4 GB of crops."""
MAX_CHECKS = 24
MAX_HELD_OUT = 240
MIN_TRIPLETS = 16
"""Fewer that move teach nothing but themselves."""
MIN_CHECKS = 4
_MIN_MOVING = 0.005  # of a crop


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of a clip's length, one after the other.

    Attributes:
        training: The first so much is trained on.
        checking: The next so much tells when to stop; what is left is held out.
    """

    training: float
    checking: float


FROM_SCRATCH = Split(training=0.8, checking=0.2)
FINE_TUNING = Split(training=0.6, checking=0.15)
REPLAY = Split(training=0.65, checking=0.15)
"""What is held out of old footage is what training from scratch did not train on either."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Footage as training needs it.

    Attributes:
        clips: Names of the clips that gave crops.
        crops: For each of them, uint8 (n, 3, CROP, CROP, 3): first, middle and last, red-green-blue.
        triplets: How many triplets the crops are from.
        checks: Whole triplets of the checking part, evenly spread.
        held_out: The same of what comes after.
    """

    clips: tuple[str, ...]
    crops: tuple[NDArray[np.uint8], ...]
    triplets: int
    checks: tuple[Triplet, ...]
    held_out: tuple[Triplet, ...]


def read_material(paths: Sequence[Path], split: Split) -> Material:
    """Read footage and split each clip of it in time.

    Args:
        paths: Videos, or folders of them; pictures of folders make no triplets.
        split: Where each clip is cut.

    Raises:
        SentinelError: There is no footage, or too little in it moves to train on or to tell when to stop.
    """
    clips = [clip for path in paths for clip in find_clips(path)]
    reading = _Reading(split)
    skipped: list[Skipped] = []
    for clip in clips:
        reading.add(clip, read_triplets([clip], limit=max(1, MAX_TRIPLETS // len(clips)), skipped=skipped))
    material = reading.material()
    for found, needed, purpose in (
        (material.triplets, MIN_TRIPLETS, f"in the first {split.training:.0%} of each clip to train on"),
        (len(material.checks), MIN_CHECKS, f"in the next {split.checking:.0%} to tell when to stop"),
    ):
        if found < needed:
            raise SentinelError(
                f"{', '.join(map(str, paths))}: {found} triplets with motion {purpose}, at least {needed} are needed"
                f"{reading.why(skipped)}; expected videos with more movement, or longer ones"
            )
    return material


def read_all(path: Path) -> tuple[Triplet, ...]:
    """Triplets of footage that is only measured on, evenly spread.

    Raises:
        SentinelError: there is no footage.
    """
    return tuple(read_triplets(find_clips(path), limit=MAX_HELD_OUT))


def fingerprint(materials: Iterable[Material]) -> str:
    """SHA-256 of the crops, in the order in which they are held."""
    digest = hashlib.sha256()
    for material in materials:
        for crops in material.crops:
            digest.update(np.ascontiguousarray(crops))
    return digest.hexdigest()


class _Part(Enum):
    """Of a clip, in the order of time."""

    TRAINING = auto()
    CHECKING = auto()
    HELD_OUT = auto()


class _Reading:
    """Gathers material clip by clip; whole triplets are kept only for checks and what is held out."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._clips: list[str] = []
        self._crops: list[NDArray[np.uint8]] = []
        self._triplets = 0
        self._checks = _Kept(MAX_CHECKS)
        self._held_out = _Kept(MAX_HELD_OUT)
        self._silent: Counter[Silence] = Counter()

    def add(self, clip: Clip, triplets: Iterable[Triplet]) -> None:
        """Sort the triplets of one clip into the parts."""
        if not clip.is_video:
            for _ in triplets:  # they are none, but say why
                pass
            return
        length = last_frame_s(clip)
        crops: list[NDArray[np.uint8]] = []
        for triplet in triplets:
            part = self._part(triplet, length)
            if part is None:
                continue
            region = examine(triplet)
            if isinstance(region, Silence):
                self._silent[region] += 1
            elif part is _Part.TRAINING:
                self._triplets += 1
                crops += busiest_crops(triplet, region)
            else:
                (self._checks if part is _Part.CHECKING else self._held_out).add(triplet)
        if crops:
            self._clips.append(clip.name)
            self._crops.append(np.stack(crops))

    def material(self) -> Material:
        """What was gathered."""
        return Material(
            tuple(self._clips), tuple(self._crops), self._triplets, tuple(self._checks), tuple(self._held_out)
        )

    def why(self, skipped: Sequence[Skipped]) -> str:
        """What was left out, in brackets."""
        reasons = [f"{count} left out: {silence}" for silence, count in self._silent.most_common()]
        reasons += [f"{one.name}: {one.reason}" for one in skipped[:3]]
        return f" ({'; '.join(reasons)})" if reasons else ""

    def _part(self, triplet: Triplet, length: float) -> _Part | None:
        """Where a triplet belongs; None where it lies across a border or in the gap after it."""
        start, end = triplet.seconds - triplet.gaps[0], triplet.seconds + triplet.gaps[1]
        gap = GAP_FRAMES * triplet.gaps[0]
        first = self._split.training * length
        second = first + self._split.checking * length
        if end <= first:
            return _Part.TRAINING
        if start >= first + gap and end <= second:
            return _Part.CHECKING
        return _Part.HELD_OUT if start >= second + gap and second < 0.999 * length else None


class _Kept:
    """At most so many triplets, evenly spread over those that were offered."""

    def __init__(self, limit: int) -> None:
        self._sample: EvenSample[Triplet] = EvenSample(limit)
        self._offered = 0

    def __iter__(self) -> Iterator[Triplet]:
        return iter(self._sample)

    def add(self, triplet: Triplet) -> None:
        self._sample.add(self._offered, triplet)
        self._offered += 1


def busiest_crops(triplet: Triplet, region: NDArray[np.bool_]) -> list[NDArray[np.uint8]]:
    """The places of a triplet where most moves, not overlapping by more than half, as uint8 (3, CROP, CROP, 3).

    A picture smaller than a crop is continued by its border, as the network does it.
    """
    frames = np.stack([triplet.first, triplet.middle, triplet.last])
    below, beside = (max(0, CROP - side) for side in region.shape)
    if below or beside:
        frames = np.pad(frames, ((0, 0), (0, below), (0, beside), (0, 0)), mode="edge")
        region = np.pad(region, ((0, below), (0, beside)))
    # Value at (y, x): how much moves in the crop whose corner is there.
    totals = cv2.integral(region.view(np.uint8))
    moving = totals[CROP:, CROP:] - totals[:-CROP, CROP:] - totals[CROP:, :-CROP] + totals[:-CROP, :-CROP]
    crops = []
    for _ in range(CROPS_PER_TRIPLET):
        y, x = np.unravel_index(int(moving.argmax()), moving.shape)
        if crops and moving[y, x] < _MIN_MOVING * CROP * CROP:
            break
        crops.append(np.ascontiguousarray(frames[:, y : y + CROP, x : x + CROP]))
        half = CROP // 2
        moving[max(0, y - half) : y + half, max(0, x - half) : x + half] = -1
        if moving.max() < 0:
            break
    return crops
