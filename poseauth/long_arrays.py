"""Arrays that grow with a clip: in memory while they are small, beyond that in a temporary file that has no name.

The system takes the file away with its last user, however that ends. What lies in it is mapped read-only, so that it is
an array like any other; `let_go` leaves its pages to the file until they are read again.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from poseauth.errors import StorageError

IN_MEMORY_BYTES = 2 << 20
"""Of one array. One person's keypoints reach it after 12 minutes at 30 frames a second."""
PIECE_FRAMES = 16_384
"""Frames that are looked at together where a clip is gone through piece by piece."""

_Array = np.ndarray[Any, Any]


class LongArray:
    """An array to which rows are added.

    Parameters
    ----------
    row_shape : tuple of int
        Shape of one row.
    dtype : numpy dtype
        Of the values.
    """

    def __init__(self, row_shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32) -> None:
        self._pieces: list[_Array] = [np.zeros((0, *row_shape), dtype)]
        self._file: IO[bytes] | None = None
        self._n_bytes = 0

    def add(self, rows: _Array) -> None:
        """Append rows [shape=(N, ...)], which are the array's from here on.

        Raises
        ------
        ValueError
            If the rows have another shape.
        StorageError
            If there is no room for a temporary file.
        """
        if rows.shape[1:] != self._pieces[0].shape[1:]:
            raise ValueError(f"rows of shape {rows.shape[1:]} in an array of {self._pieces[0].shape[1:]}")
        self._pieces.append(np.asarray(rows, self._pieces[0].dtype))
        self._n_bytes += self._pieces[-1].nbytes
        if self._n_bytes <= IN_MEMORY_BYTES:
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="poseauth-")  # noqa: SIM115  it is closed with the array
            for piece in self._pieces:
                self._file.write(np.ascontiguousarray(piece).data)
        except OSError as error:
            raise StorageError(
                f"no room for what was seen in a long clip ({self._n_bytes / 1e6:.0f} MB so far) in "
                f"{tempfile.gettempdir()}: {error.strerror or error}. Name another folder in the environment: TMPDIR"
            ) from error
        del self._pieces[1:]

    def array(self) -> _Array:
        """All rows so far; those in a file cannot be changed.

        Raises
        ------
        StorageError
            If the temporary file cannot be completed.
        """
        none = self._pieces[0]
        if self._file is None:
            self._pieces = [none, np.concatenate(self._pieces)]
            return self._pieces[1]
        try:
            self._file.flush()
        except OSError as error:
            raise StorageError(f"{tempfile.gettempdir()}: {error.strerror or error}") from error
        mapped = mmap.mmap(self._file.fileno(), self._n_bytes, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, none.dtype).reshape(-1, *none.shape[1:])


def let_go(*arrays: _Array) -> None:
    """Leave what of arrays lies in a file to it: no memory until it is read again; else this does nothing."""
    for array in arrays:
        holder: Any = array
        while isinstance(holder, np.ndarray):
            holder = holder.base
        mapped = getattr(holder, "obj", holder)
        if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
            mapped.madvise(mmap.MADV_DONTNEED)


def in_pieces(n_rows: int) -> Iterator[slice]:
    """Rows of a long array, `PIECE_FRAMES` at a time."""
    for first in range(0, n_rows, PIECE_FRAMES):
        yield slice(first, min(first + PIECE_FRAMES, n_rows))
