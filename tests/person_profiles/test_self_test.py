"""Every video and every other person is judged unseen, and what comes of it decides whether a profile is used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from person_profiles import self_test
from person_profiles.learning import Clip, Learnt
from person_profiles.profile import EvidencePoint, VideoRecord
from person_profiles.self_test import hold_self_test
from poseauth.calibration import MIN_UNDECIDED
from poseauth.recipes import RECIPES
from tests.known_body import windows_of

STRIDE_S = 1.0
RECIPE = RECIPES["default"]


def clip(video, level, *, group="", n_windows=26, spread=0.05):
    """A clip whose windows score around `level`: the stand-in for a scorer below reads it from the neck."""
    rng = np.random.default_rng(sum(video.encode()))
    keypoints = np.zeros((n_windows, 150, 12, 2), np.float32)
    keypoints[:, :, 1, 0] = (level + rng.normal(0, spread, n_windows))[:, None]
    role = "impostor" if group else "genuine"
    record = VideoRecord(f"{video}.mp4", None, video, role, group, 5.0 + (n_windows - 1) * STRIDE_S, n_windows)
    return Clip(windows_of(keypoints, STRIDE_S * np.arange(n_windows)), record)


@pytest.fixture
def lessons(monkeypatch):
    """What was learnt from, in order; the scorer gives the place of the neck, whatever it was taught."""
    taught = []

    def learn(own, others, recipe, **_):
        taught.append(([c.video for c in own], sorted({c.record.group for c in others})))
        # Turned round, x is negative; nobody here moves alike in a mirror.
        return Learnt(lambda windows: windows[:][:, 0, 1, 0].astype(np.float64), 1)

    monkeypatch.setattr(self_test, "learn", learn)
    return taught


def outcome_of(own, others, **training):
    recipe = replace(RECIPE, training=replace(RECIPE.training, **training))
    return hold_self_test(own, others, recipe, rng=np.random.default_rng(0), seed=0)


OWN = [clip(f"own {i}", 1.0) for i in range(6)]
OTHERS = [clip(f"{who} {i}", 0.0, group=who) for who in ("bob", "cleo", "dan") for i in range(2)]


def test_nobody_judges_what_they_learnt_from(lessons):
    outcome_of(OWN, OTHERS, folds=3)
    assert len(lessons) == 3
    left_out = [sorted({c.video for c in OWN} - set(own)) for own, _ in lessons]
    assert sorted(video for videos in left_out for video in videos) == sorted(c.video for c in OWN)
    assert sorted(who for _, others in lessons for who in {"bob", "cleo", "dan"} - set(others)) == [
        "bob",
        "cleo",
        "dan",
    ]


@pytest.mark.parametrize(("n_own", "n_people", "n_lessons"), [(2, 3, 2), (6, 2, 2), (6, 3, 3)])
def test_there_are_no_more_parts_than_videos_or_people(lessons, n_own, n_people, n_lessons):
    people = sorted({c.record.group for c in OTHERS})[:n_people]
    outcome_of(OWN[:n_own], [c for c in OTHERS if c.record.group in people], folds=3)
    assert len(lessons) == n_lessons


def test_people_apart_give_figures_without_error_and_no_weakness(lessons):
    found = outcome_of(OWN, OTHERS)
    test = found.self_test
    assert found.weaknesses == ()
    assert (test.auc.value, test.eer.value) == (1.0, 0.0)
    assert test.cllr.value < 0.3
    assert (test.n_genuine_against, test.n_other_for) == (0, 0)
    assert (test.n_genuine_clips, test.n_other_clips) == (6, 6)  # 30 s are one piece
    assert found.calibrated.clips.upper_bound > found.calibrated.clips.undecided
    votes = found.calibrated.windows(np.array([0.0, 1.0]))
    assert votes[0] < 0 < votes[1]


def test_who_is_like_all_the_others_is_weak(lessons):
    like = [clip(f"own {i}", 0.0) for i in range(6)]
    found = outcome_of(like, OTHERS)
    assert "cannot be told from others" in found.weaknesses[0]


def test_one_other_who_is_the_person_makes_the_profile_weak_and_is_named(lessons):
    others = [*OTHERS, *(clip(f"eve {i}", 1.0, group="eve") for i in range(4))]
    found = outcome_of(OWN, others)
    assert found.self_test.hardest_other == "eve"
    assert any("cannot be told from eve" in weakness for weakness in found.weaknesses)


# By hand from Hanley and McNeil 1982: AUC 1 - 0.5 / (n m), its standard error times 1.645 below that.
@pytest.mark.parametrize(
    ("n_own", "n_of_one", "least"),
    [(2, 1, 0.198), (3, 1, 0.432), (4, 1, 0.561), (2, 2, 0.533), (4, 2, 0.756), (20, 1, 0.906)],
)
def test_the_least_auc_against_one_other_takes_half_a_pair_as_told_wrongly(lessons, n_own, n_of_one, least):
    own = [clip(f"own {i}", 1.0) for i in range(n_own)]
    others = [clip(f"{who} {i}", 0.0, group=who) for who in ("bob", "cleo", "dan") for i in range(n_of_one)]
    found = outcome_of(own, others)
    assert found.self_test.hardest_auc == 1.0
    assert found.self_test.hardest_auc_low == pytest.approx(least, abs=5e-4)
    proves_nothing = [text for text in found.weaknesses if "cannot be told from bob (AUC 1.00, at least 0." in text]
    assert bool(proves_nothing) is (least <= 0.5)
    assert all("so few videos prove nothing. Give more of either" in text for text in proves_nothing)


def test_an_auc_of_nothing_takes_half_a_pair_as_told_rightly(lessons):
    others = [*OTHERS, *(clip(f"eve {i}", 2.0, group="eve") for i in range(2))]
    test = outcome_of(OWN, others).self_test
    assert (test.hardest_other, test.hardest_auc) == ("eve", 0.0)
    assert test.hardest_auc_low < 0.5 / 12  # 6 videos against 2


def test_too_few_videos_to_support_a_ratio_beyond_the_band_are_a_weakness(lessons):
    own = [clip(f"own {i}", level, spread=0.02) for i, level in enumerate((0.7, 0.6, 0.5, 0.4, 0.05))]
    others = [
        clip(f"{who} {i}", level, group=who, spread=0.02)
        for who in ("bob", "cleo")
        for i, level in enumerate((0.5, 0.3, 0, -0.2))
    ]
    found = outcome_of(own, others)
    assert found.self_test.auc.value == 0.85
    assert (
        "5 videos of the person and 8 of others support no likelihood ratio beyond the undecided band"
        in found.weaknesses[0]
    )


def test_misled_clips_are_counted_and_widen_the_band(lessons):
    own = [*OWN[:5], clip("own odd", -0.5)]
    clear, found = outcome_of(OWN, OTHERS), outcome_of(own, OTHERS)
    assert found.calibrated.clips.undecided > clear.calibrated.clips.undecided
    assert found.self_test.eer.value > 0
    assert found.self_test.n_undecided + found.self_test.n_genuine_against > 0


@pytest.mark.parametrize("side", ["own", "others"])
def test_a_misled_video_is_counted_by_a_band_that_was_not_made_wide_enough_for_it(lessons, side):
    own, others = OWN, OTHERS
    if side == "own":
        own = [*OWN[:5], clip("own odd", -0.5)]
    else:
        others = [*OTHERS[:5], clip("dan odd", 1.5, group="dan")]
    found = outcome_of(own, others)
    # Of so few videos none may be misled beyond the band that all of them together give ...
    assert found.calibrated.clips.undecided > MIN_UNDECIDED
    # ... and the one that is is misled beyond that of the others.
    test = found.self_test
    assert (test.n_genuine_against, test.n_other_for) == ((1, 0) if side == "own" else (0, 1))


def test_the_error_falls_with_the_seconds_and_says_from_when_on_it_is_enough(lessons):
    def noisy(video, level, group=""):
        return clip(video, level, group=group, n_windows=60, spread=0.8)

    own = [noisy(f"own {i}", 0.5) for i in range(6)]
    others = [noisy(f"{who} {i}", 0.0, who) for who in ("bob", "cleo", "dan") for i in range(2)]
    test = outcome_of(own, others).self_test
    assert [point.seconds for point in test.evidence_curve] == [5.0, 10.0, 20.0, 40.0]
    errors = [point.eer for point in test.evidence_curve]
    assert errors[0] > errors[-1] + 0.05
    assert test.enough_s > 5
    assert [point.n_genuine for point in test.evidence_curve] == [6 * 12, 6 * 6, 6 * 3, 6]


def test_short_videos_give_a_short_curve_and_one_point_tells_nothing(lessons):
    own = [clip(f"own {i}", 1.0, n_windows=3) for i in range(3)]
    others = [clip(f"{who}", 0.0, group=who, n_windows=3) for who in ("bob", "cleo", "dan")]
    test = outcome_of(own, others).self_test
    assert test.evidence_curve == (EvidencePoint(5.0, 0.0, 3, 3),)
    assert test.enough_s is None


def test_the_calibration_of_mirrored_clips_knows_how_strangers_look_in_a_mirror(lessons):
    others = [clip(f"{who} {i}", -1.0, group=who) for who in ("bob", "cleo", "dan") for i in range(2)]
    found = outcome_of(OWN, others)
    # In a mirror the others look like the person: a mirrored clip that does is no evidence.
    turned = found.calibrated.mirrored.of_clip(1.0)
    assert not turned.speaks_for
    assert found.calibrated.clips.of_clip(1.0).speaks_for


def test_the_same_seed_gives_the_same_test(lessons):
    assert outcome_of(OWN, OTHERS).self_test == outcome_of(OWN, OTHERS).self_test
