"""Where the models and the golden baseline that come with the package are."""

from pathlib import Path

from sentinel_edge.errors import SentinelError

PACKAGE = Path(__file__).parent
SAMPLE = "campus-past.mp4"
"""The footage of the sample camera, which the golden baseline is learned from: no other camera is judged by it."""


def _root() -> Path:
    """The wheel carries the assets inside the package; a checkout has them at its top level."""
    carried = PACKAGE / "_assets"
    return carried if carried.is_dir() else PACKAGE.parent


def default_model() -> Path:
    """The embedder's ONNX file: the one at the top of `models/`, whatever network it is.

    Raises:
        SentinelError: There is none, or more than one to choose from.
    """
    folder = _root() / "models"
    found = sorted(folder.glob("*.onnx"))
    if len(found) != 1:
        raise SentinelError(
            f"found {len(found)} ONNX files in {folder}; expected one: name the model with --model, or `make export`"
        )
    return found[0]


def default_baseline() -> Path:
    """The golden baseline."""
    return _root() / "baseline" / "golden.npz"


def default_registry() -> Path:
    """The folder of the frame interpolators: a model registry."""
    return _root() / "models" / "vfi"
