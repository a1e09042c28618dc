"""Convolution and activation of a YOLO network in one pass over memory, on the CPU.

A picture's features are larger than a core's cache, and a SiLU of its own reads and writes them once more: a fifth of
the time of a small network. oneDNN, which torch convolves with, applies it to each block of results while it is at
hand.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


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

    Where torch was built without oneDNN the network is left as it is.

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

    model = model.to(memory_format=torch.channels_last)
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not has_onednn or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return model
    for layer in model.modules():
        plain = isinstance(layer, Conv) and isinstance(layer.conv, nn.Conv2d) and not hasattr(layer, "bn")
        if plain and isinstance(layer.act, nn.SiLU) and layer.conv.padding_mode == "zeros":
            layer.conv, layer.act = _ConvolutionSiLU(layer.conv), nn.Identity()
    return model
