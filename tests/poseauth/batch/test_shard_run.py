"""Every thing ends in one row, however many runs are at it and whenever one of them dies."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter

import pytest

from poseauth.batch import claims as claims_module
from poseauth.batch import shard_run
from poseauth.batch.claims import Claims
from poseauth.batch.row_shards import KnownRow, RowShards
from poseauth.batch.store import Store
from poseauth.batch.worker_processes import run_in_processes
from poseauth.errors import StorageError
from tests.poseauth.batch.row_work import COLUMNS, identity, run_over, run_there

NAMES = [f"clip {number}" for number in range(40)]


def rows_in(place):
    """All rows of a dataset as it lies there."""
    polars = pytest.importorskip("polars")
    files = Store(place)
    found = []
    for name in files.names():
        if name.endswith(".parquet"):
            found += polars.read_parquet(files.read(name)).rows(named=True)
    return found


def check_each_has_one_row(place, names=NAMES):
    assert sorted(row["name"] for row in rows_in(place)) == sorted(names)
    left = [*Store(place).names("_claims"), *Store(place).names("_unfinished")]
    assert left == []


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    return folder


def tries(log):
    return Counter(path.name.split(".")[0] for path in log.iterdir() if path.suffix == ".try")


def test_a_run_writes_a_row_for_everything_and_the_next_does_nothing(place, log):
    heard = run_over(place, NAMES, log)
    check_each_has_one_row(place)
    assert Counter(heard.values()) == {"new": 40}
    assert set(tries(log).values()) == {1}
    assert set(run_over(place, NAMES, log).values()) == {"known"}
    assert set(tries(log).values()) == {1}


def test_rows_stand_by_name_whatever_the_order_of_the_things(tmp_path, log):
    run_over(str(tmp_path / "a"), NAMES, log)
    run_over(str(tmp_path / "b"), NAMES[::-1], log)
    assert [path.name for path in sorted((tmp_path / "a").glob("*.parquet"))] == [
        path.name for path in sorted((tmp_path / "b").glob("*.parquet"))
    ]
    for file in (tmp_path / "a").glob("*.parquet"):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_what_failed_and_what_changed_is_done_again_and_replaces_its_row(place, log):
    run_over(place, NAMES, log, fail={"clip 3"})
    assert {row["name"] for row in rows_in(place) if row["status"] != "analysed"} == {"clip 3"}
    heard = run_over(place, NAMES, log)
    assert {name for name, how in heard.items() if how == "new"} == {"clip 3"}
    heard = run_over(place, NAMES, log, changed={"clip 5"})
    assert {name for name, how in heard.items() if how == "new"} == {"clip 5"}
    check_each_has_one_row(place)
    assert {row["status"] for row in rows_in(place)} == {"analysed"}


def test_a_thing_added_later_joins_its_shard_and_the_others_stay(place, log):
    run_over(place, NAMES[:30], log)
    heard = run_over(place, NAMES[20:], log)
    assert Counter(heard.values()) == {"known": 10, "new": 10}
    check_each_has_one_row(place)


def test_the_parts_of_a_run_have_nothing_in_common_and_are_all_of_it(tmp_path, log):
    place = str(tmp_path / "place")
    heard = [run_over(place, NAMES, log, part=(number, 3)) for number in (1, 2, 3)]
    assert sorted(name for part in heard for name in part) == sorted(NAMES)
    check_each_has_one_row(place)
    again = run_over(str(tmp_path / "other"), NAMES[::-1], log, part=(2, 3))
    assert set(again) == set(heard[1])


def test_two_runs_at_once_share_the_work_and_write_no_row_twice(place, log, monkeypatch):
    monkeypatch.setattr(shard_run, "WAIT_S", 0.1)
    heard = [{}, {}]

    def run(number):
        heard[number] = run_over(place, NAMES, log, slow_s=0.02)

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_each_has_one_row(place)
    assert set(tries(log).values()) == {1}
    # Both had a share, and each ended when all was done, with every row known to it.
    assert all(set(one) == set(NAMES) for one in heard)
    new = [{name for name, how in one.items() if how == "new"} for one in heard]
    assert new[0] | new[1] == set(NAMES)
    assert not new[0] & new[1]
    assert all(new)


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
@pytest.mark.parametrize("after", [1, 13, 33])
def test_a_run_that_is_killed_is_gone_on_with_and_loses_what_it_was_at(tmp_path, log, after):
    place = str(tmp_path / "place")
    process = multiprocessing.get_context("spawn").Process(target=run_there, args=(place, NAMES, str(log)))
    process.start()
    until = time.monotonic() + 60
    while len(list(log.glob("*.done"))) < after:
        assert time.monotonic() < until
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    run_over(place, NAMES, log)
    check_each_has_one_row(place)
    # One thing was under way, and one may have been done and not yet kept.
    assert sum(n > 1 for n in tries(log).values()) <= 2


def test_a_full_store_ends_the_run_in_words_and_the_next_goes_on(tmp_path, log, monkeypatch):
    place = str(tmp_path / "place")
    write = RowShards.write
    n_written = []

    def full(self, shard, rows):
        if len(n_written) == 2:
            raise StorageError("rows cannot be written: No space left on device")
        n_written.append(shard)
        write(self, shard, rows)

    with monkeypatch.context() as patched:
        patched.setattr(RowShards, "write", full)
        with pytest.raises(StorageError, match="No space left"):
            run_over(place, NAMES, log)
    n_tried = sum(tries(log).values())
    assert 0 < n_tried < len(NAMES)
    assert Store(place).names("_claims") == []  # given back
    run_over(place, NAMES, log)
    check_each_has_one_row(place)
    assert set(tries(log).values()) == {1}  # nothing that was done is done again, though its shard was not written


def test_a_thing_that_kills_its_processes_is_a_row_that_says_so(tmp_path, log):
    place = str(tmp_path / "place")
    run_over(place, NAMES[:6], log, die={"clip 2"}, run=in_processes)
    check_each_has_one_row(place, NAMES[:6])
    (lost,) = [row for row in rows_in(place) if row["status"] != "analysed"]
    assert (lost["name"], tries(log)["clip 2"]) == ("clip 2", 2)
    assert "2 processes died over it" in lost["why"]


def in_processes(pieces, make):
    return run_in_processes(pieces, make, 2, lambda *_: None)


def test_the_claim_of_a_run_that_lives_is_respected_and_that_of_a_dead_one_lapses(place, monkeypatch):
    with Claims(Store(place)) as ours, Claims(Store(place)) as theirs:
        assert ours.take("00001")
        assert ours.take("00001")
        assert not theirs.take("00001")
        assert theirs.holder("00001").pid == os.getpid()
        monkeypatch.setattr(claims_module, "LEASE_S", -1.0)  # nobody was heard of in time
        assert theirs.take("00001")
        assert (ours.holds("00001"), theirs.holds("00001")) == (False, True)
        monkeypatch.setattr(claims_module, "LEASE_S", 300.0)
        ours.release("00001")
        assert theirs.holds("00001")
        theirs.release("00001")
    assert Store(place).names("_claims") == []


def test_of_many_who_take_a_lapsed_claim_over_one_does(place, monkeypatch):
    holder = claims_module.Holder("a run", "another machine", 1, 0.0)
    Store(place).create("_claims/00001.1", json.dumps(vars(holder)).encode())
    taken = []
    begin = threading.Barrier(6)

    def take():
        with Claims(Store(place)) as mine:
            begin.wait()
            taken.append(mine.take("00001"))
            begin.wait()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 5 + [True]


def test_the_claim_of_a_process_of_this_machine_that_died_has_lapsed():
    ended = multiprocessing.get_context("spawn").Process(target=print)
    ended.start()
    ended.join()
    import platform

    assert not claims_module.Holder("a run", platform.node(), ended.pid, time.time()).lives
    assert claims_module.Holder("a run", platform.node(), os.getpid(), time.time()).lives
    assert claims_module.Holder("a run", "another machine", ended.pid, time.time()).lives
    assert not claims_module.Holder("a run", "another machine", 1, time.time() - claims_module.LEASE_S).lives


def test_a_run_whose_claim_was_taken_over_leaves_the_file_to_the_other(tmp_path, log, monkeypatch):
    place = str(tmp_path / "place")
    monkeypatch.setattr(Claims, "holds", lambda self, name: True)
    shards = open_shards(place)
    with Claims(shards.store) as claims:
        monkeypatch.setattr(Claims, "holds", lambda self, name: False)
        run = shard_run.ShardRun(shards, *[None] * 6)
        run._finish(0, shard_run._OpenShard({"x": KnownRow({"name": "x"}, "")}, set()), claims)
    assert shards.files() == []


def open_shards(place, **options):
    told = {"work": "test", "columns": COLUMNS, "n_shards": 5, "identity": identity, **options}
    return RowShards(Store(place), **told)


def test_a_dataset_keeps_the_number_of_its_files_and_is_of_one_kind(place):
    assert open_shards(place).n_shards == 5
    assert open_shards(place, n_shards=9).n_shards == 5
    with pytest.raises(StorageError, match="rows of another command"):
        open_shards(place, work="other")
    with pytest.raises(StorageError, match="rows of another table"):
        open_shards(place, columns={"name": str})
    Store(place).put("_poseauth.json", b"{}")
    with pytest.raises(StorageError, match="none of this version"):
        open_shards(place)


def test_a_file_that_is_damaged_is_told_and_named(place):
    shards = open_shards(place)
    Store(place).put(shards.file_of(2), b"PAR1 and nothing")
    with pytest.raises(StorageError, match=r"rows-00002-of-00005\.parquet is damaged"):
        shards.read(2)
    with pytest.raises(StorageError, match="is damaged"):
        list(shards.tables(["name"]))


def test_values_keep_their_kinds_and_nothing_stays_nothing(place):
    shards = open_shards(place)
    rows = [{"name": "ünï ✓", "status": "", "why": "a\nb", "number": 3, "share": 0.25},
            {"name": "b", "status": "", "why": "", "number": None, "share": None}]  # fmt: skip
    shards.write(1, [KnownRow(row, f"asked {row['name']}") for row in rows])
    read = shards.read(1)
    assert {about: known.row for about, known in read.items()} == {identity(row): row for row in rows}
    assert read["b"].asked == "asked b"


def test_what_lies_beside_an_unfinished_shard_and_is_none_of_ours_is_left_out(place):
    shards = open_shards(place)
    for name, content in (("a.json", b"{"), ("b.json", b"[[1]]"), ("c.json", b'[[{}, ""]]')):
        Store(place).put(f"_unfinished/00001/{name}", content)
    assert shards.unfinished(1) == {}


def test_no_more_shards_are_open_than_pieces_are_at_work(tmp_path, log):
    opened = []

    def one_by_one(pieces, make):
        work = make()
        for piece in pieces:
            opened.append(len(Store(place).names("_claims")))
            yield piece, work(piece, print)

    place = str(tmp_path / "place")
    run_over(place, NAMES, log, run=one_by_one)
    assert max(opened) <= 1
