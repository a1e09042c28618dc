"""A profile that was once written is read by every later version, or refused in words."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from person_profiles.profile import FORMAT_VERSION, profile_as_dict, profile_from_dict
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
    assert profile.recipe.architecture.network_share == 0.25


def test_the_golden_movement_is_read_as_it_was_made(home):
    (read,), (made,) = ProfileStore(home).load_movement(NAME), golden_movement()
    np.testing.assert_allclose(read.keypoints, made.keypoints, rtol=1e-5)
    assert read.provenance == made.provenance


def test_the_golden_profile_scores_as_it_always_did(home):
    profile = ProfileStore(home).load(NAME)
    # A speech that beats like a clock is no evidence to `score_clip`; here it is what can be written down.
    raw = load_scorer(profile)(cut_windows(golden_speech(12), profile.windows))
    np.testing.assert_allclose(raw, RAW_SCORES, atol=1e-4)
    assert profile.calibrated.clips.of_clip(float(raw.mean())).log10_lr == pytest.approx(LOG10_LR, abs=1e-3)


@pytest.fixture
def earlier(tmp_path):
    """A store with the golden profile of format 2, and its folder."""
    folder = tmp_path / folder_name(NAME)
    shutil.copytree(golden_folder(2), folder)
    return ProfileStore(tmp_path), folder


def test_a_profile_of_format_2_is_refused_with_what_it_lacks_and_the_way_out(earlier):
    store, _ = earlier
    with pytest.raises(
        ProfileDamagedError,
        match=r"profile\.json: the profile has format 2, of an earlier poseauth; this one reads 4, 5 and 6\. It lacks "
        r"the digest of profile\.json, .* and how the person.s head was turned .*: poseauth enroll --person .* --again",
    ):
        store.load(NAME)
    with pytest.raises(ProfileDamagedError, match="format 2"):
        store.load_movement(NAME)
    (entry,) = store.entries()
    assert "format 2" in entry.problem
    store.save(golden_profile(), golden_movement(), overwrite=True)
    assert store.load(NAME).seed == 7


def test_the_golden_movement_of_format_2_is_read_as_it_was_made_to_be_learnt_from_again(earlier):
    (read,), (made,) = earlier[0].load_movement_to_learn_again(NAME), golden_movement(2)
    np.testing.assert_allclose(read.keypoints, made.keypoints, rtol=1e-5)
    np.testing.assert_array_equal(read.timestamps_s, made.timestamps_s)
    assert read.provenance == made.provenance


def test_a_profile_of_format_3_is_refused_but_for_its_movement(tmp_path):
    folder = tmp_path / folder_name(NAME)
    shutil.copytree(golden_folder(3), folder)
    store = ProfileStore(tmp_path)
    for read in (store.load, store.load_movement):
        with pytest.raises(
            ProfileDamagedError,
            match=r"format 3, of an earlier poseauth; this one reads 4, 5 and 6\. It scores by other .*--again",
        ):
            read(NAME)
    (read,), (made,) = store.load_movement_to_learn_again(NAME), golden_movement()
    np.testing.assert_allclose(read.keypoints, made.keypoints, rtol=1e-5)
    assert read.provenance == made.provenance
    (folder / "profile.sha256").write_bytes(b"")
    with pytest.raises(ProfileDamagedError, match=r"profile\.sha256"):
        store.load_movement_to_learn_again(NAME)


@pytest.mark.parametrize(("version", "share"), [(4, 0.2), (5, 0.25)])
def test_a_profile_of_an_earlier_format_that_scores_as_today_is_read(tmp_path, version, share):
    folder = tmp_path / folder_name(NAME)
    shutil.copytree(golden_folder(version), folder)
    store = ProfileStore(tmp_path)
    read, made = store.load(NAME), golden_profile()
    assert read.recipe.architecture == replace(made.recipe.architecture, network_share=share)
    assert read.windows.points == "twelve"
    assert profile_as_dict(replace(read, recipe=made.recipe)) == profile_as_dict(made)
    raw = load_scorer(read)(cut_windows(golden_speech(12), read.windows))
    np.testing.assert_allclose(raw, RAW_SCORES, atol=1e-4)
    (movement,) = store.load_movement(NAME)
    np.testing.assert_allclose(movement.keypoints, golden_movement()[0].keypoints, rtol=1e-5)


@pytest.mark.parametrize(
    ("version", "points", "features", "words"),
    [
        (5, "whole", None, "multiple values for keyword argument 'points'"),
        (6, None, None, r"'points'"),
        (6, "hands", None, "WindowOptions has points 'hands'"),
        (6, "whole", None, "windows of points 'whole' for features 'torso'"),
        (6, "twelve", "whole", "windows of points 'twelve' for features 'whole'"),
    ],
)
def test_points_that_do_not_belong_are_refused(version, points, features, words):
    plain = {**profile_as_dict(golden_profile()), "format_version": version}
    del plain["windows"]["points"]
    if points:
        plain["windows"]["points"] = points
    if features:
        plain["architecture"]["features"] = features
    with pytest.raises(ProfileDamagedError, match=words):
        profile_from_dict(plain, {})


@pytest.mark.parametrize(
    ("version", "share", "words"),
    [
        (4, 0.3, "multiple values for keyword argument 'network_share'"),
        (5, None, r"Architecture has entries \[.*\]; .*'network_share'.* are needed"),
        (5, 1.5, "network_share is 1.5; a weight from 0 to 1 is needed"),
        (5, "0.1", "Architecture has network_share '0.1'"),
        (5, float("nan"), "Architecture has network_share nan"),
    ],
)
def test_a_weight_of_the_network_that_does_not_belong_is_refused(version, share, words):
    plain = {**profile_as_dict(golden_profile()), "format_version": version}
    del plain["windows"]["points"]
    del plain["architecture"]["network_share"]
    if share is not None:
        plain["architecture"]["network_share"] = share
    with pytest.raises(ProfileDamagedError, match=words):
        profile_from_dict(plain, {})


@pytest.mark.parametrize(
    ("block", "entry", "value"),
    [
        ("windows", "stride_frames", 30.5),
        ("windows", "max_gap_s", "0.5"),
        ("architecture", "frame_step", 5.0),
        ("architecture", "statistics", 0),
        ("architecture", "pooling", ["last"]),
        ("training", "folds", True),
        ("self_test", "enough_s", "x"),
        ("self_test", "n_genuine_against", "<b>"),
        ("self_test", "hardest_other", None),
        ("head_turns", "low", [0.1, float("inf"), 0.2]),
    ],
)
def test_an_entry_of_another_type_is_refused(block, entry, value):
    plain = profile_as_dict(golden_profile())
    assert profile_from_dict(plain, {}).name == NAME
    plain[block][entry] = value
    with pytest.raises(ProfileDamagedError, match=rf"profile\.json is not as it must be: \w+ has {entry} "):
        profile_from_dict(plain, {})


def test_the_movement_of_todays_format_is_learnt_from_again_as_it_is(home):
    store = ProfileStore(home)
    (read,), (again,) = store.load_movement(NAME), store.load_movement_to_learn_again(NAME)
    np.testing.assert_array_equal(read.keypoints, again.keypoints)
    (home / folder_name(NAME) / "profile.sha256").write_bytes(b"")
    with pytest.raises(ProfileDamagedError, match=r"profile\.sha256"):
        store.load_movement_to_learn_again(NAME)


def test_the_movement_of_format_2_with_a_flipped_bit_is_refused(earlier):
    store, folder = earlier
    content = bytearray((folder / "movement.safetensors").read_bytes())
    content[-9] ^= 4
    (folder / "movement.safetensors").write_bytes(content)
    with pytest.raises(ProfileDamagedError, match=r"movement\.safetensors is not the file that was written"):
        store.load_movement_to_learn_again(NAME)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Eve"}, "holds a profile of Eve, which does not belong there"),
        ({"name": ""}, "'' is no name"),
        ({"name": None}, "names no person"),
        ({"movement_sha256": None}, "no digest of movement"),
        ({"movement_sha256": "0" * 64}, r"movement\.safetensors is not the file"),
        ({"movement": None}, "is not as it must be"),
        ({"movement": [{}]}, "is not as it must be"),
        ({"movement": [{}, {}]}, "is not as it must be"),
        ({"format_version": 1}, "format 1, of an earlier poseauth"),
        ({"format_version": 2.0}, "names no format"),
        ({"format_version": True}, "names no format"),
    ],
)
def test_a_profile_of_format_2_that_is_not_as_it_must_be_is_refused(earlier, changes, words):
    store, folder = earlier
    plain = json.loads((folder / "profile.json").read_text())
    (folder / "profile.json").write_text(json.dumps({**plain, **changes}))
    with pytest.raises(ProfileDamagedError, match=words):
        store.load_movement_to_learn_again(NAME)


@pytest.mark.parametrize("name", ["profile.sha256", "profile.sig"])
def test_a_profile_that_was_signed_or_digested_is_not_taken_for_format_2(home, name):
    folder = home / folder_name(NAME)
    (folder / name).touch()
    text = (folder / "profile.json").read_text()
    (folder / "profile.json").write_text(text.replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 2'))
    with pytest.raises(ProfileDamagedError, match=r"profile\.json is not the file that was written"):
        ProfileStore(home).load_movement_to_learn_again(NAME)


@pytest.mark.parametrize("missing", ["profile.json", "movement.safetensors"])
def test_a_missing_file_of_format_2_is_named(earlier, missing):
    store, folder = earlier
    (folder / missing).unlink()
    with pytest.raises(ProfileDamagedError, match=missing):
        store.load_movement_to_learn_again(NAME)
