"""Why a check failed: the likeliest causes, each with the numbers that speak for it.

Physics, no training: a failure shows in several measures at once, and the cause is the one that explains the others
away. Darkness costs contrast and colour and brings noise; fog costs as much detail as contrast; a moved camera makes
the picture unlike itself everywhere. What is left of a measure after that, in tolerances, is how strongly it speaks for
its own cause. Explaining is done in doublings, where one thing's share of another is a difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sentinel_edge.causes import Cause
from sentinel_edge.gates.quality.condition import BLOCKS, Views, displacement, places, whole
from sentinel_edge.gates.quality.normal import SOME_DETAIL, Assessment, KnownQuality, detail_change, shown_by
from sentinel_edge.gates.quality.soundness import (
    CLEAR,
    FEW_EDGES,
    MIN_HIDDEN,
    changed_in_part,
    doubt,
    elsewhere,
    on_the_glass,
    stands,
    tolerances_of,
    under_way,
)
from sentinel_edge.gates.quality.words import READINGS, number, told
from sentinel_edge.gates.signals import DIRECTIONS
from sentinel_edge.verdict.verdict import CauseFound

MOST_CAUSES = 3
LIKELY = 0.6
"""A strength from which a change is believed to be the likeliest cause, although normal footage may come as far."""
ALTERED = 0.4
"""1 - correlation from which it is worth the time to look for the same scene, turned or grown."""
LOOKED_AT = 3
"""Pieces of a window that are looked through for it."""
KEPT = 0.1
"""Doublings of detail, by which blocks twice as rich in it must have lost less, that tell an encoder from a lens: of
some 190 blurred windows none came to 0.01, most starved encoders to 0.1 to 0.9."""
HIDDEN_SHARE = 0.12
"""Share of blocks from which a part of the scene is hidden: every failure that hides nothing changed fewer."""
DRIFTS = 0.5
"""Doublings of contrast lost to scattered light from which it is fog that drifts, not an object."""
UNEVEN = 0.2
"""A smear takes more than this share more of the edges across it than a blur of all directions would."""
FAINT = 0.1
"""Doublings of edges lost that are too few to tell a direction by."""
DARK_NOISE = 3.0
"""Doublings of noise that one of darkness explains: few photons, a steeper tone curve, and gain."""
ANOTHER_VIEW = 2.0
"""Tolerances that a sound view of other things differs by in what needs no place to be measured: sound patrols came to
1.3, the same with a fault of middling severity to 3 and more."""
ANOTHER_MODE = 2.5
"""Doublings of colour from which a camera sees by another light than ever, as by infrared."""
_SEEN_EDGES = 8.0


def diagnose(assessment: Assessment, known: KnownQuality, *, picture_failed: bool) -> tuple[CauseFound, ...]:
    """The causes of a failed check, the likeliest first: one to three.

    Not for a check that passed: something is always named.

    Args:
        assessment: What the window's picture is like.
        known: What the baseline knows of the picture.
        picture_failed: Whether the picture itself is beyond what is normal (`assessment.score` > 1); otherwise only
            what is seen in it.
    """
    assessment = _found_again(assessment, known)
    strengths = _strengths(assessment, known)
    ranked = sorted(strengths, key=lambda cause: -strengths[cause])
    if strengths[ranked[0]] < LIKELY:
        if picture_failed:
            return (CauseFound(Cause.UNKNOWN, _unexplained(assessment, known)),)
        found: tuple[CauseFound, ...] = (CauseFound(Cause.SCENE_CHANGE, _sound(assessment)),)
    else:
        named = [ranked[0], *(cause for cause in ranked[1:MOST_CAUSES] if strengths[cause] > CLEAR)]
        found = tuple(CauseFound(cause, _evidence(cause, assessment, known)) for cause in named)
    unsure = doubt(assessment, known)
    if unsure and any(cause.kind is Cause.SCENE_CHANGE for cause in found):
        # What is seen changed, and that the camera is sound cannot be told: not to be learned before somebody looks.
        return (*found[: MOST_CAUSES - 1], CauseFound(Cause.UNKNOWN, unsure))
    return found


def _found_again(assessment: Assessment, known: KnownQuality) -> Assessment:
    """Looks harder for a camera that moved, where the scene is not recognised otherwise: too long for every check."""
    if assessment.deviations["moved"] >= CLEAR or assessment.changes["unlike"] < ALTERED:
        return assessment
    pieces = Views.of(assessment.conditions).relief
    pairs = list(zip(pieces, known.views.relief[list(assessment.nearest)], strict=True))[:LOOKED_AT]
    moved = float(np.median([displacement(relief, other, far=True) for relief, other in pairs]))
    tolerated = float(tolerances_of(assessment, known)[whole("moved")])
    return replace(
        assessment,
        changes=assessment.changes | {"moved": moved},
        deviations=assessment.deviations | {"moved": moved / tolerated},
    )


def _strengths(assessment: Assessment, known: KnownQuality) -> dict[Cause, float]:
    """How strongly the window speaks for each cause, in tolerances, what another explains taken away."""
    deviation = assessment.deviations
    frozen = {Cause.FROZEN: deviation["frozen"]}
    moved = deviation["moved"] >= CLEAR
    # Of a camera that is known to be under way medians show no scene to recognise.
    placed = stands(known)
    strange = placed and elsewhere(assessment, known)
    if under_way(assessment, known) and (faults := _without_a_place(assessment)):
        return faults | frozen
    if strange or under_way(assessment, known):
        # Of another scene, or of many places in turn: no measure compares like with like.
        return {Cause.SCENE_CHANGE: assessment.score} | frozen
    veil, snow = _veil(assessment), _precipitation(assessment)
    everywhere = {
        **_light(assessment, veil, snowing=snow > 0.0),
        Cause.FOG: max(_part(assessment, "contrast", veil), snow),
        **({} if moved else _detail(assessment, known)),
    }
    hidden = 0.0 if moved or veil > DRIFTS else _hidden(assessment, known)
    # What hides a part of the scene takes its light and its detail along.
    everywhere = {
        cause: strength * max(0.0, 1.0 - hidden / (2 * HIDDEN_SHARE)) for cause, strength in everywhere.items()
    }
    if on_the_glass(assessment, known):
        # What is taken for noise stays where it is.
        everywhere[Cause.OCCLUSION] = everywhere.pop(Cause.NOISE)
    # Something darker than all the scene, too, where the scene itself is no darker.
    cover = max(deviation["covered"], deviation["unlike"], -deviation["black"])
    return (
        frozen
        | everywhere
        | {
            Cause.COLOR_CAST: _colour(assessment, known, veil),
            Cause.CAMERA_MOVED: deviation["moved"],
            # An object hides a part and leaves the rest as it was: what changed everywhere shows in parts as well.
        }
        | (
            {}
            if moved
            else _in_part(assessment, everywhere, max(hidden / HIDDEN_SHARE, cover - max(everywhere.values())))
        )
    )


def _in_part(assessment: Assessment, everywhere: Mapping[Cause, float], strength: float) -> dict[Cause, float]:
    """What a change of some places is of: a cover takes their lasting edges and brings nothing sharp in their place."""
    lens = assessment.lens
    if lens is None:
        return {Cause.OCCLUSION: strength}
    covers = lens.hidden.sum() >= max(MIN_HIDDEN, lens.gone.sum() / 2) or lens.shows < FEW_EDGES
    cause = Cause.OCCLUSION if covers else Cause.SCENE_CHANGE
    return {cause: max(strength, everywhere.get(cause, 0.0))}


def _without_a_place(assessment: Assessment) -> dict[Cause, float]:
    """The faults that show in any view, by the measures that need no place; none where the picture is sound."""
    deviation = assessment.deviations
    strengths = {
        Cause.NOISE: deviation["noise"],
        Cause.COMPRESSION: deviation["blocks"],
        Cause.OVER_EXPOSURE: deviation["clipped"],
        Cause.LOW_LIGHT: -deviation["brightness"],
        Cause.BLUR: -deviation["detail"],
    }
    return {cause: strength for cause, strength in strengths.items() if strength > ANOTHER_VIEW}


def _hidden(assessment: Assessment, known: KnownQuality) -> float:
    """Share of the blocks whose light is not what any tone curve over the whole picture makes of it.

    Nothing that befalls lens, sensor or encoder does that: of our own failures only what hides a part or moves it.
    """
    return float(changed_in_part(assessment, known).mean())


def _part(assessment: Assessment, name: str, amount: float) -> float:
    """So much of a measure's change, in tolerances, >= 0."""
    change = abs(assessment.changes[name])
    return abs(assessment.deviations[name]) * max(0.0, amount) / change if change else 0.0


def _veil(assessment: Assessment) -> float:
    """Contrast lost, in doublings, that neither darkness nor drowning in white explains: scattered light."""
    change = assessment.changes
    drowned = -float(np.log2(1.0 - min(0.99, max(0.0, change["clipped"]))))
    return max(0.0, -change["contrast"] - max(0.0, -change["brightness"]) - drowned)


def _light(assessment: Assessment, veil: float, *, snowing: bool) -> dict[Cause, float]:
    """Darkness, too much light, and noise; where it snows, brightness and grain are the snow's."""
    change = assessment.changes
    darker, lighter = max(0.0, -change["brightness"]), max(0.0, change["brightness"])
    noise = _part(assessment, "noise", change["noise"] - DARK_NOISE * darker - lighter)
    # A veil draws every brightness towards its own.
    light = max(_part(assessment, "brightness", lighter - veil), assessment.deviations["clipped"])
    return {
        Cause.NOISE: 0.0 if snowing else noise,
        Cause.LOW_LIGHT: _part(assessment, "brightness", darker - veil),
        Cause.OVER_EXPOSURE: 0.0 if snowing else light,
    }


def _precipitation(assessment: Assessment) -> float:
    """Brightness and grain that rise together, in tolerances.

    More light makes a picture no grainier than brighter, so what is bright is the grain: snow, frost, spray, something
    lit before the lens.
    """
    change = assessment.changes
    lighter = _part(assessment, "brightness", change["brightness"])
    grain = _part(assessment, "noise", change["noise"] - max(0.0, change["brightness"]))
    return max(lighter, grain) if min(lighter, grain) > LIKELY else 0.0


def _colour(assessment: Assessment, known: KnownQuality, veil: float) -> float:
    """A change of colour that no change of light explains."""
    change = assessment.changes
    added = 1.0 - 2.0 ** -(veil + max(0.0, change["brightness"]))
    before = np.median(np.median(known.views.tint[list(assessment.nearest)], axis=2), axis=0)
    covered = float(np.log2(max(0.1, 1.0 - change["covered"])))
    # Added light is grey; the spread of the channels grows and shrinks with brightness, contrast and what is hidden.
    explained = {"red": -added * before[0], "blue": -added * before[1], "saturation": change["brightness"]}
    low = {name: min(0.0, float(amount)) for name, amount in explained.items()}
    low["saturation"] -= veil - covered
    rest = {name: change[name] - float(np.clip(change[name], low[name], max(0.0, explained[name]))) for name in low}
    return max(_part(assessment, name, abs(amount)) for name, amount in rest.items())


def _detail(assessment: Assessment, known: KnownQuality) -> dict[Cause, float]:
    """Detail lost: to an encoder, to a lens, to a smear."""
    change = assessment.changes
    grid = max(0.0, change["blocks"])
    lost, grows = _detail_lost(assessment, known)
    lost = _part(assessment, "detail", lost - max(0.0, -change["contrast"]) - grid)
    if lost > 0.0:
        # Where a scene has too little detail to lose, the grid of its own encoder shows that it was smoothed.
        lost = max(lost, _part(assessment, "blocks", -change["blocks"]))
    encoded = _part(assessment, "blocks", grid)
    softer = -assessment.deviations["sharp"]
    if assessment.lens:
        # Light, haze and an emptied place take fine and coarse alike; a lens or an encoder takes what is fine. Between
        # infrared and daylight there is nothing to compare detail by.
        comparable = softer >= CLEAR / 2 and abs(change["saturation"]) <= ANOTHER_MODE
        lost = max(lost, 0.0 if encoded > CLEAR else softer) if comparable else 0.0
    found = {Cause.COMPRESSION: encoded}
    if not grows:
        # A lens takes most where there is most; an encoder takes what is faint and keeps what is strong.
        found[Cause.COMPRESSION] = max(lost, found[Cause.COMPRESSION])
    else:
        found[Cause.MOTION_BLUR if _smear(assessment, known).uneven > UNEVEN else Cause.BLUR] = lost
    return found


def _detail_lost(assessment: Assessment, known: KnownQuality) -> tuple[float, bool]:
    """Doublings of fine detail lost where nothing hides the scene; whether blocks rich in it lost more than others."""
    tolerances = tolerances_of(assessment, known)
    fine, light = places("fine"), places("light")
    change = assessment.places[fine]
    shows = shown_by(known.detail)
    open_view = np.abs(assessment.places[light]) <= tolerances[light]
    weights = np.square(1.0 / tolerances[fine]) * np.where(open_view, 1.0, 1e-6)
    lost = -detail_change(change, shows, weights)
    weights *= np.square(shows) + 1e-9
    richness = np.log2(known.detail + SOME_DETAIL)
    richness = richness - np.average(richness, weights=weights)
    slope = float(weights @ (richness * change)) / max(1e-9, float(weights @ np.square(richness)))
    return lost, slope < KEPT


@dataclass(frozen=True, slots=True)
class _Smear:
    """How unevenly edges were lost.

    Attributes:
        uneven: How much more one direction lost than the average one, as a share of what all lost.
        direction: That direction, radians from across.
    """

    uneven: float
    direction: float


def _smear(assessment: Assessment, known: KnownQuality) -> _Smear:
    """The smear that fits best to what edges were lost.

    A blur takes a block's edges of every direction alike, a smear by a + c cos 2t + s sin 2t, where t is the direction
    of the gradient. Directions are compared within each block: between blocks the scene itself differs.
    """
    shape = (DIRECTIONS, BLOCKS)
    lost = -assessment.places[places("edges")].reshape(shape)
    edges = np.median(known.conditions["edges"].astype(np.float64), axis=0).reshape(shape)
    tolerances = tolerances_of(assessment, known)[places("edges")].reshape(shape)
    weights = np.square(edges / (edges + _SEEN_EDGES) / tolerances) + 1e-9
    waves = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])[:, :, np.newaxis]
    waves = waves - (waves * weights).sum(axis=1, keepdims=True) / weights.sum(axis=0)
    squares = np.einsum("idb,jdb,db->ij", waves, waves, weights) + 1e-9 * np.eye(2)
    cosine, sine = np.linalg.solve(squares, np.einsum("idb,db,db->i", waves, lost, weights))
    overall = float((weights * lost).sum() / weights.sum())
    uneven = float(np.hypot(cosine, sine)) / overall if overall > FAINT else 0.0
    return _Smear(uneven, float(np.arctan2(sine, cosine)) / 2)


_SPEAKS: dict[Cause, tuple[tuple[str, int], ...]] = {
    Cause.NOISE: (("noise", 1),),
    Cause.BLUR: (("detail", -1), ("sharp", -1), ("blocks", -1)),
    Cause.MOTION_BLUR: (("detail", -1), ("sharp", -1), ("blocks", -1)),
    Cause.LOW_LIGHT: (("brightness", -1),),
    Cause.OVER_EXPOSURE: (("brightness", 1), ("clipped", 1)),
    Cause.OCCLUSION: (("covered", 1), ("unlike", 1), ("black", -1)),
    Cause.CAMERA_MOVED: (("moved", 1),),
    Cause.FROZEN: (("frozen", 1),),
    Cause.COMPRESSION: (("blocks", 1), ("detail", -1)),
    Cause.COLOR_CAST: (("red", 1), ("red", -1), ("blue", 1), ("blue", -1), ("saturation", 1), ("saturation", -1)),
    Cause.FOG: (("contrast", -1), ("brightness", 1), ("noise", 1)),
}
"""The measures that may speak for a cause, up (1) or down (-1), the plainest first."""


def _evidence(cause: Cause, assessment: Assessment, known: KnownQuality) -> str:
    if cause is Cause.SCENE_CHANGE and under_way(assessment, known):
        return (
            "the camera itself is under way: within a few frames its picture moves by "
            f"{number(100.0 * assessment.travel)} % of its size, in the known conditions it stands still"
        )
    lens = assessment.lens
    if cause is Cause.SCENE_CHANGE and lens and known.lens and not elsewhere(assessment, known):
        return (
            f"{told('covered', assessment, known)}; {number(100.0 * max(0.0, lens.kept))} % of the lasting edges are "
            f"where they were (at least {number(100.0 * max(0.0, known.lens.usual))} % in the known episodes)"
        )
    if cause is Cause.SCENE_CHANGE:
        return (
            f"what is seen resembles none of the {len(known.conditions)} known conditions: correlation "
            f"{max(0.0, 1.0 - assessment.changes['unlike']):.2f}, {told('covered', assessment, known)}"
        )
    speaks = [(name, sign * assessment.deviations[name]) for name, sign in _SPEAKS[cause]]
    strongest = max(strength for _, strength in speaks)
    # The plainest of those that tell much: half as much as the one that tells most, and beyond what is normal.
    much = min(strongest, max(strongest / 2, CLEAR))
    line = told(next(name for name, strength in speaks if strength >= much), assessment, known)
    if cause is Cause.MOTION_BLUR:
        way = round(_smear(assessment, known).direction / (np.pi / 4)) % 4
        line += ", smeared " + ("sideways", "along a diagonal", "up and down", "along a diagonal")[way]
    return line


def _unexplained(assessment: Assessment, known: KnownQuality) -> str:
    deviation = assessment.deviations
    return told(max(deviation, key=lambda name: abs(deviation[name])), assessment, known)


def _sound(assessment: Assessment) -> str:
    deviation = assessment.deviations
    name = max(deviation, key=lambda name: abs(deviation[name]))
    return (
        f"what is seen changed more than the picture itself: {READINGS[name].name if name in READINGS else name} "
        f"deviates most, by {100.0 * abs(deviation[name]):.0f} % of what is tolerated"
    )
