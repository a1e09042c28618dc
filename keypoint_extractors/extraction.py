"""From a video to what is seen in it: decode, find the cuts, find the people, track them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from keypoint_extractors.ahead import Ahead
from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.observation import (
    DetectionLog,
    Observation,
    PictureGroup,
    PoseEstimator,
    observation_from,
)
from keypoint_extractors.shots import number_shots
from keypoint_extractors.tracking import track_people
from keypoint_extractors.video import Frame, sha256_of
from poseauth.arrays import Float64Array
from poseauth.windows import FPS

_AHEAD_BYTES = 64 << 20
"""Of decoded frames that may wait for the network: memory stays independent of the video's length."""
_MOST_AHEAD_FRAMES, _LEAST_AHEAD_FRAMES = 64, 4


@dataclass(frozen=True)
class Progress:
    """How far the extraction of one video is, in frames; `n_expected` is None where the file promises nothing."""

    source_name: str
    n_decoded: int
    n_done: int
    n_expected: int | None


def observe_video(
    path: Path,
    estimator: PoseEstimator,
    *,
    source_sha256: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    decoder: IsolatedVideo | None = None,
) -> Observation:
    """Everybody in a video, frame by frame, at up to 30 frames a second.

    Decoding runs ahead in a process of its own, and gives pictures as small as the network can use.

    Parameters
    ----------
    path : Path
        The video.
    estimator : PoseEstimator
        The network.
    source_sha256 : str
        The file's digest where it is known already.
    on_progress : callable
        Told after every group of frames.
    decoder : IsolatedVideo or None
        Of this video, giving pictures of the estimator's `picture_side`, where it was started while the network was
        loaded; None: one with the usual limits.

    Raises
    ------
    VideoError
        If the file is no video, goes beyond a limit, ends the decoder, or no frame of it can be decoded.
    ExtractorError
        If the network fails.
    """
    reader = decoder or IsolatedVideo(path, picture_side=estimator.picture_side)
    n_expected = reader.info.n_expected
    times, shots = array("d"), array("i")  # a list would take four times the memory
    detections = DetectionLog()

    def pictures(stream: Iterator[tuple[Frame, int]]) -> Iterator[PictureGroup]:
        for group in _groups(stream, estimator.group_frames):
            group_times = [frame.time_s for frame, _ in group]
            begins_shot = not shots or shots[-1] != group[0][1]
            times.extend(group_times)
            shots.extend(shot for _, shot in group)
            yield PictureGroup([frame.rgb for frame, _ in group], group_times, begins_shot)

    width, height = reader.info.width, reader.info.height
    wider, higher = width / reader.picture_size[0], height / reader.picture_size[1]
    n_ahead = _AHEAD_BYTES // (3 * reader.picture_size[0] * reader.picture_size[1])
    n_ahead = min(max(n_ahead, _LEAST_AHEAD_FRAMES), _MOST_AHEAD_FRAMES)
    with Ahead(number_shots(iter(reader)), n_ahead) as stream, reader:
        for found in estimator.detect(pictures(stream)):
            detections.add([people.scaled(wider, higher) for people in found])
            if on_progress:
                on_progress(Progress(path.name, reader.n_decoded, len(detections), n_expected))
    shot_of_frame, time_of_frame = np.array(shots, np.int32), np.array(times, np.float64)
    return observation_from(
        detections,
        () if detections.numbers is not None else track_people(detections, shot_of_frame, _rate(time_of_frame)),
        time_of_frame,
        shot_of_frame,
        frame_size=(width, height),
        sees_many=estimator.sees_many,
        coverage=reader.coverage,
        extractor=estimator.fingerprint,
        source_name=path.name,
        source_sha256=source_sha256 or sha256_of(path),
        hands_asked=estimator.sees_hands,
    )


def _rate(times_s: Float64Array) -> float:
    """Frames a second of the stream: at most 30, fewer where the video has fewer."""
    steps = np.diff(times_s)
    return min(FPS, 1 / float(np.median(steps))) if len(steps) else FPS


def _groups(stream: Iterator[tuple[Frame, int]], n_frames: int) -> Iterator[list[tuple[Frame, int]]]:
    """Consecutive frames of one shot, so many at most: where a group begins depends on the video alone."""
    for _, shot in groupby(stream, key=lambda item: item[1]):
        while group := list(islice(shot, n_frames)):
            yield group
