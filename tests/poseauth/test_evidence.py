"""What of a clip is evidence: not a picture, not a loop; a person who listens, talks or pauses is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from poseauth.evidence import AFTER_S, MIN_TORSO_PX, Evidence, repeated_frames, some_of, still_frames, weigh_evidence
from poseauth.keypoints import COCO17_ORDER, Provenance, keypoint_sequence, select_twelve
from poseauth.windows import FPS, WINDOW_FRAMES, Windows, cut_windows, torso_size
from tests.known_body import BODY

NOISE = 0.4
"""Pixels, a third of a percent of BODY's torso size: an estimator's on a clean picture."""


def wander(n_frames, *, seed=0, pixels=12.0):
    """A body every joint of which goes its own way, never the same twice: [shape=(T, 12, 2)], pixels."""
    rng = np.random.default_rng(seed)
    kernel = np.hanning(31)
    noise = rng.normal(0, pixels, (n_frames + 30, 24))
    ways = [np.convolve(column, kernel / np.linalg.norm(kernel), "valid") for column in noise.T]
    return BODY + np.stack(ways, axis=1).reshape(n_frames, 12, 2)


def seen(movement, *, seed=1, noise=NOISE):
    """As an estimator gives it."""
    return (movement + np.random.default_rng(seed).normal(0, noise, movement.shape)).astype(np.float32)


def windows_over(movement, stride=30):
    first = np.arange(0, len(movement) - WINDOW_FRAMES + 1, stride)
    return Windows(np.asarray(movement, np.float32), first, first / FPS)


def looped(period, n_frames, **how):
    return seen(wander(period, **how)[np.arange(n_frames) % period])


def test_movement_that_never_comes_again_is_evidence():
    evidence = weigh_evidence(windows_over(seen(wander(1800))))
    assert evidence.counts.all()
    assert evidence.told == ()
    assert evidence.period_s is None


def test_a_still_picture_is_no_evidence():
    windows = windows_over(seen(np.tile(BODY, (450, 1, 1))))
    evidence = weigh_evidence(windows)
    assert evidence.still.all()
    assert (evidence.n_still, evidence.n_repeated) == (11, 0)
    assert evidence.told == ("nobody moves in any of 11 windows: a still picture or a frozen video?",)
    assert len(some_of(windows, evidence.counts)) == 0


def test_who_is_too_small_in_the_picture_gives_no_evidence():
    movement = seen(wander(900))
    size = float(np.nanmedian(torso_size(movement)))
    shrunk = movement * np.where(np.arange(900) < 450, 0.9, 1.1)[:, None, None] * (MIN_TORSO_PX / size)
    windows = windows_over(shrunk, stride=150)
    evidence = weigh_evidence(windows)
    assert evidence.small.tolist() == [True, True, True, False, False, False]
    assert evidence.counts.tolist() == [False, False, False, True, True, True]
    (told,) = evidence.told
    assert told.startswith("the person is too small in 3 of 6 windows: shoulder width and neck to nose together have")


def test_a_frozen_frame_is_still_without_any_noise():
    assert still_frames(np.tile(BODY, (300, 1, 1))).all()
    assert not repeated_frames(np.tile(BODY, (300, 1, 1)))[0].any()


@pytest.mark.parametrize("camera", ["pans", "zooms"])
def test_a_picture_is_still_before_a_moving_camera(camera):
    t = np.arange(450)[:, None, None]
    picture = BODY + (0.3 * t, 0.1 * t)[0] if camera == "pans" else BODY * (1 + 0.0003 * t)
    assert weigh_evidence(windows_over(seen(picture))).still.all()


def test_one_keypoint_that_jumps_about_does_not_make_a_picture_move():
    picture = np.tile(BODY, (450, 1, 1))
    picture[:, 4] += np.where(np.arange(450) // 20 % 2, 0, 60)[:, None]
    assert weigh_evidence(windows_over(seen(picture))).still.all()


def test_moving_arms_below_a_head_that_is_held_still_are_movement():
    movement = np.tile(BODY, (450, 1, 1))
    arms = [3, 4, 6, 7]
    movement[:, arms] = wander(450)[:, arms]
    assert not weigh_evidence(windows_over(seen(movement))).still.any()


def test_only_the_windows_that_are_mostly_frozen_are_left_out():
    movement = wander(1200)
    movement[600:] = movement[600]
    movement[1050:] = wander(150, seed=5)
    evidence = weigh_evidence(windows_over(seen(movement)))
    begins = np.flatnonzero(evidence.still)
    assert begins.tolist() == list(range(begins[0], begins[-1] + 1))
    # From 20 s to 35 s; a window from 17.5 s on has half of its five seconds in that.
    assert 17 <= begins[0] <= 19
    assert 31 <= begins[-1] <= 33
    assert evidence.n_repeated == 0


def test_a_pause_of_two_seconds_is_no_stillness():
    movement = wander(600)
    movement[240:300] = movement[240]
    assert weigh_evidence(windows_over(seen(movement))).counts.all()


@pytest.mark.parametrize("period_s", [0.5, 1.0, 1.3667, 3.0, 10.0])
def test_a_loop_counts_once_whatever_its_period(period_s):
    evidence = weigh_evidence(windows_over(looped(round(period_s * FPS), 1200)))
    assert evidence.period_s == pytest.approx(period_s, abs=0.05)
    first_time = max(period_s, AFTER_S[0])
    starts = np.arange(len(evidence.repeated))
    assert evidence.repeated[starts >= first_time].all()
    assert not evidence.repeated[starts < first_time - 3].any()
    assert f"the same {evidence.period_s:.1f} s of movement again and again" in evidence.told[0]


@pytest.mark.parametrize("n_frames", range(599, 606))
def test_a_clip_may_end_anywhere_in_a_loop(n_frames):
    assert weigh_evidence(windows_over(looped(30, n_frames))).repeated[3:].all()


def test_a_loop_there_and_back_is_a_loop():
    there = wander(45)
    movement = np.concatenate([there, there[::-1]] * 10)
    evidence = weigh_evidence(windows_over(seen(movement)))
    assert evidence.period_s == pytest.approx(3.0, abs=0.05)
    assert evidence.repeated[3:].all()


def test_a_loop_between_two_frames_is_found():
    """A second of 30.5 frames: no lag of whole frames is exact."""
    movement, t = wander(40), np.arange(900) % 30.5
    low = t.astype(int)
    between = movement[low] + (t - low)[:, None, None] * (movement[low + 1] - movement[low])
    assert weigh_evidence(windows_over(seen(between))).repeated[5:].all()


def test_a_loop_is_found_in_another_place_and_size_and_with_joints_that_come_and_go():
    movement = looped(60, 900)
    zoom = (1 + 0.0005 * np.arange(900))[:, None, None]
    movement = (zoom * movement + np.linspace(0, 200, 900)[:, None, None]).astype(np.float32)
    hidden = np.random.default_rng(0).random(movement.shape[:2]) < 0.05
    movement[hidden] = np.nan
    assert weigh_evidence(windows_over(movement)).repeated[5:].all()


def test_a_loop_inside_a_clip_leaves_the_rest_alone():
    movement = wander(1800)
    movement[600:1200] = movement[600 + np.arange(600) % 30]
    evidence = weigh_evidence(windows_over(seen(movement)))
    assert evidence.repeated[24:36].all()
    assert not evidence.repeated[:20].any()
    assert not evidence.repeated[40:].any()


def test_a_part_that_is_shown_again_a_minute_later_is_found_and_later_it_is_not_sought():
    for later_s, found in ((58, True), (64, False)):
        movement = wander(2400)
        again = round(later_s * FPS)
        movement[again : again + 300] = movement[:300]
        assert weigh_evidence(windows_over(seen(movement))).repeated.any() == found


def test_frames_that_are_part_still_and_part_repeated_do_not_count_either():
    """A window of 50 frames that are shown again, 50 of a new movement and 50 that stand."""
    movement = wander(900)
    movement[450:600] = movement[50:200]
    movement[650:] = movement[650]
    evidence = weigh_evidence(windows_over(seen(movement), stride=1))
    assert not evidence.counts[550]
    assert evidence.counts[350]


def test_what_is_found_does_not_depend_on_how_long_the_clip_is(monkeypatch):
    movement = seen(np.concatenate([wander(600), wander(60)[np.arange(900) % 60], np.tile(BODY, (400, 1, 1))]))
    whole = weigh_evidence(windows_over(movement))
    assert whole.n_still
    assert whole.n_repeated
    monkeypatch.setattr("poseauth.evidence._BLOCK_FRAMES", 240)
    pieces = weigh_evidence(windows_over(movement))
    np.testing.assert_array_equal(whole.still, pieces.still)
    np.testing.assert_array_equal(whole.repeated, pieces.repeated)


def test_hidden_keypoints_are_no_loop_and_no_movement_is_made_of_them():
    movement = seen(wander(900))
    movement[:, [4, 7]] = np.nan
    movement[200:230] = np.nan
    evidence = weigh_evidence(windows_over(movement))
    assert not evidence.n_repeated
    assert not evidence.n_still
    movement[:, 1:] = np.nan
    assert weigh_evidence(windows_over(movement)).counts.all()  # nothing is known: nothing is said


def test_a_clip_without_windows_has_no_evidence_to_weigh():
    none = weigh_evidence(Windows(np.zeros((0, 12, 2), np.float32), np.zeros(0, np.int64), np.zeros(0)))
    assert len(none.counts) == 0
    assert none.told == ()


def test_both_reasons_are_told_with_their_numbers():
    still, repeated = np.array([True, False, False, False]), np.array([False, True, True, False])
    picture, loop = Evidence(still, repeated, np.zeros(4, bool), 1.3667).told
    assert picture.startswith("nobody moves in 1 of 4 windows")
    assert loop.startswith("the same 1.4 s of movement again and again in 2 of 4 windows")


def real_recordings(shared):
    for path in sorted(shared("keypoints/balance").glob("*.npz"))[::6]:
        with np.load(path) as file:
            keypoints, confidence = select_twelve(file["xy"], file["conf"], COCO17_ORDER)
            times = np.arange(len(keypoints)) / float(file["fps"])
        yield path.stem, cut_windows(keypoint_sequence(keypoints, confidence, times, provenance=Provenance(path.name)))


def test_no_real_recording_is_a_loop_and_hardly_a_window_of_one_is_still(shared):
    n_windows, n_still = Counter(), Counter()
    for name, windows in real_recordings(shared):
        evidence = weigh_evidence(windows)
        assert not evidence.n_repeated, name
        role = "listens" if "guesser" in name else "talks"
        n_windows[role] += len(windows)
        n_still[role] += evidence.n_still
    assert min(n_windows.values()) > 200
    assert n_still["talks"] <= 0.01 * n_windows["talks"]
    assert n_still["listens"] <= 0.2 * n_windows["listens"]


@pytest.mark.parametrize("period_s", [1.0, 3.0, 10.0])
def test_loops_of_real_talk_are_found(shared, period_s):
    n_found = n_clips = 0
    period = round(period_s * FPS)
    for name, windows in real_recordings(shared):
        if "clueGiver" not in name or len(windows.movement) < period + 60:
            continue
        loop = windows.movement[60 + np.arange(period + 600) % period]
        torso = np.nanmedian(np.linalg.norm(loop[:, 2] - loop[:, 5], axis=-1))
        evidence = weigh_evidence(windows_over(seen(loop, noise=0.004 * torso)))
        n_found += evidence.counts.mean() <= max(0.25, (period_s - 1) / len(evidence.counts))
        n_clips += 1
    assert n_clips >= 5
    assert n_found >= 0.8 * n_clips
