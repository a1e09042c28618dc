"""An evaluation as one page of HTML that needs nothing else: tables, plots, every trial, and what the words mean."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poseauth.report import NOT_EXAMINED, SCOPE
from poseauth.shown_text import counted

from .evaluation_report import SETS, cautions
from .page import document, section, table, text

FIGURE_WORDS = {
    "auc": "AUC: how often a genuine one scores above an impostor's, under one training",
    "auc_pooled": "AUC pooled: the same over all people and trainings",
    "eer": "EER: the error at the threshold where both errors are alike",
    "fmr": "FMR: impostors accepted",
    "fnmr": "FNMR: genuine rejected",
    "accuracy": "Accuracy: decided rightly",
    "min_dcf": "minDCF: cost at the best threshold, where false acceptance is dear",
    "cllr": "Cllr: cost of the likelihood ratios, in bits (0 best, 1 says nothing)",
    "cllr_min": "Cllr min: the same after the best calibration",
    "judged": "Judged: have a likelihood ratio at all; the others count as no answer in Cllr",
    "cllr_judged": "Cllr, judged: of those that have one",
    "cllr_min_judged": "Cllr min, judged",
}
_SHARES = ("eer", "fmr", "fnmr", "accuracy", "judged")
_ALT = {
    "det": "DET curve of clips: share of genuine clips rejected over share of impostor clips accepted, at every "
    "threshold. The equal error rate stands in the table of figures.",
    "tippett": "Tippett plot of clips: share of genuine and of impostor clips whose log10 likelihood ratio is at "
    "least x. The further the two curves lie apart, the better.",
    "calibration": "Calibration plot of clips: observed share of genuine clips over the promised one. On the "
    "diagonal the likelihood ratios keep their promise.",
}
_NOT_KNOWN = "not known"
_STYLE = """
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: 0; padding: 0; }
.plots img { width: 21rem; max-width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line); }
dt { font-weight: 600; margin-top: 0.5rem; }
dd { margin: 0; max-width: 60rem; }
"""


def page(told: Mapping[str, Any], plots: Mapping[str, bytes]) -> str:
    """The evaluation as a page of HTML with no script, nothing from elsewhere, and its plots inside.

    Parameters
    ----------
    told : mapping
        As `poseauth evaluate --json` writes it.
    plots : mapping of str to bytes
        PNG files of clips by the names "det", "tippett" and "calibration"; those that could not be made are left out.
    """
    sections = [
        section("figures", "Figures", _figures(told)),
        section("attacks", "Attacks", _attacks(told["by_attack"])),
        *([section("ladder", "After other hands", _ladder(told["ladder"]))] if "ladder" in told else []),
        section("plots", "Plots", _plots(plots)),
        section("trials", "Trials", _trials(told["scores"])),
        *([section("lost", "Not enrolled", _lost(told["not_enrolled"]))] if told["not_enrolled"] else []),
        section("definitions", "What the words mean", definitions(told["definitions"])),
    ]
    title = "poseauth: error rates on labelled clips"
    return document(
        title,
        f'<h1>{title}</h1>\n<p class="lead">{text(_what_was_measured(told))}</p>',
        sections,
        f"<p>{text(_made_by(told))}</p>",
        style=_STYLE,
    )


def _what_was_measured(told: Mapping[str, Any]) -> str:
    n, scores = told["n"], told["scores"]
    labels = Counter(entry["label"] for entry in scores)
    counts = ", ".join(f"{labels[label]} {label}" for label in ("genuine", "impostor", "fake") if labels[label])
    return (
        f"{counted(len(scores), 'trial')} ({counts or 'none'}) on {counted(n['recordings'], 'recording')} held "
        f"against {n['people']} enrolled {'person' if n['people'] == 1 else 'people'} under "
        f"{counted(n['trainings'], 'training')}; {n['not_analysed']} of them could not be analysed. "
        f"{SETS[told['set']].capitalize()}. {SCOPE} Not examined: {', '.join(NOT_EXAMINED)}."
    )


def _made_by(told: Mapping[str, Any]) -> str:
    recipe = f", recipe {told['recipe']}" if told["recipe"] else ""
    return (
        f"poseauth {told['poseauth_version']}{recipe}, seed {told['seed']}, {told['n_resamples']} resamples for the "
        "intervals."
    )


def _figures(told: Mapping[str, Any]) -> str:
    rows = [
        (words, *(_estimate(told[level][name], share=name in _SHARES) for level in ("clips", "windows")))
        for name, words in FIGURE_WORDS.items()
    ]
    figures = table(
        "Figures of whole clips and of their windows of 5 s; in brackets the 95 % interval by recording",
        ("Figure", "Clips", "Windows"),
        rows,
    )
    note = f"Likelihood ratios of clips: {told['calibration']['clips']}. Of windows: {told['calibration']['windows']}."
    return "\n".join([figures, *(f"<p>{text(words)}</p>" for words in (note, *cautions(told)))])


def _attacks(by_attack: Mapping[str, Any]) -> str:
    # The library knows what an impostor without a named attack is called; it is loaded by now, this file need not be.
    from person_profiles.error_rates import UNNAMED_ATTACK

    if not by_attack:
        return "<p>No impostor and no fake was tried.</p>"
    plain = UNNAMED_ATTACK["impostor"]
    rows = [
        (
            f"{attack}: plain impostors" if attack == plain else attack,
            str(figures["n_trials"]),
            *(
                _estimate(figures[level][name], share=name in _SHARES)
                for level, name in (("clips", "fmr"), ("windows", "fmr"), ("clips", "eer"), ("clips", "auc"))
            ),
        )
        for attack, figures in sorted(by_attack.items(), key=lambda item: (item[0] != plain, item[0]))
    ]
    attacks = table(
        "Every kind of attack beside plain impostors: how often it is accepted; in brackets the 95 % interval",
        ("Attack", "Trials", "Accepted, clips (FMR)", "Accepted, windows (FMR)", "EER, clips", "AUC, clips"),
        rows,
    )
    if plain in by_attack:
        return attacks
    return f"{attacks}\n<p>No plain impostor was tried that the attacks could be held beside.</p>"


def _ladder(ladder: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{name}: {rung['does']}",
            *(_drift(rung[side]["drift"]) for side in ("genuine", "impostor")),
            _NOT_KNOWN if rung["acceptance_changed"] is None else _number(rung["acceptance_changed"], share=True),
            str(rung["n"]),
            str(rung["n_not_analysed"]),
            str(rung["n_not_applicable"]),
        )
        for name, rung in ladder.items()
    ]
    drifts = table(
        "The same clips as they come out of other hands: mean change of a clip's score, with the 95 % interval by "
        "recording, and how many decisions change",
        (
            "What was done", "Genuine: score changes by", "Impostor or fake: score changes by", "Decisions changed",
            "Trials", "Not analysed", "Not applicable",
        ),
        rows,
    )  # fmt: skip
    lost = [
        (entry["clip"], name, entry["person"], entry["reason"] or "")
        for name, rung in ladder.items()
        for entry in rung["not_analysed"]
    ]
    if not lost:
        return drifts
    caption = "Varied clips that could not be analysed though the original could"
    return f"{drifts}\n{table(caption, ('Clip', 'What was done', 'Held against', 'Why'), lost)}"


def _plots(plots: Mapping[str, bytes]) -> str:
    if not plots:
        return "<p>None: genuine clips and others are both needed.</p>"
    images = [
        f'<img alt="{text(_ALT[kind])}" src="data:image/png;base64,{base64.b64encode(plots[kind]).decode("ascii")}">'
        for kind in _ALT
        if kind in plots
    ]
    return '<div class="plots">\n' + "\n".join(images) + "\n</div>"


def _trials(scores: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            entry["path"] or "",
            entry["person"] or "",
            entry["label"] or "",
            entry["attack"] or "",
            "none" if entry["score"] is None else f"{entry['score']:+.2f}",
            entry["reason"] or "",
        )
        for entry in scores
    ]
    return table(
        "Every trial; the score is the mean over its trainings, higher = more like the person",
        ("Clip", "Held against", "Label", "Attack", "Score", "Why not analysed"),
        rows,
    )


def _lost(entries: Iterable[Mapping[str, str]]) -> str:
    return table(
        "Recordings to learn from that could not be read",
        ("Recording", "Person", "Why"),
        [(entry["path"], entry["person"], entry["reason"]) for entry in entries],
    )


def definitions(meanings: Mapping[str, str]) -> str:
    """What words mean, as a list."""
    words = [f"<dt>{text(name)}</dt>\n<dd>{text(meaning)}</dd>" for name, meaning in meanings.items()]
    return "<dl>\n" + "\n".join(words) + "\n</dl>"


def _estimate(estimate: Mapping[str, float | None], *, share: bool) -> str:
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return _NOT_KNOWN
    if low is None or high is None:
        return _number(value, share=share)
    return f"{_number(value, share=share)} ({_number(low, share=share)} to {_number(high, share=share)})"


def _drift(estimate: Mapping[str, float | None]) -> str:
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return _NOT_KNOWN
    return f"{value:+.2f}" if low is None or high is None else f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _number(value: float, *, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"
