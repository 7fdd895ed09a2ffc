"""The command `evaluate`."""

from pathlib import Path

from sentinel_edge.cli.command import Command
from sentinel_edge.cli.commands import shared
from sentinel_edge.cli.option import number, option, path, typed_option
from sentinel_edge.cli.terminal import Progress, tell_facts
from sentinel_edge.promotion.paired import BLOCK_S
from sentinel_edge.promotion.trial import HOLDOUT, EvaluateOptions, evaluate


class Evaluate(Command):
    """Hold a challenger against the champion. Exit code 0 accepted, 3 refused, 1 could not judge, 2 usage.

    The challenger must be better on the last part of each new clip, lose at most 0.2 dB on golden footage, beat the
    control, work on every frame, and be at most 1.2 times as slow. Writes OUTPUT/evaluation.json.
    """

    champion: Path = typed_option(path, "The interpolator in service: an ONNX file, its card beside it.")
    challenger: Path = typed_option(path, "The one that wants to replace it, likewise.")
    new: Path = typed_option(path, "Footage of the changed world, a video or a folder of videos.")
    golden: Path = typed_option(path, "Footage of the world as it was, likewise.")
    output: Path = typed_option(path, "Folder for the result.")
    control: Path | None = typed_option(
        path, "An interpolator that was trained as long on old footage alone. Default: none.", None
    )
    holdout: float = option(
        number,
        "Share in time of each new clip, its last, that is looked at: what was not trained on.",
        HOLDOUT,
        limits=(0, 1),
    )
    block: float = option(number, shared.BLOCK, BLOCK_S, limits=(0, 3600))

    def work(self) -> int:
        values = vars(self) | {"block_s": self.block}
        del values["block"]
        with Progress("triplets compared") as progress:
            found = evaluate(EvaluateOptions(**values), progress=progress.show)
        return tell_facts(found.facts, found.table, found.exit_code)
