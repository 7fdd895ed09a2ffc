"""Whether a decoder made up what was lost of a stream: FFmpeg says so in its log, and OpenCV passes nothing on.

So the log is listened to. It belongs to the whole process: where two videos are decoded at the same time, each hears
the other. Where FFmpeg is not found beside OpenCV nothing is heard, and damage goes unseen as it does elsewhere.
"""

import atexit
import ctypes
from functools import cache
from pathlib import Path

import cv2

COMPLAINTS = (
    b"error while decoding MB",
    b"Reference %d >= %d",
    b"cabac decode of",
    b"block unavailable for",
    b"reference picture missing",
    b"Missing reference picture",
    b"negative number of zero coeffs",
    b"corrupted macroblock",
    b"decode_slice_header error",
    b"no frame!",
    b"Invalid NAL unit size",
    b"concealing %d DC",
    b"Frame num gap",
    b"Could not find ref with POC",
    b"Error constructing the frame RPS",
    b"CABAC_MAX_BIN",
    b"cu_qp_delta",
    b"ac-tex damaged",
    b"dc-tex damaged",
    b"Error at MB",
    b"slice mismatch",
    b"invalid mb type in",
    b"motion_type at",
    b"skipped MB in I-frame",
    b"slice end not reached",
    b"bad vlc",
    b"error count:",
    b"error y=",
    b"error dc",
    b"Not all references are available",
)
"""What FFmpeg's decoders say where a picture is not what the camera sent. (They complain of much that changes nothing,
such as fields of an application that nobody knows; and demuxers, of what the second reader of `size_guard` is at.)"""
_LEVEL = 32
"""Messages of FFmpeg less urgent than that (AV_LOG_INFO) are of its developers' concern."""
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class _Log:
    """Counts complaints; what else FFmpeg says goes nowhere."""

    def __init__(self, library: Path) -> None:
        self.complaints = 0
        self._known: dict[bytes, bool] = {}
        self._listener = _CALLBACK(self._take)
        self._listen = ctypes.CDLL(str(library)).av_log_set_callback
        atexit.register(self._listen, None)  # a decoder's thread may outlive what it would call

    def listen(self) -> None:
        """Be told from now on; OpenCV takes the log over again whenever it opens a file."""
        self._listen(self._listener)

    def _take(self, _context: int | None, level: int, message: bytes | None, _values: int | None) -> None:
        if level > _LEVEL or not message:
            return
        if message not in self._known:
            self._known[message] = any(complaint in message for complaint in COMPLAINTS)
        self.complaints += self._known[message]


@cache
def _log() -> _Log | None:
    package = Path(cv2.__file__).parent
    places = ((package.parent, "opencv_python*.libs/libavutil*"), (package, ".dylibs/libavutil*"))
    return next((_Log(found) for folder, name in places for found in folder.glob(name)), None)


def complaints() -> int:
    """How many complaints there were since the process began; those to come are counted from here on."""
    log = _log()
    if log is None:
        return 0
    log.listen()
    return log.complaints


DECODED_AHEAD = 32
"""Frames that a decoder may be ahead of the one it shows: threads, and pictures that are stored out of their order."""


class DamageWatch:
    """Tells frames that are damaged, or made from such: from a complaint to the next key frame that is sound for sure.

    Decoders run ahead in threads, so where damage begins and ends is known to a frame or two.

    Attributes:
        damaged: Whether the frame of now is.
        frames: How many were.
    """

    def __init__(self) -> None:
        self.damaged = False
        self.frames = 0
        self._heard: int | None = None
        self._quiet = 0

    def pass_over(self) -> None:
        """Leave out what was complained of since the last frame: another reader of the same file was opened."""
        self._heard = complaints()

    def step(self, kind: str) -> None:
        """Take the next frame, of type I, P, B or ?.

        What a decoder complains of before its first frame is of packets that come before that.
        """
        heard = complaints()
        if self._heard is not None and heard > self._heard:
            self.damaged, self._quiet = True, 0
        else:
            self._quiet += 1
        self._heard = heard
        if kind not in "PB" and self._quiet > DECODED_AHEAD:
            self.damaged = False
        self.frames += self.damaged
