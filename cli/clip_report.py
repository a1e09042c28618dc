"""Writes the page of each verified clip, with its JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth.errors import InputError, StorageError
from poseauth.keypoints import KeypointSequence
from poseauth.report import Verification
from poseauth.whole_files import written_whole

from .clip_evidence import evidence_as_dict, gather, utc_now
from .clip_page import page
from .reading import encodable

if TYPE_CHECKING:
    from person_profiles.store import ProfileStore, Stored
    from poseauth.scoring import WindowScorer

_PAGE, _JSON = ".html", ".json"
_MOST_NAME_BYTES = 200
"""Of a page's name without its ending: file systems take 255."""
_OF_PLACES = ("cache_dir", "no_cache", "allow_download")
"""Options that change where things are kept, not what is answered."""


class ClipReports:
    """One page a clip: the file named where there is one clip, else named by the clips in a folder.

    Parameters
    ----------
    target : Path
        An .html file for one clip, or a folder.
    sources : sequence of Path
        What the command was given.
    recursive : bool
        Whether folders in folders are searched.
    store, stored, scorer :
        The person.
    told : mapping
        The command's options.

    Raises
    ------
    click.UsageError
        If an .html file is named for several clips, or a file with another ending.
    """

    def __init__(
        self,
        target: Path,
        sources: Sequence[Path],
        *,
        recursive: bool,
        store: ProfileStore,
        stored: Stored,
        scorer: WindowScorer,
        told: Mapping[str, Any],
    ) -> None:
        one_page = target.suffix.lower() == _PAGE and not target.is_dir()
        if one_page and _n_clips(sources, recursive=recursive) > 1:
            raise click.UsageError(f"--report {target}: a page shows one clip; name a folder for the pages of several")
        if not one_page and (target.is_file() or target.suffix.lower() in (".htm", _JSON, ".pdf")):
            raise click.UsageError(f"--report {target}: the name must end in .html, or be that of a folder")
        self._target = target
        self._one_page = one_page
        self._stored, self._scorer = stored, scorer
        self._files = store.files_of(stored.profile.name)
        self._limits = told.get("limits")
        self._options = _plain_options(told)
        self._used: set[str] = set()
        self._since_utc = utc_now()

    def add(self, path: Path, sequence: KeypointSequence | None, result: Verification) -> None:
        """Look at a clip again, and write its page and its JSON.

        Raises
        ------
        StorageError
            If a file cannot be written.
        """
        place = self._target if self._one_page else self._place(path)
        evidence = gather(
            path, sequence, result, stored=self._stored, files=self._files, scorer=self._scorer, page=place,
            options=self._options, limits=self._limits, started_utc=self._since_utc,
        )  # fmt: skip
        plain = json.dumps(evidence_as_dict(evidence), indent=2, ensure_ascii=False, allow_nan=False)
        _put(place.with_suffix(_JSON), f"{plain}\n")
        _put(place, page(evidence))
        click.echo(f"page of {encodable(path.name)!r}: {encodable(str(place))}", err=True)
        self._since_utc = utc_now()

    def _place(self, path: Path) -> Path:
        """A page named by the clip, and by a number where another of this run, or of letters alike, has the name."""
        raw = path.absolute().name.encode("utf-8", "replace")[:_MOST_NAME_BYTES]
        name = raw.decode("utf-8", "ignore").replace("\ufffd", "_") or "clip"
        name = "".join(mark if mark.isprintable() else "_" for mark in name)
        chosen, number = name, 1
        while chosen.casefold() in self._used:
            number += 1
            chosen = f"{name} ({number})"
        self._used.add(chosen.casefold())
        return self._target / f"{chosen}{_PAGE}"


def _n_clips(sources: Sequence[Path], *, recursive: bool) -> int:
    from keypoint_extractors.sources import find_sources

    found: set[Path] = set()
    for source in sources:
        try:
            found |= set(find_sources(source, recursive=recursive))
        except InputError:
            found.add(source)
    return len(found)


def _plain_options(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in sorted(told.items()) if name not in _OF_PLACES}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return list(value) if isinstance(value, tuple) else encodable(str(value))


def _put(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as stream:
            stream.write(content.encode())
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}. Name another --report") from error
