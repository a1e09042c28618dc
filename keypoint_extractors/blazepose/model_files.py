"""The model files of BlazePose: which they are, where they lie on this machine, and how they get there.

They are Google's, under Apache-2.0, and lie in the wheel of mediapipe 0.10.21. Where that is installed they are read in
place, without importing it; else pip fetches that one wheel, once and when asked, and nothing else of it is kept.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath

import platformdirs

from keypoint_extractors.digest import file_sha256
from poseauth.errors import ModelsNotFoundError, StorageError
from poseauth.shown_paths import shown
from poseauth.whole_files import written_whole

PACKAGE = "mediapipe"
RELEASE = f"{PACKAGE}==0.10.21"
"""The last release whose wheels carry all of these models."""
LICENCE = "Apache-2.0"
MODELS_VARIABLE = "POSEAUTH_MODELS"
WHEEL_MB = 36
"""What pip downloads, in MB."""

_LICENCE_FILE = "LICENSE"
_MAX_LICENCE_BYTES = 1 << 20
_WHEEL_TAGS = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp", "--abi",
               "cp311")  # fmt: skip
"""Of a wheel that exists; the models in it are the same whatever machine and Python they are read by."""
_MAX_TOLD = 600


@dataclass(frozen=True)
class ModelFile:
    """One network.

    Attributes
    ----------
    name : str
        Of the file.
    inside : str
        Where it lies in the package mediapipe.
    does : str
        What it is for.
    n_bytes : int
        Its size.
    sha256 : str
        Its digest: no other file is used.
    """

    name: str
    inside: str
    does: str
    n_bytes: int
    sha256: str


PERSON_DETECTOR = ModelFile(
    "pose_detection.tflite",
    "modules/pose_detection/pose_detection.tflite",
    "finds people",
    2959046,
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
POSE_LANDMARKS = ModelFile(
    "pose_landmark_full.tflite",
    "modules/pose_landmark/pose_landmark_full.tflite",
    "33 points of a body",
    6440512,
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
HAND_RECROP = ModelFile(
    "hand_recrop.tflite",
    "modules/holistic_landmark/hand_recrop.tflite",
    "finds a hand near its wrist",
    123792,
    "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
)
HAND_LANDMARKS = ModelFile(
    "hand_landmark_full.tflite",
    "modules/hand_landmark/hand_landmark_full.tflite",
    "21 points of a hand",
    5478917,
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
)
MODEL_FILES = (PERSON_DETECTOR, POSE_LANDMARKS, HAND_RECROP, HAND_LANDMARKS)


def models_folder() -> Path:
    """Where the models are kept: $POSEAUTH_MODELS, else the platform's data folder; it need not exist."""
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_data_path("poseauth") / "models"


def locate_models() -> dict[ModelFile, Path | None]:
    """Where each model lies on this machine; None where it is nowhere.

    Raises
    ------
    ModelsNotFoundError
        If a file in the models folder cannot be read, or is another one than its name says.
    """
    return {model: _located(model) for model in MODEL_FILES}


def find_models() -> dict[ModelFile, Path]:
    """The file of each model.

    Raises
    ------
    ModelsNotFoundError
        If one is nowhere, or is not what its name says; the message tells how to get it.
    """
    located = locate_models()
    found = {model: path for model, path in located.items() if path is not None}
    missing = [model.name for model in located if model not in found]
    if missing:
        raise ModelsNotFoundError(
            f"BlazePose's models are not on this machine ({', '.join(missing)} in {shown(models_folder())}). Fetch "
            f"them once with: poseauth models get ({WHEEL_MB} MB from your package index). Without a network: "
            "poseauth models get --from WHEEL"
        )
    return found


def read_models(paths: Mapping[ModelFile, Path]) -> dict[ModelFile, bytes]:
    """The content of the files, checked once more: what is run is what was checked.

    Raises
    ------
    ModelsNotFoundError
        If a file cannot be read or has changed.
    """
    contents = {}
    for model, path in paths.items():
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelsNotFoundError(f"{shown(path)} cannot be read: {error.strerror or error}") from error
        _check(model, sha256(content).hexdigest(), path)
        contents[model] = content
    return contents


def networks_in_words(weights_sha256: str) -> list[str]:
    """What an extractor's fingerprint says of its weights: each network's digest, with name and licence where known."""
    known = {model.sha256: model.name for model in MODEL_FILES}
    return [
        f"{known[digest]}, {LICENCE}, SHA-256 {digest}" if digest in known else f"SHA-256 {digest}"
        for digest in weights_sha256.split("+")
        if digest
    ]


def get_models(source: Path | None = None) -> Path:
    """Put the models into the models folder; gives the folder. What is there and right is left alone.

    Parameters
    ----------
    source : Path or None
        A wheel of mediapipe 0.10.21, or a folder that holds the model files, or a wheel, or the package's own folder.
        None: pip downloads the wheel from the user's own package index.

    Raises
    ------
    ModelsNotFoundError
        If pip is not there or fails, or the source has not these models.
    StorageError
        If the folder cannot be written.
    """
    folder = models_folder()
    if all(
        (folder / model.name).is_file() and file_sha256(folder / model.name) == model.sha256 for model in MODEL_FILES
    ):
        return folder
    try:
        with tempfile.TemporaryDirectory(prefix="poseauth-models-") as place:
            contents = _contents(source if source is not None else _downloaded(Path(place)))
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with written_whole(folder / name) as stream:
                stream.write(content)
    except OSError as error:
        raise StorageError(
            f"the models cannot be kept in {shown(folder)}: {error.strerror or error}. Free some space, or name "
            f"another folder in the environment: {MODELS_VARIABLE}"
        ) from error
    return folder


def _located(model: ModelFile) -> Path | None:
    own = models_folder() / model.name
    if own.is_file():
        try:
            _check(model, _digest_of(own, own.stat().st_mtime_ns), own)
        except OSError as error:
            raise ModelsNotFoundError(f"{shown(own)} cannot be read: {error.strerror or error}") from error
        return own
    spec = importlib.util.find_spec(PACKAGE)  # of a package at the top: it is not imported
    if spec is not None and spec.origin is not None:
        installed = Path(spec.origin).parent / model.inside
        if installed.is_file() and _digest_of(installed, installed.stat().st_mtime_ns) == model.sha256:
            return installed
    return None


@cache
def _digest_of(path: Path, _: int) -> str:
    return file_sha256(path)


def _check(model: ModelFile, digest: str, path: Path) -> None:
    if digest != model.sha256:
        raise ModelsNotFoundError(
            f"{shown(path)} is not the model of that name (SHA-256 {digest[:12]}..., not {model.sha256[:12]}...). "
            "Fetch it anew with: poseauth models get"
        )


def _downloaded(place: Path) -> Path:
    """The wheel, downloaded by pip into a folder."""
    by_hand = f"pip download --no-deps --only-binary=:all: {' '.join(_WHEEL_TAGS)} {RELEASE}"
    elsewhere = f"Elsewhere: {by_hand}, and here: poseauth models get --from WHEEL"
    if importlib.util.find_spec("pip") is None:
        raise ModelsNotFoundError(f"this Python has no pip. Add it: python -m ensurepip. {elsewhere}")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", *_WHEEL_TAGS, "--dest",
               str(place), "--no-input", "--disable-pip-version-check", "--quiet", RELEASE]  # fmt: skip
    # Constraints are meant for what is installed, which this is not.
    environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
    wheels = list(place.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-1:]
        raise ModelsNotFoundError(
            f"pip could not download {RELEASE}: {' '.join(told)[:_MAX_TOLD] or 'it gave no reason'}. {elsewhere}"
        )
    return wheels[0]


def _contents(source: Path) -> dict[str, bytes]:
    """The models and their licence out of a wheel or a folder, by their names."""
    if not source.exists():
        raise ModelsNotFoundError(f"{shown(source)}: no such file or folder. Name a wheel of {RELEASE} or its folder")
    if source.is_dir():
        wheels = sorted(source.glob(f"{PACKAGE}-*.whl"))
        return _contents(wheels[0]) if wheels else _from_folder(source)
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(source) as wheel:
            members = {entry.filename: entry for entry in wheel.infolist()}
            for model in MODEL_FILES:
                member = members.get(f"{PACKAGE}/{model.inside}")
                if member is not None and member.file_size == model.n_bytes:
                    found[model.name] = wheel.read(member)
            for name, member in members.items():
                path = PurePosixPath(name)
                is_licence = path.name == _LICENCE_FILE and path.parent.name.endswith(".dist-info")
                if is_licence and member.file_size <= _MAX_LICENCE_BYTES:
                    found[_LICENCE_FILE] = wheel.read(member)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise ModelsNotFoundError(f"{shown(source)} is not a wheel, or is damaged: {error}") from error
    return _checked(found, source)


def _from_folder(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for model in MODEL_FILES:
        for place in (folder / model.name, folder / model.inside, folder / PACKAGE / model.inside):
            if place.is_file() and place.stat().st_size == model.n_bytes:
                found[model.name] = place.read_bytes()
                break
    licence = folder / _LICENCE_FILE
    if licence.is_file() and licence.stat().st_size <= _MAX_LICENCE_BYTES:
        found[_LICENCE_FILE] = licence.read_bytes()
    return _checked(found, folder)


def _checked(found: dict[str, bytes], source: Path) -> dict[str, bytes]:
    for model in MODEL_FILES:
        if model.name not in found:
            raise ModelsNotFoundError(f"{shown(source)} has no {model.name}. Name a wheel of {RELEASE}")
        digest = sha256(found[model.name]).hexdigest()
        if digest != model.sha256:
            raise ModelsNotFoundError(
                f"{shown(source)}: its {model.name} is another one (SHA-256 {digest[:12]}..., not "
                f"{model.sha256[:12]}...). Name a wheel of {RELEASE}"
            )
    return found
