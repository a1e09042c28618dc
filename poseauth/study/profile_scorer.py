"""The pose profile's own scorer among the detectors: learnt as at enrolment, the fakes being somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Float64Array
from poseauth.models import taught
from poseauth.recipes import RECIPES, Recipe, seeing
from poseauth.scoring import WindowScorer, fit_statistics, scorer_from_arrays
from poseauth.study.presets import PoseProfile
from poseauth.surrogates import chimeras
from poseauth.training import LabelledWindows, train


@dataclass(frozen=True, eq=False)
class FittedProfile:
    """A profile's scorer and the preset that it came from.

    Attributes
    ----------
    profile : PoseProfile
    scorer : WindowScorer
    """

    profile: PoseProfile
    scorer: WindowScorer

    gives_log_odds = False

    @property
    def arrays(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Everything it knows, by name."""
        return self.scorer.as_arrays()

    def score(self, windows: Float32Array) -> Float64Array:
        """Raw scores [shape=(N,)] of windows [shape=(N, 150, 12, 2)]; higher = more authentic, on its own scale."""
        return self.scorer(windows)


def fit_profile(
    profile: PoseProfile, windows: Float32Array, authentic: BoolArray, *, seed: int = 0, device: str = "cpu"
) -> FittedProfile:
    """A profile's scorer learnt from labelled windows, the authentic ones being the person's.

    Enrolment knows each other person; here the fakes are one.

    Parameters
    ----------
    profile : PoseProfile
        Its size.
    windows : np.ndarray [shape=(N, 150, 12, 2)], float32
        Pixels, NaN where missing.
    authentic : np.ndarray [shape=(N,)], bool
    seed : int
        Decides first weights, order, dropout and chimeras.
    device : str
        Where the network is taught; it is given back on the CPU.

    Raises
    ------
    ValueError
        If one side is missing.
    """
    if len(windows) != len(authentic) or not authentic.any() or authentic.all():
        raise ValueError(f"{int(authentic.sum())} authentic windows of {len(windows)}; both sides are needed")
    recipe = recipe_of(profile)
    people = [windows[authentic], windows[~authentic]]
    parts = list(people)
    n_mixed = round(recipe.training.chimeras * len(windows))
    if n_mixed:
        mixed, heads = chimeras(people, n_mixed, rng=np.random.default_rng(seed))
        parts += [mixed[heads == head] for head in np.unique(heads)]
    classes = np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype(np.int32)
    learnt = train(LabelledWindows(np.concatenate(parts), classes), recipe, seed=seed, device=device)
    statistics = fit_statistics(recipe.architecture.features, people) if recipe.architecture.statistics else {}
    return FittedProfile(profile, WindowScorer(taught(learnt.model), statistics))


def recipe_of(profile: PoseProfile) -> Recipe:
    """The default recipe with the preset's own size."""
    recipe = seeing(RECIPES["default"], "twelve")
    if profile.width is not None:
        recipe = replace(recipe, architecture=replace(recipe.architecture, hidden=profile.width))
    if profile.min_steps is not None:
        recipe = replace(recipe, training=replace(recipe.training, min_steps=profile.min_steps))
    return recipe


def profile_from_arrays(profile: PoseProfile, arrays: Mapping[str, np.ndarray[Any, Any]]) -> FittedProfile:
    """The model whose `arrays` these are.

    Raises
    ------
    ValueError
        If they are not those of such a scorer, or not finite.
    """
    return FittedProfile(profile, scorer_from_arrays(recipe_of(profile).architecture, arrays))
