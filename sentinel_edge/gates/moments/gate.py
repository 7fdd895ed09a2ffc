"""The gate `moments`: is any part of the window unlike all that is known?

The other gates sum a window up, and a sum forgives what comes and goes. It reads what the gate `quality` recorded of
each frame as well.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.causes import Cause
from sentinel_edge.footage.samples import Sample
from sentinel_edge.footage.window import Recorder, Window, at_once
from sentinel_edge.gates.moments.normal import (
    LEAST_FRAMES,
    MAX_SCENES,
    MEASURES,
    SCENE,
    SHARE,
    TORN_SHARE,
    KnownMoments,
    Stretch,
    assess_moments,
    extend_moments,
    learn_moments,
    spread,
)
from sentinel_edge.gates.protocol import (
    MAX_FURTHEST,
    MIN_FRAMES,
    TOLERATED,
    Episodes,
    Explanation,
    Gate,
    Models,
    Normal,
    Packed,
    Settings,
    Told,
)
from sentinel_edge.gates.signals import PICTURE, FrameSignals
from sentinel_edge.storage.arrays import DamagedError, require
from sentinel_edge.storage.documents import Number
from sentinel_edge.verdict.verdict import CauseFound, GateResult, Status

NAME = "moments"
TORN = "torn"
LEAST_TORN = 2.5
"""Torn frames of which a window may always have fewer, however short it is."""


class SpreadRecorder(Recorder):
    """Holds a frame against the native one behind it; a record is what `normal.spread` gives."""

    name = NAME
    blank = np.float32(np.nan)
    successors = 1

    def take(self, sample: Sample) -> Future[Any]:
        """See `Recorder.take`."""
        return at_once(np.float32(spread(sample.frame, sample.successor)))


@dataclass(frozen=True, slots=True)
class MomentsNormal(Normal):
    """What single frames are like when nothing is wrong.

    Attributes:
        known: See `KnownMoments`.
    """

    known: KnownMoments

    def judge(self, window: Window, episodes: Episodes, settings: Settings) -> GateResult:  # noqa: ARG002
        """Judge a window by its worst quarter and by its torn frames; NOT_JUDGED where that cannot be told."""
        if PICTURE not in window.records:
            reason = "nothing was recorded of the pictures; expected frames, not embeddings alone"
            return GateResult(Status.NOT_JUDGED, None, TOLERATED, reason)
        count = len(window)
        if count < MIN_FRAMES:
            reason = f"too few frames: {count} readable, expected {MIN_FRAMES} or more"
            return GateResult(Status.NOT_JUDGED, None, TOLERATED, reason)
        found = assess_moments(window.records[PICTURE], window.records[NAME], window.samples, self.known)
        torn = found.torn * count / max(LEAST_TORN, TORN_SHARE * count)
        deviations = found.deviations | {TORN: torn}
        score = max(deviations.values())
        return GateResult(
            Status.FAIL if score > TOLERATED else Status.PASS,
            score,
            TOLERATED,
            _told(found, torn, window),
            numbers={"deviations": deviations},
            detail=found,
        )

    def explain(self, window: Window, results: Mapping[str, GateResult]) -> Explanation:
        """See `Normal.explain`: what comes and goes with every frame is no world; of a part the others are asked."""
        own = results.get(NAME)
        picture = results.get(PICTURE)
        if own is None or own.status is not Status.FAIL or (picture and picture.status is Status.FAIL):
            return Explanation()  # what befell the whole window befell its parts
        found: Stretch = own.detail
        if own.numbers["deviations"][TORN] > TOLERATED:
            torn = tuple(window.origins[place] for place in np.flatnonzero(found.torn_frames)[:MAX_FURTHEST])
            return Explanation((CauseFound(Cause.CORRUPTED, own.reason),), torn)
        part = slice(found.start, found.stop)
        return Explanation(furthest=window.origins[part][:MAX_FURTHEST], part=part)

    def only(self, positions: Sequence[int]) -> Self:
        """See `Normal.only`: scenes go, tolerances stay."""
        return type(self)(self.known.only(positions))

    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:  # noqa: ARG002
        """See `Normal.grown` and `normal.extend_moments`."""
        signals, spreads = _recorded(added)
        lengths = [window.samples for window in added]
        return type(self)(extend_moments(self.known.only(kept), len(kept), signals, spreads, lengths))

    def describe(self, episodes: Episodes) -> Told:
        """See `Normal.describe`: how much of a window must be lost before it is seen."""
        least = max(float(LEAST_FRAMES), SHARE * episodes.typical)
        told = (
            f"what lasts a quarter of a window ({least:.0f} of {episodes.typical:.0f} samples), or comes and goes in "
            f"more than {TORN_SHARE:.0%} of its frames"
        )
        return Told(facts={"lost_share": SHARE, "torn_share": TORN_SHARE}, rows={"seen": told})

    def pack(self) -> Packed:
        """See `Normal.pack`."""
        known = self.known
        arrays = (known.scenes, known.owners, known.lengths, known.tolerances)
        return Packed({"torn": known.torn.tolist()}, dict(zip(MomentsGate.arrays, arrays, strict=True)))


class MomentsGate(Gate):
    """See the module."""

    name = NAME
    about = "its single parts"
    since = 4
    arrays = ("scenes", "scene_owners", "stretch_lengths", "stretch_tolerances")
    numbers: Mapping[str, Any] = {"deviations": Mapping[str, Number]}

    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder:  # noqa: ARG002
        """See `Gate.recorder`."""
        return SpreadRecorder()

    def learn(self, windows: Sequence[Window], episodes: Episodes) -> MomentsNormal | None:
        """See `Gate.learn` and `normal.learn_moments`."""
        if not all(PICTURE in window.records for window in windows):
            return None
        return MomentsNormal(learn_moments(*_recorded(windows), episodes.samples))

    def unpack(self, packed: Packed, episodes: Episodes) -> MomentsNormal:
        """See `Gate.unpack`."""
        scenes, owners, lengths, tolerances = (packed.arrays[name] for name in self.arrays)
        count, levels = (len(array) if array.ndim == 1 else 0 for array in (owners, lengths))
        require("scenes", scenes, SCENE, (count,))
        require("scene_owners", owners, np.int64, (count,))
        require("stretch_lengths", lengths, np.float64, (levels,))
        require("stretch_tolerances", tolerances, np.float32, (levels, len(MEASURES)))
        torn = np.array(packed.header["torn"], np.float64)
        sound = (
            0 < count <= MAX_SCENES
            and ((owners >= 0) & (owners < len(episodes))).all()
            and levels > 0
            and (lengths > 0).all()
            and (np.diff(lengths) > 0).all()
            and (tolerances > 0).all()
            and (scenes["fine"] >= 0).all()
            and torn.shape == (2,)
            and ((torn > 0) & (torn < np.inf)).all()
        )
        if not sound:
            raise DamagedError("contradicts itself (scenes, lengths or tolerances of stretches are out of order)")
        return MomentsNormal(KnownMoments(scenes, owners, lengths, tolerances, torn))


def _recorded(windows: Sequence[Window]) -> tuple[list[FrameSignals], list[NDArray[np.float32]]]:
    return [window.records[PICTURE] for window in windows], [window.records[NAME] for window in windows]


def _told(found: Stretch, torn: float, window: Window) -> str:
    worst = max(found.deviations, key=lambda name: found.deviations[name])
    share = found.deviations[worst]
    if torn > max(TOLERATED, share):
        most = f"above {TORN_SHARE:.0%} is FAIL"
        return f"{found.torn:.0%} of the frames are unlike the next as no motion makes them ({most})"
    if share > TOLERATED:
        where = f"from {window.origins[found.start]} to {window.origins[found.stop - 1]}"
        return f"a part of it is unlike all that is known ({where}): {worst} {share:.1f} times what is tolerated"
    return f"no part of it is unlike all that is known (the most: {worst}, {share:.0%} of what is tolerated)"
