"""From a FAIL to a proven champion and a refreshed baseline: `python -m sentinel_edge.promotion.healing`.

The steps, each the same command a person would run: fine-tune a challenger, and a control on old footage; hold it
against the champion (the offline gate); let both work side by side on footage that neither was trained on (the canary);
teach the baseline the new normal; see that the refreshed baseline still fails damaged footage. All of it happens on
copies in the output folder: the registry and the baseline in use stay as they are until somebody puts the copies in
their place.

Needs no TensorFlow itself: `--trainer` names the Python that has it, and what it trains with lies in a checkout.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentinel_edge import assets, gates
from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.footage.clips import find_footage
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo, lossless_suffix
from sentinel_edge.footage.packets import even_rate
from sentinel_edge.promotion.registry import Registry
from sentinel_edge.storage.files import save

TRAINING = Path("export/interpolator/retrain.py")
"""What fine-tunes, in a checkout: it is no part of the package."""
CANARY_SHARE = 0.25
"""Of the new footage in time, its last, where no other footage is given for the canary."""
WHOLE = 0.99
"""Of footage that nobody trained on all is looked at."""
MIN_CLIPS = 4
"""So many clips are divided whole; fewer are cut."""
FIRE_DRILLS = (("fog", 3), ("noise", 3), ("occlusion", 4))
"""Damage that a refreshed baseline must still fail."""
PASS, FAIL, UNDECIDED = 0, 3, 1


@dataclass(frozen=True, slots=True)
class Request:
    """What to heal with, and where to.

    Attributes:
        new: Footage of the changed world.
        proof: Footage of it for the offline gate, which nobody trains on; None takes what retraining holds out, the
            last quarter of each clip.
        canary: Footage of it for the canary, which nobody trains on; None keeps back the last quarter of `new`.
        normal: Footage that the baseline learns as the new normal; None takes `new`.
        golden: Footage of the world as it was, which must not be forgotten.
        registry: The champion's registry.
        baseline: The camera's baseline.
        output: An empty folder, or a place for one.
        trainer: A Python with TensorFlow.
        checkout: The folder that holds `export/`.
        minutes: To train, for the challenger and again for the control.
        steps: Updates of the weights in place of a time.
        maximum: Blocks after which the canary gives up.
    """

    new: Path
    proof: Path | None
    canary: Path | None
    normal: Path | None
    golden: Path
    registry: Path
    baseline: Path
    output: Path
    trainer: Path
    checkout: Path
    minutes: float
    steps: int | None
    maximum: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended, and what every step found.

    Attributes:
        outcome: `promoted`; `refreshed` where the champion stays and the baseline learned the new normal; `blinded`
            where a refreshed baseline passed damaged footage, or failed what is normal now; `withheld` where the
            baseline refused the footage, for a fault of the camera for instance; or, where nothing is to be changed,
            the step that said no: `refused` by the offline gate, `rolled back` by the canary, `undecided`
            where there was too little footage for either.
        found: Each step's result, by name.
    """

    outcome: str
    found: dict[str, Any]


def heal(request: Request, say: Callable[[str], None]) -> Outcome:
    """Walk the steps. A challenger that is not proven leaves the champion in place.

    The baseline is then refreshed all the same where the champion is seen to do as well as ever (the world looks
    different, the model is none the worse), but not where it got worse or cannot be judged: that would teach the
    baseline to be content with it. Pictures train no interpolator; of a camera that delivers them the baseline alone is
    refreshed.

    Raises:
        SentinelError: A step could not be done at all.
    """
    output = request.output
    if output.exists() and any(output.iterdir()):
        raise SentinelError(f"the output folder {output} is not empty; give one that is, or a new one")
    pictures = not any(clip.is_video for clip in find_footage(request.new).clips)
    if not pictures:
        _require_training(request)
    output.mkdir(parents=True, exist_ok=True)
    new, canary = (request.new, request.canary) if request.canary else divide(request.new, output / "footage")
    registry = output / "models" / "vfi"
    shutil.copytree(request.registry, registry, ignore=shutil.ignore_patterns(".*"))
    found: dict[str, Any] = {}
    ended = "no video" if pictures else _challenge(request, new, canary, registry, found=found, say=say)
    if ended not in ("promoted", "no video"):
        folder = output / "checks" / "champion"
        _check(canary, request.baseline, registry, folder)
        performance = _read(folder / "verdict.json")["gates"].get("performance", {"status": "NOT_JUDGED"})
        if performance["status"] != "PASS":
            return Outcome(ended, found)
    say("baseline: the new normal is added")
    baseline, refusal = _grown(request.baseline, request.normal or new, registry, output)
    if refusal:
        return Outcome("withheld", found | {"refusal": refusal})
    found["refresh"] = refresh = _refreshed(baseline, canary, registry, output)
    for name, one in refresh.items():
        say(f"  {name}: {one['status']} {', '.join(one['causes'])}")
    seen = all(one["status"] == ("PASS" if name == "as it came" else "FAIL") for name, one in refresh.items())
    if not seen:
        return Outcome("blinded", found)
    return Outcome("promoted" if ended == "promoted" else "refreshed", found)


def _require_training(request: Request) -> None:
    """Find out before anything is made that something to train with is missing."""
    for path, what, advice in (
        (request.checkout / TRAINING, "training", "run this in a checkout of Sentinel Edge"),
        (request.golden, "footage of the world as it was", "name it with --golden"),
        (request.trainer, "Python with TensorFlow", "name one with --trainer, or `make retrain`, which installs it"),
    ):
        if not path.exists():
            raise SentinelError(f"there is no {what} at {path}; {advice}")


def _challenge(
    request: Request, new: Path, canary: Path, registry: Path, *, found: dict[str, Any], say: Callable[[str], None]
) -> str:
    """Make a challenger and prove it; how that ended, with `registry` changed accordingly."""
    output = request.output
    champion = Registry(registry).champion().model
    training = ".".join(TRAINING.with_suffix("").parts)
    budget = ["--steps", str(request.steps)] if request.steps else []
    for name, more in (("challenger", []), ("control", ["--control"])):
        say(f"fine-tuning the {name}")
        _run(
            [request.trainer, "-m", training, "--champion", champion, "--new", new, "--replay", request.golden],
            ["--output", output / name, "--minutes", str(request.minutes), *budget, *more],
            folder=request.checkout,
        )
    challenger = output / "challenger" / "model.onnx"

    say("offline gate: better on new footage, no worse on the old?")
    code = _sentinel(
        ["evaluate", "--champion", champion, "--challenger", challenger],
        ["--control", output / "control" / "model.onnx", "--golden", request.golden, "--output", output],
        ["--new", request.proof, "--holdout", str(WHOLE)] if request.proof else ["--new", new],
        expected=(PASS, FAIL, UNDECIDED),
    )
    found["evaluation"] = _read(output / "evaluation.json")
    if code == UNDECIDED and not found["evaluation"]["rules"]:
        raise SentinelError(f"the offline gate could not be held: {found['evaluation']['message']}")
    if code != PASS:
        return "refused" if code == FAIL else "undecided"

    say("canary: both side by side on footage neither has seen")
    _sentinel(["model", "add", "--model", challenger, "--registry", registry])
    code = _sentinel(
        ["canary", "--registry", registry, "--incoming", canary, "--state", output / "canary-state.json"],
        ["--maximum", str(request.maximum), "--decide", "--output", output],
        expected=(PASS, FAIL, UNDECIDED),
    )
    found["canary"] = _read(output / "canary.json")
    if found["canary"]["status"] == "ERROR":
        raise SentinelError(f"the canary could not be let out: {found['canary']['message']}")
    return {PASS: "promoted", FAIL: "rolled back"}.get(code, "undecided")


def _grown(known: Path, normal: Path, registry: Path, output: Path) -> tuple[Path, str]:
    """A copy of the baseline with the new normal added, or why the baseline refuses it."""
    baseline = output / "baseline" / "golden.npz"
    baseline.parent.mkdir()
    command = [sys.executable, "-m", "sentinel_edge", "baseline", "--add", str(known), "--source", str(normal)]
    command += ["--output", str(baseline), "--interpolator", str(registry)]
    run = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    sys.stderr.write(run.stderr)
    return baseline, "" if run.returncode == PASS else one_line(run.stderr.strip().rpartition("\n")[2])


def _refreshed(baseline: Path, canary: Path, registry: Path, output: Path) -> dict[str, Any]:
    """Check with a refreshed baseline: footage as it came, and damaged."""
    found = {}
    for name, footage in {"as it came": canary, **_damaged(canary, output / "damaged")}.items():
        folder = output / "checks" / name.replace(" ", "-")
        _check(footage, baseline, registry, folder)
        verdict = _read(folder / "verdict.json")
        found[name] = {"status": verdict["status"], "causes": [cause["kind"] for cause in verdict["causes"]]}
    shutil.rmtree(output / "damaged")
    return found


def _check(footage: Path, baseline: Path, registry: Path, folder: Path) -> None:
    """Check footage that was learned, so not whether it is new."""
    _sentinel(
        [
            *("check", "--incoming", footage, "--baseline", baseline, "--interpolator", registry, "--output", folder),
            *("--gates", ",".join(name for name in gates.names() if name != gates.NEWNESS)),
        ],
        expected=(PASS, FAIL, UNDECIDED),
    )


def divide(source: Path, folder: Path) -> tuple[Path, Path]:
    """Divide footage in time into what is trained on and what is left for the canary, its last quarter.

    Four clips or more are divided whole; fewer are cut, each, without loss. Where there is no video, pictures are
    divided instead.

    Raises:
        SentinelError: There is no footage in it.
    """
    found = find_footage(source).clips
    clips = [clip for clip in found if clip.is_video]
    new, canary = folder / "new", folder / "canary"
    new.mkdir(parents=True)
    canary.mkdir()
    if not clips:
        pictures = [(clip.picture_name(file), file) for clip in found for file in clip.files]
        kept = round(len(pictures) * (1.0 - CANARY_SHARE))
        for position, (name, file) in enumerate(pictures):
            target = (new if position < kept else canary) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        return new, canary
    if len(clips) >= MIN_CLIPS:
        kept = round(len(clips) * (1.0 - CANARY_SHARE))
        for position, clip in enumerate(clips):
            target = new if position < kept else canary
            shutil.copyfile(clip.path, target / f"{position:04d}{clip.path.suffix}")
        return new, canary
    for position, clip in enumerate(clips):
        with VideoReader(clip.path) as reader:
            frames = sum(1 for _ in reader)
        rate = even_rate(clip.path)
        name = f"{position:04d}{lossless_suffix(rate)}"
        with (
            VideoReader(clip.path) as reader,
            LosslessVideo(new / name, rate) as first,
            LosslessVideo(canary / name, rate) as last,
        ):
            for number, (seconds, frame) in enumerate(reader):
                (first if number < frames * (1.0 - CANARY_SHARE) else last).write(frame, seconds)
    return new, canary


def report(outcome: Outcome) -> str:
    """What was found, in Markdown, for whoever approves it."""
    lines = [f"Retraining ended: **{outcome.outcome}**.", ""]
    evaluation, canary, refresh = (outcome.found.get(name) for name in ("evaluation", "canary", "refresh"))
    if "refusal" in outcome.found:
        lines += [f"The baseline did not learn the footage. {_cell(outcome.found['refusal'])}", ""]
    if evaluation:
        lines += ["### Offline gate", "", "| rule | | |", "|---|---|---|"]
        lines += [f"| {rule['name']} | {rule['ruling']} | {_cell(rule['reason'])} |" for rule in evaluation["rules"]]
    if canary:
        lines += ["", "### Canary", "", f"{canary['status']}: {_cell(canary['message'])}"]
    if refresh:
        lines += ["", "### Refreshed baseline", "", "| footage | verdict | causes |", "|---|---|---|"]
        lines += [f"| {name} | {one['status']} | {', '.join(one['causes'])} |" for name, one in refresh.items()]
    return "\n".join(lines) + "\n"


def _damaged(footage: Path, folder: Path) -> dict[str, Path]:
    made = {}
    for kind, severity in FIRE_DRILLS:
        made[f"{kind} {severity}"] = folder / kind
        _sentinel(
            ["sabotage", "--source", footage, "--kind", kind, "--severity", str(severity), "--output", folder / kind]
        )
    return made


def _sentinel(*arguments: Sequence[str | Path], expected: tuple[int, ...] = (PASS,)) -> int:
    return _run([sys.executable, "-m", "sentinel_edge"], *arguments, expected=expected)


def _run(*arguments: Sequence[str | Path], expected: tuple[int, ...] = (PASS,), folder: Path | None = None) -> int:
    """Run a command to its end; what it prints as a result goes to standard error, with its progress.

    Raises:
        SentinelError: It ended with a code that is none of the expected.
    """
    command = [str(word) for part in arguments for word in part]
    code = subprocess.run(command, cwd=folder, stdout=sys.stderr, check=False).returncode  # noqa: S603
    if code not in expected:
        raise SentinelError(f"this step ended with exit code {code}: {' '.join(command[1:])}; see what it said above")
    return code


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|").replace("<", "&lt;").replace("@", "@\u200b")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line: exit code 0 promoted or refreshed, 3 nothing is to be changed, 1 it could not be told."""
    checkout = _checkout()
    parser = argparse.ArgumentParser(
        prog="python -m sentinel_edge.promotion.healing", description=(__doc__ or "").splitlines()[0]
    )
    option = parser.add_argument
    option("--new", type=Path, required=True, help="footage of the changed world")
    option("--proof", type=Path, help="footage of it for the offline gate (the last quarter of each clip of --new)")
    option("--canary", type=Path, help="footage of it that nobody trains on (the last quarter of --new)")
    option("--normal", type=Path, help="footage that the baseline learns as the new normal (--new)")
    sample = checkout / "tests/data/campus-past.mp4"
    option("--golden", type=Path, default=sample, help="footage of the world as it was (a checkout's sample)")
    option("--registry", type=Path, default=assets.default_registry(), help="the champion's registry (the package's)")
    option("--baseline", type=Path, default=assets.default_baseline(), help="the camera's baseline (the package's)")
    option("--output", type=Path, required=True, help="an empty folder for everything that is made")
    trainer = checkout / ".venv-export/bin/python"
    option("--trainer", type=Path, default=trainer, help="a Python with TensorFlow (the one `make` installs)")
    option("--minutes", type=float, default=2.0, help="to train, challenger and control each")
    option("--steps", type=int, help="updates of the weights in place of a time")
    option("--maximum", type=int, default=60, help="blocks after which the canary gives up")
    try:
        given = {name: _absolute(value) for name, value in vars(parser.parse_args(arguments)).items()}
        request = Request(**given, checkout=checkout)
        outcome = heal(request, lambda text: print(text, file=sys.stderr, flush=True))
        save(request.output / "report.md", report(outcome).encode(), "the report")
        document = json.dumps({"outcome": outcome.outcome, **outcome.found})
        save(request.output / "outcome.json", f"{document}\n".encode(), "the outcome")
    except (SentinelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(outcome.outcome)
    return {"promoted": 0, "refreshed": 0, "undecided": 1}.get(outcome.outcome, 3)


def _checkout() -> Path:
    """The folder that holds `export/`: the current one, or the one around the package; the current one for neither."""
    places = (Path.cwd(), assets.PACKAGE.parent)
    return next((place for place in places if (place / TRAINING).exists()), places[0])


def _absolute(value: Any) -> Any:
    return value.absolute() if isinstance(value, Path) else value


if __name__ == "__main__":
    sys.exit(main())
