"""What `gh` says is under way, read from the JSON it prints: runs of the retraining workflow, open calls for repair."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sentinel_edge.decision.decision import Retraining
from sentinel_edge.errors import SentinelError
from sentinel_edge.storage.documents import DocumentError, read_document
from sentinel_edge.storage.schema import Schema, require_valid

RUNS_COMMAND = "gh run list --workflow retrain.yml --limit 100 --json databaseId,status,createdAt"
PROPOSALS_COMMAND = "gh pr list --state open --limit 100 --json number,headRefName"
PROPOSAL_BRANCH = "sentinel/retrain-"
ISSUES_COMMAND = "gh issue list --label sentinel-repair --state open --limit 100 --json number,title"
_RUNS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["databaseId", "status", "createdAt"],
        "properties": {
            "databaseId": {"type": "integer"},
            "status": {"type": "string", "minLength": 1},
            "createdAt": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"},
        },
    },
}
_PROPOSALS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["number", "headRefName"],
        "properties": {"number": {"type": "integer"}, "headRefName": {"type": "string"}},
    },
}
_ISSUES: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["number", "title"],
        "properties": {"number": {"type": "integer"}, "title": {"type": "string"}},
    },
}


def read_retrainings(path: Path) -> tuple[Retraining, ...]:
    """Runs of the retraining workflow, as `RUNS_COMMAND` lists them.

    Every status but `completed` is under way: also `waiting`, a run that waits for somebody's approval.

    Raises:
        SentinelError: The file is not such a list. What is under way is then unknown, and nothing may be called for.
    """
    try:
        return tuple(
            Retraining(f"run {run['databaseId']}", _moment(run["createdAt"]), run["status"] == "completed")
            for run in _read(path, _RUNS, RUNS_COMMAND)
        )
    except ValueError as error:
        raise SentinelError(
            f"{path} holds a time that is none: {error}; expected the output of `{RUNS_COMMAND}`"
        ) from error


def read_proposals(path: Path) -> tuple[str, ...]:
    """Open pull requests that a retraining made, as `PROPOSALS_COMMAND` lists them among others.

    Raises:
        SentinelError: The file is not such a list.
    """
    listed = _read(path, _PROPOSALS, PROPOSALS_COMMAND)
    return tuple(f"pull request #{one['number']}" for one in listed if one["headRefName"].startswith(PROPOSAL_BRANCH))


def read_repairs(path: Path) -> dict[str, str]:
    """Open calls for repair by title, as `ISSUES_COMMAND` lists them.

    Raises:
        SentinelError: The file is not such a list.
    """
    return {issue["title"]: f"issue #{issue['number']}" for issue in _read(path, _ISSUES, ISSUES_COMMAND)}


def _read(path: Path, schema: Schema, command: str) -> Any:
    try:
        document = read_document(path)
        require_valid(document, schema)
    except OSError as error:
        raise SentinelError(f"cannot read {path}: {error.strerror}; expected the output of `{command}`") from error
    except DocumentError as error:
        raise SentinelError(f"{path} {error}; expected the output of `{command}`") from error
    return document


def _moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
