"""How many requests a second the mock answers, to one client that keeps its connection, over loopback.

The server is a process of its own, and the client a bare socket that does as little as it can, so that the figure is
the mock's. Beside it, the same from a server of the standard library that answers with prepared bytes: what the
threading server alone costs on this machine.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

ROUNDS = 7
REQUESTS = 1_000

MOCK = """
import sys
from incident_io_keys.testing import MockAPI, MockSettings
mock = MockAPI(settings=MockSettings(rate_limit=1_000_000_000))
key = mock.add_key("bench", ["viewer"]).api_key.id
with mock.serve() as server:
    print(server.url.rpartition(":")[2], mock.token.reveal(), key, flush=True)
    sys.stdin.read()
"""

BARE = """
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, 65536

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "500")
        self.end_headers()
        self.wfile.write(b"x" * 500)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, "-", "-", flush=True)
sys.stdin.read()
"""


@contextmanager
def connected(program: str) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection to a server in a process of its own, and the request to send over it."""
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) as server:
        assert server.stdout is not None
        port, token, key = server.stdout.readline().split()
        request = (
            f"GET /v1/api_keys/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            f"User-Agent: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        try:
            with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                yield connection, request.encode()
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


def rate(program: str) -> float:
    """Requests a second: the median of some rounds, after one that does not count."""
    rates = []
    with connected(program) as (connection, request):
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            for _ in range(REQUESTS):
                exchange(connection, request)
            rates.append(REQUESTS / (time.perf_counter() - started))
    return statistics.median(rates[1:])


def main() -> None:
    """Print the figures."""
    mock, bare = rate(MOCK), rate(BARE)
    print(f"the mock:              {mock:6,.0f} requests a second to one keep-alive client")
    print(f"the bare http.server:  {bare:6,.0f}, which is {bare / mock:.1f} times as many")


if __name__ == "__main__":
    main()
