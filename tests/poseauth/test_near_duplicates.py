"""Copies of a recording are found in a set by their movement; what merely moves alike is no copy."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth import near_duplicates as module
from poseauth.keypoint_files import read_keypoints
from poseauth.keypoints import Provenance, keypoint_sequence
from poseauth.near_duplicates import NearDuplicate, find_near_duplicate, near_duplicates, take_apart
from poseauth.surrogates import mirror_images
from tests.copies import copy_of
from tests.known_body import BODY
from tests.person_profiles.conftest import frozen, smooth_noise, speech_of


@pytest.fixture(scope="module")
def speeches():
    """Three speeches in one manner and three in others."""
    return [speak(STYLES[style], duration_s=12, seed=seed) for seed, style in enumerate((0, 0, 0, 1, 2, 3))]


def pairs_of(found):
    return [(pair.first, pair.second) for pair in found]


def test_every_pair_of_a_set_is_found_with_the_lower_number_first(speeches):
    copies = [
        copy_of(speeches[0]),
        copy_of(speeches[3], frames=slice(31, 290), fps=25.0),
        copy_of(speeches[0], scale=2),
    ]
    found = near_duplicates([*speeches, *copies])
    assert pairs_of(found) == [(0, 6), (0, 8), (3, 7), (6, 8)]
    assert all(0.9 <= pair.correlation <= 1 + 1e-6 for pair in found)


def test_different_speeches_in_one_manner_are_no_copies(speeches):
    assert near_duplicates(speeches) == []


def test_a_set_is_searched_as_two_sides_are(speeches):
    sequences = [*speeches[:3], copy_of(speeches[1], noise_px=1.5)]
    for pair in near_duplicates(sequences):
        alone = find_near_duplicate([sequences[pair.first]], [sequences[pair.second]])
        assert alone == NearDuplicate(0, 0, pytest.approx(pair.correlation, abs=1e-5))


def test_what_is_passed_over_is_not_compared(speeches):
    asked = []

    def passed_over(first, second):
        asked.append((first, second))
        return second == 2

    sequences = [speeches[0], copy_of(speeches[0]), copy_of(speeches[0], scale=2)]
    assert pairs_of(near_duplicates(sequences, passed_over=passed_over)) == [(0, 1)]
    assert asked == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize("hz", [0.5, 2.0, 3.0])
def test_one_pace_in_many_recordings_is_no_copy_and_a_copy_of_one_is(hz):
    recordings = [speech_of(f"{i}", frequency_hz=hz, duration_s=15) for i in range(12)]
    copy = copy_of(recordings[5], frames=slice(47, None))
    assert pairs_of(near_duplicates([*recordings, copy])) == [(5, 12)]


def test_a_rhythm_that_a_recording_repeats_marks_neither():
    beat = speech_of("one", duration_s=12, sway=0.0)
    assert near_duplicates([beat, copy_of(beat)]) == []


def shown_twice(sequence, *, apart_s):
    """The sequence and, from that many seconds after its beginning, the same once more; nobody in between."""
    return replace(
        sequence,
        keypoints=np.concatenate([sequence.keypoints] * 2),
        confidence=np.concatenate([sequence.confidence] * 2),
        timestamps_s=np.concatenate([sequence.timestamps_s, sequence.timestamps_s + apart_s]),
        shot=np.concatenate([sequence.shot, sequence.shot + 1]),
    )


@pytest.mark.parametrize(("apart_s", "n_found"), [(40, 0), (80, 1)])
def test_what_is_shown_again_after_more_than_a_minute_is_a_copy_and_no_rhythm(speeches, apart_s, n_found):
    twice = shown_twice(copy_of(speeches[1]), apart_s=apart_s)
    assert len(near_duplicates([speeches[1], twice])) == n_found
    assert len(near_duplicates([twice, speeches[1]])) == n_found


def test_a_sequence_is_gone_through_three_times_however_many_it_shares_a_stretch_with(speeches, monkeypatch):
    gone_through = []
    correlations = module._correlations

    def counted(stretches, pieces, **kind):
        gone_through.append(pieces)
        return correlations(stretches, pieces, **kind)

    monkeypatch.setattr(module, "_correlations", counted)
    known, clip = take_apart([*speeches, *map(copy_of, speeches)]), module._pieces(speeches[0])
    module._shared(clip, known, range(12))
    assert sum(pieces is clip for pieces in gone_through) == 3


def slow_action(action, take):
    """A posture after another, slowly: what a take has of its own is when, how far, and how the body sways."""
    rng, own = np.random.default_rng(action), np.random.default_rng([action, take])
    times, size = np.arange(20 * 30) / 30, 100
    reach = size * np.array([0.1, 0, 0.05, 0.2, 0.4, 0.05, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1])[:, None]
    keypoints = np.tile(BODY, (len(times), 1, 1)) + own.normal(0, 0.15, (len(times), 12, 2))
    keypoints += 0.05 * reach * smooth_noise(own, len(times))
    for at_s in (3, 7, 11, 15):
        way = reach * rng.normal(0, 1, (12, 2)) * (1 + own.normal(0, 0.15, (12, 2)))
        late = np.clip((times[:, None, None] - at_s - own.normal(0, 0.15, (12, 1))) / 2, 0, 1)
        keypoints += way * late**3 * (10 - 15 * late + 6 * late**2)
    source = Provenance(f"action {action}, take {take}", frame_width=640, frame_height=360)
    return keypoint_sequence(keypoints, np.ones((len(times), 12)), times, provenance=source)


def test_two_takes_of_a_slow_action_are_no_copies_and_a_copy_of_one_is(monkeypatch):
    takes = [slow_action(action, take) for action in range(6) for take in range(2)]
    copy = copy_of(takes[4], scale=1.0, noise_px=1.0)
    assert pairs_of(near_duplicates([*takes, copy])) == [(4, 12)]
    monkeypatch.setattr(module, "MAX_SLOW_RESIDUAL", 1.0)
    by_correlation_alone = near_duplicates(takes)
    assert {(2 * action, 2 * action + 1) for action in range(6)} <= set(pairs_of(by_correlation_alone))


def played(sequence, speed):
    """At another speed, backwards below 0, in 30 frames a second, with an estimator's noise."""
    times = sequence.timestamps_s
    at = np.arange(0, times[-1], abs(speed) / 30)[:: 1 if speed > 0 else -1]
    flat = sequence.keypoints.reshape(len(times), -1)
    keypoints = np.stack([np.interp(at, times, values) for values in flat.T], axis=1).reshape(len(at), 12, 2)
    return copy_of(
        keypoint_sequence(keypoints, np.ones((len(at), 12)), np.arange(len(at)) / 30, provenance=sequence.provenance),
        noise_px=0.5,
    )


@pytest.mark.parametrize("speed", [0.7, 0.75, 0.9, 0.96, 1.04, 1.1, 1.25, 1.4, -0.75, -0.9, -1, -1.1, -1.25])
def test_a_copy_at_another_speed_or_backwards_is_found_from_either_side(speeches, speed):
    copy = played(speeches[1], speed)
    assert pairs_of(near_duplicates([*speeches, copy])) == [(1, 6)]
    assert pairs_of(near_duplicates([copy, *speeches])) == [(0, 2)]


@pytest.mark.parametrize("speed", [0.75, 1.25, -1])
def test_a_rhythm_at_another_speed_or_backwards_marks_neither(speed):
    beat = speech_of("one", duration_s=15, sway=0.0)
    assert near_duplicates([beat, played(beat, speed)]) == []


@pytest.mark.parametrize(("seconds", "n_found"), [(6.1, 1), (4.9, 0)])
def test_six_seconds_in_common_are_found_wherever_they_stand_and_less_than_a_window_is_not(speeches, seconds, n_found):
    long = speeches[0]
    for first in (0, 13, 100):
        piece = copy_of(long, frames=slice(first, first + round(30 * seconds)))
        assert len(near_duplicates([long, piece])) == n_found


def test_a_copy_is_found_across_blocks_of_lags(speeches, monkeypatch):
    sequences = [*speeches, copy_of(speeches[2], frames=slice(60, None))]
    whole = near_duplicates(sequences)
    monkeypatch.setattr(module, "_MAX_LAGS", 50)
    in_blocks = near_duplicates(sequences)
    assert pairs_of(in_blocks) == pairs_of(whole) == [(2, 6)]
    assert in_blocks[0].correlation == pytest.approx(whole[0].correlation, abs=1e-6)


def test_a_long_recording_lies_on_disk_and_is_searched_alike(speeches, monkeypatch):
    sequences = [*speeches, copy_of(speeches[2], frames=slice(60, None))]
    in_memory = near_duplicates(sequences)
    monkeypatch.setattr("poseauth.long_arrays.IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr("poseauth.long_arrays.PIECE_FRAMES", 64)
    monkeypatch.setattr(module, "_MAX_CORRELATIONS", 500)
    assert pairs_of(near_duplicates(sequences)) == pairs_of(in_memory) == [(2, 6)]
    for (_, first), (_, second) in zip(module._pieces(speeches[0]), take_apart(speeches).pieces[0], strict=True):
        np.testing.assert_array_equal(first, second)


def test_of_a_long_recording_little_more_is_held_than_of_a_short_one(speeches):
    body = speeches[0].keypoints

    def peak_bytes(n_times):
        long = np.tile(body, (n_times, 1, 1))
        tracemalloc.start()
        assert len(module._averaged(long)) == len(long) - 2
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(720) < 0.5 * 720 * body.nbytes  # 2.4 hours; all of it at once in torso sizes is twice as much


def test_places_far_out_of_any_picture_do_not_hide_a_copy(speeches):
    keypoints = np.concatenate([copy_of(speeches[0]).keypoints, speeches[1].keypoints * np.float32(0.002)])
    keypoints[-200:, 4] = 3e37
    n = len(keypoints)
    clip = replace(
        speeches[0],
        keypoints=keypoints,
        confidence=np.ones((n, 12), np.float32),
        timestamps_s=np.arange(n) / 30,
        shot=(np.arange(n) >= n // 2).astype(np.int32),
        whole_body=None,
    )
    assert find_near_duplicate([clip], [speeches[0]]) == NearDuplicate(0, 0, pytest.approx(1, abs=1e-4))


def test_a_mirrored_copy_is_not_found(speeches):
    turned = mirror_images(speeches[0].keypoints[None])[0]
    seen = np.isfinite(turned).all(axis=-1).astype(np.float32)
    assert near_duplicates([speeches[0], replace(speeches[0], keypoints=turned, confidence=seen)]) == []


def test_keypoints_that_come_and_go_do_not_hide_a_copy(speeches):
    copy = copy_of(speeches[0])
    keypoints, confidence = copy.keypoints.copy(), copy.confidence.copy()
    keypoints[100:200, 4], confidence[100:200, 4] = np.nan, 0
    assert pairs_of(near_duplicates([speeches[0], replace(copy, keypoints=keypoints, confidence=confidence)])) == [
        (0, 1)
    ]


def test_who_stands_still_is_too_short_or_is_not_there_is_no_copy(speeches):
    still, short = frozen(speeches[0], 0), copy_of(speeches[0], frames=slice(0, 120))
    hidden = replace(speeches[0], keypoints=np.full_like(still.keypoints, np.nan), confidence=0 * still.confidence)
    assert near_duplicates([]) == []
    assert near_duplicates([*[still] * 2, *[short] * 2, *[hidden] * 2]) == []
    assert find_near_duplicate([still, short, hidden], [still, short, hidden]) is None
    assert find_near_duplicate([], speeches) is None
    assert find_near_duplicate(speeches, []) is None


def test_the_first_of_one_side_is_named_with_the_most_alike_of_the_other(speeches):
    noisy, exact = copy_of(speeches[1], noise_px=2.0), copy_of(speeches[1])
    found = find_near_duplicate(speeches, [speeches[5], noisy, exact])
    assert (found.first, found.second) == (1, 2)
    assert found.correlation == pytest.approx(1, abs=1e-4)


def test_what_is_taken_apart_once_answers_like_the_sequences(speeches):
    known = take_apart(speeches)
    assert known.stretches.rows.shape == (len(known.stretches.owners), 700)
    np.testing.assert_allclose(np.linalg.norm(known.stretches.rows, axis=1), 1, atol=1e-5)
    for clip in (copy_of(speeches[4], frames=slice(90, None)), speak(STYLES[0], duration_s=9, seed=50)):
        assert find_near_duplicate([clip], known) == find_near_duplicate([clip], speeches)


def test_real_recordings_are_copies_of_themselves_and_not_of_each_other(shared):
    paths = sorted(shared("keypoints/balance").glob("103__*_clueGiver_cam01.npz"))[:12]
    recordings = [read_keypoints(path) for path in paths]
    assert near_duplicates(recordings) == []
    copies = [copy_of(one, frames=slice(20, None), fps=25.0) for one in recordings]
    found = near_duplicates([*recordings, *copies])
    assert set(pairs_of(found)) == {(i, i + len(paths)) for i in range(len(paths))}
    for speed in (0.9, -1):
        found = near_duplicates([*recordings, *(played(one, speed) for one in recordings)])
        assert set(pairs_of(found)) == {(i, i + len(paths)) for i in range(len(paths))}
