"""Who is enrolled, in words for the page."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poseauth.errors import PoseAuthError

from ..options import open_store
from ..telling import self_test_in_words

if TYPE_CHECKING:
    from person_profiles.store import ProfileStore

State = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Person:
    """Somebody enrolled, or a folder that cannot be used.

    Attributes
    ----------
    name : str
        Of the person, or of the folder.
    created : str
        The day, UTC.
    seconds, n_videos :
        Usable seconds learnt from, and in how many videos.
    errors : str
        In one sentence, how often the self-test was wrong; "" where there was none.
    figures : sequence of str
        The self-test's figures with their intervals.
    weaknesses : sequence of str
        Why every answer is inconclusive.
    is_weak : bool
        Whether it is.
    signature : str
        What is known of it.
    problem : str
        Why the profile cannot be used.
    """

    name: str
    created: str = ""
    seconds: float = 0.0
    n_videos: int = 0
    errors: str = ""
    figures: Sequence[str] = ()
    weaknesses: Sequence[str] = ()
    is_weak: bool = False
    signature: str = ""
    problem: str = ""


class People:
    """Everybody enrolled; profiles are read again only after one has changed.

    Parameters
    ----------
    home : Path
        Of the profiles.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._state: State | None = None
        self._people: list[Person] = []

    def all(self) -> list[Person]:
        """By name."""
        with self._lock:
            state = home_state(self._home)
            if state != self._state:
                self._people, self._state = _read(open_store(self._home)), state
            return list(self._people)

    def usable(self) -> list[Person]:
        """Those whom a clip can be held against."""
        return [person for person in self.all() if not person.problem]


def home_state(home: Path) -> State:
    """What changes whenever a profile, a signature or a trusted key does."""
    found = []
    for path in (home, *home.glob("*/profile.*"), *home.glob(".trusted-keys*"), *home.glob(".trusted-keys/*")):
        try:
            found.append((str(path), path.stat().st_mtime_ns))
        except OSError:  # gone meanwhile
            continue
    return tuple(sorted(found))


def _read(store: ProfileStore) -> list[Person]:
    found = []
    for entry in store.entries():
        if entry.profile is None:
            found.append(Person(entry.folder.name, problem=entry.problem or "it cannot be read"))
            continue
        profile, test = entry.profile, entry.profile.self_test
        try:
            signature = store.stored(profile.name).signature.sentence
        except PoseAuthError as error:  # changed meanwhile
            signature = str(error)
        figures = self_test_in_words(test) if test else []
        found.append(
            Person(
                profile.name,
                profile.created[:10],
                profile.seconds_genuine,
                sum(video.role == "genuine" for video in profile.videos),
                figures[1] if figures else "",
                [line for number, line in enumerate(figures) if number != 1],
                profile.weaknesses,
                profile.is_weak,
                signature,
            )
        )
    return found
