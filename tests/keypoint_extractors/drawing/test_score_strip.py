"""The strip under a picture: which score is now, where it stands, and that every word finds room."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.drawing.score_strip import (
    AGAINST_COLOUR,
    FOR_COLOUR,
    LEAST_WIDTH,
    ScoreStrip,
    running_score,
)
from poseauth.decision import Decision, Verdict
from poseauth.report import Verification, not_analysed

WIDTHS = (LEAST_WIDTH, 481, 720, 1280, 3840)


def scored(starts, scores, *, verdict=Verdict.AUTHENTIC, person="obama"):
    decision = Decision(verdict, 1, 0, 0.9, None, 10.0, ())
    return Verification(
        "clip.mp4", person, "analysed", decision,
        window_scores=np.array(scores, np.float64), window_start_s=np.array(starts, np.float64),
    )  # fmt: skip


def test_the_score_now_is_the_mean_of_the_windows_that_cover_the_moment():
    scores, n_windows = running_score(
        scored([0, 1, 9], [0.2, 0.6, 1.0]), np.array([0.0, 1.0, 4.99, 5.0, 6.0, 9.5, 14.0])
    )
    np.testing.assert_allclose(scores, [0.2, 0.4, 0.4, 0.6, np.nan, 1.0, np.nan])
    assert n_windows.tolist() == [1, 2, 2, 1, 0, 1, 0]


def test_the_order_of_the_windows_does_not_matter():
    times = np.linspace(0, 16, 33)
    ordered, mixed = scored([0, 1, 9], [0.2, 0.6, 1.0]), scored([9, 0, 1], [1.0, 0.2, 0.6])
    np.testing.assert_array_equal(running_score(ordered, times)[0], running_score(mixed, times)[0])


def test_without_windows_there_is_no_score():
    scores, n_windows = running_score(not_analysed("a", "obama", "nobody"), np.array([0.0, 1.0]))
    assert np.isnan(scores).all()
    assert not n_windows.any()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_cursor_spans_the_chart(width):
    strip = ScoreStrip(scored([0], [0.9]), duration_s=20.0, width=width)
    left, _, right, _ = strip.chart
    assert strip.cursor_x(0.0) == left
    assert strip.cursor_x(10.0) == pytest.approx((left + right) / 2, abs=1)
    assert strip.cursor_x(20.0) == strip.cursor_x(99.0) == right - 1
    assert 0 < left < right <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_the_chart_is_blue_above_one_half_and_vermilion_below_and_neither_where_nothing_was_scored(width):
    strip = ScoreStrip(scored([0, 10], [0.9, 0.1]), duration_s=20.0, width=width)
    drawn = strip.picture(19.0)
    _, top, _, bottom = strip.chart
    quarter = (bottom - top) // 4
    above, below = top + quarter, bottom - quarter
    for_x, unscored_x, against_x = (strip.cursor_x(time_s) for time_s in (2.5, 7.5, 12.5))
    assert tuple(drawn[above, for_x]) == FOR_COLOUR
    assert tuple(drawn[below, against_x]) == AGAINST_COLOUR
    for x in (for_x, unscored_x, against_x):
        column = {tuple(pixel) for pixel in drawn[top:bottom, x].tolist()}
        assert (FOR_COLOUR in column) == (x == for_x)
        assert (AGAINST_COLOUR in column) == (x == against_x)


def test_what_is_said_now_changes_where_the_score_crosses_one_half_and_where_it_ends():
    strip = ScoreStrip(scored([0, 10], [0.9, 0.1]), duration_s=20.0, width=1280)
    left, top, _, bottom = strip.chart
    said = [strip.picture(time_s)[top:bottom, : left - 60] for time_s in (1.0, 4.0, 7.0, 12.0)]
    assert (said[0] == said[1]).all()
    assert (said[0] == FOR_COLOUR).all(axis=-1).any()
    assert (said[3] == AGAINST_COLOUR).all(axis=-1).any()
    assert not ((said[2] == FOR_COLOUR) | (said[2] == AGAINST_COLOUR)).all(axis=-1).any()


def test_between_two_moments_only_score_cursor_and_time_differ():
    strip = ScoreStrip(scored([0], [0.9]), duration_s=20.0, width=1280)
    changed = (strip.picture(1.0) != strip.picture(2.0)).any(axis=-1)
    left, top, right, bottom = strip.chart
    assert changed[:top, 1280 // 2 :].any()
    assert changed[top:bottom, left:right].any()
    assert not changed[:top, : 1280 // 2].any()
    assert not changed[bottom:].any()


@pytest.mark.parametrize("verdict", [*Verdict, None])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("person", ["obama", "Jean-Claude " * 20, "", "محمد علي", "a\nb"])
def test_no_words_touch_the_rim_or_each_other(verdict, width, person):
    result = (
        not_analysed("a", person, "too short; " * 60)
        if verdict is None
        else scored([0], [0.9], verdict=verdict, person=person)
    )
    strip = ScoreStrip(result, duration_s=7200.0, width=width)
    drawn = strip.picture(7199.0)
    assert drawn.shape == (strip.height, width, 3)
    assert strip.height % 2 == 0
    ground = drawn[0, 0]
    for rim in (drawn[:2], drawn[-2:], drawn[:, :2], drawn[:, -2:]):
        assert (rim == ground).all()
    # An empty column stands between the answer and the time code.
    row = drawn[: strip.chart[1]]
    empty = (row == ground).all(axis=(0, 2))
    end = np.flatnonzero(~empty)[-1]
    longest_gap = max(np.diff(np.flatnonzero(~empty[: end + 1])))
    assert longest_gap > strip.height / 20


def test_no_time_is_lost_at_hours():
    strip = ScoreStrip(scored([0], [0.9]), duration_s=86400.0, width=LEAST_WIDTH)
    assert (strip.picture(86399.9) != strip.picture(86399.7)).any()


def test_a_strip_too_narrow_for_its_words_is_refused():
    with pytest.raises(ValueError, match=str(LEAST_WIDTH)):
        ScoreStrip(scored([0], [0.9]), duration_s=1.0, width=LEAST_WIDTH - 1)
