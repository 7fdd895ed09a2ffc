"""A video's compressed pictures, read without decoding them: several hundred times faster than playing it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.clock import FrameClock, steady_rate
from sentinel_edge.footage.decoding import Unreadable, VideoReader
from sentinel_edge.footage.size_guard import PictureWatch

_MP4 = {b"h264": "avc1", b"H264": "avc1", b"avc1": "avc1", b"hevc": "hvc1", b"HEVC": "hvc1", b"hvc1": "hvc1"}
"""Codecs whose packets go into an MP4, and what they are called there; all others go into an AVI."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One compressed picture.

    Attributes:
        content: uint8 (bytes,).
        shown_ms: When it is shown, in milliseconds, as the container says.
        key: Whether it is decoded without any other.
    """

    content: NDArray[np.uint8]
    shown_ms: float
    key: bool


class PacketReader:
    """A video's packets in the order of the file, up to where its picture changes. Use it as a context manager.

    Attributes:
        fps: Frames a second, where a camera could have that.
        stated_rate: The same, as the file says.
        size: Width and height.
        codec: What the packets are called in such a file, as an OpenCV `fourcc`.
        index: How many packets were passed.
        suffix: Of a file these packets can go into.

    Raises:
        Unreadable: The file cannot be opened, or not like this.
    """

    def __init__(self, path: Path) -> None:
        with VideoReader(path) as reader:  # refuses what must not be opened
            self.fps, self.stated_rate = reader.fps, reader.stated_rate
            self.size = reader.size
            self._file = reader.source.file()
        self._capture = self._file.opened(by=self, packets=True)
        if not self._capture.isOpened():
            raise Unreadable("its packets cannot be read")
        codec = int(self._capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(8, "little", signed=True)[:4]
        self.codec = cv2.VideoWriter.fourcc(*_MP4[codec]) if codec in _MP4 else int.from_bytes(codec, "little")
        self.suffix = ".mp4" if codec in _MP4 else ".avi"
        self.index = 0
        self._watch = PictureWatch(codec.decode("latin-1"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._capture.release()

    @property
    def change(self) -> str:
        """Why the packets ended before the file does: its picture changes. Empty where it does not."""
        return self._watch.reason(self.index / self.fps)

    def __iter__(self) -> Iterator[Packet]:
        while self._file.step(self._capture):
            good, content = self._capture.retrieve()
            if not good or content is None:
                return
            compressed = np.asarray(content, np.uint8).reshape(-1)
            if self._watch.changes_at(compressed.tobytes()):
                return
            self.index += 1
            yield Packet(
                compressed,
                self._capture.get(cv2.CAP_PROP_POS_MSEC),
                self._capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME) != 0,
            )


def times_shown(stamps_ms: Iterable[float], rate: float) -> NDArray[np.float64]:
    """Seconds at which frames are shown, from the first one on, float64 (n,), increasing; see `FrameClock`.

    Args:
        stamps_ms: Time stamps of packets in milliseconds, in any order.
        rate: Frames a second, as the file says.
    """
    clock = FrameClock(rate)
    return np.array([clock.tick(stamp / 1000.0) for stamp in sorted(stamps_ms)], np.float64)


def frame_times(path: Path) -> tuple[NDArray[np.float64], float]:
    """When a video's frames are shown (see `times_shown`), by its packets, and its nominal frames a second.

    Raises:
        Unreadable: It cannot be opened, or not like this.
    """
    with PacketReader(path) as reader:
        return times_shown([packet.shown_ms for packet in reader], reader.stated_rate), reader.fps


def even_rate(path: Path) -> float | None:
    """Frames a second of a video that is evenly spaced throughout; None where its frames have times of their own.

    Raises:
        Unreadable: It cannot be opened.
    """
    try:
        return steady_rate(*frame_times(path))
    except Unreadable:
        with VideoReader(path) as reader:
            return reader.fps
