"""YOLO pose networks (YOLOv8, YOLO11, YOLO26; COCO-17) run in batches on CUDA or the CPU."""

from __future__ import annotations

import copy
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keypoint_extractors.cores import usable_cores
from keypoint_extractors.digest import file_sha256
from keypoint_extractors.letterbox import Letterbox, lay_into_input, letterbox
from keypoint_extractors.network_threads import NetworkThreads
from keypoint_extractors.observation import Detections, PictureGroup
from keypoint_extractors.quiet_ultralytics import import_ultralytics
from keypoint_extractors.regions import (
    ROOM,
    ROOM_PX,
    WIDENING_PX,
    Region,
    edges_reached,
    region_around,
    widened,
)
from keypoint_extractors.tracking import NEW_TRACK_SCORE
from keypoint_extractors.yolo_weights import (
    N_COCO_KEYPOINTS,
    find_weights,
    hold_to_first_use,
    is_named,
    load_pose_network,
)
from poseauth.arrays import BoolArray, Float32Array, UInt8Array
from poseauth.errors import DeviceError, ExtractorError, ExtractorMissingError
from poseauth.keypoints import COCO17_ORDER, ExtractorFingerprint, select_twelve

MIN_CONFIDENCE = 0.3
"""Below this a keypoint is undetected. The value is the network's own probability that an annotator could place it; one
half would be the even bet. Hands blurred by a gesture come out lower, and they are what is looked at; the network is
trained towards 0 for what nobody could place. Later steps can be stricter than this limit, never more lenient."""

MIN_PERSON_CONFIDENCE = 0.1
"""Below this there is no person: the lower limit of the tracker, which carries a person on through weak frames."""

IMAGE_SIZE = 640
"""Longer side of the network's input in pixels: what the published weights are trained at."""

BATCH_SIZE = {"cuda": 64, "cpu": 16}
"""Frames at once: on a GPU first pictures of several groups share a batch, on a CPU each core has a group to itself."""

GROUP_FRAMES = 16
"""Frames, half a second, of which the whole picture of the first is looked at, then the region of the people."""

NMS_OVERLAP = 0.7
"""Intersection over union from which two boxes are one person: ultralytics' own limit for prediction."""

MAX_CANDIDATES = 1000
"""Boxes a frame that are compared, best first: some thirty people's."""

MAX_PEOPLE = 300
_N_BOX_VALUES = 6


def yolo_fingerprint(
    weights: str | Path | None = None, *, weights_dir: str | Path | None = None, allow_download: bool = False
) -> ExtractorFingerprint:
    """What makes the keypoints of `YoloPose` with default limits comparable, found without loading the network.

    Raises
    ------
    ExtractorMissingError
        If ultralytics is not installed.
    WeightsNotFoundError
        If the weights are in none of the places searched.
    ExtractorError
        If a model's name stands for another file than at its first use.
    """
    path = find_weights(weights, weights_dir=weights_dir, allow_download=allow_download)
    sha256 = file_sha256(path)
    if is_named(weights, path):
        hold_to_first_use(path, sha256)
    return _fingerprint(path, sha256, IMAGE_SIZE, MIN_CONFIDENCE, MIN_PERSON_CONFIDENCE)


def _fingerprint(
    path: Path, sha256: str, image_size: int, min_confidence: float, min_person_confidence: float
) -> ExtractorFingerprint:
    try:
        version = importlib.metadata.version("ultralytics")
    except importlib.metadata.PackageNotFoundError as error:
        raise ExtractorMissingError(
            "ultralytics is not installed. Install it with: pip install ultralytics, or use --extractor blazepose"
        ) from error
    return ExtractorFingerprint(
        name="yolo",
        version=version,
        weights_sha256=sha256,
        options={
            "model": path.stem,
            "image_size": image_size,
            "min_confidence": min_confidence,
            "min_person_confidence": min_person_confidence,
            "group_frames": GROUP_FRAMES,
            "room": ROOM,
            "room_px": ROOM_PX,
            "widening_px": WIDENING_PX,
        },
    )


class YoloPose:
    """A pose estimator with the weights of ultralytics.

    Parameters
    ----------
    weights : str, Path or None
        A model's name, such as "yolo26m-pose", "yolo11m-pose" or "yolov8n-pose", or the path of a .pt file; None
        takes what POSEAUTH_WEIGHTS or `weights_dir` names, else yolo26m-pose.
    weights_dir : str, Path or None
        Where to look first.
    device : str
        "auto" (CUDA where there is a GPU), "cpu", or "cuda", with a number as in "cuda:1" for one of several.
    batch_size : int or None
        Frames at once; None takes BATCH_SIZE. It changes the speed and the memory, not the result.
    n_threads : int or None
        Cores to run on where the device is the CPU; None takes all. It changes the speed and the memory, not the
        result beyond rounding.
    image_size : int
        Longer side of the network's input in pixels, a multiple of 32.
    min_confidence : float
        Keypoints below are undetected; 0 to 1.
    min_person_confidence : float
        People below are left out; 0 to 1.
    allow_download : bool
        Whether weights that are nowhere to be found may be fetched from ultralytics, once.

    Raises
    ------
    ExtractorMissingError
        If ultralytics cannot be imported.
    WeightsNotFoundError
        If the weights are in none of the places searched.
    ExtractorError
        If the file is not a pose model that can be read safely, or the device is not there.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        weights_dir: str | Path | None = None,
        device: str = "auto",
        batch_size: int | None = None,
        n_threads: int | None = None,
        image_size: int = IMAGE_SIZE,
        min_confidence: float = MIN_CONFIDENCE,
        min_person_confidence: float = MIN_PERSON_CONFIDENCE,
        allow_download: bool = False,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; 1 or more is needed")
        from keypoint_extractors.fused_convolutions import fuse_convolutions

        path = find_weights(weights, weights_dir=weights_dir, allow_download=allow_download)
        self._device = _device(device)
        network = load_pose_network(path)
        if image_size < network.stride or image_size % network.stride:
            raise ValueError(f"image_size is {image_size}; a multiple of {network.stride} is needed")
        self._stride, self._end_to_end = network.stride, network.end_to_end
        # Here, and not in several threads at once.
        self._nms = None if self._end_to_end else import_ultralytics("utils.nms")
        self._half = self._device.type == "cuda"
        model = (_in_half_precision if self._half else fuse_convolutions)(network.model).to(self._device)
        # Groups side by side on one core each are done sooner than one after another on all. A network remembers the
        # size of its last picture, so each thread has its own; the weights are there once.
        n_threads = 1 if self._half else (n_threads or usable_cores())
        models = [model, *(_sharing_weights(model) for _ in range(n_threads - 1))]
        self._models = NetworkThreads(models, "yolo", None if self._half else _on_one_core)
        self._batch_size = batch_size or BATCH_SIZE[self._device.type]
        self._image_size = image_size
        self._min_confidence = float(min_confidence)
        self._min_person_confidence = float(min_person_confidence)
        self._fingerprint = _fingerprint(
            path, network.sha256, image_size, self._min_confidence, self._min_person_confidence
        )

    @property
    def fingerprint(self) -> ExtractorFingerprint:
        """What makes its keypoints comparable: the weights, the input size, the limits; not device or batch."""
        return self._fingerprint

    @property
    def sees_many(self) -> bool:
        """It reports every person in view."""
        return True

    @property
    def sees_hands(self) -> bool:
        """It knows the body alone."""
        return False

    @property
    def group_frames(self) -> int:
        """Frames of which it looks at the people alone but for the first and the last."""
        return GROUP_FRAMES

    @property
    def picture_side(self) -> int:
        """It sees no more than its input holds."""
        return self._image_size

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda" or "cuda:1"."""
        return str(self._device)

    def detect(self, groups: Iterable[PictureGroup]) -> Iterator[list[Detections]]:
        """Find the people in groups of frames of one size, the most confident first; see `PoseEstimator.detect`.

        Groups know nothing of one another. Of a group's first frame the whole picture is looked at, of the others only
        the region of the people seen in it (`keypoint_extractors.regions`); where that may not hold them a wider one,
        and all of it where that may not.

        Raises
        ------
        ExtractorError
            If the device's memory does not hold a batch, or the device fails.
        """
        pictures = (group.pictures for group in groups)
        for answers in self._models.map(self._detect_groups, _enough_groups(pictures, self._batch_size)):
            yield from answers

    def _detect_groups(self, model: Any, groups: Sequence[Sequence[UInt8Array]]) -> list[list[Detections]]:
        height, width = groups[0][0].shape[:2]
        box = letterbox(width, height, self._image_size, self._stride)
        pictures = [lay_into_input(group, box) for group in groups]
        people: dict[tuple[int, int], Float32Array] = {}
        self._look(model, pictures, {(number, 0): None for number in range(len(groups))}, people)
        regions: dict[tuple[int, int], Region | None] = {}
        for number, group in enumerate(groups):
            region = region_around(people[number, 0][:, :4], box.padded, self._stride)
            regions |= {(number, i): region for i in range(1, len(group))}
        self._look(model, pictures, regions, people)
        wider: dict[tuple[int, int], Region | None] = {}
        # One wider region a group, so that its frames go together.
        for _, some in groupby(_missed(regions, people, box.padded), key=lambda missed: missed.place[0]):
            places, (region, *_), edges = zip(*some, strict=True)
            wider |= dict.fromkeys(places, widened(region, np.any(edges, axis=0), box.padded, self._stride))
        self._look(model, pictures, wider, people)
        whole = {missed.place: None for missed in _missed(wider, people, box.padded)}
        self._look(model, pictures, whole, people)
        regions |= wider | whole
        return [
            [self._to_frame(people[number, i], regions.get((number, i)), box, width, height) for i in range(len(group))]
            for number, group in enumerate(groups)
        ]

    def _look(
        self,
        model: Any,
        pictures: Sequence[UInt8Array],
        places: Mapping[tuple[int, int], Region | None],
        people: dict[tuple[int, int], Float32Array],
    ) -> None:
        """Run the network on frames, or regions of them, those of one size together; `people` takes what it finds."""
        sizes: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for place, region in places.items():
            sizes.setdefault(region.shape if region else pictures[0].shape[1:3], []).append(place)
        for same in sizes.values():
            for first in range(0, len(same), self._batch_size):
                batch = same[first : first + self._batch_size]
                inputs = np.stack([_cut(pictures[number][i], places[number, i]) for number, i in batch])
                with self._translated_failures(len(batch)):
                    people.update(zip(batch, self._run(model, inputs), strict=True))

    def _run(self, model: Any, pictures: UInt8Array) -> list[Float32Array]:
        """People of each picture as rows (left, top, right, bottom, score, class, 17 x (x, y, confidence))."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(pictures)
            if self._half:
                pixels = pixels.pin_memory().to(self._device, non_blocking=True)
            # The layout of the memory stays that of the pictures, which convolutions are faster in.
            scaled = (pixels.permute(0, 3, 1, 2).half() if self._half else pixels.permute(0, 3, 1, 2).float()) / 255
            prediction = model(scaled)
            prediction = prediction[0] if isinstance(prediction, tuple | list) else prediction
            if not self._end_to_end:
                prediction = _best_candidates(prediction)
            # One transfer, and one wait for the device, a batch.
            return self._select(prediction.float().cpu())

    def _select(self, prediction: Any) -> list[Float32Array]:
        """Leave the people: those above the limit, each once."""
        if self._nms is None:
            return [np.asarray(rows[rows[:, 4] > self._min_person_confidence].numpy()) for rows in prediction]
        people = self._nms.non_max_suppression(
            prediction,
            conf_thres=self._min_person_confidence,
            iou_thres=NMS_OVERLAP,
            max_det=MAX_PEOPLE,
            nc=1,
            # Past a time limit it leaves frames empty without a word: a busy machine must not change the result.
            max_time_img=3600.0,
        )
        return [np.asarray(rows.numpy()) for rows in people]

    def _to_frame(
        self, rows: Float32Array, region: Region | None, box: Letterbox, width: int, height: int
    ) -> Detections:
        gain = np.array(box.gain, np.float32)
        corner = (region.left, region.top) if region else (0, 0)
        offset = np.array([box.left - corner[0], box.top - corner[1]], np.float32)
        boxes = (rows[:, :4].reshape(-1, 2, 2) - offset) / gain
        boxes = np.clip(boxes, 0, np.array([width, height], np.float32)).reshape(-1, 4).astype(np.float32)
        values = rows[:, _N_BOX_VALUES:].reshape(-1, N_COCO_KEYPOINTS, 3)
        points, confidence = (values[..., :2] - offset) / gain, values[..., 2].clip(0, 1)
        x, y = points[..., 0], points[..., 1]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        confidence = np.where(inside & (confidence >= self._min_confidence), confidence, 0)
        keypoints, confidence = select_twelve(points, confidence, COCO17_ORDER)
        return Detections(boxes, rows[:, 4].clip(0, 1).astype(np.float32), keypoints, confidence)

    @contextmanager
    def _translated_failures(self, n_frames: int) -> Iterator[None]:
        try:
            yield
        # Torch raises RuntimeError, or a class of its own derived from it, for everything the device refuses.
        except RuntimeError as error:
            if "out of memory" in str(error):
                raise ExtractorError(
                    f"{self._device} has not the memory for {n_frames} frames at once at {self._image_size} pixels. "
                    f"Try a batch smaller than {self._batch_size}, or --device cpu"
                ) from error
            raise ExtractorError(f"the network failed on {self._device}: {error}") from error

    def close(self) -> None:
        """Free the network; a second call does nothing."""
        self._models.close()
        if self._half:
            import torch

            torch.cuda.empty_cache()


def _device(name: str) -> Any:
    from poseauth.models import choose_device

    try:
        return choose_device(name)
    except DeviceError as error:
        raise ExtractorError(str(error)) from error


def _on_one_core() -> None:
    import torch

    torch.set_num_threads(1)


def _sharing_weights(model: Any) -> Any:
    return copy.deepcopy(model, {id(weight): weight for weight in (*model.parameters(), *model.buffers())})


class _Missed(NamedTuple):
    """A frame in whose region somebody may have been missed, and the edges beyond which they may be."""

    place: tuple[int, int]
    region: Region
    edges: BoolArray


def _missed(
    regions: Mapping[tuple[int, int], Region | None],
    people: Mapping[tuple[int, int], Float32Array],
    size: tuple[int, int],
) -> Iterator[_Missed]:
    """Where somebody clear enough to begin a track may go on beyond the region, or nobody is seen in it."""
    for place, region in regions.items():
        if region:
            rows = people[place]
            clear = rows[rows[:, 4] >= NEW_TRACK_SCORE]
            seen = clear if len(clear) else rows
            edges = edges_reached(seen[:, :4], region, size) if len(seen) else np.ones(4, bool)
            if edges.any():
                yield _Missed(place, region, edges)


def _cut(picture: UInt8Array, region: Region | None) -> UInt8Array:
    return picture[region.top : region.bottom, region.left : region.right] if region else picture


def _enough_groups(groups: Iterable[Sequence[UInt8Array]], n_frames: int) -> Iterator[list[Sequence[UInt8Array]]]:
    """Several groups at a time, until they fill a batch."""
    some: list[Sequence[UInt8Array]] = []
    for group in groups:
        some.append(group)
        if sum(map(len, some)) >= n_frames:
            yield some
            some = []
    if some:
        yield some


def _best_candidates(prediction: Any) -> Any:
    """The most confident MAX_CANDIDATES columns of (B, 56, anchors), so that little leaves the device."""
    n_candidates = min(MAX_CANDIDATES, prediction.shape[-1])
    best = prediction[:, 4].topk(n_candidates, dim=-1).indices
    return prediction.gather(2, best[:, None].expand(-1, prediction.shape[1], -1))


def _in_half_precision(model: Any) -> Any:
    """Half precision up to the head, which stays exact: at x = 600 a float16 steps by half a pixel."""
    head = model.model[-1]
    model.half()
    head.float()
    head.shape = None
    head.register_forward_pre_hook(lambda _, inputs: ([features.float() for features in inputs[0]],))
    return model
