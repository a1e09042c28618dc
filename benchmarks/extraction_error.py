"""How far an extractor's keypoints lie from the known ones of drawn speakers.

Each invented speaker gives a short speech, drawn as a video and extracted again. The estimator's own constant offset
of each keypoint (its median error, in pixels) is removed; what is left is given in per cent of the shoulder width.

    python benchmarks/extraction_error.py [--extractor blazepose|mediapipe|yolo] [--weights FILE] [--seconds 10]
                                          [--json out.json]
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
import numpy as np

from keypoint_extractors.drawing.figure import LOOKS
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.registry import ExtractorOptions, choose_extractor
from keypoint_extractors.sources import SourceReader
from poseauth.keypoints import KEYPOINT_NAMES, L_SHOULDER, R_SHOULDER, KeypointSequence


def errors(found: KeypointSequence, truth: KeypointSequence) -> np.ndarray:
    """Distances in shoulder widths, the median offset removed: [shape=(T, 12)], NaN where undetected."""
    nearest = np.abs(found.timestamps_s[:, None] - truth.timestamps_s[None]).argmin(axis=1)
    known = truth.keypoints[nearest]
    width = np.median(np.linalg.norm(known[:, R_SHOULDER] - known[:, L_SHOULDER], axis=-1))
    away = found.keypoints - known
    return np.linalg.norm(away - np.nanmedian(away, axis=0), axis=-1) / width


@click.command(help=__doc__)
@click.option("--extractor", default="blazepose")
@click.option("--weights")
@click.option("--seconds", default=10.0)
@click.option("--json", "out", type=click.Path(path_type=Path))
def main(extractor: str, weights: str | None, seconds: float, out: Path | None) -> None:
    reader = SourceReader(lambda: choose_extractor(extractor, ExtractorOptions(weights=weights)))
    rows = []
    click.echo(
        f"{'speaker':<12}{'found':>7}  "
        + "".join(f"{name.replace('right', 'R').replace('left', 'L'):>12}" for name in KEYPOINT_NAMES)
    )
    with tempfile.TemporaryDirectory() as folder:
        for number, style in enumerate(STYLES):
            truth = speak(style, duration_s=seconds, seed=100 + number)
            clip = render_video(truth, Path(folder) / f"{style.name}.mp4", look=LOOKS[number % len(LOOKS)])
            found = reader.read(clip)
            medians = 100 * np.nanmedian(errors(found, truth), axis=0)
            share = float(found.seen.any(axis=1).mean())
            rows.append(
                {"speaker": style.name, "found": share, **dict(zip(KEYPOINT_NAMES, medians.tolist(), strict=True))}
            )
            click.echo(f"{style.name:<12}{share:>7.0%}  " + "".join(f"{value:>11.1f}%" for value in medians))
    if out:
        out.write_text(json.dumps({"extractor": reader.extractor.fingerprint.as_dict(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
