"""Work for processes that import it by its name."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

from poseauth.errors import ExtractorMissingError, NoEvidenceError, StorageError


def make(folder):
    """Each process that makes this leaves a file of its own."""
    folder = Path(folder)
    (folder / f"made-{os.getpid()}").touch()

    def work(piece, tell):
        kind, number = piece
        with (folder / f"tried-{number}").open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        if kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "die once" and len((folder / f"tried-{number}").read_text().split()) == 1:
            os._exit(7)
        if kind == "fail":
            raise ZeroDivisionError("nobody foresaw it")
        if kind == "full":
            raise StorageError("the disk is full. Free space")
        if kind == "no evidence":
            raise NoEvidenceError("nobody moves", n_windows_still=3)
        if kind == "wait":
            while not (folder / "go").exists():
                time.sleep(0.01)
        if kind == "child":
            child = multiprocessing.Process(target=(folder / "by-a-child").touch)
            child.start()
            child.join()
        tell(f"half of {number}")
        return number * 2

    return work


def cannot_make():
    raise ExtractorMissingError("nothing can run here. Install it")
