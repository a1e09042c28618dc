"""How parts move in a clip against how they move in the person's own videos, in numbers a reader can check by eye.

Like is held against like: the clip against as long stretches of the enrolled videos, and what differs from one video to
the next counts as much as it does. Nothing here is learnt, and no verdict rests on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poseauth.arrays import Float64Array, Int64Array
from poseauth.errors import TooShortError
from poseauth.plain_measures import MEASURES, Measure, measure
from poseauth.windows import WINDOW_S, Windows

CHANCE = 0.01
"""How often a further stretch of the person would lie outside the limits of one measure, were a new video like the
enrolled ones. Chosen of 0.1, 0.05, 0.02, 0.01 and 0.005 on two of four people (Balance Corpus, 103 and 203): the
largest at which nothing was told of nine in ten recordings left out of the enrolled ones. What it comes to on the other
two stands in docs/evidence.md: on another occasion the person is told of about as often as somebody else is."""
MOST_BEYOND = 0.05
"""Share of the enrolled stretches that may lie as far out as the clip, or farther."""
MOST_TOLD = 5
"""Comparisons told of a clip, the strongest first."""
LONGEST_S = 60.0
"""A stretch is no longer, so that minutes are counted; and no longer than the clip."""
MANY_STRETCHES = 20
"""Where the enrolled videos do not hold so many stretches as long as the clip, shorter ones are taken."""
FEWEST_STRETCHES = 6
"""Of fewer, nobody can say what is usual."""
FEWEST_VIDEOS = 2

_ROUNDING_S = 1e-6
_SMALLEST = 1e-12
_MIN_KNOWN = 0.5
"""Share of the windows of a stretch, or a clip, in which a measure can be told."""


@dataclass(frozen=True)
class Compared:
    """One measure of a clip and of the person's own videos, in the unit of the measure's kind.

    Attributes
    ----------
    measure : Measure
        What is compared.
    value : float
        In the clip: the mean of its windows.
    usual, low, high : float
        Median, 5th and 95th percentile of the enrolled stretches.
    n_stretches : int
        Enrolled stretches in which the measure can be told.
    n_below, n_above : int
        How many of them lie below the clip, and above it.
    distance : float
        How far the clip lies from the person's mean, in distances at which a further stretch of the person would lie
        by chance with probability `CHANCE`; beyond 1 is unusual.
    is_unusual : bool
        Whether it also is so in all but `MOST_BEYOND` of the stretches, and by enough to see.
    """

    measure: Measure
    value: float
    usual: float
    low: float
    high: float
    n_stretches: int
    n_below: int
    n_above: int
    distance: float
    is_unusual: bool

    @property
    def is_less(self) -> bool:
        """Whether the clip has less of it than is usual."""
        return self.value < self.usual

    @property
    def n_otherwise(self) -> int:
        """Enrolled stretches that lie on the other side of the clip: more where it has less, less where it has more."""
        return self.n_above if self.is_less else self.n_below


@dataclass(frozen=True)
class Comparison:
    """A clip beside the person's own videos.

    Attributes
    ----------
    stretch_s : float
        Seconds of the stretches of enrolled video that the clip is held against.
    n_stretches, n_videos : int
        How many there are, and of how many videos.
    compared : tuple of Compared
        The most unusual first.
    left_out : tuple of Measure
        What is seen too little of in the clip, or does not move where it would have to.
    left_out_own : tuple of Measure
        The same of the enrolled videos, where the clip has enough.
    """

    stretch_s: float
    n_stretches: int
    n_videos: int
    compared: tuple[Compared, ...]
    left_out: tuple[Measure, ...]
    left_out_own: tuple[Measure, ...]

    @property
    def unusual(self) -> tuple[Compared, ...]:
        """What is clearly unusual, the strongest first."""
        return tuple(one for one in self.compared if one.is_unusual)

    @property
    def told(self) -> tuple[Compared, ...]:
        """The strongest `MOST_TOLD` of these."""
        return self.unusual[:MOST_TOLD]


def compare(clip: Windows, own: Sequence[Windows]) -> Comparison:
    """Hold a clip against the person's own videos, measure by measure.

    Parameters
    ----------
    clip : Windows
        Of the clip, at least one.
    own : sequence of Windows
        Of the person's own videos, a set each. A video without windows does not count.

    Raises
    ------
    TooShortError
        If there is no window of the clip, or own videos or stretches are too few to say what is usual.
    """
    own = [windows for windows in own if len(windows)]
    if not len(clip):
        raise TooShortError("0 usable windows of the clip; 1 is needed to compare it")
    if len(own) < FEWEST_VIDEOS:
        raise TooShortError(
            f"{len(own)} of the person's own videos have usable windows; {FEWEST_VIDEOS} are needed to say what is "
            "usual. Enrol from more videos"
        )
    stretch_s = _stretch_s(clip, own)
    stretches = [_stretches(windows, stretch_s) for windows in own]
    video = np.repeat(np.arange(len(own)), [len(some) for some in stretches])
    if len(video) < FEWEST_STRETCHES:
        raise TooShortError(
            f"the person's own videos hold {len(video)} stretches of {stretch_s:.0f} s; {FEWEST_STRETCHES} are needed "
            "to say what is usual. Enrol from longer videos"
        )
    here = _mean_of(measure(clip))
    theirs = np.stack(
        [
            _mean_of(values[rows])
            for windows, some in zip(own, stretches, strict=True)
            for values in (measure(windows),)
            for rows in some
        ]
    )
    enough = np.isfinite(theirs).sum(axis=0) >= max(FEWEST_STRETCHES, _MIN_KNOWN * len(theirs))
    compared = [
        _compared(one, float(here[column]), theirs[:, column], video)
        for column, one in enumerate(MEASURES)
        if np.isfinite(here[column]) and enough[column]
    ]
    compared.sort(key=lambda one: (-one.is_unusual, -one.distance))
    return Comparison(
        stretch_s,
        len(theirs),
        len(own),
        tuple(compared),
        tuple(one for column, one in enumerate(MEASURES) if not np.isfinite(here[column])),
        tuple(one for column, one in enumerate(MEASURES) if np.isfinite(here[column]) and not enough[column]),
    )


def _stretch_s(clip: Windows, own: Sequence[Windows]) -> float:
    """As long as the clip, but no longer than `LONGEST_S`, and shorter where there would be too few."""
    longest = min(LONGEST_S, clip.seconds, sum(windows.seconds for windows in own) / MANY_STRETCHES)
    return max(WINDOW_S, float(np.floor(longest)))


def _stretches(windows: Windows, stretch_s: float) -> list[Int64Array]:
    """The rows of the windows of stretches that share no frame; of a short video or rest, if it fills half of one."""
    found: list[Int64Array] = []
    first = 0
    while first < len(windows):
        begin = windows.start_s[first]
        inside = np.flatnonzero(windows.start_s[first:] + WINDOW_S <= begin + stretch_s + _ROUNDING_S) + first
        end = float(windows.start_s[inside[-1]]) + WINDOW_S
        if not found or end - begin >= stretch_s / 2:
            found.append(inside)
        first = int(np.searchsorted(windows.start_s, max(end, begin + stretch_s) - _ROUNDING_S))
    return found


def _mean_of(values: Float64Array) -> Float64Array:
    """Mean of each measure over windows [shape=(N, 19)]; NaN where it is known in too few."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(known.mean(axis=0) >= _MIN_KNOWN, total / np.maximum(known.sum(axis=0), 1), np.nan)


def _compared(one: Measure, value: float, theirs: Float64Array, video: Int64Array) -> Compared:
    known = np.isfinite(theirs)
    theirs, video = theirs[known], video[known]
    low, usual, high = np.percentile(theirs, (5, 50, 95)).tolist()
    n_below, n_above = int((theirs < value).sum()), int((theirs > value).sum())
    even = one.kind.even(np.append(theirs, [value, usual]))
    own, here, middle = even[:-2], float(even[-2]), float(even[-1])
    limit = _limit(own, video)
    distance = abs(here - float(own.mean())) / limit
    n_beyond = len(theirs) - (n_above if value < usual else n_below)
    is_unusual = distance > 1 and n_beyond <= MOST_BEYOND * len(theirs) and abs(here - middle) >= one.kind.least
    return Compared(one, value, usual, low, high, len(theirs), n_below, n_above, distance, is_unusual)


def _limit(values: Float64Array, video: Int64Array) -> float:
    """How far from the mean a stretch of another video lies with probability `CHANCE`.

    Student's, with the variance between videos and that within them, and Satterthwaite's degrees of freedom: few
    videos that differ say little of what the next one will be like (Searle, Casella and McCulloch, "Variance
    Components", 1992, chapter 3).
    """
    from scipy.stats import t

    _, group, sizes = np.unique(video, return_inverse=True, return_counts=True)
    n, n_videos = len(values), len(sizes)
    if n_videos < FEWEST_VIDEOS:
        return float("inf")
    means = np.bincount(group, values) / sizes
    per_video = (n - (sizes**2).sum() / n) / (n_videos - 1)
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (n_videos - 1)
    within = float(((values - means[group]) ** 2).sum()) / max(n - n_videos, 1)
    shares = np.array([between / per_video, max(1 - 1 / per_video, 0.0) * within])
    variance = float(shares.sum())
    if variance <= 0:
        return _SMALLEST
    degrees = [n_videos - 1, max(n - n_videos, 1)]
    freedom = 1 / float(((shares / variance) ** 2 / degrees).sum())
    return float(t.ppf(1 - CHANCE / 2, freedom) * np.sqrt(variance * (1 + 1 / n_videos))) + _SMALLEST
