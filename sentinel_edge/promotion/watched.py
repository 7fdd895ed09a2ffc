"""The interpolator whose performance is watched: the champion of a registry, or a file, or none."""

import os
from enum import StrEnum
from pathlib import Path

from sentinel_edge import assets
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.promotion.registry import Registry


class Watched(StrEnum):
    """What is watched where no path says so."""

    CHAMPION = "champion"
    NONE = "none"


def watched_interpolator(chosen: Path | Watched) -> Interpolator | None:
    """Load the interpolator to watch.

    Args:
        chosen: An ONNX file with its card beside it, a registry's folder (its champion), or `Watched.CHAMPION` for that
            of the registry that comes with the package.

    Returns:
        It, verified; None for `Watched.NONE`, and where the package comes without a champion.

    Raises:
        SentinelError: It is missing, damaged or not an interpolator.
    """
    if chosen is Watched.NONE:
        return None
    if isinstance(chosen, Path):
        folder = os.path.isdir(chosen)  # noqa: PTH112  (a path raises where a name is too long)
        return Interpolator(Registry(chosen).champion().model if folder else chosen)
    registry = Registry(assets.default_registry())
    if registry.pointers().champion is None:
        return None
    return Interpolator(registry.champion().model)
