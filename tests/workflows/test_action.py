"""The composite action, used as another team's repository would use it."""

from pathlib import Path

import pytest

from tests.workflows.fake_github import FakeGitHub
from tests.workflows.runner import bare_origin, commit_checkout, run_workflow

pytestmark = pytest.mark.workflow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WORKFLOW = f"""
name: watch
on: workflow_dispatch
permissions: {{}}
jobs:
  watch:
    runs-on: ubuntu-latest
    permissions: {{contents: read}}
    outputs:
      status: ${{{{ steps.sentinel.outputs.status }}}}
      action: ${{{{ steps.sentinel.outputs.action }}}}
      drift_score: ${{{{ steps.sentinel.outputs.drift-score }}}}
      causes: ${{{{ steps.sentinel.outputs.causes }}}}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
      - uses: acme/sentinel-edge/.github/actions/sentinel@{COMMIT} # v0.1.0
        id: sentinel
        with:
          incoming: footage
          baseline: camera.npz
          threshold: ${{{{ vars.THRESHOLD }}}}
          image: ${{{{ vars.SENTINEL_IMAGE }}}}
"""


@pytest.fixture
def team(working_tree: Path, image: str, tmp_path: Path) -> FakeGitHub:
    """Another team's repository: its footage, its baseline, one workflow."""
    checkout = tmp_path / "checkout"
    for name, content in {
        ".github/workflows/watch.yml": WORKFLOW.encode(),
        "camera.npz": (working_tree / "baseline/golden.npz").read_bytes(),
        "footage/today.mp4": (working_tree / "tests/data/campus-incoming.mp4").read_bytes(),
    }.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes(content)
    commit_checkout(checkout)
    github = FakeGitHub(checkout, tmp_path / "github", repository="acme/gate", git=bare_origin(checkout))
    github.variables["SENTINEL_IMAGE"] = image
    return github


@pytest.mark.parametrize(("threshold", "status", "action"), [("", "PASS", "none"), ("0.05", "FAIL", "repair")])
def test_another_repository_uses_the_action(
    team: FakeGitHub, working_tree: Path, threshold: str, status: str, action: str
) -> None:
    with team as github:
        actions = {f"acme/sentinel-edge@{COMMIT}": working_tree}
        result = run_workflow("watch.yml", github, variables={"THRESHOLD": threshold}, actions=actions)
    assert not result.failed(), result.log
    found = result.outputs["watch"]
    assert found["status"] == status
    assert 0 < float(found["drift_score"]) < 1
    assert result.summary
    assert github.requests == []  # it asks GitHub for nothing unless it is told which workflow retrains
