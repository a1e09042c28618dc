"""Words upon a picture, in any script that the font has: names are free text.

The font is DejaVu, which comes with matplotlib: Latin, Greek, Cyrillic, Arabic and others. What it lacks (Chinese,
Japanese, Korean) comes out as boxes. Where Pillow finds the library FriBiDi, Arabic and Hebrew run from right to left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keypoint_extractors.drawing.pen import Colour
from poseauth.arrays import UInt8Array

if TYPE_CHECKING:
    from PIL import ImageFont

_MOST_LETTERS = 200
"""Longer words are cut before they are measured: no line is that long."""
_LETTER_HEIGHT = 0.73
"""Of a capital letter, in sizes of the font."""
_ABOVE, _BELOW = 1.1, 0.4
"""Room over and under the line on which the letters stand, in sizes of the font; what reaches further is cut off."""


def visible(words: str) -> str:
    """The words in one line, with a mark for what has no shape: line breaks, control codes, halves of letters."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words[:_MOST_LETTERS])


def width_of(words: str, size: int, *, bold: bool = False) -> int:
    """Pixels that the words take at a size of the font in pixels."""
    return int(np.ceil(_font(size, bold).getlength(visible(words))))


def shortened(words: str, room: Callable[[str], bool]) -> str:
    """The words, or as many letters of them as leave room for "…" after them; at least one.

    Parameters
    ----------
    words : str
        What is to be written.
    room : callable
        Whether there is room for these words.
    """
    words = words[:_MOST_LETTERS]
    if room(words):
        return words
    fitting = (words[:n].rstrip() + "…" for n in range(len(words) - 1, 1, -1))
    return next((shorter for shorter in fitting if room(shorter)), words[:1] + "…")


def broken(words: str, n_lines: int, room: Callable[[str], bool]) -> list[str]:
    """The words in so many lines at most; the last one is shortened."""
    lines: list[str] = []
    left = words.split()
    while left and len(lines) < n_lines - 1:
        n = next((n for n in range(len(left), 0, -1) if room(" ".join(left[:n]))), 1)
        lines.append(shortened(" ".join(left[:n]), room))
        left = left[n:]
    return [*lines, shortened(" ".join(left), room)] if left else lines


def write(
    picture: UInt8Array,
    words: str,
    place: tuple[float, float],
    *,
    size: int,
    colour: Colour,
    bold: bool = False,
    align: float = 0.0,
) -> None:
    """Write upon a picture, in place; what does not fit on it is cut off.

    Parameters
    ----------
    picture : np.ndarray [shape=(H, W, 3)], uint8
        RGB.
    words : str
        One line.
    place : tuple of float
        Pixels: x of the words' left end, y of the middle of a capital letter.
    size : int
        Of the font, pixels.
    colour : Colour
        Of the letters.
    bold : bool
        Heavier letters.
    align : float
        Share of the words that lies left of the place: 0, 0.5 or 1.
    """
    from PIL import Image, ImageDraw

    above, below = round(_ABOVE * size), round(_BELOW * size)
    width = width_of(words, size, bold=bold)
    letters = Image.new("L", (width + 2, above + below))
    ImageDraw.Draw(letters).text((0, above), visible(words), font=_font(size, bold), fill=255, anchor="ls")
    left = round(place[0] - align * width)
    top = round(place[1] + _LETTER_HEIGHT / 2 * size) - above
    first_row, first_column = max(top, 0), max(left, 0)
    target = picture[first_row : max(top + above + below, 0), first_column : max(left + width + 2, 0)]
    if target.size:
        height, width = target.shape[:2]
        ink = np.asarray(letters, np.float32)[first_row - top :, first_column - left :][:height, :width, None] / 255
        target[:] = np.round(target * (1 - ink) + np.array(colour, np.float32) * ink).astype(np.uint8)


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    import matplotlib
    from PIL import ImageFont

    file = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file), size)
