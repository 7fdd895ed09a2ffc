"""The interpolation network as an ONNX file, and back: its initialisers carry the names of the Keras weights.

The file is the only artefact. Whoever has a champion can go on training it, because its weights can be read out of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import tensorflow as tf
import tf2onnx
from onnx import helper, numpy_helper

from export.canonical import canonical
from export.interpolator.network import InterpolationNetwork, interpolate
from sentinel_edge.errors import SentinelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OPSET = 17
NAME = "interpolator"
TOLERANCE = 0.01  # of 255: the largest difference from Keras in any pixel
SIZES = ((64, 96), (50, 37))  # checked on: what the network takes as it is, and what has to be padded
STAND_IN = 32  # side while the graph is rewritten, which wants numbers


def to_onnx(network: InterpolationNetwork) -> bytes:
    """Convert, with the preprocessing inside.

    The graph takes `first` and `last`, uint8 (batch, height, width, 3) RGB, and gives `middle`, float32 of the same
    shape, 0..255. The same weights give the same bytes.

    Raises:
        SentinelError: a weight did not arrive in the graph.
    """
    weights = named_weights(network)
    # The graph is converted with random weights: no two are alike, so that each is found again by its values, which
    # zeros or weights that training left equal would not be.
    random = np.random.default_rng(0)
    probes = {name: random.standard_normal(values.shape).astype(np.float32) for name, values in weights.items()}
    probe = InterpolationNetwork()
    build(probe)
    set_weights(probe, probes)
    model = canonical(_with_sides(_convert(probe), STAND_IN), name=NAME)
    names: dict[str, str] = {}
    for tensor in model.graph.initializer:
        stored = numpy_helper.to_array(tensor)
        for name, values in probes.items():
            if stored.size == values.size and np.array_equal(stored, _onnx_layout(values)):
                names[tensor.name] = name
                tensor.CopyFrom(numpy_helper.from_array(_onnx_layout(weights[name]), name))
                break
    if sorted(names.values()) != sorted(weights):
        lost = sorted(set(weights) - set(names.values()))
        raise SentinelError(
            f"{len(lost)} of {len(weights)} weights did not reach the ONNX graph (the first is {lost[0]}): "
            "install the versions in export/requirements.txt"
        )
    for node in model.graph.node:
        node.input[:] = [names.get(tensor, tensor) for tensor in node.input]
    model = _with_sides(model, None)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def from_onnx(path: Path) -> InterpolationNetwork:
    """The network whose weights are in a file that `to_onnx` made.

    Raises:
        SentinelError: the file cannot be read, or is not this network.
    """
    try:
        graph = onnx.load(path).graph
    except OSError as error:
        raise SentinelError(f"cannot read {path}: {error.strerror}; expected an ONNX file") from error
    except Exception as error:  # protobuf raises its own, which is not onnx's to name
        raise SentinelError(f"{path}: not an ONNX file; expected one made by export.interpolator.train") from error
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    network = InterpolationNetwork()
    build(network)
    found: dict[str, NDArray[np.float32]] = {}
    for name, values in named_weights(network).items():
        kept = stored.get(name)
        if kept is None or kept.shape != _onnx_layout(values).shape or not np.isfinite(kept).all():
            raise SentinelError(
                f"{path}: {'no weights' if kept is None else 'no usable weights'} named {name}; only a network made by "
                "export.interpolator.train or retrain can be trained further"
            )
        found[name] = _keras_layout(kept)
    set_weights(network, found)
    return network


def largest_difference(exported: bytes, network: InterpolationNetwork) -> float:
    """How far the file is from Keras in any pixel, of 255, on moving patterns of two sizes, two at a time.

    Raises:
        SentinelError: further than `TOLERANCE`.
    """
    session = ort.InferenceSession(exported, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    difference = 0.0
    for height, width in SIZES:
        coarse = random.integers(0, 256, (2, height // 8 + 2, width // 8 + 2, 3)).astype(np.uint8)
        frames = coarse.repeat(8, axis=1).repeat(8, axis=2)
        first, last = frames[:, :height, :width], frames[:, 3 : 3 + height, 5 : 5 + width]
        (actual,) = session.run(["middle"], {"first": first, "last": last})
        expected = interpolate(network, tf.constant(first), tf.constant(last)).numpy()
        difference = max(difference, float(np.abs(actual - expected).max()))
        if not difference <= TOLERANCE:  # a NaN fails too
            raise SentinelError(
                f"the exported interpolator differs from Keras by {difference:.1e} of 255, at most {TOLERANCE} is "
                "allowed; nothing was written: install the versions in export/requirements.txt"
            )
    return _rounded_up(difference)


def named_weights(network: InterpolationNetwork) -> dict[str, NDArray[np.float32]]:
    """The trainable weights by name, `coarse_in.kernel`, in Keras' layout."""
    if not network.built:
        build(network)
    return {weight.path.removeprefix("interpolator/").replace("/", "."): weight.numpy() for weight in network.weights}


def set_weights(network: InterpolationNetwork, weights: dict[str, NDArray[np.float32]]) -> None:
    """Put weights into a network, as `named_weights` names them."""
    if not network.built:
        build(network)
    network.set_weights([weights[name] for name in named_weights(network)])


def build(network: InterpolationNetwork) -> None:
    """Give a new network its weights, as it begins."""
    blank = tf.zeros((1, STAND_IN, STAND_IN, 3), tf.uint8)
    network((blank, blank))


def _convert(network: InterpolationNetwork) -> onnx.ModelProto:
    first = tf.TensorSpec((None, None, None, 3), tf.uint8, name="first")
    last = tf.TensorSpec((None, None, None, 3), tf.uint8, name="last")

    @tf.function(input_signature=[first, last])  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def middle(first: tf.Tensor, last: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"middle": interpolate(network, first, last)}

    converted, _ = tf2onnx.convert.from_function(middle, [first, last], opset=OPSET)
    return converted


def _with_sides(model: onnx.ModelProto, side: int | None) -> onnx.ModelProto:
    """The model with the sides of its inputs and outputs set to a number, or left open by name."""
    for value in [*model.graph.input, *model.graph.output]:
        sides = ("height", "width") if side is None else (side, side)
        value.CopyFrom(
            helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, ["batch", *sides, 3])
        )
    return model


def _onnx_layout(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values.transpose(3, 2, 0, 1)) if values.ndim == 4 else values


def _keras_layout(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values.transpose(2, 3, 1, 0)) if values.ndim == 4 else values


def _rounded_up(value: float) -> float:
    if value == 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    return float(f"{math.ceil(value / 10.0**exponent)}e{exponent}")
