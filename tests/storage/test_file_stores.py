"""FileStore: whose the files are, what a reader and a crash find, and what `check` finds out before it is too late."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incident_io_keys import InvalidRequestError, Token, file_token
from incident_io_keys.storage import DotenvStore, FileStore, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "tokens"
    directory.mkdir(0o700)
    return directory


@pytest.fixture
def store(directory: Path) -> FileStore:
    return FileStore(directory)


@pytest.fixture(params=[0o000, 0o022, 0o777], ids="{:03o}".format)
def _umask(request: pytest.FixtureRequest, store: FileStore) -> Iterator[None]:  # noqa: ARG001 - is made before
    before = os.umask(request.param)
    yield
    os.umask(before)


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))  # noqa: PTH208 - hidden ones too, by their names


def fails(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, number: int, *, on: Callable[[Any], bool] = bool
) -> None:
    """Have a function fail with an error of the system where its first argument is such."""
    real = getattr(place, name)

    def failing(*arguments: Any, **keywords: Any) -> Any:
        if not arguments or on(arguments[0]):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **keywords)

    monkeypatch.setattr(place, name, failing)


def is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def test_a_token_comes_back_and_so_does_the_one_that_takes_its_place(store: FileStore) -> None:
    store.check()
    assert store.load("a") is None
    for token in (Token(OLD), Token(CANARY)):
        store.save("a", token)
        assert store.load("a") == token
        assert file_token(store.path("a"))() == token
    assert store.load("b") is None


@pytest.mark.usefixtures("_umask")
def test_only_its_owner_can_read_a_file_whatever_the_umask(store: FileStore, directory: Path) -> None:
    store.path("b").touch()
    store.path("b").chmod(0o644)
    store.check()
    for key in ("a", "b"):
        store.save(key, Token(CANARY))
        assert stat.S_IMODE(store.path(key).stat().st_mode) == 0o600
    assert names(directory) == ["a", "b"]


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_it_counts_as_stored(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, directory: Path
) -> None:
    done: list[object] = []
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        done.append(("file", found.st_size) if is_file(descriptor) else ("directory", found.st_ino))
        sync(descriptor)

    def put(path: Path, target: Path) -> Path:
        done.append((path.parent, target))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", put)
    store.save("a", Token(CANARY))
    file = ("file", len(CANARY) + 1)  # and once more with its rights
    assert done == [file, file, (directory, store.path("a")), ("directory", directory.stat().st_ino)]


def test_a_reader_finds_one_token_or_the_other_and_never_a_part(
    monkeypatch: pytest.MonkeyPatch, store: FileStore
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    tokens = Token(CANARY), Token(OLD)
    store.save("a", tokens[0])
    over, begun = threading.Event(), threading.Event()

    def read() -> set[Token | None]:
        found = set()
        while not over.is_set():
            found.add(store.load("a"))
            begun.set()
        return found

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        begun.wait(30)
        for turn in range(500):
            store.save("a", tokens[turn % 2])
        over.set()
        assert reader.result() <= set(tokens)


@pytest.mark.parametrize(
    "key", ["..", ".", ".hidden", "", "a/b", "/etc/passwd", "../up", "a%2Fb", "a b", "\0", "é", "e\u0301", "\ud800"]
)
def test_whatever_an_id_is_it_stays_in_the_directory(store: FileStore, directory: Path, key: str) -> None:
    store.save(key, Token(CANARY))
    assert names(directory) == [store.path(key).name]
    assert names(directory.parent) == [directory.name]
    assert store.load(key) == Token(CANARY)
    assert not store.path(key).name.startswith(".")  # where temporaries and the journal are


IDS = st.text(st.one_of(st.sampled_from("./%2Ee \0\ud800"), st.characters()), max_size=6)


@given(IDS, IDS)
@example(".a", "2Ea")
@example(".a", "%2Ea")
@example("", "%")
def test_no_two_ids_have_one_file(one: str, other: str) -> None:
    store = FileStore("/tokens")
    assert (store.path(one) == store.path(other)) == (one == other)
    assert os.path.normpath(store.path(one)) == f"/tokens/{store.path(one).name}"


STEPS: list[tuple[object, str, int, Callable[[Any], bool]]] = [
    (tempfile, "mkstemp", errno.EACCES, bool),
    (tempfile, "mkstemp", errno.EROFS, bool),
    (fcntl, "flock", errno.ENOLCK, is_file),
    (os, "fchmod", errno.EPERM, bool),
    (os, "fsync", errno.ENOSPC, is_file),
]


@pytest.mark.parametrize(("place", "name", "number", "on"), STEPS)
def test_what_would_keep_a_token_from_its_place_is_found_before_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
    store: FileStore,
    directory: Path,
    place: object,
    name: str,
    number: int,
    on: Callable[[Any], bool],
) -> None:
    fails(monkeypatch, place, name, number, on=on)
    with pytest.raises(StoreUnavailableError) as caught:
        store.check()
    assert str(caught.value) == f"a token would not be kept in {directory}: {os.strerror(number)}"
    assert names(directory) == []


@pytest.mark.parametrize(("place", "name", "number", "on"), [*STEPS, (Path, "replace", errno.EPERM, bool)])
def test_where_a_token_cannot_be_stored_the_one_before_is_still_there_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
    store: FileStore,
    directory: Path,
    place: object,
    name: str,
    number: int,
    on: Callable[[Any], bool],
) -> None:
    store.save("a", Token(OLD))
    fails(monkeypatch, place, name, number, on=on)
    with pytest.raises(StoreUnavailableError, match="was not kept") as caught:
        store.save("a", Token(CANARY))
    assert caught.value.__context__ is not None
    # Which the exception hides and yet has, with the locals of all that the token went through.
    shown = renderings(caught.value) + renderings(caught.value.__context__)
    assert os.strerror(number) in shown
    assert CANARY not in shown
    assert OLD not in shown
    assert store.load("a") == Token(OLD)
    assert names(directory) == ["a"]


def test_where_only_the_name_may_be_lost_in_a_crash_it_is_said_and_the_new_token_is_there(
    monkeypatch: pytest.MonkeyPatch, store: FileStore, directory: Path
) -> None:
    fails(monkeypatch, os, "fsync", errno.EIO, on=lambda descriptor: not is_file(descriptor))
    with pytest.raises(StoreUnavailableError, match="Input/output error"):
        store.check()
    with pytest.raises(StoreUnavailableError, match="Input/output error"):
        store.save("a", Token(CANARY))
    assert store.load("a") == Token(CANARY)
    assert names(directory) == ["a"]


def test_a_directory_that_is_none_is_found_by_the_check(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, message in ((tmp_path / "missing", "No such file"), (tmp_path / "file", "Not a directory")):
        with pytest.raises(StoreUnavailableError, match=message):
            FileStore(path).check()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702, 0o720, 0o770, 0o3770])
def test_a_directory_that_others_can_write_to_is_refused(store: FileStore, directory: Path, mode: int) -> None:
    directory.chmod(mode)
    with pytest.raises(StoreUnavailableError, match=r"can be written to by its group or everyone: .* \(chmod go-w\)"):
        store.check()
    directory.chmod(mode & ~(stat.S_IWGRP | stat.S_IWOTH))
    store.check()


class NamedByBytes:
    def __fspath__(self) -> bytes:
        return b"a"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        *(("a\0b", "contains what no path can have"), ("\ud800", "contains what no path can have"), ("", "is empty")),
        *((each, "takes a path") for each in (None, 3, b"a", ["a"], NamedByBytes())),
    ],
)
def test_what_is_no_path_is_refused_where_the_store_is_made(path: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"directory: {message}"):
        FileStore(path)
    with pytest.raises(InvalidRequestError, match=f"path: {message}") as caught:
        DotenvStore(path)
    assert "DotenvStore('.', " in renderings(caught.value)


def test_a_store_stays_where_it_is_when_the_process_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, directory: Path
) -> None:
    monkeypatch.chdir(directory.parent)
    store = FileStore(directory.name)
    monkeypatch.chdir("/")
    assert store.path("a") == directory / "a"
    assert store.journal.parent == directory
    assert repr(store) == f"FileStore({str(directory)!r})"
