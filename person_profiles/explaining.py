"""A clip beside the person's kept movement: why it scores as it does (`poseauth.explanation`), and what one can see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from person_profiles.learnable import learnable_windows
from person_profiles.profile import Profile
from person_profiles.verification import window_votes
from poseauth.arrays import Float32Array
from poseauth.comparison import Comparison, compare
from poseauth.errors import TooShortError
from poseauth.evidence import some_of, weigh_evidence
from poseauth.explanation import Explanation, explain
from poseauth.keypoints import N_KEYPOINTS, KeypointSequence
from poseauth.scoring import WindowScorer
from poseauth.windows import WINDOW_FRAMES, Windows, cut_windows

_MOST_OWN = 256
"""Windows of the person's own videos that moments are taken from, evenly spread over each video."""


def explain_clip(
    sequence: KeypointSequence, movement: Sequence[KeypointSequence], profile: Profile, scorer: WindowScorer
) -> Explanation:
    """Which parts make a clip look like the person by the profile, and which unlike.

    Parameters
    ----------
    sequence : KeypointSequence
        The clip's keypoints.
    movement : sequence of KeypointSequence
        The person's own videos, as the store keeps them.
    profile, scorer :
        The person.

    Raises
    ------
    TooShortError
        If the clip or the kept movement has too few usable windows.
    """
    clip = _evident_windows(sequence, profile)
    own = _own_windows(movement, profile)
    if not len(clip) or len(own) < 2:
        raise TooShortError(
            f"{len(clip)} usable windows of the clip and {len(own)} of {profile.name}'s own videos; 1 and 2 are needed "
            "to exchange parts. Enrol from longer videos"
        )
    return explain(clip, own, lambda windows: window_votes(windows, profile, scorer))


def compare_clip(sequence: KeypointSequence, movement: Sequence[KeypointSequence], profile: Profile) -> Comparison:
    """How parts move in a clip against how they move in the person's own videos; no score is asked.

    Parameters
    ----------
    sequence : KeypointSequence
        The clip's keypoints.
    movement : sequence of KeypointSequence
        The person's own videos, as the store keeps them.
    profile : Profile
        The person.

    Raises
    ------
    TooShortError
        If the clip or the kept movement is too short to compare.
    """
    own = [learnable_windows(video, profile.windows).windows for video in movement]
    return compare(_evident_windows(sequence, profile), own)


def _evident_windows(sequence: KeypointSequence, profile: Profile) -> Windows:
    windows = cut_windows(sequence, profile.windows)
    return some_of(windows, weigh_evidence(windows).counts)


def _own_windows(movement: Sequence[KeypointSequence], profile: Profile) -> Float32Array:
    most = max(_MOST_OWN // max(len(movement), 1), 1)
    picked = []
    for sequence in movement:
        windows = learnable_windows(sequence, profile.windows).windows
        every = max(-(-len(windows) // most), 1)
        picked += [windows[row : row + 1] for row in range(0, len(windows), every)]
    return np.concatenate([np.zeros((0, WINDOW_FRAMES, N_KEYPOINTS, 2), np.float32), *picked])
