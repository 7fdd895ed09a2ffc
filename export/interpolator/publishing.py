"""What training leaves behind: an ONNX file that was measured as it will run, and its card; both or neither."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from sentinel_edge import __version__
from sentinel_edge.networks.interpolator_card import CARD_FILE, Graph, InterpolatorCard, Training
from sentinel_edge.networks.score import TripletScore, score_all
from sentinel_edge.storage.files import saving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from sentinel_edge.footage.triplets import Triplet

MODEL_FILE = "model.onnx"
NAME = "small-interpolator"
_STAGING = ".training-"


class Exported:
    """An exported graph as the scoring takes interpolators."""

    def __init__(self, content: bytes) -> None:
        self._session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])

    def interpolate(self, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `sentinel_edge.networks.score.Interpolating`."""
        (middle,) = self._session.run(["middle"], {"first": first, "last": last})
        return np.asarray(middle, np.float32)


def measure(content: bytes, triplets: Iterable[Triplet], part: str) -> dict[str, float]:
    """Mean gains over plain averaging: where it moves and over the whole picture.

    Args:
        content: the exported graph.
        triplets: what it did not train on.
        part: what they are called; every metric's name begins with it.
    """
    scores = [found for _, found in score_all(triplets, Exported(content)) if isinstance(found, TripletScore)]
    if not scores:
        return {f"{part}_triplets": 0.0}
    means = {
        "psnr_gain_db": np.mean([found.psnr_gain for found in scores]),
        "ssim_gain": np.mean([found.ssim_gain for found in scores]),
        "whole_psnr_gain_db": np.mean([found.whole_psnr_gain for found in scores]),
        "whole_ssim_gain": np.mean([found.whole_ssim_gain for found in scores]),
    }
    return {f"{part}_{name}": round(float(value), 4) for name, value in means.items()} | {
        f"{part}_triplets": float(len(scores))
    }


def make_card(
    content: bytes,
    *,
    description: str,
    training: Training,
    metrics: dict[str, float],
    parent: InterpolatorCard | None = None,
) -> InterpolatorCard:
    """The card of an exported graph.

    Args:
        content: the exported graph.
        description: what it is and is not.
        training: what it was trained on.
        metrics: what was measured on it.
        parent: the card of the network whose training was continued.
    """
    return InterpolatorCard(
        name=NAME,
        sha256=hashlib.sha256(content).hexdigest(),
        created_at=_now(),
        code_version=__version__,
        description=description,
        graph=Graph(),
        training=training,
        metrics=metrics,
        parent=parent.version if parent else None,
        parent_sha256=parent.sha256 if parent else None,
    )


def publish(content: bytes, card: InterpolatorCard, folder: Path) -> None:
    """Put the model and its card into a folder, each whole or not at all, the card last.

    Both are on the disk before the first takes its place; a reader that meets the moment between the two finds a model
    its card does not match, and refuses it. What a run that was killed while publishing left here is cleared away.

    Raises:
        SentinelError: the folder cannot be written.
    """
    text = card.to_json()
    with saving(str(folder), "pass an --output that can be written and has room"):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder), tempfile.TemporaryDirectory(dir=folder, prefix=_STAGING) as staging:
            model, beside = Path(staging, MODEL_FILE), Path(staging, CARD_FILE)
            for path, data in ((model, content), (beside, text)):
                with path.open("wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
            model.replace(folder / MODEL_FILE)
            beside.replace(folder / CARD_FILE)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one to publish into a folder, without leftovers.

    The lock is on the folder itself, so that it leaves no file, and the system releases it of whoever is killed: a
    staging folder that is there now belongs to nobody.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for leftover in folder.glob(f"{_STAGING}*"):
            shutil.rmtree(leftover)
        yield
    finally:
        os.close(descriptor)  # and with it the lock


def require_writable(folder: Path) -> None:
    """Find out before minutes of training that a folder cannot be written.

    Raises:
        SentinelError: it cannot.
    """
    with saving(str(folder), "pass an --output that can be written"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return moment.replace(microsecond=0).isoformat()
