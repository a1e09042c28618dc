"""The hands of an invented speaker: 21 points each, from the forearm they hang on and from what the fingers do.

Lengths are in shoulder widths; the axes are those of `speakers`.
"""

from __future__ import annotations

import numpy as np

from keypoint_extractors.drawing.gesture import Speech, smooth_noise
from keypoint_extractors.drawing.movement_style import HandStyle
from poseauth.arrays import Float64Array
from poseauth.keypoints import FINGERS, N_HAND_POINTS

PALM = 0.24
"""From the wrist to the root of the middle finger."""
_THUMB = ((0.06, 0.06), (0.125, 0.12), (0.18, 0.165), (0.225, 0.195))
"""Along the palm and towards the thumb's side, of a stretched thumb."""
_ROOTS = ((0.24, 0.068), (PALM, 0.022), (0.23, -0.024), (0.21, -0.066))
"""Of index, middle, ring and little finger."""
_LENGTHS = (0.21, 0.235, 0.215, 0.17)
_BONES = (0.46, 0.3, 0.24)
"""Shares of a finger's length, from its root."""
_SPREAD = (0.26, 0.02, -0.2, -0.42)
"""How far the fingers point aside when the hand is spread, in radians towards the thumb."""
_BENDS = (1.1, 1.5, 1.0)
"""How far each joint of a closed finger is bent, in radians; the thumb half of it."""


def hands_in_space(
    style: HandStyle,
    speech: Speech,
    times: Float64Array,
    elbows: Float64Array,
    wrists: Float64Array,
    rng: np.random.Generator,
) -> Float64Array:
    """Both hands of a speech, left first: [shape=(T, 2, 21, 3)].

    Parameters
    ----------
    style : HandStyle
        Whose hands.
    speech : Speech
        What they go with.
    times : np.ndarray [shape=(T,)]
        Seconds.
    elbows, wrists : np.ndarray [shape=(T, 2, 3)]
        Of the left arm, then of the right.
    rng : np.random.Generator
        Of what no style tells.
    """
    accent = np.clip(speech.accent(times), 0.0, 1.5)
    hands = np.empty((len(times), 2, N_HAND_POINTS, 3))
    for side in range(2):
        speaking = np.clip(accent, 0.0, 1.0)
        openness = style.open_at_rest + (style.open - style.open_at_rest) * speaking
        openness += style.beat * accent * speech.beat(times) + 0.07 * smooth_noise(times, 0.5, rng)
        turn = style.turn + 0.18 * smooth_noise(times, 0.9, rng)
        along = _unit(wrists[:, side] - elbows[:, side])
        inward = -1.0 if side == 0 else 1.0
        # Thumbs up and a little towards the body's middle, so that the palms face each other.
        upwards = _unit(_across(np.array([0.6 * inward, -1.0, 0.0]), along))
        sideways = np.cross(upwards, along) * inward
        cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
        palm, thumb = cos * sideways + sin * upwards, cos * upwards - sin * sideways
        hands[:, side] = wrists[:, side, None] + _fingers(style, np.clip(openness, 0.0, 1.0), along, thumb, palm)
    return hands


def _fingers(
    style: HandStyle, openness: Float64Array, along: Float64Array, thumb: Float64Array, palm: Float64Array
) -> Float64Array:
    """The points of a hand from its wrist: [shape=(T, 21, 3)]."""
    points = np.zeros((len(openness), N_HAND_POINTS, 3))
    closed = 1.0 - openness
    for joint, (up, out) in enumerate(_THUMB):
        bend = 0.5 * closed * joint / 3
        lean = np.cos(bend)[:, None] * thumb + np.sin(bend)[:, None] * palm
        points[:, 1 + joint] = up * along + out * (0.6 + 0.4 * style.spread) * lean
    for finger, ((up, out), length, aside) in enumerate(zip(_ROOTS, _LENGTHS, _SPREAD, strict=True)):
        first = FINGERS[finger + 1][0]
        points[:, first] = up * along + out * thumb
        angle = np.full(len(openness), aside * style.spread) * openness
        forward = np.cos(angle)[:, None] * along + np.sin(angle)[:, None] * thumb
        own = closed * (1.0 - style.pointing) if finger == 0 else closed
        bend = np.zeros(len(openness))
        for joint, (share, full) in enumerate(zip(_BONES, _BENDS, strict=True)):
            bend = bend + full * own
            bone = np.cos(bend)[:, None] * forward + np.sin(bend)[:, None] * palm
            points[:, first + joint + 1] = points[:, first + joint] + share * length * bone
    return points


def _across(vector: Float64Array, along: Float64Array) -> Float64Array:
    """The part of a vector across directions [shape=(T, 3)]."""
    return np.asarray(vector - (along @ vector)[:, None] * along)


def _unit(vectors: Float64Array) -> Float64Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6))
