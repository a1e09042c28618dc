"""Finding the same movement in two sequences: a copy that was re-encoded, scaled, shifted or cut differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from poseauth.arrays import BoolArray, Float32Array, Float64Array
from poseauth.features import to_torso
from poseauth.keypoints import L_ELBOW, L_SHOULDER, L_WRIST, NOSE, R_ELBOW, R_SHOULDER, R_WRIST, KeypointSequence
from poseauth.windows import FPS, WINDOW_S, find_segments

MIN_SHARED_S = WINDOW_S
"""A stretch of this length is compared at once; one is taken every second, so that 6 s in common are never missed. What
is shared for less than a window cannot be learnt and tested as one."""
MIN_CORRELATION = 0.9
"""Above what chance gives: 0.85 was the most over 5,698 pairs of different recordings of four people (Balance Corpus).
A copy with independent noise of 1 % of the torso size on every keypoint and frame reaches 0.93 and more."""
MIN_MOVEMENT = 0.03
"""Root mean square way from the mean, in torso sizes, below which somebody is still: nothing to recognise them by."""

NOISE_FLOOR = 0.02
"""Torso sizes: a keypoint that moves less than about this counts for little, since its correlation is the estimator's
noise."""

_EVERY_S = 1.0
_FRAME_STEP = 3
"""Frames averaged into one sample; every lag of one frame is still tried."""
_KEYPOINTS = [NOSE, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST]
_STRETCH_FRAMES = round(MIN_SHARED_S * FPS)
_N_VALUES = _STRETCH_FRAMES // _FRAME_STEP * 2 * len(_KEYPOINTS)
_MAX_LAGS = 1024
"""Lags compared at once, for memory."""

_Starts = npt.NDArray[np.intp]


@dataclass(frozen=True)
class NearDuplicate:
    """A stretch of movement that two sequences have in common.

    Attributes
    ----------
    first, second : int
        Numbers of the sequences.
    correlation : float
        Normalised correlation of the stretch, at most 1.
    """

    first: int
    second: int
    correlation: float


def find_near_duplicate(
    first: Sequence[KeypointSequence], second: Sequence[KeypointSequence], *, min_correlation: float = MIN_CORRELATION
) -> NearDuplicate | None:
    """The first pair, one of either side, that shares a stretch of movement; None where no pair does.

    Compared are the keypoints of nose, shoulders, elbows and wrists, seen from each frame's neck in torso sizes, at
    30 fps by timestamp: place, size and frame rate of the picture do not matter. A stretch of 5 s of one side, its mean
    taken off, is held against the other side at every lag. Every keypoint weighs alike as soon as it moves: one raised
    arm is like another, all seven keypoints at once are not. A stretch that either recording repeats is a rhythm and
    marks neither. A mirrored copy is not found.

    Parameters
    ----------
    first, second : sequence of KeypointSequence
        Two sides that should have nothing in common.
    min_correlation : float
        From here on two stretches count as the same, 0 to 1.
    """
    pieces = [_stretches(sequence) for sequence in second]
    owners = np.repeat(np.arange(len(pieces)), [len(rows) for rows in pieces])
    if not len(owners):
        return None
    stretches = np.concatenate([rows for rows in pieces if len(rows)])
    for number, sequence in enumerate(first):
        best, repeats = _best_match(stretches, sequence, min_correlation)
        best[repeats] = -1.0
        if best.max() >= min_correlation:
            return NearDuplicate(number, int(owners[best.argmax()]), float(best.max()))
    return None


def _stretches(sequence: KeypointSequence) -> Float32Array:
    """One stretch a second, unit rows [shape=(M, D)], without those that the sequence itself repeats."""
    found = [
        _unit_stretches(series, np.arange(0, len(series) - _STRETCH_FRAMES + 1, round(_EVERY_S * FPS)))[0]
        for _, series in _series(sequence)
    ]
    rows = np.concatenate([np.zeros((0, _N_VALUES), np.float32), *found])
    _, repeats = _best_match(rows, sequence, MIN_CORRELATION)
    return np.asarray(rows[~repeats])


def _best_match(
    stretches: Float32Array, sequence: KeypointSequence, min_correlation: float
) -> tuple[Float32Array, BoolArray]:
    """Best correlation of each stretch at any lag, and whether it is found at two places: a rhythm marks nobody."""
    best = np.full(len(stretches), -1.0, dtype=np.float32)
    first, last = np.full(len(stretches), np.inf), np.full(len(stretches), -np.inf)
    for start_frame, series in _series(sequence):
        lags = np.arange(len(series) - _STRETCH_FRAMES + 1)
        for block in np.split(lags, np.arange(_MAX_LAGS, len(lags), _MAX_LAGS)):
            sliding, kept = _unit_stretches(series, block)
            correlation = sliding @ stretches.T
            if not correlation.size:
                continue
            best = np.maximum(best, correlation.max(axis=0))
            places = np.where(correlation >= min_correlation, start_frame + kept[:, None], np.nan)
            first, last = np.fmin(first, _least(places)), np.fmax(last, -_least(-places))
    return best, last - first >= _EVERY_S * FPS


def _least(places: Float64Array) -> Float64Array:
    return np.asarray(np.where(np.isnan(places), np.inf, places).min(axis=0))


def _series(sequence: KeypointSequence) -> Iterator[tuple[float, Float32Array]]:
    """First frame and torso-relative coordinates [shape=(S, 14)] of each uncut piece that is long enough."""
    for segment in find_segments(sequence):
        if len(segment.keypoints) >= _STRETCH_FRAMES:
            relative = to_torso(segment.keypoints[None])[0][:, _KEYPOINTS]
            yield segment.start_s * FPS, relative.reshape(len(relative), -1)


def _unit_stretches(series: Float32Array, starts: _Starts) -> tuple[Float32Array, _Starts]:
    """Stretches from these frames on, brought to length 1, and the frames of those in which somebody moves."""
    smooth = np.lib.stride_tricks.sliding_window_view(series, _FRAME_STEP, axis=0).mean(axis=-1)
    samples = np.arange(_STRETCH_FRAMES // _FRAME_STEP) * _FRAME_STEP
    stretches = smooth[starts[:, None] + samples].reshape(len(starts), len(samples), len(_KEYPOINTS), 2)
    seen = np.isfinite(stretches)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, stretches, 0.0).sum(axis=1, keepdims=True) / count
    centred = np.where(seen, stretches - mean, 0.0)
    movement = (centred**2).mean(axis=(1, 3), keepdims=True)
    weighted = centred / np.sqrt(movement + NOISE_FLOOR**2)
    moves = np.sqrt(movement.mean(axis=(1, 2, 3))) >= MIN_MOVEMENT
    rows = weighted[moves].reshape(moves.sum(), _N_VALUES)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32), starts[moves]
