"""The profile home: what is put there comes back, or is refused; a writing that fails leaves what was."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import string
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from person_profiles.home import LOCK_FILE
from person_profiles.profile import FORMAT_VERSION, profile_as_dict
from person_profiles.profile_files import (
    DIGESTED,
    DIGESTS_FILE,
    FILES,
    MOVEMENT_FILE,
    PROFILE_FILE,
    SIGNATURE_FILE,
    WEIGHTS_FILE,
    digests_of,
)
from person_profiles.store import ProfileStore, default_home, folder_name
from poseauth.errors import ProfileDamagedError, ProfileExistsError, StorageError, UnknownPersonError


@pytest.fixture
def store(tmp_path):
    return ProfileStore(tmp_path / "home")


@pytest.fixture
def kept(store, ada, movement):
    """The folder of Ada's profile in the store."""
    return store.save(ada, movement)


def assert_same_profile(one, other):
    assert profile_as_dict(one) == profile_as_dict(other)
    assert one.recipe == other.recipe
    assert one.windows == other.windows
    assert one.extractor == other.extractor
    assert set(one.weights) == set(other.weights)
    for name, value in one.weights.items():
        np.testing.assert_array_equal(value, other.weights[name])


def flip_bit(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def change_json(folder, change):
    path = folder / PROFILE_FILE
    plain = json.loads(path.read_text(encoding="utf-8"))
    change(plain)
    path.write_text(json.dumps(plain), encoding="utf-8")
    digest_anew(folder)


def digest_anew(folder):
    """As whoever damages a profile with care would do it."""
    (folder / DIGESTS_FILE).write_bytes(digests_of({name: (folder / name).read_bytes() for name in DIGESTED}))


def files_of(home):
    paths = [path for path in home.rglob("*") if path.is_file() and path.name != LOCK_FILE]
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


def inside(home):
    """What stands in a home beside its lock."""
    return [path for path in home.iterdir() if path.name != LOCK_FILE]


def test_a_profile_comes_back_as_it_was_saved(store, ada, movement):
    store.save(ada, movement)
    assert_same_profile(store.load("Ada"), ada)


def test_a_profile_without_test_or_extractor_comes_back_too(store, ada):
    bare = replace(
        ada,
        name="bare",
        self_test=None,
        calibrated=None,
        weaknesses=("untested",),
        extractor=None,
        notes=("a note", "another"),
    )
    store.save(bare, [])
    assert_same_profile(store.load("bare"), bare)
    assert store.load_movement("bare") == []


def test_the_movement_comes_back_as_it_was_saved(store, kept, movement):
    read = store.load_movement("Ada")
    assert len(read) == len(movement)
    for one, other in zip(read, movement, strict=True):
        for name in ("keypoints", "confidence", "timestamps_s", "shot"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.provenance == other.provenance


def test_a_profile_is_four_files_of_which_none_is_a_pickle(kept):
    assert sorted(path.name for path in kept.iterdir()) == sorted(FILES)
    assert json.loads((kept / PROFILE_FILE).read_text(encoding="utf-8"))["format_version"] == FORMAT_VERSION
    for name in (WEIGHTS_FILE, MOVEMENT_FILE):
        safetensors.numpy.load((kept / name).read_bytes())


def test_the_digests_are_in_the_form_of_sha256sum(kept):
    lines = [f"{hashlib.sha256((kept / name).read_bytes()).hexdigest()}  {name}\n" for name in DIGESTED]
    assert (kept / DIGESTS_FILE).read_text() == "".join(lines)
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--strict", "-c", DIGESTS_FILE], cwd=kept, check=True, capture_output=True)


def test_the_digest_of_the_weights_stands_in_the_profile(kept):
    plain = json.loads((kept / PROFILE_FILE).read_text(encoding="utf-8"))
    assert plain["weights_sha256"] == hashlib.sha256((kept / WEIGHTS_FILE).read_bytes()).hexdigest()


def test_nothing_but_the_profile_is_left_in_the_home(store, kept):
    assert inside(store.home) == [kept]


def test_nobody_is_in_a_home_that_is_not_there(store):
    assert "Ada" not in store
    assert store.entries() == []
    with pytest.raises(UnknownPersonError, match=r"nobody is enrolled under .*home.* Enrol first: .*--person Ada"):
        store.load("Ada")


def test_a_profile_that_is_there_is_not_overwritten_unasked(store, kept, ada, movement):
    before = files_of(store.home)
    with pytest.raises(
        ProfileExistsError, match=r"Ada is enrolled already .*--overwrite .*poseauth profiles remove Ada"
    ):
        store.save(replace(ada, seed=99), movement)
    assert files_of(store.home) == before


def test_a_profile_is_overwritten_when_asked(store, kept, ada, movement):
    store.save(replace(ada, seed=99), movement[:1], overwrite=True)
    assert store.load("Ada").seed == 99
    assert len(store.load_movement("Ada")) == 1
    assert inside(store.home) == [kept]


def test_overwriting_nothing_is_saving(store, ada, movement):
    store.save(ada, movement, overwrite=True)
    assert "Ada" in store


def test_people_of_like_names_stand_beside_each_other(store, ada):
    for i, name in enumerate(("Ada", "ada", "ADA", "Ädä")):
        store.save(replace(ada, name=name, seed=i), [])
    assert [store.load(name).seed for name in ("Ada", "ada", "ADA", "Ädä")] == [0, 1, 2, 3]


def test_everybody_is_listed_by_name(store, ada):
    for name in ("Zoe", "Ada", "Ben"):
        store.save(replace(ada, name=name), [])
    assert [entry.profile.name for entry in store.entries()] == ["Ada", "Ben", "Zoe"]


def test_a_profile_that_cannot_be_read_is_listed_with_its_problem(store, kept, ada):
    store.save(replace(ada, name="zoe"), [])
    (kept / WEIGHTS_FILE).unlink()
    broken, whole = store.entries()
    assert (broken.folder, broken.profile) == (kept, None)
    assert WEIGHTS_FILE in broken.problem
    assert whole.profile.name == "zoe"


def test_loose_files_and_hidden_folders_are_nobody(store, kept):
    (store.home / ".new-1234").mkdir()
    (store.home / "notes.txt").write_text("x")
    assert [entry.folder for entry in store.entries()] == [kept]


@pytest.mark.parametrize(("asked", "meant"), [("Barak Obama", "Barack Obama"), ("barack obama", "Barack Obama")])
def test_an_unknown_person_is_answered_with_the_nearest(store, ada, asked, meant):
    for name in ("Barack Obama", "Joe Biden"):
        store.save(replace(ada, name=name), [])
    with pytest.raises(UnknownPersonError, match=rf"{asked} is not enrolled .*Did you mean {meant}\?"):
        store.load(asked)


def test_an_unknown_person_far_from_everybody_is_answered_with_all(store, ada):
    for name in ("Barack Obama", "Joe Biden"):
        store.save(replace(ada, name=name), [])
    with pytest.raises(UnknownPersonError, match=r"Enrolled are: Barack Obama, Joe Biden\."):
        store.load("Zzyzx")


@pytest.mark.parametrize("place", [0, 8, 200, -1])
def test_weights_with_a_flipped_bit_are_refused(store, kept, place):
    flip_bit(kept / WEIGHTS_FILE, place)
    with pytest.raises(ProfileDamagedError, match=f"{WEIGHTS_FILE} is not the file that was written"):
        store.load("Ada")


def test_movement_with_a_flipped_bit_is_refused(store, kept):
    flip_bit(kept / MOVEMENT_FILE)
    for read in (store.load, store.load_movement):
        with pytest.raises(ProfileDamagedError, match=f"{MOVEMENT_FILE} is not the file that was written"):
            read("Ada")


@pytest.mark.parametrize("place", [0, 8, 200, -1])
def test_a_profile_with_a_flipped_bit_is_refused(store, kept, place):
    flip_bit(kept / PROFILE_FILE, place)
    with pytest.raises(ProfileDamagedError, match=f"{PROFILE_FILE} is not the file that was written"):
        store.load("Ada")


@pytest.mark.parametrize("place", [0, 70, 100, -1])
def test_digests_with_a_flipped_bit_are_refused(store, kept, place):
    flip_bit(kept / DIGESTS_FILE, place)
    with pytest.raises(ProfileDamagedError, match=f"{PROFILE_FILE} is not the file|{WEIGHTS_FILE} is|{DIGESTS_FILE}"):
        store.load("Ada")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda lines: lines[:2], id="one too few"),
        pytest.param(lambda lines: [*lines, lines[0].replace(PROFILE_FILE, "notes.txt")], id="one too many"),
        pytest.param(lambda lines: [*lines, lines[0]], id="one twice"),
        pytest.param(lambda lines: [line.replace("  ", " *") for line in lines], id="another form"),
        pytest.param(lambda lines: [line.replace("  ", "  ../") for line in lines], id="paths"),
        pytest.param(lambda lines: [], id="none"),
        pytest.param(lambda lines: [*lines[:2], lines[2].removesuffix("\n")], id="cut by one byte"),
        pytest.param(lambda lines: lines[::-1], id="another order"),
    ],
)
def test_digests_that_do_not_name_each_file_once_are_refused(store, kept, change):
    path = kept / DIGESTS_FILE
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with pytest.raises(ProfileDamagedError, match=f"{DIGESTS_FILE} is not one line of sha256sum for each of"):
        store.load("Ada")


@pytest.mark.parametrize("name", [DIGESTS_FILE, SIGNATURE_FILE])
def test_a_small_file_that_is_large_is_refused_unread(store, kept, name):
    (kept / name).write_bytes(b" " * 9000)
    with pytest.raises(ProfileDamagedError, match=f"{name} has 9000 bytes; (4096|8192) at most"):
        store.load("Ada")


@pytest.mark.parametrize("entry", ["weights", "movement"])
def test_two_digests_of_one_file_have_to_agree(store, kept, entry):
    change_json(kept, lambda plain: plain.update({f"{entry}_sha256": "0" * 64}))
    with pytest.raises(ProfileDamagedError, match=f"{PROFILE_FILE} has another digest of {entry}.safetensors than"):
        store.load("Ada")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(store, kept, name):
    (kept / name).unlink()
    with pytest.raises(ProfileDamagedError, match=f"has no {name}.*Enrol the person again"):
        store.load("Ada")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (1, "format 1, of an earlier .*reads 4, 5 and 6. It has no likelihood ratio.*Enrol the person again"),
        (2, "format 2, of an earlier .*reads 4, 5 and 6. It lacks the digest of profile.json.*enroll .*--again"),
        (3, "format 3, of an earlier .*reads 4, 5 and 6. It scores by other statistics.*enroll .*--again"),
        (7, "format 7, of a later poseauth; this one reads 4, 5 and 6. Install that version"),
        (0, "names no format"),
        (10**40, "names no format"),
        (True, "names no format"),
        ("3", "names no format"),
        (3.0, "names no format"),
        (None, "names no format"),
        ([3], "names no format"),
    ],
)
def test_another_format_is_refused_in_words(store, kept, version, words):
    change_json(kept, lambda plain: plain.update(format_version=version))
    with pytest.raises(ProfileDamagedError, match=f"{PROFILE_FILE}: .*{words}"):
        store.load("Ada")


@pytest.mark.parametrize("version", [2, FORMAT_VERSION + 1])
def test_another_format_is_refused_in_words_though_it_may_have_other_files(store, kept, version):
    change_json(kept, lambda plain: plain.update(format_version=version))
    (kept / DIGESTS_FILE).write_text("v4 of something else")
    with pytest.raises(ProfileDamagedError, match=f"the profile has format {version}"):
        store.load("Ada")
    (kept / DIGESTS_FILE).unlink()
    (kept / MOVEMENT_FILE).unlink()
    with pytest.raises(ProfileDamagedError, match=f"the profile has format {version}"):
        store.load("Ada")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\xff"])
def test_a_profile_that_is_no_json_object_is_refused(store, kept, text):
    (kept / PROFILE_FILE).write_bytes(text.encode("latin-1"))
    digest_anew(kept)
    with pytest.raises(ProfileDamagedError, match=PROFILE_FILE):
        store.load("Ada")


def test_a_profile_too_large_to_be_one_is_refused_unread(store, kept):
    with (kept / PROFILE_FILE).open("r+b") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(ProfileDamagedError, match=f"{(64 << 20) + 1} bytes; {64 << 20} at most"):
        store.load("Ada")


ENTRIES = (
    "name created poseauth_version extractor fps window_frames windows recipe architecture training seed n_epochs "
    "videos n_surrogates self_test calibration weaknesses notes weights_sha256"
)


@pytest.mark.parametrize("entry", ENTRIES.split())
def test_a_missing_entry_is_refused(store, kept, entry):
    change_json(kept, lambda plain: plain.pop(entry))
    with pytest.raises(ProfileDamagedError):
        store.load("Ada")


@pytest.mark.parametrize(
    ("block", "entry"), [("architecture", "pooling"), ("architecture", "frame_step"), ("windows", "max_jump")]
)
def test_a_missing_entry_of_a_block_is_refused_and_not_guessed(store, kept, block, entry):
    change_json(kept, lambda plain: plain[block].pop(entry))
    with pytest.raises(ProfileDamagedError):
        store.load("Ada")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("fps", 25),
        ("window_frames", 300),
        ("windows", {"stride_frames": 0}),
        ("windows", {"unheard_of": 1}),
        ("architecture", {"hidden": 10**9}),
        ("architecture", {"features": "pixels"}),
        ("training", {"epochs": "many"}),
        ("seed", "one"),
        ("seed", None),
        ("videos", [{"source_name": "a.mp4"}]),
        ("videos", 3),
        ("extractor", {"name": "yolo"}),
        ("self_test", {"accuracy": 1}),
        ("calibration", {"clips": 1}),
        ("weaknesses", 3),
        ("notes", 3),
        pytest.param(
            "seed",
            float("inf"),
        ),
    ],
)
def test_an_entry_that_is_not_as_it_must_be_is_refused(store, kept, entry, value):
    change_json(kept, lambda plain: plain.update({entry: value}))
    with pytest.raises(ProfileDamagedError, match=PROFILE_FILE):
        store.load("Ada")


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [
        ("clips", "lower_bound", 0.1),
        ("clips", "upper_bound", -0.1),
        ("mirrored", "upper_bound", float("inf")),
        ("clips", "undecided", 0.0),
        ("clips", "line", {"slope": -1.0, "intercept": 0.0}),
        ("clips", "line", {"slope": float("nan"), "intercept": 0.0}),
        ("mirrored", "resampled", [{"slope": 1.0}]),
    ],
)
def test_a_calibration_that_would_mislead_is_refused(store, kept, part, entry, value):
    change_json(kept, lambda plain: plain["calibration"][part].update({entry: value}))
    with pytest.raises(ProfileDamagedError, match=PROFILE_FILE):
        store.load("Ada")


@pytest.mark.parametrize(
    "value",
    [
        [],
        3,
        [{"source_name": "a"}] * 9,
        pytest.param(
            ["a.mp4"] * 5,
        ),
    ],
    ids=["nothing", "a number", "more than there are", "names alone"],
)
def test_a_list_of_movement_that_does_not_fit_is_refused(store, kept, value):
    change_json(kept, lambda plain: plain.update(movement=value))
    if value == []:
        assert store.load_movement("Ada") == []
        return
    with pytest.raises(ProfileDamagedError, match=MOVEMENT_FILE):
        store.load_movement("Ada")


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


class FailsAt:
    """A call that fails the nth time."""

    def __init__(self, call, nth):
        self.call, self.nth, self.n_calls = call, nth, 0

    def __call__(self, *arguments):
        self.n_calls += 1
        return no_space() if self.n_calls == self.nth else self.call(*arguments)


@pytest.mark.parametrize(
    "nth",
    [
        pytest.param(1, id="weights"),
        pytest.param(2, id="movement"),
        pytest.param(3, id="profile.json"),
        pytest.param(4, id="profile.sha256"),
        pytest.param(5, id="the new folder"),
    ],
)
def test_a_disk_that_is_full_leaves_the_old_profile_and_nothing_else(store, kept, ada, movement, monkeypatch, nth):
    before = files_of(store.home)
    monkeypatch.setattr(os, "fsync", FailsAt(os.fsync, nth))
    with pytest.raises(StorageError, match=r"profile of Ada cannot be written .*No space left on device.*--home"):
        store.save(replace(ada, seed=99), movement, overwrite=True)
    assert files_of(store.home) == before
    assert inside(store.home) == [kept]


def test_a_profile_in_place_stands_though_the_home_cannot_be_synced(store, kept, ada, movement, monkeypatch):
    monkeypatch.setattr(os, "fsync", FailsAt(os.fsync, 6))
    store.save(replace(ada, seed=99), movement, overwrite=True)
    assert store.load("Ada").seed == 99
    assert inside(store.home) == [kept]


def test_a_disk_that_is_full_leaves_nobody_where_nobody_was(store, ada, movement, monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StorageError):
        store.save(ada, movement)
    assert "Ada" not in store
    assert inside(store.home) == []


def test_a_rename_that_fails_puts_the_old_profile_back(store, kept, ada, movement, monkeypatch):
    before = files_of(store.home)
    rename = Path.rename

    def failing(path, target):
        return no_space() if path.name.startswith(".new-") else rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageError):
        store.save(replace(ada, seed=99), movement, overwrite=True)
    assert files_of(store.home) == before
    assert inside(store.home) == [kept]


def test_an_interrupted_saving_leaves_the_old_profile_and_nothing_else(store, kept, ada, movement, monkeypatch):
    before = files_of(store.home)

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.save(replace(ada, seed=99), movement, overwrite=True)
    assert files_of(store.home) == before


def test_a_home_that_cannot_be_is_refused(tmp_path, ada):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="profile of Ada cannot be written"):
        ProfileStore(tmp_path / "file").save(ada, [])


def test_asking_whether_a_home_can_be_written_leaves_no_trace(store, ada, tmp_path):
    store.check_writable()
    assert not store.home.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".poseauth-")] == []
    folder = store.save(ada, [])
    store.check_writable()
    assert inside(store.home) == [folder]


def test_asking_whether_a_home_can_be_written_waits_for_who_writes(store, kept):
    store.folders.lock_timeout_s = 0.1
    with store.folders.writing():
        being_written = store.folders.new_folder()
        with pytest.raises(StorageError, match=r"is being written by another poseauth.*Try again"):
            store.check_writable()
        assert being_written.is_dir()


def test_a_home_that_cannot_be_written_is_found_out(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match=r"file cannot be written: .*--home"):
        ProfileStore(tmp_path / "file").check_writable()


@pytest.mark.parametrize("name", ["Zoe", "a\nb", "", "a" * 201])
def test_a_profile_under_a_name_that_is_not_its_own_is_listed_with_its_problem(store, kept, name):
    change_json(kept, lambda plain: plain.update(name=name))
    (entry,) = store.entries()
    assert entry.profile is None
    assert "does not belong there" in entry.problem or "is no name" in entry.problem


def test_a_removed_profile_is_gone_with_its_movement(store, kept, ada):
    store.save(replace(ada, name="Zoe"), [])
    assert store.remove("Ada") == kept
    assert "Ada" not in store
    assert [entry.profile.name for entry in store.entries()] == ["Zoe"]
    assert len(inside(store.home)) == 1


def test_a_damaged_profile_can_be_removed(store, kept):
    (kept / PROFILE_FILE).write_text("{")
    store.remove("Ada")
    assert inside(store.home) == []


def test_nobody_cannot_be_removed(store, kept):
    with pytest.raises(UnknownPersonError, match="Zzyzx is not enrolled"):
        store.remove("Zzyzx")


def test_a_removal_that_fails_leaves_everything_and_nothing_else(store, kept, monkeypatch):
    monkeypatch.setattr(Path, "rename", lambda *_: no_space())
    with pytest.raises(StorageError, match="cannot be removed: No space left"):
        store.remove("Ada")
    assert inside(store.home) == [kept]


NAMES = [
    "Ada",
    "ada",
    "ADA",
    "Ada Lovelace",
    "ada-lovelace",
    "ada lovelace",
    "../x",
    "x",
    "/x",
    ".x",
    "..",
    ".",
    "con",
    "CON",
    "con.txt",
    "nul",
    "lpt1",
    "Müller",
    "Muller",
    "muller",
    "Mueller",
    "習近平",
    "Владимир Путин",
    "Владимир Зеленский",
    "a" * 48,
    "a" * 49,
    "a" * 200,
    "a" * 199 + "b",
    "-",
    "--",
    "x\\y",
    "x:y",
    "x*y",
    "🙂",
    "🙃",
    "🙂" * 200,
    "a.b",
    "a b",
    "a-b",
    "obama",
    "OBAMA",
    "\u043eb\u0430m\u0430",
    "\u039fBAMA",
    "\uff4f\uff42\uff41\uff4d\uff41",
    "com1",
    "con.",
    "aux.tar.gz",
    "profile.json",
    ".lock",
    ".trusted-keys",
    ".aside-ada",
    "ada ada-12345678",
    "a\u0301",
    "\u0430\u0301",
]


def test_different_names_have_different_folders():
    folders = {name: folder_name(name) for name in NAMES}
    assert len({folder.lower() for folder in folders.values()}) == len(NAMES)


@pytest.mark.parametrize("name", ["Ada", "習近平"])
def test_nobody_can_be_called_as_the_folder_of_somebody_else(name):
    assert folder_name(folder_name(name)) != folder_name(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_named_with_safe_characters_only(name):
    folder = folder_name(name)
    assert set(folder) <= set(string.ascii_lowercase + string.digits + "-")
    assert 0 < len(folder) <= 64
    assert folder not in {"con", "nul", "prn", "aux", "lpt1", "com1"}
    assert not folder.startswith("-")


@pytest.mark.parametrize(("name", "start"), [("ada", "ada"), ("Ada Lovelace", "ada-lovelace-"), ("Müller", "muller-")])
def test_a_folder_can_be_read(name, start):
    assert folder_name(name).startswith(start)


def test_one_name_has_one_folder_however_it_is_typed():
    typed = [unicodedata.normalize("NFC", "Müller"), unicodedata.normalize("NFD", "Müller"), " Müller "]
    assert typed[0] != typed[1]
    assert len({folder_name(name) for name in typed}) == 1


@pytest.mark.parametrize("name", ["", "   ", "a" * 201, "a\nb", "a\0b", "\ud800"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UnknownPersonError, match="is no name: 1 to 200 printable characters are needed"):
        folder_name(name)


def test_the_home_is_the_named_one_or_the_platforms(monkeypatch, tmp_path):
    monkeypatch.setenv("POSEAUTH_HOME", str(tmp_path / "mine"))
    assert default_home() == tmp_path / "mine"
    monkeypatch.setenv("POSEAUTH_HOME", "")
    assert default_home().parts[-2:] == ("poseauth", "profiles")
