"""Which samples are looked at: bounded, even, and so that nothing hides between them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_edge.footage.sampling import EvenSample, Instants, is_chosen


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 3000), st.integers(2, 300))
def test_what_is_kept_is_bounded_even_and_complete(count: int, limit: int) -> None:
    kept: EvenSample[int] = EvenSample(limit)
    for index in range(count):
        kept.add(index, index)
    blocks = [index // kept.stride for index in kept]
    whole = count // kept.stride
    assert blocks[:whole] == list(range(whole)), "one of every so many, and the last where it is of the rest"
    assert list(kept) == kept.indices()
    assert len(kept) <= limit
    assert kept.stride == 1 or len(kept) >= limit // 2 - 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 50))
def test_items_that_are_not_wanted_need_not_be_offered(count: int, limit: int) -> None:
    everything: EvenSample[int] = EvenSample(limit)
    asked: EvenSample[int] = EvenSample(limit)
    for index in range(count):
        everything.add(index, index)
        if asked.wants(index):
            asked.add(index, index)
    assert list(asked) == list(everything)


@pytest.mark.parametrize("every", [1, 2, 10])
def test_costly_work_is_done_for_one_of_so_many_and_for_as_many_of_what_is_kept(every: int) -> None:
    assert [
        sum(is_chosen(index, every) for index in range(start, start + every)) for start in range(0, 500, every)
    ] == [1] * (500 // every)
    kept: EvenSample[int] = EvenSample(2000)
    for index in range(50_000):
        kept.add(index, index)
    chosen = [index for index in kept if is_chosen(index, every)]
    assert len(chosen) == pytest.approx(len(kept) / every, rel=0.25)


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8, 16])
def test_nothing_that_comes_by_turns_hides_from_thinning(period: int) -> None:
    kept: EvenSample[int] = EvenSample(200)
    for index in range(20_000):
        kept.add(index, index)
    phases = np.bincount([index % period for index in kept], minlength=period)
    assert phases.min() > 0.2 * phases.mean()


@pytest.mark.parametrize(("native", "fps"), [(10.0, 5.0), (12.5, 5.0), (25.0, 5.0), (29.97, 5.0), (30.0, 1.0)])
@pytest.mark.parametrize("period", [2, 3, 4, 5, 6])
def test_nothing_that_comes_by_turns_hides_from_sampling(native: float, fps: float, period: int) -> None:
    instants = Instants(fps)
    taken = [number for number in range(6000) if instants.take(number / native)]
    assert len(taken) == pytest.approx(6000 / native * fps, rel=0.05)
    phases = np.bincount([number % period for number in taken], minlength=period)
    assert phases.min() > 0.5 * phases.mean()


def test_a_stream_with_holes_and_bursts_is_sampled_once_a_slot() -> None:
    times = [0.0, 0.5, 0.52, 0.54, 0.9, 2.0, 2.01, 2.02, 2.03, 2.3, 2.5]
    instants = Instants(5.0)
    taken = [time for time in times if instants.take(time)]
    assert taken[:2] == [0.0, 0.5]
    slots = [int(time * 5) for time in taken]
    assert len(slots) == len(set(slots))
