"""A YOLO network's convolutions as the CPU does them fastest: fewer passes over memory, and kept ready for many sizes.

A picture's features are larger than a core's cache, so that every pass over them costs. A SiLU of its own reads and
writes them once more: a fifth of the time of a small network. oneDNN, which torch convolves with, applies it to each
block of results while it is at hand. Half of a convolution's channels, taken for the next one, are copied first: as
two convolutions of half the channels each, none is. The last, small convolutions torch does without oneDNN where it
has one thread, and slower.

oneDNN writes machine code for every convolution of every size of picture and keeps the last 1,024: twenty sizes of a
small network. Regions come in more, and a size that is met anew costs as much as half a picture.
"""

from __future__ import annotations

import copy
import os
from typing import Any

import torch
from torch import nn

KEPT_PRIMITIVES = "16384"
"""Convolutions that oneDNN keeps ready: 300 sizes of a small network, some 10 kB each."""


class _Convolution(nn.Module):
    """A convolution by oneDNN and the activation after it, "swish" (SiLU) or "none"."""

    def __init__(self, convolution: nn.Conv2d, activation: str) -> None:
        super().__init__()
        self.convolution, self.activation = convolution, activation

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        own = self.convolution
        activated: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            features, own.weight, own.bias, own.padding, own.stride, own.dilation, own.groups, self.activation, [], ""
        )
        return activated

    def of_channels(self, first: int, end: int) -> _Convolution:
        """The one that gives these channels alone."""
        own, part = self.convolution, copy.deepcopy(self.convolution)
        part.out_channels = end - first
        part.weight = nn.Parameter(own.weight[first:end].detach(), requires_grad=False)
        part.bias = None if own.bias is None else nn.Parameter(own.bias[first:end].detach(), requires_grad=False)
        return _Convolution(part, self.activation)


class _InHalves(nn.Module):
    """A `C2f` block of ultralytics, or one of its kind, whose first convolution gives its two halves one by one."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        whole = block.cv1.conv
        self.halves = nn.ModuleList((whole.of_channels(0, block.c), whole.of_channels(block.c, 2 * block.c)))
        self.m, self.cv2 = block.m, block.cv2
        # By these the network finds what goes in, and where what comes out is wanted.
        self.f, self.i = block.f, block.i

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        parts = [half(features) for half in self.halves]
        for layer in self.m:
            parts.append(layer(parts[-1]))
        joined: torch.Tensor = self.cv2(torch.cat(parts, 1))
        return joined


def fuse_convolutions(model: Any) -> Any:
    """Let oneDNN do all convolutions of a network, with the SiLU that follows; the answers stay the same to rounding.

    Where torch was built without oneDNN the network is left as it is. How many convolutions are kept ready oneDNN reads
    once, before its first: ONEDNN_PRIMITIVE_CACHE_CAPACITY is set for this process unless it is already.

    Parameters
    ----------
    model : torch.nn.Module
        A network of ultralytics on the CPU, float32, its batch normalisation fused; changed in place.

    Returns
    -------
    torch.nn.Module
        The same, its weights in the order in memory that pictures come in (channels last).
    """
    from ultralytics.nn.modules.block import C2f
    from ultralytics.nn.modules.conv import Conv

    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KEPT_PRIMITIVES)
    model = model.to(memory_format=torch.channels_last)
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not has_onednn or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return model
    for layer in list(model.modules()):
        is_before_silu = isinstance(layer, Conv) and isinstance(layer.act, nn.SiLU) and not hasattr(layer, "bn")
        if is_before_silu and _is_plain(layer.conv):
            layer.conv, layer.act = _Convolution(layer.conv, "swish"), nn.Identity()
    for layer in list(model.modules()):
        for name, inner in list(layer.named_children()):
            if _is_plain(inner) and not isinstance(layer, _Convolution):
                setattr(layer, name, _Convolution(inner, "none"))
            elif type(inner).forward is C2f.forward and hasattr(inner, "f") and _is_fused(inner.cv1.conv):
                setattr(layer, name, _InHalves(inner))
    return model


def _is_plain(layer: Any) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros"


def _is_fused(layer: Any) -> bool:
    return isinstance(layer, _Convolution) and layer.activation == "swish"
