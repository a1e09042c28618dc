"""A network's convolutions done by oneDNN: the same answers, whatever the network."""

from __future__ import annotations

import copy
import os

import pytest

from keypoint_extractors.fused_convolutions import KEPT_PRIMITIVES, fuse_convolutions
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


@pytest.fixture(scope="module")
def ends(network):
    """The names of the head's last convolutions: what they give, the choice of people does not reorder."""
    import torch

    plain = [name for name, layer in network.model[-1].named_modules() if type(layer) is torch.nn.Conv2d]
    # An activation comes after one that is called conv; the one that weighs bins of a distance is no end.
    return [name for name in plain if name.rpartition(".")[2] != "conv"]


def answers(model, names, pictures):
    """What these layers of the head give, in the order in which they are asked."""
    import torch

    seen = []
    head = model.model[-1]
    hooks = [
        head.get_submodule(name).register_forward_hook(lambda _, __, given, name=name: seen.append((name, given)))
        for name in names
    ]
    with torch.inference_mode():
        model(pictures)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("n_pictures", [1, 3])
def test_answers_stay_the_same_beyond_rounding(network, ends, n_pictures):
    import torch

    pictures = torch.rand(n_pictures, 96, 160, 3).permute(0, 3, 1, 2)
    expected = answers(network, ends, pictures)
    fused = fuse_convolutions(copy.deepcopy(network))
    found = answers(fused, ends, pictures)
    assert len(expected) >= 9  # boxes, classes and keypoints at three scales
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        assert float((one - other).abs().max()) < 1e-3 * max(float(other.std()), 1e-2)


def test_onednn_does_every_convolution_and_no_half_is_copied(network):
    import torch

    fused = fuse_convolutions(copy.deepcopy(network))
    named = dict(fused.named_modules())
    plain = [name for name, layer in named.items() if type(layer) is torch.nn.Conv2d]
    assert plain
    assert all(type(named[name.rpartition(".")[0]]).__name__ == "_Convolution" for name in plain)
    blocks = import_ultralytics("nn.modules.block")
    kinds = [type(layer) for layer in network.model if isinstance(layer, blocks.C2f)]
    assert len(kinds) == 8
    assert sum(isinstance(layer, torch.nn.SiLU) for layer in fused.modules()) == 0
    assert [layer.f for layer in fused.model] == [layer.f for layer in network.model]
    assert not any(isinstance(layer, blocks.C2f) for layer in fused.model)


def test_without_onednn_the_network_stays_as_it_is(network, monkeypatch):
    import torch

    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    fused = fuse_convolutions(copy.deepcopy(network))
    assert [type(layer) for layer in fused.modules()] == [type(layer) for layer in network.modules()]


@pytest.mark.parametrize("own", [None, "64"], ids=["not set", "set by the user"])
def test_convolutions_of_many_sizes_are_kept_ready_unless_the_user_said_how_many(network, monkeypatch, own):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", own or "")
    if own is None:
        monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    fuse_convolutions(copy.deepcopy(network))
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == (own or KEPT_PRIMITIVES)
