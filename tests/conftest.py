"""What tests of several folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster_here import cluster

# As the command line does, before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Before Ray is imported: it and its workers listen on 127.0.0.1 alone.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

SHARED_DATA = Path(__file__).resolve().parents[1] / "../shared/data"


def shared_path(relative: str) -> Path:
    path = SHARED_DATA / relative
    if not path.exists():
        pytest.skip(f"../shared/data/{relative} is not here")
    return path


@pytest.fixture
def shared():
    """Gives a path under ../shared/data, or skips the test by its name."""
    return shared_path


GIVEN_MODELS = os.environ.get("POSEAUTH_MODELS")


@pytest.fixture(autouse=True, scope="session")
def model_folder(tmp_path_factory):
    """Where the pose models of all tests are kept, and not the user's; empty until a test asks for `models`."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pose-models"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSEAUTH_MODELS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def models(model_folder):
    """The folder with the pose models, fetched once: from $POSEAUTH_MODELS, else by pip; else tests are skipped."""
    from filelock import FileLock

    from keypoint_extractors.blazepose.model_files import get_models
    from poseauth.errors import ModelsNotFoundError

    with FileLock(f"{model_folder}.lock"):
        try:
            return get_models(Path(GIVEN_MODELS) if GIVEN_MODELS else None)
        except ModelsNotFoundError as error:
            pytest.skip(f"the pose models cannot be fetched: {error}")


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test sees or touches the user's profiles, cache or weights."""
    monkeypatch.setenv("POSEAUTH_HOME", str(tmp_path / "own-home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own-cache"))
    monkeypatch.delenv("POSEAUTH_WEIGHTS", raising=False)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny networks on many threads wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def ray_cluster():
    """A Ray cluster of two cores on this machine; where none can be, tests that need it are skipped with the reason."""
    with cluster() as started:
        yield started


@pytest.fixture(scope="session")
def bucket():
    """The address of a bucket of moto's S3, on this machine alone."""
    pytest.importorskip("s3fs", reason="s3fs is not here")
    server = pytest.importorskip("moto.server", reason="moto is not here")
    thread = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    thread.start()
    host, port = thread.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("archive")
    yield "s3://archive"
    patch.undo()
    s3fs.S3FileSystem.clear_instance_cache()
    thread.stop()
