"""The pose of one person in a region of a picture: 33 landmarks, and where to look in the next picture.

pose_landmark_by_roi_cpu.pbtxt, tensors_to_pose_landmarks_and_segmentation.pbtxt,
pose_landmarks_and_segmentation_inverse_projection.pbtxt, pose_landmark_filtering.pbtxt, pose_landmarks_to_roi.pbtxt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keypoint_extractors.blazepose.network import Network, sigmoid
from keypoint_extractors.blazepose.one_euro import OneEuroFilter
from keypoint_extractors.blazepose.person_detector import BODY_MARGIN, UPWARDS
from keypoint_extractors.blazepose.regions import Cropper, Region, region_along
from poseauth.arrays import Float32Array, Float64Array, UInt8Array

N_BODY_POINTS = 33

_SIDE = 256
_N_ROWS, _N_VALUES = 39, 5
"""Landmarks that the network gives, each as x, y, depth, visibility, presence; six of them are not used."""
_N_USED = N_BODY_POINTS + 2
_LANDMARKS, _PRESENCE, _HEAT_MAPS = 0, 1, 3
"""Its outputs; 2 is the mask of the person, 4 the landmarks in metres."""
_CELLS = 64
_REACH = 4
"""Cells of a heat map around a landmark that refine it. The graph file asks for 3, and MediaPipe's Python loses that on
the way and uses its calculator's default: this is what landmarks of MediaPipe are."""
_MIN_HEAT = 0.5
"""Least confidence of a heat map to refine its landmark."""
_REST_CUTOFF_HZ, _BETA = 0.01, 10.0
"""Of the filter of where to look."""


@dataclass(frozen=True, eq=False)
class Pose:
    """A person in a picture.

    Attributes
    ----------
    points : np.ndarray [shape=(33, 2)], float64
        Pixels; they may lie outside the picture.
    depth : np.ndarray [shape=(33,)], float64
        In pixels too, from the hips, negative towards the camera.
    visibility : np.ndarray [shape=(33,)], float64
        Confidence, 0 to 1, that a point is in the picture and not hidden.
    centre_and_reach : np.ndarray [shape=(2, 2)], float64
        The middle of the hips, and a point on the circle around the whole body: where to look next, in pixels.
    presence : float
        Confidence that there is a person, 0 to 1.
    """

    points: Float64Array
    depth: Float64Array
    visibility: Float64Array
    centre_and_reach: Float64Array
    presence: float


class PoseNetwork:
    """The landmark network of BlazePose, full model.

    Parameters
    ----------
    model : bytes
        pose_landmark_full.tflite.
    n_threads : int
        As in `Network`.
    """

    def __init__(self, model: bytes, *, n_threads: int = 1) -> None:
        self._network = Network(model, (_LANDMARKS, _PRESENCE, _HEAT_MAPS), n_threads=n_threads)
        self._cropper = Cropper(_SIDE)

    def pose(self, picture: UInt8Array, region: Region) -> Pose:
        """The pose of whoever is in a region of a picture [shape=(H, W, 3)], uint8 RGB."""
        landmarks, presence, heat_maps = self._network.run(self._cropper.cut(picture, region))
        rows = landmarks.reshape(_N_ROWS, _N_VALUES)[:_N_USED].astype(np.float64)
        places = region.to_picture(_refined(rows[:, :2] / _SIDE, heat_maps))
        return Pose(
            points=places[:N_BODY_POINTS],
            depth=rows[:N_BODY_POINTS, 2] / _SIDE * region.side,
            visibility=sigmoid(rows[:N_BODY_POINTS, 3]),
            centre_and_reach=places[N_BODY_POINTS:],
            presence=float(presence[0]),
        )


class WhereToLook:
    """The region of a person in the next picture, from their poses so far: smoothed, so that it does not tremble."""

    def __init__(self) -> None:
        self._filter = OneEuroFilter(min_cutoff=_REST_CUTOFF_HZ, beta=_BETA)

    def after(self, pose: Pose, time_s: float) -> Region:
        """The region, with a pose and its picture's time in seconds."""
        size = region_along(*pose.centre_and_reach, up=UPWARDS).side
        centre, reach = self._filter.filtered(pose.centre_and_reach, time_s, max(size, 1e-6))
        return region_along(centre, reach, up=UPWARDS, scale=BODY_MARGIN)


_AROUND = np.arange(-_REACH, _REACH + 1)
_ROW = np.arange(_N_USED)[:, None, None]


def _refined(places: Float64Array, heat_maps: Float32Array) -> Float64Array:
    """Landmarks [shape=(35, 2)], in shares of the region, moved to the centre of the heat around them.

    RefineLandmarksFromHeatmapCalculator.
    """
    cell = np.trunc(places * _CELLS).astype(np.int64)
    column = cell[:, 0, None, None] + _AROUND[None, None, :]
    row = cell[:, 1, None, None] + _AROUND[None, :, None]
    inside = (column >= 0) & (column < _CELLS) & (row >= 0) & (row < _CELLS)
    heat = sigmoid(heat_maps[np.clip(row, 0, _CELLS - 1), np.clip(column, 0, _CELLS - 1), _ROW]) * inside
    total = heat.sum(axis=(1, 2))
    hot = ((cell >= 0) & (cell < _CELLS)).all(axis=1) & (heat.max(axis=(1, 2)) >= _MIN_HEAT)
    centre = np.stack([(heat * column).sum(axis=(1, 2)), (heat * row).sum(axis=(1, 2))], axis=1)
    return np.where(hot[:, None], centre / np.maximum(total, 1e-9)[:, None] / _CELLS, places)
