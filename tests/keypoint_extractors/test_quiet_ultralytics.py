"""What importing ultralytics must not do to the process and the user's files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keypoint_extractors.quiet_ultralytics import SWITCHES, import_ultralytics
from poseauth.errors import ExtractorMissingError

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import os, sys, numpy as np
from keypoint_extractors.quiet_ultralytics import SWITCHES, import_ultralytics
assert not {"ultralytics", "torch", "cv2"} & set(sys.modules)
shown = str(np.array([1 / 3]))
import torch, cv2
before = dict(os.environ)
threads = torch.get_num_threads(), cv2.getNumThreads()
tasks = import_ultralytics("nn.tasks")
import_ultralytics("trackers.byte_tracker")
assert (torch.get_num_threads(), cv2.getNumThreads()) == threads, threads
assert {key: value for key, value in os.environ.items() if key not in SWITCHES} == before
assert str(np.array([1 / 3])) == shown
utils = import_ultralytics("utils")
assert not utils.ONLINE and not utils.AUTOINSTALL and not utils.VERBOSE and utils.SAFE_LOAD
assert not import_ultralytics("utils.events").events.enabled
utils.LOGGER.error("for stderr")
assert "torchvision" not in sys.modules
"""


def test_the_process_and_the_users_files_stay_as_they_were(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key not in SWITCHES}
    environment.pop("OMP_NUM_THREADS", None)
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    assert "for stderr" in run.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_switches_hold_for_child_processes():
    import_ultralytics()
    assert {key: os.environ[key] for key in SWITCHES} == SWITCHES
    assert "YOLO_CONFIG_DIR" not in os.environ


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ImportError("libGL.so.1: cannot open shared object file"), "apt-get install libgl1"),
        (ImportError("libgthread-2.0.so.0: cannot open shared object file"), "apt-get install libglib2.0-0"),
        (ModuleNotFoundError("No module named 'ultralytics'", name="ultralytics"), "pip install --upgrade ultralytics"),
    ],
    ids=["libGL", "libgthread", "ultralytics"],
)
def test_what_is_missing_is_named_with_what_to_do(monkeypatch, error, advice):
    from keypoint_extractors import quiet_ultralytics

    def fail(name):
        raise error

    monkeypatch.setattr(quiet_ultralytics.importlib, "import_module", fail)
    with pytest.raises(ExtractorMissingError, match=advice) as caught:
        import_ultralytics()
    assert caught.value.__cause__ is error
