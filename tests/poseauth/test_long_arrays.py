"""Arrays that grow with a clip: the same wherever they lie, and nothing is left of their file."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from poseauth import long_arrays
from poseauth.errors import StorageError
from poseauth.long_arrays import LongArray, in_pieces, let_go


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """Every array lies in a file of a folder of its own, which is given."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(long_arrays, "IN_MEMORY_BYTES", 0)
    return folder


def open_files(folder):
    """Files of a folder that this process has open or mapped, those without a name too."""
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line]
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    return mapped + [link for link in links if link.is_symlink() and str(folder) in os.readlink(link)]


def rows(n, first=0):
    return np.arange(6 * first, 6 * (first + n), dtype=np.float32).reshape(n, 3, 2)


def filled(*counts):
    kept = LongArray((3, 2))
    done = 0
    for n in counts:
        kept.add(rows(n, done))
        done += n
    return kept


def test_what_was_added_in_any_portions_comes_back(monkeypatch):
    for limit in (0, 100, 1 << 20):
        monkeypatch.setattr(long_arrays, "IN_MEMORY_BYTES", limit)
        np.testing.assert_array_equal(filled(1, 0, 5, 30).array(), rows(36))


def test_a_short_array_needs_no_file_and_may_be_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    kept = filled(5).array()
    kept[0] = 7
    assert (kept[0] == 7).all()


def test_an_array_can_go_on_after_it_was_read(on_disk):
    kept = filled(4)
    before = kept.array()
    kept.add(rows(3, 4))
    np.testing.assert_array_equal(before, rows(4))
    np.testing.assert_array_equal(kept.array(), rows(7))


def test_an_empty_array_has_the_shape_of_its_rows(on_disk):
    assert LongArray((3, 2)).array().shape == (0, 3, 2)
    assert LongArray().array().shape == (0,)


def test_what_lies_in_a_file_cannot_be_changed_and_is_read_again_when_it_was_let_go(on_disk):
    kept = filled(40).array()
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 7
    let_go(kept, kept[3:], rows(2))
    np.testing.assert_array_equal(kept, rows(40))


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"rows of shape \(2, 2\) in an array of \(3, 2\)"):
        LongArray((3, 2)).add(np.zeros((4, 2, 2), np.float32))


def test_no_room_is_said_with_the_folder_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(long_arrays, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StorageError, match=r"no room .*\(0 MB so far\) in .*nowhere: .*TMPDIR"):
        filled(1)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is open")
def test_the_file_has_no_name_and_goes_with_the_array(on_disk):
    kept = filled(40)
    seen = kept.array()
    del kept
    assert open_files(on_disk)
    assert not list(on_disk.iterdir())
    np.testing.assert_array_equal(seen[5:], rows(35, 5))
    del seen
    assert not open_files(on_disk)


def test_pieces_cover_all_rows_once(monkeypatch):
    monkeypatch.setattr(long_arrays, "PIECE_FRAMES", 4)
    assert [list(range(10)[piece]) for piece in in_pieces(10)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert not list(in_pieces(0))
