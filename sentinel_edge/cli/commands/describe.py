"""The command `describe`."""

from pathlib import Path

from sentinel_edge.baseline.describe import as_text, describe
from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.cli.command import Command
from sentinel_edge.cli.commands import shared
from sentinel_edge.cli.terminal import on_terminal, tell


class Describe(Command):
    """Tell what a baseline holds, what it lets pass and what it catches.

    As one line of JSON, or as text on a terminal.
    """

    baseline: Path = shared.baseline

    def work(self) -> int:
        description = describe(load_baseline(self.baseline))
        return tell(as_text(description) if on_terminal() else description.to_json())
