"""TLS: which servers the client trusts, that TLS stays on, and that it ends at the deadline."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme

from incident_io_keys import APIConnectionError, APITimeoutError, KeysClient

from .conftest import CANARY, Make
from .connections import daemons, first_of_two_pages
from .faults import SLOW, Connection, FaultServer
from .hiding import renderings


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The context of a server for `localhost`, with a CA that clients trust through the environment."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


class TLSServer(FaultServer):
    """A fault server behind TLS."""

    def __init__(self, faults: list[Any], context: ssl.SSLContext) -> None:
        super().__init__(faults)
        self._context = context
        self.url = self.url.replace("http://127.0.0.1", "https://localhost")

    def _play(self, connection: Connection) -> None:
        try:
            connection.peer = self._context.wrap_socket(connection.peer, server_side=True)
        except (OSError, ssl.SSLError):
            connection.peer.close()
        else:
            super()._play(connection)


def test_a_client_trusts_the_ca_that_the_environment_names(make: Make, tls: ssl.SSLContext) -> None:
    with TLSServer([lambda connection: connection.answer(204, b"")], tls).running() as server:
        make(base_url=server.url).delete("01F")
        assert f"Bearer {CANARY}".encode() in server.arrived[0]


def test_a_server_of_an_unknown_ca_receives_no_token(make: Make, tls: ssl.SSLContext, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "authority.pem")
    with TLSServer([lambda connection: connection.answer(204, b"")], tls).running() as server:
        with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            make(base_url=server.url).create(name="a", role_names=[])
        assert server.arrived == []
    assert not caught.value.may_have_applied


@pytest.mark.parametrize("fault", [fault for fault in SLOW if "drip" in fault])
def test_a_response_that_trickles_over_tls_ends_at_the_deadline(make: Make, tls: ssl.SSLContext, fault: str) -> None:
    # Without the deadline, it would never end.
    with TLSServer([SLOW[fault]], tls).running() as server, pytest.raises(APITimeoutError, match=r"0\.3 s") as caught:
        make(base_url=server.url, deadline=0.3).delete("01F")
    assert caught.value.may_have_applied
    assert CANARY not in renderings(caught.value)


def test_closing_a_client_that_prefetches_over_tls_ends_the_thread_and_leaves_tls_on(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This method turns TLS off first. Another thread that writes in that moment would send its token in plain text.
    shutdowns: list[object] = []
    monkeypatch.setattr(ssl.SSLSocket, "shutdown", lambda *arguments: shutdowns.append(arguments))
    arrived = threading.Event()

    def hang(connection: Connection) -> None:
        arrived.set()
        connection.hang()

    before = daemons()
    with TLSServer([first_of_two_pages, hang], tls).running() as server:
        with KeysClient(CANARY, base_url=server.url, deadline=600, timeout=600) as keys:
            for _ in keys.list(prefetch=True):
                assert arrived.wait(10)
                break
        assert daemons() - before == set()
    assert shutdowns == []
