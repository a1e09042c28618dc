"""Keypoint sequences in files: `.npz` without pickle, and the method's CSV."""

from __future__ import annotations

import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from poseauth.errors import KeypointFileError, StorageError
from poseauth.keypoints import (
    COCO17_ORDER,
    N_KEYPOINTS,
    Coverage,
    ExtractorFingerprint,
    KeypointSequence,
    Provenance,
    keypoint_sequence,
    select_twelve,
)
from poseauth.long_arrays import put_aside
from poseauth.shown_paths import shown
from poseauth.whole_files import written_whole
from poseauth.windows import WINDOW_FRAMES, WindowOptions, cut_windows

FORMAT_VERSION = 1
SUFFIX = ".npz"
MAX_FRAMES = 30 * 3600 * 24
"""A day at 30 fps: a file that claims more is refused before it is read."""
MAX_SECONDS = 3600.0 * 24
"""Between the first frame and the last: few frames far apart become many at 30 fps."""
ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError,
    RuntimeError, ValueError, SyntaxError, TokenError
)  # fmt: skip
"""What reading a damaged or hostile zip can raise; the last two, NumPy's reading of an array's header."""
_MAX_META_BYTES = 1 << 20
COCO17_ARRAYS = ("xy", "conf", "fps")
COCO17_MIN_CONFIDENCE = 0.5
"""In the plain form a keypoint below this counts as undetected."""
_ARRAYS = ("keypoints", "confidence", "timestamps_s", "shot")


def write_keypoints(sequence: KeypointSequence, path: Path) -> None:
    """Write a sequence as a keypoint file: put in place by one rename, so that nothing half-written is left.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    meta = json.dumps({"format_version": FORMAT_VERSION, **provenance_as_dict(sequence.provenance)})
    arrays = {name: getattr(sequence, name) for name in _ARRAYS}
    write_npz(path, {**arrays, "meta": np.array(meta)})


def read_keypoints(path: Path) -> KeypointSequence:
    """Read a keypoint file; every promise of the format is checked, nothing in it is run.

    A file of the plain form `COCO17_ARRAYS` is taken too: `xy` (T, 17, 2) px and `conf` (T, 17) in COCO-17 order and
    `fps`, without a word on where they come from.

    Raises
    ------
    KeypointFileError
        If the file is damaged, of another layout or of a later format.
    """
    arrays = read_npz(path, (*_ARRAYS, "meta"), or_else=COCO17_ARRAYS)
    sequence = _from_coco17(path, arrays) if "xy" in arrays else _from_own(path, arrays)
    if sequence.duration_s > MAX_SECONDS:
        hours = MAX_SECONDS / 3600
        raise KeypointFileError(f"{path}: its frames span {sequence.duration_s / 3600:.4g} hours; {hours:g} at most")
    return sequence


def _from_own(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> KeypointSequence:
    try:
        meta = json.loads(str(arrays["meta"][()]))
        version = meta["format_version"]
        if version != FORMAT_VERSION:
            raise KeypointFileError(f"{path}: keypoint format {version}; this version reads {FORMAT_VERSION}")
        provenance = provenance_from_dict(meta)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise KeypointFileError(f"{path}: its description (meta) cannot be read: {error}") from error
    try:
        return keypoint_sequence(*(arrays[name] for name in _ARRAYS), provenance=provenance)
    except (ValueError, TypeError) as error:
        raise KeypointFileError(f"{path}: {error}") from error


def _from_coco17(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> KeypointSequence:
    xy, conf, fps = (arrays[name] for name in COCO17_ARRAYS)
    try:
        if xy.shape != (len(conf), 17, 2) or conf.shape != (len(xy), 17) or not 1 <= float(fps) <= 1000:
            raise ValueError(f"xy {xy.shape}, conf {conf.shape} and fps {fps} do not make a COCO-17 series")
        keypoints, confidence = select_twelve(xy, np.where(conf >= COCO17_MIN_CONFIDENCE, conf, 0.0), COCO17_ORDER)
        times = np.arange(len(xy)) / float(fps)
        return keypoint_sequence(keypoints, confidence, times, provenance=Provenance(path.name))
    except (ValueError, TypeError) as error:
        raise KeypointFileError(f"{path}: {error}") from error


def provenance_as_dict(provenance: Provenance) -> dict[str, Any]:
    """Plain values for JSON."""
    plain = asdict(provenance)
    plain["extractor"] = provenance.extractor.as_dict() if provenance.extractor else None
    return plain


def provenance_from_dict(meta: Mapping[str, Any]) -> Provenance:
    """The inverse of `provenance_as_dict`; unknown entries are ignored.

    Raises
    ------
    KeyError, TypeError, ValueError
        If an entry is missing or of another type.
    """
    coverage, extractor = meta.get("coverage"), meta.get("extractor")
    return Provenance(
        source_name=str(meta["source_name"]),
        source_sha256=None if meta.get("source_sha256") is None else str(meta["source_sha256"]),
        frame_width=int(meta.get("frame_width", 0)),
        frame_height=int(meta.get("frame_height", 0)),
        extractor=fingerprint_from_dict(extractor) if extractor else None,
        coverage=coverage_from_dict(coverage) if coverage else None,
        n_people_ignored=None if meta.get("n_people_ignored") is None else int(meta["n_people_ignored"]),
        n_shots_ambiguous=int(meta.get("n_shots_ambiguous", 0)),
    )


def coverage_from_dict(plain: Mapping[str, Any]) -> Coverage:
    """A Coverage from plain values.

    Raises
    ------
    KeyError, TypeError, ValueError
        If an entry is missing or of another type.
    """
    return Coverage(
        n_promised=None if plain.get("n_promised") is None else int(plain["n_promised"]),
        n_decoded=int(plain["n_decoded"]),
        n_kept=int(plain["n_kept"]),
        broke_off=None if plain.get("broke_off") is None else str(plain["broke_off"]),
    )


def fingerprint_from_dict(plain: Mapping[str, Any]) -> ExtractorFingerprint:
    """The inverse of `ExtractorFingerprint.as_dict`.

    Raises
    ------
    KeyError, TypeError
        If an entry is missing or of another type.
    """
    return ExtractorFingerprint(
        str(plain["name"]), str(plain["version"]), str(plain["weights_sha256"]), dict(plain["options"])
    )


def write_npz(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays to a compressed `.npz` under a temporary name, then rename it into place.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as stream:
            np.savez_compressed(stream, **arrays)
    except OSError as error:
        raise StorageError(
            f"{shown(path)} cannot be written: {error.strerror or error}. Free space or name another folder."
        ) from error


def read_npz(path: Path, names: tuple[str, ...], *, or_else: tuple[str, ...] = ()) -> dict[str, np.ndarray[Any, Any]]:
    """Read named arrays of an `.npz`, never unpickling, refusing sizes beyond `MAX_FRAMES` before unpacking.

    Where the file has not all of `names`, but all of `or_else`, it gives those. Long ones lie on disk
    (`poseauth.long_arrays`).

    Raises
    ------
    StorageError
        If there is no room for them there.
    KeypointFileError
        If the file cannot be read or lacks an array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                limit = _MAX_META_BYTES if member.filename == "meta.npy" else MAX_FRAMES * N_KEYPOINTS * 2 * 8
                if member.file_size > limit:
                    raise KeypointFileError(
                        f"{path}: {member.filename} claims {member.file_size} bytes; {limit} at most"
                    )
        with np.load(path, allow_pickle=False) as archive:
            if or_else and set(or_else) <= set(archive.files) and not set(names) <= set(archive.files):
                names = or_else
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise KeypointFileError(
                    f"{path}: no array named {', '.join(missing)}; a keypoint file holds {', '.join(names)}"
                )
            return {name: put_aside(archive[name]) for name in names}
    except FileNotFoundError as error:
        raise KeypointFileError(f"{path}: no such file") from error
    except (*ARCHIVE_ERRORS, OSError, MemoryError) as error:
        raise KeypointFileError(f"{path}: not a keypoint file, or damaged: {error}") from error


def write_method_csv(sequence: KeypointSequence, path: Path, *, label: int | None = None) -> int:
    """Write the windows of a sequence in the method's own form; gives how many windows were written.

    One row a frame with 24 columns (x and y of the twelve keypoints in pixels, 0 where undetected), every 150
    rows one continuous movement without overlap; with `label` (0 fake, 1 authentic), a second file
    `<name>_labels.csv` with a label a movement (Yasrab et al. 2021, section 3).

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    windows = cut_windows(sequence, WindowOptions(stride_frames=WINDOW_FRAMES))
    rows = np.nan_to_num(windows.keypoints.reshape(-1, 2 * N_KEYPOINTS), nan=0.0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, rows, fmt="%.3f", delimiter=",")
        if label is not None:
            np.savetxt(path.with_name(f"{path.stem}_labels.csv"), np.full(len(windows), label), fmt="%d")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
    return len(windows)
