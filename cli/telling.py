"""Results and profiles in lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from poseauth.decision import Verdict
from poseauth.report import NOT_EXAMINED, PROPOSITIONS, SCOPE, Verification, in_words, sentence, verbal_scale
from poseauth.shown_text import counted, readable

if TYPE_CHECKING:
    from person_profiles.profile import Profile, SelfTest
    from person_profiles.store import ProfileStore
    from poseauth.metrics import Estimate

_COLOURS = {Verdict.AUTHENTIC: "green", Verdict.FAKE: "red", Verdict.INCONCLUSIVE: "yellow"}
_INDENT = "  "
FEW_TRIALS = 40
"""Clips in a self-test, or recordings of either side of an evaluation, below which rates say more than is known."""
POINTS_IN_WORDS = {"twelve": "head, shoulders and arms", "whole": "head, shoulders, arms and hands"}
FOOTER = (
    f"{SCOPE} Not examined: {', '.join(NOT_EXAMINED)}.\n"
    f'A likelihood ratio compares "{PROPOSITIONS[0].format(person="the person")}" with "{PROPOSITIONS[1]}". '
    f"Factor and words: {verbal_scale()}."
)


def describe_result(result: Verification) -> str:
    """The answer for one clip: verdict, vote, evidence, reasons, caveats."""
    if result.decision is None or result.verdict is None:
        head = click.style("NOT ANALYSED", fg="yellow", bold=True)
        lines = [f"{readable(result.source)}: {head}", *(f"{_INDENT}{readable(reason)}" for reason in result.reasons)]
    else:
        decision = result.decision
        n_windows = decision.n_authentic_votes + decision.n_fake_votes
        head = verdict_in_colour(result.verdict.value)
        lines = [
            f"{readable(result.source)}: {head} - {sentence(result)}",
            f"{_INDENT}{decision.n_authentic_votes} of {n_windows} windows like {result.person}; mean score "
            f"{decision.mean_score:.2f} (0 to 1, higher = more like {result.person}); "
            f"{decision.seconds_analysed:.1f} s analysed",
            *_evidence(result),
        ]
        if result.verdict is Verdict.INCONCLUSIVE:
            lines += [f"{_INDENT}because {readable(reason)}" for reason in result.reasons]
    lines += [f"{_INDENT}{readable(result.track_record)}"] if result.track_record else []
    lines += [f"{_INDENT}note: {readable(caveat)}" for caveat in result.caveats]
    return "\n".join(lines)


def verdict_in_colour(verdict: str) -> str:
    """A verdict in capitals, as it stands in a line."""
    return click.style(verdict.upper(), fg=_COLOURS[Verdict(verdict)], bold=True)


def _evidence(result: Verification) -> list[str]:
    """The likelihood ratio in numbers and words."""
    ratio = result.decision.likelihood if result.decision else None
    if ratio is None:
        return []
    bounds = f"{ratio.lower_bound:+.2f} to {ratio.upper_bound:+.2f}"
    how_sure = (
        f"{ratio.interval_in_words}, {bounds}"
        if ratio.is_at_limit
        else f"95 % interval {ratio.interval_in_words}; this profile can support {bounds}"
    )
    return [
        f"{_INDENT}log10 likelihood ratio {ratio.log10_lr:+.2f} ({how_sure}; undecided within {ratio.undecided:.2f}): "
        f"{in_words(ratio.log10_lr, readable(result.person))}",
    ]


def describe_profile(profile: Profile) -> str:
    """What a profile was learnt from, how it tested and what to know of it."""
    own = [video for video in profile.videos if video.role == "genuine"]
    others = [video for video in profile.videos if video.role != "genuine"]
    people = len({video.group for video in others})
    lines = [
        f": {profile.seconds_genuine:.0f} s of usable movement in {counted(len(own), 'video')}, recipe "
        f"{profile.recipe.name}, seed {profile.seed}, {profile.created}",
        f"{_INDENT}compared with: "
        + (
            f"{counted(len(others), 'video')} of {counted(people, 'other')}"
            if others
            else f"{profile.n_surrogates} surrogate windows, no real person"
        ),
        f"{_INDENT}learnt of the body: {POINTS_IN_WORDS[profile.windows.points]}",
        f"{_INDENT}extractor: {profile.extractor or 'not known (keypoint files did not say)'}",
    ]
    if profile.self_test is not None:
        lines += [f"{_INDENT}{line}" for line in self_test_in_words(profile.self_test)]
    weak = [click.style(readable(f"{_INDENT}WEAK: {weakness}"), fg="yellow") for weakness in profile.weaknesses]
    notes = [f"{_INDENT}note: {note}" for note in profile.notes]
    name = click.style(readable(profile.name), bold=True)
    return name + "\n".join([*map(readable, lines), *weak, *map(readable, notes)])


def self_test_in_words(test: SelfTest) -> list[str]:
    """How well the person was told from strangers."""
    lines = [
        f"self-test, {counted(test.n_genuine_videos, 'video')} of the person and {test.n_other_videos} of "
        f"{counted(test.n_other_people, 'other')}, each judged unseen: AUC {_told(test.auc)}, EER {_told(test.eer)}, "
        f"Cllr {_told(test.cllr)}"
        + (f"; {test.n_genuine_clips + test.n_other_clips} clips are far too few for rates" if is_few(test) else ""),
        f"of {test.n_genuine_clips} own clips {test.n_genuine_against} were taken for somebody else, of "
        f"{test.n_other_clips} of others {test.n_other_for} for the person; {test.n_undecided} undecided",
        f"hardest to tell: {test.hardest_other} (AUC {test.hardest_auc:.2f})",
    ]
    if test.evidence_curve:
        points = ", ".join(f"{point.seconds:g} s {point.eer:.0%}" for point in test.evidence_curve)
        enough = f"; enough from {test.enough_s:g} s on" if test.enough_s else ""
        lines.append(f"error by seconds of video: {points}{enough}")
    return lines


def is_few(test: SelfTest) -> bool:
    """Whether a self-test had so few clips that rates and their intervals would say more than is known."""
    return test.n_genuine_clips + test.n_other_clips < FEW_TRIALS


def _told(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not known"
    interval = "" if estimate.low is None else f" ({estimate.low:.2f} to {estimate.high:.2f})"
    return f"{estimate.value:.2f}{interval}"


def warn_of_lookalikes(store: ProfileStore, person: str) -> None:
    """Say on stderr which enrolled names can be taken for this one, and what each is written with."""
    from person_profiles.lookalikes import with_code_points

    for other in store.reads_like(person):
        click.secho(
            f"{with_code_points(person)} reads like {with_code_points(other)}, who is enrolled too: two names, two "
            "profiles. Make sure which one you mean",
            fg="yellow",
            err=True,
        )
