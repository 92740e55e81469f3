"""Transports of the user's own: they can read a response, close the client, or raise errors of their own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from incident_io_keys import APIConnectionError, AsyncKeysClient, IncidentIOError, InternalServerError, KeysClient

from .calls import CALLS, response_to
from .conftest import CANARY, Make
from .connections import KeyServer
from .streams import Stream, responding
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


class FailingToClose(Stream):
    """Bytes whose stream raises an exception when it is closed."""

    def close(self) -> None:
        raise OSError("the connection cannot be closed")

    async def aclose(self) -> None:
        self.close()


@pytest.mark.parametrize("status", [200, 201, 204, 302, 401, 404, 422, 503])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("content", [b"", b"{}", b"<html>"])
def test_an_error_of_closing_a_response_does_not_change_the_outcome(
    make: Make, name: str, status: int, content: bytes
) -> None:
    def outcome(kind: type[Stream]) -> tuple[Any, ...]:
        keys = make(transport=httpx.MockTransport(lambda _: httpx.Response(status, stream=kind(content))), attempts=1)
        try:
            return (CALLS[name](keys),)
        except IncidentIOError as error:
            return type(error), str(error), error.may_have_applied

    assert outcome(FailingToClose) == outcome(Stream)


@pytest.mark.parametrize("name", CALLS)
def test_an_error_of_closing_a_good_response_does_not_lose_its_value(make: Make, name: str) -> None:
    good = response_to(name)
    stream = FailingToClose(good.content)
    keys = make(transport=httpx.MockTransport(lambda _: httpx.Response(good.status_code, stream=stream)))
    assert CALLS[name](keys) == CALLS[name](make(transport=httpx.MockTransport(lambda _: good)))


class HangingOnClose(Stream):
    """Bytes whose stream never closes."""

    async def aclose(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [None, 503])
def test_a_deadline_that_passes_while_a_response_is_closed_does_not_change_the_outcome(
    name: str, status: int | None
) -> None:
    good = response_to(name)
    response = httpx.Response(status or good.status_code, stream=HangingOnClose(b"{}" if status else good.content))
    with Blocking(CANARY, transport=httpx.MockTransport(lambda _: response), deadline=0.05, attempts=1) as keys:
        if status:
            with pytest.raises(InternalServerError):
                CALLS[name](keys)
        else:
            with KeysClient(CANARY, transport=httpx.MockTransport(lambda _: good)) as undisturbed:
                assert CALLS[name](keys) == CALLS[name](undisturbed)
    keys.end()


@pytest.mark.parametrize("name", CALLS)
def test_a_body_of_many_small_parts_takes_no_longer_than_the_deadline(make: Make, name: str) -> None:
    response = response_to(name)
    content = b" " * 1_000 + response.content if response.content else b""
    stream = Stream(*(bytes([byte]) for byte in content))
    transport = httpx.MockTransport(lambda _: httpx.Response(response.status_code, stream=stream))
    assert CALLS[name](make(transport=transport, deadline=1)) == CALLS[name](make(transport=responding(response)))


def test_a_tool_that_wraps_the_transport_can_read_and_close_the_response(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, inner_async = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request

    def handle(self: Any, request: httpx.Request) -> httpx.Response:
        response = inner(self, request)
        response.read()
        response.stream.close()  # type: ignore[union-attr]
        return response

    async def handle_async(self: Any, request: httpx.Request) -> httpx.Response:
        response = await inner_async(self, request)
        await response.aread()
        await response.stream.aclose()  # type: ignore[union-attr]
        return response

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async)

    async def show_together(keys: AsyncKeysClient) -> list[str]:
        return [key.id for key in await asyncio.gather(keys.show("c"), keys.show("d"))]

    with KeyServer().running() as server:
        keys = make(base_url=server.url, attempts=1)
        assert [keys.show(key_id).id for key_id in ("a", "b")] == ["a", "b"]
        assert len(set(server.ports)) == 1
        if isinstance(keys, Blocking):  # each of two calls needs a connection of its own
            assert keys.run(show_together(keys.client)) == ["c", "d"]
            return
        start = threading.Barrier(2)
        server.immediate = 0
        with ThreadPoolExecutor(2) as threads:
            calls = [threads.submit(lambda each: (start.wait(), keys.show(each))[1].id, each) for each in ("c", "d")]
            assert server.wait_until(lambda: len(server.ports) == 4)
            server.released.set()
            assert [call.result() for call in calls] == ["c", "d"]
