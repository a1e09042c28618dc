"""`poseauth evaluate` from tables to figures: JSON, CSV, plots, text and exit status."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from cli.evaluate import _extractor_of, _read_clips, _vary
from cli.evaluation_report import SCORE_COLUMNS, VariedTrial, cautions, ladder_figures, report, summary, write_text
from cli.labelled_table import TableRow
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.sources import SourceReader
from keypoint_extractors.variants import RUNGS, vary_keypoints
from person_profiles.scorers import ClipScore
from person_profiles.trials import Trial, TrialScore
from poseauth.errors import NobodyError, StorageError
from poseauth.keypoint_files import read_keypoints, write_keypoints
from poseauth.keypoints import ExtractorFingerprint
from tests.cli.parsed_page import Page
from tests.person_profiles.golden_profile import golden_profile

PEOPLE = ("ada", "bob", "cleo")
FIGURES = {
    *("auc", "auc_pooled", "eer", "fmr", "fnmr", "accuracy", "min_dcf", "cllr", "cllr_min"),
    *("judged", "cllr_judged", "cllr_min_judged"),
}


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


def test_the_page_holds_the_figures_every_trial_and_the_plots(evaluate, tables, tmp_path):
    paths = with_tables(tables(trials=trial_rows(claimed=("ada",))))
    status, told, _, _ = evaluate(*paths, "--closed", "--page", tmp_path / "page.html")
    assert status == 0
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"{told['clips']['auc']['value']:.3f}" in written
    assert all(f'<th scope="row">{entry["path"]}</th>' in written for entry in told["scores"])
    assert written.count("data:image/png;base64,") == 3


def test_a_page_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"page\.html cannot be written: No such file or directory"):
        write_text(tmp_path / "gone" / "page.html", "")


def test_the_ladder_tries_every_clip_again_under_the_same_trainings_and_changes_no_figure(evaluate, tables, tmp_path):
    named = [{**row, "actual": row["path"][6:-6]} for row in trial_rows(claimed=("ada",))]
    paths = with_tables(tables(trials=named))
    _, plain, _, _ = evaluate(*paths)
    status, told, said, err = evaluate(*paths, "--ladder", "--page", tmp_path / "page.html")
    assert status == 0
    rungs = told.pop("ladder")
    assert "variant's score minus" in told["definitions"].pop("ladder")
    assert told == plain
    assert "training 2 of 2: ada without cleo" in err
    assert list(rungs) == ["re-encoded", "smaller", "other rate", "mirrored"]
    for name in ("re-encoded", "smaller"):
        assert (rungs[name]["n"], rungs[name]["n_not_applicable"]) == (0, 6)
        assert rungs[name]["genuine"]["drift"] == {"value": None, "low": None, "high": None}
    for name in ("other rate", "mirrored"):
        rung = rungs[name]
        assert (rung["n"], rung["n_not_analysed"], rung["n_not_applicable"]) == (6, 0, 0)
        assert (rung["genuine"]["n"], rung["impostor"]["n"]) == (2, 4)
        for side in ("genuine", "impostor"):
            drift = rung[side]["drift"]
            assert drift["low"] <= drift["value"] <= drift["high"]
    slower, mirrored = (abs(rungs[name]["genuine"]["drift"]["value"]) for name in ("other rate", "mirrored"))
    assert slower < mirrored
    assert "after other hands" in said
    assert "mirrored: left and right exchanged" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_variant_that_is_a_copy_of_what_was_learnt_from_is_left_out_and_the_others_are_tried(
    evaluate, tables, recordings
):
    learnt = read_keypoints(recordings / "clips" / "ada-0.npz")
    write_keypoints(vary_keypoints(learnt, RUNGS[-1]), recordings / "clips" / "mirror-image.npz")
    bad = {"person": "ada", "path": "clips/mirror-image.npz", "label": "genuine", "attack": "", "session": ""}
    paths = with_tables(tables(trials=[*trial_rows(claimed=("ada",)), bad]))
    status, told, _, err = evaluate(*paths, "--closed", "--ladder")
    assert status == 0
    assert "mirrored, left out of the ladder: " in err
    assert "mirror-image.npz" in err
    assert (told["ladder"]["mirrored"]["n"], told["ladder"]["mirrored"]["n_not_analysed"]) == (7, 1)
    assert told["ladder"]["other rate"]["n_not_analysed"] == 0


def test_tables_that_are_refused_are_refused_before_a_clip_is_varied(evaluate, tables):
    shared = {"person": "ada", "path": "clips/ada-0.npz", "label": "genuine", "attack": "", "session": ""}
    status, told, _, err = evaluate(*with_tables(tables(trials=[shared])), "--ladder")
    assert (status, told) == (1, None)
    assert "varying" not in err
    stranger = {**shared, "person": "eve", "path": "clips/ada-2.npz"}
    status, _, _, err = evaluate(*with_tables(tables(trials=[stranger])), "--ladder")
    assert status == 1
    assert "eve" in err
    assert "varying" not in err


class ReaderOfFour:
    """Gives the same movement for every video, and fails on the smaller one."""

    limits = None

    def __init__(self, sequence):
        self.sequence, self.read_from = sequence, []

    def read(self, path, on_progress=None):
        assert path.is_file()
        self.read_from.append(path)
        if path.stem == "smaller":
            raise NobodyError(f"{path}: nobody in view")
        return self.sequence

    def close(self):
        pass


def test_a_video_is_varied_once_for_all_it_is_held_against_and_no_file_is_left(tmp_path, capsys):
    movement = speak(STYLES[0], duration_s=1, seed=1, width=64, height=48)
    path = render_video(movement, tmp_path / "clip.mp4")
    rows = [TableRow(2, path, {}), TableRow(3, path, {})]
    trials = [Trial("ada", movement, "genuine", "ada"), Trial("bob", movement, "impostor", "ada", "twin", "s1")]
    reader = ReaderOfFour(speak(STYLES[0], duration_s=1, seed=2))
    varied = _vary(reader, rows, trials)
    assert [one.stem for one in reader.read_from] == ["re-encoded", "smaller", "other rate", "mirrored"]
    assert not any(one.parent.exists() for one in reader.read_from)
    assert [(one.rung, one.original) for one in varied] == [(rung.name, number) for number in (0, 1) for rung in RUNGS]
    assert [one.trial is None for one in varied] == [False, True, False, False] * 2
    assert vars(varied[4].trial) == {**vars(trials[1]), "sequence": reader.sequence}
    assert "clip.mp4, smaller: " in capsys.readouterr().err


@pytest.fixture
def scored():
    """A trial's result with a score of one's own; clips of one seed are one recording."""

    def make(number, score, *, label="genuine", left_out=(), threshold=0.0, seed=None):
        clip = speak(STYLES[0], duration_s=1, seed=number if seed is None else seed)
        trial = Trial("ada", clip, label, "ada" if label == "genuine" else None)
        found = None if score is None else ClipScore(score, np.array([score]), np.zeros(1))
        return TrialScore(number, trial, left_out, found, threshold, "" if found else "too short")

    return make


def varied_as(*results, rung="mirrored"):
    return [(VariedTrial(rung, some[0].number, some[0].trial), some) for some in results]


def figures(originals, varied):
    return ladder_figures(originals, varied, does={"mirrored": "in a mirror"}, seed=0, n_resamples=50)["mirrored"]


def test_drift_is_variant_minus_original_by_trial_and_training_and_each_side_for_itself(scored):
    originals = [
        scored(0, 2.0, left_out=("bob",)), scored(0, 3.0, left_out=("cleo",)), scored(1, 1.0, left_out=("bob",)),
        scored(2, -1.0, label="impostor", left_out=("bob",)),
    ]  # fmt: skip
    told = figures(
        originals,
        varied_as(
            [scored(0, 2.5, left_out=("cleo",)), scored(0, 1.5, left_out=("bob",))],
            [scored(1, 0.5, left_out=("bob",))],
            [scored(2, 1.0, label="impostor", left_out=("bob",))],
        ),
    )
    assert told["genuine"]["drift"] == {"value": -0.5, "low": -0.5, "high": -0.5}
    assert told["impostor"]["drift"] == {"value": 2.0, "low": None, "high": None}
    assert (told["n"], told["genuine"]["n"], told["impostor"]["n"]) == (3, 2, 1)
    assert (told["genuine"]["acceptance_changed"], told["impostor"]["acceptance_changed"]) == (0.0, 1.0)
    assert told["acceptance_changed"] == 0.25


def test_variants_that_cannot_be_analysed_are_counted_and_clips_that_could_not_be_in_the_first_place_are_not(scored):
    originals = [scored(0, 2.0), scored(1, 1.0), scored(2, None), scored(3, 1.0)]
    lost = (VariedTrial("mirrored", 3, None, "nobody in view"), [])
    told = figures(originals, [*varied_as([scored(0, 1.0)], [scored(1, None)], [scored(2, 1.0)]), lost])
    assert (told["n"], told["n_not_analysed"], told["n_not_applicable"]) == (3, 2, 0)
    assert [entry["reason"] for entry in told["not_analysed"]] == ["too short", "nobody in view"]
    assert told["not_analysed"][0]["clip"] == originals[1].trial.sequence.provenance.source_name
    assert told["genuine"]["drift"]["value"] == -1.0


def test_without_a_threshold_no_decision_changes(scored):
    told = figures([scored(0, 2.0, threshold=None)], varied_as([scored(0, -2.0, threshold=None)]))
    assert told["acceptance_changed"] is None
    assert told["genuine"]["drift"]["value"] == -4.0


def test_the_interval_of_a_drift_draws_recordings_and_not_trials(scored):
    originals = [scored(0, 1.0, seed=5), scored(1, 1.0, seed=5)]
    told = figures(originals, varied_as([scored(0, 2.0, seed=5)], [scored(1, 4.0, seed=5)]))
    assert told["genuine"]["drift"] == {"value": 2.0, "low": None, "high": None}


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
    assert "clips/short.npz, held against ada, not analysed: " in err
    assert "clips/gone.npz, held against" not in err  # named when it was to be read


def test_a_row_that_names_a_folder_is_told_and_not_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("keypoint_extractors.sources._clips_in", lambda *_: pytest.fail("it may be a whole disk"))
    write_keypoints(speak(STYLES[0], duration_s=1, seed=1), tmp_path / "folder" / "clip.npz")
    reader = SourceReader(lambda: pytest.fail("a keypoint file needs no extractor"))
    _, unread = _read_clips(reader, [tmp_path / "folder"])
    assert "a folder, and a row of a table is one clip" in unread[tmp_path / "folder"]


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
    assert told["clips"].pop("judged")["value"] == 1
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
    assert "trials.csv" in err


def test_the_figures_are_told_before_files_are_written_and_one_that_fails_costs_no_other(
    poseauth, tables, tmp_path, monkeypatch, home, speeches
):
    def full(path, told):
        raise StorageError(f"{path} cannot be written: No space left on device")

    monkeypatch.setattr("cli.evaluate.write_json", full)
    status, out, err = poseauth(
        "evaluate", "--trials", of_ada(speeches, tmp_path), "--home", home, "--resamples", 5,
        "--json", tmp_path / "out.json", "--scores", tmp_path / "new" / "deep" / "scores.csv",
        "--page", tmp_path / "pages" / "page.html", "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert (status, "out.json cannot be written: No space left" in err) == (1, True)
    assert "auc                   1.000" in out
    assert len(list(csv.DictReader((tmp_path / "new" / "deep" / "scores.csv").open()))) == 2
    assert (tmp_path / "pages" / "page.html").is_file()
    assert len(list((tmp_path / "plots").iterdir())) == 6


def of_ada(speeches, folder):
    """A table of a clip of Ada's and one of somebody else."""
    paths = (("test-ada", "genuine"), ("test-other", "impostor"))
    rows = [{"person": "Ada", "path": f"{speeches / name}.npz", "label": label} for name, label in paths]
    return write_table(folder / "trials.csv", rows)


def test_places_that_cannot_be_written_are_refused_before_a_clip_is_read(
    poseauth, speeches, home, tmp_path, n_read, monkeypatch
):
    trials = of_ada(speeches, tmp_path)
    before = trials.read_bytes()
    arguments = ("evaluate", "--trials", trials, "--home", home)
    status, _, err = poseauth(*arguments, "--page", trials / "page.html")
    assert (status, f"{trials} is no folder. Name another place" in err) == (1, True)
    status, _, err = poseauth(*arguments, "--scores", trials)
    assert (status, "results would be written over" in err) == (2, True)
    status, _, err = poseauth(*arguments, "--json", tmp_path / "x", "--page", tmp_path / "x")
    assert (status, "results would be written over" in err) == (2, True)

    def locked(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("poseauth.whole_files.tempfile.TemporaryFile", locked)
    status, _, err = poseauth(*arguments, "--json", tmp_path / "x")
    assert (status, "x cannot be written: Permission denied. Name another place" in err) == (1, True)
    assert trials.read_bytes() == before
    assert n_read == []


def test_people_whom_nobody_enrols_are_told_before_a_clip_is_read(poseauth, tables, home, n_read):
    enrol, trials = tables(trials=[{"person": "eve", "path": "clips/ada-2.npz", "label": "genuine"}])
    status, _, err = poseauth("evaluate", "--enrol", enrol, "--trials", trials)
    assert status == 1
    assert "trials.csv holds clips against eve, whom" in err
    assert "It enrols ada, bob, cleo" in err
    status, _, err = poseauth("evaluate", "--trials", trials, "--home", home)
    assert (status, "eve is not enrolled" in err) == (1, True)
    assert n_read == []


def test_few_clips_of_a_side_are_too_few_for_rates(evaluate, tables):
    status, told, said, _ = evaluate(*with_tables(tables(trials=trial_rows(claimed=("ada",)))), "--closed")
    assert status == 0
    assert told["few_clips"] == {"genuine": 2, "impostor": 4, "needed_of_a_side": 40}
    assert "2 genuine clips and 4 of impostors or fakes are far too few for rates, which take 40 of a side" in said
    assert "where 0 of 2 went wrong, up to 84% may (exact 95 % interval)" in said


def result(recording, *, genuine=True, judged=True, log10_lr=0.5, claimed="ada"):
    """A trial of one of many recordings as it was scored."""
    label, actual = ("genuine", claimed) if genuine else ("impostor", None)
    sequence = speak(STYLES[0], duration_s=0.2, seed=recording)
    scored = ClipScore(
        0.5 if genuine else -0.5, np.zeros(1), np.zeros(1), log10_lr, None if log10_lr is None else np.zeros(1), judged
    )
    return TrialScore(recording, Trial(claimed, sequence, label, actual), (), scored, 0.0)


def test_so_many_clips_of_both_sides_that_rates_can_be_told_and_one_less():
    enough = [result(n, genuine=n % 2 == 0) for n in range(80)]
    assert report(enough, mode="open", seed=0, n_resamples=2)["few_clips"] is None
    one_less = report(enough[1:], mode="open", seed=0, n_resamples=2)["few_clips"]
    assert one_less == {"genuine": 39, "impostor": 40, "needed_of_a_side": 40}
    again = [*enough[1:], replace(enough[2], number=80)]  # the same recording once more is no other clip
    assert report(again, mode="open", seed=0, n_resamples=2)["few_clips"] == one_less


@pytest.mark.parametrize(
    ("mode", "results", "told", "not_told"),
    [
        ("existing profiles", {}, ["do not overlap", "ratio of 1 (a verdict"], ["enrolled anew", "side", "calibrated"]),
        ("open", {}, ["enrolled anew", "has not met them"], ["fitted on these trials"]),
        ("closed", {}, ["enrolled anew"], ["has not met them"]),
        ("open", {"judged": False}, ["1 of 2 trials, seen from another side than the enrolled videos, count as"], []),
        ("open", {"log10_lr": None}, ["not every profile is calibrated", "fitted on these trials"], []),
    ],
)
def test_what_the_ratios_have_not_in_common_with_those_of_verify_is_told(mode, results, told, not_told):
    found = report([result(0, **results), result(1, genuine=False)], mode=mode, seed=0, n_resamples=2)
    (words,) = [words for words in cautions(found) if words.startswith("These are not the ratios that verify prints")]
    assert all(part in words for part in told)
    assert not any(part in words for part in not_told)
    assert not [words for words in cautions({}) if words]


def test_the_cautions_stand_on_the_page(evaluate, tables, tmp_path):
    paths = with_tables(tables(trials=trial_rows(claimed=("ada",))))
    _, told, said, _ = evaluate(*paths, "--closed", "--page", tmp_path / "page.html")
    shown = Page((tmp_path / "page.html").read_text(encoding="utf-8")).said
    assert len(cautions(told)) == 2
    for words in cautions(told):
        assert words in said
        assert words in shown


def test_clips_of_another_extractor_than_the_profile_s_are_not_tried_and_its_own_is_taken(
    poseauth, speeches, home, tmp_path, monkeypatch
):
    shown = read_keypoints(speeches / "test-ada.npz")
    foreign = replace(shown.provenance, extractor=ExtractorFingerprint("other", "1", "0" * 64))
    write_keypoints(replace(shown, provenance=foreign), tmp_path / "foreign.npz")
    trials = write_table(
        tmp_path / "trials.csv",
        [
            {"person": "Ada", "path": "foreign.npz", "label": "genuine"},
            {"person": "Ada", "path": f"{speeches / 'test-other.npz'}", "label": "impostor"},
        ],
    )
    out = tmp_path / "out.json"
    status, _, _ = poseauth("evaluate", "--trials", trials, "--home", home, "--json", out, "--resamples", 5)
    assert status == 3
    lost, _ = json.loads(out.read_text())["scores"]
    assert "Two estimators do not place a wrist alike" in lost["reason"]
    assert "--any-extractor" not in lost["reason"]


def test_the_profiles_say_which_extractor_is_taken():
    def kept(*names):
        some = [ExtractorFingerprint(name, "1", "0" * 64) if name else None for name in names]
        return {str(n): (replace(golden_profile(), extractor=one), ()) for n, one in enumerate(some)}

    assert _extractor_of(kept("mediapipe", "mediapipe")) == "mediapipe"
    assert _extractor_of(kept("mediapipe", "yolo")) == "auto"
    assert _extractor_of(kept(None)) == "auto"
    assert _extractor_of(kept("an estimator of one's own")) == "auto"


def test_paths_seen_from_here_and_not_from_the_table_are_told(poseauth, speeches, home, tmp_path, monkeypatch):
    monkeypatch.chdir(speeches)
    trials = write_table(tmp_path / "t.csv", [{"person": "Ada", "path": "test-ada.npz", "label": "genuine"}])
    status, _, err = poseauth("evaluate", "--trials", trials, "--home", home)
    assert (status, "A path in a table is seen from the table's folder" in err) == (3, True)


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


def test_the_table_for_the_terminal_shows_how_scores_drift():
    nothing = {"value": None, "low": None, "high": None}
    rung = {
        "does": "", "n": 8, "n_not_analysed": 2, "n_not_applicable": 1, "acceptance_changed": 0.125,
        "genuine": {"drift": {"value": -0.5, "low": -1.0, "high": 0.25}}, "impostor": {"drift": nothing},
    }  # fmt: skip
    counts = ("genuine", "impostor", "fake", "people", "recordings", "trainings", "not_analysed")
    none = dict.fromkeys(FIGURES, nothing)
    told = {
        "n": dict.fromkeys(counts, 1), "set": "open", "clips": none, "windows": none, "by_attack": {},
        "calibration": {"clips": "none"}, "ladder": {"mirrored": rung},
    }  # fmt: skip
    assert (
        "  mirrored            -0.50 (-1.00 to +0.25)  -                       12.5% (8 trials; 2 not analysed; "
        "1 not applicable)" in summary(told).splitlines()
    )
