"""A file has its name when it is whole, and not before."""

from __future__ import annotations

import os

import pytest

from poseauth.errors import StorageError
from poseauth.whole_files import make_room, named_when_whole, written_whole


def test_the_old_content_stands_until_the_new_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with written_whole(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_what_ends_the_writing_leaves_the_old_content_alone(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def half_written():
        with written_whole(path) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        half_written()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [None, b"half"])
def test_a_file_that_others_write_by_name_is_there_when_it_is_whole(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def left_half_written():
        with named_when_whole(path) as temporary:
            assert temporary.parent == tmp_path
            if content is not None:
                temporary.write_bytes(content)
                raise ValueError

    with pytest.raises(FileNotFoundError if content is None else ValueError):
        left_half_written()
    assert path.read_bytes() == b"old"
    with named_when_whole(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_room_is_made_for_a_file_and_nothing_is_left_or_changed(tmp_path):
    make_room(tmp_path / "new" / "deep" / "file")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    (tmp_path / "file").write_bytes(b"old")
    make_room(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    make_room(tmp_path / "pipe")  # to open it would wait for a reader


def test_a_place_below_a_file_and_one_that_is_a_folder_are_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "page.html", tmp_path / "file" / "deep" / "page.html"):
        with pytest.raises(StorageError, match=r"is no folder\. Name another place"):
            make_room(path)
    with pytest.raises(StorageError, match=r"cannot be written: Is a directory\. Name another --page"):
        make_room(tmp_path, or_else="Name another --page")
