"""The one-euro filter: still points are smoothed a lot, fast ones hardly.

Casiez, Roussel and Vogel, "1 euro filter", CHI 2012, with the speed in units of the object's size, as MediaPipe's
LandmarksSmoothingCalculator has it.
"""

from __future__ import annotations

import math

import numpy as np

from poseauth.arrays import Float64Array


class OneEuroFilter:
    """Smooths a point from picture to picture by the pictures' own times.

    Parameters
    ----------
    min_cutoff : float
        Cut-off frequency of a point at rest, in Hz.
    beta : float
        How much the cut-off rises with the speed, in Hz per object size and second.
    derivative_cutoff : float
        Cut-off frequency of the speed, in Hz.
    """

    def __init__(self, *, min_cutoff: float, beta: float, derivative_cutoff: float = 1.0) -> None:
        self._min_cutoff = min_cutoff
        self._beta = beta
        self._derivative_cutoff = derivative_cutoff
        self._last: tuple[float, Float64Array, Float64Array, Float64Array] | None = None

    def filtered(self, value: Float64Array, time_s: float, object_size: float) -> Float64Array:
        """The smoothed value.

        Parameters
        ----------
        value : np.ndarray
            Coordinates in pixels.
        time_s : float
            Later than at the last call.
        object_size : float
            In pixels, above 0.
        """
        if self._last is None:
            self._last = (time_s, value, value, np.zeros_like(value))
            return value
        last_s, last_value, smoothed, speed = self._last
        rate = 1 / (time_s - last_s)
        alpha = _alpha(self._derivative_cutoff, rate)
        speed = alpha * (value - last_value) * (rate / object_size) + (1 - alpha) * speed
        alpha = _alpha(self._min_cutoff + self._beta * np.abs(speed), rate)
        smoothed = alpha * value + (1 - alpha) * smoothed
        self._last = (time_s, value, smoothed, speed)
        return np.asarray(smoothed)


def _alpha(cutoff: float | Float64Array, rate: float) -> float | Float64Array:
    """Share of the new value in an exponential filter of this cut-off and frequency, both in Hz."""
    return 1 / (1 + rate / (2 * math.pi * cutoff))
