"""The two-sample Kolmogorov-Smirnov test for every column at once. Pure arrays.

For samples a (size n) and b (size m) with empirical distribution functions F and G, D = sup |F - G|. Both are steps
that change only at the samples' values, so walk through all n + m values in order, add m for each of a's and take
off n for each of b's: the sum is n m (F - G), provided it is read only where the value changes, when everything
that ties has been counted. The sums are integers: the statistic is exact, and the order of ties cannot matter.

One sort of integers orders the values of a column, each with the sample it comes from in its lowest bit.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats would add a second to every start

BLOCK = 128
"""Columns handled at a time: what is sorted stays in the cache, and memory does not grow with the dimensions."""

KOLMOGOROV_UPPER_QUARTILE = 1.0191845128632193
"""Upper quartile of the Kolmogorov distribution: special.kolmogi(0.25)."""


def statistic(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Two-sample Kolmogorov-Smirnov distance of each column.

    Args:
        a: (n, d), any float type, no NaN.
        b: (m, d), likewise.

    Returns:
        float64 (d,), each in [0, 1]; the same as `scipy.stats.ks_2samp(a, b).statistic` column by column.

    Raises:
        ValueError: A sample is empty, the columns differ in number, or there are NaNs.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or 0 in (*a.shape, *b.shape):
        raise ValueError(f"expected two non-empty samples with equal columns, found {a.shape} and {b.shape}")
    distance = np.empty(a.shape[1])
    for first in range(0, a.shape[1], BLOCK):
        block = slice(first, first + BLOCK)
        distance[block] = _statistic(a[:, block], b[:, block])
    return distance


def independent_scale(n: int, m: int) -> float:
    """Scale of D for independent samples: sqrt((n + m) / (n m))."""
    return math.sqrt((n + m) / (n * m))


def pvalues(distance: NDArray[np.float64], scale: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Probability of a distance at least this large when nothing changed: the Kolmogorov survival function.

    Args:
        distance: (d,) Kolmogorov-Smirnov distances.
        scale: The distance is Kolmogorov-distributed in units of this. `independent_scale(n, m)` gives the
            textbook asymptotic p-value; a calibrated baseline supplies a larger one per column.

    Returns:
        float64 (d,), each in [0, 1].
    """
    return np.asarray(special.kolmogorov(distance / scale), np.float64)


def quantile_sketch(sample: NDArray[np.floating], points: int) -> NDArray[np.floating]:
    """Summarise each column by equally weighted points: its quantiles at (i + 1/2) / points.

    The points are values of the sample itself, so ties and exact zeros survive, and a sketch can stand in for
    its sample in `statistic` with an error of at most 1 / (2 points) (DKW does not enter: this is the
    rounding of a step function to `points` equal steps).

    Args:
        sample: (n, d), any float type.
        points: How many to keep.

    Returns:
        (points, d), sorted by column, of the sample's type.
    """
    ranks = (np.arange(points) + 0.5) / points * len(sample)
    ordered = np.sort(sample, axis=0)
    return ordered[np.minimum(ranks.astype(np.intp), len(sample) - 1)]


def _statistic(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    n, m = len(a), len(b)
    keys = _codes(np.concatenate([a, b]) if a.dtype == b.dtype else np.concatenate([a, b], dtype=np.float64))
    keys <<= 2  # two bits to spare: different values are then more than 1 apart, whichever sample they come from
    keys[:, n:] |= 1
    keys.sort(axis=1)
    whole = np.dtype(np.int32 if n * m < 2**31 else np.int64)
    steps = np.where(keys & 1, np.array(-n, whole), np.array(m, whole))
    gap = np.cumsum(steps, axis=1, dtype=whole)[:, :-1]
    np.abs(gap, out=gap)
    gap *= np.diff(keys, axis=1) > 1  # between ties F and G are not complete
    return np.asarray(gap.max(axis=1) / (n * m), np.float64)


def _codes(values: NDArray[np.floating]) -> NDArray[np.signedinteger]:
    """Numbers (n, d) as integers (d, n) of the same order; minus zero becomes zero. Integers sort faster."""
    if np.isnan(values).any():
        raise ValueError("NaN in a sample: the Kolmogorov-Smirnov distance is not defined")
    if values.dtype == np.float16:
        return _in_order(values.view(np.int16).T.astype(np.int32, order="C"), -(2**15))
    if values.dtype == np.float32:
        return _in_order(values.view(np.int32).T.astype(np.int64, order="C"), -(2**31))
    # Wider types leave no bits to spare; the ranks of their values do.
    ranks: NDArray[np.int64] = np.unique(values.T, return_inverse=True)[1]
    return ranks.reshape(values.T.shape).astype(np.int64)


def _in_order(bits: NDArray[np.signedinteger], sign: int) -> NDArray[np.signedinteger]:
    """The bits of IEEE 754 numbers in the numbers' order: below zero they run backwards."""
    return np.asarray(np.where(bits < 0, sign - bits, bits))
