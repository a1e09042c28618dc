"""A file has its name when it is whole, and not before."""

from __future__ import annotations

import pytest

from poseauth.whole_files import named_when_whole, written_whole


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
