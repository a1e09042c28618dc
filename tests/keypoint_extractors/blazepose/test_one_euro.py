"""The filter of where to look."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keypoint_extractors.blazepose.one_euro import OneEuroFilter


def run(values, *, rate=30.0, size=1.0, min_cutoff=0.5, beta=0.0):
    smooth = OneEuroFilter(min_cutoff=min_cutoff, beta=beta)
    return [float(smooth.filtered(np.array([value]), number / rate, size)[0]) for number, value in enumerate(values)]


def test_the_first_value_and_one_that_stays_come_out_as_they_are():
    assert run([3.0] * 5) == pytest.approx([3.0] * 5)


def test_without_speed_it_is_an_exponential_filter_of_the_least_cut_off():
    alpha = 1 / (1 + 30.0 / (2 * math.pi * 0.5))
    assert run([0.0, 1.0, 1.0])[1:] == pytest.approx([alpha, alpha + (1 - alpha) * alpha])


def test_the_frames_own_times_count_and_not_their_number():
    """After a second at 30 frames and at 10 the filter is as far, but for the coarser steps."""
    fine, coarse = run([0.0] + [1.0] * 30)[-1], run([0.0] + [1.0] * 10, rate=10.0)[-1]
    assert fine == pytest.approx(coarse, abs=0.05)
    assert run([0.0] + [1.0] * 10)[-1] < fine - 0.2


def test_what_moves_fast_for_its_size_is_smoothed_less():
    ramp = np.linspace(0, 1, 10)
    slow, fast = run(ramp, beta=10.0, size=1000.0)[-1], run(ramp, beta=10.0, size=0.1)[-1]
    assert slow < fast < 1.0
