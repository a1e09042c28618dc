"""Twelve keypoints out of every layout, and a sequence that keeps its promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poseauth.keypoints import (
    BLAZEPOSE33_ORDER,
    COCO17_ORDER,
    KEYPOINT_NAMES,
    NECK,
    OPENPOSE_BODY25_ORDER,
    OPENPOSE_COCO18_ORDER,
    Coverage,
    ExtractorFingerprint,
    KeypointSequence,
    Provenance,
    keypoint_sequence,
    select_twelve,
)

# The published orders of the four layouts, by name; "." where the name is none of the twelve.
COCO17 = (
    "nose, left eye, right eye, left ear, right ear, left shoulder, right shoulder, left elbow, right elbow, "
    "left wrist, right wrist, ., ., ., ., ., ."
)
BLAZEPOSE33 = (
    "nose, ., left eye, ., ., right eye, ., left ear, right ear, ., ., left shoulder, right shoulder, left elbow, "
    "right elbow, left wrist, right wrist" + ", ." * 16
)
COCO18 = (
    "nose, neck, right shoulder, right elbow, right wrist, left shoulder, left elbow, left wrist, ., ., ., ., ., ., "
    "right eye, left eye, right ear, left ear"
)
BODY25 = (
    "nose, neck, right shoulder, right elbow, right wrist, left shoulder, left elbow, left wrist, ., ., ., ., ., ., ., "
    "right eye, left eye, right ear, left ear" + ", ." * 6
)
LAYOUTS = {
    "COCO-17": (COCO17, COCO17_ORDER, 17),
    "BlazePose-33": (BLAZEPOSE33, BLAZEPOSE33_ORDER, 33),
    "COCO-18": (COCO18, OPENPOSE_COCO18_ORDER, 18),
    "BODY-25": (BODY25, OPENPOSE_BODY25_ORDER, 25),
}
WITHOUT_NECK = ("COCO-17", "BlazePose-33")


def detected(layout):
    """Every row of a layout at its own place (row, 100 + row) with its own confidence."""
    names, order, n_rows = LAYOUTS[layout]
    rows = [name.strip() for name in names.split(",")]
    assert len(rows) == n_rows
    places = np.stack([np.arange(n_rows), 100 + np.arange(n_rows)], axis=-1).astype(np.float32)
    return rows, order, places, (0.5 + np.arange(n_rows) / 100).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_keypoint_is_taken_from_the_row_of_its_name(layout):
    rows, order, places, confidence = detected(layout)
    keypoints, conf = select_twelve(places, confidence, order)
    assert keypoints.shape == (12, 2)
    for k, name in enumerate(KEYPOINT_NAMES):
        if name == "neck" and layout in WITHOUT_NECK:
            continue
        row = rows.index(name)
        assert tuple(keypoints[k]) == (row, 100 + row), name
        assert conf[k] == confidence[row], name


@pytest.mark.parametrize("layout", WITHOUT_NECK)
def test_a_neck_that_is_not_there_is_the_midpoint_of_the_shoulders_with_the_lower_confidence(layout):
    rows, order, places, confidence = detected(layout)
    left, right = rows.index("left shoulder"), rows.index("right shoulder")
    places[left], places[right] = (200, 40), (100, 60)
    confidence[left], confidence[right] = 0.9, 0.3
    keypoints, conf = select_twelve(places, confidence, order)
    assert tuple(keypoints[NECK]) == (150, 50)
    assert conf[NECK] == np.float32(0.3)


@pytest.mark.parametrize("layout", WITHOUT_NECK)
@pytest.mark.parametrize("side", ["left shoulder", "right shoulder"])
def test_no_neck_where_a_shoulder_is_missing(layout, side):
    rows, order, places, confidence = detected(layout)
    confidence[rows.index(side)] = 0.0
    keypoints, conf = select_twelve(places, confidence, order)
    assert np.isnan(keypoints[NECK]).all()
    assert conf[NECK] == 0


def test_a_neck_of_the_estimator_does_not_need_the_shoulders():
    _, order, places, confidence = detected("COCO-18")
    confidence[[2, 5]] = 0.0
    keypoints, _ = select_twelve(places, confidence, order)
    assert tuple(keypoints[NECK]) == (1, 101)


@pytest.mark.parametrize("flaw", ["no confidence", "NaN in x", "infinite y", "NaN confidence"])
def test_an_undetected_keypoint_is_nan_with_confidence_0(flaw):
    _, order, places, confidence = detected("COCO-18")
    if flaw == "no confidence":
        confidence[0] = 0.0
    elif flaw == "NaN confidence":
        confidence[0] = np.nan
    else:
        places[0] = (np.nan, 5) if flaw == "NaN in x" else (5, np.inf)
    keypoints, conf = select_twelve(places, confidence, order)
    assert np.isnan(keypoints[0]).all()
    assert conf[0] == 0
    assert np.isfinite(keypoints[1:]).all()


def test_many_frames_and_people_are_selected_alike():
    _, order, places, confidence = detected("COCO-17")
    one, _ = select_twelve(places, confidence, order)
    many, _ = select_twelve(np.tile(places, (3, 2, 1, 1)), np.tile(confidence, (3, 2, 1)), order)
    np.testing.assert_array_equal(many, np.broadcast_to(one, (3, 2, 12, 2)))


def test_selecting_leaves_the_estimators_own_arrays_as_they_were():
    _, order, places, confidence = detected("COCO-17")
    confidence[5] = 0.0
    before = places.copy()
    select_twelve(places, confidence, order)
    np.testing.assert_array_equal(places, before)


def arrays(n_frames=4):
    return {
        "keypoints": np.ones((n_frames, 12, 2), np.float32),
        "confidence": np.full((n_frames, 12), 0.5, np.float32),
        "timestamps_s": np.arange(n_frames, dtype=np.float64),
        "shot": np.zeros(n_frames, np.int32),
    }


def put(name, where, value):
    def change(given):
        given[name][where] = value

    return change


def retype(name, dtype):
    def change(given):
        given[name] = given[name].astype(dtype)

    return change


def reshape(name, shape):
    def change(given):
        given[name] = np.resize(given[name], shape)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            reshape("keypoints", (3, 12, 2)), r"keypoints is .*\(3, 12, 2\).*\(4, 12, 2\)", id="too few frames"
        ),
        pytest.param(reshape("keypoints", (4, 17, 2)), r"\(4, 17, 2\)", id="seventeen keypoints"),
        pytest.param(reshape("confidence", (4, 12, 1)), r"confidence is .*\(4, 12, 1\)", id="confidence in columns"),
        pytest.param(reshape("shot", (3,)), r"shot is .*\(3,\)", id="too few shots"),
        pytest.param(retype("keypoints", np.float64), "keypoints is float64", id="keypoints of another type"),
        pytest.param(retype("confidence", np.float64), "confidence is float64", id="confidence of another type"),
        pytest.param(retype("timestamps_s", np.float32), "timestamps_s is float32", id="times of another type"),
        pytest.param(retype("shot", np.int64), "shot is int64", id="shots of another type"),
        pytest.param(put("timestamps_s", 2, 1.0), "strictly increasing", id="a time twice"),
        pytest.param(put("timestamps_s", 2, 0.5), "strictly increasing", id="a time back"),
        pytest.param(put("timestamps_s", 3, np.nan), "finite", id="a time that is no number"),
        pytest.param(put("timestamps_s", 3, np.inf), "finite", id="an endless time"),
        pytest.param(put("shot", 0, 1), "shot must never decrease", id="a shot back"),
        pytest.param(put("confidence", (1, 1), 1.5), "between 0 and 1", id="confidence above 1"),
        pytest.param(put("confidence", (1, 1), -0.1), "between 0 and 1", id="confidence below 0"),
        pytest.param(put("confidence", (1, 1), np.nan), "between 0 and 1", id="confidence no number"),
        pytest.param(put("keypoints", (1, 1), np.nan), "undetected keypoint", id="NaN with confidence"),
        pytest.param(put("keypoints", (1, 1, 0), np.nan), "undetected keypoint", id="NaN in x alone"),
        pytest.param(put("keypoints", (1, 1, 0), np.inf), "undetected keypoint", id="an endless place"),
        pytest.param(put("confidence", (1, 1), 0.0), "undetected keypoint", id="a place without confidence"),
    ],
)
def test_a_sequence_refuses_arrays_that_break_a_promise(change, message):
    given = arrays()
    change(given)
    with pytest.raises(ValueError, match=message):
        KeypointSequence(**given, provenance=Provenance("clip.mp4"))


def test_a_sequence_that_keeps_every_promise_is_taken():
    given = arrays()
    given["keypoints"][1, 3], given["confidence"][1, 3] = np.nan, 0.0
    given["shot"][2:] = 7
    sequence = KeypointSequence(**given, provenance=Provenance("clip.mp4"))
    assert len(sequence) == 4
    assert sequence.duration_s == 3.0
    assert (~sequence.seen).sum() == 1
    assert not sequence.seen[1, 3]


def test_a_sequence_without_frames_lasts_0_s():
    assert KeypointSequence(**arrays(0), provenance=Provenance("clip.mp4")).duration_s == 0.0


def test_loose_arrays_are_converted_and_undetected_keypoints_blanked():
    keypoints = np.ones((2, 12, 2))
    keypoints[0, 4, 1] = np.nan
    confidence = np.full((2, 12), 2.0)
    confidence[1, 5] = np.nan
    sequence = keypoint_sequence(keypoints, confidence, [0, 1], provenance=Provenance("clip.mp4"))
    assert sequence.keypoints.dtype == sequence.confidence.dtype == np.float32
    assert sequence.shot.tolist() == [0, 0]
    assert np.argwhere(~sequence.seen).tolist() == [[0, 4], [1, 5]]
    assert np.isnan(sequence.keypoints[~sequence.seen]).all()
    assert (sequence.confidence[sequence.seen] == 1).all()


def test_loose_arrays_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 12, 2\) and confidence \(3, 12\)"):
        keypoint_sequence(np.ones((2, 12, 2)), np.ones((3, 12)), [0, 1], provenance=Provenance("clip.mp4"))


@pytest.mark.parametrize(
    ("n_promised", "n_decoded", "fraction"),
    [(200, 50, 0.25), (200, 200, 1.0), (200, 230, 1.0), (0, 5, None), (None, 5, None)],
)
def test_coverage_is_the_decoded_share_of_what_was_promised(n_promised, n_decoded, fraction):
    assert Coverage(n_promised, n_decoded, n_kept=3).fraction == fraction


def test_a_fingerprint_changes_with_whatever_changes_the_keypoints():
    one = ExtractorFingerprint("yolo", "8.4", "ab" * 32, {"imgsz": 640, "conf": 0.3})
    others = [
        replace(one, name="mediapipe"),
        replace(one, version="8.5"),
        replace(one, weights_sha256="cd" * 32),
        replace(one, options={"imgsz": 960, "conf": 0.3}),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 5
    assert replace(one, options={"conf": 0.3, "imgsz": 640}).digest == one.digest
