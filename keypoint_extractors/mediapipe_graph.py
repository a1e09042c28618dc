"""MediaPipe's pose graph, and its network, without what is not asked for here: the same landmarks in less time.

The graph of `mediapipe.solutions.pose` also places a person in space and cuts them out of the picture. A third of the
work is the mask of the latter: its network computes one for every picture, whether the graph hands it on or not, at the
full size of the input where a convolution is slowest. Graph and network are read from the installed package and changed
in memory: nothing is left out of them that the landmarks depend on, so that these stay what they were, bit for bit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from keypoint_extractors.part_of_package import import_part
from keypoint_extractors.tflite_pruning import steps_needed, without_unwanted_outputs
from poseauth.errors import ExtractorError, ExtractorMissingError

LANDMARKS = "pose_landmarks"
"""The one output of the graph: 33 landmarks of one person, or None."""

_GRAPH = "modules/pose_landmark/pose_landmark_cpu.binarypb"
_NETWORK = "modules/pose_landmark/pose_landmark_full.tflite"
_NETWORK_INPUT = "pose_landmark_network"
_OPTIONS = (
    *("core.gate", "core.split_vector", "tensor.image_to_tensor", "tensor.inference", "tensor.tensors_to_landmarks"),
    *("tflite.ssd_anchors", "util.detections_to_rects", "util.non_max_suppression", "util.rect_transformation"),
    "util.visibility_smoothing",
)
"""Calculators whose options Python has to know, for those it does not are lost on the way to the graph. MediaPipe's own
graph does not know those of the refinement by heat maps either, and refines with its defaults; so does this one."""

_N_OUTPUTS, _MASK = 5, 2
"""The network gives landmarks, presence, mask, heat maps (which refine the landmarks) and places in space."""


def landmark_graph(package: Path, min_confidence: float) -> Any:
    """MediaPipe's full pose model, tracking one person from picture to picture, for landmarks alone.

    Parameters
    ----------
    package : Path
        The folder of mediapipe.
    min_confidence : float
        Least confidence, 0 to 1, to find somebody and to go on tracking them.

    Returns
    -------
    mediapipe.python.solution_base.SolutionBase
        Running; its `process` takes a picture [shape=(H, W, 3)], uint8, RGB, and gives LANDMARKS.

    Raises
    ------
    ExtractorMissingError
        If the package carries another graph or network than the one known here.
    """
    solution_base = import_graphs()
    settings = {
        "smooth_landmarks": False,  # it mixes a picture with those before, and movement would depend on the frame rate
        "use_prev_landmarks": True,
        _NETWORK_INPUT: _without_mask(package / _NETWORK),
    }
    graph = _for_landmarks(package / _GRAPH)
    if {_name(packet) for packet in graph.input_side_packet} != set(settings):
        raise _another_one("pose graph")
    return solution_base.SolutionBase(
        graph_config=graph,
        side_inputs=settings,
        outputs=[LANDMARKS],
        calculator_params={
            "posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh": min_confidence,
            "poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__ThresholdingCalculator.threshold": (
                min_confidence
            ),
        },
    )


def import_graphs() -> Any:
    """What builds and runs graphs of MediaPipe, without the rest of the package, which draws and plots.

    Raises
    ------
    ImportError
        If mediapipe, or a system library that it needs, is not there.
    """
    for calculator in _OPTIONS:
        import_part("mediapipe", f"calculators.{calculator}_calculator_pb2")
    import_part("mediapipe", "framework.tool.switch_container_pb2")
    return import_part("mediapipe", "python.solution_base")


def _for_landmarks(path: Path) -> Any:
    """The package's graph, its network handed over in memory, cut down to what the landmarks depend on."""
    from mediapipe.framework import calculator_pb2
    from mediapipe.python._framework_bindings import validated_graph_config

    validated = validated_graph_config.ValidatedGraphConfig()
    validated.initialize(binary_graph_path=str(path))
    graph = calculator_pb2.CalculatorGraphConfig.FromString(validated.binary_config)
    graph.input_side_packet.append(_NETWORK_INPUT)
    for node in graph.node:
        if node.calculator == "TfLiteModelCalculator":
            node.input_side_packet[:] = [f"MODEL_BLOB:{_NETWORK_INPUT}"]
    asked = [_names([*node.input_stream, *node.input_side_packet]) for node in graph.node]
    given = [_names([*node.output_stream, *node.output_side_packet]) for node in graph.node]
    needed = steps_needed([LANDMARKS], asked, given)
    used = {name for number in needed for name in asked[number]}
    _keep(graph.node, set(needed))
    _keep(graph.output_stream, {i for i, stream in enumerate(graph.output_stream) if _name(stream) == LANDMARKS})
    _keep(graph.input_side_packet, {i for i, packet in enumerate(graph.input_side_packet) if _name(packet) in used})
    return graph


def _keep(items: Any, kept: Collection[int]) -> None:
    for number in reversed(range(len(items))):
        if number not in kept:
            del items[number]


@cache
def _without_mask(path: Path) -> bytes:
    """The package's network less the operators that only the mask depends on."""
    try:
        return without_unwanted_outputs(path.read_bytes(), [number for number in range(_N_OUTPUTS) if number != _MASK])
    except ExtractorError as error:
        raise _another_one("pose network") from error


def _names(packets: Iterable[str]) -> list[str]:
    return [_name(packet) for packet in packets]


def _name(packet: str) -> str:
    """The name in TAG:NAME."""
    return packet.rpartition(":")[2]


def _another_one(what: str) -> ExtractorMissingError:
    return ExtractorMissingError(
        f"this mediapipe has another {what} than 0.10.21. Install that one: pip install 'mediapipe==0.10.21'"
    )
