"""The vectorised Kolmogorov-Smirnov statistic against SciPy's, column by column."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import special, stats

from sentinel_edge.gates.embedding import ks

FLOATS: tuple[type[np.floating], ...] = (np.float16, np.float32, np.float64)


def scipy_statistic(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    columns = zip(a.T.astype(float), b.T.astype(float), strict=True)
    return np.array([stats.ks_2samp(x, y, method="asymp").statistic for x, y in columns])


@st.composite
def sample_pairs(draw: st.DrawFn) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    dtype = draw(st.sampled_from(FLOATS))
    n, m, d = draw(st.integers(1, 30)), draw(st.integers(1, 30)), draw(st.integers(1, 4))
    # Few distinct values, zeros of both signs and extremes: ties everywhere.
    values = st.sampled_from([-3.5, -1.0, -0.0, 0.0, 1e-7, 0.5, 1.0, 2.0, 60000.0]) | st.floats(-4, 4, width=16)
    arrays = [draw(hnp.arrays(dtype, (rows, d), elements=values)) for rows in (n, m)]
    return arrays[0], arrays[1]


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # SciPy's own, at n = 1
@given(sample_pairs())
@settings(deadline=None)
def test_equals_scipy_column_by_column_whatever_the_ties(
    pair: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> None:
    a, b = pair
    np.testing.assert_allclose(ks.statistic(a, b), scipy_statistic(a, b), atol=1e-12)


@given(sample_pairs(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_the_order_of_frames_nor_of_samples_matters(
    pair: tuple[NDArray[np.floating], NDArray[np.floating]], random: "np.random.Generator"
) -> None:
    a, b = pair
    shuffled = a[random.sample(range(len(a)), len(a))]  # type: ignore[attr-defined]
    expected = ks.statistic(a, b)
    assert (ks.statistic(shuffled, b) == expected).all()
    np.testing.assert_allclose(ks.statistic(b, a), expected, atol=1e-15)


def test_equals_scipy_on_real_embeddings(campus_embeddings: tuple[NDArray[np.float16], NDArray[np.float16]]) -> None:
    past, incoming = campus_embeddings
    assert 0.1 < (past == 0).mean() < 0.6, "real embeddings hold many exact zeros, the case that ties make hard"
    for dtype, step in zip(FLOATS, (1, 16, 16), strict=True):
        a, b = incoming[:, ::step].astype(dtype), past[:, ::step].astype(dtype)
        np.testing.assert_allclose(ks.statistic(a, b), scipy_statistic(a, b), atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
def test_known_answers(dtype: type[np.floating]) -> None:
    def one(a: list[float], b: list[float]) -> float:
        return float(ks.statistic(np.array([a], dtype).T, np.array([b], dtype).T)[0])

    assert one([1], [1]) == 0  # n = 1, and equal
    assert one([1], [2]) == 1  # n = 1, and apart
    assert one([5, 5, 5], [5, 5]) == 0  # constant
    assert one([0, 0, 0, 1], [0, 1, 1, 1]) == 0.5
    assert one([-0.0], [0.0]) == 0  # zeros are equal whatever their sign


def test_columns_do_not_leak_into_each_other() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 70)).astype(np.float32), rng.normal(size=(25, 70)).astype(np.float32)
    a[:, 3], b[:, 5] = 1e6, -1e6
    together = ks.statistic(a, b)
    alone = [ks.statistic(a[:, j : j + 1], b[:, j : j + 1])[0] for j in range(70)]
    assert (together == alone).all()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.empty((0, 3)), np.ones((2, 3))),
        (np.ones((2, 3)), np.empty((0, 3))),
        (np.ones((2, 3)), np.ones((2, 4))),
        (np.ones(3), np.ones(3)),
    ],
)
def test_samples_that_cannot_be_compared_are_refused(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="non-empty samples with equal columns"):
        ks.statistic(a, b)


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_is_refused(dtype: type[np.floating]) -> None:
    bad = np.array([[1.0], [np.nan]], dtype)
    with pytest.raises(ValueError, match="NaN"):
        ks.statistic(bad, np.ones((2, 1), dtype))
    with pytest.raises(ValueError, match="NaN"):
        ks.statistic(np.ones((2, 1), dtype), bad)


def test_pvalues_are_scipys_asymptotic_ones_under_independence() -> None:
    rng = np.random.default_rng(1)
    n, m = 300, 2000
    a, b = rng.normal(size=(n, 50)), rng.normal(0.05, 1, size=(m, 50))
    distance = ks.statistic(a, b)
    ours = ks.pvalues(distance, ks.independent_scale(n, m))
    np.testing.assert_allclose(ours, stats.kstwobign.sf(distance * np.sqrt(n * m / (n + m))), atol=1e-12)
    exact = [stats.ks_2samp(x, y).pvalue for x, y in zip(a.T, b.T, strict=True)]
    np.testing.assert_allclose(ours, exact, atol=0.02)


def test_the_constants_are_the_kolmogorov_distributions_own() -> None:
    assert pytest.approx(special.kolmogi(0.25), rel=1e-6) == ks.KOLMOGOROV_UPPER_QUARTILE


@given(
    hnp.arrays(np.float16, st.tuples(st.integers(1, 200), st.integers(1, 3)), elements=st.floats(-8, 8, width=16)),
    st.integers(1, 64),
)
@settings(deadline=None)
def test_a_sketch_is_close_to_its_sample_and_made_of_its_values(sample: NDArray[np.float16], points: int) -> None:
    sketch = ks.quantile_sketch(sample, points)
    assert sketch.shape == (points, sample.shape[1])
    assert (np.diff(sketch.astype(np.float32), axis=0) >= 0).all()
    for column in range(sample.shape[1]):
        assert np.isin(sketch[:, column], sample[:, column]).all()
    assert (ks.statistic(sample, sketch) <= 0.5 / points + 1e-12).all()
