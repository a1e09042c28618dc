"""A clip from other hands: one thing changed, the time stamps kept, nothing made up where a rung does not apply."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.variants import RUNGS, vary_keypoints, vary_video
from keypoint_extractors.video import VideoReader
from poseauth.errors import StorageError, VideoError
from poseauth.keypoints import L_WRIST, LEFT, R_WRIST, RIGHT

RE_ENCODED, SMALLER, OTHER_RATE, MIRRORED = RUNGS
every_rung = pytest.mark.parametrize("rung", RUNGS, ids=[rung.name for rung in RUNGS])


def speech(duration_s=2.0, fps=30.0, seed=1):
    return speak(STYLES[0], duration_s=duration_s, fps=fps, seed=seed, width=322, height=180)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return render_video(speech(), tmp_path_factory.mktemp("clip") / "clip.mp4")


def frames(path):
    return list(VideoReader(path))


def times(path):
    return np.array([frame.time_s for frame in frames(path)])


def difference(first, second):
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


@pytest.mark.parametrize("rung", [RE_ENCODED, SMALLER, MIRRORED], ids=lambda rung: rung.name)
def test_every_frame_keeps_its_own_time_at_a_varying_rate_too(tmp_path, rung):
    shown_s = np.cumsum([0, 0.04, 0.04, 0.1, 0.034, 0.2, 0.05, 0.04, 0.5, 0.04])
    source = render_video(speech(), tmp_path / "vfr.mp4", timestamps_s=shown_s)
    assert vary_video(source, rung, tmp_path / "out.mp4")
    np.testing.assert_allclose(times(tmp_path / "out.mp4"), times(source), atol=1e-4)


def test_re_encoding_makes_the_file_smaller_and_blurs_the_picture_more_than_the_other_rungs_do(clip, tmp_path):
    vary_video(clip, RE_ENCODED, tmp_path / "coarse.mp4")
    vary_video(clip, replace(RE_ENCODED, crf=MIRRORED.crf), tmp_path / "fine.mp4")
    assert (tmp_path / "coarse.mp4").stat().st_size < (tmp_path / "fine.mp4").stat().st_size / 2
    original = frames(clip)[30].rgb
    coarse, fine = (frames(tmp_path / name)[30].rgb for name in ("coarse.mp4", "fine.mp4"))
    assert 0 < difference(fine, original) < difference(coarse, original)


def test_smaller_is_half_the_width_and_height_in_even_pixels(clip, tmp_path):
    vary_video(clip, SMALLER, tmp_path / "out.mp4")
    info = VideoReader(tmp_path / "out.mp4").info
    assert (info.width, info.height) == (160, 90)  # 161 is odd
    assert len(frames(tmp_path / "out.mp4")) == len(frames(clip))


@pytest.mark.parametrize("rotation", [90, 180])
def test_a_rotated_video_comes_out_upright_with_no_rotation_left_to_apply(tmp_path, rotation):
    source = render_video(speech(duration_s=0.5), tmp_path / "turned.mp4", rotation=rotation)
    vary_video(source, SMALLER, tmp_path / "out.mp4")
    info = VideoReader(tmp_path / "out.mp4").info
    assert (info.width, info.height, info.rotation) == (160, 90, 0)


def test_at_the_other_rate_every_second_frame_of_thirty_is_there_at_its_own_time(clip, tmp_path):
    assert vary_video(clip, OTHER_RATE, tmp_path / "out.mp4")
    np.testing.assert_allclose(times(tmp_path / "out.mp4"), times(clip)[::2], atol=1e-4)


def test_a_video_at_no_higher_rate_is_told_to_be_no_variant(tmp_path):
    source = render_video(speech(fps=12.0), tmp_path / "slow.mp4", fps=12)
    assert not vary_video(source, OTHER_RATE, tmp_path / "out.mp4")
    assert vary_video(source, RE_ENCODED, tmp_path / "out.mp4")


def test_a_mirrored_picture_is_the_original_with_left_and_right_exchanged(clip, tmp_path):
    vary_video(clip, MIRRORED, tmp_path / "out.mp4")
    original, mirrored = frames(clip)[10].rgb, frames(tmp_path / "out.mp4")[10].rgb
    assert difference(mirrored, original[:, ::-1]) < 3 < difference(mirrored, original)


@every_rung
def test_sound_is_left_out_and_the_same_input_gives_the_same_bytes(tmp_path, rung):
    source = with_sound(tmp_path / "sound.mp4")
    for name in ("one.mp4", "two.mp4"):
        vary_video(source, rung, tmp_path / name)
    with av.open(str(tmp_path / "one.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def with_sound(path):
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=30), container.add_stream("aac", rate=8000, layout="mono")
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for number in range(30):
            picture = np.full((120, 160, 3), 8 * number, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        wave = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        wave.rate = 8000
        container.mux(sound.encode(wave))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def test_what_is_no_video_or_names_other_files_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("ffconcat version 1.0\nfile clip.mp4\n")
    for name in ("list.txt", "gone.mp4"):
        with pytest.raises(VideoError):
            vary_video(tmp_path / name, RE_ENCODED, tmp_path / "out.mp4")


def test_a_folder_that_is_not_there_is_a_storage_error_and_another_container_a_value_error(clip, tmp_path):
    with pytest.raises(StorageError, match="could not be written"):
        vary_video(clip, RE_ENCODED, tmp_path / "gone" / "out.mp4")
    with pytest.raises(ValueError, match=r"\.mp4"):
        vary_video(clip, RE_ENCODED, tmp_path / "out.webm")


@pytest.mark.parametrize("rung", [RE_ENCODED, SMALLER], ids=lambda rung: rung.name)
def test_what_only_pictures_can_show_does_not_apply_to_keypoints(rung):
    assert vary_keypoints(speech(), rung) is None


@pytest.mark.parametrize(("fps", "n_expected"), [(30.0, 30), (30000 / 1001, 30), (25.0, 30), (60.0, 30), (16.0, 30)])
def test_keypoints_at_the_other_rate_are_some_of_the_frames_as_they_were(fps, n_expected):
    sequence = speech(fps=fps)
    slower = vary_keypoints(sequence, OTHER_RATE)
    assert len(slower) == pytest.approx(n_expected, abs=1)
    kept = np.isin(sequence.timestamps_s, slower.timestamps_s)
    assert kept.sum() == len(slower)
    np.testing.assert_array_equal(slower.keypoints, sequence.keypoints[kept])
    np.testing.assert_array_equal(slower.confidence, sequence.confidence[kept])
    assert np.diff(slower.timestamps_s).max() < 2 / 15 + 1e-6


def test_time_stamps_in_milliseconds_and_a_start_after_zero_thin_out_like_exact_ones():
    sequence = speech()
    rounded = replace(sequence, timestamps_s=np.round(sequence.timestamps_s, 3) + 3.0)
    np.testing.assert_array_equal(
        vary_keypoints(rounded, OTHER_RATE).keypoints, vary_keypoints(sequence, OTHER_RATE).keypoints
    )


def test_keypoints_at_no_higher_rate_have_no_slower_variant():
    assert vary_keypoints(speech(fps=15.0), OTHER_RATE) is None
    assert vary_keypoints(speech(fps=10.0), OTHER_RATE) is None


def test_in_the_mirror_the_right_hand_is_the_left_one_on_the_other_side_of_the_frame_with_its_confidence():
    sequence = speech()
    confidence = sequence.confidence.copy()
    confidence[:, R_WRIST], confidence[:, L_WRIST] = 0.25, 0.75
    sequence = replace(sequence, confidence=confidence)
    mirrored = vary_keypoints(sequence, MIRRORED)
    width = sequence.provenance.frame_width
    np.testing.assert_allclose(mirrored.keypoints[:, L_WRIST, 0], width - 1 - sequence.keypoints[:, R_WRIST, 0])
    np.testing.assert_array_equal(mirrored.keypoints[:, L_WRIST, 1], sequence.keypoints[:, R_WRIST, 1])
    assert (mirrored.confidence[:, L_WRIST] == 0.25).all()
    assert (mirrored.confidence[:, R_WRIST] == 0.75).all()


def test_two_mirrors_give_the_original_and_what_was_not_seen_stays_unseen():
    sequence = speech()
    keypoints, confidence = sequence.keypoints.copy(), sequence.confidence.copy()
    keypoints[3:9, R_WRIST], confidence[3:9, R_WRIST] = np.nan, 0.0
    sequence = replace(sequence, keypoints=keypoints, confidence=confidence)
    once = vary_keypoints(sequence, MIRRORED)
    assert np.isnan(once.keypoints[3:9, L_WRIST]).all()
    twice = vary_keypoints(once, MIRRORED)
    np.testing.assert_allclose(twice.keypoints, sequence.keypoints, atol=1e-3)
    np.testing.assert_array_equal(twice.confidence, sequence.confidence)


def test_hands_and_body_change_sides_in_the_mirror_and_stay_with_their_frames():
    sequence = speech()
    rng = np.random.default_rng(0)
    body = rng.normal(100, 20, (len(sequence), 33, 3)).astype(np.float32)
    visibility = rng.uniform(0, 1, (len(sequence), 33)).astype(np.float32)
    sequence = replace(sequence, whole_body=replace(sequence.whole_body, body=body, visibility=visibility))
    once = vary_keypoints(sequence, MIRRORED)
    width = sequence.provenance.frame_width
    mine, turned = sequence.whole_body, once.whole_body
    np.testing.assert_allclose(turned.hands[:, LEFT, :, 0], width - 1 - mine.hands[:, RIGHT, :, 0], atol=1e-3)
    np.testing.assert_array_equal(turned.hands[:, LEFT, :, 1:], mine.hands[:, RIGHT, :, 1:])
    for left, right in ((2, 5), (7, 8), (11, 12), (15, 16), (31, 32)):
        np.testing.assert_allclose(turned.body[:, left, 0], width - 1 - body[:, right, 0], atol=1e-3)
        np.testing.assert_array_equal(turned.visibility[:, right], visibility[:, left])
    np.testing.assert_array_equal(turned.visibility[:, 0], visibility[:, 0])
    twice = vary_keypoints(once, MIRRORED).whole_body
    for name, array in mine.given().items():
        np.testing.assert_allclose(getattr(twice, name), array, atol=1e-3)
    thinned = vary_keypoints(sequence, OTHER_RATE)
    rows = np.flatnonzero(np.isin(sequence.timestamps_s, thinned.timestamps_s))
    np.testing.assert_array_equal(thinned.whole_body.hands, mine.hands[rows])
