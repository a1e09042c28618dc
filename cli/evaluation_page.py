"""An evaluation as one page of HTML that needs nothing else: tables, plots, every trial, and what the words mean."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from poseauth.report import NOT_EXAMINED, SCOPE

from .evaluation_report import SETS
from .reading import readable

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
}
_SHARES = ("eer", "fmr", "fnmr", "accuracy")
_ALT = {
    "det": "DET curve of clips: share of genuine clips rejected over share of impostor clips accepted, at every "
    "threshold. The equal error rate stands in the table of figures.",
    "tippett": "Tippett plot of clips: share of genuine and of impostor clips whose log10 likelihood ratio is at "
    "least x. The further the two curves lie apart, the better.",
    "calibration": "Calibration plot of clips: observed share of genuine clips over the promised one. On the "
    "diagonal the likelihood ratios keep their promise.",
}
_NOT_KNOWN = "not known"
# Nothing may be fetched and nothing may run, whatever a table's cells hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --line: #b5b5b5; --soft: #f1f1f1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181b; --line: #565b61; --soft: #23272c; }
}
body { margin: 0 auto; padding: 1rem 1.2rem 3rem; max-width: 72rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
.lead { font-size: 1.1rem; max-width: 60rem; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid currentColor; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
th, td { border: 1px solid var(--line); padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
thead th { background: var(--soft); }
tbody th { font-weight: 500; }
td, tbody th { overflow-wrap: anywhere; min-width: 4rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: 0; padding: 0; }
.plots img { width: 21rem; max-width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line); }
dt { font-weight: 600; margin-top: 0.5rem; }
dd { margin: 0; max-width: 60rem; }
@media print {
  :root { --ink: #000000; --paper: #ffffff; --line: #777777; --soft: #eeeeee; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  .wide { overflow: visible; }
  thead { display: table-header-group; }
  tr, img { break-inside: avoid; }
  h2 { break-after: avoid; }
}
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
        _section("figures", "Figures", _figures(told)),
        _section("attacks", "Attacks", _attacks(told["by_attack"])),
        *([_section("ladder", "After other hands", _ladder(told["ladder"]))] if "ladder" in told else []),
        _section("plots", "Plots", _plots(plots)),
        _section("trials", "Trials", _trials(told["scores"])),
        *([_section("lost", "Not enrolled", _lost(told["not_enrolled"]))] if told["not_enrolled"] else []),
        _section("definitions", "What the words mean", _definitions(told)),
    ]
    title = "poseauth: error rates on labelled clips"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            f'<header>\n<h1>{title}</h1>\n<p class="lead">{_text(_what_was_measured(told))}</p>\n</header>',
            "<main>",
            *sections,
            "</main>",
            f"<footer><p>{_text(_made_by(told))}</p></footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _what_was_measured(told: Mapping[str, Any]) -> str:
    n, scores = told["n"], told["scores"]
    labels = Counter(entry["label"] for entry in scores)
    counts = ", ".join(f"{labels[label]} {label}" for label in ("genuine", "impostor", "fake") if labels[label])
    return (
        f"{_counted(len(scores), 'trial')} ({counts or 'none'}) on {_counted(n['recordings'], 'recording')} held "
        f"against {n['people']} enrolled {'person' if n['people'] == 1 else 'people'} under "
        f"{_counted(n['trainings'], 'training')}; {n['not_analysed']} of them could not be analysed. "
        f"{SETS[told['set']].capitalize()}. {SCOPE} Not examined: {', '.join(NOT_EXAMINED)}."
    )


def _made_by(told: Mapping[str, Any]) -> str:
    recipe = f", recipe {told['recipe']}" if told["recipe"] else ""
    return (
        f"poseauth {told['poseauth_version']}{recipe}, seed {told['seed']}, {told['n_resamples']} resamples for the "
        "intervals."
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _figures(told: Mapping[str, Any]) -> str:
    rows = [
        (words, *(_estimate(told[level][name], share=name in _SHARES) for level in ("clips", "windows")))
        for name, words in FIGURE_WORDS.items()
    ]
    table = _table(
        "Figures of whole clips and of their windows of 5 s; in brackets the 95 % interval by recording",
        ("Figure", "Clips", "Windows"),
        rows,
    )
    note = f"Likelihood ratios of clips: {told['calibration']['clips']}. Of windows: {told['calibration']['windows']}."
    return f"{table}\n<p>{_text(note)}</p>"


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
    table = _table(
        "Every kind of attack beside plain impostors: how often it is accepted; in brackets the 95 % interval",
        ("Attack", "Trials", "Accepted, clips (FMR)", "Accepted, windows (FMR)", "EER, clips", "AUC, clips"),
        rows,
    )
    if plain in by_attack:
        return table
    return f"{table}\n<p>No plain impostor was tried that the attacks could be held beside.</p>"


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
    drifts = _table(
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
    return f"{drifts}\n{_table(caption, ('Clip', 'What was done', 'Held against', 'Why'), lost)}"


def _plots(plots: Mapping[str, bytes]) -> str:
    if not plots:
        return "<p>None: genuine clips and others are both needed.</p>"
    images = [
        f'<img alt="{_text(_ALT[kind])}" src="data:image/png;base64,{base64.b64encode(plots[kind]).decode("ascii")}">'
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
    return _table(
        "Every trial; the score is the mean over its trainings, higher = more like the person",
        ("Clip", "Held against", "Label", "Attack", "Score", "Why not analysed"),
        rows,
    )


def _lost(entries: Iterable[Mapping[str, str]]) -> str:
    return _table(
        "Recordings to learn from that could not be read",
        ("Recording", "Person", "Why"),
        [(entry["path"], entry["person"], entry["reason"]) for entry in entries],
    )


def _definitions(told: Mapping[str, Any]) -> str:
    words = [f"<dt>{_text(name)}</dt>\n<dd>{_text(text)}</dd>" for name, text in told["definitions"].items()]
    return "<dl>\n" + "\n".join(words) + "\n</dl>"


def _section(name: str, title: str, content: str) -> str:
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{_text(title)}</h2>\n{content}\n</section>'


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column names the rows; cells are text and are escaped here."""
    head = "".join(f'<th scope="col">{_text(column)}</th>' for column in columns)
    body = [
        f'<tr><th scope="row">{_text(first)}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in others)}</tr>'
        for first, *others in rows
    ]
    # A table wider than the screen is scrolled inside its own region, by keyboard too.
    return "\n".join(
        [
            f'<div class="wide" role="region" aria-label="{_text(caption)}" tabindex="0">',
            f"<table>\n<caption>{_text(caption)}</caption>",
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *body,
            "</tbody>\n</table>\n</div>",
        ]
    )


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


def _text(text: str) -> str:
    """Text for any place in the page: a table's cells may hold markup and control codes."""
    return escape(readable(text))
