"""A run over shards: claims them, has what is missing of each done, and writes each when it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from poseauth.batch.claims import Claims, Holder
from poseauth.batch.row_shards import KnownRow, Row, RowShards, keep_unfinished
from poseauth.batch.store import Store
from poseauth.batch.worker_processes import Lost, Tell, Work

WAIT_S = 5.0
"""Between two looks at what another run holds."""


@dataclass(frozen=True)
class Part:
    """One row that is wanted of a thing.

    Attributes
    ----------
    identity : str
        What the row is about.
    asked : str
        What it rests on, as far as it can be told without the work; a row that rests on the same is not made again.
    about : object
        What the work needs to know to make it.
    """

    identity: str
    asked: str
    about: Any = None


@dataclass(frozen=True)
class Piece:
    """A thing, and the rows that are wanted of it.

    Attributes
    ----------
    name : str
        Of the thing; it says in which shard its rows stand.
    parts : tuple of Part
        The rows.
    shard : int
        Set by the run.
    """

    name: str
    parts: tuple[Part, ...]
    shard: int = -1


@dataclass(frozen=True)
class Done:
    """What came of a piece.

    Attributes
    ----------
    rows : mapping of str to row
        By the identities asked for, each once.
    cost : mapping of str to float
        Whatever is to be added up over the run.
    """

    rows: Mapping[str, Row]
    cost: Mapping[str, float] = field(default_factory=dict)


Runner = Callable[[Iterable[Piece], Callable[[], Work[Piece, Done]]], Iterator[tuple[Piece, "Done | Lost"]]]
"""Does pieces with the work that a function makes: here, in processes, or on a cluster."""


@dataclass
class _OpenShard:
    rows: dict[str, KnownRow]
    missing: set[str]
    """Names of the things that are not done."""


@dataclass(frozen=True)
class ShardRun:
    """One run.

    Attributes
    ----------
    shards : RowShards
        Where rows go.
    make : callable
        Makes the work, wherever it is done; importable by name.
    run : Runner
        Does it.
    is_answer : callable
        Whether a row stands for an answer; others are made again by the next run.
    on_lost : callable
        Gives the rows of a piece that was lost.
    on_done : callable
        Hears each piece with its rows, and the cost; of what was known before nothing was spent.
    on_waiting : callable
        Hears who holds what is left, once a look.
    """

    shards: RowShards
    make: Callable[[], Work[Piece, Done]]
    run: Runner
    is_answer: Callable[[Row], bool]
    on_lost: Callable[[Piece, Lost], Mapping[str, Row]]
    on_done: Callable[[Piece, Done, bool], None]
    on_waiting: Callable[[Mapping[str, Holder | None]], None]

    def __call__(self, wanted: Mapping[int, Callable[[], Sequence[Piece]]]) -> None:
        """Do what is missing of these shards; returns when all of them are whole.

        What another run holds is waited for, and done here if that run is heard of no more.

        Parameters
        ----------
        wanted : mapping of int to callable
            Gives the pieces of each shard, when its turn comes.

        Raises
        ------
        StorageError
            If the store cannot be read or written: what was done is kept.
        """
        left = list(wanted)
        with Claims(self.shards.store) as claims:
            while left:
                held_elsewhere: list[int] = []
                shards: dict[int, _OpenShard] = {}
                outcomes = self.run(
                    self._missing(left, wanted, claims, shards, held_elsewhere),
                    partial(_make_kept, self.make, self.shards.store.place),
                )
                for piece, outcome in outcomes:
                    done = Done(self.on_lost(piece, outcome)) if isinstance(outcome, Lost) else outcome
                    self.on_done(piece, done, False)
                    shard = shards[piece.shard]
                    shard.rows |= _as_known(piece, done.rows)
                    shard.missing.discard(piece.name)
                    if not shard.missing:
                        self._finish(piece.shard, shards.pop(piece.shard), claims)
                left = held_elsewhere
                while left and not any(claims.take(_claim(shard)) for shard in left):
                    self.on_waiting({_claim(shard): claims.holder(_claim(shard)) for shard in left})
                    time.sleep(WAIT_S)

    def _missing(
        self,
        left: Sequence[int],
        wanted: Mapping[int, Callable[[], Sequence[Piece]]],
        claims: Claims,
        shards: dict[int, _OpenShard],
        held_elsewhere: list[int],
    ) -> Iterator[Piece]:
        """The pieces to do, taken as they are needed: so many shards are open as there are pieces in work."""
        for number in left:
            if not claims.take(_claim(number)):
                held_elsewhere.append(number)
                continue
            kept = self.shards.unfinished(number)
            rows = self.shards.read(number)
            rows_and_kept = rows | kept
            missing: list[Piece] = []
            for piece in wanted[number]():
                unknown = tuple(part for part in piece.parts if not self._is_known(part, rows_and_kept))
                known = [part for part in piece.parts if part not in unknown]
                if known:
                    told = Done({part.identity: rows_and_kept[part.identity].row for part in known})
                    self.on_done(replace(piece, parts=tuple(known)), told, True)
                if unknown:
                    missing.append(replace(piece, parts=unknown, shard=number))
            shard = _OpenShard(rows_and_kept, {piece.name for piece in missing})
            if missing:
                shards[number] = shard
                yield from missing
            elif kept:
                self._finish(number, shard, claims)
            else:
                claims.release(_claim(number))

    def _is_known(self, part: Part, rows: Mapping[str, KnownRow]) -> bool:
        known = rows.get(part.identity)
        return known is not None and bool(part.asked) and known.asked == part.asked and self.is_answer(known.row)

    def _finish(self, number: int, shard: _OpenShard, claims: Claims) -> None:
        """Write a shard that is whole; where another run has taken it over after a long silence, that one writes it."""
        if claims.holds(_claim(number)):
            self.shards.write(number, shard.rows.values())
            self.shards.forget_unfinished(number)
        claims.release(_claim(number))


def _claim(shard: int) -> str:
    return f"{shard:05d}"


def _as_known(piece: Piece, rows: Mapping[str, Row]) -> dict[str, KnownRow]:
    return {part.identity: KnownRow(rows[part.identity], part.asked) for part in piece.parts}


def _make_kept(make: Callable[[], Work[Piece, Done]], place: str) -> Work[Piece, Done]:
    """The work, whose rows are kept in the store as soon as they are known, from where they are."""
    work, store = make(), Store(place)

    def kept(piece: Piece, tell: Tell) -> Done:
        done = work(piece, tell)
        keep_unfinished(store, piece.shard, piece.name, list(_as_known(piece, done.rows).values()))
        return done

    return kept
