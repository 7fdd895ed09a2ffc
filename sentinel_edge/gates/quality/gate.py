"""The gate `quality`: has the picture itself changed?

Its score is the largest deviation of a measure, in units of what is tolerated.
It also names the causes of a FAIL, its own or the embedding gate's: what befell a camera shows in its picture.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.causes import Cause
from sentinel_edge.footage.samples import Sample
from sentinel_edge.footage.window import Recorder, Window, at_once
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
    too_long,
)
from sentinel_edge.gates.quality.anchors import anchored, told, vouched
from sentinel_edge.gates.quality.condition import (
    BLOCKS,
    CONDITION,
    CONDITION_3,
    LARGEST,
    MEASURES,
    WHOLE,
    longest_still,
    unsharp,
)
from sentinel_edge.gates.quality.diagnosis import diagnose
from sentinel_edge.gates.quality.learning import extend_quality, learn_quality
from sentinel_edge.gates.quality.lens import KnownLens
from sentinel_edge.gates.quality.normal import (
    FROZEN,
    FROZEN_SHARE,
    HIDDEN,
    MAX_CONDITIONS,
    SHARP,
    SUMMARIES,
    Assessment,
    KnownQuality,
    assess,
)
from sentinel_edge.gates.quality.travel import travel
from sentinel_edge.gates.signals import FRAME_SIGNALS, PICTURE, SCENE_COLUMNS, SCENE_ROWS, measure
from sentinel_edge.storage.arrays import DamagedError, require, require_number
from sentinel_edge.storage.documents import Number
from sentinel_edge.verdict.verdict import CauseFound, GateResult, Status

LENS = "lens"
"""What is kept of the lens."""
_ARRAYS = ("conditions", "owners", "runs", "tolerances", "summary_tolerances")
_LENS_NUMBERS = ("episodes", "usual", "fresh", "softer", "finer")
SEEN = "embedding"
"""The gate whose FAIL this one explains as well."""
NAMED_MEASURES = 3
"""Measures named in the reason."""
STILL_SHARE = 0.3
"""Share of an episode that may stand still before whoever builds a baseline is told."""
_PLAIN_NAMES = {
    "unlike": "what is seen",
    "moved": "position",
    "covered": "single places",
    "blocks": "8-pixel grid",
    "black": "darkest parts",
    "clipped": "white pixels",
    "detail": "fine detail",
    "sharp": "sharpness",
}


class QualityRecorder(Recorder):
    """Measures frames; a record is one of `signals.FRAME_SIGNALS`."""

    name = PICTURE
    blank = np.zeros((), FRAME_SIGNALS)
    successors = 1

    def take(self, sample: Sample) -> Future[Any]:
        """See `Recorder.take`."""
        return at_once(measure(sample.frame, sample.successor))


@dataclass(frozen=True, slots=True)
class QualityNormal(Normal):
    """What the picture is like when nothing is wrong.

    Attributes:
        known: See `KnownQuality`.
    """

    known: KnownQuality

    @property
    def outliers(self) -> tuple[int, ...]:
        """Positions of the episodes that have no like among the others."""
        return self.known.outliers

    def judge(self, window: Window, episodes: Episodes, settings: Settings) -> GateResult:  # noqa: ARG002
        """Judge a window by its picture."""
        assessment = self._assessed(window)
        if assessment is None:
            frames = len(window)
            reason = f"too few frames: {frames} readable, expected {MIN_FRAMES} or more; give a longer window"
            return GateResult(Status.ERROR, None, TOLERATED, reason)
        deviations = assessment.worse
        worst = sorted(deviations, key=lambda name: -deviations[name])
        outside = [name for name in worst if deviations[name] > TOLERATED]
        problem = too_long(window.samples, MIN_FRAMES, episodes)
        if problem and not outside:
            return GateResult(Status.ERROR, None, TOLERATED, problem, detail=assessment)
        if outside:
            named = ", ".join(f"{_plainly(name)} {deviations[name]:.1f}" for name in outside[:NAMED_MEASURES])
            count = f"{len(outside)} of {len(deviations)} measures"
            reason = f"{count} outside what is normal: {named} times what is tolerated"
        else:
            most = f"largest deviation: {_plainly(worst[0])}, {deviations[worst[0]]:.0%} of what is tolerated"
            reason = f"the picture is within what is normal ({most})"
            better = [name for name in assessment.deviations if abs(assessment.deviations[name]) > TOLERATED]
            if better:
                reason += f"; better than ever: {', '.join(_plainly(name) for name in better)}"
        names = [episodes.names[int(self.known.owners[position])] for position in assessment.nearest]
        return GateResult(
            Status.FAIL if outside else Status.PASS,
            assessment.score,
            TOLERATED,
            reason,
            numbers={"deviations": assessment.deviations},
            reference=tuple(dict.fromkeys(names)),
            detail=assessment,
        )

    def explain(self, window: Window, results: Mapping[str, GateResult]) -> Explanation:
        """See `Normal.explain`: what befell the picture or what is seen in it.

        Where the picture is within what is normal, and what is seen as well, it leaves the causes to the others.
        """
        own = results.get(PICTURE)
        assessment = own.detail if own else self._assessed(window)  # not asked to judge, it may still know why
        if assessment is None:
            return Explanation()
        failed = {name for name, result in results.items() if result.status is Status.FAIL}
        picture_failed = assessment.score > TOLERATED and (own is not None or bool(failed - {SEEN}))
        causes: tuple[CauseFound, ...] = ()
        if picture_failed or SEEN in failed:
            way = travel(window.records[PICTURE])
            causes = diagnose(replace(assessment, travel=way), self.known, picture_failed=picture_failed)
        return Explanation(causes, self._furthest(window, causes))

    def only(self, positions: Sequence[int]) -> Self:
        """See `Normal.only`: conditions go, tolerances stay."""
        return type(self)(self.known.only(positions))

    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:  # noqa: ARG002
        """See `Normal.grown` and `learning.extend_quality`."""
        new = len(after) - len(added)
        signals = [window.records[PICTURE] for window in added]
        return type(self)(extend_quality(self.known.only(kept), after.samples[:new], signals, after.samples[new:]))

    def anchored(self) -> Self:
        """See `Normal.anchored` and `anchors.anchored`."""
        return type(self)(anchored(self.known))

    def vouched(self, window: Window) -> Self:
        """See `Normal.vouched` and `anchors.vouched`."""
        return type(self)(vouched(self.known, window.records[PICTURE], window.samples))

    def changes(self, result: GateResult) -> str:
        """See `Normal.changes`."""
        return told(result.detail) if result.detail else ""

    def weaknesses(self, episodes: Episodes) -> list[str]:
        """See `Normal.weaknesses`."""
        found = [
            f"episode {episodes.names[position]} looks like none of the others: if it shows a failure, leave it "
            "out; if it is normal, give more footage like it"
            for position in self.outliers
        ]
        if self.known.lens is None:
            found.append(
                "it was made before lens and world were told apart: every change asks for a look; build it again"
            )
        still = float(self.known.conditions["still_share"].max())
        if still > STILL_SHARE:
            found.append(
                f"an episode stands still for {still:.0%} of its time: a frozen camera will hardly be told; if the "
                "camera hung, leave that episode out"
            )
        return found

    def describe(self, episodes: Episodes) -> Told:
        """See `Normal.describe`: how far a window of typical length may be from the known condition most like it.

        The facts hold `typical_samples`, that length; `tolerances`, in the units of `condition.VISIBLE` and
        `SUMMARIES`, `frozen` as a share of the window; and `tolerated`, the same in words.
        """
        known, typical = self.known, episodes.typical
        level = known.level(known.pieces(typical))
        whole, summaries = known.tolerances[level][: len(WHOLE)], known.summary_tolerances[level]
        values = [*whole.tolist(), *summaries.tolist(), FROZEN_SHARE]
        tolerances = dict(zip((*WHOLE, *SUMMARIES, FROZEN), values, strict=True))
        if known.lens:
            tolerances[SHARP] = known.lens.softer
        tolerated = {_TOLD[measure][0]: _TOLD[measure][1](value) for measure, value in tolerances.items()}
        heading = f"what the picture of {typical:.0f} samples may differ by from the most similar one known"
        rounded = {measure: round(value, 4) for measure, value in tolerances.items()}
        return Told(
            facts={"typical_samples": typical, "tolerances": rounded, "tolerated": tolerated},
            sections={heading: tolerated},
        )

    def pack(self) -> Packed:
        """See `Normal.pack`."""
        known = self.known
        header = {"piece_samples": known.piece_samples, "travel": known.travel, "outliers": known.outliers}
        arrays = {name: getattr(known, name) for name in _ARRAYS}
        if known.lens is None:
            return Packed(
                header, arrays | {"conditions": known.conditions[list(CONDITION_3.names or ())].astype(CONDITION_3)}
            )
        told = {name: getattr(known.lens, name) for name in _LENS_NUMBERS}
        told["usual_blocks"] = [round(float(value), 4) for value in known.lens.usual_blocks]
        return Packed(header | {LENS: told}, arrays | {LENS: known.lens.edges})

    def _assessed(self, window: Window) -> Assessment | None:
        """What the window's picture is like; None where there are too few frames to say."""
        if PICTURE not in window.records or len(window) < MIN_FRAMES:
            return None
        return assess(window.records[PICTURE], window.samples, self.known)

    def _furthest(self, window: Window, causes: Sequence[CauseFound]) -> tuple[str, ...]:
        """The frames to look at: where a repeat begins and ends, or else those least like any known condition."""
        signals, origins = window.records[PICTURE], window.origins
        if causes and causes[0].kind is Cause.FROZEN:
            start, stop = longest_still(signals)
            return tuple(dict.fromkeys((origins[start], origins[min(stop, len(origins) - 1)])))
        frames, known = _flat(signals["luma"]), _flat(self.known.conditions["luma"])
        # |a - b|^2 = |a|^2 - 2ab + |b|^2: one product of matrices in place of (frames, conditions, pixels) differences.
        distance = np.square(frames).sum(1)[:, None] - 2.0 * frames @ known.T + np.square(known).sum(1)
        furthest = np.argsort(-distance.min(axis=1), kind="stable")[:MAX_FURTHEST]
        return tuple(origins[frame] for frame in furthest)


class QualityGate(Gate):
    """See the module."""

    name = PICTURE
    about = "the picture itself"
    since = 2
    arrays = (*_ARRAYS, LENS)
    later = (LENS,)
    numbers: Mapping[str, Any] = {"deviations": Mapping[str, Number]}

    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder:  # noqa: ARG002
        """See `Gate.recorder`."""
        return QualityRecorder()

    def learn(self, windows: Sequence[Window], episodes: Episodes) -> QualityNormal:
        """See `Gate.learn` and `learning.learn_quality`."""
        return QualityNormal(learn_quality([window.records[PICTURE] for window in windows], episodes.samples))

    def unpack(self, packed: Packed, episodes: Episodes) -> QualityNormal:
        """See `Gate.unpack`."""
        conditions, owners, runs, tolerances, summaries = (packed.arrays[name] for name in _ARRAYS)
        known, levels = (len(array) if array.ndim == 1 else 0 for array in (conditions, runs))
        lens = _unpacked(packed) if LENS in packed.arrays else None
        require("conditions", conditions, CONDITION if lens else CONDITION_3, (known,))
        conditions = conditions if lens else unsharp(conditions)
        require("owners", owners, np.int64, (known,))
        require("runs", runs, np.int64, (levels,))
        require("tolerances", tolerances, np.float32, (levels, MEASURES))
        require("summary_tolerances", summaries, np.float32, (levels, len(SUMMARIES)))
        header = packed.header
        piece_samples = require_number("piece_samples", header["piece_samples"], 1, 1e12)
        way = require_number("travel", header.get("travel", 0.0), 0, 10)
        if not isinstance(header["outliers"], list):
            raise DamagedError(f"holds outliers {repr(header['outliers'])[:40]}; expected a list of positions")
        outliers = tuple(
            int(require_number("outliers", position, 0, len(episodes) - 1)) for position in header["outliers"]
        )
        sound = (
            known <= MAX_CONDITIONS
            and (owners >= 0).all()
            and (owners < len(episodes)).all()
            and runs[0] == 1
            and (np.diff(runs) > 0).all()
            and ((tolerances > 0) & (tolerances <= LARGEST)).all()
            and ((summaries > 0) & (summaries <= LARGEST.max())).all()
            and all((conditions[name] >= 0).all() for name in ("noise", "edges", "fine", "still_run", "still_share"))
        )
        if not sound:
            raise DamagedError("contradicts itself (conditions, runs, tolerances or outliers are out of order)")
        return QualityNormal(
            KnownQuality(conditions, owners, runs, tolerances, summaries, piece_samples, way, outliers, lens)
        )


def _unpacked(packed: Packed) -> KnownLens:
    """What a file keeps of the lens, checked."""
    edges, told = packed.arrays[LENS], packed.header[LENS]
    require(LENS, edges, np.int8, (2, SCENE_ROWS, SCENE_COLUMNS))
    blocks = np.array(told["usual_blocks"], np.float32)
    require("usual_blocks", blocks, np.float32, (BLOCKS,))
    lens = KnownLens(
        edges,
        int(told["episodes"]),
        float(told["usual"]),
        blocks,
        float(told["fresh"]),
        float(told["softer"]),
        float(told["finer"]),
    )
    if not (
        lens.episodes > 0
        and -1 <= lens.usual <= 1
        and all(0 < one < np.inf for one in (lens.fresh, lens.softer, lens.finer))
    ):
        raise DamagedError("contradicts itself (what it holds of the lens is out of order)")
    return lens


def _plainly(measure: str) -> str:
    """A measure's name in a sentence."""
    return _PLAIN_NAMES.get(measure, measure)


def _flat(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pictures.reshape(len(pictures), -1).astype(np.float32)


def _between(doublings: float) -> str:
    """A change of so many doublings, either way."""
    return f"{_percent(2.0**-doublings - 1.0)} to {_percent(2.0**doublings - 1.0)}"


def _percent(share: float) -> str:
    return f"{100.0 * share:+.0f} %"


_TOLD: dict[str, tuple[str, Callable[[float], str]]] = {
    "brightness": ("brightness", _between),
    "contrast": ("contrast", _between),
    "black": ("darkest parts", lambda value: f"-{value:.0f} to +{value:.0f} grey levels"),
    "clipped": ("white pixels", lambda value: f"{_percent(-value)} to {_percent(value)} of the picture"),
    "noise": ("noise", lambda value: f"up to {2.0**value:.1f} times, or 1/{2.0**value:.1f}"),
    "blocks": ("8-pixel grid", lambda value: f"up to {2.0**value:.1f} times as strong"),
    "red": ("red to green", _between),
    "blue": ("blue to green", _between),
    "saturation": ("colourfulness", _between),
    "unlike": ("what is seen", lambda value: f"a correlation of {max(0.0, 1.0 - value):.2f} or more"),
    "moved": ("moved", lambda value: f"by up to {100.0 * value:.1f} % of the picture"),
    # A block that is hidden altogether counts `HIDDEN` times.
    "covered": ("hidden", lambda value: f"up to {min(100.0, 100.0 * value / HIDDEN):.0f} % of the picture"),
    "detail": ("fine detail", _between),
    SHARP: ("sharpness", lambda value: f"{_percent(2.0**-value - 1.0)} against the softest picture of a light like it"),
    FROZEN: (
        "frozen",
        lambda value: f"for up to {100.0 * value:.0f} % of the window longer than any stillness known, doubled",
    ),
}
"""What each measure's tolerance means to a person: its name and its value in words."""
