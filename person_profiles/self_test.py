"""How well a person can be told from people whom nobody has met: videos and people left out, in turn.

Videos of the person and the other people are divided into as many parts. Each part is scored by what was learnt from
all the other parts, so that every video of the person is judged unseen, and every other person as a stranger. From
these scores come the error rates, the calibration, the vote's threshold, the curve of error against seconds, and the
reasons why a profile may be too weak to use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from person_profiles.learning import Clip, groups_of, learn
from person_profiles.profile import Calibrated, EvidencePoint, SelfTest
from poseauth.arrays import BoolArray, Float64Array
from poseauth.calibration import MIN_VIDEOS, Calibration, ScoreLine, fit_calibration, fit_line, judge_each_unseen
from poseauth.metrics import Estimate, bootstrap_interval, cllr, equal_error_rate, roc_auc
from poseauth.recipes import Recipe
from poseauth.scoring import scores_in_mirror
from poseauth.shown_text import counted
from poseauth.training import Epoch
from poseauth.windows import FPS, WINDOW_S

PIECE_S = 30.0
"""Held-out videos count in pieces of at most this length: the calibration is for clips, not for whole speeches."""
CURVE_S = (5.0, 10.0, 20.0, 40.0, 80.0)
"""Seconds at which the error is measured."""
CURVE_TOLERANCE = 0.05
"""Evidence is enough where the error is within this of the curve's least."""
MIN_AUC = 0.75
"""Below this over all strangers, a person is not told from others."""
MIN_AUC_OF_ONE = 0.65
"""Below this against one of the others, that one is not told from the person: the videos may show the same. Nor is one
against whom so few videos leave chance, an AUC of 0.5, within reach."""
_ONE_SIDED_95 = 1.645


@dataclass(frozen=True, eq=False)
class _Piece:
    """Up to `PIECE_S` of a held-out video: scores of its windows, and what a mirrored clip is held against.

    A mirrored clip of the person, turned round, is the person: of the person `turned` are the very `scores`. What has
    to be known is how strangers look turned.
    """

    scores: Float64Array
    turned: Float64Array
    is_genuine: bool
    group: str
    video: str


@dataclass(frozen=True, eq=False)
class Tested:
    """What the self-test came to; nothing where it could not be held."""

    self_test: SelfTest | None
    calibrated: Calibrated | None
    weaknesses: tuple[str, ...]


def hold_self_test(
    own: Sequence[Clip],
    others: Sequence[Clip],
    recipe: Recipe,
    *,
    rng: np.random.Generator,
    seed: int,
    device: str = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Tested:
    """Leave videos of the person and other people out, in turn, and judge them.

    Parameters
    ----------
    own, others : sequence of Clip
        All videos of the enrolment.
    recipe : Recipe
        Says into how many parts.
    rng : np.random.Generator
        Decides the parts and the intervals.
    seed, device, on_epoch :
        Of every training.

    Returns
    -------
    Tested
        Without figures where there are fewer than two videos of the person, or two other people: then the weaknesses
        say so.
    """
    missing = _too_few(own, others, recipe)
    if missing:
        return Tested(None, None, (missing,))
    pieces = _held_out_pieces(own, others, recipe, rng=rng, seed=seed, device=device, on_epoch=on_epoch)
    calibrated = _calibrate(pieces, rng)
    self_test = _figures(pieces, recipe.training.stride_frames / FPS, rng)
    return Tested(self_test, calibrated, _weaknesses(self_test, calibrated.clips))


def _too_few(own: Sequence[Clip], others: Sequence[Clip], recipe: Recipe) -> str | None:
    people = groups_of(others)
    if not recipe.training.folds:
        return "it was not tested, as the recipe asks"
    if len(own) < MIN_VIDEOS:
        return (
            f"it is untested: {counted(len(own), 'usable video')} of the person, and {MIN_VIDEOS} are needed to leave "
            "one out. Give more videos, best of other days"
        )
    if len(people) < MIN_VIDEOS:
        return (
            f"it is untested: {counted(len(people), 'other person')}, and {MIN_VIDEOS} are needed so that one "
            "can be a stranger. Give clips of other people with --impostor"
        )
    return None


def _held_out_pieces(
    own: Sequence[Clip],
    others: Sequence[Clip],
    recipe: Recipe,
    *,
    rng: np.random.Generator,
    seed: int,
    device: str,
    on_epoch: Callable[[Epoch], None] | None,
) -> list[_Piece]:
    people = groups_of(others)
    n_parts = min(recipe.training.folds, len(own), len(people))
    part_of_video = {own[i].video: n % n_parts for n, i in enumerate(rng.permutation(len(own)))}
    part_of_person = {people[i]: n % n_parts for n, i in enumerate(rng.permutation(len(people)))}
    pieces: list[_Piece] = []
    for part in range(n_parts):
        out = [clip for clip in own if part_of_video[clip.video] == part]
        strangers = [clip for clip in others if part_of_person[clip.record.group] == part]
        learnt = learn(
            [clip for clip in own if clip not in out],
            [clip for clip in others if clip not in strangers],
            recipe,
            rng=rng,
            seed=seed,
            device=device,
            on_epoch=on_epoch,
        )
        for clip, is_genuine in [*((c, True) for c in out), *((c, False) for c in strangers)]:
            scores = learnt.scorer(clip.windows)
            turned = scores if is_genuine else scores_in_mirror(learnt.scorer, clip.windows)
            pieces += _pieces(clip, scores, turned, is_genuine=is_genuine)
    return pieces


def _pieces(clip: Clip, scores: Float64Array, turned: Float64Array, *, is_genuine: bool) -> list[_Piece]:
    n_pieces = max(1, int(np.ceil(clip.windows.seconds / PIECE_S)))
    return [
        _Piece(some, some_turned, is_genuine, clip.record.group, clip.video)
        for some, some_turned in zip(np.array_split(scores, n_pieces), np.array_split(turned, n_pieces), strict=True)
        if len(some)
    ]


def _calibrate(pieces: Sequence[_Piece], rng: np.random.Generator) -> Calibrated:
    is_genuine, videos = _sides(pieces), [piece.video for piece in pieces]
    straight = np.array([piece.scores.mean() for piece in pieces])
    turned = np.array([piece.turned.mean() for piece in pieces])
    return Calibrated(
        clips=fit_calibration(straight, is_genuine, videos, rng=rng),
        mirrored=fit_calibration(turned, is_genuine, videos, rng=rng),
        windows=_window_line(pieces),
    )


def _window_line(pieces: Sequence[_Piece]) -> ScoreLine:
    """From the score of a window to the log odds by which it votes."""
    scores = np.concatenate([piece.scores for piece in pieces])
    is_genuine = np.concatenate([np.full(len(piece.scores), piece.is_genuine) for piece in pieces])
    videos = np.concatenate([np.full(len(piece.scores), piece.video) for piece in pieces])
    return fit_line(scores, is_genuine, [np.flatnonzero(videos == video) for video in dict.fromkeys(videos.tolist())])


def _figures(pieces: Sequence[_Piece], stride_s: float, rng: np.random.Generator) -> SelfTest:
    is_genuine, videos = _sides(pieces), [piece.video for piece in pieces]
    scores = np.array([piece.scores.mean() for piece in pieces])
    ratios, bands = judge_each_unseen(scores, is_genuine, videos)
    seed = int(rng.integers(2**31))

    def estimate(figure: Callable[[Float64Array, Float64Array], float], values: Float64Array) -> Estimate:
        return bootstrap_interval(
            lambda rows: figure(values[rows][is_genuine[rows]], values[rows][~is_genuine[rows]]),
            videos,
            rng=np.random.default_rng(seed),
        )

    against = {
        who: roc_auc(scores[is_genuine], scores[[piece.group == who and not piece.is_genuine for piece in pieces]])
        for who in sorted({piece.group for piece in pieces if not piece.is_genuine})
    }
    n_own = len({piece.video for piece in pieces if piece.is_genuine})
    n_of = {
        who: len({piece.video for piece in pieces if piece.group == who and not piece.is_genuine}) for who in against
    }
    lowest = {who: _least_auc(auc, n_own, n_of[who]) for who, auc in against.items()}
    hardest = min(lowest, key=lambda who: (lowest[who], against[who]))
    curve = _evidence_curve(pieces, stride_s)
    return SelfTest(
        n_genuine_videos=n_own,
        n_other_videos=len({piece.video for piece in pieces if not piece.is_genuine}),
        n_other_people=len(against),
        n_genuine_clips=int(is_genuine.sum()),
        n_other_clips=int((~is_genuine).sum()),
        auc=estimate(roc_auc, scores),
        eer=estimate(equal_error_rate, scores),
        cllr=estimate(cllr, ratios),
        n_genuine_against=int((ratios < -bands)[is_genuine].sum()),
        n_other_for=int((ratios > bands)[~is_genuine].sum()),
        n_undecided=int((np.abs(ratios) <= bands).sum()),
        hardest_other=hardest,
        hardest_auc=against[hardest],
        hardest_auc_low=lowest[hardest],
        evidence_curve=curve,
        enough_s=_enough(curve),
    )


def _least_auc(auc: float, n_genuine: int, n_other: int) -> float:
    """What an AUC from so many independent videos is at least (one-sided 95 %), with half a pair told wrongly.

    The standard error (Hanley and McNeil, Radiology 143, 1982) of an AUC of 1 is 0, from however few videos.
    """
    half_a_pair = 0.5 / (n_genuine * n_other)
    auc = min(max(auc, half_a_pair), 1 - half_a_pair)
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_genuine - 1) * (first - auc**2) + (n_other - 1) * (second - auc**2)
    return float(auc - _ONE_SIDED_95 * np.sqrt(max(variance, 0.0) / (n_genuine * n_other)))


def _evidence_curve(pieces: Sequence[_Piece], stride_s: float) -> tuple[EvidencePoint, ...]:
    """The equal error rate of stretches of growing length, as far as either side has enough of them."""
    points = []
    videos: dict[str, list[_Piece]] = {}
    for piece in pieces:
        videos.setdefault(piece.video, []).append(piece)
    for seconds in CURVE_S:
        stretches: dict[bool, list[float]] = {True: [], False: []}
        met: dict[bool, set[str]] = {True: set(), False: set()}
        n, apart = 1 + round((seconds - WINDOW_S) / stride_s), max(1, round(seconds / stride_s))
        for video, parts in videos.items():
            scores = np.concatenate([part.scores for part in parts])
            starts = range(0, len(scores) - n + 1, apart)
            stretches[parts[0].is_genuine] += [float(scores[first : first + n].mean()) for first in starts]
            if len(starts):
                met[parts[0].is_genuine].add(video)
        if min(len(some) for some in met.values()) < MIN_VIDEOS:
            break
        eer = equal_error_rate(stretches[True], stretches[False])
        points.append(EvidencePoint(seconds, eer, len(stretches[True]), len(stretches[False])))
    return tuple(points)


def _enough(curve: Sequence[EvidencePoint]) -> float | None:
    """Seconds from which on the error is near its least; None where the curve has fewer than two points."""
    if len(curve) < 2:
        return None
    least = min(point.eer for point in curve)
    return next(point.seconds for point in curve if point.eer <= least + CURVE_TOLERANCE)


def _weaknesses(test: SelfTest, calibration: Calibration) -> tuple[str, ...]:
    found = []
    auc, low = test.auc.value or 0.0, test.auc.low
    if auc < MIN_AUC or (low is not None and low <= 0.5):
        interval = "" if low is None else f", 95 % interval {low:.2f} to {test.auc.high:.2f}"
        found.append(
            f"the person cannot be told from others: on held-out videos the AUC is {auc:.2f}{interval}; {MIN_AUC:g} "
            "and an interval above 0.5 are needed. Give more video, of more days and settings, and more impostors"
        )
    if test.hardest_auc < MIN_AUC_OF_ONE or test.hardest_auc_low <= 0.5:
        same = "take them out of the others (who is enrolled, with --same-as)"
        advice = (
            f"do those videos show the same person? If so, {same}; if not, give more of both"
            if test.hardest_auc < MIN_AUC_OF_ONE
            else f"so few videos prove nothing. Give more of either; if they show the same person, {same}"
        )
        found.append(
            f"the person cannot be told from {test.hardest_other} (AUC {test.hardest_auc:.2f}, at least "
            f"{test.hardest_auc_low:.2f}; {MIN_AUC_OF_ONE:g}, and more than 0.5 for sure, are needed): {advice}"
        )
    if not found and max(calibration.upper_bound, -calibration.lower_bound) <= calibration.undecided:
        found.append(
            f"{counted(test.n_genuine_videos, 'video')} of the person and {test.n_other_videos} of others support "
            f"no likelihood ratio beyond the undecided band (factor {10**calibration.undecided:.1f}): give more videos"
        )
    return tuple(found)


def _sides(pieces: Sequence[_Piece]) -> BoolArray:
    return np.array([piece.is_genuine for piece in pieces], dtype=bool)
