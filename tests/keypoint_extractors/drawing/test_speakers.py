import numpy as np
import pytest

from keypoint_extractors.drawing.movement_style import MovementStyle, Proportions
from keypoint_extractors.drawing.speakers import STYLES, limb_lengths, puppet, speak
from poseauth.keypoints import (
    L_ELBOW,
    L_SHOULDER,
    L_WRIST,
    N_KEYPOINTS,
    NECK,
    NOSE,
    R_ELBOW,
    R_SHOULDER,
    R_WRIST,
    KeypointSequence,
    keypoint_sequence,
)

ARM_BONES = ((R_SHOULDER, R_ELBOW), (L_SHOULDER, L_ELBOW), (R_ELBOW, R_WRIST), (L_ELBOW, L_WRIST))

every_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)


def style_named(name: str) -> MovementStyle:
    return next(style for style in STYLES if style.name == name)


def shoulder_widths(sequence: KeypointSequence) -> np.ndarray:
    return np.linalg.norm(sequence.keypoints[:, R_SHOULDER] - sequence.keypoints[:, L_SHOULDER], axis=1)


def movement_relations(sequence: KeypointSequence) -> np.ndarray:
    """How z-scored coordinates change together, at three paces and two lags: no place, size or amplitude."""
    around_neck = sequence.keypoints - sequence.keypoints[:, [NECK]]
    series = np.concatenate(
        [
            around_neck[:, [R_WRIST, L_WRIST, NOSE]].reshape(len(sequence), -1),
            sequence.keypoints[:, [R_SHOULDER, L_SHOULDER], 1],
        ],
        axis=1,
    )
    series = (series - series.mean(axis=0)) / series.std(axis=0)
    parts = []
    for pace in (3, 8, 20):
        change = series[pace:] - series[:-pace]
        parts.append(change.std(axis=0))
        for lag in (0, 6):
            parts.append(np.corrcoef(change[lag:].T, change[: len(change) - lag].T)[:8, 8:].ravel())
    return np.concatenate(parts)


def beat_correlation(sequence: KeypointSequence, coordinate: int) -> float:
    """Correlation of the hands' outward (0) or downward (1) movement around the neck."""
    around_neck = sequence.keypoints - sequence.keypoints[:, [NECK]]
    change = np.diff(around_neck[:, [R_WRIST, L_WRIST], coordinate], axis=0)
    if coordinate == 0:
        change = change * [-1, 1]
    return float(np.corrcoef(change.T)[0, 1])


class TestSpeech:
    @every_style
    def test_same_seed_same_sequence_other_seed_other_words(self, style: MovementStyle) -> None:
        first, again = (speak(style, duration_s=3.0, seed=7) for _ in range(2))
        other = speak(style, duration_s=3.0, seed=8)
        np.testing.assert_array_equal(first.keypoints, again.keypoints)
        moved = [np.diff(sequence.keypoints[:, R_WRIST], axis=0) for sequence in (first, other)]
        assert np.abs(moved[0] - moved[1]).max() > 1.0

    def test_has_the_frames_the_times_and_the_frame_size_asked_for(self) -> None:
        sequence = speak(STYLES[0], duration_s=4.0, fps=25.0, seed=0, width=640, height=360)
        assert sequence.timestamps_s == pytest.approx(np.arange(100) / 25)
        assert (sequence.provenance.frame_width, sequence.provenance.frame_height) == (640, 360)
        assert sequence.shot.tolist() == [0] * 100

    def test_frame_rate_does_not_change_the_movement(self) -> None:
        slow, fast = (speak(STYLES[2], duration_s=3.0, fps=fps, seed=5) for fps in (20.0, 60.0))
        difference = np.linalg.norm(slow.keypoints[:55] - fast.keypoints[: 3 * 55 : 3], axis=-1)
        assert difference.max() < 0.1 * shoulder_widths(slow).mean()

    @every_style
    def test_whole_upper_body_stays_in_the_frame(self, style: MovementStyle) -> None:
        for seed in range(6):
            sequence = speak(style, duration_s=20.0, seed=seed)
            assert sequence.seen.mean() > 0.999
            assert (sequence.confidence[sequence.seen] == 1.0).all()

    @every_style
    def test_person_faces_the_camera_with_their_right_at_the_pictures_left(self, style: MovementStyle) -> None:
        points = speak(style, duration_s=10.0, seed=2).keypoints
        assert (points[:, R_SHOULDER, 0] < points[:, L_SHOULDER, 0]).all()
        assert (points[:, 8, 0] < points[:, 9, 0]).all()
        assert (points[:, NOSE, 1] < points[:, NECK, 1]).all()
        np.testing.assert_allclose(
            points[:, NECK], (points[:, R_SHOULDER] + points[:, L_SHOULDER]) / 2, rtol=0, atol=0.01
        )

    @every_style
    def test_no_limb_looks_longer_than_it_is(self, style: MovementStyle) -> None:
        sequence = speak(style, duration_s=20.0, seed=3)
        seen_from_near = 1.15
        for bones, length in ((ARM_BONES[:2], style.proportions.upper_arm), (ARM_BONES[2:], style.proportions.forearm)):
            for start, end in bones:
                apart = np.linalg.norm(sequence.keypoints[:, end] - sequence.keypoints[:, start], axis=1)
                assert (apart / np.median(shoulder_widths(sequence)) < length * seen_from_near).all()

    @every_style
    def test_hands_move_no_faster_than_a_persons(self, style: MovementStyle) -> None:
        sequence = speak(style, duration_s=30.0, seed=1)
        shoulder_width_m = 0.36
        step = np.linalg.norm(np.diff(sequence.keypoints[:, [R_WRIST, L_WRIST]], axis=0), axis=-1)
        speed_m_s = step / shoulder_widths(sequence).mean() * shoulder_width_m * 30
        assert np.percentile(speed_m_s, 99.9) < 3.0
        assert speed_m_s.mean() > 0.05

    def test_cut_begins_a_shot_with_another_framing(self) -> None:
        sequence = speak(STYLES[0], duration_s=3.0, seed=1, cuts_s=(1.0, 2.0))
        assert np.flatnonzero(np.diff(sequence.shot)).tolist() == [29, 59]
        jump = np.linalg.norm(np.diff(sequence.keypoints[:, NECK], axis=0), axis=-1)
        assert set(np.argsort(jump)[-2:]) == {29, 59}

    def test_place_and_size_vary_with_the_seed(self) -> None:
        speeches = [speak(STYLES[0], duration_s=1.0, seed=seed) for seed in range(10)]
        necks = np.array([sequence.keypoints[:, NECK].mean(axis=0) for sequence in speeches])
        sizes = np.array([shoulder_widths(sequence).mean() for sequence in speeches])
        assert (necks.std(axis=0) > [20.0, 3.0]).all()
        assert sizes.std() > 3.0

    @pytest.mark.parametrize(("duration_s", "width"), [(0.0, 1280), (1.0, 0)])
    def test_speech_of_nothing_is_an_error(self, duration_s: float, width: int) -> None:
        with pytest.raises(ValueError, match="no frame"):
            speak(STYLES[0], duration_s=duration_s, seed=0, width=width)


class TestManner:
    def test_styles_are_told_apart_by_how_the_parts_move_together(self) -> None:
        seeds = range(4)
        relations = np.array(
            [[movement_relations(speak(s, duration_s=20.0, seed=seed)) for seed in seeds] for s in STYLES]
        )
        for row in range(len(STYLES)):
            for seed in seeds:
                typical = relations.mean(axis=1)
                typical[row] = np.delete(relations[row], seed, axis=0).mean(axis=0)
                distance = np.linalg.norm(typical - relations[row, seed], axis=1)
                assert distance.argmin() == row

    def test_leading_hand_does_the_work(self) -> None:
        for name, leading, idle in (("chopper", R_WRIST, L_WRIST), ("pointer", L_WRIST, R_WRIST)):
            sequence = speak(style_named(name), duration_s=20.0, seed=1)
            step = np.linalg.norm(np.diff(sequence.keypoints, axis=0), axis=-1).mean(axis=0)
            assert step[leading] > 1.5 * step[idle]

    def test_hands_mirror_each_other_or_alternate(self) -> None:
        for seed in range(3):
            assert beat_correlation(speak(style_named("conductor"), duration_s=20.0, seed=seed), 1) > 0.6
            assert beat_correlation(speak(style_named("weaver"), duration_s=20.0, seed=seed), 1) < -0.25

    @every_style
    def test_beat_is_the_styles(self, style: MovementStyle) -> None:
        sequence = speak(style, duration_s=60.0, seed=3)
        leading = R_WRIST if style.right_gain >= style.left_gain else L_WRIST
        around_neck = sequence.keypoints[:, leading] - sequence.keypoints[:, NECK]
        power = (np.abs(np.fft.rfft(np.diff(around_neck, axis=0), axis=0)) ** 2).sum(axis=1)
        rate = np.fft.rfftfreq(len(sequence) - 1, 1 / 30)
        near_beat = (rate > 0.7 * style.beat_hz) & (rate < 2.2 * style.beat_hz)
        assert power[near_beat].sum() > 0.4 * power.sum()


class TestPuppet:
    @pytest.fixture
    def driver(self) -> KeypointSequence:
        return speak(STYLES[4], duration_s=10.0, seed=9)

    def test_limbs_have_the_targets_lengths(self, driver: KeypointSequence) -> None:
        target = Proportions(upper_arm=0.7, forearm=0.5, neck=0.55, head=0.9)
        measured = limb_lengths(puppet(driver, target))
        for name in Proportions.__dataclass_fields__:
            assert getattr(measured, name) == pytest.approx(getattr(target, name), rel=1e-4)

    def test_every_limb_keeps_the_drivers_direction(self, driver: KeypointSequence) -> None:
        body = STYLES[2].proportions
        played = puppet(driver, STYLES[2], driver_body=STYLES[4].proportions)
        for bones, name in ((ARM_BONES[:2], "upper_arm"), (ARM_BONES[2:], "forearm")):
            ratio = getattr(body, name) / getattr(STYLES[4].proportions, name)
            for start, end in bones:
                old = driver.keypoints[:, end] - driver.keypoints[:, start]
                new = played.keypoints[:, end] - played.keypoints[:, start]
                np.testing.assert_allclose(new, ratio * old, rtol=0, atol=0.01)

    def test_shoulders_times_and_shots_stay_the_drivers(self, driver: KeypointSequence) -> None:
        played = puppet(driver, STYLES[0])
        rows = [NECK, R_SHOULDER, L_SHOULDER]
        np.testing.assert_array_equal(played.keypoints[:, rows], driver.keypoints[:, rows])
        np.testing.assert_array_equal(played.timestamps_s, driver.timestamps_s)
        np.testing.assert_array_equal(played.shot, driver.shot)

    def test_own_body_changes_nothing(self, driver: KeypointSequence) -> None:
        np.testing.assert_allclose(puppet(driver, limb_lengths(driver)).keypoints, driver.keypoints, atol=0.01)

    def test_movement_is_the_drivers_not_the_targets(self) -> None:
        driver, target = STYLES[0], STYLES[1]
        fake = movement_relations(puppet(speak(driver, duration_s=20.0, seed=2), target))
        as_driver, as_target = (movement_relations(speak(style, duration_s=20.0, seed=3)) for style in (driver, target))
        assert np.linalg.norm(fake - as_driver) < 0.5 * np.linalg.norm(fake - as_target)

    def test_unseen_limb_needs_the_drivers_body(self, driver: KeypointSequence) -> None:
        confidence = driver.confidence.copy()
        confidence[:, [R_WRIST, L_WRIST]] = 0.0
        blind = keypoint_sequence(
            driver.keypoints, confidence, driver.timestamps_s, driver.shot, provenance=driver.provenance
        )
        with pytest.raises(ValueError, match="forearm"):
            puppet(blind, STYLES[0])
        assert puppet(blind, STYLES[0], driver_body=Proportions()).keypoints.shape == (300, N_KEYPOINTS, 2)


def test_there_are_at_least_five_styles_of_different_names() -> None:
    assert len({style.name for style in STYLES}) == len(STYLES) >= 5
