"""The clips of a study as detectors are shown them: windows of movement, and files of faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from poseauth.arrays import Float32Array
from poseauth.face_crop_files import FaceCropOptions
from poseauth.keypoints import KeypointSequence
from poseauth.study.splitting import AUTHENTIC, LabelledClip
from poseauth.windows import WINDOW_FRAMES, WindowOptions, find_segments, visibility


@dataclass(frozen=True, eq=False)
class StudyClip:
    """A clip that was read.

    Attributes
    ----------
    clip : LabelledClip
        Label, group, attack.
    side : str
        One of `SIDES`.
    sequence : KeypointSequence
        The movement of the person of interest.
    faces : mapping of FaceCropOptions to Path
        Files of the crops, by what was asked for.
    without_faces : str
        Why there are none; "" where there are, or where nobody asked for any.
    """

    clip: LabelledClip
    side: str
    sequence: KeypointSequence
    faces: Mapping[FaceCropOptions, Path] = field(default_factory=dict)
    without_faces: str = ""

    @property
    def is_authentic(self) -> bool:
        """Whether it is labelled real."""
        return self.clip.label == AUTHENTIC


def cut_movement(
    sequence: KeypointSequence, longest: int = WINDOW_FRAMES, shortest: int | None = None, *, seed: int = 0
) -> list[Float32Array]:
    """Windows of any length that do not overlap, by the rules of `poseauth.windows`: never across a cut or a gap.

    Parameters
    ----------
    sequence : KeypointSequence
        One person's keypoints.
    longest : int
        Frames of a window at 30 fps; 150 in the method.
    shortest : int or None
        Where given and less: every window has a length of its own between the two, drawn by `seed`.
    seed : int
        Chooses the lengths.

    Returns
    -------
    list of np.ndarray [shape=(L, 12, 2)], float32
        Pixels, NaN where missing; none where no piece is long enough or too little of the body is seen.
    """
    options = WindowOptions()
    lengths = np.random.default_rng(seed)
    least = longest if shortest is None else shortest
    found = []
    for segment in find_segments(sequence, options):
        first = 0
        while (left := len(segment.keypoints) - first) >= least:
            n_frames = int(lengths.integers(least, min(longest, left) + 1))
            window = segment.keypoints[first : first + n_frames]
            if visibility(window) >= options.min_visibility:
                found.append(window)
            first += n_frames
    return found
