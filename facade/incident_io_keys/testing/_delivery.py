"""How an answer reaches its client, where it does not simply arrive: late, in part, or not at all.

It is played here for a client in the same process, without any time passing; `_server` plays it on a socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Final, Literal, TypeAlias

import httpx
from attrs import frozen

from ._clock import MockClock

How: TypeAlias = Literal["whole", "short_body", "drip", "close", "reset", "hang"]

_EXTENSION: Final = "incident_io_keys_delivery"


@frozen
class Delivery:
    """How an answer is delivered.

    Attributes:
        how: Whole; a part of the body, and then the end of the connection, or a byte now and then; or nothing, and then
            the end of the connection, its reset, or silence.
        part: How many bytes of the body arrive, where it is a part.
        delay: How many seconds pass before.
    """

    how: How = "whole"
    part: int = 0
    delay: float = 0.0


_PLAINLY: Final = Delivery()


def deliver(response: httpx.Response, how: How = "whole", part: int = 0, delay: float = 0.0) -> httpx.Response:
    """Say of an answer how it is to be delivered."""
    response.extensions[_EXTENSION] = Delivery(how, part, delay)
    return response


def delivery_of(response: httpx.Response) -> Delivery:
    """How an answer is to be delivered."""
    delivery: Delivery = response.extensions.get(_EXTENSION, _PLAINLY)
    return delivery


def deliver_in_process(request: httpx.Request, response: httpx.Response, clock: MockClock) -> httpx.Response:
    """Give an answer to a client in the same process, or raise what httpx would.

    Raises:
        httpx.TransportError: Nothing of it arrives.
    """
    delivery = delivery_of(response)
    patience = request.extensions.get("timeout", {}).get("read")
    late = httpx.ReadTimeout("The read operation timed out", request=request)
    if delivery.delay:
        if patience is not None and delivery.delay > patience:
            clock.advance(timedelta(seconds=patience))
            raise late
        clock.advance(timedelta(seconds=delivery.delay))
    if delivery.how in ("short_body", "drip"):
        arrived = response.content[: delivery.part]
        message = f"peer closed connection without sending complete message body (received {len(arrived)} bytes)"
        broken = httpx.RemoteProtocolError(message, request=request)
        stream = _Part(arrived, broken if delivery.how == "short_body" else late)
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)
    if delivery.how == "close":
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
    if delivery.how == "reset":
        raise httpx.ReadError("Connection reset by peer", request=request)
    if delivery.how == "hang":
        raise late
    return response


class _Part(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of which a part arrives."""

    def __init__(self, arrived: bytes, error: httpx.TransportError) -> None:
        self._arrived = arrived
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield self._arrived
        raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._arrived
        raise self._error
