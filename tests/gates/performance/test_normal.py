"""The performance gate: worse than ever is found, better never blamed, and what cannot be judged is said."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.describe import as_text, describe
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.baseline.learning import build_baseline, extend_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_clips, find_footage
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.window import Window
from sentinel_edge.gates import names, numbers
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.performance import gate as gate_module
from sentinel_edge.gates.performance.normal import (
    KEPT,
    MIN_SCORED,
    SCORES,
    TRIPLET,
    UNASKED,
    KnownPerformance,
    Triplets,
    assess_performance,
    learn_performance,
    passed_over,
    record,
    scored_count,
    why_not,
)
from sentinel_edge.gates.protocol import Models
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.score import Silence, TripletScore
from sentinel_edge.promotion.watched import Watched, watched_interpolator
from sentinel_edge.verdict.reading import read_verdict
from sentinel_edge.verdict.summary import summary
from sentinel_edge.verdict.verdict import SCHEMA_PATH, Status
from tests.cli.test_bad_input import packed
from tests.conftest import INCOMING, PAST
from tests.gates.quality.test_normal import LENGTH
from tests.gates.test_judge import known, later
from tests.material.interpolators import tiny_graph, write_tiny
from tests.material.windows import EMBEDDING, PERFORMANCE, QUALITY, performance, read, with_known, with_records

SHA, OTHER = "a" * 64, "b" * 64
EVERY = 2


def triplets(
    count: int,
    rng: np.random.Generator,
    *,
    gain: float = 3.0,
    ssim: float = 0.88,
    spread: float = 1.0,
    every: int = EVERY,
) -> Triplets:
    """Records of a stretch of so many frames; neighbours resemble each other, as real ones do."""
    found = np.zeros(count, TRIPLET)
    drift = np.zeros(count)
    for frame in range(1, count):
        drift[frame] = 0.8 * drift[frame - 1] + 0.6 * rng.normal()
    found["psnr_gain"] = gain + spread * drift
    found["ssim_gain"] = 0.1 + 0.03 * spread * drift
    found["ssim"] = np.minimum(1.0, ssim + 0.04 * spread * drift)
    found["found"][::every] = 1
    return found


def past(rng: np.random.Generator, episodes: int = 12, frames: int = 40, effect: float = 0.3) -> KnownPerformance:
    gains = 3.0 + effect * rng.normal(size=episodes)
    stretches = [triplets(frames, rng, gain=gain, ssim=0.88 + 0.04 * (gain - 3.0)) for gain in gains]
    return learn_performance(stretches, [frames] * episodes, SHA)


def of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# Worse, better, the same.


@pytest.mark.parametrize(
    ("change", "worst"), [({"gain": 0.0}, "psnr_gain"), ({"ssim": 0.7}, "ssim"), ({"gain": 1.0, "ssim": 0.75}, "ssim")]
)
def test_what_is_worse_than_ever_is_found_by_the_score_that_shows_it(change: dict[str, float], worst: str) -> None:
    standing = assess_performance(triplets(100, of(1), every=5, **change), 100, past(of(0)))
    assert standing.score > 1
    assert max(standing.shortfalls, key=lambda name: standing.shortfalls[name]) == worst
    assert standing.now[worst] < standing.tolerated[worst] < standing.normal[worst][0]


def test_what_is_better_is_no_drift_however_much() -> None:
    standing = assess_performance(triplets(100, of(1), gain=30.0, ssim=0.99), 100, past(of(0)))
    assert (standing.shortfalls["psnr_gain"], standing.shortfalls["ssim"]) == (0.0, 0.0)
    assert standing.score < 0.5


def test_normal_windows_raise_at_most_one_alarm_in_twenty() -> None:
    alarms = 0
    for seed in range(100):
        rng = of(seed)
        known_past = past(rng)
        gain = 3.0 + 0.3 * rng.normal()
        window = triplets(60, rng, gain=gain, ssim=0.88 + 0.04 * (gain - 3.0), every=5)
        alarms += assess_performance(window, 60, known_past).score > 1
    assert alarms <= 5


def test_a_window_is_tolerated_exactly_down_to_what_is_said() -> None:
    known_past, window = past(of(0)), triplets(100, of(1))
    for name in SCORES:
        tolerated = assess_performance(window, 100, known_past).tolerated[name]
        for offset, fails in ((0.001, False), (-0.001, True)):
            shifted = window.copy()
            shifted[name] += tolerated + offset - assess_performance(window, 100, known_past).now[name]
            assert (assess_performance(shifted, 100, known_past).shortfalls[name] > 1) == fails, name


def test_single_triplets_decide_nothing() -> None:
    window = triplets(100, of(1), every=5)
    spoilt = window.copy()
    spoilt["psnr_gain"][:20], spoilt["ssim"][:20] = -50.0, -1.0
    assert assess_performance(window, 100, past(of(0))).score < 1
    assert assess_performance(spoilt, 100, past(of(0))).score < 1


def test_a_taught_frame_rate_is_normal_beside_the_old_one_and_what_is_worse_still_fails() -> None:
    rng = of(3)
    slow = learn_performance([triplets(40, rng, gain=1.0, ssim=0.7) for _ in range(6)], [40] * 6, OTHER)
    both = past(of(0)).then(slow)
    assert assess_performance(triplets(100, rng, gain=1.0, ssim=0.7), 100, past(of(0))).score > 1
    assert assess_performance(triplets(100, rng, gain=1.0, ssim=0.7), 100, both).score < 1
    assert assess_performance(triplets(100, rng), 100, both).score < 1
    assert assess_performance(triplets(100, rng, gain=-2.0, ssim=0.4), 100, both).score > 1


def test_a_longer_window_is_judged_no_more_leniently() -> None:
    known_past = past(of(0))
    short = assess_performance(triplets(40, of(1), every=4), 40, known_past)
    long = assess_performance(triplets(400, of(1), every=4), 400, known_past)
    assert all(long.tolerated[name] >= short.tolerated[name] for name in SCORES)


# What is kept.


@pytest.mark.parametrize("frames", [0, 1, 255, 256, 257, 600, 1200])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_of_an_episode_at_most_so_many_triplets_are_kept_evenly(frames: int, every: int) -> None:
    records = np.zeros(frames, TRIPLET)
    records["found"][::every] = 1
    records["psnr_gain"] = np.arange(frames)  # exact in half precision up to 2048
    kept = learn_performance([records], [frames], SHA)
    assert len(kept.scores) <= KEPT
    if frames:
        assert len(set(np.diff(kept.scores[:, 0].astype(np.float64)))) <= 1
        assert kept.interpolators == (SHA,)
    else:
        assert kept.interpolators == ("",)


def test_some_of_the_episodes_are_numbered_anew() -> None:
    known_past = past(of(0), episodes=4)
    some = known_past.only([1, 3])
    assert set(some.owners) == {0, 1}
    assert np.array_equal(some.scores[some.owners == 1], known_past.scores[known_past.owners == 3])
    assert some.then(KnownPerformance.nothing(1)).interpolators == (SHA, SHA, "")


def test_a_record_holds_a_score_a_reason_or_nothing() -> None:
    score = TripletScore(1.5, 0.25, 0.0, 0.0, 20.0, 0.75, 0.1)
    records = np.array([record(score), record(Silence.CUT), record(None), record(Silence.CUT), record(Silence.STILL)])
    assert (scored_count(records), passed_over(records)) == (1, {str(Silence.CUT): 2, str(Silence.STILL): 1})
    assert [float(records[0][name]) for name in SCORES] == [1.5, 0.25, 0.75]
    assert records[2]["found"] == UNASKED


# What cannot be judged.


@pytest.mark.parametrize(
    ("window", "knowledge", "interpolator", "problem"),
    [
        (100, KnownPerformance.nothing(12), SHA, "made without an interpolator"),
        (100, past(of(0), episodes=2), SHA, "2 of the baseline's episodes"),
        (100, past(of(0), frames=6), SHA, "0 of the baseline's episodes"),
        (100, past(of(0)), "", "nothing was interpolated"),
        (100, past(of(0)), OTHER, "does not know interpolator bbbbbbbbbbbb"),
        (2 * MIN_SCORED - 2, past(of(0)), SHA, "7 triplets to score, expected 8 or more; give a longer window"),
        (0, past(of(0)), SHA, "0 triplets to score"),
        (2 * MIN_SCORED, past(of(0)), SHA, None),
    ],
)
def test_what_cannot_be_judged_is_said(
    window: int, knowledge: KnownPerformance, interpolator: str, problem: str | None
) -> None:
    found = why_not(triplets(window, of(1)), knowledge, interpolator)
    assert (found is None) if problem is None else (problem in (found or ""))


def test_too_few_triplets_are_told_with_their_reasons() -> None:
    records = triplets(40, of(0))
    records["found"][::EVERY] = record(Silence.STILL)["found"]
    records["found"][0] = record(Silence.CUT)["found"]
    found = why_not(records, past(of(0)), SHA) or ""
    assert "nothing moves in 19, a cut between the frames in 1" in found


# In the judge.


def watched(baseline: Baseline) -> Baseline:
    return with_known(baseline, performance=past(of(0), episodes=len(baseline.episodes)))


def seen(*, shift: float = 0.0, dim: int = 1, **how: float) -> Window:
    """A window of a site whose triplets score as said."""
    window = later().window(shift=shift, dim=dim)
    scored = triplets(LENGTH, of(1), **how)  # type: ignore[arg-type]
    return replace(with_records(window, performance=scored), made_by={PERFORMANCE: SHA})


def test_a_worse_model_alone_fails_and_is_its_own_cause() -> None:
    found = judge(seen(gain=0.0), watched(known()))
    assert {name: gate.status for name, gate in found.gates.items()} == {
        EMBEDDING: Status.PASS,
        QUALITY: Status.PASS,
        PERFORMANCE: Status.FAIL,
    }
    assert (found.status, [cause.kind for cause in found.causes]) == (Status.FAIL, [Cause.PERFORMANCE])
    gate = found.gates[PERFORMANCE]
    told = gate.numbers["triplets"]
    assert told.scored == LENGTH // EVERY
    now = told.measures["psnr_gain"].now
    assert f"the model gains {now:.1f} dB over averaging" in gate.reason
    assert now < told.measures["psnr_gain"].tolerated
    assert found.most_drifted


def test_a_failure_of_the_picture_that_costs_performance_is_named_before_it() -> None:
    hurt, harmless = judge(seen(dim=3, gain=0.0), watched(known())), judge(seen(dim=3), watched(known()))
    assert [cause.kind for cause in hurt.causes][:: len(hurt.causes) - 1] == [Cause.LOW_LIGHT, Cause.PERFORMANCE]
    assert Cause.PERFORMANCE not in [cause.kind for cause in harmless.causes]
    assert harmless.gates[PERFORMANCE].status is Status.PASS


def test_a_gate_that_has_nothing_to_judge_by_leaves_it_to_the_others_and_alone_is_an_error() -> None:
    still = with_records(seen(), performance=np.zeros(LENGTH, TRIPLET))
    together = judge(still, watched(known()))
    assert (together.status, together.gates[PERFORMANCE].status) == (Status.PASS, Status.NOT_JUDGED)
    assert judge(still, watched(known()), gates=[QUALITY, PERFORMANCE]).status is Status.PASS
    alone = judge(still, watched(known()), gates=[PERFORMANCE])
    assert (alone.status, alone.gates[PERFORMANCE].status) == (Status.ERROR, Status.ERROR)


@pytest.mark.parametrize(("gain", "status"), [(3.0, Status.PASS), (0.0, Status.FAIL)])
def test_the_gate_decides_alone_where_it_is_asked_to(gain: float, status: Status) -> None:
    found = judge(seen(gain=gain), watched(known()), gates=[PERFORMANCE])
    assert (found.status, list(found.gates)) == (status, [PERFORMANCE])
    assert [cause.kind for cause in found.causes] == ([Cause.PERFORMANCE] if status is Status.FAIL else [])


def test_a_baseline_with_too_little_motion_is_told_so() -> None:
    poor = with_known(known(), performance=past(of(0), episodes=len(known().episodes), frames=4))
    assert any("performance cannot be judged" in line for line in poor.weaknesses)
    assert not any("performance" in line for line in watched(known()).weaknesses)


# In the file.


def test_what_is_known_survives_the_file_and_a_file_of_before_is_read_without_it(tmp_path: Path) -> None:
    path, baseline = tmp_path / "b.npz", watched(known())
    save_baseline(baseline, path)
    found, known_now = performance(load_baseline(path)), performance(baseline)
    assert found.watched
    for name in ("scores", "owners", "strides"):
        assert np.array_equal(getattr(found, name), getattr(known_now, name)), name
    assert found.interpolators == known_now.interpolators
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if not name.startswith("triplet_")}
    path.write_bytes(packed(arrays, version=2))
    before = performance(load_baseline(path))
    assert (before.watched, len(before.scores)) == (False, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"triplet_owners": np.full(240, 99, np.int64)},
        {"triplet_owners": np.arange(240)[::-1].copy()},
        {"triplet_scores": np.full((240, 3), np.nan, np.float16)},
        {"triplet_scores": np.zeros((240, 2), np.float16)},
        {"triplet_strides": np.zeros(12)},
        {"triplet_strides": np.full(12, -1.0)},
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path, baseline = tmp_path / "b.npz", watched(known())
    assert (len(performance(baseline).scores), len(baseline.episodes)) == (240, 12)
    save_baseline(baseline, path)
    with np.load(path) as archive:
        arrays = dict(archive)
    with path.open("wb") as stream:
        np.savez(stream, **(arrays | changes))
    with pytest.raises(SentinelError, match="build it again"):
        load_baseline(path)


# On footage.


@pytest.fixture(scope="module")
def mean(tmp_path_factory: pytest.TempPathFactory) -> Interpolator:
    """An interpolator that averages."""
    return Interpolator(write_tiny(tmp_path_factory.mktemp("mean")))


@pytest.fixture(scope="module")
def taught(embedder: Embedder, mean: Interpolator) -> Baseline:
    baseline, _ = build_baseline(find_footage(PAST), Models(embedder, lambda: mean))
    return baseline


def test_every_tenth_frame_of_a_video_is_interpolated_and_none_without_an_interpolator(
    embedder: Embedder, mean: Interpolator
) -> None:
    window = read(find_clips(INCOMING), embedder, interpolator=mean)
    asked = np.flatnonzero(window.records[PERFORMANCE]["found"] != UNASKED)
    assert (asked // gate_module.EVERY).tolist() == list(range(15)), "one of every ten, whichever"
    assert window.made_by[PERFORMANCE] == mean.card.sha256
    assert np.abs(window.records[PERFORMANCE]["psnr_gain"]).max() < 1e-3, "averaging gains nothing over averaging"
    assert window.records[PERFORMANCE]["ssim"][asked].min() > 0.3


@pytest.mark.parametrize("every", [2, 3, 10])
def test_a_window_that_is_thinned_keeps_its_triplets_bounded_and_even(
    embedder: Embedder, mean: Interpolator, every: int
) -> None:
    window = read(find_clips(INCOMING), embedder, interpolator=mean, every=every, limit=40)
    assert window.stride == 4
    asked = np.flatnonzero(window.records[PERFORMANCE]["found"] != UNASKED)
    assert len(asked) == pytest.approx(len(window.origins) / every, rel=0.5)
    assert np.diff(asked).max() < 4 * every


def test_pictures_are_never_interpolated(embedder: Embedder, mean: Interpolator, tmp_path: Path) -> None:
    with VideoReader(INCOMING) as reader:
        for number, (_, frame) in zip(range(12), reader, strict=False):
            write_png(tmp_path / f"{number}.png", frame)
    window = read(find_clips(tmp_path), embedder, interpolator=mean, every=1)
    assert (window.records[PERFORMANCE]["found"] == UNASKED).all()


def write_png(path: Path, frame: NDArray[np.uint8]) -> None:
    cv2.imwrite(str(path), frame)


def test_a_frozen_camera_earns_nothing(
    embedder: Embedder, taught: Baseline, mean: Interpolator, tmp_path: Path
) -> None:
    frozen = rewritten(tmp_path / "frozen.avi", lambda _: 0, frames=40)
    window = read(find_clips(frozen), embedder, interpolator=mean)
    assert passed_over(window.records[PERFORMANCE]) == {str(Silence.STILL): 2}
    assert judge(window, taught).gates[PERFORMANCE].status is Status.NOT_JUDGED
    doubled = rewritten(tmp_path / "doubled.avi", lambda number: number // 2 * 2, frames=40)
    window = read(find_clips(doubled), embedder, interpolator=mean)
    assert passed_over(window.records[PERFORMANCE]) == {str(Silence.REPEATED): 2}


def rewritten(output: Path, chosen: Callable[[int], int], *, frames: int, fps: float = 10.0) -> Path:
    """So many frames of the sample camera, at each place the one whose number is chosen."""
    with VideoReader(INCOMING) as reader:
        originals = [frame for _, frame in reader]
    with LosslessVideo(output, fps) as video:
        for number in range(frames):
            video.write(originals[chosen(number)])
    return output


def test_a_checks_verdict_tells_what_the_gate_saw(taught: Baseline, mean: Interpolator, tmp_path: Path) -> None:
    save_baseline(taught, tmp_path / "b.npz")
    model = write_tiny(tmp_path / "model")
    verdict = check(CheckOptions(INCOMING, tmp_path / "b.npz", None, tmp_path / "out", interpolator=model))
    document = json.loads((tmp_path / "out" / "verdict.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text())).validate(document)
    assert (verdict.status, tuple(verdict.gates)) == (Status.PASS, names())
    told = document["gates"]["performance"]["triplets"]
    assert (told["interpolator"], told["scored"], told["passed_over"]) == (mean.card.sha256, 15, {})
    assert set(told["measures"]) == set(SCORES)
    read_back = read_verdict(tmp_path / "out" / "verdict.json", numbers()).gates[PERFORMANCE]
    assert read_back.numbers["triplets"].scored == 15
    assert "performance" in summary(verdict, tmp_path)


@pytest.mark.slow
def test_a_check_without_or_with_another_interpolator_is_judged_by_the_others(
    taught: Baseline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_baseline(taught, tmp_path / "b.npz")
    options = CheckOptions(INCOMING, tmp_path / "b.npz", None, tmp_path / "out", interpolator=Watched.NONE)
    assert set(check(options).gates) == set(names()) - {PERFORMANCE}
    alone = check(replace(options, gates=(PERFORMANCE,)))
    assert alone.status is Status.ERROR
    another = write_tiny(tmp_path / "another", tiny_graph(name="another"))
    monkeypatch.setattr(gate_module, "score_all", refuse)  # what the baseline does not know is not even asked
    verdict = check(replace(options, interpolator=another))
    assert (verdict.status, verdict.gates[PERFORMANCE].status) == (Status.PASS, Status.NOT_JUDGED)
    assert "baseline --add" in verdict.gates[PERFORMANCE].reason


def refuse(*_: object) -> Iterator[object]:
    raise AssertionError


def test_a_model_that_gives_what_is_no_number_is_an_error_and_no_pass(taught: Baseline, tmp_path: Path) -> None:
    bad = write_tiny(tmp_path / "bad", tiny_graph("not a number"))
    made_by_it = replace(performance(taught), interpolators=(Interpolator(bad).card.sha256,) * 12)
    save_baseline(with_known(taught, performance=made_by_it), tmp_path / "b.npz")
    verdict = check(CheckOptions(INCOMING, tmp_path / "b.npz", None, tmp_path / "out", interpolator=bad))
    assert verdict.status is Status.ERROR
    assert "not finite" in verdict.message


@pytest.mark.slow
def test_a_baseline_learns_from_another_interpolator_and_then_knows_both(
    embedder: Embedder, taught: Baseline, tmp_path: Path
) -> None:
    another = Interpolator(write_tiny(tmp_path, tiny_graph(name="another")))
    grown, _ = extend_baseline(taught, find_footage(INCOMING), Models(embedder, lambda: another))
    assert len(set(performance(grown).interpolators)) == 2
    assert len(performance(grown).strides) == len(grown.episodes)
    unwatched, _ = extend_baseline(taught, find_footage(INCOMING), Models(embedder))
    assert performance(unwatched).watched
    assert performance(unwatched).interpolators[-1] == ""


@pytest.mark.slow
def test_half_the_frame_rate_is_seen_by_the_champion_alone(embedder: Embedder, tmp_path: Path) -> None:
    champion = watched_interpolator(Watched.CHAMPION)
    if champion is None:
        pytest.skip("no champion is registered")
    baseline, _ = build_baseline(find_footage(PAST), Models(embedder, lambda: champion))
    half = rewritten(tmp_path / "half.avi", lambda number: 2 * number, frames=150, fps=5.0)
    sound, slow = (
        judge(read(find_clips(path), embedder, interpolator=champion), baseline) for path in (INCOMING, half)
    )
    assert sound.status is Status.PASS
    assert [name for name, gate in slow.gates.items() if gate.status is Status.FAIL] == [PERFORMANCE]
    assert [cause.kind for cause in slow.causes] == [Cause.PERFORMANCE]


def test_a_description_tells_how_well_the_model_did() -> None:
    told = str(describe(watched(known())).facts["performance"])
    assert told.startswith("240 triplets by aaaaaaaaaaaa, ")
    assert "dB better than averaging" in told
    assert told in as_text(describe(watched(known())))
    assert describe(known()).facts["performance"] is None
    assert "nothing; the performance of no model can be judged" in as_text(describe(known()))
