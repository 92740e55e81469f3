"""FileStore: a file for each key, or one file for the token of one key."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from incident_io_keys import InvalidRequestError, Token, file_token
from incident_io_keys.storage import DotenvStore, FileStore, KeyringStore, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "tokens"
    directory.mkdir(0o700)
    return directory


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_saved_token_replaces_the_old_one_and_is_loaded(directory: Path, file: Path, kind: str) -> None:
    store = FileStore(directory) if kind == "directory" else FileStore(file=file)
    store.check()
    assert store.load("a") is None
    for token in (Token(OLD), Token(CANARY)):
        store.save("a", token)
        store.check()
        assert store.load("a") == token
        assert file_token(store.path("a"))() == token
    assert store.load("b") == (None if kind == "directory" else Token(CANARY))


@pytest.mark.parametrize(
    "key", ["..", ".", ".hidden", "", "a/b", "/etc/passwd", "../up", "a%2Fb", "a b", "\0", "é", "e\u0301", "\ud800"]
)
def test_every_id_names_a_visible_file_in_the_directory(directory: Path, key: str) -> None:
    store = FileStore(directory)
    store.save(key, Token(CANARY))
    assert names(directory) == [store.path(key).name]
    assert names(directory.parent) == [directory.name]
    assert store.load(key) == Token(CANARY)
    assert not store.path(key).name.startswith(".")


IDS = st.text(st.one_of(st.sampled_from("./%2Ee \0\ud800"), st.characters()), max_size=6)


@given(IDS, IDS)
@example(".a", "2Ea")
@example(".a", "%2Ea")
@example("", "%")
def test_two_ids_never_share_a_file(one: str, other: str) -> None:
    store = FileStore("/tokens")
    assert (store.path(one) == store.path(other)) == (one == other)
    assert os.path.normpath(store.path(one)) == f"/tokens/{store.path(one).name}"


def test_a_link_is_followed_except_in_a_directory_of_tokens(directory: Path, file: Path) -> None:
    (directory.parent / "link").symlink_to("tokens")
    FileStore(directory.parent / "link").save("a", Token(OLD))
    assert FileStore(directory).load("a") == Token(OLD)
    (directory / "b").symlink_to("a")
    FileStore(directory).save("b", Token(CANARY))
    assert not (directory / "b").is_symlink()
    assert FileStore(directory).load("a") == Token(OLD)
    file.symlink_to("tokens/a")
    store = FileStore(file=file)
    store.save("a", Token(CANARY))
    assert file.is_symlink()
    assert store.path("any") == directory / "a"
    assert store.journal == directory / ".a.incident-io-keys-journal"
    assert FileStore(directory).load("a") == Token(CANARY)


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n"])
def test_an_empty_file_has_no_token(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    FileStore(file=file).check()
    assert FileStore(file=file).load("a") is None


@pytest.mark.parametrize("template", [b"two words", b"%b\nA=1\n", b"'%b'", b"%b\xff"])
def test_a_file_with_other_content_is_only_replaced_with_overwrite(file: Path, template: bytes) -> None:
    file.write_bytes(template.replace(b"%b", CANARY.encode()))
    size, store = file.stat().st_size, FileStore(file=file)
    attempts: list[tuple[str, Callable[[], None]]] = [
        ("cannot save a token to", store.check),
        ("the token was not saved to", lambda: store.save("a", Token(OLD))),
    ]
    for what, attempt in attempts:
        with pytest.raises(StoreUnavailableError) as caught:
            attempt()
        problem = "it contains something else; remove it, or pass overwrite=True"
        assert str(caught.value) == f"{what} {file}: {problem}"
        assert CANARY not in renderings(caught.value)
    assert file.stat().st_size == size
    assert store.load("a") not in (None, Token(CANARY))
    overwriting = FileStore(file=file, overwrite=True)
    overwriting.check()
    overwriting.save("a", Token(OLD))
    assert store.load("a") == Token(OLD)


def test_a_file_that_appears_while_a_token_is_saved_is_not_replaced(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: file.touch())
    with pytest.raises(StoreUnavailableError, match=f"the token was not saved to {file}: File exists") as caught:
        FileStore(file=file).save("a", Token(CANARY))
    assert CANARY not in renderings(caught.value)
    assert (names(file.parent), file.read_text()) == (["token"], "")
    FileStore(file=file, overwrite=True).save("a", Token(CANARY))
    assert file.read_text() == f"{CANARY}\n"


def test_a_path_without_a_usable_file_fails_the_check(directory: Path, file: Path) -> None:
    os.mkfifo(directory / "pipe")
    (directory / "loop").symlink_to("loop")
    for path in (directory, directory / "pipe", directory / "loop", directory / "missing" / "token"):
        with pytest.raises(StoreUnavailableError, match=r"it is not a regular file|No such file"):
            FileStore(file=path, overwrite=True).check()
    file.touch()
    for path, message in ((directory / "missing", "No such file"), (file, "Not a directory")):
        with pytest.raises(StoreUnavailableError, match=message):
            FileStore(path).check()


def test_an_empty_file_of_another_user_fails_the_check(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.touch()
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    with pytest.raises(StoreUnavailableError, match="it belongs to another user, who could read the token; remove it"):
        FileStore(file=file).check()
    file.write_text(OLD)
    FileStore(file=file).check()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702, 0o720, 0o770, 0o3770])
def test_others_must_not_write_to_the_directory(directory: Path, mode: int) -> None:
    directory.chmod(mode)
    with pytest.raises(StoreUnavailableError) as caught:
        FileStore(directory).check()
    problem = "its group or everyone can write to it; run chmod go-w"
    assert str(caught.value) == f"cannot save a token to {directory}: {problem}"
    if mode & stat.S_IWOTH:
        with pytest.raises(StoreUnavailableError, match="everyone can write to its directory; use another directory"):
            FileStore(file=directory / "token").check()
    directory.chmod(mode & ~stat.S_IWOTH)
    FileStore(file=directory / "token").check()
    directory.chmod(mode & ~(stat.S_IWGRP | stat.S_IWOTH))
    FileStore(directory).check()


class NamedByBytes:
    def __fspath__(self) -> bytes:
        return b"a"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        *((each, "contains a null character or half of a surrogate pair") for each in ("a\0b", "\ud800")),
        ("", "is empty; write '.' for the working directory"),
        *((each, "takes a path") for each in (3, b"a", ["a"], NamedByBytes())),
    ],
)
def test_an_invalid_path_is_rejected(path: Any, message: str) -> None:
    stores: dict[str, Callable[[], object]] = {
        "directory": lambda: FileStore(path),
        "file": lambda: FileStore(file=path),
        "journal": lambda: KeyringStore(journal=path),
        "path": lambda: DotenvStore(path),
    }
    for field, create in stores.items():
        with pytest.raises(InvalidRequestError, match=f"the store was not created:\n  {field}: {message}") as caught:
            create()
        assert "Store(" in renderings(caught.value)
    with pytest.raises(InvalidRequestError, match=f"journal: {message}"):
        FileStore(file="a", journal=path)


def test_exactly_one_of_directory_and_file_is_required() -> None:
    creates: list[Callable[[], object]] = [FileStore, lambda: FileStore("a", file="b")]
    for create in creates:
        with pytest.raises(InvalidRequestError) as caught:
            create()
        assert str(caught.value).endswith("directory, file: exactly one is required; pass file=PATH for one key")
    with pytest.raises(InvalidRequestError, match="overwrite: is only for `file`; omit it"):
        FileStore("a", overwrite=True)


def test_a_store_has_a_journal_and_a_fixed_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    stores = (
        FileStore("tokens"),
        FileStore(file="a"),
        FileStore("tokens", journal="j"),
        FileStore(file="a", journal="j"),
    )
    monkeypatch.chdir("/")
    journals = ["tokens/.incident-io-keys-journal", ".a.incident-io-keys-journal", "j", "j"]
    assert [store.journal for store in stores] == [tmp_path / journal for journal in journals]
    assert [store.single_slot for store in stores] == [False, True, False, True]
    assert not any(store.overwrite for store in stores)
    assert FileStore(file="a", overwrite=True).overwrite
    assert [repr(store) for store in stores[:2]] == [
        f"FileStore({str(tmp_path / 'tokens')!r})",
        f"FileStore(file={str(tmp_path / 'a')!r})",
    ]


def test_a_token_that_is_not_text_is_saved_without_an_error_that_shows_it(file: Path) -> None:
    store = FileStore(file=file)
    store.save("a", Token(CANARY + "\ud800"))
    assert store.load("a") not in (None, Token(CANARY + "\ud800"))
