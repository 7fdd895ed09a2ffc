"""A result as a JSON file: strict, whole or not at all, and never yesterday's beside a run that failed."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

from sentinel_edge.errors import SentinelError
from sentinel_edge.storage.files import write_atomically


class Result(Protocol):
    """What can be written."""

    @property
    def facts(self) -> dict[str, Any]:
        """What is written of it."""
        ...


class ResultFile:
    """Where one result goes.

    Attributes:
        path: The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, result: Result) -> None:
        """Put a result in place.

        Raises:
            SentinelError: It cannot be written; then no older one is left standing either.
        """
        text = json.dumps(result.facts, indent=2, allow_nan=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, f"{text}\n".encode())
        except OSError as error:
            self._withdraw()
            raise SentinelError(
                f"cannot write the result {self.path}: {error.strerror or error}; expected a folder this user can "
                "write, with room left"
            ) from error

    def _withdraw(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError:  # what cannot be removed either was never ours
            return


def plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as what JSON has; what is not finite as null; numbers as a person reads them."""
    if is_dataclass(value):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
