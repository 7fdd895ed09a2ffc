"""The GraphQL API of one repository, as far as `gh` asks it: https://docs.github.com/graphql."""

import re
from collections.abc import Mapping
from typing import Any

from tests.workflows import graphql
from tests.workflows.repository import Issue, RefusedError, Repository, found

NEEDED = {
    "issues": "issues:read",
    "issue": "issues:read",
    "labels": "issues:read|pull-requests:read",
    "pullRequests": "pull-requests:read",
    "pullRequest": "pull-requests:read",
    "createIssue": "issues:write",
    "addComment": "issues:write|pull-requests:write",
    "addLabelsToLabelable": "issues:write|pull-requests:write",
    "createPullRequest": "pull-requests:write",
}
"""What a selected field needs of the token."""


def answer_graphql(github: Repository, body: Any, job: str) -> dict[str, Any]:
    """The answer to one GraphQL request; what is refused stands under `errors`, with status 200, as at GitHub."""
    try:
        operation = graphql.parse(body.get("query", ""), body.get("variables") or {})
        for name in operation.top_fields():
            github.check_permission(job, NEEDED.get(name, ""))
        return {"data": graphql.project(operation, _root(github, job))}
    except graphql.GraphQLError as error:
        return {"data": None, "errors": [{"type": error.kind, "message": str(error)}]}
    except RefusedError as error:
        messages = [one.get("message", "") for one in error.body.get("errors", ())]
        kind = "FORBIDDEN" if error.status == 403 else "UNPROCESSABLE"
        return {"data": None, "errors": [{"type": kind, "message": "; ".join(filter(None, messages)) or str(error)}]}


def _root(github: Repository, job: str) -> dict[str, Any]:
    def repository(owner: str, name: str, **_: Any) -> dict[str, Any]:
        if f"{owner}/{name}" != github.repository:
            message = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise graphql.GraphQLError(message, "NOT_FOUND")
        return _repository_node(github)

    def search(query: str, **_: Any) -> dict[str, Any]:
        return _connection([_issue_node(github, one) for one in _search(github, query)], "issueCount")

    def create_issue(input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002  (GraphQL's name)
        labels = [number.removeprefix("LA_") for number in input.get("labelIds") or ()]
        issue = github.add_issue(input["title"], body=input.get("body") or "", labels=labels)
        return {"issue": _issue_node(github, issue)}

    def add_comment(input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        subject = found(github.issues | github.pulls, input["subjectId"].partition("_")[2])
        subject.comments.append(input["body"])
        link = f"https://github.com/{github.repository}/issues/{subject.number}#issuecomment-{len(subject.comments)}"
        return {"commentEdge": {"node": {"url": link}}}

    def add_labels(input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        subject = found(github.issues | github.pulls, input["labelableId"].partition("_")[2])
        subject.labels += [number.removeprefix("LA_") for number in input["labelIds"]]
        return {"__typename": "AddLabelsToLabelablePayload", "clientMutationId": None}

    def update_pull(input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        pull = found(github.pulls, input["pullRequestId"].partition("_")[2])
        pull.labels += [number.removeprefix("LA_") for number in input.get("labelIds") or ()]
        return {"__typename": "UpdatePullRequestPayload", "clientMutationId": None}

    def create_pull(input: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        about = {"head": input["headRefName"], "base": input["baseRefName"], **input}
        return {"pullRequest": _issue_node(github, github.open_pull(about, job))}

    return {
        "__typename": "Query",
        "repository": repository,
        "search": search,
        "viewer": {"__typename": "User", "login": "github-actions[bot]", "id": "U_1"},
        "createIssue": create_issue,
        "addComment": add_comment,
        "addLabelsToLabelable": add_labels,
        "createPullRequest": create_pull,
        "updatePullRequest": update_pull,
    }


def _repository_node(github: Repository) -> dict[str, Any]:
    owner, _, name = github.repository.partition("/")

    def issues(states: Any = None, **_: Any) -> dict[str, Any]:
        return _connection([_issue_node(github, one) for one in _in_states(github.issues, states)])

    def pulls(states: Any = None, headRefName: str | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803
        found = [one for one in _in_states(github.pulls, states) if headRefName in (None, one.head)]
        return _connection([_issue_node(github, one) for one in found])

    def issue(number: int, **_: Any) -> dict[str, Any]:
        known = github.issues | github.pulls
        if number not in known:
            message = f"Could not resolve to an issue or pull request with the number of {number}."
            raise graphql.GraphQLError(message, "NOT_FOUND")
        return _issue_node(github, known[number])

    def labels(query: str | None = None, **_: Any) -> dict[str, Any]:
        return _connection([_label_node(github, one) for one in github.labels if (query or "").lower() in one.lower()])

    def label(name: str) -> dict[str, Any] | None:
        return _label_node(github, name) if name in github.labels else None

    return {
        "__typename": "Repository",
        "id": "R_1",
        "label": label,
        "name": name,
        "nameWithOwner": github.repository,
        "owner": {"__typename": "Organization", "id": "O_1", "login": owner},
        "url": f"https://github.com/{github.repository}",
        "description": "",
        "isPrivate": True,
        "hasIssuesEnabled": True,
        "hasWikiEnabled": True,
        "viewerPermission": "WRITE",
        "defaultBranchRef": {"__typename": "Ref", "name": github.default_branch},
        "parent": None,
        "mergeCommitAllowed": True,
        "rebaseMergeAllowed": True,
        "squashMergeAllowed": True,
        "issues": issues,
        "pullRequests": pulls,
        "issue": issue,
        "issueOrPullRequest": issue,
        "pullRequest": issue,
        "labels": labels,
    }


def _search(github: Repository, query: str) -> list[Issue]:
    """The search terms that gh writes: repo, is, state, type, label; other words are looked for in title and body."""
    terms = re.findall(r'(?:[\w-]+:)?(?:"[^"]*"|\S+)', query)
    found = sorted((*github.issues.values(), *github.pulls.values()), key=lambda one: -one.number)
    for term in terms:
        name, colon, value = term.partition(":")
        value = value.strip('"')
        if not colon:
            text = term.strip('"').lower()
            found = [one for one in found if text in f"{one.title} {one.body}".lower()]
        elif value in ("issue", "pr"):
            found = [one for one in found if bool(one.head) == (value == "pr")]
        elif name in ("is", "state"):
            found = [one for one in found if one.state == value]
        elif name == "label":
            found = [one for one in found if value in one.labels]
        elif name == "head":
            found = [one for one in found if one.head == value]
        elif name == "in":
            continue
        elif name != "repo" or value != github.repository:
            raise graphql.GraphQLError(f"the fake does not know the search term {term}")
    return found


def _in_states(known: Mapping[int, Issue], states: Any) -> list[Issue]:
    wanted = {str(one).lower() for one in ([states] if isinstance(states, str) else states or ["OPEN", "CLOSED"])}
    return [one for one in sorted(known.values(), key=lambda one: -one.number) if one.state in wanted]


def _issue_node(github: Repository, issue: Issue) -> dict[str, Any]:
    kind, prefix, path = ("PullRequest", "PR", "pull") if issue.head else ("Issue", "I", "issues")
    author = {"__typename": "Bot", "login": "github-actions[bot]", "id": "B_1", "name": "github-actions"}
    return {
        "__typename": kind,
        "id": f"{prefix}_{issue.number}",
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state.upper(),
        "url": f"https://github.com/{github.repository}/{path}/{issue.number}",
        "createdAt": issue.created_at,
        "updatedAt": issue.created_at,
        "closedAt": None,
        "closed": issue.state == "closed",
        "author": author,
        "labels": lambda **_: _connection([_label_node(github, one) for one in issue.labels]),
        "comments": lambda **_: _connection(
            [{"__typename": "IssueComment", "body": body, "author": author} for body in issue.comments]
        ),
        "assignees": lambda **_: _connection([]),
        "headRefName": issue.head,
        "baseRefName": issue.base,
        "isDraft": issue.draft,
        "isCrossRepository": False,
        "headRepositoryOwner": {
            "__typename": "Organization",
            "id": "O_1",
            "login": github.repository.partition("/")[0],
            "name": "",
        },
        "headRepository": {"__typename": "Repository", "id": "R_1", "name": github.repository.partition("/")[2]},
        "mergedAt": None,
        "maintainerCanModify": False,
    }


def _label_node(github: Repository, name: str) -> dict[str, Any]:
    return {"__typename": "Label", "id": f"LA_{name}", "name": name, **github.labels.get(name, {})}


def _connection(nodes: list[dict[str, Any]], count: str = "totalCount") -> dict[str, Any]:
    end = {"hasNextPage": False, "endCursor": None, "hasPreviousPage": False, "startCursor": None}
    return {count: len(nodes), "nodes": nodes, "edges": [{"node": node} for node in nodes], "pageInfo": end}
