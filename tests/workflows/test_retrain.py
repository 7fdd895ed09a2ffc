"""The retraining, run from its YAML: what it fetches, what it proposes to a person, and what it leaves alone.

Training takes minutes and TensorFlow, so `make` is another program in most of these tests: it leaves what
`make retrain` leaves. One test asks the real one what it would do, another lets it train for some seconds.
"""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.heal import half_rate
from tests.conftest import PAST
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.runner import Result, bare_origin, run_workflow

pytestmark = pytest.mark.workflow

MAKE = """#!/usr/bin/env bash
set -e
echo "make $*" >>"{record}"
find footage -type f | LC_ALL=C sort >>"{record}"
{script}
"""
LEAVE = """
mkdir -p retrain_output/baseline
cp -R models retrain_output/
echo better >retrain_output/models/vfi/challenger
cp baseline/golden.npz retrain_output/baseline/ && echo refreshed >>retrain_output/baseline/golden.npz
echo "Retraining ended: **{outcome}**." >retrain_output/report.md
echo '{{"outcome": "{outcome}"}}' >retrain_output/outcome.json
exit {code}
"""


class Workshop:
    """A `make` that does not train.

    Attributes:
        programs: the folder it is in.
        record: what it was asked, and the footage that was there.
    """

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.record = folder / "record"
        self.programs.mkdir()

    def will(self, script: str) -> None:
        """Let `make` be this script."""
        make = self.programs / "make"
        make.write_text(MAKE.format(record=self.record, script=script))
        make.chmod(0o755)

    def will_leave(self, outcome: str, code: int) -> None:
        """Let `make` end with an outcome."""
        self.will(LEAVE.format(outcome=outcome, code=code))

    def seen(self) -> list[str]:
        """What was recorded; nothing where `make` was never started."""
        return self.record.read_text().splitlines() if self.record.exists() else []


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A `make` that promotes, until it is told otherwise."""
    made = Workshop(tmp_path)
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


def retrain(github: FakeGitHub, workshop: Workshop, inputs: dict[str, str]) -> Result:
    """Run the retraining with these inputs."""
    return run_workflow("retrain.yml", github, inputs=inputs, programs=workshop.programs)


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
    result = retrain(github, workshop, called)
    assert not result.failed(), result.log
    command, *footage = workshop.seen()
    assert command.split()[-3:] == ["NEW=footage", "MINUTES=3", "RETRAINED=retrain_output"]
    assert footage == ["footage/footage/camera.avi"]
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
    result = retrain(github, workshop, called | {"drill": "true"})
    assert result.jobs == {"retrain": "success", "report": "skipped", "propose": "skipped"}, result.log
    assert not proposed(github)
    assert not github.issues


@pytest.mark.parametrize(("outcome", "code"), [("refused", 3), ("rolled back", 3), ("blinded", 3), ("undecided", 1)])
def test_a_challenger_that_is_not_proven_changes_nothing_and_a_person_is_told(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], outcome: str, code: int
) -> None:
    workshop.will_leave(outcome, code)
    result = retrain(github, workshop, called)
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
        assert not retrain(github, workshop, called).failed()
    assert len(github.issues) == 1


def test_what_was_measured_is_cut_to_what_an_issue_takes(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    workshop.will(
        LEAVE.format(outcome="refused", code=3).replace(
            "exit 3", "head --bytes 100000 /dev/zero | tr '\\0' x >>retrain_output/report.md; exit 3"
        )
    )
    assert not retrain(github, workshop, called).failed()
    (issue,) = github.issues.values()
    assert 59_000 < len(issue.body) < 65_536


@pytest.mark.parametrize("script", ["exit 2", "mkdir -p retrain_output; echo '{' >retrain_output/outcome.json"])
def test_a_training_that_breaks_fails_the_job(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], script: str
) -> None:
    workshop.will(script)
    result = retrain(github, workshop, called)
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
    result = retrain(github, workshop, {**called, wrong.name: wrong.value.format(stolen)})
    assert result.failed()
    assert result.messages("error")
    assert workshop.seen() == []
    assert not proposed(github)
    assert not stolen.exists()


def test_what_a_pull_request_brought_along_is_not_learned(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    run = github.add_run("monitor.yml", event="pull_request")
    github.artifacts.add(run.id, "sentinel-footage", {"footage/camera.avi": b"footage"})
    result = retrain(github, workshop, called | {"monitor_run_id": str(run.id)})
    assert result.jobs["retrain"] == "failure"
    assert any("pull request" in message for message in result.messages("error"))
    assert workshop.seen() == []


def test_causes_are_text_wherever_they_go(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str], tmp_path: Path
) -> None:
    stolen = tmp_path / "stolen"
    result = retrain(github, workshop, {**called, "causes": f"$(touch {stolen}) `touch {stolen}`", "drift_score": "'"})
    assert not result.failed(), result.log
    assert not stolen.exists()


def test_a_repository_that_lets_no_workflow_open_pull_requests(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    github.actions_may_open_pulls = False
    result = retrain(github, workshop, called)
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
        programs=workshop.programs,
    )
    assert not result.failed(), result.log
    assert len(workshop.seen()) >= 2
    assert len(github.pulls) == 1


def test_the_real_make_understands_what_it_is_asked(
    github: FakeGitHub, workshop: Workshop, called: dict[str, str]
) -> None:
    """The recipe that `make retrain` would run takes these options; the footage is not there, which it says."""
    workshop.will(f'"{real_make()}" --dry-run "$@" >>"{workshop.record}"; exit 1')
    retrain(github, workshop, called)
    recipe = shlex.split(" ".join(workshop.seen()).partition("-m sentinel_edge.promotion.healing")[2].replace("\\", ""))
    assert recipe[: recipe.index("--new") + 2][-2:] == ["--new", "footage"]
    command = [sys.executable, "-m", "sentinel_edge.promotion.healing", *recipe]
    run = subprocess.run(command, cwd=github.checkout, check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run.stderr  # 2 is argparse's, for an option it does not know
    assert "footage" in run.stderr


def test_the_real_steps_on_a_small_budget(
    github: FakeGitHub, workshop: Workshop, tmp_path: Path, workshop_python: str
) -> None:
    """TensorFlow fine-tunes for some seconds; the gate is held over what came of it, and a person can read why."""
    workshop.will(f"""
ln -sfn "{sys.prefix}" .venv
ln -sfn "{Path(workshop_python).absolute().parents[1]}" .venv-export
exec "{real_make()}" -o .venv/installed -o .venv-export/installed "$@"
""")
    footage = half_rate(PAST, tmp_path / "changed.avi")
    run = github.add_run("monitor.yml", event="schedule")
    github.artifacts.add(run.id, "sentinel-footage", {"changed.avi": footage.read_bytes()})
    inputs = {"monitor_run_id": str(run.id), "causes": "performance", "drift_score": "0.17", "minutes": "0.2"}
    result = run_workflow("retrain.yml", github, inputs=inputs, programs=workshop.programs, seconds=900)
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


def real_make() -> str:
    """The `make` of this machine."""
    return subprocess.run(["bash", "-c", "type -P make"], check=True, capture_output=True, text=True).stdout.strip()
