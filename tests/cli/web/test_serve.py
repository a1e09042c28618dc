"""The command: what it refuses, what it prints, and a server as a process of its own under many uploads at once."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from cli.serve import MISSING
from cli.web.application import make_application
from cli.web.jobs import Jobs
from tests.cli.web.conftest import TOKEN
from tests.cli.web.fake_work import FakeWork

ROOT = Path(__file__).resolve().parents[3]
N_UPLOADS = 30
UPLOAD_BYTES = 5_000_000


@contextmanager
def process_of(*arguments):
    """`poseauth serve` as a process; gives it and the address that it printed."""
    command = "import sys; from cli.main import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "serve", "--port", "0", *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@contextmanager
def listening(application):
    """The application in a thread, on a port of its own; gives its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # whoever asks before the thread runs waits, and is not turned away
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def test_without_the_extra_it_says_how_to_get_it(poseauth, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, _, err = poseauth("serve")
    assert status == 1
    assert MISSING in err
    assert "pip install 'poseauth[web]'" in err


def test_an_address_for_others_needs_a_name(poseauth, tmp_path):
    for host in ("0.0.0.0", "10.0.0.5", "newsroom.example"):
        status, _, err = poseauth("serve", "--host", host, "--data", tmp_path / "data")
        assert status == 2
        assert "--allow-host" in err
    assert not (tmp_path / "data").exists()


def test_a_port_that_is_taken_is_told(poseauth, tmp_path, home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, err = poseauth("serve", "--port", port, "--data", tmp_path / "data", "--home", home)
    assert status == 1
    assert f"port {port}" in err


def test_a_folder_that_cannot_be_written_is_told(poseauth, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = poseauth("serve", "--data", tmp_path / "file" / "data", "--port", "0")
    assert status == 1
    assert "--data" in err


def test_the_address_that_is_printed_opens_the_page_and_the_server_ends_when_asked(tmp_path, home):
    data = tmp_path / "data"
    with process_of("--data", data, "--home", home) as (process, address):
        base, token = address.split("/?token=")
        assert len(token) >= 43  # 256 bits
        assert httpx.get(base).status_code == 403
        with httpx.Client(follow_redirects=True) as client:
            page = client.get(address)
            assert page.status_code == 200
            assert "token" not in str(page.url)
            assert "Ada" in page.text
            assert "server" not in page.headers
            assert client.get(base, headers={"host": "evil.example"}).status_code == 403
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        again = subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", "serve", "--port", "0", "--data", str(data)],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert again.returncode == 1
        assert "another poseauth serve works in" in again.stderr
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert token not in err
    assert "Traceback" not in err
    assert process.returncode == 130


def test_a_name_that_is_allowed_is_printed_and_answered(tmp_path, home):
    arguments = ("--data", tmp_path / "data", "--home", home, "--host", "127.0.0.2", "--allow-host", "check.example")
    with process_of(*arguments) as (process, address):
        base = address.split("/?token=")[0]
        assert base.startswith("http://127.0.0.2:")
        assert httpx.get(address).status_code == 303
        assert process.stdout.readline().startswith("https://check.example/?token=")
        assert "Open the address with the token" in httpx.get(base, headers={"host": "check.example"}).text
        assert "not called" in httpx.get(base, headers={"host": "other.example"}).text


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_thirty_uploads_at_once_are_all_answered_within_limits_of_memory_and_files(make_server, eventually):
    settings = make_server(max_queue=10, max_upload_bytes=10_000_000).settings
    jobs = Jobs(settings.data, keep_s=settings.keep_s)
    application = make_application(settings, token=TOKEN, jobs=jobs, make=FakeWork)
    content, statuses, most = os.urandom(UPLOAD_BYTES), Counter(), resident_bytes()
    open_before = len(os.listdir("/proc/self/fd"))
    with listening(application) as base:
        session = httpx.Client(base_url=base)
        eventually(lambda: session.get(f"/?token={TOKEN}").status_code == 303)
        before = resident_bytes()

        def upload(number):
            answer = httpx.post(
                f"{base}/clips", data={"person": "Ada"}, files={"clip": (f"slow {number}.mp4", content)},
                headers={"origin": base, "accept": "application/json"}, cookies=session.cookies, timeout=60,
            )  # fmt: skip
            statuses[answer.status_code] += 1
            if answer.status_code == 503:
                assert "10 jobs wait already" in answer.json()["error"]

        threads = [threading.Thread(target=upload, args=(number,)) for number in range(N_UPLOADS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, resident_bytes())
            assert len(jobs.queued()) <= 10
            threads[0].join(0.02)
            threads = [thread for thread in threads if thread.is_alive()]
        assert statuses[201] + statuses[503] == N_UPLOADS
        assert 10 <= statuses[201] <= 11  # one may be worked on already
        # The clients of this process hold the content too, and what they send of it.
        assert most - before < 200_000_000
        assert session.get("/").status_code == 200
        kept = sum(path.stat().st_size for path in settings.data.rglob("*") if path.is_file())
        assert kept < 12 * UPLOAD_BYTES
        assert not any((settings.data / "arriving").iterdir())
        session.close()
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= open_before + 5)
