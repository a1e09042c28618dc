"""The files of one profile: how they are written, and how every byte of them is checked when they are read.

`profile.json` holds the digests of the weights and of the movement; `profile.sha256`, in sha256sum's own format, those
of all three. A signature, where there is one, covers `profile.sha256` and with it everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from person_profiles.home import sync_folder
from person_profiles.profile import READ_FORMATS, Profile, check_format, profile_as_dict, profile_from_dict
from poseauth.errors import ProfileDamagedError
from poseauth.keypoint_files import provenance_as_dict, provenance_from_dict, whole_body_from
from poseauth.keypoints import WHOLE_BODY_SHAPES, KeypointSequence, keypoint_sequence

PROFILE_FILE = "profile.json"
WEIGHTS_FILE = "weights.safetensors"
MOVEMENT_FILE = "movement.safetensors"
DIGESTS_FILE = "profile.sha256"
SIGNATURE_FILE = "profile.sig"
DIGESTED = (PROFILE_FILE, WEIGHTS_FILE, MOVEMENT_FILE)
FILES = (*DIGESTED, DIGESTS_FILE)
"""What every profile consists of; a signed one has `SIGNATURE_FILE` too."""
MAX_TENSOR_BYTES = 1 << 30
"""Hours of movement stay far below."""
MAX_BYTES: Mapping[str, int] = {
    PROFILE_FILE: 64 << 20,
    WEIGHTS_FILE: MAX_TENSOR_BYTES,
    MOVEMENT_FILE: MAX_TENSOR_BYTES,
    DIGESTS_FILE: 4 << 10,
    SIGNATURE_FILE: 8 << 10,
}
"""Largest file of each name that is read or unpacked."""

_DIGEST_LINE = re.compile(r"([0-9a-f]{64})  ([\w.-]+)", re.ASCII)
_ARRAYS = ("keypoints", "confidence", "timestamps_s", "shot")
REMEDY = "Enrol the person again, or import them"


@dataclass(frozen=True, eq=False)
class ProfileFiles:
    """The files of one profile, their digests checked.

    Attributes
    ----------
    folder : Path
        Where they were read, for messages.
    contents : mapping of str to bytes
        By name: all of `FILES`, and `SIGNATURE_FILE` where there is one. The signature is not checked yet.
    plain : mapping
        What profile.json holds.
    """

    folder: Path
    contents: Mapping[str, bytes]
    plain: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Digest of profile.json, which names those of the other files."""
        return hashlib.sha256(self.contents[PROFILE_FILE]).hexdigest()

    def profile(self) -> Profile:
        """The person.

        Raises
        ------
        ProfileDamagedError
            If an entry is not as it must be.
        """
        try:
            return profile_from_dict(self.plain, self._tensors(WEIGHTS_FILE))
        except ProfileDamagedError as error:
            raise ProfileDamagedError(f"{self.folder / PROFILE_FILE}: {error}") from error

    def movement(self) -> list[KeypointSequence]:
        """The keypoints of the videos that the person was learnt from.

        Raises
        ------
        ProfileDamagedError
            If they are not as they must be.
        """
        arrays = self._tensors(MOVEMENT_FILE)
        try:
            return [
                keypoint_sequence(
                    *(arrays[f"{i}/{name}"] for name in _ARRAYS),
                    provenance=provenance_from_dict(provenance),
                    whole_body=whole_body_from(
                        {name: arrays[f"{i}/{name}"] for name in WHOLE_BODY_SHAPES if f"{i}/{name}" in arrays}
                    ),
                )
                for i, provenance in enumerate(self.plain["movement"])
            ]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ProfileDamagedError(f"{self.folder / MOVEMENT_FILE} is not as it must be: {error}") from error

    def _tensors(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        try:
            return safetensors.numpy.load(self.contents[name])
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            raise ProfileDamagedError(f"{self.folder / name} cannot be read: {error}") from error


def write_files(folder: Path, profile: Profile, movement: Sequence[KeypointSequence]) -> None:
    """Write a profile into an empty folder, the digests last.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    weights = safetensors.numpy.save(dict(profile.weights))
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for i, sequence in enumerate(movement):
        arrays = {name: getattr(sequence, name) for name in _ARRAYS}
        if profile.windows.points == "whole" and sequence.whole_body:
            arrays |= sequence.whole_body.given()
        tensors |= {f"{i}/{name}": np.ascontiguousarray(array) for name, array in arrays.items()}
    kept = safetensors.numpy.save(tensors)
    plain = {
        **profile_as_dict(profile),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "movement_sha256": hashlib.sha256(kept).hexdigest(),
        "movement": [provenance_as_dict(sequence.provenance) for sequence in movement],
    }
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False).encode()
    contents = {WEIGHTS_FILE: weights, MOVEMENT_FILE: kept, PROFILE_FILE: text}
    contents[DIGESTS_FILE] = digests_of(contents)
    for name, content in contents.items():
        write_synced(folder / name, content)
    finish(folder)


def digests_of(contents: Mapping[str, bytes]) -> bytes:
    """The lines of profile.sha256, which `sha256sum -c` reads."""
    return _digest_lines({name: hashlib.sha256(contents[name]).hexdigest() for name in DIGESTED})


def _digest_lines(digests: Mapping[str, str]) -> bytes:
    return b"".join(f"{digests[name]}  {name}\n".encode() for name in DIGESTED)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and have the disk keep it."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def finish(folder: Path) -> None:
    """Make a new folder, which is private until now, readable like any other, and sync it to the disk."""
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)
    sync_folder(folder)


def read_files(folder: Path, formats: Sequence[int] = READ_FORMATS) -> ProfileFiles:
    """The files of a profile, each held against its digest.

    Parameters
    ----------
    folder : Path
        Where they are.
    formats : sequence of int
        Those of `DIGESTED_FORMATS` that will do. Of one that is not in `READ_FORMATS` there is `movement` alone to be
        had.

    Raises
    ------
    ProfileDamagedError
        If one is missing, changed, too large or of another format; names it.
    """
    try:
        missing = [name for name in FILES if not (folder / name).is_file()]
    except OSError as error:
        raise ProfileDamagedError(f"{folder} cannot be read: {error.strerror or error}") from error
    if missing:
        if PROFILE_FILE not in missing:  # another format may consist of other files
            _check_format(folder, read_plain(folder / PROFILE_FILE, read_limited(folder / PROFILE_FILE)), formats)
        raise ProfileDamagedError(f"{folder} has no {' and no '.join(missing)}. {REMEDY}")
    contents = {name: read_limited(folder / name) for name in (PROFILE_FILE, DIGESTS_FILE)}
    digests = _listed_digests(contents[DIGESTS_FILE])
    if PROFILE_FILE in digests:
        check_digest(folder / PROFILE_FILE, contents[PROFILE_FILE], digests[PROFILE_FILE])
    plain = read_plain(folder / PROFILE_FILE, contents[PROFILE_FILE])
    _check_format(folder, plain, formats)
    if set(digests) != set(DIGESTED) or contents[DIGESTS_FILE] != _digest_lines(digests):
        raise ProfileDamagedError(
            f"{folder / DIGESTS_FILE} is not one line of sha256sum for each of {', '.join(DIGESTED)}. {REMEDY}"
        )
    for name in (WEIGHTS_FILE, MOVEMENT_FILE):
        contents[name] = read_limited(folder / name)
        check_digest(folder / name, contents[name], digests[name])
        if plain.get(f"{name.partition('.')[0]}_sha256") != digests[name]:
            raise ProfileDamagedError(
                f"{folder / PROFILE_FILE} has another digest of {name} than {DIGESTS_FILE}. {REMEDY}"
            )
    if (folder / SIGNATURE_FILE).exists():
        contents[SIGNATURE_FILE] = read_limited(folder / SIGNATURE_FILE)
    return ProfileFiles(folder, contents, plain)


def read_limited(path: Path) -> bytes:
    """The bytes of a profile's file, if they are no more than `MAX_BYTES` for its name.

    Raises
    ------
    ProfileDamagedError
        If they are, or the file cannot be read.
    """
    limit = MAX_BYTES[path.name]
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = b"" if size > limit else stream.read(size + 1)  # the limit would reserve a gigabyte
    except OSError as error:
        raise ProfileDamagedError(f"{path} cannot be read: {error.strerror or error}. {REMEDY}") from error
    if max(size, len(content)) > limit:
        raise ProfileDamagedError(f"{path} has {max(size, len(content))} bytes; {limit} at most. {REMEDY}")
    return content


def read_plain(path: Path, content: bytes) -> dict[str, Any]:
    """What a profile.json holds.

    Raises
    ------
    ProfileDamagedError
        If it is no JSON of the kind.
    """
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ProfileDamagedError(f"{path} cannot be read: {error}. {REMEDY}") from error
    if not isinstance(plain, dict):
        raise ProfileDamagedError(f"{path} holds no profile. {REMEDY}")
    return plain


def _check_format(folder: Path, plain: Mapping[str, Any], formats: Sequence[int]) -> None:
    try:
        check_format(plain, formats)
    except ProfileDamagedError as error:
        raise ProfileDamagedError(f"{folder / PROFILE_FILE}: {error}") from error


def _listed_digests(content: bytes) -> dict[str, str]:
    """Digests by name; none where a line is not as sha256sum writes it, or a name comes twice."""
    lines = content.decode("ascii", "replace").removesuffix("\n").split("\n")
    found = [_DIGEST_LINE.fullmatch(line) for line in lines]
    digests = {match[2]: match[1] for match in found if match}
    return digests if len(digests) == len(lines) else {}


def check_digest(path: Path, content: bytes, sha256: str) -> None:
    """Hold the bytes of a file against the digest that they were written with.

    Raises
    ------
    ProfileDamagedError
        If they differ.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ProfileDamagedError(f"{path} is not the file that was written: its digest differs. {REMEDY}")
