"""A writer may be killed at any moment, and others may read and write meanwhile: a profile is there whole, or not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from person_profiles.archive import export_profile, import_profile
from person_profiles.home import LOCK_FILE, Home
from person_profiles.profile_files import SIGNATURE_FILE, read_files
from person_profiles.signature import make_key
from person_profiles.store import ProfileStore
from poseauth.errors import ProfileExistsError, StorageError, UnknownPersonError
from tests.person_profiles.golden_profile import NAME, golden_movement, golden_profile

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
BEFORE, AFTER, NOBODY = 7, 99, None
"""Seeds by which the profiles are known, and that there is none."""
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link", "shutil.rmtree"}
FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ROOT = Path(__file__).resolve().parents[2]


def profile_of(seed):
    return golden_profile(seed=seed)


class KillAt:
    """Kills the process at the nth change that it makes below the home, before the change is made.

    Files that are written stand half-written at one moment, and that is a change too.
    """

    def __init__(self, home: Path, nth: int) -> None:
        self.home, self.nth, self.n_changes = str(home), nth, 0
        fsync, opening = os.fsync, Path.open

        def synced(handle):
            self.change()
            fsync(handle)

        def opened(path, mode="r", *arguments, **options):
            stream = opening(path, mode, *arguments, **options)
            return HalfWritten(stream, self.change) if "w" in mode and str(path).startswith(self.home) else stream

        os.fsync, Path.open = synced, opened
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and path.startswith(self.home) and flags & FOR_WRITING:
                self.change()
        elif event in CHANGES:
            path = os.fspath(arguments[0])
            # What is removed with a folder is named without it.
            if path.startswith(self.home) or not os.path.isabs(path):
                self.change()

    def change(self):
        self.n_changes += 1
        if self.n_changes == self.nth:
            os.kill(os.getpid(), signal.SIGKILL)


class HalfWritten:
    """A file that tells when half of what is written to it stands there."""

    def __init__(self, stream, tell) -> None:
        self.stream, self.tell = stream, tell

    def write(self, content):
        half = len(content) // 2
        self.stream.write(content[:half])
        self.stream.flush()
        self.tell()
        return half + self.stream.write(content[half:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def __getattr__(self, name):
        return getattr(self.stream, name)


def in_child(function):
    """Starts a function in a process of its own, which ends with the function's result as its status; gives its id."""
    child = os.fork()
    if child:
        return child
    status = 125
    try:
        status = function() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def end_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state(store):
    """The seed of the one profile, read whole; None where nobody is enrolled."""
    entries = store.entries()
    assert [entry.problem for entry in entries] == [None] * len(entries)
    try:
        profile, movement = store.load(NAME), store.load_movement(NAME)
    except UnknownPersonError:
        assert entries == []
        return NOBODY
    assert len(movement) == len(golden_movement())
    assert [entry.profile.name for entry in entries] == [NAME]
    is_from_archive = (store.folder_of(NAME) / SIGNATURE_FILE).exists()
    assert store.stored(NAME).signature.state == ("not trusted" if is_from_archive else "unsigned")
    return profile.seed


def state_for_who_may_not_write(home, monkeypatch):
    def refused(*_, **__):
        raise PermissionError("a reader without permission")

    with monkeypatch.context() as patched:
        patched.setattr(Home, "writing", refused)
        return state(ProfileStore(home))


def inside(home):
    return [path.name for path in home.iterdir() if path.name != LOCK_FILE]


@pytest.fixture
def enrolled(tmp_path):
    """A home with the profile of before."""
    home = tmp_path / "enrolled"
    ProfileStore(home).save(profile_of(BEFORE), golden_movement())
    return home


@pytest.fixture
def archive(tmp_path):
    """The profile of after, signed."""
    store = ProfileStore(tmp_path / "elsewhere")
    store.save(profile_of(AFTER), golden_movement())
    make_key(tmp_path / "newsroom.key")
    export_profile(store, NAME, tmp_path / "after.poseauth", sign_with=tmp_path / "newsroom.key")
    return tmp_path / "after.poseauth"


@dataclass(frozen=True)
class Operation:
    """What is done to a store with an archive at hand, and the answer to doing it again once it is done."""

    run: Callable[[ProfileStore, Path], object]
    before: int | None
    after: int | None
    refusal: type[Exception] | None = None


OPERATIONS = {
    "save": Operation(
        lambda store, _: store.save(profile_of(AFTER), golden_movement()), NOBODY, AFTER, ProfileExistsError
    ),
    "save over another": Operation(
        lambda store, _: store.save(profile_of(AFTER), golden_movement(), overwrite=True), BEFORE, AFTER
    ),
    "import": Operation(import_profile, NOBODY, AFTER, ProfileExistsError),
    "import over another": Operation(
        lambda store, archive: import_profile(store, archive, overwrite=True), BEFORE, AFTER
    ),
    "remove": Operation(lambda store, _: store.remove(NAME), BEFORE, NOBODY, UnknownPersonError),
}
FEWEST_CHANGES = {"save": 20, "save over another": 25, "import": 20, "import over another": 25, "remove": 8}
"""The kills there are at least: fewer would mean that changes are not heard."""


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_at_any_change_leaves_the_profile_of_before_or_of_after(
    name, tmp_path, enrolled, archive, monkeypatch, record_property
):
    operation = OPERATIONS[name]
    seen = set()
    for n_kills in range(200):
        home = tmp_path / f"home-{n_kills}"
        if operation.before is not NOBODY:
            shutil.copytree(enrolled, home)

        def killed(home=home, nth=n_kills + 1):
            KillAt(home, nth)
            operation.run(ProfileStore(home), archive)

        status = end_of(in_child(killed))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        store = ProfileStore(home)
        for aside in home.glob(".aside-*"):
            read_files(aside)  # what may be put back is whole, however far its removal had come
        found = state_for_who_may_not_write(home, monkeypatch)
        assert found in (operation.before, operation.after)
        assert state(store) == found, "settling changes nothing of what could be read"
        seen.add(found)
        if found == operation.after and operation.refusal:
            with pytest.raises(operation.refusal):
                operation.run(store, archive)
            store.check_writable()  # settles what was left
        else:
            operation.run(store, archive)
        assert state(store) == operation.after
        assert len(inside(home)) == (operation.after is not NOBODY)
        shutil.rmtree(home)
    assert state(ProfileStore(home)) == operation.after
    assert n_kills >= FEWEST_CHANGES[name]
    assert seen == {operation.before, operation.after}
    record_property("n_kills", n_kills)
    print(f"{name}: {n_kills} kills")


def test_a_folder_put_aside_comes_back_for_a_reader_and_for_a_writer(enrolled):
    store = ProfileStore(enrolled)
    folder = store.folder_of(NAME)
    for settle in (lambda: store.load(NAME), store.entries, store.check_writable):
        folder.rename(enrolled / f".aside-{folder.name}")
        (enrolled / ".new-1234").mkdir()
        settle()
        assert inside(enrolled) == [folder.name]
    assert state(store) == BEFORE


def test_a_removed_profile_does_not_come_back(enrolled):
    store = ProfileStore(enrolled)
    store.folder_of(NAME).rename(enrolled / ".gone-1234")
    assert state(store) is NOBODY
    store.check_writable()
    assert inside(enrolled) == []


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_of_two_who_enrol_one_person_at_once_one_wins(tmp_path):
    exists = 3
    for n in range(10):
        home, start = tmp_path / f"home-{n}", tmp_path / f"start-{n}"

        def enrol(seed, home=home, start=start):
            while not start.exists():
                time.sleep(0.001)
            try:
                ProfileStore(home).save(profile_of(seed), golden_movement())
            except ProfileExistsError:
                return exists
            return 0

        children = [in_child(lambda seed=seed: enrol(seed)) for seed in (1, 2)]
        start.touch()
        ends = [end_of(child) for child in children]
        assert sorted(ends) == [0, exists]
        assert state(ProfileStore(home)) == 1 + ends.index(0)
        assert len(inside(home)) == 1


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("may_write", [True, False])
def test_a_reader_during_many_writings_never_sees_a_damaged_or_missing_profile(enrolled, monkeypatch, may_write):
    n_writings = 150

    def write():
        for seed in range(1, n_writings + 1):
            ProfileStore(enrolled).save(profile_of(BEFORE + seed), golden_movement(), overwrite=True)

    writer, seeds = in_child(write), []
    while os.waitpid(writer, os.WNOHANG) == (0, 0):
        seeds.append(state(ProfileStore(enrolled)) if may_write else state_for_who_may_not_write(enrolled, monkeypatch))
    assert seeds == sorted(seeds), "an older one came back"
    assert len(set(seeds)) > 3, "nothing was read between two writings"
    assert state(ProfileStore(enrolled)) == BEFORE + n_writings


def test_a_writer_who_hangs_is_named_and_not_waited_for_for_ever(enrolled):
    store = ProfileStore(enrolled)
    store.folders.lock_timeout_s = 0.1
    with store.folders.writing():
        with pytest.raises(
            StorageError, match=r"written by another poseauth, which has held \.lock for more than 0.1 s"
        ):
            store.save(profile_of(AFTER), golden_movement(), overwrite=True)
        assert state(store) == BEFORE, "reading waits for nobody"


FULL_DISK = """
import contextlib
import os
import sys
from pathlib import Path
from person_profiles.store import ProfileStore
from poseauth.errors import StorageError
from tests.person_profiles.golden_profile import NAME, golden_movement, golden_profile

disk = Path(sys.argv[1])
store = ProfileStore(disk / "home")
store.save(golden_profile(seed=7), golden_movement())
n_failed = 0
for free_kb in (0, 4, 8, 16):
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size // 4096 * 4096 - 1024 * free_kb)
    try:
        store.save(golden_profile(seed=99), golden_movement(), overwrite=True)
    except StorageError as error:
        assert "No space left on device" in str(error), error
        n_failed += 1
    assert store.load(NAME).seed == 7, free_kb
    assert sorted(path.name for path in store.home.iterdir() if path.name != ".lock") == [store.folder_of(NAME).name]
    filler.unlink()
assert n_failed == 4, n_failed
store.save(golden_profile(seed=99), golden_movement(), overwrite=True)
assert store.load(NAME).seed == 99
"""


def test_a_disk_that_is_really_full_leaves_the_profile_of_before(tmp_path):
    mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=128k tmpfs {tmp_path}"
    if not shutil.which("unshare") or subprocess.run([*mounted, mount], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    done = subprocess.run(
        [*mounted, f'{mount} && exec "$0" -c "$1" {tmp_path}', sys.executable, FULL_DISK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def public_folder():
    """A folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_somebody_else(function):
    """Runs a function as a user who owns nothing here; its result is the status."""

    def changed():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        return function()

    return end_of(in_child(changed))


@pytest.fixture
def read_only_home(public_folder):
    home = public_folder / "home"
    ProfileStore(home).save(profile_of(BEFORE), golden_movement())
    home.chmod(0o555)
    yield home
    home.chmod(0o755)


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_who_may_only_read_reads_and_is_told_why_they_cannot_write(read_only_home, public_folder):
    store = ProfileStore(read_only_home)
    archive = public_folder / "after.poseauth"
    export_profile(store, NAME, archive)
    # What is loaded when it is needed is loaded now: somebody else may not even read the interpreter's folder.
    import_profile(ProfileStore(public_folder / "elsewhere"), archive)

    def reads_and_writes():
        assert state(store) == BEFORE
        for write in (
            lambda: store.save(profile_of(AFTER), golden_movement(), overwrite=True),
            lambda: import_profile(store, archive, overwrite=True),
            lambda: store.remove(NAME),
            lambda: store.trusted_keys.trust(bytes(32), "The Newsroom"),
            store.check_writable,
        ):
            with pytest.raises(StorageError, match="Permission denied"):
                write()

    assert as_somebody_else(reads_and_writes) == 0
    assert state(store) == BEFORE


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_who_may_only_read_finds_what_a_killed_writer_put_aside(read_only_home):
    store = ProfileStore(read_only_home)
    folder = store.folder_of(NAME)
    read_only_home.chmod(0o755)
    folder.rename(read_only_home / f".aside-{folder.name}")
    read_only_home.chmod(0o555)

    def reads():
        assert state(store) == BEFORE
        assert NAME in store

    assert as_somebody_else(reads) == 0
    assert f".aside-{folder.name}" in inside(read_only_home)


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_who_may_not_even_read_is_told_so(read_only_home):
    store = ProfileStore(read_only_home)
    folder = store.folder_of(NAME)

    def is_refused():
        with pytest.raises(Exception, match=r"(home|ada-lovelace-\w+) cannot be read: Permission denied") as refused:
            store.load(NAME)
        assert refused.typename in ("StorageError", "ProfileDamagedError")

    folder.chmod(0o700 if os.geteuid() == 0 else 0)
    assert as_somebody_else(is_refused) == 0
    folder.chmod(0o755)
    read_only_home.chmod(0o700 if os.geteuid() == 0 else 0)
    assert as_somebody_else(is_refused) == 0
