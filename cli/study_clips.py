"""The labelled clips of a study: a folder with real/ and fake/, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from poseauth.errors import InputError
from poseauth.study.splitting import AUTHENTIC, FAKE, LABELS

from .labelled_table import read_table

COLUMNS = ("path", "label")
_LIKE_A_REAL_ONE = {"authentic": AUTHENTIC, "genuine": AUTHENTIC, "1": AUTHENTIC, "0": FAKE}
"""What others write for the labels; 1 and 0 are the method's."""


@dataclass(frozen=True)
class NamedClip:
    """A clip as the user named it.

    Attributes
    ----------
    path : Path
        A video, a keypoint file or an OpenPose folder.
    name : str
        As it is told of.
    label, group, attack : str
        As in `LabelledClip`.
    keypoints : Path or None
        A keypoint file or an OpenPose folder with the keypoints of the video `path`, in place of an extractor's.
    """

    path: Path
    name: str
    label: str
    group: str = ""
    attack: str = ""
    keypoints: Path | None = None


def named_clips(source: Path) -> list[NamedClip]:
    """The clips of a folder or a table.

    Raises
    ------
    click.UsageError
        If it is neither, or a row cannot be understood.
    """
    return _in_folder(source) if source.is_dir() else _in_table(source)


def _in_folder(folder: Path) -> list[NamedClip]:
    from keypoint_extractors.sources import find_sources

    missing = [name for name in LABELS if not (folder / name).is_dir()]
    if missing:
        raise click.UsageError(
            f"{folder}: no folder {' and '.join(missing)} in it. A study takes a folder with real/ and fake/, or a "
            "table (.csv) with the columns path, label and group"
        )
    found = []
    for label in LABELS:
        try:
            paths = find_sources(folder / label, recursive=True)
        except InputError as error:
            raise click.UsageError(str(error)) from error
        for path in paths:
            # A folder in fake/ says how its clips were made.
            attack = path.relative_to(folder / label).parts[0] if path.parent != folder / label else ""
            found.append(NamedClip(path, str(path.relative_to(folder)), label, attack=attack if label == FAKE else ""))
    return found


def _in_table(table: Path) -> list[NamedClip]:
    rows = read_table(table, COLUMNS, filled=COLUMNS)
    found: dict[Path, NamedClip] = {}
    lines: dict[Path, int] = {}
    for row in rows:
        label = _LIKE_A_REAL_ONE.get(row["label"].lower(), row["label"].lower())
        if label not in LABELS:
            raise click.UsageError(f"{table}, line {row.number}: label {row['label']!r}; real and fake are known")
        if row.path in found:
            raise click.UsageError(f"{table}, lines {lines[row.path]} and {row.number} name one clip")
        keypoints = table.parent / row["keypoints"] if row["keypoints"] else None
        attack = row["attack"] if label == FAKE else ""
        lines[row.path] = row.number
        found[row.path] = NamedClip(row.path, row["path"], label, row["group"], attack, keypoints)
    return list(found.values())


def warn_of_groups(clips: Sequence[NamedClip]) -> None:
    """Say on stderr what clips without groups risk."""
    n_without = sum(not clip.group for clip in clips)
    if n_without:
        click.secho(
            f"{n_without} of {len(clips)} clips name no group (person or source video): each counts as a group of its "
            "own, and figures flatter wherever one person or source video stands on two sides. Name groups in a table",
            fg="yellow",
            err=True,
        )
