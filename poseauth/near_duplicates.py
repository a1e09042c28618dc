"""Finding the same movement in two sequences: a copy re-encoded, scaled, cut, at another speed or played backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from poseauth.arrays import BoolArray, Float32Array, Float64Array
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
MAX_SLOW_RESIDUAL = 0.006
"""What two stretches of length 1 differ by, times the same 0.3 to 0.5 s later, summed over the stretch. A copy differs
by the estimator's noise, which by then is another: 0.0034 at the most in the best stretch of 12 copies of real videos,
encoded again. A second take of a slow action differs slowly: 0.011 at the least of 182 invented pairs above 0.9."""
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
_TO_MIDDLE = (_SPAN_FRAMES - 1) / 2
_N_VALUES = _N_SAMPLES * 2 * len(_KEYPOINTS)
_MAX_LAGS = 1024
_MAX_CORRELATIONS = 1 << 22
"""Lags, and lags times stretches, compared at once, for memory."""
_RESIDUAL_LAGS = (3, 4, 5)
"""In samples: 0.3 to 0.5 s."""
_SPEEDS = np.array([direction * 1.15**step for direction in (1, -1) for step in (-2, -1, 0, 1, 2)])
"""Of the second side against the first, below 0 backwards: each finds what is up to 7 % slower or faster."""
_NEAR_SPEEDS = np.arange(0.93, 1.075, 0.01)
"""Times one of `_SPEEDS`, looked at closely."""
_SLOW_MEAN = 5
"""Samples in a row, half a second, whose mean is one of the slow movement."""
_SLOW_OFFSETS = 15 * np.arange(10)
"""Frames of the means that make a stretch."""
_N_SLOW_VALUES = len(_SLOW_OFFSETS) * 2 * len(_KEYPOINTS)
_SLOW_EVERY = 5
"""Frames from one lag to the next."""
_SECONDS_AT_ONCE = 256
"""Taken apart at once, for memory."""
_NEAR_FRAMES = 6
"""Lags looked at closely before and after one of these."""
_MAX_LOOKS = 4
"""At places of one sequence."""
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
class Stretches:
    """Stretches of sequences in which somebody moves, one begun every second.

    Attributes
    ----------
    rows : np.ndarray [shape=(M, V)], float32
        Coordinates, each stretch brought to length 1.
    starts : np.ndarray [shape=(M,)], float64
        Earliest frame of the sequence, at 30 fps.
    speeds : np.ndarray [shape=(M,)], float64
        How fast the sequence is played; below 0 backwards.
    owners : np.ndarray [shape=(M,)], intp
        Number of the sequence, never decreasing.
    """

    rows: Float32Array
    starts: Float64Array
    speeds: Float64Array
    owners: _Rows

    def of(self, owners: Sequence[int]) -> Stretches:
        """Those of some sequences."""
        some = np.flatnonzero(np.isin(self.owners, owners))
        in_a_row = len(some) > 0 and some[-1] - some[0] == len(some) - 1
        picked = slice(some[0], some[-1] + 1) if in_a_row else some  # a slice copies nothing
        return Stretches(self.rows[picked], self.starts[picked], self.speeds[picked], self.owners[picked])


@dataclass(frozen=True, eq=False)
class TakenApart:
    """Sequences as others are held against them, again and again: 36 MB for an hour of movement.

    Attributes
    ----------
    stretches : Stretches
        Five seconds of the movement as it is, V = 700.
    slow : Stretches
        The slow part of what fills five seconds at one of the speeds, V = 140.
    pieces : sequence of sequence
        Of each sequence the first frame and the coordinates of every uncut piece that is long enough.
    """

    stretches: Stretches
    slow: Stretches
    pieces: Sequence[Sequence[_Piece]]


def take_apart(sequences: Sequence[KeypointSequence]) -> TakenApart:
    """Sequences brought to what `find_near_duplicate` compares; do it once for what many are held against."""
    pieces = [_pieces(sequence) for sequence in sequences]
    stretches, slow = [_no_stretches(_N_VALUES)], [_no_stretches(_N_SLOW_VALUES)]
    for owner, some in enumerate(pieces):
        for start_frame, series in some:
            seconds = np.arange(0, _n_lags(series), round(_EVERY_S * FPS))
            rows, moving = _unit_stretches(series, seconds)
            starts = np.asarray(start_frame + moving, np.float64)
            stretches.append(Stretches(rows, starts, np.ones(len(rows)), np.full(len(rows), owner)))
            seconds = np.arange(0, len(series), round(_EVERY_S * FPS))
            for at_once in np.split(seconds, np.arange(_SECONDS_AT_ONCE, len(seconds), _SECONDS_AT_ONCE)):
                rows, moving, speeds = _slow_stretches(series, at_once, _SPEEDS)
                starts = np.asarray(start_frame + moving, np.float64)
                slow.append(Stretches(rows, starts, speeds, np.full(len(rows), owner)))
    return TakenApart(_joined(stretches), _joined(slow), pieces)


def _no_stretches(n_values: int) -> Stretches:
    return Stretches(np.zeros((0, n_values), np.float32), np.zeros(0), np.zeros(0), np.zeros(0, np.intp))


def _joined(some: Sequence[Stretches]) -> Stretches:
    return Stretches(
        np.concatenate([stretches.rows for stretches in some]),
        np.concatenate([stretches.starts for stretches in some]),
        np.concatenate([stretches.speeds for stretches in some]),
        np.concatenate([stretches.owners for stretches in some]),
    )


def find_near_duplicate(
    first: Sequence[KeypointSequence], second: Sequence[KeypointSequence] | TakenApart
) -> NearDuplicate | None:
    """The first pair, one of either side, that shares a stretch of movement; None where no pair does.

    Compared are the keypoints of nose, shoulders, elbows and wrists, seen from each frame's neck in torso sizes, at
    30 fps by timestamp: place, size and frame rate of the picture do not matter. A stretch of 5 s of one side, its mean
    taken off, is held against the other side at every lag. Every keypoint weighs alike as soon as it moves: one raised
    arm is like another, all seven keypoints at once are not. What the two differ by has to be noise: a second take of
    an action differs slowly. A stretch that either recording repeats within a minute, or nearly, is a rhythm and marks
    neither. At 0.7 to 1.4 times the speed, and backwards, slow movement is compared first, and closely only where that
    is alike. A mirrored copy is not found.

    Parameters
    ----------
    first : sequence of KeypointSequence
        One side.
    second : sequence of KeypointSequence, or TakenApart
        The other, which should have nothing in common with the first.
    """
    known = second if isinstance(second, TakenApart) else take_apart(second)
    for number, sequence in enumerate(first):
        shared = _shared(_pieces(sequence), known, range(len(known.pieces)))
        if shared:
            owner = max(shared, key=lambda owner: shared[owner])
            return NearDuplicate(number, owner, shared[owner])
    return None


def near_duplicates(
    sequences: Sequence[KeypointSequence], *, passed_over: Callable[[int, int], bool] = lambda first, second: False
) -> list[NearDuplicate]:
    """Every pair within one set that shares a stretch of movement; the first of a pair has the lower number.

    Compared as in `find_near_duplicate`. 83 minutes in 302 recordings take 3 s of one core, twice as many minutes four
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
        shared = _shared(pieces, known, others)
        found += [NearDuplicate(number, owner, correlation) for owner, correlation in shared.items()]
    return found


def _shared(pieces: Sequence[_Piece], known: TakenApart, others: Sequence[int]) -> dict[int, float]:
    """Which of the others share a stretch of theirs with the pieces, each with the best correlation."""
    found = _shared_as_it_is(pieces, known.stretches.of(others), known)
    slow = known.slow.of(others)
    best, places = _best_match(slow.rows, pieces, slow=True)
    promising = np.flatnonzero(best >= MIN_CORRELATION)
    for owner in np.setdiff1d(slow.owners[promising], list(found)):
        of_owner = promising[slow.owners[promising] == owner]
        for row in of_owner[np.argsort(-best[of_owner])][:_MAX_LOOKS]:
            middle, speed = slow.starts[row] + _slow_middle(slow.speeds[row]), slow.speeds[row]
            correlation = _looked_at_closely(pieces, places[row], known.pieces[owner], middle, speed)
            if correlation is not None:
                found[int(owner)] = correlation
                break
    return dict(sorted(found.items()))


def _shared_as_it_is(pieces: Sequence[_Piece], stretches: Stretches, known: TakenApart) -> dict[int, float]:
    """`_shared`, neither faster nor slower nor backwards."""
    best, places = _best_match(stretches.rows, pieces)
    alike = np.flatnonzero(best >= MIN_CORRELATION)  # few, so that only these are sought again
    alike = alike[np.array([_leaves_noise(stretches.rows[row], places[row], pieces) for row in alike], bool)]
    elsewhere = _best_elsewhere(stretches.rows[alike], places[alike], pieces)
    found = {}
    for owner in np.unique(stretches.owners[alike]):
        of_owner = stretches.owners[alike] == owner
        some = alike[of_owner]
        own = _best_elsewhere(stretches.rows[some], stretches.starts[some], known.pieces[owner])
        unique = _is_unique(best[some], np.maximum(elsewhere[of_owner], own))
        if unique.any():
            found[int(owner)] = float(best[some[unique]].max())
    return found


def _looked_at_closely(
    pieces: Sequence[_Piece], frame: float, others: Sequence[_Piece], middle: float, speed: float
) -> float | None:
    """Correlation of the best stretch near this frame with what the others show about theirs; None: it is no copy."""
    start_frame, series = _piece_of(frame, pieces)
    lag = round(frame - start_frame)
    lags = np.arange(max(0, lag - _NEAR_FRAMES), min(lag + _NEAR_FRAMES + 1, _n_lags(series)))
    first, moving = _unit_stretches(series, lags)
    second, speeds = _unit_stretches_at(_piece_of(middle, others), middle, speed * _NEAR_SPEEDS)
    if not len(first) or not len(second):
        return None
    correlation = first @ second.T
    at, near = np.unravel_index(correlation.argmax(), correlation.shape)
    if correlation[at, near] < MIN_CORRELATION or _slow_residual(first[at], second[near]) > MAX_SLOW_RESIDUAL:
        return None
    here = _played(pieces, start_frame + moving[at] + _TO_MIDDLE, 1.0)
    there = _played(others, middle, speeds[near])
    elsewhere = np.maximum(
        _best_elsewhere(second[near : near + 1], np.zeros(1), here),
        _best_elsewhere(first[at : at + 1], np.zeros(1), there),
    )
    return float(correlation[at, near]) if _is_unique(correlation[at, near], elsewhere).all() else None


def _is_unique(best: Float32Array | np.float32, elsewhere: Float32Array) -> BoolArray:
    return np.asarray((elsewhere < MIN_CORRELATION) & (1 - best <= MAX_AMBIGUITY * (1 - elsewhere)))


def _leaves_noise(stretch: Float32Array, place: float, pieces: Sequence[_Piece]) -> bool:
    """Whether a stretch [shape=(700,)] differs from what begins at its place by noise alone."""
    start_frame, series = _piece_of(place, pieces)
    rows, _ = _unit_stretches(series, np.array([round(place - start_frame)]))
    return any(_slow_residual(stretch, row) <= MAX_SLOW_RESIDUAL for row in rows)


def _slow_residual(first: Float32Array, second: Float32Array) -> float:
    """What `MAX_SLOW_RESIDUAL` limits, of two stretches [shape=(700,)]: about 0 where they differ by noise."""
    residual = (first - second).reshape(2 * len(_KEYPOINTS), _N_SAMPLES)
    later = [(residual[:, :-lag] * residual[:, lag:]).sum(axis=0).mean() for lag in _RESIDUAL_LAGS]
    return float(_N_SAMPLES * np.mean(later))


def _best_match(
    stretches: Float32Array, pieces: Sequence[_Piece], *, slow: bool = False
) -> tuple[Float32Array, Float64Array]:
    """Best correlation of each stretch at any lag, and from 0.9 on the frame where it is found."""
    best, places = np.full(len(stretches), -1.0, dtype=np.float32), np.full(len(stretches), np.nan)
    for frames, correlation in _correlations(stretches, pieces, slow=slow):
        here = correlation.max(axis=0)
        closer = np.flatnonzero(here > np.maximum(best, MIN_CORRELATION))
        places[closer] = frames[correlation[:, closer].argmax(axis=0)]
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


def _correlations(
    stretches: Float32Array, pieces: Sequence[_Piece], *, slow: bool = False
) -> Iterator[tuple[Float64Array, Float32Array]]:
    """Some frames of the pieces after others, and what each stretch has in common with each [shape=(n, M)]."""
    for start_frame, series in pieces if len(stretches) else ():
        lags = np.arange(0, _n_lags(series), _SLOW_EVERY if slow else 1)
        n_at_once = max(1, min(_MAX_LAGS, _MAX_CORRELATIONS // len(stretches)))
        for block in np.split(lags, np.arange(n_at_once, len(lags), n_at_once)):
            if not len(block):
                continue
            sliding, moving = _slow_stretches(series, block, np.ones(1))[:2] if slow else _unit_stretches(series, block)
            if len(sliding):
                yield np.asarray(start_frame + moving, np.float64), np.asarray(sliding @ stretches.T)


def _piece_of(frame: float, pieces: Sequence[_Piece]) -> _Piece:
    return [piece for piece in pieces if piece[0] <= frame][-1]


def _played(pieces: Sequence[_Piece], middle: float, speed: float) -> list[_Piece]:
    """A minute before and after a frame at another speed, where the stretch with this middle has the first frame 0."""
    frames = np.arange(-_FAR_S * FPS, _FAR_S * FPS + _SPAN_FRAMES)
    played = []
    for start_frame, series in pieces:
        at = middle - start_frame + speed * (frames - _TO_MIDDLE)
        inside = (at >= 0) & (at <= len(series) - 1)
        if inside.any():
            played.append((float(frames[inside][0]), _between(series, at[inside])))
    return played


def _between(series: Float32Array, at: Float64Array) -> Float32Array:
    """Coordinates at fractions of frames."""
    before = np.minimum(at.astype(np.intp), len(series) - 2)
    share = np.asarray(at - before, np.float32)[..., None]
    return np.asarray(series[before] * (1 - share) + series[before + 1] * share)


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
    rows, moves = _to_length_1(every.transpose(1, 0, 2)[starts - starts[0]])
    return rows, starts[moves]


def _slow_stretches(
    series: Float32Array, starts: _Rows, speeds: Float64Array
) -> tuple[Float32Array, _Rows, Float64Array]:
    """As `_unit_stretches`, of slow movement, at each speed: rows, frames and speeds, where the series has them."""
    offsets = np.rint(np.abs(speeds)[:, None] * _SLOW_OFFSETS).astype(np.intp)
    offsets[speeds < 0] = offsets[speeds < 0, ::-1]
    n_more = _FRAME_STEP * (_SLOW_MEAN - 1)
    some = np.asarray(series[starts[0] : starts[-1] + offsets.max() + 1 + n_more])
    let_go(series)
    n_means = max(0, len(some) - n_more)
    sums = [some[first : first + n_means] for first in range(0, n_more + 1, _FRAME_STEP)]
    means = np.sum(sums, axis=0) / np.float32(_SLOW_MEAN)
    at = (starts - starts[0])[:, None, None] + offsets
    there = at.max(axis=2) < n_means
    rows, moves = _to_length_1(np.ascontiguousarray(means[at[there]].transpose(0, 2, 1)))
    which, speed = np.nonzero(there)
    return rows, starts[which[moves]], speeds[speed[moves]]


def _slow_middle(speed: float) -> float:
    """Frames from the start of a stretch of slow movement to its middle."""
    return float(abs(speed) * _SLOW_OFFSETS[-1] + _FRAME_STEP * (_SLOW_MEAN - 1)) / 2


def _to_length_1(stretches: Float32Array) -> tuple[Float32Array, BoolArray]:
    """Stretches [shape=(N, 14, samples)], which are overwritten, as rows; of those in which somebody moves."""
    seen = np.isfinite(stretches)
    stretches[~seen] = 0.0
    stretches -= stretches.sum(axis=2, keepdims=True) / np.maximum(seen.sum(axis=2, keepdims=True), 1, dtype=np.float32)
    stretches *= seen
    squares = np.einsum("nct,nct->nc", stretches, stretches).reshape(len(stretches), len(_KEYPOINTS), 2)
    movement = squares.sum(axis=2) / (2 * stretches.shape[2])
    stretches /= np.repeat(np.sqrt(movement + NOISE_FLOOR**2), 2, axis=1)[:, :, None]
    moves = np.sqrt(movement.mean(axis=1)) >= MIN_MOVEMENT
    rows = stretches[moves].reshape(moves.sum(), stretches.shape[1] * stretches.shape[2])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, moves


def _unit_stretches_at(piece: _Piece, middle: float, speeds: Float64Array) -> tuple[Float32Array, Float64Array]:
    """As `_unit_stretches`, about one frame at each of the speeds that the piece is long enough for."""
    start_frame, series = piece
    frames = np.arange(0, _SPAN_FRAMES, _FRAME_STEP) - _TO_MIDDLE
    at = middle - start_frame + speeds[:, None] * frames
    there = (at.min(axis=1) >= 0) & (at.max(axis=1) <= len(series) - 1)
    rows, moves = _to_length_1(np.ascontiguousarray(_between(series, at[there]).transpose(0, 2, 1)))
    return rows, speeds[there][moves]
