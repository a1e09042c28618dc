"""Error rates against worked examples, scikit-learn, and lir where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.metrics import (
    Estimate,
    accuracy,
    bootstrap_interval,
    cllr,
    cllr_min,
    det_points,
    equal_error_rate,
    fmr_fnmr_at,
    highest_share,
    min_dcf,
    roc_auc,
    tippett,
)

GENUINE, IMPOSTOR = [4.0, 3.0, 2.0, 0.0], [3.0, 1.0, -1.0, -2.0]
"""Worked by hand below: of 16 pairs 12 are right and one is a tie."""
APART = ([2.0, 3.0], [0.0, 1.0])
BOTH_SIDES = (roc_auc, equal_error_rate, min_dcf, cllr, cllr_min, det_points, tippett)


def drawn(n_genuine=300, n_impostor=500, *, decimals=1, seed=0):
    """Two overlapping normal distributions, rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, n_genuine).round(decimals), rng.normal(-1, 1.5, n_impostor).round(decimals)


def test_auc_counts_the_right_pairs_and_half_of_the_ties():
    # Against 3, 1, -1, -2: 4 wins 4, 3 wins 3 and ties 1, 2 wins 3, 0 wins 2.
    assert roc_auc(GENUINE, IMPOSTOR) == (4 + 3.5 + 3 + 2) / 16


def test_auc_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    genuine, impostor = drawn()
    truth = np.repeat([1, 0], [len(genuine), len(impostor)])
    assert roc_auc(genuine, impostor) == pytest.approx(metrics.roc_auc_score(truth, np.r_[genuine, impostor]))


def test_det_points_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    genuine, impostor = drawn()
    truth = np.repeat([1, 0], [len(genuine), len(impostor)])
    fmr, tpr, _ = metrics.roc_curve(truth, np.r_[genuine, impostor], drop_intermediate=False)
    curve = det_points(genuine, impostor)
    np.testing.assert_allclose(curve.fmr[::-1], fmr)
    np.testing.assert_allclose(1 - curve.fnmr[::-1], tpr)


def test_auc_turns_round_when_the_sides_are_exchanged():
    genuine, impostor = drawn()
    assert roc_auc(genuine, impostor) + roc_auc(impostor, genuine) == pytest.approx(1)


def test_a_score_at_the_threshold_is_rejected():
    rates = fmr_fnmr_at(3.0, GENUINE, IMPOSTOR)
    assert (rates.fmr, rates.fnmr) == (0.0, 0.75)
    rates = fmr_fnmr_at(1.5, GENUINE, IMPOSTOR)
    assert (rates.fmr, rates.fnmr) == (0.25, 0.25)


def test_accuracy_is_the_share_of_all_trials_told_right():
    assert accuracy(1.5, GENUINE, IMPOSTOR) == 0.75
    assert accuracy(1.5, GENUINE, [0.0]) == 0.8


def test_det_points_go_from_accepting_all_to_rejecting_all():
    curve = det_points(*drawn())
    assert curve.thresholds[0] == -np.inf
    assert (curve.fmr[0], curve.fnmr[0], curve.fmr[-1], curve.fnmr[-1]) == (1, 0, 0, 1)
    assert (np.diff(curve.fmr) <= 0).all()
    assert (np.diff(curve.fnmr) >= 0).all()
    middle = len(curve.thresholds) // 2
    rates = fmr_fnmr_at(curve.thresholds[middle], *drawn())
    assert (curve.fmr[middle], curve.fnmr[middle]) == pytest.approx((rates.fmr, rates.fnmr))


def test_equal_error_rate_lies_where_the_hull_meets_the_diagonal():
    # Sorted: -2I -1I 0G 1I 2G 3GI 4G. Pooled: {-2,-1} 0/2, {0,1} 1/2, {2} with {3} 2/3, {4} 1/1. The hull's corners
    # (FMR, FNMR): (1, 0), (.5, 0), (.25, .25), (0, .75), (0, 1): the diagonal is met at the third.
    assert equal_error_rate(GENUINE, IMPOSTOR) == pytest.approx(0.25)
    # The only pair the wrong way round: the hull is the straight line from (1, 0) to (0, 1).
    assert equal_error_rate([0.0], [1.0]) == 0.5
    # Corners (1, 0), (.5, 0), (0, .5): half way between the last two.
    assert equal_error_rate([1.0, 3.0], [0.0, 2.0]) == pytest.approx(0.25)


def test_equal_error_rate_of_two_normal_distributions_is_the_known_one():
    rng = np.random.default_rng(1)
    # Two deviations apart: Phi(-1) = 0.1587.
    found = equal_error_rate(rng.normal(2, 1, 40_000), rng.normal(0, 1, 40_000))
    assert found == pytest.approx(0.1587, abs=0.004)


def test_sides_that_are_apart_cost_nothing():
    assert roc_auc(*APART) == 1
    assert equal_error_rate(*APART) == 0
    assert min_dcf(*APART) == 0
    assert cllr_min(*APART) == 0


def test_scores_that_tell_nothing_cost_as_much_as_no_scores():
    nothing = ([0.0, 0.0], [0.0, 0.0, 0.0])
    assert roc_auc(*nothing) == 0.5
    assert equal_error_rate(*nothing) == 0.5
    assert min_dcf(*nothing) == 1
    assert cllr(*nothing) == pytest.approx(1)
    assert cllr_min(*nothing) == pytest.approx(1)


def test_least_detection_cost_weighs_prior_and_costs():
    # Thresholds give (FMR, FNMR): (.25, .25), (.25, .5), (0, .75), ... At even odds the first costs .25, nothing .5.
    assert min_dcf(GENUINE, IMPOSTOR, p_target=0.5) == pytest.approx(0.5)
    # At one in a hundred every false acceptance costs 99 times as much: only (0, .75) is worth it.
    assert min_dcf(GENUINE, IMPOSTOR) == pytest.approx(0.75)
    # A false rejection that costs 99 times as much makes the odds even again.
    assert min_dcf(GENUINE, IMPOSTOR, c_miss=99) == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [{"p_target": 0.0}, {"p_target": 1.0}, {"c_miss": 0.0}, {"c_fa": -1.0}])
def test_a_cost_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="out of range"):
        min_dcf(GENUINE, IMPOSTOR, **wrong)


def test_cllr_of_worked_examples():
    # LR 9 for the person: log2(1 + 1/9); LR 1/9 for the impostor the same.
    expected = np.log2(1 + 1 / 9)
    assert cllr([np.log10(9)], [-np.log10(9)]) == pytest.approx(expected)
    # Misleading both ways: log2(1 + 9).
    assert cllr([-np.log10(9)], [np.log10(9)]) == pytest.approx(np.log2(10))


def test_infinite_likelihood_ratios_have_no_cllr():
    with pytest.raises(ValueError, match="infinite"):
        cllr([np.inf], [0.0])


def test_cllr_min_is_the_cllr_of_pooled_shares():
    # Blocks of the hull: 0 of 2, 1 of 2, 2 of 3 and 1 of 1 genuine; with four on each side the LRs are 0, 1, 2, inf.
    genuine = (np.log2(1 + 1) + 2 * np.log2(1 + 1 / 2) + 0) / 4
    impostor = (0 + np.log2(1 + 1) + np.log2(1 + 2)) / 4
    assert cllr_min(GENUINE, IMPOSTOR) == pytest.approx((genuine + impostor) / 2)


def test_cllr_min_needs_the_order_alone_and_no_calibration_beats_it():
    genuine, impostor = drawn()
    least = cllr_min(genuine, impostor)
    assert cllr_min(np.exp(genuine / 4), np.exp(impostor / 4)) == pytest.approx(least)
    assert all(cllr(a * genuine + b, a * impostor + b) > least for a in (0.2, 0.6, 1, 2) for b in (-0.5, 0, 0.5))


def test_cllr_and_cllr_min_are_those_of_lir():
    lir = pytest.importorskip("lir")
    metrics = pytest.importorskip("lir.metrics")
    from lir.data.models import LLRData

    genuine, impostor = drawn(decimals=6)
    data = LLRData(features=np.r_[genuine, impostor].reshape(-1, 1), labels=np.repeat([1, 0], [300, 500]))
    assert cllr(genuine, impostor) == pytest.approx(metrics.cllr(data)), lir.__version__
    assert cllr_min(genuine, impostor) == pytest.approx(metrics.cllr_min(data), abs=1e-6)


def test_tippett_shares_fall_from_all_to_the_largest():
    curve = tippett(GENUINE, IMPOSTOR)
    np.testing.assert_array_equal(curve.log10_lr, [-2, -1, 0, 1, 2, 3, 4])
    np.testing.assert_allclose(curve.genuine, [1, 1, 1, 0.75, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(curve.impostor, [1, 0.75, 0.5, 0.5, 0.25, 0.25, 0])


@pytest.mark.parametrize("figure", BOTH_SIDES, ids=lambda figure: figure.__name__)
@pytest.mark.parametrize("sides", [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([1.0], [np.nan])])
def test_a_missing_side_or_a_score_that_is_no_number_is_refused(figure, sides):
    with pytest.raises(ValueError, match=r"at least one of each|NaN"):
        figure(*sides)


def test_interval_covers_the_known_mean_of_independent_rows_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(120):
        values = rng.normal(0, 1, 40)
        found = bootstrap_interval(lambda rows, v=values: v[rows].mean(), range(40), rng=rng, n_resamples=150)
        covered += found.low <= 0 <= found.high
    assert 0.88 <= covered / 120 <= 0.99


def test_rows_of_one_group_go_together_so_that_copies_do_not_narrow_the_interval():
    values = np.random.default_rng(4).normal(0, 1, 30)
    copies = np.repeat(values, 10)
    once = bootstrap_interval(lambda rows: values[rows].mean(), range(30), rng=np.random.default_rng(5))
    grouped = bootstrap_interval(
        lambda rows: copies[rows].mean(), np.repeat(range(30), 10).tolist(), rng=np.random.default_rng(5)
    )
    loose = bootstrap_interval(lambda rows: copies[rows].mean(), range(300), rng=np.random.default_rng(5))
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high))
    assert loose.high - loose.low < 0.5 * (once.high - once.low)


def test_one_seed_gives_one_interval():
    values = np.arange(20.0)
    one, two = (
        bootstrap_interval(lambda rows: values[rows].mean(), range(20), rng=np.random.default_rng(7)) for _ in range(2)
    )
    assert one == two
    assert one.low < one.value < one.high


def test_what_is_undefined_is_none_and_never_nan():
    def refuse(rows):
        raise ValueError("one side is missing")

    rng = np.random.default_rng(0)
    assert bootstrap_interval(refuse, range(5), rng=rng) == Estimate(None, None, None)
    assert bootstrap_interval(lambda rows: np.nan, range(5), rng=rng) == Estimate(None, None, None)
    assert bootstrap_interval(lambda rows: 0.5, [], rng=rng).low is None


def test_one_recording_gives_a_figure_without_an_interval():
    found = bootstrap_interval(lambda rows: float(len(rows)), ["a", "a", "a"], rng=np.random.default_rng(0))
    assert found == Estimate(3.0, None, None)


def test_a_figure_defined_in_few_resamples_has_no_interval():
    def first_alone(rows):
        if 0 not in rows or len(set(rows)) < 4:
            raise ValueError("undefined")
        return 1.0

    found = bootstrap_interval(first_alone, range(4), rng=np.random.default_rng(0), n_resamples=50)
    assert found == Estimate(1.0, None, None)


@pytest.mark.parametrize("wrong", [{"n_resamples": 0}, {"level": 1.0}])
def test_an_interval_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="out of range"):
        bootstrap_interval(lambda rows: 0.0, range(3), rng=np.random.default_rng(0), **wrong)


@pytest.mark.parametrize(
    ("n_wrong", "n_tried", "high"), [(0, 4, 1 - 0.025 ** (1 / 4)), (0, 40, 0.0881), (2, 10, 0.5561)]
)
def test_so_few_trials_leave_so_high_a_share_possible(n_wrong, n_tried, high):
    # The closed form of none wrong; the others as Clopper and Pearson's charts have them.
    assert highest_share(n_wrong, n_tried) == pytest.approx(high, abs=1e-4)
