"""What an extractor sees in one source: every person, frame by frame, before anyone is chosen."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol, overload

import numpy as np

from poseauth.arrays import Float32Array, Float64Array, Int32Array, UInt8Array
from poseauth.keypoints import N_KEYPOINTS, WHOLE_BODY_SHAPES, Coverage, ExtractorFingerprint, WholeBody
from poseauth.long_arrays import LongArray

_SHAPES: Mapping[str, tuple[int, ...]] = {
    "boxes": (4,),
    "scores": (),
    "keypoints": (N_KEYPOINTS, 2),
    "confidence": (N_KEYPOINTS,),
}
"""Shape of one row of each array of Detections."""


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
    whole_body : WholeBody or None
        Hands and the other points, P rows; None where the estimator has none, or nobody is there.
    numbers : np.ndarray [shape=(P,)], int32, or None
        Who each of them is, where the estimator follows people itself: a number of theirs alone in the video.
    """

    boxes: Float32Array
    scores: Float32Array
    keypoints: Float32Array
    confidence: Float32Array
    whole_body: WholeBody | None = None
    numbers: Int32Array | None = None

    def __post_init__(self) -> None:
        """Check the shapes."""
        n_people = len(self.scores)
        shapes = (self.boxes.shape, self.keypoints.shape, self.confidence.shape)
        if shapes != ((n_people, 4), (n_people, N_KEYPOINTS, 2), (n_people, N_KEYPOINTS)):
            raise ValueError(f"detections of {n_people} people have shapes {shapes}")
        if self.whole_body is not None and len(self.whole_body) != n_people:
            raise ValueError(f"{n_people} people have whole bodies of {len(self.whole_body)}")
        if self.numbers is not None and self.numbers.shape != (n_people,):
            raise ValueError(f"{n_people} people have numbers of shape {self.numbers.shape}")

    def __len__(self) -> int:
        return len(self.scores)

    def scaled(self, x: float, y: float) -> Detections:
        """The same in a picture that is so many times as wide and as high."""
        factors = np.array([x, y], np.float32)
        return replace(
            self,
            boxes=self.boxes * np.tile(factors, 2),
            keypoints=self.keypoints * factors,
            whole_body=self.whole_body and _scaled(self.whole_body, np.array([x, y, x], np.float32)),
        )


def _scaled(whole: WholeBody, factors: Float32Array) -> WholeBody:
    return replace(
        whole,
        hands=None if whole.hands is None else whole.hands * factors,
        body=None if whole.body is None else whole.body * factors,
    )


class DetectionLog(Sequence[Detections]):
    """The detections of a whole video, frame by frame.

    Kept as a few arrays, on disk where they are long: an object a frame would be hundreds of MB for hours of video.
    """

    def __init__(self, frames: Sequence[Detections] = ()) -> None:
        self._ends = array("q", [0])
        self._kept = {name: LongArray(shape) for name, shape in _SHAPES.items()}
        self._whole: dict[str, LongArray] | None = None
        self._numbers: LongArray | None = None
        self._read: tuple[dict[str, Float32Array], WholeBody | None, Int32Array | None] | None = None
        self.add(frames)

    def add(self, frames: Sequence[Detections]) -> None:
        """Append the detections of some frames.

        Raises
        ------
        ValueError
            If some people have whole bodies or numbers, and others none.
        StorageError
            If they are many, and there is no room for them on disk.
        """
        for found in frames:
            self._ends.append(self._ends[-1] + len(found))
        somebody = [found for found in frames if len(found)]
        self._read = None
        if not somebody:
            return
        if self._whole is None:
            whole = somebody[0].whole_body
            self._whole = {name: LongArray(WHOLE_BODY_SHAPES[name]) for name in (whole.given() if whole else ())}
            self._numbers = None if somebody[0].numbers is None else LongArray(dtype=np.int32)
        for name, kept in self._kept.items():
            kept.add(np.concatenate([getattr(found, name) for found in somebody]))
        bodies = [found.whole_body.given() if found.whole_body else {} for found in somebody]
        numbers = [found.numbers for found in somebody if found.numbers is not None]
        if any(body.keys() != self._whole.keys() for body in bodies) or (
            len(numbers) != (0 if self._numbers is None else len(somebody))
        ):
            raise ValueError("some people have whole bodies or numbers that others have not")
        for name, kept in self._whole.items():
            kept.add(np.concatenate([body[name] for body in bodies]))
        if self._numbers is not None:
            self._numbers.add(np.concatenate(numbers))

    @property
    def n_people(self) -> Int32Array:
        """How many there are in each frame: [shape=(T,)]."""
        return np.diff(self._ends).astype(np.int32)

    @property
    def whole_body(self) -> WholeBody | None:
        """Of all detections, a row each; None where the estimator has none."""
        return self._arrays()[1]

    @property
    def numbers(self) -> Int32Array | None:
        """Of all detections, a row each; None where the estimator does not follow people itself."""
        return self._arrays()[2]

    def arrays(self) -> dict[str, Float32Array]:
        """Boxes, scores, keypoints and confidence of all detections, as in Detections, a row each."""
        return self._arrays()[0]

    def _arrays(self) -> tuple[dict[str, Float32Array], WholeBody | None, Int32Array | None]:
        if self._read is None:
            whole = {name: kept.array() for name, kept in (self._whole or {}).items()}
            self._read = (
                {name: kept.array() for name, kept in self._kept.items()},
                WholeBody(**whole) if whole else None,
                None if self._numbers is None else self._numbers.array(),
            )
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
        kept, whole, numbers = self._arrays()
        return Detections(
            **{name: values[rows] for name, values in kept.items()},
            whole_body=whole and whole.rows(rows),
            numbers=None if numbers is None else numbers[rows],
        )


def no_detections() -> Detections:
    """A frame with nobody in it."""
    boxes, scores, keypoints, confidence = (np.zeros((0, *shape), np.float32) for shape in _SHAPES.values())
    return Detections(boxes, scores, keypoints, confidence)


@dataclass(frozen=True, eq=False)
class PictureGroup:
    """Consecutive frames of one shot.

    Attributes
    ----------
    pictures : sequence of np.ndarray [shape=(H, W, 3)], uint8
        Upright RGB frames of one size.
    times_s : sequence of float
        Of each of them, increasing.
    begins_shot : bool
        Whether the first is the first of its shot; else the group goes on where the one before ended.
    """

    pictures: Sequence[UInt8Array]
    times_s: Sequence[float]
    begins_shot: bool


class PoseEstimator(Protocol):
    """A network that finds people in pictures; the one thing that differs between video extractors."""

    @property
    def sees_hands(self) -> bool:
        """Whether it looks for hands."""

    @property
    def fingerprint(self) -> ExtractorFingerprint:
        """What makes its keypoints comparable."""

    @property
    def sees_many(self) -> bool:
        """Whether it reports every person in view, not only one."""

    @property
    def group_frames(self) -> int:
        """How many consecutive frames of one shot it is handed at once, at most."""

    @property
    def picture_side(self) -> int:
        """Pixels of the longer side of a picture beyond which it sees no better."""

    def detect(self, groups: Iterable[PictureGroup]) -> Iterator[list[Detections]]:
        """Find the people in one video, group by group. Some groups are asked for ahead of what is given.

        Parameters
        ----------
        groups : iterable of PictureGroup
            At most `group_frames` frames each, in order of time.

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
    whole_body : WholeBody or None
        As in Detections, one row a detection.
    hands_asked : bool
        Whether hands were looked for.
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
    whole_body: WholeBody | None = None
    hands_asked: bool = False

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
        if self.whole_body is not None and len(self.whole_body) != n_detections:
            raise ValueError(f"{n_detections} detections have {len(self.whole_body)} whole bodies")
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
    hands_asked: bool = False,
) -> Observation:
    """An Observation from what was found frame by frame.

    Parameters
    ----------
    detections : DetectionLog, T long
        The people of each frame.
    tracks : iterable of np.ndarray [shape=(P,)], int32, T long
        The number of the tracked person of each of them; left alone where the detections have numbers.
    timestamps_s, shot : np.ndarray [shape=(T,)]
        As in Observation.
    frame_size : tuple of int
        Width and height in pixels.
    """
    return Observation(
        timestamps_s=timestamps_s,
        shot=shot,
        frame=np.repeat(np.arange(len(detections), dtype=np.int32), detections.n_people),
        track=np.fromiter(chain.from_iterable(tracks), np.int32) if detections.numbers is None else detections.numbers,
        **detections.arrays(),
        frame_width=frame_size[0],
        frame_height=frame_size[1],
        sees_many=sees_many,
        coverage=coverage,
        extractor=extractor,
        source_name=source_name,
        source_sha256=source_sha256,
        whole_body=detections.whole_body,
        hands_asked=hands_asked,
    )
