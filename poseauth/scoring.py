"""What scores a window: the network and the whitened statistics of the movement, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poseauth.arrays import Float32Array, Float64Array
from poseauth.inference import TaughtNetwork
from poseauth.movement_statistics import N_MOVEMENT_STATISTICS, movement_statistics
from poseauth.recipes import Architecture
from poseauth.surrogates import mirror_images
from poseauth.whitening import WhitenedCosine
from poseauth.windows import SomeWindows

_AT_ONCE = 128
"""Windows scored together: more would be memory that grows with the clip."""
_NETWORK, _STATISTICS = "network.", "statistics."


@dataclass(frozen=True, eq=False)
class WindowScorer:
    """All that was learnt of a person.

    Attributes
    ----------
    network : TaughtNetwork
        The LSTM.
    statistics : WhitenedCosine or None
        None where the recipe has the network alone.
    """

    network: TaughtNetwork
    statistics: WhitenedCosine | None

    def __call__(self, windows: SomeWindows) -> Float64Array:
        """Raw scores of windows; higher = more like the person, on a scale of the profile's own.

        Parameters
        ----------
        windows : Windows, or np.ndarray [shape=(N, 150, 12, 2)], float32
            Pixels, NaN where missing.

        Returns
        -------
        np.ndarray [shape=(N,)], float64
            The cosine, -1 to 1, plus `network_share` of the network's probability; that probability alone without
            statistics.
        """
        parts = [np.zeros(0)]
        parts += [self._score(windows[first : first + _AT_ONCE]) for first in range(0, len(windows), _AT_ONCE)]
        return np.concatenate(parts)

    def _score(self, windows: Float32Array) -> Float64Array:
        probability = self.network.probabilities(windows).astype(np.float64)
        if self.statistics is None:
            return probability
        share = self.network.architecture.network_share
        return self.statistics(movement_statistics(windows)) + share * probability

    def as_arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Everything as arrays, by name."""
        arrays = {f"{_NETWORK}{name}": value.copy() for name, value in self.network.weights.items()}
        if self.statistics is not None:
            arrays |= {f"{_STATISTICS}{name}": value for name, value in self.statistics.as_arrays().items()}
        return arrays


def scores_in_mirror(scorer: Callable[[Float32Array], Float64Array], windows: SomeWindows) -> Float64Array:
    """Scores of windows turned round, some at a time: all of them at once would be hundreds of MB for hours.

    Parameters
    ----------
    scorer : callable
        A WindowScorer, or what scores as it does.
    windows : Windows, or np.ndarray [shape=(N, 150, 12, 2)], float32
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
    network = {name.removeprefix(_NETWORK): value for name, value in arrays.items() if name.startswith(_NETWORK)}
    plain = {name.removeprefix(_STATISTICS): value for name, value in arrays.items() if name.startswith(_STATISTICS)}
    known = (_NETWORK, _STATISTICS) if architecture.statistics else (_NETWORK,)
    foreign = [name for name in arrays if not name.startswith(known)]
    if foreign:
        raise ValueError(f"{', '.join(sorted(foreign))}: no place for these in such a profile")
    statistics = None
    if architecture.statistics:
        statistics = WhitenedCosine.from_arrays(plain)
        if len(statistics.mean) != N_MOVEMENT_STATISTICS:
            raise ValueError(f"{len(statistics.mean)} statistics; a window has {N_MOVEMENT_STATISTICS}")
    return WindowScorer(TaughtNetwork(architecture, network), statistics)
