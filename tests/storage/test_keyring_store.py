"""KeyringStore, with backends in memory: nobody's keyring is touched."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import PasswordSetError

from incident_io_keys import InvalidRequestError, Token
from incident_io_keys.storage import KeyringStore, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8
UNUSUAL = "no-prefix/" + "ba5eba11" * 4


class Memory(KeyringBackend):
    _classes: ClassVar[set[Any]] = set()  # where the library notes what it may choose: not this one
    priority = -1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class TellingError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(f"cannot handle {text}")
        self.text = text


class Sieve(Memory):
    """Drops what it takes."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Blurring(Memory):
    """Gives back something else."""

    def get_password(self, service: str, username: str) -> str | None:
        return "something else"


class Locked(Memory):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError(password)


class TellingOnSet(Memory):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise TellingError(password)


class TellingOnGet(Memory):
    def get_password(self, service: str, username: str) -> str | None:
        raise TellingError(OLD)


class TellingOnDelete(Memory):
    def delete_password(self, service: str, username: str) -> None:
        raise TellingError(OLD)


class Bytes(Memory):
    def get_password(self, service: str, username: str) -> str | None:
        return CANARY.encode()  # type: ignore[return-value]


def store_of(backend: KeyringBackend, tmp_path: Path) -> KeyringStore:
    return KeyringStore("ours", journal=tmp_path / "journal", backend=backend)


def test_tokens_come_back_each_for_its_key(tmp_path: Path) -> None:
    backend = Memory()
    backend.kept["theirs", "b"] = OLD
    store = store_of(backend, tmp_path)
    store.check()
    store.save("a", Token(OLD))
    store.save("a", Token(CANARY))
    assert store.load("a") == Token(CANARY)
    assert store.load("b") is None
    assert backend.kept == {("theirs", "b"): OLD, ("ours", "a"): CANARY}


def test_an_empty_entry_is_none(tmp_path: Path) -> None:
    backend = Memory()
    backend.kept["ours", "a"] = ""
    assert store_of(backend, tmp_path).load("a") is None


def test_the_backend_is_the_one_that_the_library_chooses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backend = Memory()
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    KeyringStore(journal=tmp_path / "journal").save("a", Token(CANARY))
    assert backend.kept == {("incident-io-keys", "a"): CANARY}


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(InvalidRequestError) as caught:
        KeyringStore(journal=tmp_path)
    assert "pip install 'incident-io-keys[keyring]'" in str(caught.value)
    KeyringStore(journal=tmp_path, backend=Memory())  # somebody's own, which needs no library


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        (NoKeyring, "NoKeyringError; choose another one with backend=..."),
        (Locked, "PasswordSetError; choose another one with backend=..."),
        (Sieve, "it does not give back what it took"),
        (Blurring, "it does not give back what it took"),
        (TellingOnSet, "TellingError"),
        (TellingOnGet, "TellingError"),
        (TellingOnDelete, "TellingError"),
    ],
)
def test_a_keyring_that_keeps_nothing_is_found_by_the_check(
    tmp_path: Path, backend: type[KeyringBackend], message: str
) -> None:
    store = store_of(backend(), tmp_path)
    with pytest.raises(StoreUnavailableError) as caught:
        store.check()
    assert str(caught.value) == f"a token would not be kept in the keyring {backend.__name__}: {message}"
    assert OLD not in renderings(caught.value)


def test_a_library_that_cannot_choose_is_told_by_no_more_than_the_name_of_what_it_raises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails() -> None:
        raise TellingError(CANARY)

    monkeypatch.setattr(keyring, "get_keyring", fails)
    with pytest.raises(InvalidRequestError) as caught:
        KeyringStore(journal=tmp_path)
    assert "backend: cannot be chosen by the library keyring: TellingError; give backend=..." in str(caught.value)
    assert CANARY not in renderings(caught.value)
    assert caught.value.__context__ is None


def test_a_backend_that_is_a_class_and_a_journal_that_is_no_path_are_refused() -> None:
    arguments: dict[str, Any] = {"backend": Memory, "journal": "a\0b"}
    with pytest.raises(InvalidRequestError, match=r"backend: is a class; give an instance of it: Memory\(\)") as caught:
        KeyringStore(**arguments)
    assert [problem.field for problem in caught.value.problems] == ["journal", "backend"]


class Interrupted(Memory):
    def _interrupted(self, *given: str) -> None:
        raise KeyboardInterrupt(f"at {given} and {CANARY}")

    get_password = set_password = delete_password = _interrupted  # type: ignore[assignment]


@pytest.mark.parametrize("method", ["check", "save", "load"])
def test_an_interrupt_gets_through_and_shows_no_token(tmp_path: Path, method: str) -> None:
    store = store_of(Interrupted(), tmp_path)
    arguments = {"check": (), "save": ("a", Token(UNUSUAL)), "load": ("a",)}[method]
    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(store, method)(*arguments)
    shown = renderings(caught.value)
    assert CANARY not in shown
    assert UNUSUAL not in shown


@pytest.mark.parametrize("backend", [Memory, Blurring, TellingOnGet])
def test_a_check_leaves_nothing_behind(tmp_path: Path, backend: type[Memory]) -> None:
    held = backend()
    try:
        store_of(held, tmp_path).check()
    except StoreUnavailableError:
        assert backend is not Memory
    assert held.kept == {}


def test_checks_at_once_do_not_meet(tmp_path: Path) -> None:
    barrier = Barrier(2)

    class Slow(Memory):
        def get_password(self, service: str, username: str) -> str | None:
            barrier.wait(30)
            found = super().get_password(service, username)
            barrier.wait(30)
            return found

    held = Slow()
    store = store_of(held, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        for check in [pool.submit(store.check) for _ in range(2)]:
            check.result()
    assert held.kept == {}


def test_what_a_backend_tells_of_a_token_is_not_told_on(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        store_of(TellingOnSet(), tmp_path).save("a", Token(CANARY))
    assert str(caught.value) == "a token was not kept in the keyring TellingOnSet: TellingError"
    assert CANARY not in renderings(caught.value)
    assert caught.value.__context__ is None  # it would have the frames of the backend

    with pytest.raises(StoreUnavailableError) as caught:
        store_of(TellingOnGet(), tmp_path).load("a")
    assert str(caught.value) == "a token cannot be read in the keyring TellingOnGet: TellingError"
    assert OLD not in renderings(caught.value)
    assert caught.value.__context__ is None


def test_what_is_no_text_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be read in the keyring Bytes: TypeError") as caught:
        store_of(Bytes(), tmp_path).load("a")
    assert CANARY not in renderings(caught.value)


def test_the_journal_is_where_it_was_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    store = KeyringStore(journal="journal", backend=Memory())
    monkeypatch.chdir("/")
    assert store.journal == tmp_path / "journal"
    assert repr(store) == "KeyringStore('incident-io-keys')"
