"""Learning how a person moves: from keypoint sequences to a profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations

import numpy as np

from person_profiles.already_enrolled import weaknesses_of
from person_profiles.learnable import Learnable, learnable_windows
from person_profiles.learning import Clip, learn
from person_profiles.profile import Profile, Role, VideoRecord
from person_profiles.self_test import hold_self_test
from poseauth import __version__
from poseauth.errors import EnrolmentError, ExtractorMismatchError, WeakProfileError
from poseauth.evidence import Evidence
from poseauth.head_turn import turns_of
from poseauth.keypoints import ExtractorFingerprint, KeypointSequence
from poseauth.near_duplicates import near_duplicates
from poseauth.recipes import RECIPES, Recipe, seeing
from poseauth.shown_text import counted
from poseauth.surrogates import MIN_WINDOWS as MIN_SURROGATE_WINDOWS
from poseauth.training import Epoch
from poseauth.windows import Points, WindowOptions, shows_whole

MIN_ENROL_S = 20.0
"""Usable seconds below which nothing is learnt."""
ENROLLED_GROUP = "enrolled: "
"""What the group of an enrolled person begins with, before their name."""
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


def enrol(
    name: str,
    genuine: Sequence[KeypointSequence],
    negatives: Sequence[Negative] = (),
    *,
    enrolled: Iterable[Profile] = (),
    recipe: Recipe | None = None,
    points: Points | None = None,
    window_options: WindowOptions | None = None,
    seed: int = 0,
    device: str = "cpu",
    allow_weak: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_left_out: Callable[[str], None] | None = None,
) -> Profile:
    """Learn a person from authentic videos, against videos of others, and find out how well they are told apart.

    First the videos are held against those enrolled already, whom they may show under another name. Then the self-test:
    whole videos of the person and whole other people are left out in turn. Then everything is learnt anew from all of
    it. Windows in which nobody moves, or that show what the video has shown before, are evidence of nobody: neither the
    test nor the profile knows them, on either side. Of videos that share a stretch of movement
    (`poseauth.near_duplicates`), which are copies of one recording, the one with most usable seconds is learnt from,
    since the self-test would know the others by heart. A person who seems to be enrolled already, cannot be told from
    others, or was not tested, is refused unless `allow_weak`. Without any real negative, surrogate impostors are made
    from the person's own movement: such a profile is weak.

    Parameters
    ----------
    name : str
        The person.
    genuine : sequence of KeypointSequence
        Their videos.
    negatives : sequence of Negative
        Fakes, impostors, other enrolled people.
    enrolled : iterable of Profile
        Of other people than this one; a profile by another extractor is passed over.
    recipe : Recipe
        Architecture and training; the default recipe if None.
    points : "twelve", "whole" or None
        What is learnt of a body. None: the whole upper body, where the recipe looks at it and the keypoints of all
        videos have it, else the twelve. The movement of enrolled people that was kept without hands is left out then.
    window_options : WindowOptions
        How clips are cut at verification.
    seed : int
        Two enrolments with one seed on one machine agree.
    device : str
        Where to compute: "cpu", "cuda", ...
    allow_weak : bool
        Whether a profile that did not pass its self-test is given all the same; no verdict ever rests on it.
    on_epoch : callable
        Told of every epoch as it ends.
    on_left_out : callable
        Told, in a line, of every video of which something or all is left out as no evidence, and why.

    Returns
    -------
    Profile

    Raises
    ------
    EnrolmentError
        If there is too little usable video, or one video, or a copy of it, stands on both sides.
    WeakProfileError
        If the videos are like somebody who is enrolled, or the self-test was not passed or could not be held, and
        `allow_weak` is not set.
    ExtractorMismatchError
        If the keypoints come from more than one extractor.
    ProfileDamagedError
        If one of `enrolled` cannot be used.
    """
    recipe = recipe or RECIPES["default"]
    extractor = _one_extractor([*genuine, *(negative.sequence for negative in negatives)])
    _check_sides(genuine, negatives)
    given = [*genuine, *(negative.sequence for negative in negatives if negative.role != "enrolled")]
    if recipe.architecture.features != "whole" or (points is None and not all(map(shows_whole, given))):
        points = "twelve"
    recipe, points = seeing(recipe, points or "whole"), points or "whole"
    negatives = _shown_alike(negatives, points, on_left_out)
    options = replace(window_options or WindowOptions(), points=points)
    training_cut = replace(options, stride_frames=recipe.training.stride_frames)
    own_videos = _videos([(sequence, "genuine", "") for sequence in genuine], training_cut)
    other_videos = _videos([(n.sequence, n.role, n.group) for n in negatives], training_cut)
    own_videos, other_videos = _without_copies(own_videos, other_videos, on_left_out)
    for video in [*own_videos, *other_videos]:
        if on_left_out and video.learnable.left_out:
            on_left_out(f"{video.name}: {video.learnable.left_out}")
    own, others = _clips(own_videos), _clips(other_videos)
    _check_enough(name, own, [video.learnable.evidence for video in own_videos], alone=not others)
    known = (profile for profile in enrolled if profile.extractor == extractor)
    weaknesses = weaknesses_of([video.sequence for video in own_videos], known)
    _refuse_weak(name, weaknesses, allow_weak=allow_weak)  # before all the work of a self-test
    rng = np.random.default_rng(seed)
    tested = hold_self_test(own, others, recipe, rng=rng, seed=seed, device=device, on_epoch=on_epoch)
    weaknesses += tested.weaknesses
    _refuse_weak(name, weaknesses, allow_weak=allow_weak)
    learnt = learn(own, others, recipe, rng=rng, seed=seed, device=device, on_epoch=on_epoch)
    return Profile(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        poseauth_version=__version__,
        extractor=extractor,
        windows=options,
        recipe=recipe,
        seed=seed,
        n_epochs=learnt.n_epochs,
        videos=tuple(clip.record for clip in [*own, *others]),
        n_surrogates=0 if others else sum(len(clip.windows) for clip in own),
        self_test=tested.self_test,
        calibrated=tested.calibrated,
        head_turns=turns_of([clip.windows for clip in own]),
        weaknesses=weaknesses,
        notes=() if others else (NO_REAL_IMPOSTOR,),
        weights=learnt.scorer.as_arrays(),
    )


def _shown_alike(
    negatives: Sequence[Negative], points: Points, on_left_out: Callable[[str], None] | None
) -> list[Negative]:
    """Without the movement of enrolled people that has no hands, where hands are learnt."""
    kept = []
    for negative in negatives:
        if points == "twelve" or negative.role != "enrolled" or shows_whole(negative.sequence):
            kept.append(negative)
        elif on_left_out:
            person = negative.group.removeprefix(ENROLLED_GROUP)
            on_left_out(
                f"{negative.sequence.provenance.source_name}: not compared with, since {person} is enrolled without "
                f"hands. Enrol {person} again from the videos, with --overwrite"
            )
    return kept


def _refuse_weak(name: str, weaknesses: Sequence[str], *, allow_weak: bool) -> None:
    if weaknesses and not allow_weak:
        raise WeakProfileError(
            f"{name} is not enrolled: {'; '.join(weaknesses)}. Or add --allow-weak: the profile is kept, and every "
            "answer by it is inconclusive"
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
        if negative.sequence.recording in own:
            name = negative.sequence.provenance.source_name
            raise _on_both_sides(
                own[negative.sequence.recording], name, negative.role, negative.group, "one and the same file"
            )


def _on_both_sides(own: str, other: str, role: Role, group: str, what: str) -> EnrolmentError:
    """What is wrong with a video of the person and one of others, by their names, and what to do about it."""
    remedy = "Take it out of one side"
    if role == "enrolled":
        person = group.removeprefix(ENROLLED_GROUP)
        remedy += f", or, if {person} is the same person and a second profile is meant, add --same-as {person!r}"
    elif role == "fake":
        remedy += ": a swapped face leaves the movement of the body as it is, so that such a fake is no impostor"
    return EnrolmentError(f"{other} is given as {role} and, as {own}, as the person's own video: {what}. {remedy}")


@dataclass(frozen=True, eq=False)
class _Video:
    """One source video and what of it is learnt from."""

    sequence: KeypointSequence
    role: Role
    group: str
    learnable: Learnable

    @property
    def name(self) -> str:
        return self.sequence.provenance.source_name


def _videos(sources: Sequence[tuple[KeypointSequence, Role, str]], cut: WindowOptions) -> list[_Video]:
    """The videos, cut and weighed; the same video given twice for one person counts once."""
    first = {(sequence.recording, group): (sequence, role, group) for sequence, role, group in reversed(sources)}
    return [_Video(*source, learnable_windows(source[0], cut)) for source in reversed(first.values())]


def _without_copies(
    own: Sequence[_Video], others: Sequence[_Video], on_left_out: Callable[[str], None] | None
) -> tuple[list[_Video], list[_Video]]:
    """Both sides without the copies of what is learnt from already; no copy may stand on both."""
    videos = [*own, *others]
    copies: list[set[int]] = [set() for _ in videos]
    for first, second in _copies(videos):
        if first < len(own) <= second:
            other = videos[second]
            raise _on_both_sides(
                videos[first].name, other.name, other.role, other.group, "the same movement, a copy of one recording"
            )
        copies[first].add(second)
        copies[second].add(first)
    kept = list[int]()
    # The order of files must not matter.
    for number in sorted(range(len(videos)), key=lambda number: _usable_first(videos[number])):
        known = [other for other in kept if other in copies[number]]
        if not known:
            kept.append(number)
        elif on_left_out:
            on_left_out(_told_as_copy(videos[number], videos[known[0]]))
    return [videos[i] for i in sorted(kept) if i < len(own)], [videos[i] for i in sorted(kept) if i >= len(own)]


def _copies(videos: Sequence[_Video]) -> list[tuple[int, int]]:
    """Pairs of numbers, the lower first, that share their file or a stretch of movement.

    Two people enrolled before were compared when the later of them was enrolled; hours of many people among each other
    would take longer than what is learnt from them.
    """

    def compared_before(first: int, second: int) -> bool:
        one, other = videos[first], videos[second]
        return one.role == other.role == "enrolled" and one.group != other.group

    alike = near_duplicates([video.sequence for video in videos], passed_over=compared_before)
    pairs = {(pair.first, pair.second) for pair in alike}
    by_recording: dict[str, list[int]] = {}
    for number, video in enumerate(videos):
        by_recording.setdefault(video.sequence.recording, []).append(number)
    return sorted(pairs.union(*(combinations(numbers, 2) for numbers in by_recording.values())))


def _usable_first(video: _Video) -> tuple[float, str, str, str]:
    return -video.learnable.windows.seconds, video.name, video.sequence.recording, video.group


def _told_as_copy(video: _Video, known: _Video) -> str:
    told = f"{video.name}: shows the same movement as {known.name} and is not learnt from again"
    if video.group == known.group:
        return told
    return f"{told}. The one is given as {video.group}, the other as {known.group}: one person under two names?"


def _clips(videos: Sequence[_Video]) -> list[Clip]:
    """One clip a video of which something is learnt from."""
    clips = []
    for video in videos:
        source, windows = video.sequence.provenance, video.learnable.windows
        if len(windows):
            record = VideoRecord(
                source.source_name,
                source.source_sha256,
                video.sequence.recording,
                video.role,
                video.group,
                round(windows.seconds, 3),
                len(windows),
            )
            clips.append(Clip(windows, record))
    # The order of files must not matter.
    return sorted(clips, key=lambda clip: (clip.record.role, clip.record.group, clip.record.recording))


def _check_enough(name: str, own: Sequence[Clip], evidence: Sequence[Evidence], *, alone: bool) -> None:
    seconds = sum(clip.record.seconds for clip in own)
    left_out = _left_out(evidence)
    if seconds < MIN_ENROL_S:
        shown = f"{counted(len(own), 'video')} show{'s' if len(own) == 1 else ''} {name}'s upper body"
        raise EnrolmentError(
            f"{shown} for {seconds:.1f} s in uncut pieces of 5 s or more{left_out}; {MIN_ENROL_S:g} s are needed to "
            "learn anything, minutes to learn it well. Give longer videos in which shoulders, elbows and head are in "
            "view"
        )
    n_windows = sum(len(clip.windows) for clip in own)
    if alone and n_windows < MIN_SURROGATE_WINDOWS:
        raise EnrolmentError(
            f"{name} has {counted(n_windows, 'window')} of 5 s{left_out} and nobody to compare with; "
            f"{MIN_SURROGATE_WINDOWS} are needed to make surrogate impostors. Give longer videos, or clips of other "
            "people with --impostor"
        )


def _left_out(evidence: Sequence[Evidence]) -> str:
    """How many windows are no evidence, as part of a sentence; "" where all are."""
    counts = (
        (sum(one.n_still for one in evidence), "in which nobody moves"),
        (sum(one.n_repeated for one in evidence), "that were shown before"),
        (sum(one.n_small for one in evidence), "in which they are too small"),
    )
    parts = [f"{counted(n, 'window')} {why}" for n, why in counts if n]
    return f" ({' and '.join(parts)} do not count)" if parts else ""
