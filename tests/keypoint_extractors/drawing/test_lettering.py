"""Words upon a picture: any text is written, in one line, where it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.drawing.lettering import broken, shortened, visible, width_of, write

WORDS = [
    "obama",
    "Владимир",
    "محمد علي",
    "习近平",
    "a\nb\x1b[0m",
    "\udcff",
    "g\u0301\u0302\u0303" * 20,
    "😀",
    "",
    "W" * 5000,
]


def ground():
    return np.zeros((60, 300, 3), np.uint8)


def short(words):
    return len(words) <= 8


@pytest.mark.parametrize("words", WORDS, ids=lambda words: ascii(words)[:20])
@pytest.mark.parametrize("place", [(10, 30), (-50, -5), (290, 58), (1000, 1000), (-9000, 30)], ids=str)
def test_any_words_are_written_anywhere_and_cut_at_the_edge(words, place):
    write(ground(), words, place, size=20, colour=(255, 255, 255))


@pytest.mark.parametrize("align", [0.0, 0.5, 1.0])
def test_words_stand_where_they_are_put(align):
    drawn = ground()
    write(drawn, "HIH", (150, 30), size=24, colour=(255, 128, 0), align=align)
    rows, columns = np.nonzero(drawn[..., 0])
    width = width_of("HIH", 24)
    assert columns.min() >= 150 - align * width - 1
    assert columns.max() <= 150 + (1 - align) * width + 1
    assert (rows.min() + rows.max()) / 2 == pytest.approx(30, abs=1)
    assert tuple(drawn[drawn[..., 0].argmax() // 300, drawn[..., 0].argmax() % 300]) == (255, 128, 0)


def test_bold_is_wider():
    assert width_of("obama", 30, bold=True) > width_of("obama", 30)


def test_what_has_no_shape_gets_a_mark():
    assert visible("a\nb\x00\u202ec\udcff") == "a\ufffdb\ufffd\ufffdc\ufffd"
    assert visible("Владимир محمد 习近平") == "Владимир محمد 习近平"


def test_words_are_shortened_only_where_there_is_no_room():
    assert shortened("abcdefgh", short) == "abcdefgh"
    assert shortened("abcdefghi", short) == "abcdefg…"
    assert shortened("abc defghi", lambda words: len(words) <= 5) == "abc…"
    assert shortened("abc", lambda words: False) == "a…"
    assert shortened("", short) == ""


def test_lines_break_between_words_and_the_last_is_shortened():
    assert broken("one two three", 3, short) == ["one two", "three"]
    assert broken("one two three four five", 2, short) == ["one two", "three f…"]
    assert broken("unbreakable word", 3, short) == ["unbreak…", "word"]
    assert broken("", 3, short) == []
