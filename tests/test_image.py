"""The container image, started for real: what it answers, what it needs, and what is not in it.

Run by `make test-image`. `SENTINEL_IMAGE` names the image; without it, or without a Docker Engine, the tests are
skipped, or fail where `SENTINEL_REQUIRE_TOOLS=1` says that they must run.
"""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import pytest

import sentinel_edge
from tests.command import do_without
from tests.conftest import INCOMING, PAST

pytestmark = pytest.mark.image

HARDENED = (
    *("--network", "none", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108  (a path inside the container)
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m", "--pids-limit", "100"),
)
"""How a careful operator starts it; every container here is started so."""

ANYONE = "54321:54321"
"""A user that exists neither on the host nor in the image."""

MYSELF = f"{os.getuid()}:{os.getgid()}"


@pytest.fixture(scope="module")
def image() -> str:
    """The image under test."""
    name = os.environ.get("SENTINEL_IMAGE")
    if not name:
        do_without("SENTINEL_IMAGE names no image; `make test-image` builds one and sets it")
    if not shutil.which("docker") or docker("version").returncode != 0:
        do_without("no Docker Engine answers")
    return name


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the sample camera, taken after those that its baseline was made from, at the default rate."""
    folder = tmp_path_factory.mktemp("frames")
    folder.chmod(0o755)
    video = cv2.VideoCapture(str(INCOMING))
    stride = round(video.get(cv2.CAP_PROP_FPS) / 5)
    for index in range(int(video.get(cv2.CAP_PROP_FRAME_COUNT))):
        read, frame = video.read()
        if read and index % stride == 0:
            cv2.imwrite(str(folder / f"{index:06d}.png"), frame)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output folder that every user may write, whoever the container runs as."""
    folder = tmp_path / "status_output"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.mark.parametrize("user", [None, MYSELF, ANYONE], ids=["default-user", "my-user", "any-user"])
def test_frames_of_the_same_camera_pass(image: str, frames: Path, output: Path, user: str | None) -> None:
    run = start(image, user=user, volumes={frames: "/app/incoming_data:ro", output: "/app/status_output"})
    assert run.returncode == 0, run.stderr
    assert (output / "status").read_text() == "PASS\n"
    verdict = json.loads((output / "verdict.json").read_text())
    assert verdict["status"] == "PASS"
    assert json.loads(run.stdout) == verdict
    assert {path.name for path in output.iterdir()} == {"status", "verdict.json"}


@pytest.mark.parametrize("kind", ["noise", "blur", "low_light"])
def test_sabotaged_frames_fail(image: str, frames: Path, output: Path, kind: str) -> None:
    volumes: dict[Path, str] = {frames: "/app/incoming_data:ro", output: "/app/status_output"}
    drifted = output / "drifted"
    made = start(
        image,
        *("sabotage", "--source", "/app/incoming_data", "--output", "/app/status_output/drifted"),
        *("--kind", kind, "--severity", "4"),
        volumes=volumes,
    )
    assert made.returncode == 0, made.stderr
    run = start(image, volumes={drifted: "/app/incoming_data:ro", output: "/app/status_output"})
    assert run.returncode == 3, run.stderr
    assert (output / "status").read_text() == "FAIL\n"
    assert json.loads((output / "verdict.json").read_text())["status"] == "FAIL"


def test_a_mounted_baseline_replaces_the_one_inside(image: str, frames: Path, output: Path) -> None:
    made = start(
        image,
        *("baseline", "--source", "/app/incoming_data/past.mp4", "--output", "/app/status_output/mine.npz"),
        volumes={PAST: "/app/incoming_data/past.mp4:ro", output: "/app/status_output"},
    )
    assert made.returncode == 0, made.stderr
    mine = output / "mine.npz"
    checked = {frames: "/app/incoming_data:ro", output: "/app/status_output"}
    golden = json.loads(start(image, volumes=checked).stdout)["baseline"]
    replaced = json.loads(start(image, volumes={**checked, mine: "/app/baseline/golden.npz:ro"}).stdout)["baseline"]
    assert replaced["sha256"] != golden["sha256"]

    mine.write_bytes(b"not a baseline")
    refused = start(image, volumes={**checked, mine: "/app/baseline/golden.npz:ro"})
    assert refused.returncode == 1
    assert (output / "status").read_text() == "ERROR\n"


@pytest.mark.parametrize("user", [None, ANYONE], ids=["default-user", "any-user"])
def test_an_output_folder_of_another_user_is_one_clear_line(
    image: str, frames: Path, tmp_path: Path, user: str | None
) -> None:
    output = tmp_path / "status_output"
    output.mkdir(mode=0o755)  # as Docker makes a missing one: its maker's alone to write
    run = start(image, user=user, volumes={frames: "/app/incoming_data:ro", output: "/app/status_output"})
    assert run.returncode == 1
    line = the_one_line(run)
    assert "/app/status_output" in line
    assert "--user" in line
    assert not list(output.iterdir())


def test_sigterm_leaves_error_and_no_temporary_file(image: str, tmp_path: Path, output: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    for number in range(60):  # minutes of work
        (footage / f"{number:03d}.mp4").hardlink_to(_copied(PAST, tmp_path))
    (output / "status").write_text("PASS\n")
    (output / "status").chmod(0o666)
    name = f"sentinel-{uuid.uuid4().hex[:12]}"
    started = start(
        image,
        volumes={footage: "/app/incoming_data:ro", output: "/app/status_output"},
        options=("--detach", "--name", name),
        keep=True,
    )
    try:
        assert started.returncode == 0, started.stderr
        _wait_for(lambda: (output / "status").read_text() == "ERROR\n")
        time.sleep(1)
        stopped_at = time.monotonic()
        assert docker("stop", "--time", "30", name).returncode == 0
        assert time.monotonic() - stopped_at < 20  # it went by itself, not killed after 30 seconds
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "143"
    finally:
        docker("rm", "--force", name)
    assert (output / "status").read_text() == "ERROR\n"
    assert {path.name for path in output.iterdir()} <= {"status", "verdict.json"}


def test_no_frames_is_error(image: str, output: Path) -> None:
    run = start(image, volumes={output: "/app/status_output"})
    assert run.returncode == 1
    assert (output / "status").read_text() == "ERROR\n"
    assert "/app/incoming_data" in the_one_line(run)


def test_a_mistyped_option_is_a_usage_error(image: str) -> None:
    run = start(image, "check", "--thresold", "0.5")
    assert run.returncode == 2
    assert "--threshold" in the_one_line(run)


@pytest.mark.parametrize("user", [None, ANYONE], ids=["default-user", "any-user"])
def test_version_needs_nothing(image: str, user: str | None) -> None:
    run = start(image, "version", user=user)
    assert run.returncode == 0, run.stderr
    assert sentinel_edge.__version__ in run.stdout
    assert run.stderr == ""


def test_a_named_volume_can_be_written_by_any_user(image: str, frames: Path) -> None:
    volume = f"sentinel-{uuid.uuid4().hex[:12]}"
    try:
        run = start(
            image,
            user=ANYONE,
            volumes={frames: "/app/incoming_data:ro"},
            options=("--volume", f"{volume}:/app/status_output"),
        )
        assert run.returncode == 0, run.stderr
    finally:
        docker("volume", "rm", "--force", volume)


NOT_INSIDE = """
import importlib.util, json, pathlib, shutil, sysconfig
packages = pathlib.Path(sysconfig.get_path("purelib"))
print(json.dumps({
    "programs": [p for p in ("pip", "pip3", "gcc", "cc", "g++", "clang", "make", "git") if shutil.which(p)],
    "modules": [m for m in ("pip", "ensurepip", "setuptools", "wheel", "hatchling", "pytest", "tensorflow", "keras",
                            "onnx", "tf2onnx", "tests", "export") if importlib.util.find_spec(m)],
    "tests": [str(p) for p in packages.rglob("tests") if p.is_dir()],
}))
"""


def test_what_is_not_needed_is_not_inside(image: str) -> None:
    run = start(image, "-c", NOT_INSIDE, options=("--entrypoint", "python"))
    assert json.loads(run.stdout) == {"programs": [], "modules": [], "tests": []}


def test_an_import_compiles_nothing(image: str) -> None:
    """A read-only container cannot keep bytecode: what a start needs must be there already."""
    start_of_any = "import sentinel_edge.cli.run as cli; dict(cli.COMMANDS)"
    run = start(image, "-v", "-c", start_of_any, options=("--entrypoint", "python"))
    for module in ("sentinel_edge.cli.run", "sentinel_edge.monitor", "sentinel_edge.decision.decide"):
        assert f"import '{module}'" in run.stderr
    compiled = [line for line in run.stderr.splitlines() if line.startswith("# code object from /")]
    assert compiled == []


def test_labels_and_user(image: str) -> None:
    (found,) = json.loads(docker("image", "inspect", image).stdout)
    labels: Mapping[str, Any] = found["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}title"] == "Sentinel Edge"
    assert labels[f"{prefix}version"] == sentinel_edge.__version__
    assert labels[f"{prefix}licenses"] == "MIT"
    for name in ("description", "revision", "source"):
        assert labels[f"{prefix}{name}"], name
    assert found["Config"]["User"] == "10001:10001"


def test_the_inference_library_reports_nothing_home(image: str) -> None:
    (found,) = json.loads(docker("image", "inspect", image).stdout)
    assert "ORT_DISABLE_TELEMETRY=1" in found["Config"]["Env"]


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one docker command."""
    return subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True, timeout=300)


def start(
    image: str,
    *arguments: str,
    user: str | None = None,
    volumes: Mapping[Path, str] | None = None,
    options: tuple[str, ...] = (),
    keep: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Start a container the careful way and wait for it; `keep` leaves it for the caller to remove."""
    mounts = [part for path, target in (volumes or {}).items() for part in ("--volume", f"{path}:{target}")]
    identity = ["--user", user] if user else []
    return docker("run", *([] if keep else ["--rm"]), *HARDENED, *identity, *mounts, *options, image, *arguments)


def the_one_line(run: subprocess.CompletedProcess[str]) -> str:
    """The only line on standard error."""
    (line,) = run.stderr.splitlines()
    return line


def _copied(source: Path, folder: Path) -> Path:
    """A copy in the folder, which can be linked to: hard links do not cross file systems."""
    copy = folder / source.name
    if not copy.exists():
        shutil.copy(source, copy)
    return copy


def _wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
