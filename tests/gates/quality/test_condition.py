"""What a stretch of frames is summed up to, and what differs between two: known answers on rendered scenes."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import (
    CONDITION,
    FLOOR,
    MEASURES,
    WHOLE,
    Conditions,
    Views,
    deviation,
    displacement,
    places,
    resemblance,
    still_run,
    sum_up,
    whole,
)
from sentinel_edge.gates.signals import BANDS, BLOCK_COLUMNS, FRAME_SIGNALS
from tests.material.simulation import HEIGHT, WIDTH, Frame, PictureCamera, signals_of, textured_scene


def picture(values: NDArray[Any]) -> Frame:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


OTHER = picture(textured_scene(77))
"""A picture of another place."""


def condition_of(*frames: Frame) -> Conditions:
    return np.array([sum_up(signals_of(frames))], CONDITION)


def measures_between(before: Frame, after: Frame) -> NDArray[np.float64]:
    return deviation(Views.of(condition_of(after)), Views.of(condition_of(before)))[0]


def relief(seed: int) -> NDArray[np.float64]:
    return np.asarray(Views.of(condition_of(picture(textured_scene(seed)))).relief[0])


def mapped(seed: int, matrix: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The reliefs of a view of a large scene, and of the same view through an affine map."""
    scene = textured_scene(seed, 2 * HEIGHT, 2 * WIDTH)
    moved = cv2.warpAffine(scene, matrix.astype(np.float32), (2 * WIDTH, 2 * HEIGHT), borderMode=cv2.BORDER_REFLECT)
    views = [
        Views.of(condition_of(picture(view[HEIGHT // 2 :, WIDTH // 2 :][:HEIGHT, :WIDTH]))) for view in (scene, moved)
    ]
    return views[0].relief[0], views[1].relief[0]


# What moved.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("x", "y"), [(4, 0), (0, -4), (10, 6), (-16, 8)])
def test_a_shift_is_measured_as_a_share_of_the_picture(seed: int, x: float, y: float) -> None:
    before, after = mapped(seed, np.array([[1, 0, x], [0, 1, y]]))
    assert displacement(after, before) == pytest.approx(np.hypot(x / WIDTH, y / HEIGHT), rel=0.1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("degrees", "zoom"), [(3, 1.0), (-6, 1.0), (0, 1.05), (0, 0.9), (4, 1.08)])
def test_a_turn_and_a_zoom_are_measured_too(seed: int, degrees: float, zoom: float) -> None:
    matrix = cv2.getRotationMatrix2D((WIDTH - 0.5, HEIGHT - 0.5), degrees, zoom)
    before, after = mapped(seed, np.asarray(matrix))
    y, x = np.mgrid[-0.5:0.5:24j, -0.5:0.5:32j]
    turned = matrix[:, :2] @ np.array([x.ravel() * WIDTH, y.ravel() * HEIGHT]) / [[WIDTH], [HEIGHT]]
    expected = np.sqrt(np.square(turned - [x.ravel(), y.ravel()]).sum(axis=0).mean())
    assert displacement(after, before) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("seed", range(6))
def test_what_shows_another_scene_or_the_same_has_not_moved(seed: int) -> None:
    same = relief(seed)
    assert displacement(same, same) == 0.0
    assert displacement(relief(seed + 20), same) == 0.0
    noise = np.random.default_rng(seed).normal(0, 20, same.shape)
    assert displacement(noise, same) == 0.0
    assert displacement(same, noise) == 0.0
    assert displacement(np.zeros_like(same), same) == displacement(same, np.zeros_like(same)) == 0.0


def test_the_reliefs_compared_are_left_as_they_were() -> None:
    one, other = relief(0), relief(1)
    before = one.copy(), other.copy()
    displacement(one, other)
    np.testing.assert_array_equal(one, before[0])
    np.testing.assert_array_equal(other, before[1])


# Light: for all, and for one place.


@pytest.mark.parametrize("gain", [0.4, 0.7, 1.2])
@pytest.mark.parametrize("gamma", [0.7, 1.0, 1.5])
def test_a_tone_curve_over_all_of_the_picture_changes_the_light_of_no_place(gain: float, gamma: float) -> None:
    scene = textured_scene(2)
    after = picture(255.0 * gain * np.power(scene / 255.0, gamma))
    found = np.abs(measures_between(picture(scene), after)[places("light")])
    # The very darkest block lies beyond the four brightnesses by which the curve is told.
    assert found.max() < 0.25
    assert np.quantile(found, 0.95) < FLOOR[places("light")][0]


def test_an_object_changes_the_light_of_the_blocks_it_covers_whatever_the_exposure() -> None:
    scene = textured_scene(2)
    covered = 0.6 * scene
    covered[32:64, 32:80] = 0.6 * 30.0  # two rows and three columns of blocks
    found = np.abs(measures_between(picture(scene), picture(covered))[places("light")]).reshape(BANDS, BLOCK_COLUMNS)
    hidden = np.zeros((BANDS, BLOCK_COLUMNS), bool)
    hidden[2:4, 2:5] = True
    assert (found[hidden] > 0.5).all()
    assert np.median(found[~hidden]) < 0.1


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("brightness", lambda scene: 0.5 * scene, -0.93),
        ("brightness", lambda scene: 1.3 * scene, 0.36),
        ("contrast", lambda scene: 0.5 * scene + 55.0, -0.93),
        ("black", lambda scene: 0.8 * scene + 50.0, 42.0),
        ("red", lambda scene: scene * [1.0, 1.0, 0.7], -0.48),
        ("blue", lambda scene: scene * [0.8, 1.0, 1.0], -0.3),
        ("saturation", lambda scene: 0.5 * scene + 0.5 * scene.mean(axis=2, keepdims=True), -0.9),
        ("unlike", lambda scene: scene[:, ::-1], 1.0),
        ("unlike", lambda scene: 255.0 - scene, 2.0),
    ],
)
def test_each_measure_of_the_whole_picture_has_a_known_answer(name: str, change: Any, expected: float) -> None:
    scene = textured_scene(2)
    found = measures_between(picture(scene), picture(change(scene)))[whole(name)]
    assert found == pytest.approx(expected, rel=0.2, abs=0.05)


def test_noise_and_clipped_pixels_are_measured_against_the_condition() -> None:
    scene = textured_scene(2)
    rng = np.random.default_rng(0)
    grainy = [picture(scene + rng.normal(0, sigma, (HEIGHT, WIDTH, 1))) for sigma in (2, 8)]
    assert measures_between(*grainy)[whole("noise")] == pytest.approx(np.log2(8.25 / 2.25), rel=0.1)
    white = scene.copy()
    white[:24] = 255.0
    assert measures_between(picture(scene), picture(white))[whole("clipped")] == pytest.approx(0.25, abs=0.01)


# Sums and comparisons.


def test_what_moves_through_the_scene_drops_out_of_the_median() -> None:
    scene, frames = textured_scene(3), []
    for t in range(9):
        frame = scene.copy()
        frame[20:70, 10 * t : 10 * t + 30] = 250.0  # hides every place for three frames in nine at most
        frames.append(picture(frame))
    still, moving = condition_of(*[picture(scene)] * 9), condition_of(*frames)
    assert (still["luma"] == moving["luma"]).mean() > 0.99
    assert (still["colour"] == moving["colour"]).mean() > 0.97
    measures, _ = deviation(Views.of(moving), Views.of(still))
    assert (np.abs(measures[places("light")]) < FLOOR[places("light")]).all()


def test_a_condition_is_nothing_away_from_itself() -> None:
    camera = PictureCamera(4)
    views = Views.of(condition_of(*camera.episode(8)))
    found, nearest = deviation(views, views)
    assert (found.shape, nearest) == ((MEASURES,), 0)
    np.testing.assert_allclose(found, 0, atol=1e-9)


def test_of_several_conditions_the_one_it_resembles_is_compared() -> None:
    camera = PictureCamera(5)
    day, night = (Views.of(condition_of(*camera.episode(8, night=dark))) for dark in (False, True))
    known = Views.of(
        np.concatenate([condition_of(*camera.episode(8, night=dark)) for dark in (True, False)] + [condition_of(OTHER)])
    )
    for view, nearest in ((night, 0), (day, 1)):
        found = deviation(view, known)
        assert found[1] == nearest
        alone = deviation(view, known.take(np.array([nearest])))
        np.testing.assert_array_equal(found[0], alone[0])


def test_resemblance_weighs_all_places_of_a_sort_as_much_as_one_measure_of_the_whole() -> None:
    just_visible = resemblance(FLOOR)
    assert just_visible == pytest.approx(len(WHOLE) + 3)
    assert resemblance(-FLOOR) == just_visible


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([1.0, 2.0, np.nan], 0),
        ([0.0, 0.0, 1.0, 0.0, np.nan], 2),
        ([1.0, 0.0, 0.0, 0.0], 3),
        ([0.0], 1),
        ([np.nan], 0),
    ],
)
def test_the_longest_run_of_repeats_is_counted(changes: list[float], expected: int) -> None:
    signals = np.zeros(len(changes), FRAME_SIGNALS)
    signals["change"] = changes
    assert still_run(signals) == expected
    assert sum_up(signals)["still_run"] == expected


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_pictures_without_anything_in_them_compare_to_finite_numbers(grey: int) -> None:
    nothing = np.full((HEIGHT, WIDTH, 3), grey, np.uint8)
    for other in (nothing, picture(textured_scene(6)), np.zeros_like(nothing)):
        for before, after in ((nothing, other), (other, nothing)):
            found = measures_between(before, after)
            assert np.isfinite(found).all()
            assert found[whole("moved")] == 0
