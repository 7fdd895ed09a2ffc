"""A gate that nobody foresaw is recorded, learned, saved, loaded, grown, judged, explained, described and charted."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import sentinel_edge as se
from sentinel_edge import assets, gates
from sentinel_edge.baseline.describe import as_text
from sentinel_edge.decision.decide import DecideOptions, answer
from sentinel_edge.decision.decision import Guards
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import VideoReader
from tests.conftest import INCOMING, PAST
from tests.material import published_schema
from tests.material.brightness_gate import NAME, BrightnessGate
from tests.material.clips import stretch


@pytest.fixture
def four_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table with one gate more: the only thing that is touched."""
    monkeypatch.setattr(gates, "GATES", (*gates.GATES, BrightnessGate()))


@pytest.fixture
def past(tmp_path: Path) -> Path:
    return stretch(tmp_path / "past.avi", PAST, 0, 240)


def lit(path: Path, factor: float) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Every other frame of a clip, brighter or darker."""
    with VideoReader(path) as reader:
        return [np.clip(frame * factor, 0, 255).astype(np.uint8) for _, frame in reader][::2]


def test_it_lives_through_everything_a_gate_lives_through(four_gates: None, past: Path, tmp_path: Path) -> None:
    baseline = se.build_baseline(past, interpolator="none")
    se.save_baseline(baseline, tmp_path / "camera.npz")
    loaded = se.load_baseline(tmp_path / "camera.npz")
    assert list(loaded.normal) == ["embedding", "quality", "performance", "moments", "replay", NAME]
    incoming = stretch(tmp_path / "incoming.avi", INCOMING, 0, 120)

    assert se.check(incoming, loaded).gates[NAME].status is se.Status.PASS
    dark = se.check(lit(incoming, 0.4), loaded, gates=[NAME], output=tmp_path / "out")
    assert (dark.status, dark.gates[NAME].status) == (se.Status.FAIL, se.Status.FAIL)
    assert dark.causes, "the quality gate explains it, although it was not asked"
    written = json.loads((tmp_path / "out" / "verdict.json").read_text())["gates"][NAME]
    assert (written["levels"], written["dimensions"]) == (pytest.approx(dark.gates[NAME].numbers["levels"]), None)

    told = se.describe(loaded)
    assert "brightest" in told.facts
    assert "how bright it was\n  day  " in as_text(told)
    grown = se.extend_baseline(loaded, stretch(tmp_path / "more.avi", PAST, 240, 360), interpolator="none")
    se.save_baseline(grown, tmp_path / "grown.npz")
    assert len(se.load_baseline(tmp_path / "grown.npz").episodes) > len(loaded.episodes)


def test_it_is_decided_on_and_charted(four_gates: None, past: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "camera.npz"
    se.save_baseline(se.build_baseline(past, interpolator="none"), baseline)
    incoming = stretch(tmp_path / "incoming.avi", INCOMING, 0, 120)
    for number, factor in enumerate((1.0, 0.4)):
        verdict = se.check(lit(incoming, factor), baseline, output=tmp_path / "out", interpolator="none")
        options = DecideOptions(
            verdict=tmp_path / "out" / "verdict.json",
            exit_code=verdict.exit_code,
            history=tmp_path / "history.json",
            output=tmp_path / f"decision-{number}",
            guards=Guards(),
        )
        answer(options)
    summary = (tmp_path / "decision-1" / "summary.md").read_text()
    assert "brightness" in summary.split("Scores of the last 2 checks")[1]
    assert summary.count("\n  line [") == 6, "five gates that judged, and the limit"


def test_a_file_with_a_gate_that_is_not_in_the_table_is_refused(past: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gates, "GATES", (*gates.GATES, BrightnessGate()))
        se.save_baseline(se.build_baseline(past, interpolator="none"), tmp_path / "camera.npz")
    with pytest.raises(SentinelError, match=r"is of gates .*brightness.* expected embedding and others of"):
        se.load_baseline(tmp_path / "camera.npz")


def test_a_baseline_without_what_is_asked_for_says_so(four_gates: None, past: Path) -> None:
    baseline = se.build_baseline(past, interpolator="none")
    older = replace(baseline, normal={name: one for name, one in baseline.normal.items() if name != NAME})
    verdict = se.check(past, older)
    assert verdict.gates[NAME].status == "NOT_JUDGED"
    assert "the baseline was made without it" in verdict.gates[NAME].reason


def test_a_gate_that_came_later_does_not_keep_older_baselines_from_being_read(four_gates: None, tmp_path: Path) -> None:
    golden = assets.default_baseline()
    assert list(se.load_baseline(golden).normal) == ["embedding", "quality", "performance", "moments", "replay"]
    verdict = se.check(INCOMING, golden, output=tmp_path / "out")
    assert (verdict.status, verdict.gates[NAME].status) == (se.Status.PASS, se.Status.NOT_JUDGED)
    options = DecideOptions(
        tmp_path / "out" / "verdict.json", 0, tmp_path / "history.json", tmp_path / "said", Guards()
    )
    assert answer(options).status is se.Status.PASS, "what did not judge tells none of its numbers"


def test_embeddings_hold_nothing_of_it(four_gates: None) -> None:
    vectors = np.random.default_rng(0).normal(size=(240, 16))
    baseline = se.build_baseline(vectors)
    assert NAME not in baseline.normal
    assert se.check(vectors[:120], baseline).gates[NAME].status is se.Status.NOT_JUDGED


def test_the_published_schema_can_hold_it(four_gates: None, past: Path, tmp_path: Path) -> None:
    schema = published_schema.published()
    baseline = se.build_baseline(past, interpolator="none")
    for known in (baseline, se.load_baseline(assets.default_baseline())):
        jsonschema.Draft202012Validator(schema).validate(json.loads(se.check(past, known).to_json()))
