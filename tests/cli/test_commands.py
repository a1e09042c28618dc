"""What a user types and what comes back: text, files, exit status."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import unicodedata
from dataclasses import replace

import click
import numpy as np
import pytest

from cli import main as main_module
from cli.clip_check import people_asked_for
from cli.enroll import distinct_names
from cli.telling import describe_profile
from keypoint_extractors import sources
from keypoint_extractors.drawing.speakers import STYLES, speak
from person_profiles.profile_files import DIGESTED, DIGESTS_FILE, digests_of
from person_profiles.store import ProfileStore
from poseauth.keypoint_files import read_keypoints, write_keypoints
from poseauth.keypoints import keypoint_sequence
from poseauth.surrogates import mirror_images
from tests.copies import copy_of
from tests.person_profiles.golden_profile import golden_profile

COMMANDS = ("demo", "extract", "enroll", "verify", "profiles", "serve", "evaluate", "doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example(poseauth, command):
    status, out, _ = poseauth(command, "--help")
    assert status == 0
    assert "Example:" in out
    assert f"poseauth {command}" in out


def test_the_help_of_poseauth_lists_every_command_with_a_line(poseauth):
    status, out, _ = poseauth("--help")
    assert status == 0
    assert all(f"  {command} " in out for command in COMMANDS)


def test_unknown_words_are_usage_errors(poseauth):
    assert poseauth("verfy")[0] == 2
    assert poseauth("verify", "clip.mp4")[0] == 2
    assert poseauth("verify", "clip.mp4", "--person", "Ada", "--output", "table.txt")[0] == 2


def test_a_clip_of_the_person_is_authentic_and_one_of_another_is_not(poseauth, speeches, home):
    status, out, _ = poseauth(
        "verify", speeches / "test-ada.npz", speeches / "test-other.npz", "--person", "Ada", "--home", home, "--json"
    )
    assert status == 0
    assert [result["verdict"] for result in json.loads(out)] == ["authentic", "fake"]


def test_the_text_says_verdict_direction_and_what_was_not_examined(poseauth, speeches, home):
    _, out, _ = poseauth("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home)
    assert "AUTHENTIC - body movement consistent with Ada" in out
    assert "higher = more like Ada" in out
    assert "Body movement only." in out
    assert "Not examined: lips, voice" in out


def test_a_clip_too_short_is_not_analysed_and_does_not_stop_the_others(poseauth, speeches, home, tmp_path):
    (tmp_path / "note.mp4").write_text("no video")
    table = tmp_path / "results.csv"
    status, out, _ = poseauth(
        "verify", tmp_path / "note.mp4", speeches / "short.npz", tmp_path / "gone.mp4", speeches / "test-ada.npz",
        "--person", "Ada", "--home", home, "--output", table,
    )  # fmt: skip
    assert status == 3
    rows = {row["source"].rsplit("/")[-1]: row for row in csv.DictReader(table.open())}
    assert [rows[name]["status"] for name in ("note.mp4", "short.npz", "gone.mp4")] == ["not analysed"] * 3
    assert [rows[name]["verdict"] for name in ("note.mp4", "short.npz", "gone.mp4")] == [""] * 3
    assert rows["test-ada.npz"]["verdict"] == "authentic"
    assert "4.0 s; 5 s are needed" in rows["short.npz"]["reasons"]
    assert "no such file" in rows["gone.mp4"]["reasons"]
    assert "NOT ANALYSED" in out


def test_less_than_the_minimum_is_inconclusive_and_the_minimum_can_be_lowered(poseauth, speeches, home):
    arguments = ("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home, "--json")
    (result,) = json.loads(poseauth(*arguments, "--min-seconds", "60")[1])
    assert result["verdict"] == "inconclusive"
    assert "60 s are needed" in result["reasons"][0]
    (result,) = json.loads(poseauth(*arguments, "--min-seconds", "5")[1])
    assert result["verdict"] == "authentic"


def test_results_go_to_json_lines_as_to_stdout(poseauth, speeches, home, tmp_path):
    lines = tmp_path / "results.jsonl"
    _, out, _ = poseauth(
        "verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home, "--json", "--output", lines
    )
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [len(row.pop("key")) for row in written] == [64]
    assert written == json.loads(out)


def test_fail_on_a_verdict_gives_4(poseauth, speeches, home):
    arguments = ("verify", speeches / "test-other.npz", "--person", "Ada", "--home", home)
    assert poseauth(*arguments, "--fail-on", "fake")[0] == 4
    assert poseauth(*arguments, "--fail-on", "inconclusive")[0] == 0


def test_a_list_of_clips_comes_on_stdin(poseauth, speeches, home, monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{speeches / 'test-ada.npz'}\n\n{speeches / 'test-other.npz'}\n"))
    _, out, _ = poseauth("verify", "-", "--person", "Ada", "--home", home, "--json")
    assert len(json.loads(out)) == 2


def test_a_name_that_is_a_formula_stays_text_in_the_table(poseauth, speeches, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "=1+1.npz").write_bytes((speeches / "test-ada.npz").read_bytes())
    poseauth("verify", "=1+1.npz", "--person", "Ada", "--home", home, "--output", "results.csv")
    (row,) = csv.DictReader((tmp_path / "results.csv").open())
    assert row["source"] == "'=1+1.npz"


def test_an_unknown_person_is_answered_with_the_nearest(poseauth, speeches, home):
    status, _, err = poseauth("verify", speeches / "test-ada.npz", "--person", "Adda", "--home", home)
    assert status == 1
    assert "Did you mean Ada?" in err


def test_keypoints_of_another_extractor_are_not_analysed_unless_told(poseauth, speeches, home, tmp_path):
    from keypoint_extractors.openpose_json import write_openpose_folder

    write_openpose_folder(read_keypoints(speeches / "test-ada.npz"), tmp_path / "json")
    arguments = ("verify", tmp_path / "json", "--person", "Ada", "--home", home)
    status, out, _ = poseauth(*arguments)
    assert (status, "NOT ANALYSED" in out) == (3, True)
    assert "--any-extractor" in out
    status, out, _ = poseauth(*arguments, "--any-extractor")
    assert status == 0
    assert "not of the profile's" in out


def test_enrolling_twice_needs_overwrite(poseauth, speeches, home):
    arguments = ("enroll", "--person", "Ada", speeches / "ada", "--impostor", speeches / "others", "--home", home)
    status, _, err = poseauth(*arguments)
    assert (status, "--overwrite" in err) == (1, True)
    assert poseauth(*arguments, "--overwrite")[0] == 0


def own_videos(home):
    movement = ProfileStore(home).load_movement("Ada")
    return {one.provenance.source_name: one.recording for one in movement}


@pytest.mark.parametrize("by", ["name", "digest"])
def test_a_video_can_be_taken_out_and_the_person_learnt_again(poseauth, others_twice, home, by):
    before = own_videos(home)
    assert len(before) == 4
    name = sorted(before)[0]
    status, out, err = poseauth(
        "enroll", "--person", "Ada", "--again", "--without", name if by == "name" else before[name][:12],
        "--impostor", others_twice, "--home", home,
    )  # fmt: skip
    assert status == 0, err
    assert f"taken out: {name}" in out
    assert own_videos(home) == {other: digest for other, digest in before.items() if other != name}
    videos = ProfileStore(home).load("Ada").videos
    assert sorted(video.source_name for video in videos if video.role == "genuine") == sorted(before)[1:]


def test_three_videos_against_one_of_each_other_are_too_few_and_it_is_said(poseauth, speeches, home):
    name = min(own_videos(home))
    status, _, err = poseauth(
        "enroll", "--person", "Ada", "--again", "--without", name, "--impostor", speeches / "others", "--home", home
    )
    assert status == 1
    assert "(AUC 1.00, at least 0.43; 0.65, and more than 0.5 for sure, are needed): so few videos prove noth" in err
    assert len(own_videos(home)) == 4


def test_what_is_no_evidence_is_named_and_not_learnt_again_from_what_is_kept(poseauth, speeches, tmp_path):
    shown = read_keypoints(speeches / "test-ada.npz")
    keypoints = shown.keypoints.copy()
    keypoints[270:] = keypoints[270]
    write_keypoints(replace(shown, keypoints=keypoints), tmp_path / "ada" / "freezes.npz")
    write_keypoints(
        replace(shown, keypoints=np.broadcast_to(keypoints[270], keypoints.shape).copy()), tmp_path / "still.npz"
    )
    home = ("--home", tmp_path / "home")
    others = ("--impostor", speeches / "others", "--impostor", tmp_path / "still.npz")
    status, _, err = poseauth("enroll", "--person", "Ada", speeches / "ada", tmp_path / "ada", *others, *home)
    assert status == 0, err
    name = shown.provenance.source_name
    first = ProfileStore(tmp_path / "home").load("Ada").videos
    (record,) = [video for video in first if video.source_name == name]
    n_left_out = 10 - record.n_windows
    assert 2 <= n_left_out <= 5
    assert f"{name}: {n_left_out} of 10 windows are not learnt from: nobody moves in {n_left_out} of 10 windows" in err
    assert f"{name}: not usable: nobody moves in any of 10 windows" in err
    status, _, err = poseauth("enroll", "--person", "Ada", "--again", *others, *home)
    assert status == 0, err
    assert f"{name}: {n_left_out} of 10 windows are not learnt from" in err
    assert ProfileStore(tmp_path / "home").load("Ada").videos == first
    bob = [speeches / "others" / "bob.npz", speeches / "test-other.npz"]
    status, _, err = poseauth("enroll", "--person", "Bob", *bob, "--allow-weak", *home)
    assert status == 0, err
    (record_as_other,) = [
        video for video in ProfileStore(tmp_path / "home").load("Bob").videos if video.source_name == name
    ]
    assert (record_as_other.role, record_as_other.n_windows) == ("enrolled", record.n_windows)


@pytest.mark.parametrize("version", [2, 3])
def test_a_profile_that_is_no_longer_read_is_learnt_again_from_its_movement(poseauth, speeches, home, version):
    store = ProfileStore(home)
    folder, before = store.folder_of("Ada"), store.load("Ada")
    plain = json.loads((folder / "profile.json").read_text())
    plain["format_version"] = version
    (folder / "profile.json").write_text(json.dumps(plain))
    if version == 2:
        (folder / "profile.sha256").unlink()
    else:
        (folder / DIGESTS_FILE).write_bytes(digests_of({name: (folder / name).read_bytes() for name in DIGESTED}))
    arguments = ("--person", "Ada", "--home", home)
    status, _, err = poseauth("verify", speeches / "test-ada.npz", *arguments)
    assert status == 1
    assert f"format {version}, of an earlier poseauth" in err
    assert "enroll --person NAME --again" in err
    status, _, err = poseauth("enroll", "--again", "--impostor", speeches / "others", *arguments)
    assert status == 0, err
    after = store.load("Ada")
    assert after.videos == before.videos
    assert after.head_turns == before.head_turns
    np.testing.assert_array_equal(
        after.weights["network.lstm.weight_hh_l0"], before.weights["network.lstm.weight_hh_l0"]
    )


def test_learning_again_needs_a_person_and_videos_that_are_there(poseauth, speeches, home):
    others = ("--impostor", speeches / "others", "--home", home)
    status, _, err = poseauth("enroll", "--person", "Ada", "--again", "--without", "nothing.mp4", *others)
    assert (status, "learnt from no nothing.mp4. Kept are:" in err) == (1, True)
    everything = [part for name in own_videos(home) for part in ("--without", name)]
    status, _, err = poseauth("enroll", "--person", "Ada", "--again", *everything, *others)
    assert (status, "nothing is left of Ada" in err) == (1, True)
    status, _, err = poseauth("enroll", "--person", "Eve", "--again", *others)
    assert (status, "Eve is not enrolled" in err) == (1, True)
    assert poseauth("enroll", "--person", "Ada", "--without", "x", speeches / "ada", *others)[0] == 2
    assert poseauth("enroll", "--person", "Ada", *others)[0] == 2
    assert len(own_videos(home)) == 4


def test_without_others_nobody_is_enrolled_but_as_weak_on_request(poseauth, speeches, tmp_path):
    arguments = ("enroll", "--person", "Ada", speeches / "ada", "--home", tmp_path / "home")
    status, _, err = poseauth(*arguments)
    assert (status, "0 other people" in err, "--impostor" in err, "--allow-weak" in err) == (1, True, True, True)
    assert not (tmp_path / "home").exists()
    assert err.index("will be refused: no other people are named") < err.index("four.npz")
    status, out, _ = poseauth(*arguments, "--allow-weak")
    assert (status, "WEAK: it is untested" in out, "has met no real impostor" in out) == (0, True, True)
    listed = poseauth("profiles", "list", *arguments[-2:])[1]
    assert listed.startswith("Ada: 40 s in 4 videos, ")
    assert listed.endswith("; WEAK, every answer is inconclusive\n")
    (row,) = json.loads(poseauth("profiles", "list", "--json", *arguments[-2:])[1])
    assert (row["is_weak"], row["weaknesses"][0].split(":")[0]) == (True, "it is untested")
    assert "WEAK: it is untested" in poseauth("profiles", "show", "Ada", *arguments[-2:])[1]
    _, out, _ = poseauth("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", tmp_path / "home")
    assert "INCONCLUSIVE" in out
    assert "because the profile is weak: it is untested" in out
    assert "has met no real impostor" in out


def test_a_profile_shows_its_self_test(poseauth, home):
    _, out, _ = poseauth("profiles", "show", "Ada", "--home", home)
    assert "self-test, 4 videos of the person and 3 of 3 others, each judged unseen: AUC " in out
    assert "error by seconds of video: 5 s " in out
    plain = json.loads(poseauth("profiles", "show", "Ada", "--home", home, "--json")[1])
    assert set(plain["self_test"]["auc"]) == {"value", "low", "high"}
    assert plain["calibration"]["clips"]["undecided"] >= np.log10(2)
    assert plain["weaknesses"] == []


def test_a_clip_that_fits_another_enrolled_person_better_names_them(poseauth, speeches, home, tmp_path):
    for i in range(4):
        write_keypoints(speak(STYLES[1], duration_s=10, seed=20 + i), tmp_path / "bob" / f"{i}.npz")
    cleo = speeches / "others" / "cleo.npz"
    status, _, err = poseauth("enroll", "--person", "Bob", tmp_path / "bob", "--impostor", cleo, "--home", home)
    assert status == 0, err
    _, out, _ = poseauth("verify", speeches / "test-other.npz", "--person", "Ada", "--home", home)
    assert "the clip fits Bob better" in out
    _, out, _ = poseauth("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home)
    assert "fits Bob better" not in out


def test_an_answer_has_its_likelihood_ratio_in_figures_and_words_and_the_scale_beside_it(poseauth, speeches, home):
    _, out, _ = poseauth("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home)
    assert "log10 likelihood ratio +0." in out
    assert 'weak support for "Ada moves here as in the enrolled videos"' in out
    assert "below 2 no support, 2 to 10 weak support" in out
    assert "on clips held out of its enrolment this profile took 0 of 4 of Ada for somebody else" in out


def test_people_enrolled_before_are_others_to_compare_with(poseauth, speeches, home):
    status, out, _ = poseauth(
        "enroll", "--person", "Bob", speeches / "others" / "bob.npz", speeches / "test-other.npz", "--home", home,
        "--allow-weak",
    )  # fmt: skip
    assert status == 0
    assert "compared with: 4 videos of 1 other" in out


@pytest.fixture
def more_of_ada(tmp_path):
    """A folder of further speeches of Ada's."""
    for i in range(4):
        write_keypoints(speak(STYLES[0], duration_s=12, seed=30 + i), tmp_path / "more" / f"{i}.npz")
    return tmp_path / "more"


@pytest.mark.parametrize("against", [(), ("--no-others",)], ids=["learnt against", "not learnt against"])
def test_nobody_is_enrolled_twice_unawares(poseauth, speeches, home, more_of_ada, against):
    arguments = ("enroll", "--person", "Eve", more_of_ada, "--impostor", speeches / "others", "--home", home)
    status, out, err = poseauth(*arguments, *against)
    assert (status, out) == (1, "")
    assert "Eve is not enrolled: 4 of 4 videos are more like Ada, who is enrolled already" in err
    assert "--same-as 'Ada'" in err
    assert "Eve" not in ProfileStore(home)


def test_a_second_profile_of_a_person_is_enrolled_where_it_is_named_as_one(poseauth, speeches, home, more_of_ada):
    arguments = ("enroll", "--person", "Ada 2", more_of_ada, "--impostor", speeches / "others", "--home", home)
    status, out, err = poseauth(*arguments, "--same-as", "Ada")
    assert status == 0, err
    assert "compared with: 3 videos of 3 others" in out
    assert "WEAK" not in out
    _, out, _ = poseauth("verify", speeches / "test-ada.npz", "--person", "Ada 2", "--home", home)
    assert "AUTHENTIC" in out


def test_the_same_person_has_to_be_enrolled(poseauth, more_of_ada, home, n_read):
    status, _, err = poseauth("enroll", "--person", "Eve", more_of_ada, "--same-as", "Adda", "--home", home)
    assert (status, "Adda is not enrolled" in err, "Did you mean Ada?" in err) == (1, True, True)
    assert n_read == []


def test_folders_named_real_and_fake_are_the_two_sides(poseauth, speeches, tmp_path):
    import shutil

    shutil.copytree(speeches / "ada", tmp_path / "videos" / "real")
    shutil.copytree(speeches / "others", tmp_path / "videos" / "fake")
    status, out, _ = poseauth("enroll", "--person", "Ada", tmp_path / "videos", "--home", tmp_path / "home")
    assert status == 0
    assert "compared with: 3 videos of 3 others" in out


def test_clips_beside_real_and_fake_are_told_of(poseauth, speeches, tmp_path):
    for name, target in (("test-other", "fake/b"), ("test-ada", "a"), ("short", ".hidden")):
        (tmp_path / "videos" / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(speeches / f"{name}.npz", tmp_path / "videos" / f"{target}.npz")
    status, _, err = poseauth("enroll", "--person", "Ada", tmp_path / "videos", "--home", tmp_path / "home")
    assert status == 1
    assert "of a folder with fake/ in it nothing else is read; passed over: a.npz\n" in err


def test_folders_that_are_not_searched_are_named_once_and_searched_on_request(verify, poseauth, speeches, tmp_path):
    clips = tmp_path / "speeches"
    for name in ("top", "2023/a", "2024/spring/b"):
        (clips / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(speeches / "short.npz", clips / f"{name}.npz")
    for run in (
        lambda *more: verify(clips, *more),
        lambda *more: poseauth("extract", clips, "-o", tmp_path / "out", *more),
        lambda *more: poseauth(
            "enroll", "--person", "Eve", clips, "--impostor", speeches / "others", "--home", tmp_path / "none", *more
        ),
    ):
        _, out, err = run()
        told = f"{clips}/: 2 folders in it are passed over (2023, 2024); --recursive reads them too\n"
        assert (err.count("passed over"), told in err) == (1, True)
        assert "a.npz" not in out + err
        _, out, err = run("--recursive")
        assert ("passed over" in err, "a.npz" in out + err, "b.npz" in out + err) == (False, True, True)
    _, _, err = poseauth("extract", clips / "2024", clips / "2023", "-o", tmp_path / "out")
    assert f"{clips / '2024'}: no clip in this folder itself; there are in folders in it (spring), which --rec" in err
    assert "passed over" not in err


def test_a_folder_of_impostors_groups_by_person(poseauth, speeches, tmp_path):
    import shutil

    shutil.copytree(speeches / "others", tmp_path / "others" / "one-person")
    shutil.copy(speeches / "test-other.npz", tmp_path / "others")
    _, out, _ = poseauth(
        "enroll", "--person", "Ada", speeches / "ada", "--impostor", tmp_path / "others", "--home", tmp_path / "home",
        "--allow-weak",
    )  # fmt: skip
    assert "compared with: 4 videos of 2 others" in out


def test_people_asked_for_go_by_their_names_in_the_store(tmp_path):
    store = ProfileStore(tmp_path)
    for name in ("José", "Zoe"):
        store.save(golden_profile(name=name), [])
    typed = [unicodedata.normalize("NFD", "José"), " José", "Zoe", "José"]
    assert list(people_asked_for(store, typed, anyone=False)) == ["José", "Zoe"]


def test_others_of_one_name_in_two_folders_are_two_people(tmp_path):
    paths = [
        tmp_path / name for name in ("biden/clip1.npz", "merkel/clip1.npz", "merkel/clip2.npz", "a/deep/x", "b/deep/x")
    ]
    for path in paths:
        (path if path.suffix == "" else path.parent).mkdir(parents=True, exist_ok=True)
    names = distinct_names([*paths, tmp_path / "biden" / ".." / "biden" / "clip1.npz"])
    assert [names[path] for path in paths] == ["biden/clip1.npz", "merkel/clip1.npz", "clip2", "a/deep/x", "b/deep/x"]
    assert set(names.values()) == {names[path] for path in paths}
    (tmp_path / "c" / "x.mp4").parent.mkdir()
    assert distinct_names([tmp_path / "a/deep/x", tmp_path / "c" / "x.mp4"]) == {
        tmp_path / "a/deep/x": "x",
        tmp_path / "c" / "x.mp4": "x.mp4",
    }


def test_a_bad_video_among_good_ones_is_named_and_the_person_is_enrolled(poseauth, speeches, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    status, out, err = poseauth(
        "enroll", "--person", "Ada", speeches / "ada", tmp_path / "bad.mp4", "--home", tmp_path / "home", "--allow-weak"
    )
    assert status == 3
    assert f"{tmp_path / 'bad.mp4'}: " in err
    assert "Ada: 40 s of usable movement in 4 videos" in out


def test_too_little_video_enrols_nobody(poseauth, speeches, tmp_path):
    status, _, err = poseauth("enroll", "--person", "Ada", speeches / "short.npz", "--home", tmp_path / "home")
    assert status == 1
    assert "20 s are needed" in err
    assert not (tmp_path / "home").exists()


def test_profiles_are_listed_shown_exported_imported_and_removed(poseauth, home, tmp_path):
    listed = poseauth("profiles", "list", "--home", home)[1]
    assert ("Ada: 40 s in 4 videos" in listed, "WEAK" in listed) == (True, False)
    assert "no picture, no sound" in poseauth("profiles", "show", "Ada", "--home", home)[1]
    archive = tmp_path / "ada.poseauth"
    assert poseauth("profiles", "export", "Ada", "-o", archive, "--home", home)[0] == 0
    assert poseauth("profiles", "import", archive, "--home", home)[0] == 1
    assert poseauth("profiles", "remove", "Ada", "--yes", "--home", home)[0] == 0
    assert poseauth("profiles", "list", "--home", home)[1] == ""
    assert poseauth("profiles", "import", archive, "--home", home)[0] == 0
    (row,) = json.loads(poseauth("profiles", "list", "--json", "--home", home)[1])
    assert (row["name"], row["is_weak"], row["weaknesses"]) == ("Ada", False, [])


def test_removing_asks_first(poseauth, home, monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    status, _, err = poseauth("profiles", "remove", "Ada", "--home", home)
    assert (status, "Nothing was removed" in err) == (1, True)
    assert "Ada" in poseauth("profiles", "list", "--home", home)[1]


def test_removing_where_nobody_can_be_asked_removes_nothing_and_names_the_way(poseauth, home, monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    status, _, err = poseauth("profiles", "remove", "Ada", "--home", home)
    assert (status, "there is nobody to ask. Add --yes" in err, "Interrupted" in err) == (2, True, False)
    assert "Ada" in poseauth("profiles", "list", "--home", home)[1]

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert poseauth("profiles", "remove", "Ada", "--home", home)[0] == 130


def test_an_export_makes_the_folder_it_is_to_stand_in(poseauth, home, tmp_path):
    target = tmp_path / "new" / "deep" / "ada.poseauth"
    assert poseauth("profiles", "export", "Ada", "-o", target, "--home", home)[0] == 0
    assert target.is_file()


@pytest.mark.parametrize("form", ["npz", "openpose"])
def test_keypoints_are_not_written_over_those_they_were_read_from(poseauth, speeches, tmp_path, form):
    poseauth("extract", speeches / "short.npz", "-o", tmp_path, "--format", form)
    (source,) = tmp_path.iterdir()
    files = [source] if source.is_file() else sorted(source.iterdir())
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    status, _, err = poseauth("extract", source, "-o", tmp_path, "--format", form)
    assert (status, "would be written over itself. Name another folder" in err) == (3, True)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == before


@pytest.mark.parametrize("named", ["files", "folder"])
def test_keypoints_are_not_written_over_others_that_are_read(poseauth, speeches, tmp_path, named):
    """Two sources of one stem: the first may not take the place of the second."""
    first, second = tmp_path / "a" / "x.npz", tmp_path / "b" / "x.npz"
    for path, source in ((first, "short"), (second, "test-ada")):
        path.parent.mkdir()
        path.write_bytes((speeches / f"{source}.npz").read_bytes())
    before = second.read_bytes()
    status, _, err = poseauth("extract", first, second if named == "files" else second.parent, "-o", second.parent)
    assert (status, f"would be written over {second}, which is read too" in err) == (3, True)
    assert second.read_bytes() == before


def test_the_methods_csv_beside_its_source_is_written_anew_for_it_is_not_read(poseauth, speeches, tmp_path):
    (tmp_path / "x.npz").write_bytes((speeches / "test-ada.npz").read_bytes())
    for _ in range(2):
        assert poseauth("extract", tmp_path, "-o", tmp_path, "--format", "csv")[0] == 0
    assert (tmp_path / "x.csv").is_file()


def test_keypoints_of_before_in_another_folder_are_written_anew(poseauth, speeches, tmp_path):
    for _ in range(2):
        assert poseauth("extract", speeches / "short.npz", "-o", tmp_path / "keypoints")[0] == 0


def test_a_list_on_stdin_is_refused_where_it_is_not_read(poseauth, tmp_path):
    status, _, err = poseauth("extract", "-", "-o", tmp_path / "out")
    assert (status, "a list on stdin (-) is for archives" in err) == (2, True)


@pytest.mark.parametrize("form", ["npz", "csv", "openpose"])
def test_extract_writes_what_other_commands_and_tools_take(poseauth, speeches, tmp_path, form):
    status, out, _ = poseauth("extract", speeches / "test-ada.npz", "-o", tmp_path / "out", "--format", form)
    assert status == 0
    assert "420 frames, 14.0 s" in out
    if form == "csv":
        assert np.loadtxt(tmp_path / "out" / "test-ada.csv", delimiter=",").shape == (300, 24)
    elif form == "npz":
        assert len(read_keypoints(tmp_path / "out" / "test-ada.npz")) == 420
    else:
        assert len(list((tmp_path / "out" / "test-ada").iterdir())) == 420


def test_two_clips_of_one_name_do_not_overwrite_each_other(poseauth, speeches, tmp_path):
    import shutil

    shutil.copytree(speeches / "ada", tmp_path / "again")
    poseauth("extract", speeches / "ada", tmp_path / "again", "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}{again}.npz" for name in ("four", "one", "three", "two") for again in ("-2", "")
    ]  # fmt: skip


def test_track_and_box_together_are_refused(poseauth, speeches, home):
    status, _, err = poseauth(
        "verify", speeches / "short.npz", "--person", "Ada", "--home", home, "--track", 1, "--box", 0, 0, 9, 9
    )
    assert (status, "not both" in err) == (2, True)


def test_doctor_names_every_extractor_and_what_is_missing(poseauth):
    _, out, _ = poseauth("doctor")
    assert "extractor yolo: cannot run" in out
    assert "--weights" in out
    assert "extractor mediapipe" in out
    assert "device: " in out


def test_an_interruption_ends_with_130_and_leaves_nothing(poseauth, speeches, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "read_keypoints", interrupted)
    status, _, err = poseauth("enroll", "--person", "Ada", speeches / "ada", "--home", tmp_path / "home")
    assert status == 130
    assert "Interrupted" in err
    assert not (tmp_path / "home").exists()


def test_the_persons_own_recording_is_no_impostor_even_without_a_digest_of_a_video(poseauth, speeches, tmp_path):
    status, _, err = poseauth(
        "enroll",
        "--person",
        "Ada",
        speeches / "ada",
        "--impostor",
        speeches / "ada" / "one.npz",
        "--home",
        tmp_path / "home",
    )
    assert status == 1
    assert "one and the same file" in err


def test_a_recording_that_was_learnt_from_gets_no_verdict(poseauth, speeches, home):
    _, out, _ = poseauth("verify", speeches / "ada" / "one.npz", "--person", "Ada", "--home", home, "--json")
    (result,) = json.loads(out)
    assert result["verdict"] == "inconclusive"
    assert "learnt from (as genuine)" in result["reasons"][0]


@pytest.fixture
def second_hand(speeches, tmp_path):
    """Writes what another web site shows of a speech; gives its file."""

    def make(of, name, **changed):
        changed = {"frames": slice(20, None), "fps": 25.0, **changed}
        path = tmp_path / f"{name}.npz"
        write_keypoints(copy_of(read_keypoints(speeches / f"{of}.npz"), name=f"{name}.mp4", **changed), path)
        return path

    return make


def test_a_copy_of_a_recording_that_was_learnt_from_gets_no_verdict_in_any_report(
    poseauth, second_hand, home, tmp_path
):
    clip, table, page = second_hand("ada/one", "reupload"), tmp_path / "results.csv", tmp_path / "page.html"
    arguments = ("verify", clip, "--person", "Ada", "--home", home, "--min-seconds", "5", "--json")
    status, out, _ = poseauth(*arguments, "--output", table, "--report", page)
    (result,) = json.loads(out)
    assert (status, result["verdict"]) == (0, "inconclusive")
    reason = result["reasons"][0]
    assert reason.startswith("it shows 5 s or more of chopper, speech 1, which was learnt from as Ada's own video")
    (row,) = csv.DictReader(table.open())
    assert (row["verdict"], reason in row["reasons"]) == ("inconclusive", True)
    assert "it shows 5 s or more of chopper, speech 1" in page.read_text()
    _, out, _ = poseauth("verify", clip, "--anyone", "--home", home, "--json")
    assert json.loads(out)[0]["verdict"] == "inconclusive"
    assert any("5 s or more of chopper, speech 1" in reason for reason in json.loads(out)[0]["reasons"])


def test_of_copies_one_is_learnt_from_and_again_when_the_person_is_learnt_again(
    poseauth, speeches, second_hand, tmp_path
):
    home = ("--home", tmp_path / "home")
    others = ("--impostor", speeches / "others", "--impostor", second_hand("others/bob", "bob"))
    copy = second_hand("ada/one", "reupload")
    for videos in ((speeches / "ada", copy), ("--again",)):
        status, _, err = poseauth("enroll", "--person", "Ada", *videos, *others, *home)
        assert status == 0, err
        assert "reupload.mp4: shows the same movement as chopper, speech 1 and is not learnt from again" in err
        assert "bob.mp4: shows the same movement as" in err
        genuine = [video for video in ProfileStore(tmp_path / "home").load("Ada").videos if video.role == "genuine"]
        assert len(genuine) == 4
        assert "reupload.mp4" not in {video.source_name for video in genuine}


@pytest.mark.parametrize(
    ("option", "told"),
    [("--impostor", "Take it out of one side"), ("--fake", "a swapped face leaves the movement of the body as it is")],
)
@pytest.mark.parametrize("again", [False, True])
def test_a_copy_of_the_persons_own_recording_is_no_other(poseauth, speeches, second_hand, home, option, told, again):
    arguments = ("--again", "--person", "Ada") if again else ("--person", "Ada", speeches / "ada", "--overwrite")
    copy = second_hand("ada/two", "swapped")
    status, _, err = poseauth(
        "enroll", *arguments, "--impostor", speeches / "others", option, copy, "--home", home
    )  # fmt: skip
    assert status == 1
    assert f"swapped.mp4 is given as {option[2:]} and, as chopper, speech 2, as the person's own video: the same" in err
    assert told in err


def test_copies_of_somebody_enrolled_are_refused_and_the_way_to_a_second_profile_is_told(
    poseauth, others_twice, second_hand, home
):
    copies = [second_hand(f"ada/{name}", name) for name in ("one", "two", "three")]
    arguments = ("enroll", "--person", "Eve", *copies, "--impostor", others_twice, "--home", home)
    status, _, err = poseauth(*arguments)
    assert (status, "is given as enrolled and, as one.mp4, as the person's own video" in err) == (1, True)
    assert "if Ada is the same person and a second profile is meant, add --same-as 'Ada'" in err
    assert "Eve" not in ProfileStore(home)
    status, _, err = poseauth(*arguments, "--same-as", "Ada")
    assert status == 0, err


def test_a_name_in_other_capitals_is_the_same_person(poseauth, speeches, home):
    status, _, err = poseauth("enroll", "--person", "ADA ", speeches / "ada", "--home", home)
    assert (status, "reads like the same person" in err) == (1, True)


def test_a_weaker_answer_says_so(poseauth, speeches, home, tmp_path):
    arguments = ("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home, "--json")
    assert not any("weaker" in note for note in json.loads(poseauth(*arguments)[1])[0]["caveats"])
    write_keypoints(speak(STYLES[0], duration_s=7, seed=8), tmp_path / "seven.npz")
    (result,) = json.loads(poseauth("verify", tmp_path / "seven.npz", *arguments[2:], "--min-seconds", "5")[1])
    assert result["verdict"] == "authentic"
    told = "a weaker answer: 7.0 s, asked for with --min-seconds 5; 10 s is the tool's least"
    assert told in result["caveats"]
    page = tmp_path / "seven.html"
    arguments = ("verify", tmp_path / "seven.npz", *arguments[2:-1], "--min-seconds", "5", "--report", page)
    assert f"note: {told}" in poseauth(*arguments)[1]
    copied = page.read_text().split('<p class="copy">')[1].split("</p>")[0]
    assert "it rests on 7.0 s of movement, asked for with --min-seconds 5; 10 s is the tool&#x27;s least." in copied


def test_track_and_box_are_refused_for_keypoint_files(poseauth, speeches, home):
    status, out, _ = poseauth("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home, "--track", "1")
    assert (status, "leave out --track" in out) == (3, True)


def test_an_empty_list_on_stdin_is_no_success(poseauth, home, monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    status, _, err = poseauth("verify", "-", "--person", "Ada", "--home", home)
    assert (status, "no path on stdin" in err) == (2, True)


def test_a_files_name_cannot_forge_a_line(poseauth, speeches, home, tmp_path):
    forged = tmp_path / "x.npz: AUTHENTIC - ok\n.npz"
    forged.write_bytes((speeches / "short.npz").read_bytes())
    _, out, _ = poseauth("verify", forged, "--person", "Ada", "--home", home)
    assert not any(line.endswith("AUTHENTIC - ok") for line in out.splitlines())


def test_a_files_name_that_is_no_utf8_goes_through(poseauth, speeches, home, tmp_path):
    import os

    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.npz")
    with open(odd, "wb") as stream:
        stream.write((speeches / "test-ada.npz").read_bytes())
    status, out, _ = poseauth(
        "verify", odd, "--person", "Ada", "--home", home, "--json", "--output", tmp_path / "results.csv"
    )
    assert (status, json.loads(out)[0]["source"].endswith("caf\\udce9.npz")) == (0, True)
    assert "caf" in (tmp_path / "results.csv").read_text()


def test_results_come_in_the_order_of_the_input(poseauth, speeches, home, tmp_path):
    _, out, _ = poseauth(
        "verify", speeches / "test-ada.npz", tmp_path / "gone.mp4", speeches / "short.npz", "--person", "Ada",
        "--home", home, "--json",
    )  # fmt: skip
    assert [result["source"].rsplit("/")[-1] for result in json.loads(out)] == ["test-ada.npz", "gone.mp4", "short.npz"]


@pytest.mark.parametrize("device", ["banana", "cuda:99"])
def test_a_device_that_is_not_there_is_said(poseauth, speeches, home, device):
    status, _, err = poseauth("verify", speeches / "short.npz", "--person", "Ada", "--home", home, "--device", device)
    assert (status, f"device '{device}'" in err or f"device {device}" in err) == (1, True)


def test_named_impostors_of_whom_none_can_be_read_stop_the_enrolment(poseauth, speeches, tmp_path):
    status, _, err = poseauth(
        "enroll", "--person", "Ada", speeches / "ada", "--impostor", tmp_path / "typo", "--home", tmp_path / "home"
    )
    assert (status, "none could be read" in err) == (1, True)
    assert not (tmp_path / "home").exists()
    assert "one.npz: 10.0 s" not in err


def test_that_one_video_will_not_do_is_said_before_those_of_others_are_read(poseauth, speeches, tmp_path):
    arguments = ("enroll", "--person", "Ada", speeches / "test-ada.npz", "--impostor", speeches / "others")
    status, _, err = poseauth(*arguments, "--home", tmp_path / "home")
    assert (status, "--allow-weak" in err) == (1, True)
    assert err.index("will be refused: 1 video of Ada could be read, and 2 are needed") < err.index("bob.npz")


def test_hidden_folders_among_impostors_are_nobody(poseauth, speeches, tmp_path):
    shutil.copytree(speeches / "others", tmp_path / "others")
    (tmp_path / "others" / ".thumbnails").mkdir()
    status, _, err = poseauth(
        "enroll", "--person", "Ada", speeches / "ada", "--impostor", tmp_path / "others", "--home", tmp_path / "home"
    )
    assert status == 0, err


def test_a_clip_too_short_for_a_window_gives_no_empty_csv(poseauth, speeches, tmp_path):
    status, _, err = poseauth("extract", speeches / "short.npz", "-o", tmp_path / "out", "--format", "csv")
    assert (status, "no window of 150 frames" in err) == (3, True)
    assert not list((tmp_path / "out").iterdir())


def test_a_damaged_profile_is_listed_with_the_way_out(poseauth, home):
    (path,) = home.glob("*/movement.safetensors")
    path.unlink()
    status, out, _ = poseauth("profiles", "list", "--home", home)
    assert (status, "Enrol the person again, or import them" in out) == (3, True)


def test_a_profile_does_not_answer_under_another_name(poseauth, speeches, home):
    (path,) = home.glob("*/profile.json")
    path.write_text(path.read_text().replace('"name": "Ada"', '"name": "Bob"', 1))
    (path.parent / DIGESTS_FILE).write_bytes(digests_of({name: (path.parent / name).read_bytes() for name in DIGESTED}))
    status, _, err = poseauth("verify", speeches / "test-ada.npz", "--person", "Ada", "--home", home)
    assert (status, "does not belong there" in err) == (1, True)


def test_a_mirrored_clip_of_the_person_is_noticed_and_gets_no_verdict(poseauth, speeches, home, tmp_path):
    sequence = read_keypoints(speeches / "test-ada.npz")
    turned = mirror_images(sequence.keypoints[None])[0] + np.array([1280, 0], np.float32)
    confidence = np.isfinite(turned).all(axis=-1).astype(np.float32)
    mirrored = keypoint_sequence(turned, confidence, sequence.timestamps_s, provenance=sequence.provenance)
    write_keypoints(mirrored, tmp_path / "mirrored.npz")
    _, out, _ = poseauth("verify", tmp_path / "mirrored.npz", "--person", "Ada", "--home", home, "--json")
    (result,) = json.loads(out)
    assert result["verdict"] == "inconclusive"
    assert any("possibly mirrored" in reason for reason in result["reasons"])


def test_without_an_extractor_videos_are_named_and_keypoint_files_are_analysed(
    poseauth, speeches, home, tmp_path, monkeypatch
):
    from keypoint_extractors import registry
    from poseauth.errors import ExtractorMissingError

    def lacking(options):
        raise ExtractorMissingError("not installed. Install it")

    monkeypatch.setattr(registry, "EXTRACTORS", {"yolo": lacking, "blazepose": lacking})
    (tmp_path / "clip.mp4").write_bytes(b"x")
    status, out, _ = poseauth(
        "verify", tmp_path / "clip.mp4", speeches / "test-ada.npz", "--person", "Ada", "--home", home, "--json"
    )
    video, keypoints = json.loads(out)
    assert status == 3
    assert (video["verdict"], keypoints["verdict"]) == (None, "authentic")
    assert "no extractor can run here" in video["reasons"][0]
    assert "Install it" in video["reasons"][0]


def test_a_picture_is_not_analysed_and_its_windows_are_counted(poseauth, home, speeches, tmp_path):
    clip = read_keypoints(speeches / "test-ada.npz")
    frames = np.zeros(len(clip), int)
    picture = replace(clip, keypoints=clip.keypoints[frames], confidence=clip.confidence[frames])
    write_keypoints(picture, tmp_path / "picture.npz")
    status, out, _ = poseauth("verify", tmp_path / "picture.npz", "--person", "Ada", "--home", home, "--json")
    (result,) = json.loads(out)
    assert status == 3
    assert (result["status"], result["verdict"]) == ("not analysed", None)
    assert (result["n_windows_still"], result["n_windows_repeated"]) == (10, 0)
    (reason,) = result["reasons"]
    assert "nobody moves in any of 10 windows: a still picture or a frozen video? Try a clip in which Ada" in reason


HOSTILE = "\x1b]0;owned\x07\x1b[2J\nError: all is well"


def assert_no_control_codes(text):
    assert [mark for mark in text if not mark.isprintable() and mark != "\n"] == []
    assert "\nError: all is well" not in text


def test_an_error_that_ends_the_command_cannot_drive_the_terminal(poseauth, speeches, home, tmp_path):
    not_there = tmp_path / HOSTILE
    refused = [
        (1, "verify", speeches / "test-ada.npz", "--person", HOSTILE, "--home", home),
        (1, "profiles", "show", "Ada", "--home", not_there),
        (2, "verify", "x.mp4", "--person", "Ada", "--report", f"{HOSTILE}.pdf", "--home", home),
        (2, "verify", "x.mp4", f"--{HOSTILE}"),
        (2, f"verify{HOSTILE}"),
    ]
    for status, *arguments in refused:
        code, out, err = poseauth(*arguments)
        assert (code, "Error: " in err) == (status, True), err
        assert_no_control_codes(out + err)


def test_an_error_of_the_system_names_its_file_without_its_control_codes(poseauth, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied", HOSTILE)

    monkeypatch.setattr(main_module.poseauth, "main", fail)
    code, _, err = poseauth("doctor")
    assert (code, err.startswith("Error: \\x1b]0;owned")) == (1, True)
    assert_no_control_codes(err)


def test_what_a_profile_holds_cannot_drive_the_terminal(home):
    ada = ProfileStore(home).load("Ada")
    told = click.unstyle(describe_profile(replace(ada, created=HOSTILE, weaknesses=(HOSTILE,), notes=(HOSTILE,))))
    assert_no_control_codes(told)
    assert told.count("all is well") == 3


def test_no_arguments_are_answered_with_the_help_line_by_line(poseauth):
    _, out, err = poseauth()
    assert "\nCommands:\n" in out + err
