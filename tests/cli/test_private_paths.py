"""What is written names files as they were given: whoever passes a result on keeps to themselves where it lay."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest

from keypoint_extractors import yolo_weights
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak

SECRET = "source-jane-7f3a"
USER = "user-joe-91c2"


@pytest.fixture
def desk(speeches, others_twice, tmp_path, monkeypatch):
    """A deep folder with clips in it, where the commands run, and a home folder that they fall back to."""
    folder = tmp_path / "investigations" / SECRET / "desk"
    shutil.copytree(speeches / "ada", folder / "ada")
    shutil.copytree(others_twice, folder / "others")
    clips = folder / "clips"
    clips.mkdir()
    for name in ("test-ada.npz", "test-other.npz", "short.npz"):
        shutil.copy(speeches / name, clips)
    (clips / "damaged.npz").write_bytes((clips / "short.npz").read_bytes()[:5000])
    (clips / "text.mp4").write_text("no video")
    (clips / "empty.mkv").write_bytes(b"")
    whole = render_video(speak(STYLES[0], duration_s=1, seed=1, width=160, height=96), tmp_path / "whole.mp4")
    (clips / "cut.mp4").write_bytes(whole.read_bytes()[:2000])
    monkeypatch.chdir(folder)
    home = tmp_path / "home" / USER
    home.mkdir(parents=True)
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA"):
        monkeypatch.setenv(name, str(home))
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "POSEAUTH_HOME", yolo_weights.WEIGHTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return folder


def contents(folder):
    """The bytes of every file in a folder and of everything in its archives, by name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    for name in archive.namelist():
                        yield f"{path}: {name}", archive.read(name)
            if path.suffix == ".npz" and zipfile.is_zipfile(path):
                with np.load(path) as arrays:  # NumPy keeps text as four bytes a letter
                    yield f"{path}: meta as text", str(arrays["meta"]).encode()


def assert_private(*places):
    """Neither folder in any of the files, nor in any of the texts."""
    n_read = 0
    for place in places:
        for name, content in [("text", place.encode())] if isinstance(place, str) else contents(place):
            n_read += 1
            for secret in (SECRET, USER):
                assert secret.encode() not in content, (name, content[:4000])
    return n_read


def test_no_command_writes_where_the_files_lie(desk, poseauth):
    outside = desk / "written"
    outside.mkdir()
    home = ("--home", "written/home")
    said = []

    def run(expected, *arguments):
        status, out, err = poseauth(*arguments)
        assert status == expected, err
        said.extend((out, err))

    run(3, "extract", "clips", "-o", "written/keypoints", "--no-cache")
    run(0, "extract", "clips/test-ada.npz", "-o", "written/json", "--format", "openpose")
    run(0, "enroll", "--person", "Ada", "ada", "--impostor", "others", *home)
    run(0, "enroll", "--person", "Ada", "--again", "--without", "chopper, speech 1", "--impostor", "others", *home)
    for table in ("results.csv", "results.jsonl"):
        run(
            3, "verify", "clips", "clips/gone.mp4", "--person", "Ada", *home, "--output", f"written/{table}",
            "--report", f"written/report-{table}", "--extractor", "auto",
        )  # fmt: skip
    run(3, "verify", "clips", "--person", "Ada", "--json", *home)
    run(0, "profiles", "show", "Ada", "--json", *home)
    run(0, "profiles", "list", *home)
    run(0, "profiles", "export", "Ada", "-o", "written/ada.poseauth", *home)
    assert assert_private(outside, *said) > 40


@pytest.mark.parametrize("is_whole", [False, True])
def test_a_result_names_its_clip_as_it_was_typed(desk, poseauth, enrolled_home, tmp_path, is_whole):
    typed = str(desk / "clips" / "test-ada.npz") if is_whole else "clips/test-ada.npz"
    table = tmp_path / "tables" / "results.csv"
    table.parent.mkdir()
    status, _, err = poseauth("verify", typed, "--person", "Ada", "--home", enrolled_home, "--output", table)
    assert status == 0, err
    assert f"\n{typed},Ada," in table.read_text()
    if is_whole:
        with pytest.raises(AssertionError):
            assert_private(table.parent)
    else:
        assert_private(table.parent)


def test_where_weights_were_sought_is_told_from_the_users_home_on(desk):
    with pytest.raises(yolo_weights.WeightsNotFoundError) as caught:
        yolo_weights.find_weights("yolo26n-pose")
    assert_private(str(caught.value))
    assert "~" in str(caught.value)
