"""The clip with skeleton and score as a video: it plays, it is in step with the clip, and it is whole or not there."""

from __future__ import annotations

import errno
import itertools
import os
import threading

import av
import numpy as np
import pytest

from keypoint_extractors.drawing import overlay_video
from keypoint_extractors.drawing.overlay import LEFT_COLOUR, RIGHT_COLOUR
from keypoint_extractors.drawing.overlay_video import OVERLAY_SUFFIXES, write_overlay
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.score_strip import CURSOR_COLOUR, LEAST_WIDTH, ScoreStrip
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.video_limits import VideoLimits
from poseauth.decision import Decision, Verdict
from poseauth.errors import StorageError, VideoError
from poseauth.keypoints import L_WRIST, R_WRIST, Provenance, keypoint_sequence
from poseauth.report import Verification, not_analysed

WIDTH, HEIGHT = 640, 360
SMALL = {"width": 320, "height": 180}
PLANS = {"timestamps_s": np.array([0.0, 0.04, 0.11, 0.2, 0.2333, 0.41, 0.9, 0.95, 1.3])}
every_suffix = pytest.mark.parametrize("suffix", OVERLAY_SUFFIXES)


def analysed(person="obama", verdict=Verdict.FAKE):
    decision = Decision(verdict, 1, 0, 0.9, None, 10.0, ())
    return Verification(
        "clip.mp4", person, "analysed", decision, window_scores=np.array([0.9]), window_start_s=np.array([0.0])
    )


UNANALYSED = not_analysed("clip.mp4", "obama", "clip.mp4 has 2 s; 10 s are needed")


def decode(path):
    """Pictures, times and codec of a video."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        name = container.streams.video[0].codec_context.name
        return [f.to_ndarray(format="rgb24") for f in frames], np.array([float(f.time) for f in frames]), name


def near(picture, colour, tolerance=60):
    return (np.abs(picture.astype(int) - colour) <= tolerance).all(axis=-1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two seconds, wider than the strip has to be."""
    sequence = speak(STYLES[0], duration_s=2.0, seed=1, width=WIDTH, height=HEIGHT)
    return render_video(sequence, tmp_path_factory.mktemp("clip") / "clip.mp4"), sequence


@pytest.fixture(scope="module")
def overlay(clip, tmp_path_factory):
    video, sequence = clip
    return write_overlay(video, sequence, analysed(), tmp_path_factory.mktemp("overlay") / "out.webm")


@pytest.fixture
def speech():
    return speak(STYLES[1], duration_s=1.4, seed=2, **SMALL)


def skeleton_at_the_wrists(picture, points, left=0):
    for wrist, colour in ((R_WRIST, RIGHT_COLOUR), (L_WRIST, LEFT_COLOUR)):
        x, y = np.round(points[wrist]).astype(int)
        assert near(picture[y, x + left], colour), (wrist, picture[y, x + left])


class TestPlays:
    @pytest.mark.parametrize(("suffix", "codec"), [(".webm", "libvpx-vp9"), (".mp4", "h264"), (".WEBM", "libvpx-vp9")])
    def test_the_suffix_chooses_what_browsers_know(self, clip, tmp_path, suffix, codec):
        video, sequence = clip
        path = tmp_path / f"out{suffix}"
        assert write_overlay(video, sequence, analysed(), path) == path
        pictures, _, name = decode(path)
        assert name in (codec, codec.removeprefix("lib").removeprefix("vpx-"))
        assert pictures[0].shape[0] % 2 == pictures[0].shape[1] % 2 == 0
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
            assert not container.streams.audio
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]

    def test_an_mp4_begins_with_its_index(self, clip, tmp_path):
        video, sequence = clip
        content = write_overlay(video, sequence, analysed(), tmp_path / "out.mp4").read_bytes()
        assert 0 < content.index(b"moov") < content.index(b"mdat")

    def test_vp8_takes_the_place_of_a_vp9_that_is_not_there(self, clip, tmp_path, monkeypatch):
        monkeypatch.setattr(overlay_video, "_can_encode", lambda name: name == "libvpx")
        _, sequence = clip
        video = render_video(sequence, tmp_path / "clip.mp4", timestamps_s=np.arange(8) / 30)
        paths = [write_overlay(video, sequence, analysed(), tmp_path / f"{name}.webm") for name in "ab"]
        pictures, _, name = decode(paths[0])
        assert name in ("vp8", "libvpx")
        skeleton_at_the_wrists(pictures[7], sequence.keypoints[7])
        assert paths[0].read_bytes() == paths[1].read_bytes()

    def test_where_h264_cannot_be_written_webm_is_named(self, clip, tmp_path, monkeypatch):
        monkeypatch.setattr(overlay_video, "_can_encode", lambda name: name != "libx264")
        video, sequence = clip
        with pytest.raises(StorageError, match=r"libx264.*\.webm"):
            write_overlay(video, sequence, analysed(), tmp_path / "out.mp4")
        assert not list(tmp_path.iterdir())

    def test_encoders_are_known_by_name(self):
        assert overlay_video._can_encode("libvpx-vp9")
        assert not overlay_video._can_encode("no-such-encoder")

    @pytest.mark.parametrize("name", ["out.gif", "out", "out.webm.txt"])
    def test_another_suffix_is_refused_in_words(self, clip, tmp_path, name):
        video, sequence = clip
        with pytest.raises(ValueError, match=r"\.webm, \.mp4"):
            write_overlay(video, sequence, analysed(), tmp_path / name)

    @every_suffix
    def test_same_input_gives_the_same_bytes(self, clip, tmp_path, suffix):
        video, sequence = clip
        first, second = (
            write_overlay(video, sequence, analysed(), tmp_path / f"{name}{suffix}").read_bytes() for name in "ab"
        )
        assert first == second


class TestInStep:
    @every_suffix
    @pytest.mark.parametrize("plan", [{"fps": 30.0}, {"fps": 24.0}, {"fps": 30000 / 1001}, PLANS], ids=str)
    def test_every_picture_keeps_its_time(self, speech, tmp_path, plan, suffix):
        video = render_video(speech, tmp_path / "clip.mp4", **plan)
        _, expected, _ = decode(video)
        _, times, _ = decode(write_overlay(video, speech, analysed(), tmp_path / f"out{suffix}"))
        assert times == pytest.approx(expected, abs=0.001)

    def test_of_60_frames_a_second_30_are_shown_to_the_end(self, speech, tmp_path):
        video = render_video(speech, tmp_path / "clip.mp4", fps=60.0)
        _, expected, _ = decode(video)
        _, times, _ = decode(write_overlay(video, speech, analysed(), tmp_path / "out.webm"))
        assert abs(len(times) - len(expected) / 2) <= 1
        assert np.diff(times) == pytest.approx(1 / 30, abs=0.002)
        assert abs(times[-1] - expected[-1]) <= 1 / 30 + 0.001

    def test_the_skeleton_is_where_the_keypoints_are_at_that_time(self, clip, overlay):
        _, sequence = clip
        pictures, times, _ = decode(overlay)
        for number in (0, 25, len(times) - 1):
            skeleton_at_the_wrists(pictures[number], sequence.keypoints[number])

    def test_the_picture_beside_the_skeleton_is_the_clips(self, clip, overlay):
        video, _ = clip
        (pictures, _, _), (originals, _, _) = decode(overlay), decode(video)
        corner = np.s_[: HEIGHT // 2, : WIDTH // 8]
        for picture, original in zip(pictures, originals, strict=True):
            assert np.abs(picture[corner].astype(int) - original[corner]).mean() < 4

    def test_keypoints_in_pixels_of_another_size_are_brought_to_the_clips(self, clip, tmp_path):
        video, sequence = clip
        twice = keypoint_sequence(
            2 * sequence.keypoints, sequence.confidence, sequence.timestamps_s,
            provenance=Provenance("a.npz", frame_width=2 * WIDTH, frame_height=2 * HEIGHT),
        )  # fmt: skip
        pictures, _, _ = decode(write_overlay(video, twice, analysed(), tmp_path / "out.webm"))
        skeleton_at_the_wrists(pictures[25], sequence.keypoints[25])

    def test_of_an_unknown_size_they_count_in_pixels_of_the_clip(self, clip, tmp_path):
        video, sequence = clip
        sizeless = keypoint_sequence(
            sequence.keypoints, sequence.confidence, sequence.timestamps_s, provenance=Provenance("a.npz")
        )
        path = write_overlay(video, sizeless, analysed(), tmp_path / "out.webm", longest_side=LEAST_WIDTH)
        pictures, _, _ = decode(path)
        skeleton_at_the_wrists(pictures[25], sequence.keypoints[25] * LEAST_WIDTH / WIDTH)

    @pytest.mark.parametrize("rotation", [90, 180, 270])
    def test_a_turned_clip_stands_upright(self, tmp_path, rotation):
        if not hasattr(av.VideoStream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write rotation")
        sequence = speak(STYLES[0], duration_s=0.4, seed=1, width=WIDTH, height=HEIGHT)
        video = render_video(sequence, tmp_path / "clip.mp4", rotation=rotation)
        pictures, _, _ = decode(write_overlay(video, sequence, analysed(), tmp_path / "out.webm"))
        assert pictures[0].shape[1] == WIDTH
        skeleton_at_the_wrists(pictures[5], sequence.keypoints[5])

    def test_progress_ends_at_the_number_expected(self, clip, tmp_path):
        video, sequence = clip
        told = []
        write_overlay(video, sequence, analysed(), tmp_path / "out.webm", on_progress=told.append)
        assert [p.n_done for p in told] == list(range(1, len(sequence) + 1))
        assert {(p.source_name, p.n_expected) for p in told} == {("clip.mp4", len(sequence))}


class TestSizes:
    def test_a_larger_clip_is_scaled_down_and_the_skeleton_with_it(self, clip, tmp_path):
        video, sequence = clip
        path = write_overlay(video, sequence, analysed(), tmp_path / "out.webm", longest_side=512)
        pictures, _, _ = decode(path)
        assert pictures[0].shape[1] == 512
        skeleton_at_the_wrists(pictures[25], sequence.keypoints[25] * 0.8)

    def test_a_clip_narrower_than_the_strip_stands_in_its_middle_as_it_is(self, speech, tmp_path):
        video = render_video(speech, tmp_path / "clip.mp4")
        pictures, _, _ = decode(write_overlay(video, speech, analysed(), tmp_path / "out.webm"))
        left = (LEAST_WIDTH - SMALL["width"]) // 2
        assert pictures[0].shape[1] == LEAST_WIDTH
        assert pictures[20][: SMALL["height"], : left - 2].max() < 16
        skeleton_at_the_wrists(pictures[20], speech.keypoints[20], left)

    @pytest.mark.parametrize(("width", "height"), [(321, 181), (641, 361), (50, 333), (333, 50)])
    @every_suffix
    def test_any_odd_size_becomes_even(self, tmp_path, width, height, suffix):
        video = tmp_path / "clip.mkv"
        with av.open(str(video), "w") as container:
            stream = container.add_stream("ffv1", rate=30)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
            grey = np.full((height, width, 3), 128, np.uint8)
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))
        nobody = keypoint_sequence(
            np.full((3, 12, 2), np.nan), np.zeros((3, 12)), np.arange(3) / 30,
            provenance=Provenance("a", frame_width=width, frame_height=height),
        )  # fmt: skip
        pictures, times, _ = decode(write_overlay(video, nobody, analysed(), tmp_path / f"out{suffix}"))
        shape = pictures[0].shape
        assert len(times) == 3
        assert shape[0] % 2 == shape[1] % 2 == 0
        assert shape[1] == max(width + width % 2, LEAST_WIDTH)
        left = (shape[1] - width) // 2
        assert np.abs(pictures[0][2 : height - 2, left + 2 : left + width - 2].astype(int) - 128).max() < 24

    @every_suffix
    def test_one_picture_is_a_video_too(self, tmp_path, suffix):
        sequence = speak(STYLES[0], duration_s=1 / 30, seed=1, width=WIDTH, height=HEIGHT)
        video = render_video(sequence, tmp_path / "clip.mp4", timestamps_s=[0.0])
        pictures, times, _ = decode(write_overlay(video, sequence, UNANALYSED, tmp_path / f"out{suffix}"))
        assert times.tolist() == [0.0]
        skeleton_at_the_wrists(pictures[0], sequence.keypoints[0])

    def test_a_side_of_nothing_is_refused(self, clip, tmp_path):
        with pytest.raises(ValueError, match="16"):
            write_overlay(*clip, analysed(), tmp_path / "out.webm", longest_side=0)


class TestStripUnderThePicture:
    def test_the_cursor_moves_from_the_left_end_of_the_chart_to_the_right(self, clip, overlay):
        _, sequence = clip
        strip = ScoreStrip(analysed(), duration_s=float(sequence.timestamps_s[-1]) + 1 / 30, width=WIDTH)
        pictures, times, _ = decode(overlay)
        _, top, _, bottom = strip.chart
        columns = []
        for picture, time_s in zip(pictures, times, strict=True):
            x = strip.cursor_x(float(time_s))
            columns.append(x)
            # The cursor is the only thing as bright from top to bottom: the dot, a line or a digit is not so high.
            shown = picture[HEIGHT + top : HEIGHT + bottom, strip.chart[0] : strip.chart[2]]
            bright = near(shown, CURSOR_COLOUR, 90).mean(axis=0)
            assert abs(int(np.argmax(bright)) + strip.chart[0] - x) <= 1
        assert all(a <= b for a, b in itertools.pairwise(columns))
        assert columns[0] == strip.chart[0]
        assert columns[-1] > columns[0]

    def test_the_strip_is_the_one_of_that_moment(self, clip, overlay):
        _, sequence = clip
        strip = ScoreStrip(analysed(), duration_s=float(sequence.timestamps_s[-1]) + 1 / 30, width=WIDTH)
        pictures, times, _ = decode(overlay)
        assert pictures[0].shape == (HEIGHT + strip.height, WIDTH, 3)
        assert np.abs(pictures[40][HEIGHT:].astype(int) - strip.picture(float(times[40]))).mean() < 6

    def test_not_analysed_shows_the_skeleton_and_no_score(self, clip, tmp_path):
        video, sequence = clip
        pictures, _, _ = decode(write_overlay(video, sequence, UNANALYSED, tmp_path / "out.webm"))
        skeleton_at_the_wrists(pictures[25], sequence.keypoints[25])
        strip = ScoreStrip(UNANALYSED, duration_s=2.0, width=WIDTH)
        assert np.abs(pictures[25][HEIGHT:].astype(int) - strip.picture(25 / 30)).mean() < 6

    def test_nobody_in_the_whole_clip_leaves_the_clip(self, clip, tmp_path):
        video, _ = clip
        empty = keypoint_sequence(
            np.zeros((0, 12, 2)), np.zeros((0, 12)), np.zeros(0), provenance=Provenance("a")
        )  # fmt: skip
        pictures, _, _ = decode(write_overlay(video, empty, UNANALYSED, tmp_path / "out.webm"))
        originals, _, _ = decode(video)
        assert len(pictures) == len(originals)
        assert np.abs(pictures[25][:HEIGHT].astype(int) - originals[25]).mean() < 4

    @pytest.mark.parametrize(
        "person",
        ["Владимир", "محمد علي", "习近平", "two\nlines\x1b[31m", "\udcff\u202e", "W" * 500, "{person} {0}", ""],
    )
    def test_any_name_can_be_written(self, speech, tmp_path, person):
        video = render_video(speech, tmp_path / "clip.mp4", timestamps_s=[0.0, 0.1])
        _, times, _ = decode(write_overlay(video, speech, analysed(person), tmp_path / "out.webm"))
        assert len(times) == 2


class TestWholeOrNotAtAll:
    @every_suffix
    def test_no_folder(self, clip, tmp_path, suffix):
        with pytest.raises(StorageError, match="nowhere"):
            write_overlay(*clip, analysed(), tmp_path / "nowhere" / f"out{suffix}")

    def test_a_folder_in_its_place(self, clip, tmp_path):
        (tmp_path / "out.webm").mkdir()
        with pytest.raises(StorageError, match=r"out\.webm"):
            write_overlay(*clip, analysed(), tmp_path / "out.webm")
        assert [entry.name for entry in tmp_path.iterdir()] == ["out.webm"]

    def test_a_folder_that_may_not_be_written(self, clip, tmp_path):
        if os.name == "nt" or os.geteuid() == 0:
            pytest.skip("nothing is forbidden to this user")
        folder = tmp_path / "closed"
        folder.mkdir()
        folder.chmod(0o555)
        with pytest.raises(StorageError, match="closed"):
            write_overlay(*clip, analysed(), folder / "out.webm")
        folder.chmod(0o755)
        assert not list(folder.iterdir())

    @every_suffix
    @pytest.mark.parametrize("room", [0, 1000, 20_000])
    def test_a_disk_that_fills_up_leaves_what_stood_there(self, clip, tmp_path, room, suffix):
        resource = pytest.importorskip("resource")
        path = tmp_path / f"out{suffix}"
        path.write_bytes(b"old")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            with pytest.raises(StorageError, match="could not be written"):
                write_overlay(*clip, analysed(), path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert path.read_bytes() == b"old"
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
        assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]

    def test_a_file_that_cannot_take_its_name_leaves_none(self, clip, tmp_path, monkeypatch):
        def no_space(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", no_space)
        with pytest.raises(StorageError, match="No space left"):
            write_overlay(*clip, analysed(), tmp_path / "out.webm")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_who_is_told_of_the_progress_may_end_it(self, clip, tmp_path, error):
        def ended(progress):
            if progress.n_done == 3:
                raise error

        with pytest.raises(error):
            write_overlay(*clip, analysed(), tmp_path / "out.webm", on_progress=ended)
        assert not list(tmp_path.iterdir())

    def test_what_is_no_video_is_told_as_it_is(self, clip, tmp_path):
        broken = tmp_path / "no.mp4"
        broken.write_text("no video")
        with pytest.raises(VideoError, match=r"no\.mp4"):
            write_overlay(broken, clip[1], analysed(), tmp_path / "out.webm")
        assert [entry.name for entry in tmp_path.iterdir()] == ["no.mp4"]

    def test_a_decoder_that_dies_in_the_middle_is_told_as_it_is(self, clip, tmp_path, monkeypatch):
        class Dying(overlay_video.IsolatedVideo):
            def __iter__(self):
                yield from itertools.islice(super().__iter__(), 5)
                raise VideoError("the decoder crashed after 5 pictures")

        monkeypatch.setattr(overlay_video, "IsolatedVideo", Dying)
        with pytest.raises(VideoError, match="after 5 pictures"):
            write_overlay(*clip, analysed(), tmp_path / "out.webm")
        assert not list(tmp_path.iterdir())

    def test_a_clip_beyond_a_limit_is_refused(self, clip, tmp_path):
        with pytest.raises(VideoError, match="megapixels"):
            write_overlay(*clip, analysed(), tmp_path / "out.webm", limits=VideoLimits(megapixels=0.01))
        assert not list(tmp_path.iterdir())

    def test_a_clip_that_breaks_off_is_shown_as_far_as_it_goes(self, clip, tmp_path):
        _, sequence = clip
        torn = tmp_path / "torn.mkv"
        content = render_video(sequence, tmp_path / "whole.mkv").read_bytes()
        torn.write_bytes(content[: len(content) // 2])
        _, times, _ = decode(write_overlay(torn, sequence, analysed(), tmp_path / "out.webm"))
        assert 0 < len(times) < len(sequence)
        assert times == pytest.approx(np.arange(len(times)) / 30, abs=0.001)
