"""Helpers for the storage tests: one interface to both clients, simulated waiting, and an in-memory token store."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from incident_io_keys import AsyncKeysClient, IncidentIOError, IssuedKey, KeysClient, Token
from incident_io_keys.storage import FileStore, RotationResult, create_into, rotate_due, rotate_into
from incident_io_keys.storage._runner import Client
from incident_io_keys.testing import MockAPI, MockClock, faults

# The age of the tokens that the tests rotate. It exceeds the limit of 90 days.
LONG = timedelta(days=91)


# Calls a function of `storage` with a client of the mock and returns its result.
Do: TypeAlias = Callable[..., Any]


NEW: dict[str, Any] = {"name": "deploy bot", "role_names": ["viewer"]}


class Memory:
    """An in-memory token store with a slot for each key. Tests make it fail at a chosen step."""

    def __init__(self, directory: Path) -> None:
        self.journal = directory / "journal"
        self.tokens: dict[str, Token] = {}
        self.steps: list[str] = []
        self.at: dict[str, Callable[[], object]] = {}
        self.rejected: set[str] = set()
        self.unreadable = False

    def step(self, name: str) -> None:
        self.steps.append(name)
        self.at.get(name, lambda: None)()

    def check(self) -> None:
        self.step("check")

    def save(self, key: str, token: Token) -> None:
        secret = token.reveal()
        self.step("save")
        if key in self.rejected:
            raise OSError("no space left")
        self.tokens[key] = Token(secret)

    def load(self, key: str) -> Token | None:
        self.step("load")
        if self.unreadable:
            raise OSError("cannot be read")
        return self.tokens.get(key)


# The functions that save a token of a key in a token store, by operation.
INTO: dict[str, Callable[..., Any]] = {
    "create": lambda client, store, _: create_into(client, store, **NEW),
    "rotate": lambda client, store, key_id: rotate_into(client, store, key_id),
}


class Doing:
    """Creates sync or async clients and runs functions of `storage` with them."""

    def __init__(self, kind: type[KeysClient | AsyncKeysClient]) -> None:
        self.kind = kind
        self._runner = asyncio.Runner()
        self._clients: list[Client] = []

    def client(self, token: Any, handler: Callable[[httpx.Request], httpx.Response]) -> Any:
        made = self.kind(token, transport=httpx.MockTransport(handler))
        self._clients.append(made)
        return made

    def __call__(self, value: Any) -> Any:
        """Return the result of a call. Await a coroutine and collect an async iterator."""
        if inspect.iscoroutine(value):
            return self._runner.run(value)
        if isinstance(value, AsyncIterator):
            return self._runner.run(_gathered(value))
        return value

    def first(self, value: Any) -> Any:
        """Return the first item of a sync or async iterator."""
        return self._runner.run(_first(value)) if isinstance(value, AsyncIterator) else next(value)

    def close(self) -> None:
        for client in self._clients:
            if isinstance(client, AsyncKeysClient):
                self(client.aclose())
            else:
                client.close()
        self._runner.close()


async def _first(values: AsyncIterator[Any]) -> Any:
    return await anext(values)


async def _gathered(values: AsyncIterator[Any]) -> list[Any]:
    return [value async for value in values]


class Waits:
    """Replaces sleeping. A sleeper wakes up by the clock of a mock, which advances once all workers sleep.

    The class assumes that all workers sleep when no sleeper came or left for `patience` seconds.
    """

    def __init__(self, clock: MockClock) -> None:
        self.patience = 0.003
        self.clock = clock
        self.seconds: list[float] = []
        self._asleep: list[Any] = []
        self._changed = threading.Condition()

    def sleep(self, seconds: float, _: object = None) -> None:
        with self._changed:
            self.seconds.append(seconds)
            until = self.clock.now() + timedelta(seconds=seconds)
            self._asleep.append(until)
            self._changed.notify_all()
            while (now := self.clock.now()) < until:
                if not self._changed.wait(self.patience) and until == min(self._asleep):
                    self.clock.advance(until - now)
            self._asleep.remove(until)
            self._changed.notify_all()


def works(mock: MockAPI, token: Token | None) -> bool:
    """Return whether the API accepts a token. The roles of its key do not matter."""
    if token is None:
        return False
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    response = mock.handle(httpx.Request("GET", "https://api.incident.io/v1/api_keys/none", headers=headers))
    return response.status_code != 401


def named(mock: MockAPI, name: str) -> list[Any]:
    """Return the keys of the mock that have a name."""
    with KeysClient(mock.token, transport=mock.transport()) as keys:
        return [key for key in keys.list() if key.name == name]


def sent(mock: MockAPI, what: str) -> list[str]:
    """Return the IDs of the keys in all requests to rotate or to delete a key, including failed requests."""
    if what == "DELETE":
        return [request.url.path.split("/")[3] for request in mock.requests if request.method == what]
    return [request.url.path.split("/")[3] for request in mock.requests if request.url.path.endswith(f"/{what}")]


def assert_no_token_lost(mock: MockAPI, store: Any, found: Iterable[RotationResult]) -> None:
    """Check that the store has a working token of each rotated key, and that results report all pending operations."""
    mock.clear_faults()
    mock.settings.rate_limit = None
    pending = set()
    for rotated in found:
        if rotated.status == "rotated":
            assert works(mock, store.load(rotated.key.id)), rotated
        token = getattr(rotated.error, "token", None)
        assert token is None or works(mock, token), rotated
        if rotated.error is not None and rotated.error.may_have_applied:
            pending.add(f"rotate-{rotated.key.id}.json")
        assert (rotated.status == "rotated") == (rotated.reason is None), rotated
    assert {path.name for path in store.journal.glob("*")} == pending


def aged(mock: MockAPI, count: int) -> list[IssuedKey]:
    """Add keys that are due for rotation."""
    issued = [mock.add_key(f"key {number}", ["viewer"]) for number in range(count)]
    mock.clock.advance(LONG)
    return issued


def rotated(doing: Doing, keys: Any, store: Any, mock: MockAPI, **arguments: Any) -> list[RotationResult]:
    found = doing(rotate_due(keys, store, older_than="90 days", now=mock.clock.now(), **arguments))
    assert_no_token_lost(mock, store, found)
    return found  # type: ignore[no-any-return]


def states(found: list[RotationResult]) -> dict[str, str]:
    return {each.key.name: each.status for each in found}


def requests_of(mock: MockAPI) -> list[str]:
    """Return the requests that the mock received, in the form `POST rotate`."""
    return [f"{request.method} {request.url.path.rpartition('/')[2]}" for request in mock.requests]


def entries(store: FileStore) -> list[Path]:
    """Return the journal files of the pending operations."""
    return sorted(store.journal.glob("*")) if store.journal.exists() else []


def failure(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(IncidentIOError) as caught:
        call(*arguments, **keywords)
    return caught.value


def throw(error: BaseException) -> Any:
    raise error


def listed(client: Any) -> Any:
    if isinstance(client, KeysClient):
        return list(client.list())

    async def keys() -> list[Any]:
        return [key async for key in client.list()]

    return keys()


def later() -> datetime:
    """Return a time at which a lost request can no longer take effect."""
    return datetime.now(UTC) + timedelta(minutes=6)


def lose_response(do: Do, mock: MockAPI, store: Any, operation: str, key_id: str, *, applied: bool = True) -> None:
    """Request a token and lose the response."""
    mock.fail_next(faults.Close(applied=applied), operation=operation)
    if operation == "create":
        failure(do, create_into, store, **NEW)
    else:
        failure(do, rotate_into, store, key_id)


def fail_to_save(do: Do, memory: Memory, operation: str, key_id: str) -> Any:
    """Request a token that the store fails to save, and return the error."""
    memory.at["save"] = lambda: throw(OSError("full"))
    error = (
        failure(do, create_into, memory, **NEW) if operation == "create" else failure(do, rotate_into, memory, key_id)
    )
    memory.at.clear()
    return error


def newest(mock: MockAPI, token: Token | None) -> bool:
    """Return whether a token still works after every grace period has ended."""
    mock.clock.advance(timedelta(hours=2))
    return works(mock, token)
