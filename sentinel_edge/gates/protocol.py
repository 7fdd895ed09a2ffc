"""What a gate is: the seam behind which each of them lies. Nobody else needs to know one by name.

A gate turns samples into records (`Recorder`, see `footage.window`), learns from a baseline's episodes what is normal
(`Normal`), and judges a window by it. Adding one is a folder here and its name in the table of `gates`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.window import Recorder, Window
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.verdict.verdict import CauseFound, GateResult

MIN_FRAMES = 8
"""Frames below which neither an episode nor a window says anything about a distribution."""
MIN_EPISODES = 3
"""Episodes below which there is no spread to calibrate on."""
NEAREST = 2
"""Episodes that a stretch of one episode's length is compared with: like with like, but not by a single one."""
LONGEST_RATIO = 4
"""A window may be at most this many times as long as the whole baseline: slower changes were never seen. Beyond half
the baseline, the longest that can be calibrated on, tolerances are held and the judge only gets less sensitive."""
MAX_FURTHEST = 20
"""Frames that a gate names at most, for whoever wants to see more than a verdict lists."""
TOLERATED = 1.0
"""The threshold of gates whose score is in units of what is tolerated."""

Settings = Mapping[str, float]
"""What a caller may set of a gate by name, `threshold` for instance. A gate takes its own, and its defaults for what
is not there."""


@dataclass(frozen=True, slots=True)
class Episodes:
    """The stretches of normal footage a baseline was made of, as every gate may know them; in order of time.

    Attributes:
        names: (e,) of each.
        frames: (e,) frames recorded of it.
        samples: (e,) samples they stand for: its length.
        stretch: Typical length of the stretches that were joined into them, of days for instance, in samples; 0 where
            each is one, and once it was learned what is normal.
    """

    names: tuple[str, ...]
    frames: tuple[int, ...]
    samples: tuple[int, ...]
    stretch: float = 0.0

    def __len__(self) -> int:
        return len(self.names)

    @property
    def typical(self) -> float:
        """Median length of an episode, in samples."""
        return float(np.median(self.samples))

    @property
    def longest(self) -> float:
        """The longest window that may be judged, in samples."""
        return float(LONGEST_RATIO * sum(self.samples))

    def only(self, positions: Sequence[int]) -> "Episodes":
        """Some of them, by ascending position."""
        names, frames, samples = (tuple(values[position] for position in positions) for values in self._columns())
        return Episodes(names, frames, samples)

    def and_then(self, later: "Episodes") -> "Episodes":
        """These and later ones."""
        names, frames, samples = (one + more for one, more in zip(self._columns(), later._columns(), strict=True))
        return Episodes(names, frames, samples)

    def _columns(self) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
        return self.names, self.frames, self.samples


def too_long(samples: int, shortest: float, episodes: Episodes) -> str | None:
    """Why a window of so many samples is too long to be judged, or None; from `shortest` on it could be."""
    if samples <= episodes.longest:
        return None
    return (
        f"the window is too long: {samples} samples, the baseline can judge {shortest:.0f} to {episodes.longest:.0f}; "
        "give a shorter window, or build the baseline from more footage"
    )


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a gate has to say of a FAIL.

    Attributes:
        causes: What happened, likeliest first; nothing where it leaves that to the others.
        furthest: Names or times of frames to look at, the furthest from normal first.
        part: The frames of the window that failed, where it was only some: what befell them the others may tell.
    """

    causes: tuple[CauseFound, ...] = ()
    furthest: tuple[str, ...] = ()
    part: slice | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a gate tells of its normal.

    Attributes:
        facts: For programs: what JSON holds.
        rows: For people: a value in words by its name.
        sections: For people: rows under a heading.
    """

    facts: Mapping[str, object] = field(default_factory=dict)
    rows: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Packed:
    """What a baseline file keeps for one gate, under names that no other gate uses.

    What `Gate.unpack` is given holds the gate's own arrays, but the whole header and all that each episode has.

    Attributes:
        header: Entries of the JSON header.
        arrays: Members of the archive.
        per_episode: Entries of the header that each episode has, (e,) by name.
    """

    header: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    per_episode: Mapping[str, Sequence[Any]] = field(default_factory=dict)


class Normal(ABC):
    """What one gate knows of one camera's normal; frozen.

    Attributes:
        needs_records: Whether it is asked only about windows that hold records of it. Embeddings that were made
            elsewhere hold none of any other gate.
    """

    needs_records: bool = True

    @property
    def shortest(self) -> float:
        """The shortest window it can judge, in samples."""
        return 0.0

    @property
    def dimensions(self) -> int:
        """Length of the embeddings it knows; 0 for none."""
        return 0

    @property
    def outliers(self) -> tuple[int, ...]:
        """Positions of the episodes that have no like among the others."""
        return ()

    @abstractmethod
    def judge(self, window: Window, episodes: Episodes, settings: Settings) -> GateResult:
        """Compare a window with what is normal. Where that cannot be done the result says why, never a guess.

        A score is from 0 on, a threshold from 0 to 1 (`TOLERATED` where the score is in units of what is tolerated),
        and every number of the result is declared in `Gate.numbers`.
        """

    @abstractmethod
    def only(self, positions: Sequence[int]) -> Self:
        """As if it had seen these episodes alone, given by ascending position; what was measured on all stays."""

    @abstractmethod
    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:
        """What it knows of the episodes that are kept, and learns of further ones.

        Args:
            kept: Positions of the known episodes that stay, ascending.
            added: The new ones; they come after the kept.
            before: The episodes known so far.
            after: The kept and the new.

        Raises:
            SentinelError: It would see little afterwards.
        """

    def for_learning(self) -> Self:
        """What footage that is to be learned is judged by: that it was learned before is no fault of it."""
        return self

    @abstractmethod
    def pack(self) -> Packed:
        """What the file keeps; `Gate.unpack` makes the same of it."""

    def anchored(self) -> Self | None:
        """What it keeps for good of the founding episodes when others come, small; None for nothing.

        A gate that names faults keeps enough to `judge` by and to `explain`: many small steps, each within what was
        normal so far, must not lead it away. See `Anchors`.
        """
        return None

    def vouched(self, window: Window) -> Self:  # noqa: ARG002
        """An anchor that takes this for normal as well, since a person does; no tolerance is widened by it."""
        return self

    def changes(self, result: GateResult) -> str:  # noqa: ARG002
        """What is beyond normal in a result of its own, in a few words, as `fine detail fell by 40 %`."""
        return ""

    def explain(self, window: Window, results: Mapping[str, GateResult]) -> Explanation:  # noqa: ARG002
        """What happened in a window that failed, as this gate sees it, whether or not it was asked to judge.

        Args:
            window: What was seen.
            results: What the gates that were asked said, by name.
        """
        return Explanation()

    def weaknesses(self, episodes: Episodes) -> list[str]:  # noqa: ARG002
        """What whoever built the baseline should know before relying on it, a line each."""
        return []

    def describe(self, episodes: Episodes) -> Told:  # noqa: ARG002
        """What it holds and how sensitive it is."""
        return Told()


@dataclass(frozen=True, slots=True)
class Models:
    """The models that recorders may run.

    Attributes:
        embedder: What turns a frame into numbers.
        interpolator: Gives the watched model, or None where none is watched; loaded once, when it is first asked for.
    """

    embedder: Embedder
    interpolator: Callable[[], Interpolator | None] = lambda: None

    def __post_init__(self) -> None:
        object.__setattr__(self, "interpolator", cache(self.interpolator))


class Gate(ABC):
    """One gate: it makes recorders and normals.

    Attributes:
        name: In verdicts, options and files.
        about: What it looks at, in a few words.
        since: The version of the baseline file from which it is kept there.
        arrays: Names of the arrays it keeps there.
        later: Those of them that older files lack, whatever their gates.
        numbers: Types of what its results hold beyond status and score (`GateResult.numbers`), by name.
        needs_records: Whether it learns only from windows that hold records of it.
        watches_model: Whether it judges the watched model, and is left out where none is.
    """

    name: str
    about: str = ""
    since: int
    arrays: tuple[str, ...]
    later: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = {}
    watches_model: bool = False
    needs_records: bool = True

    @abstractmethod
    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder | None:
        """What records a window for it; None where there is nothing to record by.

        Args:
            models: What may be run.
            normal: What the window will be judged by; None where something is to be learned.
            learning: Whether a baseline is learned, which may look more closely than a check.
        """

    @abstractmethod
    def learn(self, windows: Sequence[Window], episodes: Episodes) -> Normal | None:
        """What is normal, from the windows of a baseline's episodes; None where that cannot be told."""

    @abstractmethod
    def unpack(self, packed: Packed, episodes: Episodes) -> Normal | None:
        """What a file keeps, checked as untrusted input.

        Raises:
            DamagedError: It contradicts itself.
        """


@dataclass(frozen=True, slots=True)
class Anchors:
    """What people vouched for, in a baseline that has grown since: never given up, never widened.

    Attributes:
        positions: Of the episodes that are never given up, ascending: founding ones, and those whose change somebody
            accepted.
        normal: What gates know of the founding episodes and the accepted ones alone, by the gate's name.
        since: When the baseline was founded, ISO 8601, UTC.
        drift: How what was added last differed from `normal`, in words; empty for hardly.
    """

    positions: tuple[int, ...]
    normal: Mapping[str, Normal] = field(repr=False)
    since: str
    drift: str = ""

    @property
    def month(self) -> str:
        """Since when, for people: 2026-06."""
        return self.since[:7]


class Known(Protocol):
    """What a judge needs of a baseline."""

    @property
    def episodes(self) -> Episodes:
        """Its episodes."""

    @property
    def normal(self) -> Mapping[str, Normal]:
        """What each gate knows, by the gate's name."""

    @property
    def anchors(self) -> Anchors | None:
        """What it was founded on; None where nothing was added since."""
