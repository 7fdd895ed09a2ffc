"""Runs a model for the first time: in a process of its own, with so much time and memory and no more.

A graph can loop for ever or ask for all there is, and neither can be told from looking at it.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

from sentinel_edge.errors import SentinelError

SECONDS = 60.0
"""What a model may take for two pictures of `PIXELS` by `PIXELS`, loading included: a good one takes one second."""
MEMORY_BYTES = 2**29
"""What it may take beside four times its own file; as much as a whole check is given in a container."""
PIXELS = 32
_PACKAGE = Path(__file__).parents[2]


def require_working(model: Path) -> None:
    """Refuse a model that gives no pictures, or not within the limits.

    Raises:
        SentinelError: It cannot be opened, its answer to two pictures of noise is none, or it took too much.
    """
    path = os.pathsep.join([str(_PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])])
    # With one thread each, what a library sets aside does not grow with the machine.
    alone = {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603  (ourselves)
            [sys.executable, "-m", __name__, str(model)],
            env=os.environ | alone,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SentinelError(
            f"model {model} did not come to an end within {SECONDS:g} s for two pictures of {PIXELS}x{PIXELS} pixels; "
            "use another one"
        ) from error
    if done.returncode == 0:
        return
    said = done.stdout.decode(errors="replace").strip()
    limit = (MEMORY_BYTES + 4 * model.stat().st_size) // 2**20
    raise SentinelError(
        said
        or f"model {model} brought its process down (it ended with {done.returncode}) when it was tried with {limit} "
        "MB of memory; use another one"
    )


def _run(model: Path) -> int:
    """What the process does: limits first, then all the rest. Prints what is wrong; nothing where it is memory."""
    most = MEMORY_BYTES + 4 * model.stat().st_size
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # ruff: noqa: PLC0415  (under the limits)
    import numpy as np

    from sentinel_edge.networks.interpolator import Interpolator

    first, last = np.random.default_rng(0).integers(0, 256, (2, 1, PIXELS, PIXELS, 3), np.uint8)
    try:
        Interpolator(model).interpolate(first, last)
    except SentinelError as problem:
        print(problem)
        return 1
    except MemoryError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_run(Path(sys.argv[1])))
