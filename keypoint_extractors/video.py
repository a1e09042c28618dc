"""Decoding a video once, streaming, by its own time stamps, down to at most 30 frames a second."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keypoint_extractors.digest import file_sha256
from keypoint_extractors.high_dynamic_range import to_standard_range, transfer_of
from keypoint_extractors.video_limits import VideoLimits
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
_MAX_FAILED_IN_A_ROW = 50
_MISSING_S, _MISSING_SHARE = 1.0, 0.02
"""How much shorter than the whole file its pictures may be: sound often goes on a little."""
_STOPPED_AT_A_LIMIT, _READING_STOPPED = "stopped at a limit", "reading stopped"
_MOST_ASPECT = 4.0
"""Pixels farther from a square are no format of video: 16:11 and 4:3 are the usual ones."""
_FULL_RANGE = 2
"""Brightness from 0 to 255 and not from 16 to 235, in FFmpeg's numbers."""


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


def rgb_of(picture: UInt8Array) -> UInt8Array:
    """The colours of a picture: red, green and blue [shape=(H, W, 3)], uint8.

    Parameters
    ----------
    picture : np.ndarray, uint8
        Either that, or [shape=(3 / 2 H, W)], with even sides: brightness, and at half the size the two differences of
        colour under one another (YUV 4:2:0, ITU-R BT.601, as swscale converts by default).
    """
    if picture.ndim == 3:
        return picture
    import cv2

    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_YUV2RGB_I420), np.uint8)


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself before anything is decoded: size of the upright frame in pixels, frames a second."""

    width: int
    height: int
    n_promised: int | None
    duration_s: float | None
    rotation: int
    rate: float | None

    @property
    def n_expected(self) -> int | None:
        """Frames that the 30 fps stream of the file will have, as far as the file tells."""
        by_time = round(self.duration_s * FPS) if self.duration_s else None
        return min((n for n in (self.n_promised, by_time) if n is not None), default=None)


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


def may_go_on(coverage: Coverage) -> bool:
    """Whether another reading may get further: this one ended at a limit of its own, or where the disk gave up."""
    return (coverage.broke_off or "").startswith((_STOPPED_AT_A_LIMIT, _READING_STOPPED))


class VideoReader:
    """The frames of a video that a stream of 30 frames a second needs, in order of time.

    Iterate once, or once over `stored`. Whether the file held what it promised is known afterwards from `coverage`.

    Parameters
    ----------
    path : Path
        A video file; addresses and scripts that name other files are refused.
    picture_side : int or None
        Pixels of the longer side that a picture needs: a larger one is scaled down by a whole number, to no less, in
        the same step in which its colours are converted. None: pictures keep their size.
    limits : VideoLimits
        What the file may ask for; by default the usual.

    Raises
    ------
    VideoError
        If the file is not there, is not a video, goes beyond a limit, or yields no frame at all.
    """

    def __init__(self, path: Path, *, picture_side: int | None = None, limits: VideoLimits | None = None) -> None:
        self.path = path
        self._limits = limits or VideoLimits()
        if not path.exists():
            raise VideoError(f"{path}: no such file")
        if not path.is_file():
            raise VideoError(f"{path}: not a file")
        _check(path, "gigabytes", path.stat().st_size / 1e9, self._limits)
        with _opened(path, self._limits) as (container, stream):
            self.info = _info(path, container, stream, self._limits)
        larger = max(self.info.width, self.info.height)
        self._reduction = max(1, larger // picture_side) if picture_side else 1
        self._n_decoded = 0
        self._n_kept = 0
        self._n_back = 0
        self._last_s = 0.0
        self._broke_off: str | None = None
        self._finished = False

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the pictures given, in pixels; one for all, also where the video changes its own."""
        return _reduced(self.info.width, self._reduction), _reduced(self.info.height, self._reduction)

    @property
    def coverage(self) -> Coverage:
        """What was decoded so far of what the file promises."""
        promised = self.info.n_promised
        broke_off = self._broke_off
        if self._finished and broke_off is None:
            broke_off = self._ended_early()
        return Coverage(promised, self._n_decoded, self._n_kept, broke_off)

    def _ended_early(self) -> str | None:
        promised, length_s = self.info.n_promised, self.info.duration_s
        if promised:
            # What is shown at the end counts where there are empty places for dropped pictures, as in an AVI.
            shown = max(self._n_decoded, round(self._last_s * (self.info.rate or 0.0)) + 1)
            short = shown < promised - 1
            return f"the file ends after {self._n_decoded} of {promised} frames" if short else None
        # Some containers name no number of frames; time stamps then tell how much is missing.
        if length_s and self._last_s < length_s - max(_MISSING_S, _MISSING_SHARE * length_s):
            return f"the pictures end at {self._last_s:.1f} of {length_s:.1f} s"
        return None

    def __iter__(self) -> Iterator[Frame]:
        """Decode; a frame that the 30 fps stream does not need is dropped before its colours are converted.

        Needed is a frame that is the nearest to some thirtieth of a second: all of them up to 30 fps.
        """
        for picture, time_s in self.stored():
            yield Frame(rgb_of(picture), time_s)

    def stored(self) -> Iterator[tuple[UInt8Array, float]]:
        """As `__iter__`, each picture as `rgb_of` takes it, which is half as much to hand on where it can be."""
        from av.video.reformatter import VideoReformatter

        self._converter: Any = VideoReformatter()
        before, waiting = -math.inf, None
        with _opened(self.path, self._limits) as (container, stream):
            self._codec = stream.codec_context
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
        """Decoded pictures with their seconds from the first; one that does not come later than the last is dropped.

        Time stamps that jump back (two recordings behind one another, say) cannot be told from a clip that shows the
        same seconds twice: what comes after is left out, and said.
        """
        first, last = None, -math.inf
        for picture in self._decoded(container, stream):
            time_s = _time_of(picture, self._n_decoded, stream)
            self._n_decoded += 1
            first = time_s if first is None else first
            if self._n_decoded > self._limits.frames or time_s - first > self._limits.hours * 3600:
                self._broke_off = (
                    f"{_STOPPED_AT_A_LIMIT}, {self._limits.frames:.0f} frames or {self._limits.hours:g} hours"
                )
                return
            if time_s > last:
                last = time_s
                self._last_s = time_s - first
                yield time_s - first, picture
            elif time_s < last:
                self._n_back += 1
                self._broke_off = f"{self._n_back} pictures were left out: their time stamps go back"

    def _needed(
        self, before: float, time_s: float, picture: Any, *, after: float
    ) -> Iterator[tuple[UInt8Array, float]]:
        """The frame, if some tick lies nearer to it than to the frames before and after it."""
        low = (before + time_s) / 2 * FPS
        high = min((time_s + after) / 2 * FPS, time_s * FPS + 0.5)
        if low == -math.inf or math.ceil(low) < high:
            self._n_kept += 1
            yield self._upright(picture), time_s

    def _upright(self, picture: Any) -> UInt8Array:
        """The picture scaled and turned upright, as `rgb_of` takes it."""
        width, height = self.picture_size if self.info.rotation % 180 == 0 else self.picture_size[::-1]
        interpolation = "AREA" if self._reduction > 1 else None
        # One converter for all pictures: a picture's own would be set up anew for each.
        if (transfer := transfer_of(picture, self._codec)) is not None:
            stored = to_standard_range(self._converter, picture, width, height, transfer, interpolation)
        else:
            plain = picture.format.name == "yuv420p" and picture.color_range != _FULL_RANGE
            form = "yuv420p" if plain and not (self.info.rotation or width % 2 or height % 2) else "rgb24"
            stored = self._converter.reformat(picture, width, height, form, interpolation=interpolation).to_ndarray()
        if self.info.rotation:
            stored = np.ascontiguousarray(np.rot90(stored, self.info.rotation // 90))
        return np.asarray(stored, dtype=np.uint8)

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
                self._broke_off = f"{_READING_STOPPED}: {_short(error)}"
                return
            try:
                pictures = packet.decode()
                n_failed_in_a_row = 0
            except av.FFmpegError as error:
                if error.errno in (errno.ENOMEM, errno.EAGAIN):  # no room, also not for a thread
                    raise MemoryError from error
                self._broke_off = f"damaged pictures were skipped: {_short(error)}"
                n_failed_in_a_row += 1
                if n_failed_in_a_row >= _MAX_FAILED_IN_A_ROW:
                    self._broke_off = (
                        f"decoding stopped after {n_failed_in_a_row} damaged packets in a row: {_short(error)}"
                    )
                    return
                continue
            yield from pictures


@contextmanager
def _opened(path: Path, limits: VideoLimits) -> Iterator[tuple[Any, Any]]:
    import av

    # PyAV's logging stays off, as it is: with any level set, FFmpeg's threads wait for the interpreter to report an
    # error, while the interpreter, closing the file, waits for them.
    most_pixels = {"max_pixels": str(round(limits.megapixels * 1e6))}  # FFmpeg then makes no room for larger ones
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file", **most_pixels}
    try:
        container = av.open(str(path.resolve()), options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise MemoryError from error
        raise VideoError(f"{path}: not a video that can be read ({_short(error)})") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"{path}: there is no video stream in it")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise VideoError(f"{path}: its video stream is of a kind that cannot be decoded here")
        stream.thread_type = "AUTO"
        stream.codec_context.options = most_pixels
        yield container, stream


def _short(error: BaseException) -> str:
    """The error without the file that FFmpeg names, by its whole path, at the end."""
    return str(getattr(error, "strerror", None) or error)


def _info(path: Path, container: Any, stream: Any, limits: VideoLimits) -> VideoInfo:
    import av

    width, height = stream.codec_context.width, stream.codec_context.height
    if width <= 0 or height <= 0:
        limit = f"{limits.megapixels:.0f} megapixels"
        raise VideoError(f"{path}: its video stream names no picture size, or one beyond the limit of {limit}")
    _check(path, "megapixels", width * height / 1e6, limits)
    width = max(1, round(width * _pixel_aspect(path, stream)))
    _check(path, "megapixels", width * height / 1e6, limits)
    duration_s = _positive(float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0)
    rate = _positive(float(stream.average_rate or 0.0))
    n_promised = stream.frames if stream.frames > 0 else None
    if n_promised is None and duration_s and rate:
        n_promised = round(duration_s * rate)
    duration_s = duration_s or _positive((container.duration or 0) / av.time_base)
    _check(path, "hours", (duration_s or 0.0) / 3600, limits)
    _check(path, "fps", rate or 0.0, limits)
    _check(path, "frames", n_promised or 0, limits)
    rotation = _rotation(container, stream)
    if rotation % 180:
        width, height = height, width
    return VideoInfo(width, height, n_promised, duration_s, rotation, rate)


def _pixel_aspect(path: Path, stream: Any) -> float:
    """Width of a pixel in heights: DVDs, HDV and many archives are to be shown wider than they are stored.

    A body that is seen squeezed moves otherwise, and verdicts would hang on the kind of tape.
    """
    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT:
        raise VideoError(
            f"{path}: its pixels are said to be {aspect:.3g} times as wide as high. Re-encode it with square pixels"
        )
    return aspect


def _positive(value: float) -> float | None:
    return value if value > 0 else None


def _check(path: Path, name: str, value: float, limits: VideoLimits) -> None:
    limit = getattr(limits, name)
    if value > limit:
        raise VideoError(
            f"{path}: {value:,.6g} {name} are beyond the limit of {limit:,.6g}. If the file is meant to be like that: "
            f"--limit {name}={math.ceil(value)}"
        )


def _rotation(container: Any, stream: Any) -> int:
    """Quarter turns, counter-clockwise in degrees, that bring the decoded picture upright."""
    import av

    try:
        first = next(container.decode(stream), None)
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
