"""A response belongs to its request: a connection with leftover bytes serves no other request."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys import APIStatusError, InvalidResponseError, KeysClient, Token

from .calls import DEFINITION
from .conftest import Make
from .faults import Connection, FaultServer
from .replies import TOKEN, http, key_of, reply_to
from .trust import trusted_context

# The response that must not be taken for that of another request.
FOREIGN = http(json.dumps({"api_key": key_of("B"), "token": TOKEN}).encode())

# As many bytes as httpcore reads at once.
FOREIGN_OF_64_KB = http(FOREIGN.partition(b"\r\n\r\n")[2] + b" " * (65_536 - len(FOREIGN) - 2))

# What follows the response to `show("B")` or `delete("B")`. The second segment arrives once the call has returned.
LEFTOVERS: dict[str, tuple[str, list[bytes]]] = {
    "a second response in the same segment": ("show", [FOREIGN + FOREIGN]),
    "a second response in two segments": ("show", [FOREIGN + FOREIGN[:40], FOREIGN[40:]]),
    "a second response later": ("show", [FOREIGN, FOREIGN]),
    "one byte": ("show", [FOREIGN + b"\n"]),
    "bytes after the last chunk": ("show", [http(FOREIGN.partition(b"\r\n\r\n")[2], chunked=True) + FOREIGN]),
    "a 204 with a body": ("delete", [b"HTTP/1.1 204 X\r\nContent-Length: %d\r\n\r\n" % len(FOREIGN) + FOREIGN]),
    "a 204 that announces a body": ("delete", [b"HTTP/1.1 204 X\r\nContent-Length: 9\r\n\r\n"]),
    "a 204 that announces chunks": ("delete", [b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n"]),
    "a second response after 64 kB": ("show", [FOREIGN_OF_64_KB + FOREIGN]),
    "a 304 that announces a body": ("show", [b"HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n"]),
    "a 204 whose body arrives later": ("delete", [b"HTTP/1.1 204 X\r\n\r\n", FOREIGN]),
}

# Calls for the key A, and the ID of the key in each response.
NEXT: dict[str, Callable[[Any], tuple[str, str]]] = {
    "show": lambda keys: (keys.show("A").id, "A"),
    "update": lambda keys: (keys.update("A", **DEFINITION).id, "A"),
    "rotate": lambda keys: (keys.rotate("A").api_key.id, "A"),
    "create": lambda keys: (keys.create(**DEFINITION).api_key.id, "new"),
    "list": lambda keys: (next(iter(keys.list())).id, "new"),
}


class Server(FaultServer):
    """Responds to the first request with given segments, and to all others as the API does.

    Args:
        segments: The segments. The first is sent immediately, the others once `returned` is set.
        context: The context of TLS, if there is to be any.

    Attributes:
        ports: The port of the client for each request.
        returned: Set it once the first call has returned.
        sent: Set when all segments are sent.
    """

    def __init__(self, segments: list[bytes], context: ssl.SSLContext | None = None) -> None:
        super().__init__([self._first, self._serve])
        self._peers: list[socket.socket] = []
        self.ports: list[int] = []
        self.returned = threading.Event()
        self.sent = threading.Event()
        self._segments = segments
        self._context = context
        if context:
            self.url = self.url.replace("http://127.0.0.1", "https://localhost")

    def _play(self, connection: Connection) -> None:
        self._peers.append(connection.peer)
        if self._context:
            connection.peer = self._context.wrap_socket(connection.peer, server_side=True)
            self._peers.append(connection.peer)
        super()._play(connection)

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        with super().running():
            try:
                yield self
            finally:
                for peer in self._peers:
                    with contextlib.suppress(OSError):  # the client closed it, or TLS uses it
                        peer.shutdown(socket.SHUT_RDWR)

    def send_first(self, connection: Connection) -> None:
        connection.send(self._segments[0])
        if len(self._segments) > 1:
            self.returned.wait(10)
            with contextlib.suppress(OSError):  # the client may have closed the connection
                connection.send(self._segments[1])

    def _first(self, connection: Connection) -> None:
        self.ports.append(connection.peer.getpeername()[1])
        self.send_first(connection)
        self.sent.set()
        if connection.read():
            self._serve(connection)

    def _serve(self, connection: Connection) -> None:
        while True:
            self.ports.append(connection.peer.getpeername()[1])
            connection.send(reply_to(connection.request))
            if not connection.read():
                return


class RecordsServer(Server):
    """Sends its segments as TLS records in one segment of TCP."""

    def send_first(self, connection: Connection) -> None:
        connection.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for record in self._segments:
            connection.send(record)
        connection.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


@pytest.fixture(params=["the client's transport", "a transport of httpx"])
def transport(request: pytest.FixtureRequest) -> httpx.HTTPTransport | httpx.AsyncHTTPTransport | None:
    """No transport, or one of httpx for the kind of client that `make` makes."""
    if request.param == "the client's transport":
        return None
    sync = request.node.callspec.params["make"] is KeysClient
    return httpx.HTTPTransport() if sync else httpx.AsyncHTTPTransport()


def use(server: Server, keys: Any, first: str, name: str) -> None:
    """Send the first request, and then another one, which has to get its own response over another connection."""
    with contextlib.suppress(APIStatusError):
        assert getattr(keys, first)("B") is None or first == "show"
    server.returned.set()
    assert server.sent.wait(10)
    found, expected = NEXT[name](keys)
    assert found == expected
    assert len(server.ports) == len(set(server.ports)) == 2


@pytest.mark.parametrize("name", NEXT)
@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_a_request_gets_its_own_response_after_leftover_bytes(
    make: Make, transport: Any, leftover: str, name: str
) -> None:
    first, segments = LEFTOVERS[leftover]
    with Server(segments).running() as server:
        use(server, make(base_url=server.url, transport=transport, attempts=1), first, name)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    return trusted_context(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", NEXT)
@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_a_request_over_tls_gets_its_own_response_after_leftover_bytes(
    make: Make, tls: ssl.SSLContext, leftover: str, name: str
) -> None:
    first, segments = LEFTOVERS[leftover]
    with Server(segments, tls).running() as server:
        use(server, make(base_url=server.url, attempts=1), first, name)


@pytest.mark.skipif(not hasattr(socket, "TCP_CORK"), reason="the records need one segment")
@pytest.mark.parametrize("name", NEXT)
def test_a_request_gets_its_own_response_after_a_leftover_tls_record(
    make: Make, tls: ssl.SSLContext, name: str
) -> None:
    # TLS hands out one record at a time. The second one is neither in the socket nor in the parser of the first.
    with RecordsServer([FOREIGN, FOREIGN], tls).running() as server:
        use(server, make(base_url=server.url, attempts=1), "show", name)


@pytest.mark.parametrize("name", NEXT)
def test_a_connection_without_leftover_bytes_serves_the_next_request(make: Make, transport: Any, name: str) -> None:
    with Server([FOREIGN]).running() as server:
        keys = make(base_url=server.url, transport=transport, attempts=1)
        keys.show("B")
        found, expected = NEXT[name](keys)
        assert found == expected
        assert len(server.ports) == 2
        assert len(set(server.ports)) == 1


CHECKED: dict[str, Callable[[Any], Any]] = {
    "show": lambda keys: keys.show("A"),
    "update": lambda keys: keys.update("A", **DEFINITION),
    "rotate": lambda keys: keys.rotate("A"),
}


@pytest.mark.parametrize("name", CHECKED)
def test_a_response_about_another_key_is_invalid_and_closes_its_connection(
    make: Make, transport: Any, name: str
) -> None:
    with Server([FOREIGN]).running() as server:
        keys = make(base_url=server.url, transport=transport)
        with pytest.raises(InvalidResponseError, match=r"another key \(at \$\.api_key\.id\)") as caught:
            CHECKED[name](keys)
        assert caught.value.path == "$.api_key.id"
        assert caught.value.token == (Token(TOKEN) if name == "rotate" else None)
        assert caught.value.may_have_applied is (name != "show")
        assert keys.show("A").id == "A"
        assert len(server.ports) == len(set(server.ports)) == 2


def test_an_edit_does_not_continue_with_another_key(make: Make) -> None:
    with Server([FOREIGN]).running() as server:
        with pytest.raises(InvalidResponseError) as caught:
            make(base_url=server.url).edit("A", name="another name")
        assert not caught.value.may_have_applied
        assert len(server.ports) == 1


def test_a_create_accepts_a_key_of_any_id(make: Make) -> None:
    with Server([FOREIGN]).running() as server:
        issued = make(base_url=server.url, attempts=1).create(**DEFINITION)
    assert (issued.api_key.id, issued.token) == ("B", Token(TOKEN))


def test_a_response_that_is_invalid_closes_its_connection(make: Make) -> None:
    with Server([http(b'{"api_key": {}}')]).running() as server:
        keys = make(base_url=server.url)
        with pytest.raises(InvalidResponseError):
            keys.show("B")
        assert keys.show("A").id == "A"
        assert len(set(server.ports)) == 2
