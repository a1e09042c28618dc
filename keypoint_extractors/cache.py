"""What was seen in a video, kept so that it is decoded once: keyed by the video's and the extractor's digests."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import platformdirs

from keypoint_extractors.observation import Observation
from keypoint_extractors.video import may_go_on
from poseauth.errors import KeypointFileError, StorageError
from poseauth.keypoint_files import coverage_from_dict, fingerprint_from_dict, read_npz, whole_body_from, write_npz
from poseauth.keypoints import WHOLE_BODY_SHAPES, ExtractorFingerprint

_FORMAT_VERSION = 3
"""1 kept pictures whose pixels are no squares as if they were, and clips that were cut short; 2 had no hands."""
_ARRAYS = ("timestamps_s", "shot", "frame", "track", "boxes", "scores", "keypoints", "confidence")


def default_cache_folder() -> Path:
    """The platform's cache folder for poseauth's observations."""
    return Path(platformdirs.user_cache_path("poseauth")) / "keypoints"


class ObservationCache:
    """Observations on disk.

    Parameters
    ----------
    folder : Path
        Made when the first observation is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(
        self, source_sha256: str, extractor: ExtractorFingerprint, *, source_name: str, hands: bool = False
    ) -> Observation | None:
        """What was seen in a video by this very extractor; None where it is not kept or the entry is damaged.

        Parameters
        ----------
        source_sha256 : str
            The video's digest.
        extractor : ExtractorFingerprint
            What would be run.
        source_name : str
            The file's name now: the same content may have had another.
        hands : bool
            Whether hands are asked for. Where they are not, an entry with hands serves as well.
        """
        for with_hands in (True,) if hands else (False, True):
            path = self._path(source_sha256, extractor, with_hands)
            if path.exists():
                # A damaged entry is no entry: the video is decoded again and the entry replaced.
                with contextlib.suppress(KeypointFileError, ValueError, KeyError, TypeError):
                    return replace(_read(path, source_sha256, extractor), source_name=source_name)
        return None

    def keep(self, observation: Observation) -> None:
        """Keep an observation whose source has a digest; one that another reading may complete is not kept.

        Raises
        ------
        StorageError
            If the entry cannot be written.
        """
        if observation.source_sha256 is None:
            raise StorageError(f"{observation.source_name} has no digest to keep it by")
        if may_go_on(observation.coverage):
            return
        meta = {
            "format_version": _FORMAT_VERSION,
            "source_sha256": observation.source_sha256,
            "frame_width": observation.frame_width,
            "frame_height": observation.frame_height,
            "sees_many": observation.sees_many,
            "coverage": asdict(observation.coverage),
            "extractor": observation.extractor.as_dict(),
            "hands_asked": observation.hands_asked,
        }
        arrays = {name: getattr(observation, name) for name in _ARRAYS}
        arrays |= observation.whole_body.given() if observation.whole_body else {}
        path = self._path(observation.source_sha256, observation.extractor, observation.hands_asked)
        write_npz(path, {**arrays, "meta": np.array(json.dumps(meta))})

    def forget(self, source_sha256: str) -> int:
        """Remove every entry of a video; gives how many there were."""
        entries = list(self.folder.glob(f"{source_sha256}_*.npz"))
        for entry in entries:
            entry.unlink(missing_ok=True)
        return len(entries)

    def _path(self, source_sha256: str, extractor: ExtractorFingerprint, hands: bool) -> Path:
        return self.folder / f"{source_sha256}_{extractor.digest[:16]}{'_hands' if hands else ''}.npz"


def _read(path: Path, source_sha256: str, extractor: ExtractorFingerprint) -> Observation:
    arrays = read_npz(path, (*_ARRAYS, "meta"), optional=tuple(WHOLE_BODY_SHAPES))
    meta = json.loads(str(arrays["meta"][()]))
    kept_by = fingerprint_from_dict(meta["extractor"])
    if (meta["format_version"], meta["source_sha256"], kept_by) != (_FORMAT_VERSION, source_sha256, extractor):
        raise ValueError(f"{path} is of something else")
    return Observation(
        **{name: arrays[name] for name in _ARRAYS},
        frame_width=int(meta["frame_width"]),
        frame_height=int(meta["frame_height"]),
        sees_many=bool(meta["sees_many"]),
        coverage=coverage_from_dict(meta["coverage"]),
        extractor=kept_by,
        source_name=path.name,
        source_sha256=source_sha256,
        whole_body=whole_body_from(arrays),
        hands_asked=bool(meta["hands_asked"]),
    )
