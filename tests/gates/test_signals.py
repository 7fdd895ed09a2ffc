"""The signals of a frame: known answers on pictures of known noise, grid, detail and light, for any size."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.gates.signals import FRAME_SIGNALS, STILL, THUMBNAIL_COLUMNS, THUMBNAIL_ROWS, WHITE, measure
from tests.conftest import INCOMING
from tests.material.simulation import Frame, textured_scene

NAMES = FRAME_SIGNALS.names or ()


def flat(grey: int = 120, height: int = 240, width: int = 320) -> Frame:
    return np.full((height, width, 3), grey, np.uint8)


def scene() -> Frame:
    return textured_scene(1, 240, 320).astype(np.uint8)


def photograph() -> Frame:
    """A real picture, scaled up until nothing is left in it as fine as noise."""
    with VideoReader(INCOMING) as video:
        _, frame = next(iter(video))
    return np.asarray(cv2.resize(frame, (1280, 960), interpolation=cv2.INTER_CUBIC), np.uint8)


def grainy(frame: Frame, sigma: float, seed: int = 0) -> Frame:
    """The picture with white noise, alike in the three channels."""
    noise = np.random.default_rng(seed).normal(0, sigma, (*frame.shape[:2], 1))
    return np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)


def jpeg(frame: Frame, quality: int) -> Frame:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8)


def scaled(frame: Frame, factor: float) -> Frame:
    return np.asarray(cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)


@pytest.mark.parametrize("sigma", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("picture", [flat, scene, photograph], ids=lambda picture: picture.__name__)
def test_the_noise_measured_is_the_noise_added(picture: Callable[[], Frame], sigma: float) -> None:
    assert measure(grainy(picture(), sigma))["noise"] == pytest.approx(sigma, rel=0.12)


def test_a_picture_without_noise_has_none_however_rich_in_edges() -> None:
    squares = np.kron(np.indices((10, 10)).sum(axis=0) % 2, np.full((24, 32), 200))
    assert measure(flat())["noise"] < 0.2
    assert measure(np.repeat(squares[..., np.newaxis], 3, axis=2).astype(np.uint8))["noise"] < 0.2


@pytest.mark.parametrize("picture", [scene, photograph], ids=lambda picture: picture.__name__)
def test_an_encoders_grid_is_seen_and_nothing_else_is_taken_for_one(picture: Callable[[], Frame]) -> None:
    clean = grainy(picture(), 1.0)
    worst = jpeg(clean, 15)
    assert measure(worst)["blocks"] > 2.0
    assert measure(worst)["blocks"] > measure(jpeg(clean, 40))["blocks"] > measure(clean)["blocks"] + 0.5
    assert measure(clean)["blocks"] < 0.6
    for factor in (0.7, 1.3):  # an encoder's blocks are 8 pixels, before someone scales the picture
        assert measure(scaled(worst, factor))["blocks"] < 0.4 * measure(worst)["blocks"]


@pytest.mark.parametrize("shift", range(8))
def test_the_grid_is_found_wherever_it_begins(shift: int) -> None:
    worst = jpeg(grainy(scene(), 1.0), 15)
    assert measure(np.ascontiguousarray(worst[shift:, shift:]))["blocks"] > 2.0


def test_blur_takes_fine_detail_before_edges_and_an_object_only_where_it_is() -> None:
    clean, blurred = measure(scene()), measure(np.asarray(cv2.GaussianBlur(scene(), (0, 0), 2.0), np.uint8))
    assert (blurred["fine"] < 0.5 * clean["fine"]).all()
    assert blurred["fine"].sum() / clean["fine"].sum() < blurred["edges"].sum() / clean["edges"].sum() < 0.9
    covered = scene()
    covered[:, 230:] = 30
    fine = measure(covered)["fine"]
    assert (fine[:, 6:] == 0).all()
    assert (fine[:, :5] == clean["fine"][:, :5]).all()


def test_a_smear_leaves_the_edges_along_it() -> None:
    across = measure(np.asarray(cv2.blur(scene(), (15, 1)), np.uint8))["edges"].mean(axis=(1, 2))
    down = measure(np.asarray(cv2.blur(scene(), (1, 15)), np.uint8))["edges"].mean(axis=(1, 2))
    assert across[0] < 0.85 * across[1]
    assert down[1] < 0.85 * down[0]


@pytest.mark.parametrize("share", [0.0, 0.125, 0.5, 1.0])
def test_the_clipped_share_is_exact(share: float) -> None:
    frame = flat(WHITE - 1)
    frame[: round(240 * share)] = WHITE
    assert measure(frame)["clipped"] == share


def test_thumbnails_show_light_and_colour_where_they_are() -> None:
    frame = flat(40)
    frame[:, 160:] = (10, 200, 90)
    found = measure(frame)
    assert found["luma"].shape == (THUMBNAIL_ROWS, THUMBNAIL_COLUMNS)
    assert (found["luma"][:, : THUMBNAIL_COLUMNS // 2] == 40).all()
    assert (found["colour"][:, 8:] == (10, 200, 90)).all()


def test_change_tells_a_repeat_from_a_live_picture_by_its_noise_alone() -> None:
    one, other = grainy(scene(), 1.0, seed=1), grainy(scene(), 1.0, seed=2)
    assert measure(one, one.copy())["change"] == 0.0
    assert measure(one, other)["change"] > 10 * STILL
    assert measure(flat(100), flat(107))["change"] == 7.0
    # What noise a scaled-down picture keeps, a steady one of a good sensor, is more than a repeat.
    assert measure(grainy(flat(), 0.3, seed=1), grainy(flat(), 0.3, seed=2))["change"] > STILL


def test_there_is_no_change_without_a_successor_of_the_same_size() -> None:
    assert np.isnan(measure(scene())["change"])
    assert np.isnan(measure(scene(), flat(100, 120, 160))["change"])
    assert np.isnan(measure(flat(100, 240, 320), flat(100, 320, 240))["change"])


SIZES = st.integers(1, 90) | st.sampled_from([127, 128, 129, 255, 511, 733])


@given(SIZES, SIZES, st.integers(0, 2**32), st.sampled_from(["noise", "black", "white"]))
@example(1, 1, 0, "noise")
@example(1, 733, 0, "noise")
@example(733, 1, 0, "white")
@settings(deadline=None, max_examples=60)
def test_any_size_and_content_gives_finite_signals_and_is_left_as_it_was(
    height: int, width: int, seed: int, content: str
) -> None:
    levels = {"noise": (0, 256), "black": (0, 1), "white": (255, 256)}[content]
    frame = np.random.default_rng(seed).integers(*levels, (height, width, 3), np.uint8)
    before, after = frame.copy(), np.roll(frame, 1)
    found = measure(frame, after)
    assert (frame == before).all()
    assert (after == np.roll(before, 1)).all()
    assert all(np.isfinite(found[name]).all() for name in NAMES)
    assert all((found[name] >= 0).all() for name in NAMES)
    assert found["clipped"] <= 1
    assert measure(before, after) == found, "a copy measures the same"
    alone = measure(np.asarray(np.flip(np.flip(frame))))  # a view, not contiguous in memory
    assert np.isnan(alone["change"])
    assert all((alone[name] == found[name]).all() for name in NAMES if name != "change")


def test_the_size_of_a_picture_hardly_moves_what_is_said_of_light_and_place() -> None:
    small, large = measure(scene()), measure(np.asarray(cv2.resize(scene(), (1280, 960)), np.uint8))
    assert np.abs(small["luma"].astype(int) - large["luma"]).mean() < 2
    assert np.abs(small["colour"].astype(int) - large["colour"]).mean() < 2
