"""What scores a window: the network and the whitened statistics of the movement, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poseauth.arrays import Float32Array, Float64Array
from poseauth.inference import TaughtNetwork
from poseauth.movement_statistics import (
    N_BODY_STATISTICS,
    N_HAND_STATISTICS,
    N_MOVEMENT_STATISTICS,
    body_statistics,
    hand_statistics,
    movement_statistics,
)
from poseauth.recipes import Architecture
from poseauth.surrogates import mirror_images
from poseauth.whitening import WhitenedCosine
from poseauth.windows import SomeWindows

_AT_ONCE = 128
"""Windows scored together: more would be memory that grows with the clip."""
LEAST_HANDS = 10
"""Windows in which a hand of the person, and of somebody else, is found, below which hands are not compared."""


@dataclass(frozen=True)
class Block:
    """Statistics that are whitened together.

    Attributes
    ----------
    of : callable
        Gives rows [shape=(N, D)], float64, of windows; NaN where unknown.
    size : int
        D.
    least : int
        Rows of which something is known that the person needs, and some other; with fewer the block is left out.
    """

    of: Callable[[Float32Array], Float64Array]
    size: int
    least: int = 0


_OF_TWELVE = {"statistics": Block(movement_statistics, N_MOVEMENT_STATISTICS)}
BLOCKS: Mapping[str, Mapping[str, Block]] = {
    "zscore": _OF_TWELVE,
    "torso": _OF_TWELVE,
    "whole": {
        "body": Block(body_statistics, N_BODY_STATISTICS),
        "hands": Block(hand_statistics, N_HAND_STATISTICS, LEAST_HANDS),
    },
}
"""What statistics stand beside the network, by the features that it is shown, under the names that a profile stores."""


@dataclass(frozen=True, eq=False)
class WindowScorer:
    """All that was learnt of a person.

    Attributes
    ----------
    network : TaughtNetwork
        The LSTM.
    statistics : mapping of str to WhitenedCosine
        By the names of `BLOCKS`; empty where the recipe has the network alone.
    """

    network: TaughtNetwork
    statistics: Mapping[str, WhitenedCosine]

    def __call__(self, windows: SomeWindows) -> Float64Array:
        """Raw scores of windows; higher = more like the person, on a scale of the profile's own.

        Parameters
        ----------
        windows : Windows, or np.ndarray [shape=(N, 150, P, 2)], float32
            Pixels, NaN where missing; P as the features ask for.

        Returns
        -------
        np.ndarray [shape=(N,)], float64
            The mean of the blocks' cosines, -1 to 1, plus `network_share` of the network's probability; that
            probability alone without statistics. A hand that is not found speaks neither for nor against: its cosine
            counts as 0.
        """
        parts = [np.zeros(0)]
        parts += [self._score(windows[first : first + _AT_ONCE]) for first in range(0, len(windows), _AT_ONCE)]
        return np.concatenate(parts)

    def _score(self, windows: Float32Array) -> Float64Array:
        probability = self.network.probabilities(windows).astype(np.float64)
        if not self.statistics:
            return probability
        blocks = BLOCKS[self.network.architecture.features]
        cosines = []
        for name, whitened in self.statistics.items():
            rows = blocks[name].of(windows)
            cosines.append(np.where(np.isfinite(rows).any(axis=1), whitened(rows), 0.0))
        return np.asarray(np.mean(cosines, axis=0) + self.network.architecture.network_share * probability)

    def as_arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Everything as arrays, by name."""
        arrays = {f"network.{name}": value.copy() for name, value in self.network.weights.items()}
        for block, whitened in self.statistics.items():
            arrays |= {f"{block}.{name}": value for name, value in whitened.as_arrays().items()}
        return arrays


def fit_statistics(features: str, people: Sequence[Float32Array]) -> dict[str, WhitenedCosine]:
    """The blocks of `BLOCKS` for those features, fitted on windows of the enrolment side.

    Parameters
    ----------
    features : str
        A name of `poseauth.features.FEATURES`.
    people : sequence of np.ndarray [shape=(N, 150, P, 2)], float32
        The person's windows first, then everybody else's, one array a person; pixels, NaN where missing.
    """
    fitted = {}
    for name, block in BLOCKS[features].items():
        rows = [block.of(windows) for windows in people]
        known = [some[np.isfinite(some).any(axis=1)] for some in rows] if block.least else rows
        if len(known[0]) < block.least or max(map(len, known[1:]), default=0) < block.least:
            continue
        fitted[name] = WhitenedCosine.fit([known[0], *(some for some in known[1:] if len(some) >= block.least)])
    return fitted


def scores_in_mirror(scorer: Callable[[Float32Array], Float64Array], windows: SomeWindows) -> Float64Array:
    """Scores of windows turned round, some at a time: all of them at once would be hundreds of MB for hours.

    Parameters
    ----------
    scorer : callable
        A WindowScorer, or what scores as it does.
    windows : Windows, or np.ndarray [shape=(N, 150, P, 2)], float32
        Pixels, NaN where missing.

    Returns
    -------
    np.ndarray [shape=(N,)], float64
    """
    parts = [np.zeros(0)]
    for first in range(0, len(windows), _AT_ONCE):
        parts.append(scorer(mirror_images(windows[first : first + _AT_ONCE])))
    return np.concatenate(parts)


def scorer_from_arrays(architecture: Architecture, arrays: Mapping[str, np.ndarray[Any, Any]]) -> WindowScorer:
    """The inverse of `WindowScorer.as_arrays`.

    Raises
    ------
    ValueError
        If the arrays are not those of such a scorer, or not finite.
    """
    blocks = BLOCKS[architecture.features] if architecture.statistics else {}
    parts: dict[str, dict[str, np.ndarray[Any, Any]]] = {"network": {}}
    for name, value in arrays.items():
        part, _, rest = name.partition(".")
        if part != "network" and part not in blocks:
            raise ValueError(f"{name}: no place for it in such a profile")
        parts.setdefault(part, {})[rest] = value
    needed = [name for name, block in blocks.items() if not block.least and name not in parts]
    if needed:
        raise ValueError(f"no {' and no '.join(needed)}")
    statistics = {name: WhitenedCosine.from_arrays(parts[name]) for name in blocks if name in parts}
    for name, whitened in statistics.items():
        if len(whitened.mean) != blocks[name].size:
            raise ValueError(f"{name}: {len(whitened.mean)} statistics; a window has {blocks[name].size}")
    return WindowScorer(TaughtNetwork(architecture, parts["network"]), statistics)
