from __future__ import annotations

import pickle
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    AccountRole,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    IncidentIOError,
    InvalidRequestError,
    NotFoundError,
    Token,
    __version__,
)
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from .conftest import CANARY, Handler, Make

ClientOf = Callable[[Handler], Any]


def test_a_created_key_is_listed(mock: MockAPI, make: Make) -> None:
    keys = make(mock.token, transport=mock.transport())
    issued = keys.create(
        name="deploy bot", role_names=[AccountRole.VIEWER], team_ids=["1"], team_role_names=["schedules_editor"]
    )
    assert list(keys.list())[-1] == issued.api_key
    assert issued.api_key.name == "deploy bot"
    assert [role.name for role in issued.api_key.roles] == ["viewer"]


def test_an_invalid_argument_raises_before_anything_is_sent(mock: MockAPI, make: Make) -> None:
    keys = make(mock.token, transport=mock.transport())
    with pytest.raises(InvalidRequestError):
        keys.create(name="", role_names=["viwer"])
    with pytest.raises(InvalidRequestError):
        keys.list(page_size=0)
    assert mock.requests == []


def test_list_requests_the_largest_pages_and_sends_nothing_until_iterated(mock: MockAPI, make: Make) -> None:
    keys = make(mock.token, transport=mock.transport())
    pager = keys.list()
    assert mock.requests == []
    list(pager)
    assert [str(request.url) for request in mock.requests] == [
        f"https://api.incident.io/v1/api_keys?page_size={contract.LIST_API_KEYS_PAGE_SIZE_MAXIMUM}"
    ]


@pytest.mark.parametrize("token", [CANARY, Token(CANARY), None])
def test_only_the_request_in_flight_holds_the_token(
    make: Make, token: str | Token | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCIDENT_API_KEY", CANARY)
    sent: list[str | None] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("Authorization"))
        return httpx.Response(404)

    with make(token, transport=httpx.MockTransport(respond)) as keys, pytest.raises(NotFoundError) as caught:
        list(keys.list())
    assert sent == [f"Bearer {CANARY}"]
    assert "Authorization" not in caught.value.response.request.headers


def test_a_failed_request_does_not_keep_the_token(client_of: ClientOf) -> None:
    sent = []

    def fail(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        assert request.headers["Authorization"]
        raise httpx.ReadError("broken", request=request)

    with pytest.raises(APIConnectionError):
        list(client_of(fail).list())
    assert "Authorization" not in sent[0].headers


def test_a_transport_that_removes_the_token_does_not_lose_the_issued_one(make: Make, mock: MockAPI) -> None:
    def remove(request: httpx.Request) -> httpx.Response:
        response = mock.handle(request)
        del request.headers["Authorization"]
        return response

    with make(mock.token, transport=httpx.MockTransport(remove)) as keys:
        assert keys.create(name="a", role_names=[]).token.reveal().startswith("inc_")


def test_an_interrupt_is_raised_unchanged_and_shows_no_token(client_of: ClientOf) -> None:
    def interrupt(request: httpx.Request) -> httpx.Response:
        header = request.headers["Authorization"]
        raise KeyboardInterrupt(len(header))

    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(interrupt).create(name="a", role_names=[])
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "self = " in shown, "no local variables to search"
    assert CANARY not in shown


def test_the_timeout_is_passed_to_the_transport(make: Make, client_of: ClientOf) -> None:
    timeouts = []

    def respond(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        return httpx.Response(404)

    with pytest.raises(NotFoundError):
        list(client_of(respond).list())
    with make(transport=httpx.MockTransport(respond), timeout=3) as keys, pytest.raises(NotFoundError):
        list(keys.list())
    assert timeouts == [30.0, 3]


def test_a_cursor_that_no_url_can_carry_is_rejected(mock: MockAPI, make: Make) -> None:
    keys = make(mock.token, transport=mock.transport())
    with pytest.raises(InvalidRequestError, match="URL"):
        list(keys.list(after="x" * 100_000))
    assert mock.requests == []


@pytest.mark.parametrize(
    "location",
    ["foo:bar", "mailto:a@b", "https:foo", "//", "/elsewhere", "http://[", "\\", "", "//xn--a/", "//xn--~//@"],
)
def test_a_redirect_to_anywhere_is_an_error_of_the_client(client_of: ClientOf, location: str) -> None:
    keys = client_of(lambda _: httpx.Response(307, headers={"Location": location}))
    with pytest.raises(IncidentIOError) as caught:
        keys.create(name="a", role_names=[])
    assert caught.value.may_have_applied
    if isinstance(caught.value, APIStatusError):
        assert caught.value.response.next_request is None  # httpx makes one that has the token
    assert CANARY.encode() not in pickle.dumps(caught.value)


def test_a_cookie_is_ignored(make: Make, mock: MockAPI) -> None:
    cookies = []

    def respond(request: httpx.Request) -> httpx.Response:
        cookies.append(request.headers.get("Cookie"))
        response = mock.handle(request)
        return httpx.Response(response.status_code, headers=[(b"Set-Cookie", b"lb=\xe9")], content=response.content)

    with make(mock.token, transport=httpx.MockTransport(respond)) as keys:
        for _ in range(2):
            keys.create(name="a", role_names=[])
    assert cookies == [None, None]


def test_the_repr_of_a_client_redacts_a_token_in_its_url(make: Make) -> None:
    with make("token", base_url=f"https://api.example/{CANARY}") as keys:
        assert repr(keys).endswith("KeysClient(base_url='https://api.example/inc_<redacted>')")


def test_an_error_of_the_operating_system_is_a_connection_error(client_of: ClientOf) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise ConnectionResetError("reset")

    with pytest.raises(APIConnectionError, match="ConnectionResetError: reset"):
        list(client_of(fail).list())


@pytest.mark.parametrize("method", ["list", "create"])
def test_a_redirect_is_an_error_and_is_not_followed(client_of: ClientOf, method: str) -> None:
    requested = []

    def redirect(request: httpx.Request) -> httpx.Response:
        requested.append(request.url.host)
        return httpx.Response(302, headers={"Location": "https://elsewhere.example/"})

    keys = client_of(redirect)
    with pytest.raises(Exception, match="failed with 302"):
        list(keys.list()) if method == "list" else keys.create(name="a", role_names=[])
    assert requested == ["api.incident.io"]


def test_the_user_agent_names_the_client(make: Make, client_of: ClientOf) -> None:
    agents = []

    def respond(request: httpx.Request) -> httpx.Response:
        agents.append(request.headers["User-Agent"])
        assert request.headers["Accept"] == "application/json"
        return httpx.Response(200, json={"api_keys": [], "pagination_meta": {"page_size": 1}})

    list(client_of(respond).list())
    with make(transport=httpx.MockTransport(respond), user_agent="deployer/2 (blue)") as keys:
        list(keys.list())
    assert agents[0].startswith(f"incident-io-keys/{__version__} httpx/")
    assert agents[1] == f"deployer/2 (blue) {agents[0]}"


@pytest.mark.parametrize(
    ("kind", "public", "arrived"),
    [
        (httpx.ConnectError, APIConnectionError, False),
        (httpx.ConnectTimeout, APITimeoutError, False),
        (httpx.PoolTimeout, APITimeoutError, False),
        (httpx.ProxyError, APIConnectionError, False),
        (httpx.UnsupportedProtocol, APIConnectionError, False),
        (httpx.ReadTimeout, APITimeoutError, True),
        (httpx.WriteTimeout, APITimeoutError, True),
        (httpx.ReadError, APIConnectionError, True),
        (httpx.WriteError, APIConnectionError, True),
        (httpx.RemoteProtocolError, APIConnectionError, True),
        (httpx.DecodingError, APIConnectionError, True),
    ],
)
def test_an_error_without_a_response_reports_whether_the_request_may_have_arrived(
    client_of: ClientOf, kind: type[httpx.RequestError], public: type[APIConnectionError], arrived: bool
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("on the way", request=request)

    keys = client_of(fail)
    with pytest.raises(APIConnectionError) as caught:
        keys.create(name="a", role_names=[])
    assert type(caught.value) is public
    assert isinstance(caught.value.__cause__, kind)
    assert caught.value.may_have_applied is arrived
    message, *warning = str(caught.value).splitlines()
    assert message.startswith("create ")
    assert message.endswith(f"api.incident.io: {kind.__name__}: on the way")
    assert bool(warning) is arrived
    with pytest.raises(public) as caught:
        list(keys.list())
    assert not caught.value.may_have_applied


@pytest.fixture
def hangs_up() -> Iterator[str]:
    """The URL of a server that accepts one connection and closes it without a response."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            connection, _ = server.accept()
            connection.settimeout(5)
            with connection:
                connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_server_that_hangs_up_leaves_no_token_in_the_traceback(make: Make, hangs_up: str) -> None:
    with make(Token(CANARY), base_url=hangs_up) as keys, pytest.raises(APIConnectionError) as caught:
        keys.create(name="a", role_names=[])
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "self = " in shown, "no local variables to search"
    assert CANARY not in shown


def test_plain_http_uses_no_proxy(make: Make, hangs_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", hangs_up)
    monkeypatch.setenv("ALL_PROXY", hangs_up)
    mock = MockAPI()
    with mock.serve() as server, make(mock.token, base_url=server.url) as keys:
        assert len(list(keys.list())) == 1
    with socket.create_connection(("127.0.0.1", int(hangs_up.rpartition(":")[2]))) as connection:
        connection.sendall(b"x")  # the one connection that the server waits for


def test_a_client_closes_its_connections_when_its_block_ends(make: Make) -> None:
    mock = MockAPI()
    with mock.serve() as server:
        with make(mock.token, base_url=server.url) as keys:
            list(keys.list())
        with pytest.raises(InvalidRequestError, match="client: is closed"):
            list(keys.list())
