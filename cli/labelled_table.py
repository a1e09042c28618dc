"""A table of labelled clips as a user writes it: CSV in UTF-8, a clip a row, its path seen from the table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True)
class TableRow:
    """A line of a table: `cells` by column, and the clip, found from the table's own folder."""

    number: int
    path: Path
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_table(path: Path, columns: Sequence[str], *, filled: Sequence[str]) -> list[TableRow]:
    """The rows of a table, those without a word in any cell left out.

    Parameters
    ----------
    path : Path
        The table; a column `path` names the clips.
    columns : sequence of str
        Those it has to have; others are kept too.
    filled : sequence of str
        Those that no row may leave empty.

    Raises
    ------
    click.UsageError
        If it is no such table, or has no rows.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream)
            missing = [name for name in columns if name not in (table.fieldnames or ())]
            if missing:
                raise click.UsageError(f"{path}: no column {', '.join(missing)}; {', '.join(columns)} are needed")
            lines = [
                (number, {key: (value or "").strip() for key, value in line.items() if isinstance(key, str)})
                for number, line in enumerate(table, start=2)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{path} is not a table in UTF-8: {error}") from error
    rows = [TableRow(number, path.parent / cells["path"], cells) for number, cells in lines if any(cells.values())]
    for row in rows:
        if not all(row[name] for name in filled):
            raise click.UsageError(f"{path}, line {row.number}: {' or '.join(filled)} is empty")
    if not rows:
        raise click.UsageError(f"{path} has no rows")
    return rows
