"""MobileNetV2 in Keras: built, loaded with weights that are proven to have arrived, and converted to ONNX.

Architecture: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from export.embedder.folding import fold_batch_norms
from sentinel_edge.errors import SentinelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import onnx

SIZE = 224
OPSET = 17  # opset 18 costs the graph its GlobalAveragePool


def mobilenetv2(weights: Path) -> keras.Model:
    """MobileNetV2 1.0 without its classifier, average pooled, with the weights in a file.

    Args:
        weights: a whole saved model (`.keras`, `.h5`) with MobileNetV2 in it, under any classifier or none,
            or the weights alone (`.weights.h5`, `.h5`) of MobileNetV2 without its top.

    Returns:
        A model from normalised float32 (n, 224, 224, 3) to float32 (n, 1280).

    Raises:
        SentinelError: the file cannot be read, or does not give every weight a finite value.
    """
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg")
    # Loaders may skip what does not match without a word. A weight nobody wrote stays NaN and is found below.
    model.set_weights([np.full(weight.shape, np.nan, np.float32) for weight in model.weights])
    try:
        with warnings.catch_warnings(action="ignore"):
            _load(model, weights)
    except Exception as error:  # Keras and h5py raise whatever the file's contents led them to
        raise SentinelError(
            f"{weights}: not readable as weights of MobileNetV2 1.0 ({_first_line(error)}); "
            "expected a saved Keras model that holds it, or its weights without the top"
        ) from error
    missing = [weight.path for weight in model.weights if not np.isfinite(weight.numpy()).all()]
    if missing:
        raise SentinelError(
            f"{weights}: {len(missing)} of {len(model.weights)} weights of MobileNetV2 1.0 are absent or not "
            f"finite (the first is {missing[0]}); expected a saved Keras model that holds all of them"
        )
    return model


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """Convert to ONNX with the preprocessing inside.

    The graph takes `frames`, uint8 (batch, 224, 224, 3) RGB, and gives `embeddings`, float32 (batch, 1280).
    """
    folded = fold_batch_norms(model)
    frames = tf.TensorSpec((None, SIZE, SIZE, 3), tf.uint8, name="frames")

    @tf.function(input_signature=[frames])  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def embed(frames: tf.Tensor) -> dict[str, tf.Tensor]:
        # x / 127.5 - 1, as a product: the reciprocal of a divisor would be TensorFlow's to round.
        normalised = tf.cast(frames, tf.float32) * (1 / 127.5) - 1.0
        return {"embeddings": folded(normalised, training=False)}

    converted, _ = tf2onnx.convert.from_function(embed, [frames], opset=OPSET)
    return converted


def _load(model: keras.Model, path: Path) -> None:
    if path.suffix == ".keras" or _is_whole_model(path):
        donor = keras.models.load_model(path, compile=False)
        layers = {layer.name: layer for layer in _layers(donor)}
        for layer in model.layers:
            if layer.weights and layer.name in layers:
                layer.set_weights(layers[layer.name].get_weights())
    else:
        model.load_weights(path)


def _is_whole_model(path: Path) -> bool:
    with h5py.File(path) as file:
        return "model_config" in file.attrs


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Every layer, those of models nested inside included."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
