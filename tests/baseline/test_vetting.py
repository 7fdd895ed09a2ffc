"""Nothing learns a fault: what is added is judged first, small steps lead nowhere, and a baseline knows its camera."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentinel_edge.baseline.baseline import FOUNDING, MAX_EPISODES, Baseline
from sentinel_edge.baseline.describe import as_text, describe
from sentinel_edge.baseline.episodes import By, Rule
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.baseline.learning import build_baseline, extend_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.cli import run as cli
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, find_clips, find_footage
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.protocol import Models
from sentinel_edge.gates.quality.anchors import ANCHOR_CONDITIONS, FOUNDING_CONDITIONS
from sentinel_edge.gates.quality.gate import QualityNormal
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import Failure, Frame
from sentinel_edge.verdict.verdict import Status
from tests.command import complaint, strict_json
from tests.conftest import INCOMING, PAST
from tests.material.clips import write_clip
from tests.material.windows import EMBEDDING, PERFORMANCE, QUALITY, quality, read

FPS, DAY = 5.0, 12
"""Samples a second, and frames that stand for a day."""


@pytest.fixture(scope="module")
def past() -> list[Frame]:
    """Half of the sampled frames of the sample camera's past: 120."""
    return [sample.frame for sample in SampleReader(find_clips(PAST), FPS)][::2]


@pytest.fixture(scope="module")
def incoming() -> list[Frame]:
    """Half of the sampled frames of what came later: 75."""
    return [sample.frame for sample in SampleReader(find_clips(INCOMING), FPS)][::2]


@pytest.fixture(scope="module")
def founded(past: list[Frame], embedder: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    """A baseline of ten days."""
    footage = clip(tmp_path_factory.mktemp("founded") / "past.avi", past)
    return build_baseline(footage, Models(embedder), episode=Rule(By.COUNT, 10))[0]


def clip(path: Path, frames: Sequence[Frame], change: Callable[[Frame], Frame] = np.copy) -> Footage:
    """A video of these frames."""
    return find_footage(write_clip(path, (change(frame) for frame in frames), FPS))


def darker(share: float) -> Callable[[Frame], Frame]:
    """The same scene with this share of its light."""
    return lambda frame: np.asarray(np.round(frame * share), np.uint8)


def quality_anchor(baseline: Baseline) -> QualityNormal:
    assert baseline.anchors is not None
    found = baseline.anchors.normal[QUALITY]
    assert isinstance(found, QualityNormal)
    return found


# A fault is refused, unless somebody says that it is none.


@pytest.fixture
def kept(here: Path, founded: Baseline, incoming: list[Frame]) -> Path:
    """The current folder, with a baseline, and footage of a noisy day and of a sound one."""
    save_baseline(founded, here / "b.npz")
    clip(here / "noisy" / "day.avi", incoming[:DAY], Failure(Cause.NOISE, 3).on_clip())
    clip(here / "sound" / "day.avi", incoming[:DAY])
    return here


ADD = ["baseline", "--add", "b.npz", "--output", "b.npz", "--interpolator", "none", "--source"]


def test_a_fault_is_refused_in_one_line_and_nothing_is_written(kept: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (kept / "b.npz").read_bytes()
    assert cli.run([*ADD, "noisy"]) == 1
    said = complaint(capfd.readouterr().err)
    for part in ("nothing was learned", "noise in day.avi", "leave that footage out", "--accept noise"):
        assert part in said
    assert cli.run([*ADD, "noisy", "--accept", "fog,low_light"]) == 1
    assert (kept / "b.npz").read_bytes() == before
    assert sorted(path.name for path in kept.iterdir()) == ["b.npz", "noisy", "sound"]


@pytest.mark.parametrize(
    ("failure", "accepted"),
    [
        (Failure(Cause.NOISE, 3), ["--accept", "fog,noise"]),
        (Failure(Cause.BLUR, 3), ["--accept=fog", "--accept=blur"]),
    ],
)
def test_what_is_accepted_is_learned_is_told_and_becomes_an_anchor(
    kept: Path,
    capfd: pytest.CaptureFixture[str],
    incoming: list[Frame],
    embedder: Embedder,
    *,
    failure: Failure,
    accepted: list[str],
) -> None:
    clip(kept / "faulty" / "day.avi", incoming[:DAY], failure.on_clip())
    assert cli.run([*ADD, "faulty", *accepted]) == 0
    captured = capfd.readouterr()
    assert strict_json(captured.out)["found"] == {"day.avi": {"status": "FAIL", "causes": [failure.kind]}}
    assert f"found in day.avi: FAIL ({failure.kind}: " in captured.err
    grown = load_baseline(kept / "b.npz")
    assert grown.anchors is not None
    assert len(grown.anchors.positions) == FOUNDING + 1
    assert grown.anchors.positions[-1] == 10, "the new episode"
    tomorrow = clip(kept / "tomorrow.avi", incoming[DAY : 2 * DAY], failure.on_clip())
    assert judge(read(tomorrow.clips, embedder, FPS), grown).status is Status.PASS


def test_sound_footage_is_added_without_a_word(kept: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*ADD, "sound"]) == 0
    captured = capfd.readouterr()
    assert strict_json(captured.out)["found"] == {"day.avi": {"status": "PASS", "causes": []}}
    assert captured.err == ""


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ([*ADD, "sound", "--accept", "dust"], "--accept is 'dust'; expected causes, as fog, with commas between"),
        ([*ADD, "sound", "--accept", "fog", "--accept", "dust,rain"], "--accept is 'dust,rain'; expected causes"),
        ([*ADD, "sound", "--accept", ","], "--accept is ','; expected causes"),
        (["baseline", "--source", "sound", "--output", "c.npz", "--accept", "fog"], "expected --add with it"),
        ([*ADD, "sound", "--camera", ""], "--camera is ''; expected 1 to 64 printable characters"),
        ([*ADD, "sound", "--camera", "a\nb"], "expected 1 to 64 printable characters"),
        ([*ADD, "sound", "--camera", "a  b"], "with single spaces between words"),
        ([*ADD, "sound", "--camera", "a\u202eb"], "expected 1 to 64 printable characters"),
        ([*ADD, "sound", "--camera", "x" * 65], "expected 1 to 64 printable characters"),
    ],
)
def test_an_option_that_is_none_is_refused_in_one_line(
    kept: Path, capfd: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    before = (kept / "b.npz").read_bytes()
    assert cli.run(options) == 2
    assert problem in complaint(capfd.readouterr().err)
    assert (kept / "b.npz").read_bytes() == before
    assert not (kept / "c.npz").exists()


# Small steps.


@pytest.mark.slow
def test_steps_that_are_each_normal_do_not_add_up_to_a_fault(
    founded: Baseline, incoming: list[Frame], embedder: Embedder, tmp_path: Path
) -> None:
    """A picture that darkens by 5 % a day, added after each PASS: the anchors see it, without them nobody does."""
    known, blind, stopped, grown = founded, founded, 0, 0
    for day in range(1, 13):
        shown = clip(tmp_path / f"{day}.avi", incoming[day : day + DAY], darker(0.95**day))
        window = read(shown.clips, embedder, FPS)
        if judge(window, blind).status is Status.PASS:
            blind, _ = extend_baseline(blind, shown, Models(embedder))
            blind, grown = replace(blind, anchors=None), grown + 1
        if stopped:
            continue
        judged = judge(window, known)
        if judged.status is Status.FAIL:
            stopped, gate = day, judged.gates[QUALITY]
            assert judged.causes[0].kind is Cause.LOW_LIGHT
            assert gate.score is not None
            assert gate.score > gate.threshold, "a verdict is read back by that"
            with pytest.raises(SentinelError, match="shows low_light"):
                extend_baseline(known, shown, Models(embedder))
        else:
            known, _ = extend_baseline(known, shown, Models(embedder))
    assert 0 < stopped <= 9
    assert grown > stopped


def test_what_crept_in_is_told_since_when(
    founded: Baseline, incoming: list[Frame], embedder: Embedder, tmp_path: Path
) -> None:
    grown, _ = extend_baseline(founded, clip(tmp_path / "a.avi", incoming[:DAY]), Models(embedder))
    assert grown.anchors is not None
    assert grown.anchors.drift == ""
    told = [line.split(maxsplit=1) for line in as_text(describe(grown)).splitlines() if line]
    assert ["anchors", f"{FOUNDING} episodes, never given up"] in told
    assert ["since", "then    hardly a change"] in [[one[0], one[-1]] for one in told]
    dark, accepted = clip(tmp_path / "b.avi", incoming[:DAY], darker(0.45)), tuple(Cause)
    taught, _ = extend_baseline(grown, dark, Models(embedder), accept=accepted)
    founders = replace(grown.anchors, positions=(0, 1))
    shown = read(dark.clips, embedder, FPS)
    judged = judge(shown, replace(taught, anchors=founders))  # as if nobody had vouched for it
    assert judged.status is Status.FAIL
    assert f"since {founded.created_at[:7]}, in steps of which each was learned" in judged.gates[QUALITY].reason
    assert "brightness fell by" in judged.gates[QUALITY].reason
    tomorrow = clip(tmp_path / "c.avi", incoming[DAY : 2 * DAY], darker(0.45))
    assert judge(read(tomorrow.clips, embedder, FPS), taught).status is Status.PASS


@pytest.mark.slow
def test_anchors_are_never_given_up_nor_widened(
    founded: Baseline, incoming: list[Frame], embedder: Embedder, tmp_path: Path
) -> None:
    known, path = founded, tmp_path / "b.npz"
    for number in range(15):
        shown = clip(tmp_path / f"{number}.avi", incoming[4 * number : 4 * number + DAY])
        known, _ = extend_baseline(known, shown, Models(embedder), accept=tuple(Cause))
        save_baseline(known, path)
        known = load_baseline(path)
    assert known.anchors is not None
    assert len(known.episodes) == MAX_EPISODES
    first = extend_baseline(founded, clip(tmp_path / "again.avi", incoming[:DAY]), Models(embedder))[0]
    assert first.anchors is not None
    named = {first.episodes.names[position] for position in first.anchors.positions}
    assert len(named) == FOUNDING
    assert named <= {known.episodes.names[position] for position in known.anchors.positions}
    anchor, before = quality_anchor(known).known, quality_anchor(first).known
    assert len(before.conditions) <= FOUNDING_CONDITIONS
    assert len(anchor.conditions) <= ANCHOR_CONDITIONS
    assert (anchor.tolerances == before.tolerances).all()
    assert (anchor.conditions[: len(before.conditions)] == before.conditions).all()


# The file.


def test_a_file_of_the_third_format_becomes_the_anchors(
    founded: Baseline, incoming: list[Frame], embedder: Embedder, tmp_path: Path
) -> None:
    known = {name: normal for name, normal in founded.normal.items() if name in (EMBEDDING, QUALITY, PERFORMANCE)}
    known[QUALITY] = QualityNormal(replace(quality(founded), lens=None))
    save_baseline(replace(founded, normal=known), tmp_path / "named.npz")
    rewrite(tmp_path / "named.npz", tmp_path / "old.npz", version=3)
    old = load_baseline(tmp_path / "old.npz")
    assert (list(old.normal), old.anchors) == (list(known), None)
    grown, _ = extend_baseline(old, clip(tmp_path / "a.avi", incoming[:DAY]), Models(embedder))
    assert grown.anchors is not None
    assert grown.anchors.since == founded.created_at
    assert set(grown.anchors.positions) <= set(range(10))
    save_baseline(grown, tmp_path / "new.npz")
    again = load_baseline(tmp_path / "new.npz")
    save_baseline(again, tmp_path / "again.npz")
    assert (tmp_path / "new.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    sound = header(tmp_path / "new.npz")["anchors"]
    changes: list[dict[str, Any]] = [
        {"episodes": [3, 1]},
        {"episodes": [99]},
        {"episodes": [*range(13)]},
        {"gates": {}},
    ]
    for change in changes:
        rewrite(tmp_path / "new.npz", tmp_path / "torn.npz", anchors=sound | change)
        with pytest.raises(SentinelError, match="build it again"):
            load_baseline(tmp_path / "torn.npz")
    headers: list[dict[str, Any]] = [{"anchors": None}, {"anchors": {}}, {"version": 4}]
    for entries in headers:
        rewrite(tmp_path / "new.npz", tmp_path / "torn.npz", **entries)
        with pytest.raises(SentinelError, match="build it again"):
            load_baseline(tmp_path / "torn.npz")


def header(path: Path) -> dict[str, Any]:
    """A baseline's header."""
    with np.load(path) as archive:
        return strict_json(bytes(archive["header"]))


def rewrite(source: Path, target: Path, **entries: object) -> None:
    """A baseline's file with other entries in its header."""
    with np.load(source) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["header"] = np.frombuffer(json.dumps(header(source) | entries).encode(), np.uint8)
    np.savez(target, **arrays)


# Cameras.


def test_a_camera_keeps_its_name_and_no_other_is_added_to_it(
    kept: Path, capfd: pytest.CaptureFixture[str], incoming: list[Frame]
) -> None:
    assert cli.run([*ADD, "sound", "--camera", "north gate"]) == 0
    assert strict_json(capfd.readouterr().out)["camera"] == "north gate"
    assert cli.run([*ADD, "sound"]) == 0
    assert load_baseline(kept / "b.npz").camera == "north gate"
    capfd.readouterr()
    assert cli.run([*ADD, "sound", "--camera", "south"]) == 1
    assert "the baseline is of camera 'north gate', the footage of 'south'" in complaint(capfd.readouterr().err)
    clip(kept / "tomorrow" / "day.avi", incoming[DAY : 2 * DAY])
    assert cli.run(["check", "tomorrow", "--baseline", "b.npz", "--output", "out"]) == 0
    assert strict_json((kept / "out" / "verdict.json").read_bytes())["baseline"]["camera"] == "north gate"
    assert as_text(describe(load_baseline(kept / "b.npz"))).startswith("camera        north gate")


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", " a", "x" * 65])
def test_a_name_in_a_file_that_is_none_is_refused(founded: Baseline, tmp_path: Path, name: str) -> None:
    save_baseline(founded, tmp_path / "b.npz")
    rewrite(tmp_path / "b.npz", tmp_path / "c.npz", camera=name)
    with pytest.raises(SentinelError, match="is of a camera called") as caught:
        load_baseline(tmp_path / "c.npz")
    assert str(caught.value).isprintable()
