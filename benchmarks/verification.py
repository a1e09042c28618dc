"""Who moves? The protocols A, B and C on real people, open and closed set, for the profile and the plain baselines.

Each line gives AUC, EER, Cllr (by the profile's own calibration; of the baselines, by one fitted on other people's
trials) and Cllr_min of clips with their 95 % intervals by recording; "matched" are the impostors filmed on the same day
in the same room; "judged" is the share of clips that have a likelihood ratio at all, and the Cllr beside it is theirs.
The data are described in ../shared/data/README.md.

    python benchmarks/verification.py [--scorers profile,position,...] [--protocols A,B,C] [--quick] [--rendered]
                                       [--json FILE]
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from keypoint_extractors.drawing.rendering import LOOKS, render_video
from keypoint_extractors.registry import choose_extractor
from keypoint_extractors.sources import SourceReader
from person_profiles.error_rates import Figures, ScoredRows, clip_rows, figures_of, window_rows
from person_profiles.scorers import BaselineScorer, ProfileScorer, Scorer
from person_profiles.trials import Enrolment, Trial, TrialScore, run_trials, with_known_people
from poseauth.baselines import BASELINES
from poseauth.keypoint_files import read_keypoints
from poseauth.keypoints import KeypointSequence, WholeBody
from poseauth.metrics import Estimate
from poseauth.models import choose_device
from poseauth.recipes import RECIPES

PROTOCOLS = Path(__file__).resolve().parents[1] / "../shared/data/protocols"
MATCHED = "same-pair"
RECORDED_WIDTH, DRAWN_SIZE = 1920, (1280, 720)
"""Pixels; the recordings were 1920 x 1080."""
WHOLE = "balance_whole"
"""The folder of hands and bodies beside that of the twelve keypoints."""
MISSING = -32768
QUICK_EVERY = 3
"""With --quick, one recording of so many of each person and session."""


class Recordings:
    """The recordings of the protocols, each read once; on request drawn and seen again.

    Drawn, all people have one and the same look, and the keypoints come from the pictures: what told people apart by
    how an estimator sees their clothes, hair or light is gone, and movement, posture and proportions are left.
    Nothing is kept on disk: a video is gone once it was seen.
    """

    def __init__(self, *, rendered: bool) -> None:
        self._read: dict[Path, KeypointSequence] = {}
        self._reader = _drawn_reader() if rendered else None

    def __call__(self, path: Path) -> KeypointSequence:
        """The keypoints of a recording."""
        if path not in self._read:
            sequence = with_whole_body(read_keypoints(path), path.parents[1] / WHOLE / path.name)
            self._read[path] = self._seen_again(sequence) if self._reader else sequence
        return self._read[path]

    def _seen_again(self, sequence: KeypointSequence) -> KeypointSequence:
        assert self._reader is not None
        smaller = replace(
            sequence,
            keypoints=(sequence.keypoints * (DRAWN_SIZE[0] / RECORDED_WIDTH)).astype("float32"),
            provenance=replace(sequence.provenance, frame_width=DRAWN_SIZE[0], frame_height=DRAWN_SIZE[1]),
        )
        with tempfile.TemporaryDirectory() as folder:
            video = render_video(smaller, Path(folder) / f"{sequence.provenance.source_name}.mp4", look=LOOKS[0])
            return self._reader.read(video)


def _drawn_reader() -> SourceReader:
    return SourceReader(lambda: choose_extractor("blazepose"), None, 30.0)


def with_whole_body(sequence: KeypointSequence, path: Path) -> KeypointSequence:
    """The sequence with the hands and the body that the same tracker gave, in eighths of a pixel; alone where not."""
    if not path.is_file():
        return sequence
    with np.load(path, allow_pickle=False) as kept:
        points = {name: kept[name].astype(np.float32) / 8 for name in ("body", "hands")}
        points["hands"][kept["hands"] == MISSING] = np.nan
        visibility = kept["visibility"].astype(np.float32) / 255
    seen = np.isfinite(points["hands"]).all(axis=(2, 3)).astype(np.float32)
    return replace(sequence, whole_body=WholeBody(points["hands"], seen, points["body"], visibility))


def read_protocol(folder: Path, recordings: Recordings, *, quick: bool) -> tuple[list[Enrolment], list[Trial]]:
    """Both tables of a protocol with their recordings."""

    def clip(row: dict[str, str]) -> KeypointSequence:
        return recordings((folder / row["path"]).resolve())

    enrolments = [Enrolment(row["person"], row["session"], clip(row)) for row in _rows(folder / "enrol.csv", quick)]
    trials = [
        Trial(
            claimed=row["person"],
            sequence=clip(row),
            label=row["label"],
            actual=row["person"] if row["label"] == "genuine" else None,
            attack=row["attack"] or None,
            session=row["session"],
        )
        for row in _rows(folder / "trials.csv", quick)
    ]
    return enrolments, with_known_people(trials)


def _rows(table: Path, quick: bool) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if quick:
        clips = sorted({row["path"] for row in rows})
        kept = set(clips[::QUICK_EVERY])
        rows = [row for row in rows if row["path"] in kept]
    return rows


def run_together(
    protocols: Mapping[str, Sequence[Trial]], enrolments: Sequence[Enrolment], make_scorer: Callable[[int], Scorer], *,
    closed: bool, seed: int,
) -> tuple[dict[str, list[TrialScore]], float]:  # fmt: skip
    """The results of protocols that enrol from the same recordings: everybody is learnt once for all of them."""
    started = time.perf_counter()
    trials = [trial for some in protocols.values() for trial in some]
    results = run_trials(enrolments, trials, closed=closed, make_scorer=make_scorer, seed=seed)
    belongs = [name for name, some in protocols.items() for _ in some]
    by_protocol = {name: [one for one in results if belongs[one.number] == name] for name in protocols}
    return by_protocol, time.perf_counter() - started


def summed_up(results: Sequence[TrialScore], *, seed: int, n_resamples: int) -> dict[str, Any]:
    """Figures of one scorer on one protocol, over all impostors and the matched ones."""
    clips, windows = clip_rows(results), window_rows(results)

    def figures(rows: ScoredRows, attack: str | None = None) -> Figures:
        return figures_of(rows, attack=attack, seed=seed, n_resamples=n_resamples)

    return {
        "clips": figures(clips),
        "windows": figures(windows),
        "matched_clips": figures(clips, MATCHED),
        "matched_windows": figures(windows, MATCHED),
        "calibration": clips.calibration,
        "not_analysed": sum(result.scored is None for result in results),
        "n_recordings": len(set(clips.recordings)),
        "trials": [
            {
                "clip": result.trial.sequence.provenance.source_name,
                "claimed": result.trial.claimed,
                "actual": result.trial.actual,
                "left_out": list(result.left_out),
                "attack": result.trial.attack,
                "score": result.scored and result.scored.score,
                "log10_lr": result.scored.log10_lr if result.scored and result.scored.judged else None,
            }
            for result in results
        ],
    }


def sharing_enrolments(protocols: Sequence[str]) -> list[list[str]]:
    """The protocols, those together that enrol from one and the same table.

    Raises
    ------
    click.UsageError
        If one of them is not there.
    """
    groups: dict[bytes, list[str]] = {}
    for protocol in protocols:
        table = PROTOCOLS / protocol / "enrol.csv"
        if not table.is_file():
            raise click.UsageError(f"{table} is not here; the data are described in ../shared/data/README.md")
        groups.setdefault(table.read_bytes(), []).append(protocol)
    return list(groups.values())


def scorer_of(name: str, recipe: str, device: str) -> Callable[[int], Scorer]:
    if name == "profile":
        return lambda seed: ProfileScorer(RECIPES[recipe], seed, device)
    return lambda seed: BaselineScorer(name)


def told(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


@click.command(help=__doc__)
@click.option("--scorers", default=f"profile,{','.join(BASELINES)}", show_default=True)
@click.option("--protocols", default="A,B,C", show_default=True)
@click.option(
    "--set", "sets", multiple=True, type=click.Choice(["open", "closed"]), default=("open", "closed"), show_default=True
)
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="default", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--resamples", default=1000, show_default=True)
@click.option("--quick", is_flag=True, help="A third of the recordings: shows that it runs, not how good it is.")
@click.option("--rendered", is_flag=True, help="Draw every recording with one look and find the keypoints again.")
@click.option("--json", "out", type=click.Path(path_type=Path))
def main(
    scorers: str, protocols: str, sets: tuple[str, ...], recipe: str, seed: int, device: str, resamples: int,
    quick: bool, rendered: bool, out: Path | None,
) -> None:  # fmt: skip
    names = [name.strip() for name in scorers.split(",")]
    unknown = [name for name in names if name != "profile" and name not in BASELINES]
    if unknown:
        raise click.UsageError(f"no scorer is called {', '.join(unknown)}; profile, {', '.join(BASELINES)} are")
    device = str(choose_device(device))
    columns = ("clip AUC", "clip EER", "matched AUC", "Cllr", "Cllr_min", "judged", "Cllr judged", "Cllr_min judged")
    click.echo(f"{'':<3}{'scorer':<17}{'set':<8}" + "".join(f"{column:<22}" for column in columns))
    rows, recordings = [], Recordings(rendered=rendered)
    for some in sharing_enrolments([protocol.strip() for protocol in protocols.split(",")]):
        read = {protocol: read_protocol(PROTOCOLS / protocol, recordings, quick=quick) for protocol in some}
        enrolments = read[some[0]][0]
        for name in names:
            for side in sets:
                found, seconds = run_together(
                    {protocol: trials for protocol, (_, trials) in read.items()}, enrolments,
                    scorer_of(name, recipe, device), closed=side == "closed", seed=seed,
                )  # fmt: skip
                for protocol, results in found.items():
                    told_of = summed_up(results, seed=seed, n_resamples=resamples)
                    clips: Figures = told_of["clips"]
                    shown = (
                        *(clips.auc, clips.eer, told_of["matched_clips"].auc, clips.cllr, clips.cllr_min),
                        *(clips.judged, clips.cllr_judged, clips.cllr_min_judged),
                    )
                    click.echo(f"{protocol:<3}{name:<17}{side:<8}" + "".join(f"{told(one):<22}" for one in shown))
                    plain = {key: one.as_dict() if isinstance(one, Figures) else one for key, one in told_of.items()}
                    rows.append({"protocol": protocol, "scorer": name, "set": side, **plain, "seconds": seconds})
    if out:
        about = {"recipe": recipe, "seed": seed, "resamples": resamples, "quick": quick, "rendered": rendered}
        out.write_text(json.dumps({**about, "rows": rows}, indent=2, allow_nan=False))


if __name__ == "__main__":
    main()
