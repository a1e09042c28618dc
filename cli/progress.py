"""Progress on stderr: clips with frames a second and time left, epochs with loss and accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from keypoint_extractors.extraction import Progress as Extraction
    from poseauth.training import Epoch

_NAME_WIDTH = 20


class ExtractionBar:
    """A bar for the clip that is being seen; gone when it is done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: int | None = None
        self._source: str | None = None

    def __call__(self, progress: Extraction) -> None:
        """Show how far it is."""
        if self._source != progress.source_name or self._task is None:
            self.clear()
            self._source = progress.source_name
            self._task = self._bars.add_task(_shortened(progress.source_name), total=progress.n_expected, told="")
        task = self._bars.tasks[self._bars.task_ids.index(self._task)]  # type: ignore[arg-type]
        rate = progress.n_done / task.elapsed if task.elapsed else 0.0
        self._bars.update(self._task, completed=progress.n_done, told=f"{rate:.0f} frames/s")  # type: ignore[arg-type]

    def clear(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bars.remove_task(self._task)  # type: ignore[arg-type]
            self._task = None


@contextmanager
def extraction_progress(*, quiet: bool = False) -> Iterator[ExtractionBar]:
    """A bar for each clip while it is decoded and its poses are found."""
    with _bars(quiet=quiet) as bars:
        yield ExtractionBar(bars)


class TrainingBar:
    """A bar for the epochs, with the latest loss and accuracy."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task = None
        self._n_rounds = 0
        self._last = 0

    def __call__(self, epoch: Epoch) -> None:
        """Show how far it is; every round of the self-test, and the last from everything, gets its own bar."""
        if self._task is None or epoch.number <= self._last:
            self._n_rounds += 1
            self._task = self._bars.add_task(f"learning, round {self._n_rounds}", total=epoch.n_epochs, told="")  # type: ignore[assignment]
        self._last = epoch.number
        told = f"loss {epoch.loss:.3f} right {epoch.accuracy:.0%}"
        if epoch.validation_accuracy is not None:
            told += f" held out {epoch.validation_accuracy:.0%}"
        self._bars.update(self._task, completed=epoch.number, told=told)  # type: ignore[arg-type]


@contextmanager
def training_progress(*, quiet: bool = False) -> Iterator[TrainingBar]:
    """A bar for the epochs of an enrolment."""
    with _bars(quiet=quiet) as bars:
        yield TrainingBar(bars)


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Progress]:
    """Bars that fit into a terminal of 80 columns."""
    console = Console(stderr=True)
    with Progress(
        TextColumn(f"{{task.description:<{_NAME_WIDTH}}}"),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        transient=True,
        # Without a terminal a bar is noise in a log.
        disable=quiet or not console.is_terminal,
    ) as bars:
        yield bars


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
