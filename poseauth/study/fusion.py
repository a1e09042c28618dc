"""Late fusion: a pose detector's likelihood ratio and an appearance detector's, together on the same clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from poseauth.arrays import Float64Array
from poseauth.calibration import MIN_VIDEOS, fit_line
from poseauth.study.measures import Measures, measure
from poseauth.study.splitting import TEST, VALIDATION

_LARGEST_LOG_ODDS = 14.0
"""Of a probability one part in a million from 0 or 1, beyond which a network's float32 tells nothing."""
UNNAMED_ATTACK = "fake"
"""What fakes are called whose attack nobody names."""


@dataclass(frozen=True)
class ClipScore:
    """What one detector says of one clip.

    Attributes
    ----------
    digest : str
        The clip's.
    side : str
        One of `SIDES`.
    is_authentic : bool
        Its label.
    group, attack : str
        As in `LabelledClip`.
    probability : float
        0 to 1, higher = more like authentic.
    """

    digest: str
    side: str
    is_authentic: bool
    group: str
    attack: str
    probability: float


@dataclass(frozen=True)
class Fused:
    """Two detectors and their fusion on the test clips that both have a score for.

    Attributes
    ----------
    n_validation, n_test : int
        Clips with both scores.
    measures : mapping of str to Measures or None
        By "pose", "appearance" and "fusion", of the calibrated probabilities at even odds; None where there is a
        `reason`.
    by_attack : mapping of str to mapping of str to Measures
        The same for real clips against the fakes of one kind.
    weights : tuple of float
        Of the pose's log likelihood ratio, the appearance's, and the intercept.
    reason : str
        Why there is no fusion; "" where there is one.
    """

    n_validation: int
    n_test: int
    measures: Mapping[str, Measures] | None
    by_attack: Mapping[str, Mapping[str, Measures]]
    weights: tuple[float, float, float] | None
    reason: str = ""


def fuse(pose: Sequence[ClipScore], appearance: Sequence[ClipScore]) -> Fused:
    """Logistic regression, on validation clips, on two log likelihood ratios calibrated on the same clips.

    Each detector's score is turned into a log likelihood ratio by `poseauth.calibration`, before its bounds, which so
    few clips would make of nearly every ratio the same. Both labels weigh alike.

    Parameters
    ----------
    pose, appearance : sequence of ClipScore
        The scores of two detectors taught on the same split.
    """
    of_pose = {score.digest: score for score in pose}
    of_face = {score.digest: score for score in appearance}
    both = sorted(of_pose.keys() & of_face.keys())
    held_out = [digest for digest in both if of_pose[digest].side == VALIDATION]
    tested = [digest for digest in both if of_pose[digest].side == TEST]
    n_fake = sum(not of_pose[digest].is_authentic for digest in held_out)
    n_real = sum(of_pose[digest].is_authentic for digest in held_out)
    if min(n_real, n_fake) < MIN_VIDEOS or not tested:
        reason = (
            f"{n_real} real and {n_fake} fake validation clips and {len(tested)} test clips have both scores; "
            f"{MIN_VIDEOS} of each and a test clip are needed"
        )
        return Fused(len(held_out), len(tested), None, {}, None, reason)
    ratios = np.stack([_log_ratios(scores, held_out, tested) for scores in (of_pose, of_face)], axis=1)
    fitted, asked = ratios[: len(held_out)], ratios[len(held_out) :]
    labels = np.array([of_pose[digest].is_authentic for digest in held_out])
    weights, intercept = _logistic(fitted, labels)
    log_odds = {
        "pose": asked[:, 0],
        "appearance": asked[:, 1],
        "fusion": asked @ weights + intercept,
    }
    measures = {name: _measured(of_pose, tested, odds) for name, odds in log_odds.items()}
    by_attack = {
        attack: {name: _measured(of_pose, tested, odds, only=attack) for name, odds in log_odds.items()}
        for attack in sorted({_attack(of_pose[digest]) for digest in tested} - {""})
    }
    told = (float(weights[0]), float(weights[1]), float(intercept))
    return Fused(len(held_out), len(tested), measures, by_attack, told)


def by_attack(scores: Sequence[ClipScore]) -> dict[str, Measures]:
    """One detector's figures for all real test clips against the fakes of each kind."""
    of_clip = {score.digest: score for score in scores}
    tested = sorted(digest for digest, score in of_clip.items() if score.side == TEST)
    odds = log_odds(np.array([of_clip[digest].probability for digest in tested]))
    attacks = sorted({_attack(of_clip[digest]) for digest in tested} - {""})
    return {attack: _measured(of_clip, tested, odds, only=attack) for attack in attacks}


def log_odds(probability: Float64Array) -> Float64Array:
    """Natural log odds, kept within what float32 can tell."""
    with np.errstate(divide="ignore"):
        odds = np.log(probability) - np.log1p(-probability)
    return np.asarray(np.clip(odds, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS))


def _log_ratios(scores: Mapping[str, ClipScore], held_out: Sequence[str], tested: Sequence[str]) -> Float64Array:
    """Natural log likelihood ratios, first of the validation clips, then of the test clips."""
    odds = log_odds(np.array([scores[digest].probability for digest in (*held_out, *tested)]))
    labels = np.array([scores[digest].is_authentic for digest in held_out])
    each_clip = [np.array([row]) for row in range(len(held_out))]
    return fit_line(odds[: len(held_out)], labels, each_clip)(odds)


def _logistic(ratios: Float64Array, labels: np.ndarray) -> tuple[Float64Array, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(class_weight="balanced").fit(ratios, labels)
    return np.asarray(model.coef_[0], np.float64), float(model.intercept_[0])


def _measured(
    scores: Mapping[str, ClipScore], tested: Sequence[str], odds: Float64Array, *, only: str = ""
) -> Measures:
    rows = [i for i, digest in enumerate(tested) if not only or _attack(scores[digest]) in ("", only)]
    chosen = [scores[tested[i]] for i in rows]
    return measure(
        np.array([score.is_authentic for score in chosen], bool),
        1 / (1 + np.exp(-odds[rows])),
    )


def _attack(score: ClipScore) -> str:
    """The kind of a fake; "" of a real clip."""
    return "" if score.is_authentic else score.attack or UNNAMED_ATTACK
