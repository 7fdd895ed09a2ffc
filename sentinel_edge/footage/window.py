"""A stretch of footage as embeddings, signals and interpolated triplets.

Bounded in memory whatever its length, its gaps accounted for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, Skipped
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.samples import Sample, SampleReader
from sentinel_edge.footage.sampling import EvenSample
from sentinel_edge.footage.triplets import Triplet, make_triplet
from sentinel_edge.gates.performance.normal import TRIPLET, Triplets, record
from sentinel_edge.gates.quality.signals import FRAME_SIGNALS, FrameSignals, measure
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.score import Silence, TripletScore, score_all

WINDOW_LIMIT = 2000
"""Embeddings kept of a window; a longer one is thinned evenly."""
MAX_UNREADABLE = 0.25
"""Share of unreadable samples above which footage cannot stand for what the camera saw."""
TRIPLET_EVERY = 10
"""At every so many-th kept frame of a video a triplet is interpolated: as costly as four embeddings."""
INTERPOLATING = 2
"""Triplets interpolated at a time, at most: each takes tens of megabytes."""
Tag = TypeVar("Tag")


@dataclass(frozen=True, slots=True)
class Window:
    """Embeddings and camera-health signals of one stretch of footage, and where they came from.

    Attributes:
        embeddings: float16 (n, d), in order of time. Half precision is what a baseline stores; rounding both
            sides alike keeps ties ties.
        signals: Records of `quality.FRAME_SIGNALS`, (n,).
        origins: (n,) name or time of each frame.
        samples: How many samples the stretch holds at its sampling rate: its length.
        stride: Every how many-th of them was kept.
        unreadable: Estimated number of samples that could not be read, those that never came included.
        expected: Samples there would have been had everything been readable.
        skipped: What was passed over, and why.
        triplets: Records of `performance.TRIPLET`, (n,): of the triplet that begins at each frame.
        interpolator: SHA-256 of what interpolated them; empty where nothing did.
    """

    embeddings: NDArray[np.float16]
    signals: FrameSignals
    origins: tuple[str, ...]
    samples: int
    stride: int
    unreadable: float
    expected: float
    skipped: tuple[Skipped, ...]
    triplets: Triplets
    interpolator: str = ""

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
        frames = {name: _chosen(getattr(self, name), chosen) for name in PER_FRAME}
        share = len(frames["origins"]) / max(1, len(self.origins))
        return replace(
            self,
            **frames,
            samples=round(self.samples * share),
            unreadable=self.unreadable * share,
            expected=self.expected * share,
            skipped=(),
        )


PER_FRAME = ("embeddings", "signals", "origins", "triplets")
"""Fields of a `Window` that hold something of each frame: a tuple, or an array (n, ...)."""


def join(windows: Sequence[Window]) -> Window:
    """Windows one after the other as one; its stride is the largest of theirs.

    Raises:
        ValueError: There is none.
    """
    if not windows:
        raise ValueError("nothing to join; expected at least one window")
    return replace(
        windows[0],
        **{name: _joined([getattr(window, name) for window in windows]) for name in PER_FRAME},
        samples=sum(window.samples for window in windows),
        stride=max(window.stride for window in windows),
        unreadable=sum(window.unreadable for window in windows),
        expected=sum(window.expected for window in windows),
        skipped=tuple(entry for window in windows for entry in window.skipped),
    )


def _chosen(values: Any, chosen: slice | NDArray[Any]) -> Any:
    return tuple(np.array(values, object)[chosen]) if isinstance(values, tuple) else values[chosen]


def _joined(values: Sequence[Any]) -> Any:
    return (
        tuple(entry for value in values for entry in value) if isinstance(values[0], tuple) else np.concatenate(values)
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of one frame.

    Attributes:
        origin: Its name or time.
        signals: A record of `quality.FRAME_SIGNALS`.
        embedding: float16 (d,).
        triplet: A record of `performance.TRIPLET`.
    """

    origin: str
    signals: np.void
    embedding: NDArray[np.float16]
    triplet: np.void


def read_window(
    clips: Iterable[Clip],
    embedder: Embedder,
    fps: float,
    *,
    mask: Mask | None = None,
    limit: int = WINDOW_LIMIT,
    interpolator: Interpolator | None = None,
    triplet_every: int = TRIPLET_EVERY,
    progress: Callable[[int], None] = lambda _: None,
) -> Window:
    """Sample, measure, fit and embed clips, and interpolate some triplets of them.

    Args:
        clips: What to read, in order.
        embedder: The model.
        fps: Samples a second of video; images of a folder are all sampled.
        mask: What of the picture is left out.
        limit: Embeddings to keep.
        interpolator: What is to interpolate triplets of videos; None for nothing.
        triplet_every: At every how many-th of the kept frames.
        progress: Called with the number of frames embedded so far.

    Raises:
        SentinelError: A model's output is not finite, too large for half precision, or of another shape.
    """
    kept: EvenSample[Seen] = EvenSample(limit)

    def in_threes(index: int) -> bool:
        return interpolator is not None and index % (triplet_every * kept.stride) == 0

    reader = SampleReader(clips, fps, wanted=kept.wants, in_threes=in_threes)
    samples = ((sample.index, sample) for sample in reader)
    for count, (index, seen) in enumerate(embed_samples(samples, embedder, mask, interpolator), start=1):
        kept.add(index, seen)
        progress(count)
    unreadable, expected = reader.unreadable(kept.stride)
    frames = stack(list(kept), embedder.dimensions)
    # Before the stride grew they lay closer together.
    frames["triplets"][[not in_threes(index) for index in kept.indices()]] = np.zeros((), TRIPLET)
    return Window(
        **frames,
        samples=reader.index,
        stride=kept.stride,
        unreadable=unreadable,
        expected=expected,
        skipped=tuple(reader.skipped),
        interpolator=interpolator.card.sha256 if interpolator else "",
    )


def embed_samples(
    samples: Iterable[tuple[Tag, Sample]],
    embedder: Embedder,
    mask: Mask | None = None,
    interpolator: Interpolator | None = None,
) -> Iterator[tuple[Tag, Seen]]:
    """Measure, fit and embed samples as they come; each keeps its tag, and the order is kept.

    Args:
        samples: Drawn from in the calling thread; a few are held at a time.
        embedder: The model.
        mask: What of the picture is left out; applied to whatever the samples show.
        interpolator: What interpolates the triplets of samples that have a second successor, beside the embedding.

    Raises:
        SentinelError: A model's output is not finite, too large for half precision, or of another shape.
    """
    workers = min(INTERPOLATING, embedder.threads)
    with ThreadPoolExecutor(workers, thread_name_prefix="interpolate") as pool:

        def fitted() -> Iterator[tuple[tuple[Tag, str, np.void, _Found | None], NDArray[np.uint8]]]:
            for tag, sample in samples:
                frame, successor = sample.frame, sample.successor
                if mask:
                    frame, successor = mask.apply(frame), None if successor is None else mask.apply(successor)
                triplet = _triplet(sample, frame, successor, mask) if interpolator else None
                found = pool.submit(_score, triplet, interpolator) if triplet and interpolator else None
                yield (tag, sample.origin, measure(frame, successor), found), embedder.fit(frame)

        for (tag, origin, signals, found), embedding in embedder.embed_stream(fitted()):
            with np.errstate(over="ignore"):
                half = embedding.astype(np.float16)
            if not np.isfinite(half).all():
                raise SentinelError(
                    f"model {embedder.card.name} gave a value that is not a finite half-precision number for {origin}; "
                    "expected finite embeddings below 65504: check the model"
                )
            yield tag, Seen(origin, signals, half, record(found.result() if found else None))


_Found = Future[TripletScore | Silence]


def _triplet(
    sample: Sample, frame: NDArray[np.uint8], successor: NDArray[np.uint8] | None, mask: Mask | None
) -> Triplet | None:
    """The triplet that begins at a sample, of which the frame and its successor are masked already."""
    if successor is None or sample.second is None:
        return None
    second = mask.apply(sample.second) if mask else sample.second
    first, middle, last = sample.seconds
    return make_triplet((frame, successor, second), sample.origin.rpartition("@")[0], (first, middle, last))


def _score(triplet: Triplet, interpolator: Interpolator) -> TripletScore | Silence:
    ((_, found),) = score_all([triplet], interpolator)
    return found


def stack(seen: Sequence[Seen], dimensions: int) -> dict[str, Any]:
    """Frames as the fields of a `Window` named in `PER_FRAME`; embeddings are (0, dimensions) where there is none."""
    return {
        "embeddings": np.stack([one.embedding for one in seen]) if seen else np.empty((0, dimensions), np.float16),
        "signals": np.array([one.signals for one in seen], FRAME_SIGNALS),
        "origins": tuple(one.origin for one in seen),
        "triplets": np.array([one.triplet for one in seen], TRIPLET),
    }


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
