"""What an extractor sees in one source: every person, frame by frame, before anyone is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from poseauth.arrays import Float32Array, Float64Array, Int32Array, UInt8Array
from poseauth.keypoints import N_KEYPOINTS, Coverage, ExtractorFingerprint


@dataclass(frozen=True)
class Detections:
    """The people in one frame.

    Attributes
    ----------
    boxes : np.ndarray [shape=(P, 4)], float32
        Left, top, right, bottom in pixels of the upright frame.
    scores : np.ndarray [shape=(P,)], float32
        Confidence that there is a person, 0 to 1.
    keypoints : np.ndarray [shape=(P, 12, 2)], float32
        Pixels; NaN where undetected.
    confidence : np.ndarray [shape=(P, 12)], float32
        0 to 1; 0 where undetected.
    """

    boxes: Float32Array
    scores: Float32Array
    keypoints: Float32Array
    confidence: Float32Array

    def __post_init__(self) -> None:
        """Check the shapes."""
        n_people = len(self.scores)
        shapes = (self.boxes.shape, self.keypoints.shape, self.confidence.shape)
        if shapes != ((n_people, 4), (n_people, N_KEYPOINTS, 2), (n_people, N_KEYPOINTS)):
            raise ValueError(f"detections of {n_people} people have shapes {shapes}")

    def __len__(self) -> int:
        return len(self.scores)


def no_detections() -> Detections:
    """A frame with nobody in it."""
    return Detections(
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.float32),
        np.zeros((0, N_KEYPOINTS, 2), np.float32),
        np.zeros((0, N_KEYPOINTS), np.float32),
    )


class PoseEstimator(Protocol):
    """A network that finds people in pictures; the one thing that differs between video extractors."""

    @property
    def fingerprint(self) -> ExtractorFingerprint:
        """What makes its keypoints comparable."""

    @property
    def sees_many(self) -> bool:
        """Whether it reports every person in view, not only one."""

    @property
    def batch_size(self) -> int:
        """How many frames it likes at once."""

    def detect(self, frames: Sequence[UInt8Array], starts_shot: Sequence[bool]) -> list[Detections]:
        """Find the people in consecutive frames of one video.

        Parameters
        ----------
        frames : sequence of np.ndarray [shape=(H, W, 3)], uint8
            Upright RGB frames of one size.
        starts_shot : sequence of bool
            True for a frame that follows a cut: what was tracked before is forgotten.

        Returns
        -------
        list of Detections
            One a frame.
        """

    def close(self) -> None:
        """Free what the network holds."""


@dataclass(frozen=True)
class Observation:
    """Everybody an extractor saw in one source: T frames, M detections.

    Attributes
    ----------
    timestamps_s : np.ndarray [shape=(T,)], float64
        Strictly increasing.
    shot : np.ndarray [shape=(T,)], int32
        Number of the shot, never decreasing.
    frame : np.ndarray [shape=(M,)], int32
        The frame a detection belongs to, never decreasing.
    track : np.ndarray [shape=(M,)], int32
        Number of the tracked person, unique over the whole source: no track crosses a cut.
    boxes, scores, keypoints, confidence : np.ndarray
        As in Detections, one row a detection.
    """

    timestamps_s: Float64Array
    shot: Int32Array
    frame: Int32Array
    track: Int32Array
    boxes: Float32Array
    scores: Float32Array
    keypoints: Float32Array
    confidence: Float32Array
    frame_width: int
    frame_height: int
    sees_many: bool
    coverage: Coverage
    extractor: ExtractorFingerprint
    source_name: str
    source_sha256: str | None

    def __post_init__(self) -> None:
        """Check shapes and orders."""
        n_frames, n_detections = len(self.timestamps_s), len(self.frame)
        if self.shot.shape != (n_frames,):
            raise ValueError(f"shot has shape {self.shot.shape} for {n_frames} frames")
        shapes = (self.track.shape, self.boxes.shape, self.scores.shape, self.keypoints.shape, self.confidence.shape)
        if shapes != (
            (n_detections,),
            (n_detections, 4),
            (n_detections,),
            (n_detections, N_KEYPOINTS, 2),
            (n_detections, N_KEYPOINTS),
        ):
            raise ValueError(f"{n_detections} detections have shapes {shapes}")
        if n_frames and (np.diff(self.timestamps_s) <= 0).any():
            raise ValueError("timestamps_s must be strictly increasing")
        if n_detections and ((np.diff(self.frame) < 0).any() or self.frame[0] < 0 or self.frame[-1] >= n_frames):
            raise ValueError("frame must never decrease and name frames of the source")


def observation_from(
    detections: Sequence[Detections],
    tracks: Sequence[Int32Array],
    timestamps_s: Float64Array,
    shot: Int32Array,
    *,
    frame_size: tuple[int, int],
    sees_many: bool,
    coverage: Coverage,
    extractor: ExtractorFingerprint,
    source_name: str,
    source_sha256: str | None,
) -> Observation:
    """An Observation from what was found frame by frame.

    Parameters
    ----------
    detections : sequence of Detections, T long
        The people of each frame.
    tracks : sequence of np.ndarray [shape=(P,)], int32, T long
        The number of the tracked person of each of them.
    timestamps_s, shot : np.ndarray [shape=(T,)]
        As in Observation.
    frame_size : tuple of int
        Width and height in pixels.
    """
    everyone = [no_detections(), *detections]
    return Observation(
        timestamps_s=timestamps_s,
        shot=shot,
        frame=np.repeat(np.arange(len(detections)), [len(found) for found in detections]).astype(np.int32),
        track=np.concatenate([np.zeros(0, np.int32), *tracks]),
        boxes=np.concatenate([found.boxes for found in everyone]),
        scores=np.concatenate([found.scores for found in everyone]),
        keypoints=np.concatenate([found.keypoints for found in everyone]),
        confidence=np.concatenate([found.confidence for found in everyone]),
        frame_width=frame_size[0],
        frame_height=frame_size[1],
        sees_many=sees_many,
        coverage=coverage,
        extractor=extractor,
        source_name=source_name,
        source_sha256=source_sha256,
    )
