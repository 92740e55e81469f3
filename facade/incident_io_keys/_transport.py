"""The network: httpx's transports, with a deadline for the sync one, and a connection pool for the async one.

httpx accepts neither a pool nor a network backend, and tools that trace or fake HTTP (OpenTelemetry, pytest-httpx)
patch its transports. So this module, and no other, uses private names of other packages:

- `HTTPTransport._pool` and `ConnectionPool._network_backend`, which are replaced.
- The names in `has_left_over`, for bytes that h11, anyio or TLS have received, and that no response contains.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import ssl
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import httpx

from ._retry import NOT_CONNECTED, monotonic

if TYPE_CHECKING:
    import asyncio

    import httpcore

# If the process was stopped or the event loop blocked past the deadline, read what arrived before it for these seconds.
LATE: Final = 0.1

# By default, httpx keeps only 20 idle connections, and opens most of 100 again.
_CONNECTIONS: Final = 100
_LIMITS: Final = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)

# The sync client checks the deadline before each slice of this many bytes.
_SLICE: Final = 4096


class Limit(float):
    """The timeout of a network step in seconds, with the deadline of its call. httpcore passes it on unchanged."""

    deadline: float
    _late_until = 0.0

    def __new__(cls, seconds: float, deadline: float = math.inf) -> Limit:
        """Return a timeout in seconds, for a deadline that is an instant of `monotonic`."""
        limit = super().__new__(cls, seconds)
        limit.deadline = deadline
        return limit

    def left(self, timeout: type[httpx.TimeoutException]) -> float:
        """Return the seconds that are left for the step, or raise the exception."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise timeout("the deadline has passed")
        return min(self, left)

    def left_to_read(self) -> float:
        """Return the seconds that are left for a read. After the deadline, a millisecond, to read what has arrived."""
        now = monotonic()
        if now < self.deadline:
            return min(self, self.deadline - now)
        self._late_until = self._late_until or now + LATE
        if now >= self._late_until:
            raise httpx.ReadTimeout("the deadline has passed")
        return 0.001


class Trace:
    """Notes how far a request came; an extension of httpcore.

    Attributes:
        sent: Whether a part of it was sent to its server, and not only to a proxy.
        unused: The network stream that was opened for it, until something is sent.
    """

    sent = False
    unused: Any = None

    def __call__(self, event: str, info: dict[str, Any]) -> Any:
        """Note an event."""
        if event.endswith(".connect_tcp.complete"):
            self.unused = info["return_value"]
        elif event.endswith(".send_request_headers.started") and info["request"].method != b"CONNECT":
            self.sent, self.unused = True, None

    def raise_connect_error(self, error: BaseException) -> None:
        """Convert an error of sending into one of connecting, if nothing was sent."""
        if not self.sent and isinstance(error, Exception) and not isinstance(error, NOT_CONNECTED):
            # A name look-up raises ValueError for an invalid name, and RuntimeError once the interpreter shuts down.
            kind = httpx.ConnectTimeout if isinstance(error, httpx.TimeoutException) else httpx.ConnectError
            raise kind(f"{type(error).__name__}: {error}") from error


class _AsyncTrace(Trace):
    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        super().__call__(event, info)


class Transport(httpx.HTTPTransport):
    """The transport of the sync client."""

    _inherited = False

    def __init__(self, proxy: httpx.Proxy | None, context: ssl.SSLContext) -> None:
        super().__init__(proxy=proxy, verify=context, limits=_LIMITS)
        backend: Any = _Backend(self._pool._network_backend)
        self._pool._network_backend = backend
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
        for connection in self._pool.connections:
            connection.close()
        Transport.__init__(self, *self._arguments)  # threads of the parent can hold the locks of the pool

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
        self._by_loop: weakref.WeakKeyDictionary[Any, httpx.AsyncHTTPTransport] = weakref.WeakKeyDictionary()
        _transports.add(self)

    def _of_running_loop(self) -> httpx.AsyncHTTPTransport:
        import asyncio

        loop, (proxy, context) = asyncio.get_running_loop(), self._arguments
        if loop not in self._by_loop:
            transport = self._by_loop[loop] = httpx.AsyncHTTPTransport(proxy=proxy, verify=context, limits=_LIMITS)
            pool: Any = _AsyncPool(transport._pool, asyncio.Semaphore(_CONNECTIONS))
            transport._pool = pool
        return self._by_loop[loop]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        trace = request.extensions["trace"] = _AsyncTrace()
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
        self._by_loop = weakref.WeakKeyDictionary()


class _AsyncPool:
    # httpcore's own pool loses a slot if a request is cancelled while it gets its connection or closes its response.

    def __init__(self, factory: httpcore.AsyncConnectionPool, slots: asyncio.Semaphore) -> None:
        self._new_connection, self._slots = factory.create_connection, slots
        self._idle: list[httpcore.AsyncConnectionInterface] = []
        self._closed = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        import asyncio

        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None
        connection = None
        try:
            while self._idle and connection is None:
                connection = self._idle.pop()
                if connection.has_expired():
                    await connection.aclose()
                    connection = None
            connection = connection or self._new_connection(request.url.origin)
            response = await connection.handle_async_request(request)
        except BaseException:
            await self.release(connection)
            raise
        response.stream = _AsyncPoolStream(self, connection, response.stream)
        return response

    async def release(self, connection: httpcore.AsyncConnectionInterface | None) -> None:
        self._slots.release()  # before the first await, which can be cancelled
        if connection is None:
            return
        if connection.is_idle() and not connection.has_expired() and not self._closed:
            self._idle.append(connection)
        else:
            await connection.aclose()

    async def aclose(self) -> None:
        self._closed = True  # those in use are closed when they are released
        while self._idle:
            await self._idle.pop().aclose()


class _AsyncPoolStream:
    def __init__(self, pool: _AsyncPool, connection: httpcore.AsyncConnectionInterface, stream: Any) -> None:
        self._pool: _AsyncPool | None = pool
        self._connection, self._stream = connection, stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await self._stream.aclose()
            finally:
                await pool.release(self._connection)


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
