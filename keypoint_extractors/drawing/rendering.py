"""Videos drawn from keypoints: the inverse of an extractor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keypoint_extractors.ahead import Ahead
from keypoint_extractors.drawing.backdrop import draw_backdrop
from keypoint_extractors.drawing.figure import LOOKS, Look, draw_speaker
from poseauth.arrays import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array
from poseauth.errors import StorageError
from poseauth.keypoints import KeypointSequence

if TYPE_CHECKING:
    import av
    import av.container

__all__ = ["LOOKS", "Look", "draw_speaker", "render_scene", "render_video"]

CODECS = {
    ".mp4": "libx264",
    ".m4v": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".avi": "mpeg4",
    ".webm": "libvpx",
}
ENCODER_OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "23"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "12", "b": "4M"},
    "mpeg4": {"qscale": "3"},
}
N_ENCODER_THREADS = 2
"""Fixed, since the number of threads changes the bytes."""
TICKS_PER_S = 90_000
"""Time base of a video with a varying frame rate; Matroska and WebM round to milliseconds."""
DEFAULT_SIZE = (1280, 720)
MP4_SUFFIXES = (".mp4", ".m4v", ".mov")
CONSTANT_RATE_ONLY = (".avi",)
SAME_TIME_S = 1e-6
_DRAWN_AHEAD = 2
"""Pictures drawn while others are encoded."""


def render_video(
    sequence: KeypointSequence,
    path: str | Path,
    *,
    look: Look = LOOKS[0],
    width: int | None = None,
    height: int | None = None,
    fps: float = 30.0,
    timestamps_s: Float64Array | Sequence[float] | None = None,
    rotation: int = 0,
    codec: str | None = None,
) -> Path:
    """Draw one speaker as a video file; see `render_scene`."""
    return render_scene(
        [(sequence, look)],
        path,
        width=width,
        height=height,
        fps=fps,
        timestamps_s=timestamps_s,
        rotation=rotation,
        codec=codec,
    )


def render_scene(
    people: Sequence[tuple[KeypointSequence, Look]],
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    fps: float = 30.0,
    timestamps_s: Float64Array | Sequence[float] | None = None,
    rotation: int = 0,
    codec: str | None = None,
) -> Path:
    """Draw one or several speakers into one video file. The same input gives the same bytes.

    Parameters
    ----------
    people : sequence of (KeypointSequence, Look)
        Drawn in this order, the last in front, each while its own timestamps last. The first one's look and
        shots make the background: it changes with each new shot.
    path : str or Path
        The file; its suffix chooses the container: .mp4, .m4v, .mov, .mkv, .avi or .webm.
    width, height : int or None
        Size in pixels of the upright picture, even; None: the frame size of the first sequence.
    fps : float
        Frames a second, from the earliest keypoint to the last. Between two frames of a sequence the keypoints
        are interpolated linearly, never across a change of shot.
    timestamps_s : array of float [shape=(T,)] or None
        Times of the frames in seconds, from 0 up, on the sequences' clock: a varying frame rate, `fps` is not used.
    rotation : int
        0, 90, 180 or 270: the picture is stored lying, with metadata that tell a player to turn it by so many
        degrees counterclockwise.
    codec : str or None
        An encoder of FFmpeg; None: the container's usual one.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the options do not go together or there is nothing to draw.
    StorageError
        If the file could not be written.
    """
    import av

    path = Path(path)
    if not people or any(len(sequence) == 0 for sequence, _ in people):
        raise ValueError("there is nobody to draw, or a sequence has no frames")
    size = _picture_size(people[0][0], width, height)
    _check_container(path, rotation, varying=timestamps_s is not None)
    times, ticks, time_base, rate = _frame_times([sequence for sequence, _ in people], fps, timestamps_s)
    options = {"fflags": "+bitexact"}
    if path.suffix.lower() in MP4_SUFFIXES:
        options["movie_timescale"] = str(TICKS_PER_S)
    codec = codec or CODECS[path.suffix.lower()]
    try:
        with av.open(str(path), "w", options=options) as container:
            stream = _add_stream(container, codec, rate, size, rotation)
            stream.codec_context.time_base = time_base
            with Ahead(_pictures(people, times, size), _DRAWN_AHEAD) as pictures:
                for tick, picture in zip(ticks, pictures, strict=True):
                    frame = encodable(picture, rotation)
                    frame.pts, frame.time_base = tick, time_base
                    container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (OSError, av.error.FFmpegError) as error:
        raise StorageError(f"{path} could not be written: {error}. Is the folder there, and is there space?") from error
    return path


def _check_container(path: Path, rotation: int, *, varying: bool) -> None:
    suffix = path.suffix.lower()
    if suffix not in CODECS:
        raise ValueError(f"{path.name} does not end in one of {', '.join(CODECS)}")
    if rotation not in (0, 90, 180, 270):
        raise ValueError(f"rotation is {rotation}; 0, 90, 180 or 270 degrees are possible")
    if suffix in CONSTANT_RATE_ONLY and (varying or rotation):
        raise ValueError(f"{suffix} has neither timestamps nor rotation; write .mp4 or .mkv")


def _picture_size(sequence: KeypointSequence, width: int | None, height: int | None) -> tuple[int, int]:
    known = sequence.provenance.frame_width, sequence.provenance.frame_height
    usual_width, usual_height = known if min(known) > 0 else DEFAULT_SIZE
    width = usual_width + usual_width % 2 if width is None else width
    height = usual_height + usual_height % 2 if height is None else height
    if width < 2 or height < 2 or width % 2 or height % 2:
        raise ValueError(f"{width} x {height} px is not an even size, which the encoders need")
    return width, height


def _frame_times(
    sequences: Sequence[KeypointSequence], fps: float, timestamps_s: Float64Array | Sequence[float] | None
) -> tuple[Float64Array, list[int], Fraction, Fraction]:
    """Times of the frames in seconds and in ticks, the length of a tick, and the (mean) rate."""
    if not 0 < fps < 1000:
        raise ValueError(f"fps is {fps}; between 0 and 1000 frames a second are possible")
    if timestamps_s is None:
        start = min(float(sequence.timestamps_s[0]) for sequence in sequences)
        end = max(float(sequence.timestamps_s[-1]) for sequence in sequences)
        n_frames = int((end - start + SAME_TIME_S) * fps) + 1
        rate = Fraction(fps).limit_denominator(1001)
        return start + np.arange(n_frames) / fps, list(range(n_frames)), 1 / rate, rate
    times = np.asarray(timestamps_s, dtype=np.float64)
    ticks = np.round(times * TICKS_PER_S).astype(np.int64)
    if len(times) == 0 or ticks[0] < 0 or (np.diff(ticks) <= 0).any():
        raise ValueError("timestamps_s must start at 0 or later and increase by 1/90000 s or more")
    span = float(times[-1] - times[0])
    rate = Fraction((len(times) - 1) / span if span > 0 else fps).limit_denominator(1001)
    return times, ticks.tolist(), Fraction(1, TICKS_PER_S), rate


def _add_stream(
    container: av.container.OutputContainer, codec: str, rate: Fraction, size: tuple[int, int], rotation: int
) -> av.VideoStream:
    import av

    stream = container.add_stream(codec, rate=rate, options=dict(ENCODER_OPTIONS.get(codec, {})))
    if not isinstance(stream, av.VideoStream):
        raise ValueError(f"{codec} is not a video encoder")
    stream.width, stream.height = size if rotation % 180 == 0 else size[::-1]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = N_ENCODER_THREADS
    if rotation:
        if not hasattr(stream, "set_display_rotation"):
            raise ValueError(f"PyAV {av.__version__} cannot write rotation; install a newer one")
        stream.set_display_rotation(rotation)
    return stream


def encodable(picture: UInt8Array, rotation: int = 0) -> av.VideoFrame:
    """A picture [shape=(H, W, 3)], uint8, RGB, as the encoders take it: yuv420p, ITU-R BT.601, turned by `rotation`."""
    import av
    import cv2

    stored = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
    return av.VideoFrame.from_ndarray(cv2.cvtColor(stored, cv2.COLOR_RGB2YUV_I420), format="yuv420p")


def _pictures(
    people: Sequence[tuple[KeypointSequence, Look]], times: Float64Array, size: tuple[int, int]
) -> Iterator[UInt8Array]:
    sampled = [(look, *sample_keypoints(sequence, times), sample_hands(sequence, times)) for sequence, look in people]
    backdrops: dict[int, UInt8Array] = {}
    scene_shot = sampled[0][3]
    for number, shot in enumerate(scene_shot.tolist()):
        if shot not in backdrops:
            backdrops = {shot: draw_backdrop(people[0][1], shot, width=size[0], height=size[1])}
        picture = backdrops[shot].copy()
        for look, keypoints, confidence, _, hands in sampled:
            fingers = None if hands is None else hands[number]
            draw_speaker(keypoints[number], confidence[number], hands=fingers, look=look, onto=picture)
        yield picture


def sample_keypoints(
    sequence: KeypointSequence, times_s: Float64Array
) -> tuple[Float32Array, Float32Array, Int32Array]:
    """The keypoints at any times, linear between two frames of one shot.

    A keypoint missing in one of the two frames is taken from the nearer frame; across a change of shot the
    earlier frame is held. Before the first frame and more than a frame after the last nobody is there.

    Parameters
    ----------
    sequence : KeypointSequence
        At least one frame.
    times_s : np.ndarray [shape=(N,)], float64
        Seconds on the sequence's clock.

    Returns
    -------
    tuple of np.ndarray [shape=(N, 12, 2)], [shape=(N, 12)] float32 and [shape=(N,)] int32
        Keypoints, confidence, number of the shot.
    """
    known = sequence.timestamps_s
    before, after, share = _between(sequence, times_s)
    weight = np.where(sequence.seen[before] & sequence.seen[after], share[:, None], np.round(share)[:, None])
    weight = weight.astype(np.float32)
    first, second = np.nan_to_num(sequence.keypoints[before]), np.nan_to_num(sequence.keypoints[after])
    keypoints = (1 - weight[..., None]) * first + weight[..., None] * second
    confidence = (1 - weight) * sequence.confidence[before] + weight * sequence.confidence[after]
    end_s = np.inf
    if len(known) > 1 and (times_s > known[-1]).any():  # looks at all the frames: not for each of a long clip
        end_s = float(known[-1] + np.median(np.diff(known)))
    absent = (times_s < known[0] - SAME_TIME_S) | (times_s >= end_s)
    confidence[absent] = 0.0
    keypoints[~(confidence > 0)] = np.nan
    return keypoints.astype(np.float32), confidence.astype(np.float32), sequence.shot[before]


def sample_hands(sequence: KeypointSequence, times_s: Float64Array) -> Float32Array | None:
    """Both hands at any times, as `sample_keypoints`: [shape=(N, 2, 21, 3)]; None where the sequence knows none."""
    if sequence.whole_body is None or sequence.whole_body.hands is None:
        return None
    before, after, share = _between(sequence, times_s)
    first, second = sequence.whole_body.hands[before], sequence.whole_body.hands[after]
    weight = np.where(np.isfinite(first) & np.isfinite(second), share[:, None, None, None], 0.0)
    return np.asarray(np.where(weight > 0, (1 - weight) * first + weight * second, first), np.float32)


def _between(sequence: KeypointSequence, times_s: Float64Array) -> tuple[Int64Array, Int64Array, Float64Array]:
    """The frames before and after each time, and how far on the way from one to the other it is, 0 to 1."""
    known = sequence.timestamps_s
    before = np.clip(np.searchsorted(known, times_s + SAME_TIME_S, side="right") - 1, 0, len(known) - 1)
    after = np.minimum(before + 1, len(known) - 1)
    gap = np.where(after > before, known[after] - known[before], 1.0)
    share = np.clip((times_s - known[before]) / gap, 0.0, 1.0)
    return before, after, np.where((after > before) & (sequence.shot[before] == sequence.shot[after]), share, 0.0)
