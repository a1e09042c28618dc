"""Is anybody enrolled on somebody else's footage? Real people under wrong names, and two people under one.

Each line is one enrolment and what its self-test made of it. "copied": all videos are of one other person, who is among
the others with another session. "mixed": half of the videos are of one person, half of another, and neither is among
the others. The recordings are those of protocol B, described in ../shared/data/README.md.

    python benchmarks/false_enrolment.py [--quick] [--kind copied --kind mixed]
"""

from __future__ import annotations

import csv
import time
from itertools import combinations
from pathlib import Path

import click

from person_profiles.enrolment import Negative, enrol
from poseauth.errors import WeakProfileError
from poseauth.keypoint_files import read_keypoints
from poseauth.keypoints import KeypointSequence

TABLE = Path(__file__).resolve().parents[1] / "../shared/data/protocols/B/enrol.csv"
QUICK_EVERY = 3
"""With --quick, one recording of so many."""
_Sessions = dict[str, dict[str, list[KeypointSequence]]]


def read_sessions(*, quick: bool) -> _Sessions:
    """Person, then session, then recordings."""
    found: _Sessions = {}
    with TABLE.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            sequence = read_keypoints((TABLE.parent / row["path"]).resolve())
            found.setdefault(row["person"], {}).setdefault(row["session"], []).append(sequence)
    step = QUICK_EVERY if quick else 1
    return {who: {name: some[::step] for name, some in sessions.items()} for who, sessions in found.items()}


def copied(people: _Sessions) -> list[tuple[str, list[KeypointSequence], list[Negative]]]:
    """One person's footage under another name; the person is among the others, filmed on the same day."""
    cases = []
    for who, sessions in people.items():
        first, *rest = sessions
        own = sessions[first]
        others = [Negative(one, who, "enrolled") for name in rest for one in sessions[name]]
        others += [
            Negative(one, other, "impostor")
            for other in people
            if other != who
            for session in people[other].values()
            for one in session
        ]
        cases.append((f"copied: {who} under another name", own, others))
    return cases


def mixed(people: _Sessions) -> list[tuple[str, list[KeypointSequence], list[Negative]]]:
    """Two people's footage under one name, against the rest."""
    cases = []
    for one, another in combinations(people, 2):
        sessions = [next(iter(people[who].values())) for who in (one, another)]
        others = [
            Negative(sequence, who, "impostor")
            for who in people
            if who not in (one, another)
            for session in people[who].values()
            for sequence in session
        ]
        cases.append((f"mixed: {one} and {another} as one", [*sessions[0], *sessions[1]], others))
    return cases


@click.command(help=__doc__)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(["copied", "mixed"]), default=["copied", "mixed"])
@click.option("--quick", is_flag=True, help="A third of the recordings.")
def main(kinds: tuple[str, ...], quick: bool) -> None:
    if not TABLE.is_file():
        raise click.UsageError(f"{TABLE} is not here; the data are described in ../shared/data/README.md")
    people = read_sessions(quick=quick)
    cases = [case for kind in kinds for case in {"copied": copied, "mixed": mixed}[kind](people)]
    n_refused = 0
    for name, own, others in cases:
        started = time.perf_counter()
        try:
            test = enrol("somebody", own, others).self_test
            told = f"ENROLLED, AUC {test.auc.value:.2f}" if test else "ENROLLED"
        except WeakProfileError as error:
            told, n_refused = f"refused: {error}", n_refused + 1
        click.echo(f"{name} ({time.perf_counter() - started:.0f} s): {told}")
    click.echo(f"{n_refused} of {len(cases)} refused")


if __name__ == "__main__":
    main()
