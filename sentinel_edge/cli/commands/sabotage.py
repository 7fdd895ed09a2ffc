"""The command `sabotage`."""

from pathlib import Path

from sentinel_edge.causes import Cause
from sentinel_edge.cli.command import Command
from sentinel_edge.cli.option import option, path, refused, typed_option, whole
from sentinel_edge.cli.terminal import list_skipped, tell_facts
from sentinel_edge.sabotage.corruptions import KINDS
from sentinel_edge.sabotage.saboteur import sabotage

ONE_OF_THEM = f"one of {', '.join(KINDS)}"


def known_kind(name: str, text: str) -> Cause:
    """A kind of failure the saboteur knows."""
    if text not in list(KINDS):
        raise refused(name, text, ONE_OF_THEM)
    return Cause(text)


class Sabotage(Command):
    """Make bad footage from good: a copy as a failing camera would have recorded it, lossless."""

    source: Path = typed_option(
        path, "Good footage: an image folder, a video, or a folder of videos or of image folders."
    )
    kind: Cause = typed_option(
        known_kind,
        f"{', '.join(KINDS[:-1])} or {KINDS[-1]}.",
        needed=ONE_OF_THEM,
    )
    severity: int = option(whole, "1 (subtle) to 5 (ruined); 0 copies through the same writer.", 3, limits=(0, 5))
    output: Path = typed_option(path, "The folder to make; it must not exist or be empty.")
    seed: int = option(
        whole, "The same footage, kind, severity and seed give the same bytes.", 0, limits=(0, 2**63 - 1)
    )

    def work(self) -> int:
        made = sabotage(self.source, self.kind, self.severity, self.output, seed=self.seed)
        list_skipped(made.skipped)
        return tell_facts(
            {
                "output": str(self.output),
                "kind": str(self.kind),
                "severity": self.severity,
                "seed": self.seed,
                "clips": made.clips,
                "frames": made.frames,
                "skipped": len(made.skipped),
            }
        )
