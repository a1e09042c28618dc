"""Whether the videos of a new name show somebody who is enrolled already: each is held against the profiles there are.

A single clip that is like somebody else is nothing rare; that most of somebody's videos are was seen of nobody new. The
person's own, of another session, often lie within the undecided band: beyond it one is asked for, not most
(docs/learning.md has the figures).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from person_profiles.profile import Profile
from person_profiles.verification import load_scorer, score_clip
from poseauth.errors import InputError
from poseauth.keypoints import KeypointSequence

MIN_JUDGED = 2
"""Videos with a likelihood ratio, below which nothing is said of whom they show."""
SHARE_LIKE = 0.5
"""More of the judged videos than this have to be like an enrolled person to be taken for theirs."""


@dataclass(frozen=True)
class HeldAgainst:
    """What videos say when they are held against an enrolled person, each as a clip of its own.

    Attributes
    ----------
    person : str
        The enrolled one.
    n_judged : int
        Videos with a likelihood ratio: long enough, and seen from a side that the profile knows.
    n_like : int
        Those of them that are more like the person than like somebody else: a ratio above 1.
    n_for : int
        Those that speak for the person beyond the undecided band.
    """

    person: str
    n_judged: int
    n_like: int
    n_for: int

    @property
    def seems_the_same(self) -> bool:
        """Whether they are together taken for videos of the person: most are like them, and one at least clearly so."""
        return self.n_judged >= MIN_JUDGED and self.n_like > SHARE_LIKE * self.n_judged and self.n_for > 0


def hold_videos_against(videos: Sequence[KeypointSequence], profile: Profile) -> HeldAgainst:
    """How many of the videos are like an enrolled person; none is judged by a profile that is weak.

    Parameters
    ----------
    videos : sequence of KeypointSequence
        By the profile's extractor.
    profile : Profile
        The enrolled person.

    Raises
    ------
    ProfileDamagedError
        If the profile's weights do not fit its architecture.
    """
    ratios = []
    if not profile.is_weak:
        scorer = load_scorer(profile)
        for video in videos:
            try:
                ratios.append(score_clip(video, profile, scorer).likelihood)
            except InputError:  # too short, nobody in view, nobody moves
                continue
    judged = [ratio for ratio in ratios if ratio is not None]
    return HeldAgainst(
        profile.name,
        len(judged),
        sum(ratio.log10_lr > 0 for ratio in judged),
        sum(ratio.speaks_for for ratio in judged),
    )


def weaknesses_of(videos: Sequence[KeypointSequence], enrolled: Iterable[Profile]) -> tuple[str, ...]:
    """Whom of those enrolled the videos seem to show, in a sentence each, and what to do about it."""
    found = []
    for profile in enrolled:
        held = hold_videos_against(videos, profile)
        if held.seems_the_same:
            found.append(
                f"{held.n_like} of {held.n_judged} videos are more like {held.person}, who is enrolled already, than "
                f"like somebody else: do they show {held.person}? If so, and a second profile is meant, add --same-as "
                f"{held.person!r}; if not, learn {held.person} again with these videos as --impostor"
            )
    return tuple(found)
