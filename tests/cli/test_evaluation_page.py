"""The page of an evaluation: nothing from elsewhere, every trial, nothing of a table taken for markup."""

from __future__ import annotations

import base64

import pytest

from cli.evaluation_page import FIGURE_WORDS, page
from tests.cli.parsed_page import Page

NOTHING = {"value": None, "low": None, "high": None}


def estimate(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def trial(path="a.mp4", **cells):
    return {"person": "ada", "path": path, "label": "genuine", "attack": None, "score": 1.25, "reason": None, **cells}


@pytest.fixture
def told():
    figures = {name: NOTHING for name in FIGURE_WORDS} | {
        "auc": estimate(0.875, 0.8321, 0.91),
        "fmr": estimate(0.0625, 0.0, 0.125),
        "eer": estimate(0.1),
    }
    kinds = {"puppet": {"n_trials": 4, "clips": figures, "windows": figures}}
    kinds["zero-effort"] = {"n_trials": 9, "clips": figures | {"fmr": estimate(0.5)}, "windows": figures}
    return {
        "poseauth_version": "1.2.3", "set": "open", "seed": 7, "n_resamples": 30, "recipe": "default",
        "definitions": {"cllr": "bits of it"}, "calibration": {"clips": "none", "windows": "none"},
        "n": {"people": 3, "recordings": 2, "trainings": 1, "not_analysed": 1},
        "clips": figures, "windows": figures, "by_attack": kinds, "not_enrolled": [],
        "scores": [
            trial(), trial("b.mp4", label="fake", attack="puppet", score=-0.5),
            trial("c.mp4", score=None, reason="5 s are needed"),
        ],
    }  # fmt: skip


def test_the_first_sentence_says_how_many_which_set_and_that_it_is_body_movement_only(told):
    head = page(told, {}).split("<main>")[0]
    assert "3 trials (2 genuine, 1 fake) on 2 recordings held against 3 enrolled people under 1 training" in head
    assert "1 of them could not be analysed" in head
    assert "Open set: no impostor&#x27;s person was learnt from" in head
    assert "Body movement only." in head
    told["set"] = "closed"
    assert "which flatters" in page(told, {}).split("<main>")[0]


def test_nothing_comes_from_elsewhere_and_nothing_runs(told):
    shown = Page(page(told, {"det": b"png"}))
    assert {tag for tag, _ in shown.tags}.isdisjoint({"script", "link", "iframe", "object", "a"})
    for _, attributes in shown.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:").startswith("data:")
    text = page(told, {"det": b"png"})
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_figures_of_clips_and_windows_stand_with_their_intervals_and_none_is_not_known(told):
    told["windows"] = told["windows"] | {"auc": estimate(0.75)}
    rows = {row[0].split(":")[0]: row[1:] for row in Page(page(told, {})).table("Figures of whole clips")}
    assert rows["Figure"] == ["Clips", "Windows"]
    assert rows["AUC"] == ["0.875 (0.832 to 0.910)", "0.750"]
    assert rows["FMR"][0] == "6.2 % (0.0 % to 12.5 %)"
    assert rows["Cllr"] == ["not known", "not known"]
    assert len(rows) == 1 + len(FIGURE_WORDS)


def test_every_attack_stands_beside_the_plain_impostors_who_come_first(told):
    _, plain, attack = Page(page(told, {})).table("Every kind of attack")
    assert plain[:3] == ["zero-effort: plain impostors", "9", "50.0 %"]
    assert attack[:3] == ["puppet", "4", "6.2 % (0.0 % to 12.5 %)"]
    del told["by_attack"]["zero-effort"]
    assert "No plain impostor was tried" in page(told, {})


def test_every_trial_stands_with_its_score_or_why_there_is_none(told):
    assert Page(page(told, {})).table("Every trial")[1:] == [
        ["a.mp4", "ada", "genuine", "", "+1.25", ""],
        ["b.mp4", "ada", "fake", "puppet", "-0.50", ""],
        ["c.mp4", "ada", "genuine", "", "none", "5 s are needed"],
    ]


def test_what_a_table_holds_is_never_taken_for_markup_and_cannot_turn_the_text_round(told):
    evil = "<script>alert('x')</script>\"&\u202e\x00"
    told["scores"] = [trial(evil, person=evil, attack=evil, score=None, reason=evil)]
    told["by_attack"] = {evil: told["by_attack"]["puppet"]}
    told["not_enrolled"] = [{"person": evil, "path": evil, "reason": evil}]
    text = page(told, {})
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    shown = "<script>alert('x')</script>\"&\\u202e\\x00"
    assert Page(text).table("Every trial")[1] == [shown, shown, "genuine", shown, "none", shown]
    assert Page(text).table("Recordings to learn from")[1] == [shown] * 3


def test_a_files_name_that_is_no_utf8_can_be_written(told):
    told["scores"] = [trial("\udcff.mp4")]
    assert page(told, {}).encode("utf-8")


def test_plots_stand_in_the_page_with_words_for_who_cannot_see_them(told):
    images = Page(page(told, {"det": b"one", "tippett": b"two"})).named("img")
    assert [base64.b64decode(image["src"].split(",")[1]) for image in images] == [b"one", b"two"]
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in images)
    assert "None: genuine clips and others are both needed" in page(told, {})


def test_tables_tell_a_screen_reader_what_heads_what(told):
    shown = Page(page(told, {}))
    assert len(shown.named("caption")) == len(shown.named("table")) == 3
    assert {head["scope"] for head in shown.named("th")} == {"col", "row"}
    assert shown.named("html")[0]["lang"] == "en"
    names = {heading["id"] for heading in shown.named("h2")}
    assert {section["aria-labelledby"] for section in shown.named("section")} == names


def test_the_ladder_is_a_table_where_it_was_asked_for_and_is_not_mentioned_otherwise(told):
    assert "other hands" not in page(told, {})
    told["ladder"] = {
        "mirrored": {
            "does": "left and right exchanged", "n": 3, "n_not_analysed": 1, "n_not_applicable": 2,
            "acceptance_changed": 0.25,
            "genuine": {"drift": estimate(-1.5, -2.0, -1.0)}, "impostor": {"drift": NOTHING},
            "not_analysed": [{"person": "ada", "clip": "a.mp4", "reason": "<nobody> in view"}],
        }
    }  # fmt: skip
    assert Page(page(told, {})).table("The same clips")[1] == [
        "mirrored: left and right exchanged", "-1.50 (-2.00 to -1.00)", "not known", "25.0 %", "3", "1", "2"
    ]  # fmt: skip
    assert Page(page(told, {})).table("Varied clips")[1] == ["a.mp4", "mirrored", "ada", "<nobody> in view"]
    told["ladder"]["mirrored"] |= {"acceptance_changed": None, "not_analysed": []}
    assert "Varied clips" not in page(told, {})
    assert Page(page(told, {})).table("The same clips")[1][3] == "not known"


def test_definitions_and_how_to_repeat_it_end_the_page(told):
    text = page(told, {})
    assert "<dt>cllr</dt>\n<dd>bits of it</dd>" in text
    assert "poseauth 1.2.3, recipe default, seed 7, 30 resamples" in text
