"""The manner in which an invented speaker moves, and six of them."""

from __future__ import annotations

from dataclasses import dataclass

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Proportions:
    """Lengths of a body in shoulder widths.

    Attributes
    ----------
    upper_arm, forearm : float
        Shoulder to elbow, elbow to wrist.
    neck : float
        From between the shoulders to between the ears.
    head : float
        Size of the head; at 1 the ears are 0.41 shoulder widths apart.
    """

    upper_arm: float = 0.80
    forearm: float = 0.68
    neck: float = 0.63
    head: float = 1.0


@dataclass(frozen=True)
class HandStyle:
    """How a speaker holds their hands.

    Attributes
    ----------
    open : float
        How far the fingers are stretched while they speak, 0 (a fist) to 1.
    open_at_rest : float
        The same in a pause.
    beat : float
        How much further they open on a beat; negative: they close.
    spread : float
        How far the fingers are apart, 0 to 1.
    turn : float
        How far the palms, which face each other at 0, are turned up (above 0) or down, in radians.
    pointing : float
        How far the index finger stays stretched where the others close, 0 to 1.
    """

    open: float = 0.85
    open_at_rest: float = 0.7
    beat: float = 0.1
    spread: float = 0.5
    turn: float = 0.4
    pointing: float = 0.0


@dataclass(frozen=True)
class MovementStyle:
    """What stays the same from speech to speech.

    Places and strokes of the hands are (outward, down, forward) in shoulder widths, angles are in radians.

    Attributes
    ----------
    name : str
        What the speaker is called.
    beat_hz : float
        Beats a second while a phrase lasts.
    beat_spread : float
        Unevenness of the beat: standard deviation of the interval over its mean.
    sharpness : float
        0: even swing; towards 1: a slow lift and a fast hit.
    stroke, stroke_across : tuple of float
        Half a beat's way, and the way a quarter of a beat later; both together make a loop.
    right_gain, left_gain : float
        How much of the stroke each hand makes.
    left_lag_s : float
        Seconds by which the left hand follows the right; negative: it leads.
    mirror : float
        1: the hands mirror each other; -1: one comes as the other goes.
    rest_right, rest_left, home : tuple of float
        Places of the hands in a pause, and around which they gesture.
    spread : tuple of float
        Standard deviation of the places between gestures.
    right_share, left_share : float
        How far each hand comes up from its rest to gesture, 0 to 1.
    phrase_s, pause_s, gesture_s, move_s : float
        Typical seconds of a phrase, of a pause, of one place of the hands, and of the way to it.
    head_nod, head_turn, head_tilt : float
        What the head does on each beat.
    head_lag_s : float
        Seconds by which the head follows the hands; negative: it leads.
    gaze_turn, gaze_tilt : float
        How the head turns and tilts as the speaker looks from one side of the room to the other.
    gaze_s : float
        Typical seconds between such looks.
    shoulder_lift : float
        How far a shoulder rises on a beat, in shoulder widths.
    torso_turn, torso_roll : float
        What the trunk does on each beat.
    torso_lag_s : float
        Seconds by which the trunk follows the hands; negative: it leads.
    sway, sway_hz : float
        Swaying to the sides, in shoulder widths, and its rate.
    posture_roll, posture_lean, posture_chin : float
        Lasting tilt of the shoulders, lean towards the camera, lowered chin.
    elbow_out : float
        How far the elbows are held from the body.
    hands : HandStyle
        What the fingers do.
    proportions : Proportions
        The body.
    """

    name: str
    beat_hz: float
    stroke: Vector
    stroke_across: Vector = (0.0, 0.0, 0.0)
    beat_spread: float = 0.1
    sharpness: float = 0.4
    right_gain: float = 1.0
    left_gain: float = 1.0
    left_lag_s: float = 0.0
    mirror: float = 1.0
    rest_right: Vector = (0.26, 1.02, 0.42)
    rest_left: Vector = (0.26, 1.02, 0.42)
    home: Vector = (0.5, 0.66, 0.44)
    spread: Vector = (0.12, 0.1, 0.08)
    right_share: float = 1.0
    left_share: float = 1.0
    phrase_s: float = 3.5
    pause_s: float = 0.9
    gesture_s: float = 1.6
    move_s: float = 0.55
    head_nod: float = 0.06
    head_turn: float = 0.0
    head_tilt: float = 0.0
    head_lag_s: float = 0.0
    gaze_turn: float = 0.12
    gaze_tilt: float = 0.0
    gaze_s: float = 3.0
    shoulder_lift: float = 0.02
    torso_turn: float = 0.0
    torso_roll: float = 0.0
    torso_lag_s: float = 0.0
    sway: float = 0.03
    sway_hz: float = 0.2
    posture_roll: float = 0.0
    posture_lean: float = 0.0
    posture_chin: float = 0.0
    elbow_out: float = 0.0
    hands: HandStyle = HandStyle()
    proportions: Proportions = Proportions()


STYLES: tuple[MovementStyle, ...] = (
    MovementStyle(
        name="chopper",
        beat_hz=1.9,
        stroke=(0.02, 0.17, 0.05),
        sharpness=0.7,
        left_gain=0.12,
        left_share=0.25,
        rest_left=(0.3, 1.08, 0.4),
        home=(0.48, 0.56, 0.44),
        head_nod=0.13,
        head_lag_s=0.02,
        gaze_turn=0.08,
        shoulder_lift=0.035,
        torso_roll=0.012,
        sway=0.015,
        hands=HandStyle(open=0.97, open_at_rest=0.8, beat=0.02, spread=0.3, turn=0.6),
        proportions=Proportions(0.82, 0.66, 0.63, 0.98),
    ),
    MovementStyle(
        name="conductor",
        beat_hz=1.05,
        stroke=(0.17, 0.02, 0.0),
        stroke_across=(0.0, 0.14, 0.04),
        sharpness=0.0,
        beat_spread=0.06,
        home=(0.56, 0.64, 0.44),
        phrase_s=5.0,
        pause_s=0.6,
        gesture_s=2.6,
        head_nod=0.02,
        head_tilt=0.09,
        head_lag_s=0.24,
        gaze_turn=0.16,
        gaze_tilt=0.06,
        sway=0.07,
        sway_hz=0.33,
        elbow_out=0.12,
        hands=HandStyle(open=0.8, open_at_rest=0.75, beat=0.18, spread=0.8, turn=0.6),
        proportions=Proportions(0.78, 0.70, 0.65, 1.04),
    ),
    MovementStyle(
        name="weaver",
        beat_hz=1.4,
        stroke=(0.08, 0.13, 0.1),
        sharpness=0.3,
        mirror=-1.0,
        home=(0.44, 0.72, 0.46),
        phrase_s=3.0,
        pause_s=1.0,
        head_nod=0.0,
        head_turn=0.1,
        head_lag_s=-0.12,
        shoulder_lift=0.0,
        torso_turn=0.13,
        torso_roll=0.04,
        torso_lag_s=0.06,
        sway=0.02,
        posture_lean=0.05,
        hands=HandStyle(open=0.78, open_at_rest=0.9, beat=-0.15, spread=1.0, turn=0.7),
        proportions=Proportions(0.84, 0.64, 0.6, 0.95),
    ),
    MovementStyle(
        name="pointer",
        beat_hz=0.75,
        stroke=(0.05, 0.15, 0.16),
        sharpness=0.8,
        beat_spread=0.2,
        right_gain=0.25,
        right_share=0.3,
        left_lag_s=-0.15,
        home=(0.68, 0.5, 0.4),
        spread=(0.16, 0.12, 0.08),
        phrase_s=2.4,
        pause_s=1.8,
        gesture_s=1.2,
        move_s=0.4,
        head_nod=0.05,
        head_turn=0.14,
        head_lag_s=0.2,
        gaze_turn=0.18,
        gaze_s=2.2,
        shoulder_lift=0.05,
        torso_turn=-0.05,
        posture_roll=0.03,
        hands=HandStyle(open=0.55, open_at_rest=0.7, beat=0.05, spread=0.5, turn=0.5, pointing=0.9),
        proportions=Proportions(0.77, 0.69, 0.62, 1.02),
    ),
    MovementStyle(
        name="preacher",
        beat_hz=0.55,
        stroke=(0.24, -0.1, 0.05),
        stroke_across=(0.0, 0.06, 0.0),
        sharpness=0.35,
        beat_spread=0.15,
        left_lag_s=0.05,
        home=(0.92, 0.66, 0.34),
        phrase_s=6.0,
        pause_s=1.2,
        gesture_s=3.5,
        move_s=0.9,
        head_nod=-0.11,
        head_lag_s=0.38,
        gaze_turn=0.22,
        gaze_s=4.0,
        torso_roll=0.03,
        torso_lag_s=-0.3,
        sway=0.06,
        sway_hz=0.14,
        posture_chin=-0.04,
        elbow_out=0.05,
        hands=HandStyle(open=1.0, open_at_rest=0.75, beat=0.05, spread=1.0, turn=0.9),
        proportions=Proportions(0.86, 0.71, 0.66, 1.0),
    ),
    MovementStyle(
        name="drummer",
        beat_hz=2.7,
        stroke=(0.03, 0.085, 0.03),
        sharpness=0.1,
        beat_spread=0.12,
        left_gain=0.8,
        left_lag_s=0.11,
        home=(0.38, 0.76, 0.46),
        spread=(0.1, 0.08, 0.06),
        phrase_s=2.0,
        pause_s=0.5,
        gesture_s=0.9,
        move_s=0.35,
        head_nod=0.0,
        head_turn=0.07,
        head_tilt=-0.05,
        head_lag_s=0.08,
        gaze_turn=0.1,
        gaze_s=1.4,
        shoulder_lift=0.015,
        sway=0.025,
        sway_hz=0.5,
        posture_roll=-0.03,
        hands=HandStyle(open=0.6, open_at_rest=0.65, beat=0.12, spread=0.6, turn=0.5),
        proportions=Proportions(0.79, 0.65, 0.64, 1.06),
    ),
)
"""Six people; they differ in who leads, in rhythm and in how head and trunk go with the hands."""
