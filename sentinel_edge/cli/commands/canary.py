"""The command `canary`."""

from pathlib import Path

from sentinel_edge.cli.command import Command
from sentinel_edge.cli.commands import shared
from sentinel_edge.cli.option import flag, number, option, path, typed_option, whole
from sentinel_edge.cli.terminal import Progress, tell_facts
from sentinel_edge.promotion.canary import MAX_BLOCKS, CanaryOptions, run_canary
from sentinel_edge.promotion.canary_state import Settings
from sentinel_edge.promotion.paired import BLOCK_S, Plan


class Canary(Command):
    """Let champion and challenger work side by side. Exit code 0 promoted, 3 rolled back, 1 undecided, 2 usage.

    Both are scored on every triplet, block by block, until the challenger is proven better, or is not: then the
    champion stays. What is known is written to STATE after every block; run again, also after a kill or with more
    footage, it goes on from there. Writes OUTPUT/canary.json.
    """

    incoming: Path = typed_option(path, "Footage that neither was trained on: a video or a folder of videos.")
    state: Path = typed_option(path, "The file that survives a restart.")
    output: Path = typed_option(path, "Folder for the result.")
    registry: Path = shared.registry
    share: float = option(number, "Of the frames, served by the challenger.", float(Settings().share), limits=(0, 1))
    maximum: int = option(
        whole,
        "Blocks after which a challenger that is not proven is rolled back.",
        Plan().maximum,
        limits=(1, MAX_BLOCKS),
    )
    block: float = option(number, shared.BLOCK, BLOCK_S, limits=(0, 3600))
    decide: bool = option(flag, "Promote or reject the challenger in the registry.", False)
    restart: bool = option(flag, "Forget what the state holds.", False)

    def work(self) -> int:
        values = dict(vars(self))
        share, block, plan = str(values.pop("share")), values.pop("block"), Plan(maximum=values.pop("maximum"))
        options = CanaryOptions(**values, settings=Settings(share, block, plan))
        with Progress("blocks weighed") as progress:
            found = run_canary(options, progress=progress.show)
        return tell_facts(found.facts, found.table, found.exit_code)
