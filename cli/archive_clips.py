"""Which clips a command over an archive is about: paths and addresses, folders of either, tables, a list on stdin."""

from __future__ import annotations

import posixpath
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from poseauth.batch.addresses import check_address, fetch, files_under, kind_of
from poseauth.errors import InputError

from .clip_list import NO_PATH, PARQUET_SUFFIX, STDIN, ListedClip, check_one_clip, list_clips, named_rows
from .text_table import SUFFIXES

_TABLE_BYTES = 8e9
"""A table of a hundred million paths; more is a mistake."""


@dataclass
class ArchiveClip:
    """One clip of an archive.

    Attributes
    ----------
    place : str
        A path or an address.
    rows : list of mapping
        The rows of tables in which it was named, each once; one empty row where there was none.
    problem : str
        Why there is no clip here; "" where there may be one.
    """

    place: str
    rows: list[Mapping[str, str]] = field(default_factory=list)
    problem: str = ""


def list_archive(
    sources: Sequence[str], *, recursive: bool, path_column: str | None, https: bool
) -> dict[str, ArchiveClip]:
    """The clips by their places.

    Parameters
    ----------
    sources : sequence of str
        Paths and addresses of clips, folders, tables (.csv, .tsv, .parquet); - for a list on stdin.
    recursive : bool
        Whether folders in folders are searched.
    path_column : str or None
        As in `named_rows`.
    https : bool
        Whether files of the web are fetched.

    Raises
    ------
    click.UsageError
        If a table cannot be read, or nothing is named.
    """
    clips: dict[str, ArchiveClip] = {}
    for place, cells, problem in _named(sources, recursive=recursive, path_column=path_column, https=https):
        clip = clips.setdefault(place, ArchiveClip(place, problem=problem))
        if cells not in clip.rows:
            clip.rows.append(cells)
    if not clips:
        raise click.UsageError(NO_PATH)
    return clips


_Named = tuple[str, Mapping[str, str], str]


def _named(
    sources: Iterable[str], *, recursive: bool, path_column: str | None, https: bool, tables: bool = True
) -> Iterator[_Named]:
    for source in sources:
        if source == str(STDIN):
            lines = (line.rstrip("\r\n") for line in sys.stdin if line.strip())
            yield from _named(lines, recursive=recursive, path_column=path_column, https=https, tables=False)
        elif tables and Path(source).suffix.lower() in (*SUFFIXES, PARQUET_SUFFIX):
            yield from _rows_of(source, path_column, https=https)
        elif kind_of(source):
            yield from _at_address(source, recursive=recursive, https=https)
        else:
            for clip in list_clips([Path(source)], recursive=recursive):
                yield str(clip.path), {}, _told(clip)


def _at_address(source: str, *, recursive: bool, https: bool) -> Iterator[_Named]:
    from keypoint_extractors.video import VIDEO_SUFFIXES
    from poseauth.keypoint_files import SUFFIX

    endings = {*VIDEO_SUFFIXES, SUFFIX}

    def is_clip(name: str) -> bool:
        return not name.startswith(".") and posixpath.splitext(name)[1].lower() in endings

    try:
        check_address(source, https=https)
        found = files_under(source, recursive=recursive, is_wanted=is_clip, endings=endings)
    except InputError as error:
        yield source, {}, str(error)
        return
    for place in found:
        yield place, {}, ""


def _rows_of(source: str, path_column: str | None, *, https: bool) -> Iterator[_Named]:
    """The clips of a table; a path is taken as seen from the table."""
    with tempfile.TemporaryDirectory(prefix="poseauth-table-") as folder:
        table = Path(source)
        if kind_of(source):
            table = Path(folder) / posixpath.basename(source)
            try:
                check_address(source, https=https)
                fetch(source, table, most_bytes=_TABLE_BYTES)
            except InputError as error:
                raise click.UsageError(str(error)) from error
        elif not table.is_file():
            raise click.UsageError(f"{source}: no such table")
        rows = named_rows(table, path_column)
    for cells, name in rows:
        place = name if kind_of(name) else _beside(source, name)
        problem = ""
        try:
            if not name.strip():
                problem = "the row names no path"
            elif kind_of(place):
                check_address(place, https=https)
            else:
                check_one_clip(Path(place), name)
        except InputError as error:
            problem = _told(ListedClip(Path(place), problem=error))
        yield place, cells, problem


def _beside(table: str, name: str) -> str:
    return posixpath.join(posixpath.dirname(table), name) if kind_of(table) else str(Path(table).parent / name)


def _told(clip: ListedClip) -> str:
    from poseauth.errors import reason

    return "" if clip.problem is None else reason(clip.problem, clip.path)
