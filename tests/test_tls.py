"""TLS: who is trusted, and that it stays on and ends in time."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from incident_io_keys import APIConnectionError, APITimeoutError, KeysClient
from incident_io_keys._operations import show_key

from .conftest import CANARY, Make
from .faults import SLOW, Connection, FaultServer
from .hiding import renderings


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server for `localhost` needs, with an authority that clients trust by their environment."""
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


def test_tls_is_spoken_and_the_server_is_known_by_the_environments_authority(make: Make, tls: ssl.SSLContext) -> None:
    with TLSServer([lambda connection: connection.answer(204, b"")], tls).running() as server:
        make(base_url=server.url).delete("01F")
        assert f"Bearer {CANARY}".encode() in server.arrived[0]


def test_a_server_that_is_not_known_gets_no_token(make: Make, tls: ssl.SSLContext, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "authority.pem")
    with TLSServer([lambda connection: connection.answer(204, b"")], tls).running() as server:
        with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            make(base_url=server.url).create(name="a", role_names=[])
        assert server.arrived == []
    assert not caught.value.may_have_applied


@pytest.mark.parametrize("fault", [fault for fault in SLOW if "drip" in fault])
def test_a_drip_over_tls_ends_at_the_deadline(make: Make, tls: ssl.SSLContext, fault: str) -> None:
    with TLSServer([SLOW[fault]], tls).running() as server:
        started = time.monotonic()
        with pytest.raises(APITimeoutError, match=r"within the deadline of 0\.3 s") as caught:
            make(base_url=server.url, deadline=0.3).delete("01F")
        assert time.monotonic() - started < 5  # a drip would go on for ever
    assert caught.value.may_have_applied
    assert CANARY not in renderings(caught.value)


def test_bringing_a_deadline_forward_leaves_tls_on(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    # The method of an SSLSocket turns TLS off before it shuts the connection down. What another thread writes in that
    # moment goes out in plain text, token and all.
    monkeypatch.setattr(ssl.SSLSocket, "shutdown", lambda *_: pytest.fail("TLS was turned off"))
    arrived = threading.Event()

    def hang(connection: Connection) -> None:
        arrived.set()
        connection.hang()

    with (
        TLSServer([hang], tls).running() as server,
        KeysClient(CANARY, base_url=server.url, deadline=600, timeout=600) as keys,
    ):
        ahead = keys._sender.ahead(show_key("01F"))
        assert arrived.wait(10)
        ahead.cancel()
        with pytest.raises(APIConnectionError):
            ahead.result()
