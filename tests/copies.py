"""What a second web site makes of a recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from poseauth.keypoints import keypoint_sequence


def copy_of(sequence, *, name="copy.mp4", scale=0.5, shift=(40.0, 25.0), noise_px=0.0, frames=slice(None), fps=None):
    """What another encoding, size, place and cut make of a recording."""
    rng = np.random.default_rng(0)
    keypoints = sequence.keypoints[frames] * scale + np.array(shift)
    keypoints = keypoints + rng.normal(0, noise_px or 1e-9, keypoints.shape)
    times = sequence.timestamps_s[frames] - sequence.timestamps_s[frames][0]
    if fps:
        wanted = np.arange(0, times[-1], 1 / fps)
        rows = np.searchsorted(times, wanted)
        keypoints, times = keypoints[rows], wanted
    confidence = np.isfinite(keypoints).all(axis=-1).astype(np.float32)
    source = replace(sequence.provenance, source_name=name, source_sha256=None)
    return keypoint_sequence(keypoints, confidence, times, provenance=source)
