"""Networks over faces: their sizes against the sources', what is frozen, and what decides a clip's logit."""

from __future__ import annotations

import functools
import sys
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from torch import nn

from poseauth.errors import StudyExtraError, WeightsNotFoundError
from poseauth.study.backbones import TIMM_NAMES, layers_in_order
from poseauth.study.building import build_network, count_parameters
from poseauth.study.face_networks import FaceClassifier
from poseauth.study.preset_files import load_presets, read_built_in
from poseauth.study.presets import FaceNetwork, Head

PRESETS = {**load_presets(), **read_built_in("ann_comparison2020_grid")}
MILLION = 1e6


@functools.cache
def whole(name):
    """A preset's network at its full size, its weights only imagined and none of it frozen."""
    preset = PRESETS[name]
    with torch.device("meta"):
        return build_network(replace(preset, model=replace(preset.model, frozen_share=0.0)))


def n_statistics(network):
    """Running means and variances: Keras counts them among the parameters, torch does not."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    return sum(2 * layer.num_features for layer in norms)


def some_crops(network, n_clips=3, n_frames=None, seed=0):
    shape = (n_clips, n_frames or network.n_frames, 3, network.size_px, network.size_px)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def small(backbone="custom", **options):
    filters = (4, 6) if backbone == "custom" else ()
    return FaceNetwork(backbone, **{"filters": filters, "narrow": True, "size_px": 64, "n_frames": 3, **options})


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        # Singh et al. 2020: 7.3, 4.8, 22.0, 22.9 M, which an LSTM of 128 meets in all four.
        ("singh2020-efficientnet-b1", 7.3),
        ("singh2020-efficientnet-b0", 4.8),
        ("singh2020-xception", 22.0),
        ("singh2020-inception-v3", 22.9),
        # Comparison study: 51.7 M for 128 x 3, which is met by 224 px, three poolings and a dense layer of 512.
        ("ann2020-cnn-128x3", 51.7),
        # 23.9 M: Inception-v3 and a dense layer of 1024.
        ("ann2020-inception-top50", 23.9),
    ],
)
def test_a_network_has_the_size_that_its_source_states(name, millions):
    network = whole(name)
    assert (count_parameters(network).n_all + n_statistics(network)) / MILLION == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("ann2020-mlp-128x3", 10.5),  # 40 frames of 2048 features in one row
        ("ann2020-gru-128x1", 0.97),  # stated as 0.9
        # Stated as 3.1 for "LSTM 128 x 2". With the dense layer of 1024 that the essay describes 128 x 2 has 1.4, and
        # 256 x 2 has 3.15: the row was most likely that of 256, a width that appears in its results only.
        ("ann2020-lstm-128x2", 1.38),
        ("grid-lstm-256x2", 3.15),
    ],
)
def test_a_head_over_frozen_features_has_the_size_that_its_source_states(name, millions):
    assert PRESETS[name].model.frozen_share == 1.0
    assert count_parameters(whole(name).head).n_all / MILLION == pytest.approx(millions, abs=0.03)


def test_mesonet_has_the_published_parameters():
    # 27 977 is what the authors' own code comes to, in Keras, whose running statistics are not trainable.
    assert count_parameters(whole("hada2022-mesonet")).n_trainable == 27_977


@pytest.mark.parametrize(
    ("name", "n_features"),
    [
        ("hada2022-resnet50-lstm", 2048),
        ("yadav2023-resnext50", 2048),
        ("yasrab2021-vgg16-lstm", 4096),
        ("singh2020-efficientnet-b1", 1280),
    ],
)
def test_a_backbone_gives_the_features_of_its_source(name, n_features):
    assert whole(name).head.recurrent.recurrent.input_size == n_features


def test_the_custom_cnns_have_the_layers_that_their_names_tell():
    for name, preset in read_built_in("ann_comparison2020_grid").items():
        if preset.model.backbone == "custom":
            convolutions = [layer for layer in whole(name).backbone.modules() if isinstance(layer, nn.Conv2d)]
            told = name.removeprefix("grid-cnn-")
            width, times, n_layers = told.partition("x")
            widths = [int(width)] * int(n_layers) if times else [int(part) for part in told.split("-")]
            assert [layer.out_channels for layer in convolutions] == widths


@pytest.mark.parametrize("backbone", [*TIMM_NAMES, "mesonet4", "custom"])
def test_a_narrow_backbone_gives_features_and_learns(backbone):
    network = small(backbone, size_px=75 if backbone == "inception_v3" else 64)
    model = FaceClassifier(network)
    logits = model(some_crops(network, 2, 2), torch.tensor([2, 1]))
    logits.sum().backward()
    assert logits.shape == (2,)
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize("backbone", ["resnet50", "densenet121"])
def test_a_narrow_backbone_is_of_the_whole_ones_kind(backbone):
    with torch.device("meta"):
        broad = FaceClassifier(FaceNetwork(backbone, size_px=64))
        narrow = FaceClassifier(FaceNetwork(backbone, narrow=True, size_px=64))
    assert {type(layer) for layer in narrow.backbone.modules()} == {type(layer) for layer in broad.backbone.modules()}
    assert count_parameters(narrow).n_all < count_parameters(broad).n_all / 30


@pytest.mark.parametrize("backbone", ["resnet50", "xception", "mesonet4"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.75, 1.0])
def test_what_is_frozen_does_not_change_in_a_step_and_the_rest_does(backbone, share):
    network = small(backbone, frozen_share=share)
    model = FaceClassifier(network).train()
    order = layers_in_order(model.backbone, network.size_px)
    n_frozen = round(share * len(order))
    before = [{name: value.clone() for name, value in layer.state_dict().items()} for layer in order]
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    for _ in range(2):
        # Two steps: the last batch norm of a residual block begins at zero and hides what lies before it.
        loss = nn.functional.softplus(model(some_crops(network), torch.tensor([3, 3, 2]))).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    changed = [
        any(not torch.equal(was[name], now) for name, now in layer.state_dict().items())
        for was, layer in zip(before, order, strict=True)
    ]
    assert changed == [False] * n_frozen + [True] * (len(order) - n_frozen)
    counted = count_parameters(model)
    in_order = sum(weight.numel() for layer in order[:n_frozen] for weight in layer.parameters(recurse=False))
    assert counted.n_all - counted.n_trainable == in_order
    assert model.all_frozen == (share == 1.0)


def test_layers_are_counted_in_the_order_of_the_forward_pass():
    """Not in that of their definition: Inception's branches and shortcuts are defined elsewhere than they are met."""

    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.second = nn.Conv2d(4, 4, 1)
            self.first = nn.Conv2d(3, 4, 1)

        def forward(self, pictures):
            return self.second(self.first(pictures)).mean(dim=(2, 3))

    module = Backwards()
    assert layers_in_order(module, 8) == (module.first, module.second)


def test_frozen_random_layers_have_statistics_that_keep_values_in_bounds():
    grey = torch.arange(0, 250, 50, dtype=torch.uint8).reshape(5, 1, 1, 1).expand(5, 3, 75, 75)
    spread = [
        float(
            FaceClassifier(FaceNetwork("inception_v3", size_px=75, frozen_share=share))
            .eval()
            .features(grey)
            .detach()
            .std()
        )
        for share in (1.0, 0.0)
    ]
    assert 1e-2 < spread[0] < 10
    assert spread[1] < 1e-2 or spread[1] > 10  # as they begin


@pytest.mark.parametrize("kind", ["mean", "lstm", "gru", "mlp"])
def test_a_clip_has_the_logit_that_it_has_alone_whatever_fills_the_batch(kind):
    network = small(head=Head(kind, width=5, dense=(7,), leaky=True, n_layers=2, dropout=0.5), n_frames=4)
    model = FaceClassifier(network).eval()
    crops, n_valid = some_crops(network), torch.tensor([4, 1, 2])
    alone = torch.cat([model(crops[i : i + 1, :n], torch.tensor([n])) for i, n in enumerate(n_valid.tolist())])
    for rubbish in (0, 255):
        filled = crops.clone()
        for i, n in enumerate(n_valid.tolist()):
            filled[i, n:] = rubbish
        torch.testing.assert_close(model(filled, n_valid), alone, rtol=1e-4, atol=1e-5)


def test_what_fills_a_batch_does_not_reach_the_statistics_of_batch_norms():
    network = small("mesonet4")
    crops, n_valid = some_crops(network), torch.tensor([3, 1, 2])
    filled = crops.clone()
    filled[1, 1:] = 255
    filled[2, 2:] = 0
    states = []
    for shown in (crops, filled):
        model = FaceClassifier(network).train()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model(shown, n_valid)
        states.append(model.arrays)
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(("kind", "orderless"), [("mean", True), ("lstm", False), ("gru", False), ("mlp", False)])
def test_the_order_of_frames_counts_for_all_heads_but_the_mean(kind, orderless):
    network = small(head=Head(kind, width=5))
    model = FaceClassifier(network).eval()
    crops, n_valid = some_crops(network), torch.full((3,), 3)
    difference = float((model(crops, n_valid) - model(crops.flip(1), n_valid)).abs().max().detach())
    assert (difference < 1e-5) == orderless


def test_the_mean_head_gives_the_mean_of_the_frames_logits():
    network = small(head=Head(dense=(5,)))
    model = FaceClassifier(network).eval()
    crops = some_crops(network, 1)
    single = model(crops[0][:, None], torch.ones(3, dtype=torch.int64))
    torch.testing.assert_close(model(crops, torch.tensor([3])), single.mean()[None], rtol=1e-4, atol=1e-6)
    assert network.by_frame
    assert not small(head=Head("lstm")).by_frame


@pytest.mark.parametrize("flips", [False, True])
def test_with_test_flip_a_mirrored_clip_is_judged_as_the_clip_is(flips):
    network = small(test_flip=flips)
    model, crops = FaceClassifier(network).eval(), some_crops(network)
    n_valid = torch.full((3,), 3)
    assert torch.allclose(model(crops, n_valid), model(crops.flip(-1), n_valid), atol=1e-6) == flips
    model.train()
    assert not torch.allclose(model(crops, n_valid), model(crops.flip(-1), n_valid), atol=1e-6)


def test_pictures_are_normalised_as_the_backbone_was_taught():
    network = small("resnet50")
    model = FaceClassifier(network).eval()
    shown = {}
    model.backbone.register_forward_pre_hook(lambda _, given: shown.update(pictures=given[0]))
    model.features(torch.full((2, 3, 64, 64), 255, dtype=torch.uint8))
    told = timm.get_pretrained_cfg(TIMM_NAMES["resnet50"])
    expected = (1 - np.array(told.mean)) / np.array(told.std)
    np.testing.assert_allclose(shown["pictures"][0, :, 0, 0].numpy(), expected, rtol=1e-5)


def test_a_single_crop_can_be_learnt_from():
    network = small("inception_v3", size_px=75)  # at 75 px its last maps are of one pixel: no spread for a batch norm
    model = FaceClassifier(network).train()
    model(some_crops(network, 1, 1), torch.tensor([1])).sum().backward()
    assert all(layer.training for layer in model.modules())


def test_crops_and_counts_that_cannot_be_are_refused():
    network = small(head=Head("mlp"))
    model, crops = FaceClassifier(network), some_crops(network)
    with pytest.raises(ValueError, match=r"uint8 .B, n, 3, 64, 64. are needed"):
        model(crops.float(), torch.full((3,), 3))
    with pytest.raises(ValueError, match=r"uint8 .B, n, 3, 64, 64. are needed"):
        model(crops[..., :32], torch.full((3,), 3))
    for n_valid in ([3, 3, 0], [3, 3, 4], [3, 3]):
        with pytest.raises(ValueError, match="n_valid is"):
            model(crops, torch.tensor(n_valid))
    with pytest.raises(ValueError, match="an mlp over 3 frames is given 5"):
        model(some_crops(network, 1, 5), torch.tensor([5]))


@pytest.mark.parametrize("backbone", ["resnet50", "custom"])
def test_a_seed_gives_the_first_weights_and_leaves_torchs_own_alone(backbone):
    before = torch.random.get_rng_state()
    one, same, other = (FaceClassifier(small(backbone), seed=seed).arrays for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not all(np.array_equal(one[name], other[name]) for name in one)


def test_weights_are_downloaded_only_where_asked_for(monkeypatch):
    asked = []

    def create(name, pretrained=False, **options):
        asked.append(pretrained)
        if pretrained:
            raise OSError("no route to host")
        return create_model(name, **options)

    create_model = timm.create_model
    monkeypatch.setattr(timm, "create_model", create)
    with torch.device("meta"):
        FaceClassifier(FaceNetwork("resnet50", size_px=64))
        with pytest.raises(WeightsNotFoundError, match=r"resnet50.*no route to host.*--no-pretrained"):
            FaceClassifier(FaceNetwork("resnet50", size_px=64), pretrained=True)
        FaceClassifier(FaceNetwork("resnet50", narrow=True, size_px=64), pretrained=True)
        FaceClassifier(FaceNetwork("mesonet4", size_px=64), pretrained=True)
    assert asked == [False, True, False]


@pytest.mark.parametrize("backbone", ["xception", "resnet50"])
def test_offline_nothing_is_fetched_from_anywhere(monkeypatch, tmp_path, backbone):
    asked = []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read when that package is imported
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("socket.getaddrinfo", lambda *name, **_: asked.append(name))
    with torch.device("meta"), pytest.raises(WeightsNotFoundError, match=rf"{backbone}.*--allow-download"):
        FaceClassifier(FaceNetwork(backbone, size_px=64), pretrained=True)
    assert not asked


def test_without_timm_the_extra_is_named_and_the_small_networks_still_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(StudyExtraError, match=r"vgg16 comes with timm.*poseauth\[study\]"):
        FaceClassifier(FaceNetwork("vgg16"))
    FaceClassifier(small("mesonet4"))


def test_every_backbone_of_timm_has_imagenet_weights_there():
    for name in TIMM_NAMES.values():
        assert timm.is_model_pretrained(name), name
        assert timm.get_pretrained_cfg(name).num_classes in (1000, 1001)
