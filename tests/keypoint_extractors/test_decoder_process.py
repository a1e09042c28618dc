"""What a file does to its decoder ends that file, in words, and nothing else."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from keypoint_extractors import decoder_process
from keypoint_extractors.decoder_process import IsolatedVideo
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from keypoint_extractors.extraction import observe_video
from keypoint_extractors.video import VideoReader
from keypoint_extractors.video_limits import VideoLimits, limits_from
from poseauth.errors import ExtractorError, VideoError
from poseauth.keypoints import Coverage
from tests.keypoint_extractors.test_extraction import MeanBrightness

OPENING = {
    "info": {"width": 64, "height": 48, "n_promised": 9, "duration_s": 1.0, "rotation": 0, "rate": 9.0},
    "picture_size": [64, 48],
}
CLOSING = {"n_promised": 9, "n_decoded": 9, "n_kept": 1, "broke_off": None}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    sequence = speak(STYLES[0], duration_s=2.0, seed=5, width=320, height=180)
    return render_video(sequence, tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture
def decoder(monkeypatch):
    """Puts a program in the place of the decoder; it has `write(kind, time_s, content)`."""

    def replace(body):
        monkeypatch.setattr(
            decoder_process,
            "_PROGRAM",
            "import os, signal, struct, time\n"
            "began = time.monotonic()\n"
            "def write(kind, time_s, content, n=None):\n"
            "    os.write(1, struct.pack('<cdI', kind, time_s, len(content) if n is None else n) + content)\n"
            f"write(b'I', 0.0, {json.dumps(OPENING).encode()!r})\n{body}",
        )

    return replace


PICTURE = "write(b'P', 0.0, bytes(64 * 48 * 3))\n"


def read_all(path, **limits):
    with IsolatedVideo(path, limits=VideoLimits(**limits)) as video:
        return list(video), video.coverage


def test_the_pictures_are_those_of_the_reader(clip):
    reader = VideoReader(clip, picture_side=160)
    with IsolatedVideo(clip, picture_side=160) as video:
        assert (video.info, video.picture_size) == (reader.info, reader.picture_size) == (reader.info, (160, 90))
        for isolated, plain in zip(video, reader, strict=True):
            assert isolated.time_s == plain.time_s
            np.testing.assert_array_equal(isolated.rgb, plain.rgb)
        assert video.coverage == reader.coverage


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (PICTURE + "os.kill(os.getpid(), signal.SIGSEGV)", r"crashed after 1 pictures \(SIGSEGV\)"),
        (PICTURE + "os.kill(os.getpid(), signal.SIGKILL)", r"crashed after 1 pictures \(SIGKILL\).*memory_mb"),
        (PICTURE + "os._exit(7)", r"crashed after 1 pictures \(status 7\)"),
        (PICTURE, r"crashed after 1 pictures \(status 0\)"),
        (PICTURE + "time.sleep(60)", r"hung after 1 pictures: nothing came for 0\.5 s"),
        ("write(b'P', 0.0, bytes(100))", "a picture has 100 bytes, 64 x 48 have other"),
        ("write(b'P', 0.0, b'', 4000000000)", "a picture has 4000000000 bytes"),
        ("write(b'P', float('nan'), bytes(64 * 48 * 3))", "something else than a picture"),
        ("write(b'Z', 0.0, b'')", "something else than a picture"),
        ("write(b'E', 0.0, b'', 4000000000)", "4000000000 bytes of words"),
    ],
)
def test_a_decoder_that_crashes_hangs_or_lies_ends_the_clip_in_words(clip, decoder, body, message):
    decoder(body)
    with pytest.raises(VideoError, match=rf"clip\.mp4: .*{message}"):
        read_all(clip, stall_s=0.5)


ABSURD = [
    *[None, True, 0, -1, 2.5, "64", [64], {}, float("nan"), float("inf"), 1e300],
    10**300, 10**5000,
]  # fmt: skip


def changed(words, *names, value):
    """The words with another value in one place; without it where the value is ...."""
    words = json.loads(json.dumps(words))
    inner = words
    for name in names[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[names[-1]]
    else:
        inner[names[-1]] = value
    return words


def dumped(words):
    previous = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(words)
    finally:
        sys.set_int_max_str_digits(previous)


NO_WORDS = ["", "{", "null", "[]", "7", '"text"', "{}", "\x00", "[" * 100_000, '{"info": {}, "picture_size": [64, 48]}']


def lies_at_first():
    """Opening words of which not one can be true."""
    yield from NO_WORDS
    yield dumped({**OPENING, "more": 1})
    for place in (("info",), ("picture_size",), ("info", "rate"), ("picture_size", 1)):
        yield dumped(changed(OPENING, *place, value=...))
    possible = {"n_promised": (None, 0), "duration_s": (None, 2.5), "rate": (None, 2.5), "rotation": (0,)}
    for name in OPENING["info"]:
        for value in ABSURD:
            if not any(value is one or (type(value) is type(one) and value == one) for one in possible.get(name, ())):
                yield dumped(changed(OPENING, "info", name, value=value))
    for side in (0, 1):
        for value in [*ABSURD, 65, 10**9]:
            yield dumped(changed(OPENING, "picture_size", side, value=value))
    yield dumped(changed(OPENING, "info", "rotation", value=45))
    yield dumped(changed(changed(OPENING, "info", "width", value=10_000), "info", "height", value=10_000))


def lies_at_last():
    """Closing words of which not one can be true after one picture."""
    yield from NO_WORDS
    yield dumped({**CLOSING, "more": 1})
    for name in CLOSING:
        yield dumped(changed(CLOSING, name, value=...))
    for value in [*ABSURD, 2]:
        yield dumped(changed(CLOSING, "n_kept", value=value))
        yield dumped(changed(CLOSING, "n_promised", value=value))
        if value != 2:
            yield dumped(changed(CLOSING, "n_decoded", value=value))
    for value in (0, True, ["text"], float("nan")):
        yield dumped(changed(CLOSING, "broke_off", value=value))


class Told:
    """In the place of the decoder's process: its pipe holds what is given, and then ends."""

    def __init__(self, *messages):
        self.stdin, self.stdout, self.returncode = None, io.BytesIO(), 0
        for kind, time_s, content in messages:
            self.stdout.write(struct.pack("<cdI", kind, time_s, len(content)) + content)
        self.stdout.seek(0)

    def poll(self):
        return 0

    def wait(self, timeout=None):
        return 0


@pytest.fixture
def told(monkeypatch):
    """Puts messages in the place of the decoder: many lies, and no process for each."""
    return lambda *messages: monkeypatch.setattr(decoder_process, "_start", lambda *_: Told(*messages))


def test_the_words_that_the_lies_are_made_of_are_believed(clip, told):
    told((b"I", 0.0, dumped(OPENING).encode()), (b"P", 0.0, bytes(64 * 48 * 3)), (b"E", 0.0, dumped(CLOSING).encode()))
    frames, coverage = read_all(clip)
    assert (len(frames), coverage) == (1, Coverage(9, 9, 1, None))


def test_what_a_decoder_says_at_first_is_believed_only_where_it_can_be(clip, told):
    lies = list(lies_at_first())
    assert len(lies) > 90
    for lie in lies:
        told((b"I", 0.0, lie.encode()))
        with pytest.raises(VideoError, match=r"clip\.mp4: the decoder's words cannot be trusted: .") as caught:
            read_all(clip)
        assert len(str(caught.value)) < 500 + len(str(clip)), lie[:100]


def test_what_a_decoder_says_at_last_is_believed_only_where_it_can_be(clip, told):
    lies = list(lies_at_last())
    assert len(lies) > 45
    for lie in lies:
        told((b"I", 0.0, dumped(OPENING).encode()), (b"P", 0.0, bytes(64 * 48 * 3)), (b"E", 0.0, lie.encode()))
        with pytest.raises(VideoError, match=r"clip\.mp4: the decoder's words cannot be trusted: ."):
            read_all(clip)


def test_an_end_without_a_picture_is_a_lie(clip, told):
    told((b"I", 0.0, dumped(OPENING).encode()), (b"E", 0.0, dumped({**CLOSING, "n_kept": 0}).encode()))
    with pytest.raises(VideoError, match=r"clip\.mp4: .*no picture came"):
        read_all(clip)


@pytest.mark.parametrize("times_s", [(-1.0,), (0.0, 0.0), (0.0, 1.0, 0.5), (0.0, 1e9)])
def test_times_that_cannot_be_are_not_believed(clip, told, times_s):
    pictures = [(b"P", time_s, bytes(64 * 48 * 3)) for time_s in times_s]
    told((b"I", 0.0, dumped(OPENING).encode()), *pictures)
    with pytest.raises(VideoError, match=re.escape(f"clip.mp4: the decoder gave a picture of {times_s[-1]:g} s")):
        read_all(clip)


def test_a_decoder_that_never_ends_is_stopped_at_the_limit_of_frames(clip, decoder):
    decoder("n = 0\nwhile True:\n    write(b'P', float(n), bytes(64 * 48 * 3))\n    n += 1")
    with pytest.raises(VideoError, match=r"clip\.mp4: the decoder gave more than 12 pictures"):
        read_all(clip, frames=12)


@pytest.mark.parametrize("lie", [*NO_WORDS, '{"error": null}', '{"error": {}}', '{"error": "x", "more": 1}'])
def test_a_reason_that_is_none_is_said_of_the_file(clip, told, lie):
    told((b"X", 0.0, lie.encode()))
    with pytest.raises(VideoError, match=r"clip\.mp4: the decoder's words cannot be trusted"):
        read_all(clip)


@pytest.mark.parametrize("with_name", [True, False])
def test_a_reason_names_the_file_once_in_one_line_of_some_length(clip, told, with_name):
    name = f"{clip}: " if with_name else ""
    told((b"X", 0.0, json.dumps({"error": f"{name}\x1b[2Jgone\nclip2.mp4: AUTHENTIC" + "!" * 10_000}).encode()))
    with pytest.raises(VideoError) as caught:
        read_all(clip)
    assert str(caught.value).startswith(f"{clip}: \\x1b[2Jgone\\nclip2.mp4: AUTHENTIC!!!")
    assert len(str(caught.value)) < 3000


def test_no_room_for_a_picture_is_said_of_the_file(clip, told, monkeypatch):
    def no_room(*_):
        raise MemoryError

    told((b"I", 0.0, dumped(OPENING).encode()), (b"P", 0.0, bytes(64 * 48 * 3)))
    monkeypatch.setattr(decoder_process.np, "empty", no_room)
    with pytest.raises(VideoError, match=r"clip\.mp4: no memory for a picture of 64 x 48"):
        read_all(clip)


def test_a_decoder_that_crawls_is_ended_in_the_end(clip, decoder):
    decoder("while True:\n    write(b'P', time.monotonic() - began, bytes(64 * 48 * 3))\n    time.sleep(0.2)")
    with pytest.raises(VideoError, match=r"hung after \d+ pictures.* wait_s"):
        read_all(clip, wait_s=1.5)


def test_who_reads_slowly_is_not_taken_for_a_decoder_that_hangs(clip):
    with IsolatedVideo(clip, limits=VideoLimits(stall_s=3.0)) as video:
        pictures = iter(video)
        next(pictures)
        time.sleep(4.5)
        assert sum(1 for _ in pictures) == 59


@pytest.mark.skipif(sys.platform != "linux", reason="the system keeps a limit of memory on Linux alone")
def test_a_video_that_needs_more_memory_than_it_may_have_is_named(tmp_path):
    big = render_video(speak(STYLES[0], duration_s=0.1, seed=5, width=3840, height=2160), tmp_path / "big.mp4")
    assert len(read_all(big)[0]) == 3
    with pytest.raises(VideoError, match=r"big\.mp4: (decoding needs more than 60 MB|the decoder crashed)"):
        read_all(big, memory_mb=60)


def test_leaving_in_the_middle_ends_the_process(clip):
    video = IsolatedVideo(clip)
    next(iter(video))
    video.close()
    assert video._process.returncode is not None


def test_a_decoder_that_hangs_does_not_hold_back_whoever_leaves(clip, decoder):
    decoder("".join(PICTURE.replace("0.0", f"{n}.0") for n in range(8)) + "time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(ExtractorError, match="the network failed"):
        observe_video(clip, MeanBrightness(group_frames=1, fails_at=2), source_sha256="0" * 64)
    assert time.monotonic() - started < 20
    assert not [thread for thread in threading.enumerate() if thread.name == "decoder"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_the_decoder_ends_when_whoever_asked_is_killed(clip):
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from keypoint_extractors.decoder_process import IsolatedVideo\n"
        f"video = IsolatedVideo(Path({str(clip)!r}))\n"
        "print(video._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as asking:
        decoder_pid = int(asking.stdout.readline())
        asking.kill()
    deadline = time.monotonic() + 20
    while is_running(decoder_pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(decoder_pid)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_the_decoder_can_write_no_file(clip, tmp_path, monkeypatch):
    written = tmp_path / "written"
    monkeypatch.setattr(
        decoder_process,
        "_PROGRAM",
        decoder_process._PROGRAM.replace(
            "serve(**asked)",
            "from keypoint_extractors import decoder_process\n"
            "from keypoint_extractors.video_limits import VideoLimits\n"
            "decoder_process._confine(VideoLimits())\n"
            f"open({str(written)!r}, 'w').write('x')\n",
        ),
    )
    with pytest.raises(VideoError, match="crashed"):
        read_all(clip)
    assert not written.exists() or not written.stat().st_size


def test_limits_are_named_and_above_0():
    assert limits_from(["hours=48", "fps=60.5"]) == VideoLimits(hours=48.0, fps=60.5)
    for text in ("days=1", "hours", "hours=", "hours=many", "hours=0", "hours=-1", "hours=nan"):
        with pytest.raises(ValueError, match=r"limit"):
            limits_from([text])
