"""A command over an archive: its clips in shards, on a Ray cluster or here, with progress and a summary on stderr."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from keypoint_extractors.cores import usable_cores
from keypoint_extractors.video_limits import VideoLimits
from poseauth.batch.addresses import OBJECT_STORES, check_address, kind_of, stamp_of
from poseauth.batch.claims import Holder
from poseauth.batch.row_shards import SHARD_ROWS, SHARDS_MOST, Row, RowShards
from poseauth.batch.shard_run import Done, Part, Piece, Runner, ShardRun
from poseauth.batch.store import Store
from poseauth.batch.worker_processes import Lost, Work, run_here, run_in_processes
from poseauth.errors import InputError
from poseauth.shown_text import counted, encodable, readable

from .archive_clips import ArchiveClip, list_archive
from .archive_work import BYTES, CPU_S, VIDEO_S, About, Fetching
from .clip_batch import threads_of_processes, usual_jobs
from .options import together
from .result_table import ResultColumns

NOT_ANALYSED = "not analysed"
_PROGRESS_S = 10.0
_STAMPS_AT_A_TIME = 16
_JOBS_HERE = 256
"""Processes on one machine."""
_HOURS = 3600.0
_FEW = 8
"""Fewer clips are not worth a process of their own, which keeps one that crashes from ending the run."""


def _shard(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise click.BadParameter(f"{text!r} is no part; i/n is needed with i from 1 to n, as in 3/16")
    return int(number), int(of)


archive_options: Callable[[Any], Any] = together(
    click.option(
        "--ray",
        metavar="auto|HOST:PORT|local",
        help="Run on a Ray cluster: the one that this machine belongs to, the one with this head, or one of this "
        "machine alone. Needs pip install 'poseauth[ray]'.",
    ),
    click.option(
        "--shard",
        metavar="i/n",
        callback=_shard,
        help="Do the i-th of n parts of the clips, without Ray: for Slurm arrays and the like. A clip is in the same "
        "part whatever the order.",
    ),
    click.option(
        "--shards",
        type=click.IntRange(1, SHARDS_MOST),
        help=f"Files of a new dataset. [default: one for every {SHARD_ROWS} clips, at least one a part]",
    ),
    click.option(
        "--cpus-per-clip",
        type=click.IntRange(1, 256),
        default=4,
        show_default=True,
        help="Cores that --ray reserves for a clip, one of them for decoding.",
    ),
    click.option("--allow-https", is_flag=True, help="Fetch clips and tables from https:// too."),
)


@dataclass(frozen=True)
class ArchiveOptions:
    """Where an archive's run happens, and what it may fetch: the options of `archive_options`."""

    ray: str | None
    shard: tuple[int, int] | None
    shards: int | None
    cpus_per_clip: int
    allow_https: bool
    jobs: int | None


@dataclass(frozen=True)
class ArchiveJob:
    """What a command does over an archive.

    Attributes
    ----------
    work : str
        What the rows are about: the command's name.
    columns : ResultColumns
        Of the dataset.
    kind_of_column : callable
        `str`, `int` or `float` for each of our columns.
    parts : callable
        The rows wanted of a clip, from the clip and what its state is known by.
    make : callable
        Gives what makes the work, for so many threads; importable by name, and picklable.
    on_lost : callable
        The rows of a clip whose workers died, and why.
    gpus : bool
        Whether a GPU helps.
    """

    work: str
    columns: ResultColumns
    kind_of_column: Callable[[str], type]
    parts: Callable[[ArchiveClip, str], Sequence[Part]]
    make: Callable[[int], Callable[[], Work[Piece, Done]]]
    on_lost: Callable[[Piece, str], Mapping[str, Row]]
    gpus: bool


def is_dataset(output: str | None) -> bool:
    """Whether results go to a dataset: an address, or a name without the ending of a file."""
    return output is not None and (bool(kind_of(output)) or output.endswith("/") or not Path(output).suffix)


def check_jobs(jobs: int | None, ray: str | None) -> None:
    """Refuse more processes than one machine is asked for; a cluster takes as many as it has room for.

    Raises
    ------
    click.UsageError
        With the limit.
    """
    if jobs is not None and ray is None and jobs > _JOBS_HERE:
        raise click.UsageError(f"--jobs {jobs}: at most {_JOBS_HERE} on one machine; a cluster (--ray) takes more")


def check_output(output: str) -> None:
    """Refuse an address that nothing is written to.

    Raises
    ------
    click.UsageError
        With the kinds that there are.
    """
    if kind_of(output) and kind_of(output) not in OBJECT_STORES:
        raise click.UsageError(f"{output}: results go to a folder, s3:// or gs://")
    try:
        check_address(output)
    except InputError as error:
        raise click.UsageError(str(error)) from error


def clips_of(
    sources: Sequence[str], options: ArchiveOptions, *, recursive: bool, path_column: str | None
) -> dict[str, ArchiveClip]:
    """The clips that a command over an archive is about."""
    if options.ray is not None and options.shard is not None:
        raise click.UsageError("--ray and --shard are two ways to do the same; give one of them")
    return list_archive(sources, recursive=recursive, path_column=path_column, https=options.allow_https)


def columns_of_archive(clips: Mapping[str, ArchiveClip]) -> tuple[str, ...]:
    """The columns of all tables in which clips were named, in their order."""
    return tuple(dict.fromkeys(name for clip in clips.values() for cells in clip.rows for name in cells))


def fetching(options: ArchiveOptions, limits: VideoLimits | None) -> Fetching:
    """How clips come to where they are analysed."""
    return Fetching(options.allow_https, (limits or VideoLimits()).gigabytes * 1e9)


def row_identity(columns: ResultColumns, row: Row) -> str:
    """What a row of a dataset is about: the clip, whom it was held against, and the user's row."""
    person = row.get(columns.ours.get("person", ""), "")
    if row.get(columns.ours.get("person_is", "")) == "closest":
        person = ""
    cells = sorted(columns.theirs_of(row).items())
    return json.dumps([row[columns.ours["source"]], person, cells], ensure_ascii=False)


def wanted_parts(
    columns: ResultColumns, clip: ArchiveClip, answers: Sequence[str], asked: Callable[[str], str]
) -> list[Part]:
    """The rows wanted of a clip: for every row of a table that names it, and every answer."""
    found = {}
    for cells in clip.rows:
        for answer in answers:
            named = {columns.ours["source"]: encodable(clip.place), columns.ours.get("person", "person"): answer}
            identity = row_identity(columns, {**columns.theirs(cells), **named})
            found[identity] = Part(identity, asked(answer), About(answer, dict(cells), clip.problem))
    return list(found.values())


def run_archive(
    job: ArchiveJob, clips: Mapping[str, ArchiveClip], output: str, options: ArchiveOptions
) -> tuple[Totals, RowShards]:
    """Do a job over an archive; gives its counts and its dataset.

    Parameters
    ----------
    job : ArchiveJob
        The job.
    clips : mapping of str to ArchiveClip
        By their places.
    output : str
        Folder or address of the dataset.
    options : ArchiveOptions
        Where it happens.

    Raises
    ------
    StorageError
        If the dataset cannot be read or written: what was done is kept, and the same command goes on.
    ClusterError
        If Ray was asked for and is not there.
    """
    _, n_parts = options.shard or (1, 1)
    shards = RowShards(
        Store(output),
        work=job.work,
        columns={name: job.kind_of_column(ours) for name, ours in _kinds(job.columns)},
        n_shards=options.shards or _usual_shards(len(clips), n_parts),
        identity=partial(row_identity, job.columns),
    )
    by_shard: dict[int, list[ArchiveClip]] = {}
    for place, clip in clips.items():
        by_shard.setdefault(shards.shard_of(place), []).append(clip)
    mine = _mine(by_shard, shards.n_shards, options.shard)
    n_clips = sum(len(by_shard[shard]) for shard in mine)
    totals = Totals(job.columns, n_clips)
    run: Runner
    with ExitStack() as stack:
        if options.ray is not None:
            from poseauth.batch.ray_actors import connected, room_for, run_on_ray

            stack.enter_context(connected(options.ray))
            room = room_for(options.cpus_per_clip, gpus=job.gpus, n_workers=options.jobs)
            room = room.at_most(n_clips)
            n_threads = max(1, int(room.n_cpus) - 1)
            device = " and a GPU" if room.n_gpus else ""
            at_a_time, cores = counted(room.n_workers, "clip"), counted(int(room.n_cpus), "core")
            click.echo(f"{at_a_time} at a time, each with {cores}{device}, on the cluster {options.ray}", err=True)
            run = partial(run_on_ray, room=room)
        else:
            n_jobs = options.jobs or usual_jobs(n_clips)
            n_threads = max(1, usable_cores() // n_jobs)
            is_few = options.jobs is None and n_clips < _FEW
            run = _run_few if is_few else partial(_run_in_processes, n_jobs=n_jobs, n_threads=n_threads)
        run_shards = ShardRun(
            shards,
            make=job.make(n_threads),
            run=run,
            is_answer=lambda row: row[job.columns.ours["status"]] == "analysed",
            on_lost=lambda piece, lost: job.on_lost(piece, lost.why),
            on_done=totals.add,
            on_waiting=_tell_waiting,
        )
        try:
            run_shards({shard: partial(_pieces, job, by_shard[shard]) for shard in mine})
        except KeyboardInterrupt:
            click.echo(f"{encodable(output)} holds what was done until here; the same command goes on there.", err=True)
            raise
    totals.tell_end(shards)
    return totals, shards


def _kinds(columns: ResultColumns) -> Iterator[tuple[str, str]]:
    ours = {there: name for name, there in columns.ours.items()}
    for name in columns.all:
        yield name, ours.get(name, "")


def _usual_shards(n_clips: int, n_parts: int) -> int:
    """Some clips a file; a multiple of the parts, so that they are of one size."""
    of_one_part = max(1, -(-n_clips // (SHARD_ROWS * n_parts)))
    return min(SHARDS_MOST, of_one_part * n_parts)


def _mine(by_shard: Mapping[int, Sequence[ArchiveClip]], n_shards: int, part: tuple[int, int] | None) -> list[int]:
    number, n_parts = part or (1, 1)
    if n_parts > n_shards:
        click.echo(
            f"the dataset has {n_shards} files, fewer than {n_parts} parts: some parts have nothing to do. More: a new "
            "--output with --shards",
            err=True,
        )
    return [shard for shard in sorted(by_shard) if shard % n_parts == number - 1]


def _pieces(job: ArchiveJob, clips: Sequence[ArchiveClip]) -> list[Piece]:
    """The clips of a shard in the order of their places, each with its state: one question each to the store."""
    in_order = sorted(clips, key=lambda clip: clip.place)
    with ThreadPoolExecutor(_STAMPS_AT_A_TIME) as threads:
        stamps = list(threads.map(lambda clip: "" if clip.problem else stamp_of(clip.place), in_order))
    return [
        Piece(clip.place, tuple(job.parts(clip, f"{clip.place} {stamp}" if stamp else "")))
        for clip, stamp in zip(in_order, stamps, strict=True)
    ]


def _run_few(pieces: Iterable[Piece], make: Callable[[], Work[Piece, Done]]) -> Iterator[tuple[Piece, Done | Lost]]:
    waiting = iter(pieces)
    for first in waiting:  # where nothing is missing nothing is loaded
        yield from run_here(itertools.chain([first], waiting), make(), _untold)


def _run_in_processes(
    pieces: Iterable[Piece], make: Callable[[], Work[Piece, Done]], *, n_jobs: int, n_threads: int
) -> Iterator[tuple[Piece, Done | Lost]]:
    with threads_of_processes(n_threads):
        yield from run_in_processes(pieces, make, n_jobs, _untold)


def _untold(*_: object) -> None:
    """Of a clip under way nothing is shown: there are too many."""


def _tell_waiting(left: Mapping[str, Holder | None]) -> None:
    holders = {f"{holder.host} (process {holder.pid})" for holder in left.values() if holder is not None}
    click.echo(
        f"waiting for {len(left)} files that another run is at: {', '.join(sorted(holders)) or 'unknown'}. They are "
        "done here if it is heard of no more",
        err=True,
    )


class Totals:
    """Counts of a run, told on stderr while it goes on and at its end.

    Attributes
    ----------
    n_of : Counter
        Answers by verdict, or status where there is none.
    """

    def __init__(self, columns: ResultColumns, n_clips: int) -> None:
        self.n_of: Counter[str] = Counter()
        self._columns, self._n_clips = columns, n_clips
        self._cost: Counter[str] = Counter()
        self._n_new = self._n_known = 0
        self._started_s = self._told_s = time.monotonic()

    def add(self, piece: Piece, done: Done, is_known: bool) -> None:
        """Count what came of a clip; what was not analysed is named."""
        for row in done.rows.values():
            said = self._columns.ours.get("verdict", self._columns.ours["status"])
            self.n_of[str(row[said] or NOT_ANALYSED)] += 1
            if row[self._columns.ours["status"]] != "analysed":
                why = f"{row[self._columns.ours['source']]}: {row[self._columns.ours['reasons']]}"
                click.secho(readable(why), fg="yellow", err=True)
        self._n_new += not is_known
        self._n_known += is_known
        self._cost.update(done.cost)
        if time.monotonic() - self._told_s > _PROGRESS_S:
            self._told_s = time.monotonic()
            click.echo(f"{self._n_new + self._n_known:,} of {self._n_clips:,} clips, {self.n_of[NOT_ANALYSED]:,} not "
                       f"analysed; {self._speed()}", err=True)  # fmt: skip

    def tell_end(self, shards: RowShards) -> None:
        """What the run came to and cost."""
        counted = ", ".join(f"{number:,} {name}" for name, number in sorted(self.n_of.items()))
        known = f"; of {self._n_known:,} clips answers were known before" if self._n_known else ""
        click.echo(f"{self.n_of.total():,} rows: {counted or 'none'}{known}", err=True)
        hours = self._cost[VIDEO_S] / _HOURS
        if self._n_new:
            click.echo(f"{self._n_new:,} clips in {self._elapsed_s:,.0f} s: {self._speed()}", err=True)
        if hours:
            click.echo(f"an hour of video took {self._cost[CPU_S] / hours:,.0f} s of one processor core and "
                       f"{self._cost[BYTES] / hours / 1e9:.3g} GB fetched", err=True)  # fmt: skip
        click.echo(f"{encodable(shards.store.place)}: {len(shards.files()):,} Parquet files, rows-*.parquet")

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def _speed(self) -> str:
        elapsed_s = max(self._elapsed_s, 1e-3)
        return f"{self._n_new / elapsed_s:.3g} clips/s, {self._cost[VIDEO_S] / _HOURS / elapsed_s:.3g} hours of video/s"
