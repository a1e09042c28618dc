"""How well scores tell genuine clips from impostors: error rates, costs, and how sure they are.

Scores stand in two arrays, `genuine` and `impostor`; higher = more like the person. A trial is accepted when its score
is above the threshold. FMR is the share of impostors accepted, FNMR the share of genuine trials rejected (ISO/IEC
19795-1). A figure that needs a side which is missing is a ValueError here, and None in a summary: never NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from poseauth.arrays import Float64Array

N_RESAMPLES = 1000
LEVEL = 0.95
_MAX_UNDEFINED = 0.5
"""Share of resamples without a figure above which no interval is given."""

Scores = npt.ArrayLike


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where it cannot be told."""

    value: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        """Plain values for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


UNKNOWN = Estimate(None, None, None)


@dataclass(frozen=True)
class ErrorRates:
    """Shares, 0 to 1, at one threshold."""

    fmr: float
    fnmr: float


@dataclass(frozen=True, eq=False)
class DetCurve:
    """Error rates at every threshold that makes a difference, the most lenient first.

    Attributes
    ----------
    thresholds : np.ndarray [shape=(M,)], float64
        Increasing, from -inf (everything is accepted); a trial is accepted above its threshold.
    fmr, fnmr : np.ndarray [shape=(M,)], float64
        Shares, 0 to 1: FMR falls from 1 to 0, FNMR rises from 0 to 1.
    """

    thresholds: Float64Array
    fmr: Float64Array
    fnmr: Float64Array


@dataclass(frozen=True, eq=False)
class TippettCurve:
    """Shares of trials whose log10 likelihood ratio is at least x.

    Attributes
    ----------
    log10_lr : np.ndarray [shape=(M,)], float64
        The x, increasing.
    genuine, impostor : np.ndarray [shape=(M,)], float64
        Shares, 0 to 1, falling.
    """

    log10_lr: Float64Array
    genuine: Float64Array
    impostor: Float64Array


def roc_auc(genuine: Scores, impostor: Scores) -> float:
    """Probability that a genuine score is above an impostor's, a tie counting half.

    The area under the ROC curve by the Mann-Whitney statistic (Hanley and McNeil, Radiology 143, 1982).

    Parameters
    ----------
    genuine, impostor : array-like [shape=(G,)] and [shape=(I,)]
        Scores; infinite ones are allowed.

    Returns
    -------
    float
        0 to 1; 0.5 = chance.

    Raises
    ------
    ValueError
        If a side is empty or a score is NaN.
    """
    own, others = _sides(genuine, impostor)
    others = np.sort(others)
    below = np.searchsorted(others, own, side="left") + np.searchsorted(others, own, side="right")
    return float(below.sum() / (2 * len(own) * len(others)))


def fmr_fnmr_at(threshold: float, genuine: Scores, impostor: Scores) -> ErrorRates:
    """Both error rates where scores above the threshold are accepted.

    Raises
    ------
    ValueError
        If a side is empty or a score is NaN.
    """
    own, others = _sides(genuine, impostor)
    return ErrorRates(fmr=float((others > threshold).mean()), fnmr=float((own <= threshold).mean()))


def accuracy(threshold: float, genuine: Scores, impostor: Scores) -> float:
    """Share of all trials told right at a threshold, 0 to 1; the larger side weighs more.

    Raises
    ------
    ValueError
        If a side is empty or a score is NaN.
    """
    own, others = _sides(genuine, impostor)
    return float(((own > threshold).sum() + (others <= threshold).sum()) / (len(own) + len(others)))


def det_points(genuine: Scores, impostor: Scores) -> DetCurve:
    """FMR and FNMR at every threshold (Martin et al., The DET curve, Eurospeech 1997).

    Raises
    ------
    ValueError
        If a side is empty or a score is NaN.
    """
    own, others = _sides(genuine, impostor)
    values = np.unique(np.concatenate([own, others]))
    fnmr = np.searchsorted(np.sort(own), values, side="right") / len(own)
    fmr = 1 - np.searchsorted(np.sort(others), values, side="right") / len(others)
    return DetCurve(np.r_[-np.inf, values], np.r_[1.0, fmr], np.r_[0.0, fnmr])


def equal_error_rate(genuine: Scores, impostor: Scores) -> float:
    """Error rate at which FMR and FNMR are equal, on the convex hull of the ROC curve.

    The hull is what pool-adjacent-violators gives, so that the figure depends neither on how one interpolates nor on
    steps that a small test happens to have (ROCCH-EER: Brümmer and de Villiers, The BOSARIS toolkit, 2013, section 3).
    It is never above the rate read from the stepped curve.

    Raises
    ------
    ValueError
        If a side is empty or a score is NaN.
    """
    own, others = _sides(genuine, impostor)
    pooled = _pool_adjacent_violators(own, others)
    fnmr = np.r_[0.0, np.cumsum(pooled.n_genuine)] / len(own)
    fmr = 1 - np.r_[0.0, np.cumsum(pooled.n_impostor)] / len(others)
    after = int(np.argmax(fnmr >= fmr))
    before = after - 1
    gap_before, gap_after = fmr[before] - fnmr[before], fmr[after] - fnmr[after]
    share = gap_before / (gap_before - gap_after)
    return float(fnmr[before] + share * (fnmr[after] - fnmr[before]))


def min_dcf(
    genuine: Scores, impostor: Scores, *, p_target: float = 0.01, c_miss: float = 1.0, c_fa: float = 1.0
) -> float:
    """Least detection cost over all thresholds, divided by that of the better of accepting and rejecting everything.

    As in NIST's speaker recognition evaluations (SRE 2016 evaluation plan, section 3).

    Parameters
    ----------
    genuine, impostor : array-like
        Scores.
    p_target : float
        Prior probability of a genuine trial, inside 0 to 1.
    c_miss, c_fa : float
        What a false rejection and a false acceptance cost, above 0.

    Returns
    -------
    float
        0 to 1; 1 = of no more use than no scores at all.

    Raises
    ------
    ValueError
        If a side is empty, a score is NaN, or a cost or the prior is out of range.
    """
    if not 0 < p_target < 1 or not c_miss > 0 or not c_fa > 0:
        raise ValueError(f"p_target {p_target}, c_miss {c_miss} or c_fa {c_fa} is out of range")
    curve = det_points(genuine, impostor)
    miss, false_alarm = c_miss * p_target, c_fa * (1 - p_target)
    return float((miss * curve.fnmr + false_alarm * curve.fmr).min() / min(miss, false_alarm))


def cllr(genuine_log10_lr: Scores, impostor_log10_lr: Scores) -> float:
    """Cost of likelihood ratios, in bits (Brümmer and du Preez, Computer Speech and Language 20, 2006).

    Parameters
    ----------
    genuine_log10_lr, impostor_log10_lr : array-like
        Log10 likelihood ratios, not scores: above 0 = speaks for the person.

    Returns
    -------
    float
        0 = perfect, 1 = as good as always saying LR = 1; above 1 = misleading.

    Raises
    ------
    ValueError
        If a side is empty or a value is not finite: a ratio of zero or infinity claims what no test can support.
    """
    own, others = _sides(genuine_log10_lr, impostor_log10_lr)
    if not (np.isfinite(own).all() and np.isfinite(others).all()):
        raise ValueError("a log10 likelihood ratio is infinite; bound the ratios first")
    return _cost_of_log_ratios(own * np.log(10.0), others * np.log(10.0))


def cllr_min(genuine: Scores, impostor: Scores) -> float:
    """Cllr that the same order of scores would have under the best calibration there is, in bits.

    Calibrated on these very trials by pool-adjacent-violators (Brümmer and du Preez 2006, section 6): what is left is
    the cost of poor discrimination.

    Returns
    -------
    float
        0 = the sides are apart, 1 = the scores tell nothing.

    Raises
    ------
    ValueError
        If a side is empty or a score is NaN.
    """
    own, others = _sides(genuine, impostor)
    pooled = _pool_adjacent_violators(own, others)
    with np.errstate(divide="ignore"):
        log_ratio = np.log(pooled.n_genuine / len(own)) - np.log(pooled.n_impostor / len(others))
    has_own, has_others = pooled.n_genuine > 0, pooled.n_impostor > 0
    own_cost = np.logaddexp(0.0, -log_ratio[has_own]) * pooled.n_genuine[has_own]
    others_cost = np.logaddexp(0.0, log_ratio[has_others]) * pooled.n_impostor[has_others]
    return float((own_cost.sum() / len(own) + others_cost.sum() / len(others)) / (2 * np.log(2.0)))


def tippett(genuine_log10_lr: Scores, impostor_log10_lr: Scores) -> TippettCurve:
    """Share of the trials of either side whose log10 likelihood ratio is at least x (Meuwly, Lausanne 2001).

    Raises
    ------
    ValueError
        If a side is empty or a value is NaN.
    """
    own, others = _sides(genuine_log10_lr, impostor_log10_lr)
    values = np.unique(np.concatenate([own, others]))
    return TippettCurve(
        values,
        1 - np.searchsorted(np.sort(own), values, side="left") / len(own),
        1 - np.searchsorted(np.sort(others), values, side="left") / len(others),
    )


def highest_share(n_wrong: int, n_tried: int) -> float:
    """Up to which share may be wrong where so many of so many were: upper end of the exact 95 % interval, 0 to 1.

    Clopper and Pearson, Biometrika 26, 1934.

    Parameters
    ----------
    n_wrong, n_tried : int
        Independent trials, one at the least.
    """
    from scipy.stats import binomtest

    return float(binomtest(n_wrong, n_tried).proportion_ci(0.95, method="exact").high)


def bootstrap_interval(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    groups: Sequence[object],
    *,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> Estimate:
    """A figure with its percentile interval by resampling whole recordings (cluster bootstrap).

    Windows of one clip, and one clip held against several people, go together: groups are drawn with replacement, and
    every row of a drawn group comes with it (Davison and Hinkley, Bootstrap Methods, 1997, section 3.8; Bolle, Ratha
    and Pankanti, Pattern Recognition 37, 2004, for biometric error rates).

    Parameters
    ----------
    statistic : callable
        Gives the figure of rows, named by their numbers, with repetition; a ValueError means undefined.
    groups : sequence
        The recording of every row.
    rng : np.random.Generator
        Decides the resamples.
    n_resamples : int
        How many.
    level : float
        Coverage, inside 0 to 1.

    Returns
    -------
    Estimate
        Nothing but None where the figure itself is undefined; no interval where there are fewer than two groups, or
        the figure is undefined in more than half of the resamples.

    Raises
    ------
    ValueError
        If `n_resamples` or `level` is out of range.
    """
    if n_resamples < 1 or not 0 < level < 1:
        raise ValueError(f"n_resamples {n_resamples} or level {level} is out of range")
    value = _defined(statistic, np.arange(len(groups)))
    if value is None:
        return UNKNOWN
    members: dict[object, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    rows = [np.array(some) for some in members.values()]
    if len(rows) < 2:
        return Estimate(value, None, None)
    drawn = (
        _defined(statistic, np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))]))
        for _ in range(n_resamples)
    )
    found = [figure for figure in drawn if figure is not None]
    if len(found) < max(1, (1 - _MAX_UNDEFINED) * n_resamples):
        return Estimate(value, None, None)
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def _defined(statistic: Callable[[npt.NDArray[np.intp]], float], rows: npt.NDArray[np.intp]) -> float | None:
    try:
        value = float(statistic(rows))
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _sides(genuine: Scores, impostor: Scores) -> tuple[Float64Array, Float64Array]:
    own = np.asarray(genuine, dtype=np.float64).ravel()
    others = np.asarray(impostor, dtype=np.float64).ravel()
    if not len(own) or not len(others):
        raise ValueError(f"{len(own)} genuine and {len(others)} impostor scores; at least one of each is needed")
    if np.isnan(own).any() or np.isnan(others).any():
        raise ValueError("a score is NaN")
    return own, others


def _cost_of_log_ratios(own: Float64Array, others: Float64Array) -> float:
    """Cllr of natural log likelihood ratios."""
    return float((np.logaddexp(0.0, -own).mean() + np.logaddexp(0.0, others).mean()) / (2 * np.log(2.0)))


@dataclass(frozen=True, eq=False)
class _Pooled:
    """Trials in blocks of rising share of genuine ones: the segments of the ROC curve's convex hull."""

    n_genuine: Float64Array
    n_impostor: Float64Array


def _pool_adjacent_violators(own: Float64Array, others: Float64Array) -> _Pooled:
    from scipy.optimize import isotonic_regression

    values, number = np.unique(np.concatenate([own, others]), return_inverse=True)
    n_genuine = np.bincount(number[: len(own)], minlength=len(values)).astype(np.float64)
    n_all = np.bincount(number, minlength=len(values)).astype(np.float64)
    starts = isotonic_regression(n_genuine / n_all, weights=n_all).blocks[:-1]
    pooled_genuine = np.add.reduceat(n_genuine, starts)
    return _Pooled(pooled_genuine, np.add.reduceat(n_all, starts) - pooled_genuine)
