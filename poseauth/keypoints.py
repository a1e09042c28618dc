"""The movement of one person as twelve upper-body keypoints a frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Float64Array, Int32Array
from poseauth.long_arrays import LongArray, in_pieces, let_go

KEYPOINT_NAMES = (
    "nose",
    "neck",
    "right shoulder",
    "right elbow",
    "right wrist",
    "left shoulder",
    "left elbow",
    "left wrist",
    "right eye",
    "left eye",
    "right ear",
    "left ear",
)
"""OpenPose's COCO names, in the order used everywhere. "Right" is the person's right."""

N_KEYPOINTS = len(KEYPOINT_NAMES)
(
    NOSE,
    NECK,
    R_SHOULDER,
    R_ELBOW,
    R_WRIST,
    L_SHOULDER,
    L_ELBOW,
    L_WRIST,
    R_EYE,
    L_EYE,
    R_EAR,
    L_EAR,
) = range(N_KEYPOINTS)

HEAD_KEYPOINTS = (NOSE, R_EYE, L_EYE, R_EAR, L_EAR)

COCO17_ORDER = (0, None, 6, 8, 10, 5, 7, 9, 2, 1, 4, 3)
"""Row of each keypoint in COCO-17; None: made from the two shoulders."""
BLAZEPOSE33_ORDER = (0, None, 12, 14, 16, 11, 13, 15, 5, 2, 8, 7)
"""Row of each keypoint in BlazePose-33; None: made from the two shoulders."""
WHOLEBODY133_HANDS = np.arange(91, 133).reshape(2, 21)
"""Rows of the left and the right hand in COCO-WholeBody, whose first 17 are COCO-17."""
OPENPOSE_COCO18_ORDER = (0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17)
"""Row of each keypoint in OpenPose's COCO-18, the method's own layout."""
OPENPOSE_BODY25_ORDER = (0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18)
"""Row of each keypoint in OpenPose's BODY-25."""

N_HAND_POINTS = 21
"""Of one hand: the wrist, then thumb, index, middle, ring and little finger, four points each from root to tip."""
N_BODY_POINTS = 33
"""BlazePose's points of a body; the eleven of the head first, then arms and hands, then hips and legs."""
FINGERS = tuple(tuple(range(first, first + 4)) for first in (1, 5, 9, 13, 17))
"""The points of each finger of a hand, the thumb first, from its root to its tip."""
MIN_POINTS_OF_HAND = 11
"""A hand of which fewer of the 21 points are seen is out of view, and missing."""
LEFT, RIGHT = 0, 1
"""The order of the hands. The person's own left."""

POINTS_OF_BODY = (22, 20, 18, 21, 19, 17, 10, 9, 4, 1)
"""BlazePose's points that a whole window has beyond the twelve: root of the thumb, index and little finger of the right
arm and of the left one; right and left corner of the mouth, inner corner of the right and of the left eye."""
R_FINGERS, L_FINGERS, FACE = range(12, 15), range(15, 18), range(18, 22)
L_HAND, R_HAND = range(22, 43), range(43, 64)
"""Where the points beyond the twelve stand in a whole window; hands from wrist to the tip of the little finger."""
N_WHOLE = 64
"""Points of a whole window: the twelve, `POINTS_OF_BODY`, and 21 of each hand."""

SHOWN_LIMBS = (
    (NECK, R_SHOULDER),
    (R_SHOULDER, R_ELBOW),
    (R_ELBOW, R_WRIST),
    (NECK, L_SHOULDER),
    (L_SHOULDER, L_ELBOW),
    (L_ELBOW, L_WRIST),
    (NECK, NOSE),
    (NOSE, R_EYE),
    (NOSE, L_EYE),
    (R_EYE, R_EAR),
    (L_EYE, L_EAR),
)
"""The skeleton's bones, for drawing."""


def select_twelve(
    keypoints: Float32Array, confidence: Float32Array, order: tuple[int | None, ...]
) -> tuple[Float32Array, Float32Array]:
    """Twelve keypoints out of an estimator's own layout.

    Parameters
    ----------
    keypoints : np.ndarray [shape=(..., M, 2)]
        Pixels, NaN where undetected.
    confidence : np.ndarray [shape=(..., M)]
        The estimator's confidence, 0 where undetected.
    order : tuple
        The estimator's row for each of the twelve. None stands for a neck it does not have: the midpoint of
        the shoulders with the lower confidence of the two, and no neck when either shoulder is missing.

    Returns
    -------
    tuple of np.ndarray [shape=(..., 12, 2)] and [shape=(..., 12)], float32
        An undetected keypoint is NaN with confidence 0.
    """
    rows = [0 if row is None else row for row in order]
    points = np.asarray(keypoints, dtype=np.float32)[..., rows, :].copy()
    conf = np.asarray(confidence, dtype=np.float32)[..., rows].copy()
    _blank_undetected(points, conf)
    if order[NECK] is None:
        points[..., NECK, :] = (points[..., R_SHOULDER, :] + points[..., L_SHOULDER, :]) / 2
        conf[..., NECK] = np.minimum(conf[..., R_SHOULDER], conf[..., L_SHOULDER])
        _blank_undetected(points, conf)
    return points, conf


def _blank_undetected(points: Float32Array, conf: Float32Array) -> None:
    missing = ~(conf > 0) | ~np.isfinite(points).all(axis=-1)
    points[missing] = np.nan
    conf[missing] = 0.0


def hands_without_depth(points: Float32Array, confidence: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Hands as in `WholeBody` from an estimator that knows no depth and has a confidence for each point.

    Parameters
    ----------
    points : np.ndarray [shape=(N, 2, 21, 2)]
        Pixels, left hand first.
    confidence : np.ndarray [shape=(N, 2, 21)]
        Of each point; 0 where undetected.

    Returns
    -------
    tuple of np.ndarray [shape=(N, 2, 21, 3)] and [shape=(N, 2)], float32
        Depth is NaN; so is a hand of fewer points than MIN_POINTS_OF_HAND, with confidence 0. A hand's confidence is
        the mean of its points'.
    """
    seen = (confidence > 0) & np.isfinite(points).all(axis=-1)
    seen &= (seen.sum(axis=-1) >= MIN_POINTS_OF_HAND)[..., None]
    hands = np.full((*points.shape[:-1], 3), np.nan, np.float32)
    hands[..., :2] = np.where(seen[..., None], points, np.nan)
    total = np.where(seen, np.clip(confidence, 0.0, 1.0), 0.0).sum(axis=-1)
    return hands, (total / np.maximum(seen.sum(axis=-1), 1)).astype(np.float32)


@dataclass(frozen=True)
class ExtractorFingerprint:
    """What made the keypoints: two sequences compare only if these agree.

    `options` holds whatever changes the keypoints: model size, confidence limit, input size.
    """

    name: str
    version: str
    weights_sha256: str
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over all fields, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "weights_sha256": self.weights_sha256,
            "options": dict(self.options),
        }

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.digest[:8]})"


@dataclass(frozen=True)
class Coverage:
    """How much of what the file promises was decoded.

    Attributes
    ----------
    n_promised : int or None
        Frames the container announces; None where it does not say.
    n_decoded : int
        Frames that came out of the decoder.
    n_kept : int
        Frames used for the 30 fps stream.
    broke_off : str or None
        Why decoding ended before the end of the file.
    """

    n_promised: int | None
    n_decoded: int
    n_kept: int
    broke_off: str | None = None

    @property
    def fraction(self) -> float | None:
        """Decoded share of the promised frames, 0 to 1; None where the container promises nothing."""
        if not self.n_promised:
            return None
        return min(1.0, self.n_decoded / self.n_promised)


@dataclass(frozen=True)
class Provenance:
    """Where a sequence comes from.

    `n_people_ignored` counts the other people in view that were tracked and left out; None where the
    estimator sees one person only. `n_shots_ambiguous` counts shots left out because two people stood in
    them equally central.
    """

    source_name: str
    source_sha256: str | None = None
    frame_width: int = 0
    frame_height: int = 0
    extractor: ExtractorFingerprint | None = None
    coverage: Coverage | None = None
    n_people_ignored: int | None = None
    n_shots_ambiguous: int = 0


@dataclass(frozen=True, eq=False)
class WholeBody:
    """What an estimator gives of a person beyond the twelve, a row a frame or a detection: N rows.

    Attributes
    ----------
    hands : np.ndarray [shape=(N, 2, 21, 3)], float32, or None
        Left hand first; x and y in pixels, and the estimator's depth in pixels from the wrist, negative towards the
        camera. A hand that is not seen is NaN, and so is a point of one that lies outside the picture. None: hands were
        not looked for.
    hand_confidence : np.ndarray [shape=(N, 2)], float32, or None
        Of each hand, 0 to 1; 0 where it is not seen. There with `hands`.
    body : np.ndarray [shape=(N, 33, 3)], float32, or None
        BlazePose's points; x and y in pixels, and depth in pixels from the hips. Points that nobody sees have the
        estimator's guess; NaN where there is no person. None: the estimator has no such points.
    visibility : np.ndarray [shape=(N, 33)], float32, or None
        Confidence, 0 to 1, that a point is in the picture and not hidden. There with `body`.

    Raises
    ------
    ValueError
        If a shape or a type is not as said.
    """

    hands: Float32Array | None = None
    hand_confidence: Float32Array | None = None
    body: Float32Array | None = None
    visibility: Float32Array | None = None

    def __post_init__(self) -> None:
        """Check shapes and types."""
        if (self.hands is None) != (self.hand_confidence is None) or (self.body is None) != (self.visibility is None):
            raise ValueError("hands come with hand_confidence, and body with visibility")
        given = self.given()
        if len({len(array) for array in given.values()}) != 1:
            raise ValueError("a whole body needs hands or a body, of as many rows each")
        for name, array in given.items():
            wanted = (len(array), *WHOLE_BODY_SHAPES[name])
            if array.shape != wanted or array.dtype != np.float32:
                raise ValueError(f"{name} is {array.dtype} {array.shape}; float32 {wanted} is needed")

    def __len__(self) -> int:
        return len(next(iter(self.given().values())))

    def given(self) -> dict[str, Float32Array]:
        """The arrays that are there, by their names."""
        return {name: array for name in WHOLE_BODY_SHAPES if (array := getattr(self, name)) is not None}

    def rows(self, chosen: slice | BoolArray | Int32Array) -> WholeBody:
        """Some of the rows."""
        return WholeBody(**{name: array[chosen] for name, array in self.given().items()})


WHOLE_BODY_SHAPES: Mapping[str, tuple[int, ...]] = {
    "hands": (2, N_HAND_POINTS, 3),
    "hand_confidence": (2,),
    "body": (N_BODY_POINTS, 3),
    "visibility": (N_BODY_POINTS,),
}
"""Shape of one row of each array of a WholeBody."""


@dataclass(frozen=True)
class KeypointSequence:
    """One person's keypoints over a clip.

    Attributes
    ----------
    keypoints : np.ndarray [shape=(T, 12, 2)], float32
        x and y in pixels of the (upright) frame; NaN where undetected.
    confidence : np.ndarray [shape=(T, 12)], float32
        The estimator's confidence, 0 to 1; 0 where undetected.
    timestamps_s : np.ndarray [shape=(T,)], float64
        Seconds from the start of the video, strictly increasing.
    shot : np.ndarray [shape=(T,)], int32
        Number of the shot (uncut piece of camera) a frame belongs to; never decreasing.
    provenance : Provenance
        The source, the extractor and the coverage.
    whole_body : WholeBody or None
        Hands, and the other points of the body, T rows; None where the estimator gives the twelve alone.

    Raises
    ------
    ValueError
        If a shape, a type or an order is not as said.
    """

    keypoints: Float32Array
    confidence: Float32Array
    timestamps_s: Float64Array
    shot: Int32Array
    provenance: Provenance
    whole_body: WholeBody | None = None

    def __post_init__(self) -> None:
        """Check every promise of the class."""
        n_frames = len(self.timestamps_s)
        expected = {
            "keypoints": ((n_frames, N_KEYPOINTS, 2), np.float32),
            "confidence": ((n_frames, N_KEYPOINTS), np.float32),
            "timestamps_s": ((n_frames,), np.float64),
            "shot": ((n_frames,), np.int32),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} is {array.dtype} {array.shape}; {np.dtype(dtype).name} {shape} is needed")
        if not np.isfinite(self.timestamps_s).all() or (np.diff(self.timestamps_s) <= 0).any():
            raise ValueError("timestamps_s must be finite and strictly increasing")
        if (np.diff(self.shot) < 0).any():
            raise ValueError("shot must never decrease")
        whole = self.whole_body.given() if self.whole_body else {}
        if whole and len(self.whole_body or ()) != n_frames:
            raise ValueError(f"the whole body has {len(self.whole_body or ())} rows for {n_frames} frames")
        for rows in in_pieces(n_frames):
            _check_values(self.keypoints[rows], self.confidence[rows])
            _check_whole_body({name: array[rows] for name, array in whole.items()})
            let_go(self.keypoints, self.confidence, *whole.values())

    def __len__(self) -> int:
        return len(self.timestamps_s)

    @property
    def seen(self) -> BoolArray:
        """Which keypoints were detected: bool [shape=(T, 12)]."""
        return self.confidence > 0

    @property
    def digest(self) -> str:
        """SHA-256 over keypoints and times, in hexadecimal."""
        content = hashlib.sha256(np.ascontiguousarray(self.keypoints).data)
        content.update(np.ascontiguousarray(self.timestamps_s).data)
        return content.hexdigest()

    @property
    def recording(self) -> str:
        """The digest by which the recording is known: that of its video, else that of its keypoints."""
        return self.provenance.source_sha256 or self.digest

    @property
    def duration_s(self) -> float:
        """Seconds from the first kept frame to the last."""
        return float(self.timestamps_s[-1] - self.timestamps_s[0]) if len(self) else 0.0


def _check_values(keypoints: Float32Array, confidence: Float32Array) -> None:
    if not np.isfinite(confidence).all() or (confidence < 0).any() or (confidence > 1).any():
        raise ValueError("confidence must lie between 0 and 1")
    seen = np.isfinite(keypoints).all(axis=-1)
    if (np.isnan(keypoints).all(axis=-1) != ~seen).any() or (seen != (confidence > 0)).any():
        raise ValueError("an undetected keypoint must be NaN in x and y with confidence 0, and no other")


def _check_whole_body(rows: Mapping[str, Float32Array]) -> None:
    for points, confidence, axes in (("hands", "hand_confidence", (-1, -2)), ("body", "visibility", (-1,))):
        if points not in rows:
            continue
        likely = rows[confidence]
        if not ((likely >= 0) & (likely <= 1)).all():  # NaN is neither
            raise ValueError(f"{confidence} must lie between 0 and 1")
        if np.isinf(rows[points]).any():
            raise ValueError(f"{points} must be finite, or NaN where nothing is seen")
        if (np.isfinite(rows[points]).any(axis=axes) & ~(likely > 0)).any() and points == "hands":
            raise ValueError("a hand that is seen needs a confidence above 0")


def keypoint_sequence(
    keypoints: Float32Array,
    confidence: Float32Array,
    timestamps_s: Float64Array,
    shot: Int32Array | None = None,
    *,
    provenance: Provenance,
    whole_body: WholeBody | None = None,
) -> KeypointSequence:
    """A KeypointSequence from loose arrays: types are converted, undetected keypoints blanked.

    Parameters
    ----------
    keypoints, confidence, timestamps_s, shot : np.ndarray
        As in KeypointSequence; `shot` None means one shot. A keypoint with NaN in either coordinate or with
        no confidence counts as undetected.
    provenance : Provenance
        The source, the extractor and the coverage.
    whole_body : WholeBody or None
        As in KeypointSequence.

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    """
    points = np.array(keypoints, dtype=np.float32)
    conf = np.array(confidence, dtype=np.float32)
    return sequence_of_pieces([(points, conf)], timestamps_s, shot, provenance=provenance, whole_body=whole_body)


def sequence_of_pieces(
    pieces: Iterable[tuple[Float32Array, Float32Array]],
    timestamps_s: Float64Array,
    shot: Int32Array | None = None,
    *,
    provenance: Provenance,
    whole_body: WholeBody | None = None,
) -> KeypointSequence:
    """As `keypoint_sequence`, of keypoints and confidence a piece after the other, which are changed.

    A long clip is never in memory as a whole (`poseauth.long_arrays`).

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    StorageError
        If the clip is long, and there is no room for it on disk.
    """
    points_log, confidence_log = LongArray((N_KEYPOINTS, 2)), LongArray((N_KEYPOINTS,))
    for points, confidence in pieces:
        if points.ndim != 3 or confidence.shape != points.shape[:2]:
            raise ValueError(f"keypoints {points.shape} and confidence {confidence.shape} do not fit together")
        conf = np.clip(np.nan_to_num(confidence, copy=False), 0.0, 1.0, out=confidence)
        _blank_undetected(points, conf)
        points_log.add(points)
        confidence_log.add(conf)
    times = np.array(timestamps_s, dtype=np.float64)
    shots = np.zeros(len(times), dtype=np.int32) if shot is None else np.array(shot, dtype=np.int32)
    return KeypointSequence(points_log.array(), confidence_log.array(), times, shots, provenance, whole_body)
