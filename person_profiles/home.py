"""The folder in which profiles stand: one writer at a time, and a folder is exchanged whole or not at all.

A new folder is written as `.new-*` and renamed into place. One that it replaces is first renamed to `.aside-NAME`; one
that is removed, to `.gone-*`. A process may die at any moment: whoever takes the lock next settles what it left. A
folder aside whose place is empty goes back, everything else that begins like that goes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from poseauth.errors import ProfileDamagedError, StorageError

LOCK_FILE = ".lock"
LOCK_TIMEOUT_S = 60.0
"""A profile is written within seconds; whoever holds the lock for longer hangs."""
_NEW, _ASIDE, _GONE = ".new-", ".aside-", ".gone-"
_MAX_READINGS = 100
"""Times that a folder is read anew because it was exchanged meanwhile."""

_Found = TypeVar("_Found")


class Home:
    """A folder of folders, each put in place whole.

    Parameters
    ----------
    path : Path
        Made by `make`.
    lock_timeout_s : float
        How long a writer waits for another.
    """

    def __init__(self, path: Path, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self.path = path
        self.lock_timeout_s = lock_timeout_s

    def names(self) -> list[str]:
        """Of folders that stand here, or stand aside for a writer that was killed or is at work; and of loose files.

        Some may be gone when they are read.

        Raises
        ------
        StorageError
            If the home cannot be read.
        """
        with self._reading():
            # Twice: a large folder is not listed at one moment, and a writer may rename a name past the reader.
            listed = {entry.name for _ in range(2) for entry in self.path.iterdir()}
        found = {name.removeprefix(_ASIDE) for name in listed}
        return sorted(name for name in found if not name.startswith("."))

    def place(self, name: str) -> Path | None:
        """Where the folder of that name can be read; None where there is none.

        Raises
        ------
        StorageError
            If the home cannot be read.
        """
        folder, aside = self.path / name, self._aside(name)
        with self._reading():
            if not folder.is_dir() and aside.is_dir():
                # Either a writer is at work, and nothing need be done, or one was killed. Who may not write reads on.
                with contextlib.suppress(OSError, StorageError), self.writing(wait=False):
                    pass
            # More than once: between two looks a writer may have exchanged them.
            return next((place for place in (folder, aside) * 3 if place.is_dir()), None)

    def read(self, name: str, read: Callable[[Path], _Found]) -> _Found | None:
        """What `read` makes of a folder that nobody exchanges meanwhile; None where there is no such folder.

        Raises
        ------
        ProfileDamagedError
            What `read` raises of a folder that stayed.
        StorageError
            If the folder was exchanged at every reading.
        """
        for _ in range(_MAX_READINGS):
            place = self.place(name)
            if place is None:
                return None
            before = _identity(place)
            try:
                found = read(place)
            except ProfileDamagedError:
                if before is not None and before == _identity(place):
                    raise
            else:
                if before is not None and before == _identity(place):
                    return found
        raise StorageError(f"{self.path / name} was replaced {_MAX_READINGS} times while it was read. Try again")

    def make(self) -> None:
        """Make the folder, if it is not there."""
        self.path.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def writing(self, *, wait: bool = True) -> Iterator[None]:
        """Be the only one who writes here; what killed writers left is settled before, what this one leaves after.

        Raises
        ------
        StorageError
            If somebody else writes, and still does after `lock_timeout_s` if this one may `wait`.
        OSError
            If nothing can be written here.
        """
        from filelock import FileLock, Timeout

        timeout_s = self.lock_timeout_s if wait else 0
        try:
            held = FileLock(self.path / LOCK_FILE, timeout=timeout_s).acquire()
        except Timeout as error:
            raise StorageError(
                f"{self.path} is being written by another poseauth, which has held {LOCK_FILE} for more than "
                f"{timeout_s:g} s. Try again when it has ended"
            ) from error
        except NotImplementedError as error:
            raise StorageError(
                f"{self.path} is on a file system without locks: {error}. Name another folder with --home"
            ) from error
        with held:
            self._settle()
            try:
                yield
            finally:
                with contextlib.suppress(OSError):  # what was done is done; the next writer settles
                    self._settle()

    def new_folder(self) -> Path:
        """A private folder to write in; only while `writing`, and gone afterwards unless it was put in place."""
        return Path(tempfile.mkdtemp(prefix=_NEW, dir=self.path))

    def new_file(self) -> Path:
        """A file to write, likewise."""
        return self.path / f"{_NEW}{secrets.token_hex(8)}"

    def is_taken(self, name: str) -> bool:
        """Whether anything stands there, or would if it could be settled."""
        return (self.path / name).exists() or self._aside(name).exists()

    def put(self, new: Path, name: str) -> None:
        """Rename a complete folder into place, in exchange for what stands there; only while `writing`.

        Raises
        ------
        OSError
            If it cannot be renamed; then what stood there stands again at the end of the writing.
        """
        folder = self.path / name
        if folder.exists():
            folder.rename(self._aside(name))
        new.rename(folder)
        with contextlib.suppress(OSError):  # it stands; a crash of the machine now may bring the old one back
            sync_folder(self.path)

    def take_away(self, name: str) -> None:
        """Remove a folder by one rename; only while `writing`.

        Raises
        ------
        OSError
            If it cannot be renamed; then it stays.
        """
        self._bury(next(place for place in (self.path / name, self._aside(name)) if place.exists()))
        with contextlib.suppress(OSError):
            sync_folder(self.path)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be read: {error.strerror or error}. Have its owner let you, or name another "
                "folder with --home"
            ) from error

    def _settle(self) -> None:
        """What cannot be settled now waits for the next writer."""
        for entry in sorted(self.path.iterdir()):
            with contextlib.suppress(OSError):
                if entry.name.startswith(_ASIDE):
                    place = self.path / entry.name.removeprefix(_ASIDE)
                    if place.exists():
                        _delete(self._bury(entry))
                    else:
                        entry.rename(place)
                elif entry.name.startswith((_NEW, _GONE)):
                    _delete(entry)

    def _aside(self, name: str) -> Path:
        return self.path / f"{_ASIDE}{name}"

    def _bury(self, folder: Path) -> Path:
        """Under this name it never comes back, however little of it has been deleted."""
        return folder.rename(self.path / f"{_GONE}{secrets.token_hex(8)}")


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    if os.name == "nt":  # Windows cannot open a folder to sync it
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink()


def _identity(folder: Path) -> tuple[int, ...] | None:
    """Differs between a folder and another put in its place; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
