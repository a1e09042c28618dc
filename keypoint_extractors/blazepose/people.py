"""Everybody in one shot, from picture to picture: who is followed, who is lost, who comes in.

Each is followed as pose_landmark_cpu.pbtxt follows its one person: the pose network looks where the last poses say,
and the detector looks at the whole picture where nobody is followed. Here it looks again every second, too, so that
several people are seen: an interpreter beside the speaker, a second guest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from keypoint_extractors.blazepose.hand_network import Hand
from keypoint_extractors.blazepose.person_detector import UPWARDS, PersonDetector
from keypoint_extractors.blazepose.pose_network import Pose, PoseNetwork, WhereToLook
from keypoint_extractors.blazepose.regions import Region, region_along
from poseauth.arrays import UInt8Array

LOOK_AGAIN_S = 1.0
"""Seconds after which the whole picture is looked at for people who have come in."""
MAX_PEOPLE = 8
"""People followed at once; beyond these the smallest are left out."""

_SAME_PLACE = 0.1
"""How far apart the centres of two regions of one body may be, in sides of the larger."""
_SAME_SIZE = 1.5
_SAME_BODY = 0.06
"""Mean distance of two poses' points above the hips, in sides of the region, up to which they are of one body. Two
people shoulder to shoulder are three times as far apart."""
_ABOVE_HIPS = 23


NOWHERE = Region(math.nan, math.nan, 0.0)


@dataclass(eq=False)
class Followed:
    """Somebody who is followed.

    Attributes
    ----------
    number : int
        Theirs alone in the video.
    region : Region
        Where to look for them next.
    hands : list of Hand or None
        As they were seen last, left first.
    """

    number: int
    region: Region = NOWHERE
    hands: list[Hand | None] = field(default_factory=lambda: [None, None])
    where: WhereToLook = field(default_factory=WhereToLook)

    def is_at(self, region: Region) -> bool:
        """Whether a region is that of this body."""
        larger, smaller = max(self.region.side, region.side), min(self.region.side, region.side)
        apart = math.hypot(self.region.x - region.x, self.region.y - region.y)
        return apart < _SAME_PLACE * larger and larger < _SAME_SIZE * smaller


class PeopleOfShot:
    """Follows everybody in one shot.

    Parameters
    ----------
    detector, network
        The networks.
    min_presence : float
        Least confidence that somebody is still where they are looked for, 0 to 1.
    numbers : iterator of int
        Gives each person a number.
    """

    def __init__(
        self, detector: PersonDetector, network: PoseNetwork, *, min_presence: float, numbers: Iterator[int]
    ) -> None:
        self._detector, self._network = detector, network
        self._min_presence = min_presence
        self._numbers = numbers
        self._people: list[Followed] = []
        self._look_s = -math.inf

    def follow(self, picture: UInt8Array, time_s: float) -> list[tuple[Followed, Pose]]:
        """Who is in the next picture [shape=(H, W, 3)], uint8 RGB, at this time; in the order of their numbers."""
        seen: list[tuple[Followed, Pose]] = []
        for person in self._people:
            pose = self._pose(picture, person.region)
            if pose is not None and not any(_is_one_body(pose, other) for _, other in seen):
                person.region = person.where.after(pose, time_s)
                seen.append((person, pose))
        if not seen or time_s >= self._look_s:
            self._look_s = time_s + LOOK_AGAIN_S
            for found in self._detector.find(picture):
                if any(person.is_at(found.region) for person, _ in seen):
                    continue
                first = self._pose(picture, found.region)
                if first is None or any(_is_one_body(first, other) for _, other in seen):
                    continue
                person = Followed(next(self._numbers))
                person.region = person.where.after(first, time_s)
                # The region of somebody only detected is not yet that of somebody followed: without a second look the
                # first step of every shot would be larger than the others.
                seen.append((person, self._pose(picture, person.region) or first))
            if len(seen) > MAX_PEOPLE:
                largest = sorted(seen, key=lambda entry: -entry[0].region.side)[:MAX_PEOPLE]
                seen = sorted(largest, key=lambda entry: entry[0].number)
        self._people = [person for person, _ in seen]
        return seen

    def _pose(self, picture: UInt8Array, region: Region) -> Pose | None:
        height, width = picture.shape[:2]
        if not region.is_usable(width, height):
            return None
        pose = self._network.pose(picture, region)
        return pose if pose.presence > self._min_presence else None


def _is_one_body(first: Pose, other: Pose) -> bool:
    size = max(region_along(*pose.centre_and_reach, up=UPWARDS).side for pose in (first, other))
    apart = np.linalg.norm(first.points[:_ABOVE_HIPS] - other.points[:_ABOVE_HIPS], axis=1).mean()
    return bool(apart < _SAME_BODY * size)
