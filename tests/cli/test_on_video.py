"""The whole road on video files: the demo, and real footage where it is at hand."""

from __future__ import annotations

import json

import pytest

from cli import demo
from poseauth.recipes import RECIPES, Recipe

REAL_CLIPS = {
    "enrol": ["obama_real_convention_64s.mp4"],
    "impostor": [
        "biden_real_lectern_7s.mp4", "trump_real_rally_8s.mp4", "tyson_real_stage_17s.mp4", "unknown_man_real_11s.mp4"
    ],
    "genuine": ["obama_real_rally_7s.mp4", "obama_real_lectern_5s.mp4", "obama_real_address_5s.mp4"],
    "fake": ["obama_fake_impersonated_72s.mp4"],
}  # fmt: skip


def test_a_small_demo_runs_from_drawing_to_results(poseauth, tmp_path, monkeypatch, models):
    for name, value in (("N_ENROL", 4), ("COHORT", (1, 2)), ("CLIP_S", 6.0)):
        monkeypatch.setattr(demo, name, value)
    status, out, _ = poseauth("demo", "-o", tmp_path / "demo")
    assert status in (0, 1)  # so little video and so small a network need not be right
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    assert [result["status"] for result in results] == ["analysed"] * 3
    assert all(result["provenance"]["extractor"]["name"] == "blazepose" for result in results)
    assert len(list((tmp_path / "demo" / "videos").glob("*.mp4"))) == 9
    assert len(list((tmp_path / "demo" / "keypoints").glob("*.npz"))) == 9
    assert f"Clips, keypoints, profile, results and report: {tmp_path / 'demo'}" in out
    assert f"Read {tmp_path / 'demo/report/index.html'} in a browser" in out
    assert len(list((tmp_path / "demo" / "report").glob("test-*.mp4.html"))) == 3
    overview = (tmp_path / "demo" / "report" / "index.html").read_text()
    assert all(f'href="./{clip["source"]}.html"' in overview for clip in results)
    assert (
        poseauth(
            "verify",
            tmp_path / "demo/keypoints/test-deepfake.npz",
            "--person",
            "chopper",
            "--home",
            tmp_path / "demo/profiles",
        )[0]
        == 0
    )


@pytest.mark.heavy
def test_the_demos_three_verdicts_are_right(poseauth, tmp_path, monkeypatch, models):
    monkeypatch.setitem(RECIPES, "default", Recipe("default"))
    status, out, _ = poseauth("demo", "-o", tmp_path / "demo")
    assert "3 of 3 verdicts are right" in out
    assert status == 0


def enrol_and_verify(poseauth, shared, home, clips):
    others = home.parent / "others"
    others.mkdir()
    for name in REAL_CLIPS["impostor"]:
        (others / name).symlink_to(shared(f"videos/{name}").resolve())
    enrolment = [shared(f"videos/{name}") for name in REAL_CLIPS["enrol"]]
    status, out, err = poseauth(
        "enroll", "--person", "obama", *enrolment, "--impostor", others, "--home", home, "--extractor", "blazepose",
        "--allow-weak",
    )  # fmt: skip
    assert status == 0, err
    assert "WEAK: it is untested: 1 usable video of the person" in out
    assert "compared with: 4 videos of 4 others" in out
    status, out, _ = poseauth(
        "verify", *[shared(f"videos/{name}") for name in clips], "--person", "obama", "--home", home, "--json"
    )
    return status, {result["source"].rsplit("/")[-1]: result for result in json.loads(out)}


def test_the_road_holds_on_real_footage(poseauth, shared, tmp_path, models):
    clips = [*REAL_CLIPS["genuine"], "obama_real_fastcuts_9s.mp4", "trump_real_rally_8s.mp4"]
    status, results = enrol_and_verify(poseauth, shared, tmp_path / "home", clips)
    assert status == 3
    short = results["obama_real_address_5s.mp4"]
    assert (short["status"], short["verdict"]) == ("not analysed", None)
    assert "4.9 s; 5 s are needed" in short["reasons"][0]
    cut = results["obama_real_fastcuts_9s.mp4"]
    assert cut["verdict"] is None
    assert cut["provenance"]["coverage"]["n_decoded"] == 211
    for name in ("obama_real_rally_7s.mp4", "obama_real_lectern_5s.mp4", "trump_real_rally_8s.mp4"):
        assert results[name]["status"] == "analysed"
        assert results[name]["verdict"] == "inconclusive"  # below ten seconds, whatever the score
        assert results[name]["seconds_analysed"] >= 5.0


@pytest.mark.heavy
def test_the_impersonator_in_close_up_is_not_analysed(poseauth, shared, tmp_path, monkeypatch, models):
    monkeypatch.setitem(RECIPES, "default", Recipe("default"))
    _, results = enrol_and_verify(poseauth, shared, tmp_path / "home", REAL_CLIPS["fake"])
    result = results["obama_fake_impersonated_72s.mp4"]
    assert (result["status"], result["verdict"]) == ("not analysed", None)
    assert "windows are shoulders, elbows and head seen in at least 60% of the frames" in result["reasons"][0]
