"""What was seen before is told from what only looks like it."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import pytest

from sentinel_edge.gates.protocol import Episodes
from sentinel_edge.gates.replay.gate import ReplayGate, ReplayNormal
from sentinel_edge.gates.replay.normal import (
    LOOPED,
    REPEATED,
    REPLAYED,
    KnownPrints,
    compare_prints,
    learn_prints,
)
from sentinel_edge.sabotage.corruptions import Frame
from sentinel_edge.storage.arrays import DamagedError
from tests.material.simulation import PictureCamera, signals_of

EPISODES, LENGTH = 6, 24


@cache
def past() -> tuple[tuple[Frame, ...], ...]:
    camera = PictureCamera(3)
    return tuple(tuple(camera.episode(LENGTH)) for _ in range(EPISODES))


@cache
def known() -> KnownPrints:
    return learn_prints([signals_of(frames) for frames in past()])


def new(count: int = LENGTH, seed: int = 99) -> list[Frame]:
    camera = PictureCamera(3)
    camera.rng = np.random.default_rng(seed)
    return camera.episode(count)


def failed(frames: Sequence[Frame], against: KnownPrints | None = None) -> set[str]:
    scores = compare_prints(signals_of(frames), against or known()).scores
    return {name for name, score in scores.items() if score > 1}


@pytest.mark.parametrize("seed", range(5))
def test_new_footage_of_the_same_scene_is_new(seed: int) -> None:
    assert failed(new(seed=seed)) == set()
    assert failed(new(8, seed=seed)) == set()


def encoded(frame: Frame) -> Frame:
    _, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


def test_an_episode_seen_again_is_known_in_any_order_and_after_another_encoder() -> None:
    again = list(past()[2])
    for frames in (again, again[::-1], again[6:18], [encoded(frame) for frame in again]):
        assert REPLAYED in failed(frames)
    found = compare_prints(signals_of(again), known())
    assert found.episodes[0] == 2
    assert found.copies.all()


def test_an_episode_that_a_window_holds_among_much_else_is_known() -> None:
    window = [*new(60, seed=1), *past()[4], *new(60, seed=2)]
    assert failed(window) == {REPLAYED}


def test_a_minute_that_runs_over_and_over_is_a_loop() -> None:
    minute = new(6)
    assert failed(minute * 4) == {LOOPED}


def test_what_shows_nothing_is_no_replay() -> None:
    rng = np.random.default_rng(0)
    dark = [np.asarray(rng.integers(0, 3, (96, 128, 3)), np.uint8) for _ in range(LENGTH)]
    nights = learn_prints([signals_of(dark), *(signals_of(frames) for frames in past())])
    assert failed(dark, nights) == set()


def still(*lengths: int) -> list[Frame]:
    """New pictures, each shown so many times."""
    return [frame for frame, count in zip(new(len(lengths)), lengths, strict=True) for _ in range(count)]


def test_pictures_that_stand_still_are_told_by_how_often_it_is_normal() -> None:
    assert failed(still(2, *[1] * 16)) == set(), "one pair is an accident"
    assert REPEATED in failed(still(4, *[1] * 14)), "four times the same picture is none"
    assert REPEATED in failed([frame for frame in new(12) for _ in range(2)]), "every frame twice"
    one_pair = learn_prints([*(signals_of(frames) for frames in past()), signals_of(still(2, *[1] * 16))])
    assert REPEATED in failed(still(4, *[1] * 14), one_pair), "a pair in the baseline excuses a pair"
    hangs = [signals_of(still(*[3] * 8)) for _ in range(3)]
    assert failed(still(*[3] * 8), learn_prints(hangs)) == set(), "a camera that always does is normal"


def test_what_the_file_keeps_gives_the_same_and_is_bounded() -> None:
    long = learn_prints([np.concatenate([signals_of(frames) for frames in past()])] * 12)
    assert len(long.prints) <= 600
    gate, episodes = ReplayGate(), Episodes(tuple("abcdef"), (LENGTH,) * EPISODES, (LENGTH,) * EPISODES)
    packed = ReplayNormal(known()).pack()
    again = gate.unpack(packed, episodes).known
    np.testing.assert_array_equal(again.prints, known().prints)
    assert (again.near, again.near_itself) == (known().near, known().near_itself)
    packed.arrays["print_owners"][-1] = EPISODES
    with pytest.raises(DamagedError, match="prints of frames"):
        gate.unpack(packed, episodes)
    known.cache_clear()


def test_what_is_added_is_known_again_and_what_is_given_up_is_not() -> None:
    added = new(LENGTH, seed=5)
    grown = known().then(learn_prints([signals_of(added)]))
    assert REPLAYED in failed(added, grown)
    assert failed(past()[1], grown.only([0, 2, 3, 4, 5, 6])) == set()


def test_what_is_learned_twice_is_known_no_less() -> None:
    twice = known().then(learn_prints([signals_of(frames) for frames in past()[:3]]))
    assert twice.near >= known().near
    for frames in past():
        assert REPLAYED in failed(frames, twice)


def test_what_is_to_be_learned_may_be_known_but_may_not_repeat_itself() -> None:
    known_again = ReplayNormal(known()).for_learning().known
    assert failed(past()[2], known_again) == set()
    assert LOOPED in failed([*past()[2][:12], *past()[2][:12]], known_again)
