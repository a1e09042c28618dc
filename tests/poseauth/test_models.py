"""The network as torch teaches it: what its logits mean, and where it runs."""

from __future__ import annotations

import pytest
import torch

from poseauth.errors import DeviceError
from poseauth.models import WindowLSTM, choose_device, log_odds
from poseauth.recipes import Architecture


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_odds_of_a_cohort_are_those_of_its_softmax(n_classes):
    logits = torch.randn(50, n_classes, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4
    p = torch.softmax(logits, dim=1)[:, 0]
    torch.testing.assert_close(log_odds(logits), torch.log(p / (1 - p)))


def test_the_odds_of_a_binary_head_are_its_logit():
    assert log_odds(torch.tensor([[-2.0], [3.0]])).tolist() == [-2.0, 3.0]


def test_odds_beyond_what_a_probability_can_hold_stay_finite():
    assert torch.isfinite(log_odds(torch.tensor([[1e4, 0.0, -1e4], [-1e4, 0.0, 1e4]]))).all()


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
