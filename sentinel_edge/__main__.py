"""The entry point: `sentinel-edge`, and `python -m sentinel_edge`."""

import faulthandler
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    # Loading the libraries takes a moment; a signal in it ends the program without a traceback. The command line sets
    # handlers that clean up once the command that was asked for is loaded.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    # ruff: noqa: PLC0415  (each only now)
    from sentinel_edge.errors import cannot_load
    from sentinel_edge.verdict.unfinished import put_error

    put_error(sys.argv[1:], os.environ)
    try:
        from sentinel_edge.cli.run import run
    except (ImportError, MemoryError, OSError) as error:
        sys.exit(f"sentinel-edge: {cannot_load(error)}")
    _silence_libraries()
    sys.exit(run(sys.argv[1:]))


def _silence_libraries() -> None:
    """Keep standard error for ourselves: the C libraries that decode pictures write their own remarks to it."""
    if sys.stderr is None:
        return
    ours = os.dup(sys.stderr.fileno())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
    sys.stderr = os.fdopen(ours, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    faulthandler.enable(sys.stderr)  # a crash inside them is still told


if __name__ == "__main__":
    main()
