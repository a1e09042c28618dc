"""Folders and tables of clips: what is known stays, what failed is tried again, and how many run at a time is nobody's
business."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli import clip_batch
from cli.clip_batch import usual_jobs
from keypoint_extractors import sources
from keypoint_extractors.drawing.figure import LOOKS
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.batch.worker_processes import Lost
from poseauth.keypoint_files import read_keypoints, write_keypoints
from tests.cli.conftest import put_clips
from tests.cli.parsed_page import Page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(speeches, tmp_path):
    """Three clips that can be answered, one that is too short, one that is no video."""
    return put_clips(speeches, tmp_path / "clips", more="ada/one", named="learnt", note="note.mp4")


def rows_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def verdicts(path):
    return {Path(row["source"]).name: row["verdict"] or "" for row in rows_of(path)}


EXPECTED = {"short.npz": "", "note.mp4": "", "test-ada.npz": "authentic", "test-other.npz": "fake"}


@pytest.mark.parametrize("name", ["results.csv", "results.jsonl"])
def test_a_second_run_reads_only_what_was_not_analysed(verify, folder, tmp_path, n_read, name):
    table = tmp_path / name
    assert verify(folder, "--output", table)[0] == 3
    assert sorted(n_read) == sorted(EXPECTED)
    assert verdicts(table) == EXPECTED
    first = table.read_bytes()
    n_read.clear()
    status, out, err = verify(folder, "--output", table)
    assert status == 3
    assert sorted(n_read) == ["note.mp4", "short.npz"]
    assert table.read_bytes() == first
    assert f"AUTHENTIC (Ada), known from {table}" in out
    assert "2 of them known before" in err


def test_a_clip_under_a_new_name_is_known_and_its_row_has_the_new_name(verify, folder, tmp_path, n_read):
    table = tmp_path / "results.csv"
    verify(folder, "--output", table)
    (folder / "test-ada.npz").rename(folder / "renamed.npz")
    n_read.clear()
    verify(folder, "--output", table)
    assert "renamed.npz" not in n_read
    assert verdicts(table)["renamed.npz"] == "authentic"


def test_a_changed_clip_a_changed_profile_and_a_changed_option_are_analysed_again(
    verify, poseauth, folder, home, speeches, tmp_path, n_read
):
    table = tmp_path / "results.csv"
    clip = folder / "test-ada.npz"
    verify(clip, "--output", table)
    before = rows_of(table)[0]["key"]
    keys = {before}

    def again(*options):
        n_read.clear()
        verify(clip, "--output", table, *options)
        (row,) = rows_of(table)
        return row["key"], list(n_read)

    assert again() == (before, [])
    key, read = again("--min-seconds", "6")
    assert (key in keys, read) == (False, [clip.name])
    keys.add(key)
    key, read = again()  # the row of the other options gave way
    assert (key, read) == (before, [clip.name])
    shutil.copy(speeches / "test-other.npz", clip)
    key, read = again()
    assert (key in keys, read) == (False, [clip.name])
    keys.add(key)
    status, _, err = poseauth(
        "enroll", "--person", "Ada", "--again", "--impostor", speeches / "others", "--seed", "1", "--home", home
    )
    assert status == 0, err
    key, read = again()
    assert (key in keys, read) == (False, [clip.name])


def test_a_run_that_was_cut_short_goes_on_where_it_stopped(verify, folder, tmp_path, n_read, monkeypatch):
    table = tmp_path / "results.csv"
    add = clip_batch.ClipBatch._tell
    done = []

    def interrupted(self, *arguments):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(arguments)
        add(self, *arguments)

    monkeypatch.setattr(clip_batch.ClipBatch, "_tell", interrupted)
    status, _, err = verify(folder, "--output", table)
    assert status == 130
    assert "goes on from there" in err
    assert len(rows_of(table)) == 3
    monkeypatch.setattr(clip_batch.ClipBatch, "_tell", add)
    n_read.clear()
    assert verify(folder, "--output", table)[0] == 3
    assert "test-ada.npz" not in n_read
    assert verdicts(table) == EXPECTED


def test_copies_are_analysed_once_and_each_has_its_row(verify, folder, tmp_path, n_read):
    shutil.copy(folder / "test-ada.npz", folder / "a copy.npz")
    table = tmp_path / "results.csv"
    _, out, _ = verify(folder, "--output", table)
    assert len({"a copy.npz", "test-ada.npz"} & set(n_read)) == 1
    assert verdicts(table) == {**EXPECTED, "a copy.npz": "authentic"}
    assert "which holds the same" in out


def test_several_at_a_time_give_the_same_table_as_one(verify, folder, tmp_path):
    shutil.copy(folder / "test-ada.npz", folder / "a copy.npz")
    tables = [tmp_path / f"{n_jobs}.csv" for n_jobs in (1, 2)]
    pages = [tmp_path / f"pages {n_jobs}" for n_jobs in (1, 2)]
    for n_jobs, table, page in zip((1, 2), tables, pages, strict=True):
        assert verify(folder, "--recursive", "--output", table, "--report", page, "--jobs", n_jobs)[0] == 3
    assert tables[0].read_text() == tables[1].read_text()
    assert sorted(path.name for path in pages[0].iterdir()) == sorted(path.name for path in pages[1].iterdir())
    assert (pages[0] / "index.html").read_text() == (pages[1] / "index.html").read_text()


def test_a_clip_that_loses_its_processes_is_a_row_and_tried_again(verify, folder, tmp_path, monkeypatch):
    table = tmp_path / "results.csv"

    def lost(pieces, work, on_told):
        for piece in pieces:
            yield piece, Lost("2 processes died over it, the last by SIGKILL")

    with monkeypatch.context() as patched:
        patched.setattr(clip_batch, "run_here", lost)
        status, out, _ = verify(folder / "test-ada.npz", "--output", table)
    assert status == 3
    (row,) = rows_of(table)
    assert (row["status"], row["verdict"], row["key"]) == ("not analysed", "", "")
    assert "the analysis failed: 2 processes died" in row["reasons"]
    assert "NOT ANALYSED" in out
    assert verify(folder / "test-ada.npz", "--output", table)[0] == 0
    assert verdicts(table) == {"test-ada.npz": "authentic"}


def test_a_known_answer_still_counts_for_fail_on(verify, folder, tmp_path):
    arguments = (folder / "test-other.npz", "--output", tmp_path / "results.csv", "--fail-on", "fake")
    assert [verify(*arguments)[0] for _ in range(2)] == [4, 4]


def test_json_has_every_answer_and_says_which_were_known(verify, folder, tmp_path):
    for name in ("results.csv", "results.jsonl"):
        arguments = (folder / "test-ada.npz", folder / "test-other.npz", "--output", tmp_path / name, "--json")
        first, second = (json.loads(verify(*arguments)[1]) for _ in range(2))
        assert [row["verdict"] for row in first] == [row["verdict"] for row in second] == ["authentic", "fake"]
        assert ["known_from" in row for row in first + second] == [False, False, True, True]


def test_rows_about_something_else_stay(verify, folder, tmp_path):
    table = tmp_path / "results.csv"
    verify(folder / "test-other.npz", "--output", table)
    verify(folder / "test-ada.npz", "--output", table)
    assert list(verdicts(table)) == ["test-other.npz", "test-ada.npz"]


def test_another_table_is_not_overwritten(verify, folder, tmp_path):
    table = tmp_path / "results.csv"
    table.write_text("name,salary\nada,3\n")
    status, _, err = verify(folder / "test-ada.npz", "--output", table)
    assert (status, "no table that can be continued" in err) == (1, True)
    assert table.read_text() == "name,salary\nada,3\n"


def test_the_rows_of_a_table_are_kept_and_widened(verify, folder, tmp_path):
    table, output = folder / "list.csv", tmp_path / "results.csv"
    table.write_text(
        "\ufeffid,Video,key,verdict,note\n"
        '7,test-ada.npz,k,"mine","says ""hello"", twice"\n'
        "8,more/learnt.npz,,,\n"
        "9,,,,no path\n"
        "10,test-ada.npz,,,again\n"
        "11,more,,,a folder\n"
        "12,gone.mp4,,,\n",
        encoding="utf-8",
    )
    assert verify(table, "--output", output)[0] == 3
    rows = rows_of(output)
    assert [row["id"] for row in rows] == ["7", "8", "9", "10", "11", "12"]
    assert list(rows[0])[:5] == ["id", "Video", "key_", "verdict", "note"]
    assert (rows[0]["verdict"], rows[0]["key_"], rows[0]["note"]) == ("mine", "k", 'says "hello", twice')
    assert [row["poseauth_verdict"] for row in rows] == ["authentic", "inconclusive", "", "authentic", "", ""]
    assert "names no path" in rows[2]["reasons"]
    assert "a row of a table is one clip" in rows[4]["reasons"]
    assert "no such file" in rows[5]["reasons"]
    first = output.read_bytes()
    assert verify(table, "--output", output)[0] == 3
    assert output.read_bytes() == first


def test_a_line_of_json_has_the_row_that_named_the_clip(verify, folder, tmp_path):
    (folder / "list.csv").write_text("path,note\ntest-ada.npz,hello\n")
    output = tmp_path / "results.jsonl"
    for _ in range(2):
        verify(folder / "list.csv", "--output", output)
        (row,) = rows_of(output)
        assert row["row"] == {"path": "test-ada.npz", "note": "hello"}


def test_the_column_of_paths_can_be_named_and_must_be_there(verify, folder):
    table = folder / "list.csv"
    table.write_text("where,path\ntest-ada.npz,gone.mp4\n")
    assert verify(table, "--path-column", "where")[0] == 0
    assert verify(table)[0] == 3
    status, _, err = verify(table, "--path-column", "nowhere")
    assert (status, "no column nowhere" in err, "where, path" in err) == (2, True, True)
    table.write_text("a,b\n1,2\n")
    status, _, err = verify(table)
    assert (status, "--path-column" in err) == (2, True)
    table.write_text("path\n")
    assert verify(table)[0] == 2
    table.write_bytes(b"path\n\xff\xfe\n")
    assert verify(table)[0] == 2


@pytest.fixture
def two_people(home, speeches, poseauth):
    """Bob is enrolled beside Ada, from other movement."""
    bob = speeches / "bob"
    if not bob.exists():
        for number, seed in enumerate((3, 21, 22, 23)):
            write_keypoints(speak(STYLES[1], duration_s=10, seed=seed), bob / f"{number}.npz")
    others = [value for name in ("cleo", "dan") for value in ("--impostor", speeches / f"others/{name}.npz")]
    status, _, err = poseauth("enroll", "--person", "Bob", bob, *others, "--home", home)
    assert status == 0, err
    return home


def test_several_people_have_a_row_and_a_page_each(poseauth, two_people, folder, tmp_path):
    output, pages = tmp_path / "results.csv", tmp_path / "pages"
    clips = (folder / "test-ada.npz", folder / "test-other.npz")
    arguments = ("verify", *clips, "--person", "Ada", "--person", "Bob", "--home", two_people, "--output", output)
    status, out, _ = poseauth(*arguments, "--report", pages)
    assert status == 0
    rows = {(Path(row["source"]).stem, row["person"]): row["verdict"] for row in rows_of(output)}
    assert rows["test-ada", "Ada"] == rows["test-other", "Bob"] == "authentic"
    assert rows["test-other", "Ada"] == rows["test-ada", "Bob"] == "fake"
    assert sorted(path.name for path in pages.glob("*.html")) == sorted(
        ["index.html", *(f"{clip.name}, {name}.html" for clip in clips for name in ("Ada", "Bob"))]
    )
    assert out.count("The profile of") == 2
    # One more person costs only what is not known.
    status, out, _ = poseauth("verify", clips[0], "--person", "Ada", "--home", two_people, "--output", output)
    assert "known from" in out
    assert len(rows_of(output)) == 4


def test_anyone_names_the_closest_and_calls_nobody_fake(poseauth, two_people, folder, speeches, tmp_path):
    output, pages = tmp_path / "results.csv", tmp_path / "pages"
    clips = (folder / "test-ada.npz", folder / "test-other.npz", speeches / "others/cleo.npz", folder / "note.mp4")
    arguments = ("verify", *clips, "--anyone", "--home", two_people, "--output", output, "--report", pages)
    status, out, _ = poseauth(*arguments)
    assert status == 3
    rows = {Path(row["source"]).stem: row for row in rows_of(output)}
    assert {row["person_is"] for row in rows.values()} == {"closest"}
    assert (rows["test-ada"]["person"], rows["test-other"]["person"]) == ("Ada", "Bob")
    assert "fake" not in {row["verdict"] for row in rows.values()}
    assert "closest of 2 enrolled people" in rows["test-ada"]["reasons"] + rows["test-ada"]["caveats"]
    assert (rows["note"]["person"], rows["note"]["status"]) == ("anyone", "not analysed")
    assert "FAKE" not in out
    first = output.read_bytes()
    assert "known from" in poseauth(*arguments)[1]
    assert output.read_bytes() == first
    # An answer about a claimed person stands beside it.
    poseauth("verify", clips[0], "--person", "Ada", "--home", two_people, "--output", output)
    assert len(rows_of(output)) == 5


def test_a_person_or_anyone_has_to_be_said(poseauth, home, folder):
    assert poseauth("verify", folder, "--home", home)[0] == 2
    assert poseauth("verify", folder, "--person", "Ada", "--anyone", "--home", home)[0] == 2
    status, _, err = poseauth("verify", folder, "--anyone", "--home", home / "none")
    assert (status, "nobody is enrolled" in err) == (1, True)


def test_a_page_that_is_gone_is_made_again_and_a_page_asked_for_later_is_made(verify, folder, tmp_path, n_read):
    output, pages = tmp_path / "results.csv", tmp_path / "pages"
    arguments = (folder / "test-ada.npz", folder / "test-other.npz", "--output", output)
    verify(*arguments)
    n_read.clear()
    verify(*arguments, "--report", pages)
    assert len(n_read) == 2
    n_read.clear()
    verify(*arguments, "--report", pages)
    assert n_read == []
    (pages / "test-ada.npz.html").unlink()
    (pages / "test-other.npz.json").write_text("{")
    verify(*arguments, "--report", pages)
    assert sorted(n_read) == ["test-ada.npz", "test-other.npz"]


def test_the_page_over_all_clips_has_every_row_and_links_that_lead_somewhere(verify, folder, tmp_path):
    hostile = folder / "<script>alert(1)<!--#%.npz"
    sequence = read_keypoints(folder / "test-other.npz")
    write_keypoints(sequence, hostile)
    pages = tmp_path / "pages"
    verify(folder, "--output", tmp_path / "results.csv", "--report", pages)
    text = (pages / "index.html").read_text()
    shown = Page(text)
    assert "<script>alert" not in text
    links = [link["href"] for link in shown.named("a")]
    assert len(links) == 5
    from urllib.parse import unquote

    assert all((pages / unquote(link)).is_file() for link in links)
    for words in (
        "5 clips compared with videos of Ada",
        "authentic",
        "fake",
        "not analysed",
        "5 s are needed",
        "Body movement only",
    ):
        assert words in shown.said
    assert text.count("<script>") == 1
    assert "script-src 'sha256-" in text


@pytest.fixture
def seen_in_video(monkeypatch):
    """Videos are not looked at: each has the keypoints that it was drawn from."""
    sequences = {}

    def drawn(path, sequence):
        path.parent.mkdir(parents=True, exist_ok=True)
        sequences[path.name] = sequence
        return render_video(sequence, path)

    read = sources.SourceReader.read
    monkeypatch.setattr(
        sources.SourceReader,
        "read",
        lambda self, path, **options: sequences.get(path.name) or read(self, path, **options),
    )
    return drawn


def test_an_overlay_is_written_for_a_video_and_its_absence_is_told(verify, seen_in_video, folder, tmp_path):
    clip = seen_in_video(tmp_path / "clip.mp4", speak(STYLES[0], duration_s=4, seed=7, width=320, height=180))
    status, _, err = verify(clip, "--overlay", tmp_path / "out.webm")
    assert status == 3  # too short for an answer, and shown all the same
    assert (tmp_path / "out.webm").read_bytes()[:4] == b"\x1a\x45\xdf\xa3"
    status, _, err = verify(folder / "test-ada.npz", "--overlay", tmp_path / "other.webm")
    assert (status, "no video to draw on" in err) == (0, True)
    assert not (tmp_path / "other.webm").exists()


def test_overlays_of_several_clips_go_into_a_folder_and_are_not_made_twice(verify, seen_in_video, folder, tmp_path):
    clips = [
        seen_in_video(
            tmp_path / f"{style}.mp4", speak(STYLES[style], duration_s=12, seed=5 + style, width=320, height=180)
        )
        for style in (0, 1)
    ]
    arguments = (*clips, "--output", tmp_path / "results.csv", "--overlay", tmp_path / "videos")
    assert verify(*arguments)[0] == 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "videos").iterdir()}
    assert len(made) == 2
    assert all(path.suffix == ".webm" for path in made)
    assert "known from" in verify(*arguments)[1]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    next(iter(made)).unlink()
    verify(*arguments)
    assert sorted((tmp_path / "videos").iterdir()) == sorted(made)


def test_the_name_of_an_overlay_is_checked_before_anything_is_read(verify, folder, tmp_path, n_read):
    clips = (folder / "test-ada.npz", folder / "test-other.npz")
    assert verify(*clips, "--overlay", tmp_path / "out.webm")[0] == 2
    status, _, err = verify(clips[0], "--overlay", tmp_path / "out.gif")
    assert (status, ".webm or .mp4" in err) == (2, True)
    assert n_read == []


@pytest.mark.parametrize(
    ("option", "name"), [("--report", "page.html"), ("--report", "pages"), ("--overlay", "o.webm")]
)
def test_a_place_that_cannot_be_written_is_refused_before_a_clip_is_read(
    verify, folder, tmp_path, n_read, option, name
):
    (tmp_path / "file").touch()
    status, _, err = verify(folder / "test-ada.npz", option, tmp_path / "file" / name)
    assert (status, f"is no folder. Name another {option}" in err) == (1, True)
    assert n_read == []


def test_few_clips_stay_in_one_process(monkeypatch):
    for cores, n_clips, expected in ((2, 1000, 1), (8, 1, 1), (8, 1000, 2), (64, 1000, 16), (64, 12, 3)):
        monkeypatch.setattr(clip_batch, "usable_cores", lambda cores=cores: cores)
        assert usual_jobs(n_clips) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_batch_that_is_killed_twice_analyses_each_clip_once(enrolled_home, speeches, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for number in range(24):
        write_keypoints(speak(STYLES[number % 4], duration_s=10, seed=100 + number), clips / f"{number:03d}.npz")
    told = killed_twice(clips, enrolled_home, tmp_path / "results.csv", kill_at=(5, 15), jobs=2)
    check_each_was_analysed_once(told, tmp_path / "results.csv", n_clips=24, n_before_kills=15)


def killed_twice(clips, home, output, *, kill_at, jobs, timeout_s=3600):
    """Run a batch, kill it with SIGKILL when the table has so many rows, run it to its end; gives the outputs."""
    command = [
        sys.executable, "-c", "from cli.main import main\nif __name__ == '__main__': main()", "verify", str(clips),
        "--person", "Ada", "--home", str(home), "--output", str(output), "--jobs", str(jobs),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    told = []
    for n_rows in (*kill_at, None):
        said = output.with_suffix(f".{len(told)}.txt")
        with said.open("wb") as stream:
            process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.DEVNULL, cwd=ROOT)
        until = time.monotonic() + timeout_s
        while n_rows is not None and process.poll() is None and time.monotonic() < until:
            if output.exists() and output.read_bytes().count(b"\n") > n_rows:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.05)
        assert process.wait(timeout_s) == (-signal.SIGKILL if n_rows is not None else 0)
        told.append(said.read_text())
    return told


def check_each_was_analysed_once(told, output, *, n_clips, n_before_kills):
    rows = rows_of(output)
    assert len(rows) == len({row["source"] for row in rows}) == n_clips
    assert all(row["status"] == "analysed" and len(row["key"]) == 64 for row in rows)
    answers = [line.split(": ")[0] for text in told for line in text.splitlines() if re.search(r": [A-Z]+ - ", line)]
    known = [line.split(": ")[0] for line in told[-1].splitlines() if "known from" in line]
    # A row is written before it is said: the kills came between the two at most once each.
    assert len(answers) == len(set(answers))
    assert n_clips - len(told) + 1 <= len(answers) <= n_clips
    assert len(known) >= n_before_kills


@pytest.mark.heavy
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_two_hundred_rendered_clips_killed_twice_are_each_analysed_once(poseauth, tmp_path, models):
    for name, style, seed in [("ada", 0, seed) for seed in range(4)] + [(f"{who}", who, 9) for who in (1, 2, 3)]:
        draw(tmp_path / f"{'ada' if name == 'ada' else 'others'}/{name}-{seed}.mp4", style, seed, duration_s=10)
    home, clips = tmp_path / "home", tmp_path / "clips"
    arguments = ("--impostor", tmp_path / "others", "--extractor", "blazepose", "--allow-weak", "--home", home)
    status, _, err = poseauth("enroll", "--person", "Ada", tmp_path / "ada", *arguments)
    assert status == 0, err
    for number in range(200):
        draw(clips / f"{number:03d}.mp4", number % 5, 1000 + number, duration_s=6)
    told = killed_twice(clips, home, tmp_path / "results.csv", kill_at=(40, 120), jobs=2)
    check_each_was_analysed_once(told, tmp_path / "results.csv", n_clips=200, n_before_kills=120)


def draw(path, style, seed, *, duration_s):
    path.parent.mkdir(parents=True, exist_ok=True)
    speech = speak(STYLES[style], duration_s=duration_s, seed=seed, width=640, height=360)
    render_video(speech, path, look=LOOKS[style % len(LOOKS)])
