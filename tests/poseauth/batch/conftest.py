"""Places that several machines can write to: a folder, and a bucket of an object store that runs here."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """A folder, then a bucket: what holds for one holds for the other."""
    if request.param == "folder":
        return str(tmp_path / "place")
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
