"""Which clips a command is about: files, folders, a list on stdin, the rows of a table with a column of paths."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from poseauth.errors import InputError
from poseauth.shown_text import counted, names_told, readable, shortened

from .text_table import SUFFIXES, keypoints_in, keypoints_told, opened_table

STDIN = Path("-")
PARQUET_SUFFIX = ".parquet"
PATH_COLUMNS = ("path", "file", "filename", "video", "clip", "source")
"""Names of a column of paths, the first that a table has, whatever their case."""
NO_PATH = (
    "there is no path on stdin, where - looks for one a line: find speeches/ -name '*.mp4' | poseauth verify - ..."
)
_A_TABLE = "a table, and a clip is named here: a video, a keypoint file (.npz), a folder. poseauth verify takes tables"
_A_WORKBOOK = "a workbook. Save its sheet as CSV (UTF-8), with a column of paths, and give that to poseauth verify"
_NO_CLIPS = {
    ".csv": _A_TABLE,
    ".tsv": _A_TABLE,
    ".xlsx": _A_WORKBOOK,
    ".xls": _A_WORKBOOK,
    ".ods": _A_WORKBOOK,
    PARQUET_SUFFIX: "a table for archives: poseauth verify takes it with --output FOLDER",
    ".txt": "a text. A list of paths, one a line, goes to the stdin of poseauth verify -",
    ".json": "JSON. OpenPose writes a file for each frame: give the folder that holds them",
}
"""What is named in place of clips, by its ending, and what to do."""


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
    """The clips that paths and folders stand for, in their order; one that is met again is left out.

    Folders in a folder that are not searched are named on stderr.
    """
    met: set[Path] = set()
    for source in sources:
        try:
            found = _found_at(source, recursive=recursive)
        except InputError as error:
            yield ListedClip(source, problem=error)
            continue
        if not recursive and found != [source]:
            _warn_of_folders(source)
        for path in found:
            if path not in met:
                met.add(path)
                yield ListedClip(path)


def _found_at(source: Path, *, recursive: bool = False) -> list[Path]:
    from keypoint_extractors.sources import find_sources

    found = find_sources(source, recursive=recursive)
    suffix = source.suffix.lower()
    if suffix in _NO_CLIPS and source.is_file():
        is_method_csv = suffix in SUFFIXES and keypoints_in(source)
        raise InputError(f"{source}: {keypoints_told() if is_method_csv else _NO_CLIPS[suffix]}")
    return found


def _warn_of_folders(folder: Path) -> None:
    from keypoint_extractors.sources import folders_with_clips

    names = [path.name for path in folders_with_clips(folder)]
    if names:
        are, them = ("are", "them") if len(names) > 1 else ("is", "it")
        click.secho(
            readable(
                f"{str(folder).rstrip('/')}/: {counted(len(names), 'folder')} in it {are} passed over "
                f"({names_told(names)}); --recursive reads {them} too"
            ),
            fg="yellow",
            err=True,
        )


def check_one_clip(path: Path, name: str = "") -> None:
    """Find out whether a row of a table names what can be one clip.

    Parameters
    ----------
    path : Path
        As seen from the table.
    name : str
        As the row has it.

    Raises
    ------
    InputError
        If it does not.
    """
    from keypoint_extractors.sources import is_openpose_folder

    if os.path.isdir(path) and not is_openpose_folder(path):  # not searched: it may be the root of a disk
        raise InputError(f"{path}: a folder, and a row of a table is one clip. Name each clip in a row")
    try:
        _found_at(path)
    except InputError as error:
        if name and os.path.exists(name) and not os.path.exists(path):
            raise InputError(
                f"{path}: no such file. A path in a table is seen from the table's folder, and {name} is there as seen "
                "from the folder you are in: move the table there, or correct its paths"
            ) from error
        raise


def list_with_tables(
    sources: Sequence[Path], *, recursive: bool = False, path_column: str | None = None
) -> list[ListedClip]:
    """As `list_clips`; - stands for a list of paths on stdin, a .csv or .tsv for its rows, each of which counts.

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
        elif source.suffix.lower() in SUFFIXES and source.is_file():
            rows = named_rows(source, path_column)
            found += list_clips(plain, recursive=recursive)
            found += [_listed(source, n, cells, name) for n, (cells, name) in enumerate(rows, start=1)]
            plain = []
        else:
            plain.append(source)
    found += list_clips(plain, recursive=recursive)
    if not found:
        raise click.UsageError(NO_PATH)
    return found


def columns_of(listed: Iterable[ListedClip]) -> list[str]:
    """The columns of all tables in which clips were named, in their order."""
    return list(dict.fromkeys(name for clip in listed for name in clip.cells))


def named_rows(table: Path, path_column: str | None = None) -> list[tuple[dict[str, str], str]]:
    """The rows of a .csv, .tsv or .parquet, as text, each with its cell that names a clip.

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
    if table.suffix.lower() == PARQUET_SUFFIX:
        names, rows = _read_parquet(table)
    else:
        with opened_table(table, lambda columns: _path_column(columns, path_column) is not None) as (names, lines):
            rows = [cells for _, cells in lines]
    column = _path_column(names, path_column)
    if column is None:
        raise click.UsageError(
            f"{table}: no column {path_column or ', '.join(PATH_COLUMNS)}. Its columns are: "
            f"{shortened(', '.join(names)) or 'none'}. Say which one holds the paths with --path-column"
        )
    if not rows:
        raise click.UsageError(f"{table} has no rows below the line of its columns")
    return [(row, row[column]) for row in rows]


def _path_column(columns: Sequence[str], wanted: str | None) -> str | None:
    if wanted is not None:
        return wanted if wanted in columns else None
    return next((name for known in PATH_COLUMNS for name in columns if name.strip().lower() == known), None)


def _read_parquet(table: Path) -> tuple[list[str], list[dict[str, str]]]:
    import polars

    try:
        frame = polars.read_parquet(table).select(polars.all().cast(polars.String).fill_null(""))
    except (polars.exceptions.PolarsError, OSError) as error:
        raise click.UsageError(f"{table} is not a Parquet table of plain values: {error}") from error
    return frame.columns, list(frame.iter_rows(named=True))


def _listed(table: Path, number: int, cells: Mapping[str, str], name: str) -> ListedClip:
    """The clip of a row; a path is taken as seen from the table."""
    path = table.parent / name
    if not name.strip():
        return ListedClip(path, cells, InputError(f"{path}: row {number} of {table.name} names no path"))
    try:
        check_one_clip(path, name)
    except InputError as error:
        return ListedClip(path, cells, error)
    return ListedClip(path, cells)
