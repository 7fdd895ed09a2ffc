"""A baseline learns more without the footage it was made from: what it knew it still knows, what is new is normal."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.baseline.baseline import MAX_EPISODES, Baseline
from sentinel_edge.baseline.episodes import By, Rule
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.baseline.learning import build_baseline, extend_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.cli import run as cli
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, find_clips, find_footage
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.footage.window import Window
from sentinel_edge.gates.embedding.calibration import Calibration, calibrate, recalibrate, sketch
from sentinel_edge.gates.embedding.gate import EmbeddingNormal
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.protocol import Episodes, Models
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import Failure, Frame
from sentinel_edge.verdict.verdict import GateResult, Status
from tests.command import complaint, run_cli, start_cli, strict_json
from tests.conftest import INCOMING, PAST
from tests.material.simulation import Camera, some_signals
from tests.material.windows import EMBEDDING, QUALITY, quality, read, window

FPS = 5.0
EPISODE = 25
"""Samples of a window of about an episode's length."""


def darker(frame: Frame) -> Frame:
    """The same scene under half of the light: a new normal that is no failure, which somebody has to say."""
    return np.asarray(frame * 0.45, np.uint8)


DARKER = (Cause.LOW_LIGHT, Cause.COLOR_CAST)
"""What it may be taken for, until somebody accepts it."""


def in_turn(first: Callable[[Frame], Frame], second: Callable[[Frame], Frame]) -> Callable[[Frame], Frame]:
    """One change after the other."""
    return lambda frame: second(first(frame))


@pytest.fixture(scope="module")
def past() -> list[Frame]:
    """Every sampled frame of the sample camera's past: 240."""
    return [sample.frame for sample in SampleReader(find_clips(PAST), FPS)]


@pytest.fixture(scope="module")
def incoming() -> list[Frame]:
    """The last sampled frames of what came later: 75."""
    return [sample.frame for sample in SampleReader(find_clips(INCOMING), FPS)][-75:]


def footage(path: Path, frames: list[Frame], change: Callable[[Frame], Frame] = np.copy) -> Footage:
    """A video of these frames, lossless."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with LosslessVideo(path, FPS) as video:
        for frame in frames:
            video.write(change(frame))
    return find_footage(path)


@pytest.fixture(scope="module")
def whole(embedder: Embedder) -> Baseline:
    """A baseline of all of the past."""
    return build_baseline(find_footage(PAST), Models(embedder))[0]


@pytest.fixture(scope="module")
def in_halves(past: list[Frame], embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    """A baseline of the first half of the past, the second half added to it."""
    folder = tmp_path_factory.mktemp("halves")
    first, _ = build_baseline(footage(folder / "past.avi", past[:120]), Models(embedder), episode=Rule(By.COUNT, 6))
    grown, skipped = extend_baseline(first, footage(folder / "more.avi", past[120:]), Models(embedder))
    assert not skipped
    return grown


@pytest.fixture(scope="module")
def later(
    incoming: list[Frame], embedder: Embedder, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Callable[[Frame], Frame]], list[Window]]:
    """What came later as the camera would show it after some change: the whole, and windows of an episode's length."""
    folder, known = tmp_path_factory.mktemp("later"), dict[str, Window]()

    def windows(name: str, change: Callable[[Frame], Frame]) -> list[Window]:
        if name not in known:
            known[name] = read(footage(folder / f"{name}.avi", incoming, change).clips, embedder, FPS)
        return [known[name], *(known[name].part(start, start + EPISODE) for start in range(0, 75, EPISODE))]

    return windows


def score(gate: GateResult) -> float:
    assert gate.score is not None
    return gate.score


def statuses(windows: list[Window], baseline: Baseline) -> list[Status]:
    return [judge(window, baseline).status for window in windows]


FAILURES = [Failure(Cause.NOISE, 3), Failure(Cause.BLUR, 2), Failure(Cause.CAMERA_MOVED, 3)]


# The calibration, from sketches.


@pytest.mark.parametrize("effect", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("frames", [12, 40, 200])
def test_scales_from_sketches_are_nearly_those_from_frames(frames: int, effect: float) -> None:
    camera = Camera(frames, episode_effect=effect)
    episodes = [camera.episode(frames) for _ in range(12)]
    known, again = both_ways(episodes)
    assert (again.lengths == known.lengths).all()
    ratio = again.scales / known.scales
    assert np.abs(np.median(ratio, axis=1) - 1).max() < 0.04
    assert np.quantile(np.abs(ratio - 1), 0.95) < 0.07
    for scores, others in zip(again.null_scores, known.null_scores, strict=True):
        assert abs(scores.mean() - others.mean()) < 0.02


def both_ways(episodes: list[NDArray[np.float16]], added: int = 0) -> tuple[Calibration, Calibration]:
    """Calibrated on the frames of all, and on the sketches after a calibration without the last ones."""
    sketches = np.stack([sketch(episode) for episode in episodes])
    lengths = [len(episode) for episode in episodes]
    before = len(episodes) - added
    known = calibrate(episodes[:before], sketches[:before], lengths[:before])
    again = recalibrate(
        known,
        sketches,
        typical=float(np.median(lengths[:before])),
        lengths=lengths,
        frames=lengths,
        added=episodes[before:],
    )
    return calibrate(episodes, sketches, lengths), again


@pytest.mark.slow
def test_a_calibration_learned_in_two_halves_is_nearly_that_of_both(
    campus_embeddings: tuple[NDArray[np.float16], NDArray[np.float16]],
) -> None:
    at_once, in_halves = both_ways(list(np.split(campus_embeddings[0], 12)), added=6)
    assert in_halves.lengths.tolist() == at_once.lengths.tolist() == [10, 20, 40, 60, 80, 120]
    ratio = np.median(in_halves.scales / at_once.scales, axis=1)
    assert np.abs(ratio - 1).max() < 0.05


def test_parts_of_an_episode_keep_their_ratio_which_new_footage_may_raise_but_not_lower() -> None:
    camera = Camera(5, correlation=0.5, episode_effect=0.5)
    episodes = [camera.episode(64) for _ in range(8)]
    _, known = both_ways(episodes)
    rising = np.sort(camera.episode(64), axis=0)  # normal as a whole, no part of it is
    steady = np.tile(camera.episode(8), (8, 1))  # every part of it is the whole

    def ratio(calibration: Calibration) -> float:
        whole = calibration.lengths.tolist().index(64)
        return float(np.median(calibration.scales[0] / calibration.scales[whole]))

    assert ratio(both_ways([*episodes, rising], added=1)[1]) > 1.03 * ratio(known)
    assert ratio(both_ways([*episodes, steady], added=1)[1]) == pytest.approx(ratio(known), rel=0.01)


def test_lengths_follow_the_new_typical_length_and_too_short_ones_go() -> None:
    camera = Camera(6, dimensions=32)
    episodes = [camera.episode(64) for _ in range(3)] + [camera.episode(16) for _ in range(6)]
    _, again = both_ways(episodes, added=6)
    assert again.lengths.tolist() == [8, 16, 32, 48, 64]
    lengths = tuple(len(episode) for episode in episodes)
    assert Episodes(("",) * 9, lengths, lengths).longest == 4 * (3 * 64 + 6 * 16)


# The whole, on real footage.


@pytest.mark.slow
def test_the_second_half_added_gives_nearly_the_decisions_of_all(
    whole: Baseline, in_halves: Baseline, later: Callable[[str, Callable[[Frame], Frame]], list[Window]]
) -> None:
    grown = in_halves
    assert grown.episodes.frames == (20,) * 12
    assert [grown.episodes.names[number] for number in (0, 11)] == ["past.avi 1/6", "more.avi 6/6"]
    assert grown.episode_rule == "count; more added by length"
    clean = later("clean", np.copy)
    assert set(statuses(clean, grown)) == set(statuses(clean, whole)) == {Status.PASS}
    for shown in clean:
        ours, theirs = judge(shown, grown).gates, judge(shown, whole).gates
        assert score(ours[EMBEDDING]) == pytest.approx(score(theirs[EMBEDDING]), abs=0.03)
        assert score(ours[QUALITY]) == pytest.approx(score(theirs[QUALITY]), rel=0.3)
    for failure in FAILURES:
        assert set(statuses(later(str(failure), failure.on_clip()), grown)) == {Status.FAIL}, failure


@pytest.mark.slow
def test_a_new_normal_passes_from_then_on_and_other_changes_still_fail(
    past: list[Frame],
    whole: Baseline,
    later: Callable[[str, Callable[[Frame], Frame]], list[Window]],
    embedder: Embedder,
    tmp_path: Path,
) -> None:
    dark = later("dark", darker)[1:]
    assert set(statuses(dark, whole)) == {Status.FAIL}
    for number in range(3):
        footage(tmp_path / f"{number}.avi", past[80 * number : 80 * number + 20], darker)
    grown, _ = extend_baseline(whole, find_footage(tmp_path), Models(embedder), accept=DARKER)
    assert grown.episodes.names[12:] == ("0.avi", "1.avi", "2.avi")
    assert grown.outliers == (), "they are like each other"
    clean = later("clean", np.copy)
    assert statuses(dark, grown) == statuses(clean[1:], whole), "as normal as the same scene in full light"
    assert statuses(clean, grown) == statuses(clean, whole)
    for failure in FAILURES:
        assert set(statuses(later(str(failure), failure.on_clip()), grown)) == {Status.FAIL}, failure
        worse = later(f"dark {failure}", in_turn(darker, failure.on_clip()))
        assert set(statuses(worse, grown)) == {Status.FAIL}, failure


def test_a_single_episode_without_its_like_is_known_but_widens_nothing(
    past: list[Frame], whole: Baseline, embedder: Embedder, tmp_path: Path
) -> None:
    dusk = footage(tmp_path / "dusk.avi", past[:20], darker)
    grown, _ = extend_baseline(whole, dusk, Models(embedder), accept=DARKER)
    assert grown.outliers == (12,)
    assert any("dusk.avi looks like none of the others" in weakness for weakness in grown.weaknesses)
    known, before = quality(grown), quality(whole)
    assert (known.tolerances == before.tolerances).all()
    assert (known.summary_tolerances == before.summary_tolerances).all()
    assert (known.owners == 12).sum() == 2, "its two pieces"


def test_normal_footage_never_lowers_a_tolerance(
    incoming: list[Frame], whole: Baseline, embedder: Embedder, tmp_path: Path
) -> None:
    grown, _ = extend_baseline(whole, footage(tmp_path / "later.avi", incoming[:60]), Models(embedder))
    assert len(grown.episodes) == 15, "cut into parts as long as the known episodes"
    assert grown.outliers == ()
    known, before = quality(grown), quality(whole)
    assert (known.tolerances >= before.tolerances).all()
    assert (known.tolerances > before.tolerances).any()
    assert known.piece_samples == before.piece_samples


def test_of_the_two_most_alike_the_older_goes() -> None:
    rng = np.random.default_rng(0)
    sketches = np.sort(rng.normal(size=(MAX_EPISODES + 2, 32, 16)), axis=1).astype(np.float16)
    sketches[:, :] += 10 * np.arange(MAX_EPISODES + 2, dtype=np.float16)[:, np.newaxis, np.newaxis]
    sketches[20], sketches[21] = sketches[4], sketches[9]
    calibration = Calibration(np.ones(1), np.ones((1, 16), np.float32), (np.zeros(1),))

    def kept(count: int, known: int) -> list[int]:
        added = [window(points, np.resize(some_signals(), 32)) for points in sketches[known:count]]
        return gates.thinned({EMBEDDING: EmbeddingNormal(sketches[:known], calibration)}, added, MAX_EPISODES)

    for known in (3, 20):
        assert kept(20, known) == list(range(20))
        assert kept(21, known) == [e for e in range(21) if e != 4]
        assert kept(22, known) == [e for e in range(22) if e not in (4, 9)]


@pytest.mark.slow
def test_thirty_episodes_one_by_one_stay_within_the_limits_and_what_is_rare_stays(
    past: list[Frame], embedder: Embedder, tmp_path: Path
) -> None:
    path = tmp_path / "b.npz"
    for number in range(3):
        footage(tmp_path / "start" / f"{number}.avi", past[number * 8 : number * 8 + 8], darker)
    baseline, _ = build_baseline(find_footage(tmp_path / "start"), Models(embedder))
    for number in range(30):
        more = footage(tmp_path / "more" / "today.avi", past[number * 8 : number * 8 + 8])
        baseline, _ = extend_baseline(baseline, more, Models(embedder), accept=tuple(Cause))
        save_baseline(baseline, path)
        baseline = load_baseline(path)
        assert path.stat().st_size <= 2_000_000
        assert len(baseline.episodes) == min(MAX_EPISODES, 4 + number)
    assert len(set(baseline.episodes.names)) == MAX_EPISODES, "each tells itself from the others"
    assert {"0.avi", "1.avi", "2.avi"} & set(baseline.episodes.names), "the dark ones are rare"
    assert len(baseline.episode_rule) < 60
    assert baseline.episodes.longest == 4 * sum(baseline.episodes.samples)


def test_another_model_is_refused(past: list[Frame], whole: Baseline, embedder: Embedder, tmp_path: Path) -> None:
    other = replace(whole, model="other", model_sha256="0" * 64)
    with pytest.raises(SentinelError, match=r"was made with model other .*use that model"):
        extend_baseline(other, footage(tmp_path / "a.avi", past[:20]), Models(embedder))


def test_less_than_an_episode_is_refused(
    past: list[Frame], whole: Baseline, embedder: Embedder, tmp_path: Path
) -> None:
    few = footage(tmp_path / "a.avi", past[:7])
    for rule in (None, Rule(By.FILE)):
        with pytest.raises(SentinelError, match=r"gives 7 readable samples; expected at least one episode of 8"):
            extend_baseline(whole, few, Models(embedder), episode=rule)


# The command.


@pytest.fixture
def here(here: Path, monkeypatch: pytest.MonkeyPatch, whole: Baseline, past: list[Frame]) -> Path:
    """The current folder, with a baseline and more footage in it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    save_baseline(whole, here / "old.npz")
    footage(here / "more" / "a.avi", past[:20])
    return here


ADD = ["baseline", "--add", "old.npz", "--source", "more"]


def test_the_command_adds_in_place_or_beside_to_the_same_bytes(
    here: Path, capfd: pytest.CaptureFixture[str], whole: Baseline
) -> None:
    before = (here / "old.npz").read_bytes()
    assert cli.run([*ADD, "--output", "new.npz"]) == 0
    facts = strict_json(capfd.readouterr().out)
    assert (facts["episodes"], facts["fps"], facts["frames"]) == (13, 5.0, 260)
    assert (here / "old.npz").read_bytes() == before
    assert cli.run([*ADD, "--output", "old.npz", "--fps", "5", "--episode", "1"]) == 0
    grown = load_baseline(here / "old.npz")
    assert grown.created_at == "2026-01-01T00:00:00Z"
    assert grown.episodes.names[:12] == whole.episodes.names
    assert cli.run(["baseline", "--add", "new.npz", "--source", "more", "--output", "c.npz"]) == 0
    assert cli.run(["baseline", "--add", "new.npz", "--source", "more", "--output", "d.npz"]) == 0
    assert (here / "c.npz").read_bytes() == (here / "d.npz").read_bytes()
    assert load_baseline(here / "c.npz").episodes.names[12:] == ("a.avi", "a.avi (2)")


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (["--fps", "2"], 1, "sampled at 5 frames a second, 2 was asked for"),
        (["--mask", "mask.png"], 1, "made without a mask, the one given leaves 50% to look at; leave --mask out"),
        (["--mask", "none.png"], 1, "cannot read mask none.png"),
        (["--add", "none.npz"], 1, "cannot read baseline none.npz"),
        (["--source", "none"], 1, "no such path: none"),
        (["--episode", "0"], 2, "whole number from 1 to 20"),
        (["--add", ""], 2, "--add is ''; expected a path"),
    ],
)
def test_what_contradicts_the_old_file_is_refused_in_one_line(
    here: Path, capfd: pytest.CaptureFixture[str], options: list[str], code: int, problem: str
) -> None:
    cv2.imwrite("mask.png", np.repeat(np.array([[0, 255]], np.uint8), 4, axis=0))
    before = (here / "old.npz").read_bytes()
    assert cli.run([*ADD, "--output", "old.npz", *options]) == code
    assert problem in complaint(capfd.readouterr().err)
    assert (here / "old.npz").read_bytes() == before


def test_a_mask_is_kept_told_and_the_only_one_accepted_later(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite("left.png", np.repeat(np.array([[0, 255, 255, 255]], np.uint8), 4, axis=0))
    cv2.imwrite("right.png", np.repeat(np.array([[255, 255, 255, 0]], np.uint8), 4, axis=0))
    build = ["baseline", "--source", str(PAST), "--fps", "1"]
    assert cli.run([*build, "--mask", "left.png", "--output", "masked.npz"]) == 0
    assert strict_json(capfd.readouterr().out)["mask"] == 0.75
    add = ["baseline", "--add", "masked.npz", "--source", str(PAST), "--output", "masked.npz"]
    assert cli.run([*add, "--mask", "right.png"]) == 1
    assert "made with another mask (75% looked at)" in complaint(capfd.readouterr().err)
    assert cli.run([*add, "--mask", "left.png"]) == 0
    assert strict_json(capfd.readouterr().out)["mask"] == 0.75
    assert load_baseline(here / "masked.npz").mask is not None


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_an_unreadable_mask_stops_the_build_before_it_starts(here: Path, content: bytes | None) -> None:
    if content is not None:
        (here / "mask.png").write_bytes(content)
    done = run_cli("baseline", "--source", PAST, "--output", "b.npz", "--mask", "mask.png", folder=here)
    assert done.returncode == 1
    assert "cannot read mask mask.png" in complaint(done.stderr)
    assert done.stdout == ""
    assert not (here / "b.npz").exists()


def test_killed_in_the_middle_the_old_file_is_as_it_was(here: Path) -> None:
    before = (here / "old.npz").read_bytes()
    process = start_cli("baseline", "--add", "old.npz", "--source", PAST, "--output", "old.npz")
    open_files = Path(f"/proc/{process.pid}/fd")
    deadline = time.monotonic() + 30
    while not any(file.exists() and file.resolve() == PAST for file in open_files.iterdir()):
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert (here / "old.npz").read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == ["more", "old.npz"]


def test_what_would_blind_a_baseline_is_refused(
    past: list[Frame], whole: Baseline, embedder: Embedder, tmp_path: Path
) -> None:
    """Half an episode of quite another scene: known, it would cost all sight, whatever somebody accepted."""
    other = [np.roll(frame[::-1], 40, axis=1)[:, ::-1].copy() for frame in past[:10]]
    with pytest.raises(SentinelError, match=r"the baseline would see little afterwards.*; expected whole episodes"):
        extend_baseline(whole, footage(tmp_path / "other.avi", other), Models(embedder), accept=tuple(Cause))
