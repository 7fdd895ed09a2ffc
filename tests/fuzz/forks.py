"""Runs the command line a hundred times a minute and more: each run is a fork of this process, which has loaded it.

A fork is a process like any other: with limits of memory and time, a signal or an exit code at its end, and its peak
memory told by the system. Only what happens before the libraries are loaded it does not show; `real` runs that too.
"""

import faulthandler
import gc
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.command import COMMAND, clean_environment

MEMORY = 400 * 2**20
"""Resident bytes that no run may take."""
SECONDS = 20.0
"""Of the processor's time that no run may take, and a fifth of what it may take by the clock, beside other work."""
_ROOM = 2**31  # of addresses, beyond what is mapped already: so that a bomb hits a wall and not the machine
_LARGEST_FILE = 2**28
_SHOWN = 100_000
OUT, ERR = ".stdout", ".stderr"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its exit code or the signal that ended it, its peak of resident bytes, and what it printed."""

    code: int
    signal: int
    hung: bool
    seconds: float
    peak: int
    stdout: str
    stderr: str


def today() -> int:
    """The seed of this day: another every day, and the same again for whoever asks why."""
    return int(time.time() // 86_400)


def load() -> None:
    """Load everything that a command may work with, so that no fork has to."""
    from sentinel_edge.cli.command import Group  # noqa: PLC0415
    from sentinel_edge.cli.commands import COMMANDS  # noqa: PLC0415

    for entry in COMMANDS.values():
        if isinstance(entry, Group):
            list(entry.values())
    gc.collect()
    gc.freeze()  # so that a fork's collector leaves its parent's pages alone


def forked(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], memory: int | None = None) -> Ending:
    """Run the command line in a fork; `memory` is a limit of addresses in place of the usual one."""
    start = time.monotonic()
    return _awaited(begun(arguments, folder, environment, memory), start, folder)


def begun(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], memory: int | None = None) -> int:
    """Start the command line in a fork, the first of a group; gives back its number."""
    child = os.fork()
    if child == 0:
        _become(arguments, folder, environment, memory)
    return child


def real(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Ending:
    """Run the command line as a person would."""
    start = time.monotonic()
    with (folder / OUT).open("wb") as stdout, (folder / ERR).open("wb") as stderr:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=clean_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    ending = _awaited(process.pid, start, folder)
    process.returncode = ending.code
    return ending


def _become(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], memory: int | None) -> NoReturn:
    code = 70
    try:
        os.setsid()
        faulthandler.disable()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for path, descriptor in ((os.devnull, 0), (folder / OUT, 1), (folder / ERR, 2)):
            os.dup2(os.open(path, os.O_RDONLY if descriptor == 0 else flags), descriptor)
        sys.stdout, sys.stderr = (os.fdopen(one, "w", closefd=False) for one in (1, 2))  # in place of a test's own
        os.chdir(folder)
        for name in [name for name in os.environ if name.startswith("SENTINEL_")]:
            del os.environ[name]
        os.environ.update(environment)
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (memory or mapped + _ROOM,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        seconds = int(SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        from sentinel_edge.cli.run import run  # noqa: PLC0415

        code = run(list(arguments))
    except BaseException:  # as the interpreter would at its end
        import traceback  # noqa: PLC0415

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _awaited(child: int, start: float, folder: Path) -> Ending:
    """Wait for the end, or make one; nothing that it started stays behind."""
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    hung = not poll.poll(5 * SECONDS * 1000)
    os.close(handle)
    if hung:
        os.killpg(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return Ending(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else -died,
        signal=died,
        hung=hung or died == signal.SIGXCPU or used.ru_utime + used.ru_stime >= SECONDS,
        seconds=time.monotonic() - start,
        peak=used.ru_maxrss * 1024,
        stdout=_shown(folder / OUT),
        stderr=_shown(folder / ERR),
    )


def _shown(path: Path) -> str:
    """The beginning of what was printed; nothing where the process died before it could print."""
    return path.read_bytes()[:_SHOWN].decode(errors="replace") if path.exists() else ""
