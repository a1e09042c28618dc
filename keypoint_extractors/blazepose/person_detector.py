"""Finding people in a whole picture: the network that looks for faces and bodies, and what it means.

pose_detection_cpu.pbtxt and pose_detection_to_roi.pbtxt.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from keypoint_extractors.blazepose.network import Network, sigmoid
from keypoint_extractors.blazepose.regions import Cropper, Region, region_along
from poseauth.arrays import Float64Array, UInt8Array

BODY_MARGIN = 1.25
"""How many times as large as the circle around a body its region is."""
UPWARDS = math.pi / 2

_SIDE = 224
_GRIDS = ((28, 2), (14, 2), (7, 6))
"""Cells along each side, and boxes a cell: strides of 8, 16 and three times 32 pixels, each with two boxes."""
_OVERLAP = 0.3
"""Intersection over union from which two boxes are one person's."""
_HIP, _REACH = 0, 1
"""Of the four points of a box: the middle of the hips, and how far and which way the body goes from there."""


class FoundPerson(NamedTuple):
    """Somebody in a picture: the region of the whole body, and how sure the network is, 0 to 1."""

    region: Region
    score: float


class PersonDetector:
    """The detector of BlazePose.

    Parameters
    ----------
    model : bytes
        pose_detection.tflite.
    min_score : float
        Least confidence that there is somebody, 0 to 1.
    n_threads : int
        As in `Network`.
    """

    def __init__(self, model: bytes, *, min_score: float, n_threads: int = 1) -> None:
        self._network = Network(model, (0, 1), pixel_range=(-1.0, 1.0), n_threads=n_threads)
        self._cropper = Cropper(_SIDE, black_outside=True)
        self._min_score = min_score
        self._anchors = _anchors()

    def find(self, picture: UInt8Array) -> list[FoundPerson]:
        """Everybody in a picture [shape=(H, W, 3)], uint8 RGB, the most confident first."""
        height, width = picture.shape[:2]
        whole = Region(width / 2, height / 2, float(max(width, height)))
        boxes, scores = self._network.run(self._cropper.cut(picture, whole))
        score = sigmoid(scores[:, 0])
        likely = np.flatnonzero(score > self._min_score)
        likely = likely[np.argsort(-score[likely], kind="stable")]
        score, values = score[likely], boxes[likely].astype(np.float64) / _SIDE
        values[:, :2] += self._anchors[likely]
        values[:, 4:] += np.tile(self._anchors[likely], 4)
        people = []
        while len(values):
            same = _overlap(values, values[0]) > _OVERLAP
            same[0] = True
            mean = (values[same] * score[same, None]).sum(axis=0) / score[same].sum()
            points = whole.to_picture(mean[4:].reshape(4, 2))
            region = region_along(points[_HIP], points[_REACH], up=UPWARDS, scale=BODY_MARGIN)
            if region.is_usable(width, height):
                people.append(FoundPerson(region, float(score[0])))
            values, score = values[~same], score[~same]
        return people


def _anchors() -> Float64Array:
    """Centres of the cells that the network's boxes are told from, in shares of the picture: [shape=(2254, 2)]."""
    centres = []
    for n_cells, n_boxes in _GRIDS:
        place = (np.arange(n_cells) + 0.5) / n_cells
        y, x = np.meshgrid(place, place, indexing="ij")
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), n_boxes, axis=0))
    return np.concatenate(centres)


def _overlap(boxes: Float64Array, other: Float64Array) -> Float64Array:
    """Intersection over union of boxes (x, y, width, height, ...) with another one."""
    low, high = boxes[:, :2] - boxes[:, 2:4] / 2, boxes[:, :2] + boxes[:, 2:4] / 2
    other_low, other_high = other[:2] - other[2:4] / 2, other[:2] + other[2:4] / 2
    shared = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None).prod(axis=1)
    areas = (high - low).prod(axis=1) + (other_high - other_low).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))
