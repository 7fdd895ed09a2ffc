"""A fourth gate, as small as one can be: is the picture as bright as it ever was? It shows what a gate takes."""
# ruff: noqa: ARG002, D101, D102  (what each method is for stands in `gates.protocol`)

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
        said = Status.FAIL if score > 1.0 else Status.PASS
        return GateResult(said, score, 1.0, f"{now:.0f} grey levels on average", numbers={"levels": now})

    def only(self, positions: Sequence[int]) -> Self:
        return type(self)(self.levels[list(positions)])

    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:
        return type(self)(np.concatenate([self.levels[list(kept)], BrightnessGate().learn(added, after).levels]))

    def describe(self, episodes: Episodes) -> Told:
        shown = f"{self.levels.min():.0f} to {self.levels.max():.0f} grey levels"
        return Told({"brightest": float(self.levels.max())}, {NAME: shown}, {"how bright it was": {"day": shown}})

    def pack(self) -> Packed:
        return Packed(arrays={NAME: self.levels})


class BrightnessGate(Gate):
    name, about, since, arrays, numbers = NAME, "light", 4, (NAME,), {"levels": float}

    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder:
        return BrightnessRecorder()

    def learn(self, windows: Sequence[Window], episodes: Episodes) -> BrightnessNormal:
        return BrightnessNormal(np.array([np.median(one.records[NAME]) for one in windows], np.float32))

    def unpack(self, packed: Packed, episodes: Episodes) -> BrightnessNormal:
        require(NAME, packed.arrays[NAME], np.float32, (len(episodes),))
        return BrightnessNormal(packed.arrays[NAME])
