"""Where the pages of clips go, and how one is written, with its JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from keypoint_extractors.drawing.overlay_video import OVERLAY_SUFFIXES
from poseauth.errors import StorageError
from poseauth.keypoints import KeypointSequence
from poseauth.report import Verification
from poseauth.whole_files import make_room, written_whole

if TYPE_CHECKING:
    from keypoint_extractors.video_limits import VideoLimits
    from person_profiles.explaining import OwnVideos
    from person_profiles.store import Stored
    from poseauth.scoring import WindowScorer

OVERVIEW = "index.html"
"""The page over all clips, in a folder of pages."""
_PAGE, _JSON = ".html", ".json"
_MOST_CLIP_BYTES, _MOST_PERSON_BYTES = 140, 80
"""Of the names in a page's name: file systems take 255."""


class _Places:
    """Where each file of a kind goes: the file named where there is one answer, else into a folder.

    Parameters
    ----------
    target : Path
        A file with one of the kind's endings for one answer, or a folder.
    n_answers : int
        How many files there will be.
    n_people : int
        Whom each clip is held against: names of several stand in the files' names.

    Raises
    ------
    click.UsageError
        If a file is named for several answers, or one with another ending.
    """

    option: ClassVar[str]
    kind: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]

    def __init__(self, target: Path, *, n_answers: int, n_people: int) -> None:
        self._target = target
        self._names_people = n_people > 1
        self._one = target.suffix.lower() in self.endings and not target.is_dir()
        said = f"{self.option} {target}"
        if self._one and n_answers > 1:
            raise click.UsageError(
                f"{said}: one {self.kind} shows one answer; name a folder for {n_answers} {self.kind}s"
            )
        if not self._one and (target.is_file() or self._names_a_file(target)):
            raise click.UsageError(f"{said}: the name must end in {' or '.join(self.endings)}, or be that of a folder")

    def make_room(self) -> None:
        """Make the folder of the files, and find out before any clip is seen whether they can be written.

        Raises
        ------
        StorageError
            If they cannot.
        """
        make_room(self._target if self._one else self._target / OVERVIEW, or_else=f"Name another {self.option}")

    def _names_a_file(self, target: Path) -> bool:
        """Whether a folder is hardly called so."""
        return target.suffix != ""

    def _name(self, path: Path, person: str) -> str:
        """What the files of an answer are called, but for their ending: by the clip, and the person among several."""
        clip = file_name(path.absolute().name, "clip", _MOST_CLIP_BYTES)
        return f"{clip}, {file_name(person, 'closest', _MOST_PERSON_BYTES)}" if self._names_people else clip


class PagePlaces(_Places):
    """Where each page goes: an .html file, or a folder; see `_Places` for what is refused."""

    option, kind, endings = "--report", "page", (_PAGE,)

    def __init__(self, target: Path, *, n_answers: int, n_people: int) -> None:
        super().__init__(target, n_answers=n_answers, n_people=n_people)
        self._used = {OVERVIEW.removesuffix(_PAGE)}

    @property
    def overview(self) -> Path | None:
        """Where the page over all clips goes; None where one page was asked for."""
        return None if self._one else self._target / OVERVIEW

    def place(self, path: Path, person: str) -> Path:
        """The place of the next page: with a number where another of this run, or of letters alike, has the name."""
        if self._one:
            return self._target
        name = self._name(path, person)
        chosen, number = name, 1
        while chosen.casefold() in self._used:
            number += 1
            chosen = f"{name} ({number})"
        self._used.add(chosen.casefold())
        return self._target / f"{chosen}{_PAGE}"

    def _names_a_file(self, target: Path) -> bool:
        return target.suffix.lower() in (".htm", _JSON, ".pdf")


class OverlayPlaces(_Places):
    """Where each overlay video goes: a .webm or .mp4 file, or a folder; see `_Places` for what is refused."""

    option, kind, endings = "--overlay", "video", OVERLAY_SUFFIXES

    def place(self, path: Path, person: str, key: str) -> Path:
        """The place of an answer's overlay; in a folder its name has the beginning of what the answer rests on."""
        if self._one:
            return self._target
        return self._target / f"{self._name(path, person)} {key[:8]}{self.endings[0]}"

    def holds(self, place: Path) -> bool:
        """Whether the overlay there is known to be that of the answer: a name that the user chose says nothing."""
        return not self._one and place.is_file()


def rests_on(page: Path) -> str | None:
    """The key of the answer that a page shows (see `CheckOptions.key`); None where no whole page stands there."""
    try:
        plain = json.loads(page.with_suffix(_JSON).read_text(encoding="utf-8")) if page.is_file() else {}
    except (OSError, ValueError):
        return None
    found = plain.get("key") if isinstance(plain, dict) else None
    return found if isinstance(found, str) else None


def write_report(
    page: Path,
    path: Path,
    sequence: KeypointSequence | None,
    result: Verification,
    *,
    stored: Stored,
    scorer: WindowScorer,
    own: OwnVideos,
    options: Mapping[str, Any],
    limits: VideoLimits | None,
    key: str,
    started_utc: str,
) -> None:
    """Look at a clip again, and write its page and its JSON.

    Parameters
    ----------
    page : Path
        Where the page goes; its JSON stands beside it.
    path, sequence : Path and KeypointSequence or None
        The clip, and its keypoints if it could be read.
    result : Verification
        The answer.
    stored, scorer, own :
        The person, and their own videos.
    options : mapping
        What the command was told, plain values.
    limits : VideoLimits or None
        What the file may ask of the machine.
    key : str
        What the answer rests on.
    started_utc : str
        When the clip's turn came.

    Raises
    ------
    StorageError
        If a file cannot be written.
    """
    from .clip_evidence import evidence_as_dict, gather
    from .clip_page import page as page_of

    evidence = gather(
        path, sequence, result, stored=stored, scorer=scorer, own=own, page=page, options=options,
        limits=limits, started_utc=started_utc,
    )  # fmt: skip
    plain = json.dumps({"key": key, **evidence_as_dict(evidence)}, indent=2, ensure_ascii=False, allow_nan=False)
    put(page, page_of(evidence))
    put(page.with_suffix(_JSON), f"{plain}\n")


def put(path: Path, content: str) -> None:
    """Write a page or its JSON whole, and the folder that it stands in.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as stream:
            stream.write(content.encode())
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}. Name another --report") from error


def file_name(text: str, otherwise: str, n_bytes: int) -> str:
    """Any text as a piece of a file's name."""
    raw = text.encode("utf-8", "replace")[:n_bytes]
    name = raw.decode("utf-8", "ignore").replace("\ufffd", "_")
    return "".join(mark if mark.isprintable() and mark not in '/\\:*?"<>|' else "_" for mark in name) or otherwise
