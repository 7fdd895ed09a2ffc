"""What a program may hand over in place of a path: frames in memory, or embeddings that were made elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.given import GivenFrames
from sentinel_edge.footage.sampling import EvenSample
from sentinel_edge.footage.window import WINDOW_LIMIT, Window

GIVEN = "frames"
"""The name of footage that has none."""
EXPECTED = (
    "expected one path, frames (uint8 arrays of height, width and 3 channels), pairs of seconds and a frame, or "
    "embeddings (arrays of one axis, or one of two)"
)


@dataclass(frozen=True, slots=True, eq=False)
class GivenVectors:
    """Embeddings of one name that were made elsewhere, (d,) each, in the order of time."""

    name: str
    vectors: Iterable[Any]


def parts_of(source: Any) -> tuple[list[GivenFrames], list[GivenVectors]]:
    """What is meant by footage that is no path: clips of frames, or stretches of embeddings; the other list is empty.

    Args:
        source: Frames, pairs of seconds and a frame, or embeddings, by what the first is; or several of these by name.

    Raises:
        SentinelError: It is none of them, or frames and embeddings.
    """
    named = source if isinstance(source, Mapping) else {GIVEN: source}
    parts = [_part(str(name), one) for name, one in named.items()]
    clips = [part for part in parts if isinstance(part, GivenFrames)]
    vectors = [part for part in parts if isinstance(part, GivenVectors)]
    if bool(clips) == bool(vectors):
        raise SentinelError(f"found {'frames and embeddings' if clips else 'nothing'}; {EXPECTED}")
    return clips, vectors


def _part(name: str, source: Any) -> GivenFrames | GivenVectors:
    try:
        items = iter(source)
    except TypeError as error:
        raise SentinelError(f"{name} is {type(source).__name__}; {EXPECTED}") from error
    first = next(items, None)
    every = items if first is None else chain([first], items)
    if isinstance(first, np.ndarray) and first.ndim == 1 and first.dtype.kind == "f":
        return GivenVectors(name, every)
    if isinstance(first, tuple) and len(first) == 2:
        return GivenFrames.of(name, every, timed=True)
    if isinstance(first, np.ndarray) and first.ndim > 1:
        return GivenFrames.of(name, every, timed=False)
    found = f"{first.dtype} {first.shape}" if isinstance(first, np.ndarray) else type(first).__name__
    raise SentinelError(f"{name} begins with {'nothing' if first is None else found}; {EXPECTED}")


def window_of(parts: Sequence[GivenVectors], gate: str) -> Window:
    """Embeddings one after the other as one window, float16 (n, d), thinned evenly where there are many.

    Args:
        parts: In the order of time.
        gate: The gate whose records they are.

    Raises:
        SentinelError: One is not like the first, or not finite in half precision.
    """
    kept: EvenSample[tuple[str, Any]] = EvenSample(WINDOW_LIMIT)
    count, width = 0, 0
    for part in parts:
        for number, one in enumerate(part.vectors):
            found = np.asarray(one)
            width = width or max(1, found.size)
            with np.errstate(over="ignore", invalid="ignore"):
                half = found.astype(np.float16) if found.dtype.kind == "f" and found.shape == (width,) else None
            if half is None or not np.isfinite(half).all():
                raise SentinelError(
                    f"{part.name} {number} is {found.dtype} {found.shape}; expected {width} finite floating-point "
                    "numbers below 65504, as the first has"
                )
            kept.add(count, (f"{part.name} {number}", half))
            count += 1
    return Window(
        records={gate: np.array([half for _, half in kept], np.float16).reshape(len(kept), width)},
        origins=tuple(origin for origin, _ in kept),
        samples=count,
        stride=kept.stride,
        unreadable=0.0,
        expected=float(count),
        skipped=(),
        made_by={},
    )
