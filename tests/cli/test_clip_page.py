"""The page of a verified clip: what it says, that nothing comes from elsewhere, and that two runs agree."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from cli.clip_evidence import ClipEvidence, InputFile, Moment, Quality, Span, evidence_as_dict
from cli.clip_page import page
from cli.score_chart import chart, shown_rows, timecode
from keypoint_extractors.drawing.rendering import render_video
from person_profiles.signature import SignatureStatus
from poseauth.calibration import LikelihoodRatio
from poseauth.comparison import MOST_TOLD, Compared, Comparison
from poseauth.decision import Decision, Verdict
from poseauth.errors import (
    AmbiguousPersonError,
    ExtractorMismatchError,
    InputError,
    KeypointFileError,
    NobodyError,
    NoEvidenceError,
    TooShortError,
    VideoError,
    WeightsNotFoundError,
)
from poseauth.explanation import Explanation, Part, Relation
from poseauth.keypoint_files import read_keypoints, write_keypoints
from poseauth.keypoints import NECK, R_WRIST, Coverage, ExtractorFingerprint, Provenance, keypoint_sequence
from poseauth.metrics import Estimate
from poseauth.plain_measures import ALONG, HEIGHT, IN_TIME, MEASURES, RISING, SHARE, SPEED, STROKES, WIDTH, Measure
from poseauth.report import Verification, not_analysed
from tests.cli.parsed_page import Page

PERSON = "Ada"
EXTRACTOR = ExtractorFingerprint("yolo", "8.4", "ab" * 32, {"imgsz": 640})
PARTS = (
    Part("head", -0.2, 0.5, 0.3, 0.6, True),
    Part("left wrist", -0.05, 0.35, 0.7, 0.75, False),
    Part("shoulders", 0.1, 0.15, 0.65, 0.6, True),
    Part("right elbow", 0.0, 0.3, 0.7, 0.7, None),
)


def compared(kind, parts, value, usual, *, beyond=0, unusual=True):
    """Of 64 stretches all but `beyond` lie on the other side of the clip."""
    below, above = (beyond, 64 - beyond) if value < usual else (64 - beyond, beyond)
    return Compared(Measure(kind, parts), value, usual, 0.8 * usual, 1.2 * usual, 64, below, above, 1.5, unusual)


COMPARISON = Comparison(
    60.0, 64, 5,
    (
        compared(ALONG, ("right wrist", "head"), 0.12, 0.71, beyond=3),
        compared(SPEED, ("right wrist",), 0.12, 0.35),
        compared(HEIGHT, ("left wrist",), -0.4, -0.9, beyond=1),
        compared(SPEED, ("shoulders",), 0.05, 0.05, unusual=False),
    ),
    (Measure(RISING, ("right wrist", "left wrist")),), (Measure(WIDTH, ("left elbow",)),),
)  # fmt: skip


@pytest.fixture(scope="module")
def profile(enrolled_home):
    from person_profiles.store import ProfileStore

    return ProfileStore(enrolled_home).load(PERSON)


def verification(verdict=Verdict.FAKE, scores=(0.2, 0.3, 0.7), source="clip.mp4", person=PERSON, **changes):
    ratio = LikelihoodRatio(-1.0, -1.5, -0.5, -2.0, 2.0, 0.3)
    decision = Decision(verdict, 1, 2, 0.4, ratio, 7.0, ("1 of 3 windows of 5 s move like Ada",))
    provenance = Provenance(source, "cd" * 32, 1280, 720, EXTRACTOR, Coverage(300, 270, 270, "it broke"), 2, 1)
    return Verification(
        source, person, "analysed", decision, provenance, np.array(scores), np.arange(len(scores)) * 1.0,
        reasons=decision.reasons, caveats=("a caveat",), **changes,
    )  # fmt: skip


@pytest.fixture
def evidence(profile):
    def make(**changes):
        entries = {
            "result": verification(),
            "clip": InputFile("clip.mp4", "ef" * 32, 1234567),
            "link": "./clip.mp4",
            "quality": Quality(1280, 720, 25.0, 9.0, 2, 200.0, {"head": 0.9, "wrists": 0.5}),
            "shots": (Span(0.0, 6.0), Span(6.0, 9.0)),
            "unscored": (Span(7.0, 9.0),),
            "undecided": (0.4, 0.6),
            "moments": (Moment(Span(2.0, 7.0), 0.7, 4.5, b"one"), Moment(Span(0.0, 5.0), 0.2, 2.5, b"two")),
            "explanation": Explanation(
                3, 0.3, 0.9, PARTS, (Relation("head", "left arm", 0.01, 0.08),), 0.2, 0.55
            ),
            "unexplained": "",
            "comparison": COMPARISON,
            "uncompared": "",
            "profile": profile,
            "profile_sha256": "12" * 32,
            "options": {"device": "cpu", "min_seconds": None, "any_extractor": False},
            "environment": {"poseauth": "1", "Python": "3"},
            "signature": SignatureStatus("trusted", "abcd-ef01", "The Newsroom"),
            "times_utc": {"started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:00:09+00:00"},
        }  # fmt: skip
        return ClipEvidence(**(entries | changes))

    return make


def test_the_answer_comes_first_in_one_sentence_with_what_it_does_not_mean(evidence, profile):
    head = Page(page(evidence())).said.split("The score over time")[0]
    assert "Fake\nBody movement not consistent with Ada; nothing is said of how the footage was made." in head
    assert "It does not say" in head
    assert "A dub or a lip-sync laid over genuine footage keeps the genuine body" in head
    seconds = f"{profile.seconds_genuine:.0f} seconds of video of Ada (4 files)"
    assert f"compared the body movement in clip.mp4 (SHA-256 efefefefefefefef…) with {seconds}" in head
    assert "10.0 to 1 against" in head


@pytest.mark.parametrize("verdict", list(Verdict))
def test_each_verdict_has_its_own_words(evidence, verdict):
    said = Page(page(evidence(result=verification(verdict)))).said
    assert verdict.value.capitalize() in said
    assert ("not half a suspicion" in said) is (verdict is Verdict.INCONCLUSIVE)
    assert ("That the words, the voice or the face are genuine" in said) is (verdict is Verdict.AUTHENTIC)


def test_nothing_comes_from_elsewhere_and_nothing_runs(evidence):
    text = page(evidence())
    shown = Page(text)
    assert {tag for tag, _ in shown.tags}.isdisjoint({"script", "link", "iframe", "object", "video", "base", "form"})
    for _, attributes in shown.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert "url(" not in text
    assert "@import" not in text
    (policy,) = [meta["content"] for meta in shown.named("meta") if "http-equiv" in meta]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_a_moment_is_a_picture_with_its_time_that_opens_the_clip_there(evidence):
    shown = Page(page(evidence()))
    assert [base64.b64decode(image["src"].split(",")[1]) for image in shown.named("img")] == [b"one", b"two"]
    assert all(image["alt"] for image in shown.named("img"))
    assert {link["href"] for link in shown.named("a")} == {"./clip.mp4#t=2.0,7.0", "./clip.mp4#t=0.0,5.0"}
    assert "A 0:02 to 0:07, score 0.70" in shown.said
    assert "B 0:00 to 0:05, score 0.20" in shown.said
    assert not Page(page(evidence(link=None))).named("a")


def test_the_drawing_has_a_mark_a_window_and_words_for_who_cannot_see_it(evidence):
    drawn = Page(chart(evidence()))
    marks = {path["class"]: path["d"] for path in drawn.named("path")[1:3]}
    assert marks["for"].count("M") == 1
    assert marks["against"].count("M") == 2
    told = drawn.named("svg")[0]
    assert told["role"] == "img"
    assert told["aria-labelledby"].split() == [drawn.named("title")[0]["id"], drawn.named("desc")[0]["id"]]
    assert "3 windows, of which 1 score above one half" in drawn.said
    kinds = [rectangle["class"] for rectangle in drawn.named("rect")]
    assert kinds == ["shot", "band", "unscored"]
    assert len([line for line in drawn.named("line") if line["class"] == "cut"]) == 1


def test_every_window_stands_in_a_table_of_its_own(evidence):
    rows = Page(page(evidence())).table("Score of each window")
    assert rows == [
        ["Window", "Score", "Vote"],
        ["0:00 to 0:05", "0.20", "against"],
        ["0:01 to 0:06", "0.30", "against"],
        ["0:02 to 0:07", "0.70", "for"],
    ]


def test_why_names_parts_with_their_numbers_and_says_whether_the_check_held(evidence):
    said = Page(page(evidence())).said
    assert "Lowered the score of the clip most: the head." in said
    assert "The head lowers the score" in said
    assert "from 0.60 to 0.30, and with Ada's own in its place the score of the clip goes from 0.30 to 0.50." in said
    assert "The left wrist lowers the score" in said
    assert "0.35. The two halves of the clip do not agree on this." in said
    assert "Raised the score of the clip most: the shoulders." in said
    assert "The right elbow" not in said
    assert (
        "what is said to lower the score (the head and the left wrist) exchanged at once for Ada's own: it rises from "
        "0.30 to 0.55."
    ) in said
    assert "Head and left arm: that they move as they do at the same time speaks less for Ada" in said
    turned = Explanation(3, 0.3, 0.9, PARTS, (), None, 0.1)
    assert "so that this explanation does not hold" in Page(page(evidence(explanation=turned))).said


def test_without_an_explanation_the_page_says_why(evidence):
    assert "Not looked into: no movement." in Page(page(evidence(explanation=None, unexplained="no movement"))).said


def seen_by_eye(text):
    return Page(text).said.split("How the movement compares")[1].split("What the score went by")[0]


def test_what_can_be_seen_is_told_in_sentences_with_their_counts(evidence):
    said = seen_by_eye(page(evidence()))
    assert "laid beside 64 minutes from 5 enrolled videos of Ada" in said
    assert "Of 4 plain figures" in said
    assert "3 are clearly different here:" in said
    assert (
        "The right wrist keeps still while the head moves; in 61 of 64 enrolled minutes it moves along more (here in "
        "12 %, usually in 71 % of the time in which the head moves)."
    ) in said
    assert (
        "The right wrist moves less than in 64 of 64 enrolled minutes (here 0.12, usually 0.35 torso sizes a second)."
    ) in said
    assert (
        "The left wrist is held higher than in 63 of 64 enrolled minutes (here 0.40 below, usually 0.90 below the "
        "shoulders, in torso sizes)."
    ) in said
    assert "The shoulders move" not in said
    assert "the answer does not rest on it" in said
    assert "A torso size is" in said


@pytest.mark.parametrize("one", MEASURES, ids=lambda one: f"{one.kind.name} {' '.join(one.parts)}")
def test_every_measure_has_words_for_less_and_for_more(evidence, one):
    said = []
    for value, usual in ((0.1, 0.5), (0.5, 0.1)):
        found = replace(COMPARISON, compared=(compared(one.kind, one.parts, value, usual),), stretch_s=12.0)
        said.append(seen_by_eye(page(evidence(comparison=found))))
    less, more = (
        words.split("different here:")[1].split("A torso size")[0].split("Every figure")[0].strip() for words in said
    )
    assert less != more
    for words in (less, more):
        assert words.startswith(("The ", "While the "))
        assert "in 64 of 64 enrolled stretches" in words
        assert all(part in words for part in one.parts if one.kind is not SHARE)
        assert words.endswith(").")
    (shown,) = Page(page(evidence(comparison=found))).table("The movement in the clip")[1:]
    assert one.parts[0] in shown[0].lower()
    assert shown[4:] == ["64 of 64", "0 of 64", "yes"]


def test_every_figure_stands_in_a_table_and_what_was_not_compared_is_named(evidence):
    shown = Page(page(evidence()))
    rows = shown.table("The movement in the clip and in 64 minutes of Ada")
    assert rows[1][1:] == ["12 %", "71 %", "57 % to 85 %", "3 of 64", "61 of 64", "yes"]
    assert rows[4][-1] == "no"
    assert "nothing moves in the clip: Right wrist and left wrist rising and falling together" in shown.said
    assert "in the enrolled videos of Ada: How far the left elbow is held out" in shown.said


def test_where_nothing_is_unusual_the_page_says_so(evidence):
    usual = replace(COMPARISON, compared=COMPARISON.compared[3:], stretch_s=12.0)
    said = seen_by_eye(page(evidence(comparison=usual)))
    assert "laid beside 64 stretches of 12 s" in said
    assert "Of 1 plain figure of the movement" in said
    assert "none is clearly different here." in said
    assert "A torso size" not in said
    assert "the answer does not rest on it" in said


def test_more_than_five_sentences_are_left_to_the_table(evidence):
    kinds = (STROKES, SPEED, HEIGHT, SHARE, IN_TIME, RISING, ALONG)
    many = tuple(compared(kind, ("left wrist", "head"), 0.1, 0.5) for kind in kinds)
    text = page(evidence(comparison=replace(COMPARISON, compared=many)))
    assert "7 are clearly different here:" in seen_by_eye(text)
    assert "2 more in the table below." in seen_by_eye(text)
    assert seen_by_eye(text).count("of 64 enrolled minutes") == MOST_TOLD
    assert len(Page(text).table("The movement in the clip")) == 1 + len(many)


def test_without_a_comparison_the_page_says_why_and_explains_the_score_all_the_same(evidence):
    said = Page(page(evidence(comparison=None, uncompared="too <few> videos"))).said
    assert "Not compared: too <few> videos." in said
    assert "The head lowers the score" in said


def test_how_sure_holds_the_ratio_the_errors_and_what_there_was_to_see(evidence):
    shown = Page(page(evidence()))
    sure = shown.facts("The evidence")
    assert sure["Likelihood ratio"].startswith("10.0 to 1 against: moderate support")
    assert sure["95 % interval"] == "31.6 to 1 against to 3.2 to 1 against"
    assert sure["Tried on"].endswith("are far too few to say how often it errs")
    # Exact 95 % intervals of 0 of 4 and 0 of 3 reach to 1 - 0.025 ** (1 / n).
    assert sure["Taken for somebody else"] == "0 of 4; for all that this many tell, up to 60 % may be wrong"
    assert sure["Taken for Ada"] == "0 of 3; for all that this many tell, up to 71 % may be wrong"
    assert "Equal error rate" not in sure
    seen = shown.facts("What there was to see")
    assert seen["Usable video"] == "7.0 s of 9.0 s"
    assert seen["Picture"] == "1280 by 720 px"
    assert seen["Frames"] == "25.0 a second looked at"
    assert seen["Seen in the frames"] == "head 90 %, wrists 50 %"
    assert seen["Coverage"] == "270 of 300 frames decoded (90.0 %); it broke"
    assert seen["Other people in view"] == "2 ignored"
    assert "A caveat." in shown.said


def test_custody_names_every_digest_version_option_and_time(evidence):
    rows = Page(page(evidence())).facts("What was looked at")
    assert rows["SHA-256 of the clip"] == "ef" * 32
    assert rows["Size"] == "1,234,567 bytes"
    assert rows["Video its keypoints came from"] == f"clip.mp4, SHA-256 {'cd' * 32}"
    assert rows["Its networks"] == f"SHA-256 {'ab' * 32}"
    assert rows["Digest of all that"] == EXTRACTOR.digest
    assert rows["SHA-256 of its profile.json"] == "12" * 32
    assert rows["Its signature"] == "Signed by The Newsroom, whose key is trusted here (abcd-ef01)"
    assert rows["Options"] == "device cpu, any_extractor no"
    assert rows["Started, UTC"] == "2026-01-01T00:00:00+00:00"


def test_windows_that_do_not_count_are_told(evidence):
    result = replace(verification(Verdict.INCONCLUSIVE), n_windows_still=3, n_windows_repeated=2, n_windows_small=4)
    said = Page(page(evidence(result=result))).said
    assert "3 windows in which nobody moves" in said
    assert "2 windows in which the clip repeats itself" in said
    assert "4 windows in which the person is too small" in said


def test_what_a_name_holds_is_never_taken_for_markup_and_cannot_turn_the_text_round(evidence):
    evil = "<script>alert('x')</script>\"&\u202e\x00"
    result = verification(source=evil, person=evil, track_record=evil)
    text = page(evidence(result=result, clip=InputFile(evil, None, None), options={evil: evil}))
    text += page(evidence(result=result, comparison=None, uncompared=evil))
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "<script>alert('x')</script>\"&\\u202e\\x00, compared with videos of" in Page(text).said


def test_a_clip_that_was_not_analysed_has_a_page_with_its_reason_and_custody(evidence):
    result = not_analysed("clip.mp4", PERSON, "4.0 s; 5 s are needed")
    shown = Page(
        page(
            evidence(
                result=result,
                moments=(),
                explanation=None,
                comparison=None,
                quality=None,
                link=None,
                undecided=None,
                shots=(),
            )
        )
    )
    assert "Not analysed\n4.0 s; 5 s are needed." in shown.said
    assert "The score over time" not in shown.said
    assert shown.facts("What was looked at")["SHA-256 of the clip"] == "ef" * 32


@pytest.mark.parametrize(
    ("problem", "step", "shows_somebody"),
    [
        (VideoError, "whether it plays in a video player", False),
        (KeypointFileError, "in place of the keypoints, or have them extracted from it anew", False),
        (ExtractorMismatchError, "extracted from it by the profile's extractor", False),
        (WeightsNotFoundError, "It is not the clip that stood in the way", False),
        (InputError, "Mend what the reason names", False),
        (None, "If it fails again, nothing is known of the clip", False),
        (AmbiguousPersonError, "Find out which of the people in view is said to be Ada", True),
        (NobodyError, "whether head, shoulders and elbows of Ada are in view", True),
        (TooShortError, "Look for a longer version of this same footage in which Ada is in view without cuts", True),
        (NoEvidenceError, "without movement of its own this clip shows nothing to go by", True),
    ],
)  # fmt: skip
def test_what_to_do_next_is_by_what_stood_in_the_way(evidence, problem, step, shows_somebody):
    result = not_analysed("clip.mp4", PERSON, "no answer", problem=problem)
    nothing = {"moments": (), "explanation": None, "comparison": None, "quality": None, "undecided": None, "shots": ()}
    said = Page(page(evidence(result=result, **nothing))).said
    steps = said.split("What to do next")[1].split("What there was to see, and the profile")[0]
    assert step in steps
    assert ("longer" in steps) is (problem is TooShortError)
    assert ("faces are not recognised here" in steps) is shows_somebody
    assert "add videos of Ada" not in steps
    assert "Check voice, lips, picture, date and place by other means" in steps


def test_of_a_clip_that_was_learnt_from_no_longer_version_and_no_more_videos_are_asked_for(evidence):
    copied = verification(Verdict.INCONCLUSIVE, learnt_from="own")
    steps = Page(page(evidence(result=copied))).said.split("What to do next")[1].split("How sure")[0]
    assert "Lay it beside the video that the reason names" in steps
    assert "has to learn it without that video" in steps
    assert "longer" not in steps
    assert "can add videos" not in steps


def test_an_answer_by_less_than_is_usual_says_so_at_its_head_and_in_the_line_to_copy(evidence):
    asked = "asked for with --min-seconds 4; 10 s is the tool's least"
    said = f"A weaker answer: it rests on 7.0 s of movement, {asked}."
    shown = Page(page(evidence(result=verification(asked_for_less=asked)))).said
    assert said in shown.split("What this means")[0]
    copied = shown.split("To copy into an article")[1].split("What to do next")[0]
    assert said in copied
    assert "weaker answer" not in Page(page(evidence())).said


def test_an_interval_at_the_limit_of_the_profile_is_told_in_words(evidence):
    result = verification()
    at_limit = replace(result.decision, likelihood=LikelihoodRatio(-2.0, -2.0, -1.999, -2.0, 1.0, 0.3))
    sure = Page(page(evidence(result=replace(result, decision=at_limit)))).facts("The evidence")
    limit = "at the limit of what this profile can support"
    assert sure["95 % interval"] == f"none: all of it lies {limit}, 100 to 1 against to 10.0 to 1 for"
    assert sure["As log10"] == f"-2.00 ({limit})"


def test_a_profile_that_was_never_tested_is_said_to_be_so(evidence, profile):
    shown = Page(page(evidence(profile=replace(profile, self_test=None, weaknesses=("untested",)))))
    assert shown.facts("The evidence")["Its own test"] == "none: nobody knows how often it errs"
    assert shown.facts("The evidence")["Weak"] == "untested"
    unknown = replace(profile.self_test, n_other_clips=0, n_other_for=0, n_genuine_clips=40)
    shown = Page(page(evidence(profile=replace(profile, self_test=unknown))))
    assert shown.facts("The evidence")["Taken for Ada"] == "none tried"


def test_rates_stand_where_there_are_clips_enough_for_them(evidence, profile):
    many = replace(
        profile.self_test, n_genuine_clips=50, n_genuine_against=2, n_other_clips=50, eer=Estimate(None, None, None)
    )
    sure = Page(page(evidence(profile=replace(profile, self_test=many)))).facts("The evidence")
    assert "too few" not in sure["Tried on"]
    assert sure["Taken for somebody else"].startswith("2 of 50; ")
    assert sure["Equal error rate"] == "not known"


def test_the_videos_learnt_from_are_named_with_their_digests(evidence, profile):
    shown = Page(page(evidence()))
    rows = shown.table("The videos that Ada was learnt from")[1:]
    own = [video for video in profile.videos if video.role == "genuine"]
    assert [(name, digest) for name, _, digest in rows] == [(v.source_name, v.sha256 or "not known") for v in own]
    assert "different days and places is not known" in shown.said


def test_without_a_likelihood_ratio_the_scores_are_folded_away_with_a_warning(evidence):
    usable = page(evidence())
    assert "Scores that may not be used" not in usable
    bare = verification(Verdict.INCONCLUSIVE)
    bare = replace(bare, decision=replace(bare.decision, likelihood=None))
    text = page(evidence(result=bare))
    assert text.count("say nothing") == text.count("Scores that may not be used") == 1
    before, folded = text.split('<details class="long">\n<summary>The score over time, the strongest moments, and why')
    assert before.index("Scores that may not be used</h2>") < before.index("say nothing")
    folded, _ = folded.split("</section>\n</details>\n</section>")
    for name in ("scores", "moments", "why"):
        assert f'<h2 id="{name}">' in folded
        assert f'<h2 id="{name}">' not in before
    for shown in ("<svg", "<figure", "How the movement compares"):
        assert shown in folded
        assert shown not in before


def test_an_inconclusive_answer_begins_with_its_reason_and_says_what_to_do_next(evidence):
    result = verification(Verdict.INCONCLUSIVE)
    shown = Page(page(evidence(result=replace(result, reasons=("the head is turned away", "and more")))))
    assert "Not enough to say whether it is Ada who moves: the head is turned away." in shown.said
    assert "Look for a longer, wider or earlier version" in shown.said
    assert "faces are not recognised here" in shown.said


def test_a_file_that_broke_off_is_told_with_the_answer(evidence):
    head = Page(page(evidence())).said.split("What this means")[0]
    assert "The file seems incomplete: it broke. Get it again" in head


def test_hours_of_video_stay_under_a_megabyte(evidence):
    scores = np.random.default_rng(0).uniform(size=40_000)
    result = verification(scores=scores)
    text = page(evidence(result=result, moments=(), shots=(Span(0.0, 40_005.0),), unscored=()))
    assert len(text.encode()) < 1_000_000
    assert "of 40000; all of them are in the JSON file" in text
    assert len(shown_rows(40_000)) <= 4000
    assert len(shown_rows(8)) == 8


def test_time_codes_have_hours_only_where_there_are_any():
    assert [timecode(time_s) for time_s in (0, 5.99, 65, 3600, 36_065.5)] == [
        "0:00",
        "0:05",
        "1:05",
        "1:00:00",
        "10:01:05",
    ]


def test_the_json_says_what_the_page_says(evidence):
    plain = json.loads(json.dumps(evidence_as_dict(evidence()), allow_nan=False))
    assert plain["report_schema_version"] == 1
    assert plain["verification"]["verdict"] == "fake"
    assert plain["custody"]["clip"] == {"name": "clip.mp4", "sha256": "ef" * 32, "bytes": 1234567}
    assert plain["custody"]["profile"]["profile_json_sha256"] == "12" * 32
    assert plain["explanation"]["parts"][0]["name"] == "head"
    assert plain["explanation"]["holds_against"] is True
    comparisons = plain["comparisons"]
    assert (comparisons["stretch_s"], comparisons["n_enrolled_stretches"], comparisons["n_unusual"]) == (60.0, 64, 3)
    assert [one["told"] for one in comparisons["measures"]] == [True, True, True, False]
    assert comparisons["measures"][1] == {
        "measure": "speed",
        "parts": ["right wrist"],
        "unit": "torso sizes a second",
        "clip": 0.12,
        "enrolled_median": 0.35,
        "enrolled_5th_percentile": 0.28,
        "enrolled_95th_percentile": 0.42,
        "n_enrolled_stretches": 64,
        "n_enrolled_below_clip": 0,
        "n_enrolled_above_clip": 64,
        "distance_beyond_1_is_far": 1.5,
        "unusual": True,
        "told": True,
    }
    assert comparisons["not_compared_for_the_clip"] == [{"measure": "rising", "parts": ["right wrist", "left wrist"]}]
    assert plain["not_compared_because"] is None
    assert [moment["speaks"] for moment in plain["moments"]] == ["for", "against"]
    assert plain["quality"]["frames_per_s_looked_at"] == 25.0


def run(poseauth, home, *arguments):
    return poseauth("verify", *arguments, "--person", PERSON, "--home", home)


def test_verify_writes_a_page_and_its_json_and_two_runs_differ_in_the_times_alone(
    poseauth, speeches, home, tmp_path, monkeypatch
):
    clip = speeches / "test-other.npz"
    written = []
    for number, moment in enumerate(("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")):
        for module in ("cli.clip_check", "cli.clip_evidence"):
            monkeypatch.setattr(f"{module}.utc_now", lambda moment=moment: moment)
        target = tmp_path / str(number) / "clip.html"
        assert run(poseauth, home, clip, "--report", target)[0] == 0
        written.append((target.read_text(), json.loads(target.with_suffix(".json").read_text()), moment))
    (first, plain, early), (second, again, late) = written
    assert first != second
    assert first.replace(early, late) == second
    assert plain.pop("times_utc") == {"started": early, "finished": early}
    assert again.pop("times_utc") == {"started": late, "finished": late}
    assert plain == again
    assert list((tmp_path / "0").iterdir()) != []
    assert plain["custody"]["clip"]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert plain["custody"]["clip"]["bytes"] == clip.stat().st_size
    kept = next(home.glob("*/profile.json"))
    assert plain["custody"]["profile"]["profile_json_sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()


def test_a_frozen_wrist_is_told_on_the_page_and_in_the_json(poseauth, speeches, home, tmp_path):
    sequence = read_keypoints(speeches / "test-ada.npz")
    keypoints = sequence.keypoints.copy()
    keypoints[:, R_WRIST] = keypoints[:, NECK] + np.median(keypoints[:, R_WRIST] - keypoints[:, NECK], axis=0)
    frozen = keypoint_sequence(
        keypoints, sequence.confidence, sequence.timestamps_s, sequence.shot, provenance=sequence.provenance
    )
    write_keypoints(frozen, tmp_path / "frozen.npz")
    assert run(poseauth, home, tmp_path / "frozen.npz", "--report", tmp_path / "a.html")[0] == 0
    assert "The right wrist moves less than in 8 of 8 enrolled stretches" in seen_by_eye(
        (tmp_path / "a.html").read_text()
    )
    plain = json.loads((tmp_path / "a.json").read_text())["comparisons"]
    told = [one for one in plain["measures"] if one["told"]]
    assert ("speed", ["right wrist"], 8) in [
        (one["measure"], one["parts"], one["n_enrolled_above_clip"]) for one in told
    ]
    assert all("right wrist" in one["parts"] for one in told)


def test_keypoints_without_a_video_are_drawn_on_plain_ground_and_link_nowhere(poseauth, speeches, home, tmp_path):
    run(poseauth, home, speeches / "test-ada.npz", "--report", tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text()
    shown = Page(text)
    assert 1 <= len(shown.named("img")) <= 6
    assert not shown.named("a")
    pictures = sum(len(image["src"]) for image in shown.named("img"))
    assert len(text) - pictures < 100_000
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.is_file()) == ["a.html", "a.json"]


def test_a_video_of_any_name_is_linked_so_that_a_browser_finds_it(poseauth, speeches, home, tmp_path, monkeypatch):
    sequence = read_keypoints(speeches / "test-ada.npz")
    folder = tmp_path / "clips of #1"
    folder.mkdir()
    clip = render_video(sequence, folder / "javascript:50% of ada?.mp4")
    from keypoint_extractors.sources import SourceReader

    monkeypatch.setattr(SourceReader, "read", lambda self, path, **_: sequence)
    target = tmp_path / "pages" / "a.html"
    assert run(poseauth, home, clip, "--report", target)[0] == 0
    links = {link["href"] for link in Page(target.read_text()).named("a")}
    assert links
    for link in links:
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.query) == ("", "", "")
        assert parts.fragment.startswith("t=")
        assert (target.parent / unquote(parts.path)).resolve() == clip.resolve()


def test_a_folder_holds_a_page_a_clip_and_none_of_two_of_one_name_is_lost(poseauth, speeches, home, tmp_path, models):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(speeches / f"test-{'ada' if name == 'one' else 'other'}.npz", tmp_path / name / "clip.npz")
    (tmp_path / "note.mp4").write_text("no video")
    pages = tmp_path / "pages"
    status, _, err = run(
        poseauth, home, tmp_path / "one/clip.npz", tmp_path / "two/clip.npz", speeches / "short.npz",
        tmp_path / "note.mp4", tmp_path / "gone.mp4", "--report", pages,
    )  # fmt: skip
    assert status == 3
    names = ["clip.npz", "clip.npz (2)", "gone.mp4", "note.mp4", "short.npz"]
    assert sorted(entry.name for entry in pages.iterdir()) == sorted(
        ["index.html", *(f"{name}{ending}" for name in names for ending in (".html", ".json"))]
    )
    plain = {name: json.loads((pages / f"{name}.json").read_text()) for name in names}
    assert plain["clip.npz"]["verification"]["verdict"] == "authentic"
    assert plain["clip.npz (2)"]["verification"]["verdict"] == "fake"
    assert plain["short.npz"]["verification"]["status"] == "not analysed"
    assert plain["short.npz"]["quality"]["duration_s"] == pytest.approx(4.0, abs=0.1)
    assert plain["note.mp4"]["custody"]["clip"]["bytes"] == len("no video")
    assert plain["gone.mp4"]["custody"]["clip"]["sha256"] is None
    said = {name: Page((pages / f"{name}.html").read_text()).said for name in names[2:]}
    assert "5 s are needed" in said["short.npz"]
    assert "Look for a longer version" in said["short.npz"]
    for name in ("note.mp4", "gone.mp4"):
        assert "plays in a video player" in said[name]
        assert "longer" not in said[name]
    assert err.count("page of") == 5


def test_a_page_is_refused_for_several_clips_or_under_another_ending(poseauth, speeches, home, tmp_path):
    status, _, err = run(poseauth, home, speeches / "ada", "--report", tmp_path / "a.html")
    assert (status, "name a folder" in err) == (2, True)
    status, _, err = run(poseauth, home, speeches / "test-ada.npz", "--report", tmp_path / "a.pdf")
    assert (status, "must end in .html" in err) == (2, True)
    (tmp_path / "file").write_text("here")
    assert run(poseauth, home, speeches / "test-ada.npz", "--report", tmp_path / "file")[0] == 2
    status, _, err = run(poseauth, home, speeches / "test-ada.npz", "--report", tmp_path / "file" / "a.html")
    assert (status, "Name another --report" in err) == (1, True)


def test_a_profile_without_its_movement_gives_a_page_without_a_why(poseauth, speeches, home, tmp_path):
    clip = tmp_path / "a.npz"
    sequence = read_keypoints(speeches / "test-ada.npz")
    write_keypoints(
        keypoint_sequence(
            sequence.keypoints, sequence.confidence, sequence.timestamps_s, sequence.shot,
            provenance=Provenance("a", frame_width=1280, frame_height=720),
        ),
        clip,
    )  # fmt: skip
    from person_profiles.profile_files import ProfileFiles
    from poseauth.errors import ProfileDamagedError

    def damaged(self):
        raise ProfileDamagedError(f"the movement of {self.plain['name']} is damaged")

    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(ProfileFiles, "movement", damaged)
        assert run(poseauth, home, clip, "--report", tmp_path / "a.html")[0] == 0
    said = Page((tmp_path / "a.html").read_text()).said
    assert "Not looked into: the movement of Ada is damaged." in said
    assert "Not compared: the movement of Ada is damaged." in said
    assert Path(tmp_path / "a.json").is_file()
