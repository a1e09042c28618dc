"""What stands behind a drawn speaker; each shot of a video has its own."""

from __future__ import annotations

import numpy as np

from keypoint_extractors.drawing.figure import Look
from keypoint_extractors.drawing.pen import Colour, shaded
from poseauth.arrays import UInt8Array

WALLS: tuple[Colour, ...] = (
    (44, 56, 78),
    (226, 214, 180),
    (92, 40, 44),
    (168, 204, 176),
    (58, 48, 84),
    (236, 222, 226),
)
"""Walls of the second shot and the following, dark and light in turn, so that a cut is plain to see."""


def draw_backdrop(look: Look, shot: int, *, width: int = 1280, height: int = 720) -> UInt8Array:
    """Draw a wall with a window, curtains or panels.

    Parameters
    ----------
    look : Look
        Gives the wall's colour in shot 0.
    shot : int
        Number of the shot.
    width, height : int
        Pixels.

    Returns
    -------
    np.ndarray [shape=(H, W, 3)], uint8
        RGB.
    """
    wall = look.background if shot == 0 else WALLS[(shot - 1) % len(WALLS)]
    picture = np.empty((height, width, 3), np.uint8)
    light = np.linspace(1.06, 0.9, height)[:, None, None]
    picture[:] = np.clip(np.array(wall) * light, 0, 255).astype(np.uint8)
    draw = (_draw_panels, _draw_window, _draw_curtains)[shot % 3]
    draw(picture, wall)
    return picture


def _block(picture: UInt8Array, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    """A rectangle; its sides are shares of the picture's."""
    height, width = picture.shape[:2]
    picture[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = colour


def _draw_panels(picture: UInt8Array, wall: Colour) -> None:
    for left, right in ((0.04, 0.22), (0.26, 0.44), (0.56, 0.74), (0.78, 0.96)):
        _block(picture, left, 0.08, right, 0.62, shaded(wall, 0.93))
        _block(picture, left + 0.008, 0.095, right, 0.62, shaded(wall, 1.03))
    _block(picture, 0.0, 0.7, 1.0, 0.715, shaded(wall, 0.86))


def _draw_window(picture: UInt8Array, wall: Colour) -> None:
    _block(picture, 0.66, 0.06, 0.95, 0.66, shaded(wall, 0.6))
    for left, right in ((0.67, 0.8), (0.81, 0.94)):
        for top, bottom in ((0.08, 0.35), (0.37, 0.64)):
            _block(picture, left, top, right, bottom, (206, 222, 236))
    _block(picture, 0.06, 0.14, 0.24, 0.44, shaded(wall, 1.5))
    _block(picture, 0.07, 0.16, 0.23, 0.42, shaded(wall, 0.75))


def _draw_curtains(picture: UInt8Array, wall: Colour) -> None:
    for fold in range(7):
        for left in (0.0, 0.72):
            start = left + 0.04 * fold
            _block(picture, start, 0.0, start + 0.02, 1.0, shaded(wall, 0.8))
            _block(picture, start + 0.02, 0.0, start + 0.04, 1.0, shaded(wall, 0.9))
