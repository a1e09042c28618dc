"""A profile as one file that travels: written from the store, checked before anything of it is unpacked."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from person_profiles.profile import Profile
from person_profiles.store import FILES, ProfileStore, folder_name, read_folder, read_movement_arrays, settle
from poseauth.errors import ProfileDamagedError, ProfileExistsError, StorageError
from poseauth.keypoint_files import ARCHIVE_ERRORS

SUFFIX = ".poseauth"
MAX_MEMBER_BYTES = 1 << 30
"""Largest file of a profile that is unpacked: hours of movement stay far below."""
_COPY_BLOCK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def export_profile(store: ProfileStore, person: str, target: Path) -> None:
    """Write a person's profile into one archive.

    Raises
    ------
    UnknownPersonError, ProfileDamagedError
        If there is no such profile, or it is damaged.
    StorageError
        If the archive cannot be written.
    """
    folder = store.folder_of(person)
    read_folder(folder)
    read_movement_arrays(folder)
    content = io.BytesIO()
    temporary = target.with_name(f".{target.stem[:40]}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in FILES:
                # A fixed date: one profile, one archive, byte by byte.
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)
        temporary.write_bytes(content.getvalue())
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error


def import_profile(store: ProfileStore, source: Path, *, overwrite: bool = False) -> Profile:
    """Put the profile of an archive into the store; gives it.

    Names and sizes are checked before anything is unpacked, the digests before it is put in place.

    Raises
    ------
    ProfileDamagedError
        If it is no such archive, holds anything else, or is damaged.
    UnknownPersonError
        If the name in it is none.
    ProfileExistsError
        If the person is enrolled already and `overwrite` is not set.
    StorageError
        If the store cannot be written.
    """
    try:
        store.home.mkdir(parents=True, exist_ok=True)
        unpacked = Path(tempfile.mkdtemp(prefix=".new-", dir=store.home))
    except OSError as error:
        raise StorageError(f"{store.home} cannot be written: {error.strerror or error}") from error
    try:
        _unpack(source, unpacked)
        profile = read_folder(unpacked)
        read_movement_arrays(unpacked)
        if profile.name in store and not overwrite:
            raise ProfileExistsError(
                f"{profile.name} is enrolled already under {store.home}. Add --overwrite to replace them by {source}"
            )
        settle(unpacked)
        store.put(unpacked, folder_name(profile.name))
        return profile
    except OSError as error:
        raise StorageError(f"{source} cannot be imported: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _unpack(source: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            names = sorted(member.filename for member in members)
            if names != sorted(FILES):
                raise ProfileDamagedError(
                    f"{source} holds {', '.join(names[:5]) or 'nothing'}; a profile's archive holds exactly "
                    f"{', '.join(FILES)}"
                )
            for member in members:
                if member.file_size > MAX_MEMBER_BYTES:
                    raise ProfileDamagedError(
                        f"{source}: {member.filename} claims {member.file_size} bytes; {MAX_MEMBER_BYTES} at most"
                    )
                with archive.open(member) as packed, (folder / member.filename).open("wb") as stream:
                    shutil.copyfileobj(packed, stream, _COPY_BLOCK)
    except FileNotFoundError as error:
        raise ProfileDamagedError(f"{source}: no such file") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a damaged directory of the zip points before the file's beginning
            raise
        raise ProfileDamagedError(f"{source} is not a profile's archive, or is damaged: {error}") from error
    except ARCHIVE_ERRORS as error:
        raise ProfileDamagedError(f"{source} is not a profile's archive, or is damaged: {error}") from error
