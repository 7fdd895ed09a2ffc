"""Clips become samples: videos at a steady rate with the native frames behind each, every picture of a folder.

Everything streams: two to four decoded frames are held at a time, whatever the length of the footage. What cannot be
read is skipped and listed, never silently dropped; untrusted input is the normal case.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.clips import Clip, Skipped
from sentinel_edge.footage.decoding import Unreadable, VideoReader, read_image
from sentinel_edge.footage.given import GivenFrames, TimedFrames
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.sampling import Instants


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

    def masked(self, mask: Mask) -> "Sample":
        """The same sample with what a mask hides left out of all its frames."""
        frames = (None if one is None else mask.apply(one) for one in (self.frame, self.successor, self.second))
        frame, successor, second = frames
        assert frame is not None  # noqa: S101  (the sample's own)
        return replace(self, frame=frame, successor=successor, second=second)


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


def _pictures(clip: Clip) -> Iterator[tuple[str, Callable[[], NDArray[np.uint8]]]]:
    """The pictures of a clip: the name of each, and how to read it."""
    if isinstance(clip, GivenFrames):
        yield from ((name, partial(lambda one: one, frame)) for name, frame in clip.pictures())
    else:
        yield from ((clip.picture_name(path), partial(read_image, path, most=MOST_PIXELS)) for path in clip.files)


def _complete(waiting: deque[_Waiting]) -> Iterator[Sample]:
    """The samples at the head of a queue behind which all frames they wait for have come."""
    while waiting and len(waiting[0].frames) >= waiting[0].wanted:
        yield waiting.popleft().done()


BEING_WRITTEN = "still being written"
MOST_PIXELS = 2**24
"""A picture of more (16.8 megapixels) is decoded at half its width and height: of those three are held at a time."""

DEFAULT_FPS = 5.0
"""Samples a second of video: dense enough for clips of half a minute; longer footage is thinned anyway."""
MAX_FPS = 1e6
"""More than any camera delivers: whoever asks for so many gets every frame."""


@dataclass(slots=True)
class SampleReader:
    """Samples clips in order: videos at `fps`, every image of a folder.

    Of a video one frame is taken of each slot of 1/fps seconds (see `sampling.Instants`), so irregular time stamps are
    sampled evenly. While iterating, `index` counts the samples, `skipped` lists what could not be read, `failed` holds
    the indices of samples that could not, and `damaged` those of frames that were made up, in part, for what a stream
    lost.

    Attributes:
        clips: The clips to read.
        fps: Samples a second of video.
        wanted: Whether the sample with this index is needed; unwanted ones are not decoded further.
        successors: How many native frames behind the needed sample of a video are needed too, 0 to 2; behind a
            picture the next one always comes, where there is one.
        with_damaged: Whether damaged frames are samples; else they count as those that could not be read.
    """

    clips: Iterable[Clip]
    fps: float
    wanted: Callable[[int], bool] = lambda _: True
    successors: Callable[[int], int] = lambda _: 1
    with_damaged: bool = False
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    index: int = 0
    _lost: float = 0.0
    _videos: int = 0
    _video_samples: float = 0.0
    _unopened: int = 0

    def __iter__(self) -> Iterator[Sample]:
        for clip in self.clips:
            yield from self._video(clip) if clip.is_video else self._images(clip)

    def unreadable(self, stride: int = 1, looked_at: Callable[[int], bool] = lambda _: True) -> tuple[float, float]:
        """How many samples could not be read, and how many there should have been.

        A video that cannot be opened stands for as many samples as the others gave on average, for one where
        there are no others: twenty empty files beside one good hour are not one part in a hundred.

        Args:
            stride: One of how many samples was looked at in the end.
            looked_at: Which those are. Only they are counted, each for `stride` samples, so that neither the beginning
                of the footage, which was looked at more closely, nor how far the reader ran ahead weighs in.
        """
        lost = self._lost + self._unopened * (self._video_samples / self._videos if self._videos else 1.0)
        failed = sum(map(looked_at, self.failed)) * stride
        return min(failed, self.index) + lost, self.index + lost

    def _images(self, clip: Clip) -> Iterator[Sample]:
        waiting: Sample | None = None
        for name, read in _pictures(clip):
            index = self._next_index()
            if not self.wanted(index):
                continue
            try:
                frame = read()
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
            reader = TimedFrames(clip) if isinstance(clip, GivenFrames) else VideoReader(clip.path)
        except Unreadable as reason:
            self._pass_over(clip, reason.reason)
            return
        first, instants = self.index, Instants(self.fps)
        waiting: deque[_Waiting] = deque()
        with reader:
            while reader.advance():
                index = self._next_index() if instants.take(reader.seconds) else -1
                wanted = index >= 0 and self.wanted(index)
                if not (wanted or waiting):
                    continue
                frame = reader.retrieve()
                for entry in waiting:
                    entry.frames.append(frame)
                    entry.seconds.append(reader.seconds)
                yield from _complete(waiting)
                if not wanted:
                    continue
                origin = f"{clip.name}@{reader.seconds:.2f}s"
                if frame is None:
                    self.failed.append(index)
                    self.skipped.append(Skipped(origin, "frame cannot be decoded"))
                    continue
                if reader.damaged:
                    self.damaged.append(index)
                    if not self.with_damaged:
                        self.failed.append(index)
                        continue
                sample = Sample(index, origin, frame)
                waiting.append(_Waiting(sample, self.successors(index), [reader.seconds]))
                yield from _complete(waiting)
            for entry in waiting:
                yield entry.done()
            self._account(clip, reader, self.index - first)

    def _account(self, clip: Clip, reader: VideoReader | TimedFrames, samples: float) -> None:
        """Add up what a video that was read to its end gave, and what is missing of it."""
        if not samples:
            self._pass_over(clip, reader.undecodable)
            return
        lost, missing, shortfall = reader.lost_samples(self.fps), reader.missing_share, reader.shortfall
        if shortfall and not reader.change and clip.being_written:
            missing, shortfall = 0.0, f"{BEING_WRITTEN}; judged as far as it goes"
        if shortfall:
            lost += (samples + lost) * missing / (1.0 - missing)
        self._lost += lost
        self.skipped += [Skipped(clip.name, reason) for reason in (shortfall, *reader.remarks) if reason]
        self._videos += 1
        self._video_samples += samples + lost

    def _pass_over(self, clip: Clip, reason: str) -> None:
        """List a video of which there is nothing; one that is still being written counts as not there yet."""
        if clip.being_written:
            self.skipped.append(Skipped(clip.name, f"{BEING_WRITTEN}; left alone until it settles"))
        else:
            self._unopened += 1
            self.skipped.append(Skipped(clip.name, reason))

    def _next_index(self) -> int:
        index = self.index
        self.index += 1
        return index
