"""ultralytics as this project lets it run: no network, no installs, no pickles, no settings, no threads changed.

Everything that needs ultralytics imports it through `import_ultralytics`, since its switches are read once, at its
first import.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
from types import ModuleType

import numpy as np

from keypoint_extractors.system_libraries import told_what_is_missing

SWITCHES = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
    "ULTRALYTICS_SAFE_LOAD": "1",
    "YOLO_VERBOSE": "false",
}
"""Environment of ultralytics.utils: no usage events or version checks, no pip, weights_only, errors only."""

_ADVICE = "Try: pip install --upgrade ultralytics lap, or --extractor blazepose"


def import_ultralytics(submodule: str = "") -> ModuleType:
    """Import ultralytics, or one of its modules, without what it does to the process.

    Left in the environment are SWITCHES alone: they hold for child processes too. The number of threads of torch
    and OpenCV, OMP_NUM_THREADS and NumPy's print options are as before. Its settings go to a folder that is gone
    when the import ends, so nothing of the user's is read or written.

    Parameters
    ----------
    submodule : str
        For instance "nn.tasks"; empty for the package itself.

    Raises
    ------
    ExtractorMissingError
        If ultralytics, or a package or system library it needs, is not there.
    """
    name = f"ultralytics.{submodule}" if submodule else "ultralytics"
    with told_what_is_missing("ultralytics, which the extractor yolo needs,", _ADVICE):
        if name in sys.modules and all(os.environ.get(key) == value for key, value in SWITCHES.items()):
            return importlib.import_module(name)
        # Before ultralytics sets OMP_NUM_THREADS=1, which OpenMP reads once.
        torch = importlib.import_module("torch")
        cv2 = importlib.import_module("cv2")
        n_threads, n_cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
        environment = dict(os.environ)
        try:
            with tempfile.TemporaryDirectory(prefix="poseauth-", ignore_cleanup_errors=True) as folder:
                os.environ.update(SWITCHES, YOLO_CONFIG_DIR=folder)
                with np.printoptions():
                    importlib.import_module("ultralytics")
                    module = importlib.import_module(name)
        finally:
            _restore_environment(environment)
            torch.set_num_threads(n_threads)
            cv2.setNumThreads(n_cv2_threads)
    _log_to_the_root()
    return module


def _restore_environment(before: dict[str, str]) -> None:
    for key in set(os.environ) - set(before):
        del os.environ[key]
    os.environ.update(before)
    os.environ.update(SWITCHES)


def _log_to_the_root() -> None:
    """Take away the handler that writes to stdout, which is for data."""
    logger = logging.getLogger("ultralytics")
    logger.handlers.clear()
    logger.propagate = True
