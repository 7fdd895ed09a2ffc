"""The false-alarm rate is what it should be when frames and dimensions depend on each other.

Known answers on simulated cameras: nothing changed, so FAIL is a false alarm; everything moved, so PASS is a miss.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.episodes import By, Piece, Rule
from sentinel_edge.baseline.learning import build_from_windows
from sentinel_edge.footage.window import Window
from sentinel_edge.gates.embedding import ks
from sentinel_edge.gates.embedding.calibration import ALPHA, THRESHOLD, nearest_episodes
from sentinel_edge.gates.protocol import LONGEST_RATIO, Episodes
from sentinel_edge.gates.quality.learning import learn_quality
from sentinel_edge.gates.quality.normal import KnownQuality
from sentinel_edge.gates.signals import FRAME_SIGNALS, FrameSignals
from sentinel_edge.verdict.verdict import GateResult, Status
from tests.material import windows
from tests.material.simulation import Camera, some_signals
from tests.material.windows import embedding

LENGTH = 40
TRIALS = 24


def baseline_of(episodes: Sequence[NDArray[np.float16]], signals: Sequence[FrameSignals] | None = None) -> Baseline:
    """A baseline of simulated episodes; their pictures are all alike where `signals` does not say otherwise."""
    lengths = [len(episode) for episode in episodes]
    quality = learn_quality(signals, lengths) if signals else _uneventful(tuple(lengths))
    return windows.baseline_of(episodes, quality, model="simulated", source="simulated")


@cache
def _uneventful(lengths: tuple[int, ...]) -> KnownQuality:
    return learn_quality([np.resize(some_signals(), length) for length in lengths], lengths)


def window_of(camera: Camera, frames: int, shift: float = 0.0) -> NDArray[np.float16]:
    starts = range(0, frames, LENGTH)
    return np.concatenate([camera.episode(min(LENGTH, frames - start), shift) for start in starts])


def judge(embeddings: NDArray[np.float16], baseline: Baseline, samples: int | None = None) -> GateResult:
    """What the embedding gate says of a window that stands for so many samples, its frames if not said."""
    window = windows.window(embeddings, np.zeros(len(embeddings), FRAME_SIGNALS), samples=samples)
    settings = {"threshold": THRESHOLD, "alpha": ALPHA}
    return embedding(baseline).judge(window, baseline.episodes, settings)


@cache
def learned(seed: int, effect: float) -> tuple[Camera, Baseline]:
    """A simulated camera and the baseline of its past; `copy.deepcopy` the camera before drawing from it."""
    camera = Camera(seed, dimensions=96, correlation=0.9, episode_effect=effect)
    return camera, baseline_of([camera.episode(LENGTH) for _ in range(12)])


def false_alarms(ratio: float, effect: float) -> int:
    """How many of `TRIALS` independent cameras fail a window in which nothing changed."""
    count = 0
    for seed in range(TRIALS):
        camera, baseline = learned(seed, effect)
        window = window_of(deepcopy(camera), round(LENGTH * ratio))
        count += judge(window, baseline).status is not Status.PASS
    return count


@pytest.mark.parametrize("effect", [0.0, 0.7])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 5.0])
def test_normal_windows_of_half_to_five_episodes_pass(ratio: float, effect: float) -> None:
    alarms = false_alarms(ratio, effect)
    # At most 5 % is claimed: refuted only by a count that 5 % would give less than once in a thousand.
    assert stats.binom.sf(alarms - 1, TRIALS, 0.05) > 0.001, f"{alarms} of {TRIALS}"


def test_the_textbook_rule_fails_the_very_same_normal_windows() -> None:
    failed = 0
    for seed in range(TRIALS):
        camera = Camera(seed, dimensions=96, correlation=0.9, episode_effect=0.7)
        past = np.concatenate([camera.episode(LENGTH) for _ in range(12)])
        window = window_of(camera, LENGTH)
        pvalues = ks.pvalues(ks.statistic(past, window), ks.independent_scale(len(past), len(window)))
        failed += bool((pvalues < ALPHA).mean() > THRESHOLD)
    assert failed > 0.9 * TRIALS


@pytest.mark.parametrize("ratio", [1.0, 5.0])
def test_windows_in_which_everything_moved_fail(ratio: float) -> None:
    caught = 0
    for seed in range(8):
        camera = Camera(seed, dimensions=96, correlation=0.9, episode_effect=0.3)
        baseline = baseline_of([camera.episode(LENGTH) for _ in range(12)])
        caught += judge(window_of(camera, round(LENGTH * ratio), shift=1.5), baseline).status is Status.FAIL
    assert caught == 8


def test_longer_windows_have_smaller_scales() -> None:
    camera = Camera(1, dimensions=96)
    calibration = embedding(baseline_of([camera.episode(LENGTH) for _ in range(12)])).calibration
    typical = np.median(calibration.scales, axis=1)
    assert calibration.lengths.tolist() == [10, 20, 40, 80, 120, 160, 240]
    assert typical[-1] < 0.7 * typical[0]
    between = np.median(calibration.scale_at(30))
    assert min(typical[1:3]) <= between <= max(typical[1:3])
    assert (calibration.scale_at(10_000) == calibration.scale_at(240)).all(), (
        "held beyond the longest, not extrapolated"
    )


@pytest.mark.parametrize(("frames", "problem"), [(7, "too few frames"), (12 * LENGTH * LONGEST_RATIO + 1, "too long")])
def test_windows_outside_the_calibrated_lengths_are_refused(frames: int, problem: str) -> None:
    camera = Camera(2, dimensions=8)
    baseline = baseline_of([camera.episode(LENGTH) for _ in range(12)])
    result = judge(camera.episode(min(frames, 50)), baseline, frames)
    assert result.status is Status.ERROR
    assert problem in result.reason


def test_a_baseline_whose_gate_could_never_fail_is_refused_not_passed() -> None:
    rng = np.random.default_rng(3)
    # Every episode lives in a place of its own: all distances are 1, and a distance cannot exceed 1.
    episodes = [(rng.normal(size=(LENGTH, 16)) + 100 * number).astype(np.float16) for number in range(6)]
    result = judge(episodes[0] + np.float16(1000), baseline_of(episodes))
    assert result.status is Status.ERROR
    assert "too variable" in result.reason


def test_a_baseline_that_sees_little_may_fail_a_window_but_not_pass_it() -> None:
    rng = np.random.default_rng(7)
    episodes = [(np.abs(rng.normal(size=(LENGTH, 16))) + number).astype(np.float16) for number in range(6)]
    baseline = baseline_of(episodes)
    assert any("only distances above" in weakness for weakness in baseline.weaknesses)
    assert judge(episodes[2], baseline).status is Status.ERROR
    covered = judge(np.zeros((LENGTH, 16), np.float16), baseline)
    assert covered.status in (Status.ERROR, Status.FAIL)


def test_a_sound_baseline_has_no_weakness_to_tell_of() -> None:
    camera = Camera(8, dimensions=60, episode_effect=0.0)
    assert baseline_of([camera.episode(LENGTH) for _ in range(12)]).weaknesses == ()


def test_constant_dimensions_neither_break_nor_alarm_but_a_change_in_them_counts() -> None:
    camera = Camera(4, dimensions=40, episode_effect=0.0)
    episodes = [camera.episode(LENGTH) for _ in range(8)]
    for episode in episodes:
        episode[:, :20] = 0
    baseline = baseline_of(episodes)
    same = camera.episode(LENGTH)
    same[:, :20] = 0
    assert judge(same, baseline).status is Status.PASS
    same[:, :20] = 0.5
    changed = judge(same, baseline)
    assert changed.status is Status.FAIL
    assert set(changed.numbers["dimensions"].most_drifted) <= set(range(20))


def test_a_camera_that_never_changes_still_gets_a_scale_that_is_not_zero() -> None:
    still = np.full((LENGTH, 8), 0.25, np.float16)
    baseline = baseline_of([still] * 6)
    assert (embedding(baseline).calibration.scales > 0.1).all()
    assert judge(still, baseline).score == 0
    assert judge(still + np.float16(0.5), baseline).score == 1


def test_like_is_compared_with_like() -> None:
    days, nights = [np.full(4, 0.0), np.full(4, 0.2)], [np.full(4, 5.0), np.full(4, 5.3)]
    centres = np.stack([days[0], nights[0], days[1], nights[1]])
    assert nearest_episodes([np.full(4, 5.1)], centres, range(4)) == [1, 3]
    assert nearest_episodes([np.full(4, 0.1), np.full(4, 5.1)], centres, range(4)) == [0, 2, 1, 3]
    assert nearest_episodes([np.full(4, 5.1)], centres, [0, 1, 2]) == [1, 2]


def test_the_score_is_the_share_of_dimensions_below_alpha() -> None:
    camera = Camera(5, dimensions=50, episode_effect=0.0)
    baseline = baseline_of([camera.episode(LENGTH) for _ in range(12)])
    window = camera.episode(LENGTH)
    window[:, :20] += np.float16(50)
    result = judge(window, baseline)
    dimensions, normal = result.numbers["dimensions"], result.numbers["normal"]
    assert result.score == dimensions.drifted / 50
    assert dimensions.drifted >= 20, "the twenty that moved, and perhaps a few by chance"
    assert set(dimensions.most_drifted) <= set(range(20))
    assert normal.at_least_as_high == 0, "no normal stretch scores as high"


def test_the_order_of_a_windows_frames_within_a_piece_does_not_matter() -> None:
    camera = Camera(6, dimensions=30)
    baseline = baseline_of([camera.episode(LENGTH) for _ in range(6)])
    window = camera.episode(LENGTH)
    assert judge(window[::-1], baseline) == judge(window, baseline)


# Windows as archives have them.


def days(seed: int, count: int, frames: int) -> tuple[Camera, list[NDArray[np.float16]]]:
    """A camera that takes so many pictures a day, and so many days of it."""
    camera = Camera(seed, dimensions=96, correlation=0.7, episode_effect=0.5)
    return camera, [camera.episode(frames) for _ in range(count)]


@pytest.mark.parametrize("frames", [11, 14, 15, 16, 23])
def test_a_day_that_misses_pictures_is_judged(frames: int) -> None:
    camera, known = days(frames, 20, frames)
    baseline = baseline_of(known)
    assert embedding(baseline).shortest <= max(8, 0.75 * 11)
    shown = [camera.episode(frames)[: max(9, frames - missing)] for missing in range(frames - 8) for _ in range(4)]
    found = [judge(one, baseline).status for one in shown]
    assert Status.ERROR not in found
    assert found.count(Status.FAIL) <= 0.15 * len(found)
    assert judge(camera.episode(frames, 3.0)[:9], baseline).status is Status.FAIL
    assert judge(camera.episode(frames)[:7], baseline).status is Status.ERROR


def test_below_what_was_measured_more_is_tolerated() -> None:
    _, known = days(1, 12, 30)
    calibration = embedding(baseline_of(known)).calibration
    assert (calibration.lengths[0], calibration.shortest) == (15, 11.25)
    ratio = calibration.scale_at(12) / calibration.scale_at(15)
    assert np.allclose(ratio, np.sqrt(15 / 12))
    assert (calibration.scale_at(15) == calibration.scale_at(15.0)).all()


def test_where_days_are_joined_a_day_can_still_be_judged() -> None:
    camera, known = days(2, 240, 14)
    clips = [Piece(f"day {number}", window_with(one)) for number, one in enumerate(known)]
    baseline = build_from_windows(clips, "days", episode=Rule(By.FILE), fps=5.0)
    assert baseline.episodes.frames == (14 * 12,) * 20
    assert embedding(baseline).calibration.lengths[0] == 14
    assert baseline.shortest <= 11
    assert judge(camera.episode(14)[:12], baseline).status is Status.PASS


def window_with(embeddings: NDArray[np.float16]) -> Window:
    """A window of embeddings alone."""
    shown = windows.window(embeddings, np.zeros(len(embeddings), FRAME_SIGNALS))
    return replace(shown, records={"embedding": embeddings})


def test_days_that_are_added_keep_the_shortest_length() -> None:
    camera, known = days(3, 12, 28)
    baseline = baseline_of(known)
    normal, episodes = embedding(baseline), baseline.episodes
    for _ in range(20):
        shown = camera.episode(15)
        more = Episodes(("day",), (15,), (15,))
        kept = list(range(len(episodes)))[-19:]
        after = episodes.only(kept).and_then(more)
        normal, episodes = normal.grown(kept, [window_with(shown)], episodes, after), after
        assert normal.shortest <= 11
    assert normal.calibration.lengths[0] == 8
