"""What of a video is learnt from: the windows that are evidence, as at verification.

Whatever is kept of a person is kept whole; whoever learns from it, or holds anything against it, asks here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poseauth.evidence import AFTER_S, Evidence, some_of, weigh_evidence
from poseauth.keypoints import KeypointSequence
from poseauth.windows import WINDOW_S, WindowOptions, Windows, cut_windows


@dataclass(frozen=True, eq=False)
class Learnable:
    """The windows of one video that are learnt from, which may be none, and which of all its windows are evidence."""

    windows: Windows
    evidence: Evidence

    @property
    def left_out(self) -> str:
        """What is not learnt from and why, in a line; "" where everything is."""
        if not self.evidence.told:
            return ""
        n = len(self.evidence.counts)
        head = f"{n - len(self.windows)} of {n} windows are not learnt from" if len(self.windows) else "not usable"
        return f"{head}: {'; '.join(self.evidence.told)}"


def learnable_windows(sequence: KeypointSequence, cut: WindowOptions) -> Learnable:
    """Cut a video and leave out windows in which nobody moves or is too small, and what it has shown before.

    Nothing is left of a video that is a loop throughout: where what does not come again fills no more than one round,
    and the window that the round ends in, the video holds one piece of movement and no more.

    Parameters
    ----------
    sequence : KeypointSequence
        The video's keypoints.
    cut : WindowOptions
        How windows are cut.
    """
    windows = cut_windows(sequence, cut)
    evidence = weigh_evidence(windows)
    kept = some_of(windows, evidence.counts)
    if evidence.period_s is not None and kept.seconds <= max(evidence.period_s, AFTER_S[0]) + WINDOW_S:
        kept = some_of(windows, np.zeros(len(windows), bool))
    return Learnable(kept, evidence)
