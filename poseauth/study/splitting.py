"""One labelled set of clips, divided once into train, validation and test: no person or source video on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from poseauth.errors import StudyError

AUTHENTIC, FAKE = "real", "fake"
LABELS = (AUTHENTIC, FAKE)
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SIDES = (TRAIN, VALIDATION, TEST)
_N_TRIES = 20
"""Random orders of the groups, of which the division that comes nearest to what was asked is kept."""
_MOST_GROUPS_TO_MOVE = 60
"""With more, a division is as it should be but for a share of a clip, and moving groups about costs seconds."""


@dataclass(frozen=True)
class LabelledClip:
    """What is known of a clip before anything is computed.

    Attributes
    ----------
    name : str
        As the user calls it.
    digest : str
        SHA-256 of its content: by it, never by name or place, copies are known and the division is made.
    label : str
        One of `LABELS`.
    group : str
        Person or source video: clips of a group stay together. "" makes the clip a group of its own.
    attack : str
        How a fake was made; "" where nobody says.
    """

    name: str
    digest: str
    label: str
    group: str = ""
    attack: str = ""

    def __post_init__(self) -> None:
        """Check the label."""
        if self.label not in LABELS:
            raise ValueError(f"{self.name}: label {self.label!r}; {' and '.join(LABELS)} are known")


@dataclass(frozen=True)
class SplitFractions:
    """Shares of train, validation and test, each above 0; together 1."""

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        """Check the shares."""
        if min(self.as_tuple()) <= 0 or abs(sum(self.as_tuple()) - 1) > 1e-6:
            raise ValueError(f"{self.train:g}, {self.validation:g}, {self.test:g}: three shares above 0 that make 1")

    def as_tuple(self) -> tuple[float, float, float]:
        """The shares in the order of `SIDES`."""
        return self.train, self.validation, self.test


@dataclass(frozen=True)
class Split:
    """Which clip serves for what.

    Attributes
    ----------
    side_of : mapping of str to str
        The side of each digest.
    n_groups : mapping of str to int
        Groups on each side.
    has_groups : bool
        Whether any clip names its group.
    """

    side_of: Mapping[str, str]
    n_groups: Mapping[str, int]
    has_groups: bool


def without_copies(clips: Sequence[LabelledClip]) -> tuple[list[LabelledClip], dict[str, str]]:
    """Each content once, with the groups of its copies made one.

    Returns
    -------
    tuple of list of LabelledClip and dict of str to str
        The clips in the order of their digests, each with the name of its group; the name of every copy that was left
        out, and of the clip that it is a copy of.

    Raises
    ------
    StudyError
        If one content is given as real and as fake.
    """
    first: dict[str, LabelledClip] = {}
    copies: dict[str, str] = {}
    same = _Unions()
    for clip in sorted(clips, key=lambda clip: (clip.digest, clip.name)):
        known = first.setdefault(clip.digest, clip)
        if known.label != clip.label:
            raise StudyError(
                f"{known.name} is given as {known.label} and {clip.name} as {clip.label}, and they hold the same. "
                "Correct the label of one"
            )
        if known is not clip:
            copies[clip.name] = known.name
        same.unite(_group(known), _group(clip))
    members: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        members[same.root(_group(clip))].add(clip.group or clip.name)
    # A group is named by all that was made one, so that its name does not depend on the order of files.
    named = {root: " = ".join(sorted(names)) for root, names in members.items()}
    kept = [
        LabelledClip(clip.name, clip.digest, clip.label, named[same.root(_group(clip))], clip.attack)
        for clip in first.values()
    ]
    return kept, copies


def split_clips(
    clips: Sequence[LabelledClip], fractions: SplitFractions | None = None, *, seed: int = 0, has_groups: bool = True
) -> Split:
    """Divide clips by groups, so that each side has its share of either label as nearly as groups allow.

    Of many seeded orders the best greedy division is taken (largest groups first, each to the side that lacks most).
    The division depends on contents, labels and groups, never on names or the order of files.

    Parameters
    ----------
    clips : sequence of LabelledClip
        From `without_copies`.
    fractions : SplitFractions or None
        The shares; None: 70, 15 and 15 %.
    seed : int
        Chooses among divisions.
    has_groups : bool
        Whether groups were named; kept for what is told of the split.

    Raises
    ------
    StudyError
        If there are too few clips or groups: every side needs a clip, train and validation both labels.
    """
    fractions = fractions or SplitFractions()
    by_group: defaultdict[str, list[LabelledClip]] = defaultdict(list)
    for clip in clips:
        by_group[clip.group].append(clip)
    groups = sorted(by_group.values(), key=lambda members: sorted(clip.digest for clip in members))
    counts = np.array([[sum(clip.label == label for clip in members) for label in LABELS] for members in groups])
    n_of = Counter(clip.label for clip in clips)
    if len(groups) < len(SIDES) or min(n_of[label] for label in LABELS) < len(SIDES) - 1:
        raise _too_few(n_of, len(groups))
    wanted = np.outer(fractions.as_tuple(), counts.sum(axis=0))
    rng = np.random.default_rng(seed)
    best: tuple[tuple[int, int, float], np.ndarray] | None = None
    for _ in range(_N_TRIES):
        # Among groups of one size the order is drawn.
        order = sorted(rng.permutation(len(groups)), key=lambda number: -int(counts[number].sum()))
        sides = _greedy(counts, wanted, order)
        if len(groups) <= _MOST_GROUPS_TO_MOVE:
            sides = _moved(counts, wanted, sides)
        quality = _quality(counts, wanted, sides)
        if best is None or quality < best[0]:
            best = quality, sides
    assert best is not None
    if best[0][0] > 0:
        raise _too_few(n_of, len(groups))
    side_of = {clip.digest: SIDES[side] for members, side in zip(groups, best[1], strict=True) for clip in members}
    n_groups = {name: int((best[1] == number).sum()) for number, name in enumerate(SIDES)}
    return Split(side_of, n_groups, has_groups)


def _greedy(counts: np.ndarray, wanted: np.ndarray, order: Sequence[int]) -> np.ndarray:
    sides = np.zeros(len(counts), int)
    have = np.zeros_like(wanted)
    for number in order:
        # What each side would lack of its share, in shares: a small side is filled as readily as a large one.
        after = ((have[None] + np.eye(len(SIDES))[:, :, None] * counts[number] - wanted) / np.maximum(wanted, 1)) ** 2
        sides[number] = int(np.argmin(after.sum(axis=(1, 2))))
        have[sides[number]] += counts[number]
    return sides


def _moved(counts: np.ndarray, wanted: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The division after every move of one group, and while a label is missing every exchange, that makes it better."""
    best, quality = sides, _quality(counts, wanted, sides)
    better = True
    while better:
        better = False
        for tried in _near(best, exchanges=quality[:2] != (0, 0)):
            if (found := _quality(counts, wanted, tried)) < quality:
                best, quality, better = tried, found, True
                break
    return best


def _near(sides: np.ndarray, *, exchanges: bool) -> Iterator[np.ndarray]:
    """Divisions that differ in one group, or in two that changed places."""
    for number in range(len(sides)):
        for side in range(len(SIDES)):
            tried = sides.copy()
            tried[number] = side
            yield tried
    for first, second in combinations(range(len(sides)), 2) if exchanges else ():
        tried = sides.copy()
        tried[[first, second]] = sides[[second, first]]
        yield tried


def _have(counts: np.ndarray, sides: np.ndarray) -> np.ndarray:
    return np.stack([counts[sides == side].sum(axis=0) for side in range(len(SIDES))])


def _quality(counts: np.ndarray, wanted: np.ndarray, sides: np.ndarray) -> tuple[int, int, float]:
    """What makes it impossible, what is missing in test, and how far the sides are from their shares: less is better.

    A test side of one label leaves figures undefined, no more.
    """
    have = _have(counts, sides)
    impossible = int((have[:2] == 0).sum()) + int(have[2].sum() == 0)
    return impossible, int((have[2] == 0).sum()), float((((have - wanted) / np.maximum(wanted, 1)) ** 2).sum())


def _too_few(n_of: Mapping[str, int], n_groups: int) -> StudyError:
    told = " and ".join(f"{n_of.get(label, 0)} {label}" for label in LABELS)
    return StudyError(
        f"{told} clips in {n_groups} groups cannot be divided: train and validation need real and fake clips, test a "
        "clip, and a group (a person, a source video) stays on one side. 10 groups with both labels are a start; add "
        "clips, or name smaller groups"
    )


def _group(clip: LabelledClip) -> str:
    return f"group {clip.group}" if clip.group else f"clip {clip.digest}"


class _Unions:
    """Which groups are one, since a clip is in both."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def root(self, group: str) -> str:
        while (above := self._above.get(group, group)) != group:
            group = above
        return group

    def unite(self, first: str, second: str) -> None:
        self._above[self.root(first)] = self.root(second)
