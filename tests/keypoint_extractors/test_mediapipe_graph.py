"""MediaPipe's graph without the mask: the same landmarks, held against MediaPipe's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.mediapipe_graph import landmark_graph
from keypoint_extractors.video import VideoReader
from poseauth.errors import ExtractorMissingError

mediapipe = pytest.importorskip("mediapipe")
PACKAGE = Path(mediapipe.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
NOBODY = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A speaker, nobody, and the speaker in a mirror."""
    clip = render_video(speak(STYLES[1], duration_s=2.0, seed=4), tmp_path_factory.mktemp("graph") / "clip.mp4")
    seen = [frame.rgb for frame in VideoReader(clip, picture_side=640)][:12]
    return [*seen, NOBODY, *(picture[:, ::-1].copy() for picture in seen)]


def landmarks(graph, pictures):
    """Rows of x, y, z, visibility, a table a picture; None where nobody is."""
    seen = []
    for picture in pictures:
        found = graph.process(picture).pose_landmarks
        seen.append(found and [(mark.x, mark.y, mark.z, mark.visibility) for mark in found.landmark])
    graph.close()
    return seen


def a_package(
    folder, *, graph="pose_landmark/pose_landmark_cpu.binarypb", network="pose_landmark/pose_landmark_full.tflite"
):
    """The folder of a mediapipe that carries these."""
    (folder / "modules/pose_landmark").mkdir(parents=True)
    shutil.copy(PACKAGE / "modules" / graph, folder / "modules/pose_landmark/pose_landmark_cpu.binarypb")
    shutil.copy(PACKAGE / "modules" / network, folder / "modules/pose_landmark/pose_landmark_full.tflite")
    return folder


@pytest.mark.parametrize("min_confidence", [0.5, 0.9])
def test_landmarks_are_those_of_mediapipe_bit_for_bit(pictures, min_confidence):
    whole = mediapipe.solutions.pose.Pose(
        model_complexity=1,
        smooth_landmarks=False,
        min_detection_confidence=min_confidence,
        min_tracking_confidence=min_confidence,
    )
    expected = landmarks(whole, pictures)
    assert landmarks(landmark_graph(PACKAGE, min_confidence), pictures) == expected
    assert expected[12] is None
    assert sum(one is not None for one in expected) >= 6


def tensors(graph, side):
    """Of all operators of a network, their "Inputs" or "Outputs"."""
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    return {tensor for operator in operators for tensor in getattr(operator, f"{side}AsNumpy")().tolist()}


def test_the_mask_is_not_computed_and_nothing_else_is_left_out():
    from ai_edge_litert import schema_py_generated as tflite

    from keypoint_extractors.mediapipe_graph import _without_mask

    path = PACKAGE / "modules" / "pose_landmark/pose_landmark_full.tflite"
    whole, less = (
        tflite.Model.GetRootAsModel(network, 0).Subgraphs(0) for network in (path.read_bytes(), _without_mask(path))
    )
    mask, landmarks_tensor = (int(whole.OutputsAsNumpy()[number]) for number in (2, 0))
    assert [int(tensor) for tensor in less.OutputsAsNumpy()] == [
        landmarks_tensor if tensor == mask else tensor for tensor in whole.OutputsAsNumpy().tolist()
    ]
    left_out = tensors(whole, "Outputs") - tensors(less, "Outputs")
    assert mask in left_out
    assert not left_out & tensors(less, "Inputs")
    assert not left_out & {int(tensor) for tensor in less.OutputsAsNumpy()}


@pytest.mark.parametrize(
    "other",
    [
        {"graph": "face_detection/face_detection_short_range_cpu.binarypb"},
        {"network": "pose_detection/pose_detection.tflite"},
    ],
)
def test_another_graph_or_network_is_refused_with_the_remedy(tmp_path, other):
    with pytest.raises(
        ExtractorMissingError, match=r"has another pose (graph|network) than 0\.10\.21\. Install that one"
    ):
        landmark_graph(a_package(tmp_path, **other), 0.5)


def test_the_rest_of_mediapipe_is_not_loaded_and_its_options_are_not_missed(pictures, tmp_path):
    np.save(tmp_path / "pictures.npy", pictures[:4])
    program = (
        "import json, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from keypoint_extractors.mediapipe_graph import landmark_graph\n"
        f"graph = landmark_graph(Path({str(PACKAGE)!r}), 0.5)\n"
        f"seen = [graph.process(picture).pose_landmarks for picture in np.load({str(tmp_path / 'pictures.npy')!r})]\n"
        "print(json.dumps([[(mark.x, mark.y, mark.z, mark.visibility) for mark in one.landmark] for one in seen]))\n"
        "assert not {'matplotlib', 'cv2', 'mediapipe.python.solutions'} & set(sys.modules)\n"
        "import mediapipe\n"
        "assert mediapipe.solutions.pose.Pose and mediapipe.__version__\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
    expected = landmarks(mediapipe.solutions.pose.Pose(smooth_landmarks=False), pictures[:4])
    assert [[tuple(mark) for mark in one] for one in json.loads(run.stdout)] == expected
