"""The rows of a study brought together: mean and standard deviation over repeats, and the fusion of pairs of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poseauth.study.clips import StudyClip
from poseauth.study.fusion import ClipScore, Fused, fuse
from poseauth.study.measures import NAMES, Measures, mean_and_deviation
from poseauth.study.splitting import SIDES, TEST

Row = Mapping[str, Any]

COSTS = (
    "training_s", "best_loss_epoch", "best_accuracy_epoch", "n_parameters", "weights_bytes", "inference_ms_a_clip"
)  # fmt: skip
"""Figures of a row that are of no side."""
EXAMPLE_FIGURES = ("example_loss", "example_accuracy")
FUSED = ("pose", "appearance", "fusion")


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """An entry for each preset and length, in the order of the rows.

    Parameters
    ----------
    rows : sequence of mapping
        As `RowWork` gives them.

    Returns
    -------
    list of dict
        `n_done` of `n_repeats`, the mean and `_sd` of every figure over the repeats that are done (`_sd` None with
        fewer than two), and why others are not.
    """
    together: dict[tuple[str, int | None], list[Row]] = {}
    for row in rows:
        together.setdefault((row["preset"], row["length"]), []).append(row)
    return [_entry(some) for some in together.values()]


def _entry(rows: Sequence[Row]) -> dict[str, Any]:
    done = [row for row in rows if row["status"] == "done"]
    first = rows[0]
    told: dict[str, Any] = {
        **{name: first[name] for name in ("preset", "family", "title", "source", "length")},
        "n_repeats": len(rows),
        "n_done": len(done),
        "problems": [
            {"repeat": row["repeat"], "status": row["status"], "reason": row["reason"]}
            for row in rows
            if row["status"] != "done"
        ],
    }
    for side in SIDES:
        told[side] = _means([row["sides"][side] for row in done], (*NAMES, *EXAMPLE_FIGURES))
    told.update(_means(done, COSTS))
    return told


def _means(entries: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, float | None]:
    told: dict[str, float | None] = {}
    for name in names:
        told[name], told[f"{name}_sd"] = mean_and_deviation([entry[name] for entry in entries])
    return told


def fusion_partner(rows: Sequence[Row], wanted: str) -> tuple[str, int | None] | None:
    """The pose rows that appearance rows are fused with: those of `wanted`, of the longest windows.

    Returns
    -------
    tuple of str and int or None, or None
        Preset and length; None where no row of such a preset is done.
    """
    found = {
        (row["preset"], row["length"])
        for row in rows
        if row["preset"] == wanted and row["family"] == "pose" and row["status"] == "done"
    }
    return max(found, key=lambda one: one[1] or 0, default=None)


def fuse_rows(rows: Sequence[Row], clips: Sequence[StudyClip], partner: tuple[str, int | None]) -> list[dict[str, Any]]:
    """Every appearance row with the pose row of the same repeat: an entry a preset and length.

    Parameters
    ----------
    rows : sequence of mapping
        As `RowWork` gives them.
    clips : sequence of StudyClip
        Those of the study.
    partner : tuple of str and int or None
        From `fusion_partner`.

    Returns
    -------
    list of dict
        With the mean and `_sd` of every figure over repeats, for pose, appearance and both, over all test clips and by
        attack; or the `reason` why there is no fusion.
    """
    pose = {row["repeat"]: row for row in rows if (row["preset"], row["length"]) == partner and row["status"] == "done"}
    together: dict[tuple[str, int | None], list[Fused]] = {}
    for row in rows:
        if row["family"] == "appearance" and row["status"] == "done" and row["repeat"] in pose:
            fused = fuse(scores_of(pose[row["repeat"]], clips), scores_of(row, clips))
            together.setdefault((row["preset"], row["length"]), []).append(fused)
    return [
        {"pose": partner[0], "pose_length": partner[1], "appearance": name, "length": length, **_fused(found)}
        for (name, length), found in together.items()
    ]


def _fused(found: Sequence[Fused]) -> dict[str, Any]:
    fitted = [one for one in found if one.measures is not None]
    if not fitted:
        return {"n_repeats": 0, "reason": found[0].reason, "n_validation": found[0].n_validation, "test": None}
    attacks = sorted(set().union(*(one.by_attack for one in fitted)))
    return {
        "n_repeats": len(fitted),
        "reason": "",
        "n_validation": fitted[0].n_validation,
        "n_test": fitted[0].n_test,
        "test": {name: _of([one.measures[name] for one in fitted if one.measures]) for name in FUSED},
        "by_attack": {
            attack: {name: _of([one.by_attack[attack][name] for one in fitted]) for name in FUSED} for attack in attacks
        },
        "weights": [list(one.weights) for one in fitted if one.weights],
    }


def _of(measures: Sequence[Measures]) -> dict[str, Any]:
    return {
        "n_real": measures[0].n_real,
        "n_fake": measures[0].n_fake,
        **_means([one.values for one in measures], NAMES),
    }


def scores_of(row: Row, clips: Iterable[StudyClip]) -> list[ClipScore]:
    """A row's clip scores, with what is known of the clips."""
    return [
        ClipScore(
            clip.clip.digest,
            clip.side,
            clip.is_authentic,
            clip.clip.group,
            clip.clip.attack,
            float(row["scores"][clip.clip.digest]),
        )
        for clip in clips
        if clip.clip.digest in row["scores"]
    ]


def attacks_of(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """How each preset tells the real test clips from the fakes of one kind: an entry a preset, length and attack."""
    together: dict[tuple[str, int | None, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["status"] == "done":
            for attack, figures in row["by_attack"].items():
                together.setdefault((row["preset"], row["length"], attack), []).append(figures)
    return [
        {
            "preset": name,
            "length": length,
            "attack": attack,
            "side": TEST,
            "n_real": found[0]["n_real"],
            "n_fake": found[0]["n_fake"],
            **_means(found, NAMES),
        }
        for (name, length, attack), found in together.items()
    ]
