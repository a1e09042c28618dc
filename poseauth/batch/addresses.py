"""Places that are named by text: a path on this machine, or an address of an object store, all by way of fsspec.

Which kinds of addresses are opened is a list; everything else is refused by its name, and so are addresses within
addresses (`a::b`), which fsspec would follow.
"""

from __future__ import annotations

import contextlib
import errno
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from poseauth.errors import InputError, StorageError

OBJECT_STORES = ("s3", "gs")
"""Kinds of addresses that hold folders and files, and are opened wherever a cluster's command takes a place."""
HTTPS = "https"
"""Single files, opened only where the user asked for it."""
_PACKAGES = {"s3": "'poseauth[s3]'", "gs": "'poseauth[gs]'", "https": "aiohttp"}
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_STATES = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified")
"""What stores call that which changes with a file's content, the best first."""
_CHUNK_BYTES = 16 << 20
# Asked anew each time, whatever was listed before; and a server of the web sends nobody on to another place.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"use_listings_cache": False, "default_fill_cache": False},
    "gs": {"use_listings_cache": False},
    "https": {"use_listings_cache": False, "allow_redirects": False},
}
_LOCK = threading.Lock()


def kind_of(place: str) -> str:
    """The kind of an address in small letters; "" for a path on this machine."""
    found = _ADDRESS.match(place)
    return found[1].lower() if found else ""


def check_address(place: str, *, https: bool = False) -> None:
    """Refuse what is not opened.

    Parameters
    ----------
    place : str
        A path or an address.
    https : bool
        Whether files are fetched from the web too.

    Raises
    ------
    InputError
        If it is an address of another kind than these, or holds a second one.
    """
    kind = kind_of(place)
    if not kind:
        return
    opened = [f"{name}://" for name in OBJECT_STORES] + ([f"{HTTPS}://"] if https else [])
    if kind == HTTPS and not https:
        raise InputError(f"{place}: files of the web are fetched with --allow-https only")
    if f"{kind}://" not in opened or "::" in place or not place[len(kind) :].startswith("://"):
        raise InputError(f"{place}: no address of this kind is opened, only {', '.join(opened)}. Download the file")


def filesystem(place: str) -> tuple[Any, str]:
    """What opens an address, and what the place is called there.

    Raises
    ------
    StorageError
        If the package for this kind is not installed.
    """
    import fsspec

    kind = kind_of(place)
    options = _OPTIONS.get(kind, {})
    try:
        with _LOCK:  # fsspec makes the instance that all threads share
            opened = fsspec.filesystem(kind or "file", **options)
    except ImportError as error:
        raise StorageError(
            f"{place}: the package that opens {kind}:// is not here. Install it: pip install {_PACKAGES[kind]}"
        ) from error
    return opened, place if kind in ("", HTTPS) else place.split("://", 1)[1].rstrip("/")


@contextlib.contextmanager
def in_words(place: str, error_type: type[InputError] | type[StorageError]) -> Iterator[None]:
    """Whatever a file system raises inside, with the place and in the words of ours; a missing file stays as it is.

    Object stores raise the errors of their own packages, which share no type.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError, InputError, StorageError):
        raise
    except Exception as error:
        raise error_type(f"{place}: {_why(error)}") from error


def _why(error: Exception) -> str:
    words = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(words.split())


def stamp_of(place: str) -> str:
    """What tells one state of a file from the next without reading it: size and tag, or size and time.

    Returns
    -------
    str
        "" where there is nothing, or it does not say.
    """
    try:
        if not kind_of(place):
            found = Path(place).stat()
            return f"{found.st_size} {found.st_mtime_ns}"
        opened, name = filesystem(place)
        told = opened.info(name)
    except Exception:  # whoever opens the file tells why it cannot be
        return ""
    tag = next((told[key] for key in _STATES if told.get(key)), "")
    return f"{told.get('size')} {tag}"


def fetch(place: str, target: Path, *, most_bytes: float) -> int:
    """Copy a file here.

    Parameters
    ----------
    place : str
        An address that `check_address` lets pass.
    target : Path
        The file to make.
    most_bytes : float
        More are not taken, whatever the store said the size was.

    Returns
    -------
    int
        Its bytes.

    Raises
    ------
    InputError
        If there is no such file, it is too large, or it breaks off; likewise if the disk here is full, since another
        machine may have room.
    """
    try:
        with in_words(place, InputError):
            opened, name = filesystem(place)
            size = opened.info(name).get("size")
            if size is not None and size > most_bytes:
                raise _too_large(place, size, most_bytes)
            with opened.open(name, "rb", block_size=_CHUNK_BYTES, cache_type="readahead") as stream:
                n_bytes = _write(place, _chunks(place, stream, most_bytes), target)
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such file") from error
    if size is not None and n_bytes != size:
        raise InputError(f"{place}: {n_bytes} of {size} bytes came. It was changed meanwhile, or broke off")
    return n_bytes


def _chunks(place: str, stream: Any, most_bytes: float) -> Iterator[bytes]:
    n_bytes = 0
    with in_words(place, InputError):
        while chunk := stream.read(_CHUNK_BYTES):
            n_bytes += len(chunk)
            if n_bytes > most_bytes:
                raise _too_large(place, n_bytes, most_bytes)
            yield chunk


def _write(place: str, chunks: Iterable[bytes], target: Path) -> int:
    try:
        with target.open("wb") as copy:
            return sum(copy.write(chunk) for chunk in chunks)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = ". Set TMPDIR to a folder with more room" if full else ""
        raise InputError(f"{place}: its copy cannot be written here: {error.strerror}{advice}") from error


def _too_large(place: str, n_bytes: float, most_bytes: float) -> InputError:
    return InputError(
        f"{place}: {n_bytes / 1e9:.3g} GB or more, {most_bytes / 1e9:.3g} GB are allowed. More: --limit gigabytes=..."
    )


def files_under(
    place: str, *, recursive: bool, is_wanted: Callable[[str], bool], endings: Collection[str]
) -> list[str]:
    """The addresses of the files in a folder of an object store, by name; the place itself if it is a file.

    Parameters
    ----------
    place : str
        An address.
    recursive : bool
        Whether folders in it are searched.
    is_wanted : callable
        Asked with each file's name.
    endings : collection of str
        Of the names of files: a place with one of them is a file, and the store is not asked.

    Raises
    ------
    InputError
        If nothing is there.
    """
    if Path(place).suffix.lower() in endings and not place.endswith("/"):
        return [place]
    kind = kind_of(place)
    if kind == HTTPS:
        return [place]
    try:
        with in_words(place, InputError):
            opened, name = filesystem(place)
            found = opened.find(name, maxdepth=None if recursive else 1)
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such folder or file") from error
    wanted = sorted(path for path in found if is_wanted(path.rsplit("/", 1)[-1]))
    if not wanted:
        raise InputError(f"{place}: no clip there" + ("" if recursive else ". Folders in it: --recursive"))
    return [f"{kind}://{path}" for path in wanted]
