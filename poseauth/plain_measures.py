"""How a body moves in a window, in a few numbers that a reader can check by eye: how much, how high, what with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Float64Array
from poseauth.features import to_torso
from poseauth.keypoints import L_ELBOW, L_SHOULDER, L_WRIST, NOSE, R_ELBOW, R_SHOULDER, R_WRIST
from poseauth.windows import FPS, SomeWindows

HEAD, SHOULDERS = "head", "shoulders"
RIGHT_WRIST, LEFT_WRIST = "right wrist", "left wrist"
RIGHT_ELBOW, LEFT_ELBOW = "right elbow", "left elbow"

MOVES = {HEAD: 0.1, SHOULDERS: 0.05, RIGHT_WRIST: 0.25, LEFT_WRIST: 0.25}
"""Torso sizes a second from which a part counts as moving; a wrist's are some 15 cm. Below, one hardly sees it."""
LEAST_STROKE = {HEAD: 0.03, RIGHT_WRIST: 0.15, LEFT_WRIST: 0.15}
"""Torso sizes that a part goes up, or down, for one stroke."""
ALONG_S = 0.2
"""A wrist that moves so much before or after the head still moves along with it."""
MAX_LAG_S = 0.3
"""Two parts move at the same moments also if one follows the other by this."""

_MIN_SEEN = 0.6
"""Share of a window's frames in which a part has to be seen."""
_MIN_MOVING = 0.1
"""Share of a window's frames in which a part has to move, for it to be told what moves with it."""
_STEADY_FRAMES = 5
"""Places are averaged over a sixth of a second, and speeds are the way in another: an estimator trembles."""
_LAG_STEP = 3
_SMALLEST = 1e-9
_BLOCK = 256
"""Windows that are looked at together."""
_POINTS = {
    HEAD: NOSE,
    RIGHT_WRIST: R_WRIST, LEFT_WRIST: L_WRIST, RIGHT_ELBOW: R_ELBOW, LEFT_ELBOW: L_ELBOW, SHOULDERS: R_SHOULDER,
}  # fmt: skip
"""Seen from the neck, where the shoulders mirror one another: one of them tells of both."""
_SHOULDERS_OF = {RIGHT_ELBOW: (R_SHOULDER, L_SHOULDER), LEFT_ELBOW: (L_SHOULDER, R_SHOULDER)}


@dataclass(frozen=True)
class Kind:
    """What is measured, of any part.

    Attributes
    ----------
    name : str
        As in a file.
    unit : str
        Of its numbers.
    least : float
        The least difference that is worth telling, on the scale on which `even` puts the numbers.
    even : callable
        Puts numbers on a scale on which people differ about evenly high up and low down.
    """

    name: str
    unit: str
    least: float
    even: Callable[[Float64Array], Float64Array]


def _logarithm(values: Float64Array) -> Float64Array:
    return np.asarray(np.log(np.maximum(values, 0.02)))


def _as_it_is(values: Float64Array) -> Float64Array:
    return values


def _of_share(values: Float64Array) -> Float64Array:
    return np.asarray(np.arcsin(np.sqrt(np.clip(values, 0.0, 1.0))))


def _of_correlation(values: Float64Array) -> Float64Array:
    return np.asarray(np.arctanh(np.clip(values, -0.98, 0.98)))


def _root(values: Float64Array) -> Float64Array:
    return np.asarray(np.sqrt(np.maximum(values, 0.0)))


SPEED = Kind("speed", "torso sizes a second", float(np.log(1.3)), _logarithm)
"""Mean speed, seen from the neck."""
HEIGHT = Kind("height", "torso sizes above the shoulders", 0.1, _as_it_is)
"""How high a part is held, median; below 0 = under the shoulders."""
WIDTH = Kind("width", "torso sizes outward of the shoulder", 0.06, _as_it_is)
"""How far an elbow is held from the body, median; below 0 = in front of it."""
STROKES = Kind("strokes", "times up and down a second", 0.2, _root)
"""How often a part goes up and down again, by `LEAST_STROKE` or more."""
SHARE = Kind("share", "share of the way of both wrists, 0 to 1", 0.12, _of_share)
"""How much of the two wrists' movement is the first one's."""
ALONG = Kind("along", "share of the time in which the second part moves, 0 to 1", 0.15, _of_share)
"""How much of the time in which the second part moves the first moves along."""
IN_TIME = Kind("in time", "correlation of speeds, -1 to 1", 0.2, _of_correlation)
"""Whether two parts are quick and slow at the same moments, or shortly after one another."""
RISING = Kind("rising", "correlation of heights, -1 to 1", 0.25, _of_correlation)
"""Whether two parts rise and fall together; below 0 = one rises while the other falls."""


@dataclass(frozen=True)
class Measure:
    """One number of a window.

    Attributes
    ----------
    kind : Kind
        What is measured.
    parts : tuple of str
        Of which part, or of which two. "Right" is the person's right.
    """

    kind: Kind
    parts: tuple[str, ...]


MEASURES = (
    Measure(SPEED, (HEAD,)),
    Measure(SPEED, (SHOULDERS,)),
    Measure(SPEED, (RIGHT_WRIST,)),
    Measure(SPEED, (LEFT_WRIST,)),
    Measure(HEIGHT, (RIGHT_WRIST,)),
    Measure(HEIGHT, (LEFT_WRIST,)),
    Measure(WIDTH, (RIGHT_ELBOW,)),
    Measure(WIDTH, (LEFT_ELBOW,)),
    Measure(STROKES, (HEAD,)),
    Measure(STROKES, (RIGHT_WRIST,)),
    Measure(STROKES, (LEFT_WRIST,)),
    Measure(SHARE, (RIGHT_WRIST, LEFT_WRIST)),
    Measure(ALONG, (RIGHT_WRIST, HEAD)),
    Measure(ALONG, (LEFT_WRIST, HEAD)),
    Measure(IN_TIME, (RIGHT_WRIST, HEAD)),
    Measure(IN_TIME, (LEFT_WRIST, HEAD)),
    Measure(IN_TIME, (RIGHT_WRIST, LEFT_WRIST)),
    Measure(IN_TIME, (SHOULDERS, HEAD)),
    Measure(RISING, (RIGHT_WRIST, LEFT_WRIST)),
)
"""All that is compared."""


def measure(windows: SomeWindows) -> Float64Array:
    """Every one of `MEASURES` in every window.

    Parameters
    ----------
    windows : Windows, or np.ndarray [shape=(N, 150, P, 2)], float32
        Pixels, NaN where missing. Neither the place in the frame nor the size of the picture matters.

    Returns
    -------
    np.ndarray [shape=(N, 19)], float64
        In the units of each measure's kind; NaN where the parts are hardly seen, or do not move where something has to.
    """
    blocks = [_measure(windows[first : first + _BLOCK]) for first in range(0, len(windows), _BLOCK)]
    return np.concatenate([np.zeros((0, len(MEASURES))), *blocks])


@dataclass(frozen=True, eq=False)
class _Body:
    """Some windows in torso sizes, seen from the neck: places [shape=(N, L, 12, 2)], speeds [shape=(N, L')]."""

    places: Float64Array
    speeds: Mapping[str, Float64Array]

    def down(self, part: str) -> Float64Array:
        """How far a part is below the neck, [shape=(N, L)]."""
        return np.asarray(self.places[:, :, _POINTS[part], 1])

    def moves(self, part: str) -> BoolArray:
        """Whether a part moves, [shape=(N, L')]; what is not seen does not."""
        return np.asarray(self.speeds[part] >= MOVES[part])


def _measure(windows: Float32Array) -> Float64Array:
    places = _averaged(to_torso(windows).astype(np.float64))
    body = _Body(places, {part: _speed(places[:, :, point]) for part, point in _POINTS.items()})
    return np.stack([_VALUES[one.kind.name](body, *one.parts) for one in MEASURES], axis=1)


def _mean_speed(body: _Body, part: str) -> Float64Array:
    return _known(body.speeds[part], np.nanmean)


def _height(body: _Body, part: str) -> Float64Array:
    shoulders = (body.places[:, :, R_SHOULDER, 1] + body.places[:, :, L_SHOULDER, 1]) / 2
    return _known(shoulders - body.down(part), np.nanmedian)


def _width(body: _Body, elbow: str) -> Float64Array:
    shoulder, other = _SHOULDERS_OF[elbow]
    outward = np.sign(body.places[:, :, shoulder, 0] - body.places[:, :, other, 0])
    beside = np.asarray(body.places[:, :, _POINTS[elbow], 0] - body.places[:, :, shoulder, 0])
    return _known(outward * beside, np.nanmedian)


def _strokes(body: _Body, part: str) -> Float64Array:
    """Turns from up to down and back, a turn counting only once the part has come `LEAST_STROKE` from it."""
    down = body.down(part)
    least = LEAST_STROKE[part]
    n, n_frames = down.shape
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    way, turns = np.zeros(n), np.zeros(n)
    for frame in down.T:
        seen = np.isfinite(frame)
        low, high = np.where(seen, np.minimum(low, frame), low), np.where(seen, np.maximum(high, frame), high)
        rises, falls = seen & (way <= 0) & (frame >= low + least), seen & (way >= 0) & (frame <= high - least)
        turns += (rises & (way < 0)) | (falls & (way > 0))
        way = np.where(rises, 1, np.where(falls, -1, way))
        low, high = np.where(rises | falls, frame, low), np.where(rises | falls, frame, high)
    enough = np.isfinite(down).mean(axis=1) >= _MIN_SEEN
    return np.where(enough, turns / 2 / (n_frames / FPS), np.nan)


def _share(body: _Body, first: str, second: str) -> Float64Array:
    one, other = _mean_speed(body, first), _mean_speed(body, second)
    moving = np.fmax(one, other) >= MOVES[first]
    known = moving & np.isfinite(one + other)
    return np.asarray(np.divide(one, one + other, out=np.full(len(one), np.nan), where=known))


def _along(body: _Body, part: str, leader: str) -> Float64Array:
    seen, moves = np.isfinite(body.speeds[part]), body.moves(part)
    leads = body.moves(leader) & seen
    near, n = moves.copy(), round(ALONG_S * FPS)
    for lag in range(1, n + 1):
        near[:, lag:] |= moves[:, :-lag]
        near[:, :-lag] |= moves[:, lag:]
    n_leads = leads.sum(axis=1)
    share = (near & leads).sum(axis=1) / np.maximum(n_leads, 1)
    enough = (seen.mean(axis=1) >= _MIN_SEEN) & (n_leads >= _MIN_MOVING * leads.shape[1])
    return np.where(enough, share, np.nan)


def _in_time(body: _Body, first: str, second: str) -> Float64Array:
    a, b = body.speeds[first], body.speeds[second]
    most = round(MAX_LAG_S * FPS)
    found = [
        _correlation(a[:, max(lag, 0) : a.shape[1] + min(lag, 0)], b[:, max(-lag, 0) : b.shape[1] + min(-lag, 0)])
        for lag in range(-most, most + 1, _LAG_STEP)
    ]
    best = np.max(found, axis=0)
    both = np.minimum(body.moves(first).mean(axis=1), body.moves(second).mean(axis=1)) >= _MIN_MOVING
    return np.where(both, best, np.nan)


def _rising(body: _Body, first: str, second: str) -> Float64Array:
    a, b = body.down(first), body.down(second)
    both = np.minimum(_known(a, _span) / LEAST_STROKE[first], _known(b, _span) / LEAST_STROKE[second]) >= 1
    return np.where(both, _correlation(a, b), np.nan)


_VALUES: Mapping[str, Callable[..., Float64Array]] = {
    SPEED.name: _mean_speed,
    HEIGHT.name: _height,
    WIDTH.name: _width,
    STROKES.name: _strokes,
    SHARE.name: _share,
    ALONG.name: _along,
    IN_TIME.name: _in_time,
    RISING.name: _rising,
}
"""How each kind is measured: values [shape=(N,)] of a body's part or parts."""


def _averaged(places: Float64Array) -> Float64Array:
    """Means of `_STEADY_FRAMES` frames each, NaN where one of them is not seen: [shape=(N, L - 4, 12, 2)]."""
    n = places.shape[1] - _STEADY_FRAMES + 1
    return np.asarray(np.mean([places[:, first : first + n] for first in range(_STEADY_FRAMES)], axis=0))


def _speed(places: Float64Array) -> Float64Array:
    way = np.linalg.norm(places[:, _STEADY_FRAMES:] - places[:, :-_STEADY_FRAMES], axis=-1)
    return np.asarray(way * FPS / _STEADY_FRAMES)


def _known(series: Float64Array, summary: Callable[..., Float64Array]) -> Float64Array:
    """A summary over the frames seen, [shape=(N,)]; NaN where too few are."""
    enough = np.isfinite(series).mean(axis=1) >= _MIN_SEEN
    return np.where(enough, summary(np.where(enough[:, None], series, 0.0), axis=1), np.nan)


def _span(series: Float64Array, axis: int) -> Float64Array:
    return np.asarray(np.nanmax(series, axis=axis) - np.nanmin(series, axis=axis))


def _correlation(a: Float64Array, b: Float64Array) -> Float64Array:
    """Of the frames in which both are seen, [shape=(N,)]; NaN where those are too few, or nothing changes in them."""
    both = np.isfinite(a) & np.isfinite(b)
    n = np.maximum(both.sum(axis=1, keepdims=True), 1)
    a, b = (np.where(both, one, 0.0) for one in (a, b))
    a, b = (np.where(both, one - one.sum(axis=1, keepdims=True) / n, 0.0) for one in (a, b))
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    enough = (both.mean(axis=1) >= _MIN_SEEN) & (norm > _SMALLEST)
    return np.asarray(np.divide((a * b).sum(axis=1), norm, out=np.full(len(a), np.nan), where=enough))
