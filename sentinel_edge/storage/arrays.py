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
