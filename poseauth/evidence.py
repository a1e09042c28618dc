"""Which windows of a clip are evidence: not a still picture, nor what was shown before, nor somebody far away.

Posture is part of a score, so that a photograph of the person may score like the person; windows of a loop are many
copies of one; the smaller somebody is in the picture, the more of their movement is the estimator's noise. Such windows
neither vote nor add seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array
from poseauth.features import median_torso_sizes
from poseauth.keypoints import L_ELBOW, L_SHOULDER, L_WRIST, N_KEYPOINTS, NECK, NOSE, R_ELBOW, R_SHOULDER, R_WRIST
from poseauth.long_arrays import let_go
from poseauth.windows import FPS, WINDOW_FRAMES, Windows, torso_size

MAX_STILL = 0.005
"""Torso sizes that keypoints stray from their mean within `STILL_S`, `_STEADY_FRAMES` averaged; below, nobody moves.
BlazePose looks where its last landmarks say, and so they wander by this much before a still picture. Photographs as
video (eight, drawn and real, 20 s with pixel noise of 0 to 8 grey levels, H.264 at CRF 23 to 38): 23 of 24 wholly
still, one in half of its windows. Real people (Balance Corpus, 296 recordings): 8 of 1,823 windows of people who
talk are still by this, of people who mostly listen 279 of 1,654, and 3 of their 144 recordings as a whole."""
STILL_S = 3.2
SHARE_STILL = 0.75
"""Of the keypoints that are seen, those that move least: an estimator lets one or two that are hidden jump about."""

MAX_DIFFERENCE = 1.0
"""Root mean square difference of two stretches of `STRETCH_S`, over the movement within a second in them, every
keypoint weighed by how much it moves there; below, they are one. Two stretches of noise come to 1.41. The least in any
of 296 real recordings is 1.45 (sampled twice as densely), in speeches of six drawn speakers 1.17, in pure beats of both
arms with some drift 1.0.
Loops of 0.5 to 10 s of real keypoints with noise of 0.3 % of the torso size: 99 % of the windows are left out (93
loops). Loops of real video, encoded and seen again: 7 of 11 found for the most part; those of hardly any movement, or
at CRF 35, are not."""
STRETCH_S = 4.0
AFTER_S = (3.0, 60.0)
"""How long before a stretch its like is sought. Sooner, the beats of a rhythm are alike (drawn speakers: 0.78); a
shorter loop comes again after a multiple of its length."""
MIN_PERIOD_S = 0.3
"""The least that is named as the length of a loop."""

MIN_TORSO_PX = 45.0
"""Least shoulder width and neck to nose together, pixels, of a window's median frame.
Five speakers, real and drawn, scaled down and encoded again (H.264, CRF 23), by BlazePose against the full picture: at
65 px the wrists differ by 0.013 to 0.022 torso sizes in the middle, at 45 px by 0.019 to 0.040, at 32 px by 0.037 to
0.066, at 22 px by 0.064 to 0.086. A speech that scores 0.84 in full scores 0.84, 0.78, 0.69 and 0.52."""

MAX_SHARE = 0.5
"""Of a window's frames that may be still, or shown before."""

_STEADY_FRAMES = 4
_MOVEMENT_FLOOR = 0.02
"""Torso sizes: a keypoint that moves by less counts for little, as in `poseauth.near_duplicates`."""
_SIZE_FRAMES = 31
"""The torso size is averaged over a second: a slow zoom is no movement."""
_LOCAL_FRAMES = 30
_STILL_STEP = 4
_SMOOTH_FRAMES = 3
_STEP = 6
"""Frames from one sample of a stretch to the next; every lag of one frame is still tried."""
_COMPARED = [NOSE, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST]
_BLOCK_FRAMES = 12_000
"""Looked at together: three hours (324,000 frames) take 17 s on a busy machine, 9 s of one core, and 50 MB."""
_SIZES_AT_ONCE = 128
"""Windows; more would be memory that grows with the clip."""
_MARGIN_FRAMES = 64
_ROUNDING = 1e-6
"""What a frozen frame moves by, computed."""
_STRETCH_FRAMES = round(STRETCH_S * FPS)
_STILL_FRAMES = round(STILL_S * FPS)
_SHORTEST_LAG = round(MIN_PERIOD_S * FPS)
_MIN_LAG, _MAX_LAG = (round(seconds * FPS) for seconds in AFTER_S)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What of a clip's windows counts.

    Attributes
    ----------
    still : np.ndarray [shape=(N,)], bool
        Windows in which nobody moves.
    repeated : np.ndarray [shape=(N,)], bool
        Windows of movement, and not still, that the clip has shown before.
    small : np.ndarray [shape=(N,)], bool
        Windows, neither still nor repeated, in which the person is smaller than `MIN_TORSO_PX`.
    period_s : float or None
        How long before: the length of the loop; None where nothing is repeated.
    """

    still: BoolArray
    repeated: BoolArray
    small: BoolArray
    period_s: float | None

    @property
    def counts(self) -> BoolArray:
        """Bool [shape=(N,)]: the windows that are evidence."""
        return ~(self.still | self.repeated | self.small)

    @property
    def n_still(self) -> int:
        """How many windows are still."""
        return int(self.still.sum())

    @property
    def n_repeated(self) -> int:
        """How many windows were shown before."""
        return int(self.repeated.sum())

    @property
    def n_small(self) -> int:
        """In how many windows the person is too small."""
        return int(self.small.sum())

    @property
    def told(self) -> tuple[str, ...]:
        """What does not count and why, a sentence each."""
        n = len(self.still)
        found = []
        if self.n_still:
            found.append(f"nobody moves in {_share(self.n_still, n)}: a still picture or a frozen video?")
        if self.n_repeated:
            found.append(
                f"the same {self.period_s:.1f} s of movement again and again in {_share(self.n_repeated, n)}: a loop?"
            )
        if self.n_small:
            found.append(
                f"the person is too small in {_share(self.n_small, n)}: shoulder width and neck to nose together have "
                f"fewer than {MIN_TORSO_PX:.0f} pixels, too few to place a wrist"
            )
        return tuple(found)


def weigh_evidence(windows: Windows) -> Evidence:
    """Which windows of a clip show nobody moving, what was shown before, or somebody too small."""
    if not len(windows):
        none = np.zeros(0, bool)
        return Evidence(none, none, none, None)
    # Hands are seen too roughly, and too seldom, to tell a still picture or a loop by them.
    twelve = windows.movement[:, :N_KEYPOINTS]
    still = still_frames(twelve)
    repeated, period_s = repeated_frames(twelve)
    repeated &= ~still
    n_still, n_repeated = _frames_of(windows, still), _frames_of(windows, repeated)
    left_out = n_still + n_repeated > MAX_SHARE * WINDOW_FRAMES
    is_repeated = left_out & (n_repeated > n_still)
    small = np.concatenate(
        [
            median_torso_sizes(windows[first : first + _SIZES_AT_ONCE]) < MIN_TORSO_PX
            for first in range(0, len(windows), _SIZES_AT_ONCE)
        ]
    )
    return Evidence(left_out & ~is_repeated, is_repeated, small & ~left_out, period_s if is_repeated.any() else None)


def some_of(windows: Windows, kept: BoolArray) -> Windows:
    """The windows that are kept: bool [shape=(N,)]."""
    return replace(windows, first_frame=windows.first_frame[kept], start_s=windows.start_s[kept])


def still_frames(movement: Float32Array) -> BoolArray:
    """Frames of stretches of `STILL_S` in which nobody moves more than a photograph seems to.

    Parameters
    ----------
    movement : np.ndarray [shape=(M, 12, 2)], float32
        Pixels at 30 fps, NaN where missing.

    Returns
    -------
    np.ndarray [shape=(M,)], bool
    """
    edges = np.zeros(len(movement) + _STRETCH_FRAMES, np.int32)
    for first in range(0, len(movement) - _STILL_FRAMES + 1, _BLOCK_FRAMES):
        points = _from_neck(movement[first : first + _BLOCK_FRAMES + _STILL_FRAMES - _STILL_STEP])
        is_still = _strayed(points) < MAX_STILL
        _cover(edges, first + _STILL_STEP * np.flatnonzero(is_still), _STILL_FRAMES)
        let_go(movement)
    return np.asarray(np.cumsum(edges[: len(movement)]) > 0)


def repeated_frames(movement: Float32Array) -> tuple[BoolArray, float | None]:
    """Frames of stretches of `STRETCH_S` whose movement was there before, sample by sample.

    Parameters
    ----------
    movement : np.ndarray [shape=(M, 12, 2)], float32
        Pixels at 30 fps, NaN where missing.

    Returns
    -------
    tuple of np.ndarray [shape=(M,)], bool, and float or None
        Which frames, and after how many seconds they come again.
    """
    points, weight, moved = _to_compare(movement)
    edges = np.zeros(len(movement) + _STRETCH_FRAMES, np.int32)
    n_found = np.zeros(_MAX_LAG + 1, np.int64)
    n = _STRETCH_FRAMES // _STEP
    for first in range(0, len(movement) - _STRETCH_FRAMES + 1, _BLOCK_FRAMES):
        rows = slice(first, min(first + _BLOCK_FRAMES + _STRETCH_FRAMES - _STEP, len(movement)))
        now, scale = points[rows][::_STEP], np.sqrt(weight[rows][::_STEP])
        most = MAX_DIFFERENCE**2 * _sums(moved[rows][::_STEP], n) - _ROUNDING
        for lag in range(_SHORTEST_LAG, min(_MAX_LAG, rows.stop - 1) + 1):
            skipped = max(0, -(-(lag - first) // _STEP))  # before the clip began there was nothing
            before = points[first + skipped * _STEP - lag : rows.stop - lag : _STEP]
            difference = (now[skipped:] - before) * scale[skipped:]
            same = _sums(np.einsum("tk,tk->t", difference, difference), n) < most[skipped:]
            n_found[lag] += same.sum()
            if lag >= _MIN_LAG and same.any():
                _cover(edges, first + _STEP * (skipped + np.flatnonzero(same)), _STRETCH_FRAMES)
    found = np.cumsum(edges[: len(movement)]) > 0
    return found, _period_s(n_found) if found.any() else None


def _period_s(n_found: Int64Array) -> float:
    """The least time after which movement comes again about as often as after any: multiples do so as well."""
    often = n_found >= 0.5 * n_found.max()
    first = int(often.argmax())
    # The frames beside the right one are alike too.
    near = np.arange(first, first + int((~often[first:]).argmax() or len(often) - first))
    return float(np.average(near, weights=n_found[near]) / FPS)


def _share(n_some: int, n: int) -> str:
    return f"any of {n} windows" if n_some == n else f"{n_some} of {n} windows"


def _frames_of(windows: Windows, frames: BoolArray) -> Int64Array:
    """How many of these frames each window holds."""
    n_before = np.concatenate([[0], np.cumsum(frames)])
    return np.asarray(n_before[windows.first_frame + WINDOW_FRAMES] - n_before[windows.first_frame])


def _cover(edges: Int32Array, starts: Int64Array, n_frames: int) -> None:
    edges[starts] += 1
    edges[starts + n_frames] -= 1


def _strayed(points: Float64Array) -> Float64Array:
    """How far keypoints, some frames averaged, stray from their mean in the stretch from every fourth frame on."""
    steady = _mean(points, _STEADY_FRAMES)[::_STILL_STEP]
    n = (_STILL_FRAMES - _STEADY_FRAMES) // _STILL_STEP + 1
    strayed = np.sort(np.sqrt(_variance(steady, n).sum(axis=-1)), axis=-1)  # NaN come last
    rank = np.ceil(SHARE_STILL * np.isfinite(strayed).sum(axis=-1)).astype(np.int64) - 1
    return np.asarray(np.take_along_axis(strayed, np.maximum(rank, 0)[:, None], axis=1)[:, 0])


def _to_compare(movement: Float32Array) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Smoothed coordinates and their weights [shape=(M, 14)], and the weighed movement of each frame [shape=(M,)]."""
    points = np.zeros((len(movement), 2 * len(_COMPARED)), np.float32)
    weight, moved = np.zeros_like(points), np.zeros(len(movement), np.float32)
    for first in range(0, len(movement), _BLOCK_FRAMES):
        begin = max(0, first - _MARGIN_FRAMES)
        rows, inner = slice(first, first + _BLOCK_FRAMES), slice(first - begin, first - begin + _BLOCK_FRAMES)
        block = _from_neck(movement[begin : first + _BLOCK_FRAMES + _MARGIN_FRAMES])[:, _COMPARED]
        seen = np.isfinite(block).all(axis=-1)
        block = _filled(_mean_around(block, _SMOOTH_FRAMES))
        varies = _local_variance(block).sum(axis=-1)
        share = np.where(seen, 1 / (varies + _MOVEMENT_FLOOR**2), 0.0)
        points[rows] = block.reshape(len(block), -1)[inner]
        weight[rows] = np.repeat(share, 2, axis=1)[inner]
        moved[rows] = (share * varies).sum(axis=1)[inner]
        let_go(movement)
    return points, weight, moved


def _from_neck(movement: Float32Array) -> Float64Array:
    """Keypoints in torso sizes from each frame's neck, [shape=(M, 12, 2)]; the neck itself in the picture."""
    neck = movement[:, NECK].astype(np.float64)
    size = _mean_around(torso_size(movement).astype(np.float64), _SIZE_FRAMES)
    size = np.where(size > 0, size, np.nan)[:, None, None]
    relative = movement - neck[:, None]
    relative[:, NECK] = neck
    return np.asarray(relative / size)


def _local_variance(points: Float64Array) -> Float64Array:
    """Variance over the second before or the second after, whichever is less: beside a movement is no movement."""
    after = _variance(points, min(_LOCAL_FRAMES, len(points)))
    n = len(points) - len(after)
    least = np.minimum(np.pad(after, ((n, 0), (0, 0), (0, 0)), "edge"), np.pad(after, ((0, n), (0, 0), (0, 0)), "edge"))
    return np.asarray(least)


def _filled(points: Float64Array) -> Float64Array:
    """Missing places on the line between those seen; 0 where there is none."""
    flat = points.reshape(len(points), -1).copy()
    rows = np.arange(len(points))
    for column in flat.T:
        seen = np.isfinite(column)
        column[:] = np.interp(rows, rows[seen], column[seen]) if seen.any() else 0.0
    return flat.reshape(points.shape)


def _sums(values: Float64Array | Float32Array, n: int) -> Float64Array:
    """Sums of n rows each, [shape=(M - n + 1, ...)]."""
    total = np.cumsum(values, axis=0, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:1]), total])
    return np.asarray(total[n:] - total[:-n])


def _mean(values: Float64Array, n: int) -> Float64Array:
    """Means of n rows each; NaN where fewer than half are seen."""
    seen = np.isfinite(values)
    n_seen = _sums(seen.astype(np.float64), n)
    total = _sums(np.where(seen, values, 0.0), n)
    return np.asarray(np.where(n_seen >= n / 2, total / np.maximum(n_seen, 1), np.nan))


def _mean_around(values: Float64Array, n: int) -> Float64Array:
    """The mean of n rows about each row."""
    padding = [(n // 2, n // 2)] + [(0, 0)] * (values.ndim - 1)
    return _mean(np.pad(values, padding, "edge"), n)


def _variance(values: Float64Array, n: int) -> Float64Array:
    return np.asarray(np.maximum(_mean(values**2, n) - _mean(values, n) ** 2, 0.0))
