"""Whether the camera itself is under way: on patrol, panned by somebody, carried by a vehicle.

All of the picture then moves, and the further the later one looks. A fixed camera's does not, however much moves before
it; one that was knocked moves once; one that shakes is never far from where it was.
"""

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import correlation, displacement, reliefs
from sentinel_edge.gates.signals import FrameSignals

TRAVELS = 0.1
"""A camera whose picture goes further than this share of its size is under way; shaking takes it less far."""
STAYS = 0.05
"""Below this a camera is known to be fixed: of one before which large vehicles pass it could not be said."""
STRETCHES = 5
STRETCH_FRAMES = 16
LAGS = (1, 2, 4, 8)
"""Frames apart at which two are compared: far enough for a slow camera, near enough to find a fast one's again."""
_GROWS = 1.4
"""In twice the time a camera under way goes so many times as far, or more; a shaking one is back."""
_MOST = 0.5
"""Share of the pairs in which the picture must have moved: passing vehicles that fill it look like that in fewer."""
_FIXED = 0.7
"""Correlation of most thumbnails with their median from which there is no motion of the camera to look for."""


def travel(signals: FrameSignals) -> float:
    """How far the picture goes within a few seconds, as a share of its size, most of the time; 0 for a fixed camera.

    Args:
        signals: Of a stretch's frames, (n,), in order of time.
    """
    count = min(STRETCHES, max(1, len(signals) // STRETCH_FRAMES))
    starts = np.linspace(0, max(0, len(signals) - STRETCH_FRAMES), count).astype(int)
    return float(np.median([_way(reliefs(signals["luma"][start : start + STRETCH_FRAMES])) for start in starts]))


def _way(pictures: NDArray[np.float64]) -> float:
    """How far the picture typically goes from a frame to a later one, (n, h, w), n >= 1, at the lag it shows best."""
    typical = np.median(pictures, axis=0)
    if np.median([correlation(picture, typical) for picture in pictures]) > _FIXED:
        return 0.0
    furthest = before = 0.0
    for lag in (lag for lag in LAGS if lag < len(pictures)):
        pairs = zip(pictures[:-lag], pictures[lag:], strict=True)
        moved = np.array([displacement(later, earlier) for earlier, later in pairs])
        way = float(np.median(moved[moved > 0])) if np.mean(moved > 0) >= _MOST else 0.0
        if way > _GROWS * before:
            furthest = max(furthest, way)
        before = way
    return furthest
