"""From a crop of the face to its features: timm's networks, MesoNet-4, and CNNs by configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from poseauth.errors import StudyExtraError, WeightsNotFoundError
from poseauth.study.presets import FaceNetwork

TIMM_NAMES: Mapping[str, str] = {
    "vgg16": "vgg16.tv_in1k",
    "resnet50": "resnet50.tv_in1k",
    "resnet101": "resnet101.tv_in1k",
    "resnet152": "resnet152.tv_in1k",
    "resnext50_32x4d": "resnext50_32x4d.tv_in1k",
    "inception_v3": "inception_v3.tf_in1k",
    "xception": "legacy_xception.tf_in1k",
    "efficientnet_b0": "efficientnet_b0.ra_in1k",
    "efficientnet_b1": "efficientnet_b1.ft_in1k",
    "densenet121": "densenet121.tv_in1k",
}
"""Architecture and ImageNet weights in timm, by the study's name."""
_NARROWER = 8
"""A narrow backbone has an eighth of the channels of each layer."""
_FEW_BLOCKS: Mapping[str, Mapping[str, Any]] = {
    "resnet50": {"layers": (1, 1, 1, 1)},
    "resnet101": {"layers": (1, 1, 2, 1)},
    "resnet152": {"layers": (1, 1, 3, 1)},
    "resnext50_32x4d": {"layers": (1, 1, 1, 1)},
    "densenet121": {"block_config": (2, 2, 2, 2)},
}
"""Blocks of a narrow backbone where the whole one has so many that they take long at any width."""
_NARROW_MOMENTUM = 0.5
"""Of running statistics that a few dozen updates have to bring home; timm has 0.1."""
_SETTLING_CROPS = 16
_BLOTS = (1, 4, 16)
"""Blots across a picture, coarse to fine, as pictures have them."""
_MESO_KERNELS = ((3, 8, 2), (5, 8, 2), (5, 16, 2), (5, 16, 4))
"""Kernel, filters and pooling of each convolution of MesoNet-4 (Afchar et al. 2018, figure 3)."""
_MESO_WIDTH = 16


@dataclass(frozen=True, eq=False)
class BuiltBackbone:
    """A backbone and what goes in and comes out.

    Attributes
    ----------
    module : nn.Module
        From crops [shape=(M, 3, H, W)] to features [shape=(M, D)].
    n_features : int
        D.
    mean, std : tuple of float
        Of each colour of a picture in 0 to 1, to be taken off and divided by.
    """

    module: nn.Module
    n_features: int
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)


def build_backbone(network: FaceNetwork, *, pretrained: bool) -> BuiltBackbone:
    """The backbone of a network, on the CPU.

    Parameters
    ----------
    network : FaceNetwork
        Which one; a custom one depends on `size_px` too.
    pretrained : bool
        ImageNet weights, downloaded by timm unless they are in its cache or HF_HUB_OFFLINE is set. MesoNet-4, the
        custom CNNs and whatever is `narrow` have none and begin at random.

    Raises
    ------
    StudyExtraError
        If timm is needed and not installed.
    WeightsNotFoundError
        If the ImageNet weights cannot be had.
    """
    if network.backbone in ("mesonet4", "custom"):
        own = _mesonet4 if network.backbone == "mesonet4" else _custom
        module = own(network)
        return BuiltBackbone(module, n_features_of(module, network.size_px))
    pretrained = pretrained and not network.narrow
    module, told = _from_timm(network, pretrained=pretrained)
    if network.frozen_share and not pretrained:
        _settle(module, network.size_px)
    return BuiltBackbone(module, n_features_of(module, network.size_px), tuple(told["mean"]), tuple(told["std"]))


def n_features_of(module: nn.Module, size_px: int) -> int:
    """Features that a backbone makes of a crop, found by showing it one."""
    return int(_watched(module, size_px).shape[1])


def layers_in_order(module: nn.Module, size_px: int) -> tuple[nn.Module, ...]:
    """Layers with parameters of their own, each once, in the order in which a forward pass comes to them."""
    met: dict[nn.Module, None] = {}
    hooks = [
        layer.register_forward_pre_hook(_noting(met, layer))
        for layer in module.modules()
        if any(True for _ in layer.parameters(recurse=False))
    ]
    try:
        _watched(module, size_px)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(met)


def _noting(met: dict[nn.Module, None], layer: nn.Module) -> Callable[[nn.Module, Any], None]:
    return lambda *_: met.setdefault(layer)


def _watched(module: nn.Module, size_px: int) -> torch.Tensor:
    was_training = {part: part.training for part in module.modules()}
    module.eval()
    with torch.no_grad():
        features: torch.Tensor = module(torch.zeros(1, 3, size_px, size_px))
    for part, training in was_training.items():  # one by one: what is frozen is in evaluation for good
        part.training = training
    return features


def _from_timm(network: FaceNetwork, *, pretrained: bool) -> tuple[nn.Module, Mapping[str, Any]]:
    try:
        import timm
    except ImportError as error:
        raise StudyExtraError(
            f'{network.backbone} comes with timm, which is not installed; pip install "poseauth[study]"'
        ) from error
    name = TIMM_NAMES[network.backbone]
    if network.narrow:
        # Weights of the whole are never made: `_make_narrow` makes those that are needed.
        with torch.device("meta"):
            module = timm.create_model(name, num_classes=0, **_FEW_BLOCKS.get(network.backbone, {}))
        _make_narrow(module)
        return module, module.pretrained_cfg
    if pretrained and _is_offline() and not _could_be_in_the_cache(timm.get_pretrained_cfg(name)):
        raise _weights_not_found(network, name, "nothing is fetched unasked")
    try:
        module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # each host, and each version of the hub's package, has errors of its own
        if not pretrained:
            raise
        raise _weights_not_found(network, name, f"{type(error).__name__}: {str(error)[:200]}") from error
    return module, module.pretrained_cfg


def _is_offline() -> bool:
    """Whether the hub's package, which fetches most weights, is told to fetch nothing."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def _could_be_in_the_cache(told: Any) -> bool:
    """False for weights that timm would fetch from a plain address: torch, which does that, knows no being offline."""
    if told.hf_hub_id or not told.url:
        return True
    return (Path(torch.hub.get_dir()) / "checkpoints" / Path(told.url).name).is_file()


def _weights_not_found(network: FaceNetwork, name: str, why: str) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        f"the ImageNet weights of {network.backbone} ({name}) are not in the cache and could not be downloaded "
        f"({why}). --allow-download fetches them once where there is a network; --no-pretrained begins at random"
    )


def _make_narrow(module: nn.Module) -> None:
    """Fewer channels in every convolution and batch norm, so that additions and concatenations still fit."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            depthwise = layer.groups == layer.in_channels
            layer.in_channels, layer.out_channels = _fewer(layer.in_channels), _fewer(layer.out_channels)
            layer.groups = layer.in_channels if depthwise else _fewer(layer.groups)
            shape = (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
            layer.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty(shape), nonlinearity="relu"))
            if layer.bias is not None:
                layer.bias = nn.Parameter(torch.zeros(layer.out_channels))
        elif isinstance(layer, nn.BatchNorm2d):
            layer.num_features = _fewer(layer.num_features)
            layer.weight = nn.Parameter(torch.ones(layer.num_features))
            layer.bias = nn.Parameter(torch.zeros(layer.num_features))
            layer.running_mean = torch.zeros(layer.num_features)
            layer.running_var = torch.ones(layer.num_features)
            layer.num_batches_tracked = torch.tensor(0)
            layer.momentum = _NARROW_MOMENTUM


def _fewer(n_channels: int) -> int:
    """Colours stay three."""
    return n_channels if n_channels <= 3 else max(n_channels // _NARROWER, 1)


def _settle(module: nn.Module, size_px: int) -> None:
    """Give batch norms that will never learn the statistics of what random weights make of coloured blots.

    As they begin, a mean of 0 and a variance of 1, values would grow from layer to layer beyond all measure.
    """
    blots = sum(
        nn.functional.interpolate(torch.randn(_SETTLING_CROPS, 3, n, n), size=(size_px, size_px), mode="bilinear")
        for n in _BLOTS
    )
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 1.0
    module.train()
    with torch.no_grad():
        module(blots)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def _mesonet4(network: FaceNetwork) -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for kernel, filters, pool in _MESO_KERNELS:
        layers += [
            nn.Conv2d(channels, filters, kernel, padding="same"),
            nn.ReLU(),
            nn.BatchNorm2d(filters, momentum=_NARROW_MOMENTUM if network.narrow else 0.1),
            nn.MaxPool2d(pool, ceil_mode=True),
        ]
        channels = filters
    convolutions = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(
        convolutions,
        nn.Dropout(0.5),
        nn.Linear(n_features_of(convolutions, network.size_px), _MESO_WIDTH),
        nn.LeakyReLU(0.1),
    )


def _custom(network: FaceNetwork) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in zip((3, *network.filters[:-1]), network.filters, strict=True):
        layers += [nn.Conv2d(before, after, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten())
