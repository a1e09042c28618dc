"""Where a verdict is made: from the scores of a clip's windows to authentic, fake or inconclusive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from poseauth.arrays import Float32Array
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
        Authentic only if more windows say so than not, and none but with enough evidence.
    n_authentic_votes, n_fake_votes : int
        How the windows voted.
    mean_score : float
        Mean of the windows' scores, 0 to 1, higher = more like the person.
    seconds_analysed : float
        Seconds of the clip that lie in a window.
    reasons : tuple of str
        Why the verdict is what it is, in words.
    """

    verdict: Verdict
    n_authentic_votes: int
    n_fake_votes: int
    mean_score: float
    seconds_analysed: float
    reasons: tuple[str, ...]


def decide(scores: Float32Array, windows: Windows, *, person: str, limits: EvidenceLimits | None = None) -> Decision:
    """The verdict of a clip by the vote of its windows (Yasrab et al. 2021, section 4), where there is enough evidence.

    Parameters
    ----------
    scores : np.ndarray [shape=(N,)], float32
        P(the person) of each window, 0 to 1, higher = more like the person.
    windows : Windows
        The N windows that were scored, at least one.
    person : str
        Named in the reasons.
    limits : EvidenceLimits
        How much evidence is enough.

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
    doubts = []
    if seconds < limits.min_seconds:
        doubts.append(
            f"only {seconds:.1f} s show enough of the upper body in one uncut piece; {limits.min_seconds:g} s are "
            f"needed. Try a longer clip, or --min-seconds {np.floor(seconds):g} for a weaker answer"
        )
    if abs(share - 0.5) <= limits.tie_margin + _ROUNDING:
        doubts.append(f"the vote is a tie: {vote}")
    voted = Verdict.AUTHENTIC if share > 0.5 else Verdict.FAKE
    return Decision(
        Verdict.INCONCLUSIVE if doubts else voted,
        n_authentic,
        n_fake,
        float(scores.mean()),
        seconds,
        tuple(doubts or [vote]),
    )
