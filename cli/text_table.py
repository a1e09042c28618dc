"""A table as users have it: comma, semicolon or tab between its cells, UTF-8 or UTF-16; what is no table is told."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

import click

from poseauth.keypoints import N_KEYPOINTS
from poseauth.shown_text import shortened

SUFFIXES = (".csv", ".tsv")
DELIMITERS = (",", ";", "\t")
"""In the order in which they are tried, but for .tsv, where the tab comes first: the first under which the columns
wanted are there."""
METHOD_COLUMNS = 2 * N_KEYPOINTS
"""Of the method's CSV of keypoints, all of them numbers."""
_LONGEST_HEAD = 1 << 20
"""Characters of a first line; what has more is no table."""
_SAVE = "Save it as UTF-8 (in Excel: CSV UTF-8)"
_NO_TEXT = {
    b"PK\x03\x04": "a zip file, such as an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet table",
}
"""How files begin that somebody may have called .csv."""


@contextmanager
def opened_table(
    table: Path, has_columns: Callable[[Sequence[str]], bool]
) -> Iterator[tuple[list[str], Iterator[tuple[int, dict[str, str]]]]]:
    """The columns of a table and its rows, each with the number of its line; columns without a name are left out.

    Cells that a row lacks are "", those beyond the columns are left out too, and so are empty lines.

    Parameters
    ----------
    table : Path
        The file.
    has_columns : callable
        Whether these columns are what is looked for. Under no delimiter need it be so: the columns are then those of
        the delimiter that finds the most.

    Raises
    ------
    click.UsageError
        If it is no text, of an encoding that is not known, no table of this form, or has two columns of one name.
    """
    encoding = _encoding(table)
    try:
        with table.open(encoding=encoding, newline="") as stream:
            tried = ("\t", *DELIMITERS) if table.suffix.lower() == ".tsv" else DELIMITERS
            found = {delimiter: _first_line(table, stream, delimiter) for delimiter in tried}
            fitting = [delimiter for delimiter in tried if has_columns(found[delimiter])]
            delimiter = fitting[0] if fitting else max(tried, key=lambda one: len(found[one]))
            names = found[delimiter]
            if not fitting:
                _refuse_without_columns(table, names)
            named = [name for name in names if name]
            if len(set(named)) != len(named):
                raise click.UsageError(f"{table}: two columns have one name: {shortened(', '.join(names))}")
            stream.seek(0)
            lines = csv.reader(stream, delimiter=delimiter)
            next(lines, None)
            yield named, ((lines.line_num, _cells(names, line)) for line in lines if line)
    except UnicodeDecodeError as error:
        name, byte = encoding.upper().removesuffix("-SIG"), error.object[error.start]
        raise click.UsageError(
            f"{table} is not written in {name} (byte {byte:#04x}), nor does it say that it is in another. {_SAVE}"
        ) from error
    except csv.Error as error:
        raise click.UsageError(f"{table} is no table of text: {error}. {_SAVE}") from error


def keypoints_in(table: Path) -> bool:
    """Whether a file that is called a table is the method's CSV of keypoints; False where it cannot be read."""
    try:
        with table.open(encoding="ascii") as stream:
            return _are_keypoints(stream.readline(_LONGEST_HEAD).strip().split(","))
    except (OSError, UnicodeDecodeError):
        return False


def keypoints_told() -> str:
    """What the method's CSV is, and what is wanted in its place."""
    return (
        f"keypoints, {METHOD_COLUMNS} numbers a line as in the method's CSV, which is for other tools: it has neither "
        "times nor an extractor. Name the video, or its keypoints as .npz (poseauth extract writes them; docs/files.md "
        "has the format)"
    )


def _encoding(table: Path) -> str:
    with table.open("rb") as stream:
        head = stream.read(4)
    for begins, words in _NO_TEXT.items():
        if head.startswith(begins):
            raise click.UsageError(f"{table} is {words} and no text. Save the sheet as CSV in UTF-8 and give that")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        raise click.UsageError(f"{table} is no text in UTF-8, or UTF-16 that does not say so. {_SAVE}")
    return "utf-8-sig"


def _first_line(table: Path, stream: TextIO, delimiter: str) -> list[str]:
    stream.seek(0)
    if len(stream.readline(_LONGEST_HEAD)) == _LONGEST_HEAD:
        raise click.UsageError(f"{table} is no table: its first line has no end")
    stream.seek(0)
    return next(islice(csv.reader(stream, delimiter=delimiter), 1), [])


def _cells(names: Sequence[str], line: Sequence[str]) -> dict[str, str]:
    padded = [*line, *[""] * len(names)]
    return {name: cell for name, cell in zip(names, padded, strict=False) if name}


def _refuse_without_columns(table: Path, names: Sequence[str]) -> None:
    """Say what stands in the first line where it names no column at all."""
    if not any(name.strip() for name in names):
        raise click.UsageError(f"{table} is empty. A table begins with a line that names its columns")
    if _are_keypoints(names):
        raise click.UsageError(f"{table} is no table of clips. It holds {keypoints_told()}")
    if all(_is_number(name) for name in names):
        raise click.UsageError(
            f"{table}: its first line holds {len(names)} numbers. A table of clips begins with a line that names its "
            "columns"
        )
    clip = next((name for name in names if _is_like_a_clip(name)), None)
    if clip is not None:
        raise click.UsageError(
            f"{table}: its first line holds a clip ({shortened(clip)}). A table begins with a line that names its "
            "columns, such as path"
        )


def _are_keypoints(names: Sequence[str]) -> bool:
    return len(names) == METHOD_COLUMNS and all(_is_number(name) for name in names)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_like_a_clip(cell: str) -> bool:
    from keypoint_extractors.video import VIDEO_SUFFIXES
    from poseauth.keypoint_files import SUFFIX

    return Path(cell.strip()).suffix.lower() in {*VIDEO_SUFFIXES, SUFFIX}
