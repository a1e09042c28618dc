"""Whom to follow: hand-made people at known places."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.following import Follow, follow
from keypoint_extractors.observation import Observation
from poseauth.errors import AmbiguousPersonError, NobodyError
from poseauth.keypoints import Coverage, ExtractorFingerprint

FPS = 30.0
WIDTH, HEIGHT = 1000, 500


def person(track, first, last, x=500.0, *, y=300.0, width=200.0, height=400.0, keypoint=None):
    """A person who stands still: (track, frames, box, value of all their keypoints)."""
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return track, range(first, last), box, float(track if keypoint is None else keypoint)


def observation(people, n_frames=90, shot=None, *, sees_many=True):
    rows = sorted((frame, track, box, value) for track, frames, box, value in people for frame in frames)
    n_rows = len(rows)
    keypoints = np.empty((n_rows, 12, 2), np.float32)
    for index, (_, _, _, value) in enumerate(rows):
        keypoints[index] = value
    return Observation(
        timestamps_s=np.arange(n_frames) / FPS,
        shot=np.zeros(n_frames, np.int32) if shot is None else np.asarray(shot, np.int32),
        frame=np.array([row[0] for row in rows], np.int32),
        track=np.array([row[1] for row in rows], np.int32),
        boxes=np.array([row[2] for row in rows], np.float32).reshape(n_rows, 4),
        scores=np.ones(n_rows, np.float32),
        keypoints=keypoints,
        confidence=np.where(np.isfinite(keypoints[..., 0]), 0.9, 0).astype(np.float32),
        frame_width=WIDTH,
        frame_height=HEIGHT,
        sees_many=sees_many,
        coverage=Coverage(n_frames, n_frames, n_frames),
        extractor=ExtractorFingerprint("hand", "1", ""),
        source_name="debate.mp4",
        source_sha256="ab",
    )


def followed(sequence):
    """The value of the keypoints a frame, NaN where nobody is followed."""
    return sequence.keypoints[:, 0, 0]


def test_the_central_person_is_followed_and_the_one_aside_counted():
    seen = observation([person(1, 0, 90, x=150), person(2, 0, 90, x=500)])
    sequence = follow(seen)
    assert (followed(sequence) == 2).all()
    assert sequence.provenance.n_people_ignored == 1
    assert sequence.provenance.n_shots_ambiguous == 0


def test_the_larger_of_two_equally_far_from_the_middle_is_followed():
    seen = observation([person(1, 0, 90, x=300, width=100, height=200), person(2, 0, 90, x=700)])
    assert (followed(follow(seen)) == 2).all()


def test_presence_counts():
    seen = observation([person(1, 0, 10, x=500), person(2, 0, 90, x=650)])
    assert (followed(follow(seen)) == 2).all()


def test_the_result_does_not_depend_on_how_tracks_are_numbered():
    first = follow(observation([person(1, 0, 90, x=150, keypoint=7), person(2, 0, 90, x=500, keypoint=8)]))
    second = follow(observation([person(9, 0, 90, x=150, keypoint=7), person(3, 0, 90, x=500, keypoint=8)]))
    np.testing.assert_array_equal(followed(first), followed(second))


def test_provenance_is_the_observations():
    seen = observation([person(1, 0, 90)])
    provenance = follow(seen).provenance
    assert (provenance.source_name, provenance.source_sha256) == ("debate.mp4", "ab")
    assert (provenance.frame_width, provenance.frame_height) == (WIDTH, HEIGHT)
    assert provenance.coverage is seen.coverage
    assert provenance.extractor is seen.extractor


def test_frames_without_the_followed_person_are_undetected():
    sequence = follow(observation([person(1, 20, 60)]))
    assert len(sequence) == 90
    assert np.isfinite(followed(sequence)).sum() == 40
    assert (sequence.confidence[:20] == 0).all()


def test_someone_seen_for_less_than_half_a_second_is_not_counted():
    seen = observation([person(1, 0, 90), person(2, 0, 14, x=100), person(3, 0, 16, x=900)])
    assert follow(seen).provenance.n_people_ignored == 1


def test_an_estimator_of_one_person_counts_nobody_as_ignored():
    seen = observation([person(1, 0, 60), person(2, 60, 90, x=100)], sees_many=False)
    assert follow(seen).provenance.n_people_ignored is None


def test_a_shot_with_two_equally_central_people_is_left_out_and_the_rest_kept():
    shot = np.repeat([0, 1], 45)
    seen = observation(
        [person(1, 0, 45, x=300), person(2, 0, 45, x=700), person(3, 45, 90), person(4, 45, 90, x=100)], shot=shot
    )
    sequence = follow(seen)
    assert np.isnan(followed(sequence)[:45]).all()
    assert (followed(sequence)[45:] == 3).all()
    assert sequence.provenance.n_shots_ambiguous == 1
    assert sequence.provenance.n_people_ignored == 1


def test_nothing_but_ambiguous_shots_names_the_tracks_and_the_ways_out():
    seen = observation([person(1, 0, 90, x=300), person(2, 0, 60, x=700), person(5, 0, 90, x=700, y=320)])
    with pytest.raises(AmbiguousPersonError) as caught:
        follow(seen)
    message = str(caught.value)
    assert message.startswith("debate.mp4: ")
    for part in ("1 (left", "5 (right", "3.0 s", "--track N", "--box X Y W H"):
        assert part in message


def test_two_boxes_on_one_body_are_neither_ambiguous_nor_somebody_ignored():
    seen = observation([person(1, 0, 90, x=500), person(2, 0, 90, x=505)])
    sequence = follow(seen)
    assert len(set(followed(sequence))) == 1
    assert sequence.provenance.n_people_ignored == 0


def test_a_track_is_followed_alone():
    shot = np.repeat([0, 1], 45)
    seen = observation([person(1, 0, 45), person(2, 0, 45, x=150), person(3, 45, 90)], shot=shot)
    sequence = follow(seen, Follow(track=2))
    assert (followed(sequence)[:45] == 2).all()
    assert np.isnan(followed(sequence)[45:]).all()
    assert sequence.provenance.n_people_ignored == 1


def test_a_track_that_is_not_there_lists_those_that_are():
    with pytest.raises(NobodyError, match=r"no track 9.*tracks are: 1 \(middle"):
        follow(observation([person(1, 0, 90)]), Follow(track=9))


def test_a_box_takes_whoever_overlaps_most_in_each_shot():
    shot = np.repeat([0, 1, 2], 30)
    seen = observation(
        [
            person(1, 0, 30, x=300),
            person(2, 0, 30, x=700),
            person(3, 30, 60, x=720),
            person(4, 30, 60, x=500),
            person(5, 60, 90, x=100),
        ],
        shot=shot,
    )
    sequence = follow(seen, Follow(box=(620, 100, 160, 350)))
    assert (followed(sequence)[:30] == 2).all()
    assert (followed(sequence)[30:60] == 3).all()
    assert np.isnan(followed(sequence)[60:]).all()


def test_a_box_with_nobody_in_it_says_where_people_are():
    with pytest.raises(NobodyError, match="nobody stands in the box 0 0 10 10"):
        follow(observation([person(1, 0, 90)]), Follow(box=(0, 0, 10, 10)))


def test_nobody_in_view_names_the_video_and_its_length():
    with pytest.raises(NobodyError, match=r"debate.mp4: nobody is in view in 3.0 s of video"):
        follow(observation([]))


def test_a_video_of_no_frames_has_nobody_in_view():
    with pytest.raises(NobodyError):
        follow(observation([], n_frames=0))


def test_a_person_without_upper_body_is_nobody():
    with pytest.raises(NobodyError, match="no keypoint of their upper body"):
        follow(observation([person(1, 0, 90, keypoint=np.nan)]))


@pytest.mark.parametrize(
    ("again", "joined"),
    [
        (person(2, 50, 90, x=560), True),
        (person(2, 50, 90, x=640), False),
        (person(2, 50, 90, x=500, width=120, height=240), False),
    ],
    ids=["nearby", "elsewhere", "of another size"],
)
def test_a_lost_track_goes_on_where_it_was_lost(again, joined):
    sequence = follow(observation([person(1, 0, 40), again]))
    assert (followed(sequence)[:40] == 1).all()
    assert np.isnan(followed(sequence)[40:50]).all()
    assert np.isfinite(followed(sequence)[50:]).all() == joined
    assert sequence.provenance.n_people_ignored == (0 if joined else 1)


def test_a_lost_track_is_not_joined_after_a_long_absence():
    sequence = follow(observation([person(1, 0, 100), person(2, 170, 200)], n_frames=200))
    assert np.isnan(followed(sequence)[100:]).all()


def test_tracks_in_view_together_are_never_joined():
    seen = observation([person(1, 0, 60), person(2, 59, 90, x=590)])
    assert np.isnan(followed(follow(seen))[60:]).all()


def test_a_joined_person_is_found_by_either_number():
    seen = observation([person(1, 0, 40), person(2, 50, 90, x=520), person(3, 0, 90, x=150)])
    np.testing.assert_array_equal(followed(follow(seen, Follow(track=1))), followed(follow(seen, Follow(track=2))))


@pytest.mark.parametrize(
    "options",
    [{"track": -1}, {"box": (0, 0, 0, 10)}, {"box": (np.nan, 0, 5, 5)}, {"track": 1, "box": (0, 0, 5, 5)}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match=r"track|box"):
        Follow(**options)


def test_thousands_of_short_tracks_take_no_time():
    seen = observation(
        [person(1, 0, 3000)] + [person(2 + index, index, index + 1, x=100) for index in range(3000)], n_frames=3000
    )
    assert (followed(follow(seen)) == 1).all()
