"""`poseauth doctor`: what can run here."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import Any

import click

from poseauth import __version__
from poseauth.errors import PoseAuthError
from poseauth.shown_text import readable

from .options import ON_THE_CPU, home_option, machine_options, open_store

_PACKAGES = (
    "torch", "numpy", "av", "opencv-python", "ai-edge-litert", "ultralytics", "lap", "scenedetect", "safetensors"
)  # fmt: skip


@click.command(
    help="""Say what can run here: versions, device, extractors and their weights, what is missing and how to get it.

\b
Example:
  poseauth doctor"""
)
@machine_options
@home_option
def doctor(home: Any, weights: str | None, device: str, allow_download: bool, cache_dir: Any) -> int:
    """Try each part; 1 if no extractor can run."""
    from keypoint_extractors.blazepose.model_files import networks_in_words
    from keypoint_extractors.cache import default_cache_folder
    from keypoint_extractors.registry import EXTRACTORS, ExtractorOptions, cuda_is_available

    click.echo(f"poseauth {__version__}, Python {platform.python_version()} on {sys.platform}")
    for package in _PACKAGES:
        try:
            click.echo(f"  {package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            click.secho(f"  {package}: not installed", fg="yellow")
    click.echo("device: " + ("CUDA" if cuda_is_available() else "CPU (torch sees no CUDA device)"))
    able = 0
    for name in ("blazepose", "yolo", "mediapipe"):
        options = ExtractorOptions(weights, "auto" if name in ON_THE_CPU else device, allow_download)
        try:
            extractor = EXTRACTORS[name](options)
            extractor.open_estimator().close()
        except PoseAuthError as error:
            click.secho(readable(f"extractor {name}: cannot run. {error}"), fg="yellow")
        else:
            able += 1
            click.secho(f"extractor {name}: runs ({extractor.fingerprint})", fg="green")
            for network in networks_in_words(extractor.fingerprint.weights_sha256):
                click.echo(f"  {network}")
    click.echo("extractor openpose: reads OpenPose's JSON folders, needs nothing")
    store = open_store(home)
    click.echo(f"profiles: {len(store.entries())} under {store.home}")
    click.echo(f"cached keypoints: {cache_dir or default_cache_folder()}")
    return 0 if able else 1
