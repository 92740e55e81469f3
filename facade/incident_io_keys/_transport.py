"""A sync transport that keeps the deadline of a call, even where a server sends a byte now and then.

httpx bounds each step on the network, and not their sum. An async call can be cancelled from outside; a sync one has to
be bounded at every single read and write.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from ipaddress import ip_address
from typing import Any, Final

import httpcore
import httpx

from ._deadline import EXTENSION, Deadline

# What is written at once: small enough for a socket to take whole, so that the time is looked at in between.
_SLICE: Final = 4096


class DeadlineTransport(httpx.HTTPTransport):
    """httpx's own transport, with each read and write bounded by the deadline in a request's extensions.

    Args:
        proxy: The proxy to go through, if any.
        trust_env: Whether SSL_CERT_FILE and SSL_CERT_DIR count.
        limits: How many connections there can be, and how many are kept.
    """

    def __init__(self, *, proxy: httpx.Proxy | None, trust_env: bool, limits: httpx.Limits) -> None:
        super().__init__(proxy=proxy, trust_env=trust_env, limits=limits)
        self._current = threading.local()
        # The one private thing used here. httpcore takes a network backend of one's own, but httpx does not hand one
        # on; and what traces or fakes httpx's transport (OpenTelemetry, pytest-httpx) passes by one written anew.
        self._pool._network_backend = _Backend(self._pool._network_backend, self._current)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; httpx calls this. Its body is read by the same thread."""
        self._current.deadline = request.extensions[EXTENSION]
        return super().handle_request(request)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend, current: threading.local) -> None:
        self._inner = inner
        self._current = current

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.NetworkStream:
        step = Deadline(_bound(timeout, self._current.deadline, httpcore.ConnectTimeout))
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = _addresses(host, port, step)
        # Address by address, where there are several behind a name: the first that is dead must not take all of the
        # time, nor each take as much as is for all.
        for number, address in enumerate(addresses):
            _bound(None, self._current.deadline, httpcore.ConnectTimeout)  # it may have been brought forward meanwhile
            share = _bound(None, step, httpcore.ConnectTimeout) / (len(addresses) - number)
            try:
                return _Stream(self._inner.connect_tcp(address, port, share, *args, **options), self._current)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _addresses(host: str, port: int, step: Deadline) -> list[str]:
    """Look up a name. The system knows no time limit for that, so that it gets a thread of its own."""
    with contextlib.suppress(ValueError):
        return [str(ip_address(host))]
    found: list[str] = []
    failures: list[Exception] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(address[0]) for *_, address in answers))
        except (OSError, UnicodeError) as error:
            failures.append(error)

    thread = threading.Thread(target=look_up, name="incident-io-keys-lookup", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system gives no more threads, or the interpreter is about to end
        look_up()
    else:
        thread.join(step.left())
    if failures:
        raise httpcore.ConnectError(str(failures[0])) from failures[0]
    if thread.is_alive():
        raise httpcore.ConnectTimeout(f"looking up {host} took too long")
    return found


def _bound(timeout: float | None, deadline: Deadline, over: type[httpcore.TimeoutException]) -> float:
    left = deadline.left()
    if left <= 0:
        raise over("the deadline is over")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, current: threading.local) -> None:
        self._inner = inner
        self._current = current
        self._socket: socket.socket = inner.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline: Deadline = self._current.deadline
        with deadline.blocking(self._socket):
            return self._inner.read(max_bytes, _bound(timeout, deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:  # httpcore writes the end of each request, which has none
            return
        deadline: Deadline = self._current.deadline
        with deadline.blocking(self._socket):
            for start in range(0, len(buffer), _SLICE):
                bound = _bound(timeout, deadline, httpcore.WriteTimeout)
                self._inner.write(buffer[start : start + _SLICE], bound)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        deadline: Deadline = self._current.deadline
        # A duplicate: the handshake takes the connection over from its socket, which can do nothing with it any more.
        try:
            duplicate = socket.socket(fileno=os.dup(self._socket.fileno()))
            with duplicate, deadline.blocking(duplicate):
                bound = _bound(timeout, deadline, httpcore.ConnectTimeout)
                return _Stream(self._inner.start_tls(ssl_context, server_hostname, bound), self._current)
        except OSError as error:
            self._inner.close()
            raise httpcore.ConnectError(str(error)) from error
        except BaseException:
            self._inner.close()  # nobody else knows of it yet
            raise

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
