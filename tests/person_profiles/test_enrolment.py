"""A profile is learnt from whole videos, on two sides that share none, and says what it has not met."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from keypoint_extractors.drawing.speakers import STYLES, speak
from person_profiles import enrolment, learning
from person_profiles.enrolment import MIN_ENROL_S, NO_REAL_IMPOSTOR, Negative, enrol
from person_profiles.verification import load_scorer, score_clip
from poseauth.errors import EnrolmentError, ExtractorMismatchError, WeakProfileError
from poseauth.keypoints import ExtractorFingerprint, keypoint_sequence
from poseauth.training import train
from poseauth.windows import WindowOptions
from tests.copies import copy_of
from tests.person_profiles.conftest import YOLO, frozen, looped, speech_of

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

        monkeypatch.setattr(learning, "train", watched)

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
    scorer = load_scorer(ada)
    own = score_clip(speech("ada unseen", duration_s=15), ada, scorer).votes
    foreign = score_clip(speech("somebody", frequency_hz=3, duration_s=15), ada, scorer).votes
    assert (own > 0.5).mean() > 0.8
    assert (foreign <= 0.5).mean() > 0.5


def test_in_every_lesson_of_the_self_test_videos_and_people_are_missing_whole_and_each_once(lessons, placed, tiny):
    own, negatives = placed(3, "aabbcc")
    enrol("Ada", own, negatives, recipe=tiny(), allow_weak=True)
    everything = {0, 1, 2, 10, 11, 12, 13, 14, 15}
    *folds, last = lessons.taught
    out = [everything - set(lesson) for lesson in folds]
    assert len(folds) == 3
    assert sorted(number for some in out for number in some) == sorted(everything)
    assert all(len([n for n in some if n < 10]) == 1 for some in out)
    assert all({n for n in some if n >= 10} in ({10, 11}, {12, 13}, {14, 15}) for some in out)
    assert set(last) == everything


def test_both_sides_keep_their_labels_and_everybody_else_is_a_class_of_their_own(lessons, placed, tiny):
    own, negatives = placed(3, "aab")
    enrol("Ada", own, negatives, recipe=tiny(folds=0), allow_weak=True)
    (lesson,) = lessons.taught
    assert {number: set(classes) for number, classes in lesson.items()} == {
        0: {0}, 1: {0}, 2: {0}, 10: {1}, 11: {1}, 12: {2},
    }  # fmt: skip
    assert {len(classes) for classes in lesson.values()} == {N_WINDOWS}


def test_chimeras_are_further_people(lessons, placed, tiny):
    own, negatives = placed(3, "ab")
    enrol("Ada", own, negatives, recipe=tiny(folds=0, chimeras=1.0), allow_weak=True)
    (lesson,) = lessons.taught
    mixed = [label for number, classes in lesson.items() for label in classes if label > 2]
    assert len(mixed) == 5 * N_WINDOWS
    assert set(mixed) == {3, 4, 5}


def test_the_epoch_is_chosen_on_whole_videos_of_both_sides_that_are_not_learnt_from(lessons, placed, tiny):
    own, negatives = placed(4, "abcd")
    enrol("Ada", own, negatives, recipe=tiny(folds=0, validation=0.25), allow_weak=True)
    (taught,), (held,) = lessons.taught, lessons.held
    assert not set(taught) & set(held)
    assert set(taught) | set(held) == {0, 1, 2, 3, 10, 11, 12, 13}
    assert len(held) == 2
    assert all((number < 10) == (set(classes) == {0}) for number, classes in held.items())


def test_who_passes_the_self_test_is_enrolled_with_its_figures(ada):
    test = ada.self_test
    assert (test.n_genuine_videos, test.n_other_videos, test.n_other_people) == (5, 6, 3)
    assert test.auc.value > 0.9
    assert test.hardest_other in {"impostor: 0", "impostor: 1", "impostor: 2"}
    assert ada.calibrated is not None
    assert (ada.calibrated.clips.n_genuine, ada.calibrated.clips.n_other) == (5, 6)
    assert ada.weaknesses == ()
    assert not ada.is_weak


@pytest.mark.parametrize(
    ("n_own", "groups", "reason"),
    [
        (1, "abc", "1 usable video of the person, and 2 are needed"),
        (3, "aaa", "1 other person, and 2 are needed so that one can be a stranger"),
        (3, "", "0 other people"),
    ],
    ids=["one video", "one other person", "nobody else"],
)
def test_who_cannot_be_tested_is_refused_with_the_remedy_and_kept_as_weak_on_request(
    speech, placed, tiny, n_own, groups, reason
):
    own, negatives = placed(n_own, groups)
    own = [speech("ada", duration_s=25)] if n_own == 1 else own
    with pytest.raises(WeakProfileError, match=f"Ada is not enrolled: it is untested: {reason}.*--allow-weak"):
        enrol("Ada", own, negatives, recipe=tiny())
    weak = enrol("Ada", own, negatives, recipe=tiny(), allow_weak=True)
    assert weak.is_weak
    assert reason in weak.weaknesses[0]
    assert weak.self_test is None
    assert weak.calibrated is None


def test_a_recipe_without_folds_leaves_the_person_untested(placed, tiny):
    own, negatives = placed(3, "abc")
    with pytest.raises(WeakProfileError, match="not tested, as the recipe asks"):
        enrol("Ada", own, negatives, recipe=tiny(folds=0))


def test_a_person_who_moves_like_the_others_is_refused(speech, tiny):
    own = [speech(f"ada {i}", frequency_hz=2) for i in range(3)]
    others = [Negative(speech(f"other {i}", frequency_hz=2), f"{i // 2}", "impostor") for i in range(6)]
    with pytest.raises(WeakProfileError, match="cannot be told from"):
        enrol("Ada", own, others, recipe=tiny(epochs=6))


def test_somebody_elses_footage_is_refused_where_that_somebody_is_among_the_others(speech, tiny):
    own = [speech(f"bob {i}", frequency_hz=1.0) for i in range(4)]
    others = [Negative(speech(f"bob again {i}", frequency_hz=1.0), "Bob", "enrolled") for i in range(4)]
    others += [Negative(speech(f"eve {i}", frequency_hz=3.0), "Eve", "impostor") for i in range(4)]
    with pytest.raises(WeakProfileError, match=r"cannot be told from Bob \(AUC .*same person\?"):
        enrol("Ada", own, others, recipe=tiny(epochs=12, learning_rate=2e-2))


def test_without_others_surrogates_stand_in_and_the_profile_says_so(speech, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    profile = enrol("Ada", own, recipe=tiny(), allow_weak=True)
    assert profile.n_surrogates == 3 * N_WINDOWS
    assert NO_REAL_IMPOSTOR in profile.notes
    assert "--impostor" in NO_REAL_IMPOSTOR
    assert not profile.has_met_impostors


@pytest.mark.parametrize("role", ["fake", "impostor", "enrolled"])
def test_one_video_on_both_sides_is_refused(speech, others, tiny, role):
    own = [speech(f"ada {i}") for i in range(3)]
    twin = Negative(speech("ada 1", source_name="copy.mp4"), "x", role)
    with pytest.raises(EnrolmentError, match=rf"copy\.mp4 is given as {role} and, as ada 1\.mp4, .*Take it out"):
        enrol("Ada", own, [*others(), twin], recipe=tiny(), allow_weak=True)


def test_one_video_given_twice_counts_once(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    profile = enrol("Ada", [*own, own[0]], others(), recipe=tiny(), allow_weak=True)
    assert sum(video.role == "genuine" for video in profile.videos) == 3


def drawn(name, style, seed, *, duration_s=9):
    """A speech whose movement is like no other's."""
    sequence = speak(STYLES[style], duration_s=duration_s, seed=seed)
    return replace(sequence, provenance=replace(sequence.provenance, source_name=f"{name}.mp4", extractor=YOLO))


@pytest.fixture(scope="module")
def drawn_sides():
    """Three speeches of one speaker, and two each of three others."""
    own = [drawn(f"ada {i}", 0, i) for i in range(3)]
    others = [
        Negative(drawn(f"other {style} {i}", style, 10 * style + i), f"impostor: {style}", "impostor")
        for style in (1, 2, 3)
        for i in range(2)
    ]
    return own, others


def enrolled_in(own, others, tiny):
    """The profile, and what was told as left out."""
    told = []
    return enrol("Ada", own, others, recipe=tiny(folds=0), allow_weak=True, on_left_out=told.append), told


def names_of(profile, role="genuine"):
    return sorted(video.source_name for video in profile.videos if video.role == role)


@pytest.mark.parametrize("turned", [False, True])
def test_of_copies_on_one_side_the_longer_usable_one_is_learnt_from_and_the_other_named(drawn_sides, tiny, turned):
    own, others = drawn_sides
    long = drawn("ada long", 0, 7, duration_s=14)
    frozen_copy = frozen(copy_of(long, name="freezes.mp4"), 7)
    given = [*own, copy_of(long, name="cut.mp4", frames=slice(60, None), fps=25.0), long, frozen_copy]
    profile, told = enrolled_in(given[::-1] if turned else given, others, tiny)
    assert names_of(profile) == ["ada 0.mp4", "ada 1.mp4", "ada 2.mp4", "ada long.mp4"]
    assert sorted(told) == [
        f"{name}: shows the same movement as ada long.mp4 and is not learnt from again"
        for name in ("cut.mp4", "freezes.mp4")
    ]


def test_copies_leave_the_profile_as_it_is_without_them(drawn_sides, tiny):
    own, others = drawn_sides
    copy, other_copy = copy_of(own[1], name="z.mp4"), replace(others[2], sequence=copy_of(others[2].sequence, name="z"))
    one, _ = enrolled_in(own, others, tiny)
    with_copies, told = enrolled_in([copy, *own], [other_copy, *others], tiny)
    assert len(told) == 2
    assert with_copies.videos == one.videos
    assert same_weights(one, with_copies)


def test_one_speech_from_two_places_is_one_video_and_no_two_to_test_with(drawn_sides, tiny):
    _, others = drawn_sides
    long = drawn("ada long", 0, 7, duration_s=30)
    with pytest.raises(WeakProfileError, match="1 usable video of the person, and 2 are needed"):
        enrol("Ada", [long, copy_of(long, fps=25.0)], others, recipe=tiny())


@pytest.mark.parametrize(
    ("role", "group", "remedy"),
    [
        ("impostor", "impostor: x", r"Take it out of one side$"),
        ("fake", "fake: x", r"Take it out of one side: a swapped face leaves .* is no impostor$"),
        ("enrolled", "enrolled: Bob Ray", r"if Bob Ray is the same person .* add --same-as 'Bob Ray'$"),
    ],
)
@pytest.mark.parametrize("again", ["copy", "file"])
def test_a_copy_of_the_persons_own_video_is_no_other_and_the_way_out_is_told(
    drawn_sides, tiny, monkeypatch, role, group, remedy, again
):
    monkeypatch.setattr(enrolment, "hold_self_test", lambda *_, **__: pytest.fail("hours of work"))
    own, others = drawn_sides
    twin = copy_of(own[1], fps=25.0) if again == "copy" else replace(own[1], provenance=copy_of(own[1]).provenance)
    what = "the same movement, a copy of one recording" if again == "copy" else "one and the same file"
    with pytest.raises(
        EnrolmentError, match=rf"^copy\.mp4 is given as {role} and, as ada 1\.mp4, as the .*: {what}\."
    ) as e:
        enrol("Ada", own, [*others, Negative(twin, group, role)], recipe=tiny(), allow_weak=True)
    assert re.search(remedy, str(e.value))


def test_what_is_left_out_as_a_copy_is_no_other_either(drawn_sides, tiny):
    own, others = drawn_sides
    more = drawn("more", 0, 7, duration_s=8)
    compiled = keypoint_sequence(
        *(np.concatenate([getattr(own[0], name)[:210], getattr(more, name)]) for name in ("keypoints", "confidence")),
        np.arange(210 + len(more)) / 30,
        np.repeat([0, 1], [210, len(more)]),
        provenance=replace(own[0].provenance, source_name="compiled.mp4"),
    )
    with pytest.raises(EnrolmentError, match=r"excerpt\.mp4 is given as impostor and, as compiled\.mp4, as the"):
        enrol(
            "Ada",
            [*own, compiled],
            [*others, Negative(copy_of(more, name="excerpt.mp4"), "x", "impostor")],
            recipe=tiny(),
            allow_weak=True,
        )


def test_copies_of_one_other_count_once_and_of_two_others_are_told_as_such(drawn_sides, tiny):
    own, others = drawn_sides
    first, second = others[0].sequence, others[2].sequence
    within = Negative(copy_of(first, name="within.mp4", frames=slice(30, None)), others[0].group, "impostor")
    across = Negative(copy_of(second, name="across.mp4", frames=slice(30, None)), "enrolled: Bob", "enrolled")
    profile, told = enrolled_in(own, [*others, within, across], tiny)
    assert names_of(profile, "impostor") == sorted(other.sequence.provenance.source_name for other in others)
    assert names_of(profile, "enrolled") == []
    assert sorted(told) == [
        "across.mp4: shows the same movement as other 2 0.mp4 and is not learnt from again. The one is given as "
        "enrolled: Bob, the other as impostor: 2: one person under two names?",
        "within.mp4: shows the same movement as other 1 0.mp4 and is not learnt from again",
    ]


@pytest.mark.parametrize("names", [("bob", "rob"), ("rob", "bob")])
def test_one_file_under_two_names_of_others_counts_once_and_is_told(speech, others, tiny, names):
    # Too short of movement to be known by it: the digest tells. The order of files does not matter.
    own, still = [speech(f"ada {i}") for i in range(3)], frozen(speech("bob"), 0)
    given = [*others(), *(Negative(still, f"impostor: {name}", "impostor") for name in names)]
    _, told = enrolled_in(own, given, tiny)
    assert told[0] == (
        "bob.mp4: shows the same movement as bob.mp4 and is not learnt from again. The one is given as impostor: rob, "
        "the other as impostor: bob: one person under two names?"
    )
    assert [line.split(": ")[:2] for line in told[1:]] == [["bob.mp4", "not usable"]]


def test_people_enrolled_before_are_not_compared_with_each_other_again_but_by_their_files(drawn_sides, tiny):
    own, others = drawn_sides
    bob = others[0].sequence
    before = [
        Negative(bob, "enrolled: Bob", "enrolled"),
        Negative(copy_of(bob, name="b.mp4"), "enrolled: Rob", "enrolled"),
    ]
    profile, told = enrolled_in(own, [*before, *others[2:]], tiny)
    assert (told, names_of(profile, "enrolled")) == ([], ["b.mp4", "other 1 0.mp4"])
    within = replace(before[1], group="enrolled: Bob")
    same_file = replace(before[0], group="enrolled: Rob")
    for second in (within, same_file):
        profile, told = enrolled_in(own, [before[0], second, *others[2:]], tiny)
        assert (len(told), len(names_of(profile, "enrolled"))) == (1, 1)


def test_videos_without_a_digest_are_all_kept(speech, others, tiny):
    own = [speech(f"ada {i}", digest=False) for i in range(3)]
    profile = enrol("Ada", own, others(), recipe=tiny(), allow_weak=True)
    assert [video.sha256 for video in profile.videos[:3]] == [None] * 3


def test_one_video_given_twice_is_not_enough(speech, others, tiny):
    own = [speech("ada", duration_s=12)]
    with pytest.raises(EnrolmentError, match=r"1 video shows Ada's upper body for 12\.0 s"):
        enrol("Ada", [*own, *own], others(), recipe=tiny(), allow_weak=True)


FOREIGN = ExtractorFingerprint("mediapipe", "0.10.21", "cd" * 32)


@pytest.mark.parametrize("extractor", [FOREIGN, None], ids=["another", "unknown"])
def test_keypoints_of_several_extractors_are_refused(speech, others, tiny, extractor):
    own = [speech("ada 0"), speech("ada 1"), speech("ada 2", extractor=extractor)]
    with pytest.raises(
        ExtractorMismatchError, match=r"come from 2 extractors: .*extract all videos with one"
    ) as raised:
        enrol("Ada", own, others(), recipe=tiny(), allow_weak=True)
    assert str(extractor or "unknown") in str(raised.value)


def test_negatives_of_another_extractor_are_refused(speech, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    with pytest.raises(ExtractorMismatchError):
        enrol("Ada", own, [Negative(speech("other", extractor=FOREIGN), "x", "impostor")], recipe=tiny())


def test_keypoints_of_one_unknown_extractor_are_learnt_from(speech, tiny):
    own = [speech(f"ada {i}", extractor=None) for i in range(3)]
    assert enrol("Ada", own, recipe=tiny(), allow_weak=True).extractor is None


def test_too_little_video_is_refused_with_what_was_found_and_what_is_needed(speech, others, tiny):
    with pytest.raises(EnrolmentError, match=r"2 videos show Ada's upper body for 19\.0 s .*20 s are needed") as raised:
        enrol(
            "Ada",
            [speech("ada 0", duration_s=9), speech("ada 1", duration_s=10)],
            others(),
            recipe=tiny(),
            allow_weak=True,
        )
    assert "Give longer videos" in str(raised.value)


def test_just_enough_video_is_learnt_from(speech, others, tiny):
    profile = enrol("Ada", [speech("ada", duration_s=MIN_ENROL_S)], others(), recipe=tiny(), allow_weak=True)
    assert profile.seconds_genuine == MIN_ENROL_S


def test_video_in_which_the_upper_body_is_hidden_does_not_count(speech, others, tiny):
    own = [speech("ada 0", duration_s=30, hidden=(3, 6)), speech("ada 1", duration_s=10)]
    with pytest.raises(EnrolmentError, match=r"1 video shows Ada's upper body for 10\.0 s"):
        enrol("Ada", own, others(), recipe=tiny(), allow_weak=True)


def test_still_and_repeated_windows_are_in_no_lesson_of_either_side(lessons, placed, tiny):
    own, negatives = placed(5, "aabbcc")
    own[1], own[2] = frozen(own[1], 0), looped(own[2], 1)
    still, loop = replace(negatives[0], sequence=frozen(negatives[0].sequence, 0)), negatives[2]
    negatives[0], negatives[2] = still, replace(loop, sequence=looped(loop.sequence, 1))
    told = []
    profile = enrol("Ada", own, negatives, recipe=tiny(), allow_weak=True, on_left_out=told.append)
    assert len(lessons.taught) == 4
    assert set().union(*lessons.taught) == set(lessons.taught[-1]) == {0, 3, 4, 11, 13, 14, 15}
    assert {len(classes) for classes in lessons.taught[-1].values()} == {N_WINDOWS}
    assert [video.source_name for video in profile.videos] == [
        *(clip.provenance.source_name for clip in sorted((own[0], *own[3:]), key=lambda clip: clip.recording)),
        *(f"other {i}.mp4" for i in (1, 3)),
        *(n.sequence.provenance.source_name for n in sorted(negatives[4:], key=lambda n: n.sequence.recording)),
    ]
    assert [line.split(": ")[:2] for line in told] == [
        ["ada 1.mp4", "not usable"], ["ada 2.mp4", "not usable"],
        ["other 0.mp4", "not usable"], ["other 2.mp4", "not usable"],
    ]  # fmt: skip


def test_of_a_video_that_freezes_the_moving_part_is_learnt_from(lessons, placed, tiny):
    own, negatives = placed(3, "aabbcc")
    longer = speech_of("ada long", duration_s=25, x=PLACE_PX * 3)
    told = []
    profile = enrol(
        "Ada", [*own, frozen(longer, 10)], negatives, recipe=tiny(folds=0), allow_weak=True, on_left_out=told.append
    )
    (record,) = [video for video in profile.videos if video.source_name == "ada long.mp4"]
    assert len(lessons.taught[-1][3]) == record.n_windows == 8
    assert record.seconds == 12.0
    assert told == [
        "ada long.mp4: 13 of 21 windows are not learnt from: nobody moves in 13 of 21 windows: a still picture or a "
        "frozen video?"
    ]


def test_too_little_is_left_where_nobody_moves_and_the_count_is_told(speech, others, tiny):
    own = [frozen(speech("ada 0", duration_s=30), 10), looped(speech("ada 1", duration_s=30), 1)]
    with pytest.raises(
        EnrolmentError,
        match=r"1 video shows Ada's upper body for 12\.0 s .*\(18 windows in which nobody moves and 2\d windows that "
        r"were shown before do not count\); 20 s are needed",
    ):
        enrol("Ada", own, others(), recipe=tiny(), allow_weak=True)


def test_others_of_whom_nobody_moves_are_no_others(speech, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    stills = [Negative(frozen(speech(f"still {i}"), 0), f"{i}", "impostor") for i in range(3)]
    with pytest.raises(WeakProfileError, match="0 other people"):
        enrol("Ada", own, stills, recipe=tiny())


def test_nothing_is_learnt_from_nothing(tiny):
    with pytest.raises(EnrolmentError, match=r"0 videos show Ada's upper body for 0\.0 s"):
        enrol("Ada", [], recipe=tiny(), allow_weak=True)


def same_weights(one, other):
    return all(np.array_equal(value, other.weights[name]) for name, value in one.weights.items())


def test_two_enrolments_with_one_seed_agree(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    one, again, another = (enrol("Ada", own, others(), recipe=tiny(), allow_weak=True, seed=seed) for seed in (3, 3, 4))
    assert same_weights(one, again)
    assert one.self_test == again.self_test
    assert not same_weights(one, another)


def test_two_enrolments_against_surrogates_with_one_seed_agree(speech, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    assert same_weights(*(enrol("Ada", own, recipe=tiny(), allow_weak=True, seed=3) for _ in range(2)))


def test_the_order_of_the_files_changes_nothing(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(4)]
    negatives = others(3, 2)
    forth = enrol("Ada", own, negatives, recipe=tiny(), allow_weak=True, seed=3)
    back = enrol("Ada", own[::-1], negatives[::-1], recipe=tiny(), allow_weak=True, seed=3)
    assert same_weights(forth, back)
    assert forth.videos == back.videos


def test_training_windows_stand_as_close_as_the_recipe_says_and_clips_are_cut_as_asked(speech, others, tiny):
    own = [speech(f"ada {i}") for i in range(3)]
    options = WindowOptions(stride_frames=75, min_visibility=0.5)
    profile = enrol("Ada", own, others(), recipe=tiny(stride_frames=15), allow_weak=True, window_options=options)
    assert {video.n_windows for video in profile.videos} == {9}  # 120 frames of room, 15 apart
    assert profile.windows == options


def test_every_epoch_is_told(speech, others, tiny):
    told = []
    enrol(
        "Ada",
        [speech(f"ada {i}") for i in range(3)],
        others(),
        recipe=tiny(folds=0),
        allow_weak=True,
        on_epoch=told.append,
    )
    assert [epoch.number for epoch in told] == [1, 2]
