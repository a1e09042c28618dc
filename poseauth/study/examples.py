"""What a network is shown: windows of movement or pictures of faces, each with its clip and its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Int64Array
from poseauth.face_crop_files import FaceCropOptions, read_face_crops
from poseauth.features import FEATURES
from poseauth.keypoints import L_EAR, L_EYE, NOSE, R_EAR, R_EYE
from poseauth.study.clips import StudyClip, windows_of_length
from poseauth.study.presets import FaceNetwork, PoseNetwork

_FACE_KEYPOINTS = [NOSE, R_EYE, L_EYE, R_EAR, L_EAR]


class Examples(Protocol):
    """Examples by number.

    Attributes
    ----------
    is_authentic : np.ndarray [shape=(N,)], bool
        Their labels.
    clip : np.ndarray [shape=(N,)], int64
        Number of the clip each is of.
    """

    is_authentic: BoolArray
    clip: Int64Array

    def __len__(self) -> int:
        """How many there are."""

    def array(self, number: int) -> np.ndarray[Any, Any]:
        """One example, its frames along the first axis."""


@dataclass(frozen=True, eq=False)
class Movements:
    """Windows of movement as features: each [shape=(L, F)], float32."""

    features: Sequence[Float32Array]
    is_authentic: BoolArray
    clip: Int64Array

    def __len__(self) -> int:
        return len(self.features)

    def array(self, number: int) -> Float32Array:
        """The features of a window: [shape=(L, F)], float32."""
        return self.features[number]


@dataclass(frozen=True, eq=False)
class Faces:
    """Pictures of faces, read from their files when they are asked for: each [shape=(n, 3, H, W)], uint8.

    Attributes
    ----------
    files : sequence of Path
        A clip's crops, for each example.
    frame : np.ndarray [shape=(N,)], int64
        The one frame of the file that is the example; -1: all of them.
    options : FaceCropOptions
        What the files hold.
    """

    files: Sequence[Path]
    frame: Int64Array
    options: FaceCropOptions
    is_authentic: BoolArray
    clip: Int64Array

    def __len__(self) -> int:
        return len(self.files)

    def array(self, number: int) -> np.ndarray[Any, Any]:
        """Pictures of a clip: [shape=(n, 3, H, W)], uint8, RGB."""
        pictures = read_face_crops(self.files[number], self.options).pictures
        frame = int(self.frame[number])
        chosen = pictures if frame < 0 else pictures[frame : frame + 1]
        return np.ascontiguousarray(chosen.transpose(0, 3, 1, 2))


def crop_options(model: FaceNetwork) -> FaceCropOptions:
    """The crops that a face network asks for."""
    return FaceCropOptions(model.n_frames, model.size_px, model.margin, model.frames)
