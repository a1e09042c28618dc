"""How text that nobody checked is shown and written: a file's name, what a decoder says, what a profile holds."""

from __future__ import annotations

from collections.abc import Sequence

_NAMES_TOLD = 5
_LONGEST = 1000
"""Characters of what a file holds that are told in one message."""


def readable(text: str) -> str:
    """Text for one line of a terminal: a file's name may hold line breaks and control codes, and forge a line."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def encodable(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a file's name that are no UTF-8 come out as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shortened(text: str) -> str:
    """Text of a file as a message can hold it: the columns of a table may be a megabyte long."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def counted(number: int, noun: str) -> str:
    """A number and its noun: 1 clip, 2 clips; 1 person, 2 people."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun.removesuffix('person')}people" if noun.endswith("person") else f"{number} {noun}s"


def names_told(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    n_more = len(names) - _NAMES_TOLD
    return ", ".join(names[:_NAMES_TOLD]) + (f" and {n_more} more" if n_more > 0 else "")
