"""Camera known, frame by frame: cheap signals that tell what the picture itself is like, not what is in it.

Each frame becomes one record of about 17 kB. Noise, the block grid of an encoder, edges and fine detail are measured at
native resolution, on six bands of rows; light and colour on a thumbnail. Edges are kept for a grid of blocks, and the
thumbnail is kept whole, because over a stretch of frames the median of each place shows the fixed scene: what moves
through it drops out, and a fixed camera's fixed scene is what a stretch can be compared by.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

BANDS, BLOCK_COLUMNS = 6, 8
"""Detail is measured on six bands of rows, each cut into eight blocks."""
THUMBNAIL_ROWS, THUMBNAIL_COLUMNS = 48, 64
SCENE_ROWS, SCENE_COLUMNS = 96, 128
"""A larger thumbnail, for the edges of the fixed scene: drops and cracks are lost on the smaller one."""
COLOUR_ROWS, COLOUR_COLUMNS = 12, 16
DIRECTIONS = 4
"""Edges are measured across, down and along both diagonals, so that a smear shows whatever way it runs."""

FRAME_SIGNALS = np.dtype(
    [
        ("noise", np.float32),
        ("blocks", np.float32),
        ("clipped", np.float32),
        ("change", np.float32),
        ("edges", np.float32, (DIRECTIONS, BANDS, BLOCK_COLUMNS)),
        ("fine", np.float32, (BANDS, BLOCK_COLUMNS)),
        ("luma", np.uint8, (THUMBNAIL_ROWS, THUMBNAIL_COLUMNS)),
        ("scene", np.uint8, (SCENE_ROWS, SCENE_COLUMNS)),
        ("colour", np.uint8, (COLOUR_ROWS, COLOUR_COLUMNS, 3)),
    ]
)
"""One frame's signals.

| field   | holds                                                                                                |
|---------|------------------------------------------------------------------------------------------------------|
| noise   | standard deviation of pixel noise on the grey picture, grey levels (of noise that differs from       |
|         | channel to channel about two thirds)                                                                 |
| blocks  | strength of an 8-pixel grid: log2 of the strongest phase of the gradients over the median one, summed |
|         | over both directions; without a grid near 0, the more above it the smaller the picture               |
| clipped | share of pixels at white                                                                             |
| change  | mean absolute difference to the next native frame (of pictures, to the next one), grey levels; NaN   |
|         | where there is none                                                                                  |
| edges   | mean gradient across, down and along both diagonals of a slightly smoothed picture, for each band    |
|         | and column of blocks: 8 times grey levels a pixel (the diagonals 11 times), at most 255              |
| fine    | mean absolute Laplacian of the same blocks, grey levels, at most 255                                 |
| luma    | thumbnail, grey                                                                                      |
| scene   | larger thumbnail, grey                                                                               |
| colour  | thumbnail, blue-green-red                                                                            |
"""

PICTURE = "quality"
"""The name under which a window holds them."""
STILL = 0.03
"""A frame that differs from the next by less than this many grey levels on average is a repeat: the noise of a sensor
alone makes more."""
DARK = 8.0
"""Grey levels added before a logarithm, so that black is not infinitely far from nearly black."""

FrameSignals = NDArray[np.void]
"""Records of `FRAME_SIGNALS`, (n,)."""

SMALL_PIXELS = 2**17
"""A picture of more pixels is halved until it has no more."""
BAND_PIXELS = 2**16
"""The bands have about so many pixels together, or 16 rows each where that is more."""
WHITE = 250
STEP_PIXELS = 4
"""For `change` every so many-th pixel of every so many-th row is looked at."""
_NOISE_FILTER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_GAIN = 6.0 * 0.6745
"""What the filter makes of white noise of deviation 1: 6; the median of its absolute value is 0.6745 of that."""
_GRID = 8
FINE_OF_NOISE = 3.0
"""What a Laplacian makes of white noise of deviation 1: 3.6 on average; less, for what is taken for noise is texture
too."""
_SOME_FINE, _SOME_EDGES = 0.5, 2.0


def measure(frame: NDArray[np.uint8], successor: NDArray[np.uint8] | None = None) -> np.void:
    """Measure one frame.

    Args:
        frame: uint8 (h, w, 3), blue-green-red.
        successor: The next frame, for `change`; one of another size counts as none.

    Returns:
        One record of `FRAME_SIGNALS`.
    """
    signals = np.zeros((), FRAME_SIGNALS)
    bands = _bands(frame)
    signals["noise"] = _noise(bands)
    signals["blocks"] = _block_grid(bands)
    smooth = cv2.blur(bands, (3, 3))
    across, down = cv2.Sobel(smooth, cv2.CV_16S, 1, 0), cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    for number, gradient in enumerate((across, down, cv2.add(across, down), cv2.subtract(across, down))):
        signals["edges"][number] = _block_means(gradient)
    signals["fine"] = _block_means(cv2.Laplacian(bands, cv2.CV_16S))
    small = _halved(frame, SMALL_PIXELS)
    white = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY) >= WHITE
    signals["clipped"] = np.count_nonzero(white) / white.size
    scene = cv2.resize(small, (SCENE_COLUMNS, SCENE_ROWS), interpolation=cv2.INTER_AREA)
    signals["scene"] = cv2.cvtColor(scene, cv2.COLOR_BGR2GRAY)
    # Averaging by exact halves costs a third of averaging at a free ratio.
    small = _halved(small, 4 * THUMBNAIL_ROWS * THUMBNAIL_COLUMNS)
    thumbnail = cv2.resize(small, (THUMBNAIL_COLUMNS, THUMBNAIL_ROWS), interpolation=cv2.INTER_AREA)
    signals["luma"] = cv2.cvtColor(thumbnail, cv2.COLOR_BGR2GRAY)
    signals["colour"] = cv2.resize(thumbnail, (COLOUR_COLUMNS, COLOUR_ROWS), interpolation=cv2.INTER_AREA)
    signals["change"] = np.nan if successor is None else _change(frame, successor)
    return cast("np.void", signals[()])


def without_noise(fine: NDArray[np.float64], noise: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Fine detail beyond what noise makes of it, grey levels."""
    return np.asarray(np.sqrt(np.maximum(0.0, np.square(fine) - np.square(FINE_OF_NOISE * noise))))


def sharpness(signals: FrameSignals) -> NDArray[np.float64]:
    """Fine detail beyond noise against the edges of the same place, in doublings: (n, BANDS, BLOCK_COLUMNS).

    Light, contrast and haze change both alike; a lens out of focus, a drop or a smear takes what is fine first.

    Args:
        signals: Of frames, (n,).
    """
    fine = without_noise(signals["fine"].astype(np.float64), signals["noise"].astype(np.float64)[:, None, None])
    edges = signals["edges"].astype(np.float64).mean(axis=1)
    return np.asarray(np.log2(fine + _SOME_FINE) - np.log2(edges + _SOME_EDGES))


def _halved(frame: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """The picture, halved until it has no more than so many pixels."""
    while frame.shape[0] * frame.shape[1] > pixels and min(frame.shape[:2]) > 1:
        half = (frame.shape[1] // 2, frame.shape[0] // 2)
        frame = cv2.resize(frame[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return frame


def _bands(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Six bands of rows spread evenly over a picture, one below the other, grey; each begins on the grid of 8."""
    height, width = frame.shape[:2]
    rows = max(2 * _GRID, min(BAND_PIXELS // width, height) // BANDS // _GRID * _GRID)
    if height < rows * BANDS:  # a very low picture
        return cv2.cvtColor(cv2.resize(frame, (width, rows * BANDS)), cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]
    starts = [(2 * number + 1) * height // (2 * BANDS) - rows // 2 for number in range(BANDS)]
    starts = [min(max(0, start), height - rows) // _GRID * _GRID for start in starts]
    chosen = np.concatenate([frame[start : start + rows] for start in starts])
    return cv2.cvtColor(chosen, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


def _change(frame: NDArray[np.uint8], successor: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two frames, grey levels; NaN where their sizes differ."""
    if frame.shape != successor.shape:
        return float("nan")
    # Pixels picked, not averaged: averaging would hide the sensor noise by which a live picture differs from a repeat.
    size = (max(1, frame.shape[1] // STEP_PIXELS), max(1, frame.shape[0] // STEP_PIXELS))
    first, second = (cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST) for picture in (frame, successor))
    return float(np.mean(cv2.mean(cv2.absdiff(first, second))[:3]))


def _inside(response: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Absolute values of a filter's response without the rows that saw two bands at once, uint8."""
    rows = response.shape[0] // BANDS
    absolute = cv2.convertScaleAbs(response).reshape(BANDS, rows, -1)
    return absolute[:, 2:-2].reshape(BANDS * (rows - 4), -1)


def _block_means(response: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Mean absolute value over each block of each band: (BANDS, BLOCK_COLUMNS)."""
    # As float: a resized uint8 is rounded to whole grey levels, which on a soft picture is half of what there is.
    inside = np.asarray(_inside(response), np.float32)
    return cv2.resize(inside, (BLOCK_COLUMNS, BANDS), interpolation=cv2.INTER_AREA)


def _noise(bands: NDArray[np.uint8]) -> float:
    """Standard deviation of the noise, grey levels.

    J. Immerkaer, "Fast Noise Variance Estimation", CVIU 1996, with the median in place of the mean, so that edges,
    which are few, do not count.
    """
    response = _inside(cv2.filter2D(bands, cv2.CV_16S, _NOISE_FILTER))
    counts = cv2.calcHist([response], [0], None, [256], [0, 256]).ravel()
    cumulated = np.cumsum(counts, dtype=np.float64) / response.size
    at = int(np.searchsorted(cumulated, 0.5))
    below = float(cumulated[at - 1]) if at else 0.0
    # Responses are whole numbers: the median is found inside its bin, as if they were spread evenly over it.
    median = at - 0.5 + (0.5 - below) / (float(cumulated[at]) - below)
    return max(0.0, median) / _NOISE_GAIN


def _block_grid(bands: NDArray[np.uint8]) -> float:
    """Strength of an 8-pixel grid in both directions, 0 for none."""
    if bands.shape[1] == 1:
        return 0.0
    rows = bands.shape[0] // BANDS
    across = cv2.reduce(cv2.absdiff(bands[:, 1:], bands[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    down = cv2.reduce(cv2.absdiff(bands[1:], bands[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    # The last period of a band reaches into the next one: left out.
    down = np.append(down, 0.0).reshape(BANDS, rows)[:, :-_GRID].ravel()
    strength = 0.0
    for profile in (across, down):
        periods = profile[: len(profile) // _GRID * _GRID].reshape(-1, _GRID)
        if len(periods):
            phases = np.sort(np.median(periods, axis=0))
            strength += float(np.log2((phases[-1] + 0.25) / ((phases[3] + phases[4]) / 2 + 0.25)))
    return strength
