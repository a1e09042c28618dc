"""A video is decoded once, by its own time stamps, as far as it goes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.video import VideoReader
from poseauth.errors import VideoError

SIZE = {"width": 320, "height": 180}


def speech(duration_s=2.0, fps=30.0):
    return speak(STYLES[0], duration_s=duration_s, fps=fps, seed=1, **SIZE)


def kept_times(path):
    return np.array([frame.time_s for frame in VideoReader(path)])


def grey_video(path, times_s, *, size=(64, 48)):
    """Frame number n is a picture of brightness 2 n: which frames were kept can be read off them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 2 * number % 250, np.uint8), "rgb24")
            frame.pts, frame.time_base = round(time_s * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("fps", [24.0, 25.0, 30000 / 1001, 30.0])
def test_at_up_to_30_fps_every_frame_is_kept_at_its_own_time(tmp_path, fps):
    path = render_video(speech(), tmp_path / "clip.mp4", fps=fps)
    times = kept_times(path)
    assert len(times) == pytest.approx(2.0 * fps, abs=1.01)
    np.testing.assert_allclose(np.diff(times), 1 / fps, atol=1e-4)


@pytest.mark.parametrize("fps", [48.0, 50.0, 60.0, 120.0])
def test_above_30_fps_frames_are_dropped_so_that_each_thirtieth_of_a_second_has_one(tmp_path, fps):
    path = grey_video(tmp_path / "fast.mp4", np.arange(round(2 * fps)) / fps)
    times = kept_times(path)
    assert len(times) == 60
    assert np.abs(times - np.arange(60) / 30).max() <= 1 / fps + 1e-6


def test_dropped_frames_are_counted_as_decoded(tmp_path):
    reader = VideoReader(grey_video(tmp_path / "fast.mp4", np.arange(60) / 60))
    assert len(list(reader)) == 30
    assert (reader.coverage.n_decoded, reader.coverage.n_kept) == (60, 30)
    assert reader.coverage.fraction == 1.0
    assert reader.coverage.broke_off is None


def test_varying_frame_rates_keep_their_time_stamps(tmp_path):
    times_s = np.cumsum([0, 0.04, 0.04, 0.1, 0.034, 0.2, 0.05, 0.04, 0.5, 0.04])
    np.testing.assert_allclose(kept_times(grey_video(tmp_path / "vfr.mp4", times_s)), times_s, atol=1e-4)


def test_time_stamps_rounded_to_milliseconds_cost_no_frame(tmp_path):
    assert len(kept_times(grey_video(tmp_path / "clip.mkv", np.arange(90) / 30))) == 90


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotated_video_comes_out_upright(tmp_path, rotation):
    upright = next(iter(VideoReader(render_video(speech(), tmp_path / "upright.mp4")))).rgb
    turned = next(iter(VideoReader(render_video(speech(), tmp_path / "turned.mp4", rotation=rotation)))).rgb
    assert turned.shape == upright.shape
    assert np.abs(turned.astype(int) - upright.astype(int)).mean() < 4


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes_and_says_so(tmp_path):
    whole = render_video(speech(4.0), tmp_path / "whole.avi")
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    reader = VideoReader(cut)
    n_frames = len(list(reader))
    assert 10 < n_frames < 120
    assert reader.coverage.n_decoded == n_frames
    assert reader.coverage.broke_off


def test_real_files_that_break_off_give_the_frames_they_have(shared):
    reader = VideoReader(shared("videos/obama_real_fastcuts_9s.mp4"))
    assert len(list(reader)) == 211
    assert (reader.coverage.n_promised, reader.coverage.n_decoded) == (321, 211)
    assert "211 of 321" in reader.coverage.broke_off


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VideoError, match=r"nowhere\.mp4: no such file"):
        VideoReader(tmp_path / "nowhere.mp4")


@pytest.mark.parametrize("content", [b"", b"this is no video at all\n" * 50, b"\x00" * 4096])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match="not a video"):
        list(VideoReader(path))


@pytest.mark.parametrize(
    "script",
    [
        "ffconcat version 1.0\nfile '{other}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_script_that_names_another_file_is_not_followed(tmp_path, script):
    other = grey_video(tmp_path / "other.mp4", np.arange(30) / 30)
    path = tmp_path / "clip.mp4"
    path.write_text(script.format(other=other))
    with pytest.raises(VideoError, match="not a video"):
        list(VideoReader(path))


def test_sound_alone_is_refused(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        VideoReader(path)


def test_a_decoder_thread_never_waits_for_the_interpreter(tmp_path):
    """With PyAV's log on at any level, leaving a video in the middle hung now and then, and for ever."""
    import av.logging

    clip = grey_video(tmp_path / "clip.mp4", np.arange(60) / 30)
    for _ in range(10):
        next(iter(VideoReader(clip)))
    assert av.logging.get_level() is None


@pytest.mark.parametrize(
    ("picture_side", "size"),
    [(None, (180, 320)), (640, (180, 320)), (161, (180, 320)), (160, (90, 160)), (100, (60, 107))],
)
def test_pictures_are_scaled_down_by_a_whole_number_to_no_less_than_is_needed(tmp_path, picture_side, size):
    clip = render_video(speak(STYLES[0], duration_s=0.2, seed=1, width=320, height=180), tmp_path / "clip.mp4")
    reader = VideoReader(clip, picture_side=picture_side)
    pictures = [frame.rgb.shape for frame in reader]
    assert set(pictures) == {(*size, 3)}
    assert reader.picture_size == size[::-1]


def test_a_turned_video_is_scaled_down_as_it_is_seen(tmp_path):
    sequence = speak(STYLES[0], duration_s=0.2, seed=1, width=320, height=180)
    upright = VideoReader(render_video(sequence, tmp_path / "upright.mp4"), picture_side=160)
    turned = VideoReader(render_video(sequence, tmp_path / "turned.mp4", rotation=90), picture_side=160)
    first, other = next(iter(upright)).rgb, next(iter(turned)).rgb
    assert first.shape == other.shape == (90, 160, 3)
    assert np.abs(first.astype(int) - other).mean() < 3


class Breaking:
    """A container that breaks, as FFmpeg tells it: with the whole path of the file."""

    def __init__(self, path, *, in_packets):
        self.error = av.error.InvalidDataError(1094995529, "Invalid data found", str(path))
        self.in_packets = in_packets

    def demux(self, _):
        while self.in_packets:
            yield self
        raise self.error

    def decode(self):
        raise self.error


@pytest.mark.parametrize("in_packets", [True, False])
def test_what_went_wrong_is_told_without_where_the_file_lies(tmp_path, in_packets):
    sequence = speak(STYLES[0], duration_s=0.2, seed=1, width=160, height=96)
    folder = tmp_path / "whole-path-6b1d"
    folder.mkdir()
    path = render_video(sequence, folder / "clip.mp4")
    container = Breaking(path, in_packets=in_packets)
    assert "whole-path-6b1d" in str(container.error)
    reader = VideoReader(path)
    assert not list(reader._decoded(container, None))
    assert "Invalid data found" in reader.coverage.broke_off
    assert "whole-path-6b1d" not in reader.coverage.broke_off
