"""The one vocabulary for what can be wrong with footage, and for what helps against it.

The saboteur makes these failures, the judge names them, and whoever learns or decides goes by what helps; all import
the words from here.
"""

from collections.abc import Mapping
from enum import StrEnum


class Cause(StrEnum):
    """What happened to the footage, in the words of people who run cameras."""

    NOISE = "noise"
    BLUR = "blur"
    MOTION_BLUR = "motion_blur"
    LOW_LIGHT = "low_light"
    OVER_EXPOSURE = "over_exposure"
    OCCLUSION = "occlusion"
    CAMERA_MOVED = "camera_moved"
    FROZEN = "frozen"
    REPLAYED = "replayed"
    COMPRESSION = "compression"
    COLOR_CAST = "color_cast"
    FOG = "fog"
    CORRUPTED = "corrupted"
    SCENE_CHANGE = "scene_change"
    PERFORMANCE = "performance"
    UNKNOWN = "unknown"


class Remedy(StrEnum):
    """What helps against a cause, by the harm of being wrong: to learn a fault is worst, to wake somebody least."""

    LEARN = "learn"
    REPAIR = "repair"
    LOOK = "look"


REMEDIES: Mapping[Cause, Remedy] = {
    Cause.NOISE: Remedy.REPAIR,
    Cause.BLUR: Remedy.REPAIR,
    Cause.MOTION_BLUR: Remedy.REPAIR,
    Cause.LOW_LIGHT: Remedy.LOOK,
    Cause.OVER_EXPOSURE: Remedy.LOOK,
    Cause.OCCLUSION: Remedy.REPAIR,
    Cause.CAMERA_MOVED: Remedy.REPAIR,
    Cause.FROZEN: Remedy.REPAIR,
    Cause.REPLAYED: Remedy.REPAIR,
    Cause.COMPRESSION: Remedy.REPAIR,
    Cause.COLOR_CAST: Remedy.LOOK,
    Cause.FOG: Remedy.LOOK,
    Cause.CORRUPTED: Remedy.REPAIR,
    Cause.SCENE_CHANGE: Remedy.LEARN,
    Cause.PERFORMANCE: Remedy.LEARN,
    Cause.UNKNOWN: Remedy.LOOK,
}
"""A light that changed for good cannot be told from a broken exposure: a person looks, and accepts it if it is sound
(`sentinel-edge baseline --add … --accept low_light`)."""
