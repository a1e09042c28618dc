"""Curves as pictures: loss and accuracy over the epochs of a training, accuracy and AUC over sequence lengths."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE_INCH, _TALL_INCH = (6.8, 2.4), (9.0, 4.0)
_DPI = 100
_TRAIN, _VALIDATION = "#0072b2", "#d55e00"
"""Told apart by the colour-blind too (Okabe and Ito)."""


def curve_picture(curve: Sequence[Mapping[str, Any]], best_epoch: int) -> bytes:
    """Two plots side by side as PNG.

    Parameters
    ----------
    curve : sequence of mapping
        Epochs, as a row has them: `number`, `train_loss`, `train_accuracy`, `validation_loss`, `validation_accuracy`.
    best_epoch : int
        The one whose weights were kept; marked.
    """
    figure = _figure()
    numbers = [epoch["number"] for epoch in curve]
    mark = "o" if len(curve) == 1 else None
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(numbers, [epoch[f"train_{what}"] for epoch in curve], color=_TRAIN, marker=mark, label="train")
        axes.plot(
            numbers, [epoch[f"validation_{what}"] for epoch in curve], "--", color=_VALIDATION, marker=mark,
            label="validation",
        )  # fmt: skip
        axes.axvline(best_epoch, color="grey", linewidth=1, linestyle=":")
        axes.set(xlabel="epoch", title=what)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(ylim=(-0.02, 1.02))
    axes.legend(loc="lower right", fontsize="small")
    return _as_png(figure)


def length_picture(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """Accuracy and AUC of test clips over the sequence length as PNG, a line a preset, with the spread of repeats.

    Parameters
    ----------
    entries : sequence of mapping
        Of `poseauth.study.summary.summarise`, each with a length.
    """
    figure = _figure(_TALL_INCH)
    presets = list(dict.fromkeys(entry["preset"] for entry in entries))
    for axes, what in zip(figure.subplots(1, 2), ("accuracy", "auc"), strict=True):
        for number, preset in enumerate(presets):
            points = sorted(
                (entry["length"], entry["test"][what], entry["test"][f"{what}_sd"] or 0.0)
                for entry in entries
                if entry["preset"] == preset and entry["test"][what] is not None
            )
            if points:
                lengths, values, spreads = zip(*points, strict=True)
                # More lines than colours are told apart by their dashes.
                dash = ("-", "--", ":", "-.")[number // 10 % 4]
                axes.errorbar(lengths, values, yerr=spreads, marker="o", ls=dash, capsize=2, label=preset)
        axes.set(xlabel="frames", title="AUC" if what == "auc" else what, ylim=(-0.02, 1.02))
    axes.legend(loc="lower right", fontsize="x-small")
    return _as_png(figure)


def _figure(size_inch: tuple[float, float] = _SIZE_INCH) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size_inch, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _as_png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
