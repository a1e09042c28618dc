"""What a detector of the study is: its model and how it is taught, as plain data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from poseauth.errors import PresetError
from poseauth.windows import WINDOW_FRAMES

MAX_FRAMES = 1000
"""Frames of a window or of a clip that any preset may ask for."""
MAX_WIDTH = 4096
MAX_LAYERS = 8
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")

Family = Literal["pose", "appearance"]
Backbone = Literal[
    "vgg16", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "inception_v3", "xception", "efficientnet_b0",
    "efficientnet_b1", "densenet121", "mesonet4", "custom",
]  # fmt: skip
_SMALLEST_PX: Mapping[str, int] = {"inception_v3": 75, "xception": 64, "mesonet4": 32}
_SMALLEST_PX_OF_ANY = 32


@dataclass(frozen=True)
class Optimiser:
    """How weights are updated.

    Attributes
    ----------
    kind : "sgd", "adam" or "adamw"
    rate : float
        Learning rate at the first epoch.
    weight_decay : float
        L2 penalty (adam, sgd) or decoupled decay (adamw).
    betas : tuple of float
        Of adam and adamw.
    momentum : float
        Of sgd.
    halve_every : int or None
        Epochs after which the rate is halved, again and again; None: it stays.
    clip_norm : float or None
        Limit of the gradient's norm; None: no limit.
    """

    kind: Literal["sgd", "adam", "adamw"] = "adam"
    rate: float = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.999)
    momentum: float = 0.0
    halve_every: int | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        _one_of("kind", self.kind, ("sgd", "adam", "adamw"))
        _within("rate", self.rate, 1e-8, 10.0)
        _within("weight_decay", self.weight_decay, 0.0, 1.0)
        if len(self.betas) != 2:
            raise PresetError(f"betas has {len(self.betas)} numbers; two are needed")
        for beta in self.betas:
            _within("betas", beta, 0.0, 0.9999)
        _within("momentum", self.momentum, 0.0, 0.9999)
        if self.halve_every is not None:
            _within("halve_every", self.halve_every, 1, 10_000)
        if self.clip_norm is not None:
            _within("clip_norm", self.clip_norm, 1e-6, 1e6)


@dataclass(frozen=True)
class Training:
    """How a network is taught: what one epoch is, and how many.

    Attributes
    ----------
    optimiser : Optimiser
    batch : int
        Examples shown together: windows of the pose family, clips of the appearance family, and single frames where
        `FaceNetwork.by_frame`.
    epochs : int
        Passes over the training examples.
    update_every : int
        Examples whose gradients are added up before an update; at least `batch`, and `batch` itself unless said.
    """

    optimiser: Optimiser = field(default_factory=Optimiser)
    batch: int = 32
    epochs: int = 20
    update_every: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _within("batch", self.batch, 1, 4096)
        _within("epochs", self.epochs, 1, 10_000)
        if self.update_every == 0:
            object.__setattr__(self, "update_every", self.batch)
        _within("update_every", self.update_every, self.batch, 65_536)


@dataclass(frozen=True)
class PoseNetwork:
    """A network over windows of keypoints.

    Attributes
    ----------
    kind : "lstm", "gru", "mlp", "tcn" or "transformer"
    width : int
        Hidden units of a layer (lstm, gru, mlp), channels (tcn), or model size (transformer).
    n_layers : int
        Layers; residual blocks of a tcn, encoder layers of a transformer.
    dropout : float
        Between layers.
    pooling : "last" or "mean"
        Which outputs over time reach the classifier (lstm, gru): the last one, or their mean. The tcn and the
        transformer take the mean; an mlp sees the window as one row.
    n_heads : int
        Attention heads of a transformer; divides `width`.
    kernel : int
        Frames that a convolution of a tcn spans; odd.
    features : "zscore" or "torso"
        What is shown of a window, as in `poseauth.features`.
    keypoints : "all" or "face"
        The twelve, or nose, eyes and ears alone; the face goes with "zscore", since "torso" measures it by the body.
    window_frames : int
        Frames of a window at 30 a second; the longest where windows vary.
    shortest_frames : int
        Frames of the shortest window; less than `window_frames` means windows of varying length, `window_frames`
        itself unless said. An mlp takes one length only.
    """

    kind: Literal["lstm", "gru", "mlp", "tcn", "transformer"]
    width: int = 512
    n_layers: int = 2
    dropout: float = 0.5
    pooling: Literal["last", "mean"] = "last"
    n_heads: int = 4
    kernel: int = 5
    features: Literal["zscore", "torso"] = "zscore"
    keypoints: Literal["all", "face"] = "all"
    window_frames: int = WINDOW_FRAMES
    shortest_frames: int = 0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        _one_of("kind", self.kind, ("lstm", "gru", "mlp", "tcn", "transformer"))
        _one_of("pooling", self.pooling, ("last", "mean"))
        _one_of("features", self.features, ("zscore", "torso"))
        _one_of("keypoints", self.keypoints, ("all", "face"))
        _within("width", self.width, 1, MAX_WIDTH)
        _within("n_layers", self.n_layers, 1, MAX_LAYERS)
        _within("dropout", self.dropout, 0.0, 0.99)
        _within("n_heads", self.n_heads, 1, 64)
        _within("kernel", self.kernel, 1, 63)
        if self.kernel % 2 == 0:
            raise PresetError(f"kernel is {self.kernel}; an odd number of frames is needed")
        if self.kind == "transformer" and self.width % self.n_heads:
            raise PresetError(f"width is {self.width}; a multiple of the {self.n_heads} attention heads is needed")
        if self.keypoints == "face" and self.features != "zscore":
            raise PresetError('keypoints "face" go with features "zscore": "torso" measures the face by the body')
        _within("window_frames", self.window_frames, 2, MAX_FRAMES)
        if self.shortest_frames == 0:
            object.__setattr__(self, "shortest_frames", self.window_frames)
        _within("shortest_frames", self.shortest_frames, 2, self.window_frames)
        if self.kind == "mlp" and self.varying:
            raise PresetError("an mlp takes windows of one length; shortest_frames must be window_frames")

    @property
    def varying(self) -> bool:
        """Whether windows are of varying length."""
        return self.shortest_frames < self.window_frames


@dataclass(frozen=True)
class WindowClassifier:
    """A classical model over statistics of a window, fitted at once.

    Attributes
    ----------
    kind : "correlation_ocsvm", "correlation_logistic" or "mean_pose_logistic"
        Correlations of the joints' movements with a one-class SVM that knows authentic windows only (after Agarwal et
        al. 2019) or with logistic regression of authentic against fake; the mean pose alone with logistic regression.
    nu : float
        Share of authentic windows that the one-class SVM may leave outside.
    penalty_c : float
        Inverse strength of the L2 penalty of logistic regression.
    window_frames : int
        Frames of a window at 30 a second.
    """

    kind: Literal["correlation_ocsvm", "correlation_logistic", "mean_pose_logistic"]
    nu: float = 0.1
    penalty_c: float = 0.1
    window_frames: int = WINDOW_FRAMES

    def __post_init__(self) -> None:
        """Check names and ranges."""
        _one_of("kind", self.kind, ("correlation_ocsvm", "correlation_logistic", "mean_pose_logistic"))
        _within("nu", self.nu, 1e-4, 1.0)
        _within("penalty_c", self.penalty_c, 1e-6, 1e6)
        _within("window_frames", self.window_frames, 2, MAX_FRAMES)


@dataclass(frozen=True)
class PoseProfile:
    """The profile's own scorer, learnt as at enrolment by the default recipe, with the fakes as the others.

    Attributes
    ----------
    width : int or None
        Hidden units in place of the recipe's.
    min_steps : int or None
        Updates at the least in place of the recipe's.
    """

    width: int | None = None
    min_steps: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.width is not None:
            _within("width", self.width, 1, MAX_WIDTH)
        if self.min_steps is not None:
            _within("min_steps", self.min_steps, 1, 100_000)

    @property
    def window_frames(self) -> int:
        """Frames of a window: a profile knows one length."""
        return WINDOW_FRAMES


@dataclass(frozen=True)
class Head:
    """From the features of a clip's frames to one logit.

    Attributes
    ----------
    kind : "mean", "lstm", "gru" or "mlp"
        "mean": every frame is judged alone and the clip's logit is the mean of its frames'; "lstm", "gru": over the
        frames in order; "mlp": over the features of all frames in one row.
    width, n_layers : int
        Of an lstm or a gru.
    pooling : "last" or "mean"
        Which of its outputs over time go on.
    leaky : bool
        Whether a leaky ReLU follows it.
    dense : tuple of int
        Widths of the layers, each with ReLU, before the last one.
    dropout : float
        Before each of those layers, the last one included.
    """

    kind: Literal["mean", "lstm", "gru", "mlp"] = "mean"
    width: int = 128
    n_layers: int = 1
    pooling: Literal["last", "mean"] = "last"
    leaky: bool = False
    dense: tuple[int, ...] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        _one_of("kind", self.kind, ("mean", "lstm", "gru", "mlp"))
        _one_of("pooling", self.pooling, ("last", "mean"))
        _within("width", self.width, 1, MAX_WIDTH)
        _within("n_layers", self.n_layers, 1, MAX_LAYERS)
        _within("dropout", self.dropout, 0.0, 0.99)
        _widths("dense", self.dense)

    @property
    def recurrent(self) -> bool:
        """Whether it is an lstm or a gru."""
        return self.kind in ("lstm", "gru")


@dataclass(frozen=True)
class FaceNetwork:
    """A network over crops of the face.

    Attributes
    ----------
    backbone : str
        One of `Backbone`: from a crop to its features.
    filters : tuple of int
        Filters of each convolution of a "custom" backbone, 2 to 5 of them; of no other.
    narrow : bool
        The backbone in the small size that `Preset.tiny` takes; it has no ImageNet weights.
    frozen_share : float
        Share of the backbone's layers with parameters, in the order of the forward pass, that keep the weights they
        begin with: 0 none, 0.5 the first half, 1 all but the head.
    head : Head
        From the features of the frames to a logit.
    n_frames : int
        Frames of a clip.
    frames : "evenly" or "first"
        Spread evenly over the clip, or its first.
    size_px : int
        Width and height of a crop.
    margin : float
        Added to each side of the face's box, as a share of the box.
    test_flip : bool
        Whether the logit in evaluation is the mean over the crops and their mirror images.
    """

    backbone: Backbone
    filters: tuple[int, ...] = ()
    narrow: bool = False
    frozen_share: float = 0.0
    head: Head = field(default_factory=Head)
    n_frames: int = 30
    frames: Literal["evenly", "first"] = "evenly"
    size_px: int = 224
    margin: float = 0.35
    test_flip: bool = False

    def __post_init__(self) -> None:
        """Check names and ranges."""
        _one_of("backbone", self.backbone, get_args(Backbone))
        _one_of("frames", self.frames, ("evenly", "first"))
        if self.backbone == "custom":
            if not 2 <= len(self.filters) <= 5:
                raise PresetError(f"filters has {len(self.filters)} numbers; a custom backbone has 2 to 5")
            _widths("filters", self.filters)
        elif self.filters:
            raise PresetError(f'filters go with the backbone "custom"; this is "{self.backbone}"')
        _within("frozen_share", self.frozen_share, 0.0, 1.0)
        _within("n_frames", self.n_frames, 1, MAX_FRAMES)
        _within("size_px", self.size_px, _SMALLEST_PX.get(self.backbone, _SMALLEST_PX_OF_ANY), 1024)
        _within("margin", self.margin, 0.0, 2.0)

    @property
    def by_frame(self) -> bool:
        """Whether it is taught one frame at a time: each frame an example with its clip's label.

        Such a model judges a clip by the mean of its frames' logits.
        """
        return self.head.kind == "mean"


Model = PoseNetwork | WindowClassifier | PoseProfile | FaceNetwork


@dataclass(frozen=True)
class Preset:
    """A detector of the study.

    Attributes
    ----------
    name : str
        Lower-case letters, digits, dots, hyphens, underscores.
    title : str
        One line for a table.
    source : str
        Whose detector it is.
    model : PoseNetwork, WindowClassifier, PoseProfile or FaceNetwork
    training : Training or None
        None where the model is fitted at once: a WindowClassifier or a PoseProfile.
    """

    name: str
    title: str
    source: str
    model: Model
    training: Training | None

    def __post_init__(self) -> None:
        """Check the names, and that what is taught says how."""
        if not _SLUG.fullmatch(self.name):
            raise PresetError(
                f"name is {self.name[:80]!r}; up to 80 lower-case letters, digits, dots, hyphens and underscores, a "
                "letter or digit first, are needed"
            )
        for name, text in (("title", self.title), ("source", self.source)):
            if not 1 <= len(text) <= 200 or not text.isprintable():
                raise PresetError(f"{name} has {len(text)} characters; 1 to 200 that can be printed are needed")
        fitted = isinstance(self.model, WindowClassifier | PoseProfile)
        if fitted and self.training is not None:
            raise PresetError("training is given for a model that is fitted at once; leave it out")
        if not fitted and self.training is None:
            raise PresetError("training is missing: batch, epochs and optimiser")

    @property
    def family(self) -> Family:
        """Of what it looks at: the movement of the body, or pictures of the face."""
        return "appearance" if isinstance(self.model, FaceNetwork) else "pose"

    def at_length(self, n_frames: int) -> Preset:
        """The same detector over windows, or clips, of so many frames; its name ends in the number.

        Raises
        ------
        PresetError
            If the model takes no such number.
        """
        name = f"{self.name}-{n_frames}"
        if isinstance(self.model, FaceNetwork):
            return replace(self, name=name, model=replace(self.model, n_frames=n_frames))
        if isinstance(self.model, PoseNetwork):
            return replace(self, name=name, model=replace(self.model, window_frames=n_frames, shortest_frames=n_frames))
        if isinstance(self.model, WindowClassifier):
            return replace(self, name=name, model=replace(self.model, window_frames=n_frames))
        raise PresetError(f"{self.name}: a profile knows windows of {WINDOW_FRAMES} frames only")

    def tiny(self) -> Preset:
        """The same kind of detector at a size that a CPU teaches in about a second; its figures mean nothing.

        Kept: name, source, kind of model, number of layers, pooling, features, keypoints, lengths of windows, backbone
        (ResNets, ResNeXt and DenseNet with fewer blocks), kind of head, frozen share, choice of frames, margin,
        test-time augmentation, kind of optimiser, weight decay, momentum, limit of the gradient. Smaller: widths (a
        backbone's channels to an eighth), attention heads, dropout, number of frames, size of the pictures, epochs, an
        update every batch of 4 or 8.
        Rates are raised, since there are few updates.
        """
        return replace(self, model=_tiny_model(self.model), training=_tiny_training(self))


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise PresetError(f"{name} is {str(value)[:80]!r}; known are {', '.join(known)}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise PresetError(f"{name} is {value:g}; {low:g} to {high:g} are needed")


def _widths(name: str, widths: tuple[int, ...]) -> None:
    if len(widths) > MAX_LAYERS:
        raise PresetError(f"{name} has {len(widths)} numbers; at most {MAX_LAYERS} are possible")
    for width in widths:
        _within(name, width, 1, MAX_WIDTH)


_TINY_WIDTH = 16
_TINY_DROPOUT = 0.1
_TINY_FRAMES = 3
_TINY_PX = 64
_TINY_EPOCHS = 8
_TINY_ADAM_RATE = 5e-3
_TINY_ADAM_RATE_BY_FRAME = 1e-3
"""There are more frames than clips or windows, and so more updates."""


def _tiny_model(model: Model) -> Model:
    if isinstance(model, PoseNetwork):
        width = min(model.width, _TINY_WIDTH)
        return replace(
            model,
            width=width,
            n_heads=math.gcd(width, min(model.n_heads, 2)),
            dropout=min(model.dropout, _TINY_DROPOUT),
        )
    if isinstance(model, PoseProfile):
        return replace(model, width=_TINY_WIDTH, min_steps=40)
    if isinstance(model, FaceNetwork):
        head = replace(
            model.head,
            width=min(model.head.width, _TINY_WIDTH),
            dense=tuple(min(width, _TINY_WIDTH) for width in model.head.dense),
            dropout=min(model.head.dropout, _TINY_DROPOUT),
        )
        return replace(
            model,
            head=head,
            narrow=True,
            filters=tuple(max(width // 8, 2) for width in model.filters),
            n_frames=min(model.n_frames, _TINY_FRAMES),
            size_px=min(max(_SMALLEST_PX.get(model.backbone, 0), _TINY_PX), model.size_px),
        )
    return model


def _tiny_training(preset: Preset) -> Training | None:
    if preset.training is None:
        return None
    optimiser, epochs = preset.training.optimiser, preset.training.epochs
    by_frame = isinstance(preset.model, FaceNetwork) and preset.model.by_frame
    least = _TINY_ADAM_RATE_BY_FRAME if by_frame else _TINY_ADAM_RATE
    rate = 10 * optimiser.rate if optimiser.kind == "sgd" else max(optimiser.rate, least)
    batch = 8 if by_frame else 4
    return Training(replace(optimiser, rate=rate), batch, min(epochs, _TINY_EPOCHS), batch)
