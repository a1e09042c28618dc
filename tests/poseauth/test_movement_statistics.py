"""Blocks of the statistics against NumPy's and SciPy's own figures."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.features import to_torso
from poseauth.movement_statistics import N_MOVEMENT_STATISTICS, movement_statistics, posture_distribution
from poseauth.windows import torso_size

LEFT_WRIST = 7


@pytest.fixture
def windows(beating):
    some = beating(3, 1.0)
    some[0, 30:60, LEFT_WRIST] = np.nan
    some[1, :, LEFT_WRIST] = np.nan
    return some


def test_there_are_as_many_as_promised_and_those_without_time_come_first(windows):
    found = movement_statistics(windows)
    assert found.shape == (3, N_MOVEMENT_STATISTICS)
    np.testing.assert_array_equal(found[:, :324], posture_distribution(windows)[:, :324])


def test_limb_proportions_are_numpys_percentiles_over_the_frames_that_are_seen(windows):
    found = movement_statistics(windows)[:, 744:]
    right_forearm, left_forearm = 1, 3
    lengths = np.linalg.norm(windows[:, :, 3] - windows[:, :, 4], axis=-1)
    for first, percent in ((0, 50), (9, 95)):
        expected = np.percentile(lengths, percent, axis=1) / np.median(torso_size(windows), axis=1)
        np.testing.assert_allclose(found[:, first + right_forearm], expected, rtol=1e-6)
        left = np.linalg.norm(windows[:, :, 6] - windows[:, :, LEFT_WRIST], axis=-1)
        expected = np.nanpercentile(left[0], percent) / np.median(torso_size(windows[:1]))
        assert found[0, first + left_forearm] == pytest.approx(expected)
        assert np.isnan(found[1, first + left_forearm])


def test_correlations_stand_as_fishers_z_and_are_bounded(beating):
    windows = beating(2, 1.0)
    places = to_torso(windows).reshape(2, 150, 24).astype(np.float64)
    found = movement_statistics(windows)[:, 48:324]
    plain = np.tanh(found)
    moves = places.std(axis=1) > 1e-3
    expected = np.corrcoef(places[0][:, moves[0]].T)
    pairs = np.zeros((24, 24))
    pairs[np.triu_indices(24, k=1)] = plain[0]
    of_moving = pairs[np.ix_(moves[0], moves[0])]
    above = np.triu_indices(int(moves[0].sum()), k=1)
    np.testing.assert_allclose(of_moving[above], np.clip(expected[above], -0.999, 0.999), atol=1e-4)
    assert len(above[0]) > 10
    assert np.abs(found).max() <= np.arctanh(0.999) + 1e-12
