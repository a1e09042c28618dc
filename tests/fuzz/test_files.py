"""Damaged and made-up keypoint files, estimators' JSON, tables, profiles and archives: read, or refused in words."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.main import main
from keypoint_extractors.openpose_json import write_openpose_folder
from keypoint_extractors.sources import SourceReader
from person_profiles.archive import export_profile, import_profile
from person_profiles.store import ProfileStore
from person_profiles.verification import load_scorer, verify
from poseauth.errors import InputError, PoseAuthError
from poseauth.keypoint_files import read_keypoints, write_keypoints
from poseauth.keypoints import L_WRIST, R_WRIST, WHOLE_BODY_SHAPES, WholeBody
from tests.fuzz.mutations import BUDGET_S, SEED, mutated
from tests.person_profiles.conftest import others_of, speech_of, tiny_recipe

SHARE = 0.07
"""Of the time for all fuzz tests, for each loop here."""
EXAMPLES = max(10, round(1.5 * BUDGET_S))
MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=SEED == 0,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def ada():
    from person_profiles.enrolment import enrol

    movement = [speech_of(f"ada {i}") for i in range(5)]
    return enrol("Ada", movement, others_of(3, 2), recipe=tiny_recipe(epochs=12, learning_rate=2e-2), seed=1)


@pytest.fixture(scope="module")
def store(ada, tmp_path_factory):
    store = ProfileStore(tmp_path_factory.mktemp("home"))
    store.save(ada, [speech_of("ada 0")])
    return store


@pytest.fixture(scope="module")
def judge(ada):
    scorer = load_scorer(ada)

    def verdict_of(sequence):
        return verify(sequence, ada, scorer, any_extractor=True).verdict

    return verdict_of


def with_hands(clip):
    """The clip with hands at its wrists and a body around its neck."""
    rng = np.random.default_rng(0)
    n = len(clip)
    hands = rng.normal(0, 10, (n, 2, 21, 3))
    hands[..., :2] += clip.keypoints[:, [L_WRIST, R_WRIST], None]
    body = rng.normal(300, 50, (n, 33, 3))
    sure = np.ones((n, 2), np.float32)
    return replace(
        clip, whole_body=WholeBody(hands.astype("f4"), sure, body.astype("f4"), np.ones((n, 33), np.float32))
    )


def mmpose_document(clip):
    """The clip as MMPose writes the 133 points of COCO-WholeBody, hands at the wrists."""
    places = np.repeat(clip.keypoints[:, [1]], 133, axis=1)
    for coco, ours in ((0, 0), (5, 5), (6, 2), (7, 6), (8, 3), (9, 7), (10, 4), (1, 9), (2, 8), (3, 11), (4, 10)):
        places[:, coco] = clip.keypoints[:, ours]
    places[:, 91:112], places[:, 112:] = clip.keypoints[:, [L_WRIST]], clip.keypoints[:, [R_WRIST]]
    return [
        {"frame_id": n, "instances": [{"keypoints": points.round(2).tolist(), "keypoint_scores": [0.9] * 133}]}
        for n, points in enumerate(places)
    ]


def fuzzed(budget_s, one):
    """Calls `one` with a generator until the time is over; counts what it gives."""
    found: Counter[str] = Counter()
    ends, number = time.monotonic() + budget_s, 0
    while time.monotonic() < ends or number < 20:
        found[one(np.random.default_rng((SEED, number)))] += 1
        number += 1
    print(f"{number} inputs: {dict(found)}")
    return found


@pytest.mark.parametrize(("name", "beat_hz", "wrong"), [("ada new", 0.5, "fake"), ("eve", 3.0, "authentic")])
def test_a_damaged_keypoint_file_never_turns_a_verdict_round(tmp_path, judge, name, beat_hz, wrong):
    clip = with_hands(speech_of(name, frequency_hz=beat_hz, duration_s=15.0))
    assert judge(clip) == {"fake": "authentic", "authentic": "fake"}[wrong]
    write_keypoints(clip, tmp_path / "clip.npz")
    whole, path = (tmp_path / "clip.npz").read_bytes(), tmp_path / "damaged.npz"

    def one(rng):
        path.write_bytes(mutated(whole, [whole], rng))
        try:
            verdict = judge(read_keypoints(path))
        except InputError:
            return "refused"
        assert verdict != wrong
        return str(verdict)

    assert fuzzed(SHARE * BUDGET_S, one)["refused"]


@pytest.mark.parametrize(("name", "beat_hz", "wrong"), [("ada new", 0.5, "fake"), ("eve", 3.0, "authentic")])
def test_a_damaged_openpose_folder_never_turns_a_verdict_round(tmp_path, judge, name, beat_hz, wrong):
    clip = with_hands(speech_of(name, frequency_hz=beat_hz, duration_s=11.0))
    folder = tmp_path / "json"
    write_openpose_folder(clip, folder)
    files = sorted(folder.iterdir())
    whole = [file.read_bytes() for file in files]
    reader = SourceReader(lambda: pytest.fail("no extractor is needed"))
    assert judge(reader.read(folder)) == {"fake": "authentic", "authentic": "fake"}[wrong]

    def one(rng):
        chosen = rng.choice(len(files), size=3, replace=False)
        for n in chosen:
            files[n].write_bytes(mutated(whole[n], whole, rng))
        try:
            verdict = judge(reader.read(folder))
        except InputError:
            return "refused"
        finally:
            for n in chosen:
                files[n].write_bytes(whole[n])
        assert verdict != wrong
        return str(verdict)

    assert fuzzed(SHARE * BUDGET_S, one)["refused"]


def test_a_damaged_file_of_mmpose_never_turns_a_verdict_round(tmp_path, judge):
    whole = json.dumps(mmpose_document(speech_of("bob", duration_s=11.0))).encode()
    path = tmp_path / "clip.json"
    reader = SourceReader(lambda: pytest.fail("no extractor is needed"))
    path.write_bytes(whole)
    assert judge(reader.read(path)) == "authentic"

    def one(rng):
        path.write_bytes(mutated(whole, [whole], rng))
        try:
            verdict = judge(reader.read(path))
        except InputError:
            return "refused"
        assert verdict != "fake"
        return str(verdict)

    assert fuzzed(SHARE * BUDGET_S, one)["refused"]


FRAMES_OF_JSON = st.lists(
    st.fixed_dictionaries({"frame_id": JSON, "instances": JSON | st.lists(st.fixed_dictionaries({"keypoints": JSON}))})
)


@MANY
@given(document=JSON | FRAMES_OF_JSON | st.fixed_dictionaries({"instance_info": FRAMES_OF_JSON}))
def test_any_json_in_place_of_mmposes_is_read_or_refused(tmp_path, document):
    (tmp_path / "clip.json").write_text(json.dumps(document))
    with pytest.raises(InputError):  # nobody in view, if nothing else
        SourceReader(lambda: pytest.fail("no extractor is needed")).read(tmp_path / "clip.json")


@MANY
@given(
    values=st.lists(st.floats(width=32), min_size=4, max_size=4),
    name=st.sampled_from(sorted(WHOLE_BODY_SHAPES)),
    n_frames=st.integers(0, 40),
)
def test_any_numbers_for_hands_and_body_are_read_or_refused(tmp_path, values, name, n_frames):
    clip = with_hands(speech_of("ada 0", duration_s=1.0))
    write_keypoints(clip, tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz") as kept:
        arrays = dict(kept)
    arrays[name] = np.resize(np.array(values, np.float32), (n_frames, *WHOLE_BODY_SHAPES[name]))
    np.savez(tmp_path / "clip.npz", **arrays)
    with contextlib.suppress(InputError):
        np.testing.assert_array_equal(read_keypoints(tmp_path / "clip.npz").keypoints, clip.keypoints)


@MANY
@given(document=JSON | st.fixed_dictionaries({"people": st.lists(st.fixed_dictionaries({"pose_keypoints_2d": JSON}))}))
def test_any_json_in_an_openpose_folder_is_read_or_refused(tmp_path, document):
    folder = tmp_path / "json"
    folder.mkdir(exist_ok=True)
    (folder / "clip_000000000000_keypoints.json").write_text(json.dumps(document))
    with pytest.raises(InputError):  # nobody in view, if nothing else
        SourceReader(lambda: pytest.fail("no extractor is needed")).read(folder)


@MANY
@given(meta=JSON | st.dictionaries(st.sampled_from(["format_version", "source_name", "coverage", "extractor"]), JSON))
def test_any_description_of_a_keypoint_file_is_read_or_refused(tmp_path, meta):
    clip = speech_of("ada 0", duration_s=1.0)
    arrays = {name: getattr(clip, name) for name in ("keypoints", "confidence", "timestamps_s", "shot")}
    np.savez(tmp_path / "clip.npz", **arrays, meta=np.array(json.dumps(meta)))
    with contextlib.suppress(InputError):
        np.testing.assert_array_equal(read_keypoints(tmp_path / "clip.npz").keypoints, clip.keypoints)


@MANY
@given(
    numbers=st.lists(
        st.tuples(st.floats(width=32), st.floats(width=32), st.floats(width=32), st.floats()), min_size=1, max_size=40
    )
)
def test_any_numbers_in_a_keypoint_file_are_read_or_refused_and_never_judged(tmp_path, judge, numbers):
    x, y, confidence, times = (np.array(column) for column in zip(*numbers, strict=True))
    keypoints = np.repeat(np.stack([x, y], axis=-1)[:, None], 12, axis=1)
    np.savez(
        tmp_path / "clip.npz", keypoints=keypoints, confidence=np.repeat(confidence[:, None], 12, axis=1),
        timestamps_s=times, shot=np.zeros(len(x), np.int32),
        meta=np.array(json.dumps({"format_version": 1, "source_name": "clip"})),
    )  # fmt: skip
    with pytest.raises(InputError):  # forty frames are no window of five seconds
        judge(read_keypoints(tmp_path / "clip.npz"))


def test_a_damaged_profile_is_the_one_that_was_written_or_an_error(tmp_path, store, ada):
    folder = store.folder_of("Ada")
    names = sorted(file.name for file in folder.iterdir())
    whole = {name: (folder / name).read_bytes() for name in names}
    copy = ProfileStore(tmp_path / "copy")
    shutil.copytree(store.home, copy.home)

    def one(rng):
        name = names[int(rng.integers(len(names)))]
        target = copy.home / folder.name / name
        target.write_bytes(mutated(whole[name], list(whole.values()), rng))
        unchanged = target.read_bytes() == whole[name]
        try:
            found = copy.load("Ada")
            copy.load_movement("Ada")
        except PoseAuthError:
            assert not unchanged
            return "refused"
        finally:
            target.write_bytes(whole[name])
        assert unchanged, f"{name} was changed and the profile was read"
        assert found.created == ada.created
        return "read"

    assert fuzzed(SHARE * BUDGET_S, one)["refused"]


def test_a_damaged_archive_is_imported_as_it_was_or_leaves_nothing(tmp_path, store, ada):
    export_profile(store, "Ada", tmp_path / "ada.poseauth")
    whole, path = (tmp_path / "ada.poseauth").read_bytes(), tmp_path / "damaged.poseauth"
    target = ProfileStore(tmp_path / "target")

    def one(rng):
        path.write_bytes(mutated(whole, [whole], rng))
        try:
            found = import_profile(target, path, overwrite=True)
        except PoseAuthError:
            return "refused"
        assert found.created == ada.created
        for name, value in found.weights.items():
            np.testing.assert_array_equal(value, ada.weights[name])
        return "imported"

    assert fuzzed(SHARE * BUDGET_S, one)["refused"]
    assert {entry.name for entry in target.home.iterdir() if not entry.name.startswith(".")} <= {
        store.folder_of("Ada").name
    }


@MANY
@given(table=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: ("person,path\n" + text).encode()))
def test_any_table_of_trials_is_refused_in_words(tmp_path, table):
    (tmp_path / "trials.csv").write_bytes(table)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--trials", str(tmp_path / "trials.csv"), "--home", str(tmp_path / "home")])
    assert ended.value.code in (1, 2, 3)
