"""A folder that several machines write to: on a file system that they share, or in an object store.

Every file is put whole: nobody reads half of one. A file can be made only where none is, which one of several who try
at a time succeeds in: the one lock that a file system and an object store both have.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from poseauth.batch.addresses import filesystem, in_words, kind_of
from poseauth.errors import StorageError
from poseauth.whole_files import written_whole

_IS_THERE = ("PreconditionFailed", "pre-condition", "Conflict")
"""The answers of S3 to a put where nothing may be, that found something or met another put of the same name."""


class Store:
    """Files by name under one place.

    Parameters
    ----------
    place : str
        A folder, or an address of one (`poseauth.batch.addresses.OBJECT_STORES`); made at the first file.
    """

    def __init__(self, place: str) -> None:
        self.place = place if kind_of(place) == "" else place.rstrip("/")
        self._folder = Path(place) if kind_of(place) == "" else None

    def where(self, name: str) -> str:
        """The path or address of a file."""
        return f"{self.place}/{name}" if self._folder is None else str(self._folder / name)

    def read(self, name: str) -> bytes | None:
        """A file; None where none is.

        Raises
        ------
        StorageError
            If it cannot be read.
        """
        try:
            with in_words(self.where(name), StorageError):
                if self._folder is not None:
                    return (self._folder / name).read_bytes()
                opened, path = filesystem(self.where(name))
                content: bytes = opened.cat_file(path)
                return content
        except FileNotFoundError:
            return None

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole, in place of what stands there.

        Raises
        ------
        StorageError
            If it cannot be written; what stood there stands.
        """
        with self._writing(name):
            if self._folder is None:
                opened, address = filesystem(self.where(name))
                opened.pipe_file(address, content)  # one request: an object is there as a whole or not at all
                return
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as stream:
                stream.write(content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file where none is; False where one is: of several who try at a time one succeeds.

        Raises
        ------
        StorageError
            If it cannot be written, or the store cannot do this.
        """
        with self._writing(name):
            if self._folder is None:
                return self._create_object(name, content)
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # A link is made or not, with all of the content, on network file systems too.
            temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
            try:
                temporary.write_bytes(content)
                os.link(temporary, path)
            except FileExistsError:
                return False
            finally:
                temporary.unlink(missing_ok=True)
        return True

    def _create_object(self, name: str, content: bytes) -> bool:
        opened, path = filesystem(self.where(name))
        try:
            opened.pipe_file(path, content, mode="create")
        except FileExistsError:
            return False
        except Exception as error:
            if any(mark in f"{type(error).__name__} {error}" for mark in _IS_THERE):
                return False
            raise
        return True

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in a folder, without those of folders in it; none where it is not there.

        Raises
        ------
        StorageError
            If it cannot be read.
        """
        try:
            with in_words(self.where(folder), StorageError):
                if self._folder is not None:
                    with os.scandir(self._folder / folder) as entries:
                        return sorted(entry.name for entry in entries if entry.is_file() and entry.name[0] != ".")
                opened, path = filesystem(self.where(folder))
                found = opened.find(path, maxdepth=1)
                return sorted(entry.rsplit("/", 1)[-1] for entry in found)
        except FileNotFoundError:
            return []

    def empty(self, folder: str) -> None:
        """Remove the files of a folder, those of an object store by the thousand.

        Raises
        ------
        StorageError
            If one cannot be removed.
        """
        names = [f"{folder}/{name}" for name in self.names(folder)]
        if self._folder is not None:
            for name in names:
                self.remove(name)
        elif names:
            with self._writing(folder), contextlib.suppress(FileNotFoundError):
                opened, path = filesystem(self.where(folder))
                opened.rm([f"{path}/{name.rsplit('/', 1)[-1]}" for name in names])

    def remove(self, name: str) -> None:
        """Remove a file if it is there.

        Raises
        ------
        StorageError
            If it cannot be removed.
        """
        with self._writing(name), contextlib.suppress(FileNotFoundError):
            if self._folder is not None:
                (self._folder / name).unlink()
                with contextlib.suppress(OSError):  # the last file takes its folders along
                    for folder in (self._folder / name).parents:
                        if folder == self._folder:
                            break
                        folder.rmdir()
                return
            opened, path = filesystem(self.where(name))
            opened.rm_file(path)

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            with in_words(f"{self.where(name)} cannot be written", StorageError):
                yield
        except (StorageError, FileNotFoundError) as error:
            told = str(error) if isinstance(error, StorageError) else f"{self.where(name)} cannot be written: {error}"
            raise StorageError(f"{told}. What is done is kept: mend it, and give the same command again") from error
