"""A table on disk that is written row by row, survives a kill at any moment, and is continued by the next run.

Rows are appended and flushed as they are known, and put into their order when the run ends. The key of a row says what
it is the result of; a row without one stands for a failure.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import filelock

from poseauth.errors import StorageError
from poseauth.whole_files import written_whole

KEY = "key"
"""Name of the last column; in a line of JSON likewise the last entry."""
CSV_SUFFIX, JSON_LINES_SUFFIX = ".csv", ".jsonl"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


class RowFile:
    """Rows of one file, .csv or .jsonl; used with `with`, by one run at a time.

    Parameters
    ----------
    path : Path
        Made at the first row; a table that is there is continued.
    columns : sequence of str
        Of a CSV, in their order, the last of them `KEY`. JSON lines need none.
    identity : callable
        What a row is about, whatever came out: two rows of one identity replace one another.

    Attributes
    ----------
    kept : dict of str to row
        The rows of earlier runs that have a key, by it.

    Raises
    ------
    StorageError
        If it cannot be read or written, is not such a table, or another run writes it.
    """

    def __init__(self, path: Path, columns: Sequence[str], identity: Callable[[Row], Any]) -> None:
        self.path = path
        self._is_csv = path.suffix.lower() == CSV_SUFFIX
        self._columns = list(columns)
        self._identity = identity
        self._lock_path = path.with_name(f".{path.name}.lock")
        self._lock = filelock.FileLock(self._lock_path)
        self._stream: IO[str] | None = None
        self._before: list[Row] = []
        self._now: list[Row] = []
        self.kept: dict[str, Row] = {}

    def __enter__(self) -> RowFile:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise StorageError(f"{self.path} is being written by another run. Wait for it, or name another") from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._before = self._read()
            self.kept = {row[KEY]: row for row in self._before if row.get(KEY)}
            # Written anew, so that a row that a kill cut off ends here and not in the middle of the next one.
            self._write(self._before)
            self._stream = self.path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            self._release()
            raise self._unwritable(error) from error
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        try:
            if self._stream is not None:
                self._stream.close()
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            self._release()

    def add(self, row: Row) -> None:
        """Write a row through to the disk; one that stands there already just counts as this run's.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        assert self._stream is not None, "used outside of with"
        self._now.append(row)
        if self.kept.get(str(row.get(KEY))) == row:
            return
        try:
            self._stream.write(self._as_text([row]))
            self._stream.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def settle(self, order: Iterable[Any]) -> None:
        """At the end of a run: its rows in this order of identities, one each time that an identity is named.

        Rows of earlier runs about something else stay before them.

        Raises
        ------
        StorageError
            If it cannot be written; the rows stand as they were added then.
        """
        assert self._stream is not None, "used outside of with"
        latest = {self._identity(row): row for row in self._now}
        wanted = list(order)
        gone = {*wanted, *latest}
        rows = [row for row in self._before if self._identity(row) not in gone]
        rows += [latest[about] for about in wanted if about in latest]
        try:
            self._stream.close()
            self._write(rows)
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, rows: Sequence[Row]) -> None:
        with written_whole(self.path) as stream:
            stream.write((self._header() + self._as_text(rows)).encode("utf-8"))

    def _header(self) -> str:
        header = io.StringIO()
        if self._is_csv:
            csv.writer(header).writerow(self._columns)
        return header.getvalue()

    def _as_text(self, rows: Sequence[Row]) -> str:
        if not self._is_csv:
            return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
        text = io.StringIO()
        table = csv.DictWriter(text, self._columns)
        table.writerows({name: _safe_cell(str(row.get(name, ""))) for name in self._columns} for row in rows)
        return text.getvalue()

    def _read(self) -> list[Row]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        # What a kill cut off has no end of line: it goes, unless it is all there is and none of ours.
        lines = content[: content.rfind(b"\n") + 1]
        if not lines and not self._is_torn(content):
            raise self._no_table()
        try:
            text = lines.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._no_table() from error
        return self._read_csv(text) if self._is_csv else self._read_lines(text)

    def _is_torn(self, content: bytes) -> bool:
        """Whether one line without an end may be the first of such a table, cut off."""
        if self._is_csv:
            return self._header().encode().startswith(content)
        try:
            row = json.loads(content)
        except ValueError:
            return not content or content.startswith(b"{")
        return isinstance(row, dict) and KEY in row

    def _read_csv(self, content: str) -> list[Row]:
        if not content:
            return []
        table = csv.reader(io.StringIO(content, newline=""))
        try:
            header, *cells = list(table)
        except csv.Error as error:
            raise self._no_table() from error
        if KEY not in header or (missing := [name for name in header if name not in self._columns]):
            raise self._no_table("" if KEY not in header else f": it has the column {missing[0]!r}, which this has not")
        # A row cut off within a cell of several lines has too few cells.
        rows = [row for row in cells if len(row) == len(header)]
        return [dict(zip(header, (_plain_cell(cell) for cell in row), strict=True)) for row in rows]

    def _read_lines(self, content: str) -> list[Row]:
        rows: list[Row] = []
        for line in content.split("\n")[:-1]:
            try:
                row = json.loads(line)
            except ValueError as error:
                raise self._no_table() from error
            if not isinstance(row, dict) or KEY not in row:
                raise self._no_table()
            rows.append(row)
        return rows

    def _no_table(self, why: str = "") -> StorageError:
        return StorageError(
            f"{self.path} is there and is no table that can be continued{why}. Name another file, or remove it"
        )

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path} cannot be written: {error.strerror or error}. Free space, or name another file"
        )

    def _release(self) -> None:
        with contextlib.suppress(OSError):  # Windows keeps a file that is open
            self._lock_path.unlink()
        self._lock.release()


def _safe_cell(text: str) -> str:
    """A file's name must not become a formula in somebody's spreadsheet."""
    return f"'{text}" if text[:1] in _FORMULA_STARTS and not _is_number(text) else text


def _plain_cell(text: str) -> str:
    """What `_safe_cell` made its cell from."""
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA_STARTS and len(text) > 1 else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
