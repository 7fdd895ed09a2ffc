"""Interpolators side by side on footage: `python -m export.interpolator.compare --model models/vfi --footage clip.mp4`.

Prints a line for every clip and interpolator: the mean gain over plain averaging, PSNR in dB and SSIM, where it moves
and over the whole picture. OpenCV's dense inverse search is beside them as a reference that needs no training.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.triplets import read_triplets
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.score import Interpolating, TripletScore, score_all
from sentinel_edge.promotion.pointers import POINTERS_FILE
from sentinel_edge.promotion.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 240


class DenseInverseSearch:
    """Interpolation by optical flow: both frames moved half-way along their flow to the other, and averaged.

    Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as OpenCV has it.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def interpolate(self, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `sentinel_edge.networks.score.Interpolating`."""
        return np.stack([self._middle(one, other) for one, other in zip(first, last, strict=True)])

    def _middle(self, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (self._half_way(first, last) + self._half_way(last, first)) / 2

    def _half_way(self, frame: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
        # The flow of the other frame to this one, taken as the middle's: each of its pixels comes from half of it.
        greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (other, frame)]
        flow = self._flow.calc(greys[0], greys[1], None) / 2
        height, width = greys[0].shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        places = (x + flow[..., 0], y + flow[..., 1])
        moved = cv2.remap(frame.astype(np.float32), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; an error is one line on stderr and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        interpolators: dict[str, Interpolating] = {"DIS flow": DenseInverseSearch()}
        interpolators |= {str(path): Interpolator(_model(path), threads=0) for path in options.model}
        for path in options.footage:
            compare(path, interpolators)
    except SentinelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def compare(footage: Path, interpolators: dict[str, Interpolating]) -> None:
    """Print a line for every clip and interpolator.

    Raises:
        SentinelError: there is no footage, or an interpolator failed.
    """
    for clip in find_clips(footage):
        triplets = list(read_triplets([clip], limit=LIMIT))
        for name, interpolator in interpolators.items():
            found = [score for _, score in score_all(triplets, interpolator) if isinstance(score, TripletScore)]
            print(f"{clip.name}: {name}: {_summary(found)}", flush=True)


def _summary(scores: list[TripletScore]) -> str:
    if not scores:
        return "no triplet that moves"
    columns = ("psnr_gain", "whole_psnr_gain", "ssim_gain", "whole_ssim_gain")
    means = [float(np.mean([getattr(score, column) for score in scores])) for column in columns]
    won = float(np.mean([score.psnr_gain > 0 for score in scores]))
    return (
        f"{len(scores)} triplets, {means[0]:+.2f} dB where it moves, {means[1]:+.2f} dB whole, "
        f"SSIM {means[2]:+.4f} where it moves, {means[3]:+.4f} whole; better than averaging in {won:.0%}"
    )


def _model(path: Path) -> Path:
    if (path / POINTERS_FILE).exists():
        return Registry(path).champion().model
    return path / "model.onnx" if path.is_dir() else path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.interpolator.compare", description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    option = parser.add_argument
    option("--model", type=Path, action="append", default=[], help="registry, folder or ONNX file; repeatable")
    option("--footage", type=Path, action="append", required=True, help="a video, or a folder of videos; repeatable")
    return parser


if __name__ == "__main__":
    sys.exit(main())
