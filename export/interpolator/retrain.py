"""Fine-tune a champion on new footage: `python -m export.interpolator.retrain --new footage --replay old`.

The champion's weights are read out of its ONNX file. Every batch is half new footage and half old, so that the old is
not forgotten (rehearsal: Robins, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal", Connection Science 1995).
New footage is split in time: the first 60 % of every clip are trained on, the next 15 % tell when to stop, the last
25 % are held out for the offline gate; old footage likewise, 65, 15 and 20 %.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from export import ROOT
from export.interpolator.train import SAMPLE, add_budget, quietly, require_footage, say, use_fast_kernels
from sentinel_edge.errors import SentinelError

RATE = 5e-4
DESCRIPTION = "Fine-tuned on new footage, half of every batch old footage. {}"
CONTROL_DESCRIPTION = "A control, trained on on old footage alone: what more training does without new footage. {}"


@dataclass(frozen=True, slots=True)
class Request:
    """What to fine-tune, on what, for how long.

    Attributes:
        champion: a registry, a folder with `model.onnx` and `card.json`, or the ONNX file.
        new: the new footage; for a control it is only measured on.
        replay: old footage that must not be forgotten.
        output: the folder to write `model.onnx` and `card.json` to.
        minutes: time limit of the training itself; reading and exporting come on top.
        steps: updates of the weights; None for as many as fit in the time.
        seed: of everything random.
        control: train on old footage only.
    """

    champion: Path
    new: tuple[Path, ...]
    replay: tuple[Path, ...]
    output: Path
    minutes: float
    steps: int | None
    seed: int
    control: bool


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; an error is one line on stderr and exit code 1."""
    options = _parser().parse_args(arguments)
    try:
        retrain(
            Request(
                champion=options.champion,
                new=tuple(options.new),
                replay=tuple(options.replay or [SAMPLE]),
                output=options.output,
                minutes=options.minutes,
                steps=options.steps,
                seed=options.seed,
                control=options.control,
            )
        )
    except SentinelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def retrain(request: Request) -> None:
    """From a champion and footage to a challenger and its card.

    Raises:
        SentinelError: a champion that cannot be trained further, too little footage that moves, training that went
            wrong, an export that differs from Keras, or a folder that cannot be written. Nothing has been written then.
    """
    use_fast_kernels()
    # TensorFlow takes seconds to import; what goes wrong with a path is said before that.
    from export.interpolator.publishing import make_card, measure, publish, require_writable  # noqa: PLC0415
    from export.interpolator.triplets import FINE_TUNING, REPLAY, fingerprint, read_material  # noqa: PLC0415
    from sentinel_edge.networks.interpolator_card import Training, load_interpolator  # noqa: PLC0415

    path = find_champion(request.champion)
    champion, parent = load_interpolator(path)
    require_writable(request.output)
    require_footage([*request.new, *request.replay])
    new, old = read_material(request.new, FINE_TUNING), read_material(request.replay, REPLAY)
    used = [old] if request.control else [new, old]
    sources = tuple(name for material in used for name in material.clips)
    say(f"{' + '.join(str(material.triplets) for material in used)} triplets to train on, of {', '.join(sources)}")

    with quietly():
        import keras  # noqa: PLC0415

        from export.interpolator import graph, training  # noqa: PLC0415

        keras.utils.set_random_seed(request.seed)
        network = graph.from_onnx(path)
    outcome = training.train(
        network,
        [training.Pool(material.crops, material.checks) for material in used],
        rate=RATE,
        seed=request.seed,
        budget=training.Budget(request.minutes * 60, request.steps),
        stop_early=not request.control,
        progress=say,
    )
    exported = graph.to_onnx(network)
    metrics = {"largest_difference_from_keras": graph.largest_difference(exported, network)}
    for content, prefix in ((exported, ""), (champion, "parent_")):
        metrics |= measure(content, new.held_out, f"{prefix}new") | measure(content, old.held_out, f"{prefix}old")
    card = make_card(
        exported,
        description=(CONTROL_DESCRIPTION if request.control else DESCRIPTION).format(_rooted(parent.description)),
        training=Training(
            sources=sources,
            fingerprint=fingerprint(used),
            triplets=sum(material.triplets for material in used),
            seed=request.seed,
            steps=outcome.steps,
            seconds=round(outcome.seconds, 1),
        ),
        metrics=metrics,
        parent=parent,
    )
    publish(exported, card, request.output)
    print(
        f"{request.output}: sha256 {card.sha256[:12]}…, {outcome.steps} steps in {outcome.seconds:.0f} s"
        f"{', ended early' if outcome.early else ''}; over averaging, champion to this one: "
        + ", ".join(
            f"{part} footage {metrics[f'parent_{part}_psnr_gain_db']:+.2f} to {metrics[f'{part}_psnr_gain_db']:+.2f} dB"
            for part in ("new", "old")
            if f"{part}_psnr_gain_db" in metrics
        )
    )


def find_champion(path: Path) -> Path:
    """The ONNX file that a registry, a folder or a file stands for.

    Raises:
        SentinelError: the registry has no champion, or it is damaged.
    """
    from export.interpolator.publishing import MODEL_FILE  # noqa: PLC0415
    from sentinel_edge.promotion.pointers import POINTERS_FILE  # noqa: PLC0415
    from sentinel_edge.promotion.registry import Registry  # noqa: PLC0415

    if not path.is_dir():
        return path
    if (path / POINTERS_FILE).exists() or not (path / MODEL_FILE).exists():
        return Registry(path).champion().model
    return path / MODEL_FILE


def _rooted(description: str) -> str:
    """What the first ancestor's card said, so that descriptions do not grow with every generation."""
    for prefix in (DESCRIPTION, CONTROL_DESCRIPTION):
        description = description.removeprefix(prefix.format(""))
    return description


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.interpolator.retrain", description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    option = parser.add_argument
    option("--champion", type=Path, default=ROOT / "models" / "vfi", help="registry, folder or ONNX file (models/vfi)")
    option("--new", type=Path, action="append", required=True, help="new footage: a video or a folder; repeatable")
    option("--replay", type=Path, action="append", help="old footage (the sample); repeatable")
    option("--control", action="store_true", help="train on old footage only, equally long: for comparison")
    add_budget(parser, 2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
