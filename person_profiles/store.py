"""The profile home: one folder a person, each put in place by one rename, no pickle anywhere."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import platformdirs

from person_profiles.earlier_formats import earlier_movement
from person_profiles.home import Home
from person_profiles.lookalikes import names_that_read_like
from person_profiles.profile import DIGESTED_FORMATS, READ_FORMATS, Profile, check_format
from person_profiles.profile_files import (
    DIGESTS_FILE,
    PROFILE_FILE,
    REMEDY,
    SIGNATURE_FILE,
    ProfileFiles,
    read_files,
    read_limited,
    read_plain,
    write_files,
)
from person_profiles.signature import UNSIGNED, SignatureStatus, check_signature, parse_signature
from person_profiles.trusted_keys import TrustedKeys
from poseauth.errors import ProfileDamagedError, ProfileExistsError, StorageError, UnknownPersonError
from poseauth.keypoints import KeypointSequence

HOME_VARIABLE = "POSEAUTH_HOME"

_MAX_NAME = 200
_NEVER_PLAIN = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$|-[0-9a-f]{8}$")
"""Names of Windows devices, and names that look like those made with a digest."""

_Found = TypeVar("_Found")


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


@dataclass(frozen=True, eq=False)
class Stored:
    """A profile as it stands in the store, what is known of its signature, and the files that it was read from."""

    profile: Profile
    signature: SignatureStatus
    files: ProfileFiles


class ProfileStore:
    """All profiles under one folder.

    Whatever is read was whole at one moment, though somebody may write meanwhile (see `person_profiles.home`).

    Parameters
    ----------
    home : Path
        Made when the first profile is saved.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folders = Home(home)
        self.trusted_keys = TrustedKeys(self.folders)

    def __contains__(self, person: str) -> bool:
        return self.folders.place(folder_name(person)) is not None

    def written_otherwise(self, person: str) -> str | None:
        """An enrolled name that differs from this one in case or spaces alone; None where there is none."""
        wanted = " ".join(person.split()).casefold()
        names = self._names()
        return next((name for name in names if name != person and " ".join(name.split()).casefold() == wanted), None)

    def reads_like(self, person: str) -> list[str]:
        """Enrolled names that are not this one and can be taken for it (see `person_profiles.lookalikes`)."""
        return names_that_read_like(person, self._names())

    def check_writable(self) -> None:
        """Find out before hours of work whether a profile could be kept.

        Raises
        ------
        StorageError
            If the home cannot be made or written.
        """
        try:
            if self.home.is_dir():
                with self.folders.writing():
                    self.folders.new_folder()
            else:
                nearest = next(folder for folder in (self.home, *self.home.absolute().parents) if folder.exists())
                with tempfile.TemporaryDirectory(prefix=".poseauth-", dir=nearest):
                    pass
        except OSError as error:
            raise StorageError(
                f"{self.home} cannot be written: {error.strerror or error}. Name another folder with --home"
            ) from error

    def entries(self) -> list[Listed]:
        """Every profile, by name; one that cannot be read is listed with its problem."""
        found = []
        for name in self.folders.names() if self.home.is_dir() else ():
            folder = self.home / name
            try:
                stored = self.folders.read(name, partial(self._stored, name=name))
            except (ProfileDamagedError, StorageError) as error:
                found.append(Listed(folder, None, str(error)))
            else:
                found += [Listed(folder, stored.profile)] if stored else []  # none: removed meanwhile
        return sorted(found, key=lambda entry: entry.profile.name if entry.profile else entry.folder.name)

    def load(self, person: str) -> Profile:
        """The profile of a person.

        Raises
        ------
        UnknownPersonError
            If nobody of that name is enrolled; names the nearest.
        ProfileDamagedError
            If a file of it is missing, changed or of another format.
        """
        return self.stored(person).profile

    def stored(self, person: str) -> Stored:
        """The profile of a person with what is known of its signature.

        Raises
        ------
        UnknownPersonError, ProfileDamagedError
            As `load`; also if the signature does not fit.
        """
        return self._read(person, partial(self._stored, name=folder_name(person)))

    def load_movement(self, person: str) -> list[KeypointSequence]:
        """The keypoints of the videos that a person was learnt from.

        Raises
        ------
        UnknownPersonError, ProfileDamagedError
            As `load`.
        """
        return self.files_of(person).movement()

    def load_movement_to_learn_again(self, person: str) -> Sequence[KeypointSequence]:
        """The same; also from a profile of an earlier format that is read for nothing else.

        Raises
        ------
        UnknownPersonError, ProfileDamagedError
            As `load_movement`.
        """

        def read(place: Path) -> Sequence[KeypointSequence]:
            earlier = earlier_movement(place)
            if earlier is None:
                return self._checked_files(place, DIGESTED_FORMATS).movement()
            _check_belongs(earlier.name, folder_name(person), place)
            return earlier.movement

        return self._read(person, read)

    def files_of(self, person: str) -> ProfileFiles:
        """The files of a person's profile as they are, checked.

        Raises
        ------
        UnknownPersonError, ProfileDamagedError
            As `stored`.
        """
        return self._read(person, self._checked_files)

    def signature_of(self, files: ProfileFiles) -> SignatureStatus:
        """What is known here of the signature on a profile.

        Raises
        ------
        ProfileDamagedError
            If it is none, or does not fit.
        """
        if SIGNATURE_FILE not in files.contents:
            return UNSIGNED
        try:
            signature = parse_signature(files.contents[SIGNATURE_FILE])
            is_checked = check_signature(signature, files.contents[DIGESTS_FILE])
        except ProfileDamagedError as error:
            raise ProfileDamagedError(f"{files.folder / SIGNATURE_FILE}: {error}") from error
        claimed = signature.signer or None
        if not is_checked:
            return SignatureStatus("not checked", claimed_name=claimed)
        name = self.trusted_keys.name_of(signature.public_key)
        return SignatureStatus("trusted" if name else "not trusted", signature.fingerprint, name, claimed)

    def save(self, profile: Profile, movement: Sequence[KeypointSequence], *, overwrite: bool = False) -> Path:
        """Put a profile in place by one rename; gives its folder.

        Parameters
        ----------
        profile : Profile
            The person.
        movement : sequence of KeypointSequence
            The keypoints of their own videos: a later enrolment of somebody else learns from them too.
        overwrite : bool
            Whether an older profile of that name gives way, with its signature.

        Raises
        ------
        ProfileExistsError
            If there is one and `overwrite` is not set.
        StorageError
            If it cannot be written; nothing half-written is left.
        """
        name = folder_name(profile.name)
        folder = self.home / name
        try:
            self.folders.make()
            with self.folders.writing():
                if self.folders.is_taken(name) and not overwrite:
                    raise ProfileExistsError(
                        f"{profile.name} is enrolled already ({folder}). Add --overwrite to learn them anew, "
                        f"or remove them first: poseauth profiles remove {profile.name}"
                    )
                new = self.folders.new_folder()
                write_files(new, profile, movement)
                self.folders.put(new, name)
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
        self.folder_of(person)
        folder = self.home / folder_name(person)
        try:
            with self.folders.writing():
                self.folder_of(person)  # unless somebody else removed it meanwhile
                self.folders.take_away(folder.name)
        except OSError as error:
            raise StorageError(f"{folder} cannot be removed: {error.strerror or error}") from error
        return folder

    def folder_of(self, person: str) -> Path:
        """The folder of an enrolled person.

        Raises
        ------
        UnknownPersonError
            If nobody of that name is enrolled; names the nearest.
        """
        return self.folders.place(folder_name(person)) or self._nobody(person)

    def _read(self, person: str, read: Callable[[Path], _Found]) -> _Found:
        found = self.folders.read(folder_name(person), read)
        return self._nobody(person) if found is None else found

    def _checked_files(self, place: Path, formats: Sequence[int] = READ_FORMATS) -> ProfileFiles:
        files = read_files(place, formats)
        self.signature_of(files)
        return files

    def _stored(self, place: Path, name: str) -> Stored:
        """The profile in a folder of the home, which bears its name."""
        files = read_files(place)
        profile = files.profile()
        _check_belongs(profile.name, name, place)
        return Stored(profile, self.signature_of(files), files)

    def _names(self) -> list[str]:
        """Whom the profiles name, by profile.json alone: the other files, which are not needed here, are megabytes."""
        found = []
        for name in self.folders.names() if self.home.is_dir() else ():
            with contextlib.suppress(ProfileDamagedError, StorageError):
                person = self.folders.read(name, partial(_person_named, name=name))
                found += [person] if person is not None else []
        return sorted(found)

    def _nobody(self, person: str) -> NoReturn:
        names = self._names()
        if not names:
            raise UnknownPersonError(
                f"nobody is enrolled under {self.home}. Enrol first: poseauth enroll --person {person} VIDEOS"
            )
        lowered = {name.lower(): name for name in names}
        near = [lowered[name] for name in difflib.get_close_matches(person.lower(), lowered, n=3, cutoff=0.5)]
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Enrolled are: {', '.join(names)}."
        raise UnknownPersonError(f"{person} is not enrolled under {self.home}. {hint}")


def _person_named(place: Path, name: str) -> str:
    """The person whom a profile's folder of this name is about, so far as profile.json can be trusted alone."""
    path = place / PROFILE_FILE
    plain = read_plain(path, read_limited(path))
    check_format(plain)
    person = str(plain.get("name"))
    _check_belongs(person, name, place)
    return person


def _check_belongs(person: str, name: str, place: Path) -> None:
    """Refuse a profile in a folder that bears another person's name."""
    try:
        belongs = folder_name(person) == name
    except UnknownPersonError as error:
        raise ProfileDamagedError(f"{place}: {error}. {REMEDY}") from error
    if not belongs:
        raise ProfileDamagedError(f"{place} holds a profile of {person}, which does not belong there. {REMEDY}")
