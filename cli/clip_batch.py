"""Many clips: answers that are known from an earlier run, and new ones from one process or several, told as they come.

Where a run stopped, the next one goes on: an answer is known by what it rests on (`CheckOptions.key`), not by the name
of its clip. What was not analysed is tried again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from keypoint_extractors.cores import usable_cores
from keypoint_extractors.extraction import Progress
from keypoint_extractors.sources import content_sha256
from poseauth.batch.row_file import Row
from poseauth.batch.worker_processes import Lost, run_here, run_in_processes
from poseauth.errors import InputError
from poseauth.report import Verification, not_analysed
from poseauth.shown_text import encodable

from .clip_check import CLOSEST, CheckOptions, ClipCheck, ClipToCheck, nobody_close
from .clip_list import ListedClip
from .clip_report import OverlayPlaces, PagePlaces, rests_on
from .progress import ClipBars

CORES_A_CLIP = 4
"""One clip uses so many cores well; where there are more, several clips run at a time."""
CLIPS_A_PROCESS = 4
"""Fewer are not worth the seconds in which a process loads its networks."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What one clip and one person came to.

    Attributes
    ----------
    number : int
        Of the clip in the run.
    clip : ListedClip
        The clip.
    about : str
        The person asked for, or `CLOSEST`.
    key : str
        What it rests on; "" where nothing was analysed.
    result : Verification or None
        The answer; None where it is known already.
    known : row or None
        The answer of an earlier run, or of the same content earlier in this one.
    page : Path or None
        Where its page stands.
    like : ListedClip or None
        The clip of this run that holds the same and gave the answer.
    """

    number: int
    clip: ListedClip
    about: str
    key: str
    result: Verification | None
    known: Row | None
    page: Path | None
    like: ListedClip | None = None


def usual_jobs(n_clips: int) -> int:
    """Clips at a time, by the cores of this machine and the number of clips."""
    return max(1, min(usable_cores() // CORES_A_CLIP, n_clips // CLIPS_A_PROCESS))


class ClipBatch:
    """Checks clips and tells each answer once.

    Parameters
    ----------
    check : ClipCheck
        Of this process.
    options : CheckOptions
        For every clip.
    known : mapping of str to row
        Answers of earlier runs by their keys.
    places : PagePlaces or None
        Where pages go.
    overlays : OverlayPlaces or None
        Where overlay videos go.
    on_answer : callable
        Hears each answer; what it returns is kept as the answer's row for clips of the same content.
    """

    def __init__(
        self,
        check: ClipCheck,
        options: CheckOptions,
        *,
        known: Mapping[str, Row],
        places: PagePlaces | None,
        overlays: OverlayPlaces | None,
        on_answer: Callable[[Answer], Row],
    ) -> None:
        self._check, self._options = check, options
        self._known = dict(known)
        self._places, self._overlays, self._on_answer = places, overlays, on_answer
        self._place_of: dict[str, Path] = {}
        self._giver: dict[str, ListedClip] = {}
        """The clip of this run that each key was answered for."""
        self._twins: dict[str, list[tuple[int, ListedClip, str]]] = {}
        """Clips that hold the same as one that is being checked."""
        self._asked: dict[int, ListedClip] = {}

    def run(self, listed: Sequence[ListedClip], bars: ClipBars, *, n_jobs: int) -> None:
        """Check all clips.

        Parameters
        ----------
        listed : sequence of ListedClip
            In the order in which they are begun.
        bars : ClipBars
            Progress.
        n_jobs : int
            Clips at a time; 1: in this process.

        Raises
        ------
        StorageError, ProfileError
            If pages cannot be written, or a profile was changed meanwhile.
        """
        work = self._work(listed, bars)

        def on_told(clip: ClipToCheck, told: Any) -> None:
            if isinstance(told, Progress):
                bars.show(clip.number, told)

        if n_jobs == 1:
            outcomes = run_here(work, self._check, on_told)
        else:
            options = replace(self._options, n_threads=max(1, usable_cores() // n_jobs))
            outcomes = _in_processes(work, options, n_jobs, on_told)
        for clip, outcome in outcomes:
            results = _lost(clip, outcome) if isinstance(outcome, Lost) else outcome
            for about, key in clip.keys.items():
                self._tell(clip.number, about, key, results[about], clip.pages.get(about))
            del self._asked[clip.number]
            bars.done(clip.number, is_lost=any(result.verdict is None for result in results.values()))

    def _work(self, listed: Iterable[ListedClip], bars: ClipBars) -> Iterator[ClipToCheck]:
        """What has to be checked; what is known or cannot be checked is told at once."""
        for number, clip in enumerate(listed):
            sha256 = _content(clip)
            wanted: dict[str, str] = {}
            pages: dict[str, Path] = {}
            overlays: dict[str, Path] = {}
            for about in self._options.answers:
                key = self._options.key(sha256, about, self._check.extractor_digest(about)) if sha256 else ""
                if key and key in self._twins:
                    self._twins[key].append((number, clip, about))
                    continue
                page = self._place(clip, about, key)
                overlay = self._overlays.place(clip.path, about, key) if self._overlays else None
                if key in self._known and self._is_there(key, page, overlay):
                    known, like = self._known[key], self._giver.get(key)
                    self._on_answer(Answer(number, clip, about, key, None, known, page, like))
                    continue
                wanted[about] = key
                if key:
                    self._twins[key] = []
                if page is not None:
                    pages[about] = page
                if overlay is not None and key:
                    overlays[about] = overlay
            if wanted:
                self._asked[number] = clip
                yield ClipToCheck(number, clip.path, sha256, wanted, pages, overlays, clip.problem)
            else:
                bars.done(number, is_lost=False)

    def _is_there(self, key: str, page: Path | None, overlay: Path | None) -> bool:
        """Whether page and overlay of a known answer stand in their places, or none were asked for."""
        if key in self._giver:
            return True  # made in this run, under the name of the clip that gave the answer
        has_page = page is None or rests_on(page) == key
        return has_page and (overlay is None or (self._overlays is not None and self._overlays.holds(overlay)))

    def _place(self, clip: ListedClip, about: str, key: str) -> Path | None:
        """Where the page goes: of one content there is one page."""
        if self._places is None:
            return None
        if key and key in self._place_of:
            return self._place_of[key]
        place = self._places.place(clip.path, about)
        if key:
            self._place_of[key] = place
        return place

    def _tell(self, number: int, about: str, key: str, result: Verification, page: Path | None) -> None:
        """An answer, and the same for clips that hold the same."""
        clip, rests = self._asked[number], key if result.verdict is not None else ""
        row = self._on_answer(Answer(number, clip, about, rests, result, None, page))
        if rests:
            self._known[rests], self._giver[rests] = row, clip
        for twin_number, twin, twin_about in self._twins.pop(key, ()) if key else ():
            if rests:
                self._on_answer(Answer(twin_number, twin, twin_about, rests, None, row, page, clip))
            else:
                again = replace(result, source=encodable(str(twin.path)))
                self._on_answer(Answer(twin_number, twin, twin_about, "", again, None, page))


def _lost(clip: ClipToCheck, lost: Lost) -> dict[str, Verification]:
    why = f"the analysis failed: {lost.why}"
    source = encodable(str(clip.path))
    return {
        about: not_analysed(source, about, why) if about != CLOSEST else nobody_close(source, why)
        for about in clip.keys
    }


def _content(clip: ListedClip) -> str | None:
    """The clip's digest; None where it cannot be read, which reading it will tell."""
    try:
        return None if clip.problem else content_sha256(clip.path)
    except InputError:
        return None


@contextmanager
def threads_of_processes(n_threads: int) -> Iterator[None]:
    """Processes started inside compute with so many threads each."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = str(n_threads)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _in_processes(
    work: Iterator[ClipToCheck],
    options: CheckOptions,
    n_jobs: int,
    on_told: Callable[[ClipToCheck, Any], None],
) -> Iterator[tuple[ClipToCheck, dict[str, Verification] | Lost]]:
    with threads_of_processes(options.n_threads or 1):
        yield from run_in_processes(work, partial(ClipCheck, options), n_jobs, on_told)
