"""`with_token`: a client that calls with another token, over the same connections."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from incident_io_keys import AsyncKeysClient, AuthenticationError, InvalidRequestError, KeysClient, Token
from incident_io_keys.testing import MockAPI

from .conftest import CANARY
from .connections import KeyServer
from .hiding import renderings
from .programs import fork
from .twins import Loop


@pytest.fixture(params=[KeysClient, AsyncKeysClient], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def wait() -> Iterator[Callable[[Any], Any]]:
    """Return a function that awaits the result of an async client, and returns that of a sync one."""
    loop = Loop()
    yield lambda found: awaited(found, loop)
    loop.close()


def awaited(found: Any, loop: Loop) -> Any:
    return loop.run(found) if asyncio.iscoroutine(found) else found


def closed(client: Any) -> Any:
    return client.close() if isinstance(client, KeysClient) else client.aclose()


def test_it_calls_with_the_other_token_and_shares_the_other_settings(
    kind: Any, wait: Callable[[Any], Any], mock: MockAPI
) -> None:
    other = mock.add_key("other", ["api_keys_manage"])
    client = kind(mock.token, transport=mock.transport(), user_agent="mine")
    with_it = client.with_token(other.token)
    created = wait(with_it.create(name="a", role_names=[]))
    assert created.api_key.creator.api_key.id == other.api_key.id
    assert mock.requests[-1].headers["User-Agent"].startswith("mine ")
    # Each key has a rate limit of its own.
    assert with_it.rate_limit.remaining == 1199
    assert client.rate_limit is None
    assert type(with_it) is kind
    wait(closed(client))


def test_it_uses_the_connection_of_the_original_and_leaves_it_open(kind: Any, wait: Callable[[Any], Any]) -> None:
    with KeyServer().running() as server:
        client = kind(CANARY, base_url=server.url)
        with_it = client.with_token(CANARY)
        for each in (client, with_it):
            wait(each.show("a"))
        wait(closed(with_it))
        wait(client.show("a"))
        with pytest.raises(InvalidRequestError, match="closed"):
            wait(with_it.show("a"))
        wait(closed(client))
        assert len(server.ports) == 3
        assert len(set(server.ports)) == 1


def test_closing_the_original_closes_it_and_it_warns_of_nothing(
    kind: Any, wait: Callable[[Any], Any], mock: MockAPI
) -> None:
    client = kind(mock.token, transport=mock.transport())
    with_it = client.with_token(mock.token)
    wait(closed(client))
    for each in (with_it, client.with_token(mock.token), with_it.with_token(mock.token)):
        with pytest.raises(InvalidRequestError, match="closed"):
            wait(each.show("01F"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del with_it, each
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


clone_or_original_first = pytest.mark.parametrize("first", ["clone", "original"])
# Of connections that a client drops after a fork, or that belong to an event loop that has ended.
connections_may_be_dropped = pytest.mark.filterwarnings("ignore::ResourceWarning")


@clone_or_original_first
@pytest.mark.usefixtures("collected")
def test_after_a_fork_all_share_one_new_connection_whichever_calls_first(
    kind: Any, wait: Callable[[Any], Any], first: str
) -> None:
    with KeyServer().running() as server:
        client = kind(CANARY, base_url=server.url)
        with_it = client.with_token(CANARY)
        clones = [with_it, with_it.with_token(CANARY)]
        wait(client.show("a"))

        def check() -> None:
            loop = Loop()
            for each in (*clones, client) if first == "clone" else (client, *clones):
                awaited(each.show("a"), loop)
            for each in clones:
                awaited(closed(each), loop)
            awaited(client.show("a"), loop)

        fork(check)
        inherited, *own = server.ports
        assert len(own) == 4
        assert len(set(own)) == 1
        assert inherited not in own
        wait(closed(client))
        assert server.wait_until(lambda: own[0] not in server.open_ports)


@clone_or_original_first
@pytest.mark.usefixtures("collected")
@connections_may_be_dropped
def test_in_another_event_loop_all_share_one_new_connection_whichever_calls_first(first: str) -> None:
    async def show(*clients: AsyncKeysClient) -> None:
        for each in clients:
            await each.show("a")

    async def close(client: AsyncKeysClient, with_it: AsyncKeysClient) -> None:
        await show(client)
        await client.aclose()
        with pytest.raises(InvalidRequestError, match="closed"):
            await show(with_it)

    def use(url: str) -> None:
        client = AsyncKeysClient(CANARY, base_url=url)
        with_it = client.with_token(CANARY)
        both = (with_it, client) if first == "clone" else (client, with_it)
        asyncio.run(show(*both))
        asyncio.run(show(*reversed(both)))
        asyncio.run(close(client, with_it))

    with KeyServer().running() as server:
        use(server.url)
        loops = [set(server.ports[:2]), set(server.ports[2:4]), set(server.ports[4:])]
        assert [len(ports) for ports in loops] == [1, 1, 1]
        assert len(set(server.ports)) == 3


def test_a_clone_of_a_subclass_has_its_class_and_attributes(
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


def test_a_token_that_does_not_work_raises_an_authentication_error(
    kind: Any, wait: Callable[[Any], Any], mock: MockAPI
) -> None:
    client = kind(mock.token, transport=mock.transport())
    with pytest.raises(AuthenticationError, match="token argument"):
        wait(client.with_token(Token("inc_" + "0" * 64)).show("01F"))
    assert mock.requests[-1].headers["Authorization"] == "<redacted>"
    wait(closed(client))


@pytest.mark.parametrize("token", ["", "Bearer\n", 5, None])
def test_a_token_that_no_request_can_carry_is_rejected(
    token: Any, kind: Any, wait: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCIDENT_API_KEY", CANARY)  # the token of yet another key
    client = kind()
    with pytest.raises(InvalidRequestError, match="token: "):
        client.with_token(token)
    wait(closed(client))


def test_a_rejected_token_is_redacted(kind: Any, wait: Callable[[Any], Any], mock: MockAPI) -> None:
    client = kind(mock.token, transport=mock.transport())
    with pytest.raises(InvalidRequestError) as caught:
        client.with_token(CANARY + " ")
    assert CANARY not in renderings(caught.value)
    with pytest.raises(InvalidRequestError, match="bytes") as caught:
        client.with_token(CANARY.encode())
    assert CANARY not in renderings(caught.value)
    wait(closed(client))


def test_only_the_async_client_takes_a_coroutine_function(kind: Any, wait: Callable[[Any], Any], mock: MockAPI) -> None:
    async def source() -> Token:
        return mock.token

    client = kind(mock.token, transport=mock.transport())
    if kind is KeysClient:
        with pytest.raises(InvalidRequestError, match="AsyncKeysClient"):
            client.with_token(source)
    else:
        wait(client.with_token(source).create(name="a", role_names=[]))
    wait(closed(client))
