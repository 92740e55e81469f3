"""A server of raw sockets on loopback that answers as no server should, and counts what reached it.

What it sends quotes the request, token and all, wherever there is room for it.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias

# So often a byte comes where an answer drips: far more often than any timeout.
DRIP = 0.02


class Connection:
    """One connection, its request read."""

    def __init__(self, peer: socket.socket, stopped: threading.Event) -> None:
        self.peer = peer
        self._stopped = stopped
        self.request = b""

    def read(self) -> bool:
        """Read a request; False if the peer went away before all of it was there."""
        self.request = b""
        while True:
            head, found, body = self.request.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if found and len(body) >= int(length[1] if length else 0):
                return True
            part = self.peer.recv(65536)
            if not part:
                return False
            self.request += part

    def send(self, data: bytes) -> None:
        self.peer.sendall(data)

    def answer(self, status: int, body: bytes, *, length: int | None = None, headers: bytes = b"") -> None:
        size = len(body) if length is None else length
        headers += b"Connection: close\r\nContent-Length: %d" % size
        self.send(b"HTTP/1.1 %d X\r\n%s\r\n\r\n%s" % (status, headers, body))

    def reset(self) -> None:
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    def hang(self) -> None:
        """Say nothing more until the server stops, or the peer goes away."""
        self.peer.settimeout(DRIP)
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.peer.recv(1):
                    return

    def drip(self, byte: bytes) -> None:
        while not self._stopped.wait(DRIP):
            self.send(byte)


Fault: TypeAlias = Callable[[Connection], object]


def unformed(request: bytes) -> bytes:
    """A request as one header line that is none."""
    return request.translate(None, b"\r\n:") + b"\r\n\r\n"


def reset_in_the_body(connection: Connection) -> None:
    connection.answer(201, TOLD + connection.request, length=100_000)
    connection.reset()


def cut_chunk(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + TOLD)


def hang_in_the_body(connection: Connection) -> None:
    connection.answer(201, TOLD, length=100_000)
    connection.hang()


def drip_in_the_head(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 201 X\r\nX-Long: ")
    connection.drip(b"x")


def drip_in_the_body(connection: Connection) -> None:
    connection.answer(201, TOLD, length=100_000)
    connection.drip(b" ")


def half_closed(connection: Connection) -> None:
    connection.peer.shutdown(socket.SHUT_WR)
    connection.hang()


# A token that is on its way when the answer breaks off: it must not show either.
ISSUED = "inc_" + "feedbead" * 8
TOLD = json.dumps({"token": ISSUED, "api_key": {}}).encode()[:-1]

# By name: what happens once a request has arrived. A connection is closed when its fault is done.
BROKEN: dict[str, Fault] = {
    "reset before the answer": lambda connection: connection.reset(),
    "reset in the body": reset_in_the_body,
    "closed before the answer": lambda _: None,
    "closed in the head": lambda connection: connection.send(b"HTTP/1.1 20"),
    "cut Content-Length": lambda connection: connection.answer(201, TOLD, length=100_000),
    "cut chunk": cut_chunk,
    "garbage": lambda connection: connection.send(b"\x00\xff garbage: " + connection.request.replace(b"\r\n", b" ")),
    "a header of no form": lambda connection: connection.send(b"HTTP/1.1 200 X\r\n" + unformed(connection.request)),
    "half-closed": half_closed,
}
SLOW: dict[str, Fault] = {
    "hang before the answer": lambda connection: connection.hang(),
    "hang in the body": hang_in_the_body,
    "drip in the head": drip_in_the_head,
    "drip in the body": drip_in_the_body,
}


class FaultServer:
    """Plays one fault after the other, a connection each, and the last one for ever.

    Attributes:
        url: Where it is.
        arrived: The requests that arrived whole.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.arrived: list[bytes] = []
        self._faults = faults
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            peer, _ = self._listener.accept()
            if self._stopped.is_set():
                peer.close()
                return
            peer.settimeout(10)
            thread = threading.Thread(target=self._play, args=(Connection(peer, self._stopped),))
            self._threads.append(thread)
            thread.start()

    def _play(self, connection: Connection) -> None:
        with connection.peer, contextlib.suppress(OSError):  # its client may go away first
            if connection.read():
                self.arrived.append(connection.request)
                self._faults[min(len(self.arrived), len(self._faults)) - 1](connection)

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultServer]:
        self._threads[0].start()
        try:
            yield self
        finally:
            self._stopped.set()
            with socket.create_connection(self._listener.getsockname()):  # so that accept returns
                for thread in self._threads:
                    thread.join()
            self._listener.close()


def refused() -> str:
    """The URL of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"
