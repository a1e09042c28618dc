"""Rendered clips of a speaker: real ones, the same movement under another face, another's under the same looks."""

from __future__ import annotations

from dataclasses import replace

from keypoint_extractors.drawing.figure import LOOKS
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, puppet, speak
from poseauth.keypoint_files import write_keypoints

OWN, OTHER = STYLES[0], STYLES[2]
LOOK = LOOKS[0]
SWAPPED = replace(LOOK, skin=LOOKS[4].skin, hair=LOOKS[4].hair)
COLUMNS = ("path", "label", "group", "attack", "keypoints")


def draw_study(folder, n_groups, *, seconds=10.2, fps=1.5, width=160, height=90):
    """A table of clips: in each group a real one, a face swap over it, and a puppet.

    The videos have few pictures, and their keypoints come at 30 a second beside them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = {"width": width, "height": height}
    rows = []
    for group in range(n_groups):
        real = speak(OWN, duration_s=seconds, seed=group, **size)
        driver = speak(OTHER, duration_s=seconds, seed=500 + group, **size)
        moved = puppet(driver, OWN, driver_body=OTHER.proportions)
        for name, sequence, look, label, attack in (
            ("real", real, LOOK, "real", ""),
            ("swap", real, SWAPPED, "fake", "face-swap"),
            ("puppet", moved, LOOK, "fake", "puppet"),
        ):
            render_video(sequence, folder / f"{name}{group}.mp4", look=look, fps=fps)
            write_keypoints(sequence, folder / f"{name}{group}.npz")
            rows.append((f"{name}{group}.mp4", label, f"speech {group}", attack, f"{name}{group}.npz"))
    return write_table(folder / "clips.csv", rows)


def write_table(path, rows, columns=COLUMNS):
    path.write_text("\n".join(",".join(row) for row in (columns, *rows)) + "\n", encoding="utf-8")
    return path
