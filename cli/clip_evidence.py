"""What is known of one verified clip, for its page and for the JSON beside it: the answer, why, how sure, custody."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from poseauth import __version__
from poseauth.decision import VOTE_THRESHOLD
from poseauth.errors import InputError, ProfileError, VideoError
from poseauth.keypoints import (
    HEAD_KEYPOINTS,
    L_ELBOW,
    L_SHOULDER,
    L_WRIST,
    R_ELBOW,
    R_SHOULDER,
    R_WRIST,
    KeypointSequence,
)
from poseauth.report import Verification, as_dict
from poseauth.windows import WINDOW_S, torso_size

if TYPE_CHECKING:
    from keypoint_extractors.video_limits import VideoLimits
    from person_profiles.explaining import OwnVideos
    from person_profiles.profile import Profile
    from person_profiles.signature import SignatureStatus
    from person_profiles.store import Stored
    from poseauth.comparison import Comparison
    from poseauth.explanation import Explanation
    from poseauth.plain_measures import Measure
    from poseauth.scoring import WindowScorer

REPORT_SCHEMA_VERSION = 1
MOST_MOMENTS = 3
"""Moments shown for the person, and as many against."""
PICTURE_SIDE = 320
"""Pixels of a picture's longer side."""
_NOT_ANALYSED = "the clip was not analysed"
_VISIBLE = {
    "head": HEAD_KEYPOINTS,
    "shoulders": (R_SHOULDER, L_SHOULDER),
    "elbows": (R_ELBOW, L_ELBOW),
    "wrists": (R_WRIST, L_WRIST),
}
_PACKAGES = (
    "torch", "numpy", "scipy", "av", "opencv-python", "ai-edge-litert", "ultralytics", "mediapipe", "scenedetect",
    "safetensors",
)  # fmt: skip
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Span:
    """A piece of the clip in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Moment:
    """A window that speaks strongly, and how it looks.

    Attributes
    ----------
    span : Span
        The window.
    score : float
        0 to 1, higher = more like the person.
    picture_s : float
        Time of the picture.
    jpeg : bytes
        The picture with the skeleton on it.
    """

    span: Span
    score: float
    picture_s: float
    jpeg: bytes

    @property
    def is_for(self) -> bool:
        """Whether it speaks for the person."""
        return self.score > VOTE_THRESHOLD


@dataclass(frozen=True)
class Quality:
    """What there was to see.

    Attributes
    ----------
    width, height : int
        Pixels of the frame; 0 where nobody knows.
    frames_per_s : float or None
        Of the frames looked at, 30 at the most.
    duration_s : float
        From the first frame to the last.
    n_shots : int
        Uncut pieces of camera.
    torso_px : float or None
        Median size of the person: shoulder width and neck to nose.
    visible : mapping of str to float
        Share of the frames in which each part is seen, both sides averaged, 0 to 1.
    """

    width: int
    height: int
    frames_per_s: float | None
    duration_s: float
    n_shots: int
    torso_px: float | None
    visible: Mapping[str, float]


@dataclass(frozen=True)
class InputFile:
    """The file that was looked at; nothing is known of a folder's size and digest."""

    name: str
    sha256: str | None
    n_bytes: int | None


@dataclass(frozen=True, eq=False)
class ClipEvidence:
    """Everything that the page of a clip shows.

    Attributes
    ----------
    result : Verification
        The answer.
    clip : InputFile
        What was looked at.
    link : str or None
        Where the video stands seen from the page, quoted; None where there is no video to play.
    quality : Quality or None
        None where nothing could be read.
    shots, unscored : tuple of Span
        The shots of the clip, and what of it lies in no scored window.
    undecided : tuple of float or None
        Scores between which nothing is decided.
    moments : tuple of Moment
        The strongest for and against, each strongest first.
    explanation : Explanation or None
        Why; None where `unexplained` says why not.
    unexplained : str
        Why there is no explanation; "" where there is.
    comparison : Comparison or None
        The clip beside the person's own videos; None where `uncompared` says why not.
    uncompared : str
        Why there is no comparison; "" where there is.
    profile : Profile
        Whom it was held against.
    signature : SignatureStatus
        Of the profile.
    profile_sha256 : str
        Digest of its `profile.json`, which names those of its other files.
    options : mapping
        What the command was told, plain values.
    environment : mapping of str to str
        Versions and machine.
    times_utc : mapping of str to str
        When: the only thing in which two runs differ.
    """

    result: Verification
    clip: InputFile
    link: str | None
    quality: Quality | None
    shots: tuple[Span, ...]
    unscored: tuple[Span, ...]
    undecided: tuple[float, float] | None
    moments: tuple[Moment, ...]
    explanation: Explanation | None
    unexplained: str
    comparison: Comparison | None
    uncompared: str
    profile: Profile
    signature: SignatureStatus
    profile_sha256: str
    options: Mapping[str, Any]
    environment: Mapping[str, str]
    times_utc: Mapping[str, str]


def utc_now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat()


def gather(
    path: Path,
    sequence: KeypointSequence | None,
    result: Verification,
    *,
    stored: Stored,
    scorer: WindowScorer,
    own: OwnVideos,
    page: Path,
    options: Mapping[str, Any],
    limits: VideoLimits | None = None,
    started_utc: str,
) -> ClipEvidence:
    """Look again at what was answered: pictures, explanation, comparison, quality, digests.

    Parameters
    ----------
    path : Path
        The clip.
    sequence : KeypointSequence or None
        Its keypoints; None where it could not be read.
    result : Verification
        The answer.
    stored, scorer, own :
        The person, and their own videos.
    page : Path
        Where the page will stand, for the link to the clip.
    options : mapping
        What the command was told, plain values.
    limits : VideoLimits or None
        What the file may ask of the machine.
    started_utc : str
        When the clip's turn came.
    """
    from person_profiles.verification import undecided_votes

    profile = stored.profile
    has_pictures = sequence is not None and is_video(path)
    explanation, unexplained, comparison, uncompared = _beside_own_videos(sequence, result, scorer, own)
    return ClipEvidence(
        result=result,
        clip=_input_file(path, sequence.provenance.source_sha256 if sequence is not None and has_pictures else None),
        link=_link(path, page) if has_pictures else None,
        quality=_quality(sequence) if sequence is not None and len(sequence) else None,
        shots=_shots(sequence) if sequence is not None else (),
        unscored=_unscored(sequence, result) if sequence is not None else (),
        undecided=undecided_votes(profile),
        moments=_moments(path if has_pictures else None, sequence, result, limits) if sequence is not None else (),
        explanation=explanation,
        unexplained=unexplained,
        comparison=comparison,
        uncompared=uncompared,
        profile=profile,
        signature=stored.signature,
        profile_sha256=stored.files.sha256,
        options=options,
        environment=_environment(),
        times_utc={"started": started_utc, "finished": utc_now()},
    )


def evidence_as_dict(evidence: ClipEvidence) -> dict[str, Any]:
    """Plain values for JSON: all that the page says, but for the pictures."""
    profile, explanation, comparison = evidence.profile, evidence.explanation, evidence.comparison
    return {
        "report_schema_version": REPORT_SCHEMA_VERSION,
        "verification": as_dict(evidence.result),
        "undecided_scores": None if evidence.undecided is None else [round(value, 4) for value in evidence.undecided],
        "shots": [_span(span) for span in evidence.shots],
        "not_scored": [_span(span) for span in evidence.unscored],
        "moments": [
            {
                **_span(moment.span),
                "picture_s": round(moment.picture_s, 3),
                "score_higher_is_more_like_person": round(moment.score, 6),
                "speaks": "for" if moment.is_for else "against",
            }
            for moment in evidence.moments
        ],
        "explanation": None if explanation is None else _explanation_as_dict(explanation),
        "not_explained_because": evidence.unexplained or None,
        "comparisons": None if comparison is None else _comparison_as_dict(comparison),
        "not_compared_because": evidence.uncompared or None,
        "quality": None if evidence.quality is None else _quality_as_dict(evidence.quality),
        "self_test": None if profile.self_test is None else _rounded(asdict(profile.self_test)),
        "custody": {
            "clip": {"name": evidence.clip.name, "sha256": evidence.clip.sha256, "bytes": evidence.clip.n_bytes},
            "profile": {
                "name": profile.name,
                "profile_json_sha256": evidence.profile_sha256,
                "signature": evidence.signature.as_dict(),
                "created_utc": profile.created,
                "poseauth_version": profile.poseauth_version,
                "recipe": profile.recipe.name,
                "points": profile.windows.points,
                "seed": profile.seed,
                "seconds_of_the_person": round(profile.seconds_genuine, 3),
                "n_videos": len(profile.videos),
                "extractor": profile.extractor.as_dict() if profile.extractor else None,
                "extractor_digest": profile.extractor.digest if profile.extractor else None,
            },
            "options": dict(evidence.options),
            "environment": dict(evidence.environment),
        },
        "times_utc": dict(evidence.times_utc),
    }


def _span(span: Span) -> dict[str, float]:
    return {"start_s": round(span.start_s, 3), "end_s": round(span.end_s, 3)}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return round(value, 6) if isinstance(value, float) else value


def _explanation_as_dict(explanation: Explanation) -> dict[str, Any]:
    plain: dict[str, Any] = _rounded(asdict(explanation))
    return {
        "method": "parts exchanged with those of other moments of the person's own videos; mean scores, 0 to 1, "
        "higher = more like the person",
        **plain,
        "holds_for": explanation.holds_for,
        "holds_against": explanation.holds_against,
    }


def _comparison_as_dict(comparison: Comparison) -> dict[str, Any]:
    told = comparison.told
    return {
        "method": "means over the clip's windows beside those of stretches of the enrolled videos; a description, no "
        "part of the verdict",
        "stretch_s": comparison.stretch_s,
        "n_enrolled_stretches": comparison.n_stretches,
        "n_enrolled_videos": comparison.n_videos,
        "n_unusual": len(comparison.unusual),
        "measures": [
            {
                **_measure_as_dict(one.measure),
                "unit": one.measure.kind.unit,
                "clip": round(one.value, 4),
                "enrolled_median": round(one.usual, 4),
                "enrolled_5th_percentile": round(one.low, 4),
                "enrolled_95th_percentile": round(one.high, 4),
                "n_enrolled_stretches": one.n_stretches,
                "n_enrolled_below_clip": one.n_below,
                "n_enrolled_above_clip": one.n_above,
                "distance_beyond_1_is_far": round(one.distance, 4),
                "unusual": one.is_unusual,
                "told": one in told,
            }
            for one in comparison.compared
        ],
        "not_compared_for_the_clip": [_measure_as_dict(measure) for measure in comparison.left_out],
        "not_compared_for_the_enrolled_videos": [_measure_as_dict(measure) for measure in comparison.left_out_own],
    }


def _measure_as_dict(measure: Measure) -> dict[str, Any]:
    return {"measure": measure.kind.name, "parts": list(measure.parts)}


def _quality_as_dict(quality: Quality) -> dict[str, Any]:
    return {
        "width_px": quality.width or None,
        "height_px": quality.height or None,
        "frames_per_s_looked_at": None if quality.frames_per_s is None else round(quality.frames_per_s, 3),
        "duration_s": round(quality.duration_s, 3),
        "n_shots": quality.n_shots,
        "torso_px": None if quality.torso_px is None else round(quality.torso_px, 1),
        "share_of_frames_visible": {name: round(share, 4) for name, share in quality.visible.items()},
    }


def is_video(path: Path) -> bool:
    """Whether a clip has pictures, unlike a keypoint file or an OpenPose folder."""
    from poseauth.keypoint_files import SUFFIX

    return path.is_file() and path.suffix.lower() != SUFFIX


def _input_file(path: Path, known_sha256: str | None) -> InputFile:
    from keypoint_extractors.video import sha256_of
    from poseauth.shown_text import encodable

    name = encodable(path.name)
    if not path.is_file():
        return InputFile(name, None, None)
    try:
        return InputFile(name, known_sha256 or sha256_of(path), path.stat().st_size)
    except (VideoError, OSError):
        return InputFile(name, None, None)


def _link(path: Path, page: Path) -> str | None:
    """The way from the page to the clip, as a relative address; None from one drive of Windows to another."""
    from urllib.parse import quote_from_bytes

    try:
        way = Path(os.path.relpath(path.absolute(), page.absolute().parent))
    except ValueError:
        return None
    # Never taken for an address with a scheme: a file may be called "javascript:x.mp4".
    return "./" + quote_from_bytes(os.fsencode(way.as_posix()))


def _quality(sequence: KeypointSequence) -> Quality:
    source = sequence.provenance
    step = float(np.median(np.diff(sequence.timestamps_s))) if len(sequence) > 1 else 0.0
    sizes = torso_size(sequence.keypoints)
    sizes = sizes[np.isfinite(sizes)]
    return Quality(
        source.frame_width,
        source.frame_height,
        1 / step if step > 0 else None,
        sequence.duration_s,
        len(np.unique(sequence.shot)),
        float(np.median(sizes)) if len(sizes) else None,
        {name: float(sequence.seen[:, list(part)].mean()) for name, part in _VISIBLE.items()},
    )


def _shots(sequence: KeypointSequence) -> tuple[Span, ...]:
    if not len(sequence):
        return ()
    times = sequence.timestamps_s
    firsts = [0, *(np.flatnonzero(np.diff(sequence.shot)) + 1).tolist()]
    ends = [*times[firsts[1:]].tolist(), float(times[-1])]
    return tuple(Span(float(times[first]), end) for first, end in zip(firsts, ends, strict=True))


def _unscored(sequence: KeypointSequence, result: Verification) -> tuple[Span, ...]:
    """What lies in no scored window, by the clip's own clock; slivers of less than a frame or two are left out."""
    if not len(sequence):
        return ()
    at, end = float(sequence.timestamps_s[0]), float(sequence.timestamps_s[-1])
    found = []
    starts = [] if result.window_start_s is None else result.window_start_s.tolist()
    for start in starts:
        if start > at:
            found.append(Span(at, start))
        at = max(at, start + WINDOW_S)
    found += [Span(at, end)] if end > at else []
    return tuple(span for span in found if span.end_s - span.start_s > 0.1)


def _moments(
    video: Path | None, sequence: KeypointSequence, result: Verification, limits: VideoLimits | None
) -> tuple[Moment, ...]:
    if result.window_scores is None or result.window_start_s is None:
        return ()
    from keypoint_extractors.drawing.overlay import as_jpeg, skeleton_pictures

    scores, starts = result.window_scores, result.window_start_s
    order = np.argsort(scores, kind="stable").tolist()
    chosen = [row for row in _apart(order[::-1], starts.tolist()) if scores[row] > VOTE_THRESHOLD][:MOST_MOMENTS]
    chosen += [row for row in _apart(order, starts.tolist()) if scores[row] <= VOTE_THRESHOLD][:MOST_MOMENTS]
    times = [float(starts[row]) + WINDOW_S / 2 for row in chosen]
    pictures = skeleton_pictures(sequence, times, video=video, side=PICTURE_SIDE, limits=limits)
    return tuple(
        Moment(Span(float(starts[row]), float(starts[row]) + WINDOW_S), float(scores[row]), time_s, as_jpeg(picture))
        for row, time_s, picture in zip(chosen, times, pictures, strict=True)
    )


def _apart(rows: Sequence[int], starts: Sequence[float]) -> list[int]:
    """The rows, in their order, whose windows share nothing with those of rows before them."""
    kept: list[int] = []
    for row in rows:
        if all(abs(starts[row] - starts[other]) >= WINDOW_S - 1e-6 for other in kept):
            kept.append(row)
    return kept


def _beside_own_videos(
    sequence: KeypointSequence | None,
    result: Verification,
    scorer: WindowScorer,
    own: OwnVideos,
) -> tuple[Explanation | None, str, Comparison | None, str]:
    """Why the clip scores as it does, and what one can see, each with the reason why it is not known."""
    if sequence is None or result.decision is None:
        return None, _NOT_ANALYSED, None, _NOT_ANALYSED
    from person_profiles.explaining import clip_windows, explain_clip
    from poseauth.comparison import compare

    try:
        theirs = own.windows
    except ProfileError as error:
        return None, str(error), None, str(error)
    clip = clip_windows(sequence, own.profile)
    return (
        *_or_why_not(lambda: explain_clip(clip, theirs, own.profile, scorer)),
        *_or_why_not(lambda: compare(clip, theirs)),
    )


def _or_why_not(found: Callable[[], _Found]) -> tuple[_Found | None, str]:
    try:
        return found(), ""
    except (InputError, ProfileError) as error:
        return None, str(error)


def _environment() -> dict[str, str]:
    found = {"poseauth": __version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | {
        "system": f"{platform.system()} {platform.release()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }
