"""A stretch of footage as embeddings: bounded in memory whatever its length, with an account of what was lost."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.embedder import Embedder
from sentinel_edge.errors import SentinelError
from sentinel_edge.sampling import EvenSample
from sentinel_edge.sources import Clip, SampleReader, Skipped

WINDOW_LIMIT = 2000
"""Embeddings kept of a window; a longer one is thinned evenly."""


@dataclass(frozen=True, slots=True)
class Window:
    """Embeddings of one stretch of footage, and where they came from.

    Attributes:
        embeddings: float16 (n, d), in order of time. Half precision is what a baseline stores; rounding both
            sides alike keeps ties ties.
        origins: (n,) name or time of each frame.
        samples: How many samples the stretch holds at its sampling rate: its length.
        stride: Every how many-th of them was kept.
        unreadable: Estimated number of samples that could not be read.
        unreadable_share: The same as a share of those asked for, 0 to 1.
        skipped: What was passed over, and why.
    """

    embeddings: NDArray[np.float16]
    origins: tuple[str, ...]
    samples: int
    stride: int
    unreadable: int
    unreadable_share: float
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
    shape = (0, embedder.dimensions)
    return Window(
        embeddings=np.stack([half for _, half in items]) if items else np.empty(shape, np.float16),
        origins=tuple(origin for origin, _ in items),
        samples=reader.index,
        stride=kept.stride,
        unreadable=round(reader.unreadable_count),
        unreadable_share=reader.unreadable_share,
        skipped=tuple(reader.skipped),
    )
