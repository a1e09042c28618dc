"""A verification experiment: people are enrolled, clips are tried, and nothing that is tested was learnt from.

In the open set, which counts, an impostor is a stranger: for every claimed person and every impostor's person there is
a training of its own, from which the impostor's person is left out. A genuine clip is scored under every training of
its person. Genuine and impostor scores compare within one training only; the pairs of all trainings are then pooled
(see `person_profiles.error_rates`). In the closed set everybody enrolled serves in everybody's training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from person_profiles.scorers import ClipScore, FittedScorer, ProfileScorer, Scorer, Stranger
from poseauth.errors import EnrolmentError, PoseAuthError, TrialOverlapError, UnknownPersonError
from poseauth.keypoints import KeypointSequence
from poseauth.near_duplicates import MIN_SHARED_S, NearDuplicate, find_near_duplicate, near_duplicates

Label = Literal["genuine", "impostor", "fake"]
LABELS: tuple[str, ...] = get_args(Label)


@dataclass(frozen=True, eq=False)
class Enrolment:
    """A recording to learn a person from; `session` is "" where it is not known."""

    person: str
    session: str
    sequence: KeypointSequence


@dataclass(frozen=True, eq=False)
class Trial:
    """A clip that is held against a person.

    Attributes
    ----------
    claimed : str
        The person whom the clip is said to show.
    sequence : KeypointSequence
        The clip.
    label : "genuine", "impostor" or "fake"
        What it is in truth.
    actual : str or None
        Who moves in it in truth; None where nobody knows. Of a genuine clip the claimed person.
    attack : str or None
        The kind of impostor or fake.
    session : str
        "" where it is not known.
    """

    claimed: str
    sequence: KeypointSequence
    label: Label
    actual: str | None = None
    attack: str | None = None
    session: str = ""

    def __post_init__(self) -> None:
        """Check that label and people agree."""
        if self.label not in LABELS:
            raise ValueError(f"label is {self.label!r}; {', '.join(LABELS)} are known")
        if (self.label == "genuine") != (self.actual == self.claimed):
            raise ValueError(f"a clip of {self.actual or 'nobody known'} is no {self.label} clip of {self.claimed}")

    @property
    def is_genuine(self) -> bool:
        """Whether the claimed person moves in it."""
        return self.label == "genuine"


@dataclass(frozen=True, eq=False)
class TrialScore:
    """A trial under one training.

    Attributes
    ----------
    number : int
        Of the trial in the list given.
    trial : Trial
        What was tried.
    left_out : tuple of str
        The enrolled people who served neither as impostors nor otherwise in the training.
    scored : ClipScore or None
        None where it was not analysed.
    threshold : float or None
        The scorer's; None where it has none.
    reason : str
        Why it was not analysed, "" where it was.
    """

    number: int
    trial: Trial
    left_out: tuple[str, ...]
    scored: ClipScore | None
    threshold: float | None = None
    reason: str = ""

    @property
    def training(self) -> tuple[str, tuple[str, ...]]:
        """Trials with the same training compare."""
        return self.trial.claimed, self.left_out


@dataclass(frozen=True)
class Training:
    """One person learnt without some of the others, and the trials that are held against it, by number."""

    claimed: str
    left_out: tuple[str, ...]
    trials: tuple[int, ...]


@dataclass(frozen=True)
class TrialProgress:
    """How far an experiment is: training `n_done + 1` of `n_trainings` begins."""

    n_done: int
    n_trainings: int
    claimed: str
    left_out: tuple[str, ...]


def run_trials(
    enrolments: Sequence[Enrolment],
    trials: Sequence[Trial],
    *,
    closed: bool = False,
    make_scorer: Callable[[int], Scorer] = lambda seed: ProfileScorer(seed=seed),
    seed: int = 0,
    on_progress: Callable[[TrialProgress], None] | None = None,
) -> list[TrialScore]:
    """Enrol everybody as often as the impostors demand and score every trial.

    Parameters
    ----------
    enrolments : sequence of Enrolment
        The enrolment side.
    trials : sequence of Trial
        The test side; an impostor whose person is known and enrolled is left out of the claimed person's training.
    closed : bool
        Whether impostors' people serve in training all the same.
    make_scorer : callable
        Gives what learns, from the seed; the profile by default.
    seed : int
        Of every training.
    on_progress : callable
        Told before every training.

    Returns
    -------
    list of TrialScore
        A genuine clip once for every training of its person, any other clip once; in the order of the trainings.

    Raises
    ------
    TrialOverlapError
        If the two sides share a recording or a session, or two people a recording; nothing has been learnt then.
    UnknownPersonError
        If a claimed person is not enrolled.
    """
    check_disjoint(enrolments, trials)
    _check_people_apart(enrolments)
    trainings = plan_trainings(enrolments, trials, closed=closed)
    scorer = make_scorer(seed)
    scores: list[TrialScore] = []
    for n_done, training in enumerate(trainings):
        if on_progress:
            on_progress(TrialProgress(n_done, len(trainings), training.claimed, training.left_out))
        own = [e.sequence for e in enrolments if e.person == training.claimed]
        people = sorted({e.person for e in enrolments} - {training.claimed, *training.left_out})
        others = [Stranger(who, tuple(e.sequence for e in enrolments if e.person == who)) for who in people]
        try:
            fitted = scorer.fit(training.claimed, own, others)
        except PoseAuthError as error:
            scores += [TrialScore(i, trials[i], training.left_out, None, reason=str(error)) for i in training.trials]
            continue
        scores += [_score(i, trials[i], fitted, training.left_out) for i in training.trials]
    return scores


def run_on_profiles(
    fitted: Mapping[str, FittedScorer], trials: Sequence[Trial], *, learnt_from: Sequence[Enrolment]
) -> list[TrialScore]:
    """Score every trial by the profile that its claimed person has already.

    Nobody is left out: whether an impostor's person served in a profile is as it is.

    Parameters
    ----------
    fitted : mapping of str to FittedScorer
        Of every claimed person.
    trials : sequence of Trial
        The test side.
    learnt_from : sequence of Enrolment
        What the profiles were learnt from, to check that no trial is among it.

    Raises
    ------
    TrialOverlapError
        If a trial was learnt from.
    UnknownPersonError
        If a claimed person has no profile.
    """
    _check_known(fitted.keys(), trials)
    check_disjoint(learnt_from, trials)
    return [_score(i, trial, fitted[trial.claimed], ()) for i, trial in enumerate(trials)]


def plan_trainings(enrolments: Sequence[Enrolment], trials: Sequence[Trial], *, closed: bool) -> list[Training]:
    """Every training the trials need, each once.

    Raises
    ------
    UnknownPersonError
        If a claimed person is not enrolled.
    """
    enrolled = {enrolment.person for enrolment in enrolments}
    _check_known(enrolled, trials)
    plan: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for number, trial in enumerate(trials):
        if not trial.is_genuine:
            stranger = trial.actual if not closed and trial.actual in enrolled else None
            plan.setdefault((trial.claimed, (stranger,) if stranger else ()), []).append(number)
    for number, trial in enumerate(trials):
        if trial.is_genuine:
            needed = [key for key in plan if key[0] == trial.claimed] or [(trial.claimed, ())]
            for key in needed:
                plan.setdefault(key, []).append(number)
    return [Training(claimed, left_out, tuple(numbers)) for (claimed, left_out), numbers in sorted(plan.items())]


def with_known_people(trials: Sequence[Trial]) -> list[Trial]:
    """The trials with the person filled in where the very recording is a genuine clip of somebody in another trial."""
    known = {trial.sequence.recording: trial.claimed for trial in trials if trial.is_genuine}
    return [
        trial if trial.actual is not None else _with_actual(trial, known.get(trial.sequence.recording))
        for trial in trials
    ]


def _with_actual(trial: Trial, actual: str | None) -> Trial:
    if actual == trial.claimed:
        raise EnrolmentError(
            f"{trial.sequence.provenance.source_name} is given as a genuine clip and as a {trial.label} of "
            f"{trial.claimed}. One of the two labels is wrong"
        )
    return replace(trial, actual=actual)


def check_disjoint(enrolments: Sequence[Enrolment], trials: Sequence[Trial]) -> None:
    """Refuse an experiment whose two sides share a recording, a session of one person, or a stretch of movement.

    A recording is known by the digest of its video and by that of its keypoints, a copy of it by movement that goes
    together for 5 s (`poseauth.near_duplicates`). Sessions count where both sides name them.

    Raises
    ------
    TrialOverlapError
        Names both files.
    """
    learnt: dict[str, Enrolment] = {}
    for enrolment in enrolments:
        for digest in _digests(enrolment.sequence):
            before = learnt.setdefault(digest, enrolment)
            if before.person != enrolment.person:
                raise TrialOverlapError(
                    f"{_name(enrolment)} is enrolled for {enrolment.person} and, as {_name(before)}, for "
                    f"{before.person}: one and the same recording. Take it out of one"
                )
    sessions = {(e.person, e.session): e for e in enrolments if e.session}
    for trial in trials:
        for digest in _digests(trial.sequence):
            if digest in learnt:
                raise TrialOverlapError(
                    f"{_name(trial)} is tried and, as {_name(learnt[digest])}, enrolled: one and the same recording. "
                    "Take it out of one table"
                )
        same = sessions.get((trial.actual or "", trial.session))
        if trial.session and same:
            raise TrialOverlapError(
                f"{_name(trial)} is tried and {_name(same)} is enrolled, both from session {trial.session} of "
                f"{trial.actual}: the set-up would be recognised, not the movement. Take it out of one table"
            )
    tried = list({id(trial.sequence): trial.sequence for trial in trials}.values())
    copy = find_near_duplicate([enrolment.sequence for enrolment in enrolments], tried)
    if copy:
        raise TrialOverlapError(
            f"{tried[copy.second].provenance.source_name} is tried and {_name(enrolments[copy.first])} is enrolled, "
            f"{_sharing(copy)}. Take it out of one table"
        )


def _check_people_apart(enrolments: Sequence[Enrolment]) -> None:
    """Refuse copies of one recording under two names; those of one person count once (`person_profiles.enrolment`)."""
    copies = near_duplicates(
        [enrolment.sequence for enrolment in enrolments],
        passed_over=lambda first, second: enrolments[first].person == enrolments[second].person,
    )
    if copies:
        first, second = enrolments[copies[0].first], enrolments[copies[0].second]
        raise TrialOverlapError(
            f"{_name(first)} is enrolled for {first.person} and {_name(second)} for {second.person}, "
            f"{_sharing(copies[0])}. Take it out of one"
        )


def _sharing(copy: NearDuplicate) -> str:
    return (
        f"and they share {MIN_SHARED_S:g} s or more of one movement (correlation {copy.correlation:.2f}): copies of "
        "one recording"
    )


def _score(number: int, trial: Trial, fitted: FittedScorer, left_out: tuple[str, ...]) -> TrialScore:
    try:
        return TrialScore(number, trial, left_out, fitted.score(trial.sequence), fitted.threshold)
    except PoseAuthError as error:
        return TrialScore(number, trial, left_out, None, fitted.threshold, str(error))


def _check_known(people: Iterable[str], trials: Sequence[Trial]) -> None:
    unknown = sorted({trial.claimed for trial in trials} - set(people))
    if unknown:
        raise UnknownPersonError(f"clips are held against {', '.join(unknown)}, who are not enrolled")


def _digests(sequence: KeypointSequence) -> list[str]:
    own = [sequence.digest]
    return [*own, sequence.provenance.source_sha256] if sequence.provenance.source_sha256 else own


def _name(side: Enrolment | Trial) -> str:
    return side.sequence.provenance.source_name
