"""The gates that decide, in one table: what is not in it does not exist for the rest of the program.

Everybody else asks the table (`gates.GATES`, at the time of asking) and knows no gate by name but through what
stands below it.
"""

from collections.abc import Mapping
from typing import Any

from sentinel_edge.gates.embedding.calibration import ALPHA, THRESHOLD
from sentinel_edge.gates.embedding.gate import EmbeddingGate, most_varied
from sentinel_edge.gates.moments.gate import MomentsGate
from sentinel_edge.gates.performance.gate import PerformanceGate
from sentinel_edge.gates.protocol import MAX_FURTHEST, Gate, Settings
from sentinel_edge.gates.quality.gate import QualityGate
from sentinel_edge.gates.replay.gate import ReplayGate

__all__ = ["DRIFT", "GATES", "MAX_FURTHEST", "NEWNESS", "SETTINGS", "names", "numbers", "thinned"]

GATES: tuple[Gate, ...] = (EmbeddingGate(), QualityGate(), PerformanceGate(), MomentsGate(), ReplayGate())
"""In the order in which they are told, and in which their causes are: what befell the whole window before what befell a
part of it."""

DRIFT = EmbeddingGate.name
"""The gate whose score is the published drift score."""

NEWNESS = ReplayGate.name
"""The gate that asks whether footage was seen before: not to be asked about what was just learned."""

SETTINGS: Settings = {"threshold": THRESHOLD, "alpha": ALPHA}
"""What may be set of a gate, and what it is where nothing is said; both are of `DRIFT`."""

thinned = most_varied
"""Which episodes a baseline gives up when there are too many."""


def numbers() -> dict[str, Mapping[str, Any]]:
    """What each gate's results hold, for whoever reads them back."""
    return {gate.name: gate.numbers for gate in GATES}


def names() -> tuple[str, ...]:
    """Of all gates, in order."""
    return tuple(gate.name for gate in GATES)
