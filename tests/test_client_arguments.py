"""What a client can be made with, and what it says of the rest."""

from __future__ import annotations

import traceback
from typing import Any

import httpx
import pytest

from incident_io_keys import (
    AsyncKeysClient,
    InvalidRequestError,
    KeysClient,
)
from incident_io_keys.testing import MockAPI

from .conftest import CANARY


def problems(*arguments: object, **keywords: object) -> list[str]:
    """What both clients find wrong with the arguments."""
    found = []
    for kind in (KeysClient, AsyncKeysClient):
        with pytest.raises(InvalidRequestError, match="the client was not made") as caught:
            kind(*arguments, **keywords)  # type: ignore[arg-type]
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
        locals_of_ours = [str(frame.locals) for frame in frames if "facade" in frame.filename]
        assert "Problem(" in locals_of_ours[0], "no locals to look at"
        assert CANARY not in "".join(locals_of_ours) + str(caught.value)
        found.append([str(problem) for problem in caught.value.problems])
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("", "token: is missing or blank; give the bare token, without 'Bearer', quotes or a line break"),
        (" \n", "token: is missing or blank; give the bare token, without 'Bearer', quotes or a line break"),
        (CANARY + "\n", "token: has white space or another character that no token has; give the bare token"),
        ("ä" + CANARY, "token: has white space or another character that no token has; give the bare token"),
        (f'"{CANARY}"', "token: is in quotes; give the bare token, without 'Bearer', quotes or a line break"),
        (f"'{CANARY}'", "token: is in quotes; give the bare token"),
        (CANARY.encode(), "token: has to be a str or a Token, not a value of type bytes; give the bare token"),
        (None, "INCIDENT_API_KEY: is missing or blank; pass token=..., or set this variable to the bare token"),
    ],
)
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(token: object, problem: str) -> None:
    [found] = problems(token)
    assert found.startswith(problem)


def test_a_token_of_the_environment_that_cannot_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_API_KEY", f"{CANARY} x")
    [found] = problems()
    assert found.startswith("INCIDENT_API_KEY: has white space or another character that no token has")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example",
        "https://proxy.example/incident/",
        "http://127.0.0.1:8000",
        "http://127.8.9.10",
        "http://[::1]:8000",
        "http://localhost:8000",
    ],
)
def test_the_base_url_is_where_requests_go(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"api_keys": [], "pagination_meta": {"page_size": 1}})

    with KeysClient(CANARY, base_url=url, transport=httpx.MockTransport(answer)) as keys:
        list(keys.list(page_size=1))
    monkeypatch.setenv("INCIDENT_ENDPOINT", url)
    with KeysClient(CANARY, transport=httpx.MockTransport(answer)) as keys:
        list(keys.list(page_size=1))
    assert asked == [f"{url.rstrip('/')}/v1/api_keys?page_size=1"] * 2


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://api.example", "would send the token to api.example in plain text; use https"),
        ("http://127.0.0.1.example", "would send the token to 127.0.0.1.example in plain text; use https"),
        ("http://localhost.example", "would send the token to localhost.example in plain text; use https"),
        ("http://10.0.0.1", "would send the token to 10.0.0.1 in plain text; use https"),
        (
            "ftp://api.example",
            "is not a URL of https:// and a host; write https://api.incident.io, or http://127.0.0.1:8000",
        ),
        ("api.example", "is not a URL of https:// and a host; write https://api.incident.io, or http://127.0.0.1:8000"),
        ("", "is not a URL of https:// and a host; write https://api.incident.io, or http://127.0.0.1:8000"),
        ("https://", "is not a URL of https:// and a host; write https://api.incident.io, or http://127.0.0.1:8000"),
        ("https://api.example/v1", "ends in /v1, which the client adds itself; remove it"),
        ("https://proxy.example/incident/v1/", "ends in /v1, which the client adds itself; remove it"),
        ("https://user:Tr0ub4dor/3@api.example", "is not a URL of https:// and a host"),
        ("https://user:12/3@api.example", "takes no user, password, query or fragment"),
        (f"https://user:{CANARY}@api.example", "takes no user, password, query or fragment"),
        ("https://api.example?a=b", "takes no user, password, query or fragment"),
        ("https://api.example#a", "takes no user, password, query or fragment"),
        ("https://api.example?", "takes no user, password, query or fragment"),
        ("https://api.example#", "takes no user, password, query or fragment"),
        ("https://api.example:port", "is not a URL of https:// and a host"),
        (f"https://user:{CANARY}", "is not a URL of https:// and a host"),
        (f"https://{CANARY}@api.example", "takes no user, password, query or fragment"),
        (f"https://api.example?token={CANARY}", "takes no user, password, query or fragment"),
        (f"http://{CANARY[:40]}", "would send the token to inc_<redacted> in plain text; use https"),
        (f"ftp://api.example/{CANARY}", "is not a URL of https:// and a host"),
        ("https://api.example:99999", "is not a URL of https:// and a host"),
        ("https://api..example", "is not a URL of https:// and a host"),
        ("https://" + "a" * 64 + ".example", "is not a URL of https:// and a host"),
        ("https://xn--a", "is not a URL of https:// and a host"),
        ("https://api example", "is not a URL of https:// and a host"),
        ("https://a/\udc80", "is not a URL of https:// and a host"),
        (f"https://a/{CANARY}\udcff", "is not a URL of https:// and a host"),
        (3, "takes a string, not a value of type int; write "),
    ],
)
def test_a_base_url_that_would_not_do_is_refused(url: object, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = problems("token", base_url=url)
    assert found.startswith(f"base_url: {problem}")
    if isinstance(url, str) and url:
        monkeypatch.setenv("INCIDENT_ENDPOINT", url)
        [found] = problems("token")
        assert found.startswith(f"INCIDENT_ENDPOINT: {problem}")


PERCENT_ENCODE = "is not the URL of a proxy; write http://host:port, and percent-encode the password"


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("HTTPS_PROXY", "foo://user:Tr0ub4dor@host", PERCENT_ENCODE),
        ("https_proxy", "http://[::1", PERCENT_ENCODE),
        ("HTTPS_PROXY", "http://user:Tr0ub4dor/3@host", PERCENT_ENCODE),
        ("HTTPS_PROXY", "http://user:12/3@host", PERCENT_ENCODE),
        ("HTTPS_PROXY", "user:Tr0ub4dor/3@host", PERCENT_ENCODE),
        ("HTTPS_PROXY", "http://", PERCENT_ENCODE),
        ("HTTPS_PROXY", "http://:3128", PERCENT_ENCODE),
        ("HTTPS_PROXY", "http://host:99999", PERCENT_ENCODE),
        ("ALL_PROXY", "socks://127.0.0.1:1", "is not the URL of a proxy; write socks5://"),
        ("ALL_PROXY", "socks5://127.0.0.1:1", "a SOCKS proxy needs the package socksio; install httpx[socks]"),
    ],
)
def test_a_proxy_of_the_environment_that_cannot_be_used_is_named_without_its_value(
    variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert problems("token") == [f"{variable}: {problem}"]


def test_certificates_that_cannot_be_read_are_a_problem_of_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/does/not/exist")
    reason = "the certificates cannot be read: FileNotFoundError"
    assert problems("token") == [f"SSL_CERT_FILE or SSL_CERT_DIR: {reason}"]


def test_an_argument_that_fails_when_it_is_looked_at_shows_no_token() -> None:
    class Odd(float):
        def __gt__(self, other: object) -> bool:
            raise LookupError("a fault of the argument's own")

    for kind in (KeysClient, AsyncKeysClient):
        with pytest.raises(LookupError) as caught:
            kind(CANARY, timeout=Odd(3))
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
        assert CANARY not in "".join(shown)


def test_a_transport_is_a_transport() -> None:
    for kind, name in ((KeysClient, "BaseTransport"), (AsyncKeysClient, "AsyncBaseTransport")):
        with pytest.raises(InvalidRequestError, match=f"transport: takes an httpx.{name}, not a value of type method$"):
            kind("token", transport=MockAPI().transport)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "transport", "other"),
    [
        (KeysClient, httpx.AsyncHTTPTransport, "AsyncKeysClient"),
        (AsyncKeysClient, httpx.HTTPTransport, "KeysClient"),
    ],
)
def test_a_transport_of_the_other_client_is_rejected_with_a_hint(kind: Any, transport: Any, other: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"; that one is for {other}$"):
        kind("token", transport=transport())


@pytest.mark.parametrize("module", ["httpx2", "httpx2._transports.mock"])
def test_a_transport_of_httpx2_is_rejected_by_name(module: str) -> None:
    def send(self: object, request: object) -> None: ...

    methods = {"handle_request": send, "handle_async_request": send, "__module__": module}
    for kind, name in ((KeysClient, "BaseTransport"), (AsyncKeysClient, "AsyncBaseTransport")):
        with pytest.raises(InvalidRequestError) as caught:
            kind("token", transport=type("MockTransport", (), methods)())
        [problem] = caught.value.problems
        assert problem.field == "transport"
        assert f"httpx.{name}" in problem.message
        assert problem.suggestion == "that one is of httpx2, but this client uses httpx"


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/v1//", "/incident/v1"])
def test_a_base_url_that_ends_in_v1_is_rejected(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "ends in /v1, which the client adds itself; remove it"
    assert problems("token", base_url=f"https://api.example{end}") == [f"base_url: {problem}"]
    monkeypatch.setenv("INCIDENT_ENDPOINT", f"https://api.example{end}")
    assert problems("token") == [f"INCIDENT_ENDPOINT: {problem}"]


@pytest.mark.parametrize("end", ["/v10", "/v1/proxy", "/av1"])
def test_a_base_url_with_another_path_is_accepted(end: str) -> None:
    with KeysClient("token", base_url=f"https://api.example{end}") as keys:
        assert end in repr(keys)


@pytest.mark.parametrize("mark", ["'", '"'])
def test_a_token_in_quotes_is_rejected_by_that_name(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = problems(f"{mark}{CANARY}{mark}")
    assert found.startswith("token: is in quotes")
    monkeypatch.setenv("INCIDENT_API_KEY", f"{mark}{CANARY}{mark}")
    [found] = problems()
    assert found.startswith("INCIDENT_API_KEY: is in quotes")


def test_an_empty_endpoint_in_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_ENDPOINT", "")
    with KeysClient(CANARY) as keys:
        assert repr(keys) == "KeysClient(base_url='https://api.incident.io')"


@pytest.mark.parametrize(
    "timeout",
    [
        0,
        -1,
        1e300,
        float("inf"),
        float("nan"),
        None,
        True,
        "3",
        (),
        (1,),
        "soon",
        httpx.Timeout(-1),
        httpx.Timeout(5, read=1e300),
        httpx.Timeout(5, write=float("nan")),
        httpx.Timeout(5, pool="3"),  # type: ignore[arg-type]
    ],
)
def test_a_timeout_is_a_time_and_not_for_ever(timeout: object) -> None:
    assert problems("token", timeout=timeout) == ["timeout: takes seconds, more than 0, or an httpx.Timeout of such"]


@pytest.mark.parametrize("agent", ["", " ", "a\nb", "ä", "a\x7f", 3])
def test_a_user_agent_is_what_a_header_can_carry(agent: object) -> None:
    assert problems("token", user_agent=agent) == ["user_agent: takes a string of visible ASCII and spaces"]


def test_everything_that_is_wrong_with_a_client_is_told_at_once() -> None:
    found = problems(f"{CANARY}\n", base_url="http://api.example", timeout=0, user_agent="\n", attempts=0, deadline=0)
    assert [problem.partition(":")[0] for problem in found] == [
        *("token", "base_url", "user_agent", "timeout", "attempts", "deadline"),
    ]


@pytest.mark.parametrize("attempts", [0, -1, 101, 2.0, "4", None, True])
def test_attempts_are_a_number_of_tries(attempts: object) -> None:
    [found] = problems("token", attempts=attempts)
    assert found.startswith("attempts: ")
    assert "1 to 100" in found


@pytest.mark.parametrize("deadline", [0, -1, float("inf"), float("nan"), None, True, "60", httpx.Timeout(5)])
def test_a_deadline_is_a_time_and_not_for_ever(deadline: object) -> None:
    assert problems("token", deadline=deadline) == ["deadline: takes a finite number of seconds, more than 0"]


def test_an_async_source_is_for_the_async_client() -> None:
    async def source() -> str:
        return CANARY

    with pytest.raises(InvalidRequestError, match="token: is a coroutine function; those are for AsyncKeysClient"):
        KeysClient(source)  # type: ignore[arg-type]
