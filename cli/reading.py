"""Reading many clips: one bad file never stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poseauth.errors import ExtractorError, InputError, PoseAuthError, reason
from poseauth.keypoints import KeypointSequence
from poseauth.shown_text import readable

from .clip_list import list_clips
from .progress import extraction_progress

if TYPE_CHECKING:
    from keypoint_extractors.extraction import Progress
    from keypoint_extractors.following import Follow
    from keypoint_extractors.sources import SourceReader

SOME_FAILED = 3
"""Exit status: some inputs could not be analysed, each named."""
FAILED_ON = 4
"""Exit status: `--fail-on` met."""


def read_each(
    reader: SourceReader,
    sources: Sequence[Path],
    who: Follow | None = None,
    *,
    recursive: bool = False,
    quiet: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[Path, KeypointSequence | PoseAuthError]]:
    """The keypoints of each clip that paths and folders stand for, in their order, or what stood in the way of it.

    A clip that is met again, by another path or in a folder, is not read again. `on_progress` hears how far each is, in
    place of the bars on stderr.
    """
    with extraction_progress(quiet=quiet or on_progress is not None) as bar:
        for clip in list_clips(sources, recursive=recursive):
            if clip.problem is not None:
                yield clip.path, clip.problem
                continue
            try:
                result: KeypointSequence | PoseAuthError = reader.read(
                    clip.path, who=who, on_progress=on_progress or bar
                )
            # Without an extractor the videos fail, each by its name; keypoint files beside them do not.
            except (InputError, ExtractorError) as error:
                result = error
            bar.clear()
            yield clip.path, result


def warn(path: Path, error: PoseAuthError) -> None:
    """Say on stderr what went wrong with a clip."""
    click.secho(readable(f"{path}: {reason(error, path, path.name)}"), fg="yellow", err=True)
