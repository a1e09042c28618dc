"""What the network is shown of a window: named, stored choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from poseauth.arrays import Float32Array
from poseauth.keypoints import (
    FACE,
    FINGERS,
    L_EAR,
    L_FINGERS,
    L_HAND,
    L_WRIST,
    N_KEYPOINTS,
    NECK,
    NOSE,
    R_EAR,
    R_FINGERS,
    R_HAND,
    R_WRIST,
)
from poseauth.windows import torso_size

N_LOCAL_SHAPES = 24
"""Of `local_shapes`."""
N_HAND_SHAPES = 26
"""Of `hand_shapes`; the first half is the left hand's."""
LEAST_HAND_SEEN = 0.2
"""Share of a window's frames in which a hand has to be found; below, its shape is unknown. When an estimator finds one
hangs on clothes and light as much as on the person."""

_DIFFERENCE_GAIN = 10.0
"""Frame-to-frame differences are about a tenth of the positions; this brings both to one scale."""
_SEEN_FROM = ((R_FINGERS, R_WRIST), (L_FINGERS, L_WRIST), ((*FACE, R_EAR, L_EAR), NOSE))
_WRIST, _INDEX_ROOT, _MIDDLE_ROOT, _LITTLE_ROOT = 0, 5, 9, 17
"""Points of a hand."""


def zscored(windows: Float32Array) -> Float32Array:
    """Positions, each of the 24 features z-scored within its window (Yasrab et al. 2021, section 3).

    Zero where a keypoint is missing and where a feature does not vary. Mean and deviation are those of the
    seen frames: a missing joint taken as (0, 0) before the z-score would look like a movement.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, P, 2)], float32
        Pixels, NaN where missing; the twelve alone are used.

    Returns
    -------
    np.ndarray [shape=(N, 150, 24)], float32
    """
    flat = flat_twelve(windows).astype(np.float64)
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
    windows : np.ndarray [shape=(N, 150, P, 2)], float32
        Pixels, NaN where missing; the twelve alone are used.

    Returns
    -------
    np.ndarray [shape=(N, 150, 48)], float32
        24 positions in torso sizes, then 24 differences in tenths of a torso size a frame.
    """
    both = _with_steps(flat_twelve(to_torso(windows)))
    return np.asarray(np.where(np.isfinite(both), both, 0.0), dtype=np.float32)


def whole_body(windows: Float32Array) -> Float32Array:
    """The twelve relative to the torso, the shapes of fingers, face and hands, and the differences of all of them.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, 64, 2)], float32
        Pixels, NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N, 150, 148)], float32
        24 positions and 24 local shapes in torso sizes, 26 shapes of hands, then their differences in tenths of the
        unit a frame. NaN where missing, which is unknown and not 0; a hand that is lost for some frames has its mean
        over the window there, for when it is found says nothing of the person.
    """
    hands = hand_shapes(windows)
    known = np.isfinite(hands)
    mean = np.where(known, hands, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    mean[~known.any(axis=1)] = np.nan
    shown = np.concatenate([flat_twelve(to_torso(windows)), local_shapes(windows), hands], axis=-1)
    both = _with_steps(shown)
    first = shown.shape[-1] - hands.shape[-1]
    both[..., first : shown.shape[-1]] = np.where(known, hands, mean[:, None])
    steps = both[..., -hands.shape[-1] :]
    both[..., -hands.shape[-1] :] = np.where(np.isfinite(steps) | np.isnan(mean[:, None]), steps, 0.0)
    return both


def _with_steps(shown: Float32Array) -> Float32Array:
    steps = np.zeros_like(shown)
    steps[:, 1:] = np.diff(shown, axis=1) * _DIFFERENCE_GAIN
    return np.concatenate([shown, steps], axis=-1)


def flat_twelve(points: Float32Array) -> Float32Array:
    """The coordinates of the twelve in a row: [shape=(N, L, 24)] of [shape=(N, L, P, 2)]."""
    return points[:, :, :N_KEYPOINTS].reshape(*points.shape[:2], 2 * N_KEYPOINTS)


def local_shapes(windows: Float32Array) -> Float32Array:
    """Thumb, index and little finger seen from the wrist; mouth, inner eyes and ears seen from the nose.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, L, 64, 2)], float32
        Pixels, NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N, L, 24)], float32
        In the window's torso size, NaN where missing: right fingers, left fingers, face.
    """
    size = median_torso_sizes(windows)[:, None, None, None]
    size = np.where(size > 0, size, np.nan)
    parts = [(windows[:, :, list(seen)] - windows[:, :, [origin]]) / size for seen, origin in _SEEN_FROM]
    shapes = np.concatenate(parts, axis=2)
    return np.asarray(shapes.reshape(*shapes.shape[:2], N_LOCAL_SHAPES), dtype=np.float32)


def hand_shapes(windows: Float32Array) -> Float32Array:
    """How far each finger is stretched and spread, and where palm and knuckles point, left hand first.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, L, 64, 2)], float32
        Pixels, NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N, L, 26)], float32
        Of each hand in its palm's length (wrist to the root of the middle finger, median of the window): from the wrist
        to the five tips, between neighbouring tips, the way from the wrist to the root of the middle finger, and from
        the root of the index finger to that of the little one. NaN where missing, and throughout a window in which the
        hand is found in less than LEAST_HAND_SEEN of the frames.
    """
    tips = [finger[-1] for finger in FINGERS]
    shapes = []
    for hand in (L_HAND, R_HAND):
        points = windows[:, :, hand.start : hand.stop]
        seen = np.isfinite(points[:, :, [_WRIST, _MIDDLE_ROOT]]).all(axis=(2, 3)).mean(axis=1) >= LEAST_HAND_SEEN
        palm = points[:, :, _MIDDLE_ROOT] - points[:, :, _WRIST]
        knuckles = points[:, :, _LITTLE_ROOT] - points[:, :, _INDEX_ROOT]
        stretched = np.linalg.norm(points[:, :, tips] - points[:, :, [_WRIST]], axis=-1)
        spread = np.linalg.norm(np.diff(points[:, :, tips], axis=2), axis=-1)
        length = _nanmedian(np.linalg.norm(palm, axis=-1))
        length = np.where(seen & (length > 0), length, np.nan)[:, None, None]
        shapes.append(np.concatenate([stretched, spread, palm, knuckles], axis=-1) / length)
    return np.asarray(np.concatenate(shapes, axis=-1), dtype=np.float32)


def to_torso(windows: Float32Array, *, sizes: Float32Array | None = None) -> Float32Array:
    """Keypoints in torso sizes, seen from each frame's neck; the neck seen from its own median place.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, L, P, 2)], float32
        Pixels, NaN where missing.
    sizes : np.ndarray [shape=(N,)], float32, or None
        Torso sizes, pixels; None: `median_torso_sizes` of the windows.

    Returns
    -------
    np.ndarray [shape=(N, L, P, 2)], float32
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
    "whole": whole_body,
}
"""Every way to show a window to the network, by the name a profile stores."""

N_FEATURES: Mapping[str, int] = {
    "zscore": 2 * N_KEYPOINTS,
    "torso": 4 * N_KEYPOINTS,
    "whole": 2 * (2 * N_KEYPOINTS + N_LOCAL_SHAPES + N_HAND_SHAPES),
}
