"""What a pose network of the study is shown of a window."""

from __future__ import annotations

import numpy as np

from poseauth.arrays import Float32Array
from poseauth.features import FEATURES, N_FEATURES
from poseauth.keypoints import L_EAR, L_EYE, NOSE, R_EAR, R_EYE
from poseauth.study.presets import PoseNetwork

FACE = (NOSE, R_EYE, L_EYE, R_EAR, L_EAR)
"""Keypoints of the face, in the order of `poseauth.keypoints`."""
_FACE_COLUMNS = tuple(2 * keypoint + axis for keypoint in FACE for axis in (0, 1))


def n_features(network: PoseNetwork) -> int:
    """Features of a frame."""
    return len(_FACE_COLUMNS) if network.keypoints == "face" else N_FEATURES[network.features]


def encode(windows: Float32Array, network: PoseNetwork) -> Float32Array:
    """The network's input of windows.

    A window shorter than the others is filled up with NaN at its end; its features are those it has alone, and zero
    in what was filled up.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, L, 12, 2)], float32
        Pixels, NaN where missing.
    network : PoseNetwork
        Which features, of which keypoints.

    Returns
    -------
    np.ndarray [shape=(N, L, F)], float32
    """
    shown = FEATURES[network.features](windows)
    if network.keypoints == "face":
        shown = shown[:, :, list(_FACE_COLUMNS)]
    return np.ascontiguousarray(shown)
