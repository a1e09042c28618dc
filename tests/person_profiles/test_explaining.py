"""An explanation by a profile: its own scale, its own movement, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from person_profiles import explaining
from person_profiles.explaining import OwnVideos, clip_windows, own_windows
from person_profiles.learnable import learnable_windows
from person_profiles.verification import load_scorer, score_clip, undecided_votes, window_votes
from poseauth.comparison import compare
from poseauth.errors import TooShortError
from tests.person_profiles.conftest import frozen


@pytest.fixture(scope="module")
def scorer(ada):
    return load_scorer(ada)


def explain_clip(sequence, movement, profile, scorer):
    own = own_windows(movement, profile)
    return explaining.explain_clip(clip_windows(sequence, profile), own, profile, scorer)


def compare_clip(sequence, movement, profile):
    return compare(clip_windows(sequence, profile), own_windows(movement, profile))


def test_the_scores_explained_are_the_votes_of_the_clip(ada, scorer, movement, speech):
    clip = speech("unknown", frequency_hz=3)
    scored = score_clip(clip, ada, scorer)
    assert explain_clip(clip, movement, ada, scorer).score == pytest.approx(scored.votes.mean(), abs=1e-4)
    np.testing.assert_allclose(window_votes(scored.windows, ada, scorer), scored.votes)


def test_a_profile_without_calibration_is_explained_by_its_network(ada, scorer, movement, speech):
    uncalibrated = replace(ada, calibrated=None)
    clip = speech("unknown", frequency_hz=3)
    found = explain_clip(clip, movement, uncalibrated, scorer)
    assert found.score == pytest.approx(score_clip(clip, uncalibrated, scorer).votes.mean(), abs=1e-4)


def test_what_moves_otherwise_is_told_as_against_and_holds(ada, scorer, movement, speech):
    found = explain_clip(speech("unknown", frequency_hz=3), movement, ada, scorer)
    assert found.score < found.score_person
    assert {part.name for part in found.parts_against} & {"right elbow", "left elbow", "right wrist", "left wrist"}
    assert found.holds_against


def test_too_little_movement_says_how_many_windows_there_were(ada, scorer, movement, speech):
    with pytest.raises(TooShortError, match="0 usable windows of the clip"):
        explain_clip(speech("brief", duration_s=3.0), movement, ada, scorer)
    with pytest.raises(TooShortError, match=r"0 of Ada's own videos"):
        explain_clip(speech("unknown"), [], ada, scorer)


def test_what_was_not_learnt_from_explains_nothing(ada, scorer, movement, speech):
    clip = speech("unknown", frequency_hz=3)
    stills = [frozen(one, 0) for one in movement]
    with pytest.raises(TooShortError, match=r"0 of Ada's own videos"):
        explain_clip(clip, stills, ada, scorer)
    with_stills = explain_clip(clip, [*movement, *stills], ada, scorer)
    assert with_stills.score_person == explain_clip(clip, movement, ada, scorer).score_person


def test_a_clip_is_held_against_the_persons_own_videos_by_its_evidence_alone(ada, speech):
    movement = [speech(f"ada {i}", duration_s=30.0) for i in range(4)]
    quick = compare_clip(speech("unknown", frequency_hz=2), movement, ada)
    assert quick.n_videos == len(movement)
    told = {(one.measure.kind.name, one.measure.parts): one for one in quick.unusual}
    assert not told["strokes", ("right wrist",)].is_less
    assert told["strokes", ("right wrist",)].n_otherwise == quick.n_stretches
    assert compare_clip(speech("ada 9"), movement, ada).unusual == ()
    with pytest.raises(TooShortError, match="0 usable windows of the clip"):
        compare_clip(speech("still", frequency_hz=0, sway=0), movement, ada)


def test_too_few_or_too_short_own_videos_are_no_comparison(ada, movement, speech):
    with pytest.raises(TooShortError, match="hold 5 stretches of 5 s"):
        compare_clip(speech("unknown"), movement, ada)
    with pytest.raises(TooShortError, match="1 of the person's own videos"):
        compare_clip(speech("unknown"), movement[:1], ada)


def test_a_persons_own_videos_are_cut_once_and_not_before_they_are_asked_for(ada, movement):
    class Files:
        n_read = 0

        def movement(self):
            self.n_read += 1
            return movement

    files = Files()
    own = OwnVideos(ada, files)
    assert files.n_read == 0
    assert own.windows is own.windows
    assert files.n_read == 1
    for found, video in zip(own.windows, movement, strict=True):
        np.testing.assert_array_equal(found.keypoints, learnable_windows(video, ada.windows).windows.keypoints)


def test_between_the_undecided_votes_a_clip_is_undecided_and_beyond_them_not(ada):
    calibrated = ada.calibrated
    low, high = undecided_votes(ada)
    assert 0 < low < high < 1
    for vote, half in ((low, -calibrated.clips.undecided), (high, calibrated.clips.undecided)):
        raw = (np.log(vote / (1 - vote)) - calibrated.windows.intercept) / calibrated.windows.slope
        assert calibrated.clips.line(np.array([raw]))[0] / np.log(10) == pytest.approx(half)
    assert undecided_votes(replace(ada, calibrated=None)) is None
