"""A real Ray cluster whose processes die: every thing ends in one row. `pytest -s` prints what each fault came to."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from poseauth.batch.ray_actors import Room, connected, room_for, run_on_ray
from poseauth.batch.worker_processes import Lost
from poseauth.errors import ClusterError, StorageError
from tests.cluster_here import ROOT, add_machine
from tests.poseauth.batch import piecework
from tests.poseauth.batch.row_work import run_over
from tests.poseauth.batch.test_shard_run import check_each_has_one_row, rows_in, tries

NAMES = [f"clip {number}" for number in range(24)]
ROOM = Room(2, 1, 0)


@pytest.fixture(scope="module")
def here(ray_cluster):
    """The cluster, and a connection to it."""
    with connected(ray_cluster.address):
        yield ray_cluster


@pytest.fixture(scope="module")
def table():
    """What each fault came to; printed when all were tried."""
    lines = ["fault | things | rows | twice | missing | not analysed | tried again | seconds"]
    yield lines
    print("\n" + "\n".join(lines))


@pytest.fixture
def faulty(here, table, tmp_path):
    """Runs over the cluster, by itself and with `meanwhile` at its side, and checks what lies there afterwards."""
    log = tmp_path / "log"
    log.mkdir()
    place = str(tmp_path / "place")

    def run(fault, meanwhile=None, *, again=False, names=NAMES, room=ROOM, **options):
        begun = time.monotonic()
        thread = threading.Thread(target=meanwhile or (lambda: None))
        thread.start()
        expected = pytest.raises(StorageError) if again else contextlib.nullcontext()
        with expected as raised:
            run_over(place, names, log, run=partial(run_on_ray, room=room), **options)
        thread.join()
        if again:
            (log / "full").unlink()
            run_over(place, names, log, run=partial(run_on_ray, room=ROOM))
        seconds = time.monotonic() - begun
        rows = rows_in(place)
        found = [row["name"] for row in rows]
        n_bad = sum(row["status"] != "analysed" for row in rows)
        n_again = sum(n > 1 for n in tries(log).values())
        table.append(
            f"{fault} | {len(names)} | {len(rows)} | {len(found) - len(set(found))} | {len(set(names) - set(found))} | "
            f"{n_bad} | {n_again} | {seconds:.0f}"
        )
        check_each_has_one_row(place, names)
        return {row["name"]: row for row in rows}, tries(log), raised

    run.log = log
    return run


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_cluster_that_is_not_there_and_an_address_for_clients_are_told():
    pytest.importorskip("ray", reason="ray is not here")
    with pytest.raises(ClusterError, match="start the command on a machine of the cluster"), connected("ray://a:10001"):
        pass
    with pytest.raises(ClusterError, match=r"no cluster answers .*--ray local"), connected("nonsense"):
        pass


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'poseauth\[ray\]'"), connected("auto"):
        pass


def test_a_pyarrow_that_cannot_be_imported_is_named(monkeypatch):
    """Ray takes it where it is, and would fail in every worker."""

    class Broken:
        def find_spec(self, name, *_):
            if name == "pyarrow":
                raise ImportError("pyarrow requires NumPy 2.0 or newer")

    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    pytest.importorskip("ray", reason="ray is not here")
    with pytest.raises(ClusterError, match="pip uninstall pyarrow"), connected("auto"):
        pass


def test_every_listener_of_the_cluster_is_on_this_machine_alone(here):
    shown = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True) if os.path.exists("/usr/bin/ss") else None
    if shown is None:
        pytest.skip("no ss to ask")
    ours = [line.split()[3] for line in shown.stdout.splitlines() if any(name in line for name in ("raylet", "gcs_se"))]
    assert ours
    assert all("127.0.0.1" in address for address in ours), ours


def test_the_room_of_a_cluster_is_counted_machine_by_machine(here):
    assert room_for(1, gpus=True) == Room(2, 1, 0)
    assert room_for(2, gpus=True) == Room(1, 2, 0)
    assert room_for(16, gpus=False) == Room(1, 2, 0)
    assert room_for(1, gpus=False, n_workers=7) == Room(7, 1, 0)
    assert Room(7, 1, 0).at_most(3) == Room(3, 1, 0)


def test_pieces_come_back_with_results_failures_and_no_more_taken_than_there_are_workers(here, tmp_path):
    taken = []

    def pieces():
        for number in range(8):
            taken.append(number)
            yield ("fail" if number == 3 else "well"), number

    outcomes = []
    for piece, outcome in run_on_ray(pieces(), partial(piecework.make, str(tmp_path)), ROOM):
        outcomes.append((piece, outcome))
        assert len(taken) <= len(outcomes) + ROOM.n_workers
    with pytest.raises(StorageError, match="the disk is full"):
        list(run_on_ray([("full", 99)], partial(piecework.make, str(tmp_path)), ROOM))
    assert list(run_on_ray([], piecework.cannot_make, ROOM)) == []
    by_number = {piece[1]: outcome for piece, outcome in outcomes}
    assert isinstance(by_number.pop(3), Lost)
    assert by_number == {number: 2 * number for number in range(8) if number != 3}
    assert len(list(tmp_path.glob("made-*"))) <= ROOM.n_workers + 2  # once a worker, and those of the error


@pytest.mark.heavy
def test_nothing_happens(faulty):
    rows, n_tries, _ = faulty("none")
    assert {row["status"] for row in rows.values()} == {"analysed"}
    assert set(n_tries.values()) == {1}


def test_a_worker_that_is_killed_costs_a_try(faulty):
    def kill():
        wait_for(lambda: len(list(faulty.log.glob("*.done"))) >= 4)
        name, pid = at_work(faulty.log)
        os.kill(pid, signal.SIGKILL)
        killed.append(name)

    killed = []
    rows, n_tries, _ = faulty("a worker killed", kill, names=NAMES[:12], slow_s=0.5)
    assert {row["status"] for row in rows.values()} == {"analysed"}
    assert {name for name, n in n_tries.items() if n > 1} == set(killed)


def at_work(log):
    """A thing that was begun a moment ago, and the process that is at it."""
    while True:
        last = max(log.glob("*.try"), key=lambda path: int(path.name.split(".")[2]))
        name, pid, begun, _ = last.name.split(".")
        if not (log / f"{name}.done").exists() and time.monotonic_ns() - int(begun) < 0.2e9:
            return name, int(pid)
        time.sleep(0.005)


def test_a_thing_that_kills_its_worker_each_time_is_a_row_that_says_so(faulty):
    rows, n_tries, _ = faulty("a thing that kills its worker", die={"clip 7"})
    assert [name for name, row in rows.items() if row["status"] != "analysed"] == ["clip 7"]
    assert "2 processes died over it" in rows["clip 7"]["why"]
    assert n_tries["clip 7"] == 2


def test_a_disk_that_is_full_ends_the_run_in_words_and_the_next_goes_on(faulty):
    (faulty.log / "full").touch()
    rows, _, raised = faulty("a full disk, then room", again=True, full=True)
    assert "cannot be written: File too large" in str(raised.value)
    assert {row["status"] for row in rows.values()} == {"analysed"}


DRIVER = """
import sys
from functools import partial
from pathlib import Path
from poseauth.batch.ray_actors import Room, connected, run_on_ray
from tests.poseauth.batch.row_work import run_over
address, place, log = sys.argv[1:]
with connected(address):
    names = [f"clip {number}" for number in range(24)]
    run_over(place, names, Path(log), run=partial(run_on_ray, room=Room(2, 1, 0)), slow_s=0.1)
"""


def test_a_driver_that_is_killed_is_started_again(here, faulty):
    place = str(faulty.log.parent / "place")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, here.address, place, str(faulty.log)], cwd=ROOT)
    wait_for(lambda: len(list(faulty.log.glob("*.done"))) >= 8)
    driver.kill()
    driver.wait()
    rows, n_tries, _ = faulty("the driver killed, then again")
    assert {row["status"] for row in rows.values()} == {"analysed"}
    # What was under way in two workers, and what they had done and not yet kept.
    assert sum(n > 1 for n in n_tries.values()) <= 4


def test_a_machine_that_is_lost_costs_tries_and_the_others_end_the_run(here, faulty):
    lost = add_machine(here, 1)

    def lose():
        # All three are at something, and the third has just begun: the lost machine's worker is not done with its own.
        wait_for(lambda: len({path.name.split(".")[1] for path in faulty.log.glob("*.try")}) == 3)
        here.remove_node(lost, allow_graceful=False)

    rows, n_tries, _ = faulty("a machine lost", lose, names=NAMES[:6], slow_s=3.0, room=Room(3, 1, 0))
    assert {row["status"] for row in rows.values()} == {"analysed"}
    assert sorted(n_tries.values()) == [1] * 5 + [2]  # the one that the machine was at


class NotEverywhere:
    """Cannot be had where the work is."""

    def __reduce__(self):
        return _not_there, ()


def _not_there():
    if os.environ.get("PYTEST_CURRENT_TEST") is None or _is_worker():
        raise ModuleNotFoundError("No module named 'poseauth'")
    return NotEverywhere()


def _is_worker():
    import ray

    return ray.get_runtime_context().worker.mode == ray.WORKER_MODE


def test_work_that_is_not_installed_where_it_is_to_be_done_ends_the_run(here):
    with pytest.raises(ClusterError, match=r"workers cannot begin: .*No module named 'poseauth'"):
        list(run_on_ray([NotEverywhere()] * 3, piecework.cannot_make, ROOM))
