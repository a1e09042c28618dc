"""The extractors by name, and the choice of one that can run here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from keypoint_extractors.blazepose.estimator import PICTURE_SIDE, BlazePose, blazepose_fingerprint
from keypoint_extractors.blazepose.model_files import get_models
from keypoint_extractors.mediapipe_pose import PICTURE_SIDE as MEDIAPIPE_PICTURE_SIDE
from keypoint_extractors.mediapipe_pose import MediaPipePose, mediapipe_fingerprint
from keypoint_extractors.observation import PoseEstimator
from keypoint_extractors.yolo_pose import IMAGE_SIZE, YoloPose, yolo_fingerprint
from poseauth.errors import ExtractorError, ExtractorMissingError, ModelsNotFoundError
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
    hands : bool
        Whether hands are looked for, by an extractor that can.
    """

    weights: str | None = None
    device: str = "auto"
    allow_download: bool = False
    n_threads: int | None = None
    hands: bool = True


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
    hands : bool
        As `PoseEstimator.sees_hands`.
    open_estimator : callable
        Loads the network.
    """

    name: str
    fingerprint: ExtractorFingerprint
    picture_side: int
    hands: bool
    open_estimator: Callable[[], PoseEstimator]


def _yolo(options: ExtractorOptions) -> Extractor:
    weights, folder = _name_and_folder(options.weights)
    fingerprint = yolo_fingerprint(weights, weights_dir=folder, allow_download=options.allow_download)
    return Extractor(
        "yolo",
        fingerprint,
        IMAGE_SIZE,
        False,
        lambda: YoloPose(weights, weights_dir=folder, device=options.device, n_threads=options.n_threads),
    )


def _blazepose(options: ExtractorOptions) -> Extractor:
    _refuse_cuda("blazepose", options)
    try:
        fingerprint = blazepose_fingerprint()
    except ModelsNotFoundError:
        if not options.allow_download:
            raise
        get_models()
        fingerprint = blazepose_fingerprint()
    return Extractor(
        "blazepose",
        fingerprint,
        PICTURE_SIDE,
        options.hands,
        lambda: BlazePose(hands=options.hands, n_threads=options.n_threads),
    )


def _mediapipe(options: ExtractorOptions) -> Extractor:
    _refuse_cuda("mediapipe", options)
    return Extractor(
        "mediapipe",
        mediapipe_fingerprint(),
        MEDIAPIPE_PICTURE_SIDE,
        False,
        lambda: MediaPipePose(n_workers=options.n_threads),
    )


def _refuse_cuda(name: str, options: ExtractorOptions) -> None:
    if options.device.startswith("cuda"):
        raise ExtractorError(f"{name} runs on the CPU only. Leave out --device, or use --extractor yolo")


def _openpose(options: ExtractorOptions) -> Extractor:
    raise ExtractorError(
        "openpose reads folders of JSON, not videos. Run OpenPose with --write_json FOLDER --model_pose COCO and give "
        "the folder in place of the video"
    )


EXTRACTORS: Mapping[str, Callable[[ExtractorOptions], Extractor]] = {
    "blazepose": _blazepose,
    "yolo": _yolo,
    "mediapipe": _mediapipe,
    "openpose": _openpose,
}
"""Every extractor by its name. OpenPose's folders and keypoint files are read by `sources`, without any of these."""

EXTRACTOR_NAMES = ("auto", *EXTRACTORS)


def choose_extractor(name: str = "auto", options: ExtractorOptions | None = None) -> Extractor:
    """The extractor of that name; `auto` takes the first of YOLO on CUDA, BlazePose, YOLO on the CPU that can run.

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
    order = ("yolo", "blazepose") if asked_for_yolo or cuda_is_available() else ("blazepose", "yolo")
    lacking = []
    for candidate in order:
        try:
            return EXTRACTORS[candidate](options)
        except ExtractorError as error:
            if asked_for_yolo and candidate == "yolo":
                raise
            lacking.append(f"{candidate}: {error}")
    raise ExtractorMissingError(f"no extractor can run here. {'; '.join(lacking)}")


def cuda_is_available() -> bool:
    """Whether torch sees a CUDA device."""
    import torch

    return bool(torch.cuda.is_available())


def _name_and_folder(weights: str | None) -> tuple[str | None, str | None]:
    if weights is not None and Path(weights).expanduser().is_dir():
        return None, weights
    return weights, None
