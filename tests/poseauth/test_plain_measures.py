"""Numbers that can be checked by eye: what they are of known movements, and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.keypoints import (
    L_EAR,
    L_ELBOW,
    L_EYE,
    L_SHOULDER,
    L_WRIST,
    NOSE,
    R_EAR,
    R_ELBOW,
    R_EYE,
    R_SHOULDER,
    R_WRIST,
)
from poseauth.plain_measures import (
    ALONG,
    HEAD,
    HEIGHT,
    IN_TIME,
    LEFT_ELBOW,
    LEFT_WRIST,
    MEASURES,
    RIGHT_ELBOW,
    RIGHT_WRIST,
    RISING,
    SHARE,
    SHOULDERS,
    SPEED,
    STROKES,
    WIDTH,
    Measure,
    measure,
)
from poseauth.windows import FPS, WINDOW_FRAMES, cut_windows
from tests.known_body import BODY

SECONDS = np.arange(WINDOW_FRAMES) / FPS
TORSO = 120.0
SIDES = {
    R_SHOULDER: L_SHOULDER, R_ELBOW: L_ELBOW, R_WRIST: L_WRIST, R_EYE: L_EYE, R_EAR: L_EAR,
}  # fmt: skip


def window(**down):
    """A still body but for the parts named, which lie so many pixels farther down in each frame."""
    points = {"nose": NOSE, "right": R_WRIST, "left": L_WRIST}
    found = np.tile(BODY, (WINDOW_FRAMES, 1, 1))
    for part, way in down.items():
        found[:, points[part], 1] += way
    return found[None]


def value(windows, kind, *parts):
    return measure(windows)[0, MEASURES.index(Measure(kind, parts))]


def sine(frequency_hz, pixels, phase=0.0):
    return pixels * np.sin(2 * np.pi * frequency_hz * SECONDS + phase)


@pytest.fixture(scope="module")
def speech():
    return cut_windows(speak(STYLES[2], duration_s=15.0, seed=3)).keypoints


def mirrored(windows):
    turned = windows.copy()
    for right, left in SIDES.items():
        turned[:, :, [right, left]] = windows[:, :, [left, right]]
    turned[..., 0] = 1280 - turned[..., 0]
    return turned


def test_a_still_body_has_places_and_no_movement():
    still = window()
    assert value(still, HEIGHT, RIGHT_WRIST) == pytest.approx(-110 / TORSO)
    assert value(still, WIDTH, RIGHT_ELBOW) == pytest.approx(20 / TORSO)
    assert value(still, WIDTH, LEFT_ELBOW) == pytest.approx(20 / TORSO)
    for part in (HEAD, SHOULDERS, RIGHT_WRIST, LEFT_WRIST):
        assert value(still, SPEED, part) == 0
    assert value(still, STROKES, RIGHT_WRIST) == 0
    for kind, parts in ((SHARE, (RIGHT_WRIST, LEFT_WRIST)), (ALONG, (RIGHT_WRIST, HEAD)), (IN_TIME, (LEFT_WRIST, HEAD)),
                        (RISING, (RIGHT_WRIST, LEFT_WRIST))):  # fmt: skip
        assert np.isnan(value(still, kind, *parts))


def test_speed_is_the_way_a_second_in_torso_sizes():
    assert value(window(right=60 * SECONDS), SPEED, RIGHT_WRIST) == pytest.approx(60 / TORSO, rel=1e-4)


def test_strokes_are_counted_up_and_down_and_small_ones_are_not():
    assert value(window(left=sine(1.0, 40)), STROKES, LEFT_WRIST) == pytest.approx(1.0, abs=0.1)
    assert value(window(left=sine(2.0, 40)), STROKES, LEFT_WRIST) == pytest.approx(2.0, abs=0.2)
    assert value(window(left=sine(1.0, 8)), STROKES, LEFT_WRIST) == 0


def test_a_wrist_that_moves_while_the_head_does_moves_along_and_one_that_keeps_still_does_not():
    together = window(nose=sine(1.0, 10), right=sine(1.0, 40))
    assert value(together, ALONG, RIGHT_WRIST, HEAD) == 1
    assert value(together, IN_TIME, RIGHT_WRIST, HEAD) > 0.99
    alone = window(nose=sine(1.0, 10))
    assert value(alone, ALONG, RIGHT_WRIST, HEAD) == 0
    assert np.isnan(value(alone, IN_TIME, RIGHT_WRIST, HEAD))
    half = window(nose=sine(1.0, 10), right=np.where(SECONDS < 2.5, sine(1.0, 40), 0.0))
    assert value(half, ALONG, RIGHT_WRIST, HEAD) == pytest.approx(0.5, abs=0.1)


def test_a_wrist_that_follows_the_head_at_once_is_in_time_and_one_that_moves_between_is_not():
    burst = 10 * (SECONDS % 2.5 < 1) * np.sin(2 * np.pi * SECONDS) ** 2
    at_once, between = np.roll(burst, 6), np.roll(burst, 37)
    assert value(window(nose=burst, right=4 * at_once), IN_TIME, RIGHT_WRIST, HEAD) > 0.95
    assert value(window(nose=burst, right=4 * between), IN_TIME, RIGHT_WRIST, HEAD) < 0


def test_wrists_that_rise_together_and_in_turn_lie_at_the_ends_of_the_scale():
    assert value(window(right=sine(1, 40), left=sine(1, 30)), RISING, RIGHT_WRIST, LEFT_WRIST) == pytest.approx(1)
    assert value(window(right=sine(1, 40), left=-sine(1, 30)), RISING, RIGHT_WRIST, LEFT_WRIST) == pytest.approx(-1)
    assert value(window(right=sine(1, 60), left=sine(1, 20)), SHARE, RIGHT_WRIST, LEFT_WRIST) == pytest.approx(0.75)


def test_neither_the_place_in_the_picture_nor_its_size_matters(speech):
    moved = (0.37 * speech + np.array([200.0, -40.0])).astype(np.float32)
    np.testing.assert_allclose(measure(moved), measure(speech), atol=2e-3)


def test_in_a_mirror_right_and_left_change_places(speech):
    before, after = measure(speech), measure(mirrored(speech))
    swap = {"right": "left", "left": "right"}
    for column, one in enumerate(MEASURES):
        parts = tuple(" ".join(swap.get(word, word) for word in part.split()) for part in one.parts)
        if Measure(one.kind, parts) in MEASURES:
            expected = before[:, MEASURES.index(Measure(one.kind, parts))]
        else:
            expected = 1 - before[:, column] if one.kind is SHARE else before[:, column]
        np.testing.assert_allclose(after[:, column], expected, atol=2e-3, err_msg=str(one))


def test_what_is_hardly_seen_is_not_told_and_the_rest_is_as_before(speech):
    hidden = speech.copy()
    hidden[:, : WINDOW_FRAMES // 2, R_WRIST] = np.nan
    before, after = measure(speech), measure(hidden)
    for column, one in enumerate(MEASURES):
        if RIGHT_WRIST in one.parts:
            assert np.isnan(after[:, column]).all(), one
        else:
            np.testing.assert_array_equal(after[:, column], before[:, column])


def test_a_joint_missing_for_moments_changes_little(speech):
    hidden = speech.copy()
    hidden[:, 40:55, R_WRIST] = np.nan
    before, after = measure(speech), measure(hidden)
    column = MEASURES.index(Measure(SPEED, (RIGHT_WRIST,)))
    np.testing.assert_allclose(after[:, column], before[:, column], rtol=0.2)


def test_no_window_has_no_row():
    assert measure(np.zeros((0, WINDOW_FRAMES, 12, 2), np.float32)).shape == (0, len(MEASURES))
