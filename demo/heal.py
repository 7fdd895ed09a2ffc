"""`make heal`: the whole loop on the sample camera, with real steps. It prints a table and saves a picture.

The camera falls to half its frame rate: every picture is as good as before, only what moves moves twice as far between
two of them. Or it starts to patrol: a window wanders over its picture, and all that it shows moves. Then a lens fogs,
which is to be repaired and not learned.
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.footage.clips import find_footage
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.triplets import Triplet, read_triplets
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.promotion.healing import divide
from sentinel_edge.promotion.registry import Registry

ROOT = Path(__file__).parents[1]
PAST, INCOMING = ROOT / "tests/data/campus-past.mp4", ROOT / "tests/data/campus-incoming.mp4"
EVENING = 372
"""Where the last quarter of the past footage's 480 native frames begins, and a little later."""
MORNING = 120
"""Native frames of the incoming footage that are the morning's: 12 of 30 seconds."""
WINDOW = 2 / 3
"""Of width and height, what a patrolling camera shows at a time."""
SPEED = (3, 8)
"""Pixels, down and across, that it moves on from frame to frame: across the sample in a second and a half."""
HEALED = ("promoted", "refreshed")
"""Outcomes with which the loop goes on; `refreshed` keeps the champion."""
GATES = ("embedding", "quality", "performance")
COLOURS = {"embedding": (180, 119, 31), "quality": (20, 130, 224), "performance": (148, 50, 123)}
TALLEST = 4.0
WHITE, BLACK, GREY, RED = (255, 255, 255), (30, 30, 30), (200, 200, 200), (40, 39, 214)


@dataclass(frozen=True, slots=True)
class Row:
    """One check of the loop: what was shown, what it said, and what that calls for."""

    event: str
    verdict: dict[str, Any]
    decision: dict[str, str]

    def of_limit(self, gate: str) -> float | None:
        """A gate's score in units of its threshold; None where it did not judge."""
        found = self.verdict["gates"].get(gate)
        return None if not found or found["score"] is None else found["score"] / found["threshold"]

    @property
    def gain(self) -> str:
        """What interpolating gains over averaging, in dB, as the performance gate measured it."""
        triplets = self.verdict["gates"].get("performance", {}).get("triplets") or {"measures": {}}
        gain = triplets["measures"].get("psnr_gain")
        return "" if gain is None else f"{gain['now']:+.2f} dB"


class Loop:
    """The sample camera's loop in one output folder."""

    def __init__(self, output: Path, trainer: Path, budget: Sequence[str]) -> None:
        self.output, self.trainer, self.budget = output, trainer, budget
        self.baseline, self.registry = ROOT / "baseline/golden.npz", ROOT / "models/vfi"
        self.rows: list[Row] = []
        self.shown = INCOMING

    def change(self, event: str, later: Path, retrain: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """As it was, changed, healed where that is called for, and fogged: four checks; how the retraining ended."""
        self.check("as it was", INCOMING)
        called = self.check(event, later).decision["action"] == "retrain"
        outcome = retrain() if called else {"outcome": "not called for"}
        # What was learned is the baseline's own now: whether it is new is not asked.
        self.check("the same, after retraining", later, "--gates", ",".join(set(gates.names()) - {gates.NEWNESS}))
        fog = self.output / "footage/fog"
        run("sabotage", "--source", later, "--kind", "fog", "--severity", "3", "--output", fog)
        self.check("the lens fogs", fog)
        return outcome

    def check(self, event: str, footage: Path, *more: str) -> Row:
        """Check footage as the camera's host does, and decide what that calls for."""
        folder = self.output / "checks" / f"{len(self.rows) + 1}"
        code = run(
            "check",
            "--incoming",
            footage,
            "--baseline",
            self.baseline,
            "--interpolator",
            self.registry,
            "--output",
            folder,
            *more,
        )
        run(
            "decide", "--verdict", folder / "verdict.json", "--exit-code", code,
            "--history", self.output / "history.json", "--output", folder,
        )  # fmt: skip
        row = Row(event, *(json.loads((folder / name).read_text()) for name in ("verdict.json", "decision.json")))
        self.rows.append(row)
        say(f"{event}: {row.verdict['status']}, {row.decision['reason']}")
        return row

    def retrain(self, new: Path, canary: Path, *more: str | Path) -> dict[str, Any]:
        """Fine-tune, prove, refresh; the loop goes on with what came of it where it was promoted."""
        retrained = self.output / "retrained"
        command = [sys.executable, "-m", "sentinel_edge.promotion.healing", "--output", retrained]
        command += ["--new", new, "--canary", canary, *more]
        subprocess.run([*map(str, command), "--trainer", str(self.trainer), *self.budget], cwd=ROOT, check=False)
        try:
            outcome: dict[str, Any] = json.loads((retrained / "outcome.json").read_text())
        except FileNotFoundError:
            sys.exit("heal: the retraining did not come to its end; see above")
        if outcome["outcome"] in HEALED:
            self.baseline, self.registry = retrained / "baseline/golden.npz", retrained / "models/vfi"
        return outcome


def main() -> int:
    """Run the loop; exit code 0 when it healed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("heal_output"))
    parser.add_argument("--change", choices=CHANGES, default="half-rate", help="what changes for good")
    parser.add_argument("--scene", type=Path, help="footage of another scene: the change that is shown instead")
    parser.add_argument("--trainer", type=Path, default=ROOT / ".venv-export/bin/python")
    parser.add_argument("--minutes", default="4")
    parser.add_argument("--steps", default="1000")
    options = parser.parse_args()
    began = time.monotonic()
    output = options.output.absolute()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    budget = ["--minutes", options.minutes, "--steps", options.steps]
    loop = Loop(output, options.trainer.absolute(), budget)

    outcome = another_scene(loop, options.scene) if options.scene else CHANGES[options.change](loop)
    healed, fogged = loop.rows[-2:]
    print(table(loop.rows, outcome))
    models = [Interpolator(Registry(place).champion().model) for place in (ROOT / "models/vfi", loop.registry)]
    picture = np.vstack([chart(loop.rows, outcome), strip(loop.shown, models)])
    cv2.imwrite(str(output / "heal.png"), picture)
    print(f"\npicture: {options.output / 'heal.png'} ({time.monotonic() - began:.0f} s)")
    good = [row.verdict["status"] for row in loop.rows] == ["PASS", "FAIL", "PASS", "FAIL"]
    called = healed.decision["action"] == "none" and fogged.decision["action"] == "repair"
    return 0 if good and called and outcome["outcome"] in (HEALED if options.scene else HEALED[:1]) else 1


def half_its_rate(loop: Loop) -> dict[str, Any]:
    """The camera falls to half its frame rate: single pictures look the same, only the model's work gets harder."""
    output = loop.output
    # At half its rate from yesterday on. Of that the retraining sets the last quarter aside, which with this morning is
    # for the offline gate; the canary sees all of today. The baseline learns the morning (it knows every picture of
    # yesterday, of which it was made); what is checked before and after is later than that.
    yesterday = half_rate(PAST, output / "footage/yesterday.avi")
    half_rate(PAST, output / "footage/proof/1-evening.avi", start=EVENING)
    morning = half_rate(INCOMING, output / "footage/proof/2-morning.avi", stop=MORNING)
    today = half_rate(INCOMING, output / "footage/today.avi")
    later = half_rate(INCOMING, output / "footage/later.avi", start=MORNING)
    loop.shown = later
    proof: list[str | Path] = ["--proof", output / "footage/proof", "--normal", morning]
    return loop.change("the camera falls to half its frame rate", later, lambda: loop.retrain(yesterday, today, *proof))


def starts_to_patrol(loop: Loop) -> dict[str, Any]:
    """The camera begins to move: what stood still does so no more, and every view is a new one."""
    yesterday = patrol(PAST, loop.output / "footage/yesterday.avi")
    today = patrol(INCOMING, loop.output / "footage/today.avi")
    loop.shown = today
    return loop.change("the camera starts to patrol", today, lambda: loop.retrain(yesterday, today))


def another_scene(loop: Loop, scene: Path) -> dict[str, Any]:
    """The camera shows another scene for good: three quarters of the footage are learned, the rest is checked."""
    new, later = divide(scene, loop.output / "footage")
    loop.shown = later
    return loop.change("another scene", later, lambda: loop.retrain(new, later))


def half_rate(source: Path, target: Path, start: int = 0, stop: int = 10**9) -> Path:
    """Every second of the frames from start to stop, at half the rate: the time stamps of a camera that became slow."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with VideoReader(source) as reader, LosslessVideo(target, reader.fps / 2) as video:
        for number, (_, frame) in enumerate(reader):
            if start <= number < stop and number % 2 == 0:
                video.write(frame)
    return target


def patrol(source: Path, target: Path) -> Path:
    """What a camera shows that moves a window over its picture, to and fro, a little further with every frame."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with VideoReader(source) as reader, LosslessVideo(target, reader.fps) as video:
        for number, (_, frame) in enumerate(reader):
            sides = [round(WINDOW * side) for side in frame.shape[:2]]
            top, left = (
                abs((number * speed + room) % (2 * room) - room)
                for speed, room in zip(SPEED, np.subtract(frame.shape[:2], sides).tolist(), strict=True)
            )
            video.write(frame[top : top + sides[0], left : left + sides[1]])
    return target


def table(rows: Sequence[Row], outcome: dict[str, Any]) -> str:
    """What happened, one line an event."""
    lines = [f"{'':<42}{'status':<8}{'embedding':>10}{'quality':>9}{'performance':>13}{'gain':>10}  called for"]
    for row in rows:
        shares = [row.of_limit(gate) for gate in GATES]
        cells = ["" if share is None else f"{share:.2f}" for share in shares]
        called = row.decision["action"]
        causes = f" ({row.decision['causes']})" if row.decision["causes"] else ""
        lines.append(
            f"{row.event:<42}{row.verdict['status']:<8}{cells[0]:>10}{cells[1]:>9}{cells[2]:>13}{row.gain:>10}  "
            f"{called}{causes}"
        )
    lines += ["", "Scores in units of their limits; above 1 is FAIL.", "", f"retraining: {outcome['outcome']}"]
    for rule in outcome.get("evaluation", {}).get("rules", []):
        lines.append(f"  {rule['name']:<18}{rule['ruling']:<10}{rule['reason']}")
    if "canary" in outcome:
        lines.append(f"  {'canary':<18}{outcome['canary']['status']:<10}{outcome['canary']['message']}")
    for name, found in outcome.get("refresh", {}).items():
        lines.append(f"  {'refreshed baseline':<20}{name}: {found['status']} {', '.join(found['causes'])}")
    return "\n".join(lines)


def chart(rows: Sequence[Row], outcome: dict[str, Any], size: tuple[int, int] = (1200, 420)) -> NDArray[np.uint8]:
    """The gates' scores over the events, the limit, and what was called for."""
    width, height = size
    picture = np.full((height, width, 3), 255, np.uint8)
    left, right, top, bottom = 90, width - 40, 60, height - 110
    place = [left + round((right - left) * (number + 0.5) / len(rows)) for number in range(len(rows))]

    def up(share: float) -> int:
        return bottom - round((bottom - top) * min(share, TALLEST) / TALLEST)

    write(picture, "Gate scores in units of their limits", (left, 30), 0.7)
    for grid in range(int(TALLEST) + 1):
        cv2.line(picture, (left, up(grid)), (right, up(grid)), RED if grid == 1 else GREY, 2 if grid == 1 else 1)
        write(picture, f"{grid}" + ("+" if grid == TALLEST else ""), (left - 40, up(grid) + 6), 0.55)
    for number, gate in enumerate(GATES):
        points = [
            (x, up(share)) for x, row in zip(place, rows, strict=True) if (share := row.of_limit(gate)) is not None
        ]
        for one, other in itertools.pairwise(points):
            cv2.line(picture, one, other, COLOURS[gate], 2, cv2.LINE_AA)
        for point in points:
            cv2.circle(picture, point, 6, COLOURS[gate], -1, cv2.LINE_AA)
        write(picture, gate, (right - 420 + 145 * number, 30), 0.6, COLOURS[gate])
    for x, row in zip(place, rows, strict=True):
        good = row.verdict["status"] == "PASS"
        write(picture, row.verdict["status"], (x - 25, bottom + 28), 0.6, (60, 140, 40) if good else RED)
        for line, text in enumerate([row.event, f"called for: {row.decision['action']}"]):
            write(picture, text, (x - 4 * len(text), bottom + 54 + 22 * line), 0.48)
    between = (place[1] + place[2]) // 2
    cv2.line(picture, (between, top), (between, bottom), (60, 140, 40), 2)
    write(picture, f"retrained: {outcome['outcome']}", (between - 80, top - 8), 0.55, (60, 140, 40))
    return picture


def strip(footage: Path, models: Sequence[Interpolator], width: int = 1200) -> NDArray[np.uint8]:
    """One busy moment: the true frame, and what average, champion before and after make of its neighbours."""
    triplet, middles = busy_moment(footage, models)
    average = (triplet.first.astype(np.float32) + triplet.last) / 2
    shown: list[tuple[str, NDArray[Any]]] = [("true", triplet.middle), ("average", average)]
    shown += list(zip(("champion", "after retraining"), middles, strict=True))
    y, x, side = busiest(triplet)
    tiles = []
    for name, frame in shown:
        part = np.clip(np.rint(frame[y : y + side, x : x + side]), 0, 255).astype(np.uint8)
        tile = cv2.resize(cv2.cvtColor(part, cv2.COLOR_RGB2BGR), (280, 280), interpolation=cv2.INTER_CUBIC)
        tile = cv2.copyMakeBorder(tile, 40, 20, 10, 10, cv2.BORDER_CONSTANT, value=WHITE)
        error = square_error(frame, triplet)
        quality = "" if error == 0 else f"  {10 * np.log10(255**2 / error):.1f} dB"
        write(tile, name + quality, (12, 28), 0.6)
        tiles.append(tile)
    row = np.hstack(tiles)
    padded = cv2.copyMakeBorder(row, 0, 0, 0, max(0, width - row.shape[1]), cv2.BORDER_CONSTANT, value=WHITE)
    return np.asarray(padded[:, :width], np.uint8)


def busy_moment(footage: Path, models: Sequence[Interpolator]) -> tuple[Triplet, list[NDArray[np.float32]]]:
    """Of the quarter of triplets in which most moves the one of median gain, with what each model makes of it."""
    triplets = sorted(read_triplets(find_footage(footage).clips), key=motion, reverse=True)
    busiest_few = triplets[: max(1, len(triplets) // 4)]
    made = [[model.interpolate(one.first[None], one.last[None])[0] for model in models] for one in busiest_few]
    errors = [[square_error(middle, one) for middle in made[number]] for number, one in enumerate(busiest_few)]
    gains = np.log([(before + 1e-9) / (after + 1e-9) for before, after in errors])
    typical = int(np.argsort(gains)[len(gains) // 2])
    return busiest_few[typical], made[typical]


def square_error(frame: NDArray[Any], triplet: Triplet) -> float:
    """Mean square error of a middle frame where most differs."""
    y, x, side = busiest(triplet)
    part = np.s_[y : y + side, x : x + side]
    return float(np.mean(np.square(frame[part] - triplet.middle[part].astype(np.float32))))


def motion(triplet: Triplet) -> float:
    """How much differs between first and last."""
    return float(np.abs(triplet.first.astype(np.int16) - triplet.last).mean())


def busiest(triplet: Triplet, side: int = 72) -> tuple[int, int, int]:
    """Corner and side of the square in which most differs."""
    difference = np.abs(triplet.first.astype(np.float32) - triplet.last).sum(axis=2)
    side = min(side, *difference.shape)
    heaps = cv2.boxFilter(difference, -1, (side, side), normalize=False, anchor=(0, 0))
    inside = heaps[: difference.shape[0] - side + 1, : difference.shape[1] - side + 1]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(y), int(x), side


def write(picture: NDArray[np.uint8], text: str, place: tuple[int, int], size: float, colour: Any = BLACK) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def run(*arguments: str | int | Path) -> int:
    """A command of `sentinel-edge`; its exit code. What it prints as a result is in files."""
    command = [sys.executable, "-m", "sentinel_edge", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    if done.returncode in (0, 3):
        return done.returncode
    sys.exit(f"heal: {' '.join(map(str, arguments))} ended with exit code {done.returncode}; see above")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


CHANGES = {"half-rate": half_its_rate, "patrol": starts_to_patrol}

if __name__ == "__main__":
    sys.exit(main())
