"""The same clip as it comes out of other hands: re-encoded, smaller, at another rate, mirrored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.drawing.rendering import N_ENCODER_THREADS, TICKS_PER_S
from keypoint_extractors.video_limits import VideoLimits
from poseauth.arrays import BoolArray
from poseauth.errors import StorageError
from poseauth.keypoints import KeypointSequence
from poseauth.surrogates import mirror_images, mirrored_whole_body

if TYPE_CHECKING:
    import av

CRF_RE_ENCODED = 35
"""H.264's constant rate factor, 0 (lossless) to 51: blocks and smear are plain to see, as after several uploads."""
CRF_OTHERWISE = 18
"""Hardly to be told from the original, so that a rung shows its own change and not the encoder's."""
LOWER_FPS = 15.0
SUFFIX = ".mp4"
"""Of a video variant: the only container that is written."""

_NOMINAL_FPS = 30
"""What the encoder plans its bits for; every frame is shown at its own time."""
_ROUNDING_S = 0.005
"""Time stamps may be rounded to milliseconds: a frame this much too early still counts as on time."""


@dataclass(frozen=True)
class Rung:
    """One thing that is done to a clip.

    Attributes
    ----------
    name : str
        In one word or two.
    does : str
        What it does, for the reader of a table.
    crf : int
        Of the encoder.
    halves : bool
        Whether width and height are halved, to even numbers of pixels.
    max_fps : float or None
        Frames a second that are kept at most; None: all of those that an extractor would see.
    mirrors : bool
        Whether left and right are exchanged.
    """

    name: str
    does: str
    crf: int = CRF_OTHERWISE
    halves: bool = False
    max_fps: float | None = None
    mirrors: bool = False


RUNGS = (
    Rung("re-encoded", f"H.264 once more at crf {CRF_RE_ENCODED}", crf=CRF_RE_ENCODED),
    Rung("smaller", "half the width and height", halves=True),
    Rung("other rate", f"at most {LOWER_FPS:g} frames a second", max_fps=LOWER_FPS),
    Rung("mirrored", "left and right exchanged", mirrors=True),
)
"""Each changes one thing, so that its part in a drift is known."""


def vary_video(source: Path, rung: Rung, target: Path, *, limits: VideoLimits | None = None) -> bool:
    """Write a video as it would come out of other hands; gives whether there was anything to change.

    Frame by frame: memory does not grow with the length. Pictures are those that an extractor sees (upright, at most
    30 a second, each at its own time); sound is left out. The same input gives the same bytes, so that a cache knows a
    variant again; only of pictures of some 20 lines x264 does not keep this.

    Parameters
    ----------
    source : Path
        A video.
    rung : Rung
        What to do to it.
    target : Path
        Ends in .mp4.
    limits : VideoLimits or None
        What the source may ask of the machine; None: the usual.

    Returns
    -------
    bool
        False where the rung limits the rate and the source's is no higher: the target is then no variant.

    Raises
    ------
    VideoError
        If the source is not a video or no frame of it can be decoded.
    StorageError
        If the target cannot be written.
    ValueError
        If the target does not end in .mp4.
    """
    import av

    if target.suffix.lower() != SUFFIX:
        raise ValueError(f"{target.name} does not end in {SUFFIX}, the only container variants are written in")
    reader = IsolatedVideo(source, limits=limits)
    width, height = (_even(side / 2 if rung.halves else side) for side in (reader.info.width, reader.info.height))
    n_written = 0
    try:
        with reader, av.open(str(target), "w", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(
                "libx264", rate=_NOMINAL_FPS, options={"preset": "veryfast", "crf": str(rung.crf)}
            )
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = N_ENCODER_THREADS
            stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
            for picture in _pictures(reader, rung):
                frame = picture.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")
                container.mux(stream.encode(frame))
                n_written += 1
            container.mux(stream.encode(None))
    except (OSError, av.error.FFmpegError) as error:
        raise StorageError(
            f"{target} could not be written: {error}. Is the folder there, is there space, and does this PyAV have "
            "libx264?"
        ) from error
    return rung.max_fps is None or n_written < reader.coverage.n_kept


def _pictures(reader: IsolatedVideo, rung: Rung) -> Iterator[av.VideoFrame]:
    import av

    last_tick, is_due = -1, _due_at(rung.max_fps)
    for seen in reader:
        tick = round(seen.time_s * TICKS_PER_S)
        if tick <= last_tick or not is_due(seen.time_s):
            continue
        last_tick = tick
        rgb = np.ascontiguousarray(seen.rgb[:, ::-1]) if rung.mirrors else seen.rgb
        picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        picture.pts, picture.time_base = tick, Fraction(1, TICKS_PER_S)
        yield picture


def vary_keypoints(sequence: KeypointSequence, rung: Rung) -> KeypointSequence | None:
    """A keypoint sequence as if its video had come out of other hands; None where the rung does not apply.

    A lower rate and a mirror show in keypoints as they stand. What an encoder or fewer pixels would do to them depends
    on the estimator and on the pictures, which are not there: no value is made up for it.

    Parameters
    ----------
    sequence : KeypointSequence
        With its own time stamps.
    rung : Rung
        What to do to it.

    Returns
    -------
    KeypointSequence or None
        None too where the rung limits the rate and the sequence's is no higher.
    """
    if rung.max_fps is not None:
        is_due = _due_at(rung.max_fps)
        kept = np.array([is_due(float(time_s)) for time_s in sequence.timestamps_s - sequence.timestamps_s[:1]], bool)
        return None if kept.all() else _at_frames(sequence, kept)
    return _mirrored(sequence) if rung.mirrors else None


def _due_at(max_fps: float | None) -> Callable[[float], bool]:
    """Asked of one frame after another by its seconds from the start: whether the lower rate keeps it."""
    due_s = 0.0

    def is_due(time_s: float) -> bool:
        nonlocal due_s
        if max_fps is None:
            return True
        if time_s < due_s - _ROUNDING_S:
            return False
        # By the clock and not from the frame kept last, so that lateness does not add up.
        due_s = (math.floor((time_s + _ROUNDING_S) * max_fps) + 1) / max_fps
        return True

    return is_due


def _at_frames(sequence: KeypointSequence, kept: BoolArray) -> KeypointSequence:
    return replace(
        sequence,
        keypoints=sequence.keypoints[kept],
        confidence=sequence.confidence[kept],
        timestamps_s=sequence.timestamps_s[kept],
        shot=sequence.shot[kept],
        whole_body=sequence.whole_body and sequence.whole_body.rows(kept),
    )


def _mirrored(sequence: KeypointSequence) -> KeypointSequence:
    # The confidence changes sides with its keypoint: it goes through the same exchange in the place of y.
    confidence = np.repeat(sequence.confidence[:, :, None], 2, axis=2)
    keypoints, exchanged = mirror_images(np.stack([sequence.keypoints, confidence]))
    # Pixels are counted from 0; without a known width x stays negative, and no feature depends on the place.
    width = np.float32(max(sequence.provenance.frame_width - 1, 0))
    keypoints[..., 0] += width
    whole = sequence.whole_body and mirrored_whole_body(sequence.whole_body)
    for points in (whole.hands, whole.body) if whole else ():
        if points is not None:
            points[..., 0] += width
    confidence = np.ascontiguousarray(exchanged[..., 1])
    return replace(sequence, keypoints=keypoints, confidence=confidence, whole_body=whole)


def _even(side: float) -> int:
    return max(2, int(side) // 2 * 2)
