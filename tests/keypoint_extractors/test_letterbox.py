"""Frames lie in the input where ultralytics lays them."""

from __future__ import annotations

import numpy as np
import pytest

from keypoint_extractors.letterbox import lay_into_input, letterbox
from keypoint_extractors.quiet_ultralytics import import_ultralytics


@pytest.mark.parametrize(
    ("size", "padded"), [((1280, 720), (640, 384)), ((720, 1280), (384, 640)), ((640, 640), (640, 640))]
)
def test_the_input_is_the_smallest_rectangle_of_the_stride(size, padded):
    assert letterbox(*size, 640, 32).padded == padded


@pytest.mark.parametrize("size", [(1280, 720), (719, 1283), (333, 500), (64, 2000), (2000, 3)])
def test_the_frame_lies_in_the_input_as_ultralytics_lays_it(size):
    width, height = size
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    box = letterbox(width, height, 640, 32)
    augment = import_ultralytics("data.augment")
    expected = augment.LetterBox((640, 640), auto=True, stride=32)(image=frame)
    (picture,) = lay_into_input([frame], box)
    np.testing.assert_array_equal(picture, expected)
