"""The causes named for a failed check, on a small scene that the saboteur damages."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.causes import Cause
from sentinel_edge.gates.quality.diagnosis import MOST_CAUSES, diagnose
from sentinel_edge.gates.quality.learning import learn_quality
from sentinel_edge.gates.quality.normal import Assessment, KnownQuality, assess
from sentinel_edge.gates.signals import FRAME_SIGNALS, FrameSignals, measure
from sentinel_edge.sabotage.corruptions import KINDS, Failure
from sentinel_edge.verdict.verdict import CauseFound

HEIGHT, WIDTH, FRAMES = 240, 320, 16
Frames = list[NDArray[np.uint8]]


@cache
def scene(seed: int) -> NDArray[np.uint8]:
    """A view with texture of every size and colour, and edges of every direction."""
    chance = np.random.default_rng(seed)
    view = np.full((HEIGHT, WIDTH, 3), 110.0)
    for size, strength in ((8, 30), (24, 20), (80, 12)):
        coarse = chance.normal(0, strength, (size * HEIGHT // WIDTH, size, 3))
        view += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    view = np.asarray(np.clip(view, 20, 200), np.uint8)
    for _ in range(50):
        x, y, size = (int(number) for number in chance.integers((0, 0, 8), (WIDTH, HEIGHT, 40)))
        corners = cv2.boxPoints(((x, y), (size, size), float(chance.uniform(0, 90)))).astype(np.int32)
        cv2.fillPoly(view, [corners], [int(number) for number in chance.integers(20, 200, 3)])
    return view


def footage(view: NDArray[np.uint8], seed: int, exposure: float = 1.0) -> Frames:
    """A fixed camera: the view, something that crosses it, sensor noise."""
    chance = np.random.default_rng(seed)
    frames = []
    for number in range(FRAMES):
        frame = view.copy()
        cv2.circle(frame, (20 * number, HEIGHT // 2 + 5 * (seed % 5)), 12, (60, 160, 200), -1)
        noisy = np.float32(exposure) * frame + np.float32(1.5) * chance.standard_normal(frame.shape, np.float32)
        frames.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return frames


def signals(frames: Frames) -> FrameSignals:
    followed = [measure(frame, successor) for frame, successor in pairwise(frames)]
    return np.array([*followed, measure(frames[-1])], FRAME_SIGNALS)


@cache
def clean() -> Frames:
    """A window in which nothing is wrong."""
    return footage(scene(1), 77)


@cache
def baseline() -> KnownQuality:
    episodes = [signals(footage(scene(1), seed, 0.97 + 0.01 * seed)) for seed in range(6)]
    return learn_quality(episodes, [FRAMES] * len(episodes))


def assessed(frames: Frames) -> Assessment:
    return assess(signals(frames), len(frames), baseline())


def diagnosed(frames: Frames) -> tuple[CauseFound, ...]:
    found = assessed(frames)
    assert found.score > 1, "the quality gate should fail"
    return diagnose(found, baseline(), picture_failed=True)


@cache
def damaged(kind: Cause, severity: int = 3) -> Frames:
    corrupt = Failure(kind, severity, seed=2).on_clip("clip", FRAMES)
    return [corrupt(frame) for frame in clean()]


@pytest.mark.parametrize("kind", KINDS)
def test_names_each_kind_of_damage(kind: Cause) -> None:
    assert diagnosed(damaged(kind))[0].kind is kind


@pytest.mark.parametrize("severity", [2, 3])
@pytest.mark.parametrize("kind", [Cause.NOISE, Cause.LOW_LIGHT, Cause.CAMERA_MOVED])
def test_names_no_second_cause_for_what_the_first_explains(kind: Cause, severity: int) -> None:
    assert [cause.kind for cause in diagnosed(damaged(kind, severity))] == [kind]


def test_names_both_of_two_independent_causes() -> None:
    grainy = Failure(Cause.NOISE, 3).on_clip("clip", FRAMES)
    frames = [grainy(frame) for frame in damaged(Cause.COLOR_CAST)]
    assert {cause.kind for cause in diagnosed(frames)} == {Cause.NOISE, Cause.COLOR_CAST}


def test_another_scene_is_a_scene_change_that_somebody_looks_at_first() -> None:
    cause, doubt = diagnosed(footage(scene(9), 77))
    assert cause.kind is Cause.SCENE_CHANGE
    assert "resembles none of the" in cause.evidence
    assert doubt.kind is Cause.UNKNOWN
    assert "is this that camera's baseline" in doubt.evidence


def test_an_encoder_that_drops_faint_detail_is_not_called_blur() -> None:
    # Bilateral smoothing does what a starved video encoder does: edges stay, faint texture and noise go; no grid.
    frames = [np.asarray(cv2.bilateralFilter(frame, 9, 30, 5), np.uint8) for frame in clean()]
    assert diagnosed(frames)[0].kind is Cause.COMPRESSION


def test_a_sound_picture_of_something_else_is_a_scene_change() -> None:
    found = assessed(clean())
    (cause,) = diagnose(found, baseline(), picture_failed=False)
    assert cause.kind is Cause.SCENE_CHANGE
    assert "changed more than the picture itself" in cause.evidence


def test_a_content_gate_alone_names_what_is_likely_of_the_picture() -> None:
    found = assessed(damaged(Cause.LOW_LIGHT, 1))
    assert found.score < 1
    assert diagnose(found, baseline(), picture_failed=False)[0].kind is Cause.LOW_LIGHT


def test_a_failed_picture_that_nothing_explains_is_unknown_with_its_largest_deviation() -> None:
    found = assessed(clean())
    # More contrast than ever is none of our causes.
    odd = replace(found, deviations=found.deviations | {"contrast": 2.0}, changes=found.changes | {"contrast": 0.5})
    (cause,) = diagnose(odd, baseline(), picture_failed=True)
    assert cause.kind is Cause.UNKNOWN
    assert cause.evidence.startswith("contrast")


def readings(evidence: str) -> Iterator[float]:
    """The numbers in a line of evidence, in order."""
    for word in evidence.replace("(", " ").replace(",", " ").split():
        try:
            yield float(word)
        except ValueError:
            continue


def test_brightness_is_told_before_after_and_as_normal() -> None:
    frames = damaged(Cause.LOW_LIGHT)
    evidence = diagnosed(frames)[0].evidence
    before, after, low, high, count = readings(evidence)
    normal = [grey(footage(scene(1), seed, 0.97 + 0.01 * seed)) for seed in range(6)]
    assert evidence.startswith("brightness")
    assert after == pytest.approx(grey(frames), abs=1)
    assert low == pytest.approx(min(normal), abs=1)
    assert high == pytest.approx(max(normal), abs=1)
    assert low <= before <= high
    assert count == len(baseline().conditions)


def grey(frames: Frames) -> float:
    return float(np.mean([cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).mean() for frame in frames]))


def test_a_reading_that_other_conditions_know_is_told_against_the_most_similar() -> None:
    night = [signals(footage(scene(1), seed, 0.2)) for seed in range(10, 12)]
    day = [signals(footage(scene(1), seed)) for seed in range(4)]
    known = learn_quality([*day, *night], [FRAMES] * 6)
    found = assessed(damaged(Cause.LOW_LIGHT, 2))  # between both
    for dark, usual in ((False, grey(clean())), (True, 0.2 * grey(clean()))):
        like = [number for number, each in enumerate(known.conditions) if (each["luma"].mean() < 80) == dark]
        evidence = diagnose(replace(found, nearest=tuple(like)), known, picture_failed=True)[0].evidence
        before, _, *normal = readings(evidence)
        assert "in the conditions most like it" in evidence
        assert np.mean(normal) == pytest.approx(before, abs=1)
        assert before == pytest.approx(usual, abs=2)


@pytest.mark.parametrize(
    ("kind", "place", "lowest", "highest"),
    [
        (Cause.NOISE, 1, 9.5, 12.5),  # 16 on each channel is 11 on grey
        (Cause.FROZEN, 0, 46, 54),
        (Cause.CAMERA_MOVED, 0, 4, 20),
        (Cause.OCCLUSION, 0, 20, 45),  # a quarter, and its soft rim
    ],
)
def test_evidence_holds_the_numbers_of_the_damage(kind: Cause, place: int, lowest: float, highest: float) -> None:
    evidence = diagnosed(damaged(kind))[0].evidence
    assert lowest < list(readings(evidence))[place] < highest, evidence


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_a_smear_is_told_with_its_direction(angle: int) -> None:
    kernel = np.zeros((13, 13), np.float32)
    x, y = np.cos(np.radians(angle)) * 6, np.sin(np.radians(angle)) * 6
    cv2.line(kernel, (round(6 - x), round(6 - y)), (round(6 + x), round(6 + y)), (1.0,))
    frames = [np.asarray(cv2.filter2D(frame, -1, kernel / kernel.sum()), np.uint8) for frame in clean()]
    cause = diagnosed(frames)[0]
    assert cause.kind is Cause.MOTION_BLUR
    assert cause.evidence.endswith({0: "sideways", 90: "up and down"}.get(angle, "along a diagonal"))


@pytest.mark.parametrize("severity", [1, 5])
def test_something_is_always_named_in_one_short_line(severity: int) -> None:
    for kind in (Cause.BLUR, Cause.OCCLUSION, Cause.FOG, Cause.LOW_LIGHT, Cause.OVER_EXPOSURE):
        found = assessed(damaged(kind, severity))
        causes = diagnose(found, baseline(), picture_failed=found.score > 1)
        assert 1 <= len(causes) <= MOST_CAUSES
        assert len({cause.kind for cause in causes}) == len(causes)
        assert all(cause.evidence and "\n" not in cause.evidence and len(cause.evidence) < 160 for cause in causes)
