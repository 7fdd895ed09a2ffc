"""A small frame-interpolation network in Keras: two frames in, the frame between them out.

Coarse to fine, three levels. A symmetric cost volume (for each displacement d, how well the first picture at x - d
agrees with the last at x + d) shows the first level where things moved; it guesses, for each pixel of the middle frame,
where it lies in the two frames. The second level corrects that guess on pictures warped by it. The third blends the two
frames warped at full size and adds what neither of them shows.

The parts are known ones: bilateral cost volumes from Park et al., "BMBC: Bilateral Motion Estimation with Bilateral
Cost Volume for Video Interpolation", ECCV 2020; flows estimated straight for the middle frame, level by level, from
Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022 (RIFE); bilinear
sampling that passes gradients from Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

MULTIPLE = 16
"""Sides the levels can halve; smaller remainders are padded inside the network by repeating the border."""
COARSE_REACH, MIDDLE_REACH = 3, 2
"""How far the cost volumes look along both axes: 3 pixels at a quarter of the size, 2 at half of it, either way."""
SLOPE = 0.1
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Widths:
    """Channels of the three levels; these make 0.26 million weights."""

    coarse: int = 48
    bottom: int = 64
    middle: int = 48
    fine: int = 32
    finest: int = 16
    to_middle: int = 16
    """How many channels the first level hands to the second; with them each convolution takes a multiple of 16."""
    to_fine: int = 8


@dataclass(frozen=True, slots=True)
class Interpolation:
    """What the network gives: the frame, and the coarser attempts that training looks at too.

    Attributes:
        frame: float32 (n, h, w, 3), 0..1 but not clipped.
        attempts: frames blended from the flows of the first two levels, (n, h/4, w/4, 3) and (n, h/2, w/2, 3) of the
            padded size.
    """

    frame: tf.Tensor
    attempts: tuple[tf.Tensor, ...]


class InterpolationNetwork(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """The network. Before training it averages: its heads begin at zero flow, an even blend and no correction."""

    def __init__(self, widths: Widths | None = None) -> None:
        super().__init__(name="interpolator")
        widths = widths or Widths()
        self.coarse_in = _convolution("coarse_in", widths.coarse, stride=2)
        self.coarse_look = _convolution("coarse_look", widths.coarse)
        self.coarse_down = _convolution("coarse_down", widths.bottom, stride=2)
        self.coarse_deep = _convolution("coarse_deep", widths.bottom)
        self.coarse_up = _convolution("coarse_up", widths.coarse)
        self.coarse_join = _convolution("coarse_join", widths.coarse)
        self.coarse_out = _head("coarse_out", 5)
        self.coarse_pass = _convolution("coarse_pass", widths.to_middle, size=1)
        self.middle_in = _convolution("middle_in", widths.middle, stride=2)
        self.middle_join = _convolution("middle_join", widths.middle)
        self.middle_deep = _convolution("middle_deep", widths.middle)
        self.middle_out = _head("middle_out", 5)
        self.middle_pass = _convolution("middle_pass", widths.to_fine, size=1)
        self.fine_in = _convolution("fine_in", widths.fine)
        self.fine_deep = _convolution("fine_deep", widths.finest)
        self.fine_out = _head("fine_out", 4 + 12)

    def call(self, pair: tuple[tf.Tensor, tf.Tensor]) -> Interpolation:
        """Interpolate.

        Args:
            pair: the first and the last frame, uint8 (n, h, w, 3), both sides multiples of `MULTIPLE`.
        """
        halves = tuple(_halved(tf.cast(frame, tf.float32) * (1 / 255)) for frame in pair)
        quarters = tuple(_halved(frame) for frame in halves)

        # Level one: looks at a quarter of the size, thinks at an eighth and a sixteenth.
        seen = tf.concat([cost_volume(*quarters, COARSE_REACH), *_centred(quarters)], axis=-1)
        eighth = self.coarse_look(self.coarse_in(seen))
        deep = self.coarse_deep(self.coarse_down(eighth))
        eighth = self.coarse_join(tf.concat([eighth, _doubled(self.coarse_up(deep))], axis=-1))
        motion = _doubled(self.coarse_out(eighth))  # at a quarter, in its pixels
        attempts = [_blend(_warp_both(quarters, motion), motion)]

        # Level two: looks at half the size through the first guess, thinks at a quarter.
        rough = _magnified(motion)
        warped = _warp_both(halves, rough)
        seen = tf.concat([cost_volume(*warped, MIDDLE_REACH), *_centred(warped), rough[..., 4:]], axis=-1)
        passed = tf.concat([self.middle_in(seen), _doubled(self.coarse_pass(eighth))], axis=-1)
        quarter = self.middle_deep(self.middle_join(passed))
        motion = rough + _doubled(self.middle_out(quarter))
        attempts.append(_blend(_warp_both(halves, motion), motion))

        # Level three: looks at the whole size, thinks at half of it.
        passed = _doubled(self.middle_pass(quarter))
        motion = _magnified(motion)
        first, last = _warp_both(pair, motion)
        seen = tf.concat([tf.nn.space_to_depth(part, 2) for part in _centred((first, last))], axis=-1)
        half = self.fine_deep(self.fine_in(tf.concat([seen, passed], axis=-1)))
        blend, correction = tf.split(self.fine_out(half), [4, 12], axis=-1)
        share = tf.sigmoid(motion[..., 4:] + tf.nn.depth_to_space(blend, 2))
        frame = last + share * (first - last) + tf.nn.depth_to_space(correction, 2)
        return Interpolation(frame, tuple(attempts))


def interpolate(network: InterpolationNetwork, first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """What the exported graph computes: any size from 16x16, pixels in, pixels out.

    Args:
        network: the trained network.
        first: uint8 (n, h, w, 3), red-green-blue.
        last: the same of the later frame.

    Returns:
        float32 (n, h, w, 3), 0..255, not rounded.
    """
    height, width = tf.shape(first)[1], tf.shape(first)[2]
    frame = network(tuple(_padded(frame, height, width) for frame in (first, last))).frame
    return tf.clip_by_value(frame[:, :height, :width] * 255.0, 0.0, 255.0)


def cost_volume(first: tf.Tensor, last: tf.Tensor, reach: int) -> tf.Tensor:
    """How much two pictures differ in brightness when they are moved against each other.

    Args:
        first: float32 (n, h, w, 3), 0..1.
        last: the same.
        reach: displacements run from -reach to reach along both axes, in pixels.

    Returns:
        float32 (n, h, w, (2 reach + 1)²): |first(x - d) - last(x + d)| for every displacement d; zero outside.
    """
    steps = 2 * reach + 1
    # A kernel with a single one moves a picture; with a one and a minus one it subtracts two that moved apart.
    moves = np.eye(steps * steps, dtype=np.float32).reshape(steps, steps, 1, steps * steps)
    apart = np.concatenate([moves, -moves[::-1, ::-1]], axis=2)
    luma = np.kron(np.eye(2, dtype=np.float32), np.float32(LUMA)[:, None]).reshape(1, 1, 6, 2)
    greys = tf.nn.conv2d(tf.concat([first, last], axis=-1), luma, 1, "VALID")
    return tf.abs(tf.nn.conv2d(greys, apart, 1, "SAME"))


def warp(frame: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Sample a frame at each pixel plus its flow, bilinearly; outside, the border is repeated.

    The four neighbours of every pixel lie in one row of a table, so that one Gather fetches them; a table of bytes is
    a quarter as much to move. Gradients reach the flow and not the frame, which comes from the input.

    Args:
        frame: uint8 (n, h, w, 3), or float32 of any scale.
        flow: float32 (n, h, w, 2), in pixels, x then y.

    Returns:
        float32 (n, h, w, 3), bytes scaled to 0..1.
    """
    count, height, width = (tf.shape(flow)[axis] for axis in range(3))
    rows, columns = tf.range(height), tf.range(width)
    row = tf.reshape(frame, [-1, 3])
    row = tf.concat([row, row[: width + 1]], axis=0)
    # Right and below as they lie in memory: where that is another row or frame, its share is nothing.
    pixels = count * height * width
    table = tf.concat([row[:pixels], row[1 : pixels + 1], row[width : pixels + width], row[width + 1 :]], axis=1)
    table = tf.stop_gradient(table)
    right, bottom = tf.cast(width - 1, tf.float32), tf.cast(height - 1, tf.float32)
    x = tf.clip_by_value(tf.cast(columns, tf.float32)[None, None, :] + flow[..., 0], 0.0, right)
    y = tf.clip_by_value(tf.cast(rows, tf.float32)[None, :, None] + flow[..., 1], 0.0, bottom)
    left, top = tf.floor(x), tf.floor(y)
    start = tf.range(count)[:, None, None] * (height * width)
    index = start + tf.cast(top, tf.int32) * width + tf.cast(left, tf.int32)
    # Channels first: what is the same for all of them is then spread over rows of pixels, not over three numbers.
    neighbours = tf.transpose(tf.gather(table, tf.reshape(index, [-1])))
    upper, lower = tf.cast(neighbours[:6], tf.float32), tf.cast(neighbours[6:], tf.float32)
    across, down = (tf.reshape(part, [1, -1]) for part in (x - left, y - top))
    pairs = upper + down * (lower - upper)
    sampled = pairs[:3] + across * (pairs[3:] - pairs[:3])
    if frame.dtype == tf.uint8:
        sampled *= 1 / 255
    return tf.transpose(tf.reshape(sampled, [3, count, height, width]), [1, 2, 3, 0])


def trainable_sizes(network: InterpolationNetwork) -> int:
    """How many numbers training may change."""
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)


def _convolution(name: str, channels: int, *, size: int = 3, stride: int = 1) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        channels,
        size,
        strides=stride,
        padding="same",
        activation=lambda x: tf.nn.leaky_relu(x, SLOPE),
        kernel_initializer="he_normal",
        name=name,
    )


def _head(name: str, channels: int) -> keras.layers.Layer:
    return keras.layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros", name=name)


def _padded(frame: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    # Rounded up on positive numbers: ONNX divides integers towards zero, TensorFlow downwards.
    below = (height + MULTIPLE - 1) // MULTIPLE * MULTIPLE - height
    beside = (width + MULTIPLE - 1) // MULTIPLE * MULTIPLE - width
    tall = tf.concat([frame, tf.tile(frame[:, -1:], [1, below, 1, 1])], axis=1)
    return tf.concat([tall, tf.tile(tall[:, :, -1:], [1, 1, beside, 1])], axis=2)


def _halved(frame: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(frame, 2, 2, "VALID")


def _doubled(maps: tf.Tensor) -> tf.Tensor:
    return tf.image.resize(maps, 2 * tf.shape(maps)[1:3])


def _magnified(motion: tf.Tensor) -> tf.Tensor:
    """Motion at twice the size: flows count in pixels and double, the blend does not."""
    return _doubled(motion) * tf.constant([2.0, 2.0, 2.0, 2.0, 1.0])


def _centred(pair: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
    return tuple(frame - 0.5 for frame in pair)


def _warp_both(pair: tuple[tf.Tensor, ...], motion: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return warp(pair[0], motion[..., :2]), warp(pair[1], motion[..., 2:4])


def _blend(warped: tuple[tf.Tensor, tf.Tensor], motion: tf.Tensor) -> tf.Tensor:
    return warped[1] + tf.sigmoid(motion[..., 4:]) * (warped[0] - warped[1])
