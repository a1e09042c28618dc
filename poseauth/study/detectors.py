"""Every kind of preset by one call: its examples are made, it is taught, and asked about the clips of all sides."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from poseauth.calibration import ScoreLine, fit_line
from poseauth.errors import StudyError
from poseauth.keypoints import N_KEYPOINTS
from poseauth.study.building import Parameters, build_network, count_parameters, fit_preset
from poseauth.study.clips import StudyClip
from poseauth.study.examples import Examples, InMemory, cut_clip, face_examples, movement_examples
from poseauth.study.face_networks import FaceClassifier
from poseauth.study.fitting import StudyEpoch, logits_of, median_ms, ms_a_clip, teach
from poseauth.study.frozen_features import HeadOnFeatures, features_once
from poseauth.study.presets import FaceNetwork, PoseNetwork, PoseProfile, Preset, WindowClassifier
from poseauth.study.profile_scorer import recipe_of
from poseauth.study.splitting import SIDES, TEST, TRAIN, VALIDATION
from poseauth.study.weight_files import write_weights
from poseauth.windows import FPS, WindowOptions, cut_windows

if TYPE_CHECKING:
    from torch import nn

    from poseauth.study.building import Fitted


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
    parameters : Parameters
        How many numbers the model has.
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
    parameters: Parameters
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
    return _fitted(preset, clips, seed, device, weights)


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
    model = preset.model
    assert preset.training is not None
    assert isinstance(model, FaceNetwork | PoseNetwork)
    batch = preset.training.batch
    network = build_network(preset, seed=seed, pretrained=pretrained)
    started = time.perf_counter()
    examples = {side: _examples_of(model, clips, side) for side in SIDES}
    asked = examples[TEST]
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
    parameters = count_parameters(network)
    return Taught(
        answers,
        taught.curve,
        taught.best_loss_epoch,
        taught.best_accuracy_epoch,
        prepared_s + taught.seconds,
        parameters,
        write_weights(network, weights),
        ms_a_clip(network, asked, asked.clip, device=device),
    )


def _fitted(preset: Preset, clips: Sequence[StudyClip], seed: int, device: str, weights: Path) -> Taught:
    """What is fitted at once, on windows in pixels."""
    model = preset.model
    assert isinstance(model, WindowClassifier | PoseProfile)
    started = time.perf_counter()
    cut = {side: _windows_of(model, clips, side) for side in SIDES}
    for side in (TRAIN, VALIDATION):
        _check_side(preset, side, cut[side].is_authentic)
    train = cut[TRAIN]
    fitted = fit_preset(preset, train.windows, train.is_authentic, seed=seed, device=device)
    seconds = time.perf_counter() - started
    scores = {side: fitted.score(one.windows) for side, one in cut.items()}
    if not fitted.gives_log_odds:
        line = _line_of(preset, scores[VALIDATION], cut[VALIDATION])
        scores = {side: line(values) for side, values in scores.items()}
    answers = Answers(
        np.concatenate([cut[side].clip for side in SIDES]),
        np.concatenate([cut[side].is_authentic for side in SIDES]),
        np.concatenate([scores[side] for side in SIDES]),
        # A line was put through clips' mean scores.
        by_logit=not fitted.gives_log_odds,
    )
    test = cut[TEST]
    return Taught(
        answers,
        (),
        None,
        None,
        seconds,
        count_parameters(fitted),
        write_weights(fitted, weights),
        _ms_a_clip(fitted, test),
    )


@dataclass(frozen=True, eq=False)
class _CutWindows:
    """Windows in pixels [shape=(N, L, 12, 2)] with their clips and labels."""

    windows: Float32Array
    clip: Int64Array
    is_authentic: BoolArray


def _windows_of(model: WindowClassifier | PoseProfile, clips: Sequence[StudyClip], side: str) -> _CutWindows:
    found = []
    for number, clip in enumerate(clips):
        if clip.side != side:
            continue
        if side == TRAIN and isinstance(model, PoseProfile):
            # An enrolment learns from windows that overlap.
            stride = recipe_of(model).training.stride_frames
            windows = list(cut_windows(clip.sequence, WindowOptions(stride_frames=stride)).keypoints)
        else:
            windows = cut_clip(clip, model)
        found += [(number, window) for window in windows]
    owners = np.array([number for number, _ in found], np.int64)
    stacked = (
        np.stack([window for _, window in found])
        if found
        else np.zeros((0, model.window_frames, N_KEYPOINTS, 2), np.float32)
    )
    return _CutWindows(stacked, owners, np.array([clips[number].is_authentic for number in owners], bool))


def _ms_a_clip(fitted: Fitted, test: _CutWindows) -> float | None:
    of_clips = [test.windows[test.clip == number] for number in np.unique(test.clip)]
    return median_ms([partial(fitted.score, windows) for windows in of_clips])


def _line_of(preset: Preset, scores: Float64Array, validation: _CutWindows) -> ScoreLine:
    """From scores on a scale of their own to log odds, by the mean scores of validation clips."""
    numbers = np.unique(validation.clip)
    means = np.array([scores[validation.clip == number].mean() for number in numbers])
    labels = np.array([validation.is_authentic[validation.clip == number][0] for number in numbers])
    if labels.all() or not labels.any():
        raise StudyError(
            f"{preset.name} gives no probabilities, and its scores are set on a scale by validation clips: "
            f"{int(labels.sum())} real and {int((~labels).sum())} fake ones have windows, one of each is needed"
        )
    return fit_line(means, labels, [np.array([row]) for row in range(len(numbers))])


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
