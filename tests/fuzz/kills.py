"""Commands killed at random moments, seeded and counted: `python -m tests.fuzz.kills --kills 500`.

After every kill what the command writes must be whole, the old or the new, and no check may leave yesterday's PASS once
it has loaded a library; then the same command, run again, must end as if nothing had been. Every fourth is a process of
its own from the start, so that it may die while libraries load; the others are forks that have them.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy: a process with threads is not forked

from tests.command import COMMAND, clean_environment, strict_json
from tests.fuzz.corpus import Corpus, check, make_corpus
from tests.fuzz.forks import begun, forked, load, today

REAL_EVERY = 4
HEAVY = ("numpy", "cv2", "onnxruntime", "scipy")
"""Libraries that take the time in which a process is killed before it has begun."""
EXIT_OF = {"PASS": 0, "FAIL": 3, "ERROR": 1}


@dataclass(frozen=True, slots=True)
class Operation:
    """A command that writes.

    Attributes:
        arguments: Of the command, for a folder.
        code: What it ends with.
        faults: What is wrong in a folder where it was killed: given the folder, one where it came to its end, and
            whether it had loaded libraries.
        before: What lies in the folder when it starts.
    """

    arguments: Callable[[Path], list[str]]
    code: int
    faults: Callable[[Path, Path, bool], Iterator[str]]
    before: Mapping[str, Path]


def operations(corpus: Corpus) -> dict[str, Operation]:
    """Every command that writes something that must survive."""
    models = ["--model", str(corpus / "embedder.onnx"), "--interpolator", str(corpus / "registry")]
    good, past = str(corpus.good["avi"]), str(corpus / "past.avi")
    registry = {"registry": corpus / "registry"}

    def model(name: str, *more: str) -> Operation:
        return Operation(lambda f: ["model", name, "--registry", str(f / "registry"), *more], 0, _registry, registry)

    def decided(folder: Path) -> list[str]:
        verdict = ["--verdict", str(corpus / "verdict-fail.json"), "--exit-code", "3"]
        return ["decide", *verdict, "--history", str(folder / "history.json"), "--output", str(folder / "out")]

    def canary(folder: Path) -> list[str]:
        place = ["--registry", str(folder / "registry"), "--state", str(folder / "state.json")]
        return ["canary", "--incoming", past, *place, "--output", str(folder / "out"), "--decide"]

    def evaluate(folder: Path) -> list[str]:
        pair = [
            f"--{name}={corpus / 'models' / at / 'model.onnx'}" for name, at in (("champion", "a"), ("challenger", "b"))
        ]
        return ["evaluate", *pair, "--new", past, "--golden", past, "--output", str(folder / "out")]

    def made(name: str, *more: str) -> Operation:
        return Operation(lambda f: [name, "--source", past, "--output", str(f / "out"), *more], 0, _folder, {})

    def learned(*more: str) -> Operation:
        def arguments(folder: Path) -> list[str]:
            place = str(folder / "baseline.npz")
            return ["baseline", "--output", place, *models, *(place if word == "ITSELF" else word for word in more)]

        return Operation(arguments, 0, _baseline, {"baseline.npz": corpus / "baseline.npz"})

    return {
        "check": Operation(
            lambda f: check(corpus, corpus.bad["avi"], f / "out"), 3, _verdict, {"out": corpus / "pass"}
        ),
        "baseline": learned("--source", past),
        "baseline --add": learned("--source", good, "--add", "ITSELF"),
        "model add": model("add", "--model", str(corpus / "new" / "model.onnx")),
        "model promote": model("promote"),
        "model rollback": model("rollback"),
        "canary": Operation(canary, ANY_CODE, _canary, registry),
        "evaluate": Operation(evaluate, ANY_CODE, _result("evaluation.json"), {}),
        "decide": Operation(decided, 0, _decision, {"history.json": corpus / "history.json"}),
        "excerpt": made("excerpt", "--megabytes", "1"),
        "sabotage": made("sabotage", "--kind", "noise"),
    }


ANY_CODE = -1
"""Whatever it ends with where nobody kills it."""


def main(arguments: list[str] | None = None) -> int:
    """Kill so many; exit code 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.kills", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=today())
    options = parser.parse_args(arguments)
    chance = Random(options.seed)  # noqa: S311  (nothing secret)
    load()
    killed: Counter[str] = Counter()
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kills-") as work:
        (Path(work) / "corpus").mkdir()
        known = operations(make_corpus(Path(work) / "corpus"))
        whole = {name: _whole(one, Path(work) / f"whole-{number}") for number, (name, one) in enumerate(known.items())}
        number = 0
        while sum(killed.values()) < options.kills:
            name = list(known)[number % len(known)]
            folder = Path(work) / f"kill-{number}"
            died, faults = _kill(known[name], whole[name], folder, chance, real=number // len(known) % REAL_EVERY == 0)
            killed[name] += died
            found += [f"seed {options.seed} kill {number}, {name}: {fault}" for fault in faults]
            print("\n".join(found[len(found) - len(faults) :]), end="\n" if faults else "", flush=True)
            shutil.rmtree(folder)
            number += 1
    for name, count in killed.items():
        print(f"{name:15} {count:4} killed, {sum(f', {name}: ' in line for line in found):4} faults")
    print(f"{'all':15} {sum(killed.values()):4} killed, {len(found):4} faults")
    return 1 if found else 0


@dataclass(frozen=True, slots=True)
class _Whole:
    """A run that nobody killed: its folder, its exit code, and how long it took as a fork and as a process."""

    folder: Path
    code: int
    seconds: tuple[float, float]


def _whole(one: Operation, folder: Path) -> _Whole:
    seconds = []
    for real in (False, True):
        if folder.exists():
            shutil.rmtree(folder)
        _prepare(one, folder)
        start = time.monotonic()
        process = _start(one, folder, real=real)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        seconds.append(time.monotonic() - start)
        assert one.code in (code, ANY_CODE), (one.arguments(folder), code, (folder / ".stderr").read_text())
    return _Whole(folder, code, (seconds[0], seconds[1]))


def _kill(one: Operation, whole: _Whole, folder: Path, chance: Random, *, real: bool) -> tuple[bool, list[str]]:
    """Whether it was killed before its end, and what is wrong after."""
    _prepare(one, folder)
    process = _start(one, folder, real=real)
    time.sleep(chance.random() * whole.seconds[real] * 1.05)
    os.kill(process, signal.SIGSTOP)
    heavy = _heavy(process)
    os.kill(process, signal.SIGKILL)
    with suppress(ProcessLookupError):  # what it started, where it came so far
        os.killpg(process, signal.SIGKILL)
    died = os.WIFSIGNALED(os.waitpid(process, 0)[1])
    faults = list(one.faults(folder, whole.folder, real and heavy))
    again = forked(one.arguments(folder), folder, {})
    # A killed process may have done its work; then there is nothing to be promoted, and a folder that is in use.
    if again.code != whole.code and not (
        again.code == 1 and "defect" not in again.stderr and _done(one, folder, whole)
    ):
        faults.append(f"run again it ended with {again.code}, not {whole.code}: {again.stderr.strip()[:200]}")
    return died, faults


def _done(one: Operation, folder: Path, whole: _Whole) -> bool:
    """Whether what a run would have made is there."""
    if one.faults is _registry:
        return _roles(folder) == _roles(whole.folder)
    if one.faults is _folder:
        return _names(folder / "out") == _names(whole.folder / "out")
    return one.faults is _canary and _roles(folder) == _roles(whole.folder)


def _prepare(one: Operation, folder: Path) -> None:
    folder.mkdir()
    for name, source in one.before.items():
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)


def _start(one: Operation, folder: Path, *, real: bool) -> int:
    if not real:
        return begun(one.arguments(folder), folder, {})
    with (folder / ".stderr").open("wb") as stderr:
        command = [*COMMAND, *one.arguments(folder)]
        return subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        ).pid


def _heavy(process: int) -> bool:
    try:
        return any(f"/{name}" in Path(f"/proc/{process}/maps").read_text() for name in HEAVY)
    except OSError:
        return False


# What must hold after a kill.


def _verdict(folder: Path, _: Path, heavy: bool) -> Iterator[str]:
    status = (folder / "out" / "status").read_text()
    verdict = strict_json((folder / "out" / "verdict.json").read_bytes())["status"]
    if status not in ("PASS\n", "FAIL\n", "ERROR\n"):
        yield f"the status is {status!r}"
    if "PASS" in (status.strip(), verdict) and (heavy or status.strip() != verdict):
        yield f"yesterday's PASS stands: status {status.strip()}, verdict {verdict}, libraries loaded: {heavy}"


def _baseline(folder: Path, whole: Path, _: bool) -> Iterator[str]:
    path = folder / "baseline.npz"
    described = forked(["describe", "--baseline", str(path)], folder, {})
    if described.code != 0:
        yield f"the baseline is neither the old nor the new: {described.stderr.strip()[:200]}"


def _registry(folder: Path, whole: Path, _: bool) -> Iterator[str]:
    verified = forked(["model", "verify", "--registry", str(folder / "registry")], folder, {})
    if verified.code != 0:
        yield f"the registry is damaged: {verified.stdout.strip()[:300]} {verified.stderr.strip()[:200]}"
    now, after = (_roles(place).get("champion") for place in (folder, whole))
    if now is None:
        yield f"the champion is lost; it was to be {after}"


def _canary(folder: Path, whole: Path, heavy: bool) -> Iterator[str]:
    yield from _registry(folder, whole, heavy)
    yield from _torn(folder / "state.json")
    yield from _torn(folder / "out" / "canary.json")


def _result(name: str) -> Callable[[Path, Path, bool], Iterator[str]]:
    def faults(folder: Path, _: Path, __: bool) -> Iterator[str]:
        yield from _torn(folder / "out" / name)

    return faults


def _decision(folder: Path, whole: Path, _: bool) -> Iterator[str]:
    yield from _torn(folder / "history.json")
    yield from _torn(folder / "out" / "decision.json")


def _folder(folder: Path, whole: Path, _: bool) -> Iterator[str]:
    if (folder / "out").exists() and _names(folder / "out") != _names(whole / "out"):
        yield f"half of it is there: {_names(folder / 'out')}"


def _torn(path: Path) -> Iterator[str]:
    try:
        if path.exists():
            strict_json(path.read_bytes())
    except (ValueError, AssertionError):
        yield f"{path.name} is torn"


def _names(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _roles(folder: Path) -> dict[str, int]:
    listed = forked(["model", "list", "--registry", str(folder / "registry")], folder, {})
    versions = strict_json(listed.stdout)["versions"] if listed.code == 0 else []
    return {one["role"]: one["version"] for one in versions}


if __name__ == "__main__":
    sys.exit(main())
