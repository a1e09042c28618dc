"""How the head is turned to the camera, and whether a clip is seen from a side that nobody learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.head_turn import UNBOUNDED, HeadTurns, head_turns, turns_of
from poseauth.keypoints import L_EAR, L_EYE, NOSE, R_EAR, R_EYE
from poseauth.surrogates import mirror_images
from poseauth.windows import Windows
from tests.known_body import BODY

ANYWHERE = HeadTurns((-UNBOUNDED,) * 3, (UNBOUNDED,) * 3)


def turned(shifts, n_frames=450):
    """Windows in which the nose lies so many pixels to the right of its place, one value a window of 150 frames."""
    movement = np.tile(BODY, (n_frames, 1, 1)).astype(np.float32)
    movement[:, NOSE, 0] += np.repeat(shifts, 150)
    first = 150 * np.arange(len(shifts))
    return Windows(movement, first, first / 30)


def test_a_face_seen_straight_on_has_no_turn():
    np.testing.assert_allclose(head_turns(turned([0, 0, 0])), 0, atol=1e-6)


def test_a_nose_to_the_right_lies_nearer_to_the_eye_and_ear_on_that_side():
    turn = head_turns(turned([5, 0, -5]))
    # Shoulders 80 px apart, the nose 40 above the neck; the right of the picture is the person's left.
    np.testing.assert_allclose(turn[:, 2], np.array([5, 0, -5]) / (80 + np.hypot(40, [5, 0, 5])), rtol=1e-6)
    assert turn[0, 0] < 0 < turn[2, 0]
    assert turn[0, 1] < 0 < turn[2, 1]
    np.testing.assert_allclose(turn[0], -turn[2], atol=1e-6)


def test_in_a_mirror_every_figure_changes_its_sign():
    windows = turned([5, 2, -3])
    mirrored = mirror_images(windows[:])
    again = Windows(mirrored.reshape(-1, 12, 2), windows.first_frame, windows.start_s)
    np.testing.assert_allclose(head_turns(again), -head_turns(windows), atol=1e-6)


def test_place_and_size_in_the_picture_do_not_matter():
    windows = turned([5, 2, -3])
    moved = Windows(3 * windows.movement + 100, windows.first_frame, windows.start_s)
    np.testing.assert_allclose(head_turns(moved), head_turns(windows), atol=1e-5)


def test_the_middle_of_a_clip_counts_against_the_range_of_the_enrolled_windows():
    known = turns_of([turned([-6, 0, 6]), turned([1, 1, 1])])
    assert known.outside(turned([0, 5, 5])) == ()
    assert known.outside(turned([0, 0, 30])) == ()  # one window aside is none of the clip's middle
    assert known.outside(turned([19, 19, 19])) == ("eyes", "ears", "nose")
    assert known.outside(turned([-19, -19, -19])) == ("eyes", "ears", "nose")


def test_few_videos_that_are_all_alike_leave_room_for_some_degrees():
    known = turns_of([turned([0, 0, 0])])
    np.testing.assert_allclose(known.low, [-0.1, -0.4, -0.06], atol=1e-6)
    assert known.outside(turned([0.5, 0.5, 0.5])) == ()
    assert "nose" in known.outside(turned([8, 8, 8]))


def test_what_is_not_seen_is_no_figure():
    blind = turned([19, 19, 19])
    blind.movement[:, [R_EYE, L_EYE, R_EAR, L_EAR]] = np.nan
    assert np.isnan(head_turns(blind)[:, :2]).all()
    assert turns_of([turned([0, 0, 0])]).outside(blind) == ("nose",)
    assert turns_of([blind]).high[:2] == (UNBOUNDED, UNBOUNDED)
    assert ANYWHERE.outside(turned([19, 19, 19])) == ()


@pytest.mark.parametrize(("low", "high"), [((0, 0), (1, 1)), ((0, 0, 0), (1, 1)), ((0, 0, 2), (1, 1, 1))])
def test_ranges_that_make_no_sense_are_refused(low, high):
    with pytest.raises(ValueError, match=r"range|ends"):
        HeadTurns(low, high)


def test_a_clip_without_windows_has_no_turns():
    assert head_turns(Windows(np.zeros((0, 12, 2), np.float32), np.zeros(0, np.int64), np.zeros(0))).shape == (0, 3)
