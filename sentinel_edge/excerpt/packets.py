"""A video's compressed pictures, carried over as they are: a stretch is cut out without decoding and encoding it again.

Packets come in the order they are decoded in, which is not the order they are shown in. A cut is clean where it starts
at a key frame and ends where every packet so far is shown before every later one. What was cut is decoded and compared
with the source, because whether a file can be cut depends on its codec, its container and the camera that wrote it.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.decoding import Unreadable, VideoReader
from sentinel_edge.footage.size_guard import PictureWatch

_MP4 = {b"h264": "avc1", b"H264": "avc1", b"avc1": "avc1", b"hevc": "hvc1", b"HEVC": "hvc1", b"hvc1": "hvc1"}
"""Codecs whose packets go into an MP4, and what they are called there; all others go into an AVI."""
SAME_RATE = 1e-3
"""Share by which the rates of two files may differ: containers round them."""
LOOK_AHEAD = 32
"""Packets looked at beyond a stretch to see whether it ends cleanly: twice what H.264 and H.265 put off at most."""
_HEADER_BYTES, _PACKET_BYTES = 16_384, 64
"""What a container adds at most: once, and for each packet."""


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


@dataclass(frozen=True, slots=True)
class PacketSurvey:
    """What a video is made of.

    Attributes:
        packets: How many compressed pictures it holds.
        keys: int64 (k,), which of them are key frames, in the order of the file.
        key_size: Bytes of a key frame, on average.
        other_size: Bytes of any other, on average.
        change: Why they end before the file does; empty where they do not.
    """

    packets: int
    keys: NDArray[np.int64]
    key_size: float
    other_size: float
    change: str

    def stretch_size(self, frames: int) -> float:
        """Bytes to expect of a file of so many frames, the first of them a key frame."""
        share = len(self.keys) / self.packets
        rest = (frames - 1) * (share * self.key_size + (1.0 - share) * self.other_size)
        return _HEADER_BYTES + frames * _PACKET_BYTES + self.key_size + rest


class PacketReader:
    """A video's packets in the order of the file, up to where its picture changes. Use it as a context manager.

    Attributes:
        fps: Frames a second.
        size: Width and height.
        codec: What the packets are called in such a file, as an OpenCV `fourcc`.
        index: How many packets were passed.
        suffix: Of a file these packets can go into.

    Raises:
        Unreadable: The file cannot be opened, or not like this.
    """

    def __init__(self, path: Path) -> None:
        with VideoReader(path) as reader:  # refuses what must not be opened
            self.fps = reader.fps
            self.size = reader.size
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
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
        while self._capture.grab():
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


def survey_packets(path: Path) -> PacketSurvey:
    """Count a video's packets without decoding them; several hundred times faster than playing it.

    Raises:
        Unreadable: It cannot be opened, or not like this.
    """
    keys: list[int] = []
    key_bytes = other_bytes = 0
    with PacketReader(path) as reader:
        for packet in reader:
            if packet.key:
                keys.append(reader.index - 1)
                key_bytes += packet.content.size
            else:
                other_bytes += packet.content.size
        others = reader.index - len(keys)
        return PacketSurvey(
            reader.index,
            np.array(keys, np.int64),
            key_bytes / max(1, len(keys)),
            other_bytes / max(1, others),
            reader.change,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """Packets that can be decoded by themselves and shown without a gap.

    Attributes:
        packets: In the order they are decoded in; the first is a key frame.
        positions: Their places in the order they are shown in: a permutation.
        leading: Packets left out in between: shown before the key frame, and decoded from others before it.
    """

    packets: tuple[Packet, ...]
    positions: tuple[int, ...]
    leading: int

    @property
    def delay(self) -> int:
        """By how many frames showing runs behind decoding."""
        return max(index - position for index, position in enumerate(self.positions))


def clean_run(packets: Iterator[Packet], wanted: int, most: int, limit: int) -> Run | None:
    """The packets of the next `wanted` frames, or of a few more where frames are not decoded in the order shown.

    Args:
        packets: Drawn from, the first of them a key frame.
        wanted: Frames to take.
        most: Packets to draw at most; those after them begin with a key frame.
        limit: Bytes the run's file may take.

    Returns:
        The run, of fewer than `wanted` frames where the limit or the file ends it; None where there is none.
    """
    drawn = list(islice(packets, min(most, wanted + LOOK_AHEAD)))
    if not drawn or not drawn[0].key:
        return None
    kept = [packet for packet in drawn if packet.shown_ms >= drawn[0].shown_ms]
    times = np.array([packet.shown_ms for packet in kept])
    sizes = np.cumsum([packet.content.size + _PACKET_BYTES for packet in kept]) + _HEADER_BYTES
    # Clean ends: the latest of those before is earlier than the earliest of those after.
    later = np.append(np.minimum.accumulate(times[::-1])[::-1][1:], np.inf if len(drawn) == most else -np.inf)
    ends = np.flatnonzero((np.maximum.accumulate(times) < later) & (sizes <= limit)) + 1
    if not len(ends) or len(np.unique(times)) < len(times):
        return None
    enough = ends[ends >= wanted]
    end = int(enough[0] if len(enough) else ends[-1])
    positions = np.argsort(np.argsort(times[:end]))
    return Run(tuple(kept[:end]), tuple(map(int, positions)), len(drawn) - len(kept))


def write_run(path: Path, run: Run, source: PacketReader) -> None:
    """Write packets as a video of their own.

    Raises:
        Unreadable: They cannot go into a file of this kind.
        OSError: The file cannot be made, or the disk is full.
    """
    path.touch()  # says why, where OpenCV only says that it failed
    raw = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
    writer = cv2.VideoWriter(str(path.absolute()), cv2.CAP_FFMPEG, source.codec, source.fps, source.size, raw)
    if not writer.isOpened():
        raise Unreadable("its packets cannot be written to a file of their own")
    writer.set(cv2.VIDEOWRITER_PROP_DTS_DELAY, run.delay)
    for packet, position in zip(run.packets, run.positions, strict=True):
        writer.set(cv2.VIDEOWRITER_PROP_KEY_FLAG, int(packet.key))
        writer.set(cv2.VIDEOWRITER_PROP_PTS, position)
        writer.write(packet.content.reshape(1, -1))
    writer.release()
    missing = sum(packet.content.size for packet in run.packets) - path.stat().st_size
    if missing > 0:  # OpenCV does not tell a full disk from packets it does not take: ask the disk
        with path.open("ab") as file:
            file.write(bytes(missing))
            file.flush()
            os.fsync(file.fileno())
        raise Unreadable("its packets cannot be written to a file of their own")


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch that was cut out, its frames the very same as the source's."""

    path: Path
    frames: int


class PacketCutter:
    """Cuts stretches out of one video, in order, and compares each with what the source shows there.

    Use it as a context manager. The source is decoded once, up to the last stretch.

    Attributes:
        suffix: Of the files.

    Raises:
        Unreadable: The source cannot be opened, or not like this.
    """

    def __init__(self, path: Path) -> None:
        self._packets = PacketReader(path)
        self._drawn = iter(self._packets)
        self._shown = VideoReader(path)
        self._passed = 0
        self.suffix = self._packets.suffix

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packets.close()
        self._shown.close()

    def cut(self, start: int, *, wanted: int, most: int, limit: int, name: Callable[[float], Path]) -> Cut | None:
        """Cut one stretch out.

        Args:
            start: Index of a key frame, not before the end of the stretch before.
            wanted: Frames to take; a few more where showing them in order needs that.
            most: Packets from `start` on that belong to this stretch.
            limit: Bytes the file may take.
            name: Where to write it, given the time in the source in seconds.

        Returns:
            The stretch, or None, and no file, where it does not fit or would differ from the source.

        Raises:
            OSError: The file cannot be written.
        """
        for _ in islice(self._drawn, start - self._packets.index):
            pass
        run = clean_run(self._drawn, wanted, most, limit)
        if run is None:
            return None
        while self._passed <= start + run.leading:
            if not self._shown.advance():
                return None
            self._passed += 1
        path = name(self._shown.seconds)
        try:
            write_run(path, run, self._packets)
            same = self._compare(path, len(run.packets))
        except Unreadable:
            same = False
        if not same:
            path.unlink()
            return None
        return Cut(path, len(run.packets))

    def _compare(self, path: Path, frames: int) -> bool:
        """Whether a file shows the next frames of the source, those alone, and at its rate."""
        with VideoReader(path) as reader:
            if abs(reader.fps - self._shown.fps) > SAME_RATE * self._shown.fps:
                return False
            for index in range(frames):
                if index:
                    if not self._shown.advance():
                        return False
                    self._passed += 1
                expected = self._shown.retrieve()
                found = reader.retrieve() if reader.advance() else None
                if expected is None or found is None or not np.array_equal(found, expected):
                    return False
            return not reader.advance()


def count_frames(path: Path) -> int:
    """How many frames a video holds, by its packets, or else counted one by one; never what its container promises.

    Raises:
        Unreadable: None can be decoded.
    """
    with VideoReader(path) as reader:
        if not next(iter(reader), None):
            raise Unreadable(reader.undecodable)
        try:
            return survey_packets(path).packets
        except Unreadable:
            return 1 + sum(1 for _ in iter(reader.advance, False))
