"""Movement of nobody: the person's own streams from three moments at once, or everybody's mirror image."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.features import to_torso
from poseauth.keypoints import L_WRIST, NECK, NOSE, R_WRIST
from poseauth.surrogates import mirror_images, surrogate_impostors

HEAD, RIGHT_ARM, LEFT_ARM = [0, 8, 9, 10, 11], [3, 4], [6, 7]
SHOULDERS = [2, 5]


@pytest.fixture
def windows(body):
    """Eight windows, each of its own movement, size and place."""
    rng = np.random.default_rng(0)
    walk = rng.normal(0, 1, (8, 150, 12, 2)).cumsum(axis=1)
    scale = rng.uniform(0.5, 2, (8, 1, 1, 1))
    return ((body + walk) * scale + rng.uniform(0, 500, (8, 1, 1, 2))).astype(np.float32)


def from_neck(relative):
    return relative - relative[:, :, NECK : NECK + 1]


def seen_from_neck(windows):
    relative = to_torso(windows)
    relative[:, :, NECK] = 0
    return relative


def donor_of(stream, surrogate, own):
    """The one window whose movement a stream of a surrogate has."""
    matches = [i for i in range(len(own)) if np.allclose(surrogate[:, stream], own[i][:, stream], atol=1e-5)]
    assert len(matches) == 1
    return matches[0]


def test_as_many_windows_come_out_as_went_in(windows):
    mixed = surrogate_impostors(windows, rng=np.random.default_rng(1))
    assert mixed.shape == windows.shape
    assert mixed.dtype == np.float32


def test_the_streams_are_those_of_three_different_windows(windows):
    mixed = from_neck(surrogate_impostors(windows, rng=np.random.default_rng(1)))
    own = seen_from_neck(windows)
    for surrogate in mixed:
        donors = [donor_of(stream, surrogate, own) for stream in (HEAD, RIGHT_ARM, LEFT_ARM)]
        assert len(set(donors)) == 3


def test_shoulders_and_neck_stay_where_they_were(windows):
    mixed = surrogate_impostors(windows, rng=np.random.default_rng(1))
    np.testing.assert_allclose(from_neck(mixed)[:, :, SHOULDERS], seen_from_neck(windows)[:, :, SHOULDERS], atol=1e-5)
    np.testing.assert_array_equal(mixed[:, :, NECK], to_torso(windows)[:, :, NECK])


def test_what_a_donor_does_not_show_is_missing(windows):
    windows[:, 30:50, RIGHT_ARM] = np.nan
    mixed = surrogate_impostors(windows, rng=np.random.default_rng(1))
    assert np.isnan(mixed[:, 30:50, RIGHT_ARM]).all()
    assert np.isfinite(np.delete(mixed, RIGHT_ARM, axis=2)).all()


@pytest.mark.parametrize("n_windows", [0, 1, 2])
def test_too_few_windows_are_refused(windows, n_windows):
    with pytest.raises(ValueError, match=f"{n_windows} windows; .*at least 3"):
        surrogate_impostors(windows[:n_windows], rng=np.random.default_rng(1))


def test_three_windows_are_enough(windows):
    assert len(surrogate_impostors(windows[:3], rng=np.random.default_rng(1))) == 3


def test_one_seed_gives_one_mixture(windows):
    mixed = [surrogate_impostors(windows, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(mixed[0], mixed[1])
    assert not np.array_equal(mixed[0], mixed[2])


def test_the_persons_windows_are_left_as_they_were(windows):
    before = windows.copy()
    surrogate_impostors(windows, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(windows, before)


def test_a_mirror_image_exchanges_left_and_right_and_turns_x(beating):
    windows = beating(2, 1.0)
    mirrored = mirror_images(windows)
    np.testing.assert_array_equal(mirrored[:, :, R_WRIST, 0], -windows[:, :, L_WRIST, 0])
    np.testing.assert_array_equal(mirrored[:, :, L_WRIST, 1], windows[:, :, R_WRIST, 1])
    np.testing.assert_array_equal(mirrored[:, :, NOSE, 1], windows[:, :, NOSE, 1])


def test_the_mirror_image_of_a_mirror_image_is_the_window_itself(beating):
    windows = beating(2, 1.0)
    windows[0, :30, L_WRIST] = np.nan
    np.testing.assert_array_equal(mirror_images(mirror_images(windows)), windows)
