"""How a profile's network is built and taught: the two recipes, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from poseauth.features import FEATURES
from poseauth.windows import WINDOW_FRAMES, Points

Pooling = Literal["last", "mean"]
Head = Literal["binary", "cohort"]


@dataclass(frozen=True)
class Architecture:
    """The network of a profile.

    Attributes
    ----------
    features : str
        What it is shown of a window: a name in `poseauth.features.FEATURES`. "whole" needs whole windows.
    hidden, layers, dropout :
        Size of the LSTM; dropout stands between its layers.
    frame_step : int
        Consecutive frames averaged into one step of the LSTM: 1 shows it every frame (the method's), 5 six steps
        a second, enough for gestures (below 3 Hz) at a fifth of the work.
    pooling : "last" or "mean"
        Which of the outputs over time reach the classifier: the last (the method's) or their mean over time.
    head : "binary" or "cohort"
        One logit, the person against the rest (the method's), or one softmax over the person and everybody
        known to be somebody else; its score is the person's log-odds against all the others.
    statistics : bool
        Whether whitened statistics of the window stand beside the network (see `poseauth.scoring`).
    network_share : float
        Weight of the network's probability beside the cosine of the statistics, 0 to 1; without statistics the
        probability alone is the score. It spreads some five times as widely over clips as the cosine does.
    """

    features: str = "torso"
    hidden: int = 512
    layers: int = 2
    dropout: float = 0.5
    frame_step: int = 5
    pooling: Pooling = "mean"
    head: Head = "cohort"
    statistics: bool = True
    network_share: float = 0.1

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.features not in FEATURES:
            raise ValueError(f"features are {self.features!r}; known are {', '.join(FEATURES)}")
        if self.pooling not in ("last", "mean") or self.head not in ("binary", "cohort"):
            raise ValueError(f"pooling {self.pooling!r} or head {self.head!r} is not known")
        if self.frame_step < 1 or WINDOW_FRAMES % self.frame_step:
            raise ValueError(f"frame_step is {self.frame_step}; it must divide the {WINDOW_FRAMES} frames of a window")
        if not 0 <= self.network_share <= 1:
            raise ValueError(f"network_share is {self.network_share}; a weight from 0 to 1 is needed")
        if not (1 <= self.hidden <= 4096 and 1 <= self.layers <= 8 and 0 <= self.dropout < 1):
            raise ValueError(f"no network has {self.layers} layers of {self.hidden} with dropout {self.dropout}")


@dataclass(frozen=True)
class TrainingOptions:
    """How the network is taught.

    Attributes
    ----------
    epochs : int
        Passes over the training windows.
    min_steps : int
        Updates at the least: with little video there are more passes.
    batch_size : int
        Windows an update.
    stride_frames : int
        Frames from one training window to the next; 150 = no overlap.
    learning_rate : float
        Adam's.
    halve_every : int or None
        Epochs after which the rate is halved; None: it falls to zero along a cosine.
    weight_decay : float
        Adam's L2 penalty.
    clip_norm : float
        Limit of the gradient's norm.
    balanced : bool
        Whether windows are weighted so that the person and all the others together count alike.
    chimeras : float
        Windows of mixed bodies, as a share of all windows, that are made and learnt as further people, one for each
        head; 0: none.
    validation : float
        Share of the person's and of the others' videos, 0 to 0.5, on which the best epoch is chosen; whole videos only.
        0: the weights are those of the last epoch.
    folds : int
        Parts into which videos and people are divided for the self-test; 0: no self-test.
    """

    epochs: int = 1
    min_steps: int = 120
    batch_size: int = 32
    stride_frames: int = 30
    learning_rate: float = 1e-3
    halve_every: int | None = None
    weight_decay: float = 1e-4
    clip_norm: float = 0.25
    balanced: bool = True
    chimeras: float = 0.5
    validation: float = 0.0
    folds: int = 3

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.epochs < 1 or self.batch_size < 1 or self.stride_frames < 1 or self.min_steps < 0:
            raise ValueError("epochs, batch_size and stride_frames must be at least 1, min_steps at least 0")
        if self.learning_rate <= 0 or self.clip_norm <= 0 or self.weight_decay < 0:
            raise ValueError("learning_rate and clip_norm must be above 0, weight_decay not below")
        if not 0 <= self.validation <= 0.5:
            raise ValueError(f"validation is {self.validation}; a share from 0 to 0.5 is needed")
        if not 0 <= self.chimeras <= 10:
            raise ValueError(f"chimeras is {self.chimeras}; a share from 0 to 10 is needed")
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"folds is {self.folds}; 0 or at least 2 are needed")


@dataclass(frozen=True)
class Recipe:
    """An architecture and the way to teach it, under one name."""

    name: str
    architecture: Architecture = field(default_factory=Architecture)
    training: TrainingOptions = field(default_factory=TrainingOptions)


def seeing(recipe: Recipe, points: Points) -> Recipe:
    """The recipe as windows of those points allow it: without hands and face the features "torso" for "whole"."""
    if points == "whole" or recipe.architecture.features != "whole":
        return recipe
    return replace(recipe, architecture=replace(recipe.architecture, features="torso"))


RECIPES: Mapping[str, Recipe] = {
    "default": Recipe("default", Architecture(features="whole")),
    # Yasrab et al. 2021, section 4: batch 1, Adam 1e-2 halved every 30 epochs, weight decay 1e-4, clip 0.25,
    # 200 epochs, the weights of the best validation epoch.
    "paper": Recipe(
        "paper",
        Architecture(features="zscore", frame_step=1, pooling="last", head="binary", statistics=False),
        TrainingOptions(
            epochs=200,
            min_steps=0,
            batch_size=1,
            stride_frames=WINDOW_FRAMES,
            learning_rate=1e-2,
            halve_every=30,
            weight_decay=1e-4,
            clip_norm=0.25,
            balanced=False,
            chimeras=0.0,
            validation=0.1,
        ),
    ),
}
