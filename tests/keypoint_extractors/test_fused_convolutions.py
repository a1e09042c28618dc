"""The activation inside the convolution: the same answers, whatever the network."""

from __future__ import annotations

import copy
import os

import pytest

from keypoint_extractors.fused_convolutions import KEPT_PRIMITIVES, fuse_activations
from keypoint_extractors.quiet_ultralytics import import_ultralytics


@pytest.fixture(scope="module", params=["yolov8n-pose", "yolo11n-pose", "yolo26n-pose"])
def network(request):
    """With weights by chance, ready to run."""
    import torch

    torch.manual_seed(5)
    model = import_ultralytics("nn.tasks").PoseModel(f"{request.param}.yaml", nc=1, verbose=False)
    with torch.inference_mode():
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0  # normalised by the very first pictures, the signal does not fade on its way
        model.train()(torch.rand(2, 3, 96, 128))
    return model.float().fuse(verbose=False).eval()


def features(model, pictures):
    """What goes into the head, which the choice of people does not reorder."""
    import torch

    seen = []
    hook = model.model[-1].register_forward_pre_hook(lambda _, inputs: seen.extend(inputs[0]))
    with torch.inference_mode():
        model(pictures)
    hook.remove()
    return seen


@pytest.mark.parametrize("n_pictures", [1, 3])
def test_answers_stay_the_same_beyond_rounding(network, n_pictures):
    import torch

    pictures = torch.rand(n_pictures, 96, 160, 3).permute(0, 3, 1, 2)
    expected = features(network, pictures)
    fused = fuse_activations(copy.deepcopy(network))
    assert sum(isinstance(layer, torch.nn.SiLU) for layer in fused.modules()) < sum(
        isinstance(layer, torch.nn.SiLU) for layer in network.modules()
    )
    for one, other in zip(features(fused, pictures), expected, strict=True):
        assert float(other.std()) > 1e-2
        assert float((one - other).abs().max()) < 1e-3 * float(other.std())


def test_without_onednn_the_network_stays_as_it_is(network, monkeypatch):
    import torch

    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    fused = fuse_activations(copy.deepcopy(network))
    assert [type(layer) for layer in fused.modules()] == [type(layer) for layer in network.modules()]


@pytest.mark.parametrize("own", [None, "64"], ids=["not set", "set by the user"])
def test_convolutions_of_many_sizes_are_kept_ready_unless_the_user_said_how_many(network, monkeypatch, own):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", own or "")
    if own is None:
        monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    fuse_activations(copy.deepcopy(network))
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == (own or KEPT_PRIMITIVES)
