"""No error shows a password of a URL, or a token, not even with the local variables of its traceback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock
from urllib.parse import quote

import httpx
import pytest
import stackprinter
from hypothesis import given, settings, strategies

from incident_io_keys import AsyncKeysClient, IncidentIOError, InvalidResponseError, KeysClient

from .calls import CALLS
from .conftest import CANARY, Make
from .drifts import KEY, REAL
from .hiding import renderings, values
from .streams import Stalling, Stream, raising
from .test_errors import FAILURES, failed

# No other text has these characters beside each other.
LETTERS = "QZXJK"
PASSWORDS = strategies.text(LETTERS + "/@:#?%[]&=+ ", min_size=4, max_size=20).filter(lambda text: bool(parts(text)))
VARIABLES = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "INCIDENT_ENDPOINT", "base_url"]
# With each of these, another part of the URL ends too early.
SHAPES = [f"QZXJ{character}KQZX" for character in "/@:#?% "]
SCHEMES = ["http", "https", "socks5", "x"]
URLS = ["{}://user:{}@127.0.0.1:1", "{}://{}@127.0.0.1:1/path", "{}://user:{}", "user:{1}@127.0.0.1:1"]


def parts(password: str) -> set[str]:
    """Return all parts of four characters, as they are and percent-encoded, but none that other texts have too."""
    found = {password[start : start + 4] for start in range(len(password) - 3)}
    found = {part for part in found if sum(part.count(letter) for letter in LETTERS) >= 3}
    return found | {quote(part, safe="") for part in found}


def shown(kind: Any, variable: str, url: str) -> str:
    """Return everything that the client and its errors show, except for what the caller itself wrote."""
    proxies = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    arguments = {"base_url": url} if variable == "base_url" else {}
    with mock.patch.dict(os.environ, proxies if arguments else {**proxies, variable: url}):
        try:
            keys = kind(CANARY, attempts=1, deadline=5, **arguments)
        except IncidentIOError as error:
            # The argument is a local variable of the constructors.
            return shown_by(error, own_frames=100 if arguments else 1)
        try:
            called = keys.show("01F")
            asyncio.run(called) if asyncio.iscoroutine(called) else None
        except IncidentIOError as error:
            return repr(keys) + shown_by(error, own_frames=1)
        finally:
            asyncio.run(keys.aclose()) if kind is AsyncKeysClient else keys.close()
    raise AssertionError("the call returned")


def shown_by(error: IncidentIOError, own_frames: int) -> str:
    """Return everything that an error shows, without some of the frames of its traceback."""
    traceback = error.__traceback__
    for _ in range(own_frames):
        traceback = traceback and traceback.tb_next
    return renderings(error.with_traceback(traceback))


@pytest.mark.parametrize("kind", [KeysClient, AsyncKeysClient])
@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("url", URLS)
def test_no_part_of_a_password_in_a_url_is_shown(kind: Any, variable: str, url: str) -> None:
    for password in SHAPES:
        for written in (password, quote(password, safe="")):
            text = shown(kind, variable, url.format("http", written))
            assert "127.0.0.1" in text or "InvalidRequestError" in text or "api.incident.io" in text
            assert not [part for part in parts(password) if part in text], written


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("variable", VARIABLES)
def test_no_part_of_any_password_in_a_url_is_shown(variable: str, examples: int) -> None:
    @settings(max_examples=examples)
    @given(PASSWORDS, strategies.sampled_from(URLS), strategies.sampled_from(SCHEMES), strategies.booleans())
    def is_hidden(password: str, url: str, scheme: str, encoded: bool) -> None:
        text = shown(KeysClient, variable, url.format(scheme, quote(password, safe="") if encoded else password))
        assert not [part for part in parts(password) if part in text]

    is_hidden()


def everything(error: BaseException) -> str:
    """Return an error in all renderings, also those of stackprinter and of the attributes of all local variables."""
    return "\n".join(
        [
            renderings(error),
            stackprinter.format((type(error), error, error.__traceback__), show_vals="all"),
            *values(error),
        ]
    )


# What arrives of the response to a create. No local variable of a test may hold it.
PARTS: dict[str, tuple[bytes, ...]] = {
    "whole": (b'{"token": "%b", "api_key": %b}' % (REAL.encode(), httpx.Response(200, json=KEY).content),),
    "truncated": (b'{"token": "%b", ' % REAL.encode(), b'"api_key": {'),
    "token in two parts": (b'{"token": "%b' % REAL[:30].encode(), b'%b", ' % REAL[30:].encode()),
    "echo": (b'{"token": "%b", "request": "%b' % (REAL.encode(), CANARY.encode()),),
    "before the end of the token": (b'{"token": "%b' % REAL.encode(),),
}
INTERRUPTIONS: dict[str, Callable[[], BaseException]] = {
    "read error": lambda: httpx.ReadError("interrupted"),
    "timeout": lambda: httpx.ReadTimeout("slow"),
    "closed": lambda: httpx.StreamClosed(),
    "error of the system": lambda: OSError("broken"),
    "keyboard interrupt": KeyboardInterrupt,
    "exit": lambda: SystemExit(3),
    "foreign error": lambda: LookupError("odd"),
    "out of memory": MemoryError,
}


def response(name: str, then: Callable[[], object] = lambda: None, status: int = 201) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, stream=Stream(*PARTS[name], then=then)))


def stalling(name: str, then: Callable[[], object] = lambda: None) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(201, stream=Stalling(b"".join(PARTS[name]), then)))


def check(error: BaseException) -> None:
    """Check that an error shows neither the calling nor the issued token."""
    text = everything(error)
    assert "keys" in text
    assert not [token for token in (CANARY[4:], REAL[4:]) if token in text]


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failing_call_shows_a_token(failure: str) -> None:
    check(failed(*FAILURES[failure]))


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
@pytest.mark.parametrize("body", PARTS)
@pytest.mark.parametrize("status", [201, pytest.param(500, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", ["create", "show"])
def test_no_interrupted_response_shows_a_token(
    make: Make, name: str, status: int, body: str, interruption: str
) -> None:
    keys = make(transport=response(body, raising(INTERRUPTIONS[interruption]()), status), attempts=1)
    try:
        CALLS[name](keys)
    except BaseException as error:  # noqa: BLE001
        check(error)


STATUSES = [200, 422, *(pytest.param(status, marks=pytest.mark.exhaustive) for status in (302, 408, 500))]


@pytest.mark.parametrize("body", ["truncated", "echo", "before the end of the token"])
@pytest.mark.parametrize(
    "status", [200, 422, *(pytest.param(status, marks=pytest.mark.exhaustive) for status in (302, 408, 500))]
)
@pytest.mark.parametrize("name", CALLS)
def test_no_malformed_response_shows_a_token(make: Make, name: str, status: int, body: str) -> None:
    with pytest.raises(IncidentIOError) as caught:
        CALLS[name](make(transport=response(body, status=status), attempts=1))
    check(caught.value)


@pytest.mark.parametrize("body", PARTS)
def test_no_cancelled_call_shows_a_token(body: str) -> None:
    async def create() -> None:
        received = asyncio.Event()
        transport = stalling(body, received.set)
        async with AsyncKeysClient(CANARY, transport=transport) as keys:
            call = asyncio.create_task(CALLS["create"](keys))
            await received.wait()
            call.cancel()
            await call

    with pytest.raises(asyncio.CancelledError) as caught:
        asyncio.run(create())
    check(caught.value)
    cause = caught.value.__cause__
    assert isinstance(cause, InvalidResponseError) is (body != "before the end of the token")


def test_no_call_that_exceeds_its_deadline_shows_a_token() -> None:
    async def create() -> None:
        transport = stalling("truncated")
        async with AsyncKeysClient(CANARY, transport=transport, deadline=0.05) as keys:
            await CALLS["create"](keys)

    with pytest.raises(IncidentIOError) as caught:
        asyncio.run(create())
    check(caught.value)


@pytest.mark.parametrize("depth", [10, 100, 300, 500, 700, 900])
def test_a_token_in_a_deeply_nested_response_is_redacted(make: Make, depth: int) -> None:
    """An escape hides the token in the bytes; a program that reads the JSON finds it."""
    escaped = b'"\\u0069nc_%b"' % CANARY[4:].encode()
    content = b'{"a": %b%b%b}' % (b"[" * depth, escaped, b"]" * depth)
    keys = make(transport=httpx.MockTransport(lambda _: httpx.Response(500, content=content)), attempts=1)
    with pytest.raises(IncidentIOError) as caught:
        CALLS["show"](keys)
    assert CANARY[4:] not in caught.value.response.text  # type: ignore[attr-defined]


def test_the_search_for_tokens_looks_into_attributes() -> None:
    class Holder:
        def __init__(self) -> None:
            self.secret = REAL

    def fail() -> Iterator[None]:
        holder = Holder()
        raise LookupError(type(holder))

    with pytest.raises(LookupError) as caught:
        fail()
    assert any(REAL in value for value in values(caught.value))
