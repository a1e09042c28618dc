"""A keypoint file comes back as it was written, or is refused: nothing in it is run, nothing half-written is left."""

from __future__ import annotations

import errno
import json
import os
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from poseauth import keypoint_files, long_arrays
from poseauth.errors import KeypointFileError, StorageError
from poseauth.keypoint_files import (
    provenance_as_dict,
    provenance_from_dict,
    read_keypoints,
    write_keypoints,
    write_method_csv,
)
from poseauth.keypoints import (
    R_WRIST,
    WHOLE_BODY_SHAPES,
    Coverage,
    ExtractorFingerprint,
    Provenance,
    WholeBody,
)

ARRAYS = ("keypoints", "confidence", "timestamps_s", "shot")
FULL = {
    "source_name": "Präsident 総理.mp4",
    "source_sha256": "ab" * 32,
    "frame_width": 640,
    "frame_height": 360,
    "extractor": ExtractorFingerprint("yolo", "8.4", "cd" * 32, {"imgsz": 640, "conf": 0.3, "half": False}),
    "coverage": Coverage(300, 290, 290, "invalid data in a packet"),
    "n_people_ignored": 2,
    "n_shots_ambiguous": 1,
}


@pytest.fixture
def sequence(make_sequence):
    movement = np.random.default_rng(0).normal(0, 2, (40, 12, 2))
    shot = np.repeat([0, 1], 20)
    return make_sequence(np.arange(40) / 29.97, movement, missing=[(slice(3, 9), R_WRIST)], shot=shot, **FULL)


@pytest.fixture
def stored(sequence, tmp_path):
    path = tmp_path / "clip.npz"
    write_keypoints(sequence, path)
    return path


def assert_same(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.provenance == other.provenance


def rewrite(path, **changes):
    """The file again, with some arrays exchanged (None: left out)."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
    np.savez(path, **arrays)


def rewrite_meta(path, **changes):
    with np.load(path) as archive:
        meta = {**json.loads(str(archive["meta"][()])), **changes}
    rewrite(path, meta=np.array(json.dumps(meta)))


def npy_header(shape, descr="<f4"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def replace_member(path, name, content):
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, old in members.items():
            archive.writestr(member, content if member == name else old)


def test_a_sequence_comes_back_as_it_was_written(sequence, stored):
    assert_same(read_keypoints(stored), sequence)


@pytest.fixture
def with_hands(sequence):
    """The sequence with hands and a body; the left hand is missing in some frames, and one of its points in others."""
    rng = np.random.default_rng(1)
    hands = rng.normal(300, 50, (40, 2, 21, 3)).astype(np.float32)
    confidence = rng.uniform(0.5, 1, (40, 2)).astype(np.float32)
    hands[5:9, 0], confidence[5:9, 0] = np.nan, 0.0
    hands[20:, 0, 8] = np.nan
    body = rng.normal(300, 50, (40, 33, 3)).astype(np.float32)
    return replace(sequence, whole_body=WholeBody(hands, confidence, body, rng.uniform(0, 1, (40, 33)).astype("f4")))


@pytest.mark.parametrize("names", [("hands", "hand_confidence"), ("body", "visibility"), tuple(WHOLE_BODY_SHAPES)])
def test_hands_and_body_come_back_as_they_were_written_each_alone_or_both(with_hands, tmp_path, names):
    some = WholeBody(**{name: getattr(with_hands.whole_body, name) for name in names})
    write_keypoints(replace(with_hands, whole_body=some), tmp_path / "clip.npz")
    read = read_keypoints(tmp_path / "clip.npz")
    assert_same(read, with_hands)
    assert read.whole_body.given().keys() == some.given().keys()
    for name, array in some.given().items():
        np.testing.assert_array_equal(getattr(read.whole_body, name), array)


def test_a_file_of_the_first_format_reads_as_ever(sequence, stored):
    rewrite_meta(stored, format_version=1)
    read = read_keypoints(stored)
    assert_same(read, sequence)
    assert read.whole_body is None


@pytest.mark.parametrize(
    "changes",
    [
        {"hands": np.zeros((40, 2, 20, 3), np.float32)},
        {"hands": np.zeros((39, 2, 21, 3), np.float32)},
        {"hand_confidence": np.full((40, 2), 1.5, np.float32)},
        {"hand_confidence": None},
        {"hands": np.full((40, 2, 21, 3), np.inf, np.float32)},
        {"hands": np.array("text")},
        {"visibility": np.full((40, 33), np.nan, np.float32)},
        {"body": None},
    ],
    ids=["points", "frames", "confidence", "alone", "infinite", "text", "visibility", "bodiless"],
)
def test_hands_and_bodies_that_do_not_fit_are_refused(with_hands, tmp_path, changes):
    path = tmp_path / "clip.npz"
    write_keypoints(with_hands, path)
    rewrite(path, **changes)
    with pytest.raises(KeypointFileError, match=r"clip\.npz"):
        read_keypoints(path)


def test_long_arrays_are_read_piece_by_piece(with_hands, tmp_path, monkeypatch):
    write_keypoints(with_hands, tmp_path / "clip.npz")
    monkeypatch.setattr(keypoint_files, "_PIECE_BYTES", 7 * 2 * 21 * 3 * 4)
    monkeypatch.setattr(long_arrays, "IN_MEMORY_BYTES", 1000)
    read = read_keypoints(tmp_path / "clip.npz")
    np.testing.assert_array_equal(read.whole_body.hands, with_hands.whole_body.hands)
    assert not read.whole_body.hands.flags.writeable


def test_a_plain_file_of_133_points_has_hands(tmp_path):
    rng = np.random.default_rng(2)
    xy, conf = rng.uniform(100, 400, (20, 133, 2)), np.ones((20, 133))
    conf[:, 91:103] = 0.2  # of the left hand nine points are left
    np.savez(tmp_path / "plain.npz", xy=xy, conf=conf, fps=30.0)
    read = read_keypoints(tmp_path / "plain.npz")
    assert np.isnan(read.whole_body.hands[:, 0]).all()
    np.testing.assert_allclose(read.whole_body.hands[:, 1, :, :2], xy[:, 112:133], rtol=1e-6)
    assert np.isnan(read.whole_body.hands[..., 2]).all()
    assert (read.whole_body.hand_confidence == [0, 1]).all()
    np.testing.assert_allclose(read.keypoints[:, R_WRIST], xy[:, 10], rtol=1e-6)


def test_a_sequence_without_frames_comes_back_too(make_sequence, tmp_path):
    write_keypoints(make_sequence([]), tmp_path / "empty.npz")
    assert len(read_keypoints(tmp_path / "empty.npz")) == 0


def test_provenance_of_which_nothing_is_known_comes_back_too():
    bare = Provenance("clip.mp4")
    assert provenance_from_dict(json.loads(json.dumps(provenance_as_dict(bare)))) == bare


def test_the_file_holds_the_arrays_that_the_format_names(sequence, stored):
    with np.load(stored, allow_pickle=False) as archive:
        assert {name: archive[name].dtype.name for name in ARRAYS} == {
            "keypoints": "float32",
            "confidence": "float32",
            "timestamps_s": "float64",
            "shot": "int32",
        }
        assert json.loads(str(archive["meta"]))["format_version"] == 2


def test_a_researchers_own_arrays_are_converted(sequence, stored):
    rewrite(
        stored,
        keypoints=sequence.keypoints.astype(np.float64),
        shot=sequence.shot.astype(np.int64),
        meta=np.array(json.dumps({"format_version": 1, "source_name": "own.mp4"})),
    )
    read = read_keypoints(stored)
    np.testing.assert_array_equal(read.keypoints, sequence.keypoints)
    assert read.provenance == Provenance("own.mp4")


def test_the_folder_of_a_file_is_made(sequence, tmp_path):
    write_keypoints(sequence, tmp_path / "a" / "b" / "clip.npz")
    assert_same(read_keypoints(tmp_path / "a" / "b" / "clip.npz"), sequence)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(KeypointFileError, match=r"none\.npz: no such file"):
        read_keypoints(tmp_path / "none.npz")


def test_a_file_that_is_something_else_is_refused(tmp_path):
    path = tmp_path / "clip.npz"
    path.write_bytes(b"RIFF....AVI LIST")
    with pytest.raises(KeypointFileError, match=r"clip\.npz: not a keypoint file"):
        read_keypoints(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(KeypointFileError, match="not a keypoint file"):
        read_keypoints(tmp_path)


def test_a_truncated_file_is_refused_wherever_it_ends(stored):
    content = stored.read_bytes()
    for length in range(0, len(content), 97):
        stored.write_bytes(content[:length])
        with pytest.raises(KeypointFileError):
            read_keypoints(stored)


def test_a_file_with_a_flipped_bit_is_refused_or_reads_as_it_was_written(sequence, stored):
    content = stored.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 150):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        stored.write_bytes(flipped)
        try:
            read = read_keypoints(stored)
        except KeypointFileError:
            continue
        assert_same(read, sequence)


def test_a_flipped_bit_in_an_uncompressed_array_is_noticed(stored):
    rewrite(stored)
    content = bytearray(stored.read_bytes())
    content[content.index(b"keypoints.npy") + 400] ^= 1
    stored.write_bytes(content)
    with pytest.raises(KeypointFileError, match="damaged"):
        read_keypoints(stored)


class Bomb:
    """Would make a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("array", [*ARRAYS, "meta"])
def test_a_pickle_in_a_file_is_refused_and_not_run(stored, tmp_path, array):
    with np.load(stored) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays[array] = np.array([Bomb(tmp_path / "ran")], dtype=object)
    np.savez(stored, allow_pickle=True, **arrays)
    with pytest.raises(KeypointFileError):
        read_keypoints(stored)
    assert not (tmp_path / "ran").exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path):
    path = tmp_path / "clip.npz"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(KeypointFileError):
        read_keypoints(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("array", [*ARRAYS, "meta"])
def test_a_missing_array_is_named(stored, array):
    rewrite(stored, **{array: None})
    with pytest.raises(KeypointFileError, match=f"no array named {array}; a keypoint file holds keypoints, confidence"):
        read_keypoints(stored)


@pytest.mark.parametrize(
    ("array", "value"),
    [
        ("keypoints", np.zeros((40, 17, 2), np.float32)),
        ("keypoints", np.zeros((40, 24), np.float32)),
        ("keypoints", np.array("text")),
        ("confidence", np.ones((40, 12, 1), np.float32)),
        ("confidence", np.array(0.5)),
        ("timestamps_s", np.arange(39) / 30),
        ("timestamps_s", np.array(0.0)),
        ("timestamps_s", np.zeros(40)),
        ("shot", np.zeros((40, 1), np.int32)),
        ("shot", np.arange(40)[::-1]),
    ],
)
def test_an_array_that_is_not_as_it_must_be_is_refused(stored, array, value):
    rewrite(stored, **{array: value})
    with pytest.raises(KeypointFileError, match=r"clip\.npz"):
        read_keypoints(stored)


def test_a_later_format_is_named_with_the_one_that_is_read(stored):
    rewrite_meta(stored, format_version=3)
    with pytest.raises(KeypointFileError, match="keypoint format 3; this version reads 1 and 2"):
        read_keypoints(stored)


def test_a_later_format_with_another_description_is_named_too(stored):
    rewrite(stored, meta=np.array('{"format_version": 3, "sources": []}'))
    with pytest.raises(KeypointFileError, match="keypoint format 3; this version reads 1 and 2"):
        read_keypoints(stored)


DEEP = "[" * 100_000
ENDLESS = '{"format_version": 1, "source_name": "clip.mp4", "frame_width": Infinity}'


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut off"),
        pytest.param("[]", id="a list"),
        pytest.param('{"format_version": 1}', id="no source"),
        pytest.param('{"source_name": "clip.mp4"}', id="no version"),
        pytest.param('{"format_version": 1, "source_name": "a", "coverage": "all"}', id="coverage in words"),
        pytest.param('{"format_version": 1, "source_name": "a", "coverage": {"n_kept": 1}}', id="half a coverage"),
        pytest.param(
            '{"format_version": 1, "source_name": "a", "extractor": {"name": "yolo"}}', id="half an extractor"
        ),
        pytest.param('{"format_version": 1, "source_name": "a", "extractor": "yolo"}', id="extractor in words"),
        pytest.param('{"format_version": 1, "source_name": "a", "frame_width": "wide"}', id="width in words"),
        pytest.param(
            DEEP,
            id="endlessly deep",
        ),
        pytest.param(
            ENDLESS,
            id="an endless width",
        ),
    ],
)
def test_a_description_that_cannot_be_read_is_refused(stored, meta):
    rewrite(stored, meta=np.array(meta))
    with pytest.raises(KeypointFileError, match=r"description \(meta\) cannot be read"):
        read_keypoints(stored)


@pytest.mark.parametrize("shape", ["(10000000000000, 12, 2)", "(-1, 12, 2)"])
def test_an_array_that_claims_more_than_it_holds_is_refused(stored, shape):
    replace_member(stored, "keypoints.npy", npy_header(shape) + bytes(96))
    with pytest.raises(KeypointFileError, match="damaged"):
        read_keypoints(stored)


@pytest.mark.parametrize(("member", "limit"), [("keypoints.npy", 30 * 3600 * 24 * 12 * 2 * 8), ("meta.npy", 1 << 20)])
def test_a_member_that_claims_more_than_a_day_is_refused_before_it_is_unpacked(stored, monkeypatch, member, limit):
    content = bytearray(stored.read_bytes())
    in_directory = content.rindex(member.encode())  # the central directory stands last
    content[in_directory - 22 : in_directory - 18] = (limit + 1).to_bytes(4, "little")
    stored.write_bytes(content)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(KeypointFileError, match=f"{member} claims {limit + 1} bytes; {limit} at most"):
        read_keypoints(stored)


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_frames_that_span_more_than_a_day_are_refused(make_sequence, tmp_path):
    write_keypoints(make_sequence([0.0, 100_000.0]), tmp_path / "long.npz")
    with pytest.raises(KeypointFileError, match=r"long\.npz: its frames span 27\.78 hours; 24 at most"):
        read_keypoints(tmp_path / "long.npz")


@pytest.mark.parametrize("broken", ["os.fsync", "numpy.savez_compressed", "pathlib.Path.replace"])
def test_writing_that_fails_leaves_the_old_file_and_nothing_half_written(sequence, stored, monkeypatch, broken):
    before = stored.read_bytes()
    monkeypatch.setattr(broken, lambda *_, **__: no_space())
    with pytest.raises(StorageError, match=r"clip\.npz cannot be written: No space left on device\. Free space"):
        write_keypoints(sequence, stored)
    assert [path.name for path in stored.parent.iterdir()] == ["clip.npz"]
    assert stored.read_bytes() == before


def test_an_interrupted_writing_leaves_nothing(sequence, tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_keypoints(sequence, tmp_path / "clip.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file/clip.npz", f"{'v' * 300}.npz"], ids=["below a file", "a long name"])
def test_a_place_where_no_file_can_be_is_refused(sequence, tmp_path, name):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot be written"):
        write_keypoints(sequence, tmp_path / name)


@pytest.fixture
def two_windows(make_sequence):
    movement = np.random.default_rng(0).normal(0, 2, (400, 12, 2))
    return make_sequence(np.arange(400) / 30, movement, missing=[(slice(20, 40), R_WRIST)])


def test_the_methods_csv_has_a_row_a_frame_and_150_rows_a_window(two_windows, tmp_path):
    path = tmp_path / "clip.csv"
    assert write_method_csv(two_windows, path) == 2
    rows = np.loadtxt(path, delimiter=",")
    assert rows.shape == (300, 24)
    places = two_windows.keypoints[:300].reshape(300, 24)
    np.testing.assert_allclose(rows, np.nan_to_num(places), atol=6e-4)


def test_an_undetected_keypoint_is_zero_in_the_methods_csv(two_windows, tmp_path):
    write_method_csv(two_windows, tmp_path / "clip.csv")
    rows = np.loadtxt(tmp_path / "clip.csv", delimiter=",")
    assert sorted(set(np.argwhere(rows == 0)[:, 0].tolist())) == list(range(20, 40))
    assert not rows[20:40, 2 * R_WRIST : 2 * R_WRIST + 2].any()


@pytest.mark.parametrize("label", [0, 1])
def test_a_second_csv_has_a_label_a_window(two_windows, tmp_path, label):
    write_method_csv(two_windows, tmp_path / "clip.csv", label=label)
    assert (tmp_path / "clip_labels.csv").read_text().split() == [str(label)] * 2


def test_without_a_label_there_is_no_second_csv(two_windows, tmp_path):
    write_method_csv(two_windows, tmp_path / "clip.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.csv"]


def test_a_clip_without_a_window_gives_an_empty_csv(make_sequence, tmp_path):
    assert write_method_csv(make_sequence(np.arange(100) / 30), tmp_path / "clip.csv", label=1) == 0
    assert (tmp_path / "clip.csv").read_text() == (tmp_path / "clip_labels.csv").read_text() == ""


def test_a_methods_csv_that_cannot_be_written_is_named(two_windows, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match=r"clip\.csv cannot be written"):
        write_method_csv(two_windows, tmp_path / "file" / "clip.csv")


@pytest.fixture
def coco17(tmp_path):
    def write(n_frames=40, **changes):
        rng = np.random.default_rng(0)
        arrays = {
            "xy": rng.uniform(0, 500, (n_frames, 17, 2)).astype(np.float32),
            "conf": np.full((n_frames, 17), 0.9, np.float32),
            "fps": np.float32(25.0),
            **changes,
        }
        np.savez(tmp_path / "plain.npz", **arrays)
        return tmp_path / "plain.npz", arrays

    return write


def test_a_plain_coco17_file_is_read_in_the_order_of_the_twelve(coco17):
    path, arrays = coco17()
    found = read_keypoints(path)
    np.testing.assert_array_equal(found.keypoints[:, R_WRIST], arrays["xy"][:, 10])
    np.testing.assert_allclose(found.keypoints[:, 1], (arrays["xy"][:, 5] + arrays["xy"][:, 6]) / 2, rtol=1e-5)
    np.testing.assert_allclose(found.timestamps_s, np.arange(40) / 25)
    assert found.provenance.extractor is None


def test_a_plain_file_that_spans_more_than_a_day_is_refused(coco17):
    n_frames = 86_402
    path, _ = coco17(xy=np.ones((n_frames, 17, 2), np.uint8), conf=np.ones((n_frames, 17), np.uint8), fps=np.float32(1))
    with pytest.raises(KeypointFileError, match=r"plain\.npz: its frames span 24 hours; 24 at most"):
        read_keypoints(path)


def test_in_a_plain_file_weak_keypoints_are_undetected(coco17):
    conf = np.full((40, 17), 0.9, np.float32)
    conf[:, 10] = 0.4
    found = read_keypoints(coco17(conf=conf)[0])
    assert not found.seen[:, R_WRIST].any()
    assert found.seen[:, 0].all()


@pytest.mark.parametrize(
    "changes",
    [{"fps": np.float32(0)}, {"fps": np.float32("nan")}, {"conf": np.ones((39, 17))}, {"xy": np.ones((40, 12, 2))}],
)
def test_a_plain_file_that_does_not_fit_together_is_refused(coco17, changes):
    with pytest.raises(KeypointFileError, match=r"plain\.npz: .*COCO series"):
        read_keypoints(coco17(**changes)[0])
