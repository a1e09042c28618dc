"""A clip's face, cut out frame by frame: what is cut, and the file in which it is kept."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from poseauth.arrays import Float64Array, UInt8Array
from poseauth.errors import KeypointFileError, StorageError
from poseauth.keypoint_files import ARCHIVE_ERRORS
from poseauth.shown_paths import shown
from poseauth.whole_files import written_whole

FORMAT_VERSION = 1
MAX_FRAMES = 10_000
MAX_SIZE_PX = 1024
MAX_MARGIN = 2.0
_MAX_OTHER_BYTES = 1 << 20
"""Of everything in the file but the pictures."""

Choice = Literal["evenly", "first"]


@dataclass(frozen=True)
class FaceCropOptions:
    """Which frames of a clip are cut to the face, and how.

    Attributes
    ----------
    n_frames : int
        Pictures at the most; of a shorter clip there are fewer.
    size_px : int
        Width and height of a picture.
    margin : float
        Added on every side, as a share of the face's width: 0.35 in Singh et al. 2020.
    choice : "evenly" or "first"
        Frames evenly spaced over those in which the face is seen, or the first of them.
    """

    n_frames: int
    size_px: int
    margin: float = 0.35
    choice: Choice = "evenly"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 1 <= self.n_frames <= MAX_FRAMES:
            raise ValueError(f"n_frames is {self.n_frames}; 1 to {MAX_FRAMES} are possible")
        if not 1 <= self.size_px <= MAX_SIZE_PX:
            raise ValueError(f"size_px is {self.size_px}; 1 to {MAX_SIZE_PX} are possible")
        if not 0 <= self.margin <= MAX_MARGIN:
            raise ValueError(f"margin is {self.margin}; a share from 0 to {MAX_MARGIN:g} is needed")
        if self.choice not in ("evenly", "first"):
            raise ValueError(f"choice is {self.choice!r}; evenly or first is needed")

    def key(self, video_sha256: str, keypoints_digest: str) -> str:
        """By what the crops of a video are known: its digest, where the head was, and these options."""
        rests_on = json.dumps([FORMAT_VERSION, keypoints_digest, asdict(self)], sort_keys=True)
        return f"{video_sha256}_{hashlib.sha256(rests_on.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, eq=False)
class FaceCrops:
    """The face of one clip.

    Attributes
    ----------
    pictures : np.ndarray [shape=(n, size_px, size_px, 3)], uint8
        RGB, in order of time.
    time_s : np.ndarray [shape=(n,)], float64
        Seconds from the start of the video.
    n_without_face : int
        Frames of the clip in which no face was seen: none of them is among the pictures.
    """

    pictures: UInt8Array
    time_s: Float64Array
    n_without_face: int

    def __post_init__(self) -> None:
        """Check shapes and types."""
        n_pictures = len(self.time_s)
        if self.pictures.dtype != np.uint8 or self.pictures.ndim != 4 or self.pictures.shape[::3] != (n_pictures, 3):
            raise ValueError(f"pictures are {self.pictures.dtype} {self.pictures.shape} at {n_pictures} times")
        if self.pictures.shape[1] != self.pictures.shape[2]:
            raise ValueError(f"a picture of {self.pictures.shape[1:3]} px is not square")
        if self.time_s.ndim != 1 or not np.isfinite(self.time_s).all() or (np.diff(self.time_s) <= 0).any():
            raise ValueError("time_s must be finite and strictly increasing")
        if self.n_without_face < 0:
            raise ValueError(f"{self.n_without_face} frames without a face")

    def __len__(self) -> int:
        return len(self.time_s)


def write_face_crops(crops: FaceCrops, path: Path) -> None:
    """Write crops as `.npz`, not compressed: a training reads them again and again.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    counts = np.array([FORMAT_VERSION, crops.n_without_face], np.int64)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as stream:
            np.savez(stream, pictures=crops.pictures, time_s=crops.time_s, counts=counts)
    except OSError as error:
        raise StorageError(
            f"{shown(path)} cannot be written: {error.strerror or error}. Free space or name another --cache-dir."
        ) from error


def read_face_crops(path: Path, options: FaceCropOptions) -> FaceCrops:
    """Read crops that were cut with these options, never unpickling, refusing other sizes before unpacking.

    Raises
    ------
    KeypointFileError
        If the file cannot be read or holds something else.
    """
    n_bytes = options.n_frames * options.size_px**2 * 3 + _MAX_OTHER_BYTES
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size > n_bytes:
                    raise ValueError(f"{member.filename} claims {member.file_size} bytes; {n_bytes} at most")
        with np.load(path, allow_pickle=False) as arrays:
            version, n_without_face = (int(count) for count in arrays["counts"])
            crops = FaceCrops(arrays["pictures"], arrays["time_s"].astype(np.float64), n_without_face)
        if version != FORMAT_VERSION:
            raise ValueError(f"format {version}; this version reads {FORMAT_VERSION}")
        if crops.pictures.shape[1] != options.size_px or len(crops) > options.n_frames:
            raise ValueError(f"pictures {crops.pictures.shape} are not by {options}")
    except (*ARCHIVE_ERRORS, OSError, KeyError, TypeError, MemoryError) as error:
        raise KeypointFileError(f"{path}: not a file of face crops, or damaged: {error}") from error
    return crops
