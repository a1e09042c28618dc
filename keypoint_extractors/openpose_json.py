"""OpenPose's JSON folders: one file a frame, named ..._000000000012_keypoints.json, everybody in view in each.

The files carry no times and no frame size: both come from the caller, or are estimated as `read_openpose_folder` says.
Numbers of frames that are missing are gaps in time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from keypoint_extractors.observation import DetectionLog, Detections, Observation, no_detections, observation_from
from keypoint_extractors.tracking import LOST_S, track_people
from poseauth.arrays import Float32Array, Float64Array, Int32Array
from poseauth.errors import KeypointFileError, StorageError
from poseauth.keypoints import (
    OPENPOSE_BODY25_ORDER,
    OPENPOSE_COCO18_ORDER,
    Coverage,
    ExtractorFingerprint,
    KeypointSequence,
    select_twelve,
)

DEFAULT_FPS = 30.0
FILE_PATTERN = re.compile(r"(\d{1,12})_keypoints\.json")
LAYOUTS = {54: ("COCO-18", OPENPOSE_COCO18_ORDER), 75: ("BODY_25", OPENPOSE_BODY25_ORDER)}
"""Length of a person's list of x, y, confidence; its name and where the twelve are."""

MAX_FILE_BYTES = 4 << 20
"""A frame with a hundred people, hands and faces takes half of it."""

MAX_PEOPLE = 200
MAX_COORDINATE = 100_000.0
"""Pixels, in either direction."""

MAX_CONFIDENCE = 1.5
"""OpenPose's confidences pass 1 by a little; they are cut off at 1."""

WRITTEN_VERSION = 1.3


@dataclass(frozen=True)
class _Frame:
    """One file: x, y, confidence of each person, float64 [shape=(P, 18 or 25, 3)]; None where nobody is in it."""

    number: int
    people: Float64Array | None


def read_openpose_folder(
    folder: str | Path, *, fps: float = DEFAULT_FPS, frame_size: tuple[int, int] | None = None
) -> Observation:
    """Everybody in a folder that OpenPose wrote with --write_json.

    Parameters
    ----------
    folder : str or Path
        Holds a file ending in <number>_keypoints.json for each frame; other files are left alone.
    fps : float
        Frames a second of the video, above 0. Frame n is at n / fps seconds.
    frame_size : tuple of int or None
        Width and height of the frames in pixels; None takes the smallest that holds every keypoint.

    Returns
    -------
    Observation
        One shot, since the files tell of no cuts; people numbered by track_people.

    Raises
    ------
    KeypointFileError
        If the folder has no such file, two of one number, or one that is too large, not JSON, of another layout, or
        with numbers that are not finite, out of range, or normalised to the frame. The message names the file.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps}; it must be finite and above 0")
    folder = Path(folder)
    paths = _frame_paths(folder)
    digest = hashlib.sha256()
    frames = [_read_frame(path, number, digest) for number, path in paths]
    width = _layout_width(folder, frames, [path for _, path in paths])
    _refuse_normalised(folder, frames)
    width_px, height_px = frame_size or _extent(frames)
    detections = [_detections(frame, LAYOUTS[width][1]) for frame in frames]
    numbers = np.array([frame.number for frame in frames], np.int64)
    tracks = _tracks(detections, numbers, fps)
    return observation_from(
        DetectionLog(detections),
        tracks,
        numbers / fps,
        np.zeros(len(frames), np.int32),
        frame_size=(width_px, height_px),
        sees_many=True,
        coverage=Coverage(n_promised=None, n_decoded=len(frames), n_kept=len(frames)),
        extractor=ExtractorFingerprint("openpose", "json", "", {"layout": LAYOUTS[width][0]}),
        source_name=folder.name,
        source_sha256=digest.hexdigest(),
    )


def write_openpose_folder(sequence: KeypointSequence, folder: str | Path, *, fps: float | None = None) -> float:
    """Write a sequence as OpenPose does: COCO-18, one file a frame, zeros where nothing was detected.

    Parameters
    ----------
    sequence : KeypointSequence
        The person's keypoints; legs are written as undetected.
    folder : str or Path
        Made if missing; must hold no OpenPose frames yet.
    fps : float or None
        Numbers the frames: n is the time in seconds times fps. None takes one over the median step, which keeps gaps.

    Returns
    -------
    float
        The fps used, for `read_openpose_folder`.

    Raises
    ------
    ValueError
        If two frames get one number, since fps is below the sequence's own.
    StorageError
        If the folder cannot be written or has frames already.
    """
    folder = Path(folder)
    steps = np.diff(sequence.timestamps_s)
    used_fps = fps or (1 / float(np.median(steps)) if len(steps) else DEFAULT_FPS)
    numbers = np.round(sequence.timestamps_s * used_fps).astype(np.int64)
    if (np.diff(numbers) <= 0).any() or (numbers < 0).any():
        raise ValueError(f"at {used_fps:g} frames a second two frames of the sequence have one number; give more fps")
    triples = np.zeros((len(sequence), 18, 3))
    order = list(OPENPOSE_COCO18_ORDER)
    triples[:, order, :2] = np.where(sequence.seen[..., None], sequence.keypoints, 0)
    triples[:, order, 2] = sequence.confidence
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(FILE_PATTERN.search(path.name) for path in folder.iterdir()):
            raise StorageError(f"{folder} holds OpenPose frames already; name another folder, or remove them")
        for number, triple, seen in zip(numbers, triples, np.asarray(sequence.seen.any(axis=1)), strict=True):
            people = [{"person_id": [-1], "pose_keypoints_2d": np.round(triple, 4).ravel().tolist()}] if seen else []
            text = json.dumps({"version": WRITTEN_VERSION, "people": people})
            (folder / f"frame_{number:012d}_keypoints.json").write_text(text, encoding="ascii")
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error}") from error
    return used_fps


def _frame_paths(folder: Path) -> list[tuple[int, Path]]:
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        raise KeypointFileError(f"{folder} cannot be read as an OpenPose folder: {error.strerror or error}") from error
    by_number: dict[int, Path] = {}
    for path in names:
        match = FILE_PATTERN.search(path.name)
        if match is None or match.end() != len(path.name):
            continue
        other = by_number.setdefault(int(match[1]), path)
        if other != path:
            raise KeypointFileError(
                f"{folder}: {other.name} and {path.name} are both frame {int(match[1])}. Give one folder a video"
            )
    if not by_number:
        raise KeypointFileError(
            f"{folder} has no file that ends in <frame number>_keypoints.json. OpenPose writes them with --write_json"
        )
    return sorted(by_number.items())


def _read_frame(path: Path, number: int, digest: Any) -> _Frame:
    try:
        if not path.is_file():
            raise KeypointFileError(f"{path} is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeypointFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise KeypointFileError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB, which no frame of OpenPose is")
    digest.update(f"{number} {len(content)}\n".encode() + content)
    try:
        document = json.loads(content, parse_constant=_refuse_constant)
    # A number of ten thousand digits is a ValueError too, deep nesting a RecursionError.
    except (ValueError, RecursionError) as error:
        raise KeypointFileError(f"{path} is not the JSON of OpenPose: {error}") from error
    people = document.get("people") if isinstance(document, dict) else None
    if not isinstance(people, list):
        raise KeypointFileError(f'{path} has no list "people"')
    if len(people) > MAX_PEOPLE:
        raise KeypointFileError(f"{path} has {len(people)} people; at most {MAX_PEOPLE} are read")
    rows = [row for person in people if (row := _person(path, person)) is not None]
    if len({len(row) for row in rows}) > 1:
        raise KeypointFileError(f"{path} mixes layouts: lists of {sorted({len(row) for row in rows})} numbers")
    return _Frame(number, np.array(rows).reshape(len(rows), -1, 3) if rows else None)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _person(path: Path, person: Any) -> Float64Array | None:
    """The numbers of one person, None where nothing of the body was detected."""
    numbers = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
    if not isinstance(numbers, list):
        raise KeypointFileError(f'{path}: a person has no list "pose_keypoints_2d"')
    if not numbers:
        return None
    if len(numbers) not in LAYOUTS:
        raise KeypointFileError(f"{path}: a person has {len(numbers)} numbers; 54 (COCO-18) or 75 (BODY_25) are needed")
    if not all(type(number) in (int, float) for number in numbers):
        raise KeypointFileError(f'{path}: "pose_keypoints_2d" holds something that is not a number')
    try:
        row = np.array(numbers, dtype=np.float64)
    except OverflowError as error:
        raise KeypointFileError(f"{path}: a number is too large") from error
    x_y, confidence = row.reshape(-1, 3)[:, :2], row[2::3]
    if not np.isfinite(row).all() or np.abs(x_y).max() > MAX_COORDINATE:
        raise KeypointFileError(f"{path}: a coordinate is not within {MAX_COORDINATE:.0f} pixels")
    if confidence.min() < 0 or confidence.max() > MAX_CONFIDENCE:
        raise KeypointFileError(
            f"{path}: confidences of {confidence.min():g} to {confidence.max():g}; 0 to 1 is needed"
        )
    return row if (confidence > 0).any() else None


def _layout_width(folder: Path, frames: Sequence[_Frame], paths: Sequence[Path]) -> int:
    widths: dict[int, Path] = {}
    for frame, path in zip(frames, paths, strict=True):
        if frame.people is not None:
            widths.setdefault(frame.people.shape[1] * 3, path)
    if len(widths) > 1:
        (first, first_path), (second, second_path) = list(widths.items())[:2]
        raise KeypointFileError(
            f"{folder} mixes layouts: {first_path.name} is {LAYOUTS[first][0]}, {second_path.name} {LAYOUTS[second][0]}"
        )
    return next(iter(widths), 54)


def _refuse_normalised(folder: Path, frames: Sequence[_Frame]) -> None:
    """Coordinates of 0 to 1, or -1 to 1, are shares of a frame whose size the files do not tell."""
    seen = [frame.people[frame.people[..., 2] > 0] for frame in frames if frame.people is not None]
    if seen and all(np.abs(points[:, :2]).max() <= 1 for points in seen):
        raise KeypointFileError(
            f"{folder}: every coordinate lies within -1 and 1, so they are shares of the frame, not pixels. Run "
            "OpenPose with --keypoint_scale 0"
        )


def _extent(frames: Sequence[_Frame]) -> tuple[int, int]:
    corners = [
        frame.people[frame.people[..., 2] > 0][:, :2].max(axis=0) for frame in frames if frame.people is not None
    ]
    if not corners:
        return 0, 0
    x, y = np.max(corners, axis=0)
    return max(1, int(np.floor(x)) + 1), max(1, int(np.floor(y)) + 1)


def _detections(frame: _Frame, order: tuple[int | None, ...]) -> Detections:
    if frame.people is None:
        return no_detections()
    confidence = np.clip(frame.people[..., 2], 0, 1).astype(np.float32)
    seen = confidence > 0
    points = np.where(seen[..., None], frame.people[..., :2], np.nan).astype(np.float32)
    boxes: Float32Array = np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)
    scores = (confidence.sum(axis=1) / seen.sum(axis=1)).astype(np.float32)
    keypoints, twelve = select_twelve(points, confidence, order)
    return Detections(boxes, scores, keypoints, twelve)


def _tracks(detections: Sequence[Detections], numbers: Int32Array | Any, fps: float) -> list[Int32Array]:
    """Numbers of people; frames that are missing count as frames with nobody, as far as that makes a difference."""
    longest = round(LOST_S * fps) + 1
    filled: list[Detections] = []
    places = []
    for people, gap in zip(detections, np.diff(numbers, prepend=numbers[0] - 1), strict=True):
        filled.extend([no_detections()] * (min(int(gap) - 1, longest)))
        places.append(len(filled))
        filled.append(people)
    tracks = list(track_people(filled, np.zeros(len(filled), np.int32), fps))
    return [tracks[place] for place in places]
