"""A clip held against a profile: a verdict with its doubts, or an error; never a verdict from nothing."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from person_profiles.claims import hold_against
from person_profiles.verification import (
    LoadedPerson,
    load_person,
    load_scorer,
    own_movement,
    score_clip,
    usual_limits,
    verify,
)
from poseauth import long_arrays
from poseauth.decision import EvidenceLimits, Verdict
from poseauth.errors import (
    ExtractorMismatchError,
    InputError,
    NobodyError,
    NoEvidenceError,
    ProfileDamagedError,
    TooShortError,
)
from poseauth.keypoints import NOSE, Coverage, ExtractorFingerprint
from poseauth.windows import WindowOptions, cut_windows
from tests.copies import copy_of

FOREIGN = ExtractorFingerprint("mediapipe", "0.10.21", "cd" * 32)


@pytest.fixture
def scorer(ada):
    return load_scorer(ada)


def test_the_persons_movement_is_authentic_and_anothers_is_fake(ada, scorer, speech):
    own = verify(speech("ada unseen", duration_s=20), ada, scorer)
    foreign = verify(speech("somebody", frequency_hz=3, duration_s=20), ada, scorer)
    assert own.verdict is Verdict.AUTHENTIC
    assert foreign.verdict is Verdict.FAKE


class Files:
    """Of a profile, with the movement it was learnt from."""

    def __init__(self, movement):
        self.n_read = 0
        self._movement = movement

    def movement(self):
        self.n_read += 1
        return self._movement


@pytest.mark.parametrize(
    "changed",
    [{"scale": 2.0}, {"frames": slice(47, None)}, {"fps": 25.0}, {"noise_px": 0.3}],
    ids=["scaled", "cut", "another frame rate", "noisy"],
)
def test_a_copy_of_what_was_learnt_from_gets_no_verdict_and_the_video_is_named(ada, scorer, movement, changed):
    clip = copy_of(movement[3], **changed)
    own = own_movement(movement, ada)
    limits = EvidenceLimits(min_seconds=5)
    assert verify(clip, ada, scorer, limits=limits).verdict is Verdict.AUTHENTIC
    result = verify(clip, ada, scorer, limits=limits, own=own)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons[0].startswith("it shows 5 s or more of ada 3.mp4, which was learnt from as Ada's own video: ")
    assert "would say nothing of new footage" in result.reasons[0]
    assert result.reasons == result.decision.reasons


def test_a_clip_that_shows_a_stretch_of_what_was_learnt_from_among_others_gets_no_verdict(
    ada, scorer, movement, speech
):
    new = speech("ada unseen", duration_s=20)
    joined = replace(new, keypoints=np.concatenate([new.keypoints[:400], movement[0].keypoints[60:260]]))
    own = own_movement(movement, ada)
    assert verify(new, ada, scorer, own=own).verdict is Verdict.AUTHENTIC
    assert not verify(new, ada, scorer, own=own).learnt_from
    result = verify(joined, ada, scorer, own=own)
    assert (result.verdict, result.learnt_from) == (Verdict.INCONCLUSIVE, "own")
    assert "of ada 0.mp4" in result.reasons[0]


def test_new_footage_of_the_person_and_of_others_is_no_copy(ada, scorer, movement, speech):
    own = own_movement(movement, ada)
    for name, hz in (("ada unseen", 0.5), *((f"unseen {i}", 0.5) for i in range(8)), ("somebody", 3)):
        clip = speech(name, frequency_hz=hz, duration_s=20)
        assert verify(clip, ada, scorer, own=own).reasons == verify(clip, ada, scorer).reasons


def test_the_very_recording_is_told_as_such_and_not_as_a_copy(ada, scorer, movement):
    result = verify(movement[2], ada, scorer, own=own_movement(movement, ada))
    assert result.reasons[0].startswith("this very recording was learnt from (as genuine): ")
    assert result.learnt_from == "own"


def test_kept_movement_that_was_not_learnt_from_is_no_reason(ada, scorer, movement):
    known = replace(ada, videos=tuple(video for video in ada.videos if video.source_name != "ada 3.mp4"))
    own = own_movement(movement, known)
    assert list(own.names) == ["ada 0.mp4", "ada 1.mp4", "ada 2.mp4", "ada 4.mp4"]
    limits = EvidenceLimits(min_seconds=5)
    assert verify(copy_of(movement[3]), known, scorer, limits=limits, own=own).verdict is Verdict.AUTHENTIC
    assert "of ada 4.mp4" in verify(copy_of(movement[4]), known, scorer, limits=limits, own=own).reasons[0]


def test_a_loaded_persons_movement_is_read_and_taken_apart_once_and_not_before_it_is_asked_for(ada, movement, speech):
    files = Files(movement)
    person = load_person(ada, files)
    assert files.n_read == 0
    results = [hold_against(clip, person) for clip in (copy_of(movement[0]), speech("ada unseen", duration_s=20))]
    assert [result.verdict for result in results] == [Verdict.INCONCLUSIVE, Verdict.AUTHENTIC]
    assert files.n_read == 1
    assert load_person(ada).own is None


def test_a_copy_makes_no_answer_of_what_has_none(ada, movement, speech):
    person = load_person(ada, Files(movement))
    assert hold_against(speech("clip", duration_s=4), person).status == "not analysed"
    foreign = hold_against(replace(copy_of(movement[0]), provenance=speech("x", extractor=FOREIGN).provenance), person)
    assert (foreign.status, foreign.verdict) == ("not analysed", None)


def test_where_the_kept_movement_cannot_be_read_no_clip_gets_a_verdict(ada, speech):
    class Damaged:
        def movement(self):
            raise ProfileDamagedError("movement.safetensors is not as it must be")

    person = load_person(ada, Damaged())
    result = hold_against(speech("ada unseen", duration_s=20), person)
    assert result.verdict is result.decision.verdict is Verdict.INCONCLUSIVE
    assert result.reasons == result.decision.reasons
    assert result.reasons[0] == (
        "whether it was learnt from could not be found out: movement.safetensors is not as it must be"
    )
    assert hold_against(speech("clip", duration_s=4), person).status == "not analysed"


@pytest.mark.parametrize("in_mirror", [9.0, -9.0])
def test_a_verdict_against_a_clip_stands_only_where_its_mirror_image_does_not_fit(ada, scorer, speech, in_mirror):
    known = replace(ada, calibrated=replace(ada.calibrated, mirrored=_shifted(ada.calibrated.mirrored, in_mirror)))
    result = verify(speech("somebody", frequency_hz=3, duration_s=20), known, scorer)
    assert result.verdict is (Verdict.INCONCLUSIVE if in_mirror > 0 else Verdict.FAKE)
    assert ("possibly mirrored" in result.reasons[0]) == (in_mirror > 0)


def test_a_clip_that_goes_by_way_of_the_disk_is_answered_alike(ada, scorer, speech, monkeypatch):
    def answer():
        clip = held(speech("ada unseen", duration_s=40), since_s=32)
        return clip, verify(clip, ada, scorer)

    _, short = answer()
    for name, value in (("IN_MEMORY_BYTES", 0), ("PIECE_FRAMES", 100)):
        monkeypatch.setattr(long_arrays, name, value)
    clip, long = answer()
    assert not cut_windows(clip, ada.windows).movement.flags.writeable
    for field in fields(short):
        np.testing.assert_array_equal(getattr(long, field.name), getattr(short, field.name))


def test_a_clip_that_stops_counts_only_while_it_moves(ada, scorer, speech):
    result = verify(held(speech("ada unseen", duration_s=25), since_s=6), ada, scorer)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.n_windows_still >= 16
    assert len(result.window_scores) + result.n_windows_still == 21
    assert result.reasons[0].startswith(f"nobody moves in {result.n_windows_still} of 21 windows: a still picture")
    assert "10 s are needed" in result.reasons[1]


def test_a_clip_that_is_frozen_for_long_says_so_and_may_be_authentic(ada, scorer, speech):
    result = verify(held(speech("ada unseen", duration_s=30), since_s=20), ada, scorer)
    assert result.verdict is Verdict.AUTHENTIC
    (caveat,) = result.caveats
    assert caveat.startswith(f"nobody moves in {result.n_windows_still} of 26 windows")


def test_a_picture_of_the_person_is_no_evidence(ada, scorer, speech):
    with pytest.raises(NoEvidenceError, match=r"clip\.mp4: nobody moves in any of 16 windows.* Ada moves") as raised:
        verify(held(speech("clip", duration_s=20), since_s=0), ada, scorer)
    assert (raised.value.n_windows_still, raised.value.n_windows_repeated) == (16, 0)


def shrunk(clip, factor):
    return replace(clip, keypoints=clip.keypoints * np.float32(factor))


def test_who_is_too_small_is_not_analysed_and_the_way_out_is_named(ada, scorer, speech):
    said = (
        r"clip\.mp4: the person is too small in any of 16 windows: .* a wrist\. Try a clip in .* Ada is closer to the"
    )
    with pytest.raises(NoEvidenceError, match=said) as raised:
        verify(shrunk(speech("clip", duration_s=20), 0.1), ada, scorer)
    assert (raised.value.n_windows_still, raised.value.n_windows_small) == (0, 16)


def test_a_clip_counts_only_while_the_person_is_large_enough(ada, scorer, speech):
    clip = speech("ada unseen", duration_s=25)
    result = verify(shrunk(clip, np.where(np.arange(len(clip.keypoints)) < 480, 0.1, 1)[:, None, None]), ada, scorer)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.n_windows_small >= 10
    assert result.reasons[0].startswith(f"the person is too small in {result.n_windows_small} of ")
    assert "10 s are needed" in result.reasons[1]


@pytest.mark.parametrize("period_s", [1, 12])
def test_a_loop_of_the_persons_own_movement_is_never_authentic(ada, scorer, speech, period_s):
    clip = speech("ada unseen", duration_s=20)
    assert verify(clip, ada, scorer).verdict is Verdict.AUTHENTIC
    result = verify(of_frames(clip, np.arange(600) % (30 * period_s)), ada, scorer)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.n_windows_repeated >= 5
    assert f"the same {period_s:.1f} s of movement again and again" in result.reasons[0]


def test_a_loop_makes_nobody_authentic_and_leaves_a_verdict_against_them(ada, scorer, speech):
    result = verify(of_frames(speech("somebody", frequency_hz=3, duration_s=30), np.arange(900) % 450), ada, scorer)
    assert result.verdict is Verdict.FAKE
    assert "of movement again and again" in result.caveats[0]


def of_frames(clip, frames):
    """The clip with its frames in another order, each a little noisy anew."""
    noise = np.random.default_rng(0).normal(0, 0.2, clip.keypoints.shape).astype(np.float32)
    return replace(clip, keypoints=clip.keypoints[frames] + noise)


def held(clip, since_s):
    """The clip that stops."""
    return of_frames(clip, np.minimum(np.arange(len(clip)), round(30 * since_s)))


def test_a_result_says_what_was_held_against_whom(ada, scorer, speech):
    clip = speech("clip", duration_s=12)
    result = verify(clip, ada, scorer)
    assert (result.source, result.person, result.status) == ("clip.mp4", "Ada", "analysed")
    assert result.provenance == clip.provenance
    assert result.window_start_s.tolist() == pytest.approx(list(range(8)))
    assert result.window_scores.shape == (8,)
    assert result.reasons == result.decision.reasons
    assert result.caveats == ()


@pytest.mark.parametrize(("name", "frequency_hz"), [("ada unseen", 0.5), ("somebody", 3)])
def test_a_clip_seen_from_another_side_is_not_judged(ada, scorer, speech, name, frequency_hz):
    clip = speech(name, frequency_hz=frequency_hz, duration_s=20)
    head = clip.keypoints.copy()
    head[:, NOSE, 0] += 8
    result = verify(replace(clip, keypoints=head), ada, scorer)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.decision.likelihood is None
    assert "the head is turned to the camera otherwise" in result.reasons[0]
    assert "not calibrated" not in " ".join(result.reasons)


def test_clips_are_cut_as_the_profile_says(ada, scorer, speech):
    wide = replace(ada, windows=WindowOptions(stride_frames=150))
    assert len(verify(speech("clip", duration_s=12), wide, scorer).window_scores) == 2


def test_scores_are_those_of_the_profile_whatever_was_scored_before(ada, scorer, speech):
    clip = speech("clip", duration_s=12)
    first = verify(clip, ada, scorer).window_scores
    verify(speech("somebody", frequency_hz=3), ada, scorer)
    np.testing.assert_array_equal(verify(clip, ada, scorer).window_scores, first)


@pytest.mark.parametrize("extractor", [FOREIGN, None], ids=["another", "unknown"])
def test_keypoints_of_a_foreign_extractor_are_refused(ada, scorer, speech, extractor):
    with pytest.raises(ExtractorMismatchError, match="--any-extractor") as raised:
        verify(speech("clip", extractor=extractor), ada, scorer)
    assert str(extractor or "an unknown extractor") in str(raised.value)
    assert str(ada.extractor) in str(raised.value)


def test_the_same_extractor_with_another_option_is_foreign(ada, scorer, speech, yolo):
    other = replace(yolo, options={"imgsz": 960, "conf": 0.3})
    with pytest.raises(ExtractorMismatchError):
        verify(speech("clip", extractor=other), ada, scorer)


def test_a_foreign_extractor_that_is_accepted_is_a_caveat(ada, scorer, speech):
    result = verify(speech("clip", extractor=FOREIGN, n_people_ignored=0), ada, scorer, any_extractor=True)
    assert result.status == "analysed"
    assert result.caveats == (f"keypoints of {FOREIGN}, not of the profile's",)


def test_the_own_extractor_is_no_caveat_where_any_is_accepted(ada, scorer, speech):
    assert verify(speech("clip"), ada, scorer, any_extractor=True).caveats == ()


def test_a_clip_too_short_for_a_window_has_no_verdict(ada, scorer, speech):
    with pytest.raises(TooShortError, match=r"clip\.mp4: .* has 4\.0 s; 5 s are needed .*Try a longer clip of Ada"):
        verify(speech("clip", duration_s=4), ada, scorer)


def test_what_is_too_short_is_not_told_as_long_enough(ada, scorer, speech):
    with pytest.raises(TooShortError) as raised:
        verify(speech("clip", duration_s=149 / 30), ada, scorer)
    assert "has 5.0 s; 5 s are needed" not in str(raised.value)


def test_a_clip_without_frames_has_no_verdict(ada, scorer, speech):
    with pytest.raises((TooShortError, NobodyError)):
        verify(speech("clip", duration_s=0), ada, scorer)


def test_a_clip_whose_upper_body_is_hidden_has_no_verdict(ada, scorer, speech):
    with pytest.raises(NobodyError, match=r"clip\.mp4: in none of 5 windows .*at least 60% .*waist up"):
        verify(speech("clip", hidden=(3, 6)), ada, scorer)


def test_a_long_clip_in_which_nobody_is_seen_is_told_as_such(ada, scorer, speech):
    with pytest.raises(NobodyError):
        verify(speech("clip", duration_s=60, hidden=range(12)), ada, scorer)


def test_no_limit_makes_a_verdict_from_nothing(ada, scorer, speech):
    with pytest.raises(TooShortError):
        verify(speech("clip", duration_s=4), ada, scorer, limits=EvidenceLimits(min_seconds=0))


def test_too_little_evidence_is_inconclusive_and_a_lower_limit_gives_an_answer(ada, scorer, speech):
    clip = speech("ada unseen", duration_s=9)
    assert verify(clip, ada, scorer).verdict is Verdict.INCONCLUSIVE
    assert verify(clip, ada, scorer, limits=EvidenceLimits(min_seconds=5)).verdict is not Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("min_seconds", "duration_s", "enough_s", "told"),
    [
        pytest.param(5, 9, None, "asked for with --min-seconds 5; 10 s is the tool's least", id="below the tool's"),
        pytest.param(9.5, 9, None, "", id="too little for that too: the answer does not rest on it"),
        pytest.param(
            15, 20, 40.0, "asked for with --min-seconds 15; 40 s is the least by this profile's self-test",
            id="below the profile's",
        ),
        pytest.param(5, 12, None, "", id="the clip has enough all the same"),
        pytest.param(60, 20, None, "", id="more than is usual"),
        pytest.param(10, 9, None, "", id="what is usual"),
    ],
)  # fmt: skip
def test_an_answer_by_less_than_is_usual_says_who_asked_for_it(
    ada, scorer, speech, min_seconds, duration_s, enough_s, told
):
    tested = replace(ada, self_test=replace(ada.self_test, enough_s=enough_s))
    clip, limits = speech("ada unseen", duration_s=duration_s), EvidenceLimits(min_seconds=min_seconds)
    result = verify(clip, tested, scorer, limits=limits)
    assert result.asked_for_less == told
    assert result.caveats == ((f"a weaker answer: {duration_s:.1f} s, {told}",) if told else ())
    assert verify(clip, tested, scorer).asked_for_less == ""


def test_what_a_profile_has_not_met_is_a_caveat_of_its_verdicts(ada, scorer, speech):
    noted = replace(ada, notes=("this profile has met no real impostor", "this profile is untested"))
    assert verify(speech("clip"), noted, scorer).caveats == noted.notes


def test_a_file_that_broke_off_is_a_caveat(ada, scorer, speech):
    clip = speech("clip", coverage=Coverage(600, 270, 270, "invalid data in a packet"))
    assert verify(clip, ada, scorer).caveats == ("270 of 600 frames could be decoded (45%): invalid data in a packet",)


def test_windows_in_which_too_little_is_seen_are_counted(ada, scorer, speech):
    clip = speech("clip", duration_s=20)
    confidence, keypoints = clip.confidence.copy(), clip.keypoints.copy()
    confidence[300:, [3, 6]], keypoints[300:, [3, 6]] = 0, np.nan
    result = verify(replace(clip, confidence=confidence, keypoints=keypoints), ada, scorer)
    # Elbows are seen for 10 s; a window may miss 40 % of them, 2 s.
    assert (len(result.window_scores), result.n_windows_rejected) == (8, 8)


def test_weights_of_another_architecture_are_a_damaged_profile(ada):
    other = replace(ada, recipe=replace(ada.recipe, architecture=replace(ada.recipe.architecture, hidden=9)))
    with pytest.raises(ProfileDamagedError, match="profile of Ada cannot be used: the weights do not fit"):
        load_scorer(other)


def test_weights_that_are_no_numbers_are_a_damaged_profile(ada):
    name = "network.feature_mean"
    broken = {**ada.weights, name: np.full_like(ada.weights[name], np.nan)}
    with pytest.raises(ProfileDamagedError, match="feature_mean is not finite"):
        load_scorer(replace(ada, weights=broken))


def test_scores_that_are_no_numbers_lead_to_no_verdict(ada, scorer, speech):
    scorer.network.weights["classifier.bias"][:] = float("nan")
    clip = speech("clip")
    with pytest.raises(InputError, match=r"clip\.mp4: a score is no number"):
        verify(clip, ada, scorer)


def test_the_self_test_may_ask_for_more_seconds_than_is_usual_and_never_for_less(ada):
    for enough_s, needed in ((5.0, 10.0), (20.0, 20.0), (None, 10.0)):
        tested = replace(ada, self_test=replace(ada.self_test, enough_s=enough_s))
        assert usual_limits(tested).min_seconds == needed


def test_a_clip_shorter_than_the_self_test_asks_is_inconclusive(ada, scorer, speech):
    demanding = replace(ada, self_test=replace(ada.self_test, enough_s=40.0))
    result = verify(speech("ada unseen", duration_s=20), demanding, scorer)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "40 s are needed" in result.reasons[0]


def test_every_answer_says_how_often_the_profile_was_wrong(ada, scorer, speech):
    wrong = replace(ada, self_test=replace(ada.self_test, n_genuine_against=2, n_other_for=3, n_undecided=4))
    told = verify(speech("clip", duration_s=12), wrong, scorer).track_record
    assert "took 2 of 5 of Ada for somebody else and 3 of 6 of others for Ada; it was undecided on 4" in told
    untested = replace(ada, self_test=None, calibrated=None, weaknesses=("untested",))
    assert verify(speech("clip", duration_s=12), untested, scorer).track_record == ""


def test_a_weak_profile_gives_no_verdict_however_clear_the_clip(ada, scorer, speech):
    weak = replace(ada, weaknesses=("it cannot be told from Bob",))
    result = verify(speech("ada unseen", duration_s=20), weak, scorer)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons[0] == "the profile is weak: it cannot be told from Bob"


def test_an_uncalibrated_profile_gives_votes_of_its_network_and_no_verdict(ada, scorer, speech):
    bare = replace(ada, calibrated=None, self_test=None, weaknesses=("it is untested",))
    result = verify(speech("ada unseen", duration_s=20), bare, scorer)
    assert (result.verdict, result.decision.likelihood) == (Verdict.INCONCLUSIVE, None)
    assert ((result.window_scores >= 0) & (result.window_scores <= 1)).all()


def test_an_answer_rests_on_the_mean_score_of_all_windows(ada, scorer, speech):
    clip = score_clip(speech("ada unseen", duration_s=20), ada, scorer)
    assert clip.likelihood == ada.calibrated.clips.of_clip(float(clip.raw.mean()))
    np.testing.assert_allclose(clip.votes, 1 / (1 + np.exp(-ada.calibrated.windows(clip.raw))))


def test_another_person_is_named_only_if_the_clip_fits_them_better_and_they_are_not_weak(ada, scorer, speech):
    clip = speech("ada unseen", duration_s=20)
    unlike = replace(ada, name="Eve", calibrated=replace(ada.calibrated, clips=_shifted(ada.calibrated.clips, -9.0)))
    twin = replace(ada, name="Twin")
    doubtful = _shifted(ada.calibrated.clips, -3.0)
    claimed = replace(ada, calibrated=replace(ada.calibrated, clips=doubtful))
    for other, named in ((twin, True), (unlike, False), (replace(twin, weaknesses=("weak",)), False)):
        result = verify(clip, claimed, scorer, others=[LoadedPerson(other, scorer)])
        assert any(f"fits {other.name} better" in caveat for caveat in result.caveats) is named


def _shifted(calibration, by):
    lines = [replace(line, intercept=line.intercept + by) for line in (calibration.line, *calibration.resampled)]
    return replace(calibration, line=lines[0], resampled=tuple(lines[1:]))
