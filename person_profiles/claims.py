"""What is said of a clip when one person is claimed, when several are, and when nobody is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from person_profiles.verification import LoadedPerson, verify
from poseauth.calibration import LikelihoodRatio
from poseauth.decision import EvidenceLimits, Verdict
from poseauth.errors import (
    ExtractorError,
    ExtractorMismatchError,
    InputError,
    NoEvidenceError,
    ProfileDamagedError,
    reason,
)
from poseauth.keypoints import KeypointSequence
from poseauth.report import Verification, not_analysed

ANYONE = "anyone"
"""In place of a name where a clip fits nobody."""


def hold_against(
    sequence: KeypointSequence,
    person: LoadedPerson,
    *,
    limits: EvidenceLimits | None = None,
    any_extractor: bool = False,
    others: Sequence[LoadedPerson] = (),
) -> Verification:
    """As `verify`, but a clip that cannot be analysed is an answer too: no verdict, and why.

    Nor is there one where the kept movement cannot be read, since the clip may be a copy of it.
    """
    source, name = sequence.provenance, person.profile.name
    own, unknown = None, ""
    try:
        own = person.own
    except ProfileDamagedError as error:
        unknown = f"whether it was learnt from could not be found out: {error}"
    try:
        result = verify(
            sequence,
            person.profile,
            person.scorer,
            limits=limits,
            any_extractor=any_extractor,
            others=others,
            own=own,
        )
    except (InputError, ExtractorMismatchError) as error:
        no_evidence = error if isinstance(error, NoEvidenceError) else NoEvidenceError("")
        return not_analysed(
            source.source_name,
            name,
            reason(error, source.source_name),
            problem=type(error),
            provenance=source,
            n_windows_still=no_evidence.n_windows_still,
            n_windows_repeated=no_evidence.n_windows_repeated,
            n_windows_small=no_evidence.n_windows_small,
        )
    if not unknown or result.decision is None:
        return result
    decision = result.decision.inconclusive(unknown)
    return replace(result, decision=decision, reasons=decision.reasons)


def verify_each(
    paths: Iterable[Path],
    read: Callable[[Path], KeypointSequence],
    person: LoadedPerson,
    *,
    limits: EvidenceLimits | None = None,
    any_extractor: bool = False,
    others: Sequence[LoadedPerson] = (),
) -> Iterator[Verification]:
    """The answer for each clip in turn; one that cannot be read or analysed is an answer without a verdict.

    Parameters
    ----------
    paths : iterable of Path
        Clips.
    read : callable
        Gives a clip's keypoints, as `keypoint_extractors.sources.SourceReader.read` does.
    person : LoadedPerson
        Whose movement the clips are held against.
    limits, any_extractor, others :
        As in `verify`.
    """
    for path in paths:
        try:
            sequence = read(path)
        except (InputError, ExtractorError) as error:
            why = reason(error, path, path.name)
            yield not_analysed(str(path), person.profile.name, why, problem=type(error))
            continue
        result = hold_against(sequence, person, limits=limits, any_extractor=any_extractor, others=others)
        yield replace(result, source=str(path))


def closest_of(results: Sequence[Verification]) -> Verification:
    """The person whose movement a clip fits best, where nobody said who it is.

    Whoever is picked from N has N chances to fit, so that their likelihood ratio has to stay beyond their undecided
    band when it is divided by N. Nobody is called fake: that a clip fits none of those enrolled says nothing against
    it. A clip that shows a video which somebody was learnt from is theirs, without a verdict, whoever else it fits.

    Parameters
    ----------
    results : sequence of Verification
        One clip held against everybody, at least one.

    Returns
    -------
    Verification
        That of the greatest likelihood ratio, its verdict authentic or inconclusive; where nobody has one, not
        analysed and about `ANYONE`.
    """
    if not results:
        raise ValueError("nobody is there to be close to")
    compared = [(ratio, result) for result in results if (ratio := _ratio(result)) is not None]
    if not compared:
        first = results[0]
        reasons = dict.fromkeys(reason for result in results for reason in result.reasons)
        why = f"no likelihood ratio by any of {_people(results)}: {'; '.join(reasons)}"
        return replace(not_analysed(first.source, ANYONE, why, provenance=first.provenance), person_is="closest")
    shown = [result for result in results if result.learnt_from == "own"]
    if shown:
        # Whoever else it fits: it is footage of this person, as far as anybody knows, and has no verdict.
        return replace(min(shown, key=lambda result: result.person), person_is="closest")
    ratio, best = max(compared, key=lambda pair: pair[0].log10_lr)
    n_people = len(compared)
    picked = (
        f"{best.person} is the closest of {_people(compared)}: somebody picked from {n_people} has to be {n_people} "
        f"times as likely (log10 likelihood ratio {ratio.log10_lr:+.2f}, more than "
        f"{ratio.undecided + math.log10(n_people):+.2f} is needed)"
    )
    if best.verdict is Verdict.AUTHENTIC and ratio.log10_lr - math.log10(n_people) > ratio.undecided:
        return replace(best, person_is="closest", caveats=(picked, *best.caveats))
    assert best.decision is not None, "a likelihood ratio stands in a decision"
    # The reasons of a verdict against this person are none here: nobody said that it is them.
    reasons_left = best.reasons if best.verdict is Verdict.INCONCLUSIVE else ()
    decision = replace(best.decision, verdict=Verdict.INCONCLUSIVE, reasons=(picked, *reasons_left))
    return replace(best, person_is="closest", decision=decision, reasons=decision.reasons)


def _ratio(result: Verification) -> LikelihoodRatio | None:
    return result.decision.likelihood if result.decision else None


def _people(some: Iterable[object]) -> str:
    n_people = len(list(some))
    return "1 enrolled person" if n_people == 1 else f"{n_people} enrolled people"
