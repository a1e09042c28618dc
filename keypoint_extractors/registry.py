"""The extractors by name, and the choice of one that can run here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from keypoint_extractors.blazepose import PICTURE_SIDE, BlazePose, blazepose_fingerprint
from keypoint_extractors.observation import PoseEstimator
from keypoint_extractors.yolo_pose import IMAGE_SIZE, YoloPose, yolo_fingerprint
from poseauth.errors import ExtractorError, ExtractorMissingError
from poseauth.keypoints import ExtractorFingerprint


@dataclass(frozen=True)
class ExtractorOptions:
    """What a user says of the extractor.

    Attributes
    ----------
    weights : str or None
        Name or path of a YOLO pose model, or a folder that holds the default one.
    device : str
        "auto", "cpu", "cuda", "cuda:1", ...: where a YOLO network runs.
    allow_download : bool
        Whether weights that are nowhere on this machine may be fetched once.
    n_threads : int or None
        Cores to use; None takes all. It changes the speed and the memory, not the result beyond rounding.
    """

    weights: str | None = None
    device: str = "auto"
    allow_download: bool = False
    n_threads: int | None = None


@dataclass(frozen=True)
class Extractor:
    """One way to see people in a video: known by its fingerprint, its network loaded when it is needed.

    Attributes
    ----------
    name : str
        As in `EXTRACTORS`.
    fingerprint : ExtractorFingerprint
        What makes its keypoints comparable.
    picture_side : int
        As `PoseEstimator.picture_side`.
    open_estimator : callable
        Loads the network.
    """

    name: str
    fingerprint: ExtractorFingerprint
    picture_side: int
    open_estimator: Callable[[], PoseEstimator]


def _yolo(options: ExtractorOptions) -> Extractor:
    weights, folder = _name_and_folder(options.weights)
    fingerprint = yolo_fingerprint(weights, weights_dir=folder, allow_download=options.allow_download)
    return Extractor(
        "yolo",
        fingerprint,
        IMAGE_SIZE,
        lambda: YoloPose(weights, weights_dir=folder, device=options.device, n_threads=options.n_threads),
    )


def _mediapipe(options: ExtractorOptions) -> Extractor:
    if options.device.startswith("cuda"):
        raise ExtractorError("mediapipe runs on the CPU only. Leave out --device, or use --extractor yolo")
    return Extractor("mediapipe", blazepose_fingerprint(), PICTURE_SIDE, lambda: BlazePose(n_workers=options.n_threads))


def _openpose(options: ExtractorOptions) -> Extractor:
    raise ExtractorError(
        "openpose reads folders of JSON, not videos. Run OpenPose with --write_json FOLDER --model_pose COCO and give "
        "the folder in place of the video"
    )


EXTRACTORS: Mapping[str, Callable[[ExtractorOptions], Extractor]] = {
    "yolo": _yolo,
    "mediapipe": _mediapipe,
    "openpose": _openpose,
}
"""Every extractor by its name. OpenPose's folders and keypoint files are read by `sources`, without any of these."""

EXTRACTOR_NAMES = ("auto", *EXTRACTORS)


def choose_extractor(name: str = "auto", options: ExtractorOptions | None = None) -> Extractor:
    """The extractor of that name; `auto` takes the first of YOLO on CUDA, MediaPipe, YOLO on the CPU that can run.

    Parameters
    ----------
    name : str
        One of `EXTRACTOR_NAMES`.
    options : ExtractorOptions
        Weights and device.

    Raises
    ------
    ExtractorError
        If it cannot run here, or, for `auto`, if none can: names what each one lacks.
    """
    options = options or ExtractorOptions()
    if name != "auto":
        if name not in EXTRACTORS:
            raise ExtractorError(f"there is no extractor {name!r}; there are {', '.join(EXTRACTOR_NAMES)}")
        return EXTRACTORS[name](options)
    asked_for_yolo = options.weights is not None or options.device.startswith("cuda")
    order = ("yolo", "mediapipe") if asked_for_yolo or cuda_is_available() else ("mediapipe", "yolo")
    lacking = []
    for candidate in order:
        try:
            return EXTRACTORS[candidate](options)
        except ExtractorError as error:
            if asked_for_yolo and candidate == "yolo":
                raise
            lacking.append(f"{candidate}: {error}")
    raise ExtractorMissingError("no extractor can run here.\n" + "\n".join(f"  {reason}" for reason in lacking))


def cuda_is_available() -> bool:
    """Whether torch sees a CUDA device."""
    import torch

    return bool(torch.cuda.is_available())


def _name_and_folder(weights: str | None) -> tuple[str | None, str | None]:
    if weights is not None and Path(weights).expanduser().is_dir():
        return None, weights
    return weights, None
