"""From the start of the process to the verdict on 32 small images, and where that time goes."""

import json
import tempfile
from itertools import islice
from pathlib import Path

import cv2

from .footage import INCOMING, frames_of
from .tables import Finding, Result
from .timing import ChildRun, Spread, run_python

IMAGES = 32
SIZE = (320, 240)
TURNS = 7
LIMIT_S = 1.5

# The check's own steps, one after the other, each timed in a process of its own.
_STAGES = """
import json, sys, time
from pathlib import Path
marks = [("", time.perf_counter())]
mark = lambda name: marks.append((name, time.perf_counter()))
import numpy, cv2, onnxruntime, scipy.special; mark("import numpy, cv2, onnxruntime, scipy.special")
import fire; mark("import fire")
from sentinel_edge import assets
from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.cli import run
from sentinel_edge.cli.commands import check
from sentinel_edge.footage.clips import find_footage
from sentinel_edge.gates.judge import judge
from sentinel_edge.footage.window import read_window
from sentinel_edge.baseline.learning import recorders
from sentinel_edge.gates.protocol import Models
from sentinel_edge.networks.embedder import Embedder
mark("import sentinel_edge")
baseline = load_baseline(assets.default_baseline()); mark("load baseline")
embedder = Embedder(assets.default_model()); mark("load model")
clips = find_footage(Path(sys.argv[1])).clips
window = read_window(clips, recorders(Models(embedder)), baseline.fps); mark("decode and embed")
judge(window, baseline); mark("judge")
print(json.dumps({name: end - start for (_, start), (name, end) in zip(marks, marks[1:])}))
"""
LOAD = ("load baseline", "load model")


def measure() -> Result:
    """Wall time of `python -m sentinel_edge check`, side by side with an empty Python and with its own steps."""
    whole: list[ChildRun] = []
    empty: list[ChildRun] = []
    staged: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        images = Path(temporary) / "images"
        images.mkdir()
        for number, frame in enumerate(islice(frames_of(INCOMING), 0, IMAGES * 8, 8)):
            cv2.imwrite(str(images / f"{number:02}.jpg"), cv2.resize(frame, SIZE))
        check = ["-m", "sentinel_edge", "check", "--incoming", str(images), "--output", f"{temporary}/status"]
        for turn in range(TURNS + 1):
            runs = [run_python(check), run_python(["-c", "pass"]), run_python(["-c", _STAGES, str(images)])]
            if [run.exit_code for run in runs] not in ([0, 0, 0], [3, 0, 0]):
                raise RuntimeError(f"the check of {IMAGES} images gave no verdict: {runs[0].output}")
            if turn:  # the first only fills the page cache
                whole.append(runs[0])
                empty.append(runs[1])
                staged.append(json.loads(runs[2].output))
    total = Spread(tuple(run.seconds for run in whole))
    work = Spread(tuple(run.cpu_s for run in whole))
    stages = {"start and end of Python": Spread(tuple(run.seconds for run in empty))}
    stages |= {name: Spread(tuple(stage[name] for stage in staged)) for name in staged[0]}
    imports = _sum([spread for name, spread in stages.items() if name.startswith("import")]).over(total)
    loads = _sum([stages[name] for name in LOAD]).over(total)
    rows = [("the whole check, start to verdict", total.shown(1e3, 0, " ms"), "100%")]
    rows += [
        (name, spread.shown(1e3, 0, " ms"), spread.over(total).shown(100, 0, "%")) for name, spread in stages.items()
    ]
    return Result(
        "startup",
        f"Start to verdict on {IMAGES} images of {SIZE[0]}x{SIZE[1]}",
        "Wall time of the child process `python -m sentinel_edge check` on JPEG files, with the golden baseline; then "
        "an empty Python, and the check's steps timed inside a process of their own, turn by turn with it. Files are "
        "in the page cache. What is left of the whole is the command line, writing the verdict and taking down.",
        ("step", "time", "share of the whole"),
        rows,
        {
            "processor_s": work.values,
            "seconds": {"whole": total.values} | {name: spread.values for name, spread in stages.items()},
        },
        [
            Finding(f"start to verdict on {IMAGES} images", total.shown(unit=" s"), total.median, LIMIT_S, unit=" s"),
            Finding("  its processor time, all threads", work.shown(unit=" s"), work.median),
            Finding("  share of it: imports", imports.shown(100, 0, "%"), 100 * imports.median),
            Finding("  share of it: loading model and baseline", loads.shown(100, 0, "%"), 100 * loads.median),
        ],
    )


def _sum(spreads: list[Spread]) -> Spread:
    return Spread(tuple(sum(values) for values in zip(*(spread.values for spread in spreads), strict=True)))
