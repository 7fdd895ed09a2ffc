"""What a canary knows so far, in a file that survives a restart.

The file is written after every block, whole or not at all. It says for which two models, which settings and which clips
(by checksum, so that a clip that was renamed is not counted again), and carries a checksum of itself: a state of
something else, or one that was damaged or edited, is refused rather than believed.
"""

import errno
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import to_builtins

from sentinel_edge.errors import SentinelError
from sentinel_edge.promotion.paired import BLOCK_S, MIN_TRIPLETS, Plan, Step
from sentinel_edge.storage.documents import (
    Amount,
    DocumentError,
    Number,
    Sha256,
    Text,
    read_document,
    typed,
    whole,
    written,
)
from sentinel_edge.storage.files import write_atomically

MAX_STATE_BYTES = 2**26
_ANEW = "or begin anew with --restart"

Count = Annotated[int, whole(0, 10**12)]


@dataclass(frozen=True, slots=True)
class Settings:
    """What was fixed before the first block.

    Attributes:
        share: Of the frames, served by the challenger: a decimal number as it was typed, so that it is exact.
        block_s: Seconds of a block, at least.
        plan: Of the sequential test.
    """

    share: Text = "0.2"
    block_s: Amount = BLOCK_S
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True, slots=True)
class Pair:
    """SHA-256 of the two models."""

    champion: Sha256
    challenger: Sha256


@dataclass(frozen=True, slots=True)
class ClipState:
    """How far one clip was looked at.

    Attributes:
        name: Its name when it was first seen.
        sha256: Of the file.
        next_block: Number of the first block that was not dealt with.
        finished: Whether its end was reached.
    """

    name: Text
    sha256: Sha256
    next_block: Count = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring scored triplets of one clip: one observation.

    Attributes:
        clip: The clip's name.
        number: Of the block in its clip, from 0.
        triplets: Scored ones.
        champion_db: Mean PSNR of the champion's frames where it moves.
        challenger_db: Of the challenger's.
        served_db: Of those that were served.
        difference_db: Mean difference, challenger less champion.
        served_by_challenger: Seconds in the clip of the frames the challenger served; the champion served the others.
        latency_ratio: Challenger to champion, the median.
        slower: Triplets at which the challenger was too slow (`side_by_side.is_slower`).
    """

    clip: Text
    number: Count
    triplets: Annotated[int, whole(1, 10**12)]
    champion_db: Number
    challenger_db: Number
    served_db: Number
    difference_db: Number
    served_by_challenger: tuple[Number, ...]
    latency_ratio: Amount
    slower: Count

    @property
    def counts(self) -> bool:
        """Whether it has enough triplets to be an observation."""
        return self.triplets >= MIN_TRIPLETS


@dataclass(frozen=True, slots=True)
class CanaryState:
    """Everything a canary knows; a new one knows nothing.

    Attributes:
        pair: Which models.
        settings: How they are compared.
        clips: Those that were begun, in that order.
        blocks: Those with a scored triplet, in the order they came.
        silent: Triplets that say nothing, by reason.
        decision: What was decided; None as long as nothing is.
        reason: Why.
    """

    pair: Pair
    settings: Settings
    clips: tuple[ClipState, ...] = ()
    blocks: tuple[Block, ...] = ()
    silent: Mapping[str, Count] = field(default_factory=dict)
    decision: Step | None = None
    reason: str = ""

    @property
    def counted(self) -> tuple[Block, ...]:
        """The blocks that are observations."""
        return tuple(block for block in self.blocks if block.counts)

    @property
    def scored(self) -> int:
        """Triplets scored so far: the number of the next one."""
        return sum(block.triplets for block in self.blocks)

    def clip(self, sha256: str) -> ClipState | None:
        """What is known of a clip; None for a new one."""
        return next((clip for clip in self.clips if clip.sha256 == sha256), None)

    def with_clip(self, known: ClipState) -> "CanaryState":
        """The state with a clip as it is known now."""
        clips = tuple(known if clip.sha256 == known.sha256 else clip for clip in self.clips)
        return replace(self, clips=clips if self.clip(known.sha256) else (*clips, known))

    def require(self, pair: Pair, settings: Settings, path: Path) -> None:
        """Refuse to go on with other models or other settings.

        Raises:
            SentinelError: They are not these.
        """
        for role in ("champion", "challenger"):
            ours, now = getattr(self.pair, role), getattr(pair, role)
            if ours != now:
                raise SentinelError(
                    f"canary state {path} is of another {role}, sha256 {ours[:12]}…; the registry has {now[:12]}…; "
                    f"name another file with --state, {_ANEW}"
                )
        ours_by_name, now_by_name = _flat(self.settings), _flat(settings)
        for name, value in ours_by_name.items():
            if value != now_by_name[name]:
                raise SentinelError(
                    f"canary state {path} was begun with {name} {value}, not {now_by_name[name]}; what is fixed before "
                    f"the first block stays: use the same options, {_ANEW}"
                )


@dataclass(frozen=True, slots=True)
class _File:
    """A state as it is kept.

    Attributes:
        content: The state; looked at once it is known to be what was written.
        sha256: Of the content.
    """

    kind: Literal["sentinel-edge canary"] = field(default="sentinel-edge canary", kw_only=True)
    schema_version: Literal[1] = field(default=1, kw_only=True)
    content: Any
    sha256: Sha256

    def __post_init__(self) -> None:
        if self.sha256 != _checksum(self.content):
            raise DocumentError("does not match its checksum: it was damaged or edited")


def clip_sha256(path: Path) -> str:
    """Checksum of a clip's file, whatever its size.

    Raises:
        OSError: It cannot be read, or is a pipe or device, which could block or go on for ever.
    """
    if not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_state(path: Path) -> CanaryState | None:
    """Read a state; None where there is none yet.

    Raises:
        SentinelError: It cannot be read, is damaged, or is no canary's state.
    """
    try:
        return typed(read_document(path, _File, limit=MAX_STATE_BYTES).content, CanaryState)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SentinelError(
            f"cannot read canary state {path}: {error.strerror}; name another file with --state"
        ) from error
    except DocumentError as problem:
        raise SentinelError(f"canary state {path} {problem}; name another file with --state, {_ANEW}") from problem


def save_state(state: CanaryState, path: Path) -> None:
    """Write a state, whole or not at all.

    Raises:
        SentinelError: It cannot be written; the one before is untouched.
    """
    content = to_builtins(state)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, written(_File(content, _checksum(content))))
    except OSError as error:
        raise SentinelError(
            f"cannot write canary state {path}: {error.strerror or error}; the champion stays, and what was written "
            "before is kept: expected a folder this user can write, with room left"
        ) from error


def _flat(settings: Settings) -> dict[str, object]:
    return {"share": settings.share, "block": settings.block_s, **asdict(settings.plan)}


def _checksum(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
