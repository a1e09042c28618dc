"""From the scores of an experiment to its figures: of clips and of windows, over all attacks and of each.

AUC compares a genuine with an impostor score only where both come from one training; the pairs of all trainings are
pooled. All other figures put one threshold over all people and trainings, so that a genuine clip counts once for every
training it was scored under. Intervals resample recordings: a clip held against three people is drawn once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from person_profiles.trials import TrialScore
from poseauth.arrays import BoolArray, Float64Array
from poseauth.metrics import (
    N_RESAMPLES,
    UNKNOWN,
    Estimate,
    accuracy,
    bootstrap_interval,
    cllr,
    cllr_min,
    equal_error_rate,
    fmr_fnmr_at,
    min_dcf,
    roc_auc,
)

UNNAMED_ATTACK = {"impostor": "zero-effort", "fake": "fake"}
"""What an attack is called where the table does not say."""
CALIBRATED_BY_PROFILE = (
    "the profiles' own, fitted on videos left out of their enrolment; nothing is fitted on these trials"
)
CALIBRATED_BY_PEOPLE = (
    "cross-fitted on these trials: each clip's likelihood ratio comes from a logistic regression on the trials of "
    "other people; not a calibration that a profile carries"
)
CALIBRATED_BY_RECORDINGS = (
    "cross-fitted on these trials: each clip's likelihood ratio comes from a logistic regression on the trials of "
    "other recordings, of the same people too; not a calibration that a profile carries"
)
NOT_CALIBRATED = "none: too few trials to fit one on others than those it is applied to, so that there is no Cllr"

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Figures:
    """How well the sides are told apart; each with its 95 % interval, None where it cannot be told.

    Attributes
    ----------
    auc : Estimate
        0 to 1, within trainings.
    auc_pooled : Estimate
        0 to 1, over all pairs whatever their trainings: what one threshold for everybody can come to.
    eer : Estimate
        Share, at one threshold for all, on the ROC's convex hull.
    fmr, fnmr, accuracy : Estimate
        Shares at the scorer's own threshold; unknown where it has none.
    min_dcf : Estimate
        At p_target 0.01, both costs 1.
    cllr, cllr_min : Estimate
        Bits, over all rows; a row that the profile does not judge counts as a likelihood ratio of 1.
    judged : Estimate
        Share of the rows that have a likelihood ratio.
    cllr_judged, cllr_min_judged : Estimate
        Bits, over those rows alone: how far the likelihood ratios that are told keep their promise.
    """

    auc: Estimate = UNKNOWN
    auc_pooled: Estimate = UNKNOWN
    eer: Estimate = UNKNOWN
    fmr: Estimate = UNKNOWN
    fnmr: Estimate = UNKNOWN
    accuracy: Estimate = UNKNOWN
    min_dcf: Estimate = UNKNOWN
    cllr: Estimate = UNKNOWN
    cllr_min: Estimate = UNKNOWN
    judged: Estimate = UNKNOWN
    cllr_judged: Estimate = UNKNOWN
    cllr_min_judged: Estimate = UNKNOWN

    def as_dict(self) -> dict[str, dict[str, float | None]]:
        """Plain values for JSON."""
        return {entry.name: getattr(self, entry.name).as_dict() for entry in fields(self)}


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Scores of clips or of windows, one row each.

    Attributes
    ----------
    scores : np.ndarray [shape=(R,)], float64
        Higher = more like the person.
    is_genuine : np.ndarray [shape=(R,)], bool
        Whether the claimed person moves.
    training : np.ndarray [shape=(R,)], int
        Rows of one training compare.
    log10_lr : np.ndarray [shape=(R,)], float64, or None
        The profiles' own, else cross-fitted; None where there were too few trials for that.
    judged : np.ndarray [shape=(R,)], bool
        Whether the row's likelihood ratio was told, and is not 0 for want of one.
    recordings : tuple of str
        The recording of every row.
    trials : tuple of TrialScore
        Where every row comes from.
    calibration : str
        How `log10_lr` came about, in words.
    """

    scores: Float64Array
    is_genuine: BoolArray
    training: npt.NDArray[np.intp]
    log10_lr: Float64Array | None
    judged: BoolArray
    recordings: tuple[str, ...]
    trials: tuple[TrialScore, ...]
    calibration: str

    def __len__(self) -> int:
        return len(self.scores)


def clip_rows(results: Sequence[TrialScore]) -> ScoredRows:
    """One row for every trial under every training that was analysed."""
    found = [(result, result.scored) for result in results if result.scored]
    ratios = [None if one.log10_lr is None else np.array([one.log10_lr]) for _, one in found]
    return _rows([(result, np.array([one.score])) for result, one in found], ratios)


def window_rows(results: Sequence[TrialScore]) -> ScoredRows:
    """One row for every window of those."""
    found = [(result, result.scored) for result in results if result.scored]
    return _rows([(result, one.window_scores) for result, one in found], [one.window_log10_lr for _, one in found])


def attack_of(result: TrialScore) -> str:
    """The kind of attack of an impostor or fake."""
    return result.trial.attack or UNNAMED_ATTACK[result.trial.label]


def attacks_in(results: Sequence[TrialScore]) -> list[str]:
    """Every kind of attack that was tried."""
    return sorted({attack_of(result) for result in results if not result.trial.is_genuine})


def figures_of(
    rows: ScoredRows, *, attack: str | None = None, seed: int = 0, n_resamples: int = N_RESAMPLES
) -> Figures:
    """The error rates of rows, with intervals by recording.

    Parameters
    ----------
    rows : ScoredRows
        Clips or windows.
    attack : str or None
        Only impostors of this kind, against the genuine rows of the same trainings; None: all.
    seed : int
        Decides the resamples.
    n_resamples : int
        How many.
    """
    chosen = np.arange(len(rows)) if attack is None else _of_attack(rows, attack)
    if not len(chosen):
        return Figures()
    recordings = [rows.recordings[i] for i in chosen]

    def estimate(statistic: Callable[[Rows], float]) -> Estimate:
        # One seed for all: the figures of a table come from the same resamples.
        return bootstrap_interval(
            lambda drawn: statistic(chosen[drawn]), recordings, rng=np.random.default_rng(seed), n_resamples=n_resamples
        )

    def of_sides(figure: Callable[[Float64Array, Float64Array], float]) -> Estimate:
        return estimate(lambda at: figure(*_split(rows.scores[at], rows.is_genuine[at])))

    def of_judged(values: Float64Array, figure: Callable[[Float64Array, Float64Array], float]) -> Estimate:
        def told(at: Rows) -> float:
            kept = at[rows.judged[at]]
            return figure(*_split(values[kept], rows.is_genuine[kept]))

        return estimate(told)

    found = {
        "auc": estimate(lambda at: paired_auc(rows.scores[at], rows.is_genuine[at], rows.training[at])),
        "auc_pooled": of_sides(roc_auc),
        "eer": of_sides(equal_error_rate),
        "min_dcf": of_sides(min_dcf),
        "cllr_min": of_sides(cllr_min),
    }
    threshold = _common_threshold(rows)
    if threshold is not None:
        found["fmr"] = of_sides(lambda own, others: fmr_fnmr_at(threshold, own, others).fmr)
        found["fnmr"] = of_sides(lambda own, others: fmr_fnmr_at(threshold, own, others).fnmr)
        found["accuracy"] = of_sides(lambda own, others: accuracy(threshold, own, others))
    ratios = rows.log10_lr
    if ratios is not None:
        found["cllr"] = estimate(lambda at: cllr(*_split(ratios[at], rows.is_genuine[at])))
        found["judged"] = estimate(lambda at: float(rows.judged[at].mean()))
        found["cllr_judged"] = of_judged(ratios, cllr)
        found["cllr_min_judged"] = of_judged(rows.scores, cllr_min)
    return Figures(**found)


def paired_auc(scores: Float64Array, is_genuine: BoolArray, training: npt.NDArray[np.intp]) -> float:
    """Share of the pairs of a genuine and an impostor row of one training in which the genuine one scores higher.

    Raises
    ------
    ValueError
        If no training has both.
    """
    right, n_pairs = 0.0, 0
    for number in np.unique(training):
        own, others = _split(scores[training == number], is_genuine[training == number])
        if len(own) and len(others):
            right += roc_auc(own, others) * len(own) * len(others)
            n_pairs += len(own) * len(others)
    if not n_pairs:
        raise ValueError("no training has both genuine and impostor rows")
    return right / n_pairs


def _rows(found: Sequence[tuple[TrialScore, Float64Array]], ratios: Sequence[Float64Array | None]) -> ScoredRows:
    results = tuple(result for result, scores in found for _ in scores)
    scores = np.concatenate([scores for _, scores in found]) if found else np.zeros(0)
    numbers = {key: i for i, key in enumerate(sorted({result.training for result in results}))}
    digests = {id(result): result.trial.sequence.recording for result, _ in found}
    recordings = tuple(digests[id(result)] for result in results)
    is_genuine = np.array([result.trial.is_genuine for result in results], dtype=bool)
    own = [some for some in ratios if some is not None]
    log10_lr, calibration = (
        (np.concatenate(own), CALIBRATED_BY_PROFILE)
        if own and len(own) == len(ratios)
        else _cross_fitted(scores, is_genuine, results, recordings)
    )
    training = np.array([numbers[result.training] for result in results], dtype=np.intp)
    judged = np.array([result.scored is not None and result.scored.judged for result in results], dtype=bool)
    return ScoredRows(scores, is_genuine, training, log10_lr, judged, recordings, results, calibration)


def _of_attack(rows: ScoredRows, attack: str) -> Rows:
    chosen = np.array([not r.trial.is_genuine and attack_of(r) == attack for r in rows.trials], dtype=bool)
    same_training = np.isin(rows.training, rows.training[chosen])
    return np.flatnonzero(chosen | (rows.is_genuine & same_training))


def _split(values: Float64Array, is_genuine: BoolArray) -> tuple[Float64Array, Float64Array]:
    return values[is_genuine], values[~is_genuine]


def _common_threshold(rows: ScoredRows) -> float | None:
    thresholds = {result.threshold for result in rows.trials}
    return thresholds.pop() if len(thresholds) == 1 else None


def _cross_fitted(
    scores: Float64Array, is_genuine: BoolArray, results: Sequence[TrialScore], recordings: Sequence[str]
) -> tuple[Float64Array | None, str]:
    """Log10 likelihood ratios, each from trials without the person seen; if these do not suffice, the recording."""
    seen = [result.trial.actual or recording for result, recording in zip(results, recordings, strict=True)]
    by_people = [
        {who, result.trial.claimed} if result.trial.actual else {who} for who, result in zip(seen, results, strict=True)
    ]
    ratios = _fitted_without(scores, is_genuine, seen, by_people)
    if ratios is not None:
        return ratios, CALIBRATED_BY_PEOPLE
    ratios = _fitted_without(scores, is_genuine, recordings, [{recording} for recording in recordings])
    return ratios, CALIBRATED_BY_RECORDINGS if ratios is not None else NOT_CALIBRATED


def _fitted_without(
    scores: Float64Array, is_genuine: BoolArray, groups: Sequence[Hashable], involved: Sequence[set[str]]
) -> Float64Array | None:
    """For every group a fit on the rows that do not involve it; None where one of the fits would lack a side."""
    if not len(scores):
        return None
    ratios = np.zeros(len(scores))
    for group in set(groups):
        inside = np.array([other == group for other in groups])
        apart = np.array([group not in names for names in involved])
        if len(set(is_genuine[apart].tolist())) < 2:
            return None
        ratios[inside] = _calibrated(scores[apart], is_genuine[apart], scores[inside])
    return ratios


def _calibrated(scores: Float64Array, is_genuine: BoolArray, new: Float64Array) -> Float64Array:
    """Log10 likelihood ratios by logistic regression, both sides weighing alike, so that the prior odds are 1."""
    from sklearn.linear_model import LogisticRegression

    scale = max(float(scores.std()), 1e-9)
    model = LogisticRegression(class_weight="balanced").fit(((scores - scores.mean()) / scale)[:, None], is_genuine)
    log_odds = model.decision_function(((new - scores.mean()) / scale)[:, None])
    return np.asarray(log_odds / np.log(10.0), dtype=np.float64)
