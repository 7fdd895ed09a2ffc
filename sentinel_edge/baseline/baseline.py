"""The golden baseline: what normal looks like on one camera, as each gate knows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import PREPROCESSING
from sentinel_edge.footage.mask import Mask
from sentinel_edge.gates.protocol import Episodes, Normal
from sentinel_edge.networks.embedder import Embedder

REBUILD = "build it again with `sentinel-edge baseline`"
MAX_EPISODES = 20
"""Keeps the file under 2 MB: 20 episodes x 32 quantiles x 1280 dimensions x 2 bytes = 1.6 MB, 0.2 MB of pictures."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A golden baseline, verified.

    Attributes:
        episodes: In order of time.
        normal: What each gate knows, by the gate's name, in the order of the table of `gates`.
        mask: What of the picture is left out, on both sides; None for nothing.
        model: Name of the model that made it.
        model_sha256: Its checksum.
        fps: Samples a second of video.
        preprocessing: How frames were brought to the model's input.
        source: The footage's name.
        created_at: ISO 8601, UTC.
        episode_rule: What an episode is, in words (see `episodes`).
        sensitivity: The least severity of each kind of failure that it catches, as measured; None where not even the
            worst is caught. Empty where that was not asked for, or could not be measured.
        fingerprint: SHA-256 of the file; empty before it is saved.
    """

    episodes: Episodes
    normal: Mapping[str, Normal] = field(repr=False)
    mask: Mask | None
    model: str
    model_sha256: str
    fps: float
    preprocessing: str
    source: str
    created_at: str
    episode_rule: str
    sensitivity: Mapping[str, int | None] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def dimensions(self) -> int:
        """Length of one of the model's embeddings."""
        return max(normal.dimensions for normal in self.normal.values())

    @property
    def shortest(self) -> float:
        """The shortest window that every gate can judge, in samples."""
        return max(normal.shortest for normal in self.normal.values())

    @property
    def outliers(self) -> tuple[int, ...]:
        """Positions of the episodes that some gate finds no like of, ascending."""
        return tuple(sorted({position for normal in self.normal.values() for position in normal.outliers}))

    @property
    def weaknesses(self) -> tuple[str, ...]:
        """What whoever built it should know before relying on it: one line each, none for a sound one."""
        return tuple(line for normal in self.normal.values() for line in normal.weaknesses(self.episodes))

    def only(self, positions: Sequence[int]) -> "Baseline":
        """The baseline of some of its episodes, at least one, in ascending order of their positions.

        What they alone know goes; what was measured on all of them stays. For telling what a window of an episode
        looks like to a baseline that does not know it.
        """
        return replace(
            self,
            episodes=self.episodes.only(positions),
            normal={name: normal.only(positions) for name, normal in self.normal.items()},
        )

    def require_compatible(self, embedder: Embedder, fps: float | None) -> None:
        """Refuse a model, preprocessing or sampling rate other than the baseline's own.

        Raises:
            SentinelError: Which of them differs, and how.
        """
        if not self.model_sha256:
            raise SentinelError(
                "the baseline was made of embeddings; expected embeddings of the same model, not frames"
            )
        if embedder.card.sha256 != self.model_sha256 or embedder.dimensions != self.dimensions:
            raise SentinelError(
                f"the baseline was made with model {self.model} (sha256 {self.model_sha256[:12]}…, "
                f"{self.dimensions} dimensions), this is {embedder.card.name} ({embedder.card.sha256[:12]}…, "
                f"{embedder.dimensions}); use that model, or {REBUILD}"
            )
        if self.preprocessing != PREPROCESSING:
            raise SentinelError(
                f"the baseline was made with preprocessing {self.preprocessing!r}, this version does "
                f"{PREPROCESSING!r}; {REBUILD}"
            )
        if fps is not None and fps != self.fps:
            raise SentinelError(
                f"the baseline was sampled at {self.fps:g} frames a second, {fps:g} was asked for; leave --fps out, "
                f"or build it again with `sentinel-edge baseline --fps {fps:g}`"
            )

    def require_dimensions(self, found: int) -> None:
        """Refuse embeddings of another length than the baseline's own.

        Raises:
            SentinelError: What both are.
        """
        if found != self.dimensions:
            raise SentinelError(
                f"the embeddings have {found} dimensions, the baseline's {self.dimensions}; expected those of the same "
                f"model, or {REBUILD}"
            )

    def require_mask(self, mask: Mask) -> None:
        """Refuse a mask other than the baseline's own.

        Raises:
            SentinelError: It is another one, or the baseline has none.
        """
        if mask != self.mask:
            made = f"with another mask ({self.mask.visible_share:.0%} looked at)" if self.mask else "without a mask"
            raise SentinelError(
                f"the baseline was made {made}, the one given leaves {mask.visible_share:.0%} to look at; leave --mask "
                "out, or build the baseline again with it"
            )
