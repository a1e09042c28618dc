"""The `mediapipe` extractor: BlazePose on the CPU, one person a picture, its model inside the wheel."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keypoint_extractors.digest import file_sha256
from keypoint_extractors.observation import Detections, no_detections
from keypoint_extractors.system_libraries import told_what_is_missing
from poseauth.arrays import UInt8Array
from poseauth.errors import ExtractorMissingError
from poseauth.keypoints import BLAZEPOSE33_ORDER, ExtractorFingerprint, select_twelve

_MODELS = ("pose_detection/pose_detection.tflite", "pose_landmark/pose_landmark_full.tflite")
_NOT_INSTALLED = "Install it with: pip install 'poseauth[mediapipe]' (Python 3.11 or 3.12), or use --extractor yolo"
_MIN_VISIBILITY = 0.5
"""BlazePose places every landmark, seen or not; below an even chance of being visible it counts as undetected."""


MIN_CONFIDENCE = 0.5
"""Least confidence, 0 to 1, to find somebody and to go on tracking them."""


def blazepose_fingerprint(*, min_confidence: float = MIN_CONFIDENCE) -> ExtractorFingerprint:
    """What makes BlazePose's keypoints comparable, found without loading mediapipe.

    Raises
    ------
    ExtractorMissingError
        If mediapipe, or the model inside it, is not there.
    """
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise ExtractorMissingError(f"mediapipe is not installed. {_NOT_INSTALLED}")
    version = importlib.metadata.version("mediapipe")
    folder = Path(spec.origin).parent / "modules"
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
        options={"min_confidence": min_confidence, "min_visibility": _MIN_VISIBILITY},
    )


class BlazePose:
    """MediaPipe's full pose model, tracking one person from frame to frame.

    Parameters
    ----------
    min_confidence : float
        Least confidence, 0 to 1, to find somebody and to go on tracking them.

    Raises
    ------
    ExtractorMissingError
        If mediapipe, its model or a system library is not there.
    """

    sees_many = False
    batch_size = 1

    def __init__(self, *, min_confidence: float = MIN_CONFIDENCE) -> None:
        self.fingerprint = blazepose_fingerprint(min_confidence=min_confidence)
        mediapipe = import_mediapipe()
        with _native_logs_silenced():
            self._pose: Any = mediapipe.solutions.pose.Pose(
                static_image_mode=False,
                model_complexity=1,
                # Smoothing mixes a frame with what was before it, so that movement would depend on the frame rate.
                smooth_landmarks=False,
                min_detection_confidence=min_confidence,
                min_tracking_confidence=min_confidence,
            )
            # The graph starts in threads of its own: a first picture waits until they have said what they say.
            self._pose.process(np.zeros((64, 64, 3), np.uint8))
        self._found_once = False

    def detect(self, frames: Sequence[UInt8Array], starts_shot: Sequence[bool]) -> list[Detections]:
        """See `PoseEstimator.detect`: at most one person a frame."""
        found = []
        for rgb, starts in zip(frames, starts_shot, strict=True):
            # Until the graph has found somebody once it has warnings to give, which say nothing to a user.
            with _native_logs_silenced() if starts or not self._found_once else contextlib.nullcontext():
                if starts:
                    self._pose.reset()
                landmarks = self._pose.process(rgb).pose_landmarks
            self._found_once |= landmarks is not None
            found.append(_detections(landmarks, rgb.shape[1], rgb.shape[0]) if landmarks else no_detections())
        return found

    def close(self) -> None:
        """Free the network."""
        self._pose.close()


def import_mediapipe() -> Any:
    """The mediapipe package.

    Raises
    ------
    ExtractorMissingError
        If it is not installed or one of its libraries cannot be loaded.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with told_what_is_missing("mediapipe", _NOT_INSTALLED), _native_logs_silenced():
        import mediapipe
    return mediapipe


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


@contextlib.contextmanager
def _native_logs_silenced() -> Iterator[None]:
    """Keep the C++ side from writing to the terminal; Python's own errors still come through."""
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
