"""How many requests a second the mock answers, over loopback, to one client that keeps its connection.

The mock is a process of its own, and the client a bare socket that does as little as it can, so that the figure is the
mock's.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping

REQUESTS = 1_000

MOCK = """
import sys
from incident_io_keys.testing import MockAPI, MockSettings
mock = MockAPI(settings=MockSettings(rate_limit=None))
key = mock.add_key("bench", ["viewer"]).api_key.id
with mock.serve() as server:
    print(server.url.rpartition(":")[2], mock.token.reveal(), key, flush=True)
    sys.stdin.read()
"""


def seconds(python: str, environment: Mapping[str, str]) -> list[float]:
    """Seconds for a request, after some that do not count; the interpreter and environment are the mock's."""
    with subprocess.Popen(
        [python, "-c", MOCK],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        assert server.stdout is not None
        port, token, key = server.stdout.readline().split()
        request = (
            f"GET /v1/api_keys/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            f"User-Agent: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        try:
            with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for _ in range(REQUESTS // 10):
                    exchange(connection, request)
                started = time.perf_counter()
                for _ in range(REQUESTS):
                    exchange(connection, request)
                return [(time.perf_counter() - started) / REQUESTS]
        finally:
            server.kill()


def exchange(connection: socket.socket, request: bytes) -> None:
    """Send a request, and read its answer to the end."""
    connection.sendall(request)
    received = connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 200 "), received
    head, _, body = received.partition(b"\r\n\r\n")
    left = int(head.partition(b"Content-Length: ")[2].split()[0]) - len(body)
    while left > 0:
        left -= len(connection.recv(65536))
