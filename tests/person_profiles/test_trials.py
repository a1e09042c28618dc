"""Who is left out of whose training, what is refused before anything is learnt, and what the scores come to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keypoint_extractors.drawing.speakers import STYLES, speak
from person_profiles.error_rates import (
    CALIBRATED_BY_PEOPLE,
    CALIBRATED_BY_PROFILE,
    NOT_CALIBRATED,
    attacks_in,
    clip_rows,
    figures_of,
    paired_auc,
    window_rows,
)
from person_profiles.scorers import BaselineScorer, ClipScore, ProfileInUse, ProfileScorer
from person_profiles.trials import (
    Enrolment,
    Trial,
    TrialScore,
    check_disjoint,
    plan_trainings,
    run_on_profiles,
    run_trials,
    with_known_people,
)
from poseauth.errors import EnrolmentError, TooShortError, TrialOverlapError, UnknownPersonError
from poseauth.metrics import roc_auc
from tests.copies import copy_of

PEOPLE = ("ada", "bob", "cleo", "dan")


class Counting:
    """Learns nothing; remembers who was learnt without whom. A clip's score is the length of its source's name."""

    threshold = None

    def __init__(self):
        self.fits = []

    def fit(self, person, own, others):
        self.fits.append((person, len(own), [other.group for other in others]))
        return self

    def score(self, sequence):
        if sequence.provenance.source_name == "short.mp4":
            raise TooShortError("short.mp4: 4.0 s; 5 s are needed")
        value = float(len(sequence.provenance.source_name))
        return ClipScore(value, np.array([value, value]), np.array([0.0, 5.0]))


def drawn(person, number, *, seconds=8.0, name=None):
    """A recording of one of four drawn people; its digest follows from person and number."""
    sequence = speak(STYLES[PEOPLE.index(person)], duration_s=seconds, seed=10 * PEOPLE.index(person) + number)
    source = replace(sequence.provenance, source_name=name or f"{person}-{number}.mp4", source_sha256=None)
    return replace(sequence, provenance=source)


@pytest.fixture(scope="module")
def clips():
    return {(person, number): drawn(person, number) for person in PEOPLE for number in range(4)}


@pytest.fixture
def enrolments(clips):
    return [Enrolment(person, f"{person} {n}", clips[person, n]) for person in PEOPLE[:3] for n in range(2)]


@pytest.fixture
def trials(clips):
    """Everybody's third and fourth recording against everybody who is enrolled."""
    return [
        Trial(
            claimed,
            clips[actual, n],
            "genuine" if actual == claimed else "impostor",
            actual,
            None if actual == claimed else "stranger" if actual == "dan" else "colleague",
            f"{actual} {n}",
        )
        for claimed in PEOPLE[:3]
        for actual in PEOPLE
        for n in (2, 3)
    ]


def run(enrolments, trials, **options):
    scorer = Counting()
    results = run_trials(enrolments, trials, make_scorer=lambda seed: scorer, **options)
    return scorer, results


def test_open_set_leaves_each_impostors_person_out_and_trains_no_pair_twice(enrolments, trials):
    scorer, _ = run(enrolments, trials)
    assert scorer.fits == [
        ("ada", 2, ["bob", "cleo"]),  # against dan, who is not enrolled
        ("ada", 2, ["cleo"]),
        ("ada", 2, ["bob"]),
        ("bob", 2, ["ada", "cleo"]),
        ("bob", 2, ["cleo"]),
        ("bob", 2, ["ada"]),
        ("cleo", 2, ["ada", "bob"]),
        ("cleo", 2, ["bob"]),
        ("cleo", 2, ["ada"]),
    ]


def test_no_impostor_is_scored_by_a_training_that_knew_their_person(enrolments, trials):
    scorer, results = run(enrolments, trials)
    assert len(scorer.fits) == len({result.training for result in results})
    for result in results:
        if result.trial.actual in ("ada", "bob", "cleo") and not result.trial.is_genuine:
            assert result.left_out == (result.trial.actual,)


def test_a_genuine_clip_is_scored_under_every_training_of_its_person_and_others_once(enrolments, trials):
    _, results = run(enrolments, trials)
    per_trial = np.bincount([result.number for result in results])
    assert [per_trial[i] for i, trial in enumerate(trials) if trial.is_genuine] == [3] * 6
    assert [per_trial[i] for i, trial in enumerate(trials) if not trial.is_genuine] == [1] * 18


def test_closed_set_trains_everybody_once_with_everybody(enrolments, trials):
    scorer, results = run(enrolments, trials, closed=True)
    assert [(person, others) for person, _, others in scorer.fits] == [
        ("ada", ["bob", "cleo"]),
        ("bob", ["ada", "cleo"]),
        ("cleo", ["ada", "bob"]),
    ]
    assert len(results) == len(trials)


def test_with_genuine_trials_alone_there_is_one_training(enrolments, trials):
    plan = plan_trainings(enrolments, [trial for trial in trials if trial.is_genuine], closed=False)
    assert [(training.claimed, training.left_out) for training in plan] == [("ada", ()), ("bob", ()), ("cleo", ())]


def test_seed_and_progress_are_handed_on(enrolments, trials):
    seeds, told = [], []
    run_trials(
        enrolments,
        trials,
        closed=True,
        make_scorer=lambda seed: seeds.append(seed) or Counting(),
        seed=5,
        on_progress=told.append,
    )
    assert seeds == [5]
    assert [(progress.n_done, progress.n_trainings, progress.claimed) for progress in told] == [
        (0, 3, "ada"),
        (1, 3, "bob"),
        (2, 3, "cleo"),
    ]


def test_a_clip_that_cannot_be_scored_keeps_its_reason_and_stops_nothing(enrolments):
    trials = [
        Trial("ada", drawn("ada", 7, name="short.mp4"), "genuine", "ada"),
        Trial("ada", drawn("dan", 8), "impostor"),
    ]
    _, results = run(enrolments, trials)
    assert [result.reason for result in results] == ["", "short.mp4: 4.0 s; 5 s are needed"]
    assert [result.scored is None for result in results] == [False, True]


def test_a_person_who_cannot_be_learnt_leaves_reasons_and_no_scores(clips):
    short = [Enrolment("ada", "", drawn("ada", 9, seconds=3.0)), Enrolment("bob", "", clips["bob", 0])]
    trials = [Trial("ada", clips["ada", 2], "genuine", "ada"), Trial("ada", clips["cleo", 2], "impostor")]
    results = run_trials(short, trials)
    assert all(result.scored is None and "20 s are needed" in result.reason for result in results)


def test_claims_to_people_who_are_not_enrolled_are_refused(enrolments, clips):
    with pytest.raises(UnknownPersonError, match="dan"):
        run(enrolments, [Trial("dan", clips["dan", 2], "genuine", "dan")])


@pytest.mark.parametrize(
    ("label", "actual"), [("genuine", None), ("genuine", "bob"), ("impostor", "ada"), ("fake", "ada")]
)
def test_a_label_that_contradicts_the_person_is_refused(clips, label, actual):
    with pytest.raises(ValueError, match="is no"):
        Trial("ada", clips["ada", 2], label, actual)
    with pytest.raises(ValueError, match="label is 'false'"):
        Trial("ada", clips["ada", 2], "false")


def test_people_are_known_by_the_same_recording_in_a_genuine_trial(clips):
    trials = with_known_people(
        [
            Trial("bob", clips["bob", 2], "genuine", "bob"),
            Trial("ada", clips["bob", 2], "fake"),
            Trial("ada", clips["dan", 2], "impostor"),
        ]
    )
    assert [trial.actual for trial in trials] == ["bob", "bob", None]
    with pytest.raises(EnrolmentError, match="One of the two labels is wrong"):
        with_known_people([trials[0], Trial("bob", clips["bob", 2], "impostor")])


def test_disjoint_sides_pass(enrolments, trials):
    check_disjoint(enrolments, trials)


def test_one_rhythm_in_two_recordings_is_no_copy(speech):
    # A regular beat is like itself a beat later: it marks no recording.
    check_disjoint(
        [Enrolment("ada", "", speech("one", frequency_hz=0.5, duration_s=12, sway=0.0))],
        [Trial("ada", speech("two", frequency_hz=0.5, duration_s=12, sway=0.0), "genuine", "ada")],
    )


@pytest.mark.parametrize("side", ["keypoints", "video"])
def test_one_recording_on_both_sides_is_refused_by_name(enrolments, clips, side):
    known = clips["ada", 0]
    if side == "keypoints":
        again = replace(known, provenance=replace(known.provenance, source_name="again.mp4"))
    else:
        digest = {"source_sha256": "ab" * 32}
        enrolments = [replace(enrolments[0], sequence=replace(known, provenance=replace(known.provenance, **digest)))]
        other = clips["dan", 3]
        again = replace(other, provenance=replace(other.provenance, source_name="again.mp4", **digest))
    scorer = Counting()
    with pytest.raises(TrialOverlapError, match=r"again\.mp4 is tried and, as ada-0\.mp4, enrolled"):
        run_trials(enrolments, [Trial("ada", again, "genuine", "ada")], make_scorer=lambda seed: scorer)
    assert not scorer.fits


def test_a_session_of_one_person_on_both_sides_is_refused_by_name(enrolments, clips):
    trial = Trial("ada", clips["ada", 2], "genuine", "ada", session="ada 1")
    with pytest.raises(TrialOverlapError, match=r"ada-2\.mp4 is tried and ada-1\.mp4 .* session ada 1 of ada"):
        check_disjoint(enrolments, [trial])
    # Another person's session may have the same name.
    check_disjoint(enrolments, [Trial("bob", clips["dan", 2], "impostor", "dan", session="ada 1")])


@pytest.mark.parametrize(
    "changed",
    [
        {"scale": 0.5, "shift": (200.0, -30.0)},
        {"noise_px": 1.5},
        {"frames": slice(47, None)},
        {"scale": 0.4, "noise_px": 1.0, "frames": slice(31, 230)},
        {"fps": 25.0},
    ],
    ids=["scaled and shifted", "noisy", "cut", "all of it", "another frame rate"],
)
def test_a_copy_with_another_digest_is_found_by_its_movement_and_named(enrolments, clips, changed):
    copy = copy_of(clips["bob", 1], **changed)
    with pytest.raises(TrialOverlapError, match=r"copy\.mp4 is tried and bob-1\.mp4 is enrolled"):
        check_disjoint(enrolments, [Trial("ada", clips["dan", 2], "impostor"), Trial("ada", copy, "impostor")])


def test_one_recording_enrolled_for_two_people_is_refused(enrolments, clips):
    with pytest.raises(TrialOverlapError, match="for bob and, as ada-0"):
        check_disjoint([*enrolments, Enrolment("bob", "", clips["ada", 0])], [])


def test_copies_of_one_recording_enrolled_for_two_people_are_refused_before_anything_is_learnt(enrolments, clips):
    scorer = Counting()
    trial = Trial("ada", clips["dan", 2], "impostor")
    with pytest.raises(
        TrialOverlapError, match=r"ada-1\.mp4 is enrolled for ada and copy\.mp4 for bob, and they share"
    ):
        run_trials(
            [*enrolments, Enrolment("bob", "", copy_of(clips["ada", 1]))], [trial], make_scorer=lambda seed: scorer
        )
    assert not scorer.fits
    # One person's copies are for the enrolment to leave out.
    run_trials([*enrolments, Enrolment("ada", "", copy_of(clips["ada", 1]))], [trial], make_scorer=lambda seed: scorer)
    assert scorer.fits


def test_auc_pairs_within_trainings_so_that_their_offsets_do_not_count():
    # Right in either training; the second training's scores lie a hundred higher.
    scores = np.array([2.0, 1.0, 102.0, 101.0])
    is_genuine = np.array([True, False, True, False])
    assert paired_auc(scores, is_genuine, np.array([0, 0, 1, 1])) == 1
    assert roc_auc(scores[is_genuine], scores[~is_genuine]) == 0.75
    with pytest.raises(ValueError, match="no training has both"):
        paired_auc(scores, is_genuine, np.arange(4))


def scored(number, trial, value, left_out=()):
    return TrialScore(number, trial, left_out, ClipScore(value, np.array([value, value + 0.1]), np.zeros(2)), 0.0)


def test_what_is_not_judged_costs_cllr_as_no_answer_and_is_out_of_the_promise_kept(trials):
    # Ratios of 10 to 1, all right, but half of the clips have none.
    results = []
    for number, trial in enumerate(trials):
        judged = number % 2 == 0
        ratio = (1.0 if trial.is_genuine else -1.0) * judged
        scores = np.array([1.0 if trial.is_genuine else -1.0])
        one = ClipScore(float(scores[0]), scores, np.zeros(1), ratio, np.array([ratio]), judged)
        results.append(TrialScore(number, trial, (), one, 0.0))
    found = figures_of(clip_rows(results), n_resamples=20)
    kept = np.log2(1.1)
    is_genuine = np.array([trial.is_genuine for trial in trials])
    is_judged = np.arange(len(trials)) % 2 == 0
    share = np.mean([is_judged[is_genuine].mean(), is_judged[~is_genuine].mean()])
    assert found.judged.value == is_judged.mean()
    assert found.cllr_judged.value == pytest.approx(kept)
    assert found.cllr.value == pytest.approx(share * kept + (1 - share))
    assert found.cllr_min_judged.value == 0


def test_figures_of_an_attack_take_its_impostors_and_the_genuine_rows_of_their_trainings(trials):
    results = []
    for number, trial in enumerate(trials):
        for left_out in [("x",), ("y",)] if trial.is_genuine else [("x",) if trial.attack == "stranger" else ("y",)]:
            results.append(
                scored(number, trial, 1.0 if trial.is_genuine or trial.attack == "stranger" else -1.0, left_out)
            )
    assert attacks_in(results) == ["colleague", "stranger"]
    rows = clip_rows(results)
    assert figures_of(rows, attack="colleague", n_resamples=20).auc.value == 1
    assert figures_of(rows, attack="stranger", n_resamples=20).auc.value == 0.5
    assert figures_of(rows, attack="stranger", n_resamples=20).fmr.value == 1
    assert figures_of(rows, n_resamples=20).fmr.value == pytest.approx(6 / 18)
    assert figures_of(rows, n_resamples=20).fnmr.value == 0


def test_every_window_is_a_row_of_its_clips_recording(trials):
    results = [scored(number, trial, float(number)) for number, trial in enumerate(trials)]
    clips, windows = clip_rows(results), window_rows(results)
    assert len(windows) == 2 * len(clips) == 2 * len(trials)
    assert len(set(windows.recordings)) == len(set(clips.recordings)) == 8


def test_likelihood_ratios_come_from_other_people_and_say_so(trials):
    rng = np.random.default_rng(0)
    results = [scored(i, trial, (3.0 if trial.is_genuine else 0.0) + rng.normal()) for i, trial in enumerate(trials)]
    rows = clip_rows(results)
    assert rows.calibration == CALIBRATED_BY_PEOPLE
    # What dan scores himself cannot move his own ratios, only those of the others.
    moved = [
        scored(r.number, r.trial, r.scored.score + (50 if r.trial.actual == "dan" else 0), r.left_out) for r in results
    ]
    is_dan = np.array([r.trial.actual == "dan" for r in results])
    before, after = rows.log10_lr, clip_rows(moved).log10_lr
    slope = (after[is_dan] - before[is_dan]) / 50
    np.testing.assert_allclose(slope, slope[0])
    assert not np.allclose(before[~is_dan], after[~is_dan])


def test_without_trials_of_both_sides_there_are_no_ratios_and_no_figures(trials):
    genuine = [scored(i, trial, 1.0) for i, trial in enumerate(trials) if trial.is_genuine]
    rows = clip_rows(genuine)
    assert rows.log10_lr is None
    assert rows.calibration == NOT_CALIBRATED
    assert {estimate["value"] for estimate in figures_of(rows).as_dict().values()} == {None}
    assert figures_of(clip_rows([])).auc.value is None


def test_profiles_in_use_score_in_log_odds_and_refuse_what_they_learnt(ada, movement, speech):
    fitted = {"Ada": ProfileInUse(ada)}
    learnt = [Enrolment("Ada", "", sequence) for sequence in movement]
    trials = [
        Trial("Ada", speech("ada unseen", frequency_hz=0.6, duration_s=11.0), "genuine", "Ada"),
        Trial("Ada", speech("quick", frequency_hz=4.0, duration_s=11.0), "impostor"),
    ]
    genuine, impostor = run_on_profiles(fitted, trials, learnt_from=learnt)
    assert genuine.scored.score > 0 > impostor.scored.score
    assert list(genuine.scored.window_start_s) == [0.0, 5.0]
    assert genuine.scored.log10_lr > 0 > impostor.scored.log10_lr
    assert clip_rows([genuine, impostor]).calibration == CALIBRATED_BY_PROFILE
    with pytest.raises(TrialOverlapError, match="ada 0"):
        run_on_profiles(fitted, [Trial("Ada", movement[0], "genuine", "Ada")], learnt_from=learnt)
    with pytest.raises(UnknownPersonError, match="Bob"):
        run_on_profiles(fitted, [Trial("Bob", trials[1].sequence, "genuine", "Bob")], learnt_from=learnt)


def test_the_profile_and_a_baseline_tell_drawn_people_apart(clips, tiny):
    enrolments = [Enrolment(who, "", drawn(who, 20 + n, seconds=16)) for who in PEOPLE[:3] for n in range(2)]
    trials = [
        Trial(claimed, clips[actual, 2], "genuine" if claimed == actual else "impostor", actual)
        for claimed in PEOPLE[:2]
        for actual in PEOPLE[:3]
    ]
    recipe = tiny(epochs=12, learning_rate=2e-2)
    for make_scorer in (lambda seed: ProfileScorer(recipe, seed), lambda seed: BaselineScorer("statistics_wccn")):
        results = run_trials(enrolments, trials, make_scorer=make_scorer)
        assert figures_of(clip_rows(results), n_resamples=20).auc.value >= 0.75


def test_a_baseline_needs_a_name_that_is_known():
    with pytest.raises(ValueError, match="no baseline is called 'luck'"):
        BaselineScorer("luck")
