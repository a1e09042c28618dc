"""Places that several machines can write to: a folder, and a bucket of an object store that runs here."""

from __future__ import annotations

import pytest


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


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """A folder, then a bucket: what holds for one holds for the other."""
    if request.param == "folder":
        return str(tmp_path / "place")
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
