"""A verification in words and in plain values: what the terminal shows and what programs read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from poseauth.arrays import Float64Array
from poseauth.calibration import LikelihoodRatio
from poseauth.decision import Decision, Verdict
from poseauth.errors import PoseAuthError
from poseauth.keypoint_files import provenance_as_dict
from poseauth.keypoints import Provenance
from poseauth.shown_text import counted
from poseauth.windows import WINDOW_S

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2

NOT_EXAMINED = ("lips", "voice", "face and pixels", "metadata", "where and when it was recorded")
"""What no result of poseauth speaks of."""

SCOPE = (
    "Body movement only. A dub or a lip-sync laid over genuine footage keeps the genuine body, and so does an old clip "
    "under a new caption."
)

PROPOSITIONS = (
    "{person} moves here as in the enrolled videos",
    "somebody else drives the movement",
)
"""What a likelihood ratio compares; the first over the second."""

VERBAL_SCALE = (
    (10.0, "weak support"),
    (100.0, "moderate support"),
    (1000.0, "moderately strong support"),
    (10000.0, "strong support"),
    (1000000.0, "very strong support"),
    (float("inf"), "extremely strong support"),
)
"""Words for ratios from 2 up to each number: ENFSI guideline for evaluative reporting, 2015. Below 2: no support."""
_NO_SUPPORT_BELOW = 2.0

Status = Literal["analysed", "not analysed"]
PersonIs = Literal["claimed", "closest"]
LearntFrom = Literal["own", "others"]

_SENTENCES = {
    Verdict.AUTHENTIC: "body movement consistent with {person}",
    Verdict.FAKE: "body movement not consistent with {person}; nothing is said of how the footage was made",
    Verdict.INCONCLUSIVE: "not enough to say whether it is {person} who moves",
}


@dataclass(frozen=True, eq=False)
class Verification:
    """The answer for one clip and one person.

    Attributes
    ----------
    source : str
        The clip as it was named.
    person : str
        Whose movement it was held against.
    status : "analysed" or "not analysed"
        Not analysed: there is no verdict, and `reasons` says why.
    decision : Decision or None
        None where the clip was not analysed.
    provenance : Provenance or None
        Where the keypoints came from, with the coverage; None where the clip could not be read.
    window_scores : np.ndarray [shape=(N,)], float64, or None
        P(the person), 0 to 1, higher = more like the person.
    window_start_s : np.ndarray [shape=(N,)], float64, or None
        Seconds into the clip.
    n_windows_rejected : int
        Windows in which too little of the upper body is seen.
    n_windows_still : int
        Windows left out because nobody moves in them.
    n_windows_repeated : int
        Windows left out because the clip has shown their movement before.
    n_windows_small : int
        Windows left out because the person is too small in them.
    reasons : tuple of str
        Why the answer is what it is.
    caveats : tuple of str
        What weakens it: files that broke off, a profile that has met no real impostor.
    asked_for_less : str
        By what less video was to do than is usual, and what is usual; "" where the answer does not rest on less.
    learnt_from : "own", "others" or None
        Whether the profile was learnt from this very recording, or from a video that shows a stretch of it, as the
        person's own or as somebody else's.
    problem : type of PoseAuthError or None
        What kind of error stood in the way where the clip was not analysed; None where nobody knows.
    track_record : str
        How often the profile was wrong on held-out clips; "" where nobody knows.
    person_is : "claimed" or "closest"
        Whether somebody said that it is this person, or they were picked from several.
    """

    source: str
    person: str
    status: Status
    decision: Decision | None = None
    provenance: Provenance | None = None
    window_scores: Float64Array | None = None
    window_start_s: Float64Array | None = None
    n_windows_rejected: int = 0
    n_windows_still: int = 0
    n_windows_repeated: int = 0
    n_windows_small: int = 0
    reasons: tuple[str, ...] = ()
    caveats: tuple[str, ...] = field(default=())
    asked_for_less: str = ""
    learnt_from: LearntFrom | None = None
    problem: type[PoseAuthError] | None = None
    track_record: str = ""
    person_is: PersonIs = "claimed"

    @property
    def verdict(self) -> Verdict | None:
        """None where the clip was not analysed."""
        return self.decision.verdict if self.decision else None


def not_analysed(
    source: str,
    person: str,
    reason: str,
    *,
    problem: type[PoseAuthError] | None = None,
    provenance: Provenance | None = None,
    n_windows_rejected: int = 0,
    n_windows_still: int = 0,
    n_windows_repeated: int = 0,
    n_windows_small: int = 0,
) -> Verification:
    """The answer for a clip that could not be analysed: no verdict, and why."""
    return Verification(
        source,
        person,
        "not analysed",
        provenance=provenance,
        n_windows_rejected=n_windows_rejected,
        n_windows_still=n_windows_still,
        n_windows_repeated=n_windows_repeated,
        n_windows_small=n_windows_small,
        reasons=(reason,),
        caveats=caveats_of(provenance),
        problem=problem,
    )


def caveats_of(provenance: Provenance | None) -> tuple[str, ...]:
    """What the way from file to keypoints leaves in doubt, in words."""
    if provenance is None:
        return ()
    found = []
    coverage = provenance.coverage
    if coverage and coverage.broke_off:
        share = f" ({coverage.fraction:.0%})" if coverage.fraction is not None else ""
        found.append(
            f"{coverage.n_decoded} of {coverage.n_promised or 'an unknown number of'} frames could be decoded{share}: "
            f"{coverage.broke_off}"
        )
    if provenance.n_people_ignored:
        was = "was" if provenance.n_people_ignored == 1 else "were"
        found.append(f"{counted(provenance.n_people_ignored, 'other person')} in view {was} ignored")
    if provenance.n_people_ignored is None and provenance.extractor and provenance.extractor.name == "mediapipe":
        found.append("the extractor follows one person and does not count others in view")
    if provenance.n_shots_ambiguous:
        found.append(f"{provenance.n_shots_ambiguous} shots with two equally central people were left out")
    return tuple(found)


def sentence(result: Verification) -> str:
    """The answer in one sentence."""
    if result.verdict is None:
        return f"not analysed: {'; '.join(result.reasons)}"
    return _SENTENCES[result.verdict].format(person=result.person)


def in_words(log10_lr: float, person: str) -> str:
    """A likelihood ratio by the verbal scale, with the proposition that it supports."""
    factor = 10 ** abs(log10_lr)
    if factor < _NO_SUPPORT_BELOW:
        return "no support for either proposition"
    words = next(name for limit, name in VERBAL_SCALE if factor < limit)
    return f'{words} for "{PROPOSITIONS[0 if log10_lr > 0 else 1].format(person=person)}"'


def odds(log10_lr: float) -> str:
    """A likelihood ratio as a factor and its side: 2.4 to 1 for."""
    if abs(log10_lr) < 0.005:
        return "1 to 1"
    factor = 10 ** abs(log10_lr)
    number = f"{factor:,.0f}" if factor >= 100 else f"{factor:.1f}"
    return f"{number} to 1 {'for' if log10_lr > 0 else 'against'}"


def verbal_scale() -> str:
    """The steps of the verbal scale in one line."""
    steps, low = [f"below {_NO_SUPPORT_BELOW:g} no support"], _NO_SUPPORT_BELOW
    for limit, words in VERBAL_SCALE:
        steps.append(f"{low:,.0f} to {limit:,.0f} {words}" if limit < float("inf") else f"more {words}")
        low = limit
    return ", ".join(steps)


def _likelihood_as_dict(ratio: LikelihoodRatio, person: str) -> dict[str, Any]:
    return {
        "log10_lr_above_0_speaks_for_person": round(ratio.log10_lr, 4),
        "interval_95": [round(ratio.low, 4), round(ratio.high, 4)],
        "interval_is_at_bound": ratio.is_at_limit,
        "bounds": [round(ratio.lower_bound, 4), round(ratio.upper_bound, 4)],
        "undecided_band": [round(-ratio.undecided, 4), round(ratio.undecided, 4)],
        "propositions": [text.format(person=person) for text in PROPOSITIONS],
        "in_words": in_words(ratio.log10_lr, person),
        "verbal_scale": verbal_scale(),
    }


def as_dict(result: Verification) -> dict[str, Any]:
    """Plain values for JSON; every key says its unit and its direction."""
    decision = result.decision
    scores, starts = result.window_scores, result.window_start_s
    coverage = result.provenance.coverage.fraction if result.provenance and result.provenance.coverage else None
    return {
        "schema_version": SCHEMA_VERSION,
        "source": result.source,
        "person": result.person,
        "person_is": result.person_is,
        "status": result.status,
        "verdict": result.verdict.value if result.verdict else None,
        "sentence": sentence(result),
        "n_windows": 0 if scores is None else len(scores),
        "n_windows_rejected": result.n_windows_rejected,
        "n_windows_still": result.n_windows_still,
        "n_windows_repeated": result.n_windows_repeated,
        "n_windows_small": result.n_windows_small,
        "n_votes_authentic": decision.n_authentic_votes if decision else None,
        "n_votes_fake": decision.n_fake_votes if decision else None,
        "mean_score_higher_is_more_like_person": round(decision.mean_score, 6) if decision else None,
        "likelihood_ratio": _likelihood_as_dict(decision.likelihood, result.person)
        if decision and decision.likelihood
        else None,
        "seconds_analysed": round(decision.seconds_analysed, 3) if decision else 0.0,
        "coverage": None if coverage is None else round(coverage, 4),
        "reasons": list(result.reasons),
        "caveats": list(result.caveats),
        "track_record": result.track_record or None,
        "scope": SCOPE,
        "not_examined": list(NOT_EXAMINED),
        "provenance": provenance_as_dict(result.provenance) if result.provenance else None,
        "windows": []
        if scores is None or starts is None
        else [
            {
                "start_s": round(float(start), 3),
                "end_s": round(float(start) + WINDOW_S, 3),
                "score_higher_is_more_like_person": round(float(score), 6),
            }
            for start, score in zip(starts, scores, strict=True)
        ],
    }


CSV_COLUMNS = (
    "source",
    "person",
    "person_is",
    "status",
    "verdict",
    "n_windows",
    "n_votes_authentic",
    "n_votes_fake",
    "mean_score_higher_is_more_like_person",
    "log10_lr_above_0_speaks_for_person",
    "seconds_analysed",
    "coverage",
    "n_people_ignored",
    "reasons",
    "caveats",
)
COUNTS = ("n_windows", "n_votes_authentic", "n_votes_fake", "n_people_ignored")
NUMBERS = (
    "mean_score_higher_is_more_like_person",
    "log10_lr_above_0_speaks_for_person",
    "seconds_analysed",
    "coverage",
)
"""Columns of whole numbers, and of others."""


def as_row(result: Verification) -> dict[str, str]:
    """One line of a table, by `CSV_COLUMNS`; empty where there is nothing to say."""
    return flat_row(as_dict(result))


def flat_row(plain: Mapping[str, Any]) -> dict[str, str]:
    """One line of a table, by `CSV_COLUMNS`, of what `as_dict` gave."""
    ratio, provenance = plain.get("likelihood_ratio") or {}, plain.get("provenance") or {}
    row = {
        **plain,
        "log10_lr_above_0_speaks_for_person": ratio.get("log10_lr_above_0_speaks_for_person"),
        "n_people_ignored": provenance.get("n_people_ignored"),
        "reasons": "; ".join(plain.get("reasons") or ()),
        "caveats": "; ".join(plain.get("caveats") or ()),
    }
    return {name: "" if row.get(name) is None else str(row[name]) for name in CSV_COLUMNS}


def as_frame(results: Iterable[Verification]) -> pd.DataFrame:
    """A table of results, one row a clip and person, for notebooks.

    Parameters
    ----------
    results : iterable of Verification
        In the order of the rows.

    Returns
    -------
    pd.DataFrame [columns=CSV_COLUMNS]
        As `--output results.csv` has it, with numbers as numbers and NA where there is nothing to say.
    """
    import pandas as pd

    rows = [as_row(result) for result in results]
    frame = pd.DataFrame(rows, columns=list(CSV_COLUMNS), dtype="string").replace("", pd.NA)
    counts = {name: "Int64" for name in COUNTS}
    return frame.astype({**counts, **{name: "Float64" for name in NUMBERS}})
