"""Five seconds at 30 fps, by time stamps alone, inside one uncut, gapless piece."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth import long_arrays
from poseauth.errors import InputError
from poseauth.keypoints import (
    L_ELBOW,
    L_HAND,
    L_SHOULDER,
    L_WRIST,
    N_WHOLE,
    NECK,
    NOSE,
    R_ELBOW,
    R_HAND,
    R_SHOULDER,
    R_WRIST,
)
from poseauth.windows import (
    WindowOptions,
    Windows,
    cut_windows,
    find_segments,
    torso_size,
    visibility,
)
from tests.known_body import whole_windows, windows_of, with_hands

ALL = list(range(12))


def at(fps, n_frames, start_s=0.0):
    return start_s + np.arange(n_frames) / fps


def right_wrist(moves):
    """A movement of the right wrist alone, by `moves` (T,) pixels in x and half as many in y."""
    movement = np.zeros((len(moves), 12, 2))
    movement[:, R_WRIST] = np.stack([moves, np.asarray(moves) / 2], axis=-1)
    return movement


def test_150_frames_at_30_fps_come_back_as_they_were(make_sequence):
    rng = np.random.default_rng(0)
    sequence = make_sequence(at(30, 150), rng.normal(0, 3, (150, 12, 2)))
    windows = cut_windows(sequence)
    assert windows.start_s.tolist() == [0.0]
    np.testing.assert_array_equal(windows.keypoints[0], sequence.keypoints)


def all_but_the_held_end(windows, times):
    """The windows that end before the source does: its last frame is held until the next would come."""
    inside = windows.start_s + 149 / 30 <= times[-1] + 1e-6
    return windows_of(windows.keypoints[inside], windows.start_s[inside])


VARIABLE = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.05, 400))
RATES = [pytest.param(at(fps, int(fps * 7)), id=f"{fps} fps") for fps in (24, 25, 29.97, 50, 60)]


@pytest.mark.parametrize("times", [*RATES, pytest.param(VARIABLE, id="variable")])
def test_a_linear_movement_is_reproduced_at_30_fps(make_sequence, times):
    windows = all_but_the_held_end(cut_windows(make_sequence(times, right_wrist(20 * times))), times)
    assert len(windows)
    moments = windows.start_s[:, None] + np.arange(150) / 30
    np.testing.assert_allclose(windows.keypoints[:, :, R_WRIST, 0], 270 + 20 * moments, atol=1e-3)
    np.testing.assert_allclose(windows.keypoints[:, :, R_WRIST, 1], 250 + 10 * moments, atol=1e-3)


@pytest.mark.parametrize("times", [*RATES, pytest.param(VARIABLE, id="variable")])
def test_a_beat_is_reproduced_within_the_error_of_linear_interpolation(make_sequence, times):
    omega, amplitude = 2 * np.pi * 1.0, 30.0
    movement = right_wrist(amplitude * np.sin(omega * times))
    windows = all_but_the_held_end(cut_windows(make_sequence(times, movement)), times)
    moments = windows.start_s[:, None] + np.arange(150) / 30
    bound = amplitude * omega**2 * np.diff(times).max() ** 2 / 8
    error = windows.keypoints[:, :, R_WRIST, 0] - (270 + amplitude * np.sin(omega * moments))
    assert np.abs(error).max() <= bound + 1e-3


def test_a_clip_of_5_s_at_30_fps_gives_one_window(make_sequence):
    assert len(cut_windows(make_sequence(at(30, 150)))) == 1


@pytest.mark.parametrize("fps", [29.97, 50, 60])
def test_a_clip_of_5_s_at_another_rate_gives_one_window(make_sequence, fps):
    assert len(cut_windows(make_sequence(at(fps, round(5 * fps))))) == 1


@pytest.mark.parametrize("fps", [24, 25])
def test_a_clip_of_5_s_at_a_low_rate_gives_one_window(make_sequence, fps):
    assert len(cut_windows(make_sequence(at(fps, 5 * fps)))) == 1


def test_a_clip_one_frame_short_of_5_s_gives_none(make_sequence):
    windows = cut_windows(make_sequence(at(30, 149)))
    assert len(windows) == 0
    assert windows.n_rejected == 0
    assert windows.keypoints.shape == (0, 150, 12, 2)
    assert windows.seconds == 0.0


@pytest.mark.parametrize("jitter", [0.0005, -0.0005])
def test_time_stamps_rounded_to_milliseconds_lose_no_window(make_sequence, jitter):
    times = np.round(at(30, 150), 3)
    times[-1] += jitter
    assert len(cut_windows(make_sequence(times))) == 1


def test_time_stamps_count_and_not_the_number_of_frames(make_sequence):
    n_frames = 300
    assert len(cut_windows(make_sequence(at(60, n_frames)), WindowOptions(stride_frames=150))) == 1
    assert len(cut_windows(make_sequence(at(30, n_frames)), WindowOptions(stride_frames=150))) == 2
    assert len(cut_windows(make_sequence(at(15, n_frames)), WindowOptions(stride_frames=150))) == 4


def test_no_window_crosses_a_cut(make_sequence):
    shot = np.repeat([0, 1], [100, 160])
    windows = cut_windows(make_sequence(at(30, 260), shot=shot), WindowOptions(stride_frames=1))
    assert len(windows) == 11
    np.testing.assert_allclose(windows.start_s[0], 100 / 30)


def test_a_cut_while_nobody_is_seen_ends_the_piece_too(make_sequence):
    shot = np.repeat([0, 1], [145, 145])
    sequence = make_sequence(at(30, 290), shot=shot, missing=[(slice(143, 148), ALL)])
    assert len(cut_windows(sequence)) == 0


def test_no_window_crosses_a_gap_between_frames(make_sequence):
    times = np.concatenate([at(30, 149), at(30, 149, 148 / 30 + 0.6)])
    assert len(cut_windows(make_sequence(times))) == 0
    assert [len(piece.keypoints) for piece in find_segments(make_sequence(times))] == [149, 149]


def test_no_window_crosses_a_time_in_which_nobody_is_seen(make_sequence):
    sequence = make_sequence(at(30, 315), missing=[(slice(149, 166), ALL)])
    assert [len(piece.keypoints) for piece in find_segments(sequence)] == [149, 149]
    assert len(cut_windows(sequence)) == 0


def test_a_gap_below_the_limit_ends_nothing_and_is_not_filled(make_sequence):
    times = np.concatenate([at(30, 70), at(30, 80, 69 / 30 + 0.4)])
    windows = cut_windows(make_sequence(times, right_wrist(20 * times)))
    assert len(windows) == 1
    assert (~windows.mask[0].any(axis=1)).sum() == 11  # 0.4 s are 12 steps: 11 frames stand between
    np.testing.assert_allclose(windows.keypoints[0, 90:, R_WRIST, 0], 270 + 20 * np.arange(90, 150) / 30, atol=1e-3)


@pytest.mark.parametrize(("torso_sizes", "n_windows"), [(0.9, 1), (1.1, 0)])
def test_a_torso_that_jumps_by_more_than_its_size_ends_the_piece(make_sequence, torso_sizes, n_windows):
    movement = np.zeros((180, 12, 2))
    movement[90:, :, 0] = 120 * torso_sizes
    assert len(cut_windows(make_sequence(at(30, 180), movement), WindowOptions(stride_frames=150))) == n_windows


def test_the_smaller_torso_measures_a_jump(make_sequence, body):
    movement = np.zeros((180, 12, 2))
    movement[90:] = (body - body[NECK]) * 2 + (200, 0)  # three times the size, 200 px away: 1.7 of the smaller torso
    assert len(cut_windows(make_sequence(at(30, 180), movement))) == 0


def test_a_jump_while_the_torso_is_hidden_ends_the_piece_where_it_is_back(make_sequence):
    movement = np.zeros((300, 12, 2))
    movement[145:, :, 0] = 300
    sequence = make_sequence(at(30, 300), movement, missing=[(slice(145, 155), [R_SHOULDER])])
    lengths = [len(piece.keypoints) for piece in find_segments(sequence)]
    assert lengths == [155, 145]


def test_a_limb_that_jumps_ends_nothing(make_sequence):
    moves = np.repeat([0.0, 300.0], [75, 75])
    assert len(cut_windows(make_sequence(at(30, 150), right_wrist(moves)))) == 1


@pytest.mark.parametrize("n_missing", [1, 5])
def test_a_short_gap_of_one_keypoint_is_filled_in_a_straight_line(make_sequence, n_missing):
    times = at(30, 150)
    sequence = make_sequence(times, right_wrist(60 * times), missing=[(slice(60, 60 + n_missing), R_WRIST)])
    windows = cut_windows(sequence)
    assert windows.mask.all()
    np.testing.assert_allclose(windows.keypoints[0, :, R_WRIST, 0], 270 + 60 * times, atol=1e-3)


def test_a_gap_beyond_the_limit_stays_as_it_is(make_sequence):
    windows = cut_windows(make_sequence(at(30, 150), missing=[(slice(60, 67), R_WRIST)]))  # 7 frames, 0.23 s
    assert np.argwhere(~windows.mask[0]).tolist() == [[frame, R_WRIST] for frame in range(60, 67)]


def test_a_gap_of_one_keypoint_leaves_the_others_as_they_were(make_sequence):
    rng = np.random.default_rng(2)
    movement = rng.normal(0, 2, (150, 12, 2))
    whole = cut_windows(make_sequence(at(30, 150), movement))
    gappy = cut_windows(make_sequence(at(30, 150), movement, missing=[(slice(60, 80), R_WRIST)]))
    others = [k for k in ALL if k != R_WRIST]
    np.testing.assert_array_equal(gappy.keypoints[:, :, others], whole.keypoints[:, :, others])


def test_nothing_is_made_up_before_a_keypoint_is_first_seen_or_after_it_is_last_seen(make_sequence):
    windows = cut_windows(make_sequence(at(30, 150), missing=[(slice(0, 3), R_WRIST), (slice(148, 150), L_WRIST)]))
    assert np.argwhere(~windows.mask[0]).tolist() == [
        *([frame, R_WRIST] for frame in range(3)),
        *([frame, L_WRIST] for frame in (148, 149)),
    ]


def test_max_fill_s_moves_the_limit(make_sequence):
    sequence = make_sequence(at(30, 150), missing=[(slice(60, 75), R_WRIST)])
    assert cut_windows(sequence, WindowOptions(max_fill_s=0.51)).mask.all()
    assert not cut_windows(sequence, WindowOptions(max_fill_s=0.4)).mask.all()


OFFSETS = [0.1, 1 / 3, 12.345, 1000.7, 86399.013]


@pytest.mark.parametrize("start_s", OFFSETS)
def test_when_the_clip_starts_changes_nothing_but_the_start(make_sequence, start_s):
    rng = np.random.default_rng(3)
    movement = rng.normal(0, 2, (300, 12, 2)).cumsum(axis=0) / 5
    missing = [(slice(60, 80), R_WRIST), (slice(150, 153), NOSE)]
    early = cut_windows(make_sequence(at(30, 300), movement, missing=missing))
    late = cut_windows(make_sequence(at(30, 300, start_s), movement, missing=missing))
    np.testing.assert_allclose(late.start_s, early.start_s + start_s)
    np.testing.assert_array_equal(late.mask, early.mask)
    np.testing.assert_allclose(late.keypoints, early.keypoints, atol=1e-3)


def test_when_the_clip_starts_does_not_decide_whether_a_gap_at_the_limit_is_filled(make_sequence):
    starts = np.random.default_rng(4).uniform(0, 36000, 50)
    missing = [(slice(60, 66), R_WRIST)]
    filled = {bool(cut_windows(make_sequence(at(30, 150, start_s), missing=missing)).mask.all()) for start_s in starts}
    assert filled == {True}


def test_10_s_are_10_s_wherever_the_clip_starts(make_sequence):
    for start_s in np.arange(0, 20, 0.37):
        assert cut_windows(make_sequence(at(30, 300, start_s))).seconds >= 10.0


def hide_share(joints, n_of_ten):
    """`n_of_ten` of every ten frames without these joints, in runs too long to be filled."""
    return [(np.arange(150) % 50 < 5 * n_of_ten, joints)]


@pytest.mark.parametrize(("n_of_ten", "n_windows"), [(3, 1), (4, 1), (5, 0)])
@pytest.mark.parametrize("joints", [[R_ELBOW, L_ELBOW], [NOSE]], ids=["elbows", "nose"])
def test_a_window_counts_where_enough_of_the_upper_body_is_seen(make_sequence, joints, n_of_ten, n_windows):
    windows = cut_windows(make_sequence(at(30, 150), missing=hide_share(joints, n_of_ten)))
    assert (len(windows), windows.n_rejected) == (n_windows, 1 - n_windows)


def test_left_and_right_are_averaged_in_the_visibility(make_sequence):
    sequence = make_sequence(at(30, 150), missing=[(slice(None), [R_ELBOW])])
    (segment,) = find_segments(sequence)
    assert visibility(segment.keypoints) == 0.5
    assert len(cut_windows(sequence)) == 0
    assert len(cut_windows(sequence, WindowOptions(min_visibility=0.5))) == 1


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ([(slice(None), [NECK])], 0.0),
        ([(np.arange(150) % 50 < 35, [L_SHOULDER, NECK])], 0.3),
        # Each is there in most frames, all four in few: the windows of runs that are too long to be filled.
        ([(np.arange(150) % 50 < 20, [NOSE]), (np.arange(150) % 50 >= 30, [R_SHOULDER])], 0.2),
    ],
    ids=["no neck", "one shoulder", "in turn"],
)
def test_a_window_in_which_the_torso_cannot_be_measured_does_not_count(make_sequence, missing, expected):
    sequence = make_sequence(at(30, 150), missing=missing)
    (segment,) = find_segments(sequence)
    assert visibility(segment.keypoints) == pytest.approx(expected, abs=0.02)
    windows = cut_windows(sequence)
    assert (len(windows), windows.n_rejected) == (0, 1)


def test_wrists_and_ears_are_not_needed(make_sequence):
    assert len(cut_windows(make_sequence(at(30, 150), missing=[(slice(None), [R_WRIST, L_WRIST, 8, 9, 10, 11])]))) == 1


@pytest.mark.parametrize(("stride", "n_windows"), [(1, 151), (30, 6), (150, 2), (200, 1)])
def test_the_stride_is_the_step_from_one_window_to_the_next(make_sequence, stride, n_windows):
    rng = np.random.default_rng(5)
    sequence = make_sequence(at(30, 300), rng.normal(0, 2, (300, 12, 2)))
    windows = cut_windows(sequence, WindowOptions(stride_frames=stride))
    assert len(windows) == n_windows
    np.testing.assert_allclose(np.diff(windows.start_s), stride / 30)
    for i, window in enumerate(windows.keypoints):
        np.testing.assert_allclose(window, sequence.keypoints[i * stride : i * stride + 150], atol=1e-3)


def test_seconds_are_the_union_of_the_windows():
    starts = np.array([0.0, 1.0, 3.0, 20.0])  # 0 to 8 and 20 to 25
    assert windows_of(np.zeros((4, 150, 12, 2), np.float32), starts).seconds == pytest.approx(13.0)


def test_the_mask_says_which_keypoints_are_there():
    keypoints = np.zeros((1, 150, 12, 2), np.float32)
    keypoints[0, 7, 3, 1] = np.nan
    mask = windows_of(keypoints, np.zeros(1)).mask
    assert mask.shape == (1, 150, 12)
    assert np.argwhere(~mask).tolist() == [[0, 7, 3]]


def test_nobody_in_view_gives_no_piece_and_no_window(make_sequence):
    sequence = make_sequence(at(30, 300), missing=[(slice(None), ALL)])
    assert find_segments(sequence) == []
    assert len(cut_windows(sequence)) == 0


def test_no_frame_gives_no_window(make_sequence):
    assert len(cut_windows(make_sequence([]))) == 0


def test_one_frame_is_a_piece_of_one_frame(make_sequence):
    (segment,) = find_segments(make_sequence([3.0]))
    assert (segment.start_s, len(segment.keypoints)) == (3.0, 1)


def test_the_torso_size_is_shoulder_width_plus_neck_to_nose(body):
    assert torso_size(body[None])[0] == 120
    body[NOSE] = np.nan
    assert np.isnan(torso_size(body[None])[0])


def movement(n_frames=300):
    return np.zeros((n_frames, 12, 2), np.float32)


@pytest.mark.parametrize(
    ("of", "first_frame", "start_s", "message"),
    [
        (np.zeros((300, 17, 2), np.float32), [0], [0.0], r"shape \(300, 17, 2\)"),
        (np.zeros((1, 150, 12, 2), np.float32), [0], [0.0], r"shape \(1, 150"),
        (movement(), [0, 30], [0.0], "begin at"),
        (movement(), [151], [0.0], "beyond the 300 frames"),
        (movement(), [-1], [0.0], "beyond the 300 frames"),
        (movement(149), [0], [0.0], "beyond the 149 frames"),
    ],
)
def test_windows_that_are_not_there_are_refused(of, first_frame, start_s, message):
    with pytest.raises(ValueError, match=message):
        Windows(of, np.array(first_frame), np.array(start_s))


def test_overlapping_windows_keep_every_frame_once(make_sequence):
    sequence = make_sequence(at(30, 3000), np.random.default_rng(3).normal(0, 2, (3000, 12, 2)))
    windows = cut_windows(sequence)
    assert len(windows) == 96
    assert len(windows.movement) == 3000
    np.testing.assert_array_equal(windows[10:12], windows.keypoints[10:12])
    assert windows[90:200].shape == (6, 150, 12, 2)
    assert windows[96:].shape == (0, 150, 12, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride_frames": 0}, "stride_frames is 0; at least 1"),
        ({"max_fill_s": -0.1}, "max_fill_s must not be negative"),
        ({"max_gap_s": 0}, "max_gap_s and max_jump must be above 0"),
        ({"max_jump": 0}, "max_gap_s and max_jump must be above 0"),
        ({"min_visibility": -0.1}, "min_visibility is -0.1; a share from 0 to 1"),
        ({"min_visibility": 1.1}, "min_visibility is 1.1; a share from 0 to 1"),
        ({"min_visibility": float("nan")}, "min_visibility is nan"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        WindowOptions(**options)


WHOLE = WindowOptions(points="whole")


def test_a_whole_window_has_the_twelve_then_fingers_face_and_both_hands(make_sequence):
    rng = np.random.default_rng(0)
    sequence = make_sequence(at(30, 150), rng.normal(0, 3, (150, 12, 2)))
    windows = cut_windows(with_hands(sequence), WHOLE).keypoints
    assert windows.shape == (1, 150, N_WHOLE, 2)
    np.testing.assert_array_equal(windows, whole_windows(sequence.keypoints[None]))


@pytest.mark.parametrize("points", ["twelve", "whole"])
def test_a_long_piece_is_brought_to_30_fps_block_by_block_as_in_one(make_sequence, monkeypatch, points):
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, 40, 900))
    movement = rng.normal(0, 3, (900, 12, 2)).cumsum(axis=0) / 10
    gone = [(slice(first, first + 4), R_WRIST) for first in range(20, 880, 60)]
    sequence = with_hands(make_sequence(times, movement, missing=gone))
    options = WindowOptions(points=points)
    at_once = cut_windows(sequence, options)
    monkeypatch.setattr(long_arrays, "PIECE_FRAMES", 37)
    in_blocks = cut_windows(sequence, options)
    assert len(at_once) > 20
    np.testing.assert_array_equal(in_blocks.movement, at_once.movement)
    np.testing.assert_array_equal(in_blocks.start_s, at_once.start_s)


def test_a_hand_lost_for_a_moment_is_filled_and_for_longer_is_not(make_sequence):
    sequence = with_hands(make_sequence(at(30, 150)))
    sequence.whole_body.hands[40:44, 0] = np.nan
    sequence.whole_body.hands[80:120, 1] = np.nan
    seen = np.isfinite(cut_windows(sequence, WHOLE).keypoints[0]).all(axis=-1)
    assert seen[:, list(L_HAND)].all()
    assert not seen[80:120, list(R_HAND)].any()
    assert seen[:80].all()


def test_whole_windows_of_a_sequence_without_hands_are_refused(make_sequence):
    with pytest.raises(InputError, match=r"clip\.mp4: its keypoints have no hands.*Extract the clip with hands"):
        cut_windows(make_sequence(at(30, 150)), WHOLE)
    assert len(cut_windows(with_hands(make_sequence(at(30, 150))))) == 1


def test_points_of_another_name_are_refused():
    with pytest.raises(ValueError, match="points are 'hands'; twelve, whole are known"):
        WindowOptions(points="hands")
