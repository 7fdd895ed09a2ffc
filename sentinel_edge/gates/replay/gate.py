"""The gate `replay`: was this seen before?

A camera that shows what it showed yesterday, or the same minute over and over, is the most normal there can be, to
every judge of likeness. It reads what the gate `quality` recorded of each frame, and records nothing itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sentinel_edge.causes import Cause
from sentinel_edge.footage.window import Recorder, Window
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
from sentinel_edge.gates.replay.normal import (
    LOOPED,
    MAX_PRINTS,
    PRINT,
    REPEATED,
    REPLAYED,
    TOLERATED_SHARES,
    KnownPrints,
    Sameness,
    compare_prints,
    learn_prints,
)
from sentinel_edge.gates.signals import PICTURE
from sentinel_edge.storage.arrays import DamagedError, require
from sentinel_edge.storage.documents import Number
from sentinel_edge.verdict.verdict import CauseFound, GateResult, Status

NAME = "replay"
_SAID = {
    REPLAYED: "{} of the frames are the baseline's own",
    LOOPED: "{} of the frames are others of this window again, or out of order",
    REPEATED: "{} of the frames are the same as the next",
}


@dataclass(frozen=True, slots=True)
class ReplayNormal(Normal):
    """What was seen before, and how near new footage comes to it.

    Attributes:
        known: See `KnownPrints`.
    """

    known: KnownPrints
    needs_records = False

    def judge(self, window: Window, episodes: Episodes, settings: Settings) -> GateResult:  # noqa: ARG002
        """Judge a window by whether its frames are new; NOT_JUDGED where that cannot be told."""
        if PICTURE not in window.records:
            reason = "nothing was recorded of the pictures; expected frames, not embeddings alone"
            return GateResult(Status.NOT_JUDGED, None, TOLERATED, reason)
        if len(window) < MIN_FRAMES:
            reason = f"too few frames: {len(window)} readable, expected {MIN_FRAMES} or more"
            return GateResult(Status.NOT_JUDGED, None, TOLERATED, reason)
        found = compare_prints(window.records[PICTURE], self.known)
        worst = max(found.scores, key=lambda name: found.scores[name])
        score = found.scores[worst]
        failed = score > TOLERATED
        reference = tuple(episodes.names[position] for position in found.episodes) if failed else ()
        return GateResult(
            Status.FAIL if failed else Status.PASS,
            score,
            TOLERATED,
            _said(found, worst) if failed else "the frames are new, and follow each other as they should",
            numbers={"deviations": found.scores},
            reference=reference,
            detail=found,
        )

    def explain(self, window: Window, results: Mapping[str, GateResult]) -> Explanation:
        """See `Normal.explain`."""
        own = results.get(NAME)
        if own is None or own.status is not Status.FAIL:
            return Explanation()
        found: Sameness = own.detail
        failed = sorted((name for name, score in found.scores.items() if score > TOLERATED), key=found.scores.get)  # type: ignore[arg-type]
        kinds = {REPEATED: Cause.FROZEN}
        evidence: dict[Cause, str] = {}
        for name in reversed(failed):
            evidence.setdefault(kinds.get(name, Cause.REPLAYED), _said(found, name))
        copies = tuple(window.origins[place] for place in np.flatnonzero(found.copies)[:MAX_FURTHEST])
        return Explanation(tuple(CauseFound(kind, said) for kind, said in evidence.items()), copies)

    def only(self, positions: Sequence[int]) -> Self:
        """See `Normal.only`."""
        return type(self)(self.known.only(positions))

    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:  # noqa: ARG002
        """See `Normal.grown` and `KnownPrints.then`."""
        return type(self)(self.known.only(kept).then(learn_prints([window.records[PICTURE] for window in added])))

    def for_learning(self) -> Self:
        """See `Normal.for_learning`: the baseline's own footage may come again, what repeats itself may not."""
        return type(self)(replace(self.known, near=0.0))

    def describe(self, episodes: Episodes) -> Told:  # noqa: ARG002
        """See `Normal.describe`."""
        share = f"{TOLERATED_SHARES[REPLAYED]:.0%} of a window's frames"
        told = f"{len(self.known.prints)} frames of it are known again; {share} or more are a replay"
        if not self.known.near:
            told = "nothing: its frames are too much alike to be told apart"
        return Told(facts={"known_again": len(self.known.prints)}, rows={"known again": told})

    def pack(self) -> Packed:
        """See `Normal.pack`."""
        known = self.known
        return Packed(
            {"near": [known.near, known.near_itself]},
            dict(zip(ReplayGate.arrays, (known.prints, known.owners), strict=True)),
            {"repeats": known.repeats.tolist(), "compared": known.frames.tolist()},
        )


class ReplayGate(Gate):
    """See the module."""

    name = NAME
    about = "whether it is new"
    since = 4
    arrays = ("prints", "print_owners")
    numbers: Mapping[str, Any] = {"deviations": Mapping[str, Number]}
    needs_records = False

    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder | None:  # noqa: ARG002
        """See `Gate.recorder`: it reads another's."""
        return None

    def learn(self, windows: Sequence[Window], episodes: Episodes) -> ReplayNormal | None:  # noqa: ARG002
        """See `Gate.learn` and `normal.learn_prints`."""
        if not all(PICTURE in window.records for window in windows):
            return None
        return ReplayNormal(learn_prints([window.records[PICTURE] for window in windows]))

    def unpack(self, packed: Packed, episodes: Episodes) -> ReplayNormal:
        """See `Gate.unpack`."""
        prints, owners = (packed.arrays[name] for name in self.arrays)
        count = len(owners) if owners.ndim == 1 else 0
        require("prints", prints, np.uint16, (count, PRINT))
        require("print_owners", owners, np.int64, (count,))
        near, near_itself = (float(value) for value in packed.header["near"])
        repeats, frames = (np.array(packed.per_episode[name], np.int64) for name in ("repeats", "compared"))
        sound = (
            count <= MAX_PRINTS
            and (np.diff(owners) >= 0).all()
            and ((owners >= 0) & (owners < len(episodes))).all()
            and repeats.shape == frames.shape == (len(episodes),)
            and ((repeats >= 0) & (repeats <= frames)).all()
            and 0 <= near < np.inf
            and 0 <= near_itself < np.inf
        )
        if not sound:
            raise DamagedError("contradicts itself (prints of frames, their owners or counts are out of order)")
        return ReplayNormal(KnownPrints(prints, owners, repeats, frames, near, near_itself))


def _said(found: Sameness, name: str) -> str:
    return _SAID[name].format(f"{found.shares[name]:.0%}")
