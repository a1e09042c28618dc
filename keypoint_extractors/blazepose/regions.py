"""What a network looks at: a turned square of the picture, cut out of it, and the way back into the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from poseauth.arrays import Float32Array, Float64Array, UInt8Array

_SUBPIXELS_BITS = 5
"""Colours are taken from the nearest thirty-second of a pixel, as OpenCV 4 and MediaPipe do."""
_FIXED_BITS = 10
"""Places are whole numbers of 1024ths of a pixel until then, so that no processor rounds them its own way."""
_MOST_SIDES = 8.0
"""A region with more than so many times the picture's longer side is no body."""
_LEAST_SIDE_PX = 4.0


@dataclass(frozen=True, slots=True)
class Region:
    """A square of a picture.

    Attributes
    ----------
    x, y : float
        Its centre in pixels.
    side : float
        Its length in pixels.
    angle : float
        How far it is turned, in radians, clockwise as the picture is seen: its own "up" is (sin, -cos) of it.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def changed(self, *, scale: float = 1.0, shift_y: float = 0.0) -> Region:
        """Moved by `shift_y` of its side along its own downward axis, then `scale` times as large.

        RectTransformationCalculator with square_long.
        """
        along = self.side * shift_y
        return Region(
            self.x - along * math.sin(self.angle),
            self.y + along * math.cos(self.angle),
            self.side * scale,
            self.angle,
        )

    def to_picture(self, points: Float32Array | Float64Array) -> Float64Array:
        """Points [shape=(N, 2)] in shares of the square, 0 to 1 from its top left, in pixels of the picture.

        LandmarkProjectionCalculator.
        """
        return self._turned(np.asarray(points, np.float64) - 0.5, self.angle) * self.side + (self.x, self.y)

    def from_picture(self, points: Float32Array | Float64Array) -> Float64Array:
        """The inverse of `to_picture`, in pixels from the centre: [shape=(N, 2)]."""
        return self._turned(np.asarray(points, np.float64) - (self.x, self.y), -self.angle)

    @staticmethod
    def _turned(points: Float64Array, angle: float) -> Float64Array:
        cos, sin = math.cos(angle), math.sin(angle)
        return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))

    def is_usable(self, width: int, height: int) -> bool:
        """Whether it is a place in or near a picture of this size in pixels."""
        longest = max(width, height)
        if not (math.isfinite(self.x + self.y + self.side + self.angle) and self.side >= _LEAST_SIDE_PX):
            return False
        reach = self.side / 2
        near = -reach < self.x < width + reach and -reach < self.y < height + reach
        return near and self.side <= _MOST_SIDES * longest


def region_along(start: Float64Array, end: Float64Array, *, up: float, scale: float = 1.0) -> Region:
    """A square centred on `start` that reaches as far as `end`, turned so that the way to it points `up`.

    AlignmentPointsRectsCalculator.

    Parameters
    ----------
    start, end : np.ndarray [shape=(2,)]
        Pixels.
    up : float
        The direction of that way in an upright square, in radians counter-clockwise from the right: half a pi is
        upwards, and minus half a pi downwards.
    scale : float
        How many times as large the square is.
    """
    x, y = float(end[0] - start[0]), float(end[1] - start[1])
    side = 2 * math.hypot(x, y)
    return Region(float(start[0]), float(start[1]), side * scale, normalized_angle(up - math.atan2(-y, x)))


def normalized_angle(angle: float) -> float:
    """The same direction between minus pi and pi."""
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


class Cropper:
    """Cuts regions out of pictures, scaled to the input of a network.

    Linear interpolation in whole numbers: every version of OpenCV and every processor gives the same pixels, the ones
    that OpenCV 4.11 gives. (OpenCV 5 interpolates exactly, and landmarks of the same frame then differ by 0.3 % of the
    shoulder width in the middle.)

    Parameters
    ----------
    side : int
        Pixels of the network's input.
    black_outside : bool
        Whether what lies outside the picture is black; else its edge goes on.
    """

    def __init__(self, side: int, *, black_outside: bool = False) -> None:
        import cv2

        self.side = side
        self._places = np.arange(side, dtype=np.float64)
        self._fixed = np.empty((2, side, side), np.int32)
        self._whole = np.empty((side, side, 2), np.int16)
        self._parts = np.empty((side, side), np.uint16)
        self._cut = np.empty((side, side, 3), np.uint8)
        self._border = cv2.BORDER_CONSTANT if black_outside else cv2.BORDER_REPLICATE
        self._remap = cv2.remap

    def cut(self, picture: UInt8Array, region: Region) -> UInt8Array:
        """The region's pixels [shape=(side, side, 3)], uint8; overwritten by the next call.

        ImageToTensorCalculator with keep_aspect_ratio.
        """
        step = region.side / self.side
        cos, sin = math.cos(region.angle) * step, math.sin(region.angle) * step
        half = self.side / 2
        one = 1 << _FIXED_BITS
        x, y = self._fixed
        for out, along_row, along_column, start in (
            (x, cos, -sin, region.x - half * (cos - sin)),
            (y, sin, cos, region.y - half * (sin + cos)),
        ):
            row = np.rint(self._places * (along_row * one)).astype(np.int32)
            column = np.rint((self._places * along_column + start) * one).astype(np.int32)
            column += 1 << (_FIXED_BITS - _SUBPIXELS_BITS - 1)
            np.add(column[:, None], row[None, :], out=out)
            np.right_shift(out, _FIXED_BITS - _SUBPIXELS_BITS, out=out)
        np.right_shift(x, _SUBPIXELS_BITS, out=self._whole[..., 0], casting="unsafe")
        np.right_shift(y, _SUBPIXELS_BITS, out=self._whole[..., 1], casting="unsafe")
        mask = (1 << _SUBPIXELS_BITS) - 1
        x &= mask
        y &= mask
        y <<= _SUBPIXELS_BITS
        np.bitwise_or(x, y, out=self._parts, casting="unsafe")
        return np.asarray(self._remap(picture, self._whole, self._parts, 1, self._cut, self._border))
