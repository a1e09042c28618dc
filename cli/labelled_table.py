"""A table of labelled clips as a user writes it: a clip a row, its path seen from the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from poseauth.shown_text import shortened

from .text_table import opened_table


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
        Those it has to have, in capitals or not; others are kept too.
    filled : sequence of str
        Those that no row may leave empty.

    Raises
    ------
    click.UsageError
        If it is no such table, or has no rows.
    """
    with opened_table(path, lambda names: set(columns) <= {_plain(name) for name in names}) as (names, lines):
        missing = [name for name in columns if name not in map(_plain, names)]
        if missing:
            raise click.UsageError(
                f"{path}: no column {', '.join(missing)}; {', '.join(columns)} are needed. Its columns are: "
                f"{shortened(', '.join(names))}"
            )
        if len(set(map(_plain, names))) != len(names):
            raise click.UsageError(f"{path}: two columns have one name but for capitals: {shortened(', '.join(names))}")
        found = [(number, {_plain(name): cell.strip() for name, cell in cells.items()}) for number, cells in lines]
    rows = [TableRow(number, path.parent / cells["path"], cells) for number, cells in found if any(cells.values())]
    for row in rows:
        if not all(row[name] for name in filled):
            raise click.UsageError(f"{path}, line {row.number}: {' or '.join(filled)} is empty")
    if not rows:
        raise click.UsageError(f"{path} has no rows below the line of its columns")
    return rows


def _plain(name: str) -> str:
    return name.strip().lower()
