"""What comes in: limits, names, and that nothing is left of what is refused."""

from __future__ import annotations

import asyncio
import collections
import errno
import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest

from cli.web import uploads
from cli.web.uploads import stored_name
from tests.cli.web.conftest import BASE, TOKEN

BOUNDARY = "a-boundary"
JSON = {"accept": "application/json"}


def form(*parts):
    """A form as a browser sends it; a part is a field, a file's name or None, and its content."""
    body = b""
    for field, name, content in parts:
        file = "" if name is None else f'; filename="{name}"'
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def send(client, body, path="/clips", **headers):
    kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", **JSON, **headers}
    return client.post(path, content=body, headers=kind)


def nothing_is_left(server):
    return server.files() == [] and not any((server.settings.data / "arriving").iterdir())


def in_pieces(application, pieces, announced, cookie):
    """An upload of many pieces, straight to the application; gives the status and the words."""
    said = collections.defaultdict(bytes)
    waiting = iter(pieces)

    async def receive():
        piece = next(waiting, None)
        if piece is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        if isinstance(piece, float):
            await asyncio.sleep(piece)
            piece = b""
        return {"type": "http.request", "body": piece, "more_body": True}

    async def answer(message):
        if message["type"] == "http.response.start":
            said["status"] = message["status"]
        else:
            said["body"] += message.get("body", b"")

    headers = {
        "host": "127.0.0.1:8765", "origin": BASE, "cookie": cookie, "content-length": str(announced),
        "content-type": f"multipart/form-data; boundary={BOUNDARY}", **JSON,
    }  # fmt: skip
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/clips",
        "query_string": b"", "raw_path": b"/clips", "root_path": "", "client": None, "server": None,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(application(scope, receive, answer))
    return said["status"], json.loads(said["body"])


def cookie_of(client):
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def test_a_clip_is_stored_hashed_and_queued(server, client):
    content = bytes(range(256)) * 1000
    answer = send(client, form(("person", None, b"Ada"), ("clip", "speech.mp4", content)))
    assert answer.status_code == 201
    (job,) = server.jobs.in_order()
    assert answer.json() == {"jobs": [job.id]}
    assert (job.title, job.person, job.state) == ("speech.mp4", "Ada", "queued")
    assert job.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert (server.jobs.folder_of(job.id) / job.files[0].place).read_bytes() == content


def test_without_a_script_the_browser_is_led_to_the_job_or_to_the_queue(server, client):
    body = form(("person", None, b"Ada"), ("clip", "a.mp4", b"1"))
    answer = send(client, body, accept="text/html")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/jobs/{server.jobs.in_order()[0].id}"
    two = form(("person", None, b""), ("clip", "b.mp4", b"2"), ("clip", "c.mp4", b"3"))
    assert send(client, two, accept="text/html").headers["location"] == "/"
    assert [job.title for job in server.jobs.in_order()] == ["a.mp4", "c.mp4", "b.mp4"]
    contents = [(server.jobs.folder_of(job.id) / job.files[0].place).read_bytes() for job in server.jobs.in_order()]
    assert contents == [b"1", b"3", b"2"]


@pytest.mark.parametrize("n_bytes", [1, 7, 64, 10_000])
def test_it_does_not_matter_where_an_upload_is_cut(server, client, n_bytes):
    content = (b"\r\n--a-bound" + bytes(range(256))) * 20
    body = form(("clip", "a.mp4", content), ("person", None, b"Ada"))
    pieces = [body[start : start + n_bytes] for start in range(0, len(body), n_bytes)]
    status, _ = in_pieces(server.application, pieces, len(body), cookie_of(client))
    assert status == 201
    assert server.jobs.in_order()[0].files[0].sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..", ".", "...", ".bashrc", "C:\\Windows\\x.mp4", "a/b/c.mp4", "  ",
             "x" * 5000 + ".mp4", "con.mp4", "a\x00b.mp4", "a\nb.mp4", "\u202egpj.mp4", "/", "\\", "x.m/p4",
             "\u0130" * 300, "a." + "b" * 99]
)  # fmt: skip
def test_a_name_is_never_a_path(name, tmp_path):
    made = stored_name(name)
    assert made
    assert Path(made).name == made
    assert made not in (".", "..")
    assert not made.startswith(".")
    assert made.isprintable()
    (tmp_path / made).write_bytes(b"")
    assert [path.name for path in tmp_path.iterdir()] == [made]


def test_a_name_keeps_its_ending():
    assert stored_name("x" * 5000 + ".npz").endswith(".npz")
    assert stored_name("Rede in Köln.mp4") == "Rede in Köln.mp4"


def test_a_name_is_shown_as_text(server, client):
    name = "<img src=x onerror=alert(1)>\u202e.mp4"
    assert send(client, form(("person", None, b"Ada"), ("clip", name, b"1"))).status_code == 201
    (job,) = server.jobs.in_order()
    assert job.title == name
    for path in ("/", "/lists", f"/jobs/{job.id}"):
        text = client.get(path).text
        assert "<img" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;\\u202e.mp4" in text
    assert client.get("/progress").json()[0]["title"] == "<img src=x onerror=alert(1)>\\u202e.mp4"


def test_too_large_is_refused_by_what_is_announced(server, client):
    status, told = in_pieces(server.application, [], 1_200_000, cookie_of(client))
    assert status == 413
    assert told["error"].startswith("One upload may have 1 MB here, all its files together; this one has 1 MB.")
    assert "--max-upload-mb" in told["error"]
    assert nothing_is_left(server)


def test_too_large_is_refused_by_what_comes(server, client):
    pieces = [form(("clip", "a.mp4", b"x" * 100_000))[:-20]] + [b"x" * 100_000] * 30
    status, told = in_pieces(server.application, pieces, 1000, cookie_of(client))
    assert status == 413
    assert "this one has more" in told["error"]
    assert nothing_is_left(server)


def test_an_upload_is_never_whole_in_memory(make_server):
    server = make_server(max_upload_bytes=200_000_000)
    client = server.client()
    client.get(f"/?token={TOKEN}")
    client.get("/")  # reads the profiles
    head = form(("person", None, b"Ada"), ("clip", "a.mp4", b""))
    cut = head.rindex(b"\r\n--")
    pieces = (head[:cut] if number == 0 else b"x" * 65536 if number <= 1000 else head[cut:] for number in range(1002))
    tracemalloc.start()
    status, _ = in_pieces(server.application, pieces, 65536 * 1000 + len(head), cookie_of(client))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == 201
    assert server.jobs.in_order()[0].files[0].n_bytes == 65536 * 1000
    assert peak < 8_000_000


def test_what_is_no_form_with_files_is_refused(server, client):
    assert client.post("/clips", data={"person": "Ada"}, headers=JSON).status_code == 415
    assert client.post("/clips", content=b"{}", headers={"content-type": "application/json"}).status_code == 415
    assert send(client, form(("person", None, b"Ada"))).status_code == 422
    assert send(client, form(("person", None, b"Ada"), ("clip", "", b""))).json()["error"] == "No clip was chosen."
    assert send(client, form(("person", None, b"Eve"), ("clip", "a.mp4", b"1"))).status_code == 422
    assert send(client, form(("person", None, b"x" * 3000), ("clip", "a.mp4", b"1"))).status_code == 413
    assert send(client, b"garbage").status_code == 400
    assert send(client, form(("clip", "a.mp4", b"1"))[:-10]).status_code == 400
    assert send(client, form(*[("clip", "", b"")] * 600)).status_code == 413
    assert client.post("/clips", content=iter([b"x"]), headers={
        "content-type": f"multipart/form-data; boundary={BOUNDARY}"}).status_code == 411  # fmt: skip
    assert nothing_is_left(server)


def test_a_full_disk_is_told_before_and_while_an_upload_comes_in(server, client, monkeypatch):
    body = form(("person", None, b"Ada"), ("clip", "a.mp4", b"1"))
    with monkeypatch.context() as patched:
        patched.setattr(uploads, "RESERVE_BYTES", 10**18)
        answer = send(client, body)
    assert answer.status_code == 503
    assert "disk has no room" in answer.json()["error"]

    def full(self, piece):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads._ArrivingFile, "write", full)
    answer = send(client, body)
    assert answer.status_code == 503
    assert "it filled up while the upload came in" in answer.json()["error"]
    assert nothing_is_left(server)


def test_an_upload_that_stalls_is_given_up(server, client, monkeypatch):
    monkeypatch.setattr(uploads, "STALL_S", 0.1)
    monkeypatch.setattr(uploads, "_DRAIN_S", 0.1)
    status, told = in_pieces(server.application, [form()[:5], 5.0], 1000, cookie_of(client))
    assert status == 408
    assert "the upload was given up" in told["error"]
    assert nothing_is_left(server)


def test_no_more_than_the_limit_may_wait(server, client):
    body = form(("person", None, b"Ada"), ("clip", "a.mp4", b"1"))
    assert [send(client, body).status_code for _ in range(7)] == [201] * 5 + [503] * 2
    assert "5 jobs wait already" in send(client, body).json()["error"]
    two = form(("clip", "a.mp4", b"1"), ("clip", "b.mp4", b"2"))
    server.jobs.cancel_queued(server.jobs.queued()[0].id)
    assert len(send(client, two).json()["jobs"]) == 1  # the second has no place left
    assert len(server.jobs.queued()) == 5


def test_a_form_without_files_may_not_say_much(server, client):
    job = server.add()
    assert client.post(f"/jobs/{job.id}/cancel", content=b"x" * 20_000).status_code == 413
    assert server.jobs.find(job.id).is_active


def enrolment(person, *files, **ticked):
    texts = [("person", None, person.encode()), *((name, None, b"on") for name in ticked)]
    return form(*texts, *((role, name, content) for role, name, content in files))


def test_an_enrolment_is_queued_with_both_sides_apart(server, client):
    body = enrolment(
        "Grace", ("own", "a.mp4", b"1"), ("own", "a.mp4", b"2"), ("others", "b__1.mp4", b"3"), allow_weak=True
    )  # fmt: skip
    assert send(client, body, "/enrolments").status_code == 201
    (job,) = server.jobs.in_order()
    assert (job.kind, job.person, job.allow_weak, job.with_enrolled) == ("enrolment", "Grace", True, False)
    assert [(file.role, file.place) for file in job.files] == [
        ("own", "own/00/a.mp4"), ("own", "own/01/a.mp4"), ("others", "others/00/b__1.mp4")
    ]  # fmt: skip


def test_a_second_profile_names_the_first_which_has_to_be_there(server, client):
    fields = ("person", None, b"Ada 2"), ("own", "a.mp4", b"1")
    assert send(client, form(*fields, ("same_as", None, b"Ada")), "/enrolments").status_code == 201
    (job,) = server.jobs.in_order()
    assert job.same_as == "Ada"
    assert "second profile of Ada" in client.get(f"/jobs/{job.id}").text
    refused = send(client, form(*fields, ("same_as", None, b"Eve")), "/enrolments")
    assert (refused.status_code, refused.json()["error"]) == (422, "Eve is not enrolled here.")
    assert server.jobs.in_order() == [job]


def test_a_name_that_cannot_be_enrolled_is_refused_before_any_work(server, client):
    own = ("own", "a.mp4", b"1")
    assert "enrolled already" in send(client, enrolment("Ada", own), "/enrolments").json()["error"]
    assert "enrolled already" in send(client, enrolment("ADA", own), "/enrolments").json()["error"]
    assert send(client, enrolment("", own), "/enrolments").status_code == 422
    assert "is no name" in send(client, enrolment("x" * 300, own), "/enrolments").json()["error"]
    assert "No video of the person" in send(client, enrolment("Grace"), "/enrolments").json()["error"]
    assert nothing_is_left(server)
