"""Does the exported file compute what Keras computes? Asked on real frames, before anything is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import onnxruntime as ort

from sentinel_edge.errors import SentinelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-3  # largest difference in any of an embedding's dimensions


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the exported file is from Keras, over how many frames.

    The difference is rounded up to one digit: its tail changes with the CPU, its size does not.
    """

    frames: int
    max_abs_difference: float
    tolerance: float


def compare(exported: bytes, reference: keras.Model, frames: NDArray[np.uint8]) -> Agreement:
    """Embed the same frames with ONNX Runtime and with Keras, which preprocesses them in its own way.

    Raises:
        SentinelError: some dimension differs by more than `TOLERANCE`.
    """
    session = ort.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (actual,) = session.run(None, {session.get_inputs()[0].name: frames})
    normalised = keras.applications.mobilenet_v2.preprocess_input(frames.astype(np.float32))
    expected = reference(normalised, training=False).numpy()
    difference = float(np.abs(actual - expected).max())
    if not difference <= TOLERANCE:  # a NaN fails too
        raise SentinelError(
            f"the exported model differs from Keras by {difference:.1e} on {len(frames)} frames, "
            f"at most {TOLERANCE:.0e} is allowed; nothing was written: "
            "install the versions in export/requirements.txt and export again"
        )
    return Agreement(len(frames), _rounded_up(difference), TOLERANCE)


def _rounded_up(value: float) -> float:
    if value == 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    return float(f"{math.ceil(value / 10.0**exponent)}e{exponent}")
