"""Real frames to check an exported network on, prepared exactly as the runtime prepares them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.decoding import Unreadable, VideoReader, fit_frame

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FRAMES_PER_VIDEO = 8
FRAME_STEP = 20


def read_frames(path: Path, size: int) -> NDArray[np.uint8]:
    """A few frames of each video under a path, fitted as the runtime fits them.

    Returns:
        uint8 (n, size, size, 3), RGB.

    Raises:
        SentinelError: there is no video, or one cannot be read.
    """
    frames: list[NDArray[np.uint8]] = []
    for clip in find_clips(path):
        if not clip.is_video:
            continue
        try:
            with VideoReader(clip.path) as reader:
                spread = islice(reader, 0, FRAMES_PER_VIDEO * FRAME_STEP, FRAME_STEP)
                frames += [fit_frame(frame, size, size) for _, frame in spread]
        except Unreadable as error:
            raise SentinelError(f"{clip.path}: {error.reason}; pass --frames another video") from error
    if not frames:
        raise SentinelError(f"{path}: no video frames to check the export on; pass --frames a video")
    return np.stack(frames)
