"""Scores without torch: those of the network as it was taught, and nothing but the window and the weights decide."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from poseauth.features import FEATURES
from poseauth.inference import TaughtNetwork
from poseauth.models import WindowLSTM, taught, weights_of, window_log_odds
from poseauth.recipes import Architecture

TINY = Architecture(hidden=8, layers=1, dropout=0.0)
NOTHING = np.zeros((0, 150, 12, 2), np.float32)


@pytest.mark.parametrize("head", ["binary", "cohort"])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize(("features", "frame_step", "layers"), [("torso", 5, 2), ("zscore", 1, 2), ("torso", 3, 1)])
def test_it_says_what_torch_says(network, beating, features, frame_step, layers, pooling, head):
    architecture = Architecture(
        features, hidden=24, layers=layers, dropout=0.5, frame_step=frame_step, pooling=pooling, head=head
    )
    model = network(architecture)
    windows = beating(6, 1)
    expected = window_log_odds(model, windows).numpy()
    assert expected.std() > 1e-3
    np.testing.assert_allclose(taught(model).log_odds(windows), expected, rtol=1e-4, atol=1e-5)


def test_it_says_what_torch_says_at_the_size_of_a_profile(beating):
    torch.manual_seed(0)  # weights as torch begins with: of a large network drawn wildly, rounding decides
    model = WindowLSTM(Architecture(), 12).eval()
    windows = beating(3, 1)
    np.testing.assert_allclose(taught(model).log_odds(windows), window_log_odds(model, windows).numpy(), atol=1e-5)


def test_a_score_is_the_softmax_share_of_the_person(network, beating):
    model = network()
    windows = beating(5, 1)
    with torch.inference_mode():
        expected = torch.softmax(model(torch.from_numpy(FEATURES["torso"](windows))), dim=1)[:, 0].numpy()
    np.testing.assert_allclose(taught(model).probabilities(windows), expected, atol=1e-6)
    assert expected.std() > 0


def test_logits_beyond_what_a_probability_can_hold_give_finite_odds(network, beating):
    weights = weights_of(network())
    weights["classifier.bias"] = np.array([-1e4, 3e4, 0.0, 1.0], np.float32)
    found = TaughtNetwork(TINY, weights)
    assert np.isfinite(found.log_odds(beating(2, 1))).all()
    np.testing.assert_array_equal(found.probabilities(beating(2, 1)), 0)


@pytest.mark.parametrize("head", ["binary", "cohort"])
def test_scores_do_not_depend_on_the_batch(network, beating, head):
    found = taught(network(Architecture(hidden=8, layers=1, dropout=0.0, head=head)))
    windows = beating(300, 1)
    together = found.probabilities(windows)
    assert together.shape == (300,)
    for i in (0, 127, 128, 299):
        np.testing.assert_allclose(found.probabilities(windows[i : i + 1]), together[i : i + 1], atol=1e-6)


def test_no_window_has_no_score(network):
    scores = taught(network()).probabilities(NOTHING)
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def test_a_window_in_which_nothing_is_seen_has_a_finite_score(network):
    assert np.isfinite(taught(network()).probabilities(np.full((1, 150, 12, 2), np.nan, np.float32))).all()


def test_what_is_done_to_the_arrays_afterwards_changes_nothing(network, beating):
    weights = weights_of(network())
    found = TaughtNetwork(TINY, weights)
    before = found.probabilities(beating(2, 1))
    for value in weights.values():
        value[:] = 0
    np.testing.assert_array_equal(found.probabilities(beating(2, 1)), before)
    np.testing.assert_array_equal(TaughtNetwork(TINY, found.weights).probabilities(beating(2, 1)), before)


def test_torch_is_not_loaded():
    code = "import sys, poseauth.scoring, person_profiles.verification; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def without(name):
    return lambda weights: {other: value for other, value in weights.items() if other != name}


def with_value(name, value):
    return lambda weights: {**weights, name: value}


def with_nan(weights):
    weights["lstm.weight_hh_l0"][3, 2] = np.nan
    return weights


def with_infinity(weights):
    weights["feature_scale"][0] = np.inf
    return weights


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(without("classifier.bias"), "hold no classifier", id="no classifier"),
        pytest.param(without("lstm.bias_ih_l0"), "do not fit the network.*lstm.bias_ih_l0", id="a layer missing"),
        pytest.param(without("feature_mean"), "do not fit the network.*feature_mean", id="the scaler missing"),
        pytest.param(with_value("extra", np.zeros(1, np.float32)), "do not fit.*extra", id="one too many"),
        pytest.param(
            with_value("classifier.weight", np.zeros((4, 9), np.float32)), "do not fit.*classifier.weight", id="a shape"
        ),
        pytest.param(with_nan, "lstm.weight_hh_l0 is not finite", id="NaN"),
        pytest.param(with_infinity, "feature_scale is not finite", id="infinity"),
        pytest.param(
            with_value("lstm.weight_hh_l0", np.zeros((8, 32), np.float32)),
            r"do not fit.*lstm.weight_hh_l0 is \(8, 32\), not \(32, 8\)",
            id="turned",
        ),
        pytest.param(
            lambda weights: {
                **weights,
                "classifier.bias": np.zeros(0, np.float32),
                "classifier.weight": np.zeros((0, 8), np.float32),
            },
            "classifier",
            id="no class at all",
        ),
        pytest.param(
            with_value("classifier.bias", np.float32(1.0)),
            "classifier",
            id="a single number",
        ),
    ],
)
def test_weights_of_another_network_are_refused(network, change, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        TaughtNetwork(TINY, change(weights_of(network())))


def test_weights_of_another_size_are_refused(network):
    with pytest.raises(ValueError, match="do not fit the network"):
        TaughtNetwork(Architecture(hidden=16, layers=1), weights_of(network()))
