"""A study as one page of HTML that needs nothing else: tables, curves, confusion matrices, fusion, definitions."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from poseauth.shown_text import counted
from poseauth.study.measures import MIN_GROUPS

from .evaluation_page import definitions
from .page import document, listed, section, table, text
from .study_report import how_sure, name_of, seconds, spread

_STYLE = """
.curves { display: flex; flex-wrap: wrap; gap: 1rem; margin: 0; padding: 0; }
.curves figure { margin: 0; width: 34rem; max-width: 100%; }
.curves img { width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line); }
figcaption { font-size: 0.9rem; }
.sure { border-left: 0.3rem solid currentColor; padding-left: 0.8rem; max-width: 60rem; }
tbody th { white-space: nowrap; }
td { overflow-wrap: normal; }
section[aria-labelledby="test"] td:last-of-type { min-width: 15rem; }
section[aria-labelledby="costs"] td:last-of-type { min-width: 12rem; }
dt { font-weight: 600; margin-top: 0.5rem; }
dd { margin: 0; max-width: 60rem; }
"""
_FIGURES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision (fakes)",
    "recall": "Recall (fakes)",
    "f1": "F1 (fakes)",
    "auc": "AUC",
    "eer": "EER",
    "mae": "MAE",
    "log_loss": "Log loss",
}
_FUSED = (("pose", "Pose alone"), ("appearance", "Appearance alone"), ("fusion", "Fusion"))
_FAMILIES = {"pose": "body movement", "appearance": "pictures of the face"}


def page(told: Mapping[str, Any]) -> str:
    """The study as a page of HTML with no script, nothing from elsewhere, and its curves inside.

    Parameters
    ----------
    told : mapping
        As `poseauth study --json` writes it.
    """
    sections = [
        section("test", "On the test clips", _test(told)),
        *([section("fusion", "Movement and face together", _fusion(told["fusion"]))] if told["fusion"] else []),
        *([section("attacks", "By attack", _attacks(told["attacks"]))] if told["attacks"] else []),
        *([section("lengths", "By sequence length", _lengths(told["summary"]))] if told["options"]["lengths"] else []),
        section("sides", "Train, validation and test", _sides(told)),
        section("confusion", "Confusion matrices", _confusion(told)),
        section("costs", "What they cost", _costs(told["summary"])),
        section("curves", "Curves", _curves(told["rows"])),
        section("clips", "Clips and split", _clips(told)),
        section("definitions", "What the words mean", definitions(told["definitions"])),
    ]
    title = "poseauth: detectors side by side"
    return document(
        title,
        f'<h1>{title}</h1>\n<p class="lead">{text(_lead(told))}</p>\n<p class="sure">{text(how_sure(told))}</p>',
        sections,
        f"<p>poseauth {text(told['poseauth_version'])}, seed {told['options']['seed']}.</p>",
        style=_STYLE,
    )


def _lead(told: Mapping[str, Any]) -> str:
    summary = told["summary"]
    families = [
        f"{counted(len({one['preset'] for one in summary if one['family'] == family}), 'preset')} on {words}"
        for family, words in _FAMILIES.items()
        if any(one["family"] == family for one in summary)
    ]
    sides = told["split"]["sides"]
    divided = listed([f"{of['n_real']} real and {of['n_fake']} fake for {side}" for side, of in sides.items()])
    return (
        f"{listed(families)}, each taught and asked on the same {counted(len(told['clips']), 'clip')} and one split: "
        f"{divided}. Which of them is best here need not be best elsewhere."
    )


def _test(told: Mapping[str, Any]) -> str:
    first = {(row["preset"], row["length"]): row for row in reversed(told["rows"]) if row["status"] == "done"}
    repeats = told["options"]["n_repeats"]
    spread_words = (
        f"mean ± standard deviation over {repeats} trainings"
        if repeats > 1
        else f"in brackets the 95 % interval by group, where there are {MIN_GROUPS} or more of either label"
    )
    parts = []
    for family, words in _FAMILIES.items():
        rows = []
        for entry in told["summary"]:
            row = first.get((entry["preset"], entry["length"]))
            if row is not None and entry["family"] == family:
                asked = row["sides"]["test"]
                cells = [_with_interval(entry["test"], asked, name, told) for name in _FIGURES]
                rows.append((name_of(entry), *cells, f"{asked['n_real']} + {asked['n_fake']}", entry["title"]))
        if rows:
            columns = ("Preset", *_FIGURES.values(), "Clips, real + fake", "What it is")
            parts.append(table(f"By {words}: figures of test clips, {spread_words}", columns, rows))
    lost = [
        (name_of(entry), str(one["repeat"]), one["status"], one["reason"])
        for entry in told["summary"]
        for one in entry["problems"]
    ]
    missing = _undefined(told["rows"])
    if missing:
        parts.append(table("Why a figure is missing", ("Preset", "Figure", "Why"), missing))
    if lost:
        parts.append(table("Rows that were not done", ("Preset", "Repeat", "What happened", "Why"), lost))
    return "\n".join(parts)


def _with_interval(means: Mapping[str, Any], asked: Mapping[str, Any], name: str, told: Mapping[str, Any]) -> str:
    interval = asked["intervals"].get(name)
    if told["options"]["n_repeats"] > 1 or interval is None:
        return spread(means, name)
    return f"{spread(means, name)} ({interval[0]:.2f} to {interval[1]:.2f})"


def _undefined(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    found = {
        (name_of(row), _FIGURES[name], why)
        for row in rows
        if row["status"] == "done"
        for name, why in row["sides"]["test"]["undefined"].items()
    }
    return sorted(found)


def _sides(told: Mapping[str, Any]) -> str:
    sides = tuple(told["split"]["sides"])
    rows = [
        (
            name_of(entry),
            *(spread(entry[side], name) for name in ("accuracy", "example_loss", "example_accuracy") for side in sides),
        )
        for entry in told["summary"]
        if entry["n_done"]
    ]
    columns = [
        f"{words}, {side}" for words in ("Accuracy", "Loss of examples", "Accuracy of examples") for side in sides
    ]
    note = (
        "Much better on train than on test: learnt by heart. Examples are windows of movement, a clip's faces, or "
        "single faces."
    )
    return f"{table('The same weights on all three sides', ('Preset', *columns), rows)}\n<p>{text(note)}</p>"


def _lengths(summary: Sequence[Mapping[str, Any]]) -> str:
    done = [entry for entry in summary if entry["n_done"] and entry["length"] is not None]
    if not done:
        return "<p>No row of any length is done.</p>"
    from poseauth.study.curves import length_picture

    alt = "Accuracy and AUC of test clips over the frames of a window or of a clip's faces. The tables have the figures"
    return f'<div class="curves">{_image(alt, length_picture(done))}</div>'


def _image(alt: str, png: bytes) -> str:
    return f'<img alt="{text(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}">'


def _confusion(told: Mapping[str, Any]) -> str:
    totals: dict[str, list[int]] = {}
    for row in told["rows"]:
        if row["status"] == "done":
            counts = [int(value) for value in row["sides"]["test"]["confusion"].values()]
            before = totals.setdefault(name_of(row), [0, 0, 0, 0])
            totals[name_of(row)] = [old + new for old, new in zip(before, counts, strict=True)]
    rows = [(name, *(str(count) for count in counts)) for name, counts in totals.items()]
    return table(
        "Test clips by what they are and what they were called at a probability of 0.5, all repeats together",
        ("Preset", "Real, called real", "Real, called fake", "Fake, called real", "Fake, called fake"),
        rows,
    )


def _costs(summary: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            name_of(entry),
            seconds(entry["training_s"]),
            _number(entry["best_loss_epoch"]),
            _number(entry["best_accuracy_epoch"]),
            _large(entry["n_parameters"]),
            _bytes(entry["weights_bytes"]),
            "-" if entry["inference_ms_a_clip"] is None else f"{entry['inference_ms_a_clip']:.1f} ms",
            entry["source"],
        )
        for entry in summary
        if entry["n_done"]
    ]
    return table(
        "Means over repeats, on the machine that ran them",
        (
            "Preset", "Taught in", "Epoch of least validation loss", "Epoch of best validation accuracy",
            "Parameters", "Weights on disk", "Answer to one clip", "After",
        ),
        rows,
    )  # fmt: skip


def _attacks(attacks: Sequence[Mapping[str, Any]]) -> str:
    kinds = sorted({one["attack"] for one in attacks})
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in attacks:
        found.setdefault(name_of(one), {})[one["attack"]] = one
    counts = {one["attack"]: f"{one['n_real']} real and {one['n_fake']} {one['attack']}" for one in attacks}
    rows = [
        (name, *(spread(of[kind], "auc") if kind in of else "-" for kind in kinds),
         *(spread(of[kind], "recall") if kind in of else "-" for kind in kinds))
        for name, of in found.items()
    ]  # fmt: skip
    return table(
        f"Real test clips against the fakes of one kind ({'; '.join(counts.values())})",
        ("Preset", *(f"AUC, {kind}" for kind in kinds), *(f"Found of {kind}" for kind in kinds)),
        rows,
    )


def _fusion(fusion: Sequence[Mapping[str, Any]]) -> str:
    done = [entry for entry in fusion if entry["test"]]
    lost = [(name_of(entry, "appearance"), entry["reason"]) for entry in fusion if not entry["test"]]
    found = ""
    if done:
        one = done[0]
        found = table(
            f"Each appearance preset with {one['pose']}, fitted on {counted(one['n_validation'], 'validation clip')}, "
            f"on {counted(one['n_test'], 'test clip')} that both could judge",
            ("Preset", *(f"{words}, {what}" for what in ("AUC", "accuracy") for _, words in _FUSED)),
            [
                (
                    name_of(entry, "appearance"),
                    *(spread(entry["test"][which], name) for name in ("auc", "accuracy") for which, _ in _FUSED),
                )
                for entry in done
            ],
        )
        for kind in sorted(set().union(*(entry["by_attack"] for entry in done))):
            found += "\n" + table(
                f"The same for real clips against {kind}",
                ("Preset", *(f"{words}, AUC" for _, words in _FUSED)),
                [
                    (
                        name_of(entry, "appearance"),
                        *(spread(entry["by_attack"][kind][which], "auc") for which, _ in _FUSED),
                    )
                    for entry in done
                    if kind in entry["by_attack"]
                ],
            )
        found += (
            "\n<p>A swapped face is seen in the pictures and not in the movement, a puppet in the movement and not in "
            "the pictures. Fusion can find both where the validation clips hold both.</p>"
        )
    if lost:
        found += "\n" + table("Not fused", ("Preset", "Why"), lost)
    return found


def _curves(rows: Sequence[Mapping[str, Any]]) -> str:
    taught = [row for row in rows if row["status"] == "done" and row["curve"]]
    if not taught:
        return "<p>None: nothing here was taught over epochs.</p>"
    from poseauth.study.curves import curve_picture

    figures = [
        f"<figure>{_image(_alt(row), curve_picture(row['curve'], row['best_loss_epoch']))}"
        f"<figcaption>{text(_caption(row))}</figcaption></figure>"
        for row in taught
    ]
    return '<div class="curves">\n' + "\n".join(figures) + "\n</div>"


def _caption(row: Mapping[str, Any]) -> str:
    again = f", repeat {row['repeat']}" if row["repeat"] > 1 else ""
    return f"{name_of(row)}{again}: weights of epoch {row['best_loss_epoch']} of {len(row['curve'])}"


def _alt(row: Mapping[str, Any]) -> str:
    first, last = row["curve"][0], row["curve"][-1]
    return (
        f"Loss and accuracy over {counted(len(row['curve']), 'epoch')} of {name_of(row)}: training loss "
        f"{first['train_loss']:.2f} to {last['train_loss']:.2f}, validation loss {first['validation_loss']:.2f} to "
        f"{last['validation_loss']:.2f}, validation accuracy "
        f"{first['validation_accuracy']:.2f} to {last['validation_accuracy']:.2f}."
    )


def _clips(told: Mapping[str, Any]) -> str:
    split = told["split"]
    rows = [
        (
            side,
            str(of["n_real"]),
            str(of["n_fake"]),
            str(of["n_groups"]),
            ", ".join(f"{count} {attack}" for attack, count in of["attacks"].items()) or "not named",
        )
        for side, of in split["sides"].items()
    ]
    found = table("The split", ("Side", "Real", "Fake", "Groups", "Attacks"), rows)
    found += f"\n<p>{text(_grouping(split['has_groups']))}</p>"
    if told["copies"]:
        found += "\n" + table(
            "Copies, left out", ("Clip", "Holds the same as"), [(one["clip"], one["copy_of"]) for one in told["copies"]]
        )
    if told["not_analysed"]:
        found += "\n" + table(
            "Clips that could not be read", ("Clip", "Why"),
            [(one["clip"], one["reason"]) for one in told["not_analysed"]],
        )  # fmt: skip
    without = [(one["clip"], one["without_faces"]) for one in told["clips"] if one["without_faces"]]
    if without:
        found += "\n" + table("Clips that appearance presets could not be shown", ("Clip", "Why"), without)
    return found


def _grouping(has_groups: bool) -> str:
    if has_groups:
        return "Clips of one group (a person, a source video) stand on one side."
    return (
        "No clip names a group: each counted as one of its own. Where one person or one source video stands on two "
        "sides, a detector is rewarded for knowing them again, and every figure here flatters."
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _large(value: float | None) -> str:
    if value is None:
        return "-"
    return (
        f"{value:.0f}"
        if value < 1e4
        else f"{value / 1e3:.0f} thousand"
        if value < 1e6
        else f"{value / 1e6:.1f} million"
    )


def _bytes(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e3:.1f} kB" if value < 1e5 else f"{value / 1e6:.1f} MB"
