"""Run the detection benchmark on a folder of fixed-camera footage."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from sentinel_edge import assets
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.window import Window
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import SEVEREST

from ..tables import publish
from . import remedies
from .cache import WindowCache
from .corruptions import CLEAN, Damage, all_damages, corrupt_tta_installed
from .evasions import evasions
from .footage import WHOLE, Camera, find_cameras
from .judges import JUDGES, Normal, learn
from .peers import alibi_opinions
from .report import OTHER, REAL, fill_in, report, short_table, write
from .scores import Outcome, Trial

LIMIT = 100
"""Embeddings of a window; the runtime thins longer ones evenly, here as everywhere."""
MILD = 2
"""The severity up to which the slow peers are asked."""


def main() -> None:
    """Read, judge, print, write."""
    options = _arguments()
    asked = {name for name in ("remedies", "evasions") if getattr(options, name)}
    try:
        if not asked:
            text, values = run(options)
            print(text)
            write(options.output, text, values)
            if options.readme:
                fill_in(options.readme, "detection", short_table(values))
        if "remedies" in asked or not asked:
            answers = remedies.measured(options.footage, options.cache, quick=options.quick)
            print(remedies.report(answers))
            remedies.write(options.output, answers)
            if options.readme:
                fill_in(options.readme, "remedies", remedies.short_table(answers))
        if "evasions" in asked or not (asked or options.quick):
            hidden = evasions(find_cameras(options.footage), Embedder(assets.default_model()), _Progress().camera)
            publish(hidden, options.output)
    except SentinelError as error:
        sys.exit(f"bench-detection: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.detection", description=__doc__)
    parser.add_argument("--footage", type=Path, required=True, help="folder of cameras: videos, or folders of pictures")
    parser.add_argument("--output", type=Path, default=Path("bench_output"), help="folder for detection.md and .json")
    parser.add_argument("--cache", type=Path, default=Path(".cache/detection"), help="folder for what was computed")
    parser.add_argument("--readme", type=Path, help="a README whose blocks are filled with the short tables")
    parser.add_argument("--alibi", type=Path, help="python of an environment with alibi-detect, to run it beside ours")
    parser.add_argument("--quick", action="store_true", help="five kinds of damage at two severities: two minutes")
    parser.add_argument("--worst", type=int, default=SEVEREST, help="the highest severity: the mild ones tell most")
    parser.add_argument("--remedies", action="store_true", help="the remedy table alone")
    parser.add_argument("--evasions", action="store_true", help="what a window can hide alone: a few minutes")
    parser.add_argument("--slow", action="store_true", help="also the damages that take about a second a frame")
    return parser.parse_args()


def run(options: argparse.Namespace) -> tuple[str, dict[str, object]]:
    """The benchmark; the report as Markdown and as values.

    Raises:
        SentinelError: The footage cannot be used, or alibi-detect failed.
    """
    start = time.monotonic()
    progress = _Progress()
    windows = WindowCache(options.cache, Embedder(assets.default_model()), on_read=progress.reading)
    damages = all_damages(quick=options.quick, slow=options.slow, worst=options.worst)
    cameras = find_cameras(options.footage)
    normals: dict[str, Normal] = {}
    outcomes: list[Outcome] = []
    for camera in cameras:
        progress.camera(camera.name)
        normals[camera.name] = normal = learn(camera, windows)
        judged = list(_trials(camera, cameras, damages, windows))
        outcomes += [
            Outcome(trial, name, judge(window, normal)) for name, judge in JUDGES.items() for trial, window in judged
        ]
        if options.alibi:
            asked = [(trial, window) for trial, window in judged if _worth_asking(trial)]
            said = alibi_opinions(options.alibi, normal, [window for _, window in asked], options.cache)
            outcomes += [
                Outcome(trial, name, opinion)
                for name, opinions in said.items()
                for (trial, _), opinion in zip(asked, opinions, strict=True)
            ]
    progress.done(windows.read, time.monotonic() - start)
    conditions = _conditions(len(cameras)) | {"worst severity": options.worst}
    return report(outcomes, normals, conditions, _notes(normals, options))


def _trials(
    camera: Camera, cameras: Sequence[Camera], damages: Sequence[Damage], windows: WindowCache
) -> Iterator[tuple[Trial, Window]]:
    """Every window judged against this camera's baseline."""
    for stretch, parts in camera.clean:
        whole = windows.window(stretch, CLEAN, camera.fps, LIMIT)
        for part in parts:
            label = f"{stretch.clip.name} {part}"
            yield Trial(camera.name, "clean", "clean", 0, label), whole.take(part.of(whole))
    for damage in damages:
        for stretch, parts in camera.sabotaged:
            whole = windows.window(stretch, damage, camera.fps, LIMIT)
            # A camera that freezes does so for a share of the clip: a part of it may hold none of that.
            for part in (WHOLE,) if damage.in_time else parts:
                label = f"{stretch.clip.name} {part}"
                trial = Trial(camera.name, damage.source, damage.kind, damage.severity, label, damage.causes)
                yield trial, whole.take(part.of(whole))
    for failure in camera.failures:
        window = windows.window(failure.stretch, CLEAN, camera.fps, LIMIT)
        yield Trial(camera.name, REAL, failure.what, 0, failure.stretch.clip.name, (Cause(failure.cause),)), window
    for other in cameras:
        if other is not camera:
            stretch, _ = other.clean[0]
            trial = Trial(camera.name, OTHER, other.name, 0, stretch.clip.name, (Cause.SCENE_CHANGE,))
            yield trial, windows.window(stretch, CLEAN, camera.fps, LIMIT)


def _worth_asking(trial: Trial) -> bool:
    """Whether alibi-detect judges this too: every clean window, and of damaged footage whole stretches.

    Its test of every dimension takes about a second a window, and what is severe every judge sees.
    """
    return trial.source in ("clean", REAL) or (trial.severity <= MILD and trial.window.endswith(f" {WHOLE}"))


def _notes(normals: Mapping[str, Normal], options: argparse.Namespace) -> list[str]:
    notes = [f"{name} has no baseline: {normal.refusal}" for name, normal in normals.items() if normal.refusal]
    if not corrupt_tta_installed():
        notes.append("corrupt-tta is not installed: our own saboteur alone. `make bench-detection` installs it.")
    elif not options.slow:
        notes.append(
            "Left out, as they take about a second a frame: glass_blur, zoom_blur, elastic_transform (--slow)."
        )
    if options.alibi:
        notes.append(
            "alibi-detect judges every clean window and every real failure, but of damaged copies only whole ones, of "
            f"severity {MILD} or less."
        )
    if options.worst < SEVEREST:
        notes.append(f"Severities above {options.worst} were left out.")
    if options.quick:
        notes.append("A quick look: five kinds at two severities.")
    return notes


def _conditions(cameras: int) -> dict[str, object]:
    packages = ("numpy", "scipy", "onnxruntime", "opencv-python-headless")
    tta = {"corrupt-tta": version("corrupt-tta")} if corrupt_tta_installed() else {}
    return {
        "cameras": cameras,
        "Python": platform.python_version(),
        **{name: version(name) for name in packages},
        **tta,
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
    }


class _Progress:
    """What is going on, on standard error: one line where that is a terminal, one a camera where it is not."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def camera(self, name: str) -> None:
        """A camera's turn."""
        self._say(name, end="" if self._live else "\n")

    def reading(self, what: str) -> None:
        """Something is not in the cache."""
        if self._live:
            self._say(what, end="")

    def done(self, read: int, seconds: float) -> None:
        """All cameras are through."""
        self._say(f"{read} windows read, the rest from the cache; {seconds:.0f} s")

    def _say(self, text: str, end: str = "\n") -> None:
        print(f"\r\x1b[K{text}" if self._live else text, file=sys.stderr, end=end, flush=True)


if __name__ == "__main__":
    main()
