"""A server on loopback that serves keys over connections that stay open, and counts the connections."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .faults import Connection
from .spec import example

KEY = example("create_response")["api_key"]


def list_response(number: int, pages: int) -> dict[str, Any]:
    """Return the page of that number, from 0: one key, and the cursor to the next page if there is one."""
    meta = {"page_size": 1} | ({"after": str(number + 1)} if number + 1 < pages else {})
    return {"api_keys": [{**KEY, "id": f"key {number}"}], "pagination_meta": meta}


def first_of_two_pages(connection: Connection) -> None:
    """Respond from a fault server with a page that has a successor."""
    connection.answer(200, json.dumps(list_response(0, pages=2)).encode())


def daemons() -> set[threading.Thread]:
    """Return the threads that do not keep the process alive. Those of the servers do."""
    return {thread for thread in threading.enumerate() if thread.daemon}


class KeyServer(ThreadingHTTPServer):
    """Lists one key on each page, and shows a key of any ID.

    Args:
        pages: How many pages there are.
        immediate: How many requests get their response immediately. The others wait for `released`.

    Attributes:
        url: The base URL.
        ports: The port of the client for each request, in the order of arrival.
        open_ports: The ports of the connections that are open.
        released: Set it to send the responses that wait.
    """

    daemon_threads = False

    def __init__(self, pages: int = 1, immediate: int = 1_000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = pages
        self.immediate = immediate
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.ports: list[int] = []
        self.open_ports: dict[int, socket.socket] = {}
        self.released = threading.Event()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Wake `wait_until` after the block."""
        with self._changed:
            yield
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait until a condition on the attributes holds; return False if that takes too long."""
        with self._changed:
            return self._changed.wait_for(condition, 10)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: clients may reset connections."""

    @contextlib.contextmanager
    def running(self) -> Iterator[KeyServer]:
        thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            for connection in list(self.open_ports.values()):
                with contextlib.suppress(OSError):  # the client closed it already
                    connection.shutdown(socket.SHUT_RDWR)
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: KeyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with self.server.change():
            self.server.open_ports[self.client_address[1]] = self.connection
        try:
            super().handle()
        finally:
            with self.server.change():
                del self.server.open_ports[self.client_address[1]]

    def do_GET(self) -> None:
        with self.server.change():
            self.server.ports.append(self.client_address[1])
            immediate = len(self.server.ports) <= self.server.immediate
        if not immediate:
            self.server.released.wait(10)
        url = urlsplit(self.path)
        key_id = url.path.removeprefix("/v1/api_keys").removeprefix("/")
        after = int(parse_qs(url.query).get("after", ["0"])[0])
        content = {"api_key": {**KEY, "id": key_id}} if key_id else list_response(after, self.server.pages)
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
