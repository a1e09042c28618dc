"""Several people, nobody in particular, and many clips in turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from person_profiles.claims import ANYONE, closest_of, verify_each
from person_profiles.verification import load_person
from poseauth.calibration import LikelihoodRatio
from poseauth.decision import Decision, Verdict
from poseauth.errors import ExtractorMissingError, VideoError
from poseauth.report import Verification, as_frame, not_analysed


def held_against(person, log10_lr, *, undecided=0.3, verdict=None):
    """A clip that was analysed for a person."""
    ratio = None
    if log10_lr is not None:
        ratio = LikelihoodRatio(log10_lr, log10_lr - 0.1, log10_lr + 0.1, -2.0, 2.0, undecided)
        clear = abs(log10_lr) > undecided
        verdict = verdict or (
            Verdict.INCONCLUSIVE if not clear else Verdict.AUTHENTIC if log10_lr > 0 else Verdict.FAKE
        )
    verdict = verdict or Verdict.INCONCLUSIVE
    decision = Decision(verdict, 8, 2, 0.7, ratio, 20.0, (f"of {person}",))
    scores = np.full(10, 0.7)
    return Verification(
        "clip.mp4", person, "analysed", decision, window_scores=scores, window_start_s=np.arange(10.0),
        reasons=decision.reasons,
    )  # fmt: skip


def test_the_closest_has_the_greatest_likelihood_ratio():
    found = closest_of([held_against("Ada", 0.5), held_against("Bob", 1.5), held_against("Cleo", -1.0)])
    assert (found.person, found.person_is, found.verdict) == ("Bob", "closest", Verdict.AUTHENTIC)
    assert "Bob is the closest of 3 enrolled people" in found.caveats[0]


def test_who_is_picked_from_many_must_be_that_many_times_as_likely():
    """log10 of 10 is 1: beyond 0.3 with one claimed person, beyond 1.3 with ten."""
    others = [held_against(f"other {number}", -1.0) for number in range(9)]
    assert closest_of([held_against("Ada", 1.29), *others]).verdict is Verdict.INCONCLUSIVE
    assert closest_of([held_against("Ada", 1.31), *others]).verdict is Verdict.AUTHENTIC
    assert closest_of([held_against("Ada", 0.31)]).verdict is Verdict.AUTHENTIC


@pytest.mark.parametrize("ratios", [(-1.0, -0.5), (-1.9,), (0.1, -2.0)])
def test_nobody_is_called_fake_where_nobody_said_who_it_is(ratios):
    results = [held_against(f"person {number}", ratio) for number, ratio in enumerate(ratios)]
    found = closest_of(results)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the closest of" in found.reasons[0]
    assert found.decision.reasons == found.reasons


def test_what_makes_the_claim_inconclusive_makes_the_closest_inconclusive():
    found = closest_of([held_against("Ada", 1.9, verdict=Verdict.INCONCLUSIVE)])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "of Ada" in found.reasons


def test_without_any_likelihood_ratio_the_clip_is_not_analysed_and_about_nobody():
    found = closest_of([held_against("Ada", None), not_analysed("clip.mp4", "Bob", "nobody is in view")])
    assert (found.person, found.person_is, found.verdict, found.status) == (ANYONE, "closest", None, "not analysed")
    assert "2 enrolled people" in found.reasons[0]
    assert "nobody is in view" in found.reasons[0]


def test_footage_that_somebody_was_learnt_from_is_theirs_and_nobody_elses():
    theirs = replace(held_against("Ada", 0.4, verdict=Verdict.INCONCLUSIVE), learnt_from="own")
    as_impostor = replace(held_against("Cleo", -1.0, verdict=Verdict.INCONCLUSIVE), learnt_from="others")
    found = closest_of([held_against("Bob", 1.9), as_impostor, theirs])
    assert (found.person, found.person_is, found.verdict) == ("Ada", "closest", Verdict.INCONCLUSIVE)
    assert found.reasons == theirs.reasons
    assert closest_of([held_against("Bob", 1.9), as_impostor]).verdict is Verdict.AUTHENTIC


def test_the_closest_does_not_depend_on_the_order():
    results = [held_against("Ada", 0.5), held_against("Bob", 1.5), held_against("Cleo", None)]
    assert closest_of(results).person == closest_of(results[::-1]).person == "Bob"
    with pytest.raises(ValueError, match="nobody"):
        closest_of([])


def test_each_clip_has_an_answer_in_its_turn_and_what_cannot_be_read_has_a_reason(ada, speech):
    person = load_person(ada)
    sequences = {"own.npz": speech("another", duration_s=14.0), "short.npz": speech("short", duration_s=4.0)}

    def read(path):
        if path.name == "gone.mp4":
            raise VideoError(f"{path}: no such file")
        if path.name == "nothing.mp4":
            raise ExtractorMissingError("no extractor can run here")
        return sequences[path.name]

    paths = [Path("in") / name for name in ("gone.mp4", "own.npz", "nothing.mp4", "short.npz")]
    answers = list(verify_each(paths, read, person))
    assert [answer.source for answer in answers] == [str(path) for path in paths]
    assert [answer.status for answer in answers] == ["not analysed", "analysed", "not analysed", "not analysed"]
    assert answers[0].reasons == ("no such file",)
    assert answers[2].reasons == ("no extractor can run here",)
    assert "5 s are needed" in answers[3].reasons[0]

    frame = as_frame(answers)
    assert frame["source"].tolist() == [str(path) for path in paths]
    assert frame["verdict"].isna().tolist() == [True, False, True, True]
    assert frame["n_windows"].tolist() == [0, len(answers[1].window_scores), 0, 0]
    assert frame["mean_score_higher_is_more_like_person"][1] == pytest.approx(answers[1].decision.mean_score, abs=1e-6)
    assert frame["seconds_analysed"].dtype == "Float64"
    assert replace(answers[1]).source == "in/own.npz"
