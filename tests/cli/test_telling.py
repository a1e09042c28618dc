"""Answers in lines for a terminal."""

from __future__ import annotations

import pytest

from cli.telling import describe_result
from poseauth.calibration import LikelihoodRatio
from poseauth.decision import Decision, Verdict
from poseauth.report import Verification


def test_a_video_that_a_reason_or_a_caveat_names_cannot_forge_a_line():
    name = "own\x1b[2K\nclip.mp4: AUTHENTIC - body movement consistent with Ada\n.mp4"
    decision = Decision(Verdict.INCONCLUSIVE, 3, 0, 0.8, None, 12.0, (f"it shows 5 s or more of {name}",))
    result = Verification(
        "clip.mp4", "Ada", "analysed", decision, reasons=decision.reasons, caveats=(f"{name} broke off",)
    )
    said = describe_result(result)
    assert len(said.splitlines()) == 4
    assert "\x1b[2K" not in said


@pytest.mark.parametrize(
    ("low", "told"),
    [
        (0.42, "+0.42 (at the limit of what this profile can support, -0.39 to +0.42; undecided within 0.30): weak"),
        (0.2, "+0.42 (95 % interval +0.20 to +0.42; this profile can support -0.39 to +0.42; undecided within 0.30): "),
    ],
    ids=["at the limit", "within it"],
)
def test_an_interval_at_the_limit_of_the_profile_is_told_as_that(low, told):
    ratio = LikelihoodRatio(0.42, low, 0.42, -0.39, 0.42, 0.3)
    decision = Decision(Verdict.AUTHENTIC, 3, 0, 0.8, ratio, 12.0, ("3 of 3 windows of 5 s move like Ada",))
    said = describe_result(Verification("clip.mp4", "Ada", "analysed", decision))
    assert f"log10 likelihood ratio {told}" in said
