"""Mutated files against the command line, seeded and counted: `python -m tests.fuzz --minutes 2`.

Run N of seed S is always the same: `--seed S --only N` does it again, keeps its folder and says what was printed. One
run in so many is a process of its own from the start; the others are forks (see `forks`).
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy: a process with threads is not forked

from tests.fuzz.cases import KINDS, WEIGHTS, Case
from tests.fuzz.corpus import Corpus, make_corpus
from tests.fuzz.forks import Ending, forked, load, real, today
from tests.fuzz.oracle import faults, table

REAL_EVERY = 100


def main(arguments: list[str] | None = None) -> int:
    """Run for some time or some runs; exit code 1 where there was any fault."""
    options = _parser().parse_args(arguments)
    load()
    runs: Counter[str] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_quick_place()) as work:
        corpus = make_corpus(_emptied(Path(work, "corpus")))
        end = time.monotonic() + options.minutes * 60
        numbers = [options.only] if options.only is not None else range(options.first, options.first + options.runs)
        for number in numbers:
            if time.monotonic() > end:
                break
            run = once(options, number, corpus, _emptied(Path(work, f"run-{number}")))
            if {"hang", "memory"} & set(run.faults):  # the machine may have been busy
                shutil.rmtree(run.folder)
                run = once(options, number, corpus, _emptied(run.folder))
            runs[run.kind] += 1
            found.update((run.kind, fault) for fault in run.faults)
            if run.faults or options.only is not None:
                print(_told(options.seed, number, run), flush=True)
                kept = _emptied(options.keep) / f"{options.seed}-{number}"
                shutil.copytree(run.folder, kept, symlinks=True, ignore=_pipes, dirs_exist_ok=True)
            shutil.rmtree(run.folder)
    print(f"seed {options.seed}\n{table(runs, found)}")
    return 1 if found else 0


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the kind of file, where it was, what was run, how it ended, and what was wrong."""

    kind: str
    folder: Path
    case: Case
    ending: Ending
    faults: tuple[str, ...]


def once(options: argparse.Namespace, number: int, corpus: Corpus, folder: Path) -> Run:
    """Run one case, in an empty folder."""
    chance = Random(f"{options.seed}:{number}")  # noqa: S311  (nothing secret)
    (kind,) = chance.choices(list(KINDS), WEIGHTS)
    kind = chance.choice(options.kinds) if options.kinds else kind
    case = KINDS[kind](chance, corpus, folder)
    run = real if number % REAL_EVERY == REAL_EVERY - 1 else forked
    ending = run(case.arguments, folder, case.environment)
    return Run(kind, folder, case, ending, tuple(faults(case, ending, folder)))


def _told(seed: int, number: int, run: Run) -> str:
    ending = run.ending
    said = " / ".join(ending.stderr.strip().splitlines()[-3:])
    return (
        f"seed {seed} run {number} {run.kind}: {', '.join(run.faults) or 'sound'}; code {ending.code}, "
        f"{ending.seconds:.1f} s, {ending.peak / 2**20:.0f} MiB; {' '.join(run.case.arguments)[:300]!r} "
        f"{dict(run.case.environment) or ''}\n    {said[:600]!r}"
    )


def _quick_place() -> str | None:
    """Files that are made and removed again by the thousand want no disk, where there is memory for them."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108


def _emptied(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_fifo()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    option = parser.add_argument
    option("--minutes", type=float, default=2.0)
    option("--runs", type=int, default=10**9, help="at most so many")
    option("--seed", type=int, default=today())
    option("--first", type=int, default=0, help="number of the first run")
    option("--only", type=int, help="this run alone, told and kept")
    option("--kinds", type=lambda text: text.split(","), default=[], help=f"of {','.join(KINDS)}")
    option("--keep", type=Path, default=Path("fuzz_output"), help="folder for the files of what went wrong")
    return parser


if __name__ == "__main__":
    sys.exit(main())
