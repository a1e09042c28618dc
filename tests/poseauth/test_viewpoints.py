"""The same movement before another camera: a rigid turn of a body whose depth is guessed."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth import viewpoints
from poseauth.features import to_torso
from poseauth.keypoints import (
    L_EAR,
    L_ELBOW,
    L_EYE,
    L_SHOULDER,
    L_WRIST,
    NECK,
    NOSE,
    R_EAR,
    R_ELBOW,
    R_EYE,
    R_SHOULDER,
    R_WRIST,
)
from poseauth.viewpoints import _depth, turned

TORSO = 120
"""Pixels, of BODY."""


class OneDeviation:
    """In place of a Generator: everything drawn is one standard deviation above the mean."""

    def normal(self, mean, deviation, n):
        return np.full(n, mean + deviation)


@pytest.fixture
def windows(body):
    """Three windows, each of its own movement, size and place."""
    rng = np.random.default_rng(0)
    walk = rng.normal(0, 1, (3, 150, 12, 2)).cumsum(axis=1)
    scale = rng.uniform(0.5, 2, (3, 1, 1, 1))
    return ((body + walk) * scale + rng.uniform(0, 500, (3, 1, 1, 2))).astype(np.float32)


@pytest.fixture
def still(body):
    """One window in which nothing moves."""
    return np.broadcast_to(body, (1, 150, 12, 2)).copy()


@pytest.fixture
def by(monkeypatch):
    """Turns by the angles given, in degrees."""

    def turn(windows, *, yaw=0.0, pitch=0.0, roll=0.0):
        for name, angle in (("YAW_DEG", yaw), ("PITCH_DEG", pitch), ("ROLL_DEG", roll)):
            monkeypatch.setattr(viewpoints, name, angle)
        return turned(windows, rng=OneDeviation())

    return turn


def from_neck(relative):
    """Seen from each frame's neck, the neck itself at the origin."""
    relative = relative.copy()
    neck = relative[:, :, NECK : NECK + 1].copy()
    return relative - neck


def own(windows):
    relative = to_torso(windows)
    relative[:, :, NECK] = 0
    return relative


def solid(windows):
    """The body in space [shape=(N, 150, 12, 3)], as far as it is guessed."""
    flat = own(windows)
    return np.concatenate([flat, _depth(flat)[..., None]], axis=-1).astype(np.float64)


def test_as_many_windows_come_out_as_went_in(windows):
    out = turned(windows, rng=np.random.default_rng(0))
    assert out.shape == windows.shape
    assert out.dtype == np.float32
    assert turned(windows[:0], rng=np.random.default_rng(0)).shape == (0, 150, 12, 2)


def test_the_windows_are_left_as_they_were(windows):
    before = windows.copy()
    turned(windows, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(windows, before)


def test_one_seed_gives_one_view(windows):
    views = [turned(windows, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(views[0], views[1])
    assert not np.allclose(views[0], views[2], atol=0.01)


def test_every_window_is_seen_from_a_place_of_its_own(still):
    views = turned(np.repeat(still, 3, axis=0), rng=np.random.default_rng(0))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.allclose(views[one], views[other], atol=0.01)


def test_all_frames_of_a_window_are_seen_from_one_place(still):
    view = turned(still, rng=np.random.default_rng(0))[0]
    np.testing.assert_array_equal(view, np.broadcast_to(view[:1], view.shape))


def test_place_and_size_in_the_frame_do_not_matter(windows):
    expected = turned(windows, rng=np.random.default_rng(1))
    np.testing.assert_allclose(turned(windows * 2 + 300, rng=np.random.default_rng(1)), expected, atol=1e-3)


def test_a_camera_that_does_not_move_sees_the_window_itself(windows, by):
    view = by(windows)
    np.testing.assert_allclose(from_neck(view), own(windows), atol=1e-5)
    np.testing.assert_allclose(to_torso(view), to_torso(windows), atol=1e-5)


def test_the_way_of_the_neck_stays_as_it_was(windows):
    view = turned(windows, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(view[:, :, NECK], to_torso(windows)[:, :, NECK])


@pytest.mark.parametrize("yaw", [10.0, -25.0])
def test_yaw_narrows_the_shoulders_and_moves_the_head_by_its_depth(still, by, yaw):
    view = from_neck(by(still, yaw=yaw))[0, 0]
    sine, cosine = np.sin(np.deg2rad(yaw)), np.cos(np.deg2rad(yaw))
    np.testing.assert_allclose(view[R_SHOULDER], [-40 / TORSO * cosine, 0], atol=1e-5)
    np.testing.assert_allclose(view[L_SHOULDER], [40 / TORSO * cosine, 0], atol=1e-5)
    np.testing.assert_allclose(view[NOSE], [0.25 * sine, -40 / TORSO], atol=1e-5)
    for joints, x, depth in (((R_EYE, L_EYE), 10, 0.18), ((R_EAR, L_EAR), 20, 0.06)):
        for joint, side in zip(joints, (-1, 1), strict=True):
            assert view[joint, 0] == pytest.approx(side * x / TORSO * cosine + depth * sine, abs=1e-5)


def test_yaw_changes_no_height(windows, by):
    np.testing.assert_allclose(from_neck(by(windows, yaw=30.0))[..., 1], own(windows)[..., 1], atol=1e-5)


def test_pitch_moves_the_head_by_its_depth_and_changes_nothing_sideways(still, by):
    view, before = from_neck(by(still, pitch=20.0)), own(still)
    sine, cosine = np.sin(np.deg2rad(20)), np.cos(np.deg2rad(20))
    np.testing.assert_allclose(view[..., 0], before[..., 0], atol=1e-5)
    np.testing.assert_allclose(view[0, 0, NOSE, 1], -40 / TORSO * cosine + 0.25 * sine, atol=1e-5)


def test_roll_turns_the_picture(windows, by):
    view, before = from_neck(by(windows, roll=90.0)), own(windows)
    np.testing.assert_allclose(view[..., 0], -before[..., 1], atol=1e-5)
    np.testing.assert_allclose(view[..., 1], before[..., 0], atol=1e-5)


def test_a_turn_is_rigid(windows):
    """A flat view of a rigid turn is linear in the body in space, by two rows of length 1 at right angles."""
    views, bodies = from_neck(turned(windows, rng=np.random.default_rng(2))), solid(windows)
    for view, body in zip(views, bodies, strict=True):
        camera, *_ = np.linalg.lstsq(body.reshape(-1, 3), view.reshape(-1, 2), rcond=None)
        np.testing.assert_allclose(body.reshape(-1, 3) @ camera, view.reshape(-1, 2), atol=1e-4)
        np.testing.assert_allclose(camera.T @ camera, np.eye(2), atol=1e-4)


def test_two_views_at_right_angles_show_the_distances_in_space(windows, by):
    front, side = from_neck(by(windows, yaw=20.0)), from_neck(by(windows, yaw=110.0))
    seen, bodies = np.concatenate([front, side[..., :1]], axis=-1), solid(windows)
    for start, end in (
        (R_SHOULDER, R_ELBOW),
        (R_ELBOW, R_WRIST),
        (L_SHOULDER, L_ELBOW),
        (L_ELBOW, L_WRIST),
        (NECK, NOSE),
        (R_EAR, L_EYE),
    ):
        expected = np.linalg.norm(bodies[:, :, end] - bodies[:, :, start], axis=-1)
        np.testing.assert_allclose(np.linalg.norm(seen[:, :, end] - seen[:, :, start], axis=-1), expected, atol=1e-4)


def test_a_forearm_has_one_length_in_space_however_short_it_appears(still):
    # From 60 pixels, half a torso size, to a point.
    appears = np.linspace(60, 0, 150)
    still[0, :, R_WRIST] = still[0, :, R_ELBOW] + np.stack([np.zeros(150), appears], axis=-1)
    body = solid(still)[0]
    length = np.linalg.norm(body[:, R_WRIST] - body[:, R_ELBOW], axis=-1)
    known = np.percentile(appears, 95) / TORSO
    np.testing.assert_allclose(length, np.maximum(known, appears / TORSO), atol=1e-4)


def test_a_forearm_never_seen_stretched_out_has_the_least_length(still):
    still[0, :, L_WRIST] = still[0, :, L_ELBOW] + [0, 24]
    body = solid(still)[0]
    np.testing.assert_allclose(np.linalg.norm(body[:, L_WRIST] - body[:, L_ELBOW], axis=-1), 0.42, atol=1e-5)


def test_an_elbow_is_before_the_shoulder_by_three_tenths_of_what_the_upper_arm_hides(still):
    still[0, :, R_ELBOW] = still[0, :, R_SHOULDER] + [0, 24]
    # A fifth of a torso size is seen of an upper arm of at least a half.
    np.testing.assert_allclose(solid(still)[0, :, R_ELBOW, 2], 0.3 * np.sqrt(0.5**2 - 0.2**2), atol=1e-5)


def test_elbows_and_hands_are_before_the_shoulders(windows):
    depth = solid(windows)[..., 2]
    np.testing.assert_array_equal(depth[..., [NECK, R_SHOULDER, L_SHOULDER]], 0)
    for elbow, wrist in ((R_ELBOW, R_WRIST), (L_ELBOW, L_WRIST)):
        assert (depth[..., elbow] >= 0).all()
        assert (depth[..., wrist] >= depth[..., elbow]).all()
        assert depth[..., wrist].max() > 0


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        pytest.param([NOSE], [NOSE], id="nose"),
        pytest.param([R_EYE, L_EAR], [R_EYE, L_EAR], id="eye and ear"),
        pytest.param([R_WRIST], [R_WRIST], id="wrist"),
        pytest.param([R_ELBOW], [R_ELBOW, R_WRIST], id="elbow"),
        pytest.param([L_SHOULDER], [L_SHOULDER, L_ELBOW, L_WRIST], id="shoulder"),
        pytest.param([NECK], list(range(12)), id="neck"),
    ],
)
def test_only_what_rests_on_a_missing_joint_is_missing(windows, missing, unknown):
    windows[1, 30:60, missing] = np.nan
    expected = np.zeros(windows.shape, dtype=bool)
    expected[1, 30:60, unknown] = True
    np.testing.assert_array_equal(np.isnan(turned(windows, rng=np.random.default_rng(0))), expected)


def test_arms_that_are_never_seen_leave_the_rest(windows):
    arms = [R_ELBOW, R_WRIST, L_ELBOW, L_WRIST]
    windows[:, :, arms] = np.nan
    view = turned(windows, rng=np.random.default_rng(0))
    assert np.isnan(view[:, :, arms]).all()
    assert np.isfinite(np.delete(view, arms, axis=2)).all()


def test_a_window_without_a_torso_is_missing_and_spoils_no_other(windows):
    windows[0] = np.nan
    view = turned(windows, rng=np.random.default_rng(0))
    assert np.isnan(view[0]).all()
    assert np.isfinite(view[1:]).all()
