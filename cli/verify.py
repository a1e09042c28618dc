"""`poseauth verify`: one clip, many clips, folders, a list on stdin, a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth.batch.row_file import Row, RowFile
from poseauth.decision import EvidenceLimits, Verdict
from poseauth.report import Verification, as_dict, flat_row
from poseauth.shown_text import encodable, readable

from .archive_run import ArchiveOptions, archive_options, check_jobs, is_dataset
from .options import (
    EXTRACTOR_CHOICES,
    extractor_options,
    follow_options,
    home_option,
    open_store,
    recursive_option,
    refuse_missing_device,
    whom,
)
from .reading import FAILED_ON, SOME_FAILED
from .telling import FOOTER, describe_result, verdict_in_colour

if TYPE_CHECKING:
    from person_profiles.store import Stored

    from .clip_batch import Answer
    from .clip_report import PagePlaces
    from .result_table import ResultTable

_NOT_ANALYSED = "not analysed"


@click.command(
    help="""Say whether a clip moves like an enrolled person.

SOURCES are videos, keypoint files, OpenPose folders, folders of these, tables (.csv, .tsv) with a column of paths, or -
for a list of paths on stdin, one a line. The answer is authentic, fake or inconclusive, or the clip is not analysed and
the reason is given.

With --output a row is written as soon as it is known, and a run that was killed goes on where it stopped: a clip whose
content, profile and options have not changed is not analysed again, whatever it is called now; one that was not
analysed is tried again. The rows of a table keep their columns.

An archive: --output FOLDER, or an address (s3://, gs://), makes a dataset of Parquet files with the columns of the CSV,
on this machine, on a Ray cluster (--ray) or in parts (--shard). Sources may be addresses then, and tables .parquet. A
page over the dataset is written into it (_overview.html), or where --report says.

\b
Example:
  poseauth verify clip.mp4 --person obama
  poseauth verify clip.mp4 --person obama --report clip.html
  poseauth verify speeches/ --recursive --person obama --output results.csv --report pages/
  poseauth verify clips.csv --person obama --person biden --output results.csv
  find . -name '*.mp4' | poseauth verify - --person obama --json
  poseauth verify s3://archive/2024/ --recursive --person obama --output s3://results/obama --ray auto

\b
Exit status: 0 all analysed, 1 failed, 2 usage, 3 some inputs not analysed (each named), 4 --fail-on met."""
)
@click.argument("sources", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False))
@click.option(
    "--person", "people", multiple=True, metavar="NAME", help="The person, as you call them; several times for several."
)
@click.option("--anyone", is_flag=True, help="Nobody says who it is: the closest of all who are enrolled, never fake.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of results instead of text.")
@click.option(
    "--output",
    type=click.Path(),
    help="Also write results to .csv or .jsonl, or as a dataset into a folder or to an address, and go on where an "
    "earlier run stopped.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Also write a page with the evidence and JSON beside it: an .html file for one clip, a folder for several, "
    "with a page over all of them.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path),
    help="Also write the video with skeleton and running score: a .webm or .mp4 for one clip, a folder for several.",
)
@click.option(
    "--fail-on",
    type=click.Choice([verdict.value for verdict in Verdict]),
    help="Exit with 4 if any clip gets this verdict.",
)
@click.option(
    "--min-seconds",
    type=click.FloatRange(min=0),
    help="Usable seconds below which the answer is inconclusive. [default: what the profile's self-test found to be "
    f"enough, {EvidenceLimits().min_seconds:g} or more]",
)
@click.option(
    "--extractor",
    type=click.Choice(EXTRACTOR_CHOICES),
    help="[default: the profile's] Another one needs --any-extractor.",
)
@click.option("--any-extractor", is_flag=True, help="Accept keypoints of another extractor than the profile's.")
@extractor_options
@follow_options
@click.option("--path-column", metavar="NAME", help="Column of the paths in a table. [default: path, file, video, ...]")
@click.option(
    "--jobs",
    type=click.IntRange(1, 100_000),
    help="Clips at a time, each in a process of its own. [default: one for every 4 cores; with --ray as many as find "
    "room]",
)
@archive_options
@recursive_option
@home_option
def verify(
    sources: tuple[str, ...],
    people: tuple[str, ...],
    anyone: bool,
    as_json: bool,
    output: str | None,
    report: Path | None,
    overlay: Path | None,
    fail_on: str | None,
    min_seconds: float | None,
    extractor: str | None,
    any_extractor: bool,
    track: int | None,
    box: tuple[float, float, float, float] | None,
    path_column: str | None,
    jobs: int | None,
    recursive: bool,
    home: Path | None,
    ray: str | None,
    shard: tuple[int, int] | None,
    shards: int | None,
    cpus_per_clip: int,
    allow_https: bool,
    **reader_options: Any,
) -> int:
    """Hold each clip against the people; print, write, and sum up in the exit status."""
    from .clip_list import columns_of, list_with_tables
    from .result_table import SUFFIXES, ResultTable

    if output is not None and not is_dataset(output) and Path(output).suffix.lower() not in SUFFIXES:
        raise click.UsageError(
            f"--output {output}: the name must end in {' or '.join(SUFFIXES)}, or in / for a folder of Parquet files"
        )
    if (ray or shard or shards or allow_https) and not is_dataset(output):
        raise click.UsageError(
            "--ray, --shard, --shards and --allow-https are for archives: name a folder or an address for --output"
        )
    if anyone == bool(people):
        raise click.UsageError("say whom to hold the clips against: --person NAME, once or more, or --anyone")
    check_jobs(jobs, ray)
    whom(track, box)  # said before anything is read
    refuse_missing_device(reader_options["device"])
    from .clip_check import CheckOptions, ClipCheck, people_asked_for

    store = open_store(home)
    stored = people_asked_for(store, people, anyone=anyone)
    options = CheckOptions(
        home=store.home,
        people={name: one.files.sha256 for name, one in stored.items()},
        anyone=anyone,
        extractor=extractor,
        any_extractor=any_extractor,
        min_seconds=min_seconds,
        track=track,
        box=box,
        reader=reader_options,
    )
    if output is not None and is_dataset(output):
        if as_json or overlay:
            raise click.UsageError("--json and --overlay are for single results; a dataset has rows and one page")
        from .archive_commands import verify_archive

        return verify_archive(
            sources, options, stored, output, ArchiveOptions(ray, shard, shards, cpus_per_clip, allow_https, jobs),
            recursive=recursive, path_column=path_column, report=report, fail_on=fail_on,
        )  # fmt: skip
    listed = list_with_tables([Path(source) for source in sources], recursive=recursive, path_column=path_column)
    file_of_rows = None if output is None else Path(output)

    from .clip_batch import ClipBatch, usual_jobs
    from .clip_report import OverlayPlaces, PagePlaces
    from .progress import extraction_progress

    n_people = len(options.answers)
    n_answers = len(listed) * n_people
    places = None if report is None else PagePlaces(report, n_answers=n_answers, n_people=n_people)
    overlays = None if overlay is None else OverlayPlaces(overlay, n_answers=n_answers, n_people=n_people)
    for some in (places, overlays):
        if some is not None:
            some.make_room()  # an answer is not to be lost for want of a place
    table = None if file_of_rows is None else ResultTable(file_of_rows, columns_of(listed))
    answers = _Answers(stored, table, as_json=as_json, output=file_of_rows)
    check = ClipCheck(options, stored)
    rows: AbstractContextManager[RowFile | None] = nullcontext() if table is None else table.file
    try:
        with rows as file, extraction_progress(n_clips=len(listed)) as bars:
            batch = ClipBatch(
                check,
                options,
                known={} if table is None else table.known,
                places=places,
                overlays=overlays,
                on_answer=answers.add,
            )
            batch.run(listed, bars, n_jobs=jobs or usual_jobs(len(listed)))
            if file is not None and table is not None:
                file.settle(answers.in_order)
    except KeyboardInterrupt:
        if output is not None:
            click.echo(f"{output} holds what was done until here; the same command goes on from there.", err=True)
        raise
    finally:
        check.close()
    answers.tell_end()
    _write_overview(places, answers)
    if fail_on and answers.n_of[fail_on]:
        return FAILED_ON
    return SOME_FAILED if answers.n_of[_NOT_ANALYSED] else 0


class _Answers:
    """Says and writes each answer as it comes, and keeps what the end of the run needs."""

    def __init__(
        self, stored: Mapping[str, Stored], table: ResultTable | None, *, as_json: bool, output: Path | None
    ) -> None:
        self.n_of: Counter[str] = Counter()
        """Answers by verdict, and those not analysed."""
        self.overview: list[tuple[int, dict[str, str], Path | None]] = []
        """Number of the clip, row by `CSV_COLUMNS`, page."""
        self._stored, self._table, self._output = stored, table, output
        self._as_json = as_json
        self._plain: list[dict[str, Any]] = []
        self._identities: list[tuple[int, Any]] = []
        self._n_known = 0

    def add(self, answer: Answer) -> Row:
        """Say and write an answer; gives its row."""
        plain = None if answer.result is None else self._as_plain(answer.result)
        if self._table is not None:
            row = self._table.row(answer, plain)
            self._table.file.add(row)
            self._identities.append((answer.number, self._table.identity_of(answer)))
            flat = self._table.flat(row)
        else:
            row = answer.known or plain or {}
            flat = flat_row({**row, "source": encodable(str(answer.clip.path))})
        self.n_of[flat["verdict"] or _NOT_ANALYSED] += 1
        self.overview.append((answer.number, flat, answer.page))
        self._say(answer, flat)
        if self._as_json:
            self._plain.append(plain or {**row, "known_from": self._known_from(answer)})
        return row

    @property
    def in_order(self) -> list[Any]:
        """What the rows are about, in the order in which the clips were named."""
        return [identity for _, identity in sorted(self._identities, key=lambda pair: pair[0])]

    def tell_end(self) -> None:
        """Say what holds for all answers."""
        if self._as_json:
            click.echo(json.dumps(self._plain, indent=2, ensure_ascii=False, allow_nan=False))
        else:
            for name, one in self._stored.items():
                click.echo(f"The profile of {name} is {one.signature.sentence}.")
            click.echo(FOOTER)
        if self.n_of.total() > 1:
            counted = ", ".join(f"{self.n_of[name]} {name}" for name in (*Verdict, _NOT_ANALYSED) if self.n_of[name])
            known = f"; {self._n_known} of them known before" if self._n_known else ""
            click.echo(f"{self.n_of.total()} answers: {counted}{known}", err=True)

    def _as_plain(self, result: Verification) -> dict[str, Any]:
        one = self._stored.get(result.person)
        return {**as_dict(result), "profile_signature": one.signature.as_dict() if one else None}

    def _say(self, answer: Answer, flat: Mapping[str, str]) -> None:
        if answer.result is None:
            self._n_known += 1
            if not self._as_json:
                verdict = verdict_in_colour(flat["verdict"])
                click.echo(readable(f"{flat['source']}: ") + verdict + readable(f" ({flat['person']}), known from "
                           f"{self._known_from(answer)}"))  # fmt: skip
        elif not self._as_json:
            click.echo(describe_result(answer.result))
        elif answer.result.verdict is None:
            click.secho(readable(f"{answer.result.source}: {answer.result.reasons[0]}"), fg="yellow", err=True)
        if answer.page is not None and answer.result is not None:
            click.echo(f"page of {encodable(answer.clip.path.name)!r}: {encodable(str(answer.page))}", err=True)

    def _known_from(self, answer: Answer) -> str:
        if answer.like is not None and answer.like.path != answer.clip.path:
            return f"{encodable(str(answer.like.path))}, which holds the same"
        return str(self._output or "this run")


def _write_overview(places: PagePlaces | None, answers: _Answers) -> None:
    if places is None or places.overview is None:
        return
    from .clip_report import put
    from .overview_page import overview

    in_order = sorted(answers.overview, key=lambda entry: entry[0])
    put(places.overview, overview([(row, page) for _, row, page in in_order], places.overview))
    click.echo(f"page over all clips: {encodable(str(places.overview))}", err=True)
