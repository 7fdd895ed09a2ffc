"""What a baseline catches is measured as a check would judge it, on real footage, and told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sentinel_edge.baseline import sensitivity
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.episodes import Piece
from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.baseline.sensitivity import measure_sensitivity
from sentinel_edge.causes import Cause
from sentinel_edge.cli import run as cli
from sentinel_edge.cli.command import canonical
from sentinel_edge.cli.commands import COMMANDS
from sentinel_edge.errors import UsageError
from sentinel_edge.footage.clips import Clip, find_clips, find_footage
from sentinel_edge.footage.mask import FILL, Mask
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.footage.window import Window, record, stack
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.protocol import Models
from sentinel_edge.gates.quality import neighbourhood
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import KINDS, SEVEREST, Failure, strength
from sentinel_edge.verdict.verdict import Status
from tests.command import complaint, strict_json
from tests.conftest import PAST
from tests.material.windows import EMBEDDING, QUALITY, embedding, quality, read, with_known

pytestmark = pytest.mark.slow

FPS = 5.0
Kept = Callable[[int], bool]


@pytest.fixture(scope="module")
def baseline(embedder: Embedder) -> Baseline:
    """Of the sample camera."""
    return build_baseline(find_footage(PAST), Models(embedder))[0]


@pytest.fixture(scope="module")
def episodes(embedder: Embedder) -> dict[int, Piece]:
    """What its twelve episodes were made from."""
    window = read(find_clips(PAST), embedder, FPS)
    return {number: Piece(str(number), window.part(20 * number, 20 * number + 20)) for number in range(12)}


@pytest.fixture(scope="module")
def clips() -> list[tuple[Clip, Kept]]:
    return [(clip, lambda _: True) for clip in find_clips(PAST)]


def test_the_sample_camera_catches_mild_failures_and_a_check_agrees(
    baseline: Baseline,
    episodes: dict[int, Piece],
    clips: list[tuple[Clip, Kept]],
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensitivity, "STRETCHES", 1)
    counts: list[int] = []
    found = measure_sensitivity(baseline, episodes, clips, Models(embedder), progress=counts.append)
    assert set(found) == {"noise", "blur", "low_light"}
    assert all(severity in (1, 2) for severity in found.values()), found
    assert counts == list(range(1, 20 * 6 + 1)), "twenty frames, three kinds, two severities, and no more"
    (stretch,) = sensitivity._choose(baseline, episodes, (EMBEDDING, QUALITY))
    assert len(stretch.baseline.episodes) == 11
    window = damaged(stretch.window, Failure(Cause.NOISE, found["noise"] or 0), clips, embedder)
    assert judge(window, stretch.baseline).status is Status.FAIL


def damaged(
    window: Window, failure: Failure, clips: list[tuple[Clip, Kept]], embedder: Embedder, mask: Mask | None = None
) -> Window:
    """The window's frames, read again through a failing camera."""
    recorders = sensitivity._recorders(Models(embedder))
    samples = sensitivity._damaged(window, [failure], clips, FPS)
    again = [recorded for _, recorded in record(samples, recorders, mask)]
    origins = tuple(recorded.origin for recorded in again)
    return replace(window, records=stack(again, recorders), origins=origins)


def test_the_frames_read_again_are_those_the_episode_was_made_of(
    episodes: dict[int, Piece], clips: list[tuple[Clip, Kept]], embedder: Embedder
) -> None:
    window = episodes[5].window
    again = damaged(window, Failure(Cause.NOISE, 0), clips, embedder)
    assert again.origins == window.origins
    assert again.records[QUALITY].tobytes() == window.records[QUALITY].tobytes()
    np.testing.assert_allclose(again.records[EMBEDDING], window.records[EMBEDDING], atol=1e-3)


def test_pictures_and_thinned_footage_are_read_again_too(embedder: Embedder, tmp_path: Path) -> None:
    for number, sample in enumerate(SampleReader(find_clips(PAST), 2.0)):
        folder = tmp_path / "pictures" / f"day{number // 32}"
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), sample.frame)
    found = find_clips(tmp_path / "pictures")
    assert len(found) == 3
    for clip, limit in ((found[1], 100), (found[0], 10), (find_clips(PAST)[0], 20)):
        window = read([clip], embedder, FPS, limit=limit)
        every: list[tuple[Clip, Kept]] = [(other, lambda _: True) for other in found]
        every.append((find_clips(PAST)[0], window.kept))
        part = window.part(2, 7)
        again = damaged(part, Failure(Cause.BLUR, 0), every, embedder)
        assert again.origins == part.origins
        assert (again.records[QUALITY]["luma"] == part.records[QUALITY]["luma"]).all()


def test_an_episode_is_judged_by_at_most_so_many_of_its_frames_at_its_full_length(episodes: dict[int, Piece]) -> None:
    window = replace(episodes[0].window, samples=1000)
    names = (EMBEDDING, QUALITY)
    assert sensitivity._some(window, names).samples == 1000
    many = replace(
        window,
        records={name: np.repeat(records, 10, axis=0) for name, records in window.records.items()},
        origins=tuple(str(number) for number in range(200)),
    )
    some = sensitivity._some(many, names)
    assert tuple(some.records) == names
    assert len(some.origins) == len(some.records[EMBEDDING]) == len(some.records[QUALITY]) == sensitivity.FRAMES
    assert (some.origins[0], some.origins[-1], some.samples) == ("0", "199", 1000)


def test_a_mask_hides_what_the_failure_does_there(
    episodes: dict[int, Piece], clips: list[tuple[Clip, Kept]], embedder: Embedder
) -> None:
    mask = Mask(np.array([[True, False]]))
    signals = damaged(episodes[0].window, Failure(Cause.NOISE, 5), clips, embedder, mask).records[QUALITY]
    assert (signals["luma"][:, :, :31] == FILL).all()
    assert (signals["luma"][:, :, 33:] != FILL).mean() > 0.9


def test_what_is_not_caught_is_tried_at_higher_severities_and_then_told_as_none(
    baseline: Baseline,
    episodes: dict[int, Piece],
    clips: list[tuple[Clip, Kept]],
    embedder: Embedder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensitivity, "STRETCHES", 1)
    monkeypatch.setattr(sensitivity, "KINDS", (Cause.BLUR,))
    calibration, known = embedding(baseline).calibration, quality(baseline)
    blind = with_known(
        baseline,
        calibration=replace(calibration, scales=np.full_like(calibration.scales, 0.5)),
        quality=replace(
            known,
            tolerances=np.full_like(known.tolerances, 1e6),
            summary_tolerances=np.full_like(known.summary_tolerances, 1e6),
            lens=None,
        ),
    )
    blind = replace(blind, normal={name: blind.normal[name] for name in (EMBEDDING, QUALITY)})
    monkeypatch.setattr(neighbourhood, "ENOUGH", 10**6)
    monkeypatch.setattr(sensitivity, "ROUNDS", ((1,), (2,)))
    models = Models(embedder)
    assert measure_sensitivity(blind, episodes, clips, models) == {"blur": None}
    monkeypatch.setattr(sensitivity, "ROUNDS", ((2,), (4, 5)))
    assert measure_sensitivity(blind, episodes, clips, models) == {"blur": 4}, "the mildest of the second round"


def test_an_episode_that_fails_as_it_is_proves_nothing(
    baseline: Baseline, episodes: dict[int, Piece], clips: list[tuple[Clip, Kept]], embedder: Embedder
) -> None:
    known, names = quality(baseline), (EMBEDDING, QUALITY)
    strict = with_known(baseline, quality=replace(known, tolerances=known.tolerances / 1e6))
    assert measure_sensitivity(strict, episodes, clips, Models(embedder)) == {}
    assert len(sensitivity._choose(baseline, episodes, names)) == sensitivity.STRETCHES
    flagged = with_known(baseline, quality=replace(known, outliers=tuple(range(12))))
    assert sensitivity._choose(flagged, episodes, names) == []


def test_leaving_an_episode_out_leaves_all_of_it_out_and_the_calibration_as_it_is(baseline: Baseline) -> None:
    known, all_seen = quality(baseline), embedding(baseline)
    flagged = with_known(baseline, quality=replace(known, outliers=(2, 5)))
    without = flagged.only([number for number in range(12) if number != 5])
    names = baseline.episodes.names
    assert without.episodes.names == (*names[:5], *names[6:])
    seen, left = embedding(without), quality(without)
    assert seen.sketches.shape[0] == 11
    assert (seen.sketches[5] == all_seen.sketches[6]).all()
    assert without.outliers == (2,)
    assert (left.conditions == known.conditions[known.owners != 5]).all()
    assert sorted(set(left.owners.tolist())) == list(range(11))
    assert seen.calibration is all_seen.calibration


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
