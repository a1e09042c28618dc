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
    N_HAND_POINTS,
    OPENPOSE_BODY25_ORDER,
    OPENPOSE_COCO18_ORDER,
    Coverage,
    ExtractorFingerprint,
    KeypointSequence,
    WholeBody,
    hands_without_depth,
    select_twelve,
)

DEFAULT_FPS = 30.0
FILE_PATTERN = re.compile(r"(\d{1,12})_keypoints\.json")
HANDS = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")
"""Lists of 63 numbers each, where --hand was given."""
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
class PoseFrame:
    """One frame of a layout, as a file tells it.

    Attributes
    ----------
    number : int
        Of the frame.
    people : np.ndarray [shape=(P, M, 3)], float64, or None
        x, y, confidence of the M points of each person, 0 where undetected; None where nobody is there.
    hands : np.ndarray [shape=(P, 2, 21, 3)], float64, or None
        Left and right hand of each likewise; None where nothing is told of hands.
    """

    number: int
    people: Float64Array | None
    hands: Float64Array | None = None


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
    layout = LAYOUTS[_layout_width(folder, frames, [path for _, path in paths])]
    fingerprint = ExtractorFingerprint("openpose", "json", "", {"layout": layout[0]})
    return observe_frames(folder, frames, layout[1], fingerprint, digest.hexdigest(), fps=fps, frame_size=frame_size)


def observe_frames(
    source: Path,
    frames: Sequence[PoseFrame],
    order: tuple[int | None, ...],
    extractor: ExtractorFingerprint,
    digest: str,
    *,
    fps: float,
    frame_size: tuple[int, int] | None = None,
) -> Observation:
    """Everybody in the frames of a layout, as one shot.

    Parameters
    ----------
    source : Path
        What was read.
    frames : sequence of PoseFrame
        In the order of their numbers.
    order : tuple
        Where the twelve are among the points, as in `select_twelve`.
    extractor, digest
        What made the points, and the SHA-256 of what was read.
    fps, frame_size
        As in `read_openpose_folder`.

    Raises
    ------
    KeypointFileError
        If the coordinates are shares of the frame.
    """
    _refuse_normalised(source, frames)
    hands_asked = any(frame.hands is not None for frame in frames)
    detections = [_detections(frame, order, hands=hands_asked) for frame in frames]
    numbers = np.array([frame.number for frame in frames], np.int64)
    return observation_from(
        DetectionLog(detections),
        _tracks(detections, numbers, fps),
        numbers / fps,
        np.zeros(len(frames), np.int32),
        frame_size=frame_size or _extent(frames),
        sees_many=True,
        coverage=Coverage(n_promised=None, n_decoded=len(frames), n_kept=len(frames)),
        extractor=extractor,
        source_name=source.name,
        source_sha256=digest,
        hands_asked=hands_asked,
    )


def write_openpose_folder(sequence: KeypointSequence, folder: str | Path, *, fps: float | None = None) -> float:
    """Write a sequence as OpenPose does: COCO-18 and hands, one file a frame, zeros where nothing was detected.

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
    hands = _hand_triples(sequence.whole_body)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(FILE_PATTERN.search(path.name) for path in folder.iterdir()):
            raise StorageError(f"{folder} holds OpenPose frames already; name another folder, or remove them")
        for row, number in enumerate(numbers):
            person = {"person_id": [-1], "pose_keypoints_2d": np.round(triples[row], 4).ravel().tolist()}
            person |= {name: np.round(hand[row], 4).ravel().tolist() for name, hand in hands.items()}
            people = [person] if sequence.seen[row].any() else []
            text = json.dumps({"version": WRITTEN_VERSION, "people": people})
            (folder / f"frame_{number:012d}_keypoints.json").write_text(text, encoding="ascii")
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error}") from error
    return used_fps


def _hand_triples(whole: WholeBody | None) -> dict[str, Float64Array]:
    """x, y, confidence of the points of each hand [shape=(T, 21, 3)] by OpenPose's names; none where none are known."""
    if whole is None or whole.hands is None or whole.hand_confidence is None:
        return {}
    seen = np.asarray(np.isfinite(whole.hands[..., :2]).all(axis=-1))
    points = np.where(seen[..., None], whole.hands[..., :2], 0)
    confidence = np.where(seen, whole.hand_confidence[..., None], 0)
    triples = np.concatenate([points, confidence[..., None]], axis=-1).astype(np.float64)
    return {name: triples[:, side] for side, name in enumerate(HANDS)}


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


def _read_frame(path: Path, number: int, digest: Any) -> PoseFrame:
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
    return frame_of(path, number, parsed_json(path, content))


def parsed_json(path: Path, content: bytes) -> Any:
    """The document in a JSON file.

    Raises
    ------
    KeypointFileError
        If it is none.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    # A number of ten thousand digits is a ValueError too, deep nesting a RecursionError.
    except (ValueError, RecursionError) as error:
        raise KeypointFileError(f"{path} is not the JSON of poses: {error}") from error


def frame_of(path: Path, number: int, document: Any) -> PoseFrame:
    """A frame of OpenPose's, from what its JSON says.

    Raises
    ------
    KeypointFileError
        If it says something else.
    """
    people = document.get("people") if isinstance(document, dict) else None
    if not isinstance(people, list):
        raise KeypointFileError(f'{path} has no list "people"')
    if len(people) > MAX_PEOPLE:
        raise KeypointFileError(f"{path} has {len(people)} people; at most {MAX_PEOPLE} are read")
    somebody = [(row, _hands(path, person)) for person in people if (row := _person(path, person)) is not None]
    rows, hands = [row for row, _ in somebody], [found for _, found in somebody]
    if len({len(row) for row in rows}) > 1:
        raise KeypointFileError(f"{path} mixes layouts: lists of {sorted({len(row) for row in rows})} numbers")
    if not rows:
        return PoseFrame(number, None)
    none = np.zeros((2, N_HAND_POINTS, 3))
    both = [none if found is None else found for found in hands]
    known = any(found is not None for found in hands)
    return PoseFrame(number, np.array(rows).reshape(len(rows), -1, 3), np.array(both) if known else None)


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
    row = checked_numbers(path, "pose_keypoints_2d", numbers)
    return row if (row[2::3] > 0).any() else None


def _hands(path: Path, person: Any) -> Float64Array | None:
    """Both hands of a person [shape=(2, 21, 3)], None where the person has no list of either."""
    lists = [person.get(name) for name in HANDS]
    if not any(lists):
        return None
    hands = np.zeros((2, N_HAND_POINTS, 3))
    for side, numbers in enumerate(lists):
        if not numbers:
            continue
        if not isinstance(numbers, list) or len(numbers) != 3 * N_HAND_POINTS:
            raise KeypointFileError(f'{path}: "{HANDS[side]}" is no list of {3 * N_HAND_POINTS} numbers')
        hands[side] = checked_numbers(path, HANDS[side], numbers).reshape(-1, 3)
    return hands


def checked_numbers(path: Path, name: str, numbers: list[Any]) -> Float64Array:
    """A list of x, y, confidence, x, y, ... as it is.

    Raises
    ------
    KeypointFileError
        If a number is none, not finite or out of range.
    """
    if not all(type(number) in (int, float) for number in numbers):
        raise KeypointFileError(f'{path}: "{name}" holds something that is not a number')
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
    return row


def _layout_width(folder: Path, frames: Sequence[PoseFrame], paths: Sequence[Path]) -> int:
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


def _refuse_normalised(folder: Path, frames: Sequence[PoseFrame]) -> None:
    """Coordinates of 0 to 1, or -1 to 1, are shares of a frame whose size the files do not tell."""
    seen = [frame.people[frame.people[..., 2] > 0] for frame in frames if frame.people is not None]
    if seen and all(np.abs(points[:, :2]).max() <= 1 for points in seen):
        raise KeypointFileError(
            f"{folder}: every coordinate lies within -1 and 1, so they are shares of the frame, not pixels. Run "
            "OpenPose with --keypoint_scale 0"
        )


def _extent(frames: Sequence[PoseFrame]) -> tuple[int, int]:
    corners = [
        frame.people[frame.people[..., 2] > 0][:, :2].max(axis=0) for frame in frames if frame.people is not None
    ]
    if not corners:
        return 0, 0
    x, y = np.max(corners, axis=0)
    return max(1, int(np.floor(x)) + 1), max(1, int(np.floor(y)) + 1)


def _detections(frame: PoseFrame, order: tuple[int | None, ...], *, hands: bool) -> Detections:
    if frame.people is None:
        return no_detections()
    whole = None
    if hands:
        known = np.zeros((len(frame.people), 2, N_HAND_POINTS, 3)) if frame.hands is None else frame.hands
        whole = WholeBody(*hands_without_depth(known[..., :2].astype(np.float32), known[..., 2].astype(np.float32)))
    confidence = np.clip(frame.people[..., 2], 0, 1).astype(np.float32)
    seen = confidence > 0
    points = np.where(seen[..., None], frame.people[..., :2], np.nan).astype(np.float32)
    boxes: Float32Array = np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)
    scores = (confidence.sum(axis=1) / seen.sum(axis=1)).astype(np.float32)
    keypoints, twelve = select_twelve(points, confidence, order)
    return Detections(boxes, scores, keypoints, twelve, whole)


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
