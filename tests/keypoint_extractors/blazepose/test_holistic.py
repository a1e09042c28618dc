"""The same landmarks as MediaPipe's own Holistic gives."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.blazepose.estimator import BlazePose
from poseauth.keypoints import LEFT, RIGHT
from tests.keypoint_extractors.blazepose import golden_holistic
from tests.picture_groups import grouped

L_SHOULDER, R_SHOULDER = 11, 12


@pytest.fixture(scope="module")
def found(models):
    """Body [shape=(T, 33, 3)], visibility and hands of the golden pictures, by this package's estimator."""
    estimator = BlazePose(n_threads=2)
    people = [seen for group in estimator.detect(grouped(golden_holistic.pictures())) for seen in group]
    estimator.close()
    assert all(len(seen) == 1 for seen in people)
    return {
        name: np.concatenate([getattr(seen.whole_body, name) for seen in people])
        for name in ("body", "visibility", "hands")
    }


def check(found, expected):
    """All but the first frame, in which this package looks twice at somebody new."""
    shoulders = expected["body"][:, L_SHOULDER, :2] - expected["body"][:, R_SHOULDER, :2]
    width = np.linalg.norm(shoulders, axis=1).mean()
    away = np.linalg.norm(found["body"][1:, :, :2] - expected["body"][1:, :, :2], axis=-1) / width
    assert np.median(away[:, :25]) < 0.002
    assert np.percentile(away[:, :25], 95) < 0.005
    assert np.abs(found["body"][1:, :25, 2] - expected["body"][1:, :25, 2]).max() / width < 0.05
    assert np.abs(found["visibility"][1:, :25] - expected["body"][1:, :25, 3]).max() < 0.05
    for side in (LEFT, RIGHT):
        ours, theirs = found["hands"][1:, side], expected["hands"][1:, side]
        both = np.isfinite(ours[:, 0, 0]) & np.isfinite(theirs[:, 0, 0])
        assert (np.isfinite(ours[:, 0, 0]) == np.isfinite(theirs[:, 0, 0])).mean() > 0.8
        assert both.sum() >= 4
        assert np.nanmedian(np.linalg.norm(ours[both, :, :2] - theirs[both, :, :2], axis=-1)) / width < 0.01
        assert np.nanmedian(np.abs(ours[both, :, 2] - theirs[both, :, 2])) / width < 0.02


def test_landmarks_are_those_of_mediapipe_as_it_was(found):
    with np.load(golden_holistic.LANDMARKS) as expected:
        check(found, dict(expected))


def test_landmarks_are_those_of_mediapipe_as_it_is_installed(found):
    pytest.importorskip("mediapipe")
    check(found, golden_holistic.holistic(golden_holistic.pictures()))
