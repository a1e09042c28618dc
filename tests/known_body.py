"""A body whose every place is known, and windows of known keypoints."""

from __future__ import annotations

import numpy as np

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
