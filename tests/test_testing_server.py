"""The mock on a socket."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from incident_io_keys.testing import MockAPI, MockServer, faults
from incident_io_keys.testing._server import serve

from .spec import example, validate
from .test_testing import ask


def port_of(server: MockServer) -> int:
    return int(server.url.rpartition(":")[2])


@contextmanager
def connected(server: MockServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=5) as connection:
        yield connection


def answer_to(server: MockServer, request: bytes) -> bytes:
    """All that comes back for raw bytes, up to the end of the connection."""
    received = b""
    with connected(server) as connection:
        with contextlib.suppress(ConnectionError):  # what is refused at its beginning need not be taken to its end
            connection.sendall(request)
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(65536):
                received += more
    return received


def test_the_server_answers_as_the_mock_does_and_keeps_connections(mock: MockAPI) -> None:
    headers = {"Authorization": f"Bearer {mock.token.reveal()}"}
    with mock.serve() as server, httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        created = client.post("/v1/api_keys", json=example("create_request"))
        assert created.status_code == 201
        [_, key] = client.get("/v1/api_keys").json()["api_keys"]
        assert key == created.json()["api_key"]
        assert client.get("/v1/api_keys?page_size=0").status_code == 422
        stream = created.extensions["network_stream"].get_extra_info("client_addr")
        again = client.get("/v1/api_keys").extensions["network_stream"].get_extra_info("client_addr")
        assert stream == again, "each request came over a connection of its own"


def test_the_server_takes_many_connections_at_once_and_leaves_no_thread(mock: MockAPI) -> None:
    before = set(threading.enumerate())
    with mock.serve() as server:
        connections = [socket.create_connection(("127.0.0.1", port_of(server)), timeout=5) for _ in range(20)]
        for connection in connections:
            connection.sendall(b"GET /v1/api_keys HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for connection in connections:
            assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
    # The connections are still open at this end; the server has ended its side of them.
    assert set(threading.enumerate()) == before
    for connection in connections:
        connection.close()


def test_an_answer_without_a_length_is_given_one_and_a_head_has_no_body() -> None:
    request = b" / HTTP/1.1\r\nHost: a\r\n"
    with serve(lambda _: httpx.Response(200, stream=httpx.ByteStream(b"body")), 0) as server:
        received = answer_to(server, b"HEAD" + request + b"\r\nGET" + request + b"Connection: close\r\n\r\n")
    assert received.count(b"Content-Length: 4\r\n") == 2
    assert received.count(b"body") == 1
    assert received.endswith(b"\r\n\r\nbody")


def test_a_client_that_goes_away_is_no_error(mock: MockAPI, capfd: pytest.CaptureFixture[str]) -> None:
    with mock.serve() as server:
        for reset in (True, False):
            with connected(server) as client:
                client.sendall(posted(mock, b"Content-Length: 1000", DEFINITION))
                if reset:  # on closing, the other end is
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with httpx.Client(base_url=server.url, trust_env=False) as other:
            assert other.get("/v1/api_keys").status_code == 401
    assert capfd.readouterr().err == ""
    assert keys_of(mock) == 0


def test_the_server_takes_any_header_and_no_endless_body(mock: MockAPI) -> None:
    with mock.serve() as server:
        targets = (
            (b"/v1/api_keys", b"X-Name: \xe4", b"401"),
            (b"/v1/api_keys", b"Content-Length: 99999999999", b"413"),
        )
        for target, line, status in (*targets, (b"http://a:b/", b"X: y", b"400"), (b"/\x01", b"X: y", b"400")):
            with connected(server) as client:
                client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n")
                assert client.recv(65536).startswith(b"HTTP/1.1 " + status)


def posted(mock: MockAPI, lines: bytes, body: bytes = b"") -> bytes:
    """A raw create."""
    authorization = b"Authorization: Bearer " + mock.token.reveal().encode()
    return b"POST /v1/api_keys HTTP/1.1\r\nHost: a\r\n" + authorization + b"\r\n" + lines + b"\r\n\r\n" + body


DEFINITION = json.dumps(example("create_request")).encode()


def test_a_body_in_chunks_is_read(mock: MockAPI) -> None:
    half = len(DEFINITION) // 2
    chunks = b"".join(b"%X;x=y\r\n%s\r\n" % (len(part), part) for part in (DEFINITION[:half], DEFINITION[half:]))
    request = posted(mock, b"Transfer-Encoding: Chunked\r\nConnection: close", chunks + b"0\r\nX-Trailer: x\r\n\r\n")
    with mock.serve() as server:
        assert answer_to(server, request).startswith(b"HTTP/1.1 201 ")
    assert mock.requests[0].content == DEFINITION


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        (b"Content-Length: x", b"", 400),
        (b"Content-Length: -1", b"", 400),
        (b"Content-Length:", b"", 400),
        (b"Content-Length: 99999999", b"", 413),
        (b"Content-Length: " + b"9" * 5000, b"", 413),
        (b"Content-Length : 3", b"abc", 400),
        (b"no header\r\nContent-Length: 3", b"abc", 400),
        (b"Content-Length: 3\r\nContent-Length: 4", b"abcd", 400),
        (b"Transfer-Encoding: gzip", b"", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"", 400),
        (b"Transfer-Encoding: chunked", b"x\r\n", 400),
        (b"Transfer-Encoding: chunked", b"3\r\nabcd\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked", b"ffffffff\r\n", 413),
        (b"Transfer-Encoding: chunked", (b"1E8480\r\n" + b"x" * 2_000_000 + b"\r\n") * 2, 413),
        (b"Transfer-Encoding: chunked", b"0" * 70_000 + b"3\r\nabc\r\n0\r\n\r\n", 400),
    ],
)
def test_a_body_whose_end_is_unclear_or_far_is_refused_and_ends_the_connection(
    mock: MockAPI, lines: bytes, body: bytes, status: int
) -> None:
    with mock.serve() as server:
        answer = answer_to(server, posted(mock, lines, body))
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    validate(json.loads(content), "ErrorResponse")
    assert mock.requests == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GARBAGE", 400),
        (b"GET / HTTP/2.0", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101, 413),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1", 413),
    ],
)
def test_what_is_no_request_at_all_is_told_so_in_the_envelope(mock: MockAPI, request_: bytes, status: int) -> None:
    with mock.serve() as server:
        head, _, body = answer_to(server, request_ + b"\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    validate(json.loads(body), "ErrorResponse")


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_request_that_breaks_off_has_no_effect(mock: MockAPI, cut: int) -> None:
    key = mock.add_key("x").api_key
    authorization = f"Authorization: Bearer {mock.token.reveal()}"
    whole = f"DELETE /v1/api_keys/{key.id} HTTP/1.1\r\n{authorization}\r\nX-Own: 1\r\n\r\n".encode()
    with mock.serve() as server, connected(server) as connection:
        connection.sendall(whole[:-cut])
        if cut % 2:
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        # else the server stops meanwhile
    assert keys_of(mock) == 1


@pytest.mark.parametrize("end", [b"", b"0", b"0\r\n", b"0\r\nX-Trailer: x", b"0\r\nX-Trailer: x\r\n"])
def test_a_body_in_chunks_that_breaks_off_has_no_effect(mock: MockAPI, end: bytes) -> None:
    chunk = b"%X\r\n%s\r\n" % (len(DEFINITION), DEFINITION)
    with mock.serve() as server, connected(server) as connection:
        connection.sendall(posted(mock, b"Transfer-Encoding: chunked", chunk + end))
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert keys_of(mock) == 0


def test_who_asks_before_sending_a_body_is_answered_at_once(mock: MockAPI) -> None:
    with mock.serve() as server, connected(server) as connection:
        connection.sendall(posted(mock, b"Expect: 100-continue\r\nContent-Length: %d" % len(DEFINITION)))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(DEFINITION)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_an_answer_that_has_no_body_leaves_the_connection_usable(mock: MockAPI) -> None:
    mock.fail_next(faults.Status(304))
    with mock.serve() as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        assert [client.get("/v1/api_keys").status_code for _ in range(2)] == [304, 401]


@pytest.mark.parametrize("method", ["PATCH", "HEAD", "TRACE", "PROPFIND"])
def test_any_method_reaches_the_api(mock: MockAPI, method: str) -> None:
    with mock.serve() as server, httpx.Client(trust_env=False) as client:
        response = client.request(method, f"{server.url}/v1/api_keys")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, POST")


def test_the_date_of_an_answer_is_the_mock_s(mock: MockAPI) -> None:
    mock.clock.advance(timedelta(days=400))
    mock.clock.freeze()
    with mock.serve() as server:
        date = parsedate_to_datetime(httpx.get(f"{server.url}/v1/api_keys", trust_env=False).headers["Date"])
    assert date == mock.clock.now().replace(microsecond=0)


# Faults of the connection.


def exchange(server: MockServer, mock: MockAPI) -> socket.socket:
    """A connection over which a create was sent."""
    connection = socket.create_connection(("127.0.0.1", port_of(server)), timeout=5)
    connection.sendall(posted(mock, b"Content-Length: %d" % len(DEFINITION), DEFINITION))
    return connection


def keys_of(mock: MockAPI) -> int:
    return len(ask(mock).json()["api_keys"]) - 1


@pytest.mark.parametrize("applied", [True, False])
def test_a_connection_can_be_reset_or_closed_before_the_answer(
    mock: MockAPI, applied: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with mock.serve() as server:
        mock.fail_next(faults.Close(applied=applied))
        with exchange(server, mock) as connection:
            assert connection.recv(1) == b""
        mock.fail_next(faults.Reset(applied=applied))
        with exchange(server, mock) as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert keys_of(mock) == 2 * applied
    assert capfd.readouterr().err == ""


def test_a_body_can_end_before_its_length(mock: MockAPI) -> None:
    mock.fail_next(faults.ShortBody(keep=0.25))
    with mock.serve() as server, exchange(server, mock) as connection:
        received = b""
        while more := connection.recv(65536):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split()[0])
    assert len(body) == length // 4
    assert keys_of(mock) == 1


def test_a_server_can_hang_until_it_stops(mock: MockAPI) -> None:
    mock.fail_next(faults.Hang(applied=False))
    with mock.serve() as server:
        connection = exchange(server, mock)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.sendall(b"more")
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert connection.recv(1) == b""
    connection.close()
    assert keys_of(mock) == 0


def test_a_server_can_drip_until_its_client_has_gone(mock: MockAPI) -> None:
    mock.fail_next(faults.Drip(keep=0.5))
    with mock.serve() as server, exchange(server, mock) as connection:
        received = b""
        while not received.endswith(b"   "):
            received += connection.recv(65536)
    assert received.count(b"\r\n\r\n") == 1


def test_an_answer_can_be_late(mock: MockAPI) -> None:
    mock.fail_next(faults.Slow(0.1))
    with mock.serve() as server, exchange(server, mock) as connection:
        started = time.monotonic()
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert time.monotonic() - started > 0.05


def test_a_server_that_stops_waits_for_no_late_answer(mock: MockAPI) -> None:
    mock.fail_next(faults.Slow(3600))
    with mock.serve() as server:
        connection = exchange(server, mock)
        while not mock.requests:
            time.sleep(0)  # until it has arrived
    assert connection.recv(1) == b""
    connection.close()


def test_a_port_can_be_chosen_and_is_free_again_afterwards(mock: MockAPI) -> None:
    with mock.serve() as server:
        port = port_of(server)
    with mock.serve(port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"), mock.serve(port=port):
            pass


def test_a_fault_of_what_is_served_is_told_and_ends_its_connection_only(capfd: pytest.CaptureFixture[str]) -> None:
    answers = iter([httpx.Response(204)])
    asked = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) == 1:
            raise LookupError("a fault of the test's own")
        return next(answers)

    with serve(handle, 0) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(server.url)
        assert httpx.get(server.url).status_code == 204
    assert "a fault of the test's own" in capfd.readouterr().err


def test_a_program_that_fails_within_the_block_of_a_server_ends() -> None:
    program = """
import httpx
from incident_io_keys.testing import MockAPI

block = MockAPI().serve()
server = block.__enter__()
keep = httpx.Client()
assert keep.get(server.url).status_code == 404
raise SystemExit("failed")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert (result.returncode, result.stderr) == (1, "failed\n")
