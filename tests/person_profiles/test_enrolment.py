"""A profile is learnt from whole videos, on two sides that share none, and says what it has not met."""

from __future__ import annotations

import numpy as np
import pytest

from person_profiles import enrolment
from person_profiles.enrolment import MIN_ENROL_S, NO_REAL_IMPOSTOR, Negative, enrol
from person_profiles.verification import load_network
from poseauth.errors import EnrolmentError, ExtractorMismatchError
from poseauth.keypoints import ExtractorFingerprint
from poseauth.models import score_windows
from poseauth.training import train
from poseauth.windows import WindowOptions, cut_windows

PLACE_PX = 10_000
"""Videos stand this far apart, so that a window tells which video it is of."""


class Lessons:
    """What the network was taught with and chosen by; each lesson as the sets of videos on both its sides."""

    def __init__(self, monkeypatch):
        self.taught, self.held = [], []

        def watched(examples, recipe, *, validation=None, **options):
            self.taught.append(self._videos(examples))
            self.held.append(None if validation is None else self._videos(validation))
            return train(examples, recipe, validation=validation, **options)

        monkeypatch.setattr(enrolment, "train", watched)

    @staticmethod
    def _videos(labelled):
        """Video number -> its windows' classes."""
        numbers = np.round(labelled.windows[:, :, 1, 0].mean(axis=1) / PLACE_PX).astype(int)
        return {number: labelled.classes[numbers == number].tolist() for number in sorted(set(numbers.tolist()))}


@pytest.fixture
def lessons(monkeypatch):
    return Lessons(monkeypatch)


@pytest.fixture
def placed(speech):
    """Speeches that stand at places of their own: the person's 0, 1, 2, ..., others' 10, 11, ..."""

    def make(n_own, other_groups=()):
        own = [speech(f"ada {i}", x=PLACE_PX * i) for i in range(n_own)]
        negatives = [
            Negative(speech(f"other {i}", frequency_hz=2, x=PLACE_PX * (10 + i)), group, "impostor")
            for i, group in enumerate(other_groups)
        ]
        return own, negatives

    return make


N_WINDOWS = 5
"""A speech of 9 s gives five windows, a second apart."""


def test_a_profile_records_what_it_was_learnt_from(ada, yolo):
    assert ada.name == "Ada"
    assert ada.extractor == yolo
    assert (ada.recipe.name, ada.seed) == ("tiny", 1)
    assert [(video.role, video.group) for video in ada.videos] == [
        *[("genuine", "")] * 5,
        *[("impostor", "impostor: 0")] * 2,
        *[("impostor", "impostor: 1")] * 2,
        *[("impostor", "impostor: 2")] * 2,
    ]
    assert {video.source_name for video in ada.videos[:5]} == {f"ada {i}.mp4" for i in range(5)}
    assert {(video.seconds, video.n_windows) for video in ada.videos} == {(9.0, N_WINDOWS)}
    assert ada.seconds_genuine == 45.0
    assert ada.has_met_impostors
    assert ada.n_surrogates == 0


def test_a_profile_tells_the_person_from_others_in_videos_never_seen(ada, speech):
    network = load_network(ada, device="cpu")
    own = score_windows(network, cut_windows(speech("ada unseen", duration_s=15)).keypoints)
    foreign = score_windows(network, cut_windows(speech("somebody", frequency_hz=3, duration_s=15)).keypoints)
    assert (own > 0.5).mean() > 0.8
    assert (foreign <= 0.5).mean() > 0.8


def test_whole_videos_are_held_out(lessons, placed, tiny):
    own, negatives = placed(4, "abcd")
    enrol("Ada", own, negatives, recipe=tiny(refit=False))
    (taught,), (held,) = lessons.taught, lessons.held
    assert not set(taught) & set(held)
    assert set(taught) | set(held) == {0, 1, 2, 3, 10, 11, 12, 13}
    assert {len(classes) for classes in [*taught.values(), *held.values()]} == {N_WINDOWS}
    assert len(held) == 2  # a third of four videos, rounded, on each side


def test_both_sides_keep_their_labels(lessons, placed, tiny):
    own, negatives = placed(4, "abcd")
    enrol("Ada", own, negatives, recipe=tiny(refit=False))
    for lesson in (*lessons.taught, *lessons.held):
        assert all((number < 10) == (set(classes) == {0}) for number, classes in lesson.items())


def test_everybody_else_is_a_class_of_their_own(lessons, placed, tiny):
    own, negatives = placed(3, "aab")
    enrol("Ada", own, negatives, recipe=tiny(held_out=0, refit=False))
    classes = {number: set(of_video) for number, of_video in lessons.taught[0].items() if number >= 10}
    assert classes == {10: {1}, 11: {1}, 12: {2}}


def test_mirror_images_are_people_of_their_own_in_what_is_learnt_and_not_in_what_is_tested(lessons, placed, tiny):
    own, negatives = placed(3, "abc")
    enrol("Ada", own, negatives, recipe=tiny(mirror_images=True, refit=False))
    (taught,), (held,) = lessons.taught, lessons.held
    assert {-number for number in taught if number < 0} == {number for number in taught if number > 0}
    classes = {number: set(of_video) for number, of_video in taught.items() if number}
    assert all(not classes[number] & classes[-number] for number in classes)
    assert all(0 not in of_video for number, of_video in classes.items() if number < 0)
    assert all(number >= 0 for number in held)


def test_a_person_of_whom_all_videos_are_held_out_is_new_to_the_network(lessons, placed, tiny):
    own, negatives = placed(3, "aabbcc")
    profile = enrol("Ada", own, negatives, recipe=tiny(refit=False))
    held = {number for number in lessons.held[0] if number >= 10}
    assert held in ({10, 11}, {12, 13}, {14, 15})
    assert profile.self_test.others_unknown


def test_with_two_others_videos_of_known_people_are_held_out(placed, tiny):
    own, negatives = placed(3, "aab")
    profile = enrol("Ada", own, negatives, recipe=tiny())
    assert profile.self_test is not None
    assert not profile.self_test.others_unknown


def test_after_the_self_test_the_network_learns_from_all_videos(lessons, placed, tiny):
    own, negatives = placed(3, "abc")
    enrol("Ada", own, negatives, recipe=tiny(refit=True))
    assert len(lessons.taught) == 2
    assert set(lessons.taught[1]) == {0, 1, 2, 10, 11, 12}
    assert lessons.held[1] is None


def test_without_a_refit_there_is_one_lesson(lessons, placed, tiny):
    own, negatives = placed(3, "abc")
    enrol("Ada", own, negatives, recipe=tiny(refit=False))
    assert len(lessons.taught) == 1


@pytest.mark.parametrize("groups", ["ab", "a"], ids=["two videos of others", "one"])
def test_a_self_test_needs_three_videos_of_others(placed, tiny, groups):
    own, negatives = placed(3, groups)
    profile = enrol("Ada", own, negatives, recipe=tiny())
    assert profile.self_test is None
    (note,) = profile.notes
    assert "untested" in note
    assert "three of the person and three of others" in note


def test_a_self_test_needs_three_videos_of_the_person(speech, others, tiny):
    own = [speech(f"ada {i}", duration_s=15) for i in range(2)]
    assert enrol("Ada", own, others(), recipe=tiny()).self_test is None


def test_without_a_share_held_out_there_is_no_self_test(placed, tiny):
    own, negatives = placed(3, "abc")
    assert enrol("Ada", own, negatives, recipe=tiny(held_out=0)).self_test is None


def test_a_self_test_counts_what_was_held_out(ada):
    test = ada.self_test
    assert (test.n_genuine_videos, test.n_other_videos) == (2, 2)
    assert (test.n_genuine_windows, test.n_other_windows) == (2 * N_WINDOWS, 2 * N_WINDOWS)
    assert test.accuracy_genuine > 0.8
    assert test.accuracy_others > 0.8
    assert ada.notes == ()


def test_without_others_surrogates_stand_in_and_the_profile_says_so(speech, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    profile = enrol("Ada", own, recipe=tiny())
    assert profile.n_surrogates == 3 * N_WINDOWS
    assert NO_REAL_IMPOSTOR in profile.notes
    assert "--impostor" in NO_REAL_IMPOSTOR
    assert not profile.has_met_impostors


def test_surrogates_that_are_held_out_are_made_of_the_videos_held_out(lessons, placed, tiny):
    own, _ = placed(4)
    profile = enrol("Ada", own, recipe=tiny(refit=False))
    # A surrogate's place is no video's, but near 0, where the person's video 0 stands too.
    taught, held = (
        {number for number, classes in lesson.items() if number and 0 in classes}
        for lesson in (*lessons.taught, *lessons.held)
    )
    assert not taught & held
    assert taught | held == {1, 2, 3}
    assert profile.self_test.n_other_videos == 0
    assert profile.self_test.n_other_windows == profile.self_test.n_genuine_windows == N_WINDOWS


def test_a_hold_out_leaves_enough_windows_for_surrogates(speech, tiny):
    # Windows: one, one and six. Where the long video is held out, two are left, and three are needed.
    own = [speech("short", duration_s=5), speech("brief", duration_s=5), speech("long", duration_s=10)]
    for seed in range(10):
        assert enrol("Ada", own, recipe=tiny(epochs=1), seed=seed).n_surrogates == 8


@pytest.mark.parametrize("role", ["fake", "impostor", "enrolled"])
def test_one_video_on_both_sides_is_refused(speech, others, tiny, role):
    own = [speech(f"ada {i}") for i in range(3)]
    twin = Negative(speech("ada 1", source_name="copy.mp4"), "x", role)
    with pytest.raises(EnrolmentError, match=rf"copy\.mp4 is given as {role} and, as ada 1\.mp4, .*Take it out"):
        enrol("Ada", own, [*others(), twin], recipe=tiny())


def test_one_video_given_twice_counts_once(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    profile = enrol("Ada", [*own, own[0]], others(), recipe=tiny())
    assert sum(video.role == "genuine" for video in profile.videos) == 3


def test_videos_without_a_digest_are_all_kept(speech, others, tiny):
    own = [speech(f"ada {i}", digest=False) for i in range(3)]
    profile = enrol("Ada", own, others(), recipe=tiny())
    assert [video.sha256 for video in profile.videos[:3]] == [None] * 3


def test_one_video_given_twice_is_not_enough(speech, others, tiny):
    own = [speech("ada", duration_s=12)]
    with pytest.raises(EnrolmentError, match=r"1 videos show Ada's upper body for 12\.0 s"):
        enrol("Ada", [*own, *own], others(), recipe=tiny())


FOREIGN = ExtractorFingerprint("mediapipe", "0.10.21", "cd" * 32)


@pytest.mark.parametrize("extractor", [FOREIGN, None], ids=["another", "unknown"])
def test_keypoints_of_several_extractors_are_refused(speech, others, tiny, extractor):
    own = [speech("ada 0"), speech("ada 1"), speech("ada 2", extractor=extractor)]
    with pytest.raises(
        ExtractorMismatchError, match=r"come from 2 extractors: .*extract all videos with one"
    ) as raised:
        enrol("Ada", own, others(), recipe=tiny())
    assert str(extractor or "unknown") in str(raised.value)


def test_negatives_of_another_extractor_are_refused(speech, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    with pytest.raises(ExtractorMismatchError):
        enrol("Ada", own, [Negative(speech("other", extractor=FOREIGN), "x", "impostor")], recipe=tiny())


def test_keypoints_of_one_unknown_extractor_are_learnt_from(speech, tiny):
    own = [speech(f"ada {i}", extractor=None) for i in range(3)]
    assert enrol("Ada", own, recipe=tiny()).extractor is None


def test_too_little_video_is_refused_with_what_was_found_and_what_is_needed(speech, others, tiny):
    with pytest.raises(EnrolmentError, match=r"2 videos show Ada's upper body for 19\.0 s .*20 s are needed") as raised:
        enrol("Ada", [speech("ada 0", duration_s=9), speech("ada 1", duration_s=10)], others(), recipe=tiny())
    assert "Give longer videos" in str(raised.value)


def test_just_enough_video_is_learnt_from(speech, others, tiny):
    profile = enrol("Ada", [speech("ada", duration_s=MIN_ENROL_S)], others(), recipe=tiny())
    assert profile.seconds_genuine == MIN_ENROL_S


def test_video_in_which_the_upper_body_is_hidden_does_not_count(speech, others, tiny):
    own = [speech("ada 0", duration_s=30, hidden=(3, 6)), speech("ada 1", duration_s=10)]
    with pytest.raises(EnrolmentError, match=r"1 videos show Ada's upper body for 10\.0 s"):
        enrol("Ada", own, others(), recipe=tiny())


def test_nothing_is_learnt_from_nothing(tiny):
    with pytest.raises(EnrolmentError, match=r"0 videos show Ada's upper body for 0\.0 s"):
        enrol("Ada", [], recipe=tiny())


def same_weights(one, other):
    return all(np.array_equal(value, other.weights[name]) for name, value in one.weights.items())


def test_two_enrolments_with_one_seed_agree(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    one, again, another = (enrol("Ada", own, others(), recipe=tiny(), seed=seed) for seed in (3, 3, 4))
    assert same_weights(one, again)
    assert one.self_test == again.self_test
    assert not same_weights(one, another)


def test_two_enrolments_against_surrogates_with_one_seed_agree(speech, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    assert same_weights(*(enrol("Ada", own, recipe=tiny(), seed=3) for _ in range(2)))


def test_the_order_of_the_files_changes_nothing(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(4)]
    negatives = others(3, 2)
    forth = enrol("Ada", own, negatives, recipe=tiny(), seed=3)
    back = enrol("Ada", own[::-1], negatives[::-1], recipe=tiny(), seed=3)
    assert same_weights(forth, back)
    assert forth.videos == back.videos


def test_training_windows_stand_as_close_as_the_recipe_says_and_clips_are_cut_as_asked(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    options = WindowOptions(stride_frames=75, min_visibility=0.5)
    profile = enrol("Ada", own, others(), recipe=tiny(stride_frames=15), window_options=options)
    assert {video.n_windows for video in profile.videos} == {9}  # 120 frames of room, 15 apart
    assert profile.windows == options


def test_every_epoch_is_told(speech, others, tiny):
    told = []
    enrol("Ada", [speech(f"ada {i}") for i in range(3)], others(), recipe=tiny(refit=False), on_epoch=told.append)
    assert [epoch.number for epoch in told] == [1, 2]
