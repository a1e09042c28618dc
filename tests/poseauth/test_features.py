"""What the network is shown: z-scores, or the body seen from its own torso."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.features import (
    FEATURES,
    LEAST_HAND_SEEN,
    N_FEATURES,
    N_HAND_SHAPES,
    hand_shapes,
    local_shapes,
    to_torso,
    torso_relative,
    whole_body,
    zscored,
)
from poseauth.keypoints import L_HAND, L_SHOULDER, N_WHOLE, NECK, NOSE, R_HAND, R_WRIST
from poseauth.surrogates import mirror_images
from tests.known_body import PALM, whole_windows

X_OF_WRIST, Y_OF_WRIST = 2 * R_WRIST, 2 * R_WRIST + 1


@pytest.fixture
def moving(body):
    """Three windows in which everything moves, hands and face too."""
    rng = np.random.default_rng(0)
    walk = rng.normal(0, 1, (3, 150, N_WHOLE, 2)).cumsum(axis=1)
    return (whole_windows(np.broadcast_to(body, (3, 150, 12, 2))) + walk).astype(np.float32)


@pytest.fixture
def still(body):
    return np.broadcast_to(body, (1, 150, 12, 2)).copy()


@pytest.mark.parametrize("name", FEATURES)
def test_the_number_of_features_is_as_said(moving, name):
    shown = FEATURES[name](moving)
    assert shown.shape == (3, 150, N_FEATURES[name])
    assert shown.dtype == np.float32


def test_every_way_to_show_a_window_says_its_number_of_features():
    assert set(FEATURES) == set(N_FEATURES)


OF_THE_TWELVE = [name for name in FEATURES if name != "whole"]


@pytest.mark.parametrize("name", OF_THE_TWELVE)
def test_hands_and_face_are_not_seen_by_what_looks_at_the_twelve(moving, name):
    np.testing.assert_array_equal(FEATURES[name](moving), FEATURES[name](moving[:, :, :12]))


@pytest.mark.parametrize("name", OF_THE_TWELVE)
def test_no_missing_keypoint_ever_becomes_nan(moving, name):
    rng = np.random.default_rng(1)
    moving[rng.random((3, 150, N_WHOLE)) < 0.5] = np.nan
    moving[1] = np.nan
    moving[2, :, NECK] = np.nan
    assert np.isfinite(FEATURES[name](moving)).all()


@pytest.mark.parametrize("name", OF_THE_TWELVE)
def test_a_window_in_which_nothing_is_seen_is_zero(name):
    assert not FEATURES[name](np.full((1, 150, 12, 2), np.nan, np.float32)).any()


@pytest.mark.parametrize("name", FEATURES)
def test_each_window_is_shown_by_itself(moving, name):
    one_by_one = np.concatenate([FEATURES[name](moving[i : i + 1]) for i in range(3)])
    np.testing.assert_array_equal(FEATURES[name](moving), one_by_one)


@pytest.mark.parametrize("name", FEATURES)
def test_the_windows_are_left_as_they_were(moving, name):
    before = moving.copy()
    FEATURES[name](moving)
    np.testing.assert_array_equal(moving, before)


def test_a_zscore_has_mean_0_and_deviation_1_in_every_window(moving):
    shown = zscored(moving).astype(np.float64)
    np.testing.assert_allclose(shown.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(shown.std(axis=1), 1, atol=1e-5)


def test_a_zscore_is_the_distance_from_the_mean_in_deviations(still):
    still[0, :75, R_WRIST, 1] = 100
    still[0, 75:, R_WRIST, 1] = 140
    shown = zscored(still)[0, :, Y_OF_WRIST]
    np.testing.assert_array_equal(shown, np.repeat(np.float32([-1, 1]), 75))


@pytest.mark.parametrize("place", [0.1, 270.3, 3839.7])
def test_the_zscore_of_a_still_feature_is_0(still, place):
    still[0, :, R_WRIST, 0] = place
    assert not zscored(still).any()


def test_the_zscore_of_a_missing_keypoint_is_0_and_does_not_count_in_the_mean(moving):
    moving[0, 40:60, R_WRIST] = np.nan
    shown = zscored(moving)[0, :, X_OF_WRIST].astype(np.float64)
    seen = np.r_[0:40, 60:150]
    assert not shown[40:60].any()
    assert shown[seen].mean() == pytest.approx(0, abs=1e-6)
    assert shown[seen].std() == pytest.approx(1, abs=1e-5)


def test_a_zscore_knows_neither_place_nor_size_of_the_picture(moving):
    np.testing.assert_allclose(zscored(moving * 2 + (100, 50)), zscored(moving), atol=1e-3)


@pytest.mark.parametrize(("scale", "shift"), [(1, (500, -40)), (0.5, (0, 0)), (3, (0, 0)), (1.7, (1200, 300))])
def test_torso_features_know_neither_place_nor_size_of_the_picture(moving, scale, shift):
    changed = (moving * scale + np.array(shift)).astype(np.float32)
    # A pixel near 2000 is a float32 to 1e-4; differences are shown ten times as large.
    np.testing.assert_allclose(torso_relative(changed), torso_relative(moving), atol=1e-4)


def test_torso_features_are_exactly_the_same_at_twice_the_size(moving):
    np.testing.assert_array_equal(torso_relative(moving * 2), torso_relative(moving))


def test_positions_are_torso_sizes_from_the_neck(still):
    shown = torso_relative(still)[0]
    # The torso size is 120 px; the right wrist stands 50 px to the left of the neck and 110 px below.
    np.testing.assert_allclose(shown[:, [X_OF_WRIST, Y_OF_WRIST]], [[-50 / 120, 110 / 120]] * 150, rtol=1e-6)
    assert not shown[:, 24:].any()


def test_the_neck_is_seen_from_its_median_place(still):
    still[0, 100:, :, 0] += 60
    shown = torso_relative(still)[0, :, 2 * NECK]
    np.testing.assert_allclose(shown, np.repeat([0, 0.5], [100, 50]), atol=1e-6)


def test_differences_are_the_steps_from_frame_to_frame_in_tenths(moving):
    shown = torso_relative(moving)
    np.testing.assert_allclose(shown[:, 1:, 24:], 10 * np.diff(shown[:, :, :24], axis=1), atol=1e-5)
    assert not shown[:, 0, 24:].any()


def test_a_missing_keypoint_is_0_in_torso_features_and_so_are_the_steps_to_and_from_it(moving):
    moving[0, 40:60, R_WRIST] = np.nan
    shown = torso_relative(moving)[0]
    assert not shown[40:60, [X_OF_WRIST, Y_OF_WRIST]].any()
    assert not shown[40:61, [24 + X_OF_WRIST, 24 + Y_OF_WRIST]].any()
    assert shown[61, 24 + X_OF_WRIST] != 0


def test_a_frame_without_a_neck_has_no_place_to_be_seen_from(moving):
    moving[0, 40, NECK] = np.nan
    shown = torso_relative(moving)[0]
    assert not shown[40].any()
    assert shown[41, :24].all()


def test_a_window_whose_torso_is_never_seen_is_all_missing(moving):
    moving[1, :, L_SHOULDER] = np.nan
    relative = to_torso(moving)
    assert np.isnan(relative[1]).all()
    assert np.isfinite(relative[[0, 2]]).all()


def test_a_torso_of_no_size_is_all_missing(still):
    still[:] = 100
    assert np.isnan(to_torso(still)).all()


@pytest.mark.parametrize("nod_px", [30, -30])
def test_the_unit_is_the_median_torso_so_that_a_nod_does_not_change_the_size_of_the_picture(still, nod_px):
    still[0, :20, NOSE, 1] += nod_px
    shown = torso_relative(still)[0]
    np.testing.assert_allclose(shown[:, X_OF_WRIST], -50 / 120, rtol=1e-6)


def test_a_hand_is_measured_in_palms_from_its_wrist(still):
    """Tips lie a palm beyond their roots, the middle finger's straight down; fingers stand 4 px apart."""
    left, right = np.split(hand_shapes(whole_windows(still)).astype(np.float64), 2, axis=-1)
    stretched, spread, palm, knuckles = np.split(right[0, 0], [5, 9, 11])
    np.testing.assert_allclose(stretched, np.hypot([8, 4, 0, 4, 8], 2 * PALM) / PALM, atol=1e-5)
    np.testing.assert_allclose(spread, 4 / PALM, atol=1e-5)
    np.testing.assert_allclose([*palm, *knuckles], [0, 1, -12 / PALM, 0], atol=1e-5)
    np.testing.assert_allclose(left[0, 0, -2:], [12 / PALM, 0], atol=1e-5)


def test_fingers_and_face_are_measured_in_torso_sizes_from_wrist_and_nose(still):
    shapes = local_shapes(whole_windows(still))[0, 0].reshape(12, 2) * 120
    np.testing.assert_allclose(shapes[:6, 1], 15, atol=1e-4)
    np.testing.assert_allclose(shapes[6:10], [[-8, 12], [8, 12], [-5, -9], [5, -9]], atol=1e-4)
    np.testing.assert_allclose(shapes[10:], [[-20, -5], [20, -5]], atol=1e-4)


def test_place_and_size_in_the_picture_are_not_in_the_whole_body(moving):
    np.testing.assert_allclose(whole_body(moving * 0.5 + 70), whole_body(moving), atol=2e-3)


def test_a_hand_that_is_not_found_is_unknown_and_never_zero(moving):
    moving[0, :, list(L_HAND)] = np.nan
    shapes = hand_shapes(moving)
    half = N_HAND_SHAPES // 2
    assert np.isnan(shapes[0, :, :half]).all()
    assert np.isfinite(shapes[0, :, half:]).all()
    assert np.isnan(whole_body(moving)[0, :, 48 : 48 + half]).all()
    # Found in too few of the frames, it says more of the estimator than of the hand.
    n_least = round(LEAST_HAND_SEEN * 150)
    for n_seen, known in ((n_least - 1, False), (n_least, True)):
        few = moving.copy()
        few[1, n_seen:, list(R_HAND)] = np.nan
        assert np.isfinite(hand_shapes(few)[1, :n_seen, half:]).all() == known


def test_a_hand_lost_for_some_frames_has_its_mean_there_and_no_step(moving):
    lost = slice(40, 70)
    moving[0, lost, list(R_HAND)] = np.nan
    shown = whole_body(moving)[0]
    assert np.isfinite(shown).all()
    hands = hand_shapes(moving)[0]
    np.testing.assert_allclose(shown[lost, 48:74], np.where(
        np.isfinite(hands[lost]), hands[lost], np.nanmean(hands, axis=0)), rtol=1e-4)  # fmt: skip
    assert not shown[lost, 148 - 13 :].any()


def test_in_a_mirror_each_hand_has_what_the_other_had(moving):
    left, right = np.split(hand_shapes(moving), 2, axis=-1)
    left_there, right_there = np.split(hand_shapes(mirror_images(moving)), 2, axis=-1)
    np.testing.assert_allclose(left_there[..., :9], right[..., :9], atol=1e-4)
    np.testing.assert_allclose(right_there[..., :9], left[..., :9], atol=1e-4)
    np.testing.assert_allclose(left_there[..., [9, 11]], -right[..., [9, 11]], atol=1e-4)
    np.testing.assert_array_equal(mirror_images(mirror_images(moving)), moving)
