"""Whether the camera itself is under way, on rendered scenes whose camera is known."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from sentinel_edge.causes import Cause
from sentinel_edge.gates.quality.diagnosis import diagnose
from sentinel_edge.gates.quality.learning import extend_quality, learn_quality
from sentinel_edge.gates.quality.normal import KnownQuality, assess
from sentinel_edge.gates.quality.travel import TRAVELS, travel
from sentinel_edge.gates.signals import FrameSignals
from sentinel_edge.sabotage.corruptions import Failure
from tests.material.simulation import HEIGHT, WIDTH, Frame, signals_of, textured_scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAMES = 48
Way = Callable[[int], tuple[float, float]]


def fixed(number: int) -> tuple[float, float]:
    """Nothing moves the camera."""
    return 0.0, 0.0


def patrol(number: int) -> tuple[float, float]:
    """To and fro, across the whole room in 25 frames."""
    return 0.3 * HEIGHT * abs(number % 50 - 25) / 25, 0.6 * WIDTH * abs(number % 50 - 25) / 25


def ride(number: int) -> tuple[float, float]:
    """One way only, slowly."""
    return 0.0, 0.8 * WIDTH * number / FRAMES


def knocked(number: int) -> tuple[float, float]:
    """Once, and by much."""
    return 0.0, 0.3 * WIDTH * (number > FRAMES // 2)


def shaken(number: int) -> tuple[float, float]:
    """By wind: to and fro all the time, by up to 4 % of the picture."""
    return 0.04 * HEIGHT * np.cos(1.7 * number), 0.04 * WIDTH * np.sin(2.1 * number)


def sags(number: int) -> tuple[float, float]:
    """Its mount gives way, by 10 % of the picture in all."""
    return 0.1 * HEIGHT * number / FRAMES, 0.0


@cache
def clip(way: Way, seed: int, things: int = 1, size: float = 0.1, fault: Failure | None = None) -> FrameSignals:
    """What a camera measures that goes a way before a scene in which things cross its view, with a sensor's noise."""
    damage = fault.on_clip("clip", FRAMES) if fault else np.copy
    scene, rng = textured_scene(1, 2 * HEIGHT, 2 * WIDTH), np.random.default_rng(seed)
    starts, speeds = rng.uniform(0, WIDTH, things), rng.uniform(5, 15, things)
    heights, greys = rng.uniform(0, HEIGHT, things), rng.uniform(10, 230, things)

    def frames() -> Iterator[Frame]:
        for number in range(FRAMES):
            y, x = np.round(way(number)).astype(int)
            view: NDArray[np.float32] = scene[y + 20 :, x + 20 :][:HEIGHT, :WIDTH].copy()
            for start, speed, height, grey in zip(starts, speeds, heights, greys, strict=True):
                place = (int((start + speed * number) % (1.5 * WIDTH)), int(height))
                half = (int(size * WIDTH), int(size * HEIGHT))
                corners = [tuple(np.add(place, np.multiply(sign, half)).tolist()) for sign in (-1, 1)]
                cv2.rectangle(view, corners[0], corners[1], (float(grey),) * 3, -1)
            yield damage(np.clip(np.rint(view + rng.normal(0, 2, view.shape)), 0, 255).astype(np.uint8))

    return signals_of(list(frames()))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way", [patrol, ride])
def test_a_camera_that_patrols_or_rides_is_under_way(way: Way, seed: int) -> None:
    # In eight frames the one goes 21 % of the picture, the other 13 %.
    assert TRAVELS < travel(clip(way, seed)) < 0.25


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way", [fixed, knocked, shaken, sags])
def test_a_camera_that_stays_knocked_shaken_or_sagging_is_not(way: Way, seed: int) -> None:
    assert travel(clip(way, seed)) < TRAVELS


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("things", "size"), [(12, 0.1), (3, 0.3), (1, 0.5)])
def test_however_much_moves_before_it_a_fixed_camera_is_not(things: int, size: float, seed: int) -> None:
    assert travel(clip(fixed, seed, things, size)) < TRAVELS


@pytest.mark.parametrize("frames", [1, 2, 5, 15, 17])
def test_few_frames_tell_as_much_as_they_can(frames: int) -> None:
    assert 0.0 <= travel(clip(patrol, 0)[:frames]) < 1.0
    assert travel(clip(fixed, 0)[:frames]) == 0.0


def learned(*ways: Way) -> KnownQuality:
    return learn_quality([clip(way, seed) for seed, way in enumerate(ways)], [FRAMES] * len(ways))


def causes(way: Way, known: KnownQuality, fault: Failure | None = None) -> list[Cause]:
    window = clip(way, 77, fault=fault)
    found = assess(window, FRAMES, known)
    return [
        cause.kind for cause in diagnose(replace(found, travel=travel(window)), known, picture_failed=found.score > 1)
    ]


def test_a_fixed_camera_that_begins_to_patrol_shows_another_scene_and_no_fog() -> None:
    known = learned(*[fixed] * 6)
    assert known.travel == 0.0
    assert causes(patrol, known) == [Cause.SCENE_CHANGE]
    assert causes(knocked, known)[0] is Cause.CAMERA_MOVED


@pytest.mark.parametrize("kind", [Cause.NOISE, Cause.BLUR, Cause.FOG, Cause.COMPRESSION, Cause.OVER_EXPOSURE])
def test_a_fault_is_not_learned_because_the_camera_patrols_as_well(kind: Cause) -> None:
    found = causes(patrol, learned(*[fixed] * 6), Failure(kind, 3))
    assert Cause.SCENE_CHANGE not in found
    assert (kind in found) == (kind is not Cause.FOG), "of fog the lost detail is seen"


def test_a_camera_known_to_patrol_does_so_for_no_reason() -> None:
    known = learned(*[patrol] * 6)
    assert known.travel > TRAVELS
    found = assess(clip(patrol, 77), FRAMES, known)
    assert found.score < 1


def test_what_is_learned_later_may_be_under_way_too_but_not_what_has_no_like() -> None:
    known = learned(*[fixed] * 6)
    grown = extend_quality(known, [FRAMES] * 6, [clip(patrol, seed) for seed in (11, 12, 13)], [FRAMES] * 3)
    assert grown.travel > TRAVELS
    alone = extend_quality(known, [FRAMES] * 6, [clip(patrol, 11)], [FRAMES])
    assert alone.outliers == (6,)
    assert alone.travel == 0.0
