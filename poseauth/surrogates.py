"""People who do not exist, made from those who do: joints uncoupled, bodies mixed, left and right exchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poseauth.arrays import Float32Array, Int32Array
from poseauth.features import to_torso
from poseauth.keypoints import (
    FACE,
    HEAD_KEYPOINTS,
    L_EAR,
    L_ELBOW,
    L_EYE,
    L_FINGERS,
    L_HAND,
    L_SHOULDER,
    L_WRIST,
    LEFT,
    N_BODY_POINTS,
    NECK,
    NOSE,
    R_EAR,
    R_ELBOW,
    R_EYE,
    R_FINGERS,
    R_HAND,
    R_SHOULDER,
    R_WRIST,
    RIGHT,
    WholeBody,
)

_STREAMS = (
    (*HEAD_KEYPOINTS, *FACE),
    (R_ELBOW, R_WRIST, *R_FINGERS, *R_HAND),
    (L_ELBOW, L_WRIST, *L_FINGERS, *L_HAND),
)
"""Of whole windows; of the twelve those of the points that are there."""

_MIRROR_ORDER = (
    NOSE, NECK, L_SHOULDER, L_ELBOW, L_WRIST, R_SHOULDER, R_ELBOW, R_WRIST, L_EYE, R_EYE, L_EAR, R_EAR,
    *L_FINGERS, *R_FINGERS, FACE[1], FACE[0], FACE[3], FACE[2], *R_HAND, *L_HAND,
)  # fmt: skip
_BODY_MIRROR_ORDER = (0, 4, 5, 6, 1, 2, 3, *(k + 1 if k % 2 else k - 1 for k in range(7, N_BODY_POINTS)))
"""Of BlazePose's points: the inner, middle and outer eyes, then a pair of left and right each."""
MIN_WINDOWS = len(_STREAMS)
"""Each stream of a surrogate comes from another window."""
_PERSON_SHARE = 0.6
"""Share of chimeras that are sure to have a part of the first person: the strangers hardest to tell."""


def surrogate_impostors(windows: Float32Array, *, rng: np.random.Generator) -> Float32Array:
    """As many windows of somebody who does not exist: head, right arm and left arm each from another moment.

    Every joint moves as the person's does; what is wrong is how the joints go together. Positions are exchanged
    relative to the neck and the torso size, so that the bodies stay whole. The three streams of one surrogate
    come from three different windows.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, P, 2)], float32
        The person's windows, at least three, pixels, NaN where missing.
    rng : np.random.Generator
        Decides what comes from where.

    Returns
    -------
    np.ndarray [shape=(N, 150, P, 2)], float32
        Torso-relative units (the features do not depend on the unit), NaN where missing.

    Raises
    ------
    ValueError
        If there are fewer than three windows.
    """
    if len(windows) < MIN_WINDOWS:
        raise ValueError(f"{len(windows)} windows; surrogate impostors are mixed from at least {MIN_WINDOWS}")
    relative = to_torso(windows)
    neck = relative[:, :, NECK].copy()
    relative[:, :, NECK] = 0.0
    mixed = relative.copy()
    for i in range(len(relative)):
        donors = rng.choice(len(relative), size=len(_STREAMS), replace=False)
        for stream, donor in zip(_streams(relative), donors, strict=True):
            mixed[i][:, stream] = relative[donor][:, stream]
    return np.asarray(mixed + neck[:, :, None, :], dtype=np.float32)


def chimeras(
    people: Sequence[Float32Array], n_windows: int, *, rng: np.random.Generator
) -> tuple[Float32Array, Int32Array]:
    """Windows of people put together from several: head, right arm, left arm and trunk, each of one of them.

    Strangers in abundance, many of them half the person: a network that has met them must look at all of a body
    before it says that it is the person's. Parts are exchanged relative to the neck and the torso size.

    Parameters
    ----------
    people : sequence of np.ndarray [shape=(N, 150, P, 2)], float32
        The person to learn first, then at least one other; every one with a window or more, NaN where missing.
    n_windows : int
        How many to make.
    rng : np.random.Generator
        Decides what comes from where.

    Returns
    -------
    windows : np.ndarray [shape=(n_windows, 150, P, 2)], float32
        Torso-relative units, NaN where missing; in none are head and both arms of one and the same person.
    heads : np.ndarray [shape=(n_windows,)], int32
        Which of the people gives the head.

    Raises
    ------
    ValueError
        If there are fewer than two people, or one without a window.
    """
    if len(people) < 2 or not all(len(windows) for windows in people):
        counts = [len(windows) for windows in people]
        raise ValueError(f"people with {counts} windows; at least two people, each with a window, are needed to mix")
    parts = [to_torso(windows) for windows in people]
    necks = [relative[:, :, NECK].copy() for relative in parts]
    for relative in parts:
        relative[:, :, NECK] = 0.0
    mixed = np.empty((n_windows, *parts[0].shape[1:]), dtype=np.float32)
    heads = np.empty(n_windows, dtype=np.int32)
    for i in range(n_windows):
        donors = _several_of(len(people), rng)
        trunk = int(donors[-1])
        moment = int(rng.integers(len(parts[trunk])))
        mixed[i] = parts[trunk][moment]
        for stream, donor in zip(_streams(mixed), donors, strict=False):
            mixed[i][:, stream] = parts[donor][rng.integers(len(parts[donor]))][:, stream]
        mixed[i] += necks[trunk][moment][:, None, :]
        heads[i] = donors[0]
    return mixed, heads


def _streams(windows: Float32Array) -> list[list[int]]:
    """The points of head, right arm and left arm among those that the windows have."""
    return [[point for point in stream if point < windows.shape[2]] for stream in _STREAMS]


def _several_of(n_people: int, rng: np.random.Generator) -> Int32Array:
    """Who gives head, right arm, left arm and trunk: not one and the same for the first three."""
    donors = rng.integers(n_people, size=len(_STREAMS) + 1).astype(np.int32)
    if rng.random() < _PERSON_SHARE:
        donors[rng.integers(len(donors))] = 0
    if len(set(donors[:-1].tolist())) == 1:
        donors[rng.integers(len(_STREAMS))] = (donors[0] + 1 + rng.integers(n_people - 1)) % n_people
    return donors


def mirror_images(windows: Float32Array) -> Float32Array:
    """The same windows in a mirror: what the right hand did, the left does, on the other side of the picture.

    Nobody is their own mirror image: the hand that leads, the side the head leans to, are a person's own.

    Parameters
    ----------
    windows : np.ndarray [shape=(N, 150, P, 2)], float32
        NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N, 150, P, 2)], float32
        x is negative: the features do not depend on the place in the picture.
    """
    mirrored = windows[:, :, list(_MIRROR_ORDER[: windows.shape[2]])].copy()
    mirrored[..., 0] *= -1
    return mirrored


def mirrored_whole_body(whole: WholeBody) -> WholeBody:
    """Hands and body in a mirror, as `mirror_images`: sides are exchanged, and x is negative."""

    def turned(points: Float32Array | None, order: Sequence[int]) -> Float32Array | None:
        return None if points is None else points[:, list(order)] * np.array([-1, 1, 1], np.float32)

    return WholeBody(
        turned(whole.hands, (RIGHT, LEFT)),
        None if whole.hand_confidence is None else whole.hand_confidence[:, ::-1].copy(),
        turned(whole.body, _BODY_MIRROR_ORDER),
        None if whole.visibility is None else whole.visibility[:, list(_BODY_MIRROR_ORDER)],
    )
