"""The golden baseline: what normal looks like on one camera, as each gate knows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import PREPROCESSING
from sentinel_edge.footage.mask import Mask
from sentinel_edge.gates.protocol import Anchors, Episodes, Normal
from sentinel_edge.networks.embedder import Embedder

REBUILD = "build it again with `sentinel-edge baseline`"
MAX_EPISODES = 20
"""Keeps the file under 2 MB: 20 episodes x 32 quantiles x 1280 dimensions x 2 bytes = 1.6 MB, 0.3 MB of pictures."""
FOUNDING, MAX_ANCHORS = 8, 12
"""Episodes never given up: of the founding ones, and with those whose change somebody accepted later."""
MAX_CAMERA = 64
"""Characters of a camera's name."""


def camera_problem(name: str) -> str | None:
    """Why a text is no name for a camera, or None: it stands in titles, tables and lines of outputs."""
    if len(name) <= MAX_CAMERA and name.isprintable() and name and name == " ".join(name.split()):
        return None
    return f"1 to {MAX_CAMERA} printable characters, with single spaces between words"


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
        pictures: Whether all of its footage was pictures, which carry no rate.
        camera: Whose it is; empty where nobody said.
        anchors: What it was founded on; None where nothing was added since.
        sampling: Which frames of video its episodes are made of, in words (see `footage.sampling`); empty for the first
            of each slot, as before that was said.
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
    pictures: bool = False
    camera: str = ""
    anchors: Anchors | None = None
    sampling: str = ""
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

        What they alone know goes, and the anchors; what was measured on all of them stays. For telling what a window of
        an episode looks like to a baseline that does not know it.
        """
        return replace(
            self,
            episodes=self.episodes.only(positions),
            normal={name: normal.only(positions) for name, normal in self.normal.items()},
            anchors=None,
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

    def require_camera(self, name: str) -> None:
        """Refuse another camera than the baseline's own; an empty name is of none in particular.

        Raises:
            SentinelError: What both are.
        """
        if name and self.camera and name != self.camera:
            raise SentinelError(
                f"the baseline is of camera {self.camera!r}, the footage of {name!r}; expected the same: is this that "
                "camera's baseline?"
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
