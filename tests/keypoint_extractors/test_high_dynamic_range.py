"""HDR clips come out as bright as the same clip in standard range."""

from __future__ import annotations

import av
import numpy as np
import pytest

from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.high_dynamic_range import HLG, PQ
from keypoint_extractors.video import VideoReader

WHITE_NITS = 203.0
GREYS = (20, 60, 110, 160, 200)
"""Of the clip in standard range, 0 to 255."""


def pq_signal(nits):
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (nits / 10_000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg_signal(nits):
    scene = (nits / 1000) ** (1 / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def hdr_clip(path, transfer, *, size=(160, 96), n_frames=5):
    """Vertical bars of the greys, graded for HDR with the white of paper at 203 cd/m2, 10 bits."""
    width, height = size
    nits = WHITE_NITS * (np.array(GREYS) / 255) ** 2.4
    codes = {PQ: pq_signal, HLG: hlg_signal}[transfer](nits)
    luma = np.repeat(64 + 876 * codes, width // len(GREYS))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=30, options={"x265-params": "log-level=none:lossless=1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p10le"
        stream.codec_context.color_trc = transfer
        stream.codec_context.color_primaries = stream.codec_context.colorspace = 9
        for _ in range(n_frames):
            frame = av.VideoFrame(width, height, "yuv420p10le")
            for number, plane in enumerate(frame.planes):
                values = np.full((plane.height, plane.line_size // 2), 512, np.uint16)
                if number == 0:
                    values[:, : len(luma)] = np.round(luma)
                plane.update(values.tobytes())
            frame.color_trc, frame.colorspace, frame.color_primaries = transfer, 9, 9
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def bars(rgb):
    width = rgb.shape[1] // len(GREYS)
    return [rgb[:, number * width + 4 : (number + 1) * width - 4].mean() for number in range(len(GREYS))]


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_greys_are_as_bright_as_in_standard_range(tmp_path, transfer):
    """Untouched, the bar of 160 would come out at 119 in PQ and at 141 in HLG."""
    reader = VideoReader(hdr_clip(tmp_path / "hdr.mp4", transfer))
    first = next(iter(reader)).rgb
    assert bars(first)[:4] == pytest.approx(GREYS[:4], abs=4)
    assert GREYS[3] < bars(first)[4] <= GREYS[4] + 4
    with IsolatedVideo(tmp_path / "hdr.mp4") as isolated:
        np.testing.assert_array_equal(next(iter(isolated)).rgb, first)


def test_what_shines_brighter_than_paper_is_white_and_not_more(tmp_path):
    reader = VideoReader(hdr_clip(tmp_path / "hdr.mp4", PQ))
    codes = [np.asarray(frame.rgb).max() for frame in reader]
    assert max(codes) < 255


def test_a_clip_of_standard_range_is_left_as_it_is(tmp_path):
    path = tmp_path / "sdr.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        grey = np.full((144, 160), 128, np.uint8)
        grey[:96] = 126
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="yuv420p")))
        container.mux(stream.encode(None))
    (frame,) = VideoReader(path)
    assert np.abs(frame.rgb.astype(int) - 128).max() <= 1
