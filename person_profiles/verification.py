"""Holding a clip against a profile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from person_profiles.profile import Profile
from person_profiles.profile_files import ProfileFiles
from poseauth.arrays import Float64Array
from poseauth.calibration import LikelihoodRatio
from poseauth.decision import Decision, EvidenceLimits, Verdict, decide
from poseauth.errors import (
    ExtractorMismatchError,
    InputError,
    NobodyError,
    NoEvidenceError,
    ProfileDamagedError,
    TooShortError,
)
from poseauth.evidence import Evidence, some_of, weigh_evidence
from poseauth.keypoints import KeypointSequence
from poseauth.near_duplicates import MIN_SHARED_S, TakenApart, find_near_duplicate, take_apart
from poseauth.report import LearntFrom, Verification, caveats_of
from poseauth.scoring import WindowScorer, scorer_from_arrays, scores_in_mirror
from poseauth.windows import WINDOW_S, SomeWindows, Windows, cut_windows, find_segments

MUCH_LEFT_OUT = 0.2
"""Share of a clip's windows in which nobody moves, beyond which every answer says so."""


def load_scorer(profile: Profile) -> WindowScorer:
    """What scores windows by the profile; load it once for many clips.

    Raises
    ------
    ProfileDamagedError
        If the weights do not fit the architecture that the profile names.
    """
    try:
        return scorer_from_arrays(profile.recipe.architecture, profile.weights)
    except ValueError as error:
        raise ProfileDamagedError(f"the profile of {profile.name} cannot be used: {error}") from error


@dataclass(frozen=True, eq=False)
class OwnMovement:
    """The person's own videos that a profile was learnt from, as a clip is held against them to find a copy.

    Attributes
    ----------
    names : sequence of str
        Of their files.
    taken_apart : TakenApart
        Their movement, in the same order.
    """

    names: Sequence[str]
    taken_apart: TakenApart


def own_movement(movement: Sequence[KeypointSequence], profile: Profile) -> OwnMovement:
    """What of the kept movement the profile was learnt from, taken apart once for many clips."""
    learnt = {video.recording for video in profile.videos if video.role == "genuine"}
    own = [sequence for sequence in movement if sequence.recording in learnt]
    return OwnMovement([sequence.provenance.source_name for sequence in own], take_apart(own))


@dataclass(frozen=True, eq=False)
class LoadedPerson:
    """An enrolled person, ready to score.

    Attributes
    ----------
    profile, scorer :
        Of the person.
    files : ProfileFiles or None
        With the movement of their videos, by which a copy of one is known; None: by the digest of its file alone.
    """

    profile: Profile
    scorer: WindowScorer
    files: ProfileFiles | None = None

    @cached_property
    def own(self) -> OwnMovement | None:
        """The videos learnt from; read and taken apart when that is first asked for.

        Raises
        ------
        ProfileDamagedError
            If the kept movement is not as it must be.
        """
        return None if self.files is None else own_movement(self.files.movement(), self.profile)


def load_person(profile: Profile, files: ProfileFiles | None = None) -> LoadedPerson:
    """A person ready to score; see `load_scorer` and `LoadedPerson`."""
    return LoadedPerson(profile, load_scorer(profile), files)


@dataclass(frozen=True, eq=False)
class ScoredClip:
    """The windows of a clip and what the profile says of them.

    Attributes
    ----------
    windows : Windows
        Those that are evidence, at least one.
    evidence : Evidence
        Which of all windows are.
    raw : np.ndarray [shape=(N,)], float64
        Scores on the profile's own scale, higher = more like the person.
    votes : np.ndarray [shape=(N,)], float64
        0 to 1: by the calibration of windows, P(the person) at equal priors; where there is none, by the network.
    likelihood : LikelihoodRatio or None
        Of the whole clip; None where the profile is not calibrated, or the clip is seen from another side.
    turned : tuple of str
        By what the head is turned to the camera otherwise than in the enrolled videos (`poseauth.head_turn`).
    """

    windows: Windows
    evidence: Evidence
    raw: Float64Array
    votes: Float64Array
    likelihood: LikelihoodRatio | None
    turned: tuple[str, ...]


def score_clip(sequence: KeypointSequence, profile: Profile, scorer: WindowScorer) -> ScoredClip:
    """Cut a clip as the profile's were and score its windows; those that are no evidence are left out.

    Raises
    ------
    NobodyError, TooShortError, NoEvidenceError
        If it has no usable window.
    InputError
        If a score is no number.
    """
    windows = cut_windows(sequence, profile.windows)
    if not len(windows):
        raise _nothing_usable(sequence, profile, windows)
    evidence = weigh_evidence(windows)
    windows = some_of(windows, evidence.counts)
    if not len(windows):
        raise NoEvidenceError(
            f"{sequence.provenance.source_name}: {' '.join(_full_stop(text) for text in evidence.told)} Try a clip in "
            f"which {profile.name} "
            f"{'moves' if evidence.n_still + evidence.n_repeated else 'is closer to the camera'}",
            n_windows_still=evidence.n_still,
            n_windows_repeated=evidence.n_repeated,
            n_windows_small=evidence.n_small,
        )
    raw = scorer(windows)
    if not np.isfinite(raw).all():
        raise InputError(
            f"{sequence.provenance.source_name}: a score is no number; the keypoints are out of all proportion"
        )
    turned = profile.head_turns.outside(windows)
    if profile.calibrated is None:
        votes = scorer.network.probabilities(windows).astype(np.float64)
    else:
        votes = profile.calibrated.votes(raw)
    return ScoredClip(windows, evidence, raw, votes, _ratio(raw, turned, profile), turned)


def _full_stop(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _ratio(raw: Float64Array, turned: tuple[str, ...], profile: Profile) -> LikelihoodRatio | None:
    """Of a clip by its raw scores: what held-out clips tell of them holds for the sides from which they were seen."""
    if profile.calibrated is None or turned:
        return None
    return profile.calibrated.clips.of_clip(float(raw.mean()))


def window_votes(windows: SomeWindows, profile: Profile, scorer: WindowScorer) -> Float64Array:
    """P(the person) of windows [shape=(N,)], 0 to 1, as `score_clip` gives them in `votes`."""
    if profile.calibrated is None:
        return scorer.network.probabilities(windows).astype(np.float64)
    return profile.calibrated.votes(scorer(windows))


def undecided_votes(profile: Profile) -> tuple[float, float] | None:
    """Between which votes, 0 to 1, a clip is undecided if all its windows score alike; None where nobody knows."""
    calibrated = profile.calibrated
    if calibrated is None or calibrated.clips.line.slope <= 0:
        return None
    clips, half = calibrated.clips.line, calibrated.clips.undecided * np.log(10.0)
    raw = (np.array([-half, half]) - clips.intercept) / clips.slope
    low, high = calibrated.votes(raw)
    return float(low), float(high)


def usual_limits(profile: Profile) -> EvidenceLimits:
    """The evidence a verdict by this profile needs: its learnt minimum, and never less than is usual."""
    enough = profile.self_test.enough_s if profile.self_test else None
    return EvidenceLimits(min_seconds=max(EvidenceLimits().min_seconds, enough or 0.0))


def verify(
    sequence: KeypointSequence,
    profile: Profile,
    scorer: WindowScorer,
    *,
    limits: EvidenceLimits | None = None,
    any_extractor: bool = False,
    others: Sequence[LoadedPerson] = (),
    own: OwnMovement | None = None,
) -> Verification:
    """Whether a clip moves like the enrolled person.

    Parameters
    ----------
    sequence : KeypointSequence
        The clip's keypoints.
    profile : Profile
        The person.
    scorer : WindowScorer
        From `load_scorer(profile)`.
    limits : EvidenceLimits
        How much evidence a verdict needs; by default what the profile's self-test found to be enough.
    any_extractor : bool
        Whether keypoints of another extractor than the profile's are accepted, with a caveat.
    others : sequence of LoadedPerson
        Other enrolled people; whom the clip fits better than the claimed person is named.
    own : OwnMovement or None
        What the profile was learnt from: a clip that shows a stretch of it gets no verdict, as one whose very file was
        learnt from never does.

    Raises
    ------
    ExtractorMismatchError
        If the extractor is another and `any_extractor` is not set.
    InputError
        NobodyError, TooShortError or NoEvidenceError if there is no usable window: then there is nothing to decide on.
    """
    source = sequence.provenance
    foreign = source.extractor != profile.extractor
    if not any_extractor:
        check_extractor(sequence, profile, or_else="enrol again, or accept the doubt with --any-extractor")
    clip = score_clip(sequence, profile, scorer)
    usual = usual_limits(profile)
    limits = limits or usual
    decision = decide(
        clip.votes,
        clip.windows,
        clip.likelihood,
        person=profile.name,
        limits=limits,
        weaknesses=profile.weaknesses,
        doubts=_seen_otherwise(clip, profile),
    )
    decision = _unless_mirrored(clip, profile, scorer, decision)
    known = _learnt_from(sequence, profile, own)
    decision = _unless_learnt_from(known, decision)
    decision = _unless_looped(clip.evidence, decision, limits)
    caveats = [*caveats_of(source), *profile.notes, *_left_out(clip.evidence, decision)]
    asked_for_less = _asked_for_less(decision.seconds_analysed, limits, usual)
    if asked_for_less:
        caveats.append(f"a weaker answer: {decision.seconds_analysed:.1f} s, {asked_for_less}")
    fits = _who_fits_better(sequence, clip, profile, others)
    if fits:
        caveats.append(fits)
    if foreign:
        caveats.append(f"keypoints of {source.extractor or 'an unknown extractor'}, not of the profile's")
    return Verification(
        source=source.source_name,
        person=profile.name,
        status="analysed",
        decision=decision,
        provenance=source,
        window_scores=clip.votes,
        window_start_s=clip.windows.start_s,
        n_windows_rejected=clip.windows.n_rejected,
        n_windows_still=clip.evidence.n_still,
        n_windows_repeated=clip.evidence.n_repeated,
        n_windows_small=clip.evidence.n_small,
        reasons=decision.reasons,
        caveats=tuple(caveats),
        asked_for_less=asked_for_less,
        learnt_from=known.whose if known else None,
        track_record=_track_record(profile),
    )


def check_extractor(sequence: KeypointSequence, profile: Profile, *, or_else: str = "or enrol again") -> None:
    """Find out whether a clip's keypoints come from the profile's extractor.

    Parameters
    ----------
    sequence, profile :
        The two.
    or_else : str
        What can be done but to extract the clip anew, as the message says it.

    Raises
    ------
    ExtractorMismatchError
        If they do not.
    """
    source = sequence.provenance
    if source.extractor != profile.extractor:
        raise ExtractorMismatchError(
            f"the keypoints of {source.source_name} come from {source.extractor or 'an unknown extractor'}, the "
            f"profile of {profile.name} from {profile.extractor or 'an unknown one'}. Two estimators do not place a "
            f"wrist alike: extract the clip with the profile's, {or_else}"
        )


def _asked_for_less(seconds: float, limits: EvidenceLimits, usual: EvidenceLimits) -> str:
    """That the user let less video do than is usual, where the answer rests on less than that; else ""."""
    if not limits.min_seconds <= seconds < usual.min_seconds:
        return ""
    whose = "the tool's least" if usual == EvidenceLimits() else "the least by this profile's self-test"
    return f"asked for with --min-seconds {limits.min_seconds:g}; {usual.min_seconds:g} s is {whose}"


def _seen_otherwise(clip: ScoredClip, profile: Profile) -> tuple[str, ...]:
    if not clip.turned:
        return ()
    return (
        f"the head is turned to the camera otherwise than in nearly all of {profile.name}'s enrolled videos (by the "
        f"{' and the '.join(clip.turned)}): from another side a score says nothing. Enrol videos from this side too",
    )


def _track_record(profile: Profile) -> str:
    test = profile.self_test
    if test is None:
        return ""
    return (
        f"on clips held out of its enrolment this profile took {test.n_genuine_against} of {test.n_genuine_clips} of "
        f"{profile.name} for somebody else and {test.n_other_for} of {test.n_other_clips} of others for "
        f"{profile.name}; it was undecided on {test.n_undecided}"
    )


def _unless_mirrored(clip: ScoredClip, profile: Profile, scorer: WindowScorer, decision: Decision) -> Decision:
    """No verdict against a clip that moves like the person in a mirror: it may show them, turned round.

    The calibration of mirrored clips knows how often strangers look like that.
    """
    if profile.calibrated is None or profile.calibrated.clips.of_clip(float(clip.raw.mean())).speaks_for:
        return decision  # as it is, it moves like the person: no mirror is needed to explain that
    turned = profile.calibrated.mirrored.of_clip(float(scores_in_mirror(scorer, clip.windows).mean()))
    if not turned.speaks_for:
        return decision
    name = profile.name
    seen = (
        f"possibly mirrored: with left and right exchanged the clip would fit {name} (log10 likelihood ratio "
        f"{turned.log10_lr:+.2f}, {turned.interval_in_words}). Look whether writing, partings and buttons "
        "in the picture are the right way round: if they are, it is somebody who moves like that"
    )
    if decision.verdict is Verdict.INCONCLUSIVE:  # what makes it that comes first
        return replace(decision, reasons=(*decision.reasons, seen))
    return decision.inconclusive(seen)


def _who_fits_better(
    sequence: KeypointSequence, clip: ScoredClip, profile: Profile, others: Sequence[LoadedPerson]
) -> str | None:
    """The enrolled person whom the clip fits best, if beyond their own undecided band and better than the claimed."""
    best, name = clip.likelihood.log10_lr if clip.likelihood else 0.0, None
    for other in others:
        if other.profile.windows == profile.windows:
            raw = other.scorer(clip.windows)  # cut and weighed already
            if not np.isfinite(raw).all():
                continue
            found = _ratio(raw, other.profile.head_turns.outside(clip.windows), other.profile)
        else:
            try:
                found = score_clip(sequence, other.profile, other.scorer).likelihood
            except InputError:
                continue
        if found and not other.profile.weaknesses and found.speaks_for and found.log10_lr > best:
            best, name = found.log10_lr, other.profile.name
    return f"the clip fits {name} better (log10 likelihood ratio {best:+.2f})" if name else None


@dataclass(frozen=True)
class _Known:
    """What of a clip was learnt from, in words, and whose video that was."""

    told: str
    whose: LearntFrom


def _unless_learnt_from(known: _Known | None, decision: Decision) -> Decision:
    """No verdict on what the network knows by heart."""
    if known is None:
        return decision
    return decision.inconclusive(f"{known.told}: a verdict on it would say nothing of new footage")


def _learnt_from(sequence: KeypointSequence, profile: Profile, own: OwnMovement | None) -> _Known | None:
    roles = [video.role for video in profile.videos if video.recording == sequence.recording]
    if roles:
        whose: LearntFrom = "own" if roles[0] == "genuine" else "others"
        return _Known(f"this very recording was learnt from (as {roles[0]})", whose)
    copy = find_near_duplicate([sequence], own.taken_apart) if own else None
    if own is None or copy is None:
        return None
    return _Known(
        f"it shows {MIN_SHARED_S:g} s or more of {own.names[copy.second]}, which was learnt from as {profile.name}'s "
        f"own video: the same movement (correlation {copy.correlation:.2f})",
        "own",
    )


def _unless_looped(evidence: Evidence, decision: Decision, limits: EvidenceLimits) -> Decision:
    """Never authentic where movement comes again exactly, and what does not count is named where seconds lack.

    No real recording does that (`poseauth.evidence`): somebody put the clip together, be it as an editor's filler, and
    the pieces that were not repeated may stand in an order or at a time that never was.
    """
    if evidence.n_repeated and decision.verdict is not Verdict.FAKE:
        return decision.inconclusive(*evidence.told)
    if evidence.n_still + evidence.n_small and decision.seconds_analysed < limits.min_seconds:
        return replace(decision, reasons=(*evidence.told, *decision.reasons))
    return decision


def _left_out(evidence: Evidence, decision: Decision) -> tuple[str, ...]:
    """What of the clip does not count, where it is much of it or a loop, and is no reason already."""
    n_left_out = evidence.n_still + evidence.n_repeated + evidence.n_small
    if not evidence.n_repeated and n_left_out <= MUCH_LEFT_OUT * len(evidence.counts):
        return ()
    return tuple(text for text in evidence.told if text not in decision.reasons)


def _nothing_usable(sequence: KeypointSequence, profile: Profile, windows: Windows) -> NobodyError | TooShortError:
    name, source = profile.name, sequence.provenance.source_name
    if windows.n_rejected:
        return NobodyError(
            f"{source}: in none of {windows.n_rejected} windows are shoulders, elbows and head seen in at least "
            f"{profile.windows.min_visibility:.0%} of the frames. Try a clip that shows {name} from the waist up"
        )
    segments = find_segments(sequence, profile.windows)
    if not segments:
        return NobodyError(f"{source}: nobody is followed in {sequence.duration_s:.1f} s. Try a clip that shows {name}")
    # Rounded down: what falls short must not read as enough.
    longest = math.floor(10 * max(segment.duration_s for segment in segments)) / 10
    return TooShortError(
        f"{source}: the longest uncut piece in which the person is followed has {longest:.1f} s; {WINDOW_S:g} s are "
        f"needed for one window, 10 s for an answer. Try a longer clip of {name} without cuts"
    )
