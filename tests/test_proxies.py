"""Proxies and name look-ups that fail: no request was sent, so none has applied."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from incident_io_keys import APIConnectionError, APITimeoutError

from .calls import CALLS
from .conftest import CANARY, Make
from .faults import Connection, Fault, FaultServer
from .hiding import renderings

ATTEMPTS = 3
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"


def after_the_tunnel(fault: Fault) -> Fault:
    """Return a fault that happens after the proxy has opened the tunnel, in the TLS handshake."""

    def play(connection: Connection) -> None:
        connection.send(TUNNEL)
        connection.peer.recv(65536)  # the client begins
        fault(connection)

    return play


def trickle_a_header(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 X\r\nX-Long: ")
    connection.drip(b"x")


def trickle_a_handshake(connection: Connection) -> None:
    connection.send(b"\x16\x03\x03\x10\x00")  # a record of TLS that never gets complete
    connection.drip(b"\x02")


def hang_after_garbage(connection: Connection) -> None:
    connection.send(b"\x00\xff garbage\r\n\r\n")
    connection.hang()


FAILING: dict[str, Fault] = {
    "closed": lambda _: None,
    "closed in the head": lambda connection: connection.send(b"HTTP/1.1 20"),
    "reset": lambda connection: connection.reset(),
    "garbage": lambda connection: connection.send(b"\x00\xff garbage\r\n\r\n"),
    "garbage, then a hang": hang_after_garbage,
    "a malformed header": lambda connection: connection.send(b"HTTP/1.1 200 X\r\nno header\r\n\r\n"),
    "TLS instead of HTTP": lambda connection: connection.send(b"\x15\x03\x03\x00\x02\x02\x28"),
    "rejected": lambda connection: connection.answer(503, b"no route"),
    "rejected with an endless body": lambda connection: connection.answer(503, b"", length=100_000),
    "tunnel closed": after_the_tunnel(lambda _: None),
    "tunnel reset": after_the_tunnel(lambda connection: connection.reset()),
    "garbage in the tunnel": after_the_tunnel(lambda connection: connection.send(b"HTTP/1.1 400 X\r\n\r\n")),
}
HANGING: dict[str, Fault] = {
    "hang": lambda connection: connection.hang(),
    "hang in the tunnel": after_the_tunnel(lambda connection: connection.hang()),
}
TRICKLING: dict[str, Fault] = {
    "trickling header": trickle_a_header,
    "trickling handshake": after_the_tunnel(trickle_a_handshake),
}


@pytest.fixture(params=CALLS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fail(make: Make, monkeypatch: pytest.MonkeyPatch, name: str, fault: Fault, **limits: Any) -> Any:
    """Call through a proxy that fails. Return the error and what arrived at the proxy."""
    with FaultServer([fault]).running() as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        keys = make(base_url="https://api.example", attempts=ATTEMPTS, **limits)
        with pytest.raises(APIConnectionError) as caught:
            CALLS[name](keys)
    assert all(request.startswith(b"CONNECT api.example:443 ") for request in server.arrived)
    assert CANARY.encode() not in b"".join(server.arrived)
    assert CANARY not in renderings(caught.value)
    assert not caught.value.may_have_applied
    return caught.value, server.arrived


@pytest.mark.parametrize("fault", FAILING)
def test_a_proxy_that_fails_is_retried_and_nothing_has_applied(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    _, arrived = fail(make, monkeypatch, name, FAILING[fault])
    assert len(arrived) == ATTEMPTS


@pytest.mark.parametrize("fault", HANGING)
def test_a_proxy_that_hangs_is_retried_after_the_timeout(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    error, arrived = fail(make, monkeypatch, name, HANGING[fault], timeout=0.1)
    assert type(error) is APITimeoutError
    assert len(arrived) == ATTEMPTS


@pytest.mark.parametrize("fault", HANGING | TRICKLING)
def test_a_proxy_that_sends_no_end_does_not_extend_the_deadline(
    make: Make, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    # Without the deadline, the call would never end.
    error, arrived = fail(make, monkeypatch, "create", (HANGING | TRICKLING)[fault], deadline=0.3)
    assert type(error) is APITimeoutError
    assert "within the deadline of 0.3 s" in str(error)
    assert len(arrived) == 1


def fail_to_resolve(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[object]:
    """Let each look-up of a name raise an error. The value lists the names that were looked up."""
    names: list[object] = []

    def getaddrinfo(host: object, *_: object, **__: object) -> None:
        names.append(host)
        raise error

    async def getaddrinfo_async(_: object, host: object, *__: object, **___: object) -> None:
        getaddrinfo(host)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo_async)
    return names


LOOK_UPS: dict[str, Callable[[], Exception]] = {
    "unknown name": lambda: socket.gaierror(-2, "Name or service not known"),
    "OSError": lambda: OSError(24, "Too many open files"),
    "a name that cannot be encoded": lambda: UnicodeError("label too long"),
    "UnicodeEncodeError": lambda: UnicodeEncodeError("idna", "x", 0, 1, "label too long"),
    "ValueError": lambda: ValueError("embedded null character"),
    "RuntimeError": lambda: RuntimeError("cannot schedule new futures after shutdown"),
    "TimeoutError": lambda: TimeoutError("timed out"),
}


@pytest.mark.parametrize("failure", LOOK_UPS)
@pytest.mark.parametrize("proxied", [False, True], ids=["the API", "a proxy"])
def test_a_name_look_up_that_fails_is_retried_and_nothing_has_applied(
    make: Make, monkeypatch: pytest.MonkeyPatch, name: str, failure: str, proxied: bool
) -> None:
    if proxied:
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    names = fail_to_resolve(monkeypatch, LOOK_UPS[failure]())
    with pytest.raises(APIConnectionError) as caught:
        CALLS[name](make(base_url="https://api.example", attempts=ATTEMPTS))
    assert not caught.value.may_have_applied
    assert CANARY not in renderings(caught.value)
    expected = "proxy.example" if proxied else "api.example"
    assert [host.decode() if isinstance(host, bytes) else host for host in names] == [expected] * ATTEMPTS
