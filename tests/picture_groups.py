"""Pictures as an extractor is handed them."""

from __future__ import annotations

from keypoint_extractors.observation import PictureGroup


def grouped(*groups, goes_on=False):
    """Groups of pictures at 30 frames a second, each of a shot of its own, or all of one where it `goes_on`."""
    first = 0
    for number, pictures in enumerate(groups):
        times = [frame / 30 for frame in range(first, first + len(pictures))]
        yield PictureGroup(pictures, times, begins_shot=not goes_on or number == 0)
        first += len(pictures)
