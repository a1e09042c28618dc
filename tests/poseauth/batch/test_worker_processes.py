"""Every piece ends in exactly one outcome, whatever happens to the processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from poseauth.batch.worker_processes import Lost, run_here, run_in_processes
from poseauth.errors import ExtractorMissingError, NoEvidenceError, StorageError
from tests.poseauth.batch import piecework

ROOT = Path(__file__).resolve().parents[3]


def heard_of(pieces, folder, n_processes=2):
    """Outcomes by number, and what was told."""
    told = []
    outcomes = list(
        run_in_processes(
            pieces, partial(piecework.make, str(folder)), n_processes, lambda piece, words: told.append((piece, words))
        )
    )
    return outcomes, told


def tries(folder, number):
    return len((folder / f"tried-{number}").read_text().split())


def test_every_piece_has_its_result_and_its_progress(tmp_path):
    pieces = [("well", number) for number in range(7)]
    outcomes, told = heard_of(pieces, tmp_path)
    assert sorted(outcomes) == [(piece, 2 * piece[1]) for piece in pieces]
    assert sorted(told) == [(piece, f"half of {piece[1]}") for piece in pieces]
    assert len(list(tmp_path.glob("made-*"))) <= 2


def test_the_results_do_not_depend_on_the_number_of_processes(tmp_path):
    pieces = [("well", number) for number in range(4)] + [("fail", 9)]
    here = [(piece, str(outcome)) for piece, outcome in run_here(pieces, piecework.make(tmp_path), lambda *_: None)]
    for n_processes in (1, 3):
        outcomes, _ = heard_of(pieces, tmp_path, n_processes)
        assert sorted((piece, str(outcome)) for piece, outcome in outcomes) == sorted(here)


def test_here_the_pieces_come_in_their_order_and_one_by_one(tmp_path):
    taken = []

    def pieces():
        for number in range(3):
            taken.append(number)
            yield "well", number

    run = run_here(pieces(), piecework.make(tmp_path), lambda *_: None)
    assert next(run) == (("well", 0), 0)
    assert taken == [0]
    assert [result for _, result in run] == [2, 4]


@pytest.mark.parametrize("has_children", [True, False])
def test_work_has_processes_of_its_own_where_that_was_said(tmp_path, has_children):
    run = run_in_processes(
        [("child", 3)], partial(piecework.make, str(tmp_path)), 1, lambda *_: None, has_children=has_children
    )
    ((_, outcome),) = run
    assert (tmp_path / "by-a-child").exists() == has_children
    assert outcome == 6 if has_children else "daemonic processes" in outcome.why


def test_a_piece_that_kills_each_process_is_lost_after_two_and_costs_no_other(tmp_path):
    outcomes, _ = heard_of([("die", 0), ("well", 1), ("well", 2), ("well", 3)], tmp_path)
    by_number = {piece[1]: outcome for piece, outcome in outcomes}
    assert {number: by_number[number] for number in (1, 2, 3)} == {1: 2, 2: 4, 3: 6}
    assert isinstance(by_number[0], Lost)
    assert "2 processes died over it" in by_number[0].why
    assert "SIGKILL" in by_number[0].why
    assert tries(tmp_path, 0) == 2


def test_a_piece_whose_process_dies_once_is_tried_again(tmp_path):
    outcomes, _ = heard_of([("die once", 0), ("well", 1)], tmp_path, 1)
    assert sorted(outcomes) == [(("die once", 0), 0), (("well", 1), 2)]
    assert tries(tmp_path, 0) == 2


def test_a_failure_that_nobody_foresaw_loses_its_piece_and_names_the_place(tmp_path):
    outcomes, _ = heard_of([("fail", 0), ("well", 1)], tmp_path, 1)
    lost = dict(outcomes)["fail", 0]
    assert isinstance(lost, Lost)
    assert "ZeroDivisionError in piecework.py:" in lost.why
    assert "nobody foresaw it" in lost.why
    assert dict(outcomes)["well", 1] == 2
    assert tries(tmp_path, 0) == 1  # the process lived on


@pytest.mark.parametrize(("kind", "error"), [("full", StorageError), ("no evidence", NoEvidenceError)])
def test_an_error_of_ours_ends_the_run_with_its_words(tmp_path, kind, error):
    with pytest.raises(error, match=r"the disk is full|nobody moves"):
        heard_of([(kind, 0), *(("well", number) for number in range(1, 50))], tmp_path, 1)
    assert len(list(tmp_path.glob("tried-*"))) < 50


def test_a_process_that_cannot_begin_ends_the_run_with_its_reason():
    with pytest.raises(ExtractorMissingError, match="Install it"):
        list(run_in_processes([1, 2], piecework.cannot_make, 2, lambda *_: None))


def test_no_more_pieces_are_taken_than_processes_are_free(tmp_path):
    taken = []

    def pieces():
        for number in range(20):
            taken.append(number)
            yield "well", number

    run = run_in_processes(pieces(), partial(piecework.make, str(tmp_path)), 2, lambda *_: None)
    next(run)
    assert len(taken) <= 3
    run.close()


def test_leaving_in_the_middle_leaves_no_process_behind(tmp_path):
    pieces = [("well", 0), ("wait", 1), ("wait", 2)]
    run = run_in_processes(pieces, partial(piecework.make, str(tmp_path)), 2, lambda *_: None)
    next(run)
    run.close()
    assert multiprocessing.active_children() == []


def test_no_piece_no_outcome_and_no_process_left(tmp_path):
    assert heard_of([], tmp_path) == ([], [])
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    program = (
        "from functools import partial\n"
        "from poseauth.batch.worker_processes import run_in_processes\n"
        "from tests.poseauth.batch import piecework\n"
        "if __name__ == '__main__':\n"
        f"    work = partial(piecework.make, {str(tmp_path)!r})\n"
        "    list(run_in_processes([('wait', 0), ('wait', 1)], work, 2, print))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(program)
    parent = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(ROOT)})
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("tried-*"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    workers = [int(path.name.removeprefix("made-")) for path in tmp_path.glob("made-*")]
    parent.kill()
    parent.wait()
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.02)


def _runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
