"""Files become frames: pictures, and videos at their native rate."""

import math
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge import MAX_PIXELS
from sentinel_edge.footage import capture
from sentinel_edge.footage.clips import Clip
from sentinel_edge.footage.clock import HOLE_S, FrameClock, Hole, HoleFinder, plausible_rate
from sentinel_edge.footage.damage import DamageWatch
from sentinel_edge.footage.picture_guard import RefusedError, announced_pixels
from sentinel_edge.footage.size_guard import SizeGuard
from sentinel_edge.storage.files import read_limited

MAX_IMAGE_BYTES = 2**26
"""The largest image file that is read into memory (64 MiB)."""

PREPROCESSING = "rgb, exact halvings (area), then linear"
"""What `fit_frame` does, in words; recorded in a baseline and compared when it is used."""


class Unreadable(Exception):  # noqa: N818  (a finding about a file, not a failure of the program)
    """A file that cannot be used as footage; `reason` says why in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_image(path: Path, most: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode one image to uint8 (height, width, 3), blue-green-red, turned upright as its EXIF says.

    Grey, 16-bit and transparent pictures become three 8-bit channels. A picture of more than `MAX_PIXELS`, or whose
    decoding would take too much (see `picture_guard`), is refused from its header; a truncated one is refused
    whole, but for a JPEG's end mark.

    Args:
        path: The file.
        most: One of more pixels is halved as it is decoded.

    Raises:
        Unreadable: With the reason.
    """
    try:
        # Read by Python, not by OpenCV, so that any path the file system allows works.
        content = read_limited(path, MAX_IMAGE_BYTES)
    except OSError as error:
        raise Unreadable(error.strerror or "cannot be read") from error
    if not content:
        raise Unreadable("empty file (0 bytes)")
    try:
        pixels = announced_pixels(content)
    except RefusedError as reason:
        raise Unreadable(str(reason)) from reason
    how = cv2.IMREAD_COLOR if pixels <= most else cv2.IMREAD_REDUCED_COLOR_2
    try:
        frame = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    except cv2.error as error:
        raise Unreadable("damaged, or not an image") from error
    if frame is None and content.startswith(_JPEG_START):
        frame = _without_end_mark(content, how)
    if frame is None or frame.size == 0:
        raise Unreadable("damaged, truncated, or not an image")
    return np.asarray(frame, np.uint8)


_FILLINGS = (0x5A, 0xA5, 0x33, 0x00)
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def _without_end_mark(content: bytes, how: int) -> NDArray[np.uint8] | None:
    """A JPEG that lacks its last two bytes; None where it lacks more.

    Whatever comes after the last pixel is passed over, so that where something does come, and the picture is the same,
    no pixel of it was made up.
    """
    ends = (
        np.frombuffer(content + more + _JPEG_END, np.uint8)
        for more in (b"", *(bytes([one]) * 4096 for one in _FILLINGS))
    )
    try:
        first = cv2.imdecode(next(ends), how)
        # One after the other: pictures can be large.
        same = first is not None and all(np.array_equal(first, cv2.imdecode(data, how)) for data in ends)
    except cv2.error:
        return None
    return np.asarray(first, np.uint8) if same else None


def _require_readable(path: Path) -> None:
    """Refuse what is not a file with something in it: a pipe or device would block for ever.

    Raises:
        Unreadable: With the reason.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise Unreadable(error.strerror or "cannot be opened") from error
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not a regular file")
    if status.st_size == 0:
        raise Unreadable("empty file (0 bytes)")


_PROOF = Path(__file__).with_name("interlaced.mpg")

_PROOF_LIGHT = np.array([[77, 87, 62, 84], [37, 40, 23, 35], [69, 139, 47, 82], [91, 192, 61, 156]])
"""What FFmpeg makes of the first frame of `_PROOF`, an interlaced test picture: mean grey levels of 4 x 4 blocks."""

_PROOF_TOLERANCE = 8


@cache
def _decoder_problem() -> str:
    """Why no video may be read with the OpenCV that is installed; empty where it is sound. Asked once a process.

    OpenCV 4.13 to 5.0 hand out memory that nobody wrote to in place of interlaced pictures, and call it a good frame:
    verdicts at random, and other people's bytes in files that are uploaded. No frame tells that it is interlaced, so
    the decoder is tried on one that is known.
    """
    capture = cv2.VideoCapture(str(_PROOF.absolute()), cv2.CAP_FFMPEG)
    good, frame = capture.read()
    capture.release()
    if good and frame is not None and frame.ndim == 3:
        light = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (4, 4), interpolation=cv2.INTER_AREA)
        if np.abs(light.astype(int) - _PROOF_LIGHT).max() <= _PROOF_TOLERANCE:
            return ""
    return (
        f"OpenCV {cv2.__version__} does not read interlaced video rightly, so no video is read with it; install "
        "opencv-python-headless 4.11 or 4.12"
    )


class VideoReader:
    """A video's frames at their native rate: iterate over `(seconds, frame)`, frame uint8 BGR (h, w, 3).

    Seconds count from the first frame and always increase (see `clock.FrameClock`). Where the picture takes another
    size the video ends (see `size_guard`). Use it as a context manager.

    Attributes:
        stated_rate: Frames a second, as the file says.
        fps: The same, where a camera could have that.
        size: Width and height.
        seconds: When the frame of now is shown.
        promised: Frames the file says it has; 0 where it does not say.
        source: What OpenCV opened.

    Raises:
        Unreadable: The file cannot be opened, its picture is larger than `MAX_PIXELS`, or this OpenCV is one that
            makes frames up.
    """

    def __init__(self, path: Path) -> None:
        _require_readable(path)
        problem = _decoder_problem()
        if problem:
            raise Unreadable(problem)
        self._open(capture.Source(path))
        if self._file.problem:
            raise Unreadable(self._file.problem)
        if self._capture.isOpened() and self._size() == (0, 0):
            for further in capture.from_first_picture(path):
                self._open(further)
                if self._size() != (0, 0):
                    break
        if not self._capture.isOpened():
            raise Unreadable("damaged, truncated, or not a video")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.stated_rate = rate
        self.fps: float = plausible_rate(rate)
        self.size: tuple[int, int] = self._size()
        width, height = self.size
        if width * height > MAX_PIXELS:
            self.close()
            raise Unreadable(f"{width}x{height}: larger than {MAX_PIXELS} pixels a frame")
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.promised: float = count if math.isfinite(count) and count > 0 else 0.0
        self._promised_s = self.promised / rate if math.isfinite(rate) and rate > 0 else 0.0
        self.seconds = 0.0
        self._clock = FrameClock(rate)
        self._finder = HoleFinder()
        self._damage = DamageWatch()
        self._codec = capture.codec_of(self._capture)
        self._guard = SizeGuard(self.source, self._codec)
        self._changed = self._ended = False

    def _open(self, source: capture.Source) -> None:
        self.source, self._file = source, source.file()
        self._capture = self._file.opened(by=self)

    def _size(self) -> tuple[int, int]:
        width, height = (self._capture.get(what) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return int(width), int(height)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        while self.advance():
            frame = self.retrieve()
            if frame is not None:
                yield self.seconds, frame

    def close(self) -> None:
        """Release the decoder."""
        self._capture.release()
        if hasattr(self, "_guard"):
            self._guard.close()

    def advance(self) -> bool:
        """Step to the next frame without converting it; False at the end, and where the picture changes.

        Raises:
            SentinelError: The decoder took longer than any footage does.
        """
        if self._ended:
            return False
        if not self._grab():
            self._finder.finish()
            self._ended = True
            return False
        stamp_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        kind = chr(int(self._capture.get(cv2.CAP_PROP_FRAME_TYPE)))
        self._damage.step(kind)
        alone, passes = not self._guard.opened, self._guard.passes(stamp_ms, kind)
        if alone and self._guard.opened:
            self._damage.pass_over()
        if not passes:
            self._finder.finish()
            self._ended = self._changed = True
            return False
        self.seconds = self._clock.tick(stamp_ms / 1000.0)
        self._finder.add(self.seconds)
        return True

    def _grab(self) -> bool:
        """Step over packets that are no picture: OpenCV calls the first of them the end of the video."""
        attempts = min(MOST_ATTEMPTS, max(ATTEMPTS, int(self.promised) - self._clock.frames))
        with self._file.at_work():
            found = any(self._capture.grab() for _ in range(attempts))
        self._file.require_patience()
        return found

    def retrieve(self) -> NDArray[np.uint8] | None:
        """The frame `advance` stepped to, or None where it cannot be decoded."""
        try:
            with self._file.at_work():
                good, frame = self._capture.retrieve()
        except cv2.error:  # of a raw stream that is joined in the middle
            return None
        return np.asarray(frame, np.uint8) if good and frame is not None and frame.ndim == 3 else None

    @property
    def damaged(self) -> bool:
        """Whether the frame of now was made up, in part, for what was lost of the stream."""
        return self._damage.damaged

    def lost_samples(self, fps: float) -> float:
        """How many samples at `fps` a second got no frame, at the beginning and in the middle; known at the end."""
        return self.late_s * min(fps, self.fps) + sum(hole.samples(fps) for hole in self.holes)

    @property
    def holes(self) -> list[Hole]:
        """Where frames are missing in the middle; known at the end."""
        return self._finder.holes

    @property
    def late_s(self) -> float:
        """Seconds at the beginning of which no frame can be decoded: it begins before its first key frame."""
        late = self.source.lost_s or self._clock.first
        return late if HOLE_S < late < self.source.lost_s + self._promised_s else 0.0

    @property
    def missing_share(self) -> float:
        """Share of the promised duration that had not been delivered when the frames ended, 0 to 1.

        Measured in time, not in frames: a camera that drops frames under a steady clock is not cut short. Where the
        picture changed it is at least the share of the packets that follow, which no container need promise.
        """
        delivered = max(0.0, self._clock.first) + self.seconds + 1.0 / self.fps
        missing = max(0.0, 1.0 - delivered / self._promised_s) if self._promised_s > 0 else 0.0
        return max(missing, self._guard.share_left()) if self._changed else missing

    @property
    def change(self) -> str:
        """Why the frames ended before the file does: its picture changes. Empty where it does not."""
        return self._guard.watch.reason(self.seconds + 1.0 / self.fps) if self._changed else ""

    @property
    def shortfall(self) -> str:
        """Why a video that ended is not all that was promised; empty where it is, or nearly."""
        if self.change or self.missing_share <= CUT_SHORT_SHARE:
            return self.change
        return f"cut short: {self.missing_share:.0%} of its duration is missing"

    @property
    def remarks(self) -> list[str]:
        """What else is to be known of a video that was read to its end: where frames are missing, how it was timed."""
        told = []
        if self._clock.stands_still:
            told.append(
                f"it tells no times, or they stand still: {self._clock.frames} frames counted at {self.fps:g} a second"
            )
        if self._damage.frames:
            count = f"{self._damage.frames} of {self._clock.frames} frames"
            told.append(f"the stream is damaged: {count} are made up, in part, for what was lost")
        if self.late_s:
            told.append(f"its first {self.late_s:.1f} s cannot be decoded: it begins before its first key frame")
        if self.holes:
            longest = max(self.holes, key=lambda hole: hole.length)
            count = "a hole" if len(self.holes) == 1 else f"{len(self.holes)} holes, the longest"
            told.append(f"{count} of {longest.length:.1f} s at {longest.start:.1f} s: no frames there")
        return told

    @property
    def undecodable(self) -> str:
        """What a video without a frame is listed with."""
        return f"no frame in it can be decoded (its codec is {self._codec})"


ATTEMPTS, MOST_ATTEMPTS = 512, 100_000
"""Packets in a row that may be no picture before a video is at its end: at least, and where more were promised."""
CUT_SHORT_SHARE = 0.05
"""A video that ends with more than this share of its promised duration missing is reported as cut short."""


def last_frame_s(clip: Clip) -> float:
    """When a clip's last frame is shown, in seconds; 0 where that cannot be told.

    Counted, because files promise lengths they do not have.
    """
    if not clip.is_video:
        return 0.0
    try:
        with VideoReader(clip.path) as reader:
            while reader.advance():
                pass
            return reader.seconds
    except Unreadable:  # said when it is read
        return 0.0


def fit_frame(frame: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Scale a frame to the model's input size, aspect ratio not kept.

    Exact halvings by area averaging while the picture is at least twice as large, then bilinear: a tenth of
    the cost of area averaging at a free ratio and, unlike bilinear alone, without aliasing.

    Args:
        frame: uint8 (h, w, 3), blue-green-red.
        width: Of the result, in pixels.
        height: Of the result, in pixels.

    Returns:
        uint8 (height, width, 3), red-green-blue.
    """
    while frame.shape[0] >= 2 * height and frame.shape[1] >= 2 * width:
        half = (frame.shape[1] // 2, frame.shape[0] // 2)
        # An odd last row or column is cut, so that every output pixel is the mean of exactly four.
        frame = cv2.resize(frame[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if frame.shape[:2] != (height, width):
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
