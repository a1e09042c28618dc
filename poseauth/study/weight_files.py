"""Models of the study as safetensors files: their size on disk is that of their numbers, and nothing in them runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poseauth.errors import InputError, StorageError
from poseauth.study.building import build_network
from poseauth.study.presets import PoseProfile, Preset, WindowClassifier
from poseauth.whole_files import written_whole

if TYPE_CHECKING:
    from poseauth.study.building import Fitted, Network


def write_weights(model: Network | Fitted, path: Path) -> int:
    """Write what a model has learnt; gives the bytes on disk.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as stream:
            stream.write(save(_arrays_of(model)))
        return path.stat().st_size
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from error


def read_weights(preset: Preset, path: Path) -> Network | Fitted:
    """The model of a preset with the weights of a file, on the CPU, in evaluation mode.

    Raises
    ------
    InputError
        If it cannot be read, or is not of such a model.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return _model_of(preset, load(path.read_bytes()))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: not the weights of {preset.name} ({str(error)[:200]})") from error


def _model_of(preset: Preset, arrays: dict[str, np.ndarray[Any, Any]]) -> Network | Fitted:
    if isinstance(preset.model, WindowClassifier):
        from poseauth.study.window_classifiers import windows_from_arrays

        return windows_from_arrays(preset.model, arrays)
    if isinstance(preset.model, PoseProfile):
        from poseauth.study.profile_scorer import profile_from_arrays

        return profile_from_arrays(preset.model, arrays)
    network = build_network(preset)
    network.load_arrays(arrays)
    network.eval()
    return network


def _arrays_of(model: Network | Fitted) -> dict[str, np.ndarray[Any, Any]]:
    arrays = model.arrays
    return {name: np.array(values, order="C") for name, values in arrays.items()}
