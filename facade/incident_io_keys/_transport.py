"""The network: httpx's transports, with connection pools of our own, and a deadline for the sync one.

httpx accepts neither a pool nor a network backend, and tools that trace or fake HTTP (OpenTelemetry, pytest-httpx)
patch its transports. So this module, and no other, uses private names of other packages:

- `HTTPTransport._pool` and `ConnectionPool._network_backend`, which are replaced.
- The names in `has_left_over`, for bytes that h11, anyio or TLS have received, and that no response contains.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import httpx

from ._error_mapping import AsyncTrace, Trace
from ._retry import Limit

if TYPE_CHECKING:
    import asyncio

    import httpcore

# The connections of a client. In the async client, those of each event loop.
_CONNECTIONS: Final = 100

# The sync client checks the deadline before each slice of this many bytes.
_SLICE: Final = 4096


class Transport(httpx.HTTPTransport):
    """The transport of the sync client."""

    _pool: Any
    _inherited = False

    def __init__(self, proxy: httpx.Proxy | None, context: ssl.SSLContext) -> None:
        super().__init__(proxy=proxy, verify=context)
        self._pool._network_backend = _Backend(self._pool._network_backend)
        slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(_CONNECTIONS):
            slots.put(None)
        self._pool = _SyncPool(self._pool, slots, partial(slots.put, None))
        self._arguments = proxy, context
        _transports.add(self)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        trace = request.extensions["trace"] = Trace()
        try:
            return super().handle_request(request)
        except BaseException as error:
            if trace.unused:  # httpcore leaves it open if its TLS handshake is interrupted
                trace.unused.close()
            trace.raise_connect_error(error)
            raise

    def renew(self) -> None:
        """Close the connections that a forked child inherited, and leave those of its parent open."""
        self._inherited = True
        self._pool.close()
        Transport.__init__(self, *self._arguments)  # the child lacks the threads that would give slots back

    def __del__(self) -> None:
        if self._inherited:  # the child does not know that it has a client to close
            self.close()


class _Backend:
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(self, host: str, port: int, timeout: Limit, *args: Any, **options: Any) -> _Stream:
        failure: Exception = httpx.ConnectError("the host has no address")
        # httpcore would give each address the full timeout, which could exceed the deadline.
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            left = timeout.left(httpx.ConnectTimeout)
            try:
                return _Stream(self._inner.connect_tcp(str(address[0]), port, left, *args, **options), timeout)
            except Exception as error:  # noqa: BLE001 - the last one is raised
                failure = error
        raise failure


class _Stream:
    def __init__(self, inner: httpcore.NetworkStream, limit: Limit) -> None:
        # The limit is for the reads and writes of a SOCKS proxy, to which httpcore gives no timeout.
        self._inner, self._limit, self._pid = inner, limit, os.getpid()
        self.get_extra_info = inner.get_extra_info

    def read(self, max_bytes: int, timeout: Limit | None = None) -> bytes:
        return self._inner.read(max_bytes, (timeout or self._limit).left_to_read())

    def write(self, buffer: bytes, timeout: Limit | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            left = (timeout or self._limit).left(httpx.WriteTimeout)
            self._inner.write(buffer[start : start + _SLICE], left)

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None, timeout: Limit | None) -> _Stream:
        limit = timeout or self._limit
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, limit.left(httpx.ConnectTimeout)), limit)

    def close(self) -> None:
        if os.getpid() == self._pid:  # a forked child would end the connection of its parent
            with contextlib.suppress(OSError):
                # This wakes a reading thread. `SSLSocket.shutdown` would drop TLS first.
                socket.socket.shutdown(self.get_extra_info("socket"), socket.SHUT_RDWR)
        self._inner.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """The transport of the async client. Each event loop has its own connections."""

    def __init__(self, proxy: httpx.Proxy | None, context: ssl.SSLContext) -> None:
        self._arguments = proxy, context
        self._by_loop: dict[asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport] = {}
        _transports.add(self)

    def _of_running_loop(self) -> httpx.AsyncHTTPTransport:
        import asyncio

        loop, (proxy, context) = asyncio.get_running_loop(), self._arguments
        if loop not in self._by_loop:
            for ended in [each for each in list(self._by_loop) if each.is_closed()]:
                self._by_loop.pop(ended, None)
            transport: Any = httpx.AsyncHTTPTransport(proxy=proxy, verify=context)
            slots = asyncio.Semaphore(_CONNECTIONS)
            transport._pool = _AsyncPool(transport._pool, slots, slots.release)
            self._by_loop[loop] = transport
        return self._by_loop[loop]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        trace = request.extensions["trace"] = AsyncTrace()
        try:
            return await self._of_running_loop().handle_async_request(request)
        except BaseException as error:
            if trace.unused:
                await trace.unused.aclose()
            trace.raise_connect_error(error)
            raise

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._of_running_loop().aclose()

    def renew(self) -> None:
        """Keep inherited connections: closing them would change the selector of the parent, and deleting them warns."""
        _inherited.append(self._by_loop)
        self._by_loop = {}


class _Pool:
    """The connections of a pool. All of them are to the same origin.

    httpcore's own pools lose a slot if a request ends while it waits for its connection or closes its response, and if
    a TLS handshake through a proxy fails.
    """

    def __init__(self, factory: Any, slots: Any, release_slot: Callable[[], object]) -> None:
        self._new_connection, self._slots, self._release_slot = factory.create_connection, slots, release_slot
        self._connections: set[Any] = set()
        self._idle: deque[Any] = deque()  # the last one was used last
        self._closed = False

    # There is no lock, since a signal handler or a finalizer can make a call while its thread runs this code.

    def _take(self, origin: httpcore.Origin) -> tuple[Any, list[Any]]:
        """Return a connection, and the idle ones that have to be closed since they expired."""
        if self._closed:
            raise RuntimeError("the client was closed")
        connection, expired = None, []
        with contextlib.suppress(IndexError):
            while (newest := self._idle.pop()).has_expired():
                expired.append(newest)
            connection = newest
            while (oldest := self._idle.popleft()).has_expired():
                expired.append(oldest)
            self._idle.appendleft(oldest)
        connection = connection or self._new_connection(origin)
        self._connections.difference_update(expired)
        self._connections.add(connection)
        return connection, expired

    def _put(self, connection: Any) -> bool:
        """Take back a slot and its connection, if any. Return whether that has to be closed."""
        try:
            kept = connection and connection.is_idle() and not connection.has_expired() and not self._closed
            if kept:
                self._idle.append(connection)
            else:
                self._connections.discard(connection)
            return connection is not None and not kept
        finally:
            self._release_slot()


class _SyncPool(_Pool):
    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        try:
            self._slots.get(timeout=request.extensions["timeout"]["pool"])
        except Empty:
            raise httpx.PoolTimeout("all connections are in use") from None
        connection = None
        try:
            connection, expired = self._take(request.url.origin)
            for each in expired:
                each.close()
            response: httpcore.Response = connection.handle_request(request)
        except BaseException:
            self.release(connection)
            raise
        response.stream = _PoolStream(self, connection, response.stream)
        return response

    def release(self, connection: Any) -> None:
        if self._put(connection):
            connection.close()

    def close(self) -> None:
        self._closed = True
        for connection in list(self._connections):  # those in use too, which ends their calls
            connection.close()


class _AsyncPool(_Pool):
    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        import asyncio

        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None
        connection = None
        try:
            connection, expired = self._take(request.url.origin)
            await _close_all(expired)
            response: httpcore.Response = await connection.handle_async_request(request)
        except BaseException:
            await self.release(connection)
            raise
        response.stream = _PoolStream(self, connection, response.stream)
        return response

    async def release(self, connection: Any) -> None:
        if self._put(connection):
            await connection.aclose()

    async def aclose(self) -> None:
        self._closed = True  # those in use are closed when they are released
        await _close_all(self._idle)


async def _close_all(connections: list[Any] | deque[Any]) -> None:
    if connections:
        try:
            await connections.pop().aclose()
        finally:  # also if it was cancelled
            await _close_all(connections)


class _PoolStream:
    def __init__(self, pool: Any, connection: Any, stream: Any) -> None:
        self._pool, self._connection, self._stream = pool, connection, stream
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                self._stream.close()
            finally:
                self._pool.release(self._connection)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                await self._stream.aclose()
            finally:
                await self._pool.release(self._connection)


def has_left_over(response: httpx.Response) -> bool:
    """Return whether bytes are left over after a response. They would be read as the response to the next request."""
    h11: Any = response
    for name in ("stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        h11 = getattr(h11, name, None)
    if h11 is not None and h11.trailing_data[0]:
        return True
    stream: Any = response.extensions.get("network_stream")
    tls = stream and stream.get_extra_info("ssl_object")
    while stream is not None:
        if getattr(getattr(stream, "_protocol", None), "read_queue", None):
            return True
        stream = getattr(stream, "transport_stream", getattr(stream, "_stream", None))
    # TLS of a sync socket reads one record at a time. That of asyncio, and TLS within TLS, reads more.
    try:
        return isinstance(tls, ssl.SSLObject) and tls.read(1) != b""
    except ssl.SSLError as error:
        return not isinstance(error, ssl.SSLWantReadError)


_transports: Final[weakref.WeakSet[Transport | AsyncTransport]] = weakref.WeakSet()
_inherited: Final[list[Any]] = []


def _renew_all() -> None:
    for transport in list(_transports):
        transport.renew()


getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_renew_all)  # Windows does not fork
