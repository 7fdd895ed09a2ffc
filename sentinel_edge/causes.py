"""The one vocabulary for what can be wrong with footage.

The saboteur makes these failures and the judge names them; both import the words from here.
"""

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
    COMPRESSION = "compression"
    COLOR_CAST = "color_cast"
    FOG = "fog"
    SCENE_CHANGE = "scene_change"
    PERFORMANCE = "performance"
    UNKNOWN = "unknown"
