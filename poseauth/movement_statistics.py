"""Plain statistics of a window: posture, amplitudes, correlations, spectra, limb proportions, and what the set-up is.

Nothing is learnt here; a window gives a row of numbers, NaN where one cannot be told.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from poseauth.arrays import Float32Array, Float64Array
from poseauth.features import flat_twelve, hand_shapes, local_shapes, to_torso
from poseauth.keypoints import (
    L_EAR,
    L_ELBOW,
    L_HAND,
    L_SHOULDER,
    L_WRIST,
    N_KEYPOINTS,
    NECK,
    NOSE,
    R_EAR,
    R_ELBOW,
    R_HAND,
    R_SHOULDER,
    R_WRIST,
)
from poseauth.windows import FPS, WINDOW_FRAMES, torso_size

BAND_EDGES_HZ = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Bands of the spectra: posture shifts, gestures, beats, tremor and noise; the mean itself is left out."""
BONES = (
    (R_SHOULDER, R_ELBOW),
    (R_ELBOW, R_WRIST),
    (L_SHOULDER, L_ELBOW),
    (L_ELBOW, L_WRIST),
    (R_SHOULDER, L_SHOULDER),
    (NECK, NOSE),
    (R_EAR, L_EAR),
    (NOSE, R_EAR),
    (NOSE, L_EAR),
)
BONE_PERCENTILES = (50.0, 95.0)
"""The 95th is a limb seen in a plane that is no longer foreshortened."""
N_MOVEMENT_STATISTICS = 762
"""Of `movement_statistics`."""
N_BODY_STATISTICS = 1506
"""Of `body_statistics`."""
N_HAND_STATISTICS = 858
"""Of `hand_statistics`."""
_SMALLEST = 1e-4
"""Torso sizes below which an amplitude counts as none, so that its logarithm stays finite."""
_MOST_CORRELATED = 0.999
"""Fisher's z has no value at 1; beyond this it would say how an estimator trembles."""


def frame_position(windows: Float32Array) -> Float64Array:
    """Mean place of the neck in the picture and mean size of the torso, in pixels: [shape=(N, 3)]."""
    size = _mean_over_time(torso_size(windows)[..., None])
    return np.concatenate([_mean_over_time(windows[:, :, NECK]), size], axis=1)


def mean_pose(windows: Float32Array) -> Float64Array:
    """Mean place of every keypoint seen from the neck, in torso sizes: [shape=(N, 24)]."""
    return _mean_over_time(flat_twelve(to_torso(windows)).astype(np.float64))


def missing_pattern(windows: Float32Array) -> Float64Array:
    """Share of frames in which each keypoint is missing, and how often it comes and goes: [shape=(N, 24)]."""
    missing = np.asarray(~np.isfinite(windows[:, :, :N_KEYPOINTS]).all(axis=-1))
    changes = (missing[:, 1:] != missing[:, :-1]).mean(axis=1)
    return np.asarray(np.concatenate([missing.mean(axis=1), changes], axis=1), dtype=np.float64)


def posture_distribution(windows: Float32Array) -> Float64Array:
    """What stays when the frames of a window are shuffled: means, log deviations, correlations: [shape=(N, 324)].

    Keypoints seen from the neck in torso sizes, correlations as Fisher's z; nothing here knows which frame came first.
    """
    return _posture(flat_twelve(to_torso(windows)).astype(np.float64))


def movement_correlations(windows: Float32Array) -> Float64Array:
    """Correlation of every two coordinates over the window, -1 to 1: [shape=(N, 276)].

    Keypoints seen from the neck in torso sizes; 0 where one of the two does not move or is never seen.
    """
    return _correlations(flat_twelve(to_torso(windows)).astype(np.float64))


def movement_statistics(windows: Float32Array) -> Float64Array:
    """Posture, amplitudes, correlations, spectra and limb proportions of a window: [shape=(N, 762)].

    Seen from the neck in torso sizes, so that neither the place in the frame nor the size of the picture is left.
    Correlations stand as Fisher's z (Biometrika 10, 1915), which spreads alike at 0 and near 1.
    """
    series = flat_twelve(to_torso(windows)).astype(np.float64)
    steps = np.diff(series, axis=1)
    return np.concatenate(
        [_posture(series), _log_deviation(steps), _fisher_z(_correlations(steps)), _band_shares(series),
         _bone_lengths(windows)],
        axis=1,
    )  # fmt: skip


def body_statistics(windows: Float32Array) -> Float64Array:
    """Of whole windows `movement_statistics` and those of `poseauth.features.local_shapes`: [shape=(N, 1506)]."""
    return np.concatenate([movement_statistics(windows), _shape_statistics(local_shapes(windows))], axis=1)


def hand_statistics(windows: Float32Array) -> Float64Array:
    """Of whole windows those of `poseauth.features.hand_shapes`: [shape=(N, 858)], NaN where a hand is unknown."""
    return _shape_statistics(hand_shapes(windows))


def hands_found(windows: Float32Array) -> Float64Array:
    """Share of frames in which each hand is found, and how often it comes and goes: [shape=(N, 4)], left hand first."""
    found = np.asarray(np.isfinite(windows[:, :, [L_HAND.start, R_HAND.start]]).all(axis=-1))
    changes = (found[:, 1:] != found[:, :-1]).mean(axis=1)
    return np.asarray(np.concatenate([found.mean(axis=1), changes], axis=1), dtype=np.float64)


def _shape_statistics(shapes: Float32Array) -> Float64Array:
    """Means, log deviations, Fisher's z of correlations of places and of steps, band shares; NaN where never seen."""
    series = shapes.astype(np.float64)
    steps = np.diff(series, axis=1)
    never = np.asarray(~np.isfinite(series).any(axis=1))
    first, second = np.triu_indices(series.shape[2], k=1)
    neither = never[:, first] | never[:, second]
    of_pairs = [np.where(neither, np.nan, _fisher_z(_correlations(some))) for some in (series, steps)]
    n_bands = len(BAND_EDGES_HZ) - 1
    shares = np.where(np.tile(never, (1, n_bands)), np.nan, _band_shares(series))
    return np.concatenate(
        [_mean_over_time(series), _log_deviation(series), of_pairs[0], _log_deviation(steps), of_pairs[1], shares],
        axis=1,
    )


def _posture(series: Float64Array) -> Float64Array:
    return np.concatenate([_mean_over_time(series), _log_deviation(series), _fisher_z(_correlations(series))], axis=1)


def _mean_over_time(series: Float32Array | Float64Array) -> Float64Array:
    """Mean over axis 1 of what is seen; NaN where nothing is."""
    seen = np.isfinite(series)
    count = seen.sum(axis=1)
    total = np.where(seen, series, 0.0).sum(axis=1, dtype=np.float64)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _centred(series: Float64Array) -> Float64Array:
    """Less the mean over time, zero where missing."""
    return np.nan_to_num(series - _mean_over_time(series)[:, None, :], nan=0.0)


def _deviation(series: Float64Array) -> Float64Array:
    count = np.maximum(np.isfinite(series).sum(axis=1), 1)
    return np.asarray(np.sqrt((_centred(series) ** 2).sum(axis=1) / count))


def _log_deviation(series: Float64Array) -> Float64Array:
    """Amplitudes compare by their ratio; NaN where a coordinate is never seen."""
    seen = np.isfinite(series).any(axis=1)
    return np.where(seen, np.log(np.maximum(_deviation(series), _SMALLEST)), np.nan)


def _correlations(series: Float64Array) -> Float64Array:
    """Every pair of coordinates; 0 where one of them does not move."""
    centred = _centred(series)
    norm = np.linalg.norm(centred, axis=1)
    unit = np.divide(centred, norm[:, None, :], out=np.zeros_like(centred), where=norm[:, None, :] > _SMALLEST)
    pairs = np.einsum("nti,ntj->nij", unit, unit)
    first, second = np.triu_indices(series.shape[2], k=1)
    return np.asarray(pairs[:, first, second])


def _fisher_z(correlations: Float64Array) -> Float64Array:
    return np.asarray(np.arctanh(np.clip(correlations, -_MOST_CORRELATED, _MOST_CORRELATED)))


def _band_shares(series: Float64Array) -> Float64Array:
    """Log share of each coordinate's movement in each band of `BAND_EDGES_HZ`."""
    power = np.abs(np.fft.rfft(_centred(series) * np.hanning(WINDOW_FRAMES)[None, :, None], axis=1)) ** 2
    frequency = np.fft.rfftfreq(WINDOW_FRAMES, 1 / FPS)
    bands = [power[:, (frequency > low) & (frequency <= high)].sum(axis=1) for low, high in pairwise(BAND_EDGES_HZ)]
    total = np.maximum(sum(bands), 1e-12)
    return np.concatenate([np.log(np.maximum(band / total, _SMALLEST)) for band in bands], axis=1)


def _bone_lengths(windows: Float32Array) -> Float64Array:
    """Percentiles of the bones' lengths in the window's torso size."""
    relative = windows.astype(np.float64)
    lengths = np.stack([np.linalg.norm(relative[:, :, a] - relative[:, :, b], axis=-1) for a, b in BONES], axis=-1)
    size = _percentile(torso_size(windows)[..., None].astype(np.float64), 50.0)
    return np.concatenate([_percentile(lengths, q) / size for q in BONE_PERCENTILES], axis=1)


def _percentile(series: Float64Array, percent: float) -> Float64Array:
    """Percentile over axis 1 of what is seen, between the two nearest values; NaN where nothing is.

    `np.nanpercentile` gives the same and goes through the rows one by one: two fifths of all a window's statistics.
    """
    ordered = np.sort(series, axis=1)  # NaN come last
    n_seen = np.isfinite(series).sum(axis=1)
    place = np.maximum(n_seen - 1, 0) * (percent / 100)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(n_seen - 1, 0))
    low, high = (np.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (below, above))
    return np.asarray(low + (high - low) * (place - below))
