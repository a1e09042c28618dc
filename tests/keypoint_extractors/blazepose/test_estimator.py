"""The estimator on drawn pictures: bodies, hands, several people, whatever the threads and the groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keypoint_extractors.blazepose.estimator import BlazePose, _each_once
from keypoint_extractors.blazepose.hand_network import FROM_POSE, Hand
from keypoint_extractors.blazepose.pose_network import Pose
from keypoint_extractors.drawing.figure import LOOKS, draw_speaker
from keypoint_extractors.drawing.rendering import render_scene
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.extraction import observe_video
from keypoint_extractors.following import Follow, follow
from keypoint_extractors.observation import PictureGroup
from poseauth.keypoints import L_SHOULDER, L_WRIST, LEFT, NECK, R_SHOULDER, R_WRIST, RIGHT
from tests.picture_groups import grouped

SPEECH = speak(STYLES[2], duration_s=2.0, seed=20)
WIDTH = float(np.linalg.norm(SPEECH.keypoints[0, R_SHOULDER] - SPEECH.keypoints[0, L_SHOULDER]))
NOBODY = np.full((720, 1280, 3), 128, np.uint8)


def drawn(frames, *, paint=()):
    """Pictures of the speech; `paint` names hands that are painted over with the colour of the suit."""
    pictures = []
    for frame in frames:
        hands = SPEECH.whole_body.hands[frame]
        picture = draw_speaker(SPEECH.keypoints[frame], SPEECH.confidence[frame], hands=hands, look=LOOKS[2])
        for side in paint:
            x, y = hands[side, :, :2].mean(axis=0)
            rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
            picture[np.hypot(columns - x, rows - y) < 75] = LOOKS[2].suit
        pictures.append(picture)
    return pictures


@pytest.fixture(scope="module")
def estimator(models):
    found = BlazePose(n_threads=2)
    yield found
    found.close()


def everybody(estimator, groups):
    return [people for group in estimator.detect(groups) for people in group]


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        for name in ("boxes", "scores", "keypoints", "confidence", "numbers"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        for name, array in one.whole_body.given().items():
            np.testing.assert_array_equal(array, getattr(other.whole_body, name))


@pytest.mark.parametrize("n_threads", [1, 5])
def test_the_number_of_threads_changes_nothing(estimator, n_threads):
    pictures = drawn(range(0, 20, 2))
    other = BlazePose(n_threads=n_threads)
    assert_same(everybody(estimator, grouped(pictures)), everybody(other, grouped(pictures)))
    other.close()


def test_where_a_group_of_frames_ends_changes_nothing(estimator):
    """No comb: what was known at the end of a group is known at the beginning of the next."""
    pictures = drawn(range(0, 20, 2))
    one_by_one = grouped(*([picture] for picture in pictures), goes_on=True)
    assert_same(everybody(estimator, grouped(pictures)), everybody(estimator, one_by_one))


def test_a_cut_makes_the_estimator_forget_who_was_there(estimator):
    pictures = drawn(range(6))
    elsewhere = [picture[:, ::-1].copy() for picture in pictures]
    first, _, again = (everybody(estimator, [group]) for group in grouped(pictures, elsewhere, pictures))
    assert_same(first, again)
    numbers = [
        {int(number) for people in group for number in people.numbers}
        for group in estimator.detect(grouped(pictures, elsewhere, pictures))
    ]
    assert numbers == [{0}, {1}, {2}]


def test_a_picture_without_people_has_none(estimator):
    assert [len(people) for people in everybody(estimator, grouped([NOBODY] * 3))] == [0, 0, 0]


def test_both_hands_hang_on_their_own_wrists(estimator):
    found = everybody(estimator, grouped(drawn(range(12))))[-1]
    known = SPEECH.whole_body.hands[11]
    for side, wrist in ((LEFT, L_WRIST), (RIGHT, R_WRIST)):
        hand = found.whole_body.hands[0, side]
        assert found.whole_body.hand_confidence[0, side] > 0.5
        assert np.nanmedian(np.linalg.norm(hand[:, :2] - known[side, :, :2], axis=1)) < 0.06 * WIDTH
        assert np.linalg.norm(hand[0, :2] - found.keypoints[0, wrist]) < 0.15 * WIDTH


def test_a_hand_that_is_painted_over_is_missing_though_the_pose_places_its_wrist(estimator):
    seen = everybody(estimator, grouped(drawn(range(20), paint=(LEFT, RIGHT))))
    found = np.array([people.whole_body.hand_confidence[0] > 0 for people in seen])
    assert found.mean() < 0.1
    for people in seen:
        missing = people.whole_body.hand_confidence[0] == 0
        assert np.isnan(people.whole_body.hands[0, missing]).all()


def test_a_hand_outside_the_picture_is_missing(estimator):
    """All below the elbows is cut off."""
    pictures = [picture[:430] for picture in drawn(range(10))]
    for people in everybody(estimator, grouped(pictures)):
        below = people.whole_body.hands[0, :, :, 1]
        assert not (below > 430).any()
        whole_or_none = np.isfinite(below).sum(axis=1)
        assert ((whole_or_none == 0) | (whole_or_none >= 11)).all()


def test_without_hands_the_bodies_are_the_same_and_hands_are_not_said_to_be_missing(estimator, models):
    alone = BlazePose(hands=False, n_threads=2)
    pictures = drawn(range(4))
    for one, other in zip(everybody(alone, grouped(pictures)), everybody(estimator, grouped(pictures)), strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
        np.testing.assert_array_equal(one.whole_body.body, other.whole_body.body)
        assert one.whole_body.hands is None
    assert (alone.sees_hands, estimator.sees_hands) == (False, True)
    alone.close()


def hand_at(x, y, confidence=0.9):
    points = np.zeros((21, 3))
    points[1:, 1] = -np.linspace(10, 80, 20)
    points[9, 1] = -40
    return Hand(points + np.array([x, y, 0]), confidence)


def test_one_hand_that_both_sides_found_is_that_of_the_nearer_wrist():
    points = np.zeros((33, 2))
    points[FROM_POSE[LEFT][0]], points[FROM_POSE[RIGHT][0]] = (100, 0), (40, 0)
    pose = Pose(points, np.zeros(33), np.ones(33), np.zeros((2, 2)), 1.0)
    left, right = hand_at(52, 0), hand_at(50, 3)
    assert _each_once(pose, [left, right]) == [None, right]
    assert _each_once(replace(pose, points=points[:, [1, 0]] + [[50, 0]]), [left, None]) == [left, None]
    apart = hand_at(95, 0)
    assert _each_once(pose, [apart, right]) == [apart, right]


@pytest.fixture(scope="module")
def two_people(tmp_path_factory):
    """A speaker, and an interpreter at 0.7 of their size in the corner; their keypoints and a video of both."""
    speaker = speak(STYLES[0], duration_s=3.0, seed=1)
    other = speak(STYLES[3], duration_s=3.0, seed=2)
    interpreter = replace(
        other,
        keypoints=(0.7 * (other.keypoints - other.keypoints[:1, NECK]) + [1080, 400]).astype(np.float32),
        whole_body=None,
    )
    aside = replace(speaker, keypoints=(speaker.keypoints - [260, 0]).astype(np.float32), whole_body=None)
    path = tmp_path_factory.mktemp("two") / "two.mp4"
    render_scene([(interpreter, LOOKS[3]), (aside, LOOKS[0])], path)
    return aside, interpreter, path


def test_an_interpreter_beside_the_speaker_is_seen_and_counted_and_can_be_asked_for(estimator, two_people):
    speaker, interpreter, path = two_people
    observation = observe_video(path, estimator)
    followed = follow(observation)
    asked = follow(observation, Follow(box=(950.0, 250.0, 300.0, 400.0)))
    assert followed.provenance.n_people_ignored == asked.provenance.n_people_ignored == 1
    for found, known in ((followed, speaker), (asked, interpreter)):
        width = np.linalg.norm(known.keypoints[:, R_SHOULDER] - known.keypoints[:, L_SHOULDER], axis=1).mean()
        away = np.linalg.norm(found.keypoints[:, NECK] - known.keypoints[:, NECK], axis=1) / width
        assert np.isfinite(away).mean() > 0.95
        assert np.nanmedian(away) < 0.15


def test_the_first_step_of_a_shot_is_no_larger_than_the_others(estimator):
    """The speaker stands still: whatever moves is the estimator."""
    still = drawn([30])[0]
    noise = np.random.default_rng(0)
    pictures = [np.clip(still + noise.normal(0, 3, still.shape), 0, 255).astype(np.uint8) for _ in range(24)]
    people = everybody(estimator, [PictureGroup(pictures, [frame / 30 for frame in range(24)], True)])
    points = np.concatenate([seen.keypoints for seen in people])
    steps = np.nanmean(np.linalg.norm(np.diff(points, axis=0), axis=-1), axis=1)
    assert steps[0] < 3 * np.median(steps)
