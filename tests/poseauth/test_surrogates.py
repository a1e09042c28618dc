"""Movement of nobody: streams of three moments or of several people at once, or everybody's mirror image."""

from __future__ import annotations

import numpy as np
import pytest

from poseauth.features import to_torso
from poseauth.keypoints import FACE, L_FINGERS, L_HAND, L_WRIST, NECK, NOSE, R_FINGERS, R_HAND, R_WRIST
from poseauth.surrogates import chimeras, mirror_images, surrogate_impostors
from tests.known_body import whole_windows

HEAD, RIGHT_ARM, LEFT_ARM = [0, 8, 9, 10, 11], [3, 4], [6, 7]
SHOULDERS = [2, 5]


@pytest.fixture
def windows(body):
    """Eight windows, each of its own movement, size and place."""
    rng = np.random.default_rng(0)
    walk = rng.normal(0, 1, (8, 150, 12, 2)).cumsum(axis=1)
    scale = rng.uniform(0.5, 2, (8, 1, 1, 1))
    return ((body + walk) * scale + rng.uniform(0, 500, (8, 1, 1, 2))).astype(np.float32)


def from_neck(relative):
    return relative - relative[:, :, NECK : NECK + 1]


def seen_from_neck(windows):
    relative = to_torso(windows)
    relative[:, :, NECK] = 0
    return relative


def donor_of(stream, surrogate, own):
    """The one window whose movement a stream of a surrogate has."""
    matches = [i for i in range(len(own)) if np.allclose(surrogate[:, stream], own[i][:, stream], atol=1e-5)]
    assert len(matches) == 1
    return matches[0]


def test_as_many_windows_come_out_as_went_in(windows):
    mixed = surrogate_impostors(windows, rng=np.random.default_rng(1))
    assert mixed.shape == windows.shape
    assert mixed.dtype == np.float32


def test_the_streams_are_those_of_three_different_windows(windows):
    mixed = from_neck(surrogate_impostors(windows, rng=np.random.default_rng(1)))
    own = seen_from_neck(windows)
    for surrogate in mixed:
        donors = [donor_of(stream, surrogate, own) for stream in (HEAD, RIGHT_ARM, LEFT_ARM)]
        assert len(set(donors)) == 3


def test_shoulders_and_neck_stay_where_they_were(windows):
    mixed = surrogate_impostors(windows, rng=np.random.default_rng(1))
    np.testing.assert_allclose(from_neck(mixed)[:, :, SHOULDERS], seen_from_neck(windows)[:, :, SHOULDERS], atol=1e-5)
    np.testing.assert_array_equal(mixed[:, :, NECK], to_torso(windows)[:, :, NECK])


def test_what_a_donor_does_not_show_is_missing(windows):
    windows[:, 30:50, RIGHT_ARM] = np.nan
    mixed = surrogate_impostors(windows, rng=np.random.default_rng(1))
    assert np.isnan(mixed[:, 30:50, RIGHT_ARM]).all()
    assert np.isfinite(np.delete(mixed, RIGHT_ARM, axis=2)).all()


@pytest.mark.parametrize("n_windows", [0, 1, 2])
def test_too_few_windows_are_refused(windows, n_windows):
    with pytest.raises(ValueError, match=f"{n_windows} windows; .*at least 3"):
        surrogate_impostors(windows[:n_windows], rng=np.random.default_rng(1))


def test_three_windows_are_enough(windows):
    assert len(surrogate_impostors(windows[:3], rng=np.random.default_rng(1))) == 3


def test_one_seed_gives_one_mixture(windows):
    mixed = [surrogate_impostors(windows, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(mixed[0], mixed[1])
    assert not np.array_equal(mixed[0], mixed[2])


def test_the_persons_windows_are_left_as_they_were(windows):
    before = windows.copy()
    surrogate_impostors(windows, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(windows, before)


@pytest.fixture
def people(windows):
    """Three people, of three, three and two windows."""
    return [windows[:3], windows[3:6], windows[6:]]


OWNERS = [0, 0, 0, 1, 1, 1, 2, 2]
"""Whose each of `windows` is."""


def parts_of(mixed, windows):
    """Whose window gives head, right arm, left arm and shoulders of each chimera [shape=(N, 4)]."""
    own, streams = seen_from_neck(windows), (HEAD, RIGHT_ARM, LEFT_ARM, SHOULDERS)
    return np.array([[donor_of(stream, chimera, own) for stream in streams] for chimera in from_neck(mixed)])


def test_as_many_chimeras_are_made_as_asked_for(people):
    for n_windows in (0, 1, 13):
        mixed, heads = chimeras(people, n_windows, rng=np.random.default_rng(1))
        assert mixed.shape == (n_windows, 150, 12, 2)
        assert mixed.dtype == np.float32
        assert heads.shape == (n_windows,)
        assert heads.dtype == np.int32


def test_every_part_of_a_chimera_is_somebodys_and_the_head_is_theirs_who_is_named(windows, people):
    mixed, heads = chimeras(people, 60, rng=np.random.default_rng(1))
    # That every part is that of one known window is what finding its donor asserts.
    donors = parts_of(mixed, windows)
    np.testing.assert_array_equal(np.take(OWNERS, donors[:, 0]), heads)
    assert set(heads.tolist()) == {0, 1, 2}
    assert set(donors.ravel().tolist()) == set(range(8))


@pytest.mark.parametrize("n_people", [2, 3])
def test_head_and_arms_of_a_chimera_are_never_all_of_one_person(windows, people, n_people):
    mixed, _ = chimeras(people[:n_people], 80, rng=np.random.default_rng(2))
    owners = np.take(OWNERS, parts_of(mixed, windows))
    assert all(len(set(row[:3])) > 1 for row in owners)


def test_the_neck_of_a_chimera_goes_the_way_of_the_shoulders(windows, people):
    mixed, _ = chimeras(people, 30, rng=np.random.default_rng(3))
    trunks = parts_of(mixed, windows)[:, 3]
    np.testing.assert_array_equal(mixed[:, :, NECK], to_torso(windows)[trunks][:, :, NECK])


def test_most_chimeras_have_a_part_of_the_first_person(body):
    rng = np.random.default_rng(0)
    own = (body + rng.normal(0, 1, (12, 1, 150, 12, 2)).cumsum(axis=2)).astype(np.float32)
    first = seen_from_neck(own[0])[0]
    mixed = from_neck(chimeras(list(own), 400, rng=np.random.default_rng(4))[0])
    streams = (HEAD, RIGHT_ARM, LEFT_ARM, SHOULDERS)
    has_part = np.array([any(np.allclose(c[:, s], first[:, s], atol=1e-5) for s in streams) for c in mixed])
    # Six in ten for sure, and of the rest those who draw the first person by chance.
    assert has_part.mean() == pytest.approx(0.6 + 0.4 * (1 - (11 / 12) ** 4), abs=0.08)
    assert has_part.mean() > 0.6


def test_what_the_donor_of_a_part_does_not_show_is_missing(windows, people):
    people[1][:, 30:50, HEAD] = np.nan
    mixed, heads = chimeras(people, 40, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(np.isnan(mixed[:, 30:50, HEAD]).all(axis=(1, 2, 3)), heads == 1)
    assert np.isfinite(np.delete(mixed, HEAD, axis=2)).all()


@pytest.mark.parametrize(
    "n_windows", [(), (3,), (3, 0), (0, 3)], ids=["nobody", "one person", "a second without", "a first without"]
)
def test_chimeras_need_windows_of_two_people(windows, n_windows):
    with pytest.raises(ValueError, match="at least two people, each with a window"):
        chimeras([windows[:n] for n in n_windows], 5, rng=np.random.default_rng(1))


def test_one_seed_gives_the_same_chimeras(people):
    (first, heads), (again, same_heads), (other, _) = (
        chimeras(people, 10, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(heads, same_heads)
    assert not np.array_equal(first, other)


def test_the_people_are_left_as_they_were(windows, people):
    before = windows.copy()
    chimeras(people, 10, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(windows, before)


def test_a_mirror_image_exchanges_left_and_right_and_turns_x(beating):
    windows = beating(2, 1.0)
    mirrored = mirror_images(windows)
    np.testing.assert_array_equal(mirrored[:, :, R_WRIST, 0], -windows[:, :, L_WRIST, 0])
    np.testing.assert_array_equal(mirrored[:, :, L_WRIST, 1], windows[:, :, R_WRIST, 1])
    np.testing.assert_array_equal(mirrored[:, :, NOSE, 1], windows[:, :, NOSE, 1])


def test_the_mirror_image_of_a_mirror_image_is_the_window_itself(beating):
    windows = beating(2, 1.0)
    windows[0, :30, L_WRIST] = np.nan
    np.testing.assert_array_equal(mirror_images(mirror_images(windows)), windows)


def test_hands_go_with_their_arms_and_the_face_with_the_head(windows):
    own = whole_windows(windows)
    mixed = surrogate_impostors(own, rng=np.random.default_rng(3))
    relative, theirs = from_neck(mixed), seen_from_neck(own)
    for stream, more in (
        (HEAD, FACE), (RIGHT_ARM, [*R_FINGERS, *R_HAND]), (LEFT_ARM, [*L_FINGERS, *L_HAND])
    ):  # fmt: skip
        for surrogate in relative:
            donor = donor_of(stream, surrogate, theirs)
            np.testing.assert_allclose(surrogate[:, list(more)], theirs[donor][:, list(more)], atol=1e-5)
    chimera, _ = chimeras([own[:4], own[4:]], 5, rng=np.random.default_rng(0))
    assert chimera.shape == (5, 150, own.shape[2], 2)
