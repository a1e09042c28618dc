"""Who is who from frame to frame: numbers for people, by where their boxes are, never across a cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

from keypoint_extractors.observation import Detections
from keypoint_extractors.quiet_ultralytics import import_ultralytics
from poseauth.arrays import BoolArray, Float32Array, Int32Array
from poseauth.errors import ExtractorMissingError

LOST_S = 1.0
"""Seconds for which a person who is not detected keeps the number."""

MAX_JUMP = 1.0
"""How far a person alone in a shot may move between two detections and stay the same one, in widths of the box."""

HIGH_SCORE = 0.25
LOW_SCORE = 0.1
NEW_TRACK_SCORE = 0.25
MATCH_DISTANCE = 0.8
"""ByteTrack as ultralytics sets it (bytetrack.yaml): what carries a track on at once, what carries it on where nothing
better is there, what may begin one, and one minus the overlap times the score up to which a box is the track's."""


def track_people(detections: Sequence[Detections], shot: Int32Array, fps: float) -> Iterator[Int32Array]:
    """Number the people in every frame.

    A shot in which some frame has two people or more goes through ultralytics' BYTETracker (Kalman prediction and
    overlap of boxes; no appearance, no compensation of the camera's motion). A shot with never more than one needs
    no ultralytics: a detection carries the number on if its centre is within MAX_JUMP widths of the last one and
    this is at most LOST_S ago. A detection that belongs to no track, such as a single weak one, has a number of its
    own.

    Parameters
    ----------
    detections : sequence of Detections
        One a frame, T frames.
    shot : np.ndarray [shape=(T,)], int32
        Number of the shot, never decreasing.
    fps : float
        Frames a second, above 0.

    Returns
    -------
    iterator of np.ndarray [shape=(P,)], int32
        One a frame: the number of each detection, from 0 on, no number twice in a frame or in two shots.

    Raises
    ------
    ExtractorMissingError
        If two people are in view and ultralytics, or its package lap, is not there.
    """
    if len(detections) != len(shot):
        raise ValueError(f"{len(detections)} frames of detections do not fit {len(shot)} numbers of shots")
    if not fps > 0:
        raise ValueError(f"fps is {fps}; it must be above 0")
    return _tracks(detections, shot, max(1, round(LOST_S * fps)))


def _tracks(detections: Sequence[Detections], shot: Int32Array, n_frames_lost: int) -> Iterator[Int32Array]:
    starts = np.flatnonzero(np.diff(shot)) + 1
    fresh = count()
    for first, last in zip([0, *starts], [*starts, len(shot)], strict=True):
        alone = all(len(detections[frame]) <= 1 for frame in range(first, last))
        link = _link_alone if alone else _link_many
        yield from link((detections[frame] for frame in range(first, last)), n_frames_lost, fresh)


def _link_alone(frames: Iterable[Detections], n_frames_lost: int, fresh: Iterator[int]) -> Iterator[Int32Array]:
    last_box: Float32Array | None = None
    last_frame, number = 0, -1
    for index, people in enumerate(frames):
        if not len(people):
            yield np.zeros(0, np.int32)
            continue
        box = people.boxes[0]
        if last_box is None or index - last_frame > n_frames_lost or not _near(last_box, box):
            number = next(fresh)
        last_box, last_frame = box, index
        yield np.array([number], np.int32)


def _near(first: Float32Array, second: Float32Array) -> bool:
    width = max(first[2] - first[0], second[2] - second[0])
    moved = np.hypot(*((first[:2] + first[2:] - second[:2] - second[2:]) / 2))
    return bool(moved <= MAX_JUMP * width)


def _link_many(frames: Iterable[Detections], n_frames_lost: int, fresh: Iterator[int]) -> Iterator[Int32Array]:
    tracker = _new_tracker(n_frames_lost)
    known: dict[int, int] = {}
    for people in frames:
        tracker.update(_Boxes(people.boxes, people.scores))
        numbered = np.full(len(people), -1, np.int32)
        # Among the tracks of this frame, also those the tracker has seen once only and does not report yet.
        for track in tracker.tracked_stracks:
            if track.frame_id == tracker.frame_id:
                if track.track_id not in known:
                    known[track.track_id] = next(fresh)
                numbered[int(track.idx)] = known[track.track_id]
        for row in np.flatnonzero(numbered < 0):
            numbered[row] = next(fresh)
        yield numbered


def _new_tracker(n_frames_lost: int) -> Any:
    try:
        module = import_ultralytics("trackers.byte_tracker")
    except ExtractorMissingError as error:
        raise ExtractorMissingError(f"Telling two people in view apart needs a tracker. {error}") from error
    settings = SimpleNamespace(
        track_high_thresh=HIGH_SCORE,
        track_low_thresh=LOW_SCORE,
        new_track_thresh=NEW_TRACK_SCORE,
        track_buffer=n_frames_lost,
        match_thresh=MATCH_DISTANCE,
        fuse_score=True,
    )
    return module.BYTETracker(settings)


class _Boxes:
    """Boxes as BYTETracker reads them; those of no extent or not finite have none and are left alone by it."""

    def __init__(self, boxes: Float32Array, scores: Float32Array) -> None:
        finite = np.asarray(np.isfinite(boxes).all(axis=1))
        self._boxes = np.where(finite[:, None], boxes, 0).astype(np.float32)
        self.conf = scores
        self.cls = np.zeros(len(scores), np.float32)

    @property
    def xywh(self) -> Float32Array:
        """Centre and size."""
        corners, ends = self._boxes[:, :2], self._boxes[:, 2:]
        return np.concatenate([(corners + ends) / 2, ends - corners], axis=1)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, rows: BoolArray) -> _Boxes:
        return _Boxes(self._boxes[rows], self.conf[rows])
