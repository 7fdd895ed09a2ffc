"""Scores of interpolated frames: the formulas, where they look, and what says nothing and is never rewarded."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.triplets import Triplet, read_triplets
from sentinel_edge.networks.score import (
    Silence,
    average,
    examine,
    psnr,
    score,
    score_all,
    ssim_map,
)
from tests.conftest import INCOMING

HEIGHT, WIDTH = 96, 128
Picture = NDArray[np.uint8]


def background(seed: int = 0) -> Picture:
    """A smooth textured scene."""
    coarse = np.random.default_rng(seed).integers(40, 210, (12, 16, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def scene(left: int, *, seed: int = 0, noise: float = 0.0, size: int = 16) -> Picture:
    """The scene with a checkered block whose left edge is at a column, and noise of its own."""
    picture = background(seed)
    block = 255 * ((np.add.outer(np.arange(size), np.arange(size)) // 4) % 2)
    picture[40 : 40 + size, left : left + size] = block[..., None]
    if noise:
        rng = np.random.default_rng([left, int(noise)])
        picture = np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
    return picture


def moving(step: int = 4, start: int = 20, **how: float) -> Triplet:
    frames = [scene(start + number * step, **how) for number in range(3)]  # type: ignore[arg-type]
    return Triplet(*frames, "clip", 0.1, (0.1, 0.1))  # type: ignore[call-arg, arg-type]


class Guess:
    """An interpolator that answers by a function of both frames; remembers the sizes of its batches."""

    def __init__(self, guess: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]) -> None:
        self.guess = guess
        self.batches: list[int] = []

    def interpolate(self, first: Picture, last: Picture) -> NDArray[np.float32]:
        """What the function answers."""
        self.batches.append(len(first))
        return self.guess(first.astype(np.float32), last.astype(np.float32))


MEAN = Guess(lambda first, last: np.asarray((first + last) / 2, np.float32))


def where(found: NDArray[np.bool_] | Silence) -> NDArray[np.bool_]:
    assert not isinstance(found, Silence), found
    return found


# The formulas.


def test_psnr_of_an_error_of_one_grey_level_is_48_decibels_and_of_ten_28() -> None:
    truth = background()
    off = np.asarray(truth, np.float32)
    assert psnr(off + 1, truth) == pytest.approx(20 * np.log10(255))
    assert psnr(off - 10, truth) == pytest.approx(20 * np.log10(25.5))


def test_psnr_looks_only_where_it_is_told() -> None:
    truth = background()
    guess = np.asarray(truth, np.float32)
    guess[:, : WIDTH // 2] += 10
    left = np.zeros((HEIGHT, WIDTH), np.bool_)
    left[:, : WIDTH // 2] = True
    assert psnr(guess, truth, left) == pytest.approx(20 * np.log10(25.5))
    assert psnr(guess, truth) == pytest.approx(20 * np.log10(25.5) + 10 * np.log10(2))


def test_a_perfect_guess_is_not_infinitely_good() -> None:
    assert psnr(background(), background()) == pytest.approx(10 * np.log10(255**2 * 12))


def plain_ssim(guess: NDArray[np.float64], truth: NDArray[np.float64], row: int, column: int) -> float:
    """Equation (13) of Wang et al. 2004 at one pixel, term by term."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-np.add.outer(offsets**2, offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    x, y = (picture[row - 5 : row + 6, column - 5 : column + 6] for picture in (guess, truth))
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variance_x, variance_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(luminance * (2 * covariance + c2) / (variance_x + variance_y + c2))


def test_ssim_is_that_of_the_paper_pixel_by_pixel() -> None:
    rng = np.random.default_rng(1)
    guess, truth = scene(30, noise=20), scene(33, noise=5)
    found = ssim_map(guess, truth)
    one, other = (np.asarray(picture, np.float64) @ np.array([0.299, 0.587, 0.114]) for picture in (guess, truth))
    for row, column in zip(rng.integers(5, HEIGHT - 5, 60), rng.integers(5, WIDTH - 5, 60), strict=True):
        assert found[row, column] == pytest.approx(plain_ssim(one, other, int(row), int(column)), abs=2e-4)
    assert ssim_map(truth, truth) == pytest.approx(1.0, abs=1e-5)


# Where it moves.


def test_what_moves_is_found_and_nothing_else() -> None:
    region = where(examine(moving(step=3)))
    assert region[41:55, 21:41].mean() > 0.95, "the block, from where it was to where it goes"
    region[34:62, 14:48] = False
    assert not region.any()


def test_a_small_thing_that_moves_far_is_looked_at_where_it_passes() -> None:
    region = where(examine(moving(step=40, start=4)))
    assert region[42:54, 46:58].all(), "there in the middle frame alone"


@pytest.mark.parametrize("noise", [3.0, 8.0, 16.0])
def test_noise_is_no_motion(noise: float) -> None:
    still = Triplet(*(background() for _ in range(3)), "clip", 0.1, (0.1, 0.1))  # type: ignore[call-arg, arg-type]
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        for picture in (still.first, still.middle, still.last)
    ]
    assert examine(replace(still, first=noisy[0], middle=noisy[1], last=noisy[2])) is Silence.STILL
    assert where(examine(moving(noise=noise))).mean() < 0.08, "the block is found in it"


# What says nothing.


def test_where_too_little_moves_nothing_is_said() -> None:
    assert examine(moving(step=0)) is Silence.STILL
    tiny = moving(step=1, size=2)
    assert not isinstance(examine(tiny), Silence)
    larger = (np.pad(frame, ((0, 200), (0, 200), (0, 0)), "edge") for frame in (tiny.first, tiny.middle, tiny.last))
    assert examine(Triplet(*larger, "clip", 0.1, (0.1, 0.1))) is Silence.STILL  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("repeated", ["first", "last"])
@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_a_repeated_frame_is_never_rewarded(repeated: str, noise: float) -> None:
    triplet = moving()
    frame = getattr(triplet, repeated)
    again = np.clip(frame + np.random.default_rng(0).normal(0, noise, frame.shape), 0, 255).astype(np.uint8)
    assert examine(replace(triplet, middle=again)) is Silence.REPEATED


def test_a_flash_in_the_middle_is_no_motion() -> None:
    triplet = moving(step=0)
    assert examine(replace(triplet, middle=np.asarray(triplet.middle // 2, np.uint8))) is Silence.STILL


def test_a_cut_says_nothing_wherever_it_is() -> None:
    triplet = moving()
    assert examine(replace(triplet, last=scene(28, seed=9))) is Silence.CUT
    assert examine(replace(triplet, first=scene(20, seed=9))) is Silence.CUT


@pytest.mark.parametrize(
    ("gaps", "found"),
    [
        ((0.5, 0.5), None),
        ((0.6, 0.6), Silence.APART),
        ((86400.0, 86400.0), Silence.APART),
        ((0.1, 0.2), Silence.UNEVEN),
        ((0.2, 0.1), Silence.UNEVEN),
        ((0.033, 0.034), None),
    ],
)
def test_frames_far_apart_or_not_evenly_spaced_say_nothing(gaps: tuple[float, float], found: Silence | None) -> None:
    result = examine(replace(moving(), gaps=gaps))
    assert result is found if found else not isinstance(result, Silence)


def test_a_slow_change_of_light_is_nothing_to_gain_on() -> None:
    dark = background() // 2
    frames = [np.asarray(dark + 10 * step, np.uint8) for step in range(3)]
    assert examine(Triplet(*frames, "clip", 0.1, (0.1, 0.1))) is Silence.EASY  # type: ignore[call-arg, arg-type]


def test_flat_pictures_are_no_cut_and_no_motion() -> None:
    frames = [np.full((HEIGHT, WIDTH, 3), grey, np.uint8) for grey in (100, 101, 100)]
    assert examine(Triplet(*frames, "clip", 0.1, (0.1, 0.1))) is Silence.STILL  # type: ignore[call-arg, arg-type]


# Scores.


def test_averaging_gains_nothing_and_the_truth_gains_most() -> None:
    triplet = moving()
    region = where(examine(triplet))
    plain = score(triplet, region, average(triplet))
    assert (plain.psnr_gain, plain.ssim_gain, plain.whole_psnr_gain, plain.whole_ssim_gain) == pytest.approx((0,) * 4)
    best = score(triplet, region, triplet.middle.astype(np.float32))
    assert best.ssim == pytest.approx(1.0, abs=1e-4)
    assert best.psnr_gain == pytest.approx(best.psnr - psnr(average(triplet), triplet.middle, region))
    assert best.psnr_gain > 20
    assert best.whole_ssim_gain > 0.01
    worse = score(triplet, region, triplet.first.astype(np.float32))
    assert worse.psnr_gain < 0


def test_an_error_where_nothing_moves_costs_the_whole_picture_alone() -> None:
    triplet = moving()
    region = where(examine(triplet))
    spoilt = triplet.middle.astype(np.float32)
    spoilt[70:, :, :] += 60
    found = score(triplet, region, spoilt)
    assert found.psnr_gain > 20
    assert found.whole_psnr_gain < found.psnr_gain - 40


def test_values_beyond_white_are_clipped() -> None:
    triplet = moving()
    region = where(examine(triplet))
    beyond = triplet.middle.astype(np.float32)
    beyond[triplet.middle == 255] = 400.0
    assert score(triplet, region, beyond) == score(triplet, region, triplet.middle.astype(np.float32))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, "shape"])
def test_what_cannot_be_scored_is_refused_in_one_line(wrong: float | str) -> None:
    triplet = moving()
    guess = np.full((HEIGHT, WIDTH, 3), 0.0 if wrong == "shape" else wrong, np.float32)
    with pytest.raises(SentinelError, match="expected") as refused:
        score(triplet, where(examine(triplet)), guess[1:] if wrong == "shape" else guess)
    assert "\n" not in str(refused.value)


# Streams.


def test_a_stream_keeps_its_order_its_sizes_apart_and_its_batches_small() -> None:
    large = moving()
    small = replace(large, first=large.first[:64], middle=large.middle[:64], last=large.last[:64])
    still = moving(step=0)
    stream = [large, large, large, still, small, small, large]
    guess = Guess(MEAN.guess)
    found = list(score_all(stream, guess, batch=2))
    assert [triplet for triplet, _ in found] == stream
    assert [isinstance(one, Silence) for _, one in found] == [False] * 3 + [True] + [False] * 3
    assert guess.batches == [2, 1, 2, 1]


def test_too_few_answers_are_refused() -> None:
    with pytest.raises(SentinelError, match="gave 1 frames for 2 pairs"):
        list(score_all([moving(), moving()], Guess(lambda first, last: MEAN.guess(first, last)[:1])))


def test_on_real_footage_what_moves_is_a_small_part_and_triplets_are_scored() -> None:
    found = [one for _, one in score_all(read_triplets(find_clips(INCOMING), limit=12), MEAN)]
    assert sum(isinstance(one, Silence) for one in found) <= 1
    for one in found:
        if not isinstance(one, Silence):
            assert one.psnr_gain == pytest.approx(0.0, abs=1e-4)
            assert 0.01 < one.moving_share < 0.25
