"""Whether a camera is sound, as its lasting edges and its sharpness say: what is seen may then be learned.

To learn a fault is worst. So what changed is learned only where nothing speaks against the camera; where that cannot be
told, somebody looks.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import Measures, places
from sentinel_edge.gates.quality.normal import Assessment, KnownQuality
from sentinel_edge.gates.quality.travel import STAYS, TRAVELS
from sentinel_edge.gates.quality.words import number, told

CLEAR = 1.0
"""A strength beyond this is outside all that is normal: worth naming beside the likeliest cause."""
UNRELATED = 0.8
"""1 - correlation from which two pictures are of different scenes: views of unrelated ones came to 0.87 to 1.14, the
same scene with a quarter of it hidden to 0.78."""
STRANGE, FAR_BELOW = 0.3, 0.1
"""Share of the lasting edges below which two pictures are of different scenes, if no known condition came so near to
it: strangers came to 0.26 at most, the same camera to 0.3 even where plants grew over half the picture."""
OF_THE_SENSOR = ("black", "clipped", "noise", "blocks", "red", "blue", "saturation", "contrast")
"""Measures of what comes before the lens as little as of what is seen: a scene that changed is no reason for them."""
FEW_EDGES = 0.2
"""Share of the blocks that must have lasting edges for these to tell where a camera looks."""
FLAT = 3.0
"""Doublings of contrast lost from which there is no scene left to recognise: capped, drowned or dead, not moved."""
MIN_HIDDEN = 2
"""Blocks that a cover hides at least: one may be of something that stands there."""


def doubt(assessment: Assessment, known: KnownQuality) -> str | None:
    """Why it cannot be told that the camera is sound, or None where nothing speaks against it."""
    return next(_doubts(assessment, known), None)


def _doubts(assessment: Assessment, known: KnownQuality) -> Iterator[str]:
    lens = assessment.lens
    if under_way(assessment, known):
        return
    if lens is None or known.lens is None:
        yield "the baseline was made before lens and world were told apart; build it again"
        return
    if not stands(known):
        return
    if elsewhere(assessment, known):
        kept = number(100.0 * max(0.0, lens.kept))
        yield f"{kept} % of the lasting edges are where they were: is this that camera's baseline, or was it turned?"
    if -assessment.deviations["sharp"] > CLEAR / 2:
        yield f"fine detail is weaker beside the edges than it was, by {number(-lens.sharper)} doublings"
    if lens.hidden.any():
        share = number(100.0 * float(lens.hidden.mean()))
        yield f"in {share} % of the picture lasting edges are gone and nothing as sharp took their place"
    unknown = changed_in_part(assessment, known) & ~lens.has
    if unknown.sum() >= MIN_HIDDEN:
        share = number(100.0 * float(unknown.mean()))
        yield f"{share} % of the picture changed where it has no lasting edges to tell a cover from the world by"
    if lens.sharper > known.lens.finer:
        yield f"fine detail is stronger beside the edges than it was, by {number(lens.sharper)} doublings"
    for name, value in assessment.worse.items():
        if value > CLEAR and name in OF_THE_SENSOR:
            yield f"the picture itself changed as well: {told(name, assessment, known)}"
    if lens.fresh > known.lens.fresh:
        share = number(100.0 * lens.fresh)
        yield f"edges stay in {share} % of the picture where none did: on the glass, or in the scene?"


def elsewhere(assessment: Assessment, known: KnownQuality) -> bool:
    """Whether next to nothing of what lasts is where it was, and no movement of the camera explains that."""
    lens, change = assessment.lens, assessment.changes
    if assessment.deviations["moved"] >= CLEAR or change["contrast"] <= -FLAT:
        return False
    if lens is None or known.lens is None or lens.shows < FEW_EDGES:
        return change["unlike"] > UNRELATED
    return lens.kept < min(STRANGE, known.lens.usual - FAR_BELOW)


def stands(known: KnownQuality) -> bool:
    """Whether a camera is known to stand: its edges last, whatever large vehicles pass before it."""
    return known.travel <= TRAVELS if known.lens is None else known.lens.usual >= STRANGE or known.travel <= TRAVELS


def under_way(assessment: Assessment, known: KnownQuality) -> bool:
    """Whether a camera that is known as fixed is panned, patrols or rides: what it shows is normal of another kind."""
    return assessment.travel > TRAVELS and known.travel < STAYS


def on_the_glass(assessment: Assessment, known: KnownQuality) -> bool:
    """Whether something sharp lies over a scene that is still there: drops, dirt, cracks."""
    lens = assessment.lens
    if lens is None or known.lens is None:
        return False
    return lens.fresh > known.lens.fresh and lens.sharper > known.lens.finer and lens.kept > known.lens.usual / 2


def changed_in_part(assessment: Assessment, known: KnownQuality) -> NDArray[np.bool_]:
    """Which blocks' light is not what a tone curve over the whole picture makes of it, (`BLOCKS`,)."""
    light = places("light")
    return np.abs(assessment.places[light]) > tolerances_of(assessment, known)[light]


def tolerances_of(assessment: Assessment, known: KnownQuality) -> Measures:
    """What is tolerated of every measure of a window of that length, (`MEASURES`,)."""
    return np.asarray(known.tolerances[known.level(len(assessment.conditions))], np.float64)
