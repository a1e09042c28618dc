"""One person drawn from twelve keypoints, flat-shaded, so that a pose estimator finds the same twelve again.

A length without a unit is in shoulder widths of the person drawn; `Pen` turns it into pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keypoint_extractors.drawing.pen import LIGHT, Colour, Pen, direction, seen, shaded
from poseauth.arrays import Float32Array, Float64Array, UInt8Array
from poseauth.keypoints import (
    L_EAR,
    L_ELBOW,
    L_EYE,
    L_SHOULDER,
    L_WRIST,
    LEFT,
    NECK,
    NOSE,
    R_EAR,
    R_ELBOW,
    R_EYE,
    R_SHOULDER,
    R_WRIST,
    RIGHT,
)

EAR_DISTANCE = 0.41
EYE_DISTANCE = 0.172
NOSE_TO_NECK = 0.62
EYES_TO_NOSE = 0.12
FULL_FOREARM = 0.55
"""A forearm that looks shorter points at the camera, and its hand with it."""


@dataclass(frozen=True)
class Look:
    """The colours of a speaker (RGB) and how the hair is worn.

    Attributes
    ----------
    name : str
        What the look is called.
    skin, hair, suit, shirt, tie, background : tuple of int
        Red, green, blue, each 0 to 255.
    hair_length : float
        How far the hair comes down the sides of the head: 0 bald, 0.5 short, 1 to the chin.
    """

    name: str
    skin: Colour
    hair: Colour
    suit: Colour
    shirt: Colour
    tie: Colour
    background: Colour
    hair_length: float = 0.5


LOOKS: tuple[Look, ...] = (
    Look("navy", (226, 178, 146), (66, 46, 34), (38, 50, 84), (244, 245, 248), (168, 38, 44), (176, 188, 198)),
    Look("charcoal", (150, 104, 76), (28, 24, 24), (62, 64, 70), (236, 240, 246), (44, 92, 160), (206, 196, 178), 0.35),
    Look(
        "burgundy", (238, 196, 168), (150, 98, 48), (116, 32, 48), (250, 246, 240), (116, 32, 48), (142, 164, 170), 1.0
    ),
    Look("green", (206, 156, 120), (46, 40, 40), (36, 78, 66), (246, 244, 232), (206, 164, 60), (198, 204, 214), 0.5),
    Look("black", (108, 72, 54), (20, 18, 20), (34, 34, 40), (248, 248, 250), (110, 60, 130), (168, 178, 160), 1.0),
    Look(
        "grey", (232, 186, 160), (190, 188, 184), (112, 118, 128), (252, 252, 252), (30, 60, 110), (120, 104, 92), 0.4
    ),
)


def draw_speaker(
    keypoints: Float32Array,
    confidence: Float32Array,
    *,
    hands: Float32Array | None = None,
    look: Look = LOOKS[0],
    width: int = 1280,
    height: int = 720,
    onto: UInt8Array | None = None,
) -> UInt8Array:
    """Draw one person; what needs a missing keypoint is left out.

    Parameters
    ----------
    keypoints : np.ndarray [shape=(12, 2)], float32
        Pixels, NaN where missing.
    confidence : np.ndarray [shape=(12,)], float32
        0 where missing.
    hands : np.ndarray [shape=(2, 21, 3)], float32, or None
        Left and right hand as in `WholeBody`; where a wrist is there and its hand is not, a resting one is drawn.
    look : Look
        The colours.
    width, height : int
        Size in pixels of the picture, where `onto` does not give it.
    onto : np.ndarray [shape=(H, W, 3)], uint8, or None
        A picture to draw upon, in place; None: a plain one in the look's background colour.

    Returns
    -------
    np.ndarray [shape=(H, W, 3)], uint8
        RGB.
    """
    if onto is None:
        onto = np.empty((height, width, 3), np.uint8)
        onto[:] = look.background
    points = np.array(keypoints, dtype=np.float64)
    points[~(np.asarray(confidence) > 0)] = np.nan
    unit = _shoulder_width(points)
    if not unit > 0:
        return onto
    pen = Pen(onto, unit)
    _draw_trunk(pen, points, look)
    _draw_head(pen, points, look)
    arms = ((R_SHOULDER, R_ELBOW, R_WRIST), (L_SHOULDER, L_ELBOW, L_WRIST))
    for shoulder, elbow, _ in arms:
        _draw_upper_arm(pen, points[shoulder], points[elbow], look)
    for (_, elbow, wrist), side in zip(arms, (RIGHT, LEFT), strict=True):
        fingers = None if hands is None else np.asarray(hands[side], np.float64)
        _draw_forearm(pen, points[elbow], points[wrist], look, points[NECK], fingers)
    return onto


def _shoulder_width(points: Float64Array) -> float:
    """The person's scale in pixels, from whatever is there; 0 from nothing."""

    def apart(first: int, second: int) -> float:
        return float(np.linalg.norm(points[first] - points[second]))

    measures = [
        apart(R_SHOULDER, L_SHOULDER),
        2 * 0.97 * apart(NECK, R_SHOULDER),
        2 * 0.97 * apart(NECK, L_SHOULDER),
        0.8 / NOSE_TO_NECK * apart(NECK, NOSE),
        0.9 / EAR_DISTANCE * apart(R_EAR, L_EAR),
        0.9 / EYE_DISTANCE * apart(R_EYE, L_EYE),
    ]
    return max((m for m in measures if np.isfinite(m)), default=0.0)


def _draw_trunk(pen: Pen, points: Float64Array, look: Look) -> None:
    right, left = points[R_SHOULDER], points[L_SHOULDER]
    if not seen(right, left):
        return
    unit = pen.unit
    across = direction(left - right)
    across = across if across[0] > 0 else -across
    down = direction(np.array([-across[1], across[0] + 1.0]))
    middle = (right + left) / 2
    half = max(float(np.linalg.norm(left - right)) / 2 / unit, 0.3)

    def at(x: float, y: float) -> Float64Array:
        return np.asarray(middle + unit * (x * across + y * down))

    end = max(2.0, (pen.frame.shape[0] - float(middle[1])) / unit + 0.2)
    outline = [
        (0.12, -0.34),
        (0.2, -0.26),
        (half * 0.6, -0.19),
        (half, -0.13),
        (half + 0.1, -0.06),
        (half + 0.13, 0.06),
        (half + 0.06, 0.4),
    ]
    outline += [(half - 0.06, 0.85), (half - 0.08, 1.1), (half, 1.5), (half, end)]
    sides = [at(x, y) for x, y in outline], [at(-x, y) for x, y in outline]
    pen.polygon([*sides[1], *sides[0][::-1]], look.suit)
    dark = [at(max(x - 0.2 - 0.06 * y, 0.06), y) for x, y in outline]
    pen.polygon([*sides[0], *dark[::-1]], shaded(look.suit, 0.8))
    _draw_neck(pen, points, look, middle, down)
    shirt = [at(-0.17, -0.3), at(0.0, -0.16), at(0.17, -0.3), at(0.15, 0.0), at(0.0, 0.72), at(-0.15, 0.0)]
    pen.polygon(shirt, look.shirt)
    pen.polygon(
        [
            at(-0.05, -0.17),
            at(0.05, -0.17),
            at(0.035, -0.08),
            at(0.065, 0.56),
            at(0, 0.68),
            at(-0.065, 0.56),
            at(-0.035, -0.08),
        ],
        look.tie,
    )
    for side, light in ((-1, 1.22), (1, 0.95)):
        collar = [at(0.165 * side, -0.36), at(0.01 * side, -0.16), at(0.11 * side, -0.06), at(0.2 * side, -0.26)]
        pen.polygon(collar, shaded(look.shirt, 0.97 if side < 0 else 0.88))
        lapel = [at(0.2 * side, -0.27), at(0.31 * side, 0.0), at(0.27 * side, 0.08), at(0.3 * side, 0.13)]
        lapel += [at(0.02 * side, 0.76), at(0.13 * side, -0.02)]
        pen.polygon(lapel, shaded(look.suit, light))
        pen.line([*lapel[:5]], shaded(look.suit, 0.55), 0.008)
    pen.line([at(0, 0.76), at(0.02, end)], shaded(look.suit, 0.55), 0.01)
    for y in (0.84, 1.06):
        pen.oval(at(0.05, y), 0.018, 0.018, down, shaded(look.suit, 0.5))


def _draw_neck(pen: Pen, points: Float64Array, look: Look, middle: Float64Array, down: Float64Array) -> None:
    head = _head_axes(points, pen.unit)
    if head is None:
        return
    base, top = middle - 0.12 * pen.unit * down, head.centre + 0.14 * pen.unit * head.down
    pen.limb(base, top, 0.145, 0.135, shaded(look.skin, 0.66))
    shift = pen.unit * np.array([-0.03, 0.01])
    pen.limb(base + shift, top + shift, 0.11, 0.1, shaded(look.skin, 0.8))


@dataclass(frozen=True)
class _Head:
    """Where the head is: its centre (between the ears), its directions, its size (1: usual)."""

    centre: Float64Array
    right: Float64Array
    down: Float64Array
    size: float


def _head_axes(points: Float64Array, unit: float) -> _Head | None:
    """The head from whatever of the face is there; "right" is the picture's."""
    nose, eyes, ears = points[NOSE], points[[R_EYE, L_EYE]], points[[R_EAR, L_EAR]]
    right = np.array([1.0, 0.0])
    sizes = []
    for pair, usual in ((ears, EAR_DISTANCE), (eyes, EYE_DISTANCE)):
        if seen(*pair):
            right = direction(pair[1] - pair[0])
            sizes.append(float(np.linalg.norm(pair[1] - pair[0])) / usual / unit)
    if right[0] < 0:
        right = -right
    down = np.array([-right[1], right[0]])
    size = float(np.clip(max(sizes, default=0.95), 0.85, 1.2))
    if seen(*ears):
        return _Head(ears.mean(axis=0), right, down, size)
    if seen(*eyes):
        return _Head(eyes.mean(axis=0) + 0.05 * size * unit * down, right, down, size)
    if seen(nose):
        return _Head(nose - 0.07 * size * unit * down, right, down, size)
    for pair, half in ((ears, EAR_DISTANCE / 2), (eyes, EYE_DISTANCE / 2)):
        for side, point in zip((1, -1), pair, strict=True):
            if seen(point):
                return _Head(point + side * half * size * unit * right, right, down, size)
    return None


def _draw_head(pen: Pen, points: Float64Array, look: Look) -> None:
    head = _head_axes(points, pen.unit)
    if head is None:
        return
    pen = Pen(pen.frame, pen.unit * head.size)
    unit = pen.unit

    def at(x: float, y: float) -> Float64Array:
        return np.asarray(head.centre + unit * (x * head.right + y * head.down))

    dark_hair = shaded(look.hair, 0.8)
    if look.hair_length > 0.8:
        for side in (-1, 1):
            pen.oval(at(0.17 * side, 0.06), 0.085, 0.27, head.down, dark_hair)
    for ear in (points[R_EAR], points[L_EAR]):
        if seen(ear):
            pen.oval(ear, 0.042, 0.075, head.down, shaded(look.skin, 0.72))
            pen.oval(ear, 0.03, 0.06, head.down, shaded(look.skin, 0.86))
    if look.hair_length > 0:
        pen.oval(at(0, -0.11), 0.225, 0.24, head.down, look.hair)
    pen.oval(at(0, 0.0), 0.205, 0.305, head.down, shaded(look.skin, 0.78))
    pen.oval(at(-0.022, 0.0), 0.181, 0.292, head.down, look.skin)
    if look.hair_length > 0:
        turn = np.linspace(np.pi, 2 * np.pi, 21)
        crown = [at(0.218 * np.cos(a), -0.09 + 0.255 * np.sin(a)) for a in turn]
        sideburn = 0.1 * look.hair_length - 0.06
        fringe = [at(0.19, sideburn), at(0.165, -0.1), at(0.1, -0.165), at(-0.04, -0.185), at(-0.15, -0.13)]
        pen.polygon([*crown, *fringe, at(-0.19, sideburn)], look.hair)
        pen.polygon([*crown[12:], *fringe[:3], at(0.15, -0.2)], dark_hair)
    _draw_face(pen, points, look, head)


def _draw_face(pen: Pen, points: Float64Array, look: Look, head: _Head) -> None:
    nose, eyes = points[NOSE], points[[R_EYE, L_EYE]]
    unit = pen.unit
    across, down = unit * head.right, unit * head.down
    for eye in eyes:
        if not seen(eye):
            continue
        pen.oval(eye - 0.004 * down, 0.036, 0.052, head.right, shaded(look.skin, 0.82))
        pen.oval(eye, 0.019, 0.038, head.right, (246, 246, 244))
        pen.oval(eye, 0.0175, 0.0175, head.right, (52, 40, 34))
        pen.line([eye - 0.042 * across, eye - 0.022 * down, eye + 0.042 * across], (40, 30, 28), 0.009)
        brow = eye - 0.058 * down
        pen.line(
            [brow - 0.05 * across + 0.008 * down, brow - 0.012 * down, brow + 0.05 * across + 0.008 * down],
            shaded(look.hair, 0.75),
            0.02,
        )
    if not seen(nose):
        return
    between = eyes.mean(axis=0) if seen(*eyes) else nose - EYES_TO_NOSE * down
    root = between + 0.01 * down
    pen.polygon(
        [root, nose + 0.045 * across + 0.012 * down, nose + 0.022 * down, root + 0.01 * across], shaded(look.skin, 0.74)
    )
    pen.polygon([root, nose + 0.022 * down, nose - 0.042 * across + 0.014 * down], shaded(look.skin, 0.93))
    pen.oval(nose, 0.022, 0.03, head.right, shaded(look.skin, 1.08))
    for side in (-1, 1):
        pen.oval(nose + 0.02 * side * across + 0.02 * down, 0.007, 0.01, head.right, shaded(look.skin, 0.45))
    mouth = nose + 0.42 * (nose - between) + 0.055 * down - 0.12 * (nose - head.centre - 0.06 * down)
    lips = (int(0.62 * look.skin[0] + 34), int(0.42 * look.skin[1]), int(0.42 * look.skin[2]))
    pen.oval(mouth, 0.02, 0.07, head.right, lips)
    pen.line(
        [mouth - 0.066 * across - 0.006 * down, mouth + 0.006 * down, mouth + 0.066 * across - 0.006 * down],
        shaded(lips, 0.5),
        0.008,
    )
    pen.oval(mouth + 0.045 * down, 0.009, 0.035, head.right, shaded(look.skin, 0.82))


def _draw_upper_arm(pen: Pen, shoulder: Float64Array, elbow: Float64Array, look: Look) -> None:
    if not seen(shoulder, elbow):
        return
    armpit = shoulder + 0.4 * (elbow - shoulder)
    pen.limb(armpit, elbow, 0.129, 0.119, shaded(look.suit, 0.55))
    pen.shaded_limb(shoulder, elbow, 0.135, 0.105, look.suit, rim=0.0)


def _draw_forearm(
    pen: Pen, elbow: Float64Array, wrist: Float64Array, look: Look, neck: Float64Array, fingers: Float64Array | None
) -> None:
    if not seen(elbow, wrist):
        return
    axis = direction(wrist - elbow)
    length = float(np.linalg.norm(wrist - elbow)) / pen.unit
    if fingers is not None and not np.isfinite(fingers).all():
        fingers = None
    is_in_front = fingers is not None and fingers[:, 2].mean() < 0
    if fingers is None:
        _draw_resting_hand(pen, wrist, axis, float(np.clip(length / FULL_FOREARM, 0.65, 1.0)), look, neck)
    elif not is_in_front:
        _draw_fingers(pen, fingers, look)
    sleeve, cuff = wrist - 0.135 * pen.unit * axis, wrist - 0.055 * pen.unit * axis
    pen.limb(sleeve, cuff, 0.078, 0.072, shaded(look.shirt, 0.7))
    pen.limb(sleeve, cuff, 0.07, 0.064, look.shirt)
    pen.shaded_limb(elbow, sleeve, 0.105, 0.078, look.suit)
    if fingers is not None and is_in_front:
        _draw_fingers(pen, fingers, look)


def _draw_fingers(pen: Pen, points: Float64Array, look: Look) -> None:
    """A hand [shape=(21, 3)], what is farther from the camera first.

    Thin fingers with faint edges: the hand network takes broad ones with dark edges for no hand.
    """
    palm = points[[0, 1, 5, 9, 13, 17]]
    chains = [points[[1, 2, 3, 4]], *(points[first : first + 4] for first in (5, 9, 13, 17))]
    rim, edge = shaded(look.skin, 0.87), 0.008
    parts: list[tuple[float, int]] = [(float(palm[:, 2].mean()), -1)]
    parts += [(float(chain[1:, 2].mean()), number) for number, chain in enumerate(chains)]
    for _, number in sorted(parts, key=lambda part: -part[0]):
        if number < 0:
            corners = palm[:, :2]
            for radius, colour in ((0.028 + edge, rim), (0.028, look.skin)):
                for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
                    pen.limb(start, end, radius, radius, colour)
                pen.polygon(corners, colour)
            continue
        joints = chains[number][:, :2]
        radii = (0.03, 0.027, 0.024, 0.02) if number == 0 else (0.026, 0.025, 0.022, 0.019)
        tone = shaded(look.skin, 0.98 if number % 2 else 1.0)
        for wider, colour in ((edge, rim), (0.0, tone)):
            for joint in range(3):
                start, end = radii[joint] + wider, radii[joint + 1] + wider
                pen.limb(joints[joint], joints[joint + 1], start, end, colour)
        for joint in range(3):
            along = direction(joints[joint + 1] - joints[joint])
            sideways = np.array([-along[1], along[0]])
            shift = 0.3 * pen.unit * sideways * np.sign(sideways @ LIGHT)
            start, end = radii[joint], radii[joint + 1]
            light = shaded(look.skin, 1.1)
            pen.limb(joints[joint] + shift * start, joints[joint + 1] + shift * end, 0.6 * start, 0.6 * end, light)


def _draw_resting_hand(
    pen: Pen, wrist: Float64Array, axis: Float64Array, stretch: float, look: Look, neck: Float64Array
) -> None:
    """A mitt with four fingers and a thumb on the side of the body's middle and of the sky."""
    unit = pen.unit
    sideways = np.array([-axis[1], axis[0]])
    inward = (float(neck[0] - wrist[0]) / unit if seen(neck) else 0.0) * sideways[0] - 0.6 * sideways[1]
    thumb_side = float(np.tanh(3 * inward))
    rim, light = shaded(look.skin, 0.5), look.skin

    def at(along: float, aside: float) -> Float64Array:
        return np.asarray(wrist + unit * (along * stretch * axis + aside * sideways))

    knuckles = [(0.2 - 0.012 * abs(place), 0.036 * place) for place in (-1.5, -0.5, 0.5, 1.5)]
    tips = [(0.34 - 0.022 * abs(2 * place + 0.5) / 2, 0.043 * place) for place in (-1.5, -0.5, 0.5, 1.5)]
    thumb = at(0.06, 0.05 * thumb_side), at(0.17, 0.125 * thumb_side)
    parts: Sequence[tuple[Float64Array, Float64Array, float, float]] = [
        (at(-0.03, 0.0), at(0.15, 0.0), 0.052, 0.078),
        *((at(*knuckle), at(*tip), 0.023, 0.018) for knuckle, tip in zip(knuckles, tips, strict=True)),
        (*thumb, 0.034, 0.022),
    ]
    for start, end, radius, end_radius in parts:
        pen.limb(start, end, radius + 0.01, end_radius + 0.01, rim)
    for number, (start, end, radius, end_radius) in enumerate(parts):
        tone = 0.9 if number % 2 else 1.0
        pen.limb(start, end, radius, end_radius, shaded(light, tone))
