"""A long clip goes by way of the disk: the answer is the same, and nothing is left there."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest

from keypoint_extractors.cache import ObservationCache
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.extraction import observe_video
from keypoint_extractors.following import follow
from keypoint_extractors.observation import Detections
from poseauth import long_arrays
from poseauth.errors import ExtractorError, NobodyError, StorageError
from poseauth.keypoints import keypoint_sequence
from tests.keypoint_extractors.test_extraction import MeanBrightness, Nobody

ARRAYS = ("timestamps_s", "shot", "frame", "track", "boxes", "scores", "keypoints", "confidence")


class SeveralPeople(MeanBrightness):
    """One in the middle who is away now and then, one aside, one who comes late; some keypoints are not seen."""

    def __init__(self, **options):
        super().__init__(**options)
        self._rng, self._frame = np.random.default_rng(3), -1

    def _person(self, picture):
        self._frame += 1
        height, width = picture.shape[:2]
        lefts = [0.05] + [0.35] * (self._frame % 20 != 19) + [0.75] * (self._frame > 40)
        boxes = [[left * width, 0.1 * height, (left + 0.2 + 0.1 * (left == 0.35)) * width, height] for left in lefts]
        points = self._rng.uniform(0, 300, (len(lefts), 12, 2)).astype(np.float32)
        confidence = self._rng.choice([0.0, 0.5, 0.9], (len(lefts), 12)).astype(np.float32)
        points[confidence == 0] = np.nan
        return Detections(np.array(boxes, np.float32), np.full(len(lefts), 0.9, np.float32), points, confidence)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    sequence = speak(STYLES[0], duration_s=4.0, seed=5, width=320, height=180, cuts_s=[2.0])
    return render_video(sequence, tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """From here on every array lies in a file of a folder of its own, and clips are gone through in small pieces."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    n_files = []
    file = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: n_files.append(1) or file(**options))

    def begin():
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.setattr(long_arrays, "IN_MEMORY_BYTES", 0)
        monkeypatch.setattr(long_arrays, "PIECE_FRAMES", 7)
        return folder, n_files

    return begin


def followed_at_once(seen, sequence):
    """The sequence again, from all arrays at once: whose detection is followed in each frame is known by its values."""
    keypoints = np.full((len(seen.timestamps_s), 12, 2), np.nan, np.float32)
    confidence = np.zeros((len(seen.timestamps_s), 12), np.float32)
    for row, frame in enumerate(seen.frame):
        if np.array_equal(seen.keypoints[row], sequence.keypoints[frame], equal_nan=True):
            keypoints[frame], confidence[frame] = seen.keypoints[row], seen.confidence[row]
    return keypoint_sequence(keypoints, confidence, seen.timestamps_s, seen.shot, provenance=sequence.provenance)


def test_what_is_seen_and_who_is_followed_are_the_same_by_way_of_the_disk(clip, tmp_path, on_disk):
    short = observe_video(clip, SeveralPeople())
    alone = follow(short)
    assert len(np.unique(short.track)) >= 6
    folder, n_files = on_disk()
    long = observe_video(clip, SeveralPeople())
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(long, name), getattr(short, name))
    sequence = follow(long)
    assert len(n_files) == 6
    assert sequence.provenance == alone.provenance
    for name in ("keypoints", "confidence", "timestamps_s", "shot"):
        for other in (alone, followed_at_once(short, alone)):
            np.testing.assert_array_equal(getattr(sequence, name), getattr(other, name))
    assert sequence.digest == alone.digest
    assert 30 < sequence.seen.any(axis=1).sum() < 120
    cache = ObservationCache(tmp_path / "cache")
    cache.keep(long)
    kept = cache.find(long.source_sha256, long.extractor, source_name="clip.mp4")
    np.testing.assert_array_equal(follow(kept).keypoints, alone.keypoints)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("estimator", "error"), [(SeveralPeople(fails_at=80), ExtractorError), (Nobody(), NobodyError)]
)
def test_nothing_is_left_of_the_files_after_an_error(clip, on_disk, estimator, error):
    folder, n_files = on_disk()
    with pytest.raises(error):
        follow(observe_video(clip, estimator))
    assert not list(folder.iterdir())
    assert bool(n_files) == (error is ExtractorError)


def test_a_disk_without_room_is_said_and_ends_the_decoder(clip, on_disk, monkeypatch):
    on_disk()
    monkeypatch.setattr(tempfile, "tempdir", str(clip.parent / "nowhere"))
    with pytest.raises(StorageError, match=r"nowhere.*TMPDIR"):
        observe_video(clip, SeveralPeople())
