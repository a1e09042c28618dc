"""The queue, the history, what is kept and what a restart finds; the process that works and may be killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import threading
import time

import pytest

from cli.web import jobs
from cli.web.jobs import Answer, Jobs, QueueFullError, State
from cli.web.runner import Runner
from cli.web.work import ClipTask, EnrolmentTask, NamedFile, Work, WorkOptions, for_the_page, group_of
from person_profiles.store import ProfileStore, folder_name
from poseauth.errors import EnrolmentError, UnknownPersonError, WeakProfileError
from poseauth.recipes import RECIPES
from tests.cli.web.fake_work import FakeWork


def reopened(server):
    again = Jobs(server.settings.data, keep_s=server.settings.keep_s, now=server.clock)
    again.open()
    return again


@pytest.fixture
def runner(server):
    """Works with a real process that does no real work."""
    running = []

    def start(**options):
        made = Runner(server.jobs, FakeWork, **{"job_s": 60.0, **options})
        made.start()
        running.append(made)
        return made

    yield start
    for made in running:
        made.stop()


def test_a_job_is_deleted_with_all_its_files(server, client):
    job = server.answered()
    page = client.get("/")
    assert "body movement consistent with Ada" in page.text
    assert f"/jobs/{job.id}/report.html" in page.text
    assert client.post(f"/jobs/{job.id}/delete").status_code == 303
    assert server.files() == []
    for place in ("", "/report.html", "/report.json", "/clip/00/clip.mp4"):
        answer = client.get(f"/jobs/{job.id}{place}")
        assert answer.status_code == 404
        assert "not any more" in answer.text
    assert client.post(f"/jobs/{job.id}/delete").status_code == 404


def test_a_job_that_waits_is_cancelled_first(server, client):
    job = server.add()
    assert client.post(f"/jobs/{job.id}/delete").status_code == 409
    assert client.post(f"/jobs/{job.id}/cancel").status_code == 303
    assert server.files() == [f"jobs/{job.id}/job.json"]
    assert client.post(f"/jobs/{job.id}/cancel").status_code == 409
    assert "cancelled" in client.get("/").text
    assert client.post(f"/jobs/{job.id}/delete").status_code == 303


def test_nothing_is_kept_longer_than_said(make_server):
    server = make_server(keep_s=3600.0)
    client = server.client()
    client.get("/?token=a-token-for-tests")
    assert "1 hour after the answer" in client.get("/").text
    first = server.answered()
    server.clock.now_s += 3000
    second, waiting = server.answered(), server.add()
    server.clock.now_s += 599
    assert server.jobs.clean() == []
    server.clock.now_s += 1
    assert [job.id for job in server.jobs.clean()] == [first.id]
    assert not any(first.id in name for name in server.files())
    assert any(second.id in name for name in server.files())
    server.clock.now_s += 10 * 3600
    assert [job.id for job in server.jobs.clean()] == [second.id]
    assert [job.id for job in server.jobs.in_order()] == [waiting.id]  # what waits has no answer yet


def test_a_server_that_starts_cleans_first(server):
    server.answered()
    (server.settings.data / "arriving" / "half").mkdir()
    (server.settings.data / "arriving" / "half" / "clip").write_text("half an upload")
    damaged = server.settings.data / "jobs" / "damaged"
    damaged.mkdir()
    (damaged / "job.json").write_text("{}")
    (damaged / "clip").write_text("a clip of nobody")
    server.clock.now_s += server.settings.keep_s
    assert reopened(server).in_order() == []
    assert server.files() == []


def test_the_cleaner_runs_beside_the_jobs(make_server, eventually):
    server = make_server(keep_s=0.05)
    server.answered()
    server.clock.now_s += 1
    runner = Runner(server.jobs, FakeWork, job_s=1.0)
    runner.start()
    eventually(lambda: not server.jobs.in_order())
    runner.stop()
    assert server.files() == []


def test_what_waited_goes_on_after_a_restart_in_its_order(server):
    done = server.answered()
    waiting = [server.add(name) for name in ("b.mp4", "a.mp4")]
    again = reopened(server)
    assert [job.id for job in again.queued()] == [job.id for job in waiting]
    assert again.find(done.id) == done
    assert again.begin() == server.jobs.begin()


def test_what_was_being_done_is_begun_again_once(server):
    job = server.add()
    server.jobs.begin()
    again = reopened(server)
    assert again.find(job.id).state == State.QUEUED
    again.begin()
    job = reopened(server).find(job.id)
    assert job.state == State.FAILED
    assert job.reason == "the server ended 2 times while this was done"
    assert server.files() == [f"jobs/{job.id}/job.json"]


def test_a_job_that_a_stopping_server_left_counts_as_never_begun(server, runner, eventually):
    job = server.add("slow.mp4")
    running = runner()
    eventually(lambda: (stage := running.stage_of(job.id)) and stage.share)
    running.stop()
    left = reopened(server).find(job.id)
    assert (left.state, left.n_starts) == (State.QUEUED, 0)


def test_the_data_folder_is_for_nobody_else(server):
    job = server.add()
    for folder in ("jobs", "arriving", f"jobs/{job.id}"):
        assert stat.S_IMODE((server.settings.data / folder).stat().st_mode) == 0o700


def test_a_job_that_cannot_be_read_is_removed_and_named(server, capsys):
    job = server.add()
    path = server.jobs.folder_of(job.id) / "job.json"
    for content in ("", "[]", json.dumps({**json.loads(path.read_text()), "format": 9}), path.read_text()[:50]):
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        assert reopened(server).in_order() == []
        assert not path.exists()
        assert job.id in capsys.readouterr().err


def test_the_number_of_those_that_wait_or_arrive_is_limited(server):
    server.add()
    with server.jobs.arriving(2), pytest.raises(QueueFullError), server.jobs.arriving(2):
        pass
    with server.jobs.arriving(2):
        pass


def test_jobs_are_done_one_after_another_by_one_process(server, runner, eventually):
    added = [server.add("a.mp4"), server.add("b.mp4")]
    runner()
    done = [eventually(lambda job=job: (found := server.jobs.find(job.id)).answer and found) for job in added]
    assert [job.state for job in done] == [State.DONE] * 2
    assert done[0].answer == done[1].answer
    assert done[0].answer.has_report


def test_what_goes_wrong_ends_its_job_alone_in_words(server, runner, eventually):
    added = [server.add(name) for name in ("crash.mp4", "broken.mp4", "refused.mp4", "good.mp4")]
    runner()
    eventually(lambda: not any(job.is_active for job in server.jobs.in_order()))
    crashed, broken, refused, good = (server.jobs.find(job.id) for job in added)
    assert crashed.reason.startswith("the process that worked on it ended by SIGKILL")
    assert broken.reason.startswith("it failed in a way that nobody foresaw: ValueError in fake_work.py")
    assert refused.reason == "there is too little of it"
    assert [job.state for job in (crashed, broken, refused)] == [State.FAILED] * 3
    assert good.answer.word == "authentic"
    assert not any("clip/" in name and good.id not in name for name in server.files())


def test_a_job_that_is_cancelled_costs_its_process(server, runner, eventually):
    slow, after = server.add("slow.mp4"), server.add("good.mp4")
    running = runner()
    eventually(lambda: (stage := running.stage_of(slow.id)) and stage.share == 0.25)
    assert running.cancel(slow.id)
    began_s = time.monotonic()
    eventually(lambda: server.jobs.find(slow.id).state == State.CANCELLED)
    assert time.monotonic() - began_s < 5
    eventually(lambda: server.jobs.find(after.id).state == State.DONE)
    assert not running.cancel(slow.id)


def test_a_job_that_takes_too_long_is_ended(server, runner, eventually):
    job = server.add("slow.mp4")
    runner(job_s=0.3)
    eventually(lambda: server.jobs.find(job.id).state == State.FAILED)
    assert "--job-minutes" in server.jobs.find(job.id).reason


@pytest.mark.parametrize("waits_s", [0.0, 0.5])
def test_a_process_killed_while_it_had_nothing_to_do_costs_no_job(server, runner, eventually, waits_s):
    first = server.add("a.mp4")
    running = runner()
    answer = eventually(lambda: server.jobs.find(first.id).answer)
    os.kill(int(answer.sentence.split()[-1]), signal.SIGKILL)
    time.sleep(waits_s)  # dead already, or dying while it is handed the job
    second = server.add("b.mp4")  # not before: the living process might do it at once
    running.notice()
    eventually(lambda: not server.jobs.find(second.id).is_active)
    assert server.jobs.find(second.id).answer.sentence != answer.sentence


def test_a_disk_that_is_full_ends_the_job_and_not_the_server(server, runner, eventually, monkeypatch):
    job = server.add("a.mp4")
    end, failed = server.jobs.end, threading.Event()

    def end_once(job_id, state, **others):
        if state is State.DONE and not failed.is_set():
            failed.set()
            raise OSError("No space left on device")
        end(job_id, state, **others)

    monkeypatch.setattr(server.jobs, "end", end_once)
    runner()
    eventually(lambda: server.jobs.find(job.id).state == State.FAILED)
    assert "No space left" in server.jobs.find(job.id).reason


def test_a_state_that_cannot_be_written_holds_nobody_up(server, runner, eventually, monkeypatch, capsys):
    def full(folder, job):
        raise OSError("No space left on device")

    server.add("a.mp4")
    monkeypatch.setattr(jobs, "_write", full)
    runner()
    eventually(lambda: not server.jobs.in_order()[0].is_active)
    assert "a.mp4: its state is not kept: No space left on device" in capsys.readouterr().err
    monkeypatch.undo()
    assert [job.state for job in reopened(server).in_order()] == [State.QUEUED]


def test_progress_is_told_in_frames(server, client, monkeypatch):
    job = server.add()
    server.jobs.begin()
    told = client.get("/progress").json()
    assert told == [
        {"id": job.id, "title": "clip.mp4", "state": "running", "word": "being worked on",
         "told": "loading the networks", "share": None}
    ]  # fmt: skip
    server.add("next.mp4")
    server.add("later.mp4")
    assert [one["told"] for one in client.get("/progress").json()[1:]] == [
        "next in the queue",
        "1 before it in the queue",
    ]


def test_a_job_that_failed_is_shown_as_not_analysed_with_its_reason(server, client):
    job = server.add()
    server.jobs.begin()
    server.jobs.end(job.id, State.FAILED, reason="the process ended by SIGKILL")
    for page in ("/", f"/jobs/{job.id}"):
        text = client.get(page).text
        assert "not analysed" in text
        assert "the process ended by SIGKILL" in text


def test_the_closest_of_all_is_named(server, client):
    server.answered(Answer("inconclusive", "Ada", "not enough to say whether Ada moves here"), person="")
    assert "closest of all enrolled: Ada" in client.get("/").text


def test_who_is_enrolled_is_told_with_the_self_test(client):
    text = client.get("/").text
    assert "Learnt from 40 s in 4 videos" in text
    assert "of 4 own clips" in text
    assert "AUC 1.00 (1.00 to 1.00)" in text
    assert "unsigned" in text
    assert "Every answer is inconclusive" not in text


def test_a_profile_that_cannot_be_used_is_told_and_cannot_be_chosen(server, client):
    assert '<option value="Ada">' in client.get("/").text
    (folder,) = (path for path in server.settings.home.iterdir() if path.is_dir())
    (folder / "profile.json").write_text("{}")
    text = client.get("/").text
    assert '<option value="Ada">' not in text
    assert "cannot be used" in text
    assert "Nobody is enrolled yet" in text


def test_what_was_uploaded_is_served_as_a_video_or_as_bytes_whatever_it_holds(server, client):
    html = b"<!DOCTYPE html><script>alert(1)</script>"
    film = server.answered(name="film.mp4", content=html)
    answer = client.get(f"/jobs/{film.id}/clip/00/film.mp4")
    assert answer.headers["content-type"] == "video/mp4"
    part = client.get(f"/jobs/{film.id}/clip/00/film.mp4", headers={"range": "bytes=2-8"})
    assert (part.status_code, part.content) == (206, html[2:9])
    assert part.headers["content-range"] == f"bytes 2-8/{len(html)}"
    for name in ("page.html", "page.svg", "page", "page.mp4.html", "keypoints.npz"):
        page = server.answered(name=name, content=html)
        answer = client.get(f"/jobs/{page.id}/clip/00/{name}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "place", ["job.json", "clip/00/../../job.json", "clip/00/%2e%2e/%2e%2e/job.json", "clip", "clip/00/"]
)
def test_no_other_file_is_served(server, client, place):
    job = server.answered()
    assert client.get(f"/jobs/{job.id}/{place}").status_code == 404


def test_a_report_is_served_with_its_json(server, client):
    job = server.answered()
    page = client.get(f"/jobs/{job.id}/report.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src" not in page.headers["content-security-policy"]
    assert client.get(f"/jobs/{job.id}/report.json").json() == {"a": 1}
    waiting = server.add()
    assert client.get(f"/jobs/{waiting.id}/report.html").status_code == 404


def test_others_are_grouped_by_what_stands_before_two_underscores():
    assert [group_of(name) for name in ("smith__a.mp4", "smith__b.c.mp4", "smith_a.mp4", "__a.mp4", "a")] == [
        "smith", "smith", "smith_a", "__a", "a"
    ]  # fmt: skip


def test_messages_of_the_command_line_are_put_in_the_words_of_the_page(tmp_path):
    file = NamedFile(tmp_path / "own/00/x.mp4", "Rede: x.mp4")
    told = for_the_page(f"{file.path} is short. Or add --allow-weak: the profile is kept", [file])
    assert told == "Rede: x.mp4 is short. Or tick “Keep a weak profile”: the profile is kept"
    assert "option of poseauth verify" in for_the_page("give --track 2", [])


def enrol(server, speeches, own, others, **options):
    work = Work(WorkOptions(server.settings.home, "auto", server.settings.reader, RECIPES["default"]))
    files = [
        [NamedFile(speeches / f"{name}.npz", f"{name.split('/')[1]}.npz") for name in side] for side in (own, others)
    ]
    stages = []
    answer = work(
        EnrolmentTask("Grace", *files, **{"allow_weak": False, "with_enrolled": True, **options}), stages.append
    )
    return answer, [stage.words for stage in stages]


def test_a_person_is_enrolled_and_the_self_test_told(server, speeches, client):
    own, others = ["others/bob", "others/cleo"], ["ada/one", "ada/two", "others/dan"]
    answer, told = enrol(server, speeches, own, others, allow_weak=True, with_enrolled=False)
    assert answer.word.startswith("enrolled")
    assert any("self-test" in line or "WEAK" in line for line in answer.lines)
    assert "video 1 of 5, bob.npz" in told
    assert any(words.startswith("learning, round 1: ") for words in told)
    assert "Grace" in client.get("/").text


def test_who_cannot_be_told_apart_is_refused_in_the_words_of_the_page(server, speeches):
    with pytest.raises(WeakProfileError, match="Or tick “Keep a weak profile”"):
        enrol(server, speeches, ["others/bob", "others/cleo"], [], with_enrolled=False)
    (server.settings.data / "x").mkdir(parents=True)
    with pytest.raises(EnrolmentError, match=r"none of the videos of the person can be used: gone\.npz: "):
        enrol(server, server.settings.data, ["x/gone"], [])


def test_who_is_enrolled_under_another_name_is_refused_unless_it_is_said(server, speeches):
    # The very videos that Ada was learnt from, and nobody to be tested with: one reason or the other.
    own = ["ada/one", "ada/two", "ada/three"]
    with pytest.raises(WeakProfileError, match="3 of 3 videos are more like Ada") as refused:
        enrol(server, speeches, own, [], with_enrolled=False)
    assert "choose under “Second profile of” 'Ada'; if not," in str(refused.value)
    with pytest.raises(EnrolmentError, match=r"and a second profile is meant, choose under “Second profile of” 'Ada'$"):
        enrol(server, speeches, own, [])
    with pytest.raises(WeakProfileError, match="Grace is not enrolled: it is untested"):
        enrol(server, speeches, own, [], with_enrolled=False, same_as=["Ada"])
    with pytest.raises(UnknownPersonError):
        enrol(server, speeches, own, [], same_as=["Eve"])


def test_profiles_are_read_again_only_after_one_has_changed(server, speeches, monkeypatch):
    read = []
    stored = ProfileStore.stored
    monkeypatch.setattr(ProfileStore, "stored", lambda store, name: read.append(name) or stored(store, name))
    home, path = server.settings.home, speeches / "short.npz"  # too short: an answer without the work
    work = Work(WorkOptions(home, "auto", server.settings.reader, RECIPES["default"]))

    def ask(person):
        page = server.settings.data / "report.html"
        return work(ClipTask(NamedFile(path, path.name), "0" * 64, person, page), lambda stage: None)

    first = ask("Ada")
    assert ask("Ada") == first
    assert read == ["Ada"]
    profile = home / folder_name("Ada") / "profile.json"
    os.utime(profile, ns=(0, 0))
    assert ask("Ada") == first
    assert read == ["Ada", "Ada"]
    shutil.rmtree(profile.parent)
    for person, told in (("Ada", "nobody is enrolled."), ("", "nobody is enrolled whose profile passed")):
        with pytest.raises(UnknownPersonError, match=re.escape(told)) as refused:
            ask(person)
        assert str(home) not in str(refused.value)
