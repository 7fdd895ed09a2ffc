"""Train the interpolation network from scratch: `python -m export.interpolator.train --source footage --output DIR`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from export import ROOT
from sentinel_edge.errors import SentinelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLE = ROOT / "tests" / "data" / "campus-past.mp4"
RATE = 1e-3
DESCRIPTION = (
    "A small frame interpolator of 0.26 million weights (symmetric cost volumes, flows from coarse to fine, a blend "
    "and a correction), trained for minutes on two processor cores on a handful of fixed cameras: a stand-in that can "
    "be watched and retrained, not a state-of-the-art network."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; an error is one line on stderr and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        train_from_scratch(
            options.source or [SAMPLE],
            held_out=options.held_out,
            output=options.output,
            minutes=options.minutes,
            steps=options.steps,
            seed=options.seed,
            note=options.note,
        )
    except SentinelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train_from_scratch(
    sources: list[Path],
    *,
    held_out: list[Path],
    output: Path,
    minutes: float,
    steps: int | None,
    seed: int,
    note: str = "",
) -> None:
    """From footage to a model and its card.

    The first 80 % of every clip are trained on, the rest tells which of the weights to keep.

    Args:
        sources: videos, or folders of them.
        held_out: videos that are only measured on, for the card.
        output: the folder to write `model.onnx` and `card.json` to.
        minutes: time limit of the training itself; reading and exporting come on top.
        steps: updates of the weights; None for as many as fit in the time.
        seed: of everything random.
        note: said after the description in the card: whose footage it was, under which licence.

    Raises:
        SentinelError: too little footage that moves, training that went wrong, an export that differs from Keras, or
            a folder that cannot be written. Nothing has been written then.
    """
    use_fast_kernels()
    # TensorFlow takes seconds to import; what goes wrong with a path is said before that.
    from export.interpolator.publishing import make_card, measure, publish, require_writable  # noqa: PLC0415
    from export.interpolator.triplets import FROM_SCRATCH, fingerprint, read_all, read_material  # noqa: PLC0415
    from sentinel_edge.networks.interpolator_card import Training  # noqa: PLC0415

    require_writable(output)
    require_footage([*sources, *held_out])
    material = read_material(sources, FROM_SCRATCH)
    unseen = {path.stem: read_all(path) for path in held_out}
    say(f"{material.triplets} triplets to train on, of {len(material.clips)} clips: {', '.join(material.clips)}")

    with quietly():
        import keras  # noqa: PLC0415

        from export.interpolator import graph, training  # noqa: PLC0415
        from export.interpolator.network import InterpolationNetwork  # noqa: PLC0415

        keras.utils.set_random_seed(seed)
        network = InterpolationNetwork()
        graph.build(network)
    outcome = training.train(
        network,
        [training.Pool(material.crops, material.checks)],
        rate=RATE,
        seed=seed,
        budget=training.Budget(minutes * 60, steps),
        progress=say,
    )
    exported = graph.to_onnx(network)
    difference = graph.largest_difference(exported, network)
    metrics = measure(exported, material.checks, "validation") | {"largest_difference_from_keras": difference}
    for name, triplets in unseen.items():
        metrics |= measure(exported, triplets, f"held_out_{name}")
    card = make_card(
        exported,
        description=f"{DESCRIPTION} {note}".strip(),
        training=Training(
            sources=material.clips,
            fingerprint=fingerprint([material]),
            triplets=material.triplets,
            seed=seed,
            steps=outcome.steps,
            seconds=round(outcome.seconds, 1),
        ),
        metrics=metrics,
    )
    publish(exported, card, output)
    print(
        f"{output}: {len(exported) / 1e6:.2f} MB, sha256 {card.sha256[:12]}…, {outcome.steps} steps in "
        f"{outcome.seconds:.0f} s{', ended early' if outcome.early else ''}; "
        f"{metrics['validation_psnr_gain_db']:+.2f} dB over averaging on {len(material.checks)} validation triplets"
    )


def use_fast_kernels() -> None:
    """Let TensorFlow choose kernels by processor: training then takes two thirds of the time.

    The package switches them off for exports that must not depend on the processor; trained weights do in any case.
    """
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"


@contextmanager
def quietly() -> Iterator[None]:
    """Keep TensorFlow's remarks about the processor, which it writes past Python, off standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def require_footage(paths: Sequence[Path]) -> None:
    """Find out before anything is decoded that a path holds no footage.

    Raises:
        SentinelError: one does not.
    """
    from sentinel_edge.footage.clips import find_clips  # noqa: PLC0415

    for path in paths:
        find_clips(path)


def say(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def positive(text: str) -> float:
    """A number above zero, of a command line."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def whole(text: str) -> int:
    """A whole number from 0, of a command line."""
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def add_budget(parser: argparse.ArgumentParser, minutes: float) -> None:
    """The options that all training has."""
    option = parser.add_argument
    option("--output", type=Path, required=True, help="folder for model.onnx and card.json")
    option("--minutes", type=positive, default=minutes, help=f"time limit of the training itself ({minutes:g})")
    option("--steps", type=whole, help="end after so many steps: the same on every machine, up to rounding")
    option("--seed", type=whole, default=0, help="of everything random (0)")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.interpolator.train", description=__doc__, allow_abbrev=False
    )
    option = parser.add_argument
    option("--source", type=Path, action="append", help="a video, or a folder of videos; repeat it for more")
    option("--held-out", type=Path, action="append", default=[], help="a video only measured on, for the card")
    option("--note", default="", help="what else the card should say of the footage")
    add_budget(parser, 8)
    return parser


if __name__ == "__main__":
    sys.exit(main())
