"""Likelihood ratios: the fit, what so many videos can support, the interval and the undecided band."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth import calibration
from poseauth.calibration import (
    MIN_UNDECIDED,
    Calibration,
    LikelihoodRatio,
    ScoreLine,
    empirical_bounds,
    fit_calibration,
    fit_line,
    judge_each_unseen,
)

STEP = 0.01
"""Log10; the bounds are known to such a step."""
ROUNDING = 1e-5
"""Natural log odds; where the solver stops."""


def videos_of(*counts):
    """The rows of videos, so many in each, one video after the other."""
    ends = np.cumsum(counts)
    return [np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)]


def scores_of(n_genuine, n_other, *, apart=2.0, seed=0):
    """A score a video: genuine ones first, a unit of spread on either side."""
    rng = np.random.default_rng(seed)
    is_genuine = np.arange(n_genuine + n_other) < n_genuine
    return rng.normal(size=len(is_genuine)) + apart * is_genuine, is_genuine


def fitted(scores, is_genuine, videos=None, *, seed=0):
    videos = range(len(scores)) if videos is None else videos
    return fit_calibration(scores, is_genuine, videos, rng=np.random.default_rng(seed))


@pytest.fixture
def few_resamples(monkeypatch):
    """For what does not depend on the resamples."""
    monkeypatch.setattr(calibration, "N_RESAMPLES", 5)


def logistic_regression(scores, is_genuine, weight):
    """Slope and intercept that minimise the weighted log loss and half the squared slope per standard deviation."""
    from scipy.optimize import minimize

    mean = np.average(scores, weights=weight)
    deviation = np.sqrt(np.average((scores - mean) ** 2, weights=weight))
    sign = np.where(is_genuine, 1.0, -1.0)

    def loss(line):
        slope, intercept = line
        return (weight * np.logaddexp(0, -sign * (slope * scores + intercept))).sum() + 0.5 * (slope * deviation) ** 2

    return minimize(loss, [0.0, 0.0], tol=1e-12).x


def test_the_line_is_that_of_a_weighted_logistic_regression():
    counts = [1, 3, 2, 1, 4, 1, 2, 1, 1]
    n_genuine_videos, n_videos = 4, 9
    rng = np.random.default_rng(0)
    rows_of_video = np.repeat(counts, counts)
    is_genuine = np.repeat(np.arange(n_videos) < n_genuine_videos, counts)
    scores = 7 + 0.1 * (rng.normal(size=len(is_genuine)) + 1.5 * is_genuine)
    weight = n_videos / 2 / np.where(is_genuine, n_genuine_videos, n_videos - n_genuine_videos) / rows_of_video
    slope, intercept = logistic_regression(scores, is_genuine, weight)
    line = fit_line(scores, is_genuine, videos_of(*counts))
    assert line.slope == pytest.approx(slope, rel=ROUNDING)
    np.testing.assert_allclose(line(scores), slope * scores + intercept, atol=ROUNDING)


def test_a_line_gives_slope_times_score_plus_intercept():
    assert ScoreLine(2.0, -1.0)(np.array([0.0, 0.5, 3.0])).tolist() == [-1.0, 0.0, 5.0]


@pytest.mark.parametrize("times", [2, 10])
def test_both_sides_weigh_alike_whatever_their_counts(times):
    genuine, others = np.array([0.5, 1.0, 3.0]), np.array([-0.5, -1.0, -3.0])
    scores = 5 + np.concatenate([genuine, *[others] * times])
    line = fit_line(scores, np.arange(len(scores)) < 3, videos_of(*[1] * len(scores)))
    # The sides are mirror images about 5: even odds there, were the others ever so many.
    np.testing.assert_allclose(line(np.array([5.0])), 0.0, atol=ROUNDING)
    assert line.slope > 0


def test_a_video_with_many_rows_weighs_as_one():
    scores, is_genuine = scores_of(5, 6)
    counts = [1, 20, 1, 3, 1, 1, 50, 1, 1, 2, 1]
    once = fit_line(scores, is_genuine, videos_of(*[1] * 11))
    often = fit_line(np.repeat(scores, counts), np.repeat(is_genuine, counts), videos_of(*counts))
    np.testing.assert_allclose(often(scores), once(scores), atol=ROUNDING)


def test_a_video_drawn_twice_weighs_as_two_alike():
    scores, is_genuine = scores_of(4, 4)
    rows = videos_of(*[1] * 8)
    copied = np.append(scores, scores[0]), np.append(is_genuine, True)
    np.testing.assert_allclose(
        fit_line(scores, is_genuine, [*rows, rows[0]])(scores),
        fit_line(*copied, videos_of(*[1] * 9))(scores),
        atol=ROUNDING,
    )


def test_ratios_do_not_depend_on_the_scale_of_the_scores():
    scores, is_genuine = scores_of(6, 6)
    rows = videos_of(*[1] * 12)
    stretched = 1000 * scores - 300
    np.testing.assert_allclose(
        fit_line(stretched, is_genuine, rows)(stretched), fit_line(scores, is_genuine, rows)(scores), atol=ROUNDING
    )


def test_sides_far_apart_keep_a_finite_slope():
    line = fit_line(np.array([1.0, 1.1, -1.0, -1.1]), np.array([True, True, False, False]), videos_of(1, 1, 1, 1))
    assert 0 < line.slope < 10


@pytest.mark.parametrize(
    "scores", [[-1.0, -2.0, -1.5, 1.0, 2.0, 1.5], [0.1] * 6], ids=["higher for others", "all the same"]
)
def test_scores_that_tell_nothing_give_even_odds_everywhere(scores):
    line = fit_line(np.array(scores), np.arange(6) < 3, videos_of(*[1] * 6))
    np.testing.assert_allclose(line(np.array([-100.0, 0.0, 0.1, 100.0])), 0.0, atol=1e-6)
    assert line.slope >= 0


def test_a_score_higher_for_others_gives_no_line_at_all():
    assert fit_line(np.array([-1.0, -2.0, 1.0, 2.0]), np.arange(4) < 2, videos_of(1, 1, 1, 1)) == ScoreLine(0.0, 0.0)


def first_good_step(limit):
    """The last multiple of the step that is not beyond a limit, with its sign."""
    return np.sign(limit) * np.floor(abs(limit) / STEP) * STEP


@pytest.mark.parametrize(("n_genuine", "n_others"), [(9, 9), (99, 9), (9, 99), (4, 30), (2, 2)])
def test_sides_without_an_error_support_what_one_error_more_leaves_of_them(n_genuine, n_others):
    is_genuine = np.arange(n_genuine + n_others) < n_genuine
    lower, upper = empirical_bounds(np.where(is_genuine, 8.0, -8.0), is_genuine)
    # 1 / (n + 1) + theta / (m + 1) < 1 holds up to theta = (m + 1) n / (n + 1), and the other way round.
    assert upper == pytest.approx(first_good_step(np.log10((n_others + 1) * n_genuine / (n_genuine + 1))))
    assert lower == pytest.approx(first_good_step(-np.log10((n_genuine + 1) * n_others / (n_others + 1))))


def test_nine_without_an_error_on_either_side_support_a_factor_of_nine():
    is_genuine = np.arange(18) < 9
    assert empirical_bounds(np.where(is_genuine, 3.0, -3.0), is_genuine) == pytest.approx((-0.95, 0.95))


def test_ratios_weaker_than_what_is_supported_are_not_made_stronger():
    is_genuine = np.arange(200) < 100
    lower, upper = empirical_bounds(np.where(is_genuine, 0.305, -0.305), is_genuine)
    # Beyond them, at 0.31, every genuine trial would be rejected.
    assert (lower, upper) == pytest.approx((-0.3, 0.3))


def test_one_trial_a_side_supports_nothing():
    assert empirical_bounds(np.array([3.0, -3.0]), np.array([True, False])) == pytest.approx((0, 0))


@pytest.mark.parametrize("n", [1, 5, 100])
def test_ratios_of_one_support_nothing(n):
    assert empirical_bounds(np.zeros(2 * n), np.arange(2 * n) < n) == (0.0, 0.0)


def test_ratios_the_wrong_way_round_support_nothing():
    is_genuine = np.arange(40) < 20
    assert empirical_bounds(np.where(is_genuine, -1.0, 1.0), is_genuine) == (0.0, 0.0)


def test_a_strong_misleading_trial_narrows_the_bound_on_its_side():
    is_genuine = np.arange(100) < 50
    ratios = np.where(is_genuine, 3.0, -3.0)
    lower, upper = empirical_bounds(ratios, is_genuine)
    ratios[50:54] = 3.0
    narrowed = empirical_bounds(ratios, is_genuine)
    # 1 / 51 + 5 theta / 51 < 1 up to theta = 10.
    assert narrowed[1] == pytest.approx(1.0, abs=STEP)
    assert narrowed[1] < upper
    assert lower <= narrowed[0] < 0


@pytest.mark.parametrize(
    ("genuine", "others", "bounds"),
    [
        ([3, 3, 3, 3, -1], [-3, -3, -3, -3, -3, -3, -3, 0.5], (-0.36, 0.47)),
        ([0.2, 0.4, 0.8, 1.6], [-0.2, 0.1, -0.8, -1.6, -0.4], (-0.39, 0.39)),
        ([2] * 30 + [-0.5], [-2] * 30 + [1], (-1.47, 1.47)),
        ([0.1, -0.1, 0.3], [0.2, -0.2, 0.1], (0, 0)),
    ],
)
def test_bounds_are_those_that_lir_1_3_1_gave(genuine, others, bounds):
    ratios = np.array(genuine + others, dtype=np.float64)
    assert empirical_bounds(ratios, np.arange(len(ratios)) < len(genuine)) == pytest.approx(bounds, abs=1e-9)


def test_bounds_are_those_of_lir():
    elub = pytest.importorskip("lir.algorithms.bayeserror").elub
    for seed in range(50):
        rng = np.random.default_rng(seed)
        n_genuine, n_others = rng.integers(2, 60, size=2)
        is_genuine = np.arange(n_genuine + n_others) < n_genuine
        ratios = rng.normal(np.where(is_genuine, 1, -1) * rng.uniform(0, 2), rng.uniform(0.2, 1.5))
        # It changes what it is given.
        expected = elub(ratios.copy(), is_genuine.astype(int))
        assert empirical_bounds(ratios, is_genuine) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("n_genuine", "n_other"), [(1, 5), (5, 1), (0, 5), (5, 0)])
def test_a_side_of_fewer_than_two_videos_is_refused(n_genuine, n_other):
    scores, is_genuine = scores_of(n_genuine, n_other)
    with pytest.raises(ValueError, match=f"{n_genuine} genuine and {n_other} other videos; 2 of each"):
        fitted(scores, is_genuine)


def test_many_clips_of_one_video_are_one_video():
    scores, is_genuine = scores_of(6, 6)
    with pytest.raises(ValueError, match="1 genuine and 6 other videos"):
        fitted(scores, is_genuine, ["speech"] * 6 + [f"other {i}" for i in range(6)])


@pytest.mark.parametrize("flaw", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(flaw):
    scores, is_genuine = scores_of(4, 4)
    scores[2] = flaw
    with pytest.raises(ValueError, match="not finite"):
        fitted(scores, is_genuine)


def test_no_ratio_leaves_the_bounds(few_resamples):
    found = fitted(*scores_of(12, 12))
    assert found.lower_bound < 0 < found.upper_bound
    ratios = found.log10_lr(np.linspace(-1000, 1000, 4001))
    assert ratios.min() == found.lower_bound
    assert ratios.max() == found.upper_bound
    assert (np.diff(ratios) >= 0).all()


def test_within_the_bounds_a_ratio_is_the_line_in_powers_of_ten(few_resamples):
    found = Calibration(ScoreLine(np.log(10), 0.0), (), -1.0, 2.0, MIN_UNDECIDED, 5, 5)
    np.testing.assert_allclose(found.log10_lr(np.array([-3, -0.5, 0, 1.5, 3])), [-1, -0.5, 0, 1.5, 2])


def test_it_counts_videos_and_not_clips(few_resamples):
    scores, is_genuine = scores_of(3, 4)
    found = fitted(np.repeat(scores, 5), np.repeat(is_genuine, 5), np.repeat(np.arange(7), 5).tolist())
    assert (found.n_genuine, found.n_other) == (3, 4)


def test_clips_of_a_video_support_no_more_than_one_of_it(few_resamples):
    scores, is_genuine = scores_of(6, 6, apart=6)
    once = fitted(scores, is_genuine)
    often = fitted(np.repeat(scores, 5), np.repeat(is_genuine, 5), np.repeat(np.arange(12), 5).tolist())
    assert (often.lower_bound, often.upper_bound) == pytest.approx((once.lower_bound, once.upper_bound), abs=1.5 * STEP)


def test_one_seed_gives_one_calibration(monkeypatch):
    monkeypatch.setattr(calibration, "N_RESAMPLES", 20)
    scores, is_genuine = scores_of(6, 8)
    first, again, other = (fitted(scores, is_genuine, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.resampled != other.resampled
    assert first.line == other.line


def test_the_order_of_the_rows_does_not_matter(few_resamples):
    scores, is_genuine = scores_of(8, 10)
    videos = np.array([0, 0, 0, 1, 2, 2, 3, 4, *range(5, 15)])
    order = np.random.default_rng(5).permutation(18)
    found = fitted(scores, is_genuine, videos.tolist())
    shuffled = fitted(scores[order], is_genuine[order], videos[order].tolist())
    np.testing.assert_allclose(shuffled.line(scores), found.line(scores), atol=ROUNDING)
    assert shuffled.undecided == pytest.approx(found.undecided, abs=ROUNDING)
    bounds = found.lower_bound, found.upper_bound
    assert (shuffled.lower_bound, shuffled.upper_bound) == pytest.approx(bounds, abs=1.5 * STEP)
    assert (shuffled.n_genuine, shuffled.n_other) == (found.n_genuine, found.n_other) == (5, 10)


def test_the_interval_holds_the_ratio_and_stays_within_the_bounds(monkeypatch):
    monkeypatch.setattr(calibration, "N_RESAMPLES", 40)
    found = fitted(*scores_of(10, 10))
    assert len(found.resampled) == 40
    for score in np.linspace(-4, 6, 21):
        ratio = found.of_clip(float(score))
        assert found.lower_bound <= ratio.low <= ratio.log10_lr <= ratio.high <= found.upper_bound
        assert ratio.log10_lr == found.log10_lr(np.array([score]))[0]
    assert found.of_clip(1.0).high - found.of_clip(1.0).low > 0.05


def test_the_interval_is_where_95_of_100_resampled_lines_are():
    lines = tuple(ScoreLine(0.0, np.log(10) * i / 1000) for i in range(1001))
    ratio = Calibration(ScoreLine(0.0, 0.5 * np.log(10)), lines, -3.0, 3.0, 0.4, 9, 9).of_clip(0.0)
    assert (ratio.low, ratio.log10_lr, ratio.high) == pytest.approx((0.025, 0.5, 0.975))
    assert (ratio.lower_bound, ratio.upper_bound, ratio.undecided) == (-3.0, 3.0, 0.4)


def test_an_interval_that_misses_the_ratio_is_widened_to_it():
    lines = (ScoreLine(0.0, np.log(10)),) * 10
    ratio = Calibration(ScoreLine(0.0, 0.0), lines, -3.0, 3.0, 0.4, 9, 9).of_clip(0.0)
    assert (ratio.low, ratio.log10_lr, ratio.high) == pytest.approx((0.0, 0.0, 1.0))


def test_more_videos_support_stronger_ratios(few_resamples):
    found = [fitted(*scores_of(n, n, apart=10)) for n in (3, 10, 40)]
    assert found[0].upper_bound < found[1].upper_bound < found[2].upper_bound
    assert found[0].lower_bound > found[1].lower_bound > found[2].lower_bound


def test_a_score_higher_for_others_calibrates_to_a_ratio_of_one(few_resamples):
    found = fitted(*scores_of(10, 10, apart=-5))
    ratio = found.of_clip(3.0)
    assert (ratio.log10_lr, ratio.lower_bound, ratio.upper_bound) == (0.0, 0.0, 0.0)
    assert not ratio.speaks_for
    assert not ratio.speaks_against


@pytest.mark.parametrize("apart", [0.5, 1.0, 2.0, 8.0])
@pytest.mark.parametrize(("n_genuine", "n_other"), [(10, 45), (60, 20)])
def test_at_most_one_video_in_twenty_of_either_side_is_misled_beyond_the_undecided_band(
    few_resamples, n_genuine, n_other, apart
):
    scores, is_genuine = scores_of(n_genuine, n_other, apart=apart, seed=1)
    found = fitted(scores, is_genuine)
    ratios = found.line(scores) / np.log(10)
    assert found.undecided >= np.log10(2)
    misled = -ratios[is_genuine], ratios[~is_genuine]
    assert all((side > found.undecided + 1e-9).mean() <= 0.05 for side in misled)
    if found.undecided > MIN_UNDECIDED:
        # It is the narrowest such band.
        assert any((side > found.undecided - 1e-9).mean() > 0.05 for side in misled)


def test_sides_that_mislead_nobody_leave_the_least_band(few_resamples):
    assert fitted(*scores_of(10, 10, apart=10)).undecided == np.log10(2)


def test_one_misled_video_of_ten_widens_the_band_and_one_of_twenty_does_not(few_resamples):
    def with_a_stranger_like_the_person(n_other):
        others = np.full(n_other, -1.0)
        others[0] = 3.0
        return fitted(np.append(np.full(20, 3.0), others), np.arange(20 + n_other) < 20)

    of_ten, of_twenty = (with_a_stranger_like_the_person(n) for n in (10, 20))
    assert of_ten.undecided == pytest.approx(of_ten.line(np.array(3.0)) / np.log(10))
    assert of_ten.undecided > MIN_UNDECIDED
    assert of_twenty.undecided == MIN_UNDECIDED


def test_many_clips_of_one_misled_video_do_not_widen_the_band(few_resamples):
    """One stranger's video of twenty is misled, whether it gave one clip or thirty."""
    scores = np.concatenate([np.full(20, 3.0), np.full(30, 3.0), np.full(19, -1.0)])
    videos = [*range(20), *["misled"] * 30, *range(20, 39)]
    found = fitted(scores, np.arange(69) < 20, videos)
    assert (found.n_genuine, found.n_other) == (20, 20)
    assert found.undecided == MIN_UNDECIDED


def test_each_clip_is_judged_by_the_calibration_of_the_other_videos(few_resamples):
    scores, is_genuine = scores_of(6, 7, apart=1.0)
    counts = [1, 3, 2, 1, 1, 2, 1, 1, 4, 1, 2, 1, 1]
    scores, is_genuine, videos = (np.repeat(entries, counts) for entries in (scores, is_genuine, np.arange(13)))
    scores = scores + np.random.default_rng(1).normal(0, 0.1, len(scores))
    ratios, undecided = judge_each_unseen(scores, is_genuine, videos.tolist())
    for video in range(13):
        out = videos == video
        rest = fitted(scores[~out], is_genuine[~out], videos[~out].tolist())
        np.testing.assert_allclose(ratios[out], rest.log10_lr(scores[out]), atol=ROUNDING)
        np.testing.assert_allclose(undecided[out], rest.undecided, atol=ROUNDING)


def test_a_clip_judged_unseen_changes_nothing_in_what_it_is_judged_by(few_resamples):
    """However far it is misled, it widens no band and moves no bound for itself."""
    scores, is_genuine = scores_of(8, 8, apart=6.0)
    found = []
    for misled in (-2.0, -5.0):
        scores[0] = misled
        ratios, undecided = judge_each_unseen(scores, is_genuine, range(16))
        found.append((ratios[0], undecided[0]))
        assert ratios[0] < -undecided[0]
        assert fitted(scores, is_genuine).undecided > undecided[0]
    assert found[0] == found[1]


def test_with_two_videos_a_side_a_clip_judged_unseen_is_undecided():
    """One video is left of its side, which supports no factor of 2."""
    ratios, undecided = judge_each_unseen(np.array([9.0, 8.0, -8.0, -9.0]), np.arange(4) < 2, range(4))
    assert (np.abs(ratios) <= undecided).all()


@pytest.mark.parametrize(
    ("scores", "videos", "message"),
    [
        ([1.0, np.nan, 0.0, 0.0], "abcd", "not finite"),
        ([1.0, 1.0, 0.0, 0.0], "abbc", "as genuine and as not"),
        ([1.0, 1.0, 0.0, 0.0], "aacd", "1 genuine and 2 other videos; 2 of each are needed"),
    ],
)
def test_clips_of_which_nothing_can_be_fitted_are_not_judged(scores, videos, message):
    with pytest.raises(ValueError, match=message):
        judge_each_unseen(np.array(scores), np.arange(4) < 2, list(videos))


@pytest.mark.parametrize(
    ("log10_lr", "low", "high", "speaks_for"),
    [
        pytest.param(1.0, 0.5, 1.5, True, id="clear"),
        pytest.param(0.41, 0.01, 0.5, True, id="just beyond the band"),
        pytest.param(0.4, 0.3, 0.5, False, id="at the band"),
        pytest.param(0.2, 0.1, 0.5, False, id="within the band"),
        pytest.param(1.0, -0.1, 1.5, False, id="interval across zero"),
        pytest.param(1.0, 0.0, 1.5, False, id="interval from zero"),
        pytest.param(np.nan, np.nan, np.nan, False, id="no number"),
        pytest.param(1.0, np.nan, np.nan, False, id="no interval"),
    ],
)
def test_a_ratio_speaks_beyond_the_band_with_its_interval_clear_of_zero(log10_lr, low, high, speaks_for):
    ratio = LikelihoodRatio(log10_lr, low, high, -2.0, 2.0, 0.4)
    mirrored = LikelihoodRatio(-log10_lr, -high, -low, -2.0, 2.0, 0.4)
    assert ratio.speaks_for is speaks_for
    assert not ratio.speaks_against
    assert mirrored.speaks_against is speaks_for
    assert not mirrored.speaks_for


@pytest.mark.parametrize(
    ("low", "high", "at_limit"),
    [
        pytest.param(0.42, 0.42, True, id="all of it at a bound"),
        pytest.param(0.416, 0.42, True, id="as near as the bound is known"),
        pytest.param(0.41, 0.42, False, id="one end farther than that"),
        pytest.param(0.3, 0.3, False, id="narrow, but within the bounds"),
        pytest.param(-0.39, 0.42, False, id="from bound to bound"),
        pytest.param(np.nan, np.nan, False, id="no interval"),
    ],
)
def test_an_interval_at_one_of_the_bounds_is_at_the_limit(low, high, at_limit):
    found = LikelihoodRatio(high, low, high, -0.39, 0.42, 0.3), LikelihoodRatio(-high, -high, -low, -0.42, 0.39, 0.3)
    for ratio in found:
        assert ratio.is_at_limit is at_limit
        assert (ratio.interval_in_words == "at the limit of what this profile can support") is at_limit
    if not at_limit:
        assert found[0].interval_in_words == f"{low:+.2f} to {high:+.2f}"


def test_of_videos_far_apart_a_clear_clip_is_at_the_limit():
    found = fitted(*scores_of(4, 4, apart=12.0))
    assert found.of_clip(20.0).is_at_limit
    assert found.of_clip(-8.0).is_at_limit
    assert not found.of_clip(6.0).is_at_limit


def test_a_clip_without_a_score_speaks_for_nobody(few_resamples):
    ratio = fitted(*scores_of(10, 10, apart=8)).of_clip(float("nan"))
    assert not ratio.speaks_for
    assert not ratio.speaks_against


def test_a_video_on_both_sides_is_refused():
    with pytest.raises(ValueError, match="as genuine and as not"):
        fit_calibration(
            np.array([1.0, 0.0, 1.0, 0.0]), np.array([True, False, True, False]), ["a", "a", "b", "c"],
            rng=np.random.default_rng(0),
        )  # fmt: skip
