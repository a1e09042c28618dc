"""What can be had of a profile of an earlier format: the movement kept in it, from which the person is learnt again.

A profile of format 2 is read for nothing else. Nothing tells whether its `profile.json`, with calibration and
self-test, is the one that was written, and it does not say how the head was turned. Its movement is held against a
digest and is all that learning again needs: test, calibration and head turns come out of it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from person_profiles.profile_files import (
    DIGESTS_FILE,
    MOVEMENT_FILE,
    PROFILE_FILE,
    REMEDY,
    SIGNATURE_FILE,
    ProfileFiles,
    check_digest,
    read_limited,
    read_plain,
)
from poseauth.errors import ProfileDamagedError
from poseauth.keypoints import KeypointSequence

FORMATS = (2,)
"""Earlier formats whose movement is read."""


@dataclass(frozen=True, eq=False)
class EarlierMovement:
    """Whose movement a profile of an earlier format keeps, and the keypoints of their own videos."""

    name: str
    movement: Sequence[KeypointSequence]


def earlier_movement(folder: Path) -> EarlierMovement | None:
    """The movement in a profile's folder; None where the profile is of none of `FORMATS`, or has files they had not.

    Raises
    ------
    ProfileDamagedError
        If a file is missing, changed, too large or not as it must be.
    """
    plain = read_plain(folder / PROFILE_FILE, read_limited(folder / PROFILE_FILE))
    version = plain.get("format_version")
    is_later = any((folder / name).exists() for name in (DIGESTS_FILE, SIGNATURE_FILE))
    if is_later or type(version) is not int or version not in FORMATS:
        return None  # a digest or a signature that is there has to fit
    name, sha256 = plain.get("name"), plain.get("movement_sha256")
    if not isinstance(name, str) or not isinstance(sha256, str):
        raise ProfileDamagedError(f"{folder / PROFILE_FILE} names no person, or no digest of {MOVEMENT_FILE}. {REMEDY}")
    content = read_limited(folder / MOVEMENT_FILE)
    check_digest(folder / MOVEMENT_FILE, content, sha256)
    return EarlierMovement(name, ProfileFiles(folder, {MOVEMENT_FILE: content}, plain).movement())
