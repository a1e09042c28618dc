"""The profile home: one folder a person, each put in place by one rename, no pickle anywhere."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import safetensors
import safetensors.numpy

from person_profiles.profile import Profile, profile_as_dict, profile_from_dict
from poseauth.errors import ProfileDamagedError, ProfileExistsError, StorageError, UnknownPersonError
from poseauth.keypoint_files import provenance_as_dict, provenance_from_dict
from poseauth.keypoints import KeypointSequence, keypoint_sequence

HOME_VARIABLE = "POSEAUTH_HOME"
PROFILE_FILE = "profile.json"
WEIGHTS_FILE = "weights.safetensors"
MOVEMENT_FILE = "movement.safetensors"
FILES = (PROFILE_FILE, WEIGHTS_FILE, MOVEMENT_FILE)

_MAX_JSON_BYTES = 64 << 20
_MAX_NAME = 200
_NEVER_PLAIN = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$|-[0-9a-f]{8}$")
"""Names of Windows devices, and names that look like those made with a digest."""
_REMEDY = "Enrol the person again, or import them"
_ARRAYS = ("keypoints", "confidence", "timestamps_s", "shot")


def default_home() -> Path:
    """`POSEAUTH_HOME`, else the platform's data folder."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_data_path("poseauth")) / "profiles"


def folder_name(person: str) -> str:
    """The folder of a person: readable, the same on every platform, different for different names.

    Raises
    ------
    UnknownPersonError
        If the name is empty, too long or not printable: nobody can be called that.
    """
    name = unicodedata.normalize("NFC", person).strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise UnknownPersonError(f"{person!r} is no name: 1 to {_MAX_NAME} printable characters are needed")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48]
    if slug == name and not _NEVER_PLAIN.search(slug):
        return slug
    return f"{slug or 'person'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Listed:
    """One entry of the store: a profile, or why it cannot be read."""

    folder: Path
    profile: Profile | None
    problem: str | None = None


class ProfileStore:
    """All profiles under one folder.

    Parameters
    ----------
    home : Path
        Made when the first profile is saved.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def __contains__(self, person: str) -> bool:
        return (self.home / folder_name(person)).is_dir()

    def written_otherwise(self, person: str) -> str | None:
        """An enrolled name that differs from this one in case or spaces alone; None where there is none."""
        wanted = " ".join(person.split()).casefold()
        names = [entry.profile.name for entry in self.entries() if entry.profile]
        return next((name for name in names if name != person and " ".join(name.split()).casefold() == wanted), None)

    def check_writable(self) -> None:
        """Find out before hours of work whether a profile could be kept.

        Raises
        ------
        StorageError
            If the home cannot be made or written.
        """
        try:
            nearest = next(folder for folder in (self.home, *self.home.absolute().parents) if folder.exists())
            with tempfile.TemporaryDirectory(prefix=".new-", dir=nearest):
                pass
        except OSError as error:
            raise StorageError(
                f"{self.home} cannot be written: {error.strerror or error}. Name another folder with --home"
            ) from error

    def entries(self) -> list[Listed]:
        """Every profile, by name; one that cannot be read is listed with its problem."""
        found = []
        folders = sorted(self.home.iterdir()) if self.home.is_dir() else []
        for folder in folders:
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            try:
                found.append(Listed(folder, _at_home(folder)))
            except ProfileDamagedError as error:
                found.append(Listed(folder, None, str(error)))
        return sorted(found, key=lambda entry: entry.profile.name if entry.profile else entry.folder.name)

    def load(self, person: str) -> Profile:
        """The profile of a person.

        Raises
        ------
        UnknownPersonError
            If nobody of that name is enrolled; names the nearest.
        ProfileDamagedError
            If a file of it is missing, changed or of a later format.
        """
        return _at_home(self.folder_of(person))

    def load_movement(self, person: str) -> list[KeypointSequence]:
        """The keypoints of the videos that a person was learnt from.

        Raises
        ------
        UnknownPersonError, ProfileDamagedError
            As `load`.
        """
        folder = self.folder_of(person)
        plain = _read_json(folder)
        arrays = read_movement_arrays(folder)
        try:
            return [
                keypoint_sequence(
                    *(arrays[f"{i}/{name}"] for name in _ARRAYS), provenance=provenance_from_dict(provenance)
                )
                for i, provenance in enumerate(plain["movement"])
            ]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ProfileDamagedError(f"{folder / MOVEMENT_FILE} is not as it must be: {error}") from error

    def save(self, profile: Profile, movement: Sequence[KeypointSequence], *, overwrite: bool = False) -> Path:
        """Put a profile in place by one rename; gives its folder.

        Parameters
        ----------
        profile : Profile
            The person.
        movement : sequence of KeypointSequence
            The keypoints of their own videos: a later enrolment of somebody else learns from them too.
        overwrite : bool
            Whether an older profile of that name gives way.

        Raises
        ------
        ProfileExistsError
            If there is one and `overwrite` is not set.
        StorageError
            If it cannot be written; nothing half-written is left.
        """
        folder = self.home / folder_name(profile.name)
        if folder.exists() and not overwrite:
            raise ProfileExistsError(
                f"{profile.name} is enrolled already ({folder}). Add --overwrite to learn them anew, "
                f"or remove them first: poseauth profiles remove {profile.name}"
            )
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=self.home))
            try:
                _write(temporary, profile, movement)
                self.put(temporary, folder.name)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            raise StorageError(
                f"the profile of {profile.name} cannot be written to {folder}: {error.strerror or error}. "
                f"Free space, or name another folder with --home"
            ) from error
        return folder

    def remove(self, person: str) -> Path:
        """Remove a person's profile with all that is kept of their movement; gives the folder that is gone.

        Raises
        ------
        UnknownPersonError
            If nobody of that name is enrolled.
        StorageError
            If the folder cannot be removed.
        """
        folder = self.folder_of(person)
        try:
            grave = Path(tempfile.mkdtemp(prefix=".old-", dir=self.home))
            try:
                folder.rename(grave / folder.name)
            finally:
                shutil.rmtree(grave, ignore_errors=True)
        except OSError as error:
            raise StorageError(f"{folder} cannot be removed: {error.strerror or error}") from error
        return folder

    def put(self, new: Path, name: str) -> None:
        """Rename a complete folder of the home into place, in exchange for what stands there.

        Raises
        ------
        OSError
            If it cannot be renamed; then what stood there stands again.
        """
        folder = self.home / name
        grave = Path(tempfile.mkdtemp(prefix=".old-", dir=self.home))
        try:
            if folder.exists():
                folder.rename(grave / folder.name)
            new.rename(folder)
        except OSError:
            if (grave / folder.name).exists() and not folder.exists():
                (grave / folder.name).rename(folder)
            raise
        else:
            with contextlib.suppress(OSError):  # it stands; a crash of the machine now may bring the old one back
                _sync(self.home)
        finally:
            shutil.rmtree(grave, ignore_errors=True)

    def folder_of(self, person: str) -> Path:
        """The folder of an enrolled person.

        Raises
        ------
        UnknownPersonError
            If nobody of that name is enrolled; names the nearest.
        """
        folder = self.home / folder_name(person)
        if folder.is_dir():
            return folder
        names = [entry.profile.name for entry in self.entries() if entry.profile]
        if not names:
            raise UnknownPersonError(
                f"nobody is enrolled under {self.home}. Enrol first: poseauth enroll --person {person} VIDEOS"
            )
        lowered = {name.lower(): name for name in names}
        near = [lowered[name] for name in difflib.get_close_matches(person.lower(), lowered, n=3, cutoff=0.5)]
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Enrolled are: {', '.join(names)}."
        raise UnknownPersonError(f"{person} is not enrolled under {self.home}. {hint}")


def _write(folder: Path, profile: Profile, movement: Sequence[KeypointSequence]) -> None:
    weights = safetensors.numpy.save(dict(profile.weights))
    tensors = {
        f"{i}/{name}": np.ascontiguousarray(getattr(sequence, name))
        for i, sequence in enumerate(movement)
        for name in _ARRAYS
    }
    kept = safetensors.numpy.save(tensors)
    plain = {
        **profile_as_dict(profile),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "movement_sha256": hashlib.sha256(kept).hexdigest(),
        "movement": [provenance_as_dict(sequence.provenance) for sequence in movement],
    }
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False).encode()
    for name, content in ((WEIGHTS_FILE, weights), (MOVEMENT_FILE, kept), (PROFILE_FILE, text)):
        with (folder / name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    settle(folder)


def settle(folder: Path) -> None:
    """Make a new profile's folder, which is private until now, readable like any other, and sync it to the disk."""
    for name in FILES:
        (folder / name).chmod(0o644)
    folder.chmod(0o755)
    _sync(folder)


def _sync(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder to sync it
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _at_home(folder: Path) -> Profile:
    """The profile in a folder of the home, which bears its name."""
    profile = read_folder(folder)
    if folder_name(profile.name) != folder.name:
        raise ProfileDamagedError(f"{folder} holds a profile of {profile.name}, which does not belong there. {_REMEDY}")
    return profile


def read_folder(folder: Path) -> Profile:
    """The profile in a folder, its digests checked.

    Raises
    ------
    ProfileDamagedError
        If a file of it is missing, changed or of a later format.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ProfileDamagedError(f"{folder} has no {' and no '.join(missing)}. {_REMEDY}")
    plain = _read_json(folder)
    weights = _read_tensors(folder / WEIGHTS_FILE, str(plain.get("weights_sha256")))
    try:
        return profile_from_dict(plain, weights)
    except ProfileDamagedError as error:
        raise ProfileDamagedError(f"{folder / PROFILE_FILE}: {error}") from error


def read_movement_arrays(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of the movement kept in a profile's folder, the digest checked.

    Raises
    ------
    ProfileDamagedError
        If the file is missing or changed.
    """
    return _read_tensors(folder / MOVEMENT_FILE, str(_read_json(folder).get("movement_sha256")))


def _read_json(folder: Path) -> dict[str, Any]:
    path = folder / PROFILE_FILE
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ProfileDamagedError(f"{path} has {path.stat().st_size} bytes; {_MAX_JSON_BYTES} at most")
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ProfileDamagedError(f"{path} cannot be read: {error}. {_REMEDY}") from error
    if not isinstance(plain, dict):
        raise ProfileDamagedError(f"{path} holds no profile")
    return plain


def _read_tensors(path: Path, sha256: str) -> dict[str, np.ndarray[Any, Any]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProfileDamagedError(f"{path} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ProfileDamagedError(f"{path} is not the file that was written: its digest differs. {_REMEDY}")
    try:
        return safetensors.numpy.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ProfileDamagedError(f"{path} cannot be read: {error}") from error
