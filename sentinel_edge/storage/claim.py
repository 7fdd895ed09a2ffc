"""One writer a folder at a time. The lock is on the folder itself: it leaves nothing there and ends with the process.

It is taken before any library is loaded, so nothing but what Python brings along is imported here.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sentinel_edge.errors import SentinelError

_kept: dict[tuple[int, int], int] = {}
"""Descriptors of folders that were claimed for whoever in this process asks next, by device and inode."""


class TakenError(SentinelError):
    """Somebody else is writing into the folder."""


def claim(folder: Path) -> int | None:
    """Make the folder and lock it; gives back the descriptor that holds the lock.

    None where there can be no lock: there is no such folder, or its file system has none. Writing then says why, or
    goes on without.

    Raises:
        TakenError: Another process, or another check of this one, has it.
    """
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    status = os.fstat(descriptor)
    kept = _kept.pop((status.st_dev, status.st_ino), None)
    if kept is not None:
        os.close(descriptor)
        return kept
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise TakenError(
            f"another check is writing to {folder}, which will hold its verdict; give each check its own folder, or "
            "let the other one finish"
        ) from error
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def keep(descriptor: int) -> None:
    """Leave a claim to the next one in this process that asks for the folder."""
    status = os.fstat(descriptor)
    _kept[status.st_dev, status.st_ino] = descriptor


@contextmanager
def only_writer(folder: Path | None) -> Iterator[None]:
    """Hold the claim on a folder for a while; None needs no claim.

    Raises:
        TakenError: See `claim`.
    """
    descriptor = None if folder is None else claim(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
