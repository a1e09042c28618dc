"""Rows about many things as a dataset of Parquet files, the shards: each is written once and whole.

In which shard a thing's rows stand follows from its name alone, and so does the name of the shard's file: whoever
writes a row, and however often, it stands in one place. What is done of a shard that is not whole yet stands beside the
shards, a small file for each thing; a run that is killed loses what it was at.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poseauth.batch.store import Store
from poseauth.errors import StorageError

DESCRIPTION = "_poseauth.json"
"""What the dataset is; like all names that begin with _ it is none of the dataset's files to those who read Parquet."""
_UNFINISHED = "_unfinished"
_METADATA = "poseauth_asked"
"""In a shard's file: what was asked for each row, by its identity, as JSON."""
_FORMAT = 1
SHARD_ROWS = 64
"""Things in a shard, where nobody says how many shards there are."""
SHARDS_MOST = 100_000
_FILES_AT_A_TIME = 64
"""That are held in memory where all are looked at."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class KnownRow:
    """A row, and what was asked for it: of another content or by other options it would be another one."""

    row: Row
    asked: str


class RowShards:
    """A dataset of rows in a store.

    Parameters
    ----------
    store : Store
        Made there if it is not there.
    work : str
        What the rows are about; a dataset holds rows of one kind of work.
    columns : mapping of str to type
        Names in their order, each `str`, `int` or `float`.
    n_shards : int
        How many files, if the dataset is new; else what it was made with counts.
    identity : callable
        What a row is about, as text: two rows of one identity replace one another.

    Raises
    ------
    StorageError
        If the store cannot be used, or holds something else.
    """

    def __init__(
        self,
        store: Store,
        *,
        work: str,
        columns: Mapping[str, type],
        n_shards: int,
        identity: Callable[[Row], str],
    ) -> None:
        self.store = store
        self._columns = dict(columns)
        self._identity = identity
        wanted = {"format": _FORMAT, "work": work, "columns": list(columns), "n_shards": n_shards}
        found = store.read(DESCRIPTION)
        if found is None:
            # Of several runs that begin at a time one says how many shards there are.
            store.create(DESCRIPTION, json.dumps(wanted).encode())
            found = store.read(DESCRIPTION)
        self.n_shards = self._checked(found, wanted)

    def _checked(self, found: bytes | None, wanted: Mapping[str, Any]) -> int:
        place = self.store.place
        try:
            there = json.loads(found or b"")
            n_shards = there["n_shards"]
            is_ours = there["format"] == _FORMAT and type(n_shards) is int and 0 < n_shards <= SHARDS_MOST
        except (ValueError, KeyError, TypeError):
            is_ours = False
        if not is_ours:
            raise StorageError(f"{place} holds a {DESCRIPTION} that is none of this version. Name another --output")
        for name in ("work", "columns"):
            if there.get(name) != wanted[name]:
                raise StorageError(
                    f"{place} holds rows of another {'command' if name == 'work' else 'table'}: its {name} are "
                    f"{there.get(name)}, and {wanted[name]} are to be written. Name another --output"
                )
        return int(n_shards)

    def shard_of(self, name: str) -> int:
        """The number of the shard in which the rows about a thing stand; of the name alone, whatever comes beside."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.n_shards

    def file_of(self, shard: int) -> str:
        """The name of a shard's file."""
        return f"rows-{shard:05d}-of-{self.n_shards:05d}.parquet"

    def files(self) -> list[str]:
        """The names of the shards that are there."""
        return [self.file_of(shard) for shard in self._numbers()]

    def _numbers(self) -> list[int]:
        names = set(self.store.names())
        return [shard for shard in range(self.n_shards) if self.file_of(shard) in names]

    def read(self, shard: int) -> dict[str, KnownRow]:
        """The rows of a shard's file, by identity; none where there is no file.

        Raises
        ------
        StorageError
            If it cannot be read, or is damaged.
        """
        import polars

        content = self.store.read(self.file_of(shard))
        if content is None:
            return {}
        try:
            table = polars.read_parquet(io.BytesIO(content))
            asked = json.loads(polars.read_parquet_metadata(io.BytesIO(content)).get(_METADATA, "{}"))
            rows = list(table.select(list(self._columns)).iter_rows(named=True))
        except (polars.exceptions.PolarsError, ValueError, OSError) as error:
            raise self._damaged(self.file_of(shard), error) from error
        return {about: KnownRow(row, asked.get(about, "")) for row in rows for about in [self._identity(row)]}

    def tables(self, columns: Sequence[str]) -> Iterator[Any]:
        """The rows of all files, some files at a time, whatever their number: polars.DataFrame with these columns.

        Raises
        ------
        StorageError
            If a file cannot be read.
        """
        import polars

        files = self.files()
        for begin in range(0, len(files), _FILES_AT_A_TIME):
            tables = []
            for name in files[begin : begin + _FILES_AT_A_TIME]:
                try:
                    tables.append(polars.read_parquet(io.BytesIO(self.store.read(name) or b""), columns=list(columns)))
                except (polars.exceptions.PolarsError, OSError) as error:
                    raise self._damaged(name, error) from error
            yield polars.concat(tables)

    def _damaged(self, name: str, error: Exception) -> StorageError:
        return StorageError(f"{self.store.where(name)} is damaged: {error}. Remove it; its rows are made again")

    def write(self, shard: int, rows: Iterable[KnownRow]) -> None:
        """Write a shard's file whole, its rows by identity.

        Raises
        ------
        StorageError
            If it cannot be written; what stood there stands.
        """
        import polars

        by_identity = {self._identity(known.row): known for known in rows}
        order = sorted(by_identity)
        kinds = {str: polars.String, int: polars.Int64, float: polars.Float64}
        table = polars.DataFrame(
            {name: [by_identity[about].row.get(name) for about in order] for name in self._columns},
            schema={name: kinds[kind] for name, kind in self._columns.items()},
        )
        asked = json.dumps({about: by_identity[about].asked for about in order}, ensure_ascii=False)
        content = io.BytesIO()
        table.write_parquet(content, metadata={_METADATA: asked}, statistics=True)
        self.store.put(self.file_of(shard), content.getvalue())

    def unfinished(self, shard: int) -> dict[str, KnownRow]:
        """What earlier runs have done of a shard beyond its file, by identity."""
        folder = _folder(shard)
        found: dict[str, KnownRow] = {}
        for name in self.store.names(folder):
            content = self.store.read(f"{folder}/{name}")
            try:
                entries = json.loads(content or b"[]")
                found |= {self._identity(row): KnownRow(row, asked) for row, asked in entries}
            except (ValueError, TypeError, KeyError):
                continue  # not one of ours, and a row of ours that cannot be read is made again
        return found

    def forget_unfinished(self, shard: int) -> None:
        """Remove them: they stand in the shard's file now."""
        self.store.empty(_folder(shard))


def keep_unfinished(store: Store, shard: int, name: str, rows: Sequence[KnownRow]) -> None:
    """Put what was found out about a thing beside its shard, from whichever machine found it.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    content = json.dumps([(dict(known.row), known.asked) for known in rows], ensure_ascii=False, allow_nan=False)
    store.put(f"{_folder(shard)}/{digest}.json", content.encode())


def _folder(shard: int) -> str:
    return f"{_UNFINISHED}/{shard:05d}"
