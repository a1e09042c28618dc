"""What is known of one enrolled person: their network and how it came about."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from poseauth.arrays import Float64Array
from poseauth.calibration import MIN_UNDECIDED, Calibration, ScoreLine
from poseauth.errors import ProfileDamagedError
from poseauth.head_turn import HeadTurns
from poseauth.keypoint_files import fingerprint_from_dict
from poseauth.keypoints import ExtractorFingerprint
from poseauth.metrics import Estimate
from poseauth.recipes import Architecture, Recipe, TrainingOptions
from poseauth.windows import FPS, WINDOW_FRAMES, WindowOptions

FORMAT_VERSION = 6
"""6: `points` of windows, hands beside the movement. 5: `network_share`. 4: statistics with correlations as Fisher's z.
3: `profile.sha256` beside `profile.json`."""
READ_FORMATS = (4, 5, FORMAT_VERSION)
"""Whose profiles score today as they did when they were made."""
_READ = f"{', '.join(str(version) for version in READ_FORMATS[:-1])} and {FORMAT_VERSION}"
DIGESTED_FORMATS = (3, *READ_FORMATS)
"""Whose files are all held against digests, so that their movement can be learnt from again."""

_NOT_READ: Mapping[int, str] = {
    1: "It has no likelihood ratio, and no self-test of today's kind, so that no verdict can rest on it. Enrol the "
    "person again from their videos, with --overwrite",
    2: "It lacks the digest of profile.json, so that a changed figure in it would pass, and how the person's head was "
    "turned to the camera. The movement kept in it can be learnt from again, in its place: poseauth enroll --person "
    "NAME --again --impostor others/",
    3: "It scores by other statistics of the movement than this version. The movement kept in it can be learnt from "
    "again, in its place: poseauth enroll --person NAME --again --impostor others/",
}
"""What earlier formats lack, and what to do."""

_SHARE_BEFORE_5 = 0.2
"""What every profile's network counted beside its statistics before the profile said so."""
_NO_FORMAT = 10_000
"""No version of poseauth counts as far."""

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
class EvidencePoint:
    """The equal error rate, 0 to 1, of stretches of so many seconds, and how many there were of either side."""

    seconds: float
    eer: float
    n_genuine: int
    n_other: int


@dataclass(frozen=True)
class SelfTest:
    """How well the person was told from strangers on videos left out (see `person_profiles.self_test`).

    Attributes
    ----------
    n_genuine_videos, n_other_videos, n_other_people :
        What was left out in turn: all of it.
    n_genuine_clips, n_other_clips : int
        Clips of at most 30 s cut from them.
    auc, eer, cllr : Estimate
        Of clips, with 95 % intervals by video; `cllr`, in bits, of ratios fitted without the clip's own video.
    n_genuine_against, n_other_for, n_undecided : int
        Clips whose ratio misled beyond the undecided band, either way, and clips within the band; ratio, bounds and
        band are fitted without the clip's own video.
    hardest_other, hardest_auc, hardest_auc_low :
        The other person who is told worst, the AUC against them, and what it is at least (one-sided 95 %).
    evidence_curve : tuple of EvidencePoint
        Error against seconds.
    enough_s : float or None
        Seconds from which on the error is near its least; None where it cannot be told.
    """

    n_genuine_videos: int
    n_other_videos: int
    n_other_people: int
    n_genuine_clips: int
    n_other_clips: int
    auc: Estimate
    eer: Estimate
    cllr: Estimate
    n_genuine_against: int
    n_other_for: int
    n_undecided: int
    hardest_other: str
    hardest_auc: float
    hardest_auc_low: float
    evidence_curve: tuple[EvidencePoint, ...]
    enough_s: float | None


@dataclass(frozen=True)
class Calibrated:
    """From raw scores to likelihood ratios and votes.

    Attributes
    ----------
    clips : Calibration
        From the mean score of a clip's windows.
    mirrored : Calibration
        From the mean score of the clip turned round: the person in a mirror against somebody else.
    windows : ScoreLine
        From the score of a window to log odds; above 0 it votes for the person.
    """

    clips: Calibration
    mirrored: Calibration
    windows: ScoreLine

    def votes(self, raw: Float64Array) -> Float64Array:
        """P(the person) of windows at equal priors, 0 to 1, from their raw scores; both [shape=(N,)]."""
        return np.asarray(1 / (1 + np.exp(-self.windows(raw))))


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
        None where there were too few videos or people to leave some out.
    calibrated : Calibrated or None
        None likewise.
    head_turns : HeadTurns
        From which sides the person was seen.
    weaknesses : tuple of str
        Why no verdict may rest on it; none where it passed its self-test.
    notes : tuple of str
        What a reader of its verdicts has to know.
    weights : mapping of str to np.ndarray
        The network's and the statistics' (see `poseauth.scoring`).
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
    calibrated: Calibrated | None
    head_turns: HeadTurns
    weaknesses: tuple[str, ...]
    notes: tuple[str, ...]
    weights: Mapping[str, np.ndarray[Any, Any]] = field(repr=False)

    @property
    def seconds_genuine(self) -> float:
        """Seconds of the person's own usable video."""
        return sum(video.seconds for video in self.videos if video.role == "genuine")

    @property
    def is_weak(self) -> bool:
        """Whether every answer by it is inconclusive."""
        return bool(self.weaknesses) or self.calibrated is None

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
        "calibration": asdict(profile.calibrated) if profile.calibrated else None,
        "head_turns": asdict(profile.head_turns),
        "weaknesses": list(profile.weaknesses),
        "notes": list(profile.notes),
    }


def check_format(plain: Mapping[str, Any], formats: Sequence[int] = READ_FORMATS) -> None:
    """Refuse a profile of another format than these.

    Raises
    ------
    ProfileDamagedError
        Says which format it is and what to do.
    """
    version = plain.get("format_version")
    if type(version) is not int or not 0 < version < _NO_FORMAT:  # True is an int, too
        raise ProfileDamagedError("it names no format of a profile. Enrol the person again, or import them")
    if version in formats:
        return
    if version < FORMAT_VERSION:
        raise ProfileDamagedError(
            f"the profile has format {version}, of an earlier poseauth; this one reads {_READ}. {_NOT_READ[version]}"
        )
    if version > FORMAT_VERSION:
        raise ProfileDamagedError(
            f"the profile has format {version}, of a later poseauth; this one reads {_READ}. Install that "
            "version, or enrol the person again from their videos, with --overwrite"
        )


def profile_from_dict(plain: Mapping[str, Any], weights: Mapping[str, np.ndarray[Any, Any]]) -> Profile:
    """The inverse of `profile_as_dict`.

    Raises
    ------
    ProfileDamagedError
        If the format is another one, or an entry is missing or not as it must be.
    """
    check_format(plain)
    try:
        if plain["fps"] != FPS or plain["window_frames"] != WINDOW_FRAMES:
            raise ValueError(f"windows of {plain['window_frames']} frames at {plain['fps']} fps")
        extractor, architecture, windows = plain["extractor"], plain["architecture"], plain["windows"]
        if plain["format_version"] < 6:
            windows = dict(points="twelve", **windows)  # an error where it is there already
        if (windows["points"] == "whole") != (architecture["features"] == "whole"):
            raise ValueError(f"windows of points {windows['points']!r} for features {architecture['features']!r}")
        if plain["format_version"] < 5:
            architecture = dict(network_share=_SHARE_BEFORE_5, **architecture)
        return Profile(
            name=str(plain["name"]),
            created=str(plain["created"]),
            poseauth_version=str(plain["poseauth_version"]),
            extractor=fingerprint_from_dict(extractor) if extractor else None,
            windows=_whole(WindowOptions, windows),
            recipe=Recipe(
                str(plain["recipe"]),
                _whole(Architecture, architecture),
                _whole(TrainingOptions, plain["training"]),
            ),
            seed=int(plain["seed"]),
            n_epochs=int(plain["n_epochs"]),
            videos=tuple(_whole(VideoRecord, video) for video in plain["videos"]),
            n_surrogates=int(plain["n_surrogates"]),
            self_test=_self_test(plain["self_test"]) if plain["self_test"] else None,
            calibrated=_calibrated(plain["calibration"]) if plain["calibration"] else None,
            head_turns=_head_turns(plain["head_turns"]),
            weaknesses=tuple(str(reason) for reason in plain["weaknesses"]),
            notes=tuple(str(note) for note in plain["notes"]),
            weights=weights,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ProfileDamagedError(f"profile.json is not as it must be: {error}") from error


def _self_test(plain: Mapping[str, Any]) -> SelfTest:
    estimates = {name: _whole(Estimate, plain[name]) for name in ("auc", "eer", "cllr")}
    curve = tuple(_whole(EvidencePoint, point) for point in plain["evidence_curve"])
    return _whole(SelfTest, {**plain, **estimates, "evidence_curve": curve})


def _head_turns(plain: Mapping[str, Any]) -> HeadTurns:
    ends = {name: tuple(float(value) for value in values) for name, values in plain.items()}
    return _whole(HeadTurns, ends)


def _calibrated(plain: Mapping[str, Any]) -> Calibrated:
    clips, mirrored = (_calibration(plain[name]) for name in ("clips", "mirrored"))
    return _whole(Calibrated, {**plain, "clips": clips, "mirrored": mirrored, "windows": _line(plain["windows"])})


def _calibration(plain: Mapping[str, Any]) -> Calibration:
    lines = tuple(_line(line) for line in plain["resampled"])
    found = _whole(Calibration, {**plain, "line": _line(plain["line"]), "resampled": lines})
    bounds = (found.lower_bound, found.upper_bound, found.undecided)
    if not all(math.isfinite(value) for value in bounds) or not found.lower_bound <= 0 <= found.upper_bound:
        raise ValueError(f"likelihood ratios from {found.lower_bound} to {found.upper_bound}")
    if found.undecided < MIN_UNDECIDED:
        raise ValueError(f"an undecided band of {found.undecided}")
    return found


def _line(plain: Mapping[str, Any]) -> ScoreLine:
    line = _whole(ScoreLine, plain)
    if not (math.isfinite(line.slope) and math.isfinite(line.intercept) and line.slope >= 0):
        raise ValueError(f"a calibration of slope {line.slope} and intercept {line.intercept}")
    return line


_Block = TypeVar("_Block")


def _whole(block: type[_Block], plain: Mapping[str, Any]) -> _Block:
    """A dataclass from every one of its entries, each of its own type: none is taken from today's defaults."""
    expected = {entry.name for entry in fields(block)}  # type: ignore[arg-type]
    if set(plain) != expected:
        raise ValueError(f"{block.__name__} has entries {sorted(plain)}; {sorted(expected)} are needed")
    for name, kind in get_type_hints(block).items():
        if not _is_of(plain[name], kind):
            raise ValueError(f"{block.__name__} has {name} {reprlib.repr(plain[name])}")
    return block(**plain)


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is of the type that a dataclass names; a tuple may have come as a list."""
    inner = get_args(kind)
    if get_origin(kind) is Literal:
        return value in inner
    if get_origin(kind) in (Union, UnionType):
        return any(_is_of(value, one) for one in inner)
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and all(_is_of(one, inner[0]) for one in value)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind
