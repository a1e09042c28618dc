"""What the server's one process does: hold a clip against people, or learn a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth.errors import EnrolmentError, PoseAuthError, reason
from poseauth.keypoints import KeypointSequence
from poseauth.recipes import Recipe
from poseauth.report import Verification, in_words, sentence

from ..clip_check import CLOSEST, CheckOptions, ClipCheck, ClipToCheck, people_asked_for
from ..enrolling import LearningOptions, check_name, check_same, learn_and_keep
from ..options import open_reader, open_store
from ..reading import read_each
from ..telling import describe_profile
from .jobs import Answer
from .people import State, home_state

if TYPE_CHECKING:
    from keypoint_extractors.extraction import Progress
    from keypoint_extractors.sources import SourceReader
    from person_profiles.enrolment import Negative
    from poseauth.training import Epoch

NOT_ANALYSED = "not analysed"
ENROLLED, ENROLLED_WEAK = "enrolled", "enrolled, but weak"
_TELL_EVERY_S = 0.1
_IN_THE_BROWSER = {
    "Or add --allow-weak: the profile is kept": "Or tick “Keep a weak profile”: the profile is kept",
    "add --same-as": "choose under “Second profile of”",
    "clips of other people with --impostor": "videos of other people",
    "Enrol again with --impostor": "Enrol again with videos of other people",
    "with --impostor": "under “Other people”",
    ", enrol again, or accept the doubt with --any-extractor": ", or enrol again",
    "Enrol first: poseauth enroll --person NAME VIDEOS --impostor OTHERS": "Enrol somebody first",
    "Add --overwrite to learn them anew, or remove them first": "Choose another name, or have them removed first",
}
"""What the messages of the command line come to on the page."""
_OF_THE_COMMAND_LINE = "what begins with -- is an option of poseauth verify and poseauth enroll, where the server runs"


@dataclass(frozen=True)
class Stage:
    """How far a job is: in words, and as a share of its step, 0 to 1, where that is known."""

    words: str
    share: float | None = None


Tell = Callable[[Stage], None]


@dataclass(frozen=True)
class NamedFile:
    """A file and what its user calls it."""

    path: Path
    name: str


@dataclass(frozen=True)
class ClipTask:
    """A clip to hold against a person, or against everybody where `person` is "".

    Attributes
    ----------
    file : NamedFile
        The clip.
    sha256 : str
        Of the clip.
    person : str
        Whom.
    page : Path
        Where the page goes.
    """

    file: NamedFile
    sha256: str
    person: str
    page: Path


@dataclass(frozen=True)
class EnrolmentTask:
    """A person to learn.

    Attributes
    ----------
    person : str
        The name.
    own, others : sequence of NamedFile
        Videos of the person and of others.
    allow_weak, with_enrolled, same_as :
        As `LearningOptions` has them.
    """

    person: str
    own: Sequence[NamedFile]
    others: Sequence[NamedFile]
    allow_weak: bool
    with_enrolled: bool
    same_as: Sequence[str] = ()


@dataclass(frozen=True)
class WorkOptions:
    """What holds for all jobs; see `Settings`."""

    home: Path
    extractor: str
    reader: Mapping[str, Any]
    recipe: Recipe


class Work:
    """Does one job after another; networks stay loaded as long as nothing that they rest on changes.

    Parameters
    ----------
    options : WorkOptions
        For every job.
    """

    def __init__(self, options: WorkOptions) -> None:
        self._options = options
        self._check: tuple[str, State, CheckOptions, ClipCheck] | None = None
        """The last one, whom it is for, and what the profiles were like."""

    def __call__(self, task: ClipTask | EnrolmentTask, tell: Tell) -> Answer:
        """What the task came to.

        Raises
        ------
        PoseAuthError
            If nothing could be begun, or a person is not enrolled; the reason is written for the page.
        """
        tell(Stage("loading"))
        tell = _now_and_then(tell)
        try:
            return self._clip(task, tell) if isinstance(task, ClipTask) else self._enrolment(task, tell)
        except PoseAuthError as error:
            files = (task.file,) if isinstance(task, ClipTask) else (*task.own, *task.others)
            message = str(error).replace(f" under {self._options.home}", "")
            raise type(error)(for_the_page(message, files)) from error

    def _clip(self, task: ClipTask, tell: Tell) -> Answer:
        options, check = self._check_for(task.person)
        key = options.key(task.sha256, task.person or CLOSEST, None)
        about = task.person or CLOSEST
        clip = ClipToCheck(0, task.file.path, task.sha256, {about: key}, {about: task.page}, name=task.file.name)
        return _answer(check(clip, lambda told: tell(_stage(told)))[about], task)

    def _check_for(self, person: str) -> tuple[CheckOptions, ClipCheck]:
        # Before the profiles: what changes while they are read is read again for the next clip.
        state = home_state(self._options.home)
        if self._check is None or self._check[:2] != (person, state):
            stored = people_asked_for(open_store(self._options.home), [person], anyone=not person)
            options = CheckOptions(
                home=self._options.home,
                people={name: one.files.sha256 for name, one in stored.items()},
                anyone=not person,
                reader=self._options.reader,
            )
            check = ClipCheck(options, stored)
            if self._check is not None:
                self._check[-1].close()
            self._check = person, state, options, check
        return self._check[2:]

    def _enrolment(self, task: EnrolmentTask, tell: Tell) -> Answer:
        from person_profiles.enrolment import Negative

        store = open_store(self._options.home)
        check_name(store, task.person)
        check_same(store, task.same_as)
        reader = open_reader(self._options.extractor, **self._options.reader)
        try:
            seen, unread = _see(reader, [*task.own, *task.others], tell)
        finally:
            reader.close()
        genuine = [sequence for file, sequence in seen if file in task.own]
        negatives: list[Negative] = [
            Negative(sequence, f"impostor: {group_of(file.name)}", "impostor")
            for file, sequence in seen
            if file in task.others
        ]
        for side, given, found in (("the person", task.own, genuine), ("other people", task.others, negatives)):
            if given and not found:
                raise EnrolmentError(f"none of the videos of {side} can be used: {'; '.join(unread)}")
        options = LearningOptions(
            self._options.recipe,
            device=str(self._options.reader.get("device", "auto")),
            allow_weak=task.allow_weak,
            with_enrolled=task.with_enrolled,
            same_as=task.same_as,
        )
        left_out: list[str] = []
        profile, _ = learn_and_keep(
            store, task.person, genuine, negatives, options, on_epoch=_Rounds(tell), on_left_out=left_out.append
        )
        lines = [click.unstyle(line).strip() for line in describe_profile(profile).splitlines()]
        files = (*task.own, *task.others)
        return Answer(
            ENROLLED_WEAK if profile.is_weak else ENROLLED,
            task.person,
            for_the_page(lines[0], files),
            tuple(
                for_the_page(line, files) for line in (*lines[1:], *left_out, *(f"not used: {why}" for why in unread))
            ),
        )


def group_of(name: str) -> str:
    """Which other person a video shows: what stands before two underscores, else the file's name."""
    stem = name.rsplit(".", 1)[0]
    return stem.split("__", 1)[0].strip() or stem


def for_the_page(message: str, files: Sequence[NamedFile]) -> str:
    """A message of the command line for a reader of the page: names for paths, the page's words for options."""
    for file in files:
        message = message.replace(str(file.path), file.name)
    for words, on_the_page in _IN_THE_BROWSER.items():
        message = message.replace(words, on_the_page)
    return f"{message} ({_OF_THE_COMMAND_LINE})" if " --" in message else message


def _answer(result: Verification, task: ClipTask) -> Answer:
    ratio = result.decision.likelihood if result.decision else None
    said = "; ".join(result.reasons) if result.verdict is None else sentence(result)
    lines = [
        *([in_words(ratio.log10_lr, result.person)] if ratio else []),
        *(result.reasons if result.verdict else ()),
        *([result.track_record] if result.track_record else []),
        *result.caveats,
    ]
    files = (task.file,)
    return Answer(
        result.verdict.value if result.verdict else NOT_ANALYSED,
        result.person,
        for_the_page(said, files),
        tuple(for_the_page(line, files) for line in lines),
        task.page.is_file(),
    )


def _see(
    reader: SourceReader, files: Sequence[NamedFile], tell: Tell
) -> tuple[list[tuple[NamedFile, KeypointSequence]], list[str]]:
    """The keypoints of all that can be read, and why the rest cannot."""
    seen, unread = [], []
    for number, file in enumerate(files, 1):
        head = f"video {number} of {len(files)}, {file.name}"
        tell(Stage(head))

        def on_progress(progress: Progress, head: str = head) -> None:
            stage = _stage(progress)
            tell(Stage(f"{head}: {stage.words}", stage.share))

        for _, result in read_each(reader, [file.path], on_progress=on_progress):
            if isinstance(result, PoseAuthError):
                unread.append(f"{file.name}: {for_the_page(reason(result, file.path, file.path.name), [file])}")
            else:
                seen.append((file, result))
    return seen, unread


class _Rounds:
    """Tells of the epochs: those of the self-test's rounds, and of the last round, which learns from everything."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._round, self._last = 0, 0

    def __call__(self, epoch: Epoch) -> None:
        if self._round == 0 or epoch.number <= self._last:
            self._round += 1
        self._last = epoch.number
        words = f"learning, round {self._round}: {epoch.number} of {epoch.n_epochs} passes"
        self._tell(Stage(words, epoch.number / epoch.n_epochs))


def _stage(told: Any) -> Stage:
    """What `ClipCheck` tells, in words."""
    if told == "windows":
        return Stage("comparing the movement")
    if told == "page":
        return Stage("writing the report")
    n_done, n_expected = told.n_done, told.n_expected
    of = f" of {n_expected}" if n_expected else ""
    words = f"{told.n_decoded} frames decoded, pose found in {n_done}{of}"
    return Stage(words, min(n_done / n_expected, 1.0) if n_expected else None)


def _now_and_then(tell: Tell) -> Tell:
    """Tells frames at most ten times a second, and what has no share at once."""
    last_s = 0.0

    def told(stage: Stage) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if stage.share is None or now_s - last_s >= _TELL_EVERY_S:
            last_s = now_s
            tell(stage)

    return told
