"""What each baseline sees and what it is blind to."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.baselines import (
    BASELINES,
    fit_baseline,
    frame_position,
    mean_pose,
    missing_pattern,
    movement_statistics,
    posture_distribution,
)
from poseauth.metrics import roc_auc
from tests.known_body import whole_windows

TORSO_RELATIVE = (mean_pose, posture_distribution, movement_statistics)
LEFT_WRIST = 7
MIRROR = np.array([0, 1, 5, 6, 7, 2, 3, 4, 9, 8, 11, 10])


def shuffled(windows, seed=0):
    return windows[:, np.random.default_rng(seed).permutation(windows.shape[1])]


def test_position_is_the_mean_place_of_the_neck_and_the_size_in_pixels(beating, body):
    found = frame_position(beating(2, 1.0))
    neck = body[1]
    size = np.linalg.norm(body[2] - body[5]) + np.linalg.norm(body[0] - neck)
    np.testing.assert_allclose(found, [[*neck, size]] * 2, atol=0.5)


@pytest.mark.parametrize("statistics", TORSO_RELATIVE, ids=lambda statistics: statistics.__name__)
def test_place_and_size_in_the_frame_are_not_seen_by_the_others(beating, statistics):
    windows = beating(3, 1.0)
    np.testing.assert_allclose(statistics(windows * 0.5 + np.array([100, -30])), statistics(windows), atol=2e-3)


@pytest.mark.parametrize("statistics", [frame_position, missing_pattern, mean_pose], ids=lambda one: one.__name__)
def test_movement_without_its_mean_is_not_seen_by_position_pose_and_missing(beating, statistics):
    slow, fast = beating(3, 0.4, seed=1), beating(3, 2.0, seed=1)
    np.testing.assert_allclose(statistics(slow), statistics(fast), atol=0.01)


def test_shuffling_the_frames_changes_movement_statistics_alone(beating):
    windows = beating(3, 1.0)
    for statistics in (frame_position, mean_pose, posture_distribution):
        np.testing.assert_allclose(statistics(shuffled(windows)), statistics(windows), atol=1e-3)
    assert np.abs(movement_statistics(shuffled(windows)) - movement_statistics(windows)).max() > 1


def test_missing_pattern_counts_missing_frames_and_their_comings_and_goings(beating):
    windows = beating(1, 1.0)
    windows[0, 30:60, LEFT_WRIST] = np.nan
    found = missing_pattern(windows)[0]
    assert found[LEFT_WRIST] == pytest.approx(30 / 150)
    assert found[12 + LEFT_WRIST] == pytest.approx(2 / 149)
    assert np.count_nonzero(found) == 2


@pytest.mark.parametrize("name", BASELINES)
def test_scores_are_finite_though_keypoints_are_missing(beating, name):
    own, other = (whole_windows(beating(8, pace, seed=pace)) for pace in (1, 2))
    own[:2, :, LEFT_WRIST] = np.nan
    other[3, 10:50, :5] = np.nan
    other[4] = np.nan
    scores = fit_baseline(name, own, [other])(np.concatenate([own, other]))
    assert scores.shape == (16,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", ["shuffled", "statistics_wccn"])
def test_another_manner_of_moving_is_told_from_the_persons(beating, body, name):
    wider = body + 1.5 * (beating(12, 2.0, seed=2) - body)  # else what sees no rhythm takes them for the person
    others = [wider, beating(12, 3.0, seed=3)[:, :, MIRROR]]
    score = fit_baseline(name, beating(12, 0.5, seed=1), others)
    assert roc_auc(score(beating(10, 0.5, seed=4)), score(beating(10, 3.0, seed=6)[:, :, MIRROR])) > 0.95


def test_only_the_statistics_in_time_tell_rhythms_apart(beating):
    def auc(name):
        score = fit_baseline(name, beating(15, 0.6, seed=1), [beating(15, 2.0, seed=2), beating(15, 3.0, seed=3)])
        return roc_auc(score(beating(15, 0.6, seed=4)), score(beating(15, 2.4, seed=5)))

    assert auc("statistics_wccn") > 0.85
    assert auc("position") < 0.8
    assert auc("missing") == 0.5


def test_position_alone_gives_somebody_at_another_place_away(beating):
    aside = np.array([60, 0])
    score = fit_baseline("position", beating(12, 1.0, seed=1), [beating(12, 1.0, seed=2) + aside])
    assert roc_auc(score(beating(8, 1.0, seed=3)), score(beating(8, 1.0, seed=4) + aside)) == 1


def test_the_missing_pattern_alone_gives_somebody_with_a_hidden_hand_away(beating):
    hidden, tested = beating(12, 1.0, seed=2), beating(8, 1.0, seed=4)
    hidden[:, ::2, LEFT_WRIST] = tested[:, ::2, LEFT_WRIST] = np.nan
    score = fit_baseline("missing", beating(12, 1.0, seed=1), [hidden])
    assert roc_auc(score(beating(8, 1.0, seed=3)), score(tested)) == 1


def test_whitened_cosine_lies_between_minus_one_and_one_and_does_without_others(beating):
    own = beating(12, 0.5, seed=1)
    scores = fit_baseline("statistics_wccn", own, [beating(12, 2.0, seed=2)])(own)
    assert (np.abs(scores) <= 1 + 1e-9).all()
    alone = fit_baseline("statistics_wccn", own, [])
    assert roc_auc(alone(beating(8, 0.5, seed=3)), alone(beating(8, 2.5, seed=4) * np.array([1, 1.2]))) > 0.9


def test_a_person_counts_alike_however_long_they_were_filmed(beating):
    own, one, two = beating(12, 0.5, seed=1), beating(6, 2.0, seed=2), beating(6, 3.0, seed=3)
    tested = beating(5, 1.0, seed=4)
    # Doubling somebody's windows adds nothing new; only the common scale of the statistics may shift a little.
    once = fit_baseline("statistics_wccn", own, [one, two])(tested)
    twice = fit_baseline("statistics_wccn", own, [np.concatenate([one, one]), two])(tested)
    np.testing.assert_allclose(twice, once, atol=0.1)


def test_no_window_gives_no_score(beating):
    for name in BASELINES:
        own, other = whole_windows(beating(5, 0.5)), whole_windows(beating(5, 2.0, seed=1))
        assert len(fit_baseline(name, own, [other])(own[:0])) == 0


def test_what_cannot_be_fitted_is_refused(beating):
    windows = beating(5, 1.0)
    with pytest.raises(ValueError, match="nobody to compare with"):
        fit_baseline("position", windows, [])
    with pytest.raises(ValueError, match="no window"):
        fit_baseline("statistics_wccn", windows[:0], [windows])
    with pytest.raises(ValueError, match="no baseline is called 'luck'"):
        fit_baseline("luck", windows, [windows])
