"""Small videos, written without loss: from pictures that are made up, or from a stretch of real footage."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.decoding import VideoReader

SMALL = (160, 120)


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float = 10.0) -> Path:
    """Write frames, uint8 (h, w, 3), blue-green-red, of one size as an AVI of PNGs; gives back the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: cv2.VideoWriter | None = None
    for frame in frames:
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MPNG"), fps, size)
        writer.write(frame)
    assert writer is not None
    writer.release()
    return path


def stretch(path: Path, source: Path, first: int, last: int, step: int = 1) -> Path:
    """Write the frames `first` to `last` of a video, every `step`-th, at 10 frames a second and 160 pixels wide."""
    with VideoReader(source) as reader:
        wanted = (frame for _, frame in islice(reader, first, last, step))
        small = (cv2.resize(frame, SMALL, interpolation=cv2.INTER_AREA) for frame in wanted)
        return write_clip(path, (np.asarray(frame, np.uint8) for frame in small))
