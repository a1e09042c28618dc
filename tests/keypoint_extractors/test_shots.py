"""Cuts are found where the camera cuts, and nowhere else."""

from __future__ import annotations

import numpy as np

from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.shots import number_shots
from keypoint_extractors.video import Frame, VideoReader


def cut_times(path):
    numbered = [(frame.time_s, shot) for frame, shot in number_shots(iter(VideoReader(path)))]
    times, shots = np.array(numbered).T
    return times[1:][np.diff(shots) > 0]


def test_cuts_are_found_to_the_frame(tmp_path):
    sequence = speak(STYLES[0], duration_s=6.0, seed=3, width=640, height=360, cuts_s=[2.0, 3.5])
    np.testing.assert_allclose(cut_times(render_video(sequence, tmp_path / "cuts.mp4")), [2.0, 3.5], atol=1e-3)


def test_gestures_are_no_cuts(tmp_path):
    for style in STYLES:
        path = render_video(speak(style, duration_s=5.0, seed=4, width=640, height=360), tmp_path / "one.mp4")
        assert len(cut_times(path)) == 0, style.name


def test_real_cuts_are_found_and_an_uncut_speech_has_none(shared):
    assert len(cut_times(shared("videos/obama_real_fastcuts_9s.mp4"))) == 5
    assert len(cut_times(shared("videos/trump_real_rally_8s.mp4"))) == 0


def test_every_frame_comes_through_in_order():
    frames = [Frame(np.full((36, 64, 3), 40 * (n // 10), np.uint8), n / 30) for n in range(23)]
    out = list(number_shots(iter(frames)))
    assert [frame.time_s for frame, _ in out] == [frame.time_s for frame in frames]


def test_videos_shorter_than_the_look_ahead_come_through():
    frames = [Frame(np.zeros((36, 64, 3), np.uint8), 0.0)]
    assert [shot for _, shot in number_shots(iter(frames))] == [0]
    assert list(number_shots(iter([]))) == []
