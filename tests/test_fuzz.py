"""The fuzzer finds what it is for: each kind of fault, planted, is counted; and what it found stays mended."""

import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from sentinel_edge.cli import run as cli
from tests.fuzz import forks, oracle
from tests.fuzz.cases import KINDS, Case
from tests.fuzz.corpus import Corpus, make_corpus
from tests.fuzz.oracle import faults


def put(folder: Path, status: str) -> None:
    (folder / "out").mkdir(exist_ok=True)
    (folder / "out" / "status").write_text(f"{status}\n")
    (folder / "out" / "verdict.json").write_text(f'{{"status": "{status}"}}')


def segfault(_: Path) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def escape(_: Path) -> int:
    raise ValueError("nobody caught this")


def complain(folder: Path) -> int:
    put(folder, "ERROR")
    os.write(2, b"sentinel-edge: unexpected KeyError: 'x'; this is a defect, SENTINEL_DEBUG=1 shows where\n")
    return 1


def spin(_: Path) -> int:
    while True:
        pass


def sleep(_: Path) -> int:
    time.sleep(60)
    return 0


def grow(folder: Path) -> int:
    put(folder, "ERROR")
    os.write(2, b"sentinel-edge: it was large\n")
    return len(b"x" * (forks.MEMORY + 2**20)) and 1


def believe(folder: Path) -> int:
    put(folder, "PASS")
    return 0


def forget(folder: Path) -> int:
    put(folder, "PASS")
    os.write(2, b"sentinel-edge: could not judge\n")
    return 1


def litter(folder: Path) -> int:
    put(folder, "FAIL")
    (folder / "out" / ".status.x7.tmp").write_text("")
    return 3


@pytest.fixture(autouse=True)
def _beside_what_this_process_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork begins with the memory of its parent, here of whatever tests ran before."""
    limit = max(forks.MEMORY, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 2**26)
    for module in (forks, oracle):
        monkeypatch.setattr(module, "MEMORY", limit)


PLANTED: list[tuple[Callable[[Path], int], set[str]]] = [
    (segfault, {"signal"}),
    (escape, {"traceback", "no verdict"}),
    (complain, {"defect"}),
    (spin, {"hang"}),
    (sleep, {"hang"}),
    (grow, {"memory"}),
    (believe, {"wrong PASS"}),
    (forget, {"wrong PASS", "no verdict"}),
    (litter, {"litter"}),
]


@pytest.mark.parametrize(("planted", "counted"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_every_kind_of_fault_is_counted(
    planted: Callable[[Path], int], counted: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if "hang" in counted:
        monkeypatch.setattr(forks, "SECONDS", 1.0)
    monkeypatch.setattr(cli, "run", lambda _: planted(tmp_path))
    case = Case(["check"], must_not_pass=True)
    assert set(faults(case, forks.forked(case.arguments, tmp_path, {}), tmp_path)) == counted


def test_a_sound_run_is_sound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_: object) -> int:
        put(tmp_path, "FAIL")
        return 3

    monkeypatch.setattr(cli, "run", fail)
    case = Case(["check"], must_not_pass=True)
    assert list(faults(case, forks.forked(case.arguments, tmp_path, {}), tmp_path)) == []


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    forks.load()
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_files(corpus: Corpus, kind: str, tmp_path: Path) -> None:
    made = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        KINDS[kind](Random(f"7:{kind}"), corpus, tmp_path / name)  # noqa: S311
        made.append(content(tmp_path / name))
    assert made[0] == made[1]
