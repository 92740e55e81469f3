"""Transports of the user's own: they can read a response, close the client, or raise errors of their own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from incident_io_keys import APIConnectionError, KeysClient

from .calls import CALLS, response_to
from .conftest import CANARY, Make
from .connections import KeyServer
from .twins import Blocking


class Reading(httpx.HTTPTransport):
    """Reads each response, as a transport that logs does."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.read()
        return response


class AsyncReading(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        await response.aread()
        return response


@pytest.mark.parametrize(("kind", "transport"), [(KeysClient, Reading), (Blocking, AsyncReading)])
def test_a_response_that_the_transport_has_read_is_returned(kind: Any, transport: Any) -> None:
    with KeyServer().running() as server:
        with kind(CANARY, base_url=server.url, transport=transport()) as keys:
            assert [keys.show(key_id).id for key_id in ("a", "b")] == ["a", "b"]
        assert len(set(server.ports)) == 1
        if kind is Blocking:
            keys.end()


@pytest.mark.parametrize("name", CALLS)
def test_a_transport_can_return_the_same_response_again(make: Make, name: str) -> None:
    response = response_to(name)
    keys = make(transport=httpx.MockTransport(lambda _: response))
    assert CALLS[name](keys) == CALLS[name](keys)


@pytest.mark.parametrize("name", ["create", "show"])
@pytest.mark.parametrize("kind", [KeysClient, Blocking])
def test_a_transport_that_fails_because_the_client_was_closed_is_a_connection_error(kind: Any, name: str) -> None:
    def respond(_: httpx.Request) -> httpx.Response:
        keys.close()
        raise RuntimeError("the pool was closed")

    async def respond_async(_: httpx.Request) -> httpx.Response:
        await keys.client.aclose()
        raise RuntimeError("the pool was closed")

    handler: Any = respond if kind is KeysClient else respond_async
    with kind(CANARY, transport=httpx.MockTransport(handler)) as keys:
        with pytest.raises(APIConnectionError, match="RuntimeError: the pool was closed") as caught:
            CALLS[name](keys)
        assert caught.value.may_have_applied is (name == "create")
    if kind is Blocking:
        keys.end()
