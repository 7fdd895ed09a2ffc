"""The fake GitHub refuses what GitHub refuses, asked by the real `gh`; a lax one would let wrong workflows pass."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import do_without
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.runner import find_tool

pytestmark = pytest.mark.workflow

RETRAIN = """
name: retrain
on:
  workflow_dispatch:
    inputs:
      run: {required: true, type: string}
      size: {type: choice, options: [small, large], default: small}
permissions: {}
jobs:
  look: {runs-on: ubuntu-latest, permissions: {actions: read, issues: read}, steps: [{run: "true"}]}
  call: {runs-on: ubuntu-latest, permissions: {actions: write, issues: write}, steps: [{run: "true"}]}
"""
RUN = ("workflow", "run", "retrain.yml")

Gh = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[FakeGitHub]:
    """A repository of two workflows, one of which can be dispatched."""
    if not find_tool("gh"):
        do_without("there is no gh (GitHub's command line)")
    folder = tmp_path / "checkout" / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "retrain.yml").write_text(RETRAIN)
    (folder / "push.yml").write_text("name: push\non: push\njobs: {}\n")
    with FakeGitHub(tmp_path / "checkout", tmp_path / "github") as github:
        yield github


@pytest.fixture
def gh(served: FakeGitHub, tmp_path: Path) -> Gh:
    """Runs the real `gh` against it, as a job of the workflow where one is named."""

    def run(*arguments: str, job: str = "", token: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **served.environment(), "GITHUB_JOB": job}
        if token:
            environment["GH_TOKEN"] = token
        return subprocess.run(
            ["gh", *arguments], env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
        )

    return run


def test_a_dispatch_with_and_without_a_ref(served: FakeGitHub, gh: Gh) -> None:
    for ref in (("--ref", "main"), ()):
        assert gh(*RUN, *ref, "-f", "run=7").returncode == 0
    assert [(one.ref, one.inputs) for one in served.dispatches] == [("main", {"run": "7"})] * 2
    assert [run.status for run in served.runs.values()] == ["queued", "queued"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*RUN, "--ref", "main", "-f", "run=7", "-f", "score=1"), 'Unexpected inputs provided: ["score"]'),
        ((*RUN, "--ref", "main"), "Required input 'run' not provided"),
        ((*RUN, "--ref", "main", "-f", "run=7", "-f", "size=huge"), "not in the list of allowed values"),
        ((*RUN, "--ref", "gone", "-f", "run=7"), "No ref found for: gone"),
        (("workflow", "run", "push.yml", "--ref", "main"), "does not have 'workflow_dispatch' trigger"),
        (("workflow", "run", "gone.yml", "--ref", "main"), "404"),
        (("issue", "create", "--title", "T", "--body", "B", "--label", "gone"), "'gone' not found"),
        (("api", "repos/{owner}/{repo}/nothing"), "404"),
        (("api", "graphql", "-f", "query={viewer{shoeSize}}"), "Field 'shoeSize' doesn't exist"),
    ],
)
def test_what_is_refused(served: FakeGitHub, gh: Gh, arguments: tuple[str, ...], said: str) -> None:
    run = gh(*arguments)
    assert run.returncode != 0
    assert said in run.stderr
    assert not served.dispatches
    assert not served.issues


def test_a_wrong_token(gh: Gh) -> None:
    assert "401" in gh(*RUN, "--ref", "main", "-f", "run=7", token="stale").stderr  # noqa: S106


@pytest.mark.parametrize(("job", "allowed"), [("look", False), ("call", True), ("", True)])
def test_a_job_may_do_only_what_its_permissions_grant(served: FakeGitHub, gh: Gh, job: str, allowed: bool) -> None:
    served.running = "retrain.yml"
    assert gh("run", "list", "--json", "databaseId", job=job).returncode == 0
    for command in ((*RUN, "--ref", "main", "-f", "run=7"), ("issue", "create", "--title", "T", "--body", "B")):
        run = gh(*command, job=job)
        assert (run.returncode == 0) == allowed, run.stderr
        assert ("Resource not accessible by integration" in run.stderr) != allowed
    assert (len(served.dispatches), len(served.issues)) == (int(allowed), int(allowed))


def test_faults_come_as_often_as_asked_and_may_come_after_the_deed(served: FakeGitHub, gh: Gh) -> None:
    served.fail("POST", "/dispatches$", 502, times=2)
    served.fail("POST", "/dispatches$", 502, accepted=True)
    calls = [gh(*RUN, "--ref", "main", "-f", "run=7") for _ in range(4)]
    assert [run.returncode for run in calls] == [1, 1, 1, 0]
    assert len(served.dispatches) == 2


def test_artifacts_of_a_run(served: FakeGitHub, gh: Gh, tmp_path: Path) -> None:
    run = served.add_run("retrain.yml")
    served.artifacts.add(run.id, "verdict", {"a/b.json": b"{}", "c": b"1"})
    assert gh("run", "download", str(run.id), "--name", "verdict", "--dir", "there").returncode == 0
    assert {path.name for path in (tmp_path / "there").rglob("*") if path.is_file()} == {"b.json", "c"}
    assert gh("run", "download", str(run.id), "--name", "gone", "--dir", "there").returncode != 0


def test_issues_and_labels(served: FakeGitHub, gh: Gh) -> None:
    assert gh("label", "create", "repair").returncode == 0
    assert "already exists" in gh("label", "create", "repair").stderr
    assert gh("issue", "create", "--title", "Fog", "--body", "B", "--label", "repair").returncode == 0
    assert gh("issue", "comment", "1", "--body", "again").returncode == 0
    assert '"number":1' in gh("issue", "list", "--label", "repair", "--json", "number").stdout
    assert gh("issue", "list", "--label", "other", "--json", "number").stdout.strip() == "[]"
    assert served.issues[1].comments == ["again"]


def test_pages_follow_each_other(served: FakeGitHub, gh: Gh) -> None:
    for _ in range(5):
        served.add_run("retrain.yml")
    path = "repos/{owner}/{repo}/actions/runs?per_page=2"
    numbers = gh("api", path, "--paginate", "--jq", ".workflow_runs[].id").stdout.split()
    assert sorted(map(int, numbers)) == sorted(served.runs)
