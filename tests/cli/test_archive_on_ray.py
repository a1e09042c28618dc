"""The commands on a real Ray cluster of this machine, whose workers and driver are killed meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from keypoint_extractors.drawing.figure import LOOKS
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.keypoint_files import write_keypoints
from tests.cli.test_archive import rows_of
from tests.cluster_here import ROOT, workers


def command(*arguments):
    """The command line in a process of its own; gives the process."""
    program = "from cli.main import main\nif __name__ == '__main__': main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_cluster_gives_the_rows_of_this_machine(ray_cluster, poseauth, speeches, home, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("test-ada", "test-other", "short"):
        shutil.copy(speeches / f"{name}.npz", clips)
    (clips / "note.npz").write_text("no keypoints")
    arguments = ("verify", clips, "--person", "Ada", "--home", home)
    on_ray = ("--ray", ray_cluster.address, "--cpus-per-clip", "1", "--jobs", "1")
    status, out, err = poseauth(*arguments, "--output", tmp_path / "ray", *on_ray)
    assert (status, "1 clip at a time, each with 1 core, on the cluster" in err) == (3, True), err
    assert "Parquet files" in out
    assert poseauth(*arguments, "--output", tmp_path / "here")[0] == 3
    assert rows_of(tmp_path / "ray") == rows_of(tmp_path / "here")
    status, _, err = poseauth(*arguments, "--output", tmp_path / "ray", "--shard", "1/1")
    assert "of 2 clips answers were known before" in err  # begun on a cluster, gone on with without one


def kill_now_and_then(ended, seed, most_s):
    """Kill a worker that is at a clip, again and again; gives how many."""
    chance = random.Random(seed)
    killed = []

    def run():
        while not ended.wait(chance.uniform(0.3, 1.0) * most_s):
            at_work = workers()
            if at_work:
                chosen = chance.choice(at_work)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chosen, signal.SIGKILL)
                    killed.append(chosen)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, killed


@pytest.mark.heavy
def test_five_hundred_rendered_clips_with_random_kills_end_in_a_row_each(ray_cluster, tmp_path, models):
    clips = tmp_path / "clips"
    clips.mkdir()
    n_clips, n_drawn = 500, 20
    for number in range(n_drawn):
        speech = speak(STYLES[number % len(STYLES)], duration_s=0.6, seed=number, width=320, height=180)
        render_video(speech, clips / f"{number:03d}.mp4", look=LOOKS[number % len(LOOKS)])
    for number in range(n_drawn, n_clips):
        os.link(clips / f"{number % n_drawn:03d}.mp4", clips / f"{number:03d}.mp4")
    arguments = (
        "extract", clips, "--extractor", "blazepose", "--output", tmp_path / "rows", "--ray", ray_cluster.address,
        "--cpus-per-clip", "1",
    )  # fmt: skip
    begun, ended = time.monotonic(), threading.Event()
    thread, killed = kill_now_and_then(ended, seed=0, most_s=30.0)
    try:
        driver = command(*arguments)
        until = time.monotonic() + 1800
        while len(list((tmp_path / "rows").rglob("*.json"))) + 64 * len(list((tmp_path / "rows").glob("rows-*"))) < 150:
            assert time.monotonic() < until
            assert driver.poll() is None, driver.communicate()
            time.sleep(0.2)
        driver.kill()
        driver.communicate()
        driver = command(*arguments)
        _, err = driver.communicate(timeout=3600)
    finally:
        ended.set()
        thread.join()
    told = rows_of(tmp_path / "rows")
    n_lost = sum(row["status"] != "analysed" for row in told)
    seconds, n_named = time.monotonic() - begun, len({row["source"] for row in told})
    print(f"\n{n_clips} clips, {len(killed)} workers and 1 driver killed, {seconds:.0f} s")
    print(f"{len(told)} rows, {n_named} clips, {n_lost} not analysed\n{err[-600:]}")
    assert len(killed) >= 10
    assert sorted(row["source"] for row in told) == sorted(str(path) for path in clips.iterdir())
    assert all("processes died over it" in row["reasons"] for row in told if row["status"] != "analysed")
    assert driver.returncode == (3 if n_lost else 0)
    if n_lost:
        assert command(*arguments).wait(3600) == 0
    told = rows_of(tmp_path / "rows")
    assert len({row["source"] for row in told}) == len(told) == n_clips
    assert {row["status"] for row in told} == {"analysed"}


@pytest.mark.heavy
def test_two_drivers_at_once_on_one_cluster_share_a_thousand_clips(ray_cluster, tmp_path):
    """Keypoint files, so that what is measured is what lies around them."""
    clips = tmp_path / "clips"
    clips.mkdir()
    n_clips, n_drawn = 1000, 8
    for number in range(n_drawn):
        write_keypoints(speak(STYLES[number % 4], duration_s=10, seed=number), clips / f"{number:05d}.npz")
    for number in range(n_drawn, n_clips):
        os.link(clips / f"{number % n_drawn:05d}.npz", clips / f"{number:05d}.npz")
    arguments = (
        "extract",
        clips,
        "-o",
        tmp_path / "rows",
        "--cpus-per-clip",
        "1",
        "--jobs",
        "1",
        "--ray",
        ray_cluster.address,
    )
    begun = time.monotonic()
    drivers = [command(*arguments) for _ in range(2)]
    told = [driver.communicate(timeout=3600) for driver in drivers]
    print(f"\n{n_clips} clips, 2 drivers, {time.monotonic() - begun:.0f} s")
    print("\n".join(err[-400:] for _, err in told))
    assert [driver.returncode for driver in drivers] == [0, 0]
    rows = rows_of(tmp_path / "rows")
    assert len({row["source"] for row in rows}) == len(rows) == n_clips
    assert all("1,000 rows: 1,000 analysed" in err for _, err in told)
