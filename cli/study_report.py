"""What `poseauth study` tells: JSON, CSV and a table for the terminal."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseauth import __version__
from poseauth.batch.row_file import Row
from poseauth.errors import StorageError
from poseauth.shown_text import counted
from poseauth.study.measures import NAMES
from poseauth.study.splitting import LABELS, SIDES

if TYPE_CHECKING:
    from .study_run import StudyClips

FORMAT_VERSION = 1
DEFINITIONS = {
    "clip": "every figure is of clips unless it says examples. A clip's probability of being authentic is the mean "
    "over its windows (pose), or comes from all its faces (appearance; by the mean log odds where a preset judges "
    "single faces)",
    "example": "what a network is shown at once: a window, a clip's faces, or a single face. In a curve the training's "
    "loss and accuracy are as they came about during the epoch, dropout on; in the tables, with the chosen weights",
    "accuracy, balanced accuracy": "a clip is called authentic above a probability of 0.5; the second is the mean of "
    "the shares of real and of fake clips that were told right",
    "precision, recall, F1": "of finding fakes: how many of the clips that were called fake are, how many fakes were "
    "called so, and the harmonic mean of both",
    "AUC": "how often a real clip has a higher probability than a fake one; 0.5 is chance. It needs no threshold",
    "EER": "the error at the threshold where both errors are alike, on the convex hull of the ROC curve",
    "MAE, log loss": "mean distance of the probability from 0 (fake) or 1 (real), and mean negative log probability of "
    "the right answer: whether the probability itself can be believed",
    "loss": "binary cross-entropy of examples",
    "epoch": "the weights are those of the epoch with the least validation loss; the epoch with the best validation "
    "accuracy is told beside it",
    "training time": "wall time on the machine that ran it: making the examples, every epoch, and the validation after "
    "each; not decoding, pose estimation and the cutting of faces",
    "inference": "median over test clips, from a clip's windows or faces in memory to its answer; not decoding, pose "
    "estimation and the cutting of faces",
    "weights": "bytes of the safetensors file, frozen weights and those of the backbone included",
    "interval": "95 %, percentile bootstrap over groups of the test side, of one training; how trainings differ is the "
    "standard deviation over repeats",
    "fusion": "logistic regression, fitted on validation clips, on the log likelihood ratios of a pose and an "
    "appearance preset, each calibrated on the same validation clips and before its bounds",
    "attack": "all real test clips against the fakes of one kind",
}
_HEAD = ("preset", "family", "length", "repeat", "seed", "status", "reason", "device", "pretrained")
_COSTS = (
    "training_s", "best_loss_epoch", "best_accuracy_epoch", "n_parameters", "n_trainable_parameters", "weights_bytes",
    "inference_ms_a_clip",
)  # fmt: skip
_OF_SIDE = ("n_real", "n_fake", "n_without_score", "n_examples", "example_loss", "example_accuracy", *NAMES)
_CONFUSION = ("real_as_real", "real_as_fake", "fake_as_real", "fake_as_fake")


@dataclass(frozen=True)
class StudyOptions:
    """What the user asked for, as it is told of the figures."""

    tiny: bool
    seed: int
    n_repeats: int
    shares: tuple[float, ...]
    lengths: tuple[int, ...]
    partner: str | None


def tell(rows: Sequence[Row], study: StudyClips, options: StudyOptions) -> dict[str, Any]:
    """Everything as plain values; None stands for what cannot be told, with the reason beside it."""
    from poseauth.study.summary import attacks_of, fuse_rows, fusion_partner, summarise

    partner = fusion_partner(rows, options.partner) if options.partner else None
    return {
        "format_version": FORMAT_VERSION,
        "poseauth_version": __version__,
        "options": asdict(options),
        "definitions": DEFINITIONS,
        "split": _split(study),
        "clips": [_clip(clip) for clip in study.clips],
        "not_analysed": [{"clip": name, "reason": why} for name, why in study.unread],
        "copies": [{"clip": name, "copy_of": first} for name, first in sorted(study.copies.items())],
        "summary": summarise(rows),
        "attacks": attacks_of(rows),
        "fusion": fuse_rows(rows, study.clips, partner) if partner else [],
        "rows": list(rows),
    }


def _split(study: StudyClips) -> dict[str, Any]:
    counts = Counter((clip.side, clip.clip.label) for clip in study.clips)
    attacks = Counter((clip.side, clip.clip.attack) for clip in study.clips if clip.clip.attack)
    return {
        "has_groups": study.split.has_groups,
        "sides": {
            side: {
                **{f"n_{label}": counts[side, label] for label in LABELS},
                "n_groups": study.split.n_groups[side],
                "attacks": {attack: n for (of, attack), n in sorted(attacks.items()) if of == side},
            }
            for side in SIDES
        },
    }


def _clip(clip: Any) -> dict[str, Any]:
    return {
        "clip": clip.clip.name,
        "digest": clip.clip.digest,
        "label": clip.clip.label,
        "group": clip.clip.group,
        "attack": clip.clip.attack,
        "side": clip.side,
        "seconds": round(clip.sequence.duration_s, 2),
        "without_faces": clip.without_faces,
    }


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write one line for every row, all sides in its columns.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    columns = [*_HEAD, *(f"{side}_{name}" for side in SIDES for name in (*_OF_SIDE, *_CONFUSION)), *_COSTS]
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.DictWriter(stream, columns, extrasaction="ignore")
            table.writeheader()
            table.writerows(_flat(row) for row in rows)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def _flat(row: Row) -> dict[str, Any]:
    flat = dict(row)
    for side, figures in row.get("sides", {}).items():
        flat |= {f"{side}_{name}": figures[name] for name in _OF_SIDE}
        flat |= {f"{side}_{name}": figures["confusion"][name] for name in _CONFUSION}
    return flat


def summary(told: Mapping[str, Any]) -> str:
    """The test figures as a table for a terminal."""
    sides = told["split"]["sides"]
    lines = [
        "; ".join(f"{side} {of['n_real']} real, {of['n_fake']} fake" for side, of in sides.items()) + " clips",
        f"{'preset':<32}{'accuracy':>15}{'AUC':>15}{'EER':>15}{'taught in':>11}",
    ]
    for entry in told["summary"]:
        test = entry["test"]
        if entry["n_done"]:
            figures = "".join(f"{spread(test, name):>15}" for name in ("accuracy", "auc", "eer"))
            lines.append(f"{name_of(entry):<32}{figures}{seconds(entry['training_s']):>11}")
        lines += [f"{name_of(entry):<32}{one['status']}: {one['reason']}" for one in entry["problems"]]
    fused = [entry for entry in told["fusion"] if entry["test"]]
    if fused:
        lines.append(f"{'with ' + fused[0]['pose']:<32}{'pose AUC':>15}{'alone AUC':>15}{'fusion AUC':>15}")
        lines += [
            f"{name_of(entry, 'appearance'):<32}"
            + "".join(f"{spread(entry['test'][which], 'auc'):>15}" for which in ("pose", "appearance", "fusion"))
            for entry in fused
        ]
    lines.append(how_sure(told))
    return "\n".join(lines)


def how_sure(told: Mapping[str, Any]) -> str:
    """What the size of the test side makes of the figures."""
    test = told["split"]["sides"]["test"]
    n_clips = test["n_real"] + test["n_fake"]
    repeats = told["options"]["n_repeats"]
    tiny = " Presets were tiny: their figures say nothing of the detectors." if told["options"]["tiny"] else ""
    return (
        f"Measured on {counted(n_clips, 'test clip')} of {counted(test['n_groups'], 'group')}, one split, "
        f"{counted(repeats, 'training')} a row: one clip is {100 / max(n_clips, 1):.1f} points of accuracy, and "
        f"differences of a few clips mean nothing.{tiny}"
    )


def name_of(entry: Mapping[str, Any], key: str = "preset") -> str:
    """A preset with its length, where lengths were asked for."""
    return entry[key] if entry["length"] is None else f"{entry[key]}, {entry['length']} frames"


def spread(figures: Mapping[str, float | None], name: str, digits: int = 3) -> str:
    """Mean and standard deviation over repeats."""
    value, deviation = figures[name], figures[f"{name}_sd"]
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if deviation is None else f"{value:.{digits}f} ± {deviation:.{digits}f}"


def seconds(value: float | None) -> str:
    """A time a person reads at once."""
    if value is None:
        return "-"
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min" if value < 6000 else f"{value / 3600:.1f} h"
