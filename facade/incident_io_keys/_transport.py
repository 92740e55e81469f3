"""The network: httpx's transports with a deadline for each step, and a connection pool for the async one.

httpx accepts neither a pool nor a network backend, and tools that trace or fake HTTP (OpenTelemetry, pytest-httpx)
patch its transports. So these are subclasses, and this module alone uses private names of other packages:

- `HTTPTransport._pool` and `ConnectionPool._network_backend`, which are replaced.
- The names in `has_left_over`, for bytes that h11 has received and httpcore has not read.
- `_stream`, `_protocol` and `read_queue`, for bytes that anyio has received and httpcore has not read.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import httpcore
import httpx

from ._retry import monotonic

if TYPE_CHECKING:
    import asyncio

# Members of a request's extensions: the instant of `monotonic` at which its call has to end, and whether a part of it
# was sent over a connection that was made for it.
DEADLINE: Final = "incident_io_keys.deadline"
_SENT: Final = "incident_io_keys.sent"

# Seconds for reading what arrived in time, if the process was stopped, or its event loop blocked, past the deadline.
_LATE: Final = 0.1
_LATE_UNTIL: Final = "incident_io_keys.late_until"

# By default, httpx would close four of five connections after requests that were made together.
_CONNECTIONS: Final = 100
_LIMITS: Final = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)

# Bytes between two looks at the deadline, or of the event loop at other tasks. Chunks of one byte take long to parse.
_WRITTEN: Final = 4096
_READ: Final = 32 * 1024

# The request that the current thread or task sends.
_request: ContextVar[httpx.Request] = ContextVar("incident_io_keys.request")


def _seconds_left(limit: float | None, kind: type[httpcore.TimeoutException]) -> float:
    left: float = _request.get().extensions[DEADLINE] - monotonic()
    if left <= 0:
        raise kind("the deadline has passed")
    return left if limit is None else min(limit, left)


def _seconds_for_late_reading() -> float:
    extensions, now = _request.get().extensions, monotonic()
    if now < extensions[DEADLINE]:
        return _LATE  # only the timeout of this read has passed
    left: float = extensions.setdefault(_LATE_UNTIL, now + _LATE) - now
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return left


def _note_sending(host: str) -> None:
    request = _request.get()
    if host == request.url.raw_host.decode("ascii"):  # not that of a proxy
        request.extensions[_SENT] = True


def _raise_connect_error(error: Exception) -> None:
    """Raise an error of connecting for whatever failed before a part of the request was sent."""
    # A name look-up raises ValueError for what is no name, and RuntimeError once the interpreter shuts down.
    connecting = _request.get().extensions.get(_SENT) is False
    if connecting and isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
        raise httpx.ConnectTimeout(str(error)) from error
    others = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, OSError, ValueError, RuntimeError)
    if connecting and isinstance(error, others):
        raise httpx.ConnectError(f"{type(error).__name__}: {error}") from error


class Transport(httpx.HTTPTransport):
    """The transport of the sync client: the proxy to use, and whether SSL_CERT_FILE and SSL_CERT_DIR count."""

    def __init__(self, proxy: httpx.Proxy | None, trust_env: bool) -> None:
        super().__init__(proxy=proxy, trust_env=trust_env, limits=_LIMITS)
        self._pool._network_backend = _Backend()
        self._arguments, self._pid = (proxy, trust_env), os.getpid()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. The same thread has to read its response."""
        if os.getpid() != self._pid:
            self.forget()
            Transport.__init__(self, *self._arguments)  # threads of the parent can hold the locks of the pool
        _request.set(request)
        try:
            return super().handle_request(request)
        except Exception as error:
            _raise_connect_error(error)
            raise

    def close(self) -> None:
        """Close the connections."""
        super().close() if os.getpid() == self._pid else self.forget()

    def forget(self) -> None:
        """Close the sockets that a forked child inherited. The connections of its parent stay open."""
        for connection in self._pool.connections:
            connection.close()


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        _request.get().extensions[_SENT] = False
        failure: Exception = httpcore.ConnectError("the host has no address")
        # Together, all addresses would have several times the seconds that are left.
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            left = _seconds_left(timeout, httpcore.ConnectTimeout)
            try:
                return _Stream(super().connect_tcp(str(address[0]), port, left, *args, **options), host)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, host: str) -> None:
        self._inner = inner
        self._host = host
        self._pid = os.getpid()
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._inner.read(max_bytes, _seconds_left(timeout, httpcore.ReadTimeout))
        except httpcore.ReadTimeout:
            return self._inner.read(max_bytes, _seconds_for_late_reading())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        _note_sending(self._host)
        for start in range(0, len(buffer), _WRITTEN):
            self._inner.write(buffer[start : start + _WRITTEN], _seconds_left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            left = _seconds_left(timeout, httpcore.ConnectTimeout)
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), str(server_hostname))
        except BaseException:
            self._inner.close()
            raise

    def close(self) -> None:
        if os.getpid() == self._pid:  # a child process would end the connection of its parent
            with contextlib.suppress(OSError):
                # It wakes up a thread that reads. The method of an SSLSocket would turn TLS off first.
                socket.socket.shutdown(self.get_extra_info("socket"), socket.SHUT_RDWR)
        self._inner.close()


_inherited: Final[list[Any]] = []


class AsyncTransport(httpx.AsyncHTTPTransport):
    """The transport of the async client; see `Transport`. Each event loop has its own connections."""

    def __init__(self, proxy: httpx.Proxy | None, trust_env: bool) -> None:
        super().__init__(proxy=proxy, trust_env=trust_env, limits=_LIMITS)
        self._factory = self._pool
        self._factory._network_backend = _AsyncBackend()
        self._owner: tuple[int, asyncio.AbstractEventLoop] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. The same task has to read its response."""
        import asyncio

        _request.set(request)
        owner = (os.getpid(), asyncio.get_running_loop())
        if self._owner != owner:
            if self._owner is not None and self._owner[0] != owner[0]:
                self.forget()
            self._pool = _AsyncPool(self._factory, asyncio.Semaphore(_CONNECTIONS))  # type: ignore[assignment]
            self._owner = owner
        try:
            return await super().handle_async_request(request)
        except Exception as error:
            _raise_connect_error(error)
            raise

    def forget(self) -> None:
        """Keep what a forked child inherited: closing it changes the parent's selector, deleting it warns."""
        _inherited.append(self._pool)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        import asyncio

        if self._owner == (os.getpid(), asyncio.get_running_loop()):
            await super().aclose()


# httpcore's pool loses a slot if a request is cancelled while it gets its connection or closes its response.
class _AsyncPool:
    def __init__(self, factory: httpcore.AsyncConnectionPool, slots: asyncio.Semaphore) -> None:
        self._factory = factory
        self._slots = slots
        self._idle: list[httpcore.AsyncConnectionInterface] = []
        self._closed = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        import asyncio

        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._slots.acquire()
        except TimeoutError:
            raise httpcore.PoolTimeout("all connections are in use") from None
        connection = None
        try:
            while self._idle and connection is None:
                connection = self._idle.pop()
                if connection.has_expired():
                    await connection.aclose()
                    connection = None
            connection = connection or self._factory.create_connection(request.url.origin)
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
        self._connection = connection
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await self._stream.aclose()
            finally:
                await pool.release(self._connection)


class _AsyncBackend(httpcore.AnyIOBackend):
    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        _request.get().extensions[_SENT] = False
        left = _seconds_left(timeout, httpcore.ConnectTimeout)
        return _AsyncStream(await super().connect_tcp(host, port, left, *args, **options), host)


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, host: str) -> None:
        self._inner = inner
        self._host = host
        self.aclose = inner.aclose  # type: ignore[method-assign]

    def get_extra_info(self, info: str) -> Any:
        return (info == "is_readable" and self._has_buffered()) or self._inner.get_extra_info(info)

    def _has_buffered(self) -> bool:
        """Return whether bytes have arrived that httpcore has not read, although the socket is not readable."""
        stream: Any = self._inner
        while stream is not None:
            if getattr(getattr(stream, "_protocol", None), "read_queue", None):
                return True
            stream = getattr(stream, "transport_stream", getattr(stream, "_stream", None))
        tls = self._inner.get_extra_info("ssl_object")
        try:
            return tls is not None and tls.read(1) != b""
        except ssl.SSLError as error:
            return not isinstance(error, ssl.SSLWantReadError)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._inner.read(min(max_bytes, _READ), _seconds_left(timeout, httpcore.ReadTimeout))
        except httpcore.ReadTimeout:
            return await self._inner.read(min(max_bytes, _READ), _seconds_for_late_reading())

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:  # httpcore ends each request with it
            return
        _note_sending(self._host)
        await self._inner.write(buffer, _seconds_left(timeout, httpcore.WriteTimeout))

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            left = _seconds_left(timeout, httpcore.ConnectTimeout)
            inner = await self._inner.start_tls(ssl_context, server_hostname, left)
        except BaseException:
            await self._inner.aclose()
            raise
        return _AsyncStream(inner, str(server_hostname))


def has_left_over(response: httpx.Response) -> bool:
    """Return whether bytes are left over after a response. They would be read as the response to the next request."""
    found: Any = response
    for name in ("stream", "_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state"):
        found = getattr(found, name, None)
    return found is not None and found.trailing_data[0] != b""
