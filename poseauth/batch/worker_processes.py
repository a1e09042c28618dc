"""Pieces of work over processes: each process takes one at a time, and one that dies costs its own piece alone.

A pool of `concurrent.futures` or loky is broken as a whole by one dead process and does not say what it worked on;
pebble's shares one channel under one lock among all processes. Here every process has a pipe of its own, so that a
process killed at any moment leaves the others as they are.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from poseauth.errors import PoseAuthError

MOST_TRIES = 2
"""Processes that a piece may cost before it is given up."""
_PATIENCE_TO_END_S = 5.0
TOLD, DONE, RAISED = "told", "done", "raised"
"""What a process says of its piece: how far it is, its result, or an error that ends the run."""

W = TypeVar("W")
R = TypeVar("R")

Tell = Callable[[Any], None]
"""Says how far a piece is."""
Work = Callable[[W, Tell], R]
"""What is done with a piece."""


@dataclass(frozen=True)
class Lost:
    """A piece without a result: its processes died, or the work failed in a way that nobody foresaw."""

    why: str


def run_here(pieces: Iterable[W], work: Work[W, R], on_told: Callable[[W, Any], None]) -> Iterator[tuple[W, R | Lost]]:
    """The result of every piece in their order, in this process.

    Parameters
    ----------
    pieces : iterable
        Taken one at a time.
    work : callable
        Called with a piece and with what it tells its progress to.
    on_told : callable
        Hears the piece and what was told of it.

    Raises
    ------
    PoseAuthError
        What `work` raises ends the run; any other exception is `Lost`.
    """
    for piece in pieces:
        try:
            result: R | Lost = work(piece, lambda told, piece=piece: on_told(piece, told))  # type: ignore[misc]
        except PoseAuthError:
            raise
        except Exception as error:
            result = Lost(_in_words(error))
        yield piece, result


def run_in_processes(
    pieces: Iterable[W],
    make: Callable[[], Work[W, R]],
    n_processes: int,
    on_told: Callable[[W, Any], None],
    *,
    has_children: bool = False,
) -> Generator[tuple[W, R | Lost], None, None]:
    """The result of every piece as it is done, over several processes.

    Parameters
    ----------
    pieces : iterable
        Taken one by one as processes become free, in this thread; each goes through a pipe.
    make : callable
        Makes the work, once in every process. Importable by name: it goes through a pipe too.
    n_processes : int
        How many at a time; so many pieces are held in memory.
    on_told : callable
        Hears the piece and what was told of it.
    has_children : bool
        Whether the work starts processes of its own.

    Raises
    ------
    PoseAuthError
        What `make` or the work raises ends the run; any other exception, and a death of `MOST_TRIES` processes over one
        piece, is `Lost`.
    """
    waiting = iter(pieces)
    again: list[_Try[W]] = []
    start = partial(WorkerProcess, make, has_children=has_children)
    free = [start() for _ in range(n_processes)]
    busy: list[WorkerProcess] = []
    try:
        while True:
            while free:
                following = again.pop(0) if again else _first_try(waiting)
                if following is None:
                    break
                process = free.pop()
                if not process.give(
                    following.piece, following.number
                ):  # died while it had nothing to do: that is not the piece's fault
                    process.end()
                    process = start()
                    process.give(following.piece, following.number)
                busy.append(process)
            if not busy:
                return
            for process in _that_speak(busy):
                piece = process.holds
                answer = process.hear()
                if answer is None:
                    busy.remove(process)
                    process.end()
                    free.append(start())
                    if piece.number < MOST_TRIES:
                        again.append(_Try(piece.piece, piece.number + 1))
                    else:
                        yield piece.piece, Lost(f"{MOST_TRIES} processes died over it, the last {process.ending}")
                    continue
                kind, content = answer
                if kind == TOLD:
                    on_told(piece.piece, content)
                    continue
                busy.remove(process)
                free.append(process)
                if kind == RAISED:
                    raise content
                yield piece.piece, content
    finally:
        for process in itertools.chain(free, busy):
            process.end()


@dataclass(frozen=True)
class _Try(Generic[W]):
    piece: W
    number: int


def _first_try(waiting: Iterator[W]) -> _Try[W] | None:
    for piece in waiting:
        return _Try(piece, 1)
    return None


def _that_speak(processes: list[WorkerProcess]) -> list[WorkerProcess]:
    """Those that said something or died, after waiting for it."""
    ready = set(wait([process.pipe for process in processes]))
    return [process for process in processes if process.pipe in ready]


class WorkerProcess:
    """A process that works, one piece after another, and the pipe to it.

    Parameters
    ----------
    make : callable
        As in `run_in_processes`.
    has_children : bool
        As in `run_in_processes`. Such a process is no daemon, to which Python denies children: it ends itself when its
        pipe closes or its parent is gone.
    """

    def __init__(self, make: Callable[[], Any], *, has_children: bool = False) -> None:
        # Spawned: a fork would copy locks that other threads hold.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, make), name="poseauth-worker", daemon=not has_children
        )
        self._process.start()
        theirs.close()  # so that its death closes the pipe
        self.holds: Any = None

    def give(self, piece: Any, number: int = 1) -> bool:
        """Hand over a piece, tried for the so-manieth time; False if the process is dead."""
        self.holds = _Try(piece, number)
        try:
            self.pipe.send(piece)
        except OSError:
            return False
        return True

    def hear(self) -> tuple[str, Any] | None:
        """What it said, `TOLD`, `DONE` or `RAISED` and the content; None if it died."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return kind, content

    @property
    def ending(self) -> str:
        """How it died, in words."""
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"with exit status {code}"
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
        return f"by signal {-code}"

    def end(self) -> None:
        """End it, whatever it does."""
        self.pipe.close()
        self._process.join(0.05 if self._process.is_alive() else None)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(_PATIENCE_TO_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, make: Callable[[], Work[Any, Any]]) -> None:
    """Work until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and ends this process
    _end_with_the_parent()
    work: Work[Any, Any] | None = None
    with contextlib.suppress(EOFError, OSError):  # the pipe closed: nobody waits any more
        while True:
            piece = pipe.recv()
            kind, content, work = answer_to(piece, make, work, lambda told: pipe.send((TOLD, told)))
            pipe.send((kind, content))


def answer_to(
    piece: Any, make: Callable[[], Work[Any, Any]], work: Work[Any, Any] | None, tell: Tell
) -> tuple[str, Any, Work[Any, Any] | None]:
    """What a worker answers to a piece: `DONE` or `RAISED` with the content, and the work, made if it was not yet."""
    try:
        work = work or make()
        return DONE, work(piece, tell), work
    except PoseAuthError as error:
        return RAISED, _as_sent(error), work
    except Exception as error:
        return DONE, Lost(_in_words(error)), work


def _end_with_the_parent() -> None:
    """A parent that was killed cannot end its processes: they see to it themselves."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def _as_sent(error: PoseAuthError) -> PoseAuthError:
    """The error as it can go through a pipe: its kind and its words."""
    plain = type(error).__new__(type(error))
    plain.args = (str(error),)
    return plain


def _in_words(error: Exception) -> str:
    """An exception that nobody foresaw, with the place, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {os.path.basename(frame.filename)}:{frame.lineno}: {error}"
