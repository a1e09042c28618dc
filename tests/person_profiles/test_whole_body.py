"""The whole upper body from enrolment to verdict: hands are learnt, kept, explained, and never guessed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from person_profiles.enrolment import Negative, enrol
from person_profiles.explaining import explain_clip, own_windows
from person_profiles.store import ProfileStore
from person_profiles.verification import load_person, load_scorer, score_clip, verify
from poseauth.errors import InputError
from poseauth.keypoints import WHOLE_BODY_SHAPES
from poseauth.recipes import RECIPES
from tests.known_body import with_hands
from tests.person_profiles.conftest import speech_of, tiny_recipe


def opening(name, every_s, **speech):
    """A speaker whose hands open and close once in so many seconds, which is all that tells them apart."""
    sequence = speech_of(name, **speech)
    phase = np.random.default_rng(len(name) + ord(name[-1])).uniform(0, 6)
    return with_hands(sequence, 0.7 + 0.3 * np.sin(2 * np.pi * sequence.timestamps_s / every_s + phase))


def whole_recipe():
    tiny = tiny_recipe(epochs=6, learning_rate=2e-2, folds=0)  # the self-test is another test's
    return replace(tiny, architecture=replace(tiny.architecture, features="whole"))


def without_hands(sequence):
    return replace(sequence, whole_body=None)


@pytest.fixture(scope="module")
def own():
    return [opening(f"ada {i}", 3.0, duration_s=12.0) for i in range(4)]


@pytest.fixture(scope="module")
def others():
    return [
        Negative(opening(f"{who} {i}", every_s, duration_s=12.0), who, "impostor")
        for who, every_s in (("bob", 0.6), ("cid", 1.0))
        for i in range(2)
    ]


@pytest.fixture(scope="module")
def ada(own, others):
    return enrol("Ada", own, others, recipe=whole_recipe(), allow_weak=True)


@pytest.fixture
def clip():
    return opening("ada 9", 3.0, duration_s=12.0)


def test_where_all_videos_have_hands_the_whole_body_is_learnt(ada):
    assert ada.windows.points == "whole"
    assert ada.recipe.architecture.features == "whole"
    assert set(load_scorer(ada).statistics) == {"body", "hands"}


def test_who_opens_the_hands_otherwise_is_told_by_them_alone(ada, clip):
    scorer = load_scorer(ada)
    stranger = opening("dan 3", 0.8, duration_s=12.0)
    mine, theirs = (score_clip(one, ada, scorer).raw.mean() for one in (clip, stranger))
    assert mine > theirs + 0.2


def test_a_clip_without_a_hand_in_view_is_scored_by_the_body(ada, clip):
    clip.whole_body.hands[:] = np.nan
    clip.whole_body.hand_confidence[:] = 0
    scored = score_clip(clip, ada, load_scorer(ada))
    assert np.isfinite(scored.raw).all()


def test_a_clip_whose_keypoints_have_no_hands_is_refused_in_words(ada, clip):
    with pytest.raises(InputError, match=r"ada 9\.mp4: its keypoints have no hands"):
        verify(without_hands(clip), ada, load_scorer(ada))


def test_with_one_video_without_hands_the_twelve_are_learnt(own, others, clip):
    mixed = [without_hands(own[0]), *own[1:]]
    profile = enrol("Ada", mixed, others, recipe=whole_recipe(), allow_weak=True)
    assert profile.windows.points == "twelve"
    assert profile.recipe.architecture.features == "torso"
    scorer = load_scorer(profile)
    np.testing.assert_array_equal(
        score_clip(clip, profile, scorer).raw, score_clip(without_hands(clip), profile, scorer).raw
    )


def test_the_twelve_are_learnt_where_they_are_asked_for_or_the_recipe_is_the_papers(own, others):
    asked = enrol("Ada", own, others, recipe=whole_recipe(), points="twelve", allow_weak=True)
    assert (asked.windows.points, asked.recipe.architecture.features) == ("twelve", "torso")
    paper = replace(RECIPES["paper"], architecture=replace(tiny_recipe().architecture, features="zscore"))
    paper = replace(paper, training=replace(paper.training, epochs=1, batch_size=16))
    assert enrol("Ada", own, others, recipe=paper, allow_weak=True).windows.points == "twelve"


def test_the_whole_body_asked_for_and_not_there_names_the_video(own, others):
    with pytest.raises(InputError, match=r"ada 0\.mp4: its keypoints have no hands"):
        enrol("Ada", [without_hands(own[0]), *own[1:]], others, recipe=whole_recipe(), points="whole")


def test_people_enrolled_without_hands_are_left_out_and_named(own, others):
    kept = Negative(without_hands(speech_of("eve", frequency_hz=2, duration_s=12.0)), "enrolled: Eve", "enrolled")
    told = []
    profile = enrol(
        "Ada", own, [*others, kept], recipe=whole_recipe(), allow_weak=True, on_left_out=told.append
    )  # fmt: skip
    assert profile.windows.points == "whole"
    assert {video.group for video in profile.videos} == {"", "bob", "cid"}
    assert any(
        "eve.mp4: not compared with, since Eve is enrolled without hands. Enrol Eve again" in line for line in told
    )


def test_whoever_never_shows_a_hand_is_learnt_by_the_body(own, others):
    for sequence in hidden(own):
        assert np.isnan(sequence.whole_body.hands).all()
    profile = enrol("Ada", hidden(own), others, recipe=whole_recipe(), allow_weak=True)
    assert profile.windows.points == "whole"
    assert set(load_scorer(profile).statistics) == {"body"}
    assert np.isfinite(score_clip(own[0], profile, load_scorer(profile)).raw).all()


def hidden(sequences):
    """The same with no hand found in any frame."""
    return [
        replace(
            one,
            whole_body=replace(
                one.whole_body,
                hands=np.full_like(one.whole_body.hands, np.nan),
                hand_confidence=np.zeros_like(one.whole_body.hand_confidence),
            ),
        )
        for one in sequences
    ]


def test_hands_are_kept_with_the_movement_and_scores_are_the_same_after_reading(ada, own, clip, tmp_path):
    store = ProfileStore(tmp_path)
    store.save(ada, own)
    stored = store.stored("Ada")
    kept = stored.files.movement()
    for read, made in zip(kept, own, strict=True):
        assert set(read.whole_body.given()) == set(WHOLE_BODY_SHAPES)
        for name, array in made.whole_body.given().items():
            np.testing.assert_array_equal(getattr(read.whole_body, name), array)
    person = load_person(stored.profile, stored.files)
    np.testing.assert_allclose(
        score_clip(clip, person.profile, person.scorer).raw, score_clip(clip, ada, load_scorer(ada)).raw, atol=1e-5
    )
    again = enrol("Ada", kept, [Negative(opening("bob 0", 0.6, duration_s=12.0), "bob", "impostor")],
                  recipe=whole_recipe(), allow_weak=True)  # fmt: skip
    assert again.windows.points == "whole"


def test_an_explanation_tells_what_the_hands_do_to_the_score(ada, own):
    stranger = opening("dan 3", 0.8, duration_s=12.0)
    scorer = load_scorer(ada)
    windows = own_windows([stranger], ada)[0]
    found = explain_clip(windows, own_windows(own, ada), ada, scorer)
    assert {"right hand", "left hand"} <= {part.name for part in found.parts}
