"""A video's compressed pictures, carried over as they are: a stretch is cut out without decoding and encoding it again.

Packets come in the order they are decoded in, which is not the order they are shown in. A cut is clean where it starts
at a key frame and ends where every packet so far is shown before every later one. What was cut is decoded and compared
with the source, because whether a file can be cut depends on its codec, its container and the camera that wrote it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.clock import Ticker
from sentinel_edge.footage.decoding import Unreadable, VideoReader
from sentinel_edge.footage.lossless import SLOWEST
from sentinel_edge.footage.packets import Packet, PacketReader, times_shown

LOOK_AHEAD = 32
"""Packets looked at beyond a stretch to see whether it ends cleanly: twice what H.264 and H.265 put off at most."""
SAME_TIME_S = 2e-3
"""Seconds by which a frame may be shown earlier or later than it should: containers round them."""
_HEADER_BYTES, _PACKET_BYTES = 16_384, 64
"""What a container adds at most: once, and for each packet."""


@dataclass(frozen=True, slots=True)
class PacketSurvey:
    """What a video is made of.

    Attributes:
        times: float64 (n,) seconds at which they are shown, increasing; see `footage.clock.FrameClock`.
        keys: int64 (k,), which of them are key frames, in the order of the file.
        key_size: Bytes of a key frame, on average.
        other_size: Bytes of any other, on average.
        change: Why they end before the file does; empty where they do not.
    """

    times: NDArray[np.float64]
    keys: NDArray[np.int64]
    key_size: float
    other_size: float
    change: str

    @property
    def lead(self) -> int:
        """Packets before the first key frame, which nothing shows: a stream that begins in the middle."""
        return int(self.keys[0]) if len(self.keys) else 0

    @property
    def packets(self) -> int:
        """How many compressed pictures it holds."""
        return len(self.times)

    def stretch_size(self, frames: int) -> float:
        """Bytes to expect of a file of so many frames, the first of them a key frame."""
        share = len(self.keys) / self.packets
        rest = (frames - 1) * (share * self.key_size + (1.0 - share) * self.other_size)
        return _HEADER_BYTES + frames * _PACKET_BYTES + self.key_size + rest


def survey_packets(path: Path) -> PacketSurvey:
    """Count a video's packets without decoding them; several hundred times faster than playing it.

    Raises:
        Unreadable: It cannot be opened, or not like this.
    """
    keys: list[int] = []
    stamps: list[float] = []
    key_bytes = other_bytes = 0
    with PacketReader(path) as reader:
        for packet in reader:
            stamps.append(packet.shown_ms)
            if packet.key:
                keys.append(reader.index - 1)
                key_bytes += packet.content.size
            else:
                other_bytes += packet.content.size
        others = reader.index - len(keys)
        return PacketSurvey(
            times_shown(stamps, reader.stated_rate),
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
        ticks: At which tick each place is shown, increasing.
        leading: Packets left out in between: shown before the key frame, and decoded from others before it.
    """

    packets: tuple[Packet, ...]
    positions: tuple[int, ...]
    ticks: tuple[int, ...]
    leading: int

    @property
    def delay(self) -> int:
        """By how many frames showing runs behind decoding."""
        return max(index - position for index, position in enumerate(self.positions))


def clean_run(packets: Iterator[Packet], wanted: int, most: int, limit: int, rate: float) -> Run | None:
    """The packets of the next `wanted` frames, or of a few more where frames are not decoded in the order shown.

    Args:
        packets: Drawn from, the first of them a key frame.
        wanted: Frames to take.
        most: Packets to draw at most; those after them begin with a key frame.
        limit: Bytes the run's file may take.
        rate: Ticks a second that its frames are timed by.

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
    ticker = Ticker(rate)
    ticks = tuple(ticker.number(float(shown)) for shown in np.sort(times[:end]) / 1000.0)
    return Run(tuple(kept[:end]), tuple(map(int, positions)), ticks, len(drawn) - len(kept))


def write_run(path: Path, run: Run, source: PacketReader, rate: float) -> None:
    """Write packets as a video of their own, of so many ticks a second.

    Raises:
        Unreadable: They cannot go into a file of this kind.
        OSError: The file cannot be made, or the disk is full.
    """
    path.touch()  # says why, where OpenCV only says that it failed
    raw = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
    writer = cv2.VideoWriter(str(path.absolute()), cv2.CAP_FFMPEG, source.codec, max(rate, SLOWEST), source.size, raw)
    if not writer.isOpened():
        raise Unreadable("its packets cannot be written to a file of their own")
    writer.set(cv2.VIDEOWRITER_PROP_DTS_DELAY, run.delay)
    for packet, position in zip(run.packets, run.positions, strict=True):
        writer.set(cv2.VIDEOWRITER_PROP_KEY_FLAG, int(packet.key))
        writer.set(cv2.VIDEOWRITER_PROP_PTS, run.ticks[position])
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

    Args:
        path: The video.
        lead: Packets before the first that is shown; see `PacketSurvey.lead`.

    Attributes:
        suffix: Of the files.

    Raises:
        Unreadable: The source cannot be opened, or not like this.
    """

    def __init__(self, path: Path, lead: int = 0) -> None:
        self._packets = PacketReader(path)
        self._drawn = iter(self._packets)
        self._shown = VideoReader(path)
        self._passed = lead
        self.suffix = self._packets.suffix

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packets.close()
        self._shown.close()

    def cut(
        self, start: int, *, wanted: int, most: int, limit: int, rate: float, name: Callable[[float], Path]
    ) -> Cut | None:
        """Cut one stretch out.

        Args:
            start: Index of a key frame, not before the end of the stretch before.
            wanted: Frames to take; a few more where showing them in order needs that.
            most: Packets from `start` on that belong to this stretch.
            limit: Bytes the file may take.
            rate: Ticks a second that its frames are timed by.
            name: Where to write it, given the time in the source in seconds.

        Returns:
            The stretch, or None, and no file, where it does not fit or would differ from the source.

        Raises:
            OSError: The file cannot be written.
        """
        for _ in islice(self._drawn, start - self._packets.index):
            pass
        run = clean_run(self._drawn, wanted, most, limit, rate)
        if run is None:
            return None
        while self._passed <= start + run.leading:
            if not self._shown.advance():
                return None
            self._passed += 1
        path = name(self._shown.seconds)
        try:
            write_run(path, run, self._packets, rate)
            same = self._compare(path, [tick / rate for tick in run.ticks])
        except Unreadable:
            same = False
        if not same:
            path.unlink()
            return None
        return Cut(path, len(run.packets))

    def _compare(self, path: Path, times: Sequence[float]) -> bool:
        """Whether a file shows the next frames of the source, those alone, and at these seconds."""
        with VideoReader(path) as reader:
            for index, seconds in enumerate(times):
                if index:
                    if not self._shown.advance():
                        return False
                    self._passed += 1
                expected = self._shown.retrieve()
                found = reader.retrieve() if reader.advance() else None
                if expected is None or found is None or not np.array_equal(found, expected):
                    return False
                if abs(reader.seconds - seconds) > SAME_TIME_S:
                    return False
            return not reader.advance()


def shown_times(path: Path) -> NDArray[np.float64]:
    """When a video's frames are shown, by its packets, or else by its frames; never what its container promises.

    Raises:
        Unreadable: None can be decoded.
    """
    with VideoReader(path) as reader:
        if not next(iter(reader), None):
            raise Unreadable(reader.undecodable)
        try:
            survey = survey_packets(path)
            return np.asarray(survey.times[survey.lead :] - survey.times[survey.lead], np.float64)
        except Unreadable:
            return np.array([0.0, *(reader.seconds for _ in iter(reader.advance, False))])
