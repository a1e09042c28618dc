"""Signing, trusting and being told who signed, through the command line; names that read alike are warned of."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from person_profiles.store import ProfileStore

LIKE_IT = "\u0410da"
"""Ada, beginning with a Cyrillic letter."""


@pytest.fixture
def key(poseauth, tmp_path):
    assert poseauth("profiles", "keygen", tmp_path / "newsroom.key")[0] == 0
    return tmp_path / "newsroom.key"


@pytest.fixture
def archive(poseauth, key, home, tmp_path):
    """Ada's profile, signed."""
    path = tmp_path / "ada.poseauth"
    signed = ("--sign", key, "--signer", "The Newsroom")
    assert poseauth("profiles", "export", "Ada", "-o", path, "--home", home, *signed)[0] == 0
    return path


def trust(poseauth, key, home):
    status, out, _ = poseauth("profiles", "trust", f"{key}.pub", "--name", "Our newsroom", "--home", home)
    assert status == 0
    return out


def test_a_key_is_made_once_and_its_fingerprint_told(poseauth, tmp_path):
    status, out, _ = poseauth("profiles", "keygen", tmp_path / "a.key")
    assert (status, bool(re.search(r"fingerprint: [0-9a-f]{4}(-[0-9a-f]{4}){7}\n", out))) == (0, True)
    before = (tmp_path / "a.key").read_bytes()
    status, _, err = poseauth("profiles", "keygen", tmp_path / "a.key")
    assert (status, "a key is never overwritten" in err) == (1, True)
    assert (tmp_path / "a.key").read_bytes() == before


def test_a_signed_profile_is_imported_and_its_signer_told_until_and_after_the_key_is_trusted(
    poseauth, key, archive, tmp_path
):
    there = tmp_path / "there"
    status, out, _ = poseauth("profiles", "import", archive, "--home", there)
    assert (status, "signed by a key that nobody here has trusted" in out) == (0, True)
    told = trust(poseauth, key, there)
    assert "is trusted as the key of Our newsroom" in told
    assert told.split()[0] in poseauth("profiles", "trust", "--list", "--home", there)[1]
    shown = poseauth("profiles", "show", "Ada", "--home", there)[1]
    assert f"signed by Our newsroom, whose key is trusted here ({told.split()[0]})" in shown
    plain = json.loads(poseauth("profiles", "show", "Ada", "--home", there, "--json")[1])
    assert plain["profile_signature"]["trusted_name"] == "Our newsroom"
    assert poseauth("profiles", "trust", "--forget", told.split()[0], "--home", there)[0] == 0
    assert "nobody here has trusted" in poseauth("profiles", "show", "Ada", "--home", there)[1]


def test_every_verification_says_whether_the_profile_is_signed(poseauth, speeches, home, key, archive, tmp_path):
    clip, lines = speeches / "test-ada.npz", tmp_path / "results.jsonl"
    _, out, _ = poseauth("verify", clip, "--person", "Ada", "--home", home)
    assert "The profile of Ada is unsigned." in out
    assert poseauth("profiles", "import", archive, "--overwrite", "--home", home)[0] == 0
    told = trust(poseauth, key, home)
    _, out, _ = poseauth("verify", clip, "--person", "Ada", "--home", home)
    assert "The profile of Ada is signed by Our newsroom, whose key is trusted here" in out
    _, out, _ = poseauth("verify", clip, "--person", "Ada", "--home", home, "--json", "--output", lines)
    (result,) = json.loads(out)
    assert result["profile_signature"] == {
        "state": "trusted",
        "fingerprint": told.split()[0],
        "trusted_name": "Our newsroom",
        "claimed_name_proves_nothing": "The Newsroom",
    }
    (written,) = map(json.loads, lines.read_text().splitlines())
    assert len(written.pop("key")) == 64
    assert written == result


def test_a_required_signature_is_asked_for(poseauth, home, key, archive, tmp_path):
    there = tmp_path / "there"
    required = ("profiles", "import", archive, "--require-signature", "--home", there)
    status, _, err = poseauth(*required)
    assert (status, "a signature by a trusted key is required" in err) == (1, True)
    trust(poseauth, key, there)
    assert poseauth(*required)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a.pub",),
        ("--name", "x"),
        ("--list", "--forget", "x"),
        ("a.pub", "--name", "x", "--list"),
        ("--list", "--name", "x"),
    ],
    ids=" ".join,
)
def test_trust_does_one_thing_at_a_time(poseauth, arguments):
    status, _, err = poseauth("profiles", "trust", *arguments)
    assert (status, "give a public key with its --name, or --list, or --forget" in err) == (2, True)


def test_a_signer_without_a_key_is_a_usage_error(poseauth, home, tmp_path):
    status, _, err = poseauth(
        "profiles", "export", "Ada", "-o", tmp_path / "a.poseauth", "--signer", "x", "--home", home
    )
    assert (status, "give the key with --sign" in err) == (2, True)


def test_who_enrols_a_name_that_reads_like_another_is_warned_of_both(poseauth, speeches, home):
    arguments = ("enroll", "--person", LIKE_IT, speeches / "short.npz", "--home", home)
    _, _, err = poseauth(*arguments)
    assert f"{LIKE_IT} (U+0410 U+0064 U+0061) reads like Ada (U+0041 U+0064 U+0061)" in err
    _, _, err = poseauth("enroll", "--person", "Zoe", speeches / "short.npz", "--home", home)
    assert "reads like" not in err


def test_who_imports_a_name_that_reads_like_another_is_warned_of_both(poseauth, home, tmp_path):
    there = ProfileStore(tmp_path / "there")
    there.save(replace(ProfileStore(home).load("Ada"), name=LIKE_IT), [])
    archive = tmp_path / "like.poseauth"
    assert poseauth("profiles", "export", LIKE_IT, "-o", archive, "--home", there.home)[0] == 0
    status, _, err = poseauth("profiles", "import", archive, "--home", home)
    assert status == 0
    assert f"{LIKE_IT} (U+0410 U+0064 U+0061) reads like Ada (U+0041 U+0064 U+0061)" in err
    assert len(ProfileStore(home).entries()) == 2
