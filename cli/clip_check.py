"""One clip held against the people asked for, with its pages: the work of `verify`, wherever it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth import __version__
from poseauth.decision import EvidenceLimits
from poseauth.errors import ExtractorError, InputError, ProfileError, StorageError, UnknownPersonError, reason
from poseauth.keypoints import KeypointSequence
from poseauth.report import Verification, not_analysed
from poseauth.shown_text import encodable, readable

from .clip_evidence import is_video, utc_now
from .clip_report import write_report
from .options import EXTRACTOR_CHOICES, open_reader, open_store, whom

if TYPE_CHECKING:
    from keypoint_extractors.sources import SourceReader
    from person_profiles.explaining import OwnVideos
    from person_profiles.profile import Profile
    from person_profiles.store import ProfileStore, Stored
    from person_profiles.verification import LoadedPerson

CLOSEST = ""
"""In place of a person's name: whoever is closest of all."""
_NOT_OF_THE_ANSWER = ("cache_dir", "no_cache", "allow_download", "device")
"""Options that change where things are kept and done, not what is answered."""

Tell = Callable[[Any], None]


@dataclass(frozen=True)
class CheckOptions:
    """What holds for every clip of a run.

    Attributes
    ----------
    home : Path
        Of the profiles.
    people : mapping of str to str
        Whom clips are held against, with the digest of each profile.
    anyone : bool
        Whether the closest of them is the answer, instead of one answer each.
    extractor : str or None
        By name; None: each profile's own.
    any_extractor : bool
        Whether keypoints of another extractor than the profile's are accepted.
    min_seconds : float or None
        Usable seconds that a verdict needs; None: what the profile's self-test found to be enough.
    track, box :
        Whom to follow, as in `keypoint_extractors.following.Follow`.
    reader : mapping
        Options of `open_reader`.
    n_threads : int or None
        Cores for one clip; None: all.
    """

    home: Path
    people: Mapping[str, str]
    anyone: bool = False
    extractor: str | None = None
    any_extractor: bool = False
    min_seconds: float | None = None
    track: int | None = None
    box: tuple[float, float, float, float] | None = None
    reader: Mapping[str, Any] = field(default_factory=dict)
    n_threads: int | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """Whom the answers of a clip are about: the people, or `CLOSEST`."""
        return (CLOSEST,) if self.anyone else tuple(self.people)

    @property
    def told(self) -> dict[str, Any]:
        """What of this changes an answer, and device and folders apart all that the command was told; plain values."""
        options = {
            "anyone": self.anyone,
            "extractor": self.extractor,
            "any_extractor": self.any_extractor,
            "min_seconds": self.min_seconds,
            "track": self.track,
            "box": self.box,
        }
        return told_plainly(options, self.reader)

    def key(self, content_sha256: str, answer: str, extractor_digest: str | None) -> str:
        """What an answer rests on, as one text: content, profile, options and version, not the file's name.

        Parameters
        ----------
        content_sha256 : str
            Of the clip.
        answer : str
            One of `answers`.
        extractor_digest : str or None
            Of the extractor where it is not the profile's; the profile's digest covers its own.
        """
        profiles = sorted(self.people.values()) if self.anyone else [self.people[answer]]
        parts = [content_sha256, profiles, self.told, extractor_digest, __version__]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class ClipToCheck:
    """A clip and what is wanted of it.

    Attributes
    ----------
    number : int
        Of the clip in the run.
    path : Path
        The clip.
    sha256 : str or None
        Its digest where it could be read.
    keys : mapping of str to str
        The answers wanted, by whom they are about, each with what it rests on; "" where the clip has no digest.
    pages : mapping of str to Path
        Where their pages go; an answer without a place has none.
    overlays : mapping of str to Path
        Likewise where their overlay videos go.
    problem : InputError or None
        Why there is nothing to read.
    name : str or None
        What the clip is called in its answers; None: its path.
    """

    number: int
    path: Path
    sha256: str | None
    keys: Mapping[str, str]
    pages: Mapping[str, Path] = field(default_factory=dict)
    overlays: Mapping[str, Path] = field(default_factory=dict)
    problem: InputError | None = None
    name: str | None = None


class ClipCheck:
    """Holds clips against people, one after another; profiles and networks are loaded once, when they are needed.

    Parameters
    ----------
    options : CheckOptions
        For every clip.
    stored : mapping of str to Stored, or None
        The people where they have been read already.

    Attributes
    ----------
    video_s : float
        Seconds of video that were seen since it was made, as far as they could be read.

    Raises
    ------
    ProfileError
        If a profile cannot be read, or is another than the options say.
    """

    def __init__(self, options: CheckOptions, stored: Mapping[str, Stored] | None = None) -> None:
        self._options = options
        self._store = open_store(options.home)
        self._stored = stored or {name: self._store.stored(name) for name in options.people}
        for name, digest in options.people.items():
            if self._stored[name].files.sha256 != digest:
                raise ProfileError(f"the profile of {name} was changed meanwhile. Begin again")
        self._readers: dict[str, SourceReader] = {}
        self.video_s = 0.0
        self._limits = None if options.min_seconds is None else EvidenceLimits(min_seconds=options.min_seconds)

    def __call__(self, clip: ClipToCheck, tell: Tell) -> dict[str, Verification]:
        """The answers wanted, and their pages written.

        Parameters
        ----------
        clip : ClipToCheck
            The clip.
        tell : callable
            Hears `keypoint_extractors.extraction.Progress` while a video is seen; then "windows", "overlay", "page".

        Raises
        ------
        StorageError
            If a page or an overlay cannot be written.
        """
        started_utc = utc_now()
        seen: dict[str, KeypointSequence | InputError | ExtractorError] = {}
        names = list(self._options.people) if self._options.anyone else list(clip.keys)
        results = {name: self._hold(clip, self._seen(clip, name, seen, tell), name, tell) for name in names}
        if self._options.anyone:
            from person_profiles.claims import closest_of

            results = {CLOSEST: closest_of(list(results.values()))}
        for answer, result in results.items():
            if result.person not in self._stored:
                continue  # fits nobody: there is no profile to show
            read = self._seen(clip, result.person, seen, tell)
            sequence = read if isinstance(read, KeypointSequence) else None
            if answer in clip.overlays:
                self._write_overlay(clip, clip.overlays[answer], sequence, result, tell)
            if answer in clip.pages:
                tell("page")
                write_report(
                    clip.pages[answer],
                    clip.path,
                    sequence,
                    result,
                    stored=self._stored[result.person],
                    scorer=self._loaded[result.person].scorer,
                    own=self._own_videos[result.person],
                    options=self._options.told,
                    limits=self._options.reader.get("limits"),
                    key=clip.keys[answer],
                    started_utc=started_utc,
                )
        return results

    def close(self) -> None:
        """Free the networks."""
        for reader in self._readers.values():
            reader.close()

    def extractor_digest(self, answer: str) -> str | None:
        """Of the extractor in use where it need not be the profile's; None where it must be, or cannot run here."""
        if not self._options.any_extractor:
            return None
        name = next(iter(self._options.people)) if answer == CLOSEST else answer
        try:
            return self._reader(name).extractor.fingerprint.digest
        except ExtractorError:
            return None

    def _write_overlay(
        self, clip: ClipToCheck, place: Path, sequence: KeypointSequence | None, result: Verification, tell: Tell
    ) -> None:
        from keypoint_extractors.drawing.overlay_video import write_overlay

        tell("overlay")
        why = "there is no video to draw on"
        if sequence is None:
            why = "nobody could be followed in it"
        elif is_video(clip.path):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                write_overlay(clip.path, sequence, result, place, limits=self._options.reader.get("limits"))
                return
            except InputError as error:
                why = str(error)
            except OSError as error:
                raise StorageError(f"{place} cannot be written: {error.strerror or error}") from error
        click.secho(readable(f"no overlay of {clip.path}: {why}"), fg="yellow", err=True)

    def _seen(
        self,
        clip: ClipToCheck,
        name: str,
        seen: dict[str, KeypointSequence | InputError | ExtractorError],
        tell: Tell,
    ) -> KeypointSequence | InputError | ExtractorError:
        """The clip's keypoints by the extractor for a person, once an extractor."""
        extractor = self._extractor_name(name)
        if clip.problem is not None:
            return clip.problem
        if extractor not in seen:
            who = whom(self._options.track, self._options.box)
            try:
                read = self._reader(name).read(clip.path, who=who, sha256=clip.sha256, on_progress=tell)
                self.video_s += 0.0 if seen else read.duration_s
                seen[extractor] = read
            except (InputError, ExtractorError) as error:
                seen[extractor] = error
        return seen[extractor]

    def _hold(
        self, clip: ClipToCheck, read: KeypointSequence | InputError | ExtractorError, name: str, tell: Tell
    ) -> Verification:
        from person_profiles.claims import hold_against

        source = clip.name or encodable(str(clip.path))
        if not isinstance(read, KeypointSequence):
            return not_analysed(source, name, reason(read, clip.path, clip.path.name), problem=type(read))
        tell("windows")
        result = hold_against(
            read,
            self._loaded[name],
            limits=self._limits,
            any_extractor=self._options.any_extractor,
            others=() if self._options.anyone else self._others(name),
        )
        return replace(result, source=source)

    def _reader(self, name: str) -> SourceReader:
        extractor = self._extractor_name(name)
        if extractor not in self._readers:
            self._readers[extractor] = open_reader(extractor, n_threads=self._options.n_threads, **self._options.reader)
        return self._readers[extractor]

    def _extractor_name(self, name: str) -> str:
        known = self._stored[name].profile.extractor
        wanted = self._options.extractor or (known.name if known else "auto")
        return wanted if wanted in EXTRACTOR_CHOICES else "auto"

    @cached_property
    def _loaded(self) -> dict[str, LoadedPerson]:
        """The people asked for, ready to score."""
        from person_profiles.verification import load_person

        return {name: load_person(stored.profile) for name, stored in self._stored.items()}

    @cached_property
    def _own_videos(self) -> dict[str, OwnVideos]:
        """What pages lay a clip beside, by person: read and cut once, for all clips."""
        from person_profiles.explaining import OwnVideos

        return {name: OwnVideos(stored.profile, stored.files) for name, stored in self._stored.items()}

    def _others(self, name: str) -> Sequence[LoadedPerson]:
        """Everybody else enrolled with the same extractor, to name whom a clip fits better."""
        extractor = self._stored[name].profile.extractor
        return [
            other for other in self._everybody if other.profile.name != name and other.profile.extractor == extractor
        ]

    @cached_property
    def _everybody(self) -> list[LoadedPerson]:
        from person_profiles.verification import load_person

        found = []
        for profile in strong_profiles(self._store):
            try:
                found.append(self._loaded.get(profile.name) or load_person(profile))
            except ProfileError as error:
                click.secho(readable(f"not compared with {profile.name}: {error}"), fg="yellow", err=True)
        return found


def nobody_close(source: str, why: str) -> Verification:
    """The answer about the closest person where the clip was held against nobody."""
    from person_profiles.claims import ANYONE

    return replace(not_analysed(source, ANYONE, why), person_is="closest")


def people_asked_for(store: ProfileStore, people: Sequence[str], *, anyone: bool) -> dict[str, Stored]:
    """Whom clips are held against, by name: those named, or all whose profiles passed their self-test.

    Raises
    ------
    UnknownPersonError
        If there is nobody.
    ProfileDamagedError
        If a profile cannot be read.
    """
    names = [profile.name for profile in strong_profiles(store)] if anyone else list(dict.fromkeys(people))
    if not names:
        raise UnknownPersonError(
            f"nobody is enrolled under {store.home} whose profile passed its self-test. Enrol first: poseauth enroll "
            "--person NAME VIDEOS --impostor OTHERS"
        )
    found = [store.stored(name) for name in names]
    return {one.profile.name: one for one in found}  # as they are called there, however the name was typed


def strong_profiles(store: ProfileStore) -> list[Profile]:
    """The people whose profiles can be read and passed their self-test."""
    return [entry.profile for entry in store.entries() if entry.profile is not None and not entry.profile.is_weak]


def told_plainly(options: Mapping[str, Any], reader: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a command, with those of its reader that change an answer, as plain values by name."""
    told = {**options, **{name: value for name, value in reader.items() if name not in _NOT_OF_THE_ANSWER}}
    return {name: _plain(value) for name, value in sorted(told.items())}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return list(value) if isinstance(value, tuple) else encodable(str(value))
