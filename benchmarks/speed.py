"""How fast, against what a user would write instead: the same work, one machine, one run, medians of several.

Every piece of work runs in a process of its own, turn by turn with what it is held against. The clips are drawn by
this script; with ../shared beside the project there is a YOLO network at hand that finds drawn people. Aims: 4 times
the plain YOLO loop on two cores, 1.6 times MediaPipe's pose graph with pose alone and as fast with both hands, 4 times
MediaPipe's Holistic loop, 15 and 5 times the YOLO loop on a GPU, 30 times the method's own training (100 on a GPU), a
minute of video verified in a quarter of a minute, memory that does not grow with the video, a folder as fast as the
cores allow.

    python benchmarks/speed.py --json out.json [--quick] [--only NAME]... [--weights FILE]
        [--reference-python PYTHON] [--reference-source CHECKOUT]

MediaPipe 0.10.21 holds NumPy below 2 and needs an environment of its own: make one with `pip install
'.[mediapipe]'` of the checkout that is the reference, and name its Python.

On a machine with a GPU the same command adds the GPU's rows; it takes less than ten minutes with --quick.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
import torch

from keypoint_extractors.blazepose.model_files import models_folder
from keypoint_extractors.cores import usable_cores
from keypoint_extractors.drawing.figure import LOOKS
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.following import box_overlap
from person_profiles.enrolment import Negative, enrol
from person_profiles.store import ProfileStore
from poseauth.keypoints import L_SHOULDER, R_SHOULDER

ROOT = Path(__file__).resolve().parents[1]
REAL_VIDEOS = [
    ROOT / "../shared/data/videos" / f"{name}.mp4"
    for name in ("obama_real_convention_64s", "tyson_real_stage_17s", "biden_real_lectern_7s", "unknown_man_real_11s")
]
"""Of at most 30 frames a second, so that every frame of theirs is looked at."""
RENDERED_WEIGHTS = ROOT / "../shared/data/weights/yolo26n-pose-rendered.pt"
TWELVE_WITHOUT_NECK = (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
N_SPEAKERS = 4
"""Whose clips YOLO is timed on, one after another."""
SAME_BOX = 0.5
"""Intersection over union from which two boxes are one and the same person."""


@dataclass(frozen=True)
class Row:
    """One line of the table: `ratio` is how many times as fast (or large) the work is as what it is held against."""

    work: str
    against: str
    ratio: float
    aim: str
    note: str
    machine: str


@dataclass(frozen=True)
class Reference:
    """The Python of an environment with mediapipe 0.10.21, and the checkout of poseauth that it runs."""

    python: Path
    source: Path


@dataclass(frozen=True)
class Bench:
    """Where the clips lie, and how much is measured."""

    folder: Path
    quick: bool
    weights: Path | None
    machine: str
    reference: Reference | None = None

    @property
    def repeats(self) -> int:
        """Of each piece of work."""
        return 1 if self.quick else 3

    def clips(self, name: str, seconds: float, n: int) -> list[str]:
        """So many speeches, no two alike: `verify` analyses copies once."""
        takes = (divmod(number, len(STYLES)) for number in range(n))
        return [
            str(self.clip(f"{name}{take}-{speaker}", seconds, speaker=speaker, take=take)) for take, speaker in takes
        ]

    def row(self, work: str, against: str, ratio: float, aim: str, note: str) -> Row:
        """A line for this machine."""
        return Row(work, against, round(ratio, 3), aim, note, self.machine)

    def clip(
        self, name: str, seconds: float, *, fps: float = 30.0, speaker: int = 0, take: int = 0,
        size: tuple[int, int] = (1280, 720),
    ) -> Path:  # fmt: skip
        """A drawn speech; another `take` is another speech of that speaker."""
        path = self.folder / f"{name}.mp4"
        if not path.exists():
            width, height = size
            seed = 100 + speaker + len(STYLES) * take
            sequence = speak(STYLES[speaker], duration_s=seconds, seed=seed, width=width, height=height)
            render_video(sequence, path, look=LOOKS[speaker], fps=fps)
        return path


def task(name: str, *, reference: Reference | None = None, with_source: bool = True, **options: Any) -> dict[str, Any]:
    """One piece of work in a process of its own, by another Python and another checkout where there is a reference."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    source = reference.source if reference and with_source else ROOT
    environment |= {"PYTHONPATH": str(source), "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "false"}
    python = str(reference.python) if reference else sys.executable
    with tempfile.TemporaryDirectory() as settings:
        run = subprocess.run(
            [python, str(source / "benchmarks" / "speed_tasks.py"), name, json.dumps(options)],
            env=environment | {"YOLO_CONFIG_DIR": settings},
            capture_output=True,
            text=True,
        )
    if run.returncode:
        raise click.ClickException(f"{name} {options} failed:\n{run.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return found


def rates(bench: Bench, *sides: Callable[[], dict[str, Any]]) -> list[float]:
    """Frames a second of each side, medians, turn by turn."""
    measured: list[list[float]] = [[] for _ in sides]
    for _ in range(bench.repeats):
        for side, found in zip(sides, measured, strict=True):
            result = side()
            found.append(result["frames"] / result["seconds"])
    return [statistics.median(found) for found in measured]


def yolo(bench: Bench) -> Iterator[Row]:
    """Extraction with a YOLO network, on the CPU and where there is one on a GPU."""
    if bench.weights is None:
        click.echo("yolo: no weights; give them with --weights", err=True)
        return
    # One speaker's gestures fill more of the picture than another's, and a region saves less of it.
    seconds = 8 if bench.quick else 20
    clips = [str(bench.clip(f"yolo{number}", seconds, speaker=number)) for number in range(N_SPEAKERS)]
    weights = str(bench.weights)
    name = bench.weights.stem
    plain, ours = rates(
        bench,
        lambda: task("plain_yolo", videos=clips, weights=weights, keep=str(bench.folder / "plain.npz")),
        lambda: task("extract", videos=clips, extractor="yolo", weights=weights, device="cpu",
                     keep=str(bench.folder / "ours.npz")),
    )  # fmt: skip
    median, high, share = agreement(bench.folder / "plain.npz", bench.folder / "ours.npz")
    yield bench.row(
        f"extraction, 720p30, CPU, {name}", "YOLO.predict(stream=True)", ours / plain, "4",
        f"{ours:.1f} against {plain:.1f} frames/s; keypoints {median:.1f} % of the shoulder width apart (median), "
        f"{high:.1f} % (95th percentile), in the {share:.0%} of frames in which both mean one person (aim 2 and 5 %)",
    )  # fmt: skip
    if not torch.cuda.is_available():
        return
    long = str(bench.clip("cuda", 30 if bench.quick else 120))
    one, many, ours, limit = rates(
        bench,
        lambda: task("plain_yolo", videos=[long], weights=weights, device="cuda"),
        lambda: task("plain_yolo", videos=[long], weights=weights, device="cuda", batch=32),
        lambda: task("extract", videos=[long], extractor="yolo", weights=weights, device="cuda"),
        lambda: task("decode", video=long),
    )
    for batch, plain, aim in ((1, one, "15"), (32, many, "5")):
        yield bench.row(
            f"extraction, 720p30, GPU, {name}", f"YOLO.predict, batch {batch}", ours / plain, aim,
            f"{ours:.0f} against {plain:.0f} frames/s; decoding alone {limit:.0f}, of which {ours / limit:.0%} reached",
        )  # fmt: skip


def agreement(plain: Path, ours: Path) -> tuple[float, float, float]:
    """How far the keypoints of the most confident person lie apart, in % of the shoulder width.

    Median, 95th percentile, and the share of frames in which both are most confident of the same person.
    """
    theirs, found = np.load(plain), np.load(ours)
    apart, same = [], 0
    n_frames = min(len(theirs["points"]), int(found["n_frames"]))
    for frame in range(n_frames):
        rows = np.flatnonzero(found["frame"] == frame)
        if not len(rows) or np.isnan(theirs["boxes"][frame]).any():
            continue
        best = rows[found["scores"][rows].argmax()]
        if box_overlap(found["boxes"][[best]], theirs["boxes"][[frame]])[0] < SAME_BOX:
            continue
        same += 1
        points = theirs["points"][frame, :11]
        seen = found["confidence"][best][list(TWELVE_WITHOUT_NECK)] > 0
        ours_points = found["keypoints"][best]
        width = np.linalg.norm(ours_points[R_SHOULDER] - ours_points[L_SHOULDER])
        distance = np.linalg.norm(ours_points[list(TWELVE_WITHOUT_NECK)] - points[:, :2], axis=1) / width
        apart.append(distance[seen & np.isfinite(distance)])
    everything = 100 * np.concatenate(apart)
    return float(np.median(everything)), float(np.percentile(everything, 95)), same / n_frames


def blazepose(bench: Bench) -> Iterator[Row]:
    """Extraction with BlazePose, against MediaPipe 0.10.21 in an environment of its own."""
    if bench.reference is None:
        click.echo("blazepose: nothing to hold it against; name an environment with --reference-python", err=True)
        return
    seconds = 10 if bench.quick else 30
    clip = str(bench.clip("blazepose", seconds))
    before, alone, hands, loop = rates(
        bench,
        lambda: task("extract", videos=[clip], extractor="mediapipe", reference=bench.reference),
        lambda: task("extract", videos=[clip], extractor="blazepose"),
        lambda: task("extract", videos=[clip], extractor="blazepose", hands=True),
        lambda: task("plain_holistic", video=clip, reference=bench.reference, with_source=False),
    )
    limit = task("decode", video=clip, picture_side=1280)
    decoding = f"decoding alone {limit['frames'] / limit['seconds']:.0f}"
    for work, rate, against, other, aim in (
        ("pose alone", alone, "the build before, MediaPipe 0.10.21", before, "1.6"),
        ("pose and hands", hands, "the build before, MediaPipe 0.10.21, pose alone", before, "1"),
        ("pose and hands", hands, "mp.solutions.holistic over cv2.VideoCapture", loop, "4"),
    ):
        yield bench.row(
            f"extraction, 720p30, CPU, BlazePose, {work}", against, rate / other, aim,
            f"{rate:.1f} against {other:.1f} frames/s; {decoding}",
        )  # fmt: skip
    for video in REAL_VIDEOS:
        if video.is_file():
            yield landmarks(bench, video)


def landmarks(bench: Bench, video: Path) -> Row:
    """How far landmarks of real footage lie from those of MediaPipe's own loop."""
    theirs, ours = bench.folder / "theirs.npz", bench.folder / "ours.npz"
    source = str(video.resolve())
    task("plain_holistic", video=source, smooth=False, keep=str(theirs), reference=bench.reference, with_source=False)
    task("extract", videos=[source], extractor="blazepose", hands=True, keep_whole_body=str(ours))
    with np.load(theirs) as plain, np.load(ours) as found:
        n = min(len(plain["body"]), len(found["body"]))
        body, other = found["body"][:n], plain["body"][:n]
        width = np.nanmedian(np.linalg.norm(other[:, 11, :2] - other[:, 12, :2], axis=1))
        seen = found["visibility"][:n] >= 0.5
        away = np.where(seen, np.linalg.norm(body[..., :2] - other[..., :2], axis=-1), np.nan) / width * 100
        hands, others = found["hands"][:n], plain["hands"][:n]
        apart = np.linalg.norm(hands[..., :2] - others[..., :2], axis=-1) / width * 100
        there, also = (np.isfinite(side[:, :, 0, 0]) for side in (hands, others))
    median, wrists = np.nanmedian(away[:, :25]), np.nanpercentile(away[:, 15:17], 95)
    return bench.row(
        f"landmarks, {video.name}", "mp.solutions.holistic, smooth_landmarks=False", float(median), "below 1 %",
        f"body {median:.2f} % of the shoulder width (median), wrists {wrists:.2f} % (95th percentile, aim below 2), "
        f"hands {np.nanmedian(apart):.2f} % (median), {np.nanpercentile(apart, 95):.2f} % (95th percentile); one sees "
        f"a hand where the other does in {(there == also).mean():.0%} of the frames",
    )  # fmt: skip


def enrolment(bench: Bench) -> Iterator[Row]:
    """One training (no self-test on either side); the paper's 200 epochs from what two of them take."""
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        seconds, plain = [], []
        for _ in range(bench.repeats):
            found = task("train", recipe="default", device=device)
            paper = task("train", recipe="paper", device=device, epochs=2)
            seconds.append(found["seconds"])
            plain.append(paper["seconds_an_epoch"] * paper["epochs_of_the_recipe"])
        ours, theirs = statistics.median(seconds), statistics.median(plain)
        yield bench.row(
            f"learning one person, default recipe, {device}", "the method's recipe, batch 1, 200 epochs",
            theirs / ours, "30" if device == "cpu" else "100",
            f"{ours:.0f} s against {theirs:.0f} s (from 2 epochs); unseen speeches: the person "
            f"{found['score_of_the_person']:.2f}, the highest of five others {found['highest_score_of_another']:.2f}",
        )  # fmt: skip


def profile_home(bench: Bench, *, by_estimator: bool) -> Path:
    """A store with a small profile of the first speaker, for clips seen by BlazePose where that is asked for."""
    from dataclasses import replace

    from keypoint_extractors.registry import choose_extractor
    from poseauth.recipes import RECIPES

    home = bench.folder / ("profiles-seen" if by_estimator else "profiles")
    if home.exists():
        return home
    own = [speak(STYLES[0], duration_s=30.0, seed=take) for take in range(2)]
    others = [speak(style, duration_s=30.0, seed=7) for style in STYLES[1:3]]
    if by_estimator:
        fingerprint = choose_extractor("blazepose").fingerprint
        own, others = (
            [replace(one, provenance=replace(one.provenance, extractor=fingerprint)) for one in some]
            for some in (own, others)
        )
    recipe = RECIPES["default"]
    recipe = replace(recipe, training=replace(recipe.training, min_steps=20, stride_frames=150))
    negatives = [Negative(one, str(number), "impostor") for number, one in enumerate(others)]
    profile = enrol("speaker", own, negatives, recipe=recipe, allow_weak=True)
    ProfileStore(home).save(profile, own)
    return home


def command(bench: Bench, *arguments: str) -> float:
    """Seconds of a poseauth command from a cold start."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cli.main import main; main()"
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=bench.folder, capture_output=True, text=True,
        env={"POSEAUTH_MODELS": str(models_folder())} | os.environ | {"HOME": str(bench.folder)},
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if run.returncode:
        raise click.ClickException(f"poseauth {' '.join(arguments)} failed:\n{run.stderr[-2000:]}")
    return seconds


def verification(bench: Bench) -> Iterator[Row]:
    """`verify` of a minute, cold; of kept keypoints; and the help."""
    length = 20.0 if bench.quick else 60.0
    clip = bench.clip("verify", length)
    home = profile_home(bench, by_estimator=True)
    options = ("verify", str(clip), "--person", "speaker", "--home", str(home))
    cold = statistics.median(command(bench, *options, "--no-cache") for _ in range(bench.repeats))
    yield bench.row(
        f"verify, {length:.0f} s of 720p30, pose and hands, cold", "its own length", cold / length, "below 0.25",
        f"{cold:.1f} s, interpreter and imports included",
    )  # fmt: skip
    command(bench, *options)
    kept = statistics.median(command(bench, *options) for _ in range(max(3, bench.repeats)))
    bare = statistics.median(_seconds_of(bench, "import torch") for _ in range(max(3, bench.repeats)))
    yield bench.row(
        "verify, keypoints kept",
        "2 s",
        kept / 2.0,
        "below 1",
        f"{kept:.2f} s; importing torch, which it does without, takes {bare:.2f} s",
    )
    helped = statistics.median(command(bench, "--help") for _ in range(5))
    yield bench.row("poseauth --help", "0.3 s", helped / 0.3, "below 1", f"{helped:.2f} s")


def _seconds_of(bench: Bench, program: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, cwd=bench.folder)
    return time.perf_counter() - started


def memory(bench: Bench) -> Iterator[Row]:
    """Peak memory of everything but the network, for a short and a long clip of one picture size."""
    home = profile_home(bench, by_estimator=False)
    short_s, n_times = (30.0, 12) if bench.quick else (180.0, 60)
    short = bench.clip("short", short_s, size=(320, 180))
    long = repeated(short, bench.folder / "long.mp4", n_times)
    small, large = (task("memory", video=str(path), profile_home=str(home)) for path in (short, long))
    yield bench.row(
        f"peak memory, hands kept, a clip of {short_s * n_times / 60:.0f} min", f"a clip of {short_s / 60:g} min",
        large["peak_mb"] / small["peak_mb"], "below 1.1",
        f"{large['peak_mb']:.0f} against {small['peak_mb']:.0f} MB, the networks left out; "
        f"{large['frames']} frames in {large['seconds']:.0f} s",
    )  # fmt: skip


def repeated(source: Path, path: Path, n_times: int) -> Path:
    """The same video so many times in a row, its packets copied."""
    with av.open(str(path), "w") as output:
        target: Any = None
        offset = 0
        for _ in range(n_times):
            with av.open(str(source)) as container:
                stream = container.streams.video[0]
                if target is None:
                    target = output.add_stream_from_template(stream)
                end = 0
                for packet in container.demux(stream):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, target
                    output.mux(packet)
                offset += end
    return path


def folder(bench: Bench) -> Iterator[Row]:
    """A folder of short clips: all cores against one group of frames at a time."""
    clips = bench.clips("folder", 4.0, 8 if bench.quick else 32)
    one, all_cores = rates(
        bench,
        lambda: task("extract", videos=clips, extractor="blazepose", hands=True, workers=1),
        lambda: task("extract", videos=clips, extractor="blazepose", hands=True),
    )
    cores = usable_cores()
    yield bench.row(
        f"extraction, {len(clips)} clips of 4 s, pose and hands, {cores} cores", "one thread", all_cores / one,
        f"near {cores}", f"{all_cores:.1f} against {one:.1f} frames/s; decoding has a core beside the one thread too",
    )  # fmt: skip


def clips_at_a_time(bench: Bench) -> Iterator[Row]:
    """`verify` of many clips in one run, one or several at a time, against a command a clip."""
    home = profile_home(bench, by_estimator=True)
    clips = bench.clips("many", 8.0, 6 if bench.quick else 32)
    options = ("--person", "speaker", "--home", str(home), "--no-cache")
    cores = usable_cores()
    alone, one, several = (
        statistics.median(seconds)
        for seconds in zip(
            *(
                (
                    sum(command(bench, "verify", clip, *options) for clip in clips),
                    command(bench, "verify", *clips, *options, "--jobs", "1"),
                    command(bench, "verify", *clips, *options, "--jobs", str(cores)),
                )
                for _ in range(bench.repeats)
            ),
            strict=True,
        )
    )
    named = f"verify, {len(clips)} clips of 8 s, pose and hands"
    yield bench.row(
        f"{named}, --jobs 1", "a command a clip", alone / one, "above 1", f"{one:.1f} against {alone:.1f} s"
    )
    yield bench.row(
        f"{named}, --jobs {cores}", "--jobs 1, which has all cores too", one / several, "not below 1",
        f"{several:.1f} against {one:.1f} s",
    )  # fmt: skip


WORK: dict[str, Callable[[Bench], Iterator[Row]]] = {
    work.__name__: work for work in (yolo, blazepose, enrolment, verification, memory, folder, clips_at_a_time)
}


def machine() -> str:
    """Processor, cores and GPU, in words."""
    names = [
        line.split(":")[1].strip()
        for line in (Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else [])
        if line.startswith("model name")
    ]
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{names[0] if names else platform.processor()}, {usable_cores()} cores{gpu}, torch {torch.__version__}"


@click.command(help=__doc__)
@click.option("--json", "out", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Short clips, each once: shows that it runs, and what a GPU does.")
@click.option("--only", multiple=True, type=click.Choice(list(WORK)), help="Some of the work.")
@click.option("--weights", type=click.Path(exists=True, path_type=Path), help="A YOLO pose network.")
@click.option(
    "--reference-python", type=click.Path(exists=True, path_type=Path), help="Of an environment with mediapipe."
)
@click.option("--reference-source", type=click.Path(exists=True, path_type=Path), help="The checkout it runs.")
def main(
    out: Path | None, quick: bool, only: tuple[str, ...], weights: Path | None,
    reference_python: Path | None, reference_source: Path | None,
) -> None:  # fmt: skip
    weights = weights or (RENDERED_WEIGHTS if RENDERED_WEIGHTS.is_file() else None)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        # Not resolved: the Python of a virtual environment is a link.
        reference = reference_python and Reference(reference_python.absolute(), (reference_source or ROOT).resolve())
        bench = Bench(Path(place), quick, weights and weights.resolve(), machine(), reference)
        click.echo(bench.machine)
        for name in only or WORK:
            for row in WORK[name](bench):
                rows.append(row)
                click.echo(f"{row.work} / {row.against}: {row.ratio:.2f} (aim {row.aim})\n    {row.note}")
    if out:
        out.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
