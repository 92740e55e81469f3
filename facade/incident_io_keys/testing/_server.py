"""Puts a function from request to response on a loopback socket, over the standard library's threading server."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, TypeAlias

import httpx
from attrs import frozen

from ._delivery import delivery_of
from ._refusals import Flaw, Refusal, refuse

Handle: TypeAlias = Callable[[httpx.Request], httpx.Response]
Now: TypeAlias = Callable[[], datetime]

# Somewhat more than any function that is served takes; what is longer is not read.
_LARGEST_BODY: Final = 2_000_000
_LONGEST_LINE: Final = 65_536

# So often, in seconds, a byte comes where an answer drips.
_DRIP: Final = 0.05
# And so many bytes are promised.
_ENDLESS: Final = 1_000_000_000


@frozen
class MockServer:
    """A server that runs.

    Attributes:
        url: Where it is, as in `http://127.0.0.1:8000`.
    """

    url: str


class serve:  # noqa: N801 - used as a function
    """Serve a function on 127.0.0.1 for the length of a `with` block; no thread is left behind.

    Args:
        handle: The function.
        port: The port to listen on; 0 picks a free one.
        now: What time the header `Date` gives; without it, that of this machine.
    """

    # A class, since a generator that is forgotten would run its end: while the interpreter is shutting down, say.

    def __init__(self, handle: Handle, port: int, now: Now = lambda: datetime.now(UTC)) -> None:
        self._handle = handle
        self._port = port
        self._now = now

    def __enter__(self) -> MockServer:
        self._server = _Server(self._handle, self._port, self._now)
        # A daemon, as are those of the connections: a program that fails within the block must come to its end.
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return MockServer(f"http://127.0.0.1:{self._server.server_port}")

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, handle: Handle, port: int, now: Now) -> None:
        self.handle_http = handle
        self.now = now
        self.stopped = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._connections: set[threading.Thread] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        # The base class joins its threads when the server stops, but not if they are daemons.
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._open_lock:
            self._open.add(request)
            self._connections.add(thread)
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        self.process_request_thread(request, client_address)
        with self._open_lock:
            self._connections.discard(threading.current_thread())

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Stop listening, end the connections that clients keep alive, and wait for their threads."""
        self.shutdown()
        self.stopped.set()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # its client was faster
                    connection.shutdown(socket.SHUT_RDWR)
            threads = list(self._connections)
        for thread in threads:
            thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that goes away is no error
            super().handle_error(request, client_address)


class _Lines:
    """What a client sends, of which a request that breaks off is no request.

    http.server takes the end of a connection for the end of the headers, and would carry out what it has until then.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.within = False  # a request

    def readline(self, limit: int) -> bytes:
        line: bytes = self._file.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit and (line or self.within):
            raise _broken_off()
        self.within = True
        return line

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        if len(data) < size:
            raise _broken_off()
        return data

    def close(self) -> None:
        self._file.close()


def _broken_off() -> ConnectionError:
    return ConnectionError("the client went away within its request")


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # of what is no request at all
    # With Nagle on, or with a write for each header, a client that keeps its connection waits 40 ms for each answer.
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: _Server

    def __getattr__(self, name: str) -> Any:
        # http.server looks for a do_GET and so on: whatever the method, what is served says what it makes of it.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def setup(self) -> None:
        super().setup()
        self.rfile: Any = _Lines(self.rfile)

    def handle_one_request(self) -> None:
        self.rfile.within = False
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()  # its client waits for it
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        # What http.server refuses by itself, in HTML: a request that is none, or has too much before its body.
        self._refuse(refuse(413 if code in (414, 431) else 400, Flaw("invalid_request", message or "")))

    def _refuse(self, refusal: Refusal) -> None:
        # Where the request ends is not known: nothing more can be read.
        self.close_connection = True
        response = refusal.response()
        self._send(response, len(response.content), response.content)

    def _answer(self) -> None:
        try:
            request = self._request()
        except Refusal as refusal:
            self._refuse(refusal)
            return
        response = self.server.handle_http(request)
        delivery = delivery_of(response)
        if delivery.delay and self.server.stopped.wait(delivery.delay):
            self.close_connection = True
            return
        body = response.read()
        if delivery.how == "whole":
            self._send(response, len(body), body)
            return
        self.close_connection = True
        if delivery.how in ("short_body", "drip"):
            self._send(response, len(body) if delivery.how == "short_body" else _ENDLESS, body[: delivery.part])
        while delivery.how == "drip" and not self.server.stopped.wait(_DRIP):
            self.wfile.write(b" ")
            self.wfile.flush()
        while delivery.how == "hang" and self.connection.recv(_LONGEST_LINE):
            pass  # until the client has gone, or the server stops
        if delivery.how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The socket is open until these are closed, and a shutdown before that would be a plain end.
            self.rfile.close()
            self.wfile.close()
            self.connection.close()
            raise ConnectionResetError

    def _send(self, response: httpx.Response, length: int, body: bytes) -> None:
        self.send_response(response.status_code)
        for name, value in response.headers.multi_items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        if response.status_code in (204, 304):
            body = b""
        else:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _request(self) -> httpx.Request:
        try:
            url = httpx.URL(f"http://127.0.0.1:{self.server.server_port}").join(self.path)
        except httpx.InvalidURL:
            raise refuse(400, Flaw("invalid_url", "The path of the request is none")) from None
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        return httpx.Request(self.command, url, headers=headers, content=self._body())

    def _body(self) -> bytes:
        if self.headers.defects:  # a line that is none, behind which others would not be seen
            raise _endless()
        codings, lengths = (self.headers.get_all(name, []) for name in ("Transfer-Encoding", "Content-Length"))
        if len(codings + lengths) > 1:
            raise _endless()
        if not codings:
            return bytes(self.rfile.read(_size(*lengths or ["0"], base=10)))
        if codings[0].strip().lower() != "chunked":
            raise _endless()
        body = bytearray()
        while size := _size(self._line().partition(";")[0], base=16):
            if len(body) + size > _LARGEST_BODY:
                raise _too_large()
            body += self.rfile.read(size)
            if self._line():
                raise _endless()
        while self._line():
            pass  # trailers
        return bytes(body)

    def _line(self) -> str:
        line: bytes = self.rfile.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise _endless()
        return line.strip().decode("latin-1")

    def version_string(self) -> str:
        return "incident-io-keys-mock"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.now().timestamp() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the mock keeps what arrived."""


def _size(text: str, *, base: int) -> int:
    """A number of bytes as HTTP writes it, if it can be one of a body."""
    digits = "0123456789abcdef"[:base]
    if not text or set(text.lower()) - set(digits):
        raise _endless()
    size = int(text, base) if len(text) < 20 else _LARGEST_BODY + 1
    if size > _LARGEST_BODY:
        raise _too_large()
    return size


def _too_large() -> Refusal:
    return refuse(413, Flaw("payload_too_large", "The body is too large"))


def _endless() -> Refusal:
    return refuse(400, Flaw("invalid_body", "Where the body of the request ends cannot be told"))
