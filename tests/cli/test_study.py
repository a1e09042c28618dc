"""`poseauth study` from labelled clips to tables: who should win does, and what goes wrong is a row that says so."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace

import pytest

from cli import study_run
from cli.main import main
from cli.study_clips import named_clips
from keypoint_extractors.drawing.speakers import speak
from poseauth.batch.worker_processes import Lost
from poseauth.keypoint_files import write_keypoints
from poseauth.study import rows as study_rows
from poseauth.study import summary as study_summary
from poseauth.study.preset_files import load_presets
from poseauth.study.presets import Preset
from tests.cli.parsed_page import Page
from tests.cli.study_clips import OWN, draw_study, write_table

PRESETS = ("pose-mean", "pose-tcn-4x64", "ann2020-cnn-128x3")
POSE, APPEARANCE = PRESETS[:2], PRESETS[2:]
DIVIDED = ("--split", "50,25,25")
SMALL = ("--tiny", "--no-pretrained", "--device", "cpu")


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    return draw_study(tmp_path_factory.mktemp("study"), 8)


def ended(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


@pytest.fixture(scope="session")
def done(table):
    """A study of three presets: where its files are."""
    out = table.parent / "out" / "study.json"
    arguments = ("study", table, "--presets", ",".join(PRESETS), *DIVIDED, *SMALL, "--fuse", "pose-mean")
    assert ended(*arguments, "--json", out, "--cache-dir", table.parent / "cache") == 0
    return out


@pytest.fixture
def told(done):
    return json.loads(done.read_text(encoding="utf-8"))


def of_attack(told, preset, attack):
    (found,) = [one for one in told["attacks"] if (one["preset"], one["attack"]) == (preset, attack)]
    return found


@pytest.mark.parametrize("preset", APPEARANCE)
def test_appearance_finds_swapped_faces_and_misses_puppets(told, preset):
    assert of_attack(told, preset, "face-swap")["auc"] == 1.0
    assert of_attack(told, preset, "puppet")["auc"] < 0.8


@pytest.mark.parametrize("preset", POSE)
def test_movement_finds_puppets_and_misses_swapped_faces_on_the_genuine_body(told, preset):
    assert of_attack(told, preset, "puppet")["auc"] == 1.0
    # The very movement of a real clip: each pair of the two is a tie.
    assert of_attack(told, preset, "face-swap")["auc"] == 0.5


def test_fusion_finds_both(told):
    (fused,) = told["fusion"]
    assert (fused["pose"], fused["appearance"], fused["reason"]) == ("pose-mean", "ann2020-cnn-128x3", "")
    assert fused["by_attack"]["face-swap"]["fusion"]["auc"] == 1.0
    assert fused["by_attack"]["puppet"]["fusion"]["auc"] == 1.0
    assert fused["test"]["fusion"]["accuracy"] == 1.0
    for alone in ("pose", "appearance"):
        assert fused["test"][alone]["accuracy"] < 1.0
        assert fused["test"][alone]["auc"] < 0.9


def test_the_clips_stand_on_one_side_by_group_and_are_counted(told):
    sides = {}
    for clip in told["clips"]:
        sides.setdefault(clip["group"], set()).add(clip["side"])
    assert all(len(side) == 1 for side in sides.values())
    for side, of in told["split"]["sides"].items():
        here = [clip for clip in told["clips"] if clip["side"] == side]
        assert of["n_real"] == of["n_groups"] == of["n_fake"] / 2 == len(here) / 3
        assert of["attacks"] == {"face-swap": of["n_groups"], "puppet": of["n_groups"]}


def test_every_row_has_all_its_figures(told):
    assert [row["preset"] for row in told["rows"]] == list(PRESETS)
    for row in told["rows"]:
        n_test = row["sides"]["test"]["n_real"] + row["sides"]["test"]["n_fake"]
        assert n_test == len([clip for clip in told["clips"] if clip["side"] == "test"])
        assert sum(row["sides"]["test"]["confusion"].values()) == n_test
        assert row["n_parameters"] > 0
        assert row["weights_bytes"] > 4 * row["n_parameters"]
        assert row["inference_ms_a_clip"] > 0
        assert row["training_s"] > 0
        assert len(row["scores"]) == len(told["clips"])
        if row["curve"]:
            losses = [epoch["validation_loss"] for epoch in row["curve"]]
            assert losses[row["best_loss_epoch"] - 1] == min(losses)


def test_the_csv_has_a_line_a_row_with_the_same_figures(done, told):
    with done.with_suffix(".csv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["preset"] for line in lines] == list(PRESETS)
    for line, row in zip(lines, told["rows"], strict=True):
        assert float(line["test_auc"]) == row["sides"]["test"]["auc"]
        assert int(line["test_fake_as_fake"]) == row["sides"]["test"]["confusion"]["fake_as_fake"]


def test_the_page_stands_alone_and_says_how_little_was_measured(done, told):
    page = Page(done.with_suffix(".html").read_text(encoding="utf-8"))
    shown = page.said
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "a"})
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in page.named("img"))
    assert len(page.named("img")) == sum(bool(row["curve"]) for row in told["rows"])
    assert len(page.table("Test clips by what they are")) == 1 + len(PRESETS)
    for words in ("detectors side by side", *PRESETS, "Movement and face together", "What the words mean"):
        assert words in shown
    n_test = sum(clip["side"] == "test" for clip in told["clips"])
    assert f"Measured on {n_test} test clips of" in shown
    assert "their figures say nothing of the detectors" in shown
    assert "http" not in shown


def fake_run(outcome_of, asked):
    """In the place of processes: outcomes by preset, and what was asked."""

    def run(tasks, make, n_processes, on_told, **options):
        for task in tasks:
            asked.append(task.name)
            yield task, outcome_of(task)

    return run


def again(poseauth, table, out, *more):
    arguments = ("study", table, "--presets", ",".join(PRESETS), *DIVIDED, *SMALL, "--fuse", "pose-mean")
    return poseauth(*arguments, "--json", out, "--cache-dir", table.parent / "cache", *more)


def test_a_study_that_was_killed_goes_on_where_it_was(poseauth, table, done, told, tmp_path, monkeypatch):
    lines = done.with_suffix(".rows.jsonl").read_bytes().splitlines(keepends=True)
    out = tmp_path / "study.json"
    out.with_suffix(".rows.jsonl").write_bytes(lines[0] + lines[1] + lines[2][:300])
    asked, kept = [], {row["preset"]: row for row in told["rows"]}
    monkeypatch.setattr(study_run, "run_in_processes", fake_run(lambda task: kept[task.name], asked))
    status, _, _ = again(poseauth, table, out)
    assert status == 0
    assert asked == [PRESETS[2]]
    assert json.loads(out.read_text())["rows"] == told["rows"]
    assert again(poseauth, table, out)[0] == 0
    assert asked == [PRESETS[2]]
    assert again(poseauth, table, out, "--seed", "1")[0] == 0  # other rows: all are asked for
    assert asked == [PRESETS[2], *PRESETS]


def test_nothing_is_fetched_unless_it_was_allowed(poseauth, table, told, tmp_path, monkeypatch):
    kept, found = {row["preset"]: row for row in told["rows"]}, []
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def outcome(task):
        found.append(os.environ.get("HF_HUB_OFFLINE"))
        return kept[task.name]

    monkeypatch.setattr(study_run, "run_in_processes", fake_run(outcome, []))
    again(poseauth, table, tmp_path / "a.json")
    again(poseauth, table, tmp_path / "b.json", "--allow-download")
    assert found == ["1"] * 3 + [None] * 3
    assert "HF_HUB_OFFLINE" not in os.environ


def test_a_row_that_failed_says_why_and_the_others_go_on(poseauth, table, told, tmp_path, monkeypatch):
    kept = {row["preset"]: row for row in told["rows"]}
    kept["pose-mean"] = Lost("2 processes died over it, the last by SIGKILL")
    kept["ann2020-cnn-128x3"] = Lost("ValueError in a.py:1: <b>")
    monkeypatch.setattr(study_run, "run_in_processes", fake_run(lambda task: kept[task.name], []))
    out = tmp_path / "study.json"
    status, said, _ = again(poseauth, table, out)
    assert status == 3
    found = json.loads(out.read_text())
    assert [row["status"] for row in found["rows"]] == ["failed", "done", "failed"]
    assert "SIGKILL. A process that is killed has mostly run out of memory" in found["rows"][0]["reason"]
    assert "SIGKILL" in said
    assert "<b>" not in out.with_suffix(".html").read_text()
    asked = []
    monkeypatch.setattr(study_run, "run_in_processes", fake_run(lambda task: told["rows"][0], asked))
    again(poseauth, table, out)
    assert asked == ["pose-mean", "ann2020-cnn-128x3"]  # a failure is tried again


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (MemoryError(), "out of memory", "A smaller batch, or fewer and smaller frames, need less"),
        (FloatingPointError("the training loss is no longer a number"), "failed", "no longer a number"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out of memory", "CUDA out of memory. Tried"),
    ],
    ids=["here", "loss", "device"],
)
def test_what_a_row_runs_out_of_is_a_row(monkeypatch, error, status, words):
    def teach(*_, **__):
        raise error

    monkeypatch.setattr(study_rows, "teach_preset", teach)
    preset = load_presets()["pose-mean"]
    task = study_rows.RowTask("key", preset, preset.name, None, 1, 0, False, "cpu")
    row = study_rows.RowWork(())(task, lambda epoch: None)
    assert (row["status"], row["key"]) == (status, "")
    assert words in row["reason"]


def test_what_nobody_foresaw_is_left_to_the_process_that_reports_it(monkeypatch):
    monkeypatch.setattr(study_rows, "teach_preset", lambda *_, **__: [][0])
    preset = load_presets()["pose-mean"]
    with pytest.raises(IndexError):
        study_rows.RowWork(())(study_rows.RowTask("", preset, "a", None, 1, 0, False, "cpu"), lambda epoch: None)


def test_every_preset_is_taught_and_asked_end_to_end(table, tmp_path, monkeypatch):
    with table.open(encoding="utf-8", newline="") as stream:
        _, *rows = csv.reader(stream)
    few = write_table(table.parent / "few.csv", [row for row in rows if row[2] < "speech 4"])
    tiny = Preset.tiny

    def shorter(preset):
        found = tiny(preset)
        return replace(found, training=replace(found.training, epochs=2)) if found.training else found

    monkeypatch.setattr(Preset, "tiny", shorter)
    out = tmp_path / "study.json"
    status = ended(
        "study", few, "--presets", "all", *DIVIDED, *SMALL, "--json", out, "--cache-dir", table.parent / "cache"
    )
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [(row["preset"], row["reason"]) for row in found["rows"] if row["status"] != "done"] == []
    assert [row["preset"] for row in found["rows"]] == list(load_presets())
    assert len(found["fusion"]) == sum(preset.family == "appearance" for preset in load_presets().values())
    assert status == 0


@pytest.mark.heavy
def test_presets_of_full_size_win_where_they_should(table, tmp_path):
    out, own = tmp_path / "study.json", tmp_path / "own.toml"
    own.write_text(
        """
        [presets.mesonet]
        title = "MesoNet-4 over ten frames"
        source = "a preset of one's own: with 150 frames it takes a quarter of an hour"
        face_network.backbone = "mesonet4"
        face_network.n_frames = 10
        training.batch = 8
        training.epochs = 25
        training.optimiser = { kind = "adam", rate = 1e-3 }
        """,
        encoding="utf-8",
    )
    arguments = ("study", table, "--presets", "pose-profile,agarwal2019-logistic", "--preset-file", own, *DIVIDED)
    how = ("--fuse", "pose-profile", "--no-pretrained", "--device", "cpu")
    assert ended(*arguments, *how, "--json", out, "--cache-dir", table.parent / "cache") == 0
    told = json.loads(out.read_text(encoding="utf-8"))
    for preset in ("pose-profile", "agarwal2019-logistic"):
        assert of_attack(told, preset, "puppet")["auc"] == 1.0
        assert of_attack(told, preset, "face-swap")["auc"] == 0.5
    assert of_attack(told, "mesonet", "face-swap")["auc"] == 1.0
    assert of_attack(told, "mesonet", "puppet")["auc"] < 0.8
    (fused,) = told["fusion"]
    assert fused["by_attack"]["face-swap"]["fusion"]["auc"] == 1.0
    assert fused["by_attack"]["puppet"]["fusion"]["auc"] == 1.0


def test_repeats_and_lengths_are_rows_of_their_own(poseauth, table, told, tmp_path, monkeypatch):
    asked = []

    def outcome(task):
        asked.append((task.name, task.preset.model.window_frames, task.seed))
        row = next(row for row in told["rows"] if row["preset"] == task.name)
        return {**row, **study_rows.row_head(task), "key": task.key}

    monkeypatch.setattr(study_run, "run_in_processes", fake_run(outcome, []))
    out = tmp_path / "study.json"
    status, _, err = again(
        poseauth, table, out, "--presets", "pose-mean,pose-tcn-4x64,pose-profile", "--sequence-lengths", "20,30",
        "--repeats", "2", "--seed", "7",
    )  # fmt: skip
    assert status == 0
    assert asked == [(name, length, seed) for name in POSE for length in (20, 30) for seed in (7, 8)]
    assert "left out: pose-profile: a profile knows windows of 150 frames only" in err
    found = json.loads(out.read_text())
    assert [(one["preset"], one["length"], one["n_done"]) for one in found["summary"]] == [
        (name, length, 2) for name in POSE for length in (20, 30)
    ]
    assert found["summary"][0]["test"]["auc_sd"] == 0.0
    shown = Page(out.with_suffix(".html").read_text(encoding="utf-8"))
    assert "By sequence length" in shown.said
    assert any(image["alt"].startswith("Accuracy and AUC of test clips over") for image in shown.named("img"))
    assert study_summary.fusion_partner(found["rows"], "pose-mean") == ("pose-mean", 30)
    assert study_summary.fusion_partner(found["rows"], "pose-profile") is None


def test_a_folder_is_read_by_its_folders(tmp_path):
    for name in ("real/a.mp4", "real/day/b.mp4", "fake/c.mp4", "fake/swap/d.mp4", "fake/swap/e.npz", "fake/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {clip.name: (clip.label, clip.attack, clip.group) for clip in named_clips(tmp_path)}
    assert found == {
        "real/a.mp4": ("real", "", ""),
        "real/day/b.mp4": ("real", "", ""),
        "fake/c.mp4": ("fake", "", ""),
        "fake/swap/d.mp4": ("fake", "swap", ""),
        "fake/swap/e.npz": ("fake", "swap", ""),
    }


def test_what_is_no_study_is_a_mistake_in_words(poseauth, tmp_path):
    (tmp_path / "real").mkdir()
    for arguments, words in (
        ((tmp_path,), "no folder fake in it"),
        ((write_table(tmp_path / "a.csv", [("a.mp4", "maybe")], ("path", "label")),), "line 2: label 'maybe'"),
        (
            (write_table(tmp_path / "b.csv", [("a.mp4", "1"), ("a.mp4", "0")], ("path", "label")),),
            "lines 2 and 3 name one clip",
        ),
        ((write_table(tmp_path / "c.csv", [("a.mp4",)], ("path",)),), "no column label"),
        ((), "say which clips"),
        ((tmp_path, "--split", "1,2"), "three numbers above 0"),
        ((tmp_path, "--sequence-lengths", "1"), "at least 2 frames"),
        ((tmp_path, "--presets", "hada2022-mesonet", "--fuse", "pose-mean"), "none is chosen"),
    ):
        status, _, err = poseauth("study", *arguments)
        assert (status, words in " ".join(err.split())) == (2, True), err
    assert poseauth("study", tmp_path, "--presets", "nothing")[0] == 1


def test_clips_of_keypoints_alone_serve_the_pose_presets_and_too_few_are_an_error(poseauth, tmp_path, monkeypatch):
    for i in range(6):
        for label, style in (("real", OWN), ("fake", OWN)):
            sequence = speak(style, duration_s=5.2, seed=10 * i + (label == "fake"))
            write_keypoints(sequence, tmp_path / "clips" / label / f"{i}.npz")
    out = tmp_path / "study.json"
    arguments = ("study", tmp_path / "clips", *SMALL, "--no-cache", "--json", out)
    status, _, err = poseauth(*arguments, "--presets", "pose-mean,hada2022-mesonet")
    assert "12 of 12 clips name no group" in err
    assert "no faces for appearance presets: keypoints alone" in err
    assert status == 3
    found = json.loads(out.read_text())
    assert [row["status"] for row in found["rows"]] == ["done", "failed"]
    assert "0 examples of real and 0 of fake train clips" in found["rows"][1]["reason"]
    assert "rewarded for knowing them again" in out.with_suffix(".html").read_text()
    for path in (tmp_path / "clips" / "fake").glob("[1-9].npz"):
        path.unlink()
    status, _, err = poseauth(*arguments, "--presets", "pose-mean")
    assert status == 1
    assert "6 real and 1 fake clips in 7 groups cannot be divided" in err


def test_the_presets_are_listed(poseauth):
    status, said, err = poseauth("study", "--list")
    assert status == 0
    assert "optimiser_search" in err
    assert [line.split()[0] for line in said.splitlines()] == list(load_presets())
