"""Whatever a command takes for a clip: a video, a keypoint file, poses in JSON. Each gives a KeypointSequence."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from keypoint_extractors.cache import ObservationCache
from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.extraction import Progress, observe_video
from keypoint_extractors.following import Follow, follow
from keypoint_extractors.observation import PoseEstimator
from keypoint_extractors.openpose_json import DEFAULT_FPS, FILE_PATTERN, read_openpose_folder
from keypoint_extractors.pose_json import SUFFIX as JSON_SUFFIX
from keypoint_extractors.pose_json import read_pose_json
from keypoint_extractors.registry import Extractor
from keypoint_extractors.video import VIDEO_SUFFIXES, sha256_of
from keypoint_extractors.video_limits import VideoLimits
from poseauth.errors import KeypointFileError, StorageError, VideoError
from poseauth.keypoint_files import SUFFIX as KEYPOINT_SUFFIX
from poseauth.keypoint_files import read_keypoints
from poseauth.keypoints import KeypointSequence
from poseauth.shown_text import names_told

_LOG = logging.getLogger(__name__)
_MOST_ENTERED = 1000
"""Folders that are looked into only to say that they are passed over."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""A Path writes // as /; a single letter is a drive."""


def is_openpose_folder(path: Path) -> bool:
    """Whether a folder holds OpenPose's JSON files."""
    return path.is_dir() and any(FILE_PATTERN.search(entry.name) for entry in _entries(path))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise VideoError(f"{folder}: cannot be read: {error.strerror or error}") from error


def is_clip(path: Path) -> bool:
    """Whether an entry of a folder is taken for a clip: by its ending, or for an OpenPose folder."""
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in VIDEO_SUFFIXES or path.suffix.lower() == KEYPOINT_SUFFIX:
        return True
    with contextlib.suppress(VideoError, OSError):  # a locked folder is told where it is opened
        return is_openpose_folder(path)
    return False


def find_sources(path: Path, *, recursive: bool = False) -> list[Path]:
    """The clips that a path stands for: itself, or those in a folder, by name.

    Parameters
    ----------
    path : Path
        A file, an OpenPose folder, or a folder of clips.
    recursive : bool
        Whether folders in the folder are searched too.

    Raises
    ------
    VideoError
        If there is nothing there, or nothing in the folder that could be a clip.
    """
    if _ADDRESS.match(str(path)):
        raise VideoError(f"{path}: addresses are not opened. Download the clip and give the file")
    try:
        is_there = path.exists()
    except OSError as error:  # a name that is too long
        raise VideoError(f"{path}: cannot be looked for: {error.strerror or error}") from error
    if not is_there:
        raise VideoError(f"{path}: no such file or folder")
    if not path.is_dir() or is_openpose_folder(path):
        return [path]
    found = list(_clips_in(path, {path.resolve()} if recursive else None))
    if not found:
        endings = ", ".join(sorted(VIDEO_SUFFIXES))
        inside = [] if recursive else [folder.name for folder in folders_with_clips(path)]
        if inside:
            raise VideoError(
                f"{path}: no clip in this folder itself; there are in folders in it ({names_told(inside)}), which "
                "--recursive searches too"
            )
        raise VideoError(f"{path}: no clip in this folder ({endings}, {KEYPOINT_SUFFIX} or OpenPose's JSON)")
    return found


def folders_with_clips(folder: Path) -> list[Path]:
    """The folders in a folder that hold clips, themselves or farther down, and are none; locked ones are left out.

    It is asked by the way, so that no more than `_MOST_ENTERED` folders are looked into: in a whole disk some may not
    be found.

    Raises
    ------
    VideoError
        If the folder cannot be read.
    """
    entered, found = {folder.resolve()}, []
    for entry in _entries(folder):
        inside = _to_enter(entry)
        if inside is None or is_clip(entry) or inside in entered or len(entered) >= _MOST_ENTERED:
            continue
        entered.add(inside)
        with contextlib.suppress(VideoError):
            if any(True for _ in _clips_in(entry, entered, most=_MOST_ENTERED)):
                found.append(entry)
    return found


def content_sha256(path: Path) -> str:
    """What a clip holds as one text, whatever it is called: of an OpenPose folder the names count that give the order.

    Raises
    ------
    VideoError
        If it cannot be read.
    """
    if not path.is_dir():
        return sha256_of(path)
    total = hashlib.sha256()
    for entry in _entries(path):
        if FILE_PATTERN.search(entry.name):
            total.update(f"{sha256_of(entry)}  {entry.name}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _clips_in(folder: Path, entered: set[Path] | None, *, most: float = math.inf) -> Iterator[Path]:
    """The clips of a folder, and of those in it that were not `entered` yet: links may lead in circles."""
    for entry in _entries(folder):
        if is_clip(entry):
            yield entry
        elif entered is not None and len(entered) < most:
            where = _to_enter(entry)
            if where is not None and where not in entered:
                entered.add(where)
                with contextlib.suppress(VideoError):  # a locked folder within one is passed over
                    yield from _clips_in(entry, entered, most=most)


def _to_enter(entry: Path) -> Path | None:
    """Where a folder lies whatever links lead to it; None where it is none, or hidden, or cannot be entered."""
    with contextlib.suppress(OSError):
        if entry.is_dir() and not entry.name.startswith("."):
            return entry.resolve()
    return None


@dataclass
class SourceReader:
    """Reads clips one after another with one extractor, whose network is loaded at the first video not yet kept.

    Attributes
    ----------
    choose : callable
        Gives the extractor; asked at the first video, so that keypoint files need none.
    cache : ObservationCache or None
        Where what was seen is kept; None: nowhere.
    openpose_fps : float
        Frames a second of OpenPose's folders, which do not say.
    limits : VideoLimits or None
        What one video may ask of the machine; None: the usual.
    """

    choose: Callable[[], Extractor]
    cache: ObservationCache | None = None
    openpose_fps: float = DEFAULT_FPS
    limits: VideoLimits | None = None
    _extractor: Extractor | None = field(default=None, init=False, repr=False)
    _estimator: PoseEstimator | None = field(default=None, init=False, repr=False)

    @property
    def extractor(self) -> Extractor:
        """The extractor in use.

        Raises
        ------
        ExtractorError
            If it cannot run here.
        """
        if self._extractor is None:
            self._extractor = self.choose()
        return self._extractor

    def read(
        self,
        path: Path,
        *,
        who: Follow | None = None,
        sha256: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> KeypointSequence:
        """The keypoints of the person of interest in a clip.

        Parameters
        ----------
        path : Path
            A video, a keypoint file, an OpenPose folder or a JSON file of poses.
        who : Follow
            Whom to follow where there are several.
        sha256 : str or None
            The file's digest where it is known already.
        on_progress : callable
            Told while a video is seen; not called for what is kept already.

        Raises
        ------
        InputError
            If the clip cannot be read, or nobody can be followed in it.
        ExtractorError
            If the extractor cannot run.
        """
        if path.suffix.lower() == KEYPOINT_SUFFIX:
            if who is not None and (who.track is not None or who.box is not None):
                raise KeypointFileError(f"{path}: a keypoint file holds one person: leave out --track and --box")
            return read_keypoints(path)
        if is_openpose_folder(path):
            return follow(read_openpose_folder(path, fps=self.openpose_fps), who)
        if not path.is_file():
            raise VideoError(f"{path}: no such file")
        if path.suffix.lower() == JSON_SUFFIX:
            return follow(read_pose_json(path, fps=self.openpose_fps), who)
        if not path.stat().st_size:
            raise VideoError(f"{path}: the file is empty. Copy or download it again")
        sha256 = sha256 or sha256_of(path)
        chosen = self.extractor
        kept = self.cache and self.cache.find(sha256, chosen.fingerprint, source_name=path.name, hands=chosen.hands)
        if kept:
            return follow(kept, who)
        with IsolatedVideo(path, picture_side=chosen.picture_side, limits=self.limits) as decoder:
            if self._estimator is None:  # the decoder starts meanwhile
                self._estimator = chosen.open_estimator()
            observation = observe_video(
                path, self._estimator, source_sha256=sha256, on_progress=on_progress, decoder=decoder
            )
        if self.cache:
            try:
                self.cache.keep(observation)
            except StorageError as error:
                _LOG.warning("keypoints are not kept between commands: %s Or leave it with --no-cache.", error)
                self.cache = None
        return follow(observation, who)

    def close(self) -> None:
        """Free the network."""
        if self._estimator is not None:
            self._estimator.close()
            self._estimator = None
