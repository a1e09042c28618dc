"""Why a clip scores as it does: the part that is somebody else's is named, and what is said is checked."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.explanation import (
    LEAST_EFFECT,
    N_EXPLAINED,
    PARTS,
    RELATIONS,
    _exchanged,
    _limbs,
    _whole,
    explain,
)
from poseauth.features import to_torso
from poseauth.keypoints import L_WRIST, R_ELBOW, R_WRIST
from poseauth.movement_statistics import body_statistics, hand_statistics, movement_statistics
from poseauth.whitening import WhitenedCosine
from poseauth.windows import WINDOW_FRAMES, cut_windows
from tests.known_body import whole_windows


def windows_of(style, seed, duration_s=20.0):
    return cut_windows(speak(STYLES[style], duration_s=duration_s, seed=seed)).keypoints


@pytest.fixture(scope="module")
def own():
    return np.concatenate([windows_of(0, seed) for seed in (1, 2, 3)])


@pytest.fixture(scope="module")
def cosine(own):
    """The profile's statistics without its network: the person against three others."""
    others = [np.concatenate([windows_of(style, seed) for seed in (4, 5)]) for style in (1, 2, 3)]
    fitted = WhitenedCosine.fit([movement_statistics(some) for some in (own, *others)])
    return lambda windows: fitted(movement_statistics(windows))


@pytest.fixture(scope="module")
def score(cosine):
    """Bends where the person's own windows lie."""
    return lambda windows: 1 / (1 + np.exp(-8 * (cosine(windows) - 0.8)))


@pytest.fixture(scope="module")
def genuine():
    return windows_of(0, 7)


def with_part_of(windows, other, part):
    n = min(len(windows), len(other))
    return _whole(_exchanged(_limbs(windows[:n]), _limbs(other[:n]), PARTS[part]))


def test_limbs_put_together_again_are_the_same_body(genuine):
    np.testing.assert_allclose(to_torso(_whole(_limbs(genuine))), to_torso(genuine), atol=1e-4)


def test_an_exchanged_elbow_carries_its_wrist_along(genuine, own):
    mixed = to_torso(_whole(_exchanged(_limbs(genuine[:2]), _limbs(own[:2]), PARTS["right elbow"])))
    before = to_torso(genuine[:2])
    forearm = mixed[:, :, R_WRIST] - mixed[:, :, R_ELBOW]
    np.testing.assert_allclose(forearm, before[:, :, R_WRIST] - before[:, :, R_ELBOW], atol=1e-4)
    np.testing.assert_allclose(mixed[:, :, L_WRIST], before[:, :, L_WRIST], atol=1e-4)


@pytest.mark.parametrize(
    ("style", "part"), [(1, "head"), (1, "right wrist"), (1, "left elbow"), (5, "left wrist"), (5, "shoulders")]
)
def test_the_part_that_is_somebody_elses_is_named(genuine, own, score, part, style):
    found = explain(with_part_of(genuine, windows_of(style, 9), part), own, score)
    assert min(found.parts, key=lambda one: one.effect).name == part
    assert found.parts_against[0].name == part
    assert found.parts_against[0].held
    assert found.parts_against[0].score_without > found.score
    assert found.parts_against[0].score_put_in < found.parts_against[0].score_usual


def test_what_is_taken_out_lowers_the_score_that_it_was_said_to_raise(genuine, own, score):
    found = explain(genuine, own, score)
    assert found.parts_for
    assert not found.parts_against
    assert found.holds_for
    assert found.score_without_for < found.score
    assert found.holds_against is found.score_without_against is None


def test_what_is_taken_out_raises_the_score_that_it_was_said_to_lower(own, cosine):
    found = explain(windows_of(5, 9), own, lambda windows: 1 / (1 + np.exp(-3 * (cosine(windows) - 0.3))))
    assert found.parts_against
    assert found.holds_against
    assert found.score_without_against > found.score + LEAST_EFFECT


def test_arms_out_of_time_are_found_in_their_relations(genuine, own, score):
    limbs = _limbs(genuine)
    later = np.roll(limbs, len(limbs) // 2, axis=0)
    found = explain(_whole(_exchanged(limbs, later, (*PARTS["left elbow"], *PARTS["left wrist"]))), own, score)
    in_time = explain(genuine, own, score)
    drop = {
        (pair.first, pair.second): next(
            other.effect for other in in_time.relations if (other.first, other.second) == (pair.first, pair.second)
        )
        - pair.effect
        for pair in found.relations
    }
    assert set(drop) == set(RELATIONS)
    assert np.mean([drop[pair] for pair in drop if "left arm" in pair]) > 0
    assert [drop[pair] for pair in drop if "left arm" not in pair] == pytest.approx([0.0] * 3, abs=1e-4)


def test_a_scorer_that_looks_at_one_part_alone_is_explained_by_it_alone(genuine, own):
    def height(windows):
        wrist = to_torso(windows)[:, :, R_WRIST, 1] - to_torso(windows)[:, :, R_ELBOW, 1]
        return 1 / (1 + np.exp(-np.nanmean(wrist, axis=1)))

    found = explain(genuine, own, height)
    effects = {part.name: part.effect for part in found.parts}
    assert effects.pop("right wrist") != 0
    assert list(effects.values()) == pytest.approx([0.0] * 5, abs=1e-5)
    assert [pair.effect for pair in found.relations] == pytest.approx([0.0] * len(RELATIONS), abs=1e-5)


def test_the_same_clip_is_explained_alike_and_a_long_one_by_some_of_its_windows(genuine, own, score):
    first, second = explain(genuine, own, score), explain(genuine, own, score)
    assert first == second
    assert first.n_windows == min(len(genuine), N_EXPLAINED)


def test_one_window_has_no_halves_and_no_pairs(genuine, own, score):
    found = explain(genuine[:1], own, score)
    assert {part.held for part in found.parts} == {None}
    assert found.relations == ()


def test_too_few_windows_are_refused(genuine, score):
    with pytest.raises(ValueError, match="1 and 2 are needed"):
        explain(genuine, genuine[:1], score)
    with pytest.raises(ValueError, match="0 windows of the clip"):
        explain(np.zeros((0, WINDOW_FRAMES, 12, 2), np.float32), genuine, score)


def opening(windows, frequency_hz, seed):
    """Whole windows whose hands open and close so often."""
    times = np.arange(WINDOW_FRAMES) / 30 + seed
    return whole_windows(windows, 0.6 + 0.4 * np.sin(2 * np.pi * frequency_hz * times))


def test_of_whole_windows_the_hands_are_parts_of_their_own(own, genuine):
    """Somebody whose hands move as the person's never do, on a body that moves as the person's."""
    person = opening(own, 0.3, 0)
    others = [opening(windows_of(style, 4), 1.5, style) for style in (1, 2)]
    blocks = (body_statistics, hand_statistics)
    cosines = [WhitenedCosine.fit([of(some) for some in (person, *others)]) for of in blocks]

    def score(windows):
        found = np.mean([cosine(of(windows)) for of, cosine in zip(blocks, cosines, strict=True)], axis=0)
        return 1 / (1 + np.exp(-6 * found))

    found = explain(opening(genuine, 1.5, 3), person, score)
    assert {part.name for part in found.parts} == set(PARTS)
    lowest = sorted(found.parts, key=lambda part: part.effect)[:2]
    assert {part.name for part in lowest} == {"right hand", "left hand"}
    assert lowest[1].effect < -LEAST_EFFECT
    of_twelve = explain(genuine, own, lambda windows: np.full(len(windows), 0.5))
    assert {part.name for part in of_twelve.parts} == set(PARTS) - {"right hand", "left hand"}
