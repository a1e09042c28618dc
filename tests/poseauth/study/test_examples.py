"""Windows and faces become examples with the right clip and label, wherever the faces are read from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.errors import StudyError
from poseauth.face_crop_files import FaceCrops, write_face_crops
from poseauth.study import examples as study_examples
from poseauth.study.clips import StudyClip, cut_movement
from poseauth.study.detectors import Answers, teach_preset
from poseauth.study.examples import InMemory, crop_options, face_examples, movement_examples
from poseauth.study.face_networks import FaceClassifier
from poseauth.study.frozen_features import HeadOnFeatures, features_once
from poseauth.study.preset_files import load_presets
from poseauth.study.presets import FaceNetwork, Head, PoseNetwork
from poseauth.study.splitting import LabelledClip

MESO = FaceNetwork("mesonet4", n_frames=4, size_px=32)


def study_clip(number, label="real", side="train", seconds=6.0, cuts_s=()):
    sequence = speak(STYLES[0], duration_s=seconds, seed=number, cuts_s=cuts_s)
    return StudyClip(LabelledClip(f"{number}.mp4", f"{number:064x}", label, f"group {number}"), side, sequence)


@pytest.fixture(scope="module")
def with_faces(tmp_path_factory):
    """Four clips with 2, 3, 4 and no pictures, each picture of one brightness: its clip and its number."""
    folder, options = tmp_path_factory.mktemp("faces"), crop_options(MESO)
    clips = []
    for number, n_pictures in enumerate((2, 3, 4, 0)):
        clip = study_clip(number, "fake" if number % 2 else "real")
        pictures = np.full((n_pictures, 32, 32, 3), 10 * number, np.uint8)
        pictures += np.arange(n_pictures, dtype=np.uint8)[:, None, None, None]
        path = folder / f"{number}.npz"
        if n_pictures:
            write_face_crops(FaceCrops(pictures, np.arange(n_pictures, dtype=np.float64), 0), path)
        clips.append(StudyClip(clip.clip, clip.side, clip.sequence, {options: path} if n_pictures else {}))
    return clips


def test_windows_of_one_length_follow_on_one_another():
    sequence = speak(STYLES[0], duration_s=11.0, seed=1)
    windows = cut_movement(sequence, 100)
    assert [len(window) for window in windows] == [100, 100, 100]
    assert np.allclose(np.concatenate(windows), sequence.keypoints[:300], atol=1e-3, equal_nan=True)


def test_no_window_lies_across_a_cut():
    sequence = speak(STYLES[0], duration_s=10.0, seed=1, cuts_s=(4.0,))
    assert [len(window) for window in cut_movement(sequence, 100)] == [100, 100]
    assert len(cut_movement(sequence, 150)) == 1  # of the second piece alone


def test_windows_of_varying_length_stay_between_the_two_and_come_from_the_seed():
    sequence = speak(STYLES[0], duration_s=30.0, seed=1)
    windows = cut_movement(sequence, 150, 60, seed=4)
    lengths = [len(window) for window in windows]
    assert min(lengths) >= 60
    assert max(lengths) <= 150
    assert len(set(lengths)) > 1
    assert lengths == [len(window) for window in cut_movement(sequence, 150, 60, seed=4)]
    assert lengths != [len(window) for window in cut_movement(sequence, 150, 60, seed=5)]


def test_movements_know_their_clip_and_label():
    clips = [study_clip(0), study_clip(1, "fake"), study_clip(2, side="test"), study_clip(3, seconds=4.0)]
    found = movement_examples(clips, ("train",), PoseNetwork("lstm", keypoints="face"))
    assert found.clip.tolist() == [0, 1]
    assert found.is_authentic.tolist() == [True, False]
    assert found.array(0).shape == (150, 10)


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["from files", "in memory"])
def test_faces_are_whole_clips_or_single_frames(with_faces, monkeypatch, limit):
    monkeypatch.setattr(study_examples, "_MOST_IN_MEMORY_BYTES", limit)
    whole = face_examples(with_faces, ("train",), MESO, by_frame=False)
    assert isinstance(whole, InMemory) == bool(limit)
    assert whole.clip.tolist() == [0, 1, 2]
    assert [len(whole.array(i)) for i in range(3)] == [2, 3, 4]
    single = face_examples(with_faces, ("train",), MESO, by_frame=True)
    assert single.clip.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert [int(single.array(i).mean()) for i in range(9)] == [0, 1, 10, 11, 12, 20, 21, 22, 23]
    assert single.array(0).shape == (1, 3, 32, 32)
    assert single.is_authentic.tolist() == [clip % 2 == 0 for clip in single.clip]


@pytest.mark.parametrize("flips", [True, False])
def test_features_computed_once_give_the_logits_of_the_whole_network(with_faces, flips):
    model = FaceNetwork(
        "custom", filters=(4, 4), frozen_share=1.0, n_frames=4, size_px=32, test_flip=flips, head=Head("lstm", width=3)
    )
    network = FaceClassifier(model, seed=1, pretrained=False)
    crops = InMemory(
        list(np.random.default_rng(1).integers(0, 255, (3, 4, 3, 32, 32), dtype=np.uint8)),
        np.array([True, False, True]),
        np.arange(3),
    )
    once = features_once(network, crops, batch=2)
    assert once.array(0).shape[:2] == (4, 2 if flips else 1)
    lengths = torch.tensor([4, 4, 4])
    with torch.inference_mode():
        whole = network.eval()(torch.from_numpy(np.stack(crops.arrays)), lengths)
        of_head = HeadOnFeatures(network).eval()(torch.from_numpy(np.stack(once.arrays)), lengths)
    assert of_head.tolist() == pytest.approx(whole.tolist(), abs=1e-5)


def test_a_clip_is_the_mean_of_its_windows_or_of_the_log_odds_of_its_frames():
    logits = np.array([0.0, 2.0, -1.0])
    clip, real = np.array([4, 4, 7]), np.array([True, True, False])
    p = 1 / (1 + np.exp(-logits))
    of_windows = Answers(clip, real, logits).of_clips()
    assert of_windows == {4: pytest.approx(p[:2].mean()), 7: pytest.approx(p[2])}
    of_frames = Answers(clip, real, logits, by_logit=True).of_clips()
    assert of_frames == {4: pytest.approx(1 / (1 + np.exp(-1.0))), 7: pytest.approx(p[2])}


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("pose-lstm-1x128", r"an uncut piece of 5 s \(150 frames\)"),
        ("pose-lstm-varying", r"an uncut piece of 2 s \(60 frames\)"),
        ("hada2022-mesonet", "videos in which a face is seen"),
    ],
)
def test_a_side_without_examples_is_an_error_with_figures(tmp_path, preset, words):
    clips = [study_clip(number, label, side, seconds=1.0) for number, (label, side) in enumerate(
        (("real", "train"), ("fake", "train"), ("real", "validation"))
    )]  # fmt: skip
    chosen = load_presets()[preset].tiny()
    with pytest.raises(StudyError, match=f"0 examples of real and 0 of fake train clips; .*{words}"):
        teach_preset(chosen, clips, weights=tmp_path / "weights.safetensors", pretrained=False)


def test_scores_without_a_scale_need_both_labels_on_the_validation_side(tmp_path):
    clips = [
        study_clip(number, label, side)
        for number, (label, side) in enumerate((("real", "train"), ("fake", "train"), ("real", "validation")))
    ]
    ocsvm = load_presets()["agarwal2019-ocsvm"]
    with pytest.raises(StudyError, match="1 real and 0 fake ones have windows, one of each is needed"):
        teach_preset(ocsvm, clips, weights=tmp_path / "weights.safetensors")
