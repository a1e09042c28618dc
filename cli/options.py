"""Options that several commands share, each with one meaning, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from keypoint_extractors.video_limits import VideoLimits, defaults_in_words, limits_from

if TYPE_CHECKING:
    from keypoint_extractors.following import Follow
    from keypoint_extractors.registry import Extractor
    from keypoint_extractors.sources import SourceReader
    from person_profiles.store import ProfileStore

_F = TypeVar("_F", bound=Callable[..., Any])
EXTRACTOR_CHOICES = ("auto", "blazepose", "yolo", "mediapipe", "openpose")
ON_THE_CPU = ("blazepose", "mediapipe", "openpose")
"""Extractors to which a GPU is of no use: --device says then where people are learnt."""
AUTO_TOLD = "auto: the first that can run, of yolo on CUDA, blazepose and yolo on the CPU; it is told which."


def together(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Several options as one decorator, shown in this order."""

    def decorate(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def home_option(command: _F) -> _F:
    """Where the profiles are."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="POSEAUTH_HOME",
        help="Folder of the profiles. [default: $POSEAUTH_HOME, else the platform's data folder]",
    )(command)


def person_option(command: _F) -> _F:
    """Whose movement."""
    return click.option("--person", required=True, metavar="NAME", help="The person, as you call them.")(command)


def _limits(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> VideoLimits:
    try:
        return limits_from(texts)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_WEIGHTS = click.option(
    "--weights",
    metavar="NAME|FILE|FOLDER",
    help="YOLO pose model: a name such as yolo26m-pose, a .pt file, or a folder with one. "
    "[default: $POSEAUTH_WEIGHTS, then the cache folder]",
)
_DEVICE = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda",
    help="Where poses are seen and people are learnt; scoring a clip is the CPU's.",
)
_LIMIT = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    callback=_limits,
    help=f"What one video may ask of the machine. [default: {defaults_in_words()}]",
)

_ALLOW_DOWNLOAD = click.option(
    "--allow-download", is_flag=True, help="Fetch models and published weights once if they are not on this machine."
)
_CACHE_DIR = click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where keypoints are kept between commands. [default: the platform's cache folder]",
)

extractor_options: Callable[[Any], Any] = together(
    _WEIGHTS,
    _DEVICE,
    _ALLOW_DOWNLOAD,
    _CACHE_DIR,
    click.option("--no-cache", is_flag=True, help="Keep no keypoints, use none that are kept."),
    click.option(
        "--hands/--no-hands", default=True, show_default=True, help="Look for hands, where the extractor can."
    ),
    click.option(
        "--openpose-fps",
        type=click.FloatRange(1, 1000),
        default=30.0,
        show_default=True,
        help="Rate of OpenPose folders.",
    ),
    _LIMIT,
)

machine_options: Callable[[Any], Any] = together(_WEIGHTS, _DEVICE, _ALLOW_DOWNLOAD, _CACHE_DIR)
"""Those that say what can run here, where nothing is read."""

resident_options: Callable[[Any], Any] = together(_WEIGHTS, _DEVICE, _LIMIT)
"""Those of a server: it fetches nothing, and keeps nothing between clips."""

follow_options: Callable[[Any], Any] = together(
    click.option("--track", type=int, metavar="N", help="Follow this tracked person (numbers are in the message)."),
    click.option(
        "--box",
        type=(float, float, float, float),
        metavar="X Y W H",
        help="Follow whoever is most in this box (pixels: left, top, width, height).",
    ),
)

recursive_option = click.option("--recursive", is_flag=True, help="Search folders in folders too.")


def open_store(home: Path | None) -> ProfileStore:
    """The store under `--home` or the default one."""
    from person_profiles.store import ProfileStore, default_home

    return ProfileStore(home or default_home())


def refuse_missing_device(name: str) -> None:
    """Say so before anything is read; torch is asked, which takes seconds, only where a device is named.

    Raises
    ------
    DeviceError
        If it is not there.
    """
    if name not in ("auto", "cpu"):
        from poseauth.models import choose_device

        choose_device(name)


def open_reader(
    extractor: str,
    *,
    weights: str | None,
    device: str,
    allow_download: bool,
    cache_dir: Path | None,
    no_cache: bool,
    openpose_fps: float,
    limits: VideoLimits | None = None,
    n_threads: int | None = None,
    hands: bool = True,
) -> SourceReader:
    """What reads the clips, by the extractor options, on so many cores or all."""
    from keypoint_extractors.cache import ObservationCache, default_cache_folder
    from keypoint_extractors.sources import SourceReader

    def choose() -> Extractor:
        from keypoint_extractors.registry import ExtractorOptions, choose_extractor

        where = "auto" if extractor in ON_THE_CPU else device
        options = ExtractorOptions(weights, where, allow_download, n_threads, hands)
        chosen = choose_extractor(extractor, options)
        if extractor == "auto":
            click.echo(f"extractor: {chosen.fingerprint}", err=True)
        return chosen

    cache = None if no_cache else ObservationCache(cache_dir or default_cache_folder())
    return SourceReader(choose, cache, openpose_fps, limits)


def whom(track: int | None, box: tuple[float, float, float, float] | None) -> Follow:
    """Whom to follow, by `--track` and `--box`.

    Raises
    ------
    click.UsageError
        If they contradict or make no sense.
    """
    from keypoint_extractors.following import Follow

    try:
        return Follow(track, box)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
