"""Faces are cut where the head is, from the right frames, and kept by what they rest on."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors import face_crops
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.face_crops import FaceCache, chosen_frames, cut_faces, face_boxes, face_picture
from poseauth.errors import KeypointFileError, NobodyError, VideoError
from poseauth.face_crop_files import FaceCropOptions, FaceCrops, read_face_crops, write_face_crops
from poseauth.keypoints import L_EAR, L_EYE, NECK, NOSE, R_EAR, R_EYE, Provenance, keypoint_sequence

HEAD = {NOSE: (50, 40), NECK: (50, 70), R_EYE: (46, 36), L_EYE: (54, 36), R_EAR: (40, 38), L_EAR: (60, 38)}


def head_at(shifts, *, missing=()):
    """A head that is 20 px wide, moved sideways by so many pixels in each frame; `missing`: (frame, keypoint)."""
    points = np.full((len(shifts), 12, 2), np.nan, np.float32)
    for keypoint, (x, y) in HEAD.items():
        points[:, keypoint] = np.stack([x + np.asarray(shifts), np.full(len(shifts), y)], axis=1)
    for frame, keypoint in missing:
        points[frame, keypoint] = np.nan
    confidence = np.isfinite(points).all(axis=-1).astype(np.float32)
    return keypoint_sequence(
        points,
        confidence,
        np.arange(len(shifts)) / 30,
        provenance=Provenance("a.mp4", frame_width=120, frame_height=90),
    )


def test_the_box_is_on_the_nose_and_as_wide_as_the_head():
    boxes = face_boxes(head_at([0, 10]))
    assert boxes.tolist() == [[50, 40, 20], [60, 40, 20]]


def test_a_turned_head_keeps_the_width_that_neck_and_eyes_tell():
    turned = head_at([0], missing=[(0, R_EAR)])
    assert face_boxes(turned)[0, 2] == pytest.approx(max(8 / face_crops.EYES_OF_WIDTH, 30 / 1.5))


def test_without_the_nose_or_both_eyes_or_beyond_the_frame_there_is_no_face():
    sequence = head_at([0, 0, 0, 200], missing=[(0, NOSE), (1, R_EYE), (1, L_EYE), (2, L_EYE)])
    assert np.isfinite(face_boxes(sequence)).all(axis=1).tolist() == [False, False, True, False]


def test_frames_are_spread_evenly_over_those_with_a_face_or_are_the_first_of_them():
    boxes = np.zeros((100, 3))
    boxes[50:] = np.nan
    assert chosen_frames(boxes, FaceCropOptions(5, 8)).tolist() == [5, 15, 25, 35, 45]
    assert chosen_frames(boxes, FaceCropOptions(5, 8, choice="first")).tolist() == [0, 1, 2, 3, 4]
    assert chosen_frames(boxes, FaceCropOptions(80, 8)).tolist() == list(range(50))


def test_a_margin_is_added_on_every_side_and_what_lies_beyond_repeats_the_edge():
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[20:40, 40:60] = 200  # the face
    box = np.array([50, 30, 20], np.float64)
    assert (face_picture(picture, box, FaceCropOptions(1, 20, 0.0)) == 200).all()
    with_margin = face_picture(picture, box, FaceCropOptions(1, 40, 0.5))
    assert with_margin.shape == (40, 40, 3)
    assert (with_margin[10:30, 10:30] == 200).all()
    assert with_margin.sum() == picture.sum()
    picture[:, 0] = 90
    at_the_edge = face_picture(picture, np.array([0, 30, 20], np.float64), FaceCropOptions(1, 20, 0.0))
    assert (at_the_edge[:, :10] == 90).all()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A speaker in 2 s of video at 10 frames a second, with keypoints at 30."""
    folder = tmp_path_factory.mktemp("drawn")
    sequence = speak(STYLES[0], duration_s=2.1, seed=1, width=160, height=90)
    return render_video(sequence, folder / "a.mp4", fps=10), sequence


def test_two_kinds_of_crops_come_from_one_pass(drawn, monkeypatch):
    path, sequence = drawn
    opened = []
    isolated = face_crops.IsolatedVideo
    monkeypatch.setattr(face_crops, "IsolatedVideo", lambda *a, **k: opened.append(a) or isolated(*a, **k))
    few, first = cut_faces(path, sequence, [FaceCropOptions(4, 32), FaceCropOptions(3, 16, choice="first")])
    assert len(opened) == 1
    assert few.pictures.shape == (4, 32, 32, 3)
    assert first.pictures.shape == (3, 16, 16, 3) or len(first) < 3  # keypoints come thrice as often as pictures
    assert few.n_without_face == 0
    assert set(np.round(few.time_s * 10, 3) % 1) == {0.0}  # times of pictures, not of the keypoints asked for


def test_a_face_looks_like_the_face_that_was_drawn(drawn):
    path, sequence = drawn
    (crops,) = cut_faces(path, sequence, [FaceCropOptions(2, 32, 0.0)])
    skin = np.median(crops.pictures[:, 12:20, 12:20].reshape(-1, 3), axis=0)
    assert np.abs(skin - (226, 178, 146)).max() < 40  # the skin of the first look


def test_frames_without_a_face_are_dropped_and_counted(drawn):
    path, sequence = drawn
    confidence = sequence.confidence.copy()
    confidence[30:, NOSE] = 0
    hidden = keypoint_sequence(sequence.keypoints, confidence, sequence.timestamps_s, provenance=sequence.provenance)
    (crops,) = cut_faces(path, hidden, [FaceCropOptions(4, 16)])
    assert crops.n_without_face == len(sequence) - 30
    assert crops.time_s.max() < 1.0
    confidence[:, NOSE] = 0
    nobody = keypoint_sequence(sequence.keypoints, confidence, sequence.timestamps_s, provenance=sequence.provenance)
    with pytest.raises(NobodyError, match="no face is seen in any of its 63 frames"):
        cut_faces(path, nobody, [FaceCropOptions(4, 16)])


def test_keypoints_of_another_video_are_refused(drawn):
    path, sequence = drawn
    with pytest.raises(VideoError, match="120 x 90 px, the video has 160 x 90"):
        cut_faces(path, head_at([0] * 30), [FaceCropOptions(4, 16)])
    later = keypoint_sequence(
        sequence.keypoints, sequence.confidence, sequence.timestamps_s + 100, provenance=sequence.provenance
    )
    with pytest.raises(VideoError, match="no picture at the times of its keypoints"):
        cut_faces(path, later, [FaceCropOptions(4, 16)])


def test_crops_are_kept_and_cut_again_where_the_file_is_damaged(drawn, tmp_path, monkeypatch):
    path, sequence = drawn
    options = FaceCropOptions(3, 16)
    cache = FaceCache(tmp_path / "faces")
    (file,) = cache.cut(path, sequence, [options])
    first = read_face_crops(file, options)
    monkeypatch.setattr(face_crops, "cut_faces", lambda *a, **k: pytest.fail("kept already"))
    assert cache.cut(path, sequence, [options]) == [file]
    monkeypatch.undo()
    file.write_bytes(file.read_bytes()[:200])
    assert cache.cut(path, sequence, [options]) == [file]
    assert (read_face_crops(file, options).pictures == first.pictures).all()
    other = cache.cut(path, sequence, [FaceCropOptions(3, 16, 0.5)])
    assert other != [file]


def test_what_is_no_such_file_is_an_error(tmp_path):
    options = FaceCropOptions(2, 8)
    crops = FaceCrops(np.zeros((2, 8, 8, 3), np.uint8), np.array([0.0, 1.0]), 3)
    path = tmp_path / "a.npz"
    write_face_crops(crops, path)
    assert read_face_crops(path, options).n_without_face == 3
    for other in (FaceCropOptions(2, 16), FaceCropOptions(1, 8)):
        with pytest.raises(KeypointFileError, match="not a file of face crops"):
            read_face_crops(path, other)
    np.savez(path, pictures=np.array([{}], dtype=object), time_s=np.zeros(1), counts=np.array([1, 0]))
    with pytest.raises(KeypointFileError, match="not a file of face crops"):
        read_face_crops(path, options)
    write_face_crops(FaceCrops(np.zeros((2, 900, 900, 3), np.uint8), np.array([0.0, 1.0]), 0), path)
    with pytest.raises(KeypointFileError, match="claims 4860128 bytes"):
        read_face_crops(path, options)


@pytest.mark.parametrize(
    "wrong", [{"n_frames": 0}, {"size_px": 0}, {"size_px": 5000}, {"margin": -0.1}, {"choice": "last"}], ids=str
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        FaceCropOptions(**{"n_frames": 4, "size_px": 16, **wrong})


@pytest.mark.parametrize(
    ("pictures", "time_s"),
    [
        (np.zeros((1, 8, 8, 3), np.float32), [0.0]),
        (np.zeros((2, 8, 8, 3), np.uint8), [0.0]),
        (np.zeros((1, 8, 9, 3), np.uint8), [0.0]),
        (np.zeros((2, 8, 8, 3), np.uint8), [1.0, 0.0]),
    ],
    ids=["type", "number", "square", "order"],
)
def test_crops_that_do_not_fit_together_are_refused(pictures, time_s):
    with pytest.raises(ValueError, match=r"pictures are|a picture of|time_s must"):
        FaceCrops(pictures, np.array(time_s), 0)
