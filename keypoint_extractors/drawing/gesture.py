"""What a speech makes an invented speaker do: phrases, beats, accents, places of the hands, looks around the room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keypoint_extractors.drawing.movement_style import MovementStyle
from poseauth.arrays import Float64Array

MARGIN_S = 3.0
"""A speech is composed beyond both ends, so that no limb has to start from nothing."""
ONSET_S = 0.12
"""How fast the beat sets in and dies away at the ends of a phrase."""


@dataclass(frozen=True)
class Speech:
    """One speech, as functions of time.

    Attributes
    ----------
    beat_times_s, beat_strengths : np.ndarray [shape=(B,)], float64
        When the beats fall and how strong they are, about 1.
    phrases_s : np.ndarray [shape=(P, 2)], float64
        Start and end of each phrase.
    gaze_times_s, gaze_sides : np.ndarray [shape=(G,)], float64
        Looks: -1 (picture's left) to 1.
    right_places, left_places : np.ndarray [shape=(M, 4)], float64
        Time, outward, down, forward: where a hand goes and from when on.
    sharpness : float
        Of the beat, as in the style.
    sway_phase : float
        Radians.
    """

    beat_times_s: Float64Array
    beat_strengths: Float64Array
    phrases_s: Float64Array
    gaze_times_s: Float64Array
    gaze_sides: Float64Array
    right_places: Float64Array
    left_places: Float64Array
    sharpness: float
    sway_phase: float

    def beat(self, times_s: Float64Array) -> Float64Array:
        """The swing of the beat, -1 (lifted) to 1 (hit), [shape=(T,)]."""
        return np.asarray(np.cos(self._phase(times_s)))

    def quarter_beat(self, times_s: Float64Array) -> Float64Array:
        """The same a quarter of a beat later, [shape=(T,)]."""
        return np.asarray(np.sin(self._phase(times_s)))

    def _phase(self, times_s: Float64Array) -> Float64Array:
        from scipy.interpolate import PchipInterpolator

        turns = 2 * np.pi * PchipInterpolator(self.beat_times_s, np.arange(len(self.beat_times_s)))(times_s)
        return np.asarray(turns + self.sharpness * (np.cos(turns) - 1.0))

    def accent(self, times_s: Float64Array) -> Float64Array:
        """Strength of the beat, 0 in pauses and about 1 in phrases, [shape=(T,)]."""
        from scipy.interpolate import PchipInterpolator

        strength = PchipInterpolator(self.beat_times_s, self.beat_strengths)(times_s)
        gate = np.zeros_like(times_s)
        with np.errstate(over="ignore"):  # long before an onset the exponential is infinite, and the gate rightly 0
            for start, end in self.phrases_s:
                gate += 1 / (1 + np.exp(-(times_s - start) / ONSET_S)) - 1 / (1 + np.exp(-(times_s - end) / ONSET_S))
        return np.asarray(strength * gate)

    def gaze(self, times_s: Float64Array) -> Float64Array:
        """Where the speaker looks, -1 (picture's left) to 1, [shape=(T,)]."""
        looks = np.stack([self.gaze_times_s, self.gaze_sides], axis=1)
        return held_places(looks, 0.45, times_s)[:, 0]


def compose_speech(style: MovementStyle, duration_s: float, rng: np.random.Generator) -> Speech:
    """Make up a speech.

    Parameters
    ----------
    style : MovementStyle
        Whose speech it is.
    duration_s : float
        Seconds; the speech goes on a little before 0 and after it.
    rng : np.random.Generator
        Chooses the words.
    """
    start, end = -MARGIN_S, duration_s + MARGIN_S
    phrases = _alternate(start - rng.uniform(0, style.phrase_s), end, style.phrase_s, style.pause_s, rng)
    beats = _intervals(start - 2.0, end + 2.0, 1 / style.beat_hz, style.beat_spread, rng)
    strengths = np.exp(rng.normal(-0.03, 0.28, len(beats)))
    looks = _intervals(start, end, style.gaze_s, 0.4, rng)
    right, left = _compose_places(style, phrases, rng)
    return Speech(
        beat_times_s=beats,
        beat_strengths=strengths,
        phrases_s=phrases,
        gaze_times_s=looks,
        gaze_sides=np.clip(rng.normal(0.0, 0.7, len(looks)), -1.0, 1.0),
        right_places=right,
        left_places=left,
        sharpness=style.sharpness,
        sway_phase=rng.uniform(0, 2 * np.pi),
    )


def _intervals(start: float, end: float, mean_s: float, spread: float, rng: np.random.Generator) -> Float64Array:
    n_events = int(2 * (end - start) / mean_s) + 8
    gaps = mean_s * np.clip(rng.normal(1.0, spread, n_events), 0.4, 2.0)
    times = start - rng.uniform(0, mean_s) + np.cumsum(gaps) - gaps[0]
    return np.asarray(times[: int(np.searchsorted(times, end)) + 2])


def _alternate(start: float, end: float, on_s: float, off_s: float, rng: np.random.Generator) -> Float64Array:
    phrases = []
    at = start
    while at < end:
        until = at + on_s * float(np.exp(rng.normal(0, 0.35)))
        phrases.append((at, until))
        at = until + off_s * float(np.exp(rng.normal(0, 0.35)))
    return np.array(phrases)


def _compose_places(
    style: MovementStyle, phrases: Float64Array, rng: np.random.Generator
) -> tuple[Float64Array, Float64Array]:
    """Both hands go to a new place for each gesture of a phrase and back to rest after it."""
    hands: tuple[list[Float64Array], list[Float64Array]] = ([], [])
    rests = (np.array(style.rest_right), np.array(style.rest_left))
    shares = (style.right_share, style.left_share)
    for start, end in phrases:
        at = start - 0.5 * style.move_s
        while at < end - 0.3:
            shared = rng.normal(0.0, style.spread)
            for places, rest, share in zip(hands, rests, shares, strict=True):
                alone = 0.4 * rng.normal(0.0, style.spread)
                target = rest + share * (np.array(style.home) + shared + alone - rest)
                places.append(np.array([at, *target]))
            at += style.gesture_s * float(np.exp(rng.normal(0, 0.3)))
        for places, rest in zip(hands, rests, strict=True):
            places.append(np.array([end, *(rest + rng.normal(0.0, 0.02, 3))]))
    return np.array(hands[0]), np.array(hands[1])


def held_places(places: Float64Array, move_s: float, times_s: Float64Array) -> Float64Array:
    """Values that are held and moved from one to the next with least jerk.

    Parameters
    ----------
    places : np.ndarray [shape=(M, 1 + D)]
        Time from which each value is headed for, and the value.
    move_s : float
        Seconds a move takes.
    times_s : np.ndarray [shape=(T,)]
        When to tell the value.

    Returns
    -------
    np.ndarray [shape=(T, D)], float64
    """
    steps = np.diff(places[:, 1:], axis=0)
    done = np.clip((times_s[:, None] - places[None, 1:, 0]) / move_s, 0.0, 1.0)
    return np.asarray(places[0, 1:] + (done**3 * (10 - 15 * done + 6 * done**2)) @ steps)


def smooth_noise(times_s: Float64Array, period_s: float, rng: np.random.Generator) -> Float64Array:
    """A wandering value of unit size with nothing faster than about one turn in two periods, [shape=(T,)]."""
    from scipy.interpolate import CubicSpline

    knots = np.arange(float(times_s[0]) - 2 * period_s, float(times_s[-1]) + 3 * period_s, period_s)
    return np.asarray(CubicSpline(knots, rng.normal(0.0, 1.0, len(knots)))(times_s))
