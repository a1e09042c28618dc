"""Why a clip scores as it does: its parts exchanged for the person's own, and put into the person's own videos.

A part is a limb as its parent joint carries it: the head seen from the neck, a wrist seen from its elbow. Exchanged is
its whole course in a window for that of another moment, so that every window stays a moving body. What is measured is
what the profile's own scorer makes of it, nothing else: a part that counts for nothing there can still be odd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from poseauth.arrays import Float32Array, Float64Array, Int64Array
from poseauth.features import to_torso
from poseauth.keypoints import (
    FACE,
    HEAD_KEYPOINTS,
    L_ELBOW,
    L_FINGERS,
    L_HAND,
    L_SHOULDER,
    L_WRIST,
    NECK,
    NOSE,
    R_ELBOW,
    R_FINGERS,
    R_HAND,
    R_SHOULDER,
    R_WRIST,
)
from poseauth.windows import SomeWindows

PARTS = {
    "head": (*HEAD_KEYPOINTS, *FACE),
    "shoulders": (R_SHOULDER, L_SHOULDER),
    "right elbow": (R_ELBOW,),
    "right wrist": (R_WRIST,),
    "left elbow": (L_ELBOW,),
    "left wrist": (L_WRIST,),
    "right hand": (*R_FINGERS, *R_HAND),
    "left hand": (*L_FINGERS, *L_HAND),
}
"""What is exchanged, by name; "right" is the person's right. Of windows of the twelve what is there of it."""
_RELATED = {
    "head": PARTS["head"],
    "shoulders": (R_SHOULDER, L_SHOULDER),
    "right arm": (R_ELBOW, R_WRIST, *PARTS["right hand"]),
    "left arm": (L_ELBOW, L_WRIST, *PARTS["left hand"]),
}
RELATIONS = tuple((a, b) for i, a in enumerate(_RELATED) for b in list(_RELATED)[i + 1 :])
"""Parts whose going together in time is looked at."""
N_EXPLAINED = 12
"""Windows of a clip that are looked at, evenly spread: an explanation scores some hundred variants of each."""
N_MOMENTS = 3
"""Other moments that a part is exchanged with, for each window."""
N_MOMENTS_OF_RELATIONS = 2
"""Likewise for relations, of which there are as many as parts, each measured four times."""
LEAST_EFFECT = 0.02
"""Of the mean score, 0 to 1: smaller effects are not told as for or against."""

_PARENT = {
    **dict.fromkeys((*HEAD_KEYPOINTS, R_SHOULDER, L_SHOULDER), NECK),
    R_ELBOW: R_SHOULDER, R_WRIST: R_ELBOW, L_ELBOW: L_SHOULDER, L_WRIST: L_ELBOW,
    **dict.fromkeys(FACE, NOSE), **dict.fromkeys(PARTS["right hand"], R_WRIST),
    **dict.fromkeys(PARTS["left hand"], L_WRIST),
}  # fmt: skip
"""Which joint carries which; a parent stands before its children."""


@dataclass(frozen=True)
class Part:
    """What one part does to the mean score, measured from both ends; all scores 0 to 1.

    Attributes
    ----------
    name : str
        Of `PARTS`.
    effect : float
        Mean of both ends; above 0 = it makes the clip look more like the person, below 0 less.
    score_without : float
        Of the clip with the person's own part of other moments in its place.
    score_put_in : float
        Of the person's own videos with the clip's part in place of theirs.
    score_usual : float
        Of the same videos with the person's own part of another moment in place.
    held : bool or None
        Whether the effect has the same sign in the first and in the second half of the clip's windows; None where
        there is one window only.
    """

    name: str
    effect: float
    score_without: float
    score_put_in: float
    score_usual: float
    held: bool | None


@dataclass(frozen=True)
class Relation:
    """What it is worth that two parts move as they do at the same time.

    Attributes
    ----------
    first, second : str
        The parts.
    effect : float
        Change of the person's score when both come from one moment of the clip instead of two; above 0 = how they go
        together in the clip makes it look more like the person.
    usual : float
        The same with the person's own movement instead of the clip's.
    """

    first: str
    second: str
    effect: float
    usual: float


@dataclass(frozen=True)
class Explanation:
    """Why a clip scores as it does.

    Attributes
    ----------
    n_windows : int
        Windows of the clip looked at.
    score : float
        Their mean score, 0 to 1, higher = more like the person.
    score_person : float
        Mean score of the person's own windows, which the profile has learnt.
    parts : tuple of Part
        The strongest effect first.
    relations : tuple of Relation
        The largest difference from the person's own first.
    score_without_for, score_without_against : float or None
        Of the clip with all parts told as for, or as against, exchanged at once; None where there is none.
    """

    n_windows: int
    score: float
    score_person: float
    parts: tuple[Part, ...]
    relations: tuple[Relation, ...]
    score_without_for: float | None
    score_without_against: float | None

    @property
    def parts_for(self) -> tuple[Part, ...]:
        """Parts that make the clip look more like the person, by `LEAST_EFFECT` or more."""
        return tuple(part for part in self.parts if part.effect >= LEAST_EFFECT)

    @property
    def parts_against(self) -> tuple[Part, ...]:
        """Parts that make it look less like the person likewise."""
        return tuple(part for part in self.parts if part.effect <= -LEAST_EFFECT)

    @property
    def holds_for(self) -> bool | None:
        """Whether the score falls when all that was said to raise it is taken out; None where nothing was."""
        return None if self.score_without_for is None else self.score_without_for < self.score

    @property
    def holds_against(self) -> bool | None:
        """Whether the score rises when all that was said to lower it is taken out; None where nothing was."""
        return None if self.score_without_against is None else self.score_without_against > self.score


def explain(clip: SomeWindows, own: SomeWindows, score: Callable[[Float32Array], Float64Array]) -> Explanation:
    """Which parts, and which of them together, make a clip look like the person or unlike.

    Two ends are measured, since near 0 and near 1 a score hardly moves: the part taken out of the clip, and the clip's
    part put into the person's own videos. They are the first and the last term of its Shapley value (Shapley 1953;
    Covert, Lundberg and Lee, "Explaining by Removing", JMLR 22, 2021).

    Parameters
    ----------
    clip, own : Windows, or np.ndarray [shape=(N, 150, P, 2)], float32
        Of the clip, at least one; of the person's own videos, at least two. Pixels, NaN where missing.
    score : callable
        Scores [shape=(N,)], 0 to 1, of windows; higher = more like the person. Windows come in torso sizes.

    Raises
    ------
    ValueError
        If there are too few windows.
    """
    if len(clip) < 1 or len(own) < 2:
        raise ValueError(f"{len(clip)} windows of the clip, {len(own)} of the person; 1 and 2 are needed")
    here = _limbs(_picked(clip, _spread(len(clip), min(N_EXPLAINED, len(clip)))))
    n = len(here)
    rows = _spread(len(own), n)
    # In place of a window's part comes that of the person's videos a quarter, a half, three quarters further on.
    moments = [(rows + (j + 1) * len(own) // (N_MOMENTS + 1)) % len(own) for j in range(N_MOMENTS)]
    theirs, others = _limbs(_picked(own, rows)), [_limbs(_picked(own, moment)) for moment in moments]

    def scored(*variants: Sequence[Float32Array]) -> list[Float64Array]:
        """Scores [shape=(n,)] of each set of variants, mean over them; all in one go, which a network does faster."""
        found = score(np.concatenate([_whole(some) for limbs in variants for some in limbs])).reshape(-1, n)
        ends = np.cumsum([len(limbs) for limbs in variants])[:-1]
        return [np.asarray(some.mean(axis=0), dtype=np.float64) for some in np.split(found, ends)]

    as_it_is, of_person = scored([here], [theirs])
    shown = [name for name, part in PARTS.items() if min(part) < here.shape[2]]
    parts = [_part(name, here, theirs, others, as_it_is, scored) for name in shown]
    parts.sort(key=lambda part: -abs(part.effect))
    found = Explanation(
        n, float(as_it_is.mean()), float(of_person.mean()), tuple(parts),
        _relations(here, theirs, others[:N_MOMENTS_OF_RELATIONS], scored) if n > 1 else (), None, None
    )  # fmt: skip
    without = {
        side: float(scored([_exchanged(here, other, _keypoints_of(told)) for other in others])[0].mean())
        for side, told in (("for", found.parts_for), ("against", found.parts_against))
        if told
    }
    return Explanation(
        found.n_windows, found.score, found.score_person, found.parts, found.relations,
        without.get("for"), without.get("against"),
    )  # fmt: skip


class _Scored(Protocol):
    def __call__(self, *variants: Sequence[Float32Array]) -> list[Float64Array]: ...


def _part(
    name: str,
    here: Float32Array,
    theirs: Float32Array,
    others: Sequence[Float32Array],
    as_it_is: Float64Array,
    scored: _Scored,
) -> Part:
    part = PARTS[name]
    without, put_in, usual = scored(
        [_exchanged(here, other, part) for other in others],
        [_exchanged(other, here, part) for other in others],
        [_exchanged(other, theirs, part) for other in others],
    )
    effects = ((as_it_is - without) + (put_in - usual)) / 2
    effect, half = float(effects.mean()), len(effects) // 2
    halves = np.sign([effects[:half].mean(), effects[half:].mean()]) if half else np.zeros(0)
    held = bool((halves == np.sign(effect)).all()) if half else None
    return Part(name, effect, float(without.mean()), float(put_in.mean()), float(usual.mean()), held)


def _relations(
    here: Float32Array, theirs: Float32Array, others: Sequence[Float32Array], scored: _Scored
) -> tuple[Relation, ...]:
    n = len(here)
    later = (np.arange(n) + n // 2) % n

    def worth(limbs: Float32Array, first: str, second: str) -> float:
        a, b = _RELATED[first], _RELATED[second]
        together, apart = scored(
            [_exchanged(other, limbs, (*a, *b)) for other in others],
            [_exchanged(_exchanged(other, limbs, a), limbs[later], b) for other in others],
        )
        return float((together - apart).mean())

    found = [Relation(a, b, worth(here, a, b), worth(theirs, a, b)) for a, b in RELATIONS]
    return tuple(sorted(found, key=lambda relation: -abs(relation.effect - relation.usual)))


def _spread(n_of: int, n: int) -> Int64Array:
    """So many of the rows 0 to `n_of` - 1, evenly spread; rows come again where there are fewer."""
    return np.asarray((np.arange(n) * n_of) // n, dtype=np.int64)


def _picked(windows: SomeWindows, rows: Int64Array) -> Float32Array:
    return np.concatenate([windows[row : row + 1] for row in rows.tolist()])


def _keypoints_of(parts: Sequence[Part]) -> tuple[int, ...]:
    return tuple(keypoint for part in parts for keypoint in PARTS[part.name])


def _exchanged(limbs: Float32Array, other: Float32Array, part: tuple[int, ...]) -> Float32Array:
    mixed = limbs.copy()
    there = [point for point in part if point < limbs.shape[2]]
    mixed[:, :, there] = other[:, :, there]
    return mixed


def _limbs(windows: Float32Array) -> Float32Array:
    """Every keypoint seen from the one that carries it, in torso sizes; the neck from its own median place."""
    relative = to_torso(windows)
    limbs = relative.copy()
    for keypoint, parent in _carried(limbs):
        if parent != NECK:
            limbs[:, :, keypoint] -= relative[:, :, parent]
    return limbs


def _carried(limbs: Float32Array) -> list[tuple[int, int]]:
    return [(point, parent) for point, parent in _PARENT.items() if point < limbs.shape[2]]


def _whole(limbs: Float32Array) -> Float32Array:
    """The inverse of `_limbs`, as windows [shape=(N, 150, P, 2)] in torso sizes."""
    windows = limbs.copy()
    for keypoint, parent in _carried(limbs):
        windows[:, :, keypoint] += windows[:, :, parent]
    return windows
