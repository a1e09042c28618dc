"""A video is decoded in a process of its own: what a file does to the decoder ends that file, not the run.

The process is held to limits of memory and time, may write no file, and hands pictures over as plain bytes, of which
only the expected number is taken.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from keypoint_extractors.decoder_words import closing_words, opening_words, reason_given
from keypoint_extractors.video import Frame, VideoInfo, VideoReader, rgb_of
from keypoint_extractors.video_limits import VideoLimits
from poseauth.errors import VideoError
from poseauth.keypoints import Coverage

_INFO, _PICTURE, _YUV_PICTURE, _END, _ERROR = b"I", b"P", b"Y", b"E", b"X"
_HEADER = struct.Struct("<cdI")
"""What comes, the picture's seconds, and how many bytes follow."""
_MAX_WORDS = 1 << 20
_PIPE_BYTES = 1 << 20
_MAX_FILES = 64
_PATIENCE_TO_END_S = 5.0

# The process finds poseauth where this one found it, and never in the folder that it is started from.
_PROGRAM = """
import json, sys
asked = json.loads(sys.argv[1])
sys.path[:] = asked.pop("sys_path")
from keypoint_extractors.decoder_process import serve
serve(**asked)
"""


class _Closed(Exception):
    """`close` was called while a picture was waited for."""


class IsolatedVideo:
    """A `VideoReader` in a process of its own; used with `with`, iterated once.

    The process begins to open the video at once, and is waited for when something of the video is asked.

    Parameters
    ----------
    path : Path
        The video.
    picture_side : int or None
        As in `VideoReader`.
    limits : VideoLimits or None
        What the file may ask for; None: the usual.

    Raises
    ------
    VideoError
        When something is asked: as `VideoReader`; or if the decoder crashed, hung or ran out of memory, at opening or
        in the middle.
    """

    def __init__(self, path: Path, *, picture_side: int | None = None, limits: VideoLimits | None = None) -> None:
        self.path = path
        self._limits = limits or VideoLimits()
        self._coverage = Coverage(None, 0, 0)
        self._n_pictures = 0
        self._last_s = -math.inf
        self._left = False
        self._process = _start(path, picture_side, self._limits)
        assert self._process.stdout is not None
        self._stream: IO[bytes] = self._process.stdout
        self._watch = _Watch(self._process, self._limits)

    @cached_property
    def _opening(self) -> tuple[VideoInfo, tuple[int, int]]:
        try:
            _, _, n_bytes = self._expect(_INFO)
            content = self._words(n_bytes)
            with self._as_video_error():
                return opening_words(content, self._limits)
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> VideoInfo:
        """What the file says of itself."""
        return self._opening[0]

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the pictures given, in pixels."""
        return self._opening[1]

    def __enter__(self) -> IsolatedVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def coverage(self) -> Coverage:
        """What was decoded of what the file promises; known when the pictures have ended."""
        return self._coverage

    @property
    def n_decoded(self) -> int:
        """Pictures given so far."""
        return self._n_pictures

    def __iter__(self) -> Iterator[Frame]:
        """The pictures in order of time; ends without an error where `close` was called."""
        with contextlib.suppress(_Closed):
            while (frame := self._next()) is not None:
                self._n_pictures += 1
                yield frame

    def _next(self) -> Frame | None:
        """The next picture; None at the end, when the coverage is known."""
        width, height = self.picture_size
        kind, time_s, n_bytes = self._expect(_PICTURE, _YUV_PICTURE, _END)
        if kind == _END:
            content = self._words(n_bytes)
            with self._as_video_error():
                self._coverage = closing_words(content, self.info, self._n_pictures, self._limits)
            return None
        shape = (height, width, 3) if kind == _PICTURE else (height * 3 // 2, width)
        if n_bytes != math.prod(shape) or (kind == _YUV_PICTURE and (width % 2 or height % 2)):
            raise VideoError(f"{self.path}: a picture has {n_bytes} bytes, {width} x {height} have other")
        if not (0 <= time_s <= self._limits.hours * 3600 and time_s > self._last_s):
            raise VideoError(f"{self.path}: the decoder gave a picture of {time_s:g} s after one of {self._last_s:g} s")
        if self._n_pictures >= self._limits.frames:
            raise VideoError(f"{self.path}: the decoder gave more than {self._limits.frames:.0f} pictures")
        self._last_s = time_s
        try:
            picture = np.empty(shape, np.uint8)
        except MemoryError as error:
            raise VideoError(f"{self.path}: no memory for a picture of {width} x {height}") from error
        self._fill(picture.data.cast("B"))
        return Frame(rgb_of(picture), time_s)

    def close(self) -> None:
        """End the decoder, whatever it does."""
        self._left = True
        self._watch.end()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _expect(self, *kinds: bytes) -> tuple[bytes, float, int]:
        header = bytearray(_HEADER.size)
        self._fill(memoryview(header))
        kind, time_s, n_bytes = _HEADER.unpack(header)
        if kind == _ERROR:
            content = self._words(n_bytes)
            with self._as_video_error():
                reason = reason_given(content, self.path)
            raise VideoError(f"{self.path}: {reason}")
        if kind not in kinds or not np.isfinite(time_s):
            raise VideoError(f"{self.path}: the decoder answered with something else than a picture")
        return kind, time_s, n_bytes

    def _words(self, n_bytes: int) -> bytes:
        if n_bytes > _MAX_WORDS:
            raise VideoError(f"{self.path}: the decoder answered with {n_bytes} bytes of words")
        content = bytearray(n_bytes)
        self._fill(memoryview(content))
        return bytes(content)

    @contextlib.contextmanager
    def _as_video_error(self) -> Iterator[None]:
        """What the decoder says and cannot be is said of the file."""
        try:
            yield
        except ValueError as error:
            raise VideoError(f"{self.path}: the decoder's words cannot be trusted: {error}") from error

    def _fill(self, view: memoryview) -> None:
        """Read so many bytes."""
        filled = 0
        while filled < len(view):
            with self._watch:
                try:
                    n_read = self._stream.readinto(view[filled:])  # type: ignore[attr-defined]
                except (OSError, ValueError):  # closed by `close`, in another thread
                    n_read = 0
            if not n_read:
                if self._left:
                    raise _Closed
                raise VideoError(f"{self.path}: {self._what_happened()}")
            filled += n_read

    def _what_happened(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_TO_END_S)
        status, n, limits = self._process.poll(), self._n_pictures, self._limits
        if self._watch.hung:
            return (
                f"the decoder hung after {n} pictures: nothing came for {limits.stall_s:g} s, or not all in "
                f"{limits.wait_s:g} s. Longer: --limit stall_s=... or --limit wait_s=..."
            )
        how = signal.Signals(-status).name if status is not None and status < 0 else f"status {status}"
        return (
            f"the decoder crashed after {n} pictures ({how}). The file may be damaged, or made to do this. Re-encode "
            "it, or give it more memory: --limit memory_mb=..."
        )


class _Watch:
    """Kills a process that keeps us waiting too long, since a read from a pipe knows no time limit everywhere."""

    def __init__(self, process: subprocess.Popen[bytes], limits: VideoLimits) -> None:
        self.hung = False
        self._process = process
        self._limits = limits
        self._waiting_since: float | None = None
        self._waited_s = 0.0
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="decoder watch", daemon=True).start()

    def __enter__(self) -> None:
        self._waiting_since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        since, self._waiting_since = self._waiting_since, None
        self._waited_s += time.monotonic() - (since or 0.0)

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(min(1.0, self._limits.stall_s / 4)):
            since = self._waiting_since
            waited_s = 0.0 if since is None else time.monotonic() - since
            if waited_s > self._limits.stall_s or self._waited_s + waited_s > self._limits.wait_s:
                self.hung = True
                self._process.kill()
                return


def _start(path: Path, picture_side: int | None, limits: VideoLimits) -> subprocess.Popen[bytes]:
    asked = {
        "sys_path": [os.path.abspath(folder) for folder in sys.path],
        "path": os.fsdecode(path),
        "picture_side": picture_side,
        "limits": asdict(limits),
    }
    # One thread of linear algebra and few heaps: neither is used, and each would reserve memory.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=environment,
        start_new_session=True,  # Ctrl-C is for this process, which ends the other
    )
    _widen(process.stdout)
    return process


def _widen(pipe: Any) -> None:
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def serve(path: str, picture_side: int | None, limits: dict[str, float]) -> None:
    """What the process runs: decode a video and write it to stdout, within the limits.

    Parameters
    ----------
    path : str
        The video.
    picture_side : int or None
        As in `VideoReader`.
    limits : dict
        The values of a VideoLimits.
    """
    held_to = VideoLimits(**limits)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    out = os.dup(1)
    os.dup2(2, 1)  # nothing that a library prints gets among the pictures
    if sys.platform == "win32":  # else every byte 10 would become two
        import msvcrt

        msvcrt.setmode(out, os.O_BINARY)
    try:
        import av  # noqa: F401  before files can no longer be written

        _confine(held_to)
        reader = VideoReader(Path(path), picture_side=picture_side, limits=held_to)
        _tell(out, _INFO, {"info": asdict(reader.info), "picture_size": reader.picture_size})
        for picture, time_s in reader.stored():
            content = np.ascontiguousarray(picture).data.cast("B")
            kind = _PICTURE if picture.ndim == 3 else _YUV_PICTURE
            _write(out, _HEADER.pack(kind, time_s, len(content)))
            _write(out, content)
        _tell(out, _END, asdict(reader.coverage))
    except VideoError as error:
        _tell(out, _ERROR, {"error": str(error)})
    except MemoryError:
        limit = f"{held_to.memory_mb:g} MB"
        _tell(out, _ERROR, {"error": f"{path}: decoding needs more than {limit}. More: --limit memory_mb=..."})
    except BrokenPipeError:
        pass  # whoever asked has gone
    except Exception as error:  # whatever a file can bring about, it is told, and ends this file alone
        reason = str(error).replace(str(Path(path).resolve()), Path(path).name)
        _tell(out, _ERROR, {"error": f"{path}: the decoder failed: {type(error).__name__}: {reason}"})
    os._exit(0)  # a decoder's thread that hangs must not hold this process


def _tell(out: int, kind: bytes, words: dict[str, Any]) -> None:
    content = json.dumps(words).encode()
    _write(out, _HEADER.pack(kind, 0.0, len(content)) + content)


def _write(out: int, content: bytes | memoryview) -> None:
    view = memoryview(content)
    while len(view):
        view = view[os.write(out, view) :]


def _end_with_the_parent() -> None:
    """The parent writes nothing: its end of the pipe closes when it is gone, however it went."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _confine(limits: VideoLimits) -> None:
    """Limits that the system keeps, as far as it has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NOFILE": _MAX_FILES}
    if sys.platform == "linux":
        wanted["RLIMIT_DATA"] = round(limits.memory_mb * 1e6)
    for name, value in wanted.items():
        kind = getattr(resource, name)
        _, most = resource.getrlimit(kind)
        most = value if most == resource.RLIM_INFINITY else min(value, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
