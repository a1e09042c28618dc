"""The weights of a YOLO pose model: where they are, and how they are read without running what is in them."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from keypoint_extractors.digest import file_sha256
from keypoint_extractors.quiet_ultralytics import import_ultralytics
from poseauth.errors import ExtractorError, StorageError, WeightsNotFoundError
from poseauth.shown_paths import shown
from poseauth.whole_files import written_whole

DEFAULT_WEIGHTS = "yolo26m-pose"
"""68.8 COCO AP; the nano model has 57.2."""

WEIGHTS_VARIABLE = "POSEAUTH_WEIGHTS"
SUFFIX = ".pt"
KNOWN_FILE = "known.json"
"""In the cache folder: the digest of every model that was used by its name, as it was the first time."""
N_COCO_KEYPOINTS = 17


def weights_cache() -> Path:
    """The folder downloaded weights are kept in; it need not exist."""
    return platformdirs.user_cache_path("poseauth") / "weights"


def find_weights(
    weights: str | Path | None = None, *, weights_dir: str | Path | None = None, allow_download: bool = False
) -> Path:
    """The file of a model's weights.

    Searched in this order: `weights` itself where it is a path; `weights_dir`; the environment variable
    POSEAUTH_WEIGHTS; the cache folder; and, only where allowed, ultralytics' release page, once, into the cache.

    Parameters
    ----------
    weights : str, Path or None
        A model's name ("yolo26m-pose") or a path of a .pt file. None takes the file that `weights_dir` or
        POSEAUTH_WEIGHTS names, else the model DEFAULT_WEIGHTS.
    weights_dir : str, Path or None
        A folder, or a file. A file is only taken for a name that it bears.
    allow_download : bool
        Whether the network may be used.

    Raises
    ------
    WeightsNotFoundError
        If the file is in none of the places; the message names them all.
    """
    if weights is not None and _is_path(weights):
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsNotFoundError(f"There is no file {shown(path)}.{_ways_out(path.name, path.parent)}")
        return path
    name = None if weights is None else str(weights).removesuffix(SUFFIX)
    file_name = f"{name or DEFAULT_WEIGHTS}{SUFFIX}"
    variable = os.environ.get(WEIGHTS_VARIABLE)
    given = [(weights_dir, "--weights"), (variable, WEIGHTS_VARIABLE), (weights_cache(), "cache")]
    searched = []
    for place, origin in given:
        if not place:
            continue
        folder = Path(place).expanduser()
        candidate = folder if folder.is_file() else folder / file_name
        if candidate.is_file() and (candidate != folder or name in (None, candidate.stem)):
            return candidate
        searched.append(f"{shown(candidate)} ({origin})")
    reason = "downloading is off"
    if allow_download:
        try:
            return _download(file_name)
        except WeightsNotFoundError as error:
            reason = str(error)
    raise WeightsNotFoundError(
        f"The weights {file_name} are in none of: {', '.join(searched)}; {reason}."
        + _ways_out(file_name, weights_cache())
    )


def hold_to_first_use(path: Path, sha256: str) -> None:
    """Remember which file a model's name stood for, and refuse another one under the same name.

    Where nothing can be kept there is nothing to hold it to.

    Raises
    ------
    ExtractorError
        If the name stood for another file before.
    """
    record = weights_cache() / KNOWN_FILE
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    before = known.get(path.name)
    if before is not None and before != sha256:
        raise ExtractorError(
            f"{shown(path)} is another file than {path.name} was when it was first used (SHA-256 {sha256[:16]}, then "
            f"{str(before)[:16]}). If that is meant, name the file by its path with --weights, or take the name out of "
            f"{shown(record)}; if not, somebody has changed it"
        )
    if before is None:
        with contextlib.suppress(OSError):
            record.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(record) as stream:
                stream.write(json.dumps({**known, path.name: sha256}, indent=2, sort_keys=True).encode())


def is_named(weights: str | Path | None, path: Path) -> bool:
    """Whether a file was found as the model of that name (the default one if None), and not by its own path."""
    if weights is not None and _is_path(weights):
        return False
    return path.stem == str(weights or DEFAULT_WEIGHTS).removesuffix(SUFFIX)


def _is_path(weights: str | Path) -> bool:
    text = str(weights)
    separators = {os.sep, os.altsep or os.sep, "/"}
    return isinstance(weights, Path) or any(mark in text for mark in separators) or Path(text).suffix == SUFFIX


def _ways_out(file_name: str, folder: Path) -> str:
    return (
        f" Three ways out: put {file_name} into {shown(folder)}; give its path with --weights; or use --extractor "
        "blazepose, which needs no GPU (poseauth models get)."
    )


def _download(file_name: str) -> Path:
    downloads = import_ultralytics("utils.downloads")
    if file_name not in downloads.GITHUB_ASSETS_NAMES:
        raise WeightsNotFoundError(f"ultralytics publishes no {file_name}")
    target = weights_cache() / file_name
    offline = os.environ.pop("YOLO_OFFLINE", None)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A download that is cut off must never pass for the weights: they get their name when they are whole.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
            fresh = Path(downloads.attempt_download_asset(Path(folder) / file_name, progress=False))
            if not fresh.is_file():
                raise WeightsNotFoundError("the download gave no file")
            os.replace(fresh, target)
    except ConnectionError as error:
        raise WeightsNotFoundError(f"the download failed ({error})") from error
    except OSError as error:
        raise StorageError(
            f"The weights cannot be kept in {shown(target.parent)}: {error.strerror or error}"
        ) from error
    finally:
        if offline is not None:
            os.environ["YOLO_OFFLINE"] = offline
    return target


@dataclass(frozen=True)
class PoseNetwork:
    """A network that is ready to run.

    Attributes
    ----------
    model : torch.nn.Module
        Fused, in evaluation mode, float32, on the CPU.
    stride : int
        Height and width of its input are multiples of this, in pixels.
    end_to_end : bool
        Whether its head gives final people, best first, which need no non-maximum suppression.
    sha256 : str
        Of the file it was read from.
    """

    model: Any
    stride: int
    end_to_end: bool
    sha256: str


def load_pose_network(path: Path) -> PoseNetwork:
    """Read a YOLO pose model of 17 keypoints, restricted to known layers and plain tensors.

    Raises
    ------
    ExtractorError
        If the file is not a checkpoint of ultralytics, holds anything else than known classes, or is not a
        pose model of one class with 17 keypoints.
    """
    tasks = import_ultralytics("nn.tasks")
    _check_readable(path, tasks)
    try:
        digest = file_sha256(path)
        checkpoint, _ = tasks.torch_safe_load(str(path), safe_only=True)
        model = checkpoint.get("ema") or checkpoint.get("model")
    # A hostile or damaged file fails inside the unpickler with any exception there is.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExtractorError(f"{shown(path)} cannot be read safely as YOLO weights: {reason}") from error
    if not isinstance(model, tasks.PoseModel):
        raise ExtractorError(
            f"{shown(path)} holds a {type(model).__name__}, not a pose model. Use weights whose name ends in -pose, "
            f"such as {DEFAULT_WEIGHTS}{SUFFIX}"
        )
    head = model.model[-1]
    shape, n_classes = tuple(getattr(head, "kpt_shape", ())), int(getattr(head, "nc", 0))
    if shape != (N_COCO_KEYPOINTS, 3) or n_classes != 1:
        raise ExtractorError(
            f"{shown(path)} is a pose model of {n_classes} classes with keypoints {shape}; one class with the 17 "
            f"keypoints of COCO and a confidence each, (17, 3), is needed, such as {DEFAULT_WEIGHTS}{SUFFIX}"
        )
    # YOLO26 carries two heads and the file or the release decides which runs, unless one is chosen before fusing.
    if getattr(head, "one2one_cv2", None) is not None:
        head.end2end = True
    model = model.float().fuse(verbose=False).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    stride = max(32, int(model.stride.max()))
    return PoseNetwork(model, stride, bool(head.end2end), digest)


def _check_readable(path: Path, tasks: Any) -> None:
    safe_load = getattr(tasks, "_SafeLoad", None)
    if safe_load is None or not safe_load.SUPPORTED:
        raise ExtractorError(
            f"{shown(path)} is not read: this ultralytics and torch can only read weights by running what is in them. "
            "Install ultralytics 8.4.190 and torch 2.6, or later"
        )
    if path.suffix != SUFFIX:
        raise ExtractorError(f"{shown(path)} is not read: YOLO weights are a file that ends in {SUFFIX}")
    if "'" in str(path) or str(path) != str(path).strip():
        raise ExtractorError(
            f"{shown(path)} is not read: ultralytics cannot open a path with an apostrophe. Move the file"
        )
