"""What scores of labelled clips come to: figures by scikit-learn, with a reason in the place of each undefined one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from poseauth import metrics
from poseauth.arrays import BoolArray, Float64Array

DECISION = 0.5
"""Probability above which a clip is called authentic."""
N_RESAMPLES = 500
MIN_GROUPS = 5
"""Of either label; resampling fewer says nothing of the spread."""
_SMALLEST = 1e-6
"""Probabilities are kept this far from 0 and 1 where a logarithm is taken: a network's float32 cannot tell more."""

NEED_BOTH = ("balanced_accuracy", "auc", "eer")
WITH_INTERVAL = ("accuracy", "auc", "eer")
NAMES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "eer", "mae", "log_loss")

_Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Interval:
    """95 %, by resampling groups."""

    low: float
    high: float


@dataclass(frozen=True)
class Confusion:
    """Clips by what they are and what they were called."""

    real_as_real: int
    real_as_fake: int
    fake_as_real: int
    fake_as_fake: int


@dataclass(frozen=True)
class Measures:
    """The figures of one detector on one side of the split.

    Attributes
    ----------
    n_real, n_fake : int
        Clips with a score.
    values : mapping of str to float or None
        By `NAMES`; None where undefined.
    undefined : mapping of str to str
        Why a figure is None.
    intervals : mapping of str to Interval
        Of those in `WITH_INTERVAL`, where there are `MIN_GROUPS` of either label.
    confusion : Confusion
        At `DECISION`.
    """

    n_real: int
    n_fake: int
    values: Mapping[str, float | None]
    undefined: Mapping[str, str]
    confusion: Confusion
    intervals: Mapping[str, Interval] = field(default_factory=dict)


def measure(
    is_authentic: BoolArray,
    probability: Float64Array,
    *,
    groups: Sequence[object] = (),
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Measures:
    """All figures of some clips.

    Precision, recall and F1 are of finding fakes; AUC and EER need no threshold; MAE is of the probability.

    Parameters
    ----------
    is_authentic : np.ndarray [shape=(C,)], bool
        What the clips are.
    probability : np.ndarray [shape=(C,)], float64
        0 to 1, higher = more like authentic.
    groups : sequence
        Group of every clip, by which intervals are resampled; () gives no intervals.
    seed : int
        Decides the resamples.
    n_resamples : int
        How many.

    Raises
    ------
    ValueError
        If a probability is not one.
    """
    if probability.shape != is_authentic.shape or not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a probability between 0 and 1 is needed for each clip")
    n_real, n_fake = int(is_authentic.sum()), int((~is_authentic).sum())
    called_real = probability > DECISION
    values: dict[str, float | None] = dict.fromkeys(NAMES)
    undefined = {}
    for name, figure in _figures().items():
        lacking = _lacking(name, n_real, n_fake, called_real)
        if lacking:
            undefined[name] = lacking
        else:
            values[name] = figure(is_authentic, probability, called_real)
    confusion = Confusion(
        int((is_authentic & called_real).sum()),
        int((is_authentic & ~called_real).sum()),
        int((~is_authentic & called_real).sum()),
        int((~is_authentic & ~called_real).sum()),
    )
    n_groups = [
        len({groups[row] for row in np.flatnonzero(side).tolist()}) for side in (is_authentic, ~is_authentic) if groups
    ]
    intervals = {}
    if min(n_groups, default=0) >= MIN_GROUPS:
        intervals = _intervals(is_authentic, probability, groups, values, seed, n_resamples)
    return Measures(n_real, n_fake, values, undefined, confusion, intervals)


def _lacking(name: str, n_real: int, n_fake: int, called_real: BoolArray) -> str:
    """Why a figure cannot be told; "" where it can."""
    if not n_real + n_fake:
        return "no clip here has a score"
    if name in NEED_BOTH and not (n_real and n_fake):
        return f"{n_real} real and {n_fake} fake clips have a score here; one of each is needed"
    if name in ("recall", "f1") and not n_fake:
        return "no fake clip has a score here"
    if name == "precision" and called_real.all():
        return "no clip was called fake"
    return ""


_Figure = Callable[[BoolArray, Float64Array, BoolArray], float]


def _figures() -> dict[str, _Figure]:
    from sklearn import metrics as sk

    fakes: dict[str, Any] = {"pos_label": False, "zero_division": 0.0}
    return {
        "accuracy": lambda real, p, called: float(sk.accuracy_score(real, called)),
        "balanced_accuracy": lambda real, p, called: float(sk.balanced_accuracy_score(real, called)),
        "precision": lambda real, p, called: float(sk.precision_score(real, called, **fakes)),
        "recall": lambda real, p, called: float(sk.recall_score(real, called, **fakes)),
        "f1": lambda real, p, called: float(sk.f1_score(real, called, **fakes)),
        "auc": lambda real, p, called: float(sk.roc_auc_score(real, p)),
        "eer": lambda real, p, called: metrics.equal_error_rate(p[real], p[~real]),
        "mae": lambda real, p, called: float(sk.mean_absolute_error(real.astype(np.float64), p)),
        "log_loss": lambda real, p, called: float(
            sk.log_loss(real, np.clip(p, _SMALLEST, 1 - _SMALLEST), labels=[False, True])
        ),
    }


def _intervals(
    real: BoolArray,
    probability: Float64Array,
    groups: Sequence[object],
    values: Mapping[str, float | None],
    seed: int,
    n_resamples: int,
) -> dict[str, Interval]:
    def accuracy(rows: _Rows) -> float:
        return float((real[rows] == (probability[rows] > DECISION)).mean())

    def auc(rows: _Rows) -> float:
        return metrics.roc_auc(probability[rows][real[rows]], probability[rows][~real[rows]])

    def eer(rows: _Rows) -> float:
        return metrics.equal_error_rate(probability[rows][real[rows]], probability[rows][~real[rows]])

    found = {}
    for name, statistic in zip(WITH_INTERVAL, (accuracy, auc, eer), strict=True):
        if values[name] is None:
            continue
        rng = np.random.default_rng(seed)
        estimate = metrics.bootstrap_interval(statistic, groups, rng=rng, n_resamples=n_resamples)
        if estimate.low is not None and estimate.high is not None:
            found[name] = Interval(estimate.low, estimate.high)
    return found


def mean_and_deviation(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation of the repeats that have a value; None where there are too few."""
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else None
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return mean, deviation
