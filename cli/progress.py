"""Progress on stderr: clips with frames a second and time left, epochs with loss and accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from keypoint_extractors.extraction import Progress as Extraction
    from poseauth.training import Epoch

_NAME_WIDTH = 20


class ClipBars:
    """A bar for each clip that is being seen, gone when it is done, and one for all where there are many."""

    def __init__(self, bars: Progress, n_clips: int | None = None) -> None:
        self._bars = bars
        self._clips: dict[Hashable, TaskID] = {}
        self._all = None if n_clips is None or n_clips < 2 else bars.add_task("all clips", total=n_clips, told="")
        self._n_lost = 0

    def __call__(self, progress: Extraction) -> None:
        """Show how far the clip is whose turn it is."""
        self.show(progress.source_name, progress)

    def show(self, clip: Hashable, progress: Extraction) -> None:
        """Show how far one of several clips is."""
        if clip not in self._clips:
            self._clips[clip] = self._bars.add_task(
                _shortened(progress.source_name), total=progress.n_expected, told=""
            )
        task = self._clips[clip]
        elapsed = self._bars.tasks[self._bars.task_ids.index(task)].elapsed
        rate = progress.n_done / elapsed if elapsed else 0.0
        self._bars.update(task, completed=progress.n_done, told=f"{rate:.0f} frames/s")

    def clear(self) -> None:
        """Take the bars of clips away."""
        for task in self._clips.values():
            self._bars.remove_task(task)
        self._clips.clear()

    def done(self, clip: Hashable, *, is_lost: bool) -> None:
        """A clip has its answer, or has none."""
        if clip in self._clips:
            self._bars.remove_task(self._clips.pop(clip))
        if self._all is not None:
            self._n_lost += is_lost
            told = f"{self._n_lost} not analysed" if self._n_lost else ""
            self._bars.update(self._all, advance=1, told=told)


@contextmanager
def extraction_progress(*, quiet: bool = False, n_clips: int | None = None) -> Iterator[ClipBars]:
    """A bar for each clip while it is decoded and its poses are found, and one over all."""
    with _bars(quiet=quiet) as bars:
        yield ClipBars(bars, n_clips)


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
def counting_progress(name: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar for so many things that are done one by one; gives what is called at each."""
    with _bars(quiet=False) as bars:
        task = bars.add_task(name, total=total, told="")
        yield lambda: bars.update(task, advance=1)


class StudyBar:
    """A bar over all rows of a study, with the epochs of the row in work, and a line for each row that is done."""

    def __init__(self, bars: Progress, n_rows: int) -> None:
        self._bars = bars
        self._n_rows = n_rows
        self._n_done = self._n_known = 0
        self._begun = time.monotonic()
        self._task = bars.add_task("rows", total=n_rows, told="")

    def known(self) -> None:
        """A row stands there from an earlier run."""
        self._n_done += 1
        self._n_known += 1
        self._bars.update(self._task, completed=self._n_done)

    def epoch(self, name: str, number: int, n_epochs: int) -> None:
        """How far the row in work is."""
        self._bars.update(
            self._task, completed=self._n_done + number / n_epochs, told=f"{_shortened(name)} epoch {number}/{n_epochs}"
        )

    def done(self, name: str, words: str, *, is_well: bool) -> None:
        """A row is done; says so, with the time that is left by the rows so far."""
        self._n_done += 1
        self._bars.update(self._task, completed=self._n_done, told="")
        seconds = (time.monotonic() - self._begun) / (self._n_done - self._n_known) * (self._n_rows - self._n_done)
        left = f"; about {_duration(seconds)} left" if self._n_done < self._n_rows else ""
        self._bars.console.print(
            Text(f"row {self._n_done} of {self._n_rows}, {name}: {words}{left}", style="" if is_well else "yellow"),
            soft_wrap=True,
        )


@contextmanager
def study_progress(n_rows: int) -> Iterator[StudyBar]:
    """A bar over the rows of a study."""
    with _bars(quiet=False) as bars:
        yield StudyBar(bars, n_rows)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
