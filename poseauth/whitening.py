"""The whitened cosine: how much a window's statistics point from everybody's mean to the person's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from poseauth.arrays import Float64Array

_MAX_STATISTICS = 4096
_LENGTH_TOLERANCE = 1e-3
_NAMES = ("mean", "scale", "whitening", "origin", "person")


class Scaler:
    """Fills the unknown with the mean of the enrolment side and brings every statistic to one scale.

    Parameters
    ----------
    rows : np.ndarray [shape=(N, D)], float64
        Statistics of the enrolment side; NaN where unknown.
    """

    def __init__(self, rows: Float64Array) -> None:
        seen = np.isfinite(rows)
        count = np.maximum(seen.sum(axis=0), 1)
        self.mean = np.where(seen, rows, 0.0).sum(axis=0) / count
        deviation = np.sqrt((np.where(seen, rows - self.mean, 0.0) ** 2).sum(axis=0) / count)
        varies = deviation > 1e-9 * np.maximum(np.abs(self.mean), 1.0)
        # What never varied tells nobody apart: it is multiplied by nothing.
        self.scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)

    def __call__(self, rows: Float64Array) -> Float64Array:
        """Scaled rows [shape=(N, D)], 0 where unknown."""
        return scaled(rows, self.mean, self.scale)


def scaled(rows: Float64Array, mean: Float64Array, scale: Float64Array) -> Float64Array:
    """Rows less the mean, times the scale; 0 where unknown."""
    return np.asarray(np.where(np.isfinite(rows), rows - mean, 0.0) * scale)


class WhitenedCosine:
    """Cosine to the person's mean after within-class covariance normalisation.

    WCCN: Hatch, Kajarekar and Stolcke, Interspeech 2006; Dehak et al., IEEE TASLP 19(4), 2011. The covariance within
    people is pooled over the enrolment side and shrunk (Ledoit and Wolf, J. Multivariate Analysis 88, 2004); the origin
    is the mean of the people's means.

    Parameters
    ----------
    mean, scale : np.ndarray [shape=(D,)], float64
        Of each statistic; `scale` multiplies.
    whitening : np.ndarray [shape=(D, D)], float64
        From scaled statistics to a space in which people vary alike in all directions.
    origin : np.ndarray [shape=(D,)], float64
        Scaled statistics between all people.
    person : np.ndarray [shape=(D,)], float64
        Direction from the origin to the person, of length 1; all zero where there is no direction between
        people: nobody else, or nobody who differs.

    Raises
    ------
    ValueError
        If the shapes do not fit or a number is not finite.
    """

    def __init__(
        self,
        mean: Float64Array,
        scale: Float64Array,
        whitening: Float64Array,
        origin: Float64Array,
        person: Float64Array,
    ) -> None:
        given = (mean, scale, whitening, origin, person)
        n = mean.size
        expected = ((n,), (n,), (n, n), (n,), (n,))
        if not 1 <= n <= _MAX_STATISTICS or any(a.shape != shape for a, shape in zip(given, expected, strict=True)):
            raise ValueError(
                f"the statistics have shapes {[a.shape for a in given]}; (D,), (D,), (D, D), (D,) and (D,) with D from "
                f"1 to {_MAX_STATISTICS} are needed"
            )
        if not all(np.isfinite(values).all() for values in given):
            raise ValueError("a number of the statistics is not finite")
        length = float(np.linalg.norm(person))
        if length and abs(length - 1) > _LENGTH_TOLERANCE:
            raise ValueError(f"the person's direction has length {length:.3g}; 1 is needed")
        self.mean, self.scale, self.whitening, self.origin, self.person = (
            np.asarray(values, dtype=np.float64) for values in given
        )

    @classmethod
    def fit(cls, people: Sequence[Float64Array]) -> WhitenedCosine:
        """Fitted on the statistics of the enrolment side.

        Parameters
        ----------
        people : sequence of np.ndarray [shape=(N, D)], float64
            The person's rows first, then everybody else's; NaN where unknown.
        """
        import scipy.linalg
        from sklearn.covariance import ledoit_wolf

        scaler = Scaler(np.concatenate(people))
        rows = [scaler(some) for some in people]
        means = np.stack([some.mean(axis=0) for some in rows])
        # Each person counts alike, however long they were filmed.
        weight = [np.sqrt(1 / len(some)) for some in rows]
        within = np.concatenate(
            [(some - mean) * w for some, mean, w in zip(rows, means, weight, strict=True)]
        ) * np.sqrt(sum(map(len, rows)) / len(rows))
        covariance, _ = ledoit_wolf(within, assume_centered=True)
        # Any W with W W^T = C^-1 gives the same cosines; the inverse of the Cholesky factor is the quickest to be had.
        whitening = scipy.linalg.solve_triangular(
            np.linalg.cholesky(covariance + 1e-9 * np.eye(len(covariance))), np.eye(len(covariance)), lower=True
        ).T
        alone = len(people) == 1
        origin = means[0] if alone else means.mean(axis=0)
        person = np.zeros(means.shape[1]) if alone else _directions((means[:1] - origin) @ whitening)[0]
        return cls(scaler.mean, scaler.scale, whitening, origin, person)

    def __call__(self, rows: Float64Array) -> Float64Array:
        """Scores [shape=(N,)], -1 to 1, of statistics [shape=(N, D)]; higher = more like the person.

        Where there is no direction between people the negative distance to the person's mean, 0 at the most.
        """
        whitened = (scaled(rows, self.mean, self.scale) - self.origin) @ self.whitening
        if not self.person.any():
            return np.asarray(-np.linalg.norm(whitened, axis=1))
        return np.asarray(_directions(whitened) @ self.person)

    def as_arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Everything it knows, by name; float32."""
        return {name: getattr(self, name).astype(np.float32) for name in _NAMES}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray[Any, Any]]) -> WhitenedCosine:
        """The inverse of `as_arrays`.

        Raises
        ------
        ValueError
            If an array is missing or they do not fit together.
        """
        if set(arrays) != set(_NAMES):
            raise ValueError(f"the statistics have {sorted(arrays)}; {sorted(_NAMES)} are needed")
        return cls(*(np.asarray(arrays[name], dtype=np.float64) for name in _NAMES))


def _directions(whitened: Float64Array) -> Float64Array:
    return np.asarray(whitened / np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12))
