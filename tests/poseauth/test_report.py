"""A verification in plain values: what a program reads says what it means, and never more than is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from poseauth.calibration import LikelihoodRatio
from poseauth.decision import Decision, Verdict
from poseauth.keypoints import Coverage, ExtractorFingerprint, Provenance
from poseauth.report import (
    CSV_COLUMNS,
    NOT_EXAMINED,
    SCOPE,
    Verification,
    as_dict,
    as_row,
    caveats_of,
    in_words,
    not_analysed,
    sentence,
    verbal_scale,
)

RATIO = LikelihoodRatio(0.8, 0.5, 1.1, -0.9, 1.2, 0.3)


@pytest.fixture
def analysed():
    def make(verdict=Verdict.AUTHENTIC, **provenance):
        return Verification(
            source="clip.mp4",
            person="Ada",
            status="analysed",
            decision=Decision(verdict, 2, 1, 0.7, RATIO, 7.0, ("2 of 3 windows of 5 s move like Ada",)),
            provenance=Provenance(**{"source_name": "clip.mp4", **provenance}),
            window_scores=np.array([0.9, 0.8, 0.4]),
            window_start_s=np.array([0.0, 1.0, 2.0]),
            n_windows_rejected=4,
            reasons=("2 of 3 windows of 5 s move like Ada",),
            caveats=("a first doubt", "a second doubt"),
        )

    return make


def strict_json(plain):
    return json.loads(json.dumps(plain, allow_nan=False))


def test_the_plain_values_survive_strict_json(analysed):
    full = analysed(
        extractor=ExtractorFingerprint("yolo", "8.4", "ab" * 32, {"imgsz": 640, "conf": 0.3}),
        coverage=Coverage(None, 90, 90, "the stream ends in the middle of a frame"),
    )
    plain = as_dict(full)
    assert strict_json(plain) == plain


def test_the_plain_values_of_a_clip_that_was_not_analysed_survive_strict_json():
    plain = as_dict(not_analysed("clip.mp4", "Ada", "nobody is in view"))
    assert strict_json(plain) == plain


def test_every_score_says_its_direction(analysed):
    plain = as_dict(analysed())
    keys = [*plain, *plain["windows"][0]]
    assert [key for key in keys if "score" in key] == [
        "mean_score_higher_is_more_like_person",
        "score_higher_is_more_like_person",
    ]
    assert plain["mean_score_higher_is_more_like_person"] == 0.7


def test_an_interval_at_the_limit_of_the_profile_is_marked_as_such(analysed):
    assert as_dict(analysed())["likelihood_ratio"]["interval_is_at_bound"] is False
    result = analysed()
    at_limit = replace(result.decision, likelihood=replace(RATIO, log10_lr=1.2, low=1.2, high=1.2))
    assert as_dict(replace(result, decision=at_limit))["likelihood_ratio"]["interval_is_at_bound"] is True


def test_the_likelihood_ratio_stands_with_interval_bounds_band_propositions_and_words(analysed):
    plain = as_dict(analysed())["likelihood_ratio"]
    assert plain["log10_lr_above_0_speaks_for_person"] == 0.8
    assert (plain["interval_95"], plain["bounds"], plain["undecided_band"]) == ([0.5, 1.1], [-0.9, 1.2], [-0.3, 0.3])
    assert plain["propositions"] == ["Ada moves here as in the enrolled videos", "somebody else drives the movement"]
    assert plain["in_words"] == 'weak support for "Ada moves here as in the enrolled videos"'
    assert plain["verbal_scale"] == verbal_scale()
    assert as_row(analysed())["log10_lr_above_0_speaks_for_person"] == "0.8"


def test_without_a_ratio_there_are_no_words_for_one(analysed):
    bare = replace(analysed(), decision=replace(analysed().decision, likelihood=None))
    assert as_dict(bare)["likelihood_ratio"] is None
    assert as_row(bare)["log10_lr_above_0_speaks_for_person"] == ""


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1.0, "no support for either"),
        (1.9, "no support for either"),
        (2.1, "weak support for"),
        (9.9, "weak support for"),
        (10.1, "moderate support for"),
        (101, "moderately strong support for"),
        (1001, "strong support for"),
        (10001, "very strong support for"),
        (1e7, "extremely strong support for"),
    ],
)
def test_words_follow_the_steps_of_the_scale_on_either_side(factor, words):
    towards, away = in_words(np.log10(factor), "Ada"), in_words(-np.log10(factor), "Ada")
    assert towards.startswith(words)
    assert away.startswith(words)
    if factor > 2:
        assert "Ada moves here" in towards
        assert "somebody else" in away


def test_the_scale_is_printed_with_all_its_steps():
    assert verbal_scale() == (
        "below 2 no support, 2 to 10 weak support, 10 to 100 moderate support, 100 to 1,000 moderately strong support, "
        "1,000 to 10,000 strong support, 10,000 to 1,000,000 very strong support, more extremely strong support"
    )


def test_every_window_is_listed_with_its_time_and_score(analysed):
    assert as_dict(analysed())["windows"] == [
        {"start_s": 0.0, "end_s": 5.0, "score_higher_is_more_like_person": 0.9},
        {"start_s": 1.0, "end_s": 6.0, "score_higher_is_more_like_person": 0.8},
        {"start_s": 2.0, "end_s": 7.0, "score_higher_is_more_like_person": 0.4},
    ]


def test_the_vote_behind_the_verdict_is_given(analysed):
    plain = as_dict(analysed())
    assert plain["verdict"] == "authentic"
    assert (plain["n_windows"], plain["n_votes_authentic"], plain["n_votes_fake"]) == (3, 2, 1)
    assert (plain["n_windows_rejected"], plain["seconds_analysed"]) == (4, 7.0)


def test_every_result_says_what_was_not_examined(analysed):
    for result in (analysed(), not_analysed("clip.mp4", "Ada", "nobody is in view")):
        plain = as_dict(result)
        assert plain["scope"] == SCOPE
        assert plain["not_examined"] == list(NOT_EXAMINED)
        assert {"lips", "voice", "metadata"} <= set(plain["not_examined"])


def test_a_clip_that_was_not_analysed_has_no_verdict():
    result = not_analysed("clip.mp4", "Ada", "nobody is in view", n_windows_rejected=2)
    plain = as_dict(result)
    assert result.verdict is None
    assert plain["status"] == "not analysed"
    assert plain["verdict"] is None
    assert plain["mean_score_higher_is_more_like_person"] is None
    assert (plain["n_windows"], plain["windows"], plain["seconds_analysed"]) == (0, [], 0.0)
    assert plain["reasons"] == ["nobody is in view"]
    assert sentence(result) == "not analysed: nobody is in view"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.AUTHENTIC, "body movement consistent with Ada"),
        (Verdict.FAKE, "body movement not consistent with Ada; nothing is said of how the footage was made"),
        (Verdict.INCONCLUSIVE, "not enough to say whether it is Ada who moves"),
    ],
)
def test_the_sentence_speaks_of_body_movement_and_of_nothing_else(analysed, verdict, words):
    assert sentence(analysed(verdict)) == words
    assert as_dict(analysed(verdict))["sentence"] == words


def test_a_row_has_exactly_the_columns_of_the_table(analysed):
    for result in (analysed(), not_analysed("clip.mp4", "Ada", "nobody is in view")):
        row = as_row(result)
        assert tuple(row) == CSV_COLUMNS
        assert all(isinstance(value, str) for value in row.values())


def test_a_row_says_in_words_and_figures_what_the_result_says(analysed):
    row = as_row(analysed(coverage=Coverage(300, 100, 100), n_people_ignored=2))
    assert row["verdict"] == "authentic"
    assert row["mean_score_higher_is_more_like_person"] == "0.7"
    assert row["coverage"] == "0.3333"
    assert row["n_people_ignored"] == "2"
    assert row["caveats"] == "a first doubt; a second doubt"


def test_a_row_is_empty_where_nothing_is_known_and_0_where_0_is_known(analysed):
    row = as_row(not_analysed("clip.mp4", "Ada", "nobody is in view"))
    assert row["verdict"] == row["n_votes_fake"] == row["coverage"] == row["n_people_ignored"] == ""
    assert as_row(analysed(n_people_ignored=0))["n_people_ignored"] == "0"


def test_a_file_that_broke_off_is_a_caveat_with_the_decoded_share():
    coverage = Coverage(n_promised=300, n_decoded=75, n_kept=75, broke_off="invalid data in a packet")
    (caveat,) = caveats_of(Provenance("clip.mp4", coverage=coverage))
    assert caveat == "75 of 300 frames could be decoded (25%): invalid data in a packet"


def test_a_file_that_broke_off_without_a_promise_has_no_share():
    (caveat,) = caveats_of(Provenance("clip.mp4", coverage=Coverage(None, 75, 75, "invalid data in a packet")))
    assert caveat == "75 of an unknown number of frames could be decoded: invalid data in a packet"


def test_other_people_who_were_ignored_are_a_caveat():
    assert caveats_of(Provenance("clip.mp4", n_people_ignored=3)) == ("3 other people in view were ignored",)


def test_an_extractor_that_counts_nobody_else_is_a_caveat():
    blazepose = ExtractorFingerprint("mediapipe", "0.10.21", "ab" * 32)
    (caveat,) = caveats_of(Provenance("clip.mp4", extractor=blazepose))
    assert "does not count others" in caveat


def test_shots_that_were_left_out_are_a_caveat():
    (caveat,) = caveats_of(Provenance("clip.mp4", n_shots_ambiguous=2))
    assert caveat == "2 shots with two equally central people were left out"


def test_a_whole_clip_of_one_person_has_no_caveat():
    assert caveats_of(Provenance("clip.mp4", coverage=Coverage(300, 300, 300), n_people_ignored=0)) == ()
    assert caveats_of(None) == ()


def test_the_caveats_of_the_file_stand_in_a_result_without_a_verdict():
    result = not_analysed("clip.mp4", "Ada", "too short", provenance=Provenance("clip.mp4", n_people_ignored=1))
    assert result.caveats == ("1 other person in view was ignored",)
