"""The skeleton upon a picture: where it is drawn, what is left out, and which frame it stands on."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from keypoint_extractors.drawing import overlay
from keypoint_extractors.drawing.overlay import (
    LEFT_COLOUR,
    RIGHT_COLOUR,
    as_jpeg,
    draw_skeleton,
    plain_ground,
    skeleton_pictures,
)
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.keypoints import L_WRIST, R_WRIST, Provenance, keypoint_sequence
from tests.known_body import BODY

GREY = np.full((360, 640, 3), 128, np.uint8)


def standing(width=640, height=360, n_frames=60):
    return keypoint_sequence(
        np.tile(BODY, (n_frames, 1, 1)), np.ones((n_frames, 12)), np.arange(n_frames) / 30,
        provenance=Provenance("a.npz", frame_width=width, frame_height=height),
    )  # fmt: skip


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    sequence = speak(STYLES[0], duration_s=3, seed=1, width=640, height=360)
    return sequence, render_video(sequence, tmp_path_factory.mktemp("clip") / "clip.mp4")


def test_right_and_left_have_colours_of_their_own_where_the_wrists_are():
    drawn = draw_skeleton(GREY, BODY)
    for wrist, colour in ((R_WRIST, RIGHT_COLOUR), (L_WRIST, LEFT_COLOUR)):
        x, y = BODY[wrist].astype(int)
        assert tuple(drawn[y, x]) == colour


def test_the_picture_given_stays_as_it_was():
    before = GREY.copy()
    draw_skeleton(GREY, BODY)
    assert (before == GREY).all()


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_skeleton_stands_out_on_any_ground(ground):
    picture = np.full((360, 640, 3), ground, np.uint8)
    assert (draw_skeleton(picture, BODY) != picture).any(axis=-1).mean() > 0.005


def test_what_is_missing_is_left_out():
    points = BODY.copy()
    points[R_WRIST] = np.nan
    drawn = draw_skeleton(GREY, points)
    x, y = BODY[R_WRIST].astype(int)
    assert tuple(drawn[y, x]) == (128, 128, 128)
    assert (draw_skeleton(GREY, np.full((12, 2), np.nan, np.float32)) == GREY).all()


def test_lines_grow_with_the_picture():
    small = draw_skeleton(GREY, BODY)
    large = draw_skeleton(np.full((1440, 2560, 3), 128, np.uint8), 4 * BODY)
    shares = [float((drawn != 128).any(axis=-1).mean()) for drawn in (small, large)]
    assert shares[0] == pytest.approx(shares[1], rel=0.2)


def test_pictures_come_in_the_order_asked_for_each_with_its_own_frame(filmed):
    sequence, video = filmed
    late, early = skeleton_pictures(sequence, [2.5, 0.5], video=video, side=320)
    assert late.shape == early.shape == (180, 320, 3)
    again = skeleton_pictures(sequence, [0.5], video=video, side=320)[0]
    assert (early == again).all()
    assert (late != early).any()


def test_the_skeleton_lies_on_the_person_in_the_smaller_picture(filmed):
    sequence, video = filmed
    (picture,) = skeleton_pictures(sequence, [1.0], video=video, side=320)
    x, y = sequence.keypoints[30, R_WRIST] / 2
    assert np.abs(picture[round(float(y)), round(float(x))].astype(int) - RIGHT_COLOUR).max() < 40


def test_decoding_ends_with_the_last_time_asked_for(filmed, monkeypatch):
    sequence, video = filmed
    seen = []

    class Watched(overlay.IsolatedVideo):
        def __iter__(self):
            for frame in super().__iter__():
                seen.append(frame.time_s)
                yield frame

    monkeypatch.setattr(overlay, "IsolatedVideo", Watched)
    skeleton_pictures(sequence, [0.5, 0.2], video=video, side=320)
    assert max(seen) < 0.6


def test_no_time_opens_no_video(tmp_path):
    assert skeleton_pictures(standing(), [], video=tmp_path / "gone.mp4", side=320) == []


@pytest.mark.parametrize("video", [False, True])
def test_without_a_video_or_with_one_that_is_gone_it_stands_on_plain_ground(tmp_path, video):
    (picture,) = skeleton_pictures(standing(), [1.0], video=tmp_path / "gone.mp4" if video else None, side=320)
    assert picture.shape == (180, 320, 3)
    x, y = (BODY[L_WRIST] / 2).astype(int)
    assert tuple(picture[y, x]) == LEFT_COLOUR
    assert tuple(picture[0, 0]) == tuple(plain_ground(standing(), 320)[0, 0])


def test_a_frame_of_unknown_size_is_fitted_into_the_picture():
    (picture,) = skeleton_pictures(standing(0, 0), [1.0], video=None, side=320)
    touched = np.argwhere((picture != picture[0, 0]).any(axis=-1))
    assert touched.min() > 0
    assert (touched.max(axis=0) < np.array(picture.shape[:2]) - 1).all()
    assert np.ptp(touched[:, 0]) > 100


def test_nobody_at_that_time_leaves_the_ground_empty():
    (picture,) = skeleton_pictures(standing(), [30.0], video=None, side=320)
    assert (picture == picture[0, 0]).all()


def test_a_jpeg_is_one_and_the_same_for_the_same_picture():
    drawn = draw_skeleton(GREY, BODY)
    content = as_jpeg(drawn)
    assert content == as_jpeg(drawn)
    with av.open(io.BytesIO(content)) as image:
        decoded = next(image.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(decoded.astype(int) - drawn).mean() < 4
