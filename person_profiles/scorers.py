"""What is tried in a verification experiment: the profile, an enrolled profile as it is, and the plain baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from person_profiles.enrolment import Negative, enrol
from person_profiles.learnable import learnable_windows
from person_profiles.profile import Profile
from person_profiles.verification import check_extractor, load_scorer, score_clip
from poseauth.arrays import Float32Array, Float64Array
from poseauth.baselines import BASELINES, WindowScorer, fit_baseline
from poseauth.errors import EnrolmentError, TooShortError
from poseauth.keypoints import KeypointSequence
from poseauth.recipes import Recipe
from poseauth.training import Epoch
from poseauth.windows import N_POINTS, WINDOW_FRAMES, WINDOW_S, Points, WindowOptions, cut_windows

TRAINING_STRIDE_FRAMES = 30
"""Of the baselines; a profile's is in its recipe."""
TEST_CUT = WindowOptions(stride_frames=WINDOW_FRAMES)
"""Windows of a tried clip do not overlap: overlapping ones would count one movement several times."""
_UNCALIBRATED_THRESHOLD = 0.5
"""Of a network's probability."""


@dataclass(frozen=True)
class Stranger:
    """The sequences of one other person, who serves as an impostor in training."""

    group: str
    sequences: tuple[KeypointSequence, ...]


@dataclass(frozen=True, eq=False)
class ClipScore:
    """How much a clip is like the person.

    Attributes
    ----------
    score : float
        Of the whole clip; higher = more like the person.
    window_scores : np.ndarray [shape=(N,)], float64
        Of each window, on the same scale.
    window_start_s : np.ndarray [shape=(N,)], float64
        Seconds into the clip.
    log10_lr, window_log10_lr :
        The calibrated likelihood ratio of the clip and of each window [shape=(N,)]; None where nothing is calibrated.
    judged : bool
        False where the profile gives such a clip no likelihood ratio; its log10_lr are 0 then, as good as no answer.
    """

    score: float
    window_scores: Float64Array
    window_start_s: Float64Array
    log10_lr: float | None = None
    window_log10_lr: Float64Array | None = None
    judged: bool = True


class FittedScorer(Protocol):
    """Knows one person."""

    threshold: float | None
    """Score above which a clip or window is accepted; None where the scale has no such point."""

    def score(self, sequence: KeypointSequence) -> ClipScore:
        """How much a clip is like the person.

        Raises
        ------
        PoseAuthError
            If it cannot be analysed.
        """


class Scorer(Protocol):
    """Learns a person from their sequences and those of others."""

    def fit(self, person: str, own: Sequence[KeypointSequence], others: Sequence[Stranger]) -> FittedScorer:
        """What was learnt.

        Raises
        ------
        PoseAuthError
            If nothing can be learnt from these.
        """


@dataclass(frozen=True)
class ProfileScorer:
    """Enrols as `poseauth enroll --allow-weak` does: self-test, calibration, profile.

    Attributes
    ----------
    recipe : Recipe or None
        None: the default one.
    seed : int
        Of every enrolment.
    device : str
        Where to learn.
    on_epoch : callable or None
        Told of every epoch.
    """

    recipe: Recipe | None = None
    seed: int = 0
    device: str = "cpu"
    on_epoch: Callable[[Epoch], None] | None = None

    def fit(self, person: str, own: Sequence[KeypointSequence], others: Sequence[Stranger]) -> FittedScorer:
        """A profile of the person."""
        negatives = [Negative(sequence, other.group, "impostor") for other in others for sequence in other.sequences]
        profile = enrol(
            person,
            own,
            negatives,
            recipe=self.recipe,
            seed=self.seed,
            device=self.device,
            allow_weak=True,
            on_epoch=self.on_epoch,
        )
        return ProfileInUse(profile)


class ProfileInUse:
    """A profile as it is, ready to score clips."""

    def __init__(self, profile: Profile) -> None:
        self._profile = replace(profile, windows=replace(profile.windows, stride_frames=WINDOW_FRAMES))
        self._scorer = load_scorer(profile)
        self.threshold = 0.0 if profile.calibrated else _UNCALIBRATED_THRESHOLD if not self._scorer.statistics else None

    def score(self, sequence: KeypointSequence) -> ClipScore:
        """Calibrated log-odds of the person for each window, and for the clip from their mean score.

        Without a calibration the raw scores, and their mean.

        Raises
        ------
        ExtractorMismatchError
            If its keypoints come from another extractor than the profile's.
        InputError
            If it has no usable window.
        """
        check_extractor(sequence, self._profile)
        found = score_clip(sequence, self._profile, self._scorer)
        starts, calibrated = found.windows.start_s, self._profile.calibrated
        if calibrated is None:
            return ClipScore(float(found.raw.mean()), found.raw, starts)
        of_windows = calibrated.windows(found.raw)
        mean = np.array([found.raw.mean()])
        # Seen from another side than the enrolled videos, a clip has a score and no likelihood ratio.
        counts = 0.0 if found.turned else 1.0
        return ClipScore(
            score=float(calibrated.clips.line(mean)[0]),
            window_scores=of_windows,
            window_start_s=starts,
            log10_lr=counts * float(calibrated.clips.log10_lr(mean)[0]),
            window_log10_lr=counts * of_windows / np.log(10.0),
            judged=not found.turned,
        )


@dataclass(frozen=True)
class BaselineScorer:
    """Plain statistics in place of the network.

    Attributes
    ----------
    name : str
        One of `poseauth.baselines.BASELINES`.
    """

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        if self.name not in BASELINES:
            raise ValueError(f"no baseline is called {self.name!r}; known are {', '.join(BASELINES)}")

    def fit(self, person: str, own: Sequence[KeypointSequence], others: Sequence[Stranger]) -> FittedScorer:
        """The baseline's statistics of the person and the others."""
        try:
            return _BaselineInUse(
                fit_baseline(self.name, self._windows_of(own), [self._windows_of(one.sequences) for one in others]),
                self._points,
            )
        except ValueError as error:
            raise EnrolmentError(f"{person} cannot be learnt by {self.name}: {error}") from error

    @property
    def _points(self) -> Points:
        return BASELINES[self.name].points

    def _windows_of(self, sequences: Sequence[KeypointSequence]) -> Float32Array:
        cut = WindowOptions(stride_frames=TRAINING_STRIDE_FRAMES, points=self._points)
        found = [learnable_windows(sequence, cut).windows.keypoints for sequence in sequences]
        return np.concatenate(found) if found else np.zeros((0, WINDOW_FRAMES, N_POINTS[self._points], 2), np.float32)


class _BaselineInUse:
    def __init__(self, scorer: WindowScorer, points: Points) -> None:
        self._scorer = scorer
        self._cut = replace(TEST_CUT, points=points)
        self.threshold = scorer.threshold

    def score(self, sequence: KeypointSequence) -> ClipScore:
        windows = cut_windows(sequence, self._cut)
        if not len(windows):
            raise TooShortError(
                f"{sequence.provenance.source_name}: no uncut piece shows the upper body for {WINDOW_S:g} s, which one "
                "window needs. Try a longer clip"
            )
        scores = self._scorer(windows.keypoints)
        return ClipScore(float(scores.mean()), scores, windows.start_s)
