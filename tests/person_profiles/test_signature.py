"""A newsroom's signature: what it covers, whose it is said to be, and what happens when it does not fit."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import sys
import zipfile

import pytest

from person_profiles.archive import export_profile, import_profile
from person_profiles.profile_files import (
    DIGESTS_FILE,
    FILES,
    PROFILE_FILE,
    SIGNATURE_FILE,
    digests_of,
)
from person_profiles.signature import UNSIGNED, fingerprint, make_key, parse_signature, read_public_key, sign
from person_profiles.store import ProfileStore
from poseauth.errors import ProfileDamagedError, SignatureError
from tests.person_profiles.golden_profile import NAME, golden_movement, golden_profile

SHOWN = r"[0-9a-f]{4}(-[0-9a-f]{4}){7}"


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "newsroom.key"
    make_key(path)
    return path


@pytest.fixture
def public(key):
    return read_public_key(key.with_name("newsroom.key.pub"))


@pytest.fixture
def store(tmp_path):
    """The newsroom's own."""
    store = ProfileStore(tmp_path / "home")
    store.save(golden_profile(), golden_movement())
    return store


@pytest.fixture
def archive(store, key, tmp_path):
    """Signed."""
    path = tmp_path / "ada.poseauth"
    export_profile(store, NAME, path, sign_with=key, signer="The Newsroom")
    return path


@pytest.fixture
def elsewhere(tmp_path):
    """The store of somebody who gets the archive."""
    return ProfileStore(tmp_path / "elsewhere")


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def change_signature(archive, **entries):
    members = members_of(archive)
    plain = {**json.loads(members[SIGNATURE_FILE]), **entries}
    write(archive, {**members, SIGNATURE_FILE: json.dumps(plain).encode()})


@pytest.fixture
def without_cryptography(monkeypatch):
    """The optional package is not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)


def test_a_key_is_two_new_files_of_which_one_is_for_its_owner_alone(tmp_path):
    told = make_key(tmp_path / "a.key")
    assert re.fullmatch(SHOWN, told)
    assert told == fingerprint(read_public_key(tmp_path / "a.key.pub"))
    assert told != make_key(tmp_path / "b.key")
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("there", ["a.key", "a.key.pub"])
def test_a_key_is_never_overwritten(tmp_path, there):
    (tmp_path / there).write_text("precious")
    with pytest.raises(SignatureError, match=rf"{there} is there already, and a key is never overwritten"):
        make_key(tmp_path / "a.key")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "precious"


def test_a_key_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(SignatureError, match=r"a\.key cannot be written: No such file"):
        make_key(tmp_path / "none" / "a.key")


def test_a_profile_without_a_signature_is_unsigned(store):
    assert store.stored(NAME).signature == UNSIGNED
    assert UNSIGNED.sentence == "unsigned"


def test_a_signature_stands_in_the_archive_and_then_beside_the_profile(store, archive, elsewhere):
    assert set(members_of(archive)) == {*FILES, SIGNATURE_FILE}
    assert not (store.folder_of(NAME) / SIGNATURE_FILE).exists()
    import_profile(elsewhere, archive)
    assert (elsewhere.folder_of(NAME) / SIGNATURE_FILE).read_bytes() == members_of(archive)[SIGNATURE_FILE]


def test_the_signature_is_over_the_digests_as_other_tools_see_them(archive, public):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    members = members_of(archive)
    signature = parse_signature(members[SIGNATURE_FILE])
    assert (signature.signer, signature.public_key) == ("The Newsroom", public)
    Ed25519PublicKey.from_public_bytes(public).verify(signature.value, members[DIGESTS_FILE])


def test_a_key_that_nobody_trusted_is_said_to_be_so_whatever_the_file_says(elsewhere, archive, public):
    import_profile(elsewhere, archive)
    status = elsewhere.stored(NAME).signature
    assert (status.state, status.trusted_name, status.claimed_name) == ("not trusted", None, "The Newsroom")
    assert status.sentence == (
        f"signed by a key that nobody here has trusted ({fingerprint(public)}); the file names "
        '"The Newsroom", which proves nothing'
    )


def test_a_trusted_key_is_called_by_the_name_given_to_it_here(elsewhere, archive, public):
    import_profile(elsewhere, archive)
    elsewhere.trusted_keys.trust(public, "Our friends")
    status = elsewhere.stored(NAME).signature
    assert status.sentence == f"signed by Our friends, whose key is trusted here ({fingerprint(public)})"
    assert status.as_dict() == {
        "state": "trusted",
        "fingerprint": fingerprint(public),
        "trusted_name": "Our friends",
        "claimed_name_proves_nothing": "The Newsroom",
    }


def test_the_name_of_a_trusted_signer_with_another_key_is_not_trusted(elsewhere, archive, public, store, tmp_path):
    make_key(tmp_path / "other.key")
    export_profile(store, NAME, archive, sign_with=tmp_path / "other.key", signer="The Newsroom")
    elsewhere.trusted_keys.trust(public, "The Newsroom")
    import_profile(elsewhere, archive)
    assert elsewhere.stored(NAME).signature.state == "not trusted"


def test_a_signature_travels_on_and_another_takes_its_place(elsewhere, archive, tmp_path, public):
    import_profile(elsewhere, archive)
    assert export_profile(elsewhere, NAME, tmp_path / "on.poseauth").fingerprint == fingerprint(public)
    assert members_of(tmp_path / "on.poseauth") == members_of(archive)
    told = make_key(tmp_path / "other.key")
    again = export_profile(elsewhere, NAME, tmp_path / "on.poseauth", sign_with=tmp_path / "other.key")
    assert (again.fingerprint, again.claimed_name) == (told, None)


def test_a_profile_learnt_anew_loses_its_signature(elsewhere, archive):
    import_profile(elsewhere, archive)
    elsewhere.save(golden_profile(seed=99), golden_movement(), overwrite=True)
    assert elsewhere.stored(NAME).signature == UNSIGNED


def test_an_import_of_an_unsigned_profile_takes_the_signature_away(elsewhere, archive, store, tmp_path):
    import_profile(elsewhere, archive)
    export_profile(store, NAME, tmp_path / "plain.poseauth")
    import_profile(elsewhere, tmp_path / "plain.poseauth", overwrite=True)
    assert elsewhere.stored(NAME).signature == UNSIGNED


def test_a_profile_changed_after_signing_is_refused_though_its_digests_fit(elsewhere, archive):
    members = members_of(archive)
    members[PROFILE_FILE] = members[PROFILE_FILE].replace(b'"seed": 7', b'"seed": 8')
    write(archive, {**members, DIGESTS_FILE: digests_of(members)})
    with pytest.raises(ProfileDamagedError, match=r"ada\.poseauth/profile\.sig: the signature does not fit"):
        import_profile(elsewhere, archive)
    assert elsewhere.entries() == []


def test_a_signature_that_does_not_fit_stops_every_reading(elsewhere, archive):
    import_profile(elsewhere, archive)
    path = elsewhere.folder_of(NAME) / SIGNATURE_FILE
    plain = json.loads(path.read_bytes())
    value = bytearray(base64.b64decode(plain["signature"]))
    value[10] ^= 1
    path.write_text(json.dumps({**plain, "signature": base64.b64encode(value).decode()}))
    for read in (elsewhere.load, elsewhere.stored, elsewhere.load_movement, elsewhere.files_of):
        with pytest.raises(ProfileDamagedError, match=r"profile\.sig: the signature does not fit the profile"):
            read(NAME)
    assert "does not fit" in elsewhere.entries()[0].problem


@pytest.mark.parametrize(
    "entries",
    [
        {"format": 2},
        {"format": None},
        {"signer": 3},
        {"signer": "a" * 201},
        {"signer": "The\nNewsroom"},
        {"signer": "The \u202eNewsroom"},
        {"public_key": "AAAA"},
        {"public_key": "\u00e4" * 44},
        {"public_key": None},
        {"signature": "no base64!"},
        {"signature": ["A"]},
        {"extra": 1},
    ],
    ids=str,
)
def test_what_is_no_signature_is_refused(archive, elsewhere, entries):
    change_signature(archive, **entries)
    with pytest.raises(ProfileDamagedError, match=r"ada\.poseauth/profile\.sig: it is no signature"):
        import_profile(elsewhere, archive)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 8000, b'{"format": 1}'], ids=repr)
def test_what_is_no_json_object_is_refused(archive, elsewhere, content):
    write(archive, {**members_of(archive), SIGNATURE_FILE: content})
    with pytest.raises(ProfileDamagedError, match=r"profile\.sig: it is no signature"):
        import_profile(elsewhere, archive)


def test_a_signature_too_large_to_be_one_is_refused_packed(archive, elsewhere):
    write(archive, {**members_of(archive), SIGNATURE_FILE: b" " * 8193})
    with pytest.raises(ProfileDamagedError, match=r"profile\.sig claims 8193 bytes; 8192 at most"):
        import_profile(elsewhere, archive)


@pytest.mark.parametrize("key_of", [bytes(32), b"\xff" * 32], ids=["zeros", "no point of the curve"])
def test_a_public_key_that_is_none_is_refused(archive, elsewhere, key_of):
    change_signature(archive, public_key=base64.b64encode(key_of).decode())
    with pytest.raises(ProfileDamagedError, match=r"profile\.sig: the signature does not fit"):
        import_profile(elsewhere, archive)


def test_a_required_signature_has_to_be_there_and_trusted(elsewhere, archive, public, store, tmp_path):
    plain = tmp_path / "plain.poseauth"
    export_profile(store, NAME, plain)
    elsewhere.trusted_keys.trust(public, "The Newsroom")
    with pytest.raises(SignatureError, match=r"plain\.poseauth is unsigned, and a signature by a trusted key is"):
        import_profile(elsewhere, plain, require_signature=True)
    elsewhere.trusted_keys.forget(fingerprint(public))
    with pytest.raises(SignatureError, match="signed by a key that nobody here has trusted"):
        import_profile(elsewhere, archive, require_signature=True)
    assert elsewhere.entries() == []
    elsewhere.trusted_keys.trust(public, "The Newsroom")
    assert import_profile(elsewhere, archive, require_signature=True).name == NAME


def test_without_the_package_a_signed_profile_works_and_is_said_to_be_unchecked(
    elsewhere, archive, public, without_cryptography
):
    elsewhere.trusted_keys.trust(public, "The Newsroom")
    import_profile(elsewhere, archive)
    status = elsewhere.stored(NAME).signature
    assert (status.state, status.trusted_name, status.fingerprint) == ("not checked", None, None)
    assert "not checked: pip install 'poseauth[sign]'" in status.sentence
    with pytest.raises(SignatureError, match="not checked"):
        import_profile(elsewhere, archive, overwrite=True, require_signature=True)


def test_without_the_package_keys_and_signatures_are_refused_with_the_way_to_it(store, key, without_cryptography):
    for act in (
        lambda: make_key(key.with_name("new.key")),
        lambda: read_public_key(key.with_name("newsroom.key.pub")),
        lambda: export_profile(store, NAME, key.with_name("a.poseauth"), sign_with=key),
    ):
        with pytest.raises(SignatureError, match=r"pip install 'poseauth\[sign\]'"):
            act()
    assert not key.with_name("a.poseauth").exists()


def pem_of_another_kind():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def pem_with_passphrase():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def test_what_is_no_private_key_signs_nothing(tmp_path, key):
    path = tmp_path / "wrong.key"
    with pytest.raises(SignatureError, match=r"wrong\.key cannot be read: No such file"):
        sign(b"digests", path)
    for content, words in (
        (b"no key", "no private ed25519 key in PEM"),
        (pem_with_passphrase(), "without a passphrase"),
        (pem_of_another_kind()[0], "another kind than ed25519"),
        (b" " * 70_000, "more than 65536 bytes"),
        (key.with_name("newsroom.key.pub").read_bytes(), "no private ed25519 key"),
    ):
        path.write_bytes(content)
        with pytest.raises(SignatureError, match=words):
            sign(b"digests", path)


def test_what_is_no_public_key_is_not_trusted(tmp_path, key):
    path = tmp_path / "wrong.pub"
    for content, words in (
        (b"no key", "no public ed25519 key in PEM"),
        (pem_of_another_kind()[1], "another kind than ed25519"),
        (key.read_bytes(), "no public ed25519 key in PEM"),
    ):
        path.write_bytes(content)
        with pytest.raises(SignatureError, match=words):
            read_public_key(path)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a" * 201])
def test_a_signer_and_a_trusted_key_need_a_name_that_is_one(store, key, public, tmp_path, name):
    with pytest.raises(SignatureError, match="is no name: 1 to 200 printable characters"):
        store.trusted_keys.trust(public, name)
    if name:
        with pytest.raises(SignatureError, match="is no name"):
            export_profile(store, NAME, tmp_path / "a.poseauth", sign_with=key, signer=name)


def test_trusted_keys_are_listed_and_forgotten(store, public, tmp_path):
    make_key(tmp_path / "other.key")
    other = read_public_key(tmp_path / "other.key.pub")
    for known, name in ((public, "Zoe's"), (other, "Ada's")):
        store.trusted_keys.trust(known, name)
    store.trusted_keys.trust(public, "Zoe's")
    assert [(key.name, key.public_key) for key in store.trusted_keys.entries()] == [("Ada's", other), ("Zoe's", public)]
    store.trusted_keys.forget(fingerprint(other))
    assert [key.name for key in store.trusted_keys.entries()] == ["Zoe's"]
    with pytest.raises(SignatureError, match=r"no key .* is trusted .*--list"):
        store.trusted_keys.forget(fingerprint(other))
    with pytest.raises(SignatureError, match="no key"):
        store.trusted_keys.forget("../ada-lovelace/profile")


def test_a_trusted_key_is_not_given_to_somebody_else_unasked(store, public):
    store.trusted_keys.trust(public, "The Newsroom")
    with pytest.raises(SignatureError, match=r"trusted already, as that of The Newsroom.*--forget"):
        store.trusted_keys.trust(public, "Somebody else")
    assert store.trusted_keys.name_of(public) == "The Newsroom"


def test_trusted_keys_are_nobody_enrolled_and_outlive_writers(store, public):
    store.trusted_keys.trust(public, "The Newsroom")
    store.remove(NAME)
    store.check_writable()
    assert store.entries() == []
    assert store.trusted_keys.name_of(public) == "The Newsroom"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 1}',
        '{"format": 1, "name": 3, "public_key": ""}',
        '{"format": 1, "name": "The Newsroom", "public_key": "AAAA"}',
        " " * 9000,
    ],
    ids=range(6),
)
def test_a_damaged_file_of_a_trusted_key_trusts_nobody(store, public, elsewhere, archive, content):
    import_profile(elsewhere, archive)
    elsewhere.trusted_keys.trust(public, "The Newsroom")
    (path,) = elsewhere.trusted_keys.folder.iterdir()
    path.write_text(content)
    for read in (lambda: elsewhere.stored(NAME), elsewhere.trusted_keys.entries):
        with pytest.raises(ProfileDamagedError, match=rf"{path.name} is no trusted key.*Remove the file"):
            read()
    elsewhere.trusted_keys.forget(path.stem)
    assert elsewhere.stored(NAME).signature.state == "not trusted"
