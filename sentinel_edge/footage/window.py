"""A stretch of footage as records: what each gate keeps of every frame. It knows no gate by name.

Bounded in memory whatever its length, its gaps accounted for.
"""

import math
import re
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import MAX_UNREADABLE, Clip, Skipped, change_of
from sentinel_edge.footage.given import GivenFrames
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.samples import Sample, SampleReader
from sentinel_edge.footage.sampling import EvenSample, is_chosen, is_kept
from sentinel_edge.footage.video_file import BYTES_A_SECOND, PATIENCE_S

WINDOW_LIMIT = 2000
"""Frames kept of a window; a longer one is thinned evenly."""
_IN_VIDEO = re.compile(r"@\d+(\.\d+)?s$")
Tag = TypeVar("Tag")


class Recorder(ABC):
    """Turns samples into records, one a frame: what is cheap at once, what is costly in the background.

    Attributes:
        name: The gate's; where the records stand in a window.
        blank: The record of a frame it was not asked about, any shape and type; all its records are like it.
        successors: Native frames it needs behind a sample: 0, 1 or 2.
        every: It is asked about one of so many samples; 0 for none.
        ahead: Samples it needs beyond one before that one's record is sure to come.
        made_by: SHA-256 of the model it runs; empty for none.
    """

    name: str
    blank: Any
    successors: int = 0
    every: int = 1
    ahead: int = 0
    made_by: str = ""

    @abstractmethod
    def take(self, sample: Sample) -> Future[Any]:
        """The record of a sample, sooner or later; called in the order of the samples, from one thread.

        What a mask hides is mid grey in the sample and in the frames behind it.

        Raises:
            SentinelError: Here or in the future: there can be none.
        """

    def close(self) -> None:  # noqa: B027  (most have nothing to finish)
        """Finish: every future is done when this returns."""

    def asked(self, index: int) -> bool:
        """Whether it is asked about the sample at `index`."""
        return self.every > 0 and is_chosen(index, self.every)


def at_once(record: Any) -> Future[Any]:
    """A record that is there already."""
    done: Future[Any] = Future()
    done.set_result(record)
    return done


@dataclass(frozen=True, slots=True)
class Window:
    """What was recorded of one stretch of footage, and where it came from.

    Attributes:
        records: By the name of the gate that reads them: an array (n, ...), in order of time.
        origins: (n,) name or time of each frame.
        samples: How many samples the stretch holds at its sampling rate: its length.
        stride: One of how many of them was kept.
        unreadable: Estimated number of samples that could not be read, those that never came included.
        expected: Samples there would have been had everything been readable.
        skipped: What was passed over, and why.
        made_by: By the same names, SHA-256 of the model that made the records; empty for none.
        damaged: How many of its samples were made up, in part, for what was lost of a stream.
    """

    records: Mapping[str, NDArray[Any]]
    origins: tuple[str, ...]
    samples: int
    stride: int
    unreadable: float
    expected: float
    skipped: tuple[Skipped, ...]
    made_by: Mapping[str, str]
    damaged: int = 0

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def pictures(self) -> bool:
        """Whether it is of pictures alone, which carry no frame rate: no origin tells a time in a video."""
        return not any(_IN_VIDEO.search(origin) for origin in self.origins)

    def kept(self, index: int) -> bool:
        """Whether the sample that stood at `index` of the footage, from 0, was kept."""
        return is_kept(index, self.stride)

    def part(self, start: int, stop: int) -> "Window":
        """Frames `start` up to `stop` as a window of their own; see `take`."""
        return self.take(slice(start, stop))

    def take(self, chosen: slice | NDArray[Any]) -> "Window":
        """The chosen frames, in the order chosen, as a window of their own.

        Its length, and how much of it could not be read, are in proportion to the frames. What was passed over is
        told by the whole window alone.

        Args:
            chosen: What an array of n can be indexed by: a slice, positions, or bool (n,).
        """
        origins = tuple(np.array(self.origins, object)[chosen])
        share = len(origins) / max(1, len(self.origins))
        return replace(
            self,
            records={name: records[chosen] for name, records in self.records.items()},
            origins=origins,
            samples=round(self.samples * share),
            unreadable=self.unreadable * share,
            expected=self.expected * share,
            skipped=(),
            damaged=round(self.damaged * share),
        )


def join(windows: Sequence[Window]) -> Window:
    """Windows one after the other as one; its stride is the largest of theirs.

    Raises:
        ValueError: There is none.
    """
    if not windows:
        raise ValueError("nothing to join; expected at least one window")
    return replace(
        windows[0],
        records={name: np.concatenate([window.records[name] for window in windows]) for name in windows[0].records},
        origins=tuple(origin for window in windows for origin in window.origins),
        samples=sum(window.samples for window in windows),
        stride=max(window.stride for window in windows),
        unreadable=sum(window.unreadable for window in windows),
        expected=sum(window.expected for window in windows),
        skipped=tuple(entry for window in windows for entry in window.skipped),
        damaged=sum(window.damaged for window in windows),
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is kept of one frame: its name or time, and a record by each recorder, in their order."""

    origin: str
    records: tuple[Any, ...]


def read_window(
    clips: Iterable[Clip],
    recorders: Sequence[Recorder],
    fps: float,
    *,
    mask: Mask | None = None,
    limit: int = WINDOW_LIMIT,
    with_damaged: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Window:
    """Sample and record clips.

    Args:
        clips: What to read, in order.
        recorders: What is to be known of each frame; closed when this returns.
        fps: Samples a second of video; images of a folder are all sampled.
        mask: What of the picture is left out.
        limit: Frames to keep.
        with_damaged: Whether frames that were made up for what was lost of a stream are recorded: to be judged, never
            to be learned.
        progress: Called with the number of frames recorded so far.

    Raises:
        SentinelError: There can be no record of a frame: what a model gives is not finite, for instance; or reading
            takes longer than footage does.
    """
    clips = list(clips)
    kept: EvenSample[Recorded] = EvenSample(limit)

    def asked(recorder: Recorder, sample: Sample) -> bool:
        return recorder.asked(sample.index)

    def successors(index: int) -> int:
        return max((one.successors for one in recorders if one.asked(index)), default=0)

    reader = SampleReader(clips, fps, wanted=kept.wants, successors=successors, with_damaged=with_damaged)
    samples = map(_with_index, reader)
    patience = PATIENCE_S + sum(_patience(clip) for clip in clips)
    end = time.monotonic() + patience
    for count, (index, recorded) in enumerate(record(samples, recorders, mask, asked), start=1):
        kept.add(index, recorded)
        progress(count)
        if time.monotonic() > end:
            raise SentinelError(
                f"reading took more than {patience:.0f} s; expected 10 kB or a picture a second, or more: give less "
                "footage at a time, or a faster machine"
            )
    unreadable, expected = reader.unreadable(kept.stride, kept.wants)
    return Window(
        records=stack(list(kept), recorders),
        origins=tuple(recorded.origin for recorded in kept),
        samples=reader.index,
        stride=kept.stride,
        unreadable=unreadable,
        expected=expected,
        skipped=tuple(reader.skipped),
        made_by={recorder.name: recorder.made_by for recorder in recorders},
        damaged=sum(map(kept.wants, reader.damaged)) * kept.stride if with_damaged else 0,
    )


def _patience(clip: Clip) -> float:
    """Seconds that may go by for a clip that is read from files, as long as nothing in it takes too long by itself."""
    if isinstance(clip, GivenFrames):
        return math.inf
    return float(len(clip.files)) if clip.files else change_of(clip.path)[0] / BYTES_A_SECOND


def _with_index(sample: Sample) -> tuple[int, Sample]:
    return sample.index, sample


def record(
    samples: Iterable[tuple[Tag, Sample]],
    recorders: Sequence[Recorder],
    mask: Mask | None = None,
    asked: Callable[[Recorder, Sample], bool] = lambda _, __: True,
) -> Iterator[tuple[Tag, Recorded]]:
    """Record samples as they come; each keeps its tag, and the order is kept.

    Samples are drawn in the calling thread, so that decoding goes on while models work; a few are held at a time.

    Args:
        samples: The stream.
        recorders: What is to be known of each; closed at its end, or when something goes wrong.
        mask: What of the picture is left out, of the sample and of the frames behind it.
        asked: Which recorder is asked about which sample.

    Raises:
        SentinelError: There can be no record of a sample.
    """
    ahead = max((recorder.ahead for recorder in recorders), default=0)
    waiting: deque[tuple[Tag, str, list[Future[Any] | None]]] = deque()
    try:
        for tag, sample in samples:
            seen = sample.masked(mask) if mask else sample
            futures = [one.take(seen) if asked(one, sample) else None for one in recorders]
            waiting.append((tag, sample.origin, futures))
            del sample, seen  # pictures can be large, and the next one is decoded now
            if len(waiting) > ahead:
                yield _finished(waiting.popleft(), recorders)
        for recorder in recorders:
            recorder.close()
        while waiting:
            yield _finished(waiting.popleft(), recorders)
    finally:
        for recorder in recorders:
            recorder.close()


def _finished(entry: tuple[Tag, str, list[Future[Any] | None]], recorders: Sequence[Recorder]) -> tuple[Tag, Recorded]:
    tag, origin, futures = entry
    records = (one.blank if future is None else future.result() for one, future in zip(recorders, futures, strict=True))
    return tag, Recorded(origin, tuple(records))


def stack(kept: Sequence[Recorded], recorders: Sequence[Recorder]) -> dict[str, NDArray[Any]]:
    """The records of a window, (n, ...) each, given what is kept of each frame, and by whom."""
    records = {}
    for place, recorder in enumerate(recorders):
        blank = np.asarray(recorder.blank)
        column = np.empty((len(kept), *blank.shape), blank.dtype)
        for row, recorded in enumerate(kept):
            column[row] = recorded.records[place]
        records[recorder.name] = column
    return records


def require_readable(windows: Sequence[Window], what: object) -> None:
    """Refuse footage of which too much could not be read.

    Raises:
        SentinelError: With the share and an example.
    """
    skipped = [entry for window in windows for entry in window.skipped]
    expected = [window.expected for window in windows if window.samples]
    # A clip of which nothing could be read weighs as much as the others do on average.
    nothing = sum(expected) / len(expected) if expected else 1.0
    lost = sum(window.unreadable if window.samples else nothing for window in windows)
    total = sum(window.expected if window.samples else nothing for window in windows)
    if lost > MAX_UNREADABLE * total:
        raise SentinelError(
            f"{lost / total:.0%} of {what} cannot be read (e.g. {skipped[-1].name}: {skipped[-1].reason}); expected at "
            f"most {MAX_UNREADABLE:.0%}: see what delivers the footage"
        )
