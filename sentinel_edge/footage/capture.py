"""What of a video is opened: all of it, or what follows some byte where FFmpeg's probe does not reach the picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sentinel_edge.footage.picture_size import announced_picture
from sentinel_edge.footage.video_file import VideoFile

LEADS = (2**20, 2**16, 2**12, 0)
"""Bytes before the first picture from which on a stream is opened: the more, the surer the tables of a transport stream
are seen, which come over and over; the fewer, the surer FFmpeg's probe reaches the picture."""
MOST_LEADING = 10_000
"""Packets looked at for the first picture: some minutes of a stream that begins in the middle."""
_COMPARED = 24


@dataclass(frozen=True, slots=True)
class Source:
    """What OpenCV is to open.

    Attributes:
        path: The file.
        start: The byte from which on it is opened.
        lost_s: Seconds before the first picture that is in it.
    """

    path: Path
    start: int = 0
    lost_s: float = 0.0

    def file(self) -> VideoFile:
        """The file as a decoder sees it; keep it for as long as the decoder."""
        return VideoFile(self.path, self.start)


def codec_of(capture: cv2.VideoCapture) -> str:
    """What OpenCV calls a video's codec: four characters."""
    return int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(8, "little", signed=True)[:4].decode("latin-1")


def from_first_picture(path: Path) -> Iterator[Source]:
    """A stream that begins so long before its first picture that FFmpeg gives it no size, from shortly before that.

    Nothing where no picture is announced in it; else what to try, in this order.
    """
    file = VideoFile(path)
    capture = file.opened(packets=True)
    codec = codec_of(capture)
    try:
        for _ in range(MOST_LEADING):
            good, content = capture.retrieve() if file.step(capture) else (False, None)
            if not good or content is None:
                return
            packet = np.asarray(content, np.uint8).tobytes()
            if announced_picture(packet, codec):
                lost_s, place = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0, _place(path, packet)
                starts = dict.fromkeys(max(0, place - lead) for lead in LEADS if place >= 0)
                yield from (Source(path, at, lost_s) for at in starts if at)
                return
    finally:
        capture.release()


def _place(path: Path, packet: bytes) -> int:
    """Where a packet begins in its file, or -1. It is the first to announce a picture, so nothing is like it before."""
    wanted, read, kept = packet[:_COMPARED], 0, b""
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            found = (kept + chunk).find(wanted)
            if found >= 0:
                return read - len(kept) + found
            read += len(chunk)
            kept = chunk[-_COMPARED:]
    return -1
