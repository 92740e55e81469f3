"""KeyringStore, with backends in memory: no test touches a real keyring."""

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

from incident_io_keys import InvalidRequestError, Token
from incident_io_keys.storage import KeyringStore, StoreUnavailableError

from ..conftest import CANARY
from ..hiding import renderings

OLD = "inc_" + "0ddba11" * 8
UNUSUAL = "no-prefix/" + "ba5eba11" * 4


class Memory(KeyringBackend):
    _classes: ClassVar[set[Any]] = set()  # where the library registers the backends that it can choose
    priority = -1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.saved: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.saved.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.saved[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.saved[service, username]


class LeakingError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(f"cannot handle {text}")
        self.text = text


class Forgetful(Memory):
    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Garbling(Memory):
    def get_password(self, service: str, username: str) -> str | None:
        return "something else"


def leaking(method: str) -> type[Memory]:
    """Return a backend with a method that raises an error with a token."""

    def leak(_: Memory, *arguments: str) -> None:
        raise LeakingError(f"{arguments} {OLD}")

    return type(f"Leaking_{method}", (Memory,), {method: leak})


class Bytes(Memory):
    def get_password(self, service: str, username: str) -> str | None:
        return OLD.encode()  # type: ignore[return-value]


class Interrupted(Memory):
    def _interrupted(self, *given: str) -> None:
        raise KeyboardInterrupt(f"at {given} and {CANARY}")

    get_password = set_password = delete_password = _interrupted  # type: ignore[assignment]


def store_of(backend: KeyringBackend, tmp_path: Path) -> KeyringStore:
    return KeyringStore("ours", journal=tmp_path / "journal", backend=backend)


def test_each_token_is_saved_under_its_key(tmp_path: Path) -> None:
    backend = Memory()
    backend.saved = {("theirs", "b"): OLD, ("ours", "empty"): ""}
    store = store_of(backend, tmp_path)
    store.check()
    store.save("a", Token(OLD))
    store.save("a", Token(CANARY))
    assert store.load("a") == Token(CANARY)
    assert store.load("b") is None
    assert store.load("empty") is None
    assert backend.saved == {("theirs", "b"): OLD, ("ours", "empty"): "", ("ours", "a"): CANARY}


def test_the_library_chooses_the_default_backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backend = Memory()
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    monkeypatch.chdir(tmp_path)
    store = KeyringStore(journal="journal")
    monkeypatch.chdir("/")
    store.save("a", Token(CANARY))
    assert backend.saved == {("incident-io-keys", "a"): CANARY}
    assert store.journal == tmp_path / "journal"
    assert repr(store) == "KeyringStore('incident-io-keys')"


def test_the_library_is_only_needed_to_choose_a_backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(InvalidRequestError) as caught:
        KeyringStore(journal=tmp_path)
    assert "keyring: is not installed; pip install 'incident-io-keys[keyring]'" in str(caught.value)
    KeyringStore(journal=tmp_path, backend=Memory())


def test_a_library_that_cannot_choose_a_backend_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails() -> None:
        raise LeakingError(CANARY)

    monkeypatch.setattr(keyring, "get_keyring", fails)
    with pytest.raises(InvalidRequestError) as caught:
        KeyringStore(journal=tmp_path)
    assert "backend: the library keyring cannot choose one: LeakingError; pass backend=..." in str(caught.value)
    assert CANARY not in renderings(caught.value)
    assert caught.value.__context__ is None


def test_a_class_is_not_a_backend() -> None:
    arguments: dict[str, Any] = {"backend": Memory, "journal": "a\0b"}
    with pytest.raises(InvalidRequestError, match=r"backend: is a class; pass an instance: Memory\(\)") as caught:
        KeyringStore(**arguments)
    assert [problem.field for problem in caught.value.problems] == ["journal", "backend"]


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (NoKeyring, "NoKeyringError"),
        (Forgetful, "it does not return what it saved"),
        (Garbling, "it does not return what it saved"),
        *((leaking(method), "LeakingError") for method in ("set_password", "get_password", "delete_password")),
    ],
)
def test_the_check_detects_a_keyring_that_does_not_work(
    tmp_path: Path, backend: type[KeyringBackend], reason: str
) -> None:
    used = backend()
    with pytest.raises(StoreUnavailableError) as caught:
        store_of(used, tmp_path).check()
    assert str(caught.value) == f"cannot save a token to the keyring {backend.__name__}: {reason}"
    assert OLD not in renderings(caught.value)
    assert not getattr(used, "saved", {}) or backend.__name__ == "Leaking_delete_password"


def test_concurrent_checks_do_not_disturb_each_other(tmp_path: Path) -> None:
    barrier = Barrier(2)

    class Slow(Memory):
        def get_password(self, service: str, username: str) -> str | None:
            barrier.wait(30)
            found = super().get_password(service, username)
            barrier.wait(30)
            return found

    backend = Slow()
    store = store_of(backend, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        for check in [pool.submit(store.check) for _ in range(2)]:
            check.result()
    assert backend.saved == {}


def test_an_error_of_a_backend_is_reported_without_a_token(tmp_path: Path) -> None:
    def save(store: KeyringStore) -> None:
        store.save("a", Token(CANARY))

    def load(store: KeyringStore) -> None:
        store.load("a")

    for backend, call, message in (
        (leaking("set_password"), save, "the token was not saved to the keyring Leaking_set_password: LeakingError"),
        (leaking("get_password"), load, "cannot read a token from the keyring Leaking_get_password: LeakingError"),
        (Bytes, load, "cannot read a token from the keyring Bytes: TypeError"),
    ):
        with pytest.raises(StoreUnavailableError) as caught:
            call(store_of(backend(), tmp_path))
        assert str(caught.value) == message
        assert CANARY not in renderings(caught.value)
        assert OLD not in renderings(caught.value)
        assert caught.value.__context__ is None  # it would have the frames of the backend


@pytest.mark.parametrize("method", ["check", "save", "load"])
def test_an_interrupt_passes_through_without_a_token(tmp_path: Path, method: str) -> None:
    store = store_of(Interrupted(), tmp_path)
    arguments = {"check": (), "save": ("a", Token(UNUSUAL)), "load": ("a",)}[method]
    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(store, method)(*arguments)
    shown = renderings(caught.value)
    assert CANARY not in shown
    assert UNUSUAL not in shown
