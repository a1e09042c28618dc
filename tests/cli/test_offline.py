"""No command goes to the network unless it is asked to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak

FORBID = """
import sys

NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
           "urllib.Request", "http.client.connect", "ftplib.connect"}

def forbid(event, details):
    if event in NETWORK:
        open(LOG, "a").write(f"{event} {details}\\n")
        raise RuntimeError("the network is forbidden here")

sys.addaudithook(forbid)
"""
"""Put where every Python process of a command runs it at its start, the decoder's too."""


@pytest.fixture
def offline(tmp_path, home):
    """Runs a command in a process that may open no connection; gives its exit status, output and attempts."""
    (tmp_path / "forbid").mkdir()
    log = tmp_path / "attempts"
    (tmp_path / "forbid" / "sitecustomize.py").write_text(f"LOG = {str(log)!r}\n{FORBID}")
    paths = [str(tmp_path / "forbid"), *sys.path]

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "POSEAUTH_HOME": str(home)}
        program = "from cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)], env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr, log.read_text() if log.exists() else ""

    return run


@pytest.fixture
def clip(tmp_path):
    return render_video(speak(STYLES[0], duration_s=6.0, seed=5, width=320, height=180), tmp_path / "clip.mp4")


def test_a_connection_would_be_noticed(offline, clip, tmp_path):
    """Else the tests below would say nothing."""
    pytest.importorskip("ultralytics")
    _, _, attempts = offline("extract", clip, "-o", tmp_path / "out", "--extractor", "yolo", "--allow-download")
    assert "socket." in attempts or "urllib." in attempts or "http." in attempts


def test_commands_on_keypoints_open_no_connection(offline, speeches, tmp_path, models):
    for arguments in (
        ["doctor"],
        ["models", "list"],
        ["verify", speeches / "test-ada.npz", "--person", "Ada", "--json"],
        ["profiles", "list"],
        ["profiles", "export", "Ada", "-o", tmp_path / "ada.poseauth"],
        ["profiles", "import", tmp_path / "ada.poseauth", "--overwrite"],
    ):
        status, out, attempts = offline(*arguments)
        assert (status, attempts) == (0, ""), out


@pytest.mark.parametrize("extractor", ["blazepose", "mediapipe", "yolo"])
def test_extraction_from_a_video_opens_no_connection(offline, clip, shared, tmp_path, extractor, models):
    pytest.importorskip({"blazepose": "ai_edge_litert", "mediapipe": "mediapipe", "yolo": "ultralytics"}[extractor])
    options = ["--weights", shared("weights/yolo26n-pose-rendered.pt")] if extractor == "yolo" else []
    status, out, attempts = offline("extract", clip, "-o", tmp_path / "out", "--extractor", extractor, *options)
    assert (status, attempts) == (0, ""), out


def test_without_weights_nothing_is_fetched(offline, clip, tmp_path):
    pytest.importorskip("ultralytics")
    status, out, attempts = offline("extract", clip, "-o", tmp_path / "out", "--extractor", "yolo")
    assert (status, attempts) == (3, "")
    assert "downloading is off" in out
