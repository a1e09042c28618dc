"""A file takes its name when it is whole: whoever reads it finds what stood there before, or all of the new."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


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
