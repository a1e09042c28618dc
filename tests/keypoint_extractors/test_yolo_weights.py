"""Where weights are looked for, and what is not loaded."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest

from keypoint_extractors import yolo_weights
from keypoint_extractors.quiet_ultralytics import import_ultralytics
from keypoint_extractors.yolo_pose import yolo_fingerprint
from keypoint_extractors.yolo_weights import file_sha256, find_weights, load_pose_network
from poseauth.errors import ExtractorError, WeightsNotFoundError


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder for --weights, one for POSEAUTH_WEIGHTS and the cache; all empty, the variable unset."""
    folders = {name: tmp_path / name for name in ("given", "variable", "cache")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.delenv("POSEAUTH_WEIGHTS", raising=False)
    monkeypatch.setattr(yolo_weights, "weights_cache", lambda: folders["cache"])
    return folders


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(b"weights")
    return path


def test_the_places_are_searched_in_order(places, monkeypatch):
    monkeypatch.setenv("POSEAUTH_WEIGHTS", str(places["variable"]))
    cached = put(places["cache"], "yolo11m-pose.pt")
    assert find_weights("yolo11m-pose", weights_dir=places["given"]) == cached
    of_variable = put(places["variable"], "yolo11m-pose.pt")
    assert find_weights("yolo11m-pose", weights_dir=places["given"]) == of_variable
    given = put(places["given"], "yolo11m-pose.pt")
    assert find_weights("yolo11m-pose", weights_dir=places["given"]) == given


def test_without_a_name_the_default_model_is_meant(places):
    default = put(places["cache"], "yolo26m-pose.pt")
    assert find_weights() == default


def test_a_file_that_a_place_names_is_taken_where_no_model_was_asked_for(places, monkeypatch):
    own = put(places["variable"], "newsroom.pt")
    monkeypatch.setenv("POSEAUTH_WEIGHTS", str(own))
    assert find_weights() == own
    with pytest.raises(WeightsNotFoundError):
        find_weights("yolo11m-pose")
    assert find_weights("newsroom") == own


def test_a_path_is_taken_as_it_is_and_nothing_else_searched(places):
    own = put(places["given"], "own.pt")
    assert find_weights(own) == own
    assert find_weights(str(own)) == own
    put(places["cache"], "other.pt")
    with pytest.raises(WeightsNotFoundError, match=r"no file .*other\.pt.*--weights"):
        find_weights(places["given"] / "other.pt")


def test_a_name_stands_for_the_file_of_its_first_use(places):
    given = put(places["given"], "yolo11m-pose.pt")
    first = yolo_fingerprint("yolo11m-pose", weights_dir=places["given"])
    assert yolo_fingerprint("yolo11m-pose", weights_dir=places["given"]) == first
    given.write_bytes(b"other weights")
    with pytest.raises(ExtractorError, match=r"another file than yolo11m-pose\.pt was when it was first used"):
        yolo_fingerprint("yolo11m-pose", weights_dir=places["given"])
    # By its path it is what it is, and a profile that remembers the digest still tells them apart.
    assert yolo_fingerprint(given).weights_sha256 != first.weights_sha256
    (places["cache"] / "known.json").unlink()
    assert yolo_fingerprint("yolo11m-pose", weights_dir=places["given"]) == yolo_fingerprint(given)


def test_a_file_of_ones_own_may_change(places, monkeypatch):
    own = put(places["variable"], "newsroom.pt")
    monkeypatch.setenv("POSEAUTH_WEIGHTS", str(own))
    first = yolo_fingerprint()
    own.write_bytes(b"learnt again")
    assert yolo_fingerprint() != first


@pytest.mark.parametrize("content", ["", "[]", "{", '{"yolo11m-pose.pt": 5}'])
def test_a_damaged_record_of_names_is_begun_anew_or_refused(places, content):
    put(places["given"], "yolo26m-pose.pt")
    (places["cache"] / "known.json").write_text(content)
    yolo_fingerprint(weights_dir=places["given"])
    assert "yolo26m-pose.pt" in json.loads((places["cache"] / "known.json").read_text())


def test_weights_in_the_working_directory_are_not_picked_up(places, monkeypatch, tmp_path):
    put(tmp_path, "yolo26m-pose.pt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsNotFoundError):
        find_weights("yolo26m-pose")


def test_weights_nowhere_to_be_found_name_every_place_and_three_ways_out(places, monkeypatch):
    monkeypatch.setenv("POSEAUTH_WEIGHTS", str(places["variable"]))
    with pytest.raises(WeightsNotFoundError) as caught:
        find_weights("yolo26m-pose", weights_dir=places["given"])
    message = str(caught.value)
    for folder in places.values():
        assert str(folder / "yolo26m-pose.pt") in message
    for way_out in ("put yolo26m-pose.pt into", "--weights", "--extractor blazepose", "poseauth models get"):
        assert way_out in message


def test_a_download_is_only_tried_where_allowed_and_kept_in_the_cache(places, monkeypatch):
    downloads = import_ultralytics("utils.downloads")
    asked = []

    def fetch(url, file, **_):
        asked.append((url, os.environ.get("YOLO_OFFLINE")))
        Path(file).write_bytes(b"fetched")

    monkeypatch.setattr(downloads, "safe_download", fetch)
    with pytest.raises(WeightsNotFoundError, match="downloading is off"):
        find_weights("yolo26n-pose")
    assert not asked
    path = find_weights("yolo26n-pose", allow_download=True)
    assert path == places["cache"] / "yolo26n-pose.pt"
    assert path.read_bytes() == b"fetched"
    assert [entry.name for entry in places["cache"].iterdir()] == [path.name]
    assert len(asked) == 1
    assert asked[0][0].endswith("/yolo26n-pose.pt")
    assert asked[0][1] is None
    assert os.environ["YOLO_OFFLINE"] == "1"
    assert find_weights("yolo26n-pose", allow_download=True) == path
    assert len(asked) == 1


def test_a_download_that_fails_leaves_nothing_behind(places, monkeypatch):
    downloads = import_ultralytics("utils.downloads")

    def fetch(url, file, **_):
        Path(file).write_bytes(b"half")
        raise ConnectionError("no route")

    monkeypatch.setattr(downloads, "safe_download", fetch)
    with pytest.raises(WeightsNotFoundError, match=r"download failed \(no route\).*--extractor blazepose"):
        find_weights("yolo26n-pose", allow_download=True)
    assert list(places["cache"].iterdir()) == []


def test_a_model_that_is_not_published_is_not_asked_for(places, monkeypatch):
    monkeypatch.setattr(import_ultralytics("utils.downloads"), "safe_download", pytest.fail)
    with pytest.raises(WeightsNotFoundError, match=r"publishes no someones-model\.pt"):
        find_weights("someones-model", allow_download=True)


def test_the_digest_is_of_the_bytes(tmp_path):
    path = put(tmp_path, "x.pt")
    assert file_sha256(path) == hashlib.sha256(b"weights").hexdigest()


class Harm:
    """Pickled, it runs a command when it is loaded."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self):
        return os.system, (f"touch {self.witness}",)


def hostile_files(tmp_path):
    import torch

    witness = tmp_path / "witness"
    torch.save({"model": Harm(witness)}, tmp_path / "harm.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harm(witness), protocol=2))
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "empty.pt").write_bytes(b"")
    torch.save({"model": {"a": torch.zeros(2)}}, tmp_path / "plain_dict.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    whole = (tmp_path / "plain_dict.pt").read_bytes()
    (tmp_path / "truncated.pt").write_bytes(whole[: len(whole) // 2])
    return witness


def test_files_that_are_no_weights_are_refused_with_the_path_and_never_run(tmp_path):
    witness = hostile_files(tmp_path)
    for path in sorted(tmp_path.glob("*.pt")):
        with pytest.raises(ExtractorError) as caught:
            load_pose_network(path)
        assert str(path) in str(caught.value)
    assert not witness.exists()


def test_a_file_of_another_ending_or_with_an_apostrophe_is_refused(tmp_path):
    with pytest.raises(ExtractorError, match=r"ends in \.pt"):
        load_pose_network(put(tmp_path, "model.onnx"))
    with pytest.raises(ExtractorError, match="apostrophe"):
        load_pose_network(put(tmp_path, "o'brien.pt"))


def test_without_safe_loading_nothing_is_loaded(tmp_path, monkeypatch):
    tasks = import_ultralytics("nn.tasks")
    monkeypatch.setattr(tasks._SafeLoad, "SUPPORTED", False)
    with pytest.raises(ExtractorError, match=r"torch 2\.6"):
        load_pose_network(put(tmp_path, "model.pt"))


@pytest.mark.parametrize(
    ("config", "options", "reason"),
    [
        ("yolov8n.yaml", {"nc": 1}, "not a pose model"),
        ("yolov8n-pose.yaml", {"nc": 1, "data_kpt_shape": (21, 3)}, "21, 3"),
        ("yolov8n-pose.yaml", {"nc": 3}, "3 classes"),
    ],
)
def test_another_kind_of_model_is_refused(tmp_path, config, options, reason):
    import torch

    tasks = import_ultralytics("nn.tasks")
    build = tasks.PoseModel if "pose" in config else tasks.DetectionModel
    torch.save({"model": build(config, verbose=False, **options)}, tmp_path / "other.pt")
    with pytest.raises(ExtractorError, match=reason):
        load_pose_network(tmp_path / "other.pt")
