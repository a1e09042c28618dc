"""The `mediapipe` extractor: MediaPipe's own pose graph on the CPU, one person a picture, for profiles made with it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from keypoint_extractors.cores import usable_cores
from keypoint_extractors.digest import file_sha256
from keypoint_extractors.drawing.figure import draw_speaker
from keypoint_extractors.mediapipe_graph import import_graphs, landmark_graph
from keypoint_extractors.native_logs import native_logs_silenced
from keypoint_extractors.network_threads import NetworkThreads
from keypoint_extractors.observation import Detections, PictureGroup, no_detections
from keypoint_extractors.system_libraries import told_what_is_missing
from poseauth.arrays import UInt8Array
from poseauth.errors import ExtractorMissingError
from poseauth.keypoints import BLAZEPOSE33_ORDER, N_KEYPOINTS, ExtractorFingerprint, select_twelve

_MODELS = ("pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite")
_NOT_INSTALLED = (
    "Only profiles made with it need it. Learn the person anew from their videos: "
    "poseauth enroll --person NAME videos/ --impostor others/ --overwrite. "
    "Or, on Python 3.11 or 3.12: pip install 'poseauth[mediapipe]'"
)
_MIN_VISIBILITY = 0.5
"""BlazePose places every landmark, seen or not; below an even chance of being visible it counts as undetected."""

MIN_CONFIDENCE = 0.5
"""Least confidence, 0 to 1, to find somebody and to go on tracking them."""

GROUP_FRAMES = 32
"""Frames through which somebody is tracked before they are found anew: groups are what runs side by side."""

PICTURE_SIDE = 640
"""The network looks at 256 x 256 pixels around a person; on drawn speakers of a third of the picture's height nothing
is lost at this size (docs/speed.md)."""

MAX_WORKERS = 8
"""Beyond this decoding is what limits."""

_NOBODY = np.zeros((64, 64, 3), np.uint8)
_STANDING = (
    (320, 110), (320, 170), (275, 172), (262, 240), (275, 300), (365, 172), (378, 240), (365, 300),
    (311, 102), (329, 102), (300, 108), (340, 108),
)  # fmt: skip


def mediapipe_fingerprint(*, min_confidence: float = MIN_CONFIDENCE) -> ExtractorFingerprint:
    """What makes its keypoints comparable, found without loading mediapipe.

    Raises
    ------
    ExtractorMissingError
        If mediapipe, or the model inside it, is not there.
    """
    folder, version = _package() / "modules", importlib.metadata.version("mediapipe")
    missing = [name for name in _MODELS if not (folder / name).is_file()]
    if missing:
        raise ExtractorMissingError(
            f"mediapipe {version} lacks the pose model that 0.10.21 carries. "
            "Install that one: pip install 'mediapipe==0.10.21'"
        )
    return ExtractorFingerprint(
        name="mediapipe",
        version=version,
        weights_sha256="+".join(file_sha256(folder / name) for name in _MODELS),
        options={
            "min_confidence": min_confidence,
            "min_visibility": _MIN_VISIBILITY,
            "group_frames": GROUP_FRAMES,
            "picture_side": PICTURE_SIDE,
        },
    )


def _package() -> Path:
    """The folder of mediapipe."""
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise ExtractorMissingError(f"mediapipe is not installed. {_NOT_INSTALLED}")
    return Path(spec.origin).parent


class MediaPipePose:
    """MediaPipe's full pose model, tracking one person from frame to frame, on several groups of frames at once.

    Parameters
    ----------
    min_confidence : float
        Least confidence, 0 to 1, to find somebody and to go on tracking them.
    n_workers : int or None
        Groups at once, each in a thread with a model of its own; None: one a core, at most MAX_WORKERS. It changes
        the speed and the memory, not the result.

    Raises
    ------
    ExtractorMissingError
        If mediapipe, its model or a system library is not there.
    """

    sees_many = False
    sees_hands = False
    group_frames = GROUP_FRAMES
    picture_side = PICTURE_SIDE

    def __init__(self, *, min_confidence: float = MIN_CONFIDENCE, n_workers: int | None = None) -> None:
        self.fingerprint = mediapipe_fingerprint(min_confidence=min_confidence)
        _import_mediapipe()
        trackers = [_Tracker(min_confidence) for _ in range(n_workers or min(MAX_WORKERS, usable_cores()))]
        self._trackers = NetworkThreads(trackers, "blazepose")

    def detect(self, groups: Iterable[PictureGroup]) -> Iterator[list[Detections]]:
        """See `PoseEstimator.detect`: at most one person a frame. Groups know nothing of one another."""
        return self._trackers.map(_Tracker.follow, (group.pictures for group in groups))

    def close(self) -> None:
        """Free the networks; a second call does nothing."""
        for tracker in self._trackers.close():
            tracker.close()


class _Tracker:
    """One running graph of MediaPipe."""

    def __init__(self, min_confidence: float) -> None:
        with native_logs_silenced():
            self._pose: Any = landmark_graph(_package(), min_confidence)
            # The graph starts in threads of its own, and its second network at the first person: a picture of nobody
            # and one of a drawn speaker wait until they have said what they say, which tells a user nothing.
            self._pose.process(_NOBODY)
            self._pose.process(_somebody())

    def follow(self, frames: Sequence[UInt8Array]) -> list[Detections]:
        """One person through consecutive frames, whoever was followed before forgotten."""
        # A picture of nobody ends what was tracked. It leaves the graph as a restart does, bit for bit, at a sixth of
        # its cost.
        if self._pose.process(_NOBODY).pose_landmarks is not None:
            self._pose.reset()
        # The region in which somebody was only detected is not yet that of somebody followed: the first is seen twice.
        self._pose.process(frames[0])
        found = []
        for rgb in frames:
            landmarks = self._pose.process(rgb).pose_landmarks
            found.append(_detections(landmarks, rgb.shape[1], rgb.shape[0]) if landmarks else no_detections())
        return found

    def close(self) -> None:
        """Free the network."""
        self._pose.close()


@cache
def _somebody() -> UInt8Array:
    """A drawn speaker, from the hips up."""
    return draw_speaker(np.array(_STANDING, np.float32), np.ones(N_KEYPOINTS, np.float32), width=640, height=360)


def _import_mediapipe() -> None:
    """Load what runs the network.

    Raises
    ------
    ExtractorMissingError
        If it is not installed or one of its libraries cannot be loaded.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with told_what_is_missing("mediapipe", _NOT_INSTALLED), native_logs_silenced():
        import_graphs()


def _detections(landmarks: Any, width: int, height: int) -> Detections:
    rows = np.array([(mark.x * width, mark.y * height, mark.visibility) for mark in landmarks.landmark], np.float32)
    points, visibility = rows[:, :2], rows[:, 2]
    inside = ((points >= 0) & (points <= (width, height))).all(axis=1)
    confidence = np.where(inside & (visibility >= _MIN_VISIBILITY), np.clip(visibility, 0.0, 1.0), 0.0)
    twelve, conf = select_twelve(points, confidence.astype(np.float32), BLAZEPOSE33_ORDER)
    if not (conf > 0).any():
        return no_detections()
    seen = twelve[conf > 0]
    box = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
    score = np.array([conf[conf > 0].mean()], np.float32)
    return Detections(box[None].astype(np.float32), score, twelve[None], conf[None])
