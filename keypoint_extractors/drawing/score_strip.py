"""The running score as a strip under a picture: what the movement says at this moment and over the whole clip."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from keypoint_extractors.drawing.lettering import broken, shortened, visible, width_of, write
from keypoint_extractors.drawing.pen import Colour
from poseauth.arrays import BoolArray, Float64Array, Int64Array, UInt8Array
from poseauth.decision import VOTE_THRESHOLD, Verdict
from poseauth.report import NOT_EXAMINED, Verification
from poseauth.windows import FPS, WINDOW_S

FOR_COLOUR: Colour = (0, 114, 178)
AGAINST_COLOUR: Colour = (192, 74, 0)
"""Blue and vermilion, as in the page of a clip: three times as light as the ground, and white upon them can be read."""
CURSOR_COLOUR: Colour = (255, 255, 255)
_GROUND: Colour = (22, 25, 29)
_CHART_GROUND: Colour = (36, 40, 46)
_HATCH: Colour = (76, 82, 90)
_NEUTRAL: Colour = (88, 94, 102)
_INK: Colour = (240, 240, 240)
_DIM: Colour = (176, 182, 190)
LEAST_WIDTH = 480
"""Pixels, below which the words have no room."""
_SIZES_PER_WIDTH = 54
_LEAST_SIZE, _LARGEST_SIZE = 13, 28
_SMALL = 0.75
_LEAST_SMALL = 11
_PAD, _ROW, _CHART, _SCORE_WIDTH, _AXIS_WIDTH = 0.5, 1.5, 3.8, 7.4, 2.2
"""In sizes of the font: rim and distances, the upper row, height of the chart, width of the score and of the axis."""
_ROUNDING_S = 1e-6

_VERDICTS: dict[Verdict | None, tuple[str, Colour, str]] = {
    Verdict.AUTHENTIC: ("●", FOR_COLOUR, "moves like {person}"),
    Verdict.FAKE: ("✕", AGAINST_COLOUR, "does not move like {person}"),
    Verdict.INCONCLUSIVE: ("?", _NEUTRAL, "undecided whether it is {person} who moves"),
    None: ("\N{EN DASH}", _NEUTRAL, "{person}"),
}
"""A mark beside every colour, and what the verdict says."""
SCOPE_WORDS = "body movement only"


def running_score(result: Verification, times_s: Float64Array) -> tuple[Float64Array, Int64Array]:
    """The mean score of the windows that cover each time.

    Parameters
    ----------
    result : Verification
        With the windows' scores, or without any.
    times_s : np.ndarray [shape=(N,)], float64
        Seconds into the clip.

    Returns
    -------
    tuple of np.ndarray [shape=(N,)] float64 and int64
        0 to 1, higher = more like the person, NaN where no window covers the time; and the number of windows. A window
        covers its first moment and not its last.
    """
    if result.window_scores is None or result.window_start_s is None:
        return np.full(len(times_s), np.nan), np.zeros(len(times_s), np.int64)
    order = np.argsort(result.window_start_s, kind="stable")
    starts, scores = result.window_start_s[order], result.window_scores[order]
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    first = np.searchsorted(starts, times_s - WINDOW_S + _ROUNDING_S, side="right")
    end = np.searchsorted(starts, times_s + _ROUNDING_S, side="right")
    n_windows = (end - first).astype(np.int64)
    mean = np.full(len(times_s), np.nan)
    covered = n_windows > 0
    mean[covered] = np.clip((sums[end] - sums[first])[covered] / n_windows[covered], 0.0, 1.0)
    return mean, n_windows


class ScoreStrip:
    """The strip of one clip; what does not change is drawn once.

    Parameters
    ----------
    result : Verification
        The answer for the clip.
    duration_s : float
        Seconds of the clip.
    width : int
        Pixels, `LEAST_WIDTH` or more.

    Attributes
    ----------
    height : int
        Pixels, even.
    chart : tuple of int
        Left, top, right and bottom of the chart of the score, pixels of the strip; right and bottom lie outside it.

    Raises
    ------
    ValueError
        If the width is too small.
    """

    def __init__(self, result: Verification, *, duration_s: float, width: int) -> None:
        if width < LEAST_WIDTH:
            raise ValueError(f"a strip {width} pixels wide has no room for its words; {LEAST_WIDTH} are needed")
        self._result = result
        self._size = size = min(max(round(width / _SIZES_PER_WIDTH), _LEAST_SIZE), _LARGEST_SIZE)
        self._small = max(round(_SMALL * size), _LEAST_SMALL)
        self._pad = pad = round(_PAD * size)
        top = pad + round(_ROW * size) + pad
        self.chart = (
            pad + round((_SCORE_WIDTH + _AXIS_WIDTH) * size), top, width - pad, top + round(_CHART * size)
        )  # fmt: skip
        self.height = 2 * math.ceil((self.chart[3] + round(1.7 * self._small) + pad // 2) / 2)
        starts = result.window_start_s
        end_s = float(starts.max()) + WINDOW_S if starts is not None and len(starts) else 0.0
        self._duration_s = max(duration_s, end_s, 1 / FPS)
        self._is_decided = result.verdict in (Verdict.AUTHENTIC, Verdict.FAKE)
        self._is_scored = result.window_scores is not None and len(result.window_scores) > 0
        self._ground = np.full((self.height, width, 3), _GROUND, np.uint8)
        self._draw_ground()
        self._score_at = lru_cache(maxsize=256)(self._draw_score)

    def cursor_x(self, time_s: float) -> int:
        """The column of the strip in which a time stands, pixels."""
        left, _, right, _ = self.chart
        share = min(max(time_s / self._duration_s, 0.0), 1.0)
        return left + min(int(share * (right - left)), right - left - 1)

    def picture(self, time_s: float) -> UInt8Array:
        """The strip at a time: np.ndarray [shape=(height, width, 3)], uint8, RGB."""
        drawn = self._ground.copy()
        if self._is_scored:
            (score,), _ = running_score(self._result, np.array([time_s]))
            left, top, _, bottom = self.chart
            shown = None if np.isnan(score) else float(score)
            drawn[top:bottom, self._pad : left - round(_AXIS_WIDTH * self._size)] = self._score_at(
                None if shown is None else f"{shown:.2f}", shown is not None and shown > VOTE_THRESHOLD
            )
            self._draw_cursor(drawn, time_s, shown)
        time = f"{_timecode(time_s)} / {_timecode(self._duration_s)}"
        write(drawn, time, self._time_place, size=self._size, colour=_INK, align=1.0)
        return drawn

    @property
    def _time_place(self) -> tuple[float, float]:
        return self._ground.shape[1] - self._pad, self._pad + _ROW * self._size / 2

    def _draw_ground(self) -> None:
        self._draw_answer()
        if self._is_scored:
            self._draw_chart()
        else:
            self._draw_reasons()
        width, small = self._ground.shape[1], self._small
        whole = f"{SCOPE_WORDS}; not examined: {', '.join(NOT_EXAMINED)}"
        words = whole if width_of(whole, small) <= width - 2 * self._pad else SCOPE_WORDS
        place = self._pad, self.chart[3] + (self.height - self.chart[3]) / 2
        write(self._ground, words, place, size=small, colour=_DIM)

    def _draw_answer(self) -> None:
        """The verdict on the whole clip, and about whom."""
        mark, colour, told = _VERDICTS[self._result.verdict]
        word = (self._result.verdict or self._result.status).upper()
        box = self._pad, self._pad, None, self._pad + round(_ROW * self._size)
        right = _chip(self._ground, f"{mark} {word}", box, size=self._size, colour=colour)
        left = right + self._pad
        longest = f"{_timecode(self._duration_s)} / {_timecode(self._duration_s)}"
        end = self._time_place[0] - width_of(longest, self._size) - 2 * self._pad

        def has_room(words: str) -> bool:
            return width_of(words, self._size) <= end - left

        name = visible(self._result.person)
        words = told.format(person=shortened(name, lambda part: has_room(told.format(person=part))))
        if not has_room(words):
            words = shortened(name, has_room)
        write(self._ground, words, (left, self._time_place[1]), size=self._size, colour=_INK)

    def _draw_reasons(self) -> None:
        """Why there is no score, in the chart's place."""
        width = self._ground.shape[1]
        words = visible("; ".join(self._result.reasons))
        lines = broken(words, 3, lambda line: width_of(line, self._small) <= width - 2 * self._pad)
        for number, line in enumerate(lines):
            place = self._pad, self.chart[1] + (0.7 + 1.45 * number) * self._small
            write(self._ground, line, place, size=self._small, colour=_DIM)

    def _draw_chart(self) -> None:
        left, top, right, bottom = self.chart
        area = self._ground[top:bottom, left:right]
        area[:] = _CHART_GROUND
        height, width = area.shape[:2]
        times = (np.arange(width) + 0.5) / width * self._duration_s
        scores, n_windows = running_score(self._result, times)
        unscored = n_windows == 0
        row, column = np.arange(height)[:, None], np.arange(width)[None, :]
        period = max(self._size // 2, 4)
        area[((row + column) % period < max(period // 4, 1)) & unscored] = _HATCH
        places = np.array([self._row(score) for score in np.where(unscored, 0.5, scores)])
        half = self._row(VOTE_THRESHOLD)
        # Where nothing was decided no colour takes a side: one picture of it is soon passed on alone.
        above, below = (FOR_COLOUR, AGAINST_COLOUR) if self._is_decided else (_NEUTRAL, _NEUTRAL)
        area[(row <= half) & (row >= places) & (places < half) & ~unscored] = above
        area[(row >= half) & (row <= places) & (places > half) & ~unscored] = below
        thick = max(self._size // 12, 1)
        area[half - thick // 2 : half - thick // 2 + thick] = _DIM
        before = np.where(np.roll(unscored, 1), places, np.roll(places, 1))
        before[0] = places[0]
        reach = max(self._size // 10, 1)
        high, low = np.minimum(before, places), np.maximum(before, places)
        area[(row >= high - reach // 2) & (row < low - reach // 2 + reach + 1) & ~unscored] = _INK
        for value, word in ((1.0, "1"), (VOTE_THRESHOLD, f"{VOTE_THRESHOLD:g}"), (0.0, "0")):
            y = min(max(top + self._row(value), top + 0.36 * self._small), bottom - 0.36 * self._small)
            write(self._ground, word, (left - 0.4 * self._size, y), size=self._small, colour=_DIM, align=1.0)
        self._name_unscored(area, unscored)

    def _name_unscored(self, area: UInt8Array, unscored: BoolArray) -> None:
        """The word in the longest stretch without a score, if it has room there."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], unscored, [False]]).astype(np.int8)))
        stretches = edges.reshape(-1, 2)
        room = width_of("not scored", self._small) + self._small
        if not len(stretches) or (longest := stretches[np.argmax(np.ptp(stretches, axis=1))])[1] - longest[0] < room:
            return
        middle, y = float(longest.mean()), area.shape[0] / 2
        high = round(0.8 * self._small)
        area[round(y) - high : round(y) + high, round(middle - room / 2) : round(middle + room / 2)] = _CHART_GROUND
        write(area, "not scored", (middle, y), size=self._small, colour=_DIM, align=0.5)

    def _draw_score(self, shown: str | None, is_for: bool) -> UInt8Array:
        """The score now in figures, and what it says in a word."""
        left, top, _, bottom = self.chart
        width = left - round(_AXIS_WIDTH * self._size) - self._pad
        drawn = np.full((bottom - top, width, 3), _GROUND, np.uint8)
        if shown is None:
            words, colour = "not scored", _NEUTRAL
        elif not self._is_decided:
            words, colour = "no answer", _NEUTRAL
        else:
            words, colour = ("● like now", FOR_COLOUR) if is_for else ("✕ unlike now", AGAINST_COLOUR)
        high, ink = round(1.9 * self._size), _INK if self._is_decided else _DIM
        write(drawn, shown or "\N{EN DASH}", (width / 2, high / 2), size=high, colour=ink, bold=True, align=0.5)
        _chip(
            drawn, words, (0, high + self._pad // 2, width, bottom - top), size=round(0.85 * self._size), colour=colour
        )
        return drawn

    def _draw_cursor(self, drawn: UInt8Array, time_s: float, score: float | None) -> None:
        left, top, right, bottom = self.chart
        x, reach = self.cursor_x(time_s), max(self._size // 12, 1)
        drawn[top:bottom, max(x - reach, left) : min(x + reach, right - 1) + 1] = _GROUND
        drawn[top:bottom, x : min(x + reach, right)] = CURSOR_COLOUR
        if score is not None:
            import cv2

            centre, radius = (x, top + self._row(score)), max(self._size // 5, 3)
            cv2.circle(drawn, centre, radius + reach, _GROUND, -1, cv2.LINE_AA)
            cv2.circle(drawn, centre, radius, CURSOR_COLOUR, -1, cv2.LINE_AA)

    def _row(self, score: float) -> int:
        """Pixels below the chart's upper edge."""
        return round((1 - score) * (self.chart[3] - self.chart[1] - 1))


def _chip(picture: UInt8Array, words: str, box: tuple[int, int, int | None, int], *, size: int, colour: Colour) -> int:
    """White words on a coloured ground from left and top to right and bottom, as wide as the words where right is None.

    Gives the right end.
    """
    left, top, right, bottom = box
    right = left + width_of(words, size, bold=True) + size if right is None else right
    picture[top:bottom, left:right] = colour
    place = (left + right) / 2, (top + bottom) / 2
    write(picture, words, place, size=size, colour=CURSOR_COLOUR, bold=True, align=0.5)
    return right


def _timecode(time_s: float) -> str:
    """Minutes, seconds and tenths, rounded down: 1:05.2; hours only where there are any."""
    tenths = max(math.floor(10 * time_s + 10 * _ROUNDING_S), 0)
    minutes, rest = divmod(tenths, 600)
    clock = f"{minutes // 60}:{minutes % 60:02d}" if minutes >= 60 else f"{minutes}"
    return f"{clock}:{rest // 10:02d}.{rest % 10}"
