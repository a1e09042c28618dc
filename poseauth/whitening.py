"""The whitened cosine: how much a window's statistics point from everybody's mean to the person's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from poseauth.arrays import Float64Array

NEARNESS_POWER = 4.0
"""Another person counts by (the nearest one's distance / theirs) to this power, in the whitened space. People from
other footage, added to two strangers of the same recordings, cost up to .06 of the clips' AUC where all count alike,
and less than .01 by this power (docs/learning.md)."""
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
    is the mean of the people's means. In both, others count by how near they are to the person: whoever was filmed
    elsewhere lies far away, and what sets them apart is the footage.

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

        means, residuals = zip(*(_centred(some) for some in people), strict=True)
        between = _known_mean(np.stack(means))
        centres = np.where(np.isfinite(means), means, between)
        # By how people vary themselves: other footage differs by more than anybody's movement, and would hide it.
        deviation = np.sqrt(np.mean([(some**2).mean(axis=0) for some in residuals], axis=0))
        varies = deviation > 1e-9 * np.maximum(np.abs(between), 1.0)
        scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
        within = [some * scale for some in residuals]
        nearness = np.ones(len(people))
        factor = _factor_within(within, nearness)
        apart = scipy.linalg.solve_triangular(factor, ((centres[1:] - centres[0]) * scale).T, lower=True)
        away = np.linalg.norm(apart, axis=0)
        if away.any():
            nearest = away[away > 0].min()
            nearness[1:] = (nearest / np.maximum(away, nearest)) ** NEARNESS_POWER
        if nearness.min() < 1:
            factor = _factor_within(within, nearness)
        # Any W with W W^T = C^-1 gives the same cosines; the inverse of the Cholesky factor is the quickest to be had.
        whitening = np.asarray(scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True).T)
        # What is unknown counts as the origin does: it speaks neither for nor against.
        mean = np.average(centres, axis=0, weights=nearness)
        person = _directions((centres[:1] - mean) * scale @ whitening)[0]
        return cls(mean, scale, whitening, np.zeros(len(mean)), person if away.any() else np.zeros(len(mean)))

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


def _centred(rows: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The mean of what is known of each statistic, NaN where nothing is, and rows less the mean, 0 where unknown."""
    mean = _known_mean(rows, nothing=np.nan)
    return mean, np.where(np.isfinite(rows), rows - mean, 0.0)


def _known_mean(rows: Float64Array, *, nothing: float = 0.0) -> Float64Array:
    seen = np.isfinite(rows)
    count = seen.sum(axis=0)
    total = np.where(seen, rows, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, nothing), where=count > 0))


def _factor_within(within: Sequence[Float64Array], nearness: Float64Array) -> Float64Array:
    """The Cholesky factor of the covariance within people, lower: [shape=(D, D)].

    `within` holds each person's scaled rows less their mean; a person counts by `nearness`, however long they were
    filmed.
    """
    from sklearn.covariance import ledoit_wolf

    share = nearness / nearness.sum()
    weighed = np.concatenate([np.sqrt(w / len(some)) * some for some, w in zip(within, share, strict=True)])
    covariance, _ = ledoit_wolf(weighed * np.sqrt(len(weighed)), assume_centered=True)
    return np.asarray(np.linalg.cholesky(covariance + 1e-9 * np.eye(len(covariance))))


def _directions(whitened: Float64Array) -> Float64Array:
    return np.asarray(whitened / np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-12))
