"""The clip as a video with skeleton and running score, in a format that browsers play."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keypoint_extractors.ahead import Ahead
from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.drawing.overlay import draw_skeleton_onto
from keypoint_extractors.drawing.rendering import (
    N_ENCODER_THREADS,
    TICKS_PER_S,
    encodable,
    sample_hands,
    sample_keypoints,
)
from keypoint_extractors.drawing.score_strip import LEAST_WIDTH, ScoreStrip
from keypoint_extractors.extraction import Progress
from keypoint_extractors.video import Frame
from keypoint_extractors.video_limits import VideoLimits
from poseauth.arrays import UInt8Array
from poseauth.errors import StorageError
from poseauth.keypoints import KeypointSequence
from poseauth.report import Verification
from poseauth.whole_files import named_when_whole
from poseauth.windows import FPS

if TYPE_CHECKING:
    import av
    import av.container

LONGEST_SIDE = 1280
"""Pixels of the picture's longer side; a larger one is scaled down."""
_LEAST_SIDE = 16
_AHEAD_FRAMES = 4
"""Pictures drawn while others are encoded."""
_KEY_FRAMES = str(round(5 * FPS))
"""From one picture that stands for itself to the next: so far a player looks back to show any moment."""
_SKELETON_WEIGHT = 0.55
"""Thinner than on a thumbnail: the face and the hands are to be seen under it."""
_BAR = 0
"""Grey of what lies beside a picture that is narrower than the strip."""


@dataclass(frozen=True)
class _Encoder:
    """An encoder of FFmpeg, the container that it writes into, and how both are told to work."""

    name: str
    container: str
    options: dict[str, str]
    container_options: dict[str, str]


# At its best libvpx takes some ten times as long; as told here VP9 keeps up with a clip of 720 lines on two cores, VP8
# does not. VP8 takes a positive cpu-used for leave to hurry when the machine is busy: its bytes would change with that.
_REALTIME = {"deadline": "realtime", "lag-in-frames": "0", "g": _KEY_FRAMES}
_ENCODERS = {
    ".webm": (
        _Encoder(
            "libvpx-vp9",
            "webm",
            {**_REALTIME, "cpu-used": "8", "row-mt": "1", "tile-columns": "1", "crf": "35", "b": "0"},
            {},
        ),
        _Encoder("libvpx", "webm", {**_REALTIME, "cpu-used": "-8", "crf": "24", "b": "4M"}, {}),
    ),
    ".mp4": (
        _Encoder(
            "libx264", "mp4", {"preset": "veryfast", "crf": "23", "g": _KEY_FRAMES}, {"movflags": "+faststart"}
        ),
    ),
}  # fmt: skip
OVERLAY_SUFFIXES = tuple(_ENCODERS)


def write_overlay(
    video: Path,
    sequence: KeypointSequence,
    result: Verification,
    path: Path,
    *,
    limits: VideoLimits | None = None,
    longest_side: int = LONGEST_SIDE,
    on_progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Write the clip with the skeleton of the person followed, and under it what their movement says.

    The pictures are those that an extractor sees (upright, at most 30 a second), each at its own time: beside the
    original the overlay stays in step. There is no sound, and the pictures are encoded anew: the evidence is the
    original. A picture narrower than the strip of the score stands in its middle. The same input gives the same bytes;
    memory does not grow with the length. Decoding, drawing and encoding run side by side: of real footage of 1280 x 720
    a second takes about one second of a processor's time, and a minute about 9 MB as VP9, 6 MB as H.264.

    Parameters
    ----------
    video : Path
        The clip.
    sequence : KeypointSequence
        The person followed in it; with no frame at all nobody is drawn.
    result : Verification
        The answer for the clip; where it was not analysed, that and the reasons stand in the score's place.
    path : Path
        Ends in .webm (VP9, or VP8 where there is no encoder for it) or in .mp4 (H.264); a file there is replaced when
        the new one is whole.
    limits : VideoLimits or None
        What the clip may ask of the machine; None: the usual.
    longest_side : int
        Pixels of the picture's longer side, the strip not counted: a larger one is scaled down. At least 16.
    on_progress : callable
        Told after every picture.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    VideoError
        If the clip is no video, goes beyond a limit, ends the decoder, or no frame of it can be decoded.
    StorageError
        If the file cannot be written, or there is no encoder for it.
    ValueError
        If the path has another suffix, or the longest side is too small.
    """
    import av

    if longest_side < _LEAST_SIDE:
        raise ValueError(f"the longest side is {longest_side} pixels; {_LEAST_SIDE} at least are needed")
    encoder = _encoder_for(path)
    with IsolatedVideo(video, picture_side=longest_side, limits=limits) as reader:
        drawn = _Pictures(reader, sequence, result, longest_side)
        n_done, n_expected = 0, reader.info.n_expected
        try:
            with (
                Ahead(_on_their_ticks(reader, drawn), _AHEAD_FRAMES) as frames,
                contextlib.closing(reader),  # before the thread that waits for it is waited for
                named_when_whole(path) as temporary,
                _opened(temporary, encoder) as container,
            ):
                stream = _add_stream(container, encoder, drawn.size)
                for frame in frames:
                    container.mux(stream.encode(frame))
                    n_done += 1
                    if on_progress:
                        on_progress(Progress(video.name, reader.n_decoded, n_done, n_expected))
                container.mux(stream.encode(None))
        except (OSError, av.error.FFmpegError) as error:
            raise StorageError(
                f"{path} could not be written: {error}. Is the folder there, and is there space?"
            ) from error
    return path


class _Pictures:
    """Draws the pictures of an overlay."""

    def __init__(
        self, reader: IsolatedVideo, sequence: KeypointSequence, result: Verification, longest_side: int
    ) -> None:
        self._sequence = sequence
        width, height = reader.picture_size
        scale = min(1.0, longest_side / max(width, height))
        self._width, self._height = max(1, round(scale * width)), max(1, round(scale * height))
        source = sequence.provenance
        frame_width, frame_height = source.frame_width, source.frame_height
        if min(frame_width, frame_height) < 1:  # then the keypoints count in pixels of the file
            frame_width, frame_height = reader.info.width, reader.info.height
        self._scale = np.array([self._width / frame_width, self._height / frame_height], np.float32)
        duration_s = float(sequence.timestamps_s[-1]) + 1 / FPS if len(sequence) else reader.info.duration_s or 0.0
        whole_width = max(_even(self._width), LEAST_WIDTH)
        self._strip = ScoreStrip(result, duration_s=duration_s, width=whole_width)
        self._left = (whole_width - self._width) // 2
        self.size = whole_width, _even(self._height) + self._strip.height

    def draw(self, frame: Frame) -> UInt8Array:
        """The picture [shape=(H, W, 3)], uint8, RGB, with skeleton and strip."""
        import cv2

        width, height = self.size
        drawn = np.empty((height, width, 3), np.uint8)
        drawn[self._height : -self._strip.height] = _BAR
        drawn[: self._height, : self._left] = _BAR
        drawn[: self._height, self._left + self._width :] = _BAR
        picture = drawn[: self._height, self._left : self._left + self._width]
        if frame.rgb.shape == picture.shape:
            picture[:] = frame.rgb
        else:
            picture[:] = cv2.resize(frame.rgb, (self._width, self._height), interpolation=cv2.INTER_AREA)
        if len(self._sequence):
            now = np.array([frame.time_s])
            (keypoints,), _, _ = sample_keypoints(self._sequence, now)
            hands = sample_hands(self._sequence, now)
            fingers = None if hands is None else hands[0, ..., :2] * self._scale
            draw_skeleton_onto(picture, keypoints * self._scale, fingers, weight=_SKELETON_WEIGHT)
        drawn[-self._strip.height :] = self._strip.picture(frame.time_s)
        return drawn


def _on_their_ticks(reader: IsolatedVideo, drawn: _Pictures) -> Iterator[av.VideoFrame]:
    last_tick = -1
    for seen in reader:
        tick = round(seen.time_s * TICKS_PER_S)
        if tick > last_tick:
            last_tick = tick
            frame = encodable(drawn.draw(seen))
            frame.pts, frame.time_base = tick, Fraction(1, TICKS_PER_S)
            yield frame


def _encoder_for(path: Path) -> _Encoder:
    suffix = path.suffix.lower()
    if suffix not in _ENCODERS:
        raise ValueError(f"{path.name} does not end in one of {', '.join(OVERLAY_SUFFIXES)}")
    for encoder in _ENCODERS[suffix]:
        if _can_encode(encoder.name):
            return encoder
    names = " or ".join(encoder.name for encoder in _ENCODERS[suffix])
    others = ", ".join(other for other in OVERLAY_SUFFIXES if other != suffix)
    raise StorageError(f"{path} cannot be written: this PyAV has no {names}. Try a name that ends in {others}.")


def _can_encode(name: str) -> bool:
    import av

    try:
        av.Codec(name, "w")
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return True


def _opened(path: Path, encoder: _Encoder) -> av.container.OutputContainer:
    import av

    # Made absolute, so that no name is taken for an address.
    options = {"fflags": "+bitexact", **encoder.container_options}
    return av.open(str(path.absolute()), "w", format=encoder.container, options=options)


def _add_stream(container: av.container.OutputContainer, encoder: _Encoder, size: tuple[int, int]) -> av.VideoStream:
    from av.video.reformatter import ColorRange, Colorspace

    # The rate is what the encoder plans its bits for; every picture is shown at its own time.
    stream: Any = container.add_stream(encoder.name, rate=round(FPS), options=dict(encoder.options))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = N_ENCODER_THREADS
    stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
    stream.codec_context.colorspace = Colorspace.SMPTE170M  # as `encodable` makes it; players guess another for HD
    stream.codec_context.color_range = ColorRange.MPEG
    return stream  # type: ignore[no-any-return]


def _even(side: int) -> int:
    return side + side % 2
