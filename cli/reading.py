"""Reading many clips: one bad file never stops the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poseauth.errors import InputError, PoseAuthError
from poseauth.keypoints import KeypointSequence

from .progress import extraction_progress

if TYPE_CHECKING:
    from keypoint_extractors.following import Follow
    from keypoint_extractors.sources import SourceReader

SOME_FAILED = 3
"""Exit status: some inputs could not be analysed, each named."""


def expand(paths: Sequence[Path], *, recursive: bool) -> tuple[list[Path], list[tuple[Path, InputError]]]:
    """The clips that paths and folders stand for, each once, and the paths that stand for none."""
    from keypoint_extractors.sources import find_sources

    found: dict[Path, None] = {}
    failed = []
    for path in paths:
        try:
            found.update(dict.fromkeys(find_sources(path, recursive=recursive)))
        except InputError as error:
            failed.append((path, error))
    return list(found), failed


def read_each(
    reader: SourceReader, paths: Sequence[Path], who: Follow | None = None, *, quiet: bool = False
) -> Iterator[tuple[Path, KeypointSequence | InputError]]:
    """The keypoints of each clip, or what stood in the way of it."""
    with extraction_progress(quiet=quiet) as bar:
        for path in paths:
            try:
                result: KeypointSequence | InputError = reader.read(path, who=who, on_progress=bar)
            except InputError as error:
                result = error
            bar.clear()
            yield path, result


def reason(path: Path, error: PoseAuthError) -> str:
    """The error without the file's name at its head, for where the name stands already."""
    text = str(error)
    for name in (str(path), path.name):
        text = text.removeprefix(f"{name}: ")
    return text


def warn(path: Path, error: InputError) -> None:
    """Say on stderr what went wrong with a clip."""
    click.secho(f"{path}: {reason(path, error)}", fg="yellow", err=True)
