"""A client that calls as another key, over the connections of the one that it was made from."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from incident_io_keys import AsyncKeysClient, AuthenticationError, InvalidRequestError, KeysClient, Token
from incident_io_keys.testing import MockAPI

from .conftest import CANARY
from .hiding import renderings
from .twins import Loop


@pytest.fixture(params=[KeysClient, AsyncKeysClient], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def wait() -> Iterator[Callable[[Any], Any]]:
    """Waits for what an async client returns, and passes on what the sync one does."""
    loop = Loop()
    yield lambda found: loop.run(found) if asyncio.iscoroutine(found) else found
    loop.close()


def closed(client: Any) -> Any:
    return client.close() if isinstance(client, KeysClient) else client.aclose()


def test_it_calls_as_another_key_and_is_as_the_first_otherwise(
    kind: Any, wait: Callable[[Any], Any], mock: MockAPI
) -> None:
    other = mock.add_key("other", ["api_keys_manage"])
    client = kind(mock.token, transport=mock.transport(), user_agent="mine")
    with_it = client.with_token(other.token)
    created = wait(with_it.create(name="a", role_names=[]))
    assert created.api_key.creator.api_key.id == other.api_key.id
    assert mock.requests[-1].headers["User-Agent"].startswith("mine ")
    # What is left of the rate limit is each key's own.
    assert with_it.rate_limit.remaining == 1199
    assert client.rate_limit is None
    assert type(with_it) is kind
    wait(closed(client))


def test_it_uses_the_connections_of_the_first_and_leaves_them_open(
    kind: Any, wait: Callable[[Any], Any], mock: MockAPI
) -> None:
    with mock.serve() as server:
        client = kind(mock.token, base_url=server.url)
        key_id = wait(client.create(name="a", role_names=[])).api_key.id
        with_it = client.with_token(mock.token)
        assert with_it._sender._http is client._sender._http
        wait(with_it.show(key_id))
        wait(closed(with_it))
        wait(client.show(key_id))
        with pytest.raises(InvalidRequestError, match="is closed"):
            wait(with_it.show(key_id))
        wait(closed(client))


def test_it_ends_with_the_first_and_need_not_be_closed(kind: Any, wait: Callable[[Any], Any], mock: MockAPI) -> None:
    client = kind(mock.token, transport=mock.transport())
    with_it = client.with_token(mock.token)
    wait(closed(client))
    with pytest.raises(InvalidRequestError, match="is closed"):
        wait(with_it.show("01F"))
    with pytest.raises(InvalidRequestError, match="is closed"):
        wait(client.with_token(mock.token).show("01F"))
    with pytest.raises(InvalidRequestError, match="is closed"):
        wait(with_it.with_token(mock.token).show("01F"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del with_it
        gc.collect()
    assert caught == []


@pytest.mark.parametrize("first", ["lent", "owner"])
def test_after_a_fork_it_uses_the_new_connections_of_the_first_whichever_sends_before(
    mock: MockAPI, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    with mock.serve() as server, KeysClient(mock.token, base_url=server.url) as client:
        with_it = client.with_token(mock.token)
        of_that = with_it.with_token(mock.token)
        list(client.list())
        inherited, pid = client._sender._http, os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: pid + 1)
        for each in (with_it, of_that, client) if first == "lent" else (client, of_that, with_it):
            list(each.list())
            assert client._sender._http is not inherited
        made = client._sender._http
        with_it.close()
        of_that.close()
        list(client.list())
        assert client._sender._http is made  # once for all of them
        assert not with_it._sender.owns_connections
        client.close()
        assert made.is_closed
        assert not inherited.is_closed
        inherited.close()


@pytest.mark.parametrize("first", ["lent", "owner"])
def test_in_another_event_loop_it_uses_the_new_connections_of_the_first(mock: MockAPI, first: str) -> None:
    async def listed(*clients: AsyncKeysClient) -> None:
        for each in clients:
            assert [key.id async for key in each.list()]

    async def over(client: AsyncKeysClient, with_it: AsyncKeysClient) -> None:
        await listed(client)
        await client.aclose()
        with pytest.raises(InvalidRequestError, match="is closed"):
            await listed(with_it)

    def use(url: str) -> None:
        client = AsyncKeysClient(mock.token, base_url=url)
        with_it = client.with_token(mock.token)
        both = (with_it, client) if first == "lent" else (client, with_it)
        for _ in range(2):
            asyncio.run(listed(*both))
            made = client._sender._http
            asyncio.run(listed(*reversed(both)))
            assert client._sender._http is not made
        asyncio.run(over(client, with_it))

    with mock.serve() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the connections of a loop that has ended
        use(server.url)
        gc.collect()


def test_a_client_of_a_class_of_ones_own_has_what_the_first_has(
    kind: Any, wait: Callable[[Any], Any], mock: MockAPI
) -> None:
    class Named(kind):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(mock.token, transport=mock.transport())
            self.name = name

    client = Named("a")
    with_it = client.with_token(mock.token)
    assert (type(with_it), with_it.name) == (Named, "a")
    with_it.name = "b"
    assert client.name == "a"
    wait(closed(client))


def test_a_token_that_does_not_work_is_refused_as_ever(kind: Any, wait: Callable[[Any], Any], mock: MockAPI) -> None:
    client = kind(mock.token, transport=mock.transport())
    with pytest.raises(AuthenticationError, match="the token came from the token argument"):
        wait(client.with_token(Token("inc_" + "0" * 64)).show("01F"))
    assert mock.requests[-1].headers["Authorization"] == "<redacted>"
    wait(closed(client))


@pytest.mark.parametrize("token", ["", "Bearer\n", 5, None])
def test_what_no_request_can_carry_is_refused(
    token: Any, kind: Any, wait: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCIDENT_API_KEY", CANARY)  # the token of yet another key
    client = kind()
    with pytest.raises(InvalidRequestError, match="token: "):
        client.with_token(token)
    wait(closed(client))


def test_a_token_that_is_refused_is_not_shown(kind: Any, wait: Callable[[Any], Any], mock: MockAPI) -> None:
    client = kind(mock.token, transport=mock.transport())
    with pytest.raises(InvalidRequestError) as caught:
        client.with_token(CANARY + " ")
    assert CANARY not in renderings(caught.value)
    with pytest.raises(InvalidRequestError, match="bytes") as caught:
        client.with_token(CANARY.encode())
    assert CANARY not in renderings(caught.value)
    wait(closed(client))


def test_a_source_may_be_a_coroutine_function_for_the_async_client_alone(
    kind: Any, wait: Callable[[Any], Any], mock: MockAPI
) -> None:
    async def source() -> Token:
        return mock.token

    client = kind(mock.token, transport=mock.transport())
    if kind is KeysClient:
        with pytest.raises(InvalidRequestError, match="those are for AsyncKeysClient"):
            client.with_token(source)
    else:
        wait(client.with_token(source).create(name="a", role_names=[]))
    wait(closed(client))
