"""Who works on what, where several runs share one store: a claim is a file, and lapses when it is not renewed.

A claim spares work; it is not what keeps rows single: the names of files do (see `poseauth.batch.row_shards`). The
newest generation of a claim holds. A lapsed one is taken over by making the next generation where none is, in which one
of several succeeds; nothing has to be removed first.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from poseauth.batch.store import Store
from poseauth.errors import StorageError

FOLDER = "_claims"
LEASE_S = 300.0
"""Seconds without a renewal after which a claim has lapsed; the clocks of the machines may differ by less than that."""
_RENEW_S = 60.0


@dataclass(frozen=True)
class Holder:
    """Whose claim it is.

    Attributes
    ----------
    run : str
        One run of one command.
    host, pid :
        Where it runs.
    renewed_s : float
        When it was last heard of, in seconds of the system's clock.
    """

    run: str
    host: str
    pid: int
    renewed_s: float

    @property
    def lives(self) -> bool:
        """Whether it was heard of lately; a process of this machine is looked for."""
        if self.host == platform.node() and not _is_process(self.pid):
            return False
        return time.time() - self.renewed_s < LEASE_S


class Claims:
    """The claims of this run; used with `with`, renewed meanwhile, given back at its end.

    Parameters
    ----------
    store : Store
        That the runs share.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._run = secrets.token_hex(8)
        self._held: dict[str, int] = {}
        """Generations by name."""
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._renew, name="renew claims", daemon=True)

    def __enter__(self) -> Claims:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()
        for name in list(self._held):
            try:
                self.release(name)
            except StorageError:
                if kind is None:
                    raise

    def take(self, name: str) -> bool:
        """Claim something; False where a run that lives has it.

        Raises
        ------
        StorageError
            If the store cannot be written.
        """
        newest = self._newest(name)
        if newest is not None:
            generation, holder = newest
            if holder is not None and holder.run == self._run:
                # Also where the store answered a repeated request, the first of which had come through.
                with self._lock:
                    self._held[name] = generation
                return True
            if holder is not None and holder.lives:
                return False
        generation = 1 if newest is None else newest[0] + 1
        if not self._store.create(_file(name, generation), self._content()):
            return False
        with self._lock:
            self._held[name] = generation
        if not self.holds(name):  # somebody took a later generation of it meanwhile
            self.release(name)
            return False
        return True

    def holds(self, name: str) -> bool:
        """Whether the newest claim is this run's: another takes over after a long silence."""
        newest = self._newest(name)
        return newest is not None and newest[1] is not None and newest[1].run == self._run

    def holder(self, name: str) -> Holder | None:
        """Who has it, if anybody."""
        newest = self._newest(name)
        return None if newest is None else newest[1]

    def release(self, name: str) -> None:
        """Give a claim back, with what lapsed before it."""
        with self._lock:
            generation = self._held.pop(name, 0)
        for number in self._generations(name):
            if number <= generation:
                self._store.remove(_file(name, number))

    def _newest(self, name: str) -> tuple[int, Holder | None] | None:
        generations = self._generations(name)
        if not generations:
            return None
        content = self._store.read(_file(name, generations[-1]))
        try:
            return generations[-1], None if content is None else Holder(**json.loads(content))
        except (ValueError, TypeError):
            return generations[-1], None

    def _generations(self, name: str) -> list[int]:
        folder, _, last = f"{FOLDER}/{name}".rpartition("/")
        found = [entry.rpartition(".") for entry in self._store.names(folder)]
        return sorted(int(number) for stem, _, number in found if stem == last and number.isdecimal())

    def _content(self) -> bytes:
        return json.dumps(vars(Holder(self._run, platform.node(), os.getpid(), time.time()))).encode()

    def _renew(self) -> None:
        while not self._ending.wait(_RENEW_S):
            with self._lock:
                for name, generation in self._held.items():
                    try:
                        self._store.put(_file(name, generation), self._content())
                    except StorageError:
                        break  # told by who writes rows; the claim may lapse, which costs work and no row


def _file(name: str, generation: int) -> str:
    return f"{FOLDER}/{name}.{generation}"


def _is_process(pid: int) -> bool:
    if os.name == "nt":  # signal 0 would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
