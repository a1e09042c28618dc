"""Everything poseauth raises on purpose.

PoseAuthError
├── InputError                  one clip or file cannot be analysed; the others go on
│   ├── VideoError              not a video, no frames, a decoder that failed
│   ├── KeypointFileError       a keypoint file that is damaged or of another layout
│   ├── NobodyError             nobody (or no upper body) in view
│   ├── AmbiguousPersonError    two people equally central
│   ├── TooShortError           no window of five seconds in one uncut piece
│   └── NoEvidenceError         nobody moves in any window, or as was shown before: a still picture, a loop
├── DeviceError                 no such device, or it is not there
├── ExtractorError              the pose estimator cannot do its work
│   ├── ExtractorMissingError   a package or a system library is not there
│   ├── WeightsNotFoundError    the model's weights are in none of the places searched
│   └── ModelsNotFoundError     BlazePose's models are not on this machine, are others, or cannot be fetched
├── ProfileError
│   ├── UnknownPersonError      nobody of that name is enrolled
│   ├── ProfileExistsError      enrolment would overwrite
│   ├── ProfileDamagedError     a file of the profile is missing, changed or of another format
│   ├── SignatureError          a signature that was asked for cannot be made, or is not there, or by no trusted key
│   └── ExtractorMismatchError  the clip's keypoints come from another extractor than the profile's
├── EnrolmentError              the given videos cannot make a profile
│   ├── WeakProfileError        the person cannot be told from others, or nobody knows whether they can
│   └── TrialOverlapError       a test clip is, or is a copy of, one that was learnt from
├── StudyExtraError             a package of the extra [study] is not installed
├── PresetError                 a detector of the study is described in a way that is not known or out of range
├── StudyError                  the labelled clips cannot make a comparison of detectors
├── ClusterError                Ray is not here, or no cluster of it
└── StorageError                disk full, folder not writable

A message says what was found, what is needed and what to do next.
"""

from __future__ import annotations


def reason(error: Exception, *names: object) -> str:
    """The error without the file's name at its head, for where the name stands already."""
    text = str(error)
    for name in names:
        text = text.removeprefix(f"{name}: ")
    return text


class PoseAuthError(Exception):
    """Base of everything poseauth raises on purpose; its text is written for the user."""


class InputError(PoseAuthError):
    """One clip or file cannot be analysed."""


class VideoError(InputError):
    """The file is not a video, has no frames, or its decoder failed at once."""


class KeypointFileError(InputError):
    """A keypoint file is damaged or of another layout."""


class NobodyError(InputError):
    """Nobody, or nobody's upper body, is in view."""


class AmbiguousPersonError(InputError):
    """Two people are equally central; the user has to say whom to follow."""


class TooShortError(InputError):
    """No uncut piece is long enough for one window."""


class NoEvidenceError(InputError):
    """No window is evidence: nobody moves in it, or as the clip has shown before, or the person is too small.

    Attributes
    ----------
    n_windows_still, n_windows_repeated, n_windows_small : int
        How many windows were left out for each reason.
    """

    def __init__(
        self, message: str, *, n_windows_still: int = 0, n_windows_repeated: int = 0, n_windows_small: int = 0
    ) -> None:
        super().__init__(message)
        self.n_windows_still = n_windows_still
        self.n_windows_repeated = n_windows_repeated
        self.n_windows_small = n_windows_small


class DeviceError(PoseAuthError, ValueError):
    """There is no such device, or it is not there."""


class ExtractorError(PoseAuthError):
    """The pose estimator cannot do its work."""


class ExtractorMissingError(ExtractorError):
    """A package or a system library that the extractor needs is not there."""


class WeightsNotFoundError(ExtractorError):
    """The model's weights are in none of the places searched."""


class ModelsNotFoundError(ExtractorError):
    """BlazePose's models are not on this machine, are not what their names say, or cannot be fetched."""


class ProfileError(PoseAuthError):
    """A profile cannot be used or stored as asked."""


class UnknownPersonError(ProfileError):
    """Nobody of that name is enrolled."""


class ProfileExistsError(ProfileError):
    """A profile of that name is there already."""


class ProfileDamagedError(ProfileError):
    """A file of the profile is missing, changed, or of a format this version does not read."""


class SignatureError(ProfileError):
    """A signature that was asked for cannot be made, or the profile has none by a trusted key."""


class ExtractorMismatchError(ProfileError):
    """The clip's keypoints come from another extractor than the profile's."""


class EnrolmentError(PoseAuthError):
    """The given videos cannot make a profile."""


class WeakProfileError(EnrolmentError):
    """The person cannot be told from others on held-out videos, or there are too few to find out."""


class TrialOverlapError(EnrolmentError):
    """A test clip and an enrolled one are the same recording, or of the same session: figures from it would flatter."""


class StudyExtraError(PoseAuthError):
    """A package of the extra [study] is not installed."""


class PresetError(PoseAuthError, ValueError):
    """A detector of the study is described in a way that is not known, or out of range."""


class StudyError(PoseAuthError):
    """The labelled clips cannot make a comparison of detectors."""


class ClusterError(PoseAuthError):
    """Ray is not installed or cannot be used here, or there is no cluster to be used."""


class StorageError(PoseAuthError):
    """A file could not be written: disk full, folder not writable."""
