"""Names that read alike are found, and told apart by what they are written with."""

from __future__ import annotations

import unicodedata

import pytest

from person_profiles.lookalikes import names_that_read_like, reads_like, with_code_points
from person_profiles.profile_files import PROFILE_FILE, WEIGHTS_FILE
from person_profiles.store import ProfileStore
from tests.person_profiles.golden_profile import golden_profile

CYRILLIC = "\u043eb\u0430m\u0430"
"""obama with two Cyrillic letters."""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("obama", "OBAMA", id="capitals"),
        pytest.param("obama", CYRILLIC, id="Cyrillic"),
        pytest.param("OBAMA", CYRILLIC, id="capitals and Cyrillic"),
        pytest.param("OBAMA", "\u041e\u0412\u0410\u041c\u0410", id="Cyrillic capitals"),
        pytest.param("\u0412", "\u0432", id="one Cyrillic letter in both cases"),
        pytest.param("Nixon", "\u039dixon", id="Greek"),
        pytest.param("Müller", unicodedata.normalize("NFD", "Müller"), id="decomposed"),
        pytest.param("obama", "\uff4f\uff42\uff41\uff4d\uff41", id="full width"),
        pytest.param("fitch", "\ufb01tch", id="ligature"),
        pytest.param("Straße", "STRASSE", id="sharp s"),
        pytest.param("Ada Lovelace", "Ada\u00a0 Lovelace", id="spaces"),
        pytest.param("Ada", "Ada\ufe0f", id="a mark that is not seen"),
    ],
)
def test_names_that_read_alike_are_found_either_way(one, other):
    assert reads_like(one, other)
    assert reads_like(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada", "Adam"), ("Ada", "Ida"), ("Muller", "Müller"), ("Владимир", "Vladimir"), ("習近平", "习近平"), ("l", "I")],
)
def test_names_that_read_otherwise_are_not_taken_for_each_other(one, other):
    assert not reads_like(one, other)


def test_a_name_is_not_said_to_be_like_itself_however_it_is_typed():
    decomposed = unicodedata.normalize("NFD", "Müller")
    assert names_that_read_like(decomposed, ["Müller", "MÜLLER", "Miller"]) == ["MÜLLER"]


def test_a_name_is_told_with_its_code_points():
    assert with_code_points("A\u0430\U0001f642") == "A\u0430\U0001f642 (U+0041 U+0430 U+1F642)"


def test_a_store_says_whom_a_name_can_be_taken_for(tmp_path):
    store = ProfileStore(tmp_path)
    assert store.reads_like("obama") == []
    for name in ("obama", "Zoe"):
        store.save(golden_profile(name=name), [])
    assert store.reads_like(CYRILLIC) == ["obama"]
    assert store.reads_like("obama") == []


def test_a_name_is_known_though_the_weights_of_its_profile_are_gone(tmp_path):
    store = ProfileStore(tmp_path)
    for name in ("obama", "Zoe", "damaged"):
        store.save(golden_profile(name=name), [])
    (tmp_path / "obama" / WEIGHTS_FILE).unlink()
    (tmp_path / "damaged" / PROFILE_FILE).write_text("{")
    assert store.reads_like(CYRILLIC) == ["obama"]
    assert store.written_otherwise(" OBAMA") == "obama"
    assert store.written_otherwise("DAMAGED") is None
