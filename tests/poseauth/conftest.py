"""A body whose every place is known, and sequences of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseauth.keypoints import Provenance, keypoint_sequence
from poseauth.models import WindowLSTM
from poseauth.recipes import Architecture
from tests.known_body import BODY

TINY = Architecture(hidden=8, layers=1, dropout=0.0)


@pytest.fixture
def body():
    return BODY.copy()


@pytest.fixture
def make_sequence():
    """A sequence at given times: BODY plus `movement` (T, 12, 2); `missing`: pairs of frames and keypoints."""

    def make(times, movement=0.0, *, missing=(), shot=None, **provenance):
        times = np.asarray(times, np.float64)
        keypoints = (np.broadcast_to(BODY, (len(times), 12, 2)) + movement).astype(np.float32)
        confidence = np.full((len(times), 12), 0.9, np.float32)
        for frames, joints in missing:
            rows = np.arange(len(times))[frames]
            confidence[np.ix_(rows, np.atleast_1d(joints))] = 0.0
        return keypoint_sequence(
            keypoints, confidence, times, shot, provenance=Provenance(**{"source_name": "clip.mp4", **provenance})
        )

    return make


@pytest.fixture
def beating():
    """Windows (N, 150, 12, 2) in which the right wrist beats `frequency_hz` times a second, each at another phase."""

    def make(n_windows, frequency_hz, *, seed=0):
        rng = np.random.default_rng(seed)
        phase = rng.uniform(0, 2 * np.pi, (n_windows, 1))
        windows = np.broadcast_to(BODY, (n_windows, 150, 12, 2)).copy()
        windows[:, :, 4, 1] += 40 * np.sin(2 * np.pi * frequency_hz * np.arange(150) / 30 + phase)
        return (windows + rng.normal(0, 0.2, windows.shape)).astype(np.float32)

    return make


@pytest.fixture
def network():
    """A tiny network whose weights differ from zero everywhere, the scaler's too."""

    def make(architecture=TINY, n_classes=4, *, seed=0):
        generator = torch.Generator().manual_seed(seed)
        model = WindowLSTM(architecture, n_classes)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
            model.feature_mean.copy_(torch.randn(model.feature_mean.shape, generator=generator))
            model.feature_scale.copy_(torch.rand(model.feature_scale.shape, generator=generator) + 0.5)
        return model.eval()

    return make
