"""The profile's network as torch teaches it: a many-to-one LSTM over a window. `poseauth.inference` scores by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from poseauth.errors import DeviceError
from poseauth.features import FEATURES, N_FEATURES
from poseauth.inference import PERSON, TaughtNetwork
from poseauth.recipes import Architecture
from poseauth.windows import SomeWindows

_SCORING_BATCH = 256


class WindowLSTM(nn.Module):
    """Many-to-one LSTM: a window's features to one logit, or to one a known person (Yasrab et al. 2021, section 4).

    Parameters
    ----------
    architecture : Architecture
        Size, pooling and head.
    n_classes : int
        Outputs of a cohort head: the person and everybody else known. A binary head has one whatever this says.
    """

    feature_mean: torch.Tensor
    feature_scale: torch.Tensor

    def __init__(self, architecture: Architecture, n_classes: int) -> None:
        super().__init__()
        self.architecture = architecture
        n_features = N_FEATURES[architecture.features]
        self.register_buffer("feature_mean", torch.zeros(n_features))
        self.register_buffer("feature_scale", torch.ones(n_features))
        self.lstm = nn.LSTM(
            n_features,
            architecture.hidden,
            architecture.layers,
            batch_first=True,
            dropout=architecture.dropout if architecture.layers > 1 else 0.0,
        )
        self.classifier = nn.Linear(architecture.hidden, 1 if architecture.head == "binary" else n_classes)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of windows.

        Parameters
        ----------
        features : torch.Tensor [shape=(B, 150, F)], float32
            What is NaN, unknown, counts as the mean of what was learnt from.

        Returns
        -------
        torch.Tensor [shape=(B, C)], float32
            C = 1 for a binary head.
        """
        scaled = torch.nan_to_num((features - self.feature_mean) / self.feature_scale)
        n_windows, _, n_features = scaled.shape
        steps = scaled.reshape(n_windows, -1, self.architecture.frame_step, n_features).mean(dim=2)
        outputs, _ = self.lstm(steps)
        summary = outputs[:, -1] if self.architecture.pooling == "last" else outputs.mean(dim=1)
        logits: torch.Tensor = self.classifier(summary)
        return logits


def log_odds(logits: torch.Tensor) -> torch.Tensor:
    """Log-odds of the enrolled person against everybody else.

    Parameters
    ----------
    logits : torch.Tensor [shape=(B, C)]
        Of a binary (C = 1) or a cohort head.

    Returns
    -------
    torch.Tensor [shape=(B,)]
        Above 0 = more like the person than not.
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits[:, PERSON] - torch.logsumexp(logits[:, PERSON + 1 :], dim=1)


def weights_of(model: WindowLSTM) -> dict[str, np.ndarray[Any, Any]]:
    """The model's weights and its scaler as arrays, by name."""
    return {name: value.detach().cpu().contiguous().numpy().copy() for name, value in model.state_dict().items()}


def taught(model: WindowLSTM) -> TaughtNetwork:
    """What the network has learnt, ready to score."""
    return TaughtNetwork(model.architecture, weights_of(model))


def window_log_odds(model: WindowLSTM, windows: SomeWindows) -> torch.Tensor:
    """Log-odds of the enrolled person for each window, on the CPU; above 0 = more like the person than not.

    Parameters
    ----------
    model : WindowLSTM
        In evaluation mode.
    windows : Windows, or np.ndarray [shape=(N, 150, P, 2)], float32
        Pixels, NaN where missing.

    Returns
    -------
    torch.Tensor [shape=(N,)], float32
    """
    encode = FEATURES[model.architecture.features]
    device = model.feature_mean.device
    odds = [torch.zeros(0)]
    with torch.inference_mode():
        for first in range(0, len(windows), _SCORING_BATCH):
            batch = torch.from_numpy(encode(windows[first : first + _SCORING_BATCH])).to(device)
            odds.append(log_odds(model(batch)).cpu())
        return torch.cat(odds)


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name.

    Parameters
    ----------
    name : str
        "cpu", "cuda", "cuda:N", or "auto", which takes CUDA where there is a GPU.

    Raises
    ------
    DeviceError
        If the name is another one, or there is no such GPU.
    """
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    kind, colon, number = name.partition(":")
    has_number = kind == "cuda" and number.isascii() and number.isdecimal()
    if kind not in ("cpu", "cuda") or (colon and not has_number):
        raise DeviceError(f"the device {name!r} is not known. Use auto, cpu, cuda, or cuda:1 for a second GPU")
    n_gpus = torch.cuda.device_count() if has_cuda else 0
    if kind == "cuda" and int(number or 0) >= n_gpus:
        seen = f"{n_gpus} CUDA GPUs" if n_gpus else "no CUDA device"
        raise DeviceError(
            f"device {name} is asked for, and torch {torch.__version__} sees {seen} here. Use --device cpu"
        )
    return torch.device(name)
