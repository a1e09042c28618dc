"""OpenPose folders: what is written comes back, what is hostile is refused by name."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.following import follow
from keypoint_extractors.openpose_json import MAX_FILE_BYTES, MAX_PEOPLE, read_openpose_folder, write_openpose_folder
from poseauth.errors import KeypointFileError, StorageError
from poseauth.keypoints import (
    NECK,
    OPENPOSE_BODY25_ORDER,
    OPENPOSE_COCO18_ORDER,
    Provenance,
    keypoint_sequence,
)


def numbers_of(n_keypoints, x=300.0, y=200.0):
    """x, y, confidence of keypoints on a slanted line: keypoint k at (x + 10 k, y + 5 k)."""
    index = np.arange(n_keypoints)
    return np.stack([x + 10 * index, y + 5 * index, np.full(n_keypoints, 0.5)], axis=1).ravel().tolist()


def write_frame(folder, number, *people, text=None):
    folder.mkdir(exist_ok=True)
    path = folder / f"clip_{number:012d}_keypoints.json"
    document = {"version": 1.3, "people": [{"pose_keypoints_2d": person} for person in people]}
    path.write_text(json.dumps(document) if text is None else text)
    return path


def random_sequence(n_frames=40, fps=25.0, drop=0.2):
    rng = np.random.default_rng(1)
    points = rng.uniform(100, 140, (12, 2)) + np.cumsum(rng.normal(0, 0.5, (n_frames, 12, 2)), axis=0)
    confidence = np.where(rng.random((n_frames, 12)) < drop, 0, rng.uniform(0.3, 1, (n_frames, 12)))
    points[confidence == 0] = np.nan
    return keypoint_sequence(points, confidence, np.arange(n_frames) / fps, provenance=Provenance("clip"))


def test_what_is_written_comes_back(tmp_path):
    sequence = random_sequence()
    fps = write_openpose_folder(sequence, tmp_path / "out")
    assert fps == pytest.approx(25.0)
    back = follow(read_openpose_folder(tmp_path / "out", fps=fps, frame_size=(320, 240)))
    np.testing.assert_allclose(back.keypoints, sequence.keypoints, atol=1e-3)
    np.testing.assert_allclose(back.confidence, sequence.confidence, atol=1e-4)
    np.testing.assert_allclose(back.timestamps_s, sequence.timestamps_s)


def hand_numbers(x, n_seen=21):
    """x, y, confidence of a hand whose first points are seen."""
    points = np.stack([x + np.arange(21), 50.0 + np.arange(21), np.where(np.arange(21) < n_seen, 0.8, 0.0)], axis=1)
    return np.where(points[:, 2:] > 0, points, 0.0).ravel().tolist()


def write_person(folder, number, **lists):
    person = {"pose_keypoints_2d": numbers_of(18), **lists}
    return write_frame(folder, number, text=json.dumps({"people": [person]}))


def test_hands_are_read_left_first_and_too_few_points_are_none(tmp_path):
    left, right = {"hand_left_keypoints_2d": hand_numbers(10)}, {"hand_right_keypoints_2d": hand_numbers(90, 10)}
    write_person(tmp_path, 0, **left, **right)
    write_person(tmp_path, 1, **right)
    write_person(tmp_path, 2)
    seen = read_openpose_folder(tmp_path)
    assert seen.hands_asked
    np.testing.assert_allclose(seen.whole_body.hands[0, 0, :, 0], 10 + np.arange(21))
    assert np.isfinite(seen.whole_body.hands[:, :, 0, 0]).tolist() == [[True, False], [False, False], [False, False]]
    assert np.isnan(seen.whole_body.hands[..., 2]).all()
    np.testing.assert_allclose(seen.whole_body.hand_confidence, [[0.8, 0], [0, 0], [0, 0]])


def test_without_lists_of_hands_nothing_is_said_of_hands(tmp_path):
    write_person(tmp_path, 0, hand_left_keypoints_2d=[])
    seen = read_openpose_folder(tmp_path)
    assert (seen.whole_body, seen.hands_asked) == (None, False)


@pytest.mark.parametrize("hand", [[1, 2, 3], "text", [float(1 << 40)] * 63, [1, 1, 7] * 21, [None] * 63])
def test_a_hand_that_is_none_is_refused(tmp_path, hand):
    write_person(tmp_path, 0, hand_left_keypoints_2d=hand)
    with pytest.raises(KeypointFileError, match=r"clip_0+_keypoints\.json"):
        read_openpose_folder(tmp_path)


def test_hands_that_are_written_come_back(tmp_path):
    speech = speak(STYLES[2], duration_s=0.5, seed=3)
    fps = write_openpose_folder(speech, tmp_path / "out")
    back = follow(read_openpose_folder(tmp_path / "out", fps=fps))
    np.testing.assert_allclose(back.whole_body.hands[..., :2], speech.whole_body.hands[..., :2], atol=1e-3)
    np.testing.assert_allclose(back.whole_body.hand_confidence, speech.whole_body.hand_confidence, atol=1e-3)


def test_gaps_in_time_survive_writing_and_reading(tmp_path):
    full = random_sequence(drop=0)
    kept = np.r_[0:10, 25:40]
    sequence = keypoint_sequence(
        full.keypoints[kept], full.confidence[kept], full.timestamps_s[kept], provenance=full.provenance
    )
    fps = write_openpose_folder(sequence, tmp_path)
    np.testing.assert_allclose(read_openpose_folder(tmp_path, fps=fps).timestamps_s, sequence.timestamps_s)


@pytest.mark.parametrize(
    ("n_keypoints", "order", "layout"),
    [(18, OPENPOSE_COCO18_ORDER, "COCO-18"), (25, OPENPOSE_BODY25_ORDER, "BODY_25")],
)
def test_either_layout_gives_the_twelve(tmp_path, n_keypoints, order, layout):
    write_frame(tmp_path, 0, numbers_of(n_keypoints))
    seen = read_openpose_folder(tmp_path, fps=25.0)
    expected = np.array([[300 + 10 * row, 200 + 5 * row] for row in order], np.float32)
    np.testing.assert_allclose(seen.keypoints[0], expected)
    np.testing.assert_allclose(seen.confidence[0], 0.5)
    last = n_keypoints - 1
    np.testing.assert_allclose(seen.boxes[0], [300, 200, 300 + 10 * last, 200 + 5 * last])
    assert seen.extractor.options == {"layout": layout}
    assert (seen.extractor.name, seen.extractor.version, seen.extractor.weights_sha256) == ("openpose", "json", "")
    assert seen.sees_many


def test_zeros_are_undetected_and_the_neck_is_openposes_own(tmp_path):
    person = np.array(numbers_of(18)).reshape(18, 3)
    person[2] = 0
    write_frame(tmp_path, 0, person.ravel().tolist())
    seen = read_openpose_folder(tmp_path)
    assert np.isnan(seen.keypoints[0, 2]).all()
    assert seen.confidence[0, 2] == 0
    assert np.isfinite(seen.keypoints[0, NECK]).all()


def test_missing_frame_numbers_are_gaps_in_time_and_end_a_track(tmp_path):
    for number in (0, 1, 2, 200, 201):
        write_frame(tmp_path, number, numbers_of(18))
    seen = read_openpose_folder(tmp_path, fps=25.0)
    np.testing.assert_allclose(seen.timestamps_s, np.array([0, 1, 2, 200, 201]) / 25)
    assert seen.track[0] == seen.track[2] != seen.track[3] == seen.track[4]


def test_an_enormous_frame_number_costs_nothing(tmp_path):
    write_frame(tmp_path, 0, numbers_of(18))
    write_frame(tmp_path, 999_999_999_999, numbers_of(18))
    assert len(read_openpose_folder(tmp_path).timestamps_s) == 2


def test_people_whose_rows_swap_are_told_apart(tmp_path):
    for number in range(30):
        pair = [numbers_of(18, x=100), numbers_of(18, x=800)]
        write_frame(tmp_path, number, *(pair if number % 2 else pair[::-1]))
    seen = read_openpose_folder(tmp_path)
    of_left = set(seen.track[seen.boxes[:, 0] < 400].tolist())
    of_right = set(seen.track[seen.boxes[:, 0] > 400].tolist())
    assert len(of_left) == len(of_right) == 1
    assert of_left != of_right


def test_the_frame_size_is_the_callers_or_the_smallest_that_holds_everything(tmp_path):
    write_frame(tmp_path, 0, numbers_of(18))
    seen = read_openpose_folder(tmp_path)
    assert (seen.frame_width, seen.frame_height) == (471, 286)
    seen = read_openpose_folder(tmp_path, frame_size=(1280, 720))
    assert (seen.frame_width, seen.frame_height) == (1280, 720)


def test_people_without_a_body_and_empty_frames_are_nobody(tmp_path):
    write_frame(tmp_path, 0)
    write_frame(tmp_path, 1, [], [0.0] * 54, [0] * 75)
    seen = read_openpose_folder(tmp_path)
    assert len(seen.timestamps_s) == 2
    assert len(seen.frame) == 0


def test_a_confidence_a_little_above_one_is_cut_off(tmp_path):
    person = numbers_of(18)
    person[2] = 1.04
    write_frame(tmp_path, 0, person)
    assert read_openpose_folder(tmp_path).confidence[0, 0] == 1


def test_the_digest_changes_with_the_content(tmp_path):
    write_frame(tmp_path, 0, numbers_of(18))
    first = read_openpose_folder(tmp_path).source_sha256
    write_frame(tmp_path, 0, numbers_of(18, x=301))
    assert read_openpose_folder(tmp_path).source_sha256 != first


def one(values):
    return json.dumps({"people": [{"pose_keypoints_2d": values}]})


HOSTILE = {
    "not JSON": ("{", "not the JSON"),
    "NaN": ('{"people": [{"pose_keypoints_2d": [' + "NaN, " * 53 + "1]}]}", "NaN is not"),
    "infinity by exponent": ('{"people": [{"pose_keypoints_2d": [' + "1e999, " * 53 + "1]}]}", "coordinate"),
    "a number of many digits": ('{"people": [' + "9" * 5000 + "]}", "not the JSON"),
    "an integer past float": (one([10**400, *([1] * 53)]), "too large"),
    "deep nesting": ("[" * 100_000, "not the JSON"),
    "no object": ("[]", '"people"'),
    "no people": ("{}", '"people"'),
    "people of another kind": ('{"people": {}}', '"people"'),
    "a person of another kind": ('{"people": [7]}', "pose_keypoints_2d"),
    "a wrong length": (one([1.0] * 51), "51 numbers"),
    "a text": (one(["1"] * 54), "not a number"),
    "a truth value": (one([True] * 54), "not a number"),
    "a nested list": (one([[1.0]] * 54), "not a number"),
    "null": (one([None] * 54), "not a number"),
    "a far coordinate": (one([1e6, 1, 1] * 18), "coordinate"),
    "a negative confidence": (one([10, 10, -0.5] * 18), "confidences"),
    "a large confidence": (one([10, 10, 90] * 18), "confidences"),
    "too many people": (json.dumps({"people": [{"pose_keypoints_2d": []}] * (MAX_PEOPLE + 1)}), "people"),
    "two layouts": (
        json.dumps({"people": [{"pose_keypoints_2d": [9.0, 9.0, 1.0] * n} for n in (18, 25)]}),
        "mixes layouts",
    ),
    "bytes": ("\x00\x01", "not the JSON"),
}


@pytest.mark.parametrize(("text", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_by_name_and_reason(tmp_path, text, reason):
    path = write_frame(tmp_path, 5, text=text)
    with pytest.raises(KeypointFileError) as caught:
        read_openpose_folder(tmp_path)
    assert path.name in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    write_frame(tmp_path, 0, text=" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(KeypointFileError, match="larger than 4 MiB"):
        read_openpose_folder(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "clip_000000000000_keypoints.json")
    with pytest.raises(KeypointFileError, match="not a file"):
        read_openpose_folder(tmp_path)


def test_normalised_coordinates_are_refused(tmp_path):
    for number in range(3):
        write_frame(tmp_path, number, [0.4, 0.3, 0.9] * 18)
    with pytest.raises(KeypointFileError, match="keypoint_scale 0"):
        read_openpose_folder(tmp_path)


def test_two_layouts_in_one_folder_are_refused(tmp_path):
    write_frame(tmp_path, 0, numbers_of(18))
    write_frame(tmp_path, 1, numbers_of(25))
    with pytest.raises(KeypointFileError, match=r"COCO-18.*BODY_25"):
        read_openpose_folder(tmp_path)


def test_two_videos_in_one_folder_are_refused(tmp_path):
    path = write_frame(tmp_path, 0, numbers_of(18))
    path.with_name("other_000000000000_keypoints.json").write_bytes(path.read_bytes())
    with pytest.raises(KeypointFileError, match="both frame 0"):
        read_openpose_folder(tmp_path)


def test_a_folder_without_frames_or_none_at_all_is_refused(tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(KeypointFileError, match="write_json"):
        read_openpose_folder(tmp_path)
    with pytest.raises(KeypointFileError, match="cannot be read"):
        read_openpose_folder(tmp_path / "missing")


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="fps"):
        read_openpose_folder(tmp_path, fps=fps)


def test_frames_are_not_mixed_with_those_already_there(tmp_path):
    write_openpose_folder(random_sequence(), tmp_path)
    with pytest.raises(StorageError, match="already"):
        write_openpose_folder(random_sequence(), tmp_path)


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_openpose_folder(random_sequence(), tmp_path / "file")


def test_frames_that_would_share_a_number_are_refused(tmp_path):
    with pytest.raises(ValueError, match="more fps"):
        write_openpose_folder(random_sequence(), tmp_path, fps=10.0)
