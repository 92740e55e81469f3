"""Puts a function from request to response on a loopback socket, over the standard library's threading server.

This module must not know what the function does.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from attrs import frozen

Handle = Callable[[httpx.Request], httpx.Response]


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
    """

    # A class, since a generator that is forgotten would run its end: while the interpreter is shutting down, say.

    def __init__(self, handle: Handle, port: int) -> None:
        self._handle = handle
        self._port = port

    def __enter__(self) -> MockServer:
        self._server = _Server(self._handle, self._port)
        # A daemon, as are those of the connections: a program that fails within the block must come to its end.
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return MockServer(f"http://127.0.0.1:{self._server.server_port}")

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, handle: Handle, port: int) -> None:
        self.handle_http = handle
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


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # With Nagle on, or with a write for each header, a client that keeps its connection waits 40 ms for each answer.
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: _Server

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            self.send_error(411)
            return
        if len(length) > 7:
            self.send_error(413)
            return
        try:
            url = httpx.URL(f"http://127.0.0.1:{self.server.server_port}").join(self.path)
        except httpx.InvalidURL:
            self.send_error(400)
            return
        request = httpx.Request(
            self.command,
            url,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()],
            content=self.rfile.read(int(length)),
        )
        response = self.server.handle_http(request)
        body = response.read()
        self.send_response(response.status_code)
        for name, value in response.headers.multi_items():
            self.send_header(name, value)
        if "Content-Length" not in response.headers and response.status_code not in (204, 304):
            self.send_header("Content-Length", str(len(body)))  # or a client would wait for the end
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the mock keeps what arrived."""
