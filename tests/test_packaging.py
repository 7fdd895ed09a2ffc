"""What is installed is what was meant: the wheel stands alone, and the lock files lock."""

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import sentinel_edge
from tests.command import do_without

ROOT = Path(__file__).parents[1]
LOCKS = sorted([*ROOT.glob("requirements/*.txt"), *ROOT.glob("export/*.txt")])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without asking a package index."""
    if not importlib.util.find_spec("hatchling"):
        do_without("hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_model_and_baseline_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "sentinel_edge/_assets/baseline/golden.npz" in names
    carried = "sentinel_edge/_assets/models/"
    ours = [path.relative_to(ROOT / "models") for path in (ROOT / "models").rglob("*") if path.is_file()]
    assert {name.removeprefix(carried) for name in names if name.startswith(carried)} == {
        str(path) for path in ours if path.name != ".lock"
    }
    assert "sentinel_edge/verdict/verdict.schema.json" in names
    assert {name.split("/")[0] for name in names} == {
        "sentinel_edge",
        f"sentinel_edge-{sentinel_edge.__version__}.dist-info",
    }


def test_the_installed_wheel_works_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    # The libraries are borrowed from this environment; the checkout, which is on its path by a .pth file, is not.
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    run = subprocess.run(
        [environment / "bin" / "sentinel-edge", "version"],
        check=False,
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(libraries), "ORT_DISABLE_TELEMETRY": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert sentinel_edge.__version__ in run.stdout
    where = subprocess.run(
        [environment / "bin" / "python", "-c", "from sentinel_edge import assets; print(assets.default_baseline())"],
        check=True,
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env={"PYTHONPATH": os.pathsep.join(libraries)},
    )
    assert Path(where.stdout.strip()).is_relative_to(environment)


def test_the_image_says_the_version_of_the_package() -> None:
    assert f"ARG VERSION={sentinel_edge.__version__}\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_file_names_exact_versions_with_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?:|file:/|--(extra-)?index-url|--find-links|--trusted-host", text)
    lines = text.replace("\\\n", " ").splitlines()
    entries = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_runtime_lock_holds_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE))
    assert {re.split(r"[<>=~!]", dependency)[0] for dependency in project["dependencies"]} <= locked


def test_shared_versions_are_the_same_in_every_lock() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_third_party_licences_are_listed_for_just_what_is_locked() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE))
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (\S.*?) \|", (ROOT / "THIRD-PARTY.md").read_text(), re.MULTILINE)
    listed = {name for name, _ in rows if name not in ("package", "what")}
    assert listed == locked


def test_the_published_image_has_its_base_by_digest() -> None:
    """In a file of the one kind that dependabot updates."""
    (base,) = re.findall(r"^FROM (\S+)$", (ROOT / "requirements" / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", base)
    jobs = (ROOT / ".github/workflows/ci.yml").read_text()
    assert "PYTHON_IMAGE=${{ steps.name.outputs.base }}" in jobs
    assert "sbom: true" in jobs


def test_dependabot_looks_where_something_is_pinned() -> None:
    settings = YAML(typ="safe").load(ROOT / ".github" / "dependabot.yml")
    looked = {
        (update["package-ecosystem"], folder)
        for update in settings["updates"]
        for folder in update.get("directories", [update.get("directory")])
    }
    assert {("pip", f"/{lock.parent.relative_to(ROOT)}") for lock in LOCKS} <= looked
    assert ("docker", "/requirements") in looked
    pinned = [path for path in ROOT.glob(".github/**/*.yml") if re.search(r"uses: \S+@[0-9a-f]{40}", path.read_text())]
    folders = {"/" if path.parent.name == "workflows" else f"/{path.parent.relative_to(ROOT)}" for path in pinned}
    assert {("github-actions", folder) for folder in folders} <= looked
