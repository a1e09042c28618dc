"""From a preset to its model, and what a model weighs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poseauth.arrays import BoolArray, Float32Array
from poseauth.study.presets import FaceNetwork, PoseNetwork, PoseProfile, Preset, WindowClassifier

if TYPE_CHECKING:
    from poseauth.study.face_networks import FaceClassifier
    from poseauth.study.pose_networks import PoseClassifier
    from poseauth.study.profile_scorer import FittedProfile
    from poseauth.study.window_classifiers import FittedWindows

    Network = PoseClassifier | FaceClassifier
    Fitted = FittedWindows | FittedProfile


@dataclass(frozen=True)
class Parameters:
    """How many numbers a model has learnt or could learn.

    Attributes
    ----------
    n_all : int
        Weights and biases; of a fitted model every number that it keeps.
    n_trainable : int
        Those that the training may change: not the frozen ones.
    """

    n_all: int
    n_trainable: int


def build_network(preset: Preset, *, seed: int = 0, pretrained: bool = False) -> Network:
    """The network of a preset, on the CPU, in training mode, not yet taught.

    Parameters
    ----------
    preset : Preset
        With a `training`.
    seed : int
        Decides the weights it begins with; torch's own generator is left as it was.
    pretrained : bool
        Whether a backbone begins with ImageNet weights, which are downloaded if need be. MesoNet-4, custom CNNs and
        whatever is tiny have none.

    Returns
    -------
    PoseClassifier or FaceClassifier
        Called with a batch and how many frames of each row count; gives a logit a row, higher = more authentic.

    Raises
    ------
    StudyExtraError, WeightsNotFoundError
        As `poseauth.study.backbones.build_backbone`.
    ValueError
        If the preset is fitted at once.
    """
    if isinstance(preset.model, PoseNetwork):
        from poseauth.study.pose_networks import PoseClassifier

        return PoseClassifier(preset.model, seed=seed)
    if isinstance(preset.model, FaceNetwork):
        from poseauth.study.face_networks import FaceClassifier

        return FaceClassifier(preset.model, seed=seed, pretrained=pretrained)
    raise ValueError(f"{preset.name} is fitted at once; it has no network to teach")


def fit_preset(
    preset: Preset, windows: Float32Array, authentic: BoolArray, *, seed: int = 0, device: str = "cpu"
) -> Fitted:
    """The model of a preset that is fitted at once.

    Its `score(windows)` gives a score a window, higher = more authentic; where `gives_log_odds` is False, on a scale
    of its own that only labelled clips turn into odds.

    Parameters
    ----------
    preset : Preset
        Without a `training`.
    windows : np.ndarray [shape=(N, L, 12, 2)], float32
        Pixels, NaN where missing; L as the model's `window_frames` says.
    authentic : np.ndarray [shape=(N,)], bool
    seed : int
        Decides whatever is drawn.
    device : str
        Where a profile's network is taught.

    Raises
    ------
    ValueError
        If a side that is needed is missing, or the preset has a network.
    """
    if isinstance(preset.model, WindowClassifier):
        from poseauth.study.window_classifiers import fit_windows

        return fit_windows(preset.model, windows, authentic)
    if isinstance(preset.model, PoseProfile):
        from poseauth.study.profile_scorer import fit_profile

        return fit_profile(preset.model, windows, authentic, seed=seed, device=device)
    raise ValueError(f"{preset.name} is taught over epochs; it is not fitted at once")


def count_parameters(model: Network | Fitted) -> Parameters:
    """Parameters of a network or of a fitted model."""
    parameters = getattr(model, "parameters", None)
    if parameters is None:
        n_all = sum(values.size for values in model.arrays.values())
        return Parameters(n_all, n_all)
    held = list(parameters())
    return Parameters(
        sum(values.numel() for values in held), sum(values.numel() for values in held if values.requires_grad)
    )
