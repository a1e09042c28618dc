"""Results and profiles in lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from poseauth.decision import Verdict
from poseauth.report import NOT_EXAMINED, SCOPE, Verification, sentence

from .reading import readable

if TYPE_CHECKING:
    from person_profiles.profile import Profile

_COLOURS = {Verdict.AUTHENTIC: "green", Verdict.FAKE: "red", Verdict.INCONCLUSIVE: "yellow"}
_INDENT = "  "
FOOTER = f"{SCOPE} Not examined: {', '.join(NOT_EXAMINED)}."


def describe_result(result: Verification) -> str:
    """The answer for one clip: verdict, vote, evidence, reasons, caveats."""
    if result.decision is None or result.verdict is None:
        head = click.style("NOT ANALYSED", fg="yellow", bold=True)
        lines = [f"{readable(result.source)}: {head}", *(f"{_INDENT}{readable(reason)}" for reason in result.reasons)]
    else:
        decision = result.decision
        n_windows = decision.n_authentic_votes + decision.n_fake_votes
        head = click.style(result.verdict.value.upper(), fg=_COLOURS[result.verdict], bold=True)
        lines = [
            f"{readable(result.source)}: {head} - {sentence(result)}",
            f"{_INDENT}{decision.n_authentic_votes} of {n_windows} windows like {result.person}; mean score "
            f"{decision.mean_score:.2f} (0 to 1, higher = more like {result.person}); "
            f"{decision.seconds_analysed:.1f} s analysed",
        ]
        if result.verdict is Verdict.INCONCLUSIVE:
            lines += [f"{_INDENT}because {reason}" for reason in result.reasons]
    lines += [f"{_INDENT}note: {caveat}" for caveat in result.caveats]
    return "\n".join(lines)


def describe_profile(profile: Profile) -> str:
    """What a profile was learnt from, how it tested and what to know of it."""
    own = [video for video in profile.videos if video.role == "genuine"]
    others = [video for video in profile.videos if video.role != "genuine"]
    people = len({video.group for video in others})
    lines = [
        click.style(profile.name, bold=True)
        + f": {profile.seconds_genuine:.0f} s of usable movement in {len(own)} videos, recipe {profile.recipe.name}, "
        f"seed {profile.seed}, {profile.created}",
        f"{_INDENT}compared with: "
        + (
            f"{len(others)} videos of {people} others"
            if others
            else f"{profile.n_surrogates} surrogate windows, no real person"
        ),
        f"{_INDENT}extractor: {profile.extractor or 'not known (keypoint files did not say)'}",
    ]
    test = profile.self_test
    if test is not None:
        whose = "strangers" if test.others_unknown else "people also seen in training"
        lines.append(
            f"{_INDENT}on held-out videos: {test.accuracy_genuine:.0%} of {test.n_genuine_windows} own windows "
            f"accepted, {test.accuracy_others:.0%} of {test.n_other_windows} windows of {whose} rejected"
        )
    lines += [f"{_INDENT}note: {note}" for note in profile.notes]
    return "\n".join(lines)
