"""The monitor, run from its YAML with the real container and the real `gh`: who is called, when, and when nobody is."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows.conftest import REPLAY, UNTRUSTED, OtherImage, Recorded, docker
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.runner import Result, run_workflow

pytestmark = pytest.mark.workflow

LEARNABLE, FAULT = "performance", "fog"
AT_ONCE = {"RETRY_SECONDS": "0"}
"""The scripts wait before they ask again; the tests do not."""


def monitor(github: FakeGitHub, *, event: str = "workflow_dispatch", token: str | None = None, **inputs: str) -> Result:
    """Run the monitor by hand with these inputs, or by its schedule."""
    return run_workflow("monitor.yml", github, event=event, inputs=inputs, token=token, environment=AT_ONCE)


def calls(github: FakeGitHub) -> list[str]:
    """Everything that was changed at GitHub or tried to be."""
    return [f"{one.method} {one.path}" for one in github.requests if one.method != "GET" and one.path != "/graphql"]


def last_checks(result: Result) -> list[str]:
    """The statuses in the summary's table of the last checks, this one first."""
    _, _, table = result.summary.partition("### The last checks")
    return re.findall(r"^\| \d{4}-\S+ \S+ \| \S+ (\w+) \|", table, flags=re.MULTILINE)


# ---- what is found ----


def test_a_pass_calls_nobody_and_leaves_a_trace(github: FakeGitHub) -> None:
    result = monitor(github, event="schedule")
    assert not result.failed(), result.log
    found = result.outputs["check"]
    assert (found["status"], found["action"], found["causes"]) == ("PASS", "none", "")
    assert calls(github) == []
    assert not github.issues
    assert result.summary.startswith("## ✅ PASS")
    assert result.messages("notice") == ["PASS: nothing to do"]
    assert not result.messages("warning") + result.messages("error")
    kept = result.artifacts["sentinel-verdict"]
    assert json.loads((kept.files / "sentinel_output/verdict.json").read_text())["status"] == "PASS"
    assert set(result.artifacts) == {"sentinel-verdict"}

    again = monitor(github, event="schedule")
    assert last_checks(again) == ["PASS", "PASS"]  # the history went from run to run


def test_a_lasting_change_calls_for_one_retraining_with_all_it_needs(github: FakeGitHub, slowed: Path) -> None:
    github.variables["SENTINEL_FRAMES"] = str(slowed)
    result = monitor(github, event="schedule")
    assert not result.failed(), result.log
    (dispatch,) = github.dispatches
    assert (dispatch.workflow, dispatch.ref) == ("retrain.yml", "main")
    verdict = json.loads((result.artifacts["sentinel-verdict"].files / "sentinel_output/verdict.json").read_text())
    assert float(dispatch.inputs["drift_score"]) == pytest.approx(verdict["drift_score"], abs=1e-4)
    assert dispatch.inputs["causes"].split(",")[0] == verdict["causes"][0]["kind"] == LEARNABLE
    assert dispatch.inputs["monitor_run_id"] == str(result.run_id)
    footage = result.artifacts[dispatch.inputs["artifact"]]
    assert 0 < footage.retention_days <= 14
    assert 0 < sum((footage.files / name).stat().st_size for name in footage.names()) < 200e6
    assert any(name.endswith(".jpg") for name in result.artifacts["sentinel-verdict"].names())
    assert result.summary.startswith("## ❌ FAIL")
    assert result.messages("warning")
    assert not github.issues


def test_one_retraining_at_a_time(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    under_way = github.add_run("retrain.yml", status="in_progress", conclusion=None)
    result = monitor(github, frames="sample")
    assert not result.failed(), result.log
    assert result.outputs["check"]["status"] == "FAIL"
    assert result.outputs["check"]["action"] == "none"
    assert calls(github) == []
    assert str(under_way.id) in result.summary


def test_a_retraining_of_today_is_not_repeated(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    github.add_run("retrain.yml", status="completed", conclusion="failure")
    assert monitor(github, frames="sample").outputs["check"]["action"] == "none"
    assert calls(github) == []


def test_a_fault_of_the_camera_opens_one_issue_and_retrains_nothing(
    github: FakeGitHub, damaged: Callable[[str], Path]
) -> None:
    frames = str(damaged(FAULT))
    result = monitor(github, frames=frames)
    assert not result.failed(), result.log
    (issue,) = github.issues.values()
    assert FAULT in issue.title
    assert issue.labels == ["sentinel-repair"]
    assert f"/actions/runs/{result.run_id}" in issue.body
    assert github.dispatches == []
    assert set(result.artifacts) == {"sentinel-verdict"}  # no footage to learn from

    monitor(github, frames=frames)
    assert len(github.issues) == 1


def test_policy_always_retrains_on_a_fault_too(github: FakeGitHub, damaged: Callable[[str], Path]) -> None:
    github.variables["SENTINEL_POLICY"] = "always"
    result = monitor(github, frames=str(damaged(FAULT)))
    assert not result.failed(), result.log
    assert len(github.dispatches) == 1
    assert not github.issues


def test_a_fire_drill_rings_and_is_forgotten(github: FakeGitHub) -> None:
    result = monitor(github, frames=f"sabotage:{FAULT}:4")
    assert not result.failed(), result.log
    assert result.outputs["check"]["status"] == "FAIL"
    assert len(github.issues) == 1
    assert last_checks(monitor(github, frames="sample")) == ["PASS"]


def test_frames_of_another_run(github: FakeGitHub, damaged: Callable[[str], Path]) -> None:
    other = github.add_run("ci.yml")
    (clip,) = damaged(FAULT).iterdir()
    github.artifacts.add(other.id, "camera-7", {clip.name: clip.read_bytes()})
    result = monitor(github, frames=f"artifact:{other.id}:camera-7", dry_run="true")
    assert not result.failed(), result.log
    assert result.outputs["check"]["causes"].split(",")[0] == FAULT


@pytest.mark.parametrize(("about", "told"), UNTRUSTED, ids=lambda value: str(value)[:40])
def test_what_anybody_could_have_brought_along_is_not_judged(
    github: FakeGitHub, about: dict[str, str], told: str
) -> None:
    run = github.add_run(**{"workflow": "ci.yml", **about})
    github.artifacts.add(run.id, "camera-7", {"a.mp4": b"footage"})
    result = monitor(github, frames=f"artifact:{run.id}:camera-7", dry_run="true")
    assert result.jobs["check"] == "failure"
    assert any(told in message for message in result.messages("error")), result.log


def test_the_threshold_of_the_day_is_used(github: FakeGitHub) -> None:
    result = monitor(github, frames="sample", threshold="0.05", dry_run="true")
    assert result.outputs["check"]["status"] == "FAIL"
    verdict = json.loads((result.artifacts["sentinel-verdict"].files / "sentinel_output/verdict.json").read_text())
    assert verdict["threshold"] == 0.05


def test_the_image_is_built_once_and_kept_for_later_runs(github: FakeGitHub) -> None:
    del github.variables["SENTINEL_IMAGE"]
    try:
        first = monitor(github, frames="sample")
        assert not first.failed(), first.log
        assert first.step_outputs["check", "sentinel"]["status"] == "PASS"
        docker("image", "rm", "--force", "sentinel-edge:built")
        second = monitor(github, frames="sample")
        assert not second.failed(), second.log
        assert "Loaded image: sentinel-edge:built" in second.log
        assert second.steps["image"].get("Build it") != "success"
    finally:
        docker("image", "rm", "--force", "sentinel-edge:built")


# ---- nobody is called ----


def test_a_dry_run_calls_nobody(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    result = monitor(github, frames="sample", dry_run="true")
    assert result.outputs["check"]["action"] == "retrain"
    assert calls(github) == []
    assert not list((github.folder / "caches").rglob("history.json"))  # and remembers nothing


def test_the_kill_switch(github: FakeGitHub, drifted_image: str) -> None:
    github.variables |= {"SENTINEL_IMAGE": drifted_image, "SENTINEL_RED_PHONE": "off"}
    result = monitor(github, event="schedule")
    assert not result.failed(), result.log
    assert result.outputs["check"]["status"] == "FAIL"
    assert calls(github) == []


def test_footage_and_evidence_can_be_kept_private(github: FakeGitHub, slowed: Path) -> None:
    github.variables |= {"SENTINEL_KEEP_FOOTAGE": "off", "SENTINEL_KEEP_EVIDENCE": "off"}
    result = monitor(github, frames=str(slowed))
    assert not result.failed(), result.log
    assert github.dispatches == []  # it would find nothing to train on
    assert any("make retrain" in warning for warning in result.messages("warning"))
    kept = {name for artifact in result.artifacts.values() for name in artifact.names()}
    assert kept
    assert not [name for name in kept if Path(name).suffix not in ("", ".json", ".md")]


# ---- what is not to be trusted is an error, never a verdict ----

VERDICT = "/app/status_output/verdict.json"
FAULTS = {
    "killed": "exec python -c 'b\"x\" * 2**30'",  # the kernel kills it at the container's memory limit: exit code 137
    "torn": f"head -c 200 /other/verdict.json >{VERDICT}",
    "empty": f": >{VERDICT}",
    "passes-with-3": f"{REPLAY}; exit 3",
    "dies-after-the-verdict": f"{REPLAY}; kill -TERM $$; sleep 1; exit 143",
    "says-nothing": "exit 0",
    "another-word": f'sed \'s/"PASS"/"FINE"/\' /other/verdict.json >{VERDICT}',
    "another-schema": f"sed 's/\"schema_version\": */&9/' /other/verdict.json >{VERDICT}",
}
"""What a check does in place of a good one that passes; where nothing else is said its exit code is 0, a PASS's."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_check_that_cannot_be_trusted_fails_the_job_and_calls_nobody(
    github: FakeGitHub, other_image: OtherImage, recorded: Recorded, fault: str
) -> None:
    github.variables["SENTINEL_IMAGE"] = other_image(fault, FAULTS[fault], recorded.passed)
    expect_an_error(github, monitor(github, frames="sample"))


def test_a_good_check_replayed_passes(github: FakeGitHub, other_image: OtherImage, recorded: Recorded) -> None:
    """So it is the faults above that fail, not the way they are brought about."""
    github.variables["SENTINEL_IMAGE"] = other_image("good", REPLAY, recorded.passed)
    assert monitor(github, frames="sample").outputs["check"]["status"] == "PASS"


def test_a_fail_with_exit_code_0_is_neither(github: FakeGitHub, other_image: OtherImage, recorded: Recorded) -> None:
    github.variables["SENTINEL_IMAGE"] = other_image("fails-with-0", f"{REPLAY}; exit 0", recorded.failed)
    expect_an_error(github, monitor(github, frames="sample"))


def test_a_killed_check_says_so(github: FakeGitHub, other_image: OtherImage, recorded: Recorded) -> None:
    github.variables["SENTINEL_IMAGE"] = other_image("killed", FAULTS["killed"], recorded.passed)
    result = monitor(github, frames="sample")
    assert "137" in " ".join(result.messages("error"))


def test_an_image_that_is_not_there(github: FakeGitHub) -> None:
    github.variables["SENTINEL_IMAGE"] = "sentinel-test-nowhere:none"
    result = monitor(github, frames="sample")
    assert result.failed()
    assert calls(github) == []
    assert any("sentinel-test-nowhere" in message for message in result.messages("error"))


def test_footage_that_cannot_be_judged(github: FakeGitHub, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    expect_an_error(github, monitor(github, frames=str(tmp_path / "empty")))


@pytest.mark.parametrize(
    "frames", ["nowhere", "artifact:12:../x", "artifact:999999:none", "sabotage:fog", "sabotage:fog:9"]
)
def test_frames_that_are_not_there(github: FakeGitHub, frames: str) -> None:
    result = monitor(github, frames=frames)
    assert result.failed()
    assert result.messages("error") or "artifact" in result.log
    assert calls(github) == []


@pytest.mark.parametrize("frames", ["$(touch {})", "`touch {}`", "sample; touch {}", "a' && touch {} '"])
def test_an_input_is_never_code(github: FakeGitHub, tmp_path: Path, frames: str) -> None:
    stolen = tmp_path / "stolen"
    assert monitor(github, frames=frames.format(stolen)).failed()
    assert not stolen.exists()


def test_a_threshold_is_never_code(github: FakeGitHub, tmp_path: Path) -> None:
    stolen = tmp_path / "stolen"
    expect_an_error(github, monitor(github, frames="sample", threshold=f"$(touch {stolen})"))
    assert not stolen.exists()


def expect_an_error(github: FakeGitHub, result: Result) -> None:
    """The job failed, said why, and called nobody; the next run knows of it."""
    assert result.jobs["check"] == "failure", result.log
    assert result.outputs["check"]["status"] == "ERROR"
    assert result.outputs["check"]["action"] == "error"
    assert result.messages("error")
    assert result.summary.startswith("## ⚠️ ERROR")
    assert calls(github) == []
    assert not github.dispatches
    assert not github.issues


# ---- GitHub answers badly ----


def test_a_server_that_stumbles_is_asked_again(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    github.fail("POST", "/dispatches$", 502, times=2)
    result = monitor(github, frames="sample")
    assert not result.failed(), result.log
    assert len(github.dispatches) == 1
    assert len(github.asked("POST", "/dispatches$")) == 3


def test_a_call_that_got_through_is_not_repeated_for_a_bad_answer(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    github.fail("POST", "/dispatches$", 502, accepted=True)
    result = monitor(github, frames="sample")
    assert not result.failed(), result.log
    assert len(github.dispatches) == len(github.asked("POST", "/dispatches$")) == 1


def test_a_connection_that_drops_is_tried_again(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    github.fail("POST", "/dispatches$", 0)
    result = monitor(github, frames="sample")
    assert not result.failed(), result.log
    assert len(github.dispatches) == 1


def test_a_server_that_stays_down_fails_the_job_after_a_bounded_number_of_tries(
    github: FakeGitHub, drifted_image: str
) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    github.fail("POST", "/dispatches$", 502, times=1000)
    result = monitor(github, frames="sample")
    assert result.jobs["call"] == "failure"
    assert github.dispatches == []
    assert 2 <= len(github.asked("POST", "/dispatches$")) <= 5
    assert any("by hand" in message for message in result.messages("error"))

    github.faults.clear()  # it is called by the next run, for what failed was not remembered as done
    assert not monitor(github, frames="sample").failed()
    assert len(github.dispatches) == 1


def test_a_wrong_input_is_not_tried_twice(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    path = github.checkout / ".github/workflows/retrain.yml"
    path.write_text(path.read_text().replace("drift_score:", "score:"))
    result = monitor(github, frames="sample")
    assert result.jobs["call"] == "failure"
    assert [one.status for one in github.asked("POST", "/dispatches$")] == [422]
    assert "Unexpected inputs" in result.log
    assert result.messages("error")


def test_a_token_that_is_refused(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    result = monitor(github, frames="sample", token="expired")  # noqa: S106
    assert result.failed()
    assert {one.status for one in github.requests} == {401}
    assert github.dispatches == []
    assert result.messages("error")


@pytest.mark.parametrize("path", [r"/actions/workflows/.*", "/graphql"], ids=["runs", "issues"])
def test_nothing_is_called_for_while_it_is_not_known_what_is_under_way(
    github: FakeGitHub, drifted_image: str, path: str
) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    github.fail("GET" if "workflows" in path else "POST", path, 500, times=1000)
    result = monitor(github, frames="sample")
    assert github.dispatches == []
    assert not github.issues
    assert result.messages("warning")


# ---- the container and the secrets ----


def test_the_container_is_hardened(github: FakeGitHub, other_image: OtherImage) -> None:
    seen = "{ ls /sys/class/net; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; "
    seen += "touch /written 2>&1; touch /app/incoming_data/written 2>&1; } >/app/status_output/seen; exit 1"
    github.variables["SENTINEL_IMAGE"] = other_image("curious", seen)
    result = monitor(github, frames="sample")
    lines = (result.artifacts["sentinel-verdict"].files / "sentinel_output/seen").read_text()
    assert [line for line in lines.splitlines() if line in ("lo", "eth0")] == ["lo"]
    assert "CapEff:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines
    assert lines.count("Read-only file system") == 2


def test_every_container_is_started_the_same_careful_way(github: FakeGitHub, tmp_path: Path) -> None:
    """Sabotage, check, decision and excerpt alike."""
    programs, record = tmp_path / "programs", tmp_path / "record"
    programs.mkdir()
    (programs / "docker").write_text(f'#!/bin/sh\necho "$*" >>"{record}"\nexec "{shutil.which("docker")}" "$@"\n')
    (programs / "docker").chmod(0o755)
    github.variables["SENTINEL_POLICY"] = "always"  # a retraining takes an excerpt
    inputs = {"frames": f"sabotage:{FAULT}:4"}
    result = run_workflow("monitor.yml", github, inputs=inputs, environment=AT_ONCE, programs=programs)
    assert not result.failed(), result.log
    started = [line for line in record.read_text().splitlines() if line.startswith("run ")]
    assert len(started) == 4
    for line in started:
        for option in ("--network none", "--read-only", "--cap-drop ALL", "no-new-privileges", "--memory ", "--user "):
            assert option in line, line
        assert "docker.sock" not in line


def test_what_the_container_leaves_beside_files_is_removed(
    github: FakeGitHub, other_image: OtherImage, recorded: Recorded
) -> None:
    """A pipe where an answer of GitHub is to be written would be waited for until the job's end."""
    planted = "cd /app/status_output; mkfifo retrainings.json.part retrainings.json pipe; mkdir -p a/b; mkfifo a/b/c; "
    planted += "ln -s /etc/passwd passwd; ln -s / root; ln -s nowhere proposals.json.part"
    github.variables["SENTINEL_IMAGE"] = other_image("planting", f"{REPLAY}; {planted}; exit 3", recorded.failed)
    result = run_workflow("monitor.yml", github, inputs={"frames": "sample"}, environment=AT_ONCE, seconds=120)
    assert not result.failed(), result.log
    assert len(github.dispatches) == 1
    kept = {Path(name).name for name in result.artifacts["sentinel-verdict"].names()}
    assert not kept & {"pipe", "c", "passwd", "root"}


def test_a_broken_history_is_safe(github: FakeGitHub, drifted_image: str) -> None:
    assert not monitor(github, event="schedule").failed()
    (history,) = (github.folder / "caches").rglob("history.json")
    history.write_text('{"entries": [')
    github.variables["SENTINEL_IMAGE"] = drifted_image
    result = monitor(github, event="schedule")
    assert not result.failed(), result.log
    assert len(github.dispatches) == 1


def test_a_fire_drill_calls_as_one_and_is_not_remembered(github: FakeGitHub) -> None:
    github.variables["SENTINEL_BASELINE"] = (
        "no/such/baseline.npz"  # of a camera of its own; the sample has the sample's
    )
    github.variables["SENTINEL_POLICY"] = "always"
    result = monitor(github, frames=f"sabotage:{FAULT}:4")
    assert not result.failed(), result.log
    (dispatch,) = github.dispatches
    assert dispatch.inputs["drill"] == "true"
    assert not list((github.folder / "caches").rglob("history.json"))


def test_the_token_is_in_nothing_that_is_kept(github: FakeGitHub, drifted_image: str) -> None:
    github.variables["SENTINEL_IMAGE"] = drifted_image
    result = monitor(github, frames="sample")
    for artifact in result.artifacts.values():
        for name in artifact.names():
            assert github.token.encode() not in (artifact.files / name).read_bytes(), name
    assert github.token not in result.log + result.summary
