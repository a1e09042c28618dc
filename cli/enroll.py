"""`poseauth enroll`: learn how a person moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth.calibration import MIN_VIDEOS
from poseauth.errors import EnrolmentError, PoseAuthError
from poseauth.keypoints import KeypointSequence
from poseauth.recipes import RECIPES
from poseauth.shown_text import names_told, readable
from poseauth.windows import N_POINTS, Points

from .enrolling import LearningOptions, check_name, check_same, learn_and_keep
from .options import (
    AUTO_TOLD,
    EXTRACTOR_CHOICES,
    extractor_options,
    follow_options,
    home_option,
    open_reader,
    open_store,
    person_option,
    recursive_option,
    refuse_missing_device,
    whom,
)
from .progress import training_progress
from .reading import SOME_FAILED, read_each, warn
from .telling import describe_profile, warn_of_lookalikes

if TYPE_CHECKING:
    from keypoint_extractors.following import Follow
    from keypoint_extractors.sources import SourceReader
    from person_profiles.enrolment import Negative
    from person_profiles.profile import Role
    from person_profiles.store import ProfileStore

REAL, FAKE = "real", "fake"
MIN_DIGEST = 8
"""Hexadecimal digits of a digest that say which video is meant."""


@click.command(
    help="""Learn how a person moves from authentic videos of them.

VIDEOS are files or folders. A folder with real/ and fake/ in it is understood. Others to compare with come from
--fake, --impostor and from everybody enrolled before. Enrolment begins with a self-test: videos and whole people are
left out in turn and judged unseen. A person who cannot be told from others is not enrolled, and the reason is given;
nor is one whose videos are like those of somebody enrolled under another name.

\b
Example:
  poseauth enroll --person obama videos/ --impostor others/
  (others/ holds clips of other people, best one folder a person)
  poseauth enroll --person obama --again --without clip.mp4 --impostor others/"""
)
@click.argument("videos", nargs=-1, type=click.Path(path_type=Path, readable=False))
@person_option
@click.option("--fake", "fakes", multiple=True, type=click.Path(path_type=Path), help="Known fakes of the person.")
@click.option(
    "--impostor",
    "impostors",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Clips of other people; a folder in it is one person, a loose file one of their own.",
)
@click.option(
    "--no-others",
    is_flag=True,
    help="Do not learn against the people enrolled before. Whether the videos show one of them is asked all the same.",
)
@click.option(
    "--same-as",
    multiple=True,
    metavar="NAME",
    help="An enrolled name that is the same person (a second profile of them): it counts as nobody else.",
)
@click.option(
    "--recipe",
    "recipe_name",
    type=click.Choice(list(RECIPES)),
    default="default",
    show_default=True,
    help="paper: the published method to the letter, slow.",
)
@click.option(
    "--points",
    type=click.Choice(list(N_POINTS)),
    help="What of the body is learnt: the twelve keypoints, or the whole upper body with face and hands.  "
    "[default: whole, if all videos have hands]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Two enrolments with one seed agree."
)
@click.option(
    "--allow-weak",
    is_flag=True,
    help="Keep the profile even if it is refused as weak; every answer by it is inconclusive.",
)
@click.option("--overwrite", is_flag=True, help="Replace the profile of that name.")
@click.option(
    "--again",
    is_flag=True,
    help="Learn an enrolled person anew from the movement that is kept of their videos, and from VIDEOS if any. Name "
    "the others again: nothing of them is kept.",
)
@click.option(
    "--without",
    "left_out",
    multiple=True,
    metavar="NAME|SHA256",
    help="With --again: take this video out, by its file's name or digest (see poseauth profiles show --json).",
)
@click.option("--extractor", type=click.Choice(EXTRACTOR_CHOICES), default="auto", show_default=True, help=AUTO_TOLD)
@extractor_options
@follow_options
@recursive_option
@home_option
def enroll(
    videos: tuple[Path, ...],
    person: str,
    fakes: tuple[Path, ...],
    impostors: tuple[Path, ...],
    no_others: bool,
    same_as: tuple[str, ...],
    recipe_name: str,
    points: Points | None,
    seed: int,
    allow_weak: bool,
    overwrite: bool,
    again: bool,
    left_out: tuple[str, ...],
    extractor: str,
    track: int | None,
    box: tuple[float, float, float, float] | None,
    recursive: bool,
    home: Path | None,
    **reader_options: Any,
) -> int:
    """Read the videos, learn, keep the profile, say what was learnt."""
    if not videos and not again:
        raise click.UsageError("Missing argument 'VIDEOS...'.")
    if left_out and not again:
        raise click.UsageError("--without takes a video out of a profile that is learnt anew: add --again")
    store = open_store(home)
    kept, taken_out = _kept(store, person, left_out) if again else ([], [])
    if again:
        overwrite, known = True, kept[0].provenance.extractor
        extractor = known.name if extractor == "auto" and known and known.name in EXTRACTOR_CHOICES else extractor
    check_name(store, person, overwrite=overwrite)
    check_same(store, same_as)
    warn_of_lookalikes(store, person)
    refuse_missing_device(reader_options["device"])
    real, fake_too = _real_and_fake(videos)
    _check_others(store, person, [*fakes, *fake_too, *impostors], allow_weak=allow_weak)
    collection = _Collection(open_reader(extractor, **reader_options), whom(track, box), recursive=recursive)
    genuine = [*kept, *(sequence for _, sequence in collection.read(real))]
    if not genuine:
        raise EnrolmentError(f"none of the given videos of {person} could be read; see the reasons above")
    if len(genuine) < MIN_VIDEOS and not allow_weak:
        _foretell(f"{len(genuine)} video of {person} could be read, and {MIN_VIDEOS} are needed to leave one out")
    negatives = collection.negatives([*fakes, *fake_too], "fake") + collection.negatives(impostors, "impostor")
    collection.reader.close()
    if (fakes or fake_too or impostors) and not negatives:
        raise EnrolmentError(
            "fakes or impostors were named and none could be read; see the reasons above. Correct the paths, or leave "
            "them out"
        )
    options = LearningOptions(
        RECIPES[recipe_name],
        seed,
        reader_options["device"],
        allow_weak,
        overwrite,
        with_enrolled=not no_others,
        same_as=same_as,
        points=points,
    )
    with training_progress() as bar:
        profile, folder = learn_and_keep(
            store,
            person,
            genuine,
            negatives,
            options,
            on_epoch=bar,
            on_left_out=lambda line: click.secho(readable(line), fg="yellow", err=True),
        )
    click.echo(describe_profile(profile))
    click.echo(f"kept in {folder}")
    cache = collection.reader.cache
    for one in taken_out:
        n_entries = cache.forget(one.recording) if cache else 0
        click.echo(f"taken out: {readable(one.provenance.source_name)}, and {n_entries} cached keypoint files of it")
    return SOME_FAILED if collection.n_failed else 0


class _Collection:
    """Reads the videos of all sides with one extractor and counts those that cannot be read."""

    def __init__(self, reader: SourceReader, who: Follow, *, recursive: bool) -> None:
        self.reader = reader
        self.n_failed = 0
        self._who = who
        self._recursive = recursive

    def read(self, paths: Sequence[Path]) -> list[tuple[Path, KeypointSequence]]:
        """The keypoints of all that can be read; the rest is named on stderr."""
        found = []
        for path, result in read_each(self.reader, paths, self._who, recursive=self._recursive):
            if isinstance(result, PoseAuthError):
                warn(path, result)
                self.n_failed += 1
            else:
                click.echo(f"{readable(str(path))}: {result.duration_s:.1f} s", err=True)
                found.append((path, result))
        return found

    def negatives(self, paths: Sequence[Path], role: Role) -> list[Negative]:
        """Others, grouped: a folder in a folder is one person, a loose file one of their own."""
        from keypoint_extractors.sources import is_clip, is_openpose_folder
        from person_profiles.enrolment import Negative

        found: list[tuple[Path, KeypointSequence]] = []
        for path in paths:
            inside = sorted(path.iterdir()) if path.is_dir() else []
            people = [
                entry
                for entry in inside
                if entry.is_dir() and not entry.name.startswith(".") and not is_openpose_folder(entry)
            ]
            for folder in people:
                found += [(folder, sequence) for _, sequence in self.read([folder])]
            found += self.read([path] if not people else [entry for entry in inside if is_clip(entry)])
        names = distinct_names([path for path, _ in found])
        return [Negative(sequence, f"{role}: {names[path]}", role) for path, sequence in found]


def distinct_names(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each path, without its ending; where two are called alike, with as many folders as tell them apart.

    `clip1` of one folder need not show whom `clip1` of another does.
    """
    whole = {path: path.resolve().parts for path in paths}
    short = {path: parts[-1] if path.is_dir() else path.stem for path, parts in whole.items()}
    names = {}
    for path, parts in whole.items():
        alike = [other for at, other in whole.items() if short[at] == short[path] and other != parts]
        n = next((n for n in range(1, len(parts)) if all(other[-n:] != parts[-n:] for other in alike)), len(parts))
        names[path] = "/".join(parts[-n:]) if alike else short[path]
    return names


def _kept(
    store: ProfileStore, person: str, left_out: Sequence[str]
) -> tuple[list[KeypointSequence], list[KeypointSequence]]:
    """The movement kept of an enrolled person's own videos, and of those that are left out by name or digest."""
    movement, taken_out = list(store.load_movement_to_learn_again(person)), list[KeypointSequence]()
    for wanted in left_out:
        found = [one for one in movement if _is_called(one, wanted)]
        if not found:
            names = ", ".join(sorted(one.provenance.source_name for one in movement))
            raise EnrolmentError(f"{person} was learnt from no {wanted}. Kept are: {names}")
        taken_out += found
        movement = [one for one in movement if not _is_called(one, wanted)]
    if not movement:
        raise EnrolmentError(
            f"nothing is left of {person} without these videos. To remove them altogether: "
            f"poseauth profiles remove {person!r}"
        )
    return movement, taken_out


def _is_called(sequence: KeypointSequence, wanted: str) -> bool:
    by_digest = len(wanted) >= MIN_DIGEST and sequence.recording.startswith(wanted.lower())
    return by_digest or sequence.provenance.source_name == wanted


def _check_others(store: ProfileStore, person: str, named: Sequence[Path], *, allow_weak: bool) -> None:
    """Find out before hours of reading whether there is anybody to compare with."""
    if named and not any(path.exists() for path in named):
        raise EnrolmentError(
            f"fakes or impostors were named and none could be read: {names_told([str(path) for path in named])}: no "
            "such file or folder. Correct the paths, or leave them out"
        )
    if not named and not allow_weak and not any(entry.profile for entry in store.entries()):
        _foretell(
            f"no other people are named and nobody is enrolled under {store.home}: give clips of two others or more "
            "with --impostor"
        )


def _foretell(why: str) -> None:
    """Say before hours of reading that a profile will be refused; the reason given then may be yet another."""
    click.secho(readable(f"This enrolment will be refused: {why}. Or add --allow-weak"), fg="yellow", err=True)


def _real_and_fake(videos: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Folders named real/ and fake/ inside a given folder stand for the two sides; clips beside them are told of."""
    from keypoint_extractors.sources import is_clip

    real, fake = [], []
    for path in videos:
        sides = [side for side in (REAL, FAKE) if (path / side).is_dir()]
        if not sides:
            real.append(path)
            continue
        real += [path / REAL] if REAL in sides else []
        fake += [path / FAKE] if FAKE in sides else []
        beside = [entry.name for entry in sorted(path.iterdir()) if entry.name not in sides and is_clip(entry)]
        if beside:
            click.secho(
                readable(
                    f"{path}: of a folder with {' and '.join(f'{side}/' for side in sides)} in it nothing else is "
                    f"read; passed over: {names_told(beside)}"
                ),
                fg="yellow",
                err=True,
            )
    return real, fake
