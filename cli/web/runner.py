"""Does the jobs one after another, in one process that may be killed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poseauth.batch.worker_processes import DONE, TOLD, Lost, WorkerProcess
from poseauth.errors import PoseAuthError

from .jobs import REPORT, Answer, Job, JobFile, Jobs, Kind, State
from .work import ClipTask, EnrolmentTask, NamedFile, Stage

_LISTEN_S = 0.1
"""How long a cancelled job may go on."""
_IDLE_S = 600.0
"""Seconds without a job after which the process ends and its networks are freed."""
_CLEAN_EVERY_S = 60.0
_PATIENCE_TO_END_S = 10.0


class Runner:
    """Takes the jobs that wait, and deletes what is kept no longer.

    Parameters
    ----------
    jobs : Jobs
        All jobs.
    make : callable
        Makes what a process does with a `ClipTask` or an `EnrolmentTask`, as in `run_in_processes`.
    job_s : float
        Seconds that one job may take.
    """

    def __init__(self, jobs: Jobs, make: Callable[[], Any], *, job_s: float) -> None:
        self._jobs, self._make, self._job_s = jobs, make, job_s
        self._process: WorkerProcess | None = None
        self._stage: tuple[str, Stage] | None = None
        self._cancelled: set[str] = set()
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="runner", daemon=True),
            threading.Thread(target=self._clean, name="cleaner", daemon=True),
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the process; a job that was being done waits again."""
        self._stopping.set()
        self.notice()
        for thread in self._threads:
            thread.join(_PATIENCE_TO_END_S)

    def notice(self) -> None:
        """Say that there is something new to do."""
        with self._news:
            self._news.notify_all()

    def cancel(self, job_id: str) -> bool:
        """End a job that waits or is being done; False if there is none."""
        if self._jobs.cancel_queued(job_id):
            return True
        job = self._jobs.find(job_id)
        if job is None or not job.is_active:
            return False
        self._cancelled.add(job_id)
        return True

    def stage_of(self, job_id: str) -> Stage | None:
        """How far a job is that is being done."""
        stage = self._stage
        return stage[1] if stage and stage[0] == job_id else None

    def is_being_cancelled(self, job_id: str) -> bool:
        """Whether a job is about to be ended."""
        return job_id in self._cancelled

    def _run(self) -> None:
        idle_since_s = time.monotonic()
        while not self._stopping.is_set():
            job = self._jobs.begin()
            if job is None:
                if self._process is not None and time.monotonic() - idle_since_s > _IDLE_S:
                    self._end_process()
                with self._news:
                    if not self._jobs.queued() and not self._stopping.is_set():
                        self._news.wait(_CLEAN_EVERY_S)
                continue
            try:
                self._do(job)
            except Exception as error:  # a full disk, say: that job ends, the next is begun
                self._end_process()
                with contextlib.suppress(OSError):
                    self._jobs.end(job.id, State.FAILED, reason=f"the server could not go on with it: {error}")
            self._stage = None
            self._cancelled.discard(job.id)
            idle_since_s = time.monotonic()
        self._end_process()

    def _do(self, job: Job) -> None:
        """Work on a job until it ends, is cancelled, takes too long, or the server stops."""
        self._stage = job.id, Stage("loading")
        task = _task(job, self._jobs.folder_of(job.id))
        is_old = self._process is not None
        process = self._hand_over(task)
        ends_s = time.monotonic() + self._job_s
        while True:
            if process.pipe.poll(_LISTEN_S):
                heard = process.hear()
                if heard is None and is_old:  # killed while it had nothing to do: that is not the job's fault
                    self._end_process()
                    process = self._hand_over(task)
                elif self._take(job, process, heard):
                    return
                is_old = False
            elif self._stopping.is_set():
                self._end_process()
                self._jobs.put_back(job.id)
                return
            if job.id in self._cancelled:
                self._end_process()
                self._jobs.end(job.id, State.CANCELLED)
                return
            if time.monotonic() > ends_s:
                self._end_process()
                why = f"it took longer than {self._job_s / 60:g} minutes, which is the limit here (--job-minutes)"
                self._jobs.end(job.id, State.FAILED, reason=why)
                return

    def _hand_over(self, task: ClipTask | EnrolmentTask) -> WorkerProcess:
        if self._process is None or not self._process.give(task):
            self._end_process()
            self._process = WorkerProcess(self._make)
            self._process.give(task)
        return self._process

    def _take(self, job: Job, process: WorkerProcess, heard: tuple[str, Any] | None) -> bool:
        """Take what the process says, None where it died; True if the job has ended."""
        if heard is None:
            self._end_process()
            why = (
                f"the process that worked on it ended {process.ending}. The file may be damaged or made to do this, or "
                "the machine has too little memory"
            )
            self._jobs.end(job.id, State.FAILED, reason=why)
            return True
        kind, content = heard
        if kind == TOLD:
            self._stage = job.id, content
            return False
        if kind == DONE and isinstance(content, Answer):
            self._jobs.end(job.id, State.DONE, answer=content)
        elif isinstance(content, PoseAuthError):
            self._jobs.end(job.id, State.FAILED, reason=str(content))
        else:
            why = content.why if isinstance(content, Lost) else str(content)
            self._jobs.end(job.id, State.FAILED, reason=f"it failed in a way that nobody foresaw: {why}")
        return True

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _clean(self) -> None:
        while not self._stopping.wait(min(_CLEAN_EVERY_S, self._jobs.keep_s)):
            self._jobs.clean()


def _task(job: Job, folder: Path) -> ClipTask | EnrolmentTask:
    def named(file: JobFile) -> NamedFile:
        return NamedFile(folder / file.place, file.name)

    if job.kind is Kind.CLIP:
        file = job.files[0]
        return ClipTask(named(file), file.sha256, job.person, folder / REPORT)
    return EnrolmentTask(
        job.person,
        [named(file) for file in job.files if file.role == "own"],
        [named(file) for file in job.files if file.role == "others"],
        job.allow_weak,
        job.with_enrolled,
        [job.same_as] if job.same_as else [],
    )
