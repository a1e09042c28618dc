"""Plain statistics that a profile has to beat: what the set-up, the pose and the missing keypoints give away alone.

None of them is a network, none looks at more than one window at a time, and everything is fitted on the enrolment side.
Where one of them comes close to the profile, the profile may have learnt the set-up and not the person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np

from poseauth.arrays import Float32Array, Float64Array
from poseauth.features import to_torso
from poseauth.keypoints import (
    L_EAR,
    L_ELBOW,
    L_SHOULDER,
    L_WRIST,
    N_KEYPOINTS,
    NECK,
    NOSE,
    R_EAR,
    R_ELBOW,
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
LOGISTIC_PENALTY_C = 0.1
"""Inverse strength of the L2 penalty on standardised statistics."""
_SMALLEST = 1e-4
"""Torso sizes below which an amplitude counts as none, so that its logarithm stays finite."""

BackEnd = Literal["logistic", "wccn"]


class WindowScorer(Protocol):
    """Fitted on the enrolment side; gives a score of each window, higher = more like the person."""

    threshold: float | None
    """Score above which the person is accepted; None where the scale has no such point."""

    def __call__(self, windows: Float32Array) -> Float64Array:
        """Scores [shape=(N,)] of windows [shape=(N, 150, 12, 2)] in pixels."""


@dataclass(frozen=True)
class Baseline:
    """Statistics of a window and what is done with them.

    Attributes
    ----------
    statistics : callable
        From windows [shape=(N, 150, 12, 2)], float32, pixels, to rows [shape=(N, D)], float64, NaN where unknown.
    back_end : "logistic" or "wccn"
        The person against all others by logistic regression, or the cosine to the person's mean after whitening.
    """

    statistics: Callable[[Float32Array], Float64Array]
    back_end: BackEnd


def fit_baseline(name: str, own: Float32Array, others: Sequence[Float32Array]) -> WindowScorer:
    """A baseline fitted on the windows of the enrolment side.

    Parameters
    ----------
    name : str
        One of `BASELINES`.
    own : np.ndarray [shape=(N, 150, 12, 2)], float32
        The person's windows, pixels, NaN where missing.
    others : sequence of np.ndarray [shape=(N, 150, 12, 2)], float32
        The windows of every other person, one array a person.

    Raises
    ------
    ValueError
        If there is no such baseline, the person has no window, or a baseline that needs somebody else has nobody.
    """
    if name not in BASELINES:
        raise ValueError(f"no baseline is called {name!r}; known are {', '.join(BASELINES)}")
    baseline = BASELINES[name]
    people = [baseline.statistics(windows) for windows in (own, *others) if len(windows)]
    if not len(own):
        raise ValueError("the person has no window")
    if baseline.back_end == "logistic":
        return _LogisticScorer(baseline.statistics, people)
    return _WhitenedCosine(baseline.statistics, people)


def frame_position(windows: Float32Array) -> Float64Array:
    """Mean place of the neck in the picture and mean size of the torso, in pixels: [shape=(N, 3)]."""
    size = _mean_over_time(torso_size(windows)[..., None])
    return np.concatenate([_mean_over_time(windows[:, :, NECK]), size], axis=1)


def mean_pose(windows: Float32Array) -> Float64Array:
    """Mean place of every keypoint seen from the neck, in torso sizes: [shape=(N, 24)]."""
    return _mean_over_time(_flat(to_torso(windows)))


def missing_pattern(windows: Float32Array) -> Float64Array:
    """Share of frames in which each keypoint is missing, and how often it comes and goes: [shape=(N, 24)]."""
    missing = ~np.isfinite(windows).all(axis=-1)
    changes = (missing[:, 1:] != missing[:, :-1]).mean(axis=1)
    return np.asarray(np.concatenate([missing.mean(axis=1), changes], axis=1), dtype=np.float64)


def posture_distribution(windows: Float32Array) -> Float64Array:
    """What stays when the frames of a window are shuffled: means, log deviations, correlations: [shape=(N, 324)].

    Keypoints seen from the neck in torso sizes; nothing here knows which frame came first.
    """
    series = _flat(to_torso(windows))
    return np.concatenate([_mean_over_time(series), _log_deviation(series), _correlations(series)], axis=1)


def movement_statistics(windows: Float32Array) -> Float64Array:
    """Posture, amplitudes, correlations, spectra and limb proportions of a window: [shape=(N, D)].

    Seen from the neck in torso sizes, so that neither the place in the frame nor the size of the picture is left.
    """
    series = _flat(to_torso(windows))
    steps = np.diff(series, axis=1)
    return np.concatenate(
        [posture_distribution(windows), _log_deviation(steps), _correlations(steps), _band_shares(series),
         _bone_lengths(windows)],
        axis=1,
    )  # fmt: skip


BASELINES: Mapping[str, Baseline] = {
    "position": Baseline(frame_position, "logistic"),
    "mean_pose": Baseline(mean_pose, "logistic"),
    "missing": Baseline(missing_pattern, "logistic"),
    "shuffled": Baseline(posture_distribution, "wccn"),
    "statistics_wccn": Baseline(movement_statistics, "wccn"),
}
"""Every baseline by name."""


class _Scaler:
    """Fills the unknown with the mean of the enrolment side and brings every statistic to one scale."""

    def __init__(self, rows: Float64Array) -> None:
        seen = np.isfinite(rows)
        count = np.maximum(seen.sum(axis=0), 1)
        self._mean = np.where(seen, rows, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(seen, rows - self._mean, 0.0) ** 2).sum(axis=0) / count)
        self._scale = np.where(deviation > 1e-9 * np.maximum(np.abs(self._mean), 1.0), deviation, np.inf)

    def __call__(self, rows: Float64Array) -> Float64Array:
        return np.asarray(np.where(np.isfinite(rows), rows - self._mean, 0.0) / self._scale)


class _LogisticScorer:
    """Log-odds of the person against all others, both sides weighing alike."""

    threshold: float | None = 0.0

    def __init__(self, statistics: Callable[[Float32Array], Float64Array], people: Sequence[Float64Array]) -> None:
        from sklearn.linear_model import LogisticRegression

        if len(people) < 2:
            raise ValueError("there is nobody to compare with; this baseline needs somebody else's windows")
        self._statistics = statistics
        rows = np.concatenate(people)
        self._scaler = _Scaler(rows)
        is_person = np.arange(len(rows)) < len(people[0])
        self._model = LogisticRegression(C=LOGISTIC_PENALTY_C, class_weight="balanced", max_iter=1000)
        self._model.fit(self._scaler(rows), is_person)

    def __call__(self, windows: Float32Array) -> Float64Array:
        if not len(windows):
            return np.zeros(0)
        return np.asarray(self._model.decision_function(self._scaler(self._statistics(windows))), dtype=np.float64)


class _WhitenedCosine:
    """Cosine to the person's mean after within-class covariance normalisation.

    WCCN: Hatch, Kajarekar and Stolcke, Interspeech 2006; Dehak et al., IEEE TASLP 19(4), 2011. The covariance within
    people is pooled over the enrolment side and shrunk (Ledoit and Wolf, J. Multivariate Analysis 88, 2004); the origin
    is the mean of the people's means.
    """

    threshold: float | None = None

    def __init__(self, statistics: Callable[[Float32Array], Float64Array], people: Sequence[Float64Array]) -> None:
        from sklearn.covariance import ledoit_wolf

        self._statistics = statistics
        self._scaler = _Scaler(np.concatenate(people))
        scaled = [self._scaler(rows) for rows in people]
        means = np.stack([rows.mean(axis=0) for rows in scaled])
        # Each person counts alike, however long they were filmed.
        weight = [np.sqrt(1 / len(rows)) for rows in scaled]
        within = np.concatenate(
            [(rows - mean) * w for rows, mean, w in zip(scaled, means, weight, strict=True)]
        ) * np.sqrt(sum(map(len, scaled)) / len(scaled))
        covariance, _ = ledoit_wolf(within, assume_centered=True)
        values, vectors = np.linalg.eigh(covariance)
        self._whitening = vectors / np.sqrt(np.maximum(values, 1e-9))
        # With nobody else there is no origin between people, and no direction: the distance to the person is left.
        self._origin = means.mean(axis=0) if len(people) > 1 else np.zeros(means.shape[1])
        self._person = self._directions(means[:1])[0] if len(people) > 1 else None

    def _directions(self, scaled: Float64Array) -> Float64Array:
        whitened = (scaled - self._origin) @ self._whitening
        return np.asarray(whitened / np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12))

    def __call__(self, windows: Float32Array) -> Float64Array:
        if not len(windows):
            return np.zeros(0)
        scaled = self._scaler(self._statistics(windows))
        if self._person is None:
            return np.asarray(-np.linalg.norm((scaled - self._origin) @ self._whitening, axis=1))
        return np.asarray(self._directions(scaled) @ self._person)


def _flat(relative: Float32Array) -> Float64Array:
    return relative.reshape(*relative.shape[:2], 2 * N_KEYPOINTS).astype(np.float64)


def _mean_over_time(series: Float32Array | Float64Array) -> Float64Array:
    """Mean over axis 1 of what is seen; NaN where nothing is."""
    seen = np.isfinite(series)
    count = seen.sum(axis=1)
    total = np.where(seen, series, 0.0).sum(axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


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
    """Percentile over axis 1 of what is seen; NaN where nothing is."""
    empty = ~np.isfinite(series).any(axis=1, keepdims=True)
    found = np.nanpercentile(np.where(empty, 0.0, series), percent, axis=1)
    return np.where(empty[:, 0], np.nan, found)
