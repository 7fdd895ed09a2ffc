"""Batch norms folded into the convolutions before them, in arithmetic that is the same on every machine.

Left to itself, TensorFlow folds them with the processor's approximate reciprocal square root, whose last bits
differ between makers of processors: the same weights would give other bytes elsewhere. NumPy's square root,
division and product in double precision are exactly rounded wherever they run.
"""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold_batch_norms(model: keras.Model) -> keras.Model:
    """Copy a model so that each convolution does the work of the batch norm that follows it.

    Args:
        model: a model whose batch norms each come right after a convolution without bias.

    Returns:
        A model with the same layer names that computes the same, up to rounding.

    Raises:
        ValueError: a batch norm follows something else.
    """
    folded = keras.models.clone_model(model, clone_function=_without_norm, call_function=_call)
    for layer, norm in pairwise(model.layers):
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        if not isinstance(layer, CONVOLUTIONS) or layer.use_bias:
            raise ValueError(f"{norm.name} follows {layer.name}, not a convolution without bias")
        (kernel,) = layer.get_weights()
        gamma, beta, mean, variance = (values.astype(np.float64) for values in norm.get_weights())
        scale = gamma / np.sqrt(variance + norm.epsilon)
        per_output = scale[:, None] if isinstance(layer, keras.layers.DepthwiseConv2D) else scale
        weights = [kernel * per_output, beta - mean * scale]
        folded.get_layer(layer.name).set_weights([values.astype(np.float32) for values in weights])
    return folded


def _call(layer: keras.Layer, *inputs: object, mask: object = None) -> object:  # noqa: ARG001
    """Batch norms are called with a mask, which what replaces them does not take; pictures have none."""
    return layer(*inputs)


def _without_norm(layer: keras.Layer) -> keras.Layer:
    if isinstance(layer, keras.layers.BatchNormalization):
        return keras.layers.Identity(name=layer.name)
    config = layer.get_config()
    if isinstance(layer, CONVOLUTIONS):
        config["use_bias"] = True
    return type(layer).from_config(config)
