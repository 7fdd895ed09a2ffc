"""Simulated embeddings with a known answer: nothing changed, but nothing is independent either.

Each dimension follows an AR(1) process in time (neighbouring frames resemble each other), every episode adds its own
offset (one hour's traffic is not another's), and dimensions move together through a few shared factors. Values are
rectified, as a ReLU network's are, so that many are exactly zero.
"""

import numpy as np
from numpy.typing import NDArray


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
        common = self._smooth(frames, factors) @ self.loadings
        own = self._smooth(frames, dimensions)
        effect = self.episode_effect * (
            self.rng.normal(size=factors) @ self.loadings + self.rng.normal(size=dimensions)
        )
        values = self.offset + (common + own + effect) / np.sqrt(2.0) + shift
        return np.asarray(np.maximum(values, 0), np.float16)

    def _smooth(self, frames: int, columns: int) -> NDArray[np.float64]:
        noise = self.rng.normal(size=(frames, columns))
        series = np.empty_like(noise)
        series[0] = noise[0]
        for t in range(1, frames):
            series[t] = self.correlation * series[t - 1] + np.sqrt(1 - self.correlation**2) * noise[t]
        return series
