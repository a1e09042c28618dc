"""`poseauth evaluate` from tables to figures: JSON, CSV, plots, text and exit status."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from cli.evaluation_report import SCORE_COLUMNS, summary
from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.keypoint_files import write_keypoints

PEOPLE = ("ada", "bob", "cleo")
FIGURES = {"auc", "auc_pooled", "eer", "fmr", "fnmr", "accuracy", "min_dcf", "cllr", "cllr_min"}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three drawn people, two recordings each to learn from and two to try; short.npz is too short."""
    folder = tmp_path_factory.mktemp("recordings")
    for i, person in enumerate(PEOPLE):
        for n in range(4):
            clip = speak(STYLES[i], duration_s=14 if n < 2 else 11, seed=100 * i + n)
            write_keypoints(clip, folder / "clips" / f"{person}-{n}.npz")
    write_keypoints(speak(STYLES[0], duration_s=4, seed=9), folder / "clips" / "short.npz")
    return folder


def write_table(path, rows):
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)
    return path


def enrol_rows(people=PEOPLE):
    return [{"person": who, "path": f"clips/{who}-{n}.npz", "session": f"s{n}"} for who in people for n in (0, 1)]


def trial_rows(claimed=PEOPLE, actual=PEOPLE):
    return [
        {
            "person": who,
            "path": f"clips/{mover}-{n}.npz",
            "label": "genuine" if who == mover else "fake" if n == 3 else "impostor",
            "attack": "" if who == mover else "puppet" if n == 3 else "",
            "session": f"s{n}",
        }
        for who in claimed
        for mover in actual
        for n in (2, 3)
    ]


@pytest.fixture
def tables(recordings):
    """Writes both tables beside the clips; gives their paths."""

    def write(enrol=None, trials=None):
        return (
            write_table(recordings / "enrol.csv", enrol or enrol_rows()),
            write_table(recordings / "trials.csv", trials or trial_rows()),
        )

    return write


@pytest.fixture
def evaluate(poseauth, tmp_path):
    """Runs `poseauth evaluate` with few resamples; gives status, the JSON or None, stdout and stderr."""

    def run(*arguments):
        out = tmp_path / "out.json"
        status, said, err = poseauth("evaluate", "--json", out, "--resamples", 30, *arguments)
        return status, json.loads(out.read_text()) if out.exists() else None, said, err

    return run


def test_help_has_an_example(poseauth):
    status, out, _ = poseauth("evaluate", "--help")
    assert status == 0
    assert "poseauth evaluate --enrol enrol.csv --trials trials.csv --json out.json" in out


def test_open_set_gives_every_figure_with_its_interval_and_every_trials_score(evaluate, tables, tmp_path):
    enrol, trials = tables()
    status, told, said, err = evaluate("--enrol", enrol, "--trials", trials, "--scores", tmp_path / "scores.csv")
    assert status == 0
    assert told["set"] == "open"
    assert told["n"] == {
        "genuine": 6, "impostor": 6, "fake": 6, "people": 3, "recordings": 6, "trainings": 6, "of_unknown_person": 0,
        "not_analysed": 0,
    }  # fmt: skip
    for level in ("clips", "windows"):
        assert set(told[level]) == FIGURES
        for estimate in told[level].values():
            assert set(estimate) == {"value", "low", "high"}
        assert told[level]["auc"]["low"] <= told[level]["auc"]["value"] <= told[level]["auc"]["high"]
        assert "not a calibration that a profile carries" in told["calibration"][level]
    assert set(told["by_attack"]) == {"puppet", "zero-effort"}
    assert told["by_attack"]["puppet"]["n_trials"] == 6
    assert set(told["by_attack"]["puppet"]["windows"]) == FIGURES
    assert "training 6 of 6: cleo without bob" in err
    assert "open set: no impostor's person was learnt from" in said

    assert len(told["scores"]) == 18
    for score in told["scores"]:
        left_out = [training["left_out"] for training in score["by_training"]]
        others = [[who] for who in PEOPLE if who != score["person"]]
        assert left_out == (others if score["label"] == "genuine" else [[score["actual"]]])
        under = [training["score"] for training in score["by_training"]]
        assert score["score"] == pytest.approx(sum(under) / len(under))
        assert score["n_windows"] == len(score["by_training"][0]["window_scores"]) == 2
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert tuple(rows[0]) == SCORE_COLUMNS
    assert len(rows) == 12 + 2 * 6


def test_closed_set_trains_once_a_person_tells_drawn_people_apart_and_says_that_it_flatters(evaluate, tables, tmp_path):
    enrol, trials = tables()
    status, told, said, _ = evaluate("--enrol", enrol, "--trials", trials, "--closed", "--plots", tmp_path / "plots")
    assert status == 0
    assert (told["set"], told["n"]["trainings"]) == ("closed", 3)
    assert "flatters" in said
    assert told["clips"]["auc"]["value"] > 0.8
    assert told["clips"]["accuracy"]["value"] > 0.7
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        f"{kind}-{level}.png" for kind in ("calibration", "det", "tippett") for level in ("clips", "windows")
    ]


def test_the_page_holds_the_figures_every_trial_and_the_plots_and_a_folder_that_is_not_there_is_named(
    evaluate, poseauth, tables, tmp_path
):
    paths = with_tables(tables(trials=trial_rows(claimed=("ada",))))
    status, told, _, _ = evaluate(*paths, "--closed", "--page", tmp_path / "page.html")
    assert status == 0
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"{told['clips']['auc']['value']:.3f}" in written
    assert all(f'<th scope="row">{entry["path"]}</th>' in written for entry in told["scores"])
    assert written.count("data:image/png;base64,") == 3
    status, _, err = poseauth("evaluate", *paths, "--closed", "--page", tmp_path / "gone" / "page.html")
    assert status == 1
    assert "page.html cannot be written: No such file or directory" in err


def test_existing_profiles_are_used_as_they_are_without_an_enrolment_table(evaluate, speeches, home, tmp_path):
    shutil.copytree(speeches, tmp_path / "speeches")
    trials = write_table(
        tmp_path / "speeches" / "trials.csv",
        [
            {"person": "Ada", "path": "test-ada.npz", "label": "genuine"},
            {"person": "Ada", "path": "test-other.npz", "label": "impostor"},
        ],
    )
    status, told, _, _ = evaluate("--trials", trials, "--home", home)
    assert status == 0
    assert told["set"] == "existing profiles"
    assert told["clips"]["auc"]["value"] == 1.0
    assert told["n"]["of_unknown_person"] == 1


def test_what_a_profile_was_learnt_from_is_refused_as_a_trial(poseauth, speeches, home, tmp_path):
    trials = write_table(
        tmp_path / "trials.csv", [{"person": "Ada", "path": speeches / "ada" / "one.npz", "label": "genuine"}]
    )
    status, _, err = poseauth("evaluate", "--trials", trials, "--home", home)
    assert status == 1
    assert "one and the same recording" in err


def test_somebody_without_a_profile_is_named(poseauth, speeches, home, tmp_path):
    trials = write_table(tmp_path / "trials.csv", [{"person": "Eve", "path": speeches / "short.npz", "label": "fake"}])
    status, _, err = poseauth("evaluate", "--trials", trials, "--home", home)
    assert status == 1
    assert "Eve" in err


def test_tables_that_share_a_recording_or_a_session_are_refused_by_name(evaluate, tables):
    shared = {"person": "bob", "path": "clips/ada-0.npz", "label": "impostor", "attack": "", "session": ""}
    status, told, _, err = evaluate(*with_tables(tables(trials=[*trial_rows(), shared])))
    assert (status, told) == (1, None)
    assert "one and the same recording" in err
    trials = [{**row, "session": "s1"} for row in trial_rows()]
    status, told, _, err = evaluate(*with_tables(tables(trials=trials)))
    assert (status, told) == (1, None)
    assert "both from session s1 of ada" in err


def with_tables(paths):
    return "--enrol", paths[0], "--trials", paths[1]


def test_clips_that_cannot_be_analysed_are_named_and_leave_the_others(evaluate, tables):
    bad = [
        {"person": "ada", "path": name, "label": "genuine", "attack": "", "session": ""}
        for name in ("clips/short.npz", "clips/gone.npz")
    ]
    status, told, said, err = evaluate(*with_tables(tables(trials=[*trial_rows(claimed=("ada",)), *bad])), "--closed")
    assert status == 3
    assert told["n"]["not_analysed"] == 2
    lost = {score["path"]: score for score in told["scores"] if score["score"] is None}
    assert "5 s are needed" in lost["clips/short.npz"]["reason"]
    assert "no such file" in lost["clips/gone.npz"]["reason"]
    assert "gone.npz" in err
    assert "not analysed: 2" in said


def test_impostors_whom_nobody_knows_are_counted_and_warned_of_unless_the_table_names_them(evaluate, tables):
    trials = trial_rows(claimed=("ada",), actual=("ada", "bob"))
    status, told, _, err = evaluate(*with_tables(tables(trials=trials)))
    assert status == 0
    assert (told["n"]["of_unknown_person"], told["n"]["trainings"]) == (2, 1)
    assert "nobody knows who moves in 2" in err
    named = [{**row, "actual": row["path"][6:9]} for row in trials]
    _, told, _, err = evaluate(*with_tables(tables(trials=named)))
    assert told["n"]["of_unknown_person"] == 0
    assert "training 1 of 1: ada without bob" in err


def test_one_side_alone_gives_null_and_not_nan(evaluate, tables):
    trials = trial_rows(claimed=("ada",), actual=("ada",))
    status, told, said, _ = evaluate(*with_tables(tables(trials=trials)))
    assert status == 0
    assert {estimate["value"] for estimate in told["clips"].values()} == {None}
    assert told["by_attack"] == {}
    assert "auc                   -" in said


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"person": "ada", "path": "clips/ada-2.npz"}], "no column label"),
        ([{"person": "ada", "path": "clips/ada-2.npz", "label": "real"}], "label 'real'"),
        ([{"person": "ada", "path": "", "label": "genuine"}], "person or path is empty"),
        ([{"person": "ada", "path": "clips/ada-2.npz", "label": "genuine"}] * 2, "lines 2 and 3 hold one clip"),
        ([{"person": "ada", "path": "clips/ada-2.npz", "label": "fake", "actual": "ada"}], "cannot be fake"),
        ([{"person": "ada", "path": "clips/ada-2.npz", "label": "genuine", "actual": "bob"}], "cannot be genuine"),
    ],
    ids=["column", "label", "empty", "twice", "own fake", "another's genuine"],
)
def test_a_table_that_makes_no_sense_is_a_usage_error(evaluate, tables, rows, words):
    status, told, _, err = evaluate(*with_tables(tables(trials=rows)))
    assert (status, told) == (2, None)
    assert words in " ".join(err.split())


def test_closed_needs_an_enrolment_table(poseauth, tables):
    _, trials = tables()
    assert poseauth("evaluate", "--trials", trials, "--closed")[0] == 2


def test_the_table_for_the_terminal_shows_value_and_interval():
    nothing = {"value": None, "low": None, "high": None}
    figures = dict.fromkeys(FIGURES, nothing) | {"auc": {"value": 0.875, "low": 0.832, "high": 0.9161}}
    counts = ("genuine", "impostor", "fake", "people", "recordings", "trainings", "not_analysed")
    told = {
        "n": dict.fromkeys(counts, 1), "set": "open", "clips": figures, "windows": figures,
        "by_attack": {"puppet": {"n_trials": 4, "clips": figures, "windows": figures}},
        "calibration": {"clips": "none"},
    }  # fmt: skip
    lines = summary(told).splitlines()
    assert "auc                   0.875 (0.832 to 0.916)  0.875 (0.832 to 0.916)" in lines
    assert "puppet (4 trials)" in lines
