"""A library that the system lacks is named with the package that brings it."""

from __future__ import annotations

import pytest

from keypoint_extractors.system_libraries import told_what_is_missing
from poseauth.errors import ExtractorMissingError


@pytest.mark.parametrize(
    ("library", "debian"),
    [("libGL.so.1", "libgl1"), ("libGLESv2.so.2", "libgles2"), ("libgthread-2.0.so.0", "libglib2.0-0")],
)
def test_a_missing_library_is_named_with_what_brings_it(library, debian):
    error = ImportError(f"{library}: cannot open shared object file: No such file or directory")
    with (
        pytest.raises(ExtractorMissingError, match=rf"OpenCV needs .*apt-get install {debian}$") as caught,
        told_what_is_missing("OpenCV", "Reinstall it."),
    ):
        raise error
    assert caught.value.__cause__ is error


def test_a_missing_package_is_answered_with_the_advice():
    with (
        pytest.raises(ExtractorMissingError, match=r"mediapipe cannot be loaded \(No module.*\)\. Install it so\."),
        told_what_is_missing("mediapipe", "Install it so."),
    ):
        raise ModuleNotFoundError("No module named 'mediapipe'")


def test_other_errors_come_through():
    with pytest.raises(ZeroDivisionError), told_what_is_missing("x", "y"):
        raise ZeroDivisionError
