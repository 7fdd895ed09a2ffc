"""What the linters say of the workflows and the composite actions: nothing. And two rules that no linter knows.

Quick, offline, and run by `make test`; each linter is a program of the development environment.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.command import ROOT, do_without
from tests.workflows import workflow_file
from tests.workflows.runner import find_tool

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.y*ml"))
ACTIONS = sorted(ROOT.glob(".github/actions/**/action.y*ml"))
SCRIPTS = sorted(path for path in ROOT.glob(".github/**/*") if path.suffix in (".sh", ".bash"))
FILES = [*WORKFLOWS, *ACTIONS]
SHELLCHECK = ("--severity", "style", "--shell", "bash")


def test_the_workflows_are_found() -> None:
    assert {path.name for path in WORKFLOWS} >= {"monitor.yml", "retrain.yml", "ci.yml"}
    assert [path.parent.name for path in ACTIONS] == ["sentinel"]


def test_actionlint() -> None:
    lint("actionlint", "-no-color", "-shellcheck", tool("shellcheck"), *WORKFLOWS)


def test_zizmor() -> None:
    lint("zizmor", "--offline", "--no-progress", "--color", "never", "--strict-collection", *FILES)


@pytest.mark.parametrize(
    ("schema", "files"),
    [("github-workflows", WORKFLOWS), ("github-actions", ACTIONS), ("dependabot", [ROOT / ".github/dependabot.yml"])],
    ids=["workflows", "actions", "dependabot"],
)
def test_schema(schema: str, files: list[Path]) -> None:
    lint("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "/" + path.name)
def test_shellcheck_of_every_script_in_yaml(path: Path, tmp_path: Path) -> None:
    """Of composite actions too, which actionlint does not read.

    An expression that GitHub would fill in before the shell starts is a word of no meaning here.
    """
    scripts = []
    for number, step in enumerate(workflow_file.steps(workflow_file.load(path))):
        if step.script is None or (step.shell or "bash").split()[0] not in ("bash", "sh"):
            continue
        script = tmp_path / f"{number:02d} {re.sub(r'[^A-Za-z0-9 ]', '', step.name)[:40]}.sh"
        script.write_text(re.sub(r"\$\{\{.*?\}\}", "expression", step.script))
        scripts.append(script)
    if scripts:
        lint("shellcheck", *SHELLCHECK, *scripts)


@pytest.mark.skipif(not SCRIPTS, reason="there are no scripts beside the workflows")
def test_shellcheck_of_scripts_beside_the_workflows() -> None:
    lint("shellcheck", "--severity", "style", "--external-sources", "--source-path", "SCRIPTDIR", *SCRIPTS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "/" + path.name)
def test_every_action_is_pinned_and_says_its_version(path: Path) -> None:
    """One action has one pin everywhere, so that an update is one change."""
    pins = {}
    for line in path.read_text().splitlines():
        match = re.search(r"\buses:\s*(\S+)(.*)", line)
        if match and not match[1].startswith("./"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", match[1]), line
            assert re.fullmatch(r"\s+# v\d+\.\d+\.\d+", match[2]), line
            pins[match[1].partition("@")[0]] = match[1]
    for other in FILES:
        for action, pin in pins.items():
            for found in re.findall(rf"\buses:\s*({re.escape(action)}@\S+)", other.read_text()):
                assert found == pin, f"{other.name} and {path.name} pin {action} differently"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "/" + path.name)
def test_no_expression_stands_in_a_script(path: Path) -> None:
    """Values reach a script through `env` only, where they cannot become code."""
    for step in workflow_file.steps(workflow_file.load(path)):
        assert "${{" not in (step.script or ""), step.name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_token_may_do_nothing_but_what_a_job_names(path: Path) -> None:
    document = workflow_file.load(path)
    assert document.get("permissions") == {}, "the workflow itself grants something"
    for name, job in document["jobs"].items():
        assert isinstance(job.get("permissions"), dict), f"job {name} names no permissions"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_changes_the_repository_waits_for_a_person(path: Path) -> None:
    for name, job in workflow_file.load(path)["jobs"].items():
        if "write" in (job["permissions"].get("contents"), job["permissions"].get("pull-requests")):
            assert job.get("environment"), f"job {name} writes without the approval of an environment"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "/" + path.name)
def test_who_opens_footage_writes_nothing_that_later_runs_trust(path: Path) -> None:
    """A cache is written only by jobs without footage; the action, which opens it, writes none."""
    document = workflow_file.load(path)
    for name, job in document.get("jobs", {"action": document.get("runs")}).items():
        said = str(job)
        if name == "action" or any(word in said for word in ("actions/sentinel'", "fetch-", "retrain.sh", "excerpt")):
            assert "actions/cache/save@" not in said, name
            assert "actions/cache@" not in said, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_ends(path: Path) -> None:
    """GitHub's own limit is six hours of paid time."""
    for name, job in workflow_file.load(path)["jobs"].items():
        assert job.get("timeout-minutes", 361) <= 120, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_schedule_runs_at_an_odd_minute(path: Path) -> None:
    """Full and half hours are when everyone's schedules run, late or not at all."""
    triggers = workflow_file.load(path)["on"]
    for schedule in triggers.get("schedule", ()) if isinstance(triggers, dict) else ():
        minute = schedule["cron"].split()[0]
        assert minute.isdigit() and int(minute) % 5 != 0, schedule  # noqa: PT018


def tool(name: str) -> str:
    """The path of a linter; the test is skipped, or fails, without it."""
    return find_tool(name) or do_without(f"there is no {name}; `make` installs it")


def lint(name: str, *arguments: str | Path) -> None:
    """Run a linter, which must be content."""
    run = subprocess.run(
        [tool(name), *map(str, arguments)], cwd=ROOT, check=False, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, f"{name}:\n{run.stdout}{run.stderr}"
