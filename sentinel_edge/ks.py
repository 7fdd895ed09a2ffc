"""The two-sample Kolmogorov-Smirnov test for every column at once. Pure arrays.

For samples a (size n) and b (size m) with empirical distribution functions F and G, D = sup |F - G|. Between
two neighbouring points of b, G is constant and F only rises, so the supremum is found at the points of b alone:

    D = max over i of  F(b_i -) - i / m   and   (i + 1) / m - F(b_i),      b sorted, i = 0 .. m-1

with F(x-) the share of a below x and F(x) the share at or below x. Where values of b tie, the middle ones only
give smaller differences, so ties need no special care and the order of equal values cannot matter. Both terms
are computed as integers over n * m: the statistic is exact.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats would add a second to every start

KOLMOGOROV_MEDIAN = 0.8275735551899077
"""Median of the Kolmogorov distribution: special.kolmogi(0.5)."""

KOLMOGOROV_UPPER_QUARTILE = 1.0191845128632193
"""Upper quartile of the Kolmogorov distribution: special.kolmogi(0.25)."""


def statistic(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Two-sample Kolmogorov-Smirnov distance of each column.

    Args:
        a: (n, d), any float type, no NaN.
        b: (m, d), likewise. Fastest when the smaller sample comes second.

    Returns:
        float64 (d,), each in [0, 1]; the same as `scipy.stats.ks_2samp(a, b).statistic` column by column.

    Raises:
        ValueError: A sample is empty, the columns differ in number, or there are NaNs.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or 0 in (*a.shape, *b.shape):
        raise ValueError(f"expected two non-empty samples with equal columns, found {a.shape} and {b.shape}")
    n, m = len(a), len(b)
    a_keys, b_keys = _ordered_keys(a, b)
    at_or_below = np.searchsorted(a_keys, b_keys, side="right")
    below = np.searchsorted(a_keys, b_keys, side="left")
    # Keys of column j start at j * n: taking that off leaves the count within the column.
    start = (np.arange(a.shape[1]) * n)[:, None]
    at_or_below = at_or_below.reshape(-1, m) - start
    below = below.reshape(-1, m) - start
    rank = np.arange(m)
    over = (below * m - rank * n).max(axis=1)
    under = ((rank + 1) * n - at_or_below * m).max(axis=1)
    return np.asarray(np.maximum(over, under) / (n * m), np.float64)


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


def _ordered_keys(a: NDArray[np.floating], b: NDArray[np.floating]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Every value as one integer that sorts by column first and by value second, sorted.

    One flat `searchsorted` then serves all columns, and 32-bit integers sort several times faster than floats.
    """
    if a.dtype == b.dtype and a.dtype in (np.float16, np.float32):
        a_codes, b_codes = _float_codes(a), _float_codes(b)
    else:  # wider types do not fit beside the column: their joint ranks do, and are as exact
        if np.isnan(a).any() or np.isnan(b).any():
            raise ValueError("NaN in a sample: the Kolmogorov-Smirnov distance is not defined")
        ranks = np.unique(np.concatenate([a.ravel(), b.ravel()]), return_inverse=True)[1].astype(np.uint32)
        a_codes, b_codes = ranks[: a.size].reshape(a.shape), ranks[a.size :].reshape(b.shape)
    return _keys(a_codes), _keys(b_codes)


def _float_codes(sample: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Map floats to unsigned integers of the same order; minus zero becomes zero."""
    values = sample.astype(np.float32, copy=False) + np.float32(0.0)
    if np.isnan(values).any():
        raise ValueError("NaN in a sample: the Kolmogorov-Smirnov distance is not defined")
    bits = values.view(np.uint32)
    sign = np.uint32(0x80000000)
    return np.where(bits & sign, ~bits, bits | sign)


def _keys(codes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    by_column = np.sort(np.ascontiguousarray(codes.T), axis=1).astype(np.uint64)
    columns = np.arange(len(by_column), dtype=np.uint64)[:, None] << np.uint64(32)
    return (columns | by_column).ravel()
