"""Which clips a command is about: files, folders, a list on stdin, the rows of a table with a column of paths."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from poseauth.errors import InputError

STDIN = Path("-")
TABLE_SUFFIX, PARQUET_SUFFIX = ".csv", ".parquet"
PATH_COLUMNS = ("path", "file", "filename", "video", "clip", "source")
"""Names of a column of paths, the first that a table has, whatever their case."""


@dataclass(frozen=True)
class ListedClip:
    """One clip, or what was named and is none.

    Attributes
    ----------
    path : Path
        Where it is.
    cells : mapping of str to str
        The row of the table in which it was named; empty where there was none.
    problem : InputError or None
        Why there is no clip here.
    """

    path: Path
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: InputError | None = None


def list_clips(sources: Iterable[Path], *, recursive: bool = False) -> Iterator[ListedClip]:
    """The clips that paths and folders stand for, in their order; one that is met again is left out."""
    from keypoint_extractors.sources import find_sources

    met: set[Path] = set()
    for source in sources:
        try:
            found = find_sources(source, recursive=recursive)
        except InputError as error:
            yield ListedClip(source, problem=error)
            continue
        for path in found:
            if path not in met:
                met.add(path)
                yield ListedClip(path)


def list_with_tables(
    sources: Sequence[Path], *, recursive: bool = False, path_column: str | None = None
) -> list[ListedClip]:
    """As `list_clips`; - stands for a list of paths on stdin, a .csv for its rows, each of which counts.

    Parameters
    ----------
    sources : sequence of Path
        In their order.
    recursive : bool
        Whether folders in folders are searched.
    path_column : str or None
        The tables' column of paths; None: the first of `PATH_COLUMNS`.

    Raises
    ------
    click.UsageError
        If a table cannot be read or has no column of paths, or stdin names nothing.
    """
    found: list[ListedClip] = []
    plain: list[Path] = []
    for source in sources:
        if source == STDIN:
            plain += [Path(line.rstrip("\r\n")) for line in sys.stdin if line.strip()]
        elif source.suffix.lower() == TABLE_SUFFIX and source.is_file():
            rows = named_rows(source, path_column)
            found += [*list_clips(plain, recursive=recursive), *(_listed(source, cells, name) for cells, name in rows)]
            plain = []
        else:
            plain.append(source)
    found += list_clips(plain, recursive=recursive)
    if not found:
        raise click.UsageError("there is no path on stdin")
    return found


def columns_of(listed: Iterable[ListedClip]) -> list[str]:
    """The columns of all tables in which clips were named, in their order."""
    return list(dict.fromkeys(name for clip in listed for name in clip.cells))


def named_rows(table: Path, path_column: str | None = None) -> list[tuple[dict[str, str], str]]:
    """The rows of a .csv or .parquet, as text, each with its cell that names a clip.

    Parameters
    ----------
    table : Path
        The table.
    path_column : str or None
        The column of paths; None: the first of `PATH_COLUMNS`.

    Raises
    ------
    click.UsageError
        If it cannot be read, two columns have one name, or it has no rows or no column of paths.
    """
    names, rows = (_read_parquet if table.suffix.lower() == PARQUET_SUFFIX else _read_csv)(table)
    if len(set(names)) != len(names):
        raise click.UsageError(f"{table}: two columns have one name: {', '.join(names)}")
    column = path_column or next(
        (name for wanted in PATH_COLUMNS for name in names if name.strip().lower() == wanted), None
    )
    if column is None or column not in names:
        raise click.UsageError(
            f"{table}: no column {column or ', '.join(PATH_COLUMNS)}. Its columns are: {', '.join(names) or 'none'}. "
            "Say which one holds the paths with --path-column"
        )
    if not rows:
        raise click.UsageError(f"{table} has no rows")
    return [(row, row[column]) for row in rows]


def _read_csv(table: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="", restkey="")
            names = [name for name in reader.fieldnames or ()]
            return names, [{name: value for name, value in row.items() if name} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{table} is not a table in UTF-8: {error}") from error


def _read_parquet(table: Path) -> tuple[list[str], list[dict[str, str]]]:
    import polars

    try:
        frame = polars.read_parquet(table).select(polars.all().cast(polars.String).fill_null(""))
    except (polars.exceptions.PolarsError, OSError) as error:
        raise click.UsageError(f"{table} is not a Parquet table of plain values: {error}") from error
    return frame.columns, list(frame.iter_rows(named=True))


def _listed(table: Path, cells: Mapping[str, str], name: str) -> ListedClip:
    """The clip of a row; a path is taken as seen from the table."""
    from keypoint_extractors.sources import find_sources

    path = table.parent / name
    if not name.strip():
        return ListedClip(path, cells, InputError("the row names no path"))
    try:
        found = find_sources(path)
    except InputError as error:
        return ListedClip(path, cells, error)
    if found != [path]:
        problem = InputError(f"{path}: a folder of clips, and a row of a table is one clip. Name each in a row")
        return ListedClip(path, cells, problem)
    return ListedClip(path, cells)
