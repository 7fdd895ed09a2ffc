"""Training an interpolation network: loss, schedule, early stopping, time limit and progress.

The loss is the mean logarithm of each crop's square error: what the performance gate measures (decibels over plain
averaging, each triplet counting the same) differs from it only by what averaging gives, which training cannot change.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from export.interpolator.network import InterpolationNetwork, interpolate
from export.interpolator.triplets import CROP
from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.score import Silence, average, examine, psnr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sentinel_edge.footage.triplets import Triplet

SIDE = 96
BATCH = 8
WARM_UP = 0.03  # of the budget, during which the rate rises to its full height
CLIP_NORM = 1.0
ATTEMPTS_SHARE = 0.2  # of each coarser attempt in the loss, beside the frame itself
FLOOR = (0.5 / 255) ** 2  # added to square errors: less than half a grey level is nobody's concern
CHECKS = 20  # evenly over the budget
MIN_STEPS = 25  # between checks, however small the budget
PATIENCE = 10  # checks in a row without a better one, after which training ends: half of the budget
LEAST_GAIN = 0.01  # dB that make a check better


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train: until the first of the two is used up.

    Attributes:
        seconds: Wall time.
        steps: Updates of the weights; None for as many as fit. The same number with the same seed gives the same
            network up to rounding.
    """

    seconds: float
    steps: int | None = None

    def spent(self, steps: int, seconds: float) -> float:
        """Share that is used up; by steps where they are counted, so that a slow machine trains the same."""
        return max(steps / self.steps if self.steps else 0.0, 0.0 if self.steps else seconds / self.seconds)

    def over(self, steps: int, seconds: float) -> bool:
        """Whether it is used up."""
        return seconds >= self.seconds or (self.steps is not None and steps >= self.steps)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Triplets that belong together, of which batches take as many as of any other pool.

    Attributes:
        crops: Of each clip, uint8 (n, 3, CROP, CROP, 3); the clips count alike, however long they are.
        checks: Whole triplets that were not trained on.
    """

    crops: tuple[NDArray[np.uint8], ...]
    checks: tuple[Triplet, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How training went.

    Attributes:
        steps: Updates of the weights.
        seconds: Wall time.
        gain: PSNR over averaging on the checks, dB where it moves, of the weights that were kept.
        early: Whether it ended because nothing got better.
    """

    steps: int
    seconds: float
    gain: float
    early: bool


def train(
    network: InterpolationNetwork,
    pools: Sequence[Pool],
    *,
    rate: float,
    seed: int,
    budget: Budget,
    stop_early: bool = True,
    progress: Callable[[str], None],
) -> Outcome:
    """Train a network in place; at the end it has the weights that did best on the checks.

    Args:
        network: built; trained from where its weights are.
        pools: what to train on; each is as likely as another in every batch.
        rate: the highest learning rate (Adam), reached after a short rise and left along a cosine.
        seed: of the choice and augmentation of crops.
        budget: when to end.
        stop_early: end before that when nothing gets better.
        progress: takes a line about every check.

    Raises:
        SentinelError: the loss is no longer a number.
    """
    random = np.random.default_rng(seed)
    optimiser = keras.optimizers.Adam(rate, global_clipnorm=CLIP_NORM)
    step, checking = _step(network, optimiser), _Checking(network, pools)
    started = time.monotonic()
    best, kept, since, steps, checked, losses = -math.inf, network.get_weights(), 0, 0, 0, list[float]()
    early = False
    while True:
        elapsed = time.monotonic() - started
        spent, over = budget.spent(steps, elapsed), budget.over(steps, elapsed)
        if over or not steps or (spent * CHECKS >= checked and len(losses) >= MIN_STEPS):
            checked = int(spent * CHECKS) + 1
            gain = _finite(checking.gain, steps)
            better = gain > best + LEAST_GAIN
            loss = f"loss {np.mean(losses):.3f}, " if losses else ""
            progress(
                f"step {steps}, {elapsed:.0f} s: {loss}{gain:+.2f} dB over averaging on what is checked on"
                f"{'' if better else f' (best {best:+.2f})'}"
            )
            losses = []
            if better:
                best, kept, since = gain, network.get_weights(), 0
            else:
                since += 1
                early = stop_early and since >= PATIENCE and not over
            if over or early:
                break
        optimiser.learning_rate.assign(rate * _schedule(spent))
        losses.append(_finite(lambda: float(step(tf.constant(batch(pools, random)))), steps))
        steps += 1
    network.set_weights(kept)
    return Outcome(steps, time.monotonic() - started, best, early)


def _finite(measure: Callable[[], float], steps: int) -> float:
    """A loss or a gain, which must be a number."""
    try:
        value = measure()
    except tf.errors.InvalidArgumentError:  # a flow that is no number points at no pixel
        value = math.nan
    if not math.isfinite(value):
        raise SentinelError(
            f"training went wrong at step {steps}: the loss is {value}; nothing was written: try another --seed"
        )
    return value


@dataclass(frozen=True, slots=True, eq=False)
class _Check:
    """A triplet, where it moves, and the PSNR of averaging there, dB."""

    triplet: Triplet
    region: NDArray[np.bool_]
    plain: float


class _Checking:
    """Measures a network on the checks; what does not change with the network is worked out once."""

    def __init__(self, network: InterpolationNetwork, pools: Sequence[Pool]) -> None:
        self._pools = [[_check(triplet) for triplet in pool.checks] for pool in pools]
        self._run = tf.function(
            lambda first, last: interpolate(network, first, last),
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)] * 2,
        )

    def gain(self) -> float:
        """PSNR over averaging, dB where it moves: the mean over the checks of each pool, then over pools."""
        return float(np.mean([np.mean([self._gain(check) for check in checks]) for checks in self._pools]))

    def _gain(self, check: _Check) -> float:
        first, last = (tf.constant(frame[None]) for frame in (check.triplet.first, check.triplet.last))
        return psnr(self._run(first, last).numpy()[0], check.triplet.middle, check.region) - check.plain


def _check(triplet: Triplet) -> _Check:
    region = examine(triplet)
    if isinstance(region, Silence):
        raise TypeError(f"{triplet.origin}: {region}; only triplets that say something are checks")
    return _Check(triplet, region, psnr(average(triplet), triplet.middle, region))


def batch(pools: Sequence[Pool], random: np.random.Generator) -> NDArray[np.uint8]:
    """Crops of a batch, uint8 (BATCH, 3, SIDE, SIDE, 3): flipped, turned in time, with channels in any order."""
    chosen = np.empty((BATCH, 3, SIDE, SIDE, 3), np.uint8)
    for place in range(BATCH):
        # In turn, not at random: half and half in every batch.
        clips = pools[place % len(pools)].crops
        crops = clips[random.integers(len(clips))]
        crop = crops[random.integers(len(crops))]
        y, x = random.integers(0, CROP - SIDE + 1, 2)
        crop = crop[:, y : y + SIDE, x : x + SIDE]
        if random.random() < 0.5:
            crop = crop[::-1]
        if random.random() < 0.5:
            crop = crop[:, :, ::-1]
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        chosen[place] = crop[..., random.permutation(3)]
    return chosen


def _step(network: InterpolationNetwork, optimiser: keras.optimizers.Optimizer) -> Callable[[tf.Tensor], tf.Tensor]:
    signature = [tf.TensorSpec((BATCH, 3, SIDE, SIDE, 3), tf.uint8)]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def step(crops: tf.Tensor) -> tf.Tensor:
        truth = tf.cast(crops[:, 1], tf.float32) * (1 / 255)
        with tf.GradientTape() as tape:
            result = network((crops[:, 0], crops[:, 2]))
            loss = _log_error(result.frame, truth)
            for attempt in result.attempts:
                factor = SIDE // attempt.shape[1]
                loss += ATTEMPTS_SHARE * _log_error(attempt, tf.nn.avg_pool2d(truth, factor, factor, "VALID"))
        weights = network.trainable_variables
        optimiser.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return step  # type: ignore[no-any-return]


def _log_error(guess: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Mean over the batch of the logarithm of each crop's square error."""
    return tf.reduce_mean(tf.math.log(tf.reduce_mean(tf.square(guess - truth), axis=[1, 2, 3]) + FLOOR))


def _schedule(spent: float) -> float:
    """Share of the highest learning rate at a share of the budget."""
    if spent < WARM_UP:
        return (spent + 1e-3) / (WARM_UP + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (spent - WARM_UP) / (1 - WARM_UP)))) + 1e-3
