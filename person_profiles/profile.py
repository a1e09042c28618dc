"""What is known of one enrolled person: their network and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

import numpy as np

from poseauth.errors import ProfileDamagedError
from poseauth.keypoint_files import fingerprint_from_dict
from poseauth.keypoints import ExtractorFingerprint
from poseauth.recipes import Architecture, Recipe, TrainingOptions
from poseauth.windows import FPS, WINDOW_FRAMES, WindowOptions

FORMAT_VERSION = 1

Role = Literal["genuine", "impostor", "fake", "enrolled"]
"""What a video was learnt as: the person, somebody else, a fake of the person, another enrolled person."""


@dataclass(frozen=True)
class VideoRecord:
    """One video that was learnt from.

    Attributes
    ----------
    source_name, sha256 :
        The file's name and digest; no digest where the keypoints came without a video.
    recording : str
        Digest by which it is known again: that of the file, else that of the keypoints.
    role, group :
        What it was learnt as, and which other person it shows ("" for the enrolled one).
    seconds : float
        Seconds in usable windows.
    n_windows : int
        Training windows cut from it.
    """

    source_name: str
    sha256: str | None
    recording: str
    role: Role
    group: str
    seconds: float
    n_windows: int


@dataclass(frozen=True)
class SelfTest:
    """How the network did on whole videos that it had not learnt from, before it learnt from them too.

    Accuracies are shares of windows, 0 to 1. The paper's recipe chooses its epoch on the same videos, which flatters
    the figures; the default recipe chooses nothing on them.
    """

    n_genuine_videos: int
    n_other_videos: int
    n_genuine_windows: int
    n_other_windows: int
    accuracy_genuine: float
    accuracy_others: float
    others_unknown: bool
    """Whether the other people of the test had no video in the training."""


@dataclass(frozen=True, eq=False)
class Profile:
    """An enrolled person.

    Attributes
    ----------
    name : str
        The person, in the user's words.
    created : str
        UTC, ISO 8601.
    extractor : ExtractorFingerprint or None
        What made the keypoints; None where the keypoint files did not say.
    windows : WindowOptions
        How clips are cut at verification.
    recipe, seed, n_epochs :
        How the network was taught.
    videos : tuple of VideoRecord
        Everything learnt from.
    n_surrogates : int
        Windows of surrogate impostors: above 0 only where no real one was given.
    self_test : SelfTest or None
        None where there were too few videos to hold one out.
    notes : tuple of str
        What a reader of its verdicts has to know.
    weights : mapping of str to np.ndarray
        The network's.
    """

    name: str
    created: str
    poseauth_version: str
    extractor: ExtractorFingerprint | None
    windows: WindowOptions
    recipe: Recipe
    seed: int
    n_epochs: int
    videos: tuple[VideoRecord, ...]
    n_surrogates: int
    self_test: SelfTest | None
    notes: tuple[str, ...]
    weights: Mapping[str, np.ndarray[Any, Any]] = field(repr=False)

    @property
    def seconds_genuine(self) -> float:
        """Seconds of the person's own usable video."""
        return sum(video.seconds for video in self.videos if video.role == "genuine")

    @property
    def has_met_impostors(self) -> bool:
        """Whether somebody else's real video was learnt from."""
        return any(video.role != "genuine" for video in self.videos)


def profile_as_dict(profile: Profile) -> dict[str, Any]:
    """Plain values for `profile.json`, all but the weights."""
    return {
        "format_version": FORMAT_VERSION,
        "name": profile.name,
        "created": profile.created,
        "poseauth_version": profile.poseauth_version,
        "extractor": profile.extractor.as_dict() if profile.extractor else None,
        "fps": FPS,
        "window_frames": WINDOW_FRAMES,
        "windows": asdict(profile.windows),
        "recipe": profile.recipe.name,
        "architecture": asdict(profile.recipe.architecture),
        "training": asdict(profile.recipe.training),
        "seed": profile.seed,
        "n_epochs": profile.n_epochs,
        "videos": [asdict(video) for video in profile.videos],
        "n_surrogates": profile.n_surrogates,
        "self_test": asdict(profile.self_test) if profile.self_test else None,
        "calibration": None,
        "notes": list(profile.notes),
    }


def profile_from_dict(plain: Mapping[str, Any], weights: Mapping[str, np.ndarray[Any, Any]]) -> Profile:
    """The inverse of `profile_as_dict`.

    Raises
    ------
    ProfileDamagedError
        If the format is a later one, or an entry is missing or not as it must be.
    """
    version = plain.get("format_version")
    if version != FORMAT_VERSION:
        raise ProfileDamagedError(
            f"the profile has format {version}; this poseauth reads {FORMAT_VERSION}. "
            "Use the version that wrote it, or enrol the person again"
        )
    try:
        if plain["fps"] != FPS or plain["window_frames"] != WINDOW_FRAMES:
            raise ValueError(f"windows of {plain['window_frames']} frames at {plain['fps']} fps")
        extractor = plain["extractor"]
        return Profile(
            name=str(plain["name"]),
            created=str(plain["created"]),
            poseauth_version=str(plain["poseauth_version"]),
            extractor=fingerprint_from_dict(extractor) if extractor else None,
            windows=_whole(WindowOptions, plain["windows"]),
            recipe=Recipe(
                str(plain["recipe"]),
                _whole(Architecture, plain["architecture"]),
                _whole(TrainingOptions, plain["training"]),
            ),
            seed=int(plain["seed"]),
            n_epochs=int(plain["n_epochs"]),
            videos=tuple(_whole(VideoRecord, video) for video in plain["videos"]),
            n_surrogates=int(plain["n_surrogates"]),
            self_test=_whole(SelfTest, plain["self_test"]) if plain["self_test"] else None,
            notes=tuple(str(note) for note in plain["notes"]),
            weights=weights,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ProfileDamagedError(f"profile.json is not as it must be: {error}") from error


_Block = TypeVar("_Block")


def _whole(block: type[_Block], plain: Mapping[str, Any]) -> _Block:
    """A dataclass from every one of its entries: none is taken from today's defaults."""
    expected = {entry.name for entry in fields(block)}  # type: ignore[arg-type]
    if set(plain) != expected:
        raise ValueError(f"{block.__name__} has entries {sorted(plain)}; {sorted(expected)} are needed")
    return block(**plain)
