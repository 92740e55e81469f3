"""Who may do what with a file that takes the place of another, and what cannot be replaced at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from incident_io_keys import Token
from incident_io_keys.storage import DotenvStore, FileStore, StoreUnavailableError, _files

from ..conftest import CANARY

LIST = "system.posix_acl_access"
DEFAULT = "system.posix_acl_default"
NOBODY = 12_345


def entries(mask: int, *, named: int = 4) -> bytes:
    """A list of rights as Linux keeps it: besides the owner, one user by name may read."""
    nobody = 0xFFFFFFFF
    rows = [(1, 6, nobody), (2, named, NOBODY), (4, 0, nobody), (16, mask, nobody), (32, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> dict[int, bytes]:
    """The lists of files, by their inodes, as a file system has them that keeps some."""
    kept: dict[int, bytes] = {}

    def get(path: Path, _: str, *, follow_symlinks: bool) -> bytes:
        found = path.stat(follow_symlinks=follow_symlinks).st_ino
        if found not in kept:
            raise OSError(errno.ENODATA, "No data available")
        return kept[found]

    def give(descriptor: int, name: str, value: bytes) -> None:
        assert name == LIST
        assert os.fstat(descriptor).st_size  # so long, nobody else could open it
        kept[os.fstat(descriptor).st_ino] = value

    def remove(descriptor: int, _: str) -> None:
        if kept.pop(os.fstat(descriptor).st_ino, None) is None:
            raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "getxattr", get, raising=False)
    monkeypatch.setattr(os, "setxattr", give, raising=False)
    monkeypatch.setattr(os, "removexattr", remove, raising=False)
    return kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    path = tmp_path / ".env"
    path.touch(0o600)
    return path


def test_a_file_keeps_its_list_of_who_may_read_it(lists: dict[int, bytes], path: Path) -> None:
    path.chmod(0o640)
    lists[path.stat().st_ino] = entries(4)
    DotenvStore(path).check()
    DotenvStore(path).save("a", Token(CANARY))
    assert lists.get(path.stat().st_ino) == entries(4)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_only_its_owner_is_to_read_gets_no_list(lists: dict[int, bytes], tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "a").touch(0o600)
    (tmp_path / "a").chmod(0o640)
    lists[(tmp_path / "a").stat().st_ino] = entries(4)
    FileStore(tmp_path).save("a", Token(CANARY))
    assert (tmp_path / "a").stat().st_ino not in lists
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def listed(path: Path) -> bytes | None:
    """The list of a file, where the system and the file system have such."""
    try:
        return os.getxattr(path, LIST)
    except (AttributeError, OSError):
        return None


def test_the_lists_of_the_system_are_kept_and_those_of_a_directory_are_not_taken_on(path: Path) -> None:
    with contextlib.suppress(AttributeError, OSError):
        os.setxattr(path, LIST, entries(4))
        os.setxattr(path.parent, DEFAULT, entries(7, named=7))
    before = listed(path)
    path.parent.chmod(0o700)
    DotenvStore(path).save("a", Token(CANARY))
    assert listed(path) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    DotenvStore(path.parent / "new").save("a", Token(CANARY))
    assert listed(path.parent / "new") is None
    assert stat.S_IMODE((path.parent / "new").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["getxattr", "removexattr"])
def test_a_list_that_cannot_be_seen_to_is_found_by_the_check(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str
) -> None:
    def fails(*_: object, **__: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, name, fails, raising=False)
    with pytest.raises(StoreUnavailableError, match="Input/output error"):
        DotenvStore(path).check()


def test_a_system_without_lists_needs_none(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    for name in ("getxattr", "setxattr", "removexattr"):
        monkeypatch.delattr(os, name, raising=False)
    DotenvStore(path).check()
    DotenvStore(path).save("a", Token(CANARY))
    assert DotenvStore(path).load("a") == Token(CANARY)


def test_nobody_else_gets_a_file_before_its_content_is_on_the_disk(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    path.chmod(0o640)
    seen: list[tuple[int, int]] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            seen.append((stat.S_IMODE(found.st_mode), found.st_size))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    before = os.umask(0)
    DotenvStore(path).save("a", Token(CANARY))
    os.umask(before)
    size = path.stat().st_size
    assert seen == [(0o600, size), (0o640, size)]


@pytest.mark.parametrize("can", [True, False])
def test_where_a_disk_keeps_things_in_its_own_memory_it_is_told_not_to(
    monkeypatch: pytest.MonkeyPatch, path: Path, can: bool
) -> None:
    asked: list[int] = []

    def control(descriptor: int, command: int) -> None:
        assert command == 51
        asked.append(stat.S_IFMT(os.fstat(descriptor).st_mode))
        if not can:
            raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    DotenvStore(path).save("a", Token(CANARY))
    assert asked == [stat.S_IFREG, stat.S_IFREG, stat.S_IFDIR]
    monkeypatch.delattr(fcntl, "F_FULLFSYNC")
    DotenvStore(path).save("a", Token(CANARY))
    assert len(asked) == 3


def links(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def link(*_: Path, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)


def test_a_file_that_is_mounted_on_its_own_is_found_by_the_check(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    links(monkeypatch, errno.EXDEV)
    with pytest.raises(StoreUnavailableError, match="it is mounted on its own: mount its directory instead"):
        DotenvStore(path).check()


def test_a_file_that_cannot_be_linked_for_another_reason_may_be_replaced(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    links(monkeypatch, errno.EPERM)
    DotenvStore(path).check()
    monkeypatch.undo()
    DotenvStore(path).check()
    assert path.stat().st_nlink == 1
    assert sorted(each.name for each in path.parent.iterdir()) == ["..env.incident-io-keys-lock", ".env"]


def test_a_link_that_another_process_takes_for_a_leftover_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    link = os.link

    def link_and_clean(source: Path, target: Path, *, follow_symlinks: bool) -> None:
        link(source, target, follow_symlinks=follow_symlinks)
        FileStore(path.parent).check()
        assert not target.exists()

    monkeypatch.setattr(os, "link", link_and_clean)
    path.write_text(CANARY)
    DotenvStore(path).check()
    assert path.read_text() == CANARY


def waits_of(count: int, then: Callable[[], object]) -> Callable[[float], None]:
    """Waits that do nothing, until something happens."""
    left = iter(range(count))

    def sleep(seconds: float) -> None:
        assert 0 < seconds < 1
        if next(left, None) is None:
            then()

    return sleep


def never(_: float) -> None:
    pytest.fail("waits")


def test_a_lock_ends_with_its_block_also_where_a_process_was_forked_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forked: list[int] = []  # a child has the same descriptors, as a duplicate is one
    close = os.close

    def close_after_fork(descriptor: int) -> None:
        forked.append(os.dup(descriptor))
        close(descriptor)

    monkeypatch.setattr(os, "close", close_after_fork)
    with _files.alone(tmp_path / "a"):
        pass
    monkeypatch.undo()
    with _files.alone(tmp_path / "a", sleep=never):
        pass
    os.close(forked[0])


def test_a_lock_keeps_others_out_until_it_ends(path: Path) -> None:
    with _files.opened(path.parent / "..env.incident-io-keys-lock", os.O_RDWR | os.O_CREAT) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        sleep = waits_of(5, lambda: fcntl.flock(other, fcntl.LOCK_UN))
        with _files.alone(path, sleep=sleep), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    waited: list[float] = []
    lock = path.parent / "..env.incident-io-keys-lock"
    with _files.alone(path):
        with pytest.raises(TimeoutError) as caught, _files.alone(path, sleep=waited.append):
            pytest.fail("is not alone")
        assert sum(waited) == pytest.approx(10)
        assert f"somebody else has {lock} locked for more than 10 s" in str(caught.value)
        monkeypatch.setattr(_files, "_PATIENCE", 0.1)
        with pytest.raises(StoreUnavailableError, match=r"was not kept in .*: somebody else has .* \(fuser .*-lock\)$"):
            DotenvStore(path).save("a", Token(CANARY))
    DotenvStore(path).save("a", Token(CANARY))
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600


def test_who_locks_the_directory_or_the_file_is_in_nobody_s_way(path: Path) -> None:
    with _files.opened(path.parent, os.O_RDONLY) as directory, _files.opened(path, os.O_RDONLY) as file:
        fcntl.flock(directory, fcntl.LOCK_EX)
        fcntl.flock(file, fcntl.LOCK_EX)
        with _files.alone(path, sleep=never):
            pass


def test_a_lock_that_is_a_link_is_not_followed(path: Path) -> None:
    (path.parent / "..env.incident-io-keys-lock").symlink_to("elsewhere")
    with pytest.raises(StoreUnavailableError, match=os.strerror(errno.ELOOP)):
        DotenvStore(path).check()
    assert not (path.parent / "elsewhere").exists()


@pytest.mark.parametrize("may", [True, False])
def test_who_has_the_file_can_have_its_lock_too(monkeypatch: pytest.MonkeyPatch, path: Path, may: bool) -> None:
    given: list[tuple[int, int]] = []

    def fchown(_: int, uid: int, gid: int) -> None:
        if not may:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        given.append((uid, gid))

    monkeypatch.setattr(os, "fchown", fchown)
    monkeypatch.setattr(_files, "_owner_of", lambda _: (NOBODY, NOBODY))
    with _files.alone(path, sleep=never):
        assert given == ([(NOBODY, NOBODY)] if may else [])
