"""No group and no content stands on two sides; both labels keep their shares; the order of files does not matter."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from poseauth.errors import StudyError
from poseauth.study.splitting import (
    SIDES,
    LabelledClip,
    SplitFractions,
    split_clips,
    without_copies,
)


def clip(number, label="real", group="", attack="", digest=None):
    return LabelledClip(f"{label}-{number}.mp4", digest or f"{label}{number:04d}", label, group, attack)


def pairs(n_groups):
    """A real clip and two fakes a group."""
    return [
        clip(10 * group + i, label, f"speech {group}")
        for group in range(n_groups)
        for i, label in enumerate(("real", "fake", "fake"))
    ]


def split_of(clips, **options):
    kept, _ = without_copies(clips)
    return kept, split_clips(kept, **options)


def test_no_group_stands_on_two_sides_and_every_clip_on_one():
    kept, split = split_of(pairs(9), seed=3)
    sides = {}
    for one in kept:
        sides.setdefault(one.group, set()).add(split.side_of[one.digest])
    assert all(len(side) == 1 for side in sides.values())
    assert set(split.side_of) == {one.digest for one in kept}
    assert sum(split.n_groups.values()) == 9


def test_both_labels_keep_their_shares_as_nearly_as_groups_allow():
    kept, split = split_of(pairs(20), fractions=SplitFractions(0.6, 0.2, 0.2))
    counts = Counter((split.side_of[one.digest], one.label) for one in kept)
    assert {side: counts[side, "real"] for side in SIDES} == {"train": 12, "validation": 4, "test": 4}
    assert {side: counts[side, "fake"] for side in SIDES} == {"train": 24, "validation": 8, "test": 8}


def test_neither_names_nor_the_order_of_files_matter_but_the_seed_does():
    clips = pairs(12)
    shuffled = [LabelledClip(f"x{i}", one.digest, one.label, one.group) for i, one in enumerate(clips)]
    random.Random(5).shuffle(shuffled)
    assert split_of(clips, seed=1)[1].side_of == split_of(shuffled, seed=1)[1].side_of
    assert len({tuple(sorted(split_of(clips, seed=seed)[1].side_of.items())) for seed in range(5)}) > 1


def test_a_clip_without_a_group_is_a_group_of_its_own():
    kept, split = split_of([clip(i, label) for label in ("real", "fake") for i in range(8)])
    assert len({one.group for one in kept}) == 16
    assert sum(split.n_groups.values()) == 16


def test_a_copy_counts_once_and_makes_its_groups_one():
    clips = [*pairs(6), LabelledClip("copy.mp4", "real0010", "real", "speech 5")]
    kept, copies = without_copies(clips)
    assert len(kept) == 18
    assert copies == {"real-10.mp4": "copy.mp4"}
    joined = {one.group for one in kept if one.digest in ("real0010", "real0050", "fake0011", "fake0051")}
    assert joined == {"speech 1 = speech 5"}


def test_one_content_under_two_labels_is_refused_by_both_names():
    with pytest.raises(StudyError, match=r"a\.mp4 is given as real and b\.mp4 as fake"):
        without_copies([LabelledClip("a.mp4", "same", "real"), LabelledClip("b.mp4", "same", "fake")])


@pytest.mark.parametrize(
    "clips",
    [
        [clip(0), clip(1), clip(2), clip(0, "fake")],
        [clip(i, label, "everybody") for i in range(5) for label in ("real", "fake")],
        [clip(i, label, f"all {label}") for i in range(5) for label in ("real", "fake")],
    ],
    ids=["one fake", "one group", "a group a label"],
)
def test_too_few_clips_or_groups_are_an_error_with_figures(clips):
    n_real = sum(one.label == "real" for one in clips)
    with pytest.raises(StudyError, match=rf"{n_real} real and {len(clips) - n_real} fake clips in \d+ groups"):
        split_of(clips)


def test_a_test_side_of_one_label_is_taken_where_no_other_is_possible():
    clips = [clip(i, label, f"pair {i}") for i in range(2) for label in ("real", "fake")] + [clip(9)]
    kept, split = split_of(clips)
    assert {one.label for one in kept if split.side_of[one.digest] == "test"} == {"real"}


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.0), (0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_shares_that_make_no_whole_are_refused(shares):
    with pytest.raises(ValueError, match="three shares above 0"):
        SplitFractions(*shares)


def test_another_label_is_refused():
    with pytest.raises(ValueError, match="label 'maybe'"):
        LabelledClip("a.mp4", "a", "maybe")
