"""Arrays from files that nobody vouches for."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray


class DamagedError(Exception):
    """What is wrong with a file of arrays, in the middle of a sentence."""


def require(name: str, array: NDArray[Any], dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    """Refuse an array of another type or shape, an empty one, or one that holds what is not finite.

    Raises:
        DamagedError: What was found and expected.
    """
    if array.dtype != dtype or array.shape != shape or 0 in shape:
        raise DamagedError(f"holds {name} as {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}")
    parts = [array[part] for part in array.dtype.names] if array.dtype.names else [array]
    if not all(np.isfinite(part).all() for part in parts):
        raise DamagedError(f"holds values in {name} that are not finite")


def require_number(name: str, value: Any, low: float, high: float) -> float:
    """A number of a header, if it is one, and between two others.

    Raises:
        DamagedError: What was found and expected.
    """
    if type(value) not in (int, float) or not low <= value <= high:  # NaN is on neither side, True is no number
        raise DamagedError(f"holds {name} {repr(value)[:40]}; expected a number from {low:g} to {high:g}")
    return float(value)
