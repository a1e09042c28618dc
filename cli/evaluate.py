"""`poseauth evaluate`: error rates with confidence intervals on labelled clips."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from poseauth.errors import ExtractorError, InputError, PoseAuthError, StorageError, UnknownPersonError, reason
from poseauth.recipes import RECIPES
from poseauth.shown_text import names_told, readable
from poseauth.whole_files import make_room

from .clip_list import check_one_clip
from .evaluation_page import page
from .evaluation_report import (
    LADDER_DEFINITION,
    VariedTrial,
    draw,
    ladder_figures,
    report,
    score_list,
    summary,
    write_json,
    write_scores,
    write_text,
)
from .labelled_table import TableRow, read_table
from .options import EXTRACTOR_CHOICES, extractor_options, home_option, open_reader, open_store, refuse_missing_device
from .progress import extraction_progress
from .reading import SOME_FAILED, read_each, warn

if TYPE_CHECKING:
    from keypoint_extractors.sources import SourceReader
    from keypoint_extractors.variants import Rung
    from person_profiles.profile import Profile
    from person_profiles.store import ProfileStore
    from person_profiles.trials import Enrolment, Trial, TrialProgress, TrialScore
    from poseauth.keypoints import KeypointSequence

ENROL_COLUMNS = ("person", "path", "session")
TRIAL_COLUMNS = ("person", "path", "label")
FILLED = ("person", "path")
_Varied: TypeAlias = "list[tuple[VariedTrial, list[TrialScore]]]"
_Kept: TypeAlias = "dict[str, tuple[Profile, tuple[KeypointSequence, ...]]]"
_ANY_PLOT = "det-clips.png"
LABELS = ("genuine", "impostor", "fake")


@dataclass(frozen=True)
class _Sides:
    """What was or will be learnt from, and how trials are held against it."""

    learnt_from: Sequence[Enrolment]
    try_all: Callable[[Sequence[Trial]], list[TrialScore]]


@click.command(
    help="""Measure error rates on labelled clips.

Everybody in the first table (columns person, path, session) is enrolled, and every row of the second is tried: person
= the claimed one, path, label = genuine, impostor or fake; where known attack, session, and actual = who moves in it.
Paths are videos or keypoint files, relative to the table. An impostor's person is left out of the claimed person's
training; they are known by the column actual, or because the same clip is somebody's genuine one. Without --enrol
the profiles that exist are used as they are. Nothing is computed if the two tables share a recording, a copy of
one, or a person's session.

\b
Example:
  poseauth evaluate --enrol enrol.csv --trials trials.csv --json out.json
  poseauth evaluate --trials trials.csv --scores scores.csv --page report.html

\b
Exit status: 0 all analysed, 1 failed, 2 usage, 3 some clips not analysed (each named)."""
)
@click.option(
    "--enrol",
    "enrol_table",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Table of whom to enrol. [default: the profiles that exist]",
)
@click.option(
    "--trials",
    "trial_table",
    required=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Table of the labelled clips.",
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write everything here.")
@click.option("--scores", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="Write each trial's score.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Folder for DET, Tippett, calibration.")
@click.option(
    "--page",
    "page_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Write tables, plots and every trial as one page that opens and prints anywhere.",
)
@click.option(
    "--ladder",
    "climbs",
    is_flag=True,
    help="Try every clip also re-encoded, smaller, at a lower rate and mirrored, and tell how the scores drift: "
    "every video is read four times more.",
)
@click.option("--closed", is_flag=True, help="Let the impostors' people serve in training: flatters the figures.")
@click.option("--recipe", "recipe_name", type=click.Choice(list(RECIPES)), default="default", show_default=True)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every training and of the intervals."
)
@click.option("--resamples", type=click.IntRange(min=1), default=1000, show_default=True, help="For the intervals.")
@click.option(
    "--extractor",
    type=click.Choice(EXTRACTOR_CHOICES),
    default="auto",
    show_default=True,
    help="auto: that of the profiles; with --enrol whichever can run first.",
)
@extractor_options
@home_option
def evaluate(
    enrol_table: Path | None,
    trial_table: Path,
    json_path: Path | None,
    csv_path: Path | None,
    plots: Path | None,
    page_path: Path | None,
    climbs: bool,
    closed: bool,
    recipe_name: str,
    seed: int,
    resamples: int,
    extractor: str,
    home: Path | None,
    **reader_options: Any,
) -> int:
    """Read both tables and their clips, enrol, try, and tell."""
    enrol_rows = read_table(enrol_table, ENROL_COLUMNS, filled=FILLED) if enrol_table else []
    trial_rows = read_table(trial_table, TRIAL_COLUMNS, filled=FILLED)
    _check_trial_rows(trial_table, trial_rows)
    if closed and not enrol_table:
        raise click.UsageError("--closed says who serves in training; without --enrol nobody is trained")
    _check_outputs([enrol_table, trial_table], [json_path, csv_path, page_path, plots / _ANY_PLOT if plots else None])
    refuse_missing_device(reader_options["device"])
    kept: _Kept | None = None
    if enrol_table:
        _check_enrolled(enrol_rows, trial_rows, enrol_table, trial_table)
    else:
        kept = _kept(open_store(home), {row["person"] for row in trial_rows})
        extractor = _extractor_of(kept) if extractor == "auto" else extractor
    reader = open_reader(extractor, **reader_options)
    rows_of_both = (*enrol_rows, *trial_rows)
    clips, unread = _read_clips(
        reader, [row.path for row in rows_of_both], {row.path: row["path"] for row in rows_of_both}
    )
    reader.close()
    rows, trials = _trials(trial_rows, clips)
    if kept is None:
        from poseauth.models import choose_device

        device = str(choose_device(reader_options["device"]))
        mode = "closed" if closed else "open"
        sides = _by_enrolling(enrol_rows, clips, trials, closed=closed, recipe=recipe_name, seed=seed, device=device)
    else:
        mode = "existing profiles"
        sides = _by_profiles(kept)
    varied: _Varied = []
    if climbs:
        results, varied = _try_with_variants(sides, trials, lambda: _vary(reader, rows, trials))
    else:
        results = sides.try_all(trials)
    lost = [(row.cells, unread[row.path]) for row in trial_rows if row.path in unread]
    told = report(results, mode=mode, seed=seed, n_resamples=resamples)
    told["recipe"] = recipe_name if enrol_table else None
    told["not_enrolled"] = [
        {"person": row["person"], "path": row["path"], "reason": unread[row.path]}
        for row in enrol_rows
        if row.path in unread
    ]
    told["scores"] = score_list([row.cells for row in rows], results, lost)
    told["n"]["not_analysed"] = sum(entry["score"] is None for entry in told["scores"])
    for entry in told["scores"]:
        if entry["score"] is None and trial_table.parent / entry["path"] not in unread:  # the unread are named already
            not_tried = f"{entry['path']}, held against {entry['person']}, not analysed: {entry['reason']}"
            click.secho(readable(not_tried), fg="yellow", err=True)
    if climbs:
        told["ladder"] = _ladder(results, varied, seed=seed, n_resamples=resamples)
        told["definitions"] = {**told["definitions"], "ladder": LADDER_DEFINITION}
    click.echo(summary(told))  # first: a full disk must not cost the figures
    writing: list[Callable[[], object]] = []
    if json_path:
        writing.append(lambda: write_json(json_path, told))
    if csv_path:
        writing.append(lambda: write_scores(csv_path, told["scores"]))
    if plots:
        writing.append(lambda: draw(results, plots))
    if page_path:
        writing.append(lambda: write_text(page_path, page(told, _plots_of_clips(results))))
    _write_all(writing)
    return SOME_FAILED if unread or any(result.reason for result in results) else 0


def _check_outputs(tables: Sequence[Path | None], outputs: Sequence[Path | None]) -> None:
    """Find out before anything is read whether the results can be written, and over no table."""
    taken = {path.resolve(): path for path in tables if path}
    for path in outputs:
        if path is None:
            continue
        before = taken.setdefault(path.resolve(), path)
        if before is not path:
            raise click.UsageError(f"{path}: results would be written over {before}. Name another file")
    for path in outputs:
        if path is not None:
            make_room(path)


def _write_all(writing: Iterable[Callable[[], object]]) -> None:
    """Write what can be written; raise what stood in the way of the rest."""
    failed = []
    for write in writing:
        try:
            write()
        except StorageError as error:
            failed.append(str(error))
    if failed:
        raise StorageError(". ".join(failed))


def _check_enrolled(
    enrol_rows: Sequence[TableRow], trial_rows: Sequence[TableRow], enrol_table: Path, trial_table: Path
) -> None:
    enrolled = {row["person"] for row in enrol_rows}
    unknown = sorted({row["person"] for row in trial_rows} - enrolled)
    if unknown:
        raise UnknownPersonError(
            f"{trial_table} holds clips against {names_told(unknown)}, whom {enrol_table} does not enrol. It enrols "
            f"{names_told(sorted(enrolled))}"
        )


def _check_trial_rows(table: Path, rows: Iterable[TableRow]) -> None:
    met: dict[tuple[str, Path], TableRow] = {}
    for row in rows:
        if row["label"] not in LABELS:
            raise click.UsageError(f"{table}, line {row.number}: label {row['label']!r}; {', '.join(LABELS)} are known")
        if row["actual"] and (row["label"] == "genuine") != (row["actual"] == row["person"]):
            raise click.UsageError(
                f"{table}, line {row.number}: a clip in which {row['actual']} moves cannot be {row['label']} for "
                f"{row['person']}"
            )
        before = met.setdefault((row["person"], row.path), row)
        if before is not row:
            raise click.UsageError(
                f"{table}, lines {before.number} and {row.number} hold one clip against {row['person']}"
            )


def _read_clips(
    reader: Any, paths: Sequence[Path], names: Mapping[Path, str] | None = None
) -> tuple[dict[Path, KeypointSequence], dict[Path, str]]:
    """Every clip once; and why the others could not be read. `names` are the paths as the tables have them."""
    clips, unread = {}, {}

    def lose(path: Path, error: PoseAuthError) -> None:
        warn(path, error)
        unread[path] = reason(error, path, path.name)

    for path in dict.fromkeys(paths):
        try:
            check_one_clip(path, (names or {}).get(path, ""))
        except InputError as error:
            lose(path, error)
    for path, result in read_each(reader, [path for path in dict.fromkeys(paths) if path not in unread]):
        if isinstance(result, PoseAuthError):
            lose(path, result)
        else:
            clips[path] = result
    return clips, unread


def _trials(rows: Sequence[TableRow], clips: Mapping[Path, KeypointSequence]) -> tuple[list[TableRow], list[Trial]]:
    """The trials that can be tried, and their rows."""
    from person_profiles.trials import Trial, with_known_people

    tried = [row for row in rows if row.path in clips]
    trials = [
        Trial(
            claimed=row["person"],
            sequence=clips[row.path],
            label=row["label"],  # type: ignore[arg-type]
            actual=row["person"] if row["label"] == "genuine" else row["actual"] or None,
            attack=row["attack"] or None,
            session=row["session"],
        )
        for row in tried
    ]
    return tried, with_known_people(trials)


def _by_enrolling(
    rows: Sequence[TableRow],
    clips: Mapping[Path, KeypointSequence],
    trials: Sequence[Trial],
    *,
    closed: bool,
    recipe: str,
    seed: int,
    device: str,
) -> _Sides:
    from person_profiles.scorers import ProfileScorer
    from person_profiles.trials import Enrolment, plan_trainings, run_trials

    enrolments = [Enrolment(row["person"], row["session"], clips[row.path]) for row in rows if row.path in clips]
    plan_trainings(enrolments, trials, closed=closed)  # somebody who is not enrolled is named before anything is done
    unknown = {trial.sequence.provenance.source_name for trial in trials if trial.actual is None}
    if unknown and not closed:
        click.secho(
            f"nobody knows who moves in {len(unknown)} impostor or fake clips ({', '.join(sorted(unknown)[:3])}, ...): "
            "they count as people who are not enrolled. Name them in a column actual if they are",
            fg="yellow",
            err=True,
        )

    def try_all(tried: Sequence[Trial]) -> list[TrialScore]:
        return run_trials(
            enrolments,
            tried,
            closed=closed,
            make_scorer=lambda number: ProfileScorer(RECIPES[recipe], number, device),
            seed=seed,
            on_progress=_say_training,
        )

    return _Sides(enrolments, try_all)


def _say_training(progress: TrialProgress) -> None:
    without = f" without {', '.join(progress.left_out)}" if progress.left_out else ""
    click.echo(f"training {progress.n_done + 1} of {progress.n_trainings}: {progress.claimed}{without}", err=True)


def _kept(store: ProfileStore, people: Iterable[str]) -> _Kept:
    """The profiles of the people, in their order, each with the movement it was learnt from."""
    return {person: (store.load(person), tuple(store.load_movement(person))) for person in sorted(people)}


def _extractor_of(kept: _Kept) -> str:
    """The extractor that all profiles were learnt with, by name; auto where they do not say or do not agree."""
    known = {profile.extractor.name if profile.extractor else "" for profile, _ in kept.values()}
    return known.pop() if len(known) == 1 and known <= set(EXTRACTOR_CHOICES) else "auto"


def _by_profiles(kept: _Kept) -> _Sides:
    from person_profiles.scorers import ProfileInUse
    from person_profiles.trials import Enrolment, run_on_profiles

    fitted = {person: ProfileInUse(profile) for person, (profile, _) in kept.items()}
    learnt_from = [Enrolment(person, "", sequence) for person, (_, movement) in kept.items() for sequence in movement]
    return _Sides(learnt_from, lambda tried: run_on_profiles(fitted, tried, learnt_from=learnt_from))


def _try_with_variants(
    sides: _Sides, trials: Sequence[Trial], vary: Callable[[], list[VariedTrial]]
) -> tuple[list[TrialScore], _Varied]:
    """The originals' results as they would be alone, and every variant with its own under the same trainings."""
    from person_profiles.trials import check_disjoint
    from poseauth.errors import TrialOverlapError

    check_disjoint(sides.learnt_from, trials)  # hours of encoding are not begun for tables that are refused
    varied = vary()
    try:
        found = sides.try_all([*trials, *(one.trial for one in varied if one.trial)])
    except TrialOverlapError:
        # The originals share nothing with what was learnt. A variant may come out just above the limit for copies, or
        # its original is a mirrored copy: that variant is left out and named, the others are tried.
        varied = [_without_copy(sides, one) for one in varied]
        found = sides.try_all([*trials, *(one.trial for one in varied if one.trial)])
    results = [result for result in found if result.number < len(trials)]
    under: dict[int, list[TrialScore]] = {}
    for result in found:
        under.setdefault(result.number, []).append(result)
    numbers = count(len(trials))
    return results, [(one, under.get(next(numbers), []) if one.trial else []) for one in varied]


def _without_copy(sides: _Sides, varied: VariedTrial) -> VariedTrial:
    from person_profiles.trials import check_disjoint
    from poseauth.errors import TrialOverlapError

    if varied.trial is None:
        return varied
    try:
        check_disjoint(sides.learnt_from, [varied.trial])
    except TrialOverlapError as error:
        click.secho(readable(f"{varied.rung}, left out of the ladder: {error}"), fg="yellow", err=True)
        return replace(varied, trial=None, reason=str(error))
    return varied


def _vary(reader: SourceReader, rows: Sequence[TableRow], trials: Sequence[Trial]) -> list[VariedTrial]:
    """Every trial with its clip varied in each way that applies; a clip is varied once, whoever it is held against.

    The reader is closed at the end: its network and a training need not share a device's memory.
    """
    from keypoint_extractors.variants import RUNGS

    sequences = {row.path: trial.sequence for row, trial in zip(rows, trials, strict=True)}
    made: dict[tuple[Path, str], KeypointSequence | PoseAuthError] = {}
    with tempfile.TemporaryDirectory(prefix="poseauth-") as folder:
        for number, (path, sequence) in enumerate(sequences.items(), start=1):
            click.echo(readable(f"varying clip {number} of {len(sequences)}: {path.name}"), err=True)
            for rung in RUNGS:
                try:
                    variant = _variant(reader, path, sequence, rung, Path(folder))
                except (InputError, ExtractorError) as error:
                    click.secho(readable(f"{path}, {rung.name}: {error}"), fg="yellow", err=True)
                    made[path, rung.name] = error
                else:
                    if variant is not None:
                        made[path, rung.name] = variant
    reader.close()
    return [
        _varied_trial(rung.name, number, trial, made[row.path, rung.name])
        for number, (row, trial) in enumerate(zip(rows, trials, strict=True))
        for rung in RUNGS
        if (row.path, rung.name) in made
    ]


def _varied_trial(rung: str, number: int, trial: Trial, variant: KeypointSequence | PoseAuthError) -> VariedTrial:
    if isinstance(variant, PoseAuthError):
        return VariedTrial(rung, number, None, str(variant))
    return VariedTrial(rung, number, replace(trial, sequence=variant))


def _variant(
    reader: SourceReader, path: Path, sequence: KeypointSequence, rung: Rung, folder: Path
) -> KeypointSequence | None:
    """The keypoints of a varied clip; None where the rung does not apply to it."""
    from keypoint_extractors.sources import is_openpose_folder
    from keypoint_extractors.variants import vary_keypoints, vary_video
    from poseauth.keypoint_files import SUFFIX as KEYPOINT_SUFFIX

    if path.suffix.lower() == KEYPOINT_SUFFIX or is_openpose_folder(path):
        return vary_keypoints(sequence, rung)
    # One at a time: the folder never holds more than one video.
    target = folder / f"{rung.name}.mp4"
    try:
        if not vary_video(path, rung, target, limits=reader.limits):
            return None
        with extraction_progress() as bar:
            return reader.read(target, on_progress=bar)
    finally:
        target.unlink(missing_ok=True)


def _ladder(results: Sequence[TrialScore], varied: _Varied, *, seed: int, n_resamples: int) -> dict[str, Any]:
    from keypoint_extractors.variants import RUNGS

    does = {rung.name: rung.does for rung in RUNGS}
    return ladder_figures(results, varied, does=does, seed=seed, n_resamples=n_resamples)


def _plots_of_clips(results: Sequence[TrialScore]) -> dict[str, bytes]:
    """The plots of clips as PNG by kind, without a trace on disk."""
    with tempfile.TemporaryDirectory(prefix="poseauth-") as folder:
        drawn = draw(results, Path(folder), levels=("clips",))
        return {name.removesuffix("-clips"): path.read_bytes() for name, path in drawn.items()}
