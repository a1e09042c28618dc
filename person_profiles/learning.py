"""From the clips of a person and of others to what scores a window: lesson, network, statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from person_profiles.profile import VideoRecord
from poseauth.arrays import Float32Array, Int32Array
from poseauth.inference import PERSON
from poseauth.models import taught
from poseauth.recipes import Recipe, TrainingOptions
from poseauth.scoring import WindowScorer, fit_statistics
from poseauth.surrogates import chimeras, surrogate_impostors
from poseauth.training import Epoch, LabelledWindows, train
from poseauth.windows import Windows


@dataclass(frozen=True, eq=False)
class Clip:
    """The training windows of one source video."""

    windows: Windows
    record: VideoRecord

    @property
    def video(self) -> str:
        """By which the video is known."""
        return self.record.recording


@dataclass(frozen=True, eq=False)
class Learnt:
    """What scores windows, and how many epochs it took."""

    scorer: WindowScorer
    n_epochs: int


def learn(
    own: Sequence[Clip],
    others: Sequence[Clip],
    recipe: Recipe,
    *,
    rng: np.random.Generator,
    seed: int,
    device: str = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Learnt:
    """Learn a person against others; against surrogates of their own movement where there is nobody.

    Parameters
    ----------
    own, others : sequence of Clip
        Videos of the person, at least one, and of others.
    recipe : Recipe
        Architecture and training.
    rng : np.random.Generator
        Decides surrogates, chimeras, and which videos choose the epoch.
    seed : int
        Of the network.
    device : str
        Where to compute.
    on_epoch : callable
        Told of every epoch as it ends.
    """
    own, others, chosen_on = _set_aside(own, others, recipe.training.validation, rng)
    people = _people(own, others, rng)
    learnt = train(
        _lesson(people, recipe.training, rng, mixable=bool(others)),
        recipe,
        validation=_validation(*chosen_on) if chosen_on else None,
        seed=seed,
        device=device,
        on_epoch=on_epoch,
    )
    statistics = fit_statistics(recipe.architecture.features, people) if recipe.architecture.statistics else {}
    return Learnt(WindowScorer(taught(learnt.model), statistics), learnt.best_epoch)


def groups_of(clips: Sequence[Clip]) -> list[str]:
    """Who is in these clips, by name."""
    return sorted({clip.record.group for clip in clips})


def _set_aside(
    own: Sequence[Clip], others: Sequence[Clip], share: float, rng: np.random.Generator
) -> tuple[Sequence[Clip], Sequence[Clip], tuple[list[Clip], list[Clip]] | None]:
    """Whole videos of both sides on which the epoch is chosen; None where the recipe asks for none, or too few are."""
    if share <= 0 or len(own) < 2 or len(others) < 2:
        return own, others, None
    kept, aside = [], []
    for clips in (own, others):
        order = rng.permutation(len(clips))
        n_aside = max(1, round(share * len(clips)))
        aside.append([clips[i] for i in sorted(order[:n_aside])])
        kept.append([clips[i] for i in sorted(order[n_aside:])])
    return kept[0], kept[1], (aside[0], aside[1])


def _people(own: Sequence[Clip], others: Sequence[Clip], rng: np.random.Generator) -> list[Float32Array]:
    """The windows of the person and of everybody else."""
    genuine = _windows_of(own)
    if not others:
        return [genuine, surrogate_impostors(genuine, rng=rng)]
    return [genuine, *(_windows_of([c for c in others if c.record.group == who]) for who in groups_of(others))]


def _windows_of(clips: Sequence[Clip]) -> Float32Array:
    return np.concatenate([clip.windows.keypoints for clip in clips])


def _lesson(
    people: Sequence[Float32Array], options: TrainingOptions, rng: np.random.Generator, *, mixable: bool
) -> LabelledWindows:
    """The person is class 0, every other person a class of their own, and so are the chimeras by each one's head."""
    parts = list(people)
    n_mixed = round(options.chimeras * sum(map(len, people))) if mixable else 0
    if n_mixed:
        mixed, heads = chimeras(people, n_mixed, rng=rng)
        parts += [mixed[heads == head] for head in np.unique(heads)]
    labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype(np.int32)
    return LabelledWindows(np.concatenate(parts), labels)


def _validation(own: Sequence[Clip], others: Sequence[Clip]) -> LabelledWindows:
    """Person against the rest: which of the others it is does not count."""
    sides: tuple[Float32Array, Float32Array] = (_windows_of(own), _windows_of(others))
    classes: Int32Array = np.repeat([PERSON, PERSON + 1], [len(side) for side in sides]).astype(np.int32)
    return LabelledWindows(np.concatenate(sides), classes)
