"""Modes, owners and access control lists of the files of FileStore and DotenvStore."""

from __future__ import annotations

import errno
import os
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import KeysClient, Token
from incident_io_keys.storage import (
    DotenvStore,
    FileStore,
    StoreUnavailableError,
    TokenStore,
    _files,
    create_into,
    resume,
    rotate_into,
)
from incident_io_keys.testing import MockAPI, faults

from ..conftest import CANARY
from ..programs import fork
from .doing import NEW, failure

SERVICE, OTHER = 12_345, 12_346
ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"
STORES: dict[str, Callable[[Path], TokenStore]] = {
    "directory": FileStore,
    "file": lambda directory: FileStore(file=directory / "token"),
    "dotenv": lambda directory: DotenvStore(directory / ".env"),
}
LOCK = "..env.incident-io-keys-lock"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A dotenv file that only its owner can use."""
    tmp_path.chmod(0o700)
    path = tmp_path / ".env"
    path.touch(0o600)
    return path


@pytest.fixture
def service() -> Iterator[Path]:
    """The directory of another user. It is not below pytest's own directories, which that user cannot enter."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, SERVICE, SERVICE)
        yield Path(name)


def as_service(check: Callable[[], object]) -> None:
    """Run a check in a process of that user."""

    def run() -> None:
        os.setgroups([])
        os.setgid(SERVICE)
        os.setuid(SERVICE)
        check()

    fork(run)


def owners(directory: Path) -> set[tuple[int, int]]:
    return {(found.st_uid, found.st_gid) for found in (path.lstat() for path in directory.rglob("*"))}


@needs_root
@pytest.mark.parametrize("store_of", STORES.values(), ids=STORES)
@pytest.mark.parametrize("pending", [False, True])
def test_a_service_can_continue_after_root_has_used_its_store(
    mock: MockAPI, service: Path, store_of: Callable[[Path], TokenStore], pending: bool
) -> None:
    store = store_of(service)
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        if pending:
            mock.fail_next(faults.Close(), operation="create")
            failure(create_into, keys, store, **NEW)
        else:
            create_into(keys, store, **NEW)
        assert owners(service) == {(SERVICE, SERVICE)}
        key_id = next(key.id for key in keys.list() if key.name == NEW["name"])

        def check() -> None:
            assert [each.status for each in resume(keys, store)] == (["completed"] if pending else [])
            issued = rotate_into(keys, store, key_id)
            assert store.load(key_id) == issued.token

        as_service(check)
        rotate_into(keys, store, key_id)  # by root again
        assert owners(service) == {(SERVICE, SERVICE)}


@needs_root
@pytest.mark.parametrize("store_of", STORES.values(), ids=STORES)
def test_root_leaves_files_to_their_owners(service: Path, store_of: Callable[[Path], TokenStore]) -> None:
    store = store_of(service)
    store.save("token", Token(CANARY))
    [file] = (path for path in service.iterdir() if path.name in ("token", ".env"))
    os.chown(file, OTHER, OTHER)
    store.check()
    store.save("token", Token(CANARY * 2))
    assert store.load("token") == Token(CANARY * 2)
    assert (file.stat().st_uid, file.stat().st_gid) == (OTHER, OTHER)


@needs_root
def test_a_service_detects_a_file_that_it_cannot_give_to_its_owner(service: Path) -> None:
    (service / "a").touch()

    def check() -> None:
        FileStore(service).save("b", Token(CANARY))
        with pytest.raises(StoreUnavailableError) as caught:
            FileStore(service).check()
        assert str(caught.value) == f"cannot save a token to {service / 'a'}: Operation not permitted"

    as_service(check)


def test_the_owner_of_a_directory_gets_no_file_of_others_by_a_hard_link(path: Path) -> None:
    victim = path.parent / "victim"
    victim.touch(0o600)
    (path.parent / LOCK).hardlink_to(victim)
    if os.geteuid() == 0:
        os.chown(path.parent, SERVICE, SERVICE)
        os.chown(path, SERVICE, SERVICE)
    for attempt in (DotenvStore(path).check, lambda: DotenvStore(path).save("a", Token(CANARY))):
        with pytest.raises(StoreUnavailableError, match=r"the lock .*-lock has several hard links; remove it"):
            attempt()
    assert (victim.stat().st_uid, victim.stat().st_gid) == (os.geteuid(), os.getegid())


def test_the_owner_of_a_directory_gets_no_directory_of_others_by_moving_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir(0o700)
    (tmp_path / "victim" / "secret").touch()
    if os.geteuid() == 0:
        os.chown(tmp_path, SERVICE, SERVICE)
    mkdir = Path.mkdir

    def mkdir_and_move(path: Path, **keywords: Any) -> None:
        mkdir(path, **keywords)
        (tmp_path / "victim").rename(path)

    monkeypatch.setattr(Path, "mkdir", mkdir_and_move)
    _files.make_directory(tmp_path / "journal")
    assert owners(tmp_path) == {(os.geteuid(), os.getegid())}
    _files.make_directory(tmp_path / "journal")  # it exists
    with pytest.raises(FileExistsError):
        _files.make_directory(tmp_path / "journal" / "secret")


@needs_root
def test_an_existing_lock_keeps_its_owner(service: Path) -> None:
    (service / LOCK).touch(0o600)
    os.chown(service / LOCK, OTHER, OTHER)
    DotenvStore(service / ".env").save("a", Token(CANARY))
    assert ((service / LOCK).stat().st_uid, (service / ".env").stat().st_uid) == (OTHER, SERVICE)


# Without root, files that belong to others have to be simulated.


def owned(monkeypatch: pytest.MonkeyPatch, path: Path, uid: int) -> list[tuple[int, int]]:
    """Let a file seem to belong to another user, and return a list of the owners that new files get."""
    real, given = Path.stat, list[tuple[int, int]]()

    def fake(each: Path, **keywords: Any) -> os.stat_result:
        found = real(each, **keywords)
        return os.stat_result((*found[:4], uid, *found[5:10])) if each == path else found

    def fchown(descriptor: int, uid: int, gid: int) -> None:
        assert not os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO)  # nobody else can open it yet
        given.append((uid, gid))

    monkeypatch.setattr(Path, "stat", fake)
    monkeypatch.setattr(os, "fchown", fchown)
    return given


def test_what_root_creates_belongs_to_the_owner_of_the_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = owned(monkeypatch, tmp_path, OTHER)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    DotenvStore(tmp_path / ".env").save("a", Token(CANARY))
    _files.make_directory(tmp_path / "journal")
    assert [uid for uid, _ in given] == [OTHER] * 3  # the lock, the file and the directory
    given.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    DotenvStore(tmp_path / "new").save("a", Token(CANARY))
    assert given == []


def test_the_check_of_a_directory_tries_one_file_of_each_owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "link").symlink_to("nowhere")  # it is replaced, and not its target
    given = owned(monkeypatch, tmp_path / "link", OTHER)
    FileStore(tmp_path).check()
    assert [uid for uid, _ in given] == [OTHER]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777], ids="{:03o}".format)
@pytest.mark.parametrize("store_of", STORES.values(), ids=STORES)
def test_only_its_owner_can_read_a_new_file(tmp_path: Path, store_of: Callable[[Path], TokenStore], umask: int) -> None:
    tmp_path.chmod(0o700)
    before = os.umask(umask)
    try:
        store_of(tmp_path).check()
        store_of(tmp_path).save("a", Token(CANARY))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o400])
def test_a_dotenv_file_keeps_its_mode_and_a_token_file_becomes_private(path: Path, mode: int) -> None:
    path.chmod(mode)
    DotenvStore(path).check()
    DotenvStore(path).save("a", Token(CANARY))
    assert stat.S_IMODE(path.stat().st_mode) == mode
    path.unlink()
    path.touch(mode)
    FileStore(file=path).save("a", Token(CANARY))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_gets_its_mode_after_its_content_is_on_the_disk(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    path.chmod(0o640)
    seen: list[tuple[int, int]] = []

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            seen.append((stat.S_IMODE(found.st_mode), found.st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    DotenvStore(path).save("a", Token(CANARY))
    size = path.stat().st_size
    assert seen == [(0o600, size), (0o640, size)]


def acl(mask: int, *, named: int = 4) -> bytes:
    """An access control list as Linux stores it: besides the owner, one other user may read."""
    nobody = 0xFFFFFFFF
    rows = [(1, 6, nobody), (2, named, OTHER), (4, 0, nobody), (16, mask, nobody), (32, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


def acl_of(path: Path) -> bytes | None:
    try:
        return os.getxattr(path, ACL)
    except OSError:
        return None


def test_a_file_that_keeps_its_mode_keeps_its_access_control_list(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    path.chmod(0o640)
    try:
        os.setxattr(path, ACL, acl(4))
        os.setxattr(path.parent, DEFAULT_ACL, acl(7, named=7))
    except (AttributeError, OSError):
        pytest.skip("the system or the file system has no such access control lists")
    path.parent.chmod(0o700)
    before, mode, setxattr = acl_of(path), path.stat().st_mode, os.setxattr

    def set_late(descriptor: int, *arguments: Any) -> None:
        assert os.fstat(descriptor).st_size  # the content is there before others can read it
        setxattr(descriptor, *arguments)

    monkeypatch.setattr(os, "setxattr", set_late)
    DotenvStore(path).check()
    DotenvStore(path).save("a", Token(CANARY))
    assert (acl_of(path), path.stat().st_mode) == (before, mode)
    path.write_text(CANARY)
    for private in (path, path.parent / "new"):
        FileStore(file=private).save("a", Token(CANARY))
        assert (acl_of(private), stat.S_IMODE(private.stat().st_mode)) == (None, 0o600)


@pytest.mark.parametrize("name", ["getxattr", "removexattr"])
def test_an_access_control_list_that_cannot_be_read_or_removed_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str
) -> None:
    def fails(*_: object, **__: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, name, fails, raising=False)
    with pytest.raises(StoreUnavailableError, match="Input/output error"):
        DotenvStore(path).check()


def test_a_system_without_access_control_lists_is_supported(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    for name in ("getxattr", "setxattr", "removexattr"):
        monkeypatch.delattr(os, name, raising=False)
    DotenvStore(path).check()
    DotenvStore(path).save("a", Token(CANARY))
    assert DotenvStore(path).load("a") == Token(CANARY)


@needs_root
@pytest.mark.parametrize("name", [".env", "token", "journal"])
def test_what_a_group_member_has_planted_is_rejected(tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o770)
    planted = tmp_path / name
    planted.mkdir(0o755) if name == "journal" else planted.touch(0o600)
    os.chown(planted, OTHER, OTHER)
    stores: dict[str, TokenStore] = {
        ".env": DotenvStore(planted),
        "token": FileStore(file=planted, overwrite=True),
        "journal": FileStore(file=tmp_path / "free", journal=planted),
    }
    with (
        KeysClient(Token("inc_none"), base_url="http://127.0.0.1:9", attempts=1) as keys,
        pytest.raises(StoreUnavailableError, match=r"belongs to another user|another user has created"),
    ):
        rotate_into(keys, stores[name], "01A") if name == "journal" else stores[name].check()
