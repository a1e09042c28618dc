"""Plots: DET, Tippett and calibration as files, and the scores of one clip over time as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poseauth.arrays import Float64Array
from poseauth.decision import VOTE_THRESHOLD
from poseauth.errors import StorageError
from poseauth.metrics import det_points, tippett
from poseauth.report import Verification
from poseauth.windows import WINDOW_S

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DET_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999)
N_BINS = 8
"""Of the calibration plot, each with the same number of trials."""
_SIZE_INCH = (5.0, 4.5)
_DPI = 130
_GENUINE, _IMPOSTOR = "#0072b2", "#d55e00"
"""Told apart by the colour-blind too (Okabe and Ito)."""


def plot_det(genuine: Float64Array, impostor: Float64Array, path: Path) -> None:
    """FNMR over FMR, both on normal deviate scales (Martin et al. 1997).

    Raises
    ------
    ValueError
        If a side is empty.
    StorageError
        If the file cannot be written.
    """
    from scipy.special import ndtri

    curve = det_points(genuine, impostor)
    lowest, highest = DET_TICKS[0], DET_TICKS[-1]
    figure, axes = _figure()
    axes.plot(
        ndtri(np.clip(curve.fmr, lowest, highest)), ndtri(np.clip(curve.fnmr, lowest, highest)), color=_GENUINE,
        drawstyle="steps-post",
    )  # fmt: skip
    edge = ndtri(np.array([lowest, highest]))
    axes.plot(edge, edge, ":", color="grey", linewidth=1)
    labels = [f"{100 * tick:g}" for tick in DET_TICKS]
    axes.set_xticks(ndtri(DET_TICKS), labels)
    axes.set_yticks(ndtri(DET_TICKS), labels)
    axes.tick_params(axis="x", rotation=60)
    axes.set(
        xlabel="FMR: impostors accepted, %", ylabel="FNMR: genuine rejected, %", xlim=edge, ylim=edge,
        title=_counted("DET", genuine, impostor),
    )  # fmt: skip
    _save(figure, path)


def plot_tippett(genuine_log10_lr: Float64Array, impostor_log10_lr: Float64Array, path: Path) -> None:
    """Share of trials whose log10 likelihood ratio is at least x.

    Raises
    ------
    ValueError
        If a side is empty.
    StorageError
        If the file cannot be written.
    """
    curve = tippett(genuine_log10_lr, impostor_log10_lr)
    figure, axes = _figure()
    axes.plot(curve.log10_lr, 100 * curve.genuine, color=_GENUINE, label="genuine", drawstyle="steps-pre")
    axes.plot(curve.log10_lr, 100 * curve.impostor, "--", color=_IMPOSTOR, label="impostor", drawstyle="steps-pre")
    axes.axvline(0.0, color="grey", linewidth=1, linestyle=":")
    axes.set(
        xlabel="log10 likelihood ratio (above 0 speaks for the person)", ylabel="trials with at least this, %",
        ylim=(0, 100), title=_counted("Tippett", genuine_log10_lr, impostor_log10_lr),
    )  # fmt: skip
    axes.legend()
    _save(figure, path)


def plot_calibration(genuine_log10_lr: Float64Array, impostor_log10_lr: Float64Array, path: Path) -> None:
    """Observed share of genuine trials over the one that the likelihood ratios promise at prior odds of 1.

    Raises
    ------
    ValueError
        If a side is empty.
    StorageError
        If the file cannot be written.
    """
    if not len(genuine_log10_lr) or not len(impostor_log10_lr):
        raise ValueError("genuine and impostor trials are needed")
    ratios = np.concatenate([genuine_log10_lr, impostor_log10_lr])
    # At prior odds of 1 either side counts as half of all trials, however many there are.
    weight = np.repeat([0.5 / len(genuine_log10_lr), 0.5 / len(impostor_log10_lr)],
                       [len(genuine_log10_lr), len(impostor_log10_lr)])  # fmt: skip
    is_genuine = np.arange(len(ratios)) < len(genuine_log10_lr)
    promised = 1 / (1 + 10.0**-ratios)
    bins = [part for part in np.array_split(np.argsort(ratios, kind="stable"), N_BINS) if len(part)]
    x = [float(np.average(promised[part], weights=weight[part])) for part in bins]
    y = [float(np.average(is_genuine[part], weights=weight[part])) for part in bins]
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    axes.plot(x, y, "o-", color=_GENUINE)
    axes.set(
        xlabel="promised probability of genuine", ylabel="observed share of genuine", xlim=(0, 1), ylim=(0, 1),
        title=_counted("Calibration at prior odds 1", genuine_log10_lr, impostor_log10_lr),
    )  # fmt: skip
    _save(figure, path)


def score_figure(result: Verification) -> Figure:
    """The scores of a clip over time, for notebooks.

    Parameters
    ----------
    result : Verification
        Analysed.

    Returns
    -------
    matplotlib.figure.Figure
        A line a window, as long as the window, above one half in one colour and sign and below in another; the mean
        of all; the verdict in the title. It belongs to no window: `savefig` it, or let a notebook show it.

    Raises
    ------
    ValueError
        If the clip was not analysed.
    """
    if result.window_scores is None or result.window_start_s is None or result.decision is None:
        raise ValueError(f"{result.source} was not analysed: {'; '.join(result.reasons)}")
    starts, scores = result.window_start_s, result.window_scores
    figure, axes = _figure((9.0, 3.6))
    for colour, mark, votes, told in (
        (_GENUINE, "o", scores > VOTE_THRESHOLD, f"like {result.person}"),
        (_IMPOSTOR, "x", scores <= VOTE_THRESHOLD, f"not like {result.person}"),
    ):
        axes.hlines(scores[votes], starts[votes], starts[votes] + WINDOW_S, color=colour, linewidth=1, alpha=0.4)
        label = f"{int(votes.sum())} windows {told}"
        axes.plot(starts[votes] + WINDOW_S / 2, scores[votes], mark, color=colour, label=label)
    axes.axhline(VOTE_THRESHOLD, color="black", linewidth=1)
    mean = result.decision.mean_score
    axes.axhline(mean, color="black", linewidth=1, linestyle="--", label=f"mean {mean:.2f}")
    axes.set(
        xlabel="time in the clip, s", ylabel=f"score (higher = more like {result.person})", ylim=(0, 1),
        xlim=(float(starts[0]), float(starts[-1]) + WINDOW_S),
        title=f"{Path(result.source).name}: {result.decision.verdict.value} (body movement only)",
    )  # fmt: skip
    legend = axes.legend(loc="best", fontsize="small")
    for words in (axes.title, axes.yaxis.label, *legend.get_texts()):
        words.set_parse_math(False)  # names are free text, and may hold what reads like a formula
    return figure


def _figure(size_inch: tuple[float, float] = _SIZE_INCH) -> tuple[Figure, Axes]:
    # A figure of its own, without pyplot: no display, no state left behind.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size_inch, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _counted(title: str, genuine: Sequence[float] | Float64Array, impostor: Sequence[float] | Float64Array) -> str:
    return f"{title} ({len(genuine)} genuine, {len(impostor)} impostor)"


def _save(figure: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=_DPI, metadata={"Software": None} if path.suffix == ".png" else None)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
