"""A run over shards whose work leaves a trace: for processes and clusters that import it by its name."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

from poseauth.batch.row_shards import RowShards
from poseauth.batch.shard_run import Done, Part, Piece, ShardRun
from poseauth.batch.store import Store
from poseauth.batch.worker_processes import run_here

COLUMNS = {"name": str, "status": str, "why": str, "number": int, "share": float}


def identity(row):
    return row["name"]


def row_of(name, status, why=""):
    return {"name": name, "status": status, "why": why, "number": len(name), "share": None}


def make(log, fail, die, slow_s, full):
    log = Path(log)
    if full and (log / "full").exists():
        _fill_up()

    def work(piece, tell):
        (log / f"{piece.name}.{os.getpid()}.{time.monotonic_ns()}.try").touch()
        time.sleep(slow_s)
        if piece.name in die:
            os.kill(os.getpid(), signal.SIGKILL)
        (log / f"{piece.name}.done").touch()
        status = "not analysed" if piece.name in fail else "analysed"
        return Done({part.identity: row_of(piece.name, status) for part in piece.parts}, {"clips": 1.0})

    return work


def _fill_up():
    """From now on this process can write no byte more."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))


def run_over(
    place, names, log, *, fail=(), die=(), changed=(), slow_s=0.0, part=(1, 1), run=None, n_shards=5, full=False
):
    """Names of what was heard of, and whether it was new or known."""
    heard = {}
    shards = RowShards(Store(place), work="test", columns=COLUMNS, n_shards=n_shards, identity=identity)
    by_shard = {}
    for name in names:
        asked = f"{name} {'changed' if name in changed else ''}"
        by_shard.setdefault(shards.shard_of(name), []).append(Piece(name, (Part(name, asked),)))
    number, n_parts = part

    def on_done(piece, done, is_known):
        assert piece.name not in heard
        heard[piece.name] = "known" if is_known else "new"

    ShardRun(
        shards,
        make=partial(make, str(log), frozenset(fail), frozenset(die), slow_s, full),
        run=run or (lambda pieces, make: run_here(pieces, make(), lambda *_: None)),
        is_answer=lambda row: row["status"] == "analysed",
        on_lost=lambda piece, lost: {piece.name: row_of(piece.name, "not analysed", lost.why)},
        on_done=on_done,
        on_waiting=lambda left: None,
    )({shard: partial(list, by_shard[shard]) for shard in sorted(by_shard) if shard % n_parts == number - 1})
    return heard


def run_there(place, names, log):
    """As `run_over`, to be killed: slowly."""
    run_over(place, names, Path(log), slow_s=0.01)
