"""The network's scores: what they mean, and that they depend on nothing but the window and the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseauth.errors import DeviceError
from poseauth.models import (
    WindowLSTM,
    choose_device,
    log_odds,
    model_from_weights,
    score_windows,
    weights_of,
)
from poseauth.recipes import Architecture

TINY = Architecture(hidden=8, layers=1, dropout=0.0)


@pytest.fixture
def network():
    """A tiny network whose weights differ from zero everywhere, the scaler's too."""

    def make(architecture=TINY, n_classes=4, *, seed=0):
        generator = torch.Generator().manual_seed(seed)
        model = WindowLSTM(architecture, n_classes)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
            model.feature_mean.copy_(torch.randn(model.feature_mean.shape, generator=generator))
            model.feature_scale.copy_(torch.rand(model.feature_scale.shape, generator=generator) + 0.5)
        return model.eval()

    return make


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_odds_of_a_cohort_are_those_of_its_softmax(n_classes):
    logits = torch.randn(50, n_classes, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4
    p = torch.softmax(logits, dim=1)[:, 0]
    torch.testing.assert_close(log_odds(logits), torch.log(p / (1 - p)))


def test_the_odds_of_a_binary_head_are_its_logit():
    assert log_odds(torch.tensor([[-2.0], [3.0]])).tolist() == [-2.0, 3.0]


def test_odds_beyond_what_a_probability_can_hold_stay_finite():
    assert torch.isfinite(log_odds(torch.tensor([[1e4, 0.0, -1e4], [-1e4, 0.0, 1e4]]))).all()


def test_a_score_is_the_softmax_share_of_the_person(network, beating):
    model = network()
    windows = beating(5, 1)
    from poseauth.features import torso_relative

    with torch.inference_mode():
        expected = torch.softmax(model(torch.from_numpy(torso_relative(windows))), dim=1)[:, 0].numpy()
    np.testing.assert_allclose(score_windows(model, windows), expected, atol=1e-6)
    assert expected.std() > 0


@pytest.mark.parametrize("head", ["binary", "cohort"])
def test_scores_do_not_depend_on_the_batch(network, beating, head):
    model = network(Architecture(hidden=8, layers=1, dropout=0.0, head=head))
    windows = beating(300, 1)
    together = score_windows(model, windows)
    assert together.shape == (300,)
    for i in (0, 255, 256, 299):
        np.testing.assert_allclose(score_windows(model, windows[i : i + 1]), together[i : i + 1], atol=1e-6)


def test_no_window_has_no_score(network):
    scores = score_windows(network(), np.zeros((0, 150, 12, 2), np.float32))
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def test_a_window_in_which_nothing_is_seen_has_a_finite_score(network):
    assert np.isfinite(score_windows(network(), np.full((1, 150, 12, 2), np.nan, np.float32))).all()


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_pooling_takes_the_last_output_or_the_mean_of_all(network, pooling):
    model = network(Architecture(hidden=8, layers=1, dropout=0.0, frame_step=1, pooling=pooling))
    features = torch.randn(3, 150, 48, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        outputs, (last, _) = model.lstm((features - model.feature_mean) / model.feature_scale)
        summary = last[0] if pooling == "last" else outputs.sum(dim=1) / 150
        torch.testing.assert_close(model(features), model.classifier(summary))


def test_a_step_of_the_network_is_the_mean_of_consecutive_frames(network):
    features = torch.randn(2, 150, 48, generator=torch.Generator().manual_seed(1))
    means = (features[:, 0::3] + features[:, 1::3] + features[:, 2::3]) / 3
    with torch.inference_mode():
        stepped = network(Architecture(hidden=8, layers=1, dropout=0.0, frame_step=3))(features)
        torch.testing.assert_close(stepped, network(Architecture(hidden=8, layers=1, dropout=0.0, frame_step=1))(means))


def test_dropout_stands_between_layers_only():
    assert WindowLSTM(Architecture(hidden=8, layers=2, dropout=0.5), 2).lstm.dropout == 0.5
    assert WindowLSTM(Architecture(hidden=8, layers=1, dropout=0.5), 2).lstm.dropout == 0.0


@pytest.mark.parametrize(("head", "n_outputs"), [("binary", 1), ("cohort", 4)])
def test_a_binary_head_has_one_unit_and_a_cohort_head_one_a_person(head, n_outputs):
    model = WindowLSTM(Architecture(hidden=8, layers=1, head=head), 4)
    assert model(torch.zeros(2, 150, 48)).shape == (2, n_outputs)


@pytest.mark.parametrize("head", ["binary", "cohort"])
@pytest.mark.parametrize("features", ["torso", "zscore"])
def test_a_network_from_its_weights_gives_the_same_scores(network, beating, head, features):
    architecture = Architecture(features, hidden=8, layers=2, dropout=0.5, head=head)
    model = network(architecture)
    windows = beating(6, 1)
    again = model_from_weights(architecture, weights_of(model))
    np.testing.assert_array_equal(score_windows(again, windows), score_windows(model, windows))


def test_weights_are_a_copy(network, beating):
    model = network()
    before = score_windows(model, beating(2, 1))
    for value in weights_of(model).values():
        value[:] = 0
    np.testing.assert_array_equal(score_windows(model, beating(2, 1)), before)


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
        model_from_weights(TINY, change(weights_of(network())))


def test_weights_of_another_size_are_refused(network):
    with pytest.raises(ValueError, match="do not fit the network"):
        model_from_weights(Architecture(hidden=16, layers=1), weights_of(network()))


def test_auto_takes_cuda_only_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device().type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device().type == "cuda"


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_that_is_not_there_is_refused_and_not_replaced(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f"device {name} is asked for, and torch .* sees no CUDA device"):
        choose_device(name)


def test_a_gpu_past_the_last_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert str(choose_device("auto")) == "cuda"
    assert str(choose_device("cuda:1")) == "cuda:1"
    with pytest.raises(DeviceError, match=r"sees 2 CUDA GPUs here\. Use --device cpu"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:", "cuda:\uff11", "cpu:1", "mps", ""])
def test_a_device_that_nobody_knows_is_refused(name):
    with pytest.raises(DeviceError, match=f"{name!r} is not known"):
        choose_device(name)
