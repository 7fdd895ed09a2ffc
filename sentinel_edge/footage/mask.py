"""The region of interest: what of a camera's picture is looked at, and what is left out.

A burnt-in clock changes with every frame and a neighbour's window is nobody's business; both are painted black in
a picture of any size, and every frame gets mid grey there. Whatever is rounded is rounded towards hiding more.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import Unreadable, read_image

MAX_ROWS, MAX_COLUMNS = 240, 320
"""Cells of the finest grid that is kept: 9600 bytes in a baseline, before compression."""
MIN_VISIBLE = 0.1
"""The smallest share of the picture that must be left to look at."""
VISIBLE_FROM = 128
"""The darkest grey, 0 to 255, that still counts as white."""
FILL = 128
"""What hidden pixels become, in every channel."""
EXPECTED_PICTURE = "expected a picture in black (left out) and white (looked at)"


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """What of the picture is looked at: a coarse grid, relative to the picture, whatever its size and aspect ratio.

    Two masks are equal when their grids are.

    Attributes:
        hidden: bool (rows, columns), True where the picture is left out; at most (`MAX_ROWS`, `MAX_COLUMNS`),
            with at least one cell hidden and one not. A copy of what was given, and read-only.
        fingerprint: SHA-256 of the grid.

    Raises:
        ValueError: The grid is not such a one; says in a few words why.
    """

    hidden: NDArray[np.bool_]
    fingerprint: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        hidden = self.hidden
        if hidden.dtype != np.bool_ or hidden.ndim != 2:
            raise ValueError(f"is {hidden.dtype} {hidden.shape}; expected bool (rows, columns)")
        _require_grid(hidden.shape)
        if hidden.all() or not hidden.any():
            raise ValueError(f"{'hides' if hidden.any() else 'shows'} all of the picture")
        hidden = hidden.copy()
        hidden.flags.writeable = False
        object.__setattr__(self, "hidden", hidden)
        digest = hashlib.sha256(f"{hidden.shape[0]}x{hidden.shape[1]} ".encode() + self.pack().tobytes())
        object.__setattr__(self, "fingerprint", digest.hexdigest())

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Mask) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def visible_share(self) -> float:
        """The share of the picture that is looked at: more than 0, less than 1."""
        return float((~self.hidden).mean())

    def apply(self, frame: NDArray[np.uint8], fill: int = FILL) -> NDArray[np.uint8]:
        """A copy of a frame, with one grey, mid grey by default, wherever a pixel touches a hidden cell.

        0.25 to 0.35 ms for 1280 x 720 pixels on one core. A frame with far fewer pixels than the grid has cells may
        come out grey all over.

        Args:
            frame: uint8 (h, w, 3), of any size and aspect ratio; left as it is.
            fill: What hidden pixels become, in every channel. A model sees mid grey as nothing; a person, black.

        Returns:
            uint8 (h, w, 3).
        """
        # Grey first, the visible pixels over it: half the cost of a copy with grey over that, many times less than
        # NumPy's, and all there is to remember of a size is one byte a pixel.
        masked = np.full(frame.shape, fill, np.uint8)
        cv2.copyTo(frame, _visible_pixels(self, *frame.shape[:2]), masked)
        return masked

    def pack(self) -> NDArray[np.uint8]:
        """The grid as bits, uint8 (ceil(rows * columns / 8),), row by row; `unpack` needs `hidden.shape` as well."""
        return np.packbits(self.hidden)

    @classmethod
    def unpack(cls, bits: NDArray[Any], shape: Sequence[int]) -> Self:
        """The mask that was packed, checked as untrusted input: any array, any JSON value as shape.

        Args:
            bits: What `pack` gave, uint8 (ceil(rows * columns / 8),).
            shape: `hidden.shape`, as a tuple or a list.

        Raises:
            ValueError: They are not a mask that was packed; says in a few words why.
        """
        if not isinstance(shape, list | tuple) or len(shape) != 2 or any(type(size) is not int for size in shape):
            raise ValueError("has no shape; expected two whole numbers, rows and columns")
        rows, columns = _require_grid(shape)
        length = -(-rows * columns // 8)
        if bits.dtype != np.uint8 or bits.shape != (length,):
            raise ValueError(f"holds {bits.dtype} {bits.shape} for {rows}x{columns} cells; expected uint8 ({length},)")
        cells = np.unpackbits(bits).astype(np.bool_)
        if cells[rows * columns :].any():
            raise ValueError("holds bits after its last cell")
        return cls(cells[: rows * columns].reshape(rows, columns))


def load_mask(path: Path) -> Mask:
    """Read a mask from a picture: from mid grey up it is looked at, what is darker is left out.

    The picture may have any size and aspect ratio: it is laid over the whole frame. A cell of the grid that is kept
    is hidden if any pixel it touches is.

    Raises:
        SentinelError: It cannot be read, hides nothing, or leaves less than `MIN_VISIBLE` of the picture.
    """
    try:
        picture = read_image(path)
    except Unreadable as error:
        raise SentinelError(f"cannot read mask {path}: {error.reason}; {EXPECTED_PICTURE}") from error
    dark = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)) < VISIBLE_FROM
    if not dark.any():
        raise SentinelError(
            f"mask {path} hides nothing: none of its pixels is darker than mid grey; {EXPECTED_PICTURE}: paint black "
            "what is to be left out, or give no mask"
        )
    hidden = _touched(dark, min(dark.shape[0], MAX_ROWS), min(dark.shape[1], MAX_COLUMNS))
    visible = float((~hidden).mean())
    if visible < MIN_VISIBLE:
        raise SentinelError(
            f"mask {path} leaves {math.floor(1000 * visible) / 10:g} % of the picture to look at; expected at least "
            f"{100 * MIN_VISIBLE:g} %: paint less of it black, or swap black (left out) and white (looked at)"
        )
    return Mask(hidden)


def _require_grid(shape: Sequence[int]) -> tuple[int, int]:
    """The rows and columns of a grid, if there may be that many.

    Raises:
        ValueError: There may not.
    """
    rows, columns = shape
    if not (1 <= rows <= MAX_ROWS and 1 <= columns <= MAX_COLUMNS):
        raise ValueError(f"has {rows}x{columns} cells; expected 1x1 to {MAX_ROWS}x{MAX_COLUMNS}")
    return rows, columns


@lru_cache(maxsize=4)  # the frames of one camera rarely change size
def _visible_pixels(mask: Mask, height: int, width: int) -> NDArray[np.uint8]:
    """The mask at a frame's size: uint8 (height, width), 255 where the frame is looked at and 0 elsewhere."""
    return np.where(_touched(mask.hidden, height, width), np.uint8(0), np.uint8(255))


def _touched(hidden: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Lay a grid of another size over the same picture: bool (height, width), True where a cell touches a hidden one.

    Both up and down, and exact: nothing hidden is lost on the way from a mask's pixels to a frame's.
    """
    rows = [hidden[part].any(axis=0) for part in _parts(hidden.shape[0], height)]
    across = np.stack(rows).T.copy()
    return np.stack([across[part].any(axis=0) for part in _parts(hidden.shape[1], width)], axis=1)


def _parts(cells: int, count: int) -> list[slice]:
    """Which of `cells` equal parts of a length are touched by each of `count` equal parts of it."""
    return [slice(part * cells // count, -(-(part + 1) * cells // count)) for part in range(count)]
