"""Footage becomes episodes by day, hour, file or count, whatever its lengths and the order of its times."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge.baseline.baseline import MAX_EPISODES
from sentinel_edge.baseline.episodes import EPISODE_LIMIT, By, Piece, Rule, divide, require_suitable, suitable_rule
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip
from sentinel_edge.gates.protocol import MIN_FRAMES
from sentinel_edge.verdict.verdict import Status
from tests.footage.test_window import fabricated, numbers
from tests.gates.embedding.test_calibration import baseline_of, judge
from tests.material.simulation import Camera

START = datetime(2023, 6, 13)


def named(times: Sequence[datetime]) -> list[str]:
    return [f"{time:%Y-%m-%dT%H_%M_%S}.jpg" for time in times]


def every(minutes: float, count: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(minutes=minutes * number) for number in range(count)]


def clip(name: str, origins: Sequence[str] | int, stride: int = 1, first: int = 0) -> Piece:
    names = [f"{name}@{number}.0s" for number in range(origins)] if isinstance(origins, int) else origins
    return Piece(name, fabricated(names, stride, first))


def sizes(episodes: Sequence[Piece]) -> dict[str, int]:
    return {episode.name: episode.frames for episode in episodes}


def folder(names: Sequence[str]) -> Clip:
    return Clip(Path("pictures"), ".", tuple(Path("pictures") / name for name in names))


# By day and by hour.


def test_a_webcams_folder_is_cut_by_day() -> None:
    episodes, told = divide([clip(".", named(every(10, 4 * 144)))], Rule(By.DAY))
    assert told == "day"
    assert sizes(episodes) == {f"2023-06-{day}": 144 for day in (13, 14, 15, 16)}


def test_irregular_times_are_cut_where_the_clock_says() -> None:
    times = every(1, 10) + every(90, 10, START + timedelta(hours=3)) + every(0.5, 60, START + timedelta(days=2))
    episodes, _ = divide([clip(".", named(times))], Rule(By.DAY))
    assert sizes(episodes) == {"2023-06-13": 20, "2023-06-15": 60}


def test_a_thinned_folder_keeps_its_length_in_samples() -> None:
    times = every(10, 3 * 144)[::4]
    episodes, _ = divide([clip(".", named(times), stride=4)], Rule(By.DAY))
    assert [(episode.frames, episode.window.samples) for episode in episodes] == [(36, 144)] * 3


def test_one_day_in_two_folders_is_one_episode_and_each_keeps_its_length() -> None:
    morning, evening = named(every(10, 20)), named(every(10, 30, START + timedelta(hours=18)))
    (episode,), _ = divide([clip("a", morning, stride=5), clip("b", evening)], Rule(By.DAY))
    assert (episode.frames, episode.window.samples) == (50, 130)


def test_an_hour_without_frames_enough_is_joined_to_the_one_before() -> None:
    times = every(5, 12) + every(20, 3, START + timedelta(hours=1)) + every(5, 24, START + timedelta(hours=2))
    episodes, told = divide([clip(".", named(times))], Rule(By.HOUR))
    assert told == "hour, 4 joined into 3"
    assert sizes(episodes) == {"2023-06-13 00h … 2023-06-13 01h": 15, "2023-06-13 02h": 12, "2023-06-13 03h": 12}


def test_the_first_hour_without_frames_enough_is_joined_to_the_next() -> None:
    episodes, _ = divide([clip(".", named(every(5, 27, START + timedelta(minutes=45))))], Rule(By.HOUR))
    assert sizes(episodes) == {"2023-06-13 00h … 2023-06-13 01h": 15, "2023-06-13 02h": 12}


def test_too_many_hours_are_joined_evenly_and_that_is_told() -> None:
    episodes, told = divide([clip(".", named(every(5, 6 * 288)))], Rule(By.HOUR))
    assert told == "hour, 144 joined into 20"
    assert {episode.frames for episode in episodes} == {7 * 12, 8 * 12}


@given(st.permutations(range(24)))
def test_times_that_run_backwards_are_put_right(order: list[int]) -> None:
    times = every(180, 24)
    names = [f"{position:02}_{time:%Y%m%d_%H%M%S}.jpg" for position, time in enumerate(times[n] for n in order)]
    episodes, _ = divide([clip(".", names)], Rule(By.DAY))
    assert [len(numbers(episode.window)) for episode in episodes] == [8, 8, 8]
    ordered = [origin[3:] for episode in episodes for origin in episode.window.origins]
    assert ordered == sorted(ordered)


def test_times_that_repeat_keep_every_frame_in_the_order_of_names() -> None:
    # The night daylight saving ends: 02:00 to 03:00 comes twice, a folder for each.
    summer, winter = (every(5, 12, START + timedelta(hours=2)) for _ in range(2))
    clips = [clip("a", named(summer)), clip("b", named(winter), first=12)]
    (episode,), _ = divide(clips, Rule(By.HOUR))
    assert numbers(episode.window) == [number for pair in zip(range(12), range(12, 24), strict=True) for number in pair]


def test_an_undated_picture_goes_with_the_one_before_it() -> None:
    names = named(every(60, 72))
    names[0] = "test.jpg"
    names[30] = "copy.jpg"
    episodes, _ = divide([clip(".", names)], Rule(By.DAY))
    assert sizes(episodes) == {"2023-06-13": 24, "2023-06-14": 24, "2023-06-15": 24}
    assert "copy.jpg" in episodes[1].window.origins
    assert episodes[0].window.origins[0] == "test.jpg"


def test_the_footages_own_folder_may_name_the_date() -> None:
    names = [f"{time:%H%M}.jpg" for time in every(5, 36)]
    episodes, _ = divide([clip(".", names)], Rule(By.HOUR), "2023-06-13")
    assert list(sizes(episodes)) == ["2023-06-13 00h", "2023-06-13 01h", "2023-06-13 02h"]


def test_hours_of_a_picture_each_are_joined_until_there_are_enough() -> None:
    episodes, told = divide([clip(".", named(every(60, 30)))], Rule(By.HOUR))
    assert told == "hour, 30 joined into 3"
    assert [episode.frames for episode in episodes] == [8, 8, 14]


@pytest.mark.parametrize("by", [By.DAY, By.HOUR])
def test_footage_without_times_cannot_be_cut_by_the_clock(by: By) -> None:
    names = [*named(every(60, 4)), *(f"frame_{number:06}.png" for number in range(60))]
    for refuse in (
        lambda: require_suitable([folder(names)], "past", Rule(by)),
        lambda: divide([clip(".", names)], Rule(by)),
    ):
        with pytest.raises(
            SentinelError, match=rf"--episode {by} .*4 of 64 do \(frame_000000.png does not\)"
        ) as caught:
            refuse()
        assert "\n" not in str(caught.value)
        assert "give --episode file or a number" in str(caught.value)


# By file.


def test_files_are_episodes_and_their_lengths_may_differ() -> None:
    lengths = [8, 500, 9, 120, 30]
    episodes, told = divide([clip(str(n), length) for n, length in enumerate(lengths)], Rule(By.FILE))
    assert (told, list(sizes(episodes).values())) == ("file", lengths)


def test_a_short_file_joins_its_neighbour_and_that_is_told() -> None:
    episodes, told = divide([clip("a", 10), clip("b", 10), clip("c", 2), clip("d", 10)], Rule(By.FILE))
    assert told == "file, 4 joined into 3"
    assert sizes(episodes) == {"a": 10, "b … c": 12, "d": 10}


def test_episodes_of_very_different_lengths_raise_no_alarm_and_hide_no_change() -> None:
    camera = Camera(1, dimensions=96)
    baseline = baseline_of([camera.episode(frames) for frames in (8, 400, 30, 12, 200, 60, 9, 100, 40, 80)])
    normal = [judge(camera.episode(40), baseline).status for _ in range(20)]
    assert normal.count(Status.PASS) >= 18
    assert judge(camera.episode(40, shift=4.0), baseline).status is Status.FAIL


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_every_frame_of_long_enough_footage_is_in_one_episode(lengths: list[int]) -> None:
    firsts = np.cumsum([0, *lengths])
    clips = [clip(str(n), length, first=int(firsts[n])) for n, length in enumerate(lengths)]
    episodes, _ = divide(clips, Rule(By.FILE))
    assert len(episodes) <= MAX_EPISODES
    assert all(episode.frames >= MIN_FRAMES for episode in episodes)
    if sum(lengths) >= MIN_FRAMES:
        assert [number for episode in episodes for number in numbers(episode.window)] == list(range(sum(lengths)))


# By count.


@given(
    st.integers(3, MAX_EPISODES), st.lists(st.tuples(st.integers(0, 300), st.integers(1, 4)), min_size=1, max_size=5)
)
def test_a_number_gives_so_many_contiguous_episodes_of_nearly_equal_length(
    count: int, lengths: list[tuple[int, int]]
) -> None:
    firsts = np.cumsum([0, *(frames for frames, _ in lengths)])
    clips = [clip(str(n), frames, stride, int(firsts[n])) for n, (frames, stride) in enumerate(lengths)]
    samples = sum(frames * stride for frames, stride in lengths)
    try:
        episodes, told = divide(clips, Rule(By.COUNT, count))
    except SentinelError as error:
        assert samples < count * (MIN_FRAMES + 1) * max(stride for _, stride in lengths)
        assert str(error).partition("; ")[2].startswith("expected at least 8 in each")  # noqa: PT017
        return
    assert (told, len(episodes)) == ("count", count)
    assert [number for episode in episodes for number in numbers(episode.window)] == list(range(firsts[-1]))
    assert all(abs(episode.window.samples - samples / count) <= 5 for episode in episodes)


def test_an_episode_across_two_files_names_both() -> None:
    episodes, _ = divide([clip("a.mp4", 30), clip("b.mp4", 30)], Rule(By.COUNT, 3))
    assert list(sizes(episodes)) == ["a.mp4 1/3", "a.mp4 … b.mp4 2/3", "b.mp4 3/3"]


def test_one_clip_without_a_number_is_cut_into_as_many_as_suit_it() -> None:
    assert list(sizes(divide([clip("a", 240)], Rule(By.COUNT))[0]).values()) == [20] * 12
    assert list(sizes(divide([clip("a", 24)], Rule(By.COUNT))[0]).values()) == [8] * 3
    assert sizes(divide([clip("a", 40), clip("b", 20)], Rule(By.COUNT))[0]) == {
        "a 1/4": 10,
        "a 2/4": 10,
        "a 3/4": 10,
        "a 4/4": 10,
        "b 1/2": 10,
        "b 2/2": 10,
    }


# What suits footage of which nobody said.


@pytest.mark.parametrize(
    ("clips", "by"),
    [
        ([Clip(Path(f"{n}.mp4"), f"{n}.mp4") for n in range(3)], By.FILE),
        ([folder(named(every(10, 500)))], By.DAY),
        ([folder(named(every(10, 250)))], By.COUNT),
        ([folder(named(every(24 * 60, 100)))], By.COUNT),
        ([folder([f"frame_{number:06}.png" for number in range(500)])], By.COUNT),
        ([folder([*named(every(10, 500)), *(f"frame_{number:06}.png" for number in range(100))])], By.COUNT),
        ([Clip(Path("20230613_031146.mp4"), "20230613_031146.mp4")], By.COUNT),
    ],
    ids=["three files", "three days", "two days", "a picture a day", "undated", "half dated", "a dated video"],
)
def test_the_rule_that_suits_is_found(clips: list[Clip], by: By) -> None:
    assert suitable_rule(clips, "past") == Rule(by)


@pytest.mark.parametrize("rule", [Rule(By.FILE), Rule(By.DAY), Rule(By.HOUR), Rule(By.COUNT, 20)], ids=str)
def test_what_is_kept_while_reading_is_bounded_and_enough(rule: Rule) -> None:
    for clips in (1, 2, 20, 21, 300):
        kept = clips * rule.limit(clips)
        assert kept <= MAX_EPISODES * EPISODE_LIMIT
        assert rule.limit(clips) >= 2 * MIN_FRAMES, "half of it may be all that is kept"
    assert rule.limit(1) == (EPISODE_LIMIT if rule.by is By.FILE else MAX_EPISODES * EPISODE_LIMIT)
