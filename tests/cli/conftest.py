"""A small recipe, speeches as keypoint files, and a person enrolled from them through the command line."""

from __future__ import annotations

import shutil

import pytest

from cli.main import main
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.sources import SourceReader
from poseauth.keypoint_files import write_keypoints
from poseauth.recipes import RECIPES, Architecture, Recipe, TrainingOptions

SMALL = Recipe(
    "default",
    Architecture(hidden=16, layers=1, dropout=0.0),
    TrainingOptions(epochs=1, min_steps=40, learning_rate=1e-2),
)


@pytest.fixture(autouse=True)
def small_recipe(monkeypatch):
    monkeypatch.setitem(RECIPES, "default", SMALL)


@pytest.fixture
def poseauth(capsys):
    """Runs a command; gives its exit status, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture(scope="session")
def speeches(tmp_path_factory):
    """Keypoint files: ada/ and test-ada.npz are one style, others/ three more, test-other.npz one of them."""
    folder = tmp_path_factory.mktemp("speeches")
    for name, style, seed, seconds in (
        ("ada/one", 0, 1, 10),
        ("ada/two", 0, 2, 10),
        ("ada/three", 0, 11, 10),
        ("ada/four", 0, 12, 10),
        ("others/bob", 1, 3, 12),
        ("others/cleo", 2, 4, 12),
        ("others/dan", 3, 13, 12),
        ("test-ada", 0, 5, 14),
        ("test-other", 1, 6, 14),
        ("short", 0, 7, 4),
    ):
        write_keypoints(speak(STYLES[style], duration_s=seconds, seed=seed), folder / f"{name}.npz")
    return folder


@pytest.fixture(scope="session")
def others_twice(speeches, tmp_path_factory):
    """Two speeches of each of the others, a folder a person: against one of each, three videos prove nothing."""
    folder = tmp_path_factory.mktemp("others-twice")
    for style, name, seed in ((1, "bob", 31), (2, "cleo", 32), (3, "dan", 33)):
        (folder / name).mkdir()
        shutil.copy(speeches / f"others/{name}.npz", folder / name)
        write_keypoints(speak(STYLES[style], duration_s=12, seed=seed), folder / name / "second.npz")
    return folder


@pytest.fixture(scope="session")
def enrolled_home(speeches, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setitem(RECIPES, "default", SMALL)
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "enroll",
                    "--person",
                    "Ada",
                    str(speeches / "ada"),
                    "--impostor",
                    str(speeches / "others"),
                    "--home",
                    str(home),
                ]
            )
    assert ended.value.code == 0
    return home


@pytest.fixture
def home(enrolled_home, tmp_path):
    """A copy of a home in which Ada is enrolled: a test may do to it what it likes."""
    return shutil.copytree(enrolled_home, tmp_path / "home")


def put_clips(speeches, clips, *, more, named, note):
    """A folder of clips: Ada's, somebody else's, one that is too short, one in a folder of its own, and no clip."""
    (clips / "more").mkdir(parents=True)
    for name in ("test-ada", "test-other", "short"):
        shutil.copy(speeches / f"{name}.npz", clips)
    shutil.copy(speeches / f"{more}.npz", clips / f"more/{named}.npz")
    (clips / note).write_text("no video and no keypoints")
    return clips


@pytest.fixture
def verify(poseauth, home):
    """Runs verify on a home in which Ada is enrolled; gives exit status, stdout, stderr."""

    def run(*arguments, person="Ada"):
        who = () if person is None else ("--person", person)
        return poseauth("verify", *arguments, *who, "--home", home)

    return run


@pytest.fixture
def n_read(monkeypatch):
    """Names of the clips whose keypoints were read."""
    names = []
    read = SourceReader.read

    def counted(self, path, **options):
        names.append(path.name)
        return read(self, path, **options)

    monkeypatch.setattr(SourceReader, "read", counted)
    return names
