"""What a baseline catches is measured as a check would judge it, on real footage, and told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sentinel_edge.baseline import sensitivity
from sentinel_edge.baseline.baseline import Baseline, load_baseline
from sentinel_edge.baseline.episodes import Piece
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.baseline.sensitivity import measure_sensitivity
from sentinel_edge.causes import Cause
from sentinel_edge.cli import run as cli
from sentinel_edge.cli.command import canonical
from sentinel_edge.cli.commands import COMMANDS
from sentinel_edge.errors import UsageError
from sentinel_edge.footage.decoding import Clip, SampleReader, find_clips, find_footage
from sentinel_edge.footage.mask import FILL, Mask
from sentinel_edge.footage.window import Window, embed_samples, read_window, stack
from sentinel_edge.gates.judge import judge
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import KINDS, SEVEREST, Failure, strength
from sentinel_edge.verdict.verdict import Status
from tests.command import complaint, strict_json
from tests.conftest import PAST

pytestmark = pytest.mark.slow

FPS = 5.0


@pytest.fixture(scope="module")
def baseline(embedder: Embedder) -> Baseline:
    """Of the sample camera."""
    return build_baseline(find_footage(PAST), embedder)[0]


@pytest.fixture(scope="module")
def episodes(embedder: Embedder) -> dict[int, Piece]:
    """What its twelve episodes were made from."""
    window = read_window(find_clips(PAST), embedder, FPS)
    return {number: Piece(str(number), window.part(20 * number, 20 * number + 20)) for number in range(12)}


@pytest.fixture(scope="module")
def clips() -> list[tuple[Clip, int]]:
    return [(clip, 1) for clip in find_clips(PAST)]


def test_the_sample_camera_catches_mild_failures_and_a_check_agrees(
    baseline: Baseline,
    episodes: dict[int, Piece],
    clips: list[tuple[Clip, int]],
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensitivity, "STRETCHES", 1)
    counts: list[int] = []
    found = measure_sensitivity(baseline, episodes, clips, embedder, progress=counts.append)
    assert set(found) == {"noise", "blur", "low_light"}
    assert all(severity in (1, 2) for severity in found.values()), found
    assert counts == list(range(1, 20 * 6 + 1)), "twenty frames, three kinds, two severities, and no more"
    (stretch,) = sensitivity._choose(baseline, episodes)
    assert len(stretch.baseline.episodes) == 11
    window = damaged(stretch.window, Failure(Cause.NOISE, found["noise"] or 0), clips, embedder)
    assert judge(replace(stretch.window, **window), stretch.baseline).status is Status.FAIL


def damaged(window: Window, failure: Failure, clips: list[tuple[Clip, int]], embedder: Embedder) -> dict[str, Any]:
    """The window's frames, read again through a failing camera."""
    samples = sensitivity._damaged(window, [failure], clips, FPS)
    return stack([seen for _, seen in embed_samples(samples, embedder)], embedder.dimensions)


def test_the_frames_read_again_are_those_the_episode_was_made_of(
    episodes: dict[int, Piece], clips: list[tuple[Clip, int]], embedder: Embedder
) -> None:
    window = episodes[5].window
    again = damaged(window, Failure(Cause.NOISE, 0), clips, embedder)
    assert again["origins"] == window.origins
    assert again["signals"].tobytes() == window.signals.tobytes()
    np.testing.assert_allclose(again["embeddings"], window.embeddings, atol=1e-3)


def test_pictures_and_thinned_footage_are_read_again_too(embedder: Embedder, tmp_path: Path) -> None:
    for number, sample in enumerate(SampleReader(find_clips(PAST), 2.0)):
        folder = tmp_path / "pictures" / f"day{number // 32}"
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), sample.frame)
    found = find_clips(tmp_path / "pictures")
    assert len(found) == 3
    for clip, limit in ((found[1], 100), (found[0], 10), (find_clips(PAST)[0], 20)):
        window = read_window([clip], embedder, FPS, limit=limit)
        every = [(other, 1) for other in found] + [(find_clips(PAST)[0], window.stride)]
        part = window.part(2, 7)
        again = damaged(part, Failure(Cause.BLUR, 0), every, embedder)
        assert again["origins"] == part.origins
        assert (again["signals"]["luma"] == part.signals["luma"]).all()


def test_an_episode_is_judged_by_at_most_so_many_of_its_frames_at_its_full_length(episodes: dict[int, Piece]) -> None:
    window = replace(episodes[0].window, samples=1000)
    assert sensitivity._some(window).samples == 1000
    many = replace(
        window,
        embeddings=np.repeat(window.embeddings, 10, axis=0),
        signals=np.repeat(window.signals, 10),
        triplets=np.repeat(window.triplets, 10),
        origins=tuple(str(number) for number in range(200)),
    )
    some = sensitivity._some(many)
    assert len(some.origins) == len(some.embeddings) == len(some.signals) == sensitivity.FRAMES
    assert (some.origins[0], some.origins[-1], some.samples) == ("0", "199", 1000)


def test_a_mask_hides_what_the_failure_does_there(
    episodes: dict[int, Piece], clips: list[tuple[Clip, int]], embedder: Embedder
) -> None:
    mask = Mask(np.array([[True, False]]))
    samples = sensitivity._damaged(episodes[0].window, [Failure(Cause.NOISE, 5)], clips, FPS)
    signals = stack([seen for _, seen in embed_samples(samples, embedder, mask)], embedder.dimensions)["signals"]
    assert (signals["luma"][:, :, :31] == FILL).all()
    assert (signals["luma"][:, :, 33:] != FILL).mean() > 0.9


def test_what_is_not_caught_is_tried_at_higher_severities_and_then_told_as_none(
    baseline: Baseline,
    episodes: dict[int, Piece],
    clips: list[tuple[Clip, int]],
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensitivity, "STRETCHES", 1)
    monkeypatch.setattr(sensitivity, "KINDS", (Cause.BLUR,))
    blind = replace(
        baseline,
        calibration=replace(baseline.calibration, scales=np.full_like(baseline.calibration.scales, 0.5)),
        health=replace(
            baseline.health,
            tolerances=np.full_like(baseline.health.tolerances, 1e6),
            summary_tolerances=np.full_like(baseline.health.summary_tolerances, 1e6),
        ),
    )
    monkeypatch.setattr(sensitivity, "ROUNDS", ((1,), (2,)))
    assert measure_sensitivity(blind, episodes, clips, embedder) == {"blur": None}
    monkeypatch.setattr(sensitivity, "ROUNDS", ((2,), (4, 5)))
    assert measure_sensitivity(blind, episodes, clips, embedder) == {"blur": 4}, "the mildest of the second round"


def test_an_episode_that_fails_as_it_is_proves_nothing(
    baseline: Baseline, episodes: dict[int, Piece], clips: list[tuple[Clip, int]], embedder: Embedder
) -> None:
    strict = replace(baseline, health=replace(baseline.health, tolerances=baseline.health.tolerances / 1e6))
    assert measure_sensitivity(strict, episodes, clips, embedder) == {}
    assert len(sensitivity._choose(baseline, episodes)) == sensitivity.STRETCHES
    flagged = replace(baseline, outliers=tuple(range(12)))
    assert sensitivity._choose(flagged, episodes) == []


def test_leaving_an_episode_out_leaves_all_of_it_out_and_the_calibration_as_it_is(baseline: Baseline) -> None:
    flagged = replace(baseline, outliers=(2, 5))
    without = flagged.only([number for number in range(12) if number != 5])
    assert [episode.name for episode in without.episodes] == [
        episode.name for number, episode in enumerate(baseline.episodes) if number != 5
    ]
    assert without.sketches.shape[0] == 11
    assert (without.sketches[5] == baseline.sketches[6]).all()
    assert without.outliers == (2,)
    kept = baseline.health.owners != 5
    assert (without.health.conditions == baseline.health.conditions[kept]).all()
    assert sorted(set(without.health.owners.tolist())) == list(range(11))
    assert without.calibration is baseline.calibration


def test_a_severity_is_told_by_the_number_that_makes_it() -> None:
    assert [strength(Cause.NOISE, severity) for severity in range(1, SEVEREST + 1)] == [4, 8, 16, 32, 56]
    assert strength(Cause.FROZEN, 1) == 0.1
    assert all(strength(kind, SEVEREST) > 0 for kind in KINDS)


# The flag.


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        (["--sensitivity"], ["--sensitivity=yes"]),
        (["--sensitivity=no"], ["--sensitivity=no"]),
        (["--sensitivity", "no", "--fps", "2"], ["--sensitivity=no", "--fps=2"]),
        (["--sensitivity", "--fps", "2"], ["--sensitivity=yes", "--fps=2"]),
        (["--fps=2", "--sensitivity"], ["--fps=2", "--sensitivity=yes"]),
    ],
)
def test_a_flag_may_stand_alone_or_say_yes_or_no(words: list[str], understood: list[str]) -> None:
    assert canonical(["baseline", *words], COMMANDS) == ["baseline", *understood]


def test_only_a_flag_may_stand_alone() -> None:
    with pytest.raises(UsageError, match="--fps has no value"):
        canonical(["baseline", "--fps", "--sensitivity"], COMMANDS)
    with pytest.raises(UsageError, match="unexpected 'maybe'"):
        canonical(["baseline", "--sensitivity", "maybe"], COMMANDS)


def test_a_flag_that_says_neither_yes_nor_no_exits_2(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["baseline", "--source", str(PAST), "--output", "b.npz", "--sensitivity=maybe"]) == 2
    assert "--sensitivity is 'maybe'; expected yes or no" in complaint(capfd.readouterr().err)
    assert list(here.iterdir()) == []


def test_the_help_shows_that_a_flag_needs_no_value(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["baseline", "--help"]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert shown.count("Needs no value; =no takes it back.") == 1


def test_the_command_measures_stores_and_prints_what_is_caught(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensitivity, "STRETCHES", 1)
    monkeypatch.setattr(sensitivity, "KINDS", (Cause.NOISE,))
    build = ["baseline", "--source", str(PAST), "--fps", "2.5", "--output", "b.npz"]
    assert cli.run([*build, "--sensitivity"]) == 0
    facts = strict_json(capfd.readouterr().out)
    assert facts["sensitivity"] == dict(load_baseline(here / "b.npz").sensitivity)
    assert facts["sensitivity"]["noise"] in (1, 2)
    assert cli.run(["baseline", "--add", "b.npz", "--source", str(PAST), "--episode", "2", "--output", "c.npz"]) == 0
    assert "sensitivity" not in strict_json(capfd.readouterr().out)
    assert load_baseline(here / "c.npz").sensitivity == {}, "what it caught before, it may not catch now"
    add = ["baseline", "--add", "b.npz", "--source", str(PAST), "--episode", "6", "--output", "c.npz", "--sensitivity"]
    assert cli.run(add) == 0
    assert set(load_baseline(here / "c.npz").sensitivity) == {"noise"}
