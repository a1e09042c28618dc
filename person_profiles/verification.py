"""Holding a clip against a profile."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from person_profiles.profile import Profile
from poseauth.decision import Decision, EvidenceLimits, Verdict, decide
from poseauth.errors import ExtractorMismatchError, InputError, NobodyError, ProfileDamagedError, TooShortError
from poseauth.keypoints import KeypointSequence
from poseauth.models import WindowLSTM, choose_device, model_from_weights, score_windows
from poseauth.report import Verification, caveats_of
from poseauth.surrogates import mirror_images
from poseauth.windows import WINDOW_S, Windows, cut_windows, find_segments


def load_network(profile: Profile, *, device: str = "auto") -> WindowLSTM:
    """The profile's network, ready to score; load it once for many clips.

    Raises
    ------
    ProfileDamagedError
        If the weights do not fit the architecture that the profile names.
    """
    try:
        model = model_from_weights(profile.recipe.architecture, profile.weights)
    except ValueError as error:
        raise ProfileDamagedError(f"the profile of {profile.name} cannot be used: {error}") from error
    return model.to(choose_device(device))


def verify(
    sequence: KeypointSequence,
    profile: Profile,
    network: WindowLSTM,
    *,
    limits: EvidenceLimits | None = None,
    any_extractor: bool = False,
) -> Verification:
    """Whether a clip moves like the enrolled person.

    Parameters
    ----------
    sequence : KeypointSequence
        The clip's keypoints.
    profile : Profile
        The person.
    network : WindowLSTM
        From `load_network(profile)`.
    limits : EvidenceLimits
        How much evidence a verdict needs.
    any_extractor : bool
        Whether keypoints of another extractor than the profile's are accepted, with a caveat.

    Raises
    ------
    ExtractorMismatchError
        If the extractor is another and `any_extractor` is not set.
    InputError
        NobodyError or TooShortError if there is no usable window: then there is nothing to decide on.
    """
    source = sequence.provenance
    foreign = source.extractor != profile.extractor
    if foreign and not any_extractor:
        raise ExtractorMismatchError(
            f"the keypoints of {source.source_name} come from {source.extractor or 'an unknown extractor'}, the "
            f"profile of {profile.name} from {profile.extractor or 'an unknown one'}. Two estimators do not place a "
            "wrist alike: extract the clip with the profile's, enrol again, or accept the doubt with --any-extractor"
        )
    windows = cut_windows(sequence, profile.windows)
    if not len(windows):
        raise _nothing_usable(sequence, profile, windows)
    scores = score_windows(network, windows.keypoints)
    if not np.isfinite(scores).all():
        raise InputError(
            f"{source.source_name}: the network's score is no number; the keypoints are out of all proportion"
        )
    limits = limits or EvidenceLimits()
    decision = decide(scores, windows, person=profile.name, limits=limits)
    if decision.verdict is Verdict.FAKE:
        decision = _unless_mirrored(windows, profile, network, decision, limits)
    decision = _unless_learnt_from(sequence, profile, decision)
    caveats = [*caveats_of(source), *profile.notes]
    usual = EvidenceLimits().min_seconds
    if limits.min_seconds <= decision.seconds_analysed < usual:
        caveats.append(f"a weaker answer: {decision.seconds_analysed:.1f} s were let pass, {usual:g} s are usual")
    if foreign:
        caveats.append(f"keypoints of {source.extractor or 'an unknown extractor'}, not of the profile's")
    return Verification(
        source=source.source_name,
        person=profile.name,
        status="analysed",
        decision=decision,
        provenance=source,
        window_scores=scores,
        window_start_s=windows.start_s,
        n_windows_rejected=windows.n_rejected,
        reasons=decision.reasons,
        caveats=tuple(caveats),
    )


def _unless_mirrored(
    windows: Windows, profile: Profile, network: WindowLSTM, decision: Decision, limits: EvidenceLimits
) -> Decision:
    """No verdict on a clip that moves like the person in a mirror: it may show them, turned round."""
    scores = score_windows(network, mirror_images(windows.keypoints))
    turned = decide(scores, windows, person=profile.name, limits=limits)
    if turned.verdict is not Verdict.AUTHENTIC:
        return decision
    name, n_windows = profile.name, len(windows)
    seen = (
        f"possibly mirrored: turned round, {turned.n_authentic_votes} of {n_windows} windows move like {name}, as the "
        f"clip is {decision.n_authentic_votes}. It may show {name} in a mirror (look for writing, partings), or "
        "somebody who moves like that"
    )
    return replace(decision, verdict=Verdict.INCONCLUSIVE, reasons=(seen, *decision.reasons))


def _unless_learnt_from(sequence: KeypointSequence, profile: Profile, decision: Decision) -> Decision:
    """No verdict on what the network knows by heart."""
    roles = [video.role for video in profile.videos if video.recording == sequence.recording]
    if not roles:
        return decision
    known = f"this very recording was learnt from (as {roles[0]}): a verdict on it would say nothing of new footage"
    return replace(decision, verdict=Verdict.INCONCLUSIVE, reasons=(known, *decision.reasons))


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
