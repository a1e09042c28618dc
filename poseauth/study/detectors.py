"""Every kind of preset by one call: its examples are made, it is taught, and asked about the clips of all sides."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from poseauth.arrays import BoolArray, Float64Array, Int64Array
from poseauth.errors import StudyError
from poseauth.study.clips import StudyClip
from poseauth.study.examples import Examples, InMemory, face_examples, movement_examples
from poseauth.study.face_networks import FaceClassifier
from poseauth.study.fitting import StudyEpoch, logits_of, ms_a_clip, teach, write_weights
from poseauth.study.frozen_features import HeadOnFeatures, features_once
from poseauth.study.pose_networks import PoseClassifier
from poseauth.study.presets import FaceNetwork, PoseNetwork, Preset
from poseauth.study.splitting import SIDES, TEST, TRAIN, VALIDATION
from poseauth.windows import FPS


@dataclass(frozen=True, eq=False)
class Answers:
    """What a detector says of each example.

    Attributes
    ----------
    clip : np.ndarray [shape=(N,)], int64
        Number of the clip it is of.
    is_authentic : np.ndarray [shape=(N,)], bool
        Its label.
    logits : np.ndarray [shape=(N,)], float64
        Above 0 = authentic.
    by_logit : bool
        Whether a clip's probability is that of the mean logit of its examples (single frames), or the mean of their
        probabilities (windows).
    """

    clip: Int64Array
    is_authentic: BoolArray
    logits: Float64Array
    by_logit: bool = False

    def of_clips(self) -> dict[int, float]:
        """P(authentic) by the number of each clip that has an example."""
        values = self.logits if self.by_logit else _sigmoid(self.logits)
        means = {int(clip): values[self.clip == clip].mean() for clip in np.unique(self.clip)}
        return {clip: float(_sigmoid(mean) if self.by_logit else mean) for clip, mean in means.items()}


@dataclass(frozen=True, eq=False)
class Taught:
    """What one preset came to on one split.

    Attributes
    ----------
    answers : Answers
        Of all sides.
    curve : tuple of StudyEpoch
        () for what is fitted at once.
    best_loss_epoch, best_accuracy_epoch : int or None
        By validation; None for what is fitted at once.
    seconds : float
        Wall time of teaching.
    n_parameters, n_taught_parameters : int
        Of all, and those that are not frozen.
    weights_bytes : int
        Of the file of the weights.
    ms_a_clip : float or None
        Median time of an answer on the test clips; None where there is none.
    """

    answers: Answers
    curve: tuple[StudyEpoch, ...]
    best_loss_epoch: int | None
    best_accuracy_epoch: int | None
    seconds: float
    n_parameters: int
    n_taught_parameters: int
    weights_bytes: int
    ms_a_clip: float | None


def teach_preset(
    preset: Preset,
    clips: Sequence[StudyClip],
    *,
    seed: int = 0,
    device: str = "cpu",
    pretrained: bool = True,
    n_workers: int = 0,
    weights: Path,
    on_epoch: Callable[[StudyEpoch], None] | None = None,
) -> Taught:
    """Teach a preset on the train clips, choose its epoch on the validation clips, ask it about all.

    Parameters
    ----------
    preset : Preset
        What to teach.
    clips : sequence of StudyClip
        Of all sides.
    seed : int
        Decides first weights, order and dropout.
    device : str
        Where to compute.
    pretrained : bool
        Whether backbones begin with ImageNet weights.
    n_workers : int
        Processes that read faces ahead.
    weights : Path
        Where the weights are written.
    on_epoch : callable
        Told of every epoch.

    Raises
    ------
    StudyError
        If a side has too few examples of such a preset.
    """
    if isinstance(preset.model, FaceNetwork | PoseNetwork):
        return _network(preset, clips, seed, device, pretrained, n_workers, weights, on_epoch)
    return _fitted(preset.model, clips, seed, device, weights)


def _network(
    preset: Preset,
    clips: Sequence[StudyClip],
    seed: int,
    device: str,
    pretrained: bool,
    n_workers: int,
    weights: Path,
    on_epoch: Callable[[StudyEpoch], None] | None,
) -> Taught:
    assert preset.training is not None
    batch = preset.training.batch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the first weights
        network = _built(preset.model, pretrained)
    started = time.perf_counter()
    examples = {side: _examples_of(preset.model, clips, side) for side in SIDES}
    for side in (TRAIN, VALIDATION):
        _check_side(preset, side, examples[side].is_authentic)
    learner: nn.Module = network
    if isinstance(network, FaceClassifier) and network.all_frozen:
        # What is frozen gives the same features in every epoch: they are computed once.
        learner = HeadOnFeatures(network)
        network.to(device)
        examples = {side: features_once(network, one, batch, device) for side, one in examples.items()}
    prepared_s = time.perf_counter() - started
    taught = teach(
        learner,
        examples[TRAIN],
        examples[VALIDATION],
        preset.training,
        seed=seed,
        device=device,
        n_workers=0 if isinstance(examples[TRAIN], InMemory) else n_workers,
        on_epoch=on_epoch,
    )
    logits = [logits_of(learner, examples[side], batch=batch, device=device) for side in SIDES]
    answers = Answers(
        np.concatenate([examples[side].clip for side in SIDES]),
        np.concatenate([examples[side].is_authentic for side in SIDES]),
        np.concatenate(logits),
        by_logit=preset.family == "appearance",
    )
    asked = _examples_of(preset.model, clips, TEST)
    parameters = list(network.parameters())
    return Taught(
        answers,
        taught.curve,
        taught.best_loss_epoch,
        taught.best_accuracy_epoch,
        prepared_s + taught.seconds,
        sum(weight.numel() for weight in parameters),
        sum(weight.numel() for weight in parameters if weight.requires_grad),
        write_weights(network, weights),
        ms_a_clip(network, asked, asked.clip, device=device),
    )


def _built(model: FaceNetwork | PoseNetwork, pretrained: bool) -> FaceClassifier | PoseClassifier:
    if isinstance(model, FaceNetwork):
        return FaceClassifier(model, pretrained=pretrained)
    return PoseClassifier(model)


def _examples_of(model: FaceNetwork | PoseNetwork, clips: Sequence[StudyClip], side: str) -> Examples:
    if isinstance(model, PoseNetwork):
        return movement_examples(clips, (side,), model)
    return face_examples(clips, (side,), model, by_frame=model.by_frame)


def _check_side(preset: Preset, side: str, is_authentic: BoolArray) -> None:
    n_real, n_fake = int(is_authentic.sum()), int((~is_authentic).sum())
    needs_both = side == TRAIN
    if (n_real and n_fake) if needs_both else (n_real or n_fake):
        return
    if isinstance(preset.model, FaceNetwork):
        needed = "videos in which a face is seen"
    else:
        least = getattr(preset.model, "shortest_frames", preset.model.window_frames)
        needed = f"clips with an uncut piece of {least / FPS:.3g} s ({least} frames) in which the upper body is seen"
    raise StudyError(
        f"{n_real} examples of real and {n_fake} of fake {side} clips; {'one of each' if needs_both else 'one'} is "
        f"needed: {needed}"
    )


def _sigmoid(logits: Float64Array) -> Float64Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(logits))))
