"""Each failure does what its name says, as much as its severity says, and the same again for the same seed."""

import math
import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentinel_edge.causes import Cause
from sentinel_edge.errors import UsageError
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.sabotage import corruptions
from sentinel_edge.sabotage.corruptions import KINDS, Failure, Frame

CAMPUS = Path(__file__).parents[1] / "data" / "campus-past.mp4"
SEVERITIES = range(1, 6)
STILL = [kind for kind in KINDS if kind is not Cause.FROZEN]
RANDOM_EACH_FRAME = {Cause.NOISE, Cause.LOW_LIGHT}

every_kind = pytest.mark.parametrize("kind", KINDS)
every_severity = pytest.mark.parametrize("severity", SEVERITIES)


@pytest.fixture(scope="module")
def campus() -> Frame:
    """A real frame, 384x288."""
    with VideoReader(CAMPUS) as reader:
        return next(frame for _, frame in reader)


def level(kind: Cause, severity: int) -> float:
    """The severity's number in the documented table."""
    assert corruptions.__doc__ is not None
    row = re.search(rf"^\| {kind} +\|([^a-zA-Z]+)\|", corruptions.__doc__, re.MULTILINE)
    assert row is not None
    return float(row[1].split("|")[severity - 1])


def random_frame(height: int, width: int, seed: int) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def flat(grey: int, height: int = 120, width: int = 160) -> Frame:
    return np.full((height, width, 3), grey, np.uint8)


def distance(a: Frame, b: Frame) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())


def sharpness(frame: Frame) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())


def light(grey: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear light of sRGB grey levels above the toe, written down independently of the code under test."""
    return ((grey / 255 + 0.055) / 1.055) ** 2.4


@given(
    kind=st.sampled_from(KINDS),
    severity=st.integers(0, 5),
    seed=st.integers(0, 2**40),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
@example(kind=Cause.CAMERA_MOVED, severity=5, seed=0, height=1, width=1)
@example(kind=Cause.OCCLUSION, severity=5, seed=0, height=2, width=3)
@example(kind=Cause.MOTION_BLUR, severity=5, seed=0, height=300, width=1)
@example(kind=Cause.BLUR, severity=5, seed=0, height=500, width=1)
@example(kind=Cause.FOG, severity=5, seed=0, height=1, width=301)
@settings(max_examples=200, deadline=None)
def test_any_picture_keeps_its_shape_and_its_original_and_repeats_by_seed(
    kind: Cause, severity: int, seed: int, height: int, width: int
) -> None:
    failure = Failure(kind, severity, seed)
    first, second = failure.on_clip("clip", 3), failure.on_clip("clip", 3)
    for index in range(3):
        frame = random_frame(height, width, index)
        original = frame.copy()
        frame.flags.writeable = False
        broken = first(frame)
        assert broken.shape == frame.shape
        assert broken.dtype == np.uint8
        assert not np.shares_memory(broken, frame)
        assert np.array_equal(frame, original)
        assert np.array_equal(broken, second(frame))
        broken[:] = 0  # what the caller does with one result must not change the next


@every_kind
def test_one_camera_takes_pictures_of_changing_size(kind: Cause) -> None:
    corrupt = Failure(kind, 3).on_clip("mixed", 9)
    for height, width in [(20, 30), (1, 1), (20, 30), (7, 5), (7, 5), (30, 20)]:
        assert corrupt(random_frame(height, width, 0)).shape == (height, width, 3)


@every_kind
def test_a_view_into_a_larger_picture_is_treated_like_a_picture(kind: Cause, campus: Frame) -> None:
    view = campus[11:200:2, 300:17:-1]
    failure = Failure(kind, 4)
    assert np.array_equal(failure.on_clip()(view), failure.on_clip()(np.ascontiguousarray(view)))


@every_kind
def test_severity_0_is_an_unchanged_copy(kind: Cause, campus: Frame) -> None:
    copy = Failure(kind, 0).on_clip("any", 10)(campus)
    assert copy is not campus
    assert np.array_equal(copy, campus)


@every_kind
def test_the_number_of_threads_changes_nothing(kind: Cause, campus: Frame) -> None:
    results = []
    threads = cv2.getNumThreads()
    try:
        for count in (1, 4):
            cv2.setNumThreads(count)
            results.append(Failure(kind, 4, 1).on_clip()(campus))
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(results[0], results[1])


@pytest.mark.parametrize("kind", [kind for kind in STILL if kind is not Cause.CAMERA_MOVED])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_worse_severities_are_further_from_the_original(kind: Cause, seed: int, campus: Frame) -> None:
    distances = [distance(Failure(kind, severity, seed).on_clip()(campus), campus) for severity in range(6)]
    assert distances[0] == 0
    assert all(worse > 1.15 * better for better, worse in pairwise(distances)), distances


@every_kind
def test_place_and_tint_stay_while_noise_is_new_for_every_frame(kind: Cause, campus: Frame) -> None:
    corrupt = Failure(kind, 3).on_clip("clip", 1)
    assert np.array_equal(corrupt(campus), corrupt(campus)) == (kind not in RANDOM_EACH_FRAME)


@pytest.mark.parametrize("kind", [Cause.NOISE, Cause.MOTION_BLUR, Cause.OCCLUSION, Cause.CAMERA_MOVED, Cause.FOG])
def test_other_seeds_and_other_clips_get_another_draw(kind: Cause, campus: Frame) -> None:
    draws = [Failure(kind, 4, seed).on_clip(name)(campus) for seed, name in [(0, "a"), (1, "a"), (0, "b")]]
    assert distance(draws[0], draws[1]) > 0.5
    assert distance(draws[0], draws[2]) > 0.5


@pytest.mark.parametrize("kind", [Cause.BLUR, Cause.MOTION_BLUR, Cause.OCCLUSION, Cause.CAMERA_MOVED, Cause.FOG])
@pytest.mark.parametrize("severity", [2, 4])
def test_a_severity_looks_the_same_in_a_picture_twice_the_size(kind: Cause, severity: int, campus: Frame) -> None:
    large = cv2.resize(campus, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    small = cv2.resize(large, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
    failure = Failure(kind, severity)
    broken = failure.on_clip()(small)
    broken_large = cv2.resize(failure.on_clip()(large), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert distance(broken, broken_large.astype(np.uint8)) < 0.2 * distance(broken, small)


@every_severity
def test_noise_has_the_documented_deviation(severity: int) -> None:
    noise = Failure(Cause.NOISE, severity).on_clip()(flat(128, 240, 320)).astype(np.float64) - 128
    unclipped = level(Cause.NOISE, severity) < 40
    assert noise.std() == pytest.approx(level(Cause.NOISE, severity), rel=0.02 if unclipped else 0.06)
    assert abs(noise.mean()) < 0.5
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 2].ravel())[0, 1]) < 0.02


@every_severity
def test_blur_spreads_a_point_by_the_documented_sigma(severity: int) -> None:
    frame = np.zeros((480, 480, 3), np.uint8)
    frame[220:260, 220:260] = 255
    marginal = Failure(Cause.BLUR, severity).on_clip()(frame)[..., 1].astype(np.float64).sum(axis=0)
    place = np.arange(480)
    centre = np.average(place, weights=marginal)
    variance = np.average((place - centre) ** 2, weights=marginal) - (40**2 - 1) / 12
    assert math.sqrt(variance) == pytest.approx(level(Cause.BLUR, severity), rel=0.06)


@pytest.mark.parametrize("kind", [Cause.BLUR, Cause.MOTION_BLUR])
def test_blurs_take_sharpness_away(kind: Cause, campus: Frame) -> None:
    sharp = [sharpness(Failure(kind, severity).on_clip()(campus)) for severity in range(6)]
    assert all(worse < 0.9 * better for better, worse in pairwise(sharp)), sharp


@every_severity
@pytest.mark.parametrize("seed", range(6))
def test_motion_blur_smears_along_a_line_of_the_documented_length_and_moves_nothing(severity: int, seed: int) -> None:
    frame = np.zeros((480, 480, 3), np.uint8)
    frame[231:250, 231:250] = 255
    smear = Failure(Cause.MOTION_BLUR, severity, seed).on_clip()(frame)[..., 0]
    rows, columns = np.nonzero(smear)
    weights = smear[rows, columns].astype(np.float64)
    spread = np.cov(rows, columns, aweights=weights) - (19**2 - 1) / 12 * np.eye(2)
    across, along = np.sqrt(np.maximum(0, np.linalg.eigvalsh(spread)) * 12)  # a line of length n has variance n²/12
    assert along == pytest.approx(level(Cause.MOTION_BLUR, severity), abs=1, rel=0.05)
    assert across < 2
    assert np.average(rows, weights=weights) == pytest.approx(240, abs=0.3)
    assert np.average(columns, weights=weights) == pytest.approx(240, abs=0.3)


@every_severity
def test_low_light_leaves_the_documented_share_and_brings_noise(severity: int, campus: Frame) -> None:
    grey = flat(200)
    dark = Failure(Cause.LOW_LIGHT, severity).on_clip()(grey).astype(np.float64)
    share = level(Cause.LOW_LIGHT, severity)
    if share > 0.01:
        assert light(dark).mean() == pytest.approx(share * light(grey.astype(np.float64)).mean(), rel=0.04)
    assert 0.5 < dark.std() < 8
    assert Failure(Cause.LOW_LIGHT, severity).on_clip()(campus).mean() < 0.9 * campus.mean()


def test_low_light_is_grainier_the_less_light_there_is() -> None:
    frames = [Failure(Cause.LOW_LIGHT, severity).on_clip()(flat(128)) for severity in SEVERITIES]
    contrast = [frame.std() / frame.mean() for frame in frames]
    assert contrast == sorted(contrast)


@every_severity
def test_over_exposure_adds_the_documented_stops_and_clips(severity: int, campus: Frame) -> None:
    grey = flat(60)
    bright = Failure(Cause.OVER_EXPOSURE, severity).on_clip()
    stops = np.log2(light(bright(grey).astype(np.float64)) / light(grey.astype(np.float64))).mean()
    assert stops == pytest.approx(level(Cause.OVER_EXPOSURE, severity), abs=0.03)
    assert (bright(flat(250)) == 255).all()
    assert (bright(flat(0)) == 0).all()
    assert (bright(campus) == 255).mean() > (campus == 255).mean()


@every_severity
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [(240, 320), (135, 240), (300, 200)])
def test_occlusion_hides_the_documented_share_from_one_side(severity: int, seed: int, size: tuple[int, int]) -> None:
    white = flat(255, *size)
    broken = Failure(Cause.OCCLUSION, severity, seed).on_clip()(white)[..., 1]
    bright, dark = 255.0, float(np.percentile(broken, 1))
    hidden = broken < (bright + dark) / 2
    assert hidden.mean() == pytest.approx(level(Cause.OCCLUSION, severity), abs=0.02)
    assert dark < 60
    assert cv2.connectedComponents(hidden.astype(np.uint8))[0] == 2, "one object"
    rim = np.concatenate([hidden[0], hidden[-1], hidden[:, 0], hidden[:, -1]])
    assert rim.any(), "it reaches in from the rim"
    steps = np.abs(np.diff(broken.astype(np.int16), axis=0)).max()
    assert steps < 40, "its outline is soft"


def test_occlusion_darkens_with_the_scene() -> None:
    corrupt = Failure(Cause.OCCLUSION, 5).on_clip()
    assert corrupt(flat(20)).max() <= 20
    assert corrupt(flat(20)).min() < 12


@every_severity
@pytest.mark.parametrize("seed", range(4))
def test_camera_moved_shifts_and_turns_as_documented_and_shows_no_border(severity: int, seed: int) -> None:
    height, width, step = 48, 64, 4  # steep, so that a camera grown far still shows another place at each pixel
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0] = step * np.arange(width)
    ramp[..., 1] = step * np.arange(height)[:, np.newaxis]
    moved = Failure(Cause.CAMERA_MOVED, severity, seed).on_clip()(ramp).astype(np.float64)
    x, y = moved[..., 0] / step, moved[..., 1] / step
    shift = level(Cause.CAMERA_MOVED, severity)
    middle = slice(height // 2 - 1, height // 2 + 1), slice(width // 2 - 1, width // 2 + 1)
    displacement = math.hypot(x[middle].mean() - (width - 1) / 2, y[middle].mean() - (height - 1) / 2)
    assert displacement == pytest.approx(shift * height, abs=0.4)
    turn = math.degrees(math.atan2(y[height // 2, -1] - y[height // 2, 0], x[height // 2, -1] - x[height // 2, 0]))
    assert abs(turn) == pytest.approx(40 * shift, abs=0.5)
    # A border filled from the rim would show the same place of the old picture three times on the way inward.
    edges = (moved[2] - moved[0], moved[-1] - moved[-3], moved[:, 2] - moved[:, 0], moved[:, -1] - moved[:, -3])
    assert all(np.abs(edge).sum(axis=-1).min() > 0 for edge in edges)


def test_camera_moved_leaves_no_dark_pixel_on_a_bright_scene() -> None:
    for seed in range(10):
        assert (Failure(Cause.CAMERA_MOVED, 5, seed).on_clip()(flat(255, 90, 160)) == 255).all()


@every_severity
@pytest.mark.parametrize("length", [2, 5, 40, 101])
@pytest.mark.parametrize("seed", range(3))
def test_frozen_repeats_one_picture_for_the_documented_share(severity: int, length: int, seed: int) -> None:
    corrupt = Failure(Cause.FROZEN, severity, seed).on_clip("clip", length)
    buffer, shown = flat(0, 2, 2), []
    for index in range(length):
        buffer[:] = index  # a reader may hand out one buffer again and again
        shown.append(int(corrupt(buffer)[0, 0, 0]))
    stale = [index for index in range(length) if shown[index] != index]
    assert len(stale) == max(1, round(level(Cause.FROZEN, severity) * (length - 1)))
    assert stale == list(range(stale[0], stale[-1] + 1)), "in one piece"
    assert {shown[index] for index in stale} == {stale[0] - 1}, "the last good picture"


def test_a_clip_of_one_frame_cannot_freeze(campus: Frame) -> None:
    assert np.array_equal(Failure(Cause.FROZEN, 5).on_clip("clip", 1)(campus), campus)


def test_compression_leaves_seams_every_eight_pixels(campus: Frame) -> None:
    def seams(frame: Frame) -> float:
        steps = np.abs(np.diff(frame.astype(np.float64).mean(axis=2), axis=1)).mean(axis=0)
        at_seam = np.arange(1, steps.size + 1) % 8 == 0
        return float(steps[at_seam].mean() / steps[~at_seam].mean())

    found = [seams(Failure(Cause.COMPRESSION, severity).on_clip()(campus)) for severity in (0, 2, 3, 4, 5)]
    assert found == sorted(found), found
    assert found[-1] > 2 * found[0]


@every_severity
def test_color_cast_pushes_the_channels_of_grey_apart_by_the_documented_stops(severity: int) -> None:
    pushes = set()
    for seed in range(20):
        grey = flat(90)
        cast = Failure(Cause.COLOR_CAST, severity, seed).on_clip()(grey).astype(np.float64)
        stops = np.log2(light(cast) / light(grey.astype(np.float64))).mean(axis=(0, 1))
        assert np.abs(stops).max() == pytest.approx(level(Cause.COLOR_CAST, severity), abs=0.07)
        pushes.add(tuple(np.sign(np.round(stops, 1))))
    assert len(pushes) >= 3, "warm, cool, green and magenta all happen"


@every_severity
def test_fog_takes_contrast_and_lifts_black(severity: int, campus: Frame) -> None:
    clear, foggy = campus, Failure(Cause.FOG, severity).on_clip()(campus)
    share = level(Cause.FOG, severity)
    assert foggy.std() < (1 - 0.7 * share) * clear.std()
    assert np.percentile(foggy, 1) > np.percentile(clear, 1) + 100 * share
    assert foggy.max() < 250


def test_fog_is_thicker_at_the_top_and_uneven() -> None:
    chess = (np.indices((240, 320)).sum(axis=0) % 2 * 255).astype(np.uint8)
    foggy = Failure(Cause.FOG, 3).on_clip()(np.dstack([chess] * 3)).astype(np.float64)
    contrast = foggy[:, 1::2].reshape(6, 40, 4, 40, 3).std(axis=(1, 3, 4))
    assert contrast[0].mean() < contrast[-1].mean()
    assert np.ptp(contrast[2]) > 0


def test_fog_at_night_is_dim() -> None:
    assert Failure(Cause.FOG, 5).on_clip()(flat(20)).max() < 40


def test_the_documented_table_is_what_the_code_uses() -> None:
    for kind, (_, levels) in corruptions._RECIPES.items():
        assert [level(kind, severity) for severity in SEVERITIES] == list(levels), kind
    assert [level(Cause.FROZEN, severity) for severity in SEVERITIES] == list(corruptions._FROZEN_SHARES)


def test_every_cause_can_be_made_but_those_only_a_judge_can_name() -> None:
    assert set(Cause) - set(KINDS) == {
        Cause.SCENE_CHANGE,
        Cause.PERFORMANCE,
        Cause.CORRUPTED,
        Cause.REPLAYED,
        Cause.UNKNOWN,
    }


@pytest.mark.parametrize("kind", ["smoke", "", "NOISE", Cause.SCENE_CHANGE, Cause.UNKNOWN, None, 3])
def test_an_unknown_kind_is_refused_with_the_list_of_kinds(kind: Cause) -> None:
    with pytest.raises(UsageError) as refusal:
        Failure(kind, 1)
    assert repr(str(kind)) in str(refusal.value)
    assert all(known in str(refusal.value) for known in KINDS)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("severity", [-1, 6, 2.5, 3.0, "3", True, None, math.nan])
def test_a_severity_outside_0_to_5_is_refused(severity: int) -> None:
    with pytest.raises(UsageError, match=rf"severity is {re.escape(repr(severity))}; expected .* 1 .* 5"):
        Failure(Cause.NOISE, severity)


@pytest.mark.parametrize("seed", [-1, 0.5, "7", False, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=rf"seed is {re.escape(repr(seed))}; expected a whole number"):
        Failure(Cause.NOISE, 1, seed)
