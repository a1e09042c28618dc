"""An iterator that runs ahead of who reads it, in a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")


class Ahead(Iterator[_T]):
    """The items of an iterator, fetched in a thread by a limited number ahead; used with `with`, left when it ends.

    Parameters
    ----------
    source : Iterator
        Read in the thread alone; what it raises comes out where the items do.
    n_ahead : int
        Items that may wait.
    """

    def __init__(self, source: Iterator[_T], n_ahead: int) -> None:
        self._items: queue.Queue[_T | _End] = queue.Queue(maxsize=n_ahead)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(source,), name="ahead", daemon=True)

    def __enter__(self) -> Ahead[_T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        while self._thread.is_alive():  # a full queue would hold the thread back for ever
            with contextlib.suppress(queue.Empty):
                self._items.get(timeout=0.05)
        self._thread.join()

    def __next__(self) -> _T:
        item = self._items.get()
        if isinstance(item, _End):
            self._items.put(item)  # asked again, the end is still the end
            if item.error is not None:
                raise item.error
            raise StopIteration
        return item

    def _run(self, source: Iterator[_T]) -> None:
        try:
            for item in source:
                self._items.put(item)
                if self._left.is_set():
                    return
            self._items.put(_End(None))
        except BaseException as error:  # handed to the thread that reads
            self._items.put(_End(error))


@dataclass(frozen=True)
class _End:
    error: BaseException | None
