"""What every extractor promises, held against one drawn clip whose keypoints are known."""

from __future__ import annotations

import os

import numpy as np
import pytest

from keypoint_extractors import registry
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.openpose_json import write_openpose_folder
from keypoint_extractors.registry import ExtractorOptions, choose_extractor
from keypoint_extractors.sources import SourceReader
from poseauth.errors import ExtractorError, ExtractorMissingError, WeightsNotFoundError
from poseauth.keypoints import L_SHOULDER, NOSE, R_SHOULDER
from tests.picture_groups import grouped

RENDERED_WEIGHTS = "weights/yolo26n-pose-rendered.pt"

NEAR = {"blazepose": 0.1, "mediapipe": 0.1, "yolo": 0.5, "openpose": 1e-3}
"""Median distance in shoulder widths. The small YOLO network at hand has learnt from figures drawn otherwise."""


@pytest.fixture(scope="module")
def truth():
    return speak(STYLES[1], duration_s=3.0, seed=11, cuts_s=[1.5])


@pytest.fixture(scope="module")
def clip(truth, tmp_path_factory):
    return render_video(truth, tmp_path_factory.mktemp("contract") / "clip.mp4")


def unchosen():
    raise AssertionError("no extractor is needed for this source")


@pytest.fixture(params=["blazepose", "mediapipe", "yolo", "openpose"])
def reading(request, truth, clip, shared, tmp_path):
    """Reads the clip with one extractor, as often as it is called."""
    if request.param == "openpose":
        write_openpose_folder(truth, tmp_path / "json")
        reader, source = SourceReader(unchosen), tmp_path / "json"
    else:
        options = ExtractorOptions()
        if request.param == "blazepose":
            request.getfixturevalue("models")
        elif request.param == "mediapipe":
            pytest.importorskip("mediapipe")
        else:
            options = ExtractorOptions(weights=str(shared(RENDERED_WEIGHTS)), device="cpu")
        reader, source = SourceReader(lambda: choose_extractor(request.param, options)), clip
    yield request.param, lambda: reader.read(source)
    reader.close()


def test_every_frame_has_its_time_and_its_shot(reading, truth):
    name, read = reading
    found = read()
    np.testing.assert_allclose(found.timestamps_s, truth.timestamps_s, atol=1e-3)
    if name != "openpose":  # its files tell of no cuts
        np.testing.assert_array_equal(found.shot, truth.shot)


def test_the_speaker_is_found_where_they_are(reading, truth):
    name, read = reading
    found = read()
    width = np.linalg.norm(truth.keypoints[:, R_SHOULDER] - truth.keypoints[:, L_SHOULDER], axis=1)
    for keypoint in (NOSE, R_SHOULDER, L_SHOULDER):
        away = np.linalg.norm(found.keypoints[:, keypoint] - truth.keypoints[:, keypoint], axis=1) / width
        assert np.isfinite(away).mean() > 0.9
        assert np.nanmedian(away) < NEAR[name]


def test_the_persons_right_stays_right(reading):
    found = reading[1]()
    assert (found.keypoints[:, R_SHOULDER, 0] < found.keypoints[:, L_SHOULDER, 0])[found.seen[:, R_SHOULDER]].all()


def test_reading_twice_gives_the_same(reading):
    first, second = reading[1](), reading[1]()
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    np.testing.assert_array_equal(first.confidence, second.confidence)


def test_provenance_names_the_extractor_the_coverage_and_the_people(reading):
    name, read = reading
    source = read().provenance
    assert source.extractor.name == name
    assert source.coverage.n_decoded == 90
    assert (source.n_people_ignored is None) == (name == "mediapipe")


@pytest.mark.parametrize("name", ["blazepose", "mediapipe", "yolo"])
def test_the_fingerprint_is_known_before_the_network_is_loaded_and_agrees_with_it(name, request, shared):
    weights = None
    if name == "blazepose":
        request.getfixturevalue("models")
    elif name == "mediapipe":
        pytest.importorskip("mediapipe")
    else:
        weights = str(shared(RENDERED_WEIGHTS))
    extractor = choose_extractor(name, ExtractorOptions(weights=weights))
    estimator = extractor.open_estimator()
    assert estimator.fingerprint == extractor.fingerprint
    assert estimator.picture_side == extractor.picture_side
    assert estimator.sees_hands == extractor.hands == (name == "blazepose")
    estimator.close()


def frames_of(clip, picture_side=None):
    from keypoint_extractors.video import VideoReader

    return [frame.rgb for frame in VideoReader(clip, picture_side=picture_side)]


def test_mediapipe_forgets_the_person_between_groups(clip):
    pytest.importorskip("mediapipe")
    from keypoint_extractors.mediapipe_pose import MediaPipePose

    frames = frames_of(clip)[60:66]
    mirrored = [frame[:, ::-1].copy() for frame in frames]
    estimator = MediaPipePose(n_workers=1)
    fresh, _, again = estimator.detect(grouped(frames, mirrored, frames))
    estimator.close()
    for one, other in zip(fresh, again, strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)


def test_how_many_run_at_once_does_not_change_what_mediapipe_sees(clip):
    pytest.importorskip("mediapipe")
    from keypoint_extractors.mediapipe_pose import MediaPipePose

    frames = frames_of(clip, 640)
    groups = [frames[first : first + 8] for first in range(0, 48, 8)]
    seen = []
    for n_workers in (1, 3):
        estimator = MediaPipePose(n_workers=n_workers)
        seen.append([found for group in estimator.detect(grouped(*groups)) for found in group])
        estimator.close()
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)


@pytest.fixture(params=["blazepose", "mediapipe"])
def cpu_estimator(request):
    """An estimator that runs native code in threads of its own."""
    if request.param == "mediapipe":
        pytest.importorskip("mediapipe")
        from keypoint_extractors.mediapipe_pose import MediaPipePose

        estimator = MediaPipePose(n_workers=2)
    else:
        request.getfixturevalue("models")
        from keypoint_extractors.blazepose.estimator import BlazePose

        estimator = BlazePose(n_threads=2)
    yield estimator
    estimator.close()


def test_an_estimator_left_in_the_middle_can_be_asked_again_and_closed_twice(clip, cpu_estimator):
    frames = frames_of(clip)[:6]
    left = cpu_estimator.detect(grouped(*[frames] * 8))
    first = next(left)
    left.close()
    (again,) = cpu_estimator.detect(grouped(frames))
    np.testing.assert_array_equal(first[0].keypoints, again[0].keypoints)
    cpu_estimator.close()
    cpu_estimator.close()


def test_an_estimator_says_nothing_on_the_terminal_and_lets_others_speak(clip, cpu_estimator, capfd):
    frames = frames_of(clip, 640)[:4]
    groups = cpu_estimator.detect(grouped(frames, frames))
    (first, *_) = next(groups)
    os.write(2, b"heard")
    list(groups)
    assert len(first) == 1
    assert capfd.readouterr().err == "heard"


def lacking(message):
    def make(options):
        raise ExtractorMissingError(message)

    return make


def test_auto_takes_what_can_run_and_names_what_each_lacks(monkeypatch):
    able = object()
    monkeypatch.setattr(registry, "cuda_is_available", lambda: False)
    monkeypatch.setattr(registry, "EXTRACTORS", {"yolo": lambda _: able, "blazepose": lacking("no models")})
    assert choose_extractor("auto") is able
    monkeypatch.setattr(registry, "EXTRACTORS", {"yolo": lacking("no weights"), "blazepose": lacking("no models")})
    with pytest.raises(ExtractorMissingError, match="blazepose: no models; yolo: no weights"):
        choose_extractor("auto")


def test_auto_prefers_yolo_where_there_is_cuda(monkeypatch):
    first, second = object(), object()
    monkeypatch.setattr(registry, "EXTRACTORS", {"yolo": lambda _: first, "blazepose": lambda _: second})
    monkeypatch.setattr(registry, "cuda_is_available", lambda: True)
    assert choose_extractor("auto") is first
    monkeypatch.setattr(registry, "cuda_is_available", lambda: False)
    assert choose_extractor("auto") is second


def test_weights_that_were_asked_for_and_are_missing_are_no_reason_for_another_extractor(tmp_path):
    with pytest.raises(WeightsNotFoundError, match=r"gone\.pt"):
        choose_extractor("auto", ExtractorOptions(weights=str(tmp_path / "gone.pt")))


def test_an_unknown_extractor_and_a_device_that_cannot_be_are_refused():
    with pytest.raises(
        ExtractorError, match="there is no extractor 'posenet'; there are auto, blazepose, yolo, mediapipe, openpose"
    ):
        choose_extractor("posenet")
    for name in ("blazepose", "mediapipe"):
        with pytest.raises(ExtractorError, match=f"{name} runs on the CPU only"):
            choose_extractor(name, ExtractorOptions(device="cuda"))


def test_openpose_on_a_video_is_told_how_to_get_there():
    with pytest.raises(ExtractorError, match=r"openpose reads folders of JSON.*--write_json"):
        choose_extractor("openpose")
