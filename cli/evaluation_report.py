"""What `poseauth evaluate` tells: JSON, CSV, plots and a table for the terminal."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseauth import __version__
from poseauth.arrays import Float64Array
from poseauth.errors import StorageError
from poseauth.metrics import highest_share
from poseauth.shown_text import counted

if TYPE_CHECKING:
    from person_profiles.trials import Trial, TrialScore

from .telling import FEW_TRIALS

FORMAT_VERSION = 1
_Plot = Callable[[Float64Array, Float64Array, Path], None]
SCORE_COLUMNS = (
    "person", "path", "label", "attack", "session", "actual", "left_out", "score", "log10_lr", "n_windows", "reason"
)  # fmt: skip
DEFINITIONS = {
    "scores": "calibrated natural log-odds of the person at equal priors, not bounded; of a clip from the mean over "
    "its windows of 5 s without overlap; higher = more like the person. Without a calibration the raw scores",
    "open": "for each impostor's person known to be enrolled there is a training without them; a genuine clip is "
    "scored under each of these trainings",
    "auc": "over all pairs of a genuine and an impostor score of one training",
    "auc_pooled": "over all pairs, whatever their trainings: as for one threshold over all people",
    "eer": "one threshold over all people and trainings, on the convex hull of the ROC curve",
    "fmr, fnmr, accuracy": "at log-odds 0; the verdict's further conditions are not applied",
    "min_dcf": "p_target 0.01, both costs 1, divided by the cost of no scores at all",
    "cllr": "bits, of the likelihood ratios named under calibration",
    "cllr_min": "bits, after pool-adjacent-violators on the same trials",
    "judged": "share that have a likelihood ratio; in cllr the others count as a ratio of 1, no answer",
    "cllr_judged, cllr_min_judged": "the two over those that have one",
    "log10_lr": "under one training; null where the profile gives no likelihood ratio",
    "intervals": "95 %, percentile bootstrap over recordings; how people differ from one another is not in them",
    "by_attack": "the impostors or fakes of one kind against the genuine clips under the same trainings",
    "few_clips": f"recordings of either side that were analysed, where one side has fewer than {FEW_TRIALS}, too few "
    "for rates; null where both have as many",
    "unlike_verify": "in what the likelihood ratios are not those that poseauth verify prints of the same clips",
}
LADDER_DEFINITION = (
    "the trials once more with varied clips under the same trainings; the drift is the variant's score minus the "
    "original's, the mean over the clips and trainings in which both were analysed; a decision changes where one of "
    "the two lies above the scorer's threshold and the other does not"
)
_SHOWN = (
    "auc",
    "auc_pooled",
    "eer",
    "fmr",
    "fnmr",
    "accuracy",
    "cllr",
    "cllr_min",
    "judged",
    "cllr_judged",
    "cllr_min_judged",
)
SETS = {
    "open": "open set: no impostor's person was learnt from",
    "closed": "closed set: the impostors' people were learnt from, which flatters",
    "existing profiles": "profiles as they are: who served in them as an impostor is not looked into",
}
_OVERLAP = (
    "windows do not overlap here, so that one movement counts once (those of verify do, and a clip's mean differs)"
)
_ENROLLED_ANEW = (
    "everybody was enrolled anew for this, even where a profile is weak{without} (verify asks the profile that is "
    "kept, and gives no verdict by a weak one)"
)
_WITHOUT = {"open": ", and an impostor is held against a profile that has not met them"}
_CROSS_FITTED = (
    "not every profile is calibrated, so that all ratios here are fitted on these trials, without bounds (verify gives "
    "none by a profile that is not calibrated)"
)
_NO_VERDICT = "accepted is here whatever lies above a ratio of 1 (a verdict of verify asks for more)"


def report(results: Sequence[TrialScore], *, mode: str, seed: int, n_resamples: int) -> dict[str, Any]:
    """All figures as plain values; None stands for what cannot be told."""
    from person_profiles.error_rates import attack_of, attacks_in, clip_rows, figures_of, window_rows

    clips, windows = clip_rows(results), window_rows(results)

    def both(attack: str | None = None) -> dict[str, Any]:
        return {
            name: figures_of(rows, attack=attack, seed=seed, n_resamples=n_resamples).as_dict()
            for name, rows in (("clips", clips), ("windows", windows))
        }

    attacks = {
        attack: [r for r in results if not r.trial.is_genuine and attack_of(r) == attack]
        for attack in attacks_in(results)
    }
    return {
        "format_version": FORMAT_VERSION,
        "poseauth_version": __version__,
        "set": mode,
        "seed": seed,
        "n_resamples": n_resamples,
        "definitions": DEFINITIONS,
        "calibration": {"clips": clips.calibration, "windows": windows.calibration},
        "n": {
            **{
                label: len({r.number for r in results if r.trial.label == label})
                for label in ("genuine", "impostor", "fake")
            },
            "people": len({r.trial.claimed for r in results}),
            "recordings": len(set(clips.recordings)),
            "trainings": len({r.training for r in results}),
            "of_unknown_person": len({r.number for r in results if r.trial.actual is None}),
        },
        "few_clips": _few_clips(results),
        "unlike_verify": _unlike_verify(results, clips.calibration, mode),
        **both(),
        "by_attack": {
            attack: {"n_trials": len({r.number for r in of_kind}), **both(attack)}
            for attack, of_kind in attacks.items()
        },
    }


def _few_clips(results: Sequence[TrialScore]) -> dict[str, Any] | None:
    """Recordings of either side that were analysed, where they are too few for rates; None where they are not."""
    n_clips = {
        side: len({r.trial.sequence.recording for r in results if r.scored and r.trial.is_genuine == is_genuine})
        for side, is_genuine in (("genuine", True), ("impostor", False))
    }
    return {**n_clips, "needed_of_a_side": FEW_TRIALS} if min(n_clips.values()) < FEW_TRIALS else None


def _unlike_verify(results: Sequence[TrialScore], calibration: str, mode: str) -> list[str]:
    """In what the likelihood ratios are not those that `poseauth verify` prints of the same clips."""
    from person_profiles.error_rates import CALIBRATED_BY_PROFILE

    n_scored = len({r.number for r in results if r.scored})
    n_not_judged = len({r.number for r in results if r.scored and not r.scored.judged})
    if not n_scored:
        return []
    differs = [_OVERLAP]
    if mode != "existing profiles":
        differs.append(_ENROLLED_ANEW.format(without=_WITHOUT.get(mode, "")))
    if n_not_judged:
        differs.append(
            f"{n_not_judged} of {counted(n_scored, 'trial')}, seen from another side than the enrolled videos, count "
            "as a ratio of 1 in Cllr (verify gives none for such a clip)"
        )
    if calibration != CALIBRATED_BY_PROFILE:
        differs.append(_CROSS_FITTED)
    return [*differs, _NO_VERDICT]


def cautions(told: Mapping[str, Any]) -> list[str]:
    """What a reader of the figures has to know, a sentence or two each."""
    few, sentences = told.get("few_clips"), []
    tried = [few[side] for side in ("genuine", "impostor") if few[side]] if few else []
    if few and tried:
        sentences.append(
            f"{counted(few['genuine'], 'genuine clip')} and {few['impostor']} of impostors or fakes are far too few "
            f"for rates, which take {few['needed_of_a_side']} of a side: where 0 of {min(tried)} went wrong, up to "
            f"{highest_share(0, min(tried)):.0%} may (exact 95 % interval). Intervals by resampling do not show that."
        )
    if told.get("unlike_verify"):
        sentences.append(f"These are not the ratios that verify prints: {'; '.join(told['unlike_verify'])}.")
    return sentences


@dataclass(frozen=True, eq=False)
class VariedTrial:
    """A trial whose clip was varied: what came of the clip, and later of the trial.

    Attributes
    ----------
    rung : str
        What was done to the clip.
    original : int
        Number of the trial as it was given.
    trial : Trial or None
        The same trial with the varied clip; None where that clip cannot be read or tried.
    reason : str
        Why there is no trial, "" where there is one.
    """

    rung: str
    original: int
    trial: Trial | None
    reason: str = ""


def ladder_figures(
    results: Sequence[TrialScore],
    varied: Sequence[tuple[VariedTrial, Sequence[TrialScore]]],
    *,
    does: Mapping[str, str],
    seed: int,
    n_resamples: int,
) -> dict[str, Any]:
    """How each rung moves the scores, as plain values; None stands for what cannot be told.

    Parameters
    ----------
    results : sequence of TrialScore
        Of the originals.
    varied : sequence of (VariedTrial, sequence of TrialScore)
        Every variant that applies, with what it scored under each training.
    does : mapping of str to str
        Every rung by its name, and what it does.
    seed, n_resamples : int
        Of the intervals.
    """
    originals = {(r.number, r.left_out): r for r in results if r.scored}
    numbers = {number for number, _ in originals}
    trials = {result.number: result.trial for result in results}
    told: dict[str, Any] = {}
    for name, words in does.items():
        tried = [(one, scores) for one, scores in varied if one.rung == name and one.original in numbers]
        pairs = [
            (originals[one.original, variant.left_out], variant)
            for one, scores in tried
            for variant in scores
            if variant.scored and (one.original, variant.left_out) in originals
        ]
        analysed = {original.number for original, _ in pairs}
        told[name] = {
            "does": words,
            "n": len(tried),
            "n_not_analysed": len(tried) - len(analysed),
            "n_not_applicable": len(numbers) - len(tried),
            "acceptance_changed": _acceptance_changed(pairs),
            **{
                side: _drift_of(
                    [pair for pair in pairs if pair[0].trial.is_genuine == is_genuine],
                    seed=seed,
                    n_resamples=n_resamples,
                )
                for side, is_genuine in (("genuine", True), ("impostor", False))
            },
            "not_analysed": [
                {
                    "person": trials[one.original].claimed,
                    "clip": trials[one.original].sequence.provenance.source_name,
                    "reason": one.reason or next((result.reason for result in scores if result.reason), None),
                }
                for one, scores in tried
                if one.original not in analysed
            ],
        }
    return told


def _drift_of(pairs: Sequence[tuple[TrialScore, TrialScore]], *, seed: int, n_resamples: int) -> dict[str, Any]:
    import numpy as np

    from poseauth.metrics import UNKNOWN, bootstrap_interval

    drift = np.array([_score(variant) - _score(original) for original, variant in pairs])
    recordings = [original.trial.sequence.recording for original, _ in pairs]
    estimate = (
        bootstrap_interval(
            lambda drawn: float(drift[drawn].mean()),
            recordings,
            rng=np.random.default_rng(seed),
            n_resamples=n_resamples,
        )
        if pairs
        else UNKNOWN
    )
    return {
        "n": len({original.number for original, _ in pairs}),
        "drift": estimate.as_dict(),
        "acceptance_changed": _acceptance_changed(pairs),
    }


def _acceptance_changed(pairs: Iterable[tuple[TrialScore, TrialScore]]) -> float | None:
    changed = [
        (_score(original) > original.threshold) != (_score(variant) > original.threshold)
        for original, variant in pairs
        if original.threshold is not None
    ]
    return sum(changed) / len(changed) if changed else None


def _score(result: TrialScore) -> float:
    if result.scored is None:
        raise ValueError("a trial that was not analysed has no score")
    return result.scored.score


def score_list(
    rows: Sequence[Mapping[str, str]],
    results: Sequence[TrialScore],
    lost: Iterable[tuple[Mapping[str, str], str]],
) -> list[dict[str, Any]]:
    """Every trial with its score (the mean over its trainings), those under each training, or why there is none.

    Parameters
    ----------
    rows : sequence of mapping
        The cells of the trials that were read, in the order of their numbers.
    results : sequence of TrialScore
        Of these.
    lost : iterable of (mapping, str)
        The cells of those that could not be read, and why.
    """
    found: dict[int, list[TrialScore]] = defaultdict(list)
    for result in results:
        found[result.number].append(result)
    entries = []
    for number, cells in enumerate(rows):
        under = found[number]
        scored = [result.scored for result in under if result.scored]
        entries.append(
            {
                **_cells(cells),
                "actual": under[0].trial.actual if under else None,
                "score": sum(one.score for one in scored) / len(scored) if scored else None,
                "n_windows": len(scored[0].window_scores) if scored else 0,
                "reason": next((result.reason for result in under if result.reason), None),
                "by_training": [
                    {
                        "left_out": list(result.left_out),
                        "score": result.scored.score,
                        "log10_lr": result.scored.log10_lr if result.scored.judged else None,
                        "window_scores": [round(float(score), 6) for score in result.scored.window_scores],
                        "window_start_s": [round(float(start), 3) for start in result.scored.window_start_s],
                    }
                    for result in under
                    if result.scored
                ],
            }
        )
    for cells, why in lost:
        nothing: dict[str, Any] = {"actual": None, "score": None, "n_windows": 0, "reason": why, "by_training": []}
        entries.append({**_cells(cells), **nothing})
    return entries


def write_json(path: Path, told: Mapping[str, Any]) -> None:
    """Write the report; a NaN in it is a fault and not written.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    write_text(path, json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def write_scores(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write one line for every trial under every training.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, SCORE_COLUMNS, extrasaction="ignore")
            table.writeheader()
            for entry in entries:
                under = [
                    {
                        **entry,
                        "left_out": ";".join(one["left_out"]),
                        "score": one["score"],
                        "log10_lr": one["log10_lr"],
                    }
                    for one in entry["by_training"]
                ]
                table.writerows(under or [{**entry, "left_out": ""}])
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def draw(
    results: Sequence[TrialScore], folder: Path, *, levels: Collection[str] = ("clips", "windows")
) -> dict[str, Path]:
    """DET, Tippett and calibration plots of clips and of windows, where both sides are there.

    Parameters
    ----------
    results : sequence of TrialScore
        All of them.
    folder : Path
        Made where it is not there.
    levels : collection of str
        "clips", "windows" or both.

    Returns
    -------
    dict of str to Path
        The file of each plot by its name, such as "det-clips".

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    from person_profiles.error_rates import clip_rows, window_rows
    from poseauth.plots import plot_calibration, plot_det, plot_tippett

    drawn = {}
    for name, rows in (("clips", clip_rows(results)), ("windows", window_rows(results))):
        if name not in levels or not rows.is_genuine.any() or rows.is_genuine.all():
            continue
        plots: dict[str, tuple[_Plot, Float64Array]] = {"det": (plot_det, rows.scores)}
        if rows.log10_lr is not None:
            plots |= {"tippett": (plot_tippett, rows.log10_lr), "calibration": (plot_calibration, rows.log10_lr)}
        for kind, (plot, values) in plots.items():
            path = drawn[f"{kind}-{name}"] = folder / f"{kind}-{name}.png"
            plot(values[rows.is_genuine], values[~rows.is_genuine], path)
    return drawn


def summary(told: Mapping[str, Any]) -> str:
    """The figures as a table for a terminal."""
    n = told["n"]
    counts = ", ".join(f"{n[label]} {label}" for label in ("genuine", "impostor", "fake") if n[label])
    lines = [
        f"{counts or 'no'} trials of {counted(n['people'], 'person')}, "
        f"{counted(n['recordings'], 'recording')}, {counted(n['trainings'], 'training')}; not analysed: "
        f"{n['not_analysed']}",
        SETS[told["set"]],
        f"{'':<22}{'clips':<24}windows",
    ]
    lines += [f"{name:<22}{_told(told['clips'][name]):<24}{_told(told['windows'][name])}" for name in _SHOWN]
    for attack, figures in told["by_attack"].items():
        lines.append(f"{attack} ({figures['n_trials']} trials)")
        lines += [
            f"  {name:<20}{_told(figures['clips'][name]):<24}{_told(figures['windows'][name])}"
            for name in ("auc", "eer", "fmr")
        ]
    if "ladder" in told:
        lines += _ladder_lines(told["ladder"])
    lines.append("In brackets: 95 % interval by recording. Cllr: " + told["calibration"]["clips"] + ".")
    lines += cautions(told)
    return "\n".join(lines)


def _ladder_lines(rungs: Mapping[str, Any]) -> list[str]:
    lines = [f"{'after other hands':<22}{'genuine score':<24}{'impostor score':<24}decisions changed"]
    for name, rung in rungs.items():
        changed = rung["acceptance_changed"]
        left = [
            f"{rung[key]} {words}"
            for key, words in (("n_not_analysed", "not analysed"), ("n_not_applicable", "not applicable"))
            if rung[key]
        ]
        cells = f"{_drift(rung['genuine']['drift']):<24}{_drift(rung['impostor']['drift']):<24}"
        counts = "; ".join([f"{rung['n']} trials", *left])
        lines.append(f"  {name:<20}{cells}{'-' if changed is None else f'{changed:.1%}'} ({counts})")
    return lines


def _drift(estimate: Mapping[str, float | None]) -> str:
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return "-"
    return f"{value:+.2f}" if low is None or high is None else f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _cells(cells: Mapping[str, str]) -> dict[str, str | None]:
    return {name: cells.get(name) or None for name in ("person", "path", "label", "attack", "session")}


def _told(estimate: Mapping[str, float | None]) -> str:
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return "-"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
