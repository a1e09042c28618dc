"""From which side a camera sees somebody, by how their head is turned to it: another side makes scores worthless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poseauth.arrays import Float32Array, Float64Array
from poseauth.keypoints import L_EAR, L_EYE, NECK, NOSE, R_EAR, R_EYE
from poseauth.long_arrays import in_pieces, let_go
from poseauth.windows import WINDOW_FRAMES, Windows, torso_size

FIGURES = ("eyes", "ears", "nose")
"""How much farther the nose is from the left eye than from the right one, and so for the ears, as a share of both
distances; and how far it lies beside the neck, in torso sizes, to the right of the picture."""

UNBOUNDED = 1e9
"""End of a range that nobody knows: JSON has no infinity."""

RANGE = (2.0, 98.0)
"""Percentiles of the enrolled windows between which the middle of a clip must lie, in every figure. On recordings of
four people (Balance Corpus) by another camera, some 25 degrees aside, 71 % of clips lie outside and are not judged; of
48 % of genuine clips that would have counted against the person 5 % were left. By the same camera on another day 8 % of
genuine clips lie outside, and 33 % of other people's, who look elsewhere (docs/evidence.md)."""


LEAST = (0.1, 0.4, 0.06)
"""Each range reaches at least so far from its middle, some twenty degrees of a turn: few videos know little of it."""


@dataclass(frozen=True)
class HeadTurns:
    """How the head is turned in the videos that a person was learnt from.

    Attributes
    ----------
    low, high : tuple of float
        The range of each of `FIGURES`; minus and plus UNBOUNDED where a figure was never seen.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not len(self.low) == len(self.high) == len(FIGURES):
            raise ValueError(f"{len(self.low)} and {len(self.high)} ends for {len(FIGURES)} figures")
        if not all(low <= high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"a range of head turns from {self.low} to {self.high}")

    def outside(self, windows: Windows) -> tuple[str, ...]:
        """Those of `FIGURES` in which the middle of a clip lies outside the range."""
        turns = head_turns(windows)
        found = []
        for name, low, high, values in zip(FIGURES, self.low, self.high, turns.T, strict=True):
            known = values[np.isfinite(values)]
            if len(known) and not low <= float(np.median(known)) <= high:
                found.append(name)
        return tuple(found)


def head_turns(windows: Windows) -> Float64Array:
    """The median of each of `FIGURES` in each window.

    Returns
    -------
    np.ndarray [shape=(N, 3)], float64
        NaN where a figure is seen in no frame of a window.
    """
    figures = np.zeros((len(windows.movement), len(FIGURES)))
    for frames in in_pieces(len(figures)):
        figures[frames] = _figures(windows.movement[frames])
        let_go(windows.movement)
    rows = [_medians(figures[first : first + WINDOW_FRAMES]) for first in windows.first_frame]
    return np.array(rows, dtype=np.float64).reshape(-1, len(FIGURES))


def _figures(movement: Float32Array) -> Float64Array:
    """`FIGURES` of each frame."""
    points = movement.astype(np.float64)

    def away(keypoint: int) -> Float64Array:
        return np.asarray(np.linalg.norm(points[:, NOSE] - points[:, keypoint], axis=-1))

    def share(left: int, right: int) -> Float64Array:
        far_left, far_right = away(left), away(right)
        both = far_left + far_right
        return np.divide(far_left - far_right, both, out=np.full_like(both, np.nan), where=both > 0)

    size = torso_size(movement).astype(np.float64)
    aside = points[:, NOSE, 0] - points[:, NECK, 0]
    nose = np.divide(aside, size, out=np.full_like(aside, np.nan), where=size > 0)
    return np.stack([share(L_EYE, R_EYE), share(L_EAR, R_EAR), nose], axis=1)


def turns_of(videos: Sequence[Windows]) -> HeadTurns:
    """The range of the enrolled windows, between the percentiles `RANGE`, and never narrower than `LEAST`."""
    everything = np.concatenate([head_turns(windows) for windows in videos])
    ends = []
    for values, least in zip(everything.T, LEAST, strict=True):
        known = values[np.isfinite(values)]
        if not len(known):
            ends.append((-UNBOUNDED, UNBOUNDED))
            continue
        (low, high), middle = np.percentile(known, RANGE), np.median(known)
        ends.append((float(min(low, middle - least)), float(max(high, middle + least))))
    return HeadTurns(tuple(low for low, _ in ends), tuple(high for _, high in ends))


def _medians(figures: Float64Array) -> list[float]:
    return [float(np.median(known)) if len(known := values[np.isfinite(values)]) else np.nan for values in figures.T]
