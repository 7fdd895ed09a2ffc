"""Where frames come from: a folder of images, a video file, or a folder of either.

Everything streams: two to four decoded frames are held at a time, whatever the length of the footage. What cannot be
read is skipped and listed, never silently dropped; untrusted input is the normal case.
"""

import errno
import math
import re
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge import MAX_PIXELS
from sentinel_edge.errors import SentinelError
from sentinel_edge.storage.files import read_limited

MAX_IMAGE_BYTES = 2**28
"""The largest image file that is read into memory (256 MiB)."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mkv", ".avi", ".mov", ".webm", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv"}
    | {".ogv", ".3gp", ".asf", ".h264", ".h265", ".hevc", ".y4m"}
)
IGNORED = frozenset({"lost+found", "Thumbs.db", "desktop.ini"})
"""What file systems and viewers leave beside pictures; passed over in silence, as hidden files are."""
EXPECTED_PATH = "expected an image folder, a video file, or a folder of videos or of image folders"


class Unreadable(Exception):  # noqa: N818  (a finding about a file, not a failure of the program)
    """A file that cannot be used as footage; `reason` says why in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or the rest of one, that was passed over, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Clip:
    """One stretch of footage from one place: a video, or the images of one folder in natural order.

    Attributes:
        path: The video file, or the folder that holds the images.
        name: The path relative to the footage's root, for people.
        files: The images in order; empty for a video.
    """

    path: Path
    name: str
    files: tuple[Path, ...] = ()

    @property
    def is_video(self) -> bool:
        """Whether the clip is a video file."""
        return not self.files

    def picture_name(self, file: Path) -> str:
        """The path of one of its images relative to the footage's root, for people."""
        return file.name if self.name == "." else f"{self.name}/{file.name}"


@dataclass(frozen=True, slots=True)
class Footage:
    """Everything found under one path: the clips in natural order, and the files that are not footage."""

    root: Path
    clips: tuple[Clip, ...]
    ignored: tuple[Skipped, ...] = ()

    @property
    def name(self) -> str:
        """The root's own name, links and dots resolved."""
        return self.root.resolve().name


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled frame.

    Attributes:
        index: Position among the samples of the whole footage, from 0; unreadable images keep their place.
        origin: The image's name, or the video's name and the time in it.
        frame: uint8 (height, width, 3), blue-green-red.
        successor: Of a video the next native frame, of pictures the next one read; None at the end of a clip.
        second: Of a video, where it was asked for, the native frame after that; None elsewhere.
        seconds: When the frame, its successor and the second one are shown, from the clip's first frame on; empty
            without a second one.
    """

    index: int
    origin: str
    frame: NDArray[np.uint8]
    successor: NDArray[np.uint8] | None = None
    second: NDArray[np.uint8] | None = None
    seconds: tuple[float, ...] = ()


@dataclass(slots=True)
class _Waiting:
    """A sample of a video that waits for the native frames after it."""

    sample: Sample
    wanted: int
    seconds: list[float]
    frames: list[NDArray[np.uint8] | None] = field(default_factory=list)

    def done(self) -> Sample:
        """The sample with what came."""
        first, second = [*self.frames, None, None][:2]
        if first is None or second is None:
            return replace(self.sample, successor=first)
        return replace(self.sample, successor=first, second=second, seconds=tuple(self.seconds))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which `frame_2` comes before `frame_10`."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def find_footage(path: Path) -> Footage:
    """Walk `path` and list its clips: one per video, one per folder that holds images.

    Hidden files are passed over in silence; other files that are neither image nor video are listed as
    ignored. Symbolic links are followed, each real folder once, so a loop of links ends.

    Raises:
        SentinelError: `path` does not exist, is a single picture, or holds no footage.
    """
    try:
        folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise SentinelError(f"no such path: {path}; {EXPECTED_PATH}") from error
    except OSError as error:
        raise SentinelError(f"cannot look at {path}: {error.strerror}; {EXPECTED_PATH}") from error
    if not folder:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise SentinelError(f"{path} is a single picture; {EXPECTED_PATH}")
        return Footage(path, (Clip(path, path.name),))
    clips: list[Clip] = []
    ignored: list[Skipped] = []
    try:
        _walk(path, path, {path.resolve()}, clips, ignored)
    except RecursionError as error:
        raise SentinelError(f"folders in {path} are nested too deeply; {EXPECTED_PATH}") from error
    if not clips:
        found = f"only {len(ignored)} other file(s), e.g. {ignored[0].name}" if ignored else "an empty folder"
        raise SentinelError(f"no footage in {path}: found {found}; {EXPECTED_PATH}")
    return Footage(path, tuple(clips), tuple(ignored))


def find_clips(path: Path) -> list[Clip]:
    """List the clips under `path`; see `find_footage`."""
    return list(find_footage(path).clips)


def _walk(folder: Path, root: Path, seen: set[Path], clips: list[Clip], ignored: list[Skipped]) -> None:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: (natural_key(entry.name), entry.name))
        images = _sort_out(entries, root, seen, clips, ignored)
    except OSError as error:
        raise SentinelError(f"cannot list {folder}: {error.strerror}; make it readable for this user") from error
    if images:
        name = "." if folder == root else folder.relative_to(root).as_posix()
        clips.append(Clip(folder, name, tuple(images)))


def _sort_out(
    entries: list[Path], root: Path, seen: set[Path], clips: list[Clip], ignored: list[Skipped]
) -> list[Path]:
    """Walk a folder's sub-folders, list its videos, and give back its images."""
    images: list[Path] = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in IGNORED:
            continue
        name = entry.relative_to(root).as_posix()
        if _is_folder(entry):
            real = entry.resolve()
            if real not in seen:
                seen.add(real)
                _walk(entry, root, seen, clips, ignored)
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            images.append(entry)
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            clips.append(Clip(entry, name))
        else:
            ignored.append(Skipped(name, "neither an image nor a video"))
    return images


def _is_folder(entry: Path) -> bool:
    """Whether an entry is a folder, links followed; one that leads nowhere is not.

    Raises:
        OSError: This user may not look.
    """
    try:
        return stat.S_ISDIR(entry.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return False
        raise


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode one image to uint8 (height, width, 3), blue-green-red, turned upright as its EXIF says.

    Grey, 16-bit and transparent pictures become three 8-bit channels. A picture of more than `MAX_PIXELS`
    is refused from its header, before decoding; a truncated one is refused whole.

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
    data = np.frombuffer(content, np.uint8)
    try:
        frame = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise Unreadable(f"larger than {MAX_PIXELS} pixels") from error
        raise Unreadable("damaged, or not an image") from error
    if frame is None or frame.size == 0:
        raise Unreadable("damaged, truncated, or not an image")
    if frame.shape[0] * frame.shape[1] > MAX_PIXELS:  # reached when OpenCV was imported before this module
        raise Unreadable(f"larger than {MAX_PIXELS} pixels")
    return np.asarray(frame, np.uint8)


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
        "opencv-python-headless 4.10 to 4.12"
    )


class VideoReader:
    """A video's frames at their native rate: iterate over `(seconds, frame)`, frame uint8 BGR (h, w, 3).

    Seconds count from the first frame and always increase: where a container's time stamps stand still or
    run backwards, the nominal frame duration is added instead. Use it as a context manager.

    Raises:
        Unreadable: The file cannot be opened, its picture is larger than `MAX_PIXELS`, or this OpenCV is one that
            makes frames up.
    """

    def __init__(self, path: Path) -> None:
        _require_readable(path)
        problem = _decoder_problem()
        if problem:
            raise Unreadable(problem)
        # An absolute path cannot be mistaken for one of FFmpeg's protocols (`concat:`, `http:`).
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise Unreadable("damaged, truncated, or not a video")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float = rate if math.isfinite(rate) and rate > 0 else 25.0
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.size: tuple[int, int] = (width, height)
        if width * height > MAX_PIXELS:
            self.close()
            raise Unreadable(f"{width}x{height}: larger than {MAX_PIXELS} pixels a frame")
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.promised_s: float = count / self.fps if math.isfinite(count) and count > 0 else 0.0
        self.seconds = 0.0
        self._origin: float | None = None

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

    def advance(self) -> bool:
        """Step to the next frame without converting it; False at the end."""
        if not self._capture.grab():
            return False
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        if self._origin is None:
            self._origin = stamp if math.isfinite(stamp) else 0.0
            self.seconds = 0.0
        else:
            seconds = stamp - self._origin
            forward = math.isfinite(seconds) and seconds > self.seconds
            self.seconds = seconds if forward else self.seconds + 1.0 / self.fps
        return True

    def retrieve(self) -> NDArray[np.uint8] | None:
        """The frame `advance` stepped to, or None where it cannot be decoded."""
        good, frame = self._capture.retrieve()
        return np.asarray(frame, np.uint8) if good and frame is not None and frame.ndim == 3 else None

    @property
    def missing_share(self) -> float:
        """Share of the promised duration that had not been delivered when the frames ended, 0 to 1.

        Measured in time, not in frames: a camera that drops frames under a steady clock is not cut short.
        """
        delivered = self.seconds + 1.0 / self.fps
        return max(0.0, 1.0 - delivered / self.promised_s) if self.promised_s > 0 else 0.0


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


CUT_SHORT_SHARE = 0.05
"""A video that ends with more than this share of its promised duration missing is reported as cut short."""


@dataclass(slots=True)
class SampleReader:
    """Samples clips in order: videos at `fps`, every image of a folder.

    A video frame is taken when its time enters a new slot of 1/fps seconds, so irregular time stamps are
    sampled evenly; a rate at or above the video's own takes every frame. While iterating, `index` counts the
    samples, `skipped` lists what could not be read, and `failed` holds the indices of samples that could not.

    Attributes:
        clips: The clips to read.
        fps: Samples a second of video.
        wanted: Whether the sample with this index is needed; unwanted ones are not decoded further.
        in_threes: Of which of the needed samples of videos the second native frame after it is needed too.
    """

    clips: Iterable[Clip]
    fps: float
    wanted: Callable[[int], bool] = lambda _: True
    in_threes: Callable[[int], bool] = lambda _: False
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    index: int = 0
    _lost: float = 0.0
    _videos: int = 0
    _video_samples: int = 0
    _unopened: int = 0

    def __iter__(self) -> Iterator[Sample]:
        for clip in self.clips:
            yield from self._video(clip) if clip.is_video else self._images(clip)

    def unreadable(self, stride: int = 1) -> tuple[float, float]:
        """How many samples could not be read, and how many there should have been.

        A video that cannot be opened stands for as many samples as the others gave on average, for one where
        there are no others: twenty empty files beside one good hour are not one part in a hundred.

        Args:
            stride: Every how many-th sample was looked at in the end. Only those are counted, each for `stride`
                samples, so that neither the beginning of the footage, which was looked at more closely, nor how
                far the reader ran ahead weighs in.
        """
        lost = self._lost + self._unopened * (self._video_samples / self._videos if self._videos else 1.0)
        failed = sum(index % stride == 0 for index in self.failed) * stride
        return min(failed, self.index) + lost, self.index + lost

    def _images(self, clip: Clip) -> Iterator[Sample]:
        waiting: Sample | None = None
        for path in clip.files:
            index = self._next_index()
            if not self.wanted(index):
                continue
            name = clip.picture_name(path)
            try:
                frame = read_image(path)
            except Unreadable as reason:
                self.failed.append(index)
                self.skipped.append(Skipped(name, reason.reason))
                continue
            if waiting:
                yield replace(waiting, successor=frame)
            waiting = Sample(index, name, frame)
        if waiting:
            yield waiting

    def _video(self, clip: Clip) -> Iterator[Sample]:
        try:
            reader = VideoReader(clip.path)
        except Unreadable as reason:
            self._unopened += 1
            self.skipped.append(Skipped(clip.name, reason.reason))
            return
        first, last_slot = self.index, -1
        waiting: deque[_Waiting] = deque()
        with reader:
            while reader.advance():
                slot = int(reader.seconds * self.fps + 1e-6)
                index = -1
                if slot > last_slot:
                    last_slot, index = slot, self._next_index()
                wanted = index >= 0 and self.wanted(index)
                if not (wanted or waiting):
                    continue
                frame = reader.retrieve()
                for entry in waiting:
                    entry.frames.append(frame)
                    entry.seconds.append(reader.seconds)
                while waiting and len(waiting[0].frames) >= waiting[0].wanted:
                    yield waiting.popleft().done()
                if not wanted:
                    continue
                origin = f"{clip.name}@{reader.seconds:.2f}s"
                if frame is None:
                    self.failed.append(index)
                    self.skipped.append(Skipped(origin, "frame cannot be decoded"))
                    continue
                sample = Sample(index, origin, frame)
                waiting.append(_Waiting(sample, 2 if self.in_threes(index) else 1, [reader.seconds]))
            for entry in waiting:
                yield entry.done()
            missing = reader.missing_share
        if last_slot < 0:
            self._unopened += 1
            self.skipped.append(Skipped(clip.name, "no frame in it can be decoded"))
            return
        samples = self.index - first
        if missing > CUT_SHORT_SHARE:
            lost = samples * missing / (1.0 - missing)
            samples += round(lost)
            self._lost += lost
            self.skipped.append(Skipped(clip.name, f"cut short: {missing:.0%} of its duration is missing"))
        self._videos += 1
        self._video_samples += samples

    def _next_index(self) -> int:
        index = self.index
        self.index += 1
        return index
