"""Smooth-edged flat shapes, from which a speaker is drawn."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from poseauth.arrays import Float64Array, UInt8Array

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

SUBPIXEL_BITS = 4
LIGHT = np.array([-0.6, -0.8])
"""Where the light comes from in the picture: above, from the left."""


def _arc(start: float, stop: float, n_corners: int) -> Float64Array:
    turn = np.linspace(start, stop, n_corners)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


FULL_TURN = _arc(0.0, 2 * np.pi, 33)[:-1]
HALF_TURN = _arc(-np.pi / 2, np.pi / 2, 9)


@lru_cache(maxsize=1024)
def shaded(colour: Colour, factor: float) -> Colour:
    """The colour in shadow (below 1) or in light (above 1)."""
    red, green, blue = (min(round(channel * factor), 255) for channel in colour)
    return red, green, blue


class Pen:
    """Draws upon a picture; lengths in shoulder widths of the person drawn, places in pixels."""

    def __init__(self, frame: UInt8Array, unit: float) -> None:
        self.frame = frame
        self.unit = unit

    def polygon(self, corners: npt.ArrayLike, colour: Colour) -> None:
        """A filled outline."""
        import cv2

        fixed = np.round(np.asarray(corners) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(self.frame, [fixed], colour, cv2.LINE_AA, SUBPIXEL_BITS)

    def line(self, corners: npt.ArrayLike, colour: Colour, thickness: float) -> None:
        """An open line through all corners, at least a pixel thick."""
        import cv2

        fixed = np.round(np.asarray(corners) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        pixels = max(1, round(thickness * self.unit))
        cv2.polylines(self.frame, [fixed], False, colour, pixels, cv2.LINE_AA, SUBPIXEL_BITS)

    def oval(self, centre: Float64Array, across: float, along: float, axis: Float64Array, colour: Colour) -> None:
        """An ellipse: half its width, half its length, and the direction of its length."""
        basis = self.unit * np.array([along * axis, [-across * axis[1], across * axis[0]]])
        self.polygon(centre + FULL_TURN @ basis, colour)

    def limb(self, start: Float64Array, end: Float64Array, radius: float, end_radius: float, colour: Colour) -> None:
        """A tapered limb with round ends."""
        axis = direction(end - start)
        arc = HALF_TURN @ np.array([axis, [-axis[1], axis[0]]])
        tip, root = end + self.unit * end_radius * arc, start - self.unit * radius * arc
        self.polygon(np.concatenate([tip, root]), colour)

    def shaded_limb(
        self,
        start: Float64Array,
        end: Float64Array,
        radius: float,
        end_radius: float,
        colour: Colour,
        *,
        rim: float = 0.014,
    ) -> None:
        """A tapered limb with a light side and, unless `rim` is 0, a dark rim."""
        axis = direction(end - start)
        sideways = np.array([-axis[1], axis[0]])
        sideways = sideways * np.tanh(4 * (sideways @ LIGHT))
        if rim > 0:
            self.limb(start, end, radius + rim, end_radius + rim, shaded(colour, 0.55))
        self.limb(start, end, radius, end_radius, shaded(colour, 0.88))
        shift = 0.3 * self.unit * sideways
        self.limb(
            start + shift * radius, end + shift * end_radius, 0.66 * radius, 0.66 * end_radius, shaded(colour, 1.12)
        )


def direction(vector: Float64Array) -> Float64Array:
    """The vector at length 1; down for no length at all."""
    length = math.hypot(vector[0], vector[1])
    return vector / length if length > 1e-6 else np.array([0.0, 1.0])


def seen(*points: Float64Array) -> bool:
    """Whether all the points [shape=(2,)] are there."""
    return all(math.isfinite(point[0]) and math.isfinite(point[1]) for point in points)
