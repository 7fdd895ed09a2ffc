"""What a window hides from a median is found; ordinary windows, with all that moves through them, are left alone."""

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.gates.moments.gate import MomentsGate, MomentsNormal
from sentinel_edge.gates.moments.normal import (
    TORN_SHARE,
    KnownMoments,
    Stretch,
    assess_moments,
    extend_moments,
    learn_moments,
    spread,
)
from sentinel_edge.gates.protocol import Episodes
from sentinel_edge.gates.signals import FrameSignals
from sentinel_edge.sabotage.corruptions import Frame
from sentinel_edge.storage.arrays import DamagedError
from tests.material.simulation import PictureCamera, signals_of

EPISODES, LENGTH = 8, 32
Recorded = tuple[FrameSignals, NDArray[np.float32]]


def recorded(frames: Sequence[Frame]) -> Recorded:
    following = [*frames[1:], None]
    return signals_of(frames), np.array([spread(*pair) for pair in zip(frames, following, strict=True)], np.float32)


def learned(episodes: Sequence[Sequence[Frame]]) -> KnownMoments:
    signals, spreads = zip(*(recorded(frames) for frames in episodes), strict=True)
    return learn_moments(signals, spreads, [len(frames) for frames in episodes])


@cache
def past() -> tuple[tuple[Frame, ...], ...]:
    camera = PictureCamera(3)
    return tuple(tuple(camera.episode(LENGTH)) for _ in range(EPISODES))


@cache
def known() -> KnownMoments:
    return learned(past())


def new(count: int = LENGTH, seed: int = 99) -> list[Frame]:
    camera = PictureCamera(3)
    camera.rng = np.random.default_rng(seed)
    return camera.episode(count)


def assessed(frames: Sequence[Frame]) -> Stretch:
    return assess_moments(*recorded(frames), len(frames), known())


def worst(found: Stretch) -> float:
    return max(found.deviations.values())


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_windows_are_left_alone(seed: int) -> None:
    for count in (LENGTH, 12):
        found = assessed(new(count, seed))
        assert worst(found) < 1
        assert found.torn == 0


def covered(frame: Frame) -> Frame:
    hidden = frame.copy()
    hidden[:, : frame.shape[1] // 2] = 40
    return hidden


DAMAGE: dict[str, Callable[[Frame], Frame]] = {
    "black": np.zeros_like,
    "covered": covered,
    "mirrored": lambda frame: np.ascontiguousarray(frame[:, ::-1]),
    "blurred": lambda frame: np.asarray(cv2.GaussianBlur(frame, (0, 0), 3.0), np.uint8),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("start", [0, 11, 24])
def test_damage_that_lasts_a_quarter_of_the_window_is_found_where_it_is(damage: str, start: int) -> None:
    stop = start + LENGTH // 4
    frames = [DAMAGE[damage](frame) if start <= n < stop else frame for n, frame in enumerate(new())]
    found = assessed(frames)
    assert worst(found) > 1
    assert found.start < stop
    assert found.stop > start


@pytest.mark.parametrize("every", [2, 4])
@pytest.mark.parametrize("damage", ["black", "covered", "mirrored"])
def test_damage_that_comes_and_goes_is_found(damage: str, every: int) -> None:
    frames = [DAMAGE[damage](frame) if n % every == 0 else frame for n, frame in enumerate(new())]
    assert assessed(frames).torn > TORN_SHARE


def test_damage_between_the_samples_shows_in_the_frame_behind_each() -> None:
    frames = new()
    signals, _ = recorded(frames)
    spreads = np.array([spread(frame, np.zeros_like(frame)) for frame in frames], np.float32)
    assert assess_moments(signals, spreads, LENGTH, known()).torn > TORN_SHARE


def test_the_first_car_before_a_quiet_camera_does_not_tear_its_picture() -> None:
    road = PictureCamera(5, episode_effect=0.0).episode(1)[0]
    rng = np.random.default_rng(0)

    def quiet() -> list[Frame]:
        noise = rng.normal(0, 1, (LENGTH, *road.shape))
        return [np.clip(road + one, 0, 255).astype(np.uint8) for one in noise]

    quiet_past = learned([quiet() for _ in range(6)])
    busy = quiet()
    for number, frame in enumerate(busy):
        left = number * 8 % road.shape[1]
        frame[20:50, left : left + 20] = 200
    assert assess_moments(*recorded(busy), LENGTH, quiet_past).torn <= TORN_SHARE


def test_what_the_file_keeps_gives_the_same_and_a_torn_file_is_refused() -> None:
    gate, episodes = MomentsGate(), Episodes(tuple("abcdefgh"), (LENGTH,) * EPISODES, (LENGTH,) * EPISODES)
    packed = MomentsNormal(known()).pack()
    again = gate.unpack(packed, episodes).known
    window = new()
    assert assess_moments(*recorded(window), LENGTH, again).deviations == assessed(window).deviations
    for name in MomentsGate.arrays:
        broken = dict(packed.arrays) | {name: packed.arrays[name][:0]}
        with pytest.raises(DamagedError):
            gate.unpack(type(packed)(packed.header, broken), episodes)


def test_a_new_normal_that_is_added_is_normal_and_tolerances_never_fall() -> None:
    nights = [PictureCamera(3).episode(LENGTH, night=True) for _ in range(3)]
    signals, spreads = zip(*(recorded(frames) for frames in nights), strict=True)
    grown = extend_moments(known(), EPISODES, signals, spreads, [LENGTH] * 3)
    assert (grown.tolerances >= known().tolerances).all()
    assert (grown.torn >= known().torn).all()
    camera = PictureCamera(3)
    camera.rng = np.random.default_rng(4)
    night = camera.episode(LENGTH, night=True)
    assert worst(assess_moments(*recorded(night), LENGTH, grown)) < worst(assessed(night))
