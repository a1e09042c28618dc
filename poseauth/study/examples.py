"""What a network is shown: windows of movement or pictures of faces, each with its clip and its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Int64Array
from poseauth.face_crop_files import FaceCropOptions, read_face_crops
from poseauth.study.clips import StudyClip, cut_movement
from poseauth.study.pose_features import encode
from poseauth.study.presets import FaceNetwork, PoseNetwork, PoseProfile, WindowClassifier

_MOST_IN_MEMORY_BYTES = 1 << 30
"""Faces of more than this are read from their files in every epoch."""


@dataclass(frozen=True, eq=False)
class InMemory:
    """Examples as arrays, the frames of each along its first axis.

    Attributes
    ----------
    arrays : sequence of np.ndarray
        Features of a window [shape=(L, F)], float32; pictures [shape=(n, 3, H, W)], uint8; or features of pictures.
    is_authentic : np.ndarray [shape=(N,)], bool
        Their labels.
    clip : np.ndarray [shape=(N,)], int64
        Number of the clip each is of.
    """

    arrays: Sequence[np.ndarray[Any, Any]]
    is_authentic: BoolArray
    clip: Int64Array

    def __len__(self) -> int:
        return len(self.arrays)

    def array(self, number: int) -> np.ndarray[Any, Any]:
        """One example."""
        return self.arrays[number]


@dataclass(frozen=True, eq=False)
class Faces:
    """Pictures of faces, read from their files when they are asked for: each [shape=(n, 3, H, W)], uint8.

    Attributes
    ----------
    files : sequence of Path
        The crops of each example's clip.
    frame : np.ndarray [shape=(N,)], int64
        The one frame of the file that is the example; -1: all of them.
    options : FaceCropOptions
        What the files hold.
    is_authentic, clip :
        As in `InMemory`.
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


Examples = InMemory | Faces
"""Examples by number, with the clip each is of and its label."""


def movement_examples(clips: Sequence[StudyClip], sides: Sequence[str], model: PoseNetwork) -> InMemory:
    """The windows of all clips on some sides, as a pose network is shown them."""
    chosen = _on(clips, sides)
    windows = [(number, window) for number in chosen for window in cut_clip(clips[number], model)]
    owners = np.array([number for number, _ in windows], np.int64)
    arrays = [encode(window[None], model)[0] for _, window in windows]
    return InMemory(arrays, _labels(clips, owners), owners)


def cut_clip(clip: StudyClip, model: PoseNetwork | WindowClassifier | PoseProfile) -> list[Float32Array]:
    """The windows of a clip that a model of the pose family asks for, each [shape=(L, 12, 2)], in pixels."""
    shortest = model.shortest_frames if isinstance(model, PoseNetwork) else None
    # Of windows of varying length the content alone decides where they are cut.
    return cut_movement(clip.sequence, model.window_frames, shortest, seed=int(clip.clip.digest[:8], 16))


def face_examples(clips: Sequence[StudyClip], sides: Sequence[str], model: FaceNetwork, *, by_frame: bool) -> Examples:
    """The faces of all clips on some sides: in memory where they are few, else read from their files."""
    options = crop_options(model)
    chosen = [number for number in _on(clips, sides) if options in clips[number].faces]
    counts = [len(read_face_crops(clips[number].faces[options], options)) if by_frame else 1 for number in chosen]
    owners = np.repeat(np.array(chosen, np.int64), counts)
    frames = np.concatenate([np.arange(count) if by_frame else [-1] for count in counts] or [[]]).astype(np.int64)
    faces = Faces(
        [clips[number].faces[options] for number in owners.tolist()], frames, options, _labels(clips, owners), owners
    )
    n_bytes = len(chosen) * options.n_frames * options.size_px**2 * 3
    if n_bytes > _MOST_IN_MEMORY_BYTES:
        return faces
    of_clip = {
        number: Faces([clips[number].faces[options]], np.array([-1]), options, np.array([True]), np.array([0])).array(0)
        for number in chosen
    }
    arrays = [
        of_clip[int(owner)] if frame < 0 else of_clip[int(owner)][frame : frame + 1]
        for owner, frame in zip(owners, frames, strict=True)
    ]
    return InMemory(arrays, faces.is_authentic, owners)


def crop_options(model: FaceNetwork) -> FaceCropOptions:
    """The crops that a face network asks for."""
    return FaceCropOptions(model.n_frames, model.size_px, model.margin, model.frames)


def _on(clips: Sequence[StudyClip], sides: Sequence[str]) -> list[int]:
    return [number for number, clip in enumerate(clips) if clip.side in sides]


def _labels(clips: Sequence[StudyClip], owners: Int64Array) -> BoolArray:
    return np.array([clips[number].is_authentic for number in owners], bool)
