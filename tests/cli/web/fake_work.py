"""Work for the server's process that needs no networks: what it does with a clip stands in the clip's name."""

from __future__ import annotations

import os
import signal
import time

from cli.web.jobs import Answer
from cli.web.work import Stage
from poseauth.errors import EnrolmentError


class FakeWork:
    def __call__(self, task, tell):
        name = task.file.name
        tell(Stage("3 frames decoded, pose found in 1 of 4", 0.25))
        for step in range(60 if "steps" in name else 0):
            time.sleep(0.1)
            tell(Stage(f"{step} frames decoded, pose found in {step} of 60", step / 60))
        if "slow" in name:
            time.sleep(60)
        if "crash" in name:
            os.kill(os.getpid(), signal.SIGKILL)
        if "broken" in name:
            raise ValueError("nobody foresaw this")
        if "refused" in name:
            raise EnrolmentError("there is too little of it")
        task.page.write_text("<!DOCTYPE html><title>a report</title>")
        task.page.with_suffix(".json").write_text("{}")
        return Answer("authentic", task.person, f"by process {os.getpid()}", ("a reason",), has_report=True)
