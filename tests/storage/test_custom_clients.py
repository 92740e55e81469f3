"""Clients that are not exactly a KeysClient: a Protocol's fake, a wrapper, a subclass without the base's state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from incident_io_keys import AsyncKeysClient, InvalidRequestError, IssuedKey, KeysClient, Token
from incident_io_keys.storage import (
    StorageError,
    create_into,
    due,
    find_orphans,
    recover_orphan,
    resume,
    rotate_due,
    rotate_into,
)
from incident_io_keys.testing import MockAPI

from .doing import NEW, Memory, aged, later, named, works


class Fake:
    """The public methods of a client, and nothing else."""

    def __init__(self, client: KeysClient) -> None:
        self._inner = client

    def list(self) -> Any:
        return self._inner.list()

    def show(self, id: str) -> Any:
        return self._inner.show(id)

    def create(self, **definition: Any) -> IssuedKey:
        return self._inner.create(**definition)

    def rotate(self, id: str, *, grace_period_minutes: int) -> IssuedKey:
        return self._inner.rotate(id, grace_period_minutes=grace_period_minutes)

    def delete(self, id: str) -> None:
        self._inner.delete(id)

    def with_token(self, token: Token) -> Any:
        return type(self)(self._inner.with_token(token))


class AsyncFake:
    """The same for an async client."""

    def __init__(self, client: AsyncKeysClient) -> None:
        self._inner = client

    def list(self) -> Any:
        return self._inner.list()

    async def show(self, id: str) -> Any:
        return await self._inner.show(id)

    async def create(self, **definition: Any) -> IssuedKey:
        return await self._inner.create(**definition)

    async def rotate(self, id: str, *, grace_period_minutes: int) -> IssuedKey:
        return await self._inner.rotate(id, grace_period_minutes=grace_period_minutes)

    def with_token(self, token: Token) -> Any:
        return AsyncFake(self._inner.with_token(token))


class Wrapper(Fake, KeysClient):  # type: ignore[misc]
    """A subclass whose `__init__` does not call that of KeysClient."""


@pytest.mark.parametrize("kind", [Fake, Wrapper])
def test_a_client_needs_public_methods_only(kind: Any, mock: MockAPI, memory: Memory) -> None:
    [old] = aged(mock, 1)
    with KeysClient(mock.token, transport=mock.transport()) as inner:
        client = kind(inner)
        issued = create_into(client, memory, **NEW)
        rotate_into(client, memory, issued.api_key.id)
        assert [key.id for key in due(client, older_than="90 days", now=mock.clock.now())][1:] == [old.api_key.id]
        rotate_due(client, memory, older_than="90 days", now=mock.clock.now())
        assert set(memory.tokens) == {issued.api_key.id, old.api_key.id}
        assert all(works(mock, token) for token in memory.tokens.values())
        assert resume(client, memory) == []
        [orphan] = find_orphans(client, name=NEW["name"], since=issued.api_key.created_at)
        assert recover_orphan(client, name=NEW["name"], since=orphan.created_at, by="delete") == orphan
    assert named(mock, NEW["name"]) == []


def test_an_async_client_is_recognized_by_its_coroutine_functions(mock: MockAPI, memory: Memory) -> None:
    async def main() -> None:
        async with AsyncKeysClient(mock.token, transport=mock.transport()) as inner:
            client: Any = AsyncFake(inner)
            issued = await create_into(client, memory, **NEW)
            await rotate_into(client, memory, issued.api_key.id)
            assert [key.id async for key in due(client, older_than="1 day", now=later())] == []
            assert await resume(client, memory) == []

    asyncio.run(main())
    assert all(works(mock, token) for token in memory.tokens.values())


class Incomplete(KeysClient):
    """A subclass whose `__init__` does not call that of KeysClient, and which inherits its methods."""

    def __init__(self) -> None:
        pass


class Lister:
    def list(self) -> Any:
        return []


CALLS: dict[str, Callable[..., Any]] = {
    "create": lambda client, store: create_into(client, store, **NEW),
    "rotate": lambda client, store: rotate_into(client, store, "01A"),
    "resume": lambda client, store: resume(client, store),
    "rotate_due": lambda client, store: rotate_due(client, store, older_than="1 day"),
}


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        (Lister(), "client: lacks the methods .*show.*with_token; pass a KeysClient or an AsyncKeysClient"),
        (KeysClient, "client: is a class; pass a KeysClient or an AsyncKeysClient"),
        (None, "client: lacks the methods .*with_token; pass a KeysClient"),
    ],
)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_error_says_which_methods_are_missing(call: Any, client: Any, problem: str, memory: Memory) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        call(client, memory)
    assert not memory.journal.exists()


@pytest.mark.parametrize("call", [CALLS["create"], CALLS["rotate"], CALLS["rotate_due"]])
def test_a_subclass_without_the_state_of_its_base_fails_before_anything_is_issued(call: Any, memory: Memory) -> None:
    with pytest.raises(StorageError, match="AttributeError: 'Incomplete' object has no attribute") as caught:
        call(Incomplete(), memory)
    assert not caught.value.may_have_applied
    assert list(memory.journal.glob("*")) == []
