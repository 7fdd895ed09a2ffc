"""One repository as GitHub knows it: its state, and what it refuses."""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.workflows import workflow_file
from tests.workflows.artifact_store import ArtifactStore


@dataclass(frozen=True, slots=True)
class Dispatch:
    """An accepted `workflow_dispatch`."""

    workflow: str
    ref: str
    inputs: Mapping[str, str]
    run_id: int


@dataclass(slots=True)
class Run:
    """A workflow run; `conclusion` is None until `status` is completed; `fork` is another repository it came from."""

    id: int
    workflow: str
    event: str = "workflow_dispatch"
    status: str = "completed"
    conclusion: str | None = "success"
    created_at: str = "2026-01-01T00:00:00Z"
    branch: str = "main"
    title: str = ""
    fork: str = ""


@dataclass(slots=True)
class Issue:
    """An issue or, with `head` and `base`, a pull request: GitHub numbers both in one sequence."""

    number: int
    title: str
    body: str
    labels: list[str] = field(default_factory=list)
    state: str = "open"
    comments: list[str] = field(default_factory=list)
    created_at: str = "2026-01-01T00:00:00Z"
    head: str = ""
    base: str = ""
    draft: bool = False


class RefusedError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "documentation_url": "https://docs.github.com/rest", **extra}


class Repository:
    """The state of a repository, free to be changed by a test, and the rules of changing it otherwise.

    Args:
        checkout: A checkout; its workflow files say what may be dispatched and what jobs may do.
        artifacts: The store that artifacts are served from.
        name: owner/name.
        branches: Branches that exist beside those of `git`; the first is the default branch.
        git: A bare repository whose branches and tags exist too.

    Attributes:
        runs, issues, pulls: by number.
        labels: colour and description by name.
        variables: values by name.
        dispatches: accepted dispatches, in order.
        actions_may_open_pulls: the setting of that name; new repositories have it off.
        reviewers: who must approve a job of an environment, by the environment's name.
        running: the workflow file whose jobs ask; empty while none runs.
    """

    def __init__(
        self, checkout: Path, artifacts: ArtifactStore, name: str, branches: tuple[str, ...], git: Path | None
    ) -> None:
        self.checkout = checkout
        self.artifacts = artifacts
        self.repository = name
        self.default_branch = branches[0]
        self.branches = set(branches)
        self.git = git
        self.runs: dict[int, Run] = {}
        self.issues: dict[int, Issue] = {}
        self.pulls: dict[int, Issue] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.variables: dict[str, str] = {}
        self.dispatches: list[Dispatch] = []
        self.actions_may_open_pulls = True
        self.reviewers: dict[str, list[str]] = {"promotion": ["maintainer"]}
        self.running = ""

    def add_run(self, workflow: str, **about: Any) -> Run:
        """Put a run there as if it had happened."""
        run = Run(max(self.runs, default=1000) + 1, workflow, **{"created_at": now(), **about})
        self.runs[run.id] = run
        return run

    def add_issue(self, title: str, **about: Any) -> Issue:
        """Put an issue there as if it had been opened; its labels come to exist."""
        issue = Issue(self._next_number(), title, about.pop("body", ""), created_at=now(), **about)
        self.issues[issue.number] = issue
        for label in issue.labels:
            self.labels.setdefault(label, {"color": "ededed", "description": ""})
        return issue

    def has_ref(self, ref: str) -> bool:
        """Whether a branch or tag of this name exists, short or as refs/..."""
        short = re.sub(r"^refs/(heads|tags)/", "", ref)
        return short in self.branches or short in self._git_refs()

    def _git_refs(self) -> set[str]:
        if self.git is None:
            return set()
        command = ["git", "-C", str(self.git), "for-each-ref", "--format=%(refname:lstrip=2)"]
        return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())

    def _next_number(self) -> int:
        return max([*self.issues, *self.pulls, 0]) + 1

    # -- workflows and runs

    def workflow_files(self) -> list[str]:
        """Names of the workflow files."""
        return sorted(path.name for path in (self.checkout / ".github" / "workflows").glob("*.y*ml"))

    def find_workflow(self, reference: str) -> str:
        """The file of a workflow that is named by file or by number."""
        files = self.workflow_files()
        for number, name in enumerate(files, start=1):
            if reference in (name, str(number)):
                return name
        raise RefusedError(404, "Not Found")

    def dispatch(self, workflow: str, body: Any) -> Dispatch:
        """Accept or refuse a `workflow_dispatch` as GitHub does."""
        declared = workflow_file.dispatch_inputs(self.document(workflow))
        if declared is None:
            raise RefusedError(422, "Workflow does not have 'workflow_dispatch' trigger")
        if not isinstance(body, dict) or not isinstance(body.get("ref"), str):
            raise RefusedError(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
        if not self.has_ref(body["ref"]):
            raise RefusedError(422, f"No ref found for: {body['ref']}")
        inputs = body.get("inputs") or {}
        unexpected = sorted(set(inputs) - set(declared))
        if unexpected:
            raise RefusedError(422, f"Unexpected inputs provided: {json.dumps(unexpected)}")
        if len(inputs) > 25:
            raise RefusedError(422, "you may only define up to 25 `inputs` for a `workflow_dispatch` event")
        if len(json.dumps(inputs)) > 65_535:
            raise RefusedError(422, "inputs are too large.")
        for name, one in declared.items():
            if one.required and one.default is None and not inputs.get(name):
                raise RefusedError(422, f"Required input '{name}' not provided")
            complaint = one.refuses(str(inputs[name])) if name in inputs else None
            if complaint:
                raise RefusedError(422, complaint)
        branch = re.sub(r"^refs/(heads|tags)/", "", body["ref"])
        run = self.add_run(workflow, status="queued", conclusion=None, branch=branch)
        accepted = Dispatch(workflow, body["ref"], {name: str(value) for name, value in inputs.items()}, run.id)
        self.dispatches.append(accepted)
        return accepted

    def granted(self, job: str) -> Mapping[str, str] | None:
        """What the running workflow's job may do; None where nothing restricts it."""
        if not job or not self.running:
            return None
        return workflow_file.permissions(self.document(self.running), job)

    def open_pull(self, about: Mapping[str, Any], job: str) -> Issue:
        """Accept or refuse a pull request as GitHub does."""
        if job and not self.actions_may_open_pulls:
            raise RefusedError(403, "GitHub Actions is not permitted to create or approve pull requests.")
        head = str(about["head"]).rpartition(":")[2]
        if not self.has_ref(head) or not self.has_ref(about["base"]):
            raise RefusedError(422, "Validation Failed", errors=[{"resource": "PullRequest", "field": "head"}])
        if any(one.head == head and one.state == "open" for one in self.pulls.values()):
            message = f"A pull request already exists for {self.repository.partition('/')[0]}:{head}."
            raise RefusedError(422, "Validation Failed", errors=[{"resource": "PullRequest", "message": message}])
        pull = Issue(
            self._next_number(),
            about["title"],
            about.get("body") or "",
            created_at=now(),
            head=head,
            base=about["base"],
            draft=bool(about.get("draft")),
        )
        self.pulls[pull.number] = pull
        return pull

    def document(self, workflow: str) -> dict[str, Any]:
        """A workflow file, parsed."""
        return workflow_file.load(self.checkout / ".github" / "workflows" / workflow)

    def check_permission(self, job: str, needed: str) -> None:
        """Refuse what a job's permissions do not grant; `needed` is scope:level, several with |, any of which will do.

        Raises:
            RefusedError: They do not.
        """
        granted = self.granted(job)
        if granted is None or not needed:
            return
        for option in needed.split("|"):
            scope, _, level = option.partition(":")
            if granted.get(scope) in (level, "write"):
                return
        raise RefusedError(403, "Resource not accessible by integration")


def found(known: Mapping[int, Any], number: str) -> Any:
    """What has this number.

    Raises:
        RefusedError: Nothing has.
    """
    if int(number) not in known:
        raise RefusedError(404, "Not Found")
    return known[int(number)]


def now() -> str:
    """This moment as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
