"""What the quality gate keeps for good of the episodes a baseline was founded on, and how drift since then is told.

An anchor is a smaller `KnownQuality`: the founding conditions that differ most, with the tolerances as they were then.
What somebody vouches for later adds conditions, beyond those, and widens nothing.
"""

from dataclasses import replace

import numpy as np

from sentinel_edge.gates.protocol import TOLERATED
from sentinel_edge.gates.quality.learning import most_diverse
from sentinel_edge.gates.quality.normal import SHARP, Assessment, KnownQuality, cut
from sentinel_edge.gates.signals import FrameSignals

FOUNDING_CONDITIONS, ANCHOR_CONDITIONS = 24, 32
"""Conditions kept of the founding episodes, and with those vouched for later: about 5 kB each."""
NAMED = 3
"""Measures named of what drifted."""


def anchored(known: KnownQuality) -> KnownQuality:
    """What is kept for good of what is known so far; its conditions belong to no episode in particular."""
    kept = known.conditions[most_diverse(known.conditions, FOUNDING_CONDITIONS)]
    return replace(known, conditions=kept, owners=np.zeros(len(kept), np.int64), outliers=())


def vouched(anchors: KnownQuality, signals: FrameSignals, samples: int) -> KnownQuality:
    """Anchors that know this as well, (n,) frames which stand for so many samples."""
    added = cut(signals, anchors.pieces(samples, len(signals)), samples)
    every = np.concatenate([anchors.conditions, added])
    founding = min(len(anchors.conditions), FOUNDING_CONDITIONS)
    kept = every[most_diverse(every, ANCHOR_CONDITIONS, founding)]
    return replace(anchors, conditions=kept, owners=np.zeros(len(kept), np.int64))


def told(assessment: Assessment) -> str:
    """The measures beyond what is tolerated, the furthest first: `fine detail fell by 40 %`."""
    deviations = assessment.deviations
    beyond = (name for name in deviations if abs(deviations[name]) > TOLERATED)
    outside = sorted(beyond, key=lambda name: -abs(deviations[name]))
    return ", ".join(_change(name, assessment.changes[name]) for name in outside[:NAMED])


def _change(measure: str, change: float) -> str:
    way = "rose" if change > 0 else "fell"
    if measure in _IN_DOUBLINGS:
        return f"{_IN_DOUBLINGS[measure]} {way} by {abs(2.0**change - 1.0):.0%}"
    if measure == "black":
        return f"the darkest parts {way} by {abs(change):.0f} grey levels"
    if measure == "clipped":
        return f"white pixels {way} by {abs(change):.0%} of the picture"
    return _OTHERWISE[measure].format(abs(change))


_IN_DOUBLINGS = {
    "brightness": "brightness",
    "contrast": "contrast",
    "noise": "noise",
    "blocks": "the 8-pixel grid",
    "red": "red to green",
    "blue": "blue to green",
    "saturation": "colourfulness",
    "detail": "fine detail",
    SHARP: "sharpness",
}
_OTHERWISE = {
    "unlike": "what is seen changed by {:.0%}",
    "moved": "the picture moved by {:.1%}",
    "covered": "{:.0%} of the places changed",
    "frozen": "{:.0%} of the time stood still",
}
