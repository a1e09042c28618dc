"""A body whose every place is known, and windows of known keypoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poseauth.keypoints import (
    FACE,
    FINGERS,
    L_FINGERS,
    L_HAND,
    L_WRIST,
    N_WHOLE,
    NOSE,
    POINTS_OF_BODY,
    R_FINGERS,
    R_HAND,
    R_WRIST,
    KeypointSequence,
    WholeBody,
)
from poseauth.windows import WINDOW_FRAMES, Windows

BODY = np.array(
    [
        [320, 100],  # nose
        [320, 140],  # neck
        [280, 140],  # right shoulder
        [260, 200],  # right elbow
        [270, 250],  # right wrist
        [360, 140],  # left shoulder
        [380, 200],  # left elbow
        [370, 250],  # left wrist
        [310, 90],  # right eye
        [330, 90],  # left eye
        [300, 95],  # right ear
        [340, 95],  # left ear
    ],
    np.float32,
)
"""Pixels; the torso size (shoulder width plus neck to nose) is 80 + 40 = 120."""


def windows_of(keypoints, start_s):
    """Windows [shape=(N, 150, 12, 2)] that share no frame."""
    first_frame = WINDOW_FRAMES * np.arange(len(start_s))
    return Windows(np.reshape(keypoints, (-1, 12, 2)), first_frame, np.asarray(start_s, np.float64))


PALM = 20.0
"""Pixels from the wrist of `whole_windows` to the root of its middle finger, straight down."""


def whole_windows(windows, openness=1.0):
    """Windows [shape=(N, 150, 12, 2)] with fingers, face and hands that hang from the wrists.

    The tips are `openness` palms beyond the roots: a number, or one for each frame.
    """
    n, n_frames = windows.shape[:2]
    whole = np.full((n, n_frames, N_WHOLE, 2), np.nan, np.float32)
    whole[:, :, :12] = windows
    reach = np.broadcast_to(openness, (n_frames,))
    for hand, fingers, wrist, side in ((R_HAND, R_FINGERS, R_WRIST, -1), (L_HAND, L_FINGERS, L_WRIST, 1)):
        place = windows[:, :, wrist]
        whole[:, :, hand.start] = place
        for number, finger in enumerate(FINGERS):
            for joint, point in enumerate(finger):
                away = np.stack([np.full(n_frames, side * 4.0 * (number - 2)), PALM * (1 + reach * joint / 3)], axis=-1)
                whole[:, :, hand.start + point] = place + away
        for number, point in enumerate(fingers):
            whole[:, :, point] = place + np.array([side * 5 * (number - 1), 15])
    for point, away in zip(FACE, ([-8, 12], [8, 12], [-5, -9], [5, -9]), strict=True):
        whole[:, :, point] = windows[:, :, NOSE] + away
    return whole


def with_hands(sequence: KeypointSequence, openness=1.0) -> KeypointSequence:
    """A sequence with fingers, face and hands as in `whole_windows`."""
    n_frames = len(sequence)
    points = whole_windows(sequence.keypoints[None], openness)[0]
    body = np.zeros((n_frames, 33, 3), np.float32)
    body[:, POINTS_OF_BODY, :2] = points[:, 12:22]
    hands = np.zeros((n_frames, 2, 21, 3), np.float32)
    hands[..., :2] = points[:, 22:].reshape(n_frames, 2, 21, 2)
    hands[~np.isfinite(hands).all(axis=(2, 3))] = np.nan
    seen = np.isfinite(hands).all(axis=(2, 3)).astype(np.float32)
    return replace(sequence, whole_body=WholeBody(hands, seen, body, np.ones((n_frames, 33), np.float32)))
