"""A body whose every place is known."""

from __future__ import annotations

import numpy as np

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
