"""Where a verdict is made: from the scores of a clip's windows to authentic, fake or inconclusive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from poseauth.arrays import Float64Array
from poseauth.calibration import LikelihoodRatio
from poseauth.windows import WINDOW_S, Windows

VOTE_THRESHOLD = 0.5
"""A window votes authentic when its score is above this (Yasrab et al. 2021: the sigmoid, rounded)."""

_ROUNDING = 1e-9


class Verdict(StrEnum):
    """What the movement says; never made from an error."""

    AUTHENTIC = "authentic"
    FAKE = "fake"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class EvidenceLimits:
    """How much evidence a verdict needs.

    Attributes
    ----------
    min_seconds : float
        Seconds of the clip that must lie in usable windows.
    tie_margin : float
        A share of authentic votes within this of one half is a tie, 0 to 0.5.
    """

    min_seconds: float = 10.0
    tie_margin: float = 0.05

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.min_seconds >= 0 or not 0 <= self.tie_margin < 0.5:
            raise ValueError(f"min_seconds {self.min_seconds} or tie_margin {self.tie_margin} is out of range")


@dataclass(frozen=True)
class Decision:
    """A verdict and the vote behind it.

    Attributes
    ----------
    verdict : Verdict
        Authentic or fake only where the vote of the windows and the likelihood ratio of the clip agree.
    n_authentic_votes, n_fake_votes : int
        How the windows voted.
    mean_score : float
        Mean of the windows' scores, 0 to 1, higher = more like the person.
    likelihood : LikelihoodRatio or None
        Of the whole clip; None where the profile is not calibrated.
    seconds_analysed : float
        Seconds of the clip that lie in a window.
    reasons : tuple of str
        Why the verdict is what it is, in words.
    """

    verdict: Verdict
    n_authentic_votes: int
    n_fake_votes: int
    mean_score: float
    likelihood: LikelihoodRatio | None
    seconds_analysed: float
    reasons: tuple[str, ...]

    def inconclusive(self, *because: str) -> Decision:
        """The same vote without a verdict, and why, before the reasons that there are."""
        return replace(self, verdict=Verdict.INCONCLUSIVE, reasons=(*because, *self.reasons))


def decide(
    scores: Float64Array,
    windows: Windows,
    likelihood: LikelihoodRatio | None,
    *,
    person: str,
    limits: EvidenceLimits | None = None,
    weaknesses: Sequence[str] = (),
    doubts: Sequence[str] = (),
) -> Decision:
    """The verdict of a clip: the vote of its windows (Yasrab et al. 2021, section 4), where all the evidence agrees.

    Parameters
    ----------
    scores : np.ndarray [shape=(N,)], float64
        P(the person) of each window, 0 to 1, higher = more like the person.
    windows : Windows
        The N windows that were scored, at least one.
    likelihood : LikelihoodRatio or None
        Of the clip; without one nothing is decided.
    person : str
        Named in the reasons.
    limits : EvidenceLimits
        How much evidence is enough.
    weaknesses : sequence of str
        Of the profile; with any nothing is decided.
    doubts : sequence of str
        Why a clip like this cannot be judged, known from elsewhere; with any nothing is decided.

    Raises
    ------
    ValueError
        If there is no window, or a score is not a number from 0 to 1: nothing is decided from that.
    """
    limits = limits or EvidenceLimits()
    if not len(windows) or len(scores) != len(windows):
        raise ValueError(f"{len(scores)} scores for {len(windows)} windows; at least one of each is needed")
    if not np.isfinite(scores).all() or (scores < 0).any() or (scores > 1).any():
        raise ValueError("a score is not a number from 0 to 1")
    n_authentic = int((scores > VOTE_THRESHOLD).sum())
    n_fake = len(scores) - n_authentic
    share = n_authentic / len(scores)
    seconds = windows.seconds
    vote = f"{n_authentic} of {len(scores)} windows of {WINDOW_S:.0f} s move like {person}"
    doubts = [*doubts, *(f"the profile is weak: {weakness}" for weakness in weaknesses)]
    is_explained = bool(doubts)
    if seconds < limits.min_seconds:
        doubts.append(
            f"only {seconds:.1f} s show enough of the upper body in one uncut piece; {limits.min_seconds:g} s are "
            "needed. Give a longer clip"
        )
    tied = abs(share - 0.5) <= limits.tie_margin + _ROUNDING
    if tied:
        doubts.append(f"the vote is a tie: {vote}")
    voted = Verdict.AUTHENTIC if share > 0.5 else Verdict.FAKE
    if likelihood is None:
        doubts += [] if is_explained else ["the profile is not calibrated: nobody knows what its scores are worth"]
    elif not tied and not (likelihood.speaks_for if voted is Verdict.AUTHENTIC else likelihood.speaks_against):
        doubts.append(_disagreement(vote, likelihood))
    return Decision(
        Verdict.INCONCLUSIVE if doubts else voted,
        n_authentic,
        n_fake,
        float(scores.mean()),
        likelihood,
        seconds,
        tuple(doubts or [vote]),
    )


def _disagreement(vote: str, likelihood: LikelihoodRatio) -> str:
    told = f"the log10 likelihood ratio is {likelihood.log10_lr:+.2f} ({likelihood.interval_in_words})"
    if likelihood.speaks_for or likelihood.speaks_against:
        return f"vote and likelihood ratio disagree: {vote}, and {told}"
    return (
        f"{told}: not clear of this profile's undecided band, {-likelihood.undecided:+.2f} to "
        f"{likelihood.undecided:+.2f}, though {vote}"
    )
