"""A video file as its decoder may see it: known by its first bytes, no longer than it was, and only for so long.

FFmpeg takes a file for whatever it looks like. Some of what it knows is text that names other files or addresses
(`ffconcat`, playlists, session descriptions); such a file would be judged by its neighbours, or never end. A file that
grows while it is read has no end either. So the decoder gets no path but this.
"""

import io
import math
import os
import re
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import cv2

from sentinel_edge.errors import SentinelError

PATIENCE_S, BYTES_A_SECOND = 600.0, 10_000
"""How long a decoder may work on a file: ten minutes, and a second for every 10 kB. Hardly a camera records less in a
second of its own, so footage that takes longer could not be judged as fast as it comes."""
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)
HEAD_BYTES = 2**16
"""Where a stream without a container must have begun."""
_BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx")
_CONTAINERS = re.compile(
    rb"|".join(
        (
            rb"....(?:%s)" % b"|".join(_BOXES),  # MP4, QuickTime, 3GP
            rb"\x1aE\xdf\xa3",  # Matroska, WebM
            rb"RIFF....AVI",
            rb"FLV\x01",
            rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
            rb"OggS",
            rb"\0\0\0?\x01",  # MPEG program and elementary streams, H.264, H.265
            rb"\xff\xd8\xff",  # pictures of Motion JPEG, one after the other
            rb"YUV4MPEG2 ",
            rb"DH(?:AV|II)|DAHUA",
        )
    ),
    re.DOTALL,
)
_TRANSPORT = re.compile(rb"\x47(?=.{187}\x47.{187}\x47)|\x47(?=.{191}\x47.{191}\x47)", re.DOTALL)
"""Packets of 188 bytes each begin alike, with or without a time of four bytes before each."""
_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?[\t\n\r -~]{12}")


def is_video(head: bytes) -> bool:
    """Whether a file that begins so is one of a kind that may be opened: a container, or a raw stream cut anywhere."""
    if _CONTAINERS.match(head) or _TRANSPORT.search(head):
        return True
    return not _TEXT.match(head) and b"\0\0\1" in head


class VideoFile(io.BufferedIOBase):
    """A file for a decoder, as long as it was when it was opened; what is no video, or cannot be opened, looks empty.

    Keep it for as long as its decoder: OpenCV lets go of it at a moment when Python must not take it down.

    Args:
        path: The file.
        start: The byte that is taken for its first.

    Attributes:
        problem: Why it looks empty; empty where it does not.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self._start = start
        self.problem = ""
        try:
            self._file: io.RawIOBase | io.BytesIO = path.open("rb", buffering=0)
            head = self._file.read(HEAD_BYTES) or b""
            self._size = max(0, os.fstat(self._file.fileno()).st_size - start)
            if not is_video(head):
                self.problem = "not a video, or of a kind that is not read"
            self._file.seek(start)
        except OSError as error:
            self._file, self._size = io.BytesIO(), 0
            self.problem = error.strerror or "cannot be opened"
        self._patience = PATIENCE_S + self._size / BYTES_A_SECOND
        self._name = path.name
        self._worked = 0.0
        self._since = math.inf  # not at work
        self._interruption: int | None = None

    def opened(self, *, by: object = None, packets: bool = False) -> cv2.VideoCapture:
        """A decoder of this file, or a reader of its packets; whether it could be opened is for it to say.

        Args:
            by: Whoever keeps it. When that is let go, or the program ends, the decoder is released: its threads may
                wait for Python, which would wait for them if it took the decoder down itself.
            packets: Whether packets are to be read.
        """
        how = [cv2.CAP_PROP_FORMAT, -1] if packets else []
        with self.at_work():
            source: Any = self  # the stubs know no Python object here
            capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, how)
        if by is not None:
            weakref.finalize(by, _release, capture, self)
        return capture

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The decoder works meanwhile, and its time runs.

        An interruption waits until it has ended: raised in what the decoder calls, it would be lost or end the process.
        """
        handlers: dict[int, Any] = {}
        self._since = time.monotonic()
        try:
            if threading.current_thread() is threading.main_thread():
                handlers = {number: signal.getsignal(number) for number in _INTERRUPTIONS}
                handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
                for number in handlers:
                    signal.signal(number, self._put_off)
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self._worked += time.monotonic() - self._since
            self._since = math.inf
            if self._interruption is not None:
                number, self._interruption = self._interruption, None
                signal.raise_signal(number)

    def step(self, decoder: cv2.VideoCapture) -> bool:
        """Let a decoder of this file take its next frame or packet; whether there was one."""
        with self.at_work():
            return decoder.grab()

    def _put_off(self, number: int, _frame: FrameType | None) -> None:
        self._interruption = number

    def require_patience(self) -> None:
        """Refuse to go on with a file that was worked on for too long.

        Raises:
            SentinelError: It was.
        """
        if self._worked > self._patience:
            raise SentinelError(
                f"decoding {self._name} took more than {self._patience:.0f} s; expected 10 kB a second or more: look "
                "at the file, and take it out"
            )

    # What the decoder calls; an exception would be lost there.

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Some bytes; none at the end, and none once patience is over or an interruption waits."""
        late = self._worked + time.monotonic() - self._since > self._patience
        try:
            left = self._start + self._size - self._file.tell()
            if late or left <= 0 or self.problem or self._interruption is not None:
                return b""
            return self._file.read(left if size is None or size < 0 else min(size, left)) or b""
        except OSError:
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place in the file; -1 where there is none."""
        try:
            before = {os.SEEK_SET: 0, os.SEEK_CUR: self._file.tell() - self._start, os.SEEK_END: self._size}[whence]
            return self._file.seek(self._start + before + offset) - self._start if before + offset >= 0 else -1
        except (OSError, ValueError, KeyError):
            return -1

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _release(capture: cv2.VideoCapture, _: VideoFile) -> None:
    """Release a decoder while the file that it reads is still there."""
    capture.release()
