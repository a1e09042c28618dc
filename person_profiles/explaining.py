"""A clip beside the person's kept movement: why it scores as it does (`poseauth.explanation`), and what one can see.

The windows of both are cut once: those of a clip for all that is asked of it, those of the person for all clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from person_profiles.learnable import learnable_windows
from person_profiles.profile import Profile
from person_profiles.profile_files import ProfileFiles
from person_profiles.verification import window_votes
from poseauth.arrays import Float32Array
from poseauth.errors import TooShortError
from poseauth.evidence import some_of, weigh_evidence
from poseauth.explanation import Explanation, explain
from poseauth.keypoints import N_KEYPOINTS, KeypointSequence
from poseauth.scoring import WindowScorer
from poseauth.windows import WINDOW_FRAMES, Windows, cut_windows

_MOST_OWN = 256
"""Windows of the person's own videos that moments are taken from, evenly spread over each video."""


@dataclass(frozen=True, eq=False)
class OwnVideos:
    """What the person's clips are laid beside: their kept videos, read and cut when that is first asked for."""

    profile: Profile
    files: ProfileFiles

    @cached_property
    def windows(self) -> tuple[Windows, ...]:
        """Of each video those that are learnt from, which may be none.

        Raises
        ------
        ProfileDamagedError
            If the kept movement is not as it must be.
        """
        return own_windows(self.files.movement(), self.profile)


def own_windows(movement: Sequence[KeypointSequence], profile: Profile) -> tuple[Windows, ...]:
    """The windows of the person's own videos, a set each: those that are learnt from, which may be none."""
    return tuple(learnable_windows(video, profile.windows).windows for video in movement)


def clip_windows(sequence: KeypointSequence, profile: Profile) -> Windows:
    """The windows of a clip that are evidence, as they are scored; there may be none."""
    windows = cut_windows(sequence, profile.windows)
    return some_of(windows, weigh_evidence(windows).counts)


def explain_clip(clip: Windows, own: Sequence[Windows], profile: Profile, scorer: WindowScorer) -> Explanation:
    """Which parts make a clip look like the person by the profile, and which unlike.

    Parameters
    ----------
    clip : Windows
        From `clip_windows`.
    own : sequence of Windows
        Of the person's own videos, from `own_windows`.
    profile, scorer :
        The person.

    Raises
    ------
    TooShortError
        If the clip or the kept movement has too few usable windows.
    """
    moments = _moments_of(own)
    if not len(clip) or len(moments) < 2:
        raise TooShortError(
            f"{len(clip)} usable windows of the clip and {len(moments)} of {profile.name}'s own videos; 1 and 2 are "
            "needed to exchange parts. Enrol from longer videos"
        )
    return explain(clip, moments, lambda windows: window_votes(windows, profile, scorer))


def _moments_of(own: Sequence[Windows]) -> Float32Array:
    most = max(_MOST_OWN // max(len(own), 1), 1)
    picked = []
    for windows in own:
        every = max(-(-len(windows) // most), 1)
        picked += [windows[row : row + 1] for row in range(0, len(windows), every)]
    return np.concatenate(picked) if picked else np.zeros((0, WINDOW_FRAMES, N_KEYPOINTS, 2), np.float32)
