"""What is learnt from: movement, once; not stillness, not what comes again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from person_profiles.learnable import learnable_windows
from poseauth.windows import WindowOptions, cut_windows
from tests.person_profiles.conftest import frozen, looped

CUT = WindowOptions()


def test_all_windows_of_a_person_who_moves_are_learnt_from(speech):
    sequence = speech("ada", duration_s=30)
    found = learnable_windows(sequence, CUT)
    np.testing.assert_array_equal(found.windows.start_s, cut_windows(sequence, CUT).start_s)
    assert found.left_out == ""


def test_a_video_in_which_nobody_moves_is_not_usable(speech):
    found = learnable_windows(frozen(speech("ada", duration_s=20), 0), CUT)
    assert len(found.windows) == 0
    assert found.left_out == "not usable: nobody moves in any of 16 windows: a still picture or a frozen video?"


def test_what_moves_before_a_video_freezes_is_learnt_from(speech):
    found = learnable_windows(frozen(speech("ada", duration_s=40), 20), CUT)
    # A window from 17.5 s on has half of its five seconds in the frozen half.
    assert 17 <= found.windows.start_s[-1] <= 18
    n = len(found.windows)
    assert found.left_out.startswith(f"{36 - n} of 36 windows are not learnt from: nobody moves in {36 - n} of 36")


@pytest.mark.parametrize("period_s", [1, 3, 8])
def test_a_video_that_is_a_loop_throughout_is_not_usable(speech, period_s):
    found = learnable_windows(looped(speech("ada", duration_s=60), period_s), CUT)
    assert len(found.windows) == 0
    assert found.left_out.startswith(f"not usable: the same {period_s:.1f} s of movement again and again in ")


def test_a_loop_at_the_end_of_a_video_takes_away_no_more_than_itself(speech):
    sequence = speech("ada", duration_s=60)
    found = learnable_windows(looped(sequence, 2, from_s=40), CUT)
    starts = found.windows.start_s
    assert starts[:36].tolist() == list(range(36))
    assert starts[-1] < 44
    assert f"{56 - len(starts)} of 56 windows are not learnt from: the same 2.0 s of movement" in found.left_out


def test_a_window_of_any_stride_is_left_out_alike(speech):
    sequence = frozen(speech("ada", duration_s=40), 20)
    dense = learnable_windows(sequence, replace(CUT, stride_frames=15))
    sparse = learnable_windows(sequence, CUT)
    assert set(sparse.windows.start_s) <= set(dense.windows.start_s)
