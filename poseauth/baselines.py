"""Plain statistics that a profile has to beat: what the set-up, the pose and the missing keypoints give away alone.

None of them is a network, none looks at more than one window at a time, and everything is fitted on the enrolment side.
Where one of them comes close to the profile, the profile may have learnt the set-up and not the person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from poseauth.arrays import Float32Array, Float64Array
from poseauth.movement_statistics import (
    body_statistics,
    frame_position,
    hand_statistics,
    hands_found,
    mean_pose,
    missing_pattern,
    movement_statistics,
    posture_distribution,
)
from poseauth.whitening import Scaler, WhitenedCosine
from poseauth.windows import Points

LOGISTIC_PENALTY_C = 0.1
"""Inverse strength of the L2 penalty on standardised statistics."""
BackEnd = Literal["logistic", "wccn"]


class WindowScorer(Protocol):
    """Fitted on the enrolment side; gives a score of each window, higher = more like the person."""

    threshold: float | None
    """Score above which the person is accepted; None where the scale has no such point."""

    def __call__(self, windows: Float32Array) -> Float64Array:
        """Scores [shape=(N,)] of windows [shape=(N, 150, P, 2)] in pixels."""


@dataclass(frozen=True)
class Baseline:
    """Statistics of a window and what is done with them.

    Attributes
    ----------
    statistics : callable
        From windows [shape=(N, 150, P, 2)], float32, pixels, to rows [shape=(N, D)], float64, NaN where unknown.
    back_end : "logistic" or "wccn"
        The person against all others by logistic regression, or the cosine to the person's mean after whitening.
    points : "twelve" or "whole"
        Of windows that show so much.
    """

    statistics: Callable[[Float32Array], Float64Array]
    back_end: BackEnd
    points: Points = "twelve"


def fit_baseline(name: str, own: Float32Array, others: Sequence[Float32Array]) -> WindowScorer:
    """A baseline fitted on the windows of the enrolment side.

    Parameters
    ----------
    name : str
        One of `BASELINES`.
    own : np.ndarray [shape=(N, 150, P, 2)], float32
        The person's windows, pixels, NaN where missing.
    others : sequence of np.ndarray [shape=(N, 150, P, 2)], float32
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
    return _WhitenedScorer(baseline.statistics, WhitenedCosine.fit(people))


BASELINES: Mapping[str, Baseline] = {
    "position": Baseline(frame_position, "logistic"),
    "mean_pose": Baseline(mean_pose, "logistic"),
    "missing": Baseline(missing_pattern, "logistic"),
    "shuffled": Baseline(posture_distribution, "wccn"),
    "statistics_wccn": Baseline(movement_statistics, "wccn"),
    "hands_found": Baseline(hands_found, "logistic", "whole"),
    "body_wccn": Baseline(body_statistics, "wccn", "whole"),
    "hands_wccn": Baseline(hand_statistics, "wccn", "whole"),
}
"""Every baseline by name."""


class _LogisticScorer:
    """Log-odds of the person against all others, both sides weighing alike."""

    threshold: float | None = 0.0

    def __init__(self, statistics: Callable[[Float32Array], Float64Array], people: Sequence[Float64Array]) -> None:
        from sklearn.linear_model import LogisticRegression

        if len(people) < 2:
            raise ValueError("there is nobody to compare with; this baseline needs somebody else's windows")
        self._statistics = statistics
        rows = np.concatenate(people)
        self._scaler = Scaler(rows)
        is_person = np.arange(len(rows)) < len(people[0])
        self._model = LogisticRegression(C=LOGISTIC_PENALTY_C, class_weight="balanced", max_iter=1000)
        self._model.fit(self._scaler(rows), is_person)

    def __call__(self, windows: Float32Array) -> Float64Array:
        if not len(windows):
            return np.zeros(0)
        return np.asarray(self._model.decision_function(self._scaler(self._statistics(windows))), dtype=np.float64)


class _WhitenedScorer:
    """The whitened cosine of a baseline's statistics."""

    threshold: float | None = None

    def __init__(self, statistics: Callable[[Float32Array], Float64Array], cosine: WhitenedCosine) -> None:
        self._statistics = statistics
        self._cosine = cosine

    def __call__(self, windows: Float32Array) -> Float64Array:
        return self._cosine(self._statistics(windows)) if len(windows) else np.zeros(0)
