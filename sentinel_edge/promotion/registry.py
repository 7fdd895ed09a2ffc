"""The interpolators of one camera, numbered: which is champion, which is challenger, and which were champion before.

    versions/0001/model.onnx, card.json    a version; written once, never changed
    registry.json                          the pointers: champion, challenger, earlier champions
    .lock                                  held by whoever writes

A version is put together in a folder beside its place, flushed to the disk and renamed there. The pointers change by
one rename of one small file. So a crash or a power cut at any moment leaves the pointers of before or of after, and
what they point at is whole. Readers need no lock. Leftovers of a crash are cleared away by the next writer.
"""

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.embedder_card import read_model, require_checksum
from sentinel_edge.networks.interpolator_card import (
    CARD_FILE,
    InterpolatorCard,
    load_card,
    load_interpolator,
)
from sentinel_edge.promotion.first_run import require_working
from sentinel_edge.promotion.pointers import MAX_EARLIER, POINTERS_FILE, Pointer, Pointers, Role
from sentinel_edge.storage.documents import DocumentError, read_document, written
from sentinel_edge.storage.files import write_atomically

MODEL_FILE = "model.onnx"
WAIT_S = 10.0
"""How long a writer waits for another one."""

_VERSIONS, _LOCK, _STAGING = "versions", ".lock", ".adding-"
_POLL_S = 0.02
_TRAIN = "train one with `make train-vfi`"
_REGISTER = "register one with `sentinel-edge model add --model FILE`"


@dataclass(frozen=True, slots=True)
class Registered:
    """A version whose file was found to be the one its card describes."""

    version: int
    model: Path
    card: InterpolatorCard


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found when everything was looked at.

    Attributes:
        versions: Every version there is.
        problems: One line each: damaged versions, pointers to nothing. Empty when all is well.
        unused: Versions no pointer names: rejected, rolled back from, or left by a crash before they became challenger.
        leftovers: Names of what a crash left behind, or what does not belong there; the next change of the registry
            clears its own away.
    """

    versions: tuple[int, ...]
    problems: tuple[str, ...]
    unused: tuple[int, ...]
    leftovers: tuple[str, ...]


class Registry:
    """A folder of versions and its pointers; nothing is read before it is asked for.

    Attributes:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # Reading.

    def pointers(self) -> Pointers:
        """Who holds which place; nobody, where no model was registered.

        Raises:
            SentinelError: There is no such folder, or the file of the pointers is damaged.
        """
        path = self.folder / POINTERS_FILE
        try:
            return read_document(path, Pointers)
        except FileNotFoundError as error:
            if self.folder.is_dir():
                return Pointers()
            raise SentinelError(f"no model registry at {self.folder}; {_TRAIN}, or {_REGISTER}") from error
        except OSError as error:
            raise SentinelError(f"cannot read {path}: {error.strerror}; expected a model registry") from error
        except DocumentError as problem:
            raise SentinelError(f"model registry {path} {problem}; restore the file") from problem

    def versions(self) -> tuple[int, ...]:
        """The numbers of all versions, whole or damaged, ascending.

        Raises:
            SentinelError: The folder cannot be read.
        """
        return tuple(sorted(int(name) for name in self._names() if _is_version(name)))

    def version(self, number: int) -> Registered:
        """One version, its file held against its card.

        Raises:
            SentinelError: There is none of this number, or it is damaged.
        """
        model = self._place(number) / MODEL_FILE
        if number not in self.versions():
            known = ", ".join(map(str, self.versions())) or "none"
            raise SentinelError(f"model registry {self.folder} has no version {number}; it has {known}")
        _, card = load_interpolator(model)
        if card.version != number:
            raise SentinelError(
                f"model card {model.with_name(CARD_FILE)} has version {card.version}; expected {number}, as the folder "
                "is called; restore the folder"
            )
        return Registered(number, model, card)

    def champion(self) -> Registered:
        """The version in service.

        Raises:
            SentinelError: There is none, or it is damaged; the line says how to get one.
        """
        pointer = self.pointers().champion
        if pointer is None:
            raise SentinelError(
                f"model registry {self.folder} has no champion; {_TRAIN}, or {_REGISTER} and `sentinel-edge model "
                "promote`"
            )
        try:
            return self.version(pointer.version)
        except SentinelError as error:
            raise SentinelError(f"the champion cannot be used: {error}; or `sentinel-edge model rollback`") from error

    def challenger(self) -> Registered:
        """The version that wants to become champion.

        Raises:
            SentinelError: There is none, or it is damaged.
        """
        return self.version(self._challenger(self.pointers()))

    def verify(self) -> Inspection:
        """Look at everything: each version's file, card and parent, and what the pointers name.

        Raises:
            SentinelError: There is no such folder.
        """
        numbers = self.versions()
        problems, cards = [], {}
        for number in numbers:
            try:
                cards[number] = self.version(number).card
            except SentinelError as error:
                problems.append(str(error))
        for number, card in cards.items():
            if card.parent in cards and cards[card.parent].sha256 != card.parent_sha256:
                problems.append(
                    f"version {number} says its parent is version {card.parent} with sha256 "
                    f"{(card.parent_sha256 or '')[:12]}…; that one has {cards[card.parent].sha256[:12]}…"
                )
        unused = numbers
        try:
            pointers = self.pointers()
        except SentinelError as error:
            problems.append(str(error))
        else:
            unused = tuple(number for number in numbers if pointers.role(number) is Role.UNUSED)
            named = [one for one in (pointers.champion, pointers.challenger, *pointers.earlier) if one]
            missing = dict.fromkeys(one.version for one in named if one.version not in numbers)
            problems += [
                f"{self.folder / POINTERS_FILE} names version {number} as {pointers.role(number)}; there is no such "
                "version"
                for number in missing
            ]
        strange = [f"{_VERSIONS}/{name}" for name in self._names() if not _is_version(name)]
        half_written = [path.name for path in self._unfinished_pointers()]
        return Inspection(numbers, tuple(problems), unused, tuple(sorted(strange + half_written)))

    # Writing.

    def add(self, model: Path, card: InterpolatorCard) -> int:
        """Copy a model in as a new version, which becomes the challenger in place of any other.

        Its number is the registry's to give, as is its parent's: of the version whose checksum is the card's
        `parent_sha256`. The very same model and card again are the version they already are.

        Args:
            model: The ONNX file.
            card: Its card.

        Returns:
            The number of the version.

        Raises:
            SentinelError: The file is not the card's, is no working interpolator, is champion already, or cannot be
                written; the pointers are as they were.
        """
        content = read_model(model, "name one with --model")
        require_checksum(model, content, card.sha256, "use the card that was written with it")
        with self._writing(create=True):
            pointers = self.pointers()
            cards = self._cards()
            parents = {known.sha256: number for number, known in cards.items()}
            parent = None if card.parent_sha256 is None else parents.get(card.parent_sha256)
            nowhere = replace(card, version=None, parent=None)
            same = [number for number, known in cards.items() if replace(known, version=None, parent=None) == nowhere]
            number = same[-1] if same else max(self.versions(), default=0) + 1
            if same:
                self.version(number)
            else:
                self._put(content, replace(card, version=number, parent=parent))
            if pointers.role(number) is Role.CHAMPION:
                raise SentinelError(f"{model} is the champion already, version {number}; expected another model")
            if pointers.role(number) is not Role.CHALLENGER:
                self._point(replace(pointers, challenger=Pointer(number, _now())))
        return number

    def promote(self, version: int | None = None) -> int:
        """Make the challenger the champion.

        Args:
            version: The challenger that is meant; None for the one of this moment. Where it is challenger no more when
                other writers are done, nothing is changed.

        Returns:
            The number of the new champion.

        Raises:
            SentinelError: There is no challenger or another one, it does not work, or the registry cannot be written;
                the champion is as it was.
        """
        meant = self._challenger(self.pointers()) if version is None else version
        with self._writing():
            pointers = self.pointers()
            now = None if pointers.challenger is None else pointers.challenger.version
            if now != meant:
                raise SentinelError(
                    f"version {meant} is not the challenger of {self.folder}; the challenger is "
                    f"{_called(pointers.challenger)}, the champion {_called(pointers.champion)}; nothing was changed"
                )
            require_working(self.version(meant).model)
            earlier = (*pointers.earlier, *([pointers.champion] if pointers.champion else []))
            self._point(Pointers(Pointer(meant, _now()), None, earlier[-MAX_EARLIER:]))
        return meant

    def rollback(self, version: int | None = None) -> int:
        """Make an earlier champion the champion again; the challenger, if any, stays.

        The champion of now need not be readable: a rollback is the way out.

        Args:
            version: One of the earlier champions; None for the last one.

        Returns:
            The number of the new champion.

        Raises:
            SentinelError: There is no such earlier champion, it does not work, the champion changed while waiting for
                another writer, or the registry cannot be written; the champion is as it was.
        """
        before = self.pointers().champion
        with self._writing():
            pointers = self.pointers()
            if pointers.champion != before:
                raise SentinelError(
                    f"the champion of {self.folder} was {_called(before)} and is now {_called(pointers.champion)}; "
                    "nothing was changed, look again with `sentinel-edge model list`"
                )
            numbers = [one.version for one in pointers.earlier]
            if version is None and not numbers:
                raise SentinelError(
                    f"model registry {self.folder} has no earlier champion to go back to; the champion is "
                    f"{_called(pointers.champion)}"
                )
            target = numbers[-1] if version is None else version
            if target not in numbers:
                raise SentinelError(
                    f"version {target} is no earlier champion of {self.folder}; those are "
                    f"{', '.join(map(str, numbers)) or 'none'}"
                )
            require_working(self.version(target).model)
            last = len(numbers) - 1 - numbers[::-1].index(target)
            challenger = pointers.challenger
            if challenger and challenger.version == target:
                challenger = None
            self._point(Pointers(Pointer(target, _now()), challenger, pointers.earlier[:last]))
        return target

    def reject(self, version: int | None = None) -> int:
        """Take the challenger its place; the version stays in its folder.

        Args:
            version: The challenger that is meant; None for the one of this moment.

        Returns:
            The number of the version that was challenger.

        Raises:
            SentinelError: There is no challenger, or another one, or the registry cannot be written.
        """
        meant = self._challenger(self.pointers()) if version is None else version
        with self._writing():
            pointers = self.pointers()
            if pointers.challenger is None or pointers.challenger.version != meant:
                raise SentinelError(
                    f"version {meant} is not the challenger of {self.folder}; that is {_called(pointers.challenger)}; "
                    "nothing was changed"
                )
            self._point(replace(pointers, challenger=None))
        return meant

    # The folder.

    def _place(self, number: int) -> Path:
        return self.folder / _VERSIONS / f"{number:04}"

    def _names(self) -> list[str]:
        """What is in the folder of versions."""
        try:
            return sorted(path.name for path in (self.folder / _VERSIONS).iterdir())
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self.folder.is_dir():
                return []
            raise SentinelError(
                f"cannot read model registry {self.folder}: {error.strerror}; {_TRAIN}, or {_REGISTER}"
            ) from error

    def _cards(self) -> dict[int, InterpolatorCard]:
        """The cards that can be read, by version."""
        cards = {}
        for number in self.versions():
            with suppress(SentinelError):
                cards[number] = load_card(self._place(number) / CARD_FILE)
        return cards

    def _challenger(self, pointers: Pointers) -> int:
        if pointers.challenger is None:
            raise SentinelError(
                f"model registry {self.folder} has no challenger; make one with `make retrain NEW=path`, or {_REGISTER}"
            )
        return pointers.challenger.version

    @contextmanager
    def _writing(self, *, create: bool = False) -> Iterator[None]:
        """Be the only writer; what the system refuses becomes one line that says what stands."""
        try:
            if create:
                (self.folder / _VERSIONS).mkdir(parents=True, exist_ok=True)
            how = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe is not waited for
            descriptor = os.open(self.folder / _LOCK, how, 0o666)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, f"{_LOCK} is not a regular file, remove it")
                self._wait(descriptor)
                self._clear_away()
                yield
            finally:
                os.close(descriptor)  # and with it the lock
        except OSError as error:
            raise SentinelError(
                f"cannot write model registry {self.folder}: {error.strerror or error}; {self._standing()}; expected a "
                "folder this user can write, with room left"
            ) from error

    def _wait(self, descriptor: int) -> None:
        end = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise SentinelError(
                        f"model registry {self.folder} has been written by another command for {WAIT_S:g} s; nothing "
                        "was changed, try again"
                    ) from error
                time.sleep(_POLL_S)
            else:
                return

    def _clear_away(self) -> None:
        """Remove what a writer that was killed left; only the one writer does."""
        for name in self._names() if (self.folder / _VERSIONS).is_dir() else []:
            path = self.folder / _VERSIONS / name
            if name.startswith(_STAGING) and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif name.startswith(_STAGING):  # never ours, but in the way of every writer
                path.unlink()
        for path in self._unfinished_pointers():
            path.unlink()

    def _unfinished_pointers(self) -> list[Path]:
        return sorted(self.folder.glob(f".{POINTERS_FILE}.*.tmp"))  # as `write_atomically` names them

    def _put(self, content: bytes, card: InterpolatorCard) -> None:
        """A version in its place, whole, tried and on the disk."""
        place = self._place(card.version or 0)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=place.parent))
        try:
            _write_through(staging / MODEL_FILE, content)
            _write_through(staging / CARD_FILE, card.to_json())
            require_working(staging / MODEL_FILE)
            umask = os.umask(0)
            os.umask(umask)
            staging.chmod(0o777 & ~umask)  # mkdtemp makes folders private
            _flush_folder(staging)
            staging.rename(place)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        _flush_folder(place.parent)
        _flush_folder(self.folder)

    def _point(self, pointers: Pointers) -> None:
        write_atomically(self.folder / POINTERS_FILE, written(pointers))
        _flush_folder(self.folder)

    def _standing(self) -> str:
        try:
            return f"the champion is {_called(self.pointers().champion)}"
        except SentinelError:
            return "there is no champion"


def _write_through(path: Path, content: bytes) -> None:
    """A new file that can be read only, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    """Names in a folder are on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_version(name: str) -> bool:
    return re.fullmatch("[0-9]{4,6}", name) is not None and name == f"{int(name):04}" != "0000"


def _called(pointer: Pointer | None) -> str:
    return f"version {pointer.version}" if pointer else "none"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
