"""Fixtures shared by the tests: the sample footage and what is made of it once."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge import assets
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.networks.embedder import Embedder
from tests.command import do_without
from tests.material.windows import EMBEDDING, read

DATA = Path(__file__).parent / "data"
HARD_CLIPS = Path(__file__).parent / "footage" / "clips"
PAST = DATA / "campus-past.mp4"
INCOMING = DATA / "campus-incoming.mp4"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty current folder, a clean environment, and signal handling put back: to call `cli.run` in place."""
    for name in [name for name in os.environ if name.startswith("SENTINEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        do_without("mounting a small file system takes root")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="session")
def workshop_python() -> str:
    """The interpreter of the TensorFlow environment."""
    return os.environ.get("SENTINEL_EXPORT_PYTHON") or do_without(
        "SENTINEL_EXPORT_PYTHON names no interpreter with export/requirements.txt installed"
    )


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The committed model."""
    return Embedder(assets.default_model())


@pytest.fixture(scope="session")
def campus_embeddings(embedder: Embedder) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Embeddings of the sample camera at the default rate: the past (240, d) and what came later (150, d)."""
    past, incoming = (read(find_clips(path), embedder).records[EMBEDDING] for path in (PAST, INCOMING))
    return past, incoming
