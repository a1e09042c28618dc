"""What a CUDA device must not change. All at once, where there is one: pytest tests/test_cuda.py"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from cli.main import main
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.extraction import observe_video
from keypoint_extractors.yolo_pose import YoloPose
from poseauth.keypoint_files import write_keypoints
from poseauth.models import taught, window_log_odds
from poseauth.recipes import Architecture, Recipe, TrainingOptions
from poseauth.training import LabelledWindows, train
from poseauth.windows import cut_windows

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")

WEIGHTS = "weights/yolo26n-pose-rendered.pt"


def test_yolo_places_the_keypoints_where_it_does_on_the_cpu(shared, tmp_path):
    clip = render_video(speak(STYLES[0], duration_s=3.0, seed=1), tmp_path / "clip.mp4")
    cpu, cuda = (observe_video(clip, YoloPose(shared(WEIGHTS), device=device)) for device in ("cpu", "cuda"))
    assert len(cpu.frame) == pytest.approx(len(cuda.frame), rel=0.05)
    first = [seen.keypoints[np.searchsorted(seen.frame, np.unique(seen.frame))] for seen in (cpu, cuda)]
    common = min(len(keypoints) for keypoints in first)
    assert np.nanmedian(np.abs(first[0][:common] - first[1][:common])) < 1.0


def test_several_processes_on_one_gpu_give_the_table_of_one(shared, tmp_path):
    for number in range(4):
        speech = speak(STYLES[0], duration_s=10.0, seed=number)
        write_keypoints(speech, tmp_path / f"ada/{number}.npz")
    for number in (1, 2):
        write_keypoints(speak(STYLES[number], duration_s=12.0, seed=number), tmp_path / f"others/{number}.npz")
    home, clips = tmp_path / "home", tmp_path / "clips"
    others = ("--impostor", tmp_path / "others", "--allow-weak")
    assert run("enroll", "--person", "Ada", tmp_path / "ada", *others, "--home", home) == 0
    clips.mkdir()
    for number in range(6):
        render_video(speak(STYLES[number % 3], duration_s=6.0, seed=20 + number), clips / f"{number}.mp4")
    how = ("--extractor", "yolo", "--weights", shared(WEIGHTS), "--any-extractor", "--device", DEVICE, "--no-cache")
    tables = []
    for n_jobs in (1, 3):
        table = tmp_path / f"{n_jobs}.csv"
        arguments = ("--person", "Ada", "--home", home, *how, "--jobs", n_jobs, "--output", table)
        assert run("verify", clips, *arguments) in (0, 3)  # the weights at hand miss a drawn elbow now and then
        tables.append(pd.read_csv(table))
    assert (tables[0]["status"] == "analysed").sum() >= 4
    pd.testing.assert_frame_equal(*tables, atol=5e-3)


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def windows_of(style, seed):
    return cut_windows(speak(STYLES[style], duration_s=15.0, seed=seed)).keypoints


def test_a_network_taught_on_cuda_scores_alike_on_both(tmp_path):
    person, other = windows_of(0, 1), windows_of(1, 2)
    classes = np.repeat([0, 1], [len(person), len(other)]).astype(np.int32)
    recipe = Recipe("small", Architecture(hidden=64), TrainingOptions(epochs=1, min_steps=40))
    model = train(LabelledWindows(np.concatenate([person, other]), classes), recipe, device="cuda").model
    unseen = np.concatenate([windows_of(0, 3), windows_of(1, 4)])
    on_cuda = torch.sigmoid(window_log_odds(model, unseen)).numpy()
    on_cpu = taught(model).probabilities(unseen)
    np.testing.assert_allclose(on_cuda, on_cpu, atol=5e-3)
    assert (on_cpu[: len(unseen) // 2] > 0.5).mean() > 0.8
    assert (on_cpu[len(unseen) // 2 :] < 0.5).mean() > 0.8
