"""How much normal footage varies where a window belongs: among the conditions that are like the one it resembles.

A baseline of many days holds clear noons and foggy mornings. What the fog is allowed to vary by is no measure of the
noons, and a condition that nothing else in the baseline resembles says little about its next time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import FLOOR, WHOLE, Measures, Views, compare, resemblance

ENOUGH = 3
"""Episodes like a condition from which these alone say how much it varies."""
FEW = 3
"""Fewer than so many, where the baseline has them, and it may vary by more than was seen."""
_AS_FAR = 1.5
_COUNTED = slice(0, WHOLE.index("unlike"))
"""The measures of the whole picture that need no search for a movement, and are not themselves of likeness."""


@dataclass(frozen=True)
class Neighbourhood:
    """The conditions of a baseline, each against those of other episodes.

    Attributes:
        varies: float64 (s, w): how far each is from the one it resembles most, in the measures of the whole picture.
        like: bool (s, s): which are like which.
        owners: int64 (s,): the episode each is of.
    """

    varies: Measures
    like: NDArray[np.bool_]
    owners: NDArray[np.int64]

    def tolerances(self, nearest: tuple[int, ...], tolerances: Measures, factor: float, factor_few: float) -> Measures:
        """What is tolerated of the measures of the whole picture where these conditions are.

        Args:
            nearest: The condition that each piece of a window resembles most.
            tolerances: What is tolerated over the whole baseline, (`MEASURES`,).
            factor: See `normal.FACTOR`.
            factor_few: See `normal.FACTOR_FEW`.

        Returns:
            (`MEASURES`,): less where enough is like them, more where nothing is.
        """
        found = np.array(tolerances)
        like = self.like[list(nearest)].any(axis=0)
        mates = len(np.unique(self.owners[like]))
        if mates >= ENOUGH:
            most = self.varies[like].max(axis=0)
            local = FLOOR[_COUNTED] + (factor + factor_few / mates) * most
            found[_COUNTED] = np.minimum(found[_COUNTED], local)
        expected = min(FEW, len(np.unique(self.owners)) - 1)
        found[: len(WHOLE)] *= 1.0 + max(0, expected - (mates - 1)) / FEW
        return found


def learn_neighbourhood(views: Views, owners: NDArray[np.int64]) -> Neighbourhood:
    """Compare the conditions of a baseline, (s,), with those of other episodes, their neighbours left out."""
    count = len(owners)
    distances = np.zeros((count, count))
    varies = np.zeros((count, _COUNTED.stop))
    for row in range(count):
        measures = compare(views.take(np.array([row])), views)
        distances[row] = resemblance(measures)
        apart = np.abs(owners - owners[row]) > 1
        apart = apart if apart.any() else owners != owners[row]
        if apart.any():
            nearest = int(np.flatnonzero(apart)[distances[row, apart].argmin()])
            varies[row] = np.abs(measures[nearest, _COUNTED])
    others = np.where(owners[:, None] != owners, distances, np.inf)
    closest = others.min(axis=1)
    radius = _AS_FAR * float(np.median(closest)) if count > 1 else 0.0
    return Neighbourhood(varies, (distances <= radius) | np.eye(count, dtype=bool), owners)
