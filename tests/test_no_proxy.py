"""Which hosts NO_PROXY excludes from the proxy of the environment."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from incident_io_keys import APIConnectionError

from .conftest import Make
from .faults import Connection, FaultServer


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every direct connection to another host than this one fail, and return those hosts."""
    hosts: list[str] = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def refuse(self: socket.socket, address: Any) -> None:
        if address[0] == "127.0.0.1":
            return connect(self, address)
        hosts.append(address[0])
        raise ConnectionRefusedError

    def resolve_name(host: Any, *arguments: Any, **keywords: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("192.0.2.1" if name.endswith(("example", "invalid")) else host, *arguments, **keywords)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", resolve_name)
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return hosts


@pytest.fixture
def proxy() -> Iterator[FaultServer]:
    """A proxy that counts what it is asked, and rejects it."""

    def reject(connection: Connection) -> None:
        connection.answer(407, b"")

    with FaultServer([reject]).running() as server:
        yield server


@pytest.fixture
def connects_to(make: Make, proxy: FaultServer, direct: list[str]) -> Callable[[str], str]:
    """Return a function that returns whether a call connects to the proxy or to the host itself."""

    def connects(url: str) -> str:
        direct.clear()
        with pytest.raises(APIConnectionError) as caught:
            make(base_url=url, attempts=1).create(name="a", role_names=[])
        assert not caught.value.may_have_applied
        assert len(proxy.arrived) <= 1
        if not proxy.arrived:
            assert "ConnectError" in str(caught.value)
            return "the host"
        assert proxy.arrived[0].startswith(b"CONNECT ")
        assert "ProxyError" in str(caught.value)
        assert direct == []
        return "the proxy"

    return connects


HOST, PORT = "https://api.corp.example", "https://api.corp.example:8443"
EXCLUDED = [
    ("10.0.0.0/8", "https://10.1.2.3"),
    ("10.0.0.0/8", "https://10.1.2.3:8443"),
    ("10.1.0.0/8", "https://10.1.2.3"),
    ("10.1.2.3", "https://10.1.2.3"),
    ("10.1.2.3:8443", "https://10.1.2.3:8443"),
    ("fd00::/8", "https://[fd12::1]"),
    ("FD00::/8", "https://[fd12::1]:8443"),
    ("fd00::1", "https://[fd00::1]"),
    ("FD00:0::1", "https://[fd00::1]"),
    ("[fd00::1]", "https://[fd00::1]"),
    ("[fd00::1]", "https://[FD00::1]:8443"),
    ("[fd00::1]:8443", "https://[fd00::1]:8443"),
    ("[fd00::1]:443", "https://[fd00::1]"),
    ("*.corp.example", HOST),
    ("*.corp.example", "https://a.b.corp.example"),
    (".corp.example", HOST),
    ("corp.example", HOST),
    ("corp.example", "https://corp.example"),
    ("Corp.EXAMPLE", HOST),
    ("corp.example", "https://API.Corp.Example"),
    ("api.corp.example", HOST),
    ("api.corp.example", PORT),
    ("api.corp.example:8443", PORT),
    ("corp.example:8443", PORT),
    ("*.corp.example:8443", PORT),
    ("api.corp.example:443", HOST),
    ("*", HOST),
    (" * ", HOST),
    ("*", "https://10.1.2.3"),
    ("*", "https://[fd00::1]:8443"),
    ("  corp.example  ", HOST),
    ("a.example , corp.example,b.example", HOST),
    (",, ,corp.example,", HOST),
    ("localhost,127.0.0.1, 10.0.0.0/8 ", "https://10.1.2.3"),
    ("xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("xn--bcher-kva.example", "https://api.bücher.example"),
    ("bücher.example", "https://xn--bcher-kva.example"),
]
NOT_EXCLUDED = [
    ("", HOST),
    (" ", HOST),
    (",", HOST),
    (", ,", HOST),
    (".", HOST),
    ("corp.example", "https://notcorp.example"),
    (".corp.example", "https://notcorp.example"),
    ("*.corp.example", "https://notcorp.example"),
    ("corp.example", "https://corp.example.invalid"),
    ("corp", HOST),
    ("api", HOST),
    ("api.corp.example", "https://corp.example"),
    ("b.corp.example", HOST),
    ("a*.corp.example", HOST),
    ("api.corp.example:8443", HOST),
    ("api.corp.example:8443", "https://api.corp.example:8444"),
    ("api.corp.example:443", PORT),
    ("api.corp.example:", PORT),
    ("api.corp.example:port", PORT),
    ("10.0.0.0/8", "https://11.0.0.1"),
    ("10.0.0.0/8", "https://10.corp.example"),
    ("10.0.0.0/8", "https://[fd00::1]"),
    ("10.0.0.0/33", "https://10.0.0.1"),
    ("10.1.2.3", "https://10.1.2.30"),
    ("10.1.2.3", "https://110.1.2.3"),
    ("10.1.2.3:8443", "https://10.1.2.3"),
    ("fd00::/8", "https://[fe80::1]"),
    ("fd00::/8", "https://10.1.2.3"),
    ("fd00::1", "https://[fd00::2]"),
    ("[fd00::1]", "https://[fd00::11]"),
    ("[fd00::1]:8443", "https://[fd00::1]"),
    ("[fd00::1]:8443", "https://[fd00::1]:8444"),
    ("localhost,127.0.0.1", HOST),
    ("api.corp.example:" + "9" * 5_000, HOST),
    ("xn--bcher-kva.example", "https://bucher.example"),
]


@pytest.mark.parametrize(("excluded", "url"), EXCLUDED)
def test_a_host_in_no_proxy_is_connected_to_directly(
    connects_to: Callable[[str], str], proxy: FaultServer, monkeypatch: pytest.MonkeyPatch, excluded: str, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", excluded)
    assert connects_to(url) == "the host"


@pytest.mark.parametrize(("excluded", "url"), NOT_EXCLUDED)
def test_a_host_that_no_proxy_does_not_cover_is_reached_through_the_proxy(
    connects_to: Callable[[str], str], proxy: FaultServer, monkeypatch: pytest.MonkeyPatch, excluded: str, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", excluded)
    assert connects_to(url) == "the proxy"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("exclusion", ["NO_PROXY", "no_proxy"])
def test_variables_in_either_case_count(
    connects_to: Callable[[str], str],
    proxy: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    exclusion: str,
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    monkeypatch.setenv(exclusion, "corp.example")
    assert connects_to(HOST) == "the host"
    assert connects_to("https://notcorp.example") == "the proxy"


def test_without_a_proxy_no_proxy_does_not_matter(
    connects_to: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/33,[,:,*")
    assert connects_to(HOST) == "the host"


def test_http_proxy_is_for_plain_http_only(
    connects_to: Callable[[str], str], proxy: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    assert connects_to(HOST) == "the host"


def test_a_server_on_this_machine_is_not_reached_through_a_proxy(
    make: Make, proxy: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, proxy.url)
    with pytest.raises(APIConnectionError, match="ConnectError"):
        make(base_url="http://127.0.0.1:1", attempts=1).show("01F")
    assert proxy.arrived == []
