"""Decoding a video once, streaming, by its own time stamps, down to at most 30 frames a second."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keypoint_extractors.digest import file_sha256
from poseauth.arrays import UInt8Array
from poseauth.errors import VideoError
from poseauth.keypoints import Coverage
from poseauth.windows import FPS

if TYPE_CHECKING:
    import av

VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "m2ts", "mxf", "flv", "wmv", "ogv", "3gp"
    )
)  # fmt: skip
"""Endings taken for videos when a folder is searched; a file named outright may have any."""

# Containers that hold video themselves. Scripts that make FFmpeg open other files or addresses (concat, hls,
# dash, sdp, image sequences) are not among them.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mxf,flv,asf,ogg,nut"
_MAX_MEGAPIXELS = 8192 * 8192 / 1e6
_MAX_FAILED_IN_A_ROW = 50


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture, scaled down where the reader was asked to.

    Attributes
    ----------
    rgb : np.ndarray [shape=(H, W, 3)], uint8
        Upright.
    time_s : float
        Seconds from the start of the video.
    """

    rgb: UInt8Array
    time_s: float


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself before anything is decoded; sizes of the upright frame in pixels."""

    width: int
    height: int
    n_promised: int | None
    duration_s: float | None
    rotation: int


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    VideoError
        If the file cannot be read.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror or error}") from error


class VideoReader:
    """The frames of a video that a stream of 30 frames a second needs, in order of time.

    Iterate once. Whether the file held what it promised is known afterwards from `coverage`.

    Parameters
    ----------
    path : Path
        A video file; addresses and scripts that name other files are refused.
    picture_side : int or None
        Pixels of the longer side that a picture needs: a larger one is scaled down by a whole number, to no less, in
        the same step in which its colours are converted. None: pictures keep their size.

    Raises
    ------
    VideoError
        If the file is not there, is not a video, or yields no frame at all.
    """

    def __init__(self, path: Path, *, picture_side: int | None = None) -> None:
        self.path = path
        if not path.exists():
            raise VideoError(f"{path}: no such file")
        if not path.is_file():
            raise VideoError(f"{path}: not a file")
        with _opened(path) as (_, stream):
            self.info = _info(path, stream)
        larger = max(self.info.width, self.info.height)
        self._reduction = max(1, larger // picture_side) if picture_side else 1
        self._n_decoded = 0
        self._n_kept = 0
        self._broke_off: str | None = None
        self._finished = False

    @property
    def reduction(self) -> tuple[float, float]:
        """How many times as wide and as high the video is as the pictures given."""
        width, height = (_reduced(side, self._reduction) for side in (self.info.width, self.info.height))
        return self.info.width / width, self.info.height / height

    @property
    def coverage(self) -> Coverage:
        """What was decoded so far of what the file promises."""
        promised = self.info.n_promised
        broke_off = self._broke_off
        if self._finished and broke_off is None and promised and self._n_decoded < promised - 1:
            broke_off = f"the file ends after {self._n_decoded} of {promised} frames"
        return Coverage(promised, self._n_decoded, self._n_kept, broke_off)

    def __iter__(self) -> Iterator[Frame]:
        """Decode; a frame that the 30 fps stream does not need is dropped before its colours are converted.

        Needed is a frame that is the nearest to some thirtieth of a second: all of them up to 30 fps.
        """
        from av.video.reformatter import VideoReformatter

        self._converter: Any = VideoReformatter()
        before, waiting = -math.inf, None
        with _opened(self.path) as (container, stream):
            for time_s, picture in self._in_order(container, stream):
                if waiting is not None:
                    yield from self._needed(before, *waiting, after=time_s)
                    before = waiting[0]
                waiting = (time_s, picture)
            if waiting is not None:
                after = 2 * waiting[0] - before if before > -math.inf else math.inf
                yield from self._needed(before, *waiting, after=after)
        self._finished = True
        if not self._n_decoded:
            reason = self._broke_off or "its video stream is empty"
            raise VideoError(f"{self.path}: no frame could be decoded ({reason}). Is the file complete?")

    def _in_order(self, container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
        """Decoded pictures with their seconds from the first; one that does not come later than the last is dropped."""
        first, last = None, -math.inf
        for picture in self._decoded(container, stream):
            time_s = _time_of(picture, self._n_decoded, stream)
            self._n_decoded += 1
            first = time_s if first is None else first
            if time_s > last:
                last = time_s
                yield time_s - first, picture

    def _needed(self, before: float, time_s: float, picture: Any, *, after: float) -> Iterator[Frame]:
        """The frame, if some tick lies nearer to it than to the frames before and after it."""
        low = (before + time_s) / 2 * FPS
        high = min((time_s + after) / 2 * FPS, time_s * FPS + 0.5)
        if low == -math.inf or math.ceil(low) < high:
            self._n_kept += 1
            yield Frame(self._upright_rgb(picture), time_s)

    def _upright_rgb(self, picture: Any) -> UInt8Array:
        """The picture's colours, scaled in the same step, turned upright."""
        width, height = (_reduced(side, self._reduction) for side in (picture.width, picture.height))
        interpolation = "AREA" if self._reduction > 1 else None
        # One converter for all pictures: a picture's own would be set up anew for each.
        rgb = self._converter.reformat(picture, width, height, "rgb24", interpolation=interpolation).to_ndarray()
        if self.info.rotation:
            rgb = np.ascontiguousarray(np.rot90(rgb, self.info.rotation // 90))
        return np.asarray(rgb, dtype=np.uint8)

    def _decoded(self, container: Any, stream: Any) -> Iterator[av.VideoFrame]:
        """Decoded pictures until the end; damage in the middle is skipped, and remembered."""
        import av

        packets = container.demux(stream)
        n_failed_in_a_row = 0
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                self._broke_off = f"reading stopped: {error}"
                return
            try:
                pictures = packet.decode()
                n_failed_in_a_row = 0
            except av.FFmpegError as error:
                self._broke_off = f"damaged pictures were skipped: {error}"
                n_failed_in_a_row += 1
                if n_failed_in_a_row >= _MAX_FAILED_IN_A_ROW:
                    self._broke_off = f"decoding stopped after {n_failed_in_a_row} damaged packets in a row: {error}"
                    return
                continue
            yield from pictures


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    import av

    # PyAV's logging stays off, as it is: with any level set, FFmpeg's threads wait for the interpreter to report an
    # error, while the interpreter, closing the file, waits for them.
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(str(path.resolve()), options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path}: not a video that can be read ({_short(error)})") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"{path}: there is no video stream in it")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def _short(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


def _info(path: Path, stream: Any) -> VideoInfo:
    width, height = stream.codec_context.width, stream.codec_context.height
    if width <= 0 or height <= 0:
        raise VideoError(f"{path}: its video stream names no picture size ({width} x {height})")
    if width * height / 1e6 > _MAX_MEGAPIXELS:
        raise VideoError(f"{path}: pictures of {width} x {height} are beyond {_MAX_MEGAPIXELS:.0f} megapixels")
    duration_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    n_promised = stream.frames or None
    if n_promised is None and duration_s and stream.average_rate:
        n_promised = round(duration_s * float(stream.average_rate))
    rotation = _rotation(path, stream)
    if rotation % 180:
        width, height = height, width
    return VideoInfo(width, height, n_promised, duration_s, rotation)


def _rotation(path: Path, stream: Any) -> int:
    """Quarter turns, counter-clockwise in degrees, that bring the decoded picture upright."""
    import av

    try:
        with av.open(
            str(path.resolve()), options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
        ) as probe:
            first = next(probe.decode(probe.streams.video[0]), None)
    except (av.FFmpegError, OSError):
        return 0  # what cannot be decoded is reported where it is decoded
    return 0 if first is None else round(first.rotation / 90) * 90 % 360


def _time_of(picture: Any, index: int, stream: Any) -> float:
    if picture.time is not None:
        return float(picture.time)
    rate = float(stream.average_rate or stream.guessed_rate or FPS)
    return index / rate


def _reduced(side: int, reduction: int) -> int:
    return max(1, round(side / reduction))
