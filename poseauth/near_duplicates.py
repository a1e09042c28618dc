"""Finding the same movement in two sequences: a copy that was re-encoded, scaled, shifted or cut differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from poseauth.arrays import Float32Array, Float64Array
from poseauth.evidence import AFTER_S
from poseauth.features import median_torso_sizes, to_torso
from poseauth.keypoints import L_ELBOW, L_SHOULDER, L_WRIST, NOSE, R_ELBOW, R_SHOULDER, R_WRIST, KeypointSequence
from poseauth.long_arrays import LongArray, in_pieces, let_go
from poseauth.windows import FPS, WINDOW_S, find_segments

MIN_SHARED_S = WINDOW_S
"""A stretch of this length is compared at once; one is taken every second, so that 6 s in common are never missed. What
is shared for less than a window cannot be learnt and tested as one."""
MIN_CORRELATION = 0.9
"""Above what chance gives: 0.87 was the most over 45,301 pairs of different recordings of four people (Balance Corpus).
A copy with independent noise of 1 % of the torso size on every keypoint and frame reaches 0.93 and more."""
MAX_AMBIGUITY = 0.2
"""What the correlation lacks to 1, over what it lacks at the next best place of either recording, a second to a minute
away. Above, it is a manner of moving and no one movement: of 80 pairs of different recordings of invented beats of both
arms at one pace, all above 0.9, the least was 0.23. Copies of 67 real recordings with that noise have 0.13 at the most,
and one moment before two cameras 0.11 in the middle."""
MIN_MOVEMENT = 0.03
"""Root mean square way from the mean, in torso sizes, below which somebody is still: nothing to recognise them by."""

NOISE_FLOOR = 0.02
"""Torso sizes: a keypoint that moves less than about this counts for little, since its correlation is the estimator's
noise."""

_EVERY_S = 1.0
_FAR_S = AFTER_S[1]
"""A rhythm comes again sooner than this. What is shown once more after it is a copy, shown twice; within it,
`poseauth.evidence` finds that."""
_FRAME_STEP = 3
"""Frames averaged into one sample; every lag of one frame is still tried."""
_KEYPOINTS = [NOSE, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST]
_STRETCH_FRAMES = round(MIN_SHARED_S * FPS)
_N_SAMPLES = _STRETCH_FRAMES // _FRAME_STEP
_SPAN_FRAMES = (_N_SAMPLES - 1) * _FRAME_STEP + 1
"""From the first sample to the last."""
_N_VALUES = _N_SAMPLES * 2 * len(_KEYPOINTS)
_MAX_LAGS = 1024
_MAX_CORRELATIONS = 1 << 22
"""Lags, and lags times stretches, compared at once, for memory."""
_FARTHEST = 1e6
"""Torso sizes; what lies farther out is in no picture, and its square would be no number."""

_Rows = npt.NDArray[np.intp]
_Piece = tuple[float, Float32Array]
"""First frame and coordinates [shape=(S, 14)], as of `_pieces`."""


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


@dataclass(frozen=True, eq=False)
class TakenApart:
    """Sequences as others are held against them, again and again: 16 MB for an hour of movement.

    Attributes
    ----------
    stretches : np.ndarray [shape=(M, 700)], float32
        One a second of each sequence in which somebody moves, brought to length 1.
    starts : np.ndarray [shape=(M,)], float64
        Frame of the sequence, at 30 fps, that each begins with.
    owners : np.ndarray [shape=(M,)], intp
        Number of the sequence that each is of, never decreasing.
    pieces : sequence of sequence
        Of each sequence the first frame and the coordinates of every uncut piece that is long enough.
    """

    stretches: Float32Array
    starts: Float64Array
    owners: _Rows
    pieces: Sequence[Sequence[_Piece]]


def take_apart(sequences: Sequence[KeypointSequence]) -> TakenApart:
    """Sequences brought to what `find_near_duplicate` compares; do it once for what many are held against."""
    pieces = [_pieces(sequence) for sequence in sequences]
    stretches: list[Float32Array] = [np.zeros((0, _N_VALUES), np.float32)]
    starts: list[Float64Array] = [np.zeros(0)]
    owners = [np.zeros(0, np.intp)]
    for owner, some in enumerate(pieces):
        for start_frame, series in some:
            rows, moving = _unit_stretches(series, np.arange(0, _n_lags(series), round(_EVERY_S * FPS)))
            stretches.append(rows)
            starts.append(np.asarray(start_frame + moving, np.float64))
            owners.append(np.full(len(rows), owner))
    return TakenApart(np.concatenate(stretches), np.concatenate(starts), np.concatenate(owners), pieces)


def find_near_duplicate(
    first: Sequence[KeypointSequence], second: Sequence[KeypointSequence] | TakenApart
) -> NearDuplicate | None:
    """The first pair, one of either side, that shares a stretch of movement; None where no pair does.

    Compared are the keypoints of nose, shoulders, elbows and wrists, seen from each frame's neck in torso sizes, at
    30 fps by timestamp: place, size and frame rate of the picture do not matter. A stretch of 5 s of one side, its mean
    taken off, is held against the other side at every lag. Every keypoint weighs alike as soon as it moves: one raised
    arm is like another, all seven keypoints at once are not. A stretch that either recording repeats within a minute,
    or nearly, is a rhythm and marks neither. A mirrored copy is not found.

    Parameters
    ----------
    first : sequence of KeypointSequence
        One side.
    second : sequence of KeypointSequence, or TakenApart
        The other, which should have nothing in common with the first.
    """
    known = second if isinstance(second, TakenApart) else take_apart(second)
    for number, sequence in enumerate(first):
        shared = _shared(_pieces(sequence), known)
        if shared:
            owner = max(shared, key=lambda owner: shared[owner])
            return NearDuplicate(number, owner, shared[owner])
    return None


def near_duplicates(
    sequences: Sequence[KeypointSequence], *, passed_over: Callable[[int, int], bool] = lambda first, second: False
) -> list[NearDuplicate]:
    """Every pair within one set that shares a stretch of movement; the first of a pair has the lower number.

    Compared as in `find_near_duplicate`. 83 minutes in 302 recordings take 2 s of one core, twice as many minutes four
    times as long.

    Parameters
    ----------
    sequences : sequence of KeypointSequence
        The set.
    passed_over : callable
        Says of two numbers, the lower first, whether that pair need not be compared.
    """
    known, found = take_apart(sequences), []
    for number, pieces in enumerate(known.pieces):
        others = [other for other in range(number + 1, len(sequences)) if not passed_over(number, other)]
        shared = _shared(pieces, known, np.flatnonzero(np.isin(known.owners, others)))
        found += [NearDuplicate(number, owner, correlation) for owner, correlation in shared.items()]
    return found


def _shared(pieces: Sequence[_Piece], known: TakenApart, rows: slice | _Rows = slice(None)) -> dict[int, float]:
    """Which sequences share one of these stretches of theirs with the pieces, each with the best correlation."""
    stretches, starts, owners = known.stretches[rows], known.starts[rows], known.owners[rows]
    best, places = _best_match(stretches, pieces)
    alike = np.flatnonzero(best >= MIN_CORRELATION)  # few, so that only these are sought again
    elsewhere = _best_elsewhere(stretches[alike], places[alike], pieces)
    found = {}
    for owner in np.unique(owners[alike]):
        of_owner = owners[alike] == owner
        some = alike[of_owner]
        next_best = np.maximum(elsewhere[of_owner], _best_elsewhere(stretches[some], starts[some], known.pieces[owner]))
        unique = (next_best < MIN_CORRELATION) & (1 - best[some] <= MAX_AMBIGUITY * (1 - next_best))
        if unique.any():
            found[int(owner)] = float(best[some[unique]].max())
    return found


def _best_match(stretches: Float32Array, pieces: Sequence[_Piece]) -> tuple[Float32Array, Float64Array]:
    """Best correlation of each stretch at any lag, and the frame where it is found."""
    best, places = np.full(len(stretches), -1.0, dtype=np.float32), np.full(len(stretches), np.nan)
    for frames, correlation in _correlations(stretches, pieces):
        at = correlation.argmax(axis=0)
        here = correlation[at, np.arange(len(stretches))]
        places = np.where(here > best, frames[at], places)
        best = np.maximum(best, here)
    return best, places


def _best_elsewhere(stretches: Float32Array, places: Float64Array, pieces: Sequence[_Piece]) -> Float32Array:
    """Best correlation of each stretch where it begins a second or more from its place, and no more than a minute."""
    best = np.full(len(stretches), -1.0, dtype=np.float32)
    for frames, correlation in _correlations(stretches, pieces):
        away = np.abs(frames[:, None] - places)
        correlation[(away < _EVERY_S * FPS) | (away > _FAR_S * FPS)] = -1.0
        best = np.maximum(best, correlation.max(axis=0))
    return best


def _correlations(stretches: Float32Array, pieces: Sequence[_Piece]) -> Iterator[tuple[Float64Array, Float32Array]]:
    """Some frames of the pieces after others, and what each stretch has in common with each [shape=(n, M)]."""
    for start_frame, series in pieces if len(stretches) else ():
        lags = np.arange(_n_lags(series))
        n_at_once = max(1, min(_MAX_LAGS, _MAX_CORRELATIONS // len(stretches)))
        for block in np.split(lags, np.arange(n_at_once, len(lags), n_at_once)):
            sliding, moving = _unit_stretches(series, block)
            if len(sliding):
                yield np.asarray(start_frame + moving, np.float64), np.asarray(sliding @ stretches.T)


def _n_lags(series: Float32Array) -> int:
    return len(series) - _SPAN_FRAMES + 1


def _pieces(sequence: KeypointSequence) -> list[_Piece]:
    """Of each uncut piece that is long enough the first frame and the torso-relative coordinates, frames averaged."""
    return [
        (segment.start_s * FPS, _averaged(segment.keypoints))
        for segment in find_segments(sequence)
        if len(segment.keypoints) >= _STRETCH_FRAMES
    ]


def _averaged(keypoints: Float32Array) -> Float32Array:
    sizes = median_torso_sizes(keypoints[None])
    series = LongArray((2 * len(_KEYPOINTS),))
    for frames in in_pieces(len(keypoints) - _FRAME_STEP + 1):
        some = keypoints[None, frames.start : frames.stop + _FRAME_STEP - 1]
        relative = to_torso(some, sizes=sizes)[0][:, _KEYPOINTS].reshape(some.shape[1], -1)
        relative[np.abs(relative) > _FARTHEST] = np.nan
        n_sums = len(relative) - _FRAME_STEP + 1
        sums = [relative[frame : frame + n_sums] for frame in range(_FRAME_STEP)]
        series.add(np.sum(sums, axis=0) / np.float32(_FRAME_STEP))
    return series.array()


def _unit_stretches(series: Float32Array, starts: _Rows) -> tuple[Float32Array, _Rows]:
    """Stretches from these frames on, brought to length 1, and the frames of those in which somebody moves.

    The frames increase, and those between them are read.
    """
    some = np.ascontiguousarray(series[starts[0] : starts[-1] + _SPAN_FRAMES].T)
    let_go(series)
    every = np.lib.stride_tricks.sliding_window_view(some, _SPAN_FRAMES, axis=1)[:, :, ::_FRAME_STEP]
    stretches = every.transpose(1, 0, 2)[starts - starts[0]]
    seen = np.isfinite(stretches)
    stretches[~seen] = 0.0
    stretches -= stretches.sum(axis=2, keepdims=True) / np.maximum(seen.sum(axis=2, keepdims=True), 1, dtype=np.float32)
    stretches *= seen
    squares = np.einsum("nct,nct->nc", stretches, stretches).reshape(len(starts), len(_KEYPOINTS), 2)
    movement = squares.sum(axis=2) / (2 * _N_SAMPLES)
    stretches /= np.repeat(np.sqrt(movement + NOISE_FLOOR**2), 2, axis=1)[:, :, None]
    moves = np.sqrt(movement.mean(axis=1)) >= MIN_MOVEMENT
    rows = stretches[moves].reshape(moves.sum(), _N_VALUES)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, starts[moves]
