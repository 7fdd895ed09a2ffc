"""Fair clocks: what is compared runs in turns, in one process run, and every figure is a median with its range."""

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SHORT_S = 0.05
"""A job shorter than this is repeated until one turn takes about as long."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One quantity measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.values)

    def over(self, other: "Spread") -> "Spread":
        """This divided by another, turn by turn: both halves of a ratio met the same load."""
        return Spread(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def less(self, other: "Spread") -> "Spread":
        """This less another, turn by turn."""
        return Spread(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))

    def shown(self, scale: float = 1.0, digits: int = 2, unit: str = "") -> str:
        """Median and range, for a table: `1.20 (1.18 to 1.31)`."""
        median, low, high = (scale * value for value in (self.median, min(self.values), max(self.values)))
        return f"{median:.{digits}f}{unit} ({low:.{digits}f} to {high:.{digits}f})"


def side_by_side(jobs: Mapping[str, Callable[[], object]], turns: int) -> tuple[dict[str, Spread], dict[str, Spread]]:
    """Run jobs in turns (A B, B A, A B …) and time them; each is run once before, untimed.

    Returns:
        Wall seconds of one run of each job, one value a turn, and the same in processor seconds of all threads:
        what other programs take from the cores lengthens the first and hardly the second.
    """
    repeats = {name: max(1, round(SHORT_S / _timed(job, 1)[0])) for name, job in jobs.items()}
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    processor: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(turns):
        for name in list(jobs)[:: 1 if turn % 2 == 0 else -1]:
            wall_s, processor_s = _timed(jobs[name], repeats[name])
            wall[name].append(wall_s)
            processor[name].append(processor_s)
    return _spreads(wall), _spreads(processor)


def _spreads(seconds: Mapping[str, list[float]]) -> dict[str, Spread]:
    return {name: Spread(tuple(values)) for name, values in seconds.items()}


def _timed(job: Callable[[], object], repeats: int) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in itertools.repeat(None, repeats):
        job()
    return (time.perf_counter() - wall) / repeats, (time.process_time() - processor) / repeats


@dataclass(frozen=True, slots=True)
class ChildRun:
    """One run of a child process.

    Attributes:
        exit_code: What it returned.
        seconds: From start to end, wall time.
        cpu_s: Processor time it used.
        peak_mb: Largest resident memory, in megabytes (10^6 bytes).
        output: Its standard output.
    """

    exit_code: int
    seconds: float
    cpu_s: float
    peak_mb: float
    output: str


# The kernel counts the memory of whoever calls exec for the program that is then started, so a child of a large
# process seems large. A small process in between starts the program, waits for it and says what it took.
_WITNESS = """
import json, os, sys, time
start = time.perf_counter()
pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[2:]], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - start
kibibytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
with open(sys.argv[1], "w") as result:
    json.dump([os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, kibibytes], result)
"""


def run_python(arguments: Sequence[str]) -> ChildRun:
    """Run Python with these arguments in a process of its own, from the current folder."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        witness = [sys.executable, "-I", "-S", "-c", _WITNESS, str(result), *arguments]
        done = subprocess.run(witness, check=True, capture_output=True, text=True, env=_plain_environment())
        exit_code, seconds, cpu_s, kibibytes = json.loads(result.read_text())
    return ChildRun(exit_code, seconds, cpu_s, kibibytes * 1024 / 1e6, done.stdout)


def _plain_environment() -> dict[str, str]:
    """The environment without settings of the monitor, which would change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SENTINEL_")}
