"""The part of a picture that is looked at between two whole looks."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.regions import (
    EDGE_PX,
    ROOM_PX,
    WIDENING_PX,
    Region,
    edges_reached,
    region_around,
    widened,
)

SIZE = (640, 384)


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def test_it_holds_everybody_with_room_on_the_grid_of_the_stride():
    region = region_around(boxes([200, 100, 260, 250], [230, 90, 300, 240]), SIZE, 32)
    assert region is not None
    assert region.left <= 200 - ROOM_PX
    assert region.top <= 90 - ROOM_PX
    assert region.right >= 300 + ROOM_PX
    assert region.bottom >= 250 + ROOM_PX
    assert all(edge % 32 == 0 for edge in (region.left, region.top, region.right, region.bottom))
    assert region.shape == (region.bottom - region.top, region.right - region.left)


def test_it_stays_within_the_picture():
    region = region_around(boxes([-20, 200, 90, 400]), SIZE, 32)
    assert region is not None
    assert (region.left, region.bottom) == (0, 384)


@pytest.mark.parametrize(
    "seen",
    [boxes(), boxes([10, 10, 600, 370]), boxes([10, 10, 60, 370], [580, 10, 630, 370])],
    ids=["nobody", "a person who fills it", "two far apart"],
)
def test_all_of_the_picture_is_needed_where_the_people_are_unknown_or_everywhere(seen):
    assert region_around(seen, SIZE, 32) is None


@pytest.mark.parametrize("edge", range(4))
def test_a_person_at_an_open_edge_may_go_on_beyond_it_but_not_at_the_pictures_own(edge):
    inside = np.array([20, 20, 100, 100], np.float32)
    near = inside.copy()
    near[edge] = EDGE_PX - 1 if edge < 2 else 128 - EDGE_PX + 1
    open_region, closed_region = Region(64, 64, 192, 192), Region(0, 0, 128, 128)
    assert not edges_reached(boxes(inside), open_region, SIZE).any()
    assert list(edges_reached(boxes(inside, near), open_region, SIZE)) == [number == edge for number in range(4)]
    assert not edges_reached(boxes(near), closed_region, (128, 128)).any()
    assert not edges_reached(boxes(), open_region, SIZE).any()


@pytest.mark.parametrize("stride", [32, 64])
def test_it_is_widened_beyond_the_edges_that_were_reached_alone(stride):
    region = widened(Region(192, 128, 320, 320), np.array([True, False, False, True]), SIZE, stride)
    assert region is not None
    assert (region.top, region.right) == (128, 320)
    assert region.left <= 192 - WIDENING_PX
    assert region.left % stride == 0
    assert region.bottom == SIZE[1]


def test_where_the_wider_region_is_nearly_all_of_the_picture_all_of_it_is_looked_at():
    assert widened(Region(96, 0, 480, 384), np.array([True, False, True, False]), SIZE, 32) is None
