"""A stretch of footage as embeddings: bounded in memory whatever its length, with an account of what was lost."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.embedder import Embedder
from sentinel_edge.errors import SentinelError
from sentinel_edge.sampling import EvenSample
from sentinel_edge.sources import Clip, SampleReader, Skipped

WINDOW_LIMIT = 2000
"""Embeddings kept of a window; a longer one is thinned evenly."""
MAX_UNREADABLE = 0.25
"""Share of unreadable samples above which footage cannot stand for what the camera saw."""


@dataclass(frozen=True, slots=True)
class Window:
    """Embeddings of one stretch of footage, and where they came from.

    Attributes:
        embeddings: float16 (n, d), in order of time. Half precision is what a baseline stores; rounding both
            sides alike keeps ties ties.
        origins: (n,) name or time of each frame.
        samples: How many samples the stretch holds at its sampling rate: its length.
        stride: Every how many-th of them was kept.
        unreadable: Estimated number of samples that could not be read, those that never came included.
        expected: Samples there would have been had everything been readable.
        skipped: What was passed over, and why.
    """

    embeddings: NDArray[np.float16]
    origins: tuple[str, ...]
    samples: int
    stride: int
    unreadable: float
    expected: float
    skipped: tuple[Skipped, ...]


def read_window(
    clips: Iterable[Clip],
    embedder: Embedder,
    fps: float,
    *,
    limit: int = WINDOW_LIMIT,
    progress: Callable[[int], None] = lambda _: None,
) -> Window:
    """Sample, fit and embed clips.

    Args:
        clips: What to read, in order.
        embedder: The model.
        fps: Samples a second of video; images of a folder are all sampled.
        limit: Embeddings to keep.
        progress: Called with the number of frames embedded so far.

    Raises:
        SentinelError: The model's output is not finite, or too large for half precision.
    """
    kept: EvenSample[tuple[str, NDArray[np.float16]]] = EvenSample(limit)
    reader = SampleReader(clips, fps, wanted=kept.wants)

    def fitted() -> Iterator[tuple[tuple[int, str], NDArray[np.uint8]]]:
        for sample in reader:
            yield (sample.index, sample.origin), embedder.fit(sample.frame)

    for count, ((index, origin), embedding) in enumerate(embedder.embed_stream(fitted()), start=1):
        with np.errstate(over="ignore"):
            half = embedding.astype(np.float16)
        if not np.isfinite(half).all():
            raise SentinelError(
                f"model {embedder.card.name} gave a value that is not a finite half-precision number for {origin}; "
                "expected finite embeddings below 65504: check the model"
            )
        kept.add(index, (origin, half))
        progress(count)
    items = list(kept)
    unreadable, expected = reader.unreadable(kept.stride)
    shape = (0, embedder.dimensions)
    return Window(
        embeddings=np.stack([half for _, half in items]) if items else np.empty(shape, np.float16),
        origins=tuple(origin for origin, _ in items),
        samples=reader.index,
        stride=kept.stride,
        unreadable=unreadable,
        expected=expected,
        skipped=tuple(reader.skipped),
    )


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
