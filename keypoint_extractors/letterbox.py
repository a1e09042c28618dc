"""How a frame is laid into a network's input, as ultralytics lays it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poseauth.arrays import UInt8Array

PADDING_GREY = 114


@dataclass(frozen=True)
class Letterbox:
    """How a frame is laid into the network's input: scaled, centred, padded with grey.

    Attributes
    ----------
    scaled : tuple of int
        Width and height of the scaled frame in pixels.
    padded : tuple of int
        Width and height of the input in pixels, multiples of the stride.
    left, top : int
        Where the scaled frame begins.
    gain : tuple of float
        Scaled over original pixels, in x and y.
    """

    scaled: tuple[int, int]
    padded: tuple[int, int]
    left: int
    top: int
    gain: tuple[float, float]


def letterbox(width: int, height: int, image_size: int, stride: int) -> Letterbox:
    """The smallest input of multiples of `stride` whose longer side is `image_size`, as ultralytics lays it.

    Parameters
    ----------
    width, height : int
        Of the frame, in pixels.
    image_size : int
        Longer side of the scaled frame; a multiple of `stride`.
    stride : int
        Of the network.
    """
    ratio = image_size / max(width, height)
    scaled_width, scaled_height = max(round(width * ratio), 1), max(round(height * ratio), 1)
    pad_x, pad_y = (image_size - scaled_width) % stride, (image_size - scaled_height) % stride
    return Letterbox(
        scaled=(scaled_width, scaled_height),
        padded=(scaled_width + pad_x, scaled_height + pad_y),
        left=round(pad_x / 2 - 0.1),
        top=round(pad_y / 2 - 0.1),
        gain=(scaled_width / width, scaled_height / height),
    )


def lay_into_input(frames: Sequence[UInt8Array], box: Letterbox) -> UInt8Array:
    """The network's input pictures, scaled bilinearly and padded with grey.

    Parameters
    ----------
    frames : sequence of np.ndarray [shape=(H, W, 3)], uint8
        Frames of one size.
    box : Letterbox
        The layout of that size.

    Returns
    -------
    np.ndarray [shape=(B, padded height, padded width, 3)], uint8
    """
    import cv2

    (width, height), (padded_width, padded_height) = box.scaled, box.padded
    pictures = np.full((len(frames), padded_height, padded_width, 3), PADDING_GREY, np.uint8)
    for picture, frame in zip(pictures, frames, strict=True):
        if frame.shape[:2] != (height, width):
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        picture[box.top : box.top + height, box.left : box.left + width] = frame
    return pictures
