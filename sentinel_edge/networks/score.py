"""How well a middle frame was interpolated: gain over plain averaging, where something moves.

Most of a fixed camera's picture stands still, and any method gets it right. So a triplet is scored where it moves, and
against the simplest guess, the average of the first and the last frame, which takes the scene's own difficulty
out. A triplet that can say nothing is not scored but counted, with the reason. Pure: arrays in, numbers out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, islice
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.triplets import Triplet

Picture = NDArray[np.uint8] | NDArray[np.float32]
"""(h, w, 3), red-green-blue, 0 to 255."""

MAX_SPAN_S = 1.0
"""Between the first and the last frame: nobody interpolates between pictures further apart."""
MAX_UNEVEN = 1.5
"""One gap may be so many times the other: beyond, the middle frame is not in the middle."""
CUT = 0.35
"""1 - correlation of two neighbouring thumbnails from which they are not of one shot."""
MIN_MOVING = 0.002
"""Share of the picture that must move: of 256 x 192 pixels a hundred."""
REPEATED = 0.15
"""The middle frame is a repeat of the first or the last where it differs from it by less than this share of what those
two differ by. Whatever a camera that hangs is given as truth, it must earn nothing."""
MIN_ERROR = 1.0
"""Mean square error of averaging, in grey levels squared, below which there is nothing to gain (a slow change of light,
which averaging meets exactly): a gain would be one of rounding."""
ROUNDING = 1.0 / 12.0
"""Mean square error of rounding to whole grey levels: no picture counts as closer to the truth than that, so that no
ratio is infinite."""
_BLUR, _NOISE_LEFT = 1.5, 1.5
_DIFFERENT = 4.0
_CLOCK_S = 1e-3
_AROUND = np.ones((5, 5), np.uint8)
_THUMBNAIL = (32, 24)
_RELIEF_NOISE = 4.0
_NOISE_FILTER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_GAIN = 6.0 * 0.6745
_WINDOW, _SIGMA = (11, 11), 1.5
_C1, _C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2


class Silence(StrEnum):
    """Why a triplet says nothing about an interpolator."""

    APART = "too far apart in time"
    UNEVEN = "not evenly spaced in time"
    CUT = "a cut between the frames"
    STILL = "nothing moves"
    REPEATED = "a frame is repeated"
    EASY = "averaging is already right"


@dataclass(frozen=True, slots=True)
class TripletScore:
    """What an interpolated middle frame is worth.

    Attributes:
        psnr_gain: PSNR of the interpolated frame less that of the average of first and last, dB, where it moves.
        ssim_gain: The same of SSIM.
        whole_psnr_gain: `psnr_gain` over the whole picture.
        whole_ssim_gain: `ssim_gain` over the whole picture.
        psnr: Of the interpolated frame, dB, where it moves.
        ssim: Of the interpolated frame, where it moves.
        moving_share: Share of the picture that moves.
    """

    psnr_gain: float
    ssim_gain: float
    whole_psnr_gain: float
    whole_ssim_gain: float
    psnr: float
    ssim: float
    moving_share: float


class Interpolating(Protocol):
    """What is scored: see `interpolator.Interpolator`."""

    def interpolate(self, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The frames between: uint8 (n, h, w, 3) twice, red-green-blue, to float32 (n, h, w, 3), 0 to 255."""
        ...


def average(triplet: Triplet) -> NDArray[np.float32]:
    """The mean of first and last: the guess that every interpolator must beat."""
    return np.asarray(cv2.addWeighted(triplet.first, 0.5, triplet.last, 0.5, 0.0, dtype=cv2.CV_32F), np.float32)


def psnr(guess: Picture, truth: Picture, region: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio, dB, over all channels; at most 58.9 (see `ROUNDING`).

    Args:
        guess: A picture.
        truth: What it should be.
        region: bool (h, w), not empty: where to look; None for everywhere.
    """
    return _psnrs(guess, truth, region)[0]


def _psnrs(guess: Picture, truth: Picture, *regions: NDArray[np.bool_] | None) -> list[float]:
    """PSNR in each region."""
    return [float(10.0 * np.log10(255.0**2 / max(error, ROUNDING))) for error in _square_errors(guess, truth, *regions)]


def _square_errors(guess: Picture, truth: Picture, *regions: NDArray[np.bool_] | None) -> list[float]:
    """Mean square error over all channels, grey levels squared, in each region."""
    difference = cv2.subtract(np.asarray(guess, np.float32), np.asarray(truth, np.float32))
    squares = cv2.multiply(difference, difference)
    masks = [None if region is None else region.view(np.uint8) for region in regions]
    return [float(np.mean(cv2.mean(squares, mask)[:3])) for mask in masks]


def ssim_map(guess: Picture, truth: Picture) -> NDArray[np.float32]:
    """Structural similarity at every pixel of the grey pictures, float32 (h, w), at most 1.

    Z. Wang, A. Bovik, H. Sheikh and E. Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE Transactions on Image Processing 13(4), 2004: Gaussian window of 11 x 11 pixels, deviation 1.5,
    constants (0.01 x 255)^2 and (0.03 x 255)^2. At the border the pictures are mirrored, where the paper leaves the
    border out.
    """
    return _similarity(_Moments.of(guess), _Moments.of(truth))


@dataclass(frozen=True, slots=True)
class _Moments:
    """A grey picture, its local mean and its local variance, float32 (h, w) each."""

    grey: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]

    @classmethod
    def of(cls, picture: Picture) -> "_Moments":
        grey = np.asarray(cv2.cvtColor(np.asarray(picture, np.float32), cv2.COLOR_RGB2GRAY), np.float32)
        mean = _local(grey)
        return cls(grey, mean, _local(grey * grey) - mean * mean)


def _local(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, _WINDOW, _SIGMA), np.float32)


def _similarity(one: _Moments, other: _Moments) -> NDArray[np.float32]:
    means = one.mean * other.mean
    covariance = _local(one.grey * other.grey) - means
    above = (2.0 * means + _C1) * (2.0 * covariance + _C2)
    below = (one.mean * one.mean + other.mean * other.mean + _C1) * (one.variance + other.variance + _C2)
    return np.asarray(above / below, np.float32)


def examine(triplet: Triplet) -> NDArray[np.bool_] | Silence:
    """Where a triplet moves, bool (h, w), or why it says nothing.

    A place moves where the first and the last frame differ in grey by more than noise does, a little smoothed and a
    little around it; and, once something moves, also where the middle frame differs from both: a small thing that moves
    fast is there in the middle frame alone.
    """
    silent = _timing(triplet.gaps)
    if silent:
        return silent
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (triplet.first, triplet.middle, triplet.last)]
    if _unlike(greys[0], greys[1]) > CUT or _unlike(greys[1], greys[2]) > CUT:
        return Silence.CUT
    outer, early, late = (cv2.subtract(greys[i], greys[j], dtype=cv2.CV_32F) for i, j in ((0, 2), (0, 1), (1, 2)))
    limit = _DIFFERENT + _NOISE_LEFT * _noise(outer)
    moving = _smoothed(outer) > limit
    if np.count_nonzero(moving) < MIN_MOVING * moving.size:
        return Silence.STILL
    if min(_mean_size(early, moving), _mean_size(late, moving)) < REPEATED * _mean_size(outer, moving):
        return Silence.REPEATED
    passing = np.minimum(_smoothed(early), _smoothed(late)) > limit
    region = np.asarray(cv2.dilate((moving | passing).view(np.uint8), _AROUND), np.bool_)
    easy = _square_errors(average(triplet), triplet.middle, region)[0] < MIN_ERROR
    return Silence.EASY if easy else region


def _timing(gaps: tuple[float, float]) -> Silence | None:
    shorter, longer = sorted(gaps)
    if shorter + longer > MAX_SPAN_S + _CLOCK_S:
        return Silence.APART
    return Silence.UNEVEN if longer > MAX_UNEVEN * shorter + _CLOCK_S else None


def _smoothed(difference: cv2.typing.MatLike) -> NDArray[np.float32]:
    """How much each place differs, float32 (h, w); smoothed with its sign, so that noise averages out."""
    return np.abs(np.asarray(cv2.GaussianBlur(difference, (0, 0), _BLUR), np.float32))


def _mean_size(difference: cv2.typing.MatLike, where: NDArray[np.bool_]) -> float:
    return float(cv2.mean(np.abs(difference), where.view(np.uint8))[0])


def _noise(difference: cv2.typing.MatLike) -> float:
    """Standard deviation of the noise in a difference of frames, grey levels.

    J. Immerkaer, "Fast Noise Variance Estimation", CVIU 1996, with the median in place of the mean, as in `signals`.
    """
    return float(np.median(np.abs(cv2.filter2D(difference, cv2.CV_32F, _NOISE_FILTER)))) / _NOISE_GAIN


def _unlike(one: cv2.typing.MatLike, other: cv2.typing.MatLike) -> float:
    """1 - correlation of two grey pictures' thumbnails, 0 to 2; near 0 where both are flat."""
    reliefs = []
    for picture in (one, other):
        small = cv2.resize(picture, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float64)
        reliefs.append(small - small.mean())
    first, second = reliefs
    noise = _RELIEF_NOISE**2 * first.size
    alike = (first * second).sum() + noise
    return float(1.0 - alike / (np.sqrt(np.square(first).sum() * np.square(second).sum()) + noise))


def score(triplet: Triplet, region: NDArray[np.bool_], interpolated: NDArray[np.float32]) -> TripletScore:
    """Score an interpolated middle frame.

    Args:
        triplet: The three true frames.
        region: Where it moves: what `examine` gave.
        interpolated: float32 (h, w, 3), red-green-blue, 0 to 255; what lies outside is clipped.

    Raises:
        SentinelError: It is of another shape, or not finite.
    """
    if interpolated.shape != triplet.middle.shape or not np.isfinite(interpolated).all():
        found = "values that are not finite" if interpolated.shape == triplet.middle.shape else interpolated.shape
        raise SentinelError(
            f"the interpolator gave {found} for {triplet.origin}; expected {triplet.middle.shape} finite values: check "
            "the model"
        )
    guess, plain, truth = np.clip(interpolated, 0.0, 255.0), average(triplet), triplet.middle
    psnrs = [_psnrs(picture, truth, region, None) for picture in (guess, plain)]
    true = _Moments.of(truth)
    maps = [_similarity(_Moments.of(picture), true) for picture in (guess, plain)]
    ssims = [[float(found[region].mean()), float(found.mean())] for found in maps]
    return TripletScore(
        psnr_gain=psnrs[0][0] - psnrs[1][0],
        ssim_gain=ssims[0][0] - ssims[1][0],
        whole_psnr_gain=psnrs[0][1] - psnrs[1][1],
        whole_ssim_gain=ssims[0][1] - ssims[1][1],
        psnr=psnrs[0][0],
        ssim=ssims[0][0],
        moving_share=float(region.mean()),
    )


def score_all(
    triplets: Iterable[Triplet], interpolator: Interpolating, *, batch: int = 2
) -> Iterator[tuple[Triplet, TripletScore | Silence]]:
    """Examine, interpolate and score triplets as they come, in their order; memory does not grow with the stream.

    Args:
        triplets: The stream; their sizes may differ.
        interpolator: What is scored.
        batch: Neighbours of one size interpolated in one call.

    Raises:
        SentinelError: The interpolator gave what cannot be scored.
    """
    examined = ((triplet, examine(triplet)) for triplet in triplets)
    # A triplet that says nothing stays between its neighbours, so it ends a batch.
    for (says, _), group in groupby(examined, lambda pair: (not isinstance(pair[1], Silence), pair[0].middle.shape)):
        if not says:
            yield from ((triplet, found) for triplet, found in group if isinstance(found, Silence))
            continue
        while members := list(islice(group, batch)):
            firsts, lasts = (np.stack([getattr(triplet, name) for triplet, _ in members]) for name in ("first", "last"))
            middles = interpolator.interpolate(firsts, lasts)
            if len(middles) != len(members):
                raise SentinelError(
                    f"the interpolator gave {len(middles)} frames for {len(members)} pairs; expected as many: check "
                    "the model"
                )
            for (triplet, region), middle in zip(members, middles, strict=True):
                if not isinstance(region, Silence):
                    yield triplet, score(triplet, region, middle)
