"""People keep their numbers, whatever the order of the rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keypoint_extractors import tracking
from keypoint_extractors.observation import Detections, no_detections
from keypoint_extractors.tracking import track_people
from poseauth.errors import ExtractorMissingError

ROOT = Path(__file__).resolve().parents[2]
TWO_PEOPLE = ROOT / "../shared/data/keypoints/yolo_two_people.csv"


def detections(*boxes, scores=None):
    n_people = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n_people, 4),
        np.full(n_people, 0.9, np.float32) if scores is None else np.array(scores, np.float32),
        np.full((n_people, 12, 2), np.nan, np.float32),
        np.zeros((n_people, 12), np.float32),
    )


def box(x, y=300.0, width=100.0, height=300.0):
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def one_shot(frames):
    return np.zeros(len(frames), np.int32)


def test_rows_that_swap_do_not_swap_the_people():
    frames = []
    for index in range(60):
        left, right = box(200 + index), box(800 - index)
        frames.append(detections(left, right) if index % 3 else detections(right, left))
    numbers = list(track_people(frames, one_shot(frames), 30.0))
    of_left = {number[0 if index % 3 else 1] for index, number in enumerate(numbers)}
    of_right = {number[1 if index % 3 else 0] for index, number in enumerate(numbers)}
    assert len(of_left) == len(of_right) == 1
    assert of_left != of_right


@pytest.mark.parametrize("n_people", [1, 2])
def test_a_cut_gives_everybody_a_new_number(n_people):
    frames = [detections(*[box(200 + 400 * person) for person in range(n_people)])] * 20
    shot = np.repeat([0, 3], 10).astype(np.int32)
    numbers = list(track_people(frames, shot, 30.0))
    before, after = (set(np.concatenate(part).tolist()) for part in (numbers[:10], numbers[10:]))
    assert len(before) == len(after) == n_people
    assert not before & after


def test_every_detection_has_a_number_and_none_twice_in_a_frame():
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(80):
        n_people = int(rng.integers(0, 5))
        boxes = [box(*rng.uniform(100, 900, 2)) for _ in range(n_people)]
        frames.append(detections(*boxes, scores=rng.uniform(0, 1, n_people)) if boxes else no_detections())
    shot = np.repeat(np.arange(4), 20).astype(np.int32)
    numbers = list(track_people(frames, shot, 30.0))
    for people, number in zip(frames, numbers, strict=True):
        assert number.dtype == np.int32
        assert number.shape == (len(people),)
        assert (number >= 0).all()
        assert len(set(number.tolist())) == len(number)
    again = list(track_people(frames, shot, 30.0))
    assert all((first == second).all() for first, second in zip(numbers, again, strict=True))


def test_boxes_that_are_empty_or_not_finite_get_a_number_of_their_own():
    odd = [(5.0, 5.0, 5.0, 50.0), (np.nan, 0.0, 10.0, 10.0)]
    frames = [detections(box(200), box(600), *odd)] * 10
    numbers = np.array(list(track_people(frames, one_shot(frames), 30.0)))
    assert len(np.unique(numbers[:, :2])) == 2
    assert len(np.unique(numbers[:, 2:])) == 20


def test_a_second_person_has_one_number_from_their_first_frame_on():
    frames = [detections(box(200))] * 5 + [detections(box(200), box(700))] * 10
    numbers = list(track_people(frames, one_shot(frames), 30.0))
    assert len({number[1] for number in numbers[5:]}) == 1


@pytest.mark.parametrize("others", [(), (box(900),)], ids=["alone", "beside another"])
def test_a_person_lost_for_less_than_a_second_keeps_the_number(others):
    def lost_for(n_frames):
        frames = [detections(box(200), *others)] * 20
        frames += [detections(*others) if others else no_detections()] * n_frames
        frames += [detections(box(200), *others)] * 20
        numbers = list(track_people(frames, one_shot(frames), 30.0))
        return numbers[0][0], numbers[-1][0]

    before, after = lost_for(20)
    assert before == after
    before, after = lost_for(40)
    assert before != after


def test_a_lone_detection_that_jumps_is_another_person():
    frames = [detections(box(200))] * 5 + [detections(box(290))] * 5 + [detections(box(600))] * 5
    numbers = np.concatenate(list(track_people(frames, one_shot(frames), 30.0)))
    assert numbers.tolist() == [0] * 10 + [1] * 5


def test_people_alone_need_no_ultralytics():
    program = (
        "import sys, numpy as np\n"
        "from keypoint_extractors.observation import Detections\n"
        "from keypoint_extractors.tracking import track_people\n"
        "one = Detections(np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32),"
        " np.full((1, 12, 2), np.nan, np.float32), np.zeros((1, 12), np.float32))\n"
        "assert [n.tolist() for n in track_people([one] * 3, np.zeros(3, np.int32), 30.0)] == [[0]] * 3\n"
        "assert not {'ultralytics', 'torch', 'cv2'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_a_missing_tracker_is_said_so(monkeypatch):
    def missing(submodule):
        raise ExtractorMissingError("the package lap is not there. Try: pip install lap")

    monkeypatch.setattr(tracking, "import_ultralytics", missing)
    frames = [detections(box(200), box(700))]
    with pytest.raises(ExtractorMissingError, match=r"two people.*lap"):
        list(track_people(frames, one_shot(frames), 30.0))


def test_lengths_and_rates_are_checked():
    with pytest.raises(ValueError, match="do not fit"):
        track_people([no_detections()], np.zeros(2, np.int32), 30.0)
    with pytest.raises(ValueError, match="fps"):
        track_people([], np.zeros(0, np.int32), 0.0)
    assert list(track_people([], np.zeros(0, np.int32), 30.0)) == []


def two_people():
    table = np.genfromtxt(TWO_PEOPLE, delimiter=",", skip_header=1)
    frame, row, keypoint = table[:, :3].astype(int).T
    points = np.full((frame.max() + 1, row.max() + 1, 17, 2), np.nan, np.float32)
    points[frame, row, keypoint] = table[:, 3:]
    points[(points == 0).all(axis=-1)] = np.nan
    frames = []
    for people in points:
        seen = [person for person in people if np.isfinite(person).any()]
        frames.append(detections(*[(*np.nanmin(person, 0), *np.nanmax(person, 0)) for person in seen]))
    return frames


@pytest.mark.skipif(not TWO_PEOPLE.is_file(), reason="../shared/data/keypoints/yolo_two_people.csv is missing")
def test_two_real_people_whose_rows_swap_stay_themselves():
    frames = two_people()
    numbers = list(track_people(frames, one_shot(frames), 30.0))
    centres = [(people.boxes[:, :2] + people.boxes[:, 2:]) / 2 for people in frames]
    row_of_left = [int(np.argmin(centre[:, 0])) for centre in centres if len(centre) > 1]
    assert 0.1 < np.mean(row_of_left) < 0.9, "the recording must have swaps for this test to mean anything"
    paths: dict[int, list[np.ndarray]] = {}
    widths: dict[int, list[float]] = {}
    for people, centre, number in zip(frames, centres, numbers, strict=True):
        for row, one in enumerate(number.tolist()):
            paths.setdefault(one, []).append(centre[row])
            widths.setdefault(one, []).append(people.boxes[row, 2] - people.boxes[row, 0])
    for one, path in paths.items():
        x = np.array(path)[:, 0]
        assert (x < 700).all() or (x > 700).all()
        jumps = np.hypot(*np.diff(path, axis=0).T)
        assert jumps.max(initial=0) < np.median(widths[one])
    longest = sorted(map(len, paths.values()), reverse=True)
    assert min(longest[:2]) > 0.95 * len(frames)
