"""Where a hand is looked for, and when it is looked for where it was."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keypoint_extractors.blazepose.hand_network import is_still_there, region_from_pose, region_of_hand
from keypoint_extractors.blazepose.regions import Region


def upright_hand(x=0.0, y=0.0, size=40.0):
    """A hand that points up: its wrist at the bottom, the palm `size` high and as wide."""
    points = np.zeros((21, 3))
    across = {"thumb": -0.5, "index": -0.3, "middle": 0.0, "ring": 0.25, "little": 0.5}
    for number, place in enumerate(across.values()):
        for joint in range(4):
            points[1 + 4 * number + joint, :2] = (place, -1.0 - 0.3 * joint if number else -0.3 - 0.2 * joint)
    return points * size + (x, y, 0)


def turned(points, angle):
    cos, sin = math.cos(angle), math.sin(angle)
    return np.column_stack([points[:, :2] @ np.array([[cos, sin], [-sin, cos]]), points[:, 2]])


def test_a_hand_is_looked_for_around_its_middle_finger_as_far_as_the_wrist():
    region = region_from_pose(np.array([0.0, 0.0]), np.array([6.0, -30.0]), np.array([-3.0, -30.0]))
    assert (region.x, region.angle) == pytest.approx((0.0, 0.0))
    assert region.side == pytest.approx(2.7 * 60)
    assert region.y == pytest.approx(-30 - 0.1 * 60)


@pytest.mark.parametrize("angle", [0.0, 0.8, -2.5])
def test_the_region_of_a_hand_turns_with_it_and_holds_it_all(angle):
    upright, hand = region_of_hand(upright_hand()), turned(upright_hand(), angle)
    region = region_of_hand(hand)
    assert region.angle == pytest.approx(upright.angle + angle, abs=0.2)
    assert (np.abs(region.from_picture(hand[:, :2])) < region.side / 2).all()
    assert region.side == pytest.approx(upright.side, rel=0.15)


def test_a_hand_is_looked_for_where_it_was_until_it_has_turned_moved_or_grown_too_much():
    hand = upright_hand(100.0, 100.0)
    there = region_of_hand(hand)
    assert is_still_there(hand, there, there)
    side = there.side
    for other in (
        Region(there.x + 0.21 * side, there.y, side, there.angle),
        Region(there.x, there.y - 0.21 * side, side, there.angle),
        Region(there.x, there.y, side / 1.41, there.angle),
        Region(there.x, there.y, side * 1.7, there.angle),
        Region(there.x, there.y, side, there.angle + math.radians(41)),
    ):
        assert not is_still_there(hand, there, other)
    nearly = Region(there.x + 0.1 * side, there.y, 1.1 * side, there.angle + math.radians(20) - 2 * math.pi)
    assert is_still_there(hand, there, nearly)


def test_a_hand_whose_points_left_the_place_is_looked_for_anew():
    hand = upright_hand(100.0, 100.0)
    there = region_of_hand(hand)
    stray = hand.copy()
    stray[20, 0] += there.side
    assert not is_still_there(stray, there, there)
