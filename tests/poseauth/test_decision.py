"""The vote of a clip's windows, and the doubts that keep it from being a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poseauth.calibration import LikelihoodRatio
from poseauth.decision import Decision, EvidenceLimits, Verdict, decide
from tests.known_body import windows_of


def some_windows(n_windows, step_s=5.0):
    return windows_of(np.zeros((n_windows, 150, 12, 2), np.float32), step_s * np.arange(n_windows))


def ratio(log10_lr, *, spread=0.2, undecided=0.3):
    return LikelihoodRatio(log10_lr, log10_lr - spread, log10_lr + spread, -2.0, 2.0, undecided)


FOR, AGAINST = ratio(1.0), ratio(-1.0)


def vote(n_authentic, n_fake, likelihood=None, **limits) -> Decision:
    """A vote with a likelihood ratio that agrees, where none is given."""
    scores = np.repeat([0.9, 0.1], [n_authentic, n_fake])
    agreeing = FOR if n_authentic > n_fake else AGAINST
    return decide(
        scores, some_windows(len(scores)), likelihood or agreeing, person="Ada", limits=EvidenceLimits(**limits)
    )


@pytest.mark.parametrize(
    ("n_authentic", "n_fake", "verdict"),
    [(3, 1, Verdict.AUTHENTIC), (1, 3, Verdict.FAKE), (4, 0, Verdict.AUTHENTIC), (0, 4, Verdict.FAKE)],
)
def test_the_majority_of_the_windows_decides(n_authentic, n_fake, verdict):
    decision = vote(n_authentic, n_fake)
    assert decision.verdict is verdict
    assert (decision.n_authentic_votes, decision.n_fake_votes) == (n_authentic, n_fake)
    assert decision.reasons == (f"{n_authentic} of 4 windows of 5 s move like Ada",)


def test_votes_count_and_not_the_height_of_the_scores():
    decision = decide(np.array([0.51, 0.51, 0.01]), some_windows(3), FOR, person="Ada")
    assert decision.mean_score < 0.5
    assert decision.verdict is Verdict.AUTHENTIC


def test_a_score_of_one_half_is_no_vote_for_the_person():
    assert decide(np.array([0.5, 0.5]), some_windows(2), AGAINST, person="Ada").verdict is Verdict.FAKE


def test_a_tie_is_inconclusive():
    decision = vote(2, 2, tie_margin=0)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("the vote is a tie: 2 of 4 windows of 5 s move like Ada",)


@pytest.mark.parametrize(("n_authentic", "n_fake"), [(21, 19), (19, 21)])
def test_a_vote_within_the_margin_is_a_tie(n_authentic, n_fake):
    assert vote(n_authentic, n_fake, tie_margin=0.05).verdict is Verdict.INCONCLUSIVE
    assert vote(n_authentic, n_fake, tie_margin=0.01).verdict is not Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("n_authentic", "n_fake"),
    [
        (9, 11),
        pytest.param(11, 9),
    ],
)
def test_a_vote_at_the_margin_is_a_tie_on_either_side(n_authentic, n_fake):
    assert vote(n_authentic, n_fake, tie_margin=0.05).verdict is Verdict.INCONCLUSIVE


def test_too_little_movement_is_inconclusive_and_says_how_much_is_needed():
    decision = decide(np.array([0.9, 0.9, 0.9]), some_windows(3, step_s=1.0), FOR, person="Ada")
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.seconds_analysed == 7.0
    (reason,) = decision.reasons
    assert "only 7.0 s" in reason
    assert "10 s are needed. Give a longer clip" in reason
    assert "--min-seconds" not in reason  # a weaker answer is no remedy


def test_a_lower_limit_gives_an_answer():
    decision = decide(
        np.array([0.9, 0.9]), some_windows(2, step_s=2.7), FOR, person="Ada", limits=EvidenceLimits(min_seconds=7)
    )
    assert decision.verdict is Verdict.AUTHENTIC


def test_every_doubt_is_named():
    reasons = decide(
        np.array([0.9, 0.1]), some_windows(2, step_s=1.0), None, person="Ada", weaknesses=("it is untested",)
    ).reasons
    assert len(reasons) == 3
    assert "weak: it is untested" in reasons[0]
    assert "6.0 s" in reasons[1]
    assert "tie" in reasons[2]


def test_without_a_likelihood_ratio_nothing_is_decided():
    decision = decide(np.full(4, 0.9), some_windows(4), None, person="Ada")
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("the profile is not calibrated: nobody knows what its scores are worth",)


@pytest.mark.parametrize("likelihood", [FOR, AGAINST])
def test_a_weak_profile_decides_nothing_however_clear_the_clip(likelihood):
    score = 0.9 if likelihood is FOR else 0.1
    decision = decide(np.full(4, score), some_windows(4), likelihood, person="Ada", weaknesses=("too few videos",))
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reasons == ("the profile is weak: too few videos",)


@pytest.mark.parametrize(("n_authentic", "likelihood"), [(4, AGAINST), (0, FOR)])
def test_where_vote_and_ratio_contradict_each_other_nothing_is_decided(n_authentic, likelihood):
    decision = vote(n_authentic, 4 - n_authentic, likelihood)
    assert decision.verdict is Verdict.INCONCLUSIVE
    (reason,) = decision.reasons
    assert reason.startswith("vote and likelihood ratio disagree: ")


@pytest.mark.parametrize(
    "likelihood",
    [ratio(0.29, spread=0.1), ratio(0.5, undecided=0.6), ratio(0.4, spread=0.45)],
    ids=["within the least band", "within the profile's band", "with an interval across zero"],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_ratio_not_clear_of_the_undecided_band_decides_nothing(likelihood, sign):
    if sign < 0:
        likelihood = replace(likelihood, log10_lr=-likelihood.log10_lr, low=-likelihood.high, high=-likelihood.low)
    decision = vote(*((4, 0) if sign > 0 else (0, 4)), likelihood)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "not clear of this profile's undecided band" in decision.reasons[0]


def test_an_interval_at_the_limit_is_not_told_as_if_it_were_narrow():
    reason = vote(4, 0, LikelihoodRatio(0.2, 0.2, 0.2, -0.2, 0.2, 0.3)).reasons[0]
    assert "+0.20 (at the limit of what this profile can support): not clear of" in reason


def test_a_decision_carries_its_likelihood_ratio():
    assert vote(4, 0).likelihood is FOR


@pytest.mark.parametrize("flaw", [np.nan, np.inf, -np.inf, -0.1, 1.1])
def test_a_score_that_is_none_is_refused(flaw):
    with pytest.raises(ValueError, match="score is not a number from 0 to 1"):
        decide(np.array([0.9, flaw, 0.9]), some_windows(3), FOR, person="Ada")


def test_nothing_is_decided_from_nothing():
    with pytest.raises(ValueError, match="0 scores for 0 windows; at least one"):
        decide(np.zeros(0), some_windows(0), FOR, person="Ada", limits=EvidenceLimits(min_seconds=0))


@pytest.mark.parametrize("n_scores", [2, 4])
def test_scores_of_other_windows_are_refused(n_scores):
    with pytest.raises(ValueError, match=f"{n_scores} scores for 3 windows"):
        decide(np.full(n_scores, 0.9), some_windows(3), FOR, person="Ada")


@pytest.mark.parametrize(
    "limits",
    [
        {"min_seconds": -1},
        {"min_seconds": float("nan")},
        {"tie_margin": -0.1},
        {"tie_margin": 0.5},
        {"tie_margin": float("nan")},
    ],
)
def test_limits_out_of_range_are_refused(limits):
    with pytest.raises(ValueError, match=f"{next(iter(limits))} {next(iter(limits.values()))}.* out of range"):
        EvidenceLimits(**limits)
