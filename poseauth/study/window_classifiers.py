"""Classical models over statistics of a window: correlations of movements, or the mean pose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Float64Array
from poseauth.movement_statistics import mean_pose, movement_correlations
from poseauth.study.presets import WindowClassifier
from poseauth.whitening import Scaler, scaled

_AT_ONCE = 256
"""Windows whose distances to all support vectors are held in memory together."""
_STATISTICS: Mapping[str, Callable[[Float32Array], Float64Array]] = {
    "correlation_ocsvm": movement_correlations,
    "correlation_logistic": movement_correlations,
    "mean_pose_logistic": mean_pose,
}


@dataclass(frozen=True, eq=False)
class _OverStatistics:
    """A model over scaled statistics of a window, as arrays."""

    classifier: WindowClassifier
    arrays: Mapping[str, Float64Array]

    names: ClassVar[tuple[str, ...]]

    def _rows(self, windows: Float32Array) -> Float64Array:
        statistics = _STATISTICS[self.classifier.kind](windows)
        return scaled(statistics, self.arrays["mean"], self.arrays["scale"])


class LogisticWindows(_OverStatistics):
    """Logistic regression of authentic against fake windows, both sides weighing alike.

    Attributes
    ----------
    classifier : WindowClassifier
        Which statistics, and the penalty.
    arrays : mapping of str to np.ndarray
        `mean`, `scale`, `direction` [shape=(D,)] and `intercept` [shape=()], float64.
    """

    gives_log_odds = True
    names = ("mean", "scale", "direction", "intercept")

    @classmethod
    def fit(cls, classifier: WindowClassifier, windows: Float32Array, authentic: BoolArray) -> Self:
        """Fitted on labelled windows, as `fit_windows` has them."""
        from sklearn.linear_model import LogisticRegression

        rows = _STATISTICS[classifier.kind](windows)
        scaler = Scaler(rows)
        model = LogisticRegression(C=classifier.penalty_c, class_weight="balanced", max_iter=1000)
        model.fit(scaler(rows), authentic)
        return cls(classifier, _as_float64(cls.names, (scaler.mean, scaler.scale, model.coef_[0], model.intercept_[0])))

    def score(self, windows: Float32Array) -> Float64Array:
        """Log-odds [shape=(N,)] of windows [shape=(N, L, 12, 2)]; higher = more authentic."""
        return np.asarray(self._rows(windows) @ self.arrays["direction"] + self.arrays["intercept"])


class OneClassWindows(_OverStatistics):
    """A one-class SVM with a Gaussian kernel, which has met authentic windows only (Schölkopf et al. 2001).

    Attributes
    ----------
    classifier : WindowClassifier
        Which statistics, and nu.
    arrays : mapping of str to np.ndarray
        `mean`, `scale` [shape=(D,)], `support` [shape=(S, D)], `weight` [shape=(S,)], `gamma` and `intercept`
        [shape=()], float64.
    """

    gives_log_odds = False
    names = ("mean", "scale", "support", "weight", "gamma", "intercept")

    @classmethod
    def fit(cls, classifier: WindowClassifier, windows: Float32Array, authentic: BoolArray) -> Self:
        """Fitted on the authentic ones of labelled windows, as `fit_windows` has them."""
        from sklearn.svm import OneClassSVM

        rows = _STATISTICS[classifier.kind](windows[authentic])
        scaler = Scaler(rows)
        gamma = 1.0 / max(int((scaler.scale > 0).sum()), 1)  # every statistic that varies has variance 1
        model = OneClassSVM(nu=classifier.nu, gamma=gamma).fit(scaler(rows))
        learnt = (model.support_vectors_, model.dual_coef_[0], gamma, model.intercept_[0])
        return cls(classifier, _as_float64(cls.names, (scaler.mean, scaler.scale, *learnt)))

    def score(self, windows: Float32Array) -> Float64Array:
        """Signed distance [shape=(N,)] of windows [shape=(N, L, 12, 2)] from the edge of what is authentic.

        Above 0 = within it; higher = more authentic. No odds: how far fakes lie, the model does not know.
        """
        from scipy.spatial.distance import cdist

        held, rows = self.arrays, self._rows(windows)
        parts = [np.zeros(0)]
        for first in range(0, len(rows), _AT_ONCE):
            distance = cdist(rows[first : first + _AT_ONCE], held["support"], "sqeuclidean")
            parts.append(np.exp(-held["gamma"] * distance) @ held["weight"] + held["intercept"])
        return np.concatenate(parts)


FittedWindows = LogisticWindows | OneClassWindows


def fit_windows(classifier: WindowClassifier, windows: Float32Array, authentic: BoolArray) -> FittedWindows:
    """A classical model fitted on labelled windows.

    Parameters
    ----------
    classifier : WindowClassifier
        Which one.
    windows : np.ndarray [shape=(N, L, 12, 2)], float32
        Pixels, NaN where missing; a shorter window is filled up with NaN.
    authentic : np.ndarray [shape=(N,)], bool

    Raises
    ------
    ValueError
        If there is no authentic window, or no fake one where both are needed.
    """
    if len(windows) != len(authentic):
        raise ValueError(f"{len(windows)} windows with {len(authentic)} labels")
    if not authentic.any():
        raise ValueError("there is no authentic window to learn from")
    if classifier.kind == "correlation_ocsvm":
        return OneClassWindows.fit(classifier, windows, authentic)
    if authentic.all():
        raise ValueError("there is no fake window; this model learns the difference between the two")
    return LogisticWindows.fit(classifier, windows, authentic)


def windows_from_arrays(classifier: WindowClassifier, arrays: Mapping[str, np.ndarray[Any, Any]]) -> FittedWindows:
    """The model whose `arrays` these are.

    Raises
    ------
    ValueError
        If an array is missing, not finite, or does not fit the others.
    """
    kind = OneClassWindows if classifier.kind == "correlation_ocsvm" else LogisticWindows
    if set(arrays) != set(kind.names):
        raise ValueError(f"the model has {sorted(arrays)}; {sorted(kind.names)} are needed")
    found = _as_float64(kind.names, [arrays[name] for name in kind.names])
    n, s = found["mean"].size, found["weight"].size if "weight" in found else 0
    shapes = {"mean": (n,), "scale": (n,), "direction": (n,), "support": (s, n), "weight": (s,)}
    for name, values in found.items():
        if values.shape != shapes.get(name, ()) or not np.isfinite(values).all():
            raise ValueError(f"{name} has shape {values.shape}; {shapes.get(name, ())}, all finite, is needed")
    return kind(classifier, found)


def _as_float64(names: tuple[str, ...], arrays: Any) -> dict[str, Float64Array]:
    return {name: np.asarray(values, dtype=np.float64) for name, values in zip(names, arrays, strict=True)}
