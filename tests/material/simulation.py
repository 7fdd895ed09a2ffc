"""Simulated cameras with a known answer: nothing changed, but nothing is independent either.

As embeddings (`Camera`), each dimension follows an AR(1) process in time (neighbouring frames resemble each other),
every episode adds its own offset (one hour's traffic is not another's), and dimensions move together through a few
shared factors. Values are rectified, as a ReLU network's are, so that many are exactly zero. As pictures
(`PictureCamera`), a fixed scene is rendered under light and weather of the same kind, and measured by the runtime's own
`quality.measure`.
"""

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.signals import FRAME_SIGNALS, FrameSignals, measure


class Camera:
    """Draws normal episodes of one simulated camera.

    Args:
        seed: Of everything random.
        dimensions: Length of an embedding.
        correlation: Of one frame with the next, 0 to 1.
        episode_effect: Standard deviation of an episode's offset, in units of a frame's.
        factors: Shared factors that carry half of the variance of every dimension.
    """

    def __init__(
        self,
        seed: int,
        *,
        dimensions: int = 200,
        correlation: float = 0.9,
        episode_effect: float = 0.5,
        factors: int = 5,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.correlation = correlation
        self.episode_effect = episode_effect
        loadings = self.rng.normal(size=(factors, dimensions))
        self.loadings = loadings / np.linalg.norm(loadings, axis=0)
        self.offset = self.rng.normal(0.3, 1, size=dimensions)

    def episode(self, frames: int, shift: float = 0.0) -> NDArray[np.float16]:
        """One episode, float16 (frames, d); `shift` moves every dimension by so many standard deviations."""
        factors, dimensions = self.loadings.shape
        common = smooth(self.rng, frames, factors, self.correlation) @ self.loadings
        own = smooth(self.rng, frames, dimensions, self.correlation)
        effect = self.episode_effect * (
            self.rng.normal(size=factors) @ self.loadings + self.rng.normal(size=dimensions)
        )
        values = self.offset + (common + own + effect) / np.sqrt(2.0) + shift
        return np.asarray(np.maximum(values, 0), np.float16)


Frame = NDArray[np.uint8]
HEIGHT, WIDTH = 96, 128
"""Size of a simulated picture: all of its rows are in the bands that `quality` measures."""


class PictureCamera:
    """Draws normal episodes of one simulated camera as pictures: a fixed textured scene under weather and traffic.

    Light, tint, haze, shadows and the shake of the mount each have an offset of their own in every episode and follow
    an AR(1) process within it; the shadows are a few shared patterns, so that places move together. Objects cross the
    scene, more of them in one episode than in another. Every frame has the noise of a sensor.

    Args:
        seed: Of everything random.
        correlation: Of one frame with the next, 0 to 1.
        episode_effect: How much episodes differ, 0 for not at all.
    """

    def __init__(self, seed: int, *, correlation: float = 0.95, episode_effect: float = 1.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.correlation = correlation
        self.episode_effect = episode_effect
        self.scene = textured_scene(seed)
        fields = self.rng.normal(size=(3, 3, 4)).astype(np.float32)
        self.shadows = np.stack([cv2.resize(field, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for field in fields])
        self.grain = self.rng.normal(size=(2 * HEIGHT, 2 * WIDTH, 3)).astype(np.float32)
        places = self.rng.integers(8, (HEIGHT - 8, WIDTH - 8), size=(3, 2))
        self.lamps = np.zeros((HEIGHT, WIDTH, 1), np.float32)
        for y, x in places:
            cv2.circle(self.lamps, (int(x), int(y)), 4, (90.0,), -1)

    def episode(self, count: int, *, night: bool = False) -> list[Frame]:
        """The frames of one episode, (`HEIGHT`, `WIDTH`, 3); at night it is dark, grainy, and lamps are lit."""
        light = self._series(count, 0.3, 0.15) - (2.5 if night else 0.0)
        tint = np.stack([self._series(count, 0.05, 0.02), np.zeros(count), self._series(count, 0.05, 0.02)], axis=1)
        haze = np.abs(self._series(count, 0.03, 0.01))
        shade = np.stack([self._series(count, 0.1, 0.05) for _ in self.shadows], axis=1)
        shake = np.stack([self._series(count, 0.1, 0.15) for _ in range(2)], axis=1)
        noise = (6.0 if night else 2.0) * 2.0 ** self._series(count, 0.1, 0.03)
        traffic = [self._object() for _ in range(int(self.rng.integers(0, 4)))]
        frames = []
        for t in range(count):
            move = np.array([[1, 0, shake[t, 0]], [0, 1, shake[t, 1]]], np.float32)
            picture = cv2.warpAffine(self.scene, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
            shadow = np.exp2(np.tensordot(shade[t].astype(np.float32), self.shadows, 1))
            for place, speed, size, grey in traffic:
                x, y = (int(value) for value in place + speed * t)
                x %= 2 * WIDTH  # out of sight for half of the time
                picture[y : y + size[1], x : x + size[0]] = grey
            picture = picture * shadow[..., np.newaxis] * np.exp2(light[t] + tint[t]).astype(np.float32)
            picture = (1.0 - haze[t]) * picture + haze[t] * 200.0 * 2.0 ** light[t] + (self.lamps if night else 0.0)
            y, x = self.rng.integers(0, (HEIGHT, WIDTH))
            picture += noise[t].astype(np.float32) * self.grain[y : y + HEIGHT, x : x + WIDTH]
            frames.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
        return frames

    def signals(
        self, count: int, *, night: bool = False, damage: Callable[[Frame], Frame] | None = None
    ) -> FrameSignals:
        """The signals of one episode's frames, (count,), each frame damaged first."""
        frames = self.episode(count, night=night)
        return signals_of([damage(frame) for frame in frames] if damage else frames)

    def _series(self, count: int, between: float, within: float) -> NDArray[np.float64]:
        offset = self.episode_effect * between * self.rng.normal()
        return np.asarray(offset + within * smooth(self.rng, count, 1, self.correlation)[:, 0])

    def _object(self) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int], float]:
        place = self.rng.uniform((0, 10), (2 * WIDTH, HEIGHT - 30))
        speed = np.array([self.rng.uniform(3, 9) * self.rng.choice([-1, 1]), 0.0])
        return place, speed, (int(self.rng.integers(6, 20)), int(self.rng.integers(6, 16))), self.rng.uniform(10, 240)


def textured_scene(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.float32]:
    """A scene with relief at every scale, like a street: float32 (h, w, 3), grey levels, blue-green-red."""
    rng = np.random.default_rng([seed, 1])
    scene = np.full((height, width, 3), 110.0, np.float32)
    for cells, strength in ((3, 25.0), (8, 25.0), (20, 15.0), (height // 2, 8.0)):
        coarse = rng.normal(size=(cells, cells * width // height, 3)).astype(np.float32)
        coarse = 0.8 * coarse.mean(axis=2, keepdims=True) + 0.3 * coarse
        scene += strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        y, x = rng.integers(0, (height - 8, width - 8))
        size = rng.integers(6, (height // 3, width // 3))
        scene[y : y + size[0], x : x + size[1]] += rng.normal(size=3) * 8 + rng.normal() * 30
    return np.clip(scene, 5.0, 235.0)


def signals_of(frames: Sequence[Frame]) -> FrameSignals:
    """What `quality` measures of a clip's frames, (n,), each beside the one that follows it."""
    following = [*frames[1:], None]
    return np.array([measure(frame, after) for frame, after in zip(frames, following, strict=True)], FRAME_SIGNALS)


@cache
def some_signals() -> FrameSignals:
    """Real measurements for tests that are not about the picture, (64,)."""
    return PictureCamera(0).signals(64)


def smooth(rng: np.random.Generator, frames: int, columns: int, correlation: float) -> NDArray[np.float64]:
    """An AR(1) process of variance 1 in every column, (frames, columns)."""
    noise = rng.normal(size=(frames, columns))
    series = np.empty_like(noise)
    series[0] = noise[0]
    for t in range(1, frames):
        series[t] = correlation * series[t - 1] + np.sqrt(1 - correlation**2) * noise[t]
    return series
