"""What an extractor sees in one source: every person, frame by frame, before anyone is chosen."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol, overload

import numpy as np

from poseauth.arrays import Float32Array, Float64Array, Int32Array, UInt8Array
from poseauth.keypoints import N_KEYPOINTS, Coverage, ExtractorFingerprint
from poseauth.long_arrays import LongArray

_ARRAYS = ("boxes", "scores", "keypoints", "confidence")


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

    def scaled(self, x: float, y: float) -> Detections:
        """The same in a picture that is so many times as wide and as high."""
        factors = np.array([x, y], np.float32)
        return replace(self, boxes=self.boxes * np.tile(factors, 2), keypoints=self.keypoints * factors)


class DetectionLog(Sequence[Detections]):
    """The detections of a whole video, frame by frame.

    Kept as a few arrays, on disk where they are long: an object a frame would be hundreds of MB for hours of video.
    """

    def __init__(self, frames: Sequence[Detections] = ()) -> None:
        self._ends = array("q", [0])
        self._kept = {name: LongArray(getattr(no_detections(), name).shape[1:]) for name in _ARRAYS}
        self._read: tuple[Float32Array, ...] | None = None
        self.add(frames)

    def add(self, frames: Sequence[Detections]) -> None:
        """Append the detections of some frames.

        Raises
        ------
        StorageError
            If they are many, and there is no room for them on disk.
        """
        for found in frames:
            self._ends.append(self._ends[-1] + len(found))
        everyone = [no_detections(), *frames]
        for name, kept in self._kept.items():
            kept.add(np.concatenate([getattr(found, name) for found in everyone]))
        self._read = None

    @property
    def n_people(self) -> Int32Array:
        """How many there are in each frame: [shape=(T,)]."""
        return np.diff(self._ends).astype(np.int32)

    def arrays(self) -> tuple[Float32Array, ...]:
        """Boxes, scores, keypoints and confidence of all detections, as in Detections, a row each."""
        if self._read is None:
            self._read = tuple(kept.array() for kept in self._kept.values())
        return self._read

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, frame: int) -> Detections: ...
    @overload
    def __getitem__(self, frame: slice) -> list[Detections]: ...
    def __getitem__(self, frame: int | slice) -> Detections | list[Detections]:
        """The detections of a frame, or of several."""
        if isinstance(frame, slice):
            return [self[i] for i in range(*frame.indices(len(self)))]
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} of {len(self)}")
        rows = slice(self._ends[frame], self._ends[frame + 1])
        return Detections(*(kept[rows] for kept in self.arrays()))


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
    def group_frames(self) -> int:
        """How many consecutive frames of one shot it looks at together; groups know nothing of one another."""

    @property
    def picture_side(self) -> int:
        """Pixels of the longer side of a picture beyond which it sees no better."""

    def detect(self, groups: Iterable[Sequence[UInt8Array]]) -> Iterator[list[Detections]]:
        """Find the people in one video, group by group. Some groups are asked for ahead of what is given.

        Parameters
        ----------
        groups : iterable of sequences of np.ndarray [shape=(H, W, 3)], uint8
            Upright RGB frames of one size, at most `group_frames` a group, no cut within it.

        Yields
        ------
        list of Detections
            One list a group, in their order; one Detections a frame, in pixels of the frame.

        Raises
        ------
        ExtractorError
            If the network fails.
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
    detections: DetectionLog,
    tracks: Iterable[Int32Array],
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
    detections : DetectionLog, T long
        The people of each frame.
    tracks : iterable of np.ndarray [shape=(P,)], int32, T long
        The number of the tracked person of each of them.
    timestamps_s, shot : np.ndarray [shape=(T,)]
        As in Observation.
    frame_size : tuple of int
        Width and height in pixels.
    """
    boxes, scores, keypoints, confidence = detections.arrays()
    return Observation(
        timestamps_s=timestamps_s,
        shot=shot,
        frame=np.repeat(np.arange(len(detections), dtype=np.int32), detections.n_people),
        track=np.fromiter(chain.from_iterable(tracks), np.int32),
        boxes=boxes,
        scores=scores,
        keypoints=keypoints,
        confidence=confidence,
        frame_width=frame_size[0],
        frame_height=frame_size[1],
        sees_many=sees_many,
        coverage=coverage,
        extractor=extractor,
        source_name=source_name,
        source_sha256=source_sha256,
    )
