"""Files that survive a crash: order on the disk, leftovers of killed processes, and locks."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import Token
from incident_io_keys.storage import DotenvStore, FileStore, StoreUnavailableError, TokenStore, _files

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8
LOCK = "..env.incident-io-keys-lock"
STOPS_WHILE_IT_WRITES = """
import sys
from pathlib import Path
from incident_io_keys.storage import _files
def content():
    print("writing", flush=True)
    sys.stdin.read()
_files.replace(Path(sys.argv[1]), content, mode=0o600)
"""


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    tmp_path.chmod(0o700)
    return FileStore(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A dotenv file that only its owner can use."""
    tmp_path.chmod(0o700)
    path = tmp_path / ".env"
    path.touch(0o600)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def fail(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, number: int, *, on: Callable[[Any], bool] = bool
) -> None:
    """Let a function raise an OSError, if its first argument is such."""
    real = getattr(place, name)

    def failing(*arguments: Any, **keywords: Any) -> Any:
        if not arguments or on(arguments[0]):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **keywords)

    monkeypatch.setattr(place, name, failing)


def test_the_content_is_on_the_disk_before_the_name(monkeypatch: pytest.MonkeyPatch, store: FileStore) -> None:
    steps: list[object] = []
    sync, replace, directory = os.fsync, Path.replace, store.path("a").parent

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        steps.append(("file", found.st_size) if is_file(descriptor) else ("directory", found.st_ino))
        sync(descriptor)

    def rename(path: Path, target: Path) -> Path:
        steps.append((path.parent, target))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    store.save("a", Token(CANARY))
    file = ("file", len(CANARY) + 1)  # synced again with its rights
    assert steps == [file, file, (directory, store.path("a")), ("directory", directory.stat().st_ino)]


@pytest.mark.parametrize("supported", [True, False])
def test_the_cache_of_the_disk_is_flushed_on_macos(
    monkeypatch: pytest.MonkeyPatch, path: Path, supported: bool
) -> None:
    flushed: list[int] = []

    def control(descriptor: int, command: int) -> None:
        assert command == 51
        flushed.append(stat.S_IFMT(os.fstat(descriptor).st_mode))
        if not supported:
            raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    DotenvStore(path).save("a", Token(CANARY))
    assert flushed == [stat.S_IFREG, stat.S_IFREG, stat.S_IFDIR]
    monkeypatch.delattr(fcntl, "F_FULLFSYNC")
    DotenvStore(path).save("a", Token(CANARY))
    assert len(flushed) == 3


STEPS = [
    (tempfile, "mkstemp", errno.EROFS, bool),
    (fcntl, "flock", errno.ENOLCK, is_file),
    (os, "fchmod", errno.EPERM, bool),
    (os, "fsync", errno.ENOSPC, is_file),
    (Path, "replace", errno.EPERM, bool),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
def test_if_a_step_fails_the_check_fails_and_the_old_token_stays(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, tmp_path: Path, step: tuple[Any, str, int, Any]
) -> None:
    store.save("a", Token(OLD))
    place, name, number, on = step
    fail(monkeypatch, place, name, number, on=on)
    if name != "replace":
        with pytest.raises(StoreUnavailableError) as caught:
            store.check()
        assert str(caught.value) == f"cannot save a token to {tmp_path}: {os.strerror(number)}"
    with pytest.raises(StoreUnavailableError) as caught:
        store.save("a", Token(CANARY))
    assert str(caught.value) == f"the token was not saved to {tmp_path / 'a'}: {os.strerror(number)}"
    assert caught.value.__context__ is not None
    shown = renderings(caught.value) + renderings(caught.value.__context__)
    assert CANARY not in shown
    assert OLD not in shown
    assert store.load("a") == Token(OLD)
    assert names(tmp_path) == ["a"]


def test_a_failed_sync_of_the_directory_is_an_error(monkeypatch: pytest.MonkeyPatch, store: FileStore) -> None:
    fail(monkeypatch, os, "fsync", errno.EIO, on=lambda descriptor: not is_file(descriptor))
    for attempt in (store.check, lambda: store.save("a", Token(CANARY))):
        with pytest.raises(StoreUnavailableError, match="Input/output error"):
            attempt()
    assert store.load("a") == Token(CANARY)  # until a crash, the new token is there


def test_the_check_removes_temporary_files_of_killed_processes(store: FileStore, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPS_WHILE_IT_WRITES, str(store.path("a"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        [temporary] = tmp_path.iterdir()
        store.check()
        assert temporary.exists()  # the process lives
        process.kill()
    store.check()
    assert names(tmp_path) == []


def test_the_check_does_not_remove_other_files(store: FileStore, tmp_path: Path) -> None:
    link = tmp_path / ".incident-io-keys-link.tmp"
    (tmp_path / "other").touch()
    os.mkfifo(tmp_path / ".incident-io-keys-pipe.tmp")  # opening it to read would wait for a writer
    link.symlink_to("other")
    store.check()
    assert link.is_symlink()
    assert (tmp_path / "other").exists()


def test_a_temporary_file_that_is_removed_before_it_is_locked_is_created_again(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, tmp_path: Path
) -> None:
    created: list[str] = []
    mkstemp = tempfile.mkstemp

    def removed_at_first(*arguments: Any) -> tuple[int, str]:
        descriptor, name = mkstemp(*arguments)
        created.append(name)
        if len(created) == 1:
            FileStore(tmp_path).check()
            assert not Path(name).exists()
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", removed_at_first)
    store.save("a", Token(CANARY))
    assert store.load("a") == Token(CANARY)
    assert names(tmp_path) == ["a"]


def test_no_descriptor_stays_open(monkeypatch: pytest.MonkeyPatch, store: FileStore, path: Path) -> None:
    lowest = os.dup(0)
    os.close(lowest)
    for each in (store, DotenvStore(path)):
        each.check()
        each.save("a", Token(CANARY))
        with monkeypatch.context() as patch:
            fail(patch, fcntl, "flock", errno.ENOLCK)
            with pytest.raises(StoreUnavailableError, match="No locks available"):
                each.save("a", Token(CANARY))
    again = os.dup(0)
    os.close(again)
    assert again == lowest


@pytest.mark.parametrize(
    "store_of", [FileStore, lambda directory: FileStore(file=directory / "a"), lambda path: DotenvStore(path / "a")]
)
def test_only_a_regular_file_is_read(tmp_path: Path, store_of: Callable[[Path], TokenStore]) -> None:
    message = rf"cannot read a token from {tmp_path}/a: "
    (tmp_path / "a").mkdir()
    with pytest.raises(StoreUnavailableError, match=f"{message}Is a directory"):
        store_of(tmp_path).load("a")
    (tmp_path / "a").rmdir()
    os.mkfifo(tmp_path / "a")  # reading it would wait for a writer
    with pytest.raises(StoreUnavailableError, match=f"{message}it is not a regular file"):
        store_of(tmp_path).load("a")


def test_the_check_detects_a_file_that_is_mounted_on_its_own(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    with monkeypatch.context() as patch:
        fail(patch, os, "link", errno.EXDEV)
        with pytest.raises(StoreUnavailableError, match="it is a mount point; mount its directory instead"):
            DotenvStore(path).check()
        fail(patch, os, "link", errno.EPERM)  # as on a file system without hard links
        DotenvStore(path).check()
    DotenvStore(path).check()
    assert path.stat().st_nlink == 1
    assert names(path.parent) == [LOCK, ".env"]


def never(_: float) -> None:
    pytest.fail("waits")


def test_a_lock_ends_with_its_block_in_a_forked_child_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inherited: list[int] = []
    close = os.close

    def close_after_fork(descriptor: int) -> None:
        inherited.append(os.dup(descriptor))  # as a forked child has it
        close(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", close_after_fork)
        with _files.file_lock(tmp_path / "a"):
            pass
    with _files.file_lock(tmp_path / "a", sleep=never):
        pass
    os.close(inherited[0])


def test_a_lock_is_waited_for(path: Path) -> None:
    delays: list[float] = []

    def sleep(seconds: float) -> None:
        delays.append(seconds)
        if len(delays) == 5:
            fcntl.flock(other, fcntl.LOCK_UN)

    other = os.open(path.parent / LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    with _files.file_lock(path, sleep=sleep), pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    assert len(delays) == 5


def test_the_wait_for_a_lock_is_limited(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    delays: list[float] = []
    with _files.file_lock(path):
        with pytest.raises(TimeoutError), _files.file_lock(path, sleep=delays.append):
            pytest.fail("two hold the lock")
        assert sum(delays) == pytest.approx(10)
        monkeypatch.setattr(_files, "_LOCK_TIMEOUT", 0.0)
        with pytest.raises(StoreUnavailableError) as caught:
            DotenvStore(path).save("a", Token(CANARY))
    lock = path.parent / LOCK
    reason = f"another process holds the lock {lock}; `fuser {lock}` prints its ID"
    assert str(caught.value) == f"the token was not saved to {path}: {reason}"


def test_locks_of_other_programs_do_not_matter(path: Path) -> None:
    descriptors = [os.open(each, os.O_RDONLY) for each in (path.parent, path)]
    for descriptor in descriptors:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    with _files.file_lock(path, sleep=never):
        pass
    for descriptor in descriptors:
        os.close(descriptor)


def test_a_lock_that_is_a_link_is_not_followed(path: Path) -> None:
    (path.parent / LOCK).symlink_to("elsewhere")
    with pytest.raises(StoreUnavailableError, match=os.strerror(errno.ELOOP)):
        DotenvStore(path).check()
    assert not (path.parent / "elsewhere").exists()


def test_a_lock_that_is_removed_meanwhile_is_created_again(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    lock, opened, flock = path.parent / LOCK, os.open, fcntl.flock
    removed: list[str] = []

    def open_late(name: Any, flags: int, *mode: int) -> int:
        if Path(name) == lock and flags & os.O_EXCL and not removed:
            removed.append("before it is opened")
            raise FileExistsError
        return opened(name, flags, *mode)

    def flock_late(descriptor: int, operation: int) -> None:
        if len(removed) == 1 and operation & fcntl.LOCK_NB:
            removed.append("before it is locked")
            lock.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(os, "open", open_late)
    monkeypatch.setattr(fcntl, "flock", flock_late)
    with _files.file_lock(path, sleep=never):
        assert len(removed) == 2
        assert not _files.Lock(lock).acquire()
