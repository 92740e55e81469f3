"""Files that outlive a crash: who owns them, what a killed process leaves, and what locks hold."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from incident_io_keys import Token
from incident_io_keys.storage import DotenvStore, FileStore, StoreUnavailableError, TokenStore, _files

from ..conftest import CANARY
from ..hiding import renderings

NOBODY = 12_345
STOPS_IN_MID_WRITE = """
import sys
from pathlib import Path
from incident_io_keys.storage import _files
def content():
    print("at it", flush=True)
    sys.stdin.read()
_files.replace(Path(sys.argv[1]), content, mode=0o600)
"""


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    tmp_path.chmod(0o700)
    return FileStore(tmp_path)


def owned(monkeypatch: pytest.MonkeyPatch, *paths: Path, uid: int | None = None, gid: int | None = None) -> None:
    """Have files look as if they were somebody else's: who runs the tests may not be able to give one away."""
    real = Path.stat

    def fake(path: Path, **keywords: Any) -> os.stat_result:
        found = real(path, **keywords)
        if path not in paths:
            return found
        owner = (found.st_uid if uid is None else uid, found.st_gid if gid is None else gid)
        return os.stat_result((*found[:4], *owner, *found[6:10]))

    monkeypatch.setattr(Path, "stat", fake)


def given_away(monkeypatch: pytest.MonkeyPatch, *, may: bool = True) -> list[tuple[int, int]]:
    done: list[tuple[int, int]] = []

    def fchown(descriptor: int, uid: int, gid: int) -> None:
        if not may:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        found = os.fstat(descriptor)
        assert stat.S_IMODE(found.st_mode) == 0o600  # its content is there, and nobody else's yet
        done.append((uid, gid))

    monkeypatch.setattr(os, "fchown", fchown)
    return done


@pytest.mark.parametrize("owner", [{"uid": NOBODY}, {"gid": NOBODY}, {"uid": NOBODY, "gid": NOBODY}])
def test_a_file_keeps_its_owner(monkeypatch: pytest.MonkeyPatch, store: FileStore, owner: dict[str, int]) -> None:
    store.save("a", Token(CANARY))
    before = store.path("a").stat()
    done = given_away(monkeypatch)
    store.save("a", Token(CANARY))
    assert done == []  # what is ours anyway takes no right
    owned(monkeypatch, store.path("a"), **owner)
    store.save("a", Token(CANARY))
    assert done == [(owner.get("uid", before.st_uid), owner.get("gid", before.st_gid))]


def test_a_file_that_could_not_be_given_to_its_owner_is_found_before_there_is_a_token(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, tmp_path: Path
) -> None:
    store.save("a", Token(CANARY))
    store.save("b", Token(CANARY))
    given_away(monkeypatch, may=False)
    owned(monkeypatch, store.path("b"), uid=NOBODY)
    with pytest.raises(StoreUnavailableError) as caught:
        store.check()
    assert str(caught.value) == f"a token would not be kept in {tmp_path / 'b'}: Operation not permitted"
    store.path("b").unlink()
    store.check()


def test_what_is_no_file_of_a_key_may_be_whoevers(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, tmp_path: Path
) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    given_away(monkeypatch, may=False)
    owned(monkeypatch, tmp_path / "lost+found", tmp_path / ".gitkeep", uid=NOBODY)
    store.check()


def test_the_owner_of_a_link_is_that_of_what_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, tmp_path: Path
) -> None:
    (tmp_path / ".real").touch()
    store.path("a").symlink_to(".real")
    done = given_away(monkeypatch)
    owned(monkeypatch, tmp_path / ".real", uid=NOBODY)
    store.check()
    store.save("a", Token(CANARY))
    assert done == []
    assert not store.path("a").is_symlink()

    store.path("b").symlink_to("nowhere")
    given_away(monkeypatch, may=False)
    owned(monkeypatch, store.path("b"), uid=NOBODY)
    with pytest.raises(StoreUnavailableError, match="Operation not permitted"):
        store.check()


def test_a_directory_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to("real")
    store = FileStore(tmp_path / "link")
    store.check()
    store.save("a", Token(CANARY))
    assert FileStore(tmp_path / "real").load("a") == Token(CANARY)
    assert (tmp_path / "link").is_symlink()


def test_what_a_killed_process_leaves_is_removed_by_the_next_check(store: FileStore, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPS_IN_MID_WRITE, str(store.path("a"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at it\n"
        [under_way] = tmp_path.iterdir()
        store.check()
        assert under_way.exists()  # it is still at it
        process.kill()
    assert list(tmp_path.iterdir()) == [under_way]
    store.check()
    assert list(tmp_path.iterdir()) == []


def test_what_another_thread_writes_is_left_to_it(store: FileStore, tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def content() -> bytes:
        begun.set()
        assert go_on.wait(30)
        return b"whole"

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(_files.replace, tmp_path / "a", content, mode=0o600)
        assert begun.wait(30)
        store.check()
        go_on.set()
        writing.result()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_a_temporary_that_was_taken_for_a_leftover_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, tmp_path: Path
) -> None:
    made: list[str] = []
    mkstemp = tempfile.mkstemp

    def removed_at_first(*arguments: Any) -> tuple[int, str]:
        descriptor, name = mkstemp(*arguments)
        made.append(name)
        if len(made) == 1:  # before it is locked, another process comes along
            _files.rehearse(tmp_path / "b", 1, mode=0o600)
            assert not Path(name).exists()
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", removed_at_first)
    store.save("a", Token(CANARY))
    assert store.load("a") == Token(CANARY)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_others_left_is_theirs_and_no_reason_to_refuse(store: FileStore, tmp_path: Path) -> None:
    link = tmp_path / ".incident-io-keys-link.tmp"
    (tmp_path / "token of another").touch()
    os.mkfifo(tmp_path / ".incident-io-keys-pipe.tmp")  # to open that for reading, one would wait for who writes
    link.symlink_to("token of another")
    store.check()
    assert link.is_symlink()
    assert (tmp_path / "token of another").exists()


def test_no_descriptor_is_left_open(monkeypatch: pytest.MonkeyPatch, store: FileStore) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    store.save("a", Token(CANARY))
    lowest = os.dup(0)
    os.close(lowest)
    store.check()
    store.save("a", Token(CANARY))
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreUnavailableError, match="No locks available"):
        store.save("a", Token(CANARY))
    again = os.dup(0)
    os.close(again)
    assert again == lowest


def test_a_file_that_cannot_be_read_is_not_taken_for_none(store: FileStore) -> None:
    store.path("a").mkdir()
    with pytest.raises(StoreUnavailableError, match=r"a token cannot be read in .*: Is a directory"):
        store.load("a")


@pytest.mark.parametrize("store_of", [FileStore, lambda directory: DotenvStore(directory / "a")])
def test_a_named_pipe_does_not_hang_who_reads_it(tmp_path: Path, store_of: Callable[[Path], TokenStore]) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(StoreUnavailableError, match=r"a token cannot be read in .*: it is no regular file"):
        store_of(tmp_path).load("a")


def test_a_link_to_a_file_can_be_read(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "..data").write_text(CANARY)
    store.path("a").symlink_to("..data")
    assert store.load("a") == Token(CANARY)


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n"])
def test_an_empty_file_holds_no_token(store: FileStore, content: bytes) -> None:
    store.path("a").write_bytes(content)
    assert store.load("a") is None


def test_a_file_that_is_no_text_holds_what_no_token_is(store: FileStore) -> None:
    store.path("a").write_bytes(CANARY.encode() + b"\xff")
    assert store.load("a") not in (None, Token(CANARY))


def test_a_token_that_is_no_text_raises_nothing_that_shows_it(store: FileStore) -> None:
    store.save("a", Token(CANARY + "\ud800"))
    found = store.load("a")
    assert found is not None
    assert found != Token(CANARY + "\ud800")  # so that who stored it notices


def test_an_error_in_what_gives_the_content_gets_through_and_leaves_nothing(tmp_path: Path) -> None:
    def content() -> bytes:
        raise LookupError("no content")

    with pytest.raises(LookupError) as caught:
        _files.replace(tmp_path / "a", content, mode=0o600)
    assert "no content" in renderings(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_takes_no_other_s_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:  # as on some file systems

        def refused(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr("os.link", refused)
    path = tmp_path / "token"
    _files.replace(path, lambda: b"first", mode=0o600, new=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"first", 0o600)
    with pytest.raises(FileExistsError):
        _files.replace(path, lambda: b"second", mode=0o600, new=True)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        _files.replace(tmp_path / "link", lambda: b"second", mode=0o600, new=True)
    assert path.read_bytes() == b"first"
    assert {each.name for each in tmp_path.iterdir()} == {"token", "link"}
