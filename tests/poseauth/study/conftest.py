"""Windows of two people who move differently, and faces of two colours."""

from __future__ import annotations

import numpy as np
import pytest

from tests.known_body import BODY


@pytest.fixture
def two_people():
    """Windows (N, 150, 12, 2) and labels, by turns: the authentic one's arms beat together, the other's apart."""

    def make(n_windows, *, seed=0):
        rng = np.random.default_rng(seed)
        authentic = np.arange(n_windows) % 2 == 0
        windows = np.broadcast_to(BODY, (n_windows, 150, 12, 2)).copy()
        beat = 40 * np.sin(2 * np.pi * 1.3 * np.arange(150) / 30 + rng.uniform(0, 2 * np.pi, (n_windows, 1)))
        for joint, reach in ((3, 0.5), (4, 1.0), (0, 0.1), (8, 0.1), (9, 0.1), (10, 0.1), (11, 0.1)):
            windows[:, :, joint, 1] += reach * beat
        for joint, reach in ((6, 0.5), (7, 1.0)):
            windows[:, :, joint, 1] += reach * np.where(authentic, 1, -1)[:, None] * beat
        return (windows + rng.normal(0, 0.5, windows.shape)).astype(np.float32), authentic

    return make
