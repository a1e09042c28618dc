"""Keypoint sequences in files: `.npz` without pickle, and the method's CSV."""

from __future__ import annotations

import json
import lzma
import math
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
    WHOLE_BODY_SHAPES,
    WHOLEBODY133_HANDS,
    Coverage,
    ExtractorFingerprint,
    KeypointSequence,
    Provenance,
    WholeBody,
    hands_without_depth,
    keypoint_sequence,
    select_twelve,
)
from poseauth.long_arrays import LongArray
from poseauth.shown_paths import shown
from poseauth.whole_files import written_whole
from poseauth.windows import WINDOW_FRAMES, WindowOptions, cut_windows

FORMAT_VERSION = 2
"""2 may hold hands and the whole body beside the twelve keypoints; 1 never does, and is read as well."""
_READ_VERSIONS = (1, 2)
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
_PIECE_BYTES = 4 << 20
"""Of an array that is read at once."""
COCO_ARRAYS = ("xy", "conf", "fps")
COCO_MIN_CONFIDENCE = 0.5
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
    arrays |= sequence.whole_body.given() if sequence.whole_body else {}
    write_npz(path, {**arrays, "meta": np.array(meta)})


def read_keypoints(path: Path) -> KeypointSequence:
    """Read a keypoint file; every promise of the format is checked, nothing in it is run.

    A file of the plain form `COCO_ARRAYS` is taken too: `xy` (T, 17, 2) px and `conf` (T, 17) in COCO-17 order, or 133
    in COCO-WholeBody's, and `fps`, without a word on where they come from.

    Raises
    ------
    KeypointFileError
        If the file is damaged, of another layout or of a later format.
    """
    arrays = read_npz(path, (*_ARRAYS, "meta"), or_else=COCO_ARRAYS, optional=tuple(WHOLE_BODY_SHAPES))
    sequence = _from_coco(path, arrays) if "xy" in arrays else _from_own(path, arrays)
    if sequence.duration_s > MAX_SECONDS:
        hours = MAX_SECONDS / 3600
        raise KeypointFileError(f"{path}: its frames span {sequence.duration_s / 3600:.4g} hours; {hours:g} at most")
    return sequence


def _from_own(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> KeypointSequence:
    try:
        meta = json.loads(str(arrays["meta"][()]))
        version = meta["format_version"]
        if version not in _READ_VERSIONS:
            raise KeypointFileError(
                f"{path}: keypoint format {version}; this version reads {' and '.join(map(str, _READ_VERSIONS))}"
            )
        provenance = provenance_from_dict(meta)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise KeypointFileError(f"{path}: its description (meta) cannot be read: {error}") from error
    try:
        return keypoint_sequence(
            *(arrays[name] for name in _ARRAYS), provenance=provenance, whole_body=whole_body_from(arrays)
        )
    except (ValueError, TypeError) as error:
        raise KeypointFileError(f"{path}: {error}") from error


def whole_body_from(arrays: Mapping[str, np.ndarray[Any, Any]]) -> WholeBody | None:
    """The whole body among named arrays; None where there is none of it.

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    """
    given = {name: np.asarray(arrays[name], np.float32) for name in WHOLE_BODY_SHAPES if name in arrays}
    return WholeBody(**given) if given else None


def _from_coco(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> KeypointSequence:
    xy, conf, fps = (arrays[name] for name in COCO_ARRAYS)
    try:
        shapes = {(len(xy), n_points, 2) for n_points in (17, 133)}
        if xy.shape not in shapes or conf.shape != xy.shape[:2] or not 1 <= float(fps) <= 1000:
            raise ValueError(f"xy {xy.shape}, conf {conf.shape} and fps {fps} do not make a COCO series")
        sure = np.where(conf >= COCO_MIN_CONFIDENCE, conf, 0.0)
        keypoints, confidence = select_twelve(xy, sure, COCO17_ORDER)
        whole = None
        if xy.shape[1] == 133:
            whole = WholeBody(*hands_without_depth(xy[:, WHOLEBODY133_HANDS], sure[:, WHOLEBODY133_HANDS]))
        times = np.arange(len(xy)) / float(fps)
        return keypoint_sequence(keypoints, confidence, times, provenance=Provenance(path.name), whole_body=whole)
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
            np.savez_compressed(stream, allow_pickle=False, **arrays)
    except OSError as error:
        raise StorageError(
            f"{shown(path)} cannot be written: {error.strerror or error}. Free space or name another folder."
        ) from error


def read_npz(
    path: Path, names: tuple[str, ...], *, or_else: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> dict[str, np.ndarray[Any, Any]]:
    """Read named arrays of an `.npz`, never unpickling, refusing sizes beyond `MAX_FRAMES` before unpacking.

    Where the file has not all of `names`, but all of `or_else`, it gives those. Of `optional` it gives what is there.
    Long ones lie on disk (`poseauth.long_arrays`).

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
                name = member.filename.removesuffix(".npy")
                shapes = {"xy": (133, 2), "conf": (133,), **WHOLE_BODY_SHAPES}
                limit = MAX_FRAMES * 8 * math.prod(shapes.get(name, (N_KEYPOINTS, 2)))
                limit = _MAX_META_BYTES if name == "meta" else limit
                if member.file_size > limit:
                    raise KeypointFileError(
                        f"{path}: {member.filename} claims {member.file_size} bytes; {limit} at most"
                    )
            there = {entry.filename.removesuffix(".npy") for entry in archive.infolist()}
            if or_else and set(or_else) <= there and not set(names) <= there:
                names, optional = or_else, ()
            missing = [name for name in names if name not in there]
            if missing:
                raise KeypointFileError(
                    f"{path}: no array named {', '.join(missing)}; a keypoint file holds {', '.join(names)}"
                )
            wanted = [*names, *(name for name in optional if name in there)]
            return {name: _read_array(archive, f"{name}.npy") for name in wanted}
    except FileNotFoundError as error:
        raise KeypointFileError(f"{path}: no such file") from error
    except (*ARCHIVE_ERRORS, OSError, MemoryError) as error:
        raise KeypointFileError(f"{path}: not a keypoint file, or damaged: {error}") from error


def _read_array(archive: zipfile.ZipFile, member: str) -> np.ndarray[Any, Any]:
    """An array of an archive, read piece by piece, so that a long one is never in memory as a whole.

    Raises
    ------
    ValueError
        If it is no plain array.
    """
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"{member} is of version {version}")
        shape, by_columns, dtype = read_header(stream)
        if dtype.hasobject or min(shape, default=0) < 0:
            raise ValueError(f"{member} holds no plain numbers")
        row_bytes = dtype.itemsize * math.prod(shape[1:])
        if not shape or by_columns or not row_bytes:
            if dtype.itemsize * math.prod(shape) > _MAX_META_BYTES:
                raise ValueError(f"{member} is written by columns, or has rows of nothing")
            with archive.open(member) as whole:
                return np.asarray(np.lib.format.read_array(whole, allow_pickle=False))
        array = LongArray(shape[1:], dtype)
        n_rows = max(1, _PIECE_BYTES // row_bytes)
        for first in range(0, shape[0], n_rows):
            wanted = min(n_rows, shape[0] - first)
            content = stream.read(wanted * row_bytes)
            if len(content) != wanted * row_bytes:
                raise ValueError(f"{member} ends after {first} of {shape[0]} rows")
            array.add(np.frombuffer(content, dtype).reshape(wanted, *shape[1:]))
        if stream.read(1):  # at the end the archive's own checksum is compared, too
            raise ValueError(f"{member} goes on after {shape[0]} rows")
        return array.array()


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
