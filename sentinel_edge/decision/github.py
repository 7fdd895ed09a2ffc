"""What `gh` says is under way, read from the JSON it prints: runs of the retraining workflow, open calls for repair."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sentinel_edge.decision.decision import Retraining
from sentinel_edge.errors import SentinelError
from sentinel_edge.storage.documents import DocumentError, Text, read_document

RUNS_COMMAND = "gh run list --workflow retrain.yml --limit 100 --json databaseId,status,createdAt"
PROPOSALS_COMMAND = "gh pr list --state open --limit 100 --json number,headRefName"
PROPOSAL_BRANCH = "sentinel/retrain-"
ISSUES_COMMAND = "gh issue list --label sentinel-repair --state open --limit 100 --json number,title"
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class _Run:
    databaseId: int  # noqa: N815  (what `gh` calls it, as all that follow)
    status: Text
    createdAt: datetime  # noqa: N815


@dataclass(frozen=True, slots=True)
class _Proposal:
    number: int
    headRefName: str  # noqa: N815


@dataclass(frozen=True, slots=True)
class _Issue:
    number: int
    title: str


def read_retrainings(path: Path) -> tuple[Retraining, ...]:
    """Runs of the retraining workflow, as `RUNS_COMMAND` lists them.

    Every status but `completed` is under way: also `waiting`, a run that waits for somebody's approval.

    Raises:
        SentinelError: The file is not such a list. What is under way is then unknown, and nothing may be called for.
    """
    return tuple(
        Retraining(f"run {run.databaseId}", _moment(run.createdAt), run.status == "completed")
        for run in _read(path, tuple[_Run, ...], RUNS_COMMAND)
    )


def read_proposals(path: Path) -> tuple[str, ...]:
    """Open pull requests that a retraining made, as `PROPOSALS_COMMAND` lists them among others.

    Raises:
        SentinelError: The file is not such a list.
    """
    listed = _read(path, tuple[_Proposal, ...], PROPOSALS_COMMAND)
    return tuple(f"pull request #{one.number}" for one in listed if one.headRefName.startswith(PROPOSAL_BRANCH))


def read_repairs(path: Path) -> dict[str, str]:
    """Open calls for repair by title, as `ISSUES_COMMAND` lists them.

    Raises:
        SentinelError: The file is not such a list.
    """
    return {issue.title: f"issue #{issue.number}" for issue in _read(path, tuple[_Issue, ...], ISSUES_COMMAND)}


def _read(path: Path, kind: type[Kind], command: str) -> Kind:
    try:
        return read_document(path, kind, exact=False)  # `gh` may tell more
    except OSError as error:
        raise SentinelError(f"cannot read {path}: {error.strerror}; expected the output of `{command}`") from error
    except DocumentError as error:
        raise SentinelError(f"{path} {error}; expected the output of `{command}`") from error


def _moment(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
