"""The retraining, run from its YAML: what it fetches, what it proposes to a person, and what it leaves alone.

Training takes minutes and TensorFlow, so the workshop's image is another in most of these tests: it leaves what the
real one leaves. One test asks the real steps whether they understand what it was asked, another lets them train.
"""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.heal import half_rate
from tests.conftest import PAST
from tests.workflows.conftest import UNTRUSTED, OtherImage
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.runner import Result, bare_origin, run_workflow

pytestmark = pytest.mark.workflow

SEEN = """
echo "$*" >/retrained/seen
find /footage -type f | LC_ALL=C sort >>/retrained/seen
"""
LEAVE = """
mkdir -p /retrained/baseline
cp -R /workshop/models /retrained/
echo better >/retrained/models/vfi/challenger
cp /workshop/baseline/golden.npz /retrained/baseline/ && echo refreshed >>/retrained/baseline/golden.npz
echo "Retraining ended: **{outcome}**." >/retrained/report.md
echo '{{"outcome": "{outcome}"}}' >/retrained/outcome.json
exit {code}
"""


class Workshop:
    """An image that does not train."""

    def __init__(self, github: FakeGitHub, other_image: OtherImage) -> None:
        self._github = github
        self._other_image = other_image

    def will(self, script: str) -> None:
        """Let the container do this instead."""
        name = f"workshop-{hashlib.sha256(script.encode()).hexdigest()[:12]}"
        self._github.variables["SENTINEL_WORKSHOP"] = self._other_image(name, SEEN + script, command="--new")

    def will_leave(self, outcome: str, code: int) -> None:
        """Let it end with an outcome."""
        self.will(LEAVE.format(outcome=outcome, code=code))


def seen(result: Result) -> list[str]:
    """What the workshop was asked, and the footage that was there; nothing where it was never started."""
    kept = result.artifacts.get("sentinel-challenger")
    return (kept.files / "seen").read_text().splitlines() if kept else []


@pytest.fixture
def workshop(github: FakeGitHub, other_image: OtherImage) -> Workshop:
    """One that promotes, until it is told otherwise."""
    made = Workshop(github, other_image)
    made.will_leave("promoted", 0)
    return made


@dataclass(frozen=True, slots=True)
class Wrong:
    """An input that no retraining can use; {} stands for a file that must not come to be."""

    name: str
    value: str


@pytest.fixture
def called(github: FakeGitHub) -> dict[str, str]:
    """The inputs of a retraining as a monitor run that found a change would give them."""
    run = github.add_run("monitor.yml", event="schedule")
    github.artifacts.add(run.id, "sentinel-footage", {"footage/camera.avi": b"footage"})
    return {
        "drift_score": "0.6578",
        "causes": "scene_change",
        "monitor_run_id": str(run.id),
        "artifact": "sentinel-footage",
    }


def retrain(github: FakeGitHub, inputs: dict[str, str]) -> Result:
    """Run the retraining with these inputs."""
    return run_workflow("retrain.yml", github, inputs=inputs)


def in_origin(github: FakeGitHub, *command: str) -> str:
    """What git says about the repository that the workflow pushes to."""
    run = subprocess.run(
        ["git", "-C", str(bare_origin(github.checkout)), *command], check=True, capture_output=True, text=True
    )
    return run.stdout


def proposed(github: FakeGitHub) -> bool:
    """Whether anything reached GitHub that could change the repository."""
    branches = in_origin(github, "branch", "--format=%(refname:short)").split()
    return branches != ["main"] or bool(github.pulls) or bool(github.dispatches)


def test_a_proven_challenger_is_proposed_with_its_baseline(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    result = retrain(github, called)
    assert not result.failed(), result.log
    command, *footage = seen(result)
    assert command.split()[-4:] == ["--minutes", "3", "--output", "/retrained"]
    assert footage == ["/footage/footage/camera.avi"]
    assert {"outcome.json", "report.md", "models/vfi/challenger"} <= result.artifacts["sentinel-challenger"].names()

    (pull,) = github.pulls.values()
    assert pull.base == "main"
    assert "promoted" in pull.body
    assert f"/actions/runs/{called['monitor_run_id']}" in pull.body
    assert "0.6578" in pull.body
    changed = set(in_origin(github, "diff", "--name-only", "main", pull.head).split())
    assert changed == {"baseline/golden.npz", "models/vfi/challenger"}
    assert in_origin(github, "rev-list", "--count", f"main..{pull.head}").strip() == "1"

    (checks,) = github.dispatches  # a pull request of the default token starts none by itself
    assert (checks.workflow, checks.ref) == ("ci.yml", pull.head)
    assert "promoted" in result.summary
    assert result.jobs["report"] == "skipped"
    assert not github.issues


@pytest.mark.parametrize(("outcome", "code"), [("promoted", 0), ("refused", 3)])
def test_of_a_fire_drill_nothing_is_proposed_and_nobody_told(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], outcome: str, code: int
) -> None:
    workshop.will_leave(outcome, code)
    result = retrain(github, called | {"drill": "true"})
    assert result.jobs == {"retrain": "success", "report": "skipped", "propose": "skipped"}, result.log
    assert not proposed(github)
    assert not github.issues


@pytest.mark.parametrize(("outcome", "code"), [("refused", 3), ("rolled back", 3), ("blinded", 3), ("undecided", 1)])
def test_a_challenger_that_is_not_proven_changes_nothing_and_a_person_is_told(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], outcome: str, code: int
) -> None:
    workshop.will_leave(outcome, code)
    result = retrain(github, called)
    assert result.jobs == {"retrain": "success", "report": "success", "propose": "skipped"}, result.log
    assert not proposed(github)
    assert "sentinel-challenger" in result.artifacts
    assert outcome in result.summary
    (issue,) = github.issues.values()
    assert issue.labels == ["sentinel-retraining"]
    assert f"Retraining ended: **{outcome}**" in issue.body
    assert f"/actions/runs/{result.run_id}" in issue.body


def test_a_person_is_told_once(github: FakeGitHub, workshop: Workshop, called: dict[str, str]) -> None:
    workshop.will_leave("undecided", 1)
    for _ in range(2):
        assert not retrain(github, called).failed()
    assert len(github.issues) == 1


def test_what_was_measured_is_cut_to_what_an_issue_takes(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    workshop.will(
        LEAVE.format(outcome="refused", code=3).replace(
            "exit 3", "head --bytes 100000 /dev/zero | tr '\\0' x >>/retrained/report.md; exit 3"
        )
    )
    assert not retrain(github, called).failed()
    (issue,) = github.issues.values()
    assert 59_000 < len(issue.body) < 65_536


@pytest.mark.parametrize("script", ["exit 2", "echo '{' >/retrained/outcome.json"])
def test_a_training_that_breaks_fails_the_job(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], script: str
) -> None:
    workshop.will(script)
    result = retrain(github, called)
    assert result.jobs == {"retrain": "failure", "report": "success", "propose": "skipped"}
    assert not proposed(github)
    (issue,) = github.issues.values()
    assert issue.title == "The retraining broke"


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("artifact", "gone"),
        Wrong("monitor_run_id", "999999"),
        Wrong("monitor_run_id", "1; touch {}"),
        Wrong("artifact", "$(touch {})"),
        Wrong("minutes", "3; touch {}"),
    ],
    ids=lambda wrong: f"{wrong.name} {wrong.value}",
)
def test_an_input_that_is_wrong_ends_before_anything_is_trained(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], tmp_path: Path, wrong: Wrong
) -> None:
    stolen = tmp_path / "stolen"
    result = retrain(github, {**called, wrong.name: wrong.value.format(stolen)})
    assert result.failed()
    assert result.messages("error")
    assert seen(result) == []
    assert not proposed(github)
    assert not stolen.exists()


@pytest.mark.parametrize(("about", "told"), UNTRUSTED, ids=lambda value: str(value)[:40])
def test_what_anybody_could_have_brought_along_is_not_learned(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], about: dict[str, str], told: str
) -> None:
    run = github.add_run(**{"workflow": "monitor.yml", "event": "schedule", **about})
    github.artifacts.add(run.id, "sentinel-footage", {"footage/camera.avi": b"footage"})
    result = retrain(github, called | {"monitor_run_id": str(run.id)})
    assert result.jobs["retrain"] == "failure"
    assert any(told in message for message in result.messages("error")), result.log
    assert seen(result) == []


def test_another_workflow_is_not_the_monitor(github: FakeGitHub, workshop: Workshop, called: dict[str, str]) -> None:
    run = github.add_run("ci.yml", event="push")
    github.artifacts.add(run.id, "sentinel-footage", {"footage/camera.avi": b"footage"})
    result = retrain(github, called | {"monitor_run_id": str(run.id)})
    assert any("another workflow" in message for message in result.messages("error")), result.log
    assert seen(result) == []


@pytest.mark.parametrize("reviewers", [{"promotion": []}, {}], ids=["none", "nobody knows"])
def test_an_environment_that_waits_for_nobody_is_told(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], reviewers: dict[str, list[str]]
) -> None:
    github.reviewers = reviewers
    result = retrain(github, called)
    assert not result.failed(), result.log
    assert any("reviewers" in message for message in result.messages("warning"))
    (pull,) = github.pulls.values()
    assert "reviewers" in pull.body


def test_what_the_container_leaves_beside_files_is_removed(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the host")
    planted = f"mkfifo /retrained/outcome.json /retrained/pipe; ln -s {secret} /retrained/report.md; exit 0"
    workshop.will(planted)
    result = retrain(github, called)
    assert result.jobs["retrain"] == "failure"
    assert result.artifacts["sentinel-challenger"].names() == {"seen"}
    assert "of the host" not in result.summary


def test_an_outcome_that_there_is_none_of_is_refused(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    workshop.will('printf \'{"outcome": "x\\\\noutcome=promoted"}\' >/retrained/outcome.json; exit 0')
    result = retrain(github, called)
    assert result.jobs["retrain"] == "failure", result.log
    assert not proposed(github)


def test_the_workshop_is_started_with_nothing_to_reach_and_the_checkout_to_be_read(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    tried = "{ ls /sys/class/net; touch /workshop/written /footage/written /written; } >/retrained/tried 2>&1; exit 1"
    workshop.will(tried)
    result = retrain(github, called)
    lines = (result.artifacts["sentinel-challenger"].files / "tried").read_text()
    assert [line for line in lines.splitlines() if line in ("lo", "eth0")] == ["lo"]
    assert lines.count("Read-only file system") == 3


def test_causes_are_text_wherever_they_go(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], tmp_path: Path
) -> None:
    stolen = tmp_path / "stolen"
    result = retrain(github, {**called, "causes": f"$(touch {stolen}) `touch {stolen}`", "drift_score": "'"})
    assert not result.failed(), result.log
    assert not stolen.exists()


def test_a_repository_that_lets_no_workflow_open_pull_requests(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    github.actions_may_open_pulls = False
    result = retrain(github, called)
    assert result.jobs["propose"] == "failure"
    assert "not permitted to create" in result.log
    assert not github.pulls


def test_what_the_monitor_sends_is_what_the_retraining_takes(
    github: FakeGitHub, workshop: Workshop, slowed: Path
) -> None:
    assert not run_workflow("monitor.yml", github, inputs={"frames": str(slowed)}).failed()
    (dispatch,) = github.dispatches
    result = run_workflow(
        "retrain.yml",
        github,
        inputs=dispatch.inputs,
        run=github.runs[dispatch.run_id],
    )
    assert not result.failed(), result.log
    assert len(seen(result)) >= 2
    assert len(github.pulls) == 1


def test_the_real_steps_understand_what_they_are_asked(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    """The footage is not there, which they say."""
    workshop.will("exit 1")
    asked = seen(retrain(github, called))[0]
    command = [sys.executable, "-m", "sentinel_edge.promotion.healing", *asked.split()]
    run = subprocess.run(command, cwd=github.checkout, check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run.stderr  # 2 is argparse's, for an option it does not know
    assert "footage" in run.stderr


def test_the_real_steps_on_a_small_budget(github: FakeGitHub, tmp_path: Path) -> None:
    """TensorFlow fine-tunes for some seconds in its container; the gate is held over what came of it."""
    footage = half_rate(PAST, tmp_path / "changed.avi")
    run = github.add_run("monitor.yml", event="schedule")
    github.artifacts.add(run.id, "sentinel-footage", {"changed.avi": footage.read_bytes()})
    inputs = {"monitor_run_id": str(run.id), "causes": "performance", "drift_score": "0.17", "minutes": "0.2"}
    result = run_workflow("retrain.yml", github, inputs=inputs, seconds=900)
    assert not result.failed(), result.log
    kept = result.artifacts["sentinel-challenger"]
    made = {f"{name}/{file}" for name in ("challenger", "control") for file in ("model.onnx", "card.json")}
    assert made | {"evaluation.json", "outcome.json", "report.md"} <= kept.names()
    assert not any(name.endswith(".avi") for name in kept.names()), "the footage stays with the run that called"
    rules = {rule["name"] for rule in json.loads((kept.files / "evaluation.json").read_text())["rules"]}
    assert {"graph", "new", "control", "golden", "latency"} <= rules
    assert "### Offline gate" in result.summary
    outcome = json.loads((kept.files / "outcome.json").read_text())["outcome"]
    assert proposed(github) == (outcome in ("promoted", "refreshed"))
