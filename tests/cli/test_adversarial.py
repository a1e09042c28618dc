"""Clips that are no evidence, through the real estimator: never authentic, by a profile that accepts the speaker."""

from __future__ import annotations

from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from keypoint_extractors.drawing.backdrop import draw_backdrop
from keypoint_extractors.drawing.figure import LOOKS, draw_speaker
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.registry import choose_extractor
from keypoint_extractors.sources import SourceReader
from person_profiles.enrolment import Negative, enrol
from person_profiles.verification import load_scorer, verify
from poseauth.decision import Verdict
from poseauth.errors import NobodyError, NoEvidenceError, TooShortError
from poseauth.keypoints import L_ELBOW, R_SHOULDER, R_WRIST
from poseauth.recipes import Architecture, Recipe, TrainingOptions

pytestmark = pytest.mark.heavy
"""tests/person_profiles/test_verification.py holds the same against keypoints in seconds."""

FPS = 30
WIDTH, HEIGHT = 640, 360
CLIP_S = 15
ADA, OTHERS = 0, (1, 2, 4)
RECIPE = Recipe("small", Architecture(hidden=16), TrainingOptions(epochs=2, min_steps=60, learning_rate=5e-3))


def speech(style, seed, duration_s=CLIP_S):
    return speak(STYLES[style], duration_s=duration_s, seed=seed, width=WIDTH, height=HEIGHT)


def pictures(sequence, look):
    """The speech, drawn: a list of RGB pictures."""
    backdrop = draw_backdrop(LOOKS[look], 0, width=WIDTH, height=HEIGHT)
    drawn = []
    for keypoints, confidence in zip(sequence.keypoints, sequence.confidence, strict=True):
        drawn.append(backdrop.copy())
        draw_speaker(keypoints, confidence, look=LOOKS[look], onto=drawn[-1])
    return drawn


def write_video(frames, path):
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def reader(models):
    return SourceReader(lambda: choose_extractor("blazepose"))


@pytest.fixture(scope="module")
def seen(reader, tmp_path_factory):
    """The keypoints that the real estimator finds in pictures, written as a video."""
    folder = tmp_path_factory.mktemp("clips")

    def see(frames):
        return reader.read(write_video(frames, folder / f"{len(list(folder.iterdir()))}.mp4"))

    return see


@pytest.fixture(scope="module")
def ada(seen):
    """A profile that is not weak, learnt from videos."""
    own = [seen(pictures(speech(ADA, seed, 9), ADA)) for seed in (1, 2, 3, 4)]
    others = [Negative(seen(pictures(speech(who, 10 + who, 9), who)), f"impostor: {who}", "impostor") for who in OTHERS]
    return enrol("Ada", own, others, recipe=RECIPE, seed=0)


@pytest.fixture(scope="module")
def check(ada, seen):
    """What the profile says of pictures, or of keypoints."""
    scorer = load_scorer(ada)

    def hold_against(clip):
        return verify(seen(clip) if isinstance(clip, list) else clip, ada, scorer)

    return hold_against


@pytest.fixture(scope="module")
def genuine():
    """Ada's speech that nobody has learnt from."""
    return pictures(speech(ADA, 7), ADA)


@pytest.fixture(scope="module")
def answer(check, genuine):
    return check(genuine)


def test_the_untouched_clip_is_authentic(answer):
    assert answer.verdict is Verdict.AUTHENTIC
    assert (answer.n_windows_still, answer.n_windows_repeated) == (0, 0)


def test_a_genuine_clip_with_a_pause_stays_authentic(check, genuine):
    held = genuine[:200] + [genuine[200]] * 45 + genuine[200:]
    result = check(held)
    assert result.verdict is Verdict.AUTHENTIC
    assert result.n_windows_still == 0


def test_a_video_that_stops_is_never_authentic(check, genuine):
    result = check(genuine[:180] + [genuine[180]] * CLIP_S * FPS)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.n_windows_still >= 11
    assert "a still picture or a frozen video?" in result.reasons[0]
    assert any("10 s are needed" in reason for reason in result.reasons)


def test_a_looped_second_is_never_authentic(check, genuine):
    with_start = check(genuine[:150] + genuine[150:180] * CLIP_S)
    assert with_start.verdict is Verdict.INCONCLUSIVE
    assert with_start.n_windows_repeated >= 7
    assert "the same 1.0 s of movement again and again" in with_start.reasons[0]


def test_a_loop_longer_than_the_evidence_that_is_needed_is_never_authentic(check, genuine):
    result = check(genuine[:330] * 2)
    assert result.decision.seconds_analysed >= 10
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the same 11.0 s of movement again and again" in result.reasons[0]


def test_a_still_photograph_is_not_analysed(check, genuine):
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 3, genuine[0].shape) for _ in range(10)]
    photograph = [np.clip(genuine[40] + noise[i % 10], 0, 255).astype(np.uint8) for i in range(CLIP_S * FPS)]
    with pytest.raises(NoEvidenceError, match=r"nobody moves in any of 11 windows: a still picture") as raised:
        check(photograph)
    assert raised.value.n_windows_still == 11


@pytest.mark.parametrize("below_the_neck", [False, True], ids=["head cut off", "head alone"])
def test_a_body_cut_off_at_the_neck_is_never_authentic(check, genuine, below_the_neck):
    sequence = speech(ADA, 7)
    neck = int(np.median(sequence.keypoints[:, 1, 1])) // 2 * 2
    cut = [picture[:neck] if below_the_neck else picture[neck:] for picture in genuine]
    assert verdict_of(check, cut) is not Verdict.AUTHENTIC


def test_a_hand_alone_is_never_authentic(check, genuine):
    wrist = speech(ADA, 7).keypoints[:, R_WRIST]
    near = []
    for picture, (x, y) in zip(genuine, wrist, strict=True):
        left, top = int(np.clip(x - 40, 0, WIDTH - 80)), int(np.clip(y - 30, 0, HEIGHT - 60))
        near.append(cv2.resize(picture[top : top + 60, left : left + 80], (320, 240)))
    assert verdict_of(check, near) is not Verdict.AUTHENTIC


def test_keypoints_that_all_lie_on_one_hand_are_never_authentic(check, answer, seen, genuine):
    clip = seen(genuine)
    keypoints = clip.keypoints[:, R_WRIST, None] + 0.03 * (clip.keypoints - clip.keypoints[:, R_SHOULDER, None])
    confidence = np.where(np.isfinite(keypoints).all(axis=-1), 0.9, 0).astype(np.float32)
    keypoints = np.where(confidence[..., None] > 0, keypoints, np.nan).astype(np.float32)
    assert answer.verdict is Verdict.AUTHENTIC
    assert verdict_of(check, replace(clip, keypoints=keypoints, confidence=confidence)) is not Verdict.AUTHENTIC


def test_a_person_who_leaves_is_never_authentic(check, genuine):
    backdrop = draw_backdrop(LOOKS[ADA], 0, width=WIDTH, height=HEIGHT)
    sequence = speech(ADA, 7)
    frames = list(genuine[:180])
    for i in range(180, CLIP_S * FPS):
        picture = backdrop.copy()
        away = sequence.keypoints[i] + np.float32([8 * (i - 180), 0])
        confidence = np.where((away[:, 0] < WIDTH + 150), sequence.confidence[i], 0).astype(np.float32)
        if confidence[L_ELBOW] > 0:
            draw_speaker(away, confidence, look=LOOKS[ADA], onto=picture)
        frames.append(picture)
    result = check(frames)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "10 s are needed" in result.reasons[0]


def verdict_of(check, clip):
    """None where it was not analysed."""
    try:
        return check(clip).verdict
    except (NobodyError, TooShortError, NoEvidenceError):
        return None
