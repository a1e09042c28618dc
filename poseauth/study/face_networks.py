"""Networks over crops of the face: a backbone a frame, and a head over the frames."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from poseauth.study.backbones import build_backbone, layers_in_order
from poseauth.study.pose_networks import RecurrentSummary, StudyNetwork, mean_within, seeded, within
from poseauth.study.presets import FaceNetwork, Head

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class FaceClassifier(StudyNetwork):
    """From the crops of clips to one logit each.

    A frozen layer keeps its weights, and a frozen batch norm its running statistics too, in training as in
    evaluation. Where all of the backbone is frozen, a crop's features never change: `features` gives them once and
    `classify` goes on from there.

    Parameters
    ----------
    network : FaceNetwork
        Backbone, head, frozen share, size of the crops.
    seed : int
        Decides the first weights.
    pretrained : bool
        Whether the backbone begins with ImageNet weights.

    Raises
    ------
    StudyExtraError, WeightsNotFoundError
        As `poseauth.study.backbones.build_backbone`.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: FaceNetwork, *, seed: int = 0, pretrained: bool = False) -> None:
        super().__init__()
        self.network = network
        with seeded(seed):
            built = build_backbone(network, pretrained=pretrained)
            self.head = _HeadOverFrames(network.head, built.n_features, network.n_frames)
        self.backbone = built.module
        self.register_buffer("mean", torch.tensor(built.mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(built.std).reshape(3, 1, 1), persistent=False)
        self._frozen = _lowest(self.backbone, network.frozen_share, network.size_px)
        for layer in self._frozen:
            for parameter in layer.parameters(recurse=False):
                parameter.requires_grad_(False)

    @property
    def all_frozen(self) -> bool:
        """Whether nothing but the head learns."""
        return self.network.frozen_share == 1.0

    def train(self, mode: bool = True) -> Self:
        """As usual, but for what is frozen, which stays in evaluation."""
        super().train(mode)
        if self.all_frozen:
            self.backbone.eval()
        for layer in self._frozen:
            layer.eval()
        return self

    def forward(self, crops: torch.Tensor, n_valid: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of clips; in evaluation, with `test_flip`, the mean over the crops and their mirror images.

        Parameters
        ----------
        crops : torch.Tensor [shape=(B, n, 3, H, W)], uint8
            RGB, 0 to 255, of H = W = `size_px`; those beyond a clip's number change nothing.
        n_valid : torch.Tensor [shape=(B,)], int64
            Crops of each clip, 1 to n, which come first.

        Returns
        -------
        torch.Tensor [shape=(B,)], float32
            Log-odds; higher = more authentic.

        Raises
        ------
        ValueError
            If the crops are of another type or size, or a number is not 1 to n.
        """
        _check(crops, n_valid, self.network)
        logits = self._logits(crops, n_valid)
        if self.network.test_flip and not self.training:
            logits = (logits + self._logits(crops.flip(-1), n_valid)) / 2
        return logits

    def _logits(self, crops: torch.Tensor, n_valid: torch.Tensor) -> torch.Tensor:
        there = within(n_valid, crops.shape[1])
        # The backbone sees only crops that are there: zeros would enter the statistics of its batch norms.
        found = self.features(crops[there])
        rows = torch.zeros(*crops.shape[:2], found.shape[1], dtype=found.dtype, device=found.device)
        rows[there] = found
        return self.classify(rows, n_valid)

    def features(self, crops: torch.Tensor) -> torch.Tensor:
        """Features of single crops.

        Parameters
        ----------
        crops : torch.Tensor [shape=(M, 3, H, W)], uint8
            RGB.

        Returns
        -------
        torch.Tensor [shape=(M, D)], float32
        """
        normal = (crops.to(self.mean.dtype) / 255 - self.mean) / self.std
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.all_frozen):
            if len(crops) > 1 or not self.training:
                found: torch.Tensor = self.backbone(normal)
                return found
            return _alone(self.backbone, normal)

    def classify(self, features: torch.Tensor, n_valid: torch.Tensor) -> torch.Tensor:
        """Logits [shape=(B,)] of features [shape=(B, n, D)], of which the first `n_valid` [shape=(B,)] count."""
        logits: torch.Tensor = self.head(features, n_valid)
        return logits


def _check(crops: torch.Tensor, n_valid: torch.Tensor, network: FaceNetwork) -> None:
    size = network.size_px
    if crops.dtype != torch.uint8 or crops.ndim != 5 or tuple(crops.shape[2:]) != (3, size, size):
        raise ValueError(f"crops are {crops.dtype} {tuple(crops.shape)}; uint8 (B, n, 3, {size}, {size}) are needed")
    if len(n_valid) != len(crops) or not 1 <= int(n_valid.min()) <= int(n_valid.max()) <= crops.shape[1]:
        raise ValueError(f"n_valid is {n_valid.tolist()}; 1 to {crops.shape[1]} for each of {len(crops)} are needed")


def _alone(backbone: nn.Module, crop: torch.Tensor) -> torch.Tensor:
    """Features of one crop in training: alone it has no statistics, and batch norms go by their running ones."""
    norms = [layer for layer in backbone.modules() if isinstance(layer, _NORMS) and layer.training]
    for layer in norms:
        layer.eval()
    found: torch.Tensor = backbone(crop)
    for layer in norms:
        layer.train()
    return found


def _lowest(backbone: nn.Module, share: float, size_px: int) -> tuple[nn.Module, ...]:
    if share == 0.0:
        return ()
    if share == 1.0:
        return tuple(layer for layer in backbone.modules() if any(True for _ in layer.parameters(recurse=False)))
    layers = layers_in_order(backbone, size_px)
    return layers[: round(share * len(layers))]


class _HeadOverFrames(nn.Module):
    """A head as configured, over features [shape=(B, n, D)]."""

    def __init__(self, head: Head, n_features: int, n_frames: int) -> None:
        super().__init__()
        self.kind, self.n_frames = head.kind, n_frames
        self.recurrent: RecurrentSummary | None = None
        width = n_features
        if head.recurrent:
            self.recurrent = RecurrentSummary(
                head.kind, n_features, head.width, head.n_layers,
                dropout=head.dropout, pooling=head.pooling, leaky=head.leaky,
            )  # fmt: skip
            width = head.width
        elif head.kind == "mlp":
            width = n_frames * n_features
        layers: list[nn.Module] = []
        for after in head.dense:
            layers += [nn.Dropout(head.dropout), nn.Linear(width, after), nn.ReLU()]
            width = after
        self.dense = nn.Sequential(*layers, nn.Dropout(head.dropout), nn.Linear(width, 1))

    def forward(self, features: torch.Tensor, n_valid: torch.Tensor) -> torch.Tensor:
        if self.recurrent is not None:
            logits: torch.Tensor = self.dense(self.recurrent(features, n_valid))
        elif self.kind == "mlp":
            logits = self.dense(self._in_one_row(features, n_valid))
        else:
            logits = mean_within(self.dense(features), n_valid)
        return logits[:, 0]

    def _in_one_row(self, features: torch.Tensor, n_valid: torch.Tensor) -> torch.Tensor:
        n_more = self.n_frames - features.shape[1]
        if n_more < 0:
            raise ValueError(f"an mlp over {self.n_frames} frames is given {features.shape[1]}")
        there = torch.where(within(n_valid, features.shape[1])[:, :, None], features, 0.0)
        return nn.functional.pad(there, (0, 0, 0, n_more)).flatten(1)
