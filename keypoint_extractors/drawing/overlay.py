"""The skeleton upon a picture: twelve keypoints, the limbs between them and the fingers, seen on any ground."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.drawing.pen import Colour, Pen, seen
from keypoint_extractors.drawing.rendering import sample_hands, sample_keypoints
from keypoint_extractors.video_limits import VideoLimits
from poseauth.arrays import Float32Array, UInt8Array
from poseauth.errors import VideoError
from poseauth.keypoints import (
    FINGERS,
    L_EAR,
    L_ELBOW,
    L_EYE,
    L_SHOULDER,
    L_WRIST,
    R_EAR,
    R_ELBOW,
    R_EYE,
    R_SHOULDER,
    R_WRIST,
    SHOWN_LIMBS,
    KeypointSequence,
)

RIGHT_COLOUR: Colour = (204, 121, 167)
LEFT_COLOUR: Colour = (0, 158, 115)
MIDDLE_COLOUR: Colour = (240, 240, 240)
"""Of the person's right, left and middle: purple and green of Okabe and Ito (2008), apart for every kind of colour
vision, and white. Orange and blue say for and against."""
_RIM: Colour = (0, 0, 0)
_GROUND: Colour = (52, 58, 64)
_RIGHT = frozenset({R_SHOULDER, R_ELBOW, R_WRIST, R_EYE, R_EAR})
_LEFT = frozenset({L_SHOULDER, L_ELBOW, L_WRIST, L_EYE, L_EAR})
_LINE, _DOT, _RIM_WIDTH = 0.009, 0.011, 0.006
"""Of the picture's longer side: width of a limb, radius of a keypoint, width of the dark rim round both."""
_FINGER = 0.45
"""Of a limb's width."""
_LEAST_PX = 1.0
DEFAULT_SIZE = (640, 360)
"""Of a picture on plain ground where the keypoints do not say how large the frame was."""


def draw_skeleton(picture: UInt8Array, keypoints: Float32Array, hands: Float32Array | None = None) -> UInt8Array:
    """A copy of a picture with the skeleton on it; what is missing is left out.

    Parameters
    ----------
    picture : np.ndarray [shape=(H, W, 3)], uint8
        RGB.
    keypoints : np.ndarray [shape=(12, 2)], float32
        Pixels of this picture, NaN where missing.
    hands : np.ndarray [shape=(2, 21, 2)], float32, or None
        Left and right hand likewise.

    Returns
    -------
    np.ndarray [shape=(H, W, 3)], uint8
        Every shape has a dark rim, so that it stands out on light ground as on dark.
    """
    drawn = np.array(picture, dtype=np.uint8)
    draw_skeleton_onto(drawn, keypoints, hands)
    return drawn


def draw_skeleton_onto(
    picture: UInt8Array, keypoints: Float32Array, hands: Float32Array | None = None, *, weight: float = 1.0
) -> None:
    """As `draw_skeleton`, upon the picture itself, its lines and points thinner by a weight below 1."""
    side = weight * max(picture.shape[:2])
    pen = Pen(picture, 1.0)
    points = keypoints.astype(np.float64)
    line, dot, rim = (max(share * side, _LEAST_PX) for share in (_LINE, _DOT, _RIM_WIDTH))
    limbs = [(points[a], points[b], line, _colour(b)) for a, b in SHOWN_LIMBS if seen(points[a], points[b])]
    both = () if hands is None else hands.astype(np.float64)
    for hand, colour in zip(both, (LEFT_COLOUR, RIGHT_COLOUR), strict=False):
        for finger in FINGERS:
            bones = pairwise([hand[0], *hand[list(finger)]])
            limbs += [(start, end, _FINGER * line, colour) for start, end in bones if seen(start, end)]
    dots = [k for k in range(len(points)) if seen(points[k])]
    up = np.array([0.0, 1.0])
    for wider, dark in ((rim, True), (0.0, False)):
        for start, end, width, colour in limbs:
            half = width / 2 + wider * width / line
            pen.limb(start, end, half, half, _RIM if dark else colour)
        for k in dots:
            pen.oval(points[k], dot + wider, dot + wider, up, _RIM if dark else _colour(k))


def plain_ground(sequence: KeypointSequence, side: int) -> UInt8Array:
    """An empty picture of the frame's proportions, its longer side so many pixels: [shape=(H, W, 3)], uint8."""
    source = sequence.provenance
    width, height = source.frame_width, source.frame_height
    if width < 1 or height < 1:
        width, height = DEFAULT_SIZE
    scale = side / max(width, height)
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    return np.full((*shape, 3), _GROUND, dtype=np.uint8)


def skeleton_pictures(
    sequence: KeypointSequence,
    times_s: Sequence[float],
    *,
    video: Path | None,
    side: int,
    limits: VideoLimits | None = None,
) -> list[UInt8Array]:
    """The clip at some times, small, with the skeleton of the person followed on it.

    Parameters
    ----------
    sequence : KeypointSequence
        The person, in pixels of the video's frame.
    times_s : sequence of float
        Seconds from the start, in any order.
    video : Path or None
        The clip, decoded once, no further than the last time; None, or where it cannot be decoded: the skeletons
        stand on plain ground.
    side : int
        Pixels of a picture's longer side.
    limits : VideoLimits or None
        What the file may ask of the machine; None: the usual.

    Returns
    -------
    list of np.ndarray [shape=(H, W, 3)], uint8
        RGB, one a time.
    """
    if not times_s:
        return []
    frames: dict[int, UInt8Array] = {}
    if video is not None:
        with contextlib.suppress(VideoError):  # the sequence was seen: a file gone since leaves the skeletons
            frames = _frames_at(video, times_s, side, limits)
    at_times = np.array(times_s, dtype=np.float64)
    keypoints, _, _ = sample_keypoints(sequence, at_times)
    hands = sample_hands(sequence, at_times)
    width, height = sequence.provenance.frame_width, sequence.provenance.frame_height
    pictures = []
    for number, points in enumerate(keypoints):
        ground = frames.get(number)
        on_video = ground is not None
        ground = plain_ground(sequence, side) if ground is None else ground
        fingers = None if hands is None else hands[number, ..., :2]
        if width > 0 and height > 0:
            scale = np.array([ground.shape[1] / width, ground.shape[0] / height], np.float32)
            points, fingers = points * scale, None if fingers is None else fingers * scale
        elif not on_video:
            points, fingers = _fitted(points, ground), None
        pictures.append(draw_skeleton(ground, points, fingers))
    return pictures


def as_jpeg(picture: UInt8Array, *, quality: int = 82) -> bytes:
    """The picture [shape=(H, W, 3)], uint8, RGB as a JPEG file; the same bytes for the same picture.

    Raises
    ------
    ValueError
        If it cannot be encoded.
    """
    import cv2

    done, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be made a JPEG")
    return content.tobytes()


def _colour(keypoint: int) -> Colour:
    if keypoint in _RIGHT:
        return RIGHT_COLOUR
    return LEFT_COLOUR if keypoint in _LEFT else MIDDLE_COLOUR


def _frames_at(video: Path, times_s: Sequence[float], side: int, limits: VideoLimits | None) -> dict[int, UInt8Array]:
    """The last picture at or before each time, by the time's number."""
    import cv2

    waiting = sorted(range(len(times_s)), key=lambda number: times_s[number])
    found: dict[int, UInt8Array] = {}
    with IsolatedVideo(video, picture_side=side, limits=limits) as frames:
        shown: UInt8Array | None = None
        for frame in frames:
            while waiting and shown is not None and times_s[waiting[0]] < frame.time_s:
                found[waiting.pop(0)] = shown
            if not waiting:
                break
            shown = frame.rgb
        if shown is not None:
            found |= dict.fromkeys(waiting, shown)
    scaled = {}
    for number, picture in found.items():
        height, width = picture.shape[:2]
        scale = side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        scaled[number] = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return scaled


def _fitted(points: Float32Array, ground: UInt8Array) -> Float32Array:
    """Keypoints of a frame of unknown size, brought inside the picture."""
    there = points[np.isfinite(points).all(axis=-1)]
    if not len(there):
        return points
    low, span = there.min(axis=0), float(max(np.ptp(there, axis=0).max(), 1e-6))
    height, width = ground.shape[:2]
    room = 0.8 * min(height, width)
    centre = np.array([width / 2, height / 2]) - room * (there.max(axis=0) - low) / span / 2
    return np.asarray((points - low) / span * room + centre, dtype=np.float32)
