"""People who do not exist, made from those who do: joints uncoupled, or left and right exchanged."""

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

_STREAMS = ((NOSE, R_EYE, L_EYE, R_EAR, L_EAR), (R_ELBOW, R_WRIST), (L_ELBOW, L_WRIST))

_MIRROR_ORDER = (
    NOSE, NECK, L_SHOULDER, L_ELBOW, L_WRIST, R_SHOULDER, R_ELBOW, R_WRIST, L_EYE, R_EYE, L_EAR, R_EAR
)  # fmt: skip
MIN_WINDOWS = len(_STREAMS)
"""Each stream of a surrogate comes from another window."""


def surrogate_impostors(windows: Float32Array, *, rng: np.random.Generator) -> Float32Array:
    """As many windows of somebody who does not exist: head, right arm and left arm each from another moment.

    Every joint moves as the person's does; what is wrong is how the joints go together. Positions are exchanged
    relative to the neck and the torso size, so that the bodies stay whole. The three streams of one surrogate
    come from three different windows.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, 12, 2)], float32
        The person's windows, at least three, pixels, NaN where missing.
    rng : np.random.Generator
        Decides what comes from where.

    Returns
    -------
    np.ndarray [shape=(N, 150, 12, 2)], float32
        Torso-relative units (the features do not depend on the unit), NaN where missing.

    Raises
    ------
    ValueError
        If there are fewer than three windows.
    """
    if len(windows) < MIN_WINDOWS:
        raise ValueError(f"{len(windows)} windows; surrogate impostors are mixed from at least {MIN_WINDOWS}")
    relative = to_torso(windows)
    neck = relative[:, :, NECK].copy()
    relative[:, :, NECK] = 0.0
    mixed = relative.copy()
    for i in range(len(relative)):
        donors = rng.choice(len(relative), size=len(_STREAMS), replace=False)
        for stream, donor in zip(_STREAMS, donors, strict=True):
            mixed[i][:, list(stream)] = relative[donor][:, list(stream)]
    return np.asarray(mixed + neck[:, :, None, :], dtype=np.float32)


def mirror_images(windows: Float32Array) -> Float32Array:
    """The same windows in a mirror: what the right hand did, the left does, on the other side of the picture.

    Nobody is their own mirror image: the hand that leads, the side the head leans to, are a person's own. So a mirror
    image serves as somebody else, and every person known gives the network two.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, 12, 2)], float32
        NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N, 150, 12, 2)], float32
        x is negative: the features do not depend on the place in the picture.
    """
    mirrored = windows[:, :, list(_MIRROR_ORDER)].copy()
    mirrored[..., 0] *= -1
    return mirrored
