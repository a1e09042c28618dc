"""Text that nobody checked: one line of printable marks, and what UTF-8 can hold."""

from __future__ import annotations

import pytest

from poseauth.shown_text import counted, encodable, names_told, readable, shortened


@pytest.mark.parametrize("mark", ["\n", "\r", "\t", "\x07", "\x1b", "\x9b", "\u2028", "\u202e", "\udcff"])
def test_what_is_not_printable_comes_out_as_its_escape(mark):
    shown = readable(f"Ré{mark}名")
    assert shown.isprintable()
    assert shown == f"Ré{mark.encode('unicode_escape').decode()}名"


def test_what_utf_8_cannot_hold_comes_out_as_its_escape_and_all_else_stays():
    assert encodable("clip\udcff\n名.mp4") == "clip\\udcff\n名.mp4"


def test_of_many_names_the_first_are_told_and_how_many_more_there_are():
    assert names_told(["a", "b"]) == "a, b"
    assert names_told(list("abcde")) == "a, b, c, d, e"
    assert names_told(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_what_is_too_long_for_a_message_is_cut_and_marked():
    assert shortened("x" * 1000) == "x" * 1000
    assert shortened("x" * 1001) == "x" * 997 + "..."


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [(1, "clip", "1 clip"), (0, "clip", "0 clips"), (1, "other person", "1 other person"), (3, "person", "3 people")],
)
def test_a_number_is_told_with_its_noun(number, noun, told):
    assert counted(number, noun) == told
