"""`poseauth verify`: one clip, many clips, folders, a list on stdin."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import click

from poseauth.decision import EvidenceLimits, Verdict
from poseauth.errors import (
    ExtractorMismatchError,
    InputError,
    NoEvidenceError,
    PoseAuthError,
    ProfileError,
    StorageError,
)
from poseauth.report import CSV_COLUMNS, Verification, as_dict, as_row, not_analysed

from .options import (
    EXTRACTOR_CHOICES,
    extractor_options,
    follow_options,
    home_option,
    open_reader,
    open_store,
    person_option,
    recursive_option,
    whom,
)
from .reading import SOME_FAILED, encodable, read_each, readable, reason
from .telling import FOOTER, describe_result

if TYPE_CHECKING:
    from person_profiles.profile import Profile
    from person_profiles.signature import SignatureStatus
    from person_profiles.store import ProfileStore
    from person_profiles.verification import OtherPerson

FAILED_ON = 4
STDIN = Path("-")


@click.command(
    help="""Say whether a clip moves like an enrolled person.

SOURCES are videos, keypoint files, OpenPose folders, folders of these, or - for a list of paths on stdin, one a line.
The answer is authentic, fake or inconclusive, or the clip is not analysed and the reason is given.

\b
Example:
  poseauth verify clip.mp4 --person obama
  poseauth verify clip.mp4 --person obama --report clip.html
  poseauth verify speeches/ --person obama --output results.csv
  find . -name '*.mp4' | poseauth verify - --person obama --json

\b
Exit status: 0 all analysed, 1 failed, 2 usage, 3 some inputs not analysed (each named), 4 --fail-on met."""
)
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True, readable=False))
@person_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of results instead of text.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write results to .csv or .jsonl.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Also write a page with the evidence and JSON beside it: an .html file for one clip, a folder for several.",
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
@recursive_option
@home_option
def verify(
    sources: tuple[Path, ...],
    person: str,
    as_json: bool,
    output: Path | None,
    report: Path | None,
    fail_on: str | None,
    min_seconds: float | None,
    extractor: str | None,
    any_extractor: bool,
    track: int | None,
    box: tuple[float, float, float, float] | None,
    recursive: bool,
    home: Path | None,
    **reader_options: Any,
) -> int:
    """Hold each clip against the profile; print, write, and sum up in the exit status."""
    if output is not None and output.suffix.lower() not in (".csv", ".jsonl"):
        raise click.UsageError(f"--output {output}: the name must end in .csv or .jsonl")
    store = open_store(home)
    stored = store.stored(person)
    profile, signature = stored.profile, stored.signature
    name = extractor or (profile.extractor.name if profile.extractor else "auto")
    reader = open_reader(name if name in EXTRACTOR_CHOICES else "auto", **reader_options)
    from person_profiles.verification import load_scorer
    from person_profiles.verification import verify as verify_sequence

    scorer = load_scorer(profile, device=reader_options["device"])
    limits = None if min_seconds is None else EvidenceLimits(min_seconds=min_seconds)
    others = _others(store, profile, reader_options["device"])
    paths, results = _with_stdin(sources), list[Verification]()
    if not paths:
        raise click.UsageError("there is no path on stdin")
    pages = None
    if report is not None:
        from .clip_report import ClipReports

        told: dict[str, Any] = {
            "min_seconds": min_seconds,
            "extractor": extractor,
            "any_extractor": any_extractor,
            "track": track,
            "box": box,
            **reader_options,
        }
        pages = ClipReports(report, paths, recursive=recursive, store=store, stored=stored, scorer=scorer, told=told)
    with _table(output, signature) as write:
        for path, read in read_each(reader, paths, whom(track, box), recursive=recursive):
            source = encodable(str(path))
            if isinstance(read, PoseAuthError):
                result = not_analysed(source, profile.name, reason(path, read))
            else:
                try:
                    result = verify_sequence(
                        read, profile, scorer, limits=limits, any_extractor=any_extractor, others=others
                    )
                    result = replace(result, source=source)
                except (InputError, ExtractorMismatchError) as error:
                    result = not_analysed(
                        source, profile.name, reason(path, error), provenance=read.provenance, **_left_out(error)
                    )
            results.append(result)
            _say(result, write, as_json=as_json)
            if pages:
                pages.add(path, None if isinstance(read, PoseAuthError) else read, result)
    reader.close()
    if as_json:
        plain = [_plain(result, signature) for result in results]
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(f"The profile of {profile.name} is {signature.sentence}.")
        click.echo(FOOTER)
    if fail_on and any(result.verdict == fail_on for result in results):
        return FAILED_ON
    return SOME_FAILED if any(result.verdict is None for result in results) else 0


def _left_out(error: PoseAuthError) -> dict[str, int]:
    """How many windows were no evidence, by the name of the result's field."""
    if not isinstance(error, NoEvidenceError):
        return {}
    return {"n_windows_still": error.n_windows_still, "n_windows_repeated": error.n_windows_repeated}


def _others(store: ProfileStore, profile: Profile, device: str) -> list[OtherPerson]:
    """Everybody else enrolled with the same extractor, to name whom a clip fits better."""
    from person_profiles.verification import OtherPerson, load_scorer

    found = []
    for entry in store.entries():
        other = entry.profile
        if other is None or other.name == profile.name or other.extractor != profile.extractor or other.is_weak:
            continue
        try:
            found.append(OtherPerson(other, load_scorer(other, device=device)))
        except ProfileError as error:
            click.secho(f"not compared with {other.name}: {error}", fg="yellow", err=True)
    return found


def _plain(result: Verification, signature: SignatureStatus) -> dict[str, Any]:
    return {**as_dict(result), "profile_signature": signature.as_dict()}


def _say(result: Verification, write: _Write, *, as_json: bool) -> None:
    write(result)
    if not as_json:
        click.echo(describe_result(result))
    elif result.verdict is None:
        click.secho(readable(f"{result.source}: {result.reasons[0]}"), fg="yellow", err=True)


def _with_stdin(sources: Sequence[Path]) -> list[Path]:
    paths: list[Path] = []
    for source in sources:
        if source == STDIN:
            paths += [Path(line.rstrip("\r\n")) for line in sys.stdin if line.strip()]
        else:
            paths.append(source)
    return paths


class _Write(Protocol):
    def __call__(self, result: Verification) -> None: ...


@contextmanager
def _table(output: Path | None, signature: SignatureStatus) -> Iterator[_Write]:
    """Writes and flushes a row as soon as it is known."""
    if output is None:
        yield lambda result: None
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as stream:
            yield _csv_writer(stream) if output.suffix.lower() == ".csv" else _jsonl_writer(stream, signature)
    except KeyboardInterrupt:
        click.echo(f"{output} holds the clips that were done until here, no more.", err=True)
        raise
    except OSError as error:
        raise StorageError(f"{output} cannot be written: {error.strerror or error}. Name another --output") from error


def _csv_writer(stream: IO[str]) -> _Write:
    table = csv.DictWriter(stream, CSV_COLUMNS)
    table.writeheader()

    def write(result: Verification) -> None:
        table.writerow({name: _safe_cell(value) for name, value in as_row(result).items()})
        stream.flush()

    return write


def _jsonl_writer(stream: IO[str], signature: SignatureStatus) -> _Write:
    def write(result: Verification) -> None:
        stream.write(json.dumps(_plain(result, signature), ensure_ascii=False, allow_nan=False) + "\n")
        stream.flush()

    return write


def _safe_cell(value: str) -> str:
    """A file's name must not become a formula in somebody's spreadsheet."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(value) else value


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
