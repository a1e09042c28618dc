"""Poses of a whole video in one JSON file: MMPose's predictions, and OpenPose's frames in a list, as DWPose has them.

MMPose: {"instance_info": [{"frame_id": 0, "instances": [{"keypoints": [[x, y], ...], "keypoint_scores": [...]}]}]}, or
that list alone, of COCO's 17 points or COCO-WholeBody's 133. OpenPose's frames: [{"people": [...], "canvas_width": 640,
"canvas_height": 360}, ...]. Neither tells the rate, and the first not the size of the picture.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from keypoint_extractors.observation import Observation
from keypoint_extractors.openpose_json import (
    DEFAULT_FPS,
    LAYOUTS,
    MAX_COORDINATE,
    MAX_PEOPLE,
    PoseFrame,
    checked_numbers,
    frame_of,
    observe_frames,
    parsed_json,
)
from poseauth.errors import KeypointFileError
from poseauth.keypoints import COCO17_ORDER, WHOLEBODY133_HANDS, ExtractorFingerprint

SUFFIX = ".json"
MAX_FILE_BYTES = 1 << 30
"""An hour of one person with 133 points takes a third of it."""
MIN_SCORE = 0.3
"""MMPose gives every point a score; below this, its own limit for drawing, a point counts as undetected."""

_MAX_FRAME_NUMBER = 10**12
_LAYOUTS = {17: "COCO-17", 133: "COCO-WholeBody"}


def read_pose_json(path: Path, *, fps: float = DEFAULT_FPS) -> Observation:
    """Everybody in such a file.

    Parameters
    ----------
    path : Path
        The file.
    fps : float
        Frames a second of the video, above 0. Frame n is at n / fps seconds.

    Returns
    -------
    Observation
        One shot, since the file tells of no cuts; people numbered by track_people.

    Raises
    ------
    KeypointFileError
        If it is not one of these files, or too large, or a number in it is out of range.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise KeypointFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if size > MAX_FILE_BYTES:
        raise KeypointFileError(f"{path} has {size / 1e6:.0f} MB; {MAX_FILE_BYTES / 1e6:.0f} at most")
    document = parsed_json(path, content)
    digest = hashlib.sha256(content).hexdigest()
    entries = document.get("instance_info") if isinstance(document, dict) else document
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise _unknown(path)
    if all("people" in entry for entry in entries):
        frames = [frame_of(path, number, entry) for number, entry in enumerate(entries)]
        widths = {frame.people.shape[1] * 3 for frame in frames if frame.people is not None} or {54}
        if len(widths) > 1:
            raise KeypointFileError(f"{path} mixes layouts: lists of {sorted(widths)} numbers")
        layout, order = LAYOUTS[widths.pop()]
        fingerprint = ExtractorFingerprint("openpose", "json", "", {"layout": layout})
        return observe_frames(path, frames, order, fingerprint, digest, fps=fps, frame_size=_canvas(entries))
    if not all("instances" in entry for entry in entries):
        raise _unknown(path)
    frames = sorted((_mmpose_frame(path, entry) for entry in entries), key=lambda frame: frame.number)
    numbers = [frame.number for frame in frames]
    if len(set(numbers)) < len(numbers):
        raise KeypointFileError(f"{path} has two frames of one number")
    counts = {frame.people.shape[1] for frame in frames if frame.people is not None} or {17}
    if len(counts) > 1:
        raise KeypointFileError(f"{path} mixes layouts: people of {sorted(counts)} points")
    layout = _LAYOUTS[counts.pop()]
    fingerprint = ExtractorFingerprint("mmpose", "json", "", {"layout": layout, "min_score": MIN_SCORE})
    return observe_frames(path, frames, COCO17_ORDER, fingerprint, digest, fps=fps)


def _mmpose_frame(path: Path, entry: dict[str, Any]) -> PoseFrame:
    number, instances = entry.get("frame_id"), entry["instances"]
    if type(number) is not int or not 0 <= number < _MAX_FRAME_NUMBER or not isinstance(instances, list):
        raise _unknown(path)
    if len(instances) > MAX_PEOPLE:
        raise KeypointFileError(f"{path} has {len(instances)} people in a frame; at most {MAX_PEOPLE} are read")
    rows = []
    for instance in instances:
        points, scores = (
            instance.get(name) if isinstance(instance, dict) else None for name in ("keypoints", "keypoint_scores")
        )
        if not isinstance(points, list) or not isinstance(scores, list) or len(points) != len(scores):
            raise _unknown(path)
        if len(points) not in _LAYOUTS:
            raise KeypointFileError(
                f"{path}: a person has {len(points)} points; 17 (COCO) or 133 (COCO-WholeBody) are read"
            )
        if not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise KeypointFileError(f"{path}: a point is no pair of x and y")
        # SimCC networks give scores that pass 1.
        sure = [min(score, 1.0) if type(score) in (int, float) else score for score in scores]
        flat = [value for point, score in zip(points, sure, strict=True) for value in (*point, score)]
        row = checked_numbers(path, "keypoints", flat).reshape(-1, 3)
        row[row[:, 2] < MIN_SCORE] = 0.0
        if row[:17, 2].any():
            rows.append(row)
    if not rows:
        return PoseFrame(number, None)
    people = np.array(rows) if len({len(row) for row in rows}) == 1 else None
    if people is None:
        raise KeypointFileError(f"{path} mixes layouts within a frame")
    hands = people[:, WHOLEBODY133_HANDS] if people.shape[1] == 133 else None
    return PoseFrame(number, people, hands)


def _canvas(entries: list[dict[str, Any]]) -> tuple[int, int] | None:
    """The size of the picture, where every frame tells the same."""
    sizes = {(entry.get("canvas_width"), entry.get("canvas_height")) for entry in entries}
    width, height = sizes.pop()
    if sizes or type(width) is not int or type(height) is not int:
        return None
    return (width, height) if min(width, height) > 0 and max(width, height) <= MAX_COORDINATE else None


def _unknown(path: Path) -> KeypointFileError:
    return KeypointFileError(
        f"{path}: not a JSON file of poses that is known (MMPose's predictions of a video, or a list of OpenPose's "
        "frames). Give the folder that OpenPose wrote, or write keypoints as .npz (docs/files.md)"
    )
