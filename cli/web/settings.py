"""What holds for a server as long as it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poseauth.recipes import RECIPES, Recipe

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names of this machine that nobody else can reach it by."""
MAX_UPLOAD_MB = 2000
KEEP_HOURS = 24.0
MAX_QUEUE = 100
JOB_MINUTES = 240.0
"""Minutes after which a job is ended."""


@dataclass(frozen=True)
class Settings:
    """What a server was told.

    Attributes
    ----------
    data : Path
        Folder of uploads, reports and the queue.
    home : Path
        Of the profiles.
    hosts : tuple of str
        Names by which the server may be addressed, without a port.
    max_upload_bytes : int
        Of one upload, all its files together.
    keep_s : float
        Seconds that a clip, its report and its row are kept after the answer.
    max_queue : int
        Jobs that may wait, those included that are being uploaded.
    job_s : float
        Seconds that one job may take.
    extractor : str
        Of enrolments; a clip is seen by its profile's.
    reader : mapping
        Options of `open_reader`.
    recipe : Recipe
        Of enrolments.
    """

    data: Path
    home: Path
    hosts: tuple[str, ...] = LOOPBACK
    max_upload_bytes: int = MAX_UPLOAD_MB * 10**6
    keep_s: float = KEEP_HOURS * 3600
    max_queue: int = MAX_QUEUE
    job_s: float = JOB_MINUTES * 60
    extractor: str = "auto"
    reader: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe = RECIPES["default"]
