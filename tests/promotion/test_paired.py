"""Paired evidence: what an interval of block means and a test that may stop at any block are worth.

The simulated differences are those of neighbouring triplets: an autoregressive series at ten frames a second, whose
autocorrelation time is what was measured between alike interpolators, or worse.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats

from sentinel_edge.promotion.paired import (
    BLOCK_S,
    MIN_BLOCKS,
    MIN_TRIPLETS,
    Plan,
    Step,
    Weighed,
    block_length,
    block_means,
    block_numbers,
    interval,
    weigh,
)
from sentinel_edge.promotion.side_by_side import MIN_PAIRS, is_slower, surely_slower

FPS = 10
PLAN = Plan()


def triplet_differences(
    runs: int, count: int, autocorrelation_s: float, seed: int, spread: float
) -> NDArray[np.float64]:
    """(runs, count) differences of neighbouring triplets, dB, of mean zero."""
    random = np.random.default_rng(seed)
    kept = np.exp(-2 / (autocorrelation_s * FPS))
    noise = random.standard_normal((runs, count))
    series = np.empty((runs, count))
    series[:, 0] = noise[:, 0]
    for place in range(1, count):
        series[:, place] = kept * series[:, place - 1] + np.sqrt(1 - kept**2) * noise[:, place]
    return spread * series


def simulated_blocks(
    runs: int, blocks: int, autocorrelation_s: float, seed: int = 0, spread: float = 1.2
) -> NDArray[np.float64]:
    """(runs, blocks) block means, cut as footage is cut."""
    per_block = int(BLOCK_S * FPS)
    series = triplet_differences(runs, blocks * per_block, autocorrelation_s, seed, spread)
    numbers = block_numbers(np.arange(blocks * per_block) / FPS)
    return np.stack([block_means(one, numbers) for one in series])


def stopped(differences: NDArray[np.float64], plan: Plan = PLAN) -> Weighed:
    """What is decided when one looks after every block."""
    for blocks in range(1, len(differences) + 1):
        found = weigh(differences[:blocks], plan)
        if found.decision is not Step.CONTINUE:
            return found
    return found


# Blocks.


def test_a_block_is_a_stretch_of_time_whatever_the_frame_rate() -> None:
    for fps in (5, 10, 25, 29.97):
        seconds = np.arange(int(10 * fps)) / fps
        numbers = block_numbers(seconds, 2.0)
        assert set(numbers) == {0, 1, 2, 3, 4}
        assert all(np.ptp(seconds[numbers == number]) < 2.0 for number in range(5))
    assert block_numbers(np.array([1.9999, 2 - 1e-12, 2.0])).tolist() == [0, 1, 1], (
        "a rounded time is not a block early"
    )


def test_a_block_is_the_mean_of_what_was_scored_in_it_and_one_with_too_little_is_not_counted() -> None:
    differences = np.array([1.0, 2, 3, 4, 5, np.nan, 7, 7, 7, 7, np.nan, np.nan, 1, 1, 1, 1, 1])
    blocks = np.array([0] * 6 + [1] * 6 + [3] * 5)
    assert MIN_TRIPLETS == 5
    assert block_means(differences, blocks).tolist() == [3.0, 1.0], "the second has four"
    assert len(block_means(np.full(9, np.nan), np.zeros(9, int))) == 0


def test_where_triplets_lie_far_apart_a_block_is_as_long_as_it_takes() -> None:
    assert block_length(2.0, 1 / 25) == 2.0
    spacing = 1.5
    seconds = np.arange(60, dtype=np.float64) * spacing
    means = block_means(np.ones(60), block_numbers(seconds, block_length(2.0, spacing)))
    assert len(means) == 60 // (MIN_TRIPLETS + 1), "every triplet is in a block that counts"


# The interval.


def test_of_independent_blocks_the_interval_is_students() -> None:
    # Alternating neighbours are not alike at all, so nothing is widened.
    means = np.array([0.1, 0.9, 0.2, 0.8, 0.15, 0.7, 0.1, 0.95])
    found = interval(means)
    expected = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
    assert (found.lag_one, found.blocks, found.enough) == (0.0, 8, True)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_neighbouring_blocks_that_are_alike_widen_it() -> None:
    drifting = np.linspace(0.0, 1.0, 12)
    mixed = drifting[[0, 11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6]]
    slow, fast = interval(drifting), interval(mixed)
    assert slow.mean == pytest.approx(fast.mean)
    assert slow.high - slow.low > 1.3 * (fast.high - fast.low)


@pytest.mark.parametrize("blocks", range(1, MIN_BLOCKS))
def test_few_blocks_prove_nothing_however_alike(blocks: int) -> None:
    assert not interval(np.full(blocks, 3.0)).enough
    if blocks == 1:
        assert interval(np.full(1, 3.0)).low == -np.inf
    with pytest.raises(ValueError, match="at least one"):
        interval(np.empty(0))


@pytest.mark.parametrize(("autocorrelation_s", "worst"), [(0.2, 0.03), (0.6, 0.035), (1.2, 0.05)])
@pytest.mark.parametrize("blocks", [MIN_BLOCKS, 12])
def test_the_lower_end_is_above_the_truth_about_as_rarely_as_it_says(
    blocks: int, autocorrelation_s: float, worst: float
) -> None:
    """Nominal is 2.5 % on each side. Refuted only by a count that `worst` would give less than once in a thousand."""
    runs = 1500
    wrong = sum(interval(means).low > 0 for means in simulated_blocks(runs, blocks, autocorrelation_s))
    assert stats.binom.sf(wrong - 1, runs, worst) > 0.001, f"{wrong} of {runs}"


# The sequential test.


@pytest.mark.slow
@pytest.mark.parametrize("autocorrelation_s", [0.2, 0.6, 2.0])
def test_where_nothing_is_gained_at_most_alpha_are_promoted_though_one_looks_after_every_block(
    autocorrelation_s: float,
) -> None:
    runs = 200
    ends = [stopped(one) for one in simulated_blocks(runs, PLAN.maximum, autocorrelation_s)]
    promoted = sum(one.decision is Step.PROMOTE for one in ends)
    assert stats.binom.sf(promoted - 1, runs, PLAN.alpha) > 0.001, f"{promoted} of {runs}"
    assert all(one.decision is not Step.CONTINUE for one in ends)


def test_where_nothing_is_gained_it_ends_long_before_the_maximum() -> None:
    ends = [stopped(one) for one in simulated_blocks(30, PLAN.maximum, 0.4, spread=0.6)]
    assert sum(one.decision is Step.PROMOTE for one in ends) <= 3
    assert np.mean([one.blocks for one in ends]) < 0.6 * PLAN.maximum


@pytest.mark.parametrize(("gain", "blocks"), [(0.3, 30), (0.5, 18), (1.0, 11)])
def test_a_gain_is_found_and_the_larger_the_sooner(gain: float, blocks: int) -> None:
    ends = [stopped(one + gain) for one in simulated_blocks(20, PLAN.maximum, 0.4, spread=0.6)]
    assert sum(one.decision is Step.PROMOTE for one in ends) >= 19
    assert np.mean([one.blocks for one in ends]) < blocks


def test_a_loss_rolls_back_early() -> None:
    ends = [stopped(one - 0.5) for one in simulated_blocks(20, PLAN.maximum, 0.4, spread=0.6)]
    assert all(one.decision is Step.ROLL_BACK for one in ends)
    assert np.mean([one.blocks for one in ends]) < 12


def test_at_the_maximum_doubt_is_for_the_champion() -> None:
    undecided = np.tile([0.9, -0.5], 5)
    short = Plan(maximum=10)
    assert weigh(undecided, Plan()).decision is Step.CONTINUE
    found = weigh(undecided, short)
    assert found.decision is Step.ROLL_BACK
    assert "the maximum" in found.reason


def test_when_full_wins_to_the_end_would_not_suffice_it_ends_at_once() -> None:
    losses = np.array([-0.9, 0.3, -0.9, 0.4])
    assert weigh(losses, Plan(maximum=6)).decision is Step.ROLL_BACK
    assert "any more" in weigh(losses, Plan(maximum=6)).reason
    assert weigh(losses, Plan(maximum=60)).decision is Step.CONTINUE


def test_no_single_block_decides_and_a_gain_that_is_all_freak_is_no_gain() -> None:
    assert weigh(np.array([50.0]), PLAN).decision is Step.CONTINUE
    assert weigh(np.array([50.0, 0.0, 0.1]), PLAN).decision is Step.CONTINUE
    # Small gains and rare heavy losses: proven above zero where a loss counts 0.7 dB at most, yet worse on average.
    heavy = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, -30.0, 0.9, 0.9, 0.9, 0.9, 0.9])
    found = weigh(heavy, PLAN)
    assert found.low > 0 > found.mean
    assert found.decision is not Step.PROMOTE


@given(hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats(-5, 5)))
@settings(deadline=None, max_examples=50)
def test_the_bounds_hold_the_clipped_mean_between_them_and_decide_alike_in_the_mirror(
    differences: NDArray[np.float64],
) -> None:
    found, mirrored = weigh(differences, PLAN), weigh(-differences, PLAN)
    clipped = np.clip(differences, -PLAN.clip_db, PLAN.clip_db)
    if len(clipped):
        assert found.low <= clipped.mean() + 1e-9
        assert found.high >= clipped.mean() - 1e-9
    assert (found.low, found.high) == (-mirrored.high, -mirrored.low)
    if found.decision is Step.PROMOTE:
        assert mirrored.decision is Step.ROLL_BACK


def test_the_same_blocks_prove_less_where_neighbours_are_alike() -> None:
    runs = np.repeat([0.9, 0.1], 10)
    mixed = np.tile([0.9, 0.1], 10)
    assert weigh(runs, PLAN).low < weigh(mixed, PLAN).low - 0.1
    assert weigh(runs, PLAN).high > weigh(mixed, PLAN).high


def test_a_proof_is_a_capital_of_one_over_alpha() -> None:
    """Full wins: the four gamblers' mean capital after k blocks is that of the formula."""
    for wins in range(1, 12):
        capital = np.mean([(1 + stake) ** wins for stake in (0.125, 0.25, 0.5, 0.9)])
        proven = weigh(np.full(wins, 1.0), PLAN).decision is Step.PROMOTE
        assert proven == (capital >= 1 / PLAN.alpha), wins


# Latency.


def test_slower_is_by_a_fifth_and_by_more_than_the_runtimes_own_noise() -> None:
    assert is_slower(0.040, 0.049)
    assert not is_slower(0.040, 0.047)
    assert not is_slower(0.0004, 0.0008), "twice as slow, by less than a millisecond"


def test_a_few_slow_triplets_are_the_machines_and_most_of_them_the_challengers() -> None:
    assert not surely_slower(200, 100)
    assert surely_slower(200, 130)
    assert not surely_slower(MIN_PAIRS - 1, MIN_PAIRS - 1)
    assert surely_slower(MIN_PAIRS, MIN_PAIRS)
    assert not surely_slower(0, 0)
