"""Finding the cuts of a video while it streams by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np

from keypoint_extractors.system_libraries import told_what_is_missing
from keypoint_extractors.video import Frame
from poseauth.arrays import UInt8Array
from poseauth.windows import FPS

_SCAN_WIDTH = 160
"""Pixels: cuts are looked for in small pictures."""
_LOOKAHEAD = 2
"""Frames before and after that a change must stand out against."""
_MIN_SHOT_FRAMES = 5


def number_shots(frames: Iterator[Frame]) -> Iterator[tuple[Frame, int]]:
    """Each frame with the number of its shot, from 0, a few frames delayed.

    PySceneDetect's adaptive detector decides: the change from one picture to the next in hue, saturation and
    brightness must stand out against its neighbours, so that a fast pan or gesture is no cut.

    Parameters
    ----------
    frames : iterator of Frame
        In order of time.

    Yields
    ------
    tuple of Frame and int

    Raises
    ------
    ExtractorMissingError
        If OpenCV, or a system library that it wants, is not there.
    """
    with told_what_is_missing("OpenCV", "Try: pip install --upgrade opencv-python scenedetect"):
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector

    detector = AdaptiveDetector(window_width=_LOOKAHEAD, min_scene_len=_MIN_SHOT_FRAMES)
    waiting: deque[tuple[int, Frame]] = deque()
    cuts: set[int] = set()
    shot = 0
    for index, frame in chain(enumerate(frames), repeat((-1, None), _LOOKAHEAD)):
        if frame is not None:
            waiting.append((index, frame))
            timecode = FrameTimecode(index, fps=FPS)
            cuts.update(int(cut.frame_num) for cut in detector.process_frame(timecode, _small_bgr(frame.rgb)))
        if waiting and (frame is None or len(waiting) > _LOOKAHEAD):
            first, oldest = waiting.popleft()
            shot += first in cuts
            yield oldest, shot


def _small_bgr(rgb: UInt8Array) -> UInt8Array:
    import cv2

    height, width = rgb.shape[:2]
    size = (_SCAN_WIDTH, max(8, round(_SCAN_WIDTH * height / width)))
    if width > 2 * _SCAN_WIDTH:  # averaging every pixel of a large picture takes four times as long
        rgb = cv2.resize(rgb, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), dtype=np.uint8)
