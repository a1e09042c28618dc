"""Every file ends in pictures with their coverage, or in a named reason."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.video_limits import VideoLimits
from poseauth.errors import VideoError

TICKS = 12_000
"""A second; MPEG-4 takes no more than 65,535."""
FEW_TICKS = 30
"""MPEG-2 knows a few rates only, and an AVI has an empty place for every tick without a picture."""


def write_video(
    path, times_s, *, codec="libx264", pix_fmt="yuv420p", size=(64, 48), options=None, container_options=None,
    few_ticks=False, pixel_aspect=None,
):  # fmt: skip
    """Grey pictures, brighter and brighter, at these times."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        ticks = FEW_TICKS if few_ticks or codec == "mpeg2video" else TICKS
        stream.codec_context.time_base = Fraction(1, ticks)
        for number, time_s in enumerate(times_s):
            picture = np.full((size[1], size[0], 3), 40 + 2 * number % 200, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(time_s * ticks), Fraction(1, ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seconds(n_frames, fps=30.0, start_s=0.0):
    return start_s + np.arange(n_frames) / fps


def read(path, **limits):
    with IsolatedVideo(path, limits=VideoLimits(**limits)) as video:
        frames = list(video)
        return frames, video.coverage


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "size"),
    [
        ("ten-bit.mkv", "ffv1", "yuv420p10le", (64, 48)),
        ("twelve-bit.mkv", "ffv1", "yuv444p12le", (64, 48)),
        ("grey-ten-bit.mkv", "ffv1", "gray10le", (64, 48)),
        ("alpha.mkv", "ffv1", "yuva420p", (64, 48)),
        ("alpha.mov", "png", "rgba", (64, 48)),
        ("sixteen-bit.mov", "png", "rgb48be", (64, 48)),
        ("quarter-chroma.mkv", "ffv1", "yuv410p", (64, 48)),
        ("one-pixel.mov", "png", "rgb24", (1, 1)),
        ("one-column.mov", "png", "rgb24", (1, 99)),
        ("odd-sides.mov", "png", "rgb24", (63, 47)),
        ("mjpeg.avi", "mjpeg", "yuvj420p", (64, 48)),
        ("mpeg2.mpg", "mpeg2video", "yuv420p", (64, 48)),
        ("mpeg4.avi", "mpeg4", "yuv420p", (64, 48)),
        ("vp9.webm", "libvpx-vp9", "yuv420p", (64, 48)),
        ("8k.mp4", "libx264", "yuv420p", (7680, 4320)),
    ],
)
def test_formats_of_all_kinds_are_read(tmp_path, name, codec, pix_fmt, size):
    n_frames = 2 if name.startswith("8k") else 12
    options = {"preset": "ultrafast"} if codec == "libx264" else None
    path = write_video(
        tmp_path / name, seconds(n_frames), codec=codec, pix_fmt=pix_fmt, size=size, options=options,
        few_ticks=name.endswith("avi"),
    )  # fmt: skip
    frames, coverage = read(path)
    assert (len(frames), coverage.broke_off) == (n_frames, None)
    assert {frame.rgb.shape for frame in frames} == {(size[1], size[0], 3)}
    # Brighter from picture to picture, whatever the format: the pictures are what was written.
    brightness = np.array([frame.rgb.mean() for frame in frames])
    np.testing.assert_allclose(brightness - brightness[0], 2 * np.arange(n_frames), atol=3)


def test_interlaced_video_is_read(tmp_path):
    path = write_video(
        tmp_path / "interlaced.mpg", seconds(30), codec="mpeg2video", options={"flags": "+ilme+ildct", "top": "1"}
    )
    frames, coverage = read(path)
    assert (len(frames), coverage.broke_off) == (30, None)


@pytest.mark.parametrize(
    ("times_s", "n_kept"),
    [(seconds(1), 1), (seconds(8, fps=1.0), 8), (seconds(240, fps=240.0), 30), (seconds(3600, fps=0.1), 3600)],
    ids=["one frame", "1 fps", "240 fps", "ten hours"],
)
def test_rates_and_lengths_of_all_kinds_are_read(tmp_path, times_s, n_kept):
    path = write_video(tmp_path / "clip.mkv", times_s, codec="mpeg4", size=(16, 16))
    frames, coverage = read(path)
    assert (len(frames), coverage.n_decoded, coverage.broke_off) == (n_kept, len(times_s), None)
    np.testing.assert_allclose(frames[-1].time_s, times_s[-1], atol=0.04)


def test_the_empty_places_of_an_avi_are_no_missing_pictures(tmp_path):
    times_s = np.delete(seconds(90), [20, 21, 22, 50])
    frames, coverage = read(write_video(tmp_path / "dropped.avi", times_s, codec="mpeg4", few_ticks=True))
    assert (len(frames), coverage.broke_off) == (86, None)


def test_time_begins_with_the_first_picture_also_below_zero(tmp_path):
    path = write_video(
        tmp_path / "early.mkv", seconds(30, start_s=-2.0), container_options={"avoid_negative_ts": "disabled"}
    )
    frames, _ = read(path)
    np.testing.assert_allclose([frame.time_s for frame in frames], seconds(30), atol=1e-3)


def test_a_jump_of_an_hour_stays_a_gap(tmp_path):
    times_s = np.concatenate([seconds(10), seconds(10, start_s=3600.0)])
    frames, coverage = read(write_video(tmp_path / "jump.mp4", times_s))
    np.testing.assert_allclose([frame.time_s for frame in frames], times_s, atol=1e-3)
    assert coverage.broke_off is None


def test_time_stamps_that_go_back_are_left_out_and_said(tmp_path):
    late = write_video(tmp_path / "late.ts", seconds(30, start_s=20.0), codec="mpeg2video")
    early = write_video(tmp_path / "early.ts", seconds(45), codec="mpeg2video")
    both = tmp_path / "both.ts"
    both.write_bytes(late.read_bytes() + early.read_bytes())
    frames, coverage = read(both)
    assert len(frames) == 30
    assert "time stamps go back" in coverage.broke_off


def test_pictures_that_change_their_size_in_the_middle_keep_the_first(tmp_path):
    small = write_video(tmp_path / "small.ts", seconds(20), codec="mpeg2video", size=(64, 48))
    large = write_video(tmp_path / "large.ts", seconds(20, start_s=1.0), codec="mpeg2video", size=(320, 240))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    frames, _ = read(both)
    assert len(frames) > 20
    assert len({frame.rgb.shape for frame in frames}) == 1


@pytest.mark.parametrize("name", ["clip.mkv", "clip.webm"])
def test_a_file_without_a_number_of_frames_that_breaks_off_says_so(tmp_path, name):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    whole = write_video(tmp_path / name, seconds(300), codec=codec, options={"g": "10"})
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert read(whole)[1].broke_off is None
    frames, coverage = read(cut)
    assert 0 < len(frames) < 250
    assert coverage.broke_off


def avi_with(path, **header):
    """A small AVI whose headers claim something else."""
    write_video(path, seconds(5), codec="rawvideo", few_ticks=True)
    content = bytearray(path.read_bytes())
    main, stream, picture = content.index(b"avih") + 8, content.index(b"strh") + 8, content.index(b"strf") + 8
    places = {
        "frame_us": [main], "n_frames": [main + 16, stream + 32], "scale": [stream + 20], "rate": [stream + 24],
        "width": [main + 32, picture + 4], "height": [main + 36, picture + 8],
    }  # fmt: skip
    for name, value in header.items():
        for place in places[name]:
            content[place : place + 4] = struct.pack("<I", value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            {"width": 12_000, "height": 12_000},
            r"(144 mega|no picture size, or one )beyond the limit of 67 mega",
        ),
        ({"rate": 1_000_000, "scale": 1}, r"fps are beyond the limit of 1,000"),
        ({"n_frames": 2_000_000_000, "rate": 600, "scale": 1}, r"(hours|frames) are beyond the limit"),
    ],
)
def test_what_a_file_claims_beyond_the_limits_is_refused_before_decoding(tmp_path, header, message):
    path = avi_with(tmp_path / "claims.avi", **header)
    with pytest.raises(VideoError, match=rf"claims\.avi: .*{message}"):
        read(path)


@pytest.mark.parametrize(
    ("aspect", "shown"),
    [(None, (64, 48)), (Fraction(1), (64, 48)), (Fraction(16, 11), (93, 48)), (Fraction(8, 9), (57, 48))],
)
def test_pixels_that_are_no_squares_are_shown_as_they_are_meant(tmp_path, aspect, shown):
    path = write_video(tmp_path / "wide.mp4", seconds(5), pixel_aspect=aspect)
    with IsolatedVideo(path) as video:
        assert (video.info.width, video.info.height) == video.picture_size == shown
        assert {frame.rgb.shape for frame in video} == {(*shown[::-1], 3)}


@pytest.mark.parametrize("aspect", [Fraction(5), Fraction(1, 5)])
def test_pixels_of_no_format_are_refused(tmp_path, aspect):
    path = write_video(tmp_path / "absurd.mp4", seconds(5), pixel_aspect=aspect)
    with pytest.raises(VideoError, match=f"pixels are said to be {float(aspect):.3g} times as wide as high"):
        read(path)


def test_the_pictures_as_they_are_shown_are_held_to_the_limit(tmp_path):
    path = write_video(tmp_path / "wide.mp4", seconds(5), pixel_aspect=Fraction(4))
    assert len(read(path, megapixels=0.013)[0]) == 5
    with pytest.raises(VideoError, match="megapixels are beyond the limit"):
        read(path, megapixels=0.012)


@pytest.mark.parametrize("header", [{"rate": 0}, {"scale": 0}, {"rate": 0, "scale": 0, "frame_us": 0}])
def test_a_rate_of_zero_gives_pictures_in_order(tmp_path, header):
    frames, _ = read(avi_with(tmp_path / "zero.avi", **header))
    assert (np.diff([frame.time_s for frame in frames]) > 0).all()


@pytest.mark.parametrize(
    ("limits", "message"),
    [({"megapixels": 0.003}, "megapixels"), ({"hours": 0.0001}, "hours"), ({"fps": 20}, "fps"),
     ({"frames": 10}, "frames"), ({"gigabytes": 1e-6}, "gigabytes")],
)  # fmt: skip
def test_every_limit_is_held(tmp_path, limits, message):
    path = write_video(tmp_path / "clip.mp4", seconds(30))
    assert len(read(path)[0]) == 30
    with pytest.raises(VideoError, match=rf"{message} are beyond the limit"):
        read(path, **limits)


@pytest.mark.parametrize("limits", [{"frames": 10}, {"hours": 0.5 / 3600}])
def test_a_file_that_claims_nothing_is_stopped_at_the_limit_and_says_so(tmp_path, limits):
    path = write_video(tmp_path / "live.mkv", seconds(60), codec="mpeg4", container_options={"live": "1"})
    frames, coverage = read(path, **limits)
    assert 5 < len(frames) < 20
    assert "stopped at a limit" in coverage.broke_off


def test_pictures_beyond_the_limit_inside_a_modest_container_are_never_made(tmp_path):
    """The container says 64 x 48; the JPEG in it is of 12,000 x 12,000 pixels."""
    path = tmp_path / "bomb.avi"
    write_video(path, seconds(1), codec="mjpeg", pix_fmt="yuvj420p", few_ticks=True)
    content = path.read_bytes()
    start = content.index(b"\xff\xd8\xff")
    encoded = cv2.imencode(".jpg", np.zeros((12_000, 12_000), np.uint8))[1].tobytes()
    path.write_bytes(content[: start - 4] + struct.pack("<I", len(encoded)) + encoded)
    with pytest.raises(
        VideoError,
        match=r"bomb\.avi: (no frame could be decoded|144 megapixels|its video stream names no picture size)",
    ):
        read(path, memory_mb=600)
