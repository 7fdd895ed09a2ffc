"""Time as files tell it: frames that are counted, gaps that are holes and gaps that are none, and even stretches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge.footage.clock import FrameClock, HoleFinder, Ticker, paces, plausible_rate, steady_rate


def holes(times: list[float]) -> list[tuple[float, float]]:
    finder = HoleFinder()
    for seconds in times:
        finder.add(seconds)
    finder.finish()
    return [(round(hole.start, 2), round(hole.length, 2)) for hole in finder.holes]


def every(step: float, count: int, start: float = 0.0) -> list[float]:
    return [start + step * index for index in range(count)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (every(0.1, 100), []),
        (every(0.1, 50) + every(0.1, 50, 14.9), [(4.9, 10.0)]),
        (every(0.1, 2) + every(0.1, 1, 9.0), [(0.1, 8.9)]),
        (every(0.5, 40) + every(0.04, 200, 20.0), []),
        (every(10.0, 40), []),
        (every(0.04, 50) + every(5.0, 40, 6.0) + every(0.04, 50, 206.0), []),
        (every(10.0, 20) + every(10.0, 20, 1000.0), [(190.0, 810.0)]),
        ([0.0, 0.1, 0.2, 0.3, 5.3, 10.3, 10.4, 10.5, 10.6, 10.7], [(0.3, 5.0), (5.3, 5.0)]),
        ([], []),
        ([0.0], []),
        ([0.0, 60.0], []),
    ],
    ids=["even", "one", "of few", "faster", "slow", "slow for a time", "of slow", "two", "nothing", "one frame", "two"],
)
def test_a_hole_is_a_gap_far_longer_than_those_around_it(
    times: list[float], expected: list[tuple[float, float]]
) -> None:
    assert holes(times) == expected


@given(st.integers(0, 2**32 - 1))
def test_a_camera_that_drops_two_thirds_of_its_frames_has_no_holes_worth_speaking_of(seed: int) -> None:
    kept = np.flatnonzero(np.random.default_rng(seed).random(600) < 1 / 3) / 10.0
    assert sum(length for _, length in holes(list(kept))) <= 0.1 * 60.0


@pytest.mark.parametrize(
    ("stamps", "rate", "last", "counted"),
    [
        ([index / 90_000 for index in range(300)], 2903.5, 299 / 25, 299),
        ([index / 600 for index in range(50)], 600.0, 49 / 25, 49),
        ([0.0] * 50, 10.0, 4.9, 49),
        ([index / 25 for index in range(50)], 600.0, 49 / 25, 0),
        ([0.0, 0.04, 0.04, 0.08, 0.12, 0.4], 5.0, 0.4, 3),
        ([0.0, 0.001, 0.002, 0.1, 0.101, 0.2], 25.0, 0.2, 0),
    ],
    ids=["crawling", "at 600 fps", "still", "header 600 fps", "repeated", "in bursts"],
)
def test_frames_whose_time_stamps_stand_still_are_counted_at_the_nominal_rate(
    stamps: list[float], rate: float, last: float, counted: int
) -> None:
    clock = FrameClock(rate)
    times = [clock.tick(stamp) for stamp in stamps]
    assert np.diff(times).min() > 0
    assert times[-1] == pytest.approx(last)
    assert clock.counted == counted
    assert clock.stands_still == (counted > 10)


@pytest.mark.parametrize(("rate", "expected"), [(10.0, 10.0), (2903.5, 25.0), (0.0, 25.0), (float("nan"), 25.0)])
def test_a_rate_no_camera_has_is_not_believed(rate: float, expected: float) -> None:
    assert plausible_rate(rate) == expected


def test_a_video_is_divided_where_its_pace_changes_and_where_frames_are_missing() -> None:
    times = every(0.5, 100) + every(0.04, 200, 50.0) + every(0.04, 100, 658.0)
    found = [(pace.first, pace.frames, round(pace.rate, 1), pace.steady) for pace in paces(np.array(times), 0.6)]
    assert found == [(0, 100, 2.0, True), (100, 200, 25.0, True), (300, 100, 25.0, True)]


def test_frames_in_bursts_go_at_the_rate_of_their_mean() -> None:
    bursts = [0.1 * index + 0.001 * frame for index in range(80) for frame in range(3 - index % 2)]
    (pace,) = paces(np.array(bursts), 5.17)
    assert pace.ticks == pytest.approx(25.0, rel=0.02)
    ticker = Ticker(pace.ticks)
    assert np.diff([ticker.number(seconds) for seconds in bursts]).max() <= 2


@given(st.lists(st.floats(0.0, 30.0), max_size=60), st.floats(0.1, 240.0))
def test_every_frame_is_in_one_stretch_whatever_the_times(gaps: list[float], nominal: float) -> None:
    clock = FrameClock(nominal)
    times = np.array([clock.tick(float(stamp)) for stamp in np.cumsum(gaps)])
    found = paces(times, nominal)
    assert [pace.first for pace in found] == list(np.cumsum([0, *(pace.frames for pace in found)])[: len(found)])
    assert sum(pace.frames for pace in found) == len(times)
    assert all(pace.frames > 0 and pace.rate > 0 and pace.ticks > 0 for pace in found)


@pytest.mark.parametrize(
    ("times", "nominal", "expected"),
    [
        (every(1001 / 30_000, 90), 30_000 / 1001, 30_000 / 1001),
        ([round(one, 3) for one in every(1 / 30, 90)], 30.0, 30.0),
        (every(0.1, 90), 600.0, 10.0),
        (every(0.1, 90) + every(0.1, 90, 60.0), 10.0, None),
        ([0.0], 10.0, 10.0),
    ],
)
def test_a_video_is_steady_where_each_frame_is_where_it_belongs(
    times: list[float], nominal: float, expected: float | None
) -> None:
    assert steady_rate(np.array(times), nominal) == (None if expected is None else pytest.approx(expected))
