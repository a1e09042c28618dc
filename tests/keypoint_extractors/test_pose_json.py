"""One JSON file of a whole video: MMPose's predictions, and OpenPose's frames in a list."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keypoint_extractors.following import follow
from keypoint_extractors.pose_json import read_pose_json
from keypoint_extractors.sources import SourceReader
from poseauth.errors import KeypointFileError
from poseauth.keypoints import L_WRIST, NECK, R_WRIST


def instance(n_points, x=200.0, score=0.9):
    index = np.arange(n_points)
    return {
        "keypoints": np.stack([x + index, 100.0 + index], axis=1).tolist(),
        "keypoint_scores": [score] * n_points,
        "bbox": [[x, 100.0, x + n_points, 100.0 + n_points]],
        "bbox_score": 0.99,
    }


def mmpose(n_frames=30, n_points=133, people=1):
    return [
        {"frame_id": number, "instances": [instance(n_points, 200.0 + number + 600 * who) for who in range(people)]}
        for number in range(n_frames)
    ]


def write(path, document):
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("with_meta", [True, False])
def test_mmposes_predictions_give_the_twelve_and_both_hands(tmp_path, with_meta):
    document = {"meta_info": {"dataset_name": "coco_wholebody"}, "instance_info": mmpose()} if with_meta else mmpose()
    seen = read_pose_json(write(tmp_path / "clip.json", document), fps=25.0)
    found = follow(seen)
    np.testing.assert_allclose(found.timestamps_s, np.arange(30) / 25)
    np.testing.assert_allclose(found.keypoints[3, [R_WRIST, L_WRIST]], [[213, 110], [212, 109]])
    np.testing.assert_allclose(found.keypoints[3, NECK], [208.5, 105.5])
    np.testing.assert_allclose(found.whole_body.hands[3, 0, :, 0], 203 + 91 + np.arange(21))
    np.testing.assert_allclose(found.whole_body.hands[3, 1, :, 0], 203 + 112 + np.arange(21))
    assert found.provenance.extractor.options["layout"] == "COCO-WholeBody"


def test_seventeen_points_say_nothing_of_hands_and_scores_beyond_one_are_one(tmp_path):
    frames = mmpose(3, 17)
    frames[0]["instances"] = [instance(17, score=3.5)]
    frames[1]["instances"] = [instance(17, score=0.2)]
    frames[2]["instances"] = []
    seen = read_pose_json(write(tmp_path / "clip.json", frames))
    assert (seen.whole_body, seen.hands_asked) == (None, False)
    assert seen.frame.tolist() == [0]
    assert seen.confidence.max() == 1.0


def test_several_people_are_told_apart_and_frames_may_come_in_any_order(tmp_path):
    seen = read_pose_json(write(tmp_path / "clip.json", mmpose(people=2)[::-1]))
    assert (np.diff(seen.timestamps_s) > 0).all()
    assert len(set(seen.track.tolist())) == 2


def openpose_frames(n_frames=20):
    numbers = np.stack([100.0 + np.arange(18), 50.0 + np.arange(18), np.ones(18)], axis=1).ravel().tolist()
    hand = np.stack([10.0 + np.arange(21), 5.0 + np.arange(21), np.ones(21)], axis=1).ravel().tolist()
    person = {"pose_keypoints_2d": numbers, "hand_right_keypoints_2d": hand, "face_keypoints_2d": []}
    return [{"people": [person], "canvas_width": 640, "canvas_height": 360} for _ in range(n_frames)]


def test_a_list_of_openposes_frames_with_the_size_of_the_picture(tmp_path):
    path = write(tmp_path / "clip.json", openpose_frames())
    found = SourceReader(lambda: pytest.fail("no extractor is needed")).read(path)
    assert len(found) == 20
    assert (found.provenance.frame_width, found.provenance.frame_height) == (640, 360)
    np.testing.assert_allclose(found.whole_body.hands[0, 1, :, 0], 10 + np.arange(21))
    assert found.provenance.extractor.name == "openpose"


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        [1],
        {"annotations": [], "images": []},
        [{"image_id": "0.jpg", "keypoints": [1, 2, 3]}],
        [{"frame_id": -1, "instances": []}],
        [{"frame_id": 0, "instances": [{"keypoints": [[1, 2]]}]}],
        [{"frame_id": 0, "instances": 3}],
        [{"frame_id": True, "instances": []}],
    ],
)
def test_another_json_file_is_refused_with_the_way(tmp_path, document):
    with pytest.raises(KeypointFileError, match=r"clip\.json: not a JSON file of poses that is known.*docs/files"):
        read_pose_json(write(tmp_path / "clip.json", document))


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ([instance(26)], "26 points"),
        ([instance(17), instance(133)], "mixes layouts"),
        ([{**instance(17), "keypoints": [[1, 2, 3]] * 17}], "no pair of x and y"),
        ([{**instance(17), "keypoints": [[1e9, 2]] * 17}], "not within 100000 pixels"),
        ([{**instance(17), "keypoint_scores": ["a"] * 17}], "not a number"),
        ([instance(17)] * 201, "201 people"),
    ],
)
def test_people_of_another_kind_are_refused(tmp_path, instances, message):
    with pytest.raises(KeypointFileError, match=message):
        read_pose_json(write(tmp_path / "clip.json", [{"frame_id": 0, "instances": instances}]))


def test_what_is_no_json_two_frames_of_one_number_and_shares_of_the_frame_are_refused(tmp_path):
    (tmp_path / "clip.json").write_bytes(b"[" * 100_000)
    with pytest.raises(KeypointFileError, match="not the JSON of poses"):
        read_pose_json(tmp_path / "clip.json")
    with pytest.raises(KeypointFileError, match="two frames of one number"):
        read_pose_json(write(tmp_path / "clip.json", mmpose(2)[:1] * 2))
    shares = mmpose(3, 17)
    for frame in shares:
        frame["instances"][0]["keypoints"] = [[0.5, 0.5]] * 17
    with pytest.raises(KeypointFileError, match="shares of the frame"):
        read_pose_json(write(tmp_path / "clip.json", shares))
    with pytest.raises(KeypointFileError, match="cannot be read"):
        read_pose_json(tmp_path / "gone.json")
