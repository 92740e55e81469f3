"""A server in the event loop of its client, and cancellations after a number of turns of the loop.

The server needs neither threads nor tasks: what happens in which turn depends on nothing else, and all tasks that are
left over are those of the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeAlias

import anyio

from .replies import reply_to

IN_FLIGHT = 100


class _Connection(asyncio.Protocol):
    def __init__(self, server: TurnServer) -> None:
        self._server = server
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.transports.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if found and len(body) >= int(length or 0):
            request, self._received = self._received, b""
            self._server.respond(request, lambda: self._respond(request))

    def _respond(self, request: bytes) -> None:
        if self._transport.is_closing():
            return
        # Head and body come in different turns, so that a call can be cancelled between them.
        head, _, body = reply_to(request).partition(b"\r\n\r\n")
        self._transport.write(head + b"\r\n\r\n")
        if body:
            asyncio.get_running_loop().call_soon(self._transport.write, body)


class TurnServer:
    """Responds in the event loop of its client.

    Attributes:
        url: The base URL.
        hold: The number of requests that have to arrive before any of them gets its response.
        held: What a request has to contain to be held. Any other gets its response immediately.
        waiting: The responses that are held.
        transports: The connections that are open.
    """

    def __init__(self) -> None:
        self.url = ""
        self.hold = 1
        self.held = b""
        self.waiting: list[Callable[[], None]] = []
        self.transports: set[Any] = set()

    def respond(self, request: bytes, send: Callable[[], None]) -> None:
        if self.held not in request:
            send()
            return
        self.waiting.append(send)
        if len(self.waiting) >= self.hold:
            self.release()

    def release(self) -> None:
        """Send the responses that are held."""
        waiting, self.waiting = self.waiting, []
        for send in waiting:
            send()

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[TurnServer]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, ssl=context, backlog=1_000)
        port = server.sockets[0].getsockname()[1]
        self.url = f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            server.close()
            for transport in list(self.transports):
                transport.abort()
            await turn(5)  # connections end in later turns


async def turn(count: int = 1) -> None:
    """Let the event loop make some turns."""
    for _ in range(count):
        await asyncio.sleep(0)


# Runs a call, cancels it after some turns, and returns whether it was cancelled before it ended.
Cancel: TypeAlias = Callable[[Coroutine[Any, Any, Any], int], Coroutine[Any, Any, bool]]


async def cancel_task(call: Coroutine[Any, Any, Any], turns: int) -> bool:
    """Cancel the task of a call."""
    task = asyncio.create_task(call)
    await turn(turns)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled() or task.result() is False


async def cancel_in_group(call: Coroutine[Any, Any, Any], turns: int) -> bool:
    """Fail in a task group that runs a call, so that the group cancels it."""
    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(call)
            await turn(turns)
            raise LookupError
    return task.cancelled()


async def cancel_scope(call: Coroutine[Any, Any, Any], turns: int) -> bool:
    """Cancel the scope of anyio in which a call runs. anyio cancels again in each turn until the scope has ended."""

    async def run() -> None:
        with scope:
            await call

    scope = anyio.CancelScope()
    task = asyncio.create_task(run())
    await turn(turns)
    scope.cancel()
    await task
    return scope.cancelled_caught
