"""Curves of a training as a picture: loss and accuracy of train and validation, an epoch each."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

_SIZE_INCH = (6.8, 2.4)
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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCH, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
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
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
