"""A profile that was once written is read by every later version, or refused in words."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from person_profiles.profile import FORMAT_VERSION, profile_as_dict
from person_profiles.store import ProfileStore, folder_name
from person_profiles.verification import load_scorer
from poseauth.errors import ProfileDamagedError
from poseauth.windows import cut_windows
from tests.person_profiles.golden_profile import (
    GOLDEN,
    NAME,
    golden_folder,
    golden_movement,
    golden_profile,
    golden_speech,
)

RAW_SCORES = [0.574933, 0.575622, 0.560818, 0.569983, 0.57863, 0.560947, 0.565904, 0.580264]
"""Of the windows of twelve seconds of the golden speech."""
LOG10_LR = 0.092358


@pytest.fixture
def home(tmp_path):
    shutil.copytree(golden_folder(), tmp_path / folder_name(NAME))
    return tmp_path


def test_a_golden_profile_of_every_format_from_2_on_is_here():
    assert sorted(path.name for path in GOLDEN.iterdir()) == [f"format-{n}" for n in range(2, FORMAT_VERSION + 1)]


def test_the_golden_profile_is_read_with_the_values_it_was_made_of(home):
    profile, made = ProfileStore(home).load(NAME), golden_profile()
    assert profile_as_dict(profile) == profile_as_dict(made)
    assert set(profile.weights) == set(made.weights)
    for name, value in made.weights.items():
        np.testing.assert_allclose(profile.weights[name], value, rtol=1e-6)
    assert (profile.name, profile.seed, profile.seconds_genuine) == ("Ada Lovelace", 7, 24.5)
    assert profile.calibrated.clips.line.slope == 3.0
    assert profile.self_test.evidence_curve[1].eer == 0.125
    assert profile.recipe.architecture.hidden == 3


def test_the_golden_movement_is_read_as_it_was_made(home):
    (read,), (made,) = ProfileStore(home).load_movement(NAME), golden_movement()
    np.testing.assert_allclose(read.keypoints, made.keypoints, rtol=1e-5)
    assert read.provenance == made.provenance


def test_the_golden_profile_scores_as_it_always_did(home):
    profile = ProfileStore(home).load(NAME)
    # A speech that beats like a clock is no evidence to `score_clip`; here it is what can be written down.
    raw = load_scorer(profile, device="cpu")(cut_windows(golden_speech(12), profile.windows))
    np.testing.assert_allclose(raw, RAW_SCORES, atol=1e-4)
    assert profile.calibrated.clips.of_clip(float(raw.mean())).log10_lr == pytest.approx(LOG10_LR, abs=1e-3)


def test_a_profile_of_format_2_is_refused_in_words(tmp_path):
    shutil.copytree(golden_folder(2), tmp_path / folder_name(NAME))
    store = ProfileStore(tmp_path)
    with pytest.raises(
        ProfileDamagedError,
        match=r"profile\.json: the profile has format 2, of an earlier poseauth; this one reads 3\. Enrol the person "
        r"again from their videos, with --overwrite",
    ):
        store.load(NAME)
    (entry,) = store.entries()
    assert "format 2" in entry.problem
    store.save(golden_profile(), golden_movement(), overwrite=True)
    assert store.load(NAME).seed == 7
