"""The REST API of one repository, as far as the workflows and `gh` ask it: https://docs.github.com/rest."""

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.workflows.repository import Issue, RefusedError, Repository, Run, found

API = "https://api.github.com"
ARCHIVES = "https://archives.github.localhost"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way to a route: the server, the path's parts, the query, the body, and who asks."""

    github: Repository
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: Any
    job: str


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path below /repos/OWNER/NAME, the permission it needs, and what answers."""

    method: str
    path: re.Pattern[str]
    permission: str
    answer: Callable[[Call], Any]


ROUTES: list[Route] = []


def route(method: str, path: str, permission: str = "") -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """Register what answers a method and path; `permission` is scope:level, several with |, any of which will do."""

    def register(answer: Callable[[Call], Any]) -> Callable[[Call], Any]:
        ROUTES.append(Route(method, re.compile(path), permission, answer))
        return answer

    return register


@dataclass(frozen=True, slots=True)
class Created:
    """Answered with 201."""

    body: Any


@dataclass(frozen=True, slots=True)
class Moved:
    """Answered with 302."""

    location: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that is cut into pages; `key` names it in an object with `total_count`, or it stands alone."""

    items: list[Any]
    key: str = ""


@route("GET", "")
def _repository(call: Call) -> Any:
    return {
        "full_name": call.github.repository,
        "name": call.github.repository.partition("/")[2],
        "default_branch": call.github.default_branch,
        "private": True,
    }


@route("GET", "/actions/workflows", "actions:read")
def _workflows(call: Call) -> Any:
    return Listed([_workflow_json(call.github, name) for name in call.github.workflow_files()], "workflows")


@route("GET", "/actions/workflows/([^/]+)", "actions:read")
def _workflow(call: Call) -> Any:
    return _workflow_json(call.github, call.github.find_workflow(call.parts[0]))


@route("POST", "/actions/workflows/([^/]+)/dispatches", "actions:write")
def _dispatch(call: Call) -> Any:
    call.github.dispatch(call.github.find_workflow(call.parts[0]), call.body)


@route("GET", "/actions/workflows/([^/]+)/runs", "actions:read")
def _runs_of_workflow(call: Call) -> Any:
    return Listed(_runs(call, call.github.find_workflow(call.parts[0])), "workflow_runs")


@route("GET", "/actions/runs", "actions:read")
def _all_runs(call: Call) -> Any:
    return Listed(_runs(call, None), "workflow_runs")


@route("GET", r"/actions/runs/(\d+)", "actions:read")
def _run(call: Call) -> Any:
    return _run_json(call.github, found(call.github.runs, call.parts[0]))


@route("GET", r"/actions/runs/(\d+)/artifacts", "actions:read")
def _artifacts_of_run(call: Call) -> Any:
    found(call.github.runs, call.parts[0])
    return Listed(_artifacts(call, int(call.parts[0])), "artifacts")


@route("GET", "/actions/artifacts", "actions:read")
def _all_artifacts(call: Call) -> Any:
    return Listed(_artifacts(call, None), "artifacts")


@route("GET", r"/actions/artifacts/(\d+)/zip", "actions:read")
def _archive(call: Call) -> Any:
    found({one.id: one for one in call.github.artifacts.artifacts()}, call.parts[0])
    return Moved(f"{ARCHIVES}/{call.parts[0]}.zip")


@route("GET", "/actions/variables(?:/([^/]+))?", "variables:read")
def _variables(call: Call) -> Any:
    known = {name: {"name": name, "value": value} for name, value in call.github.variables.items()}
    if not call.parts[0]:
        return Listed(list(known.values()), "variables")
    if call.parts[0] not in known:
        raise RefusedError(404, "Not Found")
    return known[call.parts[0]]


@route("GET", "/(?:git/ref/heads|branches)/(.+)", "contents:read")
def _branch(call: Call) -> Any:
    if not call.github.has_ref(call.parts[0]):
        raise RefusedError(404, "Not Found")
    return {"name": call.parts[0], "ref": f"refs/heads/{call.parts[0]}", "commit": {"sha": "0" * 40}}


@route("GET", "/environments/([^/]+)", "actions:read")
def _environment(call: Call) -> Any:
    if call.parts[0] not in call.github.reviewers:
        raise RefusedError(404, "Not Found")
    named = [{"type": "User", "reviewer": {"login": login}} for login in call.github.reviewers[call.parts[0]]]
    rules = [{"type": "required_reviewers", "reviewers": named}] if named else []
    return {"name": call.parts[0], "protection_rules": [{"type": "branch_policy"}, *rules]}


@route("GET", "/issues", "issues:read")
def _issues(call: Call) -> Any:
    wanted = set(filter(None, call.query.get("labels", "").split(",")))
    state = call.query.get("state", "open")
    issues = [one for one in call.github.issues.values() if wanted <= set(one.labels) and state in (one.state, "all")]
    return Listed([_issue_json(call.github, one) for one in sorted(issues, key=lambda one: -one.number)])


@route("POST", "/issues", "issues:write")
def _open_issue(call: Call) -> Any:
    about = call.body
    issue = call.github.add_issue(about["title"], body=about.get("body") or "", labels=list(about.get("labels") or ()))
    return Created(_issue_json(call.github, issue))


@route("GET", r"/issues/(\d+)", "issues:read")
def _issue(call: Call) -> Any:
    return _issue_json(call.github, found(call.github.issues | call.github.pulls, call.parts[0]))


@route("PATCH", r"/issues/(\d+)", "issues:write")
def _change_issue(call: Call) -> Any:
    issue = found(call.github.issues | call.github.pulls, call.parts[0])
    for name in ("title", "body", "state", "labels"):
        if name in call.body:
            setattr(issue, name, call.body[name])
    return _issue_json(call.github, issue)


@route("GET", r"/issues/(\d+)/comments", "issues:read")
def _comments(call: Call) -> Any:
    return Listed([{"body": body} for body in found(call.github.issues | call.github.pulls, call.parts[0]).comments])


@route("POST", r"/issues/(\d+)/comments", "issues:write|pull-requests:write")
def _comment(call: Call) -> Any:
    found(call.github.issues | call.github.pulls, call.parts[0]).comments.append(call.body["body"])
    return Created({"html_url": f"https://github.com/{call.github.repository}/issues/{call.parts[0]}#issuecomment-1"})


@route("POST", r"/issues/(\d+)/labels", "issues:write|pull-requests:write")
def _label_issue(call: Call) -> Any:
    issue = found(call.github.issues | call.github.pulls, call.parts[0])
    issue.labels += [name for name in call.body["labels"] if name not in issue.labels]
    return [{"name": name} for name in issue.labels]


@route("GET", "/labels", "issues:read|pull-requests:read")
def _labels(call: Call) -> Any:
    return Listed([{"name": name, **about} for name, about in call.github.labels.items()])


@route("POST", "/labels", "issues:write|pull-requests:write")
def _create_label(call: Call) -> Any:
    name = call.body["name"]
    if name.casefold() in {known.casefold() for known in call.github.labels}:
        raise RefusedError(
            422, "Validation Failed", errors=[{"resource": "Label", "code": "already_exists", "field": "name"}]
        )
    call.github.labels[name] = {"color": call.body.get("color", ""), "description": call.body.get("description") or ""}
    return Created({"name": name, **call.github.labels[name]})


@route("PATCH", "/labels/(.+)", "issues:write|pull-requests:write")
def _change_label(call: Call) -> Any:
    if call.parts[0] not in call.github.labels:
        raise RefusedError(404, "Not Found")
    call.github.labels[call.parts[0]] |= {
        name: call.body[name] for name in ("color", "description") if name in call.body
    }
    return {"name": call.parts[0], **call.github.labels[call.parts[0]]}


@route("GET", "/pulls", "pull-requests:read")
def _pulls(call: Call) -> Any:
    state, head = call.query.get("state", "open"), call.query.get("head", "").rpartition(":")[2]
    pulls = [one for one in call.github.pulls.values() if state in (one.state, "all") and head in ("", one.head)]
    return Listed([_issue_json(call.github, one) for one in sorted(pulls, key=lambda one: -one.number)])


@route("POST", "/pulls", "pull-requests:write")
def _open_pull(call: Call) -> Any:
    return Created(_issue_json(call.github, call.github.open_pull(call.body, call.job)))


@route("GET", r"/pulls/(\d+)", "pull-requests:read")
def _pull(call: Call) -> Any:
    return _issue_json(call.github, found(call.github.pulls, call.parts[0]))


def _runs(call: Call, workflow: str | None) -> list[Any]:
    wanted = call.query
    runs = [
        one
        for one in sorted(call.github.runs.values(), key=lambda one: (one.created_at, one.id), reverse=True)
        if workflow in (None, one.workflow)
        and wanted.get("status", one.status) in (one.status, one.conclusion)
        and wanted.get("branch", one.branch) == one.branch
        and wanted.get("event", one.event) == one.event
        and _in_range(one.created_at, wanted.get("created", ""))
    ]
    return [_run_json(call.github, one) for one in runs]


def _in_range(moment: str, wanted: str) -> bool:
    """GitHub's date search for what the workflows may ask: `>=DATE`, `>DATE`, `<=DATE`, `<DATE`, `DATE..DATE`."""
    if not wanted:
        return True
    first, separator, last = wanted.partition("..")
    if separator:
        return (first == "*" or moment >= first) and (last == "*" or moment[: len(last)] <= last)
    comparison, date = re.fullmatch(r"([<>]?=?)(.*)", wanted).groups()  # type: ignore[union-attr]
    seen = moment[: len(date)]
    return {">=": seen >= date, ">": seen > date, "<=": seen <= date, "<": seen < date, "": seen == date}[comparison]


def _artifacts(call: Call, run_id: int | None) -> list[Any]:
    return [
        {
            "id": one.id,
            "name": one.name,
            "size_in_bytes": sum((one.files / name).stat().st_size for name in one.names()),
            "archive_download_url": f"{API}/repos/{call.github.repository}/actions/artifacts/{one.id}/zip",
            "expired": False,
            "created_at": one.created_at,
            "workflow_run": {
                "id": one.run_id,
                "head_branch": run.branch if (run := call.github.runs.get(one.run_id)) else "main",
            },
        }
        for one in call.github.artifacts.artifacts(run_id, call.query.get("name"))
    ]


def _workflow_json(github: Repository, name: str) -> dict[str, Any]:
    number = github.workflow_files().index(name) + 1
    title = github.document(name).get("name", name)
    return {
        "id": number,
        "node_id": f"W_{number}",
        "name": title,
        "path": f".github/workflows/{name}",
        "state": "active",
    }


def _run_json(github: Repository, run: Run) -> dict[str, Any]:
    workflow = _workflow_json(github, run.workflow)
    return {
        "id": run.id,
        "name": workflow["name"],
        "display_title": run.title or workflow["name"],
        "path": workflow["path"],
        "workflow_id": workflow["id"],
        "event": run.event,
        "status": run.status,
        "conclusion": run.conclusion,
        "head_branch": run.branch,
        "head_sha": "0" * 40,
        "head_commit": {"id": "0" * 40, "message": run.title or workflow["name"]},
        "head_repository": {
            "full_name": run.fork or github.repository,
            "name": (run.fork or github.repository).partition("/")[2],
            "owner": {"login": (run.fork or github.repository).partition("/")[0]},
        },
        "run_number": run.id,
        "run_attempt": 1,
        "attempt": 1,
        "created_at": run.created_at,
        "updated_at": run.created_at,
        "run_started_at": run.created_at,
        "html_url": f"https://github.com/{github.repository}/actions/runs/{run.id}",
        "url": f"{API}/repos/{github.repository}/actions/runs/{run.id}",
        "jobs_url": f"{API}/repos/{github.repository}/actions/runs/{run.id}/jobs",
    }


def _issue_json(github: Repository, issue: Issue) -> dict[str, Any]:
    kind = "pull" if issue.head else "issues"
    about: dict[str, Any] = {
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
        "labels": [{"name": name} for name in issue.labels],
        "comments": len(issue.comments),
        "created_at": issue.created_at,
        "html_url": f"https://github.com/{github.repository}/{kind}/{issue.number}",
    }
    if issue.head:
        about |= {"head": {"ref": issue.head}, "base": {"ref": issue.base}, "draft": issue.draft}
    return about


def answer_rest(method: str, path: str, call: Call) -> Answer:
    """Answer a request; `call` holds everything but the parts of the path.

    Raises:
        RefusedError: GitHub would refuse it.
    """
    base = f"/repos/{call.github.repository}"
    if not path.startswith(base):
        raise RefusedError(404, "Not Found")
    below = urllib.parse.unquote(path.removeprefix(base))
    for one in ROUTES:
        match = one.path.fullmatch(below)
        if match and one.method == method:
            call.github.check_permission(call.job, one.permission)
            answer = one.answer(replace(call, parts=tuple(part or "" for part in match.groups())))
            break
    else:
        raise RefusedError(404, "Not Found")
    match answer:
        case None:
            return Answer(204)
        case Created(body=made):
            return Answer(201, as_json(made))
        case Moved(location=location):
            return Answer(302, headers={"Location": location})
        case Listed():
            return _page(answer, f"{API}{path}", call.query)
    return Answer(200, as_json(answer))


def _page(listed: Listed, address: str, query: Mapping[str, str]) -> Answer:
    size, number = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
    shown = listed.items[(number - 1) * size : number * size]
    headers = {}
    if number * size < len(listed.items):
        following = urllib.parse.urlencode({**query, "page": number + 1})
        headers = {"Link": f'<{address}?{following}>; rel="next"'}
    whole = {"total_count": len(listed.items), listed.key: shown} if listed.key else shown
    return Answer(200, as_json(whole), headers)


def as_json(value: Any) -> bytes:
    """A JSON document as it goes over HTTP."""
    return json.dumps(value).encode()
