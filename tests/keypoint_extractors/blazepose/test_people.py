"""Who is followed through a shot, with stand-ins for the networks that know where everybody is."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from keypoint_extractors.blazepose.people import LOOK_AGAIN_S, MAX_PEOPLE, PeopleOfShot
from keypoint_extractors.blazepose.person_detector import FoundPerson
from keypoint_extractors.blazepose.pose_network import Pose
from keypoint_extractors.blazepose.regions import Region

PICTURE = np.zeros((400, 2000, 3), np.uint8)
SIZE = 100.0
"""From the hips to the circle around the body."""


class World:
    """Bodies by their hips' x, at y = 200; `seen` says which of them a network can see."""

    def __init__(self, *places):
        self.places = {number: float(x) for number, x in enumerate(places)}
        self.seen = set(self.places)
        self.n_looks = 0

    def find(self, picture):
        self.n_looks += 1
        return [
            FoundPerson(Region(self.places[number] + 3, 200.0, 2.5 * SIZE), 0.9 - 0.1 * number)
            for number in sorted(self.seen)
        ]

    def pose(self, picture, region):
        """Of whoever is nearest to the region; confident where somebody seen is in it."""
        here = [number for number in self.seen if abs(self.places[number] - region.x) < 0.3 * region.side]
        nearest = min(here, key=lambda number: abs(self.places[number] - region.x), default=None)
        x = region.x if nearest is None else self.places[nearest]
        points = np.column_stack([x + np.linspace(-40, 40, 33), 200 - np.linspace(80, -80, 33)])
        reach = np.array([[x, 200.0], [x, 200.0 - SIZE]])
        return Pose(points, np.zeros(33), np.ones(33), reach, 0.1 if nearest is None else 0.9)


def follow(world, n_frames=1, *, start=0, people=None):
    people = people or PeopleOfShot(world, world, min_presence=0.5, numbers=count())
    seen = []
    for frame in range(start, start + n_frames):
        seen = people.follow(PICTURE, frame / 30)
    return people, [(person.number, float(pose.points[16, 0])) for person, pose in seen]


def test_everybody_in_view_is_followed_and_keeps_their_number():
    world = World(300, 900, 1500)
    people, first = follow(world)
    assert [number for number, _ in first] == [0, 1, 2]
    for step in range(20):
        world.places = {number: x + 4 for number, x in world.places.items()}
        people, seen = follow(world, start=1 + step, people=people)
    assert [number for number, _ in seen] == [0, 1, 2]
    assert [x for _, x in seen] == pytest.approx([380, 980, 1580])


def test_the_whole_picture_is_looked_at_once_a_second_and_where_nobody_is():
    world = World(300)
    people, _ = follow(world, 60)
    assert world.n_looks == 2 == round(60 / 30 / LOOK_AGAIN_S)
    world.seen = set()
    follow(world, 10, start=60, people=people)
    assert world.n_looks == 12


def test_somebody_who_comes_in_is_seen_within_a_second():
    world = World(300, 900)
    world.seen = {0}
    people, _ = follow(world, 10)
    world.seen = {0, 1}
    _, seen = follow(world, 30, start=10, people=people)
    assert seen == [(0, 300), (1, 900)]


def test_somebody_lost_has_another_number_when_they_come_back():
    world = World(300)
    people, _ = follow(world, 3)
    world.seen = set()
    people, nobody = follow(world, 2, start=3, people=people)
    world.seen = {0}
    _, again = follow(world, 1, start=5, people=people)
    assert (nobody, again) == ([], [(1, 300)])


def test_one_body_is_followed_once_however_often_it_is_found():
    world = World(300, 310)
    world.places[1] = 305.0
    people, seen = follow(world, 40)
    assert len(seen) == 1
    world.places = {0: 300.0, 1: 900.0}
    people, apart = follow(world, 31, start=40, people=people)
    assert len(apart) == 2
    world.places = {0: 300.0, 1: 300.0}
    _, together = follow(world, 5, start=71, people=people)
    assert [number for number, _ in together] == [0]


def test_of_a_crowd_the_largest_are_followed():
    world = World(*(150 * number + 100 for number in range(MAX_PEOPLE + 3)))
    found = world.find

    def of_sizes(picture):
        return [
            FoundPerson(Region(person.region.x, 200.0, person.region.side * (1 + 0.01 * number)), person.score)
            for number, person in enumerate(found(picture))
        ]

    world.find = of_sizes
    _, seen = follow(world)
    assert len(seen) == MAX_PEOPLE
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)
