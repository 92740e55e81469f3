"""The transport that keeps a call's deadline: over TLS, over several addresses, and cut off by another thread."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import httpx
import pytest

from incident_io_keys import APIConnectionError, APITimeoutError, KeysClient
from incident_io_keys._deadline import EXTENSION, Deadline
from incident_io_keys._operations import show_key
from incident_io_keys._transport import DeadlineTransport, _Backend, _Stream
from incident_io_keys.testing import MockAPI

from .conftest import CANARY, Make
from .faults import Connection, FaultServer


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and then neither reads nor writes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_does_not_speak_tls_is_no_connection(make: Make, silent: str) -> None:
    keys = make(base_url=silent.replace("http://", "https://"), deadline=0.3, attempts=1)
    with pytest.raises(APITimeoutError) as caught:
        keys.create(name="a", role_names=[])
    assert not caught.value.may_have_applied


def test_a_server_that_does_not_read_is_not_written_to_for_ever(make: Make, silent: str) -> None:
    team_ids = ["x" * 10_000] * 1_000  # more than the sockets hold
    with pytest.raises(APITimeoutError) as caught:
        make(base_url=silent, deadline=0.5).create(
            name="a", role_names=[], team_ids=team_ids, team_role_names=["schedules_editor"]
        )
    assert caught.value.may_have_applied


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **keywords: Any) -> Any:
        if host != "api.example":
            return real(host, port, *arguments, **keywords)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def exchange(transport: DeadlineTransport, url: str, deadline: Deadline) -> httpx.Response:
    with httpx.Client(transport=transport) as client:
        return client.get(url, timeout=600, extensions={EXTENSION: deadline})


def transport() -> DeadlineTransport:
    return DeadlineTransport(proxy=None, trust_env=False, limits=httpx.Limits())


def test_of_several_addresses_the_first_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    mock = MockAPI()
    with mock.serve() as server:
        port = httpx.URL(server.url).port
        resolved(monkeypatch, "127.0.0.2", "127.0.0.1")  # nobody listens at the first
        response = exchange(transport(), f"http://api.example:{port}/v1/api_keys", Deadline(10))
    assert response.status_code == 401


def test_a_name_without_addresses_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch)
    with pytest.raises(httpx.ConnectError, match=r"api\.example has no address"):
        exchange(transport(), "http://api.example", Deadline(10))


def test_a_name_that_does_not_resolve_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        KeysClient(CANARY, base_url="https://api.example") as keys,
        pytest.raises(APIConnectionError, match="not known") as caught,
    ):
        keys.create(name="a", role_names=[])
    assert not caught.value.may_have_applied


class Backend(httpcore.NetworkBackend):
    """Connects to nothing, and remembers how much time it was given for what."""

    def __init__(self, dead: set[str], failure: Callable[[str], Exception]) -> None:
        self.given: list[tuple[str, str, float | None]] = []
        self._dead = dead
        self._failure = failure

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        self.given.append(("connect", host, timeout))
        if host in self._dead:
            raise self._failure(host)
        return Stream(self)


class Stream(httpcore.NetworkStream):
    def __init__(self, backend: Backend, connected: socket.socket | None = None) -> None:
        self._backend = backend
        self._socket = connected

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._backend.given.append(("read", "", timeout))
        return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._backend.given.append(("write", "", timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._socket

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._backend.given.append(("start_tls", "", timeout))
        return self


def backend(
    deadline: Deadline, dead: set[str], failure: Callable[[str], Exception] = httpcore.ConnectError
) -> tuple[Any, Backend]:
    inner = Backend(dead, failure)
    current = threading.local()
    current.deadline = deadline
    return _Backend(inner, current), inner


def test_every_step_has_no_more_time_than_the_call() -> None:
    bounded, inner = backend(Deadline(3, clock=lambda: 100.0), set())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = _Stream(Stream(inner, ours), bounded._current)
        for timeout, expected in ((30.0, 3), (None, 3), (2.0, 2)):
            inner.given.clear()
            stream.read(1, timeout)
            stream.write(b"x" * 5000, timeout)
            stream.start_tls(ssl.create_default_context(), "a", timeout)
            assert [given for _, _, given in inner.given] == [expected] * 4


@pytest.mark.parametrize("failure", [httpcore.ConnectError, httpcore.ConnectTimeout])
def test_of_several_addresses_none_takes_the_time_of_the_others(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    resolved(monkeypatch, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    bounded, inner = backend(Deadline(60), {"192.0.2.1", "192.0.2.2"}, failure)
    bounded.connect_tcp("api.example", 443, 6.0)
    assert [host for _, host, _ in inner.given] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert [given for _, _, given in inner.given] == [pytest.approx(share, abs=0.5) for share in (2, 3, 6)]


@pytest.mark.parametrize("failure", [httpcore.ConnectError, httpcore.ConnectTimeout])
def test_if_no_address_answers_the_last_failure_is_told(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    resolved(monkeypatch, "192.0.2.1", "192.0.2.2")
    bounded, _ = backend(Deadline(60), {"192.0.2.1", "192.0.2.2"}, failure)
    with pytest.raises(failure, match=r"192\.0\.2\.2"):
        bounded.connect_tcp("api.example", 443, 6.0)


def test_a_name_that_takes_too_long_to_look_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    known = threading.Event()
    waited_for = []

    def resolve(*_: Any, **__: Any) -> Any:
        waited_for.append(known.wait(20))
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        KeysClient(CANARY, base_url="https://api.example", deadline=0.2) as keys,
        pytest.raises(APITimeoutError, match=r"within the deadline of 0\.2 s") as caught,
    ):
        keys.create(name="a", role_names=[])
    assert not caught.value.may_have_applied
    assert waited_for == []
    known.set()
    for thread in [thread for thread in threading.enumerate() if "lookup" in thread.name]:
        thread.join()


def test_no_thread_is_needed_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = []

    def start(thread: threading.Thread) -> None:
        wanted.append(thread)
        raise RuntimeError("can't start new thread")

    bounded, inner = backend(Deadline(60), set())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        bounded.connect_tcp("localhost", 80, 6.0)
        bounded.connect_tcp("::1", 80, 6.0)
    assert inner.given[0][1] in ("127.0.0.1", "::1")
    assert inner.given[-1][1] == "::1"
    assert len(wanted) == 1, "an address needs no look-up"


def test_a_deadline_that_is_brought_forward_leaves_further_addresses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, "192.0.2.1", "192.0.2.2")
    deadline = Deadline(60)

    def fail(host: str) -> Exception:
        deadline.expire()
        return httpcore.ConnectError(host)

    bounded, inner = backend(deadline, {"192.0.2.1"}, fail)
    with pytest.raises(httpcore.ConnectTimeout, match="the deadline is over"):
        bounded.connect_tcp("api.example", 443, 6.0)
    assert [host for _, host, _ in inner.given] == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("fault", "raised"),
    [(OSError(24, "Too many open files"), httpcore.ConnectError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_connection_that_does_not_come_to_tls_is_closed(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException, raised: type[BaseException]
) -> None:
    def fail(_: int) -> int:
        raise fault

    bounded, inner = backend(Deadline(60), set())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        monkeypatch.setattr(os, "dup", fail)
        with pytest.raises(raised):
            _Stream(Stream(inner, ours), bounded._current).start_tls(ssl.create_default_context())
        assert ours.fileno() == -1


def test_a_handshake_ends_when_the_deadline_is_brought_forward(silent: str) -> None:
    with KeysClient(CANARY, base_url=silent.replace("http://", "https://"), deadline=600, timeout=600) as keys:
        ahead = keys._sender.ahead(show_key("01F"))
        while ahead._deadline._socket is None:
            assert ahead._thread.is_alive()
        ahead.cancel()
        with pytest.raises(APIConnectionError):
            ahead.result()


def test_a_server_that_reads_a_little_now_and_then_does_not_stretch_the_deadline(make: Make) -> None:
    team_ids = ["x" * 100_000] * 200  # takes seconds to read
    connected, stopped = threading.Event(), threading.Event()

    def read_slowly() -> None:
        peer, _ = server.accept()
        connected.set()
        with peer:
            while not stopped.wait(0.02):
                peer.recv(1 << 18)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=read_slowly)
        thread.start()
        keys = make(base_url=f"http://127.0.0.1:{server.getsockname()[1]}", deadline=1)
        started = time.monotonic()
        with pytest.raises(APITimeoutError):
            keys.create(name="a", role_names=[], team_ids=team_ids, team_role_names=["schedules_editor"])
        took = time.monotonic() - started
        stopped.set()
        if not connected.is_set():  # so that accept returns
            socket.create_connection(server.getsockname()).close()
        thread.join()
    assert took < 4


def test_a_large_request_arrives_whole(make: Make, mock: MockAPI) -> None:
    team_ids = [f"{number:0100}" for number in range(1000)]
    with mock.serve() as server:
        issued = make(mock.token, base_url=server.url).create(
            name="a", role_names=[], team_ids=team_ids, team_role_names=["schedules_editor"]
        )
    assert list(issued.api_key.team_ids) == team_ids


def test_nothing_is_begun_after_the_deadline(silent: str) -> None:
    over = Deadline(1)
    over.expire()
    assert over.left() <= 0
    with pytest.raises(httpx.ConnectTimeout, match="the deadline is over"):
        exchange(transport(), silent, over)


def test_a_deadline_that_is_brought_forward_ends_what_blocks(silent: str) -> None:
    deadline = Deadline(600)
    failures: list[Exception] = []

    def wait() -> None:
        try:
            exchange(transport(), silent, deadline)
        except httpx.HTTPError as error:
            failures.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while deadline._socket is None:
        assert thread.is_alive()
    deadline.expire()
    thread.join()
    assert len(failures) == 1


def test_bringing_a_deadline_forward_touches_no_socket_that_is_not_waited_on() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline = Deadline(600)
        with deadline.blocking(ours):
            pass
        deadline.expire()
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"


def test_a_proxy_of_the_environment_is_gone_through_unless_it_is_ruled_out(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proxy(connection: Connection) -> None:
        connection.answer(407, b"")

    with FaultServer([proxy]).running() as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url.removeprefix("http://"))
        with pytest.raises(APIConnectionError, match="ProxyError") as caught:
            make(base_url="https://api.example", attempts=1).create(name="a", role_names=[])
        assert not caught.value.may_have_applied
        [asked] = server.arrived
        assert asked.startswith(b"CONNECT api.example:443 ")
        assert CANARY.encode() not in asked
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        with pytest.raises(APIConnectionError, match="ConnectError"):
            make(base_url="https://127.0.0.1:1", attempts=1).show("01F")
    assert len(server.arrived) == 1
