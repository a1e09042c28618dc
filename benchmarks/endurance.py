"""Does a run of a night stay as small as it begins? Hours of drawn video, clip by clip, in one process.

Every round reads a minute of video anew (its decoder's process included) and verifies it; what the process holds is
written down after each: resident memory, open files, threads. With --stand-in a body that is always there takes the
place of BlazePose, so that three hours take minutes. Flat means that the median of the last third of the rounds is no
more than 2 % above that of the second.

    python benchmarks/endurance.py [--hours 3] [--stand-in] [--json out.json]
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import click
import numpy as np
from speed_tasks import Standing

from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.registry import Extractor, choose_extractor
from keypoint_extractors.sources import SourceReader
from person_profiles.enrolment import Negative, enrol
from person_profiles.verification import load_scorer, own_movement, verify
from poseauth.recipes import RECIPES

CLIP_S = 60.0
FLAT = 1.02


def held() -> dict[str, float]:
    """What this process holds, as Linux tells it."""
    status = Path("/proc/self/status").read_text().splitlines()
    resident_kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return {
        "resident_mb": resident_kb / 1024,
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def reader_of(*, stand_in: bool) -> SourceReader:
    if not stand_in:
        return SourceReader(lambda: choose_extractor("blazepose"))
    speech = speak(STYLES[0], duration_s=CLIP_S, seed=5)
    assert speech.whole_body is not None
    assert speech.whole_body.hands is not None
    body, hands = (array / np.float32(4) for array in (speech.keypoints, speech.whole_body.hands))
    standing = Standing(body, hands)
    return SourceReader(
        lambda: Extractor("stand-in", standing.fingerprint, Standing.picture_side, True, lambda: Standing(body, hands))
    )


@click.command(help=__doc__)
@click.option("--hours", default=3.0, show_default=True, help="Of video.")
@click.option("--stand-in", is_flag=True, help="No network.")
@click.option("--json", "out", type=click.Path(path_type=Path))
def main(hours: float, stand_in: bool, out: Path | None) -> None:
    own = [speak(STYLES[0], duration_s=30.0, seed=take) for take in range(2)]
    others = [speak(style, duration_s=30.0, seed=7) for style in STYLES[1:3]]
    negatives = [Negative(one, f"other {n}", "impostor") for n, one in enumerate(others)]
    profile = enrol("speaker", own, negatives, recipe=RECIPES["default"], allow_weak=True)
    scorer, kept, reader = load_scorer(profile), own_movement(own, profile), reader_of(stand_in=stand_in)
    rounds: list[dict[str, float]] = []
    n_windows, started = 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        clip = render_video(
            speak(STYLES[0], duration_s=CLIP_S, seed=5, width=320, height=180), Path(folder) / "clip.mp4"
        )
        for number in range(max(6, round(hours * 3600 / CLIP_S))):
            result = verify(reader.read(clip), profile, scorer, any_extractor=True, own=kept)
            n_windows += 0 if result.window_scores is None else len(result.window_scores)
            rounds.append(held())
            if number % 10 == 0:
                click.echo(
                    f"{number + 1} min: " + ", ".join(f"{value:.0f} {name}" for name, value in rounds[-1].items())
                )
    reader.close()
    third = len(rounds) // 3
    told: dict[str, object] = {
        "hours": len(rounds) * CLIP_S / 3600, "windows": n_windows, "stand_in": stand_in,
        "seconds": time.perf_counter() - started,
    }  # fmt: skip
    for name in rounds[0]:
        second, last = (statistics.median(one[name] for one in rounds[i * third : (i + 1) * third]) for i in (1, 2))
        told[name] = {"second third": second, "last third": last, "flat": last <= FLAT * second}
    click.echo(json.dumps(told, indent=2))
    if out:
        out.write_text(json.dumps({**told, "rounds": rounds}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
