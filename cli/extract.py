"""`poseauth extract`: keypoints only."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any

import click

from poseauth.batch.addresses import kind_of
from poseauth.errors import InputError, PoseAuthError, TooShortError
from poseauth.keypoint_files import SUFFIX, write_keypoints, write_method_csv
from poseauth.keypoints import KeypointSequence
from poseauth.report import caveats_of
from poseauth.shown_text import readable

from .archive_run import ArchiveOptions, archive_options, check_jobs
from .clip_list import STDIN
from .options import (
    AUTO_TOLD,
    EXTRACTOR_CHOICES,
    extractor_options,
    follow_options,
    open_reader,
    recursive_option,
    whom,
)
from .reading import SOME_FAILED, read_each, warn


@click.command(
    help="""Find the keypoints in videos and keep them as files.

Every command takes such .npz files and OpenPose folders in place of the video; the CSV is for other tools.

An archive: with --ray or --shard, or an address (s3://, gs://) for --output, it holds the .npz files under keypoints/,
and a dataset of Parquet files with a row for each video; sources may be addresses and tables then, and a run goes on
where an earlier one stopped.

\b
Example:
  poseauth extract speeches/ -o keypoints/
  poseauth extract clip.mp4 -o keypoints/ --format csv --track 3
  poseauth extract s3://archive/2024/ --recursive -o s3://results/keypoints --ray auto"""
)
@click.argument(
    "sources", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False), metavar="VIDEO|FOLDER..."
)
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False), help="Folder to fill, or an address.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["npz", "csv", "openpose"]),
    default="npz",
    show_default=True,
    help="npz: poseauth's own. csv: the method's, 24 columns, every 150 rows a window. openpose: a JSON file a frame.",
)
@click.option("--extractor", type=click.Choice(EXTRACTOR_CHOICES), default="auto", show_default=True, help=AUTO_TOLD)
@extractor_options
@follow_options
@archive_options
@click.option(
    "--jobs", type=click.IntRange(1, 100_000), help="Videos at a time, of an archive. [default: as many as find room]"
)
@click.option("--path-column", metavar="NAME", help="Column of the paths in a table, of an archive.")
@recursive_option
def extract(
    sources: tuple[str, ...],
    output: str,
    form: str,
    extractor: str,
    track: int | None,
    box: tuple[float, float, float, float] | None,
    recursive: bool,
    ray: str | None,
    shard: tuple[int, int] | None,
    shards: int | None,
    cpus_per_clip: int,
    allow_https: bool,
    jobs: int | None,
    path_column: str | None,
    **reader_options: Any,
) -> int:
    """Write the keypoints of each source into the folder."""
    if ray or shard or shards or kind_of(output):
        if form != "npz":
            raise click.UsageError(f"--format {form}: keypoints of an archive are npz")
        check_jobs(jobs, ray)
        from .archive_commands import extract_archive

        return extract_archive(
            sources, output, extractor, track, box, reader_options,
            ArchiveOptions(ray, shard, shards, cpus_per_clip, allow_https, jobs),
            recursive=recursive, path_column=path_column,
        )  # fmt: skip
    if jobs or path_column or allow_https:
        raise click.UsageError("--jobs, --path-column and --allow-https are for archives: --ray, --shard or an address")
    if str(STDIN) in sources:
        raise click.UsageError(
            "a list on stdin (-) is for archives: --ray, --shard or an address. Name the videos or their folder"
        )
    reader = open_reader(extractor, **reader_options)
    n_failed = 0
    taken: set[Path] = set()
    given = {Path(source).resolve() for source in sources}
    for path, result in read_each(reader, [Path(source) for source in sources], whom(track, box), recursive=recursive):
        if isinstance(result, PoseAuthError):
            warn(path, result)
            n_failed += 1
            continue
        target = _free_name(Path(output) / path.stem, taken)
        try:
            _check_no_source(path, _named(target, form), given, recursive=recursive)
            written = _write(result, target, form)
        except InputError as error:
            warn(path, error)
            n_failed += 1
            continue
        seen = result.seen.any(axis=1).mean() if len(result) else 0.0
        click.echo(
            f"{readable(str(path))} -> {readable(str(written))}: {len(result)} frames, {result.duration_s:.1f} s, "
            f"somebody in {seen:.0%}"
        )
        for caveat in caveats_of(result.provenance):
            click.echo(f"  note: {readable(caveat)}", err=True)
    reader.close()
    return SOME_FAILED if n_failed else 0


def _free_name(wanted: Path, taken: set[Path]) -> Path:
    """Two sources of one name in one run do not overwrite each other."""
    target, number = wanted, 2
    while target in taken:
        target = wanted.with_name(f"{wanted.name}-{number}")
        number += 1
    taken.add(target)
    return target


def _check_no_source(source: Path, target: Path, given: Set[Path], *, recursive: bool) -> None:
    """Keypoints are never written over those that are read: these may hold more than poseauth keeps.

    Parameters
    ----------
    source, target : Path
        What was read, and what would be written.
    given : set of Path
        Files and folders named on the command line, resolved.
    recursive : bool
        Whether folders in these folders are read too.
    """
    from keypoint_extractors.sources import is_clip

    place = target.resolve()
    if place == source.resolve():
        raise InputError(f"{source}: would be written over itself. Name another folder with --output")
    folders = place.parents if recursive else place.parents[:1]
    is_read = place in given or (is_clip(target) and not given.isdisjoint(folders))
    if is_read and target.exists():
        raise InputError(
            f"{source}: would be written over {target}, which is read too. Name another folder with --output"
        )


def _named(target: Path, form: str) -> Path:
    return target if form == "openpose" else target.with_name(f"{target.name}{SUFFIX if form == 'npz' else '.csv'}")


def _write(sequence: KeypointSequence, target: Path, form: str) -> Path:
    path = _named(target, form)
    if form == "openpose":
        from keypoint_extractors.openpose_json import write_openpose_folder

        write_openpose_folder(sequence, path)
    elif form == "npz":
        write_keypoints(sequence, path)
    elif not write_method_csv(sequence, path):
        path.unlink(missing_ok=True)
        raise TooShortError("no window of 150 frames in it, so there is nothing to write as CSV. Try --format npz")
    return path
