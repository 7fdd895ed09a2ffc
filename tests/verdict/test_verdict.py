"""The verdict as files: complete, valid, atomic, and never out of date."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sentinel_edge import assets
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.storage.files import write_atomically
from sentinel_edge.verdict.summary import summary
from sentinel_edge.verdict.verdict import SCHEMA_PATH, Status, VerdictFiles, error_verdict
from tests.conftest import INCOMING

STARTED = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="session")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA_PATH.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def options(output: Path, incoming: Path = INCOMING, **changes: Any) -> CheckOptions:
    return CheckOptions(
        incoming=incoming, baseline=assets.default_baseline(), model=assets.default_model(), output=output, **changes
    )


def test_real_footage_passes_and_the_verdict_is_whole(
    tmp_path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    verdict = check(options(tmp_path / "out"))
    written = json.loads((tmp_path / "out" / "verdict.json").read_text())
    validator.validate(written)
    assert (tmp_path / "out" / "status").read_text() == "PASS\n"
    assert (verdict.status, verdict.exit_code, verdict.causes) == (Status.PASS, 0, ())
    assert written == json.loads(verdict.to_json())
    assert written["frames"] | {"skipped": []} == {
        "judged": 150, "sampled": 150, "stride": 1, "unreadable": 0, "most_drifted": [], "skipped": [],
        "skipped_count": 0,
    }  # fmt: skip
    assert 0 < written["drift_score"] < written["threshold"] == 0.30
    assert written["gates"]["embedding"]["normal"]["stretches"] == 7
    assert written["gates"]["embedding"]["deviations"] is None
    assert max(map(abs, written["gates"]["quality"]["deviations"].values())) == written["gates"]["quality"]["score"] < 1
    assert all(f"{name} gate: " in written["message"] for name in ("embedding", "quality"))
    assert written["model"]["name"] == "mobilenetv2"
    assert "PASS  drift score" in summary(verdict, tmp_path)


def test_a_lower_threshold_fails_the_same_footage(tmp_path: Path, validator: jsonschema.Draft202012Validator) -> None:
    verdict = check(options(tmp_path, threshold=0.01))
    validator.validate(json.loads(verdict.to_json()))
    assert (verdict.status, verdict.exit_code) == (Status.FAIL, 3)
    assert (tmp_path / "status").read_text() == "FAIL\n"
    assert [name for name, gate in verdict.gates.items() if gate.status is Status.FAIL] == ["embedding"]
    assert verdict.causes[0].kind is Cause.SCENE_CHANGE
    assert len(verdict.frames.most_drifted) == 5
    assert all(origin.startswith("campus-incoming.mp4@") for origin in verdict.frames.most_drifted)
    shown = summary(verdict, tmp_path)
    assert "cause        scene_change: " in shown
    assert f"look at      {verdict.frames.most_drifted[0]}, " in shown


def test_the_gates_asked_for_decide_alone(tmp_path: Path, validator: jsonschema.Draft202012Validator) -> None:
    verdict = check(options(tmp_path, threshold=0.01, gates=("quality",)))
    document = json.loads(verdict.to_json())
    validator.validate(document)
    assert (verdict.status, document["drift_score"], list(document["gates"])) == (Status.PASS, None, ["quality"])
    assert "PASS  quality 0." in summary(verdict, tmp_path)


def test_alpha_changes_what_counts_as_drifted(tmp_path: Path) -> None:
    strict = check(options(tmp_path, alpha=0.001, gates=("embedding",)))
    usual = check(options(tmp_path, gates=("embedding",)))
    assert (strict.drift_score or 0) < (usual.drift_score or 0)


def test_what_cannot_be_judged_is_an_error_verdict_with_the_reason(
    tmp_path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    verdict = check(options(tmp_path / "out", incoming=tmp_path / "nowhere"))
    validator.validate(json.loads((tmp_path / "out" / "verdict.json").read_text()))
    assert (verdict.status, verdict.exit_code, verdict.drift_score) == (Status.ERROR, 1, None)
    assert "no such path" in verdict.message
    assert (tmp_path / "out" / "status").read_text() == "ERROR\n"
    assert summary(verdict, tmp_path).startswith("ERROR  no such path")


def test_error_stands_while_the_check_runs(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("PASS\n")
    seen: list[str] = []
    check(options(tmp_path), progress=lambda _: seen.append((tmp_path / "status").read_text()))
    assert set(seen) == {"ERROR\n"}
    assert (tmp_path / "status").read_text() == "PASS\n"


def test_an_unexpected_crash_leaves_error_not_yesterdays_pass(
    tmp_path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    def crash(_: int) -> None:
        raise ZeroDivisionError

    (tmp_path / "status").write_text("PASS\n")
    with pytest.raises(ZeroDivisionError):
        check(options(tmp_path), progress=crash)
    assert (tmp_path / "status").read_text() == "ERROR\n"
    validator.validate(json.loads((tmp_path / "verdict.json").read_text()))


def test_files_are_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        VerdictFiles(tmp_path).write(error_verdict("test", STARTED))
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("status", "verdict.json")} == {0o640}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"


def test_a_full_disk_withdraws_yesterdays_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "status").write_text("PASS\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        SentinelError, match=r"cannot write to the output folder .*No space left on device; give a folder"
    ):
        check(options(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(SentinelError, match="cannot write to the output folder"):
        check(options(tmp_path / "out"))


GATE = {
    "status": "ERROR", "score": 7.5, "threshold": 1.0, "reason": "", "dimensions": None, "normal": None,
    "deviations": {"noise": -7.5}, "reference": [], "triplets": None,
}  # fmt: skip
TRIPLETS = {"interpolator": "", "scored": 3, "passed_over": {"nothing moves": 2}, "measures": {}}
FRAMES = {
    "judged": 0, "sampled": 0, "stride": 1, "unreadable": 0, "most_drifted": [], "skipped": [], "skipped_count": 0,
}  # fmt: skip


def test_the_schema_refuses_what_a_verdict_must_never_be(validator: jsonschema.Draft202012Validator) -> None:
    good = json.loads(error_verdict("test", STARTED, baseline={"path": "b"}, model={"path": "m"}).to_json())
    validator.validate(good)
    validator.validate(good | {"gates": {"quality": GATE}, "frames": FRAMES})
    validator.validate(good | {"gates": {"performance": GATE | {"status": "NOT_JUDGED", "triplets": TRIPLETS}}})
    for wrong in (
        {"status": "pass"},
        {"status": "PASS"},  # a PASS without a gate
        {"status": "NOT_JUDGED"},  # of a gate alone
        {"drift_score": 1.5},
        {"gates": {"quality": GATE | {"score": -0.1}}},
        {"gates": {"quality": GATE | {"deviations": {"noise": "much"}}}},
        {"gates": {"quality": {name: GATE[name] for name in GATE if name != "deviations"}}},
        {"gates": {"taste": GATE}},
        {"gates": {"performance": GATE | {"triplets": TRIPLETS | {"scored": -1}}}},
        {"gates": {"performance": GATE | {"triplets": TRIPLETS | {"measures": {"taste": {}}}}}},
        {"frames": FRAMES | {"most_drifted": [7]}},
        {"frames": FRAMES | {"most_drifted": ["frame"] * 6}},
        {"causes": [{"kind": "gremlins", "evidence": ""}]},
        {"extra": 1},
    ):
        assert not validator.is_valid(good | wrong), wrong
