"""A profile as one file that travels: written from the store, checked before anything of it is unpacked."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from person_profiles.profile import Profile
from person_profiles.profile_files import (
    DIGESTS_FILE,
    FILES,
    MAX_BYTES,
    SIGNATURE_FILE,
    finish,
    read_files,
)
from person_profiles.signature import SignatureStatus, sign
from person_profiles.store import ProfileStore, folder_name
from poseauth.errors import ProfileDamagedError, ProfileExistsError, SignatureError, StorageError
from poseauth.keypoint_files import ARCHIVE_ERRORS
from poseauth.whole_files import written_whole

SUFFIX = ".poseauth"
_COPY_BLOCK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def export_profile(
    store: ProfileStore, person: str, target: Path, *, sign_with: Path | None = None, signer: str = ""
) -> SignatureStatus:
    """Write a person's profile into one archive; gives what is known of the signature on it.

    Parameters
    ----------
    store, person :
        Whose.
    target : Path
        The archive; its folder is made where it is not there.
    sign_with : Path or None
        A private key, whose signature takes the place of one that the profile has. The store stays as it is.
    signer : str
        What the signer calls themselves.

    Raises
    ------
    UnknownPersonError, ProfileDamagedError
        If there is no such profile, or it is damaged.
    SignatureError
        If it cannot be signed.
    StorageError
        If the archive cannot be written.
    """
    files = store.files_of(person)
    files.profile()
    files.movement()
    if sign_with is not None:
        signature = sign(files.contents[DIGESTS_FILE], sign_with, signer=signer)
        files = replace(files, contents={**files.contents, SIGNATURE_FILE: signature})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (*FILES, SIGNATURE_FILE):
                if name in files.contents:
                    # A fixed date: one profile, one archive, byte by byte.
                    archive.writestr(zipfile.ZipInfo(name, _EPOCH), files.contents[name], zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error
    return store.signature_of(files)


def import_profile(
    store: ProfileStore, source: Path, *, overwrite: bool = False, require_signature: bool = False
) -> Profile:
    """Put the profile of an archive into the store; gives it.

    Names and sizes are checked before anything is unpacked, digests and signature before it is put in place.

    Parameters
    ----------
    store, source :
        Where to, and the archive.
    overwrite : bool
        Whether an older profile of that name gives way.
    require_signature : bool
        Whether a profile is refused that no trusted key has signed.

    Raises
    ------
    ProfileDamagedError
        If it is no such archive, holds anything else, is damaged, or its signature does not fit.
    SignatureError
        If a signature is required and there is none by a trusted key.
    UnknownPersonError
        If the name in it is none.
    ProfileExistsError
        If the person is enrolled already and `overwrite` is not set.
    StorageError
        If the store cannot be written.
    """
    try:
        _check_members(source)
        store.folders.make()
        with store.folders.writing():
            unpacked = store.folders.new_folder()
            try:
                profile = _unpacked(store, source, unpacked, require_signature=require_signature)
            except ProfileDamagedError as error:  # the user knows the archive, not the folder
                raise ProfileDamagedError(str(error).replace(str(unpacked), str(source))) from error
            name = folder_name(profile.name)
            if store.folders.is_taken(name) and not overwrite:
                raise ProfileExistsError(
                    f"{profile.name} is enrolled already under {store.home}. Add --overwrite to replace them by "
                    f"{source}"
                )
            finish(unpacked)
            store.folders.put(unpacked, name)
            return profile
    except OSError as error:
        raise StorageError(
            f"{source} cannot be imported into {store.home}: {error.strerror or error}. Free space, or name another "
            "folder with --home"
        ) from error


def _unpacked(store: ProfileStore, source: Path, folder: Path, *, require_signature: bool) -> Profile:
    """The profile of an archive, all of it unpacked into a folder and checked."""
    with _opened(source) as archive:
        for member in _checked_members(archive, source):
            with archive.open(member) as packed, (folder / member.filename).open("wb") as stream:
                shutil.copyfileobj(packed, stream, _COPY_BLOCK)
                stream.flush()
                os.fsync(stream.fileno())
    files = read_files(folder)
    profile = files.profile()
    files.movement()
    signature = store.signature_of(files)
    if require_signature and signature.state != "trusted":
        raise SignatureError(
            f"{source} is {signature.sentence}, and a signature by a trusted key is required. Ask for the key by "
            "another way than the archive came, then: poseauth profiles trust KEY.pub --name NAME"
        )
    return profile


def _check_members(source: Path) -> None:
    """Refuse what is no archive of a profile before anything is touched."""
    with _opened(source) as archive:
        _checked_members(archive, source)


def _checked_members(archive: zipfile.ZipFile, source: Path) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(names) != len(set(names)) or set(names) - {SIGNATURE_FILE} != set(FILES):
        raise ProfileDamagedError(
            f"{source} holds {', '.join(name[:80] for name in sorted(names)[:5]) or 'nothing'}; a profile's archive "
            f"holds exactly {', '.join(FILES)}, and {SIGNATURE_FILE} where it is signed"
        )
    for member in members:
        limit = MAX_BYTES[member.filename]
        if member.file_size > limit:
            raise ProfileDamagedError(f"{source}: {member.filename} claims {member.file_size} bytes; {limit} at most")
    return members


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    """An archive, whose every fault is told in words."""
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except FileNotFoundError as error:
        raise ProfileDamagedError(f"{source}: no such file") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a damaged directory of the zip points before the file's beginning
            raise
        raise ProfileDamagedError(f"{source} is not a profile's archive, or is damaged: {error}") from error
    except ARCHIVE_ERRORS as error:
        raise ProfileDamagedError(f"{source} is not a profile's archive, or is damaged: {error}") from error
