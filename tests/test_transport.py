"""Connections: names and addresses, TLS, slow servers, large requests, and proxies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from incident_io_keys import APIConnectionError, APITimeoutError, KeysClient
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .connections import KeyServer
from .faults import Connection, FaultServer


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A listener whose connections nobody accepts: it neither reads nor writes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def test_a_tls_handshake_ends_at_the_deadline_and_its_connection_is_closed(make: Make, silent: socket.socket) -> None:
    keys = make(base_url=f"https://127.0.0.1:{port_of(silent)}", deadline=0.3, attempts=1)
    with pytest.raises(APITimeoutError) as caught:
        keys.create(name="a", role_names=[])
    assert not caught.value.may_have_applied
    peer, _ = silent.accept()
    with peer:
        peer.settimeout(10)
        while peer.recv(65536):  # ends with the connection
            pass


def test_a_server_that_does_not_read_ends_at_the_deadline(make: Make, silent: socket.socket) -> None:
    team_ids = ["x" * 10_000] * 1_000  # more than the sockets' buffers hold
    with pytest.raises(APITimeoutError) as caught:
        make(base_url=f"http://127.0.0.1:{port_of(silent)}", deadline=2).create(
            name="a", role_names=[], team_ids=team_ids, team_role_names=["schedules_editor"]
        )
    assert caught.value.may_have_applied


def resolve_localhost(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let `localhost` have other addresses; without any, let it be unknown."""
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **keywords: Any) -> Any:
        if host not in ("localhost", b"localhost"):
            return real(host, port, *arguments, **keywords)
        if not addresses:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_of_several_addresses_the_first_that_accepts_is_used(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_localhost(monkeypatch, "127.0.0.2", "127.0.0.1")  # the server listens only at the second
    with KeyServer().running() as server:
        assert make(base_url=server.url.replace("127.0.0.1", "localhost"), attempts=1).show("a").id == "a"


@pytest.mark.parametrize("addresses", [[], ["127.0.0.2", "127.0.0.3"]], ids=["unknown name", "nobody listens"])
def test_without_a_connection_a_create_has_not_applied(
    make: Make, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolve_localhost(monkeypatch, *addresses)
    with KeyServer().running() as server:
        keys = make(base_url=server.url.replace("127.0.0.1", "localhost"))
        with pytest.raises(APIConnectionError, match="refused|attempts failed" if addresses else "not known") as caught:
            keys.create(name="a", role_names=[])
        assert server.ports == []
    assert not caught.value.may_have_applied


def test_a_server_that_reads_slowly_does_not_extend_the_deadline(make: Make) -> None:
    team_ids = ["x" * 100_000] * 200  # takes the server half a minute to read
    total = 100_000 * 200
    received, stopped, connected = 0, threading.Event(), threading.Event()

    def read_slowly() -> None:
        nonlocal received
        peer, _ = server.accept()
        connected.set()
        with peer:
            while not stopped.wait(0.02):
                received += len(peer.recv(1 << 14))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=read_slowly)
        thread.start()
        try:
            with pytest.raises(APITimeoutError) as caught:
                make(base_url=f"http://127.0.0.1:{port_of(server)}", deadline=2).create(
                    name="a", role_names=[], team_ids=team_ids, team_role_names=["schedules_editor"]
                )
            at_the_end = received
        finally:
            stopped.set()
            if not connected.is_set():
                socket.create_connection(server.getsockname()).close()  # ends the wait for a connection
            thread.join()
    assert at_the_end < total / 4
    assert caught.value.may_have_applied


def test_a_large_request_arrives_complete(make: Make, mock: MockAPI) -> None:
    team_ids = [f"{number:0100}" for number in range(1000)]
    with mock.serve() as server:
        issued = make(mock.token, base_url=server.url).create(
            name="a", role_names=[], team_ids=team_ids, team_role_names=["schedules_editor"]
        )
    assert list(issued.api_key.team_ids) == team_ids


def test_no_connection_is_opened_if_a_name_look_up_takes_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(*_: object, **__: object) -> list[Any]:
        threading.Event().wait(0.02)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.server_port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with KeyServer().running() as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with KeysClient(CANARY, base_url=url, deadline=0.01) as keys, pytest.raises(APITimeoutError) as caught:
            keys.create(name="a", role_names=[])
    assert server.ports == []
    assert not caught.value.may_have_applied


def test_nothing_is_sent_after_the_deadline(make: Make) -> None:
    with KeyServer().running() as server:
        with pytest.raises(APITimeoutError) as caught:
            make(base_url=server.url, deadline=1e-9).delete("a")
        assert server.ports == []
    assert not caught.value.may_have_applied


def test_a_client_uses_the_proxy_of_the_environment_except_for_excluded_hosts(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(connection: Connection) -> None:
        connection.answer(407, b"")

    with FaultServer([reject]).running() as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url.removeprefix("http://"))
        with pytest.raises(APIConnectionError, match="ProxyError") as caught:
            make(base_url="https://api.example", attempts=1).create(name="a", role_names=[])
        assert not caught.value.may_have_applied
        [request] = server.arrived
        assert request.startswith(b"CONNECT api.example:443 ")
        assert CANARY.encode() not in request
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        with pytest.raises(APIConnectionError, match="ConnectError"):
            make(base_url="https://127.0.0.1:1", attempts=1).show("01F")
    assert len(server.arrived) == 1
