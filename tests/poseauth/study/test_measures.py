"""Figures are those of their definitions on scores that one can count, and an undefined one says why."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth import metrics
from poseauth.study.measures import DECISION, NAMES, mean_and_deviation, measure

REAL = np.array([True, True, True, True, False, False])
P = np.array([0.9, 0.8, 0.6, 0.4, 0.7, 0.1])


def test_the_figures_of_six_clips_are_what_one_counts():
    found = measure(REAL, P)
    assert (found.n_real, found.n_fake) == (4, 2)
    assert found.confusion.real_as_real == 3
    assert found.confusion.real_as_fake == 1
    assert found.confusion.fake_as_real == 1
    assert found.confusion.fake_as_fake == 1
    values = found.values
    assert values["accuracy"] == pytest.approx(4 / 6)
    assert values["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert values["precision"] == pytest.approx(1 / 2)  # of two called fake one is
    assert values["recall"] == pytest.approx(1 / 2)
    assert values["f1"] == pytest.approx(1 / 2)
    assert values["auc"] == pytest.approx(6 / 8)  # pairs in which the real one is above
    assert values["mae"] == pytest.approx((0.1 + 0.2 + 0.4 + 0.6 + 0.7 + 0.1) / 6)
    assert values["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.6, 0.4, 0.3, 0.9]).mean())
    assert values["eer"] == metrics.equal_error_rate(P[REAL], P[~REAL])
    assert values["auc"] == pytest.approx(metrics.roc_auc(P[REAL], P[~REAL]))
    assert not found.undefined


def test_one_label_leaves_what_needs_both_undefined_with_its_reason():
    found = measure(REAL[:4], P[:4])
    assert {name for name in NAMES if found.values[name] is None} == {
        "balanced_accuracy", "auc", "eer", "recall", "f1"
    }  # fmt: skip
    assert found.undefined["auc"] == "4 real and 0 fake clips have a score here; one of each is needed"
    assert found.values["accuracy"] == pytest.approx(0.75)


def test_nothing_called_fake_has_no_precision():
    found = measure(REAL, np.full(6, 0.9))
    assert found.values["precision"] is None
    assert found.undefined["precision"] == "no clip was called fake"
    assert found.values["recall"] == 0.0


def test_no_clip_at_all_has_no_figure():
    found = measure(np.zeros(0, bool), np.zeros(0))
    assert set(found.values.values()) == {None}
    assert set(found.undefined) == set(NAMES)


def test_a_certain_and_wrong_probability_has_a_finite_log_loss():
    assert measure(REAL, np.where(REAL, 0.0, 1.0)).values["log_loss"] == pytest.approx(-np.log(1e-6), rel=1e-3)


def test_intervals_hold_the_figure_and_go_by_groups():
    rng = np.random.default_rng(1)
    real = np.repeat([True, False], 40)
    p = np.clip(rng.normal(np.where(real, 0.6, 0.4), 0.2), 0, 1)
    alone = measure(real, p, groups=range(80))
    in_fives = measure(real, p, groups=[i // 5 for i in range(80)])
    assert set(alone.intervals) == {"accuracy", "auc", "eer"}
    for name, one in alone.intervals.items():
        assert one.low <= alone.values[name] <= one.high
    assert measure(real, p, groups=range(80)).intervals == alone.intervals
    assert in_fives.intervals.keys() == alone.intervals.keys()
    assert in_fives.intervals != alone.intervals
    assert not measure(real, p).intervals
    assert not measure(real, p, groups=[i // 10 for i in range(80)]).intervals  # four of either label


def test_what_is_no_probability_is_refused():
    for wrong in (P + 0.5, np.full(6, np.nan), P[:5]):
        with pytest.raises(ValueError, match="probability between 0 and 1"):
            measure(REAL, wrong)


def test_means_leave_out_what_is_missing():
    assert mean_and_deviation([1.0, None, 3.0]) == (2.0, pytest.approx(np.sqrt(2)))
    assert mean_and_deviation([1.0]) == (1.0, None)
    assert mean_and_deviation([None]) == (None, None)
    assert DECISION == 0.5
