"""One hand of a person from picture to picture: where it is by the pose, looked at closer, 21 landmarks.

hand_landmarks_from_pose_cpu.pbtxt, hand_landmarks_from_pose_to_recrop_roi.pbtxt, hand_recrop_by_roi_cpu.pbtxt,
hand_tracking.pbtxt, hand_landmarks_to_roi.pbtxt, hand_landmark_cpu.pbtxt. Which hand it is follows from the wrist that
it hangs on, as in these graphs: what the network says of it is not asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from keypoint_extractors.blazepose.network import Network
from keypoint_extractors.blazepose.person_detector import UPWARDS
from keypoint_extractors.blazepose.pose_network import Pose
from keypoint_extractors.blazepose.regions import Cropper, Region, normalized_angle, region_along
from poseauth.arrays import Float64Array, UInt8Array

N_HAND_POINTS = 21
SIDES = ("left", "right")
"""The order of a person's hands, everywhere."""
FROM_POSE = ((15, 17, 19), (16, 18, 20))
"""Wrist, little finger and index finger of each side among the 33 points of the body."""

MIN_WRIST_VISIBILITY = 0.1
"""Below this the pose network does not see the wrist, and no hand is looked for."""
MIN_HAND_CONFIDENCE = 0.5
"""Below this the hand network does not see a hand where one was looked for, and the hand is missing."""

_SIDE, _CLOSER_SIDE = 224, 256
_LANDMARKS, _PRESENCE = 0, 1
_DEPTH_SCALE = 0.4
"""The network's depths are so many times too small."""
_PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Points that the region of the next picture is drawn around: wrist, thumb but for its tip, and the fingers' roots."""
_WRIST, _INDEX, _MIDDLE, _RING = 0, 5, 9, 13
_MOST_TURN, _MOST_MOVE, _MOST_GROWTH = math.radians(40.0), 0.2, 0.4
_LANDMARK_ROOM = 0.9
"""How far the hand may have turned, moved and grown (in sides of the region) to be looked for where it was, and the
share of the closer region that has to hold all of its last landmarks."""


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand in a picture.

    Attributes
    ----------
    points : np.ndarray [shape=(21, 3)], float64
        x and y in pixels, and depth in pixels from the wrist, negative towards the camera.
    confidence : float
        That there is a hand, 0 to 1.
    """

    points: Float64Array
    confidence: float


class HandNetwork:
    """The hand landmark network, full model, and the one that finds the hand near the wrist.

    Parameters
    ----------
    closer_model, model : bytes
        hand_recrop.tflite and hand_landmark_full.tflite.
    n_threads : int
        As in `Network`.
    """

    def __init__(self, closer_model: bytes, model: bytes, *, n_threads: int = 1) -> None:
        self._closer = Network(closer_model, (0,), n_threads=n_threads)
        self._network = Network(model, (_LANDMARKS, _PRESENCE), n_threads=n_threads)
        self._closer_cropper, self._cropper = Cropper(_CLOSER_SIDE), Cropper(_SIDE)

    def follow(self, picture: UInt8Array, pose: Pose, side: int, before: Hand | None) -> Hand | None:
        """A person's hand in a picture; None where no hand is seen.

        Parameters
        ----------
        picture : np.ndarray [shape=(H, W, 3)], uint8
            RGB.
        pose : Pose
            The person's, in this picture.
        side : int
            0 left, 1 right.
        before : Hand or None
            The same hand in the picture before.
        """
        height, width = picture.shape[:2]
        wrist, little, index = FROM_POSE[side]
        if pose.visibility[wrist] <= MIN_WRIST_VISIBILITY:
            return None
        near_wrist = region_from_pose(*pose.points[[wrist, little, index]])
        if not near_wrist.is_usable(width, height):
            return None
        region = self.closer_region(picture, near_wrist)
        if before is not None:
            where_it_was = region_of_hand(before.points)
            if is_still_there(before.points, where_it_was, region):
                region = where_it_was
        return self.hand(picture, region) if region.is_usable(width, height) else None

    def closer_region(self, picture: UInt8Array, near_wrist: Region) -> Region:
        """Where the hand is, in a region around the place that the pose names."""
        (values,) = self._closer.run(self._closer_cropper.cut(picture, near_wrist))
        middle, reach = near_wrist.to_picture(values.reshape(2, 2) / _CLOSER_SIDE)
        return region_along(middle, reach, up=-UPWARDS).changed(shift_y=-0.1)

    def hand(self, picture: UInt8Array, region: Region) -> Hand | None:
        """The hand in a region; None where the network sees none."""
        landmarks, presence = self._network.run(self._cropper.cut(picture, region))
        confidence = float(presence[0])
        if not confidence > MIN_HAND_CONFIDENCE:
            return None
        rows = landmarks.reshape(N_HAND_POINTS, 3).astype(np.float64) / _SIDE
        depth = rows[:, 2:] / _DEPTH_SCALE * region.side
        return Hand(np.concatenate([region.to_picture(rows[:, :2]), depth], axis=1), min(confidence, 1.0))


def region_from_pose(wrist: Float64Array, little: Float64Array, index: Float64Array) -> Region:
    """Where a hand may be, by the three points that the pose has of it, in pixels.

    HandDetectionsFromPoseToRectsCalculator.
    """
    middle = (2 * index + little) / 3
    x, y = middle - wrist
    angle = normalized_angle(UPWARDS - math.atan2(-y, x))
    return Region(float(middle[0]), float(middle[1]), 2 * math.hypot(x, y), angle).changed(scale=2.7, shift_y=-0.1)


def region_of_hand(points: Float64Array) -> Region:
    """Where to look for a hand in the next picture, by its landmarks in this one.

    HandLandmarksToRectCalculator.
    """
    palm = points[list(_PALM), :2]
    fingers = ((points[_INDEX, :2] + points[_RING, :2]) / 2 + points[_MIDDLE, :2]) / 2
    x, y = fingers - points[_WRIST, :2]
    centre = (palm.max(axis=0) + palm.min(axis=0)) / 2
    upright = Region(float(centre[0]), float(centre[1]), 1.0, normalized_angle(UPWARDS - math.atan2(-y, x)))
    turned = upright.from_picture(palm)
    high, low = turned.max(axis=0), turned.min(axis=0)
    width, height = high - low
    # The square is drawn around the middle of the turned palm, a tenth of its height nearer to the finger tips.
    middle = (high + low) / 2 - (0.0, 0.1 * height)
    x, y = upright.to_picture(middle[None] + 0.5)[0]
    return Region(float(x), float(y), 2 * float(max(width, height)), upright.angle)


def is_still_there(points: Float64Array, where_it_was: Region, closer: Region) -> bool:
    """Whether a hand may be looked for where it was, or has moved away from there.

    RoiTrackingCalculator.

    Parameters
    ----------
    points : np.ndarray [shape=(21, 3)]
        Its landmarks in the picture before.
    where_it_was : Region
        The region drawn around them.
    closer : Region
        Where the hand is in this picture, roughly.
    """
    turn = abs(normalized_angle(where_it_was.angle - closer.angle))
    moved = np.abs(closer.from_picture(np.array([[where_it_was.x, where_it_was.y]]))).max()
    grown = abs(where_it_was.side - closer.side)
    if turn > _MOST_TURN or moved > _MOST_MOVE * closer.side or grown > _MOST_GROWTH * closer.side:
        return False
    return bool((np.abs(closer.from_picture(points[:, :2])) < _LANDMARK_ROOM * closer.side / 2).all())
