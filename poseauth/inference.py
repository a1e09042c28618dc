"""The taught network as NumPy runs it: window scores on the CPU, the same on every machine, without loading torch.

Importing torch takes longer than scoring a clip. `poseauth.models` teaches the same network; the two agree to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from poseauth.arrays import Float32Array
from poseauth.features import FEATURES, N_FEATURES
from poseauth.recipes import Architecture
from poseauth.windows import SomeWindows

PERSON = 0
"""Class of the enrolled person; every other class is somebody else."""
_ONE, _HALF = np.float32(1.0), np.float32(0.5)
_AT_ONCE = 128
"""Windows that go through the network together: more would be memory and no faster."""


@dataclass(frozen=True, eq=False)
class TaughtNetwork:
    """Many-to-one LSTM over a window, taught (Yasrab et al. 2021, section 4; gates after Gers et al. 2000).

    Attributes
    ----------
    architecture : Architecture
        Size, pooling and head.
    weights : mapping of str to np.ndarray
        As `poseauth.models.weights_of` names them: torch's names and shapes, gates in the order input, forget, cell,
        output.

    Raises
    ------
    ValueError
        If the weights are not those of such a network, or not finite.
    """

    architecture: Architecture
    weights: Mapping[str, Float32Array]
    _layers: tuple[_Layer, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the weights and lay them out for the products."""
        _check(self.architecture, self.weights)
        own = {name: np.array(value, dtype=np.float32) for name, value in self.weights.items()}
        object.__setattr__(self, "weights", own)
        layers = tuple(_Layer.of(own, number) for number in range(self.architecture.layers))
        object.__setattr__(self, "_layers", layers)

    def logits(self, features: Float32Array) -> Float32Array:
        """What the classifier says of windows.

        Parameters
        ----------
        features : np.ndarray [shape=(B, 150, F)], float32
            By `poseauth.features`; what is NaN, unknown, counts as the mean of what was learnt from.

        Returns
        -------
        np.ndarray [shape=(B, C)], float32
            C = 1 for a binary head.
        """
        scaled = np.nan_to_num((features - self.weights["feature_mean"]) / self.weights["feature_scale"])
        n_windows, n_frames, n_features = scaled.shape
        step = self.architecture.frame_step
        by_step = scaled.reshape(n_windows, n_frames // step, step, n_features).mean(axis=2)
        outputs = np.ascontiguousarray(by_step.transpose(2, 1, 0))
        for layer in self._layers:
            outputs = layer(outputs)
        summary = outputs[:, -1] if self.architecture.pooling == "last" else outputs.mean(axis=1)
        return np.asarray(summary.T @ self.weights["classifier.weight"].T + self.weights["classifier.bias"])

    def log_odds(self, windows: SomeWindows) -> Float32Array:
        """Log-odds of the enrolled person against everybody else, for each window.

        Parameters
        ----------
        windows : Windows, or np.ndarray [shape=(N, 150, P, 2)], float32
            Pixels, NaN where missing.

        Returns
        -------
        np.ndarray [shape=(N,)], float32
            Above 0 = more like the person than not.
        """
        encode = FEATURES[self.architecture.features]
        odds = [np.zeros(0, np.float32)]
        for first in range(0, len(windows), _AT_ONCE):
            logits = self.logits(encode(windows[first : first + _AT_ONCE]))
            if logits.shape[1] > 1:
                logits = logits[:, PERSON : PERSON + 1] - _log_sum_exp(logits[:, PERSON + 1 :])
            odds.append(logits[:, 0])
        return np.concatenate(odds)

    def probabilities(self, windows: SomeWindows) -> Float32Array:
        """P(the enrolled person) of each window [shape=(N,)], float32, 0 to 1; see `log_odds`."""
        return _sigmoid(self.log_odds(windows))


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer, its units first and its windows last: so the products are of tall matrices, which BLAS does best.

    The gates that open from 0 to 1 are halved here: sigmoid(x) = (1 + tanh(x / 2)) / 2, so one tanh serves all four.

    Attributes
    ----------
    from_input : np.ndarray [shape=(4H, F)], float32
    from_state : np.ndarray [shape=(4H, H)], float32
    bias : np.ndarray [shape=(4H, 1)], float32
    """

    from_input: Float32Array
    from_state: Float32Array
    bias: Float32Array

    @classmethod
    def of(cls, weights: Mapping[str, Float32Array], number: int) -> _Layer:
        """The layer of that number, from 0."""
        n_units = weights[f"lstm.weight_hh_l{number}"].shape[1]
        halved = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), n_units)[:, None]
        return cls(
            weights[f"lstm.weight_ih_l{number}"] * halved,
            weights[f"lstm.weight_hh_l{number}"] * halved,
            (weights[f"lstm.bias_ih_l{number}"] + weights[f"lstm.bias_hh_l{number}"])[:, None] * halved,
        )

    def __call__(self, steps: Float32Array) -> Float32Array:
        """Outputs [shape=(H, T, B)] of inputs [shape=(F, T, B)]."""
        n_inputs, n_steps, n_windows = steps.shape
        n_gates, n_units = self.from_state.shape
        # What the inputs give is one product for all steps; only the state has to wait for the step before.
        gates = (self.from_input @ steps.reshape(n_inputs, -1) + self.bias).reshape(n_gates, n_steps, n_windows)
        here = np.empty((n_gates, n_windows), np.float32)
        let_in, kept, offered, shown = (here[first : first + n_units] for first in range(0, n_gates, n_units))
        cell = np.zeros((n_units, n_windows), np.float32)
        outputs = np.empty((n_units, n_steps, n_windows), np.float32)
        for number in range(n_steps):
            if number:
                np.matmul(self.from_state, outputs[:, number - 1], out=here)
                here += gates[:, number]
            else:
                here[:] = gates[:, 0]
            np.tanh(here, out=here)
            kept += _ONE
            cell *= kept
            let_in += _ONE
            let_in *= offered
            cell += let_in
            cell *= _HALF
            shown += _ONE
            shown *= _HALF
            np.multiply(np.tanh(cell), shown, out=outputs[:, number])
        return outputs


def _sigmoid(values: Float32Array) -> Float32Array:
    return np.asarray((np.tanh(values * _HALF) + _ONE) * _HALF)  # does not overflow


def _log_sum_exp(logits: Float32Array) -> Float32Array:
    highest = logits.max(axis=1, keepdims=True)
    return np.asarray(highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True)))


def _check(architecture: Architecture, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    bias = weights.get("classifier.bias")
    if bias is None or bias.ndim != 1 or len(bias) < (1 if architecture.head == "binary" else PERSON + 2):
        raise ValueError("the weights hold no classifier of such a network")
    for name, value in weights.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} is not finite")
    needed = _shapes(architecture, len(bias))
    wrong = [
        f"{name} is {weights[name].shape if name in weights else 'missing'}, not {shape}"
        for name, shape in needed.items()
        if name not in weights or weights[name].shape != shape
    ]
    wrong += [f"{name} has no place in it" for name in weights if name not in needed]
    if wrong:
        raise ValueError(f"the weights do not fit the network: {'; '.join(wrong)}")


def _shapes(architecture: Architecture, n_classes: int) -> dict[str, tuple[int, ...]]:
    """Of every array of such a network."""
    n_units, n_features = architecture.hidden, N_FEATURES[architecture.features]
    shapes: dict[str, tuple[int, ...]] = {"feature_mean": (n_features,), "feature_scale": (n_features,)}
    for number in range(architecture.layers):
        n_inputs = n_features if number == 0 else n_units
        shapes |= {
            f"lstm.weight_ih_l{number}": (4 * n_units, n_inputs),
            f"lstm.weight_hh_l{number}": (4 * n_units, n_units),
            f"lstm.bias_ih_l{number}": (4 * n_units,),
            f"lstm.bias_hh_l{number}": (4 * n_units,),
        }
    n_outputs = 1 if architecture.head == "binary" else n_classes
    return shapes | {"classifier.weight": (n_outputs, n_units), "classifier.bias": (n_outputs,)}
