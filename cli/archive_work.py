"""What one worker of an archive's run does with a clip, wherever it is: have it here, see it, give its rows."""

from __future__ import annotations

import contextlib
import hashlib
import json
import posixpath
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock

from keypoint_extractors.sources import content_sha256
from poseauth import __version__
from poseauth.batch.addresses import check_address, fetch, kind_of
from poseauth.batch.row_file import KEY, Row
from poseauth.batch.shard_run import Done, Part, Piece
from poseauth.batch.store import Store
from poseauth.errors import ClusterError, ExtractorError, InputError, reason
from poseauth.report import COUNTS, CSV_COLUMNS, NUMBERS, Verification, as_row, caveats_of, not_analysed
from poseauth.shown_text import encodable

from .clip_check import CLOSEST, CheckOptions, ClipCheck, ClipToCheck, Tell, nobody_close, told_plainly
from .clip_report import file_name
from .options import open_reader, whom
from .result_table import ResultColumns

_FOLDER = "poseauth-work-"
_MOST_NAME_BYTES = 100
VIDEO_S, CPU_S, BYTES = "video_s", "cpu_s", "bytes"
"""What a clip cost: seconds of video seen, seconds of processors, bytes fetched from elsewhere."""
EXTRACT_COLUMNS = (
    "source",
    "status",
    "keypoints",
    "n_frames",
    "seconds",
    "somebody_in_view",
    "extractor",
    "reasons",
    "caveats",
)
_KEYPOINTS = "keypoints"
"""The folder of keypoint files in a dataset of `extract`."""


@dataclass(frozen=True)
class About:
    """What a row is to be about.

    Attributes
    ----------
    answer : str
        Whom the clip is held against, as in `CheckOptions.answers`; "" of `extract`.
    cells : mapping of str to str
        The row of the table in which the clip was named.
    problem : str
        Why there is no clip; "" where there may be one.
    """

    answer: str
    cells: Mapping[str, str]
    problem: str = ""


class WorkFolder:
    """A folder of this process for what is here for a while; what processes that were killed left is removed."""

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        for left in parent.glob(f"{_FOLDER}*"):
            _remove_if_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=parent))
        # Held as long as this process lives: the system lets go of it however that ends.
        self._lock = filelock.FileLock(self.path / "held", blocking=False)
        self._lock.acquire()

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """The path of a file that is removed when the block ends."""
        with tempfile.TemporaryDirectory(dir=self.path) as folder:
            yield Path(folder) / name


def _remove_if_left(folder: Path) -> None:
    import shutil

    with contextlib.suppress(filelock.Timeout, OSError):  # somebody works there, or it is another user's
        if (folder / "held").exists():
            with filelock.FileLock(folder / "held", blocking=False):
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Fetching:
    """How clips come here.

    Attributes
    ----------
    https : bool
        Whether from the web too.
    most_bytes : float
        Of one clip.
    """

    https: bool
    most_bytes: float


@contextlib.contextmanager
def _here(place: str, how: Fetching, folder: WorkFolder) -> Iterator[tuple[Path, int]]:
    """The clip as a file of this machine, and the bytes that were fetched for it."""
    if not kind_of(place):
        yield Path(place), 0
        return
    check_address(place, https=how.https)
    name = posixpath.basename(place.split("?")[0])
    stem, suffix = posixpath.splitext(name)
    with folder.file(file_name(stem, "clip", _MOST_NAME_BYTES) + file_name(suffix, "", 16)) as path:
        yield path, fetch(place, path, most_bytes=how.most_bytes)


class _Cost:
    """Processor time of this process and of those that it started and that ended."""

    def __init__(self) -> None:
        self._before = _cpu_s()

    @property
    def cpu_s(self) -> float:
        return _cpu_s() - self._before


def _cpu_s() -> float:
    if sys.platform == "win32":
        return time.process_time()
    import resource

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@dataclass(frozen=True)
class VerifyWork:
    """Makes the work of `verify`, wherever it is to be done.

    Attributes
    ----------
    options : CheckOptions
        For every clip.
    fetching : Fetching
        How clips come here.
    columns : tuple of str
        Of the tables in which clips were named.
    home : mapping of str to bytes, or None
        The files of the profiles, by their paths, where the folder itself is not there; None: it is.
    version : str
        Of poseauth where the run was begun.
    """

    options: CheckOptions
    fetching: Fetching
    columns: tuple[str, ...]
    home: Mapping[str, bytes] | None
    version: str = __version__

    def __call__(self) -> _Verifying:
        """The work, with its own copy of the profiles where they came along."""
        _check_version(self.version)
        folder = WorkFolder()
        options = self.options
        if self.home is not None:
            options = replace(options, home=folder.path / "home")
            for name, content in self.home.items():
                (options.home / name).parent.mkdir(parents=True, exist_ok=True)
                (options.home / name).write_bytes(content)
        return _Verifying(self, ClipCheck(options), options, folder)


@dataclass(frozen=True)
class _Verifying:
    made_by: VerifyWork
    check: ClipCheck
    options: CheckOptions
    folder: WorkFolder

    def __call__(self, piece: Piece, tell: Tell) -> Done:
        cost, video_s = _Cost(), self.check.video_s
        n_bytes = 0
        people = dict.fromkeys(part.about.answer for part in piece.parts)
        keys = dict.fromkeys(people, "")
        try:
            if piece.parts[0].about.problem:
                raise InputError(piece.parts[0].about.problem)
            with _here(piece.name, self.made_by.fetching, self.folder) as (path, n_bytes):
                sha256 = content_sha256(path)
                keys = {name: self.options.key(sha256, name, self.check.extractor_digest(name)) for name in people}
                results = self.check(ClipToCheck(0, path, sha256, keys, name=encodable(piece.name)), tell)
        except InputError as error:
            results = {name: _not_verified(piece.name, name, reason(error, piece.name)) for name in people}
        columns = ResultColumns(self.made_by.columns)
        rows = {
            part.identity: verify_row(columns, part, results[part.about.answer], keys[part.about.answer])
            for part in piece.parts
        }
        return Done(rows, {VIDEO_S: self.check.video_s - video_s, CPU_S: cost.cpu_s, BYTES: float(n_bytes)})


def _not_verified(place: str, about: str, why: str) -> Verification:
    source = encodable(place)
    return nobody_close(source, why) if about == CLOSEST else not_analysed(source, about, why)


def lost_verification(columns: ResultColumns, piece: Piece, why: str) -> dict[str, Row]:
    """The rows of a clip whose workers died."""
    return {
        part.identity: verify_row(
            columns, part, _not_verified(piece.name, part.about.answer, f"the analysis failed: {why}"), ""
        )
        for part in piece.parts
    }


def verify_row(columns: ResultColumns, part: Part, result: Verification, key: str) -> Row:
    """A row with the columns of the CSV, numbers as numbers."""
    flat = as_row(result)
    ours = columns.named({name: _typed(name, flat[name]) for name in CSV_COLUMNS})
    return {**columns.theirs(part.about.cells), **ours, KEY: key if result.verdict is not None else ""}


def kind_of_column(name: str) -> type:
    """What stands in a column of ours, of either command."""
    if name in (*COUNTS, "n_frames"):
        return int
    return float if name in (*NUMBERS, "seconds", "somebody_in_view") else str


def _typed(name: str, text: str) -> Any:
    kind = kind_of_column(name)
    return text if kind is str else kind(text) if text else None


def _check_version(version: str) -> None:
    if version != __version__:
        raise ClusterError(
            f"this machine of the cluster has poseauth {__version__}, and the run was begun with {version}. Install "
            "the same on every machine"
        )


@dataclass(frozen=True)
class ExtractWork:
    """Makes the work of `extract`, wherever it is to be done.

    Attributes
    ----------
    extractor : str
        By name.
    track, box :
        Whom to follow.
    reader : mapping
        Options of `open_reader`, with the threads for one clip.
    fetching : Fetching
        How clips come here.
    place : str
        Where keypoint files go.
    columns : tuple of str
        Of the tables in which clips were named.
    version : str
        Of poseauth where the run was begun.
    """

    extractor: str
    track: int | None
    box: tuple[float, float, float, float] | None
    reader: Mapping[str, Any]
    fetching: Fetching
    place: str
    columns: tuple[str, ...]
    version: str = __version__

    def __call__(self) -> _Extracting:
        """The work; the network is loaded at the first video."""
        _check_version(self.version)
        return _Extracting(self, open_reader(self.extractor, **self.reader), WorkFolder(), Store(self.place))

    def asked(self, content: str) -> str:
        """What keypoints rest on, as far as the options and this text about the content tell."""
        told = told_plainly({"extractor": self.extractor, "track": self.track, "box": self.box}, self.reader)
        told.pop("n_threads", None)
        return hashlib.sha256(json.dumps([content, told, __version__], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Extracting:
    made_by: ExtractWork
    reader: Any
    folder: WorkFolder
    store: Store

    def __call__(self, piece: Piece, tell: Tell) -> Done:
        from poseauth.keypoint_files import SUFFIX, write_keypoints

        cost, n_bytes, video_s = _Cost(), 0, 0.0
        made = self.made_by
        try:
            if piece.parts[0].about.problem:
                raise InputError(piece.parts[0].about.problem)
            with _here(piece.name, made.fetching, self.folder) as (path, n_bytes):
                sha256 = content_sha256(path)
                sequence = self.reader.read(path, who=whom(made.track, made.box), sha256=sha256, on_progress=tell)
            stem = posixpath.splitext(posixpath.basename(piece.name.split("?")[0]))[0]
            digest = hashlib.sha256(piece.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
            name = f"{_KEYPOINTS}/{file_name(stem, 'clip', _MOST_NAME_BYTES)}-{digest}{SUFFIX}"
            with self.folder.file(f"keypoints{SUFFIX}") as written:
                write_keypoints(sequence, written)
                self.store.put(name, written.read_bytes())
        except (InputError, ExtractorError) as error:
            told = extract_row(piece.name, why=reason(error, piece.name))
        else:
            video_s = sequence.duration_s
            extractor = sequence.provenance.extractor
            told = {
                **extract_row(piece.name),
                "status": "analysed",
                "keypoints": name,
                "n_frames": len(sequence),
                "seconds": round(video_s, 3),
                "somebody_in_view": round(float(sequence.seen.any(axis=1).mean()), 4) if len(sequence) else 0.0,
                "extractor": str(extractor or ""),
                "caveats": "; ".join(caveats_of(sequence.provenance)),
                KEY: made.asked(f"{sha256} {extractor.digest if extractor else ''}"),
            }
        columns = extract_columns(made.columns)
        rows = {part.identity: {**columns.theirs(part.about.cells), **columns.named(told)} for part in piece.parts}
        return Done(rows, {VIDEO_S: video_s, CPU_S: cost.cpu_s, BYTES: float(n_bytes)})


def extract_columns(theirs: tuple[str, ...]) -> ResultColumns:
    """The columns of a dataset of `extract`."""
    return ResultColumns(theirs, (*EXTRACT_COLUMNS, KEY))


def lost_extraction(columns: ResultColumns, piece: Piece, why: str) -> dict[str, Row]:
    """The rows of a clip whose workers died."""
    told = columns.named(extract_row(piece.name, why=f"the extraction failed: {why}"))
    return {part.identity: {**columns.theirs(part.about.cells), **told} for part in piece.parts}


def extract_row(place: str, *, why: str = "") -> dict[str, Any]:
    """The row of a clip without keypoints, by the names of our columns."""
    return {
        "source": encodable(place), "status": "not analysed", "keypoints": "", "n_frames": None, "seconds": None,
        "somebody_in_view": None, "extractor": "", "reasons": why, "caveats": "", KEY: "",
    }  # fmt: skip
