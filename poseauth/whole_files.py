"""A file takes its name when it is whole: whoever reads it finds what stood there before, or all of the new."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from poseauth.errors import StorageError


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write under a temporary name beside `path`, synced and renamed to it when the block ends well.

    Raises
    ------
    OSError
        If it cannot be written; like anything else that ends the block early, it leaves what stood there, alone.
    """
    with named_when_whole(path) as temporary, temporary.open("wb") as stream:
        yield stream


@contextlib.contextmanager
def named_when_whole(path: Path) -> Iterator[Path]:
    """As `written_whole`, for who opens files by name alone: the temporary name, closed when the block ends.

    Raises
    ------
    OSError
        If it is not there when the block ends, or cannot be synced or renamed.
    """
    temporary = path.with_name(f".{path.stem[:40]}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that led here is the one to tell
            temporary.unlink(missing_ok=True)
        raise


def make_room(path: Path, *, or_else: str = "Name another place") -> None:
    """Make the folder that a file goes into, and find out before hours of work whether it can be written there.

    Nothing is asked of what is there and no file, such as /dev/stdout.

    Parameters
    ----------
    path : Path
        The file.
    or_else : str
        What to do where it cannot, as the message says it.

    Raises
    ------
    StorageError
        If it cannot.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.exists():
            with path.open("ab"):
                pass
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(f"{path} cannot be written: {path.parent} is no folder. {or_else}") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}. {or_else}") from error
