import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from keypoint_extractors.blazepose.estimator import BlazePose
from keypoint_extractors.drawing.rendering import LOOKS, draw_speaker, render_scene, render_video, sample_keypoints
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.extraction import observe_video
from keypoint_extractors.following import follow
from poseauth.errors import StorageError
from poseauth.keypoints import (
    L_SHOULDER,
    L_WRIST,
    LEFT,
    N_KEYPOINTS,
    NOSE,
    R_ELBOW,
    R_SHOULDER,
    R_WRIST,
    RIGHT,
    KeypointSequence,
    Provenance,
    keypoint_sequence,
)

SMALL = {"width": 320, "height": 180}


@pytest.fixture(scope="module")
def speech() -> KeypointSequence:
    return speak(STYLES[0], duration_s=2.0, seed=4, **SMALL)


def moving_points(xs: list[float], shots: list[int], *, fps: float = 10.0) -> KeypointSequence:
    """All twelve keypoints at the same x, y = 50."""
    keypoints = np.full((len(xs), N_KEYPOINTS, 2), 50.0, np.float32)
    keypoints[:, :, 0] = np.array(xs)[:, None]
    return keypoint_sequence(
        keypoints,
        np.ones(keypoints.shape[:2], np.float32),
        np.arange(len(xs)) / fps,
        np.array(shots, np.int32),
        provenance=Provenance("points"),
    )


def decode(path: Path) -> tuple[list[np.ndarray], np.ndarray, int]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
        return pictures, np.array([float(frame.time) for frame in frames]), int(frames[0].rotation)


def near_colour(picture: np.ndarray, colour: tuple[int, int, int], tolerance: int = 14) -> np.ndarray:
    return (np.abs(picture.astype(int) - colour) <= tolerance).all(axis=-1)


class TestPicture:
    def test_has_the_size_asked_for_and_the_background_in_its_corners(self, speech: KeypointSequence) -> None:
        picture = draw_speaker(speech.keypoints[0], speech.confidence[0], look=LOOKS[1], **SMALL)
        assert picture.shape == (180, 320, 3)
        assert picture.dtype == np.uint8
        assert tuple(picture[0, 0]) == LOOKS[1].background

    def test_persons_right_arm_is_at_the_pictures_left(self, speech: KeypointSequence) -> None:
        points, confidence = speech.keypoints[0], speech.confidence[0].copy()
        whole = draw_speaker(points, confidence, **SMALL)
        confidence[[R_ELBOW, R_WRIST]] = 0.0
        changed = (draw_speaker(points, confidence, **SMALL) != whole).any(axis=-1)
        middle = (points[R_SHOULDER, 0] + points[L_SHOULDER, 0]) / 2
        assert np.median(np.nonzero(changed)[1]) < middle

    def test_wrist_is_where_shirt_ends_and_skin_begins(self) -> None:
        sequence = speak(STYLES[0], duration_s=0.1, seed=4)
        picture = draw_speaker(sequence.keypoints[0], sequence.confidence[0], look=LOOKS[0])
        for elbow, wrist in ((R_ELBOW, R_WRIST), (6, L_WRIST)):
            end, start = sequence.keypoints[0, wrist], sequence.keypoints[0, elbow]
            along = (end - start) / np.linalg.norm(end - start)
            unit = np.linalg.norm(sequence.keypoints[0, R_SHOULDER] - sequence.keypoints[0, L_SHOULDER])
            hand, cuff = np.round(end + 0.07 * unit * along), np.round(end - 0.025 * unit * along)
            assert near_colour(picture[int(hand[1]), int(hand[0])], LOOKS[0].skin, 40)
            assert near_colour(picture[int(cuff[1]), int(cuff[0])], LOOKS[0].shirt, 20)

    def test_missing_wrist_leaves_forearm_undrawn(self) -> None:
        sequence = speak(STYLES[4], duration_s=0.1, seed=4)
        points, confidence = sequence.keypoints[0], sequence.confidence[0].copy()
        along = points[R_ELBOW] + 0.6 * (points[R_WRIST] - points[R_ELBOW])
        x, y = np.round(along).astype(int)
        before = draw_speaker(points, confidence)
        confidence[R_WRIST] = 0.0
        after = draw_speaker(points, confidence)
        without_arms = confidence.copy()
        without_arms[[R_ELBOW, 6]] = 0.0
        assert (before[y, x] != after[y, x]).any()
        assert (after[y, x] == draw_speaker(points, without_arms)[y, x]).all()
        assert (before[:, 700:] == after[:, 700:]).all()

    @pytest.mark.parametrize("missing", [*range(N_KEYPOINTS)])
    def test_any_keypoint_may_be_missing(self, speech: KeypointSequence, missing: int) -> None:
        points, confidence = speech.keypoints[0].copy(), speech.confidence[0].copy()
        points[missing], confidence[missing] = np.nan, 0.0
        picture = draw_speaker(points, confidence, **SMALL)
        assert near_colour(picture, LOOKS[0].suit, 30).sum() > 500

    def test_nobody_seen_leaves_the_background(self) -> None:
        nobody = np.full((N_KEYPOINTS, 2), np.nan, np.float32)
        picture = draw_speaker(nobody, np.zeros(N_KEYPOINTS, np.float32), **SMALL)
        assert (picture == LOOKS[0].background).all()

    def test_second_person_is_drawn_onto_the_first(self, speech: KeypointSequence) -> None:
        first = draw_speaker(speech.keypoints[0], speech.confidence[0], look=LOOKS[0], **SMALL)
        alone = first.copy()
        both = draw_speaker(speech.keypoints[0] + [90, 0], speech.confidence[0], look=LOOKS[3], onto=first)
        assert both is first
        assert near_colour(both, LOOKS[3].suit, 6).sum() > 500
        assert (both[:, :100] == alone[:, :100]).all()

    def test_looks_are_distinct(self) -> None:
        assert len({(look.suit, look.hair, look.background) for look in LOOKS}) == len(LOOKS) >= 4


class TestConstantRate:
    @pytest.mark.parametrize(
        ("suffix", "fps"), [(".mp4", 30.0), (".mp4", 25.0), (".mkv", 50.0), (".avi", 24.0), (".webm", 15.0)]
    )
    def test_file_has_the_rate_and_the_frames_asked_for(
        self, speech: KeypointSequence, tmp_path: Path, suffix: str, fps: float
    ) -> None:
        path = render_video(speech, tmp_path / f"clip{suffix}", fps=fps)
        pictures, times, rotation = decode(path)
        expected = np.arange(int(speech.duration_s * fps + 1e-6) + 1) / fps
        assert times == pytest.approx(expected, abs=0.00051)
        assert pictures[0].shape == (180, 320, 3)
        assert rotation == 0
        with av.open(str(path)) as container:
            assert float(container.streams.video[0].average_rate) == pytest.approx(fps, rel=0.001)

    def test_ntsc_rate_is_kept_exactly(self, speech: KeypointSequence, tmp_path: Path) -> None:
        _, times, _ = decode(render_video(speech, tmp_path / "clip.mp4", fps=30000 / 1001))
        assert times == pytest.approx(np.arange(len(times)) * 1001 / 30000, abs=1e-6)

    def test_decoded_picture_is_the_drawn_one(self, speech: KeypointSequence, tmp_path: Path) -> None:
        pictures, _, _ = decode(render_video(speech, tmp_path / "clip.mp4", look=LOOKS[2]))
        number = 30
        drawn = draw_speaker(speech.keypoints[number], speech.confidence[number], look=LOOKS[2], **SMALL)
        on_person = ~near_colour(drawn, LOOKS[2].background, 40)
        assert np.abs(pictures[number].astype(int) - drawn)[on_person].mean() < 12

    def test_same_input_gives_the_same_bytes(self, speech: KeypointSequence, tmp_path: Path) -> None:
        for suffix in (".mp4", ".mkv"):
            first = render_video(speech, tmp_path / f"a{suffix}").read_bytes()
            assert render_video(speech, tmp_path / f"b{suffix}").read_bytes() == first


class TestVaryingRate:
    TIMES_S = np.array([0.0, 0.04, 0.05, 0.11, 0.2, 0.2333, 0.41, 0.9, 0.9171, 1.3])

    @pytest.mark.parametrize(("suffix", "time_base_s"), [(".mp4", 1 / 90_000), (".mkv", 1 / 1000), (".webm", 1 / 1000)])
    def test_timestamps_survive_to_within_the_time_base(
        self, speech: KeypointSequence, tmp_path: Path, suffix: str, time_base_s: float
    ) -> None:
        for start_s in (0.0, 0.25):
            path = render_video(speech, tmp_path / f"clip{suffix}", timestamps_s=self.TIMES_S + start_s)
            _, times, _ = decode(path)
            assert times == pytest.approx(self.TIMES_S + start_s, abs=time_base_s)

    def test_picture_shows_the_keypoints_of_its_time(self, speech: KeypointSequence, tmp_path: Path) -> None:
        pictures, _, _ = decode(render_video(speech, tmp_path / "clip.mp4", timestamps_s=[0.0, 1.0]))
        even, _, _ = decode(render_video(speech, tmp_path / "even.mp4"))
        assert np.abs(pictures[1].astype(int) - even[30]).mean() < 2.0

    @pytest.mark.parametrize("times", [[], [-0.1, 0.2], [0.3, 0.2], [0.1, 0.1]])
    def test_impossible_timestamps_are_refused(
        self, speech: KeypointSequence, tmp_path: Path, times: list[float]
    ) -> None:
        with pytest.raises(ValueError, match="timestamps_s"):
            render_video(speech, tmp_path / "clip.mp4", timestamps_s=times)


class TestRotation:
    @pytest.mark.parametrize("rotation", [90, 180, 270])
    @pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
    def test_turned_back_as_the_metadata_say_the_picture_is_upright(
        self, speech: KeypointSequence, tmp_path: Path, rotation: int, suffix: str
    ) -> None:
        if not hasattr(av.VideoStream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write rotation")
        upright, _, _ = decode(render_video(speech, tmp_path / "upright.mp4", timestamps_s=[0.0]))
        stored, _, told = decode(
            render_video(speech, tmp_path / f"clip{suffix}", timestamps_s=[0.0], rotation=rotation)
        )
        assert told % 360 == rotation
        assert stored[0].shape == ((320, 180, 3) if rotation in (90, 270) else (180, 320, 3))
        assert np.abs(np.rot90(stored[0], told // 90).astype(int) - upright[0]).mean() < 6

    def test_no_other_angle_is_taken(self, speech: KeypointSequence, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="45"):
            render_video(speech, tmp_path / "clip.mp4", rotation=45)


class TestCuts:
    def test_each_cut_changes_the_background_and_nothing_else_does(self, tmp_path: Path) -> None:
        sequence = speak(STYLES[1], duration_s=3.0, seed=1, cuts_s=(1.0, 2.0), **SMALL)
        pictures, times, _ = decode(render_video(sequence, tmp_path / "clip.mp4"))
        change = np.array([np.abs(b.astype(int) - a).mean() for a, b in itertools.pairwise(pictures)])
        assert times[1:][change > 20] == pytest.approx([1.0, 2.0])
        assert (np.sort(change)[:-2] < 8).all()

    @pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
    def test_a_shot_detector_sees_every_cut(self, tmp_path: Path, look: object) -> None:
        scenedetect = pytest.importorskip("scenedetect")
        starts_s = np.arange(0.0, 3.6, 0.5)
        sequence = speak(STYLES[3], duration_s=4.0, seed=1, cuts_s=starts_s[1:].tolist(), **SMALL)
        path = render_video(sequence, tmp_path / "clip.mp4", look=look)
        found = scenedetect.detect(str(path), scenedetect.ContentDetector(min_scene_len=5))
        assert [start.get_timecode() for start, _ in found] == [f"00:00:{second:06.3f}" for second in starts_s]

    def test_keypoints_are_interpolated_within_a_shot_and_held_before_a_cut(self) -> None:
        sequence = moving_points([0.0, 10.0, 110.0, 120.0], [0, 0, 1, 1])
        keypoints, _, shot = sample_keypoints(sequence, np.array([0.05, 0.125, 0.175, 0.2, 0.25]))
        assert keypoints[:, NOSE, 0] == pytest.approx([5.0, 10.0, 10.0, 110.0, 115.0], abs=1e-4)
        assert shot.tolist() == [0, 0, 0, 1, 1]

    def test_keypoint_missing_in_one_frame_is_taken_from_the_nearer(self) -> None:
        sequence = moving_points([0.0, 10.0], [0, 0])
        keypoints, confidence = sequence.keypoints.copy(), sequence.confidence.copy()
        keypoints[1, R_WRIST], confidence[1, R_WRIST] = np.nan, 0.0
        gappy = keypoint_sequence(keypoints, confidence, sequence.timestamps_s, provenance=sequence.provenance)
        sampled, sure, _ = sample_keypoints(gappy, np.array([0.04, 0.06]))
        assert sampled[0, R_WRIST, 0] == 0.0
        assert np.isnan(sampled[1, R_WRIST]).all()
        assert sure[:, R_WRIST].tolist() == [1.0, 0.0]


class TestScene:
    def test_two_people_stand_in_one_frame_while_their_time_lasts(self, tmp_path: Path) -> None:
        left = speak(STYLES[0], duration_s=1.0, seed=1, **SMALL)
        right = keypoint_sequence(
            left.keypoints[:15] + np.float32([80, 0]),
            left.confidence[:15],
            left.timestamps_s[:15],
            provenance=left.provenance,
        )
        pictures, times, _ = decode(render_scene([(left, LOOKS[0]), (right, LOOKS[2])], tmp_path / "two.mp4"))
        burgundy = np.array([near_colour(picture, LOOKS[2].suit, 20).sum() for picture in pictures])
        assert (burgundy[times < 0.5] > 500).all()
        assert (burgundy[times >= 0.5] < 50).all()
        assert all(near_colour(picture, LOOKS[0].suit, 20).sum() > 500 for picture in pictures)

    def test_nobody_to_draw_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="nobody"):
            render_scene([], tmp_path / "empty.mp4")


class TestRefusals:
    def test_unknown_container(self, speech: KeypointSequence, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"\.mp4"):
            render_video(speech, tmp_path / "clip.gif")

    def test_avi_has_no_timestamps_of_its_own(self, speech: KeypointSequence, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"\.avi"):
            render_video(speech, tmp_path / "clip.avi", timestamps_s=[0.0, 0.3])

    def test_odd_size(self, speech: KeypointSequence, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="321"):
            render_video(speech, tmp_path / "clip.mp4", width=321)

    def test_rate_of_nothing(self, speech: KeypointSequence, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="fps"):
            render_video(speech, tmp_path / "clip.mp4", fps=0.0)

    def test_folder_that_is_not_there(self, speech: KeypointSequence, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="nowhere"):
            render_video(speech, tmp_path / "nowhere" / "clip.mp4")


@pytest.fixture(scope="module")
def seen_again(tmp_path_factory, models) -> tuple[KeypointSequence, KeypointSequence]:
    """A drawn speech, and what the pose estimator finds in its video."""
    speech = speak(STYLES[2], duration_s=3.0, seed=20)
    path = render_video(speech, tmp_path_factory.mktemp("seen") / "clip.mp4")
    estimator = BlazePose()
    found = follow(observe_video(path, estimator))
    estimator.close()
    return speech, found


def test_pose_estimator_finds_the_drawn_keypoints(seen_again) -> None:
    speech, found = seen_again
    difference = found.keypoints - speech.keypoints
    error = np.linalg.norm(difference - np.nanmedian(difference, axis=0), axis=-1)
    shoulder_width = np.linalg.norm(speech.keypoints[:, R_SHOULDER] - speech.keypoints[:, L_SHOULDER], axis=-1)
    for row in (R_SHOULDER, L_SHOULDER, R_WRIST, L_WRIST):
        assert np.nanmedian(error[:, row] / shoulder_width) < 0.05


def test_hand_network_finds_the_drawn_fingers(seen_again) -> None:
    speech, found = seen_again
    drawn, hands = speech.whole_body.hands, found.whole_body.hands
    palm = np.linalg.norm(drawn[:, :, 9, :2] - drawn[:, :, 0, :2], axis=-1)
    away = np.linalg.norm(hands[..., :2] - drawn[..., :2], axis=-1) / palm[..., None]
    other = np.linalg.norm(hands[:, ::-1, :, :2] - drawn[..., :2], axis=-1) / palm[..., None]
    for side in (LEFT, RIGHT):
        assert np.isfinite(away[:, side, 0]).mean() > 0.6
        assert np.nanmedian(away[:, side]) < 0.3
        assert np.nanmedian(other[:, side]) > 1.0
