"""What was detected in a whole video, kept in little memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keypoint_extractors.observation import DetectionLog, Detections, no_detections
from poseauth.keypoints import WHOLE_BODY_SHAPES, WholeBody


def people(*lefts):
    n_people = len(lefts)
    boxes = np.array([[left, 0, left + 10, 20] for left in lefts], np.float32).reshape(n_people, 4)
    points = np.arange(n_people * 24, dtype=np.float32).reshape(n_people, 12, 2)
    return Detections(
        boxes, np.linspace(0.5, 1, n_people, dtype=np.float32), points, np.ones((n_people, 12), np.float32)
    )


def test_a_log_gives_back_frame_by_frame_what_was_added_in_any_portions():
    frames = [people(1), no_detections(), people(5, 9), people(2, 3, 4)]
    log = DetectionLog(frames[:1])
    log.add([])
    log.add(frames[1:])
    assert len(log) == 4
    assert log.n_people.tolist() == [1, 0, 2, 3]
    for one, kept in zip(frames, log, strict=True):
        for name in ("boxes", "scores", "keypoints", "confidence"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(one, name))
    assert [len(found) for found in log[1:3]] == [0, 2]


def test_a_log_can_go_on_after_it_was_read():
    log = DetectionLog([people(1)])
    assert len(log.arrays()["boxes"]) == 1
    log.add([people(2, 3)])
    np.testing.assert_array_equal(log.arrays()["boxes"][:, 0], [1, 2, 3])


def test_an_empty_log_has_no_rows_and_no_frames():
    log = DetectionLog()
    assert len(log) == 0
    assert [array.shape for array in log.arrays().values()] == [(0, 4), (0,), (0, 12, 2), (0, 12)]
    assert log.whole_body is None
    assert log.numbers is None
    with pytest.raises(IndexError):
        log[0]


def whole(people, *numbers):
    """The same people with hands, a body and numbers; the value of everything is the number."""
    values = np.array(numbers, np.float32)
    arrays = {
        name: np.ones((len(people), *shape), np.float32) * values.reshape(-1, *(1 for _ in shape))
        for name, shape in WHOLE_BODY_SHAPES.items()
    }
    return replace(people, whole_body=WholeBody(**arrays), numbers=np.array(numbers, np.int32))


def test_a_log_keeps_whole_bodies_and_numbers_with_their_people():
    frames = [no_detections(), whole(people(1), 7), no_detections(), whole(people(5, 9), 7, 8)]
    log = DetectionLog(frames)
    assert log.numbers.tolist() == [7, 7, 8]
    assert log.whole_body.hands[:, 0, 0, 0].tolist() == [7, 7, 8]
    assert log[3].whole_body.body[:, 0, 0].tolist() == [7, 8]
    assert log[3].numbers.tolist() == [7, 8]
    assert len(log[2]) == 0


@pytest.mark.parametrize("lacks", ["whole_body", "numbers"])
def test_people_with_and_without_whole_bodies_or_numbers_do_not_mix(lacks):
    log = DetectionLog([whole(people(1), 7)])
    with pytest.raises(ValueError, match="that others have not"):
        log.add([replace(whole(people(2), 8), **{lacks: None})])


def test_a_whole_body_is_scaled_with_its_depth():
    scaled = whole(people(4), 1).scaled(2.0, 3.0).whole_body
    np.testing.assert_array_equal(scaled.hands[0, 1, 20], [2, 3, 2])
    np.testing.assert_array_equal(scaled.body[0, 32], [2, 3, 2])
    np.testing.assert_array_equal(scaled.visibility, 1)


def test_detections_are_scaled_to_another_size_of_picture():
    scaled = people(4).scaled(2.0, 3.0)
    np.testing.assert_array_equal(scaled.boxes, [[8, 0, 28, 60]])
    np.testing.assert_array_equal(scaled.keypoints[0, 1], [4, 9])
    assert scaled.boxes.dtype == scaled.keypoints.dtype == np.float32
