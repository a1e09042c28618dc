"""One piece of work of `speed.py`, in a process of its own: python benchmarks/speed_tasks.py TASK '{"option": ...}'.

What a task found is printed as one JSON object on the last line. "plain" tasks are what a user would write without
poseauth; the others are poseauth.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

COCO_TO_TWELVE = (0, 6, 8, 10, 5, 7, 9, 2, 1, 4, 3)
"""Rows of COCO-17 in our order, the neck left out."""
KEPT = ("boxes", "keypoints", "confidence", "scores")
"""Arrays of an Observation that are held against the plain loop's."""


def plain_yolo(
    videos: list[str], weights: str, device: str = "cpu", batch: int = 1, keep: str | None = None
) -> dict[str, Any]:
    """The loop of ultralytics' own documentation, and the most confident person's keypoints of each frame."""
    from ultralytics import YOLO

    model = YOLO(weights)
    # 640 is what the published weights default to; the small network at hand would ask for the 256 it learnt at.
    options = {
        "verbose": False,
        "save": False,
        "device": device,
        "conf": 0.1,
        "nms": False,
        "batch": batch,
        "imgsz": 640,
    }
    model.predict(np.zeros((720, 1280, 3), np.uint8), **options)
    boxes, points = [], []
    started = time.perf_counter()
    for video in videos:
        for result in model.predict(video, stream=True, **options):
            found = len(result.boxes) > 0
            boxes.append(result.boxes.xyxy[0].cpu().numpy() if found else np.full(4, np.nan))
            keypoints = result.keypoints.data[0].cpu().numpy() if found else np.full((17, 3), np.nan)
            shoulders = keypoints[[5, 6]].mean(axis=0)
            points.append(np.concatenate([keypoints[list(COCO_TO_TWELVE)], shoulders[None]]))
    seconds = time.perf_counter() - started
    if keep:
        np.savez(keep, boxes=np.array(boxes), points=np.array(points))
    return {"frames": len(points), "seconds": seconds}


def plain_mediapipe(video: str) -> dict[str, Any]:
    """The loop of MediaPipe's own documentation over OpenCV."""
    import cv2
    import mediapipe

    n_frames, points = 0, []
    with mediapipe.solutions.pose.Pose() as pose:
        pose.process(np.zeros((720, 1280, 3), np.uint8))
        started = time.perf_counter()
        capture = cv2.VideoCapture(video)
        while True:
            more, picture = capture.read()
            if not more:
                break
            landmarks = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
            if landmarks:
                points.append([(mark.x, mark.y, mark.visibility) for mark in landmarks.landmark])
            n_frames += 1
    return {"frames": n_frames, "seconds": time.perf_counter() - started}


def plain_holistic(video: str, smooth: bool = True, keep: str | None = None) -> dict[str, Any]:
    """The loop of MediaPipe's own documentation over OpenCV: body, face and hands."""
    import cv2
    import mediapipe

    body, hands = [], []
    with mediapipe.solutions.holistic.Holistic(smooth_landmarks=smooth) as holistic:
        holistic.process(np.zeros((720, 1280, 3), np.uint8))
        started = time.perf_counter()
        capture = cv2.VideoCapture(video)
        while True:
            more, picture = capture.read()
            if not more:
                break
            found = holistic.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
            size = picture.shape[1], picture.shape[0], picture.shape[1]
            body.append(_in_pixels(found.pose_landmarks, 33, size))
            both = (found.left_hand_landmarks, found.right_hand_landmarks)
            hands.append([_in_pixels(hand, 21, size) for hand in both])
        seconds = time.perf_counter() - started
    if keep:
        np.savez(keep, body=np.array(body), hands=np.array(hands))
    return {"frames": len(body), "seconds": seconds}


def _in_pixels(landmarks: Any, n_points: int, size: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    if landmarks is None:
        return np.full((n_points, 3), np.nan)
    return np.array([(point.x, point.y, point.z) for point in landmarks.landmark]) * size


def extract(
    videos: list[str],
    extractor: str,
    weights: str | None = None,
    device: str = "auto",
    hands: bool = False,
    workers: int | None = None,
    keep: str | None = None,
    keep_whole_body: str | None = None,
) -> dict[str, Any]:
    """Extraction by poseauth; the network is loaded before the clock starts."""
    from keypoint_extractors.extraction import observe_video
    from keypoint_extractors.following import follow
    from keypoint_extractors.registry import ExtractorOptions, choose_extractor

    options = ExtractorOptions(weights=weights, device=device, n_threads=workers, hands=hands)
    estimator = choose_extractor(extractor, options).open_estimator()
    if extractor == "yolo":
        from keypoint_extractors.observation import PictureGroup

        list(estimator.detect([PictureGroup([np.zeros((360, 640, 3), np.uint8)], [0.0], True)]))
    started = time.perf_counter()
    seen = [observe_video(Path(video), estimator, source_sha256="0" * 64) for video in videos]
    seconds = time.perf_counter() - started
    estimator.close()
    if keep_whole_body:
        whole = follow(seen[0]).whole_body
        assert whole is not None
        np.savez(keep_whole_body, body=whole.body, visibility=whole.visibility, hands=whole.hands)
    if keep:
        n_frames = [len(one.timestamps_s) for one in seen]
        first = np.cumsum([0, *n_frames[:-1]])
        rows = {name: np.concatenate([getattr(one, name) for one in seen]) for name in KEPT}
        frame = np.concatenate([one.frame + start for one, start in zip(seen, first, strict=True)])
        np.savez(keep, frame=frame, n_frames=sum(n_frames), **rows)
    return {"frames": sum(one.coverage.n_decoded for one in seen), "seconds": seconds}


def decode(video: str, picture_side: int = 640) -> dict[str, Any]:
    """Decoding, scaling and the search for cuts alone: the limit of every extractor."""
    from keypoint_extractors.shots import number_shots
    from keypoint_extractors.video import VideoReader

    reader = VideoReader(Path(video), picture_side=picture_side)
    started = time.perf_counter()
    for _ in number_shots(iter(reader)):
        pass
    return {"frames": reader.coverage.n_decoded, "seconds": time.perf_counter() - started}


def train(recipe: str, device: str = "cpu", speech_s: float = 60.0, epochs: int | None = None) -> dict[str, Any]:
    """One training, no self-test: a person against two others, two speeches each; `epochs` cuts the recipe short."""
    from dataclasses import replace

    from keypoint_extractors.drawing.speakers import STYLES, speak
    from person_profiles.enrolment import Negative, enrol
    from person_profiles.verification import load_scorer, score_clip
    from poseauth.recipes import RECIPES

    chosen = RECIPES[recipe]
    options = replace(chosen.training, folds=0)
    if epochs:
        options = replace(options, epochs=epochs, min_steps=0)
    own, *others = (
        [speak(style, duration_s=speech_s, seed=10 * number + take) for take in range(2)]
        for number, style in enumerate(STYLES[:3])
    )
    negatives = [Negative(one, str(number), "impostor") for number, some in enumerate(others) for one in some]
    ended = [time.perf_counter()]
    profile = enrol(
        "speaker",
        own,
        negatives,
        recipe=replace(chosen, training=options),
        device=device,
        allow_weak=True,
        on_epoch=lambda _: ended.append(time.perf_counter()),
    )
    seconds = time.perf_counter() - ended[0]
    scorer = load_scorer(profile)
    scores = [
        float(score_clip(speak(style, duration_s=20.0, seed=900 + number), profile, scorer).votes.mean())
        for number, style in enumerate(STYLES)
    ]
    # The first epoch begins with what is made once: windows, features.
    an_epoch = np.diff(ended)[1:] if len(ended) > 2 else np.diff(ended)
    return {
        "seconds": seconds,
        "seconds_an_epoch": float(np.median(an_epoch)),
        "epochs_done": len(ended) - 1,
        "epochs_of_the_recipe": chosen.training.epochs,
        "score_of_the_person": scores[0],
        "highest_score_of_another": max(scores[1:]),
    }


class Standing:
    """A body with hands that is always there and costs nothing: what is left is everything but the networks."""

    sees_many = True
    sees_hands = True
    group_frames = 64
    picture_side = 160

    def __init__(self, body: np.ndarray[Any, Any], hands: np.ndarray[Any, Any]) -> None:
        from poseauth.keypoints import ExtractorFingerprint

        self.fingerprint = ExtractorFingerprint("standing", "1", "")
        self._body, self._hands, self._frame = body, hands, 0

    def detect(self, groups: Iterable[Any]) -> Iterator[list[Any]]:
        """The same movement in picture after picture."""
        from keypoint_extractors.observation import Detections
        from poseauth.keypoints import WholeBody

        sure = np.ones((1, 12), np.float32)
        for group in groups:
            found = []
            for _ in group.pictures:
                frame = self._frame % len(self._body)
                points = self._body[frame][None]
                box = np.concatenate([points[0].min(axis=0), points[0].max(axis=0)])[None]
                whole = WholeBody(
                    self._hands[frame][None],
                    np.ones((1, 2), np.float32),
                    np.ones((1, 33, 3), np.float32),
                    np.ones((1, 33), np.float32),
                )
                number = np.zeros(1, np.int32)
                found.append(Detections(box, np.ones(1, np.float32), points, sure, whole, number))
                self._frame += 1
            yield found

    def close(self) -> None:
        """Nothing to free."""


def memory(video: str, profile_home: str) -> dict[str, Any]:
    """Highest memory of extraction (without a network) and verification of one clip, in MB."""
    from keypoint_extractors.drawing.speakers import STYLES, speak
    from keypoint_extractors.extraction import observe_video
    from keypoint_extractors.following import follow
    from person_profiles.claims import hold_against
    from person_profiles.store import ProfileStore
    from person_profiles.verification import load_person

    stored = ProfileStore(Path(profile_home)).stored("speaker")
    person = load_person(stored.profile, stored.files)
    # Longer than a loop is looked for.
    speech = speak(STYLES[0], duration_s=90.0, seed=5)
    assert speech.whole_body is not None
    assert speech.whole_body.hands is not None
    body, hands = (array / np.float32(8) for array in (speech.keypoints, speech.whole_body.hands))
    started = time.perf_counter()
    clip = follow(observe_video(Path(video), Standing(body, hands), source_sha256="0" * 64))
    seconds = time.perf_counter() - started
    result = hold_against(clip, person, any_extractor=True)
    assert result.decision is not None
    return {
        "frames": len(clip.timestamps_s),
        "seconds": seconds,
        "analysed_s": result.decision.seconds_analysed,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """Of this program; what getrusage tells is that of the one that started it, if that was larger."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    task.__name__: task for task in (plain_yolo, plain_mediapipe, plain_holistic, extract, decode, train, memory)
}

if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    found = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(found))
