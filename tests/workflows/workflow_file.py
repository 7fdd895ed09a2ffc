"""What a workflow file says, read as GitHub reads it: YAML 1.2, where `on` is a word and not a truth value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input of `workflow_dispatch`, a reusable workflow or an action."""

    name: str
    type: str
    required: bool
    default: str | None
    options: tuple[str, ...]

    def refuses(self, value: str) -> str | None:
        """Why GitHub would not take this value; None where it would.

        Numbers are not checked by its API, only by its form: a wrong one reaches the workflow.
        """
        if self.type == "choice" and value not in self.options:
            return f"Provided value '{value}' for input '{self.name}' not in the list of allowed values"
        if self.type == "boolean" and value not in ("true", "false"):
            return f"Provided value '{value}' for input '{self.name}' is not a boolean"
        return None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a job or of a composite action."""

    name: str
    script: str | None
    shell: str | None
    uses: str | None
    document: Mapping[str, Any]


def load(path: Path) -> dict[str, Any]:
    """Parse a workflow or an action file."""
    document = YAML(typ="safe", pure=True).load(path)
    assert isinstance(document, dict), path
    return document


def dispatch_inputs(document: Mapping[str, Any]) -> dict[str, Input] | None:
    """The inputs that `workflow_dispatch` declares, by name; None where the workflow has no such trigger."""
    triggers = document["on"]
    if isinstance(triggers, str):
        triggers = [triggers]
    if "workflow_dispatch" not in triggers:
        return None
    declared = ((triggers["workflow_dispatch"] if isinstance(triggers, dict) else None) or {}).get("inputs") or {}
    return {
        name: Input(
            name,
            (settings or {}).get("type", "string"),
            bool((settings or {}).get("required", False)),
            _as_text((settings or {}).get("default")),
            tuple(str(option) for option in (settings or {}).get("options", ())),
        )
        for name, settings in declared.items()
    }


def permissions(document: Mapping[str, Any], job: str) -> dict[str, str]:
    """What the token of one job may do: read or write by scope; a scope that is not named is none.

    A workflow that names nothing anywhere gets what the repository's setting says; here, as in a new repository, that
    is to read contents and packages.
    """
    named = document["jobs"][job].get("permissions", document.get("permissions", {"contents": "read"}))
    if isinstance(named, str):
        level = named.removesuffix("-all")
        return dict.fromkeys(SCOPES, level)
    return {scope: level for scope, level in named.items() if level != "none"}


SCOPES = (
    *("actions", "attestations", "checks", "contents", "deployments", "id-token", "issues", "packages", "pages"),
    *("pull-requests", "repository-projects", "security-events", "statuses"),
)


def steps(document: Mapping[str, Any]) -> Iterator[Step]:
    """Every step of a workflow, job by job, or of a composite action."""
    lists = [job.get("steps", ()) for job in document.get("jobs", {}).values()]
    lists.append(document.get("runs", {}).get("steps", ()))
    for listed in lists:
        for step in listed:
            name = step.get("name") or step.get("id") or step.get("uses") or str(step.get("run", ""))[:40]
            yield Step(name, step.get("run"), step.get("shell"), step.get("uses"), step)


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
