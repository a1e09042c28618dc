"""The part of a picture that has to be looked at after a frame of which all of it was.

A network that runs on the whole of a wide picture spends most of its work on what does not move. Between two looks at
everything, half a second apart, it is shown the people alone, with room to move: at the same scale and at a distance
from the picture's corner that is a multiple of its stride, so that it sees the same pixels in the same places and
answers alike. Where they come near the region's edge they are looked for in a wider one, so that it can be drawn close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseauth.arrays import BoolArray, Float32Array

ROOM = 0.05
"""Room around the people, as a share of the longer side of the box around all of them."""
ROOM_PX = 16
"""And at least this, in pixels of the network's input."""
WIDENING_PX = 96
"""How much further a region reaches, in pixels of the input, where somebody came near its edge: a gesture's width."""
MAX_SHARE = 0.8
"""Share of the picture from which the whole of it is looked at instead: less than this is saved."""
EDGE_PX = 4
"""Whoever comes so near to an edge of the region may go on beyond it."""


@dataclass(frozen=True)
class Region:
    """A rectangle in the network's input, in pixels; its sides are multiples of the stride."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left


def region_around(people: Float32Array, size: tuple[int, int], stride: int) -> Region | None:
    """The region that holds everybody seen in the first frame of a group.

    Parameters
    ----------
    people : np.ndarray [shape=(P, 4)], float32
        Their boxes: left, top, right, bottom in pixels of the input.
    size : tuple of int
        Width and height of the input, multiples of `stride`.
    stride : int
        Of the network.

    Returns
    -------
    Region or None
        None where all of the picture has to be looked at: there is nobody, or the people fill it.
    """
    if not len(people):
        return None
    first, last = people[:, :2].min(axis=0), people[:, 2:].max(axis=0)
    room = ROOM_PX + ROOM * float((last - first).max())
    left, top = (max(0, int((edge - room) // stride) * stride) for edge in first)
    right, bottom = (min(side, -int(-(edge + room) // stride) * stride) for edge, side in zip(last, size, strict=True))
    return _worth_it(Region(left, top, right, bottom), size) if left < right and top < bottom else None


def edges_reached(people: Float32Array, region: Region, size: tuple[int, int]) -> BoolArray:
    """Beyond which edges of a region somebody seen in it may go on.

    Parameters
    ----------
    people : np.ndarray [shape=(P, 4)], float32
        Boxes in pixels of the region.
    region : Region
        Where it lies in the input.
    size : tuple of int
        Width and height of the input: at its own edges there is nothing beyond.

    Returns
    -------
    np.ndarray [shape=(4,)], bool
        Left, top, right, bottom.
    """
    height, width = region.shape
    open_edges = np.array([region.left > 0, region.top > 0, region.right < size[0], region.bottom < size[1]])
    near = np.stack(
        [
            people[:, 0] < EDGE_PX,
            people[:, 1] < EDGE_PX,
            people[:, 2] > width - EDGE_PX,
            people[:, 3] > height - EDGE_PX,
        ],
        axis=1,
    )
    return np.asarray(near.any(axis=0) & open_edges)


def widened(region: Region, edges: BoolArray, size: tuple[int, int], stride: int) -> Region | None:
    """The region with room beyond some of its edges.

    Parameters
    ----------
    region : Region
        As `region_around` gives it.
    edges : np.ndarray [shape=(4,)], bool
        Left, top, right, bottom.
    size : tuple of int
        Width and height of the input, multiples of `stride`.
    stride : int
        Of the network.

    Returns
    -------
    Region or None
        None where all of the picture has to be looked at.
    """
    step = -(-WIDENING_PX // stride) * stride
    left, top, right, bottom = (step * int(edge) for edge in edges)
    return _worth_it(
        Region(
            max(0, region.left - left),
            max(0, region.top - top),
            min(size[0], region.right + right),
            min(size[1], region.bottom + bottom),
        ),
        size,
    )


def _worth_it(region: Region, size: tuple[int, int]) -> Region | None:
    height, width = region.shape
    return region if width * height <= MAX_SHARE * size[0] * size[1] else None
