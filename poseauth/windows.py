"""Windows of five seconds at 30 frames a second, cut from a keypoint sequence inside uncut, gapless pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from poseauth.arrays import BoolArray, Float32Array, Float64Array, Int64Array
from poseauth.errors import InputError
from poseauth.keypoints import (
    L_ELBOW,
    L_SHOULDER,
    N_HAND_POINTS,
    N_KEYPOINTS,
    N_WHOLE,
    NECK,
    NOSE,
    POINTS_OF_BODY,
    R_ELBOW,
    R_SHOULDER,
    KeypointSequence,
)
from poseauth.long_arrays import LongArray, in_pieces, let_go

FPS = 30.0
"""Frames a second of every window."""
WINDOW_FRAMES = 150
"""Frames of a window: 5.0 s at 30 fps (Yasrab et al. 2021, section 3)."""
WINDOW_S = WINDOW_FRAMES / FPS

Points = Literal["twelve", "whole"]
"""What a window shows of somebody: the twelve keypoints, or the upper body with head and hands (`N_WHOLE` points)."""
N_POINTS: dict[Points, int] = {"twelve": N_KEYPOINTS, "whole": N_WHOLE}

_ROUNDING_S = 1e-6
_MAX_HELD_S = 0.1
"""The last frame of a piece is shown until the next would come, but no longer than this."""
_GROUPS = ((R_SHOULDER, L_SHOULDER), (R_ELBOW, L_ELBOW), (NOSE,))


@dataclass(frozen=True)
class WindowOptions:
    """How a sequence is cut into windows. Stored with the profile and used again at verification.

    Attributes
    ----------
    stride_frames : int
        Frames from the start of one window to the next; 150 = no overlap, 30 = one a second.
    max_fill_s : float
        A keypoint missing for at most this long is interpolated; for longer it stays missing.
    max_gap_s : float
        Nobody in view, or no frame, for longer than this ends a segment.
    max_jump : float
        A torso that moves by more than this many torso sizes from one frame to the next is somebody else, or
        an unmarked cut: the segment ends.
    min_visibility : float
        A window counts when shoulders, elbows and nose are each seen in at least this share of its frames
        (both sides averaged), and the torso can be measured in as many.
    points : "twelve" or "whole"
        What a window shows; "whole" needs sequences with hands and body.
    """

    stride_frames: int = 30
    max_fill_s: float = 0.2
    max_gap_s: float = 0.5
    max_jump: float = 1.0
    min_visibility: float = 0.6
    points: Points = "twelve"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.stride_frames < 1:
            raise ValueError(f"stride_frames is {self.stride_frames}; at least 1 is needed")
        if not (self.max_fill_s >= 0 and self.max_gap_s > 0 and self.max_jump > 0):
            raise ValueError("max_fill_s must not be negative, max_gap_s and max_jump must be above 0")
        if not 0 <= self.min_visibility <= 1:
            raise ValueError(f"min_visibility is {self.min_visibility}; a share from 0 to 1 is needed")
        if self.points not in N_POINTS:
            raise ValueError(f"points are {self.points!r}; {', '.join(N_POINTS)} are known")


@dataclass(frozen=True, eq=False)
class Segment:
    """One uncut, gapless piece of a person's movement at 30 fps: S frames.

    Attributes
    ----------
    start_s : float
        Time of the first frame in the source.
    keypoints : np.ndarray [shape=(S, P, 2)], float32
        Pixels; short gaps filled, NaN where still missing. P is 12 or 64, by the points asked for.
    """

    start_s: float
    keypoints: Float32Array

    @property
    def duration_s(self) -> float:
        """Seconds this piece fills."""
        return len(self.keypoints) / FPS


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of one clip, which overlap: a frame is kept once, and `windows[a:b]` copies some windows out.

    Attributes
    ----------
    movement : np.ndarray [shape=(M, P, 2)], float32
        Pixels at 30 fps, NaN where missing: the pieces of the clip, one after another. P is 12 or, of whole windows,
        64: the twelve, then `poseauth.keypoints.POINTS_OF_BODY`, the left hand and the right one.
    first_frame : np.ndarray [shape=(N,)], int64
        Where in `movement` each window begins.
    start_s : np.ndarray [shape=(N,)], float64
        Time of the first frame of each window in the source, increasing.
    n_rejected : int
        Windows left out because too little of the upper body is seen in them.
    """

    movement: Float32Array
    first_frame: Int64Array
    start_s: Float64Array
    n_rejected: int = 0

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.movement.ndim != 3 or self.movement.shape[1:] not in [(n, 2) for n in N_POINTS.values()]:
            raise ValueError(f"the movement has shape {self.movement.shape}")
        if self.first_frame.shape != self.start_s.shape or self.start_s.ndim != 1:
            raise ValueError(f"{self.first_frame.shape} windows begin at {self.start_s.shape} times")
        if (
            len(self)
            and not 0 <= self.first_frame.min() <= self.first_frame.max() <= len(self.movement) - WINDOW_FRAMES
        ):
            raise ValueError(f"windows reach beyond the {len(self.movement)} frames of the movement")

    def __len__(self) -> int:
        return len(self.start_s)

    def __getitem__(self, rows: slice) -> Float32Array:
        """Some windows: [shape=(n, 150, P, 2)], float32, pixels."""
        frames = self.first_frame[rows, None] + np.arange(WINDOW_FRAMES)
        copied = np.asarray(self.movement[frames], dtype=np.float32)
        let_go(self.movement)
        return copied

    @property
    def keypoints(self) -> Float32Array:
        """All windows: [shape=(N, 150, P, 2)], float32. `poseauth.features` makes the network's input of them."""
        return self[:]

    @property
    def mask(self) -> BoolArray:
        """Which keypoints are there: bool [shape=(N, 150, P)]."""
        return np.asarray(np.isfinite(self.keypoints).all(axis=-1))

    @property
    def seconds(self) -> float:
        """Seconds of the clip that lie in at least one window."""
        if not len(self):
            return 0.0
        steps = np.diff(self.start_s)
        return round(float(WINDOW_S + np.minimum(steps, WINDOW_S).sum()), 6)


SomeWindows = Float32Array | Windows
"""What is scored some windows at a time: of an array [shape=(N, 150, P, 2)], P 12 or 64, or of a clip."""


def cut_windows(sequence: KeypointSequence, options: WindowOptions | None = None) -> Windows:
    """Cut a sequence into windows of 150 frames at 30 fps.

    Time stamps alone count, never the frame rate a container claims. No window crosses a cut, a gap or a jump.

    Parameters
    ----------
    sequence : KeypointSequence
        One person's keypoints.
    options : WindowOptions
        Stride and limits.

    Returns
    -------
    Windows
        None at all (N = 0) where no piece is long enough or enough of the person is seen in none.

    Raises
    ------
    InputError
        If whole windows are asked for, and the sequence has no hands or no body.
    """
    options = options or WindowOptions()
    movement = LongArray((N_POINTS[options.points], 2))
    first_frames: list[int] = []
    starts: list[float] = []
    n_rejected = n_before = 0
    for segment in _segments(sequence, options):
        if len(segment.keypoints) < WINDOW_FRAMES:
            continue
        for first in range(0, len(segment.keypoints) - WINDOW_FRAMES + 1, options.stride_frames):
            if visibility(segment.keypoints[first : first + WINDOW_FRAMES]) < options.min_visibility:
                n_rejected += 1
                continue
            first_frames.append(n_before + first)
            starts.append(segment.start_s + first / FPS)
        movement.add(segment.keypoints)
        n_before += len(segment.keypoints)
    return Windows(movement.array(), np.array(first_frames, np.int64), np.array(starts, dtype=np.float64), n_rejected)


def shows_whole(sequence: KeypointSequence) -> bool:
    """Whether whole windows can be cut from a sequence: hands were looked for, and the body has BlazePose's points."""
    whole = sequence.whole_body
    return whole is not None and whole.hands is not None and whole.body is not None


def visibility(window: Float32Array) -> float:
    """Share of a window's frames in which the least seen of shoulders, elbows, nose and torso is seen, 0 to 1.

    Everything is measured from the neck in torso sizes: where these are not known, nothing is known of the movement.

    Parameters
    ----------
    window : np.ndarray [shape=(150, P, 2)], float32
        Pixels, NaN where missing. Left and right are averaged; the torso needs neck, nose and both shoulders at once.
    """
    seen = np.asarray(np.isfinite(window).all(axis=-1))
    least = min(seen[:, list(group)].mean() for group in _GROUPS)
    return float(min(least, np.isfinite(torso_size(window)).mean()))


def find_segments(sequence: KeypointSequence, options: WindowOptions | None = None) -> list[Segment]:
    """Split a sequence at cuts, gaps and jumps and bring each piece to 30 fps, short gaps filled.

    Parameters
    ----------
    sequence : KeypointSequence
        One person's keypoints at any, also varying, frame rate.
    options : WindowOptions
        The limits.

    Returns
    -------
    list of Segment
        In order of time; pieces in which nobody is seen are left out.
    """
    return list(_segments(sequence, options or WindowOptions()))


def _segments(sequence: KeypointSequence, options: WindowOptions) -> Iterator[Segment]:
    if options.points == "whole" and not shows_whole(sequence):
        raise InputError(
            f"{sequence.provenance.source_name}: its keypoints have no hands, or not all of the body, and are to be "
            "held against movement that has. Extract the clip with hands"
        )
    present = np.flatnonzero(sequence.seen.any(axis=1))
    if not len(present):
        return
    gap = np.diff(sequence.timestamps_s[present]) > options.max_gap_s + _ROUNDING_S
    cut = np.diff(sequence.shot[present]) != 0
    jump = _jumps(torso_size(sequence.keypoints)[present], sequence.keypoints[:, NECK][present], options.max_jump)
    let_go(sequence.keypoints)
    for piece in np.split(present, np.flatnonzero(gap | cut | jump) + 1):
        yield _resampled(sequence, slice(int(piece[0]), int(piece[-1]) + 1), options)


def torso_size(keypoints: Float32Array) -> Float32Array:
    """Size of the body in the picture: shoulder width plus the distance from neck to nose.

    Parameters
    ----------
    keypoints : np.ndarray [shape=(..., P, 2)], float32
        Pixels; the twelve come first.

    Returns
    -------
    np.ndarray [shape=(...)], float32
        Pixels; NaN where one of the four keypoints is missing.
    """
    shoulders = np.linalg.norm(keypoints[..., R_SHOULDER, :] - keypoints[..., L_SHOULDER, :], axis=-1)
    head = np.linalg.norm(keypoints[..., NOSE, :] - keypoints[..., NECK, :], axis=-1)
    return np.asarray(shoulders + head, dtype=np.float32)


def _jumps(size: Float32Array, neck: Float32Array, max_jump: float) -> BoolArray:
    known = np.isfinite(size)
    jumped = np.zeros(max(len(size) - 1, 0), dtype=bool)
    rows = np.flatnonzero(known)
    if len(rows) < 2:
        return jumped
    moved = np.linalg.norm(np.diff(neck[rows], axis=0), axis=-1)
    smaller = np.minimum(size[rows[1:]], size[rows[:-1]])
    jumped[rows[1:][moved > max_jump * smaller] - 1] = True
    return jumped


def _resampled(sequence: KeypointSequence, rows: slice, options: WindowOptions) -> Segment:
    times = sequence.timestamps_s[rows]
    # Neighbours in the source stand this far apart even where nothing is missing.
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / FPS
    # The last frame is shown for a step too. A tenth of a frame of tolerance: containers round their time stamps.
    shown_s = min(step, _MAX_HELD_S)
    n_frames = max(1, int(np.floor((times[-1] - times[0] + shown_s) * FPS + 0.1)))
    longest_s = options.max_fill_s + step + _ROUNDING_S
    filled = LongArray((N_POINTS[options.points], 2))
    for block in in_pieces(n_frames):
        grid = times[0] + np.arange(block.start, block.stop) / FPS
        # What lies farther away than a gap may be filled changes nothing.
        near = np.searchsorted(times, [grid[0] - longest_s - step, grid[-1] + longest_s + step])
        here = slice(rows.start + int(near[0]), rows.start + int(near[1]))
        points, t_here = _points(sequence, here, options.points), sequence.timestamps_s[here]
        seen = np.asarray(np.isfinite(points).all(axis=-1))
        out = np.full((len(grid), points.shape[1], 2), np.nan, dtype=np.float32)
        for k in range(points.shape[1]):
            known = np.flatnonzero(seen[:, k])
            if not len(known):
                continue
            t = t_here[known]
            right = np.clip(np.searchsorted(t, grid, side="left"), 0, len(t) - 1)
            left = np.clip(np.searchsorted(t, grid, side="right") - 1, 0, len(t) - 1)
            last = t[-1] + (shown_s if t[-1] == times[-1] else 0.0)
            inside = (grid >= t[0] - 0.1 / FPS) & (grid <= last + 0.1 / FPS)
            inside &= t[right] - t[left] <= longest_s
            for axis in range(2):
                out[inside, k, axis] = np.interp(grid[inside], t, points[known, k, axis])
        filled.add(out)
    return Segment(float(times[0]), filled.array())


def _points(sequence: KeypointSequence, rows: slice, points: Points) -> Float32Array:
    """Of some frames what a window shows of them: [shape=(n, P, 2)], float32, pixels."""
    twelve, whole = sequence.keypoints[rows], sequence.whole_body
    let_go(sequence.keypoints)
    if points == "twelve" or whole is None or whole.hands is None or whole.body is None:
        return twelve
    hands = whole.hands[rows, ..., :2].reshape(-1, 2 * N_HAND_POINTS, 2)
    found = np.concatenate([twelve, whole.body[rows][:, POINTS_OF_BODY, :2], hands], axis=1)
    let_go(whole.hands, whole.body)
    return found
