"""Speakers whose movement is known, a tiny recipe, and one profile of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from person_profiles.enrolment import Negative, enrol
from poseauth.keypoints import ExtractorFingerprint, Provenance, keypoint_sequence
from poseauth.recipes import Architecture, Recipe, TrainingOptions
from tests.known_body import BODY

YOLO = ExtractorFingerprint("yolo", "8.4.100", "ab" * 32, {"imgsz": 640, "conf": 0.3})


def smooth_noise(rng, n_frames):
    """Noise of deviation 1 that changes within seconds, [shape=(T, 12, 2)]."""
    window = np.hanning(121)
    noise = rng.normal(0, 1, (n_frames + 120, 24))
    smooth = [np.convolve(column, window / np.linalg.norm(window), "valid") for column in noise.T]
    return np.stack(smooth, axis=1)[:n_frames].reshape(n_frames, 12, 2)


def speech_of(
    name, *, frequency_hz=0.5, duration_s=9.0, digest=True, extractor=YOLO, hidden=(), x=0.0, sway=2.0, **provenance
):
    """A speaker 'name' whose arms beat at `frequency_hz`; the digest and the phase follow from the name.

    By `sway` pixels every joint drifts; without, the movement is a loop, and no evidence of anything.
    """
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    rng = np.random.default_rng(int(sha256[:8], 16))
    times = np.arange(round(duration_s * 30)) / 30
    keypoints = np.tile(BODY, (len(times), 1, 1)) + rng.normal(0, 0.1, (len(times), 12, 2)) + (x, 0)
    beat = 40 * np.sin(2 * np.pi * frequency_hz * times + rng.uniform(0, 6))
    keypoints[:, [3, 4, 6, 7], 1] += beat[:, None]
    keypoints += sway * smooth_noise(rng, len(times))
    confidence = np.full((len(times), 12), 0.9)
    confidence[:, list(hidden)] = 0
    source = {
        "source_name": f"{name}.mp4",
        "source_sha256": sha256 if digest else None,
        "frame_width": 640,
        "frame_height": 360,
        "extractor": extractor,
        **provenance,
    }
    return keypoint_sequence(keypoints, confidence, times, provenance=Provenance(**source))


def frozen(sequence, from_s):
    """The sequence standing still from a second on."""
    keypoints, first = sequence.keypoints.copy(), round(from_s * 30)
    keypoints[first:] = keypoints[first]
    return replace(sequence, keypoints=keypoints)


def looped(sequence, period_s, *, from_s=0):
    """The sequence showing the seconds after `from_s` again and again, as an estimator sees them: never quite alike."""
    keypoints, first = sequence.keypoints.copy(), round(from_s * 30)
    again = first + np.arange(len(sequence) - first) % round(period_s * 30)
    noise = np.random.default_rng(0).normal(0, 0.3, keypoints[first:].shape)
    keypoints[first:] = keypoints[again] + noise
    return replace(sequence, keypoints=keypoints)


@pytest.fixture
def speech():
    return speech_of


@pytest.fixture(scope="session")
def yolo():
    return YOLO


def tiny_recipe(**training):
    options = {
        "epochs": 2,
        "min_steps": 0,
        "batch_size": 16,
        "learning_rate": 1e-2,
        "chimeras": 0.0,
        **training,
    }
    return Recipe("tiny", Architecture(hidden=8, layers=1, dropout=0.0), TrainingOptions(**options))


@pytest.fixture
def tiny():
    return tiny_recipe


def others_of(n_people=3, n_videos=1, role="impostor"):
    return [
        Negative(speech_of(f"{role} {person} {video}", frequency_hz=2 + person), f"{role}: {person}", role)
        for person in range(n_people)
        for video in range(n_videos)
    ]


@pytest.fixture
def others():
    return others_of


@pytest.fixture(scope="session")
def movement():
    """The five videos that Ada is learnt from."""
    return [speech_of(f"ada {i}", coverage=None, n_people_ignored=i) for i in range(5)]


@pytest.fixture(scope="session")
def ada(movement):
    """A profile that knows Ada's slow beat from the others' quick ones."""
    return enrol("Ada", movement, others_of(3, 2), recipe=tiny_recipe(epochs=12, learning_rate=2e-2), seed=1)
