"""Damaged videos end in pictures, or keypoints with hands, or in a named reason: no crash, no hang, nothing else."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.drawing.rendering import CODECS, render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.registry import choose_extractor
from keypoint_extractors.sources import SourceReader
from keypoint_extractors.video_limits import VideoLimits
from poseauth.errors import InputError, VideoError
from tests.fuzz.mutations import BUDGET_S, SEED, mutated

LIMITS = VideoLimits(frames=2000, hours=1.0, megapixels=4.0, memory_mb=1500, stall_s=20.0, wait_s=30.0)
NEVER = ("crashed", "hung", "failed")
SHARE = 0.3
"""Of the time for all fuzz tests, for each loop here."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One small video of every container that the renderer writes, as bytes by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    sequence = speak(STYLES[0], duration_s=1.0, seed=1, width=160, height=96)
    return {suffix: render_video(sequence, folder / f"clip{suffix}").read_bytes() for suffix in CODECS}


def outcome(path):
    """Pictures, or the reason in a word; anything else is raised."""
    try:
        with IsolatedVideo(path, limits=LIMITS) as video:
            times = [frame.time_s for frame in video]
    except VideoError as error:
        return next((word for word in NEVER if f"the decoder {word}" in str(error)), "refused")
    assert times
    assert (np.diff(times) > 0).all()
    return "broke off" if video.coverage.broke_off else "read"


def damaged_for(budget_s, whole, folder, outcome):
    """Calls `outcome` with one damaged video after the other until the time is over; counts what it gives."""
    found: Counter[str] = Counter()
    ends, number = time.monotonic() + budget_s, 0
    while time.monotonic() < ends or number < 10:
        rng = np.random.default_rng((SEED, number))
        suffix = sorted(whole)[number % len(whole)]
        path = folder / f"damaged-{SEED}-{number}{suffix}"
        path.write_bytes(mutated(whole[suffix], list(whole.values()), rng))
        result = outcome(path)
        assert result not in NEVER, f"{path} (seed {SEED}, number {number}) {result}"
        found[result] += 1
        path.unlink()
        number += 1
    print(f"\n{number} damaged videos: " + ", ".join(f"{n} {what}" for what, n in found.most_common()))
    return found


def test_damaged_videos_end_in_pictures_or_a_reason(whole, tmp_path, capsys):
    with capsys.disabled():
        found = damaged_for(SHARE * BUDGET_S, whole, tmp_path, outcome)
    assert found["refused"] + found["broke off"]


def test_damaged_videos_end_in_keypoints_with_hands_or_a_reason(models, tmp_path, capsys):
    sequence = speak(STYLES[0], duration_s=1.0, seed=1, width=320, height=180)
    whole = {suffix: render_video(sequence, tmp_path / f"clip{suffix}").read_bytes() for suffix in CODECS}
    reader = SourceReader(lambda: choose_extractor("blazepose"), limits=LIMITS)

    def outcome(path):
        try:
            found = reader.read(path)
        except InputError as error:
            return next((word for word in NEVER if f"the decoder {word}" in str(error)), "refused")
        assert found.whole_body.hands.shape == (len(found), 2, 21, 3)
        return "hands" if np.isfinite(found.whole_body.hands).any() else "no hands"

    with capsys.disabled():
        found = damaged_for(SHARE * BUDGET_S, whole, tmp_path, outcome)
    assert found["hands"]
