"""The region of interest: what a mask hides, and that nothing hidden is ever seen."""

import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from sentinel_edge import MAX_PIXELS
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.mask import FILL, MAX_COLUMNS, MAX_ROWS, MIN_VISIBLE, Mask, load_mask
from tests.conftest import INCOMING

Bits = NDArray[np.bool_]
Frame = NDArray[np.uint8]

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def grids(side: int = 40) -> st.SearchStrategy[Bits]:
    """Grids with something hidden and something not."""
    shapes = arrays.array_shapes(min_dims=2, max_dims=2, max_side=side)
    return arrays.arrays(np.bool_, shapes).filter(lambda grid: bool(grid.any() and not grid.all()))


@st.composite
def paintings(draw: st.DrawFn) -> Bits:
    """What a person paints: black rectangles in a picture of any size, finer or coarser than the grid kept."""
    height, width = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    dark = np.zeros((height, width), np.bool_)
    for _ in range(draw(st.integers(1, 4))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        dark[top : draw(st.integers(top + 1, height)), left : draw(st.integers(left + 1, width))] = True
    return dark


def noise(height: int, width: int) -> Frame:
    return np.random.default_rng(height * 10_000 + width).integers(0, 256, (height, width, 3), np.uint8)


def painted(folder: Path, dark: Bits, name: str = "mask.png") -> Path:
    path = folder / name
    assert cv2.imwrite(str(path), np.where(dark, 0, 255).astype(np.uint8))
    return path


def is_grey(frame: Frame) -> Bits:
    return np.asarray((frame == FILL).all(axis=2), np.bool_)


def cover(hidden: Bits, height: int, width: int) -> Bits:
    """The slow and plain way: a pixel is hidden if its rectangle and a hidden cell's have any area in common."""
    rows, columns = hidden.shape
    result = np.zeros((height, width), np.bool_)
    for row, column in np.argwhere(hidden).tolist():
        for y in range(height):
            if y * rows < (row + 1) * height and (y + 1) * rows > row * height:
                for x in range(width):
                    if x * columns < (column + 1) * width and (x + 1) * columns > column * width:
                        result[y, x] = True
    return result


@UNHURRIED
@given(grids())
def test_a_mask_survives_being_packed(hidden: Bits) -> None:
    mask = Mask(hidden)
    shape = json.loads(json.dumps(mask.hidden.shape))
    again = Mask.unpack(mask.pack(), shape)
    assert again == mask
    assert hash(again) == hash(mask)
    assert again.fingerprint == mask.fingerprint
    np.testing.assert_array_equal(again.hidden, hidden)


@UNHURRIED
@given(grids(12), st.integers(1, 30), st.integers(1, 30))
def test_exactly_the_pixels_that_touch_a_hidden_cell_become_grey(hidden: Bits, height: int, width: int) -> None:
    frame = noise(height, width)
    masked = Mask(hidden).apply(frame)
    expected = frame.copy()
    expected[cover(hidden, height, width)] = 128
    np.testing.assert_array_equal(masked, expected)


@UNHURRIED
@given(grids(), st.integers(1, 200), st.integers(1, 200))
def test_a_frame_is_copied_and_masking_it_twice_changes_nothing_more(hidden: Bits, height: int, width: int) -> None:
    mask, frame = Mask(hidden), noise(height, width)
    before = frame.copy()
    masked = mask.apply(frame)
    assert masked.dtype == np.uint8
    assert masked.flags.writeable
    assert not np.shares_memory(masked, frame)
    np.testing.assert_array_equal(frame, before)
    np.testing.assert_array_equal(mask.apply(masked), masked)
    masked[:] = 0  # whoever draws on the result must not change the next one
    np.testing.assert_array_equal(mask.apply(frame), mask.apply(before))


@UNHURRIED
@given(paintings())
def test_no_black_pixel_of_the_picture_is_ever_looked_at(tmp_path: Path, dark: Bits) -> None:
    try:
        mask = load_mask(painted(tmp_path, dark))
    except SentinelError as error:
        assume("to look at" not in str(error))
        raise
    masked = mask.apply(np.zeros((*dark.shape, 3), np.uint8))
    assert is_grey(masked)[dark].all()
    rows, columns = mask.hidden.shape
    assert rows == min(dark.shape[0], MAX_ROWS)
    assert columns == min(dark.shape[1], MAX_COLUMNS)


@UNHURRIED
@given(paintings(), st.integers(1, 300), st.integers(1, 300))
def test_no_black_pixel_is_looked_at_in_a_frame_of_another_size(
    tmp_path: Path, dark: Bits, height: int, width: int
) -> None:
    try:
        mask = load_mask(painted(tmp_path, dark))
    except SentinelError as error:
        assume("to look at" not in str(error))
        raise
    grey = is_grey(mask.apply(np.zeros((height, width, 3), np.uint8)))
    # Both corners of every black pixel, a hair inside, fall on a grey pixel of the frame.
    for hair in (0.001, 0.999):
        y, x = np.argwhere(dark).T + hair
        assert grey[(y * height / dark.shape[0]).astype(int), (x * width / dark.shape[1]).astype(int)].all()


@UNHURRIED
@given(grids())
def test_what_is_looked_at_is_a_share_of_the_cells(hidden: Bits) -> None:
    mask = Mask(hidden)
    assert mask.visible_share == pytest.approx(np.count_nonzero(~hidden) / hidden.size)
    assert 0 < mask.visible_share < 1


def test_a_clock_is_hidden_and_little_else(tmp_path: Path) -> None:
    dark = np.zeros((1080, 1920), np.bool_)
    dark[37:95, 1301:1877] = True
    mask = load_mask(painted(tmp_path, dark))
    grey = is_grey(mask.apply(np.zeros((1080, 1920, 3), np.uint8)))
    assert grey[dark].all()
    rows, columns = np.nonzero(grey)
    # One cell is 6 x 4.5 pixels; a cell that is touched goes, and then the pixels it touches.
    assert rows.min() >= 37 - 5
    assert rows.max() < 95 + 5
    assert columns.min() >= 1301 - 6
    assert columns.max() < 1877 + 6


def test_a_real_frame_of_the_sample_camera_is_unchanged_outside_the_mask() -> None:
    with VideoReader(INCOMING) as video:
        _, frame = next(iter(video))
    hidden = np.zeros((2, 4), np.bool_)
    hidden[0, 3] = True
    height, width = frame.shape[:2]
    masked = Mask(hidden).apply(frame)
    assert (masked[: height // 2, width * 3 // 4 :] == 128).all()
    np.testing.assert_array_equal(masked[(height + 1) // 2 :], frame[(height + 1) // 2 :])
    np.testing.assert_array_equal(masked[:, : width * 3 // 4 - 1], frame[:, : width * 3 // 4 - 1])


def test_a_view_into_a_larger_frame_is_masked_like_any_other() -> None:
    mask = Mask(np.array([[True, False, False]]))
    part = noise(50, 80)[3:33:2, 70:10:-2]
    np.testing.assert_array_equal(mask.apply(part), mask.apply(part.copy()))


def test_more_sizes_than_are_remembered_come_out_right() -> None:
    mask, other = Mask(np.array([[True, False]])), Mask(np.array([[False, True]]))
    for width in [*range(2, 22, 2), *range(2, 22, 2)]:
        frame = np.zeros((4, width, 3), np.uint8)
        assert is_grey(mask.apply(frame))[0].tolist() == [True] * (width // 2) + [False] * (width // 2)
        assert is_grey(other.apply(frame))[0].tolist() == [False] * (width // 2) + [True] * (width // 2)


@pytest.mark.parametrize(("grey", "looked_at"), [(0, False), (127, False), (128, True), (255, True)])
def test_mid_grey_is_where_white_begins(tmp_path: Path, grey: int, looked_at: bool) -> None:
    picture = np.array([[0, 255, grey]], np.uint8)
    assert cv2.imwrite(str(tmp_path / "mask.png"), picture)
    assert load_mask(tmp_path / "mask.png").hidden.tolist() == [[True, False, not looked_at]]


def test_any_kind_of_picture_gives_the_same_mask(tmp_path: Path) -> None:
    dark = np.zeros((64, 96), np.bool_)
    dark[:16, 32:] = True
    grey = np.where(dark, 0, 255).astype(np.uint8)
    colour = np.repeat(grey[..., None], 3, axis=2)
    kinds: dict[str, NDArray[Any]] = {
        "grey.png": grey,
        "colour.bmp": colour,
        "deep.png": grey.astype(np.uint16) * 257,
        "transparent.png": np.dstack([colour, np.full_like(grey, 255)]),
        "lossy.jpg": colour,
    }
    for name, picture in kinds.items():
        assert cv2.imwrite(str(tmp_path / name), picture)
    assert {load_mask(tmp_path / name) for name in kinds} == {Mask(dark)}


def test_masks_differ_where_their_grids_do() -> None:
    mask = Mask(np.array([[True, False, False, False]]))
    assert mask == Mask(np.array([[True, False, False, False]]))
    for other in ([[False, True, False, False]], [[True], [False], [False], [False]], [[True, False, False]]):
        assert mask != Mask(np.array(other))
        assert mask.fingerprint != Mask(np.array(other)).fingerprint
    assert mask != mask.fingerprint


def test_a_mask_keeps_a_grid_of_its_own() -> None:
    grid = np.array([[True, False]])
    mask = Mask(grid)
    grid[:] = False
    assert mask.hidden.tolist() == [[True, False]]
    with pytest.raises(ValueError, match="read-only"):
        mask.hidden[0, 0] = False


def test_a_picture_that_hides_nothing_is_a_mistake(tmp_path: Path) -> None:
    path = painted(tmp_path, np.zeros((20, 30), np.bool_))
    with pytest.raises(SentinelError, match=r"mask .*mask\.png hides nothing: .*paint black .* or give no mask"):
        load_mask(path)


@pytest.mark.parametrize(("black", "said"), [(100, "0 %"), (91, "9 %")])
def test_a_picture_that_leaves_too_little_is_refused_with_the_share(tmp_path: Path, black: int, said: str) -> None:
    path = painted(tmp_path, np.arange(100).reshape(10, 10) < black)
    with pytest.raises(SentinelError, match=f"leaves {said} of the picture to look at; expected at least 10 %"):
        load_mask(path)


def test_a_tenth_is_enough_to_look_at(tmp_path: Path) -> None:
    mask = load_mask(painted(tmp_path, np.arange(100).reshape(10, 10) < 90))
    assert mask.visible_share == pytest.approx(MIN_VISIBLE)


def test_black_dots_all_over_a_fine_picture_leave_nothing(tmp_path: Path) -> None:
    dark = np.zeros((960, 1280), np.bool_)
    dark[::4, ::4] = True  # a sixteenth of the pixels, but one in every cell
    with pytest.raises(SentinelError, match="leaves 0 % of the picture"):
        load_mask(painted(tmp_path, dark))


def test_what_is_not_a_picture_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture\n")
    whole = painted(tmp_path, np.eye(64, dtype=np.bool_)).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.png").mkdir()
    reasons = {
        "absent.png": "No such file",
        "empty.png": "empty file",
        "text.png": "not an image",
        "half.png": "truncated",
        "folder.png": "Is a directory",
    }
    for name, reason in reasons.items():
        with pytest.raises(SentinelError) as caught:
            load_mask(tmp_path / name)
        message = str(caught.value)
        assert message.startswith(f"cannot read mask {tmp_path / name}: ")
        assert reason in message
        assert message.endswith("expected a picture in black (left out) and white (looked at)")
        assert "\n" not in message


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "mask.pgm"
    path.write_bytes(b"BM" + bytes(12) + struct.pack("<Iii", 40, MAX_PIXELS, 2) + bytes(40))
    with pytest.raises(SentinelError, match=f"larger than {MAX_PIXELS} pixels"):
        load_mask(path)


BITS = Mask(np.array([[True, False, False], [False, False, False]])).pack()


@pytest.mark.parametrize(
    ("bits", "shape", "reason"),
    [
        (BITS, None, "no shape"),
        (BITS, {"rows": 2, "columns": 3}, "no shape"),
        (BITS, "23", "no shape"),
        (BITS, [6], "no shape"),
        (BITS, [1, 2, 3], "no shape"),
        (BITS, [2.0, 3], "no shape"),
        (BITS, [True, 6], "no shape"),
        (BITS, [0, 3], "has 0x3 cells"),
        (BITS, [-2, -3], "has -2x-3 cells"),
        (BITS, [MAX_ROWS + 1, 3], "has 241x3 cells"),
        (BITS, [2, MAX_COLUMNS + 1], "has 2x321 cells"),
        (BITS, [10**30, 10**30], "cells; expected 1x1 to 240x320"),
        (BITS, [3, 3], r"holds uint8 \(1,\) for 3x3 cells; expected uint8 \(2,\)"),
        (BITS.astype(np.int8), [2, 3], "holds int8"),
        (BITS.reshape(1, 1), [2, 3], r"holds uint8 \(1, 1\)"),
        (np.array([0b10000001], np.uint8), [2, 3], "bits after its last cell"),
        (np.array([0b11111100], np.uint8), [2, 3], "hides all"),
        (np.zeros(1, np.uint8), [2, 3], "shows all"),
    ],
)
def test_a_packed_mask_that_was_tampered_with_is_refused(bits: NDArray[Any], shape: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Mask.unpack(bits, shape)


@pytest.mark.parametrize("grid", [np.array([True, False]), np.array([[1, 0]]), np.zeros((0, 3), np.bool_)])
def test_a_mask_is_a_grid_of_truth_values(grid: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        Mask(grid)
