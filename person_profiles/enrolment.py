"""Learning how a person moves: from keypoint sequences to a profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from person_profiles.profile import Profile, Role, SelfTest, VideoRecord
from poseauth import __version__
from poseauth.arrays import Float32Array, Int32Array
from poseauth.errors import EnrolmentError, ExtractorMismatchError
from poseauth.keypoints import ExtractorFingerprint, KeypointSequence
from poseauth.models import PERSON, score_windows, weights_of
from poseauth.recipes import RECIPES, Recipe
from poseauth.surrogates import MIN_WINDOWS as MIN_SURROGATE_WINDOWS
from poseauth.surrogates import mirror_images, surrogate_impostors
from poseauth.training import Epoch, LabelledWindows, train
from poseauth.windows import WindowOptions, Windows, cut_windows

MIN_ENROL_S = 20.0
"""Usable seconds below which nothing is learnt."""
NO_REAL_IMPOSTOR = (
    "this profile has met no real impostor: it tells the person from broken movement, and nobody knows how well from "
    "somebody else. Enrol again with --impostor"
)


@dataclass(frozen=True, eq=False)
class Negative:
    """Movement of somebody else; `group` names whom, so that videos of one person stay together."""

    sequence: KeypointSequence
    group: str
    role: Role


@dataclass(frozen=True, eq=False)
class _Clip:
    """The training windows of one source video."""

    windows: Windows
    record: VideoRecord


def enrol(
    name: str,
    genuine: Sequence[KeypointSequence],
    negatives: Sequence[Negative] = (),
    *,
    recipe: Recipe | None = None,
    window_options: WindowOptions | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Profile:
    """Learn a person from authentic videos, against videos of others.

    Whole videos are held out to test; no window of one video stands on both sides. Without
    any real negative, surrogate impostors are made from the person's own movement, and the profile says so.

    Parameters
    ----------
    name : str
        The person.
    genuine : sequence of KeypointSequence
        Their videos.
    negatives : sequence of Negative
        Fakes, impostors, other enrolled people.
    recipe : Recipe
        Architecture and training; the default recipe if None.
    window_options : WindowOptions
        How clips are cut at verification.
    seed : int
        Two enrolments with one seed on one machine agree.
    device : str
        Where to compute: "cpu", "cuda", ...
    on_epoch : callable
        Told of every epoch as it ends.

    Returns
    -------
    Profile

    Raises
    ------
    EnrolmentError
        If there is too little usable video, or one video stands on both sides.
    ExtractorMismatchError
        If the keypoints come from more than one extractor.
    """
    recipe, options = recipe or RECIPES["default"], window_options or WindowOptions()
    extractor = _one_extractor([*genuine, *(negative.sequence for negative in negatives)])
    _check_sides(genuine, negatives)
    training_cut = WindowOptions(**{**vars(options), "stride_frames": recipe.training.stride_frames})
    own = _clips([(sequence, "genuine", "") for sequence in genuine], training_cut)
    others = _clips([(n.sequence, n.role, n.group) for n in negatives], training_cut)
    _check_enough(name, own, alone=not others)
    rng = np.random.default_rng(seed)
    own_test, others_test, unknown = _hold_out(own, others, recipe.training.held_out, rng)
    own_train = [clip for clip in own if clip not in own_test]
    others_train = [clip for clip in others if clip not in others_test]
    validation = _labelled(own_test, others_test, rng) if own_test else None
    learnt = train(
        _lesson(own_train, others_train, recipe, rng),
        recipe,
        validation=validation,
        seed=seed,
        device=device,
        on_epoch=on_epoch,
    )
    self_test = None
    if validation is not None:
        scores = score_windows(learnt.model, validation.windows)
        self_test = _self_test(scores, validation, len(own_test), len(others_test), unknown=unknown)
        if recipe.training.refit:
            learnt = train(_lesson(own, others, recipe, rng), recipe, seed=seed, device=device, on_epoch=on_epoch)
    return Profile(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        poseauth_version=__version__,
        extractor=extractor,
        windows=options,
        recipe=recipe,
        seed=seed,
        n_epochs=learnt.best_epoch,
        videos=tuple(clip.record for clip in [*own, *others]),
        n_surrogates=0 if others else sum(len(clip.windows) for clip in own),
        self_test=self_test,
        notes=_notes(has_others=bool(others), tested=self_test is not None),
        weights=weights_of(learnt.model),
    )


def _one_extractor(sequences: Sequence[KeypointSequence]) -> ExtractorFingerprint | None:
    found = {sequence.provenance.extractor and sequence.provenance.extractor.digest for sequence in sequences}
    if len(found) > 1:
        names = sorted({str(sequence.provenance.extractor or "unknown") for sequence in sequences})
        raise ExtractorMismatchError(
            f"the keypoints come from {len(found)} extractors: {', '.join(names)}. Two estimators do not place a wrist "
            "alike, and the network would learn the estimator: extract all videos with one"
        )
    return sequences[0].provenance.extractor if sequences else None


def _check_sides(genuine: Sequence[KeypointSequence], negatives: Sequence[Negative]) -> None:
    own = {sequence.recording: sequence.provenance.source_name for sequence in genuine}
    for negative in negatives:
        source = negative.sequence.provenance
        if negative.sequence.recording in own:
            raise EnrolmentError(
                f"{source.source_name} is given as {negative.role} and, as {own[negative.sequence.recording]}, as "
                "the person's own video: one and the same file. Take it out of one side"
            )


def _clips(sources: Sequence[tuple[KeypointSequence, Role, str]], cut: WindowOptions) -> list[_Clip]:
    """One clip a source video with usable windows; the same video given twice counts once."""
    clips, met = [], set()
    for sequence, role, group in sources:
        source = sequence.provenance
        if sequence.recording in met:
            continue
        met.add(sequence.recording)
        windows = cut_windows(sequence, cut)
        if len(windows):
            record = VideoRecord(
                source.source_name,
                source.source_sha256,
                sequence.recording,
                role,
                group,
                round(windows.seconds, 3),
                len(windows),
            )
            clips.append(_Clip(windows, record))
    # The order of files must not matter.
    return sorted(clips, key=lambda clip: (clip.record.role, clip.record.group, clip.record.recording))


def _check_enough(name: str, own: Sequence[_Clip], *, alone: bool) -> None:
    seconds = sum(clip.record.seconds for clip in own)
    if seconds < MIN_ENROL_S:
        raise EnrolmentError(
            f"{len(own)} videos show {name}'s upper body for {seconds:.1f} s in uncut pieces of 5 s or more; "
            f"{MIN_ENROL_S:g} s are needed to learn anything, minutes to learn it well. Give longer videos in which "
            "shoulders, elbows and head are in view"
        )
    n_windows = sum(len(clip.windows) for clip in own)
    if alone and n_windows < MIN_SURROGATE_WINDOWS:
        raise EnrolmentError(
            f"{name} has {n_windows} windows of 5 s and nobody to compare with; {MIN_SURROGATE_WINDOWS} are needed to "
            "make surrogate impostors. Give longer videos, or clips of other people with --impostor"
        )


def _hold_out(
    own: Sequence[_Clip], others: Sequence[_Clip], share: float, rng: np.random.Generator
) -> tuple[list[_Clip], list[_Clip], bool]:
    """Whole videos for validation, on both sides or on none; and whether the other people in it are new ones."""
    if share <= 0 or len(own) < 3:
        return [], [], False
    n_own = max(1, round(share * len(own)))
    own_test = [own[i] for i in rng.permutation(len(own))[:n_own]]
    if not others:
        n_test = sum(len(clip.windows) for clip in own_test)
        n_left = sum(len(clip.windows) for clip in own) - n_test
        return (own_test, [], False) if min(n_test, n_left) >= MIN_SURROGATE_WINDOWS else ([], [], False)
    groups = sorted({clip.record.group for clip in others})
    if len(groups) >= 3:
        n_groups = max(1, round(share * len(groups)))
        out = {groups[i] for i in rng.permutation(len(groups))[:n_groups]}
        return own_test, [clip for clip in others if clip.record.group in out], True
    if len(others) >= 3:
        n_others = max(1, round(share * len(others)))
        return own_test, [others[i] for i in rng.permutation(len(others))[:n_others]], False
    return [], [], False


def _lesson(own: Sequence[_Clip], others: Sequence[_Clip], recipe: Recipe, rng: np.random.Generator) -> LabelledWindows:
    """What is learnt from: the labelled windows and, where the recipe says so, their mirror images as more people."""
    labelled = _labelled(own, others, rng)
    if not recipe.training.mirror_images:
        return labelled
    n_classes = int(labelled.classes.max()) + 1
    return LabelledWindows(
        np.concatenate([labelled.windows, mirror_images(labelled.windows)]),
        np.concatenate([labelled.classes, labelled.classes + np.int32(n_classes)]),
    )


def _labelled(own: Sequence[_Clip], others: Sequence[_Clip], rng: np.random.Generator) -> LabelledWindows:
    """Windows and classes: the person 0, every other person a class of their own; surrogates where there are none."""
    genuine = np.concatenate([clip.windows.keypoints for clip in own])
    if not others:
        mixed = surrogate_impostors(genuine, rng=rng)
        classes = np.repeat([PERSON, PERSON + 1], [len(genuine), len(mixed)])
        return LabelledWindows(np.concatenate([genuine, mixed]), classes.astype(np.int32))
    number = {group: i for i, group in enumerate(sorted({clip.record.group for clip in others}), start=PERSON + 1)}
    labels: list[Int32Array] = [np.full(len(genuine), PERSON, np.int32)]
    labels += [np.full(len(clip.windows), number[clip.record.group], np.int32) for clip in others]
    windows = np.concatenate([genuine, *(clip.windows.keypoints for clip in others)])
    return LabelledWindows(windows, np.concatenate(labels))


def _self_test(
    scores: Float32Array, validation: LabelledWindows, n_genuine_videos: int, n_other_videos: int, *, unknown: bool
) -> SelfTest:
    is_person = validation.classes == PERSON
    return SelfTest(
        n_genuine_videos=n_genuine_videos,
        n_other_videos=n_other_videos,
        n_genuine_windows=int(is_person.sum()),
        n_other_windows=int((~is_person).sum()),
        accuracy_genuine=float((scores[is_person] > 0.5).mean()),
        accuracy_others=float((scores[~is_person] <= 0.5).mean()),
        others_unknown=unknown,
    )


def _notes(*, has_others: bool, tested: bool) -> tuple[str, ...]:
    notes = []
    if not has_others:
        notes.append(NO_REAL_IMPOSTOR)
    if not tested:
        notes.append(
            "this profile is untested: there were too few videos to hold one out (three of the person and three of "
            "others are needed)"
        )
    return tuple(notes)
