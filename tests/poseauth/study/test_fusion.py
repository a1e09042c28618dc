"""Fusion finds what either detector alone misses, and says where it cannot be made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poseauth.study.fusion import ClipScore, by_attack, fuse, log_odds


def scores(of_kind, *, n=6, seed=0, sides=("validation", "test")):
    """Clips of three kinds on each side, with the mean log odds of their kind and a little noise."""
    rng = np.random.default_rng(seed)
    found = []
    for side in sides:
        for kind, odds in of_kind.items():
            for i in range(n):
                p = 1 / (1 + np.exp(-(odds + rng.normal(0, 0.2))))
                attack = "" if kind == "real" else kind
                found.append(ClipScore(f"{side} {kind} {i}", side, kind == "real", f"{side} {i}", attack, p))
    return found


MOVEMENT = scores({"real": 1.0, "swap": 1.0, "puppet": -1.0}, seed=1)
FACE = scores({"real": 1.0, "swap": -1.0, "puppet": 1.0}, seed=2)


def test_a_swap_and_a_puppet_are_both_found_by_the_two_together():
    fused = fuse(MOVEMENT, FACE)
    assert fused.reason == ""
    assert (fused.n_validation, fused.n_test) == (18, 18)
    assert fused.measures["fusion"].values["auc"] == 1.0
    assert fused.measures["fusion"].values["accuracy"] == 1.0
    for alone in ("pose", "appearance"):
        assert fused.measures[alone].values["auc"] < 0.9
    assert fused.by_attack["puppet"]["pose"].values["auc"] == 1.0
    assert fused.by_attack["swap"]["appearance"].values["auc"] == 1.0
    assert 0.2 < fused.by_attack["swap"]["pose"].values["auc"] < 0.8
    assert min(fused.weights[:2]) > 0


def test_test_clips_do_not_touch_the_fit():
    changed = [replace(one, probability=1 - one.probability) if one.side == "test" else one for one in FACE]
    assert fuse(MOVEMENT, changed).weights == fuse(MOVEMENT, FACE).weights


def test_only_clips_that_both_could_judge_count_and_their_order_does_not():
    fused = fuse(MOVEMENT[::-1], FACE[:-1])
    assert fused.n_test == 17
    assert fused.weights == pytest.approx(fuse(MOVEMENT, FACE).weights)


def test_too_few_validation_clips_are_a_reason_and_no_figure():
    few = [one for one in FACE if one.side == "test" or one.is_authentic]
    fused = fuse(MOVEMENT, few)
    assert fused.measures is None
    assert fused.weights is None
    assert "6 real and 0 fake validation clips and 18 test clips have both scores" in fused.reason


def test_a_detector_that_learnt_nothing_leaves_the_other_its_order():
    none = [replace(one, probability=0.5) for one in FACE]
    fused = fuse(MOVEMENT, none)
    assert fused.weights[1] == pytest.approx(0.0)
    assert fused.measures["fusion"].values["auc"] == fused.measures["pose"].values["auc"]


def test_each_attack_is_held_against_all_real_clips():
    found = by_attack(MOVEMENT)
    assert {attack: (of.n_real, of.n_fake) for attack, of in found.items()} == {"puppet": (6, 6), "swap": (6, 6)}
    unnamed = by_attack([replace(one, attack="") for one in MOVEMENT])
    assert {attack: of.n_fake for attack, of in unnamed.items()} == {"fake": 12}


def test_log_odds_of_certainty_are_finite():
    assert log_odds(np.array([0.0, 0.5, 1.0])).tolist() == [-14.0, 0.0, 14.0]
