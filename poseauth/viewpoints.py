"""The same movement before another camera, as far as a flat skeleton tells it."""

from __future__ import annotations

import numpy as np

from poseauth.arrays import Float32Array
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

YAW_DEG, PITCH_DEG, ROLL_DEG = 12.0, 6.0, 3.0
"""Standard deviations of the turns: cameras differ most in where they stand, less in how high, least in tilt."""
_HEAD_DEPTH = {NOSE: 0.25, R_EYE: 0.18, L_EYE: 0.18, R_EAR: 0.06, L_EAR: 0.06}
"""Torso sizes before the plane of the shoulders."""
_ARMS = ((R_SHOULDER, R_ELBOW, R_WRIST), (L_SHOULDER, L_ELBOW, L_WRIST))
_MIN_UPPER_ARM, _MIN_FOREARM = 0.5, 0.42
"""Torso sizes; lengths that an arm has even where it was never seen stretched out."""
_UPPER_ARM_FORWARD = 0.3
"""Share of an upper arm's hidden length that points forward: elbows hang beside the body, hands are before it."""


def turned(windows: Float32Array, *, rng: np.random.Generator) -> Float32Array:
    """Each window as another camera might have seen it: turned by angles of its own, the same for all its frames.

    Depth is guessed: that of the head from a template, that of the arms from how much shorter than their length they
    appear (Taylor, Computer Vision and Image Understanding 80, 2000), hands before the body. Good enough to teach that
    a profile may not depend on where the camera stood, not to measure anything.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, 12, 2)], float32
        Of one person: the lengths of the limbs come from all of them. Pixels, NaN where missing.
    rng : np.random.Generator
        Decides the angles.

    Returns
    -------
    np.ndarray [shape=(N, 150, 12, 2)], float32
        Torso-relative units, NaN where missing.
    """
    flat = to_torso(windows)
    neck = flat[:, :, NECK].copy()
    flat[:, :, NECK] = 0.0
    depth = _depth(flat)
    yaw, pitch, roll = (
        np.deg2rad(rng.normal(0.0, spread, len(windows))).astype(np.float32)[:, None, None]
        for spread in (YAW_DEG, PITCH_DEG, ROLL_DEG)
    )
    x, y = flat[..., 0], flat[..., 1]
    across = x * np.cos(yaw) + depth * np.sin(yaw)
    behind = depth * np.cos(yaw) - x * np.sin(yaw)
    down = y * np.cos(pitch) + behind * np.sin(pitch)
    seen = np.stack([across * np.cos(roll) - down * np.sin(roll), across * np.sin(roll) + down * np.cos(roll)], axis=-1)
    return np.asarray(seen + neck[:, :, None, :], dtype=np.float32)


def _depth(flat: Float32Array) -> Float32Array:
    """Torso sizes before the shoulders [shape=(N, L, 12)]; NaN where a joint that it rests on is missing."""
    depth = np.zeros(flat.shape[:-1], dtype=np.float32)
    for joint, before in _HEAD_DEPTH.items():
        depth[..., joint] = before
    for shoulder, elbow, wrist in _ARMS:
        depth[..., elbow] = _UPPER_ARM_FORWARD * _hidden(flat, shoulder, elbow, _MIN_UPPER_ARM)
        depth[..., wrist] = depth[..., elbow] + _hidden(flat, elbow, wrist, _MIN_FOREARM)
    return depth


def _hidden(flat: Float32Array, start: int, end: int, least: float) -> Float32Array:
    """How far the end of a limb lies out of the picture's plane."""
    seen = np.linalg.norm(flat[..., end, :] - flat[..., start, :], axis=-1)
    known = seen[np.isfinite(seen)]
    length = max(least, float(np.percentile(known, 95))) if len(known) else least
    return np.asarray(np.sqrt(np.maximum(length**2 - seen**2, 0.0)), dtype=np.float32)
