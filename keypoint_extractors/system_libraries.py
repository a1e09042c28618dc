"""Shared libraries of the system that OpenCV and MediaPipe want: what to tell a user who lacks one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from poseauth.errors import ExtractorMissingError

DEBIAN_PACKAGES = {
    "libGL.so": "libgl1",
    "libEGL.so": "libegl1",
    "libGLESv2.so": "libgles2",
    "libgthread-2.0.so": "libglib2.0-0",
    "libglib-2.0.so": "libglib2.0-0",
    "libportaudio.so": "libportaudio2",
}
"""A shared library and the package that brings it on Debian and Ubuntu."""


@contextmanager
def told_what_is_missing(package: str, advice: str) -> Iterator[None]:
    """Translate an import that fails inside: a system library is named with what brings it, else `advice` is given.

    Parameters
    ----------
    package : str
        What is imported, in words.
    advice : str
        What to do where the package itself is missing or broken.

    Raises
    ------
    ExtractorMissingError
        If the import fails.
    """
    try:
        yield
    except ImportError as error:
        for library, debian in DEBIAN_PACKAGES.items():
            if library in str(error):
                raise ExtractorMissingError(
                    f"{package} needs the system library {library}, which is not on this machine. "
                    f"On Debian or Ubuntu: apt-get install {debian}"
                ) from error
        raise ExtractorMissingError(f"{package} cannot be loaded ({error}). {advice}") from error
