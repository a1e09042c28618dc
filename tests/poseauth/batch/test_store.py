"""Folders and object stores alike: a file is there as a whole or not at all, and where none may be, one writer wins."""

from __future__ import annotations

import contextlib
import errno
import threading
from typing import ClassVar

import pytest

from poseauth.batch import addresses, store
from poseauth.batch.addresses import check_address, fetch, files_under, kind_of, stamp_of
from poseauth.batch.store import Store
from poseauth.errors import InputError, StorageError


def test_what_is_put_is_read_and_named(place):
    files = Store(place)
    assert files.read("a/b.json") is None
    assert files.names("a") == []
    files.put("a/b.json", b"one")
    files.put("a/b.json", b"two")
    files.put("a/c/d.json", b"three")
    assert files.read("a/b.json") == b"two"
    assert files.names("a") == ["b.json"]
    files.remove("a/b.json")
    files.remove("a/b.json")
    assert files.names("a") == []
    assert Store(f"{place}/").read("a/c/d.json") == b"three"


def test_of_many_who_make_a_file_at_a_time_one_does(place):
    made = []
    begin = threading.Barrier(8)

    def make(number):
        begin.wait()
        if Store(place).create("claim", str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = made
    assert Store(place).read("claim") == str(winner).encode()
    assert Store(place).names() == ["claim"]


def test_the_last_file_takes_its_folders_along(tmp_path):
    files = Store(str(tmp_path / "place"))
    files.put("a/b/c", b"")
    files.put("d", b"")
    files.remove("a/b/c")
    assert [entry.name for entry in (tmp_path / "place").iterdir()] == ["d"]


def test_what_cannot_be_written_is_told_and_leaves_what_stood_there(tmp_path, monkeypatch):
    files = Store(str(tmp_path))
    files.put("rows", b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "written_whole", full)
    with pytest.raises(StorageError, match=r"rows cannot be written: No space left on device\. What is done is kept"):
        files.put("rows", b"new")
    assert files.read("rows") == b"old"


def test_a_store_that_does_not_answer_is_told(bucket):
    with pytest.raises(StorageError, match="s3://no-such-bucket/rows cannot be written"):
        Store("s3://no-such-bucket").put("rows", b"")


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/a.mp4", "ftp://example.org/a.mp4", "file:///etc/passwd", "github://a:b@c/d.mp4",
        "memory://a.mp4", "simplecache::s3://a/b.mp4", "s3://a/b.zip::zip://c.mp4", "zip://c.mp4::s3://a/b.zip",
        "S3:/a/b.mp4", "reference://x",
    ],
)  # fmt: skip
def test_addresses_of_other_kinds_and_within_each_other_are_refused(address):
    if not kind_of(address):  # a path with colons in it
        pytest.skip("no address")
    with pytest.raises(InputError, match="no address of this kind is opened, only s3://, gs://"):
        check_address(address)


def test_the_web_is_opened_only_where_asked_for():
    with pytest.raises(InputError, match="--allow-https"):
        check_address("https://example.org/a.mp4")
    check_address("https://example.org/a.mp4", https=True)
    with pytest.raises(InputError, match="https://"):
        check_address("http://example.org/a.mp4", https=True)


def test_a_path_is_no_address():
    for path in ("/a/b.mp4", "a.mp4", r"C:\clips\a.mp4", "simplecache::x", "a:b"):
        assert kind_of(path) == ""
        check_address(path)


def test_a_file_comes_here_whole_or_not_at_all(bucket, tmp_path):
    Store(bucket).put("clips/a.mp4", b"x" * 1000)
    target = tmp_path / "a.mp4"
    assert fetch(f"{bucket}/clips/a.mp4", target, most_bytes=1000) == 1000
    assert target.read_bytes() == b"x" * 1000
    with pytest.raises(InputError, match=r"1e-06 GB or more, 9\.99e-07 GB are allowed. More: --limit gigabytes"):
        fetch(f"{bucket}/clips/a.mp4", target, most_bytes=999)
    with pytest.raises(InputError, match=r"gone\.mp4: no such file"):
        fetch(f"{bucket}/clips/gone.mp4", target, most_bytes=999)


class Opened:
    """A file system with one file, whose size it tells wrongly."""

    def __init__(self, told, content):
        self.told, self.content = told, content

    def info(self, _):
        return {"size": self.told}

    def open(self, *_, **__):
        import io

        return io.BytesIO(self.content)


@pytest.mark.parametrize(("told", "why"), [(None, "are allowed"), (3, "are allowed"), (500, "are allowed")])
def test_a_store_that_lies_about_a_size_gives_no_more_than_is_allowed(tmp_path, monkeypatch, told, why):
    monkeypatch.setattr(addresses, "filesystem", lambda place: (Opened(told, b"x" * 1000), "a"))
    with pytest.raises(InputError, match=why):
        fetch("s3://a/b.mp4", tmp_path / "b.mp4", most_bytes=600)


def test_a_file_that_breaks_off_is_not_taken_for_a_short_one(tmp_path, monkeypatch):
    monkeypatch.setattr(addresses, "filesystem", lambda place: (Opened(1000, b"x" * 10), "a"))
    with pytest.raises(InputError, match="10 of 1000 bytes came"):
        fetch("s3://a/b.mp4", tmp_path / "b.mp4", most_bytes=2000)


@pytest.mark.skipif("not __import__('pathlib').Path('/dev/full').exists()", reason="no device that is always full")
def test_a_full_disk_here_is_the_clips_reason_and_names_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(addresses, "filesystem", lambda place: (Opened(1000, b"x" * 1000), "a"))
    full = tmp_path / "b.mp4"
    full.symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"No space left on device\. Set TMPDIR"):
        fetch("s3://a/b.mp4", full, most_bytes=2000)


def test_a_stamp_changes_with_the_content_and_is_empty_where_nothing_is(place):
    files = Store(place)
    files.put("a.npz", b"one")
    before = stamp_of(files.where("a.npz"))
    assert before == stamp_of(files.where("a.npz")) != ""
    files.put("a.npz", b"two")
    assert stamp_of(files.where("a.npz")) not in ("", before)
    assert stamp_of(files.where("gone.npz")) == ""


def test_a_folder_of_a_store_gives_its_clips_by_name(bucket):
    files = Store(f"{bucket}/listing")
    for name in ("b.mp4", "a.npz", "note.txt", "more/c.mp4"):
        files.put(name, b"")

    def listed(place, **options):
        found = files_under(place, is_wanted=lambda name: name[-3:] in ("mp4", "npz"), endings={".mp4"}, **options)
        return [address.removeprefix(f"{bucket}/listing/") for address in found]

    assert listed(files.place, recursive=False) == ["a.npz", "b.mp4"]
    assert listed(files.place + "/", recursive=True) == ["a.npz", "b.mp4", "more/c.mp4"]
    assert listed(files.where("b.mp4"), recursive=False) == ["b.mp4"]
    with pytest.raises(InputError, match=r"no clip there|no such folder"):
        listed(files.where("none/"), recursive=False)


def test_the_package_that_opens_an_address_is_named_where_it_is_missing(monkeypatch):
    import fsspec

    def missing(*_, **__):
        raise ImportError("Install gcsfs")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(StorageError, match=r"pip install 'poseauth\[gs\]'"):
        Store("gs://a").read("b")


def test_a_server_of_the_web_sends_nobody_on_to_another_place(tmp_path, monkeypatch):
    pytest.importorskip("aiohttp", reason="aiohttp is not here")
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Server(BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self):
            self.asked.append(self.path)
            if self.path == "/clip.mp4":
                self.send_response(302)
                self.send_header("Location", "/inside")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"inside" if self.command == "GET" else b"")

        do_HEAD = do_GET

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(addresses, "kind_of", lambda place: "https")  # a certificate for a test would prove nothing
    place = f"http://127.0.0.1:{server.server_port}"
    assert fetch(f"{place}/plain.mp4", tmp_path / "plain.mp4", most_bytes=10) == 6
    with contextlib.suppress(InputError):
        fetch(f"{place}/clip.mp4", tmp_path / "clip.mp4", most_bytes=10)
    assert "/inside" not in Server.asked
    assert not (tmp_path / "clip.mp4").exists() or (tmp_path / "clip.mp4").read_bytes() != b"inside"
    server.shutdown()
