"""What one video may ask of the machine before it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class VideoLimits:
    """Limits for a file, opened and decoded: clips come from people who may mean harm.

    Attributes
    ----------
    megapixels : float
        Of one picture; 8192 x 8192 by default, 8K video has 33.
    hours : float
        Length that the file claims, or that its time stamps reach.
    fps : float
        Frames a second that the file claims.
    frames : float
        Frames that the file claims, or that are decoded.
    gigabytes : float
        Size of the file.
    memory_mb : float
        Memory of the process that decodes. Kept by the system on Linux alone; elsewhere the other limits are what there
        is.
    stall_s : float
        Seconds without a picture after which the decoder counts as hung.
    wait_s : float
        Seconds that are spent waiting for pictures in all.
    """

    megapixels: float = 8192 * 8192 / 1e6
    hours: float = 24.0
    fps: float = 1000.0
    frames: float = 25_000_000
    gigabytes: float = 200.0
    memory_mb: float = 4096.0
    stall_s: float = 60.0
    wait_s: float = 12 * 3600.0

    def __post_init__(self) -> None:
        """Check that every limit is above 0."""
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"the limit {name} is {value}; a number above 0 is needed")


LIMIT_NAMES = tuple(entry.name for entry in fields(VideoLimits))


def limits_from(texts: Iterable[str]) -> VideoLimits:
    """Limits from texts like "hours=48"; what is not named keeps its default.

    Raises
    ------
    ValueError
        If a text is not of that form, names no limit, or its value is no number above 0.
    """
    changed: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in LIMIT_NAMES or not value:
            raise ValueError(f"{text!r} is no limit; NAME=NUMBER with one of {', '.join(LIMIT_NAMES)} is needed")
        try:
            changed[name] = float(value)
        except ValueError as error:
            raise ValueError(f"the limit {name} is {value!r}; a number is needed") from error
    return replace(VideoLimits(), **changed)


def defaults_in_words() -> str:
    """Every limit with its default, for a help text."""
    values: Mapping[str, float] = vars(VideoLimits())
    return ", ".join(f"{name}={value:.0f}" for name, value in values.items())
