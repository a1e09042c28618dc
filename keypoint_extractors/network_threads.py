"""Copies of a network, one a thread, that take pieces of work side by side and answer in their order."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_Network = TypeVar("_Network")
_Piece = TypeVar("_Piece")
_Answer = TypeVar("_Answer")


class NetworkThreads(Generic[_Network]):
    """Threads with a network each.

    Parameters
    ----------
    networks : sequence
        As many as there are to be threads.
    name : str
        Of the threads.
    on_start : callable or None
        What every thread does first.
    """

    def __init__(self, networks: Sequence[_Network], name: str, on_start: Callable[[], None] | None = None) -> None:
        self._networks = list(networks)
        self._free: queue.SimpleQueue[_Network] = queue.SimpleQueue()
        for network in networks:
            self._free.put(network)
        self._threads = ThreadPoolExecutor(len(networks), name, on_start)

    def map(self, work: Callable[[_Network, _Piece], _Answer], pieces: Iterable[_Piece]) -> Iterator[_Answer]:
        """`work(network, piece)` of each piece, in their order; one piece more than there are threads is taken ahead.

        Raises
        ------
        ValueError
            If they are closed.
        """
        if not self._networks:
            raise ValueError("the networks are closed")
        waiting: deque[Future[_Answer]] = deque()
        try:
            for piece in pieces:
                waiting.append(self._threads.submit(self._with_a_network, work, piece))
                if len(waiting) > len(self._networks):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _with_a_network(self, work: Callable[[_Network, _Piece], _Answer], piece: _Piece) -> _Answer:
        network = self._free.get()
        try:
            return work(network, piece)
        finally:
            self._free.put(network)

    def close(self) -> list[_Network]:
        """Wait for what runs, and give the networks back; none at a second call."""
        self._threads.shutdown(cancel_futures=True)
        networks, self._networks, self._free = self._networks, [], queue.SimpleQueue()
        return networks
