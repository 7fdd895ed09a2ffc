"""A fourth gate, as small as one can be: is the picture as bright as it ever was? It shows what a gate takes."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.samples import Sample
from sentinel_edge.footage.window import Recorder, Window, at_once
from sentinel_edge.gates.protocol import Episodes, Gate, Models, Normal, Packed, Settings, Told
from sentinel_edge.storage.arrays import require
from sentinel_edge.verdict.verdict import GateResult, Status

NAME, TOLERATED_LEVELS = "brightness", 20.0


class BrightnessRecorder(Recorder):
    name, blank = NAME, np.float32(0)

    def take(self, sample: Sample) -> Future[Any]:
        return at_once(np.float32(sample.frame.mean()))


@dataclass(frozen=True)
class BrightnessNormal(Normal):
    levels: NDArray[np.float32]  # (e,) grey levels, median of each episode

    def judge(self, window: Window, episodes: Episodes, settings: Settings) -> GateResult:
        now = float(np.median(window.records[NAME]))
        score = float(np.abs(self.levels - now).min()) / TOLERATED_LEVELS
        return GateResult(Status("FAIL" if score > 1 else "PASS"), score, 1.0, f"{now:.0f} levels", {"levels": now})

    def only(self, positions: Sequence[int]) -> Self:
        return type(self)(self.levels[list(positions)])

    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:
        return type(self)(np.concatenate([self.levels[list(kept)], BrightnessGate().learn(added, after).levels]))

    def describe(self, episodes: Episodes) -> Told:
        return Told({"brightest": float(self.levels.max())}, {}, {"how bright it was": {"day": f"{self.levels}"}})

    def pack(self) -> Packed:
        return Packed(arrays={NAME: self.levels})


class BrightnessGate(Gate):
    name, about, since, arrays, numbers = NAME, "light", 4, (NAME,), {"levels": float}

    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder:
        return BrightnessRecorder()

    def learn(self, windows: Sequence[Window], episodes: Episodes) -> BrightnessNormal:
        return BrightnessNormal(np.array([np.median(one.records[NAME]) for one in windows], np.float32))

    def unpack(self, packed: Packed, episodes: Episodes) -> BrightnessNormal:
        require(NAME, packed.arrays[NAME], np.float32, (len(episodes),))  # of that type and size, and finite
        return BrightnessNormal(packed.arrays[NAME].clip(0, 255))
