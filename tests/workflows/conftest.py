"""What the tests of workflows share: the image, a copy of the working tree, and a GitHub of their own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.heal import half_rate
from tests.command import ROOT, do_without
from tests.conftest import INCOMING
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.runner import bare_origin, copy_checkout, find_tools

UNTRUSTED: list[tuple[dict[str, str], str]] = [
    ({"event": "pull_request"}, "pull request"),
    ({"event": "pull_request_target"}, "pull request"),
    ({"event": "issue_comment"}, "issue_comment"),
    ({"branch": "somebody/try"}, "another branch"),
    ({"fork": "stranger/camera"}, "another repository"),
]
"""What a run may be that is not to be believed, and what is said of it."""
REPLAY = "cp /other/status /other/verdict.json /app/status_output/"
"""What a check of `OtherImage` does that leaves recorded files."""


@pytest.fixture(scope="session")
def image() -> str:
    """The container image that judges, and whatever else a workflow needs to run here."""
    find_tools()
    name = os.environ.get("SENTINEL_IMAGE")
    if not name:
        do_without("SENTINEL_IMAGE names no image; `make test-workflows` builds one and sets it")
    return name


@pytest.fixture(scope="session")
def working_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the working tree as it is."""
    return copy_checkout(ROOT, tmp_path_factory.mktemp("tree") / "checkout")


@pytest.fixture
def github(image: str, working_tree: Path, tmp_path: Path) -> Iterator[FakeGitHub]:
    """A GitHub that has this repository, whose monitor judges with the image under test."""
    checkout = tmp_path / "checkout"
    shutil.copytree(working_tree, checkout)
    shutil.copytree(bare_origin(working_tree), bare_origin(checkout))
    with FakeGitHub(checkout, tmp_path / "github", git=bare_origin(checkout)) as served:
        served.variables |= {"SENTINEL_IMAGE": image, "SENTINEL_BASELINE": "baseline/golden.npz"}
        yield served


@dataclass(frozen=True, slots=True)
class OtherImage:
    """Makes images in which one command, `check`, is a shell script of ours; others are real.

    Attributes:
        image: what they are made from.
        folder: for their contexts.
        made: their names, to be removed at the end.
    """

    image: str
    folder: Path
    made: list[str]

    def __call__(
        self, name: str, script: str, files: Mapping[str, bytes] | None = None, *, command: str = "check"
    ) -> str:
        """An image of this name, with these files in /other; made once."""
        tag = f"sentinel-test-{name}"
        if tag in self.made:
            return tag
        (self.folder / name / "other").mkdir(parents=True)
        entry = f'if [ "$1" != {command} ]; then exec sentinel-edge "$@"; fi\n{script}\n'
        for file, content in {"entry.sh": entry.encode(), **(files or {})}.items():
            (self.folder / name / "other" / file).write_bytes(content)
        dockerfile = f'FROM {self.image}\nCOPY other /other\nENTRYPOINT ["sh", "/other/entry.sh"]\n'
        (self.folder / name / "Dockerfile").write_text(dockerfile)
        docker("build", "--quiet", "--tag", tag, str(self.folder / name))
        self.made.append(tag)
        return tag


@pytest.fixture(scope="session")
def other_image(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherImage]:
    """Makes images whose `check` misbehaves, and removes them at the end."""
    made: list[str] = []
    yield OtherImage(image, tmp_path_factory.mktemp("images"), made)
    for tag in made:
        docker("image", "rm", "--force", tag)


@pytest.fixture(scope="session")
def damaged(image: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The sample camera's footage, damaged in one way; made once, with the image itself."""
    folder = tmp_path_factory.mktemp("damaged")
    known: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in known:
            (folder / kind).mkdir()
            in_container(
                image,
                *("sabotage", "--source", "/app/incoming_data/footage.mp4", "--kind", kind, "--severity", "4"),
                *("--output", "/app/status_output/damaged"),
                volumes={INCOMING: "/app/incoming_data/footage.mp4:ro", folder / kind: "/app/status_output"},
            )
            known[kind] = folder / kind / "damaged"
        return known[kind]

    return make


@pytest.fixture(scope="session")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample camera's footage at half its rate: sound pictures, but harder work for the watched model."""
    return half_rate(INCOMING, tmp_path_factory.mktemp("slowed") / "slowed.avi")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What real checks left in their output folders, by file name: one that passed, one that can be learned."""

    passed: Mapping[str, bytes]
    failed: Mapping[str, bytes]


@pytest.fixture(scope="session")
def recorded(image: str, slowed: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A check each of the sample camera's footage, as it is and at half its rate."""

    def check(footage: Path, name: str, expected: int) -> dict[str, bytes]:
        output = tmp_path_factory.mktemp(name)
        volumes = {footage: f"/app/incoming_data/{footage.name}:ro", output: "/app/status_output"}
        baseline = ("--baseline", "/app/baseline/golden.npz")
        in_container(image, "check", *baseline, volumes=volumes, expected=expected)
        return {file: (output / file).read_bytes() for file in ("status", "verdict.json")}

    return Recorded(check(INCOMING, "passed", 0), check(slowed, "failed", 3))


@pytest.fixture(scope="session")
def drifted_image(other_image: OtherImage, recorded: Recorded) -> str:
    """An image whose check is always the same real FAIL, one that can be learned, found in no time."""
    return other_image("drifted", f"{REPLAY}; exit 3", recorded.failed)


def in_container(image: str, *arguments: str, volumes: Mapping[Path, str], expected: int = 0) -> None:
    """Run the image as the user who runs the tests."""
    mounts = [part for path, target in volumes.items() for part in ("--volume", f"{path}:{target}")]
    identity = ("--user", f"{os.getuid()}:{os.getgid()}")
    docker("run", "--rm", "--network", "none", *identity, *mounts, image, *arguments, expected=expected)


def docker(*arguments: str, expected: int = 0) -> None:
    """Run one docker command."""
    run = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True, timeout=300)
    assert run.returncode == expected, run.stderr
