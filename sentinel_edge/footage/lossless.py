"""Footage written without loss: what is read back is the very pixels that went in.

A video becomes an AVI whose every frame is a PNG; where its frames are not evenly spaced, a QuickTime file of the same,
because OpenCV does not give an AVI times of its own. (FFV1 through OpenCV is as exact and smaller, but it cuts the last
row and column off a picture of odd size.)
"""

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.clock import Ticker

_HEADER_BYTES, _FRAME_BYTES = 16_384, 64
"""What the container adds at most: once, and for each frame."""

SLOWEST = 0.002
"""Frames a second: of a thousandth and less, as a forged header has it, OpenCV's writer divides by zero and the process
dies of it (SIGFPE)."""
CLOCK_HZ = 200.0
"""Ticks a second of a video whose frames have times of their own; it passes for its rate, so a camera could have it."""


def lossless_suffix(fps: float | None) -> str:
    """Of a video of so many frames a second; None where each has a time of its own."""
    return ".mov" if fps is None else ".avi"


class LosslessVideo:
    """Writes a video that gives back the very same pixels: PNG frames, for any picture size.

    The first frame sets the size. Use it as a context manager; without a frame there is no file. Leaving it
    raises OSError when the file holds less than was written (a full disk).

    Attributes:
        path: The file, named as `lossless_suffix` says.
        fps: Frames a second; None where each has a time of its own.
        limit: Bytes the file may take; None for any number.
        frames: How many were written.
    """

    def __init__(self, path: Path, fps: float | None, limit: float | None = None) -> None:
        self.path = path
        self.fps = fps
        self.limit = limit
        self.frames = 0
        self._writer: cv2.VideoWriter | None = None
        self._bytes = 0
        self._ticker = Ticker(CLOCK_HZ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if error is None and self.path.stat().st_size < self._bytes:  # OpenCV keeps a full disk to itself
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def write(self, frame: NDArray[np.uint8], seconds: float = 0.0) -> bool:
        """Append one frame, uint8 BGR (height, width, 3), shown at `seconds` where frames have times of their own.

        Returns:
            Whether it was; False where the file would then pass its limit.

        Raises:
            OSError: The file cannot be made.
        """
        packet = encode_png(frame)
        size = self._bytes + packet.size
        if self.limit is not None and _HEADER_BYTES + size + (self.frames + 1) * _FRAME_BYTES > self.limit:
            return False
        if self._writer is None:
            self._writer = self._open(width=frame.shape[1], height=frame.shape[0])
        self._bytes = size
        if self.fps is None:
            self._writer.set(cv2.VIDEOWRITER_PROP_PTS, self._ticker.number(seconds))
        self.frames += 1
        self._writer.write(packet.reshape(1, -1))
        return True

    def _open(self, *, width: int, height: int) -> cv2.VideoWriter:
        self.path.touch()  # says why, where OpenCV only says that it failed
        # A container for frames we encode ourselves: OpenCV's own encoders round sizes down to even ones.
        raw = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
        fourcc = cv2.VideoWriter.fourcc(*("png " if self.fps is None else "MPNG"))
        rate = max(self.fps or CLOCK_HZ, SLOWEST)
        writer = cv2.VideoWriter(str(self.path.absolute()), cv2.CAP_FFMPEG, fourcc, rate, (width, height), raw)
        if not writer.isOpened():
            raise OSError(errno.EIO, "OpenCV cannot write this video", str(self.path))
        return writer


def encode_png(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One frame, uint8 BGR (height, width, 3), as the bytes of a PNG file: uint8 (bytes,)."""
    _, packet = cv2.imencode(".png", frame)
    return np.asarray(packet, np.uint8).reshape(-1)
