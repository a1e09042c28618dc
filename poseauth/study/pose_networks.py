"""Networks over windows of keypoints: LSTM, GRU, MLP, temporal CNN, transformer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from poseauth.study.pose_features import n_features
from poseauth.study.presets import PoseNetwork


class StudyNetwork(nn.Module):
    """A network whose weights come and go as arrays."""

    @property
    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Weights and running statistics, by name."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()}

    def load_arrays(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take weights over.

        Raises
        ------
        ValueError
            If they are not those of such a network, or not finite.
        """
        for name, values in arrays.items():
            if not np.isfinite(values).all():
                raise ValueError(f"{name} is not finite")
        try:
            self.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in arrays.items()})
        except RuntimeError as error:
            raise ValueError(f"the weights do not fit the network: {error}") from error


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw by a seed; torch's own generators are as they were afterwards."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


class PoseClassifier(StudyNetwork):
    """From the features of windows to one logit each.

    Parameters
    ----------
    network : PoseNetwork
        Kind and size.
    seed : int
        Decides the first weights.
    """

    def __init__(self, network: PoseNetwork, *, seed: int = 0) -> None:
        super().__init__()
        self.network = network
        with seeded(seed):
            self.body = _BODIES[network.kind](network, n_features(network))
            self.classifier = nn.Linear(network.width, 1)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of windows.

        What lies beyond a window's length changes nothing: a window has the logit that it has alone.

        Parameters
        ----------
        features : torch.Tensor [shape=(B, L, F)], float32
            As `poseauth.study.pose_features.encode` gives them.
        lengths : torch.Tensor [shape=(B,)], int64
            Frames of each window, 1 to L.

        Returns
        -------
        torch.Tensor [shape=(B,)], float32
            Log-odds; higher = more authentic.

        Raises
        ------
        ValueError
            If a length is not 1 to L, or an mlp is given windows of another length than its own.
        """
        n_frames = features.shape[1]
        if len(lengths) and not 1 <= int(lengths.min()) <= int(lengths.max()) <= n_frames:
            raise ValueError(f"windows of {lengths.tolist()} frames in a batch of {n_frames}")
        logits: torch.Tensor = self.classifier(self.body(features, lengths))
        return logits[:, 0]


def within(lengths: torch.Tensor, n_frames: int) -> torch.Tensor:
    """Which steps of a filled-up batch are there: bool [shape=(B, n_frames)]."""
    return torch.arange(n_frames, device=lengths.device) < lengths[:, None]


def mean_within(values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean over the first `lengths` steps: from [shape=(B, L, D)] to [shape=(B, D)]."""
    inside = within(lengths, values.shape[1])[:, :, None]
    return torch.where(inside, values, 0.0).sum(dim=1) / lengths[:, None]


class RecurrentSummary(nn.Module):
    """An LSTM or a GRU over sequences of varying length, and its last output or the mean of its outputs.

    Parameters
    ----------
    kind : str
        "lstm" or "gru".
    n_inputs, width, n_layers : int
    dropout : float
        Between layers.
    pooling : str
        "last" or "mean".
    leaky : bool
        Whether a leaky ReLU follows the outputs.
    """

    def __init__(
        self, kind: str, n_inputs: int, width: int, n_layers: int, *, dropout: float, pooling: str, leaky: bool = False
    ) -> None:
        super().__init__()
        layer = nn.LSTM if kind == "lstm" else nn.GRU
        self.recurrent = layer(n_inputs, width, n_layers, batch_first=True, dropout=dropout if n_layers > 1 else 0.0)
        self.pooling = pooling
        self.activation = nn.LeakyReLU() if leaky else nn.Identity()

    def forward(self, sequences: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """From [shape=(B, L, D)] to [shape=(B, width)]; `lengths` [shape=(B,)] are 1 to L."""
        # Padding behind the end of a sequence does not reach the outputs before it, so that nothing needs packing:
        # cuDNN and the CPU both take whole batches faster.
        outputs = self.activation(self.recurrent(sequences)[0])
        if self.pooling == "mean":
            return mean_within(outputs, lengths)
        last: torch.Tensor = outputs[torch.arange(len(outputs), device=outputs.device), lengths - 1]
        return last


class _Recurrent(RecurrentSummary):
    def __init__(self, network: PoseNetwork, n_inputs: int) -> None:
        super().__init__(
            network.kind, n_inputs, network.width, network.n_layers, dropout=network.dropout, pooling=network.pooling
        )


class _Perceptron(nn.Module):
    """A window as one row."""

    def __init__(self, network: PoseNetwork, n_inputs: int) -> None:
        super().__init__()
        self.n_frames = network.window_frames
        widths = [network.window_frames * n_inputs, *[network.width] * network.n_layers]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(network.dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if features.shape[1] != self.n_frames or bool((lengths != self.n_frames).any()):
            raise ValueError(f"an mlp over windows of {self.n_frames} frames is given {features.shape[1]}")
        summary: torch.Tensor = self.layers(features.flatten(1))
        return summary


class _TemporalBlock(nn.Module):
    """Two dilated convolutions over time beside a straight way (after Bai, Kolter and Koltun 2018, not causal)."""

    def __init__(self, n_inputs: int, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        reach = dilation * (kernel // 2)
        self.first = nn.Conv1d(n_inputs, width, kernel, padding=reach, dilation=dilation)
        self.second = nn.Conv1d(width, width, kernel, padding=reach, dilation=dilation)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)
        self.straight = nn.Linear(n_inputs, width) if n_inputs != width else nn.Identity()

    def forward(self, values: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        new = values
        for convolution, norm in zip((self.first, self.second), self.norms, strict=True):
            # What lies behind the end is zero before every convolution, as what it finds behind a window that is alone.
            new = convolution((new * inside).transpose(1, 2)).transpose(1, 2)
            new = self.dropout(torch.relu(norm(new)))
        return torch.relu(new + self.straight(values))


class _TemporalCNN(nn.Module):
    """Blocks whose reach doubles from one to the next, then the mean over time."""

    def __init__(self, network: PoseNetwork, n_inputs: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _TemporalBlock(n_inputs if i == 0 else network.width, network.width, network.kernel, 2**i, network.dropout)
            for i in range(network.n_layers)
        )

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        inside = within(lengths, features.shape[1])[:, :, None].to(features.dtype)
        values = features
        for block in self.blocks:
            values = block(values, inside)
        return mean_within(values, lengths)


class _Transformer(nn.Module):
    """Encoder layers with sinusoidal positions (Vaswani et al. 2017), then the mean over time."""

    def __init__(self, network: PoseNetwork, n_inputs: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(n_inputs, network.width)
        layer = nn.TransformerEncoderLayer(
            network.width, network.n_heads, 2 * network.width, network.dropout, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, network.n_layers, enable_nested_tensor=False)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        values = self.embedding(features)
        values = values + _positions(values.shape[1], values.shape[2]).to(values)
        outside = ~within(lengths, features.shape[1])
        return mean_within(self.encoder(values, src_key_padding_mask=outside), lengths)


def _positions(n_frames: int, width: int) -> torch.Tensor:
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angle = torch.arange(n_frames)[:, None] * rate
    positions = torch.zeros(n_frames, width)
    positions[:, 0::2] = torch.sin(angle)
    positions[:, 1::2] = torch.cos(angle)[:, : width // 2]
    return positions


_BODIES = {
    "lstm": _Recurrent,
    "gru": _Recurrent,
    "mlp": _Perceptron,
    "tcn": _TemporalCNN,
    "transformer": _Transformer,
}
