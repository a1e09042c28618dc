"""The golden profile: a small one of known values, kept as files so that every later version is held to reading it.

Make it anew, after a change of the format, with `python -m tests.person_profiles.golden_profile` from the root of the
repository; it writes `golden/format-N/` for the format of the day and never touches those of earlier ones.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from person_profiles.profile import (
    FORMAT_VERSION,
    Calibrated,
    EvidencePoint,
    Profile,
    SelfTest,
    VideoRecord,
)
from person_profiles.store import ProfileStore
from poseauth.calibration import Calibration, ScoreLine
from poseauth.features import N_FEATURES
from poseauth.head_turn import UNBOUNDED, HeadTurns
from poseauth.keypoints import ExtractorFingerprint, Provenance, keypoint_sequence
from poseauth.metrics import Estimate
from poseauth.recipes import Architecture, Recipe, TrainingOptions
from poseauth.windows import WindowOptions
from tests.known_body import BODY

GOLDEN = Path(__file__).parent / "golden"
NAME = "Ada Lovelace"
YOLO = ExtractorFingerprint("yolo", "8.4.100", "ab" * 32, {"imgsz": 640, "conf": 0.3})
ARCHITECTURE = Architecture(
    hidden=3, layers=1, dropout=0.0, frame_step=5, pooling="last", head="binary", statistics=False, network_share=0.25
)


def golden_folder(version: int = FORMAT_VERSION) -> Path:
    """Where the golden profile of a format stands."""
    return GOLDEN / f"format-{version}"


def golden_speech(duration_s: float, *, name: str = "golden.mp4", beating=(3, 4, 6, 7), beat_px: float = 60):
    """A speaker whose arms beat once in pi seconds; nothing is drawn by chance."""
    times = np.arange(round(duration_s * 30)) / 30
    keypoints = np.tile(BODY.astype(np.float64), (len(times), 1, 1))
    keypoints[:, list(beating), 1] += beat_px * np.sin(2 * times)[:, None]
    keypoints[:, 0, 0] += 5 * np.cos(2 * times)
    confidence = np.full((len(times), 12), 0.9)
    provenance = Provenance(name, "cd" * 32, frame_width=640, frame_height=360, extractor=YOLO)
    return keypoint_sequence(keypoints, confidence, times, provenance=provenance)


def golden_profile(**changes) -> Profile:
    """The person, with every entry filled in."""
    n_features, hidden = N_FEATURES[ARCHITECTURE.features], ARCHITECTURE.hidden
    rng = np.random.default_rng(0)

    def drawn(*shape):
        return rng.normal(0, 0.7, shape).astype(np.float32)

    clips = Calibration(ScoreLine(3.0, -1.5), (ScoreLine(2.5, -1.25), ScoreLine(3.5, -1.75)), -0.75, 0.5, 0.31, 4, 6)
    values = {
        "name": NAME,
        "created": "2026-11-21T07:34:26+00:00",
        "poseauth_version": "0.1.0",
        "extractor": YOLO,
        "windows": WindowOptions(),
        "recipe": Recipe("golden", ARCHITECTURE, TrainingOptions()),
        "seed": 7,
        "n_epochs": 2,
        "videos": (
            VideoRecord("ada.mp4", "cd" * 32, "cd" * 32, "genuine", "", 24.5, 12),
            VideoRecord("others/bob.npz", None, "ef" * 32, "impostor", "impostor: bob", 30.0, 15),
        ),
        "n_surrogates": 0,
        "head_turns": HeadTurns((-0.1, -0.2, -0.125), (0.1, 0.2, UNBOUNDED)),
        "self_test": SelfTest(
            n_genuine_videos=4,
            n_other_videos=6,
            n_other_people=3,
            n_genuine_clips=4,
            n_other_clips=6,
            auc=Estimate(0.875, 0.75, 1.0),
            eer=Estimate(0.125, 0.0, 0.25),
            cllr=Estimate(0.5, None, None),
            n_genuine_against=1,
            n_other_for=0,
            n_undecided=2,
            hardest_other="impostor: bob",
            hardest_auc=0.75,
            hardest_auc_low=0.625,
            evidence_curve=(EvidencePoint(5.0, 0.25, 8, 12), EvidencePoint(10.0, 0.125, 4, 6)),
            enough_s=10.0,
        ),
        "calibrated": Calibrated(clips, clips, ScoreLine(2.0, -1.0)),
        "weaknesses": (),
        "notes": ("made by hand",),
        "weights": {
            "network.feature_mean": drawn(n_features) / 10,
            "network.feature_scale": np.full(n_features, 0.5, np.float32),
            "network.lstm.weight_ih_l0": drawn(4 * hidden, n_features),
            "network.lstm.weight_hh_l0": drawn(4 * hidden, hidden),
            "network.lstm.bias_ih_l0": drawn(4 * hidden),
            "network.lstm.bias_hh_l0": drawn(4 * hidden),
            "network.classifier.weight": drawn(1, hidden),
            "network.classifier.bias": drawn(1),
        },
        **changes,
    }
    return Profile(**values)


def golden_movement(version: int = FORMAT_VERSION):
    """What is kept of the person's own videos: a third of a second. In format 2 the wrists alone beat, and less."""
    if version == 2:
        return [golden_speech(1 / 3, name="ada.mp4", beating=(4, 7), beat_px=40)]
    return [golden_speech(1 / 3, name="ada.mp4")]


def main() -> None:
    """Write the golden profile of today's format."""
    with tempfile.TemporaryDirectory() as home:
        made = ProfileStore(Path(home)).save(golden_profile(), golden_movement())
        shutil.rmtree(golden_folder(), ignore_errors=True)
        shutil.copytree(made, golden_folder())
    print(golden_folder())


if __name__ == "__main__":
    main()
