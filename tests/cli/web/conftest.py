"""A server without a network: the application, a client that has its session, a clock that is set by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import pytest

pytest.importorskip("starlette", reason="pip install 'poseauth[web]'")
pytest.importorskip("httpx")
from starlette.testclient import TestClient

from cli.web.application import make_application
from cli.web.jobs import Answer, JobFile, Jobs, Kind, State
from cli.web.settings import Settings
from poseauth.recipes import RECIPES

TOKEN = "a-token-for-tests"
BASE = "http://127.0.0.1:8765"


@dataclass
class Clock:
    now_s: float = 1_700_000_000.0

    def __call__(self):
        return self.now_s


@dataclass
class Server:
    """The application whose jobs nobody works on, and what is behind it."""

    settings: Settings
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self):
        self.jobs = Jobs(self.settings.data, keep_s=self.settings.keep_s, now=self.clock)
        self.jobs.open()
        self.application = make_application(self.settings, token=TOKEN, jobs=self.jobs)

    def client(self, base=BASE):
        return TestClient(self.application, base_url=base, follow_redirects=False, headers={"origin": base})

    def files(self):
        return sorted(
            path.relative_to(self.settings.data).as_posix() for path in self.settings.data.rglob("*") if path.is_file()
        )

    def add(self, name="clip.mp4", content=b"a video", person="Ada", kind=Kind.CLIP, **others):
        with self.jobs.arriving(100) as folder:
            (folder / "clip/00").mkdir(parents=True)
            (folder / "clip/00" / name).write_bytes(content)
            file = JobFile(name, f"clip/00/{name}", "clip", "0" * 64, len(content))
            return self.jobs.add(folder, kind, person, [file], **others)

    def answered(self, answer=None, **others):
        """A job with an answer, and its report."""
        job = self.add(**others)
        assert self.jobs.begin().id == job.id
        folder = self.jobs.folder_of(job.id)
        (folder / "report.html").write_text("<!DOCTYPE html><title>a report</title>")
        (folder / "report.json").write_text('{"a": 1}')
        answer = answer or Answer("authentic", "Ada", "body movement consistent with Ada", ("weak support",), True)
        self.jobs.end(job.id, State.DONE, answer=answer)
        return self.jobs.find(job.id)


@pytest.fixture
def settings(tmp_path, home):
    return Settings(
        data=tmp_path / "data",
        home=home,
        max_upload_bytes=1_000_000,
        max_queue=5,
        reader={
            "weights": None, "device": "cpu", "allow_download": False, "cache_dir": None, "no_cache": True,
            "openpose_fps": 30.0, "limits": None,
        },
        recipe=RECIPES["default"],
    )  # fmt: skip


@pytest.fixture
def make_server(settings):
    def make(**changes):
        return Server(replace(settings, **changes))

    return make


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def client(server):
    """A browser that has opened the address with the token."""
    client = server.client()
    assert client.get(f"/?token={TOKEN}").status_code == 303
    return client


@pytest.fixture
def eventually():
    """Waits until something holds, and gives it."""

    def wait(what, *, for_s=60.0):
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            found = what()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError("it never came")

    return wait
