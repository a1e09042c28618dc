"""Videos under a new name are held against those enrolled: a copy is noticed, a stranger is not taken for anybody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from person_profiles import enrolment
from person_profiles.already_enrolled import HeldAgainst, hold_videos_against, weaknesses_of
from person_profiles.enrolment import enrol
from poseauth.errors import ProfileDamagedError, WeakProfileError
from poseauth.keypoints import NOSE, ExtractorFingerprint


@pytest.fixture
def more_of_ada(speech):
    return [speech(f"unseen {i}", duration_s=15) for i in range(4)]


@pytest.fixture
def of_somebody(speech):
    return [speech(f"somebody {i}", frequency_hz=3, duration_s=15) for i in range(4)]


@pytest.mark.parametrize(
    ("n_judged", "n_like", "n_for", "same"),
    [(4, 3, 1, True), (4, 3, 0, False), (4, 2, 2, False), (2, 2, 2, True), (1, 1, 1, False), (0, 0, 0, False)],
)
def test_most_of_at_least_two_judged_videos_have_to_be_like_somebody_and_one_clearly(n_judged, n_like, n_for, same):
    assert HeldAgainst("Ada", n_judged, n_like, n_for).seems_the_same == same


def test_videos_of_an_enrolled_person_are_like_them_and_a_strangers_are_not(ada, more_of_ada, of_somebody):
    assert hold_videos_against(more_of_ada, ada) == HeldAgainst("Ada", 4, 4, 4)
    assert hold_videos_against(of_somebody, ada) == HeldAgainst("Ada", 4, 0, 0)
    assert weaknesses_of(of_somebody, [ada]) == ()


def test_who_is_found_is_named_with_the_figures_and_both_ways_out(ada, more_of_ada, of_somebody):
    bea = replace(ada, name="Bea")
    found = weaknesses_of([*more_of_ada, of_somebody[0]], [ada, bea])
    assert [text.partition(", who is enrolled already")[0] for text in found] == [
        "4 of 5 videos are more like Ada", "4 of 5 videos are more like Bea"
    ]  # fmt: skip
    assert "do they show Ada?" in found[0]
    assert "add --same-as 'Ada'; if not, learn Ada again with these videos as --impostor" in found[0]


def test_a_weak_profile_judges_nobody(ada, more_of_ada):
    assert hold_videos_against(more_of_ada, replace(ada, weaknesses=("untested",))).n_judged == 0


def test_what_cannot_be_judged_does_not_count(ada, more_of_ada, speech):
    head = more_of_ada[0].keypoints.copy()
    head[:, NOSE, 0] += 8
    turned, short = replace(more_of_ada[0], keypoints=head), speech("short", duration_s=4)
    assert hold_videos_against([turned, short, *more_of_ada[1:]], ada) == HeldAgainst("Ada", 3, 3, 3)


def test_a_profile_that_cannot_be_used_is_an_error_and_clears_nobody(ada, more_of_ada):
    damaged = replace(ada, weights={name: array[:1] for name, array in ada.weights.items()})
    with pytest.raises(ProfileDamagedError, match="Ada"):
        weaknesses_of(more_of_ada, [damaged])


def test_a_copy_is_refused_before_the_self_test_and_kept_as_weak_on_request(
    ada, more_of_ada, others, tiny, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(enrolment, "hold_self_test", lambda *_, **__: pytest.fail("hours of work"))
        with pytest.raises(WeakProfileError, match=r"Bea is not enrolled: 4 of 4 videos are more like Ada.*allow-weak"):
            enrol("Bea", more_of_ada, others(), enrolled=[ada], recipe=tiny())
    weak = enrol("Bea", more_of_ada, others(), enrolled=[ada], recipe=tiny(), allow_weak=True)
    assert weak.is_weak
    assert weak.weaknesses[0].startswith("4 of 4 videos are more like Ada")


def test_somebody_new_is_enrolled_beside_those_there_are(ada, of_somebody, others, tiny):
    recipe = tiny(epochs=12, learning_rate=2e-2)
    assert enrol("Bea", of_somebody, others(2), enrolled=[ada], recipe=recipe, allow_weak=True).weaknesses == (
        enrol("Bea", of_somebody, others(2), recipe=recipe, allow_weak=True).weaknesses
    )


def test_a_profile_by_another_extractor_is_passed_over(ada, more_of_ada, others, tiny):
    foreign = replace(ada, extractor=ExtractorFingerprint("mediapipe", "0.10.21", "cd" * 32))
    weak = enrol("Bea", more_of_ada, others(), enrolled=[foreign], recipe=tiny(folds=0), allow_weak=True)
    assert weak.weaknesses == ("it was not tested, as the recipe asks",)
