"""Invented speakers: upper bodies that gesture in a manner of their own, for demonstrations and tests.

Lengths are in shoulder widths (sw) until the camera turns them into pixels. The body's axes: x to the picture's
right, y down, z away from the camera; the person faces the camera, so their right is at the picture's left.
A hand's place is told as (outward, down, forward) from the neck, the same for both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from keypoint_extractors.drawing.gesture import Speech, compose_speech, held_places, smooth_noise
from keypoint_extractors.drawing.hand_shape import hands_in_space
from keypoint_extractors.drawing.movement_style import STYLES, MovementStyle, Proportions
from poseauth.arrays import Float32Array, Float64Array, Int32Array
from poseauth.keypoints import (
    L_EAR,
    L_ELBOW,
    L_EYE,
    L_SHOULDER,
    L_WRIST,
    MIN_POINTS_OF_HAND,
    N_HAND_POINTS,
    N_KEYPOINTS,
    NECK,
    NOSE,
    R_EAR,
    R_ELBOW,
    R_EYE,
    R_SHOULDER,
    R_WRIST,
    KeypointSequence,
    Provenance,
    WholeBody,
    keypoint_sequence,
)

__all__ = ["STYLES", "MovementStyle", "Proportions", "limb_lengths", "puppet", "speak"]

CAMERA_DISTANCE_SW = 9.0
ELBOW_POLE = (0.32, 0.9, -0.3)
"""Where an elbow points: outward, down, forward."""
REACH_LIMITS = (0.45, 0.97)
"""Shortest and longest distance from shoulder to wrist, as shares of the stretched arm."""
SHOULDER_WIDTH_SHARE = (0.31, 0.36)
"""Shoulder width in the picture, as a share of the frame's height."""
STRETCHED_PERCENTILE = 95.0
"""A limb seen in a plane that is no longer foreshortened: this percentile of its length in the picture."""

FACE_SW = {
    NOSE: (0.0, 0.065, -0.27),
    R_EYE: (-0.086, -0.055, -0.2),
    L_EYE: (0.086, -0.055, -0.2),
    R_EAR: (-0.205, 0.0, 0.0),
    L_EAR: (0.205, 0.0, 0.0),
}
"""Places on a head of size 1, from its centre: x, y, z."""


def speak(
    style: MovementStyle,
    *,
    duration_s: float,
    fps: float = 30.0,
    seed: int,
    width: int = 1280,
    height: int = 720,
    proportions: Proportions | None = None,
    cuts_s: Sequence[float] = (),
) -> KeypointSequence:
    """One speech in one manner: the seed chooses the words, the style how they are moved to.

    Parameters
    ----------
    style : MovementStyle
        Who moves.
    duration_s : float
        Length of the speech in seconds.
    fps : float
        Frames a second. The movement does not depend on it.
    seed : int
        Chooses phrases, accents, places of the hands and of the speaker in the picture.
    width, height : int
        Frame size in pixels.
    proportions : Proportions or None
        Another body for the same movement; None: the style's own.
    cuts_s : sequence of float
        Times in seconds at which the camera cuts to another framing: a new shot begins.

    Returns
    -------
    KeypointSequence
        `round(duration_s * fps)` frames from 0 s on, with both hands; a point outside the frame is missing.

    Raises
    ------
    ValueError
        If there is no frame to make.
    """
    n_frames = round(duration_s * fps)
    if n_frames < 1 or width < 1 or height < 1:
        raise ValueError(f"{duration_s} s at {fps} fps in {width} x {height} px hold no frame")
    times = np.arange(n_frames) / fps
    rng = np.random.default_rng(seed)
    speech = compose_speech(style, duration_s, rng)
    body = _body_in_space(style, proportions or style.proportions, speech, times, rng, [seed, N_HAND_POINTS])
    shot = np.searchsorted(np.sort(np.asarray(cuts_s, dtype=np.float64)), times, side="right").astype(np.int32)
    places = _project(body, shot, width, height, rng)
    inside = np.asarray(((places[..., :2] >= 0) & (places[..., :2] <= (width - 1, height - 1))).all(axis=-1))
    hands = places[:, N_KEYPOINTS:].reshape(n_frames, 2, N_HAND_POINTS, 3)
    hands[..., 2] -= hands[:, :, :1, 2]
    hand_points_inside = inside[:, N_KEYPOINTS:].reshape(n_frames, 2, N_HAND_POINTS)
    hand_is_seen = hand_points_inside.sum(axis=2) >= MIN_POINTS_OF_HAND
    hands[~(hand_points_inside & hand_is_seen[..., None])] = np.nan
    return keypoint_sequence(
        places[:, :N_KEYPOINTS, :2],
        inside[:, :N_KEYPOINTS].astype(np.float32),
        times,
        shot,
        provenance=Provenance(f"{style.name}, speech {seed}", frame_width=width, frame_height=height),
        whole_body=WholeBody(hands=hands, hand_confidence=hand_is_seen.astype(np.float32)),
    )


def _body_in_space(
    style: MovementStyle,
    proportions: Proportions,
    speech: Speech,
    times: Float64Array,
    rng: np.random.Generator,
    seed_of_hands: list[int],
) -> Float64Array:
    """The twelve keypoints in space, then the left and the right hand: [shape=(T, 12 + 42, 3)], sw."""
    body = np.zeros((len(times), N_KEYPOINTS + 2 * N_HAND_POINTS, 3))
    beat = speech.beat(times)
    accent = speech.accent(times)
    lift = style.shoulder_lift * accent * beat
    for rows, side, lift_gain in (
        ((R_SHOULDER, R_ELBOW, R_WRIST), -1.0, style.right_gain),
        ((L_SHOULDER, L_ELBOW, L_WRIST), 1.0, style.left_gain),
    ):
        shoulder = np.zeros((len(times), 3))
        shoulder[:, 0] = 0.5 * side
        shoulder[:, 1] = -lift * lift_gain
        hand = _hand_place(style, speech, times, side, rng) * [side, 1.0, -1.0]
        body[:, rows[0]] = shoulder
        body[:, rows[1]], body[:, rows[2]] = _reach(shoulder, hand, side, proportions, style.elbow_out)
    _place_head(body, style, proportions, speech, times, rng)
    elbows, wrists = body[:, [L_ELBOW, R_ELBOW]], body[:, [L_WRIST, R_WRIST]]
    hands = hands_in_space(style.hands, speech, times, elbows, wrists, np.random.default_rng(seed_of_hands))
    body[:, N_KEYPOINTS:] = hands.reshape(len(times), -1, 3)

    lead_beat = speech.beat(times - style.torso_lag_s) * speech.accent(times - style.torso_lag_s)
    yaw = style.torso_turn * lead_beat + 0.05 * smooth_noise(times, 2.5, rng)
    roll = style.torso_roll * lead_beat + 0.015 * smooth_noise(times, 2.0, rng) + style.posture_roll
    turns = _turns(yaw, style.posture_lean + np.zeros_like(yaw), roll)
    body = np.asarray(np.einsum("tij,tkj->tki", turns, body))
    swing = np.sin(2 * np.pi * style.sway_hz * times + speech.sway_phase) + 0.7 * smooth_noise(times, 1.6, rng)
    body[:, :, 0] += (style.sway * swing)[:, None]
    body[:, :, 1] += (0.35 * style.sway * smooth_noise(times, 1.3, rng))[:, None]
    return body


def _hand_place(
    style: MovementStyle, speech: Speech, times: Float64Array, side: float, rng: np.random.Generator
) -> Float64Array:
    """Outward, down and forward of one hand from the neck: [shape=(T, 3)], sw."""
    right = side < 0
    gain = style.right_gain if right else style.left_gain
    own = times - (0.0 if right else style.left_lag_s)
    sign = 1.0 if right else style.mirror
    stroke = speech.beat(own)[:, None] * style.stroke + speech.quarter_beat(own)[:, None] * style.stroke_across
    accent = (speech.accent(own) * gain)[:, None]
    raised = held_places(speech.right_places if right else speech.left_places, style.move_s, own)
    drift = np.stack([smooth_noise(times, 0.7, rng) for _ in range(3)], axis=1)
    return np.asarray(raised + sign * accent * stroke + 0.014 * drift)


def _place_head(
    body: Float64Array,
    style: MovementStyle,
    proportions: Proportions,
    speech: Speech,
    times: Float64Array,
    rng: np.random.Generator,
) -> None:
    late = times - style.head_lag_s
    beat = speech.beat(late) * speech.accent(late)
    gaze = speech.gaze(late)
    yaw = style.head_turn * beat + style.gaze_turn * gaze + 0.05 * smooth_noise(times, 0.9, rng)
    pitch = style.head_nod * beat + 0.035 * smooth_noise(times, 0.7, rng) + style.posture_chin
    roll = style.head_tilt * beat + style.gaze_tilt * gaze + 0.025 * smooth_noise(times, 1.1, rng)
    turns = _turns(yaw, pitch, roll)
    centre = np.einsum("tij,j->ti", _turns(0.3 * yaw, 0.5 * pitch, 0.5 * roll), [0.0, -proportions.neck, -0.06])
    for row, place in FACE_SW.items():
        body[:, row] = centre + np.einsum("tij,j->ti", turns, proportions.head * np.array(place))


def _reach(
    shoulder: Float64Array, wanted: Float64Array, side: float, proportions: Proportions, elbow_out: float
) -> tuple[Float64Array, Float64Array]:
    """Elbow and wrist of an arm of two stiff links that reaches for a place, as far as it can."""
    upper, fore = proportions.upper_arm, proportions.forearm
    way = wanted - shoulder
    distance = np.linalg.norm(way, axis=1, keepdims=True)
    direction = way / distance
    reach = _soft_clip(distance, REACH_LIMITS[0] * (upper + fore), REACH_LIMITS[1] * (upper + fore))
    along = (upper**2 - fore**2 + reach**2) / (2 * reach)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    pole = np.array([side * (ELBOW_POLE[0] + elbow_out), ELBOW_POLE[1], -ELBOW_POLE[2]])
    pole = pole - (direction @ pole)[:, None] * direction
    pole /= np.linalg.norm(pole, axis=1, keepdims=True)
    return shoulder + along * direction + aside * pole, shoulder + reach * direction


def _soft_clip(values: Float64Array, low: float, high: float) -> Float64Array:
    middle, half = (low + high) / 2, (high - low) / 2
    offset = (values - middle) / half
    return np.asarray(middle + half * offset / (1 + np.abs(offset) ** 8) ** (1 / 8))


def _turns(yaw: Float64Array, pitch: Float64Array, roll: Float64Array) -> Float64Array:
    """Rotations [shape=(T, 3, 3)] from radians; positive: to the picture's right, forward and down, clockwise."""
    turns = np.tile(np.eye(3), (len(yaw), 1, 1))
    for angle, (first, second) in ((pitch, (1, 2)), (yaw, (2, 0)), (roll, (0, 1))):
        step = np.tile(np.eye(3), (len(yaw), 1, 1))
        step[:, first, first] = step[:, second, second] = np.cos(angle)
        step[:, second, first] = np.sin(angle)
        step[:, first, second] = -np.sin(angle)
        turns = step @ turns
    return np.asarray(turns)


def _project(body: Float64Array, shot: Int32Array, width: int, height: int, rng: np.random.Generator) -> Float32Array:
    """Pixels and depth in pixels [shape=(T, M, 3)] from space, with a framing of its own for every shot."""
    points = np.empty(body.shape)
    for number in range(int(shot[-1]) + 1):
        here = shot == number
        scale = height * rng.uniform(*SHOULDER_WIDTH_SHARE)
        across = width * rng.uniform(0.43, 0.57)
        down = height * rng.uniform(0.44, 0.485)
        nearness = CAMERA_DISTANCE_SW / (CAMERA_DISTANCE_SW + body[here, :, 2:])
        points[here] = body[here] * nearness * scale + [across, down, 0.0]
    points[:, NECK] = (points[:, R_SHOULDER] + points[:, L_SHOULDER]) / 2
    return points.astype(np.float32)


def limb_lengths(sequence: KeypointSequence) -> Proportions:
    """How long a person's limbs look when they are stretched out in the picture, in shoulder widths.

    Parameters
    ----------
    sequence : KeypointSequence
        Some seconds in which the arms move.

    Returns
    -------
    Proportions
        A limb that always points at the camera looks shorter than it is; NaN for a limb never seen.
    """
    shoulders = _stretched(sequence, ((R_SHOULDER, L_SHOULDER),))
    ears = _stretched(sequence, ((R_EAR, L_EAR),))
    head = np.nanmean(sequence.keypoints[:, [R_EAR, L_EAR]], axis=1)
    lift = np.linalg.norm(head - sequence.keypoints[:, NECK], axis=1)
    ear_distance = 2 * FACE_SW[L_EAR][0]
    return Proportions(
        upper_arm=_stretched(sequence, ((R_SHOULDER, R_ELBOW), (L_SHOULDER, L_ELBOW))) / shoulders,
        forearm=_stretched(sequence, ((R_ELBOW, R_WRIST), (L_ELBOW, L_WRIST))) / shoulders,
        neck=float(np.nanpercentile(lift, STRETCHED_PERCENTILE)) / shoulders,
        head=ears / shoulders / ear_distance,
    )


def _stretched(sequence: KeypointSequence, bones: Sequence[tuple[int, int]]) -> float:
    lengths = [
        np.linalg.norm(sequence.keypoints[:, end] - sequence.keypoints[:, start], axis=1) for start, end in bones
    ]
    pooled = np.concatenate(lengths)
    return float(np.nanpercentile(pooled, STRETCHED_PERCENTILE)) if np.isfinite(pooled).any() else float("nan")


def puppet(
    driver: KeypointSequence, body_of: MovementStyle | Proportions, *, driver_body: Proportions | None = None
) -> KeypointSequence:
    """One person's body moved by another: every limb keeps the driver's direction and gets the target's length.

    Parameters
    ----------
    driver : KeypointSequence
        Whose movement it is.
    body_of : MovementStyle or Proportions
        Whose limbs they are.
    driver_body : Proportions or None
        The driver's limbs; None: as `limb_lengths` measures them.

    Returns
    -------
    KeypointSequence
        The driver's frames, times and shots; shoulders and place in the picture stay.

    Raises
    ------
    ValueError
        If a limb of the driver is never seen, so that its length is unknown.
    """
    target = body_of.proportions if isinstance(body_of, MovementStyle) else body_of
    own = driver_body or limb_lengths(driver)
    ratio = {name: getattr(target, name) / getattr(own, name) for name in Proportions.__dataclass_fields__}
    unknown = [name for name, value in ratio.items() if not np.isfinite(value)]
    if unknown:
        raise ValueError(f"{driver.provenance.source_name} never shows the {', '.join(unknown)}; name driver_body")
    old = driver.keypoints.astype(np.float64)
    new = old.copy()
    for shoulder, elbow, wrist in ((R_SHOULDER, R_ELBOW, R_WRIST), (L_SHOULDER, L_ELBOW, L_WRIST)):
        new[:, elbow] = old[:, shoulder] + ratio["upper_arm"] * (old[:, elbow] - old[:, shoulder])
        new[:, wrist] = new[:, elbow] + ratio["forearm"] * (old[:, wrist] - old[:, elbow])
    old_head = (old[:, R_EAR] + old[:, L_EAR]) / 2
    new_head = old[:, NECK] + ratio["neck"] * (old_head - old[:, NECK])
    for row in FACE_SW:
        new[:, row] = new_head + ratio["head"] * (old[:, row] - old_head)
    source = replace(driver.provenance, source_name=f"puppet of {driver.provenance.source_name}", source_sha256=None)
    return keypoint_sequence(
        new.astype(np.float32),
        driver.confidence,
        driver.timestamps_s,
        driver.shot,
        provenance=source,
        whole_body=driver.whole_body and _carried(driver.whole_body, old, new),
    )


def _carried(whole: WholeBody, old: Float64Array, new: Float64Array) -> WholeBody | None:
    """Hands moved along with their wrists; other points of the body have no place on another one."""
    if whole.hands is None or whole.hand_confidence is None:
        return None
    hands = whole.hands.copy()
    wrists = [L_WRIST, R_WRIST]
    hands[..., :2] += (new[:, wrists] - old[:, wrists]).astype(np.float32)[:, :, None]
    confidence = np.where(np.isfinite(hands).any(axis=(2, 3)), whole.hand_confidence, 0.0)
    return WholeBody(hands=hands, hand_confidence=confidence.astype(np.float32))
