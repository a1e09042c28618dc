"""What the process that decodes says of itself in JSON, checked: a hostile clip may speak through it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from keypoint_extractors.video import VideoInfo
from keypoint_extractors.video_limits import VideoLimits
from poseauth.keypoints import Coverage
from poseauth.shown_text import readable

MAX_TEXT = 2000
"""Characters of a reason that are passed on."""

_INFO = frozenset(("width", "height", "n_promised", "duration_s", "rotation", "rate"))
_COVERAGE = frozenset(("n_promised", "n_decoded", "n_kept", "broke_off"))
_ROTATIONS = (0, 90, 180, 270)


def opening_words(content: bytes, limits: VideoLimits) -> tuple[VideoInfo, tuple[int, int]]:
    """What a file says of itself, and width and height of its pictures in pixels.

    Parameters
    ----------
    content : bytes
        JSON: the entries of a VideoInfo under "info", and "picture_size".
    limits : VideoLimits
        Beyond these, the process should have refused the file.

    Raises
    ------
    ValueError
        If anything is missing, of another type or out of range.
    """
    told = _entries(content, frozenset(("info", "picture_size")))
    plain = _held_to(told["info"], _INFO)
    n_promised, duration_s, rate = plain["n_promised"], plain["duration_s"], plain["rate"]
    info = VideoInfo(
        width=_whole(plain, "width", 1, limits.megapixels * 1e6),
        height=_whole(plain, "height", 1, limits.megapixels * 1e6),
        n_promised=None if n_promised is None else _whole(plain, "n_promised", 0, limits.frames),
        duration_s=None if duration_s is None else _number(plain, "duration_s", limits.hours * 3600),
        rotation=_whole(plain, "rotation", 0, max(_ROTATIONS)),
        rate=None if rate is None else _number(plain, "rate", limits.fps),
    )
    if info.rotation not in _ROTATIONS:
        raise ValueError(f"rotation is {info.rotation}")
    if info.width * info.height > limits.megapixels * 1e6:
        raise ValueError(f"pictures of {info.width} x {info.height}")
    size = told["picture_size"]
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError(f"picture_size is {_shown(size)}")
    sides = dict(zip(("width", "height"), size, strict=True))
    return info, (_whole(sides, "width", 1, info.width), _whole(sides, "height", 1, info.height))


def closing_words(content: bytes, info: VideoInfo, n_pictures: int, limits: VideoLimits) -> Coverage:
    """What was decoded, by the process; it has to agree with the pictures that came.

    Parameters
    ----------
    content : bytes
        JSON: the entries of a Coverage.
    info : VideoInfo
        What the process said at first.
    n_pictures : int
        How many pictures came.
    limits : VideoLimits
        As in `opening_words`.

    Raises
    ------
    ValueError
        If anything is missing, of another type, out of range or does not agree.
    """
    plain = _entries(content, _COVERAGE)
    broke_off = plain["broke_off"]
    if plain["n_promised"] != info.n_promised or isinstance(plain["n_promised"], bool | float):
        raise ValueError(f"n_promised is {_shown(plain['n_promised'])}, and was {info.n_promised}")
    if n_pictures < 1:
        raise ValueError("no picture came")
    n_kept = _whole(plain, "n_kept", n_pictures, n_pictures)
    n_decoded = _whole(plain, "n_decoded", n_kept, limits.frames + 1)  # the one beyond the limit counts
    if broke_off is not None and not isinstance(broke_off, str):
        raise ValueError(f"broke_off is {_shown(broke_off)}")
    return Coverage(info.n_promised, n_decoded, n_kept, None if broke_off is None else readable(broke_off[:MAX_TEXT]))


def reason_given(content: bytes, path: Path) -> str:
    """Why the process gave up, in one printable line without the file's name at its head.

    Parameters
    ----------
    content : bytes
        JSON: the text under "error".
    path : Path
        The file.

    Raises
    ------
    ValueError
        If there is no such text.
    """
    text = _entries(content, frozenset(("error",)))["error"]
    if not isinstance(text, str):
        raise ValueError(f"error is {_shown(text)}")
    return readable(text.removeprefix(f"{path}: ")[:MAX_TEXT])


def _entries(content: bytes, names: frozenset[str]) -> dict[str, Any]:
    try:
        plain = json.loads(content, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("brackets without end") from error
    return _held_to(plain, names)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _held_to(plain: Any, names: frozenset[str]) -> dict[str, Any]:
    if not isinstance(plain, dict) or plain.keys() != names:
        found = sorted(plain) if isinstance(plain, dict) else plain
        raise ValueError(f"{_shown(found)} in the place of {', '.join(sorted(names))}")
    return plain


def _whole(plain: dict[str, Any], name: str, least: int, most: float) -> int:
    value = plain[name]
    if type(value) is not int or not least <= value <= most:  # True is an int, too
        raise ValueError(f"{name} is {_shown(value)}; {least} to {most:.0f} is possible")
    return value


def _number(plain: dict[str, Any], name: str, most: float) -> float:
    value = plain[name]
    if type(value) not in (int, float) or not 0 < value <= most or not math.isfinite(value):
        raise ValueError(f"{name} is {_shown(value)}; more than 0 and at most {most:g} is possible")
    return float(value)


def _shown(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else ascii(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
