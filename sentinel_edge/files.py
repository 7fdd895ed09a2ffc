"""Files, read with a limit and written whole or not at all."""

import errno
import os
import stat
import tempfile
from pathlib import Path


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
        return stream.read(limit)


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
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; a verdict is read by others
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
