"""Run the benchmarks: all of them, or those named."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from . import baseline_build, check, interpolation, judging, ks, memory, startup
from .tables import Result, publish, publish_summary

BENCHMARKS: Mapping[str, Callable[[], Result]] = {
    "ks": ks.measure,
    "check": check.measure,
    "memory": memory.measure,
    "startup": startup.measure,
    "baseline_build": baseline_build.measure,
    "judging": judging.measure,
    "interpolation": interpolation.measure,
}


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all when none is given")
    parser.add_argument("--footage", help="a video, or a folder of videos, for check and memory (or FOOTAGE)")
    parser.add_argument("--output", type=Path, default=Path("bench_output"), help="folder for the tables")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}; expected of {', '.join(BENCHMARKS)}")
    if arguments.footage:
        os.environ["FOOTAGE"] = arguments.footage
    results = []
    for name in arguments.names or BENCHMARKS:
        print(f"{name} …", file=sys.stderr, flush=True)
        results.append(BENCHMARKS[name]())
        publish(results[-1], arguments.output)
    conditions = {
        "Python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "onnxruntime", "opencv-python-headless")},
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
    }
    publish_summary(results, conditions, arguments.output)


if __name__ == "__main__":
    main()
