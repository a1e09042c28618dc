"""What the network is shown of a window: named, stored choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from poseauth.arrays import Float32Array
from poseauth.keypoints import N_KEYPOINTS, NECK
from poseauth.windows import torso_size

_DIFFERENCE_GAIN = 10.0
"""Frame-to-frame differences are about a tenth of the positions; this brings both to one scale."""


def zscored(windows: Float32Array) -> Float32Array:
    """Positions, each of the 24 features z-scored within its window (Yasrab et al. 2021, section 3).

    Zero where a keypoint is missing and where a feature does not vary. Mean and deviation are those of the
    seen frames: a missing joint taken as (0, 0) before the z-score would look like a movement.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, 12, 2)], float32
        Pixels, NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N, 150, 24)], float32
    """
    flat = windows.reshape(*windows.shape[:2], 2 * N_KEYPOINTS).astype(np.float64)
    seen = np.isfinite(flat)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, flat, 0.0).sum(axis=1, keepdims=True) / count
    centred = np.where(seen, flat - mean, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    # Rounding leaves a still feature a deviation of about 1e-13 of its size, which must count as none.
    varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1.0)
    return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=varies), dtype=np.float32)


def torso_relative(windows: Float32Array) -> Float32Array:
    """Positions relative to the torso, and their frame-to-frame differences.

    The origin of each frame is its neck; the unit is the window's median torso size (shoulder width plus neck to
    nose). The neck itself is given by its way from its median place in the window. Neither the place in the
    frame nor the size of the picture is left. Missing keypoints are zero.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, 12, 2)], float32
        Pixels, NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N, 150, 48)], float32
        24 positions in torso sizes, then 24 differences in tenths of a torso size a frame.
    """
    relative = to_torso(windows)
    flat = relative.reshape(*relative.shape[:2], 2 * N_KEYPOINTS)
    steps = np.zeros_like(flat)
    steps[:, 1:] = np.diff(flat, axis=1) * _DIFFERENCE_GAIN
    both = np.concatenate([flat, steps], axis=-1)
    return np.asarray(np.where(np.isfinite(both), both, 0.0), dtype=np.float32)


def to_torso(windows: Float32Array, *, sizes: Float32Array | None = None) -> Float32Array:
    """Keypoints in torso sizes, seen from each frame's neck; the neck seen from its own median place.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, L, 12, 2)], float32
        Pixels, NaN where missing.
    sizes : np.ndarray [shape=(N,)], float32, or None
        Torso sizes, pixels; None: `median_torso_sizes` of the windows.

    Returns
    -------
    np.ndarray [shape=(N, L, 12, 2)], float32
        NaN where missing; all NaN in a window whose torso is never seen.
    """
    size = (median_torso_sizes(windows) if sizes is None else sizes)[:, None, None, None]
    size = np.where(size > 0, size, np.nan)
    neck = windows[:, :, NECK, :]
    relative = (windows - neck[:, :, None, :]) / size
    relative[:, :, NECK, :] = (neck - _nanmedian(neck)[:, None, :]) / size[:, :, 0]
    return np.asarray(relative, dtype=np.float32)


def median_torso_sizes(windows: Float32Array) -> Float32Array:
    """Of each window the median torso size, pixels; NaN where it is never seen [shape=(N,)]."""
    return _nanmedian(torso_size(windows))


def _nanmedian(values: Float32Array) -> Float32Array:
    """Median over axis 1 of what is there; NaN where nothing is."""
    seen = np.isfinite(values)
    empty = ~seen.any(axis=1)
    filled = np.where(np.expand_dims(empty, 1), 0.0, values)
    median = np.nanmedian(filled, axis=1)
    return np.where(empty, np.nan, median).astype(np.float32)


FEATURES: Mapping[str, Callable[[Float32Array], Float32Array]] = {
    "zscore": zscored,
    "torso": torso_relative,
}
"""Every way to show a window to the network, by the name a profile stores."""

N_FEATURES: Mapping[str, int] = {"zscore": 2 * N_KEYPOINTS, "torso": 4 * N_KEYPOINTS}
