"""The figure of one clip shows every window on its side."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from poseauth.decision import Decision, Verdict
from poseauth.plots import score_figure
from poseauth.report import Verification, not_analysed


@pytest.fixture
def result():
    scores = np.array([0.9, 0.5, 0.51, 0.2])
    decision = Decision(Verdict.INCONCLUSIVE, 2, 2, float(scores.mean()), None, 20.0, ("a tie",))
    return Verification(
        "folder/$clip_1$.mp4", "Ada", "analysed", decision, window_scores=scores, window_start_s=np.arange(4) * 5.0
    )


def test_every_window_is_a_mark_at_its_middle_on_the_side_of_its_vote(result):
    (axes,) = score_figure(result).axes
    marks = {line.get_label(): line.get_xydata().tolist() for line in axes.lines if "windows" in line.get_label()}
    assert marks == {
        "2 windows like Ada": [[2.5, 0.9], [12.5, 0.51]],
        "2 windows not like Ada": [[7.5, 0.5], [17.5, 0.2]],
    }


def test_the_mean_the_half_and_the_direction_are_drawn(result):
    (axes,) = score_figure(result).axes
    level = {float(line.get_ydata()[0]) for line in axes.lines if len(set(line.get_ydata())) == 1}
    assert {0.5, float(result.decision.mean_score)} <= level
    assert axes.get_ylim() == (0, 1)
    assert "higher = more like Ada" in axes.get_ylabel()
    assert "inconclusive" in axes.get_title()
    assert "body movement only" in axes.get_title()


def test_a_name_that_reads_like_a_broken_formula_is_drawn_as_it_is(result):
    figure = score_figure(replace(result, source="$\\frac$.mp4", person="$\\nobody$"))
    figure.savefig(io.BytesIO())
    assert "$\\frac$.mp4" in figure.axes[0].get_title()


def test_a_clip_that_was_not_analysed_has_no_figure():
    with pytest.raises(ValueError, match="nobody is in view"):
        score_figure(not_analysed("clip.mp4", "Ada", "nobody is in view"))
