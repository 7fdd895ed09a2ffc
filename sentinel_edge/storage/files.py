"""Files, read with a limit and written whole or not at all; folders too."""

import errno
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sentinel_edge.errors import SentinelError

PLACE = "expected a folder this user can write, with room left"

_UMASK = threading.Lock()


def read_limited(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        OSError: It cannot be read, is larger, or is a pipe or device, which could block or go on for ever.
    """
    # O_NONBLOCK lets a pipe without a writer be opened and found out instead of waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, "is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"larger than {limit // 2**20} MiB")
        return stream.read(status.st_size)  # and no more, where it grows meanwhile


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see all of it or none: a temporary name beside it, flushed, renamed.

    Raises:
        OSError: It could not be written; the temporary file is gone and an older file is untouched.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with _UMASK:  # it can only be read by setting it, and is the whole process's
            umask = os.umask(0)
            os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; a verdict is read by others
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save(path: Path, content: bytes, what: str, advice: str = PLACE) -> None:
    """Write a file whole or not at all, and its folder where there is none.

    Args:
        path: The file.
        content: All of it.
        what: It is, in the words of a message: `the result`.
        advice: What a person can do where it cannot be written.

    Raises:
        SentinelError: It cannot be written; an older one is untouched.
    """
    with saving(f"{what} {path}", advice):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)


@contextmanager
def saving(what: str, advice: str = PLACE) -> Iterator[None]:
    """Say in one line what could not be written, and what to do, where the system refuses.

    Raises:
        SentinelError: It does.
    """
    try:
        yield
    except OSError as error:
        raise SentinelError(f"cannot write {what}: {error.strerror or error}; {advice}") from error


@contextmanager
def staged_folder(output: Path, source: Path) -> Iterator[Path]:
    """A folder beside `output` that takes its name at the end, or is removed when something goes wrong.

    Raises:
        SentinelError: `output` is in use, lies in `source`, or cannot be written.
    """
    place, footage = Path(os.path.realpath(output)), Path(os.path.realpath(source))
    if place.is_relative_to(footage):
        raise SentinelError(f"output {output} lies in the footage {source}; choose a folder outside it")
    with saving(str(output), "choose another place"):
        if place.exists() and not (place.is_dir() and not any(place.iterdir())):
            raise SentinelError(
                f"output {output} already exists and is not an empty folder; nothing is overwritten, "
                "choose another name or remove it"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as temporary:
            staging = Path(temporary, place.name)
            staging.mkdir()
            yield staging
            staging.rename(place)
