"""How often is something in a clip of real people told as unusual? Plain comparisons of own clips and other people's.

A person's movement from the protocol's enrolled recordings stands for the profile; each is also tried itself, the
others standing for it. The chance at which a figure counts as unusual (`poseauth.comparison.CHANCE`) was chosen on 103
and 203; 108 and 208 are the test. The data are described in ../shared/data/README.md.

    python benchmarks/plain_comparisons.py [--chances 0.1,0.05,0.02,0.01,0.005]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import click
from verification import PROTOCOLS, Recordings, read_protocol

from poseauth import comparison
from poseauth.arrays import Float64Array
from poseauth.evidence import some_of, weigh_evidence
from poseauth.plain_measures import measure
from poseauth.windows import Windows, cut_windows

CHOSEN_ON, TESTED_ON = ("103", "203"), ("108", "208")
Row = tuple[str, Windows, list[Windows]]
"""What a clip is, its windows, and the windows of the person's own videos."""


class Measured:
    """`measure`, once for each set of windows: a recording's numbers do not depend on what it is held against."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Windows, Float64Array]] = {}

    def __call__(self, windows: Windows) -> Float64Array:
        """The numbers, [shape=(N, 19)]."""
        if id(windows) not in self._known:
            self._known[id(windows)] = windows, measure(windows)
        return self._known[id(windows)][1]


def rows_of(protocol: str, people: Sequence[str], recordings: Recordings) -> list[Row]:
    """Every clip of a protocol with what it is held against."""
    enrolments, trials = read_protocol(PROTOCOLS / protocol, recordings, quick=False)
    own = defaultdict(list)
    for one in enrolments:
        if one.person in people:
            own[one.person].append(cut_windows(one.sequence))
    rows = [
        ("left out of the enrolled sessions", _evident(left_out), [one for one in videos if one is not left_out])
        for videos in own.values()
        for left_out in videos
    ]
    for trial in trials:
        if trial.claimed in people:
            kind = "own, another session" if trial.label == "genuine" else "somebody else's"
            rows.append((kind, _evident(cut_windows(trial.sequence)), own[trial.claimed]))
    return [row for row in rows if len(row[1])]


def _evident(windows: Windows) -> Windows:
    return some_of(windows, weigh_evidence(windows).counts)


@click.command(help=__doc__)
@click.option("--chances", default=str(comparison.CHANCE), show_default=True, help="To be tried, comma-separated.")
def main(chances: str) -> None:
    recordings = Recordings(rendered=False)
    comparison.measure = Measured()
    for protocol in ("B", "A", "C"):
        for people in (CHOSEN_ON, TESTED_ON):
            rows = rows_of(protocol, people, recordings)
            for chance in map(float, chances.split(",")):
                comparison.CHANCE = chance
                _show(protocol, people, chance, rows)


def _show(protocol: str, people: Sequence[str], chance: float, rows: Sequence[Row]) -> None:
    found: dict[str, list[int]] = defaultdict(list)
    of: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, clip, own in rows:
        unusual = comparison.compare(clip, own).unusual
        found[kind].append(len(unusual))
        of[kind].update(f"{one.measure.kind.name} {'/'.join(one.measure.parts)}" for one in unusual)
    for kind, numbers in found.items():
        none = sum(number == 0 for number in numbers)
        click.echo(
            f"{protocol} {'+'.join(people)} chance {chance:g}, {kind}: {len(numbers)} clips, "
            f"{sum(numbers) / len(numbers):.2f} unusual a clip, none in {none} ({100 * none / len(numbers):.0f} %); "
            f"most often {', '.join(f'{name} {n}' for name, n in of[kind].most_common(4))}"
        )


if __name__ == "__main__":
    main()
