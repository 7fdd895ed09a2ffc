"""The command line, from arguments to exit code: 0 PASS or done, 3 FAIL, 1 could not judge or do it, 2 usage.

Every error becomes one line on standard error. Standard output carries the result alone.
"""

import os
import signal
from types import FrameType
from typing import NoReturn

import fire
from fire.core import FireExit

from sentinel_edge.cli.command import Command, canonical, for_fire, wanted_help
from sentinel_edge.cli.commands import COMMANDS
from sentinel_edge.cli.terminal import PROGRAM, complain, tell
from sentinel_edge.errors import SentinelError, UsageError, cannot_load, one_line

USAGE_EXIT = 2
ERROR_EXIT = 1


class Terminated(BaseException):
    """SIGTERM arrived: unwind as for Ctrl-C, so that temporary files go and ERROR stays."""


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; see the module's docstring."""
    try:
        code = _run(["version"] if arguments == ["--version"] else arguments)
    except UsageError as error:
        code = complain(error, USAGE_EXIT)
    except SentinelError as error:
        code = complain(error, ERROR_EXIT)
    except KeyboardInterrupt:
        code = complain("interrupted; nothing was finished", 128 + signal.SIGINT)
    except Terminated:
        code = complain("terminated; nothing was finished", 128 + signal.SIGTERM)
    except ImportError as error:
        code = complain(cannot_load(error), ERROR_EXIT)
    except MemoryError:
        code = complain("out of memory; give it more, or fewer --threads", ERROR_EXIT)
    except Exception as error:
        if os.environ.get("SENTINEL_DEBUG"):
            raise
        what = one_line(f"{type(error).__name__}: {error}")
        code = complain(f"unexpected {what}; this is a defect, SENTINEL_DEBUG=1 shows where", ERROR_EXIT)
    return code


def _run(arguments: list[str]) -> int:
    text = wanted_help(arguments, COMMANDS, PROGRAM)
    if text is not None:
        return tell(text)
    command = _understood(arguments)
    # Only now: what a command works with was loaded before, and libraries turn an interruption of that into errors.
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return command.work()


def _understood(arguments: list[str]) -> Command:
    """The command the arguments ask for, with its values."""
    words = canonical(arguments, COMMANDS)
    taken: list[Command] = []
    try:
        fire.Fire(for_fire(words, COMMANDS, taken.append), words, name=PROGRAM)
    except FireExit as error:  # not reached by anything that `canonical` lets through
        raise UsageError(f"{' '.join(arguments)} was not understood; see {PROGRAM} --help") from error
    return taken[0]


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated
