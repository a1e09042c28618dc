"""Is anybody enrolled on somebody else's footage? Real people under wrong names, and two people under one.

Each line is one enrolment and what was made of it. "copied": everybody is enrolled, and later recordings of one of them
come under another name. "mixed": half of the videos are of one person, half of another, nobody is enrolled, and neither
is among the others. "new": everybody but one is enrolled, learnt without that one, whose videos are then held against
the profiles (no self-test): who is taken for an enrolled person here would be refused wrongly. The recordings are those
of protocol B, described in ../shared/data/README.md: enrolled are sessions R1 and R2, later ones are R3 and R4.

    python benchmarks/false_enrolment.py [--quick] [--kind copied --kind mixed --kind new] [--hidden 128]
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import click

from person_profiles.already_enrolled import HeldAgainst, hold_videos_against
from person_profiles.enrolment import Negative, enrol
from person_profiles.profile import Profile
from poseauth.errors import WeakProfileError
from poseauth.keypoint_files import read_keypoints
from poseauth.keypoints import KeypointSequence
from poseauth.recipes import RECIPES, Recipe

PROTOCOL = Path(__file__).resolve().parents[1] / "../shared/data/protocols/B"
QUICK_EVERY = 3
"""With --quick, one recording of so many."""
_Sessions = dict[str, dict[str, list[KeypointSequence]]]


def read_sessions(*, quick: bool) -> _Sessions:
    """Person, then session, then recordings: those to enrol and the person's own trials."""
    paths: dict[str, dict[str, dict[Path, None]]] = {}
    for table in ("enrol.csv", "trials.csv"):
        with (PROTOCOL / table).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row.get("label", "genuine") == "genuine":
                    sessions = paths.setdefault(row["person"], {})
                    sessions.setdefault(row["session"], {})[(PROTOCOL / row["path"]).resolve()] = None
    step = QUICK_EVERY if quick else 1
    return {
        who: {name: [read_keypoints(path) for path in list(some)[::step]] for name, some in sessions.items()}
        for who, sessions in paths.items()
    }


def learnt_from(sessions: dict[str, list[KeypointSequence]]) -> list[KeypointSequence]:
    """The recordings by which a person is enrolled."""
    return [*sessions["R1"], *sessions["R2"]]


def later(sessions: dict[str, list[KeypointSequence]]) -> list[KeypointSequence]:
    """The person's recordings that nobody learns from."""
    return [*sessions["R3"], *sessions["R4"]]


def others_of(people: _Sessions, *but: str, role: str = "enrolled") -> list[Negative]:
    """Everybody's enrolled recordings but those people's."""
    return [
        Negative(one, f"{role}: {who}", "enrolled" if role == "enrolled" else "impostor")
        for who, sessions in people.items()
        if who not in but
        for one in learnt_from(sessions)
    ]


def profiles_of(people: _Sessions, recipe: Recipe, *, without: str | None = None) -> list[Profile]:
    """Everybody enrolled against everybody else, or all of that `without` one person."""
    return [
        enrol(who, learnt_from(sessions), others_of(people, who, without or who), recipe=recipe, allow_weak=True)
        for who, sessions in people.items()
        if who != without
    ]


def held_in_words(found: Sequence[HeldAgainst]) -> str:
    """How many videos are like each of those enrolled, of those judged, and how many of them clearly."""
    return ", ".join(f"{one.person} {one.n_like} of {one.n_judged}, clearly {one.n_for}" for one in found)


def outcome(
    own: Sequence[KeypointSequence], others: Sequence[Negative], enrolled: Sequence[Profile], recipe: Recipe
) -> str:
    """What becomes of an enrolment, in words."""
    try:
        test = enrol("somebody", own, others, enrolled=enrolled, recipe=recipe).self_test
    except WeakProfileError as error:
        return f"refused: {error}"
    return f"ENROLLED, AUC {test.auc.value:.2f}" if test else "ENROLLED"


def copied(people: _Sessions, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """A later session of somebody enrolled under another name: how many are like whom, and the outcome."""
    profiles = profiles_of(people, recipe)
    for who, sessions in people.items():
        own = later(sessions)
        held = held_in_words([hold_videos_against(own, profile) for profile in profiles])
        yield f"copied: {who} under another name ({held})", outcome(own, others_of(people), profiles, recipe)


def mixed(people: _Sessions, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Two people's footage under one name, against the rest."""
    for one, another in combinations(people, 2):
        own = [*people[one]["R1"], *people[another]["R1"]]
        others = others_of(people, one, another, role="impostor")
        yield f"mixed: {one} and {another} as one", outcome(own, others, (), recipe)


def new(people: _Sessions, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Somebody whom no profile knows, held against all of them."""
    for who, sessions in people.items():
        profiles = profiles_of(people, recipe, without=who)
        for name, own in (("R1 and R2", learnt_from(sessions)), ("R3 and R4", later(sessions))):
            held = [hold_videos_against(own, profile) for profile in profiles]
            taken = [one.person for one in held if one.seems_the_same]
            told = f"refused as {' and '.join(taken)}" if taken else "nobody enrolled"
            yield f"new: {who}, {name} ({held_in_words(held)})", told


KINDS: dict[str, Callable[[_Sessions, Recipe], Iterator[tuple[str, str]]]] = {
    "copied": copied,
    "mixed": mixed,
    "new": new,
}


@click.command(help=__doc__)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), default=list(KINDS))
@click.option("--hidden", type=int, help="Size of the network, for less time than the default recipe's takes.")
@click.option("--quick", is_flag=True, help="A third of the recordings.")
def main(kinds: tuple[str, ...], hidden: int | None, quick: bool) -> None:
    if not PROTOCOL.is_dir():
        raise click.UsageError(f"{PROTOCOL} is not here; the data are described in ../shared/data/README.md")
    recipe = RECIPES["default"]
    if hidden:
        recipe = replace(recipe, architecture=replace(recipe.architecture, hidden=hidden))
    people = read_sessions(quick=quick)
    for kind in kinds:
        n_refused = n_cases = 0
        started = time.perf_counter()
        for name, told in KINDS[kind](people, recipe):
            click.echo(f"{name} ({time.perf_counter() - started:.0f} s): {told}")
            n_cases, n_refused = n_cases + 1, n_refused + told.startswith("refused")
            started = time.perf_counter()
        click.echo(f"{kind}: {n_refused} of {n_cases} refused")


if __name__ == "__main__":
    main()
