"""Why a clip scores as it does by a profile: `poseauth.explanation` with the person's kept movement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from person_profiles.learnable import learnable_windows
from person_profiles.profile import Profile
from person_profiles.verification import window_votes
from poseauth.arrays import Float32Array
from poseauth.errors import TooShortError
from poseauth.evidence import some_of, weigh_evidence
from poseauth.explanation import Explanation, explain
from poseauth.keypoints import N_KEYPOINTS, KeypointSequence
from poseauth.scoring import WindowScorer
from poseauth.windows import WINDOW_FRAMES, cut_windows

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
    clip = cut_windows(sequence, profile.windows)
    clip = some_of(clip, weigh_evidence(clip).counts)
    own = _own_windows(movement, profile)
    if not len(clip) or len(own) < 2:
        raise TooShortError(
            f"{len(clip)} usable windows of the clip and {len(own)} of {profile.name}'s own videos; 1 and 2 are needed "
            "to exchange parts. Enrol from longer videos"
        )
    return explain(clip, own, lambda windows: window_votes(windows, profile, scorer))


def _own_windows(movement: Sequence[KeypointSequence], profile: Profile) -> Float32Array:
    most = max(_MOST_OWN // max(len(movement), 1), 1)
    picked = []
    for sequence in movement:
        windows = learnable_windows(sequence, profile.windows).windows
        every = max(-(-len(windows) // most), 1)
        picked += [windows[row : row + 1] for row in range(0, len(windows), every)]
    return np.concatenate([np.zeros((0, WINDOW_FRAMES, N_KEYPOINTS, 2), np.float32), *picked])
