"""The bounded, even choice of samples."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge.footage.sampling import EvenSample


@given(st.integers(0, 5000), st.integers(2, 300))
def test_what_is_kept_is_bounded_even_and_complete(count: int, limit: int) -> None:
    kept: EvenSample[int] = EvenSample(limit)
    for index in range(count):
        kept.add(index, index)
    assert list(kept) == list(range(0, count, kept.stride))
    assert len(kept) <= limit
    assert kept.stride == 1 or len(kept) >= limit // 2


@given(st.integers(0, 2000), st.integers(2, 50))
def test_items_that_are_not_wanted_need_not_be_offered(count: int, limit: int) -> None:
    everything: EvenSample[int] = EvenSample(limit)
    asked: EvenSample[int] = EvenSample(limit)
    for index in range(count):
        everything.add(index, index)
        if asked.wants(index):
            asked.add(index, index)
    assert list(asked) == list(everything)
