"""`verify` and `extract` over an archive: what each asks of the run over its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth.batch.row_shards import RowShards
from poseauth.shown_text import encodable

from .archive_clips import ArchiveClip
from .archive_run import (
    NOT_ANALYSED,
    ArchiveJob,
    ArchiveOptions,
    Totals,
    check_output,
    clips_of,
    columns_of_archive,
    fetching,
    run_archive,
    wanted_parts,
)
from .archive_work import (
    ExtractWork,
    VerifyWork,
    extract_columns,
    kind_of_column,
    lost_extraction,
    lost_verification,
)
from .clip_check import CheckOptions
from .options import ON_THE_CPU
from .reading import FAILED_ON, SOME_FAILED
from .result_table import ResultColumns

if TYPE_CHECKING:
    from person_profiles.store import Stored

OVERVIEW = "_overview.html"
"""The page over a dataset of `verify`, in it; none of its files to those who read Parquet."""


def verify_archive(
    sources: Sequence[str],
    check: CheckOptions,
    stored: Mapping[str, Stored],
    output: str,
    options: ArchiveOptions,
    *,
    recursive: bool,
    path_column: str | None,
    report: Path | None,
    fail_on: str | None,
) -> int:
    """Hold the clips of an archive against people; gives the exit status.

    Parameters
    ----------
    sources : sequence of str
        As in `list_archive`.
    check : CheckOptions
        For every clip.
    stored : mapping of str to Stored
        The people, as they were read.
    output : str
        Folder or address of the dataset.
    options : ArchiveOptions
        Where it happens.
    recursive, path_column :
        As in `list_archive`.
    report : Path or None
        Where the page over the dataset goes; None: into it, unless this run does a part.
    fail_on : str or None
        The verdict that ends the command with `FAILED_ON`.
    """
    check_output(output)
    clips = clips_of(sources, options, recursive=recursive, path_column=path_column)
    theirs = columns_of_archive(clips)
    columns = ResultColumns(theirs)
    check = replace(check, reader=_without_cache(check.reader))
    extractors = {check.extractor or (one.profile.extractor.name if one.profile.extractor else "auto")
                  for one in stored.values()}  # fmt: skip
    how = fetching(options, check.reader.get("limits"))
    home = _files_of(check.home) if options.ray is not None else None

    def parts(clip: ArchiveClip, state: str) -> Any:
        return wanted_parts(
            columns, clip, check.answers, lambda answer: check.key(state, answer, None) if state else ""
        )

    job = ArchiveJob(
        work="verify",
        columns=columns,
        kind_of_column=kind_of_column,
        parts=parts,
        make=lambda n_threads: VerifyWork(replace(check, n_threads=n_threads), how, theirs, home),
        on_lost=partial(lost_verification, columns),
        gpus=_want_gpu(check.reader, extractors),
    )
    totals, shards = run_archive(job, clips, output, options)
    if options.shard is None or report is not None:
        _write_page(shards, columns, report)
    if fail_on and totals.n_of[fail_on]:
        return FAILED_ON
    return _status(totals)


def extract_archive(
    sources: Sequence[str],
    output: str,
    extractor: str,
    track: int | None,
    box: tuple[float, float, float, float] | None,
    reader: Mapping[str, Any],
    options: ArchiveOptions,
    *,
    recursive: bool,
    path_column: str | None,
) -> int:
    """Find the keypoints in the clips of an archive; gives the exit status.

    Parameters
    ----------
    sources : sequence of str
        As in `list_archive`.
    output : str
        Folder or address of the dataset and of the keypoint files.
    extractor, track, box, reader :
        As in `ExtractWork`.
    options : ArchiveOptions
        Where it happens.
    recursive, path_column :
        As in `list_archive`.
    """
    check_output(output)
    clips = clips_of(sources, options, recursive=recursive, path_column=path_column)
    theirs = columns_of_archive(clips)
    columns = extract_columns(theirs)
    reader = _without_cache(reader)
    how = fetching(options, reader.get("limits"))

    def work(n_threads: int | None = None) -> ExtractWork:
        threads = {} if n_threads is None else {"n_threads": n_threads}
        return ExtractWork(extractor, track, box, {**reader, **threads}, how, output, theirs)

    asked = work().asked

    def parts(clip: ArchiveClip, state: str) -> Any:
        return wanted_parts(columns, clip, ("",), lambda _: asked(state) if state else "")

    job = ArchiveJob(
        work="extract",
        columns=columns,
        kind_of_column=kind_of_column,
        parts=parts,
        make=work,
        on_lost=partial(lost_extraction, columns),
        gpus=_want_gpu(reader, {extractor}),
    )
    totals, _ = run_archive(job, clips, output, options)
    return _status(totals)


def _status(totals: Totals) -> int:
    return SOME_FAILED if totals.n_of[NOT_ANALYSED] else 0


def _without_cache(reader: Mapping[str, Any]) -> dict[str, Any]:
    """The keypoints of an archive would fill every machine's disk: kept where a folder for them is named."""
    return {**reader, "no_cache": reader.get("no_cache") or reader.get("cache_dir") is None}


def _want_gpu(reader: Mapping[str, Any], extractors: set[str]) -> bool:
    return reader.get("device") != "cpu" and not extractors <= set(ON_THE_CPU)


def _files_of(home: Path) -> dict[str, bytes]:
    """The profiles, to go where the work is."""
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(home).parts)
    }


def _write_page(shards: RowShards, columns: ResultColumns, report: Path | None) -> None:
    from .clip_report import OVERVIEW as PAGE_NAME
    from .clip_report import put
    from .overview_page import dataset_overview

    page = dataset_overview(shards.tables(list(columns.ours.values())), columns.ours)
    if report is None:
        shards.store.put(OVERVIEW, page.encode())
        where = shards.store.where(OVERVIEW)
    else:
        place = report if report.suffix.lower() == ".html" else report / PAGE_NAME
        put(place, page)
        where = str(place)
    click.echo(f"page over the dataset: {encodable(where)}", err=True)
