"""Pieces of work over a Ray cluster: an actor takes one at a time; Ray places, restarts and tries again.

Plain actors and not Ray Data: there a worker that dies takes its block along, which is tried for ever or left out
without a word of what was in it (see docs/scale.md). Ray's own count of tries also rises when an actor's machine
cannot be reached, though nothing ran there; tries are therefore without limit to Ray, and how often a piece was begun
is kept by one small actor beside the driver.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from poseauth.batch.worker_processes import DONE, MOST_TRIES, RAISED, Lost, R, W, Work, answer_to
from poseauth.errors import ClusterError

LOCAL = "local"
"""In place of an address: a cluster of this machine alone, started for the run."""
INSTALL = "pip install 'poseauth[ray]'"
_LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's own switch, named for the systems where it is off by default: off, everything listens on 127.0.0.1 alone."""


@dataclass(frozen=True)
class Room:
    """What a worker is given, and how many find room.

    Attributes
    ----------
    n_workers : int
        Pieces at a time.
    n_cpus : float
        For each of them.
    n_gpus : int
        Likewise.
    """

    n_workers: int
    n_cpus: float
    n_gpus: int

    def at_most(self, n_pieces: int) -> Room:
        """The same for no more workers than there are pieces."""
        return replace(self, n_workers=max(1, min(self.n_workers, n_pieces)))


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """A connection to a cluster; what Ray says in between goes to stderr.

    Parameters
    ----------
    address : str
        "auto" for the cluster that this machine is a node of, host:port of its head, or `LOCAL`.

    Raises
    ------
    ClusterError
        If Ray is not installed or cannot be used here, or there is no such cluster.
    """
    if "://" in address:
        raise ClusterError(
            f"--ray {address}: start the command on a machine of the cluster, with --ray auto or the head's HOST:PORT"
        )
    if address == LOCAL:
        os.environ.setdefault(_LOOPBACK_ONLY, "0")
    ray = usable_ray()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            ray.init(
                address=address, include_dashboard=False if address == LOCAL else None, log_to_driver=False,
                logging_level="ERROR", configure_logging=True,
            )  # fmt: skip
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise ClusterError(
                f"--ray {address}: no cluster answers ({' '.join(str(error).split())[:300]}). Start one with: ray "
                f"start --head, or take this machine alone: --ray {LOCAL}"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def usable_ray() -> Any:
    """The package ray.

    Raises
    ------
    ClusterError
        If it is not installed, or cannot work beside what is.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError(f"--ray needs the package ray, which is not here. Install it: {INSTALL}") from error
    try:
        import pyarrow  # noqa: F401  which Ray takes if it is there
    except ModuleNotFoundError:
        pass
    except ImportError as error:
        raise ClusterError(
            f"Ray cannot work beside the pyarrow that is installed here: {error}. Remove it, on every machine: pip "
            "uninstall pyarrow; or install one that fits: pip install 'pyarrow<25'"
        ) from error
    return ray


def room_for(n_cpus: float, *, gpus: bool, n_workers: int | None = None) -> Room:
    """How many workers find room in the cluster as it is now.

    Parameters
    ----------
    n_cpus : float
        For a worker; the smallest machine's share of them where that has fewer.
    gpus : bool
        Whether a worker has a GPU to itself where there are any.
    n_workers : int or None
        So many, whatever finds room now: those that find none begin when there is.

    Raises
    ------
    ClusterError
        If there is no machine with a CPU to give.
    """
    ray = usable_ray()
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    with_gpu = [machine for machine in machines if machine.get("GPU", 0) >= 1] if gpus else []
    if not machines and n_workers is not None:
        return Room(n_workers, n_cpus, 0)  # an autoscaler brings some when they are asked for
    if not machines:
        raise ClusterError(
            "the cluster has no machine with a CPU to give. Start one with: ray start --address=HEAD:PORT"
        )
    if with_gpu:
        fits = min(machine["CPU"] // machine["GPU"] for machine in with_gpu)
        found = Room(int(sum(machine["GPU"] for machine in with_gpu)), max(1.0, min(n_cpus, fits)), 1)
    else:
        n_cpus = min(n_cpus, *(machine["CPU"] for machine in machines))
        found = Room(int(sum(machine["CPU"] // n_cpus for machine in machines)), n_cpus, 0)
    return found if n_workers is None else Room(n_workers, found.n_cpus, found.n_gpus)


class _Begun:
    """How often each piece was begun."""

    def __init__(self) -> None:
        self._n: dict[int, int] = {}

    def begin(self, number: int) -> int:
        self._n[number] = self._n.get(number, 0) + 1
        return self._n[number]

    def end(self, number: int) -> None:
        self._n.pop(number, None)


class _Worker:
    """Does pieces; the work is made at the first."""

    # Everything comes with the piece: an actor whose constructor waits for something might not come back.
    def __init__(self) -> None:
        self._work: Work[Any, Any] | None = None

    def do(self, number: int, piece: Any, shipped: list[Any], begun: Any) -> tuple[str, Any]:
        import ray

        if ray.get(begun.begin.remote(number)) > MOST_TRIES:
            return _DIED
        kind, content, self._work = answer_to(piece, lambda: ray.get(shipped[0])(), self._work, lambda _: None)
        return kind, content


_DIED = (DONE, Lost(f"{MOST_TRIES} processes died over it, or the machines they ran on"))


def run_on_ray(pieces: Iterable[W], make: Callable[[], Work[W, R]], room: Room) -> Iterator[tuple[W, R | Lost]]:
    """The result of every piece as it is done, over the cluster that this process is connected to.

    Parameters
    ----------
    pieces : iterable
        Taken one by one as workers become free: so many are held as there are workers.
    make : callable
        Makes the work, once in every worker. Importable by name where the workers are.
    room : Room
        Workers, and what each is given.

    Raises
    ------
    PoseAuthError
        What `make` or the work raises ends the run; any other exception, and a death of `MOST_TRIES` processes over one
        piece, is `Lost`.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray = usable_ray()
    waiting: Iterator[tuple[int, W]] = iter(enumerate(pieces))
    first = next(waiting, None)
    if first is None:
        return
    waiting = itertools.chain([first], waiting)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    begun = ray.remote(_Begun).options(num_cpus=0, scheduling_strategy=here).remote()
    worker = ray.remote(_Worker).options(
        num_cpus=room.n_cpus, num_gpus=room.n_gpus, max_restarts=-1, max_task_retries=-1, scheduling_strategy="SPREAD"
    )
    shipped = ray.put(make)  # once a machine, however many workers it has
    free = [worker.remote() for _ in range(room.n_workers)]
    busy: dict[Any, tuple[Any, int, W]] = {}
    try:
        while True:
            while free:
                following = next(waiting, None)
                if following is None:
                    # Workers that nothing is left for give their room to one that lost its machine.
                    free.clear()
                    break
                number, piece = following
                actor = free.pop()
                busy[actor.do.remote(number, piece, [shipped], begun)] = actor, number, piece
                del actor  # a name is a handle too
            if not busy:
                return
            (ready,), _ = ray.wait(list(busy), num_returns=1)
            actor, number, piece = busy.pop(ready)
            try:
                kind, content = ray.get(ready)
            except ray.exceptions.RayError as error:
                if isinstance(error, ray.exceptions.RayTaskError) or getattr(error, "actor_init_failed", False):
                    raise ClusterError(
                        f"workers cannot begin: {str(error).strip().splitlines()[-1]}. Install poseauth, the same on "
                        f"every machine: {INSTALL}"
                    ) from error
                kind, content = DONE, Lost(f"Ray gave up on it: {type(error).__name__}")
            begun.end.remote(number)
            free.append(actor)
            del actor, ready
            if kind == RAISED:
                raise content
            yield piece, content
    finally:
        for actor in [*free, *(held for held, _, _ in busy.values()), begun]:
            with contextlib.suppress(Exception):  # the connection may be gone
                ray.kill(actor)
