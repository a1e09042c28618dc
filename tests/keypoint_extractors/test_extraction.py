"""From a video to an observation, and from any source to a KeypointSequence."""

from __future__ import annotations

import threading
from dataclasses import replace

import av
import numpy as np
import pytest

from keypoint_extractors import sources
from keypoint_extractors.cache import ObservationCache
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.extraction import observe_video
from keypoint_extractors.following import Follow
from keypoint_extractors.observation import Detections, no_detections
from keypoint_extractors.openpose_json import write_openpose_folder
from keypoint_extractors.registry import Extractor
from keypoint_extractors.sources import SourceReader, find_sources, folders_with_clips
from keypoint_extractors.video_limits import VideoLimits
from poseauth.errors import ExtractorError, KeypointFileError, NobodyError, VideoError
from poseauth.keypoint_files import write_keypoints
from poseauth.keypoints import ExtractorFingerprint

FINGERPRINT = ExtractorFingerprint("brightness", "1", "00" * 32)


class MeanBrightness:
    """A stand-in for a network: one person whose every keypoint tells the mean brightness of the picture."""

    fingerprint = FINGERPRINT
    sees_many = True
    sees_hands = False

    picture_side = 640

    def __init__(self, group_frames=4, fails_at=None):
        self.group_frames = group_frames
        self.groups = []
        self._fails_at = fails_at

    def detect(self, groups):
        for group in groups:
            self.groups.append(len(group.pictures))
            if self._fails_at is not None and sum(self.groups) > self._fails_at:
                raise ExtractorError("the network failed")
            yield [self._person(frame) for frame in group.pictures]

    def _person(self, frame):
        height, width = frame.shape[:2]
        points = np.full((1, 12, 2), frame.mean(), np.float32)
        return Detections(
            np.array([[0.3 * width, 0, 0.7 * width, height]], np.float32),
            np.ones(1, np.float32),
            points,
            np.ones((1, 12), np.float32),
        )

    def close(self):
        pass


class Nobody(MeanBrightness):
    def _person(self, frame):
        return no_detections()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    sequence = speak(STYLES[0], duration_s=3.0, seed=5, width=320, height=180, cuts_s=[1.0])
    return render_video(sequence, tmp_path_factory.mktemp("clips") / "clip.mp4")


def reader_with(estimator, cache=None):
    opened = []

    def open_estimator():
        opened.append(estimator)
        return estimator

    reader = SourceReader(
        lambda: Extractor("brightness", estimator.fingerprint, estimator.picture_side, False, open_estimator), cache
    )
    return reader, opened


def test_an_observation_holds_every_frame_shot_and_person(clip):
    estimator = MeanBrightness()
    seen = observe_video(clip, estimator)
    assert len(seen.timestamps_s) == len(seen.frame) == 90
    np.testing.assert_array_equal(np.flatnonzero(np.diff(seen.shot)), [29])
    # Groups end at the cut.
    assert estimator.groups == [4] * 7 + [2] + [4] * 15
    assert (seen.frame_width, seen.frame_height) == (320, 180)
    assert seen.extractor == FINGERPRINT
    assert len(seen.source_sha256) == 64


def test_the_size_of_the_groups_does_not_change_what_a_network_of_single_frames_sees(clip):
    one, many = (observe_video(clip, MeanBrightness(group_frames=size)) for size in (1, 16))
    np.testing.assert_array_equal(one.keypoints, many.keypoints)
    np.testing.assert_array_equal(one.track, many.track)


def test_a_network_that_needs_small_pictures_gets_them_and_answers_in_pixels_of_the_video(clip):
    small = MeanBrightness()
    small.picture_side = 100
    small.sizes = set()
    person = small._person

    def measured(frame):
        small.sizes.add(frame.shape)
        return person(frame)

    small._person = measured
    seen = observe_video(clip, small)
    assert small.sizes == {(60, 107, 3)}
    assert (seen.frame_width, seen.frame_height) == (320, 180)
    np.testing.assert_allclose(seen.boxes[0], [96, 0, 224, 180], rtol=1e-5)


def test_a_group_is_asked_for_ahead_and_what_comes_back_keeps_its_order(clip):
    class Ahead(MeanBrightness):
        def detect(self, groups):
            everything = [[self._person(frame) for frame in group.pictures] for group in groups]
            yield from everything

    ahead, one_by_one = observe_video(clip, Ahead()), observe_video(clip, MeanBrightness())
    np.testing.assert_array_equal(ahead.keypoints, one_by_one.keypoints)
    np.testing.assert_array_equal(ahead.shot, one_by_one.shot)


def test_progress_ends_at_the_number_expected(clip):
    told = []
    observe_video(clip, MeanBrightness(), on_progress=told.append)
    assert [p.n_done for p in told] == sorted(p.n_done for p in told)
    assert (told[-1].n_done, told[-1].n_expected) == (90, 90)


def test_a_network_that_fails_ends_the_decoding_thread(clip):
    with pytest.raises(ExtractorError, match="the network failed"):
        observe_video(clip, MeanBrightness(group_frames=1, fails_at=3))
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_a_decoder_that_fails_is_heard(tmp_path):
    path = tmp_path / "no.mp4"
    path.write_text("no video")
    with pytest.raises(VideoError):
        observe_video(path, MeanBrightness())


def test_a_second_reading_neither_decodes_nor_loads_the_network(clip, tmp_path, monkeypatch):
    cache = ObservationCache(tmp_path / "cache")
    first = reader_with(MeanBrightness(), cache)[0].read(clip)
    monkeypatch.setattr(sources, "observe_video", None)
    reader, opened = reader_with(MeanBrightness(), cache)
    second = reader.read(clip)
    assert not opened
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    assert second.provenance == first.provenance


def test_the_cache_knows_content_not_names(clip, tmp_path):
    cache = ObservationCache(tmp_path / "cache")
    reader_with(MeanBrightness(), cache)[0].read(clip)
    renamed = tmp_path / "renamed.mp4"
    renamed.write_bytes(clip.read_bytes())
    reader, opened = reader_with(MeanBrightness(), cache)
    assert reader.read(renamed).provenance.source_name == "renamed.mp4"
    assert not opened


def test_a_clip_that_was_cut_short_by_a_limit_is_not_kept(clip, tmp_path):
    cache = ObservationCache(tmp_path / "cache")
    unnumbered = tmp_path / "live.mkv"  # says nothing of its length
    with av.open(str(unnumbered), "w", options={"live": "1"}) as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    reader, _ = reader_with(MeanBrightness(), cache)
    reader.limits = VideoLimits(frames=10)
    short = reader.read(unnumbered)
    assert "stopped at a limit, 10 frames" in short.provenance.coverage.broke_off
    whole = reader_with(MeanBrightness(), cache)[0].read(unnumbered)
    assert len(whole.timestamps_s) > len(short.timestamps_s) == 10
    assert whole.provenance.coverage.broke_off is None


class SomebodyElseLater(MeanBrightness):
    """Somebody in the darker pictures, nobody in those between, somebody a little aside in the brighter ones."""

    def _person(self, frame):
        left = {0: 0.2, 2: 0.4}.get(round((float(frame.mean()) - 100) / 8))
        if left is None:
            return no_detections()
        height, width = frame.shape[:2]
        box = np.array([[left * width, 0, (left + 0.3) * width, height]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.full((1, 12, 2), 9, np.float32), np.ones((1, 12), np.float32))


@pytest.mark.parametrize(("rate", "nobody_s", "n_tracks"), [(30, 0.8, 1), (30, 1.4, 2), (10, 0.8, 1), (10, 1.4, 2)])
def test_a_person_who_is_lost_for_a_second_has_another_number_at_any_rate(tmp_path, rate, nobody_s, n_tracks):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for grey, lasts_s in ((100, 2.0), (108, nobody_s), (116, 2.0)):  # no cut
            for _ in range(round(lasts_s * rate)):
                picture = np.full((48, 64, 3), grey, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    observation = observe_video(path, SomebodyElseLater(group_frames=1))
    assert len(np.unique(observation.track)) == n_tracks


def test_another_extractor_does_not_get_the_cached_keypoints(clip, tmp_path):
    cache = ObservationCache(tmp_path / "cache")
    reader_with(MeanBrightness(), cache)[0].read(clip)
    other = MeanBrightness()
    other.fingerprint = replace(FINGERPRINT, version="2")
    reader, opened = reader_with(other, cache)
    reader.read(clip)
    assert opened


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK" + b"x" * 500])
def test_a_damaged_cache_entry_is_made_again(clip, tmp_path, damage):
    cache = ObservationCache(tmp_path / "cache")
    first = reader_with(MeanBrightness(), cache)[0].read(clip)
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    reader, opened = reader_with(MeanBrightness(), cache)
    np.testing.assert_array_equal(reader.read(clip).keypoints, first.keypoints)
    assert opened
    assert cache.find(first.provenance.source_sha256, FINGERPRINT, source_name="x") is not None


def test_forgetting_a_video_takes_its_entries_alone(clip, tmp_path):
    cache = ObservationCache(tmp_path / "cache")
    sequence = reader_with(MeanBrightness(), cache)[0].read(clip)
    assert cache.forget("0" * 64) == 0
    assert cache.forget(sequence.provenance.source_sha256) == 1
    assert not list((tmp_path / "cache").iterdir())


def test_the_decoder_starts_while_the_network_is_loaded_and_ends_where_it_cannot_be(clip, monkeypatch):
    happened = []

    class Watched(sources.IsolatedVideo):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            happened.append(self)

    def cannot_open():
        assert happened[-1]._process.poll() is None
        raise ExtractorError("no network")

    monkeypatch.setattr(sources, "IsolatedVideo", Watched)
    reader = SourceReader(lambda: Extractor("brightness", FINGERPRINT, 640, False, cannot_open))
    with pytest.raises(ExtractorError, match="no network"):
        reader.read(clip)
    assert happened[0]._process.returncode is not None


def test_a_keypoint_file_is_taken_where_a_video_is_and_needs_no_extractor(tmp_path):
    sequence = speak(STYLES[0], duration_s=1.0, seed=1)
    write_keypoints(sequence, tmp_path / "clip.npz")
    reader, opened = reader_with(MeanBrightness())
    np.testing.assert_array_equal(reader.read(tmp_path / "clip.npz").keypoints, sequence.keypoints)
    assert not opened


def test_an_openpose_folder_is_taken_where_a_video_is(tmp_path):
    sequence = speak(STYLES[0], duration_s=1.0, seed=1)
    write_openpose_folder(sequence, tmp_path / "json")
    read = reader_with(MeanBrightness())[0].read(tmp_path / "json")
    np.testing.assert_allclose(read.keypoints, sequence.keypoints, atol=0.01)
    assert read.provenance.extractor.name == "openpose"


def test_nobody_in_view_is_said(clip):
    with pytest.raises(NobodyError, match=r"clip\.mp4: nobody is in view in 3\.0 s"):
        reader_with(Nobody())[0].read(clip)


def test_a_track_that_is_not_there_is_refused(clip):
    with pytest.raises(NobodyError):
        reader_with(MeanBrightness())[0].read(clip, who=Follow(track=99))


def test_a_folder_gives_its_clips_by_name(tmp_path):
    for name in ("b.mp4", "a.MOV", "notes.txt", ".hidden.mp4", "k.npz"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.avi").write_bytes(b"x")
    assert [path.name for path in find_sources(tmp_path)] == ["a.MOV", "b.mp4", "k.npz"]
    assert [path.name for path in find_sources(tmp_path, recursive=True)] == ["a.MOV", "b.mp4", "c.avi", "k.npz"]


def test_links_that_lead_in_circles_are_followed_once(tmp_path):
    (tmp_path / "inside").mkdir()
    for name in ("one.mp4", "inside/two.mp4"):
        (tmp_path / name).touch()
    for name in ("a", "b", "inside/up"):
        (tmp_path / name).symlink_to(tmp_path, target_is_directory=True)
    assert find_sources(tmp_path, recursive=True) == [tmp_path / "inside" / "two.mp4", tmp_path / "one.mp4"]


def test_a_folder_without_clips_and_a_path_to_nothing_are_named(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(VideoError, match="no clip in this folder"):
        find_sources(tmp_path)
    with pytest.raises(VideoError, match="no such file or folder"):
        find_sources(tmp_path / "nothing")


def test_folders_in_a_folder_that_hold_clips_are_found_however_deep_and_no_link_to_the_folder_itself(tmp_path):
    for name in ("top.mp4", "2023/a.mp4", "2024/spring/b.npz", "notes/n.txt", ".trash/c.mp4", "json/0_keypoints.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [path.name for path in folders_with_clips(tmp_path)] == ["2023", "2024"]


def test_a_folder_that_can_be_listed_and_not_entered_stops_no_search_for_others(tmp_path, monkeypatch):
    for name in ("locked/in it/a.mp4", "open/b.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    is_dir = type(tmp_path).is_dir

    def not_entered(path):
        if path.parent.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(type(tmp_path), "is_dir", not_entered)
    assert [path.name for path in folders_with_clips(tmp_path)] == ["open"]
    assert [path.name for path in find_sources(tmp_path, recursive=True)] == ["b.mp4"]


def test_of_a_whole_disk_only_some_folders_are_looked_into_to_say_that_they_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_MOST_ENTERED", 4)
    for name in ("a/1/2/3/deep.mp4", "b/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert folders_with_clips(tmp_path) == []
    assert len(find_sources(tmp_path, recursive=True)) == 2


def test_a_folder_whose_clips_are_all_in_folders_in_it_names_these(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "clip.mp4").touch()
    with pytest.raises(VideoError, match=r"no clip in this folder itself; .*\(0, 1, 2, 3, 4 and 2 more\), which --rec"):
        find_sources(tmp_path)
    assert len(find_sources(tmp_path, recursive=True)) == 7


@pytest.mark.parametrize("address", ["https://example.org/clip.mp4", "rtsp://camera/1", "concat://a|b"])
def test_addresses_are_refused_by_name(address):
    from pathlib import Path

    with pytest.raises(VideoError, match="addresses are not opened"):
        find_sources(Path(address))


def test_an_empty_video_is_called_empty_and_loads_no_network(tmp_path):
    (tmp_path / "clip.mp4").touch()
    reader, opened = reader_with(MeanBrightness())
    with pytest.raises(VideoError, match=r"clip\.mp4: the file is empty\. Copy or download it again"):
        reader.read(tmp_path / "clip.mp4")
    assert opened == []


def test_a_damaged_keypoint_file_is_named(tmp_path):
    (tmp_path / "clip.npz").write_bytes(b"PK broken")
    with pytest.raises(KeypointFileError, match=r"clip\.npz"):
        reader_with(MeanBrightness())[0].read(tmp_path / "clip.npz")
