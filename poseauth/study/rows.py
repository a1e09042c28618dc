"""One row of the study: a preset taught and asked on the split, and whatever comes of it told as plain values."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poseauth import __version__
from poseauth.errors import PoseAuthError
from poseauth.study.clips import StudyClip
from poseauth.study.detectors import Answers, Taught, teach_preset
from poseauth.study.fitting import StudyEpoch, is_out_of_memory, loss_and_accuracy
from poseauth.study.fusion import ClipScore, by_attack
from poseauth.study.measures import Measures, measure
from poseauth.study.presets import FaceNetwork, Model, Preset
from poseauth.study.splitting import SIDES

DONE, FAILED, OUT_OF_MEMORY = "done", "failed", "out of memory"


@dataclass(frozen=True)
class RowTask:
    """What one row is of.

    Attributes
    ----------
    key : str
        What the row rests on; by it a row is found again.
    preset : Preset
        As it is taught.
    name : str
        The preset's name, without a length.
    length : int or None
        Frames of a window or of a clip, where the user asked for lengths.
    repeat, seed : int
        The so-manieth time, from 1 on, and what decides it.
    pretrained : bool
        Whether backbones begin with ImageNet weights.
    device : str
        Where to compute.
    n_workers : int
        Processes that read faces ahead.
    weights : Path or None
        File for the weights; None: they are measured and not kept.
    """

    key: str
    preset: Preset
    name: str
    length: int | None
    repeat: int
    seed: int
    pretrained: bool
    device: str
    n_workers: int = 0
    weights: Path | None = None

    @property
    def about(self) -> tuple[str, int | None, int]:
        """What tells rows of one study apart."""
        return self.name, self.length, self.repeat


@dataclass(frozen=True)
class RowWork:
    """Teaches and asks one preset after another, in whatever process.

    Attributes
    ----------
    clips : tuple of StudyClip
        Of all sides.
    """

    clips: tuple[StudyClip, ...]

    def __call__(self, task: RowTask, tell: Callable[[StudyEpoch], None]) -> dict[str, Any]:
        """The row; what can go wrong is a row too, and `tell` hears of every epoch."""
        try:
            return self._row(task, tell)
        except (PoseAuthError, FloatingPointError) as error:
            return failed_row(task, str(error))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            told = f"{_first_line(error)}. A smaller batch, or fewer and smaller frames, need less"
            return failed_row(task, told, OUT_OF_MEMORY)

    def _row(self, task: RowTask, tell: Callable[[StudyEpoch], None]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="poseauth-") as folder:
            taught = teach_preset(
                task.preset,
                self.clips,
                seed=task.seed,
                device=task.device,
                pretrained=task.pretrained,
                n_workers=task.n_workers,
                weights=task.weights or Path(folder) / "weights.safetensors",
                on_epoch=tell,
            )
        scores = clip_scores(self.clips, taught.answers)
        return {
            **row_head(task),
            "key": task.key,
            "status": DONE,
            "reason": "",
            "sides": {side: self._side(side, taught, scores, task.seed) for side in SIDES},
            "by_attack": {attack: as_plain(found) for attack, found in by_attack(scores).items()},
            "curve": [asdict(epoch) for epoch in taught.curve],
            "best_loss_epoch": taught.best_loss_epoch,
            "best_accuracy_epoch": taught.best_accuracy_epoch,
            "training_s": taught.seconds,
            "n_parameters": taught.parameters.n_all,
            "n_trainable_parameters": taught.parameters.n_trainable,
            "weights_bytes": taught.weights_bytes,
            "inference_ms_a_clip": taught.ms_a_clip,
            "scores": {score.digest: score.probability for score in scores},
        }

    def _side(self, side: str, taught: Taught, scores: Sequence[ClipScore], seed: int) -> dict[str, Any]:
        """The figures of one side: of examples as the network sees them, and of clips."""
        here = [score for score in scores if score.side == side]
        rows = np.array([self.clips[clip].side == side for clip in taught.answers.clip], bool)
        loss, accuracy = (None, None)
        if rows.any():
            loss, accuracy = loss_and_accuracy(taught.answers.logits[rows], taught.answers.is_authentic[rows])
        found = measure(
            np.array([score.is_authentic for score in here], bool),
            np.array([score.probability for score in here], np.float64),
            groups=[score.group for score in here],
            seed=seed,
        )
        return {
            "n_examples": int(rows.sum()),
            "example_loss": loss,
            "example_accuracy": accuracy,
            "n_without_score": sum(clip.side == side for clip in self.clips) - len(here),
            **as_plain(found),
        }


def clip_scores(clips: Sequence[StudyClip], answers: Answers) -> list[ClipScore]:
    """One score a clip that has an example: the mean over its examples."""
    return [
        ClipScore(
            clips[number].clip.digest,
            clips[number].side,
            clips[number].is_authentic,
            clips[number].clip.group,
            clips[number].clip.attack,
            probability,
        )
        for number, probability in answers.of_clips().items()
    ]


def row_head(task: RowTask) -> dict[str, Any]:
    """What a row says of itself, whatever came out."""
    return {
        "preset": task.name,
        "family": task.preset.family,
        "title": task.preset.title,
        "source": task.preset.source,
        "length": task.length,
        "repeat": task.repeat,
        "seed": task.seed,
        "device": task.device,
        "pretrained": task.pretrained and has_published_weights(task.preset.model),
        "poseauth_version": __version__,
    }


def has_published_weights(model: Model) -> bool:
    """Whether there are ImageNet weights for its backbone."""
    return isinstance(model, FaceNetwork) and not model.narrow and model.backbone not in ("mesonet4", "custom")


def failed_row(task: RowTask, reason: str, status: str = FAILED) -> dict[str, Any]:
    """The row of what could not be done; without a key, so that the next run tries again."""
    return {**row_head(task), "key": "", "status": status, "reason": reason}


def as_plain(found: Measures) -> dict[str, Any]:
    """Figures as plain values for JSON."""
    return {
        "n_real": found.n_real,
        "n_fake": found.n_fake,
        **found.values,
        "undefined": dict(found.undefined),
        "intervals": {name: [one.low, one.high] for name, one in found.intervals.items()},
        "confusion": asdict(found.confusion),
    }


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
