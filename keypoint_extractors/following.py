"""The person of interest: out of everybody in view, the one whose movement is looked at, shot by shot.

In each shot the tracked people are ranked by their prominence: over the frames of the shot, the mean of

    size x centrality    size = sqrt(area of the box / area of the frame)                 0 to 1
                         centrality = 1 - 2 |centre of the box - centre of the frame| / frame width, in x,  0 to 1

where a frame without the person counts 0, so that presence counts. Height in the picture does not: a speaker's box
reaches down to its edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from keypoint_extractors.observation import Observation
from poseauth.arrays import Float32Array, Float64Array, Int32Array
from poseauth.errors import AmbiguousPersonError, NobodyError
from poseauth.keypoints import N_KEYPOINTS, KeypointSequence, Provenance, WholeBody, sequence_of_pieces
from poseauth.long_arrays import LongArray, in_pieces, let_go

AMBIGUOUS_RATIO = 0.8
"""Two people in view together are equally central if the lesser has this share of the greater's prominence."""

SAME_BODY_OVERLAP = 0.7
"""Mean intersection over union, while both are there, from which two tracks are two boxes on one body."""

MIN_SEEN_S = 0.5
"""Seconds in view from which a track counts as another person; shorter ones are mostly false detections."""

JOIN_GAP_S = 2.0
"""Seconds within which a track that begins may go on with one that ended."""

JOIN_DISTANCE = 0.5
"""How far apart the boxes at that end and beginning may be, in widths of the narrower."""

JOIN_SIZE_RATIO = 1.5
"""How much wider or higher one of them may be than the other."""

_MAX_LISTED = 8


@dataclass(frozen=True)
class Follow:
    """Whom to follow; without either, the most prominent person of each shot.

    Attributes
    ----------
    track : int or None
        Number of a track, as messages list them. Only the shot it is in is used.
    box : tuple of float or None
        Left, top, width and height in pixels of the frame: in each shot, who overlaps most with it.

    Raises
    ------
    ValueError
        If both are given, the track is negative, or the box is not finite or empty.
    """

    track: int | None = None
    box: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.track is not None and self.box is not None:
            raise ValueError("a track or a box says whom to follow, not both")
        if self.track is not None and self.track < 0:
            raise ValueError(f"track is {self.track}; tracks are numbered from 0")
        if self.box is not None and (not np.isfinite(self.box).all() or min(self.box[2:]) <= 0):
            raise ValueError(f"box is {self.box}; left, top and a width and height above 0 are needed")


@dataclass(frozen=True)
class _Person:
    """Tracks of one shot that are taken for one person: rows of the observation, one a frame."""

    number: int
    shot: int
    rows: Int32Array
    tracks: frozenset[int]


@dataclass
class _Choice:
    """Who is followed, and what is left out."""

    followed: list[_Person] = field(default_factory=list)
    ambiguous: list[_Person] = field(default_factory=list)
    n_shots_ambiguous: int = 0


def follow(observation: Observation, options: Follow | None = None) -> KeypointSequence:
    """Choose the person of interest in each shot and give their keypoints.

    Without options the most prominent person of each shot is followed. A shot in which somebody else, in view
    together with them, has AMBIGUOUS_RATIO of their prominence is left out. A track that ends and begins again
    nearby under another number (JOIN_GAP_S, JOIN_DISTANCE, JOIN_SIZE_RATIO) is one person; where it comes back
    elsewhere, only the more prominent piece is followed.

    Parameters
    ----------
    observation : Observation
        Everybody seen.
    options : Follow or None
        Whom to follow.

    Returns
    -------
    KeypointSequence
        All frames of the observation; NaN with confidence 0 where the person is not detected or the shot is left
        out. `n_people_ignored` of its provenance counts the other people seen for MIN_SEEN_S in the shots used.

    Raises
    ------
    NobodyError
        If nobody is in view, or not the track or box asked for.
    AmbiguousPersonError
        If two people are equally central in every shot with people.
    """
    wanted = options or Follow()
    people = _people(observation)
    if not people:
        raise NobodyError(
            f"{observation.source_name}: nobody is in view in {_duration_s(observation):.1f} s of video; a person "
            "whose upper body shows is needed. Try another clip, or another --extractor"
        )
    if wanted.track is not None:
        choice = _choose_track(observation, people, wanted.track)
    elif wanted.box is not None:
        choice = _choose_box(observation, people, wanted.box)
    else:
        choice = _choose_prominent(observation, people)
    return _sequence(observation, people, choice)


def prominence(observation: Observation) -> Float64Array:
    """Size times centrality of each detection, as the module says.

    Returns
    -------
    np.ndarray [shape=(M,)], float64
        0 to 1; higher = larger and nearer to the middle.
    """
    width, height = max(observation.frame_width, 1), max(observation.frame_height, 1)
    boxes = observation.boxes.astype(np.float64)
    extent = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    size = np.sqrt(np.clip(extent.prod(axis=1) / (width * height), 0, 1))
    aside = np.abs((boxes[:, 0] + boxes[:, 2]) / 2 - width / 2) / width
    return np.asarray(size * np.clip(1 - 2 * aside, 0, 1))


def _people(observation: Observation) -> list[_Person]:
    shot_of_row = observation.shot[observation.frame]
    order = np.lexsort((observation.frame, observation.track, shot_of_row))
    changes = (np.diff(observation.track[order]) != 0) | (np.diff(shot_of_row[order]) != 0)
    tracks = [rows.astype(np.int32) for rows in np.split(order, np.flatnonzero(changes) + 1) if len(rows)]
    tracks.sort(key=lambda rows: (int(observation.frame[rows[0]]), int(observation.track[rows[0]])))
    chains: list[list[Int32Array]] = []
    open_chains: list[list[Int32Array]] = []
    for rows in tracks:
        begin_s, shot = observation.timestamps_s[observation.frame[rows[0]]], shot_of_row[rows[0]]
        open_chains = [
            chain
            for chain in open_chains
            if shot_of_row[chain[-1][-1]] == shot
            and begin_s - observation.timestamps_s[observation.frame[chain[-1][-1]]] <= JOIN_GAP_S
        ]
        chain = _chain_to_go_on(observation, open_chains, rows)
        if chain is None:
            chain = []
            chains.append(chain)
            open_chains.append(chain)
        chain.append(rows)
    return [_person(observation, np.concatenate(chain), int(shot_of_row[chain[0][0]])) for chain in chains]


def _person(observation: Observation, rows: Int32Array, shot: int) -> _Person:
    members = frozenset(int(track) for track in np.unique(observation.track[rows]))
    return _Person(int(observation.track[rows[0]]), shot, rows, members)


def _chain_to_go_on(
    observation: Observation, chains: list[list[Int32Array]], rows: Int32Array
) -> list[Int32Array] | None:
    """The chain whose end is nearest to the beginning of a track, within the limits."""
    best, best_distance = None, JOIN_DISTANCE
    begin = observation.boxes[rows[0]].astype(np.float64)
    for chain in chains:
        end = observation.boxes[chain[-1][-1]].astype(np.float64)
        last, first = observation.frame[chain[-1][-1]], observation.frame[rows[0]]
        gap_s = observation.timestamps_s[first] - observation.timestamps_s[last]
        extents = np.clip(np.array([begin[2:] - begin[:2], end[2:] - end[:2]]), 1e-6, None)
        if not 0 < gap_s <= JOIN_GAP_S or (extents.max(axis=0) / extents.min(axis=0)).max() > JOIN_SIZE_RATIO:
            continue
        distance = np.hypot(*((begin[:2] + begin[2:] - end[:2] - end[2:]) / 2)) / extents[:, 0].min()
        if distance <= best_distance:
            best, best_distance = chain, distance
    return best


def _choose_prominent(observation: Observation, people: list[_Person]) -> _Choice:
    worth = prominence(observation)
    choice = _Choice()
    for shot in sorted({person.shot for person in people}):
        present = [person for person in people if person.shot == shot]
        score = {person.number: float(worth[person.rows].sum()) for person in present}
        ranked = sorted(present, key=lambda person: (-score[person.number], person.number))
        first = ranked[0]
        rivals = [
            other
            for other in ranked[1:]
            if score[other.number] >= AMBIGUOUS_RATIO * score[first.number] and _beside(observation, first, other)
        ]
        if rivals:
            choice.n_shots_ambiguous += 1
            choice.ambiguous.extend([first, *rivals])
        else:
            choice.followed.append(first)
    if not choice.followed:
        raise AmbiguousPersonError(
            f"{observation.source_name}: two people or more are equally central in every shot with people "
            f"({choice.n_shots_ambiguous} left out). The tracks are: {_listed(observation, choice.ambiguous)}. Say "
            "whom to follow with --track N or --box X Y W H"
        )
    return choice


def _choose_track(observation: Observation, people: list[_Person], track: int) -> _Choice:
    followed = [person for person in people if track in person.tracks]
    if not followed:
        raise NobodyError(
            f"{observation.source_name}: there is no track {track}. The tracks are: {_listed(observation, people)}. "
            "Give one of them with --track N, or use --box X Y W H"
        )
    return _Choice(followed)


def _choose_box(observation: Observation, people: list[_Person], box: tuple[float, float, float, float]) -> _Choice:
    left, top, width, height = box
    target = np.array([[left, top, left + width, top + height]])
    choice = _Choice()
    for shot in sorted({person.shot for person in people}):
        present = [person for person in people if person.shot == shot]
        overlap = [box_overlap(observation.boxes[person.rows].astype(np.float64), target).sum() for person in present]
        if max(overlap) > 0:
            choice.followed.append(present[int(np.argmax(overlap))])
    if not choice.followed:
        raise NobodyError(
            f"{observation.source_name}: nobody stands in the box {left:g} {top:g} {width:g} {height:g} of the frame "
            f"of {observation.frame_width} x {observation.frame_height} pixels. The tracks are: "
            f"{_listed(observation, people)}. Move the box, or use --track N"
        )
    return choice


def _mean_overlap(observation: Observation, first: _Person, other: _Person) -> float | None:
    """Mean intersection over union in the frames where both are; None where they never are together."""
    _, in_first, in_other = np.intersect1d(
        observation.frame[first.rows], observation.frame[other.rows], return_indices=True
    )
    if not len(in_first):
        return None
    boxes = observation.boxes.astype(np.float64)
    return float(box_overlap(boxes[first.rows[in_first]], boxes[other.rows[in_other]]).mean())


def _beside(observation: Observation, first: _Person, other: _Person) -> bool:
    """Whether two people are in view together, and are two."""
    overlap = _mean_overlap(observation, first, other)
    return overlap is not None and overlap < SAME_BODY_OVERLAP


def box_overlap(first: Float64Array, second: Float64Array) -> Float64Array:
    """Intersection over union of boxes, row by row: [shape=(N,)], 0 to 1."""
    ends = np.minimum(first[:, 2:], second[:, 2:])
    shared = np.clip(ends - np.maximum(first[:, :2], second[:, :2]), 0, None).prod(axis=1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9))


def _sequence(observation: Observation, people: list[_Person], choice: _Choice) -> KeypointSequence:
    row_of_frame = np.full(len(observation.timestamps_s), -1, np.int32)
    for person in choice.followed:
        row_of_frame[observation.frame[person.rows]] = person.rows
    sequence = sequence_of_pieces(
        _keypoints_of(observation, row_of_frame),
        observation.timestamps_s,
        observation.shot,
        provenance=Provenance(
            source_name=observation.source_name,
            source_sha256=observation.source_sha256,
            frame_width=observation.frame_width,
            frame_height=observation.frame_height,
            extractor=observation.extractor,
            coverage=observation.coverage,
            n_people_ignored=_n_ignored(observation, people, choice) if observation.sees_many else None,
            n_shots_ambiguous=choice.n_shots_ambiguous,
        ),
        whole_body=_whole_body_of(observation, row_of_frame),
    )
    if not sequence.seen.any():
        raise NobodyError(
            f"{observation.source_name}: a person is in view, but no keypoint of their upper body in "
            f"{_duration_s(observation):.1f} s of video. Try a clip that shows head, shoulders and arms"
        )
    return sequence


def _keypoints_of(observation: Observation, row_of_frame: Int32Array) -> Iterator[tuple[Float32Array, Float32Array]]:
    """Keypoints and confidence of one detection a frame, or of none where its row is -1, piece by piece."""
    for frames in in_pieces(len(row_of_frame)):
        rows = row_of_frame[frames]
        there = rows >= 0
        keypoints = np.full((len(rows), N_KEYPOINTS, 2), np.nan, np.float32)
        confidence = np.zeros((len(rows), N_KEYPOINTS), np.float32)
        keypoints[there] = observation.keypoints[rows[there]]
        confidence[there] = observation.confidence[rows[there]]
        let_go(observation.keypoints, observation.confidence)
        yield keypoints, confidence


def _whole_body_of(observation: Observation, row_of_frame: Int32Array) -> WholeBody | None:
    """The whole body of one detection a frame, or of none where its row is -1."""
    if observation.whole_body is None:
        return None
    found = {}
    for name, array in observation.whole_body.given().items():
        kept = LongArray(array.shape[1:])
        missing = 0.0 if name in ("hand_confidence", "visibility") else np.nan
        for frames in in_pieces(len(row_of_frame)):
            rows = row_of_frame[frames]
            piece = np.full((len(rows), *array.shape[1:]), missing, np.float32)
            piece[rows >= 0] = array[rows[rows >= 0]]
            let_go(array)
            kept.add(piece)
        found[name] = kept.array()
    return WholeBody(**found)


def _n_ignored(observation: Observation, people: list[_Person], choice: _Choice) -> int:
    followed = {person.shot: person for person in choice.followed}
    ignored = 0
    for person in people:
        main = followed.get(person.shot)
        if main is None or person is main or _seen_s(observation, person) < MIN_SEEN_S:
            continue
        overlap = _mean_overlap(observation, main, person)
        ignored += overlap is None or overlap < SAME_BODY_OVERLAP
    return ignored


def _frame_s(observation: Observation) -> float:
    steps = np.diff(observation.timestamps_s)
    return float(np.median(steps)) if len(steps) else 0.0


def _seen_s(observation: Observation, person: _Person) -> float:
    return len(person.rows) * _frame_s(observation)


def _duration_s(observation: Observation) -> float:
    times = observation.timestamps_s
    return float(times[-1] - times[0]) + _frame_s(observation) if len(times) else 0.0


def _listed(observation: Observation, people: list[_Person]) -> str:
    """The tracks by time in view: number, where in the frame, seconds."""
    longest = sorted(people, key=lambda person: (-len(person.rows), person.number))
    thirds = ("left", "middle", "right")
    parts = []
    for person in longest[:_MAX_LISTED]:
        x, y = np.median(observation.boxes[person.rows].reshape(-1, 2, 2).mean(axis=1), axis=0)
        third = thirds[int(np.clip(3 * x / max(observation.frame_width, 1), 0, 2))]
        start_s = observation.timestamps_s[observation.frame[person.rows[0]]]
        parts.append(
            f"{person.number} ({third}, around x {x:.0f} y {y:.0f}, {_seen_s(observation, person):.1f} s "
            f"from {start_s:.1f} s)"
        )
    more = len(longest) - len(parts)
    return "; ".join(parts) + (f"; and {more} shorter" if more else "")
