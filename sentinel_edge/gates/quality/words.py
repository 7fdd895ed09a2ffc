"""What the quality gate found, in words: readings that a person could take off a picture, before and after."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import Conditions, Views
from sentinel_edge.gates.quality.normal import Assessment, KnownQuality


@dataclass(frozen=True, slots=True)
class _Reading:
    """Something a camera operator can read off a picture: its name, its unit, and how conditions (s,) show it."""

    name: str
    unit: str
    of: Callable[[Conditions], NDArray[np.float64]]


def _tint(channel: int) -> Callable[[Conditions], NDArray[np.float64]]:
    return lambda conditions: np.asarray(100.0 * np.exp2(np.median(Views.of(conditions).tint[:, channel], axis=1)))


def _spread(conditions: Conditions) -> NDArray[np.float64]:
    colour = conditions["colour"].astype(np.float64)
    return np.asarray((colour.max(axis=3) - colour.min(axis=3)).mean(axis=(1, 2)))


def _relief(conditions: Conditions) -> NDArray[np.float64]:
    return np.asarray(Views.of(conditions).strength / np.sqrt(conditions["luma"][0].size))


_GREY = " grey levels"
READINGS = {
    "brightness": _Reading("brightness", _GREY, lambda conditions: conditions["luma"].mean(axis=(1, 2))),
    "contrast": _Reading("contrast", _GREY, _relief),
    "black": _Reading("darkest parts", _GREY, lambda conditions: Views.of(conditions).black),
    "clipped": _Reading("white pixels", " %", lambda conditions: 100.0 * conditions["clipped"].astype(np.float64)),
    "noise": _Reading("noise", _GREY, lambda conditions: conditions["noise"].astype(np.float64)),
    "blocks": _Reading("strength of an 8-pixel grid", "", lambda conditions: conditions["blocks"].astype(np.float64)),
    "red": _Reading("red", " % of green", _tint(0)),
    "blue": _Reading("blue", " % of green", _tint(1)),
    "saturation": _Reading("strength of colour", _GREY, _spread),
    "sharp": _Reading(
        "fine detail beside the edges",
        " %",
        lambda conditions: 100.0 * np.exp2(np.median(conditions["sharp"].astype(np.float64), axis=(1, 2))),
    ),
    "detail": _Reading(
        "fine detail", _GREY, lambda conditions: conditions["fine"].astype(np.float64).mean(axis=(1, 2))
    ),
}


def told(name: str, assessment: Assessment, known: KnownQuality) -> str:
    """What a measure found, in words."""
    if name in READINGS:
        return _compared(READINGS[name], assessment, known)
    change, deviation = assessment.changes[name], assessment.deviations[name]
    tolerated = change / deviation if deviation else 0.0
    if name == "unlike":
        return f"correlation {1.0 - change:.2f} with what is normal, normally {1.0 - tolerated:.2f} or more"
    share = number(100.0 * change)
    if name == "frozen":
        return f"a frame repeated for {share} % of the window"
    if name == "moved":
        usual = f", normally up to {number(100.0 * tolerated)} %" if deviation else ""
        return f"the picture moved by {share} % of its size{usual}"
    return f"{share} % of the picture differs beyond what each part of it normally does"


def _compared(reading: _Reading, assessment: Assessment, known: KnownQuality) -> str:
    """A reading before and after, and its normal range."""
    after = float(np.median(reading.of(assessment.conditions)))
    every = reading.of(known.conditions)
    nearest = every[list(assessment.nearest)]
    limits, whose = every, f"normally {{}} (all {len(every)} conditions)"
    if every.min() <= after <= every.max():
        # As dark as this was seen, but not with a scene like this one.
        limits, whose = nearest, "{} in the conditions most like it"
    normal = " to ".join(dict.fromkeys(number(float(limit)) for limit in (limits.min(), limits.max())))
    before = number(float(np.median(nearest)))
    return f"{reading.name} {before} -> {number(after)}{reading.unit}, {whose.format(normal)}"


def number(value: float) -> str:
    """As many digits as a person reads: 112, 41, 9.8, 0.42, 0."""
    if abs(value) >= 9.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}".replace("0.00", "0")
