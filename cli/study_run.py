"""Between the user's words and the tables of `poseauth study`: clips are read, divided and cut, and every row run."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth import __version__
from poseauth.batch.row_file import Row, RowFile
from poseauth.batch.worker_processes import Lost, run_in_processes
from poseauth.errors import InputError, PoseAuthError, PresetError, reason
from poseauth.shown_text import readable
from poseauth.study.clips import StudyClip
from poseauth.study.presets import FaceNetwork, Preset
from poseauth.study.splitting import LabelledClip, Split, SplitFractions, split_clips, without_copies

from .progress import counting_progress, study_progress
from .reading import read_each, warn
from .study_clips import NamedClip

if TYPE_CHECKING:
    from keypoint_extractors.sources import SourceReader
    from keypoint_extractors.video_limits import VideoLimits
    from poseauth.keypoints import KeypointSequence
    from poseauth.study.rows import RowTask

_OFFLINE = "HF_HUB_OFFLINE"
"""Read by the package through which timm fetches weights."""


@dataclass(frozen=True)
class StudyClips:
    """The clips of a study, read and divided.

    Attributes
    ----------
    clips : tuple of StudyClip
        In the order of their digests.
    split : Split
        The division.
    unread : tuple of (str, str)
        Names of clips that could not be read, and why.
    copies : mapping of str to str
        Names of copies, which are left out, and of what they are copies of.
    paths : mapping of str to Path
        Where each digest's clip is.
    """

    clips: tuple[StudyClip, ...]
    split: Split
    unread: tuple[tuple[str, str], ...]
    copies: Mapping[str, str]
    paths: Mapping[str, Path]

    @property
    def digest(self) -> str:
        """What every row rests on: contents, labels, groups, sides and keypoints."""
        rests_on = [
            [asdict(clip.clip) | {"name": ""}, clip.side, clip.sequence.digest, clip.without_faces == ""]
            for clip in self.clips
        ]
        return hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()


def read_clips(named: Sequence[NamedClip], reader: SourceReader, *, fractions: SplitFractions, seed: int) -> StudyClips:
    """Read the clips' keypoints and divide what could be read.

    Raises
    ------
    StudyError
        If there are too few for a division, before anything is computed where that is plain already.
    """
    labelled, unread = _labelled(named)
    has_groups = any(clip.group for clip in named)
    split_clips(without_copies([label for _, label in labelled])[0], fractions, seed=seed)
    read: list[tuple[NamedClip, LabelledClip, KeypointSequence]] = []
    found = dict(read_each(reader, list(dict.fromkeys(clip.keypoints or clip.path for clip, _ in labelled))))
    for clip, label in labelled:
        result = found.get(clip.keypoints or clip.path)
        if result is None or isinstance(result, PoseAuthError):
            problem = result or InputError(f"{clip.path}: a folder of clips; a row of a table is one clip")
            unread.append((clip.name, reason(problem, clip.path, clip.path.name)))
            warn(Path(clip.name), problem)
        else:
            read.append((clip, label, result))
    kept, copies = without_copies([label for _, label, _ in read])
    split = split_clips(kept, fractions, seed=seed, has_groups=has_groups)
    sequences = {label.digest: sequence for _, label, sequence in read}
    clips = tuple(StudyClip(one, split.side_of[one.digest], sequences[one.digest]) for one in kept)
    return StudyClips(clips, split, tuple(unread), copies, {label.digest: clip.path for clip, label, _ in read})


def _labelled(named: Sequence[NamedClip]) -> tuple[list[tuple[NamedClip, LabelledClip]], list[tuple[str, str]]]:
    from keypoint_extractors.sources import content_sha256

    found, lost = [], []
    for clip in named:
        try:
            digest = content_sha256(clip.path)
        except InputError as error:
            lost.append((clip.name, reason(error, clip.path, clip.path.name)))
            warn(Path(clip.name), error)
        else:
            found.append((clip, LabelledClip(clip.name, digest, clip.label, clip.group, clip.attack)))
    return found, lost


def cut_all_faces(
    study: StudyClips,
    presets: Sequence[Preset],
    folder: Path,
    *,
    limits: VideoLimits | None,
    n_jobs: int,
) -> StudyClips:
    """The study with the files of the faces that its presets ask for; several videos at a time.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    from poseauth.study.examples import crop_options

    options = list(dict.fromkeys(crop_options(one.model) for one in presets if isinstance(one.model, FaceNetwork)))
    if not options:
        return study
    from keypoint_extractors.face_crops import FaceCache

    cache = FaceCache(folder)

    def cut(clip: StudyClip) -> StudyClip:
        path = study.paths[clip.clip.digest]
        if not _is_video(path):
            return replace(clip, without_faces="keypoints alone: a face is cut from a video")
        try:
            files = cache.cut(path, clip.sequence, options, limits=limits)
        except InputError as error:
            return replace(clip, without_faces=reason(error, path, path.name))
        return replace(clip, faces=dict(zip(options, files, strict=True)))

    found = []
    # Each video is decoded in a process of its own; threads wait for them.
    with counting_progress("cutting faces", len(study.clips)) as advance, ThreadPoolExecutor(n_jobs) as pool:
        for clip in pool.map(cut, study.clips):
            advance()
            found.append(clip)
            if clip.without_faces:
                click.secho(
                    readable(f"{clip.clip.name}: no faces for appearance presets: {clip.without_faces}"),
                    fg="yellow",
                    err=True,
                )
    return replace(study, clips=tuple(found))


def _is_video(path: Path) -> bool:
    from keypoint_extractors.sources import is_openpose_folder
    from poseauth.keypoint_files import SUFFIX

    return path.suffix.lower() != SUFFIX and not is_openpose_folder(path)


def row_tasks(
    presets: Sequence[tuple[Preset, str, int | None]],
    study: StudyClips,
    *,
    n_repeats: int,
    seed: int,
    pretrained: bool,
    device: str,
    n_workers: int,
    weights: Path | None,
) -> list[RowTask]:
    """Every row of the study, preset by preset, of what `at_lengths` gives."""
    from poseauth.study.rows import RowTask

    found = []
    for preset, name, length in presets:
        for repeat in range(1, n_repeats + 1):
            told = {
                "version": __version__,
                "preset": asdict(preset),
                "seed": seed + repeat - 1,
                "pretrained": pretrained,
                "device": device,
                "clips": study.digest,
            }
            key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
            file = None if weights is None else weights / f"{preset.name}-{repeat}.safetensors"
            found.append(
                RowTask(key, preset, name, length, repeat, seed + repeat - 1, pretrained, device, n_workers, file)
            )
    return found


def at_lengths(presets: Sequence[Preset], lengths: Sequence[int]) -> list[tuple[Preset, str, int | None]]:
    """Each preset as it is, or at each length that it takes, with its own name and the length.

    One that takes no such length is left out there, and named.
    """
    found: list[tuple[Preset, str, int | None]] = []
    for preset in presets:
        if not lengths:
            found.append((preset, preset.name, None))
        for length in lengths:
            try:
                found.append((preset.at_length(length), preset.name, length))
            except PresetError as error:
                click.secho(f"left out: {error}", fg="yellow", err=True)
    return found


def run_rows(tasks: Sequence[RowTask], study: StudyClips, table: Path, *, allow_download: bool) -> list[Row]:
    """Every row, those of an earlier run as they stand; each is written to `table` as soon as it is known.

    A row runs in a process of its own: one that dies costs its row.

    Raises
    ------
    StorageError
        If the table cannot be read or written.
    """
    from poseauth.study.rows import DONE, RowWork, failed_row

    found: dict[tuple[str, int | None, int], Row] = {}
    with (
        RowFile(table, (), _about) as file,
        _told_when_stopped(table),
        study_progress(len(tasks)) as progress,
        _network(allow_download),
    ):
        waiting = []
        for task in tasks:
            known = file.kept.get(task.key)
            if known is None:
                waiting.append(task)
                continue
            found[task.about] = known
            file.add(known)
            progress.known()
        outcomes = run_in_processes(
            waiting,
            partial(RowWork, study.clips),
            1,
            lambda task, epoch: progress.epoch(_name(task), epoch.number, epoch.n_epochs),
            has_children=True,
        )
        # Closed however this ends: a process that is no daemon would be waited for.
        with closing(outcomes):
            for task, outcome in outcomes if waiting else ():
                row = failed_row(task, _of_lost(outcome)) if isinstance(outcome, Lost) else outcome
                found[task.about] = row
                file.add(row)
                progress.done(_name(task), _in_words(row), is_well=row["status"] == DONE)
        file.settle([task.about for task in tasks])
    return [found[task.about] for task in tasks]


@contextmanager
def _told_when_stopped(table: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"{table} holds the rows that were done; the same command goes on from there.", err=True)
        raise


@contextmanager
def _network(is_allowed: bool) -> Iterator[None]:
    """Whether the processes started meanwhile may fetch weights."""
    before = os.environ.get(_OFFLINE)
    if not is_allowed:
        os.environ[_OFFLINE] = "1"
    try:
        yield
    finally:
        if not is_allowed:
            os.environ.pop(_OFFLINE)
            if before is not None:
                os.environ[_OFFLINE] = before


def _about(row: Row) -> tuple[Any, ...]:
    return row.get("preset"), row.get("length"), row.get("repeat")


def _name(task: RowTask) -> str:
    return f"{task.preset.name} ({task.repeat})" if task.repeat > 1 else task.preset.name


def _of_lost(lost: Lost) -> str:
    if "died over it" not in lost.why:
        return lost.why
    return f"{lost.why}. A process that is killed has mostly run out of memory: try a smaller batch, or fewer frames"


def _in_words(row: Row) -> str:
    if row["status"] != "done":
        return f"{row['status']}: {row['reason']}"
    test = row["sides"]["test"]
    auc = "not known" if test["auc"] is None else f"{test['auc']:.2f}"
    accuracy = "not known" if test["accuracy"] is None else f"{test['accuracy']:.0%}"
    return f"test accuracy {accuracy}, AUC {auc}, taught in {row['training_s']:.0f} s"


@contextmanager
def face_folder(cache_dir: Path | None, *, keeps: bool) -> Iterator[Path]:
    """Where faces are kept: beside the keypoints in the cache, or for this run alone."""
    if not keeps:
        with tempfile.TemporaryDirectory(prefix="poseauth-") as folder:
            yield Path(folder)
        return
    from keypoint_extractors.cache import default_cache_folder

    yield cache_dir / "faces" if cache_dir else default_cache_folder().with_name("faces")
