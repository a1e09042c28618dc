"""The table of `verify --output`: what stands in a row, and the rows of clips that come from a table themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from poseauth.batch.row_file import CSV_SUFFIX, JSON_LINES_SUFFIX, KEY, Row, RowFile
from poseauth.decision import Verdict
from poseauth.report import CSV_COLUMNS, flat_row
from poseauth.shown_text import encodable

from .clip_batch import Answer
from .clip_check import CLOSEST

SUFFIXES = (CSV_SUFFIX, JSON_LINES_SUFFIX)
_PREFIX = "poseauth_"
"""Before the name of a column of ours that the user's table has too."""
_ROW = "row"
"""Where a line of JSON has the user's row."""


class ResultColumns:
    """The columns of a table of answers, and what stands in them.

    Parameters
    ----------
    theirs : sequence of str
        Of the table that the clips come from: they stay, ours come after them.
    ours : sequence of str
        The key last.

    Attributes
    ----------
    ours : dict of str to str
        What each of our columns is called here.
    all : tuple of str
        In their order, the key last.
    """

    def __init__(self, theirs: Sequence[str], ours: Sequence[str] = (*CSV_COLUMNS, KEY)) -> None:
        names = [encodable(name) for name in theirs]
        self.ours = {name: f"{_PREFIX}{name}" if name in names and name != KEY else name for name in ours}
        # The key keeps its name, which says where the rows of a table end; a column of theirs of that name gives way.
        self._of_theirs = {name: f"{name}_" if name == KEY else name for name in names}
        self.all = (*self._of_theirs.values(), *self.ours.values())

    def theirs(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The user's row; empty cells where the clip comes from elsewhere."""
        plain = {encodable(name): encodable(text) for name, text in cells.items()}
        return {ours: plain.get(theirs, "") for theirs, ours in self._of_theirs.items()}

    def named(self, told: Row) -> dict[str, Any]:
        """What is told by the names of our columns, by what they are called here."""
        return {self.ours[name]: value for name, value in told.items()}

    def theirs_of(self, row: Row) -> dict[str, str]:
        """The cells of a row of answers that are the user's."""
        return {name: row.get(name, "") for name in self._of_theirs.values()}


class ResultTable:
    """Rows of answers.

    Parameters
    ----------
    path : Path
        .csv or .jsonl.
    columns : sequence of str
        Of the table that the clips come from.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._is_csv = path.suffix.lower() == CSV_SUFFIX
        self._columns = ResultColumns(columns)
        self._names = self._columns.ours
        self.file = RowFile(path, self._columns.all, self._identity)

    @property
    def known(self) -> dict[str, Row]:
        """The answers of earlier runs by their keys, while the file is open."""
        return {key: row for key, row in self.file.kept.items() if self.said(row, "verdict") in list(Verdict)}

    def row(self, answer: Answer, plain: Mapping[str, Any] | None) -> Row:
        """The row of an answer.

        Parameters
        ----------
        answer : Answer
            New, or known from a row.
        plain : mapping or None
            What `as_dict` gave of a new one, and what else belongs into a line of JSON.
        """
        theirs = self._columns.theirs(answer.clip.cells)
        source = encodable(str(answer.clip.path))
        if self._is_csv:
            if plain is None:
                assert answer.known is not None, "an answer is new or known"
                ours = {name: answer.known[name] for name in self._names.values()}
            else:
                ours = {self._names[name]: text for name, text in flat_row(plain).items()}
            return {**theirs, **ours, self._names["source"]: source, KEY: answer.key}
        entries = dict(answer.known or {}) if plain is None else dict(plain)
        entries.pop(_ROW, None)
        entries.pop(KEY, None)
        return {**entries, "source": source, **({_ROW: theirs} if theirs else {}), KEY: answer.key}

    def said(self, row: Row, name: str) -> str:
        """One of our columns of a row, as text."""
        value = row.get(self._names[name] if self._is_csv else name)
        return "" if value is None else str(value)

    def flat(self, row: Row) -> dict[str, str]:
        """A row by `CSV_COLUMNS`, whatever the file's form."""
        if not self._is_csv:
            return flat_row(row)
        return {name: str(row.get(self._names[name], "")) for name in CSV_COLUMNS}

    def identity_of(self, answer: Answer) -> Any:
        """What the answer's row is about: the user's row, the clip, and whom it was held against."""
        return (
            tuple(sorted(self._columns.theirs(answer.clip.cells).items())),
            encodable(str(answer.clip.path)),
            answer.about,
        )

    def _identity(self, row: Row) -> Any:
        cells = self._columns.theirs_of(row) if self._is_csv else row.get(_ROW, {})
        about = CLOSEST if self.said(row, "person_is") == "closest" else self.said(row, "person")
        return tuple(sorted(cells.items())), self.said(row, "source"), about
