"""`poseauth study`: the other detectors beside this one, on the same clips and one split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import EXTRACTOR_CHOICES, extractor_options, open_reader
from .reading import SOME_FAILED

if TYPE_CHECKING:
    from poseauth.study.presets import Preset

POSE_FOR_FUSION = "yasrab2021-lstm-2x512"
"""The pose preset that appearance presets are fused with, unless another is named."""


def _numbers(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(part) for part in (text or "").split(",") if part.strip()))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: whole numbers with commas are needed, such as 10,20,40") from error
    if any(number < 2 for number in found):
        raise click.BadParameter(f"{text!r}: at least 2 frames")
    return found


def _shares(_: click.Context, parameter: click.Parameter, text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: three numbers with commas are needed, such as 70,15,15") from error
    if len(found) != 3 or min(found) <= 0:
        raise click.BadParameter(f"{text!r}: three numbers above 0 are needed, such as 70,15,15")
    return tuple(share / sum(found) for share in found)


@click.command(
    help="""Train and compare detectors on the same clips.

CLIPS is a folder with real/ and fake/ (a folder in fake/ names how its clips were made), or a table (.csv) with the
columns path and label (real or fake), and where known group (the person or the source video), attack, and keypoints (a
keypoint file of that video, in place of the extractor's). Clips of one group stand on one side of the split, and a
copy is counted once.

Each preset is taught on the train clips, its best epoch chosen on the validation clips, and asked about the test
clips. A row of figures is written as soon as it is known; the same command goes on where it was stopped. Beside
FILE.json stand FILE.csv (a line a row), FILE.html (tables and curves) and FILE.rows.jsonl (what a stopped study goes
on from).

\b
Example:
  poseauth study clips/ --presets all --json study.json
  poseauth study clips.csv --presets yasrab2021-lstm-2x512,hada2022-mesonet --repeats 3
  poseauth study clips.csv --presets yadav2023-resnext50 --sequence-lengths 10,20,40,60,80,100,150
  poseauth study clips/ --presets all --tiny --no-pretrained --device cpu
  poseauth study --list

\b
Exit status: 0 every row done, 1 failed, 2 usage, 3 some clips or rows not (each named)."""
)
@click.argument("clips", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--presets",
    "chosen",
    metavar="all|NAME,...",
    help="Presets, files of presets that come with poseauth, or paths of .toml files. [default: all, or those of "
    "--preset-file]",
)
@click.option(
    "--preset-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.toml",
    help="Presets of your own; may be repeated.",
)
@click.option("--list", "lists", is_flag=True, help="Name the presets and stop.")
@click.option(
    "--tiny", is_flag=True, help="Every preset at a size that trains in seconds: shows that it runs, no more."
)
@click.option(
    "--sequence-lengths",
    "lengths",
    callback=_numbers,
    metavar="N,N,...",
    help="Frames of a window (30 a second) or of a clip's faces: a row for each, in place of the preset's own.",
)
@click.option("--repeats", type=click.IntRange(1, 1000), default=1, show_default=True, help="Trainings of each row.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split and of the first training."
)
@click.option(
    "--split",
    "shares",
    default="70,15,15",
    show_default=True,
    callback=_shares,
    metavar="A,B,C",
    help="Shares of train, validation and test.",
)
@click.option(
    "--no-pretrained",
    is_flag=True,
    help="Backbones begin at random. [default: with ImageNet weights, fetched once with --allow-download]",
)
@click.option(
    "--fuse",
    "partner",
    metavar="NAME",
    help="Pose preset that each appearance preset is fused with. "
    f"[default: {POSE_FOR_FUSION}, else the first pose preset]",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("study.json"),
    show_default=True,
    help="Write everything here.",
)
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path), help="[default: beside the JSON]")
@click.option(
    "--report", "page_path", type=click.Path(dir_okay=False, path_type=Path), help="[default: beside the JSON, .html]"
)
@click.option(
    "--keep-weights",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the weights of every row that is taught now, as safetensors.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=2,
    show_default=True,
    help="Videos from which faces are cut at a time.",
)
@click.option(
    "--workers", type=click.IntRange(0, 256), default=0, show_default=True, help="Processes that read faces ahead."
)
@click.option("--extractor", type=click.Choice(EXTRACTOR_CHOICES), default="auto", show_default=True)
@extractor_options
def study(
    clips: Path | None,
    chosen: str | None,
    files: tuple[Path, ...],
    lists: bool,
    tiny: bool,
    lengths: tuple[int, ...],
    repeats: int,
    seed: int,
    shares: tuple[float, float, float],
    no_pretrained: bool,
    partner: str | None,
    json_path: Path,
    csv_path: Path | None,
    page_path: Path | None,
    keep_weights: Path | None,
    jobs: int,
    workers: int,
    extractor: str,
    **reader_options: Any,
) -> int:
    """Read the clips, run every row, and tell."""
    if lists:
        _list_presets()
        return 0
    if clips is None:
        raise click.UsageError("say which clips: a folder with real/ and fake/, or a table")
    presets = _presets(chosen, files)
    partner = _partner(partner, presets)
    if tiny:
        presets = tuple(preset.tiny() for preset in presets)

    from poseauth.models import choose_device
    from poseauth.study.splitting import SplitFractions

    from .study_clips import named_clips, warn_of_groups
    from .study_report import StudyOptions, summary, tell, write_rows
    from .study_run import at_lengths, cut_all_faces, face_folder, read_clips, row_tasks, run_rows

    device = str(choose_device(reader_options["device"]))
    named = named_clips(clips)
    warn_of_groups(named)
    reader = open_reader(extractor, **reader_options)
    read = read_clips(named, reader, fractions=SplitFractions(*shares), seed=seed)
    limits = reader.limits
    reader.close()
    pairs = at_lengths(presets, lengths)
    with face_folder(reader_options["cache_dir"], keeps=not reader_options["no_cache"]) as folder:
        read = cut_all_faces(read, [preset for preset, _, _ in pairs], folder, limits=limits, n_jobs=jobs)
        tasks = row_tasks(
            pairs,
            read,
            n_repeats=repeats,
            seed=seed,
            pretrained=not no_pretrained,
            device=device,
            n_workers=workers,
            weights=keep_weights,
        )
        rows = run_rows(
            tasks, read, json_path.with_suffix(".rows.jsonl"), allow_download=reader_options["allow_download"]
        )
    options = StudyOptions(tiny=tiny, seed=seed, n_repeats=repeats, shares=shares, lengths=lengths, partner=partner)
    told = tell(rows, read, options)
    from .evaluation_report import write_json, write_text
    from .study_page import page

    write_json(json_path, told)
    write_rows(csv_path or json_path.with_suffix(".csv"), rows)
    write_text(page_path or json_path.with_suffix(".html"), page(told))
    click.echo(summary(told))
    return SOME_FAILED if read.unread or any(row["status"] != "done" for row in rows) else 0


def _presets(chosen: str | None, files: Sequence[Path]) -> tuple[Preset, ...]:
    from poseauth.study.preset_files import choose_presets, read_presets

    found = {preset.name: preset for preset in (choose_presets(chosen or "all") if chosen or not files else ())}
    for path in files:
        for name, preset in read_presets(path).items():
            if found.setdefault(name, preset) != preset:
                raise click.UsageError(f"{path}: a preset called {name} is chosen already, and is another one")
    return tuple(found.values())


def _partner(wanted: str | None, presets: Sequence[Preset]) -> str | None:
    """The pose preset to fuse with; None where there is none among the chosen."""
    names = [preset.name for preset in presets if preset.family == "pose"]
    if wanted is not None and wanted not in names:
        raise click.UsageError(
            f"--fuse {wanted}: not among the chosen pose presets ({', '.join(names) or 'none is chosen'})"
        )
    return wanted or next((name for name in (POSE_FOR_FUSION, *names) if name in names), None)


def _list_presets() -> None:
    from poseauth.study.preset_files import built_in_files, load_presets

    for preset in load_presets().values():
        click.echo(f"{preset.name:<28} {preset.family:<11} {preset.title} ({preset.source})")
    click.echo(f"files of presets, searches last: {', '.join(built_in_files())}", err=True)
