"""Runs one change of a registry over and over, each time in a process of its own that is killed one step later.

A step is a line of the code that writes, or a call of the system: between any two of them the process kills itself as
`kill -9` would. Printed at the end: the number of steps after which one got through.

    python tests/material/killed_writer.py OPERATION TEMPLATE FOLDER

TEMPLATE is a registry, copied to FOLDER/1, FOLDER/2, ... before each try.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from sentinel_edge.networks.interpolator_card import load_card
from sentinel_edge.promotion import registry
from sentinel_edge.promotion.registry import Registry
from sentinel_edge.storage import files

setattr(registry, "require_working", lambda _: None)  # noqa: B010  (it writes nothing, and takes its time)

WATCHED = {registry.__file__, files.__file__}
EVENTS = ("open", "os.", "shutil.", "tempfile.", "fcntl.")
MOST = 2000


def add(folder: Path) -> None:
    """A new challenger, from the folder beside the template."""
    new = Path(sys.argv[2]).parent / "new"
    Registry(folder).add(new / "model.onnx", load_card(new / "card.json"))


OPERATIONS: dict[str, Callable[[Path], object]] = {
    "add": add,
    "promote": lambda folder: Registry(folder).promote(),
    "rollback": lambda folder: Registry(folder).rollback(),
    "reject": lambda folder: Registry(folder).reject(),
}


class Dying:
    """Kills its process at the step whose number it was given."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def _step(self) -> None:
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        """For `sys.settrace`."""
        if frame.f_code.co_filename not in WATCHED:
            return None
        if event == "line":
            self._step()
        return self.trace

    def audit(self, event: str, _arguments: object) -> None:
        """For `sys.addaudithook`."""
        if event.startswith(EVENTS) and event != "os.kill":
            self._step()


def main() -> None:
    """See the module's docstring."""
    operation, template, folder = OPERATIONS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3])
    for steps in range(1, MOST):
        target = folder / str(steps)
        shutil.copytree(template, target)
        child = os.fork()
        if child == 0:
            dying = Dying(steps)
            sys.addaudithook(dying.audit)
            sys.settrace(dying.trace)
            operation(target)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"{sys.argv[1]} failed by itself"
            print(steps)
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError(f"{sys.argv[1]} takes more than {MOST} steps")


if __name__ == "__main__":
    main()
