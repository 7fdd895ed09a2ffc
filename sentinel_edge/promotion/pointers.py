"""Who holds which place in a registry: champion, challenger, and the champions of before."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from sentinel_edge.networks.interpolator_card import Version
from sentinel_edge.storage.documents import DocumentError, Moment

POINTERS_FILE = "registry.json"
MAX_EARLIER = 100
"""Earlier champions that are remembered."""


class Role(StrEnum):
    """What a version is to its registry."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    EARLIER = "earlier"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Pointer:
    """A version and since when it holds its place (ISO 8601, UTC)."""

    version: Version
    since: Moment


@dataclass(frozen=True, slots=True)
class Pointers:
    """Who holds which place.

    Attributes:
        format: What tells the file from others.
        format_version: Of that format.
        champion: The version in service; None before the first promotion.
        challenger: The one that wants to replace it, if any.
        earlier: Champions of before, the last one last: where a rollback goes.
    """

    format: Literal["sentinel-edge registry"] = field(default="sentinel-edge registry", kw_only=True)
    format_version: Literal[1] = field(default=1, kw_only=True)
    champion: Pointer | None = None
    challenger: Pointer | None = None
    earlier: Annotated[
        tuple[Pointer, ...], Meta(max_length=MAX_EARLIER, description=f"a list of at most {MAX_EARLIER} versions")
    ] = ()

    def __post_init__(self) -> None:
        if self.champion and self.challenger and self.champion.version == self.challenger.version:
            raise DocumentError(
                f"has version {self.champion.version} as champion and as challenger; expected two versions"
            )

    def role(self, version: int) -> Role:
        """What a version is."""
        if self.champion and self.champion.version == version:
            return Role.CHAMPION
        if self.challenger and self.challenger.version == version:
            return Role.CHALLENGER
        return Role.EARLIER if any(one.version == version for one in self.earlier) else Role.UNUSED
