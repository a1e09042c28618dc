"""A TFLite network, run on the CPU by LiteRT: a picture in, the tensors that are asked for out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keypoint_extractors.native_logs import native_logs_silenced
from keypoint_extractors.system_libraries import told_what_is_missing
from keypoint_extractors.tflite_pruning import without_unwanted_outputs
from poseauth.arrays import Float32Array, Float64Array, UInt8Array
from poseauth.errors import ExtractorError

_ADVICE = "Install it with: pip install ai-edge-litert (Python 3.10 to 3.14; Linux, Windows, macOS on Apple silicon)"


class Network:
    """A network with one picture as its input and float32 all through.

    Parameters
    ----------
    model : bytes
        The TFLite file.
    wanted : sequence of int
        Numbers of its outputs that are computed; what only the others depend on is left out.
    pixel_range : tuple of float
        What the pixel values 0 and 255 become.
    n_threads : int
        Threads that share one run. They change the speed, not the result: every value is computed by one of them.

    Raises
    ------
    ExtractorMissingError
        If LiteRT is not there.
    ExtractorError
        If it cannot run this network.
    """

    def __init__(
        self, model: bytes, wanted: Sequence[int], *, pixel_range: tuple[float, float] = (0.0, 1.0), n_threads: int = 1
    ) -> None:
        with told_what_is_missing("LiteRT", _ADVICE):
            from ai_edge_litert.interpreter import Interpreter
        low, high = pixel_range
        self._scale, self._offset = np.float32((high - low) / 255), np.float32(low)
        try:
            with native_logs_silenced():
                self._interpreter: Any = Interpreter(
                    model_content=without_unwanted_outputs(model, wanted), num_threads=n_threads
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ExtractorError(f"LiteRT cannot run the network: {error}") from error
        outputs = [entry["index"] for entry in self._interpreter.get_output_details()]
        self._outputs = [outputs[number] for number in wanted]
        # A view of the network's own memory; none may be held while it runs, so that it is asked for anew each time.
        self._input = self._interpreter.tensor(self._interpreter.get_input_details()[0]["index"])

    def run(self, picture: UInt8Array) -> list[Float32Array]:
        """The wanted outputs, without the dimension of the batch.

        Parameters
        ----------
        picture : np.ndarray [shape=(H, W, 3)], uint8
            RGB, of the network's own size.

        Raises
        ------
        ExtractorError
            If LiteRT fails.
        """
        np.multiply(picture, self._scale, out=self._input()[0], casting="unsafe", dtype=np.float32)
        if self._offset:
            self._input()[0] += self._offset
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ExtractorError(f"LiteRT failed: {error}") from error
        return [np.asarray(self._interpreter.get_tensor(number)[0], np.float32) for number in self._outputs]


def sigmoid(values: Float32Array | Float64Array) -> Float64Array:
    """A network's raw answers as confidences, 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values.astype(np.float64), -80, 80))))
