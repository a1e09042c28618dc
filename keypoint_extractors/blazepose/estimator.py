"""The `blazepose` extractor: everybody in view, with 33 points of the body and both hands, on the CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import count
from typing import Any

import numpy as np

from keypoint_extractors.blazepose.hand_network import FROM_POSE, MIN_HAND_CONFIDENCE, N_HAND_POINTS, Hand, HandNetwork
from keypoint_extractors.blazepose.model_files import (
    HAND_LANDMARKS,
    HAND_RECROP,
    MODEL_FILES,
    PERSON_DETECTOR,
    POSE_LANDMARKS,
    find_models,
    read_models,
)
from keypoint_extractors.blazepose.people import LOOK_AGAIN_S, MAX_PEOPLE, Followed, PeopleOfShot
from keypoint_extractors.blazepose.person_detector import PersonDetector
from keypoint_extractors.blazepose.pose_network import Pose, PoseNetwork
from keypoint_extractors.cores import usable_cores
from keypoint_extractors.observation import Detections, PictureGroup, no_detections
from poseauth.arrays import Float32Array, Float64Array, UInt8Array
from poseauth.keypoints import (
    BLAZEPOSE33_ORDER,
    MIN_POINTS_OF_HAND,
    ExtractorFingerprint,
    WholeBody,
    select_twelve,
)

VERSION = "1"
"""Of what is done between the networks; another one where its keypoints would be others."""

MIN_CONFIDENCE = 0.5
"""Least confidence, 0 to 1, to find somebody and to go on following them."""
MIN_VISIBILITY = 0.5
"""Every point is placed, seen or not; below an even chance of being visible one of the twelve counts as undetected."""

PICTURE_SIDE = 1280
"""Pixels of the longer side. A hand of a speaker at half of the picture's height is then as large as its network's
input; at 960 hands and wrists lie up to 0.5 % of the shoulder width elsewhere, and at 640 up to 1 %."""

GROUP_FRAMES = 8
_GROUPS_AHEAD = 2
"""Groups whose hands are still looked for while the next bodies are."""
_MOST_THREADS = 4
"""Of one network: beyond these it gets no faster."""

_SAME_HAND = 0.5
"""Two hands of one person whose points lie, in the mean, less than so many palm lengths apart are one hand."""
_STEPS_PER_PIXEL = 16
"""What is kept of hands and body is rounded to sixteenths of a pixel, so that it takes half of the room on disk."""


def blazepose_fingerprint() -> ExtractorFingerprint:
    """What makes the keypoints of `BlazePose` comparable, found without loading a network.

    Raises
    ------
    ModelsNotFoundError
        If a model is not on this machine.
    """
    find_models()
    return ExtractorFingerprint(
        name="blazepose",
        version=VERSION,
        weights_sha256="+".join(model.sha256 for model in MODEL_FILES),
        options={
            "min_confidence": MIN_CONFIDENCE,
            "min_visibility": MIN_VISIBILITY,
            "min_hand_confidence": MIN_HAND_CONFIDENCE,
            "look_again_s": LOOK_AGAIN_S,
            "max_people": MAX_PEOPLE,
            "picture_side": PICTURE_SIDE,
        },
    )


class BlazePose:
    """BlazePose and the hand network of MediaPipe Holistic.

    Bodies are followed from picture to picture in one thread; left and right hands, which hang on them, in one more
    each. The order of the pictures is kept everywhere, so that the result does not depend on the number of threads.

    Parameters
    ----------
    hands : bool
        Whether hands are looked for.
    n_threads : int or None
        Cores to use; None: all. It changes the speed, not the result.

    Raises
    ------
    ModelsNotFoundError
        If a model is not on this machine, or another file bears its name.
    ExtractorMissingError
        If LiteRT, OpenCV or a system library is not there.
    """

    sees_many = True
    group_frames = GROUP_FRAMES
    picture_side = PICTURE_SIDE

    def __init__(self, *, hands: bool = True, n_threads: int | None = None) -> None:
        self.fingerprint = blazepose_fingerprint()
        self.sees_hands = hands
        models = read_models(find_models())
        n_cores = n_threads or usable_cores()
        n_body = min(_MOST_THREADS, max(1, n_cores // 2 if hands else n_cores))
        n_hand = min(_MOST_THREADS, max(1, n_cores // 4))
        self._detector = PersonDetector(models[PERSON_DETECTOR], min_score=MIN_CONFIDENCE, n_threads=n_body)
        self._network = PoseNetwork(models[POSE_LANDMARKS], n_threads=n_body)
        self._hands = [
            HandNetwork(models[HAND_RECROP], models[HAND_LANDMARKS], n_threads=n_hand) for _ in FROM_POSE if hands
        ]
        # One thread a side: what is handed to it is done in that order.
        self._threads: list[Executor] = [
            ThreadPoolExecutor(1, "hands") if n_cores > 1 else _ThisThread() for _ in self._hands
        ]

    def detect(self, groups: Iterable[PictureGroup]) -> Iterator[list[Detections]]:
        """See `PoseEstimator.detect`."""
        numbers = count()
        people: PeopleOfShot | None = None
        waiting: deque[list[_Seen]] = deque()
        try:
            for group in groups:
                if people is None or group.begins_shot:
                    people = PeopleOfShot(self._detector, self._network, min_presence=MIN_CONFIDENCE, numbers=numbers)
                waiting.append(
                    [
                        self._seen(picture, people.follow(picture, time_s))
                        for picture, time_s in zip(group.pictures, group.times_s, strict=True)
                    ]
                )
                if len(waiting) > _GROUPS_AHEAD:
                    yield [seen.detections() for seen in waiting.popleft()]
            while waiting:
                yield [seen.detections() for seen in waiting.popleft()]
        finally:
            for seen in (one for some in waiting for one in some):
                seen.cancel()

    def _seen(self, picture: UInt8Array, people: list[tuple[Followed, Pose]]) -> _Seen:
        height, width = picture.shape[:2]
        hands = [
            [
                thread.submit(_follow_hand, network, picture, person, pose, side)
                for side, (network, thread) in enumerate(zip(self._hands, self._threads, strict=True))
            ]
            for person, pose in people
        ]
        return _Seen(width, height, people, hands)

    def close(self) -> None:
        """End the threads; a second call does nothing."""
        for thread in self._threads:
            thread.shutdown(cancel_futures=True)


class _ThisThread(Executor):
    """Does what it is handed at once."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments, **options))
        return future


def _follow_hand(network: HandNetwork, picture: UInt8Array, person: Followed, pose: Pose, side: int) -> Hand | None:
    person.hands[side] = network.follow(picture, pose, side, person.hands[side])
    return person.hands[side]


class _Seen:
    """The people of one picture, whose hands may still be looked for."""

    def __init__(
        self,
        width: int,
        height: int,
        people: list[tuple[Followed, Pose]],
        hands: list[list[Future[Hand | None]]],
    ) -> None:
        self._size = (width, height)
        self._people = people
        self._hands = hands

    def cancel(self) -> None:
        """Look for no more hands."""
        for futures in self._hands:
            for future in futures:
                future.cancel()

    def detections(self) -> Detections:
        """What was found; waits for the hands."""
        found = [
            (person.number, pose, [future.result() for future in futures])
            for (person, pose), futures in zip(self._people, self._hands, strict=True)
        ]
        twelve = [self._twelve(pose) for _, pose, _ in found]
        kept = [i for i, (_, confidence) in enumerate(twelve) if (confidence > 0).any()]
        if not kept:
            return no_detections()
        keypoints, confidence = (np.stack([twelve[i][part] for i in kept]) for part in (0, 1))
        seen = confidence > 0
        low, high = (
            reduce(np.where(seen[..., None], keypoints, empty), axis=1)
            for reduce, empty in ((np.min, np.inf), (np.max, -np.inf))
        )
        scores = confidence.sum(axis=1) / seen.sum(axis=1)
        return Detections(
            boxes=np.concatenate([low, high], axis=1).astype(np.float32),
            scores=scores.astype(np.float32),
            keypoints=keypoints,
            confidence=confidence,
            whole_body=self._whole_body([found[i][1:] for i in kept]),
            numbers=np.array([found[i][0] for i in kept], np.int32),
        )

    def _twelve(self, pose: Pose) -> tuple[Float32Array, Float32Array]:
        confidence = np.where(self._inside(pose.points) & (pose.visibility >= MIN_VISIBILITY), pose.visibility, 0.0)
        return select_twelve(pose.points.astype(np.float32), confidence.astype(np.float32), BLAZEPOSE33_ORDER)

    def _whole_body(self, people: list[tuple[Pose, list[Hand | None]]]) -> WholeBody:
        body = np.stack([np.column_stack([pose.points, pose.depth]) for pose, _ in people])
        visibility = np.stack([pose.visibility for pose, _ in people]).astype(np.float32)
        if not self._hands[0]:
            return WholeBody(body=_rounded(body), visibility=visibility)
        hands = np.full((len(people), len(FROM_POSE), N_HAND_POINTS, 3), np.nan)
        confidence = np.zeros(hands.shape[:2], np.float32)
        for row, (pose, both) in enumerate(people):
            for side, hand in enumerate(_each_once(pose, both)):
                if hand is not None:
                    inside = self._inside(hand.points[:, :2])
                    if inside.sum() >= MIN_POINTS_OF_HAND:
                        hands[row, side] = np.where(inside[:, None], hand.points, np.nan)
                        confidence[row, side] = hand.confidence
        return WholeBody(_rounded(hands), confidence, _rounded(body), visibility)

    def _inside(self, points: Float64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray(((points >= 0) & (points <= self._size)).all(axis=1))


def _each_once(pose: Pose, hands: list[Hand | None]) -> list[Hand | None]:
    """The hands of a person; where both were found at one place, that of the wrist that is nearer to it alone."""
    left, right = hands
    if left is None or right is None:
        return hands
    palm = np.linalg.norm(left.points[9, :2] - left.points[0, :2])
    if np.linalg.norm(left.points[:, :2] - right.points[:, :2], axis=1).mean() >= _SAME_HAND * palm:
        return hands
    away = [
        np.linalg.norm(hand.points[0, :2] - pose.points[FROM_POSE[side][0]]) for side, hand in enumerate((left, right))
    ]
    return [left, None] if away[0] <= away[1] else [None, right]


def _rounded(points: Float64Array) -> Float32Array:
    return np.asarray(np.round(points * _STEPS_PER_PIXEL) / _STEPS_PER_PIXEL, np.float32)
