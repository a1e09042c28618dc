"""An upload as it streams in: parsed, hashed and counted on its way to the disk, never whole in memory."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ..clip_report import file_name
from .access import BODY_ENDED
from .jobs import JobFile

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_FIELD_BYTES = 2000
MOST_PARTS = 500
MOST_PLAIN_BYTES = 16_000
"""Of a form without files."""
STALL_S = 60.0
"""Seconds without a byte after which an upload is given up."""
RESERVE_BYTES = 500_000_000
"""Disk that uploads leave free."""
_BLOCK_BYTES = 1 << 20
_MOST_NAME_BYTES, _MOST_ENDING = 120, 10
_OVERHEAD_BYTES = 100_000
"""Of an upload beside its files: fields and boundaries."""
_DRAIN_BYTES, _DRAIN_S = 64_000_000, 5.0
"""What is still read of an upload that is refused: a browser that is cut off shows no answer."""


@dataclass
class Upload:
    """What came: texts by their field, and files, each `role` of which is its field's name."""

    texts: dict[str, str] = field(default_factory=dict)
    files: list[JobFile] = field(default_factory=list)


def stored_name(name: str) -> str:
    """A file's name for the disk, of what the user calls it: one piece of a path, with its ending, never hidden."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1].strip().lstrip(".").strip()
    stem, dot, ending = last.rpartition(".")
    if not dot or len(ending) > _MOST_ENDING:
        stem, dot, ending = last, "", ""
    return file_name(stem, "clip", _MOST_NAME_BYTES) + (f".{file_name(ending, 'bin', 40)}" if dot else "")


def check_announced(request: Request, max_bytes: int, folder: Path) -> None:
    """Refuse by its head an upload that is no form with files, too large, or more than the disk holds.

    Raises
    ------
    HTTPException
        415, 411, 413 or 503, in words.
    """
    kind, _ = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise HTTPException(415, "An upload has to be a form with files (multipart/form-data).")
    announced = request.headers.get("content-length", "")
    if not (announced.isascii() and announced.isdigit()):
        raise HTTPException(411, "An upload has to say how large it is (Content-Length).")
    if int(announced) > max_bytes + _OVERHEAD_BYTES:
        raise _too_large(int(announced), max_bytes)
    free = shutil.disk_usage(folder).free
    if free < int(announced) + RESERVE_BYTES:
        raise _disk_full(f"{free / 1e6:,.0f} MB are free, {int(announced) / 1e6:,.0f} MB were to be kept")


async def receive(request: Request, folder: Path, max_bytes: int) -> Upload:
    """Take an upload in; `check_announced` has let it pass.

    Parameters
    ----------
    request : Request
        Its body is read.
    folder : Path
        Where files go: the first of a field `clip` to `clip/00/NAME`, and so on.
    max_bytes : int
        Of all files together.

    Raises
    ------
    HTTPException
        400, 408, 413 or 503, in words.
    """
    _, parameters = parse_options_header(request.headers.get("content-type"))
    form = _Form(folder, max_bytes)
    try:
        parser = MultipartParser(parameters.get(b"boundary", b""), form.callbacks())
        async for block in _blocks(request):
            await run_in_threadpool(partial(parser.write, block))
        parser.finalize()
    except FormParserError as error:
        raise HTTPException(400, f"The upload is not a whole form: {error}.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full("it filled up while the upload came in") from error
        raise HTTPException(503, f"The server could not keep the upload: {error.strerror or error}.") from error
    finally:
        form.close()
    if not form.is_whole:
        raise HTTPException(400, "The upload ended in the middle.")
    return form.upload


async def drain(request: Request) -> None:
    """Read on for a moment, so that a browser which is still sending hears why it was refused."""
    n_bytes = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while n_bytes <= _DRAIN_BYTES and not request.scope.get(BODY_ENDED):
                n_bytes += len((await request.receive()).get("body", b""))


async def read_plain(request: Request) -> None:
    """Read the body of a form that has nothing to say.

    Raises
    ------
    HTTPException
        413 if it says a lot.
    """
    n_bytes = 0
    async for piece in request.stream():
        n_bytes += len(piece)
        if n_bytes > MOST_PLAIN_BYTES:
            raise HTTPException(413, f"This form has more than {MOST_PLAIN_BYTES:,} bytes.")


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of about a megabyte."""
    waiting = bytearray()
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                piece = await anext(stream, None)
        except TimeoutError as error:
            raise HTTPException(408, f"Nothing came for {STALL_S:g} seconds: the upload was given up.") from error
        except ClientDisconnect as error:
            raise HTTPException(400, "The upload was broken off.") from error
        if piece is None:
            break
        waiting += piece
        if len(waiting) >= _BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


class _Form:
    """Takes what the parser finds: short texts are kept, files go to the disk."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.upload = Upload()
        self.is_whole = False
        self._folder, self._max_bytes = folder, max_bytes
        self._n_bytes, self._n_parts = 0, 0
        self._header_name, self._header_value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field, self._text = "", bytearray()
        self._file: _ArrivingFile | None = None
        self._is_file = False

    def callbacks(self) -> MultipartCallbacks:
        """By the parser's names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._content,
            "on_part_end": self._end,
            "on_end": self._end_all,
        }

    def close(self) -> None:
        """Close a file that was being written."""
        if self._file is not None:
            self._file.stream.close()

    def _begin(self) -> None:
        self._n_parts += 1
        if self._n_parts > MOST_PARTS:
            raise HTTPException(413, f"This form has more than {MOST_PARTS} parts.")
        self._headers = {}

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _begin_content(self) -> None:
        # As latin-1, which gives every byte back: browsers write UTF-8 here.
        _, told = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        self._field = told.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = b"filename" in told
        self._text.clear()
        name = told.get(b"filename", b"").decode("utf-8", "replace").replace("%22", '"')
        if self._is_file and name:
            number = sum(file.role == self._field for file in self.upload.files)
            place = Path(file_name(self._field, "field", 20).replace(".", "_"), f"{number:02d}", stored_name(name))
            self._file = _ArrivingFile.open(self._folder, place, name)

    def _content(self, data: bytes, start: int, end: int) -> None:
        self._n_bytes += end - start
        if self._n_bytes > self._max_bytes:
            raise _too_large(None, self._max_bytes)
        if self._file is not None:
            self._file.write(data[start:end])
        elif not self._is_file:
            self._text += data[start:end]
            if len(self._text) > MOST_FIELD_BYTES:
                raise HTTPException(413, f"The field {self._field!r} has more than {MOST_FIELD_BYTES} bytes.")

    def _end(self) -> None:
        if self._file is not None:
            self.upload.files.append(self._file.end(self._field))
            self._file = None
        elif not self._is_file:
            self.upload.texts[self._field] = self._text.decode("utf-8", "replace").strip()

    def _end_all(self) -> None:
        self.is_whole = True


@dataclass
class _ArrivingFile:
    """A file that is being written."""

    name: str
    place: Path
    stream: IO[bytes]
    n_bytes: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    @classmethod
    def open(cls, folder: Path, place: Path, name: str) -> _ArrivingFile:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(name, place, path.open("xb"))

    def write(self, piece: bytes) -> None:
        self.stream.write(piece)
        self._digest.update(piece)
        self.n_bytes += len(piece)

    def end(self, role: str) -> JobFile:
        self.stream.close()
        return JobFile(self.name, self.place.as_posix(), role, self._digest.hexdigest(), self.n_bytes)


def _too_large(n_bytes: int | None, max_bytes: int) -> HTTPException:
    has = "more" if n_bytes is None else f"{n_bytes / 1e6:,.0f} MB"
    return HTTPException(
        413,
        f"One upload may have {max_bytes / 1e6:,.0f} MB here, all its files together; this one has {has}. Cut out the "
        "part that matters, or have the server started with a larger --max-upload-mb.",
    )


def _disk_full(why: str) -> HTTPException:
    return HTTPException(503, f"The server's disk has no room for this upload: {why}. Try again later.")
