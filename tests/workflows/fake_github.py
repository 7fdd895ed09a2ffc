"""A GitHub for tests: the part of its API that the workflows use, on a socket that the real `gh` speaks to.

    with FakeGitHub(checkout, folder) as github:
        subprocess.run(["gh", "workflow", "run", "retrain.yml", "--ref", "main"], env=os.environ | github.environment())
        (dispatch,) = github.dispatches

It refuses what GitHub refuses: a token that is not its own, an input that the workflow file does not declare, a ref
that is not there, a field that does not exist, and what a job's `permissions` do not grant. The last it can tell
because a socket knows the process at its other end, and that process's environment names the job (Linux).

`gh` takes the socket from `http_unix_socket` in its configuration and then speaks plain HTTP.
"""

import contextlib
import http.server
import json
import re
import socket
import socketserver
import struct
import tempfile
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.workflows.artifact_store import ArtifactStore
from tests.workflows.graphql_api import answer_graphql
from tests.workflows.repository import RefusedError, Repository
from tests.workflows.rest_api import ARCHIVES, Answer, Call, answer_rest, as_json

TOKEN = "fake-token"  # noqa: S105  (it opens nothing)


@dataclass(frozen=True, slots=True)
class Request:
    """One request and how it was answered.

    Attributes:
        method: GET, POST, ...
        path: without host and query.
        query: the query's parameters.
        body: parsed JSON; None where there was none.
        job: the workflow job whose process asked; empty outside a workflow.
        status: of the answer; 0 where the connection was closed without one.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    job: str
    status: int


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next requests that match.

    Attributes:
        method: of the requests meant.
        path: a regular expression that is found in their path.
        status: the answer's; 0 closes the connection without an answer.
        times: how many requests it meets.
        accepted: the request takes effect before the answer is lost.
        message: of the answer.
    """

    method: str
    path: str
    status: int
    times: int = 1
    accepted: bool = False
    message: str = "Server Error"


class FakeGitHub(Repository):
    """A repository and the server that speaks for it.

    Args:
        checkout: A checkout of the repository; its workflow files say what may be dispatched and what jobs may do.
        folder: Where gh's configuration and the artifacts go.
        repository: owner/name.
        branches: Branches that exist beside those of `git`; the first is the default branch.
        git: A bare repository whose branches and tags exist too.

    Attributes:
        requests: everything asked, in order.
        faults: what goes wrong next; the first that matches counts.
        token: the only one that opens it.
    """

    def __init__(
        self,
        checkout: Path,
        folder: Path,
        *,
        repository: str = "acme/camera",
        branches: tuple[str, ...] = ("main",),
        git: Path | None = None,
    ) -> None:
        super().__init__(checkout, ArtifactStore(folder / "artifacts"), repository, branches, git)
        self.folder = folder
        self.token = TOKEN
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()

    def __enter__(self) -> Self:
        self._short = tempfile.TemporaryDirectory(prefix="github-")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.artifacts.folder.mkdir(exist_ok=True)
        (self.folder / "gh").mkdir(exist_ok=True)
        (self.folder / "gh" / "config.yml").write_text(f"http_unix_socket: {self.socket}\nprompt: disabled\n")
        self._server = _Server(str(self.socket), _Handler)
        self._server.github = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._short.cleanup()

    @property
    def socket(self) -> Path:
        """Where it listens; in a folder of its own, because the path of a socket must be short."""
        return Path(self._short.name) / "socket"

    def environment(self) -> dict[str, str]:
        """What `gh` must find in its environment to speak to this server."""
        return {
            "GH_CONFIG_DIR": str(self.folder / "gh"),
            "GH_TOKEN": self.token,
            "GH_REPO": self.repository,
            "GH_NO_UPDATE_NOTIFIER": "1",
            "GH_PROMPT_DISABLED": "1",
        }

    def fail(self, method: str, path: str, status: int, *, times: int = 1, accepted: bool = False) -> None:
        """Let the next matching requests fail; see `Fault`."""
        self.faults.append(Fault(method, path, status, times, accepted))

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests of a method whose path holds the regular expression."""
        return [one for one in self.requests if one.method == method and re.search(path, one.path)]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    github: FakeGitHub


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def address_string(self) -> str:
        return "local"

    def log_message(self, *_: Any) -> None:
        """Say nothing: `FakeGitHub.requests` is the log."""

    def handle_any(self) -> None:
        """Answer one request and write it down."""
        github = self.server.github
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode("latin1")
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        job = _job_at_the_other_end(self.connection)
        with github.lock:
            fault = self._fault(github, address.path)
            answer = Answer(0)
            if fault is None or fault.accepted:
                answer = self._answer(address.path, Call(github, (), query, body, job))
            if fault is not None and (not fault.accepted or answer.status < 300):
                answer = Answer(fault.status, as_json({"message": fault.message}))
            github.requests.append(Request(self.command, address.path, query, body, job, answer.status))
        if answer.status == 0:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **answer.headers}.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.status != 204:
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815  (names that the base class looks for)

    def _fault(self, github: FakeGitHub, path: str) -> Fault | None:
        for fault in github.faults:
            if fault.times > 0 and fault.method == self.command and re.search(fault.path, path):
                fault.times -= 1
                return fault
        return None

    def _answer(self, path: str, call: Call) -> Answer:
        github = self.server.github
        if self.headers.get("Host") == urllib.parse.urlsplit(ARCHIVES).netloc:  # addresses there are secrets themselves
            (artifact,) = [one for one in github.artifacts.artifacts() if str(one.id) == Path(path).stem]
            return Answer(200, artifact.archive(), {"Content-Type": "application/zip"})
        if self.headers.get("Authorization") not in (f"token {github.token}", f"Bearer {github.token}"):
            return Answer(401, as_json({"message": "Bad credentials"}))
        try:
            if path == "/graphql" and self.command == "POST":
                return Answer(200, as_json(answer_graphql(github, call.body, call.job)))
            return answer_rest(self.command, path, call)
        except RefusedError as error:
            return Answer(error.status, as_json(error.body))


def _job_at_the_other_end(connection: socket.socket) -> str:
    """The workflow job of the process that opened a connection; empty where that cannot be told."""
    if not hasattr(socket, "SO_PEERCRED"):
        return ""
    process, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        environment = Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return ""
    for entry in environment.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name == b"GITHUB_JOB":
            return value.decode()
    return ""
