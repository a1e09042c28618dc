"""An archive: results as a dataset, in parts and on a cluster, from folders, tables and object stores."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli import archive_work
from cli.archive_run import check_jobs, is_dataset
from poseauth.batch.store import Store
from poseauth.keypoint_files import read_keypoints
from poseauth.report import CSV_COLUMNS
from tests.cli.conftest import put_clips
from tests.cli.parsed_page import Page

polars = pytest.importorskip("polars")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(speeches, tmp_path):
    """Three clips that can be answered, one that is too short, one that is nothing."""
    return put_clips(speeches, tmp_path / "clips", more="others/cleo", named="cleo", note="note.npz")


def rows_of(place):
    files = Store(str(place))
    found = []
    for name in files.names():
        if name.endswith(".parquet"):
            found += polars.read_parquet(files.read(name)).rows(named=True)
    return found


def verdicts(place):
    rows = rows_of(place)
    found = {Path(row["source"]).name: row["verdict"] for row in rows}
    assert len(found) == len(rows)
    return found


EXPECTED = {"short.npz": "", "note.npz": "", "test-ada.npz": "authentic", "test-other.npz": "fake"}


def test_a_dataset_has_the_rows_of_the_csv(verify, folder, tmp_path):
    table, place = tmp_path / "results.csv", f"{tmp_path}/rows/"
    assert verify(folder, "--output", table)[0] == 3
    status, out, err = verify(folder, "--output", place)
    assert status == 3
    assert "Parquet files" in out
    assert "4 rows: 1 authentic, 1 fake, 2 not analysed" in err
    assert "clips/s" in err
    assert "note.npz: " in err
    with table.open(encoding="utf-8", newline="") as stream:
        expected = {row["source"]: row for row in csv.DictReader(stream)}
    rows = {row["source"]: row for row in rows_of(place)}
    assert set(rows) == set(expected)
    for source, row in rows.items():
        assert list(row) == [*CSV_COLUMNS, "key"]
        as_text = {name: "" if value is None else str(value) for name, value in row.items()}
        assert as_text == expected[source]
    assert isinstance(rows[str(folder / "test-ada.npz")]["mean_score_higher_is_more_like_person"], float)
    assert isinstance(rows[str(folder / "test-ada.npz")]["n_windows"], int)


def test_a_second_run_reads_only_what_was_not_analysed_or_has_changed(verify, folder, tmp_path, n_read):
    place = tmp_path / "rows"
    assert verify(folder, "--output", place)[0] == 3
    assert verdicts(place) == EXPECTED
    n_read.clear()
    status, _, err = verify(folder, "--output", place)
    assert (status, sorted(n_read)) == (3, ["note.npz", "short.npz"])
    assert "of 2 clips answers were known before" in err
    n_read.clear()
    shutil.copy(folder / "test-other.npz", folder / "test-ada.npz")
    verify(folder, "--output", place)
    assert sorted(n_read) == ["note.npz", "short.npz", "test-ada.npz"]
    assert verdicts(place)["test-ada.npz"] == "fake"
    n_read.clear()
    verify(folder, "--output", place, "--min-seconds", "6")
    assert len(n_read) == 4


def test_several_people_have_a_row_each_and_one_more_costs_only_what_is_not_known(
    verify, poseauth, folder, speeches, home, tmp_path, n_read
):
    place = tmp_path / "rows"
    clip = folder / "test-ada.npz"
    others = [value for name in ("cleo", "dan") for value in ("--impostor", speeches / f"others/{name}.npz")]
    bob = tmp_path / "bob"
    bob.mkdir()
    for name in ("bob", "dan"):
        shutil.copy(speeches / f"others/{name}.npz", bob)
    assert poseauth("enroll", "--person", "Bob", bob, *others[:2], "--allow-weak", "--home", home)[0] in (0, 1)
    verify(clip, "--output", place)
    n_read.clear()
    status, _, err = verify(clip, "--person", "Bob", "--output", place)
    if status == 1:
        pytest.skip(f"Bob was not enrolled: {err}")
    assert sorted(row["person"] for row in rows_of(place)) == ["Ada", "Bob"]
    assert verify(clip, "--anyone", "--output", place, person=None)[0] == 0
    assert sorted(row["person_is"] for row in rows_of(place)) == ["claimed", "claimed", "closest"]


def test_the_parts_of_a_batch_queue_are_all_of_it(verify, folder, tmp_path):
    place = tmp_path / "rows"
    for part in ("2/3", "1/3", "3/3"):
        assert verify(folder, "--recursive", "--output", place, "--shard", part)[0] in (0, 3)
        assert not (place / "_overview.html").exists()  # of a part there is no page
    assert set(verdicts(place)) == {*EXPECTED, "cleo.npz"}
    assert len(list(place.glob("rows-*-of-00003.parquet"))) > 1
    _, _, err = verify(folder, "--recursive", "--output", place)
    assert "of 3 clips answers were known before" in err
    assert "5 clips" in (place / "_overview.html").read_text()


def test_a_part_loads_nothing_of_ray(folder, tmp_path):
    program = (
        "import sys\nfrom cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n"
        "    assert not {'ray', 'pyarrow', 's3fs'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "extract", str(folder), "-o", str(tmp_path / "rows"), "--shard", "1/2"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr


@pytest.mark.parametrize("part", ["0/3", "4/3", "3", "a/b", "1/0", "1/-2"])
def test_a_part_that_makes_no_sense_is_refused(verify, folder, tmp_path, part):
    assert verify(folder, "--output", tmp_path / "rows", "--shard", part)[0] == 2


def test_options_of_an_archive_need_a_dataset_and_single_results_do_not_go_there(verify, folder, tmp_path):
    for options in (["--ray", "auto"], ["--shard", "1/2"], ["--allow-https"], ["--shard", "1/2", "--output", "a.csv"]):
        status, _, err = verify(folder, *options)
        assert (status, "are for archives" in err) == (2, True)
    assert verify(folder, "--output", tmp_path / "rows", "--json")[0] == 2
    assert verify(folder, "--output", tmp_path / "rows", "--ray", "auto", "--shard", "1/2")[0] == 2
    status, _, err = verify(folder, "--output", tmp_path / "rows.txt")
    assert (status, "in / for a folder" in err) == (2, True)
    for output in ("ftp://a/b", "https://a/b"):
        status, _, err = verify(folder, "--output", output)
        assert (status, "results go to a folder, s3:// or gs://" in err) == (2, True)


def test_one_machine_is_asked_for_256_processes_at_the_most(verify, poseauth, folder, tmp_path):
    for asked in (
        verify(folder, "--jobs", "257"),
        verify(folder, "--output", tmp_path / "rows", "--jobs", "257"),
        poseauth("extract", folder, "-o", tmp_path / "keypoints", "--shard", "1/1", "--jobs", "257"),
    ):
        assert (asked[0], "--jobs 257: at most 256 on one machine" in asked[2]) == (2, True)
    check_jobs(256, None)
    check_jobs(100_000, "auto")


def test_what_counts_as_a_dataset():
    assert [is_dataset(name) for name in ("a", "a/", "a.b/", "s3://a/b.csv", "gs://a")] == [True] * 5
    assert [is_dataset(name) for name in (None, "a.csv", "a.jsonl", "a.txt")] == [False] * 4


def test_addresses_that_are_not_opened_are_rows_that_say_so(verify, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("path\nhttp://10.0.0.1/a.mp4\nfile:///etc/passwd\nhttps://example.org/a.mp4\ngone.mp4\n")
    assert verify(table, "--output", tmp_path / "rows")[0] == 3
    reasons = {row["source"]: row["reasons"] for row in rows_of(tmp_path / "rows")}
    assert "no address of this kind is opened" in reasons["http://10.0.0.1/a.mp4"]
    assert "no address of this kind is opened" in reasons["file:///etc/passwd"]
    assert "--allow-https" in reasons["https://example.org/a.mp4"]
    assert "no such file" in reasons[str(tmp_path / "gone.mp4")]


def test_without_a_dataset_addresses_are_refused_as_before(verify, tmp_path):
    for address in ("s3://a/b.mp4", "https://example.org/a.mp4"):
        status, out, err = verify(address)
        assert status == 3
        assert "addresses are not opened" in out + err


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_rows_of_a_table_are_kept_and_widened(verify, folder, tmp_path, kind):
    table, place = folder / f"list.{kind}", tmp_path / "rows"
    cells = {"id": ["7", "8", "9"], "Video": ["test-ada.npz", "more/cleo.npz", "test-ada.npz"],
             "key": ["k", "", ""], "verdict": ["mine", "", ""]}  # fmt: skip
    frame = polars.DataFrame(cells)
    frame.write_csv(table) if kind == "csv" else frame.write_parquet(table)
    assert verify(table, "--output", place)[0] == 0
    rows = {row["id"]: row for row in rows_of(place)}
    assert list(rows["7"])[:4] == ["id", "Video", "key_", "verdict"]
    assert (rows["7"]["verdict"], rows["7"]["key_"]) == ("mine", "k")
    assert [rows[number]["poseauth_verdict"] for number in "789"] == ["authentic", "inconclusive", "authentic"]
    _, _, err = verify(table, "--output", place)
    assert "of 2 clips answers were known before" in err
    status, _, err = verify(folder, "--output", place)
    assert (status, "rows of another table" in err) == (1, True)


def test_a_clip_of_an_object_store_comes_here_is_analysed_and_goes(
    verify, poseauth, folder, bucket, tmp_path, monkeypatch, n_read
):  # fmt: skip
    monkeypatch.setattr(archive_work.tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for path in [*folder.glob("*.npz"), folder / "note.npz"]:
        Store(f"{bucket}/cli/clips").put(path.name, path.read_bytes())
    Store(f"{bucket}/cli").put("list.csv", b"path,note\nclips/test-ada.npz,hello\n")
    place = f"{bucket}/cli/rows"
    assert verify(f"{bucket}/cli/clips", "--output", place)[0] == 3
    assert verdicts(place) == EXPECTED
    assert {row["source"] for row in rows_of(place)} == {f"{bucket}/cli/clips/{name}" for name in EXPECTED}
    assert all(str(tmp_path) not in json.dumps(row) for row in rows_of(place))
    assert [path for path in (tmp_path / "tmp").rglob("*") if path.suffix in (".npz", ".mp4")] == []
    assert Store(place).read("_overview.html").startswith(b"<!DOCTYPE html>")
    n_read.clear()
    verify(f"{bucket}/cli/clips/", "--output", place)
    assert sorted(n_read) == ["note.npz", "short.npz"]
    status, _, err = verify(
        f"{bucket}/cli/clips/test-ada.npz", "--output", tmp_path / "small", "--limit", "gigabytes=1e-6"
    )
    assert (status, "gigabytes" in err) == (3, True)
    assert verify(f"{bucket}/cli/list.csv", "--output", tmp_path / "of table")[0] == 0
    (row,) = rows_of(tmp_path / "of table")
    assert (row["note"], row["verdict"], row["source"]) == ("hello", "authentic", f"{bucket}/cli/clips/test-ada.npz")
    status, _, _ = poseauth("extract", f"{bucket}/cli/clips", "-o", f"{bucket}/cli/keypoints")
    assert status == 3
    rows = {Path(row["source"]).name: row for row in rows_of(f"{bucket}/cli/keypoints")}
    written = tmp_path / "written.npz"
    written.write_bytes(Store(f"{bucket}/cli/keypoints").read(rows["test-ada.npz"]["keypoints"]))
    assert len(read_keypoints(written)) == rows["test-ada.npz"]["n_frames"] > 0
    assert (rows["note.npz"]["status"], rows["note.npz"]["keypoints"]) == ("not analysed", "")


def test_in_processes_the_rows_are_the_same(verify, folder, tmp_path):
    assert verify(folder, "--output", tmp_path / "here")[0] == 3
    assert verify(folder, "--output", tmp_path / "there", "--jobs", "1")[0] == 3
    assert rows_of(tmp_path / "here") == rows_of(tmp_path / "there")


def test_keypoints_of_an_archive_stand_beside_their_rows_and_are_not_found_twice(poseauth, folder, tmp_path, n_read):
    place = tmp_path / "keypoints"
    status, _, err = poseauth("extract", folder, "-o", place, "--shard", "1/1")
    assert (status, "4 rows: 3 analysed, 1 not analysed" in err) == (3, True)
    for row in rows_of(place):
        if row["status"] == "analysed":
            sequence = read_keypoints(place / row["keypoints"])
            assert (len(sequence), round(sequence.duration_s, 3)) == (row["n_frames"], row["seconds"])
    n_read.clear()
    poseauth("extract", folder, "-o", place, "--shard", "1/1")
    assert n_read == ["note.npz"]
    assert poseauth("extract", folder, "-o", place, "--shard", "1/1", "--format", "csv")[0] == 2
    assert poseauth("extract", folder, "-o", place, "--jobs", "2")[0] == 2


def test_the_page_over_a_dataset_counts_all_and_shows_the_clearest(monkeypatch):
    from cli import overview_page

    monkeypatch.setattr(overview_page, "_SHOWN_EACH", 3)
    ratio = "log10_lr_above_0_speaks_for_person"

    def piece(first):
        rows = [
            {**dict.fromkeys(CSV_COLUMNS, ""), "source": f"clip {number}", "person": "Ada", "person_is": "claimed",
             "status": "analysed", "verdict": "fake" if number % 2 else "", ratio: -number / 10 if number % 2 else None,
             "reasons": "<b>nobody</b>"}
            for number in range(first, first + 10)
        ]  # fmt: skip
        return polars.DataFrame(rows, schema_overrides={ratio: polars.Float64})

    html = overview_page.dataset_overview((piece(first) for first in (0, 10)), {name: name for name in CSV_COLUMNS})
    page = Page(html)
    assert "20 clips compared with videos of Ada" in html
    assert "The table shows 6 of 20 rows" in html
    assert [f">{name}<" in html for name in ("clip 19", "clip 17", "clip 15", "clip 13")] == [True] * 3 + [False]
    assert "<b>nobody" not in html
    assert page is not None


def test_what_processes_that_were_killed_left_is_removed_and_what_is_in_use_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_work.tempfile, "tempdir", str(tmp_path))
    program = (
        "import os, signal, sys, tempfile\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "from cli.archive_work import WorkFolder\n"
        "with WorkFolder().file('clip.mp4') as path:\n"
        "    path.write_bytes(b'x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    if sys.platform != "win32":
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60)
        assert len(list(tmp_path.rglob("clip.mp4"))) == 1
    mine = archive_work.WorkFolder()
    with mine.file("clip.mp4") as path:
        path.write_bytes(b"y")
        archive_work.WorkFolder()
        assert list(tmp_path.rglob("clip.mp4")) == [path]
    assert list(tmp_path.rglob("clip.mp4")) == []
