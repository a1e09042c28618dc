"""A profile travels as one file: it arrives as it left, or nothing arrives."""

from __future__ import annotations

import errno
import json
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from person_profiles.archive import export_profile, import_profile
from person_profiles.home import LOCK_FILE
from person_profiles.profile import FORMAT_VERSION
from person_profiles.profile_files import (
    DIGESTS_FILE,
    FILES,
    MAX_BYTES,
    MOVEMENT_FILE,
    PROFILE_FILE,
    WEIGHTS_FILE,
    digests_of,
)
from person_profiles.store import ProfileStore
from poseauth.errors import ProfileDamagedError, ProfileExistsError, StorageError, UnknownPersonError


@pytest.fixture
def store(tmp_path, ada, movement):
    """A store with Ada."""
    store = ProfileStore(tmp_path / "home")
    store.save(ada, movement)
    return store


@pytest.fixture
def elsewhere(tmp_path):
    """An empty store."""
    return ProfileStore(tmp_path / "elsewhere")


@pytest.fixture
def archive(store, tmp_path):
    path = tmp_path / "ada.poseauth"
    export_profile(store, "Ada", path)
    return path


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members):
    """An archive of (name or ZipInfo, content) pairs."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


def change_json(archive, **entries):
    """As whoever changes a profile with care would do it: the digests fit."""
    members = members_of(archive)
    members[PROFILE_FILE] = json.dumps({**json.loads(members[PROFILE_FILE]), **entries}).encode()
    write(archive, {**members, DIGESTS_FILE: digests_of(members)}.items())


def files_of(home):
    paths = [path for path in home.rglob("*") if path.is_file() and path.name != LOCK_FILE]
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


def inside(home):
    """What stands in a home beside its lock."""
    return [path for path in home.iterdir() if path.name != LOCK_FILE]


def assert_refused(store, archive, message):
    """Refused, and nothing of it is anywhere: not in the home, not beside it."""
    beside = {*store.home.parent.rglob("*")} | {store.home, store.home / LOCK_FILE}
    with pytest.raises(ProfileDamagedError, match=message):
        import_profile(store, archive)
    assert {*store.home.parent.rglob("*")} <= beside


def test_a_profile_arrives_as_it_left(store, archive, elsewhere, ada):
    profile = import_profile(elsewhere, archive)
    assert profile.name == ada.name
    assert files_of(elsewhere.home) == files_of(store.home)
    for name, value in ada.weights.items():
        np.testing.assert_array_equal(elsewhere.load("Ada").weights[name], value)
    assert len(elsewhere.load_movement("Ada")) == len(store.load_movement("Ada"))


def test_one_profile_gives_one_archive_byte_by_byte(store, archive, tmp_path):
    export_profile(store, "Ada", tmp_path / "again.poseauth")
    assert (tmp_path / "again.poseauth").read_bytes() == archive.read_bytes()


def test_an_archive_holds_the_files_of_the_profile_and_nothing_else(archive):
    assert sorted(members_of(archive)) == sorted(FILES)


def test_nothing_but_the_profile_is_left_in_the_home(archive, elsewhere):
    import_profile(elsewhere, archive)
    assert [path.name for path in inside(elsewhere.home)] == [elsewhere.folder_of("Ada").name]


def test_an_imported_profile_can_be_read_by_those_who_can_read_an_enrolled_one(store, archive, elsewhere):
    import_profile(elsewhere, archive)
    modes = [stat.S_IMODE(home.folder_of("Ada").stat().st_mode) for home in (store, elsewhere)]
    assert modes[0] == modes[1]


def test_somebody_who_is_enrolled_is_not_overwritten_unasked(store, archive, ada, movement):
    store.save(replace(ada, seed=99), movement, overwrite=True)
    before = files_of(store.home)
    with pytest.raises(ProfileExistsError, match=r"Ada is enrolled already .*--overwrite .*ada\.poseauth"):
        import_profile(store, archive)
    assert files_of(store.home) == before


def test_somebody_who_is_enrolled_is_overwritten_when_asked(store, archive, ada, movement):
    store.save(replace(ada, seed=99), movement, overwrite=True)
    import_profile(store, archive, overwrite=True)
    assert store.load("Ada").seed == ada.seed
    assert len(inside(store.home)) == 1


def test_the_name_in_the_profile_decides_and_not_the_name_of_the_file(archive, elsewhere, tmp_path):
    renamed = archive.rename(tmp_path / "zoe.poseauth")
    assert import_profile(elsewhere, renamed).name == "Ada"
    assert "Ada" in elsewhere


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil", "profile.json/evil"])
def test_a_name_that_leads_out_of_the_home_is_refused(archive, elsewhere, name):
    write(archive, [*members_of(archive).items(), (name, b"evil")])
    assert_refused(elsewhere, archive, "holds exactly profile.json")


def test_a_name_that_leads_out_in_place_of_a_file_is_refused(archive, elsewhere):
    members = members_of(archive)
    write(archive, [(f"../{name}" if name == WEIGHTS_FILE else name, content) for name, content in members.items()])
    assert_refused(elsewhere, archive, "holds exactly")


def test_an_extra_file_is_refused(archive, elsewhere):
    write(archive, [*members_of(archive).items(), ("setup.py", b"evil")])
    assert_refused(elsewhere, archive, r"setup\.py.*holds exactly")


def test_a_file_given_twice_is_refused(archive, elsewhere):
    with pytest.warns(UserWarning, match="Duplicate name"):
        write(archive, [*members_of(archive).items(), (PROFILE_FILE, b"{}")])
    assert_refused(elsewhere, archive, "holds exactly")


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_refused(archive, elsewhere, missing):
    write(archive, [(name, content) for name, content in members_of(archive).items() if name != missing])
    assert_refused(elsewhere, archive, "holds exactly")


def test_an_empty_archive_is_refused(archive, elsewhere):
    write(archive, [])
    assert_refused(elsewhere, archive, "holds nothing")


@pytest.mark.parametrize("name", [PROFILE_FILE, WEIGHTS_FILE, MOVEMENT_FILE])
def test_a_symlink_is_refused_and_not_followed(archive, elsewhere, tmp_path, name):
    secret = tmp_path / "secret"
    secret.write_bytes(members_of(archive)[name])
    link = zipfile.ZipInfo(name)
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    members = {**members_of(archive), name: str(secret).encode()}
    write(archive, [(link if other == name else other, content) for other, content in members.items()])
    assert_refused(elsewhere, archive, name)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, MOVEMENT_FILE])
def test_a_bit_flipped_before_packing_is_refused(archive, elsewhere, name):
    members = members_of(archive)
    changed = bytearray(members[name])
    changed[-1] ^= 1
    write(archive, {**members, name: bytes(changed)}.items())
    assert_refused(elsewhere, archive, f"{name} is not the file that was written")


@pytest.mark.parametrize("name", FILES)
def test_a_claim_of_more_than_a_profile_can_hold_is_refused(archive, elsewhere, name):
    content = bytearray(archive.read_bytes())
    in_directory = content.rindex(name.encode())  # the central directory stands last
    content[in_directory - 22 : in_directory - 18] = (MAX_BYTES[name] + 1).to_bytes(4, "little")
    archive.write_bytes(content)
    assert_refused(elsewhere, archive, f"{name} claims {MAX_BYTES[name] + 1} bytes; {MAX_BYTES[name]} at most")


def test_a_member_that_unpacks_to_more_than_it_claims_is_refused(archive, elsewhere):
    members = members_of(archive)
    write(archive, {**members, MOVEMENT_FILE: bytes(50_000_000)}.items())
    content = bytearray(archive.read_bytes())
    in_directory = content.rindex(MOVEMENT_FILE.encode())
    content[in_directory - 22 : in_directory - 18] = (1000).to_bytes(4, "little")
    archive.write_bytes(content)
    assert_refused(elsewhere, archive, "damaged")


def test_a_file_that_is_no_archive_is_refused(archive, elsewhere):
    archive.write_bytes(b"PK but nothing more")
    assert_refused(elsewhere, archive, r"ada\.poseauth is not a profile's archive")


def test_a_truncated_archive_is_refused(archive, elsewhere):
    content = archive.read_bytes()
    for share in (0.0, 0.3, 0.9, 0.999):
        archive.write_bytes(content[: int(share * len(content))])
        assert_refused(elsewhere, archive, "is not a profile's archive, or is damaged")


def test_an_archive_with_a_flipped_bit_is_refused_or_arrives_as_it_left(archive, store, elsewhere):
    content = archive.read_bytes()
    rng = np.random.default_rng(0)
    headers = np.arange(len(content) - 300, len(content))
    for place in [*rng.integers(0, len(content), 40), *rng.choice(headers, 20), 100]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        archive.write_bytes(flipped)
        try:
            import_profile(elsewhere, archive, overwrite=True)
        except ProfileDamagedError:
            continue
        assert files_of(elsewhere.home) == files_of(store.home)


def test_an_encrypted_archive_is_refused(archive, elsewhere):
    content = bytearray(archive.read_bytes())
    for place in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[place] |= 1
    archive.write_bytes(content)
    assert_refused(elsewhere, archive, "damaged")


def test_an_archive_of_a_later_format_is_refused(archive, elsewhere):
    change_json(archive, format_version=FORMAT_VERSION + 1)
    assert_refused(
        elsewhere, archive, rf"ada\.poseauth/profile\.json: .* format {FORMAT_VERSION + 1}, of a later poseauth"
    )


def test_an_archive_whose_digests_are_those_of_another_profile_is_refused(archive, elsewhere):
    members = members_of(archive)
    write(archive, {**members, DIGESTS_FILE: digests_of(dict.fromkeys(members, b""))}.items())
    assert_refused(elsewhere, archive, r"ada\.poseauth/profile\.json is not the file that was written")


def test_a_folder_is_no_archive(elsewhere, tmp_path):
    with pytest.raises(StorageError, match="cannot be imported"):
        import_profile(elsewhere, tmp_path)


def test_an_archive_that_is_not_there_is_named(elsewhere, tmp_path):
    assert_refused(elsewhere, tmp_path / "none.poseauth", r"none\.poseauth: no such file")


def rename_person(archive, name):
    change_json(archive, name=name)


def test_a_person_whose_name_is_a_path_stays_in_the_home(archive, elsewhere, tmp_path):
    rename_person(archive, "../evil")
    import_profile(elsewhere, archive)
    assert elsewhere.folder_of("../evil").parent == elsewhere.home
    assert not (tmp_path / "evil").exists()


def test_an_archive_of_somebody_without_a_name_is_refused(archive, elsewhere):
    rename_person(archive, "a\nb")
    with pytest.raises(UnknownPersonError, match="is no name"):
        import_profile(elsewhere, archive)
    assert inside(elsewhere.home) == []


def test_a_home_that_cannot_be_is_refused(archive, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match=r"cannot be imported into .*file: "):
        import_profile(ProfileStore(tmp_path / "file"), archive)


def test_an_unknown_person_cannot_be_exported(store, tmp_path):
    with pytest.raises(UnknownPersonError):
        export_profile(store, "Zoe", tmp_path / "zoe.poseauth")
    assert not (tmp_path / "zoe.poseauth").exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(WEIGHTS_FILE, id="weights"),
        pytest.param(MOVEMENT_FILE, id="movement"),
    ],
)
def test_a_damaged_profile_cannot_be_exported(store, tmp_path, damage):
    path = store.folder_of("Ada") / damage
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ProfileDamagedError, match=damage):
        export_profile(store, "Ada", tmp_path / "ada.poseauth")
    assert not (tmp_path / "ada.poseauth").exists()


def test_a_profile_without_its_movement_cannot_be_exported_and_the_file_is_named(store, tmp_path):
    (store.folder_of("Ada") / MOVEMENT_FILE).unlink()
    with pytest.raises(ProfileDamagedError, match=MOVEMENT_FILE):
        export_profile(store, "Ada", tmp_path / "ada.poseauth")


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_export_that_fails_leaves_the_old_archive_and_nothing_else(store, archive, tmp_path, monkeypatch):
    before = archive.read_bytes()
    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(StorageError, match=r"ada\.poseauth cannot be written: No space left"):
        export_profile(store, "Ada", archive)
    assert archive.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["ada.poseauth"]


def test_an_import_that_cannot_be_put_in_place_leaves_what_was(store, archive, ada, movement, monkeypatch):
    store.save(replace(ada, seed=99), movement, overwrite=True)
    before = files_of(store.home)
    rename = Path.rename

    def failing(path, target):
        return no_space() if path.name.startswith(".new-") else rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageError, match=r"cannot be imported into .*: No space left"):
        import_profile(store, archive, overwrite=True)
    assert files_of(store.home) == before
    assert len(inside(store.home)) == 1
