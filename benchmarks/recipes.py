"""The default recipe against the method's own, on invented speakers: accuracy on unseen speeches, and time.

One speaker after another is enrolled from a few speeches against two others; what is told apart afterwards are unseen
speeches of the same speaker, of the two others, and of the three speakers whom nobody has met.

    python benchmarks/recipes.py [--recipe default --recipe paper] [--speakers 2] [--speeches 3] [--seconds 40]
                                 [--json out.json]
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from keypoint_extractors.drawing.speakers import STYLES, speak
from person_profiles.enrolment import Negative, enrol
from person_profiles.verification import load_scorer, score_clip
from poseauth.recipes import RECIPES

TEST_S = 20.0


def accuracies(number: int, recipe: str, *, n_speeches: int, seconds_each: float) -> dict[str, float]:
    """Shares of windows told right, and of clips by the vote, after enrolling one speaker."""
    order = [STYLES[(number + i) % len(STYLES)] for i in range(len(STYLES))]
    seeds = iter(range(1000 * number, 1000 * (number + 1)))
    own = [speak(order[0], duration_s=seconds_each, seed=next(seeds)) for _ in range(n_speeches)]
    others = [
        Negative(speak(style, duration_s=seconds_each, seed=next(seeds)), style.name, "impostor")
        for style in order[1:3]
        for _ in range(max(1, n_speeches - 1))
    ]
    started = time.perf_counter()
    profile = enrol(order[0].name, own, others, recipe=RECIPES[recipe], allow_weak=True)
    seconds = time.perf_counter() - started
    scorer = load_scorer(profile)
    windows_right, clips_right = [], []
    for style in order:
        votes = score_clip(speak(style, duration_s=TEST_S, seed=next(seeds)), profile, scorer).votes
        right = (votes > 0.5) == (style is order[0])
        windows_right.append(float(right.mean()))
        clips_right.append(float(right.mean() > 0.5))
    return {
        "seconds": seconds,
        "windows, same speaker": windows_right[0],
        "windows, others in training": sum(windows_right[1:3]) / 2,
        "windows, strangers": sum(windows_right[3:]) / len(windows_right[3:]),
        "clips": sum(clips_right) / len(clips_right),
    }


@click.command(help=__doc__)
@click.option("--recipe", "recipes", multiple=True, default=["default", "paper"])
@click.option("--speakers", default=2)
@click.option("--speeches", default=3, help="To enrol from; of each of the two others one less.")
@click.option("--seconds", default=40.0, help="Of each speech.")
@click.option("--json", "out", type=click.Path(path_type=Path))
def main(recipes: tuple[str, ...], speakers: int, speeches: int, seconds: float, out: Path | None) -> None:
    rows = []
    for recipe in recipes:
        for number in range(speakers):
            row = accuracies(number, recipe, n_speeches=speeches, seconds_each=seconds)
            rows.append({"recipe": recipe, "speaker": STYLES[number].name, **row})
            told = ", ".join(f"{name} {value:.0%}" for name, value in row.items() if name != "seconds")
            click.echo(f"{recipe:<8} {STYLES[number].name:<10} {row['seconds']:6.0f} s  {told}")
    if out:
        out.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
