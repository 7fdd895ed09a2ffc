"""The stand-ins keep to the manners of the actions whose place they take."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workflows.artifact_store import ArtifactStore
from tests.workflows.runner import STAND_INS


@dataclass(frozen=True, slots=True)
class Workspace:
    """A job's folder, and what its steps leave behind."""

    folder: Path

    def write(self, *names: str) -> None:
        """Make files, each holding its name."""
        for name in names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(name)

    def start(
        self, script: str, *arguments: str, settings: Mapping[str, str], run: int = 1
    ) -> tuple[int, dict[str, str], str]:
        """Run a stand-in's script: exit code, outputs, what it printed."""
        output = self.folder.parent / "output"
        output.write_text("")
        environment = {
            "GITHUB_RUN_ID": str(run),
            "GITHUB_REPOSITORY": "acme/camera",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_WORKSPACE": str(self.folder),
            "RUNNER_TEMP": str(self.folder.parent / "temp"),
            "STAND_IN_ARTIFACTS": str(self.folder.parent / "artifacts"),
            "STAND_IN_CACHES": str(self.folder.parent / "caches"),
        }
        done = subprocess.run(
            [sys.executable, str(STAND_INS / "actions" / script), *arguments],
            cwd=self.folder,
            env={**os.environ, **environment, **settings},
            check=False,
            capture_output=True,
            text=True,
        )
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done.returncode, outputs, done.stdout + done.stderr

    def upload(self, path: str, *, run: int = 1, **settings: str) -> tuple[int, set[str] | None, str]:
        """Upload as `kept`: exit code, the names in the artifact, what it printed."""
        defaults = {"NAME": "kept", "IF_NO_FILES_FOUND": "warn", "RETENTION_DAYS": "0", "OVERWRITE": "false"}
        given = {**defaults, "INCLUDE_HIDDEN_FILES": "false", "FILES": path, **settings}
        code, outputs, said = self.start("upload-artifact/upload.py", settings=given, run=run)
        found = ArtifactStore(self.folder.parent / "artifacts").artifacts(run, given["NAME"])
        assert bool(outputs) == (code == 0 and bool(found))
        return code, found[0].names() if found else None, said

    def cache(self, command: str, path: str, key: str, restore_keys: str = "") -> tuple[dict[str, str], str]:
        """Save or restore: outputs, what it printed."""
        settings = {"FILES": path, "KEY": key, "RESTORE_KEYS": restore_keys}
        settings |= {"FAIL_ON_CACHE_MISS": "false", "LOOKUP_ONLY": "false"}
        code, outputs, said = self.start("cache/cache.py", command, settings=settings)
        assert code == 0, said
        return outputs, said


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty one."""
    (tmp_path / "workspace").mkdir()
    return Workspace(tmp_path / "workspace")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("out", {"a.json", "deep/b.json"}),
        ("out/a.json", {"a.json"}),
        ("out\nlog.txt", {"out/a.json", "out/deep/b.json", "log.txt"}),
        ("out/**/*.json", {"a.json", "deep/b.json"}),
        ("out\n!out/deep/**", {"a.json"}),
        ("out\ngone", {"out/a.json", "out/deep/b.json"}),
    ],
)
def test_what_an_artifact_holds(workspace: Workspace, path: str, names: set[str]) -> None:
    workspace.write("out/a.json", "out/deep/b.json", "out/.hidden", "log.txt")
    code, found, _ = workspace.upload(path)
    assert code == 0
    assert found == names


@pytest.mark.parametrize(("manner", "code"), [("warn", 0), ("ignore", 0), ("error", 1)])
def test_an_artifact_of_nothing(workspace: Workspace, manner: str, code: int) -> None:
    ended, found, said = workspace.upload("gone", IF_NO_FILES_FOUND=manner)
    assert (ended, found) == (code, None)
    assert ("No files were found" in said) == (manner != "ignore")


def test_a_name_is_taken_once_in_a_run(workspace: Workspace) -> None:
    workspace.write("a", "b")
    assert workspace.upload("a")[0] == 0
    assert workspace.upload("b")[0] == 1
    assert workspace.upload("b", run=2)[0] == 0
    assert workspace.upload("b", OVERWRITE="true")[1] == {"b"}
    assert workspace.upload("a", NAME="a/b")[0] == 1


def test_only_artifacts_of_the_own_run_are_found_without_a_token(workspace: Workspace) -> None:
    workspace.write("a")
    workspace.upload("a", run=1)
    asked = {"NAME": "kept", "IDS": "", "TARGET": "there", "TOKEN": "", "RUN": "1"}
    assert workspace.start("download-artifact/download.py", settings=asked, run=2)[0] == 1
    assert workspace.start("download-artifact/download.py", settings=asked)[0] == 0
    assert (workspace.folder / "there" / "a").read_text() == "a"


def test_a_key_is_written_once_and_found_by_its_beginning(workspace: Workspace) -> None:
    workspace.write("state/one")
    workspace.cache("save", "state", "history-1")
    workspace.write("state/two")
    workspace.cache("save", "state", "history-2")
    assert "Unable to reserve" in workspace.cache("save", "state", "history-2")[1]

    outputs, _ = workspace.cache("restore", "state", "history-1")
    assert outputs == {"cache-primary-key": "history-1", "cache-hit": "true", "cache-matched-key": "history-1"}
    (workspace.folder / "state" / "two").unlink()
    outputs, _ = workspace.cache("restore", "state", "history-9", "history-")
    assert (outputs["cache-hit"], outputs["cache-matched-key"]) == ("false", "history-2")
    assert (workspace.folder / "state" / "two").exists()

    assert workspace.cache("restore", "state", "other-1")[0] == {"cache-primary-key": "other-1"}
    assert "cache-hit" not in workspace.cache("restore", "./state", "history-1")[0]  # another path is another cache


def test_saving_nothing_is_only_a_warning(workspace: Workspace) -> None:
    assert "::warning::" in workspace.cache("save", "gone", "key")[1]
    assert not list((workspace.folder.parent / "caches").glob("*.json"))
