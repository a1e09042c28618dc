"""A face network whose backbone is frozen gives a crop the same features in every epoch: they are computed once."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from poseauth.study.examples import Examples, InMemory
from poseauth.study.face_networks import FaceClassifier


class HeadOnFeatures(nn.Module):
    """The head of a network over features that are known, with its test-time augmentation.

    Parameters
    ----------
    network : FaceClassifier
        With a frozen backbone; its head is the one that learns.
    """

    def __init__(self, network: FaceClassifier) -> None:
        super().__init__()
        self.head = network.head
        # Not registered as a part: the backbone has nothing to learn and nothing to keep.
        self._classify = network.classify
        self._flips = network.network.test_flip

    def forward(self, features: torch.Tensor, n_valid: torch.Tensor) -> torch.Tensor:
        """Logits [shape=(B,)] of features [shape=(B, n, V, D)], V = 2 where mirror images are asked at test time."""
        logits = self._classify(features[:, :, 0], n_valid)
        if self._flips and not self.training:
            logits = (logits + self._classify(features[:, :, 1], n_valid)) / 2
        return logits


def features_once(
    network: FaceClassifier, examples: Examples, batch: int, device: torch.device | str = "cpu"
) -> InMemory:
    """The features of all crops, and of their mirror images where the network asks for them at test time.

    Parameters
    ----------
    network : FaceClassifier
        On `device`.
    examples : Examples
        Crops.
    batch : int
        Clips whose crops are computed together.
    device : torch.device or str
        Where to compute.

    Returns
    -------
    InMemory
        A row [shape=(n, V, D)], float32, for each example.
    """
    network.eval()
    found: list[np.ndarray] = []
    with torch.inference_mode():
        for first in range(0, len(examples), batch):
            rows = [torch.from_numpy(examples.array(row)) for row in range(first, min(first + batch, len(examples)))]
            crops = torch.cat(rows).to(device)
            views = [network.features(crops)]
            if network.network.test_flip:
                views.append(network.features(crops.flip(-1)))
            together = torch.stack(views, dim=1).float().cpu()
            found += [part.numpy() for part in torch.split(together, [len(row) for row in rows])]
    return InMemory(found, examples.is_authentic, examples.clip)
