"""The steps of an enrolment that do not depend on where its videos come from: a terminal or a browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poseauth.errors import ProfileError, ProfileExistsError
from poseauth.keypoints import KeypointSequence
from poseauth.recipes import Recipe
from poseauth.shown_text import counted, readable
from poseauth.windows import Points

if TYPE_CHECKING:
    from person_profiles.enrolment import Negative
    from person_profiles.profile import Profile
    from person_profiles.store import ProfileStore
    from poseauth.training import Epoch


@dataclass(frozen=True)
class LearningOptions:
    """How a person is learnt.

    Attributes
    ----------
    recipe : Recipe
        Architecture and training.
    seed : int
        Two enrolments with one seed agree.
    device : str
        Where to compute; "auto" for the best there is.
    allow_weak : bool
        Whether a profile that did not pass its self-test is kept.
    overwrite : bool
        Whether an older profile of that name gives way.
    with_enrolled : bool
        Whether people enrolled before count as others.
    same_as : sequence of str
        Enrolled names that are the same person: they are no others, and the videos may be like theirs.
    points : "twelve", "whole" or None
        What is learnt of a body; None: the whole where all videos have hands.
    """

    recipe: Recipe
    seed: int = 0
    device: str = "auto"
    allow_weak: bool = False
    overwrite: bool = False
    with_enrolled: bool = True
    same_as: Sequence[str] = ()
    points: Points | None = None


def check_name(store: ProfileStore, person: str, *, overwrite: bool = False) -> None:
    """Find out before anything is read whether a profile of that name could be kept.

    Raises
    ------
    ProfileExistsError
        If somebody of that name, or of one that differs in case or spaces alone, is enrolled.
    StorageError
        If the store cannot be written.
    """
    twin = store.written_otherwise(person)
    if twin:
        raise ProfileExistsError(
            f"{twin} is enrolled under {store.home}, and {person} reads like the same person. Use that name, or remove "
            f"them first: poseauth profiles remove {twin!r}"
        )
    store.check_writable()
    if person in store and not overwrite:
        raise ProfileExistsError(
            f"{person} is enrolled already under {store.home}. Add --overwrite to learn them anew, or remove them "
            f"first: poseauth profiles remove {person!r}"
        )


def check_same(store: ProfileStore, same_as: Sequence[str]) -> None:
    """Find out before anything is read whether the names given for the same person are enrolled.

    Raises
    ------
    UnknownPersonError
        If one is not; names the nearest.
    """
    for name in same_as:
        store.folder_of(name)


def learn_and_keep(
    store: ProfileStore,
    person: str,
    genuine: Sequence[KeypointSequence],
    negatives: Sequence[Negative],
    options: LearningOptions,
    *,
    on_epoch: Callable[[Epoch], None],
    on_left_out: Callable[[str], None],
) -> tuple[Profile, Path]:
    """Learn a person, with the self-test first, and keep the profile; gives it and its folder.

    Parameters
    ----------
    store : ProfileStore
        Where it is kept.
    person : str
        The name.
    genuine : sequence of KeypointSequence
        Their videos, at least one.
    negatives : sequence of Negative
        Videos of others.
    options : LearningOptions
        How.
    on_epoch : callable
        Told of every epoch as it ends.
    on_left_out : callable
        Told in a line what of a video is not learnt from, and why.

    Raises
    ------
    EnrolmentError
        As `person_profiles.enrolment.enrol`.
    ProfileError, StorageError
        If it cannot be kept.
    """
    from person_profiles.enrolment import enrol
    from poseauth.models import choose_device

    device = str(choose_device(options.device))
    enrolled = enrolled_before(store, [person, *options.same_as], genuine[0])
    others = [*negatives, *(movement_of(store, enrolled) if options.with_enrolled else ())]
    click.echo(f"learning from {counted(len(genuine), 'video')} of {person} against {len(others)} of others", err=True)
    profile = enrol(
        person,
        genuine,
        others,
        enrolled=(store.load(name) for name in enrolled),  # one at a time: weights of all would be gigabytes
        recipe=options.recipe,
        points=options.points,
        seed=options.seed,
        device=device,
        allow_weak=options.allow_weak,
        on_epoch=on_epoch,
        on_left_out=on_left_out,
    )
    return profile, store.save(profile, genuine, overwrite=options.overwrite)


def enrolled_before(store: ProfileStore, but: Sequence[str], sample: KeypointSequence) -> list[str]:
    """Everybody enrolled `but` those whose keypoints come from the sample's extractor; who is left out is told."""
    from person_profiles.store import folder_name

    same, found = {folder_name(name) for name in but}, []
    for entry in store.entries():
        if entry.profile is None:
            click.secho(readable(f"left out: {entry.problem}"), fg="yellow", err=True)
        elif folder_name(entry.profile.name) in same:
            continue
        elif entry.profile.extractor != sample.provenance.extractor:
            click.echo(f"left out: {entry.profile.name}, whose keypoints come from another extractor", err=True)
        else:
            found.append(entry.profile.name)
    return found


def movement_of(store: ProfileStore, enrolled: Sequence[str]) -> list[Negative]:
    """The videos that these people were learnt from, as others."""
    from person_profiles.enrolment import ENROLLED_GROUP, Negative

    found: list[Negative] = []
    for name in enrolled:
        try:
            movement = store.load_movement(name)
        except ProfileError as error:
            click.secho(readable(f"left out: {error}"), fg="yellow", err=True)
            continue
        found += [Negative(sequence, f"{ENROLLED_GROUP}{name}", "enrolled") for sequence in movement]
    return found
