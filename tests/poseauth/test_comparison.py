"""A clip beside the person's own videos: what is told, by which count, and that the person's own movement is usual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth import comparison
from poseauth.comparison import CHANCE, FEWEST_STRETCHES, MOST_TOLD, _limit, _stretches, compare
from poseauth.errors import TooShortError
from poseauth.keypoints import NECK, R_WRIST, keypoint_sequence
from poseauth.plain_measures import ALONG, HEAD, LEFT_WRIST, MEASURES, RIGHT_WRIST, SPEED, Measure, measure
from poseauth.windows import FPS, WINDOW_FRAMES, WINDOW_S, cut_windows

RIGHT_SPEED = Measure(SPEED, (RIGHT_WRIST,))


def speech(seed, style=0, duration_s=20.0):
    return speak(STYLES[style], duration_s=duration_s, seed=seed)


def changed(sequence, keypoints, confidence=None):
    return keypoint_sequence(
        keypoints.astype(np.float32), sequence.confidence if confidence is None else confidence,
        sequence.timestamps_s, sequence.shot, provenance=sequence.provenance,
    )  # fmt: skip


def frozen(sequence):
    """The right wrist keeps its place beside the neck."""
    keypoints = sequence.keypoints.copy()
    keypoints[:, R_WRIST] = keypoints[:, NECK] + np.median(keypoints[:, R_WRIST] - keypoints[:, NECK], axis=0)
    return changed(sequence, keypoints)


@pytest.fixture(scope="module")
def own():
    return [cut_windows(speech(seed, duration_s=45.0)) for seed in range(5)]


@pytest.fixture(scope="module")
def with_still_wrist(own):
    return compare(cut_windows(frozen(speech(79))), own)


def of(found, one):
    return next(entry for entry in found.compared if entry.measure == one)


def test_a_frozen_wrist_is_told_by_the_right_count(own, with_still_wrist):
    told = of(with_still_wrist, RIGHT_SPEED)
    assert told in with_still_wrist.told
    assert told.is_less
    column = MEASURES.index(RIGHT_SPEED)
    in_stretches = [
        measure(windows)[rows, column].mean()
        for windows in own
        for rows in _stretches(windows, with_still_wrist.stretch_s)
    ]
    assert told.n_otherwise == sum(value > told.value for value in in_stretches) == len(in_stretches)
    assert told.n_stretches == with_still_wrist.n_stretches == len(in_stretches)
    assert told.usual == pytest.approx(np.median(in_stretches))


def test_a_wrist_that_keeps_still_while_the_head_moves_is_told_so(with_still_wrist):
    told = of(with_still_wrist, Measure(ALONG, (RIGHT_WRIST, HEAD)))
    assert told in with_still_wrist.told
    assert told.value == 0
    assert told.usual > 0.9


def test_of_a_frozen_wrist_nothing_but_the_wrist_is_told(with_still_wrist):
    assert all(RIGHT_WRIST in one.measure.parts for one in with_still_wrist.unusual)


def test_what_a_still_wrist_moves_with_is_left_out_by_name(with_still_wrist):
    names = {(one.kind.name, one.parts) for one in with_still_wrist.left_out}
    assert ("in time", (RIGHT_WRIST, HEAD)) in names
    assert len(with_still_wrist.compared) + len(with_still_wrist.left_out) == len(MEASURES)


def test_of_the_persons_own_speeches_next_to_nothing_is_told(own):
    numbers = [len(compare(cut_windows(speech(seed)), own).unusual) for seed in range(60, 70)]
    assert sum(number == 0 for number in numbers) >= 8
    assert sum(numbers) <= 3


def test_of_somebody_else_much_is_told_and_no_more_than_five(own):
    found = compare(cut_windows(speech(60, style=3)), own)
    assert len(found.unusual) > MOST_TOLD == len(found.told)
    distances = [one.distance for one in found.unusual]
    assert distances == sorted(distances, reverse=True)
    assert of(found, RIGHT_SPEED).is_less
    assert not of(found, Measure(SPEED, (LEFT_WRIST,))).is_less


def test_neither_the_place_in_the_picture_nor_its_size_changes_what_is_told(own, with_still_wrist):
    clip = frozen(speech(79))
    elsewhere = compare(cut_windows(changed(clip, 0.5 * clip.keypoints + [90.0, 30.0])), own)
    assert [one.measure for one in elsewhere.told] == [one.measure for one in with_still_wrist.told]
    for here, there in zip(with_still_wrist.told, elsewhere.told, strict=True):
        assert there.value == pytest.approx(here.value, abs=0.005)
        assert there.n_otherwise == here.n_otherwise


def test_what_is_hidden_in_the_clip_or_in_the_videos_is_left_out_there(own):
    clip = speech(61)
    hidden = clip.confidence.copy()
    hidden[:, R_WRIST] = 0.0
    keypoints = np.where(hidden[..., None] > 0, clip.keypoints, np.nan)
    found = compare(cut_windows(changed(clip, keypoints, hidden)), own)
    assert set(found.left_out) >= {one for one in MEASURES if RIGHT_WRIST in one.parts}
    assert not any(RIGHT_WRIST in one.measure.parts for one in found.compared)
    without = []
    for windows in own:
        movement = windows.movement.copy()
        movement[:, R_WRIST] = np.nan
        without.append(replace(windows, movement=movement))
    found = compare(cut_windows(clip), without)
    assert RIGHT_SPEED in found.left_out_own
    assert RIGHT_SPEED not in found.left_out
    assert not any(RIGHT_WRIST in one.measure.parts for one in found.compared)


def test_the_same_is_told_twice(own, with_still_wrist):
    assert compare(cut_windows(frozen(speech(79))), own) == with_still_wrist


def test_stretches_share_no_frame_and_are_as_long_as_the_clip(own):
    for stretch_s in (5.0, 11.0, 17.0, 60.0):
        for windows in own:
            some = _stretches(windows, stretch_s)
            ends = [windows.start_s[rows[-1]] + WINDOW_S for rows in some]
            begins = [windows.start_s[rows[0]] for rows in some]
            assert all(end <= begin + 1e-6 for end, begin in zip(ends, begins[1:], strict=False))
            assert all(end - begin <= stretch_s + 1e-6 for begin, end in zip(begins, ends, strict=True))
            assert len(some) in (1, int(45 // stretch_s), int(45 // stretch_s) + 1)


@pytest.mark.parametrize(("clip_s", "video_s", "stretch_s"), [(20, 100, 20), (20, 45, 11), (90, 250, 60), (5, 45, 5)])
def test_a_stretch_is_as_long_as_the_clip_a_minute_at_the_most_and_short_enough_to_be_many(clip_s, video_s, stretch_s):
    own = [cut_windows(speech(seed, duration_s=video_s)) for seed in range(5)]
    assert compare(cut_windows(speech(9, duration_s=clip_s)), own).stretch_s == stretch_s


def test_the_limit_of_single_stretches_is_students(own):
    from scipy.stats import t

    values = np.random.default_rng(0).normal(3.0, 2.0, 12)
    expected = t.ppf(1 - CHANCE / 2, 11) * values.std(ddof=1) * np.sqrt(1 + 1 / 12)
    assert _limit(values, np.arange(12)) == pytest.approx(expected)


def test_videos_that_differ_widen_the_limit_the_more_the_fewer_they_are():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1.0, 40)
    alike = _limit(noise, np.repeat(np.arange(4), 10))
    differ = _limit(noise + np.repeat([-3.0, -1.0, 1.0, 3.0], 10), np.repeat(np.arange(4), 10))
    two = _limit(noise + np.repeat([-2.6, 2.6], 20), np.repeat(np.arange(2), 20))
    assert alike < differ < two
    assert _limit(noise, np.zeros(40, int)) == np.inf


def test_a_further_stretch_of_another_video_lies_outside_about_as_often_as_said():
    rng = np.random.default_rng(2)
    outside = []
    for _ in range(2000):
        video = np.repeat(np.arange(8), 5)
        own, new = rng.normal(0, 1, 8)[video] + rng.normal(0, 1, 40), rng.normal(0, np.sqrt(2))
        outside.append(abs(new - own.mean()) > _limit(own, video))
    assert CHANCE / 3 < np.mean(outside) < 2.5 * CHANCE


def test_a_difference_too_small_to_see_is_not_told_however_alike_the_videos_are(monkeypatch, own):
    clip = cut_windows(speech(62))
    numbers = iter([0.300, 0.3010, 0.3011, 0.3012, 0.3011, 0.3010])  # of the clip, and of the five videos
    monkeypatch.setattr(comparison, "measure", lambda windows: np.full((len(windows), len(MEASURES)), next(numbers)))
    found = compare(clip, own)
    assert all(one.distance > 1 for one in found.compared)
    assert len(found.compared) == len(MEASURES)
    assert found.unusual == ()


def test_too_little_to_compare_is_said_with_its_numbers(own):
    clip = cut_windows(speech(62))
    with pytest.raises(TooShortError, match="0 usable windows of the clip"):
        compare(cut_windows(speech(62, duration_s=3.0)), own)
    with pytest.raises(TooShortError, match="1 of the person's own videos"):
        compare(clip, [own[0], cut_windows(speech(1, duration_s=3.0))])
    short = [cut_windows(speech(seed, duration_s=11.0)) for seed in (1, 2)]
    with pytest.raises(TooShortError, match=f"hold 4 stretches of 5 s; {FEWEST_STRETCHES} are needed"):
        compare(clip, short)


def test_one_window_is_compared_with_single_windows(own):
    found = compare(cut_windows(speech(62, duration_s=WINDOW_FRAMES / FPS)), own)
    assert found.stretch_s == WINDOW_S
    assert found.n_stretches == 45
