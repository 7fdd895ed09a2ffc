"""Triplets: three neighbouring frames of a video at its native rate, small, of which the middle one is a free test.

An interpolator is given the first and the last and held against the middle, which needs no labels. Pictures of a folder
make none: nobody says how far apart in time they were taken.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.clips import Clip, Skipped
from sentinel_edge.footage.decoding import Unreadable, VideoReader, fit_frame
from sentinel_edge.footage.mask import Mask

MAX_SIDE = 256
"""Pixels of a triplet's longer side at most: what an interpolator costs grows with the area."""


@dataclass(frozen=True, slots=True, eq=False)
class Triplet:
    """Three neighbouring native frames of one clip.

    Attributes:
        first: uint8 (h, w, 3), red-green-blue, the longer side at most `MAX_SIDE`.
        middle: Likewise, of the same size.
        last: Likewise.
        clip: The clip's name.
        seconds: When the middle frame is shown, from the clip's first frame on.
        gaps: Seconds from the first to the middle, and from the middle to the last.
    """

    first: NDArray[np.uint8]
    middle: NDArray[np.uint8]
    last: NDArray[np.uint8]
    clip: str
    seconds: float
    gaps: tuple[float, float]

    @property
    def origin(self) -> str:
        """The name and time of the middle frame, for people."""
        return f"{self.clip}@{self.seconds:.2f}s"


def scaled_size(height: int, width: int, side: int = MAX_SIDE) -> tuple[int, int]:
    """Height and width of a picture brought to at most `side` pixels a side: aspect ratio kept, never enlarged."""
    share = min(1.0, side / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def make_triplet(
    frames: Sequence[NDArray[np.uint8]],
    clip: str,
    times: tuple[float, float, float],
    mask: Mask | None = None,
) -> Triplet | None:
    """Scale three frames as the embedder's are scaled (`embedder.fit_frame`), all three alike.

    Args:
        frames: Three, uint8 (h, w, 3), blue-green-red.
        clip: The clip's name.
        times: Seconds at which each is shown.
        mask: What of the picture is left out: grey in all three, so that nothing moves there.

    Returns:
        The triplet; None where the frames are not of one size.
    """
    first, middle, last = frames
    if not first.shape == middle.shape == last.shape:
        return None
    height, width = scaled_size(*first.shape[:2])
    scaled = (fit_frame(mask.apply(frame) if mask else frame, width, height) for frame in frames)
    gaps = (times[1] - times[0], times[2] - times[1])
    return Triplet(next(scaled), next(scaled), next(scaled), clip, times[1], gaps)


def read_triplets(
    clips: Iterable[Clip],
    *,
    stride: int = 1,
    limit: int | None = None,
    mask: Mask | None = None,
    skipped: list[Skipped] | None = None,
) -> Iterator[Triplet]:
    """The triplets of footage, clip by clip in the order of time; three decoded frames are held at a time.

    Triplets that begin at neighbouring frames share two of their three. Frames that cannot be decoded are stepped
    over: then the times of a triplet tell that it is not evenly spaced. Damaged frames are in none.

    Args:
        clips: What to read; pictures of folders are passed over.
        stride: A triplet begins at every so many-th native frame of a clip.
        limit: About so many triplets at most, spread evenly over all clips: the stride is raised accordingly, going
            by the lengths that the files promise.
        mask: What of the picture is left out.
        skipped: Takes what was passed over, and why.

    Raises:
        ValueError: A stride or a limit below 1.
    """
    if stride < 1 or (limit is not None and limit < 1):
        raise ValueError(f"stride {stride}, limit {limit}; expected at least 1")
    passed_over = [] if skipped is None else skipped
    videos = []
    for clip in clips:
        if clip.is_video:
            videos.append(clip)
        else:
            passed_over.append(Skipped(clip.name, "pictures tell no frame rate, so they make no triplets"))
    if limit is not None:
        stride = max(stride, math.ceil(_promised_frames(videos) / limit))
    for clip in videos:
        try:
            yield from _of_video(clip, stride, mask, passed_over)
        except Unreadable as reason:
            passed_over.append(Skipped(clip.name, reason.reason))


def _promised_frames(videos: Sequence[Clip]) -> float:
    frames = 0.0
    for clip in videos:
        try:
            with VideoReader(clip.path) as reader:
                frames += reader.promised
        except Unreadable:  # reported when it is read
            continue
    return frames


def _of_video(clip: Clip, stride: int, mask: Mask | None, passed_over: list[Skipped]) -> Iterator[Triplet]:
    with VideoReader(clip.path) as reader:
        held: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=3)
        number = -1
        while reader.advance():
            number += 1
            if number % stride >= 3:  # begins none, and is in none that was begun
                continue
            if number % stride == 0 and stride >= 3:
                held.clear()
            frame = reader.retrieve()
            if reader.damaged:
                held.clear()
                continue
            if frame is None:
                continue
            held.append((reader.seconds, frame))
            if len(held) == 3 and (number - 2) % stride == 0:
                (start, first), (middle, second), (end, third) = held
                triplet = make_triplet((first, second, third), clip.name, (start, middle, end), mask)
                if triplet:
                    yield triplet
        if reader.change:
            passed_over.append(Skipped(clip.name, reader.change))
