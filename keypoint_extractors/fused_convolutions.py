"""Convolution and activation of a YOLO network in one pass over memory, on the CPU, and kept ready for many sizes.

A picture's features are larger than a core's cache, and a SiLU of its own reads and writes them once more: a fifth of
the time of a small network. oneDNN, which torch convolves with, applies it to each block of results while it is at
hand.

oneDNN writes machine code for every convolution of every size of picture and keeps the last 1,024: twenty sizes of a
small network. Regions come in more, and a size that is met anew costs as much as half a picture.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

KEPT_PRIMITIVES = "16384"
"""Convolutions that oneDNN keeps ready: 300 sizes of a small network, some 10 kB each."""


class _ConvolutionSiLU(nn.Module):
    """A convolution and the SiLU after it."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        own = self.convolution
        activated: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            features, own.weight, own.bias, own.padding, own.stride, own.dilation, own.groups, "swish", [], ""
        )
        return activated


def fuse_activations(model: Any) -> Any:
    """Let each convolution of a network apply the SiLU that follows it; the answers stay the same beyond rounding.

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
    from ultralytics.nn.modules.conv import Conv

    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KEPT_PRIMITIVES)
    model = model.to(memory_format=torch.channels_last)
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not has_onednn or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return model
    for layer in model.modules():
        plain = isinstance(layer, Conv) and isinstance(layer.conv, nn.Conv2d) and not hasattr(layer, "bn")
        if plain and isinstance(layer.act, nn.SiLU) and layer.conv.padding_mode == "zeros":
            layer.conv, layer.act = _ConvolutionSiLU(layer.conv), nn.Identity()
    return model
