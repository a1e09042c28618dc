"""The jobs of a server: a folder each, with what was uploaded, how far it is and what it came to.

DATA/jobs/ID/job.json      the job, written whole whenever its state changes
DATA/jobs/ID/clip/NAME     the clip; own/NN/NAME and others/NN/NAME of an enrolment
DATA/jobs/ID/report.html   the page, and report.json beside it
DATA/arriving/ID/          an upload that has not ended
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from poseauth.whole_files import written_whole

MOST_STARTS = 2
"""A job that the server ended over so many times is not begun again: it may be what ends the server."""
REPORT = "report.html"
_JOB_FILE = "job.json"
_FORMAT = 1


class Kind(StrEnum):
    """What is to be done."""

    CLIP = "clip"
    ENROLMENT = "enrolment"


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class JobFile:
    """A file that was uploaded.

    Attributes
    ----------
    name : str
        As the user called it: text, never a path.
    place : str
        Where it stands in the job's folder.
    role : str
        "clip", "own" or "others".
    sha256 : str
        Of its bytes.
    n_bytes : int
        Its size.
    """

    name: str
    place: str
    role: str
    sha256: str
    n_bytes: int


@dataclass(frozen=True)
class Answer:
    """What a job came to.

    Attributes
    ----------
    word : str
        A verdict, "not analysed", "enrolled" or "enrolled, but weak".
    person : str
        Whom it is about.
    sentence : str
        The answer in one sentence.
    lines : tuple of str
        Reasons, and what to bear in mind.
    has_report : bool
        Whether there is a page.
    """

    word: str
    person: str
    sentence: str
    lines: tuple[str, ...] = ()
    has_report: bool = False


@dataclass(frozen=True)
class Job:
    """One thing to do.

    Attributes
    ----------
    id : str
        Its folder's name and its address.
    number : int
        Its place in the order of arrival.
    kind : Kind
        What is to be done.
    person : str
        Whom a clip is held against, "" for the closest of all; or who is to be enrolled.
    files : tuple of JobFile
        What was uploaded.
    created_s : float
        When it arrived, in seconds since 1970.
    allow_weak, with_enrolled : bool
        Of an enrolment, as `LearningOptions` has them.
    same_as : str
        The enrolled name that is the same person; "" where none is.
    state : State
        Where it stands.
    n_starts : int
        How often it was begun.
    ended_s : float or None
        When it ended.
    reason : str
        Why it failed.
    answer : Answer or None
        What it came to.
    """

    id: str
    number: int
    kind: Kind
    person: str
    files: tuple[JobFile, ...]
    created_s: float
    allow_weak: bool = False
    with_enrolled: bool = True
    same_as: str = ""
    state: State = State.QUEUED
    n_starts: int = 0
    ended_s: float | None = None
    reason: str = ""
    answer: Answer | None = None

    @property
    def is_active(self) -> bool:
        """Whether it waits or is being worked on."""
        return self.state in ACTIVE

    @property
    def title(self) -> str:
        """What it is called on the page."""
        return self.person if self.kind is Kind.ENROLMENT else self.files[0].name


class QueueFullError(Exception):
    """No more jobs may wait."""


class Jobs:
    """All jobs, in memory and on disk; safe to use from several threads.

    Parameters
    ----------
    data : Path
        The server's folder.
    keep_s : float
        Seconds that a job is kept after it ended.
    now : callable
        Seconds since 1970.
    """

    def __init__(self, data: Path, *, keep_s: float, now: Callable[[], float] = time.time) -> None:
        self.keep_s = keep_s
        self._now = now
        self._folder, self._arriving = data / "jobs", data / "arriving"
        self._jobs: dict[str, Job] = {}
        self._lock = threading.RLock()
        self._n_arriving = 0

    def open(self) -> None:
        """Read what an earlier server left: what waited goes on, what was being done is begun again, once."""
        shutil.rmtree(self._arriving, ignore_errors=True)
        for folder in (self._arriving, self._folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in sorted(self._folder.iterdir()):
            try:
                job = _job_from(json.loads((folder / _JOB_FILE).read_text(encoding="utf-8")))
                if job.id != folder.name:
                    raise ValueError(f"it is called {job.id}")
            except (OSError, ValueError, KeyError, TypeError) as error:
                click.secho(f"{folder}: no job can be read here, it is removed: {error}", fg="yellow", err=True)
                shutil.rmtree(folder, ignore_errors=True)
                continue
            self._jobs[job.id] = job
            if job.state is State.RUNNING and job.n_starts >= MOST_STARTS:
                self.end(job.id, State.FAILED, reason=f"the server ended {job.n_starts} times while this was done")
            elif job.state is State.RUNNING:
                self._change(job.id, state=State.QUEUED)
        self.clean()

    @contextlib.contextmanager
    def arriving(self, max_queue: int) -> Iterator[Path]:
        """A folder for an upload, gone when it is left unless `add` took it; it counts as a job that waits.

        Raises
        ------
        QueueFullError
            If `max_queue` jobs wait or arrive.
        """
        with self._lock:
            if len(self.queued()) + self._n_arriving >= max_queue:
                raise QueueFullError
            self._n_arriving += 1
        folder = self._arriving / secrets.token_hex(8)
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            with self._lock:
                self._n_arriving -= 1
            shutil.rmtree(folder, ignore_errors=True)

    def add(
        self,
        folder: Path,
        kind: Kind,
        person: str,
        files: Sequence[JobFile],
        *,
        allow_weak: bool = False,
        with_enrolled: bool = True,
        same_as: str = "",
    ) -> Job:
        """A new job that waits, from the folder in which its files arrived."""
        with self._lock:
            number = max((job.number for job in self._jobs.values()), default=0) + 1
            job = Job(
                secrets.token_hex(8),
                number,
                kind,
                person,
                tuple(files),
                self._now(),
                allow_weak=allow_weak,
                with_enrolled=with_enrolled,
                same_as=same_as,
            )
            _write(folder, job)
            folder.rename(self._folder / job.id)
            self._jobs[job.id] = job
        return job

    def find(self, job_id: str) -> Job | None:
        """The job of that address."""
        with self._lock:
            return self._jobs.get(job_id)

    def in_order(self) -> list[Job]:
        """All jobs as they arrived."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: job.number)

    def queued(self) -> list[Job]:
        """Those that wait, in their order."""
        return [job for job in self.in_order() if job.state is State.QUEUED]

    def begin(self) -> Job | None:
        """The next that waits, from now on being done; None where none waits."""
        with self._lock:
            job = next(iter(self.queued()), None)
            return job and self._change(job.id, state=State.RUNNING, n_starts=job.n_starts + 1)

    def put_back(self, job_id: str) -> None:
        """Let a job wait again that was being done: nothing was wrong with it."""
        with self._lock:
            job = self._jobs[job_id]
            self._change(job_id, state=State.QUEUED, n_starts=job.n_starts - 1)

    def end(self, job_id: str, state: State, *, reason: str = "", answer: Answer | None = None) -> None:
        """A job has ended: what nobody will look at any more is deleted, all but a clip that has an answer."""
        with self._lock:
            job = self._change(job_id, state=state, reason=reason, answer=answer, ended_s=self._now())
            if job.kind is Kind.ENROLMENT or job.answer is None:
                for entry in self.folder_of(job_id).iterdir():
                    if entry.name != _JOB_FILE:
                        _remove(entry)

    def cancel_queued(self, job_id: str) -> bool:
        """End a job that waits; False if it does not wait."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.state is not State.QUEUED:
                return False
            self.end(job_id, State.CANCELLED)
            return True

    def remove(self, job_id: str) -> bool:
        """Delete a job that has ended with all its files; False if it has not ended."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.is_active:
                return False
            shutil.rmtree(self.folder_of(job_id), ignore_errors=True)
            del self._jobs[job_id]
            return True

    def clean(self) -> list[Job]:
        """Delete all that ended longer ago than it is kept; gives it."""
        gone = []
        for job in self.in_order():
            until_s = self.kept_until_s(job)
            if until_s is not None and until_s <= self._now() and self.remove(job.id):
                gone.append(job)
        return gone

    def kept_until_s(self, job: Job) -> float | None:
        """When a job will be deleted, in seconds since 1970; None as long as it has not ended."""
        return None if job.ended_s is None else job.ended_s + self.keep_s

    def folder_of(self, job_id: str) -> Path:
        """Where the files of a job stand."""
        return self._folder / job_id

    def _change(self, job_id: str, **changes: Any) -> Job:
        with self._lock:
            job = self._jobs[job_id] = replace(self._jobs[job_id], **changes)
            try:
                _write(self.folder_of(job_id), job)
            except OSError as error:  # a full disk must not hold the queue: after a restart the job is done again
                click.secho(f"{job.title}: its state is not kept: {error}", fg="yellow", err=True)
        return job


def _write(folder: Path, job: Job) -> None:
    with written_whole(folder / _JOB_FILE) as stream:
        stream.write(json.dumps({"format": _FORMAT, **asdict(job)}, ensure_ascii=False, indent=1).encode())


def _job_from(plain: Mapping[str, Any]) -> Job:
    """The inverse of what is written.

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is none.
    """
    entries = dict(plain)
    if entries.pop("format") != _FORMAT:
        raise ValueError("it has another format")
    answer = entries.pop("answer")
    return Job(
        **{
            **entries,
            "kind": Kind(entries["kind"]),
            "state": State(entries["state"]),
            "files": tuple(JobFile(**one) for one in entries["files"]),
            "answer": answer and Answer(**{**answer, "lines": tuple(answer["lines"])}),
        }
    )


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
