"""From scores of held-out clips to likelihood ratios: the fit, its bounds, its interval and the undecided band.

All ratios are log10; above 0 speaks for the person. Everything is fitted on clips of videos that the scorer had not
learnt from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from poseauth.arrays import BoolArray, Float64Array

MIN_VIDEOS = 2
"""Videos of either side below which nothing is fitted."""
N_RESAMPLES = 200
"""Fits on resampled videos, for the interval."""
LEVEL = 0.95
MIN_UNDECIDED = float(np.log10(2.0))
"""A ratio of less than 2 to 1 decides nothing, whatever the held-out clips say."""
MAX_WRONG = 0.05
"""Share of held-out videos, of either side, that may be misled beyond the undecided band."""
BOUND_STEP = 0.01
"""Log10, to which the bounds are known."""
_NEWTON_STEPS = 100
_LONGEST_STEP = 2.0
"""Of Newton's method on a standardised score, which overshoots from afar."""
_PENALTY_C = 1.0
"""Inverse strength of the L2 penalty on the standardised score: keeps the slope finite where the sides are apart."""


@dataclass(frozen=True)
class ScoreLine:
    """A straight line from a score to natural log odds at equal priors."""

    slope: float
    intercept: float

    def __call__(self, scores: Float64Array) -> Float64Array:
        """Natural log likelihood ratios of scores."""
        return np.asarray(self.slope * np.asarray(scores, dtype=np.float64) + self.intercept)


@dataclass(frozen=True)
class LikelihoodRatio:
    """How much better a clip's score fits the person than somebody else; log10.

    Attributes
    ----------
    log10_lr : float
        Above 0 = speaks for the person.
    low, high : float
        95 % interval, from fits on resampled held-out videos.
    lower_bound, upper_bound : float
        What so many held-out videos can support at the most; `log10_lr` is inside.
    undecided : float
        Ratios nearer to 0 than this decide nothing.
    """

    log10_lr: float
    low: float
    high: float
    lower_bound: float
    upper_bound: float
    undecided: float

    @property
    def speaks_for(self) -> bool:
        """Whether it speaks for the person beyond the undecided band, with all of its interval on that side of 0."""
        return self.log10_lr > self.undecided and self.low > 0

    @property
    def speaks_against(self) -> bool:
        """Whether it speaks against the person likewise."""
        return self.log10_lr < -self.undecided and self.high < 0

    @property
    def is_at_limit(self) -> bool:
        """Whether all of the interval lies at one of the bounds.

        Then its width says that the videos are too few to support more, and nothing of how sure the value is.
        """
        ends = (self.low, self.high)
        return any(
            all(abs(end - bound) < BOUND_STEP / 2 for end in ends) for bound in (self.lower_bound, self.upper_bound)
        )

    @property
    def interval_in_words(self) -> str:
        """The interval, log10, or what is to be said in its place."""
        if self.is_at_limit:
            return "at the limit of what this profile can support"
        return f"{self.low:+.2f} to {self.high:+.2f}"


@dataclass(frozen=True)
class Calibration:
    """What turns the mean score of a clip's windows into a likelihood ratio.

    Attributes
    ----------
    line : ScoreLine
        By logistic regression, both sides and every video weighing alike.
    resampled : tuple of ScoreLine
        The same fitted on videos drawn with replacement.
    lower_bound, upper_bound : float
        Log10; by `empirical_bounds` on one ratio a video.
    undecided : float
        Log10, at least `MIN_UNDECIDED`; where it reaches beyond the bounds, nothing is ever decided.
    n_genuine, n_other : int
        Videos it rests on.
    """

    line: ScoreLine
    resampled: tuple[ScoreLine, ...]
    lower_bound: float
    upper_bound: float
    undecided: float
    n_genuine: int
    n_other: int

    def log10_lr(self, scores: Float64Array) -> Float64Array:
        """Bounded log10 likelihood ratios of clips' mean scores."""
        return self._bounded(self.line(scores))

    def of_clip(self, score: float) -> LikelihoodRatio:
        """The likelihood ratio of one clip, from the mean score of its windows."""
        one = np.array([score])
        value = float(self.log10_lr(one)[0])
        drawn = self._bounded(np.concatenate([line(one) for line in self.resampled or (self.line,)]))
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return LikelihoodRatio(
            value, min(value, float(low)), max(value, float(high)), self.lower_bound, self.upper_bound, self.undecided
        )

    def _bounded(self, log_odds: Float64Array) -> Float64Array:
        return np.asarray(np.clip(log_odds / np.log(10.0), self.lower_bound, self.upper_bound))


def fit_calibration(
    scores: Float64Array, is_genuine: BoolArray, videos: Sequence[object], *, rng: np.random.Generator
) -> Calibration:
    """A calibration by logistic regression (Brümmer and du Preez, Computer Speech and Language 20, 2006).

    Parameters
    ----------
    scores : np.ndarray [shape=(R,)], float64
        Mean scores of held-out clips; a video may give several.
    is_genuine : np.ndarray [shape=(R,)], bool
        Whether the person moves in it.
    videos : sequence
        The video of every row. Videos, not rows, are counted, weighed and resampled.
    rng : np.random.Generator
        Decides the resamples.

    Raises
    ------
    ValueError
        If either side has fewer than `MIN_VIDEOS` videos, a video is on both, or a score is not finite.
    """
    rows = _rows_by_video(scores, is_genuine, videos)
    genuine = [some for some in rows if is_genuine[some[0]]]
    others = [some for some in rows if not is_genuine[some[0]]]
    resampled = []
    for _ in range(N_RESAMPLES):
        drawn = [side[i] for side in (genuine, others) for i in rng.integers(len(side), size=len(side))]
        resampled.append(fit_line(scores, is_genuine, drawn))
    return replace(_fit_once(scores, is_genuine, rows), resampled=tuple(resampled))


def judge_each_unseen(
    scores: Float64Array, is_genuine: BoolArray, videos: Sequence[object]
) -> tuple[Float64Array, Float64Array]:
    """Every clip by what the other videos give: line, bounds and undecided band are fitted without its own.

    By a calibration that has seen it, a clip is hardly ever misled: the band is made wide enough for it.

    Parameters
    ----------
    scores, is_genuine, videos :
        As in `fit_calibration`.

    Returns
    -------
    log10_lr : np.ndarray [shape=(R,)], float64
        Above 0 = speaks for the person; bounded.
    undecided : np.ndarray [shape=(R,)], float64
        Ratios nearer to 0 than this decide nothing, by the same videos; log10.

    Raises
    ------
    ValueError
        As `fit_calibration`.
    """
    rows = _rows_by_video(scores, is_genuine, videos)
    ratios, undecided = np.zeros(len(scores)), np.zeros(len(scores))
    for left_out, own in enumerate(rows):
        rest = _fit_once(scores, is_genuine, [*rows[:left_out], *rows[left_out + 1 :]])
        ratios[own], undecided[own] = rest.log10_lr(scores[own]), rest.undecided
    return ratios, undecided


def _fit_once(scores: Float64Array, is_genuine: BoolArray, rows: Sequence[np.ndarray]) -> Calibration:
    """Line, bounds and band of videos by their rows, without the resamples."""
    line = fit_line(scores, is_genuine, rows)
    of_video = np.array([float(line(scores[some]).mean()) / np.log(10.0) for some in rows])
    is_person = np.array([is_genuine[some[0]] for some in rows], dtype=bool)
    lower, upper = empirical_bounds(of_video, is_person)
    n_genuine = int(is_person.sum())
    return Calibration(line, (), lower, upper, _undecided(of_video, is_person), n_genuine, len(rows) - n_genuine)


def fit_line(scores: Float64Array, is_genuine: BoolArray, rows: Sequence[np.ndarray]) -> ScoreLine:
    """Logistic regression with both sides weighing alike, so that the prior odds are 1, and a video's rows as one.

    Parameters
    ----------
    scores, is_genuine :
        As in `fit_calibration`.
    rows : sequence of np.ndarray of int
        The rows of each video, both sides among them.
    """
    chosen = np.concatenate(rows)
    of_video = np.concatenate([np.full(len(some), 1.0 / len(some)) for some in rows])
    labels, values = is_genuine[chosen], scores[chosen]
    side = np.where(labels, of_video[labels].sum(), of_video[~labels].sum())
    weight = 0.5 * len(rows) * of_video / side
    mean = float(np.average(values, weights=weight))
    scale = max(float(np.sqrt(np.average((values - mean) ** 2, weights=weight))), 1e-9)
    slope, intercept = _logistic_regression((values - mean) / scale, labels, weight)
    # A score that is higher for others tells that nothing was learnt, not that the scale is upside down.
    if slope <= 0:
        return ScoreLine(0.0, 0.0)
    return ScoreLine(slope / scale, intercept - slope * mean / scale)


def _logistic_regression(values: Float64Array, labels: BoolArray, weight: Float64Array) -> tuple[float, float]:
    """Slope, with an L2 penalty, and intercept, without one, by Newton's method.

    The same optimum as scikit-learn's LogisticRegression; two unknowns and hundreds of fits are not its strength.
    """
    rows = np.stack([values, np.ones_like(values)], axis=1)
    penalty = np.diag([1.0 / _PENALTY_C, 0.0])
    line = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        promised = 1 / (1 + np.exp(-np.clip(rows @ line, -50, 50)))
        slope = rows.T @ (weight * (promised - labels)) + penalty @ line
        curvature = (rows * (weight * promised * (1 - promised))[:, None]).T @ rows + penalty
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), slope)
        line -= step * min(1.0, _LONGEST_STEP / max(float(np.linalg.norm(step)), 1e-12))
        if float(np.abs(step).max()) < 1e-9:
            break
    return float(line[0]), float(line[1])


def empirical_bounds(log10_lr: Float64Array, is_genuine: BoolArray) -> tuple[float, float]:
    """The largest likelihood ratios, down and up, that so many trials can support: ELUB.

    Vergeer, van Es, de Jongh, Alberink and Stoel, Science and Justice 56 (2016) 482-491: with one misleading trial more
    on either side, deciding by the ratios must not cost more than deciding without them, at any prior odds between.

    Parameters
    ----------
    log10_lr : np.ndarray [shape=(R,)], float64
        Of trials that do not depend on one another.
    is_genuine : np.ndarray [shape=(R,)], bool
        Which side they are of.

    Returns
    -------
    tuple of float
        Lower bound, at most 0, and upper bound, at least 0; log10.
    """
    genuine, others = log10_lr[is_genuine], log10_lr[~is_genuine]
    first = min(0, int(max(log10_lr.min(), -np.log10(len(genuine) + 1)) // BOUND_STEP))
    last = max(0, int(min(log10_lr.max(), np.log10(len(others) + 1)) // BOUND_STEP) + 1)
    thresholds = np.linspace(first * BOUND_STEP, last * BOUND_STEP, last - first + 1)
    theta = 10.0**thresholds
    rejected = ((genuine[:, None] <= thresholds).sum(axis=0) + 1) / (len(genuine) + 1)
    accepted = ((others[:, None] > thresholds).sum(axis=0) + 1) / (len(others) + 1)
    # Without ratios everything is accepted below prior odds of 1 and rejected above.
    neutral = np.where(theta < 1, theta, 1.0)
    worse = neutral / (rejected + theta * accepted) < 1
    left, right = thresholds[(thresholds <= 0) & worse], thresholds[(thresholds >= 0) & worse]
    lower = float(np.max(left + BOUND_STEP, initial=float(thresholds.min())))
    upper = float(np.min(right - BOUND_STEP, initial=float(thresholds.max())))
    return min(lower, 0.0), max(upper, 0.0)


def _undecided(log10_lr: Float64Array, is_genuine: BoolArray) -> float:
    """The least half-width beyond which at most `MAX_WRONG` of either side is misled."""
    misled = [np.sort(-log10_lr[is_genuine])[::-1], np.sort(log10_lr[~is_genuine])[::-1]]
    # The strongest misleading ratio that is not among those let pass.
    widths = [float(side[int(MAX_WRONG * len(side))]) for side in misled]
    return max(MIN_UNDECIDED, *widths)


def _rows_by_video(scores: Float64Array, is_genuine: BoolArray, videos: Sequence[object]) -> list[np.ndarray]:
    """The rows of each video, in an order that does not depend on that of the files: resamples are drawn by number."""
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    members: dict[object, list[int]] = {}
    for row, video in enumerate(videos):
        members.setdefault(video, []).append(row)
    rows = [np.array(some) for some in members.values()]
    if any(len(set(is_genuine[some].tolist())) > 1 for some in rows):
        raise ValueError("a video is given as genuine and as not")
    n_genuine = sum(bool(is_genuine[some[0]]) for some in rows)
    n_other = len(rows) - n_genuine
    if min(n_genuine, n_other) < MIN_VIDEOS:
        raise ValueError(f"{n_genuine} genuine and {n_other} other videos; {MIN_VIDEOS} of each are needed")
    return sorted(rows, key=lambda some: sorted(scores[some].tolist()))
